//! What is wrong with a document that no server wrote: looked at without a server, by the model alone.

use std::collections::HashMap;

use crate::document::{Document, KindName, Place, Value};
use crate::model::{Direction, Keep, Model, Rule};
use crate::server::{Catalog, Column, ColumnType, Table};
use crate::tree::Findings;

use crate::ops::export::undeclared::KnownSecrets;
use crate::ops::rules::misplaced::misplaced;
use crate::ops::rules::validate::invalid;
use crate::ops::translate::{Layout, Layouts};

/// How many sets of columns are remembered.
const REMEMBERED: usize = 256;

/// Looks at documents made by hand.
pub(in crate::ops) struct Handmade<'m> {
    model: &'m Model,
    /// A kind in a table that has just a document's columns; the server that it came from had no fewer.
    layouts: HashMap<(usize, Vec<String>), Option<Layout<'m>>>,
    /// Where secrets stand although no rule names them.
    secrets: KnownSecrets,
}

impl<'m> Handmade<'m> {
    pub(in crate::ops) fn new(model: &'m Model, secrets: KnownSecrets) -> Self {
        Self { model, layouts: HashMap::new(), secrets }
    }

    /// Finds what is wrong with a document: a secret in the open, a reference to no kind, or columns that its
    /// kind cannot do without are `findings`; `doubts` are values that are not what the model says they must
    /// be, which a product may hold all the same; `notes` are values that an open list of the model does not have.
    pub(in crate::ops) fn check(
        &mut self,
        file: &str,
        document: &Document,
        findings: &mut Findings,
        doubts: &mut Findings,
        notes: &mut Findings,
    ) {
        let before = findings.total();
        self.faults(file, document, findings);
        let index = self.model.kinds().iter().position(|kind| kind.name == document.kind);
        let Some(index) = index.filter(|_| findings.total() == before) else { return };
        let model = self.model;
        let Some(layout) = self.layout(index, document) else { return };
        let undeclared = |place: &Place| self.secrets.has(&document.kind, place);
        let misplaced = misplaced(&layout, model, document, &undeclared);
        let mut unknown = Vec::new();
        for text in misplaced.into_iter().chain(invalid(&layout, model, document, &mut unknown)) {
            doubts.add(file, None, text);
        }
        unknown.into_iter().for_each(|text| notes.add(file, None, text));
    }

    /// The first half of the same: what no tree may hold. Before one is written `file` is what the document is called.
    pub(in crate::ops) fn faults(&mut self, file: &str, document: &Document, findings: &mut Findings) {
        let mut unknown = |place: String, kind: &KindName| {
            findings.add(file, Some(place), format!("{:?} is no kind of the model", kind.as_str()));
        };
        document.key.parts().iter().filter_map(|part| stranger(self.model, part)).for_each(|kind| {
            unknown("key".to_owned(), kind);
        });
        document.visit(&mut |place, value| {
            if let Some(kind) = stranger(self.model, value) {
                unknown(place.to_string(), kind);
            }
        });
        let Some(index) = self.model.kinds().iter().position(|kind| kind.name == document.kind) else {
            return;
        };
        open_secrets(self.model, index, file, document, findings);
        if self.layout(index, document).is_none() {
            let text = "a column that the document's key names is missing";
            findings.add(file, Some("columns".to_owned()), text);
        }
    }

    fn layout(&mut self, index: usize, document: &Document) -> Option<Layout<'m>> {
        let names: Vec<String> = document.columns.iter().map(|(name, _)| name.to_owned()).collect();
        if self.layouts.len() >= REMEMBERED {
            self.layouts.clear();
        }
        let model = self.model;
        let layout =
            self.layouts.entry((index, names)).or_insert_with_key(|(_, names)| made_up(model, index, names));
        layout.clone()
    }
}

/// The first kind that a reference names, in its key too, and the model does not know.
fn stranger<'v>(model: &Model, value: &'v Value) -> Option<&'v KindName> {
    let Value::Ref(reference) = value else { return None };
    if model.target(&reference.kind).is_none() {
        return Some(&reference.kind);
    }
    reference.key.parts().iter().find_map(|part| stranger(model, part))
}

/// A kind in a table of some columns.
fn made_up<'m>(model: &'m Model, index: usize, names: &[String]) -> Option<Layout<'m>> {
    let kind = model.kind_at(index)?;
    let beside = kind.id.iter().map(|id| id.column.clone()).chain(kind.body.clone());
    let columns = names.iter().cloned().chain(beside).map(|name| Column {
        name,
        declared: String::new(),
        kind: ColumnType::Text,
        nullable: true,
        default: None,
        identity: false,
    });
    let table = Table {
        name: kind.table.clone(),
        columns: columns.collect(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        unchecked: Vec::new(),
    };
    Layouts::new(model, &Catalog { tables: vec![table] }).ok()?.at(index).cloned()
}

/// Texts in the open where the model says there are secrets: a tree holds none.
fn open_secrets(model: &Model, index: usize, file: &str, document: &Document, findings: &mut Findings) {
    let Some(kind) = model.kind_at(index) else { return };
    let (mut columns, mut body) = (document.columns.clone(), document.body.clone());
    kind.walk(&mut columns, body.as_mut(), Direction::Down, &mut |rule, place, value| {
        if matches!(rule, Rule::Secret(_)) && matches!(value, Value::Text(text) if !text.is_empty()) {
            findings.add(
                file,
                Some(place.to_string()),
                "a secret stands here in the open; remove it, enter it on the server, and export it from there",
            );
        }
        Keep::Yes
    });
}
