//! What a column makes of a value: two values of one form are the same to the server.

use std::borrow::Cow;

use crate::document::{Value, canonical_decimal};
use crate::server::ColumnType;
use crate::server::spelling::Spelled;

/// How a column of a declared type holds values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnForm {
    /// As they are, but for the form that documents use for the type.
    Plain(ColumnType),
    /// `float`: binary, of 64 bits.
    Float,
    /// `real`: binary, of 32 bits.
    Real,
    /// A time or a GUID: in one spelling.
    Spelled(Spelled),
    /// `char`, `nchar`: filled up with blanks.
    PaddedText,
    /// `binary`: filled up with zeros.
    PaddedBytes,
    /// `xml`: the server writes it anew. Only whether there is any can be compared.
    Rewritten,
}

impl ColumnForm {
    pub fn of(declared: &str, kind: ColumnType) -> Self {
        let name = declared.split('(').next().unwrap_or_default().trim().to_ascii_lowercase();
        match (name.as_str(), kind) {
            ("real", _) => Self::Real,
            (_, ColumnType::Float) => Self::Float,
            ("char" | "nchar", _) => Self::PaddedText,
            ("binary", _) => Self::PaddedBytes,
            ("xml", _) => Self::Rewritten,
            _ => Spelled::of(declared).map_or(Self::Plain(kind), Self::Spelled),
        }
    }

    /// The value that stands for all that the column does not tell apart from this one.
    pub fn settle(self, value: &Value) -> Cow<'_, Value> {
        let binary = |shortest: &dyn Fn(&str) -> Option<String>| {
            let text = match value {
                Value::Int(number) => number.to_string(),
                Value::Number(text) => text.to_string(),
                _ => return None,
            };
            canonical_decimal(&shortest(&text)?)
        };
        let settled = match (self, value) {
            (Self::Float, _) => binary(&|text| Some(format!("{:?}", text.parse::<f64>().ok()?))),
            // Through 64 bits, as it is written.
            (Self::Real, _) => binary(&|text| Some(format!("{:?}", text.parse::<f64>().ok()? as f32))),
            (Self::Spelled(spelled), Value::Text(text)) => spelled.canonical(text).map(Value::Text),
            (Self::PaddedText, Value::Text(text)) if text.ends_with(' ') => {
                Some(Value::from(text.trim_end_matches(' ')))
            }
            (Self::PaddedBytes, Value::Bytes(bytes)) if bytes.ends_with(&[0]) => {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                Some(Value::Bytes(bytes.iter().copied().take(end).collect()))
            }
            (Self::Rewritten, Value::Text(_)) => Some(Value::Bool(true)),
            (Self::Plain(ColumnType::Int), Value::Bool(truth)) => Some(Value::Int(i64::from(*truth))),
            (Self::Plain(kind @ (ColumnType::Bit | ColumnType::Decimal)), value) => {
                Some(kind.canonical(value.clone()))
            }
            _ => None,
        };
        settled.map_or(Cow::Borrowed(value), Cow::Owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_a_column_does_not_tell_apart_have_one_form() {
        let number = |text: &str| Value::Number(text.into());
        let same = [
            ("bit", Value::Int(1), Value::Bool(true)),
            ("decimal(10,2)", number("1.50"), number("1.5")),
            ("decimal(10,2)", number("2.00"), Value::Int(2)),
            ("float", number("0.10"), number("0.1")),
            ("float", number("1e2"), Value::Int(100)),
            ("real", number("0.1"), number("0.10000000149011612")),
            ("datetime", "2018-08-01T10:00:00.000".into(), "2018-08-01 10:00:00".into()),
            (
                "uniqueidentifier",
                "{01234567-89AB-cdef-0123-456789abcdef}".into(),
                "01234567-89ab-cdef-0123-456789abcdef".into(),
            ),
            ("nchar(4)", "a".into(), "a   ".into()),
            ("binary(3)", Value::Bytes(vec![1]), Value::Bytes(vec![1, 0, 0])),
            ("xml", "<a></a>".into(), "<a/>".into()),
            ("nvarchar(10)", "a ".into(), "a ".into()),
        ];
        for (declared, one, other) in same {
            let form = ColumnForm::of(declared, ColumnType::of(declared));
            assert_eq!(form.settle(&one), form.settle(&other), "{declared}");
        }
        let other = [
            ("nvarchar(10)", Value::from("a"), Value::from("a ")),
            ("nvarchar(10)", "a".into(), "A".into()),
            ("varbinary(3)", Value::Bytes(vec![1]), Value::Bytes(vec![1, 0])),
            ("float", number("0.1"), number("0.10000000149011612")),
            ("decimal(10,2)", number("1.50"), number("1.51")),
            ("xml", "<a/>".into(), Value::Null),
        ];
        for (declared, one, other) in other {
            let form = ColumnForm::of(declared, ColumnType::of(declared));
            assert_ne!(form.settle(&one), form.settle(&other), "{declared}");
        }
    }
}
