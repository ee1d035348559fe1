//! Bundles from elsewhere: what opens is read to the end, what is sound says so, and what is not never is.
//!
//! An input is a script: changes of a small valid bundle at the level of its documents, its packs and chunks, its
//! rows or its bytes. Hashes and the file root are computed anew, as anybody can, so that a change comes to the
//! reader that is to judge it. The bundle is written by the writer of the formats' vectors, not by the library.

use std::cell::RefCell;
use std::path::Path;
use std::sync::OnceLock;

use sealift::bundle::{
    Bundle, BundleError, Entry, Header, Level, Limits, Report, UncheckedBundle, Writer, WriterOptions, verify,
};
use sealift::crypto::{self, DataKey, KdfLimits, Password};
use sealift::document::{Document, Key, KindName, Value, canonical};
use sealift::ops::{Salvage, SalvageError, SalvageOptions, salvage};
use sealift::progress::Silent;

use super::feed::Feed;
use super::vectors::build::{self, Cell, Doc, Layout, Tables, lay_out, seal, stored_hash, tables, try_store};
use super::vectors::pack;
use super::vectors::sealing::{Envelope, PASSWORD};

/// What opening a bundle may cost: one cheap derivation.
const KDF: KdfLimits = KdfLimits { memory_kib: 8 * 1024, passes: 1, lanes: 1, work_kib: 8 * 1024 };
const LIMITS: Limits = Limits::FORMAT_1;

/// What is done with a file beside opening, verifying and reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    Read,
    WriteAnew,
    Unlock,
}

/// Any bytes, as a script or, where they say so, as a file.
pub fn holds(bytes: &[u8]) {
    thread_local! {
        static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().unwrap());
    }
    FOLDER.with_borrow(|folder| {
        let mut feed = Feed::new(bytes);
        // Deriving a key takes as long as all the rest together many times over.
        let effort = match feed.byte() {
            0..0xc0 => Effort::Read,
            0xc0..0xfe => Effort::WriteAnew,
            _ => Effort::Unlock,
        };
        if let Some(file) = script(&mut feed, folder.path()) {
            let path = folder.path().join("a.sealift");
            std::fs::write(&path, file).unwrap();
            judge(&path, folder.path(), effort);
        }
    });
}

fn doc(kind: &str, key: [&str; 3], canonical: Vec<u8>, secrets: Vec<(String, Option<String>)>) -> Doc {
    let [head, name, tail] = key.map(str::to_owned);
    let id = (2, format!("{kind}s-1").into_bytes());
    Doc { kind: kind.to_owned(), key: (head, name, tail), canonical, id, reason: vec![0], secrets }
}

/// Two kinds, keys in two scopes, secrets with and without a value, every tag of an id and of a reason.
fn documents() -> Vec<Doc> {
    let named = |name| pack::list(&[pack::map(&[("Name", pack::text(name))])]);
    let secret = pack::list(&[
        pack::map(&[("Password", pack::secret())]),
        pack::map(&[("a", pack::list(&[pack::secret(), pack::reference("Env", &[pack::text("Test")])]))]),
    ]);
    let values = vec![("Password".to_owned(), Some("secret".to_owned())), ("$.a[0]".to_owned(), None)];
    let mut docs = vec![
        doc("Env", ["[", "\"Production\"", "]"], named("Production"), vec![]),
        doc("Env", ["[", "\"Test\"", "]"], named("Test"), vec![]),
        doc("Project", ["[", "\"Web\"", "]"], secret, values),
        doc("Project", ["[{\"Space\":[\"A\"]},", "\"Web\"", "]"], named("Web"), vec![]),
    ];
    docs[1].id = (1, b"17".to_vec());
    docs[2].id = (0, Vec::new());
    docs[2].reason = vec![1];
    docs[3].reason =
        [vec![2], pack::bytes(b"Project"), pack::bytes(b"[\"Web\"]"), pack::bytes(b"$.Env")].concat();
    docs
}

/// A document of the library's own making, with its secrets, none of which has a value.
fn write(into: &mut Doc, feed: &mut Feed<'_>) {
    let document = feed.document();
    into.canonical = canonical::encode(&document).unwrap();
    into.secrets = document.secret_places().iter().map(|place| (place.to_string(), None)).collect();
}

