//! DDL: tables, constraints, indexes.

use super::change::read_only;
use super::{Session, constraint};
use crate::catalog::{self, Column, DefaultValue, IndexKind, Table, quoted};
use crate::fail::{Fail, Result};
use crate::parse;
use crate::parse::ast::{ColumnDef, Constraint, Name, Written};
use crate::transaction::Access;
use crate::translate::{Env, Facts, Translator};
use crate::types::Type;
use std::sync::Arc;

impl Session {
    fn may_define(&self, facts: &Facts, name: &Name, verb: &str) -> Result<()> {
        if name.is_temporary() {
            return Ok(());
        }
        if facts.read_only {
            return Err(read_only(&facts.database));
        }
        let schema = name.schema.as_deref().unwrap_or("dbo");
        if !catalog::same(schema, "dbo", facts.order) {
            return Err(Fail::new(
                2760,
                format!(
                    "The specified schema name \"{schema}\" either does not exist or you do not have permission to use it."
                ),
            ));
        }
        if facts.denies(verb, "") {
            return Err(Fail::new(
                262,
                format!("{verb} permission denied in database '{}'.", facts.database),
            ));
        }
        Ok(())
    }

    fn existing(&self, env: &Env<'_>, name: &Name) -> Result<Table> {
        self.may_define(env.facts, name, "ALTER")?;
        let missing = || {
            Fail::new(
                4902,
                format!(
                    "Cannot find the object \"{}\" because it does not exist or you do not have permissions.",
                    name.written()
                ),
            )
        };
        match env.table(name, Access::Write) {
            Ok(table) if table.system => Err(missing()),
            Ok(table) => Ok((*table).clone()),
            Err(fail) if fail.number == 208 => Err(missing()),
            Err(fail) => Err(fail),
        }
    }

