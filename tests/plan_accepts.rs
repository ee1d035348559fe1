//! What a plan accepts, the import does not refuse: unique values besides the key, lengths, ranges and columns that must
//! have a value are held against the target and the bundle while it is planned, and both documents are named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;
#[allow(dead_code, reason = "each test binary uses its own part of this")]
#[path = "support/tsql.rs"]
mod tsql;

use std::path::Path;

use little::{Little, both};
use rusqlite::Connection;
use sealift::crypto::FingerprintKey;
use sealift::document::Value;
use sealift::model::Model;
use sealift::ops::{self, How, ImportOptions, Keys, Outcome};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use serde_json::json;
use support::*;
use tsql::TestServer;

const MODEL: &str = r##"
format = 1
name = "depot"
title = "Depot"

[[kind]]
name = "Shelf"
table = "Shelf"
id = { column = "Id", new = "next" }
key = ["Name"]

[[kind]]
name = "Box"
table = "Box"
id = { column = "Id", new = "next" }
key = ["Name"]
reference = [{ at = "ShelfId", to = "Shelf" }]
"##;

/// The source has no constraint: what is wrong for the target is not wrong there.
const LOOSE: &str = "
CREATE TABLE [Shelf] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE);
CREATE TABLE [Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [Slug] nvarchar(200), [Code] nvarchar(200), [Size] bigint, [State] nvarchar(200), [ShelfId] int, [Place] int);
";

const STRICT: &str = "
CREATE TABLE [Shelf] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE UNIQUE);
CREATE TABLE [Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE UNIQUE, [Slug] nvarchar(20) NOT NULL COLLATE NOCASE UNIQUE, [Code] nvarchar(20) COLLATE NOCASE UNIQUE, [Size] smallint NULL, [State] nvarchar(20) NOT NULL DEFAULT 'open', [ShelfId] int NULL, [Place] int NULL, UNIQUE ([ShelfId], [Place]));
";

/// Name, slug and code of a box.
type BoxRow = (&'static str, &'static str, Option<&'static str>);

fn depot() -> Model {
    Model::parse(MODEL, "depot.toml").unwrap()
}

/// Boxes with their slugs and codes, each in a place of its own.
fn boxes(from: i64, boxes: &[BoxRow]) -> Vec<Vec<Value>> {
    let text = |text: &str| Value::from(text);
    let row = |(at, (name, slug, code)): (usize, &BoxRow)| {
        let id = from + at as i64;
        let code = code.map_or(Value::Null, text);
        vec![
            Value::Int(id),
            text(name),
            text(slug),
            code,
            Value::Int(1),
            text("open"),
            Value::Null,
            Value::Int(id),
        ]
    };
    boxes.iter().enumerate().map(row).collect()
}

fn fill(server: &mut dyn Server, rows: &[Vec<Value>]) {
    let columns = ["Id", "Name", "Slug", "Code", "Size", "State", "ShelfId", "Place"];
    let mut transaction = server.begin().unwrap();
    transaction.insert("Box", &columns, rows).unwrap();
    transaction.check().unwrap();
    transaction.commit().unwrap();
}

/// A source of boxes and a target that has others, once on each server.
struct Case {
    folder: tempfile::TempDir,
    bundle: std::path::PathBuf,
}

impl Case {
    fn new(source: &[Vec<Value>]) -> Self {
        let folder = folder();
        let path = folder.path().join("source.sqlite");
        fill(&mut SqliteServer::create(&path, Schema::Ddl(LOOSE)).unwrap(), source);
        let bundle = folder.path().join("a.sealift");
        export(&path, &depot(), &bundle, &everything(None));
        Self { folder, bundle }
    }

    fn embedded(&self, rows: &[Vec<Value>]) -> SqliteServer {
        let path = self.folder.path().join("target.sqlite");
        let _ = std::fs::remove_file(&path);
        let mut server = SqliteServer::create(&path, Schema::Ddl(STRICT)).unwrap();
        fill(&mut server, rows);
        server
    }

    /// Plans and imports. What is planned without findings is imported; else the findings, `Name: problem`.
    fn run(&self, server: &mut dyn Server, options: &ImportOptions) -> Vec<String> {
        let (bundle, model) = (open(&self.bundle), depot());
        let seen = FingerprintKey::generate().unwrap();
        let keys = Keys { bundle: None, master: None, seen: &seen };
        let planned =
            ops::plan(&bundle, &mut *server.read().unwrap(), &model, keys, options.clone(), &Silent).unwrap();
        let outcome = ops::import(&bundle, server, &model, keys, How::default(), options.clone(), &Silent);
        match outcome.unwrap() {
            Outcome::Refused(plan) => assert_eq!(plan.findings, planned.findings),
            Outcome::Applied(_) | Outcome::Nothing(_) => assert_eq!(planned.findings, []),
            other => panic!("{other:?}"),
        }
        if planned.findings.is_empty() {
            let again = ops::import(&bundle, server, &model, keys, How::default(), options.clone(), &Silent);
            assert!(matches!(again.unwrap(), Outcome::Nothing(_)), "a second import has nothing to do");
        }
        planned.findings.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem)).collect()
    }

    /// The findings of the embedded server and of SQL Server.
    fn both(&self, target: &[Vec<Value>], options: &ImportOptions) -> [Vec<String>; 2] {
        let mut embedded = self.embedded(&[]);
        let catalog = embedded.read().unwrap().catalog().clone();
        fill(&mut embedded, target);
        let ours = self.run(&mut embedded, options);
        let tsql = TestServer::own(Default::default());
        let database = tsql.database();
        database.make(&catalog);
        let mut server = SqlServer::open(&database.address()).unwrap();
        fill(&mut server, target);
        [ours, self.run(&mut server, options)]
    }

    #[track_caller]
    fn accepted(&self, target: &[Vec<Value>], options: &ImportOptions) {
        assert_eq!(self.both(target, options), [const { Vec::<String>::new() }; 2]);
    }

    /// The one finding, the same on both servers.
    #[track_caller]
    fn one(&self, target: &[Vec<Value>], options: &ImportOptions) -> String {
        let [ours, theirs] = self.both(target, options);
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 1, "{ours:#?}");
        ours.into_iter().next().unwrap()
    }
}

