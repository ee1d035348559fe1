//! Constraints, checked for the rows a statement touched once it has made all its changes, as SQL Server does.

use crate::catalog::{self, Foreign, Index, IndexKind, Table, quoted};
use crate::convert::convert;
use crate::fail::{Fail, Result};
use crate::parse;
use crate::translate::{Env, Translator};
use crate::types::Type;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row};

fn keys(columns: &[String], handle: &str) -> Vec<String> {
    columns.iter().map(|c| format!("{handle}.{}", quoted(c))).collect()
}

fn pairs(left: &[String], right: &[String], operator: &str) -> String {
    let equal: Vec<String> = left.iter().zip(right).map(|(a, b)| format!("{a} {operator} {b}")).collect();
    equal.join(" AND ")
}

fn names(columns: &[String], changed: Option<&[String]>) -> bool {
    changed.is_none_or(|changed| columns.iter().any(|c| changed.contains(c)))
}

/// PRIMARY KEY, UNIQUE and unique indexes; NULLs are equal. `affected` speaks of the table's _rowid_.
pub(crate) fn unique(
    env: &Env<'_>,
    table: &Table,
    affected: &str,
    rows: u64,
    changed: Option<&[String]>,
) -> Result<()> {
    for index in table.indexes.iter().filter(|i| i.is_unique() && names(&i.columns, changed)) {
        let stored = table.stored();
        let (a, b) = (keys(&index.columns, "a"), keys(&index.columns, "b"));
        let one_by_one = format!(
            "SELECT {} FROM {stored} AS a CROSS JOIN {stored} AS b ON {} AND b._rowid_ <> a._rowid_ WHERE a.{affected} \
             LIMIT 1",
            a.join(", "),
            pairs(&b, &a, "IS")
        );
        // For many rows one walk over the index is cheaper than a look-up for each.
        let whole =
            format!("SELECT {0} FROM {stored} AS a GROUP BY {0} HAVING count(*) > 1 LIMIT 1", a.join(", "));
        let sql = if rows > 1000 && rows > count(env, &stored)? / 10 { whole } else { one_by_one };
        let found =
            env.db.prepare_cached(&sql)?.query_row([], |row| shown_key(row, table, index)).optional()?;
        if let Some(value) = found {
            return Err(duplicate(table, index, &value));
        }
    }
    Ok(())
}

fn count(env: &Env<'_>, stored: &str) -> Result<u64> {
    let count: i64 = env.db.query_row(&format!("SELECT count(*) FROM {stored}"), [], |row| row.get(0))?;
    Ok(count as u64)
}

fn shown_key(row: &Row<'_>, table: &Table, index: &Index) -> rusqlite::Result<String> {
    let mut shown = Vec::new();
    for (at, name) in index.columns.iter().enumerate() {
        let ty = table.columns.iter().find(|c| c.name == *name).map_or(Type::Int, |c| c.ty);
        let value: Value = row.get(at)?;
        let style = if matches!(value, Value::Blob(_)) { 1 } else { 121 };
        let style = if matches!(value, Value::Real(_)) { 3 } else { style };
        shown.push(match convert(value, ty, Type::NVarChar(None), style, true) {
            Ok(Value::Text(text)) => text,
            _ => "<NULL>".to_owned(),
        });
    }
    Ok(shown.join(", "))
}

fn duplicate(table: &Table, index: &Index, value: &str) -> Fail {
    let shown = table.shown();
    match index.kind {
        IndexKind::PrimaryKey | IndexKind::UniqueConstraint => {
            let kind = if index.kind == IndexKind::PrimaryKey { "PRIMARY KEY" } else { "UNIQUE KEY" };
            Fail::new(
                2627,
                format!(
                    "Violation of {kind} constraint '{}'. Cannot insert duplicate key in object '{shown}'. The \
                     duplicate key value is ({value}).",
                    index.name
                ),
            )
        }
        IndexKind::Unique | IndexKind::Plain => Fail::new(
            2601,
            format!(
                "Cannot insert duplicate key row in object '{shown}' with unique index '{}'. The duplicate key value \
                 is ({value}).",
                index.name
            ),
        ),
    }
}

pub(crate) fn checks(env: &Env<'_>, table: &Table, affected: &str, verb: &str) -> Result<()> {
    for check in &table.checks {
        let mut translator = Translator::new(*env);
        let bound = translator.bound(table.clone().into(), &table.name)?;
        let handle = bound.handle.clone();
        translator.scopes.push(vec![bound]);
        let condition = translator.condition(&parse::expression(&check.text)?)?;
        let sql = format!(
            "SELECT 1 FROM {} AS {handle} WHERE {handle}.{affected} AND NOT {condition} LIMIT 1",
            table.stored()
        );
        let mut statement = env.db.prepare_cached(&sql)?;
        translator.give(&mut statement)?;
        if statement.raw_query().next()?.is_some() {
            let column = only_column(table, &check.text);
            return Err(conflict(verb, "CHECK", &check.name, &env.facts.database, table, column.as_deref()));
        }
    }
    Ok(())
}

