//! `plan`: what importing a bundle, or taking an import back, would do to a target.

pub(in crate::ops) mod back;
pub(in crate::ops) mod examine;
pub(in crate::ops) mod prune;
pub(in crate::ops) mod referrers;
pub(in crate::ops) mod relied;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::{Bundle, Notice};
use crate::document::{Key, KindName, Value};
use crate::model::{Duplicates, Missing, Model, NewPartId, Target};
use crate::plan::{Action, Change, Changed, Entry, Finding, Plan};
use crate::progress::Progress;
use crate::server::{Catalog, Reader};

use super::check::handover::told;
use super::request::choosing::{Chosen, hold_list};
use super::request::error::ImportError;
use super::request::options::{ImportOptions, Keys};
use super::resolve::examined::{Encoded, Examined};
use super::resolve::examiner::{Examiner, Handover};
use super::resolve::into::Resettle;
use super::resolve::misfits::find_misfits;
use super::resolve::unique::Clashes;
use super::work::Work;
use super::work::reads::Reads;
use crate::ops::rules::limits::LimitLosses;
use crate::ops::rules::maintenance;
use crate::ops::rules::needs::NEEDED;
use crate::ops::rules::omitted::Omitted;
use crate::ops::rules::product::product_version;
use crate::ops::rules::secret_losses::SecretLosses;
use crate::ops::translate::{Id, Ids, Known, Layouts, Translation, Vault};
use crate::ops::undo;
use crate::ops::undo::{Called, UndoRecord};

/// How many documents are examined together, at the most: small ones, since their weight counts too. Each batch
/// costs a server across a network a handful of round trips.
const BATCH: usize = 4096;

/// How many documents are looked for together. A table without an index on the key is passed over once for
/// each batch.
const IDENTIFY_BATCH: usize = 8192;

/// How many bytes of documents are examined together, about.
const BATCH_WEIGHT: usize = 4 << 20;

/// How many bytes of changes a plan keeps, about: far more than anybody reads. A target that differs everywhere
/// would otherwise be in memory as a whole.
const CHANGES_WEIGHT: usize = 8 << 20;

/// The room that a plan has left for changes.
struct Room(usize);

impl Room {
    /// Takes the changes of a document along while there is room, and then says how many there are.
    fn keep(&mut self, mut entry: Entry) -> Entry {
        let weight = |change: &Change| {
            let value = match &change.changed {
                Changed::Added(value) | Changed::Removed(value) => value.weight(),
                Changed::Replaced { old, new } => old.weight() + new.weight(),
                Changed::Secret | Changed::Order => 0,
            };
            value + 32 * (change.place.steps().len() + 2)
        };
        let mut kept = 0;
        for change in &entry.changes {
            let Some(rest) = self.0.checked_sub(weight(change)) else { break };
            self.0 = rest;
            kept += 1;
        }
        if kept < entry.changes.len() {
            let more = entry.changes.len() - kept;
            entry.notes.push(format!("{more} more places change than a plan of this size keeps"));
            entry.changes.truncate(kept);
            entry.changes.shrink_to_fit();
            // Whoever comes after does not fill the gap: what is shown is the beginning.
            self.0 = 0;
        }
        entry
    }
}

/// Plans an import: reads both sides and writes nothing.
///
/// # Errors
/// [`ImportError`], where one of the sides cannot be read. What merely forbids the import is in the plan's
/// findings.
pub fn plan(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    model: &Model,
    keys: Keys<'_>,
    options: ImportOptions,
    progress: &dyn Progress,
) -> Result<Plan, ImportError> {
    let required = options.require_maintenance;
    let (mut plan, _) = examine_all(bundle, reader, model, keys, options, Purpose::Import, None, progress)?;
    maintenance::look(reader, model, required, &mut plan)?;
    Ok(plan)
}

