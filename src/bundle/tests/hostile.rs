//! Files that somebody has changed: by accident, and on purpose with the file root made to fit again.

use rusqlite::{Connection, params};

use super::corpus::small;
use super::*;

const SEAL: usize = super::super::schema::SEAL_OFFSET as usize;

fn sealed_bundle(path: &Path) -> Vec<u8> {
    write(path, &small(), WriterOptions { protection: protection(), ..Default::default() });
    std::fs::read(path).unwrap()
}

/// Makes the file root fit whatever the file says, as anybody can.
fn reseal(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[SEAL..SEAL + 32].fill(0);
    let root = blake3::derive_key(FILE_ROOT_CONTEXT, &bytes);
    bytes[SEAL..SEAL + 32].copy_from_slice(&root);
    std::fs::write(path, bytes).unwrap();
}

/// Changes the file with the engine, leaving what our header check asks for, and seals it again.
pub(super) fn tamper(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = MEMORY").unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    reseal(path);
}

/// What the spec says, computed by another way than the code's.
#[test]
fn the_file_root_is_where_the_spec_says() {
    let (_folder, path) = folder();
    let mut bytes = sealed_bundle(&path);
    let stored: [u8; 32] = bytes[8160..8192].try_into().unwrap();
    bytes[8160..8192].fill(0);
    assert_eq!(blake3::derive_key("sealift 2026-11 bundle v1 file root", &bytes), stored);
    assert_eq!(open(&path).unwrap().info().file_root, FileRoot(stored));
    assert_eq!(&bytes[68..72], b"SeaL");
}

/// The spec and the code say the same where both must say it exactly.
#[test]
fn the_spec_says_what_the_code_says() {
    let spec = include_str!("../../../format-spec/bundle-v1.md");
    for (_, name, sql) in super::super::schema::OBJECTS {
        assert!(spec.contains(&format!("{sql}\n")), "{name}");
    }
    let contexts = [FILE_ROOT_CONTEXT, CONTENT_ROOT_CONTEXT, STORED_CONTEXT];
    for context in contexts.into_iter().chain([crate::document::canonical::CONTENT_ID_CONTEXT]) {
        assert!(spec.contains(&format!("H(\"{context}\"")), "{context}");
    }
    let limits = Limits::FORMAT_1;
    assert_eq!(
        (limits.file_bytes, limits.documents, limits.pack_documents),
        (256 << 30, 100_000_000, 65_536)
    );
    for row in [
        "| file | 256 GiB |",
        "| documents; of one pack; of one chunk | 100,000,000; 65,536; 1,024 |",
        "| notices; bytes of their texts together | 1,000,000; 256 MiB |",
        "| rows of `coverage`; bytes of their keys together | 1,000,000; 256 MiB |",
    ] {
        assert!(spec.contains(row), "{row}");
    }
}

#[test]
fn other_files_are_told_apart() {
    let (folder, path) = folder();
    let refuse = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        open(&path).unwrap_err()
    };
    assert!(matches!(refuse(b""), BundleError::NotABundle { .. }));
    assert!(matches!(refuse(&[b'x'; 9000]), BundleError::NotABundle { .. }));
    let error = open(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(error, BundleError::Io { .. }));
    assert!(matches!(open(folder.path()).unwrap_err(), BundleError::NotABundle { .. }));
    std::fs::remove_file(&path).unwrap();
    let mut bytes = sealed_bundle(&path);
    bytes[63] = 2;
    assert!(matches!(refuse(&bytes), BundleError::TooNew { found: 2, .. }));
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(report(&path, None), Err(BundleError::TooNew { found: 2, .. })));
    bytes[63] = 1;
    std::fs::write(&path, &bytes).unwrap();
    for suffix in ["-wal", "-journal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        std::fs::write(&name, b"x").unwrap();
        assert!(open(&path).unwrap_err().is_damage());
        std::fs::remove_file(&name).unwrap();
    }
    open(&path).unwrap();
}

