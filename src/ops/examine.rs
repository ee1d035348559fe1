//! What an import does to a document of a bundle: found in the target, compared, merged, adapted.
//!
//! Planning and applying both examine documents here, so that what is shown is what is done.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::{self, Bundle};
use crate::crypto::{DataKey, FingerprintKey, MasterKey};
use crate::document::{Document, Key, KindName, Place, Reference, SecretId, Value};
use crate::model::{Missing, Model, NewLocal, Target};
use crate::plan::{
    Action, Entry, Finding, Policy, add_missing, changes, keep_secrets, lost_secrets, merge, respell,
    take_out,
};
use crate::server::{Lookup, Reader, Row};

use super::ImportError;
use super::adapt::Adapted;
use super::choosing::Chosen;
use super::clashes::Clashes;
use super::foreign::Loose;
use super::handover::Handover;
use super::into::Resettle;
use super::limits::{LimitLosses, Limits};
use super::misplaced::misplaced;
use super::noted::Noted;
use super::omitted::Omitted;
use super::options::ImportOptions;
use super::relied::fingerprint;
use super::secret_losses::SecretLosses;
use super::translate::{
    Existing, Id, Ids, Known, Layout, Layouts, Portable, ServerSecrets, Translation, Vault,
};
use super::undo::Deletion;
use super::validate::invalid;

/// How many bytes of the target's rows are compared together, about.
const EXISTING_BYTES: usize = 4 << 20;

/// A document of the bundle on its way into the target.
pub(super) struct Source {
    pub entry: bundle::Entry,
    pub document: Document,
}

/// Rows of the target with the numbers of the bundle's documents that they answer.
type NumberedRows = Vec<(u64, Row)>;

/// What was found out about a document.
pub(super) struct Examined {
    pub entry: Entry,
    /// What the target will hold, where the action writes.
    pub document: Document,
    /// What the target holds.
    pub existing: Option<Existing>,
    /// The secrets that it is written without.
    pub losses: SecretLosses,
    /// What is lost with what limited it.
    pub limits: LimitLosses,
}

/// Why the target will not have a part of the bundle.
pub(super) struct SkippedPart {
    /// The document that holds it.
    pub owner: Reference,
    /// Why that is skipped.
    pub reason: String,
    /// Whether the target has that document and the model can join the two.
    pub joins: bool,
}

/// Examines documents against one state of a target.
pub(super) struct Examiner<'x, 'm> {
    pub translation: Translation<'m>,
    pub ids: Ids,
    pub vault: Vault,
    pub findings: Vec<Finding>,
    /// The ids that new documents bring along, in lower case, and whose they are.
    pub given: BTreeMap<(usize, String), u64>,
    /// Ids that dangle in the bundle and name documents of the target, by the kind they were meant for.
    pub strangers: HashMap<(KindName, String), Reference>,
    /// Ids that dangle in the bundle, in lower case: the import must not give them out.
    pub loose: HashSet<(usize, String)>,
    pub options: ImportOptions,
    /// The ids that stand outside references in the bundle.
    pub handover: Handover,
    pub resettle: Resettle,
    /// Parts of the bundle that the target will not have since their documents are skipped, by target and folded
    /// key.
    pub skipped_parts: HashMap<(Target, String), SkippedPart>,
    /// Why documents are skipped that the target does not have, by kind and folded key.
    pub skipped: HashMap<(KindName, String), String>,
    /// The columns that the target's tables lack.
    pub omitted: Omitted,
    /// Which documents are taken, and how.
    pub chosen: Chosen,
    /// Whether documents become what they are in the bundle, without the model's rules for joining: an import
    /// is taken back.
    pub exact: bool,
    /// The notes of the model on what is written.
    pub noted: Vec<Noted>,
    /// What is to be deleted in the target.
    pub deletions: Vec<Deletion>,
    /// Values that a foreign key asks a row for which the target does not have yet, while it is planned.
    pub loose_values: Vec<Loose>,
    /// The unique values of what is written, while it is planned.
    pub clashes: Option<Clashes>,
    pub secrets: Option<&'x DataKey>,
    pub master_key: Option<&'x MasterKey>,
    pub seen_key: &'x FingerprintKey,
}

