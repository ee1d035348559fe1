//! Rows that cannot be read, of a source and of a target, and documents damaged at random: everything is told at
//! once, by name, and nothing is written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/generator.rs"]
mod generator;
mod support;

use std::path::Path;

use rusqlite::Connection;
use sealift::bundle::WriterOptions;
use sealift::crypto::MasterKey;
use sealift::model::Model;
use sealift::ops::{ExportError, ExportOptions, ImportError, Outcome, Root};
use sealift::plan::Action;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Tables without unique names, so that names can clash.
const LOOSE: &str = "
CREATE TABLE [Box] ([Id] nvarchar(50) NOT NULL PRIMARY KEY, [Name] nvarchar(200) COLLATE NOCASE, [Colour] nvarchar(50), [InsideId] nvarchar(50), [JSON] nvarchar(-1));
CREATE TABLE [TagSet] ([Id] nvarchar(50) NOT NULL PRIMARY KEY, [Name] nvarchar(200), [JSON] nvarchar(-1));
";

const LOOSE_MODEL: &str = r##"
format = 1
name = "loose"
title = "Loose"
cipher = "octopus"
[[kind]]
name = "Box"
table = "Box"
id = { column = "Id", new = "keep" }
key = ["Name"]
body = "JSON"
reference = [{ at = "InsideId", to = "Box" }, { at = "$.Tags[*]", to = "Tag" }]
secret = [{ at = "$.Key" }, { at = "$.Other" }]
value = [{ at = "$.Text", type = "text" }]
[[kind]]
name = "TagSet"
table = "TagSet"
id = { column = "Id", new = "keep" }
key = ["Name"]
body = "JSON"
part = [{ name = "Tag", at = "$.Tags[*]", id = "Id", key = ["Name"], new = "{owner}/Tags-{n}" }]
"##;

fn loose() -> Model {
    Model::parse(LOOSE_MODEL, "loose.toml").unwrap()
}

fn loose_server(path: &Path, sql: &str) {
    drop(SqliteServer::create(path, Schema::Ddl(LOOSE)).unwrap());
    run(path, sql);
}

#[test]
fn rows_of_the_source_that_cannot_be_read_are_told_together() {
    let folder = folder();
    let source = folder.path().join("source");
    let good = key(1).encrypt(&sealift::crypto::SecretBytes::from("good".to_owned())).unwrap();
    let bad = key(2).encrypt(&sealift::crypto::SecretBytes::from("bad".to_owned())).unwrap();
    loose_server(
        &source,
        &format!(
            r#"INSERT INTO Box VALUES
            ('Boxes-1', 'Broken', 'red', NULL, '{{"a":'),
            ('Boxes-2', 'Twice', 'red', NULL, '{{"a":1,"a":2}}'),
            ('Boxes-3', 'Bytes', 'red', NULL, x'00ff'),
            ('Boxes-4', x'00', 'red', NULL, '{{}}'),
            ('Boxes-5', 'Twin', 'red', 'Boxes-9', '{{}}'),
            ('Boxes-6', 'twin ', 'red', 'Boxes-4', '{{}}'),
            ('Boxes-7', 'Secrets', 'red', NULL, '{{"Key":"{bad}","Other":"no cipher"}}'),
            ('Boxes-8', 'Good', 'red', NULL, '{{"Key":"{good}","Tags":["TagSets-1/Tags-1"]}}'),
            (x'01', 'No id', 'red', NULL, '{{}}');
            INSERT INTO TagSet VALUES ('TagSets-1', 'Ring', 'oops')"#
        ),
    );
    let out = folder.path().join("a.sealift");
    for options in [everything(Some(&key(1))), exporting("Good", &key(1))] {
        let error = try_export(&source, &loose(), &out, &options, sealed()).unwrap_err();
        let ExportError::Malformed(faults) = &error else { panic!("{error}") };
        let text = error.to_string();
        assert!(text.contains("the JSON of TagSet TagSets-1 does not parse: not valid JSON"), "{text}");
        if options.roots.is_empty() {
            for expected in [
                "9 rows of the server cannot be carried:",
                "the JSON of Box Boxes-1 does not parse: not valid JSON near line 1",
                "the JSON of Box Boxes-2 does not parse: an object has two members of one name",
                "the JSON column of Box Boxes-3 holds bytes",
                "Name of Box Boxes-4 holds a value of the wrong type",
                "Box twin  is not one document but several",
                "the secret of Box Boxes-7 at $.Key is damaged: it does not decrypt, though others do",
                "the secret of Box Boxes-7 at $.Other is damaged: it is no encrypted text",
                "a row of Box has no id",
            ] {
                assert!(text.contains(expected), "{expected}\n{text}");
            }
            assert_eq!(faults.total(), 9, "{text}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a failed export left files");
    }
}

fn exporting<'k>(name: &str, key: &'k MasterKey) -> ExportOptions<'k> {
    let root = Root::Named { kind: "Box".to_owned(), name: name.to_owned() };
    ExportOptions { roots: vec![root], ..everything(Some(key)) }
}

