//! From natural keys to the target's ids: what the target has, and what an import will give it.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::document::{Collation, Key, Reference, Value};
use crate::model::Target;
use crate::server::{Lookup, Reader};

use super::Faults;
use super::error::TranslateError;
use super::id::Id;
use super::layout::{Layout, Layouts};
use super::marks::{ByMark, Mark, Marker};
use super::slots::{Known, Slots};

/// How many keys one lookup asks for.
const BATCH: usize = 8192;

/// As many bytes are kept to fold keys in.
const MOST_SCRATCH: usize = 4096;

/// A key to be found, and the values of the columns that find it.
#[derive(Clone)]
struct Wanted<'k> {
    key: &'k Key,
    /// Which of the rows that share the columns it is, from one.
    ordinal: i64,
    values: Vec<Value>,
    /// What tells it from others of these columns: ids in the target, folded, as a set.
    apart: BTreeSet<String>,
}

/// The target's ids by natural key.
///
/// Each key has a number here; what is kept of it are a mark, its id and 12 bytes more: 50 to 75 bytes in all.
#[derive(Debug)]
pub struct Ids {
    collation: Collation,
    marker: Marker,
    numbers: ByMark<u32>,
    /// What is known, by number.
    slots: Slots,
    faults: Faults,
}

impl Ids {
    /// Knows nothing yet; keys compare under this collation.
    pub fn new(collation: Collation) -> Self {
        Self {
            collation,
            marker: Marker::default(),
            numbers: ByMark::default(),
            slots: Slots::default(),
            faults: Faults::default(),
        }
    }

    /// Hands out what of the target could not be read or told apart since it was last asked.
    pub fn take_faults(&mut self) -> Faults {
        std::mem::take(&mut self.faults)
    }

    fn mark(&self, target: Target, key: &Key) -> Mark {
        thread_local! {
            static FOLDED: RefCell<String> = const { RefCell::new(String::new()) };
        }
        FOLDED.with_borrow_mut(|folded| {
            key.fold_into(self.collation, folded);
            let mark = self.marker.mark(sort_of(target), folded);
            // A key may be as long as a document; most are names.
            folded.shrink_to(MOST_SCRATCH);
            mark
        })
    }

    /// The number of a key, if it has one: all its spellings share it. Numbers count from zero.
    pub fn number(&self, target: Target, key: &Key) -> Option<u32> {
        self.numbers.get(&self.mark(target, key)).copied()
    }

    /// The number of a key, which gets one if it has none.
    pub fn numbered(&mut self, target: Target, key: &Key) -> u32 {
        let mark = self.mark(target, key);
        match self.numbers.entry(mark) {
            Entry::Occupied(number) => *number.get(),
            Entry::Vacant(place) => *place.insert(self.slots.add(target)),
        }
    }

    /// Returns what is known of a key by its number, if it was asked for.
    pub fn at(&self, number: u32) -> Option<Known> {
        self.slots.get(number)
    }

    /// Records what is known of a key by its number.
    pub fn set_at(&mut self, number: u32, known: &Known) {
        self.slots.set(number, known);
    }

    /// Returns what is known of a key, if it was asked for.
    pub fn get(&self, target: Target, key: &Key) -> Option<Known> {
        self.at(self.number(target, key)?)
    }

    /// Records what is known of a key.
    pub fn set(&mut self, target: Target, key: &Key, known: Known) {
        let number = self.numbered(target, key);
        self.set_at(number, &known);
    }

    /// The documents that were found so far, by kind; those of kinds without ids are left out.
    pub fn found(&self) -> BTreeSet<(usize, Id)> {
        self.slots.found()
    }

    /// Returns the id of a reference's document; of one that ids mean wherever they stand, and that the target
    /// lacks, the first of these.
    pub fn id(&self, layouts: &Layouts<'_>, reference: &Reference) -> Option<Id> {
        let target = layouts.model.target(&reference.kind)?;
        match self.get(target, &reference.key)? {
            Known::Found(id) => id,
            Known::Planned => None,
            Known::Absent => meant_id(layouts, target, &reference.key),
        }
    }

