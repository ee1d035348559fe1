//! A bundle whose every byte has been checked: entries in order, documents by number or by name, secrets.
//!
//! Obeys `format-spec/bundle-v1.md`, "reading". Changes nothing, and holds a bounded part of the file in
//! memory. That the file is what its writer wrote does not make its writer a friend: whatever is read is still
//! held against the limits.

use std::ops::Range;
use std::path::Path;

use crate::crypto::{DataKey, Envelope, KdfLimits, OpenError, Password, SecretBytes};
use crate::document::{ContentId, Document, Key, KindName, canonical};
use crate::progress::Progress;

use super::bits::Bits;
use super::chunk::Chunk;
use super::info::{Info, KindInfo};
use super::limits::CHUNK_DOCUMENTS;
use super::pack::Window;
use super::roots::ContentHasher;
use super::store::{Name, Store};
use super::writer::sealed_place;
use super::{BundleError, Coverage, Entry, Notice};

/// A checked bundle, open for reading.
pub struct Bundle {
    store: Store,
    info: Info,
    kinds: Vec<KindName>,
    envelope: Option<Envelope>,
}

/// A sealed value of an earlier bundle, for the writer.
pub(super) struct Earlier {
    /// Its position among the secrets of its document.
    pub(super) n: u64,
    /// Its place, where the document has changed and positions may have moved.
    pub(super) place: Option<String>,
    /// Its bytes.
    pub(super) value: Vec<u8>,
}

/// Is shown the entry of a document, and what the document says as it is stored.
pub type SeeEncoded<'s, E> = dyn FnMut(Entry, &[u8]) -> Result<(), E> + 's;

impl Bundle {
    pub(super) fn new(store: Store, info: Info, envelope: Option<Envelope>) -> Result<Self, BundleError> {
        let kinds = info.kinds.iter().map(|kind| KindName::new(&kind.name)).collect();
        Ok(Self { store, info, kinds, envelope })
    }

    /// What the bundle says about itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Says whether this is the bundle's file root, or its content root. [`Info::content_root`] is what the bundle
    /// says; here it is computed from the keys and content ids, against which every document is checked when it is
    /// read.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] where the documents do not have the content root that the bundle says, what the
    /// system refuses, and [`BundleError::Cancelled`].
    pub fn has_root(&self, root: &[u8; 32], progress: &dyn Progress) -> Result<bool, BundleError> {
        if self.info.file_root.0 == *root {
            return Ok(true);
        }
        if self.info.content_root.0 != *root {
            return Ok(false);
        }
        self.check_content_root(progress).map(|()| true)
    }

    /// Computes the content root anew, and holds it against what the bundle says.
    ///
    /// # Errors
    /// As for [`Bundle::has_root`].
    pub fn check_content_root(&self, progress: &dyn Progress) -> Result<(), BundleError> {
        let mut content = ContentHasher::new();
        self.entries::<BundleError>(None, &mut |entry| {
            if entry.number % CHUNK_DOCUMENTS == 1 {
                progress.check()?;
            }
            content.push(entry.kind.as_str(), &entry.key.to_text(), &entry.content_id);
            Ok(())
        })?;
        if content.finish() == self.info.content_root {
            Ok(())
        } else {
            Err(self.store.damaged("content root", "it is not that of the documents"))
        }
    }

    /// What its passwords open, where it has any.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// What the export had to say.
    ///
    /// # Errors
    /// [`BundleError::Damaged`], [`BundleError::Limit`], and what the system refuses; so for all that reads.
    pub fn notices(&self) -> Result<Vec<Notice>, BundleError> {
        self.store.notices(self.info.notices)
    }

    /// What the bundle carries of the kinds of its source, by kind.
    ///
    /// # Errors
    /// As for [`Bundle::notices`].
    pub fn coverage(&self) -> Result<Vec<Coverage>, BundleError> {
        self.store.coverage(self.info.coverage)
    }

