//! The door: what a file from elsewhere must be before the first of its rows is believed.
//!
//! Obeys `format-spec/bundle-v1.md`, "opening". [`UncheckedBundle`] has looked at the header, the size and the
//! neighbours; only [`UncheckedBundle::check`] makes a [`Bundle`] of it, by reading every byte into a copy of its
//! own. Nothing here decompresses or decrypts, and nothing changes the file.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use crate::crypto::Envelope;
use crate::progress::Progress;

use super::copy::PrivateCopy;
use super::count::Count;
use super::info::{self, Info, KindInfo, Meta};
use super::limits::{KIND_NAME_BYTES, PAGE_BYTES, SEAL_OVERHEAD};
use super::schema::{APPLICATION_ID, FORMAT, OBJECTS, SEAL_BYTES};
use super::store::Store;
use super::{Bundle, BundleError, ContentRoot, FileRoot, Header, Limits};

/// A file that has a bundle's form. What it says is not to be relied on yet.
pub struct UncheckedBundle {
    path: PathBuf,
    file: File,
    file_bytes: u64,
    limits: Limits,
}

/// The database of a bundle, opened: its schema is right, and its bytes may be any.
pub(super) struct OpenedFile {
    pub(super) store: Store,
    pub(super) file_bytes: u64,
    /// The file root that is stored in it.
    pub(super) file_root: FileRoot,
}

impl UncheckedBundle {
    /// Opens a file for reading, without changing it or anything beside it.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`], [`BundleError::TooNew`], [`BundleError::Damaged`],
    /// [`BundleError::Limit`], and what the system refuses.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, BundleError> {
        let (file, file_bytes) = open_file(path, limits)?;
        check_header(path, &file, file_bytes)?;
        check_neighbours(path)?;
        Ok(Self { path: path.to_owned(), file, file_bytes, limits: *limits })
    }

    /// What the bundle says about itself, read from the file as it lies there. Nothing of it is proven.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] where it contradicts itself, [`BundleError::Feature`].
    pub fn info(&self) -> Result<Info, BundleError> {
        let db = connect(&self.path, &self.path, &self.limits)?;
        let opened = OpenedFile::of(Store::new(&self.path, db, self.limits, None)?, self.file_bytes)?;
        Ok(opened.read_info()?.0)
    }

    /// Copies the file, and holds every byte of the copy against the file root; then everything in the bundle may be
    /// relied on to be what its writer wrote, whatever becomes of the file. Who the writer was is not proven.
    ///
    /// The copy takes as much room in the system's folder for temporary files as the bundle has bytes.
    ///
    /// # Errors
    /// [`BundleError::Damaged`], [`BundleError::Limit`], [`BundleError::Feature`],
    /// [`BundleError::Cancelled`], and what the system refuses.
    pub fn check(self, progress: &dyn Progress) -> Result<Bundle, BundleError> {
        progress.phase("checking the bundle", None);
        let limits = self.limits;
        let mut copy = self.copy(progress)?;
        let opened = OpenedFile::of_copy(&mut copy, &limits)?;
        opened.check_root(&copy)?;
        copy.remove_name();
        opened.store.check_structure()?;
        let (info, envelope) = opened.read_info()?;
        opened.store.check_keys(opened.file_bytes)?;
        Bundle::new(opened.store.with(copy), info, envelope)
    }

    /// Copies the file.
    pub(super) fn copy(self, progress: &dyn Progress) -> Result<PrivateCopy, BundleError> {
        PrivateCopy::make(&self.path, &self.file, self.file_bytes, progress)
    }
}

impl OpenedFile {
    /// Opens a copy.
    pub(super) fn of_copy(copy: &mut PrivateCopy, limits: &Limits) -> Result<Self, BundleError> {
        // The file may have changed since it was looked at.
        check_header(copy.of(), &copy.file, copy.bytes)?;
        let stored = copy.stored_root()?;
        let store = Store::new(copy.of(), copy.connect(limits)?, *limits, None)?;
        let opened = Self::of(store, copy.bytes)?;
        if opened.file_root != stored {
            return Err(BundleError::damaged(copy.of(), "seal", "the file root is not where it belongs"));
        }
        Ok(opened)
    }

