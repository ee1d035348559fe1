//! Makes a bundle: takes documents in any order, and leaves a whole file or none.
//!
//! Obeys `format-spec/bundle-v1.md`, "writing". Memory does not grow with the number of documents. Nothing
//! stands at the output's name before the file is complete, synced and sealed; a writer dropped unfinished
//! leaves nothing behind. The plaintext of a secret is never written anywhere.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::crypto::{DataKey, Envelope, SecretBytes};
use crate::document::{ContentId, Document, Key, KindName, Value, canonical};
use crate::progress::Progress;

use super::assemble::{self, Totals};
use super::limits::{SHORT_TEXT_BYTES, most_key_bytes};
use super::roots::{RootError, file_root};
use super::schema::SEAL_OFFSET;
use super::spool::{Spool, Spooled};
use super::{
    Bundle, BundleError, ContentRoot, Coverage, FileRoot, Header, KindInfo, Limits, Notice, OtherRoot, Reason,
};
use super::{chunk, order};

/// How hard zstd works unless told otherwise.
///
/// Measured: level 9 saves 2 % of the packs and takes a sixth longer; levels from 10 on take many times as long.
pub const DEFAULT_LEVEL: i32 = 6;

/// Who can read the secrets of a new bundle.
#[derive(Debug, Default)]
pub enum Protection {
    /// Nobody: the bundle carries no secret's value.
    #[default]
    None,
    /// Whoever knows a password of the envelope.
    Password {
        /// The envelope, new or an earlier bundle's.
        envelope: Envelope,
        /// Its key.
        key: DataKey,
    },
    /// Whoever knows a password of the envelope, whose key is not at hand: values are taken over as they are
    /// sealed ([`Writer::add_sealed`]), and none can be sealed anew. An earlier bundle is ignored.
    Carried(Envelope),
}

impl Protection {
    pub(super) fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::None => None,
            Self::Password { envelope, .. } | Self::Carried(envelope) => Some(envelope),
        }
    }
}

/// How a bundle is made.
#[derive(Debug)]
pub struct WriterOptions {
    /// Replace an existing output.
    pub force: bool,
    /// How hard zstd works, 1 to 19.
    pub level: i32,
    /// When the bundle is made, as text, if the bundle is to say so. Without it equal content gives equal bytes.
    pub created: Option<String>,
    /// Who can read the secrets.
    pub protection: Protection,
    /// An earlier bundle of the same envelope: secrets that did not change keep their sealed bytes. With
    /// another envelope it is ignored.
    pub previous: Option<Previous>,
    /// The content root that the documents must have; with another, no bundle is written.
    pub expected_root: Option<[u8; 32]>,
}

/// An earlier bundle, opened.
#[derive(Debug)]
pub struct Previous {
    /// The bundle.
    pub bundle: Bundle,
    /// The key of its envelope.
    pub key: DataKey,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            force: false,
            level: DEFAULT_LEVEL,
            created: None,
            protection: Protection::None,
            previous: None,
            expected_root: None,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The identity of the documents.
    pub content_root: ContentRoot,
    /// The identity of the file.
    pub file_root: FileRoot,
    /// How many documents there are.
    pub documents: u64,
    /// How many secret places they have.
    pub secrets: u64,
    /// How many of these places have a value.
    pub sealed: u64,
    /// How many sealed values were taken over from the earlier bundle.
    pub carried_over: u64,
    /// Bytes of the documents in canonical form.
    pub raw_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// The kinds, by name.
    pub kinds: Vec<KindInfo>,
}

/// A bundle in the making.
pub struct Writer {
    pub(super) out: PathBuf,
    header: Header,
    pub(super) options: WriterOptions,
    spool: Spool,
    notices: u64,
    notice_bytes: usize,
    coverage: usize,
    /// The kinds whose rows are counted.
    counted: HashSet<String>,
    canonical: Vec<u8>,
    similarity: Vec<u8>,
    /// Bytes of all keys together.
    key_bytes: u64,
}

/// A sealed value with its position among the secrets of its document, and its place.
pub(super) type SealedAt = (usize, String, Vec<u8>);

