//! What fuzzing found stays found: every input of every fuzz target's corpus is held against its property here,
//! and so are generated ones that are valid more often than any a fuzzer would make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../fuzz/src/lib.rs"]
mod properties;

use std::collections::BTreeSet;
use std::path::PathBuf;

use properties::feed::Feed;
use proptest::prelude::*;

fn fuzz(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(folder: &str, suffix: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(fuzz(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter_map(|name| name.to_str().unwrap().strip_suffix(suffix).map(str::to_owned)).collect()
}

#[test]
fn every_target_has_a_corpus_that_holds() {
    for (target, property) in properties::TARGETS {
        let mut inputs = 0;
        let mut bytes = 0;
        for entry in std::fs::read_dir(fuzz("corpus").join(target)).expect(target) {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            // Shown by the test where the property does not hold.
            println!("{}", path.display());
            property(&input);
            inputs += 1;
            bytes += input.len();
        }
        assert!(inputs >= 10, "{target} has a corpus of {inputs}");
        assert!(bytes < 200_000, "{target} has a corpus of {bytes} bytes: minimise it");
    }
}

#[test]
fn the_list_of_targets_is_that_of_the_fuzzer() {
    let listed: BTreeSet<String> = properties::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets", ".rs"), listed);
    assert_eq!(names("corpus", ""), listed);
    let manifest: toml::Table = std::fs::read_to_string(fuzz("Cargo.toml")).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap().iter();
    let bins: BTreeSet<String> = bins.map(|bin| bin["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(bins, listed);
}

/// Bytes that a feed makes decisions of: short ones make small things.
fn decisions() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..64), prop::collection::vec(any::<u8>(), 0..1024)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn documents_survive_their_canonical_bytes(bytes in decisions()) {
        let document = Feed::new(&bytes).document();
        properties::document::survives(&document);
        properties::document::places_lead_back(&document);
    }

    #[test]
    fn canonical_bytes_with_a_change_are_refused_or_themselves(
        bytes in decisions(),
        at in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let mut canonical = sealift::document::canonical::encode(&Feed::new(&bytes).document()).unwrap();
        let at = at.index(canonical.len());
        canonical[at] ^= change;
        properties::document::holds(&canonical);
    }

    #[test]
    fn keys_have_one_spelling(bytes in decisions()) {
        let key = Feed::new(&bytes).key(4);
        properties::document::holds(key.to_text().as_bytes());
        properties::document::carries(&key);
    }

    #[test]
    fn json_is_read_as_it_was_written(bytes in decisions()) {
        let value = Feed::new(&bytes).value(5);
        properties::json::holds(sealift::document::json::write(&value).as_bytes());
        properties::json::holds(sealift::document::json::describe(&value).to_string().as_bytes());
    }

    #[test]
    fn differences_and_joins_are_what_they_say(bytes in decisions()) {
        properties::plan::holds(&bytes);
    }

    #[test]
    fn a_saved_plan_is_read_as_it_was_written(bytes in decisions()) {
        properties::saved_plan::holds(&bytes);
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        properties::envelope::value(&mut Feed::new(&bytes));
        properties::envelope::server_text(&bytes);
    }

    #[test]
    fn paths_find_what_is_there(steps in prop::collection::vec(prop::sample::select(vec![
        ".A", "[*]", ".*", "[0]", "['$']", ".Name", "[?@.Type == 'Env']", "[?!(@.B[0] == 1) || @.Value]", ".b",
    ]), 0..6)) {
        properties::model::path(&format!("${}", steps.concat()));
    }

    #[test]
    fn every_file_system_keeps_the_paths_of_a_tree(bytes in decisions()) {
        properties::names::holds(&bytes);
    }

    #[test]
    fn a_document_survives_its_row(bytes in decisions()) {
        properties::ids::holds(&bytes);
    }
}

/// Scripts for the bundle target with one change of the documents, of the numbers in packs and chunks, of what
/// is compressed, or of the rows: with more of them, one hides what the others do.
fn one_change() -> impl Strategy<Value = Vec<u8>> {
    let change = prop::collection::vec(prop_oneof![0..12u8, any::<u8>()], 1..10);
    let before: [&[u8]; 4] = [&[1], &[0, 0, 1], &[0, 0, 0, 1], &[0, 0, 0, 0, 1]];
    (prop::sample::select(vec![0u8, 0xc0]), prop::sample::select(before.to_vec()), change)
        .prop_map(|(effort, before, change)| [&[effort, 5][..], before, &change].concat())
}

proptest! {
    // Each of these writes a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_opens_is_read_and_what_is_sound_says_so(bytes in prop_oneof![3 => one_change(), 1 => decisions()]) {
        properties::bundle::holds(&bytes);
    }
}

proptest! {
    // Each of these writes many.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn a_bundle_becomes_a_folder_and_the_folder_the_bundle(bytes in decisions()) {
        properties::tree::holds(&[&[0][..], &bytes].concat());
    }
}
