//! The embedded server: one SQLite database that keeps the contract of [`server`](crate::server).
//!
//! Declared types are T-SQL's and decide what a column holds; SQLite's own rules only store it. Reading
//! changes no byte of the file, leaves no file beside it, and works on read-only media; the file is opened
//! for writing when a transaction begins. Any file may come from a stranger: what it holds is refused by
//! name, never trusted and never a panic.
//!
//! No statement grows with the data: each has a placeholder for every column it reads, compares or writes, and is
//! executed once a key or a row. Prepared once, it stays so.
//!
//! Promised of isolation: a reader sees one state as long as it lives. Where the file keeps a rollback
//! journal (SQLite's default), a writer may begin and write meanwhile, but its commit waits for the readers
//! and is [`ServerError::Busy`] when they do not end in time; with a write-ahead log it goes through.

mod bind;
mod check;
mod connect;
mod create;
mod ddl;
mod fault;
mod lookup;
mod near;
mod outcome;
mod page;
mod pass;
mod schema;
mod transaction;
mod view;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::Connection;

use super::{Address, Catalog, Reader, Server, ServerError, Transaction};
use crate::progress::{Progress, Silent};
use fault::fault;
use schema::Schema as Tables;

pub use super::Schema;

/// An embedded server.
pub struct SqliteServer {
    path: PathBuf,
    address: String,
    reading: Connection,
    writing: Option<Connection>,
    /// The tables as last discovered, with the file's schema version they belong to.
    known: Option<(i64, Rc<Tables>)>,
}

impl SqliteServer {
    /// Opens an existing database for reading. Nothing is created.
    ///
    /// # Errors
    /// [`ServerError::Missing`] when there is no file; [`ServerError::NotADatabase`] for a folder, an empty
    /// file or a file of another kind; [`ServerError::Open`] when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ServerError> {
        let address = Address::Sqlite(path.to_owned()).to_string();
        let path = connect::existing(path, &address)?;
        let reading = connect::for_reading(&path, &address)?;
        Ok(Self { path, address, reading, writing: None, known: None })
    }

    /// Makes a new database with these tables and opens it. It appears whole or not at all.
    ///
    /// # Errors
    /// [`ServerError::Exists`] when anything is at the path already; [`ServerError::Failed`] when the tables
    /// cannot be made; [`ServerError::Open`] when the folder cannot be written.
    pub fn create(path: &Path, schema: Schema<'_>) -> Result<Self, ServerError> {
        Self::make(path, schema, &Silent)?;
        Self::open(path)
    }

    /// Makes a new database with these tables.
    pub(super) fn make(path: &Path, schema: Schema<'_>, progress: &dyn Progress) -> Result<(), ServerError> {
        let address = Address::Sqlite(path.to_owned()).to_string();
        create::create(path, &address, schema, progress)
    }
}

/// The tables that some statements make, which are SQLite's.
///
/// # Errors
/// [`ServerError::Failed`] for statements that fail, or that make rows: a catalog has none.
pub(super) fn catalog_of(ddl: &str) -> Result<Catalog, ServerError> {
    const DOING: &str = "reading the tables";
    let connection = Connection::open_in_memory().map_err(|error| fault(DOING, "", error))?;
    connection.execute_batch(ddl).map_err(|error| match error {
        // The statement that failed would repeat the whole text.
        rusqlite::Error::SqlInputError { msg, .. } => fault::failed(DOING, msg),
        error => fault(DOING, "", error),
    })?;
    let tables = Tables::discover(&connection).map_err(|error| fault(DOING, "", error))?;
    for table in &tables.catalog.tables {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", view::quoted(&table.name));
        let rows = connection.query_row(&sql, [], |row| row.get(0)).map_err(|e| fault(DOING, "", e))?;
        if rows {
            return Err(fault::failed(DOING, format!("they put rows into {}", table.name)));
        }
    }
    Ok(tables.catalog)
}

/// Discovers the tables, unless the schema is the one already known. Runs inside the caller's transaction.
fn discover(
    connection: &Connection,
    known: &mut Option<(i64, Rc<Tables>)>,
) -> Result<Rc<Tables>, ServerError> {
    let discovering = |error| fault("discovering the tables", "", error);
    let version: i64 =
        connection.query_row("PRAGMA schema_version", [], |row| row.get(0)).map_err(discovering)?;
    if let Some((known_version, tables)) = known
        && *known_version == version
    {
        return Ok(Rc::clone(tables));
    }
    let tables = Rc::new(Tables::discover(connection).map_err(discovering)?);
    *known = Some((version, Rc::clone(&tables)));
    Ok(tables)
}

impl Server for SqliteServer {
    fn read(&mut self) -> Result<Box<dyn Reader + '_>, ServerError> {
        self.reading
            .execute_batch("BEGIN DEFERRED")
            .map_err(|error| fault("beginning to read", "", error))?;
        match discover(&self.reading, &mut self.known) {
            Ok(tables) => Ok(Box::new(view::View::new(&self.reading, tables, &self.address))),
            Err(error) => {
                connect::abandon(&self.reading);
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, ServerError> {
        if self.writing.is_none() {
            self.writing = Some(connect::for_writing(&self.path, &self.address)?);
        }
        let Some(connection) = self.writing.as_ref() else {
            return Err(ServerError::Missing(self.address.clone()));
        };
        connect::begin_immediate(connection)?;
        let outcome = outcome::Outcome::watch(&self.reading, &self.path, &self.address);
        match discover(connection, &mut self.known) {
            Ok(tables) => {
                let view = view::View::new(connection, tables, &self.address);
                Ok(Box::new(transaction::Writing::new(view, outcome)))
            }
            Err(error) => {
                connect::abandon(connection);
                Err(error)
            }
        }
    }
}
