//! A damaged file, opened as far as it goes: whatever cannot be read is absent, and nothing is believed yet.
//!
//! Obeys `format-spec/bundle-v1.md`, "salvage". It is read from a private copy. Where header, length or schema are
//! damaged, the first page of the copy becomes the one every writer of ours begins a file with: it holds
//! nothing but the header and the schema, which the format fixes. The damaged file itself is never changed.
//! What the rows are worth is for `salvage.rs`.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::sync::OnceLock;

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, params};

use crate::crypto::{DataKey, Envelope, KdfLimits, OpenError, Password};
use crate::progress::Progress;

use super::copy::PrivateCopy;
use super::count::Count;
use super::limits::{CHUNK_DOCUMENTS, KIND_NAME_BYTES, META_BYTES, PAGE_BYTES};
use super::open::{check_header, check_schema, open_file};
use super::schema::SEAL_OFFSET;
use super::store::{Numbered, Store};
use super::{BundleError, ContentRoot, Header, Limits, Notice, info};

/// The bytes before the file root: the one row of `seal`, with its lengths and types.
const SEAL_ROW: [u8; 5] = [35, 1, 3, 0, 76];

/// The tables, and with them the pages that a bundle has at least: each begins on a page of its own.
const LEAST_PAGES: u64 = 12;

/// The bytes that a document takes in a file at the very least: its row of `documents` takes more.
pub(super) const DOCUMENT_BYTES: u64 = 4;

/// What is left of a bundle.
pub struct Remains {
    pub(super) store: Store,
    /// The kinds by number, from 1; those that cannot be read are `None`.
    pub(super) kinds: Vec<Option<Kind>>,
    /// How many documents there were, as far as that can be told.
    pub(super) documents: u64,
    /// The highest number a pack can have.
    pub(super) packs: u64,
    pub(super) file_bytes: u64,
    pub(super) content_root: Option<ContentRoot>,
    header: Option<Header>,
    created: Option<String>,
    envelope: Option<Envelope>,
    sealed: Option<u64>,
    notices: Option<u64>,
    /// Whether the first page was replaced.
    repaired: bool,
}

/// A row of `kinds`.
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) first_document: u64,
    pub(super) documents: u64,
}

impl Remains {
    /// Opens a file that may be damaged, cut off, or have bytes added.
    ///
    /// It is read from a copy in the system's temporary folder, where only its owner can read it, and the copy goes
    /// when this is dropped.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] for a file of which too little looks like a bundle,
    /// [`BundleError::TooNew`] and [`BundleError::Feature`] for one that this program cannot judge,
    /// [`BundleError::Limit`], [`BundleError::Cancelled`], and what the system refuses.
    pub fn open(path: &Path, limits: &Limits, progress: &dyn Progress) -> Result<Self, BundleError> {
        let (file, bytes) = open_file(path, limits)?;
        // No other file is copied to be looked at.
        may_be_ours(path, &file, bytes)?;
        progress.phase("copying the damaged bundle", None);
        Self::of(PrivateCopy::make(path, &file, bytes, progress)?, limits)
    }

    /// The same of a copy that was made before.
    pub(super) fn of(mut copy: PrivateCopy, limits: &Limits) -> Result<Self, BundleError> {
        let (path, file_bytes) = (copy.of().to_owned(), copy.bytes);
        may_be_ours(&path, &copy.file, file_bytes)?;
        let intact = check_header(&path, &copy.file, file_bytes).and_then(|()| {
            let db = copy.connect(limits)?;
            check_schema(&path, &db).map(|()| db)
        });
        let (db, repaired) = match intact {
            Ok(db) => (db, false),
            Err(BundleError::Damaged { .. } | BundleError::NotABundle { .. }) => {
                repair(&mut copy)?;
                let db = copy.connect(limits)?;
                check_schema(&path, &db)?;
                (db, true)
            }
            Err(error) => return Err(error),
        };
        copy.remove_name();
        let store = Store::new(&path, db, *limits, Some(copy))?;
        let meta = Meta(store.db());
        if let Some(feature) =
            meta.text("requires").as_deref().and_then(|r| r.split(' ').find(|f| !f.is_empty()))
        {
            return Err(BundleError::Feature { path, feature: feature.to_owned() });
        }
        let kinds = kinds(&store);
        let header =
            meta.text("model").zip(meta.digest("model_digest")).map(|(model, model_digest)| Header {
                model,
                model_digest,
                product_version: meta.text("product_version"),
                server: meta.text("server"),
                options: meta.text("options"),
            });
        let remains = Self {
            documents: documents(&store, &meta, &kinds),
            packs: packs(&store, &meta).min(file_bytes / 32),
            content_root: meta.digest("content_root").map(ContentRoot),
            header,
            created: meta.text("created"),
            envelope: envelope(&meta),
            sealed: meta.count("sealed"),
            notices: meta.count("notices"),
            kinds,
            file_bytes,
            store,
            repaired,
        };
        Ok(remains)
    }

