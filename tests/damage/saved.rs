//! What is saved of a damaged bundle is what was in it, and nothing else.

use super::*;

/// Salvages, and holds what comes out against what there was. Returns how many documents were saved.
fn save(path: &Path, sample: &Sample, password: Option<&Password>) -> usize {
    let out = path.with_file_name("saved.sealift");
    let done = match salvage(path, &out, &options(password, false)) {
        Ok(done) => done,
        Err(SalvageError::NothingWhole { state, .. }) => {
            assert_eq!(state.count(bundle::Condition::Whole), 0);
            assert!(!out.exists());
            return 0;
        }
        // The header's version, or what the bundle requires, reads as another; or the slot is what was damaged.
        Err(SalvageError::Bundle(
            BundleError::NotABundle { .. }
            | BundleError::TooNew { .. }
            | BundleError::Feature { .. }
            | BundleError::WrongPassword { .. }
            | BundleError::TooExpensive { .. },
        )) => return 0,
        Err(error) => panic!("{error}"),
    };
    let Salvage::Written(report) = done else { panic!("nothing was damaged") };
    let sound = verify(&out, None).unwrap();
    assert!(sound.is_sound(), "{:?}", sound.findings);
    let bundle = open(&out).unwrap();
    assert_eq!(bundle.info().documents, report.summary.documents);
    assert!(bundle.notices().unwrap().iter().any(|notice| notice.code == ops::SALVAGED));
    let key = match bundle.envelope() {
        Some(_) => bundle.unlock(&super::password(), &KdfLimits::default()).ok(),
        None => None,
    };
    let mut saved = 0;
    bundle
        .scan::<BundleError>(None, &mut |entry, document| {
            let name = (entry.kind.as_str().to_owned(), entry.key.to_text());
            let told = sample.contents.get(&name).unwrap_or_else(|| panic!("{name:?} was never there"));
            assert_eq!(document, told.document);
            if entry.id != Value::Null {
                assert_eq!((&entry.id, &entry.reason), (&told.id, &told.reason), "{name:?}");
            } else {
                assert!(report.state.without_index > 0);
            }
            if let Some(key) = &key {
                // Without the password a changed value may come along: it opens for nobody.
                if let Ok(secrets) = bundle.secrets(&entry, &document, key) {
                    for (is, was) in secrets.iter().zip(&told.secrets) {
                        let is = is.as_ref().map(|is| is.expose_text().unwrap().to_owned());
                        assert!(is.is_none() || is == *was, "{name:?}");
                    }
                } else {
                    assert!(password.is_none(), "{name:?}: a value that does not open was taken along");
                }
            }
            saved += 1;
            Ok(())
        })
        .unwrap();
    if report.is_complete() {
        assert_eq!(saved, sample.contents.len());
    }
    std::fs::remove_file(&out).unwrap();
    saved
}

#[test]
fn what_is_saved_was_there() {
    let sample = small();
    let password = password();
    let places: Vec<usize> = (0..sample.bytes.len()).step_by(37).collect();
    let all = std::sync::atomic::AtomicUsize::new(0);
    halves(places.len(), |n, path| {
        let at = places[n];
        let mut bytes = sample.bytes.clone();
        bytes[at] ^= 1 << (n % 8);
        assert_ne!(bytes, sample.bytes, "the fault did not strike");
        std::fs::write(path, &bytes).unwrap();
        let saved = save(path, sample, (n % 3 == 0).then_some(&password));
        all.fetch_add(saved, std::sync::atomic::Ordering::Relaxed);
    });
    // Most of a small file is room that nothing uses: most faults cost no document.
    let share = all.into_inner() * 100 / (places.len() * sample.contents.len());
    assert!(share > 80, "{share} % were saved");
}

/// Pages that are torn, exchanged or filled with noise, and files that end early.
#[test]
fn pages_that_are_lost_cost_no_more_than_they_hold() {
    let sample = small();
    let password = password();
    halves(240, |n, path| {
        let mut dice = Dice(0x9a9e + n as u64);
        let mut bytes = sample.bytes.clone();
        let pages = bytes.len() / 4096;
        let (one, other) = (dice.below(pages), dice.below(pages));
        let range = one * 4096..(one + 1) * 4096;
        match n % 4 {
            0 => bytes.copy_within(other * 4096..(other + 1) * 4096, range.start),
            1 => bytes[range.start + 512 * dice.below(8)..range.end].fill(0),
            2 => bytes[range].iter_mut().for_each(|byte| *byte = dice.next() as u8),
            _ => bytes.truncate(8192 + dice.below(sample.bytes.len() - 8192)),
        }
        if bytes == sample.bytes {
            return;
        }
        std::fs::write(path, &bytes).unwrap();
        assert!(found(path));
        save(path, sample, (n % 3 == 0).then_some(&password));
    });
}

