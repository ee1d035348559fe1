//! Files that somebody made on purpose. What verification says of each is a vector; here is what is saved of them.

use std::time::{Duration, Instant};

use super::*;

/// What the writer would not write, with the file root made to fit again.
fn tamper(path: &Path, sql: &str) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = MEMORY").unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    assert_ne!(bytes, small().bytes, "nothing was changed");
    bytes[8160..8192].fill(0);
    let root = blake3::derive_key("sealift 2026-11 bundle v1 file root", &bytes);
    bytes[8160..8192].copy_from_slice(&root);
    std::fs::write(path, bytes).unwrap();
}

fn tampered(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = folder();
    std::fs::write(&path, &small().bytes).unwrap();
    tamper(&path, sql);
    (folder, path)
}

/// Every vector, salvaged: what comes out is a bundle, whatever went in.
#[test]
fn nothing_that_is_made_on_purpose_comes_out_of_a_salvage() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors");
    let mut tried: Vec<(String, Vec<u8>)> = Vec::new();
    let mut names: Vec<PathBuf> = std::fs::read_dir(&vectors).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for name in names.iter().filter(|name| name.extension().is_some_and(|e| e == "toml")) {
        let vector: toml::Table = std::fs::read_to_string(name).unwrap().parse().unwrap();
        let text = |member: &str| vector.get(member).and_then(|value| value.as_str()).map(str::to_owned);
        let Some(base) = text("file").or(text("base")).filter(|file| file.ends_with(".sealift")) else {
            continue;
        };
        let mut bytes = std::fs::read(vectors.join(base)).unwrap();
        if let Some(length) = vector.get("length").and_then(|length| length.as_integer()) {
            bytes.resize(usize::try_from(length).unwrap(), 0);
        }
        for edit in vector.get("edits").and_then(|edits| edits.as_array()).into_iter().flatten() {
            let at = usize::try_from(edit[0].as_integer().unwrap()).unwrap();
            let hex = edit[1].as_str().unwrap();
            for n in 0..hex.len() / 2 {
                bytes[at + n] = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap();
            }
        }
        tried.push((name.file_stem().unwrap().to_string_lossy().into_owned(), bytes));
    }
    assert!(tried.len() > 200, "{}", tried.len());
    halves(tried.len(), |n, path| {
        let (name, bytes) = &tried[n];
        std::fs::write(path, bytes).unwrap();
        let out = path.with_file_name("saved.sealift");
        match salvage(path, &out, &options(None, true)) {
            Ok(Salvage::Written(_)) => {
                let report = verify(&out, None).unwrap();
                assert!(report.is_sound(), "{name}: {:?}", report.findings);
                std::fs::remove_file(&out).unwrap();
            }
            Ok(Salvage::Sound) | Err(SalvageError::NothingWhole { .. }) => {}
            Err(SalvageError::Bundle(
                BundleError::NotABundle { .. } | BundleError::TooNew { .. } | BundleError::Feature { .. },
            )) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    });
}

