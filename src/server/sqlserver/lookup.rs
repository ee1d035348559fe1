//! Finding rows by values: all keys go to the server as one JSON parameter, and it joins and compares them.

use std::sync::Arc;

use super::ahead::reading;
use super::connect::{Param, WireRow};
use super::fault::{self, Doing};
use super::narrow;
use super::schema::{Field, quoted};
use super::spool::{Spool, Unspool};
use super::types::SqlType;
use super::values::{self, Reading};
use super::view::{View, selected};
use crate::document::Value;
use crate::server::{Lookup, Row, ServerError};

/// How long the keys of one statement may be, as JSON.
const MAX_JSON: usize = 8 << 20;
/// As many bytes of rows are handed out for one lookup: many times more than any row has.
const MAX_BYTES: usize = 512 << 20;
/// As many keys go to the server in one request with those of other look-ups, about.
const MAX_KEYS: usize = 8192;
/// As many keys go as parameters of their own.
const MAX_VALUES: usize = 1000;
/// As many parameters a statement may have, less what the driver needs.
const MAX_PARAMS: usize = 2000;

/// Looks keys up; see [`Reader::lookup_some`](crate::server::Reader::lookup_some).
pub(super) fn lookup(
    view: &mut View<'_>,
    lookup: &Lookup<'_>,
    max_bytes: usize,
    see: &mut dyn FnMut(usize, Row),
) -> Result<Vec<usize>, ServerError> {
    let schema = Arc::clone(&view.schema);
    let fields = schema.fields(lookup.table, lookup.columns)?;
    let by = schema.fields(lookup.table, lookup.by)?;
    let table = schema.table(lookup.table)?;
    let what = format!("reading {}", table.name);
    if lookup.keys.iter().any(|key| key.len() != by.len()) {
        let source = "a key has another number of values than the columns compared".into();
        return Err(ServerError::Failed { doing: what, source });
    }
    if lookup.keys.is_empty() {
        return Ok(Vec::new());
    }
    let select = format!("SELECT k.[n], {} FROM ", selected(&fields, "t")?);
    let join = format!(
        " JOIN {} AS t ON {} ORDER BY k.[n]",
        schema.qualified(table),
        matching(&by, schema.facts.json)
    );
    let mut given = Given { bytes: 0, max_bytes, see };
    // What an earlier answer had more of than was wanted then.
    if let Some(answer) = view.answer.take().filter(|answer| answer.is_for(lookup)) {
        return serve(view, answer, &mut given, &what);
    }
    let readings: Vec<Reading> = fields.iter().map(Reading::of).collect();
    let doing = Doing { what: &what, address: &view.address, table: &table.name, schema: Some(&schema) };
    let disk = |error| ServerError::Failed { doing: what.clone(), source: Box::new(error) };
    let mut from = 0;
    while from < lookup.keys.len() {
        if given.is_full() && from > 0 {
            return Ok((from..lookup.keys.len()).collect());
        }
        let mut params = Vec::new();
        let (source, to) = sought(schema.facts.json, &by, lookup.keys, from, &mut params)?;
        let (mut last, mut read) = (None, 0);
        let mut aside: Option<(usize, Spool)> = None;
        let sql = format!("{select}{source}{join}");
        let mut take = |row: WireRow| {
            let number = row.try_get::<i32, _>(0).ok().flatten();
            let position = number.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
            let row = values::row(&readings, 1, row)?;
            read += 1;
            // A key is answered in full; the rest of the answer waits for who asks for it.
            let another = last.is_some_and(|last| last != position) || (last.is_none() && from > 0);
            if aside.is_none() && another && given.is_full() {
                aside = Some((position, Spool::new()));
            }
            match &mut aside {
                Some((first, spool)) => spool.push((position - *first) as u64, &row).map_err(disk)?,
                None => {
                    last = Some(position);
                    given.take(position, row);
                    if given.bytes > MAX_BYTES {
                        return Err(fault::flooded(&view.address));
                    }
                }
            }
            Ok(())
        };
        if !source.is_empty() {
            view.connection.rows(&doing, &sql, params, &mut take)?;
        }
        view.rows_read += read;
        if let Some((first, spool)) = aside {
            // Keys that did not go along with this statement are asked for by themselves.
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            view.answer = Some(Answer {
                table: lookup.table.to_owned(),
                columns: names(lookup.columns),
                by: names(lookup.by),
                keys: lookup.keys.get(first..to).unwrap_or_default().to_vec(),
                rows: spool.read().map_err(disk)?,
                next: None,
            });
            return Ok((first..lookup.keys.len()).collect());
        }
        from = to;
    }
    Ok(Vec::new())
}

