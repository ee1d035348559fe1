//! What an import promises, on a small product of the tests' own: mapped references in every form, merging,
//! one transaction, and refusals that name their subject.
//!
//! One file, because every promise is told on the same two servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sealift::bundle::{Header, Reason, Writer, WriterOptions};
use sealift::crypto::{FingerprintKey, MasterKey, SecretBytes};
use sealift::document::{Document, Key, KindName, Map, Reference, SecretId, Value};
use sealift::model::Model;
use sealift::ops::translate::{ServerSecrets, TranslateError};
use sealift::ops::{self, ExportError, ExportOptions, How, ImportOptions, Keys, Outcome};
use sealift::plan::Action;
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

const TABLES: &str = "
CREATE TABLE [Versions] ([Id] int NOT NULL PRIMARY KEY, [Version] nvarchar(50) NOT NULL);
CREATE TABLE [Counters] ([Name] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Last] int NOT NULL);
CREATE TABLE [Env] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [Project] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [EnvIds] nvarchar(-1), [AllIds] nvarchar(-1), [NextId] nvarchar(50), [Edits] int NOT NULL, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [VarSet] ([Id] nvarchar(150) NOT NULL PRIMARY KEY COLLATE NOCASE, [OwnerId] nvarchar(150) NOT NULL, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [TagSet] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [Team] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [Members] nvarchar(-1) NOT NULL, [JSON] nvarchar(-1) NOT NULL);
";

const MODEL: &str = include_str!("fixtures/shop.toml");

fn model() -> Model {
    Model::parse(MODEL, "shop.toml").unwrap()
}

/// A server in a folder of the test, filled by SQL.
struct Shop {
    path: PathBuf,
    key: MasterKey,
}

impl Shop {
    fn new(folder: &Path, name: &str, number: u8, sql: &str) -> Self {
        let path = folder.join(name);
        drop(SqliteServer::create(&path, Schema::Ddl(TABLES)).unwrap());
        let shop = Self { path, key: key(number) };
        shop.run("INSERT INTO Versions VALUES (1, '1.0')");
        shop.run(sql);
        shop
    }

    fn run(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    fn text(&self, sql: &str) -> String {
        Connection::open(&self.path).unwrap().query_row(sql, [], |r| r.get(0)).unwrap()
    }

    fn encrypt(&self, text: &str) -> String {
        self.key.encrypt(&SecretBytes::from(text.to_owned())).unwrap()
    }

    fn decrypt(&self, text: &str) -> String {
        self.key.decrypt(text).unwrap().expose_text().unwrap().to_owned()
    }
}

fn source(folder: &Path) -> Shop {
    let shop = Shop::new(
        folder,
        "source.sqlite",
        1,
        "INSERT INTO Env VALUES ('Envs-1', 'Test', '{}'), ('Envs-2', 'Production', '{}'), ('envs-builtin', 'Built in', '{}');
         INSERT INTO Counters VALUES ('Env', 2), ('Project', 2), ('TagSet', 1), ('Team', 1);
         INSERT INTO TagSet VALUES ('TagSets-1', 'Ring', '{\"Tags\":[{\"Id\":\"TagSets-1/Tags-5\",\"Name\":\"Alpha\"},{\"Id\":\"TagSets-1/Tags-6\",\"Name\":\"Beta\"}]}');
         INSERT INTO Team VALUES ('Teams-1', 'Ops', '|Projects-1|', '{}');",
    );
    let (password, variable) = (shop.encrypt("p4ssw0rd"), shop.encrypt("s3cret"));
    let db = Connection::open(&shop.path).unwrap();
    let body = format!(
        r##"{{"$type":"Shop.Project","List":["Envs-2","Envs-1"],"Comma":"Envs-1, Envs-2","Links":{{"Projects-2":["Envs-1"]}},"Bag":{{"Shop.Env":"Envs-2","Other":"Envs-2 is only text","Bound":"#{{Env}}"}},"Typed":[{{"Type":"Env","Value":"Envs-1"}},{{"Type":"Text","Value":"Envs-1"}}],"Tags":["TagSets-1/Tags-6"],"Password":"{password}","Hash":"plain-hash","Big":12345678901234567890.5}}"##
    );
    // Two projects that name each other: a circle.
    db.execute(
        "INSERT INTO Project VALUES ('Projects-1','Web','|Envs-2|Envs-1| ',NULL,'Projects-2',7,?1)",
        [&body],
    )
    .unwrap();
    db.execute("INSERT INTO Project VALUES ('Projects-2','Api',NULL,NULL,'Projects-1',3,'{}')", []).unwrap();
    let variables = format!(
        r#"{{"Variables":[{{"Id":"v1","Name":"Url","Scope":{{"Env":["Envs-1"]}},"Type":"String","Value":"http://test"}},{{"Id":"v2","Name":"Token","Scope":{{}},"Type":"Sensitive","Value":"{variable}"}}]}}"#
    );
    db.execute("INSERT INTO VarSet VALUES ('varset-Projects-1','Projects-1',?1)", [&variables]).unwrap();
    shop
}

/// Ids, counters and master key of its own; "PRODUCTION" is spelled otherwise.
fn target(folder: &Path) -> Shop {
    Shop::new(
        folder,
        "target.sqlite",
        2,
        "INSERT INTO Env VALUES ('Envs-71', 'PRODUCTION', '{}'), ('envs-builtin', 'Built in', '{}');
         INSERT INTO Counters VALUES ('Env', 80), ('Project', 40), ('Team', 9);
         INSERT INTO TagSet VALUES ('TagSets-30', 'Ring', '{\"Tags\":[{\"Id\":\"TagSets-30/Tags-99\",\"Name\":\"Alpha\"}]}');
         INSERT INTO Project VALUES ('Projects-33','Theirs',NULL,NULL,NULL,0,'{}');
         INSERT INTO Team VALUES ('Teams-9', 'Ops', '|Projects-33|', '{}');",
    )
}

fn carried(folder: &Path, shop: &Shop, name: &str) -> PathBuf {
    let file = folder.join(name);
    export(&shop.path, &model(), &file, &everything(Some(&shop.key)));
    file
}

#[test]
fn references_arrive_in_every_form_and_spelling() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    import(&file, &target.path, &model(), Some(&target.key), overwrite());

