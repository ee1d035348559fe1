//! Text of a file, a server or a person, made fit to be seen: one set of characters and one way to spell them, for
//! terminals, pages, comments in scripts and JSON.
//!
//! The set is what moves a cursor, changes the direction of what follows, or is not seen at all: by Unicode 16.0 the
//! categories Cc, Cf, Zl and Zp, and what has the property Default_Ignorable_Code_Point. What is stored stays as it is;
//! only what is shown is spelled.

pub mod input;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// As much of a name as a message shows, in characters.
pub const NAME: usize = 200;

/// The characters beyond ASCII that are not shown as they are, as ranges with both ends.
const HIDDEN: [(char, char); 26] = [
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Says whether a character must not reach anybody's eyes as it is.
pub fn is_hidden(c: char) -> bool {
    match c {
        '\0'..='\u{1f}' => true,
        ' '..='~' => false,
        _ => {
            let at = HIDDEN.partition_point(|(_, last)| *last < c);
            HIDDEN.get(at).is_some_and(|(first, _)| *first <= c)
        }
    }
}

/// Spells a hidden character as it is shown: `\n`, `\u{1b}`.
///
/// # Errors
/// Those of `out`.
pub fn escape(c: char, out: &mut impl fmt::Write) -> fmt::Result {
    write!(out, "{}", c.escape_default())
}

/// Text on one line, in which nothing is hidden.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'t>(pub &'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_hidden) {
            let (plain, tail) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = tail.chars();
            chars.next().map_or(Ok(()), |hidden| escape(hidden, f))?;
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// The same as a text of its own.
pub fn shown(text: &str) -> String {
    Shown(text).to_string()
}

/// The first characters of a text, with `…` behind them where there are more.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)) {
        Some(first) => format!("{first}…").into(),
        None => text.into(),
    }
}

/// The beginning and the end of a text, with `…` between them where there is more.
pub fn cut_middle(text: &str, most: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= most {
        return text.into();
    }
    let last: String = text.chars().skip(count - most / 3).collect();
    format!("{}{last}", cut(text, most - most / 3)).into()
}

/// Bytes as hexadecimal digits in lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A text of JSON with every hidden character in it spelled `\uXXXX`. They stand in strings only, but for the blanks
/// of JSON itself, which stay; so what is read of it is the same.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let is_meant = |c: char| is_hidden(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(is_meant) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_meant(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

/// Writes a value as JSON on one line, without blanks and with no hidden character.
///
/// # Errors
/// Those of `out`, and of values that have no JSON.
pub fn write_json(out: impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Escaping(CompactFormatter)))
}

/// Writes a value as JSON for people, a member on each line, with no hidden character.
///
/// # Errors
/// Those of `out`, and of values that have no JSON.
pub fn write_json_pretty(out: impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Escaping(PrettyFormatter::new())))
}

/// A spelling of JSON in which strings have no hidden characters.
struct Escaping<F>(F);

/// Hands what a method does over to the formatter inside.
macro_rules! hand_over {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Escaping<F> {
    hand_over! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    /// Pieces of strings have neither quotes nor control characters: those are spelled elsewhere.
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        self.0.write_string_fragment(writer, &escape_json(text))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use regex_syntax::hir::{Class, HirKind};

    /// The characters of a class, by the tables of another.
    fn class(pattern: &str) -> Vec<(char, char)> {
        let hir = regex_syntax::parse(pattern).unwrap();
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else { unreachable!("{pattern}") };
        class.iter().map(|range| (range.start(), range.end())).collect()
    }

    #[test]
    fn the_set_is_that_of_unicode() {
        let set = class(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]");
        assert_eq!(set.first(), Some(&('\0', '\u{1f}')));
        assert_eq!(set.get(1..), Some(&HIDDEN[..]));
        for c in '\0'..=char::MAX {
            assert_eq!(is_hidden(c), set.iter().any(|(first, last)| (*first..=*last).contains(&c)), "{c:?}");
        }
    }

    #[test]
    fn nothing_hidden_is_shown() {
        assert_eq!(
            shown("a\u{1b}[31m\nb\u{9b}c\u{202e}d\u{e0041}é 日本 \\n"),
            r"a\u{1b}[31m\nb\u{9b}c\u{202e}d\u{e0041}é 日本 \n"
        );
        let all: String = ('\0'..=char::MAX).filter(|c| is_hidden(*c)).collect();
        assert!(!shown(&all).contains(is_hidden));
    }

    #[test]
    fn json_without_hidden_characters_is_the_same_json() {
        let all: String = ('\0'..=char::MAX).filter(|c| is_hidden(*c)).chain("\"\\é😀".chars()).collect();
        let value = serde_json::json!({ &all: [&all, { "b": [], "c": {} }] });
        let (mut line, mut pretty) = (Vec::new(), Vec::new());
        write_json(&mut line, &value).unwrap();
        write_json_pretty(&mut pretty, &value).unwrap();
        for text in [line, pretty] {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains(|c| is_hidden(c) && c != '\n'), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
        assert_eq!(escape_json("[\"\u{e0041}\u{ad}\"]"), r#"["\udb40\udc41\u00ad"]"#);
        // And where nothing is hidden, the same text as anybody's.
        let plain = serde_json::json!({ "a": [1, "é"], "b": {} });
        let mut pretty = Vec::new();
        write_json_pretty(&mut pretty, &plain).unwrap();
        assert_eq!(pretty, serde_json::to_vec_pretty(&plain).unwrap());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("日本語", 3), "日本語");
        assert_eq!(cut("日本語", 2), "日本…");
        assert_eq!(cut_middle("abcdefghi", 9), "abcdefghi");
        assert_eq!(cut_middle("äbcdefghij", 9), "äbcdef…hij");
    }
}
