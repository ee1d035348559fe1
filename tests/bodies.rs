//! A document's JSON as text, compressed, or either: one content whatever the spelling, and no silent choice
//! where a row is damaged or says two things.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use sealift::demo;
use sealift::model::{Model, OCTOPUS_SPACES_SQL};
use sealift::plan::Action;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

const TEXT: &str = "[JSON] nvarchar(-1) NOT NULL COLLATE NOCASE";
const BLOB: &str = "[JSONBlob] varbinary(-1) NOT NULL";
const EITHER: &str = "[JSON] nvarchar(-1) COLLATE NOCASE,\n  [JSONBlob] varbinary(-1)";
const EITHER_TEXT_NEEDED: &str = "[JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,\n  [JSONBlob] varbinary(-1)";
const EITHER_BLOB_NEEDED: &str = "[JSON] nvarchar(-1) NOT NULL,\n  [JSONBlob] varbinary(-1) NOT NULL";

/// Gzip of UTF-16LE, as the product writes it.
fn packed(text: &str) -> Vec<u8> {
    packed_bytes(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

fn packed_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn unpacked(blob: &[u8]) -> String {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(blob).read_to_end(&mut bytes).unwrap();
    let units: Vec<u16> = bytes.chunks(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    String::from_utf16(&units).unwrap()
}

/// The product's tables, with bodies kept so.
fn octopus_tables(path: &Path, body: &str) -> SqliteServer {
    let sql = OCTOPUS_SPACES_SQL.replace(TEXT, body);
    assert!(body == TEXT || !sql.contains(TEXT) || body.contains(TEXT));
    SqliteServer::create(path, Schema::Ddl(&sql)).unwrap()
}

/// Copies every row of a server of texts into one of blobs.
fn compress(texts: &Path, blobs: &Path) {
    let (from, to) = (Connection::open(texts).unwrap(), Connection::open(blobs).unwrap());
    let mut tables = from.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    to.execute_batch("BEGIN").unwrap();
    for table in tables {
        let mut all = from.prepare(&format!("SELECT * FROM [{table}]")).unwrap();
        let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
        let named: Vec<&str> = columns.iter().map(|n| if n == "JSON" { "JSONBlob" } else { n }).collect();
        let places = vec!["?"; named.len()].join(",");
        let insert = format!("INSERT INTO [{table}] ([{}]) VALUES ({places})", named.join("],["));
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = columns.iter().enumerate().map(|(at, column)| match row.get(at).unwrap() {
                Stored::Text(text) if column == "JSON" => Stored::Blob(packed(&text)),
                value => value,
            });
            to.execute(&insert, rusqlite::params_from_iter(values)).unwrap();
        }
    }
    to.execute_batch("COMMIT").unwrap();
}

/// How many rows of a table there are in all, with text, and with a blob.
fn kept(path: &Path, table: &str) -> (i64, i64, i64) {
    let db = Connection::open(path).unwrap();
    let has = |column: &str| {
        let sql = format!("SELECT count(*) FROM pragma_table_info('{table}') WHERE name = '{column}'");
        db.query_row(&sql, [], |r| r.get::<_, i64>(0)).unwrap() > 0
    };
    let count = |condition: String| {
        let sql = format!("SELECT count(*) FROM [{table}] WHERE {condition}");
        db.query_row(&sql, [], |r| r.get::<_, i64>(0)).unwrap()
    };
    let filled = |column: &str| if has(column) { count(format!("length([{column}]) > 0")) } else { 0 };
    (count("1".to_owned()), filled("JSON"), filled("JSONBlob"))
}

#[test]
fn what_goes_through_every_spelling_comes_back_as_it_left() {
    let folder = folder();
    let model = octopus();
    let (mut from, mut master) = (folder.path().join("0.sqlite"), key(1));
    demo::build(&mut octopus_tables(&from, TEXT), demo::Site::Build, &master, &demo::DemoOptions::default())
        .unwrap();
    let mut root = None;
    let stations = [BLOB, EITHER, EITHER_TEXT_NEEDED, EITHER_BLOB_NEEDED, BLOB, TEXT];
    for (number, body) in stations.into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.sealift"));
        let left = export(&from, &model, &file, &everything(Some(&master))).content_root;
        assert_eq!(*root.get_or_insert(left), left, "left for {body}");
        let to = folder.path().join(format!("{}.sqlite", number + 1));
        drop(octopus_tables(&to, body));
        master = key(number as u8 % 3 + 1);
        import(&file, &to, &model, Some(&master), overwrite());
        import_nothing(&file, &to, &model, Some(&master), overwrite());
        let (all, text, blob) = kept(&to, "VariableSet");
        let expected = if body == BLOB || body == EITHER_BLOB_NEEDED { (all, 0, all) } else { (all, all, 0) };
        assert_eq!((all, text, blob), expected, "{body}");
        assert!(all > 5);
        from = to;
    }
    let last = export(&from, &model, &folder.path().join("last.sealift"), &everything(Some(&master)));
    assert_eq!(root.unwrap(), last.content_root);
}

/// Over a server that has documents of the same names already, and their tags, in blobs.
#[test]
fn a_bundle_of_texts_updates_a_server_of_blobs() {
    let folder = folder();
    let model = octopus();
    let options = demo::DemoOptions::default();
    let (build, production) = (folder.path().join("build.sqlite"), folder.path().join("production.sqlite"));
    demo::build(&mut octopus_tables(&build, TEXT), demo::Site::Build, &key(1), &options).unwrap();
    demo::build(&mut octopus_tables(&production, TEXT), demo::Site::Production, &key(2), &options).unwrap();
    let file = folder.path().join("build.sealift");
    export(&build, &model, &file, &everything(Some(&key(1))));
    let texts = plan(&file, &production, &model, Some(&key(2)), overwrite());

    // The same rows, each with its JSON compressed.
    let blobs = folder.path().join("blobs.sqlite");
    drop(octopus_tables(&blobs, BLOB));
    compress(&production, &blobs);
    let packed_plan = plan(&file, &blobs, &model, Some(&key(2)), overwrite());
    let told = |plan: &sealift::plan::Plan| {
        let entries = plan.entries.iter();
        entries.map(|e| format!("{} {} {:?} {:?}", e.kind, e.key, e.action, e.changes)).collect::<Vec<_>>()
    };
    assert_eq!(told(&texts), told(&packed_plan));
    assert!(texts.entries.iter().any(|e| e.action == Action::Update));
    import(&file, &production, &model, Some(&key(2)), overwrite());
    import(&file, &blobs, &model, Some(&key(2)), overwrite());
    import_nothing(&file, &blobs, &model, Some(&key(2)), overwrite());
    let roots = [&production, &blobs].map(|server| {
        export(server, &model, &server.with_extension("after"), &everything(Some(&key(2)))).content_root
    });
    assert_eq!(roots[0], roots[1]);
}

// --- rows one by one ----------------------------------------------------------------------------------------

const TABLES: &str = "
CREATE TABLE [Versions] ([Id] int NOT NULL PRIMARY KEY, [Version] nvarchar(50) NOT NULL);
CREATE TABLE [Counters] ([Name] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Last] int NOT NULL);
CREATE TABLE [Env] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, @@);
CREATE TABLE [Project] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [Edits] int NOT NULL, @@);
CREATE TABLE [TagSet] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, @@);
INSERT INTO Versions VALUES (1, '1.0');
";