/// Each change keeps the file root whole: only looking at what the file says finds it.
#[test]
fn what_no_writer_writes_is_refused() {
    let cases = [
        ("a trigger", "CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END"),
        ("a view", "CREATE VIEW v AS SELECT 1"),
        ("a table", "CREATE TABLE t(x)"),
        ("an index", "CREATE INDEX i ON documents(name)"),
        ("a missing view", "DROP VIEW kind_counts"),
        (
            "another column",
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql || ' ' WHERE name = 'packs'",
        ),
        ("a second seal", "INSERT INTO seal VALUES(2, zeroblob(32))"),
        ("a seal of another length", "UPDATE seal SET root = zeroblob(33)"),
        ("a feature", "UPDATE meta SET value = 'signed' WHERE name = 'requires'"),
        ("no writer", "DELETE FROM meta WHERE name = 'writer'"),
        ("a negative count", "UPDATE meta SET value = -1 WHERE name = 'documents'"),
        ("a text count", "UPDATE meta SET value = '25' WHERE name = 'documents'"),
        ("too many documents", "UPDATE meta SET value = 100000001 WHERE name = 'documents'"),
        ("a wrong sum", "UPDATE kinds SET documents = documents + 1 WHERE kind = 3"),
        ("swapped kinds", "UPDATE kinds SET name = 'Zebra' WHERE kind = 1"),
        ("no slot", "DELETE FROM slots"),
        (
            "a slot too many",
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 17) INSERT INTO slots SELECT i, memory_kib, passes, lanes, salt, nonce, wrapped FROM slots, n WHERE slot = 1",
        ),
        ("a short salt", "UPDATE slots SET salt = x'00'"),
        ("a cheap slot", "UPDATE slots SET memory_kib = 1"),
        ("no commitment", "DELETE FROM meta WHERE name = 'commitment'"),
    ];
    for (what, sql) in cases {
        let (_folder, path) = folder();
        sealed_bundle(&path);
        tamper(&path, sql);
        let error = open(&path).map(|_| ()).expect_err(what);
        assert!(error.is_damage() || matches!(error, BundleError::Feature { .. }), "{what}: {error}");
        if !matches!(error, BundleError::Feature { .. }) {
            assert!(!report(&path, None).unwrap().is_sound(), "{what}");
        }
    }
}

/// Changes that only `verify`, or reading what they touch, can find. Each says what it is about.
#[test]
fn verify_finds_what_does_not_fit_together() {
    let cases = [
        ("content root", "UPDATE meta SET value = zeroblob(32) WHERE name = 'content_root'", "content root"),
        ("a hash", "UPDATE packs SET hash = zeroblob(32) WHERE pack = 2", "pack 2"),
        ("a chunk's hash", "UPDATE chunks SET hash = zeroblob(32)", "chunk 1"),
        ("a content id", "UPDATE chunks SET content_ids = zeroblob(800)", "chunk 1"),
        ("a name", "UPDATE documents SET name = '\"Web 99\"' WHERE document = 3", "document 4"),
        ("a name that is none", "UPDATE documents SET name = 'x' WHERE document = 3", "document 3"),
        ("a scope", "UPDATE documents SET scope = 9 WHERE document = 2", "document 2"),
        ("a scope too many", "INSERT INTO scopes VALUES(99, 1, '[', ']')", "scopes"),
        ("a missing document", "DELETE FROM documents WHERE document = 25", "document 25"),
        ("a document too many", "INSERT INTO documents VALUES(26, 1, '\"x\"')", "documents"),
        (
            "a pack too many",
            "INSERT INTO packs SELECT 9, documents, raw_bytes, hash, data FROM packs WHERE pack = 1",
            "packs",
        ),
        (
            "a pack of another kind",
            "UPDATE packs SET (documents, raw_bytes, hash, data) = (SELECT documents, raw_bytes, hash, data FROM packs WHERE pack = 2) WHERE pack = 1",
            "pack 1",
        ),
        ("a value too many", "INSERT INTO sealed VALUES(3, 0, x'00')", "sealed values"),
        ("a value at no place", "INSERT INTO sealed VALUES(20, 3, x'00')", "sealed values of document 20"),
        ("a missing value", "DELETE FROM sealed WHERE document = 20 AND n = 0", "sealed values"),
        (
            "a notice too many",
            "INSERT INTO notices VALUES(1, 'x', NULL, NULL, NULL, NULL, NULL, NULL, 'y', 0)",
            "notices",
        ),
        ("an empty pack", "UPDATE packs SET documents = 0 WHERE pack = 1", "pack 1"),
        ("the bytes", "UPDATE meta SET value = 1 WHERE name = 'raw_bytes'", "meta"),
        (
            "the kinds' secrets",
            "UPDATE kinds SET secrets = CASE kind WHEN 2 THEN 1 WHEN 3 THEN 35 ELSE 0 END",
            "kinds",
        ),
    ];
    for (what, sql, place) in cases {
        let (_folder, path) = folder();
        sealed_bundle(&path);
        tamper(&path, sql);
        let report = report(&path, None).unwrap();
        assert!(report.findings.iter().any(|f| f.place == place), "{what}: {:?}", report.findings);
        // Reading on must not do worse than an error.
        if let Ok(bundle) = open(&path) {
            let _ = bundle.scan::<BundleError>(None, &mut |_, _| Ok(()));
            let _ = bundle.entries::<BundleError>(None, &mut |_| Ok(()));
            let _ = bundle.notices();
        }
    }
}

