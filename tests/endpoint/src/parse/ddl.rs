//! CREATE, ALTER, DROP.

use super::Parser;
use super::ast::{ColumnDef, Constraint, Name, Statement, Written};
use super::lexer::Token;
use crate::fail::{Fail, Result};

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        if self.keyword("TABLE") {
            let table = self.name()?;
            let (columns, constraints) = self.table_elements(true)?;
            return Ok(Statement::CreateTable { table, columns, constraints });
        }
        if self.keyword("DATABASE") {
            let name = self.identifier()?;
            let collation = if self.keyword("COLLATE") { Some(self.identifier()?) } else { None };
            return Ok(Statement::CreateDatabase { name, collation });
        }
        let unique = self.keyword("UNIQUE");
        if self.keyword("NONCLUSTERED") || self.keyword("CLUSTERED") || self.is_word(0, "INDEX") {
            self.require("INDEX")?;
            let name = self.identifier()?;
            self.require("ON")?;
            let table = self.name()?;
            let columns = self.key_columns()?;
            let included = if self.keyword("INCLUDE") { self.names_in_parentheses()? } else { Vec::new() };
            // A filter or options would change what is enforced, so they are not passed over.
            return Ok(Statement::CreateIndex { name, unique, table, columns, included });
        }
        Err(self.wrong())
    }

    fn key_columns(&mut self) -> Result<Vec<String>> {
        self.expect("(")?;
        let mut columns = Vec::new();
        loop {
            columns.push(self.identifier()?);
            if !self.keyword("ASC") {
                self.keyword("DESC");
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(columns)
    }

    /// What stands in the parentheses of CREATE TABLE, or after ALTER TABLE ADD.
    fn table_elements(&mut self, parentheses: bool) -> Result<(Vec<ColumnDef>, Vec<Constraint>)> {
        let (mut columns, mut constraints) = (Vec::new(), Vec::new());
        if parentheses {
            self.expect("(")?;
        }
        loop {
            if parentheses && !columns.is_empty() && self.is_symbol(0, ")") {
                break;
            }
            match self.table_constraint()? {
                Some(constraint) => constraints.push(constraint),
                None => columns.push(self.column_def(&mut constraints)?),
            }
            if !self.symbol(",") {
                break;
            }
        }
        if parentheses {
            self.expect(")")?;
        }
        Ok((columns, constraints))
    }

    fn table_constraint(&mut self) -> Result<Option<Constraint>> {
        let name = if self.keyword("CONSTRAINT") { Some(self.identifier()?) } else { None };
        let found = self.constraint_body(name.clone(), None)?;
        if found.is_none() && name.is_some() {
            return Err(self.wrong());
        }
        Ok(found)
    }

    /// A constraint, of the column that it follows or of the table.
    fn constraint_body(&mut self, name: Option<String>, column: Option<&str>) -> Result<Option<Constraint>> {
        let primary = self.keyword("PRIMARY KEY");
        if primary || self.keyword("UNIQUE") {
            if !self.keyword("CLUSTERED") {
                self.keyword("NONCLUSTERED");
            }
            let columns = match column {
                Some(column) if !self.is_symbol(0, "(") => vec![column.to_owned()],
                _ => self.key_columns()?,
            };
            return Ok(Some(Constraint::Key { name, primary, columns }));
        }
        if self.keyword("CHECK") {
            self.expect("(")?;
            let condition = self.written()?;
            self.expect(")")?;
            return Ok(Some(Constraint::Check { name, condition }));
        }
        let foreign = self.keyword("FOREIGN KEY");
        if foreign || (column.is_some() && self.is_word(0, "REFERENCES")) {
            let columns = match column {
                Some(column) if !foreign || !self.is_symbol(0, "(") => vec![column.to_owned()],
                _ => self.names_in_parentheses()?,
            };
            self.require("REFERENCES")?;
            let references = self.name()?;
            let referenced = if self.is_symbol(0, "(") { self.names_in_parentheses()? } else { Vec::new() };
            if self.is_word(0, "ON") {
                self.require("ON")?;
                if !self.keyword("DELETE") {
                    self.require("UPDATE")?;
                }
                self.require("NO")?;
                self.require("ACTION")?;
            }
            return Ok(Some(Constraint::Foreign { name, columns, references, referenced }));
        }
        if column.is_none() && name.is_some() && self.keyword("DEFAULT") {
            let value = self.written()?;
            self.require("FOR")?;
            let column = self.identifier()?;
            return Ok(Some(Constraint::Default { name, value, column }));
        }
        Ok(None)
    }

    /// Parses an expression to see that it is one, and keeps its text.
    fn written(&mut self) -> Result<Written> {
        let from = self.at;
        self.expr()?;
        Ok(Written { text: self.text_since(from) })
    }

    fn column_def(&mut self, constraints: &mut Vec<Constraint>) -> Result<ColumnDef> {
        let name = self.identifier()?;
        let mut column = ColumnDef {
            name: name.clone(),
            ty: None,
            collation: None,
            nullable: None,
            identity: None,
            default: None,
            computed: None,
        };
        if self.keyword("AS") {
            column.computed = Some(self.written()?);
            return Ok(column);
        }
        column.ty = Some(self.type_name(false)?);
        loop {
            if self.keyword("NOT NULL") {
                column.nullable = Some(false);
            } else if self.keyword("NULL") {
                column.nullable = Some(true);
            } else if self.keyword("COLLATE") {
                column.collation = Some(self.identifier()?);
            } else if self.keyword("IDENTITY") {
                column.identity = Some((1, 1));
                if self.symbol("(") {
                    let seed = self.whole()?;
                    self.expect(",")?;
                    let step = self.whole()?;
                    self.expect(")")?;
                    column.identity = Some((seed, step));
                }
            } else {
                let named = if self.keyword("CONSTRAINT") { Some(self.identifier()?) } else { None };
                if self.keyword("DEFAULT") {
                    let from = self.at;
                    self.sum()?;
                    column.default = Some((named, Written { text: self.text_since(from) }));
                } else if let Some(constraint) = self.constraint_body(named.clone(), Some(&name))? {
                    constraints.push(constraint);
                } else if named.is_some() {
                    return Err(self.wrong());
                } else {
                    return Ok(column);
                }
            }
        }
    }

    pub(super) fn whole(&mut self) -> Result<i64> {
        let negative = self.symbol("-");
        match self.next() {
            Token::Number(number) => {
                let value: i64 = number.parse().map_err(|_| Fail::syntax(&number))?;
                Ok(if negative { -value } else { value })
            }
            _ => Err(self.wrong()),
        }
    }

    pub(super) fn alter(&mut self) -> Result<Statement> {
        if self.keyword("DATABASE") {
            let database = self.identifier()?;
            self.require("SET ALLOW_SNAPSHOT_ISOLATION")?;
            return Ok(Statement::SnapshotIsolation { database, on: self.on_or_off()? });
        }
        self.require("TABLE")?;
        let table = self.name()?;
        if self.keyword("DROP CONSTRAINT") {
            return Ok(Statement::DropConstraint { table, name: self.identifier()? });
        }
        if self.keyword("DROP COLUMN") {
            return Ok(Statement::DropColumn { table, name: self.identifier()? });
        }
        let check = self.keyword("WITH CHECK");
        let unchecked = !check && self.keyword("WITH NOCHECK");
        self.require("ADD")?;
        let (columns, mut constraints) = self.table_elements(false)?;
        if columns.is_empty() && constraints.len() == 1 {
            let constraint = constraints.remove(0);
            return Ok(Statement::AddConstraint { table, constraint, check: !unchecked });
        }
        if check || unchecked {
            return Err(self.wrong());
        }
        Ok(Statement::AddColumns { table, columns, constraints })
    }

    pub(super) fn drop(&mut self) -> Result<Statement> {
        if self.keyword("DATABASE") {
            let if_exists = self.keyword("IF EXISTS");
            return Ok(Statement::DropDatabase { name: self.identifier()?, if_exists });
        }
        if self.keyword("INDEX") {
            let name = self.identifier()?;
            self.require("ON")?;
            return Ok(Statement::DropIndex { name, table: self.name()? });
        }
        self.require("TABLE")?;
        let if_exists = self.keyword("IF EXISTS");
        let mut tables: Vec<Name> = vec![self.name()?];
        while self.symbol(",") {
            tables.push(self.name()?);
        }
        Ok(Statement::DropTable { tables, if_exists })
    }
}
