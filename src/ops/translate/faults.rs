//! Rows that cannot be read, gathered so that all of them are told at once.

use std::collections::{BTreeMap, HashSet};
use std::error::Error as _;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use crate::document::KindName;
use crate::text::Shown;

use super::error::TranslateError;

/// How many faults are told one by one.
const TOLD: usize = 100;

/// How many are kept one by one where the documents are left out and recorded.
const RECORDED: usize = 10_000;

/// How many faults are remembered so that none is counted twice. Beyond it a row that is read again for another's
/// sake counts again.
const REMEMBERED: usize = 10_000;

/// What is wrong with single rows of a server: the first hundred, and how many there are.
#[must_use = "rows were left out that cannot be read"]
#[derive(Debug, Default)]
pub struct Faults {
    first: Vec<TranslateError>,
    many: bool,
    kinds: BTreeMap<KindName, u64>,
    total: u64,
    known: HashSet<u64>,
    hasher: RandomState,
}

impl Faults {
    /// Keeps an error that is about one row, once; the row is left out, and others are read on.
    ///
    /// # Errors
    /// Any other error, as it is: it ends the work.
    pub fn keep(&mut self, error: TranslateError) -> Result<(), TranslateError> {
        let Some((kind, _)) = error.subject() else { return Err(error) };
        let kind = kind.clone();
        let hash = self.hasher.hash_one(error.to_string());
        if self.known.contains(&hash) {
            return Ok(());
        }
        if self.known.len() < REMEMBERED {
            self.known.insert(hash);
        }
        self.total += 1;
        *self.kinds.entry(kind).or_default() += 1;
        if self.first.len() < if self.many { RECORDED } else { TOLD } {
            self.first.push(error);
        }
        Ok(())
    }

    /// Passes on what was read, or keeps why it was not.
    ///
    /// # Errors
    /// Any error that is not about one row.
    pub fn pass<T>(&mut self, read: Result<Option<T>, TranslateError>) -> Result<Option<T>, TranslateError> {
        read.or_else(|error| self.keep(error).map(|()| None))
    }

    /// Adds faults that are only counted.
    pub fn count(&mut self, more: u64) {
        self.total += more;
    }

    /// Keeps up to 10,000 faults one by one from now on.
    pub fn keep_many(&mut self) {
        self.many = true;
    }

    /// How many there are of each kind.
    pub fn kinds(&self) -> &BTreeMap<KindName, u64> {
        &self.kinds
    }

    /// The first hundred, or ten thousand.
    pub fn first(&self) -> &[TranslateError] {
        &self.first
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many there are beyond the first.
    pub fn more(&self) -> u64 {
        self.total.saturating_sub(self.first.len() as u64)
    }

    /// Says whether every row could be read.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            1 => f.write_str("one row of the server cannot be carried:")?,
            total => write!(f, "{total} rows of the server cannot be carried:")?,
        }
        for error in &self.first {
            write!(f, "\n  {}", Shown(&error.with_causes()))?;
        }
        match self.more() {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl TranslateError {
    /// The kind and the id or name of the one row that the error is about; `None` for an error of everything
    /// else, which no other row is free of.
    pub fn subject(&self) -> Option<(&KindName, &str)> {
        match self {
            TranslateError::Json { kind, id, .. }
            | TranslateError::NotJson { kind, id, .. }
            | TranslateError::Blob { kind, id, .. }
            | TranslateError::TwoBodies { kind, id }
            | TranslateError::Key { kind, id, .. }
            | TranslateError::NotText { kind, id, .. }
            | TranslateError::TooMuch { kind, id, .. }
            | TranslateError::DamagedSecret { kind, id, .. } => Some((kind, id)),
            TranslateError::NoId { kind } => Some((kind, "")),
            TranslateError::Ambiguous { kind, key } => Some((kind, key)),
            TranslateError::Server(_)
            | TranslateError::Column { .. }
            | TranslateError::NeedMasterKey { .. }
            | TranslateError::WrongMasterKey { .. }
            | TranslateError::Encrypt { .. }
            | TranslateError::Unmapped { .. }
            | TranslateError::Exhausted { .. } => None,
        }
    }

    /// The message with those of its causes.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
