//! Finding rows by values, as the product's server would compare them.
//!
//! SQLite's indexes know only the case of ASCII letters, and count trailing blanks. So each key is looked up
//! in the index first; those with text that found nothing are then sought where other spellings lie in the index
//! ([`near`]), and where no index says that, together in one [`pass`] over the compared columns: `Ärger` is `ÄRGER `
//! as it is on SQL Server. A key that the index answers is not
//! sought again: where the columns are unique on the product's server, there cannot be a second spelling.
//! Columns without an index are passed over anyway; text beyond ASCII is then compared in full.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use rusqlite::{Statement, ToSql, params_from_iter};

use super::bind;
use super::fault::failed;
use super::near;
use super::pass::{Sought, matching, pass};
use super::schema::{Field, Sequence, are_unique};
use super::view::{View, quoted, reading, selected, values};
use crate::document::{Value, canonical_decimal};
use crate::server::spelling::respelled;
use crate::server::{Lookup, Row, ServerError};

/// A value as the product's server compares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Folded {
    Null,
    Int(i64),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
}

/// Looks keys up; see [`Reader::lookup_some`](crate::server::Reader::lookup_some).
///
/// A statement asks for one key: its text has as many placeholders as the key has columns, however many keys
/// there are.
pub(super) fn lookup(
    view: &mut View<'_>,
    lookup: &Lookup<'_>,
    max_bytes: usize,
    see: &mut dyn FnMut(usize, Row),
) -> Result<Vec<usize>, ServerError> {
    let mut given = 0usize;
    let mut see = |position: usize, row: Row| {
        given = given.saturating_add(row.iter().map(Value::weight).sum());
        see(position, row);
        given >= max_bytes
    };
    let see = &mut see;
    let schema = Rc::clone(&view.schema);
    let fields = schema.fields(lookup.table, lookup.columns)?;
    let by = schema.fields(lookup.table, lookup.by)?;
    let table = schema.table(lookup.table)?;
    if lookup.keys.iter().any(|key| key.len() != by.len()) {
        let why = "a key has another number of values than the columns compared";
        return Err(failed(&format!("reading {}", table.name), why));
    }
    let equal: Vec<String> = by
        .iter()
        .enumerate()
        .map(|(at, field)| format!("{} IS ?{}", quoted(&field.column.name), at + 1))
        .collect();
    let filter = if equal.is_empty() { "1".to_owned() } else { equal.join(" AND ") };
    let sql = format!("SELECT {} FROM {} WHERE {filter}", selected(&fields), quoted(&table.name));
    let mut statement = view.connection.prepare_cached(&sql).map_err(|error| reading(&table.name, error))?;

    // Of these SQLite knows one spelling only, though it passes over the table all the same.
    let spelled = lookup.keys.iter().flatten().any(|value| value.as_text().is_some_and(|t| !t.is_ascii()));
    let many = lookup.keys.len() > FEW;
    if (spelled || many || view.passes.knows(view.connection, &by)) && scans(view, &sql, &table.name)? {
        drop(statement);
        return pass(view, &fields, &by, &table.name, lookup.keys, see);
    }
    // A time has many spellings, and the index knows the one that it is given: rows may have others as well.
    let many = by.iter().any(|field| field.nature.spelled.is_some()) && !are_unique(&by);
    let mut sought: BTreeMap<Vec<Folded>, Vec<usize>> = BTreeMap::new();
    let mut full = false;
    for (position, key) in lookup.keys.iter().enumerate() {
        if full {
            // Those that found nothing come again with the rest, and are sought with it.
            let mut rest: Vec<usize> = sought.into_values().flatten().collect();
            rest.sort_unstable();
            rest.extend(position..lookup.keys.len());
            return Ok(rest);
        }
        let Some(bound) = key.iter().map(bind::compare).collect::<Option<Vec<_>>>() else { continue };
        let mut each = |row| full |= see(position, row);
        let text = key.iter().any(|value| matches!(value, Value::Text(_)));
        let found = match many && text {
            true => 0,
            false => answer(&mut statement, &fields, &table.name, &bound, &mut each)?,
        };
        view.rows_read += found;
        if found == 0 && text {
            let folded = by.iter().zip(key).map(|(field, value)| fold(field, value)).collect();
            if let Some(folded) = folded {
                sought.entry(folded).or_default().push(position);
            }
        }
    }
    if sought.is_empty() {
        return Ok(Vec::new());
    }
    if full {
        let mut rest: Vec<usize> = sought.into_values().flatten().collect();
        rest.sort_unstable();
        return Ok(rest);
    }
    let mut found = spellings(view, &by, &table.name, &sought)?;
    // All spellings of a key one after another: it is answered in full.
    found.sort_by_key(|(_, positions)| positions.first().copied());
    let mut group: Option<&Vec<usize>> = None;
    let (mut stopped, mut rest) = (false, Vec::new());
    for (key, positions) in found {
        if group.replace(positions) != Some(positions) {
            stopped = full;
            rest.extend(positions.iter().filter(|_| stopped));
        }
        let Some(bound) = key.iter().map(bind::compare).collect::<Option<Vec<_>>>() else { continue };
        for position in positions.iter().filter(|_| !stopped) {
            let mut each = |row| full |= see(*position, row);
            view.rows_read += answer(&mut statement, &fields, &table.name, &bound, &mut each)?;
        }
    }
    Ok(rest)
}

