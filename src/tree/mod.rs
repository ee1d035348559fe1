//! The tree: a bundle's content as a folder of JSON files, one a document, for people, editors and git.
//!
//! Obeys `format-spec/tree-v1.md`. [`TreeWriter`] makes a folder or brings one up to date, [`Tree`] reads one from
//! anywhere and tells all that is wrong with it by file and place. Nothing here knows a bundle or a server, and
//! nothing here opens a secret.

mod about;
mod disk;
mod error;
mod incomplete;
mod layout;
mod names;
mod parse;
mod reader;
mod scripts;
mod spell;
mod writer;

pub use about::{
    About, LACKING, MISSING_FILES, SALVAGED, ScriptMode, TreeCoverage, TreeNotice, UNREADABLE, Why,
};
pub use error::{Finding, Findings, TreeError};
pub use layout::Clashes;
pub use parse::Sealed;
pub use reader::{CHANGED, Reading, Tree, TreeDocument, is_tree};
pub use writer::{Replace, TreeSummary, TreeWriter};
