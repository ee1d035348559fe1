//! From any name to one that every file system keeps, and says apart from its neighbours.
//!
//! Obeys `format-spec/tree-v1.md`, "Names". Works on text alone. What a name was is not read back from the
//! file's name: the file itself says it.

use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use crate::document::Key;

/// Bytes of one escaped name; longer ones are cut.
pub(super) const MAX_NAME_BYTES: usize = 100;
/// Bytes that are left of a name that is cut.
const CUT_BYTES: usize = 60;

/// What stands between a name and what tells it from its neighbours. Escaped in names.
pub(super) const MARK: char = '~';

/// The context of the hash that tells names apart; part of the format.
pub(super) const NAME_CONTEXT: &str = "sealift 2026-11 tree v1 name";

/// The first half of a hash over some parts, each behind its length.
pub(super) fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(NAME_CONTEXT);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Sixteen digits that stand for a hash.
pub(super) fn digits(hash: [u8; 16]) -> String {
    hash.iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The digits of a document.
pub(super) fn identity(kind: &str, key: &Key) -> String {
    digits(hash(&[kind.as_bytes(), key.to_text().as_bytes()]))
}

/// The text that all spellings share which some file system takes for one: case and composition do not count.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Character by character: the sigma at the end of a word is as any, whatever follows the name in a path.
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).nfc().collect::<String>();
    lower(&lower(&composed(text)).to_uppercase())
}

/// What all paths share that some file system takes for one, as a hash.
pub(super) fn folded(path: &str) -> [u8; 16] {
    hash(&[fold(path).as_bytes()])
}

/// Composed text: some file systems hand names out decomposed.
pub(super) fn composed(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// Spells a name as a file or folder can be called.
pub(super) fn escape(name: &str) -> String {
    let name = composed(name);
    if name.is_empty() {
        return "%".to_owned();
    }
    let mut out = String::with_capacity(name.len());
    let last = name.chars().count() - 1;
    let device = is_device(&name);
    let json = name.chars().rev().nth(4) == Some('.')
        && name.rfind('.').and_then(|at| name.get(at..)).is_some_and(|end| fold(end) == ".json");
    for (index, c) in name.chars().enumerate() {
        let forbidden = matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' | '%' | MARK)
            || c.is_control()
            || is_invisible(c)
            || (index == 0 && (device || matches!(c, '.' | ' ')))
            || (index == last && (matches!(c, '.' | ' ') || (last == 0 && c == '_')))
            || (json && index + 4 == last);
        if forbidden {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Cuts an escaped name that is too long; `digits` tell it from others of the same beginning.
pub(super) fn cut(escaped: String, digits: impl FnOnce() -> String) -> String {
    if escaped.len() <= MAX_NAME_BYTES {
        return escaped;
    }
    format!("{}{MARK}{}", beginning(&escaped, CUT_BYTES), digits())
}

/// As much of an escaped name as fits, without half of an escape.
pub(super) fn beginning(escaped: &str, bytes: usize) -> &str {
    let mut end = bytes.min(escaped.len());
    while !escaped.is_char_boundary(end) {
        end -= 1;
    }
    let head = escaped.get(..end).unwrap_or(escaped);
    if let Some(at) = head.rfind('%')
        && head.len() < escaped.len()
        && at + 3 > head.len()
    {
        end = at;
    }
    escaped.get(..end).unwrap_or(escaped)
}

/// Characters that nobody sees, or that turn the order of others around.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether Windows takes the name for a device, whatever follows a dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let Some(number) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else { return false };
    let mut chars = number.chars();
    matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Whether one part of a path from a file may be followed: a plain name, of no special meaning anywhere.
pub(super) fn is_plain(segment: &str) -> bool {
    !segment.is_empty()
        && segment.len() <= 255
        && !segment.starts_with(['.', ' '])
        && !segment.ends_with(['.', ' '])
        && !segment
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*'))
        && !is_device(segment)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_escaped() {
        for (name, file) in [
            ("Web shop", "Web shop"),
            ("a/b\\c:d", "a%2Fb%5Cc%3Ad"),
            ("100%", "100%25"),
            ("CON", "%43ON"),
            ("nul.txt", "%6Eul.txt"),
            ("Com1 .x", "%43om1 .x"),
            ("console", "console"),
            ("trailing ", "trailing%20"),
            ("dots...", "dots..%2E"),
            (".git", "%2Egit"),
            ("..", "%2E%2E"),
            ("", "%"),
            ("_", "%5F"),
            ("__", "__"),
            ("a~1", "a%7E1"),
            ("appsettings.json", "appsettings%2Ejson"),
            ("X.JSON", "X%2EJSON"),
            ("x.j\u{17f}on", "x%2Ej\u{17f}on"),
            ("tab\there", "tab%09here"),
            ("evil\u{202e}gpj", "evil%E2%80%AEgpj"),
            ("e\u{301}", "é"),
        ] {
            assert_eq!(escape(name), file, "{name:?}");
            assert!(is_plain(file), "{file}");
        }
    }

    #[test]
    fn long_names_are_cut_between_escapes() {
        for name in ["x".repeat(200), "/".repeat(100), "é".repeat(99), "a".to_owned() + &"?".repeat(80)] {
            let cut = cut(escape(&name), || "0123456789abcdef".to_owned());
            assert!(cut.len() <= MAX_NAME_BYTES && cut.ends_with("~0123456789abcdef"), "{cut}");
            let head = cut.split('~').next().unwrap();
            let plain = head.replace("%2F", "/").replace("%3F", "?");
            assert!(name.starts_with(&plain) && !plain.contains('%'), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_a_file_name(name in "\\PC{0,40}|[ -~\u{0}-\u{1f}]{0,20}|[.a /\\\\%]{0,6}") {
            let file = cut(escape(&name), || "0123456789abcdef".to_owned());
            prop_assert!(is_plain(&file) || file.len() > 255, "{file:?}");
            prop_assert!(!file.to_ascii_lowercase().ends_with(".json"));
        }

        #[test]
        fn what_is_one_name_to_a_file_system_folds_alike(a in "\\PC{0,6}", b in "\\PC{0,6}") {
            let simple = |t: &str| -> String { composed(&t.nfc().collect::<String>().to_lowercase()) };
            for (x, y) in [(a.clone(), b), (a.clone(), a.to_uppercase()), (a.clone(), a.nfd().collect())] {
                if simple(&x) == simple(&y) {
                    prop_assert_eq!(fold(&x), fold(&y));
                }
                // The short way is the long one.
                let long = fold(&format!("{x}\u{e9}"));
                prop_assert_eq!(fold(&x) + "\u{e9}", long);
            }
        }
    }
}
