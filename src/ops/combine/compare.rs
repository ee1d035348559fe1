//! What differs between the documents that several inputs have for one.

use std::collections::{BTreeMap, HashSet};

use crate::bundle::Entry;
use crate::document::{Document, Key, KindName, Reference, SecretId, Value};
use crate::model::{Part, Target, pick};
use crate::ops::translate::Vault;
use crate::plan::{Change, Changed, changes, respell};

use super::error::MergeError;
use super::groups::{Group, Grouping};
use super::input::MergeInput;
use super::spelling::Spelling;

/// How many bytes of changes are kept, about: far more than anybody reads.
const CHANGES_WEIGHT: usize = 8 << 20;

/// A document that several inputs have, not all of them the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Its kind.
    pub kind: KindName,
    /// Its key, as the output spells it.
    pub key: Key,
    /// What the inputs have, each different from the others.
    pub versions: Vec<ConflictVersion>,
    /// The input that was preferred; `None` where nobody decided.
    pub chosen: Option<usize>,
}

/// What some of the inputs have for a document.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictVersion {
    /// The inputs, by position; never empty.
    pub inputs: Vec<usize>,
    /// What leads to it from the first version; nothing for the first itself. Where very much differs the first
    /// changes are kept, and [`ConflictVersion::more`] counts the others.
    pub changes: Vec<Change>,
    /// How many more places differ than are kept.
    pub more: usize,
    /// How many of its secrets have no value in these inputs.
    pub empty_secrets: usize,
}

/// A version while others are compared with it.
struct Held {
    document: Document,
    version: ConflictVersion,
}

/// Compares what inputs have, and keeps what it finds.
pub(super) struct Comparison<'a> {
    pub grouping: &'a Grouping<'a>,
    pub spelling: Spelling,
    pub secrets: bool,
    pub conflicts: Vec<Conflict>,
    /// Parts of documents that the versions taken do not have, by name and folded key.
    pub lost: HashSet<(KindName, String)>,
    /// The parts that the model knows references to.
    referred: HashSet<KindName>,
    room: usize,
}

impl<'a> Comparison<'a> {
    pub fn new(grouping: &'a Grouping<'a>, spelling: Spelling, secrets: bool) -> Self {
        let model = grouping.model;
        let rules = model.kinds().iter().flat_map(|kind| &kind.references);
        let parts = rules.flat_map(|rule| &rule.to).filter(|target| matches!(target, Target::Part { .. }));
        let referred = parts.filter_map(|target| model.target_name(*target).cloned()).collect();
        let (conflicts, lost) = (Vec::new(), HashSet::new());
        Self { grouping, spelling, secrets, conflicts, lost, referred, room: CHANGES_WEIGHT }
    }

    /// Compares the documents of a group.
    pub fn compare(&mut self, kind: &KindName, group: &Group) -> Result<(), MergeError> {
        let mut entries: Vec<(usize, Entry)> = Vec::with_capacity(group.documents.len());
        for (input, number) in &group.documents {
            entries.push((*input, self.grouping.entry(*input, *number)?));
        }
        let Some(((_, first), rest)) = entries.split_first() else { return Ok(()) };
        let same = rest.iter().all(|(_, entry)| entry.content_id == first.content_id);
        // Without values, secrets are places and part of the content.
        let valued = |input: &MergeInput<'_>| self.secrets && input.documents.sealed() > 0;
        let values = first.secrets > 0
            && entries.iter().any(|(input, _)| self.grouping.inputs.get(*input).is_some_and(valued));
        if same && !values {
            return Ok(());
        }
        let mut vault = Vault::new();
        let mut versions: Vec<Held> = Vec::new();
        for (position, (input, entry)) in entries.iter().enumerate() {
            let document = self.open(*input, entry, &mut vault)?;
            self.sort_in(&mut versions, *input, document, position == group.chosen);
        }
        let [Held { document, .. }, _, ..] = versions.as_slice() else { return Ok(()) };
        let key = document.key.clone();
        let chosen = group.decided.then(|| group.documents.get(group.chosen).map(|(input, _)| *input));
        let chosen = chosen.flatten();
        if let Some(chosen) = chosen {
            self.spell_parts(kind, &versions, chosen);
        }
        let versions = versions.into_iter().map(|held| held.version).collect();
        self.conflicts.push(Conflict { kind: kind.clone(), key, versions, chosen });
        Ok(())
    }

