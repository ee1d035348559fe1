//! What a bundle says about a document beside the document: its number, its source id, why it is here.
//!
//! Plain values; nothing here reads a file.

use std::fmt;

use crate::document::{ContentId, Key, KindName, Value};

/// Why a document is in the bundle.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reason {
    /// Everything was exported.
    #[default]
    All,
    /// The user named it.
    Named,
    /// Another document refers to it.
    NeededBy {
        /// The kind of the document that refers.
        kind: KindName,
        /// Its key.
        key: Key,
        /// The text of the place that refers.
        place: String,
    },
    /// It belongs to another document and travels with it.
    BelongsTo {
        /// The kind of the owner.
        kind: KindName,
        /// The owner's key.
        key: Key,
        /// The text of the place that names the owner.
        place: String,
    },
}

/// For people: "named", "needed by Project Web at $.LifecycleId".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::All => f.write_str("all"),
            Reason::Named => f.write_str("named"),
            Reason::NeededBy { kind, key, place } => write!(f, "needed by {kind} {key} at {place}"),
            Reason::BelongsTo { kind, key, place } => write!(f, "belongs to {kind} {key} at {place}"),
        }
    }
}

/// One document of a bundle, without what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 1, in the order of kind and key.
    pub number: u64,
    /// Its kind.
    pub kind: KindName,
    /// Its natural key.
    pub key: Key,
    /// The id it had on the source server.
    pub id: Value,
    /// Why it is here.
    pub reason: Reason,
    /// The identity of its content.
    pub content_id: ContentId,
    /// How many secret places it has, with or without a value.
    pub secrets: u32,
}

/// Something the export had to say about the bundle or one of its documents. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// What it is, as a stable word: "dangling-reference".
    pub code: String,
    /// The kind it is about, if any.
    pub kind: Option<String>,
    /// The text of the key it is about, if any.
    pub key: Option<String>,
    /// The text of the place it is about, if any.
    pub place: Option<String>,
    /// The notice for people.
    pub text: String,
}

impl Notice {
    /// A notice about a kind, or a table.
    pub fn about(code: &str, kind: &str, text: String) -> Self {
        Self { code: code.to_owned(), kind: Some(kind.to_owned()), key: None, place: None, text }
    }

    /// A notice about a place in a document.
    pub fn at(code: &str, kind: &KindName, key: &Key, place: &str, text: String) -> Self {
        Self {
            code: code.to_owned(),
            kind: Some(kind.as_str().to_owned()),
            key: Some(key.to_text()),
            place: Some(place.to_owned()),
            text,
        }
    }
}