    /// The kind of that name, with its position.
    fn kind(&self, name: &str) -> Option<(usize, &KindInfo)> {
        let position = self.info.kinds.binary_search_by(|kind| kind.name.as_str().cmp(name)).ok()?;
        Some((position, self.info.kinds.get(position)?))
    }

    /// The numbers of the documents of a kind, or of all; none for a kind that the bundle does not have.
    fn documents(&self, kind: Option<&str>) -> Range<u64> {
        let run = |kind: &KindInfo| kind.first_document..kind.first_document + kind.documents;
        kind.map_or(1..self.info.documents + 1, |name| self.kind(name).map_or(1..1, |(_, kind)| run(kind)))
    }

    /// The numbers of the packs of a kind, or of all.
    fn packs(&self, kind: Option<&str>) -> Range<u64> {
        let run = |kind: &KindInfo| kind.first_pack..kind.first_pack + kind.packs;
        kind.map_or(1..self.info.packs + 1, |name| self.kind(name).map_or(1..1, |(_, kind)| run(kind)))
    }

    /// Hands out the entries of a kind, or of all, in the order of kind and key. A kind that the bundle does
    /// not have has no entries.
    ///
    /// # Errors
    /// The first error that reading, or `see`, comes upon.
    pub fn entries<E: From<BundleError>>(
        &self,
        kind: Option<&str>,
        see: &mut dyn FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.located(self.documents(kind), &mut |entry, _, _| see(entry))
    }

