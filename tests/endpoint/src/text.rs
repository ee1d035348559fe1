//! nvarchar as it is: any sequence of UTF-16 units, lone surrogates and U+0000 among them.
//!
//! SQLite keeps UTF-8. A sequence of units becomes a `String` one to one: a surrogate that is not half of a
//! pair is the character U+10F800 + (unit - U+D800), and the 2,048 characters from U+10F800 on, private ones
//! that nobody uses, are written as two such. All other text is stored as itself, so a test reads it plainly.

use std::cmp::Ordering;

/// The first of the characters that stand for lone surrogates.
const LONE: u32 = 0x10_F800;

/// The windows-1252 characters of the bytes 80 to 9F.
const CP1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

pub(crate) fn from_units(units: impl IntoIterator<Item = u16>) -> String {
    let lone = |unit: u16| char::from_u32(LONE + u32::from(unit) - 0xD800).expect("a private character");
    let mut text = String::new();
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) if u32::from(c) < LONE => text.push(c),
            Ok(c) => text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|u| lone(*u))),
            Err(e) => text.push(lone(e.unpaired_surrogate())),
        }
    }
    text
}

pub(crate) fn from_utf16le(bytes: &[u8]) -> String {
    from_units(bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])))
}

pub(crate) fn units(text: &str) -> impl Iterator<Item = u16> + '_ {
    text.chars().flat_map(|c| {
        let mut buffer = [0; 2];
        let count = if u32::from(c) >= LONE {
            buffer[0] = (u32::from(c) - LONE + 0xD800) as u16;
            1
        } else {
            c.encode_utf16(&mut buffer).len()
        };
        buffer.into_iter().take(count)
    })
}

/// The length in UTF-16 units, which is what nvarchar(n) counts.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { units(text).count() }
}

/// The first `count` units; half of a pair may remain, as in SQL Server.
pub(crate) fn prefix(text: &str, count: usize) -> String {
    from_units(units(text).take(count))
}

pub(crate) fn from_codepage(bytes: &[u8]) -> String {
    let one = |b: &u8| if (0x80..0xA0).contains(b) { CP1252[usize::from(*b) - 0x80] } else { char::from(*b) };
    bytes.iter().map(one).collect()
}

/// The bytes of varchar: what the code page lacks becomes a question mark, one a UTF-16 unit.
pub(crate) fn to_codepage(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            n @ (0..0x80 | 0xA0..0x100) => bytes.push(n as u8),
            _ => match CP1252.iter().position(|p| *p == c) {
                Some(at) => bytes.push(0x80 + at as u8),
                None => bytes.extend(std::iter::repeat_n(b'?', length(c.encode_utf8(&mut [0; 4])))),
            },
        }
    }
    bytes
}

/// How strings compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    CaseInsensitive,
    CaseSensitive,
    Binary,
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    // Upper, then lower: ß meets ss and ς meets σ, as full case folding has it.
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Compares as if the shorter were padded with blanks, as SQL Server does under every collation.
fn padded<T: Ord + Copy>(
    mut a: impl Iterator<Item = T>,
    mut b: impl Iterator<Item = T>,
    blank: T,
) -> Ordering {
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        match x.unwrap_or(blank).cmp(&y.unwrap_or(blank)) {
            Ordering::Equal => {}
            other => return other,
        }
    }
}

pub(crate) fn compare(a: &str, b: &str, order: Order) -> Ordering {
    let insensitive = |a: &str, b: &str| {
        if a.is_ascii() && b.is_ascii() {
            let lower = |c: &u8| c.to_ascii_lowercase();
            return padded(a.as_bytes().iter().map(lower), b.as_bytes().iter().map(lower), b' ');
        }
        padded(folded(a), folded(b), ' ')
    };
    match order {
        Order::CaseInsensitive => insensitive(a, b),
        Order::CaseSensitive => insensitive(a, b).then_with(|| padded(b.chars(), a.chars(), ' ')),
        Order::Binary if a.is_ascii() && b.is_ascii() => {
            padded(a.as_bytes().iter().copied(), b.as_bytes().iter().copied(), b' ')
        }
        Order::Binary => padded(units(a), units(b), 0x20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_back_one_to_one() {
        let cases: [&[u16]; 6] = [
            &[0x41, 0, 0x42],
            &[0xD800],
            &[0xDC00, 0xD800],
            &[0xD83D, 0xDE00],
            &[0xDBFE, 0xDC00, 0xDBFF, 0xDFFF],
            &[0xD800, 0xD83D, 0xDE00, 0xDC01],
        ];
        for case in cases {
            let text = from_units(case.iter().copied());
            assert_eq!(units(&text).collect::<Vec<_>>(), case, "{text:?}");
        }
        assert_eq!(from_units([0xD83D, 0xDE00]), "\u{1F600}");
    }

    #[test]
    fn trailing_blanks_do_not_count_and_case_folds() {
        assert_eq!(compare("Stra\u{df}e", "STRASSE  ", Order::CaseInsensitive), Ordering::Equal);
        assert_eq!(compare("a", "A", Order::CaseSensitive), Ordering::Less);
        assert_eq!(compare("a ", "a", Order::Binary), Ordering::Equal);
        assert_eq!(compare("a\t", "a", Order::Binary), Ordering::Less);
        assert_eq!(to_codepage("\u{20ac}\u{1F600}\u{e9}"), [0x80, b'?', b'?', 0xE9]);
    }
}
