//! Damage: whatever becomes of a bundle's bytes is found, and what is whole of it is saved, and nothing else.
//!
//! Files that somebody made on purpose, with every hash right, are vectors (`format-spec/vectors`); here are the
//! accidents, and what is left after either.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "damage/bytes.rs"]
mod bytes;
#[path = "damage/command.rs"]
mod command;
#[path = "damage/malice.rs"]
mod malice;
#[path = "damage/saved.rs"]
mod saved;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sealift::bundle::{
    self, Bundle, BundleError, Header, Limits, Notice, Protection, Reason, Report, UncheckedBundle, Writer,
    WriterOptions,
};
use sealift::crypto::{Envelope, KdfLimits, KdfParams, Password, SecretBytes};
use sealift::document::{Document, Key, KindName, Map, Reference, SecretId, Value};
use sealift::ops::{self, Salvage, SalvageError, SalvageOptions};
use sealift::progress::Silent;

const PASSWORD: &str = "correct horse battery staple";

fn password() -> Password {
    Password::new(PASSWORD.to_owned()).unwrap()
}

fn header() -> Header {
    Header::new("octopus".to_owned(), [7; 32], Some("2018.7.10".to_owned()))
}

/// Numbers that are the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from((self.next() >> 11) % most as u64).unwrap()
    }
}

fn map(pairs: Vec<(&str, Value)>) -> Map {
    Map::from_pairs(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).unwrap()
}

/// Everything that a bundle says of a document, with its secrets opened.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    document: Document,
    id: Value,
    reason: Reason,
    secrets: Vec<Option<String>>,
}

type Contents = BTreeMap<(String, String), Told>;

fn contents(bundle: &Bundle) -> Contents {
    let key =
        (bundle.envelope().is_some()).then(|| bundle.unlock(&password(), &KdfLimits::default()).unwrap());
    let mut contents = Contents::new();
    bundle
        .scan::<BundleError>(None, &mut |entry, document| {
            let secrets = match &key {
                Some(key) => bundle.secrets(&entry, &document, key)?,
                None => document.secret_places().iter().map(|_| None).collect(),
            };
            let secrets =
                secrets.iter().map(|s| s.as_ref().map(|s| s.expose_text().unwrap().to_owned())).collect();
            let name = (entry.kind.as_str().to_owned(), entry.key.to_text());
            contents.insert(name, Told { document, id: entry.id, reason: entry.reason, secrets });
            Ok(())
        })
        .unwrap();
    contents
}

/// A bundle, its bytes and what it holds.
struct Sample {
    bytes: Vec<u8>,
    contents: Contents,
}

/// Thirty documents of three kinds, a third of them with secrets, and notices.
fn small() -> &'static Sample {
    static SMALL: OnceLock<Sample> = OnceLock::new();
    SMALL.get_or_init(|| {
        let (_folder, path) = folder();
        write_small(&path, "");
        sample(&path)
    })
}

fn sample(path: &Path) -> Sample {
    Sample { bytes: std::fs::read(path).unwrap(), contents: contents(&open(path).unwrap()) }
}

fn write_small(path: &Path, more: &str) {
    let (envelope, key) = Envelope::create(&password(), KdfParams::MINIMUM).unwrap();
    let options =
        WriterOptions { protection: Protection::Password { envelope, key }, ..WriterOptions::default() };
    let mut writer = Writer::create(path, header(), options).unwrap();
    let mut add = |kind: &str, key: Key, pairs, id: Value, reason, secrets: &[Option<SecretBytes>]| {
        let document = Document { kind: KindName::new(kind), key, columns: map(pairs), body: None };
        let folded = document.key.folded(Default::default());
        writer.add(&document, &folded, &id, &reason, secrets).unwrap();
    };
    for n in 0..10i64 {
        let name = format!("Web {n}{more}");
        let project =
            Value::Ref(Box::new(Reference { kind: KindName::new("Project"), key: Key::name(&name) }));
        let own = vec![("Name", name.as_str().into()), ("Text", format!("{n} and more").repeat(7).into())];
        add("Project", Key::name(&name), own, format!("Projects-{n}").into(), Reason::Named, &[]);
        let reason = Reason::NeededBy {
            kind: KindName::new("Project"),
            key: Key::name(&name),
            place: "$.EnvironmentId".to_owned(),
        };
        let own = vec![("Number", Value::Int(n))];
        add("Environment", Key::name(&format!("Stage {n}")), own, Value::Int(n), reason, &[]);
        let secret = || Value::Secret(SecretId::UNKNOWN);
        let own = vec![("Password", secret()), ("Token", secret()), ("Unset", secret())];
        let values =
            [Some(SecretBytes::from(format!("password {n}"))), Some(SecretBytes::from(String::new())), None];
        let key = Key::new(vec![project]).unwrap();
        add("VariableSet", key, own, format!("variableset-{n}").into(), Reason::All, &values);
    }
    for n in 0..3 {
        writer.notice(Notice::about("dangling", "Project", format!("notice {n}"))).unwrap();
    }
    writer.finish(&Silent).unwrap();
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.sealift");
    (folder, path)
}

fn open(path: &Path) -> Result<Bundle, BundleError> {
    UncheckedBundle::open(path, &Limits::default())?.check(&Silent)
}

fn verify(path: &Path, password: Option<&Password>) -> Result<Report, BundleError> {
    bundle::verify(path, password, &Limits::default(), &KdfLimits::default(), &Silent)
}

/// Whether verification, without a password, finds something wrong.
fn found(path: &Path) -> bool {
    match verify(path, None) {
        Ok(report) => {
            let kinds: u64 = report.kinds.iter().map(|k| k.whole + k.uncertain + k.damaged).sum();
            assert!(report.kinds.is_empty() || kinds == report.documents, "{report:?}");
            assert!(report.documents_whole <= report.documents, "{report:?}");
            !report.is_sound()
        }
        // What the file is taken for instead must be said of the file, not of the machine.
        Err(BundleError::NotABundle { .. } | BundleError::TooNew { .. } | BundleError::Feature { .. }) => {
            true
        }
        Err(error) => panic!("{error}"),
    }
}

fn options<'p>(password: Option<&'p Password>, uncertain: bool) -> SalvageOptions<'p> {
    SalvageOptions {
        uncertain,
        secrets: true,
        password,
        header: header(),
        force: true,
        limits: Limits::default(),
        kdf: KdfLimits::default(),
        expected_root: None,
    }
}

fn salvage(path: &Path, out: &Path, options: &SalvageOptions<'_>) -> Result<Salvage, SalvageError> {
    ops::salvage(path, out, options, &Silent)
}

/// Runs pieces of work on both halves of a range at once, each with a folder of its own.
fn halves(count: usize, work: impl Fn(usize, &Path) + Sync) {
    std::thread::scope(|scope| {
        for half in 0..2 {
            let work = &work;
            scope.spawn(move || {
                let (_folder, path) = folder();
                for n in (0..count).filter(|n| n % 2 == half) {
                    work(n, &path);
                }
            });
        }
    });
}