    fn of(store: Store, file_bytes: u64) -> Result<Self, BundleError> {
        let path = store.path().to_owned();
        check_schema(&path, store.db())?;
        // One row of the right length and no other, or the bytes at the offset might be somebody else's.
        let stored: Option<[u8; SEAL_BYTES]> = store
            .db()
            .query_row("SELECT (SELECT root FROM seal WHERE id = 1), min(id), max(id) FROM seal", [], |row| {
                let single =
                    row.get::<_, Option<i64>>(1)? == Some(1) && row.get::<_, Option<i64>>(2)? == Some(1);
                Ok(if single { row.get(0)? } else { None })
            })
            .map_err(BundleError::reading(&path, "seal"))?;
        let Some(file_root) = stored.map(FileRoot) else {
            return Err(BundleError::damaged(&path, "seal", "the file root is not where it belongs"));
        };
        Ok(Self { store, file_bytes, file_root })
    }

    /// Holds the stored root against the one that the copied bytes have.
    pub(super) fn check_root(&self, copy: &PrivateCopy) -> Result<(), BundleError> {
        if copy.root == self.file_root {
            Ok(())
        } else {
            let what = "the bytes are not those that were written";
            Err(BundleError::damaged(copy.of(), "file root", what))
        }
    }

    /// Reads what the bundle says about itself, and holds its counts against each other.
    pub(super) fn read_info(&self) -> Result<(Info, Option<Envelope>), BundleError> {
        let path = self.store.path();
        let db = self.store.db();
        let meta = Meta::read(db).map_err(BundleError::reading(path, "meta"))?;
        let meta = info::at(path, "meta", meta)?;
        let requires = info::at(path, "meta", meta.text("requires"))?;
        if let Some(feature) = requires.split(' ').find(|feature| !feature.is_empty()) {
            return Err(BundleError::Feature { path: path.to_owned(), feature: feature.to_owned() });
        }
        let slots = info::read_slots(db).map_err(BundleError::reading(path, "slots"))?;
        let slots = info::at(path, "slots", slots)?;
        let mut info = info::at(path, "meta", self.info_from(&meta, slots.len()))?;
        let scope = info::at(path, "meta", meta.optional_digest("scope"))?;
        let commitment = info::at(path, "meta", meta.optional_digest("commitment"))?;
        let envelope = match (scope, commitment) {
            (Some(scope), Some(commitment)) if !slots.is_empty() => {
                let envelope = Envelope { scope, slots, commitment };
                info::at(path, "slots", envelope.check().map_err(|error| error.to_string()))?;
                Some(envelope)
            }
            (None, None) if slots.is_empty() && info.sealed == 0 => None,
            _ => return Err(BundleError::damaged(path, "slots", "parts of the envelope are missing")),
        };
        info.kinds = self.read_kinds(&info)?;
        Ok((info, envelope))
    }

    fn info_from(&self, meta: &Meta, slots: usize) -> Result<Info, String> {
        let limits = self.store.limits();
        let info = Info {
            writer: meta.text("writer")?,
            header: Header {
                model: meta.text("model")?,
                model_digest: meta.digest("model_digest")?,
                product_version: meta.optional_text("product_version")?,
                server: meta.optional_text("server")?,
                options: meta.optional_text("options")?,
            },
            created: meta.optional_text("created")?,
            content_root: ContentRoot(meta.digest("content_root")?),
            file_root: self.file_root,
            kinds: Vec::new(),
            documents: meta.count("documents")?,
            scopes: meta.count("scopes")?,
            packs: meta.count("packs")?,
            chunks: meta.count("chunks")?,
            secrets: meta.count("secrets")?,
            sealed: meta.count("sealed")?,
            slots,
            notices: meta.count("notices")?,
            coverage: meta.count("coverage")?,
            raw_bytes: meta.count("raw_bytes")?,
            file_bytes: self.file_bytes,
        };
        let too_many = |what: &str, count: u64, limit: u64| {
            if count > limit { Err(format!("{count} {what} are over the limit of {limit}")) } else { Ok(()) }
        };
        too_many("documents", info.documents, limits.documents)?;
        too_many("scopes", info.scopes, info.documents)?;
        too_many("packs", info.packs, info.documents)?;
        too_many("notices", info.notices, limits.notices)?;
        too_many("statements of coverage", info.coverage, limits.coverage)?;
        too_many("sealed values", info.sealed, info.secrets)?;
        if info.chunks != info.documents.div_ceil(super::limits::CHUNK_DOCUMENTS) {
            return Err("the number of chunks does not fit the number of documents".to_owned());
        }
        Ok(info)
    }

