//! Characters that move a cursor, turn the direction of text or are not seen: wherever they stand, in servers, bundles,
//! models, names of files and arguments, none reaches standard output or standard error, by a pipe or on a terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![cfg(unix)]

#[path = "support/stage.rs"]
mod stage;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use endpoint::{Endpoint, Fault, On, Options, What};
use rusqlite::Connection;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use sealift::text::is_hidden;
use serde_json::{Value, json};
use stage::{Stage, TO, text};

/// Every hidden character but the thousands that stand for nothing yet, in pieces that fit into a name, each with
/// what it does to a line that is not careful.
fn pieces() -> Vec<String> {
    let beyond = [
        '\u{e0000}',
        '\u{e0001}',
        '\u{e0020}',
        '\u{e0041}',
        '\u{e007f}',
        '\u{e0100}',
        '\u{e01ef}',
        '\u{e0fff}',
    ];
    let all: Vec<char> = ('\0'..'\u{e0000}').filter(|c| is_hidden(*c)).chain(beyond).collect();
    assert!(all.len() > 150, "{}", all.len());
    let piece = |(at, chars): (usize, &[char])| {
        let chars: String = chars.iter().collect();
        format!("n{at}{chars}\nFAKE\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J")
    };
    all.chunks(24).enumerate().map(piece).collect()
}

/// Without the sequences by which colours are set and bars are drawn: a name that brings its own has no such left.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && !matches!(c, ';' | '?')).unwrap();
        assert!(after[end..].starts_with(|c: char| c.is_ascii_alphabetic()), "{text:?}");
        rest = &after[end + 1..];
    }
    plain + rest
}

/// How long a line may be: a message, and what is said around it.
const LINE: usize = 3000;

#[track_caller]
fn check(args: &[&str], output: &str, terminal: bool) {
    let ours = |c: char| c == '\n' || (terminal && c == '\r');
    if let Some(at) = output.find(|c| is_hidden(c) && !ours(c)) {
        let near: String =
            output[..at].chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{args:?}\n{:?} after {near:?}", output[at..].chars().next().unwrap());
    }
    for line in output.lines() {
        assert!(!line.trim_start().starts_with("FAKE"), "{args:?}\n{line}");
        let is_json = args.contains(&"--json") || args.contains(&"--list") || args[0] == "show";
        assert!(is_json || line.chars().count() < LINE, "{args:?}\n{line}");
    }
}

/// A stage on which everything that can be hostile is.
struct Hostile {
    stage: Stage,
    pieces: Vec<String>,
    outputs: std::cell::Cell<usize>,
}

