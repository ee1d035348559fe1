//! A session: runs batches statement by statement, as SQL Server goes on or stops after errors.

mod change;
mod constrain;
mod constraint;
mod define;
mod load;
mod procedure;
mod rows;
mod statement;

use crate::database::Database;
use crate::fail::{Effect, Fail};
use crate::faults::{Place, What};
use crate::locks::Owner;
use crate::parse::{self, ast::Isolation, ast::Parsed};
use crate::record::Kind;
use crate::shared::Shared;
use crate::transaction::Transaction;
use crate::translate::{Env, Facts, Variables};
use crate::types::Type;
use crate::wire::reply::{COUNT, ERROR, Reply};
use rusqlite::Connection;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Why a batch stops.
pub(crate) enum Halt {
    /// An error, sent already; `true`: it goes on with the next statement.
    Failed(bool),
    /// The connection is gone.
    Closed(io::Error),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        Halt::Closed(error)
    }
}

/// What a statement of SQL or a fault ends with.
pub(crate) enum Stop {
    Fail(Fail),
    Closed(io::Error),
}

impl From<Fail> for Stop {
    fn from(fail: Fail) -> Stop {
        Stop::Fail(fail)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Fail(error.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Closed(error)
    }
}

/// The rows that an INSERT BULK announced.
pub(crate) struct Announced {
    pub table: parse::ast::Name,
    pub columns: Vec<(String, Type)>,
    pub check: bool,
    pub keep_nulls: bool,
    pub text: String,
}

pub(crate) struct Session {
    pub shared: Arc<Shared>,
    pub id: u32,
    pub database: Arc<Database>,
    pub db: Connection,
    pub user: String,
    pub transaction: Transaction,
    xact_abort: bool,
    nocount: bool,
    rowcount: u64,
    last_identity: Option<i64>,
    identity_insert: Option<i64>,
    variables: Variables,
    announced: Option<Announced>,
    /// Temporary tables made by the request that runs.
    made_tables: Vec<String>,
    /// The token that ends statements: DONE, or DONEINPROC within a procedure.
    done_token: u8,
    close_after: bool,
}

impl Session {
    pub fn new(
        shared: Arc<Shared>,
        id: u32,
        database: Arc<Database>,
        user: String,
    ) -> crate::fail::Result<Session> {
        let db = database.connect()?;
        crate::catalog::create_temporary(&db)?;
        Ok(Session {
            shared,
            id,
            database,
            db,
            user,
            transaction: Transaction::new(),
            xact_abort: false,
            nocount: false,
            rowcount: 0,
            last_identity: None,
            identity_insert: None,
            variables: Variables::new(),
            announced: None,
            made_tables: Vec::new(),
            done_token: 0xFD,
            close_after: false,
        })
    }

    fn facts(&self) -> Facts {
        let options = self.shared.options();
        let text = |t: &str| rusqlite::types::Value::Text(t.to_owned());
        let int = |n: i64| rusqlite::types::Value::Integer(n);
        let row = |d: &Arc<Database>| {
            vec![
                text(&d.name),
                int(d.id),
                int(options.compatibility_level.into()),
                text(&d.collation),
                int(d.snapshot_allowed.load(Ordering::SeqCst).into()),
                int(options.read_only.into()),
                int(0),
                int(0),
            ]
        };
        let databases = self.shared.databases().iter().map(row).collect();
        Facts {
            database: self.database.name.clone(),
            database_id: self.database.id,
            collation: self.database.collation.clone(),
            server_collation: options.server_collation.clone(),
            order: self.database.order,
            product_version: options.product_version.clone(),
            compatibility_level: options.compatibility_level,
            read_only: options.read_only,
            user: self.user.clone(),
            denied: options.denied.clone(),
            databases,
            trancount: self.transaction.depth(),
            rowcount: self.rowcount,
            spid: self.id,
            identity: self.last_identity,
            now: crate::moment::Moment::now(),
        }
    }

