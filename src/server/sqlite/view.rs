//! One consistent state of the file, as a reader.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row as SqliteRow};

use super::bind;
use super::connect::abandon;
use super::fault::fault;
use super::pass::Passes;
use super::schema::{Field, Schema};
use crate::document::Value;
use crate::server::{Catalog, ColumnType, Lookup, Page, Reader, Row, ServerError, UniqueSet};

/// A table, and the columns that order its pages.
pub(super) type Ordered = (String, Vec<String>);

/// The values of a page's last row in the columns that order it: as they were handed out, and as the table has
/// them.
pub(super) struct End {
    pub(super) given: Row,
    pub(super) written: Row,
    /// Which of them are text that is not UTF-8: bytes sort elsewhere.
    pub(super) malformed: Vec<bool>,
}

/// A transaction of the connection, seen as a reader. Dropped, it ends the transaction.
pub(super) struct View<'a> {
    pub(super) connection: &'a Connection,
    pub(super) schema: Rc<Schema>,
    address: &'a str,
    pub(super) rows_read: u64,
    /// Where pages ended whose order has other spellings than the rows handed out.
    pub(super) ends: HashMap<Ordered, End>,
    /// What passes over tables have found out about their rows.
    pub(super) passes: Passes,
}

impl<'a> View<'a> {
    /// Takes over the transaction that the connection has begun.
    pub(super) fn new(connection: &'a Connection, schema: Rc<Schema>, address: &'a str) -> Self {
        Self { connection, schema, address, rows_read: 0, ends: HashMap::new(), passes: Passes::default() }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        abandon(self.connection);
    }
}

impl Reader for View<'_> {
    fn address(&self) -> &str {
        self.address
    }

    fn catalog(&self) -> &Catalog {
        &self.schema.catalog
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        super::page::page(self, page)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        super::lookup::lookup(self, lookup, max_bytes, see)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        let table = &self.schema.table(table)?.name;
        let sql = format!("SELECT count(*) FROM {}", quoted(table));
        let count: i64 =
            self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| reading(table, error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        let fields = self.schema.fields(table, &[column])?;
        let Some(field) = fields.first() else { return Ok(None) };
        let (table, column) = (&field.table.name, quoted(&field.column.name));
        let largest = |filter: &str| {
            let sql = format!("SELECT max({column}) FROM {}{filter}", quoted(table));
            self.connection
                .query_row(&sql, [], |row| Ok(row.get_ref(0)?.as_i64_or_null().ok()))
                .optional()
                .map_err(|error| reading(table, error))
        };
        // An index answers the first; only a column that holds other things as well needs the second.
        match largest("")?.flatten() {
            Some(answer) => Ok(answer),
            None => Ok(largest(&format!(" WHERE typeof({column}) = 'integer'"))?.flatten().flatten()),
        }
    }

    fn unique_sets(&self, table: &str) -> Vec<UniqueSet> {
        self.schema.unique_sets(table).to_vec()
    }

    fn misfits(
        &self,
        table: &str,
        columns: &[&str],
        values: &[Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        let fields = self.schema.fields(table, columns)?;
        let values = fields.iter().zip(values).enumerate().filter(|(_, (_, value))| !value.is_null());
        Ok(values.filter_map(|(at, (field, value))| Some((at, bind::store(field, value).err()?))).collect())
    }

    fn rows_read(&self) -> u64 {
        self.rows_read
    }
}

/// The list of columns for SELECT. What the server writes itself is never read.
pub(super) fn selected(fields: &[Field<'_>]) -> String {
    if fields.is_empty() {
        return "NULL".to_owned();
    }
    let name = |field: &Field<'_>| match field.column.kind {
        ColumnType::RowVersion => "NULL".to_owned(),
        _ => quoted(&field.column.name),
    };
    fields.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The first columns of a row, as values.
pub(super) fn values(fields: &[Field<'_>], row: &SqliteRow<'_>) -> Result<Row, ServerError> {
    each(fields, row, 0, bind::read)
}

/// The columns of a row from a position on, as values to be compared with the columns.
pub(super) fn written(fields: &[Field<'_>], row: &SqliteRow<'_>, from: usize) -> Result<Row, ServerError> {
    each(fields, row, from, bind::as_written)
}

fn each(
    fields: &[Field<'_>],
    row: &SqliteRow<'_>,
    from: usize,
    read: fn(&Field<'_>, ValueRef<'_>) -> Result<Value, ServerError>,
) -> Result<Row, ServerError> {
    let value = |(index, field): (usize, &Field<'_>)| {
        let value = row.get_ref(from + index).map_err(|error| reading(&field.table.name, error))?;
        read(field, value)
    };
    fields.iter().enumerate().map(value).collect()
}

/// A name as SQL takes it. The names given are those of real tables and columns, so that SQLite never takes
/// one for text.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The error of a read.
pub(super) fn reading(table: &str, error: rusqlite::Error) -> ServerError {
    fault(&format!("reading {table}"), table, error)
}
