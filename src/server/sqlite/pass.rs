//! Rows found by columns that no index has: one pass over the table answers all keys of a look-up.
//!
//! A second look-up of the same columns also remembers a hash and the number of each row, 16 bytes a row. With them the
//! look-ups that follow cost what they find, until something is written: however many look-ups there are, the table is
//! passed over twice.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use rusqlite::Connection;
use rusqlite::types::Value as SqliteValue;

use super::lookup::{Folded, See, answer, fold};
use super::schema::Field;
use super::view::{View, quoted, reading, selected, written};
use crate::document::Value;
use crate::server::{Row, ServerError};

/// As many rows are remembered, of all tables together: 64 MiB.
const MOST_REMEMBERED: usize = 4 << 20;

/// Keys that are sought, and the positions of those that fold to them.
pub(super) type Sought<'k> = BTreeMap<&'k [Folded], &'k Vec<usize>>;

/// A table and the columns compared.
type Columns = (String, Vec<String>);

/// What is known of the rows of a table by some columns.
enum Rows {
    /// The table was passed over once.
    Passed,
    /// It has more rows than are remembered.
    TooMany,
    /// A hash of each row's folded values, and the row's number, sorted.
    Remembered(Vec<(u64, i64)>),
}

/// What passes over tables have found out.
#[derive(Default)]
pub(super) struct Passes {
    known: HashMap<Columns, Rows>,
    /// How many rows the connection had written by then: with another number nothing is known any more.
    changes: u64,
    hasher: RandomState,
}

