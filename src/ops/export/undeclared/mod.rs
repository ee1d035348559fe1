//! Undeclared references: text that equals the id of a document of the server, where no rule of the model
//! says that ids stand.
//!
//! Such text travels as it is and is never rewritten; it may mean another document in the target, or none, or
//! may mean nothing at all. So it is reported, by kind and place. Text counts where the whole of it is an id,
//! or where it is a list of pieces (`|A|B|`, `A,B`) and a piece is; so do the names of an object's members.
//! Letters of ASCII compare as the server compares them.
//!
//! A word that equals an id by chance is no reference (a city `Paris`, a customer `PARIS`): at a place where all ids
//! might be words, more than half of the distinct values that stand there must be ids.
//!
//! What is not looked for: ids that are numbers or shorter than three characters, which would match by
//! chance; ids that are the same on every server; ids of tables that the model leaves behind; parts whose ids are
//! GUIDs.
//! Nor is text that the model takes for computed (`#{...}`), or text at a place where a rule says `maybe`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use ids::IdOf;
use weigh::{Spot, Weight, may_be_a_word, weigh};

use crate::bundle::Notice;
use crate::document::{Document, Key, KindName, Value};
use crate::model::{Form, Target};
use crate::progress::Progress;
use crate::server::{Lookup, Reader, ServerError};

use super::error::ExportError;
use crate::ops::translate::{Id, Layout, Layouts, TranslateError, Translation};

mod found;
mod ids;
mod secrets;
#[cfg(test)]
mod tests;
mod walk;
mod weigh;

pub use found::{UNDECLARED, Undeclared, UndeclaredId};
pub(in crate::ops) use ids::{Ids, UnknownTable, unknown_tables};
pub use secrets::UndeclaredSecret;
pub(in crate::ops) use secrets::{
    KnownSecrets, SecretFinder, UNDECLARED_SECRET, secret_notices, without_numbers,
};
pub(in crate::ops) use walk::{Hit, hits};

/// How many places are told apart; texts at further ones are only counted. Names of members are anybody's.
const MOST_PLACES: usize = 1000;

/// How many ids are told apart, at one place and together; further ones are only counted.
const MOST_IDS: usize = 1000;
const MOST_LISTED: usize = 20_000;

/// How much waits for the server to say whether it is an id: so many, and so many bytes.
const WAITING: usize = 2000;
const WAITING_BYTES: usize = 1 << 20;

#[derive(Debug)]
struct Waiting {
    count: u64,
    example: Rc<Key>,
}

#[derive(Debug)]
struct Found {
    form: Form,
    count: u64,
    example: Key,
    example_id: String,
    /// By their folded text.
    ids: BTreeMap<String, Listed>,
    beyond: u64,
}

/// An id at a place: as it is spelled, how often, and the first document.
#[derive(Debug)]
struct Listed {
    id: String,
    count: u64,
    example: Rc<Key>,
}

/// Finds undeclared references in documents as they are exported.
#[derive(Debug)]
pub(in crate::ops) struct Finder {
    ids: Ids,
    // In the order they were met, so that the example is the first.
    waiting: Vec<(Spot, Form, String, Waiting)>,
    known: HashMap<(Spot, String), usize>,
    waiting_bytes: usize,
    found: BTreeMap<(Spot, IdOf), Found>,
    /// How many ids are listed, of all places.
    listed: usize,
    beyond: u64,
}

impl Finder {
    /// Prepares by reading every id of the server.
    ///
    /// # Errors
    /// What the server refuses, and a wish to stop.
    pub(in crate::ops) fn new(
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        progress: &dyn Progress,
    ) -> Result<Self, ExportError> {
        Ok(Self::with(Ids::read(reader, layouts, progress)?))
    }

    fn with(ids: Ids) -> Self {
        Self {
            ids,
            waiting: Vec::new(),
            known: HashMap::new(),
            waiting_bytes: 0,
            found: BTreeMap::new(),
            listed: 0,
            beyond: 0,
        }
    }

