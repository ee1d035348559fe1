//! Plans and changes as text and as JSON: two renderings of the same events.

use std::io::Write;

use sealift::document::{Key, Value, json as document_json};
use sealift::plan::{
    Action, Change, Changed, Entry, Finding, Plan, SavedDocument, SavedPlan, Skipped, SourceNotice,
};
pub use sealift::plan::{change_json, entry_json, findings_json};
use serde_json::json;

use crate::exit::Failure;
use crate::ui::{self, action_sign, action_style, shown};

/// How much of a value one line shows.
const VALUE_WIDTH: usize = 60;

/// How many changes of one document are shown before the rest is only counted.
const CHANGES_SHOWN: usize = 12;

/// How many notices of the export are shown.
const SOURCE_SHOWN: usize = 20;

fn value(value: &Value) -> String {
    let text = match value {
        Value::Ref(reference) => reference.to_string(),
        Value::Secret(_) => "(secret)".to_owned(),
        other => document_json::describe(other).to_string(),
    };
    cut(&text)
}

/// As much of a value as one line shows.
fn cut(text: &str) -> String {
    match text.chars().count() {
        ..=VALUE_WIDTH => shown(text),
        count => format!("{} ({count} characters)", shown(&sealift::text::cut(text, VALUE_WIDTH))),
    }
}

/// One change in one line.
pub fn change(change: &Change) -> String {
    let place = ui::name(&change.place.to_string());
    match &change.changed {
        Changed::Added(new) => format!("{place}: + {}", value(new)),
        Changed::Removed(old) => format!("{place}: - {}", value(old)),
        Changed::Replaced { old, new } => format!("{place}: {} → {}", value(old), value(new)),
        Changed::Secret => format!("{place}: secret changed"),
        Changed::Order => format!("{place}: other order"),
    }
}

/// How many documents each action meets.
pub fn counts_json(plan: &Plan) -> serde_json::Value {
    Action::ALL
        .iter()
        .map(|a| (a.word().to_owned(), json!(plan.count(*a))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// How many reasons for skipping documents are shown before the rest is only counted.
const REASONS_SHOWN: usize = 20;

/// Why documents are skipped, as JSON: all reasons.
pub fn skipped_json(plan: &Plan) -> serde_json::Value {
    let one = |skipped: &Skipped| json!({ "reason": skipped.reason, "documents": skipped.documents });
    plan.skipped().iter().map(one).collect()
}

/// Says that a plan writes nothing, and why: the target has it all, or documents are skipped.
pub fn nothing_to_write(plan: &Plan, target: Option<&str>) -> String {
    let (all, skipped) = (plan.entries.len(), plan.count(Action::Skip));
    let target = target.unwrap_or("the target");
    match (all, all - skipped) {
        (0, _) => "nothing to do: there are no documents".to_owned(),
        (all, same) if same == all => {
            format!("nothing to do: in {target} all {all} documents are as they should be")
        }
        (all, 0) => format!("nothing to write: all {all} documents are skipped"),
        (all, same) => format!(
            "nothing to write: {skipped} of {all} documents are skipped, and {target} has the other {same} as they \
             should be"
        ),
    }
}

/// A plan as JSON, complete.
pub fn plan_json(plan: &Plan) -> serde_json::Value {
    json!({
        "counts": counts_json(plan),
        "skipped": skipped_json(plan),
        "documents": plan.entries.iter().map(entry_json).collect::<Vec<_>>(),
        "findings": findings_json(&plan.findings),
        "notices": plan.notices,
        "source_notices": plan.source,
    })
}

/// What a plan says of one document, ready to be printed.
struct Said<'s> {
    kind: &'s str,
    name: String,
    action: Action,
    reason: Option<&'s str>,
    /// The first of the places that change.
    changes: Vec<String>,
    /// How many more there are.
    more: usize,
    notes: &'s [String],
}

/// Prints a plan, grouped by kind. Documents that stay as they are are counted, not listed.
pub fn print_plan(plan: &Plan) -> Result<(), Failure> {
    fn said(entry: &Entry) -> Said<'_> {
        Said {
            kind: entry.kind.as_str(),
            name: entry.key.to_string(),
            action: entry.action,
            reason: entry.reason.as_deref(),
            changes: entry.changes.iter().take(CHANGES_SHOWN).map(change).collect(),
            more: entry.changes.len().saturating_sub(CHANGES_SHOWN),
            notes: &entry.notes,
        }
    }
    let said: Vec<Said<'_>> = plan.entries.iter().map(said).collect();
    let findings: Vec<String> = plan.findings.iter().map(finding_line).collect();
    print_said(&plan.notices, &plan.source, &said, &findings)
}

/// Prints a saved plan as the plan itself.
pub fn print_saved(plan: &SavedPlan) -> Result<(), Failure> {
    fn said(document: &SavedDocument) -> Said<'_> {
        let action = Action::ALL.into_iter().find(|action| action.word() == document.action);
        Said {
            kind: &document.kind,
            name: Key::parse(&document.id).map_or_else(|_| ui::name(&document.id), |key| key.to_string()),
            action: action.unwrap_or(Action::Skip),
            reason: document.reason.as_deref(),
            changes: document.changes.iter().take(CHANGES_SHOWN).map(saved_change).collect(),
            more: document.changes.len().saturating_sub(CHANGES_SHOWN),
            notes: &document.notes,
        }
    }
    let said: Vec<Said<'_>> = plan.documents.iter().map(said).collect();
    let finding = |f: &sealift::plan::SavedFinding| {
        let (kind, name, problem) = (f.kind.clone(), f.name.clone(), f.problem.clone());
        finding_line(&Finding { kind, name, problem })
    };
    let findings: Vec<String> = plan.head.findings.iter().map(finding).collect();
    print_said(&plan.head.notices, &plan.head.source, &said, &findings)
}

