//! Tables with a row for each id that references of a document hold (the model's `derived-rows`), as a server has
//! them.
//!
//! Rows of a list in a column say what the list says: an id that names nothing on the server has one too. Of ids in
//! JSON those that name something have rows, as they are in lists that are derived from them.

use std::collections::HashSet;

use crate::document::{KindName, Map, Value};
use crate::model::{DerivedRows, Kind};
use crate::server::{Catalog, ColumnType, Row};

use super::layout::ContentColumn;
use super::{Id, Layout, Layouts};

/// An id that a reference of a document holds on the server.
#[derive(Debug, Clone)]
pub(super) struct NamedId {
    pub id: Value,
    /// What it is the id of.
    pub kind: KindName,
    /// Whether it names nothing.
    pub dangles: bool,
}

/// What a column of a derived row holds.
#[derive(Debug, Clone)]
enum Holds {
    Owner,
    OwnerTable,
    Value,
    ValueTable,
    /// What the document has in a column of the same name.
    Same(String),
}

/// A table of derived rows on a server.
#[derive(Debug, Clone)]
pub struct RowsTable<'m> {
    rule: &'m DerivedRows,
    /// The table as the server spells it.
    pub table: String,
    /// Its columns that are written, as the server spells them.
    pub columns: Vec<String>,
    holds: Vec<Holds>,
}

impl<'m> RowsTable<'m> {
    /// Finds the tables of a kind's derived rows, and why rows of others cannot be written. Tables that the server
    /// lacks are passed over.
    pub(super) fn find(
        kind: &'m Kind,
        content: &[ContentColumn],
        catalog: &Catalog,
    ) -> (Vec<Self>, Vec<String>) {
        let (mut found, mut unfit) = (Vec::new(), Vec::new());
        for rule in &kind.derived_rows {
            match Self::of(rule, content, catalog) {
                Some(Ok(table)) => found.push(table),
                Some(Err(why)) => unfit.push(why),
                None => {}
            }
        }
        (found, unfit)
    }

    fn of(
        rule: &'m DerivedRows,
        content: &[ContentColumn],
        catalog: &Catalog,
    ) -> Option<Result<Self, String>> {
        let table = catalog.table(&rule.table)?;
        let (mut columns, mut holds) = (Vec::new(), Vec::new());
        for column in &table.columns {
            let is = |name: &str| column.name.eq_ignore_ascii_case(name);
            let is_one = |name: &Option<String>| name.as_deref().is_some_and(is);
            let same = || content.iter().find(|same| same.carried && is(&same.server));
            let held = if is(&rule.owner) {
                Holds::Owner
            } else if is(&rule.value) {
                Holds::Value
            } else if is_one(&rule.owner_table) {
                Holds::OwnerTable
            } else if is_one(&rule.value_table) {
                Holds::ValueTable
            } else if column.identity || column.kind == ColumnType::RowVersion {
                continue;
            } else if let Some(same) = same() {
                Holds::Same(same.name.clone())
            } else if column.nullable || column.default.is_some() {
                continue;
            } else {
                let why = format!("its column {} needs a value that the model does not say", column.name);
                return Some(Err(format!("rows of {} are not written: {why}", table.name)));
            };
            columns.push(column.name.clone());
            holds.push(held);
        }
        for name in [&rule.owner, &rule.value] {
            if table.column(name).is_none() {
                return Some(Err(format!("rows of {} are not written: it has no column {name}", table.name)));
            }
        }
        Some(Ok(Self { rule, table: table.name.clone(), columns, holds }))
    }

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
