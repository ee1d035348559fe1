//! `import` and `undo`: what was decided, carried out inside one transaction or not at all.

pub(in crate::ops) mod apply;
pub(in crate::ops) mod check;
pub(in crate::ops) mod decide;
pub(in crate::ops) mod look_again;
pub(in crate::ops) mod request;
pub(in crate::ops) mod resolve;
pub(in crate::ops) mod work;

use crate::bundle::Bundle;
use crate::model::Model;
use crate::plan::{Finding, Plan};
use crate::progress::Progress;
use crate::server::{Reader, Server, ServerError};

use super::rules::maintenance;
use super::undo::{Keeping, Kept, UndoRecord, UndoTo};
use apply::apply;
use apply::written::Written;
use decide::relied::Relied;
use decide::{Decided, Purpose, decide, decide_for};
use request::error::ImportError;
use request::options::{ImportOptions, Keys};

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
    /// Whether everything happens but the commit.
    pub dry_run: bool,
    /// Where the undo file goes; without it the import cannot be taken back.
    pub undo: Option<&'h UndoTo>,
}

/// Imports a bundle: decides and carries out what was decided, whatever that is.
///
/// # Errors
/// As for [`Decided::carry_out`].
pub fn import(
    bundle: &Bundle,
    server: &mut dyn Server,
    model: &Model,
    keys: Keys<'_>,
    how: How<'_>,
    options: ImportOptions,
    progress: &dyn Progress,
) -> Result<Outcome, ImportError> {
    let mut decided = decide(bundle, &mut *server.read()?, model, keys, options, progress)?;
    decided.carry_out(server, how, progress)
}

/// Imports a bundle as a plan says that somebody agreed to: decides, and carries it out where that comes to the same.
///
/// # Errors
/// As for [`Decided::carry_out`].
#[allow(clippy::too_many_arguments, reason = "as `import`, and the plan")]
pub fn apply_plan(
    bundle: &Bundle,
    server: &mut dyn Server,
    model: &Model,
    keys: Keys<'_>,
    agreed: &Relied,
    how: How<'_>,
    options: ImportOptions,
    progress: &dyn Progress,
) -> Result<Outcome, ImportError> {
    let mut reader = server.read()?;
    let elsewhere = agreed.elsewhere(&mut *reader, model, keys.seen)?;
    if !elsewhere.is_empty() {
        return Ok(Outcome::Stale(elsewhere));
    }
    let mut decided = decide(bundle, &mut *reader, model, keys, options, progress)?;
    drop(reader);
    let moved = agreed.moved(&decided.plan, keys.seen);
    if !moved.is_empty() {
        return Ok(Outcome::Stale(moved));
    }
    if agreed.maintenance.is_some() {
        decided.plan.maintenance.clone_from(&agreed.maintenance);
    }
    decided.carry_out(server, how, progress)
}

impl Decided<'_, '_> {
    /// Carries out what was decided, in one transaction: looks again at all that the decisions rely on, gives out ids,
    /// writes, checks, completes the undo file and commits. What is then another stops it
    /// ([`Outcome::Stale`]); what is only counted by the server does not.
    ///
    /// # Errors
    /// [`ImportError`]; the transaction is rolled back then, and no undo file is left, but for
    /// [`ServerError::CommitUnknown`].
    pub fn carry_out(
        &mut self,
        server: &mut dyn Server,
        how: How<'_>,
        progress: &dyn Progress,
    ) -> Result<Outcome, ImportError> {
        if !self.plan.findings.is_empty() {
            return Ok(Outcome::Refused(std::mem::take(&mut self.plan)));
        }
        if self.plan.is_empty() {
            return Ok(Outcome::Nothing(std::mem::take(&mut self.plan)));
        }
        let model = self.examiner.model();
        let mut transaction = server.begin()?;
        let moved = self.look_again(transaction.reader(), progress)?;
        if !moved.is_empty() {
            transaction.rollback()?;
            return Ok(Outcome::Stale(moved));
        }
        if !self.plan.findings.is_empty() {
            transaction.rollback()?;
            return Ok(Outcome::Refused(std::mem::take(&mut self.plan)));
        }
        // Looked at within the transaction, the tasks of the product stand still until its end: only for who wants
        // that they do.
        if self.options.require_maintenance {
            maintenance::look(transaction.reader(), model, true, &mut self.plan)?;
            if !self.plan.findings.is_empty() {
                transaction.rollback()?;
                return Ok(Outcome::Refused(std::mem::take(&mut self.plan)));
            }
        }
        let start = |to| Keeping::start(to, self.bundle, transaction.reader(), model, self.keys, how.dry_run);
        let mut keeping = how.undo.map(start).transpose()?;
        let mut plan = std::mem::take(&mut self.plan);
        let Self { bundle, examiner, work, .. } = self;
        let mut written = Written::default();
        apply(bundle, &mut *transaction, examiner, &plan, work, &mut written, keeping.as_mut(), progress)?;
        examiner.take_faults();
        if !examiner.findings.is_empty() {
            plan.findings.append(&mut examiner.findings);
            transaction.rollback()?;
            return Ok(Outcome::Refused(plan));
        }
        progress.phase("checking", None);
        transaction.check().map_err(|error| written.name(&plan, error))?;
        let finish =
            |keeping: Keeping<'_>| keeping.finish(transaction.reader(), examiner.layouts(), progress);
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
}

/// How documents are written back: just as they were.
fn undo_options(require_maintenance: bool) -> ImportOptions {
    ImportOptions {
        require_maintenance,
        overwrite: true,
        accept_dangling: true,
        accept_undeclared: true,
        accept_invalid: true,
        ..ImportOptions::default()
    }
}

/// Decides how an import is taken back: reads both sides and writes nothing. `keys.bundle` opens the undo file
/// ([`crate::crypto::MasterKey::password`]), and `keys.seen` is its own ([`UndoRecord::key`]).
///
/// # Errors
/// [`ImportError`], where one of the sides cannot be read. What merely forbids it is in the plan's findings.
pub fn decide_undo<'d, 'm>(
    bundle: &'d Bundle,
    record: &'d UndoRecord,
    reader: &mut dyn Reader,
    model: &'m Model,
    keys: Keys<'d>,
    require_maintenance: bool,
    progress: &dyn Progress,
) -> Result<Decided<'d, 'm>, ImportError> {
    decide_for(
        bundle,
        reader,
        model,
        keys,
        undo_options(require_maintenance),
        Purpose::Undo(record),
        progress,
    )
}

/// Takes an import back: decides, and carries out what was decided.
///
/// # Errors
/// As for [`Decided::carry_out`].
#[allow(clippy::too_many_arguments, reason = "as `import`, and what is taken back")]
pub fn undo(
    bundle: &Bundle,
    record: &UndoRecord,
    server: &mut dyn Server,
    model: &Model,
    keys: Keys<'_>,
    how: How<'_>,
    require_maintenance: bool,
    progress: &dyn Progress,
) -> Result<Outcome, ImportError> {
    let mut decided =
        decide_undo(bundle, record, &mut *server.read()?, model, keys, require_maintenance, progress)?;
    decided.carry_out(server, how, progress)
}
