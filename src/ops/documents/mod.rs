//! Sources of documents: what a comparison reads, wherever the documents lie.
//!
//! A source lists the documents of a kind and hands out the content of some of them. Nobody who reads through
//! [`Documents`] knows whether they are rows of a server or packed in a file, and no source keeps more than one kind's
//! listing in memory.

pub(in crate::ops) mod named;

use crate::bundle::{BundleError, Coverage, Entry, Header, Notice};
use crate::crypto::{KdfLimits, Password};
use crate::document::{Document, Key, KindName};
use crate::progress::{Cancelled, Progress};
use crate::server::ServerError;
use crate::tree::TreeError;

use super::export::error::ExportError;
use super::export::unreadable::UNREADABLE;
use super::translate::{TranslateError, Vault};

mod bundle;
mod server;
mod tree;

pub use bundle::BundleDocuments;
pub use server::ServerDocuments;
pub use tree::TreeDocuments;

/// Why documents could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// A server could not be read, or not as the model says.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A bundle could not be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A folder could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
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

/// Documents that were exported: they say where they come from, and each can be found at any time. Unlike those of
/// [`Documents::some`] these calls may be nested.
pub trait Archive: Documents + std::fmt::Debug {
    /// Where the documents come from.
    fn header(&self) -> &Header;

    /// How many secrets have a value.
    fn sealed(&self) -> u64;

    /// Opens the values of secrets from now on.
    ///
    /// # Errors
    /// [`BundleError::WrongPassword`], [`BundleError::TooExpensive`], and [`BundleError::NoPassword`] where nobody can.
    fn unlock(&mut self, password: &Password, limits: &KdfLimits) -> Result<(), DocumentsError>;

    /// What the export had to say.
    ///
    /// # Errors
    /// [`DocumentsError`]; so for all that reads.
    fn notices(&self) -> Result<Vec<Notice>, DocumentsError>;

    /// What is carried of the kinds of the source.
    ///
    /// # Errors
    /// As for [`Archive::notices`].
    fn coverage(&self) -> Result<Vec<Coverage>, DocumentsError>;

    /// The number of the document of a kind and an exact key.
    ///
    /// # Errors
    /// As for [`Archive::notices`].
    fn find(&self, kind: &str, key: &Key) -> Result<Option<u64>, DocumentsError>;

    /// The document of a number, its secrets as in [`Documents::some`].
    ///
    /// # Errors
    /// As for [`Archive::notices`].
    fn document(&self, number: u64, vault: Option<&mut Vault>) -> Result<Document, DocumentsError>;

    /// The entry of a number.
    ///
    /// # Errors
    /// As for [`Archive::notices`].
    fn entry(&self, number: u64) -> Result<Entry, DocumentsError>;

    /// Hands out the documents of a kind whose numbers are wanted, in the order in which they are read fastest. Their
    /// secrets are in the vault where they are asked for.
    ///
    /// # Errors
    /// As for [`Archive::notices`], and what `see` returns.
    fn scan(
        &self,
        kind: &str,
        wanted: &dyn Fn(u64) -> bool,
        secrets: bool,
        see: &mut SeeDocument<'_>,
    ) -> Result<(), DocumentsError>;
}

/// Is shown a document, its entry, and the values of its secrets.
pub type SeeDocument<'a> = dyn FnMut(Entry, Document, &Vault) -> Result<(), DocumentsError> + 'a;

/// What an archive says of documents that could not be read, and that it has not got from elsewhere: another input of a
/// merge may have had them.
fn unreadable(archive: &dyn Archive) -> Result<Vec<Notice>, DocumentsError> {
    let mut open = Vec::new();
    for notice in archive.notices()?.into_iter().filter(|notice| notice.code == UNREADABLE) {
        let found = match (&notice.kind, notice.key.as_deref().map(Key::parse)) {
            (Some(kind), Some(Ok(key))) => archive.find(kind, &key)?,
            _ => None,
        };
        if found.is_none() {
            open.push(notice);
        }
    }
    Ok(open)
}

/// Reads documents of an archive one by one; see [`Documents::some`].
fn some(
    archive: &dyn Archive,
    numbers: &[u64],
    max_bytes: usize,
    mut vault: Option<&mut Vault>,
) -> Result<Vec<(usize, Document)>, DocumentsError> {
    let (mut documents, mut bytes) = (Vec::new(), 0);
    for (position, number) in numbers.iter().enumerate() {
        let document = archive.document(*number, vault.as_deref_mut())?;
        bytes += weight(&document);
        documents.push((position, document));
        if bytes >= max_bytes {
            break;
        }
    }
    Ok(documents)
}

/// About how much memory a document takes.
fn weight(document: &Document) -> usize {
    let columns = document.columns.iter().map(|(name, value)| name.len() + value.weight());
    columns.chain(document.body.iter().map(|body| body.weight())).sum()
}
