//! A plan as a file: what somebody reviews today and carries out tomorrow.
//!
//! Obeys `format-spec/plan-v1.md`: JSON Lines. The first line is the head, then comes a line for each document, and
//! the last line is a digest of all before it, so that a file that was cut or edited is told from one that was not.
//! The text is in memory as a whole; nothing here reads a file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::described::entry_json;
use super::{Plan, Seen, SourceNotice};
use crate::text::{hex, write_json};

/// The first words of the head of this version.
const FORMAT: &str = "sealift plan 1";
/// How those of any version begin.
const FORMATS: &str = "sealift plan ";
/// How long a line may be, in bytes.
const LINE: usize = 64 << 20;
/// How many documents a plan may have: as many as a bundle, and the target's to be deleted.
const DOCUMENTS: usize = 200_000_000;

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It is something else.
    #[error("it is no plan")]
    NotAPlan,
    /// It is of a newer version.
    #[error("it is of the version {0:?}, which this program does not know")]
    TooNew(String),
    /// It was cut, edited or damaged.
    #[error("it is not as it was written: {0}")]
    Damaged(String),
}

/// The head of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of the format.
    pub format: String,
    /// The program that made the plan.
    pub program: String,
    /// When it was made, RFC 3339 in UTC.
    pub made: String,
    /// The bundle that is to be imported.
    pub bundle: PlannedBundle,
    /// The target.
    pub target: PlannedTarget,
    /// The options as they were given, for people.
    pub given: Vec<String>,
    /// The options as they are followed.
    pub options: serde_json::Value,
    /// What makes the key of the digests another in each plan, in hexadecimal.
    pub salt: String,
    /// Whether the digests are under the server's master key.
    pub keyed: bool,
    /// Tells whether a key is the one of the digests, in hexadecimal.
    pub check: String,
    /// How many documents each action meets.
    pub counts: serde_json::Map<String, serde_json::Value>,
    /// What stops the import.
    pub findings: Vec<SavedFinding>,
    /// What people should know.
    pub notices: Vec<String>,
    /// What the exporter was told.
    pub source: Vec<SourceNotice>,
    /// When it was carried out; a plan is, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
}

/// The bundle that a plan is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedBundle {
    /// Its name, for people.
    pub path: String,
    /// Its content root, in hexadecimal: another file of the same content will do.
    pub content_root: String,
    /// The name of its model.
    pub model: String,
    /// How many documents it has.
    pub documents: u64,
}

/// The target that a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTarget {
    /// Where it is, without login and settings; absent where the plan was made against a bundle of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The bundle of the target that the plan was made against, by its content root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The product's version there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_version: Option<String>,
    /// A digest of each table of the model, in hexadecimal: its columns, keys and references.
    #[serde(default)]
    pub tables: std::collections::BTreeMap<String, String>,
}

/// Why the import must not happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFinding {
    /// The kind it is about.
    pub kind: String,
    /// The document it is about.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// That a plan was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Where the undo file went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

/// What happens to one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedDocument {
    /// Its kind.
    pub kind: String,
    /// Its key, described for people.
    pub key: serde_json::Value,
    /// Its key's text.
    pub id: String,
    /// What happens, in a word.
    pub action: String,
    /// Why.
    pub reason: Option<String>,
    /// The places that change.
    pub changes: Vec<serde_json::Value>,
    /// What was adapted on the way.
    pub notes: Vec<String>,
    /// The target's document that the plan relies on; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SavedFingerprint>,
    /// The document that will be written; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<SavedFingerprint>,
    /// A keyed hash of all of this, in hexadecimal.
    pub relies_on: String,
}

/// A [`Seen`] in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFingerprint {
    /// [`Seen::content`], in hexadecimal.
    pub content: String,
    /// [`Seen::secrets`], in hexadecimal.
    pub secrets: String,
}

impl From<Seen> for SavedFingerprint {
    fn from(seen: Seen) -> Self {
        Self { content: hex(&seen.content), secrets: hex(&seen.secrets) }
    }
}

/// A plan, as it is in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPlan {
    /// What it is for, and how it is to be carried out.
    pub head: Head,
    /// What happens to each document.
    pub documents: Vec<SavedDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: String,
}

/// Hashes the lines of a plan: 64 digits in hexadecimal.
pub type Digest<'d> = &'d dyn Fn(&[u8]) -> String;

