//! What goes wrong with a bundle, told apart by what a person can do about it.
//!
//! Every variant names its subject and none repeats its cause; advice and exit codes are the face's business.

use std::io;
use std::path::{Path, PathBuf};

use crate::crypto;
use crate::document::{KindName, canonical};
use crate::progress::Cancelled;

use super::{ContentRoot, FileRoot};

/// A bundle, or a folder, that has another root than was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: expected the root {}, but its content root is {content_root}{}",
    path.display(), FileRoot(*expected), file_root.map(|root| format!(", its file root {root}")).unwrap_or_default()
)]
pub struct OtherRoot {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What was expected: a file root or a content root.
    pub expected: [u8; 32],
    /// Its content root.
    pub content_root: ContentRoot,
    /// Its file root; a folder has none.
    pub file_root: Option<FileRoot>,
}

impl From<OtherRoot> for BundleError {
    fn from(other: OtherRoot) -> Self {
        BundleError::OtherRoot(Box::new(other))
    }
}

/// Why a bundle could not be written, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The operating system refused something.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk has no room for the bundle or for the files it is made from.
    #[error("{}: no space left on the disk", path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The output exists and was not to be replaced.
    #[error("{}: the file exists", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The folder of the output is missing.
    #[error("{}: the folder does not exist", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{}: not a bundle: {what}", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        what: &'static str,
    },
    /// The file's format is newer than this program.
    #[error("{}: bundle format {found} is newer than this program, which reads format {}", path.display(), super::FORMAT)]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The file asks for something of its reader that this program does not know.
    #[error("{}: the bundle needs the feature {feature:?}, which this program does not know", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// The feature's name.
        feature: String,
    },
    /// The file is not what its writer wrote.
    #[error("{}: damaged: {place}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file: "pack 3", "document 17".
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The file is another one than was expected, or was changed.
    #[error(transparent)]
    OtherRoot(Box<OtherRoot>),
    /// The file, or what is to be written, is beyond what is taken on.
    #[error("{}: {place}: {found} is over the limit of {limit}", path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// What is too large.
        place: String,
        /// How large it is.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The password opens none of the file's slots.
    #[error("{}: wrong password", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// Trying the password would cost more memory or time than allowed.
    #[error("{}: the password's derivation is too expensive", path.display())]
    TooExpensive {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        source: crypto::OpenError,
    },
    /// The file holds secrets without values: there is nothing a password would open.
    #[error("{}: the bundle has no password", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// A secret could not be sealed.
    #[error("{kind} {key}: cannot seal {place}")]
    Seal {
        /// The document's kind.
        kind: KindName,
        /// Its key's text.
        key: String,
        /// The place of the secret.
        place: String,
        /// The cipher's answer.
        source: crypto::CryptoError,
    },
    /// A secret's value was given to a bundle that protects nothing.
    #[error("{kind} {key}: a secret cannot be stored without a password")]
    Unprotected {
        /// The document's kind.
        kind: KindName,
        /// Its key's text.
        key: String,
    },
    /// Two documents of one kind have the same key, or keys that the server takes for the same.
    #[error("{kind} {key}: two documents have this name")]
    DuplicateKey {
        /// The kind.
        kind: KindName,
        /// The text of one of the keys.
        key: String,
        /// All such names, as kind and text of one of the keys; the first hundred.
        twins: Vec<(KindName, String)>,
        /// How many there are.
        total: u64,
    },
    /// A document cannot be stored as it was given.
    #[error("{kind} {key}: {what}")]
    Document {
        /// Its kind.
        kind: KindName,
        /// Its key's text.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// A document is too large for its canonical form.
    #[error("{kind} {key}: cannot be written")]
    TooLarge {
        /// Its kind.
        kind: KindName,
        /// Its key's text.
        key: String,
        /// The encoder's answer.
        source: canonical::TooLarge,
    },
    /// The database engine refused something that is no damage of the file.
    #[error("{}: cannot {action}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The engine's answer.
        source: rusqlite::Error,
    },
    /// The listener asked for an end.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl BundleError {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                BundleError::DiskFull { path: path.to_owned() }
            } else {
                BundleError::Io { path: path.to_owned(), action, source }
            }
        }
    }

    /// For writing: what the engine says of a file that we make ourselves.
    pub(super) fn sql(path: &Path, action: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => BundleError::DiskFull { path: path.to_owned() },
            _ => BundleError::Sqlite { path: path.to_owned(), action, source },
        }
    }

    /// For reading: what the engine says of a file from elsewhere. What it cannot make sense of is damage;
    /// what the system refuses is not.
    pub(super) fn reading(path: &Path, place: &str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| {
            use rusqlite::ErrorCode as Code;
            match source.sqlite_error_code() {
                Some(
                    Code::SystemIoFailure
                    | Code::CannotOpen
                    | Code::PermissionDenied
                    | Code::OutOfMemory
                    | Code::DatabaseBusy
                    | Code::DatabaseLocked,
                ) => BundleError::Sqlite { path: path.to_owned(), action: "read the bundle", source },
                _ => BundleError::Damaged {
                    path: path.to_owned(),
                    place: place.to_owned(),
                    what: source.to_string(),
                },
            }
        }
    }

    pub(super) fn damaged(path: &Path, place: impl Into<String>, what: impl Into<String>) -> Self {
        BundleError::Damaged { path: path.to_owned(), place: place.into(), what: what.into() }
    }

    /// The same of what the file was made of, for whoever never saw the file: what is wrong with its content, or with a
    /// password. What the system refuses is still about the file.
    pub fn found_in(mut self, origin: &Path) -> Self {
        if let BundleError::WrongPassword { path }
        | BundleError::TooExpensive { path, .. }
        | BundleError::NoPassword { path }
        | BundleError::Damaged { path, .. }
        | BundleError::Limit { path, .. } = &mut self
        {
            *path = origin.to_owned();
        }
        self
    }

    /// Says whether the file itself is at fault: damaged, tampered with, or over the limits.
    pub fn is_damage(&self) -> bool {
        matches!(self, BundleError::Damaged { .. } | BundleError::Limit { .. })
    }
}
