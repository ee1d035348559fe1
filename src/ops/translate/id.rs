//! A server's identifiers.

use crate::document::Value;

/// A server's identifier of a document, as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Id {
    /// An integer key.
    Int(i64),
    /// Any other.
    Text(String),
}

impl Id {
    /// Takes a column's or a place's value as an id; `None` for what cannot be one.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Id::Int(*number)),
            Value::Text(text) => Some(Id::Text(text.clone())),
            _ => None,
        }
    }

    /// The id as a value.
    pub fn to_value(&self) -> Value {
        match self {
            Id::Int(number) => Value::Int(*number),
            Id::Text(text) => Value::Text(text.clone()),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Id::Int(number) => write!(f, "{number}"),
            Id::Text(text) => f.write_str(text),
        }
    }
}

/// Ids in the order the server gave them out: numbers by value, text by its trailing number.
pub fn id_order(id: &Id) -> (i64, String) {
    match id {
        Id::Int(number) => (*number, String::new()),
        Id::Text(text) => {
            let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
            let (head, tail) = text.split_at(text.len() - digits);
            (tail.parse().unwrap_or(i64::MAX), head.to_owned())
        }
    }
}
