//! INSERT, UPDATE, DELETE and TRUNCATE as whole statements.

use super::Session;
use super::constraint;
use super::rows::{Inserter, default_value, fitted, not_modifiable, null_refused};
use crate::catalog::{Column, Table, quoted};
use crate::fail::{Fail, Result};
use crate::parse::ast::{Expr, From, InsertSource, Item, Name, Select, SourceKind};
use crate::transaction::Access;
use crate::translate::{Bound, Env, Translator, Typed};
use crate::types::Type;
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use std::sync::Arc;

/// The table that holds what an UPDATE or DELETE will do.
const WORK: &str = "temp.\"sys.work\"";

pub(super) fn writable(env: &Env<'_>, name: &Name, verb: &str) -> Result<Arc<Table>> {
    let table = env.table(name, Access::Write)?;
    if table.system {
        return Err(Fail::new(259, "Ad hoc updates to system catalogs are not allowed."));
    }
    if env.facts.read_only && !table.is_temporary() {
        return Err(read_only(&env.facts.database));
    }
    env.permit(verb, &table)?;
    Ok(table)
}

pub(super) fn read_only(database: &str) -> Fail {
    Fail::new(3906, format!("Failed to update database \"{database}\" because the database is read-only."))
}

impl Session {
    pub(super) fn insert(
        &mut self,
        name: &Name,
        columns: Option<&[String]>,
        source: &InsertSource,
    ) -> Result<u64> {
        let facts = self.facts();
        let env = self.env(&facts);
        let table = writable(&env, name, "INSERT")?;
        let identity_insert = self.identity_insert == Some(table.id);
        if columns.is_none() && identity_insert {
            return Err(Fail::new(
                8101,
                format!(
                    "An explicit value for the identity column in table '{}' can only be specified when a column list \
                     is used and IDENTITY_INSERT is ON.",
                    table.name
                ),
            ));
        }
        let names: Vec<String> = match columns {
            Some(names) => names.to_vec(),
            None if matches!(source, InsertSource::Defaults) => Vec::new(),
            None => {
                let given =
                    |c: &&Column| c.computed.is_none() && c.identity.is_none() && c.ty != Type::RowVersion;
                table.columns.iter().filter(given).map(|c| c.name.clone()).collect()
            }
        };
        let mut translator = Translator::new(env);
        let (sql, types, defaults) = match source {
            InsertSource::Defaults => (String::new(), Vec::new(), Vec::new()),
            InsertSource::Values(rows) => values(&mut translator, rows, names.len())?,
            InsertSource::Select(select) => {
                let query = translator.select(select)?;
                if query.columns.len() != names.len() {
                    let (number, more) =
                        if query.columns.len() < names.len() { (120, "fewer") } else { (121, "more") };
                    return Err(Fail::new(
                        number,
                        format!(
                            "The select list for the INSERT statement contains {more} items than the insert list. The \
                             number of SELECT values must match the number of INSERT columns."
                        ),
                    ));
                }
                if query.columns.iter().any(|c| c.variant) {
                    return Err(Fail::refused("sql_variant inserted"));
                }
                let types = query.columns.iter().map(|c| Some(c.ty)).collect();
                (query.sql, types, Vec::new())
            }
        };
        let given: Vec<(String, Type)> = names
            .iter()
            .enumerate()
            .map(|(at, name)| {
                // NULL alone has no type: that of the column will do.
                let ty = types.get(at).copied().flatten();
                let of_column = || table.column(name, facts.order).map_or(Type::Int, |c| c.ty);
                (name.clone(), ty.unwrap_or_else(of_column))
            })
            .collect();
        let mut inserter = Inserter::new(env, &self.database, table.clone(), &given, identity_insert)?;
        if matches!(source, InsertSource::Defaults) {
            inserter.row(Vec::new())?;
        } else {
            let mut statement = env.db.prepare(&sql)?;
            translator.give(&mut statement)?;
            let mut rows = statement.raw_query();
            // Rows that come from the table itself are all read before the first is written.
            let spooled = matches!(source, InsertSource::Select(select) if reads(select, name));
            let mut spool = Vec::new();
            let mut number = 0;
            while let Some(row) = rows.next()? {
                let mut values = Vec::with_capacity(given.len());
                for at in 0..given.len() {
                    let default = defaults.get(number * given.len() + at).copied().unwrap_or(false);
                    values.push(if default { None } else { Some(row.get::<_, Value>(at)?) });
                }
                number += 1;
                if spooled {
                    spool.push(values);
                } else {
                    inserter.row(values)?;
                }
            }
            for values in spool {
                inserter.row(values)?;
            }
        }
        let (rows, identity) = inserter.finish(true)?;
        if identity.is_some() {
            self.last_identity = identity;
        }
        Ok(rows)
    }

