//! Whether a commit happened that SQLite says has failed.
//!
//! A commit is over when the journal is gone. Where the disk fails at that very moment SQLite tells of a failure, and
//! what the file holds is known only to who reads it next.

use std::path::Path;

use rusqlite::Connection;

use super::connect;

/// What another connection sees of a transaction's end.
pub(super) struct Outcome<'a> {
    observer: &'a Connection,
    path: &'a Path,
    address: &'a str,
    /// What the observer saw when the transaction began; it changes when another connection commits.
    before: Option<i64>,
}

impl<'a> Outcome<'a> {
    /// Remembers what there is before anything is committed.
    pub(super) fn watch(observer: &'a Connection, path: &'a Path, address: &'a str) -> Self {
        Self { observer, path, address, before: version(observer).ok() }
    }

    /// Says whether the transaction was committed; or why that cannot be told.
    pub(super) fn is_committed(&self) -> Result<bool, String> {
        // Whatever is to be rolled back is rolled back by who opens the file for writing.
        let settled = connect::for_writing(self.path, self.address).map_err(|error| error.to_string())?;
        let read = settled.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        read.map_err(|error| error.to_string())?;
        let now = version(self.observer).map_err(|error| error.to_string())?;
        match self.before {
            Some(before) => Ok(before != now),
            None => Err("what there was before could not be read".to_owned()),
        }
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}
