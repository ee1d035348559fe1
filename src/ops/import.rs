//! `import`: a plan carried out inside one transaction, or not at all.

use std::collections::HashMap;

use crate::bundle::{Bundle, BundleError};
use crate::crypto::CryptoError;
use crate::document::canonical::TooLarge;
use crate::document::{KindName, Reference, Value};
use crate::model::Model;
use crate::plan::{Action, Entry, Finding, Plan};
use crate::progress::{Cancelled, Progress};
use crate::server::{Catalog, Server, ServerError, Transaction, WriteError};

use super::allocate::{allocate, number_parts};
use super::examine::{Examined, Examiner};
use super::inserts::{DocumentRows, Numbers, delete_derived};
use super::maintenance;
use super::options::ImportOptions;
use super::plan::{Keys, Work, examine_all, for_each_batch};
use super::relied::Relied;
use super::translate::{Id, Layout, Rendered, Renderer, TranslateError};
use super::undo::{Keeping, Kept, UndoTo, delete};

/// Why an import failed. The target is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The target, or one of its rows.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// The target.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The bundle is of another product.
    #[error("the bundle holds documents of the model {bundle:?}, not of {model:?}")]
    OtherModel {
        /// The bundle's model.
        bundle: String,
        /// The model in use.
        model: String,
    },
    /// The target refused a document.
    #[error("cannot write {kind} {name}")]
    Write {
        /// The document's kind.
        kind: KindName,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ServerError,
    },
    /// A document is too large to be written at all.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// No new id could be made.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// What was asked for is not there, or cannot be done.
    #[error("{0}")]
    Choice(String),
    /// The bundle is an undo file, and an import was asked for.
    #[error("this is an undo file")]
    IsUndo,
    /// What the undo file says beside its documents is wrong, or cannot be said.
    #[error("the undo file: {0}")]
    Undo(String),
    /// The undo file was made under another master key.
    #[error("{}", if *missing { "the undo file needs the server's master key" } else { "the undo file was made under another master key" })]
    UndoKey {
        /// Whether none was given at all.
        missing: bool,
    },
    /// The plan was made under another master key.
    #[error("{}", if *missing { "the plan needs the server's master key" } else { "the plan was made under another master key" })]
    PlanKey {
        /// Whether none was given at all.
        missing: bool,
    },
    /// The undo file of a dry run has no place.
    #[error("cannot make a temporary folder for the undo file")]
    UndoFolder {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The server did not keep what was written.
    #[error("{kind} {name} is not on the server as it was written")]
    NotAsWritten {
        /// The document's kind.
        kind: KindName,
        /// Its name.
        name: String,
    },
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// How an import ended.
#[derive(Debug)]
pub enum Outcome {
    /// All of the plan was written and committed.
    Applied(Plan),
    /// All of the plan was written, checked, and rolled back.
    DryRun(Plan),
    /// The plan has nothing to write.
    Nothing(Plan),
    /// The plan has findings; nothing was written.
    Refused(Plan),
    /// The target changed since the plan was made; nothing was written. Names what moved.
    Stale(Vec<Finding>),
}

/// How an import is carried out.
#[derive(Debug, Clone, Copy, Default)]
pub struct How<'h> {
    /// The plan that somebody agreed to: where the target moved since, nothing is written.
    pub shown: Option<&'h Relied>,
    /// Whether everything happens but the commit.
    pub dry_run: bool,
    /// Where the undo file goes; without it the import cannot be taken back.
    pub undo: Option<&'h UndoTo>,
}

/// Imports a bundle: plans inside the transaction, compares with the plan that was shown, writes, checks,
/// completes the undo file and commits.
///
/// # Errors
/// [`ImportError`]; the transaction is rolled back then, and no undo file is left, but for
/// [`ServerError::CommitUnknown`].
pub fn import(
    bundle: &Bundle,
    server: &mut dyn Server,
    model: &Model,
    keys: Keys<'_>,
    how: How<'_>,
    options: ImportOptions,
    progress: &dyn Progress,
) -> Result<Outcome, ImportError> {
    run(bundle, server, model, keys, how, options, Work::Import, progress)
}

