//! `--prune`: what the target has and the source no longer does, where the bundle carries the source whole.
//!
//! For flows of one direction with a single source of truth. What counts as whole is read from the reasons that
//! the bundle gives for its documents, and in doubt nothing is deleted: kinds of which the bundle has no document,
//! documents of scopes (spaces) that it has nothing of, scopes themselves, documents whose ids are the same on
//! every server, and versions, which an export may have chosen among.

use std::collections::{HashMap, HashSet};

use crate::bundle::{Bundle, Reason};
use crate::document::{Key, KindName};
use crate::model::Target;
use crate::plan::{Action, Entry, Plan};
use crate::progress::Progress;
use crate::server::Reader;

use super::ImportError;
use super::examine::Examiner;
use super::relied::fingerprint;
use super::salvage::SALVAGED;
use super::scope::scope_in;
use super::select::fetch;
use super::translate::{Id, Known, Layout, ServerSecrets, Vault, whole_table};
use super::undo::{Deletion, find_referrers};

/// What of the source a bundle carries whole.
#[derive(Default)]
struct Whole {
    /// Kinds of which it has every document.
    kinds: HashSet<usize>,
    /// Kinds of which it has every document that belongs to an owner, with the kinds of the owners.
    belonging: HashMap<usize, HashSet<usize>>,
    /// The owners' ids in the target, in lower case.
    owners: HashSet<(usize, String)>,
    /// The scopes that its documents are in, folded.
    scopes: HashSet<String>,
}

/// Adds to a plan what the target has too much of, and what forbids to delete it.
pub(super) fn prune(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &mut Plan,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    if bundle.notices()?.iter().any(|notice| notice.code == SALVAGED) {
        let problem =
            "the bundle was salvaged from a damaged one: what it lacks may have been lost, and is not pruned";
        examiner.find("", String::new(), problem);
        return Ok(());
    }
    let whole = Whole::of(bundle, examiner, progress)?;
    let layouts = examiner.layouts().clone();
    let mut entries: Vec<(Entry, Deletion)> = Vec::new();
    for layout in layouts.iter() {
        let by_owner = layout.kind.version.is_none() && whole.belonging.contains_key(&layout.index);
        if Some(layout.index) == layouts.model.scope || !(by_owner || whole.kinds.contains(&layout.index)) {
            continue;
        }
        let mut rows = superfluous(bundle, reader, examiner, layout, &whole, progress)?;
        if !whole.kinds.contains(&layout.index) {
            rows = owned(reader, examiner, layout, &whole, rows)?;
        }
        look(reader, examiner, layout, &rows, &mut entries, progress)?;
    }
    let order = |entry: &Entry| (entry.kind.as_str().to_owned(), entry.key.to_text());
    entries.sort_by_cached_key(|(entry, _)| order(entry));
    let count = entries.len();
    for (number, (mut entry, mut deletion)) in (bundle.info().documents + 1..).zip(entries) {
        (entry.number, deletion.number) = (number, number);
        plan.entries.push(entry);
        examiner.deletions.push(deletion);
    }
    if count > 0 {
        let documents = if count == 1 { "document" } else { "documents" };
        plan.notices.push(format!(
            "{count} {documents} of the target that the bundle does not have would be DELETED (--prune)"
        ));
    }
    find_referrers(reader, examiner, plan, progress)
}

impl Whole {
    fn of(
        bundle: &Bundle,
        examiner: &Examiner<'_, '_>,
        progress: &dyn Progress,
    ) -> Result<Self, ImportError> {
        let layouts = examiner.layouts();
        let model = layouts.model;
        let scope = model.scope.and_then(|scope| model.kind_at(scope));
        let mut whole = Self::default();
        let place = |kind: &KindName| match model.target(kind) {
            Some(Target::Kind(kind)) => Some(kind),
            _ => None,
        };
        bundle.entries(None, &mut |entry| -> Result<(), ImportError> {
            progress.check()?;
            let Some(kind) = place(&entry.kind) else { return Ok(()) };
            let key = examiner.resettle.key(layouts, &entry.kind, entry.key);
            if let Some(scope) = scope {
                let within = if scope.name == entry.kind { Some(&key) } else { scope_in(&scope.name, &key) };
                whole.scopes.extend(within.map(|key| key.folded(model.collation)));
            }
            let mut own = |kind: usize, key: &Key| {
                if let Some(Known::Found(Some(id))) = examiner.ids.get(Target::Kind(kind), key) {
                    whole.owners.insert((kind, id.to_string().to_lowercase()));
                }
            };
            match entry.reason {
                Reason::All => {
                    whole.kinds.insert(kind);
                    return Ok(());
                }
                Reason::Named => own(kind, &key),
                Reason::BelongsTo { kind: owner, key: theirs, .. } => {
                    own(kind, &key);
                    let Some(owner_kind) = place(&owner) else { return Ok(()) };
                    own(owner_kind, &examiner.resettle.key(layouts, &owner, theirs));
                    whole.belonging.entry(kind).or_default().insert(owner_kind);
                }
                // Who needs it may have been quicker than whom it belongs to; what belongs to it may be missing.
                Reason::NeededBy { .. } => {}
            }
            // That a document of the kind is here at all says that the kind was not left out.
            if let Some(rule) = model.kind_at(kind) {
                let with = rule.with.iter().filter_map(|at| rule.references.get(*at));
                let owners = with.flat_map(|rule| &rule.to).map(|target| target.kind());
                whole.belonging.entry(kind).or_default().extend(owners);
            }
            Ok(())
        })?;
        Ok(whole)
    }
}

