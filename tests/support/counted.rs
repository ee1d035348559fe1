//! For benches: work that was measured was done, document by document, or the figure means nothing.

#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::collections::BTreeMap;
use std::path::Path;

use sealift::bundle::{Limits, UncheckedBundle};
use sealift::model::Model;
use sealift::progress::Silent;
use sealift::server::Server;

/// How many rows a server holds in each table of the model; tables without rows are left out.
pub fn rows(server: &mut dyn Server) -> BTreeMap<String, u64> {
    let model = Model::octopus().expect("the built-in model");
    let mut reader = server.read().expect("a reader");
    let tables: Vec<String> = model.kinds().iter().map(|kind| kind.table.clone()).collect();
    let mut rows = BTreeMap::new();
    for table in tables {
        if reader.catalog().table(&table).is_some() {
            rows.insert(table.clone(), reader.count(&table).expect("a count"));
        }
    }
    rows.retain(|_, rows| *rows > 0);
    rows
}

/// How many documents a bundle holds.
///
/// # Errors
/// Why it cannot be opened.
pub fn documents(bundle: &Path) -> Result<u64, String> {
    let bundle = UncheckedBundle::open(bundle, &Limits::default()).map_err(|error| error.to_string())?;
    let bundle = bundle.check(&Silent).map_err(|error| error.to_string())?;
    Ok(bundle.info().kinds.iter().map(|kind| kind.documents).sum())
}

/// Whether a bundle has a document for each of these rows.
///
/// # Errors
/// What it holds instead.
pub fn check(bundle: &Path, rows: &BTreeMap<String, u64>) -> Result<(), String> {
    let model = Model::octopus().expect("the built-in model");
    let bundle = UncheckedBundle::open(bundle, &Limits::default()).map_err(|error| error.to_string())?;
    let bundle = bundle.check(&Silent).map_err(|error| error.to_string())?;
    let mut documents: BTreeMap<String, u64> = BTreeMap::new();
    for kind in &bundle.info().kinds {
        let table = model.kind(&kind.name).expect("a kind of the model").table.clone();
        *documents.entry(table).or_default() += kind.documents;
    }
    match documents == *rows {
        true => Ok(()),
        false => Err(format!("the bundle holds {documents:?}, and the server {rows:?}")),
    }
}
