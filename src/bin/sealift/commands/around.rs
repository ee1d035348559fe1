//! What a plan means for the target beyond its documents: what runs there, and what its one transaction writes.

use sealift::model::Model;
use sealift::plan::{Maintenance, Plan, TableRows, Told, said};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::ui::{say, shown};

/// Rows by table as JSON.
pub fn rows_json(rows: &[TableRows]) -> Value {
    let row = |r: &TableRows| json!({ "table": r.table, "inserted": r.inserted, "updated": r.updated, "deleted": r.deleted });
    rows.iter().map(row).collect()
}

/// What the target does as JSON: `null` stands for what is not known, or what the model does not say.
pub fn maintenance_json(maintenance: Option<&Maintenance>) -> Value {
    let Some(Maintenance { mode, running }) = maintenance else { return Value::Null };
    let mode = match mode {
        Some(Told::Known(mode)) => json!(mode),
        _ => Value::Null,
    };
    let tasks = match running {
        Some(Told::Known(tasks)) => {
            tasks.iter().map(|t| (t.state.clone(), json!(t.count))).collect::<serde_json::Map<_, _>>().into()
        }
        _ => Value::Null,
    };
    json!({ "mode": mode, "tasks": tasks })
}

/// What the target does in one line; `None` where the model does not say.
pub fn maintenance_line(maintenance: Option<&Maintenance>) -> Option<String> {
    let Maintenance { mode, running } = maintenance?;
    let mode = mode.as_ref().map(|mode| match mode {
        Told::Known(true) => "in maintenance mode".to_owned(),
        Told::Known(false) => "not in maintenance mode".to_owned(),
        Told::Unknown(_) => "maintenance mode not known".to_owned(),
    });
    let running = running.as_ref().map(|running| match running {
        Told::Known(tasks) => said(tasks),
        Told::Unknown(_) => "running tasks not known".to_owned(),
    });
    let words: Vec<String> = mode.into_iter().chain(running).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Adds it to a plan's JSON.
pub fn add(answer: &mut Value, plan: &Plan, model: &Model) {
    if let Some(map) = answer.as_object_mut() {
        map.insert("maintenance".to_owned(), maintenance_json(plan.maintenance.as_ref()));
        map.insert("rows".to_owned(), rows_json(&plan.rows(model)));
    }
}

/// Prints it, below a plan.
pub fn print(plan: &Plan, model: &Model) -> Result<(), Failure> {
    let rows = plan.rows(model);
    let total: u64 = rows.iter().map(|r| r.inserted + r.updated + r.deleted).sum();
    if total > 0 {
        let tables = match rows.len() {
            1 => "1 table".to_owned(),
            many => format!("{many} tables"),
        };
        say!("{total} rows of {tables} in one transaction; whoever needs these rows waits until it ends");
        let width = rows.iter().map(|r| shown(&r.table).chars().count()).max().unwrap_or_default();
        for TableRows { table, inserted, updated, deleted } in &rows {
            let deleted = if *deleted > 0 { format!(", {deleted} deleted") } else { String::new() };
            say!("  {:width$}  {inserted} inserted, {updated} updated{deleted}", shown(table));
        }
    }
    if let Some(line) = maintenance_line(plan.maintenance.as_ref()) {
        say!("target: {}", shown(&line));
    }
    Ok(())
}
