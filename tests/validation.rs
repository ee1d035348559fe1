//! Values that are not what the model says: all of them are found at once, by name, and nothing is written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sealift::bundle::{BundleError, Entry, Protection, Reason, Writer, WriterOptions};
use sealift::demo;
use sealift::document::{Document, Map, Value};
use sealift::model::Model;
use sealift::ops::ImportOptions;
use sealift::plan::Finding;
use sealift::progress::Silent;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

const MODEL: &str = r##"
format = 1
name = "depot"
title = "Depot"
cipher = "octopus"
verbatim = ["#{"]

[[rules]]
name = "labels"
value = [{ at = "$[*]", type = "text", required = true }]

[[kind]]
name = "Box"
table = "Box"
id = { column = "Id", new = "next" }
key = ["Name"]
body = "JSON"
reference = [
  { at = "InsideId", to = "Box" },
  { at = "$.Beside", to = "Box" },
  { at = "$.Below", to = "Box", form = "comma" },
  { at = "$.Above", to = "Box", form = "keys" },
]
secret = [{ at = "$.Key" }]
apply = [{ rules = "labels", at = "$.Labels" }]
value = [
  { at = "Colour", type = "text", required = true },
  { at = "Gone", type = "text", required = true },
  { at = "InsideId", type = "integer" },
  { at = "$.Beside", type = "integer" },
  { at = "$.Key", type = "text", required = true },
  { at = "$.Text", type = "text" },
  { at = "$.Whole", type = "integer" },
  { at = "$.Number", type = "number" },
  { at = "$.Truth", type = "boolean" },
  { at = "$.List", type = "list" },
  { at = "$.Object", type = "object" },
  { at = "$.Object.Inner.Name", required = true },
  { at = "$.Items", type = "list", required = true },
  { at = "$.Items[*]", type = "object", required = true },
  { at = "$.Items[*].Name", type = "text", required = true, unique = true },
  { at = "$.Items[*].Tags[*].Name", unique = true },
  { at = "$.State", one-of = ["Open", "Shut", 7, true] },
]
"##;

const TABLES: &str = "
CREATE TABLE [Box] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [Colour] nvarchar(50), [InsideId] int, [JSON] nvarchar(-1));
";

fn depot() -> Model {
    Model::parse(MODEL, "depot.toml").unwrap()
}

fn server(path: &Path, sql: &str) {
    drop(SqliteServer::create(path, Schema::Ddl(TABLES)).unwrap());
    run(path, sql);
}

fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// A body that is all that the model asks for, with some members replaced; `absent` takes one out.
fn body(changes: &[(&str, &str)]) -> String {
    let encrypted = key(1).encrypt(&sealift::crypto::SecretBytes::from("hidden".to_owned())).unwrap();
    let whole = format!(
        r##"{{"Key":"{encrypted}","Text":"t","Whole":3,"Number":1.5,"Truth":true,"List":[],"Object":{{"Inner":{{"Name":"n"}}}},
        "Items":[{{"Name":"a","Tags":[{{"Name":"x"}}]}},{{"Name":"b","Tags":[{{"Name":"y"}}]}}],"State":"open","Labels":["l"],"Below":"#{{Later}}"}}"##
    );
    let mut whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    for (name, value) in changes {
        match *value {
            "absent" => drop(whole.as_object_mut().unwrap().remove(*name)),
            value => whole[*name] = serde_json::from_str(value).unwrap(),
        }
    }
    whole.to_string()
}

fn insert(path: &Path, id: i64, name: &str, colour: Option<&str>, body: &str) {
    let db = Connection::open(path).unwrap();
    db.execute("INSERT INTO Box VALUES (?1, ?2, ?3, NULL, ?4)", (id, name, colour, body)).unwrap();
}

/// Carries one box into an empty server; returns what is wrong with it.
fn problems(changes: &[(&str, &str)], colour: Option<&str>) -> Vec<String> {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    server(&source, "");
    server(&target, "");
    insert(&source, 1, "Crate", colour, &body(changes));
    let bundle = folder.path().join("a.sealift");
    export(&source, &depot(), &bundle, &everything(Some(&key(1))));
    if plan(&bundle, &target, &depot(), Some(&key(2)), overwrite()).findings.is_empty() {
        import(&bundle, &target, &depot(), Some(&key(2)), overwrite());
        return Vec::new();
    }
    let findings = refused(&bundle, &target, &depot(), overwrite());
    assert!(findings.iter().all(|f| f.kind == "Box" && f.name == "Crate"), "{findings:?}");
    findings.into_iter().map(|f| f.problem).collect()
}

