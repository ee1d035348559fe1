//! The rows of a server as text that is the same on every run: what is random is replaced, and nothing else.
//!
//! | random | stands as |
//! |---|---|
//! | a ciphertext under the target's master key | its plaintext; how many were kept and how many are fresh is counted |
//! | a GUID that neither server had at the start | its number, in the order of first appearance over all steps of a pair |
//! | the order of rows | sorted by their text |
//!
//! Two servers keep a few types differently: moments are spelled in one way, GUIDs of a column of GUIDs are in lower
//! case, and a row version, which SQL Server gives out itself, is left out there. Ids that are given out by numbers
//! stand as they are.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use sealift::crypto::MasterKey;

/// The tables of a server: each with its columns and their types.
pub type Tables = BTreeMap<String, Vec<(String, String)>>;

/// The tables of a file of the embedded server.
pub fn tables(db: &Connection) -> Tables {
    let sql = "SELECT t.name, c.name, lower(c.type) FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' ORDER BY t.name, c.cid";
    let mut query = db.prepare(sql).unwrap();
    let mut rows = query.query([]).unwrap();
    let mut found = Tables::new();
    while let Some(row) = rows.next().unwrap() {
        found.entry(row.get(0).unwrap()).or_default().push((row.get(1).unwrap(), row.get(2).unwrap()));
    }
    found
}