fn splice(bytes: &mut Vec<u8>, feed: &mut Feed<'_>) {
    let at = feed.below(bytes.len() + 1);
    let end = (at + feed.below(5)).min(bytes.len());
    let new = match feed.below(2) {
        0 => vec![feed.byte()],
        _ => feed.bytes().to_vec(),
    };
    bytes.splice(at..end, new);
}

/// Changes a number where it is spelled in a pack or a chunk.
fn renumber(layout: &mut Layout, feed: &mut Feed<'_>) {
    let number = pack::varint(if feed.below(2) == 0 { feed.below(6) as u64 } else { feed.int64() as u64 });
    let which = feed.below(10);
    if let Some(pack) = pick(&mut layout.packs, feed) {
        match which {
            0 => pack.count = number,
            1 => drop(pick(&mut pack.numbers, feed).map(|n| *n = number)),
            2 => drop(pick(&mut pack.lengths, feed).map(|n| *n = number)),
            3 => pack.declared = feed.int64(),
            _ => {
                if let Some(chunk) = pick(&mut layout.chunks, feed) {
                    match which {
                        4 => drop(pick(&mut chunk.packs, feed).map(|n| *n = number)),
                        5 => drop(pick(&mut chunk.slots, feed).map(|n| *n = number)),
                        6 => drop(pick(&mut chunk.secrets, feed).map(|n| *n = number)),
                        7 => drop(pick(&mut chunk.lengths, feed).map(|n| *n = number)),
                        8 => drop(pick(&mut chunk.which, feed).map(|n| *n = number)),
                        _ => drop(pick(&mut chunk.tags, feed).map(|n| *n = number[0])),
                    }
                }
            }
        }
    }
}

fn pick<'t, T>(of: &'t mut [T], feed: &mut Feed<'_>) -> Option<&'t mut T> {
    let at = feed.below(of.len());
    of.get_mut(at)
}

fn cell(old: &Cell, feed: &mut Feed<'_>) -> Cell {
    match (feed.below(6), old) {
        (0, Cell::Integer(old)) => Cell::Integer(old.wrapping_add(feed.int64())),
        (0 | 1, Cell::Blob(old)) => {
            let mut new = old.clone();
            splice(&mut new, feed);
            Cell::Blob(new)
        }
        (0 | 1, Cell::Text(old)) => {
            let mut new = old.clone().into_bytes();
            splice(&mut new, feed);
            Cell::Text(String::from_utf8_lossy(&new).into_owned())
        }
        (1 | 2, _) => Cell::Integer(feed.int64()),
        (3, _) => Cell::Text(feed.text()),
        (4, _) => Cell::Blob(feed.bytes().to_vec()),
        _ => Cell::Null,
    }
}

fn change_rows(tables: &mut Tables, feed: &mut Feed<'_>) {
    // Not `seal`: its row is written over when the root is computed.
    let count = tables.rows.len() - 1;
    let rows = &mut tables.rows[feed.below(count)].1;
    match (feed.below(8), rows.len()) {
        (0, 1..) => drop(rows.remove(feed.below(rows.len()))),
        (1, 1..) => {
            let mut row = rows[feed.below(rows.len())].clone();
            row[0] = cell(&row[0], feed);
            rows.push(row);
        }
        (2, 0) => {
            let (code, text) = (build::word(&feed.text()), build::word(&feed.text()));
            rows.push(vec![build::int(1), code, Cell::Null, Cell::Null, Cell::Null, text]);
        }
        (_, 1..) => {
            let at = feed.below(rows.len());
            let column = feed.below(rows[at].len());
            rows[at][column] = cell(&rows[at][column], feed);
        }
        _ => {}
    }
}

fn blob_at(row: &[Cell], column: usize) -> Vec<u8> {
    match row.get(column) {
        Some(Cell::Blob(bytes)) => bytes.clone(),
        _ => Vec::new(),
    }
}

