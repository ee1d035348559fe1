//! Ids of what an import creates: from the product's own allocation, within the transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::Bundle;
use crate::document::{KindName, Reference, Value};
use crate::model::{Duplicates, IdRule, Model, NewId, NewPartId, Target};
use crate::plan::{Action, Plan};
use crate::server::{Lookup, Transaction};

use super::inserts::Numbers;
use super::written::Written;
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::Examiner;
use crate::ops::import::resolve::identity::numbered_parts;
use crate::ops::import::resolve::misfits::{last_counted, misfit};
use crate::ops::import::work::{Work, Write};
use crate::ops::translate::{Id, Known, Layout, TranslateError};

/// How many documents are looked at together, and how many bytes of them, about.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;

/// Gives every document that is created its id in the target.
pub(in crate::ops) fn allocate(
    bundle: &Bundle,
    transaction: &mut dyn Transaction,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
    numbers: &mut Numbers,
    written: &mut Written,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let mut counts = Counts::default();
    let mut given_out = GivenOut::of(examiner);
    let mut created: HashMap<&KindName, Vec<u64>> = HashMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.action == Action::Create) {
        created.entry(&entry.kind).or_default().push(entry.number);
    }
    let keys: HashMap<u64, &crate::plan::Entry> =
        plan.entries.iter().map(|entry| (entry.number, entry)).collect();
    for kind in layouts.model.key_order() {
        let Some(layout) = layouts.at(*kind) else { continue };
        let Some(mut created) = created.remove(&layout.kind.name) else { continue };
        let target = Target::Kind(*kind);
        // Documents of one key are numbered in the order of their ids: the next read must number them so again.
        if layout.kind.duplicates == Duplicates::Number {
            let ordinal = |entry: &&crate::plan::Entry| layout.beyond(&entry.key).map(|(_, ordinal)| ordinal);
            created.sort_by_key(|number| keys.get(number).and_then(ordinal).unwrap_or(1));
        }
        let Some(rule) = &layout.kind.id else {
            for entry in created.iter().filter_map(|n| keys.get(n)) {
                examiner.ids.set(target, &entry.key, Known::Found(None));
            }
            continue;
        };
        let mut sources: Vec<(u64, Value)> = Vec::with_capacity(created.len());
        for number in created {
            sources.push((number, bundle.entry(number)?.id));
        }
        let numbered = matches!(rule.new, NewId::Allocate { .. } | NewId::Next);
        let mut given = Vec::with_capacity(sources.len());
        for (number, source_id) in sources {
            let Some(entry) = keys.get(&number) else { continue };
            given.push((entry, examiner.given_id(layout, rule, &source_id, &entry.key)));
        }
        // Ids made of others that were given out just now could not be looked at before.
        let late = given.iter().filter_map(|(entry, id)| {
            let id = id.clone()?;
            let place = (layout.index, id.to_string().to_lowercase());
            (examiner.given.get(&place) != Some(&entry.number)).then(|| (entry.number, entry.key.clone(), id))
        });
        let late: Vec<_> = late.collect();
        examiner.check_given(transaction.reader(), layout, rule, late)?;
        let fresh = given.iter().filter(|(_, id)| numbered && id.is_none()).count();
        let mut fresh =
            number(transaction, examiner, (&mut counts, numbers), &mut given_out, layout, rule, fresh)?
                .into_iter();
        for (entry, id) in given {
            let id = match (id, &rule.new) {
                (Some(id), _) => Some(id),
                (None, NewId::Guid) => Some(Id::Text(crate::crypto::random_guid()?)),
                (None, _) => fresh.next(),
            };
            let Some(id) = id else {
                let kind = layout.kind.name.clone();
                return Err(TranslateError::Exhausted { kind, id: entry.key.to_string() }.into());
            };
            if let Some(source) = misfit(transaction.reader(), layout, rule, &id)? {
                let (kind, name) = (entry.kind.clone(), entry.key.to_string());
                return Err(ImportError::Write { kind, name, source });
            }
            examiner.ids.set(target, &entry.key, Known::Found(Some(id)));
        }
    }
    counts.write(transaction, layouts.model, plan, written)
}

/// Makes ids of numbers that are free in the target, whatever its own count says, and that dangle nowhere in
/// the bundle.
fn number(
    transaction: &mut dyn Transaction,
    examiner: &Examiner<'_, '_>,
    (counts, numbers): (&mut Counts, &mut Numbers),
    given_out: &mut GivenOut,
    layout: &Layout<'_>,
    rule: &IdRule,
    count: usize,
) -> Result<Vec<Id>, ImportError> {
    let mut ids: Vec<Id> = Vec::with_capacity(count);
    let mut last = match &rule.new {
        NewId::Next => numbers.last(transaction.reader(), &layout.table, &rule.column)?,
        _ => 0,
    };
    let mut step = 0;
    while ids.len() < count {
        // Where the count lags far behind, it is caught up with in growing steps.
        step = (count - ids.len()).max(step * 2);
        let before = match &rule.new {
            NewId::Allocate { collection, .. } => {
                counts.reserve(transaction, examiner.layouts().model, collection, step)?
            }
            _ => last,
        };
        let end = i64::try_from(step).ok().and_then(|step| before.checked_add(step));
        last = end.ok_or_else(|| TranslateError::Exhausted {
            kind: layout.kind.name.clone(),
            id: before.to_string(),
        })?;
        let range = before.saturating_add(1)..=last;
        let mut free: Vec<Id> = range
            .map(|number| match &rule.new {
                NewId::Allocate { prefix, .. } => Id::Text(format!("{prefix}{number}")),
                _ => Id::Int(number),
            })
            .filter(|id| !examiner.loose.contains(&(layout.index, id.to_string().to_lowercase())))
            .filter(|id| !examiner.handover.avoids(id))
            .filter(|id| given_out.is_free(layout, id))
            .collect();
        let mut taken = vec![false; free.len()];
        let keys: Vec<Vec<Value>> = free.iter().map(|id| vec![id.to_value()]).collect();
        let columns = [rule.column.as_str()];
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &columns, keys: &keys };
        transaction
            .lookup(&lookup, &mut |at, _| taken.iter_mut().skip(at).take(1).for_each(|t| *t = true))?;
        let mut taken = taken.into_iter();
        free.retain(|_| taken.next() != Some(true));
        free.truncate(count - ids.len());
        free.iter().for_each(|id| given_out.take(layout, id));
        ids.extend(free);
    }
    Ok(ids)
}

