//! The worked examples of `format-spec`: each is computed anew, with the library where it has a door to it, so that
//! the text cannot drift from the code.
//!
//! After a change: `cargo test --test spec -- --ignored write_the_examples`, and look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(dead_code)]
#[path = "vectors/pack.rs"]
mod pack;
#[allow(dead_code)]
#[path = "vectors/sealing.rs"]
mod sealing;
#[path = "spec/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sealift::bundle::{Header, Limits, Reason, UncheckedBundle, Writer, WriterOptions};
use sealift::crypto::{self, KdfLimits, KdfParams, Password, SecretBytes, Slot};
use sealift::document::{
    ContentId, Dangling, Document, Key, KindName, Map, Reference, SecretId, Value, canonical,
};
use sealift::progress::Silent;

type Lines = Vec<(String, String)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn count<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|at| from + at as u8)
}

fn line(label: &str, value: impl ToString) -> (String, String) {
    (label.to_owned(), value.to_string())
}

fn map(members: Vec<(&str, Value)>) -> Map {
    Map::from_pairs(members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()).unwrap()
}

fn reference(kind: &str, key: Key) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key }))
}

fn secret() -> Value {
    Value::Secret(SecretId::UNKNOWN)
}

fn document() -> Document {
    let mut body = map(vec![("Name", "Web shop".into()), ("Retries", Value::Int(3))]);
    body.insert("Lifecycle", reference("Lifecycle", Key::name("Default")));
    body.insert("ApiKey", secret());
    Document {
        kind: KindName::new("Project"),
        key: Key::new(vec![reference("Space", Key::name("Default")), "Web shop".into()]).unwrap(),
        columns: map(vec![("IsDisabled", Value::Bool(false))]),
        body: Some(Value::Map(body)),
    }
}

fn values() -> Lines {
    let dangling = Dangling { kind: KindName::new("Feed"), id: "feeds-1".into() };
    let values = [
        ("null", Value::Null),
        ("17", Value::Int(17)),
        ("200", Value::Int(200)),
        ("-1", Value::Int(-1)),
        ("-200", Value::Int(-200)),
        ("number 1.25", Value::Number("1.25".into())),
        ("number 9223372036854775808", Value::Number("9223372036854775808".into())),
        ("text \"é\"", "é".into()),
        ("bytes 00 ff", Value::Bytes(vec![0, 0xff])),
        ("list [1, null]", Value::List(vec![Value::Int(1), Value::Null])),
        ("object {\"B\": 1, \"a\": 2}", Value::Map(map(vec![("B", Value::Int(1)), ("a", Value::Int(2))]))),
        ("reference Project [\"Web\"]", reference("Project", Key::name("Web"))),
        ("dangling Feed \"feeds-1\"", Value::Dangling(Box::new(dangling))),
        ("secret place", secret()),
    ];
    values.iter().map(|(label, value)| line(label, hex(&canonical::encode_value(value).unwrap()))).collect()
}

