//! Two servers to try things on: an invented company's build server, and its production server.
//!
//! The two hold much the same configuration under different ids and different master keys, and differ in the
//! ways that servers do: documents that only one of them has, names in another case, other values, other
//! secrets, ids that mean one thing here and another there. Everything is fiction; no secret is anybody's.
//! The module fills a server that has the product's tables and no rows. It makes no tables and knows no model.

mod access;
mod infrastructure;
mod projects;
mod steps;
mod templates;
mod tenants;
mod variables;
mod writer;

use crate::crypto::{CryptoError, MasterKey};
use crate::server::{Server, ServerError};

use writer::Writer;

/// Which of the company's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// Where configuration is made: the source.
    Build,
    /// Where it has to arrive: the target.
    Production,
}

/// How a demonstration server is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoOptions {
    /// Equal seeds give equal content but for the initialisation vectors of secrets.
    pub seed: u64,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { seed: 7 }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows of tables that hold configuration.
    pub documents: u64,
    /// Values encrypted under the master key.
    pub secrets: u64,
}

/// Why a server was not filled. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The server refused.
    #[error("cannot fill the server")]
    Server(#[from] ServerError),
    /// The server refused a row.
    #[error("cannot write {what} into {table}")]
    Row {
        /// The table.
        table: String,
        /// The row's id.
        what: String,
        /// Why.
        #[source]
        source: ServerError,
    },
    /// The server has not the tables of the product.
    #[error("the server has no table {0}: it needs the product's tables first")]
    NoTables(&'static str),
    /// The server holds documents already.
    #[error("the server is not empty: {0} has rows")]
    NotEmpty(&'static str),
    /// A secret could not be encrypted.
    #[error("cannot encrypt a secret")]
    Crypto(#[from] CryptoError),
    /// The demonstration contradicts itself.
    #[error("the demonstration refers to {kind} {name:?} before it is made")]
    Missing {
        /// The kind of document.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// Fills an empty server, in one transaction. Tables of either generation do, with spaces or before them.
///
/// # Errors
/// [`DemoError`]; the server is then as it was.
pub fn build(
    server: &mut dyn Server,
    site: Site,
    key: &MasterKey,
    options: &DemoOptions,
) -> Result<Counts, DemoError> {
    let mut writer = Writer::begin(server, site, key, options.seed)?;
    access::server_wide(&mut writer)?;
    templates::community(&mut writer)?;
    writer.enter_space("Default", true)?;
    access::in_space(&mut writer)?;
    infrastructure::build(&mut writer)?;
    templates::in_space(&mut writer)?;
    variables::libraries(&mut writer)?;
    projects::build(&mut writer)?;
    tenants::build(&mut writer)?;
    access::grants(&mut writer)?;
    if site == Site::Build && writer.has("Space") {
        writer.enter_space("Data Platform", false)?;
        infrastructure::second_space(&mut writer)?;
        projects::second_space(&mut writer)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests;
