//! The writer's temporary files: what has been added, until it is known in which order it is stored.
//!
//! Everything lies in one folder beside the output that only its owner can enter, and that goes when the
//! spool is dropped. Documents are in there as they travel; the plaintext of a secret never is. The one
//! exception to "beside the output" is the engine's own sort spill, which follows the system's temporary
//! folder (unlinked, owner only) and holds names, keys and ids.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::count::Count;
use super::{BundleError, Coverage, Notice};
use crate::document::KindName;

/// How many names that several documents have are told.
const TWINS: usize = 100;

const TABLES: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -6144;
    CREATE TABLE entries(entry INTEGER PRIMARY KEY, kind TEXT, key TEXT, similarity BLOB, offset INTEGER,
        length INTEGER, content_id BLOB, tag INTEGER, id BLOB, reason BLOB, secrets INTEGER,
        fold BLOB);
    CREATE TABLE secrets(entry INTEGER, n INTEGER, place TEXT, value BLOB, PRIMARY KEY(entry, n)) WITHOUT ROWID;
    CREATE TABLE notices(code TEXT, kind TEXT, key TEXT, place TEXT, value TEXT, names_kind TEXT, names_key TEXT,
        text TEXT, count INTEGER);
    CREATE TABLE coverage(kind TEXT, extent TEXT, rows INTEGER, owner_kind TEXT, owner_key TEXT);
    CREATE TABLE numbered(document INTEGER PRIMARY KEY, kind INTEGER, similarity BLOB, offset INTEGER, length INTEGER);
    CREATE TABLE partial(chunk INTEGER PRIMARY KEY, documents INTEGER, columns BLOB, content_ids BLOB);
    BEGIN;
";

/// What is kept of a document beside its bytes.
pub(super) struct Spooled<'a> {
    pub(super) kind: &'a str,
    pub(super) key: &'a str,
    pub(super) similarity: &'a [u8],
    pub(super) content_id: [u8; 32],
    pub(super) tag: u8,
    pub(super) id: &'a [u8],
    pub(super) reason: &'a [u8],
    pub(super) secrets: usize,
    pub(super) fold: &'a [u8],
}

pub(super) struct Spool {
    // Declared first: the database and the files are closed before the folder goes.
    pub(super) db: Connection,
    spill: BufWriter<File>,
    spilled: u64,
    entries: u64,
    folder: TempDir,
}

impl Spool {
    /// Makes the folder beside the output.
    pub(super) fn create(beside: &Path) -> Result<Self, BundleError> {
        let folder = crate::temporary::folder_in(beside, ".sealift-")
            .map_err(BundleError::io(beside, "make a temporary folder"))?;
        let path = folder.path().join("documents");
        let spill = private_file(&path)?;
        let path = folder.path().join("entries");
        // The engine takes an empty file for a new database, and would make its own readable for all.
        private_file(&path)?;
        let db = Connection::open(&path)
            .and_then(|db| db.execute_batch(TABLES).map(|()| db))
            .map_err(BundleError::sql(&path, "make a temporary database"))?;
        Ok(Self { db, spill: BufWriter::with_capacity(256 << 10, spill), spilled: 0, entries: 0, folder })
    }

