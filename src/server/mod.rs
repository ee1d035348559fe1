//! Databases that hold documents: the contract that every back end keeps.
//!
//! A [`Reader`] sees one consistent state; a [`Transaction`] is a reader that can also write, and whose
//! writes happen all together at [`Transaction::commit`] or not at all. Rows are plain columns of
//! [`Value`] scalars: nothing here knows kinds, keys or secrets. All calls block.
//!
//! The contract is held by one conformance suite for all back ends (`tests/server.rs`).

mod address;
mod catalog;
mod create;
mod defaults;
pub mod spelling;
pub mod sqlite;
pub mod sqlserver;
mod unique;
mod whole;

pub use address::{Address, AddressError};
pub use catalog::{Catalog, Column, ColumnType, ForeignKey, Table};
pub use create::{Schema, create, make, vacant};
pub use unique::{Condition, Test, UniqueSet};
pub use whole::WholeTable;

use std::borrow::Cow;

use crate::document::Value;
use crate::progress::Cancelled;

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
    /// The database has tables already, where new ones are to be made.
    #[error("{0} has tables already")]
    NotEmpty(String),
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
    /// Nothing answers at the address, or not in time.
    #[error("cannot reach {address}")]
    Unreachable {
        /// The server's address, without secrets.
        address: String,
        /// What the network said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection could not be encrypted, or the server's certificate is not trusted.
    #[error("no trusted connection to {address}: {reason}")]
    Tls {
        /// The server's address, without secrets.
        address: String,
        /// Why, in the words of the TLS library.
        reason: String,
    },
    /// No encrypted connection comes about, and the server's address asks for one.
    #[error("{address}: the connection cannot be encrypted: {reason}")]
    NotEncrypted {
        /// The server's address, without secrets.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The server knows no such login, or the password is wrong, or the login may not connect.
    #[error("{address} refuses the login: {reason}")]
    Login {
        /// The server's address, without secrets.
        address: String,
        /// Why.
        reason: String,
    },
    /// The login lacks a permission.
    #[error("no permission for {doing}")]
    Permission {
        /// What was being done: "reading Project".
        doing: String,
    },
    /// The server is of another product, too old, or set up in a way that it cannot be worked with.
    #[error("{address} cannot be used: {reason}")]
    Unsupported {
        /// The server's address, without secrets.
        address: String,
        /// Why.
        reason: String,
    },
    /// The server ended the work to let another go on.
    #[error("{doing} failed: the server chose it as the victim of a deadlock")]
    Deadlock {
        /// What was being done.
        doing: String,
    },
    /// The connection was lost before a commit was asked for: the server takes back what was written.
    #[error("{doing} failed: the connection was lost")]
    Lost {
        /// What was being done.
        doing: String,
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The reply to the commit was lost; the rows that were written tell that nothing was committed.
    #[error("the connection was lost while committing, and the server has taken everything back")]
    TakenBack,
    /// The reply to the commit was lost, and what became of it cannot be found out.
    #[error(
        "the connection was lost while committing, and it is not known whether the server committed: {reason}"
    )]
    CommitUnknown {
        /// Why it cannot be found out.
        reason: String,
    },
    /// A read did not meet as many rows as the server has.
    #[error("the read of {table} is incomplete: {read} of {expected} rows arrived")]
    Incomplete {
        /// The table.
        table: String,
        /// How many rows were read.
        read: u64,
        /// How many the server counts in the same state, or how many were asked for.
        expected: u64,
    },
    /// A [`StopRequest`](crate::progress::StopRequest) interrupted the call: nothing is committed.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
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

    /// Finds rows by several look-ups, calling `see` with the position of the look-up, that of the key, and the row.
    /// A server across a network answers them in one request, or in a few where they are large. No look-up may depend
    /// on what another finds.
    ///
    /// # Errors
    /// [`ServerError`], naming the tables that were being read.
    fn lookups(
        &mut self,
        lookups: &[Lookup<'_>],
        see: &mut dyn FnMut(usize, usize, Row),
    ) -> Result<(), ServerError> {
        for (at, lookup) in lookups.iter().enumerate() {
            self.lookup(lookup, &mut |position, row| see(at, position, row))?;
        }
        Ok(())
    }

    /// Announces tables that will be read from their beginning, in that order, by these first pages. A server across a
    /// network counts them in one request and reads small ones together; what pages answer stays the same.
    ///
    /// # Errors
    /// [`ServerError`], naming the tables that were being counted.
    fn expect(&mut self, _pages: &[Page<'_>]) -> Result<(), ServerError> {
        Ok(())
    }

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

    /// Whether a [`Transaction`] collects its writes and sends them by table, so that a row may get the unique values of
    /// another only where that is changed or deleted before.
    fn collects_writes(&self) -> bool {
        false
    }

    /// The unique constraints and indexes of a table, its primary key too, as far as their columns and filters are
    /// known: what an index computes is passed over. Costs no request. A reader that cannot be written says nothing.
    fn unique_sets(&self, _table: &str) -> Vec<UniqueSet> {
        Vec::new()
    }

    /// Says of values whether their columns cannot hold them (length, range, type), as a write would: the position
    /// and why. NULL is not looked at. Costs no request. A reader that cannot be written says nothing.
    ///
    /// # Errors
    /// [`ServerError::NoTable`] and [`ServerError::NoColumn`].
    fn misfits(
        &self,
        _table: &str,
        _columns: &[&str],
        _values: &[Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        Ok(Vec::new())
    }

    /// How many rows this reader has handed out so far: what the work cost the server.
    fn rows_read(&self) -> u64;

    /// How the one state is kept, where somebody should know: locks that others wait for.
    fn notice(&self) -> Option<&str> {
        None
    }
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

/// Why a write failed, and which one.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct WriteError {
    /// The number of the write, as [`Transaction`] counts them; `None` where none in particular is to blame.
    pub write: Option<u64>,
    /// Why.
    pub source: ServerError,
}

impl From<ServerError> for WriteError {
    fn from(source: ServerError) -> Self {
        Self { write: None, source }
    }
}

/// A transaction under way. Dropped without [`commit`](Transaction::commit), it rolls back.
///
/// Writes are numbered from 0 in the order they are given: each row of [`insert`](Transaction::insert), each
/// [`update`](Transaction::update), each [`delete`](Transaction::delete) and each key of
/// [`delete_all`](Transaction::delete_all) is one. A server across a network collects them and sends them together at [`check`](Transaction::check), deletions before updates before inserts
/// and in an order that foreign keys allow. So a read may miss them until then, as may an update of a row that was
/// just inserted; and an error may come then only: it names the write.
pub trait Transaction: Reader {
    /// This transaction as a reader of its own state: of all writes after [`check`](Transaction::check), of some
    /// or none before.
    fn reader(&mut self) -> &mut dyn Reader;

    /// Inserts rows with these columns; columns not named take their defaults.
    ///
    /// # Errors
    /// [`WriteError`] with the number of the row that failed, and why.
    fn insert(&mut self, table: &str, columns: &[&str], rows: &[Row]) -> Result<(), WriteError>;

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
    ) -> Result<(), WriteError>;

    /// Deletes the row whose `by` columns equal `key`; it must exist exactly once.
    ///
    /// # Errors
    /// [`ServerError::Constraint`] where the row is missing or not alone.
    fn delete(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), WriteError>;

    /// Deletes every row whose `by` columns equal one of the keys: there may be none of a key, or many. The values
    /// are integers and texts, as ids are.
    ///
    /// # Errors
    /// [`ServerError::Value`] for a key of another type; [`ServerError::Constraint`] where other rows refer to one
    /// of these.
    fn delete_all(&mut self, table: &str, by: &[&str], keys: &[Vec<Value>]) -> Result<(), WriteError>;

    /// Sends the writes that are still collected, and checks what the server checks at commit (deferred foreign
    /// keys), so that a dry run fails where the run would.
    ///
    /// # Errors
    /// [`ServerError::Constraint`], naming the table, with the number of the write where that can be told.
    fn check(&mut self) -> Result<(), WriteError>;

    /// Makes all writes lasting, after a [`check`](Transaction::check) of those that had none.
    ///
    /// # Errors
    /// [`WriteError`]; the transaction is then rolled back, but for [`ServerError::CommitUnknown`].
    fn commit(self: Box<Self>) -> Result<(), WriteError>;

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
        Address::SqlServer(address) => Ok(Box::new(sqlserver::SqlServer::open(address)?)),
    }
}