    /// Looks at a document.
    ///
    /// # Errors
    /// What the server refuses when it is asked about a text.
    pub(in crate::ops) fn look(
        &mut self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
        layout: &Layout<'_>,
        document: &Document,
    ) -> Result<(), ExportError> {
        let hits = hits(&self.ids, translation.layouts.model, layout, document);
        if hits.is_empty() {
            return Ok(());
        }
        let example = Rc::new(document.key.clone());
        for Hit { place, form, id } in hits {
            let spot = Spot { kind: layout.index, place: place.into(), form: form as u8 };
            self.wait(spot, form, &id, &example);
            if self.waiting.len() >= WAITING || self.waiting_bytes >= WAITING_BYTES {
                self.settle(reader, translation)?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, spot: Spot, form: Form, id: &str, example: &Rc<Key>) {
        let entry = (spot, id.to_owned());
        if let Some(waiting) = self.known.get(&entry).and_then(|at| self.waiting.get_mut(*at)) {
            waiting.3.count += 1;
            return;
        }
        let key: usize = example.parts().iter().map(Value::weight).sum();
        self.waiting_bytes += 2 * (entry.0.place.len() + id.len()) + key;
        self.known.insert(entry.clone(), self.waiting.len());
        self.waiting.push((entry.0, form, entry.1, Waiting { count: 1, example: Rc::clone(example) }));
    }

    /// Asks the server which of the texts that wait are ids: fingerprints may agree by chance.
    fn settle(
        &mut self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
    ) -> Result<(), ExportError> {
        let mut asked: BTreeMap<IdOf, BTreeSet<&str>> = BTreeMap::new();
        for (_, _, id, _) in &self.waiting {
            for target in self.ids.targets(id) {
                asked.entry(target).or_default().insert(id);
            }
        }
        let mut confirmed: HashSet<(IdOf, String)> = HashSet::new();
        for (target, texts) in asked {
            let texts: Vec<&str> = texts.into_iter().collect();
            let found = match target {
                IdOf::Document(target) => confirm(reader, translation, target, &texts)?,
                IdOf::Row(table) => match self.ids.tables.get(table) {
                    Some(UnknownTable { name, id: Some(id) }) => confirm_rows(reader, name, id, &texts)?,
                    _ => Vec::new(),
                },
            };
            for text in found {
                confirmed.insert((target, text));
            }
        }
        self.known.clear();
        self.waiting_bytes = 0;
        for (spot, form, id, waiting) in std::mem::take(&mut self.waiting) {
            let mut targets: Vec<IdOf> = self.ids.targets(&id).collect();
            targets.sort_unstable();
            let Some(target) = targets.into_iter().find(|target| confirmed.contains(&(*target, id.clone())))
            else {
                continue;
            };
            let full = self.found.len() >= MOST_PLACES;
            let found = match self.found.entry((spot, target)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(_) if full => {
                    self.beyond += waiting.count;
                    continue;
                }
                Entry::Vacant(place) => place.insert(Found {
                    form,
                    count: 0,
                    example: Key::clone(&waiting.example),
                    example_id: id.clone(),
                    ids: BTreeMap::new(),
                    beyond: 0,
                }),
            };
            found.count += waiting.count;
            let full = found.ids.len() >= MOST_IDS || self.listed >= MOST_LISTED;
            match found.ids.entry(translation.layouts.model.collation.fold(&id)) {
                Entry::Occupied(mut known) => known.get_mut().count += waiting.count,
                Entry::Vacant(_) if full => found.beyond += waiting.count,
                Entry::Vacant(place) => {
                    self.listed += 1;
                    place.insert(Listed { id, count: waiting.count, example: waiting.example });
                }
            }
        }
        Ok(())
    }

    /// Forgets places where words merely equal ids: all of the ids there might be words, and most values that stand
    /// there are no ids.
    fn weigh(&mut self, reader: &mut dyn Reader, layouts: &Layouts<'_>) -> Result<(), ExportError> {
        // One place may hold ids of several kinds.
        let mut ids: HashMap<&Spot, usize> = HashMap::new();
        for ((spot, _), found) in &self.found {
            *ids.entry(spot).or_default() += found.ids.len();
        }
        let mut words: BTreeMap<usize, Vec<Weight>> = BTreeMap::new();
        for ((spot, target), found) in &self.found {
            if found.beyond == 0 && found.ids.values().all(|listed| may_be_a_word(&listed.id)) {
                let ids = ids.get(spot).copied().unwrap_or_default();
                let weight = Weight::new(spot.clone(), *target, found.form, ids);
                words.entry(spot.kind).or_default().extend(weight);
            }
        }
        for (kind, mut weights) in words {
            let Some(layout) = layouts.at(kind) else { continue };
            weigh(reader, layout, layouts.model.collation, &mut weights)?;
            for weight in weights.into_iter().filter(Weight::is_light) {
                self.found.remove(&(weight.spot, weight.target));
            }
        }
        Ok(())
    }

    /// What was found, by kind and place, and how many ids stand at further places than are told apart.
    ///
    /// # Errors
    /// What the server refuses when it is asked about a text.
    pub(in crate::ops) fn finish(
        mut self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
    ) -> Result<(Vec<Undeclared>, u64), ExportError> {
        self.settle(reader, translation)?;
        self.weigh(reader, &translation.layouts)?;
        let mut wanted = BTreeSet::new();
        for ((_, target), found) in &self.found {
            let IdOf::Document(target) = target else { continue };
            wanted.extend(found.ids.values().map(|listed| (*target, Id::Text(listed.id.clone()))));
        }
        translation.learn(reader, wanted)?;
        let model = translation.layouts.model;
        let name = |(spot, target): &(Spot, IdOf)| {
            let to = match target {
                IdOf::Document(target) => model.target_name(*target)?.clone(),
                IdOf::Row(table) => KindName::new(&self.ids.tables.get(*table)?.name),
            };
            Some((model.kind_at(spot.kind)?.name.clone(), to))
        };
        let found = self.found.into_iter().filter_map(|(at, found)| {
            let (kind, to) = name(&at)?;
            let Found { form, count, example, example_id, ids, beyond } = found;
            let id = |Listed { id, count, example }: Listed| {
                let names = match at.1 {
                    IdOf::Document(target) => translation.name(&[target], &Id::Text(id.clone())),
                    IdOf::Row(_) => None,
                };
                UndeclaredId { id, names, count, example: Key::clone(&example) }
            };
            Some(Undeclared {
                kind,
                place: at.0.place.to_string(),
                form,
                to,
                count,
                example,
                example_id,
                ids: ids.into_values().map(id).collect(),
                ids_beyond: beyond,
            })
        });
        Ok((found.collect(), self.beyond))
    }

    /// Says whether the server has more ids than are looked for.
    pub(in crate::ops) fn is_partial(&self) -> bool {
        self.ids.is_full()
    }
}

/// What an export says in the bundle of the places found.
pub(in crate::ops) fn notices(found: &[Undeclared], beyond: u64, partial: bool) -> Vec<Notice> {
    let mut notices: Vec<Notice> = found.iter().flat_map(Undeclared::notices).collect();
    if beyond > 0 {
        let text = format!("{beyond} more ids stand outside references, at more places than are listed");
        notices.push(Notice { count: beyond, ..Notice::new(UNDECLARED, text) });
    }
    if partial {
        let text = "the server has too many ids: not all were looked for outside references".to_owned();
        notices.push(Notice::new(UNDECLARED, text));
    }
    notices
}

/// Which of some texts are ids of a table that the model does not know. The server compares.
pub(in crate::ops) fn confirm_rows(
    reader: &mut dyn Reader,
    table: &str,
    id: &str,
    texts: &[&str],
) -> Result<Vec<String>, ServerError> {
    let mut found = Vec::new();
    for texts in texts.chunks(500) {
        let keys: Vec<Vec<Value>> = texts.iter().map(|text| vec![Value::from(*text)]).collect();
        let lookup = Lookup { table, columns: &[id], by: &[id], keys: &keys };
        reader.lookup(&lookup, &mut |position, _| {
            found.extend(texts.get(position).map(|text| (*text).to_owned()));
        })?;
    }
    Ok(found)
}

/// Which of some texts are ids of a target. The server compares.
pub(in crate::ops) fn confirm(
    reader: &mut dyn Reader,
    translation: &mut Translation<'_>,
    target: Target,
    texts: &[&str],
) -> Result<Vec<String>, TranslateError> {
    let mut found = Vec::new();
    let Some(layout) = translation.layouts.at(target.kind()) else { return Ok(found) };
    let Some(column) = &layout.id else { return Ok(found) };
    if let Target::Part { .. } = target {
        let ids = |text: &&str| (target, Id::Text((*text).to_owned()));
        translation.learn(reader, texts.iter().map(ids).collect())?;
        let known = texts.iter().filter(|text| translation.name(&[target], &ids(text).1).is_some());
        return Ok(known.map(|text| (*text).to_owned()).collect());
    }
    let filters: Vec<_> =
        layout.filters.iter().filter_map(|(at, filter)| Some((layout.content.get(*at)?, filter))).collect();
    let mut columns = vec![column.as_str()];
    columns.extend(filters.iter().map(|(column, _)| column.server.as_str()));
    for texts in texts.chunks(500) {
        let keys: Vec<Vec<Value>> = texts.iter().map(|text| vec![Value::from(*text)]).collect();
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &[column], keys: &keys };
        reader.lookup(&lookup, &mut |position, row| {
            // Rows of the table may be no documents, or another kind's.
            let passes = filters.iter().zip(row.iter().skip(1)).all(|((_, f), v)| f.equals.contains(v));
            found.extend(texts.get(position).filter(|_| passes).map(|text| (*text).to_owned()));
        })?;
    }
    Ok(found)
}