    /// A document as the output spells it, its secrets numbered by the vault.
    fn open(&self, input: usize, entry: &Entry, vault: &mut Vault) -> Result<Document, MergeError> {
        let input = self.grouping.inputs.get(input).ok_or(MergeError::NoInputs)?;
        let vault = self.secrets.then_some(vault);
        let mut document = input.documents.document(entry.number, vault)?;
        self.spelling.document(self.grouping.model, &mut document);
        Ok(document)
    }

    /// Finds the version that a document is, or makes it another one.
    fn sort_in(&mut self, versions: &mut Vec<Held>, input: usize, document: Document, chosen: bool) {
        let collation = self.grouping.model.collation;
        let known = self.grouping.model.kind(document.kind.as_str());
        for held in versions.iter_mut() {
            let mut like = document.clone();
            respell(&mut like, &held.document, collation);
            if changes(known, &held.document, &like, collation).is_empty() {
                self.spelling.stray(&held.document, &document);
                held.version.inputs.push(input);
                if chosen {
                    held.document = document;
                }
                return;
            }
        }
        let mut version = ConflictVersion {
            inputs: vec![input],
            changes: Vec::new(),
            more: 0,
            empty_secrets: empty(&document),
        };
        if let Some(first) = versions.first() {
            let mut like = document.clone();
            respell(&mut like, &first.document, collation);
            let found = changes(known, &first.document, &like, collation);
            let places = found.len();
            version.changes = self.keep(found);
            version.more = places - version.changes.len();
        }
        versions.push(Held { document, version });
    }

    /// Keeps changes while there is room.
    fn keep(&mut self, mut found: Vec<Change>) -> Vec<Change> {
        let weight = |change: &Change| {
            let value = match &change.changed {
                Changed::Added(value) | Changed::Removed(value) => value.weight(),
                Changed::Replaced { old, new } => old.weight() + new.weight(),
                Changed::Secret | Changed::Order => 0,
            };
            value + 32 * (change.place.steps().len() + 2)
        };
        let mut kept = 0;
        for change in &found {
            let Some(rest) = self.room.checked_sub(weight(change)) else {
                // Whoever comes after does not fill the gap: what is shown is the beginning.
                self.room = 0;
                break;
            };
            self.room = rest;
            kept += 1;
        }
        found.truncate(kept);
        found.shrink_to_fit();
        found
    }

    /// References to parts of a document are spelled as the version spells them that is taken; parts that only
    /// others have are lost.
    fn spell_parts(&mut self, kind: &KindName, versions: &[Held], chosen: usize) {
        let Some(known) = self.grouping.model.kind(kind.as_str()) else { return };
        let is_taken = |held: &&Held| held.version.inputs.contains(&chosen);
        let Some(taken) = versions.iter().find(is_taken) else { return };
        for part in known.parts.iter().filter(|part| self.referred.contains(&part.name)) {
            let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for held in versions.iter().filter(|held| !is_taken(held)) {
                for key in part_keys(part, &held.document) {
                    others.entry(self.spelling.fold(&key)).or_default().push(key.to_text());
                }
            }
            for key in part_keys(part, &taken.document) {
                let spelled = others.remove(&self.spelling.fold(&key));
                if spelled.is_some_and(|spelled| spelled.iter().any(|text| *text != key.to_text())) {
                    self.spelling.spell(&part.name, key);
                }
            }
            self.lost.extend(others.into_keys().map(|key| (part.name.clone(), key)));
        }
    }
}

/// The keys of a document's parts of one kind. Some have none: what tells them apart is no name.
fn part_keys(part: &Part, document: &Document) -> Vec<Key> {
    let mut keys = Vec::new();
    let Some(body) = &document.body else { return keys };
    part.at.find(body, &mut |element| {
        let Value::Map(map) = element else { return };
        let owner = Reference { kind: document.kind.clone(), key: document.key.clone() };
        let mut parts = vec![Value::Ref(Box::new(owner))];
        parts.extend(pick(map, &part.key));
        keys.extend(Key::new(parts).ok());
    });
    keys
}

fn empty(document: &Document) -> usize {
    let mut empty = 0;
    document.each(&mut |value| empty += usize::from(*value == Value::Secret(SecretId::UNKNOWN)));
    empty
}
