//! The bundle: one SQLite file that carries documents and, sealed, their secrets.
//!
//! Obeys `format-spec/bundle-v1.md`. [`Writer`] takes documents in any order and leaves a whole file or none;
//! [`UncheckedBundle`] is a file from elsewhere, [`Bundle`] one whose every byte has been checked, and
//! [`verify`] says all that is wrong with a file, [`Remains`] is what is left of it. Nothing here knows a server,
//! a model or a tree, and nothing here changes a file that exists.

mod assemble;
mod bits;
mod carried;
mod chunk;
mod condition;
mod copy;
mod count;
mod entry;
mod error;
mod info;
mod limits;
mod open;
mod order;
mod pack;
mod packing;
mod reader;
mod remains;
mod report;
mod roots;
mod salvage;
mod schema;
mod scope;
mod sealing;
mod spool;
mod store;
mod verify;
mod wire;
mod workers;
mod writer;
mod zstd;

pub use condition::{Condition, KindState, Lost, MOST_LOST, State, Survivor};
pub use entry::{Coverage, Entry, Extent, Notice, Reason};
pub use error::{BundleError, OtherRoot};
pub use info::{Header, Info, KindInfo};
pub use limits::Limits;
pub use open::{UncheckedBundle, recognise};
pub use reader::{Bundle, SeeEncoded};
pub use remains::Remains;
pub use report::{Finding, Level, Report};
pub use roots::{
    CONTENT_ROOT_CONTEXT, ContentRoot, FILE_ROOT_CONTEXT, FileRoot, STORED_CONTEXT, content_root,
};
pub use schema::FORMAT;
pub use verify::verify;
pub use writer::{DEFAULT_LEVEL, Previous, Protection, Summary, Writer, WriterOptions, sealed_place};

#[cfg(test)]
mod tests;