#[test]
fn a_renamed_document_that_keeps_its_slug_is_reported_by_both_names() {
    let case = Case::new(&boxes(1, &[("New name", "SHOP ", None), ("Other", "other", Some("x"))]));
    let found = case.one(&boxes(7, &[("Old name", "shop", Some("y"))]), &overwrite());
    assert_eq!(
        found,
        "Box New name: would have Slug \"SHOP \", as Box Old name (7) of the target does, and the column must be unique: rename or change one of the two, or leave this one out with --except"
    );
    // What is left out stops nothing.
    let options = ImportOptions { except: vec!["Box/New name".to_owned()], ..overwrite() };
    case.accepted(&boxes(7, &[("Old name", "shop", Some("y"))]), &options);
}

#[test]
fn two_documents_of_the_bundle_are_reported_by_both_names() {
    let case = Case::new(&boxes(1, &[("A", "same", Some("x")), ("B", "Same", None)]));
    let found = case.one(&[], &overwrite());
    assert!(
        found.starts_with("Box B: would have Slug \"Same\", as Box A of the bundle would, and"),
        "{found}"
    );
    // The target has both, and one of them becomes like the other.
    let found = case.one(&boxes(7, &[("A", "a", Some("x")), ("B", "b", None)]), &overwrite());
    assert!(found.starts_with("Box B: would have Slug \"Same\", as Box A of the bundle would"), "{found}");
}

#[test]
fn a_document_that_the_target_keeps_as_it_is_keeps_its_values() {
    let case = Case::new(&boxes(1, &[("A", "free", Some("x")), ("B", "taken", Some("y"))]));
    let target = boxes(7, &[("A", "taken", Some("x"))]);
    // A would let go of what B needs, but is skipped.
    let found = case.one(&target, &skip());
    assert!(
        found.starts_with("Box B: would have Slug \"taken\", as Box A (7) of the target does"),
        "{found}"
    );
    case.accepted(&target, &overwrite());
}

#[test]
fn values_may_pass_from_one_document_to_another() {
    for (source, target) in [
        // Two exchange them, three pass them round, and one takes what another lets go, in either order.
        ([("A", "b"), ("B", "a"), ("C", "c")], [("A", "a"), ("B", "b"), ("C", "c")]),
        ([("A", "b"), ("B", "c"), ("C", "a")], [("A", "a"), ("B", "b"), ("C", "c")]),
        ([("A", "b"), ("B", "c"), ("C", "d")], [("A", "a"), ("B", "b"), ("C", "c")]),
        ([("A", "0"), ("B", "a"), ("C", "b")], [("A", "a"), ("B", "b"), ("C", "c")]),
    ] {
        let rows =
            |rows: [(&'static str, &'static str); 3]| rows.map(|(name, slug)| (name, slug, Some(name)));
        let case = Case::new(&boxes(1, &rows(source)));
        case.accepted(&boxes(1, &rows(target)), &overwrite());
        // A new one takes what one that is there lets go.
        let [first, _, third] = rows(target);
        case.accepted(&boxes(1, &[first, third]), &overwrite());
    }
}

#[test]
fn an_exchange_is_taken_back() {
    let case = Case::new(&boxes(1, &[("A", "b", Some("1")), ("B", "a", Some("2"))]));
    drop(case.embedded(&boxes(1, &[("A", "a", Some("1")), ("B", "b", Some("2"))])));
    let path = case.folder.path().join("target.sqlite");
    let model = depot();
    let mut server = SqliteServer::open(&path).unwrap();
    let before = back::root(&mut server, &model, None, &case.folder.path().join("before"));
    let undo = case.folder.path().join("undo");
    back::import_kept(&case.bundle, &mut server, &model, None, &undo);
    back::undo(&undo, &mut server, &model, None, None);
    assert_eq!(before, back::root(&mut server, &model, None, &case.folder.path().join("after")));
}

