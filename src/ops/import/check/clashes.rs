//! Unique values besides the key: documents that the target's unique constraints and indexes would refuse.
//!
//! A document that is written is held against the others that are written, and against the rows of the target that
//! have its values and keep them. The server compares with its rows, one request for each index and batch.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::crypto::FingerprintKey;
use crate::document::{Document, KindName, Value};
use crate::model::{SecretForm, Target};
use crate::plan::{Action, Entry, Plan};
use crate::server::{Lookup, Reader};
use crate::text::hex;

use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examined::Examined;
use crate::ops::import::resolve::examiner::Examiner;
use crate::ops::import::resolve::unique::{Clash, Met, Set, Values};
use crate::ops::translate::{Id, Ids, Layout, Layouts, Vault};

/// How many clashes are named; the rest is counted.
const NAMED: usize = 1000;

/// What a row holds in a column.
enum Held {
    Value(Value),
    /// The id of a document that is created.
    New(String),
    /// A secret that is kept as it is.
    Secret(String),
}

/// What is needed to tell what a row holds.
struct Look<'l, 'm> {
    layouts: &'l Layouts<'m>,
    ids: &'l Ids,
    vault: &'l Vault,
    key: &'l FingerprintKey,
}

impl Look<'_, '_> {
    fn held(&self, layout: &Layout<'_>, set: &Set, document: &Document, column: &str) -> Option<Held> {
        let value = match document.columns.get(column) {
            Some(value) => value,
            None => return set.defaults.get(column).cloned().flatten().map(Held::Value),
        };
        Some(match value {
            Value::Ref(reference) => match self.ids.id(self.layouts, reference) {
                Some(id) => Held::Value(id.to_value()),
                None => {
                    let key = reference.key.folded(self.layouts.model.collation);
                    Held::New(format!("{} {key}", reference.kind))
                }
            },
            Value::Dangling(dangling) => Held::Value(dangling.id.clone()),
            Value::Secret(secret) => {
                let plain =
                    layout.kind.secrets.iter().any(|rule| {
                        rule.form == SecretForm::Plain && rule.at.column.as_deref() == Some(column)
                    });
                let value = self.vault.value(*secret).filter(|_| plain)?;
                Held::Secret(String::from_utf8_lossy(value.expose()).into_owned())
            }
            Value::List(_) | Value::Map(_) => return None,
            value => Held::Value(value.clone()),
        })
    }

    /// The values of a document in an index, as they compare and as they are looked up; no values to look up where no
    /// row of the target can have them. `None` where the index does not bind the row, or nobody knows its values.
    fn values(
        &self,
        layout: &Layout<'_>,
        set: &Set,
        document: &Document,
    ) -> Option<(Values, Option<Vec<Value>>)> {
        for (column, _, condition) in &set.filter {
            match self.held(layout, set, document, column)? {
                Held::Value(value) if condition.holds(&value) => {}
                Held::New(id) | Held::Secret(id) if condition.holds(&Value::Text(id.clone())) => {}
                _ => return None,
            }
        }
        let (mut folded, mut sought) = (String::new(), Some(Vec::new()));
        for (column, collation) in &set.columns {
            let held = self.held(layout, set, document, column)?;
            let (sort, text) = match &held {
                Held::Value(Value::Null) if !set.null_is_value => return None,
                Held::Value(Value::Null) => ('-', String::new()),
                Held::Value(Value::Text(text)) => ('t', collation.fold(text)),
                Held::Value(Value::Bool(truth)) => ('n', u8::from(*truth).to_string()),
                Held::Value(Value::Int(number)) => ('n', number.to_string()),
                Held::Value(Value::Number(number)) => ('n', number.to_string()),
                Held::Value(Value::Bytes(bytes)) => ('b', hex(bytes)),
                Held::Value(_) => return None,
                Held::New(name) => ('r', name.clone()),
                Held::Secret(text) => ('s', hex(&self.key.of(&[text.as_bytes()]))),
            };
            folded.push_str(&format!("{sort}{}:{text}", text.len()));
            match held {
                Held::Value(value) => sought.iter_mut().for_each(|sought| sought.push(value.clone())),
                Held::Secret(text) => {
                    sought.iter_mut().for_each(|sought| sought.push(Value::from(text.as_str())))
                }
                Held::New(_) => sought = None,
            }
        }
        let place = format!("{} {} ", layout.table.to_lowercase(), set.at);
        Some((self.key.of(&[place.as_bytes(), folded.as_bytes()]), sought))
    }
}

/// In which order a server that collects writes makes them.
struct Order {
    /// The tables, in lower case, whose deleted rows go after the updates; `None` where every order will do.
    held: Option<BTreeSet<String>>,
    /// The tables whose rows are updated after new rows came.
    late: BTreeSet<String>,
}

