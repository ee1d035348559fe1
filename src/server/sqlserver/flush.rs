//! Sending what was put aside: for each table its rows into a temporary table, and from there by one statement.
//!
//! Deletions come first, but for rows that updated ones may still refer to, which go last. Then updates, since a
//! row may get the name that another one loses; but those that make a row refer to a table with new rows come after
//! the inserts. Inserts follow an order that foreign keys allow; where they form a circle, a column of it that takes
//! NULL is left so and filled in afterwards.

use super::connect::Connection;
use super::fault::Doing;
use super::lookup::equal;
use super::narrow;
use super::schema::{Field, Schema, are_unique, quoted};
use super::stage;
use super::types::SqlType;
use super::writing::{Act, Shape};
use crate::server::{ForeignKey, ServerError, Table, WriteError};

/// What is sent, in order.
pub(super) struct Steps(Vec<Step>);

/// One statement on a table of the server's.
struct Step {
    /// Which rows.
    shape: usize,
    part: Part,
}

enum Part {
    /// Insert the rows, with NULL in these columns (by position).
    Insert(Vec<usize>),
    /// Fill these columns of rows that were inserted with NULL there.
    Fill(Vec<usize>),
    /// Update the rows.
    Update,
    /// Put NULL into these columns of rows that are to be deleted.
    Clear(Vec<String>),
    /// Delete the rows.
    Delete,
    /// Delete every row that has one of the keys.
    DeleteAll,
}

impl Steps {
    /// The order of the statements. `apart`: so that each row of a table that refers to itself can be inserted by
    /// itself, where that can be.
    pub(super) fn of(schema: &Schema, shapes: &[Shape], apart: bool) -> Self {
        let mut steps = Vec::new();
        let mut fills = Vec::new();
        let mut open: Vec<&Table> = Vec::new();
        let inserts = |table: &Table| {
            let all = shapes.iter().enumerate();
            all.filter(|(_, s)| s.act == Act::Insert && s.table == table.name).collect::<Vec<_>>()
        };
        for shape in shapes.iter().filter(|shape| shape.act == Act::Insert) {
            let table = schema.table(&shape.table).ok();
            open.extend(table.filter(|table| !open.iter().any(|other| other.name == table.name)));
        }
        // Rows that were inserted with NULL are found again by their primary key.
        let keyed = |table: &Table| {
            let keyed = |shape: &Shape| {
                let has = |name: &String| shape.columns.iter().any(|c| c.eq_ignore_ascii_case(name));
                !table.primary_key.is_empty() && table.primary_key.iter().all(has)
            };
            inserts(table).iter().all(|(_, shape)| keyed(shape))
        };
        let nullable =
            |table: &Table, name: &String| table.column(name).is_some_and(|column| column.nullable);
        // One NULL in a foreign key is enough for it to refer to nothing.
        let may_wait = |table: &Table, keys: &[&ForeignKey]| {
            keyed(table) && keys.iter().all(|key| key.columns.iter().any(|name| nullable(table, name)))
        };
        while !open.is_empty() {
            let waits = |table: &Table| {
                // A table with several kinds of rows that refers to itself waits for itself, and is filled too.
                let itself: Vec<&ForeignKey> = table
                    .foreign_keys
                    .iter()
                    .filter(|key| key.to.eq_ignore_ascii_case(&table.name))
                    .collect();
                let many = (apart || inserts(table).len() > 1) && may_wait(table, &itself);
                waits_for(table, &open, many).into_iter().cloned().collect::<Vec<_>>()
            };
            let free = open.iter().position(|table| waits(table).is_empty());
            let can = |table: &&Table| may_wait(table, &waits(table).iter().collect::<Vec<_>>());
            let at = free.or_else(|| open.iter().position(can));
            // A circle in which nothing may be NULL: the server will say so.
            let Some(table) = open.get(at.unwrap_or(0)).copied() else { break };
            let late: Vec<String> = match at {
                Some(_) => waits(table).into_iter().flat_map(|key| key.columns).collect(),
                None => Vec::new(),
            };
            let late: Vec<String> = late.into_iter().filter(|name| nullable(table, name)).collect();
            let at = at.unwrap_or(0);
            for (shape, Shape { columns, .. }) in inserts(table) {
                let is_late = |name: &String| late.iter().any(|late| late.eq_ignore_ascii_case(name));
                let late = columns.iter().enumerate().filter(|(_, c)| is_late(c)).map(|(at, _)| at);
                let late: Vec<usize> = late.collect();
                if !late.is_empty() {
                    fills.push(Step { shape, part: Part::Fill(late.clone()) });
                }
                steps.push(Step { shape, part: Part::Insert(late) });
            }
            open.remove(at);
        }
        steps.append(&mut fills);
        let inserted =
            |name: &str| shapes.iter().any(|s| s.act == Act::Insert && s.table.eq_ignore_ascii_case(name));
        let is_late = |shape: &Shape| {
            let keys = schema.table(&shape.table).map(|table| table.foreign_keys.as_slice());
            keys.unwrap_or_default().iter().any(|key| {
                let sets = |name: &String| shape.columns.iter().any(|c| c.eq_ignore_ascii_case(name));
                inserted(&key.to) && key.columns.iter().any(sets)
            })
        };
        let updates = shapes.iter().enumerate().filter(|(_, shape)| matches!(shape.act, Act::Update(_)));
        let (late, early): (Vec<_>, Vec<_>) = updates.partition(|(_, shape)| is_late(shape));
        let update = |(shape, _)| Step { shape, part: Part::Update };
        let (held, mut all) = deletes(schema, shapes);
        all.extend(early.into_iter().map(update));
        all.append(&mut steps);
        all.extend(late.into_iter().map(update));
        all.extend(held);
        Self(all)
    }
}

