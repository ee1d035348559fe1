//! `undo`: an import taken back. What it made is deleted, what it changed or deleted becomes what it was.
//!
//! An undo file is a bundle of before-images that every import writes before it commits; it is planned, shown and
//! applied as any bundle is, in one transaction, and an undo can be undone in turn. Documents are found by their
//! ids, since file and server are of one another; what was changed since the import is a finding, by name.

mod back;
mod called;
mod column_form;
mod keep;
mod left;
mod read_back;
mod record;
mod referrers;

pub(super) use back::{identify, take_back};
pub(super) use called::Called;
pub use keep::UndoTo;
pub(super) use keep::{Keeping, Kept};
pub(super) use record::is_ours;
pub use record::{UndoRecord, is_undo};
pub(super) use referrers::find_referrers;
