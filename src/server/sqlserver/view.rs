//! One consistent state of a database, as a reader.

use std::borrow::Cow;
use std::sync::Arc;

use tiberius::QueryItem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use futures_util::TryStreamExt as _;

use super::ahead::Ahead;
use super::allowance::ROW_BYTES;
use super::connect::{Connection, Interrupted, Param, Wire, ask, attended};
use super::fault::Doing;
use super::schema::{Field, Schema, quoted};
use super::spool::{Spool, Unspool};
use super::types::SqlType;
use super::values::{self, Reading};
use super::{malformed, narrow};
use crate::document::Value;
use crate::server::{Catalog, Lookup, Page, Reader, Row, ServerError, UniqueSet};

/// How many rows are taken off the wire ahead of who reads them.
const AHEAD: usize = 64;
/// How many KiB they may have together.
const AHEAD_KIB: u32 = 64 << 10;

/// How many tables are read side by side without a second statement for one of them.
const MOST_HELD: usize = 4;

/// A transaction of the connection, seen as a reader. Dropped, it ends the transaction.
pub(super) struct View<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) schema: Arc<Schema>,
    pub(super) address: Arc<str>,
    pub(super) notice: Option<String>,
    pub(super) rows_read: u64,
    /// Whether the transaction has ended already.
    pub(super) ended: bool,
    /// The tables that are being read, the last used one last. One of them at the most has the connection.
    pagings: Vec<Paging>,
    /// The rest of the last answer, where it had more than was wanted.
    pub(super) answer: Option<super::lookup::Answer>,
    /// What is known of tables that will be read.
    pub(super) ahead: Ahead,
}

/// A table that is being read page by page: one statement, however many pages.
struct Paging {
    table: String,
    columns: Vec<String>,
    order: Vec<String>,
    /// The `order` values of the last row handed out.
    last: Vec<Value>,
    rows: Rows,
}

/// A row that was taken off the wire, with its part of what may wait there.
type Arrived = Result<(Row, OwnedSemaphorePermit), ServerError>;

/// Where the rows of a statement come from.
enum Rows {
    /// From the wire, as they arrive.
    Arriving(mpsc::Receiver<Arrived>, JoinHandle<Result<Wire, Interrupted>>),
    /// From where they were put aside when the connection was wanted for something else.
    Aside(Unspool),
    /// There are no more.
    Ended,
}

impl Paging {
    fn is_arriving(&self) -> bool {
        matches!(self.rows, Rows::Arriving(..))
    }

    /// Whether a page is the one after those that were handed out.
    fn goes_on_with(&self, page: &Page<'_>) -> bool {
        let same = |a: &[String], b: &[&str]| a.iter().map(String::as_str).eq(b.iter().copied());
        page.after == Some(&self.last)
            && self.table.eq_ignore_ascii_case(page.table)
            && same(&self.columns, page.columns)
            && same(&self.order, page.order)
    }
}

impl<'a> View<'a> {
    /// Takes over the transaction that the connection has begun.
    pub(super) fn new(connection: &'a mut Connection, schema: Arc<Schema>) -> Self {
        let address = Arc::clone(&connection.address);
        Self {
            connection,
            schema,
            address,
            notice: None,
            rows_read: 0,
            ended: false,
            pagings: Vec::new(),
            answer: None,
            ahead: Ahead::default(),
        }
    }

    /// Frees the connection: rows still on the wire are put aside.
    pub(super) fn free(&mut self) -> Result<(), ServerError> {
        let Some(at) = self.pagings.iter().position(Paging::is_arriving) else { return Ok(()) };
        // It comes back only with all of its rows: one that lost some must not look as if it had ended.
        let Paging { table, columns, order, last, rows } = self.pagings.remove(at);
        let Rows::Arriving(receiver, handle) = rows else { return Ok(()) };
        let rows = self.put_aside(&table, receiver, handle).map_err(|error| {
            let columns: Vec<&str> = columns.iter().chain(&order).map(String::as_str).collect();
            malformed::named(self.connection, &self.schema, &table, &columns, error)
        })?;
        self.pagings.push(Paging { table, columns, order, last, rows: Rows::Aside(rows) });
        Ok(())
    }

