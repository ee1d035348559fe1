//! What an undo file says beside its before-images: the import that it takes back, and every document that this
//! import wrote, as it left it.
//!
//! Obeys `format-spec/undo-v1.md`. All of it is documents, of kinds that no model has, so that an undo file is a bundle
//! like any other: listed, shown, verified and compared by the same means.

use std::collections::HashMap;

use crate::bundle::{Bundle, Entry, Info, Reason, Writer};
use crate::crypto::{DataKey, FingerprintKey, MasterKey, SecretBytes};
use crate::document::{Collation, Document, Key, KindName, Map, Reference, Value};

use crate::ops::import::request::error::ImportError;
use crate::ops::translate::Id;

/// The kind of the one document that tells of the import.
pub(crate) const IMPORT: &str = "sealift:import";
/// The kind of the documents that tell what the import wrote, and as what it left it.
pub(crate) const CHANGE: &str = "sealift:change";
/// The kind of the documents that tell what the server put into the columns of new rows that no document named.
pub(crate) const FILLED: &str = "sealift:filled";
/// What these kinds begin with; the kinds of a model are words.
const PREFIX: &str = "sealift:";
/// The version of this part of the format.
const FORMAT: i64 = 1;
/// What is hashed to tell whether a key is the one that the file was made under.
const CHECK: &[u8] = b"undo check";

/// Says whether a bundle is an undo file, by what it says about itself.
pub fn is_undo(info: &Info) -> bool {
    info.kinds.iter().any(|kind| kind.name == IMPORT)
}

/// Says whether a kind is one of those that only undo files have.
pub(crate) fn is_ours(kind: &str) -> bool {
    kind.starts_with(PREFIX)
}

/// What the import did to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// It made it.
    Created,
    /// It changed it; the before-image is in the file.
    Changed,
    /// It deleted it; the before-image is in the file.
    Deleted,
}

impl Wrote {
    const ALL: [Wrote; 3] = [Wrote::Created, Wrote::Changed, Wrote::Deleted];

    fn word(self) -> &'static str {
        match self {
            Wrote::Created => "created",
            Wrote::Changed => "changed",
            Wrote::Deleted => "deleted",
        }
    }
}

/// A document that the import wrote.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The number of what says so in the undo file.
    pub number: u64,
    /// The document: as it was called before, where it was there before.
    pub document: Reference,
    /// What names its row on the server.
    pub row: Id,
    /// What was done.
    pub wrote: Wrote,
}

impl Change {
    /// Reads what the key and the source id of its document say.
    pub fn of(entry: &Entry) -> Option<Self> {
        let [Value::Ref(reference), Value::Text(word)] = entry.key.parts() else { return None };
        let wrote = Wrote::ALL.into_iter().find(|wrote| wrote.word() == word)?;
        let row = Id::of(&entry.id)?;
        Some(Self { number: entry.number, document: Reference::clone(reference), row, wrote })
    }
}

/// Adds what was done to a document, and as what it was left (its columns, body and secrets), to an undo file.
pub(in crate::ops) fn write_change(
    writer: &mut Writer,
    collation: Collation,
    document: Reference,
    (row, wrote): (&Id, Wrote),
    (columns, body): (Map, Option<Value>),
    secrets: &[Option<SecretBytes>],
) -> Result<(), ImportError> {
    let parts = vec![Value::Ref(Box::new(document)), Value::from(wrote.word())];
    let change =
        Document { kind: KindName::new(CHANGE), key: Key::new(parts).map_err(malformed)?, columns, body };
    let folded = change.key.folded(collation);
    Ok(writer.add(&change, &folded, &row.to_value(), &Reason::All, secrets)?)
}

/// Adds what the server put into columns of a new row that its document did not name, as raw values, to an undo file.
pub(in crate::ops) fn write_filled(
    writer: &mut Writer,
    collation: Collation,
    kind: &KindName,
    row: &Id,
    columns: Vec<(String, Value)>,
) -> Result<(), ImportError> {
    let key = Key::new(vec![Value::from(kind.as_str()), row.to_value()]).map_err(malformed)?;
    add(writer, collation, FILLED, key, columns)
}

/// The kind and the row that a document of the kind [`FILLED`] is about.
pub(in crate::ops) fn filled_row(key: &Key) -> Option<(KindName, Id)> {
    let [Value::Text(kind), row] = key.parts() else { return None };
    Some((KindName::new(kind), Id::of(row)?))
}

/// What an undo file says of the import that it takes back.
#[derive(Debug, Clone)]
pub struct UndoRecord {
    /// The server that was written, as it may be shown.
    pub target: String,
    /// The content root of the bundle that was imported, in hexadecimal.
    pub imported: String,
    salt: [u8; 16],
    /// Whether `check` is under the server's master key.
    keyed: bool,
    /// Whether it is under the key that the file's password opens: the server has no master key.
    password: bool,
    check: [u8; 32],
    changes: Vec<Change>,
    /// The changes by what they are about and whether it was there before.
    places: HashMap<(KindName, String, bool), usize>,
}