/// An import that is decided, and not carried out yet.
pub struct Decided<'d, 'm> {
    pub(in crate::ops) bundle: &'d Bundle,
    pub(in crate::ops) keys: Keys<'d>,
    pub(in crate::ops) options: ImportOptions,
    pub(in crate::ops) purpose: Purpose<'d>,
    pub(in crate::ops) plan: Plan,
    pub(in crate::ops) examiner: Examiner<'d, 'm>,
    /// What is written.
    pub(in crate::ops) work: Work,
    /// What the decisions rely on.
    pub(in crate::ops) reads: Reads,
    /// The tables that they rely on.
    pub(in crate::ops) catalog: Catalog,
}

impl Decided<'_, '_> {
    /// What the import would do.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many documents were decided on so far: each of them once, and what moved once more.
    pub fn decisions(&self) -> u64 {
        self.examiner.decisions
    }
}

/// Decides an import: reads both sides and writes nothing. [`Decided::carry_out`] does what was decided.
///
/// # Errors
/// As for [`plan`].
pub fn decide<'d, 'm>(
    bundle: &'d Bundle,
    reader: &mut dyn Reader,
    model: &'m Model,
    keys: Keys<'d>,
    options: ImportOptions,
    progress: &dyn Progress,
) -> Result<Decided<'d, 'm>, ImportError> {
    decide_for(bundle, reader, model, keys, options, Purpose::Import, progress)
}

/// Decides what an import does; says nothing of what the target does meanwhile.
pub(in crate::ops) fn decide_all<'d, 'm>(
    bundle: &'d Bundle,
    reader: &mut dyn Reader,
    model: &'m Model,
    keys: Keys<'d>,
    options: ImportOptions,
    purpose: Purpose<'d>,
    progress: &dyn Progress,
) -> Result<Decided<'d, 'm>, ImportError> {
    let (mut work, mut reads) = (Work::new()?, Reads::new()?);
    let catalog = reader.catalog().clone();
    let mut remembering = reads.of(reader);
    let kept = Some(&mut work);
    let (plan, examiner) =
        examine_all(bundle, &mut remembering, model, keys, options.clone(), purpose, kept, progress)?;
    reads.finish()?;
    Ok(Decided { bundle, keys, options, purpose, plan, examiner, work, reads, catalog })
}

pub(in crate::ops) fn decide_for<'d, 'm>(
    bundle: &'d Bundle,
    reader: &mut dyn Reader,
    model: &'m Model,
    keys: Keys<'d>,
    options: ImportOptions,
    purpose: Purpose<'d>,
    progress: &dyn Progress,
) -> Result<Decided<'d, 'm>, ImportError> {
    let required = options.require_maintenance;
    let mut decided = decide_all(bundle, reader, model, keys, options, purpose, progress)?;
    // What the product does meanwhile is another at every look.
    maintenance::look(reader, model, required, &mut decided.plan)?;
    Ok(decided)
}

/// Which way documents go.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) enum Purpose<'w> {
    /// From one server to another.
    Import,
    /// Into an empty server, each document under the id that it had.
    Copy,
    /// Back to what they were, as an undo file says.
    Undo(&'w UndoRecord),
}

