//! Sources of documents: what a comparison reads, wherever the documents lie.
//!
//! A source lists the documents of a kind and hands out the content of some of them. Nobody who reads through
//! [`Documents`] knows whether they are rows of a server or packed in a file, and no source keeps more than one kind's
//! listing in memory.

mod bundle;
mod server;

use crate::bundle::{BundleError, Entry, Notice};
use crate::document::{Document, KindName};
use crate::progress::{Cancelled, Progress};
use crate::server::ServerError;

use super::export::ExportError;
use super::translate::{TranslateError, Vault};

pub use bundle::BundleDocuments;
pub use server::ServerDocuments;

/// Why documents could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// A server could not be read, or not as the model says.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A bundle could not be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<ServerError> for DocumentsError {
    fn from(error: ServerError) -> Self {
        ExportError::from(error).into()
    }
}

impl From<TranslateError> for DocumentsError {
    fn from(error: TranslateError) -> Self {
        ExportError::from(error).into()
    }
}

/// A kind that a source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKind {
    /// Its name.
    pub name: KindName,
    /// How many documents of it there are; `None` where counting them would mean reading them.
    pub documents: Option<u64>,
    /// Whether its documents can be read here. A server's kinds that were not asked for cannot.
    pub readable: bool,
}

/// A source of documents. Each has one state for as long as it lives.
///
/// The calls must not be nested: a source may be busy while it calls back.
pub trait Documents {
    /// The kinds that the source has, in no particular order.
    fn kinds(&self) -> &[ListedKind];

    /// Whether the values of secrets can be handed out, as far as the source has any.
    fn opens_secrets(&self) -> bool;

    /// Lists the documents of a kind, without their content. A kind that is not readable has none. Their numbers are
    /// good for [`Documents::some`] until another kind is listed.
    ///
    /// # Errors
    /// [`DocumentsError`]; rows of a server that cannot be read are left out, see [`Documents::unreadable`].
    fn entries(
        &self,
        kind: &str,
        progress: &dyn Progress,
        see: &mut dyn FnMut(Entry),
    ) -> Result<(), DocumentsError>;

    /// Hands out documents by their numbers, each with the position of its number: as many as have `max_bytes`
    /// together in memory, about, and one at least. With a vault the markers of their secrets have the vault's numbers;
    /// without, and where there is no value, they have none.
    ///
    /// # Errors
    /// [`DocumentsError`].
    fn some(
        &self,
        numbers: &[u64],
        max_bytes: usize,
        vault: Option<&mut Vault>,
    ) -> Result<Vec<(usize, Document)>, DocumentsError>;

    /// What is known of documents that the source has and that cannot be read; to be asked when all kinds have been
    /// listed.
    ///
    /// # Errors
    /// [`DocumentsError`]; [`ExportError::Malformed`] where such documents are not to be left out.
    fn unreadable(&self) -> Result<Vec<Notice>, DocumentsError>;
}

/// About how much memory a document takes.
fn weight(document: &Document) -> usize {
    let columns = document.columns.iter().map(|(name, value)| name.len() + value.weight());
    columns.chain(document.body.iter().map(|body| body.weight())).sum()
}