/// The steps of deletions: of rows that updated ones may refer to until they are updated, and of the others; each in
/// an order in which rows that refer go before rows that are referred to. Where tables refer in a circle, rows that
/// may do so let go first.
fn deletes(schema: &Schema, shapes: &[Shape]) -> (Vec<Step>, Vec<Step>) {
    let keys = |from: &Shape, to: &Shape| -> Vec<&ForeignKey> {
        let keys = schema.table(&from.table).map(|table| table.foreign_keys.as_slice()).unwrap_or_default();
        keys.iter().filter(|key| key.to.eq_ignore_ascii_case(&to.table)).collect()
    };
    let deleted = |(_, shape): &(usize, &Shape)| matches!(shape.act, Act::Delete(_) | Act::DeleteAll(_));
    let mut open: Vec<(usize, &Shape)> = shapes.iter().enumerate().filter(deleted).collect();
    let (mut held, mut free): (Vec<Step>, Vec<Step>) = (Vec::new(), Vec::new());
    // Once one waits for updates, what it refers to waits with it.
    let mut waiting: Vec<&Shape> = Vec::new();
    while !open.is_empty() {
        let refers = |shape: &Shape| {
            let others = open.iter().filter(|(_, other)| other.table != shape.table);
            others.filter(|(_, other)| !keys(other, shape).is_empty()).copied().collect::<Vec<_>>()
        };
        let at = open.iter().position(|(_, shape)| refers(shape).is_empty());
        let Some((_, shape)) = open.get(at.unwrap_or(0)) else { break };
        let mut steps = Vec::new();
        if at.is_none() {
            for (number, other) in refers(shape) {
                let table = schema.table(&other.table).ok();
                let nullable =
                    |name: &&String| table.and_then(|t| t.column(name)).is_some_and(|c| c.nullable);
                let columns = keys(other, shape).into_iter().flat_map(|key| &key.columns).filter(nullable);
                let columns: Vec<String> = columns.cloned().collect();
                if !columns.is_empty() {
                    steps.push(Step { shape: number, part: Part::Clear(columns) });
                }
            }
        }
        let updated =
            shapes.iter().any(|other| matches!(other.act, Act::Update(_)) && !keys(other, shape).is_empty());
        let waits = updated || waiting.iter().any(|other| !keys(other, shape).is_empty());
        if waits {
            waiting.push(shape);
        }
        let part = if matches!(shape.act, Act::DeleteAll(_)) { Part::DeleteAll } else { Part::Delete };
        let (number, _) = open.remove(at.unwrap_or(0));
        steps.push(Step { shape: number, part });
        if waits { held.append(&mut steps) } else { free.append(&mut steps) }
    }
    (held, free)
}

