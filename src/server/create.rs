//! New servers: tables without rows, where nothing was.

use std::borrow::Cow;

use crate::progress::{Progress, Silent};

use super::sqlite::{self, SqliteServer};
use super::sqlserver::SqlServer;
use super::{Address, Catalog, Server, ServerError};

/// The tables of a new server.
#[derive(Debug, Clone, Copy)]
pub enum Schema<'a> {
    /// SQL statements that make them, in SQLite's SQL with T-SQL's types.
    Ddl(&'a str),
    /// The tables another server has, of whatever kind.
    Like(&'a Catalog),
}

/// Makes a new server with these tables and opens it, as [`make`] and [`open`](super::open) do.
///
/// # Errors
/// Those of the two.
pub fn create(address: &Address, schema: Schema<'_>) -> Result<Box<dyn Server>, ServerError> {
    make(address, schema, &Silent)?;
    super::open(address)
}

/// Makes the tables of a new server. All tables appear or none. An embedded server is a file that did not exist; a
/// database of a SQL Server exists already and has no tables in the schema of the address.
///
/// # Errors
/// [`ServerError::Exists`] or [`ServerError::NotEmpty`] where something is there already;
/// [`ServerError::Failed`] when the tables cannot be made; [`ServerError::Cancelled`];
/// [`ServerError::CommitUnknown`]; what [`open`](super::open) says of the address.
pub fn make(address: &Address, schema: Schema<'_>, progress: &dyn Progress) -> Result<(), ServerError> {
    match address {
        Address::Sqlite(path) => SqliteServer::make(path, schema, progress),
        Address::SqlServer(address) => {
            let catalog = match schema {
                Schema::Ddl(text) => Cow::Owned(sqlite::catalog_of(text)?),
                Schema::Like(catalog) => Cow::Borrowed(catalog),
            };
            SqlServer::make(address, &catalog, progress)
        }
    }
}

/// Says whether [`create`] would find room at an address, and changes nothing.
///
/// # Errors
/// [`ServerError::Exists`] or [`ServerError::NotEmpty`] where something is there already; what
/// [`open`](super::open) says of a database of a SQL Server.
pub fn vacant(address: &Address) -> Result<(), ServerError> {
    match address {
        // A link that leads nowhere is something too.
        Address::Sqlite(path) if path.symlink_metadata().is_ok() => {
            Err(ServerError::Exists(address.to_string()))
        }
        Address::Sqlite(_) => Ok(()),
        Address::SqlServer(_) => {
            let tables = super::open(address)?.read()?.catalog().tables.len();
            if tables == 0 { Ok(()) } else { Err(ServerError::NotEmpty(address.to_string())) }
        }
    }
}
