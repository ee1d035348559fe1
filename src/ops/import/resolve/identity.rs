//! The ids of documents and of their parts in a target: those that are given before anything is allocated, and
//! those that it has.

use std::collections::HashSet;

use crate::bundle;
use crate::document::{Document, Key, Reference, Value};
use crate::model::{Composed, IdRule, NewId, Target};
use crate::server::{Lookup, Reader, ServerError};

use super::examiner::{Examiner, SkippedPart};
use super::misfits::misfit;
use crate::ops::import::request::error::ImportError;
use crate::ops::translate::{Id, Known, Layout, Portable, part_ids};

impl Examiner<'_, '_> {
    /// The id of a new document may be given: kept from the source, fixed by the model, made of its owner's.
    /// It must not be another document's in the target, nor of the bundle.
    pub(in crate::ops) fn check_given_ids(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        new: Vec<&bundle::Entry>,
    ) -> Result<(), ImportError> {
        let Some(rule) = &layout.kind.id else { return Ok(()) };
        let given = new.into_iter().filter_map(|entry| {
            let id = self.given_id(layout, rule, &entry.id, &entry.key)?;
            Some((entry.number, entry.key.clone(), id))
        });
        let given = given.collect();
        self.check_given(reader, layout, rule, given)
    }

    /// Finds wrong that ids of new documents are given to others, or fit no column: by the numbers of the documents,
    /// their keys and the ids.
    pub(in crate::ops) fn check_given(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rule: &IdRule,
        given: Vec<(u64, Key, Id)>,
    ) -> Result<(), ImportError> {
        let Some(column) = &layout.id else { return Ok(()) };
        for (number, key, id) in &given {
            let place = (layout.index, id.to_string().to_lowercase());
            let owner = self.given.entry(place).or_insert(*number);
            if owner != number {
                let problem = format!("would get the id {id}, as another document of the bundle does");
                self.find(layout.kind.name.as_str(), key.path(), problem);
            }
        }
        for (_, key, id) in &given {
            if let Some(ServerError::Value { value, .. }) = misfit(reader, layout, rule, id)? {
                let problem = format!("would get the id {id}, and the target's {column} cannot hold {value}");
                self.find(layout.kind.name.as_str(), key.path(), problem);
            }
        }
        let ids: Vec<Vec<Value>> = given.iter().map(|(.., id)| vec![id.to_value()]).collect();
        let columns = [column.as_str()];
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &columns, keys: &ids };
        let mut taken = Vec::new();
        if !ids.is_empty() {
            reader.lookup(&lookup, &mut |position, _| taken.push(position))?;
        }
        for (_, key, id) in taken.iter().filter_map(|position| given.get(*position)) {
            let problem = format!("would get the id {id}, which another document of the target has");
            self.find(layout.kind.name.as_str(), key.path(), problem);
        }
        Ok(())
    }

    /// The id that a new document gets whatever the target's allocation says, as far as it is known yet.
    pub(in crate::ops) fn given_id(
        &self,
        layout: &Layout<'_>,
        rule: &IdRule,
        source_id: &Value,
        key: &Key,
    ) -> Option<Id> {
        let id = Id::of(source_id);
        let fixed = id.as_ref().is_some_and(|id| rule.is_fixed(&id.to_string()));
        match &rule.new {
            // What was deleted comes back under the id that it had.
            _ if self.exact && id.is_some() => id,
            _ if fixed && !self.resettle.is_elsewhere(self.model(), layout.index, key) => id,
            NewId::Keep => match layout.own_key {
                Some(position) => self.id_in_key(layout, position, key),
                None => id,
            },
            NewId::Compose(pattern) => compose(self, layout, pattern, key),
            NewId::Allocate { .. } | NewId::Next | NewId::Guid => None,
        }
    }

    /// The id of a document whose key holds it; `None` where it is the id of another one that is not known yet.
    fn id_in_key(&self, layout: &Layout<'_>, position: usize, key: &Key) -> Option<Id> {
        let at = layout.key.iter().position(|column| *column == position)?;
        match key.parts().get(at)? {
            Value::Ref(reference) => self.ids.id(self.layouts(), reference),
            Value::Dangling(dangling) => Id::of(&dangling.id),
            value => Id::of(value),
        }
    }

    /// Makes the parts that the target has known, with their ids.
    pub(in crate::ops) fn know_parts(&mut self, layout: &Layout<'_>, theirs: &Portable) {
        for (target, key, id) in parts_of(layout, theirs) {
            if id.is_none() {
                // No document that refers to it could be written.
                let name = self.model().target_name(target).map(ToString::to_string).unwrap_or_default();
                let problem = format!("has the {name} {} in the target without an id", key.leaf());
                self.find(layout.kind.name.as_str(), theirs.document.key.path(), problem);
            }
            self.ids.set(target, &key, Known::Found(id));
        }
    }

    /// Remembers the parts that the target will not have because their document is skipped.
    pub(in crate::ops) fn skip_parts(
        &mut self,
        layout: &Layout<'_>,
        document: &Document,
        reason: &str,
        there: bool,
    ) {
        let collation = self.model().collation;
        for (target, key, _) in numbered_parts(layout, document) {
            if !matches!(self.ids.get(target, &key), Some(Known::Found(_) | Known::Planned)) {
                let owner = Reference { kind: document.kind.clone(), key: document.key.clone() };
                let joins = there && !layout.kind.merges.is_empty();
                let skipped = SkippedPart { owner, reason: reason.to_owned(), joins };
                self.skipped_parts.insert((target, key.folded(collation)), skipped);
            }
        }
    }

    /// Makes the parts that the target will have known to documents that refer to them. Returns what is wrong
    /// with them.
    pub(in crate::ops) fn plan_parts(&mut self, layout: &Layout<'_>, document: &Document) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut twins = Vec::new();
        for (target, key, _) in numbered_parts(layout, document) {
            if !seen.insert((target, key.folded(self.model().collation))) {
                twins.push(format!("has several parts of one name: {}", key.leaf()));
            }
            if !matches!(self.ids.get(target, &key), Some(Known::Found(_))) {
                self.ids.set(target, &key, Known::Planned);
            }
        }
        twins
    }
}

