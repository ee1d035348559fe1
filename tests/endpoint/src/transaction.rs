//! The session's transaction: T-SQL's counting and isolation on SQLite's one writer and many snapshots.
//!
//! A transaction of SQLite begins when the first statement needs it. READ COMMITTED reads the latest commit
//! and holds nothing; SNAPSHOT pins what its first read sees; SERIALIZABLE, REPEATABLE READ and the locking
//! hints take the database's write lock, which is coarser than SQL Server's locks but excludes the same.

use crate::fail::{Fail, Result};
use crate::parse::ast::Isolation;
use rusqlite::Connection;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a session with no LOCK_TIMEOUT waits before it is called a deadlock's victim.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What a statement is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read {
        lock: bool,
    },
    Write,
    /// To the session's own tables only.
    TemporaryWrite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    /// Begun, but the database was not read.
    Open,
    /// Reading a snapshot.
    Pinned,
    Writing,
}

pub(crate) struct Transaction {
    depth: Cell<u32>,
    id: Cell<u64>,
    state: Cell<State>,
    pub isolation: Cell<Isolation>,
    /// The isolation that this transaction began with; SNAPSHOT cannot be changed to on the way.
    pub snapshot_allowed: Cell<bool>,
    /// Milliseconds; -1 waits.
    pub lock_timeout: Cell<i64>,
    json: Cell<u64>,
    dropped: Cell<u64>,
}

impl Transaction {
    pub fn new() -> Transaction {
        Transaction {
            depth: Cell::new(0),
            id: Cell::new(0),
            state: Cell::new(State::None),
            isolation: Cell::new(Isolation::ReadCommitted),
            snapshot_allowed: Cell::new(false),
            lock_timeout: Cell::new(-1),
            json: Cell::new(0),
            dropped: Cell::new(0),
        }
    }

    pub fn depth(&self) -> u32 {
        self.depth.get()
    }

    /// The descriptor that requests must carry; 0 outside of a transaction.
    pub fn id(&self) -> u64 {
        if self.depth.get() > 0 { self.id.get() } else { 0 }
    }

    /// A new number for a table that OPENJSON fills.
    pub fn next_json(&self) -> u64 {
        self.json.set(self.json.get() + 1);
        self.json.get()
    }

    /// Drops the tables that OPENJSON has filled since the last call.
    pub fn drop_json(&self, db: &Connection) {
        for number in self.dropped.get() + 1..=self.json.get() {
            // One that an undone statement made is gone already.
            let _ = db.execute_batch(&format!("DROP TABLE IF EXISTS temp.\"#openjson:{number}\""));
        }
        self.dropped.set(self.json.get());
    }

    /// Counts one more BEGIN; `id` is the new transaction's, used for the outermost.
    pub fn begin(&self, id: u64) -> bool {
        let outermost = self.depth.get() == 0;
        if outermost {
            self.id.set(id);
            self.state.set(State::None);
        }
        self.depth.set(self.depth.get() + 1);
        outermost
    }