#[test]
fn what_is_deleted_lets_go_of_its_values() {
    let case = Case::new(&boxes(1, &[("New name", "shop", None)]));
    let target = boxes(7, &[("Old name", "shop", Some("y"))]);
    case.accepted(&target, &ImportOptions { prune: true, ..overwrite() });
    assert!(case.one(&target, &overwrite()).contains("Box Old name (7) of the target"));
}

#[test]
fn nothing_equals_nothing_on_sql_server_alone() {
    let case = Case::new(&boxes(1, &[("A", "a", None), ("B", "b", None)]));
    let [embedded, sqlserver] = case.both(&[], &overwrite());
    assert_eq!(embedded, [""; 0]);
    assert_eq!(sqlserver.len(), 1);
    assert!(
        sqlserver[0].starts_with("Box B: would have Code null, as Box A of the bundle would"),
        "{sqlserver:?}"
    );
}

#[test]
fn columns_are_unique_together() {
    let place = |name: &str, place: i64| {
        let mut row = boxes(place, &[("", "", None)]).remove(0);
        (row[1], row[2], row[3]) = (Value::from(name), Value::from(name), Value::from(name));
        (row[6], row[7]) = (Value::Int(3), Value::Int(5));
        row
    };
    let case = Case::new(&[place("A", 1)]);
    // The shelf is nobody's: the id travels as it is.
    let found = case.one(&[place("Z", 9)], &overwrite());
    assert!(
        found.contains("ShelfId ")
            && found.contains(
                "Place 5, as Box Z (9) of the target does, and the columns must be unique together"
            ),
        "{found}"
    );
}

#[test]
fn what_a_column_cannot_hold_is_found() {
    let with = |at: usize, value: Value| {
        let mut row = boxes(1, &[("A", "a", Some("x"))]).remove(0);
        row[at] = value;
        Case::new(&[row])
    };
    let long = with(2, Value::from("x".repeat(21))).one(&[], &overwrite());
    assert_eq!(long, "Box A: Slug cannot hold text of 21 characters: it is nvarchar(20) in the target");
    let large = with(4, Value::Int(40_000)).one(&[], &overwrite());
    assert_eq!(large, "Box A: Size cannot hold a number that large: it is smallint in the target");
    let nothing = with(2, Value::Null).one(&[], &overwrite());
    assert_eq!(nothing, "Box A: has no value for Slug, which the target's table needs");
    // A default is for rows that do not say; this one says nothing.
    let target = boxes(1, &[("A", "a", Some("x"))]);
    for target in [&[][..], &target] {
        let nothing = with(5, Value::Null).one(target, &overwrite());
        assert_eq!(nothing, "Box A: has no value for State, which the target's table needs");
    }
}

#[test]
fn filtered_indexes_bind_the_rows_that_pass() {
    let row = |id: i64, name: &'static str, code: &'static str, state: &str| {
        let mut row = boxes(id, &[(name, name, Some(code))]).remove(0);
        row[5] = Value::from(state);
        row
    };
    let index = "DROP TABLE Box; CREATE TABLE [Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE UNIQUE, [Slug] nvarchar(200), [Code] nvarchar(200), [Size] bigint, [State] nvarchar(200), [ShelfId] int, [Place] int);
        CREATE UNIQUE INDEX one_open ON Box (Code) WHERE State = 'open' AND Code IS NOT NULL;
        CREATE UNIQUE INDEX computed ON Box (lower(Slug));";
    let run = |source: &[Vec<Value>], target: &[Vec<Value>]| {
        let case = Case::new(source);
        let path = case.folder.path().join("target.sqlite");
        drop(case.embedded(&[]));
        rusqlite::Connection::open(&path).unwrap().execute_batch(index).unwrap();
        let mut server = SqliteServer::open(&path).unwrap();
        fill(&mut server, target);
        case.run(&mut server, &overwrite())
    };
    let found = run(&[row(1, "A", "x", "open")], &[row(7, "B", "x", "open")]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("Box A: would have Code \"x\", as Box B (7) of the target does"),
        "{found:?}"
    );
    for (mine, theirs) in [("open", "shut"), ("shut", "open"), ("shut", "shut")] {
        assert_eq!(run(&[row(1, "A", "x", mine)], &[row(7, "B", "x", theirs)]), [""; 0]);
    }
}

