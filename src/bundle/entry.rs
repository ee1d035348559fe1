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

/// Something the export had to say about the bundle or its documents. Never holds a secret.
///
/// What was found at one path of many documents is one notice for each value there, with a document for an example
/// and the number of times.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// What it is, as a stable word: "dangling-reference".
    pub code: String,
    /// The kind it is about, or the table, if any.
    pub kind: Option<String>,
    /// The text of the key of the document it is about, or of the first of several, if any.
    pub key: Option<String>,
    /// The path in the document, or in all documents of the kind (with `[*]`), if any.
    pub place: Option<String>,
    /// The text that stands there, if it says something: an id of the source.
    pub value: Option<String>,
    /// The kind of what the value names on the source, or its table, if it names anything.
    pub names_kind: Option<String>,
    /// The text of the key of the document that the value names on the source, if it has one.
    pub names_key: Option<String>,
    /// The notice for people.
    pub text: String,
    /// How many times: ids, references, rows. 0 where nothing is counted.
    pub count: u64,
}

impl Notice {
    /// A notice about the bundle.
    pub fn new(code: &str, text: String) -> Self {
        Self { code: code.to_owned(), text, ..Self::default() }
    }

    /// A notice about a kind, or a table.
    pub fn about(code: &str, kind: &str, text: String) -> Self {
        Self { kind: Some(kind.to_owned()), ..Self::new(code, text) }
    }

    /// A notice about a place in a document.
    pub fn at(code: &str, kind: &KindName, key: &Key, place: &str, text: String) -> Self {
        Self {
            key: Some(key.to_text()),
            place: Some(place.to_owned()),
            ..Self::about(code, kind.as_str(), text)
        }
    }

    /// Its texts, in the order of the format.
    pub(super) fn texts(&self) -> [Option<&str>; 8] {
        let Self { code, kind, key, place, value, names_kind, names_key, text, count: _ } = self;
        let [kind, key, place, value] = [kind, key, place, value].map(Option::as_deref);
        let [names_kind, names_key] = [names_kind, names_key].map(Option::as_deref);
        [Some(code), kind, key, place, value, names_kind, names_key, Some(text)]
    }

    /// How many bytes its texts have together.
    pub(super) fn bytes(&self) -> usize {
        self.texts().into_iter().flatten().map(str::len).sum()
    }
}

/// What the bundle carries of a kind that the source has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coverage {
    /// The kind. It may be one that the bundle has no document of.
    pub kind: String,
    /// How much of it.
    pub extent: Extent,
}

/// How much of a kind a bundle carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Every document that belongs to one document: to a space, a project. There is one for each such document.
    Belonging {
        /// The kind of the document they belong to.
        kind: String,
        /// The text of its key.
        key: String,
    },
    /// Some of its documents.
    Part {
        /// How many rows were read to carry them.
        rows: u64,
    },
    /// Every document of the kind on the source.
    Whole {
        /// How many rows were read: all of the table, as the server counted them in the same state.
        rows: u64,
    },
}

impl Coverage {
    /// The statement's word in the format, its number of rows, and the document that others belong to.
    pub(super) fn parts(&self) -> (&'static str, Option<u64>, Option<(&str, &str)>) {
        match &self.extent {
            Extent::Belonging { kind, key } => ("belonging", None, Some((kind, key))),
            Extent::Part { rows } => ("part", Some(*rows), None),
            Extent::Whole { rows } => ("whole", Some(*rows), None),
        }
    }

    /// The reverse of [`Coverage::parts`]; `None` for what the format does not have.
    pub(super) fn of(
        kind: String,
        extent: &str,
        rows: Option<u64>,
        owner: (Option<String>, Option<String>),
    ) -> Option<Self> {
        let named = |name: &str| super::writer::check_kind(&KindName::new(name)).is_ok();
        let extent = match (extent, rows, owner) {
            ("belonging", None, (Some(kind), Some(key))) if named(&kind) && Key::parse(&key).is_ok() => {
                Extent::Belonging { kind, key }
            }
            ("part", Some(rows), (None, None)) => Extent::Part { rows },
            ("whole", Some(rows), (None, None)) => Extent::Whole { rows },
            _ => return None,
        };
        named(&kind).then_some(Self { kind, extent })
    }

    /// Whether the two may stand in one bundle, one after the other.
    pub(super) fn goes_before(&self, next: &Self) -> bool {
        let counts = |coverage: &Self| coverage.parts().1.is_some();
        self < next && !(self.kind == next.kind && counts(self) && counts(next))
    }
}
