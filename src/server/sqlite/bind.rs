//! Values on their way into SQLite and out of it: what a column takes, and in which form.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::schema::{Affinity, Field};
use crate::document::{Value, canonical_decimal};
use crate::server::{ColumnType, ServerError};

/// A value as SQLite is given it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    /// Text that is not UTF-8.
    Malformed(&'a [u8]),
    Bytes(&'a [u8]),
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Bound::Null => ValueRef::Null,
            Bound::Int(number) => ValueRef::Integer(*number),
            Bound::Real(number) => ValueRef::Real(*number),
            Bound::Text(text) => ValueRef::Text(text.as_bytes()),
            Bound::Malformed(bytes) => ValueRef::Text(bytes),
            Bound::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A value in the form documents use.
pub(super) fn read(field: &Field<'_>, value: ValueRef<'_>) -> Result<Value, ServerError> {
    Ok(respelled(field, as_written(field, value)?))
}

/// A value that was read as it was written, in the form documents use.
pub(super) fn respelled(field: &Field<'_>, value: Value) -> Value {
    match value {
        Value::Text(text) if !field.nature.as_written => match field.nature.spelled {
            Some(spelled) => Value::Text(spelled.canonical(&text).unwrap_or(text)),
            None => Value::Text(text),
        },
        value => value,
    }
}

/// A value as documents have it, but that times and GUIDs keep their spelling: to be compared with the column.
pub(super) fn as_written(field: &Field<'_>, value: ValueRef<'_>) -> Result<Value, ServerError> {
    let kind = field.column.kind;
    Ok(kind.canonical(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => {
            // The shortest decimal that is this number and no other; decimals have no exponent.
            let text = if kind == ColumnType::Decimal { number.to_string() } else { format!("{number:?}") };
            canonical_decimal(&text).ok_or_else(|| cannot_hold(field, "a number that is not finite"))?
        }
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            // Whoever makes a document of the row sees that this is no text, and of which row it is.
            Err(_) => Value::Bytes(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }))
}

/// A value to be compared with a column; `None` when no row can hold it.
pub(super) fn compare(value: &Value) -> Option<Bound<'_>> {
    Some(match value {
        Value::Null => Bound::Null,
        Value::Bool(truth) => Bound::Int(i64::from(*truth)),
        Value::Int(number) => Bound::Int(*number),
        Value::Number(text) => Bound::Real(text.parse().ok().filter(|number: &f64| number.is_finite())?),
        Value::Text(text) => Bound::Text(text),
        Value::Bytes(bytes) => Bound::Bytes(bytes),
        _ => return None,
    })
}

/// The value of a page's last row, to continue after.
///
/// # Errors
/// A value that SQLite would convert before comparing: the order it was read in is then not the order it
/// would continue in, and pages would repeat or skip rows. Only a file not written by SQLite holds such.
pub(super) fn resume<'v>(field: &Field<'_>, value: &'v Value) -> Result<Bound<'v>, ServerError> {
    let bound = compare(value).ok_or_else(|| cannot_hold(field, value.type_name()))?;
    let converted = match (field.nature.affinity, bound) {
        (Affinity::Text, Bound::Int(_) | Bound::Real(_)) => true,
        (Affinity::Number, Bound::Text(text)) => reads_as_number(text),
        _ => false,
    };
    if converted { Err(cannot_hold(field, "a value of another type in its order")) } else { Ok(bound) }
}

/// A value to be stored in a column, as SQL Server would take it and SQLite keeps it.
///
/// # Errors
/// [`ServerError::Value`] for what does not fit the declared type, and for what SQLite would alter.
pub(super) fn store<'v>(field: &Field<'_>, value: &'v Value) -> Result<Bound<'v>, ServerError> {
    let column = field.column;
    let refuse = |what: Cow<'static, str>| Err(cannot_hold(field, &what));
    let mismatch = || refuse(Cow::Borrowed(value.type_name()));
    if column.declared.is_empty() {
        return compare(value).ok_or_else(|| cannot_hold(field, value.type_name()));
    }
    match (column.kind, value) {
        (_, Value::Null) => Ok(Bound::Null),
        (ColumnType::RowVersion, _) => refuse(Cow::Borrowed("what it is given: the server writes it itself")),
        (ColumnType::Bit, Value::Bool(truth)) => Ok(Bound::Int(i64::from(*truth))),
        (ColumnType::Bit, Value::Int(number @ (0 | 1))) => Ok(Bound::Int(*number)),
        (ColumnType::Int, Value::Int(number)) if in_range(&column.declared, *number) => {
            Ok(Bound::Int(*number))
        }
        (ColumnType::Int, Value::Int(_)) => refuse(Cow::Borrowed("a number that large")),
        (ColumnType::Decimal, Value::Int(number)) => Ok(Bound::Int(*number)),
        (ColumnType::Decimal, Value::Number(text)) => match exact(text) {
            Some(number) => Ok(Bound::Real(number)),
            None => refuse(Cow::Owned(format!("a number of {} digits", digits(text)))),
        },
        (ColumnType::Float, Value::Int(number)) => Ok(Bound::Int(*number)),
        (ColumnType::Float, Value::Number(text)) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Bound::Real(number)),
            _ => refuse(Cow::Borrowed("a number that large")),
        },
        (ColumnType::Binary, Value::Bytes(bytes)) => match limit(&column.declared) {
            Some(most) if bytes.len() > most => refuse(Cow::Owned(format!("{} bytes", bytes.len()))),
            _ => Ok(Bound::Bytes(bytes)),
        },
        (ColumnType::Text, Value::Text(text)) => {
            let most = limit(&column.declared).unwrap_or(usize::MAX);
            // Characters are counted as SQL Server counts them, in UTF-16 units.
            let units = if text.len() > most { text.encode_utf16().count() } else { 0 };
            if units > most {
                refuse(Cow::Owned(format!("text of {units} characters")))
            } else if field.nature.affinity == Affinity::Number && reads_as_number(text) {
                refuse(Cow::Borrowed("text that reads as a number"))
            } else {
                Ok(Bound::Text(text))
            }
        }
        // SQLite files keep numbers in columns that T-SQL has dates in; they stay what they were.
        (ColumnType::Text, Value::Int(number)) if field.nature.affinity != Affinity::Text => {
            Ok(Bound::Int(*number))
        }
        (ColumnType::Text, Value::Number(text)) if field.nature.affinity != Affinity::Text => {
            exact(text).map(Bound::Real).map_or_else(mismatch, Ok)
        }
        _ => mismatch(),
    }
}