    fn put_aside(
        &mut self,
        table: &str,
        mut receiver: mpsc::Receiver<Arrived>,
        handle: JoinHandle<Result<Wire, Interrupted>>,
    ) -> Result<Unspool, ServerError> {
        let what = format!("reading {table}");
        let doing = Doing { what: &what, address: &self.address, table, schema: None };
        let disk = |error| ServerError::Failed { doing: what.clone(), source: Box::new(error) };
        let mut spool = Spool::new();
        while let Some(row) = self.connection.wait(receiver.recv()) {
            let (row, _) = row.inspect_err(|_| self.connection.abandon())?;
            spool.push(0, &row).map_err(disk)?;
        }
        self.connection.join(&doing, handle)?;
        spool.read().map_err(disk)
    }

    /// Stops whatever is being read, without caring for the rest.
    pub(super) fn stop(&mut self) {
        for paging in self.pagings.drain(..) {
            if let Rows::Arriving(receiver, handle) = paging.rows {
                // The rest of an answer may be long; the connection is given up with it.
                drop(receiver);
                handle.abort();
            }
        }
    }

    /// Frees the connection and forgets what was read before a write: whoever goes on with a table reads it anew.
    pub(super) fn forget(&mut self) -> Result<(), ServerError> {
        self.free()?;
        self.pagings.clear();
        self.answer = None;
        self.ahead = Ahead::default();
        Ok(())
    }

    /// Keeps a table that may be read on.
    fn hold(&mut self, paging: Paging) {
        self.pagings.push(paging);
        if self.pagings.len() > MOST_HELD
            && let Some(oldest) = self.pagings.iter().position(|paging| !paging.is_arriving())
        {
            self.pagings.remove(oldest);
        }
    }

