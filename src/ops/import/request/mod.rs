//! What an import is asked to do, and why it fails.

pub(in crate::ops) mod choosing;
pub(in crate::ops) mod error;
pub(in crate::ops) mod options;
