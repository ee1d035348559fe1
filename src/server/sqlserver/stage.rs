//! Temporary tables that rows are loaded into on their way to the server's own.

use tiberius::{IntoSql as _, TokenRow};

use super::connect::{Connection, Interrupted};
use super::fault::Doing;
use super::schema::Field;
use super::spool::{Spool, Unspool};
use super::values;
use crate::document::Value;
use crate::server::{Row, ServerError};

/// The driver cannot load values of more bytes than this by bulk; they go as parameters.
const MAX_BULK_VALUE: usize = 60_000;
/// As many parameters a statement may have (2,100, less what the driver needs).
const MAX_PARAMS: usize = 2000;
/// As many rows one list of values may have.
const MAX_ROWS: usize = 1000;
/// How many bytes go as parameters at once, about.
const MAX_BYTES: usize = 4 << 20;

/// The statement that makes a temporary table for rows of these columns, with the number of the write in front.
pub(super) fn creation(name: &str, fields: &[Field<'_>]) -> String {
    let mut columns = vec!["[n] bigint NOT NULL PRIMARY KEY".to_owned()];
    for (at, field) in fields.iter().enumerate() {
        let kind = &field.nature.kind;
        let collation = if kind.is_staged_as_text() { " COLLATE DATABASE_DEFAULT" } else { "" };
        columns.push(format!("[c{at}] {}{collation} NULL", kind.staged()));
    }
    format!("CREATE TABLE {name} ({})", columns.join(", "))
}

/// Loads rows. Few go as parameters of one statement, many by bulk load.
pub(super) fn load(
    connection: &mut Connection,
    doing: &Doing<'_>,
    name: &str,
    fields: &[Field<'_>],
    rows: &mut Unspool,
    count: u64,
) -> Result<(), ServerError> {
    let few = count.saturating_mul(fields.len() as u64 + 1) <= MAX_PARAMS as u64 / 4;
    if few {
        return by_params(connection, doing, name, fields, rows);
    }
    let disk =
        |error: std::io::Error| ServerError::Failed { doing: doing.what.to_owned(), source: Box::new(error) };
    let mut large = Spool::new();
    connection.run(doing, async |wire| {
        let ours = |error: ServerError| Interrupted::Ours(Box::new(error));
        let mut bulk = wire.bulk_insert(name).await?;
        let mut sent = 0u64;
        while let Some((number, row)) = rows.next().map_err(|error| ours(disk(error)))? {
            if row.iter().any(is_large) {
                large.push(number, &row).map_err(|error| ours(disk(error)))?;
                continue;
            }
            let mut token = TokenRow::with_capacity(row.len() + 1);
            token.push(i64::try_from(number).unwrap_or(i64::MAX).into_sql());
            for (field, value) in fields.iter().zip(&row) {
                token.push(values::staged(field, value).map_err(ours)?.into_sql());
            }
            bulk.send(token).await?;
            sent += 1;
        }
        let taken = bulk.finalize().await?.total();
        if taken != sent {
            let source = format!("the server took {taken} of {sent} rows").into();
            return Err(ours(ServerError::Failed { doing: doing.what.to_owned(), source }));
        }
        Ok(())
    })?;
    if large.len() == 0 {
        return Ok(());
    }
    by_params(connection, doing, name, fields, &mut large.read().map_err(disk)?)
}

fn is_large(value: &Value) -> bool {
    match value {
        // Two bytes for what is at the most one of a text's bytes, or two for two.
        Value::Text(text) => text.len() > MAX_BULK_VALUE / 2,
        Value::Bytes(bytes) => bytes.len() > MAX_BULK_VALUE,
        _ => false,
    }
}

/// Sends rows as parameters, as many in a statement as may be.
fn by_params(
    connection: &mut Connection,
    doing: &Doing<'_>,
    name: &str,
    fields: &[Field<'_>],
    rows: &mut Unspool,
) -> Result<(), ServerError> {
    let width = fields.len() + 1;
    let most = (MAX_PARAMS / width).clamp(1, MAX_ROWS);
    let names: Vec<String> = (0..fields.len()).map(|at| format!("[c{at}]")).collect();
    let names = std::iter::once("[n]".to_owned()).chain(names).collect::<Vec<_>>().join(", ");
    let (mut waiting, mut bytes): (Vec<(u64, Row)>, usize) = (Vec::new(), 0);
    loop {
        let next = rows
            .next()
            .map_err(|error| ServerError::Failed { doing: doing.what.to_owned(), source: Box::new(error) })?;
        let ended = next.is_none();
        if let Some((number, row)) = next {
            bytes += row.iter().map(Value::weight).sum::<usize>();
            waiting.push((number, row));
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if !ended && waiting.len() < most && bytes < MAX_BYTES {
            continue;
        }
        let mut params = Vec::with_capacity(waiting.len() * width);
        let mut lists = Vec::with_capacity(waiting.len());
        for (number, row) in waiting.drain(..) {
            let mut places = vec![number.to_string()];
            for (field, value) in fields.iter().zip(&row) {
                // The driver sends NULL without a type, which not every server takes.
                if value.is_null() {
                    places.push("NULL".to_owned());
                    continue;
                }
                params.push(values::staged(field, value)?);
                places.push(format!("@P{}", params.len()));
            }
            lists.push(format!("({})", places.join(", ")));
        }
        bytes = 0;
        let sql = format!("INSERT INTO {name} ({names}) VALUES {}", lists.join(", "));
        connection.query(doing, &sql, params, &mut |_| Ok(()))?;
        if ended {
            return Ok(());
        }
    }
}
