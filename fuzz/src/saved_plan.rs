//! A saved plan: what is read is written so, and nothing that was changed is read.

use sealift::ops::plan_digest;
use sealift::plan::{
    Action, Change, Changed, Entry, Finding, Head, Plan, PlannedBundle, PlannedTarget, SavedPlan, Seen,
};

use super::feed::Feed;

/// Any bytes: as the text of a plan, as its lines under the right digest, and as decisions about a plan.
pub fn holds(bytes: &[u8]) {
    read(bytes);
    read(&sealed(bytes));
    let mut feed = Feed::new(bytes);
    let plan = plan(&mut feed);
    // A hash that all documents share would hide whose it is.
    let digest = |parts: &[&[u8]]| plan_digest(&parts.concat());
    let saved = SavedPlan::new(head(), &plan, &digest);
    let text = saved.write(&plan_digest).unwrap();
    assert_eq!(SavedPlan::read(&text, &plan_digest).as_ref(), Ok(&saved), "a plan is read as it was written");
    assert_eq!(saved.documents.len(), plan.entries.len());
    for (entry, document) in plan.entries.iter().zip(&saved.documents) {
        assert_eq!(document.target.is_some(), entry.seen.is_some());
        assert_eq!(document.result.is_some(), entry.result.is_some());
        // What a plan relies on covers both.
        for (seen, result) in [(other(entry.seen), entry.result), (entry.seen, other(entry.result))] {
            let moved = Plan { entries: vec![Entry { seen, result, ..entry.clone() }], ..Plan::default() };
            let moved = SavedPlan::new(head(), &moved, &digest);
            assert_ne!(moved.documents.first().unwrap().relies_on, document.relies_on);
        }
    }
    let mut changed = text.clone();
    let at = feed.below(changed.len());
    changed[at] ^= 1 << feed.below(8);
    assert!(SavedPlan::read(&changed, &plan_digest).is_err(), "a changed bit is noticed");
    let cut = feed.below(text.len());
    assert!(SavedPlan::read(&text[..cut], &plan_digest).is_err(), "a plan that was cut is noticed");
}

fn read(text: &[u8]) {
    if let Ok(plan) = SavedPlan::read(text, &plan_digest) {
        let text = plan.write(&plan_digest).unwrap();
        assert_eq!(SavedPlan::read(&text, &plan_digest), Ok(plan));
    }
}

/// Lines, the head before them, under the digest that makes them believed.
fn sealed(lines: &[u8]) -> Vec<u8> {
    let empty = SavedPlan { head: head(), documents: Vec::new() };
    let text = empty.write(&|_| String::new()).unwrap();
    let mut text = text.split_inclusive(|byte| *byte == b'\n').next().unwrap().to_vec();
    text.extend(lines);
    text.push(b'\n');
    let end = format!("{{\"end\":\"{}\"}}\n", plan_digest(&text));
    [text, end.into_bytes()].concat()
}

fn head() -> Head {
    let (path, content_root, model) = ("a.sealift".to_owned(), "00".repeat(32), "m".to_owned());
    Head {
        format: "sealift plan 1".to_owned(),
        program: "sealift".to_owned(),
        made: "2026-11-23T12:00:00Z".to_owned(),
        bundle: PlannedBundle { path, content_root, model, documents: 0 },
        target: PlannedTarget::default(),
        given: Vec::new(),
        options: serde_json::Value::Null,
        salt: "00".repeat(16),
        keyed: false,
        check: "00".repeat(32),
        counts: serde_json::Map::new(),
        findings: Vec::new(),
        notices: Vec::new(),
        source: Vec::new(),
        applied: None,
    }
}

fn plan(feed: &mut Feed<'_>) -> Plan {
    let mut plan = Plan::default();
    for number in 0..feed.below(4) {
        let changes = (0..feed.below(3)).map(|_| Change {
            place: sealift::document::Place::column(&feed.text()),
            changed: match feed.below(3) {
                0 => Changed::Secret,
                1 => Changed::Added(feed.value(2)),
                _ => Changed::Replaced { old: feed.value(2), new: feed.value(2) },
            },
        });
        let changes = changes.collect();
        plan.entries.push(Entry {
            number: number as u64,
            kind: sealift::document::KindName::new("Item"),
            key: feed.key(2),
            action: Action::ALL[feed.below(Action::ALL.len())],
            reason: (feed.below(2) == 1).then(|| feed.text()),
            changes,
            notes: (0..feed.below(3)).map(|_| feed.text()).collect(),
            seen: seen(feed),
            result: seen(feed),
        });
    }
    if feed.below(4) == 3 {
        plan.findings.push(Finding { kind: feed.text(), name: feed.text(), problem: feed.text() });
    }
    plan
}

fn seen(feed: &mut Feed<'_>) -> Option<Seen> {
    (feed.below(3) > 0).then(|| Seen { content: [feed.byte(); 32], secrets: [feed.byte(); 32] })
}

/// Another fingerprint: of a secret alone where there is one, else one at all.
fn other(seen: Option<Seen>) -> Option<Seen> {
    let mut other = seen.unwrap_or(Seen { content: [0; 32], secrets: [0; 32] });
    other.secrets[0] ^= u8::from(seen.is_some());
    Some(other)
}
