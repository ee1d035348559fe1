//! What is known of keys by their numbers, in 8 bytes each and the bytes of their ids.

use std::collections::BTreeSet;

use crate::model::Target;

use super::id::Id;

/// What is known of a key in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The target has the document, under this id (`None` for kinds without ids).
    Found(Option<Id>),
    /// The import creates the document; its id comes when it is allocated.
    Planned,
    /// Neither the target nor the bundle has it.
    Absent,
}

/// What is known of one key.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Where its id begins, the lower 32 bits.
    at: u32,
    /// The upper ones.
    at_high: u8,
    state: State,
    /// The position of what it names.
    target: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    Absent,
    Planned,
    Found,
    FoundId,
}

/// What is known of keys, by number.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    targets: Vec<Target>,
    /// Ids one after another.
    ids: Vec<u8>,
}

impl Slots {
    /// Makes room for a key of which nothing is known, and returns its number.
    pub(super) fn add(&mut self, target: Target) -> u32 {
        // There are as many targets as kinds and parts of the model.
        let at = self.targets.iter().position(|known| *known == target).unwrap_or_else(|| {
            self.targets.push(target);
            self.targets.len() - 1
        });
        let target = u16::try_from(at).unwrap_or(u16::MAX);
        self.slots.push(Slot { at: 0, at_high: 0, state: State::Unknown, target });
        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
    }

    /// Says whether anything is known.
    pub(super) fn is_known(&self, number: u32) -> bool {
        self.slots.get(number as usize).is_some_and(|slot| slot.state != State::Unknown)
    }

    /// What is known.
    pub(super) fn get(&self, number: u32) -> Option<Known> {
        let slot = self.slots.get(number as usize)?;
        match slot.state {
            State::Unknown => None,
            State::Absent => Some(Known::Absent),
            State::Planned => Some(Known::Planned),
            State::Found => Some(Known::Found(None)),
            State::FoundId => Some(Known::Found(self.id(slot))),
        }
    }

    /// Records what is known. An id that another replaces keeps its bytes.
    pub(super) fn set(&mut self, number: u32, known: &Known) {
        if self.get(number).as_ref() == Some(known) {
            return;
        }
        let at = self.ids.len() as u64;
        let state = match known {
            Known::Absent => State::Absent,
            Known::Planned => State::Planned,
            Known::Found(None) => State::Found,
            Known::Found(Some(id)) => {
                self.push(id);
                State::FoundId
            }
        };
        if let Some(slot) = self.slots.get_mut(number as usize) {
            let [a, b, c, d, at_high, ..] = at.to_le_bytes();
            *slot = Slot { at: u32::from_le_bytes([a, b, c, d]), at_high, state, target: slot.target };
        }
    }

    /// Records that nothing is known.
    pub(super) fn forget(&mut self, number: u32) {
        if let Some(slot) = self.slots.get_mut(number as usize) {
            slot.state = State::Unknown;
        }
    }

    /// Texts begin with one more than their length, seven bits a byte, and numbers with a zero.
    fn push(&mut self, id: &Id) {
        match id {
            Id::Int(number) => {
                self.ids.push(0);
                self.ids.extend(number.to_le_bytes());
            }
            Id::Text(text) => {
                let mut length = text.len() as u64 + 1;
                while length >= 0x80 {
                    self.ids.push(length.to_le_bytes()[0] | 0x80);
                    length >>= 7;
                }
                self.ids.push(length.to_le_bytes()[0]);
                self.ids.extend(text.as_bytes());
            }
        }
    }

    fn id(&self, slot: &Slot) -> Option<Id> {
        let at = u64::from(slot.at) | u64::from(slot.at_high) << 32;
        let bytes = self.ids.get(usize::try_from(at).ok()?..)?;
        let (mut length, mut head) = (0u64, 0);
        for byte in bytes.iter().take(9) {
            length |= u64::from(byte & 0x7f) << (7 * head);
            head += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let rest = bytes.get(head..)?;
        match usize::try_from(length).ok()?.checked_sub(1) {
            None => Some(Id::Int(i64::from_le_bytes(*rest.first_chunk()?))),
            Some(length) => Some(Id::Text(String::from_utf8(rest.get(..length)?.to_vec()).ok()?)),
        }
    }

    /// The documents that are known by an id, by kind.
    pub(super) fn found(&self) -> BTreeSet<(usize, Id)> {
        let found =
            self.slots.iter().filter(|slot| slot.state == State::FoundId).filter_map(|slot| {
                match self.targets.get(usize::from(slot.target))? {
                    Target::Kind(kind) => Some((*kind, self.id(slot)?)),
                    Target::Part { .. } => None,
                }
            });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_any_length_are_kept_in_eight_bytes_and_their_own() {
        let mut slots = Slots::default();
        let ids = [
            Id::Int(i64::MIN),
            Id::Int(0),
            Id::Text(String::new()),
            Id::Text("x".repeat(126)),
            Id::Text("é".repeat(40_000)),
        ];
        let known = ids.map(|id| Known::Found(Some(id)));
        let all: Vec<Known> =
            known.into_iter().chain([Known::Found(None), Known::Planned, Known::Absent]).collect();
        for (number, known) in (0..).zip(&all) {
            assert_eq!(slots.add(Target::Kind(number as usize)), number);
            assert!(!slots.is_known(number) && slots.get(number).is_none());
            for recorded in [known, &Known::Planned, &Known::Found(Some(Id::Int(7))), &Known::Absent, known] {
                slots.set(number, recorded);
                assert!(slots.is_known(number));
                assert_eq!(slots.get(number).as_ref(), Some(recorded));
            }
        }
        for (number, known) in (0..).zip(&all) {
            assert_eq!(slots.get(number).as_ref(), Some(known));
        }
        assert_eq!(slots.found().len(), 5);
        slots.forget(0);
        assert!(!slots.is_known(0) && slots.get(0).is_none() && slots.is_known(1));
        assert_eq!(std::mem::size_of::<Slot>(), 8);
    }
}