/// Answers several look-ups, as many as fit into one request together.
pub(super) fn lookups(
    view: &mut View<'_>,
    lookups: &[Lookup<'_>],
    see: &mut dyn FnMut(usize, usize, Row),
) -> Result<(), ServerError> {
    let schema = Arc::clone(&view.schema);
    view.answer = None;
    let mut together = Together::default();
    for (at, asked) in lookups.iter().enumerate().filter(|(_, asked)| !asked.keys.is_empty()) {
        let fields = schema.fields(asked.table, asked.columns)?;
        let by = schema.fields(asked.table, asked.by)?;
        let table = schema.table(asked.table)?;
        let whole = asked.keys.iter().all(|key| key.len() == by.len()) && asked.keys.len() <= MAX_KEYS;
        let mut params = std::mem::take(&mut together.params);
        let before = params.len();
        let (source, to) = match whole {
            true => sought(schema.facts.json, &by, asked.keys, 0, &mut params)?,
            false => (String::new(), 0),
        };
        // What does not fit into one statement is asked for by itself.
        if to < asked.keys.len() {
            params.truncate(before);
            together.params = params;
            lookup(view, asked, usize::MAX, &mut |position, row| see(at, position, row))?;
            continue;
        }
        together.params = params;
        if source.is_empty() {
            continue;
        }
        let select = selected(&fields, "t")?;
        together.statements.push(Statement {
            sql: format!(
                "SELECT k.[n], {select} FROM {source} JOIN {} AS t ON {} ORDER BY k.[n]",
                schema.qualified(table),
                matching(&by, schema.facts.json)
            ),
            readings: fields.iter().map(Reading::of).collect(),
            table: table.name.clone(),
            lookup: at,
        });
        together.keys += asked.keys.len();
        if together.keys >= MAX_KEYS || together.params.len() >= MAX_PARAMS / 2 {
            together.ask(view, see)?;
        }
    }
    together.ask(view, see)
}

/// Look-ups that go to the server in one request.
#[derive(Default)]
struct Together {
    statements: Vec<Statement>,
    params: Vec<Param>,
    keys: usize,
}

struct Statement {
    sql: String,
    readings: Vec<Reading>,
    table: String,
    /// The position of the look-up.
    lookup: usize,
}

impl Together {
    /// Asks, and begins anew.
    fn ask(
        &mut self,
        view: &mut View<'_>,
        see: &mut dyn FnMut(usize, usize, Row),
    ) -> Result<(), ServerError> {
        let Self { statements, params, .. } = std::mem::take(self);
        if statements.is_empty() {
            return Ok(());
        }
        let mut tables: Vec<&str> = statements.iter().map(|statement| statement.table.as_str()).collect();
        tables.dedup();
        let what = reading(&tables);
        let schema = Arc::clone(&view.schema);
        let table = tables.first().copied().unwrap_or_default();
        let doing = Doing { what: &what, address: &view.address, table, schema: Some(&schema) };
        let sql: Vec<&str> = statements.iter().map(|statement| statement.sql.as_str()).collect();
        let (mut bytes, mut read) = (0usize, 0);
        view.connection.rows(&doing, &sql.join(";\n"), params, &mut |row| {
            let Some(statement) = statements.get(row.result_index()) else { return Ok(()) };
            let number = row.try_get::<i32, _>(0).ok().flatten();
            let position = number.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
            let row = values::row(&statement.readings, 1, row)?;
            read += 1;
            bytes = bytes.saturating_add(row.iter().map(Value::weight).sum());
            if bytes > MAX_BYTES {
                return Err(fault::flooded(&view.address));
            }
            see(statement.lookup, position, row);
            Ok(())
        })?;
        view.rows_read += read;
        Ok(())
    }
}

/// Rows on their way to who asked, counted.
struct Given<'s> {
    bytes: usize,
    max_bytes: usize,
    see: &'s mut dyn FnMut(usize, Row),
}

