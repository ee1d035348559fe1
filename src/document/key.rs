//! Natural keys: what makes a document the same on another server.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::Value as Json;

use super::decimal::is_number;
use super::{KindName, MAX_DEPTH, Value};
use crate::text::{NAME, cut};

/// How names compare on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collation {
    /// Without regard to case; trailing blanks do not count (SQL Server's `…_CI_AS`).
    #[default]
    CaseInsensitive,
    /// Case counts; trailing blanks do not.
    CaseSensitive,
}

impl Collation {
    /// Returns the text that all spellings of one name share.
    pub fn fold(self, text: &str) -> String {
        self.folded(text).into_owned()
    }

    /// Returns what follows a text that another begins with, as the two compare.
    pub fn strip_prefix<'t>(self, text: &'t str, prefix: &str) -> Option<&'t str> {
        let same = |a: char, b: char| {
            a == b || (self == Collation::CaseInsensitive && a.to_lowercase().eq(b.to_lowercase()))
        };
        let mut rest = text.chars();
        let begins = prefix.chars().all(|wanted| rest.next().is_some_and(|found| same(wanted, found)));
        begins.then_some(rest.as_str())
    }

    /// Returns what stands before and after the last place where a text holds another, as the two compare.
    pub fn rsplit_once<'t>(self, text: &'t str, middle: &str) -> Option<(&'t str, &'t str)> {
        let mut places = text.char_indices().rev();
        places.find_map(|(at, _)| {
            let (before, from) = text.split_at_checked(at)?;
            Some((before, self.strip_prefix(from, middle)?))
        })
    }

    fn folded(self, text: &str) -> Cow<'_, str> {
        let text = text.trim_end_matches(' ');
        match self {
            Collation::CaseInsensitive if text.is_ascii() => Cow::Owned(text.to_ascii_lowercase()),
            Collation::CaseInsensitive => Cow::Owned(text.to_lowercase()),
            Collation::CaseSensitive => Cow::Borrowed(text),
        }
    }
}

/// A document named by what it is and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The kind of the document.
    pub kind: KindName,
    /// Its natural key.
    pub key: Key,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// The parts of a natural key, outermost scope first: text, numbers, truth values, nulls and references.
///
/// Keys travel as they are spelled and compare as the server compares ([`Key::folded`]). The parts are shared:
/// many references name one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Key(Arc<[Value]>);

/// Why a text or value is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not a key's.
    #[error("{0:?} is not a key: {1}")]
    Text(String, String),
    /// A part is neither a scalar nor a reference.
    #[error("a key cannot hold {0}")]
    Part(&'static str),
}

impl Key {
    /// Makes a key of its parts.
    ///
    /// # Errors
    /// [`KeyError::Part`] for a part that cannot name anything (a list, an object, bytes, a secret).
    pub fn new(parts: Vec<Value>) -> Result<Self, KeyError> {
        for part in &parts {
            match part {
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Number(_) | Value::Text(_) => {}
                Value::Ref(_) | Value::Dangling(_) => {}
                other => return Err(KeyError::Part(other.type_name())),
            }
        }
        Ok(Self(parts.into()))
    }

    /// The key that is one name.
    pub fn name(name: &str) -> Self {
        Self(Arc::from([Value::from(name)]))
    }

    /// The parts, outermost scope first.
    pub fn parts(&self) -> &[Value] {
        &self.0
    }

    /// Returns the key as canonical text: a JSON array without blanks, references as `{"Kind":[…]}`.
    ///
    /// This is the spelling stored in files and bound into sealed values.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        write_key(&mut text, self, None);
        text
    }

    /// Returns the text that all spellings of this key share under a collation.
    pub fn folded(&self, collation: Collation) -> String {
        let mut text = String::new();
        self.fold_into(collation, &mut text);
        text
    }

    /// Replaces a text by the one that [`Key::folded`] returns, in the memory that it has.
    pub fn fold_into(&self, collation: Collation, text: &mut String) {
        text.clear();
        write_key(text, self, Some(collation));
    }

    /// Reads a key's canonical text.
    ///
    /// # Errors
    /// [`KeyError::Text`] when the text is not exactly what [`Key::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if let Some(key) = Plain(text).whole() {
            return Ok(key);
        }
        let key = Self::from_json(text)?;
        match key.to_text() == text {
            true => Ok(key),
            false => Err(KeyError::Text(text.to_owned(), "it is not in canonical spelling".to_owned())),
        }
    }

    /// Reads a key from JSON that is spelled in any way: with blanks, or with characters escaped that need not be.
    ///
    /// # Errors
    /// [`KeyError::Text`] when the text is no JSON, or no key's.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let wrong = |why: &str| KeyError::Text(text.to_owned(), why.to_owned());
        let value = super::json::parse(text.as_bytes()).map_err(|e| wrong(&e.to_string()))?;
        key_from(value, 0).ok_or_else(|| wrong("it is no list of names and references"))
    }

    /// The names joined by " / ", nested ones inline, each in full. Messages use [`fmt::Display`], which cuts them.
    pub fn path(&self) -> String {
        self.joined(usize::MAX)
    }

    fn joined(&self, most: usize) -> String {
        self.0.iter().map(|part| plain(part, most)).collect::<Vec<_>>().join(" / ")
    }

    /// The innermost name, for people: the last part that is not a counter.
    pub fn leaf(&self) -> String {
        match self.0.iter().rev().find(|p| matches!(p, Value::Text(_) | Value::Ref(_))).or(self.0.last()) {
            Some(Value::Ref(reference)) => reference.key.leaf(),
            Some(part) => plain(part, usize::MAX),
            None => String::new(),
        }
    }
}

