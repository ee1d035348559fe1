//! A transaction that becomes text.

use std::collections::BTreeMap;
use std::io::Write;

use crate::bundle::Bundle;
use crate::document::Value;
use crate::model::Model;
use crate::plan::Plan;
use crate::server::{Catalog, Column, ForeignKey, Lookup, Reader, Row, ServerError, Table, WriteError};

use super::batches::{About, Batches, Chunks};
use super::literal::{Variables, bracketed, keyed, message, speakable, spelled, unchanged};

/// As many updates look at their rows together.
pub(super) const UPDATES: usize = 256;

/// How tables are named, and which of their columns refer in circles.
pub(super) struct Names {
    pub(super) schema: String,
    /// Table and column, in lower case.
    pub(super) circular: Vec<(String, String)>,
}

impl Names {
    pub(super) fn table(&self, table: &Table) -> String {
        format!("{}.{}", bracketed(&self.schema), bracketed(&table.name))
    }

    pub(super) fn waits(&self, table: &Table, column: &Column) -> bool {
        let key = (table.name.to_lowercase(), column.name.to_lowercase());
        column.nullable && self.circular.contains(&key)
    }
}

/// The columns of foreign keys from which a way leads back to their table.
pub(super) fn circular(catalog: &Catalog) -> Vec<(String, String)> {
    let leads_to = |key: &ForeignKey, goal: &str| {
        let (mut seen, mut open): (Vec<String>, Vec<&str>) = (Vec::new(), vec![&key.to]);
        while let Some(name) = open.pop() {
            if name.eq_ignore_ascii_case(goal) {
                return true;
            }
            if seen.iter().any(|s| s.eq_ignore_ascii_case(name)) {
                continue;
            }
            seen.push(name.to_owned());
            let next = catalog.table(name).map(|table| table.foreign_keys.as_slice());
            open.extend(next.unwrap_or_default().iter().map(|key| key.to.as_str()));
        }
        false
    };
    let mut found = Vec::new();
    for table in &catalog.tables {
        for key in table.foreign_keys.iter().filter(|key| leads_to(key, &table.name)) {
            found.extend(key.columns.iter().map(|c| (table.name.to_lowercase(), c.to_lowercase())));
        }
    }
    found
}

/// Updates of one kind whose rows have yet to be looked at.
pub(super) struct Waiting {
    pub(super) table: String,
    pub(super) by: Vec<String>,
    pub(super) columns: Vec<String>,
    /// The number of each write, its key, and its row.
    pub(super) rows: Vec<(u64, Vec<Value>, Row)>,
}

/// A transaction that becomes text.
pub(super) struct Scripting<'r> {
    pub(super) reader: &'r mut dyn Reader,
    pub(super) names: Names,
    pub(super) catalog: Catalog,
    /// What must hold before anything is written.
    pub(super) guards: Chunks,
    /// Deletions.
    pub(super) gone: Chunks,
    /// Updates that refer to nothing new.
    pub(super) early: Chunks,
    /// Inserts by table.
    pub(super) inserts: BTreeMap<String, Chunks>,
    /// What needs the rows that are inserted.
    pub(super) late: Chunks,
    pub(super) waiting: Option<Waiting>,
    pub(super) written: u64,
}

