//! Why an export failed.

use crate::bundle::BundleError;
use crate::document::KindName;
use crate::progress::Cancelled;
use crate::server::ServerError;

use super::undeclared::{Undeclared, UndeclaredSecret};
use crate::ops::translate::{Faults, TranslateError};

/// How many names a message lists.
const LISTED: usize = 20;

/// Why an export failed. Nothing is left at the output's name.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The server, or one of its rows.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A kind that the model or the server does not have.
    #[error("there is no kind {0:?} on this server")]
    NoSuchKind(String),
    /// A group of kinds that the model does not have.
    #[error("the model has no group {0:?} of kinds")]
    NoSuchGroup(String),
    /// A kind, or a document of it, was asked for and its kind is left out.
    #[error("{0} is asked for and left out")]
    LeftOut(KindName),
    /// A name that is not on the server.
    #[error("there is no {kind} named {name:?} on this server")]
    NoSuchDocument {
        /// The kind.
        kind: KindName,
        /// The name.
        name: String,
    },
    /// Rows of the server cannot be read, or told apart by their names.
    #[error("{0}")]
    Malformed(Box<Faults>),
    /// A name that is on the server, and in none of the scopes asked for.
    #[error("there is no {kind} named {name:?} where the export was told to look")]
    NotInScope {
        /// The kind.
        kind: KindName,
        /// The name.
        name: String,
    },
    /// A scope was named and the model has none.
    #[error("the model of {0} names no kind that documents belong to")]
    NoScopeKind(String),
    /// A scope was named and the server's generation has none.
    #[error("this server has no {0} at all: it is of a generation before them")]
    NoScopes(KindName),
    /// The server has no such scope.
    #[error("there is no {kind} named {name:?} on this server; there is {there}")]
    NoSuchScope {
        /// The scope's kind.
        kind: KindName,
        /// The name.
        name: String,
        /// The names there are.
        there: String,
    },
    /// The server has none of the model's tables.
    #[error("the server has none of the tables of {0}: it is another product's")]
    NotThisProduct(String),
    /// Undeclared references and secrets, where they are an error.
    #[error("{}", undeclared_words(found.len(), *beyond, secrets.len()))]
    Undeclared {
        /// The places of references.
        found: Vec<Undeclared>,
        /// How many ids stand at further places.
        beyond: u64,
        /// The paths of secrets.
        secrets: Vec<UndeclaredSecret>,
    },
    /// Tables that are not carried, where they are an error.
    #[error("the model does not know {}, which would not be carried", listed(unknown.iter().map(|(name, _)| name.as_str())))]
    UnknownTables {
        /// The tables, with their rows.
        unknown: Vec<(String, u64)>,
        /// Undeclared references, which are an error too.
        found: Vec<Undeclared>,
        /// How many ids stand at further places.
        beyond: u64,
        /// Undeclared secrets, which are an error too.
        secrets: Vec<UndeclaredSecret>,
    },
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn undeclared_words(found: usize, beyond: u64, secrets: usize) -> String {
    let references =
        || format!("{} ids of the server, and the model knows of no reference there", places(found, beyond));
    let paths = if secrets == 1 { "path holds a secret" } else { "paths hold secrets" };
    let secret = || format!("{secrets} {paths} where the model knows of none");
    match (found, secrets) {
        (_, 0) => references(),
        (0, _) => secret(),
        _ => format!("{}; {}", references(), secret()),
    }
}

fn places(found: usize, beyond: u64) -> String {
    match (found, beyond) {
        (1, 0) => "1 place of the documents holds".to_owned(),
        (found, 0) => format!("{found} places of the documents hold"),
        (found, _) => format!("more than {found} places of the documents hold"),
    }
}

/// Names for a message, not more than a person reads.
pub(in crate::ops) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    match (names.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}
