//! A document from the text of its file, or everything that is wrong with it.
//!
//! Obeys `format-spec/tree-v1.md`, "Files". The text comes from anyone. It may be laid out as its editor
//! likes; what it says must be what [`spell`](super::spell) could have said. No message shows a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::document::json::{self, JsonError};
use crate::document::{Dangling, Document, Key, KindName, MAX_DEPTH, Map, Place, Reference, SecretId, Value};

use super::spell;

/// How deep the JSON of a file nests: what a document may, and what its markers add.
const FILE_DEPTH: usize = 4 * MAX_DEPTH;

/// A sealed value as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its bytes.
    pub value: Vec<u8>,
    /// The text of the place it was sealed for; it opens at no other.
    pub at: String,
}

/// A document as its file says it, as far as it can be read.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) kind: Option<KindName>,
    pub(super) key: Option<Key>,
    /// Null stands where something is wrong.
    columns: Option<Map>,
    body: Option<Value>,
    /// The sealed values, by the place they stand at.
    pub(super) sealed: Vec<(Place, Sealed)>,
    /// The scripts to be put back, by place.
    pub(super) scripts: Vec<(Place, Script)>,
    /// Everything that is wrong with it.
    pub(super) wrong: Vec<Wrong>,
}

impl Parsed {
    /// The document, where its file has all of its parts.
    pub(super) fn document(&mut self) -> Option<Document> {
        let (kind, key) = (self.kind.clone()?, self.key.clone()?);
        Some(Document { kind, key, columns: self.columns.take()?, body: self.body.take() })
    }
}

/// A script that the document leaves to a file.
pub(super) struct Script {
    /// The file's name.
    pub(super) file: String,
    /// Its text, where the document keeps it as well.
    pub(super) text: Option<String>,
}

/// What is wrong, by the text of the place.
pub(super) type Wrong = (Option<String>, String);

/// Parses a file's JSON.
pub(super) fn json(text: &[u8]) -> Result<Value, JsonError> {
    json::parse_within(text, FILE_DEPTH)
}

/// Reads a document.
pub(super) fn document(text: &[u8]) -> Parsed {
    let unreadable = |problem| Parsed { wrong: vec![(None, problem)], ..Parsed::default() };
    let mut map = match json(text) {
        Ok(Value::Map(map)) => map,
        Ok(_) => return unreadable("a document is an object with kind, key and columns".to_owned()),
        Err(error) => return unreadable(error.to_string()),
    };
    let mut wrong = Vec::new();
    let kind = match map.remove("kind") {
        Some(Value::Text(kind)) => Some(KindName::new(&kind)),
        _ => missing(&mut wrong, "kind", "the name of the document's kind"),
    };
    let key = match map.remove("key").map(own_key) {
        Some(Ok(key)) => Some(key),
        Some(Err(problem)) => {
            wrong.push((Some("key".to_owned()), problem));
            None
        }
        None => missing(&mut wrong, "key", "the document's natural key, a list"),
    };
    let mut reader = Reader { wrong, sealed: Vec::new(), scripts: Vec::new() };
    let columns = match map.remove("columns") {
        Some(Value::Map(columns)) => reader.columns(columns),
        _ => missing(&mut reader.wrong, "columns", "an object, even where it is empty"),
    };
    let body = map.remove("body").map(|body| reader.value(&mut Place::body(), body, 0));
    let Reader { mut wrong, sealed, scripts } = reader;
    for (name, _) in map.iter() {
        wrong.push((Some(name.to_owned()), "a document has kind, key, columns and body only".to_owned()));
    }
    Parsed { kind, key, columns, body, sealed, scripts, wrong }
}

fn missing<T>(wrong: &mut Vec<Wrong>, name: &str, what: &str) -> Option<T> {
    wrong.push((Some(name.to_owned()), format!("there must be {what}")));
    None
}

/// Reads a document's own key, which must have a text.
fn own_key(value: Value) -> Result<Key, String> {
    let key = read_key(value, 0)?;
    match Key::parse(&key.to_text()) {
        Ok(_) => Ok(key),
        Err(_) => {
            Err("no key has such a text: it nests too deep, or a kind in it needs an escape".to_owned())
        }
    }
}

/// How many levels a value adds below its own.
fn levels(value: &Value) -> usize {
    match value {
        Value::Ref(reference) => reference.key.parts().iter().map(|part| 1 + levels(part)).max().unwrap_or(0),
        Value::Dangling(_) => 1,
        _ => 0,
    }
}

