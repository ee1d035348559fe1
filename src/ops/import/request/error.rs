//! Why an import, or its undo, failed.

use crate::bundle::BundleError;
use crate::crypto::CryptoError;
use crate::document::KindName;
use crate::document::canonical::TooLarge;
use crate::progress::Cancelled;
use crate::server::ServerError;

use crate::ops::spool::SpoolError;
use crate::ops::translate::TranslateError;

/// Why an import failed. The target is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The target, or one of its rows.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// The target.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle is of another product.
    #[error("the bundle holds documents of the model {bundle:?}, not of {model:?}")]
    OtherModel {
        /// The bundle's model.
        bundle: String,
        /// The model in use.
        model: String,
    },
    /// The target refused a document.
    #[error("cannot write {kind} {name}")]
    Write {
        /// The document's kind.
        kind: KindName,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ServerError,
    },
    /// A document is too large to be written at all.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// No new id could be made.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// What was asked for is not there, or cannot be done.
    #[error("{0}")]
    Choice(String),
    /// The bundle is an undo file, and an import was asked for.
    #[error("this is an undo file")]
    IsUndo,
    /// What the undo file says beside its documents is wrong, or cannot be said.
    #[error("the undo file: {0}")]
    Undo(String),
    /// The undo file was made under another master key.
    #[error("{}", if *missing { "the undo file needs the server's master key" } else { "the undo file was made under another master key" })]
    UndoKey {
        /// Whether none was given at all.
        missing: bool,
    },
    /// The plan was made under another master key.
    #[error("{}", if *missing { "the plan needs the server's master key" } else { "the plan was made under another master key" })]
    PlanKey {
        /// Whether none was given at all.
        missing: bool,
    },
    /// The undo file of a dry run has no place.
    #[error("cannot make a temporary folder for the undo file")]
    UndoFolder {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The server did not keep what was written.
    #[error("{kind} {name} is not on the server as it was written")]
    NotAsWritten {
        /// The document's kind.
        kind: KindName,
        /// Its name.
        name: String,
    },
    /// The work of the import cannot be kept on the disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
