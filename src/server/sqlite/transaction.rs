//! The one writing transaction.

use std::borrow::Cow;
use std::rc::Rc;

use rusqlite::params_from_iter;

use super::bind::{self, Bound};
use super::check::Orphans;
use super::connect::abandon;
use super::fault::{UNIQUE, failed, fault, is_foreign_key};
use super::lookup;
use super::outcome::Outcome;
use super::schema::{Field, Schema, are_unique};
use super::view::{View, quoted};
use crate::document::{Collation, Value, json};
use crate::server::{
    Catalog, ColumnType, Lookup, Page, Reader, Row, ServerError, Transaction, UniqueSet, WriteError,
};

const NO_ROW: &str = "no row has the key";

/// As many keys are handed to SQLite together.
const KEYS: usize = 10_000;

/// How many writes wait for others at the most; one more fails at once.
const MOST_POSTPONED: usize = 10_000;

/// A write that clashed with the unique values of another row.
struct Postponed {
    write: u64,
    table: String,
    columns: Vec<String>,
    row: Row,
    /// The columns and values that find the row of an update; an insert has none.
    by: Option<(Vec<String>, Row)>,
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// A transaction under way; its view rolls it back when dropped.
pub(super) struct Writing<'a> {
    view: View<'a>,
    orphans: Orphans,
    /// How many writes there were.
    written: u64,
    /// Writes that clash with rows which later writes may change: a name may pass from one row to another.
    postponed: Vec<Postponed>,
    outcome: Outcome<'a>,
}

impl<'a> Writing<'a> {
    /// Takes over the transaction that the view's connection has begun.
    pub(super) fn new(view: View<'a>, outcome: Outcome<'a>) -> Self {
        Self { view, orphans: Orphans::default(), written: 0, postponed: Vec::new(), outcome }
    }

    /// Refuses to write when SQLite has rolled back by itself (a full disk, an I/O error): a later write
    /// would be a transaction of its own.
    fn alive(&self, doing: &str) -> Result<(), ServerError> {
        if self.view.connection.is_autocommit() {
            return Err(failed(doing, "an earlier failure has rolled the transaction back"));
        }
        Ok(())
    }

    /// Inserts rows; `patient`: one that clashes with another row is postponed.
    fn insert_all(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &[Row],
        patient: bool,
    ) -> Result<(), ServerError> {
        let schema = Rc::clone(&self.view.schema);
        let name = &schema.table(table)?.name;
        let doing = format!("writing {name}");
        self.alive(&doing)?;
        let fields = schema.fields(table, columns)?;
        let names: Vec<String> = written_fields(&fields).map(|(_, f)| quoted(&f.column.name)).collect();
        let sql = if names.is_empty() {
            format!("INSERT INTO {} DEFAULT VALUES", quoted(name))
        } else {
            let places = vec!["?"; names.len()].join(", ");
            format!("INSERT INTO {} ({}) VALUES ({places})", quoted(name), names.join(", "))
        };
        let fail = |error| fault(&doing, name, error);
        let mut statement = self.view.connection.prepare_cached(&sql).map_err(fail)?;
        self.orphans.note(&schema, self.view.connection, name)?;
        for row in rows {
            let values = stored(&fields, row, &doing)?;
            let write = self.written;
            if let Err(error) = statement.execute(params_from_iter(values)).map_err(fail) {
                if !patient || !is_unique(&error) || self.postponed.len() >= MOST_POSTPONED {
                    return Err(error);
                }
                let columns = columns.iter().map(|name| (*name).to_owned()).collect();
                let (table, row) = (name.clone(), row.clone());
                self.postponed.push(Postponed { write, table, columns, row, by: None });
            }
            self.written += 1;
        }
        Ok(())
    }

    /// Makes the writes that waited. Where rows exchange values, each lets go of its own first.
    fn settle(&mut self) -> Result<(), WriteError> {
        for last in [false, true] {
            let waiting = std::mem::take(&mut self.postponed);
            let mut clashes: Vec<Postponed> = Vec::new();
            for postponed in waiting {
                let source = match self.attempt(&postponed) {
                    Ok(()) => continue,
                    Err(source) => source,
                };
                if last || !is_unique(&source) {
                    return Err(WriteError { write: Some(postponed.write), source });
                }
                clashes.push(postponed);
            }
            clashes.iter().for_each(|postponed| self.let_go(postponed));
            self.postponed = clashes;
        }
        Ok(())
    }

