//! What a script looks at before it writes: what the plan found must still be there, and what it makes must not.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::document::{KindName, Value};
use crate::model::{Duplicates, RowFilter, Target};
use crate::ops::ImportError;
use crate::ops::import::resolve::examiner::Examiner;
use crate::ops::translate::{Id, Known, Layout};
use crate::plan::{Action, Entry, Plan};
use crate::server::{Catalog, Column, Lookup, ServerError, Table};

use super::literal::{Variables, bracketed, message, spelled};
use super::writing::Scripting;

/// How many documents of the target are looked up together.
const BATCH: usize = 1000;

/// The documents of the target that the plan found and leaves as they are: others refer to them by their ids. What
/// it changes is compared when it is changed.
pub(super) fn found(examiner: &Examiner<'_, '_>, plan: &Plan) -> BTreeSet<(usize, Id)> {
    let mut found = examiner.ids.found();
    let changed = |entry: &&Entry| matches!(entry.action, Action::Update | Action::Merge);
    for entry in plan.entries.iter().filter(changed) {
        if let Some(place) = place(examiner, entry) {
            found.remove(&place);
        }
    }
    found
}

/// Under which id a document is in the target, or comes to be.
fn place(examiner: &Examiner<'_, '_>, entry: &Entry) -> Option<(usize, Id)> {
    let target = examiner.model().target(&entry.kind)?;
    match (target, examiner.ids.get(target, &entry.key)?) {
        (Target::Kind(kind), Known::Found(Some(id))) => Some((kind, id.clone())),
        _ => None,
    }
}

