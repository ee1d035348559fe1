//! Ids that the id column of a kind cannot hold, and the numbers that the product gave out last.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::document::{KindName, Value};
use crate::model::{IdRule, Kind, Model, NewId};
use crate::plan::{Action, Plan};
use crate::server::{Lookup, Reader, ServerError};

use super::examiner::Examiner;
use crate::ops::import::request::error::ImportError;
use crate::ops::translate::{Id, Layout};

/// Why the id column cannot hold an id, if it cannot.
pub(in crate::ops) fn misfit(
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
pub(in crate::ops) fn find_misfits(
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
    let mut counts: Option<BTreeMap<&str, Option<i64>>> = None;
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
                    if counts.is_none() {
                        counts = Some(last_counted(reader, layouts.model)?);
                    }
                    counts.as_ref().and_then(|counts| *counts.get(collection.as_str())?).unwrap_or(0)
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

/// The numbers that the product gave out last in all collections of the model; `None` where it counts none.
pub(in crate::ops) fn last_counted<'m>(
    reader: &mut dyn Reader,
    model: &'m Model,
) -> Result<BTreeMap<&'m str, Option<i64>>, ImportError> {
    let Some(rule) = &model.allocation else { return Ok(BTreeMap::new()) };
    let collection = |kind: &'m Kind| match &kind.id.as_ref()?.new {
        NewId::Allocate { collection, .. } => Some(collection.as_str()),
        _ => None,
    };
    let mut collections: Vec<&str> = model.kinds().iter().filter_map(collection).collect();
    collections.sort_unstable();
    collections.dedup();
    let keys: Vec<Vec<Value>> = collections.iter().map(|name| vec![Value::from(*name)]).collect();
    let columns = [rule.name.as_str(), rule.last.as_str()];
    let lookup = Lookup { table: &rule.table, columns: &columns, by: &[&rule.name], keys: &keys };
    let mut last: BTreeMap<&str, Option<i64>> = collections.iter().map(|name| (*name, None)).collect();
    reader.lookup(&lookup, &mut |at, row| {
        let count = row.get(1).and_then(Value::as_int).unwrap_or(0);
        last.extend(collections.get(at).map(|name| (*name, Some(count))));
    })?;
    Ok(last)
}
