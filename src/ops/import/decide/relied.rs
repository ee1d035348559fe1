//! What a plan that somebody agreed to relied on: the bundle, the target's tables, and each document that was looked
//! at. Shown a minute ago or saved a month ago, it is held against what is found under the lock.

use std::collections::BTreeMap;

use crate::bundle::Bundle;
use crate::crypto::{FingerprintKey, MasterKey};
use crate::document::{Document, Key, Value, canonical};
use crate::model::Model;
use crate::plan::{
    Action, Entry, Finding, Maintenance, Plan, PlannedTarget, SavedFingerprint, SavedPlan, Seen,
};
use crate::server::{Catalog, Reader, ServerError, Table};
use crate::text::hex;

use crate::ops::import::request::error::ImportError;
use crate::ops::rules::product::product_version;
use crate::ops::translate::Vault;

/// What is said of a document that is not as the plan relied on.
const CHANGED: &str = "changed in the target since the plan was made";
/// What is hashed to tell whether a key is the one that a plan was made under.
const CHECK: &[u8] = b"plan check";

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |a, b| a << 4 | b)).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 2 * N)
}

/// The digest of a plan's lines: of what everybody may read, under a key that everybody has.
pub fn plan_digest(text: &[u8]) -> String {
    hex(&FingerprintKey::derived(&[0; 16], None).of(&[text]))
}

/// The salt of a plan, and what tells its key.
pub struct PlanKey {
    /// The salt, in hexadecimal.
    pub salt: String,
    /// Whether it is under the server's master key.
    pub keyed: bool,
    /// What tells whether a key is this one, in hexadecimal.
    pub check: String,
    /// The key itself.
    pub key: FingerprintKey,
}

impl PlanKey {
    /// The key for plans of one bundle, under a server's master key where there is one. The same plan made again
    /// is the same file, but for the time in it.
    pub fn new(bundle: &Bundle, master: Option<&MasterKey>) -> Self {
        let root = bundle.info().content_root.to_string();
        let salt = FingerprintKey::salt(&[b"plan salt", root.as_bytes()], master);
        let key = FingerprintKey::derived(&salt, master);
        let check = hex(&key.of(&[CHECK]));
        Self { salt: hex(&salt), keyed: master.is_some(), check, key }
    }

    /// The key of a saved plan.
    ///
    /// # Errors
    /// [`ImportError::PlanKey`] where the master key at hand is not the one that the plan was made under.
    pub fn of(plan: &SavedPlan, master: Option<&MasterKey>) -> Result<FingerprintKey, ImportError> {
        let wrong = |missing| ImportError::PlanKey { missing };
        let head = &plan.head;
        let master = match (head.keyed, master) {
            (true, None) => return Err(wrong(true)),
            (keyed, master) => master.filter(|_| keyed),
        };
        let salt = unhex(&head.salt).ok_or_else(|| wrong(false))?;
        let key = FingerprintKey::derived(&salt, master);
        if hex(&key.of(&[CHECK])) == head.check { Ok(key) } else { Err(wrong(false)) }
    }
}

/// What names a document of a plan: its kind, its key, and whether it is one of the target's to be deleted.
type Place = (String, String, bool);

/// What a saved plan says of a document: it explains what moved.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Planned {
    target: Option<SavedFingerprint>,
    result: Option<SavedFingerprint>,
}

/// What a plan relied on.
#[derive(Debug, Clone, Default)]
pub struct Relied {
    /// Each document's digest; and what explains a difference where the bundle may be another one by now.
    documents: BTreeMap<Place, (String, Option<Planned>)>,
    /// The target's tables; `None` where the target is the one that was just looked at.
    pub(in crate::ops) target: Option<PlannedTarget>,
    /// What the product did when the plan was made; `None` where that was long ago.
    pub(in crate::ops) maintenance: Option<Maintenance>,
}

fn place(entry: &Entry) -> Place {
    (entry.kind.to_string(), entry.key.to_text(), entry.action == Action::Delete)
}

/// The keyed hash of what a plan says of a document.
pub(in crate::ops) fn digest(entry: &Entry, key: &FingerprintKey) -> String {
    let said = entry.said();
    let parts: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
    hex(&key.of(&parts))
}

/// A fingerprint of a document with its secrets, as far as they are at hand.
pub(in crate::ops) fn fingerprint(
    document: &Document,
    vault: &Vault,
    key: &FingerprintKey,
) -> Result<Seen, canonical::TooLarge> {
    Ok(fingerprint_of(document, &canonical::encode(document)?, vault, key))
}