/// An id made of another's: `None` where the other is not known yet.
fn compose(examiner: &Examiner<'_, '_>, layout: &Layout<'_>, composed: &Composed, key: &Key) -> Option<Id> {
    let column = |p: &usize| layout.content.get(*p).is_some_and(|c| c.is(&composed.column));
    let position = layout.key.iter().position(column)?;
    let owner = match key.parts().get(position)? {
        Value::Ref(reference) => examiner.ids.id(examiner.layouts(), reference)?.to_string(),
        Value::Text(text) => text.clone(),
        Value::Dangling(dangling) => Id::of(&dangling.id)?.to_string(),
        _ => return None,
    };
    let rest = match composed.open {
        true => key.parts().get(layout.key.len())?.as_text()?,
        false => "",
    };
    Some(Id::Text(composed.id(&owner, rest)))
}

/// The parts that the target has of a document, with their keys and ids.
pub(in crate::ops) fn parts_of(layout: &Layout<'_>, theirs: &Portable) -> Vec<(Target, Key, Option<Id>)> {
    let parts = numbered_parts(layout, &theirs.document).into_iter();
    parts
        .filter_map(|(target, key, element)| {
            let Target::Part { part, .. } = target else { return None };
            let ids = part_ids(&theirs.document, &theirs.raw, part, layout.kind.parts.get(part)?);
            let id = ids.into_iter().find(|(e, _)| std::ptr::eq(*e, element)).and_then(|(_, id)| Id::of(id));
            Some((target, key, id))
        })
        .collect()
}

/// The parts of a document whose ids are numbered within it, with their keys.
pub(in crate::ops) fn numbered_parts<'d>(
    layout: &Layout<'_>,
    document: &'d Document,
) -> Vec<(Target, Key, &'d Value)> {
    let mut keys = Vec::new();
    for (part, rule) in layout.kind.parts.iter().enumerate() {
        let (crate::model::NewPartId::Numbered(_), Some(body)) = (&rule.new, &document.body) else {
            continue;
        };
        let owner = Reference { kind: document.kind.clone(), key: document.key.clone() };
        let target = Target::Part { kind: layout.index, part };
        rule.at.find(body, &mut |element| {
            if let Value::Map(map) = element {
                let mut parts = vec![Value::Ref(Box::new(owner.clone()))];
                parts.extend(crate::model::pick(map, &rule.key));
                keys.extend(Key::new(parts).ok().map(|key| (target, key, element)));
            }
        });
    }
    keys
}
