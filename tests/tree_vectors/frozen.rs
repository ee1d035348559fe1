//! The trees of `format-spec/fixtures`, as a released version wrote them, which no change may touch. They are found by
//! listing the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sealift::bundle::{
    Bundle, BundleError, Coverage, Extent, Header, Limits, Notice, Protection, Reason, UncheckedBundle,
    Writer, WriterOptions,
};
use sealift::crypto::{Envelope, KdfLimits, KdfParams, Password, SecretBytes};
use sealift::document::{Document, Key, KindName, Value, canonical, json};
use sealift::model::Model;
use sealift::ops;
use sealift::progress::Silent;
use sealift::tree::{ScriptMode, Tree};
use serde_json::json;

use crate::case::hex;

/// Every tree, with a hash over its files. A line is added with a new format, and none is ever changed.
const FROZEN: &[(&str, &str)] =
    &[("tree-1", "ba50d7d17f4b6783f048481ade3a25428673b76046e99eebe8089a74e68bda5a")];

const PASSWORDS: [&str; 2] = ["correct horse battery", "Zweites Pa\u{df}wort"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/fixtures")
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn document(kind: &str, key: &str, columns: &[(&str, Value)], body: Option<Value>) -> Document {
    let mut document = Document {
        kind: KindName::new(kind),
        key: Key::parse(key).unwrap(),
        columns: Default::default(),
        body,
    };
    for (name, value) in columns {
        document.columns.insert(*name, value.clone());
    }
    document
}

/// JSON, in which a text `secret` is a secret place, one that begins with `[{` the first part of the key it spells, and
/// one that begins with `hex:` the bytes behind that.
fn value(text: &str) -> Value {
    fn put(value: &mut Value) {
        match value {
            Value::Text(text) if text == "secret" => {
                *value = Value::Secret(sealift::document::SecretId::UNKNOWN)
            }
            Value::Text(text) if text.starts_with("[{") => {
                *value = Key::parse(text).unwrap().parts()[0].clone();
            }
            Value::Text(text) if text.starts_with("hex:") => {
                *value = Value::Bytes(text.bytes().skip(4).collect());
            }
            Value::List(list) => list.iter_mut().for_each(put),
            Value::Map(map) => {
                let names: Vec<String> = map.iter().map(|(name, _)| name.to_owned()).collect();
                names.iter().for_each(|name| put(map.get_mut(name).unwrap()));
            }
            _ => {}
        }
    }
    let mut value = json::parse(text.as_bytes()).unwrap();
    put(&mut value);
    value
}

type Item = (Document, Value, Reason, Vec<Option<&'static str>>);

/// Something of everything that a tree can hold.
fn items() -> Vec<Item> {
    let name = |name: &str| vec![("Name", Value::from(name))];
    let space = r#"{"Space":["Default"]}"#;
    let key = |name: &str| format!("[{space},{}]", serde_json::Value::from(name));
    let owner = |name: &str| {
        vec![(
            "OwnerId",
            value(&serde_json::Value::from(format!("[{{\"Project\":{}}}]", key(name))).to_string()),
        )]
    };
    let long = format!("A project whose name is much too long for a file {}", "\u{e9}/".repeat(20));
    let web = || Key::parse(&key("Web shop")).unwrap();
    let process = value(
        r#"{ "Steps": [
            { "Name": "Deploy", "Actions": [
                { "Name": "Copy", "ActionType": "Octopus.Script", "Properties": {
                    "Octopus.Action.Script.ScriptBody": "Write-Host 'a'\r\nexit 0",
                    "Octopus.Action.Script.Syntax": "PowerShell" } },
                { "Name": "copy", "ActionType": "Octopus.Script", "Properties": {
                    "Octopus.Action.Script.ScriptBody": "echo \"na\u00efve\"\n",
                    "Octopus.Action.Script.Syntax": "Bash" } },
                { "Name": "COPY", "ActionType": "Octopus.Script", "Properties": {
                    "Octopus.Action.Script.ScriptBody": "echo again\n",
                    "Octopus.Action.Script.Syntax": "Bash" } } ] } ] }"#,
    );
    let needed =
        || Reason::NeededBy { kind: KindName::new("Project"), key: web(), place: "$.FeedId".to_owned() };
    let belongs = || Reason::BelongsTo {
        kind: KindName::new("Project"),
        key: web(),
        place: "DeploymentProcessId".to_owned(),
    };
    let mut items: Vec<Item> = vec![
        (document("Space", r#"["Default"]"#, &name("Default"), None), "Spaces-1".into(), Reason::All, vec![]),
        (
            document("Environment", &key("Prod: \"EU\" "), &name("Prod: \"EU\" "), Some(value("null"))),
            Value::Int(-17),
            Reason::All,
            vec![],
        ),
        (
            document("Environment", &key("CON"), &name("CON"), Some(value("{}"))),
            Value::Number("1.50".into()),
            Reason::All,
            vec![],
        ),
        (
            document(
                "User",
                r#"["ann"]"#,
                &[("Username", "ann".into()), ("IdentificationToken", value("\"secret\""))],
                Some(value(r#"{ "EmailAddress": null, "it's": [{ "$ref": "secret" }, "secret"] }"#)),
            ),
            Value::Bytes(vec![0, 0xff]),
            Reason::All,
            vec![Some("a token"), Some(""), None],
        ),
        (
            document(
                "Project",
                &key("Web shop"),
                &name("Web shop"),
                Some(value(
                    r#"{ "$type": "x", "$$ref": 1, "$hex": "no marker", "Logo": "hex:\u0000\u007f", "Rate": 1.50, "Big": 12345678901234567890, "Ten": 10, "FeedId": "[{\"?Feed\":[\"feeds-9\"]}]", "Note": "na\u00efve \ud83d\udd11\r\n" }"#,
                )),
            ),
            "Projects-1".into(),
            Reason::Named,
            vec![],
        ),
        (
            document(
                "DeploymentProcess",
                &format!("[{{\"Project\":{}}}]", key("Web shop")),
                &owner("Web shop"),
                Some(process),
            ),
            "deploymentprocess-Projects-1".into(),
            belongs(),
            vec![],
        ),
        (
            document("Project", &key(&long), &name(&long), Some(value("{}"))),
            "Projects-2".into(),
            Reason::All,
            vec![],
        ),
        (
            document(
                "DeploymentProcess",
                &format!("[{{\"Project\":{}}}]", key(&long)),
                &owner(&long),
                Some(value(r#"{ "Steps": [] }"#)),
            ),
            Value::Null,
            Reason::All,
            vec![],
        ),
        (
            document(
                "Channel",
                &format!("[{{\"Project\":{}}},\"{}\"]", key(&long), "x".repeat(120)),
                &[("ProjectId", owner(&long)[0].1.clone()), ("Name", "x".repeat(120).as_str().into())],
                Some(value("{}")),
            ),
            Value::Null,
            Reason::All,
            vec![],
        ),
        (
            document(
                "VariableSet",
                r#"[{"?Project":["Projects-7"]}]"#,
                &[("OwnerId", value(r#""[{\"?Project\":[\"Projects-7\"]}]""#))],
                Some(value(r#"{ "Variables": [{ "Name": "a", "Value": "secret" }] }"#)),
            ),
            Value::Null,
            Reason::All,
            vec![Some("Pa\u{df}wort \u{1f511}")],
        ),
    ];
    for spelled in ["e\u{301}", "\u{e9}"] {
        let key = format!("[\"{spelled}\"]");
        items.push((
            document(
                "Feed",
                &key,
                &name(spelled),
                Some(value(r#"{ "Password": "secret", "SecretKey": "" }"#)),
            ),
            "Feeds-1".into(),
            needed(),
            vec![Some("hunter2")],
        ));
    }
    items
}

/// Makes the fixture of this version; once, before its line is added above.
#[test]
#[ignore = "a fixture is made once and never again"]
fn freeze_a_tree() {
    let root = folder().join("tree-1");
    assert!(!root.exists(), "it is frozen");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.sealift");
    let (mut envelope, key) = Envelope::create(&password(PASSWORDS[0]), KdfParams::MINIMUM).unwrap();
    key.add_slot(&mut envelope, &password(PASSWORDS[1]), KdfParams::MINIMUM).unwrap();
    let mut header = Header::new("octopus".to_owned(), [7; 32], Some("2024.1.1".to_owned()));
    header.server = Some("the old one".to_owned());
    header.options = Some("--all".to_owned());
    let protection = Protection::Password { envelope, key };
    let created = Some("2026-11-23T00:00:00Z".to_owned());
    let options = WriterOptions { protection, created, ..WriterOptions::default() };
    let model = Model::octopus().unwrap();
    let mut writer = Writer::create(&path, header, options).unwrap();
    for (document, id, reason, secrets) in items() {
        // Two keys that differ in composition are two to the product.
        let folded = document.key.folded(model.collation);
        let secrets: Vec<_> =
            secrets.iter().map(|s| s.map(|text| SecretBytes::from(text.to_owned()))).collect();
        writer.add(&document, &folded, &id, &reason, &secrets).unwrap();
    }
    let text = "$.FeedId names no document: feeds-9".to_owned();
    let at =
        Notice::at("dangling-reference", &KindName::new("Project"), &Key::name("Web shop"), "$.FeedId", text);
    writer.notice(at).unwrap();
    writer.notice(Notice::about("unknown-table", "Extra", "Extra is in no model".to_owned())).unwrap();
    writer
        .notice(Notice {
            place: Some("$.Old[*]".to_owned()),
            value: Some("Projects-7".to_owned()),
            names_kind: Some("Project".to_owned()),
            names_key: Some(Key::name("Web shop").to_text()),
            count: 3,
            ..Notice::about("undeclared-reference", "Project", "holds an id".to_owned())
        })
        .unwrap();
    for (kind, extent) in [
        ("Project", Extent::Whole { rows: 3 }),
        ("Machine", Extent::Part { rows: 40 }),
        (
            "VariableSet",
            Extent::Belonging { kind: "Project".to_owned(), key: Key::name("Web shop").to_text() },
        ),
    ] {
        writer.coverage(&Coverage { kind: kind.to_owned(), extent }).unwrap();
    }
    writer.finish(&Silent).unwrap();
    std::fs::create_dir(&root).unwrap();
    ops::to_tree(&open(&path), &model, &root, ScriptMode::Extract, Default::default(), &Silent).unwrap();
    let listing = listing("tree-1", PASSWORDS[0]);
    let text = serde_json::to_string_pretty(&listing).unwrap() + "\n";
    std::fs::write(root.with_extension("json"), text).unwrap();
    println!("    (\"tree-1\", \"{}\"),", hash(&root));
}

fn open(path: &Path) -> Bundle {
    UncheckedBundle::open(path, &Limits::default()).unwrap().check(&Silent).unwrap()
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Over the paths and bytes of all files, in order of paths.
fn hash(root: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in files(root) {
        hasher.update(&(path.len() as u64).to_le_bytes()).update(path.as_bytes());
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
    }
    hasher.finalize().to_string()
}

/// The bundle that a tree makes, without the password.
fn bundle_of(name: &str, out: &Path) -> Bundle {
    let model = Model::octopus().unwrap();
    let tree = Tree::open(&folder().join(name)).unwrap();
    ops::from_tree(&tree, &model, None, out, (false, false), &Silent).unwrap();
    open(out)
}

fn source_id(id: &Value) -> serde_json::Value {
    match id {
        Value::Null => json!(null),
        Value::Int(number) => json!({ "integer": number.to_string() }),
        Value::Text(text) => json!({ "text": text }),
        Value::Number(text) => json!({ "number": text }),
        Value::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
        other => panic!("{other:?}"),
    }
}

fn reason(reason: &Reason) -> serde_json::Value {
    match reason {
        Reason::All => json!([]),
        Reason::Named => json!(["named"]),
        Reason::NeededBy { kind, key, place } => json!(["needed_by", kind.as_str(), key.to_text(), place]),
        Reason::BelongsTo { kind, key, place } => json!(["belongs_to", kind.as_str(), key.to_text(), place]),
    }
}

/// All that a tree holds, read by the library.
fn listing(name: &str, with: &str) -> serde_json::Value {
    let scratch = tempfile::tempdir().unwrap();
    let bundle = bundle_of(name, &scratch.path().join("b.sealift"));
    let key = bundle.unlock(&password(with), &KdfLimits::default()).unwrap();
    let mut documents = Vec::new();
    bundle
        .entries::<BundleError>(None, &mut |entry| {
            let document = bundle.document(entry.number)?;
            let places: Vec<String> = document.secret_places().iter().map(ToString::to_string).collect();
            let values = bundle.secrets(&entry, &document, &key)?;
            let secrets: serde_json::Map<_, _> = places
                .iter()
                .zip(&values)
                .filter_map(|(place, value)| Some((place.clone(), json!(value.as_ref()?.expose_text()))))
                .collect();
            documents.push(json!({
                "kind": entry.kind.as_str(),
                "key": entry.key.to_text(),
                "source_id": source_id(&entry.id),
                "reason": reason(&entry.reason),
                "content_id": entry.content_id.to_string(),
                "canonical": hex(&canonical::encode(&document).unwrap()),
                "secret_places": places,
                "secrets": secrets,
            }));
            Ok(())
        })
        .unwrap();
    let notices: Vec<_> = bundle
        .notices()
        .unwrap()
        .into_iter()
        .map(|n| json!([n.code, n.kind, n.key, n.place, n.value, n.names_kind, n.names_key, n.text, n.count]))
        .collect();
    let coverage: Vec<_> = bundle
        .coverage()
        .unwrap()
        .into_iter()
        .map(|Coverage { kind, extent }| match extent {
            Extent::Whole { rows } => json!([kind, "whole", rows, null, null]),
            Extent::Part { rows } => json!([kind, "part", rows, null, null]),
            Extent::Belonging { kind: owner, key } => json!([kind, "belonging", null, owner, key]),
        })
        .collect();
    json!({
        "passwords": PASSWORDS,
        "content_root": bundle.info().content_root.to_string(),
        "documents": documents,
        "notices": notices,
        "coverage": coverage,
    })
}

#[test]
fn the_frozen_trees_are_as_they_were_and_none_is_left_out() {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, FROZEN.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, said) in FROZEN {
        assert_eq!(hash(&folder().join(name)), *said, "{name} was edited");
    }
}

#[test]
fn every_frozen_tree_reads_and_opens_as_it_did() {
    assert!(!FROZEN.is_empty());
    for (name, _) in FROZEN {
        let json = std::fs::read(folder().join(format!("{name}.json"))).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&json).unwrap();
        for password in said["passwords"].as_array().unwrap() {
            assert_eq!(listing(name, password.as_str().unwrap()), said, "{name}");
        }
    }
}

/// As long as this version writes the format of the fixture, it writes the same files.
#[test]
fn the_frozen_tree_of_this_version_comes_back_to_the_byte() {
    let scratch = tempfile::tempdir().unwrap();
    let bundle = bundle_of("tree-1", &scratch.path().join("b.sealift"));
    let root = scratch.path().join("tree");
    let model = Model::octopus().unwrap();
    ops::to_tree(&bundle, &model, &root, ScriptMode::Extract, Default::default(), &Silent).unwrap();
    let (mine, theirs) = (files(&root), files(&folder().join("tree-1")));
    assert_eq!(mine.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (path, bytes) in mine {
        assert!(theirs[&path] == bytes, "{path}");
    }
}
