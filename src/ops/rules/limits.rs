//! Lists that limit what a document applies to: one that loses all of such a list would apply to more than before.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Document, Value};
use crate::model::{Rule, Target};

use crate::ops::translate::Layout;

/// What limits a document: by the name of the limit, what is in its lists.
#[derive(Debug, Default)]
pub(in crate::ops) struct Limits(BTreeMap<String, Limit>);

#[derive(Debug, Default)]
struct Limit {
    /// The places of its rules that hold anything.
    places: BTreeSet<String>,
    /// The owners of parts: tags of different sets limit together, those of one set each alone.
    owners: BTreeMap<String, String>,
}

impl Limits {
    /// Finds what limits a document. The lists that a rule's name joins are one limit; else each list is its own.
    pub fn of(layout: &Layout<'_>, document: &Document) -> Self {
        let mut limits = Self::default();
        if layout.kind.references.iter().all(|rule| rule.limits.is_none()) {
            return limits;
        }
        let (columns, body) = (&document.columns, document.body.as_ref());
        layout.kind.look_references(columns, body, &mut |rule, place, value| {
            let Rule::Reference(index) = rule else { return true };
            let Some(rule) = layout.kind.references.get(index) else { return true };
            let Some(name) = &rule.limits else { return true };
            let held: &[Value] = match value {
                Value::Null => &[],
                Value::List(list) => list,
                Value::Text(text) if text.trim_matches(['|', ' ']).is_empty() => &[],
                value => std::slice::from_ref(value),
            };
            if held.is_empty() {
                return true;
            }
            // Each list of several that one rule reaches is a limit of its own.
            let mut list = place.clone();
            if matches!(list.steps().last(), Some(crate::document::Step::Index(_))) {
                list.pop();
            }
            let name = if name.is_empty() { list.to_string() } else { name.clone() };
            let limit = limits.0.entry(name).or_default();
            limit.places.insert(list.to_string());
            if rule.to.iter().all(|target| matches!(target, Target::Part { .. })) {
                for value in held {
                    if let Value::Ref(reference) = value
                        && let Some(Value::Ref(owner)) = reference.key.parts().first()
                    {
                        limit.owners.insert(owner.key.to_text(), owner.to_string());
                    }
                }
            }
            true
        });
        limits
    }

    /// Why a document that had these limits and has `left` now would apply to more, if it would.
    pub fn widened(&self, left: &Self) -> Option<String> {
        self.0.iter().find_map(|(name, had)| {
            let places = had.places.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
            let Some(has) = left.0.get(name) else {
                return Some(format!(
                    "the target has nothing of what {places} limits it to: it would apply to more"
                ));
            };
            let lost = had.owners.iter().find(|(owner, _)| !has.owners.contains_key(*owner));
            lost.filter(|_| !has.owners.is_empty()).map(|(_, owner)| {
                format!(
                    "the target has nothing of {owner} that {places} limits it to: it would apply to more"
                )
            })
        })
    }
}

/// What an import loses because the target lacks what limits it.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ops) struct LimitLosses {
    /// Documents that are skipped.
    pub documents: usize,
    /// Parts of documents, such as variables, that are left out.
    pub parts: usize,
}

impl LimitLosses {
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.parts += other.parts;
    }

    /// What people should know of all of them.
    pub fn notices(self) -> Vec<String> {
        let said = |count: usize, [one, more]: [&str; 2], done: &str| {
            let (what, verb, it, them) = match count {
                1 => (one, "is", "it", "it"),
                _ => (more, "are", "they", "them"),
            };
            format!(
                "{count} {what} {verb} {done} because {it} would apply to more: the target has nothing of what limits {them}; import that first"
            )
        };
        let mut notices = Vec::new();
        if self.documents > 0 {
            notices.push(said(self.documents, ["document", "documents"], "skipped"));
        }
        if self.parts > 0 {
            notices.push(said(self.parts, ["part of a document", "parts of documents"], "left out"));
        }
        notices
    }
}
