//! Secrets in memory while documents are compared, merged and written: values apart from documents.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::crypto::SecretBytes;
use crate::document::SecretId;

/// Keeps secrets and numbers them: equal values have equal numbers, so documents that hold only the numbers
/// compare as if they held the values. Values are wiped when the vault is emptied or dropped.
#[derive(Debug, Default)]
pub struct Vault {
    values: Vec<SecretBytes>,
    // Keyed by a hash under a random key of this process; it tells nothing about the values.
    buckets: HashMap<u64, Vec<u32>>,
    hasher: RandomState,
}

impl Vault {
    /// An empty vault.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a value, returning its number.
    pub fn keep(&mut self, value: SecretBytes) -> SecretId {
        let bucket = self.buckets.entry(self.hasher.hash_one(value.expose())).or_default();
        let known = bucket.iter().find(|n| {
            self.values.get((**n as usize).wrapping_sub(1)).is_some_and(|known| known.same(&value))
        });
        if let Some(number) = known {
            return SecretId(*number);
        }
        self.values.push(value);
        let number = u32::try_from(self.values.len()).unwrap_or(SecretId::UNKNOWN.0);
        bucket.push(number);
        SecretId(number)
    }

    /// Returns the value of a number; `None` for [`SecretId::UNKNOWN`].
    pub fn value(&self, id: SecretId) -> Option<&SecretBytes> {
        self.values.get((id.0 as usize).checked_sub(1)?)
    }

    /// Forgets everything; numbers given out before mean nothing any more.
    pub fn clear(&mut self) {
        self.values.clear();
        self.buckets.clear();
    }
}