    pub(super) fn create_table(
        &mut self,
        name: &Name,
        columns: &[ColumnDef],
        constraints: &[Constraint],
    ) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        self.may_define(&facts, name, "CREATE TABLE")?;
        let reserved =
            name.name.starts_with("sys.") || name.name.starts_with("sqlite_") || name.name.contains(':');
        if reserved || name.name.starts_with("##") {
            return Err(Fail::refused(format!("a table called {}", name.name)));
        }
        match env.table(name, Access::Write) {
            Ok(_) => {
                return Err(Fail::new(
                    2714,
                    format!("There is already an object named '{}' in the database.", name.name),
                ));
            }
            Err(fail) if fail.number == 208 => {}
            Err(fail) => return Err(fail),
        }
        let mut table = Table {
            id: if name.is_temporary() { -self.database.next_object() } else { self.database.next_object() },
            name: name.name.clone(),
            columns: Vec::new(),
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign: Vec::new(),
            system: false,
        };
        let primary: Vec<&String> = constraints
            .iter()
            .filter_map(|c| match c {
                Constraint::Key { primary: true, columns, .. } => Some(columns),
                _ => None,
            })
            .flatten()
            .collect();
        for column in columns {
            let in_key = primary.iter().any(|p| catalog::same(p, &column.name, facts.order));
            if in_key && column.nullable == Some(true) {
                return Err(Fail::new(
                    8111,
                    format!(
                        "Cannot define PRIMARY KEY constraint on nullable column in table '{}'.",
                        table.name
                    ),
                ));
            }
            let column = self.column(&env, &table, column, in_key)?;
            table.columns.push(column);
        }
        self.infer_computed(&env, &mut table)?;
        let definitions: Vec<String> =
            table.columns.iter().filter(|c| c.computed.is_none()).map(definition).collect::<Result<_>>()?;
        if definitions.is_empty() {
            return Err(Fail::refused("a table without stored columns"));
        }
        env.db.execute_batch(&format!("CREATE TABLE {} ({})", table.stored(), definitions.join(", ")))?;
        for constraint in constraints {
            self.constrain(&env, &mut table, constraint, true)?;
        }
        catalog::save(env.db, &table)?;
        if name.is_temporary() {
            self.made_tables.push(name.name.clone());
        }
        Ok(())
    }

    fn column(&self, env: &Env<'_>, table: &Table, def: &ColumnDef, in_key: bool) -> Result<Column> {
        if table.column(&def.name, env.facts.order).is_some() {
            return Err(Fail::new(
                2705,
                format!(
                    "Column names in each table must be unique. Column name '{}' in table '{}' is specified more than once.",
                    def.name, table.name
                ),
            ));
        }
        let computed = def.computed.as_ref().map(|c| catalog::normal(&c.text)).transpose()?;
        let ty = def.ty.unwrap_or(Type::Int);
        let collation = match (&def.collation, ty.is_text() && ty != Type::Xml) {
            (Some(name), true) if name.eq_ignore_ascii_case("DATABASE_DEFAULT") => {
                Some(env.facts.collation.clone())
            }
            (Some(name), true) => {
                catalog::order_of(name)?;
                Some(name.clone())
            }
            (Some(_), false) => {
                return Err(Fail::new(
                    447,
                    format!("Expression type {} is invalid for COLLATE clause.", ty.name()),
                ));
            }
            // What is temporary is tempdb's, and tempdb is the server's.
            (None, true) if table.is_temporary() => Some(env.facts.server_collation.clone()),
            (None, true) => Some(env.facts.collation.clone()),
            (None, false) => None,
        };
        if def.identity.is_some() && !matches!(ty.family(), crate::types::Family::Integer) {
            return Err(Fail::refused(format!("IDENTITY of {ty}")));
        }
        if def.identity.is_some() && table.columns.iter().any(|c| c.identity.is_some()) {
            return Err(Fail::new(
                2744,
                format!(
                    "Multiple identity columns specified for table '{}'. Only one identity column per table is allowed.",
                    table.name
                ),
            ));
        }
        let nullable = match def.nullable {
            Some(nullable) => nullable,
            None => !in_key && def.identity.is_none() && ty != Type::RowVersion,
        };
        let default = match &def.default {
            Some((name, value)) => Some(self.default(env, table, &def.name, name.as_deref(), value)?),
            None => None,
        };
        let id = table.columns.iter().map(|c| c.id).max().unwrap_or(0) + 1;
        Ok(Column {
            id,
            name: def.name.clone(),
            ty,
            collation,
            nullable,
            identity: def.identity,
            default,
            computed,
        })
    }

    pub(super) fn default(
        &self,
        env: &Env<'_>,
        table: &Table,
        column: &str,
        name: Option<&str>,
        value: &Written,
    ) -> Result<DefaultValue> {
        // Evaluated once, so that what cannot be is refused now.
        env.constant(&parse::expression(&value.text)?)?;
        let id = self.database.next_object();
        let name = name.map_or_else(|| made_name("DF", &table.name, column, id), str::to_owned);
        Ok(DefaultValue { id, name, text: catalog::normal(&value.text)? })
    }

    /// The type of a computed column is that of its expression.
    fn infer_computed(&self, env: &Env<'_>, table: &mut Table) -> Result<()> {
        let mut stored = table.clone();
        stored.columns.retain(|c| c.computed.is_none());
        for column in table.columns.iter_mut() {
            let Some(text) = &column.computed else { continue };
            let mut translator = Translator::new(*env);
            let bound = translator.bound(Arc::new(stored.clone()), &stored.name)?;
            translator.scopes.push(vec![bound]);
            let typed = translator.value(&parse::expression(text)?)?;
            column.ty = typed.ty;
            column.nullable = typed.nullable;
            column.collation = typed.ty.is_text().then(|| env.facts.collation.clone());
        }
        Ok(())
    }

    pub(super) fn alter_add(
        &mut self,
        name: &Name,
        columns: &[ColumnDef],
        constraints: &[Constraint],
        check: bool,
    ) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut table = self.existing(&env, name)?;
        for def in columns {
            let column = self.column(&env, &table, def, false)?;
            if column.identity.is_some() || column.ty == Type::RowVersion {
                return Err(Fail::refused("ALTER TABLE ADD of an identity or rowversion column"));
            }
            table.columns.push(column.clone());
            if column.computed.is_some() {
                self.infer_computed(&env, &mut table)?;
                continue;
            }
            env.db.execute_batch(&format!(
                "ALTER TABLE {} ADD COLUMN {}",
                table.stored(),
                definition(&column)?
            ))?;
            let rows: i64 =
                env.db.query_row(&format!("SELECT count(*) FROM {}", table.stored()), [], |r| r.get(0))?;
            if !column.nullable && rows > 0 {
                if column.default.is_none() {
                    return Err(Fail::new(
                        4901,
                        format!(
                            "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT \
                             definition specified. Column '{}' cannot be added to non-empty table '{}'.",
                            column.name, table.name
                        ),
                    ));
                }
                let value = super::rows::default_value(&env, &column, &mut None)?;
                let sql = format!("UPDATE {} SET {} = ?1", table.stored(), quoted(&column.name));
                env.db.execute(&sql, [value])?;
            }
        }
        for constraint in constraints {
            self.constrain(&env, &mut table, constraint, check)?;
        }
        catalog::save(env.db, &table)
    }

    pub(super) fn drop_constraint(&mut self, name: &Name, constraint: &str) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut table = self.existing(&env, name)?;
        let order = facts.order;
        let named = |n: &str| catalog::same(n, constraint, order);
        if let Some(at) = table.indexes.iter().position(|i| i.id != 0 && named(&i.name)) {
            let index = table.indexes.remove(at);
            for (child, foreign) in constraint::pointing_to(&env, &table)? {
                if foreign.referenced == index.columns {
                    return Err(Fail::new(
                        3725,
                        format!(
                            "The constraint '{constraint}' is being referenced by table '{}', foreign key constraint '{}'.",
                            child.name, foreign.name
                        ),
                    ));
                }
            }
            drop_index(&env, &table, &index.name)?;
            return catalog::save(env.db, &table);
        }
        let before = table.checks.len() + table.foreign.len() + defaults(&table);
        table.checks.retain(|c| !named(&c.name));
        table.foreign.retain(|f| !named(&f.name));
        for column in &mut table.columns {
            if column.default.as_ref().is_some_and(|d| named(&d.name)) {
                column.default = None;
            }
        }
        if before == table.checks.len() + table.foreign.len() + defaults(&table) {
            return Err(Fail::new(3728, format!("'{constraint}' is not a constraint.")));
        }
        catalog::save(env.db, &table)
    }

    pub(super) fn drop_column(&mut self, name: &Name, column: &str) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut table = self.existing(&env, name)?;
        let Some(found) = table.column(column, facts.order).cloned() else {
            return Err(Fail::new(
                4924,
                format!(
                    "ALTER TABLE DROP COLUMN failed because column '{column}' does not exist in table '{}'.",
                    table.name
                ),
            ));
        };
        let used = found.default.is_some()
            || table.indexes.iter().any(|i| i.columns.contains(&found.name))
            || table.foreign.iter().any(|f| f.columns.contains(&found.name))
            || table.checks.iter().any(|c| c.text.to_lowercase().contains(&found.name.to_lowercase()));
        if used {
            return Err(Fail::new(
                4922,
                format!(
                    "ALTER TABLE DROP COLUMN {column} failed because one or more objects access this column."
                ),
            ));
        }
        if found.computed.is_none() {
            env.db.execute_batch(&format!(
                "ALTER TABLE {} DROP COLUMN {}",
                table.stored(),
                quoted(&found.name)
            ))?;
        }
        table.columns.retain(|c| c.id != found.id);
        catalog::save(env.db, &table)
    }

    pub(super) fn create_index(
        &mut self,
        name: &str,
        unique: bool,
        table: &Name,
        columns: &[String],
        included: &[String],
    ) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut table = self.existing(&env, table)?;
        let resolve = |names: &[String]| -> Result<Vec<String>> {
            names
                .iter()
                .map(|n| {
                    let found = table.column(n, facts.order).map(|c| c.name.clone());
                    found.ok_or_else(|| {
                        Fail::new(
                            1911,
                            format!("Column name '{n}' does not exist in the target table or view."),
                        )
                    })
                })
                .collect()
        };
        let (columns, included) = (resolve(columns)?, resolve(included)?);
        let kind = if unique { IndexKind::Unique } else { IndexKind::Plain };
        self.index(&env, &mut table, name.to_owned(), 0, kind, columns, included)?;
        catalog::save(env.db, &table)
    }

    pub(super) fn drop_index(&mut self, name: &str, table: &Name) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut table = self.existing(&env, table)?;
        let found = table.indexes.iter().position(|i| i.id == 0 && catalog::same(&i.name, name, facts.order));
        let Some(at) = found else {
            return Err(Fail::new(
                3701,
                format!(
                    "Cannot drop the index '{}.{name}', because it does not exist or you do not have permission.",
                    table.name
                ),
            ));
        };
        let index = table.indexes.remove(at);
        drop_index(&env, &table, &index.name)?;
        catalog::save(env.db, &table)
    }

    pub(super) fn drop_table(&mut self, name: &Name, if_exists: bool) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        self.may_define(&facts, name, "ALTER")?;
        let missing = || {
            Fail::new(
                3701,
                format!(
                    "Cannot drop the table '{}', because it does not exist or you do not have permission.",
                    name.written()
                ),
            )
        };
        let table = match env.table(name, Access::Write) {
            Ok(table) if !table.system => table,
            Err(fail) if fail.number == 208 && if_exists => return Ok(()),
            Err(fail) if fail.number != 208 => return Err(fail),
            _ => return Err(missing()),
        };
        let pointing = constraint::pointing_to(&env, &table)?;
        if pointing.iter().any(|(child, _)| child.id != table.id) {
            return Err(Fail::new(
                3726,
                format!(
                    "Could not drop object '{}' because it is referenced by a FOREIGN KEY constraint.",
                    name.written()
                ),
            ));
        }
        env.db.execute_batch(&format!("DROP TABLE {}", table.stored()))?;
        catalog::remove(env.db, &table)?;
        self.made_tables.retain(|t| !t.eq_ignore_ascii_case(&table.name));
        Ok(())
    }
}

fn defaults(table: &Table) -> usize {
    table.columns.iter().filter(|c| c.default.is_some()).count()
}

fn drop_index(env: &Env<'_>, table: &Table, name: &str) -> Result<()> {
    let schema = if table.is_temporary() { "temp" } else { "main" };
    env.db.execute_batch(&format!("DROP INDEX {schema}.{}", quoted(&format!("{}:{name}", table.name))))?;
    Ok(())
}

/// A stored column in SQLite's words.
fn definition(column: &Column) -> Result<String> {
    let order = match &column.collation {
        Some(name) => catalog::order_name(catalog::order_of(name)?),
        None => "",
    };
    Ok(format!("{} {}", quoted(&column.name), column.ty.storage(order)))
}

/// PK__T__1A2B3C4D and the like.
pub(super) fn made_name(prefix: &str, table: &str, column: &str, id: i64) -> String {
    let short = |t: &str, n: usize| t.trim_start_matches('#').chars().take(n).collect::<String>();
    let column = if column.is_empty() { String::new() } else { format!("__{}", short(column, 5)) };
    format!("{prefix}__{}{column}__{:08X}", short(table, 9), id)
}
