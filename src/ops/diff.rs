//! `diff`: what differs between two sources of documents, kind by kind.
//!
//! Of the documents of one kind on the right side key and content id are kept while the left side's are listed. Only
//! documents that may differ are read whole, a few at a time, so that memory does not grow with their size.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use crate::bundle::{Entry, Notice};
use crate::document::{ContentId, Document, Key, KindName};
use crate::model::Model;
use crate::plan::{Change, changes, respell};
use crate::progress::Progress;

use super::documents::{Documents, DocumentsError, ListedKind};
use super::export::choice::KindChoice;
use super::export::options::ExportOptions;
use super::translate::Vault;

/// How many documents are asked for together, and about how many bytes of memory they take.
const TOGETHER: (usize, usize) = (200, 8 << 20);

/// A kind that was not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCompared {
    /// The kind.
    pub kind: String,
    /// Why.
    pub reason: &'static str,
    /// How many documents the left side has, where that is known.
    pub left: Option<u64>,
    /// The same of the right side.
    pub right: Option<u64>,
}

/// How a document differs.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Only the left side has it.
    OnlyLeft,
    /// Only the right side has it.
    OnlyRight,
    /// Both have it, otherwise: what leads from left to right.
    Changed(Vec<Change>),
}

/// A document that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffEntry {
    /// Its kind.
    pub kind: KindName,
    /// Its key, as the left side spells it where it has it.
    pub key: Key,
    /// How it differs.
    pub difference: Difference,
}

/// What differs between two sides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DiffReport {
    /// The documents that differ, in the order of kinds and keys.
    pub entries: Vec<DiffEntry>,
    /// How many documents are equal.
    pub equal: u64,
    /// Secrets that were not compared because a password or key was not at hand.
    pub secrets_not_compared: u64,
    /// Kinds that were not compared, and that a side has documents of, or may have.
    pub not_compared: Vec<NotCompared>,
    /// Documents that could not be read, of the left side and of the right one: the other side's are not compared.
    pub unreadable: [Vec<Notice>; 2],
}

/// Compares two sources, in the kinds that the options take and, of kinds that are carried only where asked for,
/// in those that both have.
///
/// # Errors
/// [`DocumentsError`], where a side cannot be read.
pub fn diff(
    left: &dyn Documents,
    right: &dyn Documents,
    model: &Model,
    options: &ExportOptions<'_>,
    progress: &dyn Progress,
) -> Result<DiffReport, DocumentsError> {
    let choice = KindChoice::new(model, options)?;
    let mut report = DiffReport::default();
    let kinds = kinds(left, right, model, &choice, &mut report);
    let documents =
        |side: &dyn Documents| side.kinds().iter().map(|kind| kind.documents).sum::<Option<u64>>();
    progress.phase("comparing", documents(left).zip(documents(right)).map(|(left, right)| left + right));
    let opened = left.opens_secrets() && right.opens_secrets();
    let comparison = Comparison { left, right, model, opened, hashers: Default::default() };
    for kind in &kinds {
        comparison.kind(kind, &mut report, progress)?;
    }
    report.unreadable = [left.unreadable()?, right.unreadable()?];
    for notices in &mut report.unreadable {
        notices.retain(|notice| notice.kind.as_ref().is_none_or(|kind| kinds.contains(kind)));
    }
    let [of_left, of_right] = report.unreadable.each_ref().map(|notices| {
        let named = |notice: &Notice| {
            let key = Key::parse(notice.key.as_deref()?).ok()?;
            Some((notice.kind.clone()?, key.folded(model.collation)))
        };
        notices.iter().filter_map(named).collect::<HashSet<(String, String)>>()
    });
    report.entries.retain(|entry| {
        let unreadable = match entry.difference {
            Difference::OnlyLeft => &of_right,
            Difference::OnlyRight => &of_left,
            Difference::Changed(_) => return true,
        };
        unreadable.is_empty()
            || !unreadable.contains(&(entry.kind.to_string(), entry.key.folded(model.collation)))
    });
    Ok(report)
}

/// The kinds to compare, by name; what is not compared is reported.
fn kinds(
    left: &dyn Documents,
    right: &dyn Documents,
    model: &Model,
    choice: &KindChoice,
    report: &mut DiffReport,
) -> Vec<String> {
    let listed = |side: &dyn Documents, name: &str| -> Option<ListedKind> {
        side.kinds().iter().find(|kind| kind.name.as_str() == name).cloned()
    };
    let held = |side: &dyn Documents, name: &str| listed(side, name).map_or(Some(0), |kind| kind.documents);
    let has = |side: &dyn Documents, name: &str| listed(side, name).is_some_and(|kind| kind.readable);
    let both = left.kinds().iter().chain(right.kinds());
    let mut kinds: Vec<String> = both.map(|kind| kind.name.to_string()).collect();
    kinds.sort();
    kinds.dedup();
    kinds.retain(|name| {
        let Some(kind) = model.kinds().iter().position(|kind| kind.name.as_str() == name) else {
            return true;
        };
        let asked_for = model.kind_at(kind).is_some_and(|kind| kind.ask);
        if choice.takes(kind) || asked_for && has(left, name) && has(right, name) {
            return true;
        }
        let (left, right) = (held(left, name), held(right, name));
        let reason = choice.leaves_out(kind).filter(|_| (left, right) != (Some(0), Some(0)));
        let not_compared = reason.map(|reason| NotCompared { kind: name.clone(), reason, left, right });
        report.not_compared.extend(not_compared);
        false
    });
    kinds
}

