//! `undo`: an import taken back. What it made is deleted, what it changed or deleted becomes what it was.
//!
//! An undo file is a bundle of before-images that every import writes before it commits; it is planned, shown and
//! applied as any bundle is, in one transaction, and an undo can be undone in turn. Documents are found by their
//! ids, since file and server are of one another; what was changed since the import is a finding, by name.

mod back;
mod column_form;
mod keep;
mod left;
mod read_back;
mod record;
mod referrers;

use std::path::PathBuf;

use crate::bundle::Bundle;
use crate::model::Model;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::{Reader, Server};

use super::ImportError;
use super::import::{How, Outcome, run};
use super::options::ImportOptions;
use super::plan::{Keys, Work, plan_work};

pub(super) use back::{Deletion, delete, identify, take_back};
pub(super) use keep::{Keeping, Kept};
pub(super) use record::is_ours;
pub use record::{UndoRecord, is_undo};
pub(super) use referrers::find_referrers;

/// Where an import writes its undo file.
#[derive(Debug, Clone)]
pub struct UndoTo {
    /// The file, which must not exist.
    pub path: PathBuf,
    /// When the import is made, as text, if the file is to say so.
    pub created: Option<String>,
}

/// How documents are written back: just as they were.
fn options(require_maintenance: bool) -> ImportOptions {
    ImportOptions {
        require_maintenance,
        overwrite: true,
        accept_dangling: true,
        accept_undeclared: true,
        accept_invalid: true,
        ..ImportOptions::default()
    }
}

/// Plans to take an import back: reads both sides and writes nothing. `keys.bundle` opens the undo file
/// ([`crate::crypto::MasterKey::password`]), and `keys.seen` is its own ([`UndoRecord::key`]).
///
/// # Errors
/// [`ImportError`], where one of the sides cannot be read. What merely forbids it is in the plan's findings.
pub fn plan_undo(
    bundle: &Bundle,
    record: &UndoRecord,
    reader: &mut dyn Reader,
    model: &Model,
    keys: Keys<'_>,
    require_maintenance: bool,
    progress: &dyn Progress,
) -> Result<Plan, ImportError> {
    plan_work(bundle, reader, model, keys, options(require_maintenance), Work::Undo(record), progress)
}

/// Takes an import back: plans inside the transaction, compares with the plan that was shown, writes, checks and
/// commits.
///
/// # Errors
/// [`ImportError`]; the transaction is rolled back then.
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
    run(bundle, server, model, keys, how, options(require_maintenance), Work::Undo(record), progress)
}