fn places() -> Lines {
    let list = vec![Value::Map(map(vec![("Value", secret())])), secret()];
    let document = Document {
        columns: map(vec![("Password", secret())]),
        body: Some(Value::Map(map(vec![
            ("Items", Value::List(list)),
            ("Octopus.Key", secret()),
            ("it's", Value::Map(map(vec![("a\\b\n", secret())]))),
        ]))),
        ..document()
    };
    let json = r#"{"Items": [{"Value": S}, S], "Octopus.Key": S, "it's": {"a\\b\n": S}}"#;
    let mut lines = vec![line("columns", r#"{"Password": S}"#), line("body", json)];
    lines.extend(document.secret_places().iter().enumerate().map(|(n, place)| line(&n.to_string(), place)));
    lines
}

fn key_text() -> Lines {
    let parts = vec![
        reference("Project", Key::name("Web shop")),
        "a \"b\"\n".into(),
        Value::Int(-7),
        Value::Null,
        Value::Number("1.50".into()),
    ];
    let text = Key::new(parts).unwrap().to_text();
    Key::parse(&text).unwrap();
    vec![line("text", text)]
}

fn document_lines() -> Lines {
    let document = document();
    let bytes = canonical::encode(&document).unwrap();
    vec![
        line("kind", &document.kind),
        line("key text", document.key.to_text()),
        line("columns", r#"{"IsDisabled": false}"#),
        line(
            "body",
            r#"{"ApiKey": secret place, "Lifecycle": reference Lifecycle ["Default"], "Name": "Web shop", "Retries": 3}"#,
        ),
        line("canonical", hex(&bytes)),
        line("content id", ContentId::of(&bytes)),
    ]
}

/// The root is the writer's own; what is hashed is put together here.
fn content_root() -> Lines {
    let bare = |name: &str| Document {
        kind: KindName::new("Environment"),
        key: Key::name(name),
        columns: Map::new(),
        body: None,
    };
    let documents = [bare("Production"), bare("Test")];
    let scratch = tempfile::tempdir().unwrap();
    let write = |name: &str, documents: &[Document]| {
        let header = Header::new("octopus".to_owned(), [7; 32], None);
        let path = scratch.path().join(name);
        let mut writer = Writer::create(&path, header, WriterOptions::default()).unwrap();
        for document in documents {
            let folded = document.key.to_text();
            writer.add(document, &folded, &Value::Null, &Reason::All, &[]).unwrap();
        }
        writer.finish(&Silent).unwrap().content_root
    };
    let id = ContentId::of(&[0x91, 0x80]);
    let mut hashed = Vec::new();
    for document in &documents {
        for part in [document.kind.as_str().as_bytes(), document.key.to_text().as_bytes(), &id.0] {
            hashed.extend((part.len() as u64).to_le_bytes());
            hashed.extend(part);
        }
    }
    let root = write("two", &documents);
    assert_eq!(root.0, blake3::derive_key("sealift 2026-11 bundle v1 content root", &hashed));
    vec![
        line(
            "documents",
            r#"Environment ["Production"], Environment ["Test"], both with the canonical bytes 9180"#,
        ),
        line("content id of both", id),
        line("hashed", hex(&hashed)),
        line("content root", root),
        line("content root of no documents", write("none", &[])),
    ]
}

const PASSWORD: &str = "Pass wörd 1 ";
const KDF: KdfParams = KdfParams { memory_kib: 8192, passes: 2, lanes: 3 };
const PLACE: [&[u8]; 4] = [b"bundle 1", b"Project", b"[\"Web shop\"]", b"$.ApiKey"];

/// Data key 00…1f, scope 30…3f, put together by hand and opened by the library.
struct Example {
    by_hand: sealing::Envelope,
    wrapping: sealing::Wrapping,
    wrapped: Vec<u8>,
    opened: crypto::DataKey,
}

fn example() -> Example {
    let by_hand = sealing::Envelope::with_key(count(0), count(0x30));
    let cost = [KDF.memory_kib, KDF.passes, KDF.lanes];
    let wrapping = sealing::Wrapping::new(PASSWORD, cost, &count(0x40), &by_hand.scope);
    let wrapped = wrapping.wrap(&count(0x60), &by_hand.data_key);
    let slot = Slot {
        kdf: KDF,
        salt: count(0x40),
        nonce: count(0x60),
        wrapped: wrapped.clone().try_into().unwrap(),
    };
    let commitment = by_hand.commitment.clone().try_into().unwrap();
    let envelope = crypto::Envelope { scope: by_hand.scope, slots: vec![slot], commitment };
    let password = Password::new(PASSWORD.to_owned()).unwrap();
    let opened = envelope.open(&password, &KdfLimits::default()).unwrap();
    Example { by_hand, wrapping, wrapped, opened }
}

fn slot() -> Lines {
    let example = example();
    vec![
        line("password", format!("{PASSWORD:?}, in UTF-8 {}", hex(PASSWORD.as_bytes()))),
        line("memory_kib, passes, lanes", "8192, 2, 3"),
        line("salt", hex(&count::<32>(0x40))),
        line("scope", hex(&example.by_hand.scope)),
        line("data key", hex(&example.by_hand.data_key)),
        line("Argon2id output", hex(&example.wrapping.output)),
        line("key-encryption key", hex(&example.wrapping.key)),
        line("nonce", hex(&count::<24>(0x60))),
        line("associated data", hex(&example.wrapping.associated)),
        line("wrapped", hex(&example.wrapped)),
        line("commitment", hex(&example.by_hand.commitment)),
    ]
}

fn value() -> Lines {
    let example = example();
    let sealed = example.by_hand.seal_with(&PLACE, &count(0x60), b"s3cret");
    assert_eq!(example.opened.open(&sealed, &PLACE).unwrap().expose(), b"s3cret");
    vec![
        line("data key, scope", "as in the slot above"),
        line("kind, key text, place", r#"Project, ["Web shop"], $.ApiKey"#),
        line("value", "s3cret"),
        line("value key", hex(&example.by_hand.value_key())),
        line("nonce", hex(&count::<24>(0x60))),
        line("associated data", hex(&example.by_hand.associated(&PLACE))),
        line("sealed", hex(&sealed)),
    ]
}

fn fingerprint() -> Lines {
    let example = example();
    let key = blake3::derive_key("sealift 2026-11 bundle v1 secret comparison", &example.by_hand.data_key);
    let secret = SecretBytes::from("s3cret".to_owned());
    vec![
        line("data key", "as in the slot above"),
        line("comparison key", hex(&key)),
        line("parts \"example\", \"s3cret\"", hex(&example.opened.fingerprint(&[b"example"], &secret))),
    ]
}

fn usual() -> Vec<u8> {
    std::fs::read(folder().join("vectors/ok-usual.sealift")).unwrap()
}

fn header() -> Lines {
    let bytes = usual();
    let part = |from: usize, to: usize| hex(&bytes[from..to]);
    vec![
        line("0 to 15", part(0, 16)),
        line("16 to 23", part(16, 24)),
        line("24 to 39", part(24, 40)),
        line("40 to 59", part(40, 60)),
        line("60 to 71", part(60, 72)),
        line("72 to 95", part(72, 96)),
    ]
}

/// The file's root, as the library finds it when it opens the file.
fn root() -> Lines {
    let path = folder().join("vectors/ok-usual.sealift");
    let bundle = UncheckedBundle::open(&path, &Limits::default()).unwrap().check(&Silent).unwrap();
    let info = bundle.info();
    assert_eq!(info.file_root.0, usual()[8160..8192]);
    vec![
        line("length", usual().len()),
        line("file root", info.file_root),
        line("content root", info.content_root),
    ]
}

fn varints() -> Lines {
    [0, 1, 127, 128, 300, 1 << 32, u64::MAX].map(|n| line(&n.to_string(), hex(&pack::varint(n)))).to_vec()
}

fn row(sql: &str) -> (u64, Vec<u8>, Vec<u8>) {
    let path = folder().join("vectors/ok-usual.sealift");
    let uri = format!("file:{}?immutable=1", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(uri, flags).unwrap();
    db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

fn pack_lines() -> Lines {
    let (raw_bytes, hash, data) = row("SELECT raw_bytes, hash, data FROM packs WHERE pack = 1");
    let raw = zstd::bulk::decompress(&data, 1 << 20).unwrap();
    vec![
        line("pack", 1),
        line("hash", hex(&hash)),
        line("raw_bytes", raw_bytes),
        line("content", hex(&raw)),
        line("that is: 2 documents", hex(&raw[..1])),
        line("numbers 1, 2", hex(&raw[1..3])),
        line("lengths 18, 12", hex(&raw[3..5])),
        line("{\"Name\": \"Production\"}, no body", hex(&raw[5..23])),
        line("{\"Name\": \"Test\"}, no body", hex(&raw[23..])),
    ]
}

fn chunk_lines() -> Lines {
    let (raw_bytes, hash, data) = row("SELECT raw_bytes, hash, data FROM chunks WHERE chunk = 1");
    let raw = zstd::bulk::decompress(&data, 1 << 20).unwrap();
    let ids = 25 + "Environments-10Environments-417".len();
    let part = |from: usize, to: usize| hex(&raw[from..to]);
    let mut lines = vec![line("chunk", 1), line("hash", hex(&hash)), line("raw_bytes", raw_bytes)];
    lines.extend([
        line("packs 1, 1, 2, 3, 3", part(0, 5)),
        line("slots 0, 1, 0, 0, 1", part(5, 10)),
        line("secret places 0, 0, 0, 3, 3", part(10, 15)),
        line("tags: text, text, integer, none, none", part(15, 20)),
        line("lengths 15, 14, 2, 0, 0", part(20, 25)),
        line("Environments-10, Environments-4, 17", part(25, ids)),
        line("3 reasons", part(ids, ids + 1)),
        line("1 byte: everything", part(ids + 1, ids + 3)),
        line("1 byte: named", part(ids + 3, ids + 5)),
        line("needed by Project [\"Web shop\"] at $.Sets[0]", part(ids + 5, raw.len() - 5)),
        line("which reason 0, 0, 1, 2, 2", part(raw.len() - 5, raw.len())),
    ]);
    lines
}

fn parts() -> Lines {
    vec![line("parts \"ab\", \"\"", hex(&sealing::parts(&[b"ab", b""])))]
}

fn examples() -> BTreeMap<&'static str, Lines> {
    BTreeMap::from([
        ("values", values()),
        ("places", places()),
        ("key-text", key_text()),
        ("document", document_lines()),
        ("content-root", content_root()),
        ("parts", parts()),
        ("slot", slot()),
        ("value", value()),
        ("fingerprint", fingerprint()),
        ("header", header()),
        ("file-root", root()),
        ("varint", varints()),
        ("pack", pack_lines()),
        ("chunk", chunk_lines()),
        ("tree-names", tree::names()),
    ])
}

fn block(lines: &Lines) -> String {
    lines.iter().map(|(label, value)| format!("{label} = {value}\n")).collect()
}

/// The text with every example as it should be, and the names of the examples in it.
fn rewritten(text: &str, examples: &BTreeMap<&str, Lines>) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("```example ") {
        let (name, after) = after.split_once('\n').unwrap();
        let (_, after) = after.split_once("```").unwrap();
        let lines = examples.get(name).unwrap_or_else(|| panic!("no test computes the example {name}"));
        out.push_str(&format!("{before}```example {name}\n{}```", block(lines)));
        names.push(name.to_owned());
        rest = after;
    }
    out.push_str(rest);
    (out, names)
}

fn texts() -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

#[test]
fn every_worked_example_is_what_the_code_gives() {
    let examples = examples();
    let mut used = Vec::new();
    for path in texts() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (right, names) = rewritten(&text, &examples);
        used.extend(names);
        let wrong = text.lines().zip(right.lines()).find(|(is, should)| is != should);
        assert!(text == right, "{}: {wrong:?}", path.display());
    }
    used.sort();
    assert_eq!(used, examples.keys().copied().collect::<Vec<_>>(), "each example stands once");
}

#[test]
#[ignore = "writes into the source folder"]
fn write_the_examples() {
    let examples = examples();
    for path in texts() {
        let (right, _) = rewritten(&std::fs::read_to_string(&path).unwrap(), &examples);
        std::fs::write(path, right).unwrap();
    }
}

/// Contexts and numbers that both the text and the code hold.
#[test]
fn the_text_has_the_numbers_of_the_code() {
    let read = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let (envelope, bundle) = (read("envelope-v1.md"), read("bundle-v1.md"));
    let roots = [
        sealift::bundle::FILE_ROOT_CONTEXT,
        sealift::bundle::CONTENT_ROOT_CONTEXT,
        sealift::bundle::STORED_CONTEXT,
        canonical::CONTENT_ID_CONTEXT,
        tree::NAME_CONTEXT,
    ];
    for context in crypto::context::ALL.iter().chain(&roots) {
        assert!(envelope.contains(&format!("| `{context}` |")), "{context}");
    }
    let contexts = envelope.lines().filter(|line| line.starts_with("| `sealift 2026-11 ")).count();
    assert_eq!(contexts, crypto::context::ALL.len() + roots.len(), "a context that the code does not have");
    let grouped = |number: u64| {
        let digits = number.to_string();
        let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
        groups.iter().map(|g| std::str::from_utf8(g).unwrap()).collect::<Vec<_>>().join(",")
    };
    let (limits, kdf) = (Limits::FORMAT_1, KdfLimits::default());
    let default = KdfParams::default();
    for text in [
        format!("| memory of one slot | {} KiB", grouped(kdf.memory_kib.into())),
        format!("| passes of one slot | {} |", kdf.passes),
        format!("| lanes of one slot | {} |", kdf.lanes),
        format!("all slots tried for one password | {} KiB |", grouped(kdf.work_kib)),
        format!("| password | 1 to {} |", grouped(crypto::MAX_PASSWORD_BYTES as u64)),
        format!(
            "| `memory_kib` | 32 bits without sign | {} at least",
            grouped(KdfParams::MINIMUM.memory_kib.into())
        ),
        format!(
            "{} KiB, {} passes and {} lanes",
            grouped(default.memory_kib.into()),
            default.passes,
            default.lanes
        ),
    ] {
        assert!(envelope.contains(&text), "{text}");
    }
    for text in [
        format!("| file | {} GiB |", limits.file_bytes >> 30),
        format!("{}; {}; 1,024 |", grouped(limits.documents), grouped(limits.pack_documents)),
        format!("| one document, canonical | {} MiB |", limits.document_bytes >> 20),
        format!("| key text | {} KiB |", limits.key_bytes >> 10),
        format!("| secret places of a document | {} |", grouped(limits.document_secrets)),
        format!(
            "{} MiB; {0} MiB + {}; {} MiB |",
            limits.secret_bytes >> 20,
            crypto::SEALED_OVERHEAD_BYTES,
            limits.document_sealed_bytes >> 20
        ),
        format!("| kinds; bytes of a kind's name | {}; 256 |", grouped(limits.kinds)),
        format!("together | {}; {} MiB |", grouped(limits.notices), limits.notice_bytes >> 20),
        format!("| slots | {} |", crypto::MAX_SLOTS),
        format!("| nesting of a document | {} |", sealift::document::MAX_DEPTH),
    ] {
        assert!(bundle.contains(&text), "{text}");
    }
}
