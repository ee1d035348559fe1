//! What all sessions share: options, databases, the record, faults, locks by name.

use crate::database::Database;
use crate::fail::{Fail, Result};
use crate::faults::Faults;
use crate::locks::Locks;
use crate::options::Options;
use crate::record::Record;
use crate::wire::tls;
use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// What all sessions share.
pub(crate) struct Shared {
    options: RwLock<Options>,
    databases: Mutex<Vec<Arc<Database>>>,
    folder: PathBuf,
    pub identity: tls::Identity,
    pub record: Record,
    pub faults: Arc<Faults>,
    pub locks: Locks,
    pub stop: AtomicBool,
    pub sessions: AtomicU32,
    transactions: AtomicU64,
    last_database: AtomicU32,
    pub sockets: Mutex<HashMap<u32, TcpStream>>,
}

impl Shared {
    pub fn new(options: Options, folder: PathBuf, identity: tls::Identity) -> Result<Shared> {
        let shared = Shared {
            databases: Mutex::new(Vec::new()),
            folder,
            identity,
            record: Record::default(),
            faults: Arc::default(),
            locks: Locks::default(),
            stop: AtomicBool::new(false),
            sessions: AtomicU32::new(50),
            transactions: AtomicU64::new(0x10_0000_0000),
            last_database: AtomicU32::new(4),
            sockets: Mutex::default(),
            options: RwLock::new(options),
        };
        for name in shared.options().databases {
            shared.create_database(&name, None)?;
        }
        Ok(shared)
    }

    pub fn options(&self) -> Options {
        self.options.read().expect("no panic under this lock").clone()
    }

    pub fn change_options(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.options.write().expect("no panic under this lock"));
    }

    pub fn databases(&self) -> Vec<Arc<Database>> {
        self.databases.lock().expect("no panic under this lock").clone()
    }

    pub fn database(&self, name: &str) -> Option<Arc<Database>> {
        self.databases().into_iter().find(|d| d.name.eq_ignore_ascii_case(name))
    }

    pub fn next_transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn create_database(&self, name: &str, collation: Option<&str>) -> Result<()> {
        if self.database(name).is_some() {
            return Err(Fail::new(
                1801,
                format!("Database '{name}' already exists. Choose a different database name."),
            ));
        }
        let id = i64::from(self.last_database.fetch_add(1, Ordering::SeqCst) + 1);
        let options = self.options();
        let collation = collation.unwrap_or(&options.collation);
        let made = Database::create(&self.folder, name, id, collation, options.snapshot_isolation)?;
        self.databases.lock().expect("no panic under this lock").push(Arc::new(made));
        Ok(())
    }

    pub fn drop_database(&self, name: &str, if_exists: bool) -> Result<()> {
        let mut databases = self.databases.lock().expect("no panic under this lock");
        match databases.iter().position(|d| d.name.eq_ignore_ascii_case(name)) {
            Some(at) => {
                databases.remove(at);
                Ok(())
            }
            None if if_exists => Ok(()),
            None => Err(Fail::new(
                3701,
                format!(
                    "Cannot drop the database '{name}', because it does not exist or you do not have permission."
                ),
            )),
        }
    }

    pub fn allow_snapshot(&self, name: &str, on: bool) -> Result<()> {
        let Some(database) = self.database(name) else {
            return Err(Fail::new(
                5011,
                format!(
                    "User does not have permission to alter database '{name}', the database does not exist, or the database is not in a state that allows access checks."
                ),
            ));
        };
        database.snapshot_allowed.store(on, Ordering::SeqCst);
        Ok(())
    }

    /// Ends every connection.
    pub fn shut(&self) {
        self.stop.store(true, Ordering::SeqCst);
        for socket in self.sockets.lock().expect("no panic under this lock").values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn close_session(&self, session: u32) {
        if let Some(socket) = self.sockets.lock().expect("no panic under this lock").get(&session) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
