//! Text files that people and other programs write: passwords, keys, lists, models.
//!
//! Editors and shells put a byte order mark before UTF-8, or write UTF-16. Neither is part of what was meant, and taken
//! as it is it would become part of a password. So every such file is read here: a byte order mark is removed, UTF-16
//! behind one is decoded, and NUL, which no such file has on purpose, is refused.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// How large a file of one line may be, in bytes. More is another file, taken by mistake.
pub const MAX_LINE_FILE_BYTES: u64 = 64 << 10;

/// How large a text of many lines may be, in bytes: a model, a script that makes tables.
pub const MAX_TEXT_FILE_BYTES: u64 = 4 << 20;

/// The byte order mark as a character.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why an input is not the text that it should be. Messages repeat nothing of it: it may be a password.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is more than anybody would write there.
    #[error("it is larger than {} KiB", limit >> 10)]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The bytes are no text.
    #[error("it is not valid UTF-8")]
    NotUtf8,
    /// Every second byte is NUL: UTF-16, and nothing says in which order its bytes are.
    #[error("it looks like UTF-16 without a byte order mark; save it as UTF-8")]
    Utf16WithoutMark,
    /// A byte order mark of UTF-16, and something else behind it.
    #[error("it begins as UTF-16 and is not valid UTF-16")]
    NotUtf16,
    /// NUL is in it.
    #[error("it holds a NUL character")]
    Nul,
    /// One line is meant and there are more.
    #[error("it has more than one line")]
    SecondLine,
}

/// Reads a file of many lines. It is opened once and read to its end or the limit, so that devices and pipes that
/// never end are refused like any other file that is too large.
///
/// # Errors
/// [`TextError`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, TextError> {
    decode(read_bytes(path, limit)?)
}

/// Reads a file that holds one line: a password, a key, a token. Line ends after it are removed.
///
/// # Errors
/// [`TextError`].
pub fn read_line(path: &Path) -> Result<String, TextError> {
    one_line(&read_text(path, MAX_LINE_FILE_BYTES)?)
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// [`TextError::Io`], [`TextError::TooLarge`].
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, TextError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(TextError::TooLarge { limit }) } else { Ok(bytes) }
}

/// The one line that a text is: without a byte order mark before it and line ends after it. An environment variable
/// may have both, from the file that it was filled from.
///
/// # Errors
/// [`TextError::SecondLine`], [`TextError::Nul`].
pub fn one_line(text: &str) -> Result<String, TextError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let line = text.trim_end_matches(['\r', '\n']);
    match line.chars().find(|c| matches!(c, '\0' | '\r' | '\n')) {
        None => Ok(line.to_owned()),
        Some('\0') => Err(TextError::Nul),
        Some(_) => Err(TextError::SecondLine),
    }
}

/// Says whether bytes begin with the byte order mark of UTF-16, in either order. No UTF-8 begins so.
pub fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
}

/// The text that bytes are, in UTF-8 with or without a byte order mark or in UTF-16 with one.
///
/// # Errors
/// [`TextError`], for anything else, and for text that holds NUL.
pub fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    let text = match bytes.as_slice() {
        [0xff, 0xfe, units @ ..] => utf16(units, u16::from_le_bytes)?,
        [0xfe, 0xff, units @ ..] => utf16(units, u16::from_be_bytes)?,
        _ if is_bare_utf16(&bytes) => return Err(TextError::Utf16WithoutMark),
        _ => {
            let text = String::from_utf8(bytes).map_err(|_| TextError::NotUtf8)?;
            match text.strip_prefix(BYTE_ORDER_MARK) {
                Some(rest) => rest.to_owned(),
                None => text,
            }
        }
    };
    if text.contains('\0') { Err(TextError::Nul) } else { Ok(text) }
}

fn utf16(units: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let (pairs, rest) = units.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(TextError::NotUtf16);
    }
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| TextError::NotUtf16)
}

/// Says whether bytes look like UTF-16 of mostly Latin letters: every second byte is NUL, and no other is.
fn is_bare_utf16(bytes: &[u8]) -> bool {
    let (pairs, rest) = bytes.as_chunks::<2>();
    !pairs.is_empty()
        && rest.is_empty()
        && (pairs.iter().all(|[first, second]| *first != 0 && *second == 0)
            || pairs.iter().all(|[first, second]| *first == 0 && *second != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        let line = decode(bytes.to_vec()).and_then(|text| one_line(&text));
        line.map_err(|error| error.to_string())
    }

    fn in_utf16(text: &str, mark: [u8; 2], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect()
    }

    #[test]
    fn a_line_is_the_same_in_whatever_encoding_it_was_saved() {
        let text = "Päss wörd 🔑 ";
        for end in ["", "\n", "\r\n", "\n\n"] {
            let line = format!("{text}{end}");
            let with_mark = format!("\u{feff}{line}");
            for bytes in [
                line.clone().into_bytes(),
                with_mark.into_bytes(),
                in_utf16(&line, [0xff, 0xfe], u16::to_le_bytes),
                in_utf16(&line, [0xfe, 0xff], u16::to_be_bytes),
            ] {
                assert_eq!(read(&bytes).as_deref(), Ok(text), "{bytes:?}");
            }
        }
        assert_eq!(read(b"\xef\xbb\xbf").as_deref(), Ok(""));
        assert_eq!(read(b"").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_line_of_text_is_refused_with_its_reason() {
        for (bytes, reason) in [
            (b"one\ntwo".as_slice(), "more than one line"),
            (b"one\rtwo", "more than one line"),
            (b"\none", "more than one line"),
            (b"a\0b", "NUL"),
            (b"secret\0", "NUL"),
            (b"a\xff", "not valid UTF-8"),
            (b"p\0w\0", "UTF-16 without a byte order mark"),
            (b"\0p\0w", "UTF-16 without a byte order mark"),
            (b"\xff\xfea", "not valid UTF-16"),
            (b"\xff\xfe\x00\xd8", "not valid UTF-16"),
            (b"\xff\xfe\0\0p\0\0\0", "NUL"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(reason), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn a_file_without_an_end_is_too_large() {
        let path = Path::new("/dev/zero");
        if path.exists() {
            let error = read_line(path).unwrap_err();
            assert!(matches!(error, TextError::TooLarge { .. }), "{error}");
        }
    }
}