/// The first part of the associated data of every sealed value; part of the format.
pub(super) const SEALED_PLACE: &[u8] = b"bundle 1";

impl Writer {
    /// Starts a bundle.
    ///
    /// # Errors
    /// [`BundleError::Exists`] for an output that is there, unless forced; [`BundleError::NoFolder`] for one
    /// whose folder is not; and what the system refuses.
    pub fn create(out: &Path, header: Header, options: WriterOptions) -> Result<Self, BundleError> {
        let folder = folder_of(out);
        if !folder.is_dir() {
            return Err(BundleError::NoFolder { path: folder });
        }
        if !options.force && out.symlink_metadata().is_ok() {
            return Err(BundleError::Exists { path: out.to_owned() });
        }
        let other_key = matches!(&options.protection, Protection::Password { envelope, key } if !key.belongs_to(envelope));
        if other_key || options.protection.envelope().is_some_and(|envelope| envelope.check().is_err()) {
            let what = "the key is not the envelope's, or the envelope is malformed";
            return Err(BundleError::damaged(out, "envelope", what));
        }
        let limit = super::limits::META_BYTES;
        for text in header.texts().chain(&options.created) {
            check_limit(out, "a text of the header", text.len(), limit as u64)?;
        }
        let spool = Spool::create(&folder)?;
        Ok(Self {
            out: out.to_owned(),
            header,
            options,
            spool,
            notices: 0,
            notice_bytes: 0,
            coverage: 0,
            counted: HashSet::new(),
            canonical: Vec::new(),
            similarity: Vec::new(),
            key_bytes: 0,
        })
    }

    /// Adds a document, with its key as the server compares it ([`Key::folded`]), its id on the source, why it
    /// is here, and the values of its secrets in the order of [`Document::secret_places`]; `None` for a value
    /// that does not travel.
    ///
    /// # Errors
    /// [`BundleError::Document`], [`BundleError::TooLarge`] and [`BundleError::Limit`] for a document that a
    /// reader would refuse; [`BundleError::Unprotected`] for a secret without a password. Nothing is added
    /// then. That two keys are the same when folded shows in [`Writer::finish`].
    pub fn add(
        &mut self,
        document: &Document,
        folded: &str,
        id: &Value,
        reason: &Reason,
        secrets: &[Option<SecretBytes>],
    ) -> Result<(), BundleError> {
        self.put(document, folded, id, reason, secrets.len(), |writer, key| {
            writer.seal(document, key, secrets)
        })
    }

    pub(super) fn put(
        &mut self,
        document: &Document,
        folded: &str,
        id: &Value,
        reason: &Reason,
        secrets: usize,
        seal: impl FnOnce(&Self, &str) -> Result<Vec<SealedAt>, BundleError>,
    ) -> Result<(), BundleError> {
        const LIMITS: Limits = Limits::FORMAT_1;
        let key = document.key.to_text();
        let kind = document.kind.as_str();
        let refuse =
            |what: String| BundleError::Document { kind: document.kind.clone(), key: key.clone(), what };
        check_kind(&document.kind).map_err(|what| refuse(what.to_owned()))?;
        check_limit(&self.out, "a key", key.len(), LIMITS.key_bytes)?;
        self.key_bytes += key.len() as u64;
        if !survives(&document.key, &key) {
            return Err(refuse("the key does not survive being written".to_owned()));
        }
        let survey = Survey::of(document);
        if survey.depth > crate::document::MAX_DEPTH {
            return Err(refuse("it nests too deep".to_owned()));
        }
        if survey.values > crate::document::MAX_VALUES {
            return Err(refuse(format!(
                "it has {} values, and {} are the most",
                survey.values,
                crate::document::MAX_VALUES
            )));
        }
        if survey.secrets != secrets {
            let what = format!("it has {} secret places, but {secrets} values were given", survey.secrets);
            return Err(refuse(what));
        }
        check_limit(&self.out, "the secrets of a document", secrets, LIMITS.document_secrets)?;
        let (tag, id) = chunk::id_bytes(id).ok_or_else(|| refuse("its id is no id".to_owned()))?;
        if let Reason::NeededBy { kind, key, place } | Reason::BelongsTo { kind, key, place } = reason {
            let text = key.to_text();
            if check_kind(kind).is_err()
                || place.len() > SHORT_TEXT_BYTES
                || text.len() as u64 > LIMITS.key_bytes
                || !survives(key, &text)
            {
                return Err(refuse("the reason it is here cannot be written".to_owned()));
            }
        }
        let reason = chunk::reason_bytes(reason);
        let sealed = seal(self, &key)?;
        let together: usize = sealed.iter().map(|(_, _, value)| value.len()).sum();
        check_limit(&self.out, "the secrets of a document", together, LIMITS.document_sealed_bytes)?;

        self.canonical.clear();
        canonical::encode_into(document, &mut self.canonical).map_err(|source| BundleError::TooLarge {
            kind: document.kind.clone(),
            key: key.clone(),
            source,
        })?;
        check_limit(&self.out, "a document", self.canonical.len(), LIMITS.document_bytes)?;
        order::similarity(&self.canonical, &mut self.similarity);
        let entry = self.spool.add(
            &self.canonical,
            &Spooled {
                kind,
                key: &key,
                similarity: &self.similarity,
                content_id: ContentId::of(&self.canonical).0,
                tag,
                id: &id,
                reason: &reason,
                secrets,
                fold: &fold(kind, folded),
            },
        )?;
        for (n, place, value) in &sealed {
            self.spool.add_sealed(entry, *n, place, value)?;
        }
        self.canonical.shrink_to(1 << 20);
        Ok(())
    }

