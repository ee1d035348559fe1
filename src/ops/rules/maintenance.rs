//! What the target does while an import is planned: two lookups, at the places that the model names.

use crate::document::{Collation, KindName, Value};
use crate::model::{MaintenanceRule, Model, RunningRule};
use crate::plan::{Finding, Maintenance, Plan, Tasks, Told};
use crate::server::{Lookup, Reader, ServerError, Table};

use crate::ops::translate::Body;

/// Looks whether the target is in maintenance mode and what runs on it, and notes it in a plan: with findings
/// where it must be `required`, else with notices.
///
/// In a transaction that writes, the rows looked at stay as they are until its end: the product then cannot
/// leave the mode, nor start a task.
///
/// # Errors
/// [`ServerError`], where the target cannot be read. What it has no place for is told and no error.
pub(in crate::ops) fn look(
    reader: &mut dyn Reader,
    model: &Model,
    required: bool,
    plan: &mut Plan,
) -> Result<(), ServerError> {
    let found = observe(reader, model)?;
    note(found, model, required, plan);
    Ok(())
}

/// Notes in a plan what was observed.
pub(in crate::ops) fn note(found: Option<Maintenance>, model: &Model, required: bool, plan: &mut Plan) {
    match (&found, required) {
        (_, true) => {
            let nothing = Maintenance { mode: None, running: None };
            let how = model.maintenance.as_ref().and_then(|rule| rule.how.as_deref());
            let objections = found.as_ref().unwrap_or(&nothing).objections(how);
            plan.findings.extend(objections.into_iter().map(|problem| Finding {
                kind: String::new(),
                name: String::new(),
                problem,
            }));
        }
        (Some(found), false) => plan.notices.extend(found.notices()),
        (None, false) => {}
    }
    plan.maintenance = found;
}

/// Looks what the target does; `None` where the model says nothing of it.
///
/// # Errors
/// [`ServerError`], where the target cannot be read.
pub(in crate::ops) fn observe(
    reader: &mut dyn Reader,
    model: &Model,
) -> Result<Option<Maintenance>, ServerError> {
    if model.maintenance.is_none() && model.running.is_none() {
        return Ok(None);
    }
    let mode = model.maintenance.as_ref().map(|rule| forbidden(mode(reader, model, rule))).transpose()?;
    let running = model.running.as_ref().map(|rule| forbidden(running(reader, rule))).transpose()?;
    Ok(Some(Maintenance { mode, running }))
}

/// What may not be read is not known: an import does not need it.
fn forbidden<T>(told: Result<Told<T>, ServerError>) -> Result<Told<T>, ServerError> {
    match told {
        Err(error @ ServerError::Permission { .. }) => Ok(Told::Unknown(error.to_string())),
        told => told,
    }
}

fn mode(reader: &mut dyn Reader, model: &Model, rule: &MaintenanceRule) -> Result<Told<bool>, ServerError> {
    let Some(table) = reader.catalog().table(&rule.table).cloned() else { return Ok(no_table(&rule.table)) };
    let Some(by) = table.column(&rule.column) else { return Ok(no_column(&table, &rule.column)) };
    let mut columns: Vec<&str> = Vec::new();
    let mut body = None;
    match (&rule.at.column, &rule.body) {
        (Some(name), _) => match table.column(name) {
            Some(column) => columns.push(&column.name),
            None => return Ok(no_column(&table, name)),
        },
        (None, text) => {
            let text = text.as_deref().unwrap_or_default();
            let Some(found) = Body::find(&table, text, model.blob.as_deref()) else {
                return Ok(no_column(&table, text));
            };
            columns.extend(body.insert(found).columns());
        }
    }
    let keys = [vec![rule.row.clone()]];
    let lookup = Lookup { table: &table.name, columns: &columns, by: &[by.name.as_str()], keys: &keys };
    let mut rows = Vec::new();
    reader.lookup(&lookup, &mut |_, row| rows.push(row))?;
    let name = match &rule.row {
        Value::Text(name) => name.clone(),
        other => crate::document::json::write(other),
    };
    if rows.is_empty() {
        return Ok(Told::Unknown(format!("{} has no row {name:?}", table.name)));
    }
    for row in rows {
        let mut seen = |value: &Value| rule.on.iter().any(|on| same(model.collation, on, value));
        let on = match &body {
            None => row.first().is_some_and(&mut seen),
            Some(body) => match body.read(&KindName::new(&table.name), &name, row) {
                Ok(read) => {
                    let mut on = false;
                    let json = read.map(|(json, _)| json).unwrap_or_default();
                    rule.at.find(&json, &mut |value| on |= seen(value));
                    on
                }
                Err(error) => return Ok(Told::Unknown(error.to_string())),
            },
        };
        if on {
            return Ok(Told::Known(true));
        }
    }
    Ok(Told::Known(false))
}

fn running(reader: &mut dyn Reader, rule: &RunningRule) -> Result<Told<Vec<Tasks>>, ServerError> {
    let Some(table) = reader.catalog().table(&rule.table).cloned() else { return Ok(no_table(&rule.table)) };
    let Some(column) = table.column(&rule.column) else { return Ok(no_column(&table, &rule.column)) };
    let columns = [column.name.as_str()];
    let keys: Vec<Vec<Value>> = rule.states.iter().map(|state| vec![Value::Text(state.clone())]).collect();
    let lookup = Lookup { table: &table.name, columns: &columns, by: &columns, keys: &keys };
    let mut tasks: Vec<Tasks> =
        rule.states.iter().map(|state| Tasks { state: state.clone(), count: 0 }).collect();
    reader.lookup(&lookup, &mut |position, _| {
        if let Some(tasks) = tasks.get_mut(position) {
            tasks.count += 1;
        }
    })?;
    tasks.retain(|tasks| tasks.count > 0);
    Ok(Told::Known(tasks))
}

fn same(collation: Collation, on: &Value, value: &Value) -> bool {
    match (on, value) {
        (Value::Text(on), Value::Text(value)) => collation.fold(on) == collation.fold(value),
        // A column of type bit is a truth value on every server; an integer column may stand for one.
        (Value::Bool(on), Value::Int(value)) => i64::from(*on) == *value,
        (on, value) => on == value,
    }
}

fn no_table<T>(table: &str) -> Told<T> {
    Told::Unknown(format!("the target has no table {table}"))
}

fn no_column<T>(table: &Table, column: &str) -> Told<T> {
    Told::Unknown(format!("the target's table {} has no column {column}", table.name))
}
