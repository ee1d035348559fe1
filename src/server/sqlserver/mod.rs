//! A database of a SQL Server, spoken to over TDS, that keeps the contract of [`server`](crate::server).
//!
//! A reader is a transaction under SNAPSHOT isolation, or, where the database does not allow that, under
//! SERIALIZABLE, which makes others wait for the rows that were read; [`Reader::notice`] says so then. A table
//! that is read page by page is one statement, and so is a lookup, however many keys it has.
//!
//! Writes are put aside as they come, and sent together: for each table the rows go into a temporary table by
//! bulk load, and from there into the table by one statement. Everything happens in one transaction, under an
//! application lock (`Sealift`, exclusive), SERIALIZABLE, with `XACT_ABORT ON`: what was read stays as it was
//! read until the end, and any error takes everything back. After an error the connection is dropped.
//!
//! Where the reply to COMMIT is lost, the lock is waited for on a new connection: when it is free the old
//! transaction has ended, and rows that it wrote tell how. Nothing is left in the database's schema.

mod address;
#[cfg(test)]
mod address_tests;
mod ado;
mod ahead;
mod allowance;
mod connect;
mod create;
mod ddl;
mod declared;
mod fault;
mod flush;
mod lookup;
mod malformed;
mod messages;
mod narrow;
mod schema;
mod settings;
mod settle;
mod spool;
mod stage;
mod types;
mod url;
mod values;
mod view;
mod writing;

use std::sync::Arc;
use std::time::Duration;

pub use address::{Encryption, Login, SqlServerAddress};
pub use messages::ServerMessages;

use super::{AddressError, Reader, Server, ServerError, Transaction};
use connect::Connection;
use fault::Doing;
use schema::Schema;
use view::View;
use writing::Writing;

/// The oldest compatibility level that knows JSON (SQL Server 2016).
const JSON_LEVEL: i32 = 130;

/// Reads an address of a SQL Server, in either of its forms; `None` for a text that is none.
pub(super) fn recognise(text: &str) -> Result<Option<SqlServerAddress>, AddressError> {
    for scheme in ["mssql:", "sqlserver:"] {
        let start = text.get(..scheme.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(scheme)) {
            let rest = text.get(scheme.len()..).and_then(|rest| rest.strip_prefix("//"));
            return url::parse(rest.ok_or(AddressError::NoSlashes(scheme))?).map(Some);
        }
    }
    match ado::is_connection_string(text) {
        true => ado::parse(text).map(Some),
        false => Ok(None),
    }
}

/// A database of a SQL Server.
pub struct SqlServer {
    address: SqlServerAddress,
    connection: Connection,
    facts: Facts,
}

/// What the server says of the database.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    /// Whether texts in JSON come out as they went in; some engines leave the escapes in.
    json: bool,
    snapshots: bool,
    read_only: bool,
}

impl SqlServer {
    /// Connects, logs in, and looks whether the database can be worked with.
    ///
    /// # Errors
    /// [`ServerError::Unreachable`], [`ServerError::Tls`], [`ServerError::Login`], [`ServerError::Missing`] where
    /// there is no such database, [`ServerError::Unsupported`] for another product or one that is too old.
    pub fn open(address: &SqlServerAddress) -> Result<Self, ServerError> {
        let mut connection = Connection::open(address)?;
        let facts = facts(&mut connection)?;
        Ok(Self { address: address.clone(), connection, facts })
    }

    /// A connection that can be used: a new one where the last was given up.
    fn connect(&mut self) -> Result<(), ServerError> {
        if !self.connection.is_alive() {
            self.connection = Connection::open(&self.address)?;
        }
        Ok(())
    }
}

fn facts(connection: &mut Connection) -> Result<Facts, ServerError> {
    const FACTS: &str = "\
SELECT CAST(d.[compatibility_level] AS int), CAST(d.[snapshot_isolation_state] AS int), \
CAST(d.[is_read_only] AS int) FROM sys.databases AS d WHERE d.[database_id] = DB_ID()";
    let address = Arc::clone(&connection.address);
    let doing = Doing { what: "looking at the database", address: &address, table: "", schema: None };
    let unsupported = |reason: String| ServerError::Unsupported { address: address.to_string(), reason };
    let rows = match connection.batch(&doing, FACTS) {
        Ok(rows) => rows,
        Err(ServerError::Failed { source, .. }) => {
            return Err(unsupported(format!("it does not answer as SQL Server does: {source}")));
        }
        Err(ServerError::NoColumn { .. }) => {
            return Err(unsupported("it does not answer as SQL Server does".to_owned()));
        }
        Err(error) => return Err(error),
    };
    let number = |at: usize| rows.first().and_then(|row| row.try_get::<i32, _>(at).ok().flatten());
    let Some(level) = number(0) else {
        return Err(unsupported("it does not answer as SQL Server does".to_owned()));
    };
    let mut json = true;
    // Engines that speak T-SQL without being SQL Server tell levels of their own: what counts is what they can.
    if level < JSON_LEVEL {
        const PROBE: &str = "SELECT k.[c] FROM OPENJSON(N'[[\"\\\"\"]]') WITH ([c] nvarchar(9) '$[0]') AS k";
        let rows = match connection.batch(&doing, PROBE) {
            Ok(rows) => rows,
            Err(lost @ ServerError::Lost { .. }) => return Err(lost),
            Err(_) => {
                return Err(unsupported(format!(
                    "the database has the compatibility level {level}, and {JSON_LEVEL} (SQL Server 2016) is needed"
                )));
            }
        };
        json = rows.first().and_then(|row| row.try_get::<&str, _>(0).ok().flatten()) == Some("\"");
    }
    Ok(Facts { json, snapshots: number(1) == Some(1), read_only: number(2) == Some(1) })
}

