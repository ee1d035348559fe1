//! `undo` as its users meet it: default names, questions, refusals, exit codes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A demo whose import has been made, in a folder of its own.
struct Demo {
    folder: tempfile::TempDir,
}

impl Demo {
    fn new() -> Self {
        let demo = Self { folder: support::folder() };
        let out = demo.run(&["demo", "."], &[]);
        // The folder is there already: the demo makes its own.
        assert_ne!(out.status.code(), Some(0));
        let out = demo.run(&["demo", "d"], &[]);
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        demo
    }

    fn at(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Output {
        let folder = if self.at().is_dir() { self.at() } else { self.folder.path().to_owned() };
        Command::new(env!("CARGO_BIN_EXE_sealift"))
            .args(args)
            .current_dir(folder)
            .env_remove("SEALIFT_PASSWORD")
            .env_remove("SEALIFT_MASTER_KEY")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let out = self.run(args, &[]);
        assert_eq!(out.status.code(), Some(0), "{args:?}\n{}{}", text(&out.stdout), text(&out.stderr));
        text(&out.stdout)
    }

    #[track_caller]
    fn refused(&self, args: &[&str], code: i32, piece: &str) {
        let before = std::fs::read(self.at().join("production.sqlite")).unwrap();
        let out = self.run(args, &[]);
        let told = text(&out.stdout) + &text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}\n{told}");
        assert!(told.contains(piece), "{args:?}\n{told}");
        assert!(before == std::fs::read(self.at().join("production.sqlite")).unwrap());
    }

    fn undo_files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.at()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".undo"));
        names.sort();
        names
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const TO: [&str; 4] = ["--to", "sqlite:production.sqlite", "--master-key-file", "production.key"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(&TO).copied().collect()
}

#[test]
fn the_demos_import_is_taken_back_and_made_again() {
    let demo = Demo::new();
    assert_eq!(demo.undo_files(), ["production.undo"]);
    let told = demo.done(&with(&["undo", "production.undo", "--dry-run"]));
    assert!(told.contains("dry run, rolled back") && told.contains("deleted"), "{told}");
    assert_eq!(demo.undo_files(), ["production.undo"], "a dry run leaves none");
    let told = demo.done(&with(&["undo", "production.undo", "--yes"]));
    assert!(told.contains("committed to sqlite:production.sqlite"), "{told}");
    let files = demo.undo_files();
    assert_eq!(files.len(), 2, "{files:?}");
    let redo = files.iter().find(|name| name.ends_with("Z-production.undo")).unwrap();
    assert!(told.contains(redo), "{told}");
    let told = demo.done(&with(&["undo", "production.undo", "--yes"]));
    assert!(told.contains("nothing to do"), "{told}");
    // Imported once more, with a name of our own for the undo file.
    let import = with(&["import", "build.sealift", "--overwrite", "--yes", "--password-file", "password"]);
    demo.done(&[&import[..], &["--undo", "mine.undo"]].concat());
    assert!(demo.undo_files().contains(&"mine.undo".to_owned()));
    demo.refused(&with(&["undo", "production.undo", "--yes", "--undo", "mine.undo"]), 1, "mine.undo");
    // It is a bundle: looked into like any other.
    let told = demo.done(&["list", "mine.undo", "Environment"]);
    assert!(told.contains("Environment"), "{told}");
    demo.done(&["verify", "mine.undo"]);
    let json = demo.done(&with(&["undo", "mine.undo", "--yes", "--no-undo", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["outcome"], "applied");
    assert!(json["undo"].is_null());
    assert!(json["counts"]["delete"].as_u64().unwrap() > 20);
}

#[test]
fn what_cannot_be_taken_back_is_refused_with_cause_and_hint() {
    let demo = Demo::new();
    demo.refused(&with(&["undo", "production.undo"]), 2, "--yes goes ahead");
    demo.refused(&with(&["undo", "build.sealift", "--yes"]), 2, "is no undo file");
    demo.refused(
        &["undo", "production.undo", "--to", "sqlite:production.sqlite", "--yes"],
        6,
        "needs the server's master key",
    );
    let other = ["--to", "sqlite:production.sqlite", "--master-key-file", "build.key", "--yes"];
    demo.refused(&[&["undo", "production.undo"][..], &other].concat(), 6, "under another master key");
    let import = ["import", "production.undo", "--yes", "--password-file", "password"];
    demo.refused(&with(&import), 2, "sealift undo");
    // Damaged by one bit.
    let path = demo.at().join("production.undo");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    demo.refused(&with(&["undo", "production.undo", "--yes"]), 5, "sealift verify");
}

#[test]
fn what_was_changed_since_is_named() {
    let demo = Demo::new();
    let db = rusqlite::Connection::open(demo.at().join("production.sqlite")).unwrap();
    let changed =
        db.execute("UPDATE Lifecycle SET JSON = json_set(JSON, '$.Description', 'by hand')", []).unwrap();
    drop(db);
    assert!(changed > 0);
    demo.refused(&with(&["undo", "production.undo", "--yes"]), 4, "was changed since the import");
    assert!(Path::new(&demo.at().join("production.undo")).exists());
}