impl<'m> Examiner<'_, 'm> {
    pub fn layouts(&self) -> &Layouts<'m> {
        &self.translation.layouts
    }

    pub(super) fn model(&self) -> &'m Model {
        self.translation.layouts.model
    }

    /// The id that a document has in the target; `None` where its kind has no ids, or it is not there yet.
    pub fn id_of(&self, layout: &Layout<'_>, key: &Key) -> Option<Id> {
        match self.ids.get(Target::Kind(layout.index), key) {
            Some(Known::Found(id)) => id.clone(),
            _ => None,
        }
    }

    pub fn find(&mut self, kind: &str, name: String, problem: impl Into<String>) {
        let finding = Finding { kind: kind.to_owned(), name, problem: problem.into() };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Examines documents of one kind together: as many as have small enough counterparts in the target. The
    /// others are left in `open`, which is to be examined again until it is empty.
    pub fn examine(
        &mut self,
        reader: &mut dyn Reader,
        bundle: &Bundle,
        kind: usize,
        open: &mut Vec<Source>,
    ) -> Result<Vec<Examined>, ImportError> {
        self.vault.clear();
        let mut sources = std::mem::take(open);
        let Some(layout) = self.layouts().at(kind).cloned() else { return Ok(Vec::new()) };
        sources.retain(|source| !self.resettle.leaves_out(&source.entry));
        let (rows, later) = self.existing_rows(reader, &layout, &sources)?;
        let mut position = 0;
        open.extend(sources.extract_if(.., |_| {
            position += 1;
            later.contains(&(position - 1))
        }));
        for source in &mut sources {
            self.open(bundle, source)?;
            layout.respell_columns(&mut source.document.columns);
        }
        self.look_up_references(reader, &sources)?;
        self.bind_fixed(reader, &mut sources)?;
        self.look_up_dangling(reader, &sources)?;
        let mut adapted = Vec::with_capacity(sources.len());
        for Source { entry, mut document } in sources {
            let done = match self.chosen.leaves_out(entry.number) {
                // Nothing can be wrong with what is not taken.
                Some(reason) => Adapted { skip: Some(reason.to_owned()), ..Adapted::default() },
                None => self.adapt(&layout, &mut document),
            };
            adapted.push((entry, document, done));
        }
        let positions: HashMap<u64, usize> =
            adapted.iter().enumerate().map(|(at, (entry, ..))| (entry.number, at)).collect();
        let rows = rows.into_iter().filter_map(|(number, row)| Some((*positions.get(&number)?, row)));
        let mut existing = self.existing(reader, &layout, rows.collect())?;
        self.skip_unreadable(&layout, &mut adapted, &existing);
        let new = adapted
            .iter()
            .enumerate()
            .filter(|(at, (_, _, done))| done.skip.is_none() && !existing.contains_key(at));
        self.check_given_ids(reader, &layout, new.map(|(_, (entry, ..))| entry).collect())?;
        let mut examined = Vec::with_capacity(adapted.len());
        for (index, (entry, document, done)) in adapted.into_iter().enumerate() {
            let theirs = existing.remove(&index);
            examined.push(self.decide(reader, &layout, entry, document, done, theirs)?);
        }
        // What was joined from the target refers to documents that only the target has.
        let written = examined.iter().filter(|e| e.existing.is_some() && e.entry.action.writes());
        self.find_references(reader, written.map(|e| &e.document))?;
        if self.clashes.is_some() {
            self.note_loose_values(reader, &layout, &examined)?;
        }
        self.note_unique_values(reader, &layout, &examined)?;
        self.take_faults();
        Ok(examined)
    }

    /// Settles which documents are left out because what they need is missing, before anything that refers to
    /// them is looked at. Says whether any was. References to parts are not settled yet.
    pub fn settle(
        &mut self,
        reader: &mut dyn Reader,
        kind: usize,
        sources: &[Source],
    ) -> Result<bool, ImportError> {
        let Some(layout) = self.layouts().at(kind).cloned() else { return Ok(false) };
        let model = self.model();
        let mut settled = false;
        let open = |source: &&Source| {
            self.ids.get(Target::Kind(kind), &source.document.key) == Some(&Known::Planned)
        };
        let open: Vec<&Document> = sources.iter().filter(open).map(|source| &source.document).collect();
        let decides = |rule: usize| {
            let rule = layout.kind.references.get(rule);
            rule.is_some_and(|rule| rule.missing == Missing::Skip || rule.limits.is_some())
        };
        let mut wanted: BTreeMap<Target, Vec<Key>> = BTreeMap::new();
        for document in &open {
            take_out(layout.kind, &mut Document::clone(document), &mut |rule, value| {
                if let Value::Ref(reference) = value
                    && let Some(target @ Target::Kind(_)) = model.target(&reference.kind)
                    && decides(rule)
                {
                    wanted.entry(target).or_default().push(reference.key.clone());
                }
                false
            });
        }
        for (target, keys) in wanted {
            self.ids.find(reader, &self.translation.layouts, target, &keys.iter().collect::<Vec<_>>())?;
        }
        for document in open {
            let (mut left, mut skip) = (document.clone(), false);
            take_out(layout.kind, &mut left, &mut |rule, value| {
                let Value::Ref(reference) = value else { return false };
                let known = matches!(model.target(&reference.kind), Some(Target::Kind(_)));
                let gone = known && decides(rule) && self.ids.is_gone(self.layouts(), reference);
                let rule = layout.kind.references.get(rule).filter(|_| gone);
                skip |= rule.is_some_and(|rule| rule.missing == Missing::Skip);
                rule.is_some_and(|rule| rule.missing == Missing::Drop)
            });
            let limited = Limits::of(&layout, document).widened(&Limits::of(&layout, &left)).is_some();
            if skip || limited {
                self.ids.set(Target::Kind(kind), &document.key, Known::Absent);
                settled = true;
            }
        }
        Ok(settled)
    }

    /// Fetches the target's rows for documents, by the documents' numbers, as many as are worked on together;
    /// and says which documents, by position, must wait for that.
    fn existing_rows(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        sources: &[Source],
    ) -> Result<(NumberedRows, HashSet<usize>), ImportError> {
        let mut wanted: Vec<usize> = Vec::new();
        let mut keys: Vec<Vec<Value>> = Vec::new();
        for (position, Source { entry, .. }) in sources.iter().enumerate() {
            let key = self.resettle.key(&self.translation.layouts, &entry.kind, entry.key.clone());
            let values = match (self.ids.get(Target::Kind(layout.index), &key), &layout.id) {
                (Some(Known::Found(Some(id))), Some(_)) => {
                    // It was found by its key: which of several of one name it is needs no second search.
                    let ordinal = self.ids.columns_of(&self.translation.layouts, layout, &key);
                    if let Some((ordinal, _)) = ordinal {
                        self.translation.know_ordinal(layout, id, ordinal);
                    }
                    Some(vec![id.to_value()])
                }
                (Some(Known::Found(None)), None) => {
                    self.ids.columns_of(&self.translation.layouts, layout, &key).map(|(_, columns)| columns)
                }
                _ => None,
            };
            if let Some(values) = values {
                wanted.push(position);
                keys.push(values);
            }
        }
        if wanted.is_empty() {
            return Ok((Vec::new(), HashSet::new()));
        }
        let columns = layout.select();
        let by = match &layout.id {
            Some(id) => vec![id.as_str()],
            None => layout.key_columns(),
        };
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &keys };
        let mut rows = NumberedRows::new();
        let later = reader.lookup_some(&lookup, EXISTING_BYTES, &mut |found, row| {
            let source = wanted.get(found).and_then(|position| sources.get(*position));
            rows.extend(source.map(|source| (source.entry.number, row)));
        })?;
        Ok((rows, later.into_iter().filter_map(|found| wanted.get(found).copied()).collect()))
    }

    /// Reads the target's rows as documents; both by position.
    fn existing(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rows: Vec<(usize, Row)>,
    ) -> Result<HashMap<usize, Portable>, ImportError> {
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let positions: HashMap<Id, usize> = rows.iter().map(|(p, row)| (layout.row_id(row), *p)).collect();
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        let secrets = ServerSecrets::Read(self.master_key);
        let read = self.translation.read(reader, layout.index, rows, secrets, &mut self.vault)?;
        Ok(read.into_iter().filter_map(|p| positions.get(&p.row).map(|at| (*at, p))).collect())
    }

    fn decide(
        &mut self,
        reader: &dyn Reader,
        layout: &Layout<'_>,
        entry: bundle::Entry,
        mut document: Document,
        done: Adapted,
        theirs: Option<Portable>,
    ) -> Result<Examined, ImportError> {
        let Adapted { skip, mut notes, losses: mut limits, omitted } = done;
        let target = Target::Kind(layout.index);
        let collation = self.model().collation;
        let policy = self.chosen.policy(&self.options, layout.kind, &entry.key, collation);
        let mut found = Vec::new();
        self.keep_theirs(layout, &mut document, theirs.as_ref());
        theirs.iter().for_each(|theirs| self.know_parts(layout, theirs));
        let joins = !(self.exact || layout.kind.merges.is_empty() || policy == Some(Policy::Overwrite));
        let (action, reason) = match (&skip, &theirs) {
            (Some(reason), _) => (Action::Skip, Some(reason.clone())),
            (None, None) => (Action::Create, None),
            (None, Some(theirs)) => {
                // A column that only the target's generation has stays as it is there.
                for (column, value) in theirs.document.columns.iter() {
                    if document.columns.get(column).is_none() {
                        document.columns.insert(column, value.clone());
                    }
                }
                // An id that is part of the key stays as the target spells it.
                let own = layout.own_key.and_then(|position| layout.content.get(position));
                if let Some(own) = own
                    && let Some(value) = theirs.document.columns.get(&own.name)
                {
                    document.columns.insert(own.name.clone(), value.clone());
                }
                // Most documents of a repeated import are equal: nothing is to be joined or compared.
                if document.columns != theirs.document.columns || document.body != theirs.document.body {
                    respell(&mut document, &theirs.document, collation);
                    let complete = if joins { merge } else { keep_secrets };
                    document = complete(layout.kind, document, &theirs.document, collation);
                    found = changes(Some(layout.kind), &theirs.document, &document, collation);
                }
                let kind = &layout.kind.name;
                match (found.is_empty(), policy) {
                    (true, _) => (Action::Unchanged, None),
                    (false, Some(Policy::Fail)) => {
                        let problem =
                            format!("the target has it otherwise, and the policy for {kind} is fail");
                        self.find(kind.as_str(), entry.key.path(), problem.clone());
                        (Action::Skip, Some(problem))
                    }
                    (false, Some(Policy::Skip)) => {
                        (Action::Skip, Some(format!("the policy for {kind} is skip")))
                    }
                    (false, Some(Policy::Add) | None) if policy.is_some() || !self.options.overwrite => {
                        let grown = add_missing(layout.kind, &document, &theirs.document, collation);
                        match (grown, policy) {
                            (Some(grown), _) => {
                                found = changes(Some(layout.kind), &theirs.document, &grown, collation);
                                document = grown;
                                (Action::Merge, Some(Entry::ONLY_ADDED.to_owned()))
                            }
                            (None, Some(_)) => (
                                Action::Skip,
                                Some(format!("the policy for {kind} is add, and nothing is to be added")),
                            ),
                            (None, None) => {
                                (Action::Skip, Some("the target has it; --overwrite replaces it".to_owned()))
                            }
                        }
                    }
                    (false, _) if joins => (Action::Merge, None),
                    (false, _) => (Action::Update, None),
                }
            }
        };
        let mut losses = SecretLosses::default();
        if let (Action::Skip, Some(reason)) = (action, &reason) {
            limits.parts = 0;
            self.skip_parts(layout, &document, reason, theirs.is_some());
            if theirs.is_none() && self.chosen.leaves_out(entry.number).is_none() {
                let named = (entry.kind.clone(), entry.key.folded(collation));
                self.skipped.insert(named, reason.clone());
            }
        } else {
            self.omitted.note(layout, &entry.key.path(), omitted);
        }
        if action.writes() {
            self.check_needed(layout, &document, theirs.is_none());
            self.note(layout, entry.number, &document);
            self.look_at_undeclared(layout, &document, theirs.as_ref().map(|theirs| &theirs.document));
            let lost = theirs
                .as_ref()
                .map(|theirs| lost_secrets(layout.kind, &theirs.document, &document, collation));
            losses = SecretLosses::of(&document, &lost.unwrap_or_default(), &mut notes);
            self.look_at_encrypted(layout, &document, theirs.as_ref().map(|theirs| &theirs.document));
            let undeclared = |place: &Place| self.is_undeclared_secret(&layout.kind.name, place);
            let mut wrong = misplaced(layout, self.model(), &document, &undeclared);
            wrong.extend(self.plan_parts(layout, &document));
            wrong.extend(self.unfit(reader, layout, &document)?);
            let invalid = invalid(layout, self.model(), &document, &mut notes);
            if self.options.accept_invalid { &mut notes } else { &mut wrong }.extend(invalid);
            for problem in wrong {
                self.find(layout.kind.name.as_str(), entry.key.path(), problem);
            }
        } else if theirs.is_none() && !matches!(self.ids.get(target, &entry.key), Some(Known::Found(_))) {
            self.ids.set(target, &entry.key, Known::Absent);
        }
        let blind = Vault::new();
        let vault = if self.options.blind { &blind } else { &self.vault };
        let print = |document: &Document| fingerprint(document, vault, self.seen_key);
        let seen = theirs.as_ref().map(|theirs| print(&theirs.document)).transpose()?;
        let result = action.writes().then(|| print(&document)).transpose()?;
        Ok(Examined {
            entry: Entry {
                number: entry.number,
                kind: entry.kind,
                key: entry.key,
                action,
                reason,
                changes: found,
                notes,
                seen,
                result,
            },
            document,
            existing: theirs.map(Existing::from),
            losses,
            limits,
        })
    }

    /// Finds wrong that a document has nothing for a column that must hold something.
    fn check_needed(&mut self, layout: &Layout<'_>, document: &Document, created: bool) {
        for column in layout.content.iter().filter(|column| !column.nullable) {
            let filled = column.has_default || column.identity;
            let value = document.columns.get(&column.name);
            let secret = value == Some(&Value::Secret(SecretId::UNKNOWN));
            let lacking = match value {
                // An old row keeps what it has, and a new one gets the default.
                None if column.carried => created && !filled,
                None => {
                    let local =
                        layout.kind.local.iter().find(|l| l.at.column.as_deref() == Some(&column.name));
                    created && !filled && local.is_some_and(|local| local.new == NewLocal::None)
                }
                // What is written is written, whatever the default.
                Some(value) => value.is_null() || secret,
            };
            if lacking {
                let problem = match secret {
                    true => format!(
                        "has no value for the secret {}, which the target's table needs: export it with secrets, or leave it out with --except",
                        column.name
                    ),
                    false => format!("has no value for {}, which the target's table needs", column.name),
                };
                self.find(layout.kind.name.as_str(), document.key.path(), problem);
            }
        }
    }
}
