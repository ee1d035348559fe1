//! The program is killed at any moment: the target is as before or as after, an output is whole or not there, and
//! the next run does the work.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
mod support;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::Value;
use sealift::bundle::{Limits, UncheckedBundle};
use sealift::crypto::MasterKey;
use sealift::ops::{UndoRecord, plan_digest};
use sealift::plan::SavedPlan;
use sealift::progress::Silent;
use sealift::server::sqlite::SqliteServer;

const SEED: u64 = 0x5EA1_1F7D_0000_0001;
const SERVER: &str = "production.sqlite";
const TO: [&str; 6] = [
    "--to",
    "sqlite:production.sqlite",
    "--master-key-file",
    "production.key",
    "--password-file",
    "password",
];
const KEY: [&str; 4] = ["--to", "sqlite:production.sqlite", "--master-key-file", "production.key"];
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
const KEEP: [&str; 4] = ["--yes", "--no-record", "--undo", "u.undo"];

/// What a command writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    Bundle(&'static str),
    Tree(&'static str),
    /// The target, and u.undo.
    Server,
}

struct Case {
    name: &'static str,
    prepare: fn(&Path),
    args: fn() -> Vec<&'static str>,
    writes: Writes,
    /// What the command answers when it is run once more after it was done.
    again: i32,
}

const CASES: [Case; 8] = [
    Case {
        name: "export",
        prepare: |_| (),
        args: || [&EXPORT[..], &["-o", "out.sealift"]].concat(),
        writes: Writes::Bundle("out.sealift"),
        again: 1,
    },
    Case {
        name: "export over another",
        prepare: |folder| {
            done(folder, &[&EXPORT[..], &["--only", "Environment", "-o", "out.sealift"]].concat());
        },
        args: || [&EXPORT[..], &["--force", "-o", "out.sealift"]].concat(),
        writes: Writes::Bundle("out.sealift"),
        again: 0,
    },
    Case {
        name: "convert to a folder",
        prepare: |_| (),
        args: || vec!["convert", "build.sealift", "tree"],
        writes: Writes::Tree("tree"),
        again: 0,
    },
    Case {
        name: "convert over a folder",
        prepare: |folder| {
            done(folder, &[&EXPORT[..], &["--exclude", "Project", "-o", "less.sealift"]].concat());
            done(folder, &["convert", "less.sealift", "tree"]);
        },
        args: || vec!["convert", "build.sealift", "tree"],
        writes: Writes::Tree("tree"),
        again: 0,
    },
    Case {
        name: "convert to a bundle",
        prepare: |folder| done(folder, &["convert", "build.sealift", "tree"]),
        args: || vec!["convert", "tree", "out.sealift"],
        writes: Writes::Bundle("out.sealift"),
        again: 1,
    },
    Case {
        name: "import",
        prepare: |_| (),
        args: || [&["import", "build.sealift", "--overwrite"][..], &TO, &KEEP].concat(),
        writes: Writes::Server,
        again: 0,
    },
    Case {
        name: "apply",
        prepare: |folder| {
            done(folder, &[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &TO].concat());
        },
        args: || [&["apply", "p.plan", "build.sealift"][..], &TO, &KEEP].concat(),
        writes: Writes::Server,
        // A plan is applied once.
        again: 4,
    },
    Case {
        name: "undo",
        prepare: |folder| {
            let import = [&["import", "build.sealift", "--overwrite"][..], &TO].concat();
            done(folder, &[&import[..], &["--yes", "--no-record", "--undo", "import.undo"]].concat());
        },
        args: || [&["undo", "import.undo"][..], &KEY, &KEEP].concat(),
        writes: Writes::Server,
        again: 0,
    },
];

/// What the rounds of a case came to.
#[derive(Default, Debug)]
struct Figures {
    struck: usize,
    before: usize,
    after: usize,
    /// Folders that say that a conversion into them did not end.
    refused: usize,
    /// Temporary files and folders beside the output.
    leftovers: usize,
    /// Undo files of imports that were not committed.
    undo_alone: usize,
    /// Targets that a journal lay beside.
    journals: usize,
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY");
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    command.env("TMPDIR", temporary);
    command
}