fn columns_of(by: &[Field<'_>]) -> Columns {
    let table = by.first().map(|field| field.table.name.clone()).unwrap_or_default();
    (table, by.iter().map(|field| field.column.name.clone()).collect())
}

impl Passes {
    /// Says whether a table was passed over for these columns in its present state.
    pub(super) fn knows(&self, connection: &Connection, by: &[Field<'_>]) -> bool {
        !self.known.is_empty()
            && self.changes == connection.total_changes()
            && self.known.contains_key(&columns_of(by))
    }

    /// Takes out what is known, forgetting all of it where something was written since.
    fn take(&mut self, connection: &Connection, by: &Columns) -> Option<Rows> {
        let changes = connection.total_changes();
        if self.changes != changes {
            self.known.clear();
            self.changes = changes;
        }
        self.known.remove(by)
    }

    fn keep(&mut self, by: Columns, rows: Rows) {
        let many = |rows: &Rows| match rows {
            Rows::Remembered(rows) => rows.len(),
            Rows::Passed | Rows::TooMany => 0,
        };
        #[allow(clippy::disallowed_methods, reason = "a sum has no order")]
        if self.known.values().map(many).sum::<usize>().saturating_add(many(&rows)) > MOST_REMEMBERED {
            self.known.clear();
        }
        self.known.insert(by, rows);
    }
}

/// The columns by which rows are fetched again: their number, or the primary key of a table whose rows have none.
fn address(view: &View<'_>, by: &[Field<'_>]) -> (Vec<String>, bool) {
    let Some(table) = by.first().map(|field| field.table) else { return (vec!["rowid".to_owned()], true) };
    let number = ["rowid", "_rowid_", "oid"].into_iter().find(|name| table.column(name).is_none());
    let numbered = number.filter(|number| {
        view.connection.prepare_cached(&format!("SELECT {number} FROM {}", quoted(&table.name))).is_ok()
    });
    match numbered {
        Some(number) => (vec![number.to_owned()], true),
        None => (table.primary_key.iter().map(|name| quoted(name)).collect(), false),
    }
}

fn folded(by: &[Field<'_>], key: &[Value]) -> Option<Vec<Folded>> {
    by.iter().zip(key).map(|(field, value)| fold(field, value)).collect()
}

/// Shows the rows that hold a key sought: what they are fetched by, the values of the compared columns, the positions.
type Seen<'s, 'k> = dyn FnMut(Vec<SqliteValue>, Row, &'k Vec<usize>) + 's;

/// Finds the rows that hold the keys, in the order of the table or of the keys.
pub(super) fn matching<'k>(
    view: &mut View<'_>,
    by: &[Field<'_>],
    table: &str,
    sought: &Sought<'k>,
    see: &mut Seen<'_, 'k>,
) -> Result<(), ServerError> {
    let fail = |error| reading(table, error);
    let (address, numbered) = address(view, by);
    let columns = columns_of(by);
    let known = view.passes.take(view.connection, &columns);
    let select = format!("SELECT {}, {} FROM {}", selected(by), address.join(", "), quoted(table));
    if let Some(Rows::Remembered(rows)) = known {
        let sql = format!("{select} WHERE {} = ?1", address.concat());
        let mut statement = view.connection.prepare_cached(&sql).map_err(fail)?;
        for (wanted, positions) in sought {
            let hash = view.passes.hasher.hash_one(wanted);
            let from = rows.partition_point(|(known, _)| *known < hash);
            for (_, number) in rows.iter().skip(from).take_while(|(known, _)| *known == hash) {
                let mut found = statement.query([number]).map_err(fail)?;
                while let Some(row) = found.next().map_err(fail)? {
                    view.rows_read += 1;
                    if let Ok(key) = written(by, row, 0)
                        && folded(by, &key).is_some_and(|key| key == *wanted)
                    {
                        see(vec![SqliteValue::Integer(*number)], key, positions);
                    }
                }
            }
        }
        view.passes.keep(columns, Rows::Remembered(rows));
        return Ok(());
    }
    let mut remembered = matches!(known, Some(Rows::Passed)).then(Vec::new).filter(|_| numbered);
    let mut statement = view.connection.prepare_cached(&select).map_err(fail)?;
    let mut rows = statement.query([]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        view.rows_read += 1;
        // A row that cannot be read is not the one that is sought.
        let Ok(key) = written(by, row, 0) else { continue };
        let Some(folded) = folded(by, &key) else { continue };
        if let Some(all) = &mut remembered {
            let number: i64 = row.get(by.len()).map_err(fail)?;
            all.push((view.passes.hasher.hash_one(folded.as_slice()), number));
        }
        if remembered.as_ref().is_some_and(|all| all.len() > MOST_REMEMBERED) {
            remembered = None;
        }
        if let Some(positions) = sought.get(folded.as_slice()) {
            let at = (0..address.len()).map(|at| row.get(by.len() + at));
            see(at.collect::<rusqlite::Result<_>>().map_err(fail)?, key, positions);
        }
    }
    let rows = match (known, remembered) {
        (_, Some(mut all)) => {
            all.sort_unstable();
            all.shrink_to_fit();
            Rows::Remembered(all)
        }
        (None, None) => Rows::Passed,
        (Some(_), None) => Rows::TooMany,
    };
    view.passes.keep(columns, rows);
    Ok(())
}

/// Answers keys, as [`Reader::lookup_some`](crate::server::Reader::lookup_some) does; the rows found are fetched
/// afterwards.
pub(super) fn pass(
    view: &mut View<'_>,
    fields: &[Field<'_>],
    by: &[Field<'_>],
    table: &str,
    keys: &[Vec<Value>],
    see: &mut See<'_>,
) -> Result<Vec<usize>, ServerError> {
    let mut folds: BTreeMap<Vec<Folded>, Vec<usize>> = BTreeMap::new();
    for (position, key) in keys.iter().enumerate() {
        if let Some(folded) = folded(by, key) {
            folds.entry(folded).or_default().push(position);
        }
    }
    let sought: Sought<'_> = folds.iter().map(|(key, positions)| (key.as_slice(), positions)).collect();
    let mut found: Vec<(Vec<SqliteValue>, &Vec<usize>)> = Vec::new();
    matching(view, by, table, &sought, &mut |at, _, positions| found.push((at, positions)))?;
    let (address, _) = address(view, by);
    let equal: Vec<String> =
        address.iter().enumerate().map(|(at, name)| format!("{name} IS ?{}", at + 1)).collect();
    let sql = format!("SELECT {} FROM {} WHERE {}", selected(fields), quoted(table), equal.join(" AND "));
    let mut statement = view.connection.prepare_cached(&sql).map_err(|error| reading(table, error))?;
    // All rows of a key one after another: it is answered in full.
    found.sort_by_key(|(_, positions)| positions.first().copied());
    let (mut full, mut stopped) = (false, false);
    let (mut group, mut rest): (Option<&Vec<usize>>, _) = (None, Vec::new());
    for (at, positions) in found {
        if group.replace(positions) != Some(positions) {
            stopped = full;
            rest.extend(positions.iter().filter(|_| stopped));
        }
        for position in positions.iter().filter(|_| !stopped) {
            let mut each = |row| full |= see(*position, row);
            view.rows_read += answer(&mut statement, fields, table, &at, &mut each)?;
        }
    }
    Ok(rest)
}
