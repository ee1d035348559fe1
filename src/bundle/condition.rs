//! What can be said of the documents of a damaged file, as a value.
//!
//! Plain values; nothing here reads a file.

use crate::document::{Document, Value};

use super::report::Finding;
use super::{BundleError, Reason};

/// How many documents that are not whole are listed; the rest are counted.
pub const MOST_LOST: usize = 10_000;
/// How many findings are kept.
const MOST_FINDINGS: usize = 1000;

/// What can be said of a document of a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It is as it was written.
    Whole,
    /// Its content is as it was written, but nothing shows that its key is.
    Uncertain,
    /// It, its key, or a secret of it that was to be opened, cannot be read.
    Damaged,
}

impl Condition {
    /// The condition in one word, as shown and as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Condition::Whole => "whole",
            Condition::Uncertain => "uncertain",
            Condition::Damaged => "damaged",
        }
    }
}

/// The documents of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindState {
    /// The kind; `None` for documents whose kind cannot be told.
    pub kind: Option<String>,
    /// How many are whole.
    pub whole: u64,
    /// How many have the content that was written, and a key that nothing vouches for.
    pub uncertain: u64,
    /// How many are neither.
    pub damaged: u64,
}

/// A document that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its number.
    pub number: u64,
    /// Its kind, as far as that can be read.
    pub kind: Option<String>,
    /// The text of its key, as far as that can be read.
    pub key: Option<String>,
    /// Uncertain or damaged.
    pub condition: Condition,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// What is left of a damaged bundle's documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// How many documents there were, as far as that can be told.
    pub documents: u64,
    /// The kinds, in the order of the bundle; those that cannot be told last.
    pub kinds: Vec<KindState>,
    /// Documents that are not whole, by number; [`MOST_LOST`] at the most.
    pub lost: Vec<Lost>,
    /// How many more there are.
    pub lost_unlisted: u64,
    /// Whether the content root vouches for the keys.
    pub keys_proven: bool,
    /// How many of those that are whole or uncertain have lost the source id and the reason they were exported.
    pub without_index: u64,
    /// Sealed values that did not open, or cannot be ones.
    pub values_refused: u64,
    /// Documents whose sealed values cannot be read.
    pub values_unread: u64,
    /// Packs and chunks that cannot be read; the first thousand.
    pub findings: Vec<Finding>,
}

impl State {
    /// Counts one condition over all kinds.
    pub fn count(&self, condition: Condition) -> u64 {
        let of = |kind: &KindState| match condition {
            Condition::Whole => kind.whole,
            Condition::Uncertain => kind.uncertain,
            Condition::Damaged => kind.damaged,
        };
        self.kinds.iter().map(of).sum()
    }

    pub(super) fn kind(&mut self, position: Option<usize>) -> Option<&mut KindState> {
        // The last is for those that cannot be told.
        let last = self.kinds.len().checked_sub(1)?;
        self.kinds.get_mut(position.unwrap_or(last))
    }

    pub(super) fn find(&mut self, error: BundleError) {
        if self.findings.len() < MOST_FINDINGS {
            match error {
                BundleError::Damaged { place, what: problem, .. } => {
                    self.findings.push(Finding { place, problem });
                }
                BundleError::Limit { place, found, limit, .. } => {
                    let problem = format!("{found} is over the limit of {limit}");
                    self.findings.push(Finding { place, problem });
                }
                _ => {}
            }
        }
    }
}

/// A document that is still there.
#[derive(Debug, Clone, PartialEq)]
pub struct Survivor {
    /// The document.
    pub document: Document,
    /// The id it had on the source server; null where that is lost.
    pub id: Value,
    /// Why it was exported.
    pub reason: Reason,
    /// Whole, or uncertain.
    pub condition: Condition,
    /// Its sealed values in the order of [`Document::secret_places`]. Where a password was given, only those that
    /// open.
    pub sealed: Vec<Option<Vec<u8>>>,
}
