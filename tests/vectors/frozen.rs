//! The fixtures of `format-spec/fixtures`: whole bundles of released versions, which no change may touch.

use std::path::PathBuf;

use sealift::bundle::{
    Bundle, BundleError, Coverage, Extent, Header, Limits, Notice, Protection, Reason, UncheckedBundle,
    Writer, WriterOptions,
};
use sealift::crypto::{Envelope, KdfLimits, KdfParams, Password, SecretBytes};
use sealift::document::{
    Collation, Dangling, Document, Key, KindName, Map, Reference, SecretId, Value, canonical,
};
use sealift::progress::Silent;
use serde_json::json;

/// Every file and its BLAKE3. A line is added with a new format, and none is ever changed.
const FROZEN: &[(&str, &str)] = &[
    ("bundle-1.json", "879b0b3d5c5cd871de87e178c0b53c0df3171da2f319175ec7e756d889e61288"),
    ("bundle-1.sealift", "c9eaf5eb93281d0644cffe3f9dd2b3088dc09cc2433a9b03d20194b55dafb7c1"),
    ("tree-1.json", "5256744550fa342e660beeb1cc68f6269cd0d7c127c28574f2affeb121b1c65d"),
];

fn folder() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/fixtures")
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn map(members: Vec<(&str, Value)>) -> Map {
    Map::from_pairs(members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()).unwrap()
}

fn reference(kind: &str, key: Key) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key }))
}

fn document(kind: &str, key: Vec<Value>, columns: Map, body: Option<Value>) -> Document {
    Document { kind: KindName::new(kind), key: Key::new(key).unwrap(), columns, body }
}

