//! A script in the making as a transaction: reads go to the server, writes are put aside as text.

use std::borrow::Cow;

use crate::document::Value;
use crate::server::{Catalog, Lookup, Page, Reader, Row, ServerError, Transaction, UniqueSet, WriteError};

use super::writing::{Scripting, UPDATES, Waiting};

impl Reader for Scripting<'_> {
    fn address(&self) -> &str {
        self.reader.address()
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        self.reader.page(page)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        self.reader.lookup_some(lookup, max_bytes, see)
    }

    fn lookups(
        &mut self,
        lookups: &[Lookup<'_>],
        see: &mut dyn FnMut(usize, usize, Row),
    ) -> Result<(), ServerError> {
        self.reader.lookups(lookups, see)
    }

    fn expect(&mut self, pages: &[Page<'_>]) -> Result<(), ServerError> {
        self.reader.expect(pages)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.reader.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.reader.max_int(table, column)
    }

    fn unique_sets(&self, table: &str) -> Vec<UniqueSet> {
        self.reader.unique_sets(table)
    }

    fn misfits(
        &self,
        table: &str,
        columns: &[&str],
        values: &[Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        self.reader.misfits(table, columns, values)
    }

    fn rows_read(&self) -> u64 {
        self.reader.rows_read()
    }
}

impl Transaction for Scripting<'_> {
    fn reader(&mut self) -> &mut dyn Reader {
        self
    }

    fn insert(&mut self, table: &str, columns: &[&str], rows: &[Row]) -> Result<(), WriteError> {
        let table = Self::table(&self.catalog, table)?;
        let columns = Self::columns(&table, columns)?;
        for row in rows {
            let write = Some(self.written);
            self.insert_row(&table, &columns, row).map_err(|source| WriteError { write, source })?;
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
        let same =
            |names: &[String], given: &[&str]| names.iter().map(String::as_str).eq(given.iter().copied());
        let fits = self.waiting.as_ref().is_some_and(|waiting| {
            waiting.table == table
                && same(&waiting.by, by)
                && same(&waiting.columns, columns)
                && waiting.rows.len() < UPDATES
        });
        if !fits {
            self.flush()?;
        }
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            table: table.to_owned(),
            by: owned(by),
            columns: owned(columns),
            rows: Vec::new(),
        });
        waiting.rows.push((self.written, key.to_vec(), row.clone()));
        self.written += 1;
        Ok(())
    }

    fn delete(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), WriteError> {
        let write = Some(self.written);
        self.written += 1;
        self.delete_row(table, by, key).map_err(|source| WriteError { write, source })
    }

    fn delete_all(&mut self, table: &str, by: &[&str], keys: &[Vec<Value>]) -> Result<(), WriteError> {
        for key in keys {
            let write = Some(self.written);
            self.written += 1;
            self.delete_rows(table, by, key).map_err(|source| WriteError { write, source })?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), WriteError> {
        self.flush()
    }

    fn commit(self: Box<Self>) -> Result<(), WriteError> {
        Err(ServerError::ReadOnly(self.reader.address().to_owned()).into())
    }

    fn rollback(self: Box<Self>) -> Result<(), ServerError> {
        Ok(())
    }
}
