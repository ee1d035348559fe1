//! The n-th write, sync, rename or removal fails, or the disk is full at it, until the work comes to its end without
//! meeting the fault: the answer is an error that says so, the target is as before, and nothing half is left under a
//! final name. Each fault is proven to have struck by the log of the tool that injects it (`strace`, on Linux).
//!
//! An ordinary run takes n = 1, 2, 4, 8 and so on; `SEALIFT_FAULTS=all` takes every one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use sealift::crypto::MasterKey;
use sealift::server::sqlite::SqliteServer;
use stage::{Stage, TO, text};

/// The calls that fail, and how.
const FAULTS: [(&str, &str); 11] = [
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("write", "ENOSPC"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("ftruncate", "EIO"),
    ("rename", "EIO"),
    ("renameat2", "EIO"),
    ("linkat", "EIO"),
    ("mkdir", "ENOSPC"),
    ("unlink", "EIO"),
];

/// Whether faults can be injected here.
fn can() -> bool {
    let probe =
        ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1", "true"];
    let out = Command::new("strace").args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let can = out.is_ok_and(|status| status.success());
    if !can {
        println!("skipped: strace is not here, or may not trace");
    }
    can
}

/// Runs a command with a fault. Returns the exit code, what it told, and whether the fault struck.
fn faulty(stage: &Stage, args: &[&str], call: &str, error: &str, n: u32) -> (Option<i32>, String, bool) {
    let log = stage.at("strace.log");
    let plain = stage.command("d", args);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&log);
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error={error}:when={n}")]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(stage.at("")).stdin(Stdio::null());
    command.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY");
    let out = command.output().unwrap();
    let struck = std::fs::read_to_string(&log).unwrap().contains("(INJECTED)");
    std::fs::remove_file(log).unwrap();
    (out.status.code(), text(&out.stderr), struck)
}

/// Lets each call fail at each n. `look` says whether what there is is as after the work, and fails for anything
/// that is neither that nor as before it.
fn each(name: &str, prepare: &dyn Fn() -> Stage, args: &[&str], look: &dyn Fn(&Stage, &str) -> bool) {
    if !can() {
        return;
    }
    let all = std::env::var("SEALIFT_FAULTS").is_ok_and(|text| text == "all");
    let mut codes: BTreeMap<i32, u32> = BTreeMap::new();
    let (mut struck, mut kinds) = (0_u32, 0_u32);
    for (call, error) in FAULTS {
        let mut n = 1;
        loop {
            let stage = prepare();
            let (code, told, hit) = faulty(&stage, args, call, error, n);
            let at = format!("{name}: {error} at {call} {n}: {code:?} {told}");
            if !hit {
                assert_eq!(code, Some(0), "{at}");
                break;
            }
            struck += 1;
            kinds += u32::from(n == 1);
            let code = code.unwrap_or_else(|| panic!("{at}"));
            *codes.entry(code).or_default() += 1;
            assert!([0, 1, 4, 5].contains(&code), "{at}");
            let after = look(&stage, call);
            // Whatever fails after that, as the output does: what is done is done.
            assert_eq!(after, code == 0, "{at}");
            if code != 0 {
                assert!(told.contains("error:") || call == "write", "{at}");
                if n % 4 == 1 && !after {
                    stage.done(args);
                    assert!(look(&stage, ""), "{at}: the next run");
                }
            }
            n = if all { n + 1 } else { n * 2 };
            assert!(n < 20_000, "{at}");
        }
    }
    println!("{name}: {struck} faults of {kinds} sorts struck, exit codes {codes:?}");
    assert!(struck >= 10 && kinds >= 3, "{name}: {struck} of {kinds} sorts");
}

fn root(stage: &Stage) -> String {
    let key = std::fs::read_to_string(stage.at("production.key")).unwrap();
    let key = MasterKey::from_base64(&key).unwrap();
    let mut server = SqliteServer::open(&stage.at("production.sqlite")).unwrap();
    back::root(&mut server, &support::octopus(), Some(&key), &stage.at("root.sealift")).to_string()
}

/// What is at the output's place is whole.
fn whole(stage: &Stage, out: &str) -> bool {
    let there = stage.at(out).exists();
    if there {
        stage.done(&["verify", out]);
    }
    there
}

const IMPORT: [&str; 7] =
    ["import", "build.sealift", "--overwrite", "--yes", "--no-record", "--undo", "u.undo"];

#[test]
fn every_fault_of_an_import_takes_it_back() {
    let import = [&IMPORT[..], &TO].concat();
    let stage = Stage::new();
    let before = root(&stage);
    stage.done(&import);
    let after = root(&stage);
    each("import", &Stage::new, &import, &|stage, call| {
        let now = root(stage);
        assert!(now == before || now == after, "{call}: between before and after");
        // An undo file of nothing stays only where it cannot be removed.
        if now == after || call == "unlink" {
            whole(stage, "u.undo");
        } else {
            assert!(!stage.at("u.undo").exists(), "{call}: an undo file of nothing");
        }
        let _ = std::fs::remove_file(stage.at("u.undo")).is_ok_and(|()| now == before);
        now == after
    });
}

#[test]
fn every_fault_of_an_undo_takes_it_back() {
    let imported = Stage::new();
    let before = root(&imported);
    imported.done(&[&IMPORT[..], &TO].concat());
    let after = root(&imported);
    let undo = ["undo", "u.undo", TO[0], TO[1], TO[2], TO[3], "--yes", "--no-record", "--no-undo"];
    each("undo", &|| imported.copy(), &undo, &|stage, call| {
        let now = root(stage);
        assert!(now == before || now == after, "{call}: between before and after");
        now == before
    });
}

#[test]
fn every_fault_of_an_export_leaves_nothing() {
    let export = ["export", "sqlite:build.sqlite", "-o", "out.sealift", "--master-key-file", "build.key"];
    let export = [&export[..], &["--password-file", "password", "--kdf-memory", "8"]].concat();
    each("export", &Stage::new, &export, &|stage, _| whole(stage, "out.sealift"));
}

#[test]
fn every_fault_of_a_conversion_leaves_nothing() {
    let there = ["convert", "build.sealift", "-o", "tree"];
    each("convert to a folder", &Stage::new, &there, &|stage, _| whole(stage, "tree"));
    let stage = Stage::new();
    stage.done(&there);
    let back = ["convert", "tree", "-o", "back.sealift"];
    each("convert to a bundle", &|| stage.copy(), &back, &|stage, _| whole(stage, "back.sealift"));
}
