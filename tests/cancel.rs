//! Stopped at every point where work can be stopped: the answer says so, the target is as it was, and nothing is left
//! behind. Ctrl-C does the same through the same door; a few real ones are sent too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use back::*;
use sealift::demo::{self, DemoOptions, Site};
use sealift::ops::{self, ConvertError, ExportError, How, ImportError, Keys};
use sealift::progress::{Event, Progress};
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;
use sealift::tree::ScriptMode;
use support::*;

/// Asks to stop when it is asked for the n-th time.
struct Stop {
    at: u64,
    asked: AtomicU64,
}

impl Progress for Stop {
    fn event(&self, _: Event) {}

    fn cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst) + 1 >= self.at
    }
}

fn names(folder: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Stops some work at every point, one after another: all of the first, then at growing steps. `work` says whether it
/// came to its end; what it leaves then is taken away.
fn everywhere(name: &str, folder: &Path, target: Option<&Path>, work: &dyn Fn(&dyn Progress) -> bool) {
    let there = names(folder);
    let before = target.map(|target| std::fs::read(target).unwrap());
    let (mut struck, mut at) = (0_u64, 1_u64);
    loop {
        let stop = Stop { at, asked: AtomicU64::new(0) };
        if work(&stop) {
            println!("{name}: stopped at {struck} points of {at}");
            assert!(struck >= 10, "{name} has more points than {struck}");
            return;
        }
        assert!(stop.asked.load(Ordering::SeqCst) >= at, "{name}: stopped before it was asked to");
        struck += 1;
        assert_eq!(names(folder), there, "{name}: something is left behind at {at}");
        if let (Some(target), Some(before)) = (target, &before) {
            assert!(*before == std::fs::read(target).unwrap(), "{name}: the target was changed at {at}");
        }
        at += 1 + struck / 25;
        assert!(struck < 3000, "{name} does not come to its end");
    }
}

struct Servers {
    folder: tempfile::TempDir,
    source: PathBuf,
    target: PathBuf,
    bundle: PathBuf,
}

impl Servers {
    fn new() -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, target, bundle) = (at("source.sqlite"), at("target.sqlite"), at("a.sealift"));
        let options = DemoOptions::default();
        demo::build(&mut empty_octopus(&source), Site::Build, &key(1), &options).unwrap();
        demo::build(&mut empty_octopus(&target), Site::Production, &key(2), &options).unwrap();
        export(&source, &octopus(), &bundle, &everything(Some(&key(1))));
        Self { folder, source, target, bundle }
    }
}

#[test]
fn an_export_is_stopped_anywhere() {
    let servers = Servers::new();
    let (model, master) = (octopus(), key(1));
    let out = servers.folder.path().join("out.sealift");
    everywhere("export", servers.folder.path(), Some(&servers.source), &|progress| {
        let mut server = SqliteServer::open(&servers.source).unwrap();
        let mut reader = server.read().unwrap();
        let header = header(&mut *reader, &model);
        let writer = sealift::bundle::Writer::create(&out, header, sealed()).unwrap();
        match ops::export(&mut *reader, &model, writer, &everything(Some(&master)), progress) {
            Ok(_) => true,
            Err(ExportError::Cancelled(_)) => false,
            Err(ExportError::Bundle(sealift::bundle::BundleError::Cancelled(_))) => false,
            Err(error) => panic!("{error:?}"),
        }
    });
}

fn cancelled(error: &ImportError) -> bool {
    matches!(
        error,
        ImportError::Cancelled(_) | ImportError::Bundle(sealift::bundle::BundleError::Cancelled(_))
    )
}

