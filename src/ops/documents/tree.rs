//! A folder of documents as a source: its files are looked at once, and read again when their documents are asked for.

use std::path::PathBuf;

use crate::bundle::{BundleError, Coverage, Entry, Header, Notice, OtherRoot, content_root, sealed_place};
use crate::crypto::{DataKey, KdfLimits, Password, SecretBytes};
use crate::document::{ContentId, Document, Key, canonical};
use crate::model::Model;
use crate::ops::convert::{self, ConvertError, Taken, TreeRead};
use crate::ops::translate::Vault;
use crate::progress::Progress;
use crate::tree::{CHANGED, Sealed, Tree, TreeError};

use super::{Archive, Documents, DocumentsError, ListedKind, SeeDocument, some, unreadable};

/// A folder of documents with which nothing is wrong, with the key to their secrets where that is at hand.
#[derive(Debug)]
pub struct TreeDocuments<'m> {
    tree: Tree,
    model: &'m Model,
    header: Header,
    key: Option<DataKey>,
    /// In the order of kind and key, with the files.
    entries: Vec<(Entry, PathBuf)>,
    kinds: Vec<ListedKind>,
    sealed: u64,
    notices: Vec<Notice>,
    coverage: Vec<Coverage>,
}

impl<'m> TreeDocuments<'m> {
    /// Looks at every file of a folder. `key` opens secrets; it is needed only where some were moved.
    ///
    /// # Errors
    /// As for [`from_tree`](crate::ops::from_tree).
    pub fn open(
        tree: Tree,
        model: &'m Model,
        key: Option<DataKey>,
        progress: &dyn Progress,
    ) -> Result<Self, ConvertError> {
        let (mut entries, mut sealed) = (Vec::new(), 0);
        let TreeRead { notices, coverage, .. } =
            convert::read_tree(&tree, model, key.as_ref(), false, progress, &mut |taken| {
                let Taken { path, document, id, reason, sealed: values } = taken;
                let secrets = u32::try_from(values.len()).unwrap_or(u32::MAX);
                sealed += values.iter().flatten().count() as u64;
                let content_id = content_id(&document)?;
                let Document { kind, key, .. } = document;
                entries.push((Entry { number: 0, kind, key, id, reason, content_id, secrets }, path));
                Ok(())
            })?;
        entries.sort_by_cached_key(|(entry, _)| (entry.kind.clone(), entry.key.to_text()));
        let mut kinds: Vec<ListedKind> = Vec::new();
        for (number, (entry, _)) in (1..).zip(&mut entries) {
            entry.number = number;
            match kinds.last_mut().filter(|kind| kind.name == entry.kind) {
                Some(kind) => kind.documents = kind.documents.map(|documents| documents + 1),
                None => {
                    kinds.push(ListedKind { name: entry.kind.clone(), documents: Some(1), readable: true })
                }
            }
        }
        let content_root = content_root(
            entries.iter().map(|(entry, _)| (entry.kind.as_str(), entry.key.to_text(), entry.content_id)),
        );
        if let Some(expected) = tree.expected_root().filter(|expected| *expected != content_root.0) {
            let other = OtherRoot { path: tree.root().to_owned(), expected, content_root, file_root: None };
            return Err(BundleError::from(other).into());
        }
        let header = convert::header_of(tree.about());
        Ok(Self { tree, model, header, key, entries, kinds, sealed, notices, coverage })
    }

    fn at(&self, number: u64) -> Result<&(Entry, PathBuf), DocumentsError> {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let what = || format!("there is no document {number}");
        let unusable = || TreeError::Unusable { path: self.tree.root().to_owned(), what: what() };
        Ok(index.and_then(|index| self.entries.get(index)).ok_or_else(unusable)?)
    }

