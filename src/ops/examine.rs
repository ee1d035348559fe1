//! What an import does to a document of a bundle: found in the target, compared, merged, adapted.
//!
//! Planning and applying both examine documents here, so that what is shown is what is done.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::{self, Bundle};
use crate::crypto::{DataKey, FingerprintKey, MasterKey};
use crate::document::{Document, Key, KindName, Reference, SecretId, Value};
use crate::model::{Missing, Model, Target};
use crate::plan::{
    Action, Entry, Finding, Policy, add_missing, changes, keep_secrets, lost_secrets, merge, respell,
    take_out,
};
use crate::server::{Lookup, Reader, Row};

use super::ImportError;
use super::choosing::Chosen;
use super::handover::Handover;
use super::into::Resettle;
use super::misplaced::misplaced;
use super::noted::Noted;
use super::options::ImportOptions;
use super::relied::fingerprint;
use super::secret_losses::SecretLosses;
use super::translate::{
    Existing, Id, Ids, Known, Layout, Layouts, Portable, ServerSecrets, Translation, Vault,
};
use super::undo::Deletion;
use super::validate::{invalid, unfit};

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
    /// Which documents are taken, and how.
    pub chosen: Chosen,
    /// Whether documents become what they are in the bundle, without the model's rules for joining: an import
    /// is taken back.
    pub exact: bool,
    /// The notes of the model on what is written.
    pub noted: Vec<Noted>,
    /// What is to be deleted in the target.
    pub deletions: Vec<Deletion>,
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
        }
        self.look_up_references(reader, &sources)?;
        self.bind_fixed(reader, &mut sources)?;
        self.look_up_dangling(reader, &sources)?;
        let mut adapted = Vec::with_capacity(sources.len());
        for Source { entry, mut document } in sources {
            let (skip, notes) = match self.chosen.leaves_out(entry.number) {
                // Nothing can be wrong with what is not taken.
                Some(reason) => (Some(reason.to_owned()), Vec::new()),
                None => self.adapt(&layout, &mut document),
            };
            adapted.push((entry, document, skip, notes));
        }
        let positions: HashMap<u64, usize> =
            adapted.iter().enumerate().map(|(at, (entry, ..))| (entry.number, at)).collect();
        let rows = rows.into_iter().filter_map(|(number, row)| Some((*positions.get(&number)?, row)));
        let mut existing = self.existing(reader, &layout, rows.collect())?;
        self.skip_unreadable(&layout, &mut adapted, &existing);
        let new = adapted
            .iter()
            .enumerate()
            .filter(|(at, (_, _, skip, _))| skip.is_none() && !existing.contains_key(at));
        self.check_given_ids(reader, &layout, new.map(|(_, (entry, ..))| entry).collect())?;
        let mut examined = Vec::with_capacity(adapted.len());
        for (index, (entry, document, skip, notes)) in adapted.into_iter().enumerate() {
            let theirs = existing.remove(&index);
            examined.push(self.decide(&layout, entry, document, skip, notes, theirs)?);
        }
        // What was joined from the target refers to documents that only the target has.
        let joined = examined.iter().filter(|e| e.existing.is_some() && e.entry.action.writes());
        self.find_references(reader, joined.map(|e| &e.document))?;
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
        let mut needed: Vec<(&Key, Vec<(Target, Reference)>)> = Vec::new();
        for Source { document, .. } in sources {
            if self.ids.get(Target::Kind(kind), &document.key) != Some(&Known::Planned) {
                continue;
            }
            let mut needs = Vec::new();
            take_out(layout.kind, &mut document.clone(), &mut |rule, value| {
                let Value::Ref(reference) = value else { return false };
                if layout.kind.references.get(rule).is_some_and(|r| r.missing == Missing::Skip)
                    && let Some(target @ Target::Kind(_)) = model.target(&reference.kind)
                {
                    needs.push((target, Reference::clone(reference)));
                }
                false
            });
            needed.push((&document.key, needs));
        }
        let mut wanted: BTreeMap<Target, Vec<&Key>> = BTreeMap::new();
        for (target, reference) in needed.iter().flat_map(|(_, needs)| needs) {
            wanted.entry(*target).or_default().push(&reference.key);
        }
        for (target, keys) in wanted {
            self.ids.find(reader, &self.translation.layouts, target, &keys)?;
        }
        for (key, needs) in needed {
            if needs.iter().any(|(_, reference)| self.ids.is_gone(self.layouts(), reference)) {
                self.ids.set(Target::Kind(kind), key, Known::Absent);
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
        layout: &Layout<'_>,
        entry: bundle::Entry,
        mut document: Document,
        skip: Option<String>,
        mut notes: Vec<String>,
        theirs: Option<Portable>,
    ) -> Result<Examined, ImportError> {
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
                // Most documents of a repeated import are equal: nothing is to be joined or compared.
                if document.columns != theirs.document.columns || document.body != theirs.document.body {
                    respell(&mut document, &theirs.document, collation);
                    let complete = if joins { merge } else { keep_secrets };
                    document = complete(layout.kind, document, &theirs.document, collation);
                    found = changes(&theirs.document, &document);
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
                                found = changes(&theirs.document, &grown);
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
            self.skip_parts(layout, &document, reason, theirs.is_some());
        }
        if action.writes() {
            self.check_needed(layout, &document);
            self.note(layout, entry.number, &document);
            self.look_at_undeclared(layout, &document, theirs.as_ref().map(|theirs| &theirs.document));
            let lost = theirs
                .as_ref()
                .map(|theirs| lost_secrets(layout.kind, &theirs.document, &document, collation));
            losses = SecretLosses::of(&document, &lost.unwrap_or_default(), &mut notes);
            let mut wrong = misplaced(layout, self.model(), &document);
            wrong.extend(self.plan_parts(layout, &document));
            wrong.extend(unfit(layout, &document));
            let invalid = invalid(layout, self.model(), &document);
            if self.options.accept_invalid { &mut notes } else { &mut wrong }.extend(invalid);
            for problem in wrong {
                self.find(layout.kind.name.as_str(), entry.key.path(), problem);
            }
        } else if theirs.is_none() && !matches!(self.ids.get(target, &entry.key), Some(Known::Found(_))) {
            self.ids.set(target, &entry.key, Known::Absent);
        }
        let blind = Vault::new();
        let vault = if self.options.blind { &blind } else { &self.vault };
        let seen = |theirs: &Portable| fingerprint(&theirs.document, vault, self.seen_key);
        let seen = theirs.as_ref().map(seen).transpose()?;
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
            },
            document,
            existing: theirs.map(Existing::from),
            losses,
        })
    }

    fn check_needed(&mut self, layout: &Layout<'_>, document: &Document) {
        for column in &layout.content {
            let value = document.columns.get(&column.name).unwrap_or(&Value::Null);
            let secret = *value == Value::Secret(SecretId::UNKNOWN);
            if column.carried && (value.is_null() || secret) && !column.nullable && !column.has_default {
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
