//! The columns of a kind's table on a server, and of the tables of rows that are derived from its documents.

use crate::model::{DerivedRows, Kind};
use crate::server::{Catalog, ColumnType};

/// A column of the content.
#[derive(Debug, Clone)]
pub struct ContentColumn {
    /// As the model spells it, or else the server: the name in documents.
    pub name: String,
    /// As the server spells it.
    pub server: String,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// Whether it is carried; derived and local columns are not.
    pub carried: bool,
    /// Whether it has a default.
    pub has_default: bool,
    /// Whether the server numbers rows that bring no value.
    pub identity: bool,
    /// The type that the table declares.
    pub sql_type: String,
}

impl ContentColumn {
    /// Says whether a name means this column: servers do not tell names of columns apart by case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What a column of a derived row holds.
#[derive(Debug, Clone)]
pub(super) enum Holds {
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
    pub(super) rule: &'m DerivedRows,
    /// The table as the server spells it.
    pub table: String,
    /// Its columns that are written, as the server spells them.
    pub columns: Vec<String>,
    pub(super) holds: Vec<Holds>,
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
}
