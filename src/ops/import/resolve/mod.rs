//! What documents of a bundle are in the target: ids, names, references, scopes; and what is gathered on the way.

pub(in crate::ops) mod adapt;
pub(in crate::ops) mod examined;
pub(in crate::ops) mod examiner;
pub(in crate::ops) mod identity;
pub(in crate::ops) mod into;
pub(in crate::ops) mod misfits;
pub(in crate::ops) mod references;
pub(in crate::ops) mod unique;
