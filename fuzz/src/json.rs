//! JSON text: what is read, written and read again is the same, and another reader agrees on what JSON is.

use sealift::document::json::{self, JsonError};
use sealift::document::{Value, canonical};
use serde::de::IgnoredAny;

/// Any bytes, as JSON.
pub fn holds(bytes: &[u8]) {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let parsed = json::parse(bytes);
    match &parsed {
        Ok(value) => {
            assert!(serde_json::from_slice::<IgnoredAny>(text).is_ok(), "another reader refuses it");
            round_trip(value);
        }
        Err(JsonError::TooDeep | JsonError::DuplicateMember) => {}
        Err(error) => {
            let other = serde_json::from_slice::<serde_json::Value>(text);
            assert!(other.is_err(), "another reader takes it: {error}");
        }
    }
}

/// A value that has a JSON of its own survives it.
pub fn round_trip(value: &Value) {
    let written = json::write(value);
    let again = json::parse(written.as_bytes()).expect("what is written is JSON");
    assert_eq!(&again, value);
    assert_eq!(json::write(&again), written, "a value has one spelling");
    assert_eq!(canonical::encode_value(&again), canonical::encode_value(value));
    let _ = json::describe(value);
}