    pub(super) fn update(
        &mut self,
        target: &Name,
        sets: &[(String, Expr)],
        from: Option<&From>,
        filter: Option<&Expr>,
    ) -> Result<u64> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut translator = Translator::new(env);
        let (table, sources, handle) = targeted(&mut translator, target, from, "UPDATE")?;
        let mut changes: Vec<(Column, Option<Typed>)> = Vec::new();
        for (name, value) in sets {
            let Some(column) = table.column(name, facts.order) else {
                return Err(Fail::new(207, format!("Invalid column name '{name}'.")));
            };
            if changes.iter().any(|(c, _)| c.id == column.id) {
                return Err(Fail::new(
                    264,
                    format!("The column name '{name}' is specified more than once in the SET clause."),
                ));
            }
            if column.computed.is_some() {
                return Err(not_modifiable(&column.name));
            }
            if column.ty == Type::RowVersion {
                return Err(Fail::new(272, "Cannot update a timestamp column."));
            }
            if column.identity.is_some() {
                return Err(Fail::new(8102, format!("Cannot update identity column '{}'.", column.name)));
            }
            let typed = match value {
                Expr::Default => None,
                value => Some(translator.value(value)?),
            };
            if let Some(typed) = &typed {
                if typed.variant {
                    return Err(Fail::refused("sql_variant assigned"));
                }
                if !typed.untyped {
                    crate::convert::implicit(typed.ty, column.ty)?;
                }
            }
            changes.push((column.clone(), typed));
        }
        let changed: Vec<String> = changes.iter().map(|(c, _)| c.name.clone()).collect();
        let pointing: Vec<_> = constraint::pointing_to(&env, &table)?
            .into_iter()
            .filter(|(_, f)| f.referenced.iter().any(|c| changed.contains(c)))
            .collect();
        let olds = old_keys(&pointing);
        let mut selected: Vec<String> = Vec::new();
        for (_, typed) in &changes {
            selected.push(typed.as_ref().map_or("NULL".to_owned(), |t| t.sql.clone()));
        }
        spool(&mut translator, &sources, &handle, filter, &selected, &olds)?;

        let mut assigned: Vec<String> = changed.iter().map(|c| format!("{} = ?", quoted(c))).collect();
        let version = table.columns.iter().find(|c| c.ty == Type::RowVersion);
        assigned.extend(version.map(|c| format!("{} = ?", quoted(&c.name))));
        let mut write = env.db.prepare(&format!(
            "UPDATE {} SET {} WHERE _rowid_ = ?",
            table.stored(),
            assigned.join(", ")
        ))?;
        let mut read = env.db.prepare(&format!("SELECT * FROM {WORK} ORDER BY r"))?;
        let mut rows = read.query([])?;
        let mut defaults = vec![None; changes.len()];
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(changes.len() + 2);
            for (at, (column, typed)) in changes.iter().enumerate() {
                let value = match typed {
                    None => default_value(&env, column, &mut defaults[at])?,
                    Some(typed) => {
                        let ty = if typed.untyped { column.ty } else { typed.ty };
                        fitted(&env, &table, column, row.get(at + 1)?, ty)?
                    }
                };
                if value == Value::Null && !column.nullable {
                    return Err(null_refused(&env, &table, column, "UPDATE"));
                }
                values.push(value);
            }
            if version.is_some() {
                values.push(Value::Blob(self.database.next_row_version()));
            }
            values.push(row.get(0)?);
            write.execute(params_from_iter(&values))?;
            count += 1;
        }
        drop(rows);
        let affected = format!("_rowid_ IN (SELECT r FROM {WORK})");
        constraint::unique(&env, &table, &affected, count, Some(&changed))?;
        constraint::checks(&env, &table, &affected, "UPDATE")?;
        constraint::references(&env, &table, &affected, "UPDATE", Some(&changed))?;
        constraint::referenced(&env, &table, &pointing, WORK, "UPDATE")?;
        env.db.execute_batch(&format!("DROP TABLE {WORK}"))?;
        Ok(count)
    }

    pub(super) fn delete(
        &mut self,
        target: &Name,
        from: Option<&From>,
        filter: Option<&Expr>,
    ) -> Result<u64> {
        let facts = self.facts();
        let env = self.env(&facts);
        let mut translator = Translator::new(env);
        let (table, sources, handle) = targeted(&mut translator, target, from, "DELETE")?;
        let pointing = constraint::pointing_to(&env, &table)?;
        let olds = old_keys(&pointing);
        spool(&mut translator, &sources, &handle, filter, &[], &olds)?;
        let count = env.db.execute(
            &format!("DELETE FROM {} WHERE _rowid_ IN (SELECT r FROM {WORK})", table.stored()),
            [],
        )?;
        constraint::referenced(&env, &table, &pointing, WORK, "DELETE")?;
        env.db.execute_batch(&format!("DROP TABLE {WORK}"))?;
        Ok(count as u64)
    }

    pub(super) fn truncate(&mut self, name: &Name) -> Result<()> {
        let facts = self.facts();
        let env = self.env(&facts);
        let table = writable(&env, name, "ALTER")?;
        if !constraint::pointing_to(&env, &table)?.is_empty() {
            return Err(Fail::new(
                4712,
                format!(
                    "Cannot truncate table '{}' because it is being referenced by a FOREIGN KEY constraint.",
                    table.name
                ),
            ));
        }
        env.db.execute(&format!("DELETE FROM {}", table.stored()), [])?;
        self.database.forget_identity(table.id);
        Ok(())
    }
}

