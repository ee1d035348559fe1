//! A set of ids in a text column, in every spelling that servers were seen to write.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sealift::document::Value;
use sealift::model::Model;
use sealift::ops::translate::{Layouts, ServerSecrets, Translation, Vault, whole_table};
use sealift::plan::Action;
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

const TABLES: &str = "
CREATE TABLE [Versions] ([Id] int NOT NULL PRIMARY KEY, [Version] nvarchar(50) NOT NULL);
CREATE TABLE [Counters] ([Name] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Last] int NOT NULL);
CREATE TABLE [Env] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [Project] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [EnvIds] nvarchar(-1)@@, [Edits] int NOT NULL, [JSON] nvarchar(-1) NOT NULL);
INSERT INTO Versions VALUES (1, '1.0');
";

/// The two environments of every server here, by the letters that stand for their ids in the spellings.
const TWO: [&str; 9] =
    ["|A|B|", "|A|B| ", " |A|B|", "A|B", "A|B|", "|B|A|", "| A | B |", "|A||B|A|", "\t|A|\r\n|B|"];
const NONE: [Option<&str>; 6] = [Some("||"), Some("|"), Some(""), Some(" "), Some("| |"), None];

fn model() -> Model {
    Model::parse(include_str!("fixtures/shop.toml"), "shop.toml").unwrap()
}

/// A server whose environments are Test and Production, with a project for each spelling.
fn server(folder: &Path, name: &str, offset: usize, needed: &str, sets: &[Option<String>]) -> PathBuf {
    let path = folder.join(name);
    drop(SqliteServer::create(&path, Schema::Ddl(&TABLES.replace("@@", needed))).unwrap());
    let db = Connection::open(&path).unwrap();
    let (a, b) = (format!("Envs-{}", offset + 1), format!("Envs-{}", offset + 2));
    db.execute("INSERT INTO Env VALUES (?1, 'Test', '{}'), (?2, 'Production', '{}')", [&a, &b]).unwrap();
    for (number, set) in sets.iter().enumerate() {
        let set = set.as_ref().map(|set| set.replace('A', &a).replace('B', &b));
        let id = format!("Projects-{:03}", offset + number);
        let project = rusqlite::params![id, format!("P{number:03}"), set];
        db.execute("INSERT INTO Project VALUES (?1, ?2, ?3, 0, '{}')", project).unwrap();
    }
    path
}

fn owned(sets: &[Option<&str>]) -> Vec<Option<String>> {
    sets.iter().map(|set| set.map(str::to_owned)).collect()
}