    fn env<'a>(&'a self, facts: &'a Facts) -> Env<'a> {
        self.transaction.snapshot_allowed.set(self.database.snapshot_allowed.load(Ordering::SeqCst));
        Env { db: &self.db, facts, variables: &self.variables, transaction: &self.transaction }
    }

    /// Runs the text of a batch.
    pub fn batch(&mut self, sql: &str, reply: &mut Reply<'_>) -> io::Result<()> {
        self.variables.clear();
        self.made_tables.clear();
        self.done_token = 0xFD;
        self.run(sql, reply)?;
        if !reply.has_done() {
            reply.done(0xFD, 0, 0)?;
        }
        Ok(())
    }

    /// Runs the text of sp_executesql: what it sets and the tables it makes end with it.
    pub fn execute_sql(&mut self, sql: &str, variables: Variables, reply: &mut Reply<'_>) -> io::Result<()> {
        self.variables = variables;
        self.made_tables.clear();
        self.done_token = 0xFF;
        let before = self.transaction.depth();
        let settings = (
            self.xact_abort,
            self.nocount,
            self.identity_insert,
            self.transaction.isolation.get(),
            self.transaction.lock_timeout.get(),
        );
        let whole = self.run(sql, reply)?;
        for table in std::mem::take(&mut self.made_tables) {
            let name = parse::ast::Name { database: None, schema: None, name: table };
            let _ = self.drop_table(&name, true);
        }
        (self.xact_abort, self.nocount, self.identity_insert) = (settings.0, settings.1, settings.2);
        self.transaction.isolation.set(settings.3);
        self.transaction.lock_timeout.set(settings.4);
        self.variables.clear();
        let after = self.transaction.depth();
        let mut failed = !whole;
        if whole && before != after {
            let fail = Fail::new(
                266,
                format!(
                    "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. \
                     Previous count = {before}, current count = {after}."
                ),
            );
            reply.error(&fail)?;
            failed = true;
        }
        reply.return_status(i32::from(failed))?;
        reply.done(0xFE, if failed { ERROR } else { 0 }, 0)
    }

    /// Parses and runs; false where an error ended it.
    fn run(&mut self, sql: &str, reply: &mut Reply<'_>) -> io::Result<bool> {
        let statements = match parse::batch(sql) {
            Ok(statements) => statements,
            Err(fail) => {
                reply.error(&fail)?;
                reply.done(self.done_token, ERROR, 0)?;
                return Ok(false);
            }
        };
        match self.statements(&statements, reply) {
            Ok(()) => Ok(true),
            Err(Halt::Failed(_)) => Ok(false),
            Err(Halt::Closed(error)) => Err(error),
        }
    }

