//! Rows of a source that cannot be read, left out where that is wished.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::{Coverage, Extent, Notice};
use crate::document::{Key, KindName};
use crate::model::Target;
use crate::server::{ColumnType, Reader};

use super::error::ExportError;
use crate::ops::translate::{Faults, Id, TranslateError, Translation};

pub use crate::tree::UNREADABLE;

/// Longer keys are not recorded: a notice has to hold them, and people to read them.
const MOST_KEY_BYTES: usize = 2000;

/// A document that could not be read and was left out of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// Its kind.
    pub kind: KindName,
    /// Its id, or what its row is called where it has none.
    pub id: String,
    /// Its name, where its columns tell it.
    pub key: Option<Key>,
    /// The path of the secret that does not decrypt, where it is one.
    pub place: Option<String>,
    /// Why it cannot be read.
    pub problem: String,
}

/// The documents that faults are about, by their names as far as these can be read.
pub(in crate::ops) fn left_out(
    reader: &mut dyn Reader,
    translation: &mut Translation<'_>,
    faults: &Faults,
) -> Result<Vec<Unreadable>, ExportError> {
    let layouts = translation.layouts.clone();
    let catalog = reader.catalog();
    let row = |error: &TranslateError| {
        let (kind, id) = error.subject()?;
        let target @ Target::Kind(index) = layouts.model.target(kind)? else { return None };
        let layout = layouts.at(index)?;
        let column = catalog.table(&layout.table)?.column(layout.id.as_deref()?)?;
        let id = match (column.kind, id.parse()) {
            (ColumnType::Int, Ok(number)) => Id::Int(number),
            _ => Id::Text(id.to_owned()),
        };
        Some((target, id))
    };
    let rows: Vec<Option<(Target, Id)>> = faults.first().iter().map(row).collect();
    translation.learn(reader, rows.iter().flatten().cloned().collect::<BTreeSet<_>>())?;
    let mut found = Vec::with_capacity(rows.len());
    for (error, row) in faults.first().iter().zip(rows) {
        let Some((kind, id)) = error.subject() else { continue };
        let key = row.and_then(|(target, id)| translation.name(&[target], &id)).map(|named| named.key);
        // A name may be what is too long.
        let key = key.filter(|key| key.to_text().len() <= MOST_KEY_BYTES);
        let place = match error {
            TranslateError::DamagedSecret { place, .. } => Some(place.clone()),
            _ => None,
        };
        let (kind, id) = (kind.clone(), id.to_owned());
        found.push(Unreadable { kind, id, key, place, problem: error.with_causes() });
    }
    Ok(found)
}

/// What a bundle says of the documents that were left out.
pub(in crate::ops) fn notices(unreadable: &[Unreadable], faults: &Faults) -> Vec<Notice> {
    let mut notices = Vec::with_capacity(unreadable.len());
    let mut rest: BTreeMap<&KindName, u64> =
        faults.kinds().iter().map(|(kind, count)| (kind, *count)).collect();
    for Unreadable { kind, id, key, place, problem } in unreadable {
        if let Some(count) = rest.get_mut(kind) {
            *count = count.saturating_sub(1);
        }
        notices.push(Notice {
            key: key.as_ref().map(Key::to_text),
            place: place.clone(),
            value: Some(id.clone()),
            count: 1,
            ..Notice::about(UNREADABLE, kind.as_str(), format!("left out: {problem}"))
        });
    }
    for (kind, count) in rest.into_iter().filter(|(_, count)| *count > 0) {
        let text = format!("{count} more documents of this kind could not be read and were left out");
        notices.push(Notice { count, ..Notice::about(UNREADABLE, kind.as_str(), text) });
    }
    notices
}

/// What a bundle carries of a kind, where documents of it may have been left out: not all of it, nor all of anything's.
pub(in crate::ops) fn without(coverage: Coverage, faults: &Faults) -> Option<Coverage> {
    let Coverage { kind, extent } = coverage;
    let extent = match extent {
        extent if !faults.kinds().contains_key(&KindName::new(&kind)) => extent,
        Extent::Whole { rows } | Extent::Part { rows } => Extent::Part { rows },
        Extent::Belonging { .. } => return None,
    };
    Some(Coverage { kind, extent })
}
