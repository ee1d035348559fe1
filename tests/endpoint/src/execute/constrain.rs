//! Constraints and indexes as DDL makes them.

use super::define::made_name;
use super::{Session, constraint};
use crate::catalog::{self, Check, Foreign, Index, IndexKind, Table, quoted};
use crate::fail::{Fail, Result};
use crate::parse::ast::Constraint;
use crate::transaction::Access;
use crate::translate::Env;
use crate::types::Type;
use std::sync::Arc;

impl Session {
    pub(super) fn constrain(
        &self,
        env: &Env<'_>,
        table: &mut Table,
        constraint: &Constraint,
        check: bool,
    ) -> Result<()> {
        let order = env.facts.order;
        let resolve = |table: &Table, names: &[String]| -> Result<Vec<String>> {
            names
                .iter()
                .map(|n| {
                    let column = table.column(n, order).filter(|c| c.computed.is_none());
                    column.map(|c| c.name.clone()).ok_or_else(|| {
                        Fail::new(
                            1911,
                            format!("Column name '{n}' does not exist in the target table or view."),
                        )
                    })
                })
                .collect()
        };
        let id = self.database.next_object();
        let taken = |name: &str| {
            env.db
                .prepare_cached("SELECT 1 FROM main.\"sys.objects\" WHERE name = ?1")
                .and_then(|mut s| s.exists([name]))
        };
        let free = |name: String| -> Result<String> {
            if !table.is_temporary() && taken(&name)? {
                return Err(Fail::new(
                    2714,
                    format!("There is already an object named '{name}' in the database."),
                ));
            }
            Ok(name)
        };
        match constraint {
            Constraint::Key { name, primary, columns } => {
                if *primary && table.indexes.iter().any(|i| i.kind == IndexKind::PrimaryKey) {
                    return Err(Fail::new(
                        1779,
                        format!("Table '{}' already has a primary key defined on it.", table.name),
                    ));
                }
                let columns = resolve(table, columns)?;
                let prefix = if *primary { "PK" } else { "UQ" };
                let name = free(name.clone().unwrap_or_else(|| made_name(prefix, &table.name, "", id)))?;
                let nullable = |c: &String| table.columns.iter().any(|t| t.name == *c && t.nullable);
                if *primary && columns.iter().any(nullable) {
                    return Err(Fail::new(
                        8111,
                        format!(
                            "Cannot define PRIMARY KEY constraint on nullable column in table '{}'.",
                            table.name
                        ),
                    ));
                }
                let kind = if *primary { IndexKind::PrimaryKey } else { IndexKind::UniqueConstraint };
                self.index(env, table, name, id, kind, columns, Vec::new())
            }
            Constraint::Check { name, condition } => {
                let name = free(name.clone().unwrap_or_else(|| made_name("CK", &table.name, "", id)))?;
                table.checks.push(Check { id, name, text: catalog::normal(&condition.text)? });
                if check {
                    let one =
                        Table { checks: table.checks.last().cloned().into_iter().collect(), ..table.clone() };
                    constraint::checks(env, &one, "_rowid_ IS NOT NULL", "ALTER TABLE")?;
                }
                Ok(())
            }
            Constraint::Foreign { name, columns, references, referenced } => {
                if table.is_temporary() {
                    return Err(Fail::refused("foreign keys of temporary tables, which SQL Server skips"));
                }
                let parent = if catalog::same(&references.name, &table.name, order) {
                    Arc::new(table.clone())
                } else {
                    env.table(references, Access::Write).map_err(|fail| {
                        if fail.number != 208 {
                            return fail;
                        }
                        let name = name.clone().unwrap_or_default();
                        Fail::new(
                            1767,
                            format!(
                                "Foreign key '{name}' references invalid table '{}'.",
                                references.written()
                            ),
                        )
                    })?
                };
                let columns = resolve(table, columns)?;
                let referenced = if referenced.is_empty() {
                    let key = parent.indexes.iter().find(|i| i.kind == IndexKind::PrimaryKey);
                    key.map(|i| i.columns.clone()).ok_or_else(|| Fail::refused("a foreign key to no key"))?
                } else {
                    resolve(&parent, referenced)?
                };
                let sorted = |columns: &[String]| {
                    let mut columns = columns.to_vec();
                    columns.sort();
                    columns
                };
                let to_key =
                    parent.indexes.iter().any(|i| i.is_unique() && sorted(&i.columns) == sorted(&referenced));
                let name =
                    free(name.clone().unwrap_or_else(|| made_name("FK", &table.name, &parent.name, id)))?;
                if !to_key || columns.len() != referenced.len() {
                    return Err(Fail::new(
                        1776,
                        format!(
                            "There are no primary or candidate keys in the referenced table '{}' that match the \
                             referencing column list in the foreign key '{name}'.",
                            parent.shown()
                        ),
                    ));
                }
                let foreign = Foreign { id, name, columns, references: parent.name.clone(), referenced };
                if check {
                    constraint::holds_for_all(env, table, &foreign, &parent)?;
                }
                table.foreign.push(foreign);
                Ok(())
            }
            Constraint::Default { name, value, column } => {
                let default = self.default(env, table, column, name.as_deref(), value)?;
                let found = table.columns.iter_mut().find(|c| catalog::same(&c.name, column, order));
                let Some(found) = found else {
                    return Err(Fail::new(
                        1752,
                        format!("Column '{column}' in table is invalid for creating a default constraint."),
                    ));
                };
                if found.default.is_some() {
                    return Err(Fail::new(1781, "Column already has a DEFAULT bound to it."));
                }
                found.default = Some(default);
                Ok(())
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // The parts of one index.
    pub(super) fn index(
        &self,
        env: &Env<'_>,
        table: &mut Table,
        name: String,
        id: i64,
        kind: IndexKind,
        columns: Vec<String>,
        included: Vec<String>,
    ) -> Result<()> {
        for column in &columns {
            let ty = table.columns.iter().find(|c| c.name == *column).map(|c| c.ty);
            let unbounded =
                matches!(ty, Some(Type::NVarChar(None) | Type::VarChar(None) | Type::VarBinary(None)));
            if ty.is_some_and(Type::is_incomparable) || unbounded {
                return Err(Fail::new(
                    1919,
                    format!(
                        "Column '{column}' in table '{}' is of a type that is invalid for use as a key column in an index.",
                        table.shown()
                    ),
                ));
            }
        }
        let clustered = kind == IndexKind::PrimaryKey && !table.indexes.iter().any(|i| i.number == 1);
        let last = table.indexes.iter().map(|i| i.number).max().unwrap_or(1);
        let number = if clustered { 1 } else { last.max(1) + 1 };
        let index = Index { id, number, name: name.clone(), kind, columns, included };
        let schema = if table.is_temporary() { "temp" } else { "main" };
        let keys: Vec<String> = index.columns.iter().map(|c| quoted(c)).collect();
        env.db.execute_batch(&format!(
            "CREATE INDEX {schema}.{} ON {} ({})",
            quoted(&format!("{}:{name}", table.name)),
            quoted(&table.name),
            keys.join(", ")
        ))?;
        table.indexes.push(index.clone());
        let one = Table { indexes: vec![index], ..table.clone() };
        constraint::unique(env, &one, "_rowid_ IS NOT NULL", 0, None).map_err(|fail| {
            let found = fail.message.rsplit("value is ").next().unwrap_or_default().to_owned();
            Fail::new(
                1505,
                format!(
                    "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object \
                     name '{}' and the index name '{name}'. The duplicate key value is {found}",
                    table.shown()
                ),
            )
        })
    }
}
