//! Canonical bytes, keys and places: what is read is written as it was.

use std::collections::HashSet;

use sealift::document::canonical::{self, ContentId};
use sealift::document::{Collation, Document, Key, KindName, Map, Reference, Value, json};

/// Any bytes: as a document's canonical bytes, and as the text of a key.
pub fn holds(bytes: &[u8]) {
    if let Ok(document) = canonical::decode(KindName::new("Item"), Key::name("a"), bytes) {
        let again = canonical::encode(&document).unwrap();
        assert_eq!(again, bytes, "what decodes is what the encoder writes");
        assert_eq!(ContentId::of(&again), ContentId::of(bytes));
        places_lead_back(&document);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(key) = Key::parse(text)
    {
        assert_eq!(key.to_text(), text, "a key has one spelling");
        carries(&key);
    }
}

/// Every value is found at its place, no two places of the body have one text, and the secret places are
/// those that hold secrets, in the order of the walk.
pub fn places_lead_back(document: &Document) {
    let mut texts = HashSet::new();
    let mut secrets = Vec::new();
    document.visit(&mut |place, value| {
        assert_eq!(document.at(place), Some(value), "{place}");
        if place.column_name().is_none() {
            assert!(texts.insert(place.to_string()), "two places are called {place}");
        }
        if matches!(value, Value::Secret(_)) {
            secrets.push(place.clone());
        }
    });
    assert_eq!(document.secret_places(), secrets);
    let mut changed = document.clone();
    for place in &secrets {
        *changed.at_mut(place).unwrap() = Value::Null;
    }
    assert!(changed.secret_places().is_empty());
}

/// What a document says survives its canonical bytes, secrets' numbers aside.
pub fn survives(document: &Document) {
    let bytes = canonical::encode(document).unwrap();
    let back = canonical::decode(document.kind.clone(), document.key.clone(), &bytes).unwrap();
    assert_eq!(back.columns.len(), document.columns.len());
    assert_eq!(canonical::encode(&back).unwrap(), bytes);
    holds(&bytes);
}

/// A key can be folded, and carried by a reference.
pub fn carries(key: &Key) {
    for collation in [Collation::CaseInsensitive, Collation::CaseSensitive] {
        let folded = Key::parse(&key.folded(collation)).expect("a folded key is a key");
        assert_eq!(folded.folded(collation), folded.to_text(), "folding once is enough");
        assert_eq!(folded.folded(collation), key.folded(collation));
    }
    assert!(!json::describe_key(key).is_null(), "a key can be shown");
    let _ = (key.leaf(), key.to_string());
    let mut columns = Map::new();
    columns.insert("A", Value::Ref(Box::new(Reference { kind: KindName::new("K"), key: key.clone() })));
    let document = Document { kind: KindName::new("Item"), key: Key::name("a"), columns, body: None };
    let bytes = canonical::encode(&document).unwrap();
    let back = canonical::decode(document.kind.clone(), document.key.clone(), &bytes);
    assert_eq!(back.as_ref(), Ok(&document), "what has a key can be referred to");
}
