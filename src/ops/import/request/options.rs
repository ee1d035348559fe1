//! How an import treats the bundle and the target: what a command line says, and a saved plan keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::crypto::{DataKey, FingerprintKey, MasterKey};
use crate::plan::Policy;

/// How the import treats what the target has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOptions {
    /// Whether documents that the target has otherwise are overwritten; else they are skipped.
    pub overwrite: bool,
    /// Whether a target of another product version is taken.
    pub ignore_version: bool,
    /// Whether ids that named nothing at the source are written even where they name something in the target.
    pub accept_dangling: bool,
    /// Whether ids are written that stand where the model knows of no reference and name other documents in the target
    /// than at the source; and encrypted text where it knows of no secret.
    pub accept_undeclared: bool,
    /// Whether values that are not what the model says they must be are written, with a note.
    pub accept_invalid: bool,
    /// Whether values for columns that the target's tables lack are left out, with a notice.
    pub omit_missing_columns: bool,
    /// The only documents that are taken, where any are named: `KIND` or `KIND/NAME`, with `*` and `?`.
    pub only: Vec<String>,
    /// Documents that are left out, named likewise.
    pub except: Vec<String>,
    /// What is done with documents of a kind, or of all (`*`), that the target has otherwise; before `overwrite`.
    pub policies: BTreeMap<String, Policy>,
    /// The documents that are taken one by one; those that are not in it are left out.
    pub list: Option<Vec<Listed>>,
    /// Whether documents of the target are deleted that the source no longer has, where the bundle carries it
    /// whole.
    pub prune: bool,
    /// Whether the target must be in maintenance mode, and no task wait or run on it.
    pub require_maintenance: bool,
    /// Whether the values of secrets have no part in what the plan relies on: it was made without the target's key.
    pub blind: bool,
    /// Into which scope (space) of the target documents go; where it is not said, into one of the same name.
    pub into: Vec<IntoScope>,
}

/// What somebody's list says of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The line of the list, from one.
    pub line: usize,
    /// What is to happen: a word of [`Action`](crate::plan::Action).
    pub action: String,
    /// The document's kind.
    pub kind: String,
    /// The text of its key.
    pub key: String,
}

/// Into which scope of the target documents of the bundle go.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntoScope {
    /// The name of the scope in the bundle; `None` for the only one there, and for a bundle of a generation
    /// without scopes.
    pub from: Option<String>,
    /// The name of the scope in the target.
    pub to: String,
}

impl IntoScope {
    /// Reads `TARGET` or `SOURCE=TARGET`; the first `=` separates.
    pub fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((from, to)) => Self { from: Some(from.to_owned()), to: to.to_owned() },
            None => Self { from: None, to: text.to_owned() },
        }
    }
}

/// What is needed to look into both sides.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'k> {
    /// The bundle's data key; needed where the bundle holds secrets.
    pub bundle: Option<&'k DataKey>,
    /// The target's master key; needed where the target or the bundle holds secrets.
    pub master: Option<&'k MasterKey>,
    /// The key of the plan's fingerprints: two plans made under one key can be compared.
    pub seen: &'k FingerprintKey,
}
