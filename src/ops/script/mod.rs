//! `script`: an import as T-SQL, for a person who reviews it and runs it.
//!
//! The script is what the import would do: the same documents under the same ids, secrets under the target's
//! master key, in one transaction. Each row that is changed is compared with what it was when the script was made, the
//! documents that the plan found must be there still, and those that it makes must not; anything else stops it. Ids
//! of new rows come from the target's own count, which is compared too.

mod batches;
mod guards;
mod literal;
mod transaction;

use std::collections::BTreeMap;
use std::io::Write;

use crate::bundle::Bundle;
use crate::document::Value;
use crate::model::Model;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::{
    Catalog, Column, ForeignKey, Lookup, Reader, Row, ServerError, Table, Transaction, WriteError,
};

use super::ImportError;
use super::import::{Written, apply};
use super::maintenance;
use super::options::ImportOptions;
use super::plan::{Keys, Work, examine_all};
pub use batches::is_script;
use batches::{Batches, Chunks};
use literal::{Variables, literal, message, speakable, unchanged};

/// As many updates look at their rows together.
const UPDATES: usize = 256;

/// What the head of a script tells.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The target's address, without secrets.
    pub target: String,
    /// The database that the script is for; it refuses to run in another.
    pub database: Option<String>,
    /// The schema of the tables: `dbo`.
    pub schema: String,
}

/// Writes the import of a bundle as a script. Nothing is written where the plan has findings, or nothing to do.
/// Returns the plan, and how many statements change rows.
///
/// The target is only read.
///
/// # Errors
/// [`ImportError`], where one of the sides cannot be read, or the script not be written.
#[allow(clippy::too_many_arguments, reason = "as `plan`, and where the script goes")]
pub fn script(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    model: &Model,
    keys: Keys<'_>,
    options: ImportOptions,
    about: &About,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<(Plan, u64), ImportError> {
    let required = options.require_maintenance;
    let (mut plan, mut examiner) = examine_all(bundle, reader, model, keys, options, Work::Import, progress)?;
    maintenance::look(reader, model, required, &mut plan)?;
    if !plan.findings.is_empty() || plan.is_empty() {
        return Ok((plan, 0));
    }
    speakable("schema", &about.schema)?;
    let found = guards::found(&examiner, &plan);
    let catalog = reader.catalog().clone();
    let mut scripting = Scripting {
        reader,
        names: Names { schema: about.schema.clone(), circular: circular(&catalog) },
        catalog,
        guards: Chunks::new()?,
        gone: Chunks::new()?,
        early: Chunks::new()?,
        inserts: BTreeMap::new(),
        late: Chunks::new()?,
        waiting: None,
        written: 0,
    };
    scripting.rely_on(&examiner, found)?;
    let mut written = Written::default();
    apply(bundle, &mut scripting, &mut examiner, &plan, &mut written, None, progress)?;
    examiner.take_faults();
    if !examiner.findings.is_empty() {
        plan.findings.append(&mut examiner.findings);
        return Ok((plan, 0));
    }
    scripting.check().map_err(|error| written.name(&plan, error))?;
    scripting.stay_absent(&examiner, &plan)?;
    let statements = scripting.assemble(bundle, model, &plan, about, out).map_err(unwritten)?;
    Ok((plan, statements))
}

fn unwritten(error: std::io::Error) -> ServerError {
    ServerError::Failed { doing: "writing the script".to_owned(), source: Box::new(error) }
}

/// How tables are named, and which of their columns refer in circles.
struct Names {
    schema: String,
    /// Table and column, in lower case.
    circular: Vec<(String, String)>,
}

impl Names {
    fn table(&self, table: &Table) -> String {
        format!("{}.{}", bracketed(&self.schema), bracketed(&table.name))
    }

    fn waits(&self, table: &Table, column: &Column) -> bool {
        let key = (table.name.to_lowercase(), column.name.to_lowercase());
        column.nullable && self.circular.contains(&key)
    }
}

fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// The columns of foreign keys from which a way leads back to their table.
fn circular(catalog: &Catalog) -> Vec<(String, String)> {
    let leads_to = |key: &ForeignKey, goal: &str| {
        let (mut seen, mut open): (Vec<String>, Vec<&str>) = (Vec::new(), vec![&key.to]);
        while let Some(name) = open.pop() {
            if name.eq_ignore_ascii_case(goal) {
                return true;
            }
            if seen.iter().any(|s| s.eq_ignore_ascii_case(name)) {
                continue;
            }
            seen.push(name.to_owned());
            let next = catalog.table(name).map(|table| table.foreign_keys.as_slice());
            open.extend(next.unwrap_or_default().iter().map(|key| key.to.as_str()));
        }
        false
    };
    let mut found = Vec::new();
    for table in &catalog.tables {
        for key in table.foreign_keys.iter().filter(|key| leads_to(key, &table.name)) {
            found.extend(key.columns.iter().map(|c| (table.name.to_lowercase(), c.to_lowercase())));
        }
    }
    found
}

/// Updates of one kind whose rows have yet to be looked at.
struct Waiting {
    table: String,
    by: Vec<String>,
    columns: Vec<String>,
    /// The number of each write, its key, and its row.
    rows: Vec<(u64, Vec<Value>, Row)>,
}

/// A transaction that becomes text.
struct Scripting<'r> {
    reader: &'r mut dyn Reader,
    names: Names,
    catalog: Catalog,
    /// What must hold before anything is written.
    guards: Chunks,
    /// Deletions.
    gone: Chunks,
    /// Updates that refer to nothing new.
    early: Chunks,
    /// Inserts by table.
    inserts: BTreeMap<String, Chunks>,
    /// What needs the rows that are inserted.
    late: Chunks,
    waiting: Option<Waiting>,
    written: u64,
}

