//! A second writer of bundles, from the specification: it writes what it is told, rules or no rules.
//!
//! Documents become a [`Layout`] (packs and chunks before compression), that becomes [`Tables`] (rows before
//! they are stored), and those a file. A vector changes one of these and leaves everything after it consistent,
//! so that a reader has no other reason to refuse it than the one the vector is about.

use std::path::Path;

use rusqlite::Connection;
pub use rusqlite::types::Value as Cell;

use super::pack::{bytes, stored, varint};
use super::sealing::{Envelope, filler};

pub const SEAL: usize = 8160;

/// One document, with everything a bundle says of it.
#[derive(Clone)]
pub struct Doc {
    pub kind: String,
    /// Head, name and tail of the key's text.
    pub key: (String, String, String),
    pub canonical: Vec<u8>,
    pub id: (u8, Vec<u8>),
    pub reason: Vec<u8>,
    /// The text of each secret place, with its value where it has one.
    pub secrets: Vec<(String, Option<String>)>,
}

impl Doc {
    pub fn key_text(&self) -> String {
        format!("{}{}{}", self.key.0, self.key.1, self.key.2)
    }
}

/// A pack before compression, each number as it is to be spelled.
#[derive(Clone)]
pub struct Pack {
    pub declared: i64,
    pub count: Vec<u8>,
    pub numbers: Vec<Vec<u8>>,
    pub lengths: Vec<Vec<u8>>,
    pub bodies: Vec<Vec<u8>>,
}

/// A chunk before compression, each number as it is to be spelled.
#[derive(Clone)]
pub struct Chunk {
    pub first: i64,
    pub declared: i64,
    pub packs: Vec<Vec<u8>>,
    pub slots: Vec<Vec<u8>>,
    pub secrets: Vec<Vec<u8>>,
    pub tags: Vec<u8>,
    pub lengths: Vec<Vec<u8>>,
    pub ids: Vec<Vec<u8>>,
    pub reasons: Vec<Vec<u8>>,
    pub which: Vec<Vec<u8>>,
    pub end: Vec<u8>,
    pub content_ids: Vec<u8>,
}

#[derive(Clone)]
pub struct Layout {
    pub packs: Vec<Pack>,
    pub chunks: Vec<Chunk>,
}

/// Runs of documents of one kind: name, first, how many.
fn runs(docs: &[Doc]) -> Vec<(String, usize, usize)> {
    let mut runs: Vec<(String, usize, usize)> = Vec::new();
    for (at, doc) in docs.iter().enumerate() {
        match runs.last_mut() {
            Some((kind, _, count)) if *kind == doc.kind => *count += 1,
            _ => runs.push((doc.kind.clone(), at, 1)),
        }
    }
    runs
}

pub fn content_id(canonical: &[u8]) -> [u8; 32] {
    blake3::derive_key("sealift 2026-11 document v1 content id", canonical)
}

pub fn content_root(docs: &[Doc]) -> [u8; 32] {
    let mut all = Vec::new();
    for doc in docs {
        for part in [doc.kind.as_bytes(), doc.key_text().as_bytes(), &content_id(&doc.canonical)] {
            all.extend((part.len() as u64).to_le_bytes());
            all.extend(part);
        }
    }
    blake3::derive_key("sealift 2026-11 bundle v1 content root", &all)
}

pub fn stored_hash(blobs: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for blob in blobs {
        all.extend((blob.len() as u64).to_le_bytes());
        all.extend(*blob);
    }
    blake3::derive_key("sealift 2026-11 bundle v1 stored bytes", &all).to_vec()
}

/// One pack for each kind, one chunk for each 1,024 documents.
pub fn lay_out(docs: &[Doc]) -> Layout {
    let mut home = Vec::new();
    let mut packs = Vec::new();
    for (_, first, count) in runs(docs) {
        let run = &docs[first..first + count];
        packs.push(Pack {
            declared: count as i64,
            count: varint(count as u64),
            numbers: (first + 1..=first + count).map(|n| varint(n as u64)).collect(),
            lengths: run.iter().map(|d| varint(d.canonical.len() as u64)).collect(),
            bodies: run.iter().map(|d| d.canonical.clone()).collect(),
        });
        home.extend((0..count).map(|slot| (packs.len() as u64, slot as u64)));
    }
    let chunks = docs.chunks(1024).zip(home.chunks(1024)).enumerate().map(|(index, (docs, home))| {
        let mut reasons: Vec<Vec<u8>> = Vec::new();
        let which = docs.iter().map(|doc| {
            let at = reasons.iter().position(|r| *r == doc.reason).unwrap_or_else(|| {
                reasons.push(doc.reason.clone());
                reasons.len() - 1
            });
            varint(at as u64)
        });
        let which = which.collect();
        Chunk {
            first: index as i64 * 1024 + 1,
            declared: docs.len() as i64,
            packs: home.iter().map(|(pack, _)| varint(*pack)).collect(),
            slots: home.iter().map(|(_, slot)| varint(*slot)).collect(),
            secrets: docs.iter().map(|d| varint(d.secrets.len() as u64)).collect(),
            tags: docs.iter().map(|d| d.id.0).collect(),
            lengths: docs.iter().map(|d| varint(d.id.1.len() as u64)).collect(),
            ids: docs.iter().map(|d| d.id.1.clone()).collect(),
            reasons,
            which,
            end: Vec::new(),
            content_ids: docs.iter().flat_map(|d| content_id(&d.canonical)).collect(),
        }
    });
    let chunks = chunks.collect();
    Layout { packs, chunks }
}

