//! What the model says of one document, held against the tables of a server: read-only, one document at a time.

pub(in crate::ops) mod absent;
pub(in crate::ops) mod limits;
pub(in crate::ops) mod maintenance;
pub(in crate::ops) mod misplaced;
pub(in crate::ops) mod needs;
pub(in crate::ops) mod omitted;
pub(in crate::ops) mod product;
pub(in crate::ops) mod secret_losses;
pub(in crate::ops) mod validate;
pub(in crate::ops) mod versions;
