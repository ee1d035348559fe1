//! Ids of what an import creates: from the product's own allocation, within the transaction.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::Bundle;
use crate::document::{KindName, Reference, Value};
use crate::model::{Duplicates, IdRule, Model, NewId, NewPartId, Target};
use crate::plan::{Action, Plan};
use crate::server::{Lookup, Reader, ServerError, Transaction};

use super::ImportError;
use super::examine::Examiner;
use super::identity::numbered_parts;
use super::import::Written;
use super::plan::for_each_batch;
use super::translate::{Id, Known, Layout, TranslateError};

/// Gives every document that is created its id in the target.
pub(super) fn allocate(
    bundle: &Bundle,
    transaction: &mut dyn Transaction,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
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
        let Some(mut numbers) = created.remove(&layout.kind.name) else { continue };
        let target = Target::Kind(*kind);
        // Documents of one key are numbered in the order of their ids: the next read must number them so again.
        if layout.kind.duplicates == Duplicates::Number {
            let ordinal = |entry: &&crate::plan::Entry| layout.beyond(&entry.key).map(|(_, ordinal)| ordinal);
            numbers.sort_by_key(|number| keys.get(number).and_then(ordinal).unwrap_or(1));
        }
        let Some(rule) = &layout.kind.id else {
            for entry in numbers.iter().filter_map(|n| keys.get(n)) {
                examiner.ids.set(target, &entry.key, Known::Found(None));
            }
            continue;
        };
        let mut sources: Vec<(u64, Value)> = Vec::with_capacity(numbers.len());
        for number in numbers {
            sources.push((number, bundle.entry(number)?.id));
        }
        let numbered = matches!(rule.new, NewId::Allocate { .. } | NewId::Next);
        let mut given = Vec::with_capacity(sources.len());
        for (number, source_id) in sources {
            let Some(entry) = keys.get(&number) else { continue };
            given.push((entry, examiner.given_id(layout, rule, &source_id, &entry.key)));
        }
        let fresh = given.iter().filter(|(_, id)| numbered && id.is_none()).count();
        let mut fresh =
            number(transaction, examiner, &mut counts, &mut given_out, layout, rule, fresh)?.into_iter();
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
    counts: &mut Counts,
    given_out: &mut GivenOut,
    layout: &Layout<'_>,
    rule: &IdRule,
    count: usize,
) -> Result<Vec<Id>, ImportError> {
    let mut ids: Vec<Id> = Vec::with_capacity(count);
    let mut last = match &rule.new {
        NewId::Next => transaction.max_int(&layout.table, &rule.column)?.unwrap_or(0),
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
        let numbers = before.saturating_add(1)..=last;
        let mut free: Vec<Id> = numbers
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

/// Why the id column cannot hold an id, if it cannot.
pub(super) fn misfit(
    reader: &dyn Reader,
    layout: &Layout<'_>,
    rule: &IdRule,
    id: &Id,
) -> Result<Option<ServerError>, ImportError> {
    let column = layout.id.as_deref().unwrap_or(&rule.column);
    let misfits = reader.misfits(&layout.table, &[column], &[Cow::Owned(id.to_value())])?;
    Ok(misfits.into_iter().next().map(|(_, error)| error))
}

/// Finds kinds of whose new documents the last would get a number that the id column cannot hold.
pub(super) fn find_misfits(
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let mut created: HashMap<&KindName, i64> = HashMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.action == Action::Create) {
        *created.entry(&entry.kind).or_default() += 1;
    }
    // Kinds of one table, or of one count, draw from the same numbers.
    let mut drawn: HashMap<String, i64> = HashMap::new();
    for kind in layouts.model.key_order() {
        let Some(layout) = layouts.at(*kind) else { continue };
        let (Some(rule), Some(count)) = (&layout.kind.id, created.get(&layout.kind.name)) else { continue };
        let id = |number: i64| match &rule.new {
            NewId::Allocate { prefix, .. } => Some(Id::Text(format!("{prefix}{number}"))),
            NewId::Next => Some(Id::Int(number)),
            NewId::Keep | NewId::Compose(_) | NewId::Guid => None,
        };
        let Some(largest) = id(i64::MAX) else { continue };
        if examiner.exact || misfit(reader, layout, rule, &largest)?.is_none() {
            continue;
        }
        let place = match &rule.new {
            NewId::Allocate { collection, .. } => format!("count {collection}"),
            _ => format!("table {}", layout.table.to_lowercase()),
        };
        let last = match drawn.get(&place) {
            Some(last) => *last,
            None => match &rule.new {
                NewId::Allocate { collection, .. } => {
                    last_counted(reader, layouts.model, collection)?.unwrap_or(0)
                }
                _ => reader.max_int(&layout.table, &rule.column)?.unwrap_or(0),
            },
        };
        let last = last.saturating_add(*count);
        drawn.insert(place, last);
        let Some(id) = id(last) else { continue };
        if let Some(ServerError::Value { column, value, .. }) = misfit(reader, layout, rule, &id)? {
            let problem = format!(
                "new documents would get ids up to {id}, and the target's {column} cannot hold {value}: make the column \
                 larger, or leave documents out with --except"
            );
            examiner.find(layout.kind.name.as_str(), String::new(), problem);
        }
    }
    Ok(())
}

/// The number that the product gave out last in a collection; `None` where it counts none.
fn last_counted(
    reader: &mut dyn Reader,
    model: &Model,
    collection: &str,
) -> Result<Option<i64>, ImportError> {
    let Some(rule) = &model.allocation else { return Ok(None) };
    let keys = [vec![Value::from(collection)]];
    let columns = [rule.name.as_str(), rule.last.as_str()];
    let lookup = Lookup { table: &rule.table, columns: &columns, by: &[&rule.name], keys: &keys };
    let mut last = None;
    reader.lookup(&lookup, &mut |_, row| last = Some(row.get(1).and_then(Value::as_int).unwrap_or(0)))?;
    Ok(last)
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
            let found = last_counted(transaction.reader(), model, collection)?;
            let last = found.unwrap_or(0);
            self.0.insert(collection.to_owned(), Count { counted: found.is_some(), before: last, last });
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
pub(super) fn number_parts(
    bundle: &Bundle,
    transaction: &mut dyn Transaction,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let written: std::collections::HashSet<u64> =
        plan.entries.iter().filter(|e| e.action.writes()).map(|e| e.number).collect();
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
        for_each_batch(bundle, layout.kind.name.as_str(), &mut |mut sources| {
            sources.retain(|s| written.contains(&s.entry.number));
            while !sources.is_empty() {
                for examined in examiner.examine(transaction.reader(), bundle, layout.index, &mut sources)? {
                    let owner =
                        Reference { kind: examined.entry.kind.clone(), key: examined.entry.key.clone() };
                    let Some(owner_id) = examiner.ids.id(&layouts, &owner).map(|id| id.to_string()) else {
                        continue;
                    };
                    for (index, middle) in &middles {
                        let taken = examined.existing.iter().flat_map(|e| &e.raw.part_ids);
                        let taken = taken.filter(|(rule, _, _)| rule == index);
                        let numbers = taken.filter_map(|(_, _, id)| {
                            layouts.model.collation.rsplit_once(id.as_text()?, middle)?.1.parse::<i64>().ok()
                        });
                        let mut last = numbers.max().unwrap_or(0);
                        for (target, key, _) in numbered_parts(layout, &examined.document) {
                            if !matches!(examiner.ids.get(target, &key), Some(Known::Found(_))) {
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
            Ok(())
        })?;
    }
    Ok(())
}
