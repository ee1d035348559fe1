//! Generated Octopus servers: random ones for properties, and the large corpus that measurements are made on.
//!
//! Include it as a module; it needs the product's tables of the spaces generation and nothing in them. Equal
//! seeds give equal content. The random server uses every form of reference and secret the model knows; the
//! corpus has the shape of the 50,000 documents on which the format was measured. This file holds what both
//! are made with.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "corpus.rs"]
mod corpus;
#[path = "random.rs"]
mod random;
#[path = "random_projects.rs"]
mod random_projects;

use std::collections::BTreeMap;

use sealift::document::Value;
use sealift::server::{Row, Server, Transaction};

#[allow(unused_imports)]
pub use corpus::{corpus, events};
#[allow(unused_imports)]
pub use random::generate;

/// A small deterministic source of numbers (SplitMix64).
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    /// Numbers that belong to a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5eed_0f0c_70b0_5000)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below another.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some things.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// A GUID.
    pub fn guid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }
}

/// What was generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generated {
    /// Rows that the model carries.
    pub documents: usize,
    /// Of these, rows that only give others an owner: spaces, environments, runbooks, library sets.
    pub beside: usize,
    /// Bytes of all bodies.
    pub body_bytes: usize,
}

/// Rows gathered by table, written in batches.
struct Rows<'a> {
    transaction: Box<dyn Transaction + 'a>,
    waiting: BTreeMap<&'static str, (Vec<&'static str>, Vec<Row>)>,
    space: String,
    made: Generated,
}

const BATCH: usize = 500;

impl<'a> Rows<'a> {
    fn begin(server: &'a mut dyn Server, space: String) -> Self {
        let transaction = server.begin().unwrap();
        Self { transaction, waiting: BTreeMap::new(), space, made: Generated::default() }
    }

    /// Takes a row; every row of a table names the same columns. The space is added where there is a column.
    fn put(&mut self, table: &'static str, columns: &[(&'static str, Value)], body: String) {
        let known = self.transaction.catalog().table(table).unwrap_or_else(|| panic!("no table {table}"));
        let spaced = known.column("SpaceId").is_some() && columns.iter().all(|(n, _)| *n != "SpaceId");
        let mut names: Vec<&'static str> = columns.iter().map(|(name, _)| *name).collect();
        let mut row: Row = columns.iter().map(|(_, value)| value.clone()).collect();
        if spaced {
            names.push("SpaceId");
            row.push(self.space.as_str().into());
        }
        if known.column("JSON").is_some() {
            self.made.body_bytes += body.len();
            names.push("JSON");
            row.push(Value::Text(body));
        }
        self.made.documents += 1;
        let (known, rows) = self.waiting.entry(table).or_insert_with(|| (names.clone(), Vec::new()));
        assert_eq!(*known, names, "{table}");
        rows.push(row);
        if rows.len() >= BATCH {
            self.flush(table);
        }
    }

    fn flush(&mut self, table: &'static str) {
        if let Some((names, rows)) = self.waiting.remove(table) {
            self.transaction
                .insert(table, &names, &rows)
                .unwrap_or_else(|e| panic!("{table}: {e}: write {:?}", e.write));
        }
    }

    /// Writes the counters and the version, and commits.
    fn finish(mut self, last: &BTreeMap<&'static str, i64>) -> Generated {
        let made = self.made;
        for (table, last) in last {
            let columns = [("CollectionName", (*table).into()), ("Allocated", Value::Int(*last))];
            self.put("KeyAllocation", &columns, String::new());
        }
        let columns = [
            ("Id", "OctopusServerInstallationHistory-1".into()),
            ("Node", "GENERATED".into()),
            ("Version", "2024.3.12899".into()),
            ("Installed", "2024-11-05T06:10:00.0000000+00:00".into()),
        ];
        self.put("OctopusServerInstallationHistory", &columns, "{}".to_owned());
        for table in self.waiting.keys().copied().collect::<Vec<_>>() {
            self.flush(table);
        }
        self.transaction.commit().unwrap();
        made
    }
}
