//! Defaults of columns, as far as they mean the same on every server.

/// A default that is a literal or the time. Other expressions mean something to one server alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal<'a> {
    /// NULL, which needs no default.
    Null,
    /// A number, as it is written.
    Number(&'a str),
    /// What stands between the quotes of a text, where each quote is written twice.
    Text(&'a str),
    /// The time now, in UTC.
    Now,
    /// The date of it.
    Today,
    /// The clock of it.
    Clock,
}

impl<'a> Literal<'a> {
    /// Reads the SQL text of a default; `None` for other expressions.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut text = text.trim();
        while let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            text = inner.trim();
        }
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "null" => return Some(Literal::Null),
            "current_timestamp" => return Some(Literal::Now),
            "current_date" => return Some(Literal::Today),
            "current_time" => return Some(Literal::Clock),
            _ => {}
        }
        // `getutcdate(` has lost its last bracket to the loop only where the whole was in brackets.
        const TIMES: [&str; 5] =
            ["getdate", "getutcdate", "sysdatetime", "sysutcdatetime", "sysdatetimeoffset"];
        if TIMES.iter().any(|time| lower.trim_end_matches(['(', ')']) == *time) {
            return Some(Literal::Now);
        }
        let digits = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && text.parse::<f64>().is_ok();
        if is_number {
            return Some(Literal::Number(text));
        }
        let literal = text.strip_prefix(['N', 'n']).unwrap_or(text);
        let inside = literal.strip_prefix('\'')?.strip_suffix('\'')?;
        // Quotes inside come in pairs, or the text does not end where it seems to.
        let lone = inside.replace("''", "").contains('\'');
        (!lone).then_some(Literal::Text(inside))
    }
}