/// Changes what a pack or a chunk holds when it is decompressed, and the hash that goes with it.
fn change_raw(tables: &mut Tables, feed: &mut Feed<'_>) {
    let (table, data, ids) = if feed.below(2) == 0 { ("packs", 4, 5) } else { ("chunks", 5, 6) };
    let rows = tables.table(table);
    let at = feed.below(rows.len());
    let Some(row) = rows.get_mut(at) else { return };
    let Ok(mut raw) = zstd::decode_all(&blob_at(row, data)[..]) else { return };
    splice(&mut raw, feed);
    let stored = pack::zstd(&raw);
    row[data - 2] = build::int(raw.len());
    row[data - 1] = Cell::Blob(match table {
        "packs" => stored_hash(&[&stored]),
        _ => stored_hash(&[&stored, &blob_at(row, ids)]),
    });
    row[data] = Cell::Blob(stored);
}

/// Makes a file of a script; none where the engine would not store what the script asks for.
fn script(feed: &mut Feed<'_>, folder: &Path) -> Option<Vec<u8>> {
    match feed.below(16) {
        0 => {
            let mut file = feed.rest().to_vec();
            let usual = usual(folder);
            let len = file.len().min(100);
            // Behind a header that is as it should be, or as it comes.
            if file.first() == Some(&b'=') {
                file[..len].copy_from_slice(&usual[..len]);
            }
            return Some(file);
        }
        1..=4 => {
            let mut file = usual(folder).to_vec();
            for _ in 0..1 + feed.below(4) {
                let at = feed.int16() % file.len();
                let new = feed.bytes();
                let end = (at + new.len()).min(file.len());
                file[at..end].copy_from_slice(&new[..end - at]);
            }
            if feed.below(8) != 7 {
                seal(&mut file);
            }
            return Some(file);
        }
        _ => {}
    }
    let mut docs = documents();
    for _ in 0..feed.below(3) {
        let at = feed.below(docs.len());
        match feed.below(5) {
            0 => write(&mut docs[at], feed),
            1 => splice(&mut docs[at].canonical, feed),
            2 => {
                let mut new = docs[at].clone();
                // Or a second document of the same name.
                if feed.below(4) != 3 {
                    new.key.1 = serde_json::Value::from(feed.text()).to_string();
                }
                docs.insert(at + 1, new);
            }
            3 => splice(&mut docs[at].reason, feed),
            _ => splice(&mut docs[at].id.1, feed),
        }
    }
    if feed.below(4) != 3 {
        docs.sort_by_key(|doc| (doc.kind.clone(), doc.key_text()));
    }
    let mut layout = lay_out(&docs);
    for _ in 0..feed.below(3) {
        renumber(&mut layout, feed);
    }
    let mut tables = tables(&docs, &layout, Some(&Envelope::usual()));
    for _ in 0..feed.below(3) {
        change_raw(&mut tables, feed);
    }
    for _ in 0..feed.below(3) {
        change_rows(&mut tables, feed);
    }
    let building = folder.join("building");
    let stored = try_store(&tables, folder);
    if building.exists() {
        std::fs::remove_file(building).unwrap();
    }
    let mut file = stored.ok()?;
    seal(&mut file);
    Some(file)
}

fn usual(folder: &Path) -> &'static [u8] {
    static USUAL: OnceLock<Vec<u8>> = OnceLock::new();
    USUAL.get_or_init(|| {
        let docs = documents();
        let mut file = try_store(&tables(&docs, &lay_out(&docs), Some(&Envelope::usual())), folder).unwrap();
        seal(&mut file);
        file
    })
}

fn password() -> Password {
    Password::new(PASSWORD.to_owned()).unwrap()
}

/// The key of the usual envelope, unlocked once.
fn key() -> &'static DataKey {
    static KEY: OnceLock<DataKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let made = Envelope::usual();
        let slots = made.slots.iter().map(|slot| crypto::Slot {
            kdf: crypto::KdfParams { memory_kib: slot.memory_kib, passes: slot.passes, lanes: slot.lanes },
            salt: slot.salt.as_slice().try_into().unwrap(),
            nonce: slot.nonce.as_slice().try_into().unwrap(),
            wrapped: slot.wrapped.as_slice().try_into().unwrap(),
        });
        let (slots, scope) = (slots.collect(), made.scope);
        let commitment = made.commitment.as_slice().try_into().unwrap();
        crypto::Envelope { scope, slots, commitment }.open(&password(), &KDF).unwrap()
    })
}