    /// Says whether nothing can be written for a reference: neither side has the document, as far as is known.
    pub fn is_gone(&self, layouts: &Layouts<'_>, reference: &Reference) -> bool {
        let Some(target) = layouts.model.target(&reference.kind) else { return true };
        match self.get(target, &reference.key) {
            Some(Known::Found(_) | Known::Planned) => false,
            Some(Known::Absent) | None => meant_id(layouts, target, &reference.key).is_none(),
        }
    }

    /// Finds documents of one kind by their keys, with all that the keys run through; what is not in the
    /// target becomes `Absent`. Keys already known are not asked for again. A key that names several rows of a
    /// kind whose keys must be unique is among the faults, and found as the first of them.
    ///
    /// # Errors
    /// [`TranslateError`], when the server fails.
    pub fn find(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        target: Target,
        keys: &[&Key],
    ) -> Result<(), TranslateError> {
        self.find_levels(reader, layouts, &BTreeMap::from([(target, keys.to_vec())]), false)
    }

    /// The same for keys of several kinds, which are asked for together: in as many requests as keys run through
    /// others.
    ///
    /// # Errors
    /// As [`Ids::find`].
    pub fn find_all(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        wanted: &BTreeMap<Target, Vec<&Key>>,
    ) -> Result<(), TranslateError> {
        self.find_levels(reader, layouts, wanted, false)
    }

    /// The same as far as the target has all that the keys run through; of others nothing is known afterwards. What is
    /// recorded of their scopes later is not yet to be taken into account.
    ///
    /// # Errors
    /// As [`Ids::find`].
    pub fn find_within(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        wanted: &BTreeMap<Target, Vec<&Key>>,
    ) -> Result<(), TranslateError> {
        self.find_levels(reader, layouts, wanted, true)
    }

    fn find_levels(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        wanted: &BTreeMap<Target, Vec<&Key>>,
        within: bool,
    ) -> Result<(), TranslateError> {
        let mut open = Open::default();
        for (target, keys) in wanted {
            for key in keys {
                self.open(layouts, *target, key, &mut open);
            }
        }
        for mut level in open.levels {
            if within {
                level.retain(|target, keys| {
                    keys.retain(|key| self.is_within(layouts, *target, key));
                    !keys.is_empty()
                });
            }
            self.find_level(reader, layouts, &level)?;
        }
        Ok(())
    }

