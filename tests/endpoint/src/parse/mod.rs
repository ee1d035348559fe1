//! A recursive-descent parser for the T-SQL that the endpoint knows; all else is error 102 with its text.

pub(crate) mod ast;
mod ddl;
mod expression;
mod lexer;
mod query;
mod statement;

use crate::fail::{Fail, Result};
use ast::{Expr, Name, Parsed};
use lexer::{Spot, Token};

/// Words that no alias without AS can be.
const RESERVED: [&str; 62] = [
    "ALTER",
    "AND",
    "AS",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "COLLATE",
    "COMMIT",
    "CREATE",
    "CROSS",
    "DECLARE",
    "DELETE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXEC",
    "EXECUTE",
    "EXISTS",
    "FETCH",
    "FOR",
    "FROM",
    "FULL",
    "GOTO",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "MERGE",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OPTION",
    "OR",
    "ORDER",
    "OUTER",
    "OUTPUT",
    "PRINT",
    "RETURN",
    "RIGHT",
    "ROLLBACK",
    "SAVE",
    "SELECT",
    "SET",
    "THROW",
    "TRUNCATE",
    "UNION",
    "UPDATE",
    "VALUES",
    "WHERE",
    "WITH",
];

pub(crate) struct Parser<'a> {
    sql: &'a str,
    spots: Vec<Spot>,
    at: usize,
    /// How deep expressions and blocks nest.
    depth: usize,
}

/// Parses a whole batch; nothing runs unless all of it is understood.
pub(crate) fn batch(sql: &str) -> Result<Vec<Parsed>> {
    let mut parser = Parser { sql, spots: lexer::tokens(sql)?, at: 0, depth: 0 };
    let mut statements = Vec::new();
    loop {
        while parser.symbol(";") {}
        if *parser.peek() == Token::End {
            return Ok(statements);
        }
        statements.push(parser.statement()?);
    }
}

/// Parses the text of one expression, as the catalog keeps it.
pub(crate) fn expression(sql: &str) -> Result<Expr> {
    let mut parser = Parser { sql, spots: lexer::tokens(sql)?, at: 0, depth: 0 };
    let expr = parser.expr()?;
    parser.end()?;
    Ok(expr)
}

/// Parses what declares the parameters of sp_executesql.
pub(crate) fn parameters(sql: &str) -> Result<Vec<(String, crate::types::Type)>> {
    let mut parser = Parser { sql, spots: lexer::tokens(sql)?, at: 0, depth: 0 };
    let mut found = Vec::new();
    while *parser.peek() != Token::End {
        if !found.is_empty() {
            parser.expect(",")?;
        }
        let name = parser.variable()?;
        parser.keyword("AS");
        found.push((name, parser.type_name(false)?));
    }
    Ok(found)
}

/// Parses a name as OBJECT_ID takes it: `[dbo].[T]`, `tempdb..#x`.
pub(crate) fn object_name(text: &str) -> Option<Name> {
    let mut parser = Parser { sql: text, spots: lexer::tokens(text).ok()?, at: 0, depth: 0 };
    let name = parser.name().ok()?;
    parser.end().ok()?;
    Some(name)
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.spots[self.at].token
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        &self.spots[(self.at + ahead).min(self.spots.len() - 1)].token
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if self.at + 1 < self.spots.len() {
            self.at += 1;
        }
        token
    }

    /// The error for what stands here.
    fn wrong(&self) -> Fail {
        let spot = &self.spots[self.at];
        if spot.token == Token::End {
            let last =
                self.at.checked_sub(1).map_or("", |i| &self.sql[self.spots[i].start..self.spots[i].end]);
            return Fail::syntax(last);
        }
        let near: String = self.sql[spot.start..spot.end].chars().take(128).collect();
        if RESERVED.iter().any(|r| near.eq_ignore_ascii_case(r)) {
            return Fail::new(156, format!("Incorrect syntax near the keyword '{near}'."));
        }
        Fail::syntax(near)
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(w) if w.eq_ignore_ascii_case(word))
    }

    fn is_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Symbol(s) if *s == symbol)
    }

    /// Takes the words if all of them follow.
    fn keyword(&mut self, words: &str) -> bool {
        let found = words.split(' ').enumerate().all(|(i, word)| self.is_word(i, word));
        if found {
            self.at += words.split(' ').count();
        }
        found
    }

    fn require(&mut self, words: &str) -> Result<()> {
        if self.keyword(words) { Ok(()) } else { Err(self.wrong()) }
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(0, symbol);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.wrong()) }
    }

    fn end(&self) -> Result<()> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.wrong()) }
    }

    /// A name of a column, alias, constraint: in brackets, or a word that is not reserved.
    fn identifier(&mut self) -> Result<String> {
        match self.peek() {
            Token::Quoted(name) if !name.is_empty() => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            Token::Word(word) if !RESERVED.iter().any(|r| word.eq_ignore_ascii_case(r)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.wrong()),
        }
    }

    fn variable(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Variable(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.wrong()),
        }
    }

    fn name(&mut self) -> Result<Name> {
        let mut parts = vec![Some(self.identifier()?)];
        while self.symbol(".") {
            if self.is_symbol(0, ".") {
                parts.push(None);
            } else {
                parts.push(Some(self.identifier()?));
            }
        }
        let name = parts.pop().flatten().ok_or_else(|| self.wrong())?;
        let schema = parts.pop().flatten();
        let database = parts.pop().flatten();
        if !parts.is_empty() {
            return Err(Fail::refused("names of linked servers"));
        }
        Ok(Name { database, schema, name })
    }

    fn names_in_parentheses(&mut self) -> Result<Vec<String>> {
        self.expect("(")?;
        let mut names = vec![self.identifier()?];
        while self.symbol(",") {
            names.push(self.identifier()?);
        }
        self.expect(")")?;
        Ok(names)
    }

    fn on_or_off(&mut self) -> Result<bool> {
        if self.keyword("ON") {
            Ok(true)
        } else {
            self.require("OFF")?;
            Ok(false)
        }
    }

    /// The text from the token `from` up to here.
    fn text_since(&self, from: usize) -> String {
        let end = self.at.checked_sub(1).map_or(0, |i| self.spots[i].end);
        self.sql[self.spots[from].start..end.max(self.spots[from].start)].to_owned()
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth > 200 {
            return Err(Fail::new(191, "Some part of your SQL statement is nested too deeply."));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }
}
