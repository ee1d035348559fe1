//! The tree: the same content as a folder of files, there and back, whatever hands do to it in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "tree/edits.rs"]
mod edits;
#[path = "support/generator.rs"]
mod generator;
#[path = "tree/hostile.rs"]
mod hostile;
#[path = "tree/refused.rs"]
mod refused;
mod support;
#[path = "tree/update.rs"]
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sealift::bundle::Summary;
use sealift::crypto::DataKey;
use sealift::model::Model;
use sealift::ops::{self, ConvertError, FromTree};
use sealift::progress::Silent;
use sealift::tree::{Findings, Replace, ScriptMode, Tree, TreeError, TreeSummary};
use support::everything::{Generation, SOURCE, Twist, build};
use support::*;

/// All files of a folder by their paths.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, at: &str, into: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{at}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{path}/"), into);
            } else {
                into.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk(root, "", &mut into);
    into
}

fn to_tree(bundle: &Path, model: &Model, root: &Path, scripts: ScriptMode) -> TreeSummary {
    ops::to_tree(&open(bundle), model, root, scripts, Default::default(), &Silent).unwrap()
}

fn try_from_tree(
    root: &Path,
    model: &Model,
    key: Option<&DataKey>,
    out: &Path,
) -> Result<FromTree, ConvertError> {
    ops::from_tree(&Tree::open(root)?, model, key, out, (false, false), &Silent)
}

/// Without the password.
fn from_tree(root: &Path, model: &Model, out: &Path) -> Summary {
    try_from_tree(root, model, None, out).unwrap().summary
}

fn refused(result: Result<FromTree, ConvertError>) -> Findings {
    match result {
        Err(ConvertError::Tree(TreeError::Findings { findings, .. })) => findings,
        other => panic!("{other:?}"),
    }
}

fn bundle_of(folder: &Path, generation: Generation, twist: Twist) -> PathBuf {
    let (server, out) = (folder.join("source.sqlite"), folder.join("a.sealift"));
    build(&server, generation, 7, SOURCE, twist);
    export(&server, &octopus(), &out, &everything(Some(&key(SOURCE.key))));
    out
}

/// There and back: the same bundle to the byte, and the same files.
fn comes_back(bundle: &Path, model: &Model, folder: &Path) {
    for scripts in [ScriptMode::Extract, ScriptMode::Copy, ScriptMode::Inline] {
        let root = folder.join(format!("tree-{scripts:?}"));
        let written = to_tree(bundle, model, &root, scripts);
        assert_eq!(written.documents, open(bundle).info().documents);
        assert_eq!(written.scripts == 0, scripts == ScriptMode::Inline, "{written:?}");
        let back = folder.join(format!("back-{scripts:?}.sealift"));
        let read = try_from_tree(&root, model, None, &back).unwrap();
        assert!(read.warnings.is_empty(), "a false alarm: {:?}", read.warnings);
        assert!(
            fs::read(bundle).unwrap() == fs::read(&back).unwrap(),
            "{scripts:?}: the bundle came back otherwise"
        );
        let again = folder.join(format!("again-{scripts:?}"));
        to_tree(&back, model, &again, scripts);
        assert!(files(&root) == files(&again), "{scripts:?}: the files came back otherwise");
        tidy(&files(&root));
    }
}

/// Every path can be a file's on every system, and none is taken for another.
fn tidy(files: &BTreeMap<String, Vec<u8>>) {
    let mut seen = BTreeSet::new();
    for (path, bytes) in files {
        assert!(path.len() <= 180 && path.split('/').all(|name| name.len() <= 255), "{path}");
        assert!(path.split('/').all(|name| !name.ends_with(['.', ' ']) && !name.starts_with(' ')), "{path}");
        assert!(!path.chars().any(|c| "<>:\"\\|?*".contains(c) || c.is_control()), "{path}");
        let mut folded = String::new();
        for name in path.split('/') {
            folded = format!("{folded}/{}", name.to_uppercase().to_lowercase());
        }
        assert!(seen.insert(folded), "{path}");
        if path.ends_with(".json") {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.ends_with("}\n") && !text.contains('\r'), "{path}");
        }
    }
}

#[test]
fn a_server_with_everything_comes_back() {
    for generation in [Generation::Y2018, Generation::Spaces, Generation::Y2026] {
        let folder = folder();
        let bundle = bundle_of(folder.path(), generation, Twist::default());
        comes_back(&bundle, &octopus(), folder.path());
    }
}

#[test]
fn servers_nobody_thought_up_come_back() {
    for seed in 1..=4 {
        let folder = folder();
        let (server, out) = (folder.path().join("source.sqlite"), folder.path().join("a.sealift"));
        generator::generate(&mut empty_octopus(&server), seed, 60, 0, &key(1));
        export(&server, &octopus(), &out, &everything(Some(&key(1))));
        comes_back(&out, &octopus(), folder.path());
    }
}
