//! The vectors of `format-spec/vectors/tree`: each does what it says, and the generator here writes exactly what is
//! there. They are found by listing the folder.
//!
//! After a change: `cargo test --test tree_vectors -- --ignored write_the_vectors`, and look at the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod about;
mod case;
mod content;
mod frozen;
mod listed;
mod markers;
mod names;
mod places;
mod run;
#[allow(dead_code)]
#[path = "../vectors/sealing.rs"]
mod sealing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use case::Case;
use run::Vector;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/tree")
}

fn all() -> Vec<Case> {
    let all = [
        names::cases(),
        places::cases(),
        content::cases(),
        markers::cases(),
        about::cases(),
        listed::cases(),
    ];
    all.into_iter().flatten().collect()
}

fn generate() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for case in all() {
        let name = format!("{}.toml", case.name);
        assert!(files.insert(name.clone(), case.text()).is_none(), "{name} is there twice");
    }
    files
}

fn stored() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_name() != "README.md");
    files
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

fn vectors() -> Vec<(String, Vector)> {
    let read = |(name, text): (String, String)| {
        let vector = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, vector)
    };
    stored().into_iter().map(read).collect()
}

#[test]
#[ignore = "writes into the source folder"]
fn write_the_vectors() {
    let files = generate();
    for name in stored().keys().filter(|name| !files.contains_key(*name)) {
        std::fs::remove_file(folder().join(name)).unwrap();
    }
    for (name, text) in files {
        std::fs::write(folder().join(name), text).unwrap();
    }
}

#[test]
fn the_generator_writes_what_is_there() {
    let (made, there) = (generate(), stored());
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&there));
    for (name, text) in made {
        assert!(there[&name] == text, "{name} is not what the generator writes");
    }
}

/// What no vector is there for may as well not stand in the text.
#[test]
fn every_vector_is_about_a_sentence_of_the_text() {
    let text = std::fs::read_to_string(folder().join("../../tree-v1.md")).unwrap();
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = plain(&text);
    for (name, vector) in vectors() {
        assert!(vector.what.ends_with('.') && vector.why.len() > 3, "{name}");
        assert!(text.contains(&plain(&vector.why)), "{name}: the text does not say: {}", vector.why);
    }
}

#[test]
fn there_are_many_small_ones_and_most_are_refused() {
    let vectors = vectors();
    let refused = vectors.iter().filter(|(_, vector)| vector.expect != "ok").count();
    assert!(refused >= 120 && refused > 2 * (vectors.len() - refused), "{refused} of {}", vectors.len());
    for (name, text) in stored() {
        assert!(text.len() < 8 << 10, "{name} has {} bytes", text.len());
    }
}

#[test]
fn every_vector_does_what_it_says() {
    let failures: Vec<String> = vectors()
        .iter()
        .filter_map(|(name, vector)| Some(format!("{name}: {}", run::run(vector).err()?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The program's answer, for some of each class: it costs a process each.
#[test]
fn the_program_answers_as_the_vectors_say() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, vector) in vectors().iter().filter(|(_, vector)| vector.exit.is_some()) {
        let count = seen.entry(vector.expect.clone()).or_default();
        *count += 1;
        if *count <= 4 {
            assert_eq!(run::program(vector), vector.exit, "{name}");
        }
    }
    let classes = [
        "damaged",
        "findings",
        "incomplete",
        "needs-password",
        "not-a-tree",
        "ok",
        "other-model",
        "too-expensive",
        "too-new",
        "wrong-password",
    ];
    assert_eq!(seen.keys().collect::<Vec<_>>(), classes.iter().collect::<Vec<_>>());
}