/// JSON, keys and ids have columns as well.
#[test]
fn what_no_rule_of_the_content_names_is_found_too() {
    const NOTES: &str = r##"
format = 1
name = "notes"
title = "Notes"
cipher = "octopus"

[[kind]]
name = "Note"
table = "Note"
id = { column = "Id", new = "keep" }
key = ["Name"]
body = "JSON"
secret = [{ at = "Code" }, { at = "Pin", form = "plain" }]
"##;
    let model = Model::parse(NOTES, "notes.toml").unwrap();
    let tables = |length: u32| {
        format!(
            "CREATE TABLE [Note] ([Id] nvarchar({length}) NOT NULL PRIMARY KEY, [Name] nvarchar({length}) NOT NULL, [Code] nvarchar({length}), [Pin] nvarchar({length}), [JSON] nvarchar({length}) NOT NULL)"
        )
    };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    drop(SqliteServer::create(&at("source"), Schema::Ddl(&tables(300))).unwrap());
    let long = "long".repeat(6);
    let code = key(1).encrypt(&sealift::crypto::SecretBytes::from("code".to_owned())).unwrap();
    let db = rusqlite::Connection::open(at("source")).unwrap();
    let body = format!(r#"{{"Text":"{long}"}}"#);
    db.execute("INSERT INTO Note VALUES (?1, ?1, ?2, ?1, ?3)", (&long, &code, &body)).unwrap();
    export(&at("source"), &model, &at("a"), &everything(Some(&key(1))));
    drop(SqliteServer::create(&at("target"), Schema::Ddl(&tables(20))).unwrap());
    let mut found: Vec<String> =
        refused(&at("a"), &at("target"), &model, overwrite()).into_iter().map(|f| f.problem).collect();
    found.sort();
    let fit = |column: &str, length: usize| {
        format!("{column} cannot hold text of {length} characters: it is nvarchar(20) in the target")
    };
    let id = format!("would get the id {long}, and the target's Id cannot hold text of 24 characters");
    assert_eq!(found, [fit("Code", 49), fit("JSON", 35), fit("Name", 24), fit("Pin", 24), id]);
    assert!(!found.join(" ").contains(&code));
}

/// A server that collects its writes makes them in an order of its own: what lets go too late is said.
#[test]
fn what_lets_go_of_its_values_too_late_is_reported() {
    const LATE: &str = "
CREATE TABLE [Shelf] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE UNIQUE, [Slug] nvarchar(20) COLLATE NOCASE);
CREATE UNIQUE INDEX one ON Shelf (Slug);
CREATE TABLE [Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE UNIQUE, [Slug] nvarchar(20) COLLATE NOCASE UNIQUE, [ShelfId] int REFERENCES [Shelf] ([Id]));
";
    // Shelves with their slugs; boxes with their slugs and shelves.
    type Rows =
        (&'static [(i64, &'static str, &'static str)], &'static [(i64, &'static str, &'static str, i64)]);
    let fill = |server: &mut dyn Server, (shelves, boxes): Rows| {
        let (text, int) = (|text: &str| Value::from(text), Value::Int);
        let shelves: Vec<_> =
            shelves.iter().map(|(id, name, slug)| vec![int(*id), text(name), text(slug)]).collect();
        let row = |(id, name, slug, shelf): &(i64, &str, &str, i64)| {
            vec![int(*id), text(name), text(slug), int(*shelf)]
        };
        let boxes: Vec<_> = boxes.iter().map(row).collect();
        let mut transaction = server.begin().unwrap();
        transaction.insert("Shelf", &["Id", "Name", "Slug"], &shelves).unwrap();
        transaction.insert("Box", &["Id", "Name", "Slug", "ShelfId"], &boxes).unwrap();
        transaction.check().unwrap();
        transaction.commit().unwrap();
    };
    let run = |source: Rows, target: Rows, options: ImportOptions| -> [Vec<String>; 2] {
        let folder = folder();
        let path = folder.path().join("source");
        let mut server = SqliteServer::create(&path, Schema::Ddl(LATE)).unwrap();
        let catalog = server.read().unwrap().catalog().clone();
        fill(&mut server, source);
        drop(server);
        let case = Case { bundle: folder.path().join("a"), folder };
        export(&path, &depot(), &case.bundle, &everything(None));
        let mut embedded =
            SqliteServer::create(&case.folder.path().join("target"), Schema::Ddl(LATE)).unwrap();
        fill(&mut embedded, target);
        let tsql = TestServer::own(Default::default());
        let database = tsql.database();
        database.make(&catalog);
        let mut server = SqlServer::open(&database.address()).unwrap();
        fill(&mut server, target);
        [case.run(&mut embedded, &options), case.run(&mut server, &options)]
    };
    // A new box takes the slug of one that moves to a new shelf: boxes are updated after there are new shelves.
    let source: Rows = (&[(1, "S", "s"), (2, "New", "n")], &[(1, "A", "b", 2), (2, "B", "a", 1)]);
    let target: Rows = (&[(7, "S", "s")], &[(8, "A", "a", 7)]);
    let [embedded, sqlserver] = run(source, target, overwrite());
    assert_eq!(embedded, [""; 0]);
    assert_eq!(
        sqlserver,
        [
            "Box B: would have Slug \"a\", as Box A (8) of the target does until later in the import, and the column must be unique: import twice, first with --except for this one"
        ]
    );
    // Without a new shelf nothing waits.
    let source: Rows = (&[(1, "S", "s")], &[(1, "A", "b", 1), (2, "B", "a", 1)]);
    assert_eq!(run(source, target, overwrite()), [const { Vec::<String>::new() }; 2]);
    // A shelf that boxes leave is deleted after these were updated; one that nothing was on before.
    let source: Rows = (&[(1, "New", "s")], &[(1, "A", "a", 1)]);
    let prune = || ImportOptions { prune: true, ..overwrite() };
    let [embedded, sqlserver] = run(source, target, prune());
    assert_eq!(embedded, [""; 0]);
    assert!(
        sqlserver.len() == 1 && sqlserver[0].contains("as Shelf S (7) of the target does until later"),
        "{sqlserver:?}"
    );
    let source: Rows = (&[(1, "New", "s")], &[]);
    let target: Rows = (&[(7, "S", "s")], &[]);
    assert_eq!(run(source, target, prune()), [const { Vec::<String>::new() }; 2]);
}