/// Opens, verifies and reads a file, and holds what they say against each other.
fn judge(path: &Path, folder: &Path, effort: Effort) {
    let opened = UncheckedBundle::open(path, &LIMITS).and_then(|bundle| bundle.check(&Silent));
    let report = verify(path, None, &LIMITS, &KDF, &Silent);
    let (bundle, report) = match (opened, report) {
        (Err(refused), Ok(report)) => {
            assert!(!report.is_sound(), "sound, but it does not open: {refused}");
            return;
        }
        (Err(refused), Err(failed)) => {
            assert_eq!(refused.to_string(), failed.to_string());
            return;
        }
        (Ok(_), Err(failed)) => panic!("it opens and cannot be verified: {failed}"),
        (Ok(bundle), Ok(report)) => (bundle, report),
    };
    assert_eq!(report.file_root, Some(bundle.info().file_root));
    assert!(report.findings.iter().all(|finding| finding.place != "file root"), "{:?}", report.findings);
    let read = read(&bundle);
    if report.is_sound() {
        let documents = read.unwrap_or_else(|error| panic!("sound, but: {error}"));
        sound(&bundle, &report, &documents);
        if effort == Effort::WriteAnew {
            write_anew(&bundle, &documents, folder);
        }
    } else {
        let whole: u64 = report.kinds.iter().map(|kind| kind.whole).sum();
        assert_eq!(whole, report.documents_whole);
        salvaged(path, folder, &report);
    }
    if effort == Effort::Unlock {
        with_password(path, &bundle, &report);
    }
}