    fn attempt(&mut self, postponed: &Postponed) -> Result<(), ServerError> {
        let Postponed { table, columns, row, by, .. } = postponed;
        let columns = borrowed(columns);
        if let Some((by, key)) = by {
            return self.write_where(table, &borrowed(by), key, &Work::Update(&columns, row));
        }
        let before = self.written;
        let result = self.insert_all(table, &columns, std::slice::from_ref(row), false);
        self.written = before;
        result
    }

    /// Puts bytes that no other row has into the unique columns of a row that is to be updated. A table that does not
    /// take them keeps what it has, and the update fails as it did.
    fn let_go(&mut self, postponed: &Postponed) {
        let Some((by, key)) = &postponed.by else { return };
        let schema = Rc::clone(&self.view.schema);
        let has = |names: &[String], name: &str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
        let sets = schema.unique_sets(&postponed.table).iter().flat_map(|set| &set.columns);
        let columns = sets.filter(|(name, _)| has(&postponed.columns, name) && !has(by, name));
        let mut columns: Vec<String> =
            columns.map(|(name, _)| format!("{} = randomblob(16)", quoted(name))).collect();
        columns.sort();
        columns.dedup();
        let bound = key.iter().map(bind::compare).collect::<Option<Vec<_>>>();
        if let (Some(bound), false) = (bound, columns.is_empty()) {
            let equal: Vec<String> =
                by.iter().enumerate().map(|(at, name)| format!("{} IS ?{}", quoted(name), at + 1)).collect();
            let table = quoted(&postponed.table);
            let sql = format!("UPDATE {table} SET {} WHERE {}", columns.join(", "), equal.join(" AND "));
            let _ = self.view.connection.execute(&sql, params_from_iter(bound));
        }
    }