/// Where a value lies in the file, or the first sixteen bytes of it that lie on one page. More than once, where the
/// engine has moved it and left the old bytes in room that nothing uses.
fn places(path: &Path, sql: &str) -> Vec<usize> {
    let db = rusqlite::Connection::open(path).unwrap();
    let data: Vec<u8> = db.query_row(sql, [], |row| row.get(0)).unwrap();
    drop(db);
    let bytes = std::fs::read(path).unwrap();
    let find = |piece: &[u8]| -> Vec<usize> {
        let windows = bytes.windows(piece.len()).enumerate();
        windows.filter(|(_, window)| *window == piece).map(|(at, _)| at).collect()
    };
    data.chunks(16).map(find).find(|places| !places.is_empty()).unwrap()
}

fn damage(sql: &str, at: usize) -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = folder();
    std::fs::write(&path, &small().bytes).unwrap();
    let at = places(&path, sql)[0] + at;
    let mut bytes = small().bytes.clone();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    (folder, path)
}

fn written(path: &Path, options: &SalvageOptions<'_>) -> ops::SalvageReport {
    match salvage(path, &path.with_file_name("out.sealift"), options).unwrap() {
        Salvage::Written(report) => *report,
        Salvage::Sound => panic!("nothing is damaged"),
    }
}

#[test]
fn a_pack_costs_its_documents_only() {
    let (_folder, path) = damage("SELECT data FROM packs WHERE pack = 2", 30);
    let report = verify(&path, None).unwrap();
    let counts: Vec<_> = report.kinds.iter().map(|k| (k.whole, k.uncertain, k.damaged)).collect();
    assert_eq!(counts, [(10, 0, 0), (0, 0, 10), (10, 0, 0)]);
    assert_eq!((report.documents, report.documents_whole, report.lost.len()), (30, 20, 10));
    assert!(report.lost.iter().all(|lost| lost.kind.as_deref() == Some("Project") && lost.key.is_some()));
    let saved = written(&path, &options(None, false));
    assert_eq!((saved.summary.documents, saved.summary.sealed, saved.values_lost()), (20, 20, Some(0)));
    assert!(!saved.is_complete());
    assert_eq!(saved.notices_lost, Some(0));
}

/// The index has the content ids, but the packs can tell them as well: only the source ids are lost.
#[test]
fn the_index_costs_source_ids_only() {
    let (_folder, path) = damage("SELECT data FROM chunks", 9);
    let report = verify(&path, None).unwrap();
    assert_eq!((report.documents_whole, report.lost.len()), (30, 0));
    assert!(!report.is_sound());
    let saved = written(&path, &options(None, false));
    assert!(saved.state.keys_proven && !saved.is_complete());
    assert_eq!((saved.summary.documents, saved.state.without_index), (30, 30));
}

/// Nothing but the content root vouches for a name. A secret that opens does: its key is bound to it.
#[test]
fn a_name_leaves_the_others_uncertain() {
    let sql = "SELECT CAST(name AS BLOB) FROM documents WHERE document = 3";
    let (_folder, path) = damage(sql, 2);
    let report = verify(&path, None).unwrap();
    let uncertain: u64 = report.kinds.iter().map(|kind| kind.uncertain).sum();
    assert_eq!(report.documents_whole, 0);
    assert!(uncertain >= 29, "{:?}", report.kinds);
    let out = path.with_file_name("out.sealift");
    let refused = salvage(&path, &out, &options(None, false)).unwrap_err();
    assert!(matches!(refused, SalvageError::NothingWhole { .. }) && !out.exists());
    let saved = written(&path, &options(None, true));
    assert_eq!(saved.summary.documents, saved.uncertain);
    assert!(saved.uncertain >= 29);
    // A value under an unproven key is left to the password: with it the key is proven.
    let password = password();
    let saved = written(&path, &options(Some(&password), false));
    assert_eq!((saved.summary.documents, saved.summary.sealed, saved.uncertain), (10, 20, 0));
    assert!(
        open(&out).unwrap().entries::<BundleError>(Some("Project"), &mut |_| panic!("uncertain")).is_ok()
    );
}

#[test]
fn a_damaged_envelope_costs_the_secrets_only() {
    let password = password();
    for (sql, at) in
        [("SELECT value FROM meta WHERE name = 'commitment'", 5), ("SELECT wrapped FROM slots", 4)]
    {
        let (_folder, path) = damage(sql, at);
        // Nothing shows without the password: the values are taken along and said to be unopened.
        let saved = written(&path, &options(None, false));
        assert_eq!((saved.values, saved.summary.sealed), (ops::SealedValues::Unopened, 20));
        let out = path.with_file_name("out.sealift");
        if at == 4 {
            let error = salvage(&path, &out, &options(Some(&password), false)).unwrap_err();
            assert!(matches!(error, SalvageError::Bundle(BundleError::WrongPassword { .. })), "{error}");
            continue;
        }
        let saved = written(&path, &options(Some(&password), false));
        assert_eq!(saved.values, ops::SealedValues::EnvelopeLost);
        assert_eq!((saved.summary.documents, saved.summary.sealed, saved.values_lost()), (30, 0, Some(20)));
        assert!(open(&out).unwrap().envelope().is_none());
    }
}