#[test]
fn what_is_wrong_with_very_many_rows_is_counted() {
    let folder = folder();
    let source = folder.path().join("source");
    loose_server(
        &source,
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
         INSERT INTO Box SELECT 'Boxes-' || n, 'Name ' || n, 'red', NULL, '{' FROM n;
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
         INSERT INTO TagSet SELECT 'TagSets-' || n, 'One', '{}' FROM n;",
    );
    let out = folder.path().join("a.sealift");
    let error = try_export(&source, &loose(), &out, &everything(Some(&key(1))), sealed()).unwrap_err();
    let ExportError::Malformed(faults) = &error else { panic!("{error}") };
    // 300 of one name are one matter.
    assert_eq!((faults.first().len(), faults.total()), (100, 3001));
    assert!(error.to_string().ends_with("\n  and 2901 more"), "{error}");
    let twins = folder.path().join("twins");
    run(&source, "DELETE FROM Box");
    let error = try_export(&source, &loose(), &twins, &everything(Some(&key(1))), sealed()).unwrap_err();
    let expected = "one row of the server cannot be carried:\n  TagSet One is not one document but several";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn rows_of_the_target_that_cannot_be_read_are_findings_beside_all_others() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    loose_server(
        &source,
        r#"INSERT INTO Box VALUES ('Boxes-1', 'Broken', 'red', NULL, '{"Text":1}'), ('Boxes-2', 'Twin', 'red', 'Boxes-1', '{"x":1}'),
           ('Boxes-3', 'Wrong', 'red', 'Boxes-2', '{"Text":2}'), ('Boxes-4', 'Tagged', 'red', NULL, '{"Tags":["TagSets-1/Tags-1"]}');
           INSERT INTO TagSet VALUES ('TagSets-1', 'Ring', '{"Tags":[{"Id":"TagSets-1/Tags-1","Name":"Alpha"}]}')"#,
    );
    loose_server(
        &target,
        r#"INSERT INTO Box VALUES ('Boxes-71', 'Broken', 'red', NULL, '{'), ('Boxes-72', 'Twin', 'red', NULL, '{}'), ('Boxes-73', 'TWIN', 'red', NULL, '{}'),
           ('Boxes-74', 'Unconcerned', 'red', NULL, '{');
           INSERT INTO TagSet VALUES ('TagSets-9', 'Ring', '7 7')"#,
    );
    let bundle = folder.path().join("a.sealift");
    export(&source, &loose(), &bundle, &everything(Some(&key(1))));
    let findings = refused(&bundle, &target, &loose(), overwrite());
    let lines: Vec<String> =
        findings.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem)).collect();
    for expected in [
        "Box Boxes-71: in the target: the JSON of Box Boxes-71 does not parse: not valid JSON near line 1, column 2",
        "Box Twin: in the target: Box Twin is not one document but several",
        "TagSet TagSets-9: in the target: the JSON of TagSet TagSets-9 does not parse: not valid JSON near line 1, column 3",
        "Box Wrong: $.Text holds a number, and must be text",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
    // What the bundle does not touch is not looked at.
    assert!(!lines.iter().any(|line| line.contains("Boxes-74")), "{lines:#?}");
    let plan = plan(&bundle, &target, &loose(), Some(&key(2)), overwrite());
    let broken = plan.entries.iter().find(|e| e.key.leaf() == "Broken").unwrap();
    assert_eq!(broken.action, Action::Skip);
    assert!(broken.reason.as_ref().unwrap().contains("cannot be read"), "{broken:?}");
}

/// A place in JSON: member names and indices.
fn pointers(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(map) => {
            map.iter().map(|(name, v)| (name.replace('~', "~0").replace('/', "~1"), v)).collect()
        }
        serde_json::Value::Array(list) => list.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        _ => return,
    };
    for (name, child) in children {
        let place = format!("{at}/{name}");
        pointers(child, &place, found);
        found.push(place);
    }
}

