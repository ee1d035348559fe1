//! What an export takes, and which documents are named for it.

use crate::ops::rules::versions::Versions;
use crate::ops::translate::ServerSecrets;

/// What an export takes.
#[derive(Debug, Clone)]
pub struct ExportOptions<'k> {
    /// The documents named; with none, everything is exported.
    pub roots: Vec<Root>,
    /// The scopes (spaces) whose documents alone are taken, by name, with the server-wide documents that these
    /// need; with none, those of all scopes.
    pub scopes: Vec<String>,
    /// Kinds left out.
    pub exclude: Vec<String>,
    /// The only kinds taken, where any are named.
    pub only: Vec<String>,
    /// Groups of kinds that are left out, by the names the model gives them.
    pub ignore: Vec<String>,
    /// Kinds that are carried only where they are asked for, and are.
    pub ask: Vec<String>,
    /// Which versions of documents that have one belong to the documents named; all of them if not said.
    pub versions: Option<Versions>,
    /// How secrets are read.
    pub secrets: ServerSecrets<'k>,
    /// Whether undeclared references, and tables that are not carried, are an error.
    pub strict: bool,
    /// Whether documents that cannot be read are left out and recorded; else they are an error.
    pub skip_unreadable: bool,
    /// Whether the server holds but a part of what its source has: then the bundle does not say of any kind that it is
    /// carried as a whole.
    pub partial_source: bool,
}

impl<'k> ExportOptions<'k> {
    /// Everything that is not carried only when asked for.
    pub fn everything(secrets: ServerSecrets<'k>) -> Self {
        Self {
            roots: Vec::new(),
            scopes: Vec::new(),
            exclude: Vec::new(),
            only: Vec::new(),
            ignore: Vec::new(),
            ask: Vec::new(),
            versions: None,
            secrets,
            strict: false,
            skip_unreadable: false,
            partial_source: false,
        }
    }
}

/// A document that the user named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The documents of a kind that bear a name.
    Named {
        /// The kind.
        kind: String,
        /// The name, as the server compares names.
        name: String,
    },
    /// The documents of a kind that refer to a named one: the projects of a group.
    Members {
        /// The kind of the members.
        kind: String,
        /// The kind they refer to.
        of: String,
        /// The name of the document they refer to.
        name: String,
    },
}
