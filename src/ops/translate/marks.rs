//! Short marks of keys and ids, so that what is known of a million of them fits into little memory.
//!
//! A mark is 96 bits of SipHash under keys of this process: whoever writes a bundle or a row cannot choose two texts of
//! one mark, nor texts whose marks share their places in a table. Of a million texts two share a mark once in 10^17
//! runs.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};

use super::id::Id;

/// The mark of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark([u32; 3]);

impl Hash for Mark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, high, _] = self.0;
        state.write_u64(u64::from(low) | u64::from(high) << 32);
    }
}

/// Takes what is a hash already.
#[derive(Debug, Default, Clone, Copy)]
pub struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What is known by marks.
pub type ByMark<T> = HashMap<Mark, T, BuildHasherDefault<Taken>>;

/// Makes marks; those of two makers have nothing in common.
#[derive(Debug, Clone, Default)]
pub struct Marker {
    first: RandomState,
    second: RandomState,
}

impl Marker {
    /// The mark of a text among those of one sort, whose number is `of`.
    pub fn mark(&self, of: u32, text: &str) -> Mark {
        let (first, second) = (self.first.hash_one((of, text)), self.second.hash_one((of, text)));
        #[allow(clippy::cast_possible_truncation, reason = "it is the halves that are wanted")]
        Mark([first as u32, (first >> 32) as u32, second as u32])
    }
}

impl Marker {
    /// The mark of an id.
    pub fn id(&self, id: &Id) -> Mark {
        match id {
            Id::Text(text) => self.mark(0, text),
            Id::Int(number) => self.mark(1, &number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_marks_of_their_own() {
        let marker = Marker::default();
        let marks: std::collections::BTreeSet<Mark> =
            (0..1000).map(|number| marker.mark(0, &number.to_string())).collect();
        assert_eq!(marks.len(), 1000);
        let mark = marker.mark(1, "a");
        assert_eq!(mark, marker.clone().mark(1, "a"));
        assert_ne!(mark, marker.mark(2, "a"));
        assert_ne!(mark, Marker::default().mark(1, "a"), "the keys are this maker's own");
        assert_eq!(std::mem::size_of::<(Mark, u32)>(), 16);
    }
}
