//! Why a row is no document, or a document no row.

use crate::document::KindName;
use crate::document::json::JsonError;
use crate::server::ServerError;

use super::BlobError;

/// Why a row is no document, or a document no row. Messages never hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// The server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A table lacks a column that the model builds on.
    #[error("table {table:?} has no column {column:?}, which the model needs for {kind}")]
    Column {
        /// The kind.
        kind: KindName,
        /// Its table.
        table: String,
        /// The missing column.
        column: String,
    },
    /// A row's JSON does not parse.
    #[error("the JSON of {kind} {id} does not parse")]
    Json {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: JsonError,
    },
    /// A row's JSON column holds something else.
    #[error("the JSON column of {kind} {id} holds {found}")]
    NotJson {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
        /// What it holds instead.
        found: &'static str,
    },
    /// A row's compressed JSON is damaged, or a document's is too large.
    #[error("the compressed JSON of {kind} {id} is refused")]
    Blob {
        /// The kind.
        kind: KindName,
        /// The row's id, or the document's name.
        id: String,
        /// What is wrong with it.
        #[source]
        source: BlobError,
    },
    /// A row's JSON column and its compressed JSON differ: which one counts would be a guess.
    #[error("{kind} {id} has JSON and compressed JSON, and they differ")]
    TwoBodies {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
    },
    /// A column of the natural key holds something that names nothing.
    #[error("{column} of {kind} {id} holds {found} and cannot be part of a name")]
    Key {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
        /// The column.
        column: String,
        /// What it holds.
        found: &'static str,
    },
    /// A column of text or numbers holds bytes, or text in no encoding that is known.
    #[error("{column} of {kind} {id} holds bytes that are no text or number")]
    NotText {
        /// The kind.
        kind: KindName,
        /// The row's id, or its key where it has none.
        id: String,
        /// The column.
        column: String,
    },
    /// A document is beyond what the format holds.
    #[error("{kind} {id} does not fit a bundle: {what}")]
    TooMuch {
        /// The kind.
        kind: KindName,
        /// The row's id, or its key where it has none.
        id: String,
        /// What is too large, and by how much.
        what: String,
    },
    /// A row has no id.
    #[error("a row of {kind} has no id")]
    NoId {
        /// The kind.
        kind: KindName,
    },
    /// There are secrets and no master key.
    #[error("{kind} {id} holds a secret at {place}, and there is no master key to read it")]
    NeedMasterKey {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
        /// The place.
        place: String,
    },
    /// Not one secret decrypts: the key is another server's.
    #[error(
        "the master key is not this server's: {kind} {id} at {place} does not decrypt, nor does any other secret"
    )]
    WrongMasterKey {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
        /// The place.
        place: String,
    },
    /// One secret does not decrypt where others do, or is no encrypted text.
    #[error("the secret of {kind} {id} at {place} is damaged: {reason}")]
    DamagedSecret {
        /// The kind.
        kind: KindName,
        /// The row's id.
        id: String,
        /// The place.
        place: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Encrypting for the target failed.
    #[error("cannot encrypt a secret of {kind}")]
    Encrypt {
        /// The kind.
        kind: KindName,
        /// Why.
        #[source]
        source: crate::crypto::CryptoError,
    },
    /// A reference has no id in the target; the plan should have stopped.
    #[error("{kind} has no id in the target for {wanted}")]
    Unmapped {
        /// The kind that refers.
        kind: KindName,
        /// What it refers to.
        wanted: String,
    },
    /// Two documents of the server share a natural key.
    #[error("{kind} {key} is not one document but several")]
    Ambiguous {
        /// The kind.
        kind: KindName,
        /// The key they share.
        key: String,
    },
    /// The server holds part ids or counters that cannot be continued.
    #[error("{kind} has ids that cannot be continued: {id}")]
    Exhausted {
        /// The kind.
        kind: KindName,
        /// The last id.
        id: String,
    },
}

/// Where a secret did not decrypt.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: KindName,
    pub(super) id: String,
    pub(super) place: String,
}

impl Failure {
    pub(super) fn wrong_key(self) -> TranslateError {
        TranslateError::WrongMasterKey { kind: self.kind, id: self.id, place: self.place }
    }

    pub(super) fn damaged(self, reason: &'static str) -> TranslateError {
        TranslateError::DamagedSecret { kind: self.kind, id: self.id, place: self.place, reason }
    }
}