/// The foreign keys of a table whose rows are not there yet.
fn waits_for<'t>(table: &'t Table, open: &[&Table], many: bool) -> Vec<&'t ForeignKey> {
    let is_open = |key: &&ForeignKey| {
        let named = |other: &&&Table| other.name.eq_ignore_ascii_case(&key.to);
        open.iter().find(named).is_some_and(|other| other.name != table.name || many)
    };
    table.foreign_keys.iter().filter(is_open).collect()
}

/// Sends steps over a connection.
pub(super) struct Flush<'f> {
    connection: &'f mut Connection,
    schema: &'f Schema,
    /// The temporary tables that are there, by the rows they are for.
    made: Vec<usize>,
    /// Those that hold their rows.
    staged: Vec<usize>,
}

impl<'f> Flush<'f> {
    pub(super) fn new(connection: &'f mut Connection, schema: &'f Schema) -> Self {
        Self { connection, schema, made: Vec::new(), staged: Vec::new() }
    }

    /// Sends all steps.
    pub(super) fn all(&mut self, steps: &Steps, shapes: &mut [Shape]) -> Result<(), WriteError> {
        self.make(steps, shapes)?;
        for (at, step) in steps.0.iter().enumerate() {
            self.step(steps, at, step, shapes)?;
        }
        Ok(())
    }

    /// Sends steps until one fails, and then finds the first row that makes it fail; `known` is how the whole
    /// failed.
    pub(super) fn find(
        &mut self,
        steps: &Steps,
        shapes: &mut [Shape],
        known: &ServerError,
    ) -> Result<Option<(u64, ServerError)>, ServerError> {
        for step in &steps.0 {
            let Some(shape) = shapes.get_mut(step.shape) else { return Ok(None) };
            self.stage(step.shape, shape).map_err(|error| error.source)?;
            if let Err(error) = self.statement(step, shape, "", "") {
                if !self.connection.is_alive() {
                    return Err(error);
                }
                // Rows that need each other cannot be told apart.
                let found = if self.is_one(step, shape)? { None } else { self.first(step, shape)? };
                // Names that rows exchange clash where only some rows are updated.
                let is_so = |(_, error): &(u64, ServerError)| {
                    !matches!(step.part, Part::Update) || error.to_string() == known.to_string()
                };
                return Ok(found.filter(is_so));
            }
        }
        Ok(None)
    }

    /// Whether rows of an insert refer to others of the same statement.
    fn is_one(&self, step: &Step, shape: &Shape) -> Result<bool, ServerError> {
        let Part::Insert(late) = &step.part else { return Ok(false) };
        let table = self.schema.table(&shape.table)?;
        let at = |name: &String| shape.columns.iter().position(|c| c.eq_ignore_ascii_case(name));
        let is_now = |key: &ForeignKey| {
            let places: Option<Vec<usize>> = key.columns.iter().map(at).collect();
            key.to.eq_ignore_ascii_case(&table.name)
                && places.is_some_and(|places| !places.iter().any(|place| late.contains(place)))
        };
        Ok(table.foreign_keys.iter().any(is_now))
    }

