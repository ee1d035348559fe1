//! What the documents of an export need of their target: documents that they refer to and that were left out.
//!
//! An import into a target that lacks one stops, or skips the document that refers to it, as the rule for the reference
//! says. References that are taken out, or for which the target's own stays, are needed by nobody.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use crate::bundle::Notice;
use crate::document::{Document, Place, Reference, Value};
use crate::model::{Direction, Keep, Missing, Model, ReferenceRule, Rule, Target};

use crate::ops::translate::{Layout, Layouts};

/// The code of the notices of what the target must have.
pub const NEEDED: &str = "needed";

/// How many needed documents are named; the rest are counted.
const MOST_NEEDED: usize = 10_000;

/// How many documents and lists are remembered until all documents are known; needs beyond these are not found.
const MOST_PENDING: usize = 500_000;

/// What becomes of an import where the target does not have what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Without {
    /// It stops.
    Stop,
    /// The document that refers is skipped.
    Skip,
}

impl Without {
    /// In a word, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Without::Stop => "stop",
            Without::Skip => "skip",
        }
    }
}

/// A document, or a part of one, that the bundle lacks and its documents need.
#[derive(Debug, Clone, PartialEq)]
pub struct Needed {
    /// What is needed.
    pub what: Reference,
    /// The first document that refers to it.
    pub by: Reference,
    /// The path of that reference.
    pub place: String,
    /// How many references there are.
    pub count: u64,
    /// What becomes of an import without it.
    pub without: Without,
}

impl Needed {
    fn notice(&self) -> Notice {
        let Self { what, by, place, count, without } = self;
        let end = match without {
            Without::Stop => "an import stops where the target does not have it",
            Without::Skip => "an import skips the document where the target does not have it",
        };
        Notice {
            names_kind: Some(what.kind.to_string()),
            names_key: Some(what.key.to_text()),
            count: *count,
            ..Notice::at(
                NEEDED,
                &by.kind,
                &by.key,
                place,
                format!("refers to {what}, which was left out; {end}"),
            )
        }
    }
}

/// What an export says in the bundle of what it needs.
pub(in crate::ops) fn notices(needed: &[Needed], beyond: u64) -> Vec<Notice> {
    let mut notices: Vec<Notice> = needed.iter().map(Needed::notice).collect();
    if beyond > 0 {
        let text = format!("{beyond} more documents that were left out are referred to");
        notices.push(Notice { count: beyond, ..Notice::new(NEEDED, text) });
    }
    notices
}

/// The document that a reference leads to: the owner, where it names a part.
pub(in crate::ops) fn document_of<'r>(model: &Model, reference: &'r Reference) -> Option<&'r Reference> {
    match model.target(&reference.kind)? {
        Target::Kind(_) => Some(reference),
        Target::Part { .. } => match reference.key.parts().first()? {
            Value::Ref(owner) => Some(owner),
            _ => None,
        },
    }
}

/// Where a reference stands that must not be lost, or a list that must not lose all of its references.
type Spot = (Reference, String);

/// Gathers what the documents of an export need.
#[derive(Debug, Default)]
pub(in crate::ops) struct Needs {
    /// Whether only some documents of a kind are exported: what is left out is known at the end.
    partial: bool,
    /// The kinds that are exported, by position.
    taken: Vec<bool>,
    /// The documents that were exported, as hashes.
    written: HashSet<u64>,
    hasher: RandomState,
    pending: BTreeMap<String, Needed>,
    lists: Vec<(Spot, Vec<Reference>)>,
}

impl Needs {
    pub(in crate::ops) fn new(taken: Vec<bool>, partial: bool) -> Self {
        Self { partial, taken, ..Self::default() }
    }

    /// Says whether a kind's documents can refer to anything that is left out.
    fn watches(&self, layout: &Layout<'_>) -> bool {
        let matters = |missing| matches!(missing, Missing::Stop | Missing::Skip);
        let left_out = |target: &Target| self.taken.get(target.kind()) == Some(&false);
        let mut rules =
            layout.kind.references.iter().filter(|rule| matters(rule.missing) || rule.limits.is_some());
        rules.any(|rule| self.partial || rule.typed.is_some() || rule.to.iter().any(left_out))
    }

    fn name(&self, layouts: &Layouts<'_>, reference: &Reference) -> String {
        format!("{}\n{}", reference.kind, reference.key.folded(layouts.model.collation))
    }

    /// Whether a document is known to be exported; while some are still to come, `false` may change.
    fn has(&self, layouts: &Layouts<'_>, reference: &Reference) -> bool {
        let Some(document) = document_of(layouts.model, reference) else { return false };
        let kind = layouts.model.target(&document.kind).map(Target::kind);
        match kind.and_then(|kind| self.taken.get(kind)) {
            Some(true) if !self.partial => true,
            Some(true) => self.written.contains(&self.hasher.hash_one(self.name(layouts, document))),
            _ => false,
        }
    }

