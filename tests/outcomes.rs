//! What a command has done is done, whatever becomes of what it prints: a full disk under its output, a reader that
//! went away, and an output that was closed never make a failure of it. A command that only prints fails with its output,
//! and none loses the exit code that it has to give.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use stage::{Stage, TO, text};

/// What becomes of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Under {
    /// It is read to its end.
    Read,
    /// The disk is full.
    Full,
    /// Its reader went away.
    Gone,
    /// It was closed before the command began.
    Closed,
}

use Under::{Closed, Full, Gone, Read};

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads any more.
fn gone() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn run(stage: &Stage, args: &[&str], stdout: Under, stderr: Under) -> Output {
    let plain = stage.command("d", args);
    let mut command = match stdout {
        Closed => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "exec \"$0\" \"$@\" >&-"]).arg(plain.get_program()).args(plain.get_args());
            shell.current_dir(plain.get_current_dir().unwrap()).stdin(Stdio::null());
            shell.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY");
            shell
        }
        _ => plain,
    };
    let under = |under| match under {
        Read | Closed => Stdio::piped(),
        Full => full(),
        Gone => gone(),
    };
    command.stdout(under(stdout)).stderr(under(stderr)).output().unwrap()
}

/// A command that changes something.
struct Deed {
    args: &'static [&'static str],
    /// A word of what it says on standard error where it cannot answer.
    word: &'static str,
    /// What it writes, in the folder of the stage.
    writes: &'static str,
}

const EXPORT: [&str; 8] = [
    "export",
    "sqlite:build.sqlite",
    "--master-key-file",
    "build.key",
    "--password-file",
    "password",
    "--kdf-memory",
    "8",
];

fn prepared() -> Stage {
    let stage = Stage::new();
    let tail = [&["--yes", "--no-record"][..], &TO].concat();
    // An import that can be taken back.
    std::fs::copy(stage.at("production.sqlite"), stage.at("written.sqlite")).unwrap();
    let mut import = [&["import", "build.sealift", "--overwrite", "--undo", "w.undo"][..], &tail].concat();
    import.iter_mut().filter(|arg| **arg == TO[1]).for_each(|arg| *arg = "sqlite:written.sqlite");
    stage.done(&import);
    stage.done(&["convert", "build.sealift", "tree"]);
    let mut bytes = std::fs::read(stage.at("build.sealift")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(stage.at("damaged.sealift"), bytes).unwrap();
    stage
}

const DEEDS: [Deed; 15] = [
    Deed {
        args: &["import", "build.sealift", "--overwrite", "--yes", "--no-record", "--no-undo", "--to"],
        word: "committed to sqlite:production.sqlite",
        writes: "production.sqlite",
    },
    Deed {
        args: &[
            "apply",
            "p.plan",
            "build.sealift",
            "--yes",
            "--record",
            "r.json",
            "--undo",
            "u.undo",
            "--to",
        ],
        word: "committed to sqlite:production.sqlite",
        writes: "production.sqlite",
    },
    Deed {
        args: &[
            "undo",
            "w.undo",
            "--yes",
            "--no-record",
            "--undo",
            "x.undo",
            "--to",
            "sqlite:written.sqlite",
        ],
        word: "committed to sqlite:written.sqlite",
        writes: "written.sqlite",
    },
    Deed { args: &["init", "sqlite:new.sqlite"], word: "sqlite:new.sqlite is made", writes: "new.sqlite" },
    Deed { args: &["export", "-o", "out.sealift"], word: "out.sealift holds", writes: "out.sealift" },
    Deed { args: &["export", "-o", "folder/"], word: "folder/ holds", writes: "folder" },
    Deed {
        args: &["partial-export", "--project", "Order Service", "-o", "one.sealift"],
        word: "one.sealift holds",
        writes: "one.sealift",
    },
    Deed { args: &["convert", "build.sealift", "other"], word: "other holds", writes: "other" },
    Deed { args: &["convert", "tree", "back.sealift"], word: "back.sealift holds", writes: "back.sealift" },
    Deed {
        args: &[
            "merge",
            "build.sealift",
            "-o",
            "m.sealift",
            "--password-file",
            "password",
            "--kdf-memory",
            "8",
        ],
        word: "m.sealift holds",
        writes: "m.sealift",
    },
    Deed {
        args: &["salvage", "damaged.sealift", "-o", "s.sealift", "--uncertain"],
        word: "s.sealift holds",
        writes: "s.sealift",
    },
    Deed { args: &["demo", "second"], word: "second holds the demo", writes: "second/production.undo" },
    Deed {
        args: &["plan", "build.sealift", "-o", "n.plan", "--sql", "n.sql", "--overwrite", "--to"],
        word: "n.sql is written, n.plan is written",
        writes: "n.plan",
    },
    Deed {
        args: &["plan", "build.sealift", "-o", "l.plan", "--list", "--overwrite", "--to"],
        word: "l.plan is written",
        writes: "l.plan",
    },
    Deed { args: &["man", "pages"], word: "the manual pages are in pages", writes: "pages/sealift.1" },
];

impl Deed {
    /// A folder to do it in.
    fn stage(&self, first: &Stage) -> Stage {
        let stage = first.copy();
        // A plan is for one target, wherever that is.
        if self.args[0] == "apply" {
            stage.done(&[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &TO].concat());
        }
        stage
    }

    fn args(&self, json: bool) -> Vec<&'static str> {
        let mut args = match self.args {
            ["export" | "partial-export", rest @ ..] => [&self.args[..1], &EXPORT[1..], rest].concat(),
            [.., "--to"] => [&self.args[..self.args.len() - 1], &TO].concat(),
            ["undo", ..] => [self.args, &["--master-key-file", "production.key"]].concat(),
            args => args.to_vec(),
        };
        // A list is for people.
        if json && !args.contains(&"--list") {
            args.push("--json");
        }
        args
    }
}