    /// The first row that makes a step fail.
    fn first(&mut self, step: &Step, shape: &mut Shape) -> Result<Option<(u64, ServerError)>, ServerError> {
        let mut numbers = Vec::new();
        let rows = shape.read()?;
        while let Some((number, _)) = rows
            .next()
            .map_err(|e| ServerError::Failed { doing: "reading rows".into(), source: Box::new(e) })?
        {
            numbers.push(number);
        }
        // Halves that go well stay in; what is left has the first row that does not.
        let mut rest = numbers.as_slice();
        loop {
            let (half, _) = rest.split_at(rest.len().div_ceil(2));
            let (Some(first), Some(last)) = (half.first(), half.last()) else { return Ok(None) };
            let range = format!(" WHERE s.[n] BETWEEN {first} AND {last}");
            match self.statement(step, shape, &range, "") {
                Ok(_) => rest = rest.get(half.len()..).unwrap_or_default(),
                Err(error) if !self.connection.is_alive() => {
                    // Only what the statement itself undid can be gone on after.
                    return if half.len() == 1 { Ok(Some((*first, error))) } else { Err(error) };
                }
                Err(error) if half.len() == 1 => return Ok(Some((*first, error))),
                Err(_) => rest = half,
            }
        }
    }

    fn fields<'s>(&self, shape: &Shape) -> Result<Vec<Field<'s>>, ServerError>
    where
        'f: 's,
    {
        let by: Vec<&str> = shape.act.by().iter().map(String::as_str).collect();
        let columns: Vec<&str> = shape.columns.iter().map(String::as_str).collect();
        let mut fields = self.schema.fields(&shape.table, &by)?;
        fields.extend(self.schema.fields(&shape.table, &columns)?);
        Ok(fields)
    }

    /// Makes the temporary tables of all steps in one request.
    fn make(&mut self, steps: &Steps, shapes: &[Shape]) -> Result<(), ServerError> {
        let mut tables = Vec::new();
        for step in &steps.0 {
            if let Some(shape) = shapes.get(step.shape)
                && !self.made.contains(&step.shape)
            {
                tables.push(stage::creation(&stage_name(step.shape), &self.fields(shape)?));
                self.made.push(step.shape);
            }
        }
        let address = std::sync::Arc::clone(&self.connection.address);
        let doing = Doing { what: "making temporary tables", address: &address, table: "", schema: None };
        self.connection.batch(&doing, &tables.join(";\n")).map(|_| ())
    }

    /// Loads the rows into their temporary table, unless they are there.
    fn stage(&mut self, number: usize, shape: &mut Shape) -> Result<(), WriteError> {
        if self.staged.contains(&number) {
            return Ok(());
        }
        let fields = self.fields(shape)?;
        let what = format!("writing {}", shape.table);
        let address = std::sync::Arc::clone(&self.connection.address);
        let table = shape.table.clone();
        let doing = Doing { what: &what, address: &address, table: &table, schema: Some(self.schema) };
        let name = stage_name(number);
        if !self.made.contains(&number) {
            self.connection.batch(&doing, &stage::creation(&name, &fields))?;
            self.made.push(number);
        }
        self.staged.push(number);
        let count = shape.count;
        stage::load(self.connection, &doing, &name, &fields, shape.read()?, count)?;
        self.check_narrow(number, shape, &fields)
    }

