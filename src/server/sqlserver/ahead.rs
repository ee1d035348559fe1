//! Small tables that will be read, read together: between two sites each request may take longer than its rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::fault::Doing;
use super::malformed;
use super::schema::quoted;
use super::spool::{Spool, Unspool};
use super::values::{self, Reading};
use super::view::{View, selected};
use crate::server::{Page, ServerError};

/// As many rows has a table that is read with others.
const SMALL: u64 = 500;
/// As many rows do they have together.
const TOGETHER: u64 = 2_000;
/// How many bytes of each stay in memory.
const IN_MEMORY: usize = 64 << 10;

/// A table that will be read from its beginning.
#[derive(PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    pub(super) order: Vec<String>,
}

impl Expected {
    fn of(page: &Page<'_>) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self { table: page.table.to_owned(), columns: names(page.columns), order: names(page.order) }
    }
}

/// What is known of tables before they are read.
#[derive(Default)]
pub(super) struct Ahead {
    /// How many rows tables have, by name.
    counts: HashMap<String, u64>,
    /// What will be read, in that order.
    expected: Vec<Expected>,
    /// What was read already.
    read: Vec<(Expected, Unspool)>,
}

impl Ahead {
    /// How many rows a table has, where that was asked in this state.
    pub(super) fn count(&self, table: &str) -> Option<u64> {
        self.counts.get(table).copied()
    }
}

impl View<'_> {
    /// Counts the rows of tables and keeps the numbers; then their reading is expected. See
    /// [`Reader::expect`](crate::server::Reader::expect).
    pub(super) fn look_ahead(&mut self, pages: &[Page<'_>]) -> Result<(), ServerError> {
        self.free()?;
        let schema = Arc::clone(&self.schema);
        let mut tables: Vec<&str> = Vec::new();
        for page in pages {
            let name = schema.table(page.table)?.name.as_str();
            if self.ahead.count(name).is_none() && !tables.contains(&name) {
                tables.push(name);
            }
        }
        if !tables.is_empty() {
            let mut sql = Vec::with_capacity(tables.len());
            for table in &tables {
                sql.push(format!("SELECT COUNT_BIG(*) FROM {}", schema.qualified(schema.table(table)?)));
            }
            let what = reading(&tables);
            let table = tables.first().copied().unwrap_or_default();
            let doing = Doing { what: &what, address: &self.address, table, schema: Some(&schema) };
            for row in self.connection.batch(&doing, &sql.join(";\n"))? {
                let count =
                    row.try_get::<i64, _>(0).ok().flatten().and_then(|count| u64::try_from(count).ok());
                if let (Some(table), Some(count)) = (tables.get(row.result_index()), count) {
                    self.ahead.counts.insert((*table).to_owned(), count);
                }
            }
        }
        self.ahead.expected = pages.iter().map(Expected::of).collect();
        self.ahead.read.clear();
        Ok(())
    }

    /// The rows of an expected table, where it was read, or can be now, together with others. `None` where it is to be
    /// read by itself.
    pub(super) fn read_ahead(&mut self, page: &Page<'_>) -> Result<Option<Unspool>, ServerError> {
        let wanted = Expected::of(page);
        let known = |view: &Self| view.ahead.read.iter().position(|(read, _)| *read == wanted);
        if known(self).is_none() {
            let Some(at) = self.ahead.expected.iter().position(|expected| *expected == wanted) else {
                return Ok(None);
            };
            // What was passed over is not waited for.
            self.ahead.expected.drain(..at);
            self.read_together()?;
        }
        Ok(known(self).map(|at| self.ahead.read.remove(at).1))
    }

    /// Reads the next of the expected tables, as far as they are small.
    fn read_together(&mut self) -> Result<(), ServerError> {
        let schema = Arc::clone(&self.schema);
        let (mut most, mut together) = (TOGETHER, 0);
        for expected in &self.ahead.expected {
            let rows = self.ahead.count(&schema.table(&expected.table)?.name);
            let Some(rest) = rows.filter(|rows| *rows <= SMALL).and_then(|rows| most.checked_sub(rows))
            else {
                break;
            };
            (most, together) = (rest, together + 1);
        }
        if together < 2 {
            return Ok(());
        }
        self.free()?;
        let tables: Vec<Expected> = self.ahead.expected.drain(..together).collect();
        let (mut sql, mut readings, mut spools) = (Vec::new(), Vec::new(), Vec::new());
        for Expected { table, columns, order } in &tables {
            let columns: Vec<&str> = columns.iter().chain(order).map(String::as_str).collect();
            let fields = schema.fields(table, &columns)?;
            let by: Vec<String> = order.iter().map(|name| format!("t.{}", quoted(name))).collect();
            let table = schema.qualified(schema.table(table)?);
            let order = by.join(", ");
            sql.push(format!("SELECT {} FROM {table} AS t ORDER BY {order}", selected(&fields, "t")?));
            readings.push(fields.iter().map(Reading::of).collect::<Vec<_>>());
            spools.push(Spool::within(IN_MEMORY));
        }
        let names: Vec<&str> = tables.iter().map(|expected| expected.table.as_str()).collect();
        let what = reading(&names);
        let table = names.first().copied().unwrap_or_default();
        let doing = Doing { what: &what, address: &self.address, table, schema: Some(&schema) };
        let disk = |error| ServerError::Failed { doing: what.clone(), source: Box::new(error) };
        let read = self.connection.rows(&doing, &sql.join(";\n"), Vec::new(), &mut |row| {
            let at = row.result_index();
            if let (Some(readings), Some(spool)) = (readings.get(at), spools.get_mut(at)) {
                spool.push(0, &values::row(readings, 0, row)?).map_err(disk)?;
            }
            Ok(())
        });
        read.map_err(|error| {
            tables.iter().fold(error, |error, Expected { table, columns, order }| {
                let columns: Vec<&str> = columns.iter().chain(order).map(String::as_str).collect();
                malformed::named(self.connection, &schema, table, &columns, error)
            })
        })?;
        for (expected, spool) in tables.into_iter().zip(spools) {
            self.ahead.read.push((expected, spool.read().map_err(disk)?));
        }
        Ok(())
    }
}

/// What is being done, for messages: "reading Space, Project".
pub(super) fn reading(tables: &[&str]) -> String {
    format!("reading {}", tables.join(", "))
}
