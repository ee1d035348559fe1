//! What a bundle says about itself, and how that is spelled in `meta` and `slots`.
//!
//! Obeys `format-spec/bundle-v1.md`, "meta" and "slots". Reads no document and no secret.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use crate::crypto::{Envelope, KdfParams, Slot};

use super::count::Count;
use super::limits::{META_BYTES, META_ROWS, SLOTS};
use super::{BundleError, ContentRoot, FileRoot};

/// What the writer is told about where the documents come from. It holds no address and no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The name of the model that the documents follow.
    pub model: String,
    /// The digest of the model as it was used.
    pub model_digest: [u8; 32],
    /// The version of the product that the source ran, where it was found.
    pub product_version: Option<String>,
    /// A name for the source server, chosen by people.
    pub server: Option<String>,
    /// The options of the export, as text.
    pub options: Option<String>,
}

impl Header {
    /// The header that says no more than it must.
    pub fn new(model: String, model_digest: [u8; 32], product_version: Option<String>) -> Self {
        Self { model, model_digest, product_version, server: None, options: None }
    }

    /// The texts, for a look at their length.
    pub(super) fn texts(&self) -> impl Iterator<Item = &String> {
        [&self.product_version, &self.server, &self.options].into_iter().flatten().chain([&self.model])
    }
}

/// One kind of document in a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindInfo {
    /// Its name.
    pub name: String,
    /// How many documents of it there are.
    pub documents: u64,
    /// How many secret places they have.
    pub secrets: u64,
    /// How many of these places have a value in the bundle.
    pub sealed: u64,
    pub(super) first_document: u64,
    pub(super) packs: u64,
    pub(super) first_pack: u64,
}

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The program that wrote it, with its version.
    pub writer: String,
    /// Where the documents come from.
    pub header: Header,
    /// When it was made, if the writer was told to say.
    pub created: Option<String>,
    /// The identity of its documents.
    pub content_root: ContentRoot,
    /// The identity of the file.
    pub file_root: FileRoot,
    /// Its kinds, by name.
    pub kinds: Vec<KindInfo>,
    /// How many documents there are.
    pub documents: u64,
    /// How many scopes their keys share.
    pub scopes: u64,
    /// How many packs hold them.
    pub packs: u64,
    /// How many chunks index them.
    pub chunks: u64,
    /// How many secret places the documents have.
    pub secrets: u64,
    /// How many of these places have a value.
    pub sealed: u64,
    /// How many passwords open the sealed values; none where the bundle has no envelope.
    pub slots: usize,
    /// How many notices there are.
    pub notices: u64,
    /// How many statements there are of what the bundle carries of its kinds.
    pub coverage: u64,
    /// Bytes of the documents in canonical form.
    pub raw_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Writes `meta`; the envelope's rows too, where there is one.
pub(super) fn write(db: &Connection, info: &Info, envelope: Option<&Envelope>) -> rusqlite::Result<()> {
    let mut insert = db.prepare("INSERT INTO meta(name, value) VALUES(?1, ?2)")?;
    // In the order of names, as the table keeps them: pages fill from left to right.
    insert.execute(params!["chunks", Count(info.chunks)])?;
    if let Some(envelope) = envelope {
        insert.execute(params!["commitment", envelope.commitment.as_slice()])?;
    }
    insert.execute(params!["content_root", info.content_root.0.as_slice()])?;
    insert.execute(params!["coverage", Count(info.coverage)])?;
    if let Some(created) = &info.created {
        insert.execute(params!["created", created])?;
    }
    insert.execute(params!["documents", Count(info.documents)])?;
    insert.execute(params!["model", info.header.model])?;
    insert.execute(params!["model_digest", info.header.model_digest.as_slice()])?;
    insert.execute(params!["notices", Count(info.notices)])?;
    if let Some(options) = &info.header.options {
        insert.execute(params!["options", options])?;
    }
    insert.execute(params!["packs", Count(info.packs)])?;
    if let Some(version) = &info.header.product_version {
        insert.execute(params!["product_version", version])?;
    }
    insert.execute(params!["raw_bytes", Count(info.raw_bytes)])?;
    insert.execute(params!["requires", ""])?;
    if let Some(envelope) = envelope {
        insert.execute(params!["scope", envelope.scope.as_slice()])?;
    }
    insert.execute(params!["scopes", Count(info.scopes)])?;
    insert.execute(params!["sealed", Count(info.sealed)])?;
    insert.execute(params!["secrets", Count(info.secrets)])?;
    if let Some(server) = &info.header.server {
        insert.execute(params!["server", server])?;
    }
    insert.execute(params!["writer", info.writer])?;
    for (index, slot) in envelope.into_iter().flat_map(|e| &e.slots).enumerate() {
        db.execute(
            "INSERT INTO slots(slot, memory_kib, passes, lanes, salt, nonce, wrapped) VALUES(?1,?2,?3,?4,?5,?6,?7)",
            params![
                Count::of(index + 1),
                slot.kdf.memory_kib,
                slot.kdf.passes,
                slot.kdf.lanes,
                slot.salt.as_slice(),
                slot.nonce.as_slice(),
                slot.wrapped.as_slice()
            ],
        )?;
    }
    for (index, kind) in info.kinds.iter().enumerate() {
        db.execute(
            "INSERT INTO kinds(kind, name, documents, first_document, packs, first_pack, secrets, sealed) \
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
            params![
                Count::of(index + 1),
                kind.name,
                Count(kind.documents),
                Count(kind.first_document),
                Count(kind.packs),
                Count(kind.first_pack),
                Count(kind.secrets),
                Count(kind.sealed)
            ],
        )?;
    }
    Ok(())
}

