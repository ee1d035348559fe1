//! A pack before compression: a header of lengths, then documents in canonical bytes.
//!
//! Obeys `format-spec/bundle-v1.md`, "packs". Knows where documents stand, never what they say.

use std::ops::Range;
use std::rc::Rc;

use super::wire::{Wire, WireError, put_uint};

/// Collects documents for one pack.
#[derive(Default)]
pub(super) struct PackBuilder {
    numbers: Vec<(u64, usize)>,
    documents: Vec<u8>,
}

impl PackBuilder {
    /// Appends a document; returns its slot.
    pub(super) fn push(&mut self, number: u64, canonical: &[u8]) -> u64 {
        self.numbers.push((number, canonical.len()));
        self.documents.extend_from_slice(canonical);
        self.numbers.len() as u64 - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn documents(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// Bytes of the documents so far.
    pub(super) fn bytes(&self) -> usize {
        self.documents.len()
    }

    /// Writes the pack and starts the next.
    pub(super) fn finish(&mut self, raw: &mut Vec<u8>) {
        raw.clear();
        put_uint(raw, self.numbers.len() as u64);
        for (number, _) in &self.numbers {
            put_uint(raw, *number);
        }
        for (_, len) in &self.numbers {
            put_uint(raw, *len as u64);
        }
        raw.append(&mut self.documents);
        self.numbers.clear();
        // One huge document should not be paid for until the end.
        self.documents.shrink_to(1 << 20);
    }
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