/// What is whole of a damaged bundle makes a sound one, and nothing else is in it.
fn salvaged(path: &Path, folder: &Path, report: &Report) {
    let out = folder.join("salvaged.sealift");
    let options = SalvageOptions {
        uncertain: false,
        secrets: true,
        password: None,
        header: Header::default(),
        force: true,
        limits: LIMITS,
        kdf: KDF,
        expected_root: None,
    };
    match salvage(path, &out, &options, &Silent) {
        Ok(Salvage::Sound) => panic!("not sound, but nothing to salvage"),
        Ok(Salvage::Written(_)) => {
            let again = verify(&out, None, &LIMITS, &KDF, &Silent).expect("what was written is a bundle");
            assert!(again.is_sound(), "{:?}", again.findings);
            // The content of a document is taken without a sealed value that is damaged.
            let without =
                report.lost.iter().filter(|lost| lost.problem.contains("a sealed value")).count() as u64;
            let most = report.documents_whole + without + report.lost_unlisted;
            assert!(again.documents <= most, "{:?}\n{:?}\n{:?}", again.kinds, report.kinds, report.findings);
        }
        Err(SalvageError::NothingWhole { .. }) => assert_eq!(report.documents_whole, 0),
        // What can be read but not written: a limit.
        Err(SalvageError::Bundle(error)) => drop(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

type Read = Vec<(Entry, Document)>;

/// Reads all there is, in every way there is.
fn read(bundle: &Bundle) -> Result<Read, BundleError> {
    let mut first = None;
    let mut keep = |result: Result<(), BundleError>| {
        if let Err(error) = result {
            first.get_or_insert(error);
        }
    };
    keep(bundle.coverage().map(|coverage| assert_eq!(coverage.len() as u64, bundle.info().coverage)));
    keep(bundle.notices().map(|notices| assert_eq!(notices.len() as u64, bundle.info().notices)));
    let mut scanned: Read = Vec::new();
    keep(bundle.scan(None, &mut |entry, document| {
        scanned.push((entry, document));
        Ok(())
    }));
    let mut entries = Vec::new();
    keep(bundle.entries(None, &mut |entry| {
        entries.push(entry);
        Ok(())
    }));
    for kind in &bundle.info().kinds {
        keep(bundle.scan(Some(&kind.name), &mut |_, _| Ok(())));
        keep(bundle.entries(Some(&kind.name), &mut |_| Ok(())));
    }
    let mut documents = Vec::new();
    for entry in entries {
        keep(bundle.find(entry.kind.as_str(), &entry.key).map(drop));
        match bundle.document(entry.number) {
            Ok(document) => {
                match bundle.secrets(&entry, &document, key()) {
                    // That a value does not open the format leaves to the password.
                    Err(error) if error.to_string().contains("was moved here") => {}
                    secrets => keep(secrets.map(drop)),
                }
                documents.push((entry, document));
            }
            Err(error) => keep(Err(error)),
        }
    }
    for number in [0, bundle.info().documents + 1, u64::MAX] {
        assert!(bundle.document(number).is_err_and(|error| error.is_damage()));
    }
    match first {
        Some(error) => Err(error),
        None => {
            scanned.sort_by_key(|(entry, _)| entry.number);
            assert_eq!(scanned, documents, "two ways of reading agree");
            Ok(documents)
        }
    }
}

/// What holds of a bundle in which nothing is wrong.
fn sound(bundle: &Bundle, report: &Report, documents: &Read) {
    let info = bundle.info();
    assert_eq!(documents.len() as u64, info.documents);
    assert_eq!((report.documents, report.documents_whole), (info.documents, info.documents));
    assert!(report.lost.is_empty() && report.level == Level::Sealed);
    assert_eq!(report.content_root, Some(info.content_root));
    let mut last: Option<(KindName, String)> = None;
    let mut secrets = 0;
    for (entry, document) in documents {
        let found = bundle.find(entry.kind.as_str(), &entry.key).unwrap();
        assert_eq!(found.as_ref(), Some(entry), "a document is found by its name");
        let now = (entry.kind.clone(), entry.key.to_text());
        assert!(last.is_none_or(|last| last < now), "documents are in the order of their names");
        last = Some(now);
        let places = document.secret_places().len();
        assert_eq!(places, entry.secrets as usize);
        secrets += places as u64;
        super::document::survives(document);
    }
    assert_eq!(secrets, info.secrets);
    let missing = Key::name("no document has this name");
    assert_eq!(bundle.find("Env", &missing).unwrap(), None);
}

/// What is sound can be written by the library, and is then the same content.
fn write_anew(bundle: &Bundle, documents: &Read, folder: &Path) {
    let info = bundle.info();
    let out = folder.join("b.sealift");
    let options = WriterOptions { force: true, ..WriterOptions::default() };
    let mut writer = Writer::create(&out, info.header.clone(), options).unwrap();
    for (entry, document) in documents {
        let values: Vec<_> = (0..entry.secrets).map(|_| None).collect();
        writer.add(document, &entry.key.to_text(), &entry.id, &entry.reason, &values).unwrap();
    }
    for notice in bundle.notices().unwrap() {
        writer.notice(notice).unwrap();
    }
    for coverage in bundle.coverage().unwrap() {
        writer.coverage(&coverage).unwrap();
    }
    let summary = writer.finish(&Silent).unwrap();
    assert_eq!(summary.content_root, info.content_root, "equal content has an equal root");
    let again = UncheckedBundle::open(&out, &LIMITS).unwrap().check(&Silent).unwrap();
    let mut position = 0;
    again
        .entries(None, &mut |entry| -> Result<(), BundleError> {
            assert_eq!(entry, documents[position].0);
            position += 1;
            Ok(())
        })
        .unwrap();
}

/// A password finds more, never less; and what it finds sound opens.
fn with_password(path: &Path, bundle: &Bundle, sealed: &Report) {
    let Ok(opened) = verify(path, Some(&password()), &LIMITS, &KDF, &Silent) else { return };
    assert!(sealed.is_sound() || !opened.is_sound(), "a password made it sound: {:?}", sealed.findings);
    if opened.level == Level::Opened && opened.is_sound() {
        let key = bundle.unlock(&password(), &KDF).unwrap();
        let mut values = 0;
        bundle
            .scan(None, &mut |entry, document| -> Result<(), BundleError> {
                let secrets = bundle.secrets(&entry, &document, &key)?;
                values += secrets.iter().flatten().count() as u64;
                let places = document.secret_places();
                assert!(places.iter().all(|p| matches!(document.at(p), Some(Value::Secret(_)))));
                Ok(())
            })
            .unwrap();
        assert_eq!((values, opened.secrets_opened), (bundle.info().sealed, values));
    }
}