/// The same, of a document whose canonical bytes are at hand.
pub(in crate::ops) fn fingerprint_of(
    document: &Document,
    content: &[u8],
    vault: &Vault,
    key: &FingerprintKey,
) -> Seen {
    let content = key.of(&[content]);
    let mut secrets = Vec::new();
    document.each(&mut |value| {
        if let Value::Secret(id) = value {
            secrets.push(vault.value(*id));
        }
    });
    let mut parts: Vec<&[u8]> = vec![&content];
    // A place without a value counts too: of two places it matters which one has the value.
    for secret in secrets {
        match secret {
            Some(value) => parts.extend([b"value".as_slice(), value.expose()]),
            None => parts.push(b"no value"),
        }
    }
    Seen { content, secrets: key.of(&parts) }
}

/// Says what moved between a saved plan and the same plan made again, for a document on which they differ.
fn moved_since(then: &Planned, now: &Entry) -> &'static str {
    let target = now.seen.map(SavedFingerprint::from);
    let result = now.result.map(SavedFingerprint::from);
    match (&then.target, &target) {
        (None, Some(_)) => return "was made in the target since the plan was made",
        (Some(_), None) => return "was deleted in the target since the plan was made",
        (Some(then), Some(now)) if then.content == now.content && then.secrets != now.secrets => {
            return "has another secret in the target than when the plan was made";
        }
        (then, now) if then != now => return CHANGED,
        _ => {}
    }
    // Where nothing is written, what the target has is what stays.
    let (was, is) = (then.result.as_ref().or(target.as_ref()), result.as_ref().or(target.as_ref()));
    match (was, is) {
        (Some(was), Some(is)) if was.content == is.content && was.secrets != is.secrets => {
            "has another secret in the bundle than the plan was made for"
        }
        (Some(was), Some(is)) if was.content != is.content && then.result.is_some() && result.is_some() => {
            "would be written differently than planned: what it refers to in the target is another by now, or the \
             bundle's document is"
        }
        _ => "would be treated differently than planned: what it refers to in the target is another by now",
    }
}

impl Relied {
    /// What a plan relies on that was made in this process, under this key.
    pub fn of(plan: &Plan, key: &FingerprintKey) -> Self {
        let documents = plan.entries.iter().map(|entry| (place(entry), (digest(entry, key), None))).collect();
        Self { documents, target: None, maintenance: plan.maintenance.clone() }
    }

    /// What a saved plan relies on.
    pub fn saved(plan: &SavedPlan) -> Self {
        let documents = plan.documents.iter().map(|document| {
            let delete = document.action == Action::Delete.word();
            let planned = Planned { target: document.target.clone(), result: document.result.clone() };
            let place = (document.kind.clone(), document.id.clone(), delete);
            (place, (document.relies_on.clone(), Some(planned)))
        });
        Self { documents: documents.collect(), target: Some(plan.head.target.clone()), maintenance: None }
    }

    /// The documents that are not as the plan relied on, by name, each with what moved.
    pub(in crate::ops) fn moved(&self, now: &Plan, key: &FingerprintKey) -> Vec<Finding> {
        let mut open: BTreeMap<&Place, &(String, Option<Planned>)> = self.documents.iter().collect();
        let mut moved = Vec::new();
        for entry in &now.entries {
            let place = place(entry);
            let problem = match open.remove(&place) {
                Some((relied, _)) if *relied == digest(entry, key) => continue,
                Some((_, Some(planned))) => moved_since(planned, entry),
                _ => CHANGED,
            };
            let (kind, name) = (place.0, entry.key.path());
            moved.push(Finding { kind, name, problem: problem.to_owned() });
        }
        for (kind, key, _) in open.into_keys() {
            let name = Key::parse(key).map_or_else(|_| key.clone(), |key| key.path());
            let finding = Finding { kind: kind.clone(), name, problem: CHANGED.to_owned() };
            if !moved.contains(&finding) {
                moved.push(finding);
            }
        }
        moved
    }

    /// What of the target's tables is another than the plan relied on.
    pub(in crate::ops) fn elsewhere(
        &self,
        reader: &mut dyn Reader,
        model: &Model,
        key: &FingerprintKey,
    ) -> Result<Vec<Finding>, ServerError> {
        let Some(planned) = &self.target else { return Ok(Vec::new()) };
        if planned.against.is_some() {
            return Ok(Vec::new());
        }
        let now = planned_target(reader, model, key, None)?;
        let mut problems = Vec::new();
        if now.product_version != planned.product_version {
            let said = |version: &Option<String>| version.clone().unwrap_or_else(|| "no version".to_owned());
            let (then, now) = (said(&planned.product_version), said(&now.product_version));
            problems.push(format!("the target is of {now} by now, the plan was made for {then}"));
        }
        for (table, then) in &planned.tables {
            match now.tables.get(table) {
                None => problems.push(format!("the target has no table {table} any more")),
                Some(digest) if digest != then => {
                    problems
                        .push(format!("the table {table} of the target has other columns or keys by now"));
                }
                Some(_) => {}
            }
        }
        for table in now.tables.keys().filter(|table| !planned.tables.contains_key(*table)) {
            problems.push(format!("the target has a table {table} that it had not"));
        }
        let finding = |problem| Finding { kind: String::new(), name: String::new(), problem };
        Ok(problems.into_iter().map(finding).collect())
    }
}

