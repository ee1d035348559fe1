//! A database: one SQLite file, and the counters that no rollback takes back.

use crate::catalog;
use crate::fail::Result;
use crate::functions;
use crate::text::Order;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

pub(crate) struct Database {
    pub name: String,
    pub id: i64,
    pub path: PathBuf,
    pub collation: String,
    pub order: Order,
    pub snapshot_allowed: AtomicBool,
    objects: AtomicI64,
    versions: AtomicI64,
    identities: Mutex<HashMap<i64, i64>>,
}

impl Database {
    /// Makes the file. `id`: from 5 on, as user databases have.
    pub fn create(
        folder: &Path,
        name: &str,
        id: i64,
        collation: &str,
        snapshot_allowed: bool,
    ) -> Result<Database> {
        let order = catalog::order_of(collation)?;
        let database = Database {
            name: name.to_owned(),
            id,
            path: folder.join(format!("{id}.db")),
            collation: collation.to_owned(),
            order,
            snapshot_allowed: AtomicBool::new(snapshot_allowed),
            objects: AtomicI64::new(245_575_913),
            versions: AtomicI64::new(2000),
            identities: Mutex::new(HashMap::new()),
        };
        let db = Connection::open(&database.path)?;
        functions::install(&db)?;
        // Nothing here outlives the process, so nothing waits for a disk.
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")?;
        catalog::create(&db, order)?;
        Ok(database)
    }

    /// A connection for a session, or for a test to look with.
    pub fn connect(&self) -> Result<Connection> {
        let db = Connection::open(&self.path)?;
        db.set_prepared_statement_cache_capacity(64);
        functions::install(&db)?;
        db.execute_batch("PRAGMA synchronous = OFF;")?;
        db.busy_timeout(std::time::Duration::from_millis(20))?;
        Ok(db)
    }

    /// Object ids grow by what looks like SQL Server's stride.
    pub fn next_object(&self) -> i64 {
        self.objects.fetch_add(16, Ordering::Relaxed)
    }

    pub fn next_row_version(&self) -> Vec<u8> {
        (self.versions.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes().to_vec()
    }

    pub fn next_identity(&self, table: i64, seed: i64, step: i64) -> i64 {
        let mut identities = self.identities.lock().expect("no panic under this lock");
        let next = identities.get(&table).map_or(seed, |last| last.wrapping_add(step));
        identities.insert(table, next);
        next
    }

    /// An explicit value moves the counter on, never back.
    pub fn saw_identity(&self, table: i64, value: i64, step: i64) {
        let mut identities = self.identities.lock().expect("no panic under this lock");
        let last = identities.entry(table).or_insert(value);
        if (step > 0 && value > *last) || (step < 0 && value < *last) {
            *last = value;
        }
    }

    pub fn forget_identity(&self, table: i64) {
        self.identities.lock().expect("no panic under this lock").remove(&table);
    }
}
