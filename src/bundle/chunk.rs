//! The index of up to 1,024 documents, column by column, so that like stands beside like and compresses.
//!
//! Obeys `format-spec/bundle-v1.md`, "chunks". Keys are not in here: they stay readable in `documents`.

use crate::document::{ContentId, Key, KindName, Value, canonical_decimal};

use super::entry::Reason;
use super::limits::{CHUNK_DOCUMENTS, Limits, SHORT_TEXT_BYTES};
use super::wire::{Wire, WireError, put_bytes, put_uint};
use super::writer::check_kind;

/// Writes a source id as a tag and bytes; `None` for a value that names no row.
pub(super) fn id_bytes(id: &Value) -> Option<(u8, Vec<u8>)> {
    match id {
        Value::Null => Some((0, Vec::new())),
        Value::Int(number) => Some((1, number.to_string().into_bytes())),
        Value::Text(text) => Some((2, text.clone().into_bytes())),
        Value::Number(number) => Some((3, number.as_bytes().to_vec())),
        Value::Bytes(bytes) => Some((4, bytes.clone())),
        _ => None,
    }
    .filter(|(_, bytes)| bytes.len() <= SHORT_TEXT_BYTES)
}

fn id_from(tag: u8, bytes: &[u8]) -> Result<Value, WireError> {
    let text = || std::str::from_utf8(bytes).map_err(|_| WireError::Utf8);
    Ok(match tag {
        0 if bytes.is_empty() => Value::Null,
        1 => {
            let number: i64 = text()?.parse().map_err(|_| WireError::Integer)?;
            if number.to_string().as_bytes() != bytes {
                return Err(WireError::Integer);
            }
            Value::Int(number)
        }
        2 => Value::Text(text()?.to_owned()),
        3 if canonical_decimal(text()?).is_some() => Value::Number(text()?.into()),
        4 => Value::Bytes(bytes.to_vec()),
        _ => return Err(WireError::Tag),
    })
}

/// Writes a reason as bytes.
pub(super) fn reason_bytes(reason: &Reason) -> Vec<u8> {
    let mut out = Vec::new();
    match reason {
        Reason::All => out.push(0),
        Reason::Named => out.push(1),
        Reason::NeededBy { kind, key, place } | Reason::BelongsTo { kind, key, place } => {
            out.push(if matches!(reason, Reason::NeededBy { .. }) { 2 } else { 3 });
            put_bytes(&mut out, kind.as_str().as_bytes());
            put_bytes(&mut out, key.to_text().as_bytes());
            put_bytes(&mut out, place.as_bytes());
        }
    }
    out
}

fn reason_from(bytes: &[u8], limits: &Limits) -> Result<Reason, WireError> {
    let mut wire = Wire::new(bytes);
    let tag = wire.byte()?;
    let reason = match tag {
        0 => Reason::All,
        1 => Reason::Named,
        2 | 3 => {
            let kind = KindName::new(wire.text(SHORT_TEXT_BYTES)?);
            check_kind(&kind).map_err(|_| WireError::Tag)?;
            let key = wire.text(usize::try_from(limits.key_bytes).unwrap_or(usize::MAX))?;
            let key = Key::parse(key).map_err(|_| WireError::Tag)?;
            let place = wire.text(SHORT_TEXT_BYTES)?.to_owned();
            if tag == 2 {
                Reason::NeededBy { kind, key, place }
            } else {
                Reason::BelongsTo { kind, key, place }
            }
        }
        _ => return Err(WireError::Tag),
    };
    wire.end()?;
    Ok(reason)
}

/// Collects the columns of one chunk.
#[derive(Default)]
pub(super) struct ChunkBuilder {
    documents: u64,
    secrets: Vec<u8>,
    tags: Vec<u8>,
    lens: Vec<u8>,
    ids: Vec<u8>,
    reasons: Vec<Vec<u8>>,
    which: Vec<u8>,
    content_ids: Vec<u8>,
}

/// A chunk's columns without the places, which are known only when the packs are made.
pub(super) struct PartialChunk {
    pub(super) documents: u64,
    pub(super) columns: Vec<u8>,
    pub(super) content_ids: Vec<u8>,
}