/// A document that both sides have, by its numbers.
struct Pair {
    key: Key,
    left: u64,
    right: u64,
}

/// A document of the right side.
struct Twin {
    key: Key,
    number: u64,
    content_id: ContentId,
    secrets: u32,
}

struct Comparison<'a> {
    left: &'a dyn Documents,
    right: &'a dyn Documents,
    model: &'a Model,
    /// Whether secrets are compared.
    opened: bool,
    hashers: [RandomState; 2],
}

impl Comparison<'_> {
    /// A name as it compares: hashes under random keys of this process. No file can be made so that two names meet.
    fn name(&self, key: &Key) -> [u64; 2] {
        let folded = key.folded(self.model.collation);
        self.hashers.each_ref().map(|hasher| hasher.hash_one(&folded))
    }

    fn kind(
        &self,
        kind: &str,
        report: &mut DiffReport,
        progress: &dyn Progress,
    ) -> Result<(), DocumentsError> {
        let mut positions: HashMap<[u64; 2], usize> = HashMap::new();
        let mut theirs: Vec<Option<Twin>> = Vec::new();
        self.right.entries(kind, progress, &mut |entry| {
            positions.insert(self.name(&entry.key), theirs.len());
            let Entry { key, number, content_id, secrets, .. } = entry;
            theirs.push(Some(Twin { key, number, content_id, secrets }));
        })?;
        let (mut pairs, mut only_left): (Vec<Pair>, Vec<Key>) = (Vec::new(), Vec::new());
        self.left.entries(kind, progress, &mut |mine| {
            let position = positions.get(&self.name(&mine.key));
            let twin = position.and_then(|position| theirs.get_mut(*position)).and_then(Option::take);
            let Some(twin) = twin else {
                only_left.push(mine.key);
                return;
            };
            let secrets = u64::from(mine.secrets.max(twin.secrets));
            if !self.opened {
                report.secrets_not_compared += secrets;
            }
            if mine.content_id == twin.content_id && (secrets == 0 || !self.opened) {
                report.equal += 1;
            } else {
                pairs.push(Pair { key: mine.key, left: mine.number, right: twin.number });
            }
        })?;
        drop(positions);
        let name = KindName::new(kind);
        let entry = |key: Key, difference| DiffEntry { kind: name.clone(), key, difference };
        let mut found: Vec<DiffEntry> =
            only_left.into_iter().map(|key| entry(key, Difference::OnlyLeft)).collect();
        self.pairs(kind, pairs, progress, &mut |key, changes| match changes.is_empty() {
            true => report.equal += 1,
            false => found.push(entry(key, Difference::Changed(changes))),
        })?;
        found.sort_by_cached_key(|entry| entry.key.to_text());
        report.entries.append(&mut found);
        found.extend(theirs.into_iter().flatten().map(|theirs| entry(theirs.key, Difference::OnlyRight)));
        found.sort_by_cached_key(|entry| entry.key.to_text());
        report.entries.append(&mut found);
        Ok(())
    }

    /// Finds what leads from left to right, for each of some pairs.
    fn pairs(
        &self,
        kind: &str,
        mut pairs: Vec<Pair>,
        progress: &dyn Progress,
        see: &mut dyn FnMut(Key, Vec<Change>),
    ) -> Result<(), DocumentsError> {
        let rule = self.model.kind(kind);
        while !pairs.is_empty() {
            progress.check()?;
            let mut vault = Vault::new();
            let from = pairs.len().saturating_sub(TOGETHER.0);
            let together = pairs.split_off(from);
            let mut read = |side: &dyn Documents, numbers: Vec<u64>| {
                side.some(&numbers, TOGETHER.1, self.opened.then_some(&mut vault))
            };
            let numbers = together.iter().map(|pair| pair.left).collect();
            let lefts = read(self.left, numbers)?;
            let numbers = lefts.iter().filter_map(|(position, _)| together.get(*position));
            let rights = read(self.right, numbers.map(|pair| pair.right).collect())?;
            let mut rights: BTreeMap<usize, Document> = rights.into_iter().collect();
            let mut together: Vec<Option<Pair>> = together.into_iter().map(Some).collect();
            for (at, (position, old)) in lefts.into_iter().enumerate() {
                let Some(mut new) = rights.remove(&at) else { continue };
                let Some(pair) = together.get_mut(position).and_then(Option::take) else { continue };
                respell(&mut new, &old, self.model.collation);
                see(pair.key, changes(rule, &old, &new, self.model.collation));
            }
            // Those that were too large to be read with the others.
            pairs.extend(together.into_iter().flatten());
        }
        Ok(())
    }
}
