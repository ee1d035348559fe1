//! The one spelling of a document that is hashed and stored: MessagePack, strictly.
//!
//! Obeys `format-spec/`. Integers and lengths take their shortest form, members are sorted by the bytes of
//! their names, and four extension types stand for what JSON has not. A decoder accepts exactly what the
//! encoder writes and nothing else, so equal content has equal bytes and the other way round.

use std::fmt;

use super::decimal::is_number;
use super::{Dangling, Document, Key, KindName, MAX_DEPTH, MAX_VALUES, Map, Reference, SecretId, Value};

/// MessagePack extension types.
mod ext {
    /// A number that is no 64-bit integer, as text.
    pub const NUMBER: i8 = 1;
    /// A reference: `[kind, part, …]`.
    pub const REFERENCE: i8 = 2;
    /// A dangling reference: `[kind, id]`.
    pub const DANGLING: i8 = 3;
    /// A secret marker: empty.
    pub const SECRET: i8 = 4;
}

/// The context of the content id's BLAKE3 key derivation; part of the format.
pub const CONTENT_ID_CONTEXT: &str = "sealift 2026-11 document v1 content id";

/// The identity of a document's content: BLAKE3 over its canonical bytes, in a domain of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub [u8; 32]);

impl ContentId {
    /// The id of these canonical bytes.
    pub fn of(canonical: &[u8]) -> Self {
        Self(blake3::derive_key(CONTENT_ID_CONTEXT, canonical))
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not a document's canonical bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("the bytes end early")]
    Short,
    /// Bytes follow the value.
    #[error("bytes follow the document")]
    Trailing,
    /// A type that documents do not use, or that has no place here.
    #[error("an unexpected MessagePack type")]
    Type,
    /// A length or integer that could be spelled shorter, members out of order, or the like.
    #[error("not in canonical form")]
    NotCanonical,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Nested deeper than [`MAX_DEPTH`], counted from a column or the body.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More values than [`MAX_VALUES`].
    #[error("more than {MAX_VALUES} values")]
    TooMany,
}

/// Why a document has no canonical bytes: one of its parts is 4 GiB or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value of 4 GiB or more cannot be written")]
pub struct TooLarge;

/// Writes what a document says, without its kind and key: `[columns]` or `[columns, body]`.
///
/// # Errors
/// [`TooLarge`], for a single value of 4 GiB.
pub fn encode(document: &Document) -> Result<Vec<u8>, TooLarge> {
    let mut out = Vec::with_capacity(1024);
    encode_into(document, &mut out)?;
    Ok(out)
}

/// Like [`encode()`], appending to a buffer that is used again.
///
/// # Errors
/// [`TooLarge`], for a single value of 4 GiB.
pub fn encode_into(document: &Document, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    array(out, 1 + usize::from(document.body.is_some()))?;
    write_map(out, &document.columns)?;
    if let Some(body) = &document.body {
        write(out, body)?;
    }
    Ok(())
}

/// Reads a document's columns and body.
///
/// # Errors
/// [`DecodeError`], for anything that [`encode()`] would not have written.
pub fn decode(kind: KindName, key: Key, bytes: &[u8]) -> Result<Document, DecodeError> {
    let mut reader = Reader { bytes, values: 0 };
    let parts = reader.array_len()?;
    let columns = reader.map(0)?;
    let body = match parts {
        1 => None,
        2 => Some(reader.value(0)?),
        _ => return Err(DecodeError::Type),
    };
    if reader.bytes.is_empty() {
        Ok(Document { kind, key, columns, body })
    } else {
        Err(DecodeError::Trailing)
    }
}

/// Writes one value canonically; the same bytes a document holds for it.
///
/// # Errors
/// [`TooLarge`], for a single value of 4 GiB.
pub fn encode_value(value: &Value) -> Result<Vec<u8>, TooLarge> {
    let mut out = Vec::new();
    write(&mut out, value)?;
    Ok(out)
}

/// Like [`encode_value`], appending to a buffer that is used again.
///
/// # Errors
/// [`TooLarge`], for a single value of 4 GiB.
pub fn encode_value_into(value: &Value, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    write(out, value)
}

/// Reads a value from its canonical bytes, as [`encode_value`] writes them.
///
/// # Errors
/// [`DecodeError`], for anything that [`encode_value`] would not have written.
pub fn decode_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { bytes, values: 0 };
    let value = reader.value(0)?;
    if reader.bytes.is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
}