    /// Holds keys against this content root, instead of the one that the file says.
    pub fn expect_content_root(&mut self, root: ContentRoot) {
        self.content_root = Some(root);
    }

    /// Whether the file is read with another first page.
    pub fn is_repaired(&self) -> bool {
        self.repaired
    }

    /// Where the documents come from, where that can still be read. Nothing proves it.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// When the bundle was made, where it said so.
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }

    /// The envelope, where all its parts have the right form. Whether they are the right parts shows only with
    /// a password.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// How many sealed values the bundle says it had.
    pub fn sealed(&self) -> Option<u64> {
        self.sealed
    }

    /// Opens the envelope; `None` where it is lost, or opens to another key than it commits to.
    ///
    /// # Errors
    /// [`BundleError::WrongPassword`], which may be a damaged slot, and [`BundleError::TooExpensive`].
    pub fn unlock(&self, password: &Password, limits: &KdfLimits) -> Result<Option<DataKey>, BundleError> {
        let path = self.store.path().to_owned();
        let Some(envelope) = &self.envelope else { return Ok(None) };
        match envelope.open(password, limits) {
            Ok(key) => Ok(Some(key)),
            Err(OpenError::WrongPassword) => Err(BundleError::WrongPassword { path }),
            Err(source @ (OpenError::TooExpensive { .. } | OpenError::NoMemory { .. })) => {
                Err(BundleError::TooExpensive { path, source })
            }
            Err(OpenError::Damaged | OpenError::Malformed(_)) => Ok(None),
        }
    }

    /// Hands out the notices that can be read; returns how many cannot, `None` where their number is lost.
    /// Nothing proves their text.
    ///
    /// # Errors
    /// The first error that `see` comes upon, and what the system refuses.
    pub fn notices<E: From<BundleError>>(
        &self,
        see: &mut dyn FnMut(Notice) -> Result<(), E>,
    ) -> Result<Option<u64>, E> {
        let Some(count) = self.notices else { return Ok(None) };
        // A notice takes six bytes at least, and none can be longer than the file: damaged trees may repeat.
        let looked_at = count.min(self.store.limits().notices).min(self.file_bytes / 6);
        let (mut left, mut found) = (self.file_bytes, 0);
        for number in 1..=looked_at {
            let Some(notice) = lost(self.store.notice(number))? else { continue };
            let Some(rest) = left.checked_sub(notice.bytes() as u64) else { break };
            left = rest;
            found += 1;
            see(notice)?;
        }
        Ok(Some(count - found))
    }
}

impl std::fmt::Debug for Remains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remains").field("path", &self.store.path()).finish_non_exhaustive()
    }
}

