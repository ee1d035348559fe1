//! Statements, each to what it does.

use super::{Announced, Halt, Session, Stop};
use crate::convert::convert;
use crate::fail::{Fail, Result};
use crate::locks::Owner;
use crate::parse::ast::{Expr, Item, Name, Parsed, Select, Statement};
use crate::transaction::Access;
use crate::translate::{Query, Translator, Variable};
use crate::types::Type;
use crate::wire::reply::Reply;
use rusqlite::types::Value;

impl Parsed {
    /// Whether it is made of other statements, which are what faults strike.
    pub fn is_compound(&self) -> bool {
        matches!(self.statement, Statement::If { .. } | Statement::Block(_))
    }
}

impl Session {
    /// Performs a statement. The outer error ends more than the statement.
    pub(super) fn perform(
        &mut self,
        parsed: &Parsed,
        reply: &mut Reply<'_>,
    ) -> std::result::Result<std::result::Result<(), Stop>, Halt> {
        Ok(match &parsed.statement {
            Statement::If { condition, then, otherwise } => {
                let facts = self.facts();
                match self.env(&facts).holds(condition) {
                    Err(fail) => Err(fail.into()),
                    Ok(true) => return self.statement(then, reply).map(Ok),
                    Ok(false) => match otherwise {
                        Some(otherwise) => return self.statement(otherwise, reply).map(Ok),
                        None => {
                            self.rowcount = 0;
                            Ok(())
                        }
                    },
                }
            }
            Statement::Block(statements) => return self.statements(statements, reply).map(Ok),
            _ => self.simple(parsed, reply),
        })
    }

    fn simple(&mut self, parsed: &Parsed, reply: &mut Reply<'_>) -> std::result::Result<(), Stop> {
        match &parsed.statement {
            Statement::Select(select) => self.select(select, reply),
            Statement::Insert { table, columns, source } => {
                let rows = self.writing(table, |s| s.insert(table, columns.as_deref(), source))?;
                Ok(self.count_done(rows, reply)?)
            }
            Statement::Update { target, sets, from, filter } => {
                let rows = self.writing(&real(target, from.as_ref()), |s| {
                    s.update(target, sets, from.as_ref(), filter.as_ref())
                })?;
                Ok(self.count_done(rows, reply)?)
            }
            Statement::Delete { target, from, filter } => {
                let rows = self.writing(&real(target, from.as_ref()), |s| {
                    s.delete(target, from.as_ref(), filter.as_ref())
                })?;
                Ok(self.count_done(rows, reply)?)
            }
            Statement::CreateTable { table, columns, constraints } => {
                self.defining(table, |s| s.create_table(table, columns, constraints))
            }
            Statement::AddConstraint { table, constraint, check } => {
                self.defining(table, |s| s.alter_add(table, &[], std::slice::from_ref(constraint), *check))
            }
            Statement::AddColumns { table, columns, constraints } => {
                self.defining(table, |s| s.alter_add(table, columns, constraints, true))
            }
            Statement::DropConstraint { table, name } => {
                self.defining(table, |s| s.drop_constraint(table, name))
            }
            Statement::DropColumn { table, name } => self.defining(table, |s| s.drop_column(table, name)),
            Statement::CreateIndex { name, unique, table, columns, included } => {
                self.defining(table, |s| s.create_index(name, *unique, table, columns, included))
            }
            Statement::DropIndex { name, table } => self.defining(table, |s| s.drop_index(name, table)),
            Statement::DropTable { tables, if_exists } => {
                for table in tables {
                    self.defining(table, |s| s.drop_table(table, *if_exists))?;
                }
                Ok(())
            }
            Statement::Truncate(table) => self.defining(table, |s| s.truncate(table)),
            Statement::InsertBulk { table, columns, options } => {
                self.announce(parsed, table, columns, options)
            }
            Statement::Begin => Ok(self.begin(reply)?),
            Statement::Commit => self.commit(reply),
            Statement::Rollback(None) => {
                if self.transaction.depth() == 0 {
                    return Err(Fail::new(
                        3903,
                        "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.",
                    )
                    .into());
                }
                Ok(self.roll_back_all(reply)?)
            }
            Statement::Rollback(Some(name)) => Ok(self.transaction.rollback_to(&self.db, name)?),
            Statement::Save(name) => Ok(self.transaction.save(&self.db, name)?),
            Statement::Execute { result, procedure, arguments } => {
                Ok(self.execute(result.as_deref(), procedure, arguments)?)
            }
            Statement::Throw(number, message, state) => Err(self.thrown(number, message, state)?.into()),
            Statement::Print(value) => {
                let facts = self.facts();
                let (value, ty) = self.env(&facts).constant(value)?;
                let text = match convert(value, ty, Type::NVarChar(Some(4000)), 0, true)? {
                    Value::Text(text) => text,
                    _ => " ".to_owned(),
                };
                Ok(reply.information(0, &text)?)
            }
            Statement::CreateDatabase { name, collation } => {
                self.outside_transaction("CREATE DATABASE")?;
                Ok(self.shared.create_database(name, collation.as_deref())?)
            }
            Statement::DropDatabase { name, if_exists } => {
                self.outside_transaction("DROP DATABASE")?;
                if name.eq_ignore_ascii_case(&self.database.name) {
                    return Err(Fail::new(
                        3702,
                        format!("Cannot drop database \"{name}\" because it is currently in use."),
                    )
                    .into());
                }
                Ok(self.shared.drop_database(name, *if_exists)?)
            }
            Statement::SnapshotIsolation { database, on } => {
                self.outside_transaction("ALTER DATABASE")?;
                let current = database.eq_ignore_ascii_case("CURRENT");
                let name = if current { self.database.name.clone() } else { database.clone() };
                Ok(self.shared.allow_snapshot(&name, *on)?)
            }
            other => Ok(self.setting(other, reply)?),
        }
    }

