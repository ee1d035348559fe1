//! A document as the text of its file.
//!
//! Obeys `format-spec/tree-v1.md`, "Files". The text depends on the document alone; [`parse`](super::parse)
//! reads it back.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::document::{Document, Key, Place, Value};
use crate::text::hex;

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
    let mut speller = Speller { out: String::new(), sealed: sealed.iter(), scripts };
    speller.out.push_str("{\n  \"kind\": ");
    quote(&mut speller.out, document.kind.as_str());
    speller.out.push_str(",\n  \"key\": ");
    write_key(&mut speller.out, &document.key);
    speller.out.push_str(",\n  \"columns\": ");
    let columns = document.columns.iter().map(|(name, value)| (name, Some(Place::column(name)), value));
    speller.members(columns, &mut Place::body(), 1);
    if let Some(body) = &document.body {
        speller.out.push_str(",\n  \"body\": ");
        speller.value(&mut Place::body(), body, 1);
    }
    speller.out.push_str("\n}\n");
    speller.out
}

/// Writes a document as it goes: its text is never there twice, however large it is.
struct Speller<'a> {
    out: String,
    sealed: std::slice::Iter<'a, Option<Vec<u8>>>,
    scripts: &'a HashMap<Place, ScriptFile>,
}

impl Speller<'_> {
    fn value(&mut self, place: &mut Place, value: &Value, level: usize) {
        match value {
            Value::List(list) if list.is_empty() => self.out.push_str("[]"),
            Value::List(list) => {
                self.out.push('[');
                for (index, value) in list.iter().enumerate() {
                    line(&mut self.out, index, level + 1);
                    place.push_index(index);
                    self.value(place, value, level + 1);
                    place.pop();
                }
                line(&mut self.out, 0, level);
                self.out.push(']');
            }
            Value::Map(map) => {
                self.members(map.iter().map(|(name, value)| (name, None, value)), place, level)
            }
            Value::Secret(_) => match self.sealed.next() {
                Some(Some(bytes)) => {
                    self.out.push_str("{ \"$sealed\": \"");
                    STANDARD.encode_string(bytes, &mut self.out);
                    self.out.push_str("\", \"at\": ");
                    quote(&mut self.out, &place.to_string());
                    self.out.push_str(" }");
                }
                _ => write_inline(&mut self.out, value),
            },
            Value::Text(text) if !self.scripts.is_empty() => match self.scripts.get(place) {
                None => quote(&mut self.out, text),
                Some(ScriptFile { name, copy }) => {
                    self.out.push_str("{ \"$script\": ");
                    quote(&mut self.out, name);
                    if *copy {
                        self.out.push_str(", \"text\": ");
                        quote(&mut self.out, text);
                    }
                    self.out.push_str(" }");
                }
            },
            value => write_inline(&mut self.out, value),
        }
    }

    /// Writes an object: each member with its place, or below the place of the object.
    fn members<'v>(
        &mut self,
        members: impl Iterator<Item = (&'v str, Option<Place>, &'v Value)>,
        place: &mut Place,
        level: usize,
    ) {
        let mut empty = true;
        for (index, (name, own, value)) in members.enumerate() {
            if index == 0 {
                self.out.push('{');
                empty = false;
            }
            line(&mut self.out, index, level + 1);
            quote(&mut self.out, &member(name));
            self.out.push_str(": ");
            match own {
                Some(mut own) => self.value(&mut own, value, level + 1),
                None => {
                    place.push_member(name);
                    self.value(place, value, level + 1);
                    place.pop();
                }
            }
        }
        if empty {
            self.out.push_str("{}");
        } else {
            line(&mut self.out, 0, level);
            self.out.push('}');
        }
    }
}
