//! Unique constraints and indexes as whoever plans writes can hold rows to them.

use crate::document::{Collation, Value};

/// How deep brackets nest in the filter of an index that is understood.
const MOST_BRACKETS: usize = 16;

/// Columns that no two rows of a table may agree in.
#[derive(Debug, Clone, PartialEq)]
pub struct UniqueSet {
    /// The columns, as the server spells them, and how each compares.
    pub columns: Vec<(String, Collation)>,
    /// Which rows the index binds: all of the conditions hold. Without conditions it binds all rows.
    pub filter: Vec<Condition>,
    /// Whether NULL equals NULL (SQL Server); else a row with NULL in one of the columns agrees with no other.
    pub null_is_value: bool,
}

/// A condition of a filtered index.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column, as the index spells it.
    pub column: String,
    /// What it must hold.
    pub test: Test,
}

/// What a condition asks of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `IS NULL`.
    Null,
    /// `IS NOT NULL`.
    NotNull,
    /// `= literal`.
    Equals(Value),
    /// `<> literal`, which NULL is not.
    Differs(Value),
}

impl Condition {
    /// Says whether a value passes.
    pub fn holds(&self, value: &Value) -> bool {
        let same = |literal: &Value| match (literal, value) {
            (Value::Text(one), Value::Text(other)) => {
                let fold = |text: &str| Collation::CaseInsensitive.fold(text);
                fold(one) == fold(other)
            }
            (Value::Int(one), Value::Bool(other)) => *one == i64::from(*other),
            (one, other) => one == other,
        };
        match &self.test {
            Test::Null => value.is_null(),
            Test::NotNull => !value.is_null(),
            Test::Equals(literal) => same(literal),
            Test::Differs(literal) => !value.is_null() && !same(literal),
        }
    }

    /// Reads the filter of an index: conditions joined by AND. `None` for anything else.
    pub(super) fn parse(filter: &str) -> Option<Vec<Self>> {
        let mut parser = Parser { tokens: tokens(filter)?.into_iter().peekable() };
        let conditions = parser.all(0)?;
        parser.tokens.next().is_none().then_some(conditions)
    }

    /// The filter in the statement that made an index of SQLite's.
    pub(super) fn of_statement(sql: &str) -> Option<Vec<Self>> {
        let mut depth = 0_usize;
        let tokens = tokens(sql)?;
        let at = tokens.iter().position(|token| {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is_word("WHERE")
        })?;
        let mut parser = Parser { tokens: tokens.get(at + 1..)?.to_vec().into_iter().peekable() };
        let conditions = parser.all(0)?;
        parser.tokens.next().is_none().then_some(conditions)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A keyword, or a name that is not quoted.
    Word(String),
    /// A quoted name.
    Name(String),
    Literal(Value),
    NotEqual,
    Sign(char),
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own.eq_ignore_ascii_case(word))
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '[' => quoted(rest, ']').map(|(name, after)| (Token::Name(name), after))?,
            '"' | '`' => quoted(rest, first).map(|(name, after)| (Token::Name(name), after))?,
            '\'' => quoted(rest, '\'').map(|(text, after)| (Token::Literal(Value::Text(text)), after))?,
            'N' | 'n' if rest.get(1..2) == Some("'") => {
                let (text, after) = quoted(rest.get(1..)?, '\'')?;
                (Token::Literal(Value::Text(text)), after)
            }
            _ if first.is_alphabetic() || matches!(first, '_' | '@' | '#') => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '@' | '#' | '$'));
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                (Token::Word(word.to_owned()), after)
            }
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, after) = rest.split_at(end);
                // Numbers with a point or an exponent are not understood.
                (Token::Literal(Value::Int(digits.parse().ok()?)), after)
            }
            '<' if rest.starts_with("<>") => (Token::NotEqual, rest.get(2..)?),
            '!' if rest.starts_with("!=") => (Token::NotEqual, rest.get(2..)?),
            sign => (Token::Sign(sign), rest.get(sign.len_utf8()..)?),
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(tokens)
}