impl Hostile {
    /// `importable` leaves out what no server can hold.
    fn new(importable: bool) -> Self {
        let stage = Stage::new();
        let pieces = pieces();
        // What both servers have, so that it stays the same document.
        let names = |table: &str| -> Vec<String> {
            let db = Connection::open(stage.at("build.sqlite")).unwrap();
            db.execute("ATTACH ? AS other", [stage.at("production.sqlite").to_str().unwrap()]).unwrap();
            let both =
                format!("SELECT Name FROM {table} INTERSECT SELECT Name FROM other.{table} ORDER BY Name");
            let mut found = db.prepare(&both).unwrap();
            found.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let tables = ["DeploymentEnvironment", "Project", "Tenant"].map(|table| (table, names(table)));
        for (database, described) in [("build.sqlite", "here"), ("production.sqlite", "there")] {
            let db = Connection::open(stage.at(database)).unwrap();
            for (at, (table, names)) in tables.iter().enumerate() {
                for (name, piece) in names.iter().zip(pieces.iter().cycle().skip(at * 2)) {
                    let id: String = db
                        .query_row(&format!("SELECT Id FROM {table} WHERE Name = ?"), [name], |row| {
                            row.get(0)
                        })
                        .unwrap();
                    let body: String = db
                        .query_row(&format!("SELECT JSON FROM {table} WHERE Id = ?"), [&id], |row| row.get(0))
                        .unwrap();
                    let mut body: Value = serde_json::from_str(&body).unwrap();
                    let map = body.as_object_mut().unwrap();
                    map.insert("Description".to_owned(), json!(format!("{piece} {described}")));
                    map.insert(format!("Member {piece}"), json!([{ piece: described }, id]));
                    db.execute(
                        &format!("UPDATE {table} SET Name = ?, JSON = ? WHERE Id = ?"),
                        [&format!("{table} {piece}"), &body.to_string(), &id],
                    )
                    .unwrap();
                }
            }
            let long = "long ".repeat(if importable { 20 } else { 2000 });
            db.execute(
                "UPDATE ProjectGroup SET Name = ? WHERE Id = (SELECT max(Id) FROM ProjectGroup)",
                [&long],
            )
            .unwrap();
            db.execute("UPDATE OctopusServerInstallationHistory SET Version = Version || ?", [&pieces[3]])
                .unwrap();
            db.execute_batch(
                "CREATE TABLE \"Odd\u{202e}\u{9b}\n\u{e0041}\" (a); \
                 INSERT INTO \"Odd\u{202e}\u{9b}\n\u{e0041}\" VALUES (1)",
            )
            .unwrap();
            // A reference that names nothing.
            db.execute(
                "UPDATE Tenant SET ProjectIds = ProjectIds || ?",
                [format!("Projects-9{}|", pieces[2].replace(['\0', '|'], ""))],
            )
            .unwrap();
        }
        let hostile = Self { stage, pieces, outputs: std::cell::Cell::new(0) };
        let model = hostile.stage.done(&["model", "show", "--toml"]);
        let title = json!(hostile.pieces[4].replace('\u{7f}', "")).to_string();
        let model = model.replacen("title = \"", &format!("title = {} # \"", title), 1);
        std::fs::write(hostile.stage.at("model.toml"), model).unwrap();
        hostile
    }

    /// Arguments with a name that nothing has yet for each `OUT`, hostile as any.
    fn fresh(&self, args: &[&str]) -> Vec<String> {
        let number = self.outputs.get() + 1;
        self.outputs.set(number);
        args.iter()
            .map(|arg| arg.replace("OUT", &format!("out {number}\u{202e}\u{9b}\u{1b}\nFAKE\u{e0041}")))
            .collect()
    }

    /// Runs a command by pipes, then on a terminal with something typed; returns what it said by pipes.
    #[track_caller]
    fn both(&self, args: &[&str], typed: &str, codes: &[i32]) -> String {
        let own = self.fresh(args);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let out = self.stage.run(&own);
        let said = text(&out.stdout) + &text(&out.stderr);
        check(args, &text(&out.stdout), false);
        check(args, &text(&out.stderr), false);
        assert!(codes.contains(&out.status.code().unwrap()), "{args:?} {:?}\n{said}", out.status.code());
        let own = self.fresh(args);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        check(args, &plain(&self.terminal(&own, typed)), true);
        text(&out.stdout)
    }

    /// What a terminal is sent.
    fn terminal(&self, args: &[&str], typed: &str) -> String {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options()
            .read(true)
            .write(true)
            .open(std::ffi::OsStr::from_bytes(name.to_bytes()))
            .unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        let mut command = self.stage.command("d", args);
        command.env("TERM", "xterm-256color").stdin(stdio()).stdout(stdio()).stderr(stdio());
        let mut child = command.spawn().unwrap();
        drop((command, slave));
        let mut master = File::from(master);
        let mut keys = master.try_clone().unwrap();
        keys.write_all(typed.as_bytes()).unwrap();
        let reading = std::thread::spawn(move || {
            let (mut sent, mut buffer) = (Vec::new(), [0; 4096]);
            // The end of a terminal is an error.
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                sent.extend_from_slice(&buffer[..count]);
            }
            sent
        });
        let (began, mut pauses) = (Instant::now(), 0);
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > Duration::from_secs(120) {
                child.kill().unwrap();
                panic!("{args:?} waits for somebody");
            }
            std::thread::sleep(Duration::from_millis(10));
            pauses += 1;
            // Whatever else is asked is answered too; prompts for passwords forget what was typed before them.
            if pauses % 50 == 0 {
                keys.write_all(b"x\n").unwrap();
            }
        }
        let sent = reading.join().unwrap();
        text(&sent)
    }
}

const EXPORT: [&str; 7] = [
    "sqlite:build.sqlite",
    "--master-key-file",
    "build.key",
    "--password-file",
    "password",
    "--kdf-memory",
    "8",
];

