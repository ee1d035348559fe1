//! Databases that hold documents: the contract that every back end keeps.
//!
//! A [`Reader`] sees one consistent state; a [`Transaction`] is a reader that can also write, and whose
//! writes happen all together at [`Transaction::commit`] or not at all. Rows are plain columns of
//! [`Value`] scalars: nothing here knows kinds, keys or secrets. All calls block.
//!
//! The contract is held by one conformance suite for all back ends (`tests/server.rs`).

mod address;
mod catalog;
pub mod sqlite;

pub use address::{Address, AddressError};
pub use catalog::{Catalog, Column, ColumnType, ForeignKey, Table};

use crate::document::Value;

/// Values of one row, in the order of the columns that were asked for.
pub type Row = Vec<Value>;

/// Why a server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The server cannot be reached or opened.
    #[error("cannot open {address}")]
    Open {
        /// The server's address, without secrets.
        address: String,
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no database at the address.
    #[error("there is no database at {0}")]
    Missing(String),
    /// What is at the address is not a database.
    #[error("{0} is not a database")]
    NotADatabase(String),
    /// There is something at the address already.
    #[error("{0} exists already")]
    Exists(String),
    /// The model or a caller named a table that the server has not.
    #[error("there is no table {0:?} on the server")]
    NoTable(String),
    /// The model or a caller named a column that the table has not.
    #[error("table {table:?} has no column {column:?}")]
    NoColumn {
        /// The table.
        table: String,
        /// The missing column.
        column: String,
    },
    /// A value cannot be stored in a column.
    #[error("{table}.{column} cannot hold {value}")]
    Value {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What kind of value, never the value itself.
        value: String,
    },
    /// The server refused a write: a unique index, a foreign key, a NULL, a length.
    #[error("{table} refuses the row: {reason}")]
    Constraint {
        /// The table.
        table: String,
        /// The constraint's name or nature, as the server tells it.
        reason: String,
    },
    /// The server can be read only.
    #[error("{0} is read and never written")]
    ReadOnly(String),
    /// Somebody else holds the server's lock.
    #[error("the server is locked by another process")]
    Busy,
    /// The disk or the database is full.
    #[error("the server's disk is full")]
    Full,
    /// The statement failed for another reason.
    #[error("{doing} failed")]
    Failed {
        /// What was being done: "reading Project".
        doing: String,
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One page of a table, in the order of some columns.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The table.
    pub table: &'a str,
    /// The columns wanted, in the order of the row.
    pub columns: &'a [&'a str],
    /// Columns that order the rows and together are unique (the primary key).
    pub order: &'a [&'a str],
    /// Values of the `order` columns in the last row of the page before; `None` for the first page.
    pub after: Option<&'a [Value]>,
    /// Stop after so many rows.
    pub max_rows: usize,
    /// Stop after the row that reaches so many bytes; a page that is not the last has one row at least.
    pub max_bytes: usize,
}

/// Rows whose columns `by` equal one of the keys, as the server compares.
#[derive(Debug, Clone)]
pub struct Lookup<'a> {
    /// The table.
    pub table: &'a str,
    /// The columns wanted, in the order of the row.
    pub columns: &'a [&'a str],
    /// The columns compared. NULL equals NULL here.
    pub by: &'a [&'a str],
    /// The values wanted, each as long as `by`.
    pub keys: &'a [Vec<Value>],
}

/// A consistent view of a server, for as long as it lives.
pub trait Reader {
    /// The server's address as it may be shown: never with a password.
    fn address(&self) -> &str;

    /// The tables and their columns.
    fn catalog(&self) -> &Catalog;

    /// Reads one page of a table. An empty answer means that there are no more rows.
    ///
    /// # Errors
    /// [`ServerError`], naming the table.
    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError>;

    /// Finds rows by values, calling `see` for each with the position of the key it answers. Rows come in no
    /// order; a key without rows is not called for. The server compares: names match without regard to case
    /// and trailing blanks where the product's collation says so.
    ///
    /// # Errors
    /// [`ServerError`], naming the table; never for rows that are not there.
    fn lookup(&mut self, lookup: &Lookup<'_>, see: &mut dyn FnMut(usize, Row)) -> Result<(), ServerError> {
        self.lookup_some(lookup, usize::MAX, see).map(|_| ())
    }

    /// Like [`lookup`](Reader::lookup), for rows that may be large: stops after the key whose rows reach so many
    /// bytes, and returns the positions of the keys it did not come to. One key at least is answered, with all
    /// its rows; a key is answered in full or not at all.
    ///
    /// # Errors
    /// [`ServerError`], naming the table.
    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError>;

    /// Counts the rows of a table.
    ///
    /// # Errors
    /// [`ServerError`], naming the table.
    fn count(&mut self, table: &str) -> Result<u64, ServerError>;

    /// The largest integer in a column, to continue from; `None` in an empty table.
    ///
    /// # Errors
    /// [`ServerError`], naming the table.
    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError>;

    /// How many rows this reader has handed out so far: what the work cost the server.
    fn rows_read(&self) -> u64;
}

/// A server that can be read, and written in one transaction.
pub trait Server {
    /// Begins a consistent read.
    ///
    /// # Errors
    /// [`ServerError`], when the server cannot give a snapshot.
    fn read(&mut self) -> Result<Box<dyn Reader + '_>, ServerError>;

    /// Begins the one transaction, alone: a second writer is [`ServerError::Busy`].
    ///
    /// # Errors
    /// [`ServerError`], when the server cannot be written.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, ServerError>;
}

/// A transaction under way. Dropped without [`commit`](Transaction::commit), it rolls back.
pub trait Transaction: Reader {
    /// This transaction as a reader of its own state.
    fn reader(&mut self) -> &mut dyn Reader;

    /// Inserts rows with these columns; columns not named take their defaults.
    ///
    /// # Errors
    /// The position of the row that failed, and why.
    fn insert(&mut self, table: &str, columns: &[&str], rows: &[Row]) -> Result<(), (usize, ServerError)>;

    /// Updates the row whose `by` columns equal `key`; it must exist exactly once.
    ///
    /// # Errors
    /// [`ServerError::Constraint`] where the row is missing or not alone, or the server refuses the values.
    fn update(
        &mut self,
        table: &str,
        by: &[&str],
        key: &[Value],
        columns: &[&str],
        row: &Row,
    ) -> Result<(), ServerError>;

    /// Checks what the server checks at commit (deferred foreign keys), so that a dry run fails where the
    /// run would.
    ///
    /// # Errors
    /// [`ServerError::Constraint`], naming the table.
    fn check(&mut self) -> Result<(), ServerError>;

    /// Makes all writes lasting.
    ///
    /// # Errors
    /// [`ServerError`]; the transaction is then rolled back.
    fn commit(self: Box<Self>) -> Result<(), ServerError>;

    /// Takes all writes back.
    ///
    /// # Errors
    /// [`ServerError`], when the server did not even take the rollback; it rolls back by itself then.
    fn rollback(self: Box<Self>) -> Result<(), ServerError>;
}

/// Opens the server at an address.
///
/// # Errors
/// [`ServerError::Missing`], [`ServerError::NotADatabase`] or [`ServerError::Open`].
pub fn open(address: &Address) -> Result<Box<dyn Server>, ServerError> {
    match address {
        Address::Sqlite(path) => Ok(Box::new(sqlite::SqliteServer::open(path)?)),
    }
}
