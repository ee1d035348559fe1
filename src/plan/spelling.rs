//! References compare as the server compares names, whatever their spelling.

use std::collections::HashMap;

use crate::document::{Collation, Document, Key, Value};

/// Spells the references of a document as another document spells them, where both name the same by the
/// collation.
///
/// A document that was renamed in case only ("PRODUCTION" to "Production") is a change of that document, and
/// not of all that refer to it.
pub fn respell(document: &mut Document, like: &Document, collation: Collation) {
    let mut spelled: HashMap<(String, String), Key> = HashMap::new();
    like.each(&mut |value| {
        if let Value::Ref(reference) = value {
            let name = (reference.kind.to_string(), reference.key.folded(collation));
            spelled.entry(name).or_insert_with(|| reference.key.clone());
        }
    });
    if spelled.is_empty() {
        return;
    }
    for (_, value) in document.columns.iter_mut() {
        spell(value, &spelled, collation);
    }
    if let Some(body) = &mut document.body {
        spell(body, &spelled, collation);
    }
}

fn spell(value: &mut Value, spelled: &HashMap<(String, String), Key>, collation: Collation) {
    match value {
        Value::Ref(reference) => {
            let name = (reference.kind.to_string(), reference.key.folded(collation));
            if let Some(key) = spelled.get(&name) {
                reference.key = key.clone();
            }
        }
        Value::List(list) => list.iter_mut().for_each(|value| spell(value, spelled, collation)),
        Value::Map(map) => map.iter_mut().for_each(|(_, value)| spell(value, spelled, collation)),
        _ => {}
    }
}