/// Reads a key: a list of scalars, references as objects of one member.
pub(super) fn read_key(value: Value, depth: usize) -> Result<Key, String> {
    if depth > MAX_DEPTH {
        return Err("it nests too deep".to_owned());
    }
    let Value::List(parts) = value else { return Err("a key is a list".to_owned()) };
    let parts = parts.into_iter().map(|part| match part {
        Value::Map(map) => {
            let (kind, key) = only(map).ok_or("a reference in a key is an object of one member, the kind")?;
            match kind.strip_prefix('?') {
                None => {
                    let reference = Reference { kind: KindName::new(&kind), key: read_key(key, depth + 1)? };
                    Ok(Value::Ref(Box::new(reference)))
                }
                Some(kind) => match key {
                    Value::List(ids) => match <[Value; 1]>::try_from(ids) {
                        Ok([Value::Map(_)]) => Err("an id in a key is text, a number or the like".to_owned()),
                        Ok([id]) => dangling(kind, id),
                        Err(_) => Err("a dangling reference in a key holds one id".to_owned()),
                    },
                    _ => Err("a dangling reference in a key holds one id, in a list".to_owned()),
                },
            }
        }
        Value::List(_) => Err("a part of a key is a scalar or a reference".to_owned()),
        scalar => Ok(scalar),
    });
    let parts = parts.collect::<Result<Vec<_>, String>>()?;
    Key::new(parts).map_err(|error| error.to_string())
}

fn dangling(kind: &str, id: Value) -> Result<Value, String> {
    let id = match id {
        Value::Map(map) => bytes(map)?,
        Value::List(_) => return Err("an id is a scalar".to_owned()),
        id => id,
    };
    Ok(Value::Dangling(Box::new(Dangling { kind: KindName::new(kind), id })))
}

/// The one member of an object of one.
fn only(map: Map) -> Option<(String, Value)> {
    let mut members = map.into_iter();
    let member = members.next()?;
    members.next().is_none().then_some(member)
}

/// Reads `{ "$hex": … }`.
pub(super) fn bytes(map: Map) -> Result<Value, String> {
    match only(map) {
        Some((name, Value::Text(digits))) if name == "$hex" => unhex(&digits)
            .map(Value::Bytes)
            .ok_or_else(|| "$hex takes pairs of the digits 0-9 a-f".to_owned()),
        _ => Err("an object stands where only a scalar may".to_owned()),
    }
}

/// Bytes of lower-case hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

struct Reader {
    wrong: Vec<Wrong>,
    sealed: Vec<(Place, Sealed)>,
    scripts: Vec<(Place, Script)>,
}

impl Reader {
    fn columns(&mut self, columns: Map) -> Option<Map> {
        if let Some(name) = marker_name(&columns) {
            let problem = format!("a column of the name {name:?} is written \"${name}\"");
            self.wrong.push((Some("columns".to_owned()), problem));
            return None;
        }
        let pairs = columns.into_iter().map(|(name, value)| {
            let name = plain_name(name);
            let value = self.value(&mut Place::column(&name), value, 0);
            (name, value)
        });
        // One `$` less keeps different names different.
        Map::from_pairs(pairs.collect()).ok()
    }