impl Order {
    fn of(
        reader: &dyn Reader,
        layouts: &Layouts<'_>,
        plan: &Plan,
        deleted: &BTreeSet<(Option<String>, String)>,
    ) -> Self {
        if !reader.collects_writes() {
            return Self { held: None, late: BTreeSet::new() };
        }
        let tables = |writes: &dyn Fn(Action) -> bool| -> BTreeSet<String> {
            let kinds: BTreeSet<&KindName> =
                plan.entries.iter().filter(|entry| writes(entry.action)).map(|entry| &entry.kind).collect();
            let layouts = layouts.iter().filter(|layout| kinds.contains(&layout.kind.name));
            layouts.map(|layout| layout.table.to_lowercase()).collect()
        };
        let created = tables(&|action| action == Action::Create);
        let updated = tables(&|action| matches!(action, Action::Update | Action::Merge));
        let refer = |from: &BTreeSet<String>| -> BTreeSet<String> {
            let tables = reader.catalog().tables.iter().filter(|t| from.contains(&t.name.to_lowercase()));
            tables.flat_map(|table| &table.foreign_keys).map(|key| key.to.to_lowercase()).collect()
        };
        let deleted: BTreeSet<&String> = deleted.iter().filter_map(|(table, _)| table.as_ref()).collect();
        let mut held: BTreeSet<String> = BTreeSet::new();
        let mut next = refer(&updated);
        // What a row refers to that waits must wait too.
        loop {
            next.retain(|table| deleted.contains(table) && !held.contains(table));
            if next.is_empty() {
                break;
            }
            held.extend(next.iter().cloned());
            next = refer(&next);
        }
        let late = updated
            .into_iter()
            .filter(|table| !refer(&BTreeSet::from([table.clone()])).is_disjoint(&created));
        Self { held: Some(held), late: late.collect() }
    }

    fn deletes_in_time(&self, table: &str) -> bool {
        self.held.as_ref().is_none_or(|held| !held.contains(table))
    }

    /// `same`: both documents are of one kind, whose rows are updated by one statement.
    fn updates_in_time(&self, table: &str, same: bool, created: bool) -> bool {
        self.held.is_none() || if created { !self.late.contains(table) } else { same }
    }
}