/// A plan over a network asks as often for many documents as for few.
#[test]
fn unique_values_cost_a_request_for_each_index() {
    let requests = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("name{n}")).collect();
        let rows: Vec<Vec<Value>> = (1i64..)
            .zip(&names)
            .map(|(id, name)| {
                let mut row = boxes(id, &[("", "", None)]).remove(0);
                (row[1], row[2], row[3]) = (name.as_str().into(), name.as_str().into(), name.as_str().into());
                row
            })
            .collect();
        let case = Case::new(&rows);
        let tsql = TestServer::own(Default::default());
        let database = tsql.database();
        database.make(case.embedded(&[]).read().unwrap().catalog());
        let mut server = SqlServer::open(&database.address()).unwrap();
        let endpoint = tsql.endpoint.clone().unwrap();
        endpoint.clear_requests();
        let (bundle, seen) = (open(&case.bundle), FingerprintKey::generate().unwrap());
        let keys = Keys { bundle: None, master: None, seen: &seen };
        let plan =
            ops::plan(&bundle, &mut *server.read().unwrap(), &depot(), keys, overwrite(), &Silent).unwrap();
        assert_eq!((plan.entries.len(), plan.findings.len()), (count, 0));
        endpoint.requests().len()
    };
    assert_eq!(requests(2), requests(1000));
}

/// Documents that the default of a column makes alike.
#[test]
fn defaults_are_values_too() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let tables = |more: &str| {
        format!("CREATE TABLE [Shelf] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL{more})")
    };
    let model = depot();
    drop(SqliteServer::create(&at("source"), Schema::Ddl(&tables(""))).unwrap());
    let run = |path: &Path, sql: &str| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    run(&at("source"), "INSERT INTO Shelf VALUES (1, 'Left'), (2, 'Right')");
    export(&at("source"), &model, &at("a"), &everything(None));
    drop(
        SqliteServer::create(
            &at("target"),
            Schema::Ddl(&tables(", [Label] nvarchar(9) NOT NULL DEFAULT '' UNIQUE")),
        )
        .unwrap(),
    );
    let found = refused(&at("a"), &at("target"), &model, overwrite());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].problem.starts_with("would have Label, as Shelf Left of the bundle would"), "{found:?}");
}

#[test]
fn a_renamed_project_that_keeps_its_slug_stops_the_plan() {
    both(|pair| {
        let slug = |server: &Little, name: &str| server.project_with(7, name, json!({ "Slug": "shop" }));
        slug(&pair.source, "Shop 2");
        slug(&pair.target, "Shop");
        let found = refused(
            &pair.export(&everything(Some(&pair.source.key))),
            &pair.target.path,
            &octopus(),
            overwrite(),
        );
        let [found] = found.as_slice() else { panic!("{found:#?}") };
        assert_eq!(found.kind, "Project");
        assert!(found.name.ends_with("Shop 2") && found.problem.contains("Slug \"shop\""), "{found:?}");
        let other = if pair.target.spaces() {
            "Project Default / Shop (Projects-107)"
        } else {
            "Project Shop (Projects-107)"
        };
        assert!(found.problem.contains(other), "{found:?}");
    });
}

