//! Rows on their way into a target: those of documents, and those of other tables that are derived from them.

use std::collections::BTreeMap;

use crate::document::Value;
use crate::model::{NewId, NewLocal};
use crate::plan::Plan;
use crate::server::{Reader, Row, ServerError, Transaction};

use super::written::Written;
use crate::ops::import::request::error::ImportError;
use crate::ops::translate::{ContentColumn, Id, Layout, TranslateError};

/// How many rows are inserted together, and how many bytes, about.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 << 20;

/// The rows of the documents of one kind, with their derived rows by the tables of [`Layout::derived_rows`].
pub(in crate::ops) struct DocumentRows<'p> {
    pub own: Inserts<'p>,
    derived: Vec<(Vec<String>, Inserts<'p>)>,
}

impl<'p> DocumentRows<'p> {
    pub fn new(layout: &Layout<'_>, plan: &'p Plan) -> Self {
        let tables = layout.derived_rows.iter();
        let derived = tables.map(|table| (table.columns.clone(), Inserts::new(&table.table, plan)));
        Self { own: Inserts::new(&layout.table, plan), derived: derived.collect() }
    }

    /// Takes the derived rows of a document, by its number in the plan.
    pub fn derive(
        &mut self,
        transaction: &mut dyn Transaction,
        written: &mut Written,
        number: u64,
        rows: Vec<Vec<Row>>,
    ) -> Result<(), ImportError> {
        for ((columns, inserts), rows) in self.derived.iter_mut().zip(rows) {
            for row in rows {
                inserts.push(transaction, written, number, columns, row)?;
            }
        }
        Ok(())
    }

    /// Inserts all that wait.
    pub fn flush(
        &mut self,
        transaction: &mut dyn Transaction,
        written: &mut Written,
    ) -> Result<(), ImportError> {
        self.own.flush(transaction, written)?;
        self.derived.iter_mut().try_for_each(|(_, inserts)| inserts.flush(transaction, written))
    }
}

/// Rows waiting to be inserted together: they have the same columns.
pub(in crate::ops) struct Inserts<'p> {
    pub plan: &'p Plan,
    table: String,
    columns: Vec<String>,
    numbers: Vec<u64>,
    rows: Vec<Row>,
    weight: usize,
}

impl<'p> Inserts<'p> {
    fn new(table: &str, plan: &'p Plan) -> Self {
        let (columns, numbers, rows) = Default::default();
        Self { plan, table: table.to_owned(), columns, numbers, rows, weight: 0 }
    }

    /// Takes a row that belongs to a document, by its number in the plan.
    pub fn push(
        &mut self,
        transaction: &mut dyn Transaction,
        written: &mut Written,
        number: u64,
        columns: &[String],
        row: Row,
    ) -> Result<(), ImportError> {
        if columns != self.columns || self.rows.len() >= BATCH || self.weight > BATCH_BYTES {
            self.flush(transaction, written)?;
            self.columns = columns.to_vec();
        }
        self.weight += row.iter().map(Value::weight).sum::<usize>();
        self.numbers.push(number);
        self.rows.push(row);
        Ok(())
    }

    fn flush(&mut self, transaction: &mut dyn Transaction, written: &mut Written) -> Result<(), ImportError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        self.numbers.drain(..).for_each(|number| written.document(number));
        transaction
            .insert(&self.table, &columns, &self.rows)
            .map_err(|error| written.name(self.plan, error))?;
        self.rows.clear();
        self.weight = 0;
        Ok(())
    }
}

/// The largest numbers of columns that the model numbers, by table and column: read once, and counted on.
#[derive(Default)]
pub(in crate::ops) struct Numbers(BTreeMap<(String, String), i64>);

impl Numbers {
    /// Begins with the largest numbers of kinds of which documents are deleted: read before they are. No number of theirs
    /// is given out again, whether a server sends what is deleted at once or later.
    pub fn before_deletions<'l>(
        reader: &mut dyn Reader,
        kinds: impl Iterator<Item = &'l Layout<'l>>,
    ) -> Result<Self, ServerError> {
        let mut numbers = Self::default();
        for layout in kinds {
            if let Some(rule) = layout.kind.id.as_ref().filter(|rule| rule.new == NewId::Next) {
                numbers.last(reader, &layout.table, &rule.column)?;
            }
            for column in Self::columns(layout) {
                numbers.last(reader, &layout.table, &column.server)?;
            }
        }
        Ok(numbers)
    }

    /// The largest number of a column, or 0.
    pub fn last(&mut self, reader: &mut dyn Reader, table: &str, column: &str) -> Result<i64, ServerError> {
        let place = (table.to_lowercase(), column.to_lowercase());
        if let Some(last) = self.0.get(&place) {
            return Ok(*last);
        }
        let last = reader.max_int(table, column)?.unwrap_or(0);
        self.0.insert(place, last);
        Ok(last)
    }

    /// The columns that the model numbers, but those that the server numbers by itself.
    fn columns<'l>(layout: &'l Layout<'_>) -> impl Iterator<Item = &'l ContentColumn> {
        let rules = layout.kind.local.iter().filter(|rule| rule.new == NewLocal::Next);
        let found = rules.filter_map(|rule| layout.column(rule.at.column.as_deref()?));
        found.filter(|column| !column.identity)
    }

    /// Gives a new row its numbers, but in columns that the server numbers by itself.
    pub fn fill(
        &mut self,
        transaction: &mut dyn Transaction,
        layout: &Layout<'_>,
        columns: &mut Vec<String>,
        row: &mut Row,
    ) -> Result<(), ImportError> {
        for column in Self::columns(layout) {
            let last = self.last(transaction.reader(), &layout.table, &column.server)?;
            let next = last.checked_add(1).ok_or_else(|| TranslateError::Exhausted {
                kind: layout.kind.name.clone(),
                id: last.to_string(),
            })?;
            self.0.insert((layout.table.to_lowercase(), column.server.to_lowercase()), next);
            columns.push(column.server.clone());
            row.push(Value::Int(next));
        }
        Ok(())
    }
}

/// Deletes the derived rows of documents of the target, each by its number in the plan and its id.
pub(in crate::ops) fn delete_derived(
    transaction: &mut dyn Transaction,
    layout: &Layout<'_>,
    documents: &[(u64, Id)],
    plan: &Plan,
    written: &mut Written,
) -> Result<(), ImportError> {
    for table in layout.derived_rows.iter().filter(|_| !documents.is_empty()) {
        documents.iter().for_each(|(number, _)| written.document(*number));
        let keys: Vec<Vec<Value>> = documents.iter().map(|(_, id)| table.key(id, layout)).collect();
        transaction
            .delete_all(&table.table, &table.by(), &keys)
            .map_err(|error| written.name(plan, error))?;
    }
    Ok(())
}
