//! How many rows an import writes, table by table: what its one transaction holds until it ends.

use std::collections::BTreeMap;

use super::{Action, Plan};
use crate::model::Model;

/// What is written to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRows {
    /// The table, as the model spells it.
    pub table: String,
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that are there and change.
    pub updated: u64,
    /// Rows that are there and go.
    pub deleted: u64,
}

impl Plan {
    /// The rows that would be written, by table in the order of names; tables that nothing is written to are
    /// left out. Each document is one row. The counters for new ids, a row for each table of new documents at
    /// the most, come on top.
    pub fn rows(&self, model: &Model) -> Vec<TableRows> {
        let mut tables: BTreeMap<&str, TableRows> = BTreeMap::new();
        for entry in &self.entries {
            let (inserted, updated, deleted) = match entry.action {
                Action::Create => (1, 0, 0),
                Action::Update | Action::Merge => (0, 1, 0),
                Action::Delete => (0, 0, 1),
                Action::Unchanged | Action::Skip => continue,
            };
            let Some(kind) = model.kind(entry.kind.as_str()) else { continue };
            let table = kind.table.as_str();
            let rows = tables.entry(table).or_insert_with(|| TableRows {
                table: table.to_owned(),
                inserted: 0,
                updated: 0,
                deleted: 0,
            });
            rows.inserted += inserted;
            rows.updated += updated;
            rows.deleted += deleted;
        }
        tables.into_values().collect()
    }
}
