//! What an import decided to write: each document as it will be, and what is kept of the target's row, until the
//! transaction takes them.
//!
//! They wait on disk. Secrets are sealed there under a key that this process made and no other has.

pub(in crate::ops) mod reads;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::crypto::{DataKey, SecretBytes};
use crate::document::{Document, Key, KindName, Place, SecretId, Value, canonical};
use crate::plan::Entry;

use super::request::error::ImportError;
use crate::ops::spool::{Records, Spool, SpoolError};
use crate::ops::translate::{Existing, Id, Layout, Raw, Stored, Vault};

/// What sealed secrets of this file are bound to, beside their document.
const PLACE: &[u8] = b"work of an import";

/// A document that is written.
pub(in crate::ops) struct Write {
    /// The number of its entry in the plan.
    pub number: u64,
    /// The key of its entry in the plan; what the document says of it may be known better by now.
    pub key: Key,
    /// What the target will hold.
    pub document: Document,
    /// What the target holds; `None` for a document that is created.
    pub existing: Option<Existing>,
}

/// The streams of what is deleted come after those of what is written.
const DELETED: u32 = 1 << 16;

/// The documents that an import writes, by kind, in the order they were decided.
pub(in crate::ops) struct Work {
    spool: Spool,
    key: DataKey,
}

#[derive(Serialize, Deserialize)]
struct Record {
    number: u64,
    /// The parts of a key, canonically.
    key: ByteBuf,
    /// `None` for a document that is deleted.
    document: Option<Image>,
    existing: Option<Before>,
    /// The values that the markers of both documents lead to, the first being 1: sealed.
    secrets: Option<ByteBuf>,
}

/// A document.
#[derive(Serialize, Deserialize)]
struct Image {
    /// The parts of its key, canonically.
    key: ByteBuf,
    /// What it says, canonically.
    content: ByteBuf,
    /// Where its markers lead, in their order.
    markers: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Before {
    document: Image,
    row: Id,
    ciphers: Vec<(Place, u32, String)>,
    part_ids: Vec<(usize, usize, ByteBuf)>,
    local: Vec<(usize, Place, ByteBuf)>,
    stored: Option<Stored>,
}

fn unreadable(error: canonical::DecodeError) -> SpoolError {
    std::io::Error::other(error).into()
}

fn value(value: &Value) -> Result<ByteBuf, canonical::TooLarge> {
    Ok(ByteBuf::from(canonical::encode_value(value)?))
}

fn parts(key: &Key) -> Result<ByteBuf, canonical::TooLarge> {
    value(&Value::List(key.parts().to_vec()))
}

fn read_key(bytes: &ByteBuf) -> Result<Key, SpoolError> {
    let key = match read_value(bytes)? {
        Value::List(parts) => Key::new(parts).ok(),
        _ => None,
    };
    key.ok_or_else(|| unreadable(canonical::DecodeError::Type))
}

fn read_value(bytes: &ByteBuf) -> Result<Value, SpoolError> {
    canonical::decode_value(bytes).map_err(unreadable)
}

impl Image {
    /// `number` says under which number a secret is kept here.
    fn of(document: &Document, number: &mut dyn FnMut(SecretId) -> u32) -> Result<Self, ImportError> {
        let mut markers = Vec::new();
        document.each(&mut |value| {
            if let Value::Secret(secret) = value {
                markers.push(number(*secret));
            }
        });
        Ok(Self { key: parts(&document.key)?, content: ByteBuf::from(canonical::encode(document)?), markers })
    }

    fn read(&self, kind: &KindName, secret: &dyn Fn(u32) -> SecretId) -> Result<Document, ImportError> {
        let key = read_key(&self.key)?;
        let mut document = canonical::decode(kind.clone(), key, &self.content).map_err(unreadable)?;
        if !self.markers.is_empty() {
            let mut markers = self.markers.iter();
            document.each_secret_mut(&mut |marker| {
                *marker = markers.next().map_or(SecretId::UNKNOWN, |number| secret(*number));
            });
        }
        Ok(document)
    }
}

impl Work {
    /// Nothing yet.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new() -> Result<Self, ImportError> {
        Ok(Self { spool: Spool::default(), key: DataKey::of_this_process()? })
    }

