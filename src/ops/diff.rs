//! `diff`: what differs between two sets of documents, each a bundle or a server.
//!
//! A server is exported into a temporary bundle first: memory stays flat, both sides are one snapshot each,
//! and bundle and server compare by the same rules.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::bundle::{
    Bundle, BundleError, Entry, Header, Limits, Notice, Protection, UncheckedBundle, Writer, WriterOptions,
};
use crate::crypto::{CryptoError, DataKey, Envelope, KdfLimits, KdfParams, Password, PasswordError};
use crate::document::{Document, Key, KindName, Place, SecretId, Value};
use crate::model::Model;
use crate::plan::{Change, changes, respell};
use crate::progress::{Cancelled, Preliminary, Progress};
use crate::server::Reader;

use super::choice::KindChoice;
use super::export::{ExportError, ExportOptions, export, product_version};
use super::translate::{Layouts, ServerSecrets, Vault};
use super::unreadable::UNREADABLE;

/// One side of a comparison.
#[derive(Debug)]
pub struct Side {
    /// The documents.
    pub bundle: Bundle,
    /// The key to their secrets, where there are any and it is at hand.
    pub key: Option<DataKey>,
    /// Of a server: kinds that were not read, with the number of their documents where their table has no others.
    pub not_read: Vec<(KindName, Option<u64>)>,
}

impl Side {
    /// How many documents of a kind there are, as far as that is known.
    fn held(&self, kind: &str) -> Option<u64> {
        let read = self.bundle.info().kinds.iter().find(|info| info.name == kind);
        let not_read = self.not_read.iter().find(|(name, _)| name.as_str() == kind);
        match (read, not_read) {
            (Some(info), _) => Some(info.documents),
            (None, Some((_, documents))) => *documents,
            (None, None) => Some(0),
        }
    }
}

/// A kind that was not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCompared {
    /// The kind.
    pub kind: String,
    /// Why.
    pub reason: &'static str,
    /// How many documents the left side has, where that is known.
    pub left: Option<u64>,
    /// The same of the right side.
    pub right: Option<u64>,
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
    /// Kinds that were not compared, and that a side has documents of, or may have.
    pub not_compared: Vec<NotCompared>,
    /// Documents that could not be read, of the left side and of the right one: the other side's are not compared.
    pub unreadable: [Vec<Notice>; 2],
}

/// Documents by kind and folded key.
type Named = HashSet<(String, String)>;

/// The documents of a side that could not be read: what is said of them, and those whose names are known.
fn unreadable(side: &Side, model: &Model) -> Result<(Vec<Notice>, Named), DiffError> {
    let mut notices = side.bundle.notices()?;
    notices.retain(|notice| notice.code == UNREADABLE);
    let mut named = HashSet::new();
    let mut open = Vec::with_capacity(notices.len());
    for notice in notices {
        if let (Some(kind), Some(Ok(key))) = (&notice.kind, notice.key.as_deref().map(Key::parse)) {
            // Another input of a merge may have had it.
            if side.bundle.find(kind, &key)?.is_some() {
                continue;
            }
            named.insert((kind.clone(), key.folded(model.collation)));
        }
        open.push(notice);
    }
    Ok((open, named))
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
    export(reader, model, writer, options, &Preliminary(progress))?;
    let bundle = UncheckedBundle::open(&path, &Limits::default())?.check(progress)?;
    let key = match options.secrets {
        ServerSecrets::Mask => None,
        ServerSecrets::Read(_) => Some(bundle.unlock(&password, &KdfLimits::default())?),
    };
    let choice = KindChoice::new(model, options)?;
    let mut not_read = Vec::new();
    for layout in Layouts::new(model, reader.catalog()).map_err(ExportError::from)?.iter() {
        if choice.takes(layout.index) {
            continue;
        }
        let documents = match layout.kind.rows.is_empty() {
            true => Some(reader.count(&layout.table).map_err(ExportError::from)?),
            false => None,
        };
        not_read.push((layout.kind.name.clone(), documents));
    }
    Ok(Side { bundle, key, not_read })
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
        .flat_map(|side| {
            let read = side.bundle.info().kinds.iter().map(|kind| kind.name.clone());
            read.chain(side.not_read.iter().map(|(name, _)| name.to_string()))
        })
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
        if choice.takes(kind) || asked_for && has(left, name) && has(right, name) {
            return true;
        }
        let (left, right) = (left.held(name), right.held(name));
        let reason = choice.leaves_out(kind).filter(|_| (left, right) != (Some(0), Some(0)));
        let not_compared = reason.map(|reason| NotCompared { kind: name.clone(), reason, left, right });
        report.not_compared.extend(not_compared);
        false
    });
    let (left_notices, left_unreadable) = unreadable(left, model)?;
    let (right_notices, right_unreadable) = unreadable(right, model)?;
    let is_one = |unreadable: &Named, entry: &Entry| {
        !unreadable.is_empty()
            && unreadable.contains(&(entry.kind.to_string(), entry.key.folded(model.collation)))
    };
    report.unreadable = [left_notices, right_notices];
    report.unreadable.iter_mut().for_each(|notices| {
        notices.retain(|notice| notice.kind.as_ref().is_none_or(|kind| kinds.contains(kind)));
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
                if is_one(&right_unreadable, &mine) {
                    return Ok(());
                }
                let Entry { kind, key, .. } = mine;
                report.entries.push(DiffEntry { kind, key, difference: Difference::OnlyLeft });
                return Ok(());
            };
            compare(left, right, model, mine, &twin, &mut report)
        })?;
        let mut rest: Vec<Entry> =
            theirs.into_values().filter(|entry| !is_one(&left_unreadable, entry)).collect();
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
    let found = changes(model.kind(mine.kind.as_str()), &old, &new, model.collation);
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
