//! Two commands at once, as two people would run them.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sealift::crypto::MasterKey;
use sealift::server::sqlite::SqliteServer;

use super::stage::{Stage, TO, text};
use super::{back, rounds, support};

const KEY: [&str; 4] = [TO[0], TO[1], TO[2], TO[3]];

#[derive(Debug)]
struct Ran {
    code: i32,
    told: String,
}

impl Ran {
    /// Did its work, found nothing left to do, or says that the other has the lock.
    fn answer(&self) -> &'static str {
        match (self.code, &self.told) {
            (0, told) if told.contains("nothing to do") => "nothing to do",
            (0, told) if told.contains("committed to") => "committed",
            (1, told) if told.contains("the server is locked by another process") => {
                assert!(told.contains("hint: wait until the other process is done"), "{told}");
                "locked"
            }
            (4, told) if told.contains("nothing was written") => "refused",
            _ => panic!("{self:?}"),
        }
    }
}

/// Starts one command, and another so much later, and waits for both.
fn race(stage: &Stage, one: &[&str], other: &[&str], later: Duration) -> [Ran; 2] {
    let start = |args: &[&str]| {
        let mut command = stage.command("d", args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = start(one);
    std::thread::sleep(later);
    let second = start(other);
    [first, second].map(|child| {
        let out = child.wait_with_output().unwrap();
        Ran { code: out.status.code().unwrap(), told: text(&out.stdout) + &text(&out.stderr) }
    })
}

/// How long a command takes.
fn time(stage: &Stage, args: &[&str]) -> Duration {
    let started = Instant::now();
    stage.done(args);
    started.elapsed()
}

fn root(stage: &Stage) -> String {
    let key = std::fs::read_to_string(stage.at("production.key")).unwrap();
    let key = MasterKey::from_base64(&key).unwrap();
    let mut server = SqliteServer::open(&stage.at("production.sqlite")).unwrap();
    back::root(&mut server, &support::octopus(), Some(&key), &stage.at("root.sealift")).to_string()
}

fn import<'a>(bundle: &'a str, undo: &'a str) -> Vec<&'a str> {
    let what = ["import", bundle, "--overwrite", "--yes", "--no-record", "--undo", undo];
    [&what[..], &TO].concat()
}

fn undo<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["undo", file, "--yes", "--no-record"][..], &KEY, more].concat()
}

type Counts = BTreeMap<String, u64>;

fn count(counts: &mut Counts, answers: [&str; 2]) {
    *counts.entry(answers.join(", ")).or_default() += 1;
}

#[test]
fn of_two_imports_of_one_bundle_one_is_made() {
    let first = Stage::new();
    let before = root(&first);
    let took = time(&first, &import("build.sealift", "a.undo"));
    let after = root(&first);
    let (rounds, mut counts) = (rounds(4), Counts::new());
    for round in 0..rounds {
        let stage = Stage::new();
        let later = took.mul_f64(round as f64 / rounds as f64);
        let ran = race(&stage, &import("build.sealift", "a.undo"), &import("build.sealift", "b.undo"), later);
        let at = format!("round {round}, {later:?} later: {ran:?}");
        let answers = [ran[0].answer(), ran[1].answer()];
        count(&mut counts, answers);
        let made: Vec<_> = answers.iter().map(|answer| *answer == "committed").collect();
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{at}");
        assert_eq!(root(&stage), after, "{at}");
        // Who made it can take it back, and nobody else thinks so.
        let files = ["a.undo", "b.undo"];
        for (name, made) in files.iter().zip(&made) {
            assert_eq!(stage.at(name).exists(), *made, "{at}: {name}");
        }
        let mine = files[usize::from(made[1])];
        stage.done(&undo(mine, &["--no-undo"]));
        assert_eq!(root(&stage), before, "{at}: taken back");
    }
    println!("two imports of one bundle, {rounds} rounds: {counts:?}");
}