/// The rows of a kind that answer no document of the bundle.
fn superfluous(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    whole: &Whole,
    progress: &dyn Progress,
) -> Result<Vec<Id>, ImportError> {
    let layouts = examiner.layouts().clone();
    let model = layouts.model;
    let (target, name) = (Target::Kind(layout.index), &layout.kind.name);
    let scope = model.scope.and_then(|scope| model.kind_at(scope)).map(|kind| &kind.name);
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    bundle.entries(Some(name.as_str()), &mut |entry| -> Result<(), ImportError> {
        let key = examiner.resettle.key(&layouts, &entry.kind, entry.key);
        if let Some(Known::Found(Some(id))) = examiner.ids.get(target, &key) {
            ids.insert(id.to_string().to_lowercase());
        }
        names.insert(key.folded(model.collation));
        Ok(())
    })?;
    let naming = layout.naming_columns();
    let head: Vec<&str> = match &layout.id {
        Some(id) => vec![id.as_str()],
        None => layout.order.iter().map(String::as_str).collect(),
    };
    let columns: Vec<&str> = head.iter().copied().chain(naming).collect();
    let mut table = whole_table(reader, layout, &columns)?;
    progress.phase(format!("looking for {name} to delete"), Some(table.rows()));
    let mut found: Vec<Id> = Vec::new();
    while let Some(rows) = table.next_page(reader)? {
        progress.check()?;
        progress.advance(rows.len() as u64, 0);
        let rows: Vec<Id> = rows
            .iter()
            .filter_map(|row| {
                let (own, naming) = row.split_at_checked(head.len())?;
                let at = |column: &str| own.get(head.iter().position(|name| *name == column)?).cloned();
                let id = layout.named_by(at);
                // Rows of the table may be documents of another kind.
                layout.raw_key(&id, naming).map(|_| id)
            })
            .collect();
        let fixed = |id: &Id| layout.kind.id.as_ref().is_some_and(|rule| rule.is_fixed(&id.to_string()));
        let open: Vec<Id> = rows
            .into_iter()
            .filter(|id| !fixed(id) && !ids.contains(&id.to_string().to_lowercase()))
            .collect();
        examiner.translation.learn(reader, open.iter().map(|id| (target, id.clone())).collect())?;
        for id in open {
            // What cannot be named cannot be shown either.
            let Some(reference) = examiner.translation.name(&[target], &id) else { continue };
            let within = scope.and_then(|scope| scope_in(scope, &reference.key));
            let elsewhere = match within {
                Some(key) => !whole.scopes.contains(&key.folded(model.collation)),
                // What is the whole server's is not the business of documents that go into one scope of it.
                None => !examiner.options.into.is_empty(),
            };
            if !elsewhere && !names.contains(&reference.key.folded(model.collation)) {
                found.push(id);
            }
        }
    }
    Ok(found)
}

/// Those of some rows that belong to an owner that the bundle carries whole.
fn owned(
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    whole: &Whole,
    rows: Vec<Id>,
) -> Result<Vec<Id>, ImportError> {
    let mut owned = Vec::new();
    let kinds = whole.belonging.get(&layout.index);
    fetch::<ImportError>(reader, layout, &rows, &mut |reader, ids, rows| {
        let followed = examiner.translation.follow(reader, layout.index, rows)?;
        for (id, references) in ids.into_iter().zip(followed) {
            let belongs = references.iter().any(|followed| {
                layout.kind.with.contains(&followed.rule)
                    && kinds.is_some_and(|kinds| kinds.contains(&followed.kind))
                    && whole.owners.contains(&(followed.kind, followed.id.to_string().to_lowercase()))
            });
            if belongs {
                owned.push(id);
            }
        }
        Ok(())
    })?;
    Ok(owned)
}

/// Looks at what is to be deleted, so that the plan says what it relied on.
fn look(
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    rows: &[Id],
    entries: &mut Vec<(Entry, Deletion)>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let collation = examiner.model().collation;
    let blind = Vault::new();
    fetch::<ImportError>(reader, layout, rows, &mut |reader, _, rows| {
        progress.check()?;
        examiner.vault.clear();
        let secrets = ServerSecrets::Read(examiner.master_key);
        let read = examiner.translation.read(reader, layout.index, rows, secrets, &mut examiner.vault)?;
        for portable in read {
            let (kind, key) = (layout.kind.name.as_str(), &portable.document.key);
            if !examiner.chosen.deletes(&examiner.options, kind, key, collation) {
                continue;
            }
            let vault = if examiner.options.blind { &blind } else { &examiner.vault };
            let seen = fingerprint(&portable.document, vault, examiner.seen_key)?;
            let entry = Entry {
                number: 0,
                kind: layout.kind.name.clone(),
                key: portable.document.key,
                action: Action::Delete,
                reason: Some("the source no longer has it".to_owned()),
                changes: Vec::new(),
                notes: Vec::new(),
                seen: Some(seen),
            };
            entries.push((entry, Deletion { number: 0, kind: layout.index, row: portable.row }));
        }
        Ok(())
    })
}
