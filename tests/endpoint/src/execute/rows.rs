//! Rows on their way into a table: every value made one of its column's type, or refused.

use crate::catalog::{Column, Table, quoted};
use crate::convert::convert;
use crate::database::Database;
use crate::fail::{Fail, Result};
use crate::translate::Env;
use crate::types::Type;
use rusqlite::types::Value;
use rusqlite::{CachedStatement, params_from_iter};
use std::sync::Arc;

/// Where a stored column gets its value.
enum From {
    /// The given value at this place, of this type.
    Given(usize, Type),
    Default,
    Identity(i64, i64),
    RowVersion,
}

/// Writes rows into one table, then checks what they broke.
pub(crate) struct Inserter<'e> {
    env: Env<'e>,
    database: &'e Database,
    pub table: Arc<Table>,
    columns: Vec<(Column, From)>,
    statement: CachedStatement<'e>,
    defaults: Vec<Option<Value>>,
    /// Bulk: NULL for a column with a default is the default.
    pub null_is_default: bool,
    first: i64,
    pub rows: u64,
    pub last_identity: Option<i64>,
}

impl<'e> Inserter<'e> {
    /// `given`: the named columns and the types of what will come for them.
    pub fn new(
        env: Env<'e>,
        database: &'e Database,
        table: Arc<Table>,
        given: &[(String, Type)],
        identity_insert: bool,
    ) -> Result<Inserter<'e>> {
        let order = env.facts.order;
        for (at, (name, _)) in given.iter().enumerate() {
            let Some(column) = table.column(name, order) else {
                return Err(Fail::new(207, format!("Invalid column name '{name}'.")));
            };
            if given[..at].iter().any(|(n, _)| crate::catalog::same(n, name, order)) {
                return Err(Fail::new(
                    264,
                    format!(
                        "The column name '{name}' is specified more than once in the SET clause or column list of \
                             an INSERT. A column cannot be assigned more than one value in the same clause."
                    ),
                ));
            }
            if column.computed.is_some() {
                return Err(not_modifiable(&column.name));
            }
            if column.ty == Type::RowVersion {
                return Err(Fail::new(
                    273,
                    "Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to \
                     exclude the timestamp column, or insert a DEFAULT into the timestamp column.",
                ));
            }
            if column.identity.is_some() && !identity_insert {
                return Err(Fail::new(
                    544,
                    format!(
                        "Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set \
                         to OFF.",
                        table.name
                    ),
                ));
            }
        }
        let mut columns = Vec::new();
        for column in table.columns.iter().filter(|c| c.computed.is_none()) {
            let place = given.iter().position(|(n, _)| crate::catalog::same(n, &column.name, order));
            let from = match (place, column.identity) {
                (Some(at), _) => From::Given(at, given[at].1),
                (None, Some(_)) if identity_insert => {
                    return Err(Fail::new(
                        545,
                        format!(
                            "Explicit value must be specified for identity column in table '{}' either when \
                             IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR \
                             REPLICATION identity column.",
                            table.name
                        ),
                    ));
                }
                (None, Some((seed, step))) => From::Identity(seed, step),
                (None, None) if column.ty == Type::RowVersion => From::RowVersion,
                (None, None) => From::Default,
            };
            columns.push((column.clone(), from));
        }
        let names: Vec<String> = columns.iter().map(|(c, _)| quoted(&c.name)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let stored = table.stored();
        let sql = format!("INSERT INTO {stored} ({}) VALUES ({marks})", names.join(", "));
        let first: Option<i64> =
            env.db.query_row(&format!("SELECT max(_rowid_) FROM {stored}"), [], |row| row.get(0))?;
        let defaults = vec![None; columns.len()];
        Ok(Inserter {
            statement: env.db.prepare_cached(&sql)?,
            env,
            database,
            table,
            columns,
            defaults,
            null_is_default: false,
            first: first.unwrap_or(0),
            rows: 0,
            last_identity: None,
        })
    }

