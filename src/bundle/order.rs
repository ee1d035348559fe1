//! The order in which documents stand in packs: near-duplicates side by side.
//!
//! The order is the writer's own affair (`format-spec/bundle-v1.md`, "order in packs"): a reader relies on
//! none, so this file may change without a new format. It looks at bytes only and knows no kind.

/// Bytes of the body that are compared literally, after masking.
const LITERAL_BYTES: usize = 48;
/// How far the masked body is looked at.
const MASKED_BYTES: usize = 1024;

/// Returns the bytes by which a document is sorted within its kind.
///
/// The body without hexadecimal digits and hyphens, so that ids and times do not count: copies of one template
/// sort together. Its beginning is taken as it is; the rest in stretches that double in length, each as a
/// hash. Sorting by hashes still brings equal stretches together, and the key stays small however long the
/// body is: a sort that must hold 2,000 bytes a document would write more than the bundle.
pub(super) fn similarity(canonical: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let body = body(canonical);
    let mut masked = [0u8; MASKED_BYTES];
    let mut len = 0;
    for byte in body {
        let Some(slot) = masked.get_mut(len) else { break };
        // Written in any case and overwritten when masked: no branch that the processor could guess wrong.
        *slot = *byte;
        len += usize::from(!is_masked(*byte));
    }
    let masked = masked.get(..len).unwrap_or_default();
    let (literal, mut rest) = masked.split_at(len.min(LITERAL_BYTES));
    out.extend_from_slice(literal);
    let mut stretch = 64;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(rest.len().min(stretch));
        out.extend_from_slice(&hash(head).to_be_bytes());
        rest = tail;
        stretch *= 2;
    }
}

fn is_masked(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')
}

/// A quick hash, eight bytes at a time. Chance collisions cost a little compression and nothing else.
fn hash(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut tail = [0u8; 8];
    tail.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let hash = words.iter().chain([&tail]).fold(bytes.len() as u64, |hash, word| {
        let mixed = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    });
    (hash >> 32) as u32
}

/// The canonical bytes of the body, or of the columns where there is no body.
///
/// Columns come first and begin with what tells documents apart, such as the name; the body is what copies
/// of one template share.
fn body(canonical: &[u8]) -> &[u8] {
    let Some((marker, parts)) = canonical.split_first() else { return canonical };
    if *marker != 0x92 {
        return parts;
    }
    skip(parts).unwrap_or(parts)
}

/// Returns what follows one MessagePack value. The bytes are our own; where they surprise, `None`.
fn skip(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    let mut values = 1u64;
    while values > 0 {
        values -= 1;
        let (marker, tail) = rest.split_first()?;
        rest = tail;
        let mut number = |width: usize| -> Option<u64> {
            let (head, tail) = rest.split_at_checked(width)?;
            rest = tail;
            Some(head.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte)))
        };
        let bytes = match marker {
            0x80..=0x8f => {
                values += 2 * u64::from(marker & 0x0f);
                0
            }
            0x90..=0x9f => {
                values += u64::from(marker & 0x0f);
                0
            }
            0xa0..=0xbf => u64::from(marker & 0x1f),
            0xc4 | 0xd9 => number(1)?,
            0xc5 | 0xda => number(2)?,
            0xc6 | 0xdb => number(4)?,
            0xc7 => number(1)? + 1,
            0xc8 => number(2)? + 1,
            0xc9 => number(4)? + 1,
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xce | 0xd2 => 4,
            0xcf | 0xd3 => 8,
            0xd4..=0xd8 => 1 + (1 << (marker - 0xd4)),
            0xdc => {
                values += number(2)?;
                0
            }
            0xdd => {
                values += number(4)?;
                0
            }
            0xde => {
                values += 2 * number(2)?;
                0
            }
            0xdf => {
                values += 2 * number(4)?;
                0
            }
            _ => 0,
        };
        rest = rest.split_at_checked(usize::try_from(bytes).ok()?)?.1;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Key, KindName, Map, Value, canonical, json};

    #[test]
    fn the_body_is_found_behind_any_columns() {
        let mut columns = Map::new();
        columns.insert("A", Value::Bytes(vec![7; 300]));
        columns.insert("B", Value::List((0..20).map(Value::Int).collect()));
        columns.insert("C", Value::Number("1.5".into()));
        columns.insert("D", Value::Int(-70_000));
        columns.insert("E", Value::Secret(Default::default()));
        columns.insert("F", Value::Map(Map::from_pairs(vec![("x".into(), Value::Null)]).unwrap()));
        let body = json::parse(br#"{"Name":"Web","Steps":[1,2,3]}"#).unwrap();
        let document = Document {
            kind: KindName::new("Project"),
            key: Key::name("Web"),
            columns,
            body: Some(body.clone()),
        };
        let bytes = canonical::encode(&document).unwrap();
        assert_eq!(super::body(&bytes), canonical::encode_value(&body).unwrap());
    }

    #[test]
    fn ids_do_not_count() {
        let key = |text: &str| {
            let document = Document {
                kind: KindName::new("P"),
                key: Key::name("n"),
                columns: Map::new(),
                body: Some(Value::from(text)),
            };
            let mut out = Vec::new();
            similarity(&canonical::encode(&document).unwrap(), &mut out);
            out
        };
        assert_eq!(key("Step 0a1b-22"), key("Step 9f9e-11"));
        assert_ne!(key("Step one"), key("Step two"));
        assert!(key(&"x".repeat(100_000)).len() < 100);
    }
}
