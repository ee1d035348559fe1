//! The demo's two servers before the import, in a folder of each test's own, and the command run in it.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::path::PathBuf;
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
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        for entry in std::fs::read_dir(first.folder.path().join("d")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join("d").join(entry.file_name())).unwrap();
        }
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