    fn seal(
        &self,
        document: &Document,
        key_text: &str,
        secrets: &[Option<SecretBytes>],
    ) -> Result<Vec<SealedAt>, BundleError> {
        if secrets.iter().all(Option::is_none) {
            return Ok(Vec::new());
        }
        let Protection::Password { key, .. } = &self.options.protection else {
            return Err(BundleError::Unprotected { kind: document.kind.clone(), key: key_text.to_owned() });
        };
        let mut sealed = Vec::new();
        for (n, (place, secret)) in document.secret_places().iter().zip(secrets).enumerate() {
            let Some(secret) = secret else { continue };
            check_limit(&self.out, "a secret", secret.len(), Limits::FORMAT_1.secret_bytes)?;
            let place = place.to_string();
            let value = key.seal(secret, &sealed_place(document.kind.as_str(), key_text, &place)).map_err(
                |source| BundleError::Seal {
                    kind: document.kind.clone(),
                    key: key_text.to_owned(),
                    place: place.clone(),
                    source,
                },
            )?;
            sealed.push((n, place, value));
        }
        Ok(sealed)
    }

    /// Adds something the export has to say. Notices are kept sorted, equal ones once.
    ///
    /// # Errors
    /// [`BundleError::Limit`], and what the system refuses.
    pub fn notice(&mut self, notice: Notice) -> Result<(), BundleError> {
        self.notices += 1;
        check_limit(&self.out, "the notices", self.notices as usize, Limits::FORMAT_1.notices)?;
        for part in notice.texts().into_iter().flatten() {
            check_limit(&self.out, "a notice", part.len(), SHORT_TEXT_BYTES as u64)?;
        }
        self.notice_bytes += notice.bytes();
        check_limit(&self.out, "the notices", self.notice_bytes, Limits::FORMAT_1.notice_bytes)?;
        self.spool.add_notice(&notice)
    }

    /// Says what the bundle carries of a kind; in any order, and of each kind one number of rows at the most.
    ///
    /// # Errors
    /// [`BundleError::Limit`], [`BundleError::Damaged`] for a statement that a reader would refuse, and what the system
    /// refuses.
    pub fn coverage(&mut self, coverage: &Coverage) -> Result<(), BundleError> {
        self.coverage += 1;
        check_limit(&self.out, "what is carried of the kinds", self.coverage, Limits::FORMAT_1.coverage)?;
        let (extent, rows, owner) = coverage.parts();
        let owner = owner.map(|(kind, key)| (kind.to_owned(), key.to_owned())).unzip();
        check_limit(&self.out, "a key", owner.1.as_ref().map_or(0, String::len), Limits::FORMAT_1.key_bytes)?;
        let read = Coverage::of(coverage.kind.clone(), extent, rows, owner);
        if read.is_none() || (rows.is_some() && !self.counted.insert(coverage.kind.clone())) {
            let what = format!("{:?} has no usable name, or is counted twice", coverage.kind);
            return Err(BundleError::damaged(&self.out, "coverage", what));
        }
        self.spool.add_coverage(coverage)
    }

