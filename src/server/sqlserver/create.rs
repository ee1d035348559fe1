//! The tables of a new server, in a database that has none: made in one transaction.

use std::sync::Arc;

use super::address::SqlServerAddress;
use super::connect::Connection;
use super::fault::Doing;
use super::{SqlServer, ddl};
use crate::server::{Catalog, ServerError};

/// A connection as far as making tables needs one.
pub(super) trait Batches {
    /// Runs a batch to its end.
    fn run(&mut self, sql: &str) -> Result<(), ServerError>;

    /// Runs a batch whose answer is one whole number.
    fn number(&mut self, sql: &str) -> Result<i64, ServerError>;
}

impl SqlServer {
    /// Makes these tables in a database that has none in the schema of the address.
    ///
    /// # Errors
    /// [`ServerError::NotEmpty`] where there are tables; [`ServerError::Unsupported`] where there is no such
    /// schema; [`ServerError::Failed`], naming a table that cannot be made. Nothing was made then.
    pub(in crate::server) fn create(
        address: &SqlServerAddress,
        catalog: &Catalog,
    ) -> Result<(), ServerError> {
        let statements = ddl::statements(catalog, &address.schema)?;
        create(address, &statements, &mut Connection::open(address)?)
    }
}

impl Batches for Connection {
    fn run(&mut self, sql: &str) -> Result<(), ServerError> {
        let address = Arc::clone(&self.address);
        let doing = Doing { what: "creating the tables", address: &address, table: "", schema: None };
        self.batch(&doing, sql).map(|_| ())
    }

    fn number(&mut self, sql: &str) -> Result<i64, ServerError> {
        let address = Arc::clone(&self.address);
        let doing = Doing { what: "creating the tables", address: &address, table: "", schema: None };
        let rows = self.batch(&doing, sql)?;
        Ok(rows.first().and_then(|row| row.try_get::<i64, _>(0).ok().flatten()).unwrap_or_default())
    }
}

fn create(
    address: &SqlServerAddress,
    statements: &[String],
    batches: &mut dyn Batches,
) -> Result<(), ServerError> {
    batches.run("SET XACT_ABORT ON; BEGIN TRANSACTION")?;
    let made = fill(address, statements, batches);
    if made.is_err() {
        // The server has rolled back by itself where a statement failed; the error is what counts.
        let _ = batches.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
        return made;
    }
    batches.run("COMMIT TRANSACTION")
}

/// Looks and makes, inside the transaction.
fn fill(
    address: &SqlServerAddress,
    statements: &[String],
    batches: &mut dyn Batches,
) -> Result<(), ServerError> {
    let schema = address.schema.replace('\'', "''");
    let of_schema = format!("FROM sys.schemas AS h WHERE h.[name] = N'{schema}'");
    if batches.number(&format!("SELECT COUNT_BIG(*) {of_schema}"))? == 0 {
        let reason = format!("it has no schema {:?}", address.schema);
        return Err(ServerError::Unsupported { address: address.to_string(), reason });
    }
    let tables = format!(
        "SELECT COUNT_BIG(*) FROM sys.tables AS t JOIN sys.schemas AS h ON h.[schema_id] = t.[schema_id] \
         WHERE h.[name] = N'{schema}' AND t.[is_ms_shipped] = 0"
    );
    if batches.number(&tables)? > 0 {
        return Err(ServerError::NotEmpty(address.to_string()));
    }
    statements.iter().try_for_each(|statement| batches.run(statement))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::address::{Encryption, Login};
    use super::*;

    /// A server that knows only how many schemas and tables it has, and which batch fails.
    struct Told {
        schemas: i64,
        tables: i64,
        fails: &'static str,
        seen: Vec<String>,
    }

    impl Batches for Told {
        fn run(&mut self, sql: &str) -> Result<(), ServerError> {
            self.seen.push(sql.to_owned());
            let fails = !self.fails.is_empty() && sql.contains(self.fails);
            if fails { Err(ServerError::Full) } else { Ok(()) }
        }

        fn number(&mut self, sql: &str) -> Result<i64, ServerError> {
            assert!(sql.contains("N'it''s'"), "{sql}");
            Ok(if sql.contains("sys.tables") { self.tables } else { self.schemas })
        }
    }

    fn made(schemas: i64, tables: i64, fails: &'static str) -> (Result<(), ServerError>, Vec<String>) {
        let address = SqlServerAddress {
            host: "h".into(),
            port: None,
            instance: None,
            database: "D".into(),
            schema: "it's".into(),
            login: Login::Token(None),
            encryption: Encryption::Required,
            trust_any_certificate: false,
            ca: None,
            host_in_certificate: None,
            connect_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            application_name: String::new(),
            read_intent: false,
            password_file: None,
            token_file: None,
        };
        let mut told = Told { schemas, tables, fails, seen: Vec::new() };
        let statements = ["CREATE TABLE [a]".to_owned(), "CREATE TABLE [b]".to_owned()];
        let result = create(&address, &statements, &mut told);
        (result, told.seen)
    }

    const BEGIN: &str = "SET XACT_ABORT ON; BEGIN TRANSACTION";
    const BACK: &str = "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION";

    #[test]
    fn tables_are_made_in_one_transaction() {
        let (result, seen) = made(1, 0, "");
        assert!(result.is_ok());
        assert_eq!(seen, [BEGIN, "CREATE TABLE [a]", "CREATE TABLE [b]", "COMMIT TRANSACTION"]);
    }

    #[test]
    fn what_fails_is_taken_back() {
        let (result, seen) = made(1, 0, "[b]");
        assert!(matches!(result, Err(ServerError::Full)));
        assert_eq!(seen, [BEGIN, "CREATE TABLE [a]", "CREATE TABLE [b]", BACK]);
        let (result, seen) = made(1, 0, "COMMIT");
        assert!(matches!(result, Err(ServerError::Full)));
        assert_eq!(seen.last().map(String::as_str), Some("COMMIT TRANSACTION"));
    }

    #[test]
    fn nothing_is_made_where_there_is_something() {
        let (result, seen) = made(1, 3, "");
        assert!(matches!(result, Err(ServerError::NotEmpty(name)) if name == "mssql://h/D"));
        assert_eq!(seen, [BEGIN, BACK]);
        let (result, seen) = made(0, 0, "");
        assert!(
            matches!(result, Err(ServerError::Unsupported { reason, .. }) if reason == "it has no schema \"it's\"")
        );
        assert_eq!(seen, [BEGIN, BACK]);
    }
}
