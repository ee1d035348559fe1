//! Rows and documents: what is read of a row, written as a row and read again is the same document, however the
//! ids in it are spelled.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use sealift::crypto::MasterKey;
use sealift::document::{Document, Map, Value, json};
use sealift::model::Model;
use sealift::ops::translate::{Id, Ids, Layouts, Portable, Renderer, ServerSecrets, Translation, Vault};
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::{Reader, Row, Server as _};

use super::feed::Feed;

/// A product with every form of reference, and a server that holds a few documents of it.
const MODEL: &str = include_str!("../../tests/fixtures/shop.toml");
const SERVER: &str = r#"
CREATE TABLE [Env] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [Project] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [EnvIds] nvarchar(-1), [AllIds] nvarchar(-1), [NextId] nvarchar(50), [Edits] int NOT NULL, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [VarSet] ([Id] nvarchar(150) NOT NULL PRIMARY KEY COLLATE NOCASE, [OwnerId] nvarchar(150) NOT NULL, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [TagSet] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [JSON] nvarchar(-1) NOT NULL);
CREATE TABLE [Team] ([Id] nvarchar(50) NOT NULL PRIMARY KEY COLLATE NOCASE, [Name] nvarchar(200) NOT NULL COLLATE NOCASE, [Members] nvarchar(-1) NOT NULL, [JSON] nvarchar(-1) NOT NULL);
INSERT INTO Env VALUES ('Envs-1', 'Production', '{}'), ('Envs-2', 'Test', '{}'), ('envs-builtin', 'Built in', '{}');
INSERT INTO Project VALUES ('Projects-1', 'Web', '|Envs-1|', '', NULL, 0, '{}'), ('Projects-2', 'Api', NULL, '', 'Projects-1', 0, '{}');
INSERT INTO TagSet VALUES ('TagSets-1', 'Size', '{"Tags":[{"Id":"TagSets-1/Tags-1","Name":"S"},{"Id":"TagSets-1/Tags-2","Name":"L"}]}');
INSERT INTO VarSet VALUES ('varset-Projects-1', 'Projects-1', '{"Variables":[]}');
"#;

struct World {
    model: &'static Model,
    reader: Box<dyn Reader>,
    key: MasterKey,
}

impl World {
    /// Lives as long as its thread: one server for all inputs.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let created = SqliteServer::create(&folder.path().join("shop.sqlite"), Schema::Ddl(SERVER));
        let server = Box::leak(Box::new(created.unwrap()));
        let model = Box::leak(Box::new(Model::parse(MODEL, "shop.toml").unwrap()));
        let key = MasterKey::from_base64("AQEBAQEBAQEBAQEBAQEBAQ==").unwrap();
        // The file is open: its name is not needed any more.
        Self { model, reader: server.read().unwrap(), key }
    }
}

thread_local! {
    // Never dropped: what it leads to would then be leaked, to those who look for that.
    static WORLD: RefCell<ManuallyDrop<World>> = RefCell::new(ManuallyDrop::new(World::new()));
}

/// Any bytes, as the row of a table.
pub fn holds(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let mut feed = Feed::new(bytes);
        let kind = ["Project", "Project", "VarSet", "TagSet", "Team"][feed.below(5)];
        row_survives(world, kind, &mut feed);
    });
}

/// Ids of the server's documents in several spellings, ids of none, and what is no id.
fn id(feed: &mut Feed<'_>) -> String {
    const IDS: [&str; 20] = [
        "Envs-1",
        "Envs-2",
        "envs-1",
        "ENVS-2 ",
        " Envs-1",
        "envs-builtin",
        "Envs-99",
        "Projects-1",
        "Projects-2",
        "projects-1",
        "Projects-99",
        "TagSets-1/Tags-1",
        "tagsets-1/TAGS-2",
        "TagSets-1/Tags-9",
        "#{x}",
        "",
        " ",
        "x",
        "1",
        "Envs-1#{x}",
    ];
    match feed.below(24) {
        known @ 0..20 => IDS[known].to_owned(),
        _ => String::from_utf8_lossy(feed.bytes()).into_owned(),
    }
}

