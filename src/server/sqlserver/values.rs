//! Values on their way from SQL Server and to it, exact in both directions.

use tiberius::ColumnData;
use tiberius::time::{Date, Time};

use super::connect::{Param, WireRow};
use super::schema::Field;
use super::types::SqlType;
use crate::document::{Value, canonical_decimal};
use crate::server::{ColumnType, ServerError};

/// Days from 0001-01-01 to 1900-01-01, from where the older types count.
const DAYS_TO_1900: i64 = 693_595;

/// What a column is read as. Owned, so that a task beside can have it.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    table: String,
    column: String,
    kind: ColumnType,
}

impl Reading {
    pub(super) fn of(field: &Field<'_>) -> Self {
        Self { table: field.table.name.clone(), column: field.column.name.clone(), kind: field.column.kind }
    }

    fn cannot(&self, what: &str) -> ServerError {
        ServerError::Value { table: self.table.clone(), column: self.column.clone(), value: what.to_owned() }
    }

    /// A value as it was read, in the form documents use.
    pub(super) fn value(&self, data: ColumnData<'static>) -> Result<Value, ServerError> {
        let number = |text: String| canonical_decimal(&text).unwrap_or(Value::Number(text.into()));
        let time = Value::Text;
        let value = match data {
            ColumnData::U8(value) => value.map(|n| Value::Int(n.into())),
            ColumnData::I16(value) => value.map(|n| Value::Int(n.into())),
            ColumnData::I32(value) => value.map(|n| Value::Int(n.into())),
            ColumnData::I64(value) => value.map(Value::Int),
            ColumnData::Bit(value) => value.map(Value::Bool),
            // The shortest decimal that is this number and no other.
            ColumnData::F32(value) => value.map(|n| number(format!("{n:?}"))),
            ColumnData::F64(value) => value.map(|n| number(format!("{n:?}"))),
            ColumnData::Numeric(value) => value.map(|n| number(decimal(n.value(), n.scale()))),
            ColumnData::String(value) => value.map(|text| Value::Text(text.into_owned())),
            ColumnData::Xml(value) => value.map(|xml| Value::Text(xml.into_owned().into_string())),
            ColumnData::Binary(value) => value.map(|bytes| Value::Bytes(bytes.into_owned())),
            ColumnData::Guid(value) => value.map(|guid| time(guid.to_string())),
            ColumnData::Date(value) => value.map(|date| time(days(date))),
            ColumnData::Time(value) => value.map(|clock| time(ticks(clock, 0).1)),
            ColumnData::DateTime2(value) => {
                value.map(|at| time(format!("{} {}", days(at.date()), ticks(at.time(), 0).1)))
            }
            ColumnData::DateTimeOffset(value) => value.map(|at| {
                // The wire has the time of UTC; what is shown is the time there.
                let (carry, clock) = ticks(at.datetime2().time(), i64::from(at.offset()) * 60);
                let offset = i64::from(at.offset());
                let sign = if offset < 0 { '-' } else { '+' };
                let date = spell_day(i64::from(at.datetime2().date().days()) + carry);
                let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
                time(format!("{date} {clock} {sign}{hours:02}:{minutes:02}"))
            }),
            ColumnData::DateTime(value) => value.map(|at| {
                // 1/300 of a second, shown as the server shows it: .000, .003, .007.
                let millis = (u64::from(at.seconds_fragments()) * 10 + 1) / 3;
                let (_, clock) = ticks(Time::new(millis, 3), 0);
                time(format!("{} {clock}", spell_day(DAYS_TO_1900 + i64::from(at.days()))))
            }),
            ColumnData::SmallDateTime(value) => value.map(|at| {
                let (_, clock) = ticks(Time::new(u64::from(at.seconds_fragments()) * 60, 0), 0);
                time(format!("{} {clock}", spell_day(DAYS_TO_1900 + i64::from(at.days()))))
            }),
        };
        Ok(self.kind.canonical(match value {
            None => Value::Null,
            // Half of a pair was replaced while it was read.
            Some(Value::Number(text)) if text.contains("inf") || text.contains("NaN") => {
                return Err(self.cannot("a number that is not finite"));
            }
            Some(value) => value,
        }))
    }
}

/// The values of a row, the first columns skipped.
pub(super) fn row(readings: &[Reading], skip: usize, row: WireRow) -> Result<Vec<Value>, ServerError> {
    row.into_iter().skip(skip).zip(readings).map(|(data, reading)| reading.value(data)).collect()
}