/// Imports a bundle, or takes an import back.
#[allow(clippy::too_many_arguments, reason = "as `import`, and which way")]
pub(super) fn run(
    bundle: &Bundle,
    server: &mut dyn Server,
    model: &Model,
    keys: Keys<'_>,
    how: How<'_>,
    options: ImportOptions,
    work: Work<'_>,
    progress: &dyn Progress,
) -> Result<Outcome, ImportError> {
    let required = options.require_maintenance;
    // Looked at within the transaction, the tasks of the product would stand still until its end: only for who
    // wants that they do.
    let before = match how.shown {
        _ if required => None,
        Some(shown) if shown.maintenance.is_some() => shown.maintenance.clone(),
        _ => maintenance::observe(&mut *server.read()?, model)?,
    };
    let mut transaction = server.begin()?;
    if let Some(shown) = how.shown {
        let findings = shown.elsewhere(transaction.reader(), model, keys.seen)?;
        if !findings.is_empty() {
            transaction.rollback()?;
            return Ok(Outcome::Stale(findings));
        }
    }
    let (mut plan, mut examiner) =
        examine_all(bundle, transaction.reader(), model, keys, options, work, progress)?;
    match required {
        true => maintenance::look(transaction.reader(), model, true, &mut plan)?,
        false => maintenance::note(before, model, false, &mut plan),
    }
    if let Some(shown) = how.shown {
        let moved = shown.moved(&plan, keys.seen);
        if !moved.is_empty() {
            transaction.rollback()?;
            return Ok(Outcome::Stale(moved));
        }
    }
    if !plan.findings.is_empty() {
        transaction.rollback()?;
        return Ok(Outcome::Refused(plan));
    }
    if plan.is_empty() {
        transaction.rollback()?;
        return Ok(Outcome::Nothing(plan));
    }
    let start = |to| Keeping::start(to, bundle, transaction.reader(), model, keys, how.dry_run);
    let mut keeping = how.undo.map(start).transpose()?;
    let mut written = Written::default();
    apply(bundle, &mut *transaction, &mut examiner, &plan, &mut written, keeping.as_mut(), progress)?;
    examiner.take_faults();
    if !examiner.findings.is_empty() {
        plan.findings.append(&mut examiner.findings);
        transaction.rollback()?;
        return Ok(Outcome::Refused(plan));
    }
    progress.phase("checking", None);
    transaction.check().map_err(|error| written.name(&plan, error))?;
    let finish = |keeping: Keeping<'_>| keeping.finish(transaction.reader(), examiner.layouts(), progress);
    let kept = keeping.map(finish).transpose()?;
    let taken_back = || kept.iter().for_each(Kept::remove);
    progress.phase("finishing", None);
    if how.dry_run {
        progress.check()?;
        transaction.rollback()?;
        return Ok(Outcome::DryRun(plan));
    }
    progress.take_effect().inspect_err(|_| taken_back())?;
    if let Err(error) = transaction.commit() {
        // Where nobody knows whether it was committed the file may be needed.
        if !matches!(error.source, ServerError::CommitUnknown { .. }) {
            taken_back();
        }
        return Err(written.name(&plan, error));
    }
    Ok(Outcome::Applied(plan))
}

/// The documents behind a transaction's writes, by the numbers of their entries in the order of the writes.
/// Eight bytes a document: a server may refuse a write long after it was given.
#[derive(Default)]
pub(super) struct Written(Vec<Option<u64>>);

impl Written {
    /// Notes a write that is no document's: a count, say.
    pub(super) fn other(&mut self) {
        self.0.push(None);
    }

    /// Notes a write of a document, by the number of its entry.
    pub(super) fn document(&mut self, number: u64) {
        self.0.push(Some(number));
    }

    /// The error with the name of the document that it is about.
    pub(super) fn name(&self, plan: &Plan, error: WriteError) -> ImportError {
        let WriteError { write, source } = error;
        if let ServerError::Cancelled(cancelled) = source {
            return cancelled.into();
        }
        let at = write.and_then(|write| usize::try_from(write).ok());
        let number = at.and_then(|at| *self.0.get(at)?);
        // The entries of a plan are in the order of their numbers.
        let found = number.and_then(|number| plan.entries.binary_search_by_key(&number, |e| e.number).ok());
        match found.and_then(|at| plan.entries.get(at)) {
            Some(entry) => {
                ImportError::Write { kind: entry.kind.clone(), name: entry.key.to_string(), source }
            }
            None => ImportError::Server(source),
        }
    }
}