/// The rows of VALUES as SQLite's; where DEFAULT stands is told apart.
fn values(
    translator: &mut Translator<'_>,
    rows: &[Vec<Expr>],
    width: usize,
) -> Result<(String, Vec<Option<Type>>, Vec<bool>)> {
    let mut types: Vec<Option<Type>> = vec![None; width];
    let mut typed_rows = Vec::with_capacity(rows.len());
    let mut defaults = Vec::with_capacity(rows.len() * width);
    for row in rows {
        if row.len() != width {
            let (number, what) =
                if row.len() < width { (109, "more columns") } else { (110, "fewer columns") };
            return Err(Fail::new(
                number,
                format!(
                    "There are {what} in the INSERT statement than values specified in the VALUES clause. The number \
                     of values in the VALUES clause must match the number of columns specified in the INSERT statement."
                ),
            ));
        }
        let mut typed_row = Vec::with_capacity(width);
        for (at, expr) in row.iter().enumerate() {
            defaults.push(matches!(expr, Expr::Default));
            let expr = if matches!(expr, Expr::Default) { &Expr::Null } else { expr };
            let typed = translator.value(expr)?;
            if typed.variant {
                return Err(Fail::refused("sql_variant inserted"));
            }
            if !typed.untyped {
                // All rows of VALUES have one type a column.
                types[at] = Some(types[at].map_or(typed.ty, |ty| ty.meet(typed.ty)));
            }
            typed_row.push(typed);
        }
        typed_rows.push(typed_row);
    }
    let mut written = Vec::with_capacity(rows.len());
    for row in &typed_rows {
        let mut parts = Vec::with_capacity(width);
        for (at, typed) in row.iter().enumerate() {
            parts.push(match types[at] {
                Some(ty) if !typed.untyped => translator.as_exactly(typed, ty)?,
                _ => "NULL".to_owned(),
            });
        }
        written.push(format!("({})", parts.join(",")));
    }
    Ok((format!("VALUES {}", written.join(",")), types, defaults))
}

/// Whether a query reads the table by name, anywhere in FROM.
fn reads(select: &Select, name: &Name) -> bool {
    let in_from = select.from.iter().any(|from| {
        std::iter::once(&from.first).chain(from.joins.iter().map(|(_, s, _)| s)).any(|source| {
            match &source.kind {
                SourceKind::Table(table) => table.name.eq_ignore_ascii_case(&name.name),
                SourceKind::Derived(inner) => reads(inner, name),
                SourceKind::Json { .. } => false,
            }
        })
    });
    // A subquery in an expression may read anything: it is taken to.
    in_from
        || select.filter.as_ref().is_some_and(nests)
        || select.items.iter().any(|i| match i {
            Item::Value { value, .. } => nests(value),
            _ => false,
        })
        || select.more.iter().any(|m| reads(m, name))
}