impl Examiner<'_, '_> {
    /// Notes the unique values of documents that are written, and which rows of the target have them.
    pub(in crate::ops) fn note_unique_values(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        examined: &[Examined],
    ) -> Result<(), ImportError> {
        let Some(mut clashes) = self.clashes.take() else { return Ok(()) };
        let sets = clashes.sets.entry(layout.index).or_insert_with(|| {
            Rc::new(Set::all(layout, reader.unique_sets(&layout.table), reader.catalog()))
        });
        let sets = Rc::clone(sets);
        let look = Look {
            layouts: &self.translation.layouts,
            ids: &self.ids,
            vault: &self.vault,
            key: self.seen_key,
        };
        for (position, set) in sets.iter().enumerate() {
            let (mut sought, mut whose) = (Vec::new(), Vec::new());
            for examined in examined.iter().filter(|examined| examined.entry.action.writes()) {
                let number = examined.entry.number;
                let before = examined.existing.as_ref().and_then(|existing| {
                    Some((
                        look.values(layout, set, &existing.document)?.0,
                        existing.row.to_string().to_lowercase(),
                    ))
                });
                let after = look.values(layout, set, &examined.document);
                let stays = match (&before, &after) {
                    (Some((before, _)), Some((after, _))) => before == after,
                    _ => false,
                };
                if let (Some(before), false) = (before, stays) {
                    clashes.freed.insert(before, layout.index);
                }
                let Some((values, keys)) = after else { continue };
                let first = *clashes.taken.entry(values).or_insert(number);
                if first != number {
                    let what = set.shown(layout, &examined.document);
                    clashes.twins.push((Clash { number, layout: layout.index, at: position, what }, first));
                }
                if let (Some(keys), false) = (keys, stays) {
                    sought.push(keys);
                    whose.push((examined, values));
                }
            }
            if sought.is_empty() {
                continue;
            }
            let by: Vec<&str> = set.by.iter().map(String::as_str).collect();
            let own = layout.id.iter().chain(layout.order.iter().filter(|_| layout.id.is_none()));
            let columns: Vec<&str> = { own.map(String::as_str) }
                .chain(set.filter.iter().map(|(_, server, _)| server.as_str()))
                .collect();
            let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &sought };
            reader.lookup(&lookup, &mut |at, row| {
                let of = |name: &str| row.get(columns.iter().position(|column| *column == name)?).cloned();
                let bound = { set.filter.iter() }
                    .all(|(_, server, condition)| of(server).is_some_and(|value| condition.holds(&value)));
                let (Some((examined, values)), true) = (whose.get(at), bound) else { return };
                let (row, number) = (layout.named_by(of), examined.entry.number);
                let own = examined.existing.as_ref().is_some_and(|existing| {
                    existing.row.to_string().to_lowercase() == row.to_string().to_lowercase()
                });
                if !own {
                    let what = set.shown(layout, &examined.document);
                    let clash = Clash { number, layout: layout.index, at: position, what };
                    let created = examined.existing.is_none();
                    clashes.met.push(Met { clash, created, values: *values, row });
                }
            })?;
        }
        self.clashes = Some(clashes);
        Ok(())
    }

    /// Finds wrong what the target's unique constraints and indexes would refuse once all is written.
    pub(in crate::ops) fn find_clashes(
        &mut self,
        reader: &mut dyn Reader,
        plan: &Plan,
    ) -> Result<(), ImportError> {
        let Some(clashes) = self.clashes.take() else { return Ok(()) };
        let layouts = self.layouts().clone();
        let folded = |row: &Id| row.to_string().to_lowercase();
        let table = |kind: usize| layouts.at(kind).map(|layout| layout.table.to_lowercase());
        let deleted: BTreeSet<(Option<String>, String)> =
            self.deletions.iter().map(|d| (table(d.kind), folded(&d.row))).collect();
        let order = Order::of(reader, &layouts, plan, &deleted);
        let freed = |met: &Met| {
            let (row, table) = (folded(&met.row), table(met.clash.layout));
            let name = table.clone().unwrap_or_default();
            if deleted.contains(&(table, row.clone())) {
                return Some(order.deletes_in_time(&name));
            }
            let kind = *clashes.freed.get(&(met.values, row))?;
            Some(order.updates_in_time(&name, kind == met.clash.layout, met.created))
        };
        let clash = |met| match freed(met) {
            Some(true) => None,
            Some(false) => Some((met, true)),
            None => Some((met, false)),
        };
        let met: Vec<(&Met, bool)> = clashes.met.iter().filter_map(clash).collect();
        let more = (met.len() + clashes.twins.len()).saturating_sub(NAMED);
        let met: Vec<(&Met, bool)> = met.into_iter().take(NAMED).collect();
        let twins: Vec<_> = clashes.twins.iter().take(NAMED - met.len()).collect();
        if met.is_empty() && twins.is_empty() {
            return Ok(());
        }
        let kinds = |met: &Met| -> Vec<Target> {
            let own = table(met.clash.layout);
            let same = |layout: &&Layout<'_>| Some(layout.table.to_lowercase()) == own && layout.id.is_some();
            layouts.iter().filter(same).map(|layout| Target::Kind(layout.index)).collect()
        };
        let wanted: BTreeSet<(Target, Id)> = { met.iter() }
            .flat_map(|(met, _)| kinds(met).into_iter().map(|target| (target, met.row.clone())))
            .collect();
        self.translation.learn(reader, wanted)?;
        let numbers = met.iter().map(|(met, _)| met.clash.number);
        let numbers = numbers.chain(twins.iter().flat_map(|(clash, first)| [clash.number, *first]));
        let numbers: HashSet<u64> = numbers.collect();
        let entries: HashMap<u64, &Entry> = { plan.entries.iter() }
            .filter(|entry| numbers.contains(&entry.number) && entry.action != Action::Delete)
            .map(|entry| (entry.number, entry))
            .collect();
        let rule = |clash: &Clash| match clashes.sets.get(&clash.layout).and_then(|sets| sets.get(clash.at)) {
            Some(set) if set.columns.len() > 1 => "the columns must be unique together",
            _ => "the column must be unique",
        };
        let mut found: Vec<(KindName, String, String)> = Vec::new();
        for (met, late) in met {
            let Some(entry) = entries.get(&met.clash.number) else { continue };
            let other = match self.translation.name(&kinds(met), &met.row) {
                Some(reference) => format!("{reference} ({})", met.row),
                None => format!("the row {}", met.row),
            };
            let (what, rule) = (&met.clash.what, rule(&met.clash));
            let problem = match late {
                false => format!(
                    "would have {what}, as {other} of the target does, and {rule}: rename or change one of the two, or leave this one out with --except"
                ),
                true => format!(
                    "would have {what}, as {other} of the target does until later in the import, and {rule}: import twice, first with --except for this one"
                ),
            };
            found.push((entry.kind.clone(), entry.key.path(), problem));
        }
        for (clash, first) in twins {
            let (Some(entry), Some(other)) = (entries.get(&clash.number), entries.get(first)) else {
                continue;
            };
            let (what, rule) = (&clash.what, rule(clash));
            let problem = format!(
                "would have {what}, as {} {} of the bundle would, and {rule}: change one of the two, or leave one out with --except",
                other.kind, other.key
            );
            found.push((entry.kind.clone(), entry.key.path(), problem));
        }
        for (kind, name, problem) in found {
            self.find(kind.as_str(), name, problem);
        }
        if more > 0 {
            self.find(
                "",
                String::new(),
                format!("{more} more documents have values that must be unique in the target"),
            );
        }
        Ok(())
    }
}
