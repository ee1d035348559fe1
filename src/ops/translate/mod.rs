//! Between rows of a server and documents in portable form, in both directions.
//!
//! Reading ([`Translation::read`]) replaces ids by natural keys and secrets by markers; writing
//! ([`Renderer`]) does the reverse with the target's ids and key. What ids and keys mean is looked up
//! in the server, in batches, and only for what the documents at hand name.

mod blob;
mod body;
mod columns;
mod derived_rows;
mod error;
mod faults;
mod fetch;
mod id;
mod ids;
mod layout;
mod marks;
mod meant;
mod names;
mod read;
mod render;
mod secrets;
mod slots;
mod types;
mod vault;

pub use blob::BlobError;
pub use body::{Body, Stored};
pub use columns::{ContentColumn, RowsTable};
pub use error::TranslateError;
pub use faults::Faults;
pub use fetch::{expect_tables, whole_table};
pub(super) use fetch::{fetch, fetch_some, for_each_page};
pub use id::{Id, id_order};
pub use ids::Ids;
pub use layout::{Layout, Layouts};
pub(in crate::ops) use read::apart;
pub use read::{Followed, Portable, Raw, Translation};
pub use render::{Existing, Rendered, Renderer, part_ids};
pub use slots::Known;
pub use vault::{ServerSecrets, Vault};
