//! The tables of a new server, in a database that has none: made in one transaction.

use std::sync::Arc;

use super::address::SqlServerAddress;
use super::connect::Connection;
use super::fault::Doing;
use super::{SqlServer, ddl, settle};
use crate::progress::{Progress, StopRequest};
use crate::server::{Catalog, ServerError};

const BEGIN: &str = "SET XACT_ABORT ON; BEGIN TRANSACTION";

/// A connection as far as making tables needs one.
pub(super) trait Batches {
    /// Begins the transaction, under the lock by which its end is seen.
    fn begin(&mut self) -> Result<(), ServerError>;

    /// Runs a batch to its end.
    fn run(&mut self, sql: &str) -> Result<(), ServerError>;

    /// Runs a batch whose answer is one whole number.
    fn number(&mut self, sql: &str) -> Result<i64, ServerError>;

    /// Commits.
    ///
    /// # Errors
    /// [`ServerError::Lost`] where the answer is lost.
    fn commit(&mut self) -> Result<(), ServerError>;

    /// A connection as it was before, to find out what became of a commit: its transaction has ended.
    fn again(&mut self) -> Result<Box<dyn Batches + '_>, ServerError>;
}

impl SqlServer {
    /// Makes these tables in a database that has none in the schema of the address.
    ///
    /// # Errors
    /// [`ServerError::NotEmpty`] where there are tables; [`ServerError::Unsupported`] where there is no such
    /// schema; [`ServerError::Failed`], naming a table that cannot be made; [`ServerError::Cancelled`]. Nothing was
    /// made then, but perhaps at [`ServerError::CommitUnknown`].
    pub(in crate::server) fn make(
        address: &SqlServerAddress,
        catalog: &Catalog,
        progress: &dyn Progress,
    ) -> Result<(), ServerError> {
        let statements = ddl::statements(catalog, &address.schema)?;
        create(address, &statements, &mut Connection::open(address)?, progress)
    }
}

impl Batches for Connection {
    fn begin(&mut self) -> Result<(), ServerError> {
        Batches::run(self, BEGIN)?;
        let timeout = self.target.lock_timeout;
        super::lock(self, timeout)
    }

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

    fn commit(&mut self) -> Result<(), ServerError> {
        // Interrupted, nobody would know what became of it.
        self.stop = StopRequest::default();
        Batches::run(self, "COMMIT TRANSACTION")
    }

    fn again(&mut self) -> Result<Box<dyn Batches + '_>, ServerError> {
        Ok(Box::new(settle::after(&self.target)?))
    }
}

fn create(
    address: &SqlServerAddress,
    statements: &[String],
    batches: &mut dyn Batches,
    progress: &dyn Progress,
) -> Result<(), ServerError> {
    batches.begin()?;
    let made = fill(address, statements, batches, progress);
    if made.is_err() {
        // The server has rolled back by itself where a statement failed; the error is what counts.
        let _ = batches.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
        return made;
    }
    match batches.commit() {
        Err(ServerError::Lost { .. }) => match batches.again()?.number(&count_tables(address)) {
            Ok(1..) => Ok(()),
            Ok(_) => Err(ServerError::TakenBack),
            Err(_) => Err(settle::unknown("the server does not answer any more")),
        },
        done => done,
    }
}

/// Looks and makes, inside the transaction.
fn fill(
    address: &SqlServerAddress,
    statements: &[String],
    batches: &mut dyn Batches,
    progress: &dyn Progress,
) -> Result<(), ServerError> {
    let schema = address.schema.replace('\'', "''");
    let of_schema = format!("FROM sys.schemas AS h WHERE h.[name] = N'{schema}'");
    if batches.number(&format!("SELECT COUNT_BIG(*) {of_schema}"))? == 0 {
        let reason = format!("it has no schema {:?}", address.schema);
        return Err(ServerError::Unsupported { address: address.to_string(), reason });
    }
    if batches.number(&count_tables(address))? > 0 {
        return Err(ServerError::NotEmpty(address.to_string()));
    }
    for statement in statements {
        progress.check()?;
        batches.run(statement)?;
    }
    Ok(progress.take_effect()?)
}

/// The question how many tables the schema of the address has.
fn count_tables(address: &SqlServerAddress) -> String {
    format!(
        "SELECT COUNT_BIG(*) FROM sys.tables AS t JOIN sys.schemas AS h ON h.[schema_id] = t.[schema_id] \
         WHERE h.[name] = N'{}' AND t.[is_ms_shipped] = 0",
        address.schema.replace('\'', "''")
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::address::{Encryption, Login};
    use super::*;
    use crate::progress::{Recording, Silent};

    /// A server that knows only how many schemas and tables it has, and which batch fails.
    struct Told {
        schemas: i64,
        tables: i64,
        fails: &'static str,
        /// How many tables there are when the answer to the commit is lost.
        lost: Option<i64>,
        seen: Vec<String>,
    }

    impl Batches for Told {
        fn begin(&mut self) -> Result<(), ServerError> {
            self.run(BEGIN)
        }

        fn commit(&mut self) -> Result<(), ServerError> {
            self.run("COMMIT TRANSACTION")?;
            let doing = "creating the tables".to_owned();
            self.lost.map_or(Ok(()), |_| Err(ServerError::Lost { doing, source: "cut".into() }))
        }

        fn again(&mut self) -> Result<Box<dyn Batches + '_>, ServerError> {
            self.tables = self.lost.unwrap_or_default();
            Ok(Box::new(Told { seen: Vec::new(), ..*self }))
        }

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
        make(Told { schemas, tables, fails, lost: None, seen: Vec::new() }, &Silent)
    }

    fn make(mut told: Told, progress: &dyn Progress) -> (Result<(), ServerError>, Vec<String>) {
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
            stop: StopRequest::default(),
            messages: Default::default(),
        };
        let statements = ["CREATE TABLE [a]".to_owned(), "CREATE TABLE [b]".to_owned()];
        let result = create(&address, &statements, &mut told, progress);
        (result, told.seen)
    }

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
    fn a_commit_whose_answer_is_lost_is_found_out() {
        let told = |tables| Told { schemas: 1, tables: 0, fails: "", lost: Some(tables), seen: Vec::new() };
        assert!(make(told(2), &Silent).0.is_ok());
        assert!(matches!(make(told(0), &Silent).0, Err(ServerError::TakenBack)));
    }

    #[test]
    fn a_stop_before_the_commit_takes_the_tables_back() {
        let stop = Recording::default();
        stop.cancel();
        let told = Told { schemas: 1, tables: 0, fails: "", lost: None, seen: Vec::new() };
        let (result, seen) = make(told, &stop);
        assert!(matches!(result, Err(ServerError::Cancelled(_))));
        assert_eq!(seen, [BEGIN, BACK]);
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
