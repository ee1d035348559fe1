//! What people are told of documents that are written: the model's notes, what of such a document stays in the target,
//! and which ids somebody else holds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::bundle::Bundle;
use crate::document::{Document, KindName, Value};
use crate::model::Target;
use crate::plan::{Entry, Plan};
use crate::server::{Lookup, Reader};

use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::{Examiner, Noted};
use crate::ops::translate::{Id, Known, Layout};

/// How many rows that stay are named beside one document, and how many ids in all; the others are counted.
const NAMED: usize = 10;
const IDS_NAMED: usize = 50;

impl Examiner<'_, '_> {
    /// Remembers the notes that a document calls for.
    pub(in crate::ops) fn note(&mut self, layout: &Layout<'_>, number: u64, document: &Document) {
        // What is taken back was noted when it was made.
        if self.exact {
            return;
        }
        for (note, rule) in layout.kind.notes.iter().enumerate() {
            if rule.is_called_for(document) {
                let key = document.key.clone();
                self.noted.push(Noted { number, kind: layout.index, key, note });
            }
        }
    }

    /// Adds the notes to the plan. What the target has of a document, and neither the bundle nor a deletion answers
    /// for, is named.
    ///
    /// # Errors
    /// [`ImportError`], where one of the sides cannot be read.
    pub(in crate::ops) fn add_notes(
        &mut self,
        bundle: &Bundle,
        reader: &mut dyn Reader,
        plan: &mut Plan,
    ) -> Result<(), ImportError> {
        let noted = std::mem::take(&mut self.noted);
        let model = self.model();
        let mut notes: HashMap<u64, Vec<String>> = HashMap::new();
        let mut held: BTreeSet<usize> = BTreeSet::new();
        // The owners of what remains, by their kind and its.
        let mut owners: BTreeMap<(usize, usize), Vec<(u64, Id)>> = BTreeMap::new();
        for Noted { number, kind, key, note } in &noted {
            let Some(rule) = model.kind_at(*kind).and_then(|kind| kind.notes.get(*note)) else { continue };
            notes.entry(*number).or_default().push(rule.text.clone());
            held.extend(&rule.ids);
            if let Some(Known::Found(Some(owner))) = self.ids.get(Target::Kind(*kind), key) {
                for remains in &rule.remains {
                    owners.entry((*kind, *remains)).or_default().push((*number, owner.clone()));
                }
            }
        }
        for ((kind, remains), owners) in owners {
            for (number, text) in self.remaining(reader, kind, remains, &owners, &plan.entries)? {
                notes.entry(number).or_default().push(text);
            }
        }
        for entry in &mut plan.entries {
            entry.notes.extend(notes.remove(&entry.number).unwrap_or_default());
        }
        plan.notices.extend(self.other_ids(bundle, &held)?);
        Ok(())
    }

    /// What documents of the target have there of a kind and neither the bundle nor a deletion answers for: by the
    /// numbers of their documents, what is said of it.
    fn remaining(
        &mut self,
        reader: &mut dyn Reader,
        kind: usize,
        remains: usize,
        owners: &[(u64, Id)],
        entries: &[Entry],
    ) -> Result<Vec<(u64, String)>, ImportError> {
        let (collation, target) = (self.model().collation, Target::Kind(remains));
        let Some(layout) = self.layouts().at(remains).cloned() else { return Ok(Vec::new()) };
        let (Some(id), Some(by)) = (&layout.id, layout.column_to(kind)) else { return Ok(Vec::new()) };
        let columns: Vec<&str> = std::iter::once(id.as_str()).chain(layout.naming_columns()).collect();
        let keys: Vec<Vec<Value>> = owners.iter().map(|(_, owner)| vec![owner.to_value()]).collect();
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &[by], keys: &keys };
        let mut rows: BTreeMap<u64, BTreeSet<Id>> = BTreeMap::new();
        reader.lookup(&lookup, &mut |position, row| {
            if let Some((Some(id), naming)) = row.split_first().map(|(id, rest)| (Id::of(id), rest))
                && layout.raw_key(&id, naming).is_some()
                && let Some((number, _)) = owners.get(position)
            {
                rows.entry(*number).or_default().insert(id);
            }
        })?;
        let wanted = rows.values().flatten().map(|id| (target, id.clone())).collect();
        self.translation.learn(reader, wanted)?;
        let own = entries.iter().filter(|entry| entry.kind == layout.kind.name);
        let answered: HashSet<String> = own.map(|entry| entry.key.folded(collation)).collect();
        let mut said = Vec::new();
        for (number, ids) in rows {
            let named = |id: Id| self.translation.name(&[target], &id).map(|found| (found, id));
            let mut stay: Vec<_> = ids.into_iter().filter_map(named).collect();
            stay.retain(|(found, _)| !answered.contains(&found.key.folded(collation)));
            let more = stay.len().saturating_sub(NAMED);
            let stay = stay.into_iter().take(NAMED);
            said.extend(stay.map(|(found, id)| {
                (number, format!("{found} ({id}) of the target stays there: the bundle does not have it"))
            }));
            if more > 0 {
                said.push((number, format!("{more} more of {} of it stay in the target", layout.kind.name)));
            }
        }
        Ok(said)
    }

    /// The ids of the source, and those of the target, of documents of some kinds: whoever holds ids outside the
    /// database has to know them.
    fn other_ids(&self, bundle: &Bundle, kinds: &BTreeSet<usize>) -> Result<Option<String>, ImportError> {
        let mut others: BTreeMap<(KindName, String), String> = BTreeMap::new();
        for kind in kinds {
            let Some(name) = self.model().kind_at(*kind).map(|kind| &kind.name) else { continue };
            bundle.entries(Some(name.as_str()), &mut |entry| -> Result<(), ImportError> {
                let key = self.resettle.key(self.layouts(), &entry.kind, entry.key);
                let theirs = match self.ids.get(Target::Kind(*kind), &key) {
                    Some(Known::Found(Some(id))) => id.to_string(),
                    Some(Known::Planned) => "a new id".to_owned(),
                    _ => return Ok(()),
                };
                if let Some(ours) = Id::of(&entry.id).map(|id| id.to_string()).filter(|ours| *ours != theirs)
                {
                    others.insert((entry.kind, key.path()), format!("{key}: {ours} becomes {theirs}"));
                }
                Ok(())
            })?;
        }
        let count = others.len();
        let shown: Vec<String> =
            others.into_iter().take(IDS_NAMED).map(|((kind, _), text)| format!("{kind} {text}")).collect();
        let more = count.saturating_sub(shown.len());
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let list = shown.join("; ");
        Ok((count > 0).then(|| {
            format!("ids that repositories may hold, and that the target has differently: {list}{more}")
        }))
    }
}
