//! Columns of another generation of the product: documents have values for them, and the target's table lacks them.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Document, KindName, Value};
use crate::plan::Finding;

use crate::ops::translate::Layout;

/// The columns that tables of the target lack, by table: apart from others those by which documents of a kind are told
/// from others, with that kind.
#[derive(Debug, Default)]
pub(in crate::ops) struct Omitted(BTreeMap<(String, Option<KindName>), Table>);

#[derive(Debug)]
struct Table {
    /// The kind and the name of the first document.
    first: (KindName, String),
    columns: BTreeSet<String>,
    documents: usize,
}

/// Takes the columns that the target's table lacks out of a document. Returns those that held anything.
pub(in crate::ops) fn take_columns(layout: &Layout<'_>, document: &mut Document) -> Vec<String> {
    let mut foreign = Vec::new();
    document.columns.retain(|column, value| {
        let known = layout.column(column).is_some();
        // An empty list says something too (that nothing limits a document), unless a rule says otherwise.
        let rule = layout.kind.references.iter().find(|rule| rule.at.column.as_deref() == Some(column));
        let none = rule.is_some_and(|rule| rule.omit_empty);
        let empty = value.is_null() || (none && matches!(value, Value::List(list) if list.is_empty()));
        if !known && !empty {
            foreign.push(column.to_owned());
        }
        known
    });
    foreign
}

impl Omitted {
    /// Notes what a document cannot take along.
    pub fn note(&mut self, layout: &Layout<'_>, name: &str, columns: Vec<String>) {
        let (telling, plain): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|column| layout.tells_by(column));
        self.note_in(layout, name, Some(layout.kind.name.clone()), telling);
        self.note_in(layout, name, None, plain);
    }

    fn note_in(&mut self, layout: &Layout<'_>, name: &str, telling: Option<KindName>, columns: Vec<String>) {
        if columns.is_empty() {
            return;
        }
        let table = self.0.entry((layout.table.clone(), telling)).or_insert_with(|| Table {
            first: (layout.kind.name.clone(), name.to_owned()),
            columns: BTreeSet::new(),
            documents: 0,
        });
        table.columns.extend(columns);
        table.documents += 1;
    }

    /// One message a table: findings, or notices where the values are left out.
    pub fn report(self, leave_out: bool, findings: &mut Vec<Finding>, notices: &mut Vec<String>) {
        for ((table, telling), Table { first: (kind, name), columns, documents }) in self.0 {
            let list = columns.into_iter().collect::<Vec<_>>().join(", ");
            let values = match documents {
                1 => format!("1 document has a value for {list}"),
                more => format!("{more} documents have values for {list}"),
            };
            let lacks = format!("{values}, which the target's table {table} lacks (first: {kind} {name})");
            let problem = match telling {
                Some(_) => format!(
                    "{lacks}; {kind} documents are told from others by it, so it is never left out: --except {kind} leaves \
                     these documents out"
                ),
                None if leave_out => {
                    notices.push(format!("{lacks}: left out"));
                    continue;
                }
                None => format!("{lacks}; --omit-missing-columns leaves these values out"),
            };
            findings.push(Finding { kind: kind.to_string(), name: String::new(), problem });
        }
    }
}
