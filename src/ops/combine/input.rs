//! What is merged.

use std::path::PathBuf;

use crate::ops::documents::Archive;

/// Documents to be joined with others.
#[derive(Debug)]
pub struct MergeInput<'m> {
    /// Their path, as it was given: preferences name it so.
    pub path: PathBuf,
    /// The documents; unlocked where they have values of secrets and these are to be carried.
    pub documents: Box<dyn Archive + 'm>,
}
