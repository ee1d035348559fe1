//! What SQLite will judge at commit, judged beforehand: the foreign keys of the tables written to.

use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;

use super::fault::fault;
use super::schema::{Schema, foreign_key};
use crate::server::{ServerError, Table};

/// A row that refers to nothing: its row number, where the table has such, and SQLite's number of the key.
type Orphan = (Option<i64>, i64);

/// The rows that referred to nothing before this transaction wrote, by table. They are not its fault, and
/// SQLite lets them be.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    before: BTreeMap<String, Before>,
    /// The tables that deletions were noted for.
    deleted: HashSet<String>,
}

#[derive(Debug, Default)]
struct Before {
    rows: HashSet<Orphan>,
    /// How many there are in a table whose rows have no number.
    unnumbered: usize,
}

impl Orphans {
    /// Notes the orphans of a table and of those that refer to it, before it is first written to. Costs one
    /// pass over them, and nothing where there are no foreign keys.
    pub(super) fn note(
        &mut self,
        schema: &Schema,
        connection: &Connection,
        written: &str,
    ) -> Result<(), ServerError> {
        let is_written = |name: &str| name.eq_ignore_ascii_case(written);
        for table in schema.catalog.tables.iter().filter(|table| !table.foreign_keys.is_empty()) {
            let refers = table.foreign_keys.iter().any(|key| is_written(&key.to));
            if !(refers || is_written(&table.name)) || self.before.contains_key(&table.name) {
                continue;
            }
            let mut before = Before::default();
            each(connection, table, &mut |orphan| {
                match orphan.0 {
                    Some(_) => {
                        before.rows.insert(orphan);
                    }
                    None => before.unnumbered += 1,
                }
                false
            })?;
            self.before.insert(table.name.clone(), before);
        }
        Ok(())
    }

    /// Notes the same before rows of a table are first deleted. A deletion may take rows of other tables along,
    /// to which others refer again.
    pub(super) fn note_deletion(
        &mut self,
        schema: &Schema,
        connection: &Connection,
        table: &str,
    ) -> Result<(), ServerError> {
        let mut waiting = vec![table.to_owned()];
        while let Some(name) = waiting.pop() {
            if !self.deleted.insert(name.clone()) {
                continue;
            }
            self.note(schema, connection, &name)?;
            for table in &schema.catalog.tables {
                let refers = table.foreign_keys.iter().any(|key| key.to.eq_ignore_ascii_case(&name));
                if refers && cascades(connection, table, &name)? {
                    waiting.push(table.name.clone());
                }
            }
        }
        Ok(())
    }

    /// Looks for rows that refer to nothing and did not do so before.
    ///
    /// # Errors
    /// [`ServerError::Constraint`] naming the table, the columns and the table referred to.
    pub(super) fn check(&self, schema: &Schema, connection: &Connection) -> Result<(), ServerError> {
        for (name, before) in &self.before {
            let table = schema.table(name)?;
            let mut unnumbered = before.unnumbered;
            let new = each(connection, table, &mut |orphan| match (orphan.0, unnumbered.checked_sub(1)) {
                (Some(_), _) => !before.rows.contains(&orphan),
                (None, Some(rest)) => {
                    unnumbered = rest;
                    false
                }
                (None, None) => true,
            })?;
            let Some((_, number)) = new else { continue };
            let reason = match foreign_key(table, number) {
                Some(key) => {
                    format!("FOREIGN KEY constraint on {} finds no row in {}", key.columns.join(", "), key.to)
                }
                None => "FOREIGN KEY constraint".to_owned(),
            };
            return Err(ServerError::Constraint { table: name.clone(), reason });
        }
        Ok(())
    }
}

/// Whether rows of a table are deleted with those they refer to in the other.
fn cascades(connection: &Connection, table: &Table, to: &str) -> Result<bool, ServerError> {
    let find = || {
        let mut statement = connection.prepare_cached(
            "SELECT 1 FROM pragma_foreign_key_list(?1, 'main')
             WHERE \"table\" = ?2 COLLATE NOCASE AND on_delete = 'CASCADE'",
        )?;
        statement.exists([table.name.as_str(), to])
    };
    find().map_err(|error| fault(&format!("checking {}", table.name), &table.name, error))
}

/// Returns the first orphan that `wanted` says yes to.
fn each(
    connection: &Connection,
    table: &Table,
    wanted: &mut dyn FnMut(Orphan) -> bool,
) -> Result<Option<Orphan>, ServerError> {
    let mut find = || {
        let mut statement =
            connection.prepare_cached("SELECT rowid, fkid FROM pragma_foreign_key_check(?1, 'main')")?;
        let mut rows = statement.query([&table.name])?;
        while let Some(row) = rows.next()? {
            let orphan = (row.get(0)?, row.get(1)?);
            if wanted(orphan) {
                return Ok(Some(orphan));
            }
        }
        Ok(None)
    };
    find().map_err(|error| fault(&format!("checking {}", table.name), &table.name, error))
}
