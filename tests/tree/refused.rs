//! What files cannot say, or a reader would not find, is refused before anything is written, by the document's name.

use sealift::bundle::{Header, Protection, Reason, Writer, WriterOptions};
use sealift::document::{Dangling, Document, Key, KindName, Map, Reference, Value};

use super::*;

fn environment(key: &str) -> Document {
    let mut columns = Map::new();
    columns.insert("Name", Value::from("x"));
    Document {
        kind: KindName::new("Environment"),
        key: Key::parse(key).unwrap(),
        columns,
        body: Some(Value::Map(Map::new())),
    }
}

fn with(value: Value) -> Document {
    let mut document = environment(r#"["x"]"#);
    document.columns.insert("Extra", value);
    document
}

fn dangling(id: Value) -> Value {
    Value::Dangling(Box::new(Dangling { kind: KindName::new("Project"), id }))
}

fn reference(kind: &str, key: Key) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key }))
}

/// A bundle of documents, each under its own name: a bundle tells apart what a server does not.
fn written(folder: &Path, documents: &[Document]) -> PathBuf {
    let path = folder.join("a.sealift");
    let model = octopus();
    let options = WriterOptions { force: true, protection: Protection::None, ..WriterOptions::default() };
    let mut writer =
        Writer::create(&path, Header::new(model.name.clone(), model.digest, None), options).unwrap();
    for document in documents {
        writer.add(document, &document.key.to_text(), &Value::Null, &Reason::All, &[]).unwrap();
    }
    writer.finish(&Silent).unwrap();
    path
}

/// The refusals of documents, by name and place.
fn refusals(documents: &[Document]) -> Vec<(String, String)> {
    let folder = folder();
    let (bundle, root) = (written(folder.path(), documents), folder.path().join("tree"));
    let result =
        ops::to_tree(&open(&bundle), &octopus(), &root, ScriptMode::Extract, Replace::default(), &Silent);
    match result {
        Ok(_) => {
            let back = from_tree(&root, &octopus(), &folder.path().join("back.sealift"));
            assert_eq!(back.content_root, open(&bundle).info().content_root);
            Vec::new()
        }
        Err(ConvertError::Tree(TreeError::Unwritable { findings, .. })) => {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was written");
            findings.found.into_iter().map(|f| (f.file, f.place.unwrap_or_default())).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_would_not_survive_the_round_trip_is_refused_by_name() {
    let x = r#"Environment ["x"]"#;
    let ghost = Key::name("a");
    for (document, name, place) in [
        (environment(r#"[{"Ghost":["a"]},"x"]"#), r#"Environment [{"Ghost":["a"]},"x"]"#, "key"),
        (
            environment(r#"[{"Space":[{"Ghost":["a"]}]},"x"]"#),
            r#"Environment [{"Space":[{"Ghost":["a"]}]},"x"]"#,
            "key",
        ),
        (with(reference("Ghost", ghost.clone())), x, "Extra"),
        (with(reference("Space", Key::new(vec![reference("Ghost", ghost)]).unwrap())), x, "Extra"),
        (with(dangling(Value::List(vec![Value::Int(1)]))), x, "Extra"),
        (with(dangling(Value::Map(Map::new()))), x, "Extra"),
        (with(dangling(reference("Space", Key::name("a")))), x, "Extra"),
        (Document { kind: KindName::new("Ghost"), ..environment(r#"["x"]"#) }, r#"Ghost ["x"]"#, "kind"),
        (Document { columns: Map::new(), ..environment(r#"["x"]"#) }, x, "columns"),
    ] {
        let fine = environment(r#"["fine"]"#);
        assert_eq!(refusals(&[document, fine]), [(name.to_owned(), place.to_owned())]);
    }
}

/// The product takes them for one, so its reader refuses the second.
#[test]
fn keys_that_differ_in_case_only_are_refused_together() {
    let (one, other) = (environment(r#"["Web"]"#), environment(r#"["web"]"#));
    assert_eq!(refusals(&[one, other]), [(r#"Environment ["web"]"#.to_owned(), "key".to_owned())]);
}

#[test]
fn names_that_some_system_keeps_for_itself_survive() {
    let names = [
        "CON",
        "nul.txt",
        "COM1",
        "LPT\u{b2}",
        "aux.",
        "..",
        " ",
        "a\u{0}b",
        "\u{feff}",
        "x.json",
        "sealift",
    ];
    let mut documents: Vec<Document> =
        names.iter().map(|name| environment(&Key::name(name).to_text())).collect();
    documents.push(environment(&Key::name(&"long ".repeat(500)).to_text()));
    documents.push(with(dangling(Value::Bytes(vec![0, 255]))));
    // So many folders in each other as no reader follows.
    let mut key = Key::name("a");
    for _ in 0..50 {
        key = Key::new(vec![reference("Space", key), Value::from("a")]).unwrap();
    }
    documents.push(environment(&key.to_text()));
    assert_eq!(refusals(&documents), []);
}