    fn read_kinds(&self, info: &Info) -> Result<Vec<KindInfo>, BundleError> {
        let path = self.store.path();
        let wrong = |what: &str| BundleError::damaged(path, "kinds", what);
        let reading = |error| BundleError::reading(path, "kinds")(error);
        let mut select = self
            .store
            .db()
            .prepare(
                "SELECT kind, name, documents, first_document, packs, first_pack, secrets, sealed \
                 FROM kinds ORDER BY kind",
            )
            .map_err(reading)?;
        let mut rows = select.query([]).map_err(reading)?;
        let mut kinds: Vec<KindInfo> = Vec::new();
        let (mut documents, mut packs, mut secrets, mut sealed) = (0u64, 0u64, 0u64, 0u64);
        while let Some(row) = rows.next().map_err(reading)? {
            let count = |column| row.get::<_, Count>(column).map(|c| c.0).map_err(reading);
            if kinds.len() as u64 >= self.store.limits().kinds {
                return Err(wrong("there are more kinds than the limit allows"));
            }
            let name: String = row.get(1).map_err(reading)?;
            if count(0)? != kinds.len() as u64 + 1 || kinds.last().is_some_and(|last| last.name >= name) {
                return Err(wrong("the kinds are not numbered from 1 in the order of their names"));
            }
            if name.is_empty() || name.len() > KIND_NAME_BYTES || name.chars().any(char::is_control) {
                return Err(wrong("a kind has an impossible name"));
            }
            let kind = KindInfo {
                name,
                documents: count(2)?,
                secrets: count(6)?,
                sealed: count(7)?,
                first_document: count(3)?,
                packs: count(4)?,
                first_pack: count(5)?,
            };
            if kind.documents == 0
                || kind.first_document != documents + 1
                || kind.packs == 0
                || kind.first_pack != packs + 1
                || kind.sealed > kind.secrets
            {
                return Err(wrong("the kinds' documents and packs do not follow one another"));
            }
            documents = documents.saturating_add(kind.documents);
            packs = packs.saturating_add(kind.packs);
            secrets = secrets.saturating_add(kind.secrets);
            sealed = sealed.saturating_add(kind.sealed);
            kinds.push(kind);
        }
        if (documents, packs, secrets, sealed) == (info.documents, info.packs, info.secrets, info.sealed) {
            Ok(kinds)
        } else {
            Err(wrong("the counts of the kinds are not those of the bundle"))
        }
    }
}

impl std::fmt::Debug for UncheckedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UncheckedBundle").field("path", &self.path).finish_non_exhaustive()
    }
}

pub(super) fn open_file(path: &Path, limits: &Limits) -> Result<(File, u64), BundleError> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(BundleError::io(path, "open"))?;
    if !metadata.is_file() {
        return Err(BundleError::NotABundle { path: path.to_owned(), what: "it is no regular file" });
    }
    let file = File::open(path).map_err(BundleError::io(path, "open"))?;
    let metadata = file.metadata().map_err(BundleError::io(path, "look at"))?;
    if !metadata.is_file() {
        return Err(BundleError::NotABundle { path: path.to_owned(), what: "it is no regular file" });
    }
    let len = metadata.len();
    if len > limits.file_bytes {
        let (place, limit) = ("the file".to_owned(), limits.file_bytes);
        return Err(BundleError::Limit { path: path.to_owned(), place, found: len, limit });
    }
    Ok((file, len))
}

/// How every SQLite file begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Says whether the first 72 bytes of a file, or more of them, are those of a bundle of any version.
pub fn recognise(head: &[u8]) -> bool {
    head.starts_with(MAGIC) && head.get(68..72) == Some(&APPLICATION_ID.to_be_bytes())
}

/// Reads the engine's 100-byte header by hand: whatever it says that our writer would not, is refused before
/// the engine acts on it.
pub(super) fn check_header(path: &Path, mut file: &File, len: u64) -> Result<(), BundleError> {
    let alien = |what| BundleError::NotABundle { path: path.to_owned(), what };
    if len < 100 {
        return Err(alien("it is too short"));
    }
    let mut header = [0u8; 100];
    file.rewind().and_then(|()| file.read_exact(&mut header)).map_err(BundleError::io(path, "read"))?;
    let word = |offset: usize| {
        let bytes = header.get(offset..offset + 4).and_then(|b| b.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    };
    if !header.starts_with(MAGIC) {
        return Err(alien("it is no SQLite file"));
    }
    if !recognise(&header) {
        return Err(alien("it is an SQLite file of another application"));
    }
    let format = word(60);
    if format > FORMAT {
        return Err(BundleError::TooNew { path: path.to_owned(), found: format });
    }
    // Offsets 16 to 23: page size 4096, rollback journal and no WAL, no reserved bytes, the fixed fractions.
    let fixed = header.get(16..24) == Some(&[0x10, 0, 1, 1, 0, 64, 32, 32]);
    let zero = header.get(72..92).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
    let checks = [
        (format == FORMAT, "the format's version is not 1"),
        (fixed, "the page size or the journal mode is not a bundle's"),
        (zero, "reserved bytes are not zero"),
        (
            len.is_multiple_of(PAGE_BYTES) && u64::from(word(28)) * PAGE_BYTES == len,
            "the file is cut off or has bytes added",
        ),
        (len > PAGE_BYTES, "the file is cut off"),
        (word(32) == 0 && word(36) == 0, "it has free pages"),
        (word(44) == 4, "the schema's format is not a bundle's"),
        (word(48) == 0 && word(52) == 0 && word(64) == 0, "its vacuum or cache settings are not a bundle's"),
        (word(56) == 1, "its text is not UTF-8"),
        (word(24) == word(92), "it was changed after it was finished"),
    ];
    match checks.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(BundleError::damaged(path, "header", what)),
        None => Ok(()),
    }
}

