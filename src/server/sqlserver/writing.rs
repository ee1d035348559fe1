//! The one writing transaction: writes are put aside here, and sent by [`flush`](super::flush).

use std::borrow::Cow;
use std::sync::Arc;

use super::address::SqlServerAddress;
use super::connect::Connection;
use super::fault::Doing;
use super::flush::{Flush, Steps};
use super::schema::Field;
use super::settle::Witness;
use super::spool::{Spool, Unspool};
use super::values;
use super::view::View;
use crate::document::Value;
use crate::progress::StopRequest;
use crate::server::{Catalog, Lookup, Page, Reader, Row, ServerError, Transaction, UniqueSet, WriteError};

/// A transaction under way; its view rolls it back when dropped.
pub(super) struct Writing<'a> {
    view: View<'a>,
    address: &'a SqlServerAddress,
    shapes: Vec<Shape>,
    /// How many writes there were.
    written: u64,
    witness: Option<Witness>,
}

/// Writes of one kind: the same table and columns.
pub(super) struct Shape {
    pub(super) table: String,
    pub(super) act: Act,
    pub(super) columns: Vec<String>,
    /// The rows, those of an update with the key first.
    pub(super) rows: Rows,
    pub(super) count: u64,
}

/// What is done with rows.
#[derive(PartialEq)]
pub(super) enum Act {
    Insert,
    /// With the columns that find the row.
    Update(Vec<String>),
    /// The same; there are no other columns.
    Delete(Vec<String>),
    /// The same for any number of rows of each key.
    DeleteAll(Vec<String>),
}

impl Act {
    /// The columns that find the row.
    pub(super) fn by(&self) -> &[String] {
        match self {
            Act::Insert => &[],
            Act::Update(by) | Act::Delete(by) | Act::DeleteAll(by) => by,
        }
    }
}

/// Rows put aside: first written, then read, perhaps several times.
pub(super) enum Rows {
    In(Spool),
    Out(Unspool),
    /// Lost to an error of the disk.
    Gone,
}

impl Shape {
    /// Reads the rows from the beginning.
    pub(super) fn read(&mut self) -> Result<&mut Unspool, ServerError> {
        let disk = |error| ServerError::Failed {
            doing: format!("putting rows of {} aside", self.table),
            source: Box::new(error),
        };
        let rows = match std::mem::replace(&mut self.rows, Rows::Gone) {
            Rows::In(spool) => spool.read().map_err(disk)?,
            Rows::Out(rows) => rows.rewind(self.count).map_err(disk)?,
            Rows::Gone => return Err(disk(std::io::Error::other("they were lost"))),
        };
        self.rows = Rows::Out(rows);
        match &mut self.rows {
            Rows::Out(rows) => Ok(rows),
            _ => Err(disk(std::io::Error::other("they were lost"))),
        }
    }
}

impl<'a> Writing<'a> {
    /// Takes over the transaction that the view's connection has begun.
    pub(super) fn new(view: View<'a>, address: &'a SqlServerAddress) -> Self {
        Self { view, address, shapes: Vec::new(), written: 0, witness: None }
    }

