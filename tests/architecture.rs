//! The layers as data: which module may import which, where each crate may be used, and that every path
//! named in the documentation exists. Rules that a machine watches hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which modules of ours a module may import, and why not more.
const LAYERS: &[(&str, &[&str], &str)] = &[
    ("text", &[], "L0: what anything may show"),
    ("temporary", &[], "L0: knows no file that is put there"),
    ("document", &["text"], "L0: what everything speaks of"),
    ("crypto", &[], "L0: knows no document and no file"),
    ("progress", &[], "L0: knows nobody who reports"),
    ("model", &["text", "document"], "L0: describes documents, reads no server"),
    ("plan", &["text", "document", "model"], "L1: pure; no I/O, no secrets"),
    ("bundle", &["temporary", "document", "crypto", "progress"], "L1: a file knows no server and no model"),
    (
        "tree",
        &["temporary", "text", "document", "crypto", "progress", "model"],
        "L1: a folder knows no bundle and no server",
    ),
    ("server", &["text", "document", "crypto", "progress"], "L1: a server knows no file, no kinds, no keys"),
    (
        "vendor",
        &["text", "document", "crypto", "progress"],
        "L1: another's files; knows no server and no model",
    ),
    (
        "ops",
        &[
            "text",
            "temporary",
            "document",
            "crypto",
            "progress",
            "model",
            "plan",
            "bundle",
            "tree",
            "server",
            "vendor",
        ],
        "L2: one verb a file, on everything below",
    ),
    ("demo", &["document", "crypto", "progress", "model", "server"], "L2: made-up servers"),
];

/// Where a crate may be used: prefixes of paths below `src`.
const QUARANTINE: &[(&str, &[&str])] = &[
    ("rusqlite", &["bundle/", "server/sqlite/"]),
    ("tiberius", &["server/sqlserver/"]),
    ("tokio", &["server/sqlserver/"]),
    ("zstd", &["bundle/"]),
    ("flate2", &["ops/translate/blob.rs"]),
    ("rmp_serde", &["ops/spool.rs"]),
    ("mimalloc", &["bin/"]),
    ("toml", &["model/"]),
    ("blake3", &["crypto/", "document/canonical.rs", "bundle/", "tree/names.rs", "model/check.rs"]),
    ("argon2", &["crypto/"]),
    ("chacha20poly1305", &["crypto/"]),
    ("aes", &["crypto/"]),
    ("cbc", &["crypto/"]),
    ("pbkdf2", &["crypto/"]),
    ("sha1", &["crypto/"]),
    ("getrandom", &["crypto/"]),
    ("zeroize", &["crypto/"]),
    ("base64", &["crypto/", "tree/"]),
    ("unicode_normalization", &["tree/names.rs"]),
    ("wildmatch", &["ops/choosing.rs"]),
    ("time", &["bin/"]),
    ("clap", &["bin/"]),
    ("clap_complete", &["bin/"]),
    ("clap_mangen", &["bin/"]),
    ("indicatif", &["bin/"]),
    ("console", &["bin/"]),
    ("ctrlc", &["bin/"]),
    ("anstream", &["bin/"]),
    ("anstyle", &["bin/"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code of a file: without comments, and without the unit tests, which may use what they like.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/")
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The modules of ours that a piece of code names by `crate::…`, groups too.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, token) in code.match_indices("crate::") {
        let rest = &code[at + token.len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert(identifier(rest).to_owned());
            }
            Some(group) => {
                let mut depth = 1;
                let mut name_starts = true;
                for (position, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => name_starts = true,
                        c if name_starts && depth == 1 && c.is_ascii_alphabetic() => {
                            found.insert(identifier(&group[position..]).to_owned());
                            name_starts = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found
}

#[test]
fn modules_import_only_what_lies_below() {
    let mut seen = BTreeSet::new();
    for path in files(&root().join("src"), "rs") {
        let name = relative(&path);
        if name.starts_with("bin/") || name == "lib.rs" || is_test_file(&path) {
            continue;
        }
        let module = identifier(&name).to_owned();
        let (_, allowed, why) = LAYERS
            .iter()
            .find(|(layer, ..)| *layer == module)
            .unwrap_or_else(|| panic!("src/{name} is in no layer: add its module to the table"));
        for import in imports(&code(&path)) {
            assert!(
                import == module || allowed.contains(&import.as_str()),
                "src/{name} imports crate::{import}; {module} is {why}"
            );
        }
        seen.insert(module);
    }
    for (layer, ..) in LAYERS {
        assert!(seen.contains(*layer), "the table names {layer}, which is not there");
    }
}

#[test]
fn crates_stay_where_they_belong() {
    for path in files(&root().join("src"), "rs") {
        let name = relative(&path);
        if is_test_file(&path) {
            continue;
        }
        let code = code(&path);
        for (krate, places) in QUARANTINE {
            let used = code.match_indices(&format!("{krate}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            let allowed = places.iter().any(|place| name.starts_with(place));
            assert!(!used || allowed, "src/{name} uses {krate}, which belongs to {places:?}");
        }
    }
}

#[test]
fn the_library_prints_nothing_and_the_binary_sees_the_public_api_only() {
    for path in files(&root().join("src"), "rs") {
        let name = relative(&path);
        let code = code(&path);
        if name.starts_with("bin/") {
            assert!(!code.contains("#[path"), "src/{name} reaches into the library");
            let raw =
                ["println!", "print!", "eprintln!", "eprint!"].iter().find(|word| code.contains(**word));
            assert_eq!(raw, None, "src/{name} prints past src/bin/sealift/ui.rs, which hides nothing");
        }
        if name.starts_with("bin/") || is_test_file(&path) {
            continue;
        }
        for word in ["println!", "print!", "eprintln!", "eprint!", "std::process::exit"] {
            assert!(!code.contains(word), "src/{name} uses {word}: the library speaks through Progress");
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in files(&root().join("src"), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! ") || is_test_file(&path),
            "{} does not open with a module doc",
            path.display()
        );
    }
}

/// A path in backticks that begins with one of the project's folders must be there.
#[test]
fn paths_named_in_the_documentation_exist() {
    let mut documents = files(&root().join("format-spec"), "md");
    documents.push(root().join("README.md"));
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for (index, piece) in text.split('`').enumerate() {
            let ours = ["src/", "tests/", "format-spec/", "fuzz/", ".ci/", "benches/"];
            if index % 2 == 1 && ours.iter().any(|folder| piece.starts_with(folder)) && !piece.contains(' ') {
                assert!(
                    root().join(piece).exists(),
                    "{} names {piece}, which is not there",
                    document.display()
                );
            }
        }
    }
}

#[test]
fn the_rules_find_what_they_forbid() {
    let code = "use crate::bundle::Writer;\nuse crate::{model::Kind, server::{a, b}};\ncrate::plan::x();";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["bundle", "model", "plan", "server"]);
}