impl Given<'_> {
    fn is_full(&self) -> bool {
        self.bytes >= self.max_bytes
    }

    fn take(&mut self, position: usize, row: Row) {
        self.bytes = self.bytes.saturating_add(row.iter().map(Value::weight).sum());
        (self.see)(position, row);
    }
}

/// The rest of an answer that had more than was wanted at once.
pub(super) struct Answer {
    table: String,
    columns: Vec<String>,
    by: Vec<String>,
    /// The keys that the rest answers.
    keys: Vec<Vec<Value>>,
    /// The rows, numbered by the position of their key.
    rows: Unspool,
    /// A row that was taken from there too early.
    next: Option<(u64, Row)>,
}

impl Answer {
    /// Says whether a lookup asks for just this.
    fn is_for(&self, lookup: &Lookup<'_>) -> bool {
        let same = |a: &[String], b: &[&str]| a.iter().map(String::as_str).eq(b.iter().copied());
        self.table == lookup.table
            && same(&self.columns, lookup.columns)
            && same(&self.by, lookup.by)
            && self.keys == lookup.keys
    }
}

/// Answers from what was put aside.
fn serve(
    view: &mut View<'_>,
    mut answer: Answer,
    given: &mut Given<'_>,
    what: &str,
) -> Result<Vec<usize>, ServerError> {
    let mut last = None;
    loop {
        let next = match answer.next.take() {
            Some(next) => Some(next),
            None => answer
                .rows
                .next()
                .map_err(|error| ServerError::Failed { doing: what.to_owned(), source: Box::new(error) })?,
        };
        let Some((number, row)) = next else { return Ok(Vec::new()) };
        if given.is_full() && last.is_some_and(|last| last != number) {
            let first = usize::try_from(number).unwrap_or(usize::MAX);
            let all = answer.keys.len();
            answer.keys.drain(..first.min(all));
            answer.next = Some((0, row));
            // The numbers of those that follow count from the first key still.
            answer.rows.renumber(number);
            view.answer = Some(answer);
            return Ok((first..all).collect());
        }
        last = Some(number);
        given.take(usize::try_from(number).unwrap_or(usize::MAX), row);
    }
}

