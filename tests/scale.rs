//! What an import costs follows the bundle, not the target: rows read are counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(unused_imports, reason = "each test uses its own part")]
mod support;

use std::path::{Path, PathBuf};

use sealift::crypto::FingerprintKey;
use sealift::document::Value;
use sealift::model::Model;
use sealift::ops::{self, Keys};
use sealift::plan::{Action, Plan};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;
use support::everything::{Generation, SOURCE, TARGET, Twist, build};
use support::*;

/// How often every row of the target is there again under other names.
const COPIES: usize = 60;

/// Copies every row of the tables of all kinds, under other ids and other keys. Says how
/// many tables have more rows than before.
fn crowd(path: &Path, model: &Model) -> usize {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let mut done: Vec<&str> = Vec::new();
    let mut more = 0;
    for kind in model.kinds() {
        let columns: Vec<String> = {
            let mut all = db.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
            all.query_map([&kind.table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        if done.contains(&kind.table.as_str()) || columns.is_empty() {
            continue;
        }
        done.push(&kind.table);
        let marked = |name: &str| {
            let of_key = kind.key.iter().any(|part| part.column == name && name != "SpaceId");
            of_key
                || kind.id.as_ref().is_some_and(|id| id.column == name)
                || name == "Name"
                || name == "LatestActionTemplateId"
        };
        let values = columns.iter().map(|name| match marked(name) {
            true => format!(
                "CASE WHEN typeof([{name}]) = 'integer' THEN [{name}] + 1000000 * c.n ELSE [{name}] || '-copy-' || c.n END"
            ),
            false => format!("[{name}]"),
        });
        // What a column marks is one and the same document on every server: there are never two.
        let aliases =
            kind.aliases.iter().map(|alias| format!("AND [{}] <> '{}'", alias.column, plain(&alias.equals)));
        let sql = format!(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {COPIES})
             INSERT OR IGNORE INTO [{0}] ({1}) SELECT {2} FROM [{0}], c WHERE 1 {3}",
            kind.table,
            columns.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", "),
            values.collect::<Vec<_>>().join(", "),
            aliases.collect::<String>()
        );
        let copied = db.execute(&sql, []).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        more += usize::from(copied > 0);
    }
    db.execute_batch("COMMIT").unwrap();
    more
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => format!("{}", i64::from(*other == Value::Bool(true))),
    }
}

/// A plan, and how many rows of the target it read.
fn plan_counted(bundle: &Path, server: &Path, model: &Model) -> (Plan, u64) {
    let bundle = open(bundle);
    let data_key = unlock(&bundle);
    let seen = FingerprintKey::generate().unwrap();
    let master = key(TARGET.key);
    let keys = Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    let mut server = SqliteServer::open(server).unwrap();
    let mut reader = server.read().unwrap();
    let plan = ops::plan(&bundle, &mut *reader, model, keys, overwrite(), &Silent).unwrap();
    let rows = reader.rows_read();
    (plan, rows)
}

