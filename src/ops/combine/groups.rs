//! Which documents of several inputs are one: by kind and natural key as the server compares names, and by ids
//! that are the same on every server.
//!
//! Of a document 48 bytes are kept at the most, and those of one kind at a time.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::bundle::Entry;
use crate::document::{Key, KindName};
use crate::model::{Kind, Model};
use crate::ops::export::scope::scope_in;
use crate::ops::translate::Id;
use crate::progress::Progress;

use super::error::MergeError;
use super::input::MergeInput;
use super::prefer::Preferences;
use super::spelling::{Spelling, first};

/// For so many documents memory is reserved before they are seen.
const MOST_RESERVED: usize = 1 << 22;

/// A document of an input.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// Its name as it compares. Two hashes under random keys of this process: no file can be made so that two
    /// names meet.
    name: (u64, u64),
    /// Its name as it is spelled.
    text: u64,
    input: u32,
    /// No bundle has more than 100,000,000.
    number: u32,
}

impl Member {
    fn document(&self) -> (usize, u64) {
        (self.input as usize, u64::from(self.number))
    }
}

/// Documents of one name, at most one of each input: positions of the one that is taken, and of the first.
#[derive(Debug, Clone, Copy)]
struct Head {
    chosen: usize,
    start: usize,
}

/// The documents of a kind, by name.
#[derive(Debug, Default)]
pub(super) struct Groups {
    members: Vec<Member>,
    /// In the order of the documents chosen, so that each input is read from front to back.
    heads: Vec<Head>,
}

/// Documents of one name.
#[derive(Debug)]
pub(super) struct Group {
    /// Input and number of each, by input.
    pub documents: Vec<(usize, u64)>,
    /// The position of the one that is taken.
    pub chosen: usize,
    /// Whether somebody said that it is to be taken.
    pub decided: bool,
}

/// What is needed to tell documents of a kind apart.
pub(super) struct Grouping<'a> {
    pub inputs: &'a [MergeInput<'a>],
    pub labels: &'a [String],
    pub model: &'a Model,
    pub preferences: &'a Preferences,
    hashers: [RandomState; 3],
}