    fn value(&mut self, place: &mut Place, value: Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            self.wrong.push((Some(place.to_string()), format!("nested deeper than {MAX_DEPTH} levels")));
            return Value::Null;
        }
        match value {
            Value::List(list) => {
                let elements = list.into_iter().enumerate().map(|(index, value)| {
                    place.push_index(index);
                    let value = self.value(place, value, depth + 1);
                    place.pop();
                    value
                });
                Value::List(elements.collect())
            }
            Value::Map(map) => match marker_name(&map) {
                Some(name) => {
                    let value = self.marker(&name, place, map).and_then(|value| match levels(&value) {
                        more if depth + more > MAX_DEPTH => {
                            Err(format!("nested deeper than {MAX_DEPTH} levels"))
                        }
                        _ => Ok(value),
                    });
                    value.unwrap_or_else(|problem| {
                        self.wrong.push((Some(place.to_string()), problem));
                        Value::Null
                    })
                }
                None => {
                    let pairs = map.into_iter().map(|(name, value)| {
                        let name = plain_name(name);
                        place.push_member(&name);
                        let value = self.value(place, value, depth + 1);
                        place.pop();
                        (name, value)
                    });
                    let pairs = pairs.collect();
                    // One `$` less keeps different names different.
                    Value::Map(Map::from_pairs(pairs).unwrap_or_default())
                }
            },
            scalar => scalar,
        }
    }

    fn marker(&mut self, name: &str, place: &Place, mut map: Map) -> Result<Value, String> {
        let value = map.remove(name).unwrap_or_default();
        let beside = match name {
            "$sealed" => map.remove("at"),
            "$script" => map.remove("text"),
            _ => None,
        };
        if let Some((other, _)) = map.iter().next() {
            return Err(format!(
                "{other:?} stands beside {name:?}; a product's own member of that name is written \"${name}\""
            ));
        }
        match (name, value, beside) {
            ("$ref", Value::Map(reference), _) => {
                let (kind, key) =
                    only(reference).ok_or("$ref takes an object of one member: kind and key")?;
                let key = read_key(key, 0).map_err(|problem| format!("$ref: {problem}"))?;
                Ok(Value::Ref(Box::new(Reference { kind: KindName::new(&kind), key })))
            }
            ("$dangling", Value::Map(map), _) => {
                let (kind, id) = only(map).ok_or("$dangling takes an object of one member: kind and id")?;
                dangling(&kind, id)
            }
            ("$hex", Value::Text(digits), _) => unhex(&digits)
                .map(Value::Bytes)
                .ok_or_else(|| "$hex takes pairs of the digits 0-9 a-f".to_owned()),
            ("$secret", Value::Bool(true), _) => Ok(Value::Secret(SecretId::UNKNOWN)),
            ("$sealed", Value::Text(text), Some(Value::Text(at))) => {
                let value = STANDARD.decode(text).map_err(|_| "$sealed takes base64 with padding")?;
                self.sealed.push((place.clone(), Sealed { value, at }));
                Ok(Value::Secret(SecretId::UNKNOWN))
            }
            ("$sealed", ..) => Err("$sealed takes base64, and \"at\" the place it was sealed for".to_owned()),
            ("$script", Value::Text(file), text @ (None | Some(Value::Text(_)))) => {
                let text = text.as_ref().and_then(Value::as_text).map(str::to_owned);
                self.scripts.push((place.clone(), Script { file, text: text.clone() }));
                Ok(Value::Text(text.unwrap_or_default()))
            }
            ("$secret", ..) => Err("$secret is true: a secret without a value".to_owned()),
            _ => Err(format!("{name} is malformed")),
        }
    }
}

/// The member that makes an object one of ours.
fn marker_name(map: &Map) -> Option<String> {
    let ours = |name: &&str| !name.starts_with("$$") && spell::is_reserved(name);
    map.iter().map(|(name, _)| name).find(ours).map(str::to_owned)
}