fn shop() -> Model {
    let text = include_str!("fixtures/shop.toml").replacen("cipher =", "blob = \"JSONBlob\"\ncipher =", 1);
    Model::parse(&text, "shop.toml").unwrap()
}

fn shop_server(folder: &Path, name: &str, body: &str) -> PathBuf {
    let path = folder.join(name);
    drop(SqliteServer::create(&path, Schema::Ddl(&TABLES.replace("@@", body))).unwrap());
    path
}

/// Adds a row; a table without one of the columns is given `None` for it.
fn add(path: &Path, table: &str, id: &str, name: &str, text: Option<&str>, blob: Option<&[u8]>) {
    let db = Connection::open(path).unwrap();
    let mut columns = vec!["Id", "Name"];
    let mut values: Vec<&dyn rusqlite::ToSql> = vec![&id, &name];
    if table == "Project" {
        columns.push("Edits");
        values.push(&0);
    }
    if text.is_some() {
        columns.push("JSON");
        values.push(&text);
    }
    if blob.is_some() {
        columns.push("JSONBlob");
        values.push(&blob);
    }
    let places = vec!["?"; values.len()].join(",");
    let sql = format!("INSERT INTO [{table}] ([{}]) VALUES ({places})", columns.join("],["));
    db.execute(&sql, &values[..]).unwrap();
}

