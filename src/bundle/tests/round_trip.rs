//! What is written is read; the same content is the same bytes; nothing half-made is left.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::corpus::{columns, map, secret, small};
use super::*;
use crate::document::{Document, Key, SecretId};
use crate::progress::{Event, Progress};

#[test]
fn everything_comes_back() {
    let (_folder, path) = folder();
    let items = small();
    let summary = write(&path, &items, WriterOptions { protection: protection(), ..Default::default() });
    let bundle = open(&path).unwrap();
    let info = bundle.info();
    assert_eq!(info.header, header());
    assert_eq!((info.content_root, info.file_root), (summary.content_root, summary.file_root));
    assert_eq!((info.documents, info.secrets, info.sealed, info.slots), (25, 36, 24, 1));
    assert_eq!(info.file_bytes, std::fs::metadata(&path).unwrap().len());
    let kinds: Vec<_> = info.kinds.iter().map(|k| (k.name.as_str(), k.documents, k.sealed)).collect();
    assert_eq!(kinds, [("Certificate", 1, 0), ("Project", 12, 0), ("VariableSet", 12, 24)]);

    let key = bundle.unlock(&password(), &KdfLimits::default()).unwrap();
    for item in &items {
        let entry = bundle.find(item.document.kind.as_str(), &item.document.key).unwrap().unwrap();
        assert_eq!((&entry.id, &entry.reason), (&item.id, &reason_of(item)));
        let document = bundle.document(entry.number).unwrap();
        assert_eq!(document, item.document);
        let secrets = bundle.secrets(&entry, &document, &key).unwrap();
        let secrets: Vec<_> =
            secrets.iter().map(|s| s.as_ref().map(|s| s.expose_text().unwrap().to_owned())).collect();
        assert_eq!(secrets, item.secrets);
    }
    assert_eq!(bundle.find("Project", &Key::name("web 1")).unwrap(), None);
    assert_eq!(bundle.find("Nothing", &Key::name("Web 1")).unwrap(), None);
    assert!(bundle.document(0).unwrap_err().is_damage() && bundle.document(26).unwrap_err().is_damage());

    let mut seen = Vec::new();
    bundle
        .scan::<BundleError>(None, &mut |entry, document| {
            assert_eq!(bundle.entry(entry.number)?, entry);
            assert_eq!(bundle.document(entry.number)?, document);
            seen.push(entry.number);
            Ok(())
        })
        .unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=25).collect::<Vec<_>>());
    let mut names = Vec::new();
    bundle
        .entries::<BundleError>(Some("Project"), &mut |entry| {
            names.push(entry.key.to_text());
            Ok(())
        })
        .unwrap();
    assert!(names.len() == 12 && names.is_sorted());
    let report = report(&path, Some(&password())).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.level, report.secrets_opened, report.documents_whole), (Level::Opened, 24, 25));
}

/// A pack without a document that is wanted is not read: one that cannot be read stands in nobody's way.
#[test]
fn only_what_is_wanted_is_read() {
    let (_folder, path) = folder();
    write(&path, &small(), WriterOptions { protection: protection(), ..Default::default() });
    hostile::tamper(&path, "UPDATE packs SET hash = zeroblob(32) WHERE pack = 2");
    let bundle = open(&path).unwrap();
    let scan = |kind: Option<&str>, wanted: &dyn Fn(&Entry) -> bool| {
        let (mut shown, mut seen) = (Vec::new(), Vec::new());
        bundle
            .scan_where::<BundleError>(
                kind,
                &mut |entry| {
                    shown.push(entry.number);
                    Ok(wanted(entry))
                },
                &mut |entry, document| {
                    assert_eq!(
                        (&entry, &document),
                        (&bundle.entry(entry.number)?, &bundle.document(entry.number)?)
                    );
                    seen.push(entry.number);
                    Ok(())
                },
            )
            .map(|()| (shown, seen))
    };
    assert_eq!(scan(None, &|_| false).unwrap(), ((1..=25).collect(), Vec::new()));
    assert_eq!(scan(None, &|entry| entry.number == 20).unwrap(), ((1..=25).collect(), vec![20]));
    let some = |entry: &Entry| entry.number.is_multiple_of(5);
    assert_eq!(scan(Some("VariableSet"), &some).unwrap(), ((14..=25).collect(), vec![15, 20, 25]));
    assert_eq!(scan(Some("Nothing"), &|_| true).unwrap(), (Vec::new(), Vec::new()));
    assert!(scan(None, &|entry| entry.number == 2).unwrap_err().is_damage());
    assert!(scan(Some("Project"), &|_| true).unwrap_err().is_damage());
}