fn run(folder: &Path, args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = command(folder, args).output().unwrap();
    let told = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), told)
}

#[track_caller]
fn done(folder: &Path, args: &[&str]) {
    let (code, told) = run(folder, args);
    assert_eq!(code, 0, "{args:?}\n{told}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &there),
            false => drop(std::fs::copy(entry.path(), there).unwrap()),
        }
    }
}

/// The demo's two servers before the import, and a bundle of the first.
fn first() -> &'static Path {
    static FIRST: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FIRST.get_or_init(|| {
        let folder = support::folder();
        done(folder.path(), &["demo", "d"]);
        let d = folder.path().join("d");
        done(&d, &[&["undo", "production.undo", "--yes", "--no-undo", "--no-record"][..], &KEY].concat());
        std::fs::remove_file(d.join("production.undo")).unwrap();
        done(&d, &[&EXPORT[..], &["--force", "-o", "build.sealift"]].concat());
        folder
    });
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| folder.path().join("d"))
}

/// Two hashes of a server: of every row, and of what is the same however often the same is written. The file must
/// be the test's own: a journal beside it is played back.
fn rows(path: &Path) -> (u64, u64) {
    let db = Connection::open(path).unwrap();
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut select = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let (mut all, mut shape) = (DefaultHasher::new(), DefaultHasher::new());
    for table in tables {
        let mut select = db.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY 1, 2")).unwrap();
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut found = select.query([]).unwrap();
        table.hash(&mut all);
        table.hash(&mut shape);
        while let Some(row) = found.next().unwrap() {
            for (at, name) in names.iter().enumerate() {
                let value = format!("{:?}", row.get::<_, Value>(at).unwrap());
                value.hash(&mut all);
                // Names and ids; the secrets within the documents are new ciphertexts each time.
                if at == 0 || name == "Id" || name == "Name" || name.ends_with("Id") {
                    value.hash(&mut shape);
                }
            }
        }
    }
    (all.finish(), shape.finish())
}

fn production_key() -> MasterKey {
    MasterKey::from_base64(&std::fs::read_to_string(first().join("production.key")).unwrap()).unwrap()
}

/// The content root of a server.
fn server_root(path: &Path) -> String {
    let out = path.with_extension("root");
    let mut server = SqliteServer::open(path).unwrap();
    back::root(&mut server, &support::octopus(), Some(&production_key()), &out).to_string()
}

/// The content root of a bundle, every byte of which is looked at.
fn bundle_root(path: &Path) -> String {
    let unchecked = UncheckedBundle::open(path, &Limits::default()).unwrap();
    unchecked.check(&Silent).unwrap().info().content_root.to_string()
}

/// A tree's content root, or why it is none.
fn tree_root(folder: &Path, tree: &str) -> Result<String, String> {
    let out = folder.join("tmp/back.sealift");
    drop(std::fs::remove_file(&out));
    let (code, told) = run(folder, &["convert", tree, "tmp/back.sealift"]);
    match code {
        0 => Ok(bundle_root(&out)),
        _ => {
            assert!(!out.exists());
            assert!(code > 0 && code < 7 && told.contains("error: "), "{code} {told}");
            Err(told)
        }
    }
}

/// A state that the output of a command is in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Absent,
    Whole(String),
    Rows { all: u64, shape: u64, root: String },
    Refused,
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

struct Stage {
    home: tempfile::TempDir,
    start: PathBuf,
    folder: PathBuf,
}

impl Stage {
    fn new(case: &Case) -> Self {
        let home = support::folder();
        let (start, folder) = (home.path().join("start"), home.path().join("d"));
        // A plan is for the file at its place.
        copy(first(), &folder);
        (case.prepare)(&folder);
        copy(&folder, &start);
        Self { home, start, folder }
    }

    fn reset(&self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
        copy(&self.start, &self.folder);
    }

