//! An import on its way back: documents found by their rows, what moved since found out, what was made deleted.

use std::collections::HashSet;

use crate::bundle::Bundle;
use crate::document::{Key, KindName, Reference, Value};
use crate::model::Target;
use crate::plan::{Action, Entry, Plan};
use crate::progress::Progress;
use crate::server::Reader;

use super::referrers::find_referrers;
use super::relied::fingerprint;
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::{Deletion, Examiner};
use crate::ops::import::work::Work;
use crate::ops::translate::{Existing, Id, Known, Layout, Raw};
use crate::ops::undo::left::{Left, Now, folded, refilled};
use crate::ops::undo::record::{Change, UndoRecord, Wrote};

/// Finds the documents of an undo file in the target by their rows.
pub(in crate::ops) fn identify(
    bundle: &Bundle,
    record: &UndoRecord,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let model = layouts.model;
    let touched: HashSet<(&KindName, String)> =
        record.changes().iter().map(|c| (&c.document.kind, c.row.to_string().to_lowercase())).collect();
    progress.phase("finding documents in the target", Some(bundle.info().documents));
    for kind in model.key_order() {
        let Some(layout) = layouts.at(*kind) else { continue };
        let (target, name) = (Target::Kind(*kind), &layout.kind.name);
        let mut keys: Vec<(Key, Value)> = Vec::new();
        bundle.entries(Some(name.as_str()), &mut |entry| -> Result<(), ImportError> {
            progress.check()?;
            keys.push((entry.key, entry.id));
            Ok(())
        })?;
        if keys.is_empty() {
            continue;
        }
        let named: Vec<&Key> = keys.iter().map(|(key, _)| key).collect();
        examiner.ids.find(reader, &layouts, target, &named)?;
        let rows: Vec<Id> = keys.iter().filter_map(|(_, id)| Id::of(id)).collect();
        let mut there: HashSet<String> = HashSet::new();
        if layout.id.is_some() {
            fetch_ids(reader, layout, &rows, &mut there)?;
        }
        for (key, id) in &keys {
            let known = examiner.ids.get(target, key);
            let own = Id::of(id).filter(|id| there.contains(&id.to_string().to_lowercase()));
            match (known, own) {
                // Of a kind without ids it is the name that names the row.
                (Some(Known::Found(None)), _) => {}
                (known, Some(own)) => {
                    stranger(examiner, layout, key, known, &own, &touched);
                    examiner.ids.set(target, key, Known::Found(Some(own)));
                }
                (Some(Known::Found(Some(other))), None) => {
                    let gone = Id::Text(String::new());
                    stranger(examiner, layout, key, Some(Known::Found(Some(other))), &gone, &touched);
                    examiner.ids.set(target, key, Known::Planned);
                }
                (_, None) => examiner.ids.set(target, key, Known::Planned),
            }
        }
        progress.advance(keys.len() as u64, 0);
    }
    Ok(())
}

/// Finds it wrong that somebody else has the name that a document gets back.
fn stranger(
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    key: &Key,
    known: Option<Known>,
    own: &Id,
    touched: &HashSet<(&KindName, String)>,
) {
    let Some(Known::Found(Some(other))) = known else { return };
    let (other, own) = (other.to_string().to_lowercase(), own.to_string().to_lowercase());
    let name = &layout.kind.name;
    if other != own && !touched.contains(&(name, other.clone())) {
        examiner.find(name.as_str(), key.path(), format!("another document has its name by now: {other}"));
    }
}

fn fetch_ids(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    rows: &[Id],
    there: &mut HashSet<String>,
) -> Result<(), ImportError> {
    let Some(column) = &layout.id else { return Ok(()) };
    let columns = [column.as_str()];
    let keys: Vec<Vec<Value>> = rows.iter().map(|id| vec![id.to_value()]).collect();
    for keys in keys.chunks(8192) {
        let lookup = crate::server::Lookup { table: &layout.table, columns: &columns, by: &columns, keys };
        reader.lookup(&lookup, &mut |_, row| {
            there.extend(row.first().and_then(Id::of).map(|id| id.to_string().to_lowercase()));
        })?;
    }
    Ok(())
}

