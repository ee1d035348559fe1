//! Ids that mean a document wherever they stand (the model's `ids`): of which row a server has for it, if any.
//!
//! Several ids may mean one document, without a row that has them; where documents belong to a scope they mean that of
//! the scope in which they stand. Which rows there are is asked once, when the first such id is met.

use std::collections::BTreeMap;

use crate::document::{Map, Value};
use crate::model::{Model, ReferenceRule, Target};
use crate::server::{Lookup, Reader, ServerError};

use super::id::{Id, id_order};
use super::layout::{Layout, Layouts};

/// The scope that a document is in, as an id and its reference rule; neither for one that is in none.
#[derive(Debug, Default, Clone)]
pub struct Home<'m> {
    /// The scope's id.
    pub id: Option<Id>,
    /// The rule that the id is under.
    pub rule: Option<&'m ReferenceRule>,
}

impl<'m> Home<'m> {
    /// Where a document with these columns is.
    pub fn of(model: &Model, layout: &Layout<'m>, columns: &Map) -> Self {
        let Some(scope) = model.scope else { return Self::default() };
        let rules = layout.kind.references.iter().filter(|rule| rule.is_scope(scope));
        let id = |rule: &ReferenceRule| columns.get(rule.at.column.as_deref()?).and_then(Id::of);
        let found = rules.filter_map(|rule| Some((id(rule)?, rule))).next();
        found.map_or_else(Self::default, |(id, rule)| Self { id: Some(id), rule: Some(rule) })
    }
}

/// The rows that a server has of documents that ids mean wherever they stand.
#[derive(Debug, Default)]
pub struct MeantRows(BTreeMap<MeantPlace, Rows>);

/// The rows of one such document.
#[derive(Debug, Default)]
struct Rows {
    /// The scopes of those that have such an id, by the id in lower case.
    own: BTreeMap<String, Option<String>>,
    /// The document that is marked as the one, by its scope.
    marked: BTreeMap<Option<String>, Id>,
}

/// A document that ids mean wherever they stand: its kind, and its rule's position among the aliases.
pub type MeantPlace = (usize, usize);

/// What an id leads to.
#[derive(Debug, PartialEq)]
pub enum Sense {
    /// To the row that has it, if any.
    Itself,
    /// To a row that has another.
    Row(usize, Id),
    /// To a document of this kind that has no row here.
    NoRow(usize),
}

fn folded(id: &Id) -> String {
    id.to_string().to_lowercase()
}

/// The document that an id means wherever it stands, if it may lead to one.
pub fn meant_place(layouts: &Layouts<'_>, targets: &[Target], id: &Id) -> Option<MeantPlace> {
    let Id::Text(text) = id else { return None };
    targets.iter().find_map(|target| match target {
        Target::Kind(kind) => Some((*kind, layouts.at(*kind)?.meant_by(text)?)),
        Target::Part { .. } => None,
    })
}

impl MeantRows {
    /// Asks for the rows of a document, once.
    ///
    /// # Errors
    /// [`ServerError`], when the table cannot be read.
    pub fn learn(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        place: MeantPlace,
    ) -> Result<(), ServerError> {
        if self.0.contains_key(&place) {
            return Ok(());
        }
        let mut rows = Rows::default();
        let layout = layouts.at(place.0);
        let rule =
            layout.and_then(|layout| Some((layout, layout.id.as_ref()?, layout.aliases.get(place.1)?)));
        if let Some((layout, id, (mark, _, alias))) = rule
            && let Some(mark) = layout.content.get(*mark)
        {
            let scope = layout.scope_column(layouts.model).map(|column| column.server.as_str());
            let naming = layout.naming_columns();
            let columns: Vec<&str> = [id.as_str()].into_iter().chain(naming).chain(scope).collect();
            // Rows of the table may be documents of another kind.
            let seen = |row: &[Value]| {
                let (id, rest) = row.split_first()?;
                let at = rest.len() - usize::from(scope.is_some());
                let (naming, scope) = rest.split_at_checked(at)?;
                let id = Id::of(id)?;
                layout.raw_key(&id, naming)?;
                Some((id, scope.first().and_then(Id::of).map(|scope| folded(&scope))))
            };
            let ids: Vec<Vec<Value>> = alias.ids.iter().map(|id| vec![Value::from(id.as_str())]).collect();
            let own = Lookup { table: &layout.table, columns: &columns, by: &[id], keys: &ids };
            reader.lookup(&own, &mut |_, row| {
                rows.own.extend(seen(&row).map(|(id, scope)| (folded(&id), scope)));
            })?;
            let mark = [mark.server.as_str()];
            let keys = [vec![alias.equals.clone()]];
            let marked = Lookup { table: &layout.table, columns: &columns, by: &mark, keys: &keys };
            reader.lookup(&marked, &mut |_, row| {
                let Some((id, scope)) = seen(&row) else { return };
                let first = rows.marked.entry(scope).or_insert_with(|| id.clone());
                if id_order(&id) < id_order(first) {
                    *first = id;
                }
            })?;
        }
        self.0.insert(place, rows);
        Ok(())
    }

    /// What an id leads to that stands in a document of some scope; what it may mean has been learnt.
    pub fn sense(&self, layouts: &Layouts<'_>, targets: &[Target], id: &Id, home: &Home<'_>) -> Sense {
        let Some(place) = meant_place(layouts, targets, id) else { return Sense::Itself };
        let (Some(rows), Some(layout)) = (self.0.get(&place), layouts.at(place.0)) else {
            return Sense::Itself;
        };
        let scoped = layout.scope_column(layouts.model).is_some();
        let home = home.id.as_ref().filter(|_| scoped).map(folded);
        match (rows.own.get(&folded(id)), rows.marked.get(&home)) {
            (Some(scope), _) if home.is_none() || *scope == home => Sense::Itself,
            (_, Some(row)) => Sense::Row(place.0, row.clone()),
            (_, None) => Sense::NoRow(place.0),
        }
    }
}
