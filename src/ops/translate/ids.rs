//! From natural keys to the target's ids: what the target has, and what an import will give it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::document::{Collation, Key, Reference, Value};
use crate::model::Target;
use crate::server::{Lookup, Reader};

use super::{Faults, Id, Layout, Layouts, TranslateError};

/// How many keys one lookup asks for.
const BATCH: usize = 8192;

/// What is known of a key in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The target has the document, under this id (`None` for kinds without ids).
    Found(Option<Id>),
    /// The import creates the document; its id comes when it is allocated.
    Planned,
    /// Neither the target nor the bundle has it.
    Absent,
}

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
#[derive(Debug)]
pub struct Ids {
    collation: Collation,
    known: HashMap<(Target, String), Known>,
    faults: Faults,
}

impl Ids {
    /// Knows nothing yet; keys compare under this collation.
    pub fn new(collation: Collation) -> Self {
        Self { collation, known: HashMap::new(), faults: Faults::default() }
    }

    /// Hands out what of the target could not be read or told apart since it was last asked.
    pub fn take_faults(&mut self) -> Faults {
        std::mem::take(&mut self.faults)
    }

    /// Returns what is known of a key, if it was asked for.
    pub fn get(&self, target: Target, key: &Key) -> Option<&Known> {
        self.known.get(&(target, key.folded(self.collation)))
    }

    /// Records what is known of a key.
    pub fn set(&mut self, target: Target, key: &Key, known: Known) {
        self.known.insert((target, key.folded(self.collation)), known);
    }

    /// The documents that were found so far, by kind; those of kinds without ids are left out.
    #[allow(clippy::disallowed_methods, reason = "they go into an ordered set")]
    pub fn found(&self) -> BTreeSet<(usize, Id)> {
        let found = self.known.iter().filter_map(|((target, _), known)| match (target, known) {
            (Target::Kind(kind), Known::Found(Some(id))) => Some((*kind, id.clone())),
            _ => None,
        });
        found.collect()
    }