    /// Begins to read a table from its first row: with others, where that was announced.
    fn begin(&mut self, page: &Page<'_>) -> Result<Paging, ServerError> {
        let schema = Arc::clone(&self.schema);
        let table = &schema.table(page.table)?.name;
        let rows = match self.read_ahead(page)? {
            Some(rows) => Rows::Aside(rows),
            // There is nothing to ask for.
            None if self.ahead.count(table) == Some(0) => Rows::Ended,
            None => return self.start(page),
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (columns, order) = (names(page.columns), names(page.order));
        Ok(Paging { table: table.clone(), columns, order, last: Vec::new(), rows })
    }

    /// Begins to read a table in order.
    fn start(&mut self, page: &Page<'_>) -> Result<Paging, ServerError> {
        self.free()?;
        let schema = Arc::clone(&self.schema);
        let fields = schema.fields(page.table, page.columns)?;
        let order = schema.fields(page.table, page.order)?;
        let table = schema.table(page.table)?;
        let what = format!("reading {}", table.name);
        if order.is_empty() {
            let source = "a page needs columns to order by".into();
            return Err(ServerError::Failed { doing: what, source });
        }
        let (filter, params) = match page.after {
            Some(after) if after.len() == order.len() => after_filter(&order, after)?,
            Some(_) => {
                let source = "the place to continue from has another number of values than the order".into();
                return Err(ServerError::Failed { doing: what, source });
            }
            None => (String::new(), Vec::new()),
        };
        let all: Vec<Field<'_>> = fields.iter().chain(&order).copied().collect();
        let names: Vec<String> = order.iter().map(|f| format!("t.{}", quoted(&f.column.name))).collect();
        let sql = format!(
            "SELECT {} FROM {} AS t{filter} ORDER BY {}",
            selected(&all, "t")?,
            schema.qualified(table),
            names.join(", "),
        );
        let readings: Vec<Reading> = all.iter().map(Reading::of).collect();
        let doing = Doing { what: &what, address: &self.address, table: &table.name, schema: Some(&schema) };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let waiting = Arc::new(Semaphore::new(AHEAD_KIB as usize));
        let stop = self.connection.stop.clone();
        let allowance = self.connection.allowance.clone();
        let handle = self.connection.lend(&doing, |mut wire| async move {
            attended(&mut wire, &stop, async |wire: &mut Wire| {
                let mut stream = ask(wire, &sql, params).await?;
                while let Some(item) = stream.try_next().await? {
                    let QueryItem::Row(row) = item else { continue };
                    allowance.set(ROW_BYTES);
                    let row = values::row(&readings, 0, row);
                    let wrong = row.is_err();
                    let kib = row.iter().flatten().map(Value::weight).sum::<usize>() >> 10;
                    // A row that is larger than what may wait waits alone.
                    let part = u32::try_from(kib + 1).unwrap_or(u32::MAX).min(AHEAD_KIB);
                    let Ok(part) = Arc::clone(&waiting).acquire_many_owned(part).await else { break };
                    if sender.send(row.map(|row| (row, part))).await.is_err() || wrong {
                        break;
                    }
                }
                Ok(())
            })
            .await?;
            Ok(wire)
        })?;
        Ok(Paging {
            table: table.name.clone(),
            columns: page.columns.iter().map(|name| (*name).to_owned()).collect(),
            order: page.order.iter().map(|name| (*name).to_owned()).collect(),
            last: Vec::new(),
            rows: Rows::Arriving(receiver, handle),
        })
    }

    /// The next row of the table that is being read.
    fn next_row(&mut self, paging: &mut Paging, doing: &Doing<'_>) -> Result<Option<Row>, ServerError> {
        match &mut paging.rows {
            Rows::Ended => Ok(None),
            Rows::Aside(rows) => {
                let row = rows.next().map_err(|error| ServerError::Failed {
                    doing: doing.what.to_owned(),
                    source: Box::new(error),
                })?;
                Ok(row.map(|(_, row)| row))
            }
            Rows::Arriving(receiver, _) => match self.connection.wait(receiver.recv()) {
                Some(row) => row.map(|(row, _)| Some(row)),
                None => {
                    let rows = std::mem::replace(&mut paging.rows, Rows::Ended);
                    if let Rows::Arriving(_, handle) = rows {
                        self.connection.join(doing, handle)?;
                    }
                    Ok(None)
                }
            },
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        if self.pagings.iter().any(Paging::is_arriving) {
            self.stop();
        } else if self.connection.is_alive() && !self.ended {
            let doing =
                Doing { what: "ending the transaction", address: &self.address, table: "", schema: None };
            // A connection that does not even take this is given up, which rolls back too.
            let _ = self.connection.batch(&doing, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
        }
    }
}

impl Reader for View<'_> {
    fn address(&self) -> &str {
        &self.address
    }

    fn catalog(&self) -> &Catalog {
        &self.schema.catalog
    }

    fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        let mut paging = match self.pagings.iter().position(|paging| paging.goes_on_with(page)) {
            Some(at) => self.pagings.remove(at),
            None => match page.after {
                None => self.begin(page)?,
                Some(_) => self.start(page)?,
            },
        };
        let what = format!("reading {}", paging.table);
        let table = paging.table.clone();
        let address = Arc::clone(&self.address);
        let doing = Doing { what: &what, address: &address, table: &table, schema: None };
        let (mut found, mut bytes) = (Vec::new(), 0usize);
        let named = |view: &Self, error| {
            let columns: Vec<&str> = page.columns.iter().chain(page.order).copied().collect();
            malformed::named(view.connection, &view.schema, page.table, &columns, error)
        };
        while let Some(mut row) = self.next_row(&mut paging, &doing).map_err(|error| named(self, error))? {
            paging.last = row.split_off(paging.columns.len().min(row.len()));
            self.rows_read += 1;
            bytes = bytes.saturating_add(row.iter().map(Value::weight).sum());
            found.push(row);
            if found.len() >= page.max_rows || bytes >= page.max_bytes {
                break;
            }
        }
        if !found.is_empty() {
            self.hold(paging);
        }
        Ok(found)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        self.free()?;
        super::lookup::lookup(self, lookup, max_bytes, see).map_err(|error| {
            malformed::named(self.connection, &self.schema, lookup.table, lookup.columns, error)
        })
    }

    fn lookups(
        &mut self,
        lookups: &[Lookup<'_>],
        see: &mut dyn FnMut(usize, usize, Row),
    ) -> Result<(), ServerError> {
        self.free()?;
        super::lookup::lookups(self, lookups, see).map_err(|error| {
            lookups.iter().fold(error, |error, lookup| {
                malformed::named(self.connection, &self.schema, lookup.table, lookup.columns, error)
            })
        })
    }

    fn expect(&mut self, pages: &[Page<'_>]) -> Result<(), ServerError> {
        self.look_ahead(pages)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        let schema = Arc::clone(&self.schema);
        let table = schema.table(table)?;
        if let Some(count) = self.ahead.count(&table.name) {
            return Ok(count);
        }
        self.free()?;
        let sql = format!("SELECT COUNT_BIG(*) FROM {}", schema.qualified(table));
        let count = self.one(table.name.as_str(), &sql)?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.free()?;
        let schema = Arc::clone(&self.schema);
        let fields = schema.fields(table, &[column])?;
        let Some(field) = fields.first() else { return Ok(None) };
        if !matches!(field.nature.kind, SqlType::Int(_)) {
            return Ok(None);
        }
        let column = quoted(&field.column.name);
        let sql =
            format!("SELECT CAST(MAX(t.{column}) AS bigint) FROM {} AS t", schema.qualified(field.table));
        self.one(&field.table.name, &sql)
    }

    fn collects_writes(&self) -> bool {
        true
    }

    fn unique_sets(&self, table: &str) -> Vec<UniqueSet> {
        self.schema.unique_sets(table).to_vec()
    }

    fn misfits(
        &self,
        table: &str,
        columns: &[&str],
        values: &[Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        let fields = self.schema.fields(table, columns)?;
        let values = fields.iter().zip(values).enumerate().filter(|(_, (_, value))| !value.is_null());
        Ok(values
            .filter_map(|(at, (field, value))| Some((at, values::staged(field, value).err()?)))
            .collect())
    }

    fn rows_read(&self) -> u64 {
        self.rows_read
    }
}

impl View<'_> {
    /// The one number that a statement answers with.
    pub(super) fn one(&mut self, table: &str, sql: &str) -> Result<Option<i64>, ServerError> {
        let what = format!("reading {table}");
        let schema = Arc::clone(&self.schema);
        let doing = Doing { what: &what, address: &self.address, table, schema: Some(&schema) };
        let rows = self.connection.batch(&doing, sql)?;
        Ok(rows.first().and_then(|row| row.try_get::<i64, _>(0).ok().flatten()))
    }
}

/// The list of columns for SELECT.
pub(super) fn selected(fields: &[Field<'_>], alias: &str) -> Result<String, ServerError> {
    if fields.is_empty() {
        return Ok("CAST(NULL AS int)".to_owned());
    }
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        if let SqlType::Other(name) = &field.nature.kind {
            return Err(ServerError::Failed {
                doing: format!("reading {}", field.table.name),
                source: format!("{} is of the type {name}, which cannot be carried", field.column.name)
                    .into(),
            });
        }
        columns.push(field.nature.kind.read(&format!("{alias}.{}", quoted(&field.column.name))));
    }
    Ok(columns.join(", "))
}

/// The condition for rows after a place. NULL comes first in the order, and compares with nothing.
fn after_filter(order: &[Field<'_>], after: &[Value]) -> Result<(String, Vec<Param>), ServerError> {
    let mut params = Vec::new();
    let mut places = Vec::new();
    for (field, value) in order.iter().zip(after) {
        if value.is_null() {
            places.push(None);
            continue;
        }
        params.push(values::staged(field, value)?);
        places.push(Some(narrow::converted(field, &format!("@P{}", params.len()))));
    }
    let mut either = Vec::new();
    for (at, (field, place)) in order.iter().zip(&places).enumerate() {
        let mut all: Vec<String> = Vec::new();
        for (field, place) in order.iter().zip(&places).take(at) {
            let name = format!("t.{}", quoted(&field.column.name));
            all.push(match place {
                Some(place) => format!("{name} = {place}"),
                None => format!("{name} IS NULL"),
            });
        }
        let name = format!("t.{}", quoted(&field.column.name));
        all.push(match place {
            Some(place) => format!("{name} > {place}"),
            None => format!("{name} IS NOT NULL"),
        });
        either.push(format!("({})", all.join(" AND ")));
    }
    Ok((format!(" WHERE {}", either.join(" OR ")), params))
}