impl UndoRecord {
    /// Reads what an undo file says; `None` for another bundle.
    ///
    /// # Errors
    /// [`ImportError::Undo`] for a file that says it wrong, and what keeps a bundle from being read.
    pub fn read(bundle: &Bundle, collation: Collation) -> Result<Option<Self>, ImportError> {
        if !is_undo(bundle.info()) {
            return Ok(None);
        }
        let wrong = |what: &str| ImportError::Undo(what.to_owned());
        let entry = bundle.find(IMPORT, &Key::name("import"))?;
        let entry = entry.ok_or_else(|| wrong("it does not tell of its import"))?;
        let document = bundle.document(entry.number)?;
        let column = |name: &str| document.columns.get(name);
        let text = |name: &str| column(name).and_then(Value::as_text).map(str::to_owned);
        if column("format") != Some(&Value::Int(FORMAT)) {
            return Err(wrong("it is of another version than this program knows"));
        }
        let bytes = |name: &str| match column(name) {
            Some(Value::Bytes(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        let parts = (|| {
            Some(Self {
                target: text("target")?,
                imported: text("imported")?,
                salt: bytes("salt")?.try_into().ok()?,
                keyed: matches!(column("keyed")?, Value::Bool(true)),
                password: matches!(column("password"), Some(Value::Bool(true))),
                check: bytes("check")?.try_into().ok()?,
                changes: Vec::new(),
                places: HashMap::new(),
            })
        })();
        let mut record = parts.ok_or_else(|| wrong("what it tells of its import is not whole"))?;
        bundle.entries(Some(CHANGE), &mut |entry| -> Result<(), ImportError> {
            let change =
                Change::of(&entry).ok_or_else(|| wrong("what it says of a document is not whole"))?;
            let Reference { kind, key } = &change.document;
            let before = change.wrote != Wrote::Created;
            let place = (kind.clone(), key.folded(collation), before);
            record.places.insert(place, record.changes.len());
            record.changes.push(change);
            Ok(())
        })?;
        Ok(Some(record))
    }

    /// Whether the file is under a password, that of the bundle that was imported, and no master key.
    pub fn is_under_password(&self) -> bool {
        self.password && !self.keyed
    }

    /// The key of the plan's fingerprints for a file that is under a password.
    ///
    /// # Errors
    /// [`ImportError::UndoKey`] where it is another key than the file was made under.
    pub fn password_key(&self, key: &DataKey) -> Result<FingerprintKey, ImportError> {
        self.checked(FingerprintKey::derived_from(&self.salt, key))
    }

    /// The key of the plan's fingerprints, but where the file [is under a password](Self::is_under_password).
    ///
    /// # Errors
    /// [`ImportError::UndoKey`] where the master key at hand is not the one that the file was made under, or is
    /// missing.
    pub fn key(&self, master: Option<&MasterKey>) -> Result<FingerprintKey, ImportError> {
        let key = match (self.keyed, master) {
            (true, None) => return Err(ImportError::UndoKey { missing: true }),
            (keyed, master) => FingerprintKey::derived(&self.salt, master.filter(|_| keyed)),
        };
        self.checked(key)
    }

    fn checked(&self, key: FingerprintKey) -> Result<FingerprintKey, ImportError> {
        match key.of(&[CHECK]) == self.check {
            true => Ok(key),
            false => Err(ImportError::UndoKey { missing: false }),
        }
    }

    /// How many documents the import wrote.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Says whether the import wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(in crate::ops) fn created(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.wrote == Wrote::Created)
    }

    /// What was done to a document that was there before.
    pub(in crate::ops) fn of(&self, kind: &KindName, key: &Key, collation: Collation) -> Option<&Change> {
        let at = self.places.get(&(kind.clone(), key.folded(collation), true))?;
        self.changes.get(*at)
    }

    pub(in crate::ops) fn changes(&self) -> &[Change] {
        &self.changes
    }
}

/// What an undo file says of its import, before it is written.
pub(in crate::ops) struct About<'a> {
    pub target: &'a str,
    pub imported: String,
    pub salt: [u8; 16],
    pub keyed: bool,
    pub password: bool,
}

impl About<'_> {
    /// Adds what the file says of its import.
    pub fn write(
        &self,
        writer: &mut Writer,
        collation: Collation,
        key: &FingerprintKey,
    ) -> Result<(), ImportError> {
        let columns = vec![
            ("format".to_owned(), Value::Int(FORMAT)),
            ("target".to_owned(), Value::from(self.target)),
            ("imported".to_owned(), Value::from(self.imported.as_str())),
            ("salt".to_owned(), Value::Bytes(self.salt.to_vec())),
            ("keyed".to_owned(), Value::Bool(self.keyed)),
            ("password".to_owned(), Value::Bool(self.password)),
            ("check".to_owned(), Value::Bytes(key.of(&[CHECK]).to_vec())),
        ];
        add(writer, collation, IMPORT, Key::name("import"), columns)
    }
}

fn add(
    writer: &mut Writer,
    collation: Collation,
    kind: &str,
    key: Key,
    columns: Vec<(String, Value)>,
) -> Result<(), ImportError> {
    let columns = Map::from_pairs(columns).map_err(|_| ImportError::Undo("a column twice".to_owned()))?;
    let folded = key.folded(collation);
    let document = Document { kind: KindName::new(kind), key, columns, body: None };
    Ok(writer.add(&document, &folded, &Value::Null, &Reason::All, &[])?)
}

fn malformed(error: crate::document::KeyError) -> ImportError {
    ImportError::Undo(error.to_string())
}
