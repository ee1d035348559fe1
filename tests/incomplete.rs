//! A read that misses rows, or meets some twice, is an error, whoever reads and whatever the fault behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use sealift::bundle::Writer;
use sealift::crypto::FingerprintKey;
use sealift::demo::{self, DemoOptions, Site};
use sealift::ops::{self, ExportError, ExportOptions, ImportError, ImportOptions, Keys};
use sealift::progress::Silent;
use sealift::server::sqlite::SqliteServer;
use sealift::server::{Catalog, Lookup, Page, Reader, Row, Server, ServerError};
use support::*;

/// How a back end goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A row of a page is not handed out.
    Lost,
    /// A row is handed out twice.
    Doubled,
    /// The table seems to end after its first page.
    Ended,
    /// A lookup misses a row.
    Unfound,
}

/// A reader that goes wrong with one table.
struct Faulty<'r> {
    inner: Box<dyn Reader + 'r>,
    table: &'static str,
    fault: Fault,
    /// How often it did.
    times: usize,
}

impl Reader for Faulty<'_> {
    fn address(&self) -> &str {
        self.inner.address()
    }

    fn catalog(&self) -> &Catalog {
        self.inner.catalog()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        let mut rows = self.inner.page(&Page { max_rows: page.max_rows.min(2), ..page.clone() })?;
        if page.table == self.table {
            match self.fault {
                Fault::Lost if rows.len() > 1 => drop(rows.remove(0)),
                Fault::Doubled if page.after.is_none() => rows.extend(rows.first().cloned()),
                Fault::Ended if page.after.is_some() && !rows.is_empty() => rows.clear(),
                _ => return Ok(rows),
            }
            self.times += 1;
        }
        Ok(rows)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        let fault = lookup.table == self.table && matches!(self.fault, Fault::Unfound);
        let times = &mut self.times;
        self.inner.lookup_some(lookup, max_bytes, &mut |position, row| {
            // Whole rows alone are missed, those that are looked up to be carried.
            match fault && position == 0 && row.len() > 5 {
                true => *times += 1,
                false => see(position, row),
            }
        })
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.inner.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.inner.max_int(table, column)
    }

    fn rows_read(&self) -> u64 {
        self.inner.rows_read()
    }
}

struct World {
    folder: tempfile::TempDir,
    server: SqliteServer,
}

impl World {
    fn new() -> Self {
        let folder = folder();
        let mut server = empty_octopus(&folder.path().join("server.sqlite"));
        demo::build(&mut server, Site::Build, &key(1), &DemoOptions::default()).unwrap();
        Self { folder, server }
    }

    /// Exports from a server that goes wrong with a table, and says what came of it.
    fn export(&mut self, table: &'static str, fault: Fault, options: &ExportOptions<'_>) -> (bool, String) {
        let out = self.folder.path().join("out.sealift");
        let inner = self.server.read().unwrap();
        let mut reader = Faulty { inner, table, fault, times: 0 };
        let model = octopus();
        let header = header(&mut reader, &model);
        let writer = Writer::create(&out, header, sealed()).unwrap();
        let result = ops::export(&mut reader, &model, writer, options, &Silent);
        let said = match result {
            Err(ExportError::Server(error @ ServerError::Incomplete { .. })) => error.to_string(),
            Err(error) => format!("{error:?}"),
            Ok(_) => String::new(),
        };
        assert_eq!(out.exists(), said.is_empty(), "nothing is left of an export that failed");
        let _ = std::fs::remove_file(&out);
        (reader.times > 0, said)
    }
}

#[test]
fn an_export_of_everything_that_misses_a_row_fails_and_names_the_table() {
    let mut world = World::new();
    let master = key(1);
    for table in ["Project", "DeploymentEnvironment", "VariableSet", "Lifecycle", "Space", "User", "TagSet"] {
        for fault in [Fault::Lost, Fault::Doubled, Fault::Ended] {
            let (happened, said) = world.export(table, fault, &everything(Some(&master)));
            let expected = format!("the read of {table} is incomplete: ");
            assert_eq!(happened, said.starts_with(&expected), "{table} {fault:?}: {said}");
        }
    }
}

#[test]
fn an_export_of_some_documents_that_misses_a_row_fails_and_names_the_table() {
    let mut world = World::new();
    let master = key(1);
    let one = project("Order Service", Some(&master));
    let space = ExportOptions { scopes: vec!["Default".to_owned()], ..everything(Some(&master)) };
    let mut seen = 0;
    for (options, tables) in [
        (&one, ["DeploymentProcess", "VariableSet", "Channel", "DeploymentEnvironment"]),
        (&space, ["DeploymentProcess", "Project", "Space", "DeploymentEnvironment"]),
    ] {
        for table in tables {
            for fault in [Fault::Lost, Fault::Doubled, Fault::Ended, Fault::Unfound] {
                let (happened, said) = world.export(table, fault, options);
                let expected = format!("the read of {table} is incomplete: ");
                assert_eq!(happened, said.starts_with(&expected), "{table} {fault:?}: {said}");
                seen += usize::from(happened);
            }
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn a_plan_that_deletes_fails_where_it_misses_a_row() {
    let mut world = World::new();
    let (master, model) = (key(1), octopus());
    let out = world.folder.path().join("whole.sealift");
    let path = world.folder.path().join("server.sqlite");
    export(&path, &model, &out, &everything(Some(&master)));
    let bundle = open(&out);
    let (data_key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    let mut times = 0;
    for table in ["Project", "DeploymentEnvironment", "VariableSet", "Lifecycle"] {
        for fault in [Fault::Lost, Fault::Ended, Fault::Doubled] {
            let inner = world.server.read().unwrap();
            let mut reader = Faulty { inner, table, fault, times: 0 };
            let options = ImportOptions { prune: true, ..overwrite() };
            match ops::plan(&bundle, &mut reader, &model, keys, options, &Silent) {
                Err(ImportError::Server(ServerError::Incomplete { table: found, .. })) => {
                    assert_eq!(found, table);
                    times += 1;
                }
                other => assert_eq!(reader.times, 0, "{table} {fault:?}: {other:?}"),
            }
        }
    }
    assert!(times > 8, "{times}");
}
