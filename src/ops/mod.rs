//! What Sealift does.
//!
//! Verbs join model, server, plan and bundle. They hold no SQL, know no bytes of a file, and print nothing. They stand
//! on floors; `tests/architecture.rs` says which floor may import which, and that no files import each other in a circle.
//!
//! | floor | what it holds |
//! |---|---|
//! | `spool` | records on disk, in bounded memory |
//! | `translate` | ids to names and back: rows of a server as documents, and documents as rows |
//! | `rules` | what the model says of one document, held against a server's tables |
//! | `export` | which documents are taken, what is reported of them, and the verb |
//! | `convert` | a bundle as a folder of JSON files and back |
//! | `documents` | documents wherever they are: on a server, in a bundle, in a folder |
//! | `import/request` | what an import is asked to do, and why it fails |
//! | `undo` | the undo file: written while an import writes, checked, read again |
//! | `import/work` | what was decided and what that relies on, on disk until the transaction |
//! | `import/resolve` | what documents of a bundle are in the target, and all that is gathered on the way |
//! | `import/check` | what stands against a document or an import |
//! | `import/decide` | what happens to each document: create, merge, skip, delete |
//! | `import/apply` | ids given out, rows made and written |
//! | `import` | the verbs `import`, `apply` and `undo`: decide, look again under the lock, write, commit |
//! | `script` | an import as T-SQL |
//! | `combine` | bundles merged into one |
//! | `vendor` | the folder of a vendor's migrator as a server |
//! | the other files | the verbs `diff`, `why`, `salvage`, and planning without the target |

mod against;
mod combine;
mod convert;
mod diff;
mod documents;
mod export;
mod import;
mod rules;
mod salvage;
mod script;
mod spool;
pub mod translate;
mod undo;
mod vendor;
mod why;

pub use against::{Stand, stand};
pub use combine::{
    Conflict, ConflictVersion, Merge, MergeError, MergeInput, MergeOptions, MergeReport, MergedDocument,
    MergedKind, input_named,
};
pub use convert::{ConvertError, FromTree, from_tree, reseal, to_tree, unlock_tree};
pub use diff::{DiffEntry, DiffReport, Difference, NotCompared, diff};
pub use documents::named::named;
pub use documents::{
    Archive, BundleDocuments, Documents, DocumentsError, ListedKind, SeeDocument, ServerDocuments,
    TreeDocuments,
};
pub use export::error::ExportError;
pub use export::options::{ExportOptions, Root};
pub use export::undeclared::{Undeclared, UndeclaredSecret};
pub use export::unreadable::{UNREADABLE, Unreadable};
pub use export::{ExportReport, export};
pub use import::decide::relied::{PlanKey, Relied, plan_digest, planned_target};
pub use import::decide::{Decided, decide, plan};
pub use import::request::error::ImportError;
pub use import::request::options::{ImportOptions, IntoScope, Keys, Listed};
pub use import::{How, Outcome, apply_plan, decide_undo, import, undo};
pub use rules::needs::{NEEDED, Needed, Without};
pub use rules::product::product_version;
pub use rules::versions::{Versions, VersionsError};
pub use salvage::{SALVAGED, Salvage, SalvageError, SalvageOptions, SalvageReport, SealedValues, salvage};
pub use script::{About, is_script, script};
pub use spool::SpoolError;
pub use undo::{UndoRecord, UndoTo, is_undo};
pub use vendor::{UncarriedType, VendorReadError, VendorReport, VendorServer};
pub use why::{PathEnd, WhyError, WhyPath, why};