    assert_eq!(
        target.text("SELECT group_concat(Id || '=' || Name) FROM (SELECT * FROM Env ORDER BY Id)"),
        "Envs-71=Production,Envs-81=Test,envs-builtin=Built in"
    );
    assert_eq!(target.text("SELECT group_concat(Id || '=' || Name || '>' || coalesce(NextId,'')) FROM (SELECT * FROM Project ORDER BY Name)"),
        "Projects-41=Api>Projects-42,Projects-33=Theirs>,Projects-42=Web>Projects-41");
    assert_eq!(target.text("SELECT Id || OwnerId FROM VarSet"), "varset-Projects-42Projects-42");
    assert_eq!(
        target.text("SELECT group_concat(Name || Last) FROM (SELECT * FROM Counters ORDER BY Name)"),
        "Env81,Project42,Team9"
    );
    let envs = target.text("SELECT EnvIds FROM Project WHERE Name = 'Web'");
    assert!(envs == "|Envs-71|Envs-81|" || envs == "|Envs-81|Envs-71|", "{envs}");
    let all = target.text("SELECT AllIds FROM Project WHERE Name = 'Web'");
    for id in ["Envs-71", "Envs-81", "Projects-41", "TagSets-30/Tags-100"] {
        assert!(all.contains(&format!("|{id}|")), "{all}");
    }
    assert_eq!(target.text("SELECT Edits || '' FROM Project WHERE Name = 'Web'"), "0");

