//! The joined bundle, written: every document from the input that it is taken from, secrets sealed anew.

use std::collections::{BTreeMap, HashSet};

use crate::bundle::{Coverage, Entry, Extent, Notice, Reason, Writer};
use crate::crypto::SecretBytes;
use crate::document::{Document, Key, KindName, Reference, Value};
use crate::model::{IdRule, NewId};
use crate::ops::rules::needs::{NEEDED, document_of};
use crate::ops::translate::{Id, Vault};
use crate::progress::{Cancelled, Progress};

use super::error::MergeError;
use super::groups::{Grouping, Groups};
use super::{Merge, MergeReport};

/// The longest text of a notice that a bundle can hold.
const NOTICE_BYTES: usize = 64 * 1024;

/// How many references to lost parts are noted one by one.
const LOST_NAMED: u64 = 1000;

/// What such notices are.
const LOST: &str = "lost-part";

/// What is kept from kind to kind.
struct State {
    ids: Ids,
    lost_parts: u64,
}

impl Merge<'_> {
    /// Writes the joined bundle. The writer's header is [`Merge::header`], and it has a password where
    /// [`Merge::has_values`] says so.
    ///
    /// # Errors
    /// [`MergeError::Conflicts`] where one is undecided, and what reading and writing come upon. Nothing is
    /// left at the output's name then.
    pub fn write(&self, mut writer: Writer, progress: &dyn Progress) -> Result<MergeReport, MergeError> {
        match self.undecided() {
            0 => {}
            undecided => return Err(MergeError::Conflicts { undecided }),
        }
        let grouping = self.grouping();
        let whole = self.inputs.len() == 1 || self.header.server.is_some();
        let mut state = State { ids: Ids { whole, given: HashSet::new() }, lost_parts: 0 };
        let total = self.kinds.iter().map(|kind| kind.documents).sum();
        progress.phase("writing", Some(total));
        for kind in self.kinds.iter().map(|merged| &merged.kind) {
            let groups = grouping.groups(kind, &self.spelling, progress)?;
            for input in 0..self.inputs.len() {
                self.write_kind(&grouping, kind, &groups, input, &mut state, &mut writer, progress)?;
            }
        }
        self.write_notices(&mut writer)?;
        self.write_coverage(&mut writer)?;
        if let Some(more) = state.lost_parts.checked_sub(LOST_NAMED).filter(|more| *more > 0) {
            let text = format!("{more} more references name parts that the documents taken do not have");
            writer.notice(Notice::new(LOST, text))?;
        }
        Ok(MergeReport { summary: writer.finish(progress)?, lost_parts: state.lost_parts })
    }

    #[allow(clippy::too_many_arguments, reason = "one place calls it, and each is another thing")]
    fn write_kind(
        &self,
        grouping: &Grouping<'_>,
        kind: &KindName,
        groups: &Groups,
        position: usize,
        state: &mut State,
        writer: &mut Writer,
        progress: &dyn Progress,
    ) -> Result<(), MergeError> {
        let Some(input) = self.inputs.get(position) else { return Ok(()) };
        let rule = self.model.kind(kind.as_str()).and_then(|kind| kind.id.as_ref());
        let wanted = |number| groups.taken(position, number).is_some();
        let mut failed = None;
        let scanned =
            input.documents.scan(kind.as_str(), &wanted, self.secrets, &mut |entry, mut document, vault| {
                progress.check()?;
                progress.advance(1, 0);
                let mut write = || -> Result<(), MergeError> {
                    self.spelling.document(self.model, &mut document);
                    let mut twins = Vec::new();
                    for (twin, number) in groups.taken(position, entry.number).unwrap_or_default() {
                        twins.push(if twin == position {
                            entry.clone()
                        } else {
                            grouping.entry(twin, number)?
                        });
                    }
                    let id = state.ids.of(rule, kind, &entry, &twins);
                    let reason = self.reason(&entry, &twins);
                    let folded = self.spelling.fold(&document.key);
                    writer.add(&document, &folded, &id, &reason, &values(&document, vault))?;
                    self.note_lost(&document, &mut state.lost_parts, writer)
                };
                write().map_err(|error| {
                    failed = Some(error);
                    Cancelled.into()
                })
            });
        failed.map_or_else(|| Ok(scanned?), Err)
    }

    /// Notes references to parts that whoever decided left behind with a document's other version.
    fn note_lost(&self, document: &Document, lost: &mut u64, writer: &mut Writer) -> Result<(), MergeError> {
        if self.lost.is_empty() {
            return Ok(());
        }
        let mut found = Vec::new();
        document.visit(&mut |place, value| {
            if let Value::Ref(reference) = value
                && self.lost.contains(&(reference.kind.clone(), self.spelling.fold(&reference.key)))
            {
                found.push((place.to_string(), reference.to_string()));
            }
        });
        for (place, reference) in found {
            *lost += 1;
            if *lost <= LOST_NAMED {
                let text = format!("names {reference}, which the document that was taken does not have");
                writer.notice(Notice::at(LOST, &document.kind, &document.key, &place, text))?;
            }
        }
        Ok(())
    }

    /// Why the document is in the output: it was named, or everything was, in whatever input; else what the
    /// first input says that has it. So reasons that lead nowhere in a circle do not in the output either.
    fn reason(&self, entry: &Entry, twins: &[Entry]) -> Reason {
        let ends = |reason: &&Reason| matches!(reason, Reason::Named | Reason::All);
        let mut reasons = twins.iter().map(|twin| &twin.reason);
        let first = twins.first().map_or(&entry.reason, |twin| &twin.reason);
        let spelled =
            |kind: &KindName, key: &Key| self.spelling.key(kind, key).unwrap_or_else(|| key.clone());
        match reasons.find(ends).unwrap_or(first).clone() {
            Reason::NeededBy { kind, key, place } => {
                let key = spelled(&kind, &key);
                Reason::NeededBy { kind, key, place }
            }
            Reason::BelongsTo { kind, key, place } => {
                let key = spelled(&kind, &key);
                Reason::BelongsTo { kind, key, place }
            }
            end => end,
        }
    }

    /// Keeps what every input had to say, with its name before it.
    fn write_notices(&self, writer: &mut Writer) -> Result<(), MergeError> {
        for (input, label) in self.inputs.iter().zip(&self.labels) {
            for mut notice in input.documents.notices()? {
                if self.brings_needed(&notice)? {
                    continue;
                }
                if self.inputs.len() > 1 && label.len() + 2 + notice.text.len() <= NOTICE_BYTES {
                    notice.text = format!("{label}: {}", notice.text);
                }
                self.spell_notice(&mut notice);
                writer.notice(notice)?;
            }
        }
        Ok(())
    }

    /// Whether a notice is about what one input needs and another one has.
    fn brings_needed(&self, notice: &Notice) -> Result<bool, MergeError> {
        let (NEEDED, Some(kind), Some(key)) = (notice.code.as_str(), &notice.names_kind, &notice.names_key)
        else {
            return Ok(false);
        };
        let Ok(key) = Key::parse(key) else { return Ok(false) };
        let needed = Reference { kind: KindName::new(kind), key };
        let Some(document) = document_of(self.model, &needed) else { return Ok(false) };
        for input in self.inputs {
            if input.documents.find(document.kind.as_str(), &document.key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says of a kind that it is carried as a whole, and of a document that all that belongs to it is, where every
    /// input says so: what one input lacks may still be on its server.
    fn write_coverage(&self, writer: &mut Writer) -> Result<(), MergeError> {
        let mut counted: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        let mut belonging: BTreeMap<(String, String, String), (String, usize)> = BTreeMap::new();
        let mut wholes: Vec<HashSet<String>> = Vec::new();
        for input in self.inputs {
            let mut whole = HashSet::new();
            for Coverage { kind, extent } in input.documents.coverage()? {
                match extent {
                    Extent::Whole { rows } | Extent::Part { rows } => {
                        counted.entry(kind.clone()).or_default().0 += rows;
                    }
                    Extent::Belonging { kind: owner, key } => {
                        let key = self.spelled(&owner, &key).unwrap_or(key);
                        let folded = Key::parse(&key).map(|key| self.spelling.fold(&key)).unwrap_or_default();
                        belonging.entry((kind, owner, folded)).or_insert((key, 0)).1 += 1;
                        continue;
                    }
                }
                if let Extent::Whole { .. } = extent {
                    counted.entry(kind.clone()).or_default().1 += 1;
                    whole.insert(kind);
                }
            }
            wholes.push(whole);
        }
        for (kind, (rows, times)) in counted {
            let extent = match times == self.inputs.len() {
                true => Extent::Whole { rows },
                false => Extent::Part { rows },
            };
            writer.coverage(&Coverage { kind, extent })?;
        }
        for ((kind, owner, _), (key, times)) in belonging {
            let covered = wholes.iter().filter(|whole| whole.contains(&kind)).count();
            if times + covered == self.inputs.len() {
                writer.coverage(&Coverage { kind, extent: Extent::Belonging { kind: owner, key } })?;
            }
        }
        Ok(())
    }

    fn spell_notice(&self, notice: &mut Notice) {
        let Notice { kind, key, names_kind, names_key, .. } = notice;
        for (kind, text) in [(kind, key), (names_kind, names_key)] {
            let (Some(kind), Some(text)) = (kind, text) else { continue };
            if let Some(key) = self.spelled(kind, text) {
                *text = key;
            }
        }
    }

    /// The text of a key as the output spells it, where that is another.
    fn spelled(&self, kind: &str, text: &str) -> Option<String> {
        let key = self.spelling.key(&KindName::new(kind), &Key::parse(text).ok()?)?.to_text();
        (key.len() <= NOTICE_BYTES).then_some(key)
    }
}

/// The values of a document's secrets, in the order of its places.
fn values(document: &Document, vault: &Vault) -> Vec<Option<SecretBytes>> {
    let mut values = Vec::new();
    document.each(&mut |value| {
        if let Value::Secret(secret) = value {
            values.push(vault.value(*secret).map(SecretBytes::duplicate));
        }
    });
    values
}

/// The source ids that the output keeps. Ids of several servers side by side would be taken for one server's.
struct Ids {
    /// Whether all documents are one server's: then all ids are kept.
    whole: bool,
    /// The ids that mean the same everywhere, kept so far: one document each.
    given: HashSet<(KindName, String)>,
}

impl Ids {
    fn of(&mut self, rule: Option<&IdRule>, kind: &KindName, entry: &Entry, twins: &[Entry]) -> Value {
        if self.whole {
            return entry.id.clone();
        }
        let Some(rule) = rule else { return Value::Null };
        let fixed = |entry: &Entry| Id::of(&entry.id).map(|id| id.to_string()).filter(|id| rule.is_fixed(id));
        for twin in [entry].into_iter().chain(twins) {
            if let Some(id) = fixed(twin)
                && self.given.insert((kind.clone(), id.to_lowercase()))
            {
                return twin.id.clone();
            }
        }
        match rule.new {
            // The id is what new documents get, and the import says so where two want one.
            NewId::Keep => entry.id.clone(),
            _ => Value::Null,
        }
    }
}