    /// Adds a document of a kind.
    ///
    /// # Errors
    /// [`ImportError`], where the temporary file cannot be written.
    pub fn add(
        &mut self,
        layout: &Layout<'_>,
        entry: &Entry,
        document: &Document,
        existing: Option<&Existing>,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        self.put(stream(layout), (entry.number, &entry.key), Some(document), existing, vault)
    }

    /// Adds a document of a kind that is deleted.
    ///
    /// # Errors
    /// As [`Work::add`].
    pub fn add_deleted(
        &mut self,
        layout: &Layout<'_>,
        existing: &Existing,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        self.put(DELETED + stream(layout), (0, &existing.document.key), None, Some(existing), vault)
    }

    fn put(
        &mut self,
        stream: u32,
        (number, key): (u64, &Key),
        document: Option<&Document>,
        existing: Option<&Existing>,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        let (mut numbered, mut known): (Vec<SecretId>, HashMap<SecretId, u32>) = Default::default();
        let mut numbers = |secret: SecretId| {
            if vault.value(secret).is_none() {
                return SecretId::UNKNOWN.0;
            }
            *known.entry(secret).or_insert_with(|| {
                numbered.push(secret);
                u32::try_from(numbered.len()).unwrap_or(SecretId::UNKNOWN.0)
            })
        };
        let document = document.map(|document| Image::of(document, &mut numbers)).transpose()?;
        let existing = existing.map(|existing| {
            let Raw { ciphers, part_ids, local, stored } = &existing.raw;
            let ciphers =
                ciphers.iter().map(|(place, secret, text)| (place.clone(), numbers(*secret), text.clone()));
            let parts = part_ids.iter().map(|(rule, at, id)| Ok((*rule, *at, value(id)?)));
            let local = local.iter().map(|(rule, place, held)| Ok((*rule, place.clone(), value(held)?)));
            Ok::<_, ImportError>(Before {
                ciphers: ciphers.collect(),
                document: Image::of(&existing.document, &mut numbers)?,
                row: existing.row.clone(),
                part_ids: parts.collect::<Result<_, ImportError>>()?,
                local: local.collect::<Result<_, ImportError>>()?,
                stored: *stored,
            })
        });
        let existing = existing.transpose()?;
        let secrets = match numbered.is_empty() {
            true => None,
            false => Some(ByteBuf::from(self.seal(number, &numbered, vault)?)),
        };
        let key = parts(key)?;
        Ok(self.spool.add(stream, &Record { number, key, document, existing, secrets })?)
    }

    fn seal(&self, number: u64, secrets: &[SecretId], vault: &Vault) -> Result<Vec<u8>, ImportError> {
        let values = || secrets.iter().filter_map(|secret| vault.value(*secret));
        // Of its full size from the beginning: a vector that grows leaves copies behind.
        let mut all = Vec::with_capacity(values().map(|value| value.len() + 8).sum());
        for value in values() {
            all.extend((value.expose().len() as u64).to_le_bytes());
            all.extend(value.expose());
        }
        // It is wiped when it is dropped.
        let all = SecretBytes::from(all);
        Ok(self.key.seal(&all, &[PLACE, &number.to_le_bytes()])?)
    }

    /// How many documents of a kind are written.
    pub fn count(&self, layout: &Layout<'_>) -> u64 {
        self.spool.len(stream(layout))
    }

    /// The documents of a kind that are written, from the first.
    pub fn read<'w>(&'w self, layout: &Layout<'_>) -> Writes<'w> {
        Writes { records: self.spool.read(stream(layout)), kind: layout.kind.name.clone(), key: &self.key }
    }

