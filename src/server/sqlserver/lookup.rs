//! Finding rows by values: all keys go to the server as one JSON parameter, and it joins and compares them.

use std::sync::Arc;

use super::connect::Param;
use super::fault::Doing;
use super::schema::{Field, quoted};
use super::types::SqlType;
use super::values::{self, Reading};
use super::view::{View, selected};
use crate::document::Value;
use crate::server::{Lookup, Row, ServerError};

/// How long the keys of one statement may be, as JSON.
const MAX_JSON: usize = 8 << 20;

/// Looks keys up; see [`Reader::lookup_some`](crate::server::Reader::lookup_some).
pub(super) fn lookup(
    view: &mut View<'_>,
    lookup: &Lookup<'_>,
    max_bytes: usize,
    see: &mut dyn FnMut(usize, Row),
) -> Result<Vec<usize>, ServerError> {
    let schema = Arc::clone(&view.schema);
    let fields = schema.fields(lookup.table, lookup.columns)?;
    let by = schema.fields(lookup.table, lookup.by)?;
    let table = schema.table(lookup.table)?;
    let what = format!("reading {}", table.name);
    if lookup.keys.iter().any(|key| key.len() != by.len()) {
        let source = "a key has another number of values than the columns compared".into();
        return Err(ServerError::Failed { doing: what, source });
    }
    if lookup.keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT k.[n], {} FROM OPENJSON(@P1) WITH ({}) AS k JOIN {} AS t ON {} ORDER BY k.[n]",
        selected(&fields, "t")?,
        declared(&by),
        schema.qualified(table),
        matching(&by),
    );
    let readings: Vec<Reading> = fields.iter().map(Reading::of).collect();
    let doing = Doing { what: &what, address: &view.address, table: &table.name, schema: Some(&schema) };
    let mut given = 0usize;
    let mut rest: Vec<usize> = Vec::new();
    let mut from = 0;
    while from < lookup.keys.len() {
        let (json, to) = keys(&by, lookup.keys, from);
        if given >= max_bytes && from > 0 {
            rest.extend(from..lookup.keys.len());
            break;
        }
        let mut last = None;
        let mut stopped_at = None;
        let mut read = 0;
        view.connection.query(&doing, &sql, vec![Param::Text(Some(json))], &mut |row| {
            let number = row.try_get::<i32, _>(0).ok().flatten();
            let position = number.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
            if stopped_at.is_none()
                && given >= max_bytes
                && (last.is_some() || from > 0)
                && last != Some(position)
            {
                stopped_at = Some(position);
            }
            if stopped_at.is_some() {
                // The rest of the answer is let go by: the connection has to be free for the next.
                return Ok(());
            }
            last = Some(position);
            read += 1;
            let row = values::row(&readings, 1, row)?;
            given = given.saturating_add(row.iter().map(Value::weight).sum());
            see(position, row);
            Ok(())
        })?;
        view.rows_read += read;
        if let Some(position) = stopped_at {
            rest.extend(position..lookup.keys.len());
            break;
        }
        from = to;
    }
    Ok(rest)
}

/// Keys as JSON, from a position on, and the position after the last of them.
fn keys(by: &[Field<'_>], keys: &[Vec<Value>], from: usize) -> (String, usize) {
    let mut json = String::from("[");
    let mut position = from;
    for key in keys.iter().skip(from) {
        if json.len() >= MAX_JSON {
            break;
        }
        let values = by.iter().zip(key).map(|(field, value)| values::sought(field, value));
        // No row can hold the key of one that is missing.
        if let Some(values) = values.collect::<Option<Vec<_>>>() {
            let mut row = vec![serde_json::Value::from(position)];
            row.extend(values);
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::Array(row).to_string());
        }
        position += 1;
    }
    json.push(']');
    (json, position)
}

/// The columns of the keys as the server is to see them.
fn declared(by: &[Field<'_>]) -> String {
    let mut columns = vec!["[n] int '$[0]'".to_owned()];
    for (at, field) in by.iter().enumerate() {
        let staged = match &field.nature.kind {
            // As text, in hexadecimal.
            SqlType::Binary { .. } | SqlType::Image => "nvarchar(max)".to_owned(),
            kind => kind.staged(),
        };
        columns.push(format!("[c{at}] {staged} '$[{}]'", at + 1));
    }
    columns.join(", ")
}

/// The condition under which a row answers a key: NULL answers NULL.
fn matching(by: &[Field<'_>]) -> String {
    if by.is_empty() {
        return "1 = 1".to_owned();
    }
    let condition = |(at, field): (usize, &Field<'_>)| {
        let sent = format!("k.[c{at}]");
        let column = format!("t.{}", quoted(&field.column.name));
        let equal = match &field.nature.kind {
            SqlType::Binary { .. } | SqlType::Image => {
                format!("{column} = CONVERT(varbinary(max), {sent}, 2)")
            }
            _ => equal(field, &column, &sent),
        };
        match field.column.nullable {
            true => format!("({equal} OR ({column} IS NULL AND {sent} IS NULL))"),
            false => equal,
        }
    };
    by.iter().enumerate().map(condition).collect::<Vec<_>>().join(" AND ")
}

/// The condition that a column equals a value in its staged form.
pub(super) fn equal(field: &Field<'_>, column: &str, staged: &str) -> String {
    let kind = &field.nature.kind;
    let collation = match &field.nature.collation {
        Some(name) if is_name(name) => format!(" COLLATE {name}"),
        _ => String::new(),
    };
    match kind {
        SqlType::Unicode { .. } => format!("{column} = {staged}{collation}"),
        // A character that the code page lacks becomes another: the row must equal the text itself too.
        SqlType::Narrow { .. } => {
            format!("({column} = {}{collation} AND {column} = {staged}{collation})", kind.converted(staged))
        }
        kind if !kind.is_comparable() => format!("{} = {staged}", kind.read(column)),
        kind => format!("{column} = {}", kind.converted(staged)),
    }
}

/// Names of collations stand bare in statements.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