    let body = target.text("SELECT JSON FROM Project WHERE Name = 'Web'");
    assert!(body.starts_with(r#"{"$type":"Shop.Project","#), "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["List"], serde_json::json!(["Envs-71", "Envs-81"]));
    assert_eq!(body["Comma"], "Envs-81,Envs-71");
    assert_eq!(body["Links"], serde_json::json!({ "Projects-41": ["Envs-81"] }));
    assert_eq!(
        body["Bag"],
        serde_json::json!({ "Shop.Env": "Envs-71", "Other": "Envs-2 is only text", "Bound": "#{Env}" })
    );
    assert_eq!(body["Typed"][0]["Value"], "Envs-81");
    assert_eq!(body["Typed"][1]["Value"], "Envs-1", "text that only looks like an id is no reference");
    assert_eq!(body["Tags"], serde_json::json!(["TagSets-30/Tags-100"]));
    assert_eq!(body["Hash"], "plain-hash");
    assert_eq!(target.decrypt(body["Password"].as_str().unwrap()), "p4ssw0rd");
    assert!(target.text("SELECT JSON FROM Project WHERE Name = 'Web'").contains("12345678901234567890.5"));
    // The tag that was there kept its id.
    assert!(target.text("SELECT JSON FROM TagSet").contains(r#""Id":"TagSets-30/Tags-99","Name":"Alpha""#));
    // Target-only members stay.
    let members = target.text("SELECT Members FROM Team");
    assert!(members.contains("|Projects-33|") && members.contains("|Projects-42|"), "{members}");

    import_nothing(&file, &target.path, &model(), Some(&target.key), overwrite());
}

/// The property of the design, for a server that had none of it.
#[test]
fn what_arrives_exports_as_what_left() {
    let folder = folder();
    let source = source(folder.path());
    let target = Shop::new(folder.path(), "empty.sqlite", 3, "INSERT INTO Counters VALUES ('Env', 500)");
    let file = folder.path().join("a.sealift");
    let first = export(&source.path, &model(), &file, &everything(Some(&source.key)));
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
    let again =
        export(&target.path, &model(), &folder.path().join("b.sealift"), &everything(Some(&target.key)));
    assert_eq!(first.content_root, again.content_root);
    // The built-in environment has one id everywhere.
    assert_eq!(target.text("SELECT Id FROM Env WHERE Name = 'Built in'"), "envs-builtin");
}

#[test]
fn existing_documents_are_skipped_by_default_and_still_map_ids() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    let plan = import(&file, &target.path, &model(), Some(&target.key), skip());
    let of = |kind: &str, name: &str| {
        plan.entries.iter().find(|e| e.kind.as_str() == kind && e.key.to_string() == name).unwrap().action
    };
    assert_eq!(of("Env", "Production"), Action::Skip);
    assert_eq!(of("TagSet", "Ring"), Action::Skip);
    assert_eq!(of("Team", "Ops"), Action::Skip);
    assert_eq!(of("Project", "Web"), Action::Create);
    assert_eq!(target.text("SELECT Name FROM Env WHERE Id = 'Envs-71'"), "PRODUCTION");
    let body: serde_json::Value =
        serde_json::from_str(&target.text("SELECT JSON FROM Project WHERE Name = 'Web'")).unwrap();
    assert_eq!(body["List"], serde_json::json!(["Envs-71", "Envs-81"]));
    // The skipped tag set has no Beta; the reference is dropped and the plan says so.
    assert_eq!(body["Tags"], serde_json::json!([]));
    let web =
        plan.entries.iter().find(|e| e.key.to_string() == "Web" && e.kind.as_str() == "Project").unwrap();
    assert!(web.notes.iter().any(|n| n.contains("Ring / Beta")), "{:?}", web.notes);
}

#[test]
fn variable_sets_merge_and_secrets_that_did_not_change_are_left_alone() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
    let before: serde_json::Value = serde_json::from_str(&target.text("SELECT JSON FROM VarSet")).unwrap();
    // Somebody adds a variable in production and changes one that the source has too.
    let mut changed = before.clone();
    changed["Variables"][0]["Value"] = "http://edited".into();
    changed["Variables"].as_array_mut().unwrap().push(
        serde_json::json!({ "Id": "only-here", "Name": "Local", "Scope": {}, "Type": "String", "Value": "stays" }),
    );
    let db = Connection::open(&target.path).unwrap();
    db.execute("UPDATE VarSet SET JSON = ?1", [changed.to_string()]).unwrap();
    drop(db);
    let plan = import(&file, &target.path, &model(), Some(&target.key), overwrite());
    assert_eq!(plan.count(Action::Merge), 1);
    let after: serde_json::Value = serde_json::from_str(&target.text("SELECT JSON FROM VarSet")).unwrap();
    let variables = after["Variables"].as_array().unwrap();
    assert_eq!(variables.len(), 3);
    assert_eq!(variables[0]["Value"], "http://test");
    assert_eq!(
        variables[1], before["Variables"][1],
        "an unchanged secret keeps its bytes and its variable its id"
    );
    assert_eq!(variables[2]["Id"], "only-here");
    assert_eq!(target.decrypt(variables[1]["Value"].as_str().unwrap()), "s3cret");
    import_nothing(&file, &target.path, &model(), Some(&target.key), overwrite());
}

#[test]
fn a_dry_run_says_what_the_run_says_and_leaves_the_target_alone() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    let before = std::fs::read(&target.path).unwrap();
    let dry = match try_import(&file, &target.path, &model(), Some(&target.key), true, overwrite()).unwrap() {
        Outcome::DryRun(plan) => plan,
        other => panic!("{other:?}"),
    };
    assert!(before == std::fs::read(&target.path).unwrap());
    let wet = import(&file, &target.path, &model(), Some(&target.key), overwrite());
    let told = |plan: &sealift::plan::Plan| -> Vec<_> {
        plan.entries.iter().map(|e| (e.key.to_text(), e.action, e.changes.clone(), e.notes.clone())).collect()
    };
    assert_eq!(told(&dry), told(&wet));
}

#[test]
fn a_target_that_moved_since_the_plan_is_refused_and_named() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    let bundle = open(&file);
    let data_key = unlock(&bundle);
    let seen = FingerprintKey::generate().unwrap();
    let model = model();
    let keys = Keys { bundle: data_key.as_ref(), master: Some(&target.key), seen: &seen };
    let mut server = SqliteServer::open(&target.path).unwrap();
    let shown = ops::plan(&bundle, &mut *server.read().unwrap(), &model, keys, overwrite(), &Silent).unwrap();
    target.run("UPDATE Team SET Members = '|Projects-33|', JSON = '{\"Moved\":1}'");
    let before = std::fs::read(&target.path).unwrap();
    let shown = ops::Relied::of(&shown, &seen);
    let how = How::default();
    match ops::apply_plan(&bundle, &mut server, &model, keys, &shown, how, overwrite(), &Silent).unwrap() {
        Outcome::Stale(moved) => {
            assert_eq!(moved.len(), 1);
            assert_eq!((moved[0].kind.as_str(), moved[0].name.as_str()), ("Team", "Ops"));
        }
        other => panic!("{other:?}"),
    }
    assert!(before == std::fs::read(&target.path).unwrap());
}

fn findings(file: &Path, target: &Shop, options: ImportOptions) -> Vec<String> {
    match try_import(file, &target.path, &model(), Some(&target.key), false, options).unwrap() {
        Outcome::Refused(plan) => {
            plan.findings.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem)).collect()
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_reference_to_a_document_left_out_and_not_in_the_target_stops_by_name() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = folder.path().join("a.sealift");
    let options = ExportOptions { exclude: vec!["env".to_owned()], ..everything(Some(&source.key)) };
    export(&source.path, &model(), &file, &options);
    let found = findings(&file, &target, overwrite());
    assert_eq!(found, ["Project Web: refers to Env Test, which is neither in the bundle nor in the target"]);
    // With the document there, by whatever spelling, the same bundle goes in.
    target.run("INSERT INTO Env VALUES ('Envs-5', 'TEST ', '{}')");
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
    assert!(target.text("SELECT EnvIds FROM Project WHERE Name = 'Web'").contains("|Envs-5|"));
}

