//! T-SQL as tokens. What is no token of the subset is an error.

use crate::convert::unhex;
use crate::fail::{Fail, Result};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A bare word, as written.
    Word(String),
    /// A name in brackets or double quotes.
    Quoted(String),
    Text {
        text: String,
        national: bool,
    },
    Hex(Vec<u8>),
    Number(String),
    /// `@name`, with the sign.
    Variable(String),
    /// `@@NAME`, in upper case with the signs.
    Global(String),
    Symbol(&'static str),
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

const SYMBOLS: [&str; 22] = [
    "<>", "<=", ">=", "!=", "+=", "(", ")", ",", ".", ";", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|",
    "^", "~",
];

pub(crate) fn tokens(sql: &str) -> Result<Vec<Spot>> {
    let mut found = Vec::new();
    let bytes = sql.as_bytes();
    let mut at = 0;
    loop {
        at = skip_blank(sql, at)?;
        let start = at;
        let Some(first) = sql[at..].chars().next() else {
            found.push(Spot { token: Token::End, start: at, end: at });
            return Ok(found);
        };
        let token = match first {
            '\'' => {
                let (text, end) = delimited(sql, at, '\'')?;
                at = end;
                Token::Text { text, national: false }
            }
            'N' | 'n' if bytes.get(at + 1) == Some(&b'\'') => {
                let (text, end) = delimited(sql, at + 1, '\'')?;
                at = end;
                Token::Text { text, national: true }
            }
            '[' => {
                let (name, end) = delimited(sql, at, ']')?;
                at = end;
                Token::Quoted(name)
            }
            '"' => {
                let (name, end) = delimited(sql, at, '"')?;
                at = end;
                Token::Quoted(name)
            }
            '0' if matches!(bytes.get(at + 1), Some(b'x' | b'X')) => {
                let digits = &sql[at + 2..];
                let count = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
                at += 2 + count;
                let even = if count % 2 == 1 {
                    format!("0{}", &digits[..count])
                } else {
                    digits[..count].to_owned()
                };
                Token::Hex(unhex(&even).ok_or_else(|| Fail::syntax(digits))?)
            }
            '0'..='9' => {
                at = number_end(bytes, at);
                Token::Number(sql[start..at].to_owned())
            }
            '.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                at = number_end(bytes, at);
                Token::Number(sql[start..at].to_owned())
            }
            '@' => {
                at += sql[at..].find(|c| !is_name(c)).unwrap_or(sql.len() - at);
                let word = &sql[start..at];
                if word.starts_with("@@") {
                    Token::Global(word.to_ascii_uppercase())
                } else if word.len() > 1 {
                    Token::Variable(word.to_owned())
                } else {
                    return Err(Fail::syntax("@"));
                }
            }
            c if is_name(c) => {
                at += sql[at..].find(|c| !is_name(c)).unwrap_or(sql.len() - at);
                Token::Word(sql[start..at].to_owned())
            }
            _ => {
                let rest = &sql[at..];
                let symbol =
                    SYMBOLS.iter().find(|s| rest.starts_with(**s)).ok_or_else(|| Fail::syntax(first))?;
                at += symbol.len();
                Token::Symbol(symbol)
            }
        };
        let glued = sql[at..].chars().next().is_some_and(is_name);
        if glued && matches!(token, Token::Number(_) | Token::Hex(_)) {
            return Err(Fail::syntax(&sql[start..=at]));
        }
        found.push(Spot { token, start, end: at });
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '#' | '@' | '$')
}

fn number_end(bytes: &[u8], mut at: usize) -> usize {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    at = digits(at);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at + 1 + sign);
        if end > at + 1 + sign {
            at = end;
        }
    }
    at
}

/// Past blanks and comments; block comments nest.
fn skip_blank(sql: &str, mut at: usize) -> Result<usize> {
    loop {
        let rest = &sql[at..];
        if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            let mut depth = 0;
            loop {
                let rest = &sql[at..];
                if rest.starts_with("/*") {
                    (depth, at) = (depth + 1, at + 2);
                } else if rest.starts_with("*/") {
                    (depth, at) = (depth - 1, at + 2);
                    if depth == 0 {
                        break;
                    }
                } else {
                    let next = rest
                        .chars()
                        .next()
                        .ok_or_else(|| Fail::new(113, "Missing end comment mark '*/'."))?;
                    at += next.len_utf8();
                }
            }
        } else if let Some(blank) = rest.chars().next().filter(|c| c.is_whitespace()) {
            at += blank.len_utf8();
        } else {
            return Ok(at);
        }
    }
}

/// What stands between the delimiter at `open` and its end, where the end doubled is itself.
fn delimited(sql: &str, open: usize, end: char) -> Result<(String, usize)> {
    let mut text = String::new();
    let mut at = open + 1;
    loop {
        let rest = &sql[at..];
        let Some(found) = rest.find(end) else {
            let shown: String = sql[open + 1..].chars().take(100).collect();
            return Err(Fail::new(
                105,
                format!("Unclosed quotation mark after the character string '{shown}'."),
            ));
        };
        text.push_str(&rest[..found]);
        at += found + end.len_utf8();
        if !sql[at..].starts_with(end) {
            return Ok((text, at));
        }
        text.push(end);
        at += end.len_utf8();
    }
}
