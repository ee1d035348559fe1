//! Tables with a row for each id that references of a document hold (the model's `derived-rows`), as a server has
//! them.
//!
//! Rows of a list in a column say what the list says: an id that names nothing on the server has one too. Of ids in
//! JSON those that name something have rows, as they are in lists that are derived from them.

use std::collections::HashSet;

use crate::document::{KindName, Map, Value};
use crate::server::Row;

use super::columns::{Holds, RowsTable};
use super::id::Id;
use super::layout::{Layout, Layouts};

/// An id that a reference of a document holds on the server.
#[derive(Debug, Clone)]
pub(super) struct NamedId {
    pub id: Value,
    /// What it is the id of.
    pub kind: KindName,
    /// Whether it names nothing.
    pub dangles: bool,
}

impl RowsTable<'_> {
    /// The columns that find the rows of a document.
    pub fn by(&self) -> Vec<&str> {
        self.finding().map(|(column, _)| column.as_str()).collect()
    }

    /// The values of these columns for a document.
    pub fn key(&self, owner: &Id, layout: &Layout<'_>) -> Vec<Value> {
        let value = |holds: &Holds| match holds {
            Holds::Owner => owner.to_value(),
            _ => Value::from(layout.table.as_str()),
        };
        self.finding().map(|(_, holds)| value(holds)).collect()
    }

    fn finding(&self) -> impl Iterator<Item = (&String, &Holds)> {
        let all = self.columns.iter().zip(&self.holds);
        all.filter(|(_, holds)| matches!(holds, Holds::Owner | Holds::OwnerTable))
    }

    /// The rows of a document: one for each id that its references hold.
    pub(super) fn rows<'n>(
        &self,
        layouts: &Layouts<'_>,
        layout: &Layout<'_>,
        owner: &Id,
        columns: &Map,
        named: &dyn Fn(usize) -> &'n [NamedId],
    ) -> Vec<Row> {
        let mut seen = HashSet::new();
        let mut rows = Vec::new();
        let in_json = |rule: &usize| layout.kind.references.get(*rule).is_some_and(|r| r.at.column.is_none());
        let named = self.rule.from.iter().flat_map(|rule| {
            let in_json = in_json(rule);
            named(*rule).iter().filter(move |named| !(named.dangles && in_json))
        });
        for NamedId { id, kind, .. } in named {
            let table = layouts.model.target(kind).and_then(|target| {
                let model = || layouts.model.kind_at(target.kind()).map(|kind| kind.table.as_str());
                layouts.at(target.kind()).map(|layout| layout.table.as_str()).or_else(model)
            });
            let Some(text) = Id::of(id).map(|id| id.to_string().to_lowercase()) else { continue };
            if !seen.insert((text, table)) {
                continue;
            }
            let value = |holds: &Holds| match holds {
                Holds::Owner => owner.to_value(),
                Holds::OwnerTable => Value::from(layout.table.as_str()),
                Holds::Value => id.clone(),
                Holds::ValueTable => table.map_or(Value::Null, Value::from),
                Holds::Same(column) => columns.get(column).cloned().unwrap_or_default(),
            };
            rows.push(self.holds.iter().map(value).collect());
        }
        rows
    }
}