/// Writes a length behind its marker, in its shortest form. Of the markers for lengths of one, two and four bytes not every
/// type has the first; a short length may stand in a marker itself.
fn length(
    out: &mut Vec<u8>,
    len: usize,
    short: (u8, usize),
    markers: [Option<u8>; 3],
) -> Result<(), TooLarge> {
    let len32 = u32::try_from(len).map_err(|_| TooLarge)?;
    let [_, _, c, d] = len32.to_be_bytes();
    match (len, markers) {
        (len, _) if len < short.1 => out.push(short.0 | d),
        (..=0xff, [Some(marker), ..]) => out.extend_from_slice(&[marker, d]),
        (..=0xffff, [_, Some(marker), _]) => out.extend_from_slice(&[marker, c, d]),
        (_, [.., marker]) => {
            out.extend(marker);
            out.extend_from_slice(&len32.to_be_bytes());
        }
    }
    Ok(())
}

fn array(out: &mut Vec<u8>, len: usize) -> Result<(), TooLarge> {
    length(out, len, (0x90, 16), [None, Some(0xdc), Some(0xdd)])
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLarge> {
    length(out, bytes.len(), (0, 0), [Some(0xc4), Some(0xc5), Some(0xc6)])?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    length(out, text.len(), (0xa0, 32), [Some(0xd9), Some(0xda), Some(0xdb)])?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn extension(out: &mut Vec<u8>, kind: i8, payload: &[u8]) -> Result<(), TooLarge> {
    match payload.len() {
        len @ (1 | 2 | 4 | 8 | 16) => out.push(0xd4 + len.trailing_zeros() as u8),
        len => length(out, len, (0, 0), [Some(0xc7), Some(0xc8), Some(0xc9)])?,
    }
    out.push(kind as u8);
    out.extend_from_slice(payload);
    Ok(())
}

fn integer(out: &mut Vec<u8>, number: i64) {
    let [.., e, f, g, h] = number.to_be_bytes();
    match number {
        -32..=127 => out.push(h),
        128..=0xff => out.extend_from_slice(&[0xcc, h]),
        0x100..=0xffff => out.extend_from_slice(&[0xcd, g, h]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[0xce, e, f, g, h]),
        -0x80..=-33 => out.extend_from_slice(&[0xd0, h]),
        -0x8000..=-0x81 => out.extend_from_slice(&[0xd1, g, h]),
        -0x8000_0000..=-0x8001 => out.extend_from_slice(&[0xd2, e, f, g, h]),
        _ => {
            out.push(if number > 0 { 0xcf } else { 0xd3 });
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn write_map(out: &mut Vec<u8>, map: &Map) -> Result<(), TooLarge> {
    length(out, map.len(), (0x80, 16), [None, Some(0xde), Some(0xdf)])?;
    for (name, value) in map.iter() {
        text(out, name)?;
        write(out, value)?;
    }
    Ok(())
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), TooLarge> {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(truth) => out.push(0xc2 + u8::from(*truth)),
        Value::Int(number) => integer(out, *number),
        Value::Number(number) => extension(out, ext::NUMBER, number.as_bytes())?,
        Value::Text(string) => text(out, string)?,
        Value::Bytes(blob) => bytes(out, blob)?,
        Value::List(list) => {
            array(out, list.len())?;
            list.iter().try_for_each(|value| write(out, value))?;
        }
        Value::Map(map) => write_map(out, map)?,
        Value::Ref(reference) => {
            let mut payload = Vec::with_capacity(64);
            array(&mut payload, 1 + reference.key.parts().len())?;
            text(&mut payload, reference.kind.as_str())?;
            reference.key.parts().iter().try_for_each(|part| write(&mut payload, part))?;
            extension(out, ext::REFERENCE, &payload)?;
        }
        Value::Dangling(dangling) => {
            let mut payload = Vec::with_capacity(64);
            array(&mut payload, 2)?;
            text(&mut payload, dangling.kind.as_str())?;
            write(&mut payload, &dangling.id)?;
            extension(out, ext::DANGLING, &payload)?;
        }
        Value::Secret(_) => extension(out, ext::SECRET, &[])?,
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// How many values were read. One takes a single byte here, and much more in memory.
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.bytes = tail;
        Ok(head)
    }

    /// A big-endian number of `width` bytes that must not have fitted a smaller width.
    fn uint(&mut self, width: usize, at_least: u64) -> Result<u64, DecodeError> {
        let number = self.take(width)?.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        if number < at_least { Err(DecodeError::NotCanonical) } else { Ok(number) }
    }

    fn size(&mut self, width: usize, at_least: u64) -> Result<usize, DecodeError> {
        usize::try_from(self.uint(width, at_least)?).map_err(|_| DecodeError::Short)
    }

    fn array_len(&mut self) -> Result<usize, DecodeError> {
        match self.marker()? {
            byte @ 0x90..=0x9f => Ok(usize::from(byte & 0x0f)),
            0xdc => self.size(2, 16),
            0xdd => self.size(4, 1 << 16),
            _ => Err(DecodeError::Type),
        }
    }

    fn marker(&mut self) -> Result<u8, DecodeError> {
        self.take(1)?.first().copied().ok_or(DecodeError::Short)
    }

    fn string(&mut self, len: usize) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.take(len)?).map_err(|_| DecodeError::Utf8)
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        let len = match self.marker()? {
            byte @ 0xa0..=0xbf => usize::from(byte & 0x1f),
            0xd9 => self.size(1, 32)?,
            0xda => self.size(2, 1 << 8)?,
            0xdb => self.size(4, 1 << 16)?,
            _ => return Err(DecodeError::Type),
        };
        self.string(len)
    }

    fn map(&mut self, depth: usize) -> Result<Map, DecodeError> {
        let len = match self.marker()? {
            byte @ 0x80..=0x8f => usize::from(byte & 0x0f),
            0xde => self.size(2, 16)?,
            0xdf => self.size(4, 1 << 16)?,
            _ => return Err(DecodeError::Type),
        };
        self.members(len, depth)
    }

    fn members(&mut self, len: usize, depth: usize) -> Result<Map, DecodeError> {
        // Each member takes two bytes at least: a lying length cannot make us reserve memory.
        let most = len.min(self.bytes.len() / 2).min(MAX_VALUES - self.values.min(MAX_VALUES));
        let mut pairs: Vec<(String, Value)> = Vec::with_capacity(most);
        for _ in 0..len {
            let name = self.text()?;
            if pairs.last().is_some_and(|(last, _)| last.as_str() >= name) {
                return Err(DecodeError::NotCanonical);
            }
            pairs.push((name.to_owned(), self.value(depth)?));
        }
        Map::from_pairs(pairs).map_err(|_| DecodeError::NotCanonical)
    }

    fn list(&mut self, len: usize, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let most = len.min(self.bytes.len()).min(MAX_VALUES - self.values.min(MAX_VALUES));
        let mut list = Vec::with_capacity(most);
        for _ in 0..len {
            list.push(self.value(depth)?);
        }
        Ok(list)
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        // A column and the body are at depth 0; lists, maps and references put what they hold one level down.
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(DecodeError::TooMany);
        }
        let marker = self.marker()?;
        Ok(match marker {
            0x00..=0x7f => Value::Int(i64::from(marker)),
            0x80..=0x8f => Value::Map(self.members(usize::from(marker & 0x0f), depth + 1)?),
            0x90..=0x9f => Value::List(self.list(usize::from(marker & 0x0f), depth + 1)?),
            0xa0..=0xbf => self.string(usize::from(marker & 0x1f))?.into(),
            0xc0 => Value::Null,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4 => self.blob(1, 0)?,
            0xc5 => self.blob(2, 1 << 8)?,
            0xc6 => self.blob(4, 1 << 16)?,
            0xc7 => self.ext_sized(1, 0, depth)?,
            0xc8 => self.ext_sized(2, 1 << 8, depth)?,
            0xc9 => self.ext_sized(4, 1 << 16, depth)?,
            0xcc => self.positive(1, 1 << 7)?,
            0xcd => self.positive(2, 1 << 8)?,
            0xce => self.positive(4, 1 << 16)?,
            0xcf => self.positive(8, 1 << 32)?,
            0xd0 => self.negative(1, -32)?,
            0xd1 => self.negative(2, i64::from(i8::MIN))?,
            0xd2 => self.negative(4, i64::from(i16::MIN))?,
            0xd3 => self.negative(8, i64::from(i32::MIN))?,
            0xd4..=0xd8 => self.ext(1 << (marker - 0xd4), depth)?,
            0xd9 => self.long_text(1, 32)?,
            0xda => self.long_text(2, 1 << 8)?,
            0xdb => self.long_text(4, 1 << 16)?,
            0xdc => {
                let len = self.size(2, 16)?;
                Value::List(self.list(len, depth + 1)?)
            }
            0xdd => {
                let len = self.size(4, 1 << 16)?;
                Value::List(self.list(len, depth + 1)?)
            }
            0xde => {
                let len = self.size(2, 16)?;
                Value::Map(self.members(len, depth + 1)?)
            }
            0xdf => {
                let len = self.size(4, 1 << 16)?;
                Value::Map(self.members(len, depth + 1)?)
            }
            0xe0..=0xff => Value::Int(i64::from(marker as i8)),
            0xc1 | 0xca | 0xcb => return Err(DecodeError::Type),
        })
    }

    fn long_text(&mut self, width: usize, at_least: u64) -> Result<Value, DecodeError> {
        let len = self.size(width, at_least)?;
        Ok(self.string(len)?.into())
    }

    fn blob(&mut self, width: usize, at_least: u64) -> Result<Value, DecodeError> {
        let len = self.size(width, at_least)?;
        Ok(Value::Bytes(self.take(len)?.to_vec()))
    }

    fn positive(&mut self, width: usize, at_least: u64) -> Result<Value, DecodeError> {
        i64::try_from(self.uint(width, at_least)?).map(Value::Int).map_err(|_| DecodeError::NotCanonical)
    }

    fn negative(&mut self, width: usize, below: i64) -> Result<Value, DecodeError> {
        let raw = self.uint(width, 0)?;
        let shift = 64 - 8 * width as u32;
        let number = ((raw << shift) as i64) >> shift;
        if number < below { Ok(Value::Int(number)) } else { Err(DecodeError::NotCanonical) }
    }

    fn ext_sized(&mut self, width: usize, at_least: u64, depth: usize) -> Result<Value, DecodeError> {
        let len = self.size(width, at_least)?;
        // These lengths have shorter forms of their own.
        if width == 1 && matches!(len, 1 | 2 | 4 | 8 | 16) {
            return Err(DecodeError::NotCanonical);
        }
        self.ext(len, depth)
    }

    fn ext(&mut self, len: usize, depth: usize) -> Result<Value, DecodeError> {
        let kind = self.marker()? as i8;
        let payload = self.take(len)?;
        let mut inner = Reader { bytes: payload, values: self.values };
        let value = match kind {
            ext::NUMBER => {
                let number = std::str::from_utf8(payload).map_err(|_| DecodeError::Utf8)?;
                let integer = number.parse::<i64>().is_ok() && number != "-0";
                if !is_number(number) || integer {
                    return Err(DecodeError::NotCanonical);
                }
                return Ok(Value::Number(number.into()));
            }
            ext::REFERENCE => {
                let len = inner.array_len()?.checked_sub(1).ok_or(DecodeError::Type)?;
                let kind = KindName::new(inner.text()?);
                let key = Key::new(inner.list(len, depth + 1)?).map_err(|_| DecodeError::Type)?;
                Value::Ref(Box::new(Reference { kind, key }))
            }
            ext::DANGLING => {
                if inner.array_len()? != 2 {
                    return Err(DecodeError::Type);
                }
                let kind = KindName::new(inner.text()?);
                Value::Dangling(Box::new(Dangling { kind, id: inner.value(depth + 1)? }))
            }
            ext::SECRET if payload.is_empty() => Value::Secret(SecretId::UNKNOWN),
            _ => return Err(DecodeError::Type),
        };
        self.values = inner.values;
        if inner.bytes.is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
    }
}