/// Writes what a plan says.
pub(super) fn apply(
    bundle: &Bundle,
    transaction: &mut dyn Transaction,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
    written: &mut Written,
    mut keeping: Option<&mut Keeping<'_>>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let order = writing_order(examiner, transaction.catalog());
    delete(transaction, examiner, &order, plan, written, keeping.as_deref_mut(), progress)?;
    let writes = plan.entries.iter().filter(|entry| entry.action.writes()).count();
    allocate(bundle, transaction, examiner, plan, written)?;
    number_parts(bundle, transaction, examiner, plan)?;
    examiner.look_at_created(bundle, plan)?;
    progress.phase("writing", Some(writes as u64));
    let actions: HashMap<u64, Action> =
        plan.entries.iter().map(|entry| (entry.number, entry.action)).collect();
    let mut numbers = Numbers::default();
    for mut layout in order {
        let touched = plan.entries.iter().any(|e| e.action.writes() && e.kind == layout.kind.name);
        if !touched {
            continue;
        }
        layout.follow_first_row(transaction.reader())?;
        let mut inserts = DocumentRows::new(&layout, plan);
        for_each_batch(bundle, layout.kind.name.as_str(), &mut |mut sources| {
            progress.check()?;
            sources.retain(|s| actions.get(&s.entry.number).is_some_and(|action| action.writes()));
            let count = sources.len() as u64;
            while !sources.is_empty() {
                let examined = examiner.examine(transaction.reader(), bundle, layout.index, &mut sources)?;
                // What only the ids that were given out could tell stops the import as a plan's findings do.
                if !examiner.findings.is_empty() {
                    return Ok(());
                }
                let changed = examined.iter().filter(|document| document.existing.is_some());
                let changed = changed.map(|document| &document.entry);
                let changed: Vec<(u64, Id)> = changed
                    .filter_map(|entry| Some((entry.number, examiner.id_of(&layout, &entry.key)?)))
                    .collect();
                delete_derived(transaction, &layout, &changed, plan, written)?;
                for document in examined {
                    let planned = actions.get(&document.entry.number);
                    if (planned == Some(&Action::Create)) != document.existing.is_none() {
                        let Examined { entry: Entry { kind, key, .. }, .. } = document;
                        let reference = Reference { kind, key };
                        let id = examiner.ids.id(examiner.layouts(), &reference).map(|id| id.to_string());
                        let problem = format!(
                            "would get the id {}, which another document of the target has",
                            id.unwrap_or_default()
                        );
                        examiner.find(layout.kind.name.as_str(), reference.key.path(), problem);
                        continue;
                    }
                    let keeping = keeping.as_deref_mut();
                    let into = (&mut inserts, &mut numbers);
                    write(transaction, examiner, &layout, document, into, written, keeping)?;
                }
            }
            progress.advance(count, 0);
            Ok(())
        })?;
        inserts.flush(transaction, written)?;
    }
    Ok(())
}

fn write(
    transaction: &mut dyn Transaction,
    examiner: &Examiner<'_, '_>,
    layout: &Layout<'_>,
    examined: Examined,
    (inserts, numbers): (&mut DocumentRows<'_>, &mut Numbers),
    written: &mut Written,
    keeping: Option<&mut Keeping<'_>>,
) -> Result<(), ImportError> {
    let Examined { entry, document, existing, .. } = examined;
    let layouts = examiner.layouts();
    let renderer =
        Renderer { layouts, ids: &examiner.ids, vault: &examiner.vault, master_key: examiner.master_key };
    let id = examiner.id_of(layout, &entry.key);
    let rendered = renderer.render(layout, &document, id.as_ref(), existing.as_ref())?;
    let Rendered { mut columns, mut row, derived } = rendered;
    if existing.is_none() {
        numbers.fill(transaction, layout, &mut columns, &mut row)?;
    }
    if let Some(keeping) = keeping {
        let value = |column: &str| row.get(columns.iter().position(|name| name == column)?).cloned();
        let own = existing.as_ref().map_or_else(|| layout.named_by(value), |existing| existing.row.clone());
        keeping.note(layout, &own, existing.is_none(), &columns, &row);
        match &existing {
            Some(existing) => keeping.changed(layout, existing, document, &examiner.vault)?,
            None => keeping.created(layout, &own, document, &examiner.vault)?,
        }
    }
    if existing.is_none() {
        inserts.own.push(transaction, written, entry.number, &columns, row)?;
        return inserts.derive(transaction, written, entry.number, derived);
    }
    inserts.derive(transaction, written, entry.number, derived)?;
    written.document(entry.number);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let (by, key): (Vec<&str>, Vec<Value>) = match (&layout.id, id) {
        (Some(column), Some(id)) => (vec![column.as_str()], vec![id.to_value()]),
        _ => {
            let by = layout.key_columns();
            let at = |name: &&str| columns.iter().position(|c| c == name).and_then(|p| row.get(p));
            let key = by.iter().map(|name| at(name).cloned().unwrap_or_default()).collect();
            (by, key)
        }
    };
    transaction
        .update(&layout.table, &by, &key, &columns, &row)
        .map_err(|error| written.name(inserts.own.plan, error))
}

/// The kinds in an order that foreign keys allow, as far as there is one; the server takes care of circles.
fn writing_order<'m>(examiner: &Examiner<'_, 'm>, catalog: &Catalog) -> Vec<Layout<'m>> {
    let mut open: Vec<Layout<'m>> = examiner.layouts().iter().cloned().collect();
    let mut order: Vec<Layout<'m>> = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let waits = |layout: &Layout<'_>| {
            let foreign = catalog.table(&layout.table).map(|t| t.foreign_keys.as_slice()).unwrap_or_default();
            foreign.iter().any(|key| {
                let same = |other: &Layout<'_>| other.table.eq_ignore_ascii_case(&key.to);
                !key.to.eq_ignore_ascii_case(&layout.table) && open.iter().any(same)
            })
        };
        let position = open.iter().position(|layout| !waits(layout)).unwrap_or(0);
        order.push(open.remove(position));
    }
    order
}
