//! Runs the reader in `tests/independent`, which was written from `format-spec` alone, over all vectors and fixtures.
//!
//! It needs Python 3.11 with the packages of its `requirements.txt`. `SEALIFT_PYTHON` names the Python to take; without
//! it `python3` is tried, and what is missing there is said and passed over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::Command;

/// The Python to take, if there is one that can run the reader.
fn python() -> Option<String> {
    let named = std::env::var("SEALIFT_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let packages = "import argon2, blake3, nacl, tomllib, zstandard";
    let able = Command::new(&python).args(["-c", packages]).output().is_ok_and(|out| out.status.success());
    assert!(able || named.is_none(), "{python} cannot import the packages of requirements.txt");
    if !able {
        eprintln!("skipped: the independent reader; python3 has not the packages that it needs");
    }
    able.then_some(python)
}

fn run(what: &str) {
    let Some(python) = python() else { return };
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/reader.py");
    // -B: no folder of compiled files beside the reader.
    let output = Command::new(python).arg("-B").arg(reader).arg(what).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with(" 0 not as they should be\n"), "{text}");
}

#[test]
fn the_independent_reader_takes_every_vector_as_it_says() {
    run("vectors");
}

#[test]
fn the_independent_reader_takes_every_vector_of_the_tree_as_it_says() {
    run("trees");
}

#[test]
fn the_independent_reader_lists_and_opens_the_fixtures() {
    run("fixtures");
}
