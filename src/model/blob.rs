//! The check of a model's `blob`: one column, and no other of any kind that has a body.

use super::Pattern;
use super::check::{Checked, fault};
use super::file::File;
use super::kind::Kind;

pub(super) fn check(file: &File, kinds: &[Kind]) -> Checked<Option<String>> {
    let Some(blob) = &file.blob else { return Ok(None) };
    let name = blob.get_ref();
    if !Pattern::parse(name).is_ok_and(|place| place.column.is_some()) {
        return fault(blob.span(), format!("{name:?} is no column"));
    }
    if kinds.iter().all(|kind| kind.body.is_none()) {
        return fault(blob.span(), "no kind has a `body` that could be compressed");
    }
    for kind in kinds.iter().filter(|kind| kind.body.is_some()) {
        if columns(kind).any(|column| column.eq_ignore_ascii_case(name)) {
            return fault(blob.span(), format!("{name} is a column of {} for something else", kind.name));
        }
    }
    Ok(Some(name.clone()))
}

/// The columns that a kind names.
fn columns(kind: &Kind) -> impl Iterator<Item = &str> {
    let places = kind.references.iter().map(|r| &r.at);
    let places = places.chain(kind.secrets.iter().map(|s| &s.at));
    let places = places.chain(kind.derived.iter().map(|d| &d.at));
    let places = places.chain(kind.local.iter().map(|l| &l.at));
    let places = places.chain(kind.merges.iter().map(|m| &m.at));
    let columns = places.filter_map(|at| at.column.as_deref());
    let columns = columns.chain(kind.id.as_ref().map(|id| id.column.as_str()));
    let columns = columns.chain(kind.body.as_deref());
    let columns = columns.chain(kind.key.iter().map(|k| k.column.as_str()));
    columns.chain(kind.rows.iter().map(|r| r.column.as_str()))
}
