//! `--prune`: what the target has and the source no longer does, where the bundle carries the source whole.
//!
//! For flows of one direction with a single source of truth. The bundle says what it carries as a whole
//! ([`Coverage`]); one that says so of nothing is refused. In doubt nothing is deleted: kinds of which the bundle has
//! no document, documents of scopes (spaces) that it has nothing of, scopes themselves, documents whose ids are
//! the same on every server, and what belongs to documents that stay because the bundle does not carry all of their kind.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::bundle::{Bundle, Coverage, Extent};
use crate::document::{Key, KindName, Value};
use crate::model::{Model, Target};
use crate::plan::{Action, Entry, Plan};
use crate::progress::Progress;
use crate::server::Reader;
use crate::tree::LACKING;

use super::referrers::find_referrers;
use super::relied::fingerprint;
use crate::ops::export::scope::scope_in;
use crate::ops::export::unreadable::UNREADABLE;
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::{Deletion, Examiner};
use crate::ops::import::work::Work;
use crate::ops::translate::{
    Existing, Followed, Id, Known, Layout, ServerSecrets, Vault, fetch, whole_table,
};

/// What of the source a bundle carries whole.
#[derive(Default)]
struct Whole {
    /// Kinds of which it has every document.
    kinds: HashSet<usize>,
    /// Kinds of which it has every document that belongs to an owner, with the owner's kind and its id in the target,
    /// in lower case.
    owners: BTreeSet<(usize, usize, String)>,
    /// Kinds of which it has every document of a scope, with the scope's key, folded.
    within: BTreeSet<(usize, String)>,
    /// Whether the bundle says of anything at all that it has it as a whole.
    stated: bool,
    /// The scopes that its documents are in, folded.
    scopes: HashSet<String>,
}

/// Adds to a plan what the target has too much of, and what forbids to delete it.
pub(in crate::ops) fn prune(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &mut Plan,
    mut work: Option<&mut Work>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let whole = Whole::of(bundle, examiner, progress)?;
    if !whole.stated {
        let why = bundle.notices()?.into_iter().find(|notice| LACKING.contains(&notice.code.as_str()));
        let why = why.map(|notice| format!(" ({})", notice.text)).unwrap_or_default();
        let problem = format!(
            "--prune deletes what the source no longer has, and the bundle does not say of any kind that it carries \
             all of it{why}"
        );
        examiner.find("", String::new(), problem);
        return Ok(());
    }
    let mut unreadable: BTreeMap<String, u64> = BTreeMap::new();
    for notice in bundle.notices()?.into_iter().filter(|notice| notice.code == UNREADABLE) {
        if let Some(kind) = notice.kind {
            *unreadable.entry(kind).or_default() += notice.count;
        }
    }
    for (kind, count) in unreadable {
        plan.notices.push(format!(
            "--prune deletes no {kind}: {count} of the source could not be read, and the bundle lacks them"
        ));
    }
    let layouts = examiner.layouts().clone();
    let mut entries: Vec<(Entry, Deletion)> = Vec::new();
    for layout in layouts.iter() {
        if Some(layout.index) == layouts.model.scope || !whole.answers_for(layout.index) {
            continue;
        }
        let (found, open) = superfluous(bundle, reader, examiner, layout, &whole, progress)?;
        let (mut rows, of_kept) = without_kept(bundle, reader, examiner, layout, &whole, found)?;
        rows.extend(owned(reader, examiner, layout, &whole, open)?);
        if of_kept > 0 {
            plan.notices.push(format!(
                "--prune leaves {of_kept} {} that the bundle does not have: what they belong to stays, since the bundle \
                 does not carry all of its kind",
                layout.kind.name
            ));
        }
        look(reader, examiner, layout, &rows, &mut entries, work.as_deref_mut(), progress)?;
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
        let place = |kind: &str| match model.target(&KindName::new(kind)) {
            Some(Target::Kind(kind)) => Some(kind),
            _ => None,
        };
        for Coverage { kind, extent } in bundle.coverage()? {
            let Some(kind) = place(&kind) else { continue };
            match extent {
                Extent::Part { .. } => continue,
                Extent::Whole { .. } => drop(whole.kinds.insert(kind)),
                Extent::Belonging { kind: owner, key } => {
                    let (Some(at), Ok(key)) = (place(&owner), Key::parse(&key)) else { continue };
                    let key = examiner.resettle.key(layouts, &KindName::new(&owner), key);
                    if Some(at) == model.scope {
                        whole.within.insert((kind, key.folded(model.collation)));
                    } else if let Some(Known::Found(Some(id))) = examiner.ids.get(Target::Kind(at), &key) {
                        whole.owners.insert((kind, at, id.to_string().to_lowercase()));
                    }
                }
            }
            whole.stated = true;
        }
        bundle.entries(None, &mut |entry| -> Result<(), ImportError> {
            progress.check()?;
            let key = examiner.resettle.key(layouts, &entry.kind, entry.key);
            if let Some(scope) = scope {
                let within = if scope.name == entry.kind { Some(&key) } else { scope_in(&scope.name, &key) };
                whole.scopes.extend(within.map(|key| key.folded(model.collation)));
            }
            Ok(())
        })?;
        // That a kind has no document at the source may also be because nobody may see them there.
        let has = |kind: &usize| {
            let name = model.kind_at(*kind).map(|kind| kind.name.as_str());
            bundle.info().kinds.iter().any(|found| Some(found.name.as_str()) == name)
        };
        whole.kinds.retain(has);
        Ok(whole)
    }

    /// Whether there is anything of a kind that may be deleted.
    fn answers_for(&self, kind: usize) -> bool {
        self.kinds.contains(&kind)
            || self.owners.iter().any(|(owned, ..)| *owned == kind)
            || self.within.iter().any(|(within, _)| *within == kind)
    }
}

