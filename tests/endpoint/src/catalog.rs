//! What tables are: kept as JSON beside the data, so that a rollback takes definitions back too.

use crate::fail::{Fail, Result};
use crate::parse;
use crate::system;
use crate::text::{self, Order};
use crate::types::Type;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    pub id: i64,
    pub name: String,
    pub ty: Type,
    pub collation: Option<String>,
    pub nullable: bool,
    pub identity: Option<(i64, i64)>,
    pub default: Option<DefaultValue>,
    /// The expression of a computed column, which is not stored.
    pub computed: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DefaultValue {
    pub id: i64,
    pub name: String,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexKind {
    PrimaryKey,
    UniqueConstraint,
    Unique,
    Plain,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The object id of a constraint; an index has none of its own.
    pub id: i64,
    pub number: i64,
    pub name: String,
    pub kind: IndexKind,
    pub columns: Vec<String>,
    pub included: Vec<String>,
}

impl Index {
    pub fn is_unique(&self) -> bool {
        self.kind != IndexKind::Plain
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    pub id: i64,
    pub name: String,
    pub text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Foreign {
    pub id: i64,
    pub name: String,
    pub columns: Vec<String>,
    pub references: String,
    pub referenced: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    pub id: i64,
    pub name: String,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    pub checks: Vec<Check>,
    pub foreign: Vec<Foreign>,
    /// A view of the catalog: nobody writes to it.
    pub system: bool,
}

impl Table {
    pub fn is_temporary(&self) -> bool {
        self.name.starts_with('#')
    }

    /// The table in SQLite's words.
    pub fn stored(&self) -> String {
        let schema = if self.is_temporary() || self.name == "sys.databases" { "temp" } else { "main" };
        format!("{schema}.{}", quoted(&self.name))
    }

    /// As error messages name it.
    pub fn shown(&self) -> String {
        if self.system { self.name.clone() } else { format!("dbo.{}", self.name) }
    }

    pub fn column(&self, name: &str, order: Order) -> Option<&Column> {
        self.columns.iter().find(|c| same(&c.name, name, order))
    }
}

pub(crate) fn same(a: &str, b: &str, order: Order) -> bool {
    text::compare(a, b, order).is_eq()
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The collations that the endpoint knows, and how each compares.
pub(crate) fn order_of(collation: &str) -> Result<Order> {
    let lower = collation.to_ascii_lowercase();
    let rest = ["sql_latin1_general_cp1_", "latin1_general_100_", "latin1_general_"]
        .iter()
        .find_map(|prefix| lower.strip_prefix(prefix));
    match rest.map(|r| r.trim_end_matches("_sc")) {
        Some("ci_as") => Ok(Order::CaseInsensitive),
        Some("cs_as") => Ok(Order::CaseSensitive),
        Some("bin2") => Ok(Order::Binary),
        _ => Err(Fail::new(448, format!("Invalid collation '{collation}'."))),
    }
}

pub(crate) fn order_name(order: Order) -> &'static str {
    match order {
        Order::CaseInsensitive => "CI",
        Order::CaseSensitive => "CS",
        Order::Binary => "BIN2",
    }
}

/// Makes the endpoint's own tables in a new database file.
pub(crate) fn create(db: &Connection, order: Order) -> Result<()> {
    let order = order_name(order);
    db.execute_batch(&format!(
        "CREATE TABLE main.\"sys.definition\" (object_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE \
         {order}, definition TEXT NOT NULL);
         CREATE TABLE main.\"sys.lock\" (n INTEGER NOT NULL);
         INSERT INTO main.\"sys.lock\" VALUES (0);"
    ))?;
    system::create(db, order)
}

/// Makes the catalog of the session's own tables.
pub(crate) fn create_temporary(db: &Connection) -> Result<()> {
    db.execute_batch(
        "CREATE TEMP TABLE \"sys.definition\" (object_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE CI, \
         definition TEXT NOT NULL);",
    )?;
    Ok(())
}

fn catalog_of(name: &str) -> &'static str {
    if name.starts_with('#') { "temp.\"sys.definition\"" } else { "main.\"sys.definition\"" }
}

fn parsed(definition: &str) -> Result<Arc<Table>> {
    serde_json::from_str(definition).map(Arc::new).map_err(|e| Fail::refused(format!("definition: {e}")))
}

pub(crate) fn find(db: &Connection, name: &str) -> Result<Option<Arc<Table>>> {
    let sql = format!("SELECT definition FROM {} WHERE name = ?1", catalog_of(name));
    let found: Option<String> = db.prepare_cached(&sql)?.query_row([name], |row| row.get(0)).optional()?;
    found.as_deref().map(parsed).transpose()
}

pub(crate) fn find_by_id(db: &Connection, id: i64) -> Result<Option<Arc<Table>>> {
    for catalog in [catalog_of("#"), catalog_of("")] {
        let sql = format!("SELECT definition FROM {catalog} WHERE object_id = ?1");
        let found: Option<String> = db.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
        if let Some(definition) = found {
            return parsed(&definition).map(Some);
        }
    }
    Ok(None)
}

/// All permanent tables, in order of their making.
pub(crate) fn all(db: &Connection) -> Result<Vec<Arc<Table>>> {
    let mut statement =
        db.prepare_cached("SELECT definition FROM main.\"sys.definition\" ORDER BY object_id")?;
    let found: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    found.iter().map(|d| parsed(d)).collect()
}

pub(crate) fn save(db: &Connection, table: &Table) -> Result<()> {
    let definition = serde_json::to_string(table).map_err(|e| Fail::refused(e.to_string()))?;
    let sql = format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2, ?3)", catalog_of(&table.name));
    db.execute(&sql, params![table.id, table.name, definition])?;
    if !table.is_temporary() {
        system::refresh(db, table)?;
    }
    Ok(())
}

pub(crate) fn remove(db: &Connection, table: &Table) -> Result<()> {
    db.execute(&format!("DELETE FROM {} WHERE object_id = ?1", catalog_of(&table.name)), [table.id])?;
    if !table.is_temporary() {
        system::forget(db, table.id)?;
    }
    Ok(())
}

/// The text of a default or a check as SQL Server gives it back: in parentheses, a number in two pairs.
pub(crate) fn normal(text: &str) -> Result<String> {
    let mut inner = text.trim();
    while let Some(stripped) = inner.strip_prefix('(').and_then(|s| s.strip_suffix(')')) {
        // Only parentheses that belong together come off.
        if parse::expression(stripped).is_err() {
            break;
        }
        inner = stripped.trim();
    }
    let number = inner.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    Ok(if number { format!("(({inner}))") } else { format!("({inner})") })
}