    fn setting(&mut self, statement: &Statement, reply: &mut Reply<'_>) -> std::result::Result<(), Stop> {
        match statement {
            Statement::SetSwitch { name, on } => match (name.as_str(), on) {
                ("XACT_ABORT", on) => self.xact_abort = *on,
                ("NOCOUNT", on) => self.nocount = *on,
                // What the endpoint never does; on would be another server.
                ("NUMERIC_ROUNDABORT" | "IMPLICIT_TRANSACTIONS", false) => {}
                (name @ ("NUMERIC_ROUNDABORT" | "IMPLICIT_TRANSACTIONS"), true) => {
                    return Err(Fail::refused(format!("SET {name} ON")).into());
                }
                // What the endpoint always does; off would be another server.
                (_, true) => {}
                (name, false) => return Err(Fail::refused(format!("SET {name} OFF")).into()),
            },
            Statement::SetLockTimeout(milliseconds) => self.transaction.lock_timeout.set(*milliseconds),
            Statement::SetIsolation(level) => {
                let snapshot = crate::parse::ast::Isolation::Snapshot;
                let begun = self.transaction.depth() > 0 && self.transaction.isolation.get() != snapshot;
                if *level == snapshot && begun {
                    return Err(Fail::new(
                        3951,
                        "Transaction failed in database because the statement was run under snapshot isolation but \
                         the transaction did not start in snapshot isolation. You cannot change the isolation level \
                         of the transaction to snapshot after the transaction has started.",
                    )
                    .into());
                }
                self.set_isolation(*level);
            }
            Statement::SetIdentityInsert { table, on } => self.set_identity_insert(table, *on)?,
            Statement::Use(name) => {
                if !name.eq_ignore_ascii_case(&self.database.name) {
                    if self.shared.database(name).is_some() {
                        return Err(Fail::refused(format!("USE of another database, {name}")).into());
                    }
                    return Err(Fail::new(
                        911,
                        format!(
                            "Database '{name}' does not exist. Make sure that the name is entered correctly."
                        ),
                    )
                    .into());
                }
                reply.environment(1, &self.database.name, &self.database.name)?;
                reply.information(5701, &format!("Changed database context to '{}'.", self.database.name))?;
            }
            Statement::Declare(declared) => {
                for (name, ty, value) in declared {
                    let key = name.to_lowercase();
                    if self.variables.contains_key(&key) {
                        return Err(Fail::new(
                            134,
                            format!("The variable name '{name}' has already been declared."),
                        )
                        .into());
                    }
                    self.variables.insert(key, Variable { ty: *ty, value: Value::Null });
                    if let Some(value) = value {
                        self.assign(name, value)?;
                    }
                }
            }
            Statement::Assign(name, value) => self.assign(name, value)?,
            other => return Err(Fail::refused(format!("{other:?}")).into()),
        }
        Ok(())
    }

