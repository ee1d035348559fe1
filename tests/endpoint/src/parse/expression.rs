//! Expressions and conditions: one grammar; the translator tells values from conditions.

use super::Parser;
use super::ast::Expr;
use super::lexer::Token;
use crate::fail::Result;
use crate::types::Type;
use rusqlite::types::Value;

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.deeper(Self::or)
    }

    fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        while self.keyword("OR") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        while self.keyword("AND") {
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        if self.keyword("NOT") {
            return Ok(Expr::Not(Box::new(self.deeper(Self::not)?)));
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Expr> {
        if self.keyword("EXISTS") {
            self.expect("(")?;
            let select = self.select()?;
            self.expect(")")?;
            return Ok(Expr::Exists(Box::new(select)));
        }
        let left = self.sum()?;
        let comparison = match self.peek() {
            Token::Symbol(s @ ("=" | "<>" | "<" | ">" | "<=" | ">=")) => Some(*s),
            Token::Symbol("!=") => Some("<>"),
            _ => None,
        };
        if let Some(operator) = comparison {
            self.at += 1;
            return Ok(Expr::Compare(operator, Box::new(left), Box::new(self.sum()?)));
        }
        if self.keyword("IS") {
            let negated = self.keyword("NOT");
            self.require("NULL")?;
            return Ok(Expr::IsNull(Box::new(left), negated));
        }
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            self.expect("(")?;
            if self.is_word(0, "SELECT") {
                let select = self.select()?;
                self.expect(")")?;
                return Ok(Expr::InSelect(Box::new(left), Box::new(select), negated));
            }
            let list = self.list()?;
            self.expect(")")?;
            return Ok(Expr::In(Box::new(left), list, negated));
        }
        if self.keyword("LIKE") {
            let pattern = Box::new(self.sum()?);
            let escape = if self.keyword("ESCAPE") { Some(Box::new(self.sum()?)) } else { None };
            return Ok(Expr::Like(Box::new(left), pattern, escape, negated));
        }
        if self.keyword("BETWEEN") {
            let low = Box::new(self.sum()?);
            self.require("AND")?;
            return Ok(Expr::Between(Box::new(left), low, Box::new(self.sum()?), negated));
        }
        if negated { Err(self.wrong()) } else { Ok(left) }
    }

    pub(super) fn sum(&mut self) -> Result<Expr> {
        let mut left = self.product()?;
        while let Token::Symbol(operator @ ("+" | "-" | "&" | "|" | "^")) = *self.peek() {
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr> {
        let mut left = self.unary()?;
        while let Token::Symbol(operator @ ("*" | "/" | "%")) = *self.peek() {
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.symbol("-") {
            // The smallest int is one literal.
            let negative = match self.peek() {
                Token::Number(number) => Some(format!("-{number}")),
                _ => None,
            };
            if let Some(number) = negative {
                self.at += 1;
                return Ok(literal_number(&number));
            }
            return Ok(Expr::Negate(Box::new(self.deeper(Self::unary)?)));
        }
        if self.symbol("+") {
            return self.deeper(Self::unary);
        }
        let mut value = self.primary()?;
        while self.keyword("COLLATE") {
            value = Expr::Collate(Box::new(value), self.identifier()?);
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Expr> {
        match self.peek().clone() {
            Token::Number(number) => {
                self.at += 1;
                Ok(literal_number(&number))
            }
            Token::Text { text, national } => {
                self.at += 1;
                let length = crate::text::length(&text);
                let most = if national { 4000 } else { 8000 };
                let length = if length > most { None } else { Some(length.max(1) as u16) };
                let ty = if national { Type::NVarChar(length) } else { Type::VarChar(length) };
                let text = if national {
                    text
                } else {
                    crate::text::from_codepage(&crate::text::to_codepage(&text))
                };
                Ok(Expr::Literal(Value::Text(text), ty))
            }
            Token::Hex(bytes) => {
                self.at += 1;
                let length = if bytes.len() > 8000 { None } else { Some(bytes.len().max(1) as u16) };
                Ok(Expr::Literal(Value::Blob(bytes), Type::VarBinary(length)))
            }
            Token::Variable(name) => {
                self.at += 1;
                Ok(Expr::Variable(name))
            }
            Token::Global(name) => {
                self.at += 1;
                Ok(Expr::Global(name))
            }
            Token::Symbol("(") => {
                self.at += 1;
                let inner = if self.is_word(0, "SELECT") {
                    Expr::Subquery(Box::new(self.select()?))
                } else {
                    self.expr()?
                };
                self.expect(")")?;
                Ok(inner)
            }
            Token::Word(word) => self.word(&word),
            Token::Quoted(_) => self.column(),
            _ => Err(self.wrong()),
        }
    }

    fn word(&mut self, word: &str) -> Result<Expr> {
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "NULL" => {
                self.at += 1;
                return Ok(Expr::Null);
            }
            "DEFAULT" => {
                self.at += 1;
                return Ok(Expr::Default);
            }
            "CASE" => {
                self.at += 1;
                return self.case();
            }
            "CURRENT_TIMESTAMP" => {
                self.at += 1;
                return Ok(Expr::Call("GETDATE".to_owned(), Vec::new()));
            }
            _ => {}
        }
        if !self.is_symbol(1, "(") {
            return self.column();
        }
        self.at += 2;
        match upper.as_str() {
            "CAST" => {
                let value = Box::new(self.sum()?);
                self.require("AS")?;
                let to = self.type_name(true)?;
                self.expect(")")?;
                Ok(Expr::Cast { value, to, style: None })
            }
            "CONVERT" => {
                let to = self.type_name(true)?;
                self.expect(",")?;
                let value = Box::new(self.sum()?);
                let style = if self.symbol(",") { Some(Box::new(self.expr()?)) } else { None };
                self.expect(")")?;
                Ok(Expr::Cast { value, to, style })
            }
            "COUNT" | "COUNT_BIG" if self.symbol("*") => {
                self.expect(")")?;
                Ok(Expr::Call(upper, vec![Expr::Star]))
            }
            _ => {
                let arguments = if self.is_symbol(0, ")") { Vec::new() } else { self.list()? };
                self.expect(")")?;
                if self.is_word(0, "OVER") {
                    return Err(self.wrong());
                }
                Ok(Expr::Call(upper, arguments))
            }
        }
    }

    fn case(&mut self) -> Result<Expr> {
        let operand = if self.is_word(0, "WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut whens = Vec::new();
        while self.keyword("WHEN") {
            let when = self.expr()?;
            self.require("THEN")?;
            whens.push((when, self.sum()?));
        }
        if whens.is_empty() {
            return Err(self.wrong());
        }
        let otherwise = if self.keyword("ELSE") { Some(Box::new(self.sum()?)) } else { None };
        self.require("END")?;
        Ok(Expr::Case { operand, whens, otherwise })
    }

    fn column(&mut self) -> Result<Expr> {
        let first = self.identifier()?;
        if !self.symbol(".") {
            return Ok(Expr::Column { table: None, name: first });
        }
        let second = self.identifier()?;
        if self.symbol(".") {
            // [dbo].[T].[C]
            return Ok(Expr::Column { table: Some(second), name: self.identifier()? });
        }
        Ok(Expr::Column { table: Some(first), name: second })
    }

    pub(super) fn list(&mut self) -> Result<Vec<Expr>> {
        let mut list = vec![self.sum()?];
        while self.symbol(",") {
            list.push(self.sum()?);
        }
        Ok(list)
    }

    /// `nvarchar(50)`, `[decimal](10, 2)`, `varchar(max)`, `sys.sysname` not.
    pub(super) fn type_name(&mut self, in_cast: bool) -> Result<Type> {
        let name = self.identifier()?;
        let mut arguments = Vec::new();
        if self.symbol("(") {
            loop {
                if self.keyword("MAX") {
                    arguments.push(None);
                } else {
                    match self.peek() {
                        Token::Number(number) => match number.parse::<u16>() {
                            Ok(number) => arguments.push(Some(number)),
                            Err(_) => return Err(self.wrong()),
                        },
                        _ => return Err(self.wrong()),
                    }
                    self.at += 1;
                }
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Type::named(&name, &arguments, in_cast)
    }
}

/// int where it fits, else numeric; with an exponent float.
fn literal_number(number: &str) -> Expr {
    if number.contains(['e', 'E']) {
        return Expr::Literal(Value::Real(number.parse().unwrap_or(f64::INFINITY)), Type::Float);
    }
    if let Ok(int) = number.parse::<i32>() {
        return Expr::Literal(Value::Integer(int.into()), Type::Int);
    }
    match crate::decimal::Decimal::parse(number) {
        Some(decimal) => {
            let digits = decimal.unscaled.unsigned_abs().to_string().len() as u8;
            let scale = decimal.scale;
            let ty = Type::Decimal { precision: digits.max(scale).max(1), scale, numeric: true };
            Expr::Literal(Value::Text(decimal.to_string()), ty)
        }
        None => Expr::Literal(Value::Text(number.to_owned()), Type::decimal(38, 0)),
    }
}