#[test]
fn an_import_and_its_undo_are_stopped_anywhere() {
    let servers = Servers::new();
    let (model, master) = (octopus(), key(2));
    let bundle = open(&servers.bundle);
    let data_key = unlock(&bundle);
    let seen = sealift::crypto::FingerprintKey::generate().unwrap();
    let keys = Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    let undo = servers.folder.path().join("a.undo");
    everywhere("plan", servers.folder.path(), Some(&servers.target), &|progress| {
        let mut server = SqliteServer::open(&servers.target).unwrap();
        let planned = ops::plan(&bundle, &mut *server.read().unwrap(), &model, keys, overwrite(), progress);
        planned.inspect_err(|error| assert!(cancelled(error), "{error:?}")).is_ok()
    });
    let to = to(&undo);
    everywhere("import", servers.folder.path(), Some(&servers.target), &|progress| {
        let mut server = SqliteServer::open(&servers.target).unwrap();
        let how = How { undo: Some(&to), ..How::default() };
        let done = ops::import(&bundle, &mut server, &model, keys, how, overwrite(), progress);
        done.inspect_err(|error| assert!(cancelled(error), "{error:?}")).is_ok()
    });
    let (file, record, data_key, seen) = open_undo(&undo, &model, Some(&master)).unwrap();
    let keys = Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    everywhere("undo", servers.folder.path(), Some(&servers.target), &|progress| {
        let mut server = SqliteServer::open(&servers.target).unwrap();
        let done = ops::undo(&file, &record, &mut server, &model, keys, How::default(), false, progress);
        done.inspect_err(|error| assert!(cancelled(error), "{error:?}")).is_ok()
    });
}

#[test]
fn a_conversion_is_stopped_anywhere() {
    let servers = Servers::new();
    let model = octopus();
    let bundle = open(&servers.bundle);
    let (tree, back) = (servers.folder.path().join("tree"), servers.folder.path().join("back.sealift"));
    let stopped = |error: &ConvertError| format!("{error:?}").contains("Cancelled");
    everywhere("convert to a folder", servers.folder.path(), None, &|progress| {
        let done = ops::to_tree(&bundle, &model, &tree, ScriptMode::default(), Default::default(), progress);
        done.inspect_err(|error| assert!(stopped(error), "{error:?}")).is_ok()
    });
    everywhere("convert to a bundle", servers.folder.path(), None, &|progress| {
        let tree = sealift::tree::Tree::open(&tree).unwrap();
        let done = ops::from_tree(&tree, &model, None, &back, (false, false), progress);
        done.inspect_err(|error| assert!(stopped(error), "{error:?}")).is_ok()
    });
}

/// The real signal, at moments spread over the time that a run takes.
#[cfg(unix)]
#[test]
fn ctrl_c_is_130_and_leaves_the_target_alone() {
    use stage::{Stage, TO};
    let import = ["import", "build.sealift", "--overwrite", "--yes", "--no-record", "--undo", "u.undo"];
    let import = [&import[..], &TO].concat();
    let first = Stage::new();
    let started = std::time::Instant::now();
    first.done(&import);
    let time = started.elapsed();
    let mut interrupted = 0;
    for part in 1..=8_u32 {
        let stage = Stage::new();
        let before = std::fs::read(stage.at("production.sqlite")).unwrap();
        let child = stage.command("d", &import).stderr(std::process::Stdio::piped()).spawn().unwrap();
        std::thread::sleep(time * part / 9);
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let out = child.wait_with_output().unwrap();
        let told = stage::text(&out.stderr);
        match out.status.code() {
            Some(130) => {
                interrupted += 1;
                assert!(told.contains("interrupted"), "{told}");
                assert!(before == std::fs::read(stage.at("production.sqlite")).unwrap());
                assert!(!stage.at("u.undo").exists());
            }
            // Too early for the program to hear it, or too late.
            None => assert!(before == std::fs::read(stage.at("production.sqlite")).unwrap()),
            Some(0) => assert!(stage.at("u.undo").exists()),
            Some(code) => panic!("{code}: {told}"),
        }
    }
    println!("Ctrl-C: {interrupted} of 8 interrupted");
    assert!(interrupted >= 3);
}
