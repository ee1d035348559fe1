//! The vectors of `format-spec/vectors`: each does what its description says, and the generator here writes
//! exactly what is there. A vector without a description, and the other way round, is a failure.
//!
//! After a change: `cargo test --test vectors -- --ignored write_the_vectors`, and look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod build;
mod case;
mod cases;
mod frozen;
mod pack;
mod run;
mod sealing;
mod small;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text as JSON and TOML both write it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// All files of the vectors, by name.
fn generate() -> BTreeMap<String, Vec<u8>> {
    let scratch = tempfile::tempdir().unwrap();
    let mut files = BTreeMap::new();
    let bundles = cases::all().into_iter().flat_map(|case| case.files(scratch.path()));
    let small = small::all().into_iter().flat_map(|small| small.files());
    for (name, bytes) in bundles.chain(small) {
        assert!(files.insert(name.clone(), bytes).is_none(), "{name} is there twice");
    }
    files
}

fn stored() -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    // Trees have a folder and tests of their own.
    let files = entries.filter(|entry| entry.path().is_file() && entry.file_name() != "README.md");
    files
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
#[ignore = "writes into the source folder"]
fn write_the_vectors() {
    let files = generate();
    for name in stored().keys().filter(|name| !files.contains_key(*name)) {
        std::fs::remove_file(folder().join(name)).unwrap();
    }
    for (name, bytes) in files {
        std::fs::write(folder().join(name), bytes).unwrap();
    }
}

#[test]
fn the_generator_writes_what_is_there() {
    let (made, there) = (generate(), stored());
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&there));
    for (name, bytes) in made {
        assert!(there[&name] == bytes, "{name} is not what the generator writes");
    }
}

#[test]
fn there_are_many_small_ones_and_most_are_refused() {
    let files = stored();
    let descriptions = files.iter().filter(|(name, _)| name.ends_with(".toml"));
    let (mut refused, mut accepted) = (0, 0);
    for (name, bytes) in descriptions {
        match std::str::from_utf8(bytes).unwrap() {
            text if text.contains("expect = \"refused\"") => refused += 1,
            text if text.contains("expect = \"ok\"") => accepted += 1,
            _ => panic!("{name} expects nothing"),
        }
    }
    assert!(refused >= 200 && accepted >= 30 && refused > 4 * accepted, "{refused} {accepted}");
    let total: usize = files.values().map(Vec::len).sum();
    assert!(total < 7 << 20, "{total} bytes");
}

#[test]
fn every_vector_does_what_it_says() {
    let files = stored();
    let scratch = tempfile::tempdir().unwrap();
    let mut used = Vec::new();
    let mut failures = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".toml")) {
        let vector: run::Vector = toml::from_str(std::str::from_utf8(bytes).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        used.push(name.clone());
        used.extend(vector.file.clone());
        if let Err(failure) = run::run(&vector, &files, scratch.path()) {
            failures.push(format!("{name}: {failure}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    used.sort();
    assert_eq!(used, files.keys().cloned().collect::<Vec<_>>(), "a file belongs to no description");
}
