//! The demo's two servers before the import, in a folder of each test's own, and the command run in it.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use rusqlite::Connection;

pub const TO: [&str; 6] = [
    "--to",
    "sqlite:production.sqlite",
    "--master-key-file",
    "production.key",
    "--password-file",
    "password",
];

pub struct Stage {
    folder: tempfile::TempDir,
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl Stage {
    /// A copy of a demo whose import was taken back.
    pub fn new() -> Self {
        static FIRST: OnceLock<Stage> = OnceLock::new();
        let first = FIRST.get_or_init(|| {
            let stage = Stage { folder: tempfile::tempdir().unwrap() };
            let out = stage.command("", &["demo", "d"]).output().unwrap();
            assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
            let back = ["undo", "production.undo", "--to", TO[1], TO[2], TO[3]];
            stage.done(&[&back[..], &["--yes", "--no-undo", "--no-record"]].concat());
            stage
        });
        first.copy()
    }

    /// A folder of its own with the same in it.
    pub fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.at(""), &folder.path().join("d"));
        Self { folder }
    }

    /// The same without some files.
    pub fn copy_of(&self, without: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_but(&self.at(""), &folder.path().join("d"), without);
        Self { folder }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("d").join(name)
    }

    pub fn command(&self, folder: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(args).current_dir(self.folder.path().join(folder)).stdin(Stdio::null());
        command.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command("d", args).output().unwrap()
    }

    #[track_caller]
    pub fn done(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(0), "{args:?}\n{}{}", text(&out.stdout), text(&out.stderr));
        text(&out.stdout)
    }

    /// Expects a refusal that leaves the target byte for byte.
    #[track_caller]
    pub fn refused(&self, args: &[&str], code: i32, piece: &str) -> String {
        let before = std::fs::read(self.at("production.sqlite")).unwrap();
        let out = self.run(args);
        let told = text(&out.stdout) + &text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}\n{told}");
        assert!(told.contains(piece), "{args:?}\n{told}");
        assert!(before == std::fs::read(self.at("production.sqlite")).unwrap());
        told
    }

    pub fn sql(&self, sql: &str) -> usize {
        Connection::open(self.at("production.sqlite")).unwrap().execute(sql, []).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    copy_but(from, to, &[]);
}

fn copy_but(from: &Path, to: &Path, without: &[&str]) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().is_some_and(|name| without.contains(&name)) {
            continue;
        }
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}