    /// What the output is now. `known` is a state that it may be in still.
    fn state(&self, writes: Writes, known: Option<&State>) -> State {
        match writes {
            Writes::Bundle(name) => match self.folder.join(name) {
                path if path.exists() => State::Whole(bundle_root(&path)),
                _ => State::Absent,
            },
            Writes::Tree(name) if !self.folder.join(name).exists() => State::Absent,
            Writes::Tree(name) => match tree_root(&self.folder, name) {
                Ok(root) => State::Whole(root),
                Err(_) => State::Refused,
            },
            Writes::Server => {
                // With its journal to another place: the next run meets them as they were left.
                let aside = self.home.path().join("aside");
                drop(std::fs::remove_dir_all(&aside));
                std::fs::create_dir(&aside).unwrap();
                for name in names(&self.folder).iter().filter(|name| name.starts_with(SERVER)) {
                    std::fs::copy(self.folder.join(name), aside.join(name)).unwrap();
                }
                let (all, shape) = rows(&aside.join(SERVER));
                match known {
                    Some(State::Rows { all: same, .. }) if *same == all => known.unwrap().clone(),
                    _ => State::Rows { all, shape, root: server_root(&aside.join(SERVER)) },
                }
            }
        }
    }

    /// Whether a whole undo file is there; one that is there is whole.
    fn undo_file(&self) -> bool {
        let path = self.folder.join("u.undo");
        if !path.exists() {
            return false;
        }
        let model = support::octopus();
        let key = production_key();
        let (bundle, _, data, _) = back::open_undo(&path, &model, Some(&key)).unwrap();
        assert!(UndoRecord::read(&bundle, model.collation).unwrap().is_some());
        assert!(data.is_some());
        true
    }

    fn leftovers(&self) -> usize {
        let ours = |names: Vec<String>| names.iter().filter(|name| name.starts_with(".sealift-")).count();
        let tree = self.folder.join("tree");
        let within = if tree.is_dir() { ours(names(&tree)) } else { 0 };
        ours(names(&self.folder)) + within
    }
}

/// Whether two states are the same to everybody: ciphertexts aside.
fn alike(a: &State, b: &State) -> bool {
    match (a, b) {
        (State::Rows { shape, root, .. }, State::Rows { shape: s, root: r, .. }) => shape == s && root == r,
        _ => a == b,
    }
}

fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn kill_it(name: &str) {
    let case = CASES.iter().find(|case| case.name == name).unwrap();
    let rounds: usize = std::env::var("SEALIFT_KILLS").map_or(12, |text| text.parse().unwrap());
    let stage = Stage::new(case);
    let args = (case.args)();
    let before = stage.state(case.writes, None);
    let mut took = Vec::new();
    for _ in 0..3 {
        stage.reset();
        let start = Instant::now();
        done(&stage.folder, &args);
        took.push(start.elapsed());
    }
    took.sort();
    let took = took[1];
    let after = stage.state(case.writes, None);
    assert!(!alike(&before, &after) && !matches!(after, State::Absent | State::Refused), "{after:?}");
    if case.writes == Writes::Server {
        assert!(stage.undo_file());
    }
    let mut again = args.clone();
    if case.writes == Writes::Server {
        // No undo file is overwritten, and that is checked before anything else.
        *again.last_mut().unwrap() = "u2.undo";
    }
    let (code, told) = run(&stage.folder, &again);
    assert_eq!(code, case.again, "{told}");

    let mut random = SEED;
    let mut figures = Figures::default();
    for round in 0..rounds {
        // Spread evenly, and at random within the share of each round.
        let share = (round as f64 + (next(&mut random) >> 11) as f64 / (1u64 << 53) as f64) / rounds as f64;
        let delay = took.mul_f64(share * 1.1);
        let at = format!("{name}, round {round} of {rounds}, seed {SEED:#x}, after {delay:?} of {took:?}");
        round_of(&stage, case, &args, (&before, &after), delay, &at, &mut figures);
    }
    println!("{name}: {rounds} rounds of {took:?} undisturbed; {figures:?}");
    assert!(figures.struck * 3 >= rounds, "{name}: too few were struck: {figures:?}");
}

