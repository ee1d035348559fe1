//! What a model says of a server at work: where it is told that the product is in maintenance mode, and which
//! tasks wait or run.

use toml::Spanned;

use super::Pattern;
use super::check::{Checked, fault, scalar};
use super::file::{self, File};
use crate::document::Value;

/// Where the product says that it is in maintenance mode.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceRule {
    /// The table.
    pub table: String,
    /// The column that names the row.
    pub column: String,
    /// The row, by that column.
    pub row: Value,
    /// The column of the row's JSON; always there where `at` is a path.
    pub body: Option<String>,
    /// The column, or the place in the JSON, that tells.
    pub at: Pattern,
    /// The values that mean that the mode is on.
    pub on: Vec<Value>,
    /// How people switch it on.
    pub how: Option<String>,
}

/// Where the product keeps the tasks that wait or run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningRule {
    /// The table.
    pub table: String,
    /// The column with a task's state.
    pub column: String,
    /// The states of tasks that are not over.
    pub states: Vec<String>,
}

pub(super) fn maintenance(file: &File) -> Checked<Option<MaintenanceRule>> {
    let Some(wire) = &file.maintenance else { return Ok(None) };
    let at = match Pattern::parse(wire.at.get_ref()) {
        Ok(at) => at,
        Err(error) => return fault(wire.at.span(), error.to_string()),
    };
    match (&at.column, &wire.body) {
        (None, None) => {
            return fault(wire.at.span(), "a place in JSON needs `body`, the column of the JSON");
        }
        (Some(_), Some(body)) => {
            return fault(body.span(), "`at` is a column: there is no use for `body`");
        }
        _ => {}
    }
    if wire.on.get_ref().is_empty() {
        return fault(wire.on.span(), "`on` needs a value at least");
    }
    column(&wire.column)?;
    wire.body.as_ref().map(column).transpose()?;
    Ok(Some(MaintenanceRule {
        table: wire.table.clone(),
        column: wire.column.get_ref().clone(),
        row: scalar(&wire.row),
        body: wire.body.as_ref().map(|body| body.get_ref().clone()),
        at,
        on: wire.on.get_ref().iter().map(scalar).collect(),
        how: wire.how.clone(),
    }))
}

pub(super) fn running(file: &File) -> Checked<Option<RunningRule>> {
    let Some(file::Running { table, column: name, states }) = &file.running else { return Ok(None) };
    column(name)?;
    if states.get_ref().is_empty() {
        return fault(states.span(), "`states` needs a state at least");
    }
    Ok(Some(RunningRule {
        table: table.clone(),
        column: name.get_ref().clone(),
        states: states.get_ref().clone(),
    }))
}

fn column(name: &Spanned<String>) -> Checked<()> {
    if Pattern::parse(name.get_ref()).is_ok_and(|place| place.column.is_some()) {
        return Ok(());
    }
    fault(name.span(), format!("{:?} is no column", name.get_ref()))
}