fn state(stage: &Stage, path: &str) -> Option<Vec<u8>> {
    let path = stage.at(path);
    if path.is_dir() { Some(Vec::new()) } else { std::fs::read(path).ok() }
}

#[test]
fn what_is_done_on_a_server_is_never_reported_as_failed() {
    never_failed(&DEEDS[..4]);
}

#[test]
fn what_is_done_to_files_is_never_reported_as_failed() {
    never_failed(&DEEDS[4..]);
}

fn never_failed(deeds: &[Deed]) {
    let first = prepared();
    for deed in deeds {
        let before = state(&first, deed.writes);
        let usual = deed.stage(&first);
        let expected = run(&usual, &deed.args(false), Read, Read);
        let told = text(&expected.stdout) + &text(&expected.stderr);
        let expected = expected.status.code().unwrap();
        assert!([0, 3].contains(&expected), "{:?}: {expected}\n{told}", deed.args);
        assert_ne!(state(&usual, deed.writes), before, "{:?} writes", deed.args);
        let outputs = [(Full, Read, false), (Gone, Read, true), (Full, Full, true), (Closed, Read, false)];
        // A demo takes as long as all others together.
        let most = if deed.args[0] == "demo" { 1 } else { outputs.len() };
        for (stdout, stderr, json) in outputs.into_iter().take(most) {
            let stage = deed.stage(&first);
            let out = run(&stage, &deed.args(json), stdout, stderr);
            let what = format!("{:?} {stdout:?} {stderr:?} json {json}", deed.args);
            let told = text(&out.stderr);
            assert_eq!(out.status.code(), Some(expected), "{what}\n{told}");
            assert_ne!(state(&stage, deed.writes), before, "{what}: it is done");
            if stderr == Read && stdout != Closed {
                assert!(told.contains(deed.word), "{what}\n{told}");
            }
        }
    }
}

/// A command that changes nothing, with the exit code that it has where it can print.
#[test]
fn an_answer_that_cannot_be_printed_is_a_failure_and_hides_no_other() {
    let first = prepared();
    let refused = ["import", "build.sealift", "--policy", "*=fail", "--yes", "--no-record"];
    let refused = [&refused[..], &TO].concat();
    let dry = [&["import", "build.sealift", "--overwrite", "--dry-run"][..], &TO].concat();
    let plan = [&["plan", "build.sealift", "--overwrite"][..], &TO].concat();
    let stops = [&["plan", "build.sealift", "--policy", "*=fail"][..], &TO].concat();
    let answers: [(&[&str], i32); 18] = [
        (&refused, 4),
        (&dry, 0),
        (&plan, 0),
        (&stops, 4),
        (&["list", "build.sealift"], 0),
        (&["info", "build.sealift"], 0),
        (&["show", "build.sealift", "Account", "Kube Token"], 0),
        (&["show", "p.plan"], 0),
        (&["why", "build.sealift", "Account", "Kube Token"], 0),
        (&["verify", "build.sealift"], 0),
        (&["verify", "damaged.sealift"], 5),
        (&["diff", "build.sealift", "build.sealift"], 0),
        (&["diff", "sqlite:build.sqlite", "sqlite:production.sqlite"], 3),
        (&["merge", "build.sealift", "sqlite-less.sealift", "--dry-run", "--no-secrets"], 4),
        (&["model", "show"], 0),
        (&["completions", "bash"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
    ];
    first.done(&[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &TO].concat());
    // Another state of the same documents, to be in conflict with.
    first.done(&["export", "sqlite:production.sqlite", "--no-secrets", "-o", "sqlite-less.sealift"]);
    for (args, expected) in answers {
        for (stdout, stderr) in [(Read, Read), (Full, Read), (Gone, Read), (Full, Full), (Closed, Read)] {
            let out = run(&first, args, stdout, stderr);
            let failed = if stdout == Full && expected == 0 { 1 } else { expected };
            let told = text(&out.stderr);
            assert_eq!(out.status.code(), Some(failed), "{args:?} {stdout:?} {stderr:?}\n{told}");
        }
    }
}