/// Rows, with their keys.
type Named = Vec<(Id, Key)>;

/// The rows of a kind that answer no document of the bundle: those that it would have if they were at the source, and
/// those of which that depends on whom they belong to.
fn superfluous(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    whole: &Whole,
    progress: &dyn Progress,
) -> Result<(Named, Vec<Id>), ImportError> {
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
    let (mut found, mut undecided): (Named, Vec<Id>) = (Vec::new(), Vec::new());
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
        // What cannot be named cannot be shown either.
        for (id, key) in named(reader, examiner, layout, open)? {
            let within = scope.and_then(|scope| scope_in(scope, &key));
            let elsewhere = match within {
                Some(key) => !whole.scopes.contains(&key.folded(model.collation)),
                // What is the whole server's is not the business of documents that go into one scope of it.
                None => !examiner.options.into.is_empty(),
            };
            // What ids mean wherever they stand is there on every server.
            let everywhere = layout.is_meant(&key).is_some();
            if !elsewhere && !everywhere && !names.contains(&key.folded(model.collation)) {
                let within = within.map(|key| (layout.index, key.folded(model.collation)));
                let whole = whole.kinds.contains(&layout.index)
                    || within.is_some_and(|within| whole.within.contains(&within));
                match whole {
                    true => found.push((id, key)),
                    false => undecided.push(id),
                }
            }
        }
    }
    Ok((found, undecided))
}