/// A journal beside the file would have the engine change what it reads.
fn check_neighbours(path: &Path) -> Result<(), BundleError> {
    for suffix in ["-wal", "-journal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let neighbour = PathBuf::from(name);
        if neighbour.symlink_metadata().is_ok() {
            let what = "it belongs to an unfinished change of the bundle";
            return Err(BundleError::damaged(&neighbour, "file beside the bundle", what));
        }
    }
    Ok(())
}

/// Opens a file, or the copy of one, as a database; `path` is what messages name.
pub(super) fn connect(path: &Path, at: &Path, limits: &Limits) -> Result<Connection, BundleError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = immutable_uri(at)?;
    let harden = |db: &Connection| -> rusqlite::Result<()> {
        for (option, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
            // Plans do not depend on what is bound: otherwise statements are prepared anew for every row asked for.
            (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        ] {
            db.set_db_config(option, on)?;
        }
        let largest = limits.pack_bytes.max(limits.secret_bytes + SEAL_OVERHEAD) + (1 << 20);
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_LENGTH, i32::try_from(largest).unwrap_or(i32::MAX)),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 4096),
            (Limit::SQLITE_LIMIT_COLUMN, 16),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 16),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 2),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 8),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 8),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            db.set_limit(limit, most)?;
        }
        db.execute_batch(
            "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON; \
             PRAGMA cache_size = -2048;",
        )
    };
    Connection::open_with_flags(uri, flags)
        .and_then(|db| harden(&db).map(|()| db))
        .map_err(BundleError::reading(path, "header"))
}

/// `immutable=1` keeps the engine from looking for, or making, files beside the bundle.
fn immutable_uri(path: &Path) -> Result<String, BundleError> {
    let absolute = std::path::absolute(path).map_err(BundleError::io(path, "find"))?;
    let mut uri = String::from("file://");
    let bytes = absolute.as_os_str().as_encoded_bytes();
    if cfg!(windows) {
        uri.push('/');
    }
    for byte in bytes {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(*byte));
            }
            b':' if cfg!(windows) => uri.push(':'),
            byte => {
                use std::fmt::Write as _;
                // Writing into text cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri.push_str("?immutable=1");
    Ok(uri)
}

/// The schema must be ours, word for word: no trigger, view, index or virtual table of anybody else's.
pub(super) fn check_schema(path: &Path, db: &Connection) -> Result<(), BundleError> {
    let reading = |error| BundleError::reading(path, "schema")(error);
    let mut select = db
        .prepare("SELECT type, name, tbl_name, sql, rootpage FROM sqlite_schema ORDER BY rowid")
        .map_err(reading)?;
    let mut rows = select.query([]).map_err(reading)?;
    let mut expected = OBJECTS.iter();
    while let Some(row) = rows.next().map_err(reading)? {
        let text =
            |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok()).unwrap_or_default();
        let Some((class, name, sql)) = expected.next() else {
            return Err(BundleError::damaged(path, "schema", "there is more in it than a bundle has"));
        };
        let root: i64 = row.get(4).map_err(reading)?;
        let rooted = match *name {
            "seal" => root == 2,
            _ => (*class == "view") == (root == 0),
        };
        if text(0) != *class || text(1) != *name || text(2) != *name || text(3) != *sql || !rooted {
            return Err(BundleError::damaged(path, "schema", format!("{name} is not a bundle's")));
        }
    }
    match expected.next() {
        Some((_, name, _)) => Err(BundleError::damaged(path, "schema", format!("{name} is missing"))),
        None => Ok(()),
    }
}