/// What of the tables of a model's kinds is another in a second catalogue.
pub(in crate::ops) fn moved_tables(before: &Catalog, now: &Catalog, model: &Model) -> Vec<Finding> {
    let mut problems = Vec::new();
    for kind in model.kinds() {
        let (before, now) = (before.table(&kind.table), now.table(&kind.table));
        if before != now {
            problems.push(format!("the table {} of the target has other columns or keys by now", kind.table));
        }
    }
    problems.dedup();
    problems
        .into_iter()
        .map(|problem| Finding { kind: String::new(), name: String::new(), problem })
        .collect()
}

/// A target as a plan keeps it: the tables of the model's kinds, each by a digest.
///
/// # Errors
/// [`ServerError`], where the product's version cannot be read.
pub fn planned_target(
    reader: &mut dyn Reader,
    model: &Model,
    key: &FingerprintKey,
    server: Option<String>,
) -> Result<PlannedTarget, ServerError> {
    let product_version = product_version(reader, model)?;
    let known =
        |table: &&Table| model.kinds().iter().any(|kind| kind.table.eq_ignore_ascii_case(&table.name));
    let tables: BTreeMap<String, String> = reader
        .catalog()
        .tables
        .iter()
        .filter(known)
        .map(|table| (table.name.clone(), hex(&key.of(&[shape(table).as_bytes()]))))
        .collect();
    Ok(PlannedTarget { server, against: None, product_version, tables })
}

/// A table in words whose order means nothing.
fn shape(table: &Table) -> String {
    let list = |names: &[String]| names.join(",").to_lowercase();
    let mut columns: Vec<String> = table
        .columns
        .iter()
        .map(|c| format!("{} {} {} {}", c.name, c.declared, c.nullable, c.identity).to_lowercase())
        .collect();
    columns.sort();
    let mut unique: Vec<String> = table.unique.iter().map(|names| list(names)).collect();
    unique.sort();
    let mut foreign: Vec<String> = table
        .foreign_keys
        .iter()
        .map(|key| format!("{} {} {}", list(&key.columns), key.to.to_lowercase(), list(&key.to_columns)))
        .collect();
    foreign.sort();
    format!("{columns:?} {} {unique:?} {foreign:?}", list(&table.primary_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::KindName;

    #[test]
    fn what_moved_between_two_plans_is_named() {
        let seen = FingerprintKey::generate().unwrap();
        let names = |before: &Plan, now: &Plan| -> Vec<String> {
            let moved = Relied::of(before, &seen).moved(now, &seen);
            moved.into_iter().map(|finding| format!("{} {}", finding.kind, finding.name)).collect()
        };
        let entry = |number, action| Entry {
            number,
            kind: KindName::new("Item"),
            key: Key::name(if number == 1 { "a" } else { "b" }),
            action,
            reason: None,
            changes: vec![],
            notes: vec![],
            seen: None,
            result: None,
        };
        let before =
            Plan { entries: vec![entry(1, Action::Create), entry(2, Action::Unchanged)], ..Plan::default() };
        let after =
            Plan { entries: vec![entry(1, Action::Update), entry(2, Action::Unchanged)], ..Plan::default() };
        assert_eq!(names(&before, &after), ["Item a"]);
        assert!(names(&before, &before).is_empty());
        // A document that came between the two moves nothing else, and what would be taken out now counts.
        let gone = Plan { entries: vec![entry(2, Action::Unchanged)], ..Plan::default() };
        assert_eq!(names(&before, &gone), ["Item a"]);
        let mut noted = before.clone();
        noted.entries[0].notes.push("$.A: Item x is not in the target and was taken out".to_owned());
        assert_eq!(names(&before, &noted), ["Item a"]);
    }

    #[test]
    fn hexadecimal_is_read_as_it_is_written() {
        assert_eq!(unhex::<3>(&hex(&[0, 127, 255])), Some([0, 127, 255]));
        for wrong in ["", "0", "007ff", "007ff", "00 fff", "007fff00", "zz7fff"] {
            assert_eq!(unhex::<3>(wrong), None, "{wrong}");
        }
    }
}