    /// Hands out the entries of a run, each with the pack and slot of its document.
    fn located<E: From<BundleError>>(
        &self,
        run: Range<u64>,
        see: &mut dyn FnMut(Entry, u64, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut number = run.start;
        while number < run.end {
            // One chunk at a time, and its names in one go.
            let chunk_number = chunk_of(number);
            let stop = (chunk_number * CHUNK_DOCUMENTS + 1).min(run.end);
            let chunk = self.store.chunk(chunk_number)?;
            self.store.names(number..stop, &mut |number, name| {
                let (entry, pack, slot) = self.entry_in(&chunk, number, name?)?;
                see(entry, pack, slot)
            })?;
            number = stop;
        }
        Ok(())
    }

    /// The entry of that number.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] also for a number that the bundle does not have.
    pub fn entry(&self, number: u64) -> Result<Entry, BundleError> {
        self.locate(number).map(|(entry, ..)| entry)
    }

    /// The entry with the pack and slot of its document.
    fn locate(&self, number: u64) -> Result<(Entry, u64, u64), BundleError> {
        if number == 0 || number > self.info.documents {
            return Err(self.store.damaged(format!("document {number}"), "there is none of this number"));
        }
        let chunk = self.store.chunk(chunk_of(number))?;
        self.entry_in(&chunk, number, self.store.name(number)?)
    }

    fn entry_in(&self, chunk: &Chunk, number: u64, name: Name) -> Result<(Entry, u64, u64), BundleError> {
        let place = || format!("document {number}");
        let Name { kind, key, .. } = name;
        let position = usize::try_from(kind).ok().and_then(|kind| kind.checked_sub(1));
        let named = position.and_then(|p| self.kinds.get(p).zip(self.info.kinds.get(p)));
        let (kind, _) = named
            .filter(|(_, info)| (info.first_document..info.first_document + info.documents).contains(&number))
            .ok_or_else(|| self.store.damaged(place(), "it is not among the documents of its kind"))?;
        let key = Key::parse(&key).map_err(|error| self.store.damaged(place(), error))?;
        let index = usize::try_from((number - 1) % CHUNK_DOCUMENTS).unwrap_or(usize::MAX);
        let row = chunk.row(index).ok_or_else(|| self.store.damaged(place(), "the index lacks it"))?;
        let entry = Entry {
            number,
            kind: kind.clone(),
            key,
            id: row.id.clone(),
            reason: row.reason.clone(),
            content_id: row.content_id,
            secrets: row.secrets,
        };
        Ok((entry, row.pack, row.slot))
    }

    /// Finds a document by its kind and its exact key.
    ///
    /// # Errors
    /// As for [`Bundle::notices`].
    pub fn find(&self, kind: &str, key: &Key) -> Result<Option<Entry>, BundleError> {
        match self.number_of(kind, &key.to_text())? {
            Some(number) => self.entry(number).map(Some),
            None => Ok(None),
        }
    }

    fn number_of(&self, kind: &str, key: &str) -> Result<Option<u64>, BundleError> {
        let Some((_, kind)) = self.kind(kind) else { return Ok(None) };
        let (mut low, mut high) = (kind.first_document, kind.first_document + kind.documents);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.store.name(middle)?.key.as_str().cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// The document of that number.
    ///
    /// # Errors
    /// As for [`Bundle::notices`].
    pub fn document(&self, number: u64) -> Result<Document, BundleError> {
        let (entry, pack, slot) = self.locate(number)?;
        let found = self.store.pack(pack)?;
        let bytes = found.get(slot).filter(|(n, _)| *n == number).map(|(_, bytes)| bytes);
        let place = || format!("document {number}");
        let bytes =
            bytes.ok_or_else(|| self.store.damaged(place(), format!("pack {pack} does not hold it")))?;
        self.decode(&entry, bytes)
    }

    /// The document of an entry, from its canonical bytes.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] where they do not have the content id of the entry, or are no document.
    pub fn decode(&self, entry: &Entry, bytes: &[u8]) -> Result<Document, BundleError> {
        let place = || format!("document {}", entry.number);
        if ContentId::of(bytes) != entry.content_id {
            return Err(self.store.damaged(place(), "its content does not have its content id"));
        }
        canonical::decode(entry.kind.clone(), entry.key.clone(), bytes)
            .map_err(|error| self.store.damaged(place(), error))
    }

    /// Hands out all documents of a kind, or of the bundle, roughly in the order in which they lie: every pack is
    /// decompressed once.
    ///
    /// # Errors
    /// The first error that reading, or `see`, comes upon.
    pub fn scan<E: From<BundleError>>(
        &self,
        kind: Option<&str>,
        see: &mut dyn FnMut(Entry, Document) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan_encoded(kind, &mut |entry, bytes| {
            let document = self.decode(&entry, bytes)?;
            see(entry, document)
        })
    }

    /// Like [`Bundle::scan`], handing out what documents say as it is stored, for [`Bundle::decode`]: not every document
    /// is needed by whoever reads its entry.
    ///
    /// # Errors
    /// The first error that reading, or `see`, comes upon.
    pub fn scan_encoded<E: From<BundleError>>(
        &self,
        kind: Option<&str>,
        see: &mut SeeEncoded<'_, E>,
    ) -> Result<(), E> {
        self.scan_packs(self.documents(kind), self.packs(kind), None, see)
    }

    /// Hands out the documents of a kind, or of the bundle, that are wanted, like [`Bundle::scan`]. First all entries
    /// are shown to `wanted`, in their order. A pack without a document that is wanted is not read, and a document that
    /// is not wanted is not decoded.
    ///
    /// A bit for each document is held in memory.
    ///
    /// # Errors
    /// The first error that reading, `wanted` or `see` comes upon.
    pub fn scan_where<E: From<BundleError>>(
        &self,
        kind: Option<&str>,
        wanted: &mut dyn FnMut(&Entry) -> Result<bool, E>,
        see: &mut dyn FnMut(Entry, Document) -> Result<(), E>,
    ) -> Result<(), E> {
        let (run, packs) = (self.documents(kind), self.packs(kind));
        let mut documents = Bits::new(self.info.documents);
        let mut full = Bits::new(self.info.packs);
        let mut count = 0;
        self.located(run.clone(), &mut |entry, pack, _| {
            if wanted(&entry)? {
                documents.set(entry.number);
                full.set(pack);
                count += 1;
            }
            Ok::<(), E>(())
        })?;
        let packs = packs.filter(|pack| full.get(*pack));
        self.scan_packs(run, packs, Some((&documents, count)), &mut |entry, bytes| {
            let document = self.decode(&entry, bytes)?;
            see(entry, document)
        })
    }

    /// Hands out documents of these packs: those of a run, or the wanted among them, of which there are so many.
    fn scan_packs<E: From<BundleError>>(
        &self,
        run: Range<u64>,
        mut packs: impl Iterator<Item = u64>,
        wanted: Option<(&Bits, u64)>,
        see: &mut SeeEncoded<'_, E>,
    ) -> Result<(), E> {
        let mut seen = 0;
        let mut next = packs.next();
        while next.is_some() {
            let mut window = Window::default();
            while let Some(number) = next.filter(|_| !window.is_full()) {
                let is_wanted = |document| wanted.is_none_or(|(wanted, _)| wanted.get(document));
                window.push(number, self.store.pack(number)?, is_wanted);
                next = packs.next();
            }
            seen += self.see_documents(&run, &mut window, see)?;
        }
        // Each was where the index says, so none was there twice.
        if seen < wanted.map_or(run.end - run.start, |(_, count)| count) {
            return Err(self.store.damaged("packs", "they lack documents that the index has").into());
        }
        Ok(())
    }

    /// Hands out the documents of a window; returns how many there are.
    fn see_documents<E: From<BundleError>>(
        &self,
        run: &Range<u64>,
        window: &mut Window,
        see: &mut SeeEncoded<'_, E>,
    ) -> Result<u64, E> {
        // Names of documents that are nearly beside each other are read in one go.
        const NEAR: u64 = 16;
        let misplaced = |document, what| self.store.damaged(format!("document {document}"), what);
        let mut documents = window.sorted().peekable();
        let mut seen = 0;
        let mut near = Vec::new();
        while let Some(first) = documents.next() {
            if !run.contains(&first.0) {
                return Err(misplaced(first.0, "it lies in a pack of another kind").into());
            }
            let mut last = first.0;
            near.clear();
            near.push(first);
            while let Some(next) = documents.next_if(|next| {
                chunk_of(next.0) == chunk_of(last) && next.0 - last <= NEAR && run.contains(&next.0)
            }) {
                last = next.0;
                near.push(next);
            }
            let chunk = self.store.chunk(chunk_of(last))?;
            let mut sought = near.iter().peekable();
            self.store.names(first.0..last + 1, &mut |number, name| {
                let Some((_, pack, slot, bytes)) = sought.next_if(|(document, ..)| *document == number)
                else {
                    return Ok(());
                };
                let (entry, home, at) = self.entry_in(&chunk, number, name?)?;
                if (home, at) != (*pack, *slot) || sought.peek().is_some_and(|(next, ..)| *next == number) {
                    return Err(misplaced(number, "it lies in two packs").into());
                }
                seen += 1;
                see(entry, bytes)
            })?;
        }
        Ok(seen)
    }

    /// Opens the envelope.
    ///
    /// # Errors
    /// [`BundleError::WrongPassword`], [`BundleError::TooExpensive`], [`BundleError::NoPassword`] for a bundle
    /// without an envelope, and [`BundleError::Damaged`] for an envelope that nobody could open.
    pub fn unlock(&self, password: &Password, limits: &KdfLimits) -> Result<DataKey, BundleError> {
        let path = self.store.path().to_owned();
        let Some(envelope) = &self.envelope else { return Err(BundleError::NoPassword { path }) };
        envelope.open(password, limits).map_err(|source| match source {
            OpenError::WrongPassword => BundleError::WrongPassword { path },
            OpenError::TooExpensive { .. } | OpenError::NoMemory { .. } => {
                BundleError::TooExpensive { path, source }
            }
            other => BundleError::damaged(&path, "slots", other.to_string()),
        })
    }

    /// Opens the secrets of a document, in the order of [`Document::secret_places`]; `None` where the bundle
    /// carries no value. Any document of the entry's content does, whatever it was read from.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] for a value that was changed or moved, and for a document with other secret
    /// places than its entry says.
    pub fn secrets(
        &self,
        entry: &Entry,
        document: &Document,
        key: &DataKey,
    ) -> Result<Vec<Option<SecretBytes>>, BundleError> {
        let place = || format!("sealed values of document {}", entry.number);
        let places = document.secret_places();
        if places.len() as u64 != u64::from(entry.secrets) {
            return Err(self.store.damaged(place(), "the document has another number of secret places"));
        }
        let mut secrets: Vec<Option<SecretBytes>> = Vec::new();
        secrets.resize_with(places.len(), || None);
        if self.envelope.is_none() {
            return Ok(secrets);
        }
        let (kind, key_text) = (entry.kind.as_str(), entry.key.to_text());
        for (n, value) in self.store.sealed(entry.number, entry.secrets)? {
            let n = n as usize;
            let (Some(slot), Some(at)) = (secrets.get_mut(n), places.get(n)) else { continue };
            let at = at.to_string();
            let secret = key
                .open(&value, &sealed_place(kind, &key_text, &at))
                .map_err(|error| self.store.damaged(secret_place(entry, &at), error))?;
            *slot = Some(secret);
        }
        Ok(secrets)
    }

    /// Opens the secrets of a document one by one: how many opened, or every one that did not, with its place.
    pub(super) fn open_each(
        &self,
        entry: &Entry,
        document: &Document,
        key: &DataKey,
    ) -> Result<Result<u64, Vec<(String, String)>>, BundleError> {
        let places = document.secret_places();
        let (kind, key_text) = (entry.kind.as_str(), entry.key.to_text());
        let mut opened = 0;
        let mut problems = Vec::new();
        for (n, value) in self.store.sealed(entry.number, entry.secrets)? {
            let Some(at) = places.get(n as usize).map(ToString::to_string) else { continue };
            match key.open(&value, &sealed_place(kind, &key_text, &at)) {
                Ok(_) => opened += 1,
                Err(error) => problems.push((secret_place(entry, &at), error.to_string())),
            }
        }
        Ok(if problems.is_empty() { Ok(opened) } else { Err(problems) })
    }

    /// The sealed values of a document that an earlier bundle had, for the writer.
    pub(super) fn earlier(
        &self,
        kind: &str,
        key: &str,
        now: &ContentId,
    ) -> Result<Vec<Earlier>, BundleError> {
        let Some(number) = self.number_of(kind, key)? else { return Ok(Vec::new()) };
        let (entry, ..) = self.locate(number)?;
        let sealed = self.store.sealed(number, entry.secrets)?;
        if sealed.is_empty() {
            return Ok(Vec::new());
        }
        // Equal content has its secrets at equal places; the document need not be unpacked.
        let places = match entry.content_id == *now {
            true => None,
            false => Some(self.document(number)?.secret_places()),
        };
        let place =
            |n: u32| places.as_ref().map(|p| p.get(n as usize).map(|p| p.to_string()).unwrap_or_default());
        Ok(sealed.into_iter().map(|(n, value)| Earlier { n: u64::from(n), place: place(n), value }).collect())
    }

    /// The same bundle, called in messages what it was made of.
    pub fn called(mut self, origin: &Path) -> Self {
        self.store.call(origin);
        self
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }
}

/// The chunk that has the document of a number, which is not 0.
fn chunk_of(document: u64) -> u64 {
    document.saturating_sub(1) / CHUNK_DOCUMENTS + 1
}

/// What the place of a secret is called: a person looks for the document by its name, on the server or in a folder.
fn secret_place(entry: &Entry, at: &str) -> String {
    format!("{} {}: {at}", entry.kind, entry.key.path())
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("path", &self.store.path()).finish_non_exhaustive()
    }
}
