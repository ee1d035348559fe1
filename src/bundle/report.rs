//! What a verification found, as a value.
//!
//! Plain values; nothing here reads a file.

use super::condition::{KindState, Lost};
use super::{BundleError, ContentRoot, FileRoot};

/// How many findings are listed; the rest are counted.
const MOST_FINDINGS: usize = 1000;

/// How thoroughly a bundle was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every byte, every hash and every relation; no secret was opened.
    Sealed,
    /// That, and every secret opens with the password.
    Opened,
}

impl Level {
    /// The level in one word, as shown and as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Level::Sealed => "sealed",
            Level::Opened => "opened",
        }
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: "file root", "pack 3", "document 17".
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How thorough it was.
    pub level: Level,
    /// What was checked, a line each, for people.
    pub checked: Vec<String>,
    /// What is wrong; nothing, where the bundle is sound.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those listed.
    pub findings_unlisted: u64,
    /// How many documents the bundle says it has.
    pub documents: u64,
    /// How many of them are whole: found, unchanged, of a key that is proven and, at the level *opened*, with
    /// secrets that open.
    pub documents_whole: u64,
    /// What is left of each kind.
    pub kinds: Vec<KindState>,
    /// Documents that are damaged or of which it cannot be told; [`super::MOST_LOST`] at the most.
    pub lost: Vec<Lost>,
    /// How many more there are.
    pub lost_unlisted: u64,
    /// How many secret places the documents have.
    pub secrets: u64,
    /// How many secrets were opened.
    pub secrets_opened: u64,
    /// The identity of the documents, as far as the file could be read.
    pub content_root: Option<ContentRoot>,
    /// The identity of the file, as far as it could be read.
    pub file_root: Option<FileRoot>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            level: Level::Sealed,
            checked: Vec::new(),
            findings: Vec::new(),
            findings_unlisted: 0,
            documents: 0,
            documents_whole: 0,
            kinds: Vec::new(),
            lost: Vec::new(),
            lost_unlisted: 0,
            secrets: 0,
            secrets_opened: 0,
            content_root: None,
            file_root: None,
        }
    }

    /// Says whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn find(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { place: place.into(), problem: problem.into() });
        } else {
            self.findings_unlisted += 1;
        }
    }

    /// Takes damage down as a finding; anything else ends the verification.
    pub(super) fn take<T>(&mut self, result: Result<T, BundleError>) -> Result<Option<T>, BundleError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(BundleError::Damaged { place, what, .. }) => {
                self.find(place, what);
                Ok(None)
            }
            Err(BundleError::Limit { place, found, limit, .. }) => {
                self.find(place, format!("{found} is over the limit of {limit}"));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}