impl SavedPlan {
    /// A plan to be saved; `digest` hashes what an entry says, under the plan's key.
    pub fn new(mut head: Head, plan: &Plan, digest: &dyn Fn(&[&[u8]]) -> String) -> Self {
        head.format = FORMAT.to_owned();
        head.findings = plan
            .findings
            .iter()
            .map(|f| SavedFinding { kind: f.kind.clone(), name: f.name.clone(), problem: f.problem.clone() })
            .collect();
        head.notices.clone_from(&plan.notices);
        head.source.clone_from(&plan.source);
        head.counts = super::Action::ALL
            .iter()
            .map(|action| (action.word().to_owned(), plan.count(*action).into()))
            .collect();
        let documents = plan.entries.iter().map(|entry| {
            let said = entry.said();
            let parts: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
            let mut json = entry_json(entry);
            let mut take = |name: &str| json.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
            SavedDocument {
                kind: entry.kind.to_string(),
                key: take("key"),
                id: entry.key.to_text(),
                action: entry.action.word().to_owned(),
                reason: entry.reason.clone(),
                changes: match take("changes") {
                    serde_json::Value::Array(changes) => changes,
                    _ => Vec::new(),
                },
                notes: entry.notes.clone(),
                target: entry.seen.map(SavedFingerprint::from),
                result: entry.result.map(SavedFingerprint::from),
                relies_on: digest(&parts),
            }
        });
        let documents = documents.collect();
        Self { head, documents }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// Never for plans that [`SavedPlan::new`] made or [`SavedPlan::read`] read.
    pub fn write(&self, digest: Digest<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = Vec::new();
        write_json(&mut text, &self.head)?;
        text.push(b'\n');
        for document in &self.documents {
            write_json(&mut text, document)?;
            text.push(b'\n');
        }
        let end = End { end: digest(&text) };
        write_json(&mut text, &end)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Says whether a text is a plan of any version, by its beginning.
    pub fn recognise(text: &[u8]) -> bool {
        let head = format!("{{\"format\":\"{FORMATS}");
        text.starts_with(head.as_bytes())
    }

    /// Reads the text of a file. Every letter of it is proven before any is believed.
    ///
    /// # Errors
    /// [`SavedError`].
    pub fn read(text: &[u8], digest: Digest<'_>) -> Result<Self, SavedError> {
        #[derive(Deserialize)]
        struct Any {
            format: String,
        }
        let damaged = |what: &str| SavedError::Damaged(what.to_owned());
        // Git may have changed the line ends. No other carriage return is in a plan, so nothing else goes unseen.
        let plain = line_feeds(text);
        let text = plain.as_ref();
        if !Self::recognise(text) {
            return Err(SavedError::NotAPlan);
        }
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let any: Any = serde_json::from_slice(first).map_err(|_| damaged("its first line is not whole"))?;
        if any.format != FORMAT {
            return Err(SavedError::TooNew(any.format.chars().take(100).collect()));
        }
        let body = text.strip_suffix(b"\n").ok_or_else(|| damaged("it was cut"))?;
        let cut = body.iter().rposition(|byte| *byte == b'\n').ok_or_else(|| damaged("it was cut"))?;
        let (body, end) = text.split_at_checked(cut + 1).ok_or_else(|| damaged("it was cut"))?;
        let end: End = serde_json::from_slice(end).map_err(|_| damaged("it was cut"))?;
        if end.end != digest(body) {
            return Err(damaged("it was edited: its digest is another"));
        }
        // What follows was written by this program or made to look so.
        let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let wrong = |number: usize, error: &serde_json::Error| {
            SavedError::Damaged(format!(
                "line {number}, column {}: not what a plan has there",
                error.column()
            ))
        };
        let head = lines.next().ok_or_else(|| damaged("it has no head"))?;
        let head: Head = serde_json::from_slice(head).map_err(|error| wrong(1, &error))?;
        let mut documents = Vec::new();
        for (at, line) in lines.enumerate() {
            if line.len() > LINE || documents.len() >= DOCUMENTS {
                return Err(SavedError::Damaged(format!("line {} is beyond the limits", at + 2)));
            }
            documents.push(serde_json::from_slice(line).map_err(|error| wrong(at + 2, &error))?);
        }
        Ok(Self { head, documents })
    }
}

/// A text with line feeds alone as line ends.
fn line_feeds(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\r') {
        return Cow::Borrowed(text);
    }
    let follows = |at: usize| text.get(at + 1) == Some(&b'\n');
    let kept = text.iter().enumerate().filter(|(at, byte)| **byte != b'\r' || !follows(*at));
    Cow::Owned(kept.map(|(_, byte)| *byte).collect())
}