#[test]
fn two_imports_of_two_bundles_do_not_mix() {
    // What both have in common they say differently.
    let first = Stage::new();
    let change = |name: &str, description: &str| {
        let sql = format!("UPDATE Project SET [JSON] = json_set([JSON], '$.Description', '{description}')");
        assert!(Connection::open(first.at("build.sqlite")).unwrap().execute(&sql, []).unwrap() > 3);
        let export = ["export", "sqlite:build.sqlite", "-o", name, "--master-key-file", "build.key"];
        first.done(&[&export[..], &["--password-file", "password", "--kdf-memory", "8"]].concat());
    };
    change("one.sealift", "of the one");
    change("other.sealift", "of the other");
    let (one, other) = (import("one.sealift", "a.undo"), import("other.sealift", "b.undo"));
    let mut ends = BTreeMap::new();
    for (name, order) in [("one", [&one, &other]), ("other", [&other, &one])] {
        let stage = first.copy();
        stage.done(order[0]);
        ends.insert((name, false), root(&stage));
        stage.done(order[1]);
        ends.insert((name, true), root(&stage));
    }
    let took = time(&first.copy(), &one);
    let (rounds, mut counts) = (rounds(4), Counts::new());
    for round in 0..rounds {
        let stage = first.copy();
        let later = took.mul_f64(round as f64 / rounds as f64);
        let ran = race(&stage, &one, &other, later);
        let at = format!("round {round}, {later:?} later: {ran:?}");
        let answers = [ran[0].answer(), ran[1].answer()];
        count(&mut counts, answers);
        let now = root(&stage);
        match answers {
            // Refused is who decided before the other wrote: what moved is named, and nothing is written.
            ["committed", "locked" | "refused"] => assert_eq!(now, ends[&("one", false)], "{at}"),
            ["locked" | "refused", "committed"] => assert_eq!(now, ends[&("other", false)], "{at}"),
            ["committed", "committed"] => {
                assert!(now == ends[&("one", true)] || now == ends[&("other", true)], "{at}");
            }
            _ => panic!("{at}"),
        }
    }
    println!("two imports of two bundles, {rounds} rounds: {counts:?}");
}

#[test]
fn an_import_is_taken_back_once() {
    let imported = Stage::new();
    let before = root(&imported);
    imported.done(&import("build.sealift", "a.undo"));
    let after = root(&imported);
    let took = time(&imported.copy(), &undo("a.undo", &["--undo", "x.undo"]));
    let (rounds, mut counts) = (rounds(4), Counts::new());
    for round in 0..rounds {
        let later = took.mul_f64(round as f64 / rounds as f64);
        // Twice by two people.
        let stage = imported.copy();
        let ran = race(
            &stage,
            &undo("a.undo", &["--undo", "x.undo"]),
            &undo("a.undo", &["--undo", "y.undo"]),
            later,
        );
        let at = format!("two undos, round {round}, {later:?} later: {ran:?}");
        let answers = [ran[0].answer(), ran[1].answer()];
        count(&mut counts, answers);
        assert_eq!(answers.iter().filter(|answer| **answer == "committed").count(), 1, "{at}");
        assert_eq!(root(&stage), before, "{at}");
        let files = ["x.undo", "y.undo"].map(|name| stage.at(name).exists());
        assert_eq!(files, answers.map(|answer| answer == "committed"), "{at}");
        // By one, while the other imports again.
        let stage = imported.copy();
        let ran = race(&stage, &undo("a.undo", &["--no-undo"]), &import("build.sealift", "b.undo"), later);
        let at = format!("undo and import, round {round}, {later:?} later: {ran:?}");
        let answers = [ran[0].answer(), ran[1].answer()];
        count(&mut counts, [&format!("undo {}", answers[0]), &format!("import {}", answers[1])]);
        let expected = match answers {
            ["committed", "committed"] | ["locked", "nothing to do"] => &after,
            ["committed", "nothing to do" | "locked"] => &before,
            _ => panic!("{at}"),
        };
        assert_eq!(root(&stage), *expected, "{at}");
    }
    println!("undo, {rounds} rounds: {counts:?}");
}