/// What stands between quotes, of which one inside is written twice, and what follows.
fn quoted(text: &str, end: char) -> Option<(String, &str)> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        if char != end {
            inside.push(char);
        } else if chars.peek().is_some_and(|(_, next)| *next == end) {
            inside.push(end);
            chars.next();
        } else {
            return Some((inside, text.get(at + end.len_utf8()..)?));
        }
    }
    None
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn eat(&mut self, token: &Token) -> bool {
        self.tokens.next_if_eq(token).is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| token.is_word(word)).is_some()
    }

    fn all(&mut self, depth: usize) -> Option<Vec<Condition>> {
        let mut conditions = self.one(depth)?;
        while self.word("AND") {
            conditions.append(&mut self.one(depth)?);
        }
        Some(conditions)
    }

    fn one(&mut self, depth: usize) -> Option<Vec<Condition>> {
        if self.eat(&Token::Sign('(')) {
            let inner = if depth < MOST_BRACKETS { self.all(depth + 1)? } else { return None };
            return self.eat(&Token::Sign(')')).then_some(inner);
        }
        let column = match self.tokens.next()? {
            Token::Word(name) | Token::Name(name) => name,
            _ => return None,
        };
        let test = if self.word("IS") {
            let not = self.word("NOT");
            let null = self.word("NULL");
            null.then_some(if not { Test::NotNull } else { Test::Null })?
        } else if self.eat(&Token::Sign('=')) {
            self.eat(&Token::Sign('='));
            Test::Equals(self.literal(depth)?)
        } else if self.eat(&Token::NotEqual) {
            Test::Differs(self.literal(depth)?)
        } else {
            return None;
        };
        Some(vec![Condition { column, test }])
    }

    fn literal(&mut self, depth: usize) -> Option<Value> {
        if self.eat(&Token::Sign('(')) {
            let inner = if depth < MOST_BRACKETS { self.literal(depth + 1)? } else { return None };
            return self.eat(&Token::Sign(')')).then_some(inner);
        }
        let negative = self.eat(&Token::Sign('-'));
        match (self.tokens.next()?, negative) {
            (Token::Literal(Value::Int(number)), true) => Some(Value::Int(-number)),
            (Token::Literal(literal), false) => Some(literal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(column: &str, test: Test) -> Condition {
        Condition { column: column.to_owned(), test }
    }

    #[test]
    fn filters_of_both_servers_are_read() {
        assert_eq!(Condition::parse("([Slug] IS NOT NULL)"), Some(vec![of("Slug", Test::NotNull)]));
        assert_eq!(
            Condition::parse("([State]=N'it''s' AND [Is]]Deleted]=(0) AND [C]<>(-1))"),
            Some(vec![
                of("State", Test::Equals(Value::from("it's"))),
                of("Is]Deleted", Test::Equals(Value::Int(0))),
                of("C", Test::Differs(Value::Int(-1))),
            ])
        );
        let sql =
            "CREATE UNIQUE INDEX [where] ON [Thing] ([Where], \"b\") WHERE Slug is not null and \"b\" != 'x'";
        assert_eq!(
            Condition::of_statement(sql),
            Some(vec![of("Slug", Test::NotNull), of("b", Test::Differs(Value::from("x")))])
        );
        // What is not understood binds nothing that could be told.
        for other in [
            "([A]=(1) OR [B]=(1))",
            "len([A])>(1)",
            "[A] IN ((1),(2))",
            "[A]=(1.5)",
            "[A]=",
            "((",
            "'x",
            "[A]>(1)",
        ] {
            assert_eq!(Condition::parse(other), None, "{other}");
        }
        assert_eq!(Condition::parse(&"(".repeat(100_000)), None);
    }

    #[test]
    fn conditions_hold_as_the_server_compares() {
        let (null, text) = (Value::Null, Value::from("Open "));
        assert!(of("a", Test::NotNull).holds(&text) && !of("a", Test::NotNull).holds(&null));
        assert!(of("a", Test::Null).holds(&null));
        assert!(of("a", Test::Equals(Value::from("open"))).holds(&text));
        assert!(!of("a", Test::Differs(Value::from("shut"))).holds(&null));
        assert!(of("a", Test::Equals(Value::Int(0))).holds(&Value::Bool(false)));
    }
}