#[test]
fn a_damaged_value_costs_itself_only() {
    let password = password();
    let (_folder, path) = damage("SELECT value FROM sealed WHERE n = 0 LIMIT 1", 30);
    let report = verify(&path, Some(&password)).unwrap();
    assert_eq!((report.documents_whole, report.lost.len()), (29, 1));
    let saved = written(&path, &options(Some(&password), false));
    assert_eq!((saved.summary.documents, saved.summary.sealed), (30, 19));
    assert_eq!((saved.state.values_refused, saved.values_lost()), (1, Some(1)));
    assert!(verify(&path.with_file_name("out.sealift"), Some(&password)).unwrap().is_sound());
}

/// A bundle whose own first pages are gone is still read, and the file itself stays as it is.
#[test]
fn a_lost_header_costs_nothing() {
    let (_folder, path) = folder();
    let mut bytes = small().bytes.clone();
    bytes[..4096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(verify(&path, None), Err(BundleError::NotABundle { .. })));
    let saved = written(&path, &options(None, false));
    assert!(saved.is_complete(), "{saved:?}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let again = sample(&path.with_file_name("out.sealift"));
    assert!(again.contents == small().contents);
    // With the second page gone as well nothing tells it from any other file.
    bytes[4096..8192].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let error = salvage(&path, &path.with_file_name("none.sealift"), &options(None, false)).unwrap_err();
    assert!(matches!(error, SalvageError::Bundle(BundleError::NotABundle { .. })), "{error}");
}

#[test]
fn what_is_whole_is_not_written_again() {
    let (_folder, path) = folder();
    std::fs::write(&path, &small().bytes).unwrap();
    let out = path.with_file_name("out.sealift");
    assert!(matches!(salvage(&path, &out, &options(None, false)), Ok(Salvage::Sound)));
    assert!(!out.exists());
}

/// Many chunks and packs: what one of them loses is told of its documents alone, and lists end somewhere.
#[test]
fn a_large_bundle_loses_little() {
    let (_folder, path) = folder();
    let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
    let mut dice = Dice(0x1a46e);
    for n in 0..11_000i64 {
        let noise = (0..24).flat_map(|_| dice.next().to_le_bytes()).collect();
        let document = Document {
            kind: KindName::new("Event"),
            key: Key::name(&format!("event {n:05}")),
            columns: map(vec![("Number", Value::Int(n)), ("Data", Value::Bytes(noise))]),
            body: None,
        };
        writer.add(&document, &document.key.to_text(), &Value::Int(n), &Reason::All, &[]).unwrap();
    }
    writer.finish(&Silent).unwrap();
    let sound = sample(&path);
    let strike = |sql: &str| {
        std::fs::write(&path, &sound.bytes).unwrap();
        let mut bytes = sound.bytes.clone();
        places(&path, sql).into_iter().for_each(|at| bytes[at + 9] ^= 4);
        std::fs::write(&path, bytes).unwrap();
    };

    strike("SELECT content_ids FROM chunks WHERE chunk = 2");
    let saved = written(&path, &options(None, false));
    assert_eq!((saved.summary.documents, saved.state.without_index), (11_000, 1024));
    let bundle = open(&path.with_file_name("out.sealift")).unwrap();
    assert_eq!(bundle.info().content_root, saved.summary.content_root);
    for (number, id) in [(1024, Value::Int(1023)), (1025, Value::Null), (2049, Value::Int(2048))] {
        assert_eq!(bundle.entry(number).unwrap().id, id, "{number}");
    }

    strike("SELECT data FROM packs WHERE pack = 3");
    let report = verify(&path, None).unwrap();
    let in_pack = 11_000 - report.documents_whole;
    assert!((1000..4000).contains(&in_pack), "{in_pack}");
    assert_eq!(report.lost.len() as u64, in_pack);
    assert_eq!(save(&path, &sound, None) as u64, report.documents_whole);

    strike("SELECT CAST(name AS BLOB) FROM documents WHERE document = 7");
    let report = verify(&path, None).unwrap();
    assert_eq!((report.lost.len(), report.lost_unlisted), (bundle::MOST_LOST, 1000));
    assert_eq!(report.documents_whole, 0);

    // Some of the index is cut off: the packs are all there, and prove the names.
    let cut = |tenths: usize| std::fs::write(&path, &sound.bytes[..sound.bytes.len() / 10 * tenths]).unwrap();
    cut(9);
    let saved = written(&path, &options(None, false));
    assert_eq!((saved.summary.documents, saved.state.keys_proven), (11_000, true));
    assert!(saved.state.without_index > 1000, "{}", saved.state.without_index);
    // Packs are cut off as well: what is left has nothing to prove its names.
    cut(6);
    assert_eq!(verify(&path, None).unwrap().documents_whole, 0);
    let saved = written(&path, &options(None, true));
    assert!(saved.uncertain > 4000 && saved.uncertain == saved.summary.documents, "{}", saved.uncertain);
    let bundle = open(&path.with_file_name("out.sealift")).unwrap();
    bundle
        .scan::<BundleError>(None, &mut |entry, document| {
            let name = (entry.kind.as_str().to_owned(), entry.key.to_text());
            assert_eq!(document, sound.contents[&name].document);
            Ok(())
        })
        .unwrap();
}