/// Who finds the target locked waits for a second, then says so; who only reads is not kept from it.
#[test]
fn a_target_that_somebody_holds_is_told() {
    let stage = Stage::new();
    let before = std::fs::read(stage.at("production.sqlite")).unwrap();
    // From here on the file is not looked at by other means: closing it would let go of the lock.
    let holder = Connection::open(stage.at("production.sqlite")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE; UPDATE Project SET [JSON] = '{}'").unwrap();
    let command = import("build.sealift", "a.undo");
    let run = |args: &[&str]| {
        let out = stage.run(args);
        Ran { code: out.status.code().unwrap(), told: text(&out.stdout) + &text(&out.stderr) }
    };
    let ran = run(&command);
    assert_eq!(ran.answer(), "locked", "{ran:?}");
    assert!(!stage.at("a.undo").exists());
    let ran = run(&[&["plan", "build.sealift", "--overwrite"][..], &TO].concat());
    assert!(ran.code == 0 && ran.told.contains("232 documents"), "{ran:?}");
    holder.execute_batch("ROLLBACK; BEGIN EXCLUSIVE").unwrap();
    let export = ["export", TO[1], "-o", "x.sealift", "--no-secrets"];
    let ran = run(&export);
    assert!(ran.code == 1 && ran.told.contains("the server is locked by another process"), "{ran:?}");
    assert!(!stage.at("x.sealift").exists());
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    assert!(before == std::fs::read(stage.at("production.sqlite")).unwrap());
    let holder = Connection::open(stage.at("production.sqlite")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let child = stage.command("d", &command).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Held while it starts, and let go within the second that it waits.
    std::thread::sleep(Duration::from_millis(400));
    holder.execute_batch("ROLLBACK").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(stage.at("a.undo").exists());
}

#[test]
fn of_two_exports_to_one_place_one_is_there() {
    let export = ["export", "sqlite:build.sqlite", "-o", "out.sealift", "--master-key-file", "build.key"];
    let export = [&export[..], &["--password-file", "password", "--kdf-memory", "8"]].concat();
    let force = [&export[..], &["--force"]].concat();
    let took = time(&Stage::new(), &export);
    let (rounds, mut counts) = (rounds(4), Counts::new());
    for round in 0..rounds {
        let later = took.mul_f64(round as f64 / rounds as f64);
        for (name, args) in [("export", &export), ("export --force", &force)] {
            let stage = Stage::new();
            let ran = race(&stage, args, args, later);
            let at = format!("{name}, round {round}, {later:?} later: {ran:?}");
            let codes = [ran[0].code, ran[1].code];
            *counts.entry(format!("{name} {codes:?}")).or_default() += 1;
            match (name, codes) {
                ("export", [0, 1] | [1, 0]) => {
                    let loser = &ran[usize::from(codes[1] == 1)].told;
                    assert!(loser.contains("out.sealift") && loser.contains("exists"), "{at}");
                    assert!(loser.contains("hint: --force overwrites it"), "{at}");
                }
                ("export --force", [0, 0]) => {}
                _ => panic!("{at}"),
            }
            stage.done(&["verify", "out.sealift", "--password-file", "password"]);
            nothing_hidden(&stage, &at);
        }
    }
    println!("two exports to one place, {rounds} rounds: {counts:?}");
}

fn nothing_hidden(stage: &Stage, at: &str) {
    for folder in ["", "tree"] {
        let Ok(entries) = std::fs::read_dir(stage.at(folder)) else { continue };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with(".sealift"), "{at}: {name} is left behind");
        }
    }
}

/// The content root that a folder converts to.
fn tree_root(stage: &Stage, at: &str) -> String {
    let _ = std::fs::remove_file(stage.at("back.sealift"));
    let out = stage.run(&["convert", "tree", "back.sealift"]);
    assert_eq!(out.status.code(), Some(0), "{at}: {}{}", text(&out.stdout), text(&out.stderr));
    support::open(&stage.at("back.sealift")).info().content_root.to_string()
}