/// Takes the application lock for the transaction that is open.
fn lock(connection: &mut Connection, timeout: Duration) -> Result<(), ServerError> {
    let address = Arc::clone(&connection.address);
    let doing = Doing { what: "taking the lock", address: &address, table: "", schema: None };
    let sql = format!(
        "DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'Sealift', @LockMode = N'Exclusive', \
         @LockOwner = N'Transaction', @LockTimeout = {}; SELECT @r",
        timeout.as_millis().min(i32::MAX as u128)
    );
    let rows = connection.batch(&doing, &sql)?;
    let result = rows.first().and_then(|row| row.try_get::<i32, _>(0).ok().flatten());
    match result {
        Some(0..) => Ok(()),
        _ => Err(ServerError::Busy),
    }
}

/// Begins the one transaction that writes.
fn begin(connection: &mut Connection, timeout: Duration, abort: &str) -> Result<(), ServerError> {
    let address = Arc::clone(&connection.address);
    let doing = Doing { what: "beginning a transaction", address: &address, table: "", schema: None };
    let sql = format!(
        "SET XACT_ABORT {abort}; SET LOCK_TIMEOUT {}; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; \
         BEGIN TRANSACTION",
        timeout.as_millis().min(i32::MAX as u128)
    );
    connection.batch(&doing, &sql)?;
    let locked = lock(connection, timeout);
    if locked.is_err() && connection.is_alive() {
        connection.batch(&doing, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")?;
    }
    locked
}

impl Server for SqlServer {
    fn read(&mut self) -> Result<Box<dyn Reader + '_>, ServerError> {
        self.connect()?;
        let address = Arc::clone(&self.connection.address);
        let doing = Doing { what: "beginning to read", address: &address, table: "", schema: None };
        let isolation = if self.facts.snapshots { "SNAPSHOT" } else { "SERIALIZABLE" };
        let sql = format!(
            "SET XACT_ABORT ON; SET LOCK_TIMEOUT {}; SET TRANSACTION ISOLATION LEVEL {isolation}; \
             BEGIN TRANSACTION",
            self.address.lock_timeout.as_millis().min(i32::MAX as u128)
        );
        self.connection.batch(&doing, &sql)?;
        let schema = Schema::discover(&mut self.connection, &self.address.schema, self.facts)?;
        // The state is that of the first row that is looked at.
        if let Some(table) = schema.catalog.tables.first() {
            let name = schema.qualified(table);
            let text = name.replace('\'', "''");
            let may = format!("SELECT CAST(HAS_PERMS_BY_NAME(N'{text}', N'OBJECT', N'SELECT') AS int)");
            let rows = self.connection.batch(&doing, &may)?;
            if rows.first().and_then(|row| row.try_get::<i32, _>(0).ok().flatten()) == Some(1) {
                self.connection.batch(&doing, &format!("SELECT TOP (1) 1 FROM {name}"))?;
            }
        }
        let mut view = View::new(&mut self.connection, Arc::new(schema));
        if !self.facts.snapshots {
            view.notice = Some(format!(
                "{address} does not allow snapshots: rows that were read are locked until the end, and who \
                 wants to change them waits (ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON avoids it)"
            ));
        }
        Ok(Box::new(view))
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, ServerError> {
        if self.facts.read_only {
            return Err(ServerError::ReadOnly(self.address.to_string()));
        }
        self.connect()?;
        begin(&mut self.connection, self.address.lock_timeout, "ON")?;
        let schema = Schema::discover(&mut self.connection, &self.address.schema, self.facts)?;
        let view = View::new(&mut self.connection, Arc::new(schema));
        Ok(Box::new(Writing::new(view, &self.address)))
    }
}