/// A file says that it holds a hundred million documents; nobody looks for each of them.
#[test]
fn a_count_that_lies_costs_no_time() {
    let (_folder, path) = tampered(
        "UPDATE kinds SET documents = documents + 99999970 WHERE kind = 3;
         UPDATE meta SET value = 100000000 WHERE name = 'documents';
         UPDATE meta SET value = 97657 WHERE name = 'chunks';",
    );
    let start = Instant::now();
    let report = verify(&path, None).unwrap();
    let places: Vec<&str> = report.findings.iter().map(|finding| finding.place.as_str()).collect();
    assert!(places.contains(&"meta"), "{places:?}");
    assert_eq!((report.documents, report.documents_whole), (100_000_000, 0));
    let counted: u64 = report.kinds.iter().map(|kind| kind.uncertain + kind.damaged).sum();
    assert_eq!(counted, 100_000_000);
    assert!(report.lost.len() as u64 + report.lost_unlisted == 100_000_000);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// Two documents of one key, with a content root that vouches for both: one of them at most is a document.
#[test]
fn a_key_that_two_documents_have_is_saved_once() {
    let (_folder, path) = tampered(
        "UPDATE documents SET (scope, name) = (SELECT scope, name FROM documents WHERE document = 2)
         WHERE document = 3",
    );
    // The content root as whoever does this would compute it.
    let bundle = open(&path).unwrap();
    let mut hasher = blake3::Hasher::new_derive_key("sealift 2026-11 bundle v1 content root");
    bundle
        .entries::<BundleError>(None, &mut |entry| {
            for part in [entry.kind.as_str().as_bytes(), entry.key.to_text().as_bytes(), &entry.content_id.0]
            {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            Ok(())
        })
        .unwrap();
    let root = hasher.finalize().to_hex();
    drop(bundle);
    tamper(&path, &format!("UPDATE meta SET value = x'{root}' WHERE name = 'content_root'"));
    let report = verify(&path, None).unwrap();
    assert!(report.findings.iter().any(|f| f.problem.contains("key is not after")), "{:?}", report.findings);
    assert_eq!((report.documents_whole, report.lost.len()), (29, 1));
    let out = path.with_file_name("out.sealift");
    let Salvage::Written(saved) = salvage(&path, &out, &options(None, true)).unwrap() else {
        panic!("it is not sound")
    };
    assert_eq!(saved.summary.documents, 29);
}

/// The first page of another bundle, with its schema and its counters, before the pages of this one.
#[test]
fn a_header_of_another_bundle_is_found_and_passed_over() {
    let (_folder, path) = folder();
    write_small(&path, " and a name so long that the file has another number of pages ".repeat(40).as_str());
    let other = std::fs::read(&path).unwrap();
    let mut bytes = small().bytes.clone();
    assert_ne!(other.len(), bytes.len());
    bytes[..4096].copy_from_slice(&other[..4096]);
    std::fs::write(&path, &bytes).unwrap();
    let report = verify(&path, None).unwrap();
    assert_eq!(report.findings[0].place, "header", "{:?}", report.findings);
    assert_eq!((report.documents, report.documents_whole), (30, 30));
}

/// An envelope whose derivation costs 64 GiB, in a file that is damaged as well: it is not tried.
#[test]
fn a_derivation_that_is_too_expensive_is_not_tried() {
    let (_folder, path) = tampered(
        "UPDATE slots SET memory_kib = 67108864; UPDATE packs SET hash = zeroblob(32) WHERE pack = 1",
    );
    let password = password();
    let report = verify(&path, Some(&password)).unwrap();
    assert!(report.findings.iter().any(|finding| finding.place == "slots"), "{:?}", report.findings);
    let error = salvage(&path, &path.with_file_name("out"), &options(Some(&password), false)).unwrap_err();
    assert!(matches!(error, SalvageError::Bundle(BundleError::TooExpensive { .. })), "{error}");
}

/// A tree that leads back to itself: each row is looked for once, and the bytes of all are no more than the file's.
#[test]
fn a_tree_in_circles_is_left() {
    for table in ["documents", "packs", "chunks", "sealed", "notices", "kinds", "meta", "scopes"] {
        let (_folder, path) = folder();
        std::fs::write(&path, &small().bytes).unwrap();
        let db = rusqlite::Connection::open(&path).unwrap();
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let page: usize = db.query_row(root, [table], |row| row.get(0)).unwrap();
        drop(db);
        let mut bytes = small().bytes.clone();
        let at = (page - 1) * 4096;
        let leaf = bytes[at];
        // An inner page without a cell whose right child is itself.
        bytes[at] = if leaf == 13 || leaf == 5 { 5 } else { 2 };
        bytes[at + 3..at + 5].fill(0);
        bytes[at + 8..at + 12].copy_from_slice(&u32::try_from(page).unwrap().to_be_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let start = Instant::now();
        assert!(found(&path), "{table}");
        let _ = salvage(&path, &path.with_file_name("out.sealift"), &options(None, true));
        assert!(start.elapsed() < Duration::from_secs(60), "{table}: {:?}", start.elapsed());
    }
}
