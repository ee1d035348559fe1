//! What a model's scope means for its kinds: where documents say which scope they are in.

use std::collections::HashMap;

use super::check::{Checked, fault};
use super::file::{self, File};
use super::{Form, Kind, ReferenceRule, Target};

impl ReferenceRule {
    /// Whether the place is a column that holds the id of a document of the scope's kind and of no other.
    pub fn is_scope(&self, scope: usize) -> bool {
        self.at.column.is_some()
            && self.at.segments.is_empty()
            && self.form == Form::Id
            && self.to == [Target::Kind(scope)]
    }
}

impl Kind {
    /// The columns that say which document of the scope's kind a document belongs to.
    pub fn scope_columns(&self, scope: usize) -> impl Iterator<Item = &str> {
        self.references.iter().filter(move |r| r.is_scope(scope)).filter_map(|r| r.at.column.as_deref())
    }

    /// The position of such a column in the kind's key, where the key has one. A checked model has it first.
    pub fn scope_key(&self, scope: usize) -> Option<usize> {
        let is_scope = |at: usize| self.references.get(at).is_some_and(|rule| rule.is_scope(scope));
        self.key.iter().position(|column| column.reference.is_some_and(is_scope))
    }
}

/// Finds the kind that documents belong to, and sees that keys can lose and gain it.
pub(super) fn scope_kind(
    wire: &file::Scope,
    file: &File,
    by_name: &HashMap<String, Target>,
    kinds: &[Kind],
) -> Checked<usize> {
    let name = wire.kind.get_ref();
    let Some(Target::Kind(scope)) = by_name.get(name).copied() else {
        return fault(wire.kind.span(), format!("there is no kind {name:?}"));
    };
    if kinds.get(scope).is_some_and(|k| k.key.iter().any(|column| column.reference.is_some())) {
        return fault(wire.kind.span(), format!("the key of {name} runs through another kind"));
    }
    let mut belongs = false;
    for (kind, wire) in kinds.iter().zip(&file.kind) {
        belongs |= kind.scope_columns(scope).next().is_some();
        if kind.scope_key(scope).is_some_and(|position| position > 0) {
            return fault(wire.key.span(), format!("a key that runs through {name} begins with it"));
        }
    }
    if !belongs {
        return fault(wire.kind.span(), format!("no kind has a column that refers to {name} alone"));
    }
    Ok(scope)
}