/// Damage is an absence; anything else ends the work.
pub(super) fn lost<T>(result: Result<T, BundleError>) -> Result<Option<T>, BundleError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Either the header is one that can be judged, or one of the first two pages must be recognised.
fn may_be_ours(path: &Path, file: &File, bytes: u64) -> Result<(), BundleError> {
    match check_header(path, file, bytes) {
        Err(BundleError::Damaged { .. }) if !looks_like_ours(path, file)? => {
            Err(BundleError::NotABundle { path: path.to_owned(), what: "too little of one is left" })
        }
        Err(error @ BundleError::NotABundle { .. }) if !looks_like_ours(path, file)? => Err(error),
        Ok(()) | Err(BundleError::Damaged { .. } | BundleError::NotABundle { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn looks_like_ours(path: &Path, mut file: &File) -> Result<bool, BundleError> {
    let mut pages = Vec::new();
    file.rewind()
        .and_then(|()| file.take(2 * PAGE_BYTES).read_to_end(&mut pages))
        .map_err(BundleError::io(path, "read"))?;
    if pages.len() as u64 != 2 * PAGE_BYTES {
        return Ok(false);
    }
    let header = pages.starts_with(b"SQLite format 3\0") && pages.get(68..72) == Some(b"SeaL");
    let row = usize::try_from(SEAL_OFFSET).unwrap_or_default();
    Ok(header || pages.get(row - SEAL_ROW.len()..row) == Some(&SEAL_ROW))
}

/// Gives a copy a new first page and a length of whole pages.
fn repair(copy: &mut PrivateCopy) -> Result<(), BundleError> {
    // Where whole tables are cut off, they are there and cannot be read.
    let pages = copy.bytes.div_ceil(PAGE_BYTES).max(LEAST_PAGES);
    let mut first = first_page()?;
    let count = u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes();
    first.iter_mut().skip(28).zip(count).for_each(|(to, from)| *to = from);
    // What is missing of the last page is zeros: no row of it will fit its hash.
    copy.replace_first_page(&first, pages * PAGE_BYTES)
}

/// The page that every new bundle begins with.
fn first_page() -> Result<Vec<u8>, BundleError> {
    static PAGE: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(page) = PAGE.get() {
        return Ok(page.clone());
    }
    let folder =
        crate::temporary::folder().map_err(BundleError::io(&std::env::temp_dir(), "make a folder"))?;
    let path = folder.path().join("empty");
    let making = |error| BundleError::sql(&path, "make an empty bundle")(error);
    super::spool::private_file(&path)?;
    let db = super::assemble::create(&path).map_err(making)?;
    db.execute_batch("COMMIT").map_err(making)?;
    db.close().map_err(|(_, error)| making(error))?;
    let mut page = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(PAGE_BYTES).read_to_end(&mut page))
        .map_err(BundleError::io(&path, "read"))?;
    Ok(PAGE.get_or_init(|| page).clone())
}

/// Values of `meta`, one at a time: a row that cannot be read does not hide the others.
struct Meta<'a>(&'a Connection);

impl Meta<'_> {
    fn get<T>(&self, name: &str, read: impl FnOnce(ValueRef<'_>) -> Option<T>) -> Option<T> {
        let mut select = self.0.prepare_cached("SELECT value FROM meta WHERE name = ?1").ok()?;
        let mut rows = select.query([name]).ok()?;
        read(rows.next().ok()??.get_ref(0).ok()?)
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.get(name, |value| Count::column_result(value).ok().map(|count| count.0))
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = self.get(name, |value| value.as_str().ok().map(str::to_owned));
        text.filter(|text| text.len() <= META_BYTES)
    }

    fn digest<const N: usize>(&self, name: &str) -> Option<[u8; N]> {
        self.get(name, |value| <[u8; N]>::try_from(value.as_blob().ok()?).ok())
    }
}

fn envelope(meta: &Meta<'_>) -> Option<Envelope> {
    let (scope, commitment) = meta.digest("scope").zip(meta.digest("commitment"))?;
    let slots = info::read_slots(meta.0).ok()?.ok()?;
    let envelope = Envelope { scope, slots, commitment };
    envelope.check().is_ok().then_some(envelope)
}

/// The kinds by number. Two of one name would make two documents of one key; the first has it.
fn kinds(store: &Store) -> Vec<Option<Kind>> {
    let last = store.db().query_row("SELECT max(kind) FROM kinds", [], |row| row.get::<_, Option<i64>>(0));
    let last = last.ok().flatten().and_then(|last| u64::try_from(last).ok());
    let mut kinds: Vec<Option<Kind>> = Vec::new();
    for number in 1..=last.unwrap_or(u64::MAX).min(store.limits().kinds) {
        let sql = "SELECT name, first_document, documents FROM kinds WHERE kind = ?1";
        let read = store.db().prepare_cached(sql).and_then(|mut select| {
            select.query_row(params![Count(number)], |row| {
                let count = |column| row.get::<_, Count>(column).map(|count| count.0);
                Ok(Kind { name: row.get(0)?, first_document: count(1)?, documents: count(2)? })
            })
        });
        let kind = read.ok().filter(|kind| {
            let name = &kind.name;
            let usable = !name.is_empty() && name.len() <= KIND_NAME_BYTES;
            usable && !name.chars().any(char::is_control) && !kinds.iter().flatten().any(|k| k.name == *name)
        });
        kinds.push(kind);
    }
    kinds
}

/// How many documents there were: what two tables agree on, else the most that any of them knows of.
fn documents(store: &Store, meta: &Meta<'_>, kinds: &[Option<Kind>]) -> u64 {
    let declared = meta.count("documents");
    let summed = kinds.iter().flatten().fold(0u64, |sum, kind| sum.saturating_add(kind.documents));
    let most = store.limits().documents;
    if let Some(declared) = declared.filter(|declared| *declared == summed) {
        return declared.min(most);
    }
    let last = |table| store.bounds(table).ok().and_then(|(_, last)| u64::try_from(last).ok());
    let indexed = last(Numbered::Chunks).map(|chunks| {
        let sql = "SELECT documents FROM chunks WHERE chunk = ?1";
        let in_last = store.db().query_row(sql, params![Count(chunks)], |row| row.get::<_, Count>(0));
        let in_last = in_last.map_or(0, |count| count.0.min(CHUNK_DOCUMENTS));
        chunks.saturating_sub(1).saturating_mul(CHUNK_DOCUMENTS).saturating_add(in_last)
    });
    [declared, Some(summed), last(Numbered::Documents), indexed]
        .into_iter()
        .flatten()
        .filter(|count| *count <= most)
        .max()
        .unwrap_or_default()
}

fn packs(store: &Store, meta: &Meta<'_>) -> u64 {
    let last = store.bounds(Numbered::Packs).ok().and_then(|(_, last)| u64::try_from(last).ok());
    [meta.count("packs"), last].into_iter().flatten().max().unwrap_or_default()
}