impl Scripting<'_> {
    pub(super) fn columns<'c>(table: &'c Table, names: &[&str]) -> Result<Vec<&'c Column>, ServerError> {
        let find = |name: &&str| {
            let missing = || ServerError::NoColumn { table: table.name.clone(), column: (*name).to_owned() };
            let column = table.column(name).ok_or_else(missing)?;
            speakable("column", &column.name).map(|()| column)
        };
        names.iter().map(find).collect()
    }

    pub(super) fn table(catalog: &Catalog, name: &str) -> Result<Table, ServerError> {
        let table = catalog.table(name).ok_or_else(|| ServerError::NoTable(name.to_owned()))?;
        speakable("table", &table.name).map(|()| table.clone())
    }

    pub(super) fn insert_row(
        &mut self,
        table: &Table,
        columns: &[&Column],
        row: &Row,
    ) -> Result<(), ServerError> {
        let (mut before, mut variables) = (String::new(), Variables::default());
        let (mut names, mut values, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for (column, value) in columns.iter().copied().zip(row) {
            if column.kind == crate::server::ColumnType::RowVersion {
                continue;
            }
            names.push(bracketed(&column.name));
            if self.names.waits(table, column) && !value.is_null() {
                values.push("NULL".to_owned());
                late.push((column, value));
            } else {
                values.push(spelled(table, column, value, &mut variables, &mut before)?);
            }
        }
        let name = self.names.table(table);
        let insert =
            format!("INSERT INTO {name} ({})\n  VALUES ({});\n", names.join(", "), values.join(", "));
        let numbered = columns.iter().any(|column| column.identity);
        let text = match numbered {
            true => {
                format!("{before}SET IDENTITY_INSERT {name} ON;\n{insert}SET IDENTITY_INSERT {name} OFF;\n")
            }
            false => format!("{before}{insert}"),
        };
        let chunks = match self.inserts.entry(table.name.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Chunks::new()?),
        };
        chunks.push(&text)?;
        if late.is_empty() {
            return Ok(());
        }
        let (mut before, mut variables) = (String::new(), Variables::default());
        let mut set = Vec::new();
        for (column, value) in late {
            let value = spelled(table, column, value, &mut variables, &mut before)?;
            set.push(format!("{} = {value}", bracketed(&column.name)));
        }
        let mut key = Vec::new();
        for name in &table.primary_key {
            let at = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
            let Some((column, value)) = at.and_then(|at| Some((columns.get(at)?, row.get(at)?))) else {
                continue;
            };
            let value = spelled(table, column, value, &mut variables, &mut before)?;
            key.push(format!("{} = {value}", bracketed(&column.name)));
        }
        let text = format!("{before}UPDATE {name} SET {}\n  WHERE {};\n", set.join(", "), key.join(" AND "));
        self.late.push(&text)
    }

    /// Looks at the rows of the updates that wait, and spells them.
    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        let Some(Waiting { table, by, columns, rows }) = self.waiting.take() else { return Ok(()) };
        let table = Self::table(&self.catalog, &table)?;
        let by_names: Vec<&str> = by.iter().map(String::as_str).collect();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let keys: Vec<Vec<Value>> = rows.iter().map(|(_, key, _)| key.clone()).collect();
        let mut old: Vec<Vec<Row>> = vec![Vec::new(); keys.len()];
        let lookup = Lookup { table: &table.name, columns: &names, by: &by_names, keys: &keys };
        self.reader.lookup(&lookup, &mut |at, row| {
            if let Some(found) = old.get_mut(at) {
                found.push(row);
            }
        })?;
        for ((write, key, row), old) in rows.into_iter().zip(old) {
            let wrong = |reason: &str| WriteError {
                write: Some(write),
                source: ServerError::Constraint { table: table.name.clone(), reason: reason.to_owned() },
            };
            let [old] = old.as_slice() else {
                return Err(wrong(if old.is_empty() {
                    "no row has the key"
                } else {
                    "several rows have the key"
                }));
            };
            self.update_row(&table, &by_names, &key, &names, &row, old)
                .map_err(|source| WriteError { write: Some(write), source })?;
        }
        Ok(())
    }

    pub(super) fn update_row(
        &mut self,
        table: &Table,
        by: &[&str],
        key: &[Value],
        names: &[&str],
        row: &Row,
        old: &Row,
    ) -> Result<(), ServerError> {
        let (mut before, mut variables) = (String::new(), Variables::default());
        let columns = Self::columns(table, names)?;
        let (mut set, mut same) = (Vec::new(), Vec::new());
        for ((column, new), old) in columns.iter().copied().zip(row).zip(old) {
            if column.kind == crate::server::ColumnType::RowVersion {
                continue;
            }
            // What stays as it is need not be written, but it must be as it was.
            if new != old {
                let value = spelled(table, column, new, &mut variables, &mut before)?;
                set.push(format!("{} = {value}", bracketed(&column.name)));
            }
            let value = spelled(table, column, old, &mut variables, &mut before)?;
            same.push(unchanged(column, old, &value));
        }
        if set.is_empty() {
            return Ok(());
        }
        let found = keyed(table, &Self::columns(table, by)?, key, &mut variables, &mut before)?;
        let message = moved(table, key);
        let text = format!(
            "{before}UPDATE {} SET\n    {}\n  WHERE {}\n    AND {};\nIF @@ROWCOUNT <> 1 THROW 50000, {message}, 1;\n",
            self.names.table(table),
            set.join(",\n    "),
            found.join(" AND "),
            same.join("\n    AND ")
        );
        let refers = |column: &&Column| {
            let has = |key: &ForeignKey| key.columns.iter().any(|c| c.eq_ignore_ascii_case(&column.name));
            table.foreign_keys.iter().any(has)
        };
        if columns.iter().any(refers) { self.late.push(&text) } else { self.early.push(&text) }
    }

    /// Spells a deletion, of a row that is as it was in every column.
    pub(super) fn delete_row(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), ServerError> {
        let table = Self::table(&self.catalog, table)?;
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let keys = [key.to_vec()];
        let lookup = Lookup { table: &table.name, columns: &names, by, keys: &keys };
        let mut rows = Vec::new();
        self.reader.lookup(&lookup, &mut |_, row| rows.push(row))?;
        let [old] = rows.as_slice() else {
            let reason = if rows.is_empty() { "no row has the key" } else { "several rows have the key" };
            return Err(ServerError::Constraint { table: table.name.clone(), reason: reason.to_owned() });
        };
        let (mut before, mut variables) = (String::new(), Variables::default());
        let mut same = keyed(&table, &Self::columns(&table, by)?, key, &mut variables, &mut before)?;
        for (column, old) in Self::columns(&table, &names)?.into_iter().zip(old) {
            if column.kind != crate::server::ColumnType::RowVersion {
                let value = spelled(&table, column, old, &mut variables, &mut before)?;
                same.push(unchanged(column, old, &value));
            }
        }
        let (name, message) = (self.names.table(&table), moved(&table, key));
        let same = same.join("\n    AND ");
        self.gone.push(&format!(
            "{before}DELETE FROM {name}\n  WHERE {same};\nIF @@ROWCOUNT <> 1 THROW 50000, {message}, 1;\n"
        ))
    }

    /// Spells the deletion of all rows that have a key, however many these are by then.
    pub(super) fn delete_rows(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), ServerError> {
        let table = Self::table(&self.catalog, table)?;
        let (mut before, mut variables) = (String::new(), Variables::default());
        let found = keyed(&table, &Self::columns(&table, by)?, key, &mut variables, &mut before)?;
        let (name, found) = (self.names.table(&table), found.join(" AND "));
        self.gone.push(&format!("{before}DELETE FROM {name}\n  WHERE {found};\n"))
    }

    /// Writes the script.
    pub(super) fn assemble(
        self,
        bundle: &Bundle,
        model: &Model,
        plan: &Plan,
        about: &About,
        out: &mut dyn Write,
    ) -> std::io::Result<u64> {
        let mut batches = Batches::begin(out, bundle, model, plan, about)?;
        self.guards.each(&mut |text| batches.look(text))?;
        self.gone.each(&mut |text| batches.statement(text))?;
        self.early.each(&mut |text| batches.statement(text))?;
        let mut inserts = self.inserts;
        let mut open: Vec<&Table> = self.catalog.tables.iter().collect();
        while !open.is_empty() {
            let free = |table: &&Table| {
                let waits = |key: &ForeignKey| {
                    !key.to.eq_ignore_ascii_case(&table.name)
                        && open.iter().any(|other| other.name.eq_ignore_ascii_case(&key.to))
                        && !key
                            .columns
                            .iter()
                            .all(|c| table.column(c).is_some_and(|column| self.names.waits(table, column)))
                };
                !table.foreign_keys.iter().any(waits)
            };
            let at = open.iter().position(free).unwrap_or(0);
            let table = open.remove(at);
            if let Some(chunks) = inserts.remove(&table.name) {
                chunks.each(&mut |text| batches.statement(text))?;
            }
        }
        self.late.each(&mut |text| batches.statement(text))?;
        batches.end()
    }
}

/// What a script says of a row that is not as it was.
fn moved(table: &Table, key: &[Value]) -> String {
    let shown: Vec<String> = key.iter().map(shown).collect();
    let shown: String = shown.join(", ").chars().take(200).collect();
    message(&format!("{} {shown} has changed since this script was made", table.name))
}

/// A key in a message: ids and names, on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Number(text) => text.to_string(),
        _ => String::from("?"),
    }
}
