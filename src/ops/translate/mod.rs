//! Between rows of a server and documents in portable form, in both directions.
//!
//! Reading ([`Translation::read`]) replaces ids by natural keys and secrets by markers; writing
//! ([`Renderer`]) does the reverse with the target's ids and key. What ids and keys mean is looked up
//! in the server, in batches, and only for what the documents at hand name.

mod blob;
mod body;
mod derived_rows;
mod error;
mod faults;
mod ids;
mod layout;
mod marks;
mod meant;
mod names;
mod read;
mod render;
mod secrets;
mod types;
mod vault;

pub use blob::BlobError;
pub use body::{Body, Stored};
pub use derived_rows::RowsTable;
pub use error::TranslateError;
pub use faults::Faults;
pub use ids::{Ids, Known};
pub use layout::{ContentColumn, Layout, Layouts};
pub use names::id_order;
pub(in crate::ops) use read::apart;
pub use read::{Followed, Portable, Raw, Translation};
pub use render::{Existing, Rendered, Renderer, part_ids};
pub use secrets::ServerSecrets;
pub use vault::Vault;

use crate::document::Value;
use crate::server::{Reader, ServerError, WholeTable};

/// A server's identifier of a document, as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Begins to read all rows of a kind's table, with these columns.
///
/// # Errors
/// [`ServerError`], naming the table.
pub fn whole_table(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    columns: &[&str],
) -> Result<WholeTable, ServerError> {
    let order: Vec<&str> = layout.order.iter().map(String::as_str).collect();
    WholeTable::open(reader, &layout.page(columns, &order))
}