/// Compares what the import left with what is there, and adds what is to be deleted to the plan.
pub(in crate::ops) fn take_back(
    bundle: &Bundle,
    record: &UndoRecord,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &mut Plan,
    mut work: Option<&mut Work>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    const CHANGED: &str = "was changed since the import";
    let layouts = examiner.layouts().clone();
    let model = layouts.model;
    let mut problems: Vec<(KindName, Key, &str)> = Vec::new();
    let mut compared: HashSet<u64> = HashSet::new();
    for entry in &plan.entries {
        let Some(change) = record.of(&entry.kind, &entry.key, model.collation) else { continue };
        let problem = match (change.wrote, entry.action) {
            (Wrote::Changed, Action::Create) => "was deleted since the import",
            (Wrote::Deleted, Action::Update | Action::Merge) => "is there again, otherwise, since the import",
            (Wrote::Changed, action) if action.writes() => {
                compared.insert(change.number);
                continue;
            }
            _ => continue,
        };
        problems.push((entry.kind.clone(), entry.key.clone(), problem));
    }
    for change in record.created() {
        let Reference { kind, key } = &change.document;
        match model.target(kind) {
            Some(Target::Kind(index)) if layouts.at(index).is_some() => {
                compared.insert(change.number);
            }
            _ => problems.push((kind.clone(), key.clone(), "the target has no table for it any more")),
        }
    }
    let refilled = refilled(bundle, reader, &layouts, progress)?;
    let seen_key = examiner.seen_key;
    let keys = (examiner.secrets, examiner.master_key);
    let mut left = Left::new(bundle, keys, &mut examiner.translation, &mut examiner.vault)?;
    let mut deletions = Vec::new();
    let wanted = |change: &Change| compared.contains(&change.number);
    let mut see = |kind: usize, change: Change, now: Now<'_>| -> Result<(), ImportError> {
        let Reference { kind: name, key } = &change.document;
        let created = change.wrote == Wrote::Created;
        match now {
            Now::There { document, vault, differs } => {
                let row = layouts.at(kind).map(|layout| folded(layout, &change.row)).unwrap_or_default();
                if differs || created && refilled.contains(&(name.clone(), row)) {
                    problems.push((name.clone(), key.clone(), CHANGED));
                }
                if created {
                    let mut entry = deletion(&change, Action::Delete);
                    entry.seen = Some(fingerprint(document, vault, seen_key)?);
                    plan.entries.push(entry);
                    if let (Some(work), Some(layout)) = (&mut work, layouts.at(kind)) {
                        let (document, row) = (document.clone(), change.row.clone());
                        work.add_deleted(layout, &Existing { document, raw: Raw::default(), row }, vault)?;
                    }
                    deletions.push(Deletion { number: change.number, kind, row: change.row });
                }
            }
            Now::Gone if created => {
                let mut entry = deletion(&change, Action::Unchanged);
                entry.reason = Some("it is gone already".to_owned());
                plan.entries.push(entry);
            }
            // The plan says that one is created, and faults are named with the others.
            Now::Gone | Now::Unread => {}
        }
        Ok(())
    };
    left.compare(reader, &wanted, &mut see, progress)?;
    examiner.deletions.extend(deletions);
    problems.sort_by_key(|(kind, ..)| model.target(kind).map(|target| target.kind()));
    for (kind, key, problem) in problems {
        examiner.find(kind.as_str(), key.path(), problem);
    }
    find_referrers(reader, examiner, plan, progress)
}

fn deletion(change: &Change, action: Action) -> Entry {
    let Reference { kind, key } = change.document.clone();
    let reason = None;
    Entry {
        number: change.number,
        kind,
        key,
        action,
        reason,
        changes: Vec::new(),
        notes: Vec::new(),
        seen: None,
        result: None,
    }
}