#[test]
fn no_command_shows_a_hidden_character() {
    let hostile = Hostile::new(false);
    let both = |args: &[&str], typed: &str, codes: &[i32]| hostile.both(args, typed, codes);
    let build = "b\u{202e}\u{9b}\u{1b}]0;x\u{7}\nFAKE\u{ad}\u{e0041}.sealift";
    hostile.stage.run(&[&["export", "-o", build][..], &EXPORT].concat());
    assert!(hostile.stage.at(build).exists());
    let project = format!("Project {}", hostile.pieces[3]);
    let key = json!([{ "Space": ["Default"] }, project]).to_string();
    let with = |args: &[&str]| -> Vec<String> { args.iter().map(|arg| (*arg).to_owned()).collect() };
    let to = |args: &[&str]| [with(args), with(&TO)].concat();
    let mut cases: Vec<(Vec<String>, &str, &[i32])> = vec![
        ([with(&["export", "-o", "OUT"]), with(&EXPORT)].concat(), "", &[0]),
        ([with(&["export", "--strict", "-o", "OUT"]), with(&EXPORT)].concat(), "", &[3]),
        ([with(&["export", "-o", "OUT/"]), with(&EXPORT)].concat(), "", &[0]),
        ([with(&["partial-export", "-o", "OUT", "--project", &project]), with(&EXPORT)].concat(), "", &[0]),
        (
            [with(&["partial-export", "-o", "OUT", "--project", "nobody\u{202e}\nFAKE"]), with(&EXPORT)]
                .concat(),
            "",
            &[1, 2],
        ),
        (with(&["info", build]), "", &[0]),
        (with(&["list", build]), "", &[0]),
        (with(&["list", build, "--why"]), "", &[0]),
        (with(&["list", build, "kind\u{9b}\nFAKE\u{202e}"]), "", &[2]),
        (with(&["show", build, "Project", &key]), "", &[0]),
        (with(&["show", build, "Project", &hostile.pieces[2]]), "", &[1, 2]),
        (with(&["why", build, "Project", &project]), "", &[0]),
        (with(&["why", build, "Project", "nobody\u{202e}\nFAKE"]), "", &[1]),
        (with(&["verify", build, "--password-file", "password"]), "", &[0]),
        (with(&["diff", build, "sqlite:production.sqlite"]), "", &[3]),
        (with(&["diff", build, build, "--only", "x\u{202e}\nFAKE"]), "", &[0, 2]),
        (with(&["salvage", build, "-o", "OUT"]), "", &[0]),
        (with(&["merge", build, build, "-o", "OUT", "--password-file", "password"]), "", &[0]),
        (with(&["merge", build, build, "-o", "OUT", "--prefer", "x\u{202e}\nFAKE"]), "", &[2, 6]),
        (with(&["convert", build, "OUT"]), "", &[0]),
        (to(&["plan", build]), "", &[0, 4]),
        (to(&["plan", build, "--overwrite"]), "", &[0, 4]),
        (to(&["plan", build, "--prune", "--overwrite"]), "", &[0, 4]),
        (to(&["plan", build, "--list", "--overwrite"]), "", &[0, 4]),
        (to(&["plan", build, "--overwrite", "-o", "OUT", "--sql", "OUT.sql"]), "", &[0, 4]),
        (to(&["plan", build, "--only", "Project/nobody\u{202e}\nFAKE"]), "", &[0, 2]),
        (to(&["plan", build, "--policy", "x\u{202e}\nFAKE\u{1b}=y\u{9b}"]), "", &[2]),
        (to(&["plan", build, "--into-space", "x\u{202e}\nFAKE"]), "", &[4, 2, 1]),
        (to(&["plan", build, "--use-list", build]), "", &[2]),
        (to(&["import", build, "--overwrite", "--dry-run", "--no-undo", "--accept-dangling"]), "", &[0, 4]),
        (with(&["--model", "model.toml", "model", "show"]), "", &[0]),
        (with(&["--model", "model.toml", "model", "show", "--toml"]), "", &[0]),
        (with(&["--model", "model.toml", "model", "show", "x\u{202e}\nFAKE"]), "", &[2]),
        (with(&["model", "check", "model.toml"]), "", &[0]),
        (with(&["model", "check", build]), "", &[1]),
        (with(&["init", "sqlite:OUT", "--like", "sqlite:build.sqlite"]), "", &[0, 1]),
        (with(&["demo", "OUT"]), "", &[0]),
        (with(&["man", "OUT"]), "", &[0]),
        // What is not there, or is no such thing.
        (with(&["info", "OUT"]), "", &[1]),
        (with(&["import", "OUT", "--to", "sqlite:OUT"]), "", &[2]),
        (with(&["import", "OUT", "--to", "sqlite:production.sqlite"]), "", &[1]),
        (with(&["apply", "OUT", build, "--to", "sqlite:production.sqlite"]), "", &[1]),
        (with(&["undo", build, "--to", "sqlite:production.sqlite"]), "", &[2]),
        (with(&["export", "sqlite:OUT", "-o", "OUT"]), "", &[2]),
        (with(&["export", "sqlite:OUT", "-o", "OUT.sealift"]), "", &[1]),
        (with(&["export", "OUT", "-o", "OUT"]), "", &[2]),
        (with(&["export", "sqlite:build.sqlite", "-o", build]), "", &[1]),
        (with(&["export", "sqlite:build.sqlite", "-o", build, "-f", "--password-file", "OUT"]), "", &[1, 6]),
        (with(&["convert", "model.toml", "OUT"]), "", &[1, 2, 5]),
        // What the command line itself repeats.
        (with(&["x\u{202e}\nFAKE\u{1b}[31m"]), "", &[2]),
        (with(&["info", build, "more\u{9b}\nFAKE"]), "", &[2]),
        (with(&["info", "--x\u{202e}=\nFAKE"]), "", &[2]),
        (with(&["completions", "x\u{202e}\nFAKE"]), "", &[2]),
        (with(&["export", "x", "--kdf-memory", "9\u{202e}\nFAKE"]), "", &[2]),
        (with(&["export", "mssql://x\u{202e}@h\nFAKE/d?x\u{9b}=y", "-o", "OUT"]), "", &[2]),
        (with(&["export", "Server=h\u{202e}\nFAKE;X\u{9b}=y", "-o", "OUT"]), "", &[2]),
        // What is asked on a terminal.
        (with(&["merge", build, "-o", "OUT"]), "wrong\n", &[6]),
    ];
    for (args, typed, codes) in std::mem::take(&mut cases) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        both(&args, typed, codes);
        if !args.contains(&"--list") {
            let answer = both(&[&args[..], &["--json"]].concat(), typed, &[0, 1, 2, 3, 4, 5, 6]);
            // What is read of it is what there is.
            for answer in serde_json::Deserializer::from_str(&answer).into_iter::<Value>() {
                answer.unwrap_or_else(|error| panic!("{args:?}: {error}\n{answer}", answer = text(b"")));
            }
        }
    }
    let listed: Value = serde_json::from_str(&hostile.stage.done(&["list", build, "--json"])).unwrap();
    let names: Vec<&str> =
        listed["documents"].as_array().unwrap().iter().filter_map(|d| d["key"][1].as_str()).collect();
    for piece in &hostile.pieces {
        assert!(names.iter().any(|name| name.ends_with(&format!(" {piece}"))), "{piece:?}");
    }
    assert!(names.iter().any(|name| name.len() >= 9999), "a long name is whole in JSON");
}

