//! What people are told of documents that hold certain values: that part of them is elsewhere, for one.

use toml::Spanned;

use crate::document::{Document, Value};

use super::check::{Checked, Scope, fault, scalar};
use super::file::{self, File};
use super::{Kind, Pattern, Target};

/// A note on documents of a kind that hold a value.
#[derive(Debug, Clone)]
pub struct NoteRule {
    /// Where; one place of several is enough.
    pub at: Vec<Pattern>,
    /// The values that call for the note.
    pub equals: Vec<Value>,
    /// What people read after the document's name.
    pub text: String,
    /// Kinds (positions in the model) whose key runs through the document: what the target has of them and the bundle
    /// does not is named beside the note.
    pub remains: Vec<usize>,
    /// Kinds (positions in the model) whose ids are held outside the database: where those of the target are
    /// different, the plan lists both.
    pub ids: Vec<usize>,
}

impl NoteRule {
    /// Whether a document in portable form calls for the note.
    pub fn is_called_for(&self, document: &Document) -> bool {
        self.at.iter().any(|at| match (&at.column, &document.body) {
            (Some(column), _) => {
                document.columns.get(column).is_some_and(|value| self.equals.contains(value))
            }
            (None, Some(body)) => {
                let mut called = false;
                at.find(body, &mut |value| called |= self.equals.contains(value));
                called
            }
            (None, None) => false,
        })
    }
}

/// Adds the notes of a kind that is checked otherwise.
pub(super) fn complete(scope: &Scope<'_>, wire: &file::Kind, mut kind: Kind) -> Checked<Kind> {
    for note in &wire.note {
        let mut at = Vec::new();
        for text in note.at.get_ref().as_slice() {
            let place = Pattern::parse(text).or_else(|e| fault(note.at.span(), e.to_string()))?;
            if place.column.is_none() && kind.body.is_none() {
                return fault(
                    note.at.span(),
                    "a note on a place in JSON, but the kind names no `body` column",
                );
            }
            if kind.secrets.iter().any(|secret| place.is_within(&secret.at)) {
                return fault(note.at.span(), format!("{text} holds a secret, which is never compared"));
            }
            at.push(place);
        }
        if at.is_empty() || note.equals.get_ref().is_empty() {
            return fault(note.equals.span(), "a note names a place and a value at least");
        }
        if note.text.get_ref().trim().is_empty() {
            return fault(note.text.span(), "a note says something");
        }
        let kinds = |names: &[Spanned<String>]| -> Checked<Vec<usize>> {
            let kind = |name: &Spanned<String>| match scope.by_name.get(name.get_ref()) {
                Some(Target::Kind(kind)) => Ok(*kind),
                _ => fault(name.span(), format!("there is no kind {:?}", name.get_ref())),
            };
            names.iter().map(kind).collect()
        };
        let (remains, ids) = (kinds(&note.remains)?, kinds(&note.ids)?);
        let equals = note.equals.get_ref().iter().map(scalar).collect();
        kind.notes.push(NoteRule { at, equals, text: note.text.get_ref().clone(), remains, ids });
    }
    Ok(kind)
}

/// Sees that what remains is found by the document that it belongs to.
pub(super) fn check(file: &File, kinds: &[Kind]) -> Checked<()> {
    for (index, (kind, wire)) in kinds.iter().zip(&file.kind).enumerate() {
        for (note, wire) in kind.notes.iter().zip(&wire.note) {
            for (remains, name) in note.remains.iter().zip(&wire.remains) {
                let through = |kind: &Kind| {
                    let mut rules = kind.key.iter().filter_map(|key| kind.references.get(key.reference?));
                    rules.any(|rule| rule.to.contains(&Target::Kind(index)))
                };
                let owned = kinds.get(*remains).is_some_and(through);
                if !owned {
                    let text = format!("the key of {} does not run through {}", name.get_ref(), kind.name);
                    return fault(name.span(), text);
                }
            }
        }
    }
    Ok(())
}