    fn assign(&mut self, name: &str, value: &Expr) -> Result<()> {
        let facts = self.facts();
        let (value, ty) = self.env(&facts).constant(value)?;
        self.put(name, value, ty)
    }

    /// Assigning to a variable cuts what is too long, as SQL Server does.
    pub(super) fn put(&mut self, name: &str, value: Value, ty: Type) -> Result<()> {
        let Some(variable) = self.variables.get_mut(&name.to_lowercase()) else {
            return Err(Fail::new(137, format!("Must declare the scalar variable \"{name}\".")));
        };
        crate::convert::implicit(ty, variable.ty)?;
        variable.value = convert(value, ty, variable.ty, 0, true)?;
        Ok(())
    }

    fn set_identity_insert(&mut self, name: &Name, on: bool) -> Result<()> {
        let facts = self.facts();
        let table = self.env(&facts).table(name, Access::Read { lock: false }).map_err(|fail| match fail
            .number
        {
            208 => Fail::new(
                1088,
                format!(
                    "Cannot find the object \"{}\" because it does not exist or you do not have permissions.",
                    name.written()
                ),
            ),
            _ => fail,
        })?;
        if !table.columns.iter().any(|c| c.identity.is_some()) {
            return Err(Fail::new(
                8106,
                format!(
                    "Table '{}' does not have the identity property. Cannot perform SET operation.",
                    table.name
                ),
            ));
        }
        match (on, self.identity_insert) {
            (true, Some(other)) if other != table.id => {
                let other =
                    crate::catalog::find_by_id(&self.db, other)?.map_or(String::new(), |t| t.name.clone());
                return Err(Fail::new(
                    8107,
                    format!(
                        "IDENTITY_INSERT is already ON for table '{}.dbo.{other}'. Cannot perform SET operation for \
                         table '{}'.",
                        facts.database, table.name
                    ),
                ));
            }
            (true, _) => self.identity_insert = Some(table.id),
            (false, Some(same)) if same == table.id => self.identity_insert = None,
            (false, _) => {}
        }
        Ok(())
    }

    fn outside_transaction(&self, what: &str) -> Result<()> {
        if self.transaction.depth() > 0 {
            return Err(Fail::new(
                226,
                format!("{what} statement not allowed within multi-statement transaction."),
            ));
        }
        Ok(())
    }

    pub fn begin(&mut self, reply: &mut Reply<'_>) -> std::io::Result<()> {
        let id = self.shared.next_transaction();
        if self.transaction.begin(id) {
            reply.transaction_began(id)?;
        }
        Ok(())
    }

    pub fn commit(&mut self, reply: &mut Reply<'_>) -> std::result::Result<(), Stop> {
        let id = self.transaction.id();
        if self.transaction.commit(&self.db)? {
            self.shared.locks.release_all(self.id, Some(Owner::Transaction));
            reply.transaction_ended(id, true)?;
        }
        Ok(())
    }

    fn thrown(&mut self, number: &Expr, message: &Expr, state: &Expr) -> Result<Fail> {
        let facts = self.facts();
        let env = self.env(&facts);
        let whole = |expr: &Expr| match env.constant(expr)? {
            (Value::Integer(number), _) => Ok(number),
            _ => Err(Fail::refused("THROW of what is no number")),
        };
        let (number, state) = (whole(number)?, whole(state)?);
        if !(50000..=i64::from(i32::MAX)).contains(&number) {
            return Err(Fail::new(
                35100,
                format!(
                    "Error number {number} in the THROW statement is outside the valid range. Specify an error number in the valid range of 50000 to 2147483647."
                ),
            ));
        }
        let message = match env.constant(message)? {
            // A message has places to fill: one sign of it stands twice.
            (Value::Text(text), _) if text.replace("%%", "").contains('%') => {
                return Err(Fail::refused("THROW of a text with a single %"));
            }
            (Value::Text(text), _) => text.replace("%%", "%"),
            _ => return Err(Fail::refused("THROW without a text")),
        };
        Ok(Fail { state: state as u8, ..Fail::new(number as i32, message) })
    }

