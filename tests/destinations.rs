//! What an output may not replace: every command, with every output that it has, at every bad place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![cfg(unix)]

#[path = "support/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;

use stage::{Stage, TO, text};

/// What stands below a path: which file it is, and all that changes where somebody writes to it.
fn snapshot(root: &Path) -> BTreeMap<String, (std::fs::FileType, u64, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is = path.symlink_metadata().unwrap();
            if is.is_dir() {
                open.push(path.clone());
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            // Names come and go within a test: those of a folder are compared one by one.
            let changed = if is.is_dir() { (0, 0) } else { (is.mtime(), is.mtime_nsec()) };
            let size = if is.is_dir() { 0 } else { is.size() };
            found.insert(name, (is.file_type(), is.ino(), size, changed.0, changed.1));
        }
    }
    found
}

/// A command with one of its outputs, which is named last.
struct Case {
    args: Vec<&'static str>,
    output: &'static str,
    /// `--force`, where the command has it.
    force: &'static [&'static str],
    /// The files that the command reads or changes.
    inputs: Vec<&'static str>,
    /// A file of the output's own format.
    own: &'static str,
}

const FORCE: &[&str] = &["--force"];
const MODEL: [&str; 2] = ["--model", "model.toml"];
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

fn cases() -> Vec<Case> {
    let case = |args: &[&[&'static str]], output, force, inputs: &[&'static str], own| {
        let inputs = [inputs, &["model.toml"]].concat();
        Case { args: [&args.concat()[..], &MODEL].concat(), output, force, inputs, own }
    };
    let keys = ["production.key", "password"];
    let target = [&keys[..], &["build.sealift", "production.sqlite"]].concat();
    let listed = [&target[..], &["todo.txt"]].concat();
    let plan: &[&[&str]] = &[&["plan", "build.sealift", "--use-list", "todo.txt"], &TO];
    let import: &[&[&str]] = &[&["import", "build.sealift", "--use-list", "todo.txt", "--yes"], &TO];
    let apply: &[&[&str]] = &[&["apply", "saved.plan", "build.sealift", "--yes"], &TO];
    let undo: &[&[&str]] = &[&["undo", "an.undo", "--yes"], &TO[..4]];
    let applied = [&target[..], &["saved.plan"]].concat();
    let undone = ["an.undo", "production.sqlite", "production.key"];
    let mut all = vec![
        case(
            &[&EXPORT, &["--previous", "small.sealift"]],
            "-o",
            FORCE,
            &["build.sqlite", "build.key", "password", "small.sealift"],
            "one.sealift",
        ),
        case(
            &[&EXPORT, &["--project", "Order Service"]],
            "--output",
            FORCE,
            &["build.sqlite", "build.key", "password"],
            "one.sealift",
        ),
        case(
            &[&["partial-export"], &EXPORT[1..], &["--project", "Order Service"]],
            "-o",
            FORCE,
            &["build.sqlite", "build.key"],
            "one.sealift",
        ),
        case(
            &[&[
                "merge",
                "build.sealift",
                "small.sealift",
                "--kdf-memory",
                "8",
                "--prefer",
                "1",
                "--password-file",
                "password",
                "--password-file-for",
                "2=password",
            ]],
            "-o",
            FORCE,
            &["build.sealift", "small.sealift", "password"],
            "one.sealift",
        ),
        case(
            &[&["salvage", "damaged.sealift", "--password-file", "password"]],
            "-o",
            FORCE,
            &["damaged.sealift", "password"],
            "one.sealift",
        ),
        case(&[&["convert", "tree"]], "-o", FORCE, &["tree/sealift.json"], "one.sealift"),
        case(plan, "-o", FORCE, &listed, "saved.plan"),
        case(plan, "--sql", FORCE, &listed, "import.sql"),
        case(
            &[&[
                "plan",
                "build.sealift",
                "--against",
                "small.sealift",
                "--password-file",
                "password",
                "--against-password-file",
                "password",
            ]],
            "-o",
            FORCE,
            &["build.sealift", "small.sealift", "password"],
            "saved.plan",
        ),
    ];
    for (args, inputs) in [(import, &listed[..]), (apply, &applied), (undo, &undone)] {
        all.push(case(args, "--undo", &[], inputs, "an.undo"));
        all.push(case(args, "--record", &[], inputs, "r.json"));
    }
    all
}

/// The demo with a file of every format beside it.
fn prepared() -> Stage {
    let stage = Stage::new();
    let write = |name: &str, text: &str| std::fs::write(stage.at(name), text).unwrap();
    write("model.toml", &stage.done(&["model", "show", "--toml"]));
    stage.done(&[&EXPORT[..], &["--project", "Order Service", "-o", "one.sealift"]].concat());
    stage.done(&[&EXPORT[..], &["--project", "Order Service", "-o", "small.sealift"]].concat());
    stage.done(&["convert", "small.sealift", "tree"]);
    let mut bytes = std::fs::read(stage.at("build.sealift")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(stage.at("damaged.sealift"), bytes).unwrap();
    let list = stage.run(&[&["plan", "build.sealift", "--overwrite", "--list"][..], &TO].concat());
    write("todo.txt", &text(&list.stdout));
    stage.run(
        &[&["plan", "build.sealift", "--overwrite", "-o", "saved.plan", "--sql", "import.sql"][..], &TO]
            .concat(),
    );
    let trial = stage.copy();
    let import =
        ["import", "build.sealift", "--overwrite", "--yes", "--undo", "an.undo", "--record", "r.json"];
    trial.done(&[&import[..], &TO].concat());
    for name in ["an.undo", "r.json", "r.html"] {
        std::fs::copy(trial.at(name), stage.at(name)).unwrap();
    }
    std::fs::remove_file(stage.at("production.undo")).unwrap();
    let pipe = Command::new("mkfifo").arg(stage.at("pipe")).status().unwrap();
    assert!(pipe.success());
    std::fs::create_dir(stage.at("empty")).unwrap();
    write("notes.txt", "somebody's notes\n");
    write("notes.json", "{\"format\":\"another\"}\n");
    stage
}

#[test]
fn an_output_replaces_nothing_but_its_own_format() {
    let stage = prepared();
    let before = snapshot(&stage.at(""));
    let mut tried = 0;
    for case in cases() {
        // Inputs by their names, and through links of both sorts.
        let mut bad: Vec<(String, bool)> = Vec::new();
        for input in &case.inputs {
            for name in ["soft", "hard", ".."] {
                let link = format!("{name}-{}", input.replace('/', "-"));
                match name {
                    "soft" => symlink(input, stage.at(&link)).unwrap(),
                    "hard" => std::fs::hard_link(stage.at(input), stage.at(&link)).unwrap(),
                    _ => {
                        bad.push((format!("empty/../{input}"), false));
                        continue;
                    }
                }
                bad.push((link, true));
            }
            bad.push(((*input).to_owned(), false));
        }
        // What the server or the bundle keeps, or might keep, beside it.
        for input in case.inputs.iter().filter(|input| input.ends_with("ite") || input.ends_with(".sealift"))
        {
            bad.extend(["-wal", "-journal", "-shm"].map(|end| (format!("{input}{end}"), false)));
        }
        let others = [
            "pipe",
            "empty",
            "notes.txt",
            "notes.json",
            "build.sqlite",
            "production.key",
            "one.sealift",
            "an.undo",
            "saved.plan",
            "import.sql",
            "r.json",
            "r.html",
            "/dev/null",
        ];
        bad.extend(
            others.iter().filter(|other| **other != case.own).map(|other| ((*other).to_owned(), false)),
        );
        if case.force.is_empty() {
            bad.push((case.own.to_owned(), false));
        }
        for (path, made) in &bad {
            // A bundle's destination that is a folder is a tree.
            if path == "empty" && case.own == "one.sealift" {
                continue;
            }
            let args = [&case.args[..], case.force, &[case.output, path]].concat();
            let present = snapshot(&stage.at(""));
            let out = stage.run(&args);
            let error = text(&out.stderr);
            assert!(matches!(out.status.code(), Some(1 | 2)), "{args:?}\n{error}{}", text(&out.stdout));
            assert!(error.contains(path.as_str()) && error.contains("hint:"), "{args:?}\n{error}");
            let earlier = error.contains("hint: leave --previous out");
            assert!(earlier || !error.contains("--force"), "{args:?}\n{error}");
            assert!(present == snapshot(&stage.at("")), "{args:?}");
            if *made {
                std::fs::remove_file(stage.at(path)).unwrap();
            }
            tried += 1;
        }
    }
    assert!(before == snapshot(&stage.at("")));
    assert!(tried > 400, "only {tried} were tried");
}

#[test]
fn force_replaces_its_own_format_and_empty_files() {
    let stage = prepared();
    let trial = stage.copy_of(&["pipe"]);
    for case in cases().iter().filter(|case| !case.force.is_empty()) {
        for place in [case.own, "blank"] {
            std::fs::write(trial.at("blank"), "").unwrap();
            let plain = [&case.args[..], &[case.output, place]].concat();
            let error = text(&trial.run(&plain).stderr);
            assert!(
                error.contains("exists already") && error.contains("--force overwrites it"),
                "{plain:?}\n{error}"
            );
            let before = std::fs::read(trial.at(place)).unwrap();
            let out = trial.run(&[&plain[..], case.force].concat());
            let told = text(&out.stdout) + &text(&out.stderr);
            assert!(matches!(out.status.code(), Some(0 | 3 | 4)), "{plain:?}\n{told}");
            if place == "blank" && out.status.code() != Some(4) {
                assert!(before != std::fs::read(trial.at(place)).unwrap(), "{plain:?}\n{told}");
            }
        }
    }
}

#[test]
fn two_outputs_of_one_name_are_refused_before_the_work() {
    let stage = prepared();
    symlink("empty", stage.at("there")).unwrap();
    let before = snapshot(&stage.at(""));
    let import = [&["import", "build.sealift", "--yes"][..], &TO].concat();
    let plan = [&["plan", "build.sealift"][..], &TO].concat();
    for (args, outputs) in [
        (&plan, ["-o", "a", "--sql", "a"]),
        (&plan, ["-o", "a", "--sql", "empty/../a"]),
        (&plan, ["-o", "there/a", "--sql", "empty/a"]),
        (&import, ["--undo", "a", "--record", "a"]),
        // The page of a record has a name of its own making.
        (&import, ["--undo", "a.html", "--record", "a.json"]),
        (&import, ["--undo", "there/a.html", "--record", "empty/a.json"]),
        (&import, ["--undo", "a", "--record", "a.html"]),
        // SQLite would take the record for the undo file's journal.
        (&import, ["--undo", "a", "--record", "a-journal"]),
    ] {
        let out = stage.run(&[&args[..], &outputs].concat());
        let error = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{outputs:?}\n{error}");
        assert!(error.contains("cannot write the ") && error.contains("hint: name another "), "{error}");
    }
    let same = ["demo", "new", "--on", "sqlite:x.sqlite", "--on", "sqlite:empty/../x.sqlite"];
    stage.refused(&same, 2, "is to be the same file");
    stage.refused(&["demo", "new", "--on", "sqlite:new", "--on", "sqlite:y"], 2, "is to be the same file");
    assert!(before == snapshot(&stage.at("")));
}

#[test]
fn folders_neither_hold_an_input_nor_lie_in_one() {
    let stage = prepared();
    std::fs::create_dir(stage.at("keys")).unwrap();
    std::fs::copy(stage.at("build.key"), stage.at("keys/build.key")).unwrap();
    symlink("keys", stage.at("way")).unwrap();
    let before = snapshot(&stage.at(""));
    let key =
        ["export", "sqlite:build.sqlite", "--password-file", "password", "--force", "--master-key-file"];
    for (args, piece) in [
        (
            [&key[..], &["keys/build.key", "-o", "keys"]].concat(),
            "the master key file keys/build.key is inside it",
        ),
        ([&key[..], &["keys/build.key", "-o", "way/"]].concat(), "is inside it"),
        ([&key[..], &["build.key", "-o", "."]].concat(), "is inside it"),
        (
            [&key[..], &["build.key", "-o", "tree/sub/", "--previous", "tree"]].concat(),
            "it is inside the earlier bundle tree",
        ),
        (vec!["convert", "tree", "tree", "--force"], "which this command reads"),
        (vec!["convert", "tree", "tree/sub/"], "it is inside the input tree"),
        (vec!["convert", "build.sealift", ".", "--force"], "the input build.sealift is inside it"),
        (
            vec!["merge", "tree", "small.sealift", "-o", "tree", "--force", "--password-file", "password"],
            "which this command reads",
        ),
    ] {
        stage.refused(&args, 2, piece);
    }
    stage.refused(&["convert", "tree", "build.sqlite", "--force"], 1, "exists already, and is no bundle");
    stage.refused(&["convert", "build.sealift", "notes.txt/", "--force"], 1, "something else than a folder");
    assert!(before == snapshot(&stage.at("")));
}

/// In a folder, too, `--force` overwrites what could be a file of a tree, and nothing else.
#[test]
fn a_forced_folder_overwrites_documents_only() {
    let stage = prepared();
    let paths = snapshot(&stage.at("tree")).into_keys();
    let document =
        paths.into_iter().find(|path| path.contains("/Environment/") && path.ends_with(".json")).unwrap();
    let place = stage.at("other").join(&document);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let convert = ["convert", "small.sealift", "other", "--force"];
    for (name, makes) in [
        (
            "a pipe",
            (|place: &Path| assert!(Command::new("mkfifo").arg(place).status().unwrap().success()))
                as fn(&Path),
        ),
        ("a link", |place| symlink("/dev/null", place).unwrap()),
        ("a folder", |place| std::fs::create_dir(place).unwrap()),
        ("a database", |place| std::fs::write(place, b"SQLite format 3\0").unwrap()),
        ("a list", |place| std::fs::write(place, b"[1]").unwrap()),
    ] {
        makes(&place);
        let before = snapshot(&stage.at("other"));
        stage.refused(&convert, 1, &document);
        assert!(before == snapshot(&stage.at("other")), "{name}");
        if place.is_dir() {
            std::fs::remove_dir(&place).unwrap();
        } else {
            std::fs::remove_file(&place).unwrap();
        }
    }
    std::fs::write(&place, "{\"old\": 1}").unwrap();
    stage.refused(&convert[..3], 1, "--force overwrites them");
    stage.done(&convert);
    assert_eq!(std::fs::read(place).unwrap(), std::fs::read(stage.at("tree").join(document)).unwrap());
}

#[test]
fn manual_pages_replace_manual_pages_only() {
    let stage = prepared();
    stage.done(&["man", "pages"]);
    stage.done(&["man", "pages"]);
    std::fs::remove_file(stage.at("pages/sealift-plan.1")).unwrap();
    std::fs::copy(stage.at("notes.txt"), stage.at("pages/sealift-plan.1")).unwrap();
    stage.refused(&["man", "pages"], 1, "sealift-plan.1 exists already, and is no manual page");
    std::fs::remove_file(stage.at("pages/sealift-plan.1")).unwrap();
    symlink("../notes.txt", stage.at("pages/sealift-plan.1")).unwrap();
    stage.refused(&["man", "pages"], 1, "a link is at this path");
    assert_eq!(std::fs::read_to_string(stage.at("notes.txt")).unwrap(), "somebody's notes\n");
}

#[test]
fn a_server_is_neither_made_nor_changed_over_an_input() {
    let stage = prepared();
    let before = snapshot(&stage.at(""));
    let like = ["init", "sqlite:build.sqlite-wal", "--like", "sqlite:build.sqlite"];
    stage.refused(&like, 2, "SQLite would take it for a part of the server build.sqlite");
    stage.refused(&["init", "sqlite:fresh", "--sql", "fresh"], 2, "which this command reads");
    // SQLite would play back a journal that lies there, and remove it.
    stage.refused(&["init", "sqlite:fresh", "--sql", "fresh-journal"], 2, "SQLite would take the SQL file");
    symlink("notes.txt", stage.at("new-journal")).unwrap();
    stage.refused(&["init", "sqlite:new"], 1, "SQLite would take new-journal for a part of it");
    stage.refused(&["export", "sqlite:build.sqlite", "-o", "new", "--no-secrets"], 1, "for a part of it");
    std::fs::remove_file(stage.at("new-journal")).unwrap();
    assert!(before == snapshot(&stage.at("")));
}

/// What is changed in its place is an output too.
#[test]
fn nothing_is_changed_that_is_read() {
    let stage = prepared();
    let before = snapshot(&stage.at(""));
    std::os::unix::fs::symlink("build.sealift", stage.at("way")).unwrap();
    for (args, piece) in [
        (vec!["import", "build.sealift", "--to", "sqlite:build.sealift"], "it is the bundle build.sealift"),
        (vec!["import", "build.sealift", "--to", "sqlite:way"], "it is the bundle build.sealift"),
        (
            vec!["import", "build.sealift", "--to", "sqlite:build.sealift-wal"],
            "SQLite would take it for a part",
        ),
        (
            vec!["apply", "saved.plan", "build.sealift", "--to", "sqlite:saved.plan"],
            "which this command changes",
        ),
        (
            vec!["apply", "way", "build.sealift", "--to", "sqlite:production.sqlite"],
            "cannot change the plan way",
        ),
        (vec!["undo", "an.undo", "--to", "sqlite:an.undo"], "cannot change the server an.undo"),
    ] {
        stage.refused(&args, 2, piece);
    }
    std::fs::remove_file(stage.at("way")).unwrap();
    assert!(before == snapshot(&stage.at("")));
}

#[test]
fn a_plan_that_is_applied_through_a_link_is_marked_itself() {
    let stage = Stage::new();
    let plan = ["plan", "build.sealift", "--overwrite", "-o", "kept.plan"];
    stage.done(&[&plan[..], &TO].concat());
    symlink("kept.plan", stage.at("way")).unwrap();
    stage.done(&[&["apply", "way", "build.sealift", "--yes", "--no-record", "--no-undo"][..], &TO].concat());
    let again =
        [&["apply", "kept.plan", "build.sealift", "--yes", "--no-record", "--no-undo"][..], &TO].concat();
    stage.refused(&again, 4, "the plan was applied");
    assert!(stage.at("way").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn standard_output_is_no_output() {
    let stage = prepared();
    let mut tried = 0;
    for case in cases() {
        let args = [&case.args[..], &[case.output, "-"]].concat();
        let said = stage.refused(&args, 2, "never standard output");
        assert!(said.contains("./-"), "{args:?}\n{said}");
        tried += 1;
    }
    assert!(tried > 10, "{tried}");
    assert!(!stage.at("-").exists());
}
