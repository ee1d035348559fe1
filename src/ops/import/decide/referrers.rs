//! Who in the target refers to documents that are to be deleted: nothing may be left that leads nowhere.

use std::collections::{HashMap, HashSet};

use crate::document::Reference;
use crate::model::Target;
use crate::plan::{Action, Plan};
use crate::progress::Progress;
use crate::server::Reader;

use crate::ops::import::check::foreign::find_outside_referrers;
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::Examiner;
use crate::ops::translate::{Id, Known, Translation, for_each_page};

/// How many documents that refer are named.
const NAMED: usize = 1000;

fn folded(id: &Id) -> String {
    id.to_string().to_lowercase()
}

/// Finds every document of the target that refers to one that is to be deleted, and is neither deleted nor
/// written itself: the work must not leave it dangling. Reads the tables of all kinds that may refer.
pub(in crate::ops) fn find_referrers(
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &mut Plan,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    if examiner.deletions.is_empty() {
        return Ok(());
    }
    find_outside_referrers(reader, examiner, plan)?;
    let layouts = examiner.layouts().clone();
    let model = layouts.model;
    let deleted: HashSet<(usize, String)> =
        examiner.deletions.iter().map(|d| (d.kind, folded(&d.row))).collect();
    let names: HashMap<u64, &crate::plan::Entry> = plan.entries.iter().map(|e| (e.number, e)).collect();
    let named = |kind: usize, id: &Id| {
        let deletion = examiner.deletions.iter().find(|d| d.kind == kind && folded(&d.row) == folded(id));
        let entry = deletion.and_then(|d| names.get(&d.number));
        entry.map_or_else(|| id.to_string(), |entry| format!("{} {}", entry.kind, entry.key))
    };
    let mut settled = deleted.clone();
    for entry in plan.entries.iter().filter(|e| e.action.writes() && e.action != Action::Delete) {
        if let Some(target @ Target::Kind(kind)) = model.target(&entry.kind)
            && let Some(Known::Found(Some(id))) = examiner.ids.get(target, &entry.key)
        {
            settled.insert((kind, folded(&id)));
        }
    }
    let kinds: HashSet<usize> = examiner.deletions.iter().map(|deletion| deletion.kind).collect();
    let mut translation = Translation::of_some(layouts.clone());
    let mut found: Vec<(usize, Id, String)> = Vec::new();
    let mut more = 0_u64;
    for layout in layouts.iter() {
        let leads = |target: &Target| kinds.contains(&target.kind());
        if !layout.kind.references.iter().any(|rule| rule.to.iter().any(leads)) {
            continue;
        }
        let rows = reader.count(&layout.table)?;
        progress.phase(format!("looking for references in {}", layout.kind.name), Some(rows));
        for_each_page::<ImportError>(reader, layout, &mut |reader, ids, rows| {
            progress.check()?;
            progress.advance(ids.len() as u64, 0);
            let followed = translation.follow(reader, layout.index, rows)?;
            for (id, references) in ids.into_iter().zip(followed) {
                if settled.contains(&(layout.index, folded(&id))) {
                    continue;
                }
                let hit = references.iter().find(|f| deleted.contains(&(f.kind, folded(&f.id))));
                let Some(hit) = hit else { continue };
                match found.len() < NAMED {
                    true => found.push((layout.index, id, named(hit.kind, &hit.id))),
                    false => more += 1,
                }
            }
            Ok(())
        })?;
    }
    let faults = translation.take_faults();
    if !faults.is_empty() {
        plan.notices.push(format!("rows that cannot be read may refer to what would be deleted: {faults}"));
    }
    let wanted = found.iter().map(|(kind, id, _)| (Target::Kind(*kind), id.clone())).collect();
    translation.learn(reader, wanted)?;
    for (kind, id, to) in found {
        let Some(layout) = layouts.at(kind) else { continue };
        let name = translation.name(&[Target::Kind(kind)], &id);
        let name = name.map_or_else(|| id.to_string(), |Reference { key, .. }| key.path());
        let problem = format!("refers to {to}, which would be deleted");
        examiner.find(layout.kind.name.as_str(), name, problem);
    }
    if more > 0 {
        examiner.find("", String::new(), format!("{more} more documents refer to what would be deleted"));
    }
    Ok(())
}
