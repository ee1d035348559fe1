//! How the file is opened: for reading without touching it, for writing when a transaction begins.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::fault::fault;
use crate::server::ServerError;

/// How long the lock is waited for at the beginning of a transaction.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long readers, and commits that wait for readers, wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared: a few for each table of a large product.
const STATEMENTS: usize = 256;

/// The absolute path of a file that may be a database.
///
/// The file itself is not opened: closing it again would drop the locks that other connections of this
/// process hold on it.
pub(super) fn existing(path: &Path, address: &str) -> Result<PathBuf, ServerError> {
    let open = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ServerError::Missing(address.to_owned()),
        _ => ServerError::Open { address: address.to_owned(), source: error.into() },
    };
    let metadata = std::fs::metadata(path).map_err(open)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Err(ServerError::NotADatabase(address.to_owned()));
    }
    std::path::absolute(path).map_err(open)
}

/// Opens the file for reading, so that neither it changes nor a file beside it stays.
///
/// A file with a write-ahead log is the difficult case. A read-only connection would leave its side files, so
/// it is opened again in a way that takes them along (and cannot write rows); on read-only media, where side
/// files cannot be made, it is read as a file that nobody changes, provided that no log waits beside it.
pub(super) fn for_reading(path: &Path, address: &str) -> Result<Connection, ServerError> {
    let log_waits = size_beside(path, "-wal") > 0;
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let plain = Connection::open_with_flags(path, read_only)
        .and_then(prepare_to_read)
        .and_then(|connection| Ok((has_log(&connection)?, connection)));
    match plain {
        Ok((false, connection)) => Ok(connection),
        Ok((true, connection)) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let careful = Connection::open_with_flags(path, flags).and_then(|careful| {
                careful.pragma_update(None, "query_only", true)?;
                // A log that was there before is not ours to write back.
                careful.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, log_waits)?;
                prepare_to_read(careful)
            });
            Ok(careful.unwrap_or(connection))
        }
        Err(error) if cannot_lock(&error) && !log_waits => {
            let flags = read_only | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable_uri(path), flags)
                .and_then(prepare_to_read)
                .map_err(|error| refused(address, error))
        }
        Err(error) => Err(refused(address, error)),
    }
}

/// Opens the file for writing.
pub(super) fn for_writing(path: &Path, address: &str) -> Result<Connection, ServerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .and_then(harden)
        .and_then(|connection| {
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        })
        .map_err(|error| refused(address, error))?;
    // SQLite falls back to reading when the file is write-protected.
    if connection.is_readonly("main").unwrap_or(true) {
        let source = std::io::Error::from(ErrorKind::ReadOnlyFilesystem).into();
        return Err(ServerError::Open { address: address.to_owned(), source });
    }
    Ok(connection)
}

/// Begins the one writing transaction, or says that it is taken.
pub(super) fn begin_immediate(connection: &Connection) -> Result<(), ServerError> {
    let begin = || {
        connection.busy_timeout(BEGIN_TIMEOUT)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Until the end of this transaction: cycles and self references are judged at commit.
        connection.execute_batch("PRAGMA defer_foreign_keys = ON")
    };
    begin().map_err(|error| {
        abandon(connection);
        fault("beginning a transaction", "", error)
    })
}

/// Ends whatever transaction is open. What cannot be rolled back now is by the next user of the file.
pub(super) fn abandon(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

fn prepare_to_read(connection: Connection) -> rusqlite::Result<Connection> {
    let connection = harden(connection)?;
    // The first read: tells a database from another file, and takes the locks it will take.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn harden(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

fn has_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

fn cannot_lock(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn refused(address: &str, error: rusqlite::Error) -> ServerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ServerError::NotADatabase(address.to_owned()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ServerError::Busy,
        _ => ServerError::Open { address: address.to_owned(), source: error.into() },
    }
}

fn size_beside(path: &Path, suffix: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    std::fs::metadata(PathBuf::from(name)).map_or(0, |metadata| metadata.len())
}

/// The path as a URI that says that nobody changes the file.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b':' => {
                uri.push(char::from(*byte));
            }
            b'\\' if cfg!(windows) => uri.push('/'),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