    /// Runs what changes data as one whole: all of it, or nothing.
    pub(super) fn writing<T>(
        &mut self,
        target: &Name,
        work: impl FnOnce(&mut Session) -> Result<T>,
    ) -> Result<T> {
        let access = if target.is_temporary() { Access::TemporaryWrite } else { Access::Write };
        let single = self.transaction.depth() == 0;
        if single {
            self.transaction.begin_single(&self.db, access)?;
        } else {
            self.transaction
                .snapshot_allowed
                .set(self.database.snapshot_allowed.load(std::sync::atomic::Ordering::SeqCst));
            self.transaction.enter(&self.db, access, &self.database.name)?;
        }
        self.db.execute_batch("SAVEPOINT statement")?;
        let result = work(self);
        if result.is_err() {
            self.db.execute_batch("ROLLBACK TO statement")?;
        }
        self.db.execute_batch("RELEASE statement")?;
        if single {
            match &result {
                Ok(_) => self.db.execute_batch("COMMIT")?,
                Err(_) => self.db.execute_batch("ROLLBACK")?,
            }
        }
        result
    }

    fn defining(
        &mut self,
        target: &Name,
        work: impl FnOnce(&mut Session) -> Result<()>,
    ) -> std::result::Result<(), Stop> {
        Ok(self.writing(target, work)?)
    }

    fn announce(
        &mut self,
        parsed: &Parsed,
        table: &Name,
        columns: &[(String, Type)],
        options: &[String],
    ) -> std::result::Result<(), Stop> {
        let facts = self.facts();
        let found = self.env(&facts).table(table, Access::Read { lock: false })?;
        for (name, _) in columns {
            if found.column(name, facts.order).is_none() {
                return Err(Fail::new(207, format!("Invalid column name '{name}'.")).into());
            }
        }
        if options.iter().any(|o| o == "FIRE_TRIGGERS") {
            return Err(Fail::refused("FIRE_TRIGGERS").into());
        }
        let has = |option: &str| options.iter().any(|o| o == option);
        self.announced = Some(Announced {
            table: table.clone(),
            columns: columns.to_vec(),
            check: has("CHECK_CONSTRAINTS"),
            keep_nulls: has("KEEP_NULLS"),
            text: parsed.text.clone(),
        });
        Ok(())
    }

    fn select(&mut self, select: &Select, reply: &mut Reply<'_>) -> std::result::Result<(), Stop> {
        if select.items.iter().any(|i| matches!(i, Item::Assign(..))) {
            for item in &select.items {
                match item {
                    Item::Assign(name, value) if select.from.is_none() => self.assign(name, value)?,
                    _ => return Err(Fail::refused("SELECT that assigns from a table").into()),
                }
            }
            self.rowcount = 1;
            return Ok(());
        }
        let rows = self.stream(select, reply)?;
        self.rowcount = rows;
        let status = if self.nocount { 0 } else { crate::wire::reply::COUNT };
        Ok(reply.done(self.done_token, status, rows)?)
    }

    /// Sends a result row by row as SQLite finds it.
    fn stream(&mut self, select: &Select, reply: &mut Reply<'_>) -> std::result::Result<u64, Stop> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut translator = Translator::new(env);
        let Query { sql, columns } = translator.select(select)?;
        if columns.iter().any(|c| c.variant) {
            return Err(Fail::refused("a result of sql_variant; CAST it").into());
        }
        let mut statement = env.db.prepare(&sql)?;
        translator.give(&mut statement)?;
        let mut rows = statement.raw_query();
        // The first row first: an error there comes instead of columns that nothing follows.
        let mut row = rows.next()?;
        reply.columns(&columns)?;
        let mut count = 0;
        while let Some(found) = row {
            reply.row(&columns, found)?;
            count += 1;
            row = rows.next()?;
        }
        Ok(count)
    }
}

/// The table that UPDATE and DELETE write: what FROM calls by the target's name.
fn real(target: &Name, from: Option<&crate::parse::ast::From>) -> Name {
    use crate::parse::ast::SourceKind;
    let Some(from) = from else { return target.clone() };
    let sources = std::iter::once(&from.first).chain(from.joins.iter().map(|(_, s, _)| s));
    for source in sources {
        if let (Some(alias), SourceKind::Table(name)) = (&source.alias, &source.kind)
            && alias.eq_ignore_ascii_case(&target.name)
        {
            return name.clone();
        }
    }
    target.clone()
}