impl<'a> Grouping<'a> {
    pub fn new(
        inputs: &'a [MergeInput<'a>],
        labels: &'a [String],
        model: &'a Model,
        preferences: &'a Preferences,
    ) -> Self {
        Self { inputs, labels, model, preferences, hashers: Default::default() }
    }

    /// Learns how the names of a kind are spelled in the output. The kinds that its keys run through come
    /// before it.
    pub fn learn(
        &self,
        kind: &KindName,
        spelling: &mut Spelling,
        progress: &dyn Progress,
    ) -> Result<(), MergeError> {
        if let Some(known) = self.model.kind(kind.as_str()) {
            self.learn_aliases(kind, known, spelling, progress)?;
        }
        let groups = self.groups(kind, spelling, progress)?;
        for head in &groups.heads {
            let members = groups.members_of(head);
            if members.iter().all(|member| members.first().is_some_and(|first| first.text == member.text)) {
                continue;
            }
            let mut keys = Vec::with_capacity(members.len());
            for member in members {
                let (input, number) = member.document();
                let key = self.entry(input, number)?.key;
                keys.push(spelling.key(kind, &key).unwrap_or(key));
            }
            let group = self.group(kind, members);
            let taken = match group.decided {
                true => keys.get(group.chosen),
                // Nobody chose, so nothing but the spelling differs, or nothing is written.
                false => keys.iter().reduce(|one, other| first(one, other)),
            };
            if let Some(key) = taken {
                spelling.spell(kind, key.clone());
            }
        }
        Ok(())
    }

    /// A document with an id that is the same on every server is the same, whatever it is called: imports take
    /// it for that, within one scope.
    fn learn_aliases(
        &self,
        kind: &KindName,
        known: &Kind,
        spelling: &mut Spelling,
        progress: &dyn Progress,
    ) -> Result<(), MergeError> {
        let Some(rule) = known.id.as_ref().filter(|rule| !rule.fixed.is_empty()) else { return Ok(()) };
        let scope = self.model.scope.and_then(|scope| self.model.kind_at(scope)).map(|scope| &scope.name);
        let mut names: BTreeMap<(String, Option<String>), Vec<String>> = BTreeMap::new();
        self.each(kind, progress, &mut |_, entry| {
            let Some(id) = Id::of(&entry.id).map(|id| id.to_string()).filter(|id| rule.is_fixed(id)) else {
                return;
            };
            let key = spelling.key(kind, &entry.key).unwrap_or(entry.key);
            let home = scope.and_then(|scope| scope_in(scope, &key)).map(|scope| spelling.fold(scope));
            let names = names.entry((id.to_lowercase(), home)).or_default();
            let name = spelling.fold(&key);
            if !names.contains(&name) {
                names.push(name);
            }
        })?;
        let mut sets: Vec<Vec<String>> = names.into_values().filter(|names| names.len() > 1).collect();
        sets.sort();
        for names in sets {
            let mut documents: Vec<(usize, u64)> = Vec::new();
            let mut keys: Vec<Key> = Vec::new();
            self.each(kind, progress, &mut |input, entry| {
                let key = spelling.key(kind, &entry.key).unwrap_or(entry.key);
                if names.contains(&spelling.fold(&key)) {
                    documents.push((input, entry.number));
                    keys.push(key);
                }
            })?;
            let to = match self.preferences.choose(kind.as_str(), &documents) {
                Some(chosen) => keys.get(chosen),
                None => keys.iter().reduce(|one, other| first(one, other)),
            };
            let Some(to) = to else { continue };
            let folded = spelling.fold(to);
            for name in names.into_iter().filter(|name| *name != folded) {
                spelling.alias(kind, name, to);
            }
        }
        Ok(())
    }

    /// Finds which documents of a kind are one.
    pub fn groups(
        &self,
        kind: &KindName,
        spelling: &Spelling,
        progress: &dyn Progress,
    ) -> Result<Groups, MergeError> {
        let [one, two, three] = &self.hashers;
        let all = self.inputs.iter().flat_map(|input| input.documents.kinds());
        let documents: u64 = all.filter(|of| of.name == *kind).filter_map(|of| of.documents).sum();
        // At once: growing would need twice as much. What a file merely says of itself reserves no more than this.
        let mut members: Vec<Member> = Vec::new();
        members.reserve_exact(usize::try_from(documents).unwrap_or(usize::MAX).min(MOST_RESERVED));
        self.each(kind, progress, &mut |input, entry| {
            let key = spelling.key(kind, &entry.key).unwrap_or(entry.key);
            let folded = spelling.fold(&key);
            members.push(Member {
                name: (one.hash_one(&folded), two.hash_one(&folded)),
                text: three.hash_one(key.to_text()),
                input: u32::try_from(input).unwrap_or(u32::MAX),
                number: u32::try_from(entry.number).unwrap_or(u32::MAX),
            });
        })?;
        members.sort_unstable_by_key(|member| (member.name, member.input, member.number));
        // Names are in no order of their own: of several the first document is named.
        let twins = members
            .windows(2)
            .filter(|pair| matches!(pair, [a, b] if (a.name, a.input) == (b.name, b.input)));
        if let Some((input, number)) = twins.flatten().map(Member::document).min() {
            let entry = self.entry(input, number)?;
            return Err(MergeError::Twins {
                input: self.labels.get(input).cloned().unwrap_or_default(),
                kind: entry.kind,
                key: entry.key.to_string(),
            });
        }
        let mut heads = Vec::with_capacity(members.chunk_by(|a, b| a.name == b.name).count());
        let mut start = 0;
        for run in members.chunk_by(|a, b| a.name == b.name) {
            let chosen = if run.len() > 1 { self.group(kind, run).chosen } else { 0 };
            heads.push(Head { chosen: start + chosen, start });
            start += run.len();
        }
        heads.sort_unstable_by_key(|head| members.get(head.chosen).map(Member::document));
        Ok(Groups { members, heads })
    }

    fn group(&self, kind: &KindName, members: &[Member]) -> Group {
        let documents: Vec<(usize, u64)> = members.iter().map(Member::document).collect();
        let chosen = match documents.as_slice() {
            [_] => None,
            several => self.preferences.choose(kind.as_str(), several),
        };
        Group { documents, chosen: chosen.unwrap_or(0), decided: chosen.is_some() }
    }

    fn each(
        &self,
        kind: &KindName,
        progress: &dyn Progress,
        see: &mut dyn FnMut(usize, Entry),
    ) -> Result<(), MergeError> {
        for (index, input) in self.inputs.iter().enumerate() {
            input.documents.entries(kind.as_str(), progress, &mut |entry| see(index, entry))?;
        }
        Ok(())
    }

    /// The entry of a document of an input.
    pub fn entry(&self, input: usize, number: u64) -> Result<Entry, MergeError> {
        Ok(self.inputs.get(input).ok_or(MergeError::NoInputs)?.documents.entry(number)?)
    }
}

impl Groups {
    fn members_of(&self, head: &Head) -> &[Member] {
        let from = self.members.get(head.start..).unwrap_or_default();
        from.chunk_by(|a, b| a.name == b.name).next().unwrap_or_default()
    }

    /// How many documents of different names there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// All groups, in the order of the documents that are taken.
    pub fn iter<'g>(
        &'g self,
        grouping: &'g Grouping<'_>,
        kind: &'g KindName,
    ) -> impl Iterator<Item = Group> + 'g {
        self.heads.iter().map(|head| grouping.group(kind, self.members_of(head)))
    }

    /// The documents of a group whose chosen document this is; `None` where it is not taken.
    pub fn taken(&self, input: usize, number: u64) -> Option<Vec<(usize, u64)>> {
        let chosen = |head: &Head| self.members.get(head.chosen).map(Member::document);
        let at = self.heads.binary_search_by_key(&Some((input, number)), chosen).ok()?;
        Some(self.members_of(self.heads.get(at)?).iter().map(Member::document).collect())
    }
}
