//! A bundle as a source of documents.

use std::borrow::Borrow;

use crate::bundle::{Bundle, BundleError, Coverage, Entry, Header, Notice};
use crate::crypto::{DataKey, KdfLimits, Password};
use crate::document::{Document, Key, KindName};
use crate::ops::translate::Vault;
use crate::progress::Progress;

use super::{Archive, Documents, DocumentsError, ListedKind, SeeDocument, some, unreadable};

/// A bundle, with the key to its secrets where that is at hand.
#[derive(Debug)]
pub struct BundleDocuments<B: Borrow<Bundle> = Bundle> {
    bundle: B,
    key: Option<DataKey>,
    kinds: Vec<ListedKind>,
}

impl<B: Borrow<Bundle>> BundleDocuments<B> {
    /// Takes a bundle, and the key that opens its secrets.
    pub fn new(bundle: B, key: Option<DataKey>) -> Self {
        let listed = bundle.borrow().info().kinds.iter().map(|kind| ListedKind {
            name: KindName::new(&kind.name),
            documents: Some(kind.documents),
            readable: true,
        });
        let kinds = listed.collect();
        Self { bundle, key, kinds }
    }

    /// Numbers the secrets of a document by a vault, where there is a key.
    fn open(&self, entry: &Entry, document: &mut Document, vault: &mut Vault) -> Result<(), BundleError> {
        match &self.key {
            Some(key) => vault.open(self.bundle.borrow(), entry, document, key),
            None => Ok(()),
        }
    }
}

impl<B: Borrow<Bundle> + std::fmt::Debug> Documents for BundleDocuments<B> {
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
        self.bundle.borrow().entries(Some(kind), &mut |entry| {
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
        vault: Option<&mut Vault>,
    ) -> Result<Vec<(usize, Document)>, DocumentsError> {
        some(self, numbers, max_bytes, vault)
    }

    fn unreadable(&self) -> Result<Vec<Notice>, DocumentsError> {
        unreadable(self)
    }
}

impl<B: Borrow<Bundle> + std::fmt::Debug> Archive for BundleDocuments<B> {
    fn header(&self) -> &Header {
        &self.bundle.borrow().info().header
    }

    fn sealed(&self) -> u64 {
        self.bundle.borrow().info().sealed
    }

    fn unlock(&mut self, password: &Password, limits: &KdfLimits) -> Result<(), DocumentsError> {
        self.key = Some(self.bundle.borrow().unlock(password, limits)?);
        Ok(())
    }

    fn notices(&self) -> Result<Vec<Notice>, DocumentsError> {
        Ok(self.bundle.borrow().notices()?)
    }

    fn coverage(&self) -> Result<Vec<Coverage>, DocumentsError> {
        Ok(self.bundle.borrow().coverage()?)
    }

    fn find(&self, kind: &str, key: &Key) -> Result<Option<u64>, DocumentsError> {
        Ok(self.bundle.borrow().find(kind, key)?.map(|entry| entry.number))
    }

    fn document(&self, number: u64, vault: Option<&mut Vault>) -> Result<Document, DocumentsError> {
        let mut document = self.bundle.borrow().document(number)?;
        if let Some(vault) = vault {
            self.open(&self.bundle.borrow().entry(number)?, &mut document, vault)?;
        }
        Ok(document)
    }

    fn entry(&self, number: u64) -> Result<Entry, DocumentsError> {
        Ok(self.bundle.borrow().entry(number)?)
    }

    fn scan(
        &self,
        kind: &str,
        wanted: &dyn Fn(u64) -> bool,
        secrets: bool,
        see: &mut SeeDocument<'_>,
    ) -> Result<(), DocumentsError> {
        let mut vault = Vault::new();
        self.bundle.borrow().scan(Some(kind), &mut |entry, mut document| {
            if !wanted(entry.number) {
                return Ok(());
            }
            vault.clear();
            if secrets {
                self.open(&entry, &mut document, &mut vault)?;
            }
            see(entry, document, &vault)
        })
    }
}