/// Plans an import; `work` gets what is to be written.
#[allow(clippy::too_many_arguments, reason = "as `plan`, which way, and what is kept")]
pub(in crate::ops) fn examine_all<'x, 'm>(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    model: &'m Model,
    keys: Keys<'x>,
    options: ImportOptions,
    purpose: Purpose<'_>,
    mut work: Option<&mut Work>,
    progress: &dyn Progress,
) -> Result<(Plan, Examiner<'x, 'm>), ImportError> {
    if let Some(notice) = reader.notice() {
        progress.notice(notice);
    }
    let layouts = Layouts::new(model, reader.catalog())?;
    let mut examiner = Examiner {
        translation: Translation::of_some(layouts),
        strangers: HashMap::new(),
        skipped_parts: HashMap::new(),
        ids: Ids::new(model.collation),
        vault: Vault::new(),
        findings: Vec::new(),
        given: BTreeMap::new(),
        loose: HashSet::new(),
        options,
        handover: Handover::default(),
        resettle: Resettle::default(),
        skipped: HashMap::new(),
        omitted: Omitted::default(),
        called: Called::default(),
        chosen: Chosen::default(),
        exact: matches!(purpose, Purpose::Undo(_) | Purpose::Copy),
        noted: Vec::new(),
        refreshed: HashMap::new(),
        decisions: 0,
        deletions: Vec::new(),
        loose_values: Vec::new(),
        clashes: Some(Clashes::default()),
        secrets: keys.bundle,
        master_key: keys.master,
        seen_key: keys.seen,
    };
    let mut plan = Plan::default();
    check_sides(bundle, reader, model, &mut examiner, &mut plan, purpose)?;
    let notices = bundle.notices()?;
    // What the bundle needs is found in the target, or missed by name.
    let source: Vec<Notice> = notices.iter().filter(|notice| notice.code != NEEDED).cloned().collect();
    plan.source = told(&source);
    let into = &examiner.options.into;
    let resettled = Resettle::settle(bundle, reader, &examiner.translation.layouts, into, progress)?;
    examiner.resettle = resettled.resettle;
    plan.entries = resettled.entries;
    plan.notices.extend(resettled.notices);
    if !resettled.findings.is_empty() {
        // Where documents go is not known: what else could be found would be about the wrong ones.
        plan.findings = std::mem::take(&mut examiner.findings);
        plan.findings.extend(resettled.findings);
        return Ok((plan, examiner));
    }
    examiner.take_over(notices, reader)?;
    let named = |kind: &KindName, key| examiner.resettle.key(examiner.layouts(), kind, key);
    examiner.chosen = Chosen::of(bundle, &examiner.options, model, &named, progress)?;
    check_tables(bundle, reader, &mut examiner, &mut plan)?;
    match purpose {
        Purpose::Import | Purpose::Copy => identify(bundle, reader, &mut examiner, progress)?,
        Purpose::Undo(record) => back::identify(bundle, record, reader, &mut examiner, progress)?,
    }
    settle(bundle, reader, &mut examiner, progress)?;
    let info = bundle.info();
    progress.phase("comparing with the target", Some(info.documents));
    let mut room = Room(CHANGES_WEIGHT);
    let (mut losses, mut limits) = (SecretLosses::default(), LimitLosses::default());
    for kind in examining_order(model) {
        let Some(name) = examiner.layouts().at(kind).map(|layout| layout.kind.name.clone()) else { continue };
        let layout = examiner.layouts().at(kind).cloned();
        for_each_batch(bundle, name.as_str(), &mut |mut sources| {
            while !sources.is_empty() {
                progress.check()?;
                let open = sources.len();
                let examined = examiner.examine(reader, bundle, kind, &mut sources)?;
                for Examined { entry, document, existing, losses: lost, limits: unlimited } in examined {
                    losses.add(lost);
                    limits.add(unlimited);
                    if let (Some(work), Some(layout), true) = (&mut work, &layout, entry.action.writes()) {
                        work.add(layout, &entry, &document, existing.as_ref(), &examiner.vault)?;
                    }
                    plan.entries.push(room.keep(entry));
                }
                progress.advance((open - sources.len()) as u64, 0);
            }
            Ok(())
        })?;
    }
    let unfit = examiner.layouts().iter().filter(|layout| !layout.unfit_rows.is_empty()).filter(|layout| {
        plan.entries.iter().any(|entry| entry.action.writes() && entry.kind == layout.kind.name)
    });
    for text in unfit.flat_map(|layout| &layout.unfit_rows) {
        if !plan.notices.contains(text) {
            plan.notices.push(text.clone());
        }
    }
    note_unchecked(reader, &examiner, &mut plan);
    match purpose {
        Purpose::Undo(record) => {
            back::take_back(bundle, record, reader, &mut examiner, &mut plan, work, progress)?;
        }
        Purpose::Import if examiner.options.prune => {
            prune::prune(bundle, reader, &mut examiner, &mut plan, work, progress)?;
        }
        Purpose::Import | Purpose::Copy => {}
    }
    examiner.find_clashes(reader, &plan)?;
    find_misfits(reader, &mut examiner, &plan)?;
    examiner.find_loose_values();
    plan.notices.extend(losses.notices());
    plan.notices.extend(limits.notices());
    let omitted = std::mem::take(&mut examiner.omitted);
    omitted.report(examiner.options.omit_missing_columns, &mut examiner.findings, &mut plan.notices);
    examiner.add_notes(bundle, reader, &mut plan)?;
    examiner.look_at_created(bundle, &plan)?;
    examiner.look_at_unlisted(&plan);
    for Finding { kind, name, problem } in hold_list(&examiner.chosen, &plan, model.collation) {
        examiner.find(&kind, name, problem);
    }
    let faults = examiner.translation.finish()?;
    examiner.find_faults(&faults);
    examiner.take_faults();
    plan.entries.sort_by_key(|entry| entry.number);
    plan.findings.append(&mut examiner.findings);
    Ok((plan, examiner))
}

