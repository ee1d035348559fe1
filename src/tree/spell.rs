//! A document as the text of its file.
//!
//! Obeys `format-spec/tree-v1.md`, "Files". The text depends on the document alone; [`parse`](super::parse)
//! reads it back.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::document::{Document, Key, Map, Place, Value};

/// Members of objects that mean something here. A product's own member of such a name is written with one more
/// `$`, and so is one that has several.
const RESERVED: [&str; 6] = ["$ref", "$dangling", "$hex", "$sealed", "$secret", "$script"];

/// Whether a member's name, but for the number of its `$`, is one of ours.
pub(super) fn is_reserved(name: &str) -> bool {
    let bare = name.trim_start_matches('$');
    bare.len() < name.len() && RESERVED.iter().any(|reserved| reserved.get(1..) == Some(bare))
}

/// JSON on its way to text.
pub(super) enum Json {
    /// On one line: a scalar, a reference, a marker.
    Inline(String),
    /// A list, an element a line.
    List(Vec<Json>),
    /// An object, a member a line.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A text.
    pub(super) fn text(text: &str) -> Self {
        Json::Inline(quoted(text))
    }

    /// The whole text: two blanks a level, `\n` as line end, one at the end too.
    pub(super) fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, level: usize) {
        match self {
            Json::Inline(text) => out.push_str(text),
            Json::List(list) if list.is_empty() => out.push_str("[]"),
            Json::Object(members) if members.is_empty() => out.push_str("{}"),
            Json::List(list) => {
                out.push('[');
                for (index, element) in list.iter().enumerate() {
                    line(out, index, level + 1);
                    element.write(out, level + 1);
                }
                line(out, 0, level);
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    line(out, index, level + 1);
                    quote(out, name);
                    out.push_str(": ");
                    value.write(out, level + 1);
                }
                line(out, 0, level);
                out.push('}');
            }
        }
    }
}

fn line(out: &mut String, index: usize, level: usize) {
    out.push_str(if index > 0 { ",\n" } else { "\n" });
    (0..level).for_each(|_| out.push_str("  "));
}

/// Text in quotes, with the escapes JSON asks for and no others.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A key on one line: `["Web"]`, `[{ "Space": ["Default"] }, "Web"]`.
pub(super) fn key(key: &Key) -> String {
    let mut out = String::new();
    write_key(&mut out, key);
    out
}

fn write_key(out: &mut String, key: &Key) {
    out.push('[');
    for (index, part) in key.parts().iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        match part {
            Value::Ref(reference) => {
                out.push_str("{ ");
                quote(out, reference.kind.as_str());
                out.push_str(": ");
                write_key(out, &reference.key);
                out.push_str(" }");
            }
            Value::Dangling(dangling) => {
                out.push_str("{ ");
                quote(out, &format!("?{}", dangling.kind));
                out.push_str(": [");
                write_inline(out, &dangling.id);
                out.push_str("] }");
            }
            part => write_inline(out, part),
        }
    }
    out.push(']');
}

/// A value that has no secrets and no scripts, on one line.
pub(super) fn inline(value: &Value) -> String {
    let mut out = String::new();
    write_inline(&mut out, value);
    out
}

fn write_inline(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Number(number) => out.push_str(number),
        Value::Text(text) => quote(out, text),
        Value::Bytes(bytes) => {
            let _ = write!(out, "{{ \"$hex\": \"{}\" }}", hex(bytes));
        }
        Value::List(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_inline(out, value);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (name, value)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { " " });
                quote(out, &member(name));
                out.push_str(": ");
                write_inline(out, value);
            }
            out.push_str(if map.is_empty() { "}" } else { " }" });
        }
        Value::Ref(reference) => {
            out.push_str("{ \"$ref\": { ");
            quote(out, reference.kind.as_str());
            out.push_str(": ");
            write_key(out, &reference.key);
            out.push_str(" } }");
        }
        Value::Dangling(dangling) => {
            out.push_str("{ \"$dangling\": { ");
            quote(out, dangling.kind.as_str());
            out.push_str(": ");
            write_inline(out, &dangling.id);
            out.push_str(" } }");
        }
        Value::Secret(_) => out.push_str("{ \"$secret\": true }"),
    }
}

fn member(name: &str) -> String {
    if is_reserved(name) { format!("${name}") } else { name.to_owned() }
}

/// A script that is kept in a file of its own.
pub(super) struct ScriptFile {
    /// The file's name, in the document's folder.
    pub(super) name: String,
    /// Whether the text stays in the document as well.
    pub(super) copy: bool,
}

/// Writes the text of a document's file: `sealed` are its secrets in the order of
/// [`Document::secret_places`], `scripts` those of its texts that lie in files.
pub(super) fn document(
    document: &Document,
    sealed: &[Option<Vec<u8>>],
    scripts: &HashMap<Place, ScriptFile>,
) -> String {
    let mut speller = Speller { sealed: sealed.iter(), scripts };
    let columns = document.columns.iter().map(|(name, value)| {
        let json = speller.value(&mut Place::column(name), value);
        (member(name), json)
    });
    let columns = Json::Object(columns.collect());
    let mut members = vec![
        ("kind".to_owned(), Json::text(document.kind.as_str())),
        ("key".to_owned(), Json::Inline(key(&document.key))),
        ("columns".to_owned(), columns),
    ];
    if let Some(body) = &document.body {
        members.push(("body".to_owned(), speller.value(&mut Place::body(), body)));
    }
    Json::Object(members).pretty()
}

struct Speller<'a> {
    sealed: std::slice::Iter<'a, Option<Vec<u8>>>,
    scripts: &'a HashMap<Place, ScriptFile>,
}

impl Speller<'_> {
    fn value(&mut self, place: &mut Place, value: &Value) -> Json {
        match value {
            Value::List(list) => {
                let elements = list.iter().enumerate().map(|(index, value)| {
                    place.push_index(index);
                    let json = self.value(place, value);
                    place.pop();
                    json
                });
                Json::List(elements.collect())
            }
            Value::Map(map) => Json::Object(self.members(place, map)),
            Value::Secret(_) => Json::Inline(match self.sealed.next() {
                Some(Some(bytes)) => {
                    let at = quoted(&place.to_string());
                    format!("{{ \"$sealed\": \"{}\", \"at\": {at} }}", STANDARD.encode(bytes))
                }
                _ => inline(value),
            }),
            Value::Text(text) if !self.scripts.is_empty() => match self.scripts.get(place) {
                None => Json::text(text),
                Some(ScriptFile { name, copy: false }) => {
                    Json::Inline(format!("{{ \"$script\": {} }}", quoted(name)))
                }
                Some(ScriptFile { name, copy: true }) => {
                    let (name, text) = (quoted(name), quoted(text));
                    Json::Inline(format!("{{ \"$script\": {name}, \"text\": {text} }}"))
                }
            },
            value => Json::Inline(inline(value)),
        }
    }

    fn members(&mut self, place: &mut Place, map: &Map) -> Vec<(String, Json)> {
        let members = map.iter().map(|(name, value)| {
            place.push_member(name);
            let json = self.value(place, value);
            place.pop();
            (member(name), json)
        });
        members.collect()
    }
}
