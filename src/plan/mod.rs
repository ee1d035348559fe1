//! The difference between a bundle and a target, as a value: pure, printable, without any secret in it.
//!
//! [`changes`] finds the places that change, [`merge()`] joins what the model says is joined; a [`Plan`] holds
//! what would happen to each document and every reason why it must not. Nothing here does I/O.

mod align;
mod described;
mod diff;
mod exact;
mod maintenance;
mod merge;
mod pairs;
mod policy;
mod rows;
mod saved;
mod source;
mod spelling;

pub use described::{change_json, entry_json, findings_json};
pub use diff::{Change, Changed, changes};
pub use exact::compare_equal;
pub(crate) use exact::identity_bytes;
pub use maintenance::{Maintenance, Tasks, Told, said};
pub use merge::{TakenOut, add_missing, keep_secrets, lost_secrets, merge, take_out};
pub(crate) use merge::{place_of, value_at};
pub(crate) use pairs::Pairs;
pub use policy::Policy;
pub use rows::TableRows;
pub use saved::{
    Applied, Digest, Head, PlannedBundle, PlannedTarget, SavedDocument, SavedError, SavedFinding,
    SavedFingerprint, SavedPlan,
};
pub use source::{SourceExample, SourceNotice};
pub use spelling::respell;

use std::collections::BTreeMap;

use crate::document::{Key, KindName};

/// What an import does to one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The target lacks it: it is created.
    Create,
    /// The target has it otherwise: it is overwritten.
    Update,
    /// The target has it otherwise, and the model joins the two.
    Merge,
    /// The target has it, just so.
    Unchanged,
    /// It is left alone, and the target's stays as it is.
    Skip,
    /// The target has it, and it is deleted there.
    Delete,
}

impl Action {
    /// All actions, in the order they are shown.
    pub const ALL: [Action; 6] =
        [Action::Create, Action::Update, Action::Merge, Action::Delete, Action::Unchanged, Action::Skip];

    /// The action in one word, as shown and as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Merge => "merge",
            Action::Unchanged => "unchanged",
            Action::Skip => "skip",
            Action::Delete => "delete",
        }
    }

    /// Says whether the action writes to the target.
    pub fn writes(self) -> bool {
        matches!(self, Action::Create | Action::Update | Action::Merge | Action::Delete)
    }
}

/// What happens to one document, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The document's number in the bundle.
    pub number: u64,
    /// Its kind.
    pub kind: KindName,
    /// Its natural key.
    pub key: Key,
    /// What happens.
    pub action: Action,
    /// Why, where the action does not say it by itself.
    pub reason: Option<String>,
    /// The places that change, for updates and merges, and for documents skipped though they differ. A plan in
    /// which very much changes keeps the first of them, and says in a note how many more there are.
    pub changes: Vec<Change>,
    /// What was adapted on the way: references taken out, and the like.
    pub notes: Vec<String>,
    /// The content of the target's document that the plan relies on; `None` where there was none.
    pub seen: Option<Seen>,
    /// The content that the target's document will have; `None` where the action writes none.
    pub result: Option<Seen>,
}

impl Entry {
    /// The reason of a merge that only adds what the target's document lacks.
    pub const ONLY_ADDED: &str = "the target has it; only what it lacks is added";

    /// The action in one word for a list that is followed line by line: `add` tells a merge that only adds from one
    /// that joins all of two documents.
    pub fn list_word(&self) -> &'static str {
        match (self.action, self.reason.as_deref()) {
            (Action::Merge, Some(Self::ONLY_ADDED)) => "add",
            (action, _) => action.word(),
        }
    }
}

/// A fingerprint of a document: of what the target held when the plan was made, or of what it will hold.
///
/// It is under a key of the plan's own, so that nobody can guess a secret from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The hash of the document's canonical bytes, in which secrets are markers.
    pub content: [u8; 32],
    /// The hash of `content` and the values of the document's secrets, as far as the plan could read them.
    pub secrets: [u8; 32],
}

/// Why an import must not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind it is about.
    pub kind: String,
    /// The document it is about, for people; empty where it is about the kind.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// How many documents are skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why, as their entries say it.
    pub reason: String,
    /// How many documents.
    pub documents: usize,
}

impl Skipped {
    /// Counts the reasons of documents that are skipped: the most frequent first, then by name.
    pub fn count<'r>(reasons: impl Iterator<Item = Option<&'r str>>) -> Vec<Self> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        reasons.for_each(|reason| *counts.entry(reason.unwrap_or("no reason is known")).or_default() += 1);
        let skipped = |(reason, documents): (&str, usize)| Self { reason: reason.to_owned(), documents };
        let mut counts: Vec<Self> = counts.into_iter().map(skipped).collect();
        counts.sort_by_key(|skipped| std::cmp::Reverse(skipped.documents));
        counts
    }
}

/// What an import would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Every document of the bundle, in the bundle's order.
    pub entries: Vec<Entry>,
    /// What stops the import. All of it, not the first.
    pub findings: Vec<Finding>,
    /// What people should know and what stops nothing.
    pub notices: Vec<String>,
    /// What the exporter was told.
    pub source: Vec<SourceNotice>,
    /// What the target does meanwhile; `None` where the model says nothing of it.
    pub maintenance: Option<Maintenance>,
}

impl Plan {
    /// Says whether the import would write anything.
    pub fn is_empty(&self) -> bool {
        !self.entries.iter().any(|entry| entry.action.writes())
    }

    /// Why documents are skipped, each reason once, and how many documents it is about: the most first.
    pub fn skipped(&self) -> Vec<Skipped> {
        let skipped = self.entries.iter().filter(|entry| entry.action == Action::Skip);
        Skipped::count(skipped.map(|entry| entry.reason.as_deref()))
    }

    /// How many documents an action meets.
    pub fn count(&self, action: Action) -> usize {
        self.entries.iter().filter(|entry| entry.action == action).count()
    }
}

#[cfg(test)]
mod tests;