    /// Puts one write aside, after a look at whether the columns can hold it.
    fn put(&mut self, shape: usize, fields: &[Field<'_>], row: &Row) -> Result<(), ServerError> {
        let Some(shape) = self.shapes.get_mut(shape) else { return Ok(()) };
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ServerError::Failed {
            doing: format!("writing {}", shape.table),
            source,
        };
        if row.len() != fields.len() {
            return Err(failed("a row has another number of values than there are columns".into()));
        }
        for (field, value) in fields.iter().zip(row) {
            values::staged(field, value)?;
        }
        let Rows::In(spool) = &mut shape.rows else { return Err(failed("its rows were lost".into())) };
        spool.push(self.written, row).map_err(|error| failed(error.into()))?;
        shape.count = spool.len();
        Ok(())
    }

    /// The place for writes of one kind.
    fn shape(&mut self, table: &str, act: Act, columns: &[&str]) -> usize {
        let same = |shape: &Shape| {
            let columns = columns.iter().copied();
            shape.table == table && shape.act == act && shape.columns.iter().map(String::as_str).eq(columns)
        };
        if let Some(found) = self.shapes.iter().position(same) {
            return found;
        }
        self.shapes.push(Shape {
            table: table.to_owned(),
            act,
            columns: owned(columns),
            rows: Rows::In(Spool::new()),
            count: 0,
        });
        self.shapes.len() - 1
    }

    /// Puts a write of a row that is found by a key aside.
    fn put_keyed(
        &mut self,
        table: &str,
        act: Act,
        key: &[Value],
        columns: &[&str],
        row: &[Value],
    ) -> Result<(), WriteError> {
        let schema = Arc::clone(&self.view.schema);
        let write = Some(self.written);
        let at = |source| WriteError { write, source };
        let by: Vec<&str> = act.by().iter().map(String::as_str).collect();
        let mut fields = schema.fields(table, &by).map_err(at)?;
        fields.extend(schema.fields(table, columns).map_err(at)?);
        let name = &schema.table(table)?.name;
        if key.len() != by.len() || by.is_empty() {
            let source = "the key has another number of values than the columns compared".into();
            return Err(at(ServerError::Failed { doing: format!("writing {name}"), source }));
        }
        let shape = self.shape(name, act, columns);
        let all: Row = key.iter().chain(row).cloned().collect();
        self.put(shape, &fields, &all).map_err(at)?;
        self.written += 1;
        Ok(())
    }

    /// Sends what was put aside.
    fn flush(&mut self) -> Result<(), WriteError> {
        if self.shapes.is_empty() {
            self.view.free()?;
            return Ok(());
        }
        self.view.forget()?;
        let mut shapes = std::mem::take(&mut self.shapes);
        let schema = Arc::clone(&self.view.schema);
        let steps = Steps::of(&schema, &shapes, false);
        let mut witness = Witness::choose(&schema, &mut shapes)?;
        if let Some(witness) = &mut witness {
            witness.see_before(&mut self.view)?;
        }
        let mut flush = Flush::new(self.view.connection, &schema);
        if let Err(error) = flush.all(&steps, &mut shapes) {
            // Some of the writes are there and some are not: nothing of it may be committed.
            self.view.connection.abandon();
            return Err(self.diagnose(&mut shapes, error));
        }
        if let Some(witness) = &mut witness {
            witness.see_after(&mut self.view)?;
        }
        self.witness = witness.or(self.witness.take());
        Ok(())
    }

    /// Finds out which write it was that the server refused: on a new connection, where everything is tried
    /// again and taken back.
    fn diagnose(&mut self, shapes: &mut [Shape], error: WriteError) -> WriteError {
        if error.write.is_some() || !matches!(error.source, ServerError::Constraint { .. }) {
            return error;
        }
        let schema = Arc::clone(&self.view.schema);
        let mut again = || -> Result<Option<(u64, ServerError)>, ServerError> {
            let mut connection = Connection::open(self.address)?;
            super::begin(&mut connection, self.address.lock_timeout, "OFF")?;
            connection.forgiving = true;
            let mut flush = Flush::new(&mut connection, &schema);
            let found = flush.find(&Steps::of(&schema, shapes, true), shapes, &error.source);
            // Dropped with the connection; said so that the lock is free at once.
            let doing = Doing { what: "rolling back", address: "", table: "", schema: None };
            if connection.is_alive() {
                connection.batch(&doing, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")?;
            }
            found
        };
        match again() {
            Ok(Some((write, source))) => WriteError { write: Some(write), source },
            // What cannot be repeated stays without a name.
            _ => error,
        }
    }
}

impl Reader for Writing<'_> {
    fn address(&self) -> &str {
        self.view.address()
    }

    fn catalog(&self) -> &Catalog {
        self.view.catalog()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        self.view.page(page)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        self.view.lookup_some(lookup, max_bytes, see)
    }

    fn lookups(
        &mut self,
        lookups: &[Lookup<'_>],
        see: &mut dyn FnMut(usize, usize, Row),
    ) -> Result<(), ServerError> {
        self.view.lookups(lookups, see)
    }

    fn expect(&mut self, pages: &[Page<'_>]) -> Result<(), ServerError> {
        self.view.expect(pages)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.view.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.view.max_int(table, column)
    }

    fn collects_writes(&self) -> bool {
        true
    }

    fn unique_sets(&self, table: &str) -> Vec<UniqueSet> {
        self.view.unique_sets(table)
    }

    fn misfits(
        &self,
        table: &str,
        columns: &[&str],
        values: &[Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        self.view.misfits(table, columns, values)
    }

    fn rows_read(&self) -> u64 {
        self.view.rows_read()
    }
}

impl Transaction for Writing<'_> {
    fn reader(&mut self) -> &mut dyn Reader {
        self
    }

    fn insert(&mut self, table: &str, columns: &[&str], rows: &[Row]) -> Result<(), WriteError> {
        let schema = Arc::clone(&self.view.schema);
        let at = |source| WriteError { write: Some(self.written), source };
        let fields = schema.fields(table, columns).map_err(at)?;
        let shape = self.shape(&schema.table(table)?.name, Act::Insert, columns);
        for row in rows {
            let put = self.put(shape, &fields, row);
            put.map_err(|source| WriteError { write: Some(self.written), source })?;
            self.written += 1;
        }
        Ok(())
    }

    fn update(
        &mut self,
        table: &str,
        by: &[&str],
        key: &[Value],
        columns: &[&str],
        row: &Row,
    ) -> Result<(), WriteError> {
        self.put_keyed(table, Act::Update(owned(by)), key, columns, row)
    }

    fn delete(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), WriteError> {
        self.put_keyed(table, Act::Delete(owned(by)), key, &[], &[])
    }

    fn delete_all(&mut self, table: &str, by: &[&str], keys: &[Vec<Value>]) -> Result<(), WriteError> {
        for key in keys {
            self.put_keyed(table, Act::DeleteAll(owned(by)), key, &[], &[])?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), WriteError> {
        self.flush()
    }

    fn commit(mut self: Box<Self>) -> Result<(), WriteError> {
        self.flush()?;
        // Interrupted, nobody would know what became of it.
        self.view.connection.stop = StopRequest::default();
        let address = Arc::clone(&self.view.address);
        let doing = Doing { what: "committing", address: &address, table: "", schema: None };
        match self.view.connection.batch(&doing, "COMMIT TRANSACTION") {
            Ok(_) => {
                self.view.ended = true;
                Ok(())
            }
            Err(ServerError::Lost { .. }) => {
                Ok(super::settle::settle(self.address, &self.view.schema, self.witness.as_ref())?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn rollback(mut self: Box<Self>) -> Result<(), ServerError> {
        self.view.stop();
        if !self.view.connection.is_alive() {
            return Ok(());
        }
        let address = Arc::clone(&self.view.address);
        let doing = Doing { what: "rolling back", address: &address, table: "", schema: None };
        self.view.connection.batch(&doing, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")?;
        self.view.ended = true;
        Ok(())
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