/// Keys from a position on as a table in SQL, empty where no row can hold any; and the position after the last of them.
/// Its parameters follow those that there are.
fn sought(
    json: bool,
    by: &[Field<'_>],
    keys: &[Vec<Value>],
    from: usize,
    params: &mut Vec<Param>,
) -> Result<(String, usize), ServerError> {
    match json {
        true => Ok(as_json(by, keys, from, params)),
        false => as_values(by, keys, from, params),
    }
}

/// Keys from a position on as one parameter.
fn as_json(by: &[Field<'_>], keys: &[Vec<Value>], from: usize, params: &mut Vec<Param>) -> (String, usize) {
    let mut json = String::from("[");
    let mut position = from;
    for key in keys.iter().skip(from) {
        if json.len() >= MAX_JSON {
            break;
        }
        let values = by.iter().zip(key).map(|(field, value)| values::sought(field, value));
        // No row can hold the key of one that is missing.
        if let Some(values) = values.collect::<Option<Vec<_>>>() {
            let mut row = vec![serde_json::Value::from(position)];
            row.extend(values);
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::Array(row).to_string());
        }
        position += 1;
    }
    if json.len() == 1 {
        return (String::new(), position);
    }
    json.push(']');
    let mut columns = vec!["[n] int '$[0]'".to_owned()];
    for (at, field) in by.iter().enumerate() {
        let staged = match &field.nature.kind {
            // As text, in hexadecimal.
            SqlType::Binary { .. } | SqlType::Image => "nvarchar(max)".to_owned(),
            kind => kind.staged(),
        };
        columns.push(format!("[c{at}] {staged} '$[{}]'", at + 1));
    }
    params.push(Param::Text(Some(json)));
    (format!("OPENJSON(@P{}) WITH ({}) AS k", params.len(), columns.join(", ")), position)
}

/// Keys from a position on as parameters of their own, as many as a statement may have.
fn as_values(
    by: &[Field<'_>],
    keys: &[Vec<Value>],
    from: usize,
    params: &mut Vec<Param>,
) -> Result<(String, usize), ServerError> {
    let (mut lists, mut position) = (Vec::new(), from);
    for key in keys.iter().skip(from) {
        if lists.len() >= MAX_VALUES || params.len() + by.len() > MAX_PARAMS {
            break;
        }
        if by.iter().zip(key).all(|(field, value)| values::sought(field, value).is_some()) {
            let mut places = vec![position.to_string()];
            for (field, value) in by.iter().zip(key) {
                if value.is_null() {
                    places.push(format!("CAST(NULL AS {})", field.nature.kind.staged()));
                } else {
                    params.push(values::staged(field, value)?);
                    places.push(format!("@P{}", params.len()));
                }
            }
            lists.push(format!("({})", places.join(", ")));
        }
        position += 1;
    }
    if lists.is_empty() {
        return Ok((String::new(), position));
    }
    let names: Vec<String> = (0..by.len()).map(|at| format!("[c{at}]")).collect();
    let names = std::iter::once("[n]".to_owned()).chain(names).collect::<Vec<_>>().join(", ");
    Ok((format!("(VALUES {}) AS k ({names})", lists.join(", ")), position))
}

/// The condition under which a row answers a key: NULL answers NULL.
fn matching(by: &[Field<'_>], json: bool) -> String {
    if by.is_empty() {
        return "1 = 1".to_owned();
    }
    let condition = |(at, field): (usize, &Field<'_>)| {
        let sent = format!("k.[c{at}]");
        let column = format!("t.{}", quoted(&field.column.name));
        let equal = match &field.nature.kind {
            SqlType::Binary { .. } | SqlType::Image if json => {
                format!("{column} = CONVERT(varbinary(max), {sent}, 2)")
            }
            _ => equal(field, &column, &sent),
        };
        match field.column.nullable {
            true => format!("({equal} OR ({column} IS NULL AND {sent} IS NULL))"),
            false => equal,
        }
    };
    by.iter().enumerate().map(condition).collect::<Vec<_>>().join(" AND ")
}

/// The condition that a column equals a value in its staged form.
pub(super) fn equal(field: &Field<'_>, column: &str, staged: &str) -> String {
    let kind = &field.nature.kind;
    let collation = narrow::collation(field);
    match kind {
        SqlType::Unicode { .. } => format!("{column} = {staged}{collation}"),
        // A character that the code page lacks becomes another: the row must equal the text itself too.
        SqlType::Narrow { .. } => {
            format!(
                "({column} = {}{collation} AND {column} = {staged}{collation})",
                narrow::converted(field, staged)
            )
        }
        kind if !kind.is_comparable() => format!("{} = {staged}", kind.read(column)),
        kind => format!("{column} = {}", kind.converted(staged)),
    }
}
