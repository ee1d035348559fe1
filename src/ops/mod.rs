//! What Sealift does: one verb a file.
//!
//! Verbs join model, server, plan and bundle. They hold no SQL, know no bytes of a file, and print nothing.

mod absent;
mod adapt;
mod against;
mod allocate;
mod apply;
mod choice;
mod choosing;
mod clashes;
mod combine;
mod convert;
mod delete;
mod diff;
mod documents;
mod examine;
mod examined;
mod examiner;
mod export;
mod export_error;
mod export_options;
mod foreign;
mod handmade;
mod handover;
mod identity;
mod import;
mod import_error;
mod inserts;
mod into;
mod limits;
mod look_again;
mod maintenance;
mod misfits;
mod misplaced;
mod named;
mod needs;
mod noted;
mod omitted;
mod options;
mod plan;
mod product;
mod prune;
mod reads;
mod references;
mod relied;
mod salvage;
mod scope;
mod script;
mod secret_losses;
mod select;
mod spool;
pub mod translate;
mod undeclared;
mod undo;
mod unfit;
mod unique;
mod unreadable;
mod validate;
mod vendor;
mod versions;
mod why;
mod work;
mod written;

pub use against::{Stand, stand};
pub use combine::{
    Conflict, ConflictVersion, Merge, MergeError, MergeInput, MergeOptions, MergeReport, MergedDocument,
    MergedKind, input_named,
};
pub use convert::{ConvertError, FromTree, from_tree, reseal, to_tree, unlock_tree};
pub use diff::{DiffEntry, DiffReport, Difference, NotCompared, diff};
pub use documents::{
    Archive, BundleDocuments, Documents, DocumentsError, ListedKind, SeeDocument, ServerDocuments,
    TreeDocuments,
};
pub use export::{ExportReport, export};
pub use export_error::ExportError;
pub use export_options::{ExportOptions, Root};
pub use import::{How, Outcome, apply_plan, decide_undo, import, undo};
pub use import_error::ImportError;
pub use named::named;
pub use needs::{NEEDED, Needed, Without};
pub use options::{ImportOptions, IntoScope, Keys, Listed};
pub use plan::{Decided, decide, plan};
pub use product::product_version;
pub use relied::{PlanKey, Relied, plan_digest, planned_target};
pub use salvage::{SALVAGED, Salvage, SalvageError, SalvageOptions, SalvageReport, SealedValues, salvage};
pub use script::{About, is_script, script};
pub use spool::SpoolError;
pub use undeclared::{Undeclared, UndeclaredSecret};
pub use undo::{UndoRecord, UndoTo, is_undo};
pub use unreadable::{UNREADABLE, Unreadable};
pub use vendor::{UncarriedType, VendorReadError, VendorReport, VendorServer};
pub use versions::{Versions, VersionsError};
pub use why::{PathEnd, WhyError, WhyPath, why};
