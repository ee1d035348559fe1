//! The texts of a SQL Server's errors: what of them is shown to everybody, and all of them for who asks.
//!
//! A message may quote values of rows, which may be secrets, and a server may be hostile or be lied to by its data. So
//! whatever is quoted in a message is left out of errors, unless somebody asks to see all of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tiberius::error::TokenError;

use crate::text::{cut, shown};

/// As much of a message as an error shows, in characters.
pub(super) const MOST_SHOWN: usize = 300;
/// As much of a message as is kept, in characters: the server sends 2,047 at the most.
const MOST_KEPT: usize = 4096;
/// How many messages are kept: the first ones.
const MESSAGES_KEPT: usize = 100;

/// The messages of a server's errors in full, kept where somebody asks for them.
#[derive(Clone, Default)]
pub struct ServerMessages(Option<Arc<Mutex<Vec<String>>>>);

impl ServerMessages {
    /// Keeps messages; the default keeps none.
    pub fn kept() -> Self {
        Self(Some(Arc::default()))
    }

    /// The messages since the last call, in their order: number, class, state and text. They may hold secrets. Nothing
    /// in them is hidden.
    pub fn take(&self) -> Vec<String> {
        let Some(kept) = &self.0 else { return Vec::new() };
        std::mem::take(&mut kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn note(&self, token: &TokenError) {
        let Some(kept) = &self.0 else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MESSAGES_KEPT {
            kept.push(format!(
                "error {}, level {}, state {}: {}",
                token.code(),
                token.class(),
                token.state(),
                shown(&cut(token.message(), MOST_KEPT))
            ));
        }
    }
}

impl fmt::Debug for ServerMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerMessages")
    }
}

/// An error by its number, with its message as far as it can be shown to everybody.
pub(super) fn described(token: &TokenError) -> String {
    let message = without_values(token.message());
    let message = shown(&cut(message.trim().trim_end_matches('.'), MOST_SHOWN));
    match message.as_str() {
        "" => format!("SQL Server error {}", token.code()),
        message => format!("SQL Server error {}: {message}", token.code()),
    }
}

/// What opens or closes a quotation in the languages that servers speak.
const QUOTES: &[char] = &[
    '\'', '"', '`', '´', '‘', '’', '‚', '‛', '“', '”', '„', '‟', '«', '»', '‹', '›', '「', '」', '『', '』',
    '＂', '＇',
];

/// A message with `…` in place of whatever it quotes or puts in parentheses.
///
/// A value may hold quotation marks and parentheses of its own, so a pair of them need not belong together: everything
/// from the first to the last one goes, and all of the rest where they do not match in number.
pub(super) fn without_values(message: &str) -> String {
    let message = hide(message, |c| QUOTES.contains(&c), |c| QUOTES.contains(&c));
    hide(&message, |c| matches!(c, '(' | '（'), |c| matches!(c, ')' | '）'))
}

fn hide(message: &str, opens: impl Fn(char) -> bool, closes: impl Fn(char) -> bool) -> String {
    let Some((first, mark)) = message.char_indices().find(|(_, c)| opens(*c) || closes(*c)) else {
        return message.to_owned();
    };
    let (mut opened, mut closed) = (0usize, 0usize);
    for c in message.chars() {
        opened += usize::from(opens(c));
        closed += usize::from(closes(c));
    }
    // Marks that open and close alike are each counted as both.
    let even = opens(mark) && (if closes(mark) { opened.is_multiple_of(2) } else { opened == closed });
    let last = message.char_indices().rfind(|(_, c)| closes(*c)).filter(|(at, _)| even && *at > first);
    let before = message.get(..first + mark.len_utf8()).unwrap_or_default();
    match last {
        Some((last, _)) => format!("{before}…{}", message.get(last..).unwrap_or_default()),
        None => format!("{before}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_quotes_is_left_out() {
        for (message, expected) in [
            ("Divide by zero error encountered.", "Divide by zero error encountered."),
            (
                "Conversion failed when converting the nvarchar value 'swordfish' to data type int.",
                "Conversion failed when converting the nvarchar value '…' to data type int.",
            ),
            ("The value 'sword'fish' is bad", "The value '…"),
            ("The value 'sword'fi'sh' is bad", "The value '…' is bad"),
            ("The value \"it's swordfish\" is bad", "The value \"…"),
            ("The value 'swordfish", "The value '…"),
            ("Table 'a' has no 'swordfish' here", "Table '…' here"),
            ("The duplicate key value is (swordfish, 1).", "The duplicate key value is (…)."),
            ("The duplicate key value is (a) swordfish (b).", "The duplicate key value is (…)."),
            ("The duplicate key value is (sword)fish).", "The duplicate key value is (…"),
            ("The duplicate key value is (swordfish", "The duplicate key value is (…"),
            ("swordfish) is bad (or not)", "swordfish)…"),
            ("Der Wert „swordfish“ ist falsch", "Der Wert „…“ ist falsch"),
            ("La valeur « swordfish » est fausse", "La valeur «…» est fausse"),
            ("'", "'…"),
            ("", ""),
        ] {
            assert_eq!(without_values(message), expected);
        }
    }
}
