//! Documents of the target deleted, as the plan says.

use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::Transaction;

use super::inserts::delete_derived;
use super::written::Written;
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::{Deletion, Examiner};
use crate::ops::import::work::Work;
use crate::ops::translate::{Id, Layout};
use crate::ops::undo::Keeping;

/// Deletes what the plan says; the undo file gets it first.
#[allow(clippy::too_many_arguments, reason = "one call, in the order of an import")]
pub(in crate::ops) fn delete(
    transaction: &mut dyn Transaction,
    examiner: &mut Examiner<'_, '_>,
    order: &[Layout<'_>],
    plan: &Plan,
    work: &Work,
    written: &mut Written,
    mut keeping: Option<&mut Keeping<'_>>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let deletions = std::mem::take(&mut examiner.deletions);
    // What refers goes before what is referred to.
    for layout in order.iter().rev() {
        let ours: Vec<&Deletion> =
            deletions.iter().filter(|deletion| deletion.kind == layout.index).collect();
        if ours.is_empty() {
            continue;
        }
        progress.phase(format!("deleting {}", layout.kind.name), Some(ours.len() as u64));
        let by: Vec<&str> = match &layout.id {
            Some(id) => vec![id.as_str()],
            None => layout.order.iter().map(String::as_str).collect(),
        };
        if let Some(keeping) = keeping.as_deref_mut() {
            let mut deleted = work.read_deleted(layout);
            while let Some(existing) = deleted.read_next(&mut examiner.vault)? {
                progress.check()?;
                keeping.deleted(layout, &existing, &examiner.vault)?;
            }
        }
        let named: Vec<(u64, Id)> = ours.iter().map(|d| (d.number, d.row.clone())).collect();
        delete_derived(transaction, layout, &named, plan, written)?;
        for deletion in ours {
            let key = match &layout.id {
                Some(_) => vec![deletion.row.to_value()],
                None => layout.row_key(&deletion.row),
            };
            written.document(deletion.number);
            transaction.delete(&layout.table, &by, &key).map_err(|error| written.name(plan, error))?;
            progress.advance(1, 0);
        }
    }
    examiner.deletions = deletions;
    Ok(())
}
