//! `diff`: what differs between two sets of documents, each a bundle or a server.
//!
//! A server is exported into a temporary bundle first: memory stays flat, both sides are one snapshot each,
//! and bundle and server compare by the same rules.

use std::collections::BTreeMap;
use std::path::Path;

use crate::bundle::{
    Bundle, BundleError, Entry, Header, Limits, Protection, UncheckedBundle, Writer, WriterOptions,
};
use crate::crypto::{CryptoError, DataKey, Envelope, KdfLimits, KdfParams, Password, PasswordError};
use crate::document::{Document, Key, KindName, Place, SecretId, Value};
use crate::model::Model;
use crate::plan::{Change, changes, respell};
use crate::progress::{Cancelled, Progress};
use crate::server::Reader;

use super::choice::KindChoice;
use super::export::{ExportError, ExportOptions, export, product_version};
use super::translate::{ServerSecrets, Vault};

/// One side of a comparison.
#[derive(Debug)]
pub struct Side {
    /// The documents.
    pub bundle: Bundle,
    /// The key to their secrets, where there are any and it is at hand.
    pub key: Option<DataKey>,
}

/// How a document differs.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Only the left side has it.
    OnlyLeft,
    /// Only the right side has it.
    OnlyRight,
    /// Both have it, otherwise: what leads from left to right.
    Changed(Vec<Change>),
}

/// A document that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffEntry {
    /// Its kind.
    pub kind: KindName,
    /// Its key, as the left side spells it where it has it.
    pub key: Key,
    /// How it differs.
    pub difference: Difference,
}

/// What differs between two sides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DiffReport {
    /// The documents that differ, in the order of kinds and keys.
    pub entries: Vec<DiffEntry>,
    /// How many documents are equal.
    pub equal: u64,
    /// Secrets that were not compared because a password or key was not at hand.
    pub secrets_not_compared: u64,
}

/// Why a comparison failed.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A server could not be read.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A bundle could not be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// No key could be made for the temporary bundle.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The same.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Reads the documents of a server that the options take as one side of a comparison. Its temporary bundle lies in `folder` and is
/// sealed with a key that exists in this process only.
///
/// # Errors
/// [`DiffError`].
pub fn server_side(
    reader: &mut dyn Reader,
    model: &Model,
    options: &ExportOptions<'_>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Side, DiffError> {
    let name = crate::crypto::random_guid()?;
    let path = folder.join(format!("{name}.sealift"));
    let version = product_version(reader, model).map_err(ExportError::from)?;
    let header = Header::new(model.name.clone(), model.digest, version);
    let password = Password::new(crate::crypto::random_guid()?)?;
    let protection = match options.secrets {
        ServerSecrets::Mask => Protection::None,
        ServerSecrets::Read(_) => {
            let (envelope, key) = Envelope::create(&password, KdfParams::MINIMUM)?;
            Protection::Password { envelope, key }
        }
    };
    let written = WriterOptions { protection, level: 1, ..WriterOptions::default() };
    let writer = Writer::create(&path, header, written)?;
    export(reader, model, writer, options, progress)?;
    let bundle = UncheckedBundle::open(&path, &Limits::default())?.check(progress)?;
    let key = match options.secrets {
        ServerSecrets::Mask => None,
        ServerSecrets::Read(_) => Some(bundle.unlock(&password, &KdfLimits::default())?),
    };
    Ok(Side { bundle, key })
}

/// Compares two sides, in the kinds that the options take and, of kinds that are carried only where asked for,
/// in those that both sides have.
///
/// # Errors
/// [`DiffError`], where a side cannot be read.
pub fn diff(
    left: &Side,
    right: &Side,
    model: &Model,
    options: &ExportOptions<'_>,
    progress: &dyn Progress,
) -> Result<DiffReport, DiffError> {
    let mut report = DiffReport::default();
    let mut kinds: Vec<String> = [left, right]
        .iter()
        .flat_map(|side| side.bundle.info().kinds.iter().map(|k| k.name.clone()))
        .collect();
    kinds.sort();
    kinds.dedup();
    let choice = KindChoice::new(model, options)?;
    let has = |side: &Side, name: &str| side.bundle.info().kinds.iter().any(|kind| kind.name == name);
    kinds.retain(|name| {
        let Some(kind) = model.kinds().iter().position(|kind| kind.name.as_str() == name) else {
            return true;
        };
        let asked_for = model.kind_at(kind).is_some_and(|kind| kind.ask);
        choice.takes(kind) || asked_for && has(left, name) && has(right, name)
    });
    let total = left.bundle.info().documents + right.bundle.info().documents;
    progress.phase("comparing", Some(total));
    for kind in kinds {
        let mut theirs: BTreeMap<String, Entry> = BTreeMap::new();
        right.bundle.entries(Some(&kind), &mut |entry| -> Result<(), DiffError> {
            progress.check()?;
            theirs.insert(entry.key.folded(model.collation), entry);
            Ok(())
        })?;
        left.bundle.entries(Some(&kind), &mut |mine| -> Result<(), DiffError> {
            progress.check()?;
            progress.advance(2, 0);
            let Some(twin) = theirs.remove(&mine.key.folded(model.collation)) else {
                let Entry { kind, key, .. } = mine;
                report.entries.push(DiffEntry { kind, key, difference: Difference::OnlyLeft });
                return Ok(());
            };
            compare(left, right, model, mine, &twin, &mut report)
        })?;
        let mut rest: Vec<Entry> = theirs.into_values().collect();
        rest.sort_by_key(|entry| entry.number);
        for Entry { kind, key, .. } in rest {
            report.entries.push(DiffEntry { kind, key, difference: Difference::OnlyRight });
        }
    }
    Ok(report)
}

fn compare(
    left: &Side,
    right: &Side,
    model: &Model,
    mine: Entry,
    theirs: &Entry,
    report: &mut DiffReport,
) -> Result<(), DiffError> {
    let opened = left.key.is_some() && right.key.is_some();
    let secrets = u64::from(mine.secrets.max(theirs.secrets));
    if !opened {
        report.secrets_not_compared += secrets;
    }
    if mine.content_id == theirs.content_id && (secrets == 0 || !opened) {
        report.equal += 1;
        return Ok(());
    }
    let mut vault = Vault::new();
    let old = open(left, &mine, opened, &mut vault)?;
    let mut new = open(right, theirs, opened, &mut vault)?;
    respell(&mut new, &old, model.collation);
    let found = changes(&old, &new);
    if found.is_empty() {
        report.equal += 1;
    } else {
        let Entry { kind, key, .. } = mine;
        report.entries.push(DiffEntry { kind, key, difference: Difference::Changed(found) });
    }
    Ok(())
}

fn open(side: &Side, entry: &Entry, opened: bool, vault: &mut Vault) -> Result<Document, DiffError> {
    let mut document = side.bundle.document(entry.number)?;
    if let (Some(key), true) = (&side.key, opened && entry.secrets > 0) {
        let values = side.bundle.secrets(entry, &document, key)?;
        let places: Vec<Place> = document.secret_places();
        for (place, value) in places.iter().zip(values) {
            let id = value.map_or(SecretId::UNKNOWN, |value| vault.keep(value));
            if let Some(marker) = document.at_mut(place) {
                *marker = Value::Secret(id);
            }
        }
    }
    Ok(document)
}