/// A change of a saved plan in one line, as [`change`] has it.
fn saved_change(change: &serde_json::Value) -> String {
    let text = |name: &str| change.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let value = |name: &str| cut(&change.get(name).map(described).unwrap_or_default());
    let place = ui::name(text("place"));
    match text("change") {
        "added" => format!("{place}: + {}", value("new")),
        "removed" => format!("{place}: - {}", value("old")),
        "replaced" => format!("{place}: {} → {}", value("old"), value("new")),
        "secret" => format!("{place}: secret changed"),
        _ => format!("{place}: other order"),
    }
}

/// A described value, as [`value`] has it.
fn described(value: &serde_json::Value) -> String {
    let only = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    match only.map(|(name, value)| (name.as_str(), value)) {
        Some(("$ref", to)) => match to.as_object().and_then(|map| map.iter().next()) {
            Some((kind, key)) => format!("{kind} {}", described_key(key)),
            None => value.to_string(),
        },
        Some(("$secret", _)) => "(secret)".to_owned(),
        _ => value.to_string(),
    }
}

/// A described key, as keys are shown.
fn described_key(key: &serde_json::Value) -> String {
    let part = |part: &serde_json::Value| match part {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(map) => map.values().next().map(described_key).unwrap_or_default(),
        other => other.to_string(),
    };
    key.as_array().map(|parts| parts.iter().map(part).collect::<Vec<_>>().join(" / ")).unwrap_or_default()
}

fn print_said(
    notices: &[String],
    source: &[SourceNotice],
    said: &[Said<'_>],
    findings: &[String],
) -> Result<(), Failure> {
    let mut out = ui::coloured();
    for notice in notices {
        writeln!(out, "note: {}", ui::message(notice))?;
    }
    for notice in source.iter().take(SOURCE_SHOWN) {
        writeln!(out, "note of the export: {}", ui::message(&notice.to_string()))?;
    }
    if let Some(more @ 1..) = source.len().checked_sub(SOURCE_SHOWN) {
        writeln!(out, "note of the export: and {more} more (--json shows all)")?;
    }
    let count = |said: &[Said<'_>], action| said.iter().filter(|said| said.action == action).count();
    // Documents come kind by kind, but for those to be deleted, which come behind.
    for said in said.chunk_by(|a, b| a.kind == b.kind) {
        let mut words = Vec::new();
        for action in Action::ALL {
            let count = count(said, action);
            if count > 0 {
                let style = action_style(action);
                words.push(format!("{style}{count} {}{style:#}", action.word()));
            }
        }
        let kind = said.first().map(|said| said.kind).unwrap_or_default();
        writeln!(out, "{} ({})", ui::name(kind), words.join(", "))?;
        for said in said {
            print_document(&mut out, said)?;
        }
    }
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let counts: Vec<String> =
        Action::ALL.iter().map(|a| format!("{} {}", count(said, *a), a.word())).collect();
    writeln!(out, "{} documents: {}", said.len(), counts.join(", "))?;
    let skipped = said.iter().filter(|said| said.action == Action::Skip);
    let skipped = Skipped::count(skipped.map(|said| said.reason));
    for Skipped { reason, documents } in skipped.iter().take(REASONS_SHOWN) {
        writeln!(out, "  {documents} skipped: {}", shown(reason))?;
    }
    match skipped.iter().skip(REASONS_SHOWN).map(|skipped| skipped.documents).sum::<usize>() {
        0 => Ok(()),
        more => Ok(writeln!(out, "  {more} skipped for other reasons (--json shows all)")?),
    }
}

fn print_document<W: Write>(out: &mut ui::Out<W>, said: &Said<'_>) -> Result<(), Failure> {
    if said.action == Action::Unchanged && said.notes.is_empty() {
        return Ok(());
    }
    let style = action_style(said.action);
    let reason = said.reason.map(|reason| format!("  ({})", ui::message(reason))).unwrap_or_default();
    writeln!(out, "  {style}{} {}{style:#}{reason}", action_sign(said.action), shown(&said.name))?;
    for change in &said.changes {
        writeln!(out, "      {change}")?;
    }
    if said.more > 0 {
        writeln!(out, "      and {} more places (--json shows all)", said.more)?;
    }
    for note in said.notes {
        writeln!(out, "      note: {}", ui::message(note))?;
    }
    Ok(())
}

/// A finding in one line.
pub fn finding_line(finding: &Finding) -> String {
    let about: Vec<&str> =
        [finding.kind.as_str(), finding.name.as_str()].into_iter().filter(|t| !t.is_empty()).collect();
    format!(
        "STOP {}{}{}",
        ui::name(&about.join(" ")),
        if about.is_empty() { "" } else { ": " },
        ui::message(&finding.problem)
    )
}
