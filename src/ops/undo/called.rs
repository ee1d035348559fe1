//! What the server calls a document once an import is done, where references may call it otherwise: one that was found
//! by an id that is the same on every server keeps its own name when it is not written, and loses that when it is.

use std::collections::HashMap;

use crate::document::{Collation, Document, Key, KindName, Reference, Value};

use super::left::replace;
use crate::ops::translate::Layout;

/// Documents with two names: by kind and the folded key that nothing has any more, with the key that the server has.
#[derive(Debug, Default)]
pub(in crate::ops) struct Called(HashMap<(KindName, String), Key>);

impl Called {
    /// Notes a document's name of the bundle and that of the server, and whether it gets the former.
    pub fn note(&mut self, layout: &Layout<'_>, ours: &Key, theirs: &Key, written: bool) {
        let folded = |key: &Key| (layout.kind.name.clone(), key.folded(layout.collation()));
        let (our_place, their_place) = (folded(ours), folded(theirs));
        if our_place == their_place {
            return;
        }
        // It may have been decided on before, otherwise.
        let (lost, other, stays) = match written {
            true => (their_place, our_place, ours),
            false => (our_place, their_place, theirs),
        };
        self.0.remove(&other);
        self.0.insert(lost, stays.clone());
    }

    /// Names what a document refers to as it will be read again.
    pub fn rename(&self, layout: &Layout<'_>, document: &mut Document) {
        let collation = layout.collation();
        if !self.0.is_empty() && replace(document, &|value| self.value(value, collation)) {
            layout.kind.sort_sets(document, collation);
        }
    }

    /// A reference by the other name; `None` where it has no other.
    fn value(&self, value: &Value, collation: Collation) -> Option<Value> {
        let Value::Ref(reference) = value else { return None };
        let Reference { kind, key } = &**reference;
        let key = match self.0.get(&(kind.clone(), key.folded(collation))) {
            Some(key) => key.clone(),
            None => {
                let others: Vec<_> = key.parts().iter().map(|part| self.value(part, collation)).collect();
                if others.iter().all(Option::is_none) {
                    return None;
                }
                let parts = others.into_iter().zip(key.parts());
                Key::new(parts.map(|(other, part)| other.unwrap_or_else(|| part.clone())).collect()).ok()?
            }
        };
        Some(Value::Ref(Box::new(Reference { kind: kind.clone(), key })))
    }
}