fn nests(expr: &Expr) -> bool {
    match expr {
        Expr::Exists(_) | Expr::InSelect(..) | Expr::Subquery(_) => true,
        Expr::And(a, b) | Expr::Or(a, b) | Expr::Compare(_, a, b) | Expr::Binary(_, a, b) => {
            nests(a) || nests(b)
        }
        Expr::Not(a) | Expr::IsNull(a, _) | Expr::Collate(a, _) | Expr::Negate(a) => nests(a),
        Expr::Cast { value, .. } => nests(value),
        Expr::Call(_, list) => list.iter().any(nests),
        Expr::Case { .. } => true,
        _ => false,
    }
}

/// The table that is written, FROM in SQLite's words, and what the table is called in it.
fn targeted(
    translator: &mut Translator<'_>,
    target: &Name,
    from: Option<&From>,
    verb: &str,
) -> Result<(Arc<Table>, String, String)> {
    let env = translator.env;
    let Some(from) = from else {
        let table = writable(&env, target, verb)?;
        let bound = translator.bound(table.clone(), &target.name)?;
        let (sql, handle) = (format!(" FROM {} AS {}", table.stored(), bound.handle), bound.handle.clone());
        translator.scopes.push(vec![bound]);
        return Ok((table, sql, handle));
    };
    let order = env.facts.order;
    let sources: Vec<_> = std::iter::once(&from.first).chain(from.joins.iter().map(|(_, s, _)| s)).collect();
    let named = |s: &&&crate::parse::ast::Source| match (&s.alias, &s.kind) {
        (Some(alias), _) => crate::catalog::same(alias, &target.name, order),
        (None, SourceKind::Table(name)) => crate::catalog::same(&name.name, &target.name, order),
        _ => false,
    };
    let source = sources.iter().find(named);
    let Some(SourceKind::Table(name)) = source.map(|s| &s.kind) else {
        return Err(Fail::refused(format!("{verb} of {} which FROM does not name", target.written())));
    };
    let table = writable(&env, name, verb)?;
    let alias = source.and_then(|s| s.alias.clone()).unwrap_or_else(|| name.name.clone());
    let (sql, scope) = translator.from(from)?;
    let handle = scope
        .iter()
        .find(|b: &&Bound| crate::catalog::same(&b.alias, &alias, order))
        .map(|b| b.handle.clone())
        .ok_or_else(|| Fail::refused(target.written()))?;
    translator.scopes.push(scope);
    Ok((table, sql, handle))
}

fn old_keys(pointing: &[(Table, crate::catalog::Foreign)]) -> Vec<String> {
    let mut olds: Vec<String> = pointing.iter().flat_map(|(_, f)| f.referenced.iter().cloned()).collect();
    olds.sort();
    olds.dedup();
    olds
}

/// Writes down the rows to touch with their new values and old keys, before any is touched.
fn spool(
    translator: &mut Translator<'_>,
    sources: &str,
    handle: &str,
    filter: Option<&Expr>,
    values: &[String],
    olds: &[String],
) -> Result<()> {
    let filter = match filter {
        Some(filter) => format!(" WHERE {}", translator.condition(filter)?),
        None => String::new(),
    };
    let mut columns = vec!["r INTEGER PRIMARY KEY".to_owned()];
    columns.extend((0..values.len()).map(|at| format!("v{at}")));
    columns.extend(olds.iter().map(|c| quoted(&format!("o:{c}"))));
    let mut selected = vec![format!("{handle}._rowid_")];
    selected.extend(values.iter().cloned());
    selected.extend(olds.iter().map(|c| format!("{handle}.{}", quoted(c))));
    let db = translator.env.db;
    db.execute_batch(&format!("DROP TABLE IF EXISTS {WORK}; CREATE TABLE {WORK} ({})", columns.join(", ")))?;
    let sql = format!("INSERT OR REPLACE INTO {WORK} SELECT {}{sources}{filter}", selected.join(", "));
    let mut statement = db.prepare(&sql)?;
    translator.give(&mut statement)?;
    statement.raw_execute()?;
    Ok(())
}