    /// Names that several documents have, as the server compares names: the first hundred, as kind and text of
    /// one of the keys, and how many there are.
    pub(super) fn twins(&self) -> Result<(Vec<(KindName, String)>, u64), BundleError> {
        let compare = |error| self.sql("compare the names")(error);
        let mut select = self.db.prepare("SELECT fold, entry FROM entries ORDER BY fold").map_err(compare)?;
        let mut rows = select.query([]).map_err(compare)?;
        let (mut last, mut told) = ([0u8; 16], false);
        let (mut twins, mut total) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(compare)? {
            let fold: [u8; 16] = row.get(0).map_err(compare)?;
            if fold != last || told {
                told = fold == last;
                last = fold;
                continue;
            }
            told = true;
            total += 1;
            if twins.len() < TWINS {
                let entry: Count = row.get(1).map_err(compare)?;
                let named = "SELECT kind, key FROM entries WHERE entry = ?1";
                let twin: (String, String) = self
                    .db
                    .query_row(named, [entry], |row| Ok((row.get(0)?, row.get(1)?)))
                    .map_err(compare)?;
                twins.push((KindName::new(&twin.0), twin.1));
            }
        }
        Ok((twins, total))
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Keeps a document; returns its number in the spool.
    pub(super) fn add(&mut self, canonical: &[u8], entry: &Spooled<'_>) -> Result<u64, BundleError> {
        let path = self.path("documents");
        self.spill.write_all(canonical).map_err(BundleError::io(&path, "write"))?;
        let offset = self.spilled;
        self.spilled += canonical.len() as u64;
        self.entries += 1;
        self.db
            .prepare_cached("INSERT INTO entries VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")
            .and_then(|mut insert| {
                insert.execute(params![
                    Count(self.entries),
                    entry.kind,
                    entry.key,
                    entry.similarity,
                    Count(offset),
                    Count::of(canonical.len()),
                    entry.content_id.as_slice(),
                    entry.tag,
                    entry.id,
                    entry.reason,
                    Count::of(entry.secrets),
                    entry.fold
                ])
            })
            .map_err(self.sql("keep a document"))?;
        Ok(self.entries)
    }

    /// Keeps a sealed value.
    pub(super) fn add_sealed(
        &mut self,
        entry: u64,
        n: usize,
        place: &str,
        value: &[u8],
    ) -> Result<(), BundleError> {
        self.db
            .prepare_cached("INSERT INTO secrets VALUES(?1,?2,?3,?4)")
            .and_then(|mut insert| insert.execute(params![Count(entry), Count::of(n), place, value]))
            .map(|_| ())
            .map_err(self.sql("keep a secret"))
    }

    /// Keeps a notice.
    pub(super) fn add_notice(&mut self, notice: &Notice) -> Result<(), BundleError> {
        self.db
            .prepare_cached("INSERT INTO notices VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")
            .and_then(|mut insert| {
                let [code, kind, key, place, value, names_kind, names_key, text] = notice.texts();
                let count = Count(notice.count);
                insert.execute(params![code, kind, key, place, value, names_kind, names_key, text, count])
            })
            .map(|_| ())
            .map_err(self.sql("keep a notice"))
    }

    /// Keeps what is carried of a kind.
    pub(super) fn add_coverage(&mut self, coverage: &Coverage) -> Result<(), BundleError> {
        let (extent, rows, owner) = coverage.parts();
        let (owner_kind, owner_key) = owner.unzip();
        self.db
            .prepare_cached("INSERT INTO coverage VALUES(?1,?2,?3,?4,?5)")
            .and_then(|mut insert| {
                insert.execute(params![coverage.kind, extent, rows.map(Count), owner_kind, owner_key])
            })
            .map(|_| ())
            .map_err(self.sql("keep what is carried of a kind"))
    }

    /// Ends the adding.
    pub(super) fn flush(&mut self) -> Result<(), BundleError> {
        let path = self.path("documents");
        self.spill.flush().map_err(BundleError::io(&path, "write"))
    }

    /// The file that the documents' bytes are in, for [`read_at`].
    pub(super) fn documents(&self) -> &File {
        self.spill.get_ref()
    }

    /// What the engine says of the spool's own database.
    pub(super) fn sql(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> BundleError {
        let path = self.path("entries");
        move |error| BundleError::sql(&path, action)(error)
    }
}

/// Makes an empty file that only its owner can read.
pub(super) fn private_file(path: &Path) -> Result<File, BundleError> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map_err(BundleError::io(path, "make a temporary file"))
}

/// Reads bytes of a file from an offset, whoever else reads it.
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileExt as _;
        file.read_exact_at(bytes, offset)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt as _;
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.seek_read(rest, offset + read as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        Ok(())
    }
}