    /// Names that several of the documents added so far have, as the server compares names: the first hundred,
    /// as kind and text of one of the keys, and how many there are. [`Writer::finish`] refuses them.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn twins(&self) -> Result<(Vec<(KindName, String)>, u64), BundleError> {
        self.spool.twins()
    }

    /// Puts everything in order, and the finished file in its place. Where the system does not confirm that it stays
    /// there after a loss of power, it is there anyway, and the listener gets a notice.
    ///
    /// # Errors
    /// [`BundleError::DuplicateKey`] for two documents of one name, [`BundleError::OtherRoot`] for other documents
    /// than were expected, [`BundleError::Exists`] when the output
    /// appeared meanwhile, [`BundleError::DiskFull`], and what the system refuses. Nothing is left then.
    pub fn finish(self, progress: &dyn Progress) -> Result<Summary, BundleError> {
        let out = self.out.clone();
        let summary = self.place(progress)?;
        if let Err(error) = sync_folder(&out) {
            progress.notice(format!(
                "{} is written, but it may not outlast a loss of power: {error}",
                out.display()
            ));
        }
        Ok(summary)
    }

    /// Does what [`finish`](Self::finish) does for a file that something else relies on.
    ///
    /// # Errors
    /// The same, and where the system does not confirm that the file lasts: it is in its place then.
    pub(crate) fn finish_durably(self, progress: &dyn Progress) -> Result<Summary, BundleError> {
        let out = self.out.clone();
        let summary = self.place(progress)?;
        sync_folder(&out)?;
        Ok(summary)
    }

    fn place(mut self, progress: &dyn Progress) -> Result<Summary, BundleError> {
        self.spool.flush()?;
        let path = self.spool.path("bundle");
        let totals = assemble::assemble(&path, &mut self.spool, &self.header, &mut self.options, progress)?;
        if let Some(expected) = self.options.expected_root.filter(|root| *root != totals.content_root.0) {
            let (path, content_root) = (self.out, totals.content_root);
            return Err(OtherRoot { path, expected, content_root, file_root: None }.into());
        }
        // The earlier bundle may be the file about to be replaced.
        self.options.previous = None;
        let (file_root, file_bytes) = seal_file(&path, progress)?;
        let key_bytes = usize::try_from(self.key_bytes).unwrap_or(usize::MAX);
        check_limit(&self.out, "the keys together", key_bytes, most_key_bytes(file_bytes))?;
        let temporary = tempfile::TempPath::try_from_path(&path).map_err(BundleError::io(&path, "keep"))?;
        progress.take_effect()?;
        let persisted = if self.options.force {
            temporary.persist(&self.out)
        } else {
            temporary.persist_noclobber(&self.out)
        };
        persisted.map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => BundleError::Exists { path: self.out.clone() },
            _ => BundleError::io(&self.out, "put the finished bundle here")(error.error),
        })?;
        let Totals { content_root, documents, secrets, sealed, carried_over, raw_bytes, kinds, .. } = totals;
        Ok(Summary {
            content_root,
            file_root,
            documents,
            secrets,
            sealed,
            carried_over,
            raw_bytes,
            file_bytes,
            kinds,
        })
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("out", &self.out).finish_non_exhaustive()
    }
}

/// What two documents share when the server would take their names for one: half a hash of kind and key.
fn fold(kind: &str, folded: &str) -> [u8; 16] {
    let hash = super::roots::stored_hash(&[kind.as_bytes(), folded.as_bytes()]);
    hash.first_chunk().copied().unwrap_or_default()
}

/// The parts that name the place of a sealed value: what its associated data say beside the envelope.
pub fn sealed_place<'a>(kind: &'a str, key: &'a str, place: &'a str) -> [&'a [u8]; 4] {
    [SEALED_PLACE, kind.as_bytes(), key.as_bytes(), place.as_bytes()]
}