#[test]
fn every_rule_of_value_holds() {
    assert_eq!(problems(&[], Some("red")), [""; 0]);
    // What is absent or null passes where nothing is required; numbers of every size are numbers.
    let lenient = [
        ("Text", "null"),
        ("Truth", "absent"),
        ("State", "7"),
        ("Whole", "12345678901234567890"),
        ("Number", "-4"),
        ("List", "null"),
    ];
    assert_eq!(problems(&lenient, Some("red")), [""; 0]);
    assert_eq!(problems(&[("State", "\"SHUT\"")], Some("red")), [""; 0]);
    assert_eq!(problems(&[("State", "true")], Some("red")), [""; 0]);
    assert_eq!(problems(&[("Items", "[]")], Some("red")), [""; 0]);

    let cases: [(&str, &str, &str); 26] = [
        ("Text", "5", "$.Text holds a number, and must be text"),
        ("Whole", "1.5", "$.Whole holds a number, and must be a whole number"),
        ("Whole", "\"3\"", "$.Whole holds text, and must be a whole number"),
        ("Number", "\"x\"", "$.Number holds text, and must be a number"),
        ("Truth", "1", "$.Truth holds a number, and must be a truth value"),
        ("List", "{}", "$.List holds an object, and must be a list"),
        ("Object", "[]", "$.Object holds a list, and must be an object"),
        ("Object", "{}", "has no value at $.Object.Inner.Name, which needs one"),
        (
            "Object",
            r#"{"Inner":{"Name":""}}"#,
            "has an empty text at $.Object.Inner.Name, which needs a value",
        ),
        ("Object", r#"{"Inner":null}"#, "has no value at $.Object.Inner.Name, which needs one"),
        ("Items", "absent", "has no value at $.Items, which needs one"),
        ("Items", "null", "has no value at $.Items, which needs one"),
        ("Items", "{}", "$.Items holds an object, and must be a list"),
        ("Items", "[null]", "has no value at $.Items[0], which needs one"),
        ("Items", "[{}]", "has no value at $.Items[0].Name, which needs one"),
        ("Items", r#"[{"Name":"a"},{"Name":7}]"#, "$.Items[1].Name holds a number, and must be text"),
        (
            "Items",
            r#"[{"Name":"a"},{"Name":"b"},{"Name":"A "}]"#,
            "$.Items[2].Name holds \"A \", as $.Items[0].Name does, and each must be another",
        ),
        // Unique within the document, not only within the inner list.
        (
            "Items",
            r#"[{"Name":"a","Tags":[{"Name":1},{}]},{"Name":"b","Tags":[{"Name":1},{}]}]"#,
            "$.Items[1].Tags[0].Name holds 1, as $.Items[0].Tags[0].Name does, and each must be another",
        ),
        ("State", "\"Ajar\"", "$.State holds \"Ajar\", which is none of Open, Shut, 7, true"),
        ("State", "8", "$.State holds 8, which is none of Open, Shut, 7, true"),
        ("Labels", r#"["l",""]"#, "has an empty text at $.Labels[1], which needs a value"),
        ("Beside", "true", "$.Beside holds a truth value, and must be an id"),
        ("Below", "[1]", ""),
        ("Below", "4", "$.Below holds a number, and must be a text that lists ids"),
        ("Above", "\"x\"", "$.Above holds text, and must be an object whose members are named by ids"),
        ("Key", "absent", "has no value at $.Key, which needs one"),
    ];
    for (member, value, expected) in cases {
        let found = problems(&[(member, value)], Some("red"));
        if expected.is_empty() {
            assert!(!found.is_empty(), "{member} = {value}");
            continue;
        }
        assert!(found.iter().any(|problem| problem == expected), "{member} = {value}: {found:#?}");
    }
    // Columns: one that the table lacks is passed over.
    assert_eq!(problems(&[], None), ["has no value at Colour, which needs one"]);
    assert_eq!(problems(&[], Some("")), ["has an empty text at Colour, which needs a value"]);
}

#[test]
fn findings_are_told_within_bounds_and_show_no_secret_and_no_long_text() {
    let items: Vec<String> = (0..150).map(|n| format!(r#"{{"Name":{n}}}"#)).collect();
    let found = problems(&[("Items", &format!("[{}]", items.join(",")))], Some("red"));
    assert_eq!(found.len(), 101);
    assert_eq!(found[99], "$.Items[99].Name holds a number, and must be text");
    assert_eq!(found[100], "holds 50 more values that are not what they must be");

    let long = "very long ".repeat(1000);
    let found = problems(&[("State", &format!("\"{long}\""))], Some("red"));
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < 120, "{}", found[0]);
    assert!(found[0].contains("\"very long very long very long very long \"…"), "{}", found[0]);

    // Nothing of a secret is told, whatever else is wrong.
    let found = problems(&[("Text", "1"), ("State", "1")], None);
    assert_eq!(found.len(), 3);
    assert!(!found.join(" ").contains("hidden"));
}

/// Documents of a bundle, changed by hand and written again.
fn edited(bundle: &Path, out: &Path, change: &mut dyn FnMut(&Entry, &mut Document)) {
    let (read, key) = (open(bundle), unlock(&open(bundle)));
    let options = WriterOptions {
        protection: match &key {
            Some(_) => sealed().protection,
            None => Protection::None,
        },
        ..WriterOptions::default()
    };
    let mut writer = Writer::create(out, read.info().header.clone(), options).unwrap();
    read.scan(None, &mut |entry, mut document| -> Result<(), BundleError> {
        let secrets = match &key {
            Some(key) => read.secrets(&entry, &document, key)?,
            None => Vec::new(),
        };
        change(&entry, &mut document);
        let secrets = &secrets[..document.secret_places().len()];
        let folded = document.key.folded(Default::default());
        writer.add(&document, &folded, &entry.id, &Reason::All, secrets)
    })
    .unwrap();
    writer.finish(&Silent).unwrap();
}

fn set(document: &mut Document, path: &[&str], value: Value) {
    let mut at = document.body.as_mut().unwrap();
    let (last, parents) = path.split_last().unwrap();
    for step in parents {
        at = match (at, step.parse::<usize>()) {
            (Value::List(list), Ok(index)) => &mut list[index],
            (Value::Map(map), _) => map.get_mut(step).unwrap(),
            (other, _) => panic!("{step} of {other:?}"),
        };
    }
    match at {
        Value::Map(map) => drop(map.insert(*last, value)),
        other => panic!("{last} of {other:?}"),
    }
}

/// The demo's bundle and an empty server for it.
fn demo_bundle(folder: &Path) -> (PathBuf, PathBuf) {
    let source = folder.join("source.sqlite");
    demo::build(&mut empty_octopus(&source), demo::Site::Build, &key(1), &demo::DemoOptions::default())
        .unwrap();
    let bundle = folder.join("a.sealift");
    export(&source, &octopus(), &bundle, &everything(Some(&key(1))));
    let target = folder.join("target.sqlite");
    drop(empty_octopus(&target));
    (bundle, target)
}

#[test]
fn an_edited_octopus_bundle_gives_all_its_findings_in_one_run() {
    let folder = folder();
    let (bundle, target) = demo_bundle(folder.path());
    let wrong = folder.path().join("wrong.sealift");
    edited(&bundle, &wrong, &mut |entry, document| match (entry.kind.as_str(), entry.key.leaf().as_str()) {
        ("DeploymentProcess", "Order Service") => {
            set(document, &["Steps", "0", "Condition"], Value::from("Sometimes"));
            set(document, &["Steps", "0", "Actions", "0", "ActionType"], Value::Int(5));
            set(document, &["Steps", "1", "Actions", "0", "Environments"], Value::Null);
            set(document, &["Steps", "1", "Actions", "0", "Channels"], Value::from("Channels-1"));
            let Some(Value::Map(body)) = &document.body else { panic!("no body") };
            let Some(Value::List(steps)) = body.get("Steps") else { panic!("no steps") };
            let first = match &steps[0] {
                Value::Map(step) => step.get("Name").unwrap().clone(),
                other => panic!("{other:?}"),
            };
            set(document, &["Steps", "1", "Name"], first);
        }
        ("VariableSet", "Order Service") => {
            set(document, &["Variables", "0", "Type"], Value::from("Password"));
            set(document, &["Variables", "1", "Name"], Value::Null);
        }
        ("Project", "Shop Web") => set(document, &["TenantedDeploymentMode"], Value::from("Perhaps")),
        ("Lifecycle", "Four Steps") => set(document, &["Phases"], Value::Bool(true)),
        ("Environment", "Production") => drop(document.columns.insert("Name", Value::Null)),
        _ => {}
    });
    let findings = refused(&wrong, &target, &octopus(), overwrite());
    let name = |f: &Finding| f.name.rsplit(" / ").next().unwrap().to_owned();
    let lines: Vec<String> =
        findings.iter().map(|f| format!("{} {}: {}", f.kind, name(f), f.problem)).collect();
    let expected = [
        "DeploymentProcess Order Service: $.Steps[0].Actions[0].ActionType holds a number, and must be text",
        "DeploymentProcess Order Service: $.Steps[0].Condition holds \"Sometimes\", which is none of Success, Failure, Always, Variable",
        "DeploymentProcess Order Service: $.Steps[1].Actions[0].Channels holds text, and must be a list",
        "VariableSet Order Service: has no value at $.Variables[1].Name, which needs one",
        "Project Shop Web: $.TenantedDeploymentMode holds \"Perhaps\", which is none of Untenanted, TenantedOrUntenanted, Tenanted",
        "Lifecycle Four Steps: $.Phases holds a truth value, and must be a list",
        "Environment Production: has no value for Name, which the target's table needs",
    ];
    for line in expected {
        assert!(lines.iter().any(|l| l == line), "{line}\n{lines:#?}");
    }
    assert!(
        lines.iter().any(|l| l.contains("$.Steps[1].Name holds") && l.contains("as $.Steps[0].Name does"))
    );
    // The vendor adds types of variables: one that the model does not know is no finding.
    assert!(!lines.iter().any(|l| l.contains("$.Variables[0].Type")), "{lines:#?}");

    // Notes instead of findings, where a person says so; and nothing but these.
    let accept = ImportOptions { accept_invalid: true, ..overwrite() };
    let findings = refused(&wrong, &target, &octopus(), accept.clone());
    let kinds: Vec<&str> = findings.iter().map(|f| f.kind.as_str()).collect();
    assert!(kinds.iter().all(|kind| *kind == "Environment"), "{findings:#?}");
    let plan = plan(&wrong, &target, &octopus(), Some(&key(2)), accept);
    let notes: Vec<&String> = plan.entries.iter().flat_map(|e| &e.notes).collect();
    assert!(notes.iter().any(|n| n.contains("ActionType holds a number")), "{notes:#?}");
}

#[test]
fn what_is_accepted_although_it_is_invalid_is_written() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    server(&source, "");
    server(&target, "");
    insert(&source, 1, "Crate", Some("red"), &body(&[("Text", "5"), ("State", "\"Ajar\"")]));
    let bundle = folder.path().join("a.sealift");
    export(&source, &depot(), &bundle, &everything(Some(&key(1))));
    assert_eq!(refused(&bundle, &target, &depot(), overwrite()).len(), 2);
    let accept = ImportOptions { accept_invalid: true, ..overwrite() };
    let plan = import(&bundle, &target, &depot(), Some(&key(2)), accept);
    assert_eq!(plan.entries[0].notes.len(), 2);
    import_nothing(&bundle, &target, &depot(), Some(&key(2)), overwrite());
}

#[test]
fn json_that_is_no_object_is_found() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    server(&source, "");
    server(&target, "");
    for (id, name, json) in [(1, "A", "[]"), (2, "B", "null"), (3, "C", "\"text\"")] {
        insert(&source, id, name, Some("red"), json);
    }
    let bundle = folder.path().join("a.sealift");
    export(&source, &depot(), &bundle, &everything(Some(&key(1))));
    let findings = refused(&bundle, &target, &depot(), overwrite());
    for (name, what) in [("A", "a list"), ("B", "null"), ("C", "text")] {
        let expected = format!("its JSON is {what}, and must be an object");
        assert!(findings.iter().any(|f| f.name == name && f.problem == expected), "{findings:#?}");
    }
}

/// Ids in the server's own spelling, where a list of references belongs, would be another server's.
#[test]
fn ids_in_the_open_are_found() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    server(&source, "");
    server(&target, "");
    insert(&source, 1, "Crate", Some("red"), &body(&[]));
    let bundle = folder.path().join("a.sealift");
    export(&source, &depot(), &bundle, &everything(Some(&key(1))));
    let wrong = folder.path().join("wrong.sealift");
    edited(&bundle, &wrong, &mut |_, document| {
        set(document, &["Below"], Value::from("1, 2"));
        let ids = Map::from_pairs(vec![("1".to_owned(), Value::Null)]).unwrap();
        set(document, &["Above"], Value::Map(ids));
    });
    let accept = ImportOptions { accept_invalid: true, ..overwrite() };
    let found: Vec<String> =
        refused(&wrong, &target, &depot(), accept).into_iter().map(|f| f.problem).collect();
    assert_eq!(
        found,
        [
            "holds open ids at $.Above, where references belong",
            "holds open ids at $.Below, where references belong"
        ]
    );
}