/// The column that a condition speaks of, if it is one.
fn only_column(table: &Table, text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let mut named = table.columns.iter().filter(|c| lower.contains(&format!("[{}]", c.name.to_lowercase())));
    let first = named.next()?;
    named.next().is_none().then(|| first.name.clone())
}

fn conflict(verb: &str, kind: &str, name: &str, database: &str, table: &Table, column: Option<&str>) -> Fail {
    let column = column.map_or(String::new(), |c| format!(", column '{c}'"));
    Fail {
        state: 0,
        ..Fail::new(
            547,
            format!(
                "The {verb} statement conflicted with the {kind} constraint \"{name}\". The conflict occurred in \
                 database \"{database}\", table \"{}\"{column}.",
                table.shown()
            ),
        )
    }
}

/// Foreign keys of the table: what the touched rows point to must be there.
pub(crate) fn references(
    env: &Env<'_>,
    table: &Table,
    affected: &str,
    verb: &str,
    changed: Option<&[String]>,
) -> Result<()> {
    for foreign in table.foreign.iter().filter(|f| names(&f.columns, changed)) {
        let Some(parent) = catalog::find(env.db, &foreign.references)? else {
            return Err(Fail::refused(format!("foreign key {} without its table", foreign.name)));
        };
        if dangling(env, table, foreign, &parent, affected)? {
            let kind = if parent.id == table.id { "FOREIGN KEY SAME TABLE" } else { "FOREIGN KEY" };
            let column = match foreign.referenced.as_slice() {
                [one] => Some(one.as_str()),
                _ => None,
            };
            return Err(conflict(verb, kind, &foreign.name, &env.facts.database, &parent, column));
        }
    }
    Ok(())
}

fn dangling(env: &Env<'_>, table: &Table, foreign: &Foreign, parent: &Table, affected: &str) -> Result<bool> {
    let (child, key) = (keys(&foreign.columns, "a"), keys(&foreign.referenced, "p"));
    let given: Vec<String> = child.iter().map(|c| format!("{c} IS NOT NULL")).collect();
    let sql = format!(
        "SELECT 1 FROM {} AS a WHERE a.{affected} AND {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}) LIMIT 1",
        table.stored(),
        given.join(" AND "),
        parent.stored(),
        pairs(&key, &child, "=")
    );
    Ok(env.db.prepare_cached(&sql)?.exists([])?)
}

/// Whether all rows of the table satisfy a foreign key that is being added.
pub(crate) fn holds_for_all(env: &Env<'_>, table: &Table, foreign: &Foreign, parent: &Table) -> Result<()> {
    if dangling(env, table, foreign, parent, "_rowid_ IS NOT NULL")? {
        let column = match foreign.referenced.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        };
        return Err(conflict(
            "ALTER TABLE",
            "FOREIGN KEY",
            &foreign.name,
            &env.facts.database,
            parent,
            column,
        ));
    }
    Ok(())
}

/// The foreign keys of all tables that point to this one, with their tables.
pub(crate) fn pointing_to(env: &Env<'_>, table: &Table) -> Result<Vec<(Table, Foreign)>> {
    if table.is_temporary() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for other in catalog::all(env.db)? {
        for foreign in other.foreign.iter().filter(|f| f.references == table.name) {
            found.push(((*other).clone(), foreign.clone()));
        }
    }
    Ok(found)
}

/// Rows elsewhere that point to keys which the statement took away. `work` has the old keys, a column `o:NAME`
/// for each.
pub(crate) fn referenced(
    env: &Env<'_>,
    table: &Table,
    pointing: &[(Table, Foreign)],
    work: &str,
    verb: &str,
) -> Result<()> {
    for (child, foreign) in pointing {
        let (from, key) = (keys(&foreign.columns, "c"), keys(&foreign.referenced, "p"));
        let old: Vec<String> =
            foreign.referenced.iter().map(|c| format!("w.{}", quoted(&format!("o:{c}")))).collect();
        let sql = format!(
            "SELECT 1 FROM {} AS c WHERE {} IN (SELECT {} FROM {work} AS w) AND EXISTS (SELECT 1 FROM {work} AS w \
             WHERE {}) AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}) LIMIT 1",
            child.stored(),
            from[0],
            old[0],
            pairs(&from, &old, "="),
            table.stored(),
            pairs(&key, &from, "=")
        );
        if env.db.prepare_cached(&sql)?.exists([])? {
            let kind = if child.id == table.id { "SAME TABLE REFERENCE" } else { "REFERENCE" };
            let column = match foreign.columns.as_slice() {
                [one] => Some(one.as_str()),
                _ => None,
            };
            return Err(conflict(verb, kind, &foreign.name, &env.facts.database, child, column));
        }
    }
    Ok(())
}