fn decimal(value: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn days(date: Date) -> String {
    spell_day(i64::from(date.days()))
}

/// A day by its distance from 0001-01-01, in the calendar of Gregory.
fn spell_day(days: i64) -> String {
    // Years are counted from March, so that the leap day is the last of one.
    let shifted = days + 306;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time of day moved by seconds: by how many days that carries, and the text.
fn ticks(time: Time, seconds: i64) -> (i64, String) {
    let unit = 10i64.pow(u32::from(time.scale().min(9)));
    let all =
        i64::try_from(time.increments()).unwrap_or(i64::MAX).saturating_add(seconds.saturating_mul(unit));
    let (carry, rest) = (all.div_euclid(86_400 * unit), all.rem_euclid(86_400 * unit));
    let (clock, fraction) = (rest / unit, rest % unit);
    let mut text = format!("{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60);
    let digits = format!("{fraction:0>width$}", width = usize::from(time.scale()));
    let digits = digits.trim_end_matches('0');
    if !digits.is_empty() {
        text.push('.');
        text.push_str(digits);
    }
    (carry, text)
}

/// A value to be written, in the form in which it is staged.
///
/// # Errors
/// [`ServerError::Value`] for what does not fit the column.
pub(super) fn staged(field: &Field<'_>, value: &Value) -> Result<Param, ServerError> {
    let refuse = |what: String| {
        let (table, column) = (field.table.name.clone(), field.column.name.clone());
        Err(ServerError::Value { table, column, value: what })
    };
    Ok(match (&field.nature.kind, value) {
        (SqlType::RowVersion, Value::Null) => Param::Int(None),
        (SqlType::RowVersion, _) => {
            return refuse("what it is given: the server writes it itself".to_owned());
        }
        (SqlType::Other(name), _) => return refuse(format!("a value from here: its type is {name}")),
        (kind, Value::Null) => null(kind),
        (SqlType::Bit, Value::Bool(truth)) => Param::Bit(Some(*truth)),
        (SqlType::Bit, Value::Int(number @ (0 | 1))) => Param::Bit(Some(*number == 1)),
        (SqlType::Int(name), Value::Int(number)) => match in_range(name, *number) {
            true => Param::Int(Some(*number)),
            false => return refuse("a number that large".to_owned()),
        },
        (SqlType::Decimal(precision, scale), Value::Int(_) | Value::Number(_)) => {
            match plain(value).filter(|text| fits(text, *precision, *scale)) {
                Some(text) => Param::Text(Some(text)),
                None => return refuse("a number of so many digits".to_owned()),
            }
        }
        (SqlType::Money(name), Value::Int(_) | Value::Number(_)) => {
            let precision = if *name == "money" { 19 } else { 10 };
            match plain(value).filter(|text| fits(text, precision, 4)) {
                Some(text) => Param::Text(Some(text)),
                None => return refuse("a number of so many digits".to_owned()),
            }
        }
        (SqlType::Float | SqlType::Real, Value::Int(_) | Value::Number(_)) => {
            let text = match value {
                Value::Number(text) => text.to_string(),
                Value::Int(number) => number.to_string(),
                _ => String::new(),
            };
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Param::Float(Some(number)),
                _ => return refuse("a number that large".to_owned()),
            }
        }
        (SqlType::Binary { length, .. }, Value::Bytes(bytes)) => match length {
            Some(most) if bytes.len() > *most => return refuse(format!("{} bytes", bytes.len())),
            _ => Param::Bytes(Some(bytes.clone())),
        },
        (SqlType::Image, Value::Bytes(bytes)) => Param::Bytes(Some(bytes.clone())),
        (SqlType::Unicode { length, .. } | SqlType::Narrow { length, .. }, Value::Text(text)) => {
            let most = length.unwrap_or(usize::MAX);
            // Characters are counted as the server counts them, in UTF-16 units.
            let units = if text.len() > most { text.encode_utf16().count() } else { 0 };
            if units > most {
                return refuse(format!("text of {units} characters"));
            }
            Param::Text(Some(text.clone()))
        }
        (SqlType::LongText(_) | SqlType::Xml | SqlType::Time(..) | SqlType::Guid, Value::Text(text)) => {
            Param::Text(Some(text.clone()))
        }
        (_, value) => return refuse(value.type_name().to_owned()),
    })
}

/// NULL in the form in which a type is staged.
fn null(kind: &SqlType) -> Param {
    match kind {
        SqlType::Bit => Param::Bit(None),
        SqlType::Int(_) => Param::Int(None),
        SqlType::Float | SqlType::Real => Param::Float(None),
        SqlType::Binary { .. } | SqlType::Image => Param::Bytes(None),
        _ => Param::Text(None),
    }
}

fn in_range(name: &str, number: i64) -> bool {
    match name {
        "tinyint" => u8::try_from(number).is_ok(),
        "smallint" => i16::try_from(number).is_ok(),
        "int" => i32::try_from(number).is_ok(),
        _ => true,
    }
}

/// A number without an exponent.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Int(number) => Some(number.to_string()),
        Value::Number(text) if !text.contains(['e', 'E']) => Some(text.to_string()),
        _ => None,
    }
}

