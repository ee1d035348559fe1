//! What must hold of bundles: that they come back, that they repeat, and that no change to one passes.

mod carried;
mod corpus;
mod hostile;
mod round_trip;
mod speed;

use std::path::{Path, PathBuf};

use crate::crypto::{Envelope, KdfLimits, KdfParams, Password};
use crate::document::Value;
use crate::progress::Silent;

use super::*;
use corpus::Item;

const PASSWORD: &str = "correct horse";

fn password() -> Password {
    Password::new(PASSWORD.to_owned()).unwrap()
}

fn protection() -> Protection {
    let (envelope, key) = Envelope::create(&password(), KdfParams::MINIMUM).unwrap();
    Protection::Password { envelope, key }
}

fn header() -> Header {
    let mut header = Header::new("octopus".to_owned(), [7; 32], Some("2018.7.10".to_owned()));
    header.server = Some("the old one".to_owned());
    header
}

fn write(out: &Path, items: &[Item], options: WriterOptions) -> Summary {
    let mut writer = Writer::create(out, header(), options).unwrap();
    for item in items {
        let reason = reason_of(item);
        writer.add(&item.document, &item.folded(), &item.id, &reason, &item.values()).unwrap();
    }
    writer.finish(&Silent).unwrap()
}

fn reason_of(item: &Item) -> Reason {
    match &item.id {
        Value::Null => Reason::Named,
        Value::Int(_) => Reason::BelongsTo {
            kind: "Project".into_kind(),
            key: crate::document::Key::name("Web"),
            place: "OwnerId".to_owned(),
        },
        _ => Reason::All,
    }
}

trait IntoKind {
    fn into_kind(self) -> crate::document::KindName;
}

impl IntoKind for &str {
    fn into_kind(self) -> crate::document::KindName {
        crate::document::KindName::new(self)
    }
}

fn open(path: &Path) -> Result<Bundle, BundleError> {
    UncheckedBundle::open(path, &Limits::default())?.check(&Silent)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a bundle?.sealift");
    (folder, path)
}

fn report(path: &Path, password: Option<&Password>) -> Result<Report, BundleError> {
    verify(path, password, &Limits::default(), &KdfLimits::default(), &Silent)
}
