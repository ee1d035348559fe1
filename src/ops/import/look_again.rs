//! Under the lock: what an import was decided on is looked at again.

use std::collections::{BTreeMap, HashMap};

use crate::document::canonical;
use crate::model::Target;
use crate::plan::{Action, Entry, Finding};
use crate::progress::Progress;
use crate::server::Reader;

use super::decide::relied::{Relied, moved_tables};
use super::decide::{Decided, decide_all};
use super::request::error::ImportError;
use super::resolve::identity::parts_of;
use super::work::reads::Look;
use crate::ops::translate::{Id, Known, Layout, ServerSecrets, Translation, fetch_some};

/// What moved, as findings say it.
const MOVED: &str = "changed in the target since the plan was made";

impl Decided<'_, '_> {
    /// Reads again what the decisions rely on, set by set, and names what is another. Rows of which only the server's
    /// own values moved are taken as they are now.
    ///
    /// # Errors
    /// [`ImportError`](crate::ops::ImportError), where the target cannot be read.
    pub(in crate::ops) fn look_again(
        &mut self,
        reader: &mut dyn Reader,
        progress: &dyn Progress,
    ) -> Result<Vec<Finding>, ImportError> {
        let model = self.examiner.model();
        let tables = moved_tables(&self.catalog, reader.catalog(), model);
        if !tables.is_empty() {
            return Ok(tables);
        }
        let moved = self.reads.again(reader, progress)?;
        let layouts = self.examiner.layouts().clone();
        let mut settled = !moved.pages;
        let mut findings = Vec::new();
        for (look, keys) in &moved.looks {
            let mut rows: Vec<Id> = keys.iter().filter_map(|key| key.first().and_then(Id::of)).collect();
            // Documents of several kinds may lie in one table.
            for layout in layouts.iter().filter(|layout| reads_documents(layout, look)) {
                self.compare(reader, layout, &mut rows, &mut findings, progress)?;
            }
            settled &= rows.is_empty();
        }
        if settled || !findings.is_empty() {
            return Ok(findings);
        }
        // Names, parts, unique values, whole tables: whether it matters what moved among these, deciding again tells.
        let seen = self.keys.seen;
        let again =
            decide_all(self.bundle, reader, model, self.keys, self.options.clone(), self.purpose, progress)?;
        let moved = Relied::of(&self.plan, seen).moved(&again.plan, seen);
        if moved.is_empty() {
            let (decisions, maintenance) = (self.decisions(), self.plan.maintenance.take());
            *self = again;
            self.examiner.decisions += decisions;
            self.plan.maintenance = maintenance;
        }
        Ok(moved)
    }

    /// Compares rows with the documents that they were, and takes those of which the plan knows out of `rows`.
    fn compare(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rows: &mut Vec<Id>,
        findings: &mut Vec<Finding>,
        progress: &dyn Progress,
    ) -> Result<(), ImportError> {
        if rows.is_empty() {
            return Ok(());
        }
        let folded = |id: &Id| id.to_string().to_lowercase();
        let deletions: HashMap<u64, &Id> = { self.examiner.deletions.iter() }
            .filter(|deletion| deletion.kind == layout.index)
            .map(|deletion| (deletion.number, &deletion.row))
            .collect();
        let mut known: HashMap<String, &Entry> = HashMap::new();
        for entry in self.plan.entries.iter().filter(|e| e.kind == layout.kind.name && e.seen.is_some()) {
            let row = match entry.action {
                Action::Delete => deletions.get(&entry.number).map(|row| folded(row)),
                _ => self.examiner.id_of(layout, &entry.key).map(|id| folded(&id)),
            };
            known.extend(row.map(|row| (row, entry)));
        }
        let ours: Vec<Id> = rows.extract_if(.., |row| known.contains_key(&folded(row))).collect();
        let mut translation = Translation::of_some(self.examiner.layouts().clone());
        let mut open: BTreeMap<String, &Entry> =
            ours.iter().filter_map(|row| known.remove_entry(&folded(row))).collect();
        let examiner = &mut self.examiner;
        fetch_some::<ImportError>(reader, layout, &ours, &mut |reader, _, rows| {
            progress.check()?;
            examiner.vault.clear();
            let secrets = ServerSecrets::Read(examiner.master_key);
            let read = translation.read(reader, layout.index, rows, secrets, &mut examiner.vault)?;
            for portable in read {
                let Some(entry) = open.remove(&folded(&portable.row)) else { continue };
                examiner.decisions += 1;
                let now = examiner.seen(&portable.document, &canonical::encode(&portable.document)?);
                let same = |(target, key, id): (Target, _, Option<Id>)| match examiner.ids.get(target, &key) {
                    Some(Known::Found(known)) => known == id,
                    _ => true,
                };
                if entry.seen == Some(now) && parts_of(layout, &portable).into_iter().all(same) {
                    examiner.refreshed.insert(entry.number, portable.raw);
                } else {
                    findings.push(moved(entry));
                }
            }
            Ok(())
        })?;
        let mut gone: Vec<&Entry> = open.into_values().collect();
        gone.sort_by_key(|entry| entry.number);
        findings.extend(gone.into_iter().map(moved));
        Ok(())
    }
}

/// Says whether whole documents of a kind are looked up by their ids.
fn reads_documents(layout: &Layout<'_>, look: &Look) -> bool {
    let same =
        |names: &[String], others: &[&str]| names.iter().map(String::as_str).eq(others.iter().copied());
    layout.table == look.table
        && layout.id.as_deref().is_some_and(|id| same(&look.by, &[id]))
        && same(&look.columns, &layout.select())
}

fn moved(entry: &Entry) -> Finding {
    Finding { kind: entry.kind.to_string(), name: entry.key.path(), problem: MOVED.to_owned() }
}