    fn statements(&mut self, statements: &[Parsed], reply: &mut Reply<'_>) -> Result<(), Halt> {
        for statement in statements {
            match self.statement(statement, reply) {
                Ok(()) | Err(Halt::Failed(true)) => {}
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    /// Runs one statement with the faults that strike it, and answers for it.
    fn statement(&mut self, parsed: &Parsed, reply: &mut Reply<'_>) -> Result<(), Halt> {
        let result = match self.struck(&Place::Sql(&parsed.text), !parsed.is_compound(), reply) {
            Ok(()) => self.perform(parsed, reply)?,
            Err(stop) => Err(stop),
        };
        self.transaction.drop_json(&self.db);
        if self.close_after {
            return Err(Halt::Closed(reply.close()));
        }
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Closed(error)) => Err(Halt::Closed(error)),
            Err(Stop::Fail(fail)) => Err(self.failed(fail, reply)?),
        }
    }

    /// Lets the faults of a place strike.
    pub fn struck(&mut self, place: &Place<'_>, applies: bool, reply: &mut Reply<'_>) -> Result<(), Stop> {
        if !applies {
            return Ok(());
        }
        for what in self.shared.faults.at(self.id, place) {
            match what {
                What::Error { number, message } => return Err(Stop::Fail(self.injected(number, message))),
                What::CloseBefore => return Err(Stop::Closed(reply.close())),
                What::CloseAfter => self.close_after = true,
                What::CloseMidReply(bytes) => reply.cut_after(bytes),
                What::Delay(time) => {
                    if reply.attention_within(time)? {
                        let (name, depth) = (&self.database.name, self.transaction.depth());
                        let number = self.shared.record.begin(self.id, Kind::Attention, name, "", depth);
                        self.shared.record.change(number, |request| request.transactions_after = Some(0));
                        // With the connection goes whatever the client might do after an attention.
                        return Err(Stop::Closed(reply.close()));
                    }
                }
                What::SplitPackets(size) => reply.split(size),
            }
        }
        Ok(())
    }

    /// Whether the connection must close now that the request has run.
    pub fn must_close(&self) -> bool {
        self.close_after
    }

    fn injected(&self, number: i32, message: String) -> Fail {
        if !message.is_empty() {
            return Fail::new(number, message);
        }
        match number {
            1205 => crate::transaction::deadlock(self.id),
            1222 => Fail::new(1222, "Lock request time out period exceeded."),
            9002 => Fail::new(
                9002,
                format!(
                    "The transaction log for database '{}' is full due to 'ACTIVE_TRANSACTION'.",
                    self.database.name
                ),
            ),
            3960 => Fail::new(3960, "Snapshot isolation transaction aborted due to update conflict."),
            number => Fail::new(number, format!("An error {number} that the test asked for.")),
        }
    }

    /// Sends an error and does what it does: to the statement, the batch, the transaction.
    pub fn failed(&mut self, mut fail: Fail, reply: &mut Reply<'_>) -> io::Result<Halt> {
        if fail.number == 1205 && fail.message.contains("(Process ID 0)") {
            fail = crate::transaction::deadlock(self.id);
        }
        let effect = fail.effect();
        reply.error(&fail)?;
        let aborts =
            self.xact_abort && effect != Effect::Compile && !matches!(fail.number, 3902 | 3903 | 266);
        if effect == Effect::Transaction || aborts {
            self.roll_back_all(reply)?;
            reply.done(self.done_token, ERROR, 0)?;
            return Ok(Halt::Failed(false));
        }
        let goes_on = effect == Effect::Statement;
        if goes_on && !matches!(fail.number, 3902 | 3903) {
            reply.information(3621, "The statement has been terminated.")?;
        }
        self.rowcount = 0;
        reply.done(self.done_token, ERROR, 0)?;
        Ok(Halt::Failed(goes_on))
    }

    fn roll_back_all(&mut self, reply: &mut Reply<'_>) -> io::Result<()> {
        let id = self.transaction.id();
        if self.transaction.rollback(&self.db) {
            self.shared.locks.release_all(self.id, Some(Owner::Transaction));
            reply.transaction_ended(id, false)?;
        }
        Ok(())
    }

    fn count_done(&mut self, rows: u64, reply: &mut Reply<'_>) -> io::Result<()> {
        self.rowcount = rows;
        if self.nocount {
            return Ok(());
        }
        reply.done(self.done_token, COUNT, rows)
    }

    /// For a connection that is used again: as new, but for what it reads.
    pub fn reset(&mut self) -> crate::fail::Result<()> {
        self.transaction.rollback(&self.db);
        self.shared.locks.release_all(self.id, None);
        let shared = self.shared.clone();
        *self = Session::new(shared, self.id, self.database.clone(), std::mem::take(&mut self.user))?;
        Ok(())
    }

    /// What the end of a connection does.
    pub fn end(&mut self) {
        self.transaction.rollback(&self.db);
        self.shared.locks.release_all(self.id, None);
    }

    pub fn set_isolation(&self, isolation: Isolation) {
        self.transaction.isolation.set(isolation);
    }
}
