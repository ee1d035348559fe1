//! Killed at any moment: the target is as before or as after, nothing half stands under a final name, and the next
//! run works. Each case kills `SEALIFT_KILLS` runs of the binary (10 if not said, so that the suite stays short) at
//! moments spread over the time that a run takes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sealift::crypto::MasterKey;
use sealift::server::sqlite::SqliteServer;
use stage::{Stage, TO};

fn rounds() -> u32 {
    std::env::var("SEALIFT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Numbers that look random and are the same in every run.
struct Moments(u64);

impl Moments {
    /// A moment within a time and a little more.
    fn within(&mut self, time: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        time.mul_f64((self.0 % 10_000) as f64 / 10_000.0 * 1.05)
    }
}

/// What was seen in all rounds of a case.
#[derive(Debug, Default)]
struct Seen {
    struck: u32,
    ended: u32,
    before: u32,
    after: u32,
    left_behind: u32,
}

/// The content of the production server: all that it holds, secrets aside.
fn root(stage: &Stage) -> String {
    let key = std::fs::read_to_string(stage.at("production.key")).unwrap();
    let key = MasterKey::from_base64(&key).unwrap();
    let mut server = SqliteServer::open(&stage.at("production.sqlite")).unwrap();
    let out = stage.at("root.sealift");
    let root = back::root(&mut server, &support::octopus(), Some(&key), &out).to_string();
    std::fs::remove_file(out).unwrap();
    root
}

fn names(stage: &Stage) -> BTreeSet<String> {
    let entries = std::fs::read_dir(stage.at("")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Kills a command so many times, each time in a folder of its own, and looks at what is left: `check` is told
/// whether the run came to its end, and says whether what it finds is as after the run.
fn kill(name: &str, prepare: &dyn Fn() -> Stage, args: &[&str], check: &dyn Fn(&Stage, bool) -> bool) {
    let stage = prepare();
    let started = Instant::now();
    stage.done(args);
    let time = started.elapsed();
    assert!(check(&stage, true), "{name}: an undisturbed run");
    let mut moments = Moments(0x5ea1_1f70_0000_0001 ^ name.len() as u64);
    let mut seen = Seen::default();
    for round in 0..rounds() {
        let stage = prepare();
        let there = names(&stage);
        let moment = moments.within(time);
        let mut command = stage.command("d", args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let ended = match status.signal() {
            Some(9) => {
                seen.struck += 1;
                false
            }
            _ => {
                assert_eq!(status.code(), Some(0), "{name}, round {round}, {moment:?}");
                seen.ended += 1;
                true
            }
        };
        let hidden = names(&stage).difference(&there).filter(|name| name.starts_with(".sealift-")).count();
        seen.left_behind += u32::from(hidden > 0);
        let after = check(&stage, ended);
        assert!(after || !ended, "{name}, round {round}, {moment:?}: ended without its result");
        if after {
            seen.after += 1;
        } else {
            seen.before += 1;
            // Whatever was left, the next run works.
            stage.done(args);
            assert!(check(&stage, true), "{name}, round {round}, {moment:?}: the next run");
        }
    }
    println!("{name}: {} rounds of {time:?}, {seen:?}", rounds());
    assert!(seen.struck >= rounds() / 3, "{name}: hardly a run was killed: {seen:?}");
}

/// A target that is as before or as after, with the undo file whole where it is as after.
fn target<'a>(before: String, after: String, undo: &'a str) -> impl Fn(&Stage, bool) -> bool + 'a {
    move |stage, _| {
        let now = root(stage);
        assert!(now == before || now == after, "between before and after");
        if now == after {
            stage.done(&["verify", undo]);
        } else if stage.at(undo).exists() {
            // Complete, and of an import that was not committed: a bundle all the same, and in nobody's way.
            stage.done(&["verify", undo]);
            std::fs::remove_file(stage.at(undo)).unwrap();
        }
        now == after
    }
}

const IMPORT: [&str; 7] =
    ["import", "build.sealift", "--overwrite", "--yes", "--no-record", "--undo", "u.undo"];

fn import() -> Vec<&'static str> {
    [&IMPORT[..], &TO].concat()
}

#[test]
fn an_import_that_is_killed() {
    let stage = Stage::new();
    let before = root(&stage);
    stage.done(&import());
    let after = root(&stage);
    kill("import", &Stage::new, &import(), &target(before, after, "u.undo"));
}

#[test]
fn an_undo_that_is_killed() {
    let imported = Stage::new();
    let before = root(&imported);
    imported.done(&import());
    let after = root(&imported);
    let prepare = || imported.copy();
    let undo = ["undo", "u.undo", TO[0], TO[1], TO[2], TO[3], "--yes", "--no-record", "--undo", "redo.undo"];
    kill("undo", &prepare, &undo, &target(after, before, "redo.undo"));
}

#[test]
fn an_export_that_is_killed() {
    let export = ["export", "sqlite:build.sqlite", "-o", "out.sealift", "--master-key-file", "build.key"];
    let export = [&export[..], &["--password-file", "password", "--kdf-memory", "8"]].concat();
    kill("export", &Stage::new, &export, &|stage, _| {
        let there = stage.at("out.sealift").exists();
        if there {
            stage.done(&["verify", "out.sealift", "--password-file", "password"]);
        }
        there
    });
}

#[test]
fn a_conversion_that_is_killed() {
    let there = ["convert", "build.sealift", "-o", "tree"];
    kill("convert to a folder", &Stage::new, &there, &|stage, _| {
        let whole = stage.at("tree").exists();
        if whole {
            stage.done(&["verify", "tree"]);
        }
        whole
    });
    let stage = Stage::new();
    stage.done(&there);
    let back = ["convert", "tree", "-o", "back.sealift"];
    kill("convert to a bundle", &|| stage.copy(), &back, &|stage, _| {
        let whole = stage.at("back.sealift").exists();
        if whole {
            stage.done(&["verify", "back.sealift"]);
        }
        whole
    });
}
