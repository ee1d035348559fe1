use proptest::prelude::*;

use super::canonical::{DecodeError, decode, encode};
use super::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300i64..300).prop_map(Value::Int),
        "[0-9]{1,3}\\.[0-9]{1,20}"
            .prop_filter("leading zero", |t| !t.starts_with('0'))
            .prop_map(|t| Value::Number(t.into())),
        ".{0,40}".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        Just(Value::Secret(SecretId::UNKNOWN)),
        "[a-z ]{1,8}".prop_map(|n| reference("Project", &n)),
        "[A-Z]{1,8}".prop_map(|id| Value::Dangling(Box::new(Dangling {
            kind: KindName::new("Feed"),
            id: Value::Text(id)
        }))),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
            proptest::collection::btree_map(".{0,12}", inner, 0..20)
                .prop_map(|m| Value::Map(Map::from_pairs(m.into_iter().collect()).unwrap())),
        ]
    })
}

const JSON_TOKENS: [&str; 42] = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ",",
    ":",
    "\"a\":",
    "\"b\":",
    "\"a\":1",
    "\"a\"",
    "\"\"",
    "\"",
    "\"é and more text\"",
    "\"plain text that is long\\n and goes on and on\"",
    "\"\\u00e9\\/\\b\\f\\r\\t\\\\\\\"\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ude00\"",
    "\"\\u+123\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"12345678\u{1}\"",
    "\"1\n\"",
    "0",
    "-0",
    "7",
    "-12",
    "007",
    "1.5",
    "1.",
    "-",
    "1e2",
    "1E+",
    "true",
    "tru",
    "false",
    "null",
    " ",
    "\r\n\t",
    "\u{a0}",
];

const KEY_TOKENS: [&str; 26] = [
    "[",
    "]",
    ",",
    ",",
    "{\"Project\":[\"Web\"]}",
    "{\"Project\":",
    "}",
    "{\"?Feed\":[\"F-1\"]}",
    "{\"?Feed\":[]}",
    "\"Web\"",
    "\"\"",
    "\"\\n\"",
    "\"\\u00e9\"",
    "\"é\u{7f}\"",
    "\"",
    "0",
    "-0",
    "7",
    "-12",
    "007",
    "1.5",
    "99999999999999999999",
    "true",
    "null",
    " ",
    "\u{feff}",
];

fn reference(kind: &str, name: &str) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key: Key::name(name) }))
}

