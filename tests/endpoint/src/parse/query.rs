//! SELECT, and what FROM may name.

use super::Parser;
use super::ast::{Expr, From, Item, Join, JsonColumn, Select, Source, SourceKind};
use super::lexer::Token;
use crate::fail::Result;

/// Table hints that the endpoint understands.
const HINTS: [&str; 14] = [
    "UPDLOCK",
    "HOLDLOCK",
    "SERIALIZABLE",
    "ROWLOCK",
    "PAGLOCK",
    "TABLOCK",
    "TABLOCKX",
    "XLOCK",
    "READCOMMITTED",
    "READCOMMITTEDLOCK",
    "REPEATABLEREAD",
    "NOWAIT",
    "KEEPIDENTITY",
    "FORCESEEK",
];

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Result<Select> {
        self.deeper(|p| {
            let mut select = p.select_core()?;
            while p.keyword("UNION ALL") {
                select.more.push(p.select_core()?);
            }
            if p.keyword("ORDER BY") {
                loop {
                    let by = p.sum()?;
                    let descending = p.keyword("DESC");
                    if !descending {
                        p.keyword("ASC");
                    }
                    select.order.push((by, descending));
                    if !p.symbol(",") {
                        break;
                    }
                }
                if p.keyword("OFFSET") {
                    select.offset = Some(p.sum()?);
                    if !p.keyword("ROWS") {
                        p.require("ROW")?;
                    }
                    if p.keyword("FETCH") {
                        if !p.keyword("NEXT") {
                            p.require("FIRST")?;
                        }
                        select.fetch = Some(p.sum()?);
                        if !p.keyword("ROWS") {
                            p.require("ROW")?;
                        }
                        p.require("ONLY")?;
                    }
                }
            }
            Ok(select)
        })
    }

    fn select_core(&mut self) -> Result<Select> {
        self.require("SELECT")?;
        let mut select = Select { distinct: self.keyword("DISTINCT"), ..Select::default() };
        if !select.distinct {
            self.keyword("ALL");
        }
        if self.keyword("TOP") {
            select.top = Some(if self.symbol("(") {
                let count = self.expr()?;
                self.expect(")")?;
                count
            } else {
                match self.peek() {
                    Token::Number(_) => self.primary_number()?,
                    _ => return Err(self.wrong()),
                }
            });
            if self.is_word(0, "PERCENT") || self.is_word(0, "WITH") {
                return Err(self.wrong());
            }
        }
        loop {
            let item = self.item()?;
            select.items.push(item);
            if !self.symbol(",") {
                break;
            }
        }
        if self.keyword("FROM") {
            select.from = Some(self.from()?);
        }
        if self.keyword("WHERE") {
            select.filter = Some(self.expr()?);
        }
        if self.keyword("GROUP BY") {
            select.group = self.list()?;
        }
        if self.keyword("HAVING") {
            select.having = Some(self.expr()?);
        }
        Ok(select)
    }

    fn primary_number(&mut self) -> Result<Expr> {
        // Not `sum`: in TOP 0 * the star is no product.
        match self.next() {
            Token::Number(number) => super::expression(&number),
            _ => Err(self.wrong()),
        }
    }

    fn item(&mut self) -> Result<Item> {
        if self.symbol("*") {
            return Ok(Item::Star(None));
        }
        if matches!(self.peek(), Token::Variable(_)) && self.is_symbol(1, "=") {
            let name = self.variable()?;
            self.expect("=")?;
            return Ok(Item::Assign(name, self.sum()?));
        }
        if matches!(self.peek(), Token::Word(_) | Token::Quoted(_))
            && self.is_symbol(1, ".")
            && self.is_symbol(2, "*")
        {
            let alias = self.identifier()?;
            self.at += 2;
            return Ok(Item::Star(Some(alias)));
        }
        let value = self.sum()?;
        let name = self.alias()?;
        Ok(Item::Value { value, name })
    }

    /// AS name, or a name that follows at once.
    fn alias(&mut self) -> Result<Option<String>> {
        if self.keyword("AS") {
            if let Token::Text { text, .. } = self.peek().clone() {
                self.at += 1;
                return Ok(Some(text));
            }
            return self.identifier().map(Some);
        }
        match self.peek() {
            Token::Quoted(_) | Token::Word(_) => Ok(self.identifier().ok()),
            _ => Ok(None),
        }
    }

    pub(super) fn from(&mut self) -> Result<From> {
        let first = self.source()?;
        let mut joins = Vec::new();
        loop {
            let join = if self.keyword("CROSS JOIN") || self.symbol(",") {
                Join::Cross
            } else if self.keyword("INNER JOIN") || self.keyword("JOIN") {
                Join::Inner
            } else if self.keyword("LEFT JOIN") || self.keyword("LEFT OUTER JOIN") {
                Join::Left
            } else {
                return Ok(From { first, joins });
            };
            let source = self.source()?;
            let on = if join == Join::Cross {
                None
            } else {
                self.require("ON")?;
                Some(self.expr()?)
            };
            joins.push((join, source, on));
        }
    }

    fn source(&mut self) -> Result<Source> {
        if self.is_word(0, "OPENJSON") && self.is_symbol(1, "(") {
            self.at += 2;
            let text = self.expr()?;
            self.expect(")")?;
            self.require("WITH")?;
            self.expect("(")?;
            let mut columns = Vec::new();
            loop {
                columns.push(self.json_column()?);
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect(")")?;
            let alias = self.alias()?;
            return Ok(Source { kind: SourceKind::Json { text, columns }, alias, hints: Vec::new() });
        }
        if self.symbol("(") {
            let select = self.select()?;
            self.expect(")")?;
            let Some(alias) = self.alias()? else { return Err(self.wrong()) };
            return Ok(Source {
                kind: SourceKind::Derived(Box::new(select)),
                alias: Some(alias),
                hints: Vec::new(),
            });
        }
        let name = self.name()?;
        if self.is_symbol(0, "(") {
            return Err(self.wrong());
        }
        let alias = self.alias()?;
        let hints = self.hints()?;
        Ok(Source { kind: SourceKind::Table(name), alias, hints })
    }

    /// WITH (UPDLOCK, HOLDLOCK): a hint that is not known is an error.
    pub(super) fn hints(&mut self) -> Result<Vec<String>> {
        let mut hints = Vec::new();
        if !self.keyword("WITH") {
            return Ok(hints);
        }
        self.expect("(")?;
        loop {
            let found = HINTS.iter().find(|h| self.is_word(0, h));
            let Some(hint) = found else { return Err(self.wrong()) };
            hints.push((*hint).to_owned());
            self.at += 1;
            if !self.symbol(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(hints)
    }

    fn json_column(&mut self) -> Result<JsonColumn> {
        let name = self.identifier()?;
        let ty = self.type_name(false)?;
        let collation = if self.keyword("COLLATE") { Some(self.identifier()?) } else { None };
        let path = match self.peek().clone() {
            Token::Text { text, .. } => {
                self.at += 1;
                Some(text)
            }
            _ => None,
        };
        Ok(JsonColumn { name, ty, collation, path })
    }
}