/// Those of some rows that may go with the bundle's kind as a whole, and how many may not: they belong to documents
/// that the bundle lacks and that stay, since it does not carry all of their kind.
fn without_kept(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    whole: &Whole,
    rows: Named,
) -> Result<(Vec<Id>, u64), ImportError> {
    if rows.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let layouts = examiner.layouts().clone();
    let model = layouts.model;
    let scope = model.scope.and_then(|scope| model.kind_at(scope)).map(|kind| &kind.name);
    // Kinds whose documents stay, with those that the bundle has, which it answers for.
    let mut carried: BTreeMap<usize, HashSet<String>> = BTreeMap::new();
    for owner in layouts.iter().filter(|owner| !whole.kinds.contains(&owner.index)) {
        let known = carried.entry(owner.index).or_default();
        bundle.entries(Some(owner.kind.name.as_str()), &mut |entry| -> Result<(), ImportError> {
            let key = examiner.resettle.key(&layouts, &entry.kind, entry.key);
            known.insert(key.folded(model.collation));
            Ok(())
        })?;
    }
    let stays = |kind: usize, key: &Key| {
        // Of scopes it is known which the bundle answers for.
        let in_whole_scope = || {
            let within = scope.and_then(|scope| scope_in(scope, key));
            within.is_some_and(|within| whole.within.contains(&(kind, within.folded(model.collation))))
        };
        Some(kind) != model.scope
            && carried.get(&kind).is_some_and(|known| !known.contains(&key.folded(model.collation)))
            && !in_whole_scope()
    };
    let total = rows.len();
    let rows: Vec<Id> =
        rows.into_iter().filter(|(_, key)| !runs_through(model, key, &stays)).map(|(id, _)| id).collect();
    let mut free = Vec::with_capacity(rows.len());
    if layout.kind.with.is_empty() {
        free = rows;
    } else {
        // Not every owner is part of the key.
        fetch::<ImportError>(reader, layout, &rows, &mut |reader, ids, rows| {
            let followed = examiner.translation.follow(reader, layout.index, rows)?;
            for (id, references) in ids.into_iter().zip(followed) {
                let owners = references.iter().filter(|followed| layout.kind.with.contains(&followed.rule));
                let kept = |followed: &Followed| {
                    let named = examiner.translation.name(&[Target::Kind(followed.kind)], &followed.id);
                    named.is_some_and(|owner| {
                        stays(followed.kind, &owner.key) || runs_through(model, &owner.key, &stays)
                    })
                };
                if !owners.into_iter().any(kept) {
                    free.push(id);
                }
            }
            Ok(())
        })?;
    }
    let kept = total.saturating_sub(free.len()) as u64;
    Ok((free, kept))
}

/// Whether a key runs through a document of which something holds.
fn runs_through(model: &Model, key: &Key, holds: &dyn Fn(usize, &Key) -> bool) -> bool {
    key.parts().iter().any(|part| match part {
        Value::Ref(reference) => {
            let kind = model.target(&reference.kind).map(|target| target.kind());
            kind.is_some_and(|kind| holds(kind, &reference.key)) || runs_through(model, &reference.key, holds)
        }
        _ => false,
    })
}

/// The keys of some rows. Nothing refers to rows without ids, whose names nobody learns: they are read.
fn named(
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    layout: &Layout<'_>,
    rows: Vec<Id>,
) -> Result<Named, ImportError> {
    let target = Target::Kind(layout.index);
    if layout.id.is_some() {
        examiner.translation.learn(reader, rows.iter().map(|id| (target, id.clone())).collect())?;
        let name = |id: Id| examiner.translation.name(&[target], &id).map(|reference| (id, reference.key));
        return Ok(rows.into_iter().filter_map(name).collect());
    }
    let mut named = Vec::with_capacity(rows.len());
    fetch::<ImportError>(reader, layout, &rows, &mut |reader, _, rows| {
        let mut vault = Vault::new();
        let read = examiner.translation.read(reader, layout.index, rows, ServerSecrets::Mask, &mut vault)?;
        named.extend(read.into_iter().map(|portable| (portable.row, portable.document.key)));
        Ok(())
    })?;
    Ok(named)
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
    fetch::<ImportError>(reader, layout, &rows, &mut |reader, ids, rows| {
        let followed = examiner.translation.follow(reader, layout.index, rows)?;
        for (id, references) in ids.into_iter().zip(followed) {
            let belongs = references.iter().any(|followed| {
                let id = followed.id.to_string().to_lowercase();
                layout.kind.with.contains(&followed.rule)
                    && whole.owners.contains(&(layout.index, followed.kind, id))
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
    mut work: Option<&mut Work>,
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
                key: portable.document.key.clone(),
                action: Action::Delete,
                reason: Some("the source no longer has it".to_owned()),
                changes: Vec::new(),
                notes: Vec::new(),
                seen: Some(seen),
                result: None,
            };
            entries.push((entry, Deletion { number: 0, kind: layout.index, row: portable.row.clone() }));
            if let Some(work) = &mut work {
                work.add_deleted(layout, &Existing::from(portable), &examiner.vault)?;
            }
        }
        Ok(())
    })
}