/// A target is written, its record and plan kept, and all of it taken back, under hostile names.
#[test]
fn plans_records_and_lists_spell_hidden_characters_and_mean_the_same() {
    let hostile = Hostile::new(true);
    let stage = &hostile.stage;
    stage.done(&[&["export", "-o", "b.sealift"][..], &EXPORT].concat());
    let more = ["--overwrite", "--accept-dangling", "--accept-undeclared"];
    let list = text(&stage.run(&[&["plan", "b.sealift", "--list"][..], &more, &TO].concat()).stdout);
    // The list is followed as it was printed, and the documents of hostile names are among what it does.
    assert!(list.contains(r"\u202e") && list.contains(r"\u001b"), "{list}");
    std::fs::write(stage.at("todo.txt"), &list).unwrap();
    let by_list = ["plan", "b.sealift", "--use-list", "todo.txt", "--json"];
    let plan: Value =
        serde_json::from_slice(&stage.run(&[&by_list[..], &more, &TO].concat()).stdout).unwrap();
    let project = format!("Project {}", hostile.pieces[3]);
    let planned = |plan: &Value| {
        plan["documents"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["key"][1] == project.as_str() && d["action"] != "skip")
    };
    assert!(planned(&plan), "{}", plan["findings"]);
    let save = [&["plan", "b.sealift", "-o", "p.plan", "--sql", "p.sql"][..], &more, &TO].concat();
    stage.run(&save);
    let script = std::fs::read_to_string(stage.at("p.sql")).unwrap();
    assert!(!script.trim_start_matches('\u{feff}').contains(|c| is_hidden(c) && c != '\n'));
    assert!(script.contains("NCHAR(8238)"));
    let saved = std::fs::read_to_string(stage.at("p.plan")).unwrap();
    assert!(!saved.contains(|c| is_hidden(c) && c != '\n'));
    let lines: Vec<Value> = saved.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["key"][1] == project.as_str()));
    hostile.both(&["show", "p.plan"], "", &[0]);
    hostile.both(&["show", "p.plan", "--json"], "", &[0]);
    hostile.both(&[&["apply", "p.plan", "b.sealift"][..], &TO].concat(), "n\n", &[2, 4]);
    let import =
        [&["import", "b.sealift", "--record", "r.json", "--undo", "u.undo"][..], &more, &TO].concat();
    let asked = plain(&hostile.terminal(&import, "n\n"));
    check(&import, &asked, true);
    assert!(asked.contains("[y/N]"), "{asked}");
    let out = stage.run(&[&import[..], &["--yes"]].concat());
    assert_eq!(out.status.code(), Some(0), "{}{}", text(&out.stdout), text(&out.stderr));
    check(&import, &text(&out.stdout), false);
    check(&import, &text(&out.stderr), false);
    for file in ["r.json", "r.html"] {
        let record = std::fs::read_to_string(stage.at(file)).unwrap();
        let hidden = record.chars().find(|c| is_hidden(*c) && !matches!(c, '\n' | '\t'));
        assert_eq!(hidden, None, "{file}");
    }
    let record: Value = serde_json::from_slice(&std::fs::read(stage.at("r.json")).unwrap()).unwrap();
    assert!(record["documents"].as_array().unwrap().iter().any(|d| d["key"][1] == project.as_str()));
    hostile.both(&["undo", "u.undo", "--to", TO[1], TO[2], TO[3], "--dry-run"], "", &[0, 4]);
    hostile.both(&["list", "u.undo"], "", &[0]);
    hostile.both(&["info", "u.undo"], "", &[0]);
}