#[test]
fn another_product_version_is_refused_unless_ignored() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    target.run("INSERT INTO Versions VALUES (2, '2.0')");
    let strict = ImportOptions { ignore_version: false, ..overwrite() };
    assert_eq!(findings(&file, &target, strict), [" : the bundle is of Shop 1.0, the target is 2.0"]);
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
}

#[test]
fn an_id_that_dangled_at_the_source_never_binds_to_a_strangers_document() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    source.run("UPDATE Project SET NextId = 'Projects-33' WHERE Name = 'Api'");
    let file = folder.path().join("a.sealift");
    let report = try_export(&source.path, &model(), &file, &everything(Some(&source.key)), sealed()).unwrap();
    assert_eq!(report.dangling, 1);
    let found = findings(&file, &target, overwrite());
    assert!(found[0].contains("names Projects-33") && found[0].contains("Project Theirs"), "{found:?}");
    let accept = ImportOptions { accept_dangling: true, ..overwrite() };
    import(&file, &target.path, &model(), Some(&target.key), accept);
    assert_eq!(target.text("SELECT NextId FROM Project WHERE Name = 'Api'"), "Projects-33");
}

#[test]
fn a_write_that_the_target_refuses_takes_everything_back() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    target.run("CREATE UNIQUE INDEX one_hash ON Project (JSON)");
    let before = std::fs::read(&target.path).unwrap();
    let error = try_import(&file, &target.path, &model(), Some(&target.key), false, overwrite()).unwrap_err();
    assert!(error.to_string().contains("cannot write Project Api"), "{error}");
    assert!(before == std::fs::read(&target.path).unwrap());
}

#[test]
fn a_bundle_without_secret_values_leaves_the_targets_alone() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let full = carried(folder.path(), &source, "full.sealift");
    import(&full, &target.path, &model(), Some(&target.key), overwrite());
    let bare = folder.path().join("bare.sealift");
    let options = ExportOptions { secrets: ServerSecrets::Mask, ..everything(None) };
    try_export(&source.path, &model(), &bare, &options, WriterOptions::default()).unwrap();
    import_nothing(&bare, &target.path, &model(), Some(&target.key), overwrite());
    let empty = Shop::new(folder.path(), "empty.sqlite", 3, "");
    let plan = import(&bare, &empty.path, &model(), Some(&empty.key), overwrite());
    assert!(
        plan.entries
            .iter()
            .flat_map(|e| &e.notes)
            .any(|n| n.contains("has a value for this secret; it will be empty"))
    );
}

fn export_error(shop: &Shop, key: Option<&MasterKey>) -> (ExportError, PathBuf) {
    let file = shop.path.with_extension("sealift");
    let error = try_export(&shop.path, &model(), &file, &everything(key), sealed()).unwrap_err();
    assert!(!file.exists(), "a failed export left a file");
    let left = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "a failed export left temporary files");
    (error, file)
}

