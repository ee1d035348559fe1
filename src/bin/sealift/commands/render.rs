//! Plans and changes as text and as JSON: two renderings of the same events.

use std::io::Write;

use sealift::document::{Value, json as document_json};
use sealift::ops;
use sealift::plan::{Action, Change, Changed, Entry, Finding, Plan};
use serde_json::json;

use crate::exit::Failure;
use crate::ui::{action_sign, action_style, shown};

/// How much of a value one line shows.
const VALUE_WIDTH: usize = 60;

/// How many changes of one document are shown before the rest is only counted.
const CHANGES_SHOWN: usize = 12;

fn value(value: &Value) -> String {
    let text = match value {
        Value::Ref(reference) => reference.to_string(),
        Value::Secret(_) => "(secret)".to_owned(),
        other => document_json::describe(other).to_string(),
    };
    let text = shown(&text);
    match text.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) => {
            format!("{}… ({} characters)", text.get(..end).unwrap_or_default(), text.chars().count())
        }
        None => text,
    }
}

/// One change in one line.
pub fn change(change: &Change) -> String {
    let place = shown(&change.place.to_string());
    match &change.changed {
        Changed::Added(new) => format!("{place}: + {}", value(new)),
        Changed::Removed(old) => format!("{place}: - {}", value(old)),
        Changed::Replaced { old, new } => format!("{place}: {} → {}", value(old), value(new)),
        Changed::Secret => format!("{place}: secret changed"),
        Changed::Order => format!("{place}: other order"),
    }
}

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

/// What happens to a document as JSON.
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

/// How many documents each action meets.
pub fn counts_json(plan: &Plan) -> serde_json::Value {
    Action::ALL
        .iter()
        .map(|a| (a.word().to_owned(), json!(plan.count(*a))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A plan as JSON, complete.
pub fn plan_json(plan: &Plan) -> serde_json::Value {
    json!({
        "counts": counts_json(plan),
        "documents": plan.entries.iter().map(entry_json).collect::<Vec<_>>(),
        "findings": findings_json(&plan.findings),
        "notices": plan.notices,
    })
}

/// Prints a plan, grouped by kind. Documents that stay as they are are counted, not listed.
pub fn print_plan(plan: &Plan) -> Result<(), Failure> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    for notice in &plan.notices {
        writeln!(out, "note: {}", shown(notice))?;
    }
    for (kind, counts) in ops::by_kind(plan) {
        let mut words = Vec::new();
        for action in Action::ALL {
            if let Some(count) = counts.get(&action) {
                let style = action_style(action);
                words.push(format!("{style}{count} {}{style:#}", action.word()));
            }
        }
        writeln!(out, "{} ({})", shown(&kind), words.join(", "))?;
        for entry in plan.entries.iter().filter(|e| e.kind.as_str() == kind) {
            print_entry(&mut out, entry)?;
        }
    }
    for finding in &plan.findings {
        writeln!(out, "{}", finding_line(finding))?;
    }
    let counts: Vec<String> =
        Action::ALL.iter().map(|a| format!("{} {}", plan.count(*a), a.word())).collect();
    writeln!(out, "{} documents: {}", plan.entries.len(), counts.join(", "))?;
    Ok(())
}

fn print_entry(out: &mut impl Write, entry: &Entry) -> Result<(), Failure> {
    let quiet = entry.action == Action::Unchanged && entry.notes.is_empty();
    if quiet {
        return Ok(());
    }
    let style = action_style(entry.action);
    let reason = entry.reason.as_ref().map(|r| format!("  ({})", shown(r))).unwrap_or_default();
    writeln!(
        out,
        "  {style}{} {}{style:#}{reason}",
        action_sign(entry.action),
        shown(&entry.key.to_string())
    )?;
    for line in entry.changes.iter().take(CHANGES_SHOWN) {
        writeln!(out, "      {}", change(line))?;
    }
    if let Some(more) = entry.changes.len().checked_sub(CHANGES_SHOWN).filter(|n| *n > 0) {
        writeln!(out, "      and {more} more places (--json shows all)")?;
    }
    for note in &entry.notes {
        writeln!(out, "      note: {}", shown(note))?;
    }
    Ok(())
}

/// A finding in one line.
pub fn finding_line(finding: &Finding) -> String {
    let about: Vec<&str> =
        [finding.kind.as_str(), finding.name.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
    format!(
        "STOP {}{}{}",
        shown(&about.join(" ")),
        if about.is_empty() { "" } else { ": " },
        shown(&finding.problem)
    )
}