/// The rows of `meta`, before they are understood.
#[derive(Default)]
pub(super) struct Meta(Vec<(String, MetaValue)>);

enum MetaValue {
    Count(u64),
    Text(String),
    Blob(Vec<u8>),
}

impl Meta {
    /// Reads the table; the text of the problem where there is one.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Result<Self, String>> {
        let mut select = db.prepare("SELECT name, value FROM meta ORDER BY name")?;
        let mut rows = select.query([])?;
        let mut meta = Vec::new();
        while let Some(row) = rows.next()? {
            if meta.len() == META_ROWS {
                return Ok(Err(format!("more than {META_ROWS} rows")));
            }
            let name: String = row.get(0)?;
            let value = match row.get_ref(1)? {
                ValueRef::Integer(number) => match u64::try_from(number) {
                    Ok(count) => MetaValue::Count(count),
                    Err(_) => return Ok(Err(format!("{name} is negative"))),
                },
                ValueRef::Text(text) if text.len() <= META_BYTES => match std::str::from_utf8(text) {
                    Ok(text) => MetaValue::Text(text.to_owned()),
                    Err(_) => return Ok(Err(format!("{name} is not UTF-8"))),
                },
                ValueRef::Blob(blob) if blob.len() <= META_BYTES => MetaValue::Blob(blob.to_vec()),
                ValueRef::Text(_) | ValueRef::Blob(_) => return Ok(Err(format!("{name} is too long"))),
                _ => return Ok(Err(format!("{name} is of no known type"))),
            };
            meta.push((name, value));
        }
        Ok(Ok(Self(meta)))
    }

    fn get(&self, name: &str) -> Option<&MetaValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    pub(super) fn count(&self, name: &str) -> Result<u64, String> {
        match self.get(name) {
            Some(MetaValue::Count(count)) => Ok(*count),
            _ => Err(format!("{name} is missing or no number")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.optional_text(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        match self.get(name) {
            Some(MetaValue::Text(text)) => Ok(Some(text.clone())),
            None => Ok(None),
            _ => Err(format!("{name} is no text")),
        }
    }

    pub(super) fn digest<const N: usize>(&self, name: &str) -> Result<[u8; N], String> {
        self.optional_digest(name)?.ok_or_else(|| format!("{name} is missing"))
    }

    pub(super) fn optional_digest<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>, String> {
        match self.get(name) {
            Some(MetaValue::Blob(blob)) => {
                <[u8; N]>::try_from(blob.as_slice()).map(Some).map_err(|_| format!("{name} is not {N} bytes"))
            }
            None => Ok(None),
            _ => Err(format!("{name} is no blob")),
        }
    }
}

/// Reads the slots that go with a scope and a commitment.
pub(super) fn read_slots(db: &Connection) -> rusqlite::Result<Result<Vec<Slot>, String>> {
    let mut select =
        db.prepare("SELECT slot, memory_kib, passes, lanes, salt, nonce, wrapped FROM slots ORDER BY slot")?;
    let mut rows = select.query([])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        if slots.len() == SLOTS {
            return Ok(Err(format!("more than {SLOTS} slots")));
        }
        if row.get::<_, i64>(0)? != slots.len() as i64 + 1 {
            return Ok(Err("the slots are not numbered from 1".to_owned()));
        }
        let cost = |column: usize| -> rusqlite::Result<Option<u32>> {
            Ok(u32::try_from(row.get::<_, i64>(column)?).ok())
        };
        let (Some(memory_kib), Some(passes), Some(lanes)) = (cost(1)?, cost(2)?, cost(3)?) else {
            return Ok(Err(format!("slot {} asks for an impossible derivation", slots.len() + 1)));
        };
        let (Ok(salt), Ok(nonce), Ok(wrapped)) = (row.get(4), row.get(5), row.get(6)) else {
            return Ok(Err(format!("slot {} has a part of the wrong length", slots.len() + 1)));
        };
        slots.push(Slot { kdf: KdfParams { memory_kib, passes, lanes }, salt, nonce, wrapped });
    }
    Ok(Ok(slots))
}

/// Lets a check that knows no path speak for a file.
pub(super) fn at<T>(
    path: &std::path::Path,
    place: &str,
    result: Result<T, String>,
) -> Result<T, BundleError> {
    result.map_err(|what| BundleError::damaged(path, place, what))
}