/// Ids joined by a separator, which may come twice, or be missing at either end.
fn joined(separator: &str, feed: &mut Feed<'_>) -> String {
    let mut text = String::new();
    for _ in 0..feed.below(5) {
        if feed.below(4) != 3 {
            text.push_str(separator);
        }
        text.push_str(&id(feed));
    }
    if feed.below(4) != 3 {
        text.push_str(separator);
    }
    text
}

fn nullable(text: String, feed: &mut Feed<'_>) -> Value {
    if feed.below(8) == 7 { Value::Null } else { Value::Text(text) }
}

fn ids(feed: &mut Feed<'_>) -> Value {
    Value::List((0..feed.below(4)).map(|_| Value::Text(id(feed))).collect())
}

fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut map = Map::new();
    for (name, value) in members {
        map.insert(name, value);
    }
    Value::Map(map)
}

fn secret(world: &World, feed: &mut Feed<'_>) -> Value {
    match feed.below(4) {
        0 => Value::Null,
        1 => Value::Text(feed.text()),
        _ => Value::Text(world.key.encrypt(&feed.text().into()).unwrap()),
    }
}

fn body(world: &World, kind: &str, feed: &mut Feed<'_>) -> Value {
    let mut body = Map::new();
    for _ in 0..feed.below(6) {
        let (name, value) = match (kind, feed.below(10)) {
            ("Project", 0) => ("List", ids(feed)),
            ("Project", 1) => ("Comma", nullable(joined(",", feed), feed)),
            ("Project", 2) => {
                let mut links: Vec<(String, Value)> = Vec::new();
                for _ in 0..feed.below(4) {
                    let (id, of) = (id(feed), ids(feed));
                    // Two spellings of one id are two entries of one document, of which the last is kept.
                    let same = |other: &str| other.trim().to_lowercase() == id.trim().to_lowercase();
                    if !links.iter().any(|(other, _)| same(other)) {
                        links.push((id, of));
                    }
                }
                ("Links", object(links))
            }
            ("Project", 3) => ("Bag", object([("Shop.Env".to_owned(), Value::Text(id(feed)))])),
            ("Project", 4) => {
                let kind = Value::from(if feed.below(2) == 0 { "Env" } else { "Text" });
                let value = Value::Text(id(feed));
                ("Typed", Value::List(vec![object([("Type".to_owned(), kind), ("Value".to_owned(), value)])]))
            }
            ("Project", 5) => ("Tags", ids(feed)),
            ("Project", 6) => ("Password", secret(world, feed)),
            ("Project", 7) => ("Hash", Value::Text(feed.text())),
            ("VarSet", 0..8) => {
                let all = (0..feed.below(4)).map(|_| variable(world, feed)).collect();
                ("Variables", Value::List(all))
            }
            ("TagSet", 0..8) => {
                let tag = |at: usize, feed: &mut Feed<'_>| {
                    let id = Value::Text(format!("TagSets-1/Tags-{at}"));
                    object([("Id".to_owned(), id), ("Name".to_owned(), Value::Text(feed.text()))])
                };
                ("Tags", Value::List((0..feed.below(4)).map(|at| tag(at, feed)).collect()))
            }
            _ => ("Else", plain(&feed.value(3))),
        };
        body.insert(name, value);
    }
    Value::Map(body)
}

fn variable(world: &World, feed: &mut Feed<'_>) -> Value {
    let sensitive = feed.below(3) == 0;
    let value = if sensitive { secret(world, feed) } else { Value::Text(feed.text()) };
    let kind = if sensitive { "Sensitive" } else { "String" };
    object([
        ("Id".to_owned(), Value::Text(feed.text())),
        ("Name".to_owned(), Value::Text(feed.text())),
        ("Type".to_owned(), Value::from(kind)),
        ("Value".to_owned(), value),
        ("Scope".to_owned(), object([("Env".to_owned(), ids(feed))])),
    ])
}