impl Scripting<'_> {
    fn columns<'c>(table: &'c Table, names: &[&str]) -> Result<Vec<&'c Column>, ServerError> {
        let find = |name: &&str| {
            let missing = || ServerError::NoColumn { table: table.name.clone(), column: (*name).to_owned() };
            let column = table.column(name).ok_or_else(missing)?;
            speakable("column", &column.name).map(|()| column)
        };
        names.iter().map(find).collect()
    }

    fn table(catalog: &Catalog, name: &str) -> Result<Table, ServerError> {
        let table = catalog.table(name).ok_or_else(|| ServerError::NoTable(name.to_owned()))?;
        speakable("table", &table.name).map(|()| table.clone())
    }

    fn insert_row(&mut self, table: &Table, columns: &[&Column], row: &Row) -> Result<(), ServerError> {
        let (mut before, mut variables) = (String::new(), Variables::default());
        let (mut names, mut values, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for (column, value) in columns.iter().copied().zip(row) {
            if column.kind == crate::server::ColumnType::RowVersion {
                continue;
            }
            names.push(bracketed(&column.name));
            if self.names.waits(table, column) && !value.is_null() {
                values.push("NULL".to_owned());
                late.push((column, value));
            } else {
                values.push(spelled(table, column, value, &mut variables, &mut before)?);
            }
        }
        let name = self.names.table(table);
        let insert =
            format!("INSERT INTO {name} ({})\n  VALUES ({});\n", names.join(", "), values.join(", "));
        let numbered = columns.iter().any(|column| column.identity);
        let text = match numbered {
            true => {
                format!("{before}SET IDENTITY_INSERT {name} ON;\n{insert}SET IDENTITY_INSERT {name} OFF;\n")
            }
            false => format!("{before}{insert}"),
        };
        let chunks = match self.inserts.entry(table.name.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Chunks::new()?),
        };
        chunks.push(&text)?;
        if late.is_empty() {
            return Ok(());
        }
        let (mut before, mut variables) = (String::new(), Variables::default());
        let mut set = Vec::new();
        for (column, value) in late {
            let value = spelled(table, column, value, &mut variables, &mut before)?;
            set.push(format!("{} = {value}", bracketed(&column.name)));
        }
        let mut key = Vec::new();
        for name in &table.primary_key {
            let at = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
            let Some((column, value)) = at.and_then(|at| Some((columns.get(at)?, row.get(at)?))) else {
                continue;
            };
            let value = spelled(table, column, value, &mut variables, &mut before)?;
            key.push(format!("{} = {value}", bracketed(&column.name)));
        }
        let text = format!("{before}UPDATE {name} SET {}\n  WHERE {};\n", set.join(", "), key.join(" AND "));
        self.late.push(&text)
    }

    /// Looks at the rows of the updates that wait, and spells them.
    fn flush(&mut self) -> Result<(), WriteError> {
        let Some(Waiting { table, by, columns, rows }) = self.waiting.take() else { return Ok(()) };
        let table = Self::table(&self.catalog, &table)?;
        let by_names: Vec<&str> = by.iter().map(String::as_str).collect();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let keys: Vec<Vec<Value>> = rows.iter().map(|(_, key, _)| key.clone()).collect();
        let mut old: Vec<Vec<Row>> = vec![Vec::new(); keys.len()];
        let lookup = Lookup { table: &table.name, columns: &names, by: &by_names, keys: &keys };
        self.reader.lookup(&lookup, &mut |at, row| {
            if let Some(found) = old.get_mut(at) {
                found.push(row);
            }
        })?;
        for ((write, key, row), old) in rows.into_iter().zip(old) {
            let wrong = |reason: &str| WriteError {
                write: Some(write),
                source: ServerError::Constraint { table: table.name.clone(), reason: reason.to_owned() },
            };
            let [old] = old.as_slice() else {
                return Err(wrong(if old.is_empty() {
                    "no row has the key"
                } else {
                    "several rows have the key"
                }));
            };
            self.update_row(&table, &by_names, &key, &names, &row, old)
                .map_err(|source| WriteError { write: Some(write), source })?;
        }
        Ok(())
    }

    fn update_row(
        &mut self,
        table: &Table,
        by: &[&str],
        key: &[Value],
        names: &[&str],
        row: &Row,
        old: &Row,
    ) -> Result<(), ServerError> {
        let (mut before, mut variables) = (String::new(), Variables::default());
        let columns = Self::columns(table, names)?;
        let (mut set, mut same) = (Vec::new(), Vec::new());
        for ((column, new), old) in columns.iter().copied().zip(row).zip(old) {
            if column.kind == crate::server::ColumnType::RowVersion {
                continue;
            }
            // What stays as it is need not be written, but it must be as it was.
            if new != old {
                let value = spelled(table, column, new, &mut variables, &mut before)?;
                set.push(format!("{} = {value}", bracketed(&column.name)));
            }
            let value = spelled(table, column, old, &mut variables, &mut before)?;
            same.push(unchanged(column, old, &value));
        }
        if set.is_empty() {
            return Ok(());
        }
        let found = keyed(table, &Self::columns(table, by)?, key, &mut variables, &mut before)?;
        let message = moved(table, key);
        let text = format!(
            "{before}UPDATE {} SET\n    {}\n  WHERE {}\n    AND {};\nIF @@ROWCOUNT <> 1 THROW 50000, {message}, 1;\n",
            self.names.table(table),
            set.join(",\n    "),
            found.join(" AND "),
            same.join("\n    AND ")
        );
        let refers = |column: &&Column| {
            let has = |key: &ForeignKey| key.columns.iter().any(|c| c.eq_ignore_ascii_case(&column.name));
            table.foreign_keys.iter().any(has)
        };
        if columns.iter().any(refers) { self.late.push(&text) } else { self.early.push(&text) }
    }

    /// Spells a deletion, of a row that is as it was in every column.
    fn delete_row(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), ServerError> {
        let table = Self::table(&self.catalog, table)?;
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let keys = [key.to_vec()];
        let lookup = Lookup { table: &table.name, columns: &names, by, keys: &keys };
        let mut rows = Vec::new();
        self.reader.lookup(&lookup, &mut |_, row| rows.push(row))?;
        let [old] = rows.as_slice() else {
            let reason = if rows.is_empty() { "no row has the key" } else { "several rows have the key" };
            return Err(ServerError::Constraint { table: table.name.clone(), reason: reason.to_owned() });
        };
        let (mut before, mut variables) = (String::new(), Variables::default());
        let mut same = keyed(&table, &Self::columns(&table, by)?, key, &mut variables, &mut before)?;
        for (column, old) in Self::columns(&table, &names)?.into_iter().zip(old) {
            if column.kind != crate::server::ColumnType::RowVersion {
                let value = spelled(&table, column, old, &mut variables, &mut before)?;
                same.push(unchanged(column, old, &value));
            }
        }
        let (name, message) = (self.names.table(&table), moved(&table, key));
        let same = same.join("\n    AND ");
        self.gone.push(&format!(
            "{before}DELETE FROM {name}\n  WHERE {same};\nIF @@ROWCOUNT <> 1 THROW 50000, {message}, 1;\n"
        ))
    }

    /// Spells the deletion of all rows that have a key, however many these are by then.
    fn delete_rows(&mut self, table: &str, by: &[&str], key: &[Value]) -> Result<(), ServerError> {
        let table = Self::table(&self.catalog, table)?;
        let (mut before, mut variables) = (String::new(), Variables::default());
        let found = keyed(&table, &Self::columns(&table, by)?, key, &mut variables, &mut before)?;
        let (name, found) = (self.names.table(&table), found.join(" AND "));
        self.gone.push(&format!("{before}DELETE FROM {name}\n  WHERE {found};\n"))
    }

    /// Writes the script.
    fn assemble(
        self,
        bundle: &Bundle,
        model: &Model,
        plan: &Plan,
        about: &About,
        out: &mut dyn Write,
    ) -> std::io::Result<u64> {
        let mut batches = Batches::begin(out, bundle, model, plan, about)?;
        self.guards.each(&mut |text| batches.look(text))?;
        self.gone.each(&mut |text| batches.statement(text))?;
        self.early.each(&mut |text| batches.statement(text))?;
        let mut inserts = self.inserts;
        let mut open: Vec<&Table> = self.catalog.tables.iter().collect();
        while !open.is_empty() {
            let free = |table: &&Table| {
                let waits = |key: &ForeignKey| {
                    !key.to.eq_ignore_ascii_case(&table.name)
                        && open.iter().any(|other| other.name.eq_ignore_ascii_case(&key.to))
                        && !key
                            .columns
                            .iter()
                            .all(|c| table.column(c).is_some_and(|column| self.names.waits(table, column)))
                };
                !table.foreign_keys.iter().any(waits)
            };
            let at = open.iter().position(free).unwrap_or(0);
            let table = open.remove(at);
            if let Some(chunks) = inserts.remove(&table.name) {
                chunks.each(&mut |text| batches.statement(text))?;
            }
        }
        self.late.each(&mut |text| batches.statement(text))?;
        batches.end()
    }
}