#[test]
fn a_wrong_master_key_is_told_apart_from_one_damaged_secret() {
    let first = folder();
    let shop = source(first.path());
    let (error, _) = export_error(&shop, Some(&key(2)));
    assert!(matches!(error, ExportError::Translate(TranslateError::WrongMasterKey { .. })), "{error}");
    assert!(error.to_string().contains("Project Projects-1"), "{error}");
    let (error, _) = export_error(&shop, None);
    assert!(matches!(error, ExportError::Translate(TranslateError::NeedMasterKey { .. })), "{error}");
    // One secret damaged, the other whole: in either order the damaged one is named.
    for (table, name) in [("Project", "Project Projects-1"), ("VarSet", "VarSet varset-Projects-1")] {
        let folder = folder();
        let shop = source(folder.path());
        let foreign = key(2).encrypt(&SecretBytes::from("x".to_owned())).unwrap();
        let old = if table == "Project" { "$.Password" } else { "$.Variables[1].Value" };
        shop.run(&format!(
            "UPDATE {table} SET JSON = json_set(JSON, '{old}', '{foreign}') WHERE Id LIKE '%Projects-1'"
        ));
        let (error, _) = export_error(&shop, Some(&shop.key));
        let ExportError::Malformed(faults) = &error else { panic!("{error}") };
        assert!(matches!(faults.first(), [TranslateError::DamagedSecret { .. }]), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn rows_that_are_no_documents_are_named() {
    let cases = [
        ("UPDATE Env SET JSON = '{\"a\":}' WHERE Id = 'Envs-2'", "JSON of Env Envs-2 does not parse"),
        (
            "UPDATE Env SET JSON = '{\"a\":1,\"a\":2}' WHERE Id = 'Envs-1'",
            "JSON of Env Envs-1 does not parse",
        ),
        ("INSERT INTO Env VALUES ('Envs-9', 'test ', '{}')", "Env"),
        ("ALTER TABLE Env RENAME COLUMN Id TO Key", "has no column \"Id\""),
        ("ALTER TABLE Env RENAME COLUMN JSON TO Body", "has no column \"JSON\""),
        (
            "UPDATE Project SET JSON = json_set(JSON, '$.Password', 'not encrypted') WHERE Id = 'Projects-1'",
            "is damaged",
        ),
    ];
    for (sql, expected) in cases {
        let folder = folder();
        let shop = source(folder.path());
        shop.run(sql);
        let (error, _) = export_error(&shop, Some(&shop.key));
        assert!(error.to_string().contains(expected), "{sql}: {error}");
    }
}

#[test]
fn a_partial_export_takes_what_a_project_needs_and_says_why() {
    let folder = folder();
    let source = source(folder.path());
    source.run("INSERT INTO Env VALUES ('Envs-3', 'Unused', '{}'); INSERT INTO Project VALUES ('Projects-3','Alone',NULL,NULL,NULL,0,'{}');");
    let file = folder.path().join("a.sealift");
    export(&source.path, &model(), &file, &project("web", Some(&source.key)));
    let bundle = open(&file);
    let mut why = Vec::new();
    bundle
        .entries(None, &mut |entry| -> Result<(), sealift::bundle::BundleError> {
            why.push(format!("{} {} {}", entry.kind, entry.key, entry.reason));
            Ok(())
        })
        .unwrap();
    assert_eq!(
        why,
        [
            "Env Production needed by Project Web at EnvIds",
            "Env Test needed by Project Web at EnvIds",
            "Project Api needed by Project Web at NextId",
            "Project Web named",
            "TagSet Ring needed by Project Web at $.Tags[0]",
            "VarSet Web belongs to Project Web at OwnerId",
        ]
    );
    let missing =
        try_export(&source.path, &model(), &folder.path().join("b"), &project("nope", None), sealed());
    assert!(matches!(missing.unwrap_err(), ExportError::NoSuchDocument { .. }));
    // Once a bundle without the very document that was named.
    let options = ExportOptions { exclude: vec!["project".to_owned()], ..project("Web", None) };
    let left = try_export(&source.path, &model(), &folder.path().join("c"), &options, sealed());
    assert!(matches!(left.unwrap_err(), ExportError::LeftOut(_)));
}

#[test]
fn tables_that_the_model_does_not_know_are_listed() {
    let folder = folder();
    let source = source(folder.path());
    source.run("CREATE TABLE Extra (Id int); INSERT INTO Extra VALUES (1), (2)");
    let file = folder.path().join("a.sealift");
    let report = try_export(&source.path, &model(), &file, &everything(Some(&source.key)), sealed()).unwrap();
    assert_eq!(report.unknown, [("Extra".to_owned(), 2)]);
    assert_eq!(report.left.len(), 2);
}

#[test]
fn an_import_that_is_cancelled_changes_nothing() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    let before = std::fs::read(&target.path).unwrap();
    let bundle = open(&file);
    let data_key = unlock(&bundle);
    let seen = FingerprintKey::generate().unwrap();
    let progress = sealift::progress::Recording::default();
    progress.cancel();
    let keys = Keys { bundle: data_key.as_ref(), master: Some(&target.key), seen: &seen };
    let mut server = SqliteServer::open(&target.path).unwrap();
    let error = ops::import(&bundle, &mut server, &model(), keys, How::default(), overwrite(), &progress)
        .unwrap_err();
    assert!(matches!(error, ops::ImportError::Cancelled(_)), "{error}");
    assert!(before == std::fs::read(&target.path).unwrap());
}

#[test]
fn a_document_of_200_mb_passes() {
    let folder = folder();
    let source = Shop::new(folder.path(), "big.sqlite", 1, "");
    let text: String = "a line of the script that grew, \\\"quoted\\\" and all\\n".repeat(4_400_000);
    let body = format!(r#"{{"Script":"{text}"}}"#);
    assert!(body.len() > 200 << 20);
    Connection::open(&source.path)
        .unwrap()
        .execute("INSERT INTO Env VALUES ('Envs-1', 'Big', ?1)", [&body])
        .unwrap();
    let target = Shop::new(folder.path(), "to.sqlite", 2, "");
    let file = carried(folder.path(), &source, "a.sealift");
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
    assert!(target.text("SELECT JSON FROM Env") == body);
}

fn db(shop: &Shop) -> Connection {
    Connection::open(&shop.path).unwrap()
}

/// The counter of the target lay behind its ids once: the new document then took the row of a stranger.
#[test]
fn an_id_that_is_taken_is_never_given_out_again() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = carried(folder.path(), &source, "a.sealift");
    target.run("UPDATE Counters SET Last = 70 WHERE Name = 'Env'; UPDATE Counters SET Last = 31 WHERE Name = 'Project'; INSERT INTO Project VALUES ('projects-32','Older',NULL,NULL,NULL,0,'{}')");
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
    assert_eq!(
        target.text("SELECT group_concat(Id || '=' || Name) FROM (SELECT * FROM Env ORDER BY Id)"),
        "Envs-71=Production,Envs-72=Test,envs-builtin=Built in"
    );
    assert_eq!(
        target.text("SELECT group_concat(Id || '=' || Name) FROM (SELECT * FROM Project ORDER BY Name)"),
        "Projects-34=Api,projects-32=Older,Projects-33=Theirs,Projects-35=Web"
    );
}

/// The built-in environment was renamed in the target: it is the same one, and the plan says what changes.
#[test]
fn a_document_with_a_fixed_id_is_the_same_whatever_it_is_called() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    target.run("UPDATE Env SET Name = 'Renamed' WHERE Id = 'envs-builtin'");
    let file = carried(folder.path(), &source, "a.sealift");
    let plan = import(&file, &target.path, &model(), Some(&target.key), overwrite());
    let entry = plan.entries.iter().find(|e| e.key.to_string() == "Built in").unwrap();
    assert_eq!(entry.action, Action::Update);
    assert_eq!(entry.changes[0].place.to_string(), "Name");
    import_nothing(&file, &target.path, &model(), Some(&target.key), overwrite());
}

/// The import once wrote over a document of the target that had the id of a new one.
#[test]
fn an_id_that_another_document_has_is_a_finding() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    // What is built in at the source is called as another document of the bundle is.
    target.run("UPDATE Env SET Name = 'Test' WHERE Id = 'envs-builtin'");
    let file = carried(folder.path(), &source, "a.sealift");
    let found = findings(&file, &target, overwrite());
    assert_eq!(
        found,
        ["Env Built in: would get the id envs-builtin, which another document of the target has"]
    );
    assert_eq!(target.text("SELECT Name FROM Env WHERE Id = 'envs-builtin'"), "Test");
    // An id made of the owner's is known only when the owner has one: it is refused all the same.
    target.run("UPDATE Env SET Name = 'Built in' WHERE Id = 'envs-builtin'; INSERT INTO VarSet VALUES ('varset-Projects-42', 'Projects-1', '{}')");
    let before = std::fs::read(&target.path).unwrap();
    let found = findings(&file, &target, overwrite());
    assert_eq!(
        found,
        ["VarSet Web: would get the id varset-Projects-42, which another document of the target has"]
    );
    assert!(before == std::fs::read(&target.path).unwrap());
}

