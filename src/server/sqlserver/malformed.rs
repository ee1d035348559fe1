//! Text that the server keeps and that is none: half of a surrogate pair in a column of `nvarchar`.
//!
//! The driver says that a text could not be read and not where. So the columns are read again, each by itself.

use std::sync::Arc;

use super::connect::Connection;
use super::fault::Doing;
use super::schema::{Field, Schema};
use super::types::SqlType;
use super::view::selected;
use crate::server::ServerError;

/// What the driver said, without a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server sent text that is not well-formed (half of a surrogate pair, or an unknown code page)")]
pub(super) struct Malformed;

/// The same, with the column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{table}.{column} holds text that is not well-formed (half of a surrogate pair, or an unknown code page)"
)]
struct In {
    table: String,
    column: String,
}

/// Says whether the driver means text.
pub(super) fn is_text(error: &tiberius::error::Error) -> bool {
    use tiberius::error::Error;
    match error {
        Error::Utf16 | Error::Utf8 | Error::Encoding(_) => true,
        Error::Protocol(reason) => reason.contains("UTF-16"),
        _ => false,
    }
}

/// Names the column in an error of reading these columns; other errors stay as they are. The connection that has
/// failed is not used: where no other comes about, the error stays too.
pub(super) fn named(
    connection: &Connection,
    schema: &Arc<Schema>,
    table: &str,
    columns: &[&str],
    error: ServerError,
) -> ServerError {
    let ServerError::Failed { source, doing } = &error else { return error };
    if !source.is::<Malformed>() {
        return error;
    }
    match schema.fields(table, columns).ok().and_then(|fields| search(connection, schema, &fields)) {
        Some(found) => ServerError::Failed { doing: doing.clone(), source: Box::new(found) },
        None => error,
    }
}

/// The first of the columns that cannot be read.
fn search(failed: &Connection, schema: &Schema, fields: &[Field<'_>]) -> Option<In> {
    let is_text = |field: &&Field<'_>| {
        matches!(
            field.nature.kind,
            SqlType::Unicode { .. } | SqlType::Narrow { .. } | SqlType::LongText(_) | SqlType::Xml
        )
    };
    let texts: Vec<&Field<'_>> = fields.iter().filter(is_text).collect();
    if let [field] = texts.as_slice() {
        return Some(In { table: field.table.name.clone(), column: field.column.name.clone() });
    }
    let mut connection = Connection::open(&failed.target).ok()?;
    let wait = format!("SET LOCK_TIMEOUT {}", failed.target.lock_timeout.as_millis().min(i32::MAX as u128));
    let doing = Doing { what: "looking for text", address: "", table: "", schema: None };
    connection.batch(&doing, &wait).ok()?;
    for field in texts {
        let columns = selected(std::slice::from_ref(field), "t").ok()?;
        let sql = format!("SELECT {columns} FROM {} AS t", schema.qualified(field.table));
        match connection.rows(&doing, &sql, Vec::new(), &mut |_| Ok(())) {
            Ok(()) => {}
            Err(ServerError::Failed { source, .. }) if source.is::<Malformed>() => {
                return Some(In { table: field.table.name.clone(), column: field.column.name.clone() });
            }
            Err(_) => return None,
        }
    }
    None
}
