//! Says of each document of a damaged file whether it is whole, and hands out those that are.
//!
//! Obeys `format-spec/bundle-v1.md`, "salvage". The hash of a pack vouches for what its documents say, the
//! content root for what they are called; what nothing vouches for is *uncertain*, never whole. Memory and time
//! follow the size of the file, whatever the file says of itself. Writes nothing.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::crypto::DataKey;
use crate::document::{ContentId, Document, Key, KindName, Value, canonical};
use crate::progress::Progress;

use super::bits::Bits;
use super::chunk::Chunk;
use super::limits::{CHUNK_DOCUMENTS, SEAL_OVERHEAD};
use super::pack::{Pack, Window};
use super::remains::{DOCUMENT_BYTES, Remains, lost};
use super::roots::ContentHasher;
use super::writer::{Survey, sealed_place};
use super::{BundleError, Condition, KindState, Lost, MOST_LOST, Reason, State, Survivor};

/// Chunks whose content ids are computed anew from the packs: 32 MiB of them.
const MOST_RECOVERED: usize = 1024;

impl Remains {
    /// Looks at every document, and hands out each that is whole or uncertain, in no order. With the key of the
    /// envelope each sealed value is opened, and left out where it does not.
    ///
    /// # Errors
    /// The first error that `see` comes upon, [`BundleError::Cancelled`], and what the system refuses; damage
    /// is no error here.
    pub fn survey<E: From<BundleError>>(
        &self,
        key: Option<&DataKey>,
        progress: &dyn Progress,
        see: &mut dyn FnMut(Survivor) -> Result<(), E>,
    ) -> Result<State, E> {
        let looked_at = self.documents.min(self.file_bytes / DOCUMENT_BYTES);
        let mut look = Look {
            remains: self,
            key,
            progress,
            looked_at,
            missing: Vec::new(),
            recovered: BTreeMap::new(),
            last_chunk: None,
            budget: 0,
            named: Bits::new(looked_at),
            placed: Bits::new(looked_at),
            whole: Bits::new(looked_at),
            unopened: Bits::new(looked_at),
            state: State { documents: self.documents, ..State::default() },
        };
        let kinds = self.kinds.iter().map(|kind| kind.as_ref().map(|kind| kind.name.clone())).chain([None]);
        look.state.kinds = kinds.map(|kind| KindState { kind, whole: 0, uncertain: 0, damaged: 0 }).collect();
        look.chunks()?;
        look.recover()?;
        look.names()?;
        look.documents(see)?;
        Ok(look.settle()?)
    }

    /// The kind in whose run a number lies.
    fn kind_by_run(&self, number: u64) -> Option<usize> {
        self.kinds.iter().position(|kind| {
            kind.as_ref().is_some_and(|kind| {
                number.checked_sub(kind.first_document).is_some_and(|offset| offset < kind.documents)
            })
        })
    }
}

/// The position of a document's kind, and the text of its key.
type Called = (usize, String);
/// Sealed values by the position of their place.
type Values = Vec<Option<Vec<u8>>>;

struct Look<'a> {
    remains: &'a Remains,
    key: Option<&'a DataKey>,
    progress: &'a dyn Progress,
    /// How many documents the file can hold at all.
    looked_at: u64,
    /// Chunks that cannot be read, in order.
    missing: Vec<u64>,
    /// Content ids of the documents of such chunks, by chunk, as the packs have them.
    recovered: BTreeMap<u64, Vec<Option<ContentId>>>,
    last_chunk: Option<(u64, Rc<Chunk>)>,
    /// Bytes that may still be read of the file: trees that are damaged may lead to the same pages again and again.
    budget: u64,
    /// Documents whose key can be read and stands where it should.
    named: Bits,
    /// Documents that a readable pack holds as the index says.
    placed: Bits,
    whole: Bits,
    /// Documents with a sealed value that does not open or cannot be read.
    unopened: Bits,
    state: State,
}

fn position(number: u64) -> usize {
    usize::try_from((number - 1) % CHUNK_DOCUMENTS).unwrap_or(usize::MAX)
}