    /// `None` stands for DEFAULT.
    pub fn row(&mut self, given: Vec<Option<Value>>) -> Result<()> {
        let mut given = given;
        let mut values = Vec::with_capacity(self.columns.len());
        for (at, (column, from)) in self.columns.iter().enumerate() {
            let value = match from {
                From::Given(place, ty) => match given.get_mut(*place).and_then(Option::take) {
                    Some(Value::Null) if self.null_is_default && column.default.is_some() => {
                        default_value(&self.env, column, &mut self.defaults[at])?
                    }
                    Some(value) => {
                        let value = fitted(&self.env, &self.table, column, value, *ty)?;
                        if let (Some((_, step)), Value::Integer(number)) = (column.identity, &value) {
                            self.database.saw_identity(self.table.id, *number, step);
                        }
                        value
                    }
                    None => default_value(&self.env, column, &mut self.defaults[at])?,
                },
                From::Default => default_value(&self.env, column, &mut self.defaults[at])?,
                From::Identity(seed, step) => {
                    let number = self.database.next_identity(self.table.id, *seed, *step);
                    self.last_identity = Some(number);
                    convert(Value::Integer(number), Type::BigInt, column.ty, 0, true)?
                }
                From::RowVersion => Value::Blob(self.database.next_row_version()),
            };
            if value == Value::Null && !column.nullable {
                return Err(null_refused(&self.env, &self.table, column, "INSERT"));
            }
            values.push(value);
        }
        self.statement.execute(params_from_iter(&values))?;
        self.rows += 1;
        Ok(())
    }

    /// Checks keys, references and conditions for all rows of the statement. `foreign`: not for bulk.
    pub fn finish(self, checked: bool) -> Result<(u64, Option<i64>)> {
        let affected = format!("_rowid_ > {}", self.first);
        super::constraint::unique(&self.env, &self.table, &affected, self.rows, None)?;
        if checked {
            super::constraint::checks(&self.env, &self.table, &affected, "INSERT")?;
            super::constraint::references(&self.env, &self.table, &affected, "INSERT", None)?;
        }
        Ok((self.rows, self.last_identity))
    }
}

/// Computes a column's default: once a statement, but for newid() which is new for each row.
pub(crate) fn default_value(env: &Env<'_>, column: &Column, kept: &mut Option<Value>) -> Result<Value> {
    if let Some(value) = kept {
        return Ok(value.clone());
    }
    let Some(default) = &column.default else {
        *kept = Some(Value::Null);
        return Ok(Value::Null);
    };
    let (value, ty) = env.constant(&crate::parse::expression(&default.text)?)?;
    let value = convert(value, ty, column.ty, 0, false)?;
    if !default.text.to_ascii_lowercase().contains("newid") {
        *kept = Some(value.clone());
    }
    Ok(value)
}

/// Assigns a value to a column: too long, too large and of a wrong kind are errors with its name.
pub(crate) fn fitted(
    env: &Env<'_>,
    table: &Table,
    column: &Column,
    value: Value,
    from: Type,
) -> Result<Value> {
    let result = convert(value, from, column.ty, 0, false);
    result
        .map_err(|fail| if fail.number == 2628 { truncated(env, table, column, &fail.message) } else { fail })
}

fn database_of<'a>(env: &'a Env<'_>, table: &Table) -> &'a str {
    if table.is_temporary() { "tempdb" } else { &env.facts.database }
}

fn truncated(env: &Env<'_>, table: &Table, column: &Column, cut: &str) -> Fail {
    if env.facts.compatibility_level < 150 {
        return Fail::new(8152, "String or binary data would be truncated.");
    }
    Fail::new(
        2628,
        format!(
            "String or binary data would be truncated in table '{}.dbo.{}', column '{}'. Truncated value: '{cut}'.",
            database_of(env, table),
            table.name,
            column.name
        ),
    )
}

pub(crate) fn null_refused(env: &Env<'_>, table: &Table, column: &Column, verb: &str) -> Fail {
    Fail::new(
        515,
        format!(
            "Cannot insert the value NULL into column '{}', table '{}.dbo.{}'; column does not allow nulls. {verb} \
             fails.",
            column.name,
            database_of(env, table),
            table.name
        ),
    )
}

pub(crate) fn not_modifiable(column: &str) -> Fail {
    Fail::new(
        271,
        format!(
            "The column \"{column}\" cannot be modified because it is either a computed column or is the result of a \
             UNION operator."
        ),
    )
}
