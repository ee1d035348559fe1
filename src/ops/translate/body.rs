//! The spellings of a document's body in a table: JSON as text, compressed (the model's `blob`), or either.
//!
//! A row is read from whichever column holds something. Where both do they must agree: which one the product
//! would take depends on how it is set up, so one that differs is an error and never a choice.
//!
//! A row is written as the table allows, an existing one as it was kept, in the text column, the blob or both;
//! a new one as the first row of the table is; in a table without rows as text, or compressed where the blob
//! must not be NULL. The column that is not used becomes NULL, or empty where it must not be NULL: no row is
//! left with a stale one.

use crate::document::{KindName, Value, json};
use crate::server::{Column, Table};

use super::blob;
use super::error::TranslateError;

/// How a row keeps its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stored {
    /// In the text column.
    Text,
    /// In the blob.
    Blob,
    /// In both alike.
    Both,
}

/// The columns of a table that hold JSON: one of them at least.
#[derive(Debug, Clone)]
pub struct Body {
    text: Option<BodyColumn>,
    blob: Option<BodyColumn>,
    new_rows: Stored,
}

#[derive(Debug, Clone)]
struct BodyColumn {
    name: String,
    nullable: bool,
    sql_type: String,
}

impl Body {
    /// Finds the columns in a table; `None` where it has neither.
    pub(in crate::ops) fn find(table: &Table, text: &str, blob: Option<&str>) -> Option<Self> {
        let column = |c: &Column| BodyColumn {
            name: c.name.clone(),
            nullable: c.nullable,
            sql_type: c.declared.clone(),
        };
        let text = table.column(text).map(column);
        let blob = blob.and_then(|name| table.column(name)).map(column);
        let new_rows = match (&text, &blob) {
            (None, None) => return None,
            (_, Some(blob)) if text.is_none() || !blob.nullable => Stored::Blob,
            _ => Stored::Text,
        };
        Some(Self { text, blob, new_rows })
    }

    /// The columns as the server spells them, in the order that `read` takes their values: the text
    /// column, the blob.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.text.iter().chain(&self.blob).map(|column| column.name.as_str())
    }

    /// The text column and its declared type.
    pub(super) fn text_type(&self) -> Option<(&str, &str)> {
        self.text.as_ref().map(|column| (column.name.as_str(), column.sql_type.as_str()))
    }

    /// How many bytes of rows are read together. Compressed bytes count for many: JSON packs to a tenth and
    /// less, and rows of a hostile server to a thousandth.
    pub(super) fn page_bytes(&self) -> usize {
        if self.blob.is_some() { 64 << 10 } else { 4 << 20 }
    }

    /// Reads the body of a row from the values of [`Body::columns`]; `None` where they are NULL. `id` names
    /// the row in errors.
    ///
    /// # Errors
    /// [`TranslateError`], naming kind and id.
    pub(in crate::ops) fn read(
        &self,
        kind: &KindName,
        id: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<(Value, Stored)>, TranslateError> {
        let parse = |text: &str| {
            let parsed = json::parse(text.as_bytes());
            parsed.map_err(|source| TranslateError::Json { kind: kind.clone(), id: id.to_owned(), source })
        };
        let unpack = |blob: &[u8]| {
            blob::decode(blob).map_err(|source| TranslateError::Blob {
                kind: kind.clone(),
                id: id.to_owned(),
                source,
            })
        };
        let not_json = |found| TranslateError::NotJson { kind: kind.clone(), id: id.to_owned(), found };
        let (text, blob) = self.split(values);
        let text = match text {
            Value::Null => None,
            Value::Text(text) => Some(text),
            other => return Err(not_json(other.type_name())),
        };
        let blob = match blob {
            Value::Null => None,
            Value::Bytes(blob) => Some(blob),
            other => return Err(not_json(other.type_name())),
        };
        Ok(Some(match (text, blob) {
            (None, None) => return Ok(None),
            (None, Some(blob)) => (parse(&unpack(&blob)?)?, Stored::Blob),
            (Some(text), Some(blob)) if !blob.is_empty() => {
                let unpacked = unpack(&blob)?;
                let body = parse(&unpacked)?;
                if is_blank(&text) {
                    (body, Stored::Blob)
                } else if unpacked == text || parse(&text)? == body {
                    (body, Stored::Both)
                } else {
                    return Err(TranslateError::TwoBodies { kind: kind.clone(), id: id.to_owned() });
                }
            }
            (Some(text), _) => (parse(&text)?, Stored::Text),
        }))
    }

    fn split(&self, values: impl IntoIterator<Item = Value>) -> (Value, Value) {
        let mut values = values.into_iter();
        let mut of =
            |column: &Option<BodyColumn>| column.as_ref().and_then(|_| values.next()).unwrap_or_default();
        (of(&self.text), of(&self.blob))
    }

    /// Writes a body: every column of [`Body::columns`] with its value. `stored` is how the existing row was
    /// read; `name` names the document in errors.
    ///
    /// # Errors
    /// [`TranslateError::Blob`], where the body is too large to be compressed.
    pub(super) fn write(
        &self,
        kind: &KindName,
        name: &dyn std::fmt::Display,
        body: Option<&Value>,
        stored: Option<Stored>,
    ) -> Result<Vec<(&str, Value)>, TranslateError> {
        let stored = match (&self.text, &self.blob) {
            (Some(_), None) => Stored::Text,
            (None, Some(_)) => Stored::Blob,
            _ => stored.unwrap_or(self.new_rows),
        };
        let json = body.map(json::write);
        let mut written = Vec::with_capacity(2);
        if let Some(column) = &self.blob {
            let value = match &json {
                Some(json) if stored != Stored::Text => {
                    Value::Bytes(blob::encode(json).map_err(|source| TranslateError::Blob {
                        kind: kind.clone(),
                        id: name.to_string(),
                        source,
                    })?)
                }
                Some(_) if !column.nullable => Value::Bytes(Vec::new()),
                _ => Value::Null,
            };
            written.push((column.name.as_str(), value));
        }
        if let Some(column) = &self.text {
            let value = match json {
                Some(json) if stored != Stored::Blob => Value::Text(json),
                Some(_) if !column.nullable => Value::Text(String::new()),
                _ => Value::Null,
            };
            written.push((column.name.as_str(), value));
        }
        Ok(written)
    }

    /// Whether the table has more than one place for JSON.
    pub(super) fn has_choice(&self) -> bool {
        self.text.is_some() && self.blob.is_some()
    }

    /// Lets new rows keep their JSON where a row does, by the values of [`Body::columns`].
    pub(super) fn follow(&mut self, row: Vec<Value>) {
        self.new_rows = match self.split(row) {
            (Value::Text(text), Value::Bytes(blob)) if !blob.is_empty() && !is_blank(&text) => Stored::Both,
            (_, Value::Bytes(blob)) if !blob.is_empty() => Stored::Blob,
            (Value::Text(_), _) => Stored::Text,
            _ => return,
        };
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}