    fn of_kind(&self, kind: &str) -> &[(Entry, PathBuf)] {
        let first = self.entries.partition_point(|(entry, _)| entry.kind.as_str() < kind);
        let rest = self.entries.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|(entry, _)| entry.kind.as_str() == kind)).unwrap_or_default()
    }

    /// Reads a document again, which must be what it was, and opens its secrets where that is asked for.
    fn read(
        &self,
        (entry, path): &(Entry, PathBuf),
        vault: Option<&mut Vault>,
    ) -> Result<Document, DocumentsError> {
        let (mut document, sealed) = self.tree.read_again(path)?;
        if let Some(kind) = self.model.kind(document.kind.as_str()) {
            kind.sort_sets(&mut document, self.model.collation);
        }
        let same = (&document.kind, &document.key) == (&entry.kind, &entry.key);
        if !same || content_id(&document)? != entry.content_id {
            return Err(TreeError::Unusable { path: path.clone(), what: CHANGED.to_owned() }.into());
        }
        if let (Some(key), Some(vault)) = (&self.key, vault) {
            let values = self.secrets(&document, sealed, key)?;
            vault.number(&mut document, values);
        }
        Ok(document)
    }

    fn secrets(
        &self,
        document: &Document,
        sealed: Vec<Option<Sealed>>,
        key: &DataKey,
    ) -> Result<Vec<Option<SecretBytes>>, BundleError> {
        let (kind, name) = (document.kind.as_str(), document.key.to_text());
        let open = |sealed: Option<Sealed>| {
            let Some(Sealed { value, at }) = sealed else { return Ok(None) };
            let opened = key.open(&value, &sealed_place(kind, &name, &at));
            opened.map(Some).map_err(|error| {
                let place = format!("{kind} {}: {at}", document.key.path());
                BundleError::Damaged { path: self.tree.root().to_owned(), place, what: error.to_string() }
            })
        };
        sealed.into_iter().map(open).collect()
    }
}

fn content_id(document: &Document) -> Result<ContentId, BundleError> {
    let refuse =
        |source| BundleError::TooLarge { kind: document.kind.clone(), key: document.key.to_text(), source };
    let bytes = canonical::encode(document).map_err(refuse)?;
    Ok(ContentId::of(&bytes))
}

impl Documents for TreeDocuments<'_> {
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
        for (entry, _) in self.of_kind(kind) {
            progress.check()?;
            progress.advance(1, 0);
            see(entry.clone());
        }
        Ok(())
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

impl Archive for TreeDocuments<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sealed(&self) -> u64 {
        self.sealed
    }

    fn unlock(&mut self, password: &Password, limits: &KdfLimits) -> Result<(), DocumentsError> {
        self.key = Some(convert::unlock_tree(&self.tree, password, limits)?);
        Ok(())
    }

    fn notices(&self) -> Result<Vec<Notice>, DocumentsError> {
        Ok(self.notices.clone())
    }

    fn coverage(&self) -> Result<Vec<Coverage>, DocumentsError> {
        Ok(self.coverage.clone())
    }

    fn find(&self, kind: &str, key: &Key) -> Result<Option<u64>, DocumentsError> {
        let entries = self.of_kind(kind);
        let text = key.to_text();
        let found = entries.binary_search_by(|(entry, _)| entry.key.to_text().cmp(&text)).ok();
        Ok(found.and_then(|at| entries.get(at)).map(|(entry, _)| entry.number))
    }

    fn document(&self, number: u64, vault: Option<&mut Vault>) -> Result<Document, DocumentsError> {
        self.read(self.at(number)?, vault)
    }

    fn entry(&self, number: u64) -> Result<Entry, DocumentsError> {
        Ok(self.at(number)?.0.clone())
    }

    fn scan(
        &self,
        kind: &str,
        wanted: &dyn Fn(u64) -> bool,
        secrets: bool,
        see: &mut SeeDocument<'_>,
    ) -> Result<(), DocumentsError> {
        let mut vault = Vault::new();
        for found in self.of_kind(kind).iter().filter(|(entry, _)| wanted(entry.number)) {
            vault.clear();
            let document = self.read(found, secrets.then_some(&mut vault))?;
            see(found.0.clone(), document, &vault)?;
        }
        Ok(())
    }
}
