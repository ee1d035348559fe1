//! `why`: the paths by which documents came into a bundle.

use std::collections::HashSet;

use super::documents::named::named;
use super::documents::{Archive, DocumentsError};
use crate::bundle::{Entry, Reason};

/// How many documents a path may run through. Exports choose the shortest way they see, so an honest path is
/// as long as references are deep: tens.
const MAX_STEPS: usize = 1000;
/// How much all paths of one answer may weigh, in bytes of their names.
const MAX_WEIGHT: usize = 64 << 20;

/// How one document came into a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct WhyPath {
    /// The document itself, then the document that its [`reason`](Entry::reason) names, and so on: never
    /// empty. The reason of each is why it is there; that of the last leads nowhere.
    pub steps: Vec<Entry>,
    /// Where the path ends.
    pub end: PathEnd,
}

/// Where a path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathEnd {
    /// At a document that the user named.
    Named,
    /// Everything was exported.
    All,
    /// At a document that was looked through and not taken: the last reason names it, the bundle lacks it.
    NotInBundle,
}

/// Why there is no path to show.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// The documents.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// The bundle holds no document of the name.
    #[error("the bundle holds no {kind} named {name:?}")]
    NoSuchDocument {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// Too many documents have the name, or their names are too long.
    #[error("{found} documents of {kind} are named {name:?}: too much for one answer")]
    TooMuch {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// How many have it.
        found: usize,
    },
    /// The reasons lead back to where they were. No export writes that.
    #[error("{kind} {key:?}: the reasons why it is in the bundle go round in a circle")]
    Circle {
        /// The kind of the document asked about.
        kind: String,
        /// Its key, for people.
        key: String,
    },
    /// The path is longer than any honest one.
    #[error("{kind} {key:?}: the path by which it came is longer than {MAX_STEPS} documents")]
    TooLong {
        /// The kind of the document asked about.
        kind: String,
        /// Its key, for people.
        key: String,
    },
}

/// Follows the reasons of every document of a name ([`named`]) to where they end.
///
/// # Errors
/// [`WhyError`]. A bundle may come from anywhere: a path that goes round in a circle, or on beyond 1,000
/// documents, is an error that names the document, and so is an answer of more than 64 MiB.
pub fn why(documents: &dyn Archive, kind: &str, name: &str) -> Result<Vec<WhyPath>, WhyError> {
    let found = named(documents, kind, name)?;
    if found.is_empty() {
        return Err(WhyError::NoSuchDocument { kind: kind.to_owned(), name: name.to_owned() });
    }
    let mut weight = 0;
    let mut paths = Vec::new();
    for number in &found {
        let path = follow(documents, documents.entry(*number)?)?;
        weight += path.steps.iter().map(weight_of).sum::<usize>();
        if weight > MAX_WEIGHT {
            let (kind, name) = (kind.to_owned(), name.to_owned());
            return Err(WhyError::TooMuch { kind, name, found: found.len() });
        }
        paths.push(path);
    }
    Ok(paths)
}

fn follow(documents: &dyn Archive, document: Entry) -> Result<WhyPath, WhyError> {
    let asked = || (document.kind.to_string(), document.key.to_string());
    let mut seen = HashSet::from([document.number]);
    let mut steps = vec![document.clone()];
    let mut reason = document.reason.clone();
    let end = loop {
        let cause = match &reason {
            Reason::Named => break PathEnd::Named,
            Reason::All => break PathEnd::All,
            Reason::NeededBy { kind, key, .. } | Reason::BelongsTo { kind, key, .. } => {
                documents.find(kind.as_str(), key)?
            }
        };
        let Some(cause) = cause else { break PathEnd::NotInBundle };
        let cause = documents.entry(cause)?;
        if !seen.insert(cause.number) {
            let (kind, key) = asked();
            return Err(WhyError::Circle { kind, key });
        }
        if steps.len() >= MAX_STEPS {
            let (kind, key) = asked();
            return Err(WhyError::TooLong { kind, key });
        }
        reason = cause.reason.clone();
        steps.push(cause);
    };
    Ok(WhyPath { steps, end })
}

/// About what an entry takes in memory; the reason's key is that of the step after it.
fn weight_of(entry: &Entry) -> usize {
    let place = match &entry.reason {
        Reason::NeededBy { place, .. } | Reason::BelongsTo { place, .. } => place.len(),
        Reason::Named | Reason::All => 0,
    };
    size_of::<Entry>() + 2 * entry.key.to_text().len() + place
}