/// An id that named nothing at the source named nothing in the target either, until the import gave it out.
#[test]
fn an_id_that_dangles_is_not_given_out_by_the_import_that_carries_it() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    source.run("UPDATE Project SET NextId = 'Projects-41' WHERE Name = 'Api'");
    let file = carried(folder.path(), &source, "a.sealift");
    import(&file, &target.path, &model(), Some(&target.key), overwrite());
    assert_eq!(target.text("SELECT NextId FROM Project WHERE Name = 'Api'"), "Projects-41");
    assert_eq!(target.text("SELECT count(*) || '' FROM Project WHERE Id = 'Projects-41'"), "0");
}

/// Secrets of a bundle without values were once filled in by their position in the list.
#[test]
fn a_masked_secret_finds_its_own_value_wherever_it_stands() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let full = carried(folder.path(), &source, "full.sealift");
    import(&full, &target.path, &model(), Some(&target.key), overwrite());
    let foreign = target.encrypt("another's");
    let mut set: serde_json::Value = serde_json::from_str(&target.text("SELECT JSON FROM VarSet")).unwrap();
    let variables = set["Variables"].as_array_mut().unwrap();
    variables.insert(
        1,
        serde_json::json!({ "Id": "x", "Name": "Other", "Scope": {}, "Type": "Sensitive", "Value": foreign }),
    );
    db(&target).execute("UPDATE VarSet SET JSON = ?1", [set.to_string()]).unwrap();
    source.run("UPDATE VarSet SET JSON = json_set(JSON, '$.Variables[0].Value', 'http://new')");
    let bare = folder.path().join("bare.sealift");
    let options = ExportOptions { secrets: ServerSecrets::Mask, ..everything(None) };
    try_export(&source.path, &model(), &bare, &options, WriterOptions::default()).unwrap();
    let plan = import(&bare, &target.path, &model(), Some(&target.key), overwrite());
    assert_eq!(plan.count(Action::Merge), 1);
    let set: serde_json::Value = serde_json::from_str(&target.text("SELECT JSON FROM VarSet")).unwrap();
    let of = |name: &str| {
        let found = set["Variables"].as_array().unwrap().iter().find(|v| v["Name"] == name).unwrap();
        found["Value"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("Url"), "http://new");
    assert_eq!(target.decrypt(&of("Token")), "s3cret");
    assert_eq!(target.decrypt(&of("Other")), "another's");
}

/// A bundle written by hand.
fn crafted(folder: &Path, documents: Vec<(Document, Value)>) -> PathBuf {
    let file = folder.join("crafted.sealift");
    let model = model();
    let header = Header::new(model.name.clone(), model.digest, None);
    let mut writer = Writer::create(&file, header, sealed()).unwrap();
    for (document, id) in documents {
        let secrets: Vec<_> =
            document.secret_places().iter().map(|_| Some(SecretBytes::from("s".to_owned()))).collect();
        let folded = document.key.folded(model.collation);
        writer.add(&document, &folded, &id, &Reason::All, &secrets).unwrap();
    }
    writer.finish(&Silent).unwrap();
    file
}

fn reference(kind: &str, name: &str) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key: Key::name(name) }))
}