impl ChunkBuilder {
    pub(super) fn push(&mut self, tag: u8, id: &[u8], reason: &[u8], secrets: u64, content_id: &[u8]) {
        self.documents += 1;
        put_uint(&mut self.secrets, secrets);
        self.tags.push(tag);
        put_uint(&mut self.lens, id.len() as u64);
        self.ids.extend_from_slice(id);
        let known = self.reasons.iter().rposition(|known| known == reason);
        let index = known.unwrap_or_else(|| {
            self.reasons.push(reason.to_vec());
            self.reasons.len() - 1
        });
        put_uint(&mut self.which, index as u64);
        self.content_ids.extend_from_slice(content_id);
    }

    pub(super) fn is_full(&self) -> bool {
        self.documents == CHUNK_DOCUMENTS
    }

    /// Returns the chunk and starts the next; `None` where nothing was pushed.
    pub(super) fn finish(&mut self) -> Option<PartialChunk> {
        let full = std::mem::take(self);
        if full.documents == 0 {
            return None;
        }
        let mut columns = full.secrets;
        columns.extend_from_slice(&full.tags);
        columns.extend_from_slice(&full.lens);
        columns.extend_from_slice(&full.ids);
        put_uint(&mut columns, full.reasons.len() as u64);
        full.reasons.iter().for_each(|reason| put_bytes(&mut columns, reason));
        columns.extend_from_slice(&full.which);
        Some(PartialChunk { documents: full.documents, columns, content_ids: full.content_ids })
    }
}

/// What a chunk says of one document.
pub(super) struct Row<'a> {
    pub(super) pack: u64,
    pub(super) slot: u64,
    pub(super) secrets: u32,
    pub(super) id: &'a Value,
    pub(super) reason: &'a Reason,
    pub(super) content_id: ContentId,
}

/// A chunk after decompression.
pub(super) struct Chunk {
    rows: Vec<ChunkRow>,
    reasons: Vec<Reason>,
    content_ids: Vec<ContentId>,
    weight: usize,
}

struct ChunkRow {
    pack: u64,
    slot: u64,
    secrets: u32,
    reason: usize,
    id: Value,
}

impl Chunk {
    pub(super) fn parse(
        raw: &[u8],
        content_ids: &[u8],
        documents: u64,
        limits: &Limits,
    ) -> Result<Self, WireError> {
        // The caller has held `documents` against CHUNK_DOCUMENTS.
        let count = usize::try_from(documents).map_err(|_| WireError::Range)?;
        let (content_ids, rest) = content_ids.as_chunks::<32>();
        if content_ids.len() != count || !rest.is_empty() {
            return Err(WireError::Range);
        }
        let mut wire = Wire::new(raw);
        let column = |wire: &mut Wire<'_>| (0..count).map(|_| wire.uint()).collect::<Result<Vec<_>, _>>();
        let packs = column(&mut wire)?;
        let slots = column(&mut wire)?;
        let secrets = column(&mut wire)?;
        let tags = wire.take(count)?;
        let lens = (0..count).map(|_| wire.size(SHORT_TEXT_BYTES)).collect::<Result<Vec<_>, _>>()?;
        let mut ids = Vec::with_capacity(count);
        for (tag, len) in tags.iter().zip(lens) {
            ids.push(id_from(*tag, wire.take(len)?)?);
        }
        let distinct = wire.size(count)?;
        let reasons = (0..distinct)
            .map(|_| reason_from(wire.bytes(raw.len())?, limits))
            .collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::with_capacity(count);
        for (((pack, slot), secrets), id) in packs.into_iter().zip(slots).zip(secrets).zip(ids) {
            let secrets = u32::try_from(secrets).ok().filter(|n| u64::from(*n) <= limits.document_secrets);
            let secrets = secrets.ok_or(WireError::Range)?;
            let reason = wire.size(distinct.saturating_sub(1))?;
            rows.push(ChunkRow { pack, slot, secrets, reason, id });
        }
        wire.end()?;
        let content_ids = content_ids.iter().map(|id| ContentId(*id)).collect();
        Ok(Self { rows, reasons, content_ids, weight: 3 * raw.len() + 128 * count })
    }

    /// What it says of the document at that position.
    pub(super) fn row(&self, index: usize) -> Option<Row<'_>> {
        let row = self.rows.get(index)?;
        Some(Row {
            pack: row.pack,
            slot: row.slot,
            secrets: row.secrets,
            id: &row.id,
            reason: self.reasons.get(row.reason)?,
            content_id: *self.content_ids.get(index)?,
        })
    }

    /// Roughly the bytes held.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}
