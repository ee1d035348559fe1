//! Imports that are taken back, on any server.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::path::{Path, PathBuf};

use sealift::bundle::ContentRoot;
use sealift::crypto::{DataKey, FingerprintKey, KdfLimits, MasterKey};
use sealift::model::Model;
use sealift::ops::{self, How, ImportError, ImportOptions, Keys, Outcome, UndoRecord, UndoTo};
use sealift::plan::Plan;
use sealift::progress::Silent;
use sealift::server::sqlite::SqliteServer;
use sealift::server::{Page, Server};

use crate::support::*;

pub fn to(path: &Path) -> UndoTo {
    UndoTo { path: path.to_owned(), created: None }
}

/// Imports a bundle with an undo file; expects it to be written.
pub fn import_kept(
    bundle: &Path,
    server: &mut dyn Server,
    model: &Model,
    master: Option<&MasterKey>,
    undo: &Path,
) -> Plan {
    import_with(bundle, server, model, master, undo, overwrite())
}

/// The same with options.
pub fn import_with(
    bundle: &Path,
    server: &mut dyn Server,
    model: &Model,
    master: Option<&MasterKey>,
    undo: &Path,
    options: ImportOptions,
) -> Plan {
    let bundle = open(bundle);
    let (key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: key.as_ref(), master, seen: &seen };
    let to = to(undo);
    let how = How { undo: Some(&to), ..How::default() };
    match ops::import(&bundle, server, model, keys, how, options, &Silent).unwrap() {
        Outcome::Applied(plan) => plan,
        other => panic!("{other:?}"),
    }
}

/// Writes all rows of a file into a server that has its tables.
pub fn fill(server: &mut dyn Server, from: &Path) {
    let mut source = SqliteServer::open(from).unwrap();
    let mut reader = source.read().unwrap();
    let mut transaction = server.begin().unwrap();
    for table in reader.catalog().tables.clone() {
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let key = if table.primary_key.is_empty() { &columns[..] } else { &[] };
        let order: Vec<&str> =
            table.primary_key.iter().map(String::as_str).chain(key.iter().copied()).collect();
        let (after, max_rows, max_bytes) = (None, 100_000, usize::MAX);
        let page = Page { table: &table.name, columns: &columns, order: &order, after, max_rows, max_bytes };
        transaction.insert(&table.name, &columns, &reader.page(&page).unwrap()).unwrap();
    }
    transaction.commit().unwrap();
}

/// Whether importing a bundle again has nothing to do.
pub fn import_nothing_more(
    bundle: &Path,
    server: &mut dyn Server,
    model: &Model,
    master: Option<&MasterKey>,
) -> bool {
    let bundle = open(bundle);
    let (key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: key.as_ref(), master, seen: &seen };
    let outcome = ops::import(&bundle, server, model, keys, How::default(), overwrite(), &Silent).unwrap();
    matches!(outcome, Outcome::Nothing(_))
}

/// Opens an undo file with the master key.
pub fn open_undo(
    file: &Path,
    model: &Model,
    master: Option<&MasterKey>,
) -> Result<(sealift::bundle::Bundle, UndoRecord, Option<DataKey>, FingerprintKey), ImportError> {
    let bundle = open(file);
    let record = UndoRecord::read(&bundle, model.collation)?.expect("an undo file");
    if record.is_under_password() {
        let key = bundle.unlock(&password(), &KdfLimits::default()).unwrap();
        let seen = record.password_key(&key)?;
        return Ok((bundle, record, Some(key), seen));
    }
    let seen = record.key(master)?;
    let key = (bundle.info().sealed > 0)
        .then(|| bundle.unlock(&master.unwrap().password(), &KdfLimits::default()).unwrap());
    Ok((bundle, record, key, seen))
}

pub fn try_undo(
    file: &Path,
    server: &mut dyn Server,
    model: &Model,
    master: Option<&MasterKey>,
    dry_run: bool,
    redo: Option<&Path>,
) -> Result<Outcome, ImportError> {
    let (bundle, record, key, seen) = open_undo(file, model, master)?;
    let keys = Keys { bundle: key.as_ref(), master, seen: &seen };
    let to = redo.map(to);
    let how = How { dry_run, undo: to.as_ref() };
    ops::undo(&bundle, &record, server, model, keys, how, false, &Silent)
}

/// Takes an import back; expects it to be written.
pub fn undo(
    file: &Path,
    server: &mut dyn Server,
    model: &Model,
    master: Option<&MasterKey>,
    redo: Option<&Path>,
) -> Plan {
    match try_undo(file, server, model, master, false, redo).unwrap() {
        Outcome::Applied(plan) => plan,
        other => panic!("{other:?}"),
    }
}

/// The content root of all that a server holds.
pub fn root(server: &mut dyn Server, model: &Model, master: Option<&MasterKey>, out: &Path) -> ContentRoot {
    let _ = std::fs::remove_file(out);
    let mut reader = server.read().unwrap();
    let header = header(&mut *reader, model);
    let writer = sealift::bundle::Writer::create(out, header, sealed()).unwrap();
    ops::export(&mut *reader, model, writer, &everything(master), &Silent).unwrap().summary.content_root
}

pub fn in_folder(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}