fn round_of(
    stage: &Stage,
    case: &Case,
    args: &[&str],
    (before, after): (&State, &State),
    delay: Duration,
    at: &str,
    figures: &mut Figures,
) {
    stage.reset();
    let mut child = command(&stage.folder, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    match status.signal() {
        Some(9) => figures.struck += 1,
        _ => assert_eq!(status.code(), Some(0), "{at}"),
    }
    figures.leftovers += stage.leftovers();
    figures.journals += usize::from(stage.folder.join(format!("{SERVER}-journal")).exists());
    if let Ok(plan) = std::fs::read(stage.folder.join("p.plan")) {
        SavedPlan::read(&plan, &plan_digest).expect(at);
    }

    let found = stage.state(case.writes, Some(before));
    // What was not written is row for row and byte for byte as it was.
    let is_before = found == *before;
    let is_after = !is_before && alike(&found, after);
    figures.before += usize::from(is_before);
    figures.after += usize::from(is_after);
    if status.signal().is_none() {
        assert!(is_after, "{at}: {found:?}");
    }
    match case.writes {
        Writes::Bundle(name) => {
            assert!(is_before || is_after, "{at}: {found:?}");
            if is_before && found != State::Absent {
                let same = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
                assert!(same(&stage.folder) == same(&stage.start), "{at}");
            }
        }
        // Files are put there one by one: until that ended nobody takes the folder for a tree.
        Writes::Tree(name) if found == State::Refused => {
            let told = tree_root(&stage.folder, name).unwrap_err();
            assert!(told.contains("did not end"), "{at}: {told}");
            figures.refused += 1;
        }
        Writes::Tree(_) => assert!(is_before || is_after, "{at}: {found:?}"),
        Writes::Server => {
            assert!(is_before || is_after, "{at}: {found:?}");
            let kept = stage.undo_file();
            assert!(kept || is_before, "{at}: there is no undo file");
            figures.undo_alone += usize::from(kept && is_before);
        }
    }

    // The next run does it.
    let mut again = args.to_vec();
    if matches!(case.writes, Writes::Bundle(_)) && is_after && !again.contains(&"--force") {
        again.push("--force");
    }
    if case.writes == Writes::Server && is_before && stage.folder.join("u.undo").exists() {
        // The file of an import that was not made is not overwritten, and takes nothing back.
        let (code, told) = run(&stage.folder, &again);
        assert!(code == 1 && told.contains("u.undo"), "{at}: {code} {told}");
        let undo = [&["undo", "u.undo", "--yes", "--no-undo", "--no-record"][..], &KEY].concat();
        let (code, told) = run(&stage.folder, &undo);
        assert!(code == 4 || code == 0, "{at}: {code} {told}");
        assert!(stage.state(case.writes, Some(before)) == *before, "{at}");
        *again.last_mut().unwrap() = "u2.undo";
    }
    if case.writes == Writes::Server && is_after {
        *again.last_mut().unwrap() = "u2.undo";
    }
    let (code, told) = run(&stage.folder, &again);
    let fine = match (case.writes, is_after) {
        (Writes::Server, true) => code == case.again,
        _ => code == 0,
    };
    assert!(fine, "{at}: {code} {told}");
    let found = stage.state(case.writes, Some(&found));
    assert!(alike(&found, after), "{at}: {found:?} and not {after:?}");
}

#[test]
fn an_export_is_killed() {
    kill_it("export");
}

#[test]
fn an_export_over_another_is_killed() {
    kill_it("export over another");
}

#[test]
fn a_conversion_to_a_folder_is_killed() {
    kill_it("convert to a folder");
}

#[test]
fn a_conversion_over_a_folder_is_killed() {
    kill_it("convert over a folder");
}

#[test]
fn a_conversion_to_a_bundle_is_killed() {
    kill_it("convert to a bundle");
}

#[test]
fn an_import_is_killed() {
    kill_it("import");
}

#[test]
fn an_apply_is_killed() {
    kill_it("apply");
}

#[test]
fn an_undo_is_killed() {
    kill_it("undo");
}