impl Scripting<'_> {
    /// Has the script look that documents are still there under their ids and names.
    ///
    /// # Errors
    /// [`ImportError`], where the target cannot be read, or the script not be written.
    pub(super) fn rely_on(
        &mut self,
        examiner: &Examiner<'_, '_>,
        found: BTreeSet<(usize, Id)>,
    ) -> Result<(), ImportError> {
        let mut by_kind: HashMap<usize, Vec<Vec<Value>>> = HashMap::new();
        for (kind, id) in found {
            by_kind.entry(kind).or_default().push(vec![id.to_value()]);
        }
        for layout in examiner.layouts().iter() {
            let (Some(ids), Some(id)) = (by_kind.remove(&layout.index), &layout.id) else { continue };
            let table = Self::table(&self.catalog, &layout.table)?;
            let naming = layout.naming_columns();
            for keys in ids.chunks(BATCH) {
                let lookup = Lookup { table: &layout.table, columns: &naming, by: &[id], keys };
                let mut rows = Vec::with_capacity(keys.len());
                self.reader.lookup(&lookup, &mut |at, row| rows.push((at, row)))?;
                rows.sort_by_key(|(at, _)| *at);
                for (at, row) in &rows {
                    let Some([key]) = keys.get(*at).map(Vec::as_slice) else { continue };
                    let mut conditions = vec![(id.as_str(), key)];
                    conditions.extend(naming.iter().copied().zip(row).take(layout.plain_naming_columns()));
                    let name = Id::of(key).map(|id| id.to_string()).unwrap_or_default();
                    let name: String = name.chars().take(200).collect();
                    let problem = format!(
                        "{} {name} is gone or has another name since this script was made",
                        layout.kind.name
                    );
                    self.guard(&table, &conditions, &[], Rows::Some, &problem)?;
                }
            }
        }
        Ok(())
    }

    /// Has the script look that the documents that it makes are still not there, where no unique key would.
    ///
    /// # Errors
    /// [`ServerError`], where the script cannot be written.
    pub(super) fn stay_absent(
        &mut self,
        examiner: &Examiner<'_, '_>,
        plan: &Plan,
    ) -> Result<(), ServerError> {
        let model = examiner.model();
        let creates = || plan.entries.iter().filter(|entry| entry.action == Action::Create);
        let created: HashSet<(usize, Id)> = creates().filter_map(|entry| place(examiner, entry)).collect();
        let is_new = |kind: &KindName, key| {
            let target = model.target(kind)?;
            match (target, examiner.ids.get(target, key)?) {
                (Target::Kind(kind), Known::Found(Some(id))) => Some(created.contains(&(kind, id.clone()))),
                _ => None,
            }
        };
        for entry in creates() {
            let Some(Target::Kind(kind)) = model.target(&entry.kind) else { continue };
            let Some(layout) = examiner.layouts().at(kind) else { continue };
            // What is of a new document cannot be there.
            let of_new = entry.key.parts().iter().any(|part| match part {
                Value::Ref(reference) => is_new(&reference.kind, &reference.key).unwrap_or(false),
                _ => false,
            });
            // Where part of the key is part of the id, the primary key looks.
            if of_new || layout.open.is_some() {
                continue;
            }
            let Some((ordinal, mut values)) = examiner.ids.columns_of(examiner.layouts(), layout, &entry.key)
            else {
                continue;
            };
            let mut columns = layout.key_columns();
            for (mark, at, alias) in &layout.aliases {
                if values.get(*at).and_then(Value::as_text) == Some(alias.name.as_str())
                    && let (Some(column), Some(value)) = (columns.get_mut(*at), values.get_mut(*at))
                    && let Some(mark) = layout.content.get(*mark)
                {
                    *column = &mark.server;
                    *value = alias.equals.clone();
                }
            }
            if ordinal == 1 && is_unique(&self.catalog, layout, &columns, &values) {
                continue;
            }
            let table = Self::table(&self.catalog, &layout.table)?;
            let conditions: Vec<(&str, &Value)> = columns.iter().copied().zip(&values).collect();
            let most = match layout.kind.duplicates {
                // Rows that the columns do not tell apart may be there: no more than are there now.
                _ if !layout.kind.apart.is_empty() => {
                    let (by, mut rows) = (layout.key_columns(), 0_u64);
                    let keys = [values.clone()];
                    let lookup = Lookup { table: &layout.table, columns: &by, by: &by, keys: &keys };
                    self.reader.lookup(&lookup, &mut |_, _| rows += 1)?;
                    rows
                }
                Duplicates::Number => u64::try_from(ordinal).unwrap_or(1).saturating_sub(1),
                Duplicates::Refuse => 0,
            };
            let filters = layout.filters.iter().filter_map(|(at, filter)| {
                layout.content.get(*at).map(|column| (column.server.as_str(), *filter))
            });
            let filters: Vec<(&str, &RowFilter)> = filters.collect();
            let name = &entry.key;
            let problem = format!("{} {name} has been made since this script was", entry.kind);
            self.guard(&table, &conditions, &filters, Rows::AtMost(most), &problem)?;
        }
        Ok(())
    }

    /// Puts a look at the rows aside for which columns hold values, and others one of several.
    fn guard(
        &mut self,
        table: &Table,
        conditions: &[(&str, &Value)],
        filters: &[(&str, &RowFilter)],
        rows: Rows,
        problem: &str,
    ) -> Result<(), ServerError> {
        let (mut variables, mut before) = (Variables::default(), String::new());
        let mut holds = |column: &Column, value: &Value| -> Result<String, ServerError> {
            let name = bracketed(&column.name);
            Ok(match value {
                Value::Null => format!("{name} IS NULL"),
                _ => format!("{name} = {}", spelled(table, column, value, &mut variables, &mut before)?),
            })
        };
        let mut tests = Vec::with_capacity(conditions.len());
        let names: Vec<&str> = conditions.iter().map(|(name, _)| *name).collect();
        for (column, (_, value)) in Self::columns(table, &names)?.into_iter().zip(conditions) {
            tests.push(holds(column, value)?);
        }
        let names: Vec<&str> = filters.iter().map(|(name, _)| *name).collect();
        for (column, (_, filter)) in Self::columns(table, &names)?.into_iter().zip(filters) {
            let any: Result<Vec<String>, _> =
                filter.equals.iter().map(|value| holds(column, value)).collect();
            tests.push(format!("({})", any?.join(" OR ")));
        }
        // Held until the end: nobody changes it after the look.
        let from = format!("FROM {} WITH (HOLDLOCK)", self.names.table(table));
        let (test, message) = (tests.join(" AND "), message(problem));
        let test = match rows {
            Rows::Some => format!("NOT EXISTS (SELECT 1 {from} WHERE {test})"),
            Rows::AtMost(0) => format!("EXISTS (SELECT 1 {from} WHERE {test})"),
            Rows::AtMost(most) => format!("(SELECT COUNT(*) {from} WHERE {test}) > {most}"),
        };
        self.guards.push(&format!("{before}IF {test}\n  THROW 50000, {message}, 1;\n"))
    }
}

/// How many rows a look must find.
#[derive(Clone, Copy)]
enum Rows {
    Some,
    AtMost(u64),
}

/// Whether the server itself refuses a second row with these values.
fn is_unique(catalog: &Catalog, layout: &Layout<'_>, columns: &[&str], values: &[Value]) -> bool {
    let Some(table) = catalog.table(&layout.table) else { return false };
    let filled = |name: &String| {
        let mut both = columns.iter().zip(values);
        both.any(|(column, value)| column.eq_ignore_ascii_case(name) && !value.is_null())
    };
    let sets = table.unique.iter().chain(std::iter::once(&table.primary_key));
    sets.filter(|set| !set.is_empty()).any(|set| set.iter().all(filled))
}