/// The values of a key as the table has them: each way in which rows spell it.
pub(super) fn as_written(
    view: &mut View<'_>,
    by: &[Field<'_>],
    table: &str,
    key: &[Value],
) -> Result<Vec<Row>, ServerError> {
    let folded = by.iter().zip(key).map(|(field, value)| fold(field, value)).collect::<Option<Vec<_>>>();
    let sought = folded.map(|folded| BTreeMap::from([(folded, vec![0])])).unwrap_or_default();
    let found = spellings(view, by, table, &sought)?;
    Ok(found.into_iter().map(|(row, _)| row).collect())
}

/// Takes a row with the position of its key, and says whether there were enough.
pub(super) type See<'s> = dyn FnMut(usize, Row) -> bool + 's;

/// As many keys of plain letters are looked up one by one even where each costs a pass over the table.
const FEW: usize = 2;

/// Says whether SQLite would walk a whole table to answer a statement.
pub(super) fn scans(view: &View<'_>, sql: &str, table: &str) -> Result<bool, ServerError> {
    let fail = |error| reading(table, error);
    let mut explain = view.connection.prepare_cached(&format!("EXPLAIN QUERY PLAN {sql}")).map_err(fail)?;
    let nothing = vec![rusqlite::types::Null; explain.parameter_count()];
    let mut rows = explain.query(params_from_iter(nothing)).map_err(fail)?;
    let mut scans = false;
    while let Some(row) = rows.next().map_err(fail)? {
        let detail: String = row.get("detail").map_err(fail)?;
        scans |= detail.starts_with("SCAN");
    }
    Ok(scans)
}

/// Hands out the rows that SQLite finds equal, and says how many.
pub(super) fn answer(
    statement: &mut Statement<'_>,
    fields: &[Field<'_>],
    table: &str,
    key: &[impl ToSql],
    see: &mut dyn FnMut(Row),
) -> Result<u64, ServerError> {
    let fail = |error| reading(table, error);
    let mut rows = statement.query(params_from_iter(key)).map_err(fail)?;
    let mut found = 0;
    while let Some(row) = rows.next().map_err(fail)? {
        see(values(fields, row)?);
        found += 1;
    }
    Ok(found)
}

/// Returns the spellings that fold to a key sought, each once, with the keys they answer. Memory follows what is
/// found, not the table.
fn spellings<'k>(
    view: &mut View<'_>,
    by: &[Field<'_>],
    table: &str,
    sought: &'k BTreeMap<Vec<Folded>, Vec<usize>>,
) -> Result<Vec<(Row, &'k Vec<usize>)>, ServerError> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let mut take = |key: Row| {
        let folded = by.iter().zip(&key).map(|(f, value)| fold(f, value)).collect::<Option<Vec<_>>>();
        let Some(positions) = folded.and_then(|folded| sought.get(&folded)) else { return };
        // SQLite answers a spelling with all that it finds equal to it.
        let spelled: Vec<Option<Folded>> = by
            .iter()
            .zip(&key)
            .map(|(field, value)| match value {
                Value::Text(text) => Some(Folded::Text(spelling(field, text))),
                other => fold(field, other),
            })
            .collect();
        if seen.insert(spelled) {
            found.push((key, positions));
        }
    };
    let mut anywhere = Sought::new();
    for (key, positions) in sought {
        match near::rows(view, by, table, key)? {
            Some(rows) => rows.into_iter().for_each(&mut take),
            None => {
                anywhere.insert(key, positions);
            }
        }
    }
    if !anywhere.is_empty() {
        matching(view, by, table, &anywhere, &mut |_, key, _| take(key))?;
    }
    Ok(found)
}

/// The text that all spellings share which SQLite itself finds equal.
pub(super) fn spelling(field: &Field<'_>, text: &str) -> String {
    match field.nature.sequence {
        Sequence::Binary => text.to_owned(),
        Sequence::NoCase => text.to_ascii_lowercase(),
        Sequence::RightTrim => text.trim_end_matches(' ').to_owned(),
    }
}

/// A value of a column in the form that all its spellings share.
pub(super) fn fold(field: &Field<'_>, value: &Value) -> Option<Folded> {
    let number = |text: &str| match canonical_decimal(text) {
        Some(Value::Int(number)) => Folded::Int(number),
        _ => Folded::Number(text.trim_end_matches('0').to_owned()),
    };
    Some(match value {
        Value::Null => Folded::Null,
        Value::Bool(truth) => Folded::Int(i64::from(*truth)),
        Value::Int(number) => Folded::Int(*number),
        Value::Number(text) => number(text),
        Value::Text(text) => {
            Folded::Text(field.nature.collation.fold(&respelled(field.nature.spelled, text)))
        }
        Value::Bytes(bytes) => Folded::Bytes(bytes.clone()),
        _ => return None,
    })
}
