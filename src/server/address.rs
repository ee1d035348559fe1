//! How servers are named on a command line.

use std::fmt;
use std::path::PathBuf;

use super::sqlserver::SqlServerAddress;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `sqlite:PATH`: the embedded server, one SQLite database.
    Sqlite(PathBuf),
    /// `mssql://…` or an ADO.NET connection string: a database of a SQL Server.
    SqlServer(Box<SqlServerAddress>),
}

/// A text that names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No scheme that we know stands before the colon.
    #[error("{0:?} names no server")]
    Unknown(String),
    /// Nothing follows the scheme.
    #[error("{0:?} names no database")]
    Empty(String),
}

impl Address {
    /// Reads an address. Returns `None` for a text that has no scheme of ours: a path, perhaps.
    ///
    /// # Errors
    /// [`AddressError::Empty`], when nothing follows the scheme.
    pub fn recognise(text: &str) -> Result<Option<Self>, AddressError> {
        match text.split_once(':') {
            Some(("sqlite", "")) => Err(AddressError::Empty(text.to_owned())),
            Some(("sqlite", path)) => Ok(Some(Address::Sqlite(PathBuf::from(path)))),
            _ => Ok(None),
        }
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::recognise(text)?.ok_or_else(|| AddressError::Unknown(text.to_owned()))
    }
}

/// The address as it may be shown, without secrets.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Address::SqlServer(address) => address.fmt(f),
        }
    }
}