/// What a SQL Server says is somebody else's text too.
#[test]
fn messages_of_a_server_are_spelled_and_cut() {
    let hostile = Hostile::new(false);
    let endpoint = Endpoint::start(Options { databases: vec!["d".to_owned()], ..Options::default() });
    let (host, port) = endpoint.address();
    let options = Options::default();
    let address = |user: &str| {
        format!("mssql://{user}:{}@{host}:{port}/d?trust_server_certificate=true", options.password)
    };
    let unknown = address("x%E2%80%AE%C2%9By%0AFAKE");
    hostile.both(&["export", &unknown, "-o", "OUT", "--no-secrets"], "", &[2, 6]);
    let known = address(&options.user);
    for message in hostile.pieces.iter().map(String::as_str).chain([&"long\u{202e} ".repeat(300)[..]]) {
        endpoint.clear_faults();
        let what = What::Error { number: 50000, message: message.replace('\0', "") };
        endpoint.fault(Fault::new(On::Request(2), what).times(u32::MAX));
        let said = hostile.stage.run(&["export", &known, "-o", "none", "--no-secrets"]);
        assert!(matches!(said.status.code(), Some(1 | 4)), "{}", text(&said.stderr));
        check(&["export"], &text(&said.stderr), false);
        check(
            &["export"],
            &plain(&hostile.terminal(&["export", &known, "-o", "none", "--no-secrets"], "")),
            true,
        );
    }
}