    /// Looks whether every text gets through the code page of its column.
    fn check_narrow(&mut self, number: usize, shape: &Shape, fields: &[Field<'_>]) -> Result<(), WriteError> {
        let Some(sql) = narrow::lost(&stage_name(number), fields) else { return Ok(()) };
        let what = format!("writing {}", shape.table);
        let address = std::sync::Arc::clone(&self.connection.address);
        let doing = Doing { what: &what, address: &address, table: &shape.table, schema: Some(self.schema) };
        let rows = self.connection.batch(&doing, &sql)?;
        let Some(row) = rows.first() else { return Ok(()) };
        let number = |at: usize| row.try_get::<i64, _>(at).ok().flatten();
        let column = number(1).and_then(|at| fields.get(usize::try_from(at).ok()?));
        let column = column.map(|field| field.column.name.clone()).unwrap_or_default();
        let value = "text with characters that its code page has not".to_owned();
        let source = ServerError::Value { table: shape.table.clone(), column, value };
        Err(WriteError { write: number(0).and_then(|write| u64::try_from(write).ok()), source })
    }

    fn step(
        &mut self,
        steps: &Steps,
        at: usize,
        step: &Step,
        shapes: &mut [Shape],
    ) -> Result<(), WriteError> {
        let Some(shape) = shapes.get_mut(step.shape) else { return Ok(()) };
        self.stage(step.shape, shape)?;
        if matches!(step.part, Part::Update | Part::Delete | Part::Clear(_)) {
            self.check_alone(step, shape)?;
        }
        let again = steps.0.iter().skip(at + 1).any(|later| later.shape == step.shape);
        let then = if again { String::new() } else { format!("; DROP TABLE {}", stage_name(step.shape)) };
        let touched = self.statement(step, shape, "", &then)?;
        if touched != shape.count && !matches!(step.part, Part::DeleteAll) {
            let what = match step.part {
                Part::Update => "a row is updated twice, or not at all",
                Part::Delete => "a row is deleted twice, or not at all",
                _ => "the server did not take all rows (a trigger?)",
            };
            let source = format!("{what}: {touched} of {}", shape.count).into();
            return Err(ServerError::Failed { doing: format!("writing {}", shape.table), source }.into());
        }
        Ok(())
    }

    /// Looks whether each key of an update has one row and no other.
    fn check_alone(&mut self, step: &Step, shape: &Shape) -> Result<(), WriteError> {
        let fields = self.fields(shape)?;
        let (by, _) = fields.split_at(shape.act.by().len().min(fields.len()));
        let table = self.schema.table(&shape.table)?;
        let found =
            format!("SELECT COUNT_BIG(*) FROM {} AS t WHERE {}", self.schema.qualified(table), matching(by));
        let several = !are_unique(by);
        let mut ask = |condition: &str, reason: &str| -> Result<(), WriteError> {
            let sql = format!(
                "SELECT TOP (1) s.[n] FROM {} AS s WHERE ({found}) {condition} ORDER BY s.[n]",
                stage_name(step.shape)
            );
            let write = self.number(shape, &sql)?;
            match write {
                None => Ok(()),
                Some(write) => Err(WriteError {
                    write: u64::try_from(write).ok(),
                    source: ServerError::Constraint { table: shape.table.clone(), reason: reason.to_owned() },
                }),
            }
        };
        ask("= 0", "no row has the key")?;
        if several { ask("> 1", "several rows have the key") } else { Ok(()) }
    }

    /// Runs the statement of a step, on all its rows or on some, and another one after it; says how many rows it
    /// touched.
    fn statement(&mut self, step: &Step, shape: &Shape, range: &str, then: &str) -> Result<u64, ServerError> {
        let fields = self.fields(shape)?;
        let table = self.schema.table(&shape.table)?;
        let (name, stage) = (self.schema.qualified(table), stage_name(step.shape));
        let written = |(_, field): &(usize, &Field<'_>)| field.nature.kind != SqlType::RowVersion;
        let value = |at: usize, field: &Field<'_>| narrow::converted(field, &format!("s.[c{at}]"));
        let sql = match &step.part {
            Part::Insert(late) => {
                let all: Vec<(usize, &Field<'_>)> = fields.iter().enumerate().filter(written).collect();
                let columns: Vec<String> = all.iter().map(|(_, f)| quoted(&f.column.name)).collect();
                let values: Vec<String> = all
                    .iter()
                    .map(|(at, field)| match late.contains(at) {
                        true => format!("CAST(NULL AS {})", field.column.declared),
                        false => value(*at, field),
                    })
                    .collect();
                let insert = format!(
                    "INSERT INTO {name} ({}) SELECT {} FROM {stage} AS s{range} ORDER BY s.[n]; \
                     SELECT CAST(@@ROWCOUNT AS bigint)",
                    columns.join(", "),
                    values.join(", ")
                );
                match all.iter().any(|(_, field)| field.column.identity) {
                    true => {
                        format!("SET IDENTITY_INSERT {name} ON; {insert}; SET IDENTITY_INSERT {name} OFF")
                    }
                    false => insert,
                }
            }
            Part::Fill(late) => {
                let key = |(_, f): &(usize, &Field<'_>)| {
                    table.primary_key.iter().any(|name| name.eq_ignore_ascii_case(&f.column.name))
                };
                let set = fields.iter().enumerate().filter(|(at, _)| late.contains(at));
                let set: Vec<String> =
                    set.map(|(at, f)| format!("t.{} = {}", quoted(&f.column.name), value(at, f))).collect();
                let on: Vec<String> =
                    fields.iter().enumerate().filter(key).map(|(at, f)| same(at, f)).collect();
                format!(
                    "UPDATE t SET {} FROM {name} AS t JOIN {stage} AS s ON {}{range}; \
                     SELECT CAST(@@ROWCOUNT AS bigint)",
                    set.join(", "),
                    on.join(" AND ")
                )
            }
            Part::Clear(columns) => {
                let set: Vec<String> =
                    columns.iter().map(|name| format!("t.{} = NULL", quoted(name))).collect();
                format!(
                    "UPDATE t SET {} FROM {name} AS t JOIN {stage} AS s ON {}{range}; \
                     SELECT CAST(@@ROWCOUNT AS bigint)",
                    set.join(", "),
                    matching(&fields)
                )
            }
            Part::Delete | Part::DeleteAll => format!(
                "DELETE t FROM {name} AS t JOIN {stage} AS s ON {}{range}; SELECT CAST(@@ROWCOUNT AS bigint)",
                matching(&fields)
            ),
            Part::Update => {
                let keys = shape.act.by().len().min(fields.len());
                let (by, _) = fields.split_at(keys);
                let mut set: Vec<String> = fields
                    .iter()
                    .enumerate()
                    .skip(keys)
                    .filter(written)
                    .map(|(at, f)| format!("t.{} = {}", quoted(&f.column.name), value(at, f)))
                    .collect();
                if set.is_empty() {
                    // Nothing to set, but the row must be there nevertheless.
                    set.extend(by.first().map(|f| format!("t.{0} = t.{0}", quoted(&f.column.name))));
                }
                format!(
                    "UPDATE t SET {} FROM {name} AS t JOIN {stage} AS s ON {}{range}; \
                     SELECT CAST(@@ROWCOUNT AS bigint)",
                    set.join(", "),
                    matching(by)
                )
            }
        };
        let touched = self.number(shape, &format!("{sql}{then}"))?;
        Ok(touched.and_then(|touched| u64::try_from(touched).ok()).unwrap_or_default())
    }

    /// The one number that a batch answers with.
    fn number(&mut self, shape: &Shape, sql: &str) -> Result<Option<i64>, ServerError> {
        let what = format!("writing {}", shape.table);
        let address = std::sync::Arc::clone(&self.connection.address);
        let doing = Doing { what: &what, address: &address, table: &shape.table, schema: Some(self.schema) };
        let rows = self.connection.batch(&doing, sql)?;
        Ok(rows.first().and_then(|row| row.try_get::<i64, _>(0).ok().flatten()))
    }
}

fn stage_name(number: usize) -> String {
    format!("#sealift_{number}")
}

/// The condition that a row is the one that the staged key names.
fn matching(by: &[Field<'_>]) -> String {
    by.iter().enumerate().map(|(at, field)| same(at, field)).collect::<Vec<_>>().join(" AND ")
}

fn same(at: usize, field: &Field<'_>) -> String {
    let (column, staged) = (format!("t.{}", quoted(&field.column.name)), format!("s.[c{at}]"));
    let equal = equal(field, &column, &staged);
    match field.column.nullable {
        true => format!("({equal} OR ({column} IS NULL AND {staged} IS NULL))"),
        false => equal,
    }
}
