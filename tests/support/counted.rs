//! For benches: work that was measured was done, document by document, or the figure means nothing.

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

/// Fails unless a bundle has a document for each of these rows.
pub fn check(bundle: &str, rows: &BTreeMap<String, u64>) {
    let model = Model::octopus().expect("the built-in model");
    let bundle = UncheckedBundle::open(Path::new(bundle), &Limits::default()).expect("a bundle");
    let bundle = bundle.check(&Silent).expect("a whole bundle");
    let mut documents: BTreeMap<String, u64> = BTreeMap::new();
    for kind in &bundle.info().kinds {
        let table = model.kind(&kind.name).expect("a kind of the model").table.clone();
        *documents.entry(table).or_default() += kind.documents;
    }
    assert_eq!(&documents, rows, "the bundle does not hold what the server does");
}
