//! Values by their bytes, so that long lists are compared without looking at every pair: exactly, or as names compare.

use crate::document::{Collation, Map, Value, canonical};

/// Bytes that two values share when they are equal, and only then: a value's canonical bytes, and the numbers of
/// the secrets in it, which are not among those.
pub(super) fn exact_bytes(value: &Value) -> Vec<u8> {
    // A document is far below the size that has no canonical bytes.
    let mut bytes = canonical::encode_value(value).unwrap_or_default();
    secrets(value, &mut bytes);
    bytes
}

fn secrets(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Secret(secret) => out.extend(secret.0.to_be_bytes()),
        Value::List(list) => list.iter().for_each(|value| secrets(value, out)),
        Value::Map(map) => map.iter().for_each(|(_, value)| secrets(value, out)),
        Value::Dangling(dangling) => secrets(&dangling.id, out),
        Value::Ref(reference) => reference.key.parts().iter().for_each(|part| secrets(part, out)),
        _ => {}
    }
}

/// Bytes that two objects share when the members that identify them compare as equal.
pub(crate) fn identity_bytes(map: &Map, by: &[String], collation: Collation) -> Vec<u8> {
    let parts = by.iter().map(|name| map.get(name).and_then(|value| loose(value, collation)));
    exact_bytes(&Value::List(parts.map(Option::unwrap_or_default).collect()))
}

/// Says whether two values compare as equal: texts and references as the server compares names, lists without regard to
/// order and repetition, and null, an empty list and an empty object as nothing.
pub fn compare_equal(one: &Value, other: &Value, collation: Collation) -> bool {
    loose_bytes(one, collation) == loose_bytes(other, collation)
}

/// Bytes that two values share when they compare as equal: texts and references as the server compares names, lists
/// without regard to order and repetition. A missing member, null, an empty list and an empty object are equal.
pub(super) fn loose_bytes(value: &Value, collation: Collation) -> Vec<u8> {
    exact_bytes(&loose(value, collation).unwrap_or_default())
}

fn loose(value: &Value, collation: Collation) -> Option<Value> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) => Value::Text(collation.fold(text)),
        Value::Ref(reference) => {
            let (kind, key) = (reference.kind.as_str(), reference.key.folded(collation));
            Value::List(vec![Value::Bool(true), Value::from(kind), Value::Text(key)])
        }
        Value::List(list) => {
            let named = |value: &Value| value.as_text().is_none_or(|text| !text.is_empty());
            let mut list: Vec<Value> =
                list.iter().filter_map(|value| loose(value, collation)).filter(named).collect();
            if list.is_empty() {
                return None;
            }
            list.sort_by_cached_key(exact_bytes);
            list.dedup();
            Value::List(list)
        }
        Value::Map(map) => {
            let members =
                map.iter().filter_map(|(name, value)| Some((name.to_owned(), loose(value, collation)?)));
            match Map::from_pairs(members.collect()) {
                Ok(map) if !map.is_empty() => Value::Map(map),
                _ => return None,
            }
        }
        other => other.clone(),
    })
}