#[test]
fn an_empty_bundle_is_a_bundle() {
    let (_folder, path) = folder();
    write(&path, &[], WriterOptions::default());
    let bundle = open(&path).unwrap();
    assert_eq!((bundle.info().documents, bundle.info().packs), (0, 0));
    assert!(report(&path, None).unwrap().is_sound());
    assert!(matches!(bundle.unlock(&password(), &KdfLimits::default()), Err(BundleError::NoPassword { .. })));
}

/// Neither the order of adding nor the options that are no content move the content root; the same content and
/// options are the same bytes.
#[test]
fn the_same_is_the_same() {
    let (folder, path) = folder();
    let items = small();
    let first = write_masked(&path, &items, without_secrets());
    let bytes = std::fs::read(&path).unwrap();
    let mut shuffled = small();
    shuffled.reverse();
    shuffled.swap(3, 17);
    let other = folder.path().join("other");
    assert_eq!(write_masked(&other, &shuffled, without_secrets()), write_masked(&path, &items, forced()));
    assert_eq!(std::fs::read(&other).unwrap(), std::fs::read(&path).unwrap());
    assert_eq!(bytes, std::fs::read(&path).unwrap());

    let options = WriterOptions {
        force: true,
        level: 1,
        created: Some("2026-11-22T21:00:00Z".to_owned()),
        protection: protection(),
        previous: None,
        expected_root: None,
    };
    let third = write(&other, &items, options);
    assert_eq!(third.content_root, first.content_root);
    assert_ne!(third.file_root, first.file_root);
    assert_eq!(open(&other).unwrap().info().created.as_deref(), Some("2026-11-22T21:00:00Z"));

    let mut changed = small();
    changed[0].document.columns.insert("Name", "Other".into());
    assert_ne!(write_masked(&other, &changed, forced()).content_root, first.content_root);
}

fn without_secrets() -> WriterOptions {
    WriterOptions::default()
}

fn forced() -> WriterOptions {
    WriterOptions { force: true, ..Default::default() }
}

/// Without the secrets' values, as a bundle without a password is.
fn write_masked(out: &std::path::Path, items: &[Item], options: WriterOptions) -> Summary {
    let mut writer = Writer::create(out, header(), options).unwrap();
    for item in items {
        let none: Vec<_> = item.secrets.iter().map(|_| None).collect();
        writer.add(&item.document, &item.folded(), &item.id, &reason_of(item), &none).unwrap();
    }
    writer.finish(&Silent).unwrap()
}