/// The file root fits, and each pack has its hash; but one holds what belongs to another.
#[test]
fn a_pack_of_another_kind_is_refused_and_a_document_in_no_pack_is_missed() {
    let (_folder, path) = folder();
    sealed_bundle(&path);
    tamper(
        &path,
        "UPDATE packs SET (documents, raw_bytes, hash, data) = \
         (SELECT documents, raw_bytes, hash, data FROM packs WHERE pack = 3) WHERE pack = 2",
    );
    let bundle = open(&path).unwrap();
    for kind in [None, Some("Project")] {
        let error = bundle.scan::<BundleError>(kind, &mut |_, _| Ok(())).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }
    let one = bundle
        .scan_where::<BundleError>(None, &mut |entry| Ok(entry.number == 2), &mut |_, _| Ok(()))
        .unwrap_err();
    assert!(one.is_damage() && one.to_string().contains("lack"), "{one}");
}

#[test]
fn damage_in_one_pack_leaves_the_others() {
    let (_folder, path) = folder();
    let bytes = sealed_bundle(&path);
    let data: Vec<u8> = Connection::open(&path)
        .unwrap()
        .query_row("SELECT data FROM packs WHERE pack = 3", [], |row| row.get(0))
        .unwrap();
    let at = bytes.windows(data.len()).position(|w| w == data).unwrap();
    let mut damaged = bytes.clone();
    damaged[at + 20] ^= 4;
    std::fs::write(&path, &damaged).unwrap();
    let report = report(&path, Some(&password())).unwrap();
    let places: Vec<&str> = report.findings.iter().map(|f| f.place.as_str()).collect();
    assert!(places.contains(&"file root") && places.contains(&"pack 3"), "{places:?}");
    assert_eq!((report.documents, report.documents_whole), (25, 13));
    let left: Vec<_> =
        report.kinds.iter().map(|k| (k.kind.as_deref(), k.whole, k.uncertain, k.damaged)).collect();
    assert_eq!(
        left,
        [(Some("Certificate"), 1, 0, 0), (Some("Project"), 12, 0, 0), (Some("VariableSet"), 0, 0, 12)]
    );
    assert!(report.lost.iter().map(|lost| lost.number).eq(14..=25));
    assert_eq!(report.lost[0].key.as_deref(), Some(r#"[{"Project":["Web 0"]}]"#));
}

/// A nonce and a tag have 40 bytes: no password is needed to see that a value without them opens for nobody.
#[test]
fn a_sealed_value_that_is_too_short_is_damage_without_the_password() {
    for bytes in [0, 1, 39] {
        let (_folder, path) = folder();
        sealed_bundle(&path);
        tamper(&path, &format!("UPDATE sealed SET value = zeroblob({bytes}) WHERE document = 14 AND n = 0"));
        let report = report(&path, None).unwrap();
        assert_eq!(report.findings[0].place, "sealed values of document 14", "{:?}", report.findings);
        let bundle = open(&path).unwrap();
        let mut damaged = 0;
        bundle
            .scan::<BundleError>(None, &mut |entry, _| {
                damaged += usize::from(bundle.sealed(&entry).is_err_and(|error| error.is_damage()));
                Ok(())
            })
            .unwrap();
        assert_eq!(damaged, 1);
    }
}

#[test]
fn a_moved_secret_does_not_open() {
    let moves = [
        "UPDATE sealed SET value = (SELECT value FROM sealed WHERE document = 15 AND n = 0) WHERE document = 14 AND n = 0",
        "UPDATE sealed SET value = (SELECT value FROM sealed WHERE document = 14 AND n = 2) WHERE document = 14 AND n = 0",
        "UPDATE sealed SET n = 1 WHERE document = 14 AND n = 0",
        "UPDATE sealed SET value = zeroblob(40) WHERE document = 14 AND n = 0",
    ];
    for sql in moves {
        let (_folder, path) = folder();
        sealed_bundle(&path);
        tamper(&path, sql);
        assert!(report(&path, None).unwrap().is_sound(), "nothing shows from outside: {sql}");
        let report = report(&path, Some(&password())).unwrap();
        assert!(report.findings[0].place.starts_with("VariableSet Web 0: "), "{:?}", report.findings);
        let lost: Vec<_> = report.lost.iter().map(|lost| (lost.number, lost.condition)).collect();
        assert_eq!((report.documents_whole, lost), (24, vec![(14, Condition::Damaged)]));
        let bundle = open(&path).unwrap();
        let key = bundle.unlock(&password(), &KdfLimits::default()).unwrap();
        let (entry, document) = (bundle.entry(14).unwrap(), bundle.document(14).unwrap());
        assert!(bundle.secrets(&entry, &document, &key).unwrap_err().is_damage());
    }
}

#[test]
fn a_wrong_password_is_told_from_damage() {
    let (_folder, path) = folder();
    sealed_bundle(&path);
    let wrong = Password::new("incorrect".to_owned()).unwrap();
    let bundle = open(&path).unwrap();
    let refused = |result| matches!(result, Err(BundleError::WrongPassword { .. }));
    assert!(refused(bundle.unlock(&wrong, &KdfLimits::default()).map(|_| ())));
    assert!(refused(report(&path, Some(&wrong)).map(|_| ())));
    let tight = KdfLimits { memory_kib: 1024, ..KdfLimits::default() };
    assert!(matches!(bundle.unlock(&password(), &tight), Err(BundleError::TooExpensive { .. })));
    drop(bundle);
    tamper(&path, "UPDATE packs SET hash = zeroblob(32) WHERE pack = 1");
    assert!(!report(&path, Some(&wrong)).unwrap().is_sound());
    let (_folder, path) = folder();
    sealed_bundle(&path);
    tamper(&path, "UPDATE meta SET value = zeroblob(32) WHERE name = 'commitment'");
    let bundle = open(&path).unwrap();
    assert!(bundle.unlock(&password(), &KdfLimits::default()).unwrap_err().is_damage());
}

/// Packs whose compressed bytes lie about their size; the hash is right, for whoever makes a bomb can hash.
#[test]
fn bombs_do_not_go_off() {
    let bomb = ::zstd::bulk::compress(&vec![0u8; 64 << 20], 3).unwrap();
    // Declared small; declared as large as shared packs may be, and larger; declared larger than it is.
    for (declared, documents) in [(100i64, 1i64), (4 << 20, 2), (5 << 20, 2), (500 << 20, 1), (600 << 20, 1)]
    {
        let (_folder, path) = folder();
        sealed_bundle(&path);
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA journal_mode = MEMORY").unwrap();
        let hash = super::super::roots::stored_hash(&[&bomb]);
        db.execute(
            "UPDATE packs SET documents = ?1, raw_bytes = ?2, hash = ?3, data = ?4 WHERE pack = 1",
            params![documents, declared, hash.as_slice(), bomb],
        )
        .unwrap();
        db.close().unwrap();
        reseal(&path);
        let report = report(&path, None).unwrap();
        assert!(report.findings.iter().any(|f| f.place.starts_with("pack 1")), "{:?}", report.findings);
        assert!(open(&path).unwrap().document(1).unwrap_err().is_damage());
    }
}

/// Headers of packs and chunks that claim more than they hold.
#[test]
fn lying_headers_are_refused() {
    use super::super::chunk::Chunk;
    use super::super::pack::Pack;
    use super::super::wire::{Wire, put_uint};
    let limits = Limits::default();
    let mut raw = Vec::new();
    put_uint(&mut raw, u64::MAX);
    assert!(Pack::parse(raw.clone(), u64::MAX).is_err() && Pack::parse(raw, 1).is_err());
    assert!(Pack::parse(vec![1, 1, 3, 0, 0], 1).is_err() && Pack::parse(vec![1, 1, 1, 0, 0], 1).is_err());
    assert!(Pack::parse(vec![1, 1, 2, 0, 0], 1).is_ok());
    assert!(Wire::new(&[0x80, 0]).uint().is_err() && Wire::new(&[0xff; 10]).uint().is_err());
    let mut most = Vec::new();
    put_uint(&mut most, u64::MAX);
    assert_eq!(Wire::new(&most).uint().unwrap(), u64::MAX);
    // One document: pack, slot, secrets, tag, length, id, one reason, which.
    let good = [1, 0, 0, 2, 1, b'x', 1, 1, 0, 0];
    assert!(Chunk::parse(&good, &[0; 32], 1, &limits).is_ok());
    for at in 0..good.len() {
        for byte in [0xff, 0x7f, 9] {
            let mut bad = good;
            bad[at] = byte;
            // Whether or not it still means something: no panic, and no more than it holds.
            let _ = Chunk::parse(&bad, &[0; 32], 1, &limits);
        }
        assert!(Chunk::parse(&good[..at], &[0; 32], 1, &limits).is_err());
    }
    assert!(Chunk::parse(&good, &[0; 31], 1, &limits).is_err());
}

#[test]
fn limits_are_a_readers_own() {
    let (_folder, path) = folder();
    sealed_bundle(&path);
    let limits = Limits { documents: 24, ..Limits::default() };
    let bundle = UncheckedBundle::open(&path, &limits).unwrap();
    assert!(bundle.check(&Silent).unwrap_err().is_damage());
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    assert!(matches!(UncheckedBundle::open(&path, &limits), Err(BundleError::Limit { .. })));
}

/// What is gathered in memory is bounded as a whole, and not only piece by piece.
#[test]
fn values_and_notices_are_limited_together() {
    let (_folder, path) = folder();
    sealed_bundle(&path);
    let open = |limits: Limits| UncheckedBundle::open(&path, &limits).unwrap().check(&Silent).unwrap();
    let entries = |bundle: &Bundle| {
        let mut found = Vec::new();
        let mut see = |entry: crate::bundle::Entry| -> Result<(), BundleError> {
            found.push(entry);
            Ok(())
        };
        bundle.entries(None, &mut see).unwrap();
        found
    };
    let good = open(Limits::default());
    let sum = |values: Vec<Option<Vec<u8>>>| values.iter().flatten().map(|v| v.len() as u64).sum::<u64>();
    let all = entries(&good);
    let most = all.iter().map(|entry| sum(good.sealed(entry).unwrap())).max().unwrap();
    let lower = open(Limits { document_sealed_bytes: most - 1, ..Limits::default() });
    let refused = all.iter().filter(|entry| matches!(lower.sealed(entry), Err(BundleError::Limit { .. })));
    assert!(refused.count() > 0);
    let equal = open(Limits { document_sealed_bytes: most, ..Limits::default() });
    assert!(all.iter().all(|entry| equal.sealed(entry).is_ok()));
    let frozen =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/fixtures/bundle-1.sealift");
    let open = |limits: Limits| UncheckedBundle::open(&frozen, &limits).unwrap().check(&Silent).unwrap();
    assert!(!open(Limits::default()).notices().unwrap().is_empty(), "the test is about nothing");
    let lower = open(Limits { notice_bytes: 1, ..Limits::default() });
    assert!(matches!(lower.notices(), Err(BundleError::Limit { .. })));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    /// Several bytes changed, and the root made to fit: whatever comes of it is an answer, not a panic.
    #[test]
    fn nonsense_is_survived(changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..6)) {
        static WHOLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let (_folder, path) = folder();
        let whole = WHOLE.get_or_init(|| sealed_bundle(&path));
        let mut bytes = whole.clone();
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        std::fs::write(&path, bytes).unwrap();
        reseal(&path);
        let _ = report(&path, Some(&password()));
        if let Ok(bundle) = open(&path) {
            let _ = bundle.scan::<BundleError>(None, &mut |_, _| Ok(()));
            let _ = bundle.entries::<BundleError>(None, &mut |_| Ok(()));
        }
    }
}
