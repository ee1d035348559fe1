//! Values by their bytes, so that long lists are compared without looking at every pair.

use crate::document::{Value, canonical};

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