/// Whether a plain number keeps all its digits in a decimal.
fn fits(text: &str, precision: u8, scale: u8) -> bool {
    let (whole, fraction) = text.trim_start_matches('-').split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches(['-', '0']);
    let fraction = fraction.trim_end_matches('0');
    fraction.len() <= usize::from(scale) && whole.len() <= usize::from(precision.saturating_sub(scale))
}

/// A value to be compared with a column, as JSON; `None` when no row can hold it.
pub(super) fn sought(field: &Field<'_>, value: &Value) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    let as_text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Number(text) => Some(text.to_string()),
        _ => None,
    };
    Some(match (&field.nature.kind, value) {
        (_, Value::Null) => Json::Null,
        (SqlType::Unicode { length, .. } | SqlType::Narrow { length, .. }, value) => {
            // Blanks at the end are not compared, and nothing longer than the column is in it.
            let text = as_text(value)?;
            let text = text.trim_end_matches(' ');
            if length.is_some_and(|most| text.len() > most && text.encode_utf16().count() > most) {
                return None;
            }
            Json::from(text)
        }
        (SqlType::LongText(_) | SqlType::Xml | SqlType::Time(..) | SqlType::Guid, value) => {
            Json::from(as_text(value)?)
        }
        (SqlType::Bit, Value::Bool(truth)) => Json::from(u8::from(*truth)),
        (SqlType::Bit, Value::Int(number @ (0 | 1))) => Json::from(*number),
        (SqlType::Int(name), Value::Int(number)) if in_range(name, *number) => Json::from(*number),
        (SqlType::Int(name), Value::Bool(truth)) if in_range(name, 1) => Json::from(u8::from(*truth)),
        (SqlType::Decimal(precision, scale), value) => {
            Json::from(plain(value).filter(|text| fits(text, *precision, *scale))?)
        }
        (SqlType::Money(_), value) => Json::from(plain(value).filter(|text| fits(text, 19, 4))?),
        (SqlType::Float | SqlType::Real, value) => {
            let number: f64 = as_text(value)?.parse().ok()?;
            Json::from(number)
        }
        (SqlType::Binary { .. } | SqlType::Image, Value::Bytes(bytes)) => {
            use std::fmt::Write as _;
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                let _ = write!(hex, "{byte:02X}");
            }
            Json::from(hex)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_spelled_by_the_calendar() {
        assert_eq!(spell_day(0), "0001-01-01");
        assert_eq!(spell_day(DAYS_TO_1900), "1900-01-01");
        assert_eq!(spell_day(DAYS_TO_1900 + 43_312), "2018-08-02");
        assert_eq!(spell_day(730_178), "2000-02-29");
        assert_eq!(spell_day(3_652_058), "9999-12-31");
    }

    #[test]
    fn times_are_moved_by_their_offset() {
        assert_eq!(ticks(Time::new(0, 7), -3600), (-1, "23:00:00".to_owned()));
        assert_eq!(ticks(Time::new(863_999_999_999, 7), 60), (1, "00:00:59.9999999".to_owned()));
        assert_eq!(ticks(Time::new(36_000, 0), 0), (0, "10:00:00".to_owned()));
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12_345_678_901_234_567_890_123_456_789_012_345_678, 38).len(), 40);
        assert_eq!(decimal(7, 0), "7");
        assert!(fits("-12.50", 4, 1) && !fits("-12.55", 4, 1) && !fits("1234", 4, 1));
        assert!(fits("-0.99", 2, 2) && !fits("-1.99", 2, 2));
    }
}