#[test]
fn two_conversions_into_one_folder_do_not_mix() {
    let first = Stage::new();
    let less = ["export", "sqlite:build.sqlite", "-o", "less.sealift", "--master-key-file", "build.key"];
    let sql = "UPDATE Project SET [JSON] = json_set([JSON], '$.Description', 'of the other')";
    assert!(Connection::open(first.at("build.sqlite")).unwrap().execute(sql, []).unwrap() > 3);
    let more = ["--exclude", "Account", "--password-file", "password", "--kdf-memory", "8"];
    first.done(&[&less[..], &more].concat());
    let (one, other) =
        (["convert", "build.sealift", "tree", "--replace"], ["convert", "less.sealift", "tree", "--replace"]);
    let there = first.copy();
    there.done(&["convert", "build.sealift", "tree"]);
    let ends = [
        support::open(&first.at("build.sealift")).info().content_root.to_string(),
        support::open(&first.at("less.sealift")).info().content_root.to_string(),
    ];
    let took = time(&first.copy(), &one);
    let (rounds, mut counts) = (rounds(6), Counts::new());
    for round in 0..rounds {
        // The time in which files are put into their places is short.
        let later = took.mul_f64(round as f64 / rounds as f64 * 0.2);
        for (name, from) in [("new", &first), ("over another", &there)] {
            let stage = from.copy();
            let ran = match round % 2 {
                0 => race(&stage, &one, &other, later),
                _ => race(&stage, &other, &one, later),
            };
            let at = format!("{name}, round {round}, {later:?} later: {ran:?}");
            for ran in &ran {
                let fine = ran.code == 0
                    || ran.code == 1
                        && ran.told.contains("tree: another process")
                        && ran.told.contains("hint: ");
                assert!(fine, "{at}");
            }
            let codes = [ran[0].code, ran[1].code];
            *counts.entry(format!("{name} {codes:?}")).or_default() += 1;
            assert!(codes.contains(&0), "{at}");
            let root = tree_root(&stage, &at);
            let by = match round % 2 {
                0 => [&ends[0], &ends[1]],
                _ => [&ends[1], &ends[0]],
            };
            let fine = match codes {
                [0, 1] => root == *by[0],
                [1, 0] => root == *by[1],
                _ => ends.contains(&root),
            };
            assert!(fine, "{at}: the folder is a mixture");
            nothing_hidden(&stage, &at);
        }
    }
    println!("two conversions into one folder, {rounds} rounds: {counts:?}");
}

/// What a conversion that was killed has left in a folder goes with the next one, and nothing else does.
#[cfg(unix)]
#[test]
fn what_a_killed_conversion_left_is_taken_away_by_the_next() {
    use std::os::unix::process::ExitStatusExt as _;
    let first = Stage::new();
    let export = ["export", "sqlite:build.sqlite", "-o", "less.sealift", "--master-key-file", "build.key"];
    let more = ["--exclude", "Project", "--password-file", "password", "--kdf-memory", "8"];
    first.done(&[&export[..], &more].concat());
    first.done(&["convert", "less.sealift", "tree"]);
    let hidden = |stage: &Stage| {
        let entries = std::fs::read_dir(stage.at("tree")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(".sealift-")).collect();
        names.sort();
        names
    };
    let (mut struck, mut left) = (0, 0);
    for _ in 0..rounds(4) {
        let stage = first.copy();
        for theirs in [".sealift-notes", ".sealift-abc123"] {
            std::fs::create_dir(stage.at("tree").join(theirs)).unwrap();
            std::fs::write(stage.at("tree").join(theirs).join("mine.txt"), "mine").unwrap();
        }
        let mut command = stage.command("d", &["convert", "build.sealift", "tree"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while hidden(&stage).len() < 3 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        struck += u32::from(child.wait().unwrap().signal() == Some(9));
        left += hidden(&stage).len() - 2;
        stage.done(&["convert", "build.sealift", "tree"]);
        assert_eq!(hidden(&stage), [".sealift-abc123", ".sealift-notes"]);
        assert!(stage.at("tree/.sealift-abc123/mine.txt").exists());
    }
    println!("conversions killed: {struck}, folders that they left, and the next took away: {left}");
    assert!(struck > 0 && left > 0);
}