    /// What the target holds of the documents of a kind that are deleted, from the first.
    pub fn read_deleted<'w>(&'w self, layout: &Layout<'_>) -> Deleted<'w> {
        let stream = DELETED + stream(layout);
        Deleted(Writes { records: self.spool.read(stream), kind: layout.kind.name.clone(), key: &self.key })
    }
}

fn stream(layout: &Layout<'_>) -> u32 {
    u32::try_from(layout.index).unwrap_or(u32::MAX)
}

/// The documents of a kind, one after the other.
pub(in crate::ops) struct Writes<'w> {
    records: Records<'w, Record>,
    kind: KindName,
    key: &'w DataKey,
}

/// The documents of a kind that are deleted, one after the other.
pub(in crate::ops) struct Deleted<'w>(Writes<'w>);

impl Deleted<'_> {
    /// What the target holds of the next, its secrets in the vault; `None` after the last.
    ///
    /// # Errors
    /// [`ImportError`], where the temporary file cannot be read.
    pub fn read_next(&mut self, vault: &mut Vault) -> Result<Option<Existing>, ImportError> {
        vault.clear();
        Ok(self.0.read(vault)?.and_then(|(_, _, existing)| existing))
    }
}

/// A record: its number and key, what the target will hold, what it holds.
type Read = ((u64, Key), Option<Document>, Option<Existing>);

impl Writes<'_> {
    fn read(&mut self, vault: &mut Vault) -> Result<Option<Read>, ImportError> {
        let Some(Record { number, key, document, existing, secrets }) = self.records.read_next()? else {
            return Ok(None);
        };
        let mut ids = Vec::new();
        if let Some(sealed) = secrets {
            let refused = |_| {
                SpoolError::from(std::io::Error::other("a sealed value of the temporary file was changed"))
            };
            let all = self.key.open(&sealed, &[PLACE, &number.to_le_bytes()]).map_err(refused)?;
            let mut rest = all.expose();
            while let Some((length, tail)) = rest.split_first_chunk() {
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
                let Some((value, tail)) = tail.split_at_checked(length) else { break };
                ids.push(vault.keep(SecretBytes::from(value.to_vec())));
                rest = tail;
            }
        }
        let secret = |number: u32| {
            let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            at.and_then(|at| ids.get(at)).copied().unwrap_or(SecretId::UNKNOWN)
        };
        let document = document.map(|document| document.read(&self.kind, &secret)).transpose()?;
        let existing = existing.map(|before| {
            let Before { document, row, ciphers, part_ids, local, stored } = before;
            let ciphers = ciphers.into_iter().map(|(place, number, text)| (place, secret(number), text));
            let parts = part_ids.into_iter().map(|(rule, at, id)| Ok((rule, at, read_value(&id)?)));
            let local = local.into_iter().map(|(rule, place, held)| Ok((rule, place, read_value(&held)?)));
            let raw = Raw {
                ciphers: ciphers.collect(),
                part_ids: parts.collect::<Result<_, SpoolError>>()?,
                local: local.collect::<Result<_, SpoolError>>()?,
                stored,
            };
            Ok::<_, ImportError>(Existing { document: document.read(&self.kind, &secret)?, raw, row })
        });
        Ok(Some(((number, read_key(&key)?), document, existing.transpose()?)))
    }

    /// The next documents, as many as are worked on together; none after the last. What the vault held is forgotten.
    ///
    /// # Errors
    /// [`ImportError`], where the temporary file cannot be read.
    pub fn next_batch(
        &mut self,
        vault: &mut Vault,
        most: usize,
        bytes: usize,
    ) -> Result<Vec<Write>, ImportError> {
        vault.clear();
        let (mut batch, mut weight) = (Vec::new(), 0);
        while batch.len() < most && weight < bytes {
            let Some(((number, key), Some(document), existing)) = self.read(vault)? else { break };
            let write = Write { number, key, document, existing };
            let body = |document: &Document| document.body.as_ref().map_or(0, Value::weight) + 256;
            weight += body(&write.document) + write.existing.as_ref().map_or(0, |e| body(&e.document));
            batch.push(write);
        }
        Ok(batch)
    }
}
