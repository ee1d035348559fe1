//! JSON text in and out: exact numbers, no duplicate members, bounded depth.

use std::fmt::Write as _;

use json_event_parser::{JsonEvent, SliceJsonParser};

use super::{MAX_DEPTH, Map, Value};

/// Why a text is not JSON that Sealift takes. Never quotes the text: it may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text breaks JSON's grammar.
    #[error("not valid JSON near line {line}, column {column}")]
    Syntax {
        /// Line, from one.
        line: u64,
        /// Column, from one.
        column: u64,
    },
    /// A text escapes half of a surrogate pair, which is no character.
    #[error(
        "half of a surrogate pair, an escape \\uD800 to \\uDFFF without its other half, at line {line}, column {column}"
    )]
    Surrogate {
        /// Line, from one.
        line: u64,
        /// Column, from one.
        column: u64,
    },
    /// The bytes are no UTF-8.
    #[error("no UTF-8 text: a byte at line {line}, column {column} belongs to no character")]
    NotUtf8 {
        /// Line, from one.
        line: u64,
        /// Column, from one.
        column: u64,
    },
    /// The text is UTF-16.
    #[error("no UTF-8 text but UTF-16; save it as UTF-8")]
    Utf16,
    /// One object has two members of the same name; which one counts would be a guess.
    #[error("an object has two members of one name")]
    DuplicateMember,
    /// The text nests deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The text holds no value.
    #[error("the JSON text is empty")]
    Empty,
}

/// A list or object that is being read: where its elements begin on their stack.
enum Open {
    List(usize),
    Map(usize),
}

/// Reads one JSON value. A byte order mark at the start is taken as nothing.
///
/// # Errors
/// [`JsonError`]; the message never shows the text.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_within(text, MAX_DEPTH)
}

/// Like [`parse`], with another limit of depth: for text that spells more than a document.
pub(crate) fn parse_within(text: &[u8], most: usize) -> Result<Value, JsonError> {
    // The parser passes over one byte order mark.
    let mut parser = SliceJsonParser::new(text);
    let mut open: Vec<Open> = Vec::new();
    // What is read of all open lists and objects, innermost last: each is taken off as one piece of the
    // right size when it ends.
    let mut elements: Vec<Value> = Vec::new();
    let mut members: Vec<(String, Value)> = Vec::new();
    let mut root = None;
    loop {
        let event = parser.parse_next().map_err(|e| {
            let at = e.location();
            cause(text, (at.start.line + 1, at.start.column + 1), (at.end.line + 1, at.end.column + 1))
        })?;
        let value = match event {
            JsonEvent::Null => Value::Null,
            JsonEvent::Boolean(truth) => Value::Bool(truth),
            JsonEvent::Number(text) => number(&text),
            JsonEvent::String(text) => Value::Text(text.into_owned()),
            JsonEvent::ObjectKey(name) => {
                members.push((name.into_owned(), Value::Null));
                continue;
            }
            JsonEvent::StartArray | JsonEvent::StartObject if open.len() >= most => {
                return Err(JsonError::TooDeep);
            }
            JsonEvent::StartArray => {
                open.push(Open::List(elements.len()));
                continue;
            }
            JsonEvent::StartObject => {
                open.push(Open::Map(members.len()));
                continue;
            }
            JsonEvent::EndArray | JsonEvent::EndObject => match open.pop() {
                Some(Open::List(start)) => Value::List(elements.drain(start..).collect()),
                Some(Open::Map(start)) => {
                    let pairs = members.drain(start..).collect();
                    Value::Map(Map::from_pairs(pairs).map_err(|_| JsonError::DuplicateMember)?)
                }
                None => return Err(JsonError::Empty),
            },
            JsonEvent::Eof => return root.ok_or(JsonError::Empty),
        };
        match open.last() {
            Some(Open::List(_)) => elements.push(value),
            // The member's name came before its value.
            Some(Open::Map(_)) => {
                if let Some((_, member)) = members.last_mut() {
                    *member = value;
                }
            }
            None => root = Some(value),
        }
    }
}

