//! What was asked, in order: so that a test can say what ran, and what did not.

use rusqlite::types::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// LOGIN7.
    Login,
    /// SQL text.
    Batch,
    /// A procedure by RPC; sp_executesql with its statement as the text.
    Rpc,
    /// The rows of a bulk load.
    Bulk,
    /// Begin, commit, rollback or save without SQL.
    TransactionManager,
    /// The client asked to stop.
    Attention,
    /// The connection ended.
    Disconnect,
}

/// A parameter of an RPC.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// With the sign: `@P1`.
    pub name: String,
    /// `nvarchar(50)`, as declared.
    pub type_name: String,
    /// Bytes of the value as SQLite keeps it; `None` for NULL.
    pub bytes: Option<usize>,
    /// The value as the endpoint keeps it; of one larger than 64 KiB the beginning.
    pub value: Value,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// From 1, over all sessions.
    pub number: u64,
    /// When it arrived.
    pub at: Instant,
    /// The session, which is also its @@SPID.
    pub session: u32,
    /// Its kind.
    pub kind: Kind,
    /// The database of the session.
    pub database: String,
    /// The text; of a login the user, of a bulk load its INSERT BULK.
    pub sql: String,
    /// What came with it.
    pub parameters: Vec<Parameter>,
    /// Rows of a bulk load that were taken.
    pub bulk_rows: u64,
    /// @@TRANCOUNT before.
    pub transactions_before: u32,
    /// @@TRANCOUNT after; `None` while it runs, or where the connection closed in the midst of it.
    pub transactions_after: Option<u32>,
    /// The numbers of the errors that were answered.
    pub errors: Vec<i32>,
}

#[derive(Default)]
pub(crate) struct Record {
    requests: Mutex<Vec<Request>>,
    last: AtomicU64,
}

impl Record {
    pub fn begin(&self, session: u32, kind: Kind, database: &str, sql: &str, transactions: u32) -> u64 {
        let mut requests = self.requests.lock().expect("no panic under this lock");
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        requests.push(Request {
            number,
            at: Instant::now(),
            session,
            kind,
            database: database.to_owned(),
            sql: sql.to_owned(),
            parameters: Vec::new(),
            bulk_rows: 0,
            transactions_before: transactions,
            transactions_after: None,
            errors: Vec::new(),
        });
        number
    }

    /// Changes a request that was not cleared in the meantime.
    pub fn change(&self, number: u64, change: impl FnOnce(&mut Request)) {
        let mut requests = self.requests.lock().expect("no panic under this lock");
        if let Some(request) = requests.iter_mut().rev().find(|r| r.number == number) {
            change(request);
        }
    }

    pub fn all(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic under this lock").clone()
    }

    pub fn clear(&self) {
        self.requests.lock().expect("no panic under this lock").clear();
    }
}

/// A value as it is recorded.
pub(crate) fn recorded(name: &str, type_name: String, value: &Value) -> Parameter {
    const MOST: usize = 64 * 1024;
    let (bytes, value) = match value {
        Value::Null => (None, Value::Null),
        Value::Integer(_) | Value::Real(_) => (Some(8), value.clone()),
        Value::Text(text) => {
            let end = (0..=MOST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            (Some(text.len()), Value::Text(text[..end].to_owned()))
        }
        Value::Blob(blob) => (Some(blob.len()), Value::Blob(blob[..blob.len().min(MOST)].to_vec())),
    };
    Parameter { name: name.to_owned(), type_name, bytes, value }
}
