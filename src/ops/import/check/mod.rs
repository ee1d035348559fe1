//! What stands against a document or an import: unique values, foreign keys, ids in text, values that fit no column.

pub(in crate::ops) mod clashes;
pub(in crate::ops) mod foreign;
pub(in crate::ops) mod handover;
pub(in crate::ops) mod noted;
pub(in crate::ops) mod unfit;