impl Look<'_> {
    fn spend(&mut self, bytes: u64) -> bool {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    /// Which chunks can be read.
    fn chunks(&mut self) -> Result<(), BundleError> {
        self.budget = self.remains.file_bytes;
        for number in 1..=self.looked_at.div_ceil(CHUNK_DOCUMENTS) {
            self.progress.check()?;
            let store = &self.remains.store;
            let bytes = lost(store.chunk_bytes(number))?;
            let read = if bytes.is_some_and(|bytes| self.spend(bytes)) {
                store.chunk(number)
            } else {
                Err(store.damaged(format!("chunk {number}"), "it cannot be reached"))
            };
            match read {
                Err(error) if error.is_damage() => {
                    self.state.find(error);
                    self.missing.push(number);
                }
                read => drop(read?),
            }
        }
        Ok(())
    }

    /// The chunk of a document, where it can be read.
    fn chunk(&mut self, document: u64) -> Result<Option<Rc<Chunk>>, BundleError> {
        let number = (document - 1) / CHUNK_DOCUMENTS + 1;
        if self.missing.binary_search(&number).is_ok() {
            return Ok(None);
        }
        if let Some((last, chunk)) = &self.last_chunk
            && *last == number
        {
            return Ok(Some(Rc::clone(chunk)));
        }
        let chunk = lost(self.remains.store.chunk(number))?;
        self.last_chunk = chunk.as_ref().map(|chunk| (number, Rc::clone(chunk)));
        Ok(chunk)
    }

    /// A pack, where it can be read and the bytes last.
    fn pack(&mut self, number: u64) -> Result<Option<Rc<Pack>>, BundleError> {
        let store = &self.remains.store;
        let bytes = lost(store.pack_bytes(number))?;
        let read = if bytes.is_some_and(|bytes| self.spend(bytes)) {
            store.pack(number)
        } else {
            Err(store.damaged(format!("pack {number}"), "it cannot be reached"))
        };
        match read {
            Err(error) if error.is_damage() => {
                self.state.find(error);
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// The content ids that a lost chunk held, from the packs: with them the content root can still be computed.
    fn recover(&mut self) -> Result<(), BundleError> {
        if self.missing.is_empty() || self.missing.len() > MOST_RECOVERED {
            return Ok(());
        }
        self.progress.phase("reading what the index has lost", None);
        let findings = std::mem::take(&mut self.state.findings);
        self.budget = self.remains.file_bytes;
        for number in 1..=self.remains.packs {
            self.progress.check()?;
            let Some(pack) = self.pack(number)? else { continue };
            for (document, bytes) in pack.iter().filter(|(document, _)| *document > 0) {
                let chunk = (document - 1) / CHUNK_DOCUMENTS + 1;
                if self.missing.binary_search(&chunk).is_ok() {
                    let ids = self.recovered.entry(chunk);
                    let ids = ids.or_insert_with(|| vec![None; CHUNK_DOCUMENTS as usize]);
                    if let Some(id) = ids.get_mut(position(document)) {
                        id.get_or_insert_with(|| ContentId::of(bytes));
                    }
                }
            }
        }
        // They are found again when the documents are read.
        self.state.findings = findings;
        Ok(())
    }

    /// The position of a document's kind, and its key, where both can be read.
    fn name(&self, number: u64) -> Result<Option<Called>, BundleError> {
        let Some(name) = lost(self.remains.store.name(number))? else { return Ok(None) };
        let kind = usize::try_from(name.kind).ok().and_then(|kind| kind.checked_sub(1));
        let kind = kind.filter(|kind| self.remains.kinds.get(*kind).is_some_and(Option::is_some));
        Ok(kind.zip(Key::parse(&name.key).is_ok().then_some(name.key)))
    }

    fn kind(&self, position: usize) -> &str {
        self.remains.kinds.get(position).and_then(Option::as_ref).map_or("", |kind| kind.name.as_str())
    }

    /// Which names can be read, and whether the content root vouches for them.
    fn names(&mut self) -> Result<(), BundleError> {
        self.progress.phase("reading the names", Some(self.looked_at));
        let mut content = ContentHasher::new();
        let mut complete = self.looked_at == self.remains.documents;
        // The names taken last: one that is damaged may seem to belong behind all that follow it.
        let (mut before, mut last): (Option<Called>, Option<(u64, Called)>) = (None, None);
        for number in 1..=self.looked_at {
            if number % CHUNK_DOCUMENTS == 0 {
                self.progress.check()?;
                self.progress.advance(CHUNK_DOCUMENTS, 0);
            }
            let name = self.name(number)?;
            let id = match self.chunk(number)? {
                Some(chunk) => chunk.row(position(number)).map(|row| row.content_id),
                None => {
                    let ids = self.recovered.get(&((number - 1) / CHUNK_DOCUMENTS + 1));
                    ids.and_then(|ids| *ids.get(position(number))?)
                }
            };
            match (&name, id) {
                (Some((kind, key)), Some(id)) => content.push(self.kind(*kind), key, &id),
                _ => complete = false,
            }
            let Some(name) = name else { continue };
            if last.as_ref().is_none_or(|(_, last)| *last < name) {
                before = last.take().map(|(_, last)| last);
            } else if before.as_ref().is_none_or(|before| *before < name) {
                // It fits behind the one before the last: the last is the one that is out of place.
                if let Some((outlier, _)) = last {
                    self.named.clear(outlier);
                }
            } else {
                continue;
            }
            self.named.set(number);
            last = Some((number, name));
        }
        self.state.keys_proven = complete && Some(content.finish()) == self.remains.content_root;
        Ok(())
    }

    /// Every pack that can be read, and every document in it.
    fn documents<E: From<BundleError>>(
        &mut self,
        see: &mut dyn FnMut(Survivor) -> Result<(), E>,
    ) -> Result<(), E> {
        self.progress.phase("reading the documents", Some(self.looked_at));
        // Sealed values are read along with the packs; together they are no more than the file.
        self.budget = self.remains.file_bytes;
        let mut numbers = 1..=self.remains.packs;
        loop {
            let mut window = Window::default();
            let mut done = true;
            while !window.is_full()
                && let Some(number) = numbers.next()
            {
                done = false;
                self.progress.check().map_err(BundleError::from)?;
                if let Some(pack) = self.pack(number)? {
                    let looked_at = self.looked_at;
                    window.push(number, pack, |document| (1..=looked_at).contains(&document));
                }
            }
            if done {
                return Ok(());
            }
            let mut items = 0;
            for (number, pack, slot, bytes) in window.sorted() {
                items += 1;
                if let Some(survivor) = self.document(number, pack, slot, bytes)? {
                    see(survivor)?;
                }
            }
            self.progress.advance(items, 0);
        }
    }

    fn document(
        &mut self,
        number: u64,
        pack: u64,
        slot: u64,
        bytes: &[u8],
    ) -> Result<Option<Survivor>, BundleError> {
        if self.placed.get(number) {
            return Ok(None);
        }
        let chunk = self.chunk(number)?;
        let row = chunk.as_ref().and_then(|chunk| chunk.row(position(number)));
        if chunk.is_some() && row.is_none() {
            return Ok(None);
        }
        // The index may mean the same document in another pack.
        if row
            .as_ref()
            .is_some_and(|row| (row.pack, row.slot) != (pack, slot) || row.content_id != ContentId::of(bytes))
        {
            return Ok(None);
        }
        let name = if self.named.get(number) { self.name(number)? } else { None };
        let Some((kind, key_text)) = name else {
            self.placed.set(number);
            return Ok(None);
        };
        let Ok(key) = Key::parse(&key_text) else { return Ok(None) };
        let Ok(document) = canonical::decode(KindName::new(self.kind(kind)), key, bytes) else {
            return Ok(None);
        };
        let secrets = Survey::of(&document).secrets;
        if row.as_ref().is_some_and(|row| row.secrets as usize != secrets)
            || secrets as u64 > self.remains.store.limits().document_secrets
        {
            return Ok(None);
        }
        self.placed.set(number);
        let (sealed, opened) = self.sealed(number, &document, &key_text, secrets)?;
        let proven = self.state.keys_proven || opened;
        let condition = if proven { Condition::Whole } else { Condition::Uncertain };
        if proven {
            self.whole.set(number);
            if !self.unopened.get(number)
                && let Some(kind) = self.state.kind(Some(kind))
            {
                kind.whole += 1;
            }
        }
        self.state.without_index += u64::from(row.is_none());
        let (id, reason) = row.map_or((Value::Null, Reason::All), |row| (row.id.clone(), row.reason.clone()));
        Ok(Some(Survivor { document, id, reason, condition, sealed }))
    }

    /// The sealed values of a document, and whether one of them opened: only the right key text opens it.
    fn sealed(
        &mut self,
        number: u64,
        document: &Document,
        key_text: &str,
        secrets: usize,
    ) -> Result<(Values, bool), BundleError> {
        let mut sealed = vec![None; secrets];
        let mut opened = false;
        if secrets == 0 {
            return Ok((sealed, opened));
        }
        let store = &self.remains.store;
        let bytes = lost(store.sealed_bytes(number))?;
        let values = match bytes.is_some_and(|bytes| self.spend(bytes)) {
            true => lost(store.sealed_of_any_length(number, u32::try_from(secrets).unwrap_or(u32::MAX)))?,
            false => None,
        };
        let Some(values) = values else {
            self.state.values_unread += 1;
            self.unopened.set(number);
            return Ok((sealed, opened));
        };
        let places = if values.is_empty() { Vec::new() } else { document.secret_places() };
        for (n, value) in values {
            let (Some(slot), Some(place)) = (sealed.get_mut(n as usize), places.get(n as usize)) else {
                continue;
            };
            let good = match self.key {
                Some(key) => {
                    let place = place.to_string();
                    let opens =
                        key.open(&value, &sealed_place(document.kind.as_str(), key_text, &place)).is_ok();
                    opened |= opens;
                    opens
                }
                None => value.len() as u64 >= SEAL_OVERHEAD,
            };
            if good {
                *slot = Some(value);
            } else {
                self.state.values_refused += 1;
                self.unopened.set(number);
            }
        }
        Ok((sealed, opened))
    }

    /// Counts and lists what is not whole.
    fn settle(mut self) -> Result<State, BundleError> {
        for number in 1..=self.looked_at {
            let (whole, unopened) = (self.whole.get(number), self.unopened.get(number));
            if whole && !unopened {
                continue;
            }
            if number % CHUNK_DOCUMENTS == 0 {
                self.progress.check()?;
            }
            let name = self.name(number)?;
            let kind = name.as_ref().map(|(kind, _)| *kind).or_else(|| self.remains.kind_by_run(number));
            let named = self.named.get(number);
            let placed = self.placed.get(number);
            let (condition, problem) = if named && placed {
                match (whole, unopened) {
                    (true, _) => (Condition::Damaged, "a sealed value of it does not open or cannot be read"),
                    (false, true) => {
                        (Condition::Damaged, "nothing vouches for its key, and a sealed value does not open")
                    }
                    (false, false) => {
                        (Condition::Uncertain, "its content is right, but nothing vouches for its key")
                    }
                }
            } else if placed {
                (Condition::Damaged, "its content is there, but its key cannot be read or is out of order")
            } else if self.chunk(number)?.is_none() {
                (Condition::Damaged, "neither the index of it nor a pack that holds it can be read")
            } else {
                (Condition::Damaged, "no readable pack holds it as the index says")
            };
            if let Some(kind) = self.state.kind(kind) {
                match condition {
                    Condition::Uncertain => kind.uncertain += 1,
                    _ => kind.damaged += 1,
                }
            }
            if self.state.lost.len() < MOST_LOST {
                let kind = kind.map(|kind| self.kind(kind).to_owned());
                let key = name.map(|(_, key)| key);
                self.state.lost.push(Lost { number, kind, key, condition, problem });
            } else {
                self.state.lost_unlisted += 1;
            }
        }
        self.beyond();
        self.state.kinds.retain(|kind| kind.whole + kind.uncertain + kind.damaged > 0);
        Ok(self.state)
    }

    /// Documents that the file is too short to hold.
    fn beyond(&mut self) {
        let mut beyond = self.state.documents - self.looked_at;
        self.state.lost_unlisted += beyond;
        for (position, kind) in self.remains.kinds.iter().enumerate() {
            let Some(kind) = kind else { continue };
            let end = kind.first_document.saturating_add(kind.documents).min(self.state.documents + 1);
            let here = end.saturating_sub(kind.first_document.max(self.looked_at + 1)).min(beyond);
            if let Some(kind) = self.state.kind(Some(position)) {
                kind.damaged += here;
            }
            beyond -= here;
        }
        if let Some(unknown) = self.state.kind(None) {
            unknown.damaged += beyond;
        }
    }
}
