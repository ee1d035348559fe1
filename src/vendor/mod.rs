//! The folder that the product's own migrator exports into, read and never written.
//!
//! What is known of it, and how well. *Observed*: in the few files of it that are public (two `metadata.json`,
//! one environment). *Reported*: in the vendor's public issue tracker. *Documented*: by the vendor, or in its
//! source. *Inferred*: a guess that fits all of these.
//!
//! | fact | how well |
//! |---|---|
//! | `metadata.json` at the top: `$type` of a class `ServerMetadata`, `Id`, `Name`, `Created`, `DatabaseVersion`, `Hello` | observed |
//! | `Hello` is the word `Hello`, encrypted: it checks the password | observed, and computed for both files |
//! | the key: PBKDF2-HMAC-SHA1, salt `Octopuss`, 1000 rounds, 16 bytes | documented; computed for both files |
//! | an encrypted value is `base64(ciphertext)` + a bar + `base64(iv)`, AES-CBC, and the IV is all zero | documented; the zeros observed |
//! | secrets inside documents have the same form under the same key | inferred |
//! | a document is one JSON object, `$type` first, then `Id` and all the rest: table columns are members like others | observed |
//! | `$type` is the class's full name, a comma, and its assembly | observed |
//! | ids are those of the source's database | observed |
//! | UTF-8 without a byte order mark, two blanks of indent, no line end at the end | observed; none of it is relied on |
//! | documents lie as `<plural of the type>/<name>.json`, some deeper, some otherwise | observed, reported; not relied on: a document is what its `$type` says, wherever it lies |
//! | a member whose column is a set (`|A|B|`) is a list | inferred; text is taken too |
//! | scripts may lie beside in files of their own, after their action; logos and attachments after their owner | reported |
//! | no file has a check sum, and a value has no authentication: damage can be noticed, never ruled out | inferred |
//!
//! So whatever the folder, every file below it is one of: a document, a file that is none, or a finding. None is
//! passed over in silence. Links are not followed.

mod files;
mod findings;
mod metadata;

use std::path::{Path, PathBuf};

use crate::crypto::{DecryptError, MasterKey, Password};

pub use files::{Entry, VendorDocument};
pub use findings::{Finding, Findings};
pub use metadata::Metadata;

/// The file that makes a folder an export.
pub const METADATA: &str = "metadata.json";

/// The word that `Hello` holds.
const HELLO: &[u8] = b"Hello";

/// What a folder may hold.
#[derive(Debug, Clone, Copy)]
pub struct FolderLimits {
    /// Files and folders in all.
    pub entries: u64,
    /// Folders within folders.
    pub depth: usize,
    /// Bytes of one document's file.
    pub file_bytes: u64,
    /// Bytes of `metadata.json`.
    pub metadata_bytes: u64,
}

impl Default for FolderLimits {
    /// Ten million entries, 32 folders deep, 256 MiB a file, 1 MiB for the metadata.
    fn default() -> Self {
        Self { entries: 10_000_000, depth: 32, file_bytes: 256 << 20, metadata_bytes: 1 << 20 }
    }
}

/// Why an export folder was not read.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// There is no `metadata.json`.
    #[error("{} is not an export folder of the product's migrator: it has no metadata.json", .0.display())]
    NotAnExport(PathBuf),
    /// There is the manifest of another format of the product's.
    #[error("{} is an export of projects, which is another format: it has a manifest.json and no metadata.json", .0.display())]
    ProjectsExport(PathBuf),
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `metadata.json` says nothing that can be read.
    #[error("{} is damaged: {reason}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `metadata.json` is of another class.
    #[error("{} is of the class {class:?} and not ServerMetadata: another format, or a newer one", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The class it names.
        class: String,
    },
    /// `metadata.json` has no check of the password.
    #[error("{} has no Hello, by which a password is checked", .0.display())]
    NoHello(PathBuf),
    /// The check of the password is not of the form.
    #[error("{} is damaged: its Hello is no encrypted value: {reason}", path.display())]
    DamagedHello {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The password does not open the check.
    #[error("the password is not that of the export {}", .0.display())]
    WrongPassword(PathBuf),
    /// There are more files than a reader takes.
    #[error("{} holds more than {limit} files and folders", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
}

/// An export folder.
#[derive(Debug)]
pub struct ExportFolder {
    path: PathBuf,
    metadata: Metadata,
    limits: FolderLimits,
}

impl ExportFolder {
    /// Says whether a path is a folder with a `metadata.json`.
    pub fn is_at(path: &Path) -> bool {
        path.join(METADATA).symlink_metadata().is_ok_and(|found| found.is_file())
    }

    /// Opens a folder and reads its `metadata.json`.
    ///
    /// # Errors
    /// [`VendorError`]: no export, another format, or damaged metadata, told apart.
    pub fn open(path: &Path, limits: FolderLimits) -> Result<Self, VendorError> {
        if !Self::is_at(path) {
            if path.join("manifest.json").is_file() {
                return Err(VendorError::ProjectsExport(path.to_owned()));
            }
            return Err(VendorError::NotAnExport(path.to_owned()));
        }
        let metadata = Metadata::read(&path.join(METADATA), limits.metadata_bytes)?;
        Ok(Self { path: path.to_owned(), metadata, limits })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Derives the key of its secrets from a password, and checks that it is the one.
    ///
    /// # Errors
    /// [`VendorError::WrongPassword`]; [`VendorError::NoHello`] and [`VendorError::DamagedHello`], where no
    /// password can be checked.
    pub fn unlock(&self, password: &Password) -> Result<MasterKey, VendorError> {
        let file = || self.path.join(METADATA);
        let hello = self.metadata.hello.as_deref().ok_or_else(|| VendorError::NoHello(file()))?;
        let key = MasterKey::of_export(password);
        match key.decrypt(hello) {
            Ok(word) if word.expose() == HELLO => Ok(key),
            Ok(_) | Err(DecryptError::DoesNotDecrypt) => Err(VendorError::WrongPassword(self.path.clone())),
            Err(DecryptError::NotCipherText(reason)) => {
                Err(VendorError::DamagedHello { path: file(), reason })
            }
        }
    }
}