#[test]
fn a_secret_needs_a_password() {
    let (folder, path) = folder();
    let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
    let item = small().remove(1);
    let result = writer.add(&item.document, &item.folded(), &item.id, &Reason::All, &item.values());
    assert!(matches!(result, Err(BundleError::Unprotected { .. })));
    let result = writer.add(&item.document, &item.folded(), &item.id, &Reason::All, &[]);
    assert!(matches!(result, Err(BundleError::Document { .. })));
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn unchanged_secrets_keep_their_bytes() {
    let (folder, path) = folder();
    let items = small();
    let first = write(&path, &items, WriterOptions { protection: protection(), ..Default::default() });
    let again = |out: &std::path::Path, items: &[Item]| {
        let bundle = open(&path).unwrap();
        let key = bundle.unlock(&password(), &KdfLimits::default()).unwrap();
        let spare = bundle.unlock(&password(), &KdfLimits::default()).unwrap();
        let protection = Protection::Password { envelope: bundle.envelope().unwrap().clone(), key };
        let previous = Some(Previous { bundle, key: spare });
        write(out, items, WriterOptions { force: true, protection, previous, ..Default::default() })
    };
    let other = folder.path().join("other");
    let second = again(&other, &items);
    assert_eq!((second.file_root, second.carried_over), (first.file_root, 24));
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&other).unwrap());

    // One secret changes, and one document changes around secrets that do not.
    let mut changed = small();
    changed[1].secrets[0] = Some("another".to_owned());
    changed[3].document.columns.insert("Added", Value::Int(1));
    changed[3].document.columns.insert("A secret before", Value::Secret(SecretId::UNKNOWN));
    changed[3].secrets.insert(0, None);
    let third = again(&other, &changed);
    assert_eq!(third.carried_over, 23);
    // Over itself, too.
    assert_eq!(again(&path, &items).file_root, first.file_root);

    // Under another envelope nothing is kept.
    let bundle = open(&path).unwrap();
    let key = bundle.unlock(&password(), &KdfLimits::default()).unwrap();
    let options = WriterOptions {
        force: true,
        protection: protection(),
        previous: Some(Previous { bundle, key }),
        ..Default::default()
    };
    assert_eq!(write(&other, &items, options).carried_over, 0);
}

