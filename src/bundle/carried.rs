//! Sealed values that go from one bundle to another as they are, by somebody who has no password.
//!
//! Obeys `format-spec/bundle-v1.md`, "sealed". A value is bound to its envelope, kind, key and place, so it may
//! only go to the same place under the same envelope; elsewhere it opens for nobody. Opens nothing.

use crate::document::{Document, Value};

use super::limits::SEAL_OVERHEAD;
use super::writer::{SealedAt, check_limit};
use super::{Bundle, BundleError, Entry, Limits, Reason, Writer};

impl Writer {
    /// Adds a document as [`Writer::add`] does, with secrets that are sealed already: under the envelope of
    /// this bundle, for this kind, key and place, in the order of [`Document::secret_places`]. That they are is
    /// for the caller to know.
    ///
    /// # Errors
    /// As for [`Writer::add`]; [`BundleError::Unprotected`] for a value in a bundle without envelope,
    /// [`BundleError::Document`] for one too short to be sealed, [`BundleError::Limit`] for one too long.
    pub fn add_sealed(
        &mut self,
        document: &Document,
        folded: &str,
        id: &Value,
        reason: &Reason,
        sealed: &[Option<Vec<u8>>],
    ) -> Result<(), BundleError> {
        self.put(document, folded, id, reason, sealed.len(), |writer, key| {
            writer.carry(document, key, sealed)
        })
    }

    fn carry(
        &self,
        document: &Document,
        key_text: &str,
        values: &[Option<Vec<u8>>],
    ) -> Result<Vec<SealedAt>, BundleError> {
        if values.iter().all(Option::is_none) {
            return Ok(Vec::new());
        }
        if self.options.protection.envelope().is_none() {
            return Err(BundleError::Unprotected { kind: document.kind.clone(), key: key_text.to_owned() });
        }
        let mut sealed = Vec::new();
        for (n, (place, value)) in document.secret_places().iter().zip(values).enumerate() {
            let Some(value) = value else { continue };
            if (value.len() as u64) < SEAL_OVERHEAD {
                return Err(BundleError::Document {
                    kind: document.kind.clone(),
                    key: key_text.to_owned(),
                    what: format!("what is given as the sealed value of {place} is too short for one"),
                });
            }
            let most = Limits::FORMAT_1.secret_bytes + SEAL_OVERHEAD;
            check_limit(&self.out, "a sealed value", value.len(), most)?;
            sealed.push((n, place.to_string(), value.clone()));
        }
        Ok(sealed)
    }
}

impl Bundle {
    /// The sealed values of a document as they are, in the order of [`Document::secret_places`]; `None` where
    /// the bundle carries no value.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] for a value at no place, [`BundleError::Limit`] for one too long, and what the
    /// system refuses.
    pub fn sealed(&self, entry: &Entry) -> Result<Vec<Option<Vec<u8>>>, BundleError> {
        let mut values = vec![None; entry.secrets as usize];
        for (n, value) in self.store().sealed(entry.number, entry.secrets)? {
            if let Some(slot) = values.get_mut(n as usize) {
                *slot = Some(value);
            }
        }
        Ok(values)
    }
}
