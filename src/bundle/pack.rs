//! A pack before compression: a header of lengths, then documents in canonical bytes.
//!
//! Obeys `format-spec/bundle-v1.md`, "packs". Knows where documents stand, never what they say.

use std::ops::Range;
use std::rc::Rc;

use super::wire::{Wire, WireError, put_uint};

/// Writes the header of a pack of documents with these numbers and lengths. Their bytes follow it.
pub(super) fn header(raw: &mut Vec<u8>, documents: impl ExactSizeIterator<Item = (u64, u64)> + Clone) {
    put_uint(raw, documents.len() as u64);
    documents.clone().for_each(|(number, _)| put_uint(raw, number));
    documents.for_each(|(_, len)| put_uint(raw, len));
}

/// Bytes of packs that are looked at together.
const WINDOW_BYTES: usize = 20 << 20;

/// Some packs, their documents in the order of their numbers.
///
/// The documents of a pack are spread over the whole index. Going through many packs at once asks for each part
/// of the index once for all of them, instead of once for each.
#[derive(Default)]
pub(super) struct Window {
    packs: Vec<(u64, Rc<Pack>)>,
    documents: Vec<(u64, usize, u64)>,
    weight: usize,
}

impl Window {
    /// Adds a pack; `keep` says which of its documents count.
    pub(super) fn push(&mut self, number: u64, pack: Rc<Pack>, mut keep: impl FnMut(u64) -> bool) {
        let index = self.packs.len();
        for (slot, (document, _)) in pack.iter().enumerate() {
            if keep(document) {
                self.documents.push((document, index, slot as u64));
            }
        }
        self.weight += pack.weight();
        self.packs.push((number, pack));
    }

    pub(super) fn is_full(&self) -> bool {
        self.weight >= WINDOW_BYTES
    }

    /// The documents as (number, pack, slot, canonical bytes), by number.
    pub(super) fn sorted(&mut self) -> impl ExactSizeIterator<Item = (u64, u64, u64, &[u8])> {
        self.documents.sort_unstable();
        self.documents.iter().map(|(document, index, slot)| {
            let found = self.packs.get(*index);
            let bytes = found.and_then(|(_, pack)| pack.get(*slot)).map_or(&[][..], |(_, bytes)| bytes);
            (*document, found.map_or(0, |(number, _)| *number), *slot, bytes)
        })
    }
}

/// A pack after decompression.
#[derive(Debug)]
pub(super) struct Pack {
    raw: Vec<u8>,
    slots: Vec<(u64, Range<usize>)>,
}

impl Pack {
    /// Reads the header. `documents` is what the table says the pack holds.
    pub(super) fn parse(raw: Vec<u8>, documents: u64) -> Result<Self, WireError> {
        let mut wire = Wire::new(&raw);
        if wire.uint()? != documents {
            return Err(WireError::Range);
        }
        // Each document takes two bytes of header at least, so a lying count cannot reserve more than that.
        let mut slots: Vec<(u64, Range<usize>)> = Vec::with_capacity(raw.len().min(documents as usize));
        for _ in 0..documents {
            slots.push((wire.uint()?, 0..0));
        }
        let mut lens = Vec::with_capacity(slots.len());
        for _ in 0..documents {
            lens.push(wire.size(raw.len())?);
        }
        let mut at = raw.len() - wire.rest().len();
        for ((_, range), len) in slots.iter_mut().zip(lens) {
            let end = at.checked_add(len).filter(|end| *end <= raw.len()).ok_or(WireError::Short)?;
            *range = at..end;
            at = end;
        }
        if at == raw.len() { Ok(Self { raw, slots }) } else { Err(WireError::Trailing) }
    }

    /// The documents as (number, canonical bytes), in the order of their slots.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        self.slots.iter().map(|(number, range)| (*number, self.raw.get(range.clone()).unwrap_or_default()))
    }

    /// The document of that slot.
    pub(super) fn get(&self, slot: u64) -> Option<(u64, &[u8])> {
        let (number, range) = self.slots.get(usize::try_from(slot).ok()?)?;
        Some((*number, self.raw.get(range.clone())?))
    }

    /// Bytes held.
    pub(super) fn weight(&self) -> usize {
        self.raw.len() + self.slots.len() * 24
    }
}
