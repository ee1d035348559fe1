//! What the integration tests share: servers made, bundles written and read, imports run.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod everything;
pub mod vendor;

use std::path::{Path, PathBuf};

use sealift::bundle::{Bundle, Header, Limits, Protection, Summary, UncheckedBundle, Writer, WriterOptions};
use sealift::crypto::{DataKey, Envelope, FingerprintKey, KdfLimits, KdfParams, MasterKey, Password};
use sealift::model::Model;
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{self, ExportOptions, ExportReport, How, ImportOptions, Keys, Outcome, Root};
use sealift::plan::{Finding, Plan};
use sealift::progress::Silent;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::{Reader, Server};

/// A folder that is gone when the test ends.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The real data beside the project, or in `SEALIFT_TEST_DATA`; says so where it is missing.
pub fn data(file: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("SEALIFT_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
    };
    let path = folder.join(file);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {file} is not here (SEALIFT_TEST_DATA names the folder that holds it)");
    None
}

pub fn chinook() -> Model {
    Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chinook.toml")).unwrap()
}

pub fn octopus() -> Model {
    Model::octopus().unwrap()
}

pub fn key(byte: u8) -> MasterKey {
    // 16 bytes of one value, in base64.
    let text = match byte {
        1 => "AQEBAQEBAQEBAQEBAQEBAQ==",
        2 => "AgICAgICAgICAgICAgICAg==",
        _ => "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
    };
    MasterKey::from_base64(text).unwrap()
}

pub fn password() -> Password {
    Password::new("correct horse battery staple".to_owned()).unwrap()
}

pub fn empty_octopus(path: &Path) -> SqliteServer {
    SqliteServer::create(path, Schema::Ddl(sealift::model::OCTOPUS_SPACES_SQL)).unwrap()
}

/// An empty server with the tables of another.
pub fn empty_like(path: &Path, other: &Path) -> SqliteServer {
    let catalog = SqliteServer::open(other).unwrap().read().unwrap().catalog().clone();
    SqliteServer::create(path, Schema::Like(&catalog)).unwrap()
}

pub fn everything<'k>(master: Option<&'k MasterKey>) -> ExportOptions<'k> {
    ExportOptions::everything(ServerSecrets::Read(master))
}

pub fn project<'k>(name: &str, master: Option<&'k MasterKey>) -> ExportOptions<'k> {
    let root = Root::Named { kind: "Project".to_owned(), name: name.to_owned() };
    ExportOptions { roots: vec![root], ..everything(master) }
}

pub fn sealed() -> WriterOptions {
    let (envelope, key) = Envelope::create(&password(), KdfParams::MINIMUM).unwrap();
    WriterOptions { protection: Protection::Password { envelope, key }, ..WriterOptions::default() }
}

pub fn header(reader: &mut dyn Reader, model: &Model) -> Header {
    Header::new(model.name.clone(), model.digest, ops::product_version(reader, model).unwrap())
}

pub fn try_export(
    server: &Path,
    model: &Model,
    out: &Path,
    options: &ExportOptions<'_>,
    writer: WriterOptions,
) -> Result<ExportReport, ops::ExportError> {
    let mut server = SqliteServer::open(server).unwrap();
    let mut reader = server.read().unwrap();
    let header = header(&mut *reader, model);
    let writer = Writer::create(out, header, writer)?;
    ops::export(&mut *reader, model, writer, options, &Silent)
}

pub fn export(server: &Path, model: &Model, out: &Path, options: &ExportOptions<'_>) -> Summary {
    try_export(server, model, out, options, sealed()).unwrap().summary
}

pub fn open(path: &Path) -> Bundle {
    UncheckedBundle::open(path, &Limits::default()).unwrap().check(&Silent).unwrap()
}

pub fn unlock(bundle: &Bundle) -> Option<DataKey> {
    (bundle.info().sealed > 0).then(|| bundle.unlock(&password(), &KdfLimits::default()).unwrap())
}

pub fn overwrite() -> ImportOptions {
    ImportOptions { overwrite: true, ignore_version: true, ..ImportOptions::default() }
}

pub fn skip() -> ImportOptions {
    ImportOptions { ignore_version: true, ..ImportOptions::default() }
}

pub fn plan(
    bundle: &Path,
    server: &Path,
    model: &Model,
    master: Option<&MasterKey>,
    options: ImportOptions,
) -> Plan {
    let bundle = open(bundle);
    let key = unlock(&bundle);
    let seen = FingerprintKey::generate().unwrap();
    let keys = Keys { bundle: key.as_ref(), master, seen: &seen };
    let mut server = SqliteServer::open(server).unwrap();
    ops::plan(&bundle, &mut *server.read().unwrap(), model, keys, options, &Silent).unwrap()
}

pub fn try_import(
    bundle: &Path,
    server: &Path,
    model: &Model,
    master: Option<&MasterKey>,
    dry_run: bool,
    options: ImportOptions,
) -> Result<Outcome, ops::ImportError> {
    let bundle = open(bundle);
    let key = unlock(&bundle);
    let seen = FingerprintKey::generate().unwrap();
    let keys = Keys { bundle: key.as_ref(), master, seen: &seen };
    let mut server = SqliteServer::open(server).unwrap();
    let how = How { dry_run, ..How::default() };
    ops::import(&bundle, &mut server, model, keys, how, options, &Silent)
}

/// Imports and expects it to be written.
pub fn import(
    bundle: &Path,
    server: &Path,
    model: &Model,
    master: Option<&MasterKey>,
    options: ImportOptions,
) -> Plan {
    match try_import(bundle, server, model, master, false, options).unwrap() {
        Outcome::Applied(plan) => plan,
        other => panic!("not applied: {other:#?}"),
    }
}

/// Expects an import to have nothing to write, and the target to be the same bytes after it.
pub fn import_nothing(
    bundle: &Path,
    server: &Path,
    model: &Model,
    master: Option<&MasterKey>,
    options: ImportOptions,
) {
    let before = std::fs::read(server).unwrap();
    match try_import(bundle, server, model, master, false, options).unwrap() {
        Outcome::Nothing(_) => {}
        Outcome::Applied(plan) | Outcome::Refused(plan) => {
            let entries: Vec<_> = plan.entries.iter().filter(|e| e.action.writes()).take(3).collect();
            panic!("not empty: {entries:#?} {:#?}", plan.findings);
        }
        other => panic!("not empty: {other:#?}"),
    }
    assert!(before == std::fs::read(server).unwrap(), "an import of nothing changed the server's file");
}

/// Imports what must not be imported: every finding, and proof that nothing was written.
pub fn refused(bundle: &Path, target: &Path, model: &Model, options: ImportOptions) -> Vec<Finding> {
    let before = std::fs::read(target).unwrap();
    let planned = plan(bundle, target, model, Some(&key(2)), options.clone()).findings;
    let found = match try_import(bundle, target, model, Some(&key(2)), false, options).unwrap() {
        Outcome::Refused(plan) => plan.findings,
        other => panic!("not refused: {other:#?}"),
    };
    assert!(before == std::fs::read(target).unwrap(), "a refused import changed the server's file");
    assert_eq!(planned, found, "the plan and the import find the same");
    found
}
