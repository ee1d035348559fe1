//! Rows of a kind read page by page, or fetched by their ids, as many at a time as are worked on together.

use std::collections::HashSet;

use crate::document::Value;
use crate::server::{Lookup, Reader, ServerError, WholeTable};

use super::id::Id;
use super::layout::Layout;

/// How many rows are asked for together.
const BATCH: usize = 200;

type OnPage<'a, E> = dyn FnMut(&mut dyn Reader, Vec<Id>, Vec<crate::server::Row>) -> Result<(), E> + 'a;

/// Reads a kind's table page by page. Rows without an id of their own are named by their ordering columns.
pub(in super::super) fn for_each_page<E: From<ServerError>>(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    see: &mut OnPage<'_, E>,
) -> Result<(), E> {
    let mut table = whole_table(reader, layout, &layout.select())?;
    while let Some(rows) = table.next_page(reader)? {
        let ids = rows.iter().map(|row| layout.row_id(row)).collect();
        see(reader, ids, rows)?;
    }
    Ok(())
}

/// How many bytes of rows are fetched together, about.
const FETCHED_BYTES: usize = 4 << 20;

/// Fetches chosen rows of a kind, as many at a time as are worked on together, and shows them with the ids they
/// answer. The server must have each of them: the ids are those of rows that it has just shown.
///
/// # Errors
/// [`ServerError::Incomplete`] where one does not come back, what the server refuses, and what `see` returns.
pub(in super::super) fn fetch<E: From<ServerError>>(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    ids: &[Id],
    see: &mut OnPage<'_, E>,
) -> Result<(), E> {
    let mut found: HashSet<Id> = HashSet::with_capacity(ids.len());
    fetch_some(reader, layout, ids, &mut |reader, some, rows| {
        found.extend(some.iter().cloned());
        see(reader, some, rows)
    })?;
    let (read, expected) = (found.len() as u64, ids.iter().collect::<HashSet<_>>().len() as u64);
    match read == expected {
        true => Ok(()),
        false => Err(ServerError::Incomplete { table: layout.table.clone(), read, expected }.into()),
    }
}

/// Like [`fetch`], for rows that may be gone.
///
/// # Errors
/// What the server refuses, and what `see` returns.
pub(in super::super) fn fetch_some<E: From<ServerError>>(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    ids: &[Id],
    see: &mut OnPage<'_, E>,
) -> Result<(), E> {
    let columns = layout.select();
    let by: Vec<&str> = match &layout.id {
        Some(id) => vec![id.as_str()],
        None => layout.order.iter().map(String::as_str).collect(),
    };
    let key = |id: &Id| if layout.id.is_some() { vec![id.to_value()] } else { layout.row_key(id) };
    for ids in ids.chunks(BATCH) {
        let mut open: Vec<&Id> = ids.iter().collect();
        while !open.is_empty() {
            let keys: Vec<Vec<Value>> = open.iter().map(|id| key(id)).collect();
            let (mut rows, mut found) = (Vec::new(), Vec::new());
            let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &keys };
            let rest = reader.lookup_some(&lookup, FETCHED_BYTES, &mut |position, row| {
                if let Some(id) = open.get(position) {
                    rows.push(row);
                    found.push(Id::clone(id));
                }
            })?;
            open = rest.into_iter().filter_map(|position| open.get(position).copied()).collect();
            see(reader, found, rows)?;
        }
    }
    Ok(())
}

/// Announces that all rows of these kinds' tables will be read, in that order, with the columns of
/// [`Layout::select`].
///
/// # Errors
/// [`ServerError`], naming the tables.
pub fn expect_tables<'l>(
    reader: &mut dyn Reader,
    layouts: impl Iterator<Item = &'l Layout<'l>>,
) -> Result<(), ServerError> {
    let layouts: Vec<&Layout<'_>> = layouts.collect();
    let order = |layout: &'l Layout<'l>| layout.order.iter().map(String::as_str).collect::<Vec<&str>>();
    let names: Vec<_> = layouts.iter().map(|layout| (layout.select(), order(layout))).collect();
    let pages = layouts.iter().zip(&names).map(|(layout, (columns, order))| layout.page(columns, order));
    WholeTable::expect(reader, &pages.collect::<Vec<_>>())
}

/// Begins to read all rows of a kind's table, with these columns.
///
/// # Errors
/// [`ServerError`], naming the table.
pub fn whole_table(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    columns: &[&str],
) -> Result<WholeTable, ServerError> {
    let order: Vec<&str> = layout.order.iter().map(String::as_str).collect();
    WholeTable::open(reader, &layout.page(columns, &order))
}