/// Gives every kind's key an index, as a server in use has them.
fn index_keys(path: &Path, model: &Model) {
    let mut server = SqliteServer::open(path).unwrap();
    let catalog = server.read().unwrap().catalog().clone();
    let db = rusqlite::Connection::open(path).unwrap();
    // Versions of step templates are found by the template they belong to.
    db.execute_batch("CREATE INDEX [of template] ON [ActionTemplateVersion] ([LatestActionTemplateId])")
        .unwrap();
    for (number, kind) in model.kinds().iter().enumerate() {
        let Some(table) = catalog.table(&kind.table) else { continue };
        let columns = kind.key.iter().rev().filter(|part| table.column(&part.column).is_some());
        let columns: Vec<String> = columns.map(|part| format!("[{}]", part.column)).collect();
        let sql = format!("CREATE INDEX [of key {number}] ON [{}] ({})", kind.table, columns.join(", "));
        db.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Two targets, of which one holds besides all that the other holds thousands of documents of every kind; and
/// what plans of bundles read there, of everything and of each of some kinds.
struct Targets {
    folder: tempfile::TempDir,
    model: Model,
}

impl Targets {
    fn new(indexed: bool) -> Self {
        let targets = Self { folder: folder(), model: octopus() };
        build(&targets.at("source"), Generation::Spaces, 1, SOURCE, Twist::default());
        build(&targets.at("few"), Generation::Spaces, 1, TARGET, Twist::default());
        let db = rusqlite::Connection::open(targets.at("few")).unwrap();
        // These are to be created: what is not there must not be looked for everywhere.
        for table in ["Lifecycle", "Subscription", "Worker"] {
            db.execute_batch(&format!("UPDATE [{table}] SET [Name] = 'Former ' || [Name]")).unwrap();
        }
        // Every plan counts the tasks that wait or run: here none, and by an index. Without
        // one it passes over the states.
        db.execute_batch(
            "CREATE INDEX [of state] ON [ServerTask] ([State]);
             UPDATE [ServerTask] SET [State] = 'Success' WHERE [State] IN ('Queued', 'Executing', 'Cancelling')",
        )
        .unwrap();
        drop(db);
        if indexed {
            index_keys(&targets.at("few"), &targets.model);
        }
        std::fs::copy(targets.at("few"), targets.at("many")).unwrap();
        let crowded = crowd(&targets.at("many"), &targets.model);
        assert!(crowded > 35, "only {crowded} tables have more rows");
        targets
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many rows plans of a bundle of these kinds (all, where none is named) read from the two targets.
    fn rows_read(&self, only: &[&str]) -> (u64, u64) {
        let master = key(SOURCE.key);
        let mut options = everything(Some(&master));
        options.only = only.iter().map(|kind| (*kind).to_owned()).collect();
        options.ask = self.model.kinds().iter().filter(|k| k.ask).map(|k| k.name.to_string()).collect();
        let out = self.at(&format!("{}.sealift", only.join("-")));
        export(&self.at("source"), &self.model, &out, &options);
        let (few, rows_of_few) = plan_counted(&out, &self.at("few"), &self.model);
        let (many, rows_of_many) = plan_counted(&out, &self.at("many"), &self.model);
        for action in Action::ALL {
            assert_eq!(few.count(action), many.count(action), "{only:?} {action:?}");
        }
        assert!(!few.entries.is_empty(), "{only:?}");
        (rows_of_few, rows_of_many)
    }
}

#[test]
fn a_plan_reads_what_its_bundle_names() {
    let targets = Targets::new(true);
    let numbered = ["Certificate", "Deployment", "ServerTask", "ScopedUserRole"];
    for only in [&[][..], &numbered, &["VariableSet"], &["Project", "Worker"], &["Event", "Artifact"]] {
        let (few, many) = targets.rows_read(only);
        assert!(few > 0);
        assert_eq!(few, many, "{only:?}: rows that the bundle does not touch were read");
    }
}

/// Where a key has no index the embedded server goes over the columns compared, once for thousands of keys; of
/// kinds whose key the product itself holds unique nothing more is read even then.
#[test]
fn without_an_index_a_plan_passes_over_the_keys_of_its_kinds() {
    let targets = Targets::new(false);
    let unique = ["Space", "Environment", "Lifecycle", "TagSet", "Account", "Feed", "ProjectGroup", "Tenant"];
    for kind in unique {
        let (few, many) = targets.rows_read(&[kind]);
        assert_eq!(few, many, "{kind}");
    }
    let rows = |table: &str| {
        let mut server = SqliteServer::open(&targets.at("many")).unwrap();
        server.read().unwrap().count(table).unwrap()
    };
    let (few, many) = targets.rows_read(&["Certificate"]);
    // Once to find them, once to number those of one name.
    assert!(many - few <= 2 * rows("Certificate"), "{few} {many}");
}

/// Forty environments with a description of so many characters each.
fn environments(path: &Path, characters: usize, first: usize) {
    let mut server = empty_octopus(path);
    let mut transaction = server.begin().unwrap();
    let space = ["Spaces-1".into(), "Default".into(), true.into(), "{}".into()];
    transaction.insert("Space", &["Id", "Name", "IsDefault", "JSON"], &[space.to_vec()]).unwrap();
    for n in 1..=40 {
        let description = format!("{n} {}", "x".repeat(characters));
        let row = [
            format!("Environments-{}", first + n).into(),
            format!("Environment {n}").into(),
            Value::Int(n as i64),
            "Spaces-1".into(),
            Value::Text(format!("{{\"Description\":\"{description}\"}}")),
        ];
        let columns = ["Id", "Name", "SortOrder", "SpaceId", "JSON"];
        transaction.insert("DeploymentEnvironment", &columns, &[row.to_vec()]).unwrap();
    }
    transaction.commit().unwrap();
}

/// What is worked on together is measured in bytes: twelve megabytes come in several parts, on either side.
#[test]
fn documents_too_large_to_be_worked_on_together_are_all_carried() {
    let folder = folder();
    let model = octopus();
    let at = |name: &str| folder.path().join(name);
    environments(&at("small"), 10, 0);
    environments(&at("large"), 300_000, 500);
    for (from, to) in [("small", "large"), ("large", "small")] {
        let (target, bundle) = (at(&format!("to {to}")), at(&format!("{from}.sealift")));
        std::fs::copy(at(to), &target).unwrap();
        let mut options = everything(None);
        options.scopes = vec!["Default".to_owned()];
        let left = export(&at(from), &model, &bundle, &options);
        assert_eq!(left.documents, 41);
        let plan = import(&bundle, &target, &model, None, overwrite());
        assert_eq!((plan.count(Action::Update), plan.count(Action::Create)), (40, 0), "{from}");
        import_nothing(&bundle, &target, &model, None, overwrite());
        let arrived = export(&target, &model, &at(&format!("{from} again.sealift")), &options);
        assert_eq!(arrived.content_root, left.content_root, "{from}");
        // The plan told of as much of the change as it keeps, and of the rest that there is more.
        let told: usize = plan.entries.iter().map(|entry| entry.changes.len()).sum();
        let more = plan.entries.iter().filter(|entry| entry.notes.iter().any(|n| n.contains("more places")));
        assert_eq!(told + more.count(), 40, "{from}");
        assert!((10..40).contains(&told), "{from}: {told}");
    }
}

/// Documents of a numbered kind whose key no index has: they are found and numbered by passing over the table a fixed
/// number of times, however many look-ups that takes.
#[test]
fn a_numbered_kind_without_an_index_costs_passes_that_do_not_grow_in_number() {
    const ROWS: u64 = 24_000;
    let model = chinook();
    let folder = folder();
    let path = folder.path().join("lists.sqlite");
    // Every third name stands twice.
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!(
            "CREATE TABLE [Playlist] ([PlaylistId] INTEGER PRIMARY KEY, [Name] NVARCHAR(120));
             WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {ROWS})
             INSERT INTO [Playlist] SELECT n, 'List ' || CASE n % 3 WHEN 0 THEN n - 1 ELSE n END FROM c;"
        ))
        .unwrap();
    let out = folder.path().join("lists.sealift");
    export(&path, &model, &out, &everything(None));
    let (plan, read) = plan_counted(&out, &path, &model);
    assert_eq!(plan.count(Action::Unchanged) as u64, ROWS, "{:?}", plan.findings);
    assert!(read <= 8 * ROWS, "{read} rows were read for {ROWS} documents");
}
