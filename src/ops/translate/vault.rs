//! Secrets in memory while documents are compared, merged and written: values apart from documents.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::bundle::{Bundle, BundleError, Entry};
use crate::crypto::{DataKey, MasterKey, SecretBytes};
use crate::document::{Document, SecretId, Value};

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

    /// Opens the secrets of a bundle's document, and puts their numbers into its markers.
    ///
    /// # Errors
    /// What [`Bundle::secrets`] returns.
    pub fn open(
        &mut self,
        bundle: &Bundle,
        entry: &Entry,
        document: &mut Document,
        key: &DataKey,
    ) -> Result<(), BundleError> {
        if entry.secrets == 0 {
            return Ok(());
        }
        let values = bundle.secrets(entry, document, key)?;
        self.number(document, values);
        Ok(())
    }

    /// Keeps the values of a document's secrets, and puts their numbers into its markers: `None` stands for a marker
    /// without a value, which has no number.
    pub fn number(&mut self, document: &mut Document, values: Vec<Option<SecretBytes>>) {
        for (place, value) in document.secret_places().iter().zip(values) {
            if let (Some(value), Some(marker)) = (value, document.at_mut(place)) {
                *marker = Value::Secret(self.keep(value));
            }
        }
    }

    /// Returns the values of a document's secrets in the order of their places, as a bundle's writer takes them; `None`
    /// for a marker without a value.
    pub fn values_of(&self, document: &Document) -> Vec<Option<SecretBytes>> {
        let mut values = Vec::new();
        document.each(&mut |value| {
            if let Value::Secret(id) = value {
                values.push(self.value(*id).map(SecretBytes::duplicate));
            }
        });
        values
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

/// How the secrets of a server are read.
#[derive(Debug, Clone, Copy)]
pub enum ServerSecrets<'k> {
    /// Decrypted with the server's master key, where there is one.
    Read(Option<&'k MasterKey>),
    /// Not at all: documents have markers only.
    Mask,
}
