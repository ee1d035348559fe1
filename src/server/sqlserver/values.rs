//! Values on their way from SQL Server and to it, exact in both directions.

use tiberius::ColumnData;
use tiberius::time::Time;

use super::connect::{Param, WireRow};
use super::schema::Field;
use super::types::SqlType;
use crate::document::{Value, canonical_decimal};
use crate::server::spelling::{self, Parsed, Spelled};
use crate::server::{ColumnType, ServerError};

/// What a column is read as. Owned, so that a task beside can have it.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    table: String,
    column: String,
    kind: ColumnType,
    spelled: Option<Spelled>,
}

impl Reading {
    pub(super) fn of(field: &Field<'_>) -> Self {
        Self {
            table: field.table.name.clone(),
            column: field.column.name.clone(),
            kind: field.column.kind,
            spelled: Spelled::of(&field.column.declared),
        }
    }

    fn cannot(&self, what: &str) -> ServerError {
        ServerError::Value { table: self.table.clone(), column: self.column.clone(), value: what.to_owned() }
    }

    /// A time, by days since 0001-01-01 and ticks since midnight in UTC.
    fn time(&self, days: u32, ticks: u64, offset: i16) -> Result<Value, ServerError> {
        // Some engines round the last moment of a day up to its end.
        let (days, ticks) = (days.saturating_add(u32::from(ticks == spelling::DAY)), ticks % spelling::DAY);
        let time = Parsed::from_utc(days, ticks, offset);
        let text = time.zip(self.spelled).map(|(time, spelled)| Value::Text(spelled.format(&time)));
        text.ok_or_else(|| self.cannot("a time outside the calendar"))
    }

    /// A value as it was read, in the form documents use.
    pub(super) fn value(&self, data: ColumnData<'static>) -> Result<Value, ServerError> {
        let number = |text: String| canonical_decimal(&text).unwrap_or(Value::Number(text.into()));
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
            ColumnData::Guid(value) => value
                .map(|guid| Value::Text(spelling::respelled(self.spelled, &guid.to_string()).into_owned())),
            ColumnData::Date(value) => value.map(|date| self.time(date.days(), 0, 0)).transpose()?,
            ColumnData::Time(value) => value.map(|clock| self.time(0, ticks(clock), 0)).transpose()?,
            ColumnData::DateTime2(value) => {
                value.map(|at| self.time(at.date().days(), ticks(at.time()), 0)).transpose()?
            }
            // The wire has the time of UTC; what is shown is the time there.
            ColumnData::DateTimeOffset(value) => {
                let time = |at: tiberius::time::DateTimeOffset| {
                    let utc = at.datetime2();
                    self.time(utc.date().days(), ticks(utc.time()), at.offset())
                };
                value.map(time).transpose()?
            }
            ColumnData::DateTime(value) => {
                let time = |at: tiberius::time::DateTime| {
                    let days = i64::from(spelling::DAYS_TO_1900) + i64::from(at.days());
                    let days = u32::try_from(days).unwrap_or(u32::MAX);
                    self.time(days, spelling::ticks_of_300ths(at.seconds_fragments()), 0)
                };
                value.map(time).transpose()?
            }
            ColumnData::SmallDateTime(value) => {
                let time = |at: tiberius::time::SmallDateTime| {
                    let minutes = u64::from(at.seconds_fragments());
                    self.time(spelling::DAYS_TO_1900 + u32::from(at.days()), minutes * 600_000_000, 0)
                };
                value.map(time).transpose()?
            }
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

/// Ticks of 100 ns since midnight.
fn ticks(time: Time) -> u64 {
    let unit = 10u64.pow(7u32.saturating_sub(u32::from(time.scale())));
    time.increments().saturating_mul(unit)
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
            match plain(value).filter(|text| is_money(name, text)) {
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
                Ok(number) if is_in_float(&field.nature.kind, number) => Param::Float(Some(number)),
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
        (SqlType::LongText(_) | SqlType::Xml, Value::Text(text)) => Param::Text(Some(text.clone())),
        (SqlType::Time(..), Value::Text(text)) => {
            let spelled = Spelled::of(&field.column.declared);
            match spelled.and_then(|spelled| Some((spelled, spelled.parse(text)?))) {
                Some((spelled, time)) if spelled.keeps(&time) => Param::Text(Some(spelled.format(&time))),
                Some(_) => return refuse("a time as exact or as far as that".to_owned()),
                None => return refuse("text that is no time".to_owned()),
            }
        }
        (SqlType::Guid, Value::Text(text)) => match Spelled::Guid.canonical(text) {
            Some(guid) => Param::Text(Some(guid)),
            None => return refuse("text that is no GUID".to_owned()),
        },
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

/// Whether a plain number is within the bounds of `money` or `smallmoney`: a whole number of ten thousandths.
fn is_money(name: &str, text: &str) -> bool {
    if !fits(text, 19, 4) {
        return false;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let units = format!("{whole}{:0<4}", fraction.trim_end_matches('0')).parse::<i64>();
    units.is_ok_and(|units| name == "money" || i32::try_from(units).is_ok())
}

/// Whether a column of floating point has room for a number. `real` rounds it, but not to infinity.
fn is_in_float(kind: &SqlType, number: f64) -> bool {
    match kind {
        SqlType::Real => (number as f32).is_finite(),
        _ => number.is_finite(),
    }
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
        (SqlType::LongText(_) | SqlType::Xml, value) => Json::from(as_text(value)?),
        (SqlType::Time(..) | SqlType::Guid, Value::Text(text)) => {
            Json::from(Spelled::of(&field.column.declared)?.canonical(text)?)
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
    fn decimals_are_exact() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12_345_678_901_234_567_890_123_456_789_012_345_678, 38).len(), 40);
        assert_eq!(decimal(7, 0), "7");
        assert!(fits("-12.50", 4, 1) && !fits("-12.55", 4, 1) && !fits("1234", 4, 1));
        assert!(fits("-0.99", 2, 2) && !fits("-1.99", 2, 2));
        assert!(is_money("money", "-922337203685477.5808") && !is_money("money", "922337203685477.5808"));
        assert!(is_money("smallmoney", "214748.3647") && !is_money("smallmoney", "214748.3648"));
        assert!(is_money("money", "-0.0001") && !is_money("money", "0.00001"));
    }
}