type Item = (Document, Value, Reason, Vec<Option<&'static str>>);

/// Something of everything that a bundle can hold.
fn items() -> Vec<Item> {
    let secret = || Value::Secret(SecretId::UNKNOWN);
    let space = || reference("Space", Key::name("Default"));
    let project = || Key::new(vec![space(), "Web shop".into()]).unwrap();
    let lost = Dangling { kind: KindName::new("Feed"), id: "feeds-9".into() };
    let mut items = vec![
        (
            document("Space", vec!["Default".into()], Map::new(), None),
            Value::Text("Spaces-1".to_owned()),
            Reason::All,
            vec![],
        ),
        (
            document(
                "Project",
                vec![space(), "Web shop".into()],
                map(vec![("IsDisabled", false.into()), ("Logo", Value::Bytes(vec![0, 0xff, 7]))]),
                Some(Value::Map(map(vec![
                    ("FeedId", Value::Dangling(Box::new(lost))),
                    ("Note", "naïve \u{1f511}\n".into()),
                    ("Rate", Value::Number("1.50".into())),
                    ("SpaceId", space()),
                    ("Versions", Value::List(vec![Value::Int(-1), Value::Int(i64::MAX), Value::Null])),
                ]))),
            ),
            Value::Int(17),
            Reason::Named,
            vec![],
        ),
        (
            document(
                "VariableSet",
                vec![reference("Project", project())],
                map(vec![("Password", secret())]),
                Some(Value::Map(map(vec![(
                    "Variables",
                    Value::List(vec![
                        Value::Map(map(vec![("Name", "a".into()), ("Value", secret())])),
                        Value::Map(map(vec![("it's.a key", secret())])),
                        secret(),
                    ]),
                )]))),
            ),
            Value::Null,
            Reason::BelongsTo {
                kind: KindName::new("Project"),
                key: project(),
                place: "$.VariableSetId".to_owned(),
            },
            vec![Some("first secret"), None, Some("Pässwort \u{1f511}"), Some("")],
        ),
    ];
    for n in 0..40 {
        items.push((
            document(
                "Machine",
                vec![space(), format!("vm-{n:02}").into()],
                map(vec![("Uri", format!("https://vm-{n:02}.example.test:10933/").into())]),
                Some(Value::Map(map(vec![("Roles", Value::List(vec!["web".into(), "db".into()]))]))),
            ),
            Value::Number(format!("{n}.5").into()),
            Reason::NeededBy {
                kind: KindName::new("Project"),
                key: project(),
                place: "$.Roles[0]".to_owned(),
            },
            vec![],
        ));
    }
    items
}

const PASSWORDS: [&str; 2] = ["correct horse battery", "Zweites Paßwort"];

/// Makes the fixture of this version; once, before its lines are added above.
#[test]
#[ignore = "a fixture is made once and never again"]
fn freeze() {
    let path = folder().join("bundle-1.sealift");
    assert!(!path.exists(), "it is frozen");
    let (mut envelope, key) = Envelope::create(&password(PASSWORDS[0]), KdfParams::default()).unwrap();
    key.add_slot(&mut envelope, &password(PASSWORDS[1]), KdfParams::MINIMUM).unwrap();
    let mut header = Header::new("octopus".to_owned(), [7; 32], Some("2018.7.10".to_owned()));
    header.server = Some("the old one".to_owned());
    header.options = Some("--all".to_owned());
    let protection = Protection::Password { envelope, key };
    let created = Some("2026-11-23T00:00:00Z".to_owned());
    let options = WriterOptions { protection, created, ..WriterOptions::default() };
    let mut writer = Writer::create(&path, header, options).unwrap();
    for (document, id, reason, secrets) in items() {
        let folded = document.key.folded(Collation::CaseInsensitive);
        let secrets: Vec<_> =
            secrets.iter().map(|s| s.map(|text| SecretBytes::from(text.to_owned()))).collect();
        writer.add(&document, &folded, &id, &reason, &secrets).unwrap();
    }
    let project = Key::name("Web shop");
    let text = "$.FeedId names no document: feeds-9".to_owned();
    let at = Notice::at("dangling-reference", &KindName::new("Project"), &project, "$.FeedId", text);
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
    let listing = listing(&open("bundle-1.sealift"), PASSWORDS[0]);
    let text = serde_json::to_string_pretty(&listing).unwrap() + "\n";
    std::fs::write(path.with_extension("json"), text).unwrap();
    for name in ["bundle-1.json", "bundle-1.sealift"] {
        println!("    ({name:?}, \"{}\"),", blake3::hash(&std::fs::read(folder().join(name)).unwrap()));
    }
}

fn open(name: &str) -> Bundle {
    UncheckedBundle::open(&folder().join(name), &Limits::default()).unwrap().check(&Silent).unwrap()
}

fn source_id(id: &Value) -> serde_json::Value {
    match id {
        Value::Null => json!([0, ""]),
        Value::Int(number) => json!([1, number.to_string()]),
        Value::Text(text) => json!([2, text]),
        Value::Number(text) => json!([3, text]),
        Value::Bytes(bytes) => json!([4, super::hex(bytes)]),
        other => panic!("{other:?}"),
    }
}

fn reason(reason: &Reason) -> serde_json::Value {
    match reason {
        Reason::All => json!([0]),
        Reason::Named => json!([1]),
        Reason::NeededBy { kind, key, place } => json!([2, kind.as_str(), key.to_text(), place]),
        Reason::BelongsTo { kind, key, place } => json!([3, kind.as_str(), key.to_text(), place]),
    }
}

/// All that a bundle holds, read by the library.
fn listing(bundle: &Bundle, with: &str) -> serde_json::Value {
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
                "number": entry.number,
                "kind": entry.kind.as_str(),
                "key": entry.key.to_text(),
                "source_id": source_id(&entry.id),
                "reason": reason(&entry.reason),
                "content_id": entry.content_id.to_string(),
                "canonical": super::hex(&canonical::encode(&document).unwrap()),
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
fn the_fixtures_are_as_they_were_and_none_is_left_out() {
    let entries = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    // A tree is a folder and has a test of its own.
    let mut names: Vec<String> =
        entries.filter(|name| name != "README.md" && folder().join(name).is_file()).collect();
    names.sort();
    assert_eq!(names, FROZEN.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, hash) in FROZEN {
        let found = blake3::hash(&std::fs::read(folder().join(name)).unwrap());
        assert_eq!(found.to_string(), *hash, "{name} was edited");
    }
}

#[test]
fn every_frozen_bundle_lists_and_opens_as_it_did() {
    let bundles = FROZEN.iter().filter(|(name, _)| name.ends_with(".sealift"));
    let mut seen = 0;
    for (name, _) in bundles {
        let json = std::fs::read(folder().join(name).with_extension("json")).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&json).unwrap();
        for password in said["passwords"].as_array().unwrap() {
            assert_eq!(listing(&open(name), password.as_str().unwrap()), said, "{name}");
        }
        seen += 1;
    }
    assert!(seen > 0);
}