/// Notes unique indexes that only the server can hold what is written to, once a table.
fn note_unchecked(reader: &dyn Reader, examiner: &Examiner<'_, '_>, plan: &mut Plan) {
    for layout in examiner.layouts().iter() {
        let Some(table) = reader.catalog().table(&layout.table) else { continue };
        let written = |entry: &Entry| entry.action.writes() && entry.kind == layout.kind.name;
        if table.unchecked.is_empty() || !plan.entries.iter().any(written) {
            continue;
        }
        let list = table.unchecked.join(", ");
        let text = format!(
            "unique indexes of the target's table {} are not checked, and the server may refuse the import for them: {list}",
            table.name
        );
        if !plan.notices.contains(&text) {
            plan.notices.push(text);
        }
    }
}

/// Kinds whose parts are referred to come first: what parts the target will have must be known by then.
fn examining_order(model: &Model) -> Vec<usize> {
    let numbered = |kind: &usize| {
        let parts = model.kind_at(*kind).map(|k| k.parts.as_slice()).unwrap_or_default();
        !parts.iter().any(|part| matches!(part.new, NewPartId::Numbered(_)))
    };
    let mut order: Vec<usize> = (0..model.kinds().len()).collect();
    order.sort_by_key(numbered);
    order
}

fn check_sides(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    model: &Model,
    examiner: &mut Examiner<'_, '_>,
    plan: &mut Plan,
    purpose: Purpose<'_>,
) -> Result<(), ImportError> {
    if !matches!(purpose, Purpose::Undo(_)) && undo::is_undo(bundle.info()) {
        return Err(ImportError::IsUndo);
    }
    let info = bundle.info();
    let header = &info.header;
    if header.model != model.name {
        return Err(ImportError::OtherModel { bundle: header.model.clone(), model: model.name.clone() });
    }
    if header.model_digest != model.digest {
        plan.notices.push(format!(
            "the bundle was made with another version of the model {:?}; kinds may be described differently",
            model.name
        ));
    }
    let target = product_version(reader, model)?;
    if let (Some(theirs), Some(ours)) = (&header.product_version, &target)
        && theirs != ours
    {
        if examiner.options.ignore_version {
            plan.notices.push(format!("the bundle is of {} {theirs}, the target is {ours}", model.title));
        } else {
            examiner.find(
                "",
                String::new(),
                format!("the bundle is of {} {theirs}, the target is {ours}", model.title),
            );
        }
    }
    for kind in &info.kinds {
        match model.kind(&kind.name) {
            None if undo::is_ours(&kind.name) => {}
            None => examiner.find(&kind.name, String::new(), "the model does not know this kind"),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Looks whether the target has the tables of what is taken. Documents that are left out need none.
fn check_tables(
    bundle: &Bundle,
    reader: &dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &mut Plan,
) -> Result<(), ImportError> {
    let model = examiner.model();
    for (index, kind) in model.kinds().iter().enumerate() {
        // A target without scopes is a matter of where documents go.
        if model.scope == Some(index) || examiner.layouts().at(index).is_some() {
            continue;
        }
        let mut taken = false;
        bundle.entries(Some(kind.name.as_str()), &mut |entry| -> Result<(), ImportError> {
            let Some(reason) = examiner.chosen.leaves_out(entry.number) else {
                taken = true;
                return Ok(());
            };
            plan.entries.push(Entry {
                number: entry.number,
                key: examiner.resettle.key(examiner.layouts(), &entry.kind, entry.key),
                kind: entry.kind,
                action: Action::Skip,
                reason: Some(reason.to_owned()),
                changes: Vec::new(),
                notes: Vec::new(),
                seen: None,
                result: None,
            });
            Ok(())
        })?;
        if taken {
            let (table, name) = (&kind.table, &kind.name);
            let problem = match reader.catalog().table(table) {
                Some(_) => format!(
                    "the target's table {table} lacks columns that the model needs; --except {name} leaves these documents out"
                ),
                None => {
                    format!("the target has no table {table}; --except {name} leaves these documents out")
                }
            };
            examiner.find(name.as_str(), String::new(), problem);
        }
    }
    Ok(())
}

/// Finds documents of all kinds together, as far as the target has what their keys run through: few documents are then
/// found in few requests, and kind by kind there is little left to ask for.
fn find_together(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let mut keys: Vec<(Target, Key)> = Vec::new();
    bundle.entries(None, &mut |entry| {
        let target = layouts.model.target(&entry.kind).filter(|target| layouts.at(target.kind()).is_some());
        if let Some(target @ Target::Kind(_)) = target
            && !examiner.resettle.leaves_out(&entry)
        {
            keys.push((target, examiner.resettle.key(&layouts, &entry.kind, entry.key)));
        }
        Ok::<(), ImportError>(())
    })?;
    let mut wanted: BTreeMap<Target, Vec<&Key>> = BTreeMap::new();
    keys.iter().for_each(|(target, key)| wanted.entry(*target).or_default().push(key));
    Ok(examiner.ids.find_within(reader, &layouts, &wanted)?)
}

/// Finds which documents of the bundle the target has.
fn identify(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let model = layouts.model;
    progress.phase("finding documents in the target", Some(bundle.info().documents));
    if bundle.info().documents <= IDENTIFY_BATCH as u64 {
        find_together(bundle, reader, examiner)?;
    }
    for kind in model.key_order() {
        let (Some(layout), Some(rule)) = (layouts.at(*kind), model.kind_at(*kind)) else { continue };
        let target = Target::Kind(*kind);
        let mut twins: HashSet<String> = HashSet::new();
        let mut batch: Vec<(u64, Key)> = Vec::new();
        let mut fixed: Vec<(Key, Id)> = Vec::new();
        let mut ambiguous = Vec::new();
        let mut look =
            |batch: &mut Vec<(u64, Key)>, examiner: &mut Examiner<'_, '_>| -> Result<(), ImportError> {
                progress.check()?;
                let keys: Vec<&Key> = batch.iter().map(|(_, key)| key).collect();
                examiner.ids.find(reader, &layouts, target, &keys)?;
                for (number, key) in batch.iter() {
                    let left = examiner.chosen.leaves_out(*number).is_some();
                    if !left && examiner.ids.get(target, key) == Some(Known::Absent) {
                        examiner.ids.set(target, key, Known::Planned);
                    }
                }
                progress.advance(keys.len() as u64, 0);
                batch.clear();
                Ok(())
            };
        bundle.entries(Some(rule.name.as_str()), &mut |mut entry| {
            if examiner.resettle.leaves_out(&entry) {
                return Ok(());
            }
            entry.key = examiner.resettle.key(&layouts, &entry.kind, entry.key);
            // The first of several documents of one key has no number.
            let numbered = matches!(entry.key.parts().last(), Some(Value::Int(_)))
                && entry.key.parts().len() > layout.key_len();
            let shaped = match layout.beyond(&entry.key) {
                Some((_, ordinal)) if numbered => ordinal >= 2 && rule.duplicates == Duplicates::Number,
                beyond => beyond.is_some(),
            };
            if !shaped {
                let problem = "its key has another shape than the target's: it comes from another generation of the product";
                examiner.find(rule.name.as_str(), entry.key.path(), problem);
            }
            if !twins.insert(entry.key.folded(model.collation)) {
                ambiguous.push(entry.key.path());
            }
            let is_fixed = |id: &Id| layout.kind.id.as_ref().is_some_and(|rule| rule.is_fixed(&id.to_string()));
            fixed.extend(Id::of(&entry.id).filter(is_fixed).map(|id| (entry.key.clone(), id)));
            batch.push((entry.number, entry.key));
            if batch.len() >= IDENTIFY_BATCH { look(&mut batch, examiner) } else { Ok(()) }
        })?;
        look(&mut batch, examiner)?;
        // An id that is the same on every server is the same document, whatever it is called there; unless
        // the bundle has another document of that name.
        let open = [Known::Planned, Known::Absent];
        fixed.retain(|(key, _)| examiner.ids.get(target, key).is_some_and(|known| open.contains(&known)));
        let wanted = fixed.iter().map(|(_, id)| (target, id.clone())).collect();
        examiner.translation.learn(reader, wanted)?;
        let mut bound: HashSet<String> = HashSet::new();
        for (key, id) in fixed {
            let theirs = examiner.translation.name(&[target], &id);
            let theirs = theirs.filter(|theirs| examiner.resettle.at_home(model, *kind, &key, &theirs.key));
            let free = theirs.is_some_and(|theirs| !twins.contains(&theirs.key.folded(model.collation)));
            if free && bound.insert(id.to_string().to_lowercase()) {
                examiner.ids.set(target, &key, Known::Found(Some(id)));
            }
        }
        for name in ambiguous {
            examiner.find(rule.name.as_str(), name, "the bundle has several documents of this name");
        }
    }
    Ok(())
}

/// Settles which documents the import leaves out for want of others, until no more are.
fn settle(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let model = examiner.layouts().model;
    let skips = |kind: &usize| {
        let rules = model.kind_at(*kind).map(|kind| kind.references.as_slice()).unwrap_or_default();
        rules.iter().any(|rule| rule.missing == Missing::Skip || rule.limits.is_some())
    };
    let kinds: Vec<usize> = model.key_order().iter().copied().filter(skips).collect();
    let mut open = !kinds.is_empty();
    // After the first pass, what depends on other documents of the bundle.
    let mut waiting: Option<HashSet<u64>> = None;
    while std::mem::take(&mut open) {
        let mut still: HashSet<u64> = HashSet::new();
        for kind in &kinds {
            let Some(name) = model.kind_at(*kind).map(|kind| kind.name.as_str()) else { continue };
            for_each_batch(bundle, name, &mut |encoded| {
                progress.check()?;
                let mut sources = Vec::new();
                let waits = |number| waiting.as_ref().is_none_or(|waiting| waiting.contains(&number));
                let looked_at =
                    |one: &Encoded| waits(one.entry.number) && examiner.is_open(*kind, &one.entry);
                for one in encoded.into_iter().filter(looked_at) {
                    let mut source = one.decode(bundle)?;
                    examiner.resettle.source(examiner.layouts(), &mut source);
                    sources.push(source);
                }
                open |= examiner.settle(reader, *kind, &sources, &mut still)?;
                Ok(())
            })?;
        }
        open &= !still.is_empty();
        waiting = Some(still);
    }
    Ok(())
}

/// Hands out the documents of a kind in batches.
pub(in crate::ops) fn for_each_batch(
    bundle: &Bundle,
    kind: &str,
    see: &mut dyn FnMut(Vec<Encoded>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut batch: Vec<Encoded> = Vec::new();
    let mut weight = 0;
    bundle.scan_encoded(Some(kind), &mut |entry, bytes| {
        weight += bytes.len() + 256;
        batch.push(Encoded { entry, bytes: bytes.to_vec() });
        if batch.len() >= BATCH || weight >= BATCH_WEIGHT {
            weight = 0;
            see(std::mem::take(&mut batch))
        } else {
            Ok(())
        }
    })?;
    if batch.is_empty() { Ok(()) } else { see(batch) }
}