    /// Returns the id of a reference's document; of one that ids mean wherever they stand, and that the target
    /// lacks, the first of these.
    pub fn id(&self, layouts: &Layouts<'_>, reference: &Reference) -> Option<Id> {
        let target = layouts.model.target(&reference.kind)?;
        match self.get(target, &reference.key)? {
            Known::Found(id) => id.clone(),
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
        let mut unknown: Vec<&Key> = Vec::new();
        let mut scopes: BTreeMap<Target, Vec<&Key>> = BTreeMap::new();
        for key in keys {
            if self.get(target, key).is_some() {
                continue;
            }
            unknown.push(key);
            // Many documents refer to one: it is looked for once.
            self.set(target, key, Known::Absent);
            for part in key.parts() {
                if let Value::Ref(reference) = part
                    && let Some(scope) = layouts.model.target(&reference.kind)
                {
                    scopes.entry(scope).or_default().push(&reference.key);
                }
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        for (scope, keys) in scopes {
            self.find(reader, layouts, scope, &keys)?;
        }
        match target {
            Target::Kind(kind) => self.find_rows(reader, layouts, kind, &unknown),
            Target::Part { kind, part } => self.find_parts(reader, layouts, kind, part, &unknown),
        }
    }

    fn find_rows(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        kind: usize,
        keys: &[&Key],
    ) -> Result<(), TranslateError> {
        let target = Target::Kind(kind);
        for key in keys {
            self.set(target, key, Known::Absent);
        }
        let Some(layout) = layouts.at(kind) else { return Ok(()) };
        let key_columns = layout.key_columns();
        let mut plain: Vec<Wanted<'_>> = Vec::new();
        let mut by_id: Vec<Wanted<'_>> = Vec::new();
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
                    by_id.push(Wanted { key, ordinal: 1, values: vec![id], apart: BTreeSet::new() });
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
        if let Some(id) = &layout.id {
            self.find_wanted(reader, layout, &[id], by_id)?;
        }
        // A document may have an id of another making all the same.
        plain.retain(|wanted| self.get(target, wanted.key) == Some(&Known::Absent));
        self.find_wanted(reader, layout, &key_columns, plain)?;
        for ((mark, at, _), wanted) in layout.aliases.iter().zip(marked) {
            let mut by = key_columns.clone();
            if let (Some(named), Some(mark)) = (by.get_mut(*at), layout.content.get(*mark)) {
                *named = &mark.server;
            }
            self.find_wanted(reader, layout, &by, wanted)?;
        }
        Ok(())
    }

    /// Finds rows by the values of some columns.
    fn find_wanted(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        by: &[&str],
        wanted: Vec<Wanted<'_>>,
    ) -> Result<(), TranslateError> {
        let target = Target::Kind(layout.index);
        let naming = layout.naming_columns();
        let columns: Vec<&str> = layout.id.iter().map(String::as_str).chain(naming).collect();
        let has_id = layout.id.is_some();
        let collation = self.collation;
        for wanted in wanted.chunks(BATCH) {
            let values: Vec<Vec<Value>> = wanted.iter().map(|wanted| wanted.values.clone()).collect();
            let mut found: BTreeMap<usize, Vec<_>> = BTreeMap::new();
            let lookup = Lookup { table: &layout.table, columns: &columns, by, keys: &values };
            reader.lookup(&lookup, &mut |position, row| {
                let id = row.first().filter(|_| has_id).and_then(Id::of);
                let naming = row.get(usize::from(has_id)..).unwrap_or_default();
                // Rows of the table may be documents of another kind, or of none.
                let named = id.clone().unwrap_or(Id::Int(0));
                let Some(raw) = layout.raw_key(&named, naming) else { return };
                let told = raw.iter().skip(layout.key_len()).filter_map(Id::of);
                let told: BTreeSet<String> = told.map(|id| collation.fold(&id.to_string())).collect();
                if layout.kind.apart.is_empty() || wanted.get(position).is_some_and(|w| w.apart == told) {
                    found.entry(position).or_default().push((layout.standing(&named, naming), id));
                }
            })?;
            for (position, mut ids) in found {
                let Some(Wanted { key, ordinal, .. }) = wanted.get(position) else { continue };
                ids.sort();
                let numbered = layout.kind.duplicates == crate::model::Duplicates::Number;
                if ids.len() > 1 && !numbered {
                    let kind = layout.kind.name.clone();
                    self.faults.keep(TranslateError::Ambiguous { kind, key: key.to_string() })?;
                }
                let position =
                    ordinal.checked_sub(1).and_then(|p| usize::try_from(p).ok()).unwrap_or(usize::MAX);
                if let Some((_, id)) = ids.into_iter().nth(position) {
                    self.set(target, key, Known::Found(id));
                }
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

    fn find_parts(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        kind: usize,
        part: usize,
        keys: &[&Key],
    ) -> Result<(), TranslateError> {
        let target = Target::Part { kind, part };
        for key in keys {
            self.set(target, key, Known::Absent);
        }
        let (Some(layout), Some(rule)) = (layouts.at(kind), layouts.model.kind_at(kind)) else {
            return Ok(());
        };
        let Some(rule) = rule.parts.get(part) else { return Ok(()) };
        let (Some(id_column), Some(body)) = (&layout.id, &layout.body) else { return Ok(()) };
        let owners: BTreeMap<Id, &Reference> = keys
            .iter()
            .filter_map(|key| match key.parts().first() {
                Some(Value::Ref(owner)) => self.id(layouts, owner).map(|id| (id, &**owner)),
                _ => None,
            })
            .collect();
        let columns: Vec<&str> = std::iter::once(id_column.as_str()).chain(body.columns()).collect();
        let by = [id_column.as_str()];
        let wanted: Vec<Vec<Value>> = owners.keys().map(|id| vec![id.to_value()]).collect();
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &wanted };
        // A row may be large: each is looked at as it comes, and let go.
        let (mut found, mut failed) = (Vec::new(), None);
        reader.lookup(&lookup, &mut |_, row| {
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
                    found.extend(Key::new(parts).ok().map(|key| (key, id)));
                }
            });
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        for (key, id) in found {
            self.set(target, &key, Known::Found(Some(id)));
        }
        Ok(())
    }
}

/// The id that means a document wherever it stands.
fn meant_id(layouts: &Layouts<'_>, target: Target, key: &Key) -> Option<Id> {
    let Target::Kind(kind) = target else { return None };
    layouts.at(kind)?.is_meant(key)?.ids.first().map(|id| Id::Text(id.clone()))
}
