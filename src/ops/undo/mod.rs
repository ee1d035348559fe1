//! The undo file: with it what an import made is deleted, and what it changed or deleted becomes what it was.
//!
//! An undo file is a bundle of before-images that every import writes before it commits; it is planned, shown and
//! applied as any bundle is, in one transaction, and an undo can be undone in turn. Documents are found by their
//! ids, since file and server are of one another; what was changed since the import is a finding, by name.

mod called;
mod column_form;
mod keep;
pub(super) mod left;
mod read_back;
pub(super) mod record;

pub(super) use called::Called;
pub use keep::UndoTo;
pub(super) use keep::{Keeping, Kept};
pub(super) use record::is_ours;
pub use record::{UndoRecord, is_undo};