fn bare(kind: &str, key: Vec<Value>, columns: &[(&str, Value)], body: &[(&str, Value)]) -> (Document, Value) {
    let map = |pairs: &[(&str, Value)]| {
        Map::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect()).unwrap()
    };
    let key = Key::new(key).unwrap();
    let document =
        Document { kind: KindName::new(kind), key, columns: map(columns), body: Some(Value::Map(map(body))) };
    (document, Value::Null)
}

/// What could be written only as null, in the clear, or as another document's id.
#[test]
fn what_no_export_makes_is_a_finding_and_not_written_as_something_else() {
    let web = |name: &str, value: Value| {
        bare("Project", vec![Value::from("New")], &[("Name", Value::from("New"))], &[(name, value)])
    };
    let column = |name: &str, value: Value| {
        bare("Project", vec![Value::from("New")], &[("Name", Value::from("New")), (name, value)], &[])
    };
    let env = |key: Vec<Value>, name: &str| bare("Env", key, &[("Name", Value::from(name))], &[]);
    let secret = Value::Secret(SecretId::UNKNOWN);
    let production = reference("Env", "Production");
    let cases = [
        (web("Elsewhere", secret.clone()), "holds a secret at $.Elsewhere, which has no place there"),
        (web("Elsewhere", production.clone()), "holds a reference at $.Elsewhere, which has no place there"),
        (web("Elsewhere", Value::Bytes(vec![1])), "holds bytes at $.Elsewhere, which has no place there"),
        (web("Password", Value::from("open")), "holds an open text at $.Password, where a secret belongs"),
        (
            web("List", Value::List(vec![Value::from("Envs-71")])),
            "holds text at $.List[0], where another reference belongs",
        ),
        (
            web("List", Value::List(vec![reference("Project", "Theirs")])),
            "holds a reference at $.List[0], where another reference belongs",
        ),
        (web("Comma", Value::List(vec![Value::Null])), "holds something else than references at $.Comma"),
        (web("Links", Value::List(vec![Value::Null])), "holds something else than pairs at $.Links"),
        (column("NextId", secret), "holds a secret at NextId, which has no place there"),
        (column("NextId", Value::List(vec![])), "holds a list at NextId, which has no place there"),
        (column("JSON", Value::from("{}")), "has a value for JSON, which the target's table Project lacks"),
        (env(vec![Value::from("A")], "Production"), "is named otherwise by its column Name"),
        (env(vec![Value::from("A"), Value::Int(2)], "A"), "its key has another shape"),
        (env(vec![Value::from("A"), Value::Int(i64::MIN)], "A"), "its key has another shape"),
        (web("Bag", reference("Nothing", "x")), "a kind the model does not know"),
        (
            bare(
                "TagSet",
                vec![Value::from("New")],
                &[("Name", Value::from("New"))],
                &[(
                    "Tags",
                    Value::List(
                        ["a", "A"]
                            .map(|n| Value::Map(Map::from_pairs(vec![("Name".into(), n.into())]).unwrap()))
                            .to_vec(),
                    ),
                )],
            ),
            "has several parts of one name",
        ),
    ];
    for (document, expected) in cases {
        let folder = folder();
        let target = target(folder.path());
        let file = crafted(folder.path(), vec![document]);
        let found = findings(&file, &target, overwrite());
        assert!(found.iter().any(|f| f.contains(expected)), "{expected}: {found:?}");
    }
}

/// A document that is left out for want of another takes with it what needs it, in whatever order they stand.
#[test]
fn what_is_left_out_is_settled_before_what_refers_to_it_is_looked_at() {
    let skips = MODEL.replace(
        "at = \"NextId\"\nto = \"Project\"",
        "at = \"NextId\"\nto = \"Project\"\nmissing = \"skip\"",
    );
    let model = Model::parse(&skips, "skips.toml").unwrap();
    let folder = folder();
    let target = target(folder.path());
    let project = |name: &str, next: &str, body: &[(&str, Value)]| {
        let columns = [("Name", Value::from(name)), ("NextId", reference("Project", next))];
        bare("Project", vec![Value::from(name)], &columns, body)
    };
    let header = Header::new(model.name.clone(), model.digest, None);
    let file = folder.path().join("chain.sealift");
    let mut writer = Writer::create(&file, header, WriterOptions::default()).unwrap();
    for (document, id) in [project("A", "B", &[]), project("B", "C", &[]), project("C", "Nobody", &[])] {
        let folded = document.key.folded(model.collation);
        writer.add(&document, &folded, &id, &Reason::All, &[]).unwrap();
    }
    let (team, _) = bare(
        "Team",
        vec![Value::from("Ops")],
        &[("Name", Value::from("Ops")), ("Members", Value::List(vec![reference("Project", "Theirs")]))],
        &[("New", Value::Bool(true))],
    );
    writer.add(&team, &team.key.folded(model.collation), &Value::Null, &Reason::All, &[]).unwrap();
    writer.finish(&Silent).unwrap();
    let plan = import(&file, &target.path, &model, Some(&target.key), overwrite());
    assert_eq!(plan.count(Action::Skip), 3, "{plan:#?}");
    assert_eq!(plan.count(Action::Merge), 1);
}

