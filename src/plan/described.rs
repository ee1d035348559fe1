//! Changes and entries as JSON: for people and tools, and for what a plan relied on. No value of a secret is in them.

use serde_json::json;

use super::{Change, Changed, Entry, Finding, Plan, Seen};
use crate::document::json as document_json;

/// One change as JSON, complete.
pub fn change_json(change: &Change) -> serde_json::Value {
    let place = change.place.to_string();
    match &change.changed {
        Changed::Added(new) => {
            json!({ "place": place, "change": "added", "new": document_json::describe(new) })
        }
        Changed::Removed(old) => {
            json!({ "place": place, "change": "removed", "old": document_json::describe(old) })
        }
        Changed::Replaced { old, new } => json!({
            "place": place, "change": "replaced",
            "old": document_json::describe(old), "new": document_json::describe(new),
        }),
        Changed::Secret => json!({ "place": place, "change": "secret" }),
        Changed::Order => json!({ "place": place, "change": "order" }),
    }
}

/// What happens to one document, as JSON.
pub fn entry_json(entry: &Entry) -> serde_json::Value {
    json!({
        "kind": entry.kind.as_str(),
        "key": document_json::describe_key(&entry.key),
        "action": entry.action.word(),
        "reason": entry.reason,
        "changes": entry.changes.iter().map(change_json).collect::<Vec<_>>(),
        "notes": entry.notes,
    })
}

/// Findings as JSON.
pub fn findings_json(findings: &[Finding]) -> Vec<serde_json::Value> {
    findings.iter().map(|f| json!({ "kind": f.kind, "name": f.name, "problem": f.problem })).collect()
}

impl Entry {
    /// Everything that a plan says of a document, as parts to be hashed: what two plans must agree in.
    pub(crate) fn said(&self) -> Vec<Vec<u8>> {
        let text = |text: &str| text.as_bytes().to_vec();
        let mut parts = vec![text(self.kind.as_str()), text(&self.key.to_text()), text(self.action.word())];
        let hash = |seen: Option<Seen>| seen.map(|seen| seen.secrets.to_vec()).unwrap_or_default();
        parts.extend([hash(self.seen), hash(self.result)]);
        parts.push(text(self.reason.as_deref().unwrap_or_default()));
        parts.push((self.changes.len() as u64).to_le_bytes().to_vec());
        parts.extend(self.changes.iter().map(|change| text(&change_json(change).to_string())));
        parts.extend(self.notes.iter().map(|note| text(note)));
        parts
    }
}

impl Plan {
    /// The entries in which something would be written.
    pub fn writes(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.action.writes())
    }
}
