//! JSON text in and out: exact numbers, no duplicate members, bounded depth.

use std::fmt::Write as _;

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
}

/// Reads one JSON value. A byte order mark at the start is taken as nothing.
///
/// # Errors
/// [`JsonError`]; the message never shows the text.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_within(text, MAX_DEPTH)
}

/// Like [`parse`], with another limit of depth: for text that spells more than a document.
pub(crate) fn parse_within(bytes: &[u8], most: usize) -> Result<Value, JsonError> {
    let not_utf8 = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
    // What stands before the first byte that belongs to no character may be wrong already.
    let valid = not_utf8.map_or(bytes, |end| bytes.get(..end).unwrap_or_default());
    let text = std::str::from_utf8(valid).unwrap_or_default();
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut parser = Parser { text, at, room: most, elements: Vec::new(), members: Vec::new() };
    let refused = match parser.whole() {
        Ok(value) if not_utf8.is_none() => return Ok(value),
        Ok(_) => Refused::Grammar(text.len()),
        Err(refused) => refused,
    };
    // JSON begins with an ASCII character.
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] =
        bytes
    {
        return Err(JsonError::Utf16);
    }
    Err(match (refused, not_utf8) {
        (Refused::Grammar(at) | Refused::Endless(at), Some(end))
            if at >= end || matches!(refused, Refused::Endless(_)) =>
        {
            let (line, column) = position(bytes, end);
            JsonError::NotUtf8 { line, column }
        }
        (Refused::Grammar(at) | Refused::Endless(at), _) => {
            let (line, column) = position(bytes, at);
            JsonError::Syntax { line, column }
        }
        (Refused::Surrogate(at), _) => {
            let (line, column) = position(bytes, at);
            JsonError::Surrogate { line, column }
        }
        (Refused::DuplicateMember, _) => JsonError::DuplicateMember,
        (Refused::TooDeep, _) => JsonError::TooDeep,
    })
}

/// Why a value could not be read, and the byte where.
#[derive(Clone, Copy)]
enum Refused {
    /// Here stands what the grammar does not have.
    Grammar(usize),
    /// The text that begins here does not end.
    Endless(usize),
    /// Half of a surrogate pair.
    Surrogate(usize),
    DuplicateMember,
    TooDeep,
}

/// Reads one value and all that is in it.
struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// How much deeper lists and objects may nest.
    room: usize,
    // What is read of all open lists and objects, innermost last: each is taken off as one piece of the
    // right size when it ends.
    elements: Vec<Value>,
    members: Vec<(String, Value)>,
}