    /// Commits; true where it was the outermost.
    pub fn commit(&self, db: &Connection) -> Result<bool> {
        match self.depth.get() {
            0 => {
                Err(Fail::new(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."))
            }
            1 => {
                if self.state.get() != State::None {
                    db.execute_batch("COMMIT")?;
                }
                self.state.set(State::None);
                self.depth.set(0);
                Ok(true)
            }
            depth => {
                self.depth.set(depth - 1);
                Ok(false)
            }
        }
    }

    /// Rolls all back; false where there was no transaction.
    pub fn rollback(&self, db: &Connection) -> bool {
        let had = self.depth.get() > 0;
        if !db.is_autocommit() {
            let _ = db.execute_batch("ROLLBACK");
        }
        self.state.set(State::None);
        self.depth.set(0);
        had
    }

    pub fn save(&self, db: &Connection, name: &str) -> Result<()> {
        if self.depth.get() == 0 {
            return Err(Fail::new(628, "Cannot issue SAVE TRANSACTION when there is no active transaction."));
        }
        if self.state.get() == State::None {
            if self.isolation.get() == Isolation::Snapshot {
                db.execute_batch("BEGIN")?;
                self.state.set(State::Open);
            } else {
                self.write(db)?;
            }
        }
        db.execute_batch(&format!("SAVEPOINT {}", crate::catalog::quoted(&format!("save:{name}"))))?;
        Ok(())
    }

    pub fn rollback_to(&self, db: &Connection, name: &str) -> Result<()> {
        let missing = || {
            Fail::new(
                6401,
                format!("Cannot roll back {name}. No transaction or savepoint of that name was found."),
            )
        };
        if self.depth.get() == 0 {
            return Err(Fail::new(
                3903,
                "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.",
            ));
        }
        if self.state.get() == State::None {
            return Err(missing());
        }
        let savepoint = crate::catalog::quoted(&format!("save:{name}"));
        db.execute_batch(&format!("ROLLBACK TO {savepoint}")).map_err(|_| missing())
    }

    /// Takes what an access needs, before it is made.
    pub fn enter(&self, db: &Connection, access: Access, database: &str) -> Result<()> {
        if self.depth.get() == 0 {
            return Ok(());
        }
        let isolation = self.isolation.get();
        let snapshot = isolation == Isolation::Snapshot;
        if snapshot && access != Access::TemporaryWrite && !self.snapshot_allowed.get() {
            return Err(Fail::new(
                3952,
                format!(
                    "Snapshot isolation transaction failed accessing database '{database}' because snapshot \
                     isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation."
                ),
            ));
        }
        match access {
            Access::Write => self.write(db),
            Access::TemporaryWrite => {
                if self.state.get() == State::None {
                    db.execute_batch("BEGIN")?;
                    self.state.set(State::Open);
                }
                Ok(())
            }
            Access::Read { lock: true } => self.write(db),
            Access::Read { lock: false } => match (isolation, self.state.get()) {
                (_, State::Writing | State::Pinned) => Ok(()),
                (Isolation::Snapshot, state) => {
                    if state == State::None {
                        db.execute_batch("BEGIN")?;
                    }
                    // The snapshot is what is committed now, not what will be when a row is read.
                    db.query_row("SELECT count(*) FROM main.\"sys.lock\"", [], |_| Ok(()))?;
                    self.state.set(State::Pinned);
                    Ok(())
                }
                (Isolation::ReadCommitted, State::None) => Ok(()),
                _ => self.write(db),
            },
        }
    }

    /// Takes the write lock, waiting for it as LOCK_TIMEOUT says.
    fn write(&self, db: &Connection) -> Result<()> {
        let sql = match self.state.get() {
            State::Writing => return Ok(()),
            State::None => "BEGIN IMMEDIATE",
            State::Open | State::Pinned => "UPDATE main.\"sys.lock\" SET n = n + 1",
        };
        self.wait(|| db.execute_batch(sql))?;
        self.state.set(State::Writing);
        Ok(())
    }

    /// Begins a statement of its own, outside of a transaction.
    pub fn begin_single(&self, db: &Connection, access: Access) -> Result<()> {
        let sql = if access == Access::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.wait(|| db.execute_batch(sql))
    }

    fn wait(&self, attempt: impl Fn() -> rusqlite::Result<()>) -> Result<()> {
        let limit = u64::try_from(self.lock_timeout.get()).ok().map(Duration::from_millis);
        let start = Instant::now();
        loop {
            let fail = match attempt() {
                Ok(()) => return Ok(()),
                Err(e) => Fail::from(e),
            };
            if fail.number != 1222 {
                return Err(fail);
            }
            match limit {
                Some(limit) if start.elapsed() >= limit => return Err(fail),
                None if start.elapsed() >= LONGEST_WAIT => return Err(deadlock(0)),
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

/// The error of a deadlock's victim.
pub(crate) fn deadlock(process: u32) -> Fail {
    Fail::new(
        1205,
        format!(
            "Transaction (Process ID {process}) was deadlocked on lock resources with another process and has been \
             chosen as the deadlock victim. Rerun the transaction."
        ),
    )
}