/// The sets of all projects as documents have them.
fn sets(path: &Path) -> Vec<String> {
    let model = model();
    let mut server = SqliteServer::open(path).unwrap();
    let mut reader = server.read().unwrap();
    let layouts = Layouts::new(&model, reader.catalog()).unwrap();
    let mut translation = Translation::new(layouts.clone());
    let kind = model.kinds().iter().position(|kind| kind.name.as_str() == "Project").unwrap();
    let layout = layouts.at(kind).unwrap();
    let mut table = whole_table(&mut *reader, layout, &layout.select()).unwrap();
    let rows = table.next_page(&mut *reader).unwrap().unwrap();
    let read = translation.read(&mut *reader, kind, rows, ServerSecrets::Mask, &mut Vault::new()).unwrap();
    let names = |value: &Value| match value {
        Value::List(list) => list
            .iter()
            .map(|value| match value {
                Value::Ref(reference) => reference.key.to_string(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join("+"),
        other => format!("{other:?}"),
    };
    assert!(read.iter().all(|portable| portable.dangling.is_empty()));
    read.iter().map(|portable| names(portable.document.columns.get("EnvIds").unwrap())).collect()
}

#[test]
fn every_spelling_is_the_set_it_means() {
    let folder = folder();
    let spelled: Vec<Option<String>> = TWO.iter().map(|set| Some((*set).to_owned())).collect();
    let path = server(folder.path(), "two.sqlite", 0, "", &spelled);
    assert_eq!(sets(&path), ["Production+Test"; TWO.len()]);
    let path = server(folder.path(), "none.sqlite", 0, "", &owned(&NONE));
    assert_eq!(sets(&path), [""; NONE.len()]);
    let one = ["|A|", "A", " A ", "|A| ", "|A|A|"].map(|set| Some(set.to_owned()));
    let path = server(folder.path(), "one.sqlite", 0, "", &one);
    assert_eq!(sets(&path), ["Test"; 5]);
}

#[test]
fn a_target_that_differs_in_spelling_alone_is_unchanged() {
    let folder = folder();
    // Each spelling against each other of the same set.
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let two: Vec<Option<&str>> = TWO.iter().map(|set| Some(*set)).collect();
    for spellings in [&two[..], &NONE[..]] {
        for a in spellings {
            for b in spellings {
                here.extend(owned(&[*a]));
                there.extend(owned(&[*b]));
            }
        }
    }
    let source = server(folder.path(), "source.sqlite", 0, "", &here);
    let target = server(folder.path(), "target.sqlite", 500, "", &there);
    let file = folder.path().join("a.sealift");
    export(&source, &model(), &file, &everything(None));
    let plan = plan(&file, &target, &model(), None, overwrite());
    assert_eq!(plan.entries.len(), TWO.len().pow(2) + NONE.len().pow(2) + 2);
    let changed: Vec<_> = plan.entries.iter().filter(|e| e.action != Action::Unchanged).collect();
    assert!(changed.is_empty(), "{changed:#?}");
    import_nothing(&file, &target, &model(), None, overwrite());
}

#[test]
fn an_empty_set_is_written_as_two_bars_and_never_as_null() {
    let folder = folder();
    let source = server(folder.path(), "source.sqlite", 0, "", &owned(&NONE));
    let target =
        server(folder.path(), "target.sqlite", 500, " NOT NULL", &owned(&[Some("|A|"), Some("A|B")]));
    let file = folder.path().join("a.sealift");
    export(&source, &model(), &file, &everything(None));
    import(&file, &target, &model(), None, overwrite());
    import_nothing(&file, &target, &model(), None, overwrite());
    let db = Connection::open(&target).unwrap();
    let written: i64 =
        db.query_row("SELECT count(*) FROM Project WHERE EnvIds = '||'", [], |row| row.get(0)).unwrap();
    assert_eq!(written, NONE.len() as i64);
}

/// Two certificates whose names the product takes for one: each keeps its number, however few are looked for.
#[test]
fn namesakes_in_two_spellings_are_found_again() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    drop((empty_octopus(&source), empty_octopus(&target)));
    let space = "INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('Spaces-1', 'Default', 1, '{}');";
    let certificate = |number: u8, name: &str| {
        format!(
            "INSERT INTO Certificate (Id, Name, Thumbprint, NotAfter, Subject, Created, SpaceId, JSON)
             VALUES ('Certificates-{number}', '{name}', 'AA', '2020-01-01', '', '2019-01-0{number}', 'Spaces-1', '{{}}');"
        )
    };
    let sql = [space, &certificate(1, "Börse"), &certificate(2, "BÖRSE")];
    Connection::open(&source).unwrap().execute_batch(&sql.concat()).unwrap();
    Connection::open(&target).unwrap().execute_batch(space).unwrap();
    let (octopus, file) = (octopus(), folder.path().join("a.sealift"));
    let two = export(&source, &octopus, &file, &everything(None));
    import(&file, &target, &octopus, None, overwrite());
    import_nothing(&file, &target, &octopus, None, overwrite());
    let back = export(&target, &octopus, &folder.path().join("b.sealift"), &everything(None));
    assert_eq!(back.content_root, two.content_root);
}

/// A list of commas and no id was once written as empty text, which was read as another document: every import
/// changed it again.
#[test]
fn a_comma_list_of_nothing_is_empty_text() {
    let folder = folder();
    let source = server(folder.path(), "source.sqlite", 0, "", &owned(&[Some(""); 4]));
    let target = server(folder.path(), "target.sqlite", 500, "", &owned(&[Some(""); 4]));
    let db = Connection::open(&source).unwrap();
    for (number, list) in ["", " ", ",", " , ,"].iter().enumerate() {
        let body = format!("{{\"Comma\":{list:?}}}");
        let project = rusqlite::params![format!("P{number:03}"), body];
        db.execute("UPDATE Project SET JSON = ?2 WHERE Name = ?1", project).unwrap();
    }
    let file = folder.path().join("a.sealift");
    let left = export(&source, &model(), &file, &everything(None));
    import(&file, &target, &model(), None, overwrite());
    import_nothing(&file, &target, &model(), None, overwrite());
    let back = export(&target, &model(), &folder.path().join("b.sealift"), &everything(None));
    assert_eq!(back.content_root, left.content_root);
}