/// A row's text column, and its blob as text; an empty blob is the empty text.
fn row(path: &Path, table: &str, name: &str) -> (Option<String>, Option<String>) {
    let sql = format!("SELECT JSON, JSONBlob FROM [{table}] WHERE Name = ?1");
    let db = Connection::open(path).unwrap();
    let (text, blob): (Option<String>, Option<Vec<u8>>) =
        db.query_row(&sql, [name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    (text, blob.map(|blob| if blob.is_empty() { String::new() } else { unpacked(&blob) }))
}

fn carry(folder: &Path, source: &Path) -> PathBuf {
    let file = folder.join("carried.sealift");
    export(source, &shop(), &file, &everything(Some(&key(1))));
    file
}

#[test]
fn a_row_stays_as_it_was_kept_and_a_new_one_is_as_the_first() {
    for (needed, first, expected_new) in [
        (EITHER, None, (Some("{\"N\":2}"), None)),
        (EITHER, Some("text"), (Some("{\"N\":2}"), None)),
        (EITHER, Some("blob"), (None, Some("{\"N\":2}"))),
        (EITHER, Some("both"), (Some("{\"N\":2}"), Some("{\"N\":2}"))),
        (EITHER_TEXT_NEEDED, Some("blob"), (Some(""), Some("{\"N\":2}"))),
        (EITHER_BLOB_NEEDED, None, (Some(""), Some("{\"N\":2}"))),
        (EITHER_BLOB_NEEDED, Some("text"), (Some("{\"N\":2}"), Some(""))),
    ] {
        let folder = folder();
        let source = shop_server(folder.path(), "source.sqlite", TEXT);
        let target = shop_server(folder.path(), "target.sqlite", needed);
        for (number, name) in ["Text", "Blob", "Both", "New"].into_iter().enumerate() {
            add(&source, "Env", &format!("Envs-{number}"), name, Some(r#"{"N":2}"#), None);
        }
        let (old, none) =
            (packed(r#"{"N":1}"#), if needed == EITHER_BLOB_NEEDED { Some(&b""[..]) } else { None });
        let blank = if needed == EITHER { None } else { Some("") };
        let mut names = vec![];
        if let Some(first) = first {
            names = vec!["text", "blob", "both"];
            names.sort_by_key(|name| *name != first);
        }
        for (number, name) in names.iter().enumerate() {
            let id = format!("Envs-7{number}");
            match *name {
                "text" => add(&target, "Env", &id, "Text", Some(r#"{"N":1}"#), none),
                "blob" => add(&target, "Env", &id, "Blob", blank, Some(&old)),
                // Alike as JSON, whatever the blanks.
                _ => add(&target, "Env", &id, "Both", Some(r#"{ "N": 1 }"#), Some(&old)),
            }
        }
        let file = carry(folder.path(), &source);
        import(&file, &target, &shop(), Some(&key(2)), overwrite());
        import_nothing(&file, &target, &shop(), Some(&key(2)), overwrite());
        let new = r#"{"N":2}"#.to_owned();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        if first.is_some() {
            assert_eq!(row(&target, "Env", "Text"), (Some(new.clone()), none.map(|_| String::new())));
            assert_eq!(row(&target, "Env", "Blob"), (owned(blank), Some(new.clone())));
            assert_eq!(row(&target, "Env", "Both"), (Some(new.clone()), Some(new)));
        }
        let expected = (owned(expected_new.0), owned(expected_new.1));
        assert_eq!(row(&target, "Env", "New"), expected, "{needed} {first:?}");
    }
}

#[test]
fn parts_are_found_in_blobs_on_both_sides() {
    let folder = folder();
    let source = shop_server(folder.path(), "source.sqlite", BLOB);
    let target = shop_server(folder.path(), "target.sqlite", EITHER);
    let tags =
        r#"{"Tags":[{"Id":"TagSets-1/Tags-5","Name":"Alpha"},{"Id":"TagSets-1/Tags-6","Name":"Beta"}]}"#;
    add(&source, "TagSet", "TagSets-1", "Ring", None, Some(&packed(tags)));
    let body = r#"{"Tags":["TagSets-1/Tags-6","TagSets-1/Tags-5"]}"#;
    add(&source, "Project", "Projects-1", "Web", None, Some(&packed(body)));
    let theirs = r#"{"Tags":[{"Id":"TagSets-30/Tags-99","Name":"Alpha"}]}"#;
    add(&target, "TagSet", "TagSets-30", "Ring", None, Some(&packed(theirs)));
    let file = carry(folder.path(), &source);
    import(&file, &target, &shop(), Some(&key(2)), overwrite());
    import_nothing(&file, &target, &shop(), Some(&key(2)), overwrite());
    let tags =
        r#"{"Tags":[{"Id":"TagSets-30/Tags-99","Name":"Alpha"},{"Id":"TagSets-30/Tags-100","Name":"Beta"}]}"#;
    assert_eq!(row(&target, "TagSet", "Ring"), (None, Some(tags.to_owned())));
    let body = r#"{"Tags":["TagSets-30/Tags-100","TagSets-30/Tags-99"]}"#;
    assert_eq!(row(&target, "Project", "Web"), (Some(body.to_owned()), None));

    // Projects alone: the tags are looked up in the target's blob.
    add(&source, "Project", "Projects-2", "Api", None, Some(&packed(r#"{"Tags":["TagSets-1/Tags-5"]}"#)));
    let file = folder.path().join("projects.sealift");
    let only = sealift::ops::ExportOptions { exclude: vec!["TagSet".to_owned()], ..everything(None) };
    export(&source, &shop(), &file, &only);
    import(&file, &target, &shop(), Some(&key(2)), overwrite());
    assert_eq!(row(&target, "Project", "Api").0.unwrap(), r#"{"Tags":["TagSets-30/Tags-99"]}"#);
}

/// An error and all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn refusal(server: &Path) -> String {
    let out = server.with_extension("sealift");
    let error = try_export(server, &shop(), &out, &everything(Some(&key(1))), sealed()).unwrap_err();
    assert!(!out.exists());
    chain(&error)
}

#[test]
fn a_damaged_body_is_an_error_that_names_the_row() {
    let good = packed(r#"{"N":1}"#);
    let cases = [
        (None, Some(vec![]), "refused: it has no bytes"),
        (None, Some(b"{\0}\0".to_vec()), "refused: it is not gzip"),
        (None, Some(good[..good.len() - 3].to_vec()), "refused: its gzip is damaged or cut short"),
        (None, Some([&good[..], b"junk"].concat()), "refused: 4 bytes that are not gzip follow"),
        (None, Some(packed_bytes(b"{\0}")), "refused: its text has an odd number of bytes"),
        (None, Some(packed_bytes(&[0x7b, 0, 0x3d, 0xd8])), "half of a surrogate pair stands at unit 1"),
        (None, Some(packed("{")), "does not parse: not valid JSON"),
        (Some(""), None, "does not parse: not valid JSON near line 1, column 1"),
        (Some("{"), Some(good.clone()), "does not parse: not valid JSON"),
        (Some("{\"N\":1}"), Some(packed("{\"N\":2}")), "has JSON and compressed JSON, and they differ"),
    ];
    for (text, blob, reason) in cases {
        let folder = folder();
        let server = shop_server(folder.path(), "server.sqlite", EITHER);
        add(&server, "Env", "Envs-1", "Good", None, Some(&good));
        add(&server, "Env", "Envs-2", "Bad", text, blob.as_deref());
        let error = refusal(&server);
        assert!(error.contains("Env Envs-2") && error.contains(reason), "{error}");

        // As a target: nothing is written over what nobody can read.
        let source = shop_server(folder.path(), "source.sqlite", TEXT);
        add(&source, "Env", "Envs-9", "Bad", Some("{}"), None);
        let file = carry(folder.path(), &source);
        let findings = refused(&file, &server, &shop(), overwrite());
        assert!(findings.iter().any(|f| f.name == "Envs-2" && f.problem.contains(reason)), "{findings:?}");
    }
    let folder = folder();
    let server = shop_server(folder.path(), "server.sqlite", EITHER);
    let db = Connection::open(&server).unwrap();
    db.execute("INSERT INTO Env VALUES ('Envs-1', 'A', '{}', 'text')", []).unwrap();
    let expected = "one row of the server cannot be carried:\n  the JSON column of Env Envs-1 holds text";
    assert_eq!(refusal(&server), expected);
}

#[test]
fn a_table_with_neither_column_is_named() {
    let folder = folder();
    let server = shop_server(folder.path(), "server.sqlite", "[Other] nvarchar(-1)");
    assert_eq!(refusal(&server), r#"table "Env" has no column "JSON", which the model needs for Env"#);
}

#[test]
fn a_row_without_any_body_stays_one() {
    let folder = folder();
    let source = shop_server(folder.path(), "source.sqlite", EITHER);
    let target = shop_server(folder.path(), "target.sqlite", EITHER);
    add(&source, "Env", "Envs-1", "None", None, None);
    add(&target, "Env", "Envs-1", "None", None, Some(&packed("{}")));
    let file = carry(folder.path(), &source);
    import(&file, &target, &shop(), Some(&key(2)), overwrite());
    import_nothing(&file, &target, &shop(), Some(&key(2)), overwrite());
    assert_eq!(row(&target, "Env", "None"), (None, None));
}

/// With the memory of the whole process bounded from outside.
#[cfg(target_os = "linux")]
#[test]
fn a_bomb_is_refused_in_little_memory() {
    let folder = folder();
    let server = shop_server(folder.path(), "server.sqlite", BLOB);
    // One MB that holds 1 GiB.
    let bomb = packed_bytes(&vec![b' '; 16 << 20]).repeat(64);
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    add(&server, "TagSet", "TagSets-1", "Bomb", None, Some(&bomb));
    let model = folder.path().join("shop.toml");
    let text = include_str!("fixtures/shop.toml").replacen("cipher =", "blob = \"JSONBlob\"\ncipher =", 1);
    std::fs::write(&model, text).unwrap();
    let export = format!(
        "ulimit -v 1000000; exec '{}' export 'sqlite:{}' -o '{}' --model '{}' --no-secrets",
        env!("CARGO_BIN_EXE_sealift"),
        server.display(),
        folder.path().join("out.sealift").display(),
        model.display()
    );
    let started = std::time::Instant::now();
    let out = std::process::Command::new("sh").args(["-c", &export]).output().unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{error}");
    assert!(error.contains("TagSet TagSets-1") && error.contains("taken on for its size"), "{error}");
    assert!(started.elapsed().as_secs() < 60);
}