/// The ids of new documents, by table: kinds that lie in one table draw from the same numbers.
struct GivenOut(HashSet<(String, String)>);

impl GivenOut {
    /// Those that documents bring along.
    fn of(examiner: &Examiner<'_, '_>) -> Self {
        let table = |kind: usize| examiner.layouts().at(kind).map(|layout| layout.table.to_lowercase());
        let given = examiner.given.keys();
        Self(given.filter_map(|(kind, id)| Some((table(*kind)?, id.clone()))).collect())
    }

    fn place(layout: &Layout<'_>, id: &Id) -> (String, String) {
        (layout.table.to_lowercase(), id.to_string().to_lowercase())
    }

    fn is_free(&self, layout: &Layout<'_>, id: &Id) -> bool {
        self.0.is_empty() || !self.0.contains(&Self::place(layout, id))
    }

    /// Only kinds that share their table can meet in it.
    fn take(&mut self, layout: &Layout<'_>, id: &Id) {
        if layout.shared {
            self.0.insert(Self::place(layout, id));
        }
    }
}

/// What the product's own allocation has given out, by collection: read once, written once.
#[derive(Default)]
struct Counts(BTreeMap<String, Count>);

struct Count {
    /// Whether the product counts the collection already.
    counted: bool,
    before: i64,
    last: i64,
}

impl Counts {
    /// Takes numbers. Returns the number before the first.
    fn reserve(
        &mut self,
        transaction: &mut dyn Transaction,
        model: &Model,
        collection: &str,
        count: usize,
    ) -> Result<i64, ImportError> {
        if model.allocation.is_none() {
            return Ok(0);
        }
        if !self.0.contains_key(collection) {
            for (collection, found) in last_counted(transaction.reader(), model)? {
                let last = found.unwrap_or(0);
                let count = Count { counted: found.is_some(), before: last, last };
                self.0.entry(collection.to_owned()).or_insert(count);
            }
        }
        let Some(known) = self.0.get_mut(collection) else { return Ok(0) };
        let before = known.last;
        known.last = before.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(before)
    }

    /// Tells the product what was taken.
    fn write(
        self,
        transaction: &mut dyn Transaction,
        model: &Model,
        plan: &Plan,
        written: &mut Written,
    ) -> Result<(), ImportError> {
        let Some(rule) = &model.allocation else { return Ok(()) };
        for (collection, count) in self.0.into_iter().filter(|(_, count)| count.last != count.before) {
            written.other();
            let name = Value::from(collection);
            let result = if count.counted {
                let row = vec![Value::Int(count.last)];
                transaction.update(&rule.table, &[&rule.name], &[name], &[&rule.last], &row)
            } else {
                let row = vec![name, Value::Int(count.last)];
                transaction.insert(&rule.table, &[&rule.name, &rule.last], &[row])
            };
            result.map_err(|error| written.name(plan, error))?;
        }
        Ok(())
    }
}

/// Gives the new parts of written documents their numbers.
pub(in crate::ops) fn number_parts(examiner: &mut Examiner<'_, '_>, work: &Work) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    for layout in layouts.iter() {
        let middles: Vec<(usize, &String)> = layout
            .kind
            .parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| match &part.new {
                NewPartId::Numbered(middle) => Some((index, middle)),
                NewPartId::Guid | NewPartId::Keep => None,
            })
            .collect();
        if middles.is_empty() {
            continue;
        }
        let mut writes = work.read(layout);
        loop {
            let batch = writes.next_batch(&mut examiner.vault, BATCH, BATCH_BYTES)?;
            if batch.is_empty() {
                break;
            }
            for Write { key, document, existing, .. } in batch {
                let owner = Reference { kind: document.kind.clone(), key };
                let Some(owner_id) = examiner.ids.id(&layouts, &owner).map(|id| id.to_string()) else {
                    continue;
                };
                for (index, middle) in &middles {
                    let taken = existing.iter().flat_map(|e| &e.raw.part_ids);
                    let taken = taken.filter(|(rule, _, _)| rule == index);
                    let numbers = taken.filter_map(|(_, _, id)| {
                        layouts.model.collation.rsplit_once(id.as_text()?, middle)?.1.parse::<i64>().ok()
                    });
                    let mut last = numbers.max().unwrap_or(0);
                    for (target, key, _) in numbered_parts(layout, &document) {
                        let own = Target::Part { kind: layout.index, part: *index };
                        if target == own && !matches!(examiner.ids.get(target, &key), Some(Known::Found(_))) {
                            let id = loop {
                                last = last.checked_add(1).ok_or_else(|| TranslateError::Exhausted {
                                    kind: layout.kind.name.clone(),
                                    id: format!("{owner_id}{middle}{last}"),
                                })?;
                                let id = Id::Text(format!("{owner_id}{middle}{last}"));
                                let loose = (layout.index, id.to_string().to_lowercase());
                                if !examiner.loose.contains(&loose) && !examiner.handover.avoids(&id) {
                                    break id;
                                }
                            };
                            examiner.ids.set(target, &key, Known::Found(Some(id)));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