fn plain_name(name: String) -> String {
    match name.strip_prefix('$') {
        Some(rest) if spell::is_reserved(rest) => rest.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c$]{0,3}",
            prop::sample::select(vec![
                "$ref",
                "$$ref",
                "$sealed",
                "$secret",
                "$hex",
                "$script",
                "$$$dangling",
                "ref",
                "$type",
                "at"
            ])
            .prop_map(str::to_owned)
        ]
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec!["1.50", "-0", "1e5", "18446744073709551616"])
                .prop_map(|n| Value::Number(n.into())),
            "\\PC{0,6}|[\u{0}-\u{1f}\"\\\\\u{7f}\r\n]{0,4}".prop_map(Value::from),
        ]
    }

    fn key() -> impl Strategy<Value = Key> {
        let part = scalar().prop_recursive(3, 8, 3, |inner| {
            let kind = "[A-Z][a-z]{0,3}".prop_map(|k| KindName::new(&k));
            (kind, proptest::collection::vec(inner, 0..3), any::<bool>()).prop_map(
                |(kind, parts, dangles)| match dangles {
                    true => Value::Dangling(Box::new(Dangling { kind, id: Value::from("Projects-1") })),
                    false => Value::Ref(Box::new(Reference { kind, key: Key::new(parts).unwrap() })),
                },
            )
        });
        proptest::collection::vec(part, 0..4).prop_map(|parts| Key::new(parts).unwrap())
    }

    fn value() -> impl Strategy<Value = Value> {
        let kind = || "[A-Z][a-z]{0,3}".prop_map(|k| KindName::new(&k));
        let id = prop_oneof![scalar(), proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::Bytes)];
        let leaf = prop_oneof![
            4 => scalar(),
            1 => proptest::collection::vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
            1 => (kind(), key()).prop_map(|(kind, key)| Value::Ref(Box::new(Reference { kind, key }))),
            1 => (kind(), id).prop_map(|(kind, id)| Value::Dangling(Box::new(Dangling { kind, id }))),
            1 => Just(Value::Secret(SecretId::UNKNOWN)),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
                proptest::collection::btree_map(name(), inner, 0..5)
                    .prop_map(|map| Value::Map(Map::from_pairs(map.into_iter().collect()).unwrap())),
            ]
        })
    }

    proptest! {
        /// What the bundle can say, the tree can say, and it comes back the same.
        #[test]
        fn every_document_survives(
            key in key(),
            columns in proptest::collection::btree_map(name(), value(), 0..3),
            body in proptest::option::of(value()),
        ) {
            let columns = Map::from_pairs(columns.into_iter().collect()).unwrap();
            let document = Document { kind: KindName::new("Kind"), key, columns, body };
            let places = document.secret_places();
            let sealed: Vec<_> = (0..places.len()).map(|n| (n % 3 > 0).then(|| vec![n as u8; n])).collect();
            let text = spell::document(&document, &sealed, &HashMap::new());
            let tidy = text.ends_with("}\n") && !text.contains('\r') && !text.contains(" \n");
            prop_assert!(tidy);
            let mut parsed = super::document(text.as_bytes());
            prop_assert!(parsed.wrong.is_empty(), "{:?}\n{text}", parsed.wrong);
            prop_assert_eq!(parsed.document(), Some(document));
            let expected = places.into_iter().zip(sealed).filter_map(|(place, value)| {
                let at = place.to_string();
                Some((place, Sealed { value: value?, at }))
            });
            let mut expected: Vec<_> = expected.collect();
            let mut found = parsed.sealed;
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            found.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn nothing_read_makes_it_panic(text in "[\\[\\]{}\",:a-e$0-9 ]{0,60}|\\PC{0,30}") {
            drop(super::document(text.as_bytes()));
        }
    }

    #[test]
    fn a_document_looks_as_the_specification_shows() {
        let key = Key::parse(r#"[{"Space":["Default"]},"Ops"]"#).unwrap();
        let reference =
            |kind: &str, key: Key| Value::Ref(Box::new(Reference { kind: KindName::new(kind), key }));
        let mut columns = Map::new();
        columns.insert("SpaceId", reference("Space", Key::name("Default")));
        columns.insert("Data", Value::Bytes(vec![0, 255]));
        let mut body = Map::new();
        body.insert("Password", Value::Secret(SecretId::UNKNOWN));
        body.insert("$ref", Value::from("a\r\n\"b\""));
        body.insert("Tags", Value::List(vec![]));
        body.insert("Ports", Value::List(vec![Value::Int(80), Value::Number("1.50".into())]));
        let document = Document { kind: KindName::new("Team"), key, columns, body: Some(Value::Map(body)) };
        let text = spell::document(&document, &[Some((1..=40).collect())], &HashMap::new());
        let expected = r#"{
  "kind": "Team",
  "key": [{ "Space": ["Default"] }, "Ops"],
  "columns": {
    "Data": { "$hex": "00ff" },
    "SpaceId": { "$ref": { "Space": ["Default"] } }
  },
  "body": {
    "$$ref": "a\r\n\"b\"",
    "Password": { "$sealed": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKA==", "at": "$.Password" },
    "Ports": [
      80,
      1.50
    ],
    "Tags": []
  }
}
"#;
        assert_eq!(text, expected);
        let spec =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/format-spec/tree-v1.md")).unwrap();
        assert!(spec.contains(expected), "the example of the specification is another");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = r#"{ "kind": "Team", "key": ["a"], "columns": { "A": { "$ref": "x" }, "B": { "$sealed": "!", "at": "B" } },
            "body": { "x": [{ "$secret": "hunter2" }], "y": { "$ref": { "A": ["b"] }, "z": 1 } }, "more": 1 }"#;
        let wrong = super::document(text.as_bytes()).wrong;
        let places: Vec<_> = wrong.iter().map(|(place, _)| place.as_deref().unwrap()).collect();
        assert_eq!(places, ["A", "B", "$.x[0]", "$.y", "more"]);
        assert!(!format!("{wrong:?}").contains("hunter2"));
    }

    #[test]
    fn broken_json_is_told_with_its_line() {
        let wrong = super::document(b"{\n  \"kind\": \"Team\",\n  \"key\" [\"a\"]\n}").wrong;
        let (_, text) = wrong.first().unwrap();
        assert!(text.contains("line 3, column 9"), "{text}");
    }
}
