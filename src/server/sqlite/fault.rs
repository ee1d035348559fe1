//! What SQLite says, as an error of the contract. Names of tables and columns pass; values never do.

use rusqlite::{ErrorCode, ffi};

use crate::server::ServerError;

/// How the reason begins of a write that clashes with the unique values of another row.
pub(super) const UNIQUE: &str = "UNIQUE constraint";

/// Translates an error met while doing something, for one table or for none ("").
pub(super) fn fault(doing: &str, table: &str, error: rusqlite::Error) -> ServerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ServerError::Busy,
        Some(ErrorCode::DiskFull) => ServerError::Full,
        Some(ErrorCode::ConstraintViolation) => {
            let (table, reason) = constraint(table, &error);
            ServerError::Constraint { table, reason }
        }
        _ => failed(doing, error),
    }
}

/// An error that has no better name.
pub(super) fn failed(
    doing: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ServerError {
    ServerError::Failed { doing: doing.to_owned(), source: source.into() }
}

/// Says whether a commit was refused for its foreign keys.
pub(super) fn is_foreign_key(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}

/// The table and the nature of the constraint, with the columns it is about.
///
/// SQLite writes `UNIQUE constraint failed: Project.Name, Project.SpaceId`; a trigger's own words are left
/// out, since nobody knows what they quote.
fn constraint(table: &str, error: &rusqlite::Error) -> (String, String) {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.as_str(),
        _ => "",
    };
    let names = message.split_once(" constraint failed: ").map(|(_, names)| names).unwrap_or_default();
    let mut owner = table.to_owned();
    let columns: Vec<&str> = names
        .split(", ")
        .filter(|name| !name.is_empty())
        .map(|name| match strip_table(name, table) {
            Some(column) => column,
            None => match name.split_once('.') {
                // A trigger or a cascade wrote to another table.
                Some((other, column)) => {
                    other.clone_into(&mut owner);
                    column
                }
                None => name,
            },
        })
        .collect();
    let columns = columns.join(", ");
    let code = error.sqlite_error().map_or(0, |e| e.extended_code);
    let reason = match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE => format!("{UNIQUE} on {columns}"),
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            format!("PRIMARY KEY constraint on {columns}")
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => format!("NOT NULL constraint on {columns}"),
        ffi::SQLITE_CONSTRAINT_CHECK => format!("CHECK constraint {names}"),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "FOREIGN KEY constraint".to_owned(),
        // A foreign key that does not wait (ON DELETE RESTRICT) goes by this number too.
        ffi::SQLITE_CONSTRAINT_TRIGGER if message == "FOREIGN KEY constraint failed" => {
            "FOREIGN KEY constraint".to_owned()
        }
        ffi::SQLITE_CONSTRAINT_TRIGGER => "a trigger".to_owned(),
        ffi::SQLITE_CONSTRAINT_DATATYPE => "a value of another type than the column's".to_owned(),
        _ => "a constraint".to_owned(),
    };
    (owner, reason)
}

fn strip_table<'a>(name: &'a str, table: &str) -> Option<&'a str> {
    let head = name.get(..table.len())?;
    let column = name.get(table.len()..)?.strip_prefix('.')?;
    head.eq_ignore_ascii_case(table).then_some(column)
}