fn pack_raw(pack: &Pack) -> Vec<u8> {
    [pack.count.clone(), pack.numbers.concat(), pack.lengths.concat(), pack.bodies.concat()].concat()
}

fn chunk_raw(chunk: &Chunk) -> Vec<u8> {
    let reasons: Vec<u8> = chunk.reasons.iter().flat_map(|reason| bytes(reason)).collect();
    [
        chunk.packs.concat(),
        chunk.slots.concat(),
        chunk.secrets.concat(),
        chunk.tags.clone(),
        chunk.lengths.concat(),
        chunk.ids.concat(),
        varint(chunk.reasons.len() as u64),
        reasons,
        chunk.which.concat(),
        chunk.end.clone(),
    ]
    .concat()
}

pub fn int(number: usize) -> Cell {
    Cell::Integer(number as i64)
}

pub fn word(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

pub fn blob(bytes: &[u8]) -> Cell {
    Cell::Blob(bytes.to_vec())
}

/// Everything that will stand in the file.
#[derive(Clone)]
pub struct Tables {
    /// The statements of the schema, from the specification.
    pub schema: Vec<String>,
    pub rows: Vec<(&'static str, Vec<Vec<Cell>>)>,
    /// Statements to be run at the end.
    pub more: String,
}

impl Tables {
    pub fn table(&mut self, table: &str) -> &mut Vec<Vec<Cell>> {
        &mut self.rows.iter_mut().find(|(name, _)| *name == table).unwrap().1
    }

    pub fn set(&mut self, table: &str, row: usize, column: usize, cell: Cell) {
        self.table(table)[row][column] = cell;
    }

    /// Adds or replaces a row of `meta`.
    pub fn meta(&mut self, name: &str, cell: Cell) {
        self.drop_meta(name);
        self.table("meta").push(vec![word(name), cell]);
    }

    pub fn drop_meta(&mut self, name: &str) {
        self.table("meta").retain(|row| row[0] != word(name));
    }

    /// Gives a pack other stored bytes, with the hash that goes with them.
    pub fn repack(&mut self, pack: usize, raw_bytes: usize, data: &[u8]) {
        self.set("packs", pack, 2, int(raw_bytes));
        self.set("packs", pack, 3, Cell::Blob(stored_hash(&[data])));
        self.set("packs", pack, 4, blob(data));
    }

    /// The stored bytes of a pack and how long they are when decompressed.
    pub fn stored(&mut self, pack: usize) -> (Vec<u8>, usize) {
        match &self.table("packs")[pack][..] {
            [_, _, Cell::Integer(raw), _, Cell::Blob(data)] => (data.clone(), *raw as usize),
            other => unreachable!("{other:?}"),
        }
    }
}

/// The statements between the marks of the specification.
fn schema() -> Vec<String> {
    let spec = include_str!("../../format-spec/bundle-v1.md");
    let (_, rest) = spec.split_once("```sql\n").unwrap();
    rest.split_once("```").unwrap().0.lines().map(str::to_owned).collect()
}

pub fn tables(docs: &[Doc], layout: &Layout, envelope: Option<&Envelope>) -> Tables {
    let mut kinds = Vec::new();
    let mut sealed = Vec::new();
    for (at, (kind, first, count)) in runs(docs).into_iter().enumerate() {
        let run = &docs[first..first + count];
        let secrets: usize = run.iter().map(|d| d.secrets.len()).sum();
        let valued = run.iter().flat_map(|d| &d.secrets).filter(|(_, v)| v.is_some()).count();
        // One pack for each kind, whatever a vector did to the packs afterwards.
        let row = [int(at + 1), word(&kind), int(count), int(first + 1), int(1), int(at + 1)];
        kinds.push([&row[..], &[int(secrets), int(valued)]].concat());
    }
    let mut scopes: Vec<Vec<Cell>> = Vec::new();
    let mut documents = Vec::new();
    for (at, doc) in docs.iter().enumerate() {
        let kind = kinds.iter().position(|row| row[1] == word(&doc.kind)).unwrap() + 1;
        let scope = [int(kind), word(&doc.key.0), word(&doc.key.2)];
        let number = scopes.iter().position(|row| row[1..] == scope).unwrap_or_else(|| {
            scopes.push([&[int(scopes.len() + 1)], &scope[..]].concat());
            scopes.len() - 1
        });
        documents.push(vec![int(at + 1), int(number + 1), word(&doc.key.1)]);
        for (n, (place, value)) in doc.secrets.iter().enumerate() {
            let Some(value) = value else { continue };
            let key = doc.key_text();
            let parts = [&b"bundle 1"[..], doc.kind.as_bytes(), key.as_bytes(), place.as_bytes()];
            let label = format!("{} {key} {place}", doc.kind);
            let value = envelope.unwrap().seal(&parts, &label, value.as_bytes());
            sealed.push(vec![int(at + 1), int(n), Cell::Blob(value)]);
        }
    }
    let packs: Vec<Vec<Cell>> = layout
        .packs
        .iter()
        .enumerate()
        .map(|(at, pack)| {
            let raw = pack_raw(pack);
            let data = stored(&raw);
            let hash = Cell::Blob(stored_hash(&[&data]));
            vec![int(at + 1), Cell::Integer(pack.declared), int(raw.len()), hash, Cell::Blob(data)]
        })
        .collect();
    let chunks: Vec<Vec<Cell>> = layout
        .chunks
        .iter()
        .enumerate()
        .map(|(at, chunk)| {
            let raw = chunk_raw(chunk);
            let data = stored(&raw);
            let hash = Cell::Blob(stored_hash(&[&data, &chunk.content_ids]));
            let (first, declared) = (Cell::Integer(chunk.first), Cell::Integer(chunk.declared));
            vec![
                int(at + 1),
                first,
                declared,
                int(raw.len()),
                hash,
                Cell::Blob(data),
                blob(&chunk.content_ids),
            ]
        })
        .collect();
    let sum = |column: usize| {
        kinds
            .iter()
            .map(|row| match row[column] {
                Cell::Integer(number) => number,
                _ => 0,
            })
            .sum::<i64>()
    };
    let mut meta = vec![
        vec![word("chunks"), int(docs.len().div_ceil(1024))],
        vec![word("content_root"), blob(&content_root(docs))],
        vec![word("coverage"), int(0)],
        vec![word("documents"), int(docs.len())],
        vec![word("model"), word("octopus")],
        vec![word("model_digest"), blob(&filler::<32>("model"))],
        vec![word("notices"), int(0)],
        vec![word("packs"), int(kinds.len())],
        vec![word("raw_bytes"), int(docs.iter().map(|d| d.canonical.len()).sum())],
        vec![word("requires"), word("")],
        vec![word("scopes"), int(scopes.len())],
        vec![word("sealed"), Cell::Integer(sum(7))],
        vec![word("secrets"), Cell::Integer(sum(6))],
        vec![word("writer"), word("the vectors' own writer")],
    ];
    let mut slots = Vec::new();
    if let Some(envelope) = envelope {
        meta.push(vec![word("scope"), blob(&envelope.scope)]);
        meta.push(vec![word("commitment"), blob(&envelope.commitment)]);
        for (at, slot) in envelope.slots.iter().enumerate() {
            let cost = [slot.memory_kib, slot.passes, slot.lanes].map(|n| int(n as usize));
            let rest = [blob(&slot.salt), blob(&slot.nonce), blob(&slot.wrapped)];
            slots.push([&[int(at + 1)], &cost[..], &rest[..]].concat());
        }
    }
    let rows = vec![
        ("documents", documents),
        ("scopes", scopes),
        ("sealed", sealed),
        ("packs", packs),
        ("chunks", chunks),
        ("notices", Vec::new()),
        ("coverage", Vec::new()),
        ("meta", meta),
        ("slots", slots),
        ("kinds", kinds),
        ("seal", vec![vec![int(1), blob(&[0; 32])]]),
    ];
    Tables { schema: schema(), rows, more: String::new() }
}

/// Writes the file, without its root.
pub fn store(tables: &Tables, folder: &Path) -> Vec<u8> {
    try_store(tables, folder).unwrap()
}

/// Like [`store`], for tables that the engine may refuse.
pub fn try_store(tables: &Tables, folder: &Path) -> rusqlite::Result<Vec<u8>> {
    let path = folder.join("building");
    let db = Connection::open(&path)?;
    db.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; PRAGMA journal_mode = OFF; BEGIN;
         PRAGMA application_id = 1399152972; PRAGMA user_version = 1;",
    )?;
    for statement in &tables.schema {
        db.execute_batch(statement)?;
    }
    for (table, rows) in &tables.rows {
        for row in rows {
            let marks = vec!["?"; row.len()].join(",");
            let sql = format!("INSERT INTO {table} VALUES({marks})");
            if db.prepare(&format!("SELECT 1 FROM {table}")).is_ok() {
                db.execute(&sql, rusqlite::params_from_iter(row))?;
            }
        }
    }
    db.execute_batch(&tables.more)?;
    db.execute_batch("COMMIT")?;
    db.close().map_err(|(_, error)| error)?;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    Ok(bytes)
}

/// Computes the file root and writes it at its place, as anybody can.
pub fn seal(bytes: &mut [u8]) {
    if let Some(place) = bytes.get_mut(SEAL..SEAL + 32) {
        place.fill(0);
        let root = blake3::derive_key("sealift 2026-11 bundle v1 file root", bytes);
        bytes[SEAL..SEAL + 32].copy_from_slice(&root);
    }
}