/// Carries boxes by a model from one file into another: the findings and notices of the plan, and what the import said.
/// What is planned without findings must be imported, and the same import a second time must have nothing to do.
fn carried(
    model: &str,
    [source, target]: [&str; 2],
    options: ImportOptions,
) -> (Vec<String>, Vec<String>, Connection) {
    let folder = folder();
    let (from, to) = (folder.path().join("source.sqlite"), folder.path().join("target.sqlite"));
    Connection::open(&from).unwrap().execute_batch(&[LOOSE, source].concat()).unwrap();
    let database = Connection::open(&to).unwrap();
    database.execute_batch(target).unwrap();
    let model = Model::parse(model, "depot.toml").unwrap();
    let bundle = folder.path().join("a.sealift");
    export(&from, &model, &bundle, &everything(None));
    let planned = plan(&bundle, &to, &model, None, options.clone());
    let outcome = try_import(&bundle, &to, &model, None, false, options.clone()).unwrap();
    match outcome {
        Outcome::Refused(plan) => assert_eq!(plan.findings, planned.findings),
        Outcome::Applied(_) => {
            assert_eq!(planned.findings, []);
            import_nothing(&bundle, &to, &model, None, options);
        }
        other => panic!("{other:?}"),
    }
    let findings = planned.findings.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem));
    let findings = findings.collect();
    // The file stays open although its folder goes.
    (findings, planned.notices, database)
}

