//! What documents of a server declare about the values of others: the types of a step template's parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::document::{Map, Place, Step, Value};
use crate::model::{Direction, Keep, Rule, Target};
use crate::server::{Lookup, Reader};

use super::Faults;
use super::error::TranslateError;
use super::id::Id;
use super::layout::{Layout, Layouts};

/// How many declaring documents are remembered before all are forgotten.
const REMEMBERED: usize = 2_000;

/// How many ids one lookup asks for.
const BATCH: usize = 8192;

/// What values of a name lead to; names without an entry are no references.
type Declarations = HashMap<String, Arc<[Target]>>;

/// What the documents of one server declare.
#[derive(Debug, Default)]
pub struct Declared {
    known: HashMap<(usize, Id), Arc<Declarations>>,
}

/// A value whose type another document declares.
#[derive(Debug)]
pub struct Question {
    place: Place,
    /// The declarations, by their position in the model.
    by: usize,
    /// The id of the document that declares.
    of: Id,
    /// The name of the declaration.
    name: String,
}

/// The values of one document whose types are declared, with what they lead to.
pub type Answers = HashMap<Place, Arc<[Target]>>;

/// Finds the values of a row whose types other documents declare. The row is only looked at.
pub fn questions(layout: &Layout<'_>, columns: &mut Map, mut body: Option<&mut Value>) -> Vec<Question> {
    if layout.kind.references.iter().all(|rule| rule.typed.is_none()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    layout.kind.walk_references(columns, body.as_deref_mut(), Direction::Up, &mut |rule, place, value| {
        let Rule::Reference(index) = rule else { return Keep::Yes };
        let typed = layout.kind.references.get(index).and_then(|rule| rule.typed.as_ref());
        if let (Some(typed), Value::Text(_)) = (typed, &*value) {
            found.push((typed, place.clone()));
        }
        Keep::Yes
    });
    let body = body.as_deref();
    let question = |(typed, place): (&crate::model::Typed, Place)| {
        let (last, parents) = place.steps().split_last()?;
        let beside = match parents.iter().try_fold(body?, step) {
            Some(Value::Map(map)) => map,
            _ => return None,
        };
        let said = |name: &str| beside.get(name).or_else(|| columns.get(name));
        let of = said(&typed.document).and_then(Id::of)?;
        let name = match (&typed.name, last) {
            (Some(name), _) => said(name)?.as_text()?.to_owned(),
            (None, Step::Member(name)) => name.to_string(),
            (None, Step::Index(_)) => return None,
        };
        Some(Question { place, by: typed.by, of, name })
    };
    found.into_iter().filter_map(question).collect()
}

fn step<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match (step, value) {
        (Step::Member(name), Value::Map(map)) => map.get(name),
        (Step::Index(index), Value::List(list)) => list.get(*index),
        _ => None,
    }
}

impl Declared {
    /// Makes room before a batch of work; never in the middle of one.
    pub fn trim(&mut self) {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
    }

    /// Reads the documents that declare what is asked for and are not known yet.
    ///
    /// # Errors
    /// [`TranslateError`], when the server fails or a declaring document cannot be read.
    pub fn learn<'q>(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        questions: impl Iterator<Item = &'q Question>,
        faults: &mut Faults,
    ) -> Result<(), TranslateError> {
        let mut wanted: BTreeMap<usize, BTreeSet<Id>> = BTreeMap::new();
        for question in questions {
            if !self.known.contains_key(&(question.by, question.of.clone())) {
                wanted.entry(question.by).or_default().insert(question.of.clone());
            }
        }
        for (by, ids) in wanted {
            let Some(types) = layouts.model.types.get(by) else { continue };
            let ids: Vec<Id> = ids.into_iter().collect();
            let mut declared: Vec<Declarations> = vec![Declarations::new(); ids.len()];
            for layout in types.kinds.iter().filter_map(|kind| layouts.at(*kind)) {
                let Some(id) = layout.id.clone() else { continue };
                read(reader, layout, types, &id, None, &ids, &mut declared, faults)?;
            }
            // What is declared now stands before what was declared earlier.
            let earlier = types.versions.as_ref().and_then(|v| Some((v, layouts.at(v.kind)?)));
            if let Some((versions, layout)) = earlier
                && let (Some(by), Some(newest)) =
                    (layout.column(&versions.by), layout.column(&versions.newest))
            {
                let (by, newest) = (by.server.clone(), newest.server.clone());
                read(reader, layout, types, &by, Some(&newest), &ids, &mut declared, faults)?;
            }
            let known = ids.into_iter().zip(declared).map(|(id, declared)| ((by, id), Arc::new(declared)));
            self.known.extend(known);
        }
        Ok(())
    }

    /// What the values asked about lead to; those that are no references are not among them.
    pub fn answers(&self, questions: Vec<Question>) -> Answers {
        let answer = |question: Question| {
            let declared = self.known.get(&(question.by, question.of))?;
            Some((question.place, Arc::clone(declared.get(&question.name)?)))
        };
        questions.into_iter().filter_map(answer).collect()
    }
}

/// Adds what the documents with these values in a column declare to what is known of each, the newest first.
#[allow(clippy::too_many_arguments, reason = "one step of `learn`, which owns all of these")]
fn read(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    types: &crate::model::Types,
    by: &str,
    newest: Option<&str>,
    ids: &[Id],
    declared: &mut [Declarations],
    faults: &mut Faults,
) -> Result<(), TranslateError> {
    let Some(body) = &layout.body else { return Ok(()) };
    for (ids, declared) in ids.chunks(BATCH).zip(declared.chunks_mut(BATCH)) {
        let keys: Vec<Vec<Value>> = ids.iter().map(|id| vec![id.to_value()]).collect();
        let columns: Vec<&str> = newest.into_iter().chain(body.columns()).collect();
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &[by], keys: &keys };
        // A row may be large: what it declares is taken from it as it comes, and it is let go.
        let (mut found, mut failed) = (Vec::new(), None);
        reader.lookup(&lookup, &mut |position, row| {
            let Some(id) = ids.get(position) else { return };
            let age = newest.and_then(|_| row.first()).and_then(Value::as_int);
            let values = row.into_iter().skip(usize::from(newest.is_some()));
            let body = match faults.pass(body.read(&layout.kind.name, &id.to_string(), values)) {
                Ok(Some((body, _))) => body,
                Ok(None) => return,
                Err(error) => return failed = failed.take().or(Some(error)),
            };
            types.at.find(&body, &mut |declaration| {
                let Value::Map(map) = declaration else { return };
                let Some(name) = map.get(&types.named).and_then(Value::as_text) else { return };
                let mut targets: &[Target] = &[];
                types.kind_at.find(declaration, &mut |kind| {
                    if let Some(to) = kind.as_text().and_then(|kind| types.to.get(kind)) {
                        targets = to;
                    }
                });
                found.push((position, age, name.to_owned(), targets));
            });
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        found.sort_by_key(|(_, age, ..)| std::cmp::Reverse(*age));
        for (position, _, name, targets) in found {
            if let Some(declared) = declared.get_mut(position) {
                declared.entry(name).or_insert_with(|| Arc::from(targets));
            }
        }
    }
    Ok(())
}