    /// Takes a key among those to be asked for, after all that it runs through, and returns the level that what runs
    /// through it is on. Many documents refer to one: it is looked for once.
    fn open<'k>(
        &mut self,
        layouts: &Layouts<'_>,
        target: Target,
        key: &'k Key,
        open: &mut Open<'k>,
    ) -> usize {
        let number = self.numbered(target, key);
        if self.slots.is_known(number) {
            return open.known.get(&number).copied().unwrap_or_default();
        }
        let mut level = 0;
        for part in key.parts() {
            if let Value::Ref(reference) = part
                && let Some(scope) = layouts.model.target(&reference.kind)
            {
                level = level.max(self.open(layouts, scope, &reference.key, open));
            }
        }
        self.slots.set(number, &Known::Absent);
        open.known.insert(number, level + 1);
        if open.levels.len() <= level {
            open.levels.resize_with(level + 1, BTreeMap::new);
        }
        if let Some(keys) = open.levels.get_mut(level) {
            keys.entry(target).or_default().push(key);
        }
        level + 1
    }

    /// Says whether the target has all that a key runs through; forgets the key where it does not.
    fn is_within(&mut self, layouts: &Layouts<'_>, target: Target, key: &Key) -> bool {
        let found = |part: &Value| match part {
            Value::Ref(scope) => {
                let target = layouts.model.target(&scope.kind);
                matches!(target.and_then(|target| self.get(target, &scope.key)), Some(Known::Found(_)))
            }
            part => !matches!(part, Value::Dangling(_)),
        };
        if key.parts().iter().all(found) {
            return true;
        }
        let number = self.numbered(target, key);
        self.slots.forget(number);
        false
    }

    /// Finds keys that run through nothing that is asked for with them.
    fn find_level(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        level: &BTreeMap<Target, Vec<&Key>>,
    ) -> Result<(), TranslateError> {
        let (mut by_id, mut by_key) = (Vec::new(), Vec::new());
        for (target, keys) in level {
            if let Target::Kind(kind) = target
                && let Some(layout) = layouts.at(*kind)
            {
                self.searches(layouts, layout, keys, &mut by_id, &mut by_key);
            }
        }
        self.search(reader, by_id)?;
        for search in &mut by_key {
            // A document may have an id of another making all the same.
            let target = Target::Kind(search.layout.index);
            search.wanted.retain(|wanted| self.get(target, wanted.key) == Some(Known::Absent));
        }
        self.search(reader, by_key)?;
        self.find_parts(reader, layouts, level)
    }

    /// How documents of a kind are searched: by their ids, where keys tell them, and then by columns.
    fn searches<'l, 'k>(
        &self,
        layouts: &Layouts<'_>,
        layout: &'l Layout<'l>,
        keys: &[&'k Key],
        by_id: &mut Vec<Search<'l, 'k>>,
        by_key: &mut Vec<Search<'l, 'k>>,
    ) {
        let key_columns = layout.key_columns();
        let mut plain: Vec<Wanted<'_>> = Vec::new();
        let mut with_id: Vec<Wanted<'_>> = Vec::new();
        let mut marked: Vec<Vec<Wanted<'_>>> = vec![Vec::new(); layout.aliases.len()];
        for key in keys {
            let Some((ordinal, mut values)) = self.columns_of(layouts, layout, key) else { continue };
            let Some(apart) = self.apart_of(layouts, layout, key) else { continue };
            if let Some(composed) = layout.composed {
                // The id tells what its owner's is and what the server made up: no table has a better index.
                let column = |p: &usize| layout.content.get(*p).is_some_and(|c| c.is(&composed.column));
                let owner = layout.key.iter().position(column).and_then(|at| values.get(at)).and_then(Id::of);
                let rest = key.parts().get(layout.key.len()).and_then(Value::as_text);
                if let (Some(owner), Some(rest)) = (owner, rest.or((!composed.open).then_some(""))) {
                    let id = Value::Text(composed.id(&owner.to_string(), rest));
                    with_id.push(Wanted { key, ordinal: 1, values: vec![id], apart: BTreeSet::new() });
                }
                if !composed.open {
                    plain.push(Wanted { key, ordinal, values, apart });
                }
                continue;
            }
            let alias = layout.aliases.iter().position(|(_, at, alias)| {
                values.get(*at).and_then(Value::as_text) == Some(alias.name.as_str())
            });
            let rule = alias.and_then(|alias| layout.aliases.get(alias).zip(marked.get_mut(alias)));
            match rule {
                Some(((_, at, alias), marked)) => {
                    if let Some(named) = values.get_mut(*at) {
                        *named = alias.equals.clone();
                    }
                    marked.push(Wanted { key, ordinal, values, apart });
                }
                None => plain.push(Wanted { key, ordinal, values, apart }),
            }
        }
        by_id.extend(layout.id.as_deref().map(|id| Search { layout, by: vec![id], wanted: with_id }));
        by_key.push(Search { layout, by: key_columns.clone(), wanted: plain });
        for ((mark, at, _), wanted) in layout.aliases.iter().zip(marked) {
            let mut by = key_columns.clone();
            if let (Some(named), Some(mark)) = (by.get_mut(*at), layout.content.get(*mark)) {
                *named = &mark.server;
            }
            by_key.push(Search { layout, by, wanted });
        }
    }

    /// Finds rows by the values of some columns.
    fn search(
        &mut self,
        reader: &mut dyn Reader,
        searches: Vec<Search<'_, '_>>,
    ) -> Result<(), TranslateError> {
        let collation = self.collation;
        let chunks: Vec<(&Search<'_, '_>, &[Wanted<'_>])> = searches
            .iter()
            .flat_map(|search| search.wanted.chunks(BATCH).map(move |some| (search, some)))
            .collect();
        let mut asked = Vec::with_capacity(chunks.len());
        for (Search { layout, .. }, wanted) in &chunks {
            let id = layout.id.iter().map(String::as_str);
            let columns: Vec<&str> = id.chain(layout.naming_columns()).collect();
            asked.push((columns, wanted.iter().map(|wanted| wanted.values.clone()).collect::<Vec<_>>()));
        }
        let lookups = chunks.iter().zip(&asked).map(|((search, _), (columns, keys))| Lookup {
            table: &search.layout.table,
            columns,
            by: &search.by,
            keys,
        });
        let lookups: Vec<Lookup<'_>> = lookups.collect();
        let mut found: BTreeMap<(usize, usize), Vec<_>> = BTreeMap::new();
        reader.lookups(&lookups, &mut |at, position, row| {
            let Some((Search { layout, .. }, wanted)) = chunks.get(at) else { return };
            let id = row.first().filter(|_| layout.id.is_some()).and_then(Id::of);
            let naming = row.get(usize::from(layout.id.is_some())..).unwrap_or_default();
            // Rows of the table may be documents of another kind, or of none.
            let named = id.clone().unwrap_or(Id::Int(0));
            let Some(raw) = layout.raw_key(&named, naming) else { return };
            let told = raw.iter().skip(layout.key_len()).filter_map(Id::of);
            let told: BTreeSet<String> = told.map(|id| collation.fold(&id.to_string())).collect();
            if layout.kind.apart.is_empty() || wanted.get(position).is_some_and(|w| w.apart == told) {
                found.entry((at, position)).or_default().push((layout.standing(&named, naming), id));
            }
        })?;
        for ((at, position), mut ids) in found {
            let Some((Search { layout, .. }, wanted)) = chunks.get(at) else { continue };
            let Some(Wanted { key, ordinal, .. }) = wanted.get(position) else { continue };
            ids.sort();
            let numbered = layout.kind.duplicates == crate::model::Duplicates::Number;
            if ids.len() > 1 && !numbered {
                let kind = layout.kind.name.clone();
                self.faults.keep(TranslateError::Ambiguous { kind, key: key.to_string() })?;
            }
            let position = ordinal.checked_sub(1).and_then(|p| usize::try_from(p).ok()).unwrap_or(usize::MAX);
            if let Some((_, id)) = ids.into_iter().nth(position) {
                self.set(Target::Kind(layout.index), key, Known::Found(id));
            }
        }
        Ok(())
    }

    /// The values of the key's columns in the target and the ordinal among equals; `None` where some
    /// document that the key runs through is not in the target.
    pub fn columns_of(
        &self,
        layouts: &Layouts<'_>,
        layout: &Layout<'_>,
        key: &Key,
    ) -> Option<(i64, Vec<Value>)> {
        let (parts, rest) = key.parts().split_at_checked(layout.key.len())?;
        let ordinal = match (rest, layout.open) {
            ([Value::Text(_)], Some(_)) => 1,
            // A key whose id has no end that the server made up has a number at the most.
            ([] | [Value::Int(_)], Some(_)) => rest.first().and_then(Value::as_int).unwrap_or(1),
            (_, Some(_)) => return None,
            (_, None) => layout.beyond(key)?.1,
        };
        let values = parts.iter().map(|part| match part {
            Value::Ref(reference) => self.id(layouts, reference).as_ref().map(Id::to_value),
            Value::Dangling(dangling) => Some(dangling.id.clone()),
            part => Some(part.clone()),
        });
        Some((ordinal, values.collect::<Option<_>>()?))
    }

    /// The ids in the target of what tells a key's document apart; `None` where the target lacks one.
    fn apart_of(&self, layouts: &Layouts<'_>, layout: &Layout<'_>, key: &Key) -> Option<BTreeSet<String>> {
        if layout.kind.apart.is_empty() {
            return Some(BTreeSet::new());
        }
        let id = |part: &Value| match part {
            Value::Ref(reference) => self.id(layouts, reference),
            Value::Dangling(dangling) => Id::of(&dangling.id),
            _ => None,
        };
        let (apart, _) = layout.beyond(key)?;
        apart.iter().map(|part| Some(self.collation.fold(&id(part)?.to_string()))).collect()
    }

    /// Finds parts in the JSON of the documents that own them.
    fn find_parts(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        level: &BTreeMap<Target, Vec<&Key>>,
    ) -> Result<(), TranslateError> {
        let mut owned = Vec::new();
        for (target, keys) in level {
            let Target::Part { kind, part } = *target else { continue };
            let rule = layouts.model.kind_at(kind).and_then(|kind| kind.parts.get(part));
            let (Some(layout), Some(rule)) = (layouts.at(kind), rule) else { continue };
            let (Some(id), Some(body)) = (layout.id.as_deref(), &layout.body) else { continue };
            let owners: BTreeMap<Id, &Reference> = keys
                .iter()
                .filter_map(|key| match key.parts().first() {
                    Some(Value::Ref(owner)) => self.id(layouts, owner).map(|id| (id, &**owner)),
                    _ => None,
                })
                .collect();
            let columns: Vec<&str> = std::iter::once(id).chain(body.columns()).collect();
            let wanted: Vec<Vec<Value>> = owners.keys().map(|id| vec![id.to_value()]).collect();
            owned.push((*target, layout, rule, body, owners, columns, [id], wanted));
        }
        let lookups = owned.iter().map(|(_, layout, _, _, _, columns, by, keys)| Lookup {
            table: &layout.table,
            columns,
            by,
            keys,
        });
        let lookups: Vec<Lookup<'_>> = lookups.collect();
        // A row may be large: each is looked at as it comes, and let go.
        let (mut found, mut failed) = (Vec::new(), None);
        reader.lookups(&lookups, &mut |at, _, row| {
            let Some((target, layout, rule, body, owners, ..)) = owned.get(at) else { return };
            let mut row = row.into_iter();
            let Some(id) = row.next().as_ref().and_then(Id::of) else { return };
            let Some(owner) = owners.get(&id) else { return };
            let body = match self.faults.pass(body.read(&layout.kind.name, &id.to_string(), row)) {
                Ok(Some((body, _))) => body,
                Ok(None) => return,
                Err(error) => return failed = failed.take().or(Some(error)),
            };
            rule.at.find(&body, &mut |element| {
                if let Value::Map(map) = element
                    && let Some(id) = map.get(&rule.id).and_then(Id::of)
                {
                    let mut parts = vec![Value::Ref(Box::new(Reference::clone(owner)))];
                    parts.extend(crate::model::pick(map, &rule.key));
                    found.extend(Key::new(parts).ok().map(|key| (*target, key, id)));
                }
            });
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        for (target, key, id) in found {
            self.set(target, &key, Known::Found(Some(id)));
        }
        Ok(())
    }
}

/// Keys that are asked for, by how many others they run through.
#[derive(Default)]
struct Open<'k> {
    levels: Vec<BTreeMap<Target, Vec<&'k Key>>>,
    /// The level of what runs through a key, by its number.
    known: HashMap<u32, usize>,
}

/// A search for documents of a kind by the values of some columns.
struct Search<'l, 'k> {
    layout: &'l Layout<'l>,
    by: Vec<&'l str>,
    wanted: Vec<Wanted<'k>>,
}

/// The number of what keys name, for marks.
fn sort_of(target: Target) -> u32 {
    let (kind, part) = match target {
        Target::Kind(kind) => (kind, 0),
        Target::Part { kind, part } => (kind, part + 1),
    };
    // A model has no more kinds, nor a kind more parts.
    u32::try_from(kind << 16 | part).unwrap_or(u32::MAX)
}

/// The id that means a document wherever it stands.
fn meant_id(layouts: &Layouts<'_>, target: Target, key: &Key) -> Option<Id> {
    let Target::Kind(kind) = target else { return None };
    layouts.at(kind)?.is_meant(key)?.ids.first().map(|id| Id::Text(id.clone()))
}
