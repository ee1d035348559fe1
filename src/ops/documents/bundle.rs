//! A bundle as a source of documents.

use crate::bundle::{Bundle, Entry, Notice};
use crate::crypto::DataKey;
use crate::document::{Document, Key, KindName, Value};
use crate::ops::translate::Vault;
use crate::ops::unreadable::UNREADABLE;
use crate::progress::Progress;

use super::{Documents, DocumentsError, ListedKind, weight};

/// A bundle, with the key to its secrets where that is at hand.
#[derive(Debug)]
pub struct BundleDocuments<'b> {
    bundle: &'b Bundle,
    key: Option<&'b DataKey>,
    kinds: Vec<ListedKind>,
}

impl<'b> BundleDocuments<'b> {
    /// Takes a bundle, and the key that opens its secrets.
    pub fn new(bundle: &'b Bundle, key: Option<&'b DataKey>) -> Self {
        let listed = bundle.info().kinds.iter().map(|kind| ListedKind {
            name: KindName::new(&kind.name),
            documents: Some(kind.documents),
            readable: true,
        });
        let kinds = listed.collect();
        Self { bundle, key, kinds }
    }
}

impl Documents for BundleDocuments<'_> {
    fn kinds(&self) -> &[ListedKind] {
        &self.kinds
    }

    fn opens_secrets(&self) -> bool {
        self.key.is_some()
    }

    fn entries(
        &self,
        kind: &str,
        progress: &dyn Progress,
        see: &mut dyn FnMut(Entry),
    ) -> Result<(), DocumentsError> {
        self.bundle.entries(Some(kind), &mut |entry| {
            progress.check()?;
            progress.advance(1, 0);
            see(entry);
            Ok(())
        })
    }

    fn some(
        &self,
        numbers: &[u64],
        max_bytes: usize,
        mut vault: Option<&mut Vault>,
    ) -> Result<Vec<(usize, Document)>, DocumentsError> {
        let mut documents = Vec::new();
        let mut bytes = 0;
        for (position, number) in numbers.iter().enumerate() {
            let mut document = self.bundle.document(*number)?;
            if let (Some(key), Some(vault)) = (self.key, vault.as_deref_mut()) {
                let entry = self.bundle.entry(*number)?;
                if entry.secrets > 0 {
                    let values = self.bundle.secrets(&entry, &document, key)?;
                    for (place, value) in document.secret_places().iter().zip(values) {
                        if let (Some(value), Some(marker)) = (value, document.at_mut(place)) {
                            *marker = Value::Secret(vault.keep(value));
                        }
                    }
                }
            }
            bytes += weight(&document);
            documents.push((position, document));
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(documents)
    }

    fn unreadable(&self) -> Result<Vec<Notice>, DocumentsError> {
        let mut open = Vec::new();
        for notice in self.bundle.notices()?.into_iter().filter(|notice| notice.code == UNREADABLE) {
            // Another input of a merge may have had it.
            let found = match (&notice.kind, notice.key.as_deref().map(Key::parse)) {
                (Some(kind), Some(Ok(key))) => self.bundle.find(kind, &key)?,
                _ => None,
            };
            if found.is_none() {
                open.push(notice);
            }
        }
        Ok(open)
    }
}