/// A part for people, names cut to so many characters.
fn plain(part: &Value, most: usize) -> String {
    match part {
        Value::Null => "-".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => cut(text, most).into_owned(),
        Value::Ref(reference) => reference.key.joined(most),
        Value::Dangling(dangling) => plain(&dangling.id, most),
        other => other.type_name().to_owned(),
    }
}

/// For messages: [`Key::path`], with names of a length that can be read.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined(NAME))
    }
}

/// Writes a key as text; under a collation, its names in the spelling that all share.
fn write_key(out: &mut String, key: &Key, fold: Option<Collation>) {
    out.push('[');
    for (index, part) in key.0.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_part(out, part, fold);
    }
    out.push(']');
}

fn write_part(out: &mut String, part: &Value, fold: Option<Collation>) {
    match part {
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => {
            // Writing into a text does not fail.
            let _ = write!(out, "{number}");
        }
        Value::Number(number) => out.push_str(number),
        Value::Text(text) => match fold {
            Some(Collation::CaseInsensitive) if text.is_ascii() => {
                let from = out.len();
                write_name(out, text.trim_end_matches(' '));
                // An escape is of small letters already.
                if let Some(name) = out.get_mut(from..) {
                    name.make_ascii_lowercase();
                }
            }
            Some(collation) => write_name(out, &collation.folded(text)),
            None => write_name(out, text),
        },
        Value::Ref(reference) => {
            out.push_str("{\"");
            out.push_str(reference.kind.as_str());
            out.push_str("\":");
            write_key(out, &reference.key, fold);
            out.push('}');
        }
        Value::Dangling(dangling) => {
            out.push_str("{\"?");
            out.push_str(dangling.kind.as_str());
            out.push_str("\":[");
            write_part(out, &dangling.id, None);
            out.push_str("]}");
        }
        _ => out.push_str("null"),
    }
}

/// Writes a name as JSON text; most have nothing to escape.
fn write_name(out: &mut String, name: &str) {
    if name.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&Json::from(name).to_string());
    } else {
        out.push('"');
        out.push_str(name);
        out.push('"');
    }
}

/// Reads keys in canonical spelling in which nothing is escaped, in one pass: most keys. For all other text it knows no
/// answer.
struct Plain<'t>(&'t str);

impl<'t> Plain<'t> {
    /// How deep the keys nest that it knows.
    const DEPTH: usize = 8;

    fn whole(mut self) -> Option<Key> {
        let key = self.key(0)?;
        self.0.is_empty().then_some(key)
    }

    fn take(&mut self, what: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(what)?;
        Some(())
    }

    fn key(&mut self, depth: usize) -> Option<Key> {
        self.take("[")?;
        let mut parts = Vec::new();
        if self.take("]").is_none() {
            parts.push(self.part(depth)?);
            while self.take(",").is_some() {
                parts.push(self.part(depth)?);
            }
            self.take("]")?;
        }
        Some(Key(parts.into()))
    }

    fn part(&mut self, depth: usize) -> Option<Value> {
        match self.0.as_bytes().first()? {
            b'"' => self.name().map(Value::from),
            b'{' if depth < Self::DEPTH => {
                self.take("{")?;
                let kind = self.name()?;
                self.take(":")?;
                let key = self.key(depth + 1)?;
                self.take("}")?;
                // The names of kinds are written as they come, and the mark is that of a dangling reference.
                let reference = Reference { kind: KindName::new(kind), key };
                (!kind.starts_with('?')).then(|| Value::Ref(Box::new(reference)))
            }
            b'-' | b'0'..=b'9' => {
                let end = self.0.find([',', ']'])?;
                let (digits, rest) = self.0.split_at_checked(end)?;
                let number: i64 = digits.parse().ok()?;
                self.0 = rest;
                // Shortest spelling, and no zero with a sign.
                let mut figures = digits.strip_prefix('-').unwrap_or(digits).bytes();
                (figures.next() != Some(b'0') || digits == "0").then_some(Value::Int(number))
            }
            _ => None,
        }
    }

    fn name(&mut self) -> Option<&'t str> {
        let text = self.0.strip_prefix('"')?;
        let end = text.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
        let (name, rest) = text.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(name)
    }
}

fn key_from(value: Value, depth: usize) -> Option<Key> {
    let Value::List(parts) = value else { return None };
    let parts = parts.into_iter().map(|part| part_from(part, depth + 1)).collect::<Option<Vec<_>>>()?;
    Key::new(parts).ok()
}

fn part_from(value: Value, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::Map(map) => {
            let mut members = map.into_iter();
            let (name, parts) = members.next()?;
            if members.next().is_some() {
                return None;
            }
            match name.strip_prefix('?') {
                None => {
                    let reference = Reference { kind: KindName::new(&name), key: key_from(parts, depth)? };
                    Some(Value::Ref(Box::new(reference)))
                }
                Some(kind) => {
                    let Value::List(mut ids) = parts else { return None };
                    let (Some(id), true) = (ids.pop(), ids.is_empty()) else { return None };
                    let dangling = super::Dangling { kind: KindName::new(kind), id };
                    Some(Value::Dangling(Box::new(dangling)))
                }
            }
        }
        Value::Number(text) if !is_number(&text) => None,
        other => Some(other),
    }
}
