//! Pages in the order of a key: each continues after the last row of the one before.

use rusqlite::params_from_iter;
use rusqlite::types::{Value as Stored, ValueRef};

use super::bind::{self, Bound};
use super::fault::failed;
use super::schema::{Field, are_unique};
use super::view::{End, View, quoted, reading, selected, values, written};
use crate::document::Value;
use crate::server::{Page, Row, ServerError};

/// How many rows past its end a page takes in because they cannot be told apart from its last row.
const MOST_TIES: usize = 10_000;

/// Reads one page. Rows equal in all `order` columns stay together on one page, so that none is lost where
/// the columns are not unique after all (a table without a key, NULLs in a key).
pub(super) fn page(view: &mut View<'_>, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
    let schema = std::rc::Rc::clone(&view.schema);
    let fields = schema.fields(page.table, page.columns)?;
    let order = schema.fields(page.table, page.order)?;
    let table = schema.table(page.table)?;
    let wrong = |what: &str| Err(failed(&format!("reading {}", table.name), what));
    if order.is_empty() {
        return wrong("a page needs columns to order by");
    }
    if page.after.is_some_and(|after| after.len() != order.len()) {
        return wrong("the place to continue from has another number of values than the order");
    }
    // Times are handed out in one spelling; the order is that of what was written.
    let respelled = order.iter().any(|field| field.nature.spelled.is_some() && !field.nature.as_written);
    let ordered = (table.name.clone(), order.iter().map(|field| field.column.name.clone()).collect());
    let after = match (page.after, view.ends.get(&ordered)) {
        (Some(after), Some(end)) if after == end.given => Some((end.written.clone(), end.malformed.clone())),
        (Some(_), _) if respelled => return wrong("the place to continue from is not where its page ended"),
        (after, _) => after.map(|after| (after.to_vec(), Vec::new())),
    };
    let filter = after.as_ref().map(|(after, malformed)| after_filter(&order, after, malformed));
    let (filter, parameters) = filter.transpose()?.unzip();
    let names: Vec<String> = order.iter().map(|field| quoted(&field.column.name)).collect();
    let names = names.join(", ");
    let ties = !are_unique(&order);
    // A limit makes SQLite walk the key's index; without one it might sort what remains of the table.
    let most = page.max_rows.saturating_add(if ties { MOST_TIES + 1 } else { 0 }).max(1);
    let sql = format!(
        "SELECT {}, {names} FROM {}{} ORDER BY {names} LIMIT {}",
        selected(&fields),
        quoted(&table.name),
        filter.unwrap_or_default(),
        i64::try_from(most).unwrap_or(i64::MAX),
    );
    let fail = |error| reading(&table.name, error);
    let mut statement = view.connection.prepare_cached(&sql).map_err(fail)?;
    let mut rows = statement.query(params_from_iter(parameters.unwrap_or_default())).map_err(fail)?;
    let (mut found, mut bytes, mut last): (Vec<Row>, usize, Option<Vec<Stored>>) = (Vec::new(), 0, None);
    let mut end: Option<(Row, Vec<bool>)> = None;
    while let Some(row) = rows.next().map_err(fail)? {
        let first = fields.len().max(1);
        let place = || {
            (first..first + order.len()).map(|at| stored(row, at)).collect::<rusqlite::Result<Vec<Stored>>>()
        };
        if let Some(last) = &last {
            let place = place().map_err(fail)?;
            if !last.iter().zip(&place).zip(&order).all(|((a, b), field)| same(field, a, b)) {
                break;
            }
            if found.len() >= page.max_rows.saturating_add(MOST_TIES) {
                return wrong("too many rows are equal in the columns that order them");
            }
        }
        let row_values = values(&fields, row)?;
        view.rows_read += 1;
        bytes = bytes.saturating_add(row_values.iter().map(Value::weight).sum());
        found.push(row_values);
        let malformed = (first..first + order.len()).map(|at| is_malformed(row, at));
        let malformed = malformed.collect::<rusqlite::Result<Vec<bool>>>().map_err(fail)?;
        if respelled || malformed.contains(&true) {
            end = Some((written(&order, row, first)?, malformed));
        } else {
            end = None;
        }
        if last.is_none() && (found.len() >= page.max_rows || bytes >= page.max_bytes) {
            if !ties {
                break;
            }
            last = Some(place().map_err(fail)?);
        }
    }
    if let Some((written, malformed)) = end {
        let given = order.iter().zip(&written).map(|(f, value)| bind::respelled(f, value.clone())).collect();
        view.ends.insert(ordered, End { given, written, malformed });
    }
    Ok(found)
}

/// The condition for rows after a place: a row value, which the key's index answers; where a NULL is among
/// the values, the same spelled out, since NULL compares with nothing and sorts first.
fn after_filter<'v>(
    order: &[Field<'_>],
    after: &'v [Value],
    malformed: &[bool],
) -> Result<(String, Vec<Bound<'v>>), ServerError> {
    let bound = order
        .iter()
        .zip(after)
        .enumerate()
        .map(|(at, (field, value))| match value {
            Value::Bytes(bytes) if malformed.get(at) == Some(&true) => Ok(Bound::Malformed(bytes)),
            value => bind::resume(field, value),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = order.iter().map(|field| quoted(&field.column.name)).collect();
    let nullable = order.iter().any(|field| field.column.nullable);
    if !nullable && !bound.contains(&Bound::Null) {
        let places: Vec<String> = (1..=names.len()).map(|number| format!("?{number}")).collect();
        return Ok((format!(" WHERE ({}) > ({})", names.join(", "), places.join(", ")), bound));
    }
    let mut either = Vec::new();
    for (at, (name, value)) in names.iter().zip(&bound).enumerate() {
        let mut all: Vec<String> =
            names.iter().take(at).enumerate().map(|(i, name)| format!("{name} IS ?{}", i + 1)).collect();
        all.push(match value {
            Bound::Null => format!("({name} IS NOT NULL AND ?{} IS NULL)", at + 1),
            _ => format!("{name} > ?{}", at + 1),
        });
        either.push(format!("({})", all.join(" AND ")));
    }
    Ok((format!(" WHERE {}", either.join(" OR ")), bound))
}

/// Says whether a value is text that is not UTF-8.
fn is_malformed(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<bool> {
    Ok(matches!(row.get_ref(at)?, ValueRef::Text(text) if std::str::from_utf8(text).is_err()))
}

/// A value as the table has it; the bytes of text that is not UTF-8.
fn stored(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Stored> {
    match row.get_ref(at)? {
        ValueRef::Text(text) if std::str::from_utf8(text).is_err() => Ok(Stored::Blob(text.to_vec())),
        _ => row.get(at),
    }
}

/// Says whether SQLite sorts two values of a column at the same place.
fn same(field: &Field<'_>, a: &Stored, b: &Stored) -> bool {
    match (a, b) {
        (Stored::Text(a), Stored::Text(b)) => {
            super::lookup::spelling(field, a) == super::lookup::spelling(field, b)
        }
        (Stored::Integer(a), Stored::Real(b)) | (Stored::Real(b), Stored::Integer(a)) => *a as f64 == *b,
        (a, b) => a == b,
    }
}