    fn write_one(
        &mut self,
        schema: &Schema,
        by: &[Field<'_>],
        key: &[Value],
        work: &Work<'_>,
        table: &str,
    ) -> Result<(), ServerError> {
        let doing = format!("writing {table}");
        let constraint = |reason: &str| {
            Err(ServerError::Constraint { table: table.to_owned(), reason: reason.to_owned() })
        };
        if key.len() != by.len() || by.is_empty() {
            return Err(failed(&doing, "the key has another number of values than the columns compared"));
        }
        let Some(key) = key.iter().map(bind::compare).collect::<Option<Vec<_>>>() else {
            return constraint(NO_ROW);
        };
        let name = &schema.table(table)?.name;
        let (head, mut values) = match work {
            Work::Delete => (format!("DELETE FROM {}", quoted(name)), Vec::new()),
            Work::Update(columns, row) => {
                let fields = schema.fields(table, columns)?;
                let mut names: Vec<String> = written_fields(&fields)
                    .enumerate()
                    .map(|(at, (_, field))| format!("{} = ?{}", quoted(&field.column.name), at + 1))
                    .collect();
                if names.is_empty() {
                    // Nothing to set, but the row must be there nevertheless.
                    names.extend(by.first().map(|f| format!("{0} = {0}", quoted(&f.column.name))));
                }
                let head = format!("UPDATE {} SET {}", quoted(name), names.join(", "));
                (head, stored(&fields, row, &doing)?)
            }
        };
        let first = values.len() + 1;
        let equal: Vec<String> = by
            .iter()
            .enumerate()
            .map(|(at, field)| format!("{} IS ?{}", quoted(&field.column.name), first + at))
            .collect();
        let sql = format!("{head} WHERE {}", equal.join(" AND "));
        values.extend(key);
        let fail = |error| fault(&doing, name, error);
        let mut statement = self.view.connection.prepare_cached(&sql).map_err(fail)?;
        match work {
            Work::Delete => self.orphans.note_deletion(schema, self.view.connection, name)?,
            Work::Update(..) => self.orphans.note(schema, self.view.connection, name)?,
        }
        match statement.execute(params_from_iter(values)).map_err(fail)? {
            1 => Ok(()),
            0 => constraint(NO_ROW),
            _ => constraint("several rows have the key"),
        }
    }

    /// Deletes all rows that have one of the keys, in one pass over a table that has no index of these columns.
    fn delete_every(&mut self, table: &str, by: &[&str], keys: &[Vec<Value>]) -> Result<(), ServerError> {
        let schema = Rc::clone(&self.view.schema);
        let fields = schema.fields(table, by)?;
        let name = &schema.table(table)?.name;
        let doing = format!("writing {name}");
        self.alive(&doing)?;
        for (field, value) in keys.iter().flat_map(|key| fields.iter().zip(key)) {
            if !matches!(value, Value::Int(_) | Value::Text(_)) {
                return Err(ServerError::Value {
                    table: name.clone(),
                    column: field.column.name.clone(),
                    value: value.type_name().to_owned(),
                });
            }
        }
        if fields.is_empty() || keys.iter().any(|key| key.len() != fields.len()) {
            return Err(failed(&doing, "the key has another number of values than the columns compared"));
        }
        let compared: Vec<String> = fields
            .iter()
            .map(|field| match field.nature.collation {
                Collation::CaseInsensitive => format!("{} COLLATE NOCASE", quoted(&field.column.name)),
                Collation::CaseSensitive => quoted(&field.column.name),
            })
            .collect();
        let wanted: Vec<String> =
            (0..fields.len()).map(|at| format!("json_extract(value, '$[{at}]')")).collect();
        let sql = format!(
            "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM json_each(?1))",
            quoted(name),
            compared.join(", "),
            wanted.join(", ")
        );
        self.orphans.note_deletion(&schema, self.view.connection, name)?;
        let fail = |error| fault(&doing, name, error);
        let mut statement = self.view.connection.prepare_cached(&sql).map_err(fail)?;
        for keys in keys.chunks(KEYS) {
            let keys = Value::List(keys.iter().map(|key| Value::List(key.clone())).collect());
            statement.execute([json::write(&keys)]).map_err(fail)?;
        }
        Ok(())
    }

    /// Updates or deletes the one row that has a key.
    fn write_where(
        &mut self,
        table: &str,
        by: &[&str],
        key: &[Value],
        work: &Work<'_>,
    ) -> Result<(), ServerError> {
        let schema = Rc::clone(&self.view.schema);
        let by = schema.fields(table, by)?;
        if let Work::Update(columns, _) = work {
            schema.fields(table, columns)?;
        }
        let name = &schema.table(table)?.name;
        let doing = format!("writing {name}");
        self.alive(&doing)?;
        let many = by.iter().any(|field| field.nature.spelled.is_some());
        if are_unique(&by) {
            let result = self.write_one(&schema, &by, key, work, name);
            if !(many && matches!(&result, Err(ServerError::Constraint { reason, .. }) if reason == NO_ROW)) {
                return result;
            }
        }
        // Rows may spell the key in another way than the caller does.
        let written = if many { lookup::as_written(&mut self.view, &by, name, key)? } else { Vec::new() };
        let key = match written.as_slice() {
            [] => key,
            [one] => one,
            _ => {
                let reason = "several rows have the key".to_owned();
                return Err(ServerError::Constraint { table: name.clone(), reason });
            }
        };
        // Several rows may have the key: then none of them is to stay changed.
        let connection = self.view.connection;
        let fail = |error| fault(&doing, name, error);
        connection.execute_batch("SAVEPOINT one_row").map_err(fail)?;
        let result = self.write_one(&schema, &by, key, work, name);
        if !connection.is_autocommit() {
            let undo = if result.is_err() { "ROLLBACK TO one_row; " } else { "" };
            connection.execute_batch(&format!("{undo}RELEASE one_row")).map_err(fail)?;
        }
        result
    }
}

/// Says whether a write clashed with the unique values of another row.
fn is_unique(error: &ServerError) -> bool {
    matches!(error, ServerError::Constraint { reason, .. } if reason.starts_with(UNIQUE))
}

/// What is done with the one row that has a key.
enum Work<'w> {
    Update(&'w [&'w str], &'w Row),
    Delete,
}

/// The columns that are written: all but those the server writes itself.
fn written_fields<'f, 's>(fields: &'f [Field<'s>]) -> impl Iterator<Item = (usize, &'f Field<'s>)> {
    fields.iter().enumerate().filter(|(_, field)| field.column.kind != ColumnType::RowVersion)
}