    /// Looks at a document that is exported.
    pub(in crate::ops) fn see(&mut self, layouts: &Layouts<'_>, layout: &Layout<'_>, document: &Document) {
        let own = Reference { kind: document.kind.clone(), key: document.key.clone() };
        if self.partial {
            let hash = self.hasher.hash_one(self.name(layouts, &own));
            self.written.insert(hash);
        }
        if !self.watches(layout) {
            return;
        }
        // Nearly all documents end here.
        let mut open = false;
        document.each(&mut |value| {
            open |= matches!(value, Value::Ref(reference) if !self.has(layouts, reference));
        });
        if !open {
            return;
        }
        let (mut columns, mut body) = (document.columns.clone(), document.body.clone());
        let mut met: Vec<(usize, Place, Vec<Reference>)> = Vec::new();
        layout.kind.walk_references(&mut columns, body.as_mut(), Direction::Up, &mut |rule, place, value| {
            let Rule::Reference(index) = rule else { return Keep::Yes };
            let Some(rule) = layout.kind.references.get(index) else { return Keep::Yes };
            // Below a dictionary of ids a rule reaches the pair's key too, which another rule is about.
            let fits = |reference: &&Reference| {
                rule.typed.is_some()
                    || layouts.model.target(&reference.kind).is_some_and(|target| rule.to.contains(&target))
            };
            let one = |value: &Value| match value {
                Value::Ref(reference) => Some(reference).map(|r| &**r).filter(fits).cloned(),
                _ => None,
            };
            let found: Vec<Reference> = match &*value {
                Value::List(list) => list
                    .iter()
                    .filter_map(|element| match element {
                        Value::List(pair) => pair.first().and_then(one),
                        element => one(element),
                    })
                    .collect(),
                value => one(value).into_iter().collect(),
            };
            if !found.is_empty() {
                met.push((index, rule.place_of(place), found));
            }
            Keep::Yes
        });
        // Lists of one name limit together; the path of the first stands for them.
        let mut limits: BTreeMap<(usize, &str), Vec<Reference>> = BTreeMap::new();
        for (index, place, references) in met {
            let Some(rule) = layout.kind.references.get(index) else { continue };
            let without = match rule.missing {
                Missing::Stop => Without::Stop,
                Missing::Skip => Without::Skip,
                Missing::Drop | Missing::Keep => {
                    if let Some(name) = rule.limits.as_deref() {
                        let together = |other: &ReferenceRule| other.limits.as_deref() == Some(name);
                        let first = layout.kind.references.iter().position(together);
                        let index = first.filter(|_| !name.is_empty()).unwrap_or(index);
                        limits.entry((index, name)).or_default().extend(references);
                    }
                    continue;
                }
            };
            for reference in references {
                self.need(layouts, &own, place.to_string(), reference, without);
            }
        }
        for ((index, _), references) in limits {
            let Some(rule) = layout.kind.references.get(index) else { continue };
            let open = references.iter().all(|reference| !self.has(layouts, reference));
            if open && self.lists.len() < MOST_PENDING {
                self.lists.push(((own.clone(), rule.at.text.clone()), references));
            }
        }
    }

    fn need(
        &mut self,
        layouts: &Layouts<'_>,
        by: &Reference,
        place: String,
        what: Reference,
        without: Without,
    ) {
        // What ids mean wherever they stand every target has, or its id.
        let target = layouts.model.target(&what.kind);
        let meant = target.and_then(|target| layouts.at(target.kind())).is_some_and(|layout| {
            matches!(target, Some(Target::Kind(_))) && layout.is_meant(&what.key).is_some()
        });
        if meant || self.has(layouts, &what) {
            return;
        }
        let full = self.pending.len() >= MOST_PENDING;
        match self.pending.entry(self.name(layouts, &what)) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.count += 1;
                // What stops is said before what skips.
                if without < known.without {
                    (known.by, known.place, known.without) = (by.clone(), place, without);
                }
            }
            Entry::Vacant(_) if full => {}
            Entry::Vacant(new) => {
                new.insert(Needed { what, by: by.clone(), place, count: 1, without });
            }
        }
    }

    /// What is needed, by kind and name, and how much more there is.
    pub(in crate::ops) fn finish(mut self, layouts: &Layouts<'_>) -> (Vec<Needed>, u64) {
        for ((by, place), references) in std::mem::take(&mut self.lists) {
            if references.iter().any(|reference| self.has(layouts, reference)) {
                continue;
            }
            if let Some(first) = references.into_iter().next() {
                self.need(layouts, &by, place, first, Without::Skip);
            }
        }
        let pending = std::mem::take(&mut self.pending).into_values();
        let mut needed: Vec<Needed> = pending.filter(|needed| !self.has(layouts, &needed.what)).collect();
        let beyond = needed.len().saturating_sub(MOST_NEEDED) as u64;
        needed.truncate(MOST_NEEDED);
        (needed, beyond)
    }
}
