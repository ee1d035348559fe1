//! The private copy that a file from elsewhere is read from.
//!
//! What was checked must be what is used. Somebody may overwrite a file, or put another one at its name, after its
//! root was computed and before its rows are read, while a person types a password for example. So the file itself is
//! read once, from beginning to end: in one pass its root is computed and a copy is made. All rows come out of the
//! copy, which only its owner can open and which is gone when it is no longer needed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempPath;

use crate::progress::Progress;

use super::open::connect;
use super::roots::{RootError, file_root};
use super::schema::{SEAL_BYTES, SEAL_OFFSET};
use super::{BundleError, FileRoot, Limits};

/// A copy of a file in the system's folder for temporary files, with the file root of what was copied.
pub(super) struct PrivateCopy {
    /// The file it is a copy of, for messages.
    of: PathBuf,
    pub(super) file: File,
    pub(super) bytes: u64,
    /// The root that the bytes have.
    pub(super) root: FileRoot,
    /// Where the copy is; `None` when its name was removed.
    name: RefCell<Option<TempPath>>,
}

impl PrivateCopy {
    /// Copies a file from its first byte to its `bytes`th, whatever is in it.
    ///
    /// # Errors
    /// What the system refuses, [`BundleError::DiskFull`], [`BundleError::Damaged`] where the file became shorter
    /// meanwhile, [`BundleError::Cancelled`].
    pub(super) fn make(
        path: &Path,
        mut from: &File,
        bytes: u64,
        progress: &dyn Progress,
    ) -> Result<Self, BundleError> {
        let made = crate::temporary::file().map_err(BundleError::io(path, "make a temporary copy"))?;
        let (to, name) = made.into_parts();
        from.rewind().map_err(BundleError::io(path, "read"))?;
        let mut copying = Copying { from, to: &to, refused: None };
        let root = file_root(&mut copying, bytes, progress).map_err(|error| match error {
            RootError::Cancelled(cancelled) => cancelled.into(),
            RootError::Io(_) if copying.refused.is_some() => {
                let refused = copying.refused.take().unwrap_or_else(|| io::ErrorKind::Other.into());
                BundleError::io(&name, "write")(refused)
            }
            RootError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                BundleError::damaged(path, "file", "it was cut off while it was read")
            }
            RootError::Io(error) => BundleError::io(path, "read")(error),
        })?;
        Ok(Self { of: path.to_owned(), file: to, bytes, root, name: RefCell::new(Some(name)) })
    }

    /// The file it is a copy of.
    pub(super) fn of(&self) -> &Path {
        &self.of
    }

    /// Opens the copy as a database.
    pub(super) fn connect(&self, limits: &Limits) -> Result<Connection, BundleError> {
        match &*self.name.borrow() {
            Some(name) => connect(&self.of, name, limits),
            None => Err(BundleError::damaged(&self.of, "file", "its copy is gone")),
        }
    }

    /// Removes the name of the copy, where open files need none: whatever ends the process, nothing stays behind.
    pub(super) fn remove_name(&self) {
        if cfg!(unix)
            && let Some(name) = self.name.take()
        {
            // What cannot be removed now is removed like any other temporary file: perhaps.
            let _ = name.close();
        }
    }

    /// The bytes where the file root is stored.
    pub(super) fn stored_root(&mut self) -> Result<FileRoot, BundleError> {
        let mut root = [0u8; SEAL_BYTES];
        self.file
            .seek(SeekFrom::Start(SEAL_OFFSET))
            .and_then(|_| self.file.read_exact(&mut root))
            .map_err(BundleError::io(&self.of, "read"))?;
        Ok(FileRoot(root))
    }

    /// Writes another first page, and makes the copy so long.
    pub(super) fn replace_first_page(&mut self, page: &[u8], bytes: u64) -> Result<(), BundleError> {
        self.file
            .rewind()
            .and_then(|()| self.file.write_all(page))
            .and_then(|()| self.file.set_len(bytes))
            .map_err(BundleError::io(&std::env::temp_dir(), "write"))
    }
}

/// Reads from one file, and writes what was read to the other.
struct Copying<'f> {
    from: &'f File,
    to: &'f File,
    /// Why the copy could not be written.
    refused: Option<io::Error>,
}

impl Read for Copying<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        if let Err(error) = self.to.write_all(into.get(..count).unwrap_or_default()) {
            self.refused = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(count)
    }
}