fn document(columns: Map, body: Option<Value>) -> Document {
    Document { kind: KindName::new("Project"), key: Key::name("Web"), columns, body }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(body in value(), column in scalar()) {
        let mut columns = Map::new();
        columns.insert("A", column);
        let document = document(columns, Some(body));
        let bytes = encode(&document).unwrap();
        let back = decode(document.kind.clone(), document.key.clone(), &bytes).unwrap();
        prop_assert_eq!(&back, &document);
    }

    /// The decoder's promise: whatever it accepts, the encoder writes the same bytes for.
    #[test]
    fn what_decodes_is_canonical(body in value(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encode(&document(Map::new(), Some(body))).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(back) = decode(KindName::new("K"), Key::name("n"), &bytes) {
            prop_assert_eq!(encode(&back).unwrap(), bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(back) = decode(KindName::new("K"), Key::name("n"), &bytes) {
            prop_assert_eq!(encode(&back).unwrap(), bytes);
        }
    }

    /// Most keys are read in a shorter way, which must not show.
    #[test]
    fn keys_are_read_if_they_are_spelled_as_they_are_written(
        tokens in proptest::collection::vec(prop::sample::select(&KEY_TOKENS[..]), 0..12),
        closed in any::<bool>(),
    ) {
        let inner = tokens.concat();
        let text = if closed { format!("[{inner}]") } else { inner };
        let slowly = Key::from_json(&text).ok().filter(|key| key.to_text() == text);
        prop_assert_eq!(Key::parse(&text).ok(), slowly, "{}", text);
    }

    /// An independent reader takes and refuses the same, and reads the same.
    #[test]
    fn json_is_read_as_others_read_it(
        tokens in proptest::collection::vec(prop::sample::select(&JSON_TOKENS[..]), 0..14),
        closed in any::<bool>(),
    ) {
        let inner = tokens.concat();
        let text = if closed { format!("[{inner}]") } else { inner };
        let read = json::parse(text.as_bytes());
        let others = serde_json::from_str::<serde_json::Value>(&text);
        match (&read, &others) {
            (Ok(read), Ok(others)) => prop_assert_eq!(&json::describe(read), others),
            // Others take the last of two members of one name.
            (Err(json::JsonError::DuplicateMember), Ok(_)) => {}
            _ => prop_assert!(read.is_err() && others.is_err(), "{text}: {read:?} {others:?}"),
        }
    }

    #[test]
    fn json_survives_writing_and_reading(
        v in value().prop_filter("JSON only", |v| {
            let mut plain = true;
            v.visit(&mut Place::body(), &mut |_, v| plain &= !matches!(v, Value::Bytes(_) | Value::Ref(_) | Value::Dangling(_) | Value::Secret(_)));
            plain
        })
    ) {
        prop_assert_eq!(json::parse(json::write(&v).as_bytes()).unwrap(), v);
    }

    #[test]
    fn key_text_survives(parts in proptest::collection::vec(scalar(), 0..4)) {
        if let Ok(key) = Key::new(parts) {
            prop_assert_eq!(Key::parse(&key.to_text()).unwrap(), key);
        }
    }
}

#[test]
fn numbers_keep_their_spelling() {
    for text in
        ["0", "-0", "1.0", "1e5", "18446744073709551616", "0.1000000000000000055", "-9223372036854775808"]
    {
        assert_eq!(json::write(&json::parse(text.as_bytes()).unwrap()), text);
    }
}

#[test]
fn equal_decimals_are_one_value() {
    for (text, value) in [("1.50", "1.5"), ("-0.00", "0"), ("2.00", "2"), ("0.99", "0.99")] {
        assert_eq!(canonical_decimal(text), canonical_decimal(value), "{text}");
    }
    assert_eq!(canonical_decimal("2.00"), Some(Value::Int(2)));
    for wrong in ["", "1.", ".5", "01", "NaN", "1e", "--1", "1,5"] {
        assert_eq!(canonical_decimal(wrong), None, "{wrong}");
    }
}

#[test]
fn json_refuses_what_it_cannot_keep() {
    assert_eq!(json::parse(br#"{"a":1,"b":2,"a":3}"#), Err(json::JsonError::DuplicateMember));
    assert!(json::parse(b"").is_err() && json::parse(b" ").is_err());
    assert!(matches!(json::parse(br#"{"a":}"#), Err(json::JsonError::Syntax { line: 1, .. })));
    // What breaks it is named, wherever it stands: at the end, before another text, the second half alone.
    for (text, line, column) in [
        (r#"{"a":"\ud800"}"#, 1, 7),
        ("{\"\u{e9}\":\n \"\\ud83dx and more text\"}", 2, 3),
        (r#"["\ude00 and more text"]"#, 1, 3),
        (r#"["\ud800\ud800", "more"]"#, 1, 3),
        (r#"["\\\ud800"]"#, 1, 5),
    ] {
        assert_eq!(json::parse(text.as_bytes()), Err(json::JsonError::Surrogate { line, column }), "{text}");
    }
    assert!(json::parse(br#"["\ud83d\ude00", "\\ud800"]"#).is_ok());
    assert!(matches!(json::parse(br#"[}, "\ud800"]"#), Err(json::JsonError::Syntax { line: 1, .. })));
    assert_eq!(json::parse(b"[\"a\xff\"]"), Err(json::JsonError::NotUtf8 { line: 1, column: 4 }));
    let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
    assert_eq!(json::parse(deep.as_bytes()), Err(json::JsonError::TooDeep));
    let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    let value = json::parse(deep.as_bytes()).unwrap();
    let document = document(Map::new(), Some(value));
    decode(document.kind.clone(), document.key.clone(), &encode(&document).unwrap()).unwrap();
}

#[test]
fn the_type_member_comes_first() {
    let value = json::parse(br##"{" a":1,"#b":2,"$type":"T"}"##).unwrap();
    assert!(json::write(&value).starts_with(r#"{"$type":"T","#));
}

#[test]
fn member_order_means_nothing() {
    let a = json::parse(br#"{"b":1,"a":[2]}"#).unwrap();
    let b = json::parse(br#"{"a":[2],"b":1}"#).unwrap();
    assert_eq!(a, b);
}

/// Every marker at both ends of its range, against a writer of MessagePack that is not ours.
#[test]
fn markers_are_those_of_messagepack() {
    use rmp::encode as other;
    let ours = |value: &Value| canonical::encode_value(value).unwrap();
    let powers = (0..63).map(|shift| 1i64 << shift);
    for number in powers.flat_map(|power| [power - 1, power, power + 1]).chain([i64::MAX]) {
        for number in [number, -number, number.wrapping_neg().wrapping_sub(1)] {
            let mut bytes = Vec::new();
            other::write_sint(&mut bytes, number).unwrap();
            assert_eq!(ours(&Value::Int(number)), bytes, "{number}");
        }
    }
    for len in [0, 1, 2, 3, 4, 8, 15, 16, 17, 31, 32, 255, 256, 65_535, 65_536] {
        type Bytes = Vec<u8>;
        let (mut text, mut blob, mut list): (Bytes, Bytes, Bytes) = Default::default();
        let (mut map, mut number): (Bytes, Bytes) = Default::default();
        let digits = "7".repeat(len);
        other::write_str(&mut text, &digits).unwrap();
        other::write_bin(&mut blob, digits.as_bytes()).unwrap();
        other::write_array_len(&mut list, len as u32).unwrap();
        list.resize(list.len() + len, 0xc0);
        other::write_map_len(&mut map, len as u32).unwrap();
        let names = (0..len).map(|n| (format!("{n:05}"), Value::Bool(true)));
        for (name, _) in names.clone() {
            other::write_str(&mut map, &name).unwrap();
            map.push(0xc3);
        }
        other::write_ext_meta(&mut number, len as u32, 1).unwrap();
        number.extend_from_slice(digits.as_bytes());
        assert_eq!(ours(&Value::Text(digits.clone())), text, "{len}");
        assert_eq!(ours(&Value::Bytes(digits.clone().into_bytes())), blob, "{len}");
        assert_eq!(ours(&Value::List(vec![Value::Null; len])), list, "{len}");
        assert_eq!(ours(&Value::Map(Map::from_pairs(names.collect()).unwrap())), map, "{len}");
        assert_eq!(ours(&Value::Number(digits.into())), number, "{len}");
    }
}

#[test]
fn longer_spellings_are_refused() {
    let refuse = |bytes: &[u8]| decode(KindName::new("K"), Key::name("n"), bytes).unwrap_err();
    // [ {}, 5 ] with 5 as uint8, int8, and an array written as array16.
    assert_eq!(refuse(&[0x92, 0x80, 0xcc, 0x05]), DecodeError::NotCanonical);
    assert_eq!(refuse(&[0x92, 0x80, 0xd0, 0xff]), DecodeError::NotCanonical);
    assert_eq!(refuse(&[0x92, 0x80, 0xdc, 0x00, 0x01, 0x05]), DecodeError::NotCanonical);
    assert_eq!(refuse(&[0x91, 0x82, 0xa1, b'b', 0xc0, 0xa1, b'a', 0xc0]), DecodeError::NotCanonical);
    assert_eq!(refuse(&[0x91, 0x80, 0xc0]), DecodeError::Trailing);
    // A float, and a list that claims four billion elements.
    assert_eq!(refuse(&[0x92, 0x80, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0]), DecodeError::Type);
    assert_eq!(refuse(&[0x92, 0x80, 0xdd, 0xff, 0xff, 0xff, 0xff]), DecodeError::Short);
}

#[test]
fn keys_compare_as_the_server_does() {
    let key = |name: &str| Key::new(vec![reference("Project", name), Value::from(name)]).unwrap();
    let ci = Collation::CaseInsensitive;
    assert_eq!(key("Größe ").folded(ci), key("GRÖSSE".replace("SS", "ß").as_str()).folded(ci));
    assert_ne!(key("a").folded(Collation::CaseSensitive), key("A").folded(Collation::CaseSensitive));
    assert_ne!(key("a").folded(ci), key("á").folded(ci));
    assert_eq!(key("Web").to_text(), r#"[{"Project":["Web"]},"Web"]"#);
    assert_eq!(key("Web").to_string(), "Web / Web");
}

#[test]
fn places_are_written_unambiguously() {
    let mut place = Place::body();
    place.push_member("Steps");
    place.push_index(2);
    place.push_member("it's a\\b");
    assert_eq!(place.to_string(), r"$.Steps[2]['it\'s a\\b']");
    assert_eq!(Place::column("ProjectId").to_string(), "ProjectId");
}

#[test]
fn secrets_are_numbered_in_canonical_order() {
    let mut columns = Map::new();
    columns.insert("Z", Value::Secret(SecretId::UNKNOWN));
    columns.insert("A", Value::Secret(SecretId::UNKNOWN));
    let body = Value::Map(
        Map::from_pairs(vec![
            ("y".into(), Value::List(vec![Value::Null, Value::Secret(SecretId::UNKNOWN)])),
            ("x".into(), Value::Secret(SecretId::UNKNOWN)),
        ])
        .unwrap(),
    );
    let places: Vec<_> =
        document(columns, Some(body)).secret_places().iter().map(ToString::to_string).collect();
    assert_eq!(places, ["A", "Z", "$.x", "$.y[1]"]);
}

/// A key with a number that no float can hold was once shown as `null`.
#[test]
fn every_key_can_be_shown() {
    let text = r#"[{"Project":["Web",1e999]},{"?Feed":["feeds-1"]},null,true,1.5,"x"]"#;
    let shown = json::describe_key(&Key::parse(text).unwrap());
    assert_eq!(shown.to_string(), r#"[{"Project":["Web","1e999"]},{"?Feed":["feeds-1"]},null,true,1.5,"x"]"#);
}

/// A second byte order mark was once passed over like the first.
#[test]
fn one_byte_order_mark_is_taken_as_nothing() {
    assert_eq!(json::parse(b"\xef\xbb\xbf[1]"), json::parse(b"[1]"));
    assert!(json::parse(b"\xef\xbb\xbf[1]").is_ok());
    assert!(json::parse(b"\xef\xbb\xbf\xef\xbb\xbf[1]").is_err());
    assert!(json::parse(b"[\xef\xbb\xbf1]").is_err());
}
