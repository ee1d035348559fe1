//! A database of a SQL Server, spoken to over TDS.

mod address;

pub use address::{Encryption, Login, SqlServerAddress};

use super::{Reader, Server, ServerError, Transaction};

/// A database of a SQL Server.
pub struct SqlServer {
    address: SqlServerAddress,
}

impl SqlServer {
    /// Connects.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn open(address: &SqlServerAddress) -> Result<Self, ServerError> {
        Ok(Self { address: address.clone() })
    }
}

impl Server for SqlServer {
    fn read(&mut self) -> Result<Box<dyn Reader + '_>, ServerError> {
        Err(ServerError::Unsupported { address: self.address.to_string(), reason: "not yet".to_owned() })
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, ServerError> {
        Err(ServerError::Unsupported { address: self.address.to_string(), reason: "not yet".to_owned() })
    }
}