/// All rows of a table, by its columns.
fn read(db: &Connection, table: &str, columns: &[(String, String)]) -> Vec<Vec<Sql>> {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("[{name}]")).collect();
    let mut query = db.prepare(&format!("SELECT {} FROM [{table}]", names.join(", "))).unwrap();
    let rows = query.query_map([], |row| (0..columns.len()).map(|index| row.get(index)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

/// The GUIDs that files hold.
pub fn guids(files: &[&Connection]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for db in files {
        for (table, columns) in tables(db) {
            for value in read(db, &table, &columns).into_iter().flatten() {
                if let Sql::Text(text) = value {
                    replace_guids(&text, |guid| {
                        found.insert(guid.to_lowercase());
                        None
                    });
                }
            }
        }
    }
    found
}

/// A table in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub rows: usize,
    pub text: String,
}

/// A server in its normal form.
#[derive(Debug, Clone)]
pub struct State {
    /// The tables that have rows.
    pub tables: BTreeMap<String, Table>,
    /// Ciphertexts that were there when the server was last looked at.
    pub kept: usize,
    /// The others.
    pub fresh: usize,
}

/// What makes rows of one server comparable.
pub struct Normal {
    keys: Vec<(&'static str, MasterKey)>,
    /// Whether the server gives out row versions itself.
    versions: bool,
    known: BTreeSet<String>,
    given: BTreeMap<String, usize>,
    ciphertexts: BTreeSet<String>,
}

impl Normal {
    /// `known`: the GUIDs of both servers at the start.
    pub fn new(
        target: Option<MasterKey>,
        source: Option<MasterKey>,
        versions: bool,
        known: BTreeSet<String>,
    ) -> Self {
        let keys = [("secret", target), ("secret under the source's key", source)];
        let keys = keys.into_iter().filter_map(|(name, key)| Some((name, key?))).collect();
        Self { keys, versions, known, given: BTreeMap::new(), ciphertexts: BTreeSet::new() }
    }

    /// Reads a server whole.
    pub fn state(&mut self, db: &Connection, tables: &Tables) -> State {
        let (mut found, mut seen) = (BTreeMap::new(), Vec::new());
        for (name, columns) in tables {
            let rows = read(db, name, columns);
            if !rows.is_empty() {
                let table = self.table(columns, rows, &mut seen);
                found.insert(name.clone(), table);
            }
        }
        let kept = seen.iter().filter(|text| self.ciphertexts.contains(*text)).count();
        let fresh = seen.len() - kept;
        self.ciphertexts = seen.into_iter().collect();
        State { tables: found, kept, fresh }
    }

    fn table(&mut self, columns: &[(String, String)], rows: Vec<Vec<Sql>>, seen: &mut Vec<String>) -> Table {
        let mut rows: Vec<String> = rows
            .into_iter()
            .map(|row| {
                let values = row.into_iter().zip(columns);
                let values = values
                    .map(|(value, (name, kind))| format!("  {name}: {}\n", self.value(value, kind, seen)));
                format!("row\n{}", values.collect::<String>())
            })
            .collect();
        // A GUID without a number must not decide the order, which decides its number.
        rows.sort_by_cached_key(|row| replace_guids(row, |guid| self.seen_before(guid)));
        let count = rows.len();
        Table { rows: count, text: rows.iter().map(|row| self.guids(row)).collect() }
    }

    fn seen_before(&self, guid: &str) -> Option<String> {
        let guid = guid.to_lowercase();
        match (self.known.contains(&guid), self.given.get(&guid)) {
            (true, _) => None,
            (_, Some(number)) => Some(format!("{{GUID {number}}}")),
            _ => Some("{GUID}".to_owned()),
        }
    }

    /// A text with numbers in place of new GUIDs.
    pub fn guids(&mut self, text: &str) -> String {
        replace_guids(text, |guid| {
            let guid = guid.to_lowercase();
            if self.known.contains(&guid) {
                return None;
            }
            let next = self.given.len() + 1;
            Some(format!("{{GUID {}}}", self.given.entry(guid).or_insert(next)))
        })
    }

    fn value(&self, value: Sql, kind: &str, seen: &mut Vec<String>) -> String {
        match value {
            Sql::Null => "NULL".to_owned(),
            Sql::Integer(number) => number.to_string(),
            Sql::Real(number) => format!("{number:?}"),
            Sql::Blob(_) if kind == "timestamp" && self.versions => "NULL".to_owned(),
            Sql::Blob(bytes) => format!("{bytes:02x?}"),
            Sql::Text(text) if kind == "uniqueidentifier" => format!("{:?}", text.to_lowercase()),
            Sql::Text(text) if kind.starts_with("datetime") => format!("{:?}", moment(&text)),
            Sql::Text(text) => format!("{:?}", self.plain(&text, seen)),
        }
    }

    /// A text with the plaintexts of what it holds encrypted.
    fn plain(&self, text: &str, seen: &mut Vec<String>) -> String {
        let part = |c: char| c.is_ascii_alphanumeric() || "+/=|".contains(c);
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(part) {
            let (before, at) = rest.split_at(start);
            let (token, after) = at.split_at(at.find(|c| !part(c)).unwrap_or(at.len()));
            plain.push_str(before);
            let secret =
                (token.len() > 40 && token.matches('|').count() == 1).then(|| self.decrypt(token)).flatten();
            if secret.is_some() {
                seen.push(token.to_owned());
            }
            plain.push_str(secret.as_deref().unwrap_or(token));
            rest = after;
        }
        plain + rest
    }

    fn decrypt(&self, token: &str) -> Option<String> {
        self.keys.iter().find_map(|(name, key)| {
            let plain = key.decrypt(token).ok()?;
            Some(format!("{name}({:?})", plain.expose_text()?))
        })
    }
}

/// A moment in one spelling: `2018-08-01 10:00:00+00:00`.
fn moment(text: &str) -> String {
    let text = text.replacen('T', " ", 1).replace(" +", "+");
    let (clock, offset) = text.split_at(text.find('+').unwrap_or(text.len()));
    let clock = if clock.contains('.') { clock.trim_end_matches('0').trim_end_matches('.') } else { clock };
    format!("{clock}{offset}")
}

/// Offers each GUID of a text to be replaced.
fn replace_guids(text: &str, mut by: impl FnMut(&str) -> Option<String>) -> String {
    let bytes = text.as_bytes();
    let is_guid = |at: usize| {
        bytes.get(at..at + 36).is_some_and(|piece| {
            piece.iter().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        })
    };
    let (mut out, mut from, mut at) = (String::with_capacity(text.len()), 0, 0);
    while at + 36 <= bytes.len() {
        if bytes[at].is_ascii_hexdigit() && is_guid(at) {
            out.push_str(&text[from..at]);
            let guid = &text[at..at + 36];
            out.push_str(by(guid).as_deref().unwrap_or(guid));
            at += 36;
            from = at;
        } else {
            at += 1;
        }
    }
    out + &text[from..]
}
