//! What Sealift does: one verb a file.
//!
//! Verbs join model, server, plan and bundle. They hold no SQL, know no bytes of a file, and print nothing.

mod absent;
mod adapt;
mod against;
mod allocate;
mod choice;
mod choosing;
mod clashes;
mod combine;
mod convert;
mod diff;
mod documents;
mod examine;
mod export;
mod foreign;
mod handmade;
mod handover;
mod identity;
mod import;
mod inserts;
mod into;
mod limits;
mod maintenance;
mod misplaced;
mod named;
mod needs;
mod noted;
mod omitted;
mod options;
mod plan;
mod prune;
mod references;
mod relied;
mod salvage;
mod scope;
mod script;
mod secret_losses;
mod select;
pub mod translate;
mod undeclared;
mod undo;
mod unreadable;
mod validate;
mod vendor;
mod versions;
mod why;

pub use against::{Stand, stand};
pub use choosing::Listed;
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
pub use export::{ExportError, ExportOptions, ExportReport, export, product_version};
pub use import::{How, ImportError, Outcome, import};
pub use into::IntoScope;
pub use named::named;
pub use needs::{NEEDED, Needed, Without};
pub use options::ImportOptions;
pub use plan::{Keys, plan};
pub use relied::{PlanKey, Relied, plan_digest, planned_target};
pub use salvage::{SALVAGED, Salvage, SalvageError, SalvageOptions, SalvageReport, SealedValues, salvage};
pub use script::{About, is_script, script};
pub use select::Root;
pub use undeclared::{Undeclared, UndeclaredSecret};
pub use undo::{UndoRecord, UndoTo, is_undo, plan_undo, undo};
pub use unreadable::{UNREADABLE, Unreadable};
pub use vendor::{UncarriedType, VendorReadError, VendorReport, VendorServer};
pub use versions::{Versions, VersionsError};
pub use why::{PathEnd, WhyError, WhyPath, why};