/// What a document has, found without spelling out its places.
pub(super) struct Survey {
    pub(super) secrets: usize,
    depth: usize,
    values: usize,
}

impl Survey {
    pub(super) fn of(document: &Document) -> Self {
        let mut survey = Self { secrets: 0, depth: 0, values: 0 };
        document.columns.iter().map(|(_, value)| value).chain(&document.body).for_each(|v| survey.see(v, 0));
        survey
    }

    fn see(&mut self, value: &Value, depth: usize) {
        self.depth = self.depth.max(depth);
        self.values += 1;
        // Deeper is refused anyway, and must not exhaust the stack before that.
        if depth > crate::document::MAX_DEPTH {
            return;
        }
        match value {
            Value::Secret(_) => self.secrets += 1,
            Value::List(list) => list.iter().for_each(|value| self.see(value, depth + 1)),
            Value::Map(map) => map.iter().for_each(|(_, value)| self.see(value, depth + 1)),
            Value::Ref(reference) => reference.key.parts().iter().for_each(|v| self.see_key(v, depth + 1)),
            Value::Dangling(dangling) => self.see_key(&dangling.id, depth + 1),
            _ => {}
        }
    }

    /// Keys nest, but what stands in them is no place of the document.
    fn see_key(&mut self, value: &Value, depth: usize) {
        let secrets = self.secrets;
        self.see(value, depth);
        self.secrets = secrets;
    }
}

/// Says whether a key can be read back from its text. What cannot must not be written.
fn survives(key: &Key, text: &str) -> bool {
    /// Whether it does for certain: nothing in it is spelled as it comes but names of kinds, and those are plain.
    fn plain(key: &Key, depth: usize) -> bool {
        depth < 16
            && key.parts().iter().all(|part| match part {
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) => true,
                Value::Ref(reference) => {
                    let kind = reference.kind.as_str().as_bytes();
                    !kind.is_empty()
                        && kind.iter().all(u8::is_ascii_alphanumeric)
                        && plain(&reference.key, depth + 1)
                }
                _ => false,
            })
    }
    plain(key, 0) || Key::parse(text).ok().as_ref() == Some(key)
}

pub(super) fn check_kind(kind: &KindName) -> Result<(), &'static str> {
    let name = kind.as_str();
    if name.is_empty() || name.len() > super::limits::KIND_NAME_BYTES {
        return Err("its kind has no usable name");
    }
    if name.chars().any(char::is_control) {
        return Err("its kind has control characters in its name");
    }
    Ok(())
}

pub(super) fn check_limit(path: &Path, place: &str, found: usize, limit: u64) -> Result<(), BundleError> {
    let found = found as u64;
    if found <= limit {
        return Ok(());
    }
    Err(BundleError::Limit { path: path.to_owned(), place: place.to_owned(), found, limit })
}

fn folder_of(out: &Path) -> PathBuf {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Computes the file root, writes it into the file, and brings all of it to the disk.
fn seal_file(path: &Path, progress: &dyn Progress) -> Result<(FileRoot, u64), BundleError> {
    let mut file =
        File::options().read(true).write(true).open(path).map_err(BundleError::io(path, "open"))?;
    let len = file.metadata().map_err(BundleError::io(path, "look at"))?.len();
    let root = file_root(&file, len, progress).map_err(|error| match error {
        RootError::Io(error) => BundleError::io(path, "read")(error),
        RootError::Cancelled(cancelled) => cancelled.into(),
    })?;
    file.seek(SeekFrom::Start(SEAL_OFFSET))
        .and_then(|_| file.write_all(&root.0))
        .and_then(|()| file.sync_all())
        .map_err(BundleError::io(path, "write"))?;
    Ok((root, len))
}

/// Makes the new name itself durable. Where folders cannot be opened there is nothing to sync.
fn sync_folder(out: &Path) -> Result<(), BundleError> {
    let folder = folder_of(out);
    match File::open(&folder) {
        Ok(handle) if cfg!(unix) => handle.sync_all().map_err(BundleError::io(&folder, "sync")),
        _ => Ok(()),
    }
}