fn spelled(
    table: &Table,
    column: &Column,
    value: &Value,
    variables: &mut Variables,
    before: &mut String,
) -> Result<String, ServerError> {
    literal(column, value, variables, before).ok_or_else(|| ServerError::Value {
        table: table.name.clone(),
        column: column.name.clone(),
        value: value.type_name().to_owned(),
    })
}

/// The conditions that a row has a key.
fn keyed(
    table: &Table,
    by: &[&Column],
    key: &[Value],
    variables: &mut Variables,
    before: &mut String,
) -> Result<Vec<String>, ServerError> {
    let is = |(column, value): (&&Column, &Value)| {
        let spelled = spelled(table, column, value, variables, before)?;
        Ok(match value {
            Value::Null => format!("{} IS NULL", bracketed(&column.name)),
            _ => format!("{} = {spelled}", bracketed(&column.name)),
        })
    };
    by.iter().zip(key).map(is).collect()
}

/// What a script says of a row that is not as it was.
fn moved(table: &Table, key: &[Value]) -> String {
    let shown: Vec<String> = key.iter().map(shown).collect();
    let shown: String = shown.join(", ").chars().take(200).collect();
    message(&format!("{} {shown} has changed since this script was made", table.name))
}

/// A key in a message: ids and names, on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Number(text) => text.to_string(),
        _ => String::from("?"),
    }
}