/// The values of a row for the columns that are written.
fn stored<'v>(fields: &[Field<'_>], row: &'v Row, doing: &str) -> Result<Vec<Bound<'v>>, ServerError> {
    if row.len() != fields.len() {
        return Err(failed(doing, "a row has another number of values than there are columns"));
    }
    let mut values = Vec::with_capacity(row.len());
    for (field, value) in fields.iter().zip(row) {
        let bound = bind::store(field, value)?;
        if field.column.kind != ColumnType::RowVersion {
            values.push(bound);
        }
    }
    Ok(values)
}

impl Reader for Writing<'_> {
    fn address(&self) -> &str {
        self.view.address()
    }

    fn catalog(&self) -> &Catalog {
        self.view.catalog()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        self.view.page(page)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        self.view.lookup_some(lookup, max_bytes, see)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.view.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.view.max_int(table, column)
    }

    fn unique_sets(&self, table: &str) -> Vec<UniqueSet> {
        self.view.unique_sets(table)
    }

    fn misfits(
        &self,
        table: &str,
        columns: &[&str],
        values: &[Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        self.view.misfits(table, columns, values)
    }

    fn rows_read(&self) -> u64 {
        self.view.rows_read()
    }
}

impl Transaction for Writing<'_> {
    fn reader(&mut self) -> &mut dyn Reader {
        self
    }

    fn insert(&mut self, table: &str, columns: &[&str], rows: &[Row]) -> Result<(), WriteError> {
        self.insert_all(table, columns, rows, true)
            .map_err(|source| WriteError { write: Some(self.written), source })
    }

    fn update(
        &mut self,
        table: &str,
        by: &[&str],
        key: &[Value],
        columns: &[&str],
        row: &Row,
    ) -> Result<(), WriteError> {
        let write = Some(self.written);
        self.written += 1;
        let work = Work::Update(columns, row);
        match self.write_where(table, by, key, &work) {
            Err(error) if is_unique(&error) && self.postponed.len() < MOST_POSTPONED => {
                let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
                self.postponed.push(Postponed {
                    write: self.written - 1,
                    table: table.to_owned(),
                    columns: owned(columns),
                    row: row.clone(),
                    by: Some((owned(by), key.to_vec())),
                });
                Ok(())
            }
            result => result.map_err(|source| WriteError { write, source }),
        }
    }

    fn delete(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), WriteError> {
        let write = Some(self.written);
        self.written += 1;
        let work = Work::Delete;
        self.write_where(table, by, key, &work).map_err(|source| WriteError { write, source })
    }

    fn delete_all(&mut self, table: &str, by: &[&str], keys: &[Vec<Value>]) -> Result<(), WriteError> {
        let write = Some(self.written);
        self.written += keys.len() as u64;
        self.delete_every(table, by, keys).map_err(|source| WriteError { write, source })
    }

    fn check(&mut self) -> Result<(), WriteError> {
        self.alive("checking the transaction")?;
        self.settle()?;
        Ok(self.orphans.check(&self.view.schema, self.view.connection)?)
    }

    fn commit(mut self: Box<Self>) -> Result<(), WriteError> {
        self.alive("committing")?;
        self.settle()?;
        let Err(error) = self.view.connection.execute_batch("COMMIT") else { return Ok(()) };
        if is_foreign_key(&error) {
            // SQLite does not say which.
            self.check()?;
            let reason = "FOREIGN KEY constraint".to_owned();
            return Err(ServerError::Constraint { table: "the server".to_owned(), reason }.into());
        }
        abandon(self.view.connection);
        // The disk may have failed when all was written and only the journal had yet to go.
        match self.outcome.is_committed() {
            Ok(true) => Ok(()),
            Ok(false) => Err(fault("committing", "the server", error).into()),
            Err(reason) => Err(ServerError::CommitUnknown { reason }.into()),
        }
    }

    fn rollback(self: Box<Self>) -> Result<(), ServerError> {
        let connection = self.view.connection;
        if connection.is_autocommit() {
            return Ok(());
        }
        connection.execute_batch("ROLLBACK").map_err(|error| {
            abandon(connection);
            fault("rolling back", "the server", error)
        })
    }
}
