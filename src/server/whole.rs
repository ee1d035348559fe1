//! Whole tables, page by page, held against the number of rows that the server itself counts.
//!
//! Whoever reads a table to its end reads it here: a read that misses rows, or meets some twice, must not look like
//! one that met them all, whatever the fault behind it.

use crate::document::Value;

use super::{Catalog, Page, Reader, Row, ServerError};

/// A table on its way to being read to its end.
#[derive(Debug)]
pub struct WholeTable {
    table: String,
    /// The columns wanted, then those of the order that are not among them.
    columns: Vec<String>,
    wanted: usize,
    order: Vec<String>,
    /// Where the columns of the order are in `columns`.
    ordered: Vec<usize>,
    max_rows: usize,
    max_bytes: usize,
    after: Option<Vec<Value>>,
    counted: u64,
    read: u64,
}

impl WholeTable {
    /// Begins to read a table with the columns, order and limits of a page; where the page begins has no meaning. The
    /// rows are counted in the reader's own state of the server.
    ///
    /// # Errors
    /// [`ServerError`], naming the table.
    pub fn open(reader: &mut dyn Reader, page: &Page<'_>) -> Result<Self, ServerError> {
        let mut table = Self::of(reader.catalog(), page);
        table.counted = reader.count(page.table)?;
        Ok(table)
    }

    /// Announces tables that will be read whole, in that order, each as [`WholeTable::open`] is asked to read it: a
    /// server across a network may read small ones together.
    ///
    /// # Errors
    /// [`ServerError`], naming the tables.
    pub fn expect(reader: &mut dyn Reader, pages: &[Page<'_>]) -> Result<(), ServerError> {
        let tables: Vec<Self> = pages.iter().map(|page| Self::of(reader.catalog(), page)).collect();
        let named: Vec<_> = tables.iter().map(|table| (names(&table.columns), names(&table.order))).collect();
        let pages: Vec<Page<'_>> =
            tables.iter().zip(&named).map(|(table, names)| table.page(names)).collect();
        reader.expect(&pages)
    }

    fn of(catalog: &Catalog, page: &Page<'_>) -> Self {
        let mut order: Vec<String> = page.order.iter().map(|name| (*name).to_owned()).collect();
        order.extend(tie_breakers(catalog, page.table, page.order));
        let mut columns: Vec<String> = page.columns.iter().map(|name| (*name).to_owned()).collect();
        let wanted = columns.len();
        let mut ordered = Vec::with_capacity(order.len());
        for name in &order {
            let known = columns.iter().position(|column| column.eq_ignore_ascii_case(name));
            ordered.push(known.unwrap_or(columns.len()));
            if known.is_none() {
                columns.push(name.clone());
            }
        }
        Self {
            table: page.table.to_owned(),
            columns,
            wanted,
            order,
            ordered,
            max_rows: page.max_rows,
            max_bytes: page.max_bytes,
            after: None,
            counted: 0,
            read: 0,
        }
    }

    /// The next page, in these columns and this order.
    fn page<'p>(&'p self, (columns, order): &'p (Vec<&'p str>, Vec<&'p str>)) -> Page<'p> {
        Page {
            table: &self.table,
            columns,
            order,
            after: self.after.as_deref(),
            max_rows: self.max_rows,
            max_bytes: self.max_bytes,
        }
    }

    /// How many rows the server counts in the table.
    pub fn rows(&self) -> u64 {
        self.counted
    }

    /// The next rows, in the columns that were asked for; `None` once all of them were read.
    ///
    /// # Errors
    /// [`ServerError::Incomplete`], when they are not as many as the server counts, and
    /// [`ServerError`] as for every page.
    pub fn next_page(&mut self, reader: &mut dyn Reader) -> Result<Option<Vec<Row>>, ServerError> {
        let mut rows = reader.page(&self.page(&(names(&self.columns), names(&self.order))))?;
        self.read = self.read.saturating_add(rows.len() as u64);
        // Rows beyond those that were counted are not waited for: there may be no end of them.
        if self.read > self.counted || (rows.is_empty() && self.read < self.counted) {
            let (table, read, expected) = (self.table.clone(), self.read, self.counted);
            return Err(ServerError::Incomplete { table, read, expected });
        }
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = Some(self.ordered.iter().map(|at| last.get(*at).cloned().unwrap_or_default()).collect());
        rows.iter_mut().for_each(|row| row.truncate(self.wanted));
        Ok(Some(rows))
    }
}

fn names(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The columns of the primary key that an order lacks, unless it tells rows apart without them.
fn tie_breakers(catalog: &Catalog, table: &str, order: &[&str]) -> Vec<String> {
    let Some(table) = catalog.table(table) else { return Vec::new() };
    let has = |name: &String| order.iter().any(|column| column.eq_ignore_ascii_case(name));
    let unique = |set: &Vec<String>| !set.is_empty() && set.iter().all(has);
    match unique(&table.primary_key) || table.unique.iter().any(unique) {
        true => Vec::new(),
        false => table.primary_key.iter().filter(|name| !has(name)).cloned().collect(),
    }
}
