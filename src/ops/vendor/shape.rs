//! The tables that the documents of a folder are put into.

use std::collections::HashSet;
use std::path::Path;

use crate::model::{Kind, Model, OCTOPUS_2018_SQL, OCTOPUS_2026_SQL, OCTOPUS_SPACES_SQL};
use crate::server::sqlite::{Schema, SqliteServer};
use crate::server::{Catalog, Server as _, ServerError, Table};

use super::gather::Seen;

/// The column by which servers with spaces are told from those before them.
const SPACE: &str = "spaceid";

/// The tables, and which kinds lie in them.
pub(super) struct Shapes {
    /// The tables as they are made.
    pub catalog: Catalog,
    /// Tables and columns of keys that are never NULL on a server.
    required: HashSet<(String, String)>,
}

impl Shapes {
    /// Chooses the generation of tables and the columns that the folder's documents have.
    pub fn new(model: &Model, seen: &Seen, folder: &Path) -> Result<Self, ServerError> {
        let old = catalog(OCTOPUS_2018_SQL, &folder.join("2018.sqlite"))?;
        let in_spaces = seen.members.values().any(|members| members.contains(SPACE));
        let lacks = |catalog: &Catalog| seen.members.keys().any(|table| catalog.table(table).is_none());
        let mut tables = old;
        if in_spaces || lacks(&tables) {
            tables = catalog(OCTOPUS_SPACES_SQL, &folder.join("spaces.sqlite"))?;
        }
        if lacks(&tables) {
            tables = catalog(OCTOPUS_2026_SQL, &folder.join("2026.sqlite"))?;
        }
        let catalog = tables;
        let mut required = HashSet::new();
        for kind in model.kinds() {
            let Some(table) = catalog.table(&kind.table) else { continue };
            let columns = kind.key.iter().filter_map(|key| table.column(&key.column));
            let columns = columns.filter(|column| !column.nullable);
            required.extend(columns.map(|column| (table.name.clone(), column.name.clone())));
        }
        let tables = catalog.tables.into_iter().map(|table| trim(table, model, seen)).collect();
        Ok(Self { catalog: Catalog { tables }, required })
    }

    /// Says whether a column must be there, being part of what a document is called.
    pub fn is_required(&self, table: &str, column: &str) -> bool {
        self.required.contains(&(table.to_owned(), column.to_owned()))
    }

    /// The table of a kind.
    pub fn table(&self, kind: &Kind) -> Option<&Table> {
        self.catalog.table(&kind.table)
    }
}

fn catalog(sql: &str, path: &Path) -> Result<Catalog, ServerError> {
    let mut server = SqliteServer::create(path, Schema::Ddl(sql))?;
    let catalog = server.read()?.catalog().clone();
    Ok(catalog)
}

/// A table as it takes what files hold: nothing but the id is required or unique, so that what is wrong is
/// found by name and not by the first row that fails.
fn trim(mut table: Table, model: &Model, seen: &Seen) -> Table {
    table.unique.clear();
    table.foreign_keys.clear();
    let mentioned = seen.members.get(&table.name);
    let kinds: Vec<&Kind> =
        model.kinds().iter().filter(|k| k.table.eq_ignore_ascii_case(&table.name)).collect();
    let decides = |name: &str| {
        let is = |column: &str| column.eq_ignore_ascii_case(name);
        kinds.iter().any(|kind| {
            kind.id.as_ref().is_some_and(|id| is(&id.column))
                || kind.body.as_deref().is_some_and(is)
                || kind.key.iter().any(|key| is(&key.column))
                || kind.rows.iter().any(|row| is(&row.column))
        })
    };
    let primary = table.primary_key.clone();
    table.columns.retain(|column| {
        let name = column.name.as_str();
        primary.iter().any(|key| key == name)
            || decides(name)
            || mentioned.is_none_or(|members| members.contains(&name.to_ascii_lowercase()))
    });
    for column in &mut table.columns {
        column.nullable |= !primary.contains(&column.name);
        column.default = None;
    }
    table
}
