//! Statements but for SELECT and DDL.

use super::Parser;
use super::ast::{Argument, Expr, InsertSource, Isolation, Parsed, Statement};
use super::lexer::Token;
use crate::fail::{Fail, Result};

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Parsed> {
        let from = self.at;
        let statement = self.deeper(Self::body)?;
        let text = self.text_since(from);
        // After a statement only its end may follow, or another's first word.
        let starts = [
            "ALTER", "BEGIN", "COMMIT", "CREATE", "DECLARE", "DELETE", "DROP", "ELSE", "END", "EXEC",
            "EXECUTE", "IF", "INSERT", "PRINT", "ROLLBACK", "SAVE", "SELECT", "SET", "TRUNCATE", "UPDATE",
            "USE",
        ];
        let ends = self.is_symbol(0, ";") || *self.peek() == Token::End;
        if !ends && !starts.iter().any(|word| self.is_word(0, word)) {
            return Err(self.wrong());
        }
        self.symbol(";");
        Ok(Parsed { statement, text })
    }

    fn body(&mut self) -> Result<Statement> {
        let Token::Word(word) = self.peek().clone() else { return Err(self.wrong()) };
        let word = word.to_ascii_uppercase();
        if word == "SELECT" {
            return self.select().map(|s| Statement::Select(Box::new(s)));
        }
        let at = self.at;
        self.at += 1;
        match word.as_str() {
            "INSERT" => self.insert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "CREATE" => self.create(),
            "ALTER" => self.alter(),
            "DROP" => self.drop(),
            "TRUNCATE" => {
                self.require("TABLE")?;
                self.name().map(Statement::Truncate)
            }
            "SET" => self.set(),
            "BEGIN" => {
                if self.keyword("TRANSACTION") || self.keyword("TRAN") {
                    return Ok(Statement::Begin);
                }
                self.block()
            }
            "COMMIT" => {
                if !self.keyword("TRANSACTION") && !self.keyword("TRAN") {
                    self.keyword("WORK");
                }
                Ok(Statement::Commit)
            }
            "ROLLBACK" => {
                if self.keyword("TRANSACTION") || self.keyword("TRAN") {
                    return Ok(Statement::Rollback(self.identifier().ok()));
                }
                self.keyword("WORK");
                Ok(Statement::Rollback(None))
            }
            "SAVE" => {
                if !self.keyword("TRANSACTION") {
                    self.require("TRAN")?;
                }
                self.identifier().map(Statement::Save)
            }
            "USE" => self.identifier().map(Statement::Use),
            "DECLARE" => self.declare(),
            "EXEC" | "EXECUTE" => self.execute(),
            "IF" => {
                let condition = self.expr()?;
                let then = Box::new(self.statement()?);
                while self.is_symbol(0, ";") && self.is_word(1, "ELSE") {
                    self.at += 1;
                }
                let otherwise = if self.keyword("ELSE") { Some(Box::new(self.statement()?)) } else { None };
                // The inner statement has taken the semicolon; hand it back as this one's end.
                if self.at > 0 && matches!(self.spots[self.at - 1].token, Token::Symbol(";")) {
                    self.at -= 1;
                }
                Ok(Statement::If { condition, then, otherwise })
            }
            "THROW" => {
                let number = self.sum()?;
                self.expect(",")?;
                // A text or a variable, no expression.
                if !matches!(self.peek(), Token::Text { .. } | Token::Variable(_)) {
                    return Err(self.wrong());
                }
                let message = self.sum()?;
                if !matches!(message, Expr::Literal(..) | Expr::Variable(_)) {
                    return Err(self.wrong());
                }
                self.expect(",")?;
                Ok(Statement::Throw(number, message, self.sum()?))
            }
            "PRINT" => self.sum().map(Statement::Print),
            _ => {
                self.at = at;
                Err(self.wrong())
            }
        }
    }

    fn block(&mut self) -> Result<Statement> {
        let mut statements = Vec::new();
        loop {
            while self.symbol(";") {}
            if self.keyword("END") {
                return Ok(Statement::Block(statements));
            }
            if self.is_word(0, "TRY") || *self.peek() == Token::End {
                return Err(self.wrong());
            }
            statements.push(self.statement()?);
        }
    }

    fn insert(&mut self) -> Result<Statement> {
        if self.keyword("BULK") {
            return self.insert_bulk();
        }
        self.keyword("INTO");
        let table = self.name()?;
        // Writing takes the lock that any hint asks for.
        self.hints()?;
        let columns = if self.is_symbol(0, "(") { Some(self.names_in_parentheses()?) } else { None };
        let source = if self.keyword("DEFAULT VALUES") {
            InsertSource::Defaults
        } else if self.keyword("VALUES") {
            let mut rows = Vec::new();
            loop {
                self.expect("(")?;
                rows.push(self.list()?);
                self.expect(")")?;
                if !self.symbol(",") {
                    break;
                }
            }
            if rows.len() > 1000 {
                return Err(Fail::new(
                    10738,
                    "The number of row value expressions in the INSERT statement exceeds the maximum allowed number \
                     of 1000 row values.",
                ));
            }
            InsertSource::Values(rows)
        } else {
            InsertSource::Select(Box::new(self.select()?))
        };
        Ok(Statement::Insert { table, columns, source })
    }

    /// As the driver spells it: `INSERT BULK #s ([n] bigint, [c] nvarchar(100)) WITH (TABLOCK)`.
    fn insert_bulk(&mut self) -> Result<Statement> {
        let table = self.name()?;
        self.expect("(")?;
        let mut columns = Vec::new();
        loop {
            let name = self.identifier()?;
            let ty = self.type_name(false)?;
            if self.keyword("COLLATE") {
                self.identifier()?;
            }
            columns.push((name, ty));
            if !self.symbol(",") {
                break;
            }
        }
        self.expect(")")?;
        let mut options = Vec::new();
        if self.keyword("WITH") {
            self.expect("(")?;
            loop {
                let known = ["CHECK_CONSTRAINTS", "KEEP_NULLS", "TABLOCK", "FIRE_TRIGGERS"];
                let found = known.iter().find(|o| self.is_word(0, o));
                let Some(option) = found else { return Err(self.wrong()) };
                options.push((*option).to_owned());
                self.at += 1;
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Ok(Statement::InsertBulk { table, columns, options })
    }

    fn update(&mut self) -> Result<Statement> {
        let target = self.name()?;
        // Writing takes the lock that any hint asks for.
        self.hints()?;
        self.require("SET")?;
        let mut sets = Vec::new();
        loop {
            let mut column = self.identifier()?;
            if self.symbol(".") {
                column = self.identifier()?;
            }
            if self.is_symbol(0, "+=") {
                return Err(self.wrong());
            }
            self.expect("=")?;
            sets.push((column, self.sum()?));
            if !self.symbol(",") {
                break;
            }
        }
        let from = if self.keyword("FROM") { Some(self.from()?) } else { None };
        let filter = if self.keyword("WHERE") { Some(self.expr()?) } else { None };
        Ok(Statement::Update { target, sets, from, filter })
    }

    fn delete(&mut self) -> Result<Statement> {
        self.keyword("FROM");
        let target = self.name()?;
        // Writing takes the lock that any hint asks for.
        self.hints()?;
        let from = if self.keyword("FROM") { Some(self.from()?) } else { None };
        let filter = if self.keyword("WHERE") { Some(self.expr()?) } else { None };
        Ok(Statement::Delete { target, from, filter })
    }

    fn set(&mut self) -> Result<Statement> {
        if matches!(self.peek(), Token::Variable(_)) {
            let name = self.variable()?;
            if self.symbol("+=") {
                let value = self.sum()?;
                let sum = Expr::Binary("+", Box::new(Expr::Variable(name.clone())), Box::new(value));
                return Ok(Statement::Assign(name, sum));
            }
            self.expect("=")?;
            return Ok(Statement::Assign(name, self.sum()?));
        }
        if self.keyword("LOCK_TIMEOUT") {
            return self.whole().map(Statement::SetLockTimeout);
        }
        if self.keyword("TRANSACTION ISOLATION LEVEL") {
            let level = if self.keyword("SNAPSHOT") {
                Isolation::Snapshot
            } else if self.keyword("SERIALIZABLE") {
                Isolation::Serializable
            } else if self.keyword("REPEATABLE READ") {
                Isolation::RepeatableRead
            } else {
                self.require("READ COMMITTED")?;
                Isolation::ReadCommitted
            };
            return Ok(Statement::SetIsolation(level));
        }
        if self.keyword("IDENTITY_INSERT") {
            let table = self.name()?;
            return Ok(Statement::SetIdentityInsert { table, on: self.on_or_off()? });
        }
        for name in ["XACT_ABORT", "NOCOUNT", "ANSI_NULLS", "ANSI_PADDING", "ANSI_WARNINGS", "ARITHABORT"] {
            if self.keyword(name) {
                return Ok(Statement::SetSwitch { name: name.to_owned(), on: self.on_or_off()? });
            }
        }
        let others =
            ["QUOTED_IDENTIFIER", "CONCAT_NULL_YIELDS_NULL", "NUMERIC_ROUNDABORT", "IMPLICIT_TRANSACTIONS"];
        for name in others {
            if self.keyword(name) {
                return Ok(Statement::SetSwitch { name: name.to_owned(), on: self.on_or_off()? });
            }
        }
        Err(self.wrong())
    }

    fn declare(&mut self) -> Result<Statement> {
        let mut declared = Vec::new();
        loop {
            let name = self.variable()?;
            self.keyword("AS");
            let ty = self.type_name(false)?;
            let value = if self.symbol("=") { Some(self.sum()?) } else { None };
            declared.push((name, ty, value));
            if !self.symbol(",") {
                return Ok(Statement::Declare(declared));
            }
        }
    }

    fn execute(&mut self) -> Result<Statement> {
        let result = match self.peek() {
            Token::Variable(_) => {
                let name = self.variable()?;
                self.expect("=")?;
                Some(name)
            }
            _ => None,
        };
        let name = self.name()?;
        let mut arguments = Vec::new();
        if !self.is_symbol(0, ";") && *self.peek() != Token::End {
            loop {
                if matches!(self.peek(), Token::Variable(_)) && self.is_symbol(1, "=") {
                    let name = self.variable()?;
                    self.expect("=")?;
                    arguments.push(Argument::Named(name, self.sum()?));
                } else {
                    arguments.push(Argument::Plain(self.sum()?));
                }
                if self.is_word(0, "OUTPUT") || self.is_word(0, "OUT") {
                    return Err(self.wrong());
                }
                if !self.symbol(",") {
                    break;
                }
            }
        }
        Ok(Statement::Execute { result, procedure: name.name, arguments })
    }
}