/// Damages one random place of one random document of a server. Says what it did.
fn damage(server: &Path, rng: &mut generator::Rng) -> String {
    use serde_json::{Value as Json, json};
    let db = Connection::open(server).unwrap();
    let model = octopus();
    let has = |table: &str| db.table_exists(None, table).unwrap();
    let kinds: Vec<_> = model.kinds().iter().filter(|kind| kind.body.is_some() && has(&kind.table)).collect();
    loop {
        let table = &rng.pick(&kinds).table;
        let count: i64 = db.query_row(&format!("SELECT count(*) FROM [{table}]"), [], |r| r.get(0)).unwrap();
        if count == 0 {
            continue;
        }
        let row = rng.below(count as usize) as i64;
        let (id, text): (String, String) = db
            .query_row(&format!("SELECT Id, JSON FROM [{table}] ORDER BY Id LIMIT 1 OFFSET ?1"), [row], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .unwrap();
        if rng.chance(4) {
            let cut: String = text.chars().take(rng.below(text.chars().count())).collect();
            db.execute(&format!("UPDATE [{table}] SET JSON = ?1 WHERE Id = ?2"), [&cut, &id]).unwrap();
            return format!("{table} {id}: cut short");
        }
        if rng.chance(10) {
            // The table itself may not take it; then nothing is damaged, and another place is looked for.
            let columns: Vec<String> = db
                .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
                .unwrap()
                .query_map([], |r| r.get(0))
                .unwrap()
                .map(Result::unwrap)
                .filter(|name| name != "Id")
                .collect();
            let column = rng.pick(&columns);
            let value = *rng.pick(&["NULL", "''", "7", "1.5", "x'00ff'", "'Nothing-1'", "'|Nothing-1|'"]);
            let sql = format!("UPDATE [{table}] SET [{column}] = {value} WHERE Id = ?1");
            if db.execute(&sql, [&id]).is_ok() {
                return format!("{table} {id}: {column} = {value}");
            }
            continue;
        }
        // Two members of one name, as an earlier damage may have left none to parse.
        let Ok(mut body) = serde_json::from_str::<Json>(&text) else { continue };
        let mut places = vec![String::new()];
        pointers(&body, "", &mut places);
        let place = rng.pick(&places).clone();
        let (parent, name) = place.rsplit_once('/').unwrap_or(("", ""));
        let name = name.replace("~1", "/").replace("~0", "~");
        let what = match rng.below(5) {
            0 => match body.pointer_mut(parent) {
                Some(Json::Object(map)) if map.contains_key(&name) => {
                    drop(map.remove(&name));
                    "removed"
                }
                Some(Json::Array(list)) if name.parse().is_ok_and(|n: usize| n < list.len()) => {
                    drop(list.remove(name.parse().unwrap()));
                    "removed"
                }
                _ => continue,
            },
            1 => match body.pointer_mut(parent) {
                Some(Json::Array(list)) if name.parse().is_ok_and(|n: usize| n < list.len()) => {
                    let twin = list[name.parse::<usize>().unwrap()].clone();
                    list.push(twin);
                    "doubled"
                }
                _ => continue,
            },
            choice => {
                let at = body.pointer_mut(&place).unwrap();
                let (value, what) = match choice {
                    2 => (Json::Null, "null"),
                    3 => {
                        let types = [
                            json!(5),
                            json!(1.5),
                            json!(true),
                            json!("text"),
                            json!([]),
                            json!({}),
                            json!([null]),
                        ];
                        (rng.pick(&types).clone(), "of another type")
                    }
                    _ if at.is_string() => (
                        json!(rng.pick(&["Environments-99999", "Ünïcôdé 🦭", "#{X}", "", "|"])),
                        "other text",
                    ),
                    _ => continue,
                };
                *at = value;
                what
            }
        };
        db.execute(&format!("UPDATE [{table}] SET JSON = ?1 WHERE Id = ?2"), [&body.to_string(), &id])
            .unwrap();
        return format!("{table} {id}: {place} {what}");
    }
}

/// Whatever is wrong with the documents of a source or a target: findings or success, never a panic, and an
/// import that fails leaves the target as it was, byte by byte.
#[test]
fn damaged_documents_give_findings_or_arrive_and_nothing_between() {
    let folder = folder();
    let model = octopus();
    let (whole, other) = (folder.path().join("whole.sqlite"), folder.path().join("other.sqlite"));
    generator::generate(&mut empty_octopus(&whole), 77, 1, 0, &key(1));
    generator::generate(&mut empty_octopus(&other), 77, 1, 5000, &key(2));
    let good = folder.path().join("good.sealift");
    export(&whole, &model, &good, &everything(Some(&key(1))));
    let mut rng = generator::Rng::new(20_26);
    let (mut malformed, mut refused, mut applied, mut nothing, mut written) = (0, 0, 0, 0, 0);
    for round in 0..ROUNDS {
        let (source, target) = (folder.path().join("source.sqlite"), folder.path().join("target.sqlite"));
        std::fs::copy(&whole, &source).unwrap();
        std::fs::copy(&other, &target).unwrap();
        let mut done: Vec<String> = Vec::new();
        // By turns the source and the target.
        let hurt = if round % 3 == 2 { &target } else { &source };
        done.extend((0..=rng.below(3)).map(|_| damage(hurt, &mut rng)));
        let out = folder.path().join("a.sealift");
        let bundle = if hurt == &target {
            &good
        } else {
            let options = WriterOptions { force: true, ..sealed() };
            match try_export(&source, &model, &out, &everything(Some(&key(1))), options) {
                Ok(_) => &out,
                Err(ExportError::Malformed(faults)) => {
                    assert!(faults.total() > 0, "{done:?}");
                    malformed += 1;
                    continue;
                }
                Err(error) => panic!("{done:?}: {error}"),
            }
        };
        let before = std::fs::read(&target).unwrap();
        let planned = plan(bundle, &target, &model, Some(&key(2)), overwrite());
        match try_import(bundle, &target, &model, Some(&key(2)), false, overwrite()) {
            Ok(Outcome::Applied(_)) => {
                assert!(planned.findings.is_empty(), "{done:?}: {:#?}", planned.findings);
                applied += 1;
                // What was taken is whole: nothing is left to do.
                import_nothing(bundle, &target, &model, Some(&key(2)), overwrite());
                continue;
            }
            Ok(Outcome::Refused(plan)) => {
                assert_eq!(planned.findings, plan.findings, "{done:?}");
                refused += 1;
            }
            Ok(Outcome::Nothing(_)) => nothing += 1,
            Ok(other) => panic!("{done:?}: {other:?}"),
            // Only the table itself knows how long a text it takes.
            Err(error @ ImportError::Write { .. }) => {
                println!("{done:?}: {error:?}");
                written += 1;
            }
            Err(error) => panic!("{done:?}: {error:?}"),
        }
        assert!(before == std::fs::read(&target).unwrap(), "{done:?}: a failed import changed the target");
    }
    println!(
        "{malformed} exports refused, {refused} imports refused, {applied} applied, {nothing} with nothing to do, {written} refused by the server"
    );
    assert!(malformed > 0 && refused > 0 && applied > 0, "{malformed} {refused} {applied}");
}

/// How many times documents are damaged, in up to three places each.
const ROUNDS: usize = 120;

/// The command: 1 for rows that cannot be read, 4 for findings, unless they are accepted.
#[test]
fn the_command_refuses_and_says_why() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let model = folder.path().join("loose.toml");
    std::fs::write(&model, LOOSE_MODEL).unwrap();
    loose_server(
        &source,
        r#"INSERT INTO Box VALUES ('Boxes-1', 'A', 'red', NULL, '{"Text":1}'), ('Boxes-2', 'B', 'red', NULL, '{'), ('Boxes-3', 'C', 'red', NULL, '[')"#,
    );
    loose_server(&target, "");
    let sealift = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.current_dir(folder.path()).args(args).args(["--model", "loose.toml"]);
        let out = command.stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        (out.status.code(), text)
    };
    let (code, text) = sealift(&["export", "sqlite:source", "-o", "a.sealift", "--no-secrets"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("Box Boxes-2 does not parse") && text.contains("Box Boxes-3 does not parse"),
        "{text}"
    );
    assert!(!folder.path().join("a.sealift").exists());
    run(&source, "DELETE FROM Box WHERE Id <> 'Boxes-1'");
    let (code, text) = sealift(&["export", "sqlite:source", "-o", "a.sealift", "--no-secrets"]);
    assert_eq!(code, Some(0), "{text}");
    let import = ["import", "a.sealift", "--to", "sqlite:target", "--yes"];
    let (code, text) = sealift(&import);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("STOP Box A: $.Text holds a number, and must be text"), "{text}");
    let (code, text) = sealift(&[&import[..], &["--accept-invalid"]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("note: $.Text holds a number, and must be text"), "{text}");
}