#[test]
fn two_documents_of_one_name_are_refused() {
    for second in ["Web 0", "WEB 0 "] {
        let (folder, path) = folder();
        let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
        for name in ["Web 0", "Web 1", second] {
            let document = Document {
                kind: "Project".into_kind(),
                key: Key::name(name),
                columns: columns(vec![]),
                body: None,
            };
            let folded = document.key.folded(Default::default());
            writer.add(&document, &folded, &Value::Int(1), &Reason::All, &[]).unwrap();
        }
        let error = writer.finish(&Silent).unwrap_err();
        assert!(matches!(error, BundleError::DuplicateKey { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_is_there_stays_unless_forced() {
    let (folder, path) = folder();
    std::fs::write(&path, "precious").unwrap();
    let error = Writer::create(&path, header(), WriterOptions::default()).unwrap_err();
    assert!(matches!(error, BundleError::Exists { .. }));
    let nowhere = folder.path().join("missing").join("b");
    let error = Writer::create(&nowhere, header(), WriterOptions::default()).unwrap_err();
    assert!(matches!(error, BundleError::NoFolder { .. }));
    let writer = Writer::create(&path, header(), forced()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // Somebody else is quicker: their file stays.
    let late = folder.path().join("late");
    let writer = Writer::create(&late, header(), WriterOptions::default()).unwrap();
    std::fs::write(&late, "theirs").unwrap();
    assert!(matches!(writer.finish(&Silent), Err(BundleError::Exists { .. })));
    assert_eq!(std::fs::read(&late).unwrap(), b"theirs");
}

#[test]
fn a_cancelled_writer_leaves_nothing() {
    let (folder, path) = folder();
    let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
    let item = small().remove(0);
    writer.add(&item.document, &item.folded(), &item.id, &Reason::All, &[]).unwrap();
    let progress = crate::progress::Recording::default();
    progress.cancel();
    assert!(matches!(writer.finish(&progress), Err(BundleError::Cancelled(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The spool, while it exists, is nobody else's to read, and no secret is in it.
#[cfg(unix)]
#[test]
fn the_spool_is_private_and_holds_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = folder();
    let options = WriterOptions { protection: protection(), ..Default::default() };
    let mut writer = Writer::create(&path, header(), options).unwrap();
    for n in 0..200 {
        let document = Document {
            kind: "Account".into_kind(),
            key: Key::name(&format!("account {n}")),
            columns: columns(vec![("Password", Value::Secret(SecretId::UNKNOWN))]),
            body: Some("x".repeat(5000).into()),
        };
        let folded = document.key.folded(Default::default());
        writer.add(&document, &folded, &Value::Null, &Reason::All, &[secret("hunter2 hunter2")]).unwrap();
    }
    let spool = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spool), 0o700);
    let mut bytes = 0;
    for file in std::fs::read_dir(&spool).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600);
        let content = std::fs::read(file).unwrap();
        bytes += content.len();
        assert!(!content.windows(7).any(|w| w == b"hunter2"));
    }
    assert!(bytes > 500_000, "the spool is on disk");
    writer.finish(&Silent).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(!std::fs::read(&path).unwrap().windows(7).any(|w| w == b"hunter2"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    // /dev/full cannot hold a folder; the error's way is what can be tested everywhere.
    let path = std::path::Path::new("/dev/full");
    let mut full = std::fs::File::options().write(true).open(path).unwrap();
    let error = std::io::Write::write_all(&mut full, b"x").unwrap_err();
    assert!(matches!(BundleError::io(path, "write")(error), BundleError::DiskFull { .. }));
    let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
    assert!(matches!(BundleError::sql(path, "write")(full), BundleError::DiskFull { .. }));
}

#[test]
fn notices_are_sorted_and_said_once() {
    let (_folder, path) = folder();
    let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
    let unknown = || Notice::about("unknown-table", "Extra", "12 rows".to_owned());
    writer.notice(unknown()).unwrap();
    let dangling =
        Notice::at("dangling", &"Project".into_kind(), &Key::name("Web"), "$.X", "names nothing".to_owned());
    writer.notice(dangling.clone()).unwrap();
    writer.notice(unknown()).unwrap();
    writer.finish(&Silent).unwrap();
    assert_eq!(open(&path).unwrap().notices().unwrap(), [dangling, unknown()]);
}

#[test]
fn a_large_document_has_a_pack_of_its_own() {
    let (_folder, path) = folder();
    let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
    for (name, size) in [("a", 10), ("big", 9_000_000), ("c", 10)] {
        let document = Document {
            kind: "Blob".into_kind(),
            key: Key::name(name),
            columns: columns(vec![]),
            body: Some(map(vec![("text", name.repeat(size).into())])),
        };
        writer.add(&document, name, &Value::Null, &Reason::All, &[]).unwrap();
    }
    writer.finish(&Silent).unwrap();
    let bundle = open(&path).unwrap();
    // The two small ones are alike and share the other.
    assert_eq!(bundle.info().packs, 2);
    let entry = bundle.find("Blob", &Key::name("big")).unwrap().unwrap();
    let document = bundle.document(entry.number).unwrap();
    assert_eq!(document.body, Some(map(vec![("text", "big".repeat(9_000_000).into())])));
    assert!(report(&path, None).unwrap().is_sound());
}

/// Lets work use so many threads.
struct Threads(usize);

impl Progress for Threads {
    fn event(&self, _: Event) {}

    fn threads(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.0).unwrap()
    }
}

/// Many packs, and among them one that is too large to be held beside others.
#[test]
fn the_number_of_threads_does_not_show() {
    let (folder, _) = folder();
    let mut items = Vec::new();
    super::corpus::server(40, &mut |item| items.push(item));
    let mut files = Vec::new();
    for threads in [1, 2, 4, 7] {
        let path = folder.path().join(threads.to_string());
        let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
        for (n, item) in items.iter().enumerate() {
            let key = Key::name(&n.to_string());
            let body = (n == 1000).then(|| map(vec![("text", "large ".repeat(1 << 20).into())]));
            let document = Document { kind: "Blob".into_kind(), key, columns: columns(vec![]), body };
            let document = if n == 1000 { &document } else { &item.document };
            let values: Vec<_> = document.secret_places().iter().map(|_| None).collect();
            writer.add(document, &document.key.to_text(), &item.id, &Reason::All, &values).unwrap();
        }
        let summary = writer.finish(&Threads(threads)).unwrap();
        assert!(open(&path).unwrap().info().packs > 10);
        files.push((threads, summary, std::fs::read(&path).unwrap()));
    }
    let [(_, first, bytes), others @ ..] = files.as_slice() else { panic!() };
    for (threads, summary, others) in others {
        assert!((summary, others) == (first, bytes), "{threads} threads");
    }
}

/// Many chunks and packs, in the shape of a server: nothing is lost between them.
#[test]
fn a_server_goes_in_and_comes_out() {
    let (_folder, path) = folder();
    let mut items = Vec::new();
    corpus::server(25, &mut |item| items.push(item));
    write(&path, &items, WriterOptions { protection: protection(), ..Default::default() });
    let bundle = open(&path).unwrap();
    assert!(bundle.info().chunks == 3 && bundle.info().packs > 9);
    for item in &items {
        let entry = bundle.find(item.document.kind.as_str(), &item.document.key).unwrap().unwrap();
        assert_eq!(bundle.document(entry.number).unwrap(), item.document);
    }
    let mut last: Option<(String, String)> = None;
    bundle
        .entries::<BundleError>(None, &mut |entry| {
            let name = Some((entry.kind.to_string(), entry.key.to_text()));
            assert!(last < name);
            last = name;
            Ok(())
        })
        .unwrap();
    assert!(report(&path, Some(&password())).unwrap().is_sound());

    // The promise to whoever has only the sqlite3 shell.
    let db = rusqlite::Connection::open(&path).unwrap();
    let (kind, name, key): (String, String, String) = db
        .query_row(
            "SELECT kind, name, key FROM document_names WHERE kind = 'VariableSet' AND name = 'set 7'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((kind.as_str(), name.as_str()), ("VariableSet", "set 7"));
    let found = bundle.find(&kind, &Key::parse(&key).unwrap()).unwrap().unwrap();
    let sealed: i64 = db
        .query_row("SELECT coalesce((SELECT sealed FROM sealed_counts WHERE key = ?1), 0)", [&key], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(sealed, i64::from(found.secrets));
    let kinds: i64 = db.query_row("SELECT sum(documents) FROM kind_counts", [], |row| row.get(0)).unwrap();
    assert_eq!(kinds, 2500);
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".{0,6}".prop_map(Value::Text),
        "[A-Za-z\"? ]{1,5}".prop_map(|kind| corpus::reference(&kind, Key::name("x"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever the writer takes, the reader gives back; what it does not take it refuses by name.
    #[test]
    fn added_is_found(
        documents in proptest::collection::vec(
            ("[A-C]", proptest::collection::vec(scalar(), 0..4), proptest::collection::vec((".{0,4}", scalar()), 0..5), proptest::option::of(scalar())),
            0..30,
        )
    ) {
        let (_folder, path) = folder();
        let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
        let mut taken: std::collections::BTreeMap<(String, String), Document> = Default::default();
        for (kind, key, pairs, body) in documents {
            let mut columns = crate::document::Map::new();
            for (name, value) in pairs {
                columns.insert(name, value);
            }
            let document = Document { kind: kind.as_str().into_kind(), key: Key::new(key).unwrap(), columns, body };
            let name = (kind, document.key.to_text());
            if taken.contains_key(&name) {
                continue;
            }
            match writer.add(&document, &name.1, &Value::Null, &Reason::All, &[]) {
                Ok(()) => { taken.insert(name, document); }
                Err(BundleError::Document { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        writer.finish(&Silent).unwrap();
        let bundle = open(&path).unwrap();
        prop_assert_eq!(bundle.info().documents as usize, taken.len());
        for (number, ((kind, _), document)) in taken.iter().enumerate() {
            let entry = bundle.find(kind, &document.key).unwrap().unwrap();
            prop_assert_eq!(entry.number, number as u64 + 1);
            prop_assert_eq!(&bundle.document(entry.number).unwrap(), document);
        }
        prop_assert!(report(&path, None).unwrap().is_sound());
    }
}