impl Parser<'_> {
    /// The value, which nothing follows.
    fn whole(&mut self) -> Result<Value, Refused> {
        let value = self.value()?;
        match self.next() {
            None => Ok(value),
            Some(_) => Err(Refused::Grammar(self.at)),
        }
    }

    /// The next byte that is no blank; it is not passed over.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    /// Passes over the next byte that is no blank if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<Value, Refused> {
        match self.next() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(Refused::Grammar(self.at)),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Refused> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(Refused::Grammar(self.at));
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Refused>) -> Result<Value, Refused> {
        self.room = self.room.checked_sub(1).ok_or(Refused::TooDeep)?;
        self.at += 1;
        let value = read(self)?;
        self.room += 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, Refused> {
        let start = self.elements.len();
        let mut more = !self.take(b']');
        while more {
            let element = self.value()?;
            self.elements.push(element);
            more = self.goes_on(b']')?;
        }
        Ok(Value::List(self.elements.drain(start..).collect()))
    }

    fn object(&mut self) -> Result<Value, Refused> {
        let start = self.members.len();
        let mut more = !self.take(b'}');
        while more {
            if self.next() != Some(b'"') {
                return Err(Refused::Grammar(self.at));
            }
            let name = self.string()?;
            if !self.take(b':') {
                return Err(Refused::Grammar(self.at));
            }
            let value = self.value()?;
            self.members.push((name, value));
            more = self.goes_on(b'}')?;
        }
        let pairs = self.members.drain(start..).collect();
        Map::from_pairs(pairs).map(Value::Map).map_err(|_| Refused::DuplicateMember)
    }

    /// Whether a comma follows, or the end of what is open.
    fn goes_on(&mut self, end: u8) -> Result<bool, Refused> {
        match self.next() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(Refused::Grammar(self.at)),
        }
    }

    fn number(&mut self) -> Result<Value, Refused> {
        let bytes = self.text.as_bytes();
        let byte = |at: usize| bytes.get(at).copied();
        let digits = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            match rest.iter().take_while(|byte| byte.is_ascii_digit()).count() {
                0 => Err(Refused::Grammar(from)),
                count => Ok(from + count),
            }
        };
        let start = self.at;
        let mut at = start + usize::from(byte(start) == Some(b'-'));
        at = if byte(at) == Some(b'0') { at + 1 } else { digits(at)? };
        if byte(at) == Some(b'.') {
            at = digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = byte(at) {
            at = digits(at + 1 + usize::from(matches!(byte(at + 1), Some(b'+' | b'-'))))?;
        }
        self.at = at;
        Ok(number(self.text.get(start..at).unwrap_or_default()))
    }

    /// The text whose opening quote is next.
    fn string(&mut self) -> Result<String, Refused> {
        let opened = self.at;
        self.at += 1;
        let mut found = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let (plain, end) = rest.split_at_checked(plain_bytes(rest.as_bytes())).unwrap_or((rest, ""));
            self.at += plain.len();
            match end.as_bytes().first() {
                Some(b'"') => {
                    self.at += 1;
                    // Most have nothing escaped, and no room to spare.
                    if found.is_empty() {
                        return Ok(plain.to_owned());
                    }
                    found.push_str(plain);
                    return Ok(found);
                }
                Some(b'\\') => {
                    found.push_str(plain);
                    found.push(self.escaped()?);
                }
                Some(_) => return Err(Refused::Grammar(self.at)),
                None => return Err(Refused::Endless(opened)),
            }
        }
    }

    /// The character whose backslash is next.
    fn escaped(&mut self) -> Result<char, Refused> {
        let backslash = self.at;
        let letter = self.text.as_bytes().get(backslash + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.unit(backslash).ok_or(Refused::Grammar(backslash))?;
                self.at += 4;
                if let Some(character) = char::from_u32(unit) {
                    return Ok(character);
                }
                let other = self.unit(self.at);
                self.at += 6;
                let pair = [Some(unit), other].map(|unit| unit.and_then(|unit| u16::try_from(unit).ok()));
                let units = pair.into_iter().flatten();
                let mut decoded = char::decode_utf16(units);
                match (decoded.next(), decoded.next()) {
                    (Some(Ok(character)), None) => character,
                    _ => return Err(Refused::Surrogate(backslash)),
                }
            }
            _ => return Err(Refused::Grammar(backslash)),
        })
    }

    /// The number of an escape `\u12ab`.
    fn unit(&self, backslash: usize) -> Option<u32> {
        let digits = self.text.as_bytes().get(backslash..backslash + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some((unit << 4) | char::from(*digit).to_digit(16)?))
    }
}

/// How many bytes stand before the first that ends a text, begins an escape or is not allowed in either.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The high bit of each byte that is zero, and perhaps of others above one.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let ends = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let (words, _) = bytes.as_chunks::<8>();
    let skipped = words.iter().take_while(|word| {
        let word = u64::from_le_bytes(**word);
        let small = word.wrapping_sub(ONES * 0x20) & !word & (ONES << 7);
        small | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) == 0
    });
    let skipped = 8 * skipped.count();
    let rest = bytes.get(skipped..).unwrap_or_default();
    skipped + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Line and column of a byte, from one.
fn position(text: &[u8], at: usize) -> (u64, u64) {
    let before = text.get(..at).unwrap_or(text);
    let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let begins_a_character = |byte: &&u8| **byte & 0xc0 != 0x80;
    (lines + 1, line.iter().filter(begins_a_character).count() as u64 + 1)
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