fn rows(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

const SHELF: &str =
    "CREATE TABLE Shelf (Id int NOT NULL PRIMARY KEY, Name nvarchar(200) NOT NULL COLLATE NOCASE);";

/// Kinds that lie in one table and are told from each other by its state.
const TWO: &str = r##"
[[kind]]
name = "Crate"
table = "Box"
id = { column = "Id", new = "next" }
key = ["Name"]
rows = [{ column = "State", equals = ["crate"] }]
"##;

fn two() -> String {
    let one = MODEL
        .replace("table = \"Box\"", "table = \"Box\"\nrows = [{ column = \"State\", equals = [\"box\"] }]");
    [one.as_str(), TWO].concat()
}

#[test]
fn names_of_columns_are_the_same_in_any_case() {
    let source = "INSERT INTO Shelf VALUES (1, 'S'); INSERT INTO Box (Id, Name, State, ShelfId) VALUES (1, 'A', 'open', 1), (2, 'B', NULL, 1);";
    let target = [SHELF, "CREATE TABLE Box (id int NOT NULL PRIMARY KEY, NAME nvarchar(200) NOT NULL COLLATE NOCASE, slug nvarchar(200), CODE nvarchar(200), size bigint, stAte nvarchar(200), shelfid int, place int);
        INSERT INTO Box (id, NAME, stAte) VALUES (7, 'B', 'shut');"]
        .concat();
    for omit_missing_columns in [false, true] {
        let options = ImportOptions { omit_missing_columns, ..overwrite() };
        let (findings, notices, database) = carried(MODEL, [source, &target], options);
        assert!(findings.is_empty() && notices.is_empty(), "{findings:?} {notices:?}");
        let found =
            rows(&database, "SELECT id || NAME || coalesce(stAte, '-') || shelfid FROM Box ORDER BY id");
        assert_eq!(found, ["7B-1", "8Aopen1"]);
    }
}

#[test]
fn a_column_that_tells_kinds_apart_is_never_left_out() {
    let source =
        "INSERT INTO Box (Id, Name, Code, State) VALUES (1, 'A', 'x', 'box'), (2, 'B', 'y', 'crate');";
    let target = [SHELF, "CREATE TABLE Box (Id int NOT NULL PRIMARY KEY, Name nvarchar(200) NOT NULL COLLATE NOCASE, Slug nvarchar(200), Size bigint, ShelfId int, Place int);"].concat();
    for omit_missing_columns in [false, true] {
        let options = ImportOptions { omit_missing_columns, ..overwrite() };
        let (findings, _, database) = carried(&two(), [source, &target], options);
        let told = |kind: &str, name: &str| {
            format!(
                "{kind} : 1 document has a value for State, which the target's table Box lacks (first: {kind} {name}); {kind} documents are told from others by it, so it is never left out: --except {kind} leaves these documents out"
            )
        };
        for expected in [told("Box", "A"), told("Crate", "B")] {
            assert!(findings.contains(&expected), "{findings:#?}");
        }
        assert!(rows(&database, "SELECT Name FROM Box").is_empty());
    }
    // A column of an optional key is one of these too.
    let keyed = MODEL.replace("key = [\"Name\"]\nref", "key = [\"Name\", \"State?\"]\nref");
    let options = ImportOptions { omit_missing_columns: true, ..overwrite() };
    let (findings, ..) = carried(&keyed, [source, &target], options);
    assert!(
        findings.iter().any(|f| f.starts_with("Box : 2 documents have values for State,")),
        "{findings:#?}"
    );
}

#[test]
fn kinds_in_one_table_draw_different_ids() {
    let source = "INSERT INTO Box (Id, Name, State) VALUES (1, 'A', 'box'), (2, 'B', 'crate'), (3, 'C', 'box'), (4, 'D', 'crate');";
    let target = [LOOSE, "INSERT INTO Box (Id, Name, State) VALUES (10, 'Other', 'box');"].concat();
    let (findings, _, database) = carried(&two(), [source, &target], overwrite());
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(
        rows(&database, "SELECT Id || Name FROM Box ORDER BY Name"),
        ["11A", "13B", "12C", "14D", "10Other"]
    );

    // Two counts may give out the same numbers, and ids of one prefix are the same then.
    let allocated = |text: String| {
        let allocation = "[allocation]\ntable = \"Counts\"\nname = \"Name\"\nlast = \"Last\"\n\n[[kind]]\nname = \"Shelf\"";
        let text = text.replacen("[[kind]]\nname = \"Shelf\"", allocation, 1);
        let text = text.replacen(
            "new = \"next\" }\nkey = [\"Name\"]\nreference",
            "new = \"allocate\", prefix = \"Things-\", collection = \"Boxes\" }\nkey = [\"Name\"]\nreference",
            1,
        );
        text.replace(
            "new = \"next\" }\nkey = [\"Name\"]\nrows",
            "new = \"allocate\", prefix = \"Things-\", collection = \"Crates\" }\nkey = [\"Name\"]\nrows",
        )
    };
    let target = "CREATE TABLE Counts (Name nvarchar(50) PRIMARY KEY, Last int); ".to_owned()
        + &LOOSE.replace("[Box] ([Id] int", "[Box] ([Id] nvarchar(50)");
    let (findings, _, database) = carried(&allocated(two()), [source, &target], overwrite());
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(rows(&database, "SELECT count(DISTINCT Id) || '' FROM Box WHERE Id LIKE 'Things-%'"), ["4"]);
}

#[test]
fn ids_that_the_id_column_cannot_hold_are_found() {
    let source = "INSERT INTO Box (Id, Name) VALUES (1, 'A'), (2, 'B');";
    let target = |last: i64| {
        LOOSE.replace("[Box] ([Id] int", "[Box] ([Id] tinyint")
            + &format!("INSERT INTO Box (Id, Name) VALUES ({last}, 'Q');")
    };
    let (findings, ..) = carried(MODEL, [source, &target(254)], overwrite());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0]
            .starts_with("Box : new documents would get ids up to 256, and the target's Id cannot hold "),
        "{findings:#?}"
    );
    let (findings, _, database) = carried(MODEL, [source, &target(253)], overwrite());
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(rows(&database, "SELECT Id || '' FROM Box ORDER BY Id"), ["253", "254", "255"]);

    let model = MODEL.replace(
        "id = { column = \"Id\", new = \"next\" }\nkey = [\"Name\"]\nreference",
        "id = { column = \"Id\", new = \"allocate\", prefix = \"Boxes-\" }\nkey = [\"Name\"]\nreference",
    );
    let model = model.replacen(
        "[[kind]]",
        "[allocation]\ntable = \"Counts\"\nname = \"Name\"\nlast = \"Last\"\n\n[[kind]]",
        1,
    );
    let target = |last: i64| {
        LOOSE.replace("[Box] ([Id] int", "[Box] ([Id] nvarchar(10)")
            + &format!(
                "CREATE TABLE Counts (Name nvarchar(50) PRIMARY KEY, Last int); INSERT INTO Counts VALUES ('Box', {last});"
            )
    };
    let (findings, ..) = carried(&model, [source, &target(9998)], overwrite());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].contains("new documents would get ids up to Boxes-10000"), "{findings:#?}");
    let (findings, ..) = carried(&model, [source, &target(9997)], overwrite());
    assert!(findings.is_empty(), "{findings:#?}");

    // What only the import can know: a number that is taken pushes the last one out of the column.
    let folder = folder();
    let (from, to) = (folder.path().join("source.sqlite"), folder.path().join("target.sqlite"));
    Connection::open(&from).unwrap().execute_batch(&[LOOSE, source].concat()).unwrap();
    let database = Connection::open(&to).unwrap();
    database
        .execute_batch(&(target(9997) + "INSERT INTO Box (Id, Name) VALUES ('Boxes-9998', 'Q');"))
        .unwrap();
    let (model, bundle) = (Model::parse(&model, "depot.toml").unwrap(), folder.path().join("a.sealift"));
    export(&from, &model, &bundle, &everything(None));
    let error = try_import(&bundle, &to, &model, None, false, overwrite()).unwrap_err();
    assert!(matches!(&error, ops::ImportError::Write { name, .. } if name == "B"), "{error:?}");
    assert_eq!(rows(&database, "SELECT Name FROM Box"), ["Q"]);
}

/// The strict target would do for most; here some columns lead to other tables.
fn leading(columns: &str) -> String {
    let boxes = "CREATE TABLE Box (Id int NOT NULL PRIMARY KEY, Name nvarchar(200) NOT NULL COLLATE NOCASE, Slug nvarchar(200), Code nvarchar(200), State nvarchar(200)";
    let colours =
        "CREATE TABLE Colour (Code nvarchar(20) NOT NULL PRIMARY KEY); INSERT INTO Colour VALUES ('red');";
    format!("PRAGMA foreign_keys = ON; {SHELF} {colours} {boxes}, {columns});")
}