/// Why a text is refused that was read up to a line and column, from one: what can be said better than that its grammar is
/// broken.
fn cause(text: &[u8], refused: (u64, u64), read: (u64, u64)) -> JsonError {
    // JSON begins with an ASCII character.
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] =
        text
    {
        return JsonError::Utf16;
    }
    if let Err(error) = std::str::from_utf8(text) {
        let (line, column) = position(text, error.valid_up_to());
        if (line, column) <= read {
            return JsonError::NotUtf8 { line, column };
        }
    } else if let Some((text_begins, at)) = half_pair(text)
        && position(text, text_begins) <= refused
    {
        let (line, column) = position(text, at);
        return JsonError::Surrogate { line, column };
    }
    JsonError::Syntax { line: refused.0, column: refused.1 }
}

/// Line and column of a byte, from one.
fn position(text: &[u8], at: usize) -> (u64, u64) {
    let before = text.get(..at).unwrap_or(text);
    let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let begins_a_character = |byte: &&u8| **byte & 0xc0 != 0x80;
    (lines + 1, line.iter().filter(begins_a_character).count() as u64 + 1)
}

/// The first escape of one half of a surrogate pair without the other: where its text begins, and where it stands.
fn half_pair(text: &[u8]) -> Option<(usize, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut at, mut begins) = (0, None);
    while let Some(byte) = text.get(at) {
        at += match (byte, begins) {
            (b'"', None) => {
                begins = Some(at);
                1
            }
            (b'"', Some(_)) => {
                begins = None;
                1
            }
            (b'\\', Some(begins)) => match (unit(at), unit(at + 6)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
                (Some(0xd800..=0xdfff), _) => return Some((begins, at)),
                // A backslash that is escaped escapes nothing itself.
                _ => 2,
            },
            _ => 1,
        };
    }
    None
}

fn number(text: &str) -> Value {
    match text.parse::<i64>() {
        // "-0" parses as 0 but is spelled otherwise.
        Ok(number) if number != 0 || text == "0" => Value::Int(number),
        _ => Value::Number(text.into()),
    }
}

/// Writes JSON text without blanks, members in canonical order (`$type` stands first where there is one:
/// the product's reader asks for that).
///
/// References, secrets and bytes have no JSON of their own: a document is rendered for its server first.
/// Should one be left it is written as `null`.
pub fn write(value: &Value) -> String {
    let mut out = String::with_capacity(value.weight());
    write_to(&mut out, value);
    out
}

fn write_to(out: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Ref(_) | Value::Dangling(_) | Value::Secret(_) | Value::Bytes(_) => {
            out.push_str("null");
        }
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Number(number) => out.push_str(number),
        Value::Text(text) => write_text(out, text),
        Value::List(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_to(out, value);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            let first = map.get("$type").map(|value| ("$type", value));
            let rest = map.iter().filter(|(name, _)| *name != "$type");
            for (index, (name, value)) in first.into_iter().chain(rest).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(out, name);
                out.push(':');
                write_to(out, value);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    // The escapes JSON asks for and no others, as the product writes them.
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || (c as u32) < 0x20) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Writes a portable value as JSON for people and tools to read: references as `{"$ref": {kind: key}}`,
/// secrets as `{"$secret": true}`, bytes as `{"$hex": …}`.
pub fn describe(value: &Value) -> serde_json::Value {
    use serde_json::json;
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => json!(truth),
        Value::Int(number) => json!(number),
        Value::Number(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_string()))
        }
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => {
            let hex = bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            json!({ "$hex": hex })
        }
        Value::List(list) => list.iter().map(describe).collect(),
        Value::Map(map) => {
            serde_json::Value::Object(map.iter().map(|(n, v)| (n.to_owned(), describe(v))).collect())
        }
        Value::Ref(reference) => json!({ "$ref": { reference.kind.as_str(): describe_key(&reference.key) } }),
        Value::Dangling(dangling) => {
            json!({ "$dangling": { dangling.kind.as_str(): describe(&dangling.id) } })
        }
        Value::Secret(_) => json!({ "$secret": true }),
    }
}

/// Writes a key as JSON for people and tools: a list, references as objects of one member.
pub fn describe_key(key: &super::Key) -> serde_json::Value {
    use serde_json::json;
    let part = |part: &Value| match part {
        Value::Ref(reference) => json!({ reference.kind.as_str(): describe_key(&reference.key) }),
        Value::Dangling(dangling) => json!({ format!("?{}", dangling.kind): [describe(&dangling.id)] }),
        other => describe(other),
    };
    key.parts().iter().map(part).collect()
}