/// The error for a value that a column cannot hold. `what` never shows the value.
pub(super) fn cannot_hold(field: &Field<'_>, what: &str) -> ServerError {
    ServerError::Value {
        table: field.table.name.clone(),
        column: field.column.name.clone(),
        value: what.to_owned(),
    }
}

fn in_range(declared: &str, number: i64) -> bool {
    match declared.to_ascii_lowercase().as_str() {
        "tinyint" => u8::try_from(number).is_ok(),
        "smallint" => i16::try_from(number).is_ok(),
        "int" => i32::try_from(number).is_ok(),
        _ => true,
    }
}

/// The length in `nvarchar(200)`; `None` where there is none, as in `nvarchar(max)`. The number in
/// `datetimeoffset(0)` counts digits of a second, not characters.
fn limit(declared: &str) -> Option<usize> {
    let (name, rest) = declared.split_once('(')?;
    let name = name.trim().to_ascii_lowercase();
    if !name.ends_with("char") && !name.ends_with("binary") {
        return None;
    }
    rest.split_once(')')?.0.trim().parse().ok()
}

/// The double that reads back as this decimal, if there is one.
fn exact(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let spelled = |text: &str| canonical_decimal(text).filter(|_| !text.contains(['e', 'E']));
    match spelled(text) {
        Some(value) => (spelled(&number.to_string()) == Some(value)).then_some(number),
        None => Some(number),
    }
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// Says whether SQLite would take the text for a number, blanks around it allowed.
pub(super) fn reads_as_number(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_from_declared_types() {
        assert_eq!(limit("nvarchar(200)"), Some(200));
        assert_eq!(limit("nvarchar(-1)"), None);
        assert_eq!(limit("nvarchar(max)"), None);
        assert_eq!(limit("text"), None);
        assert_eq!(limit("weird("), None);
        assert_eq!(limit("varbinary(8)"), Some(8));
        // Once taken for a length: no certificate of the product's could be written.
        assert_eq!(limit("datetimeoffset(0)"), None);
    }

    #[test]
    fn a_decimal_is_stored_only_where_it_reads_back() {
        assert_eq!(exact("0.99"), Some(0.99));
        assert_eq!(exact("12345678901234567890.5"), None);
        assert_eq!(exact("0.1000000000000000055511151231257827"), None);
        assert_eq!(exact("-12.50"), Some(-12.5));
    }

    #[test]
    fn numbers_in_text_are_seen_as_sqlite_sees_them() {
        for text in ["1", " 1 ", "-1.5", "1e5", ".5", "5.", "+7"] {
            assert!(reads_as_number(text), "{text}");
        }
        for text in ["", "1-2", "0x10", "2018-01-01", "inf", "nan", "e", "1 2"] {
            assert!(!reads_as_number(text), "{text}");
        }
    }
}