#[test]
fn values_that_a_foreign_key_leads_nowhere_are_found() {
    // A shelf that was nothing at the source, and a table that the model does not know.
    let target = leading("Size bigint, ShelfId int REFERENCES Shelf (Id), Place int")
        .replace("Code nvarchar(200)", "Code nvarchar(200) REFERENCES Colour (Code)");
    let source = "INSERT INTO Box (Id, Name, ShelfId, Code) VALUES (1, 'A', 7, 'red'), (2, 'B', NULL, 'blue'), (3, 'C', NULL, NULL);";
    let (findings, _, database) = carried(MODEL, [source, &target], overwrite());
    let hint = "which a foreign key asks for: leave this one out with --except";
    assert_eq!(
        findings,
        [
            format!("Box B: has \"blue\" in Code, and the target's table Colour has no such row, {hint}"),
            format!("Box A: has 7 in ShelfId, and the target's table Shelf has no such row, {hint}"),
        ]
    );
    assert!(rows(&database, "SELECT Name FROM Box").is_empty());
    // What is there, or comes with the import, is none.
    let source = "INSERT INTO Shelf VALUES (7, 'S'); INSERT INTO Box (Id, Name, ShelfId, Code) VALUES (1, 'A', 7, 'red');";
    assert_eq!(carried(MODEL, [source, &target], overwrite()).0, Vec::<String>::new());
}

#[test]
fn rows_outside_the_model_hold_what_would_be_deleted() {
    let source = "INSERT INTO Box (Id, Name) VALUES (1, 'A');";
    for action in ["", "ON DELETE CASCADE", "ON DELETE SET NULL"] {
        let target = format!(
            "{LOOSE} CREATE TABLE Other (Id int PRIMARY KEY, BoxId int REFERENCES Box (Id) {action});
             INSERT INTO Box (Id, Name) VALUES (1, 'A'), (2, 'B'), (3, 'C'); INSERT INTO Other VALUES (1, 2), (2, 2), (3, 1);"
        );
        let (findings, _, database) =
            carried(MODEL, [source, &target], ImportOptions { prune: true, ..overwrite() });
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert!(findings[0].starts_with("Box B: would be deleted, and 2 rows of the target's table Other, which the model does not know, refer to it"), "{findings:#?}");
        assert_eq!(rows(&database, "SELECT count(*) || '' FROM Other WHERE BoxId IS NOT NULL"), ["3"]);
        let free = target.replace("(2, 2), (3, 1)", "(3, 1)").replace("VALUES (1, 2)", "VALUES (1, 1)");
        let (findings, _, database) =
            carried(MODEL, [source, &free], ImportOptions { prune: true, ..overwrite() });
        assert!(findings.is_empty(), "{findings:#?}");
        assert_eq!(rows(&database, "SELECT Name FROM Box"), ["A"]);
    }
}

#[test]
fn keys_that_the_index_cannot_tell_apart_are_found() {
    let unique = |sql: &str| {
        sql.replace(
            "[Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE",
            "[Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE UNIQUE",
        )
    };
    // A row that is no document has the name.
    let model = MODEL
        .replace("table = \"Box\"", "table = \"Box\"\nrows = [{ column = \"State\", equals = [\"box\"] }]");
    let target = unique(LOOSE) + "INSERT INTO Box (Id, Name, State) VALUES (5, 'A', 'other');";
    let source = "INSERT INTO Box (Id, Name, State) VALUES (1, 'A', 'box');";
    let (findings, ..) = carried(&model, [source, &target], overwrite());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(
        findings[0].starts_with("Box A: would have Name \"A\", as Box A (5) of the target does"),
        "{findings:#?}"
    );
    // Names that differ in case alone.
    let model = MODEL.replace("title =", "collation = \"case-sensitive\"\ntitle =");
    let source = "INSERT INTO Box (Id, Name) VALUES (1, 'A'), (2, 'a');";
    let (findings, ..) = carried(&model, [source, &unique(LOOSE)], overwrite());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].contains("and the column must be unique"), "{findings:#?}");
}

#[test]
fn unique_indexes_that_are_not_understood_are_noted() {
    let target = format!(
        "{LOOSE} CREATE UNIQUE INDEX few ON Box (Slug) WHERE Slug IN ('a', 'b'); CREATE UNIQUE INDEX low ON Box (lower(Code));
         CREATE UNIQUE INDEX plain ON Box (State) WHERE State IS NOT NULL; CREATE UNIQUE INDEX shelves ON Shelf (lower(Name));"
    );
    let source = "INSERT INTO Box (Id, Name) VALUES (1, 'A');";
    let (findings, notices, _) = carried(MODEL, [source, &target], overwrite());
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(
        notices,
        [
            "unique indexes of the target's table Box are not checked, and the server may refuse the import for them: low, few"
        ]
    );
}
