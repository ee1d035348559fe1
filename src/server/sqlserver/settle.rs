//! Whether a commit happened whose reply was lost.

use std::sync::Arc;
use std::time::Duration;

use super::address::SqlServerAddress;
use super::connect::Connection;
use super::schema::Schema;
use super::view::View;
use super::writing::{Act, Shape};
use crate::document::Value;
use crate::server::{Lookup, Reader as _, Row, ServerError};

/// How many rows are remembered.
const ROWS: usize = 8;
/// How often a new connection is tried, with pauses that double from a second to what a connection may take.
const ATTEMPTS: u32 = 5;

/// Some rows that a transaction wrote, as they were before and after.
pub(super) struct Witness {
    table: String,
    by: Vec<String>,
    columns: Vec<String>,
    keys: Vec<Vec<Value>>,
    /// One for each key; `None` where there is no row.
    before: Vec<Option<Row>>,
    after: Vec<Option<Row>>,
}

impl Witness {
    /// Chooses rows: new ones if possible, since nothing else looks like them.
    pub(super) fn choose(schema: &Schema, shapes: &mut [Shape]) -> Result<Option<Self>, ServerError> {
        let at = |shape: &Shape, name: &String| {
            shape.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
        };
        let key_of = |shape: &Shape| -> Option<Vec<usize>> {
            let table = schema.table(&shape.table).ok()?;
            let key: Option<Vec<usize>> = table.primary_key.iter().map(|name| at(shape, name)).collect();
            key.filter(|key| !key.is_empty())
        };
        let inserted = shapes.iter().position(|shape| shape.act == Act::Insert && key_of(shape).is_some());
        // A row that is gone is as good a witness.
        let deleted =
            || shapes.iter().position(|shape| matches!(shape.act, Act::Delete(_) | Act::DeleteAll(_)));
        // A row whose key changes is not found again by it.
        let keeps_key = |shape: &Shape| shape.act.by().iter().all(|name| at(shape, name).is_none());
        let updated =
            || shapes.iter().position(|shape| matches!(shape.act, Act::Update(_)) && keeps_key(shape));
        let Some(shape) =
            inserted.or_else(deleted).or_else(updated).and_then(|chosen| shapes.get_mut(chosen))
        else {
            return Ok(None);
        };
        let (by, places) = match &shape.act {
            Act::Update(by) | Act::Delete(by) | Act::DeleteAll(by) => (by.clone(), (0..by.len()).collect()),
            Act::Insert => {
                let places = key_of(shape).unwrap_or_default();
                let names = places.iter().filter_map(|place| shape.columns.get(*place).cloned());
                (names.collect(), places)
            }
        };
        let table = shape.table.clone();
        let columns = match &shape.act {
            Act::Delete(by) | Act::DeleteAll(by) => by.clone(),
            _ => shape.columns.clone(),
        };
        let mut keys = Vec::new();
        let rows = shape.read()?;
        while keys.len() < ROWS
            && let Some((_, row)) = rows.next().map_err(|error| ServerError::Failed {
                doing: format!("writing {table}"),
                source: Box::new(error),
            })?
        {
            keys.push(places.iter().filter_map(|place| row.get(*place).cloned()).collect());
        }
        Ok(Some(Self { table, by, columns, keys, before: Vec::new(), after: Vec::new() }))
    }

    fn look(&self, view: &mut View<'_>) -> Result<Vec<Option<Row>>, ServerError> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let by: Vec<&str> = self.by.iter().map(String::as_str).collect();
        let mut found = vec![None; self.keys.len()];
        let lookup = Lookup { table: &self.table, columns: &columns, by: &by, keys: &self.keys };
        view.lookup(&lookup, &mut |at, row| {
            found.iter_mut().skip(at).take(1).for_each(|f| *f = Some(row.clone()))
        })?;
        Ok(found)
    }

    /// Remembers the rows before anything is written.
    pub(super) fn see_before(&mut self, view: &mut View<'_>) -> Result<(), ServerError> {
        self.before = self.look(view)?;
        Ok(())
    }

    /// Remembers the rows after everything is written.
    pub(super) fn see_after(&mut self, view: &mut View<'_>) -> Result<(), ServerError> {
        self.after = self.look(view)?;
        Ok(())
    }
}

/// A commit whose outcome cannot be found out.
pub(super) fn unknown(reason: &str) -> ServerError {
    ServerError::CommitUnknown { reason: reason.to_owned() }
}

/// A new connection, in a transaction that began after the lost one had ended.
///
/// # Errors
/// [`ServerError::CommitUnknown`].
pub(super) fn after(address: &SqlServerAddress) -> Result<Connection, ServerError> {
    let address = &address.uninterrupted();
    let mut pause = Duration::from_secs(1).min(address.connect_timeout);
    let mut connection = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(pause);
            pause = pause.saturating_mul(2).min(address.connect_timeout);
        }
        connection = Connection::open(address).ok();
        if connection.is_some() {
            break;
        }
    }
    let Some(mut connection) = connection else {
        return Err(unknown("the server cannot be reached any more"));
    };
    // The old transaction holds the lock until it has ended, one way or the other.
    match super::begin(&mut connection, address.lock_timeout, "ON") {
        Ok(()) => Ok(connection),
        Err(ServerError::Busy) => Err(unknown("the transaction has not ended yet")),
        Err(_) => Err(unknown("the server does not answer any more")),
    }
}

/// Finds out on a new connection what became of a commit.
///
/// # Errors
/// [`ServerError::TakenBack`] where it was rolled back, [`ServerError::CommitUnknown`] where that cannot be told.
pub(super) fn settle(
    address: &SqlServerAddress,
    schema: &Arc<Schema>,
    witness: Option<&Witness>,
) -> Result<(), ServerError> {
    let Some(witness) = witness.filter(|witness| witness.before != witness.after) else {
        return Err(unknown("nothing that was written can be told from what was there"));
    };
    let mut connection = after(address)?;
    let mut view = View::new(&mut connection, Arc::clone(schema));
    match witness.look(&mut view) {
        Ok(now) if now == witness.after => Ok(()),
        Ok(now) if now == witness.before => Err(ServerError::TakenBack),
        Ok(_) => Err(unknown("the rows have been changed by somebody else since")),
        Err(_) => Err(unknown("the server does not answer any more")),
    }
}