/// A value as JSON has it.
fn plain(value: &Value) -> Value {
    json::parse(json::write(value).as_bytes()).unwrap()
}

fn row_survives(world: &mut World, kind: &str, feed: &mut Feed<'_>) {
    let layouts = Layouts::new(world.model, world.reader.catalog()).unwrap();
    let index = world.model.kinds().iter().position(|k| k.name.as_str() == kind).unwrap();
    let text = match feed.below(16) {
        0 => feed.text(),
        _ => json::write(&body(world, kind, feed)),
    };
    let (own, name) = (id(feed), feed.text());
    let own = if own.is_empty() { "Projects-7".to_owned() } else { own };
    let (pipe, next) = (joined("|", feed), id(feed));
    let columns: Vec<String> = layouts.at(index).unwrap().select().into_iter().map(str::to_owned).collect();
    let mut number = |column: &String| match column.as_str() {
        "Id" => Value::Text(own.clone()),
        "JSON" => Value::Text(text.clone()),
        "EnvIds" => nullable(pipe.clone(), feed),
        "Members" => Value::Text(pipe.clone()),
        "NextId" => nullable(next.clone(), feed),
        "OwnerId" => Value::Text(next.clone()),
        "Edits" => Value::Int(3),
        _ => Value::Text(name.clone()),
    };
    let row: Row = columns.iter().map(&mut number).collect();
    let mut vault = Vault::new();
    let Some(first) = read(world, index, row, &mut vault) else { return };
    let (rendered, document) = render(world, index, &first, &vault);
    let again: Row = columns
        .iter()
        .map(|column| match rendered.get(column) {
            Some(value) => value.clone(),
            // Its server's own, or rebuilt.
            None => Value::Null,
        })
        .collect();
    let second = read(world, index, again, &mut vault).expect("what was written is read");
    assert_eq!(second.document, document, "a document survives its row");
    let (third, _) = render(world, index, &second, &vault);
    let list = |name: &str| (rendered.get(name).cloned(), third.get(name).cloned());
    for (one, other) in ["EnvIds", "AllIds", "NextId", "Members", "OwnerId", "Name"].map(list) {
        assert_eq!(one, other, "what is written has one spelling");
    }
}

/// Reads a row; none where it cannot be read, which is then said.
fn read(world: &mut World, kind: usize, row: Row, vault: &mut Vault) -> Option<Portable> {
    let layouts = Layouts::new(world.model, world.reader.catalog()).unwrap();
    let mut translation = Translation::of_some(layouts);
    let secrets = ServerSecrets::Read(Some(&world.key));
    let read = translation.read(&mut *world.reader, kind, vec![row], secrets, vault).unwrap();
    let faults = translation.finish();
    assert!(read.len() == 1 || faults.is_err() || faults.is_ok_and(|faults| !faults.is_empty()));
    read.into_iter().next()
}

/// Renders a document with the ids of the server it was read from.
fn render(world: &mut World, kind: usize, portable: &Portable, vault: &Vault) -> (Map, Document) {
    let layouts = Layouts::new(world.model, world.reader.catalog()).unwrap();
    let mut ids = Ids::new(world.model.collation);
    let document = portable.document.clone();
    document.each(&mut |value| {
        if let Value::Ref(reference) = value {
            let target = world.model.target(&reference.kind).unwrap();
            ids.find(&mut *world.reader, &layouts, target, &[&reference.key]).unwrap();
        }
    });
    let renderer = Renderer { layouts: &layouts, ids: &ids, vault, master_key: Some(&world.key) };
    let own = Id::of(&portable.id).unwrap();
    let layout = layouts.at(kind).unwrap();
    let rendered = renderer.render(layout, &document, Some(&own), None).unwrap();
    let pairs = rendered.columns.into_iter().zip(rendered.row).collect();
    (Map::from_pairs(pairs).unwrap(), document)
}