/// A dictionary's pair once lost its key and stayed: it was written as nothing, and never became unchanged.
#[test]
fn a_dictionary_loses_the_pairs_whose_document_is_missing() {
    let drops = MODEL.replace("form = \"keys\"", "form = \"keys\"\nmissing = \"drop\"").replace(
        "at = \"$.Links[*][*]\"\nto = \"Env\"",
        "at = \"$.Links[*][*]\"\nto = \"Env\"\nmissing = \"drop\"",
    );
    let model = Model::parse(&drops, "drops.toml").unwrap();
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let file = folder.path().join("a.sealift");
    export(&source.path, &model, &file, &project("Web", Some(&source.key)));
    source.run("UPDATE Project SET NextId = NULL");
    let options = ExportOptions { exclude: vec![], ..project("Web", Some(&source.key)) };
    let file = {
        // Web alone: Api stays behind.
        let without = drops.replace("form = \"keys\"", "form = \"keys\"\nfollow = false");
        let model = Model::parse(&without, "without.toml").unwrap();
        let out = file.with_file_name("b.sealift");
        export(&source.path, &model, &out, &options);
        out
    };
    import(&file, &target.path, &model, Some(&target.key), overwrite());
    let body: serde_json::Value =
        serde_json::from_str(&target.text("SELECT JSON FROM Project WHERE Name = 'Web'")).unwrap();
    assert_eq!(body["Links"], serde_json::json!({}));
    import_nothing(&file, &target.path, &model, Some(&target.key), overwrite());
}

/// The place may lead to two kinds; the id was once looked for among the first only.
#[test]
fn an_id_that_dangled_is_looked_for_in_every_kind_that_its_place_leads_to() {
    let text =
        MODEL.replace("at = \"NextId\"\nto = \"Project\"", "at = \"NextId\"\nto = [\"Env\", \"Project\"]");
    let model = Model::parse(&text, "two.toml").unwrap();
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    source.run("UPDATE Project SET NextId = 'Projects-33' WHERE Name = 'Api'");
    let file = folder.path().join("a.sealift");
    export(&source.path, &model, &file, &everything(Some(&source.key)));
    match try_import(&file, &target.path, &model, Some(&target.key), false, overwrite()).unwrap() {
        Outcome::Refused(plan) => {
            assert!(plan.findings[0].problem.contains("is Project Theirs in the target"))
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_variable_that_becomes_a_secret_and_back_is_written_as_what_it_is() {
    let folder = folder();
    let (source, target) = (source(folder.path()), target(folder.path()));
    let variable = |shop: &Shop| {
        let set: serde_json::Value = serde_json::from_str(&shop.text("SELECT JSON FROM VarSet")).unwrap();
        set["Variables"].as_array().unwrap().iter().find(|v| v["Name"] == "Token").unwrap().clone()
    };
    import(&carried(folder.path(), &source, "a"), &target.path, &model(), Some(&target.key), overwrite());
    let sealed = source.text("SELECT json_extract(JSON, '$.Variables[1].Value') FROM VarSet");
    source.run("UPDATE VarSet SET JSON = json_set(JSON, '$.Variables[1].Value', 'open', '$.Variables[1].Type', 'String')");
    import(&carried(folder.path(), &source, "b"), &target.path, &model(), Some(&target.key), overwrite());
    assert_eq!(
        (variable(&target)["Type"].as_str(), variable(&target)["Value"].as_str()),
        (Some("String"), Some("open"))
    );
    source.run(&format!("UPDATE VarSet SET JSON = json_set(JSON, '$.Variables[1].Value', '{sealed}', '$.Variables[1].Type', 'Sensitive')"));
    let plan =
        import(&carried(folder.path(), &source, "c"), &target.path, &model(), Some(&target.key), overwrite());
    assert_eq!(target.decrypt(variable(&target)["Value"].as_str().unwrap()), "s3cret");
    assert!(!format!("{plan:?}").contains("s3cret"));
}

/// Sets were once ordered by their names as spelled: "alpha" before "BETA" here, after it there.
#[test]
fn a_set_of_names_in_another_case_is_no_other_order() {
    let folder = folder();
    let envs = |names: [&str; 2]| {
        format!(
            "INSERT INTO Env VALUES ('Envs-1', '{}', '{{}}'), ('Envs-2', '{}', '{{}}');
             INSERT INTO Project VALUES ('Projects-1', 'P', '|Envs-1|Envs-2|', NULL, NULL, 0, '{{}}')",
            names[0], names[1]
        )
    };
    let source = Shop::new(folder.path(), "source.sqlite", 1, &envs(["alpha", "Beta"]));
    let target = Shop::new(folder.path(), "target.sqlite", 2, &envs(["alpha", "BETA"]));
    target.run(
        "UPDATE Env SET Name = 'Alpha' WHERE Id = 'Envs-1'; UPDATE Env SET Name = 'beta' WHERE Id = 'Envs-2'",
    );
    let file = carried(folder.path(), &source, "a.sealift");
    let plan = plan(&file, &target.path, &model(), Some(&target.key), overwrite());
    let project = plan.entries.iter().find(|e| e.kind.as_str() == "Project").unwrap();
    assert_eq!(project.action, Action::Unchanged, "{:?}", project.changes);
}
