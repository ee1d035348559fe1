//! Foreign keys of the target that the model does not describe: values that would lead to no row, and rows of tables
//! outside the model that lead to what is to be deleted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::document::{Document, Value};
use crate::plan::Plan;
use crate::server::{ForeignKey, Lookup, Reader, Table};

use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examined::Examined;
use crate::ops::import::resolve::examiner::{Examiner, Loose};
use crate::ops::rules::validate::shown;
use crate::ops::translate::{Layout, Layouts};

/// The columns that a foreign key leads to.
fn led_to<'t>(key: &'t ForeignKey, to: &'t Table) -> &'t [String] {
    if key.to_columns.is_empty() { &to.primary_key } else { &key.to_columns }
}

/// Says whether the model's documents, or rows derived from them, lie in a table.
fn is_known(layouts: &Layouts<'_>, table: &str) -> bool {
    layouts.iter().any(|layout| {
        layout.table.eq_ignore_ascii_case(table)
            || layout.derived_rows.iter().any(|rows| rows.table.eq_ignore_ascii_case(table))
    })
}

impl Examiner<'_, '_> {
    /// Notes values of documents that are written which a foreign key of their table leads to a row by that the target
    /// does not have. References are not looked at: what they name is settled by the plan.
    pub(in crate::ops) fn note_loose_values(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        examined: &[Examined],
    ) -> Result<(), ImportError> {
        let catalog = reader.catalog().clone();
        let Some(table) = catalog.table(&layout.table) else { return Ok(()) };
        for key in &table.foreign_keys {
            // A foreign key of several columns is not looked at: one of them may be NULL or a reference.
            let ([column], Some(to)) = (key.columns.as_slice(), catalog.table(&key.to)) else { continue };
            let [by] = led_to(key, to) else { continue };
            let carried = |c: &&crate::ops::translate::ContentColumn| {
                c.carried && c.server.eq_ignore_ascii_case(column)
            };
            let Some(content) = layout.content.iter().find(carried) else { continue };
            // Documents that this import writes may get other values than ids, which are not known here.
            let owner = self.layouts().iter().find(|l| l.table.eq_ignore_ascii_case(&to.name));
            if owner.is_some_and(|owner| !owner.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(by))) {
                continue;
            }
            let (mut sought, mut whose) = (Vec::new(), Vec::new());
            for document in examined.iter().filter(|examined| examined.entry.action.writes()) {
                let value = |document: &Document| match document.columns.get(&content.name) {
                    Some(Value::Dangling(dangling)) => Some(dangling.id.clone()),
                    Some(value @ (Value::Int(_) | Value::Text(_))) => Some(value.clone()),
                    _ => None,
                };
                let Some(after) = value(&document.document) else { continue };
                let before = document.existing.as_ref().and_then(|existing| value(&existing.document));
                if before.as_ref() != Some(&after) {
                    sought.push(vec![after]);
                    whose.push(&document.entry);
                }
            }
            if sought.is_empty() {
                continue;
            }
            let mut found: HashSet<usize> = HashSet::new();
            let columns = [by.as_str()];
            let lookup = Lookup { table: &to.name, columns: &columns, by: &columns, keys: &sought };
            reader.lookup(&lookup, &mut |at, _| found.extend([at]))?;
            for (at, (entry, value)) in whose.iter().zip(sought.iter().flatten()).enumerate() {
                if found.contains(&at) {
                    continue;
                }
                let text = value.as_text().map_or_else(|| shown(value).to_string(), str::to_owned);
                self.loose_values.push(Loose {
                    kind: entry.kind.to_string(),
                    name: entry.key.path(),
                    to: (to.name.to_lowercase(), text.to_lowercase()),
                    problem: format!(
                        "has {} in {}, and the target's table {} has no such row, which a foreign key asks for: leave this one out with --except",
                        shown(value), content.name, to.name
                    ),
                });
            }
        }
        Ok(())
    }

    /// Finds wrong what was noted, but for values that are the ids which new documents bring along.
    pub(in crate::ops) fn find_loose_values(&mut self) {
        let table = |kind: usize| self.layouts().at(kind).map(|layout| layout.table.to_lowercase());
        let given: BTreeSet<(String, String)> =
            self.given.keys().filter_map(|(kind, id)| Some((table(*kind)?, id.clone()))).collect();
        for loose in std::mem::take(&mut self.loose_values) {
            if !given.contains(&loose.to) {
                self.find(&loose.kind, loose.name, loose.problem);
            }
        }
    }
}

/// Finds documents that are to be deleted although rows of tables outside the model refer to them: the server would
/// refuse that or, where the foreign key says so, change or delete these rows, which no undo file has.
pub(in crate::ops) fn find_outside_referrers(
    reader: &mut dyn Reader,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
) -> Result<(), ImportError> {
    let layouts = examiner.layouts().clone();
    let catalog = reader.catalog().clone();
    let entries: BTreeMap<u64, &crate::plan::Entry> = plan.entries.iter().map(|e| (e.number, e)).collect();
    for layout in layouts.iter() {
        let deleted: Vec<_> = examiner.deletions.iter().filter(|d| d.kind == layout.index).collect();
        let (false, Some(to)) = (deleted.is_empty(), catalog.table(&layout.table)) else { continue };
        let rows: Vec<Vec<Value>> = deleted.iter().map(|deletion| layout.row_key(&deletion.row)).collect();
        let row = match &layout.id {
            Some(id) => std::slice::from_ref(id),
            None => layout.order.as_slice(),
        };
        let mut problems: Vec<(u64, String)> = Vec::new();
        for outside in catalog.tables.iter().filter(|table| !is_known(&layouts, &table.name)) {
            let leads = |key: &&ForeignKey| key.to.eq_ignore_ascii_case(&to.name);
            for key in outside.foreign_keys.iter().filter(leads) {
                let same = |(one, other): (&String, &String)| one.eq_ignore_ascii_case(other);
                let led = led_to(key, to);
                if led.len() != row.len() || !led.iter().zip(row).all(same) {
                    continue;
                }
                let by: Vec<&str> = key.columns.iter().map(String::as_str).collect();
                let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
                let lookup = Lookup { table: &outside.name, columns: &by, by: &by, keys: &rows };
                reader.lookup(&lookup, &mut |at, _| *counts.entry(at).or_default() += 1)?;
                let table = &outside.name;
                problems.extend(counts.into_iter().filter_map(|(at, count)| {
                    let rows = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
                    let problem = format!(
                        "would be deleted, and {rows} of the target's table {table}, which the model does not know, refer to it: the server would refuse that, or change these rows, which cannot be undone"
                    );
                    Some((deleted.get(at)?.number, problem))
                }));
            }
        }
        for (number, problem) in problems {
            if let Some(entry) = entries.get(&number) {
                examiner.find(entry.kind.as_str(), entry.key.path(), problem);
            }
        }
    }
    Ok(())
}
