//! `script`: an import as T-SQL, for a person who reviews it and runs it.
//!
//! The script is what the import would do: the same documents under the same ids, secrets under the target's
//! master key, in one transaction. Each row that is changed is compared with what it was when the script was made, the
//! documents that the plan found must be there still, and those that it makes must not; anything else stops it. Ids
//! of new rows come from the target's own count, which is compared too.

use std::collections::BTreeMap;
use std::io::Write;

use batches::{Chunks, unwritten};
use literal::speakable;
use writing::{Names, Scripting, circular};

use crate::bundle::Bundle;
use crate::model::Model;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::{Reader, Transaction};

use super::import::apply::apply;
use super::import::apply::written::Written;
use super::import::decide::{Decided, decide};
use super::import::request::error::ImportError;
use super::import::request::options::{ImportOptions, Keys};

mod batches;
mod guards;
mod literal;
mod transaction;
mod writing;

pub use batches::{About, is_script};

/// Writes the import of a bundle as a script. Nothing is written where the plan has findings, or nothing to do.
/// Returns the plan, and how many statements change rows.
///
/// The target is only read.
///
/// # Errors
/// [`ImportError`], where one of the sides cannot be read, or the script not be written.
#[allow(clippy::too_many_arguments, reason = "as `plan`, and where the script goes")]
pub fn script(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    model: &Model,
    keys: Keys<'_>,
    options: ImportOptions,
    about: &About,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<(Plan, u64), ImportError> {
    let decided = decide(bundle, reader, model, keys, options, progress)?;
    let Decided { mut plan, mut examiner, work, .. } = decided;
    if !plan.findings.is_empty() || plan.is_empty() {
        return Ok((plan, 0));
    }
    speakable("schema", &about.schema)?;
    let found = guards::found(&examiner, &plan);
    let catalog = reader.catalog().clone();
    let mut scripting = Scripting {
        reader,
        names: Names { schema: about.schema.clone(), circular: circular(&catalog) },
        catalog,
        guards: Chunks::new()?,
        gone: Chunks::new()?,
        early: Chunks::new()?,
        inserts: BTreeMap::new(),
        late: Chunks::new()?,
        waiting: None,
        written: 0,
    };
    scripting.rely_on(&examiner, found)?;
    let mut written = Written::default();
    apply(bundle, &mut scripting, &mut examiner, &plan, &work, &mut written, None, progress)?;
    examiner.take_faults();
    if !examiner.findings.is_empty() {
        plan.findings.append(&mut examiner.findings);
        return Ok((plan, 0));
    }
    scripting.check().map_err(|error| written.name(&plan, error))?;
    scripting.stay_absent(&examiner, &plan)?;
    let statements = scripting.assemble(bundle, model, &plan, about, out).map_err(unwritten)?;
    Ok((plan, statements))
}
