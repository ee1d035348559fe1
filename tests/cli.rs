//! The command as its users meet it: exit codes, errors with subject and hint, nothing half written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// One demo for all tests: its servers, keys and bundle are only read, or copied first.
fn demo() -> &'static Path {
    static DEMO: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, folder) = DEMO.get_or_init(|| {
        let parent = support::folder();
        let folder = parent.path().join("demo");
        let out = run(&["demo", &text(&folder)], &[]);
        assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
        (parent, folder)
    });
    folder
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = support::folder();
    Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        // Imports put their undo files into the current folder.
        .current_dir(folder.path())
        .env_remove("SEALIFT_PASSWORD")
        .env_remove("SEALIFT_MASTER_KEY")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// Expects an exit code and a piece of the error; errors go to standard error and carry a hint.
fn refuse(args: &[&str], code: i32, piece: &str) -> String {
    let out = run(args, &[]);
    let error = stderr(&out);
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{error}\n{}", stdout(&out));
    assert!(error.contains(piece), "{args:?}\n{error}");
    error
}

struct Paths {
    build: String,
    production: String,
    bundle: String,
    password: String,
    build_key: String,
    production_key: String,
}

fn paths() -> Paths {
    let at = |name: &str| text(&demo().join(name));
    Paths {
        build: format!("sqlite:{}", at("build.sqlite")),
        production: format!("sqlite:{}", at("production.sqlite")),
        bundle: at("build.sealift"),
        password: at("password"),
        build_key: at("build.key"),
        production_key: at("production.key"),
    }
}

#[test]
fn the_demo_proves_itself_and_says_what_to_try() {
    let parent = support::folder();
    let folder = parent.path().join("d");
    let out = run(&["demo", &text(&folder)], &[]);
    let told = stdout(&out);
    for word in ["Export", "Verify", "Plan", "Import", "Proof", "nothing left to do", "sealift show"] {
        assert!(told.contains(word), "{word}\n{told}");
    }
    assert!(told.starts_with("\n1. Two servers\n"), "{told}");
    refuse(&["demo", &text(&folder)], 1, "cannot make the folder");
    let password = std::fs::read_to_string(folder.join("password")).unwrap();
    assert!(!told.contains(password.trim()) && !stderr(&out).contains(password.trim()));
}

#[test]
fn the_demo_goes_where_it_is_told() {
    let parent = support::folder();
    let at = |name: &str| text(&parent.path().join(name));
    let (one, other) = (format!("sqlite:{}", at("one")), format!("sqlite:{}", at("other")));
    refuse(&["demo", &at("d"), "--on", &one], 2, "two servers");
    refuse(&["demo", &at("d"), "--on", &one, "--on", &one], 2, "is to be the same file");
    let theirs = "mssql://sa@nowhere/d";
    refuse(&["demo", &at("d"), "--on", theirs, "--on", theirs], 6, "password");
    refuse(&["demo", &at("d"), "--on", &one, "--on", "nowhere"], 2, "nowhere");
    std::fs::write(at("other"), "something").unwrap();
    let error = refuse(&["demo", &at("d"), "--on", &one, "--on", &other], 1, "exists already");
    assert!(error.contains(&at("other")), "{error}");
    assert!(!parent.path().join("d").exists() && !parent.path().join("one").exists(), "nothing was begun");
    std::fs::remove_file(at("other")).unwrap();
    let out = run(&["demo", &at("d"), "--on", &one, "--on", &other], &[]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let told = stdout(&out);
    assert!(told.contains(&format!("sealift diff {one} {other}")), "{told}");
    let made: Vec<bool> =
        ["build.sqlite", "production.sqlite", "build.key", "production.key", "build.sealift"]
            .map(|name| parent.path().join("d").join(name).exists())
            .to_vec();
    assert_eq!(made, [false, false, true, true, true]);
    let count = run(&["diff", &one, &other, "--json"], &[]);
    assert_eq!(count.status.code(), Some(3), "production keeps what it alone has\n{}", stderr(&count));
}

#[test]
fn every_command_the_demo_advises_works() {
    let parent = support::folder();
    let folder = parent.path().join("d");
    let told = stdout(&run(&["demo", &text(&folder)], &[]));
    let commands: Vec<&str> = told.lines().map(str::trim).filter(|l| l.starts_with("sealift ")).collect();
    assert!(commands.len() >= 8, "{told}");
    for command in commands {
        let mut args: Vec<String> = Vec::new();
        for (index, piece) in command.split('"').enumerate() {
            match index % 2 {
                0 => args.extend(piece.split_whitespace().map(str::to_owned)),
                _ => args.push(piece.to_owned()),
            }
        }
        args.remove(0);
        if args[0] == "import" || args[0] == "undo" {
            args.push("--yes".to_owned());
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let out = run(&args, &[]);
        let expected = if args[0] == "diff" { 3 } else { 0 };
        assert_eq!(out.status.code(), Some(expected), "{command}\n{}", stderr(&out));
    }
}

#[test]
fn wrong_usage_is_2() {
    let p = paths();
    refuse(&["nonsense"], 2, "unrecognized subcommand");
    refuse(&["export", &p.build], 2, "--output");
    refuse(&["export", "build.sqlite", "-o", "x"], 2, "names no server");
    refuse(&["partial-export", &p.build, "-o", "x"], 2, "needs a project");
    refuse(&["export", &p.build, "-o", "x", "--kdf-memory", "4"], 2, "4");
    refuse(&["list", &p.bundle, "Nothing"], 2, "no kind");
    refuse(&["plan", &p.bundle, "--to", &p.production, "--model", "/no/model.toml"], 2, "/no/model.toml");
    let out = run(&["--help"], &[]);
    assert_eq!(out.status.code(), Some(0));
    assert!(stdout(&out).contains("Exit codes"));
}

#[test]
fn servers_that_are_none_are_named() {
    let folder = support::folder();
    let missing = text(&folder.path().join("missing.sqlite"));
    refuse(&["export", &format!("sqlite:{missing}"), "-o", "x", "--no-secrets"], 1, "missing.sqlite");
    assert!(!Path::new(&missing).exists(), "looking for a server made one");
    let other = folder.path().join("text.sqlite");
    std::fs::write(&other, "this is no database, only text of some length").unwrap();
    refuse(
        &["export", &format!("sqlite:{}", text(&other)), "-o", "x", "--no-secrets"],
        1,
        "is not a database",
    );
    let p = paths();
    let again = p.build.clone();
    refuse(&["init", &again], 1, "exists already");
}

#[test]
fn keys_and_passwords_are_told_apart() {
    let p = paths();
    let folder = support::folder();
    let out = text(&folder.path().join("o.sealift"));
    let export = ["export", &p.build, "-o", &out, "--password-file", &p.password, "--kdf-memory", "8"];
    refuse(&export, 6, "there is no master key");
    refuse(
        &[&export[..], &["--master-key-file", &p.production_key]].concat(),
        6,
        "master key is not this server's",
    );
    assert!(!Path::new(&out).exists());
    refuse(&["export", &p.build, "-o", &out, "--master-key-file", &p.build_key], 6, "a password is needed");
    refuse(&["verify", &p.bundle, "--password-file", &p.build_key], 6, "password");
    refuse(
        &[
            "plan",
            &p.bundle,
            "--to",
            &p.production,
            "--password-file",
            &p.build_key,
            "--master-key-file",
            &p.production_key,
        ],
        6,
        "password",
    );
    refuse(
        &[
            "plan",
            &p.bundle,
            "--to",
            &p.production,
            "--password-file",
            &p.password,
            "--master-key-file",
            &p.build_key,
        ],
        6,
        "master key",
    );
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    refuse(&["verify", &p.bundle, "--password-file", &text(&empty)], 2, "empty");
    refuse(&["verify", &p.bundle, "--password-file", "/no/such/file"], 1, "/no/such/file");
    let from_environment = std::fs::read_to_string(&p.password).unwrap();
    let out = run(&["verify", &p.bundle], &[("SEALIFT_PASSWORD", from_environment.trim())]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert!(stdout(&out).contains("secrets open"));
}

#[test]
fn damaged_bundles_are_5_and_never_read_further() {
    let p = paths();
    let folder = support::folder();
    let bytes = std::fs::read(&p.bundle).unwrap();
    let broken = folder.path().join("broken.sealift");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let mut longer = bytes.clone();
    longer.push(0);
    let mut newer = bytes.clone();
    newer[63] = 9; // user_version
    let cases: [(&str, &[u8]); 4] = [
        ("one flipped bit", &flipped),
        ("cut short", &bytes[..bytes.len() - 1]),
        ("half", &bytes[..bytes.len() / 2]),
        ("one byte more", &longer),
    ];
    for (case, content) in cases {
        std::fs::write(&broken, content).unwrap();
        for args in [
            &["verify", &text(&broken)][..],
            &["info", &text(&broken)],
            &["show", &text(&broken), "Project", "x"],
            &["plan", &text(&broken), "--to", &p.production],
            &["import", &text(&broken), "--to", &p.production, "--yes"],
            &["diff", &text(&broken), &p.bundle],
        ] {
            let out = run(args, &[]);
            assert_eq!(out.status.code(), Some(5), "{case}: {args:?}\n{}", stderr(&out));
        }
    }
    std::fs::write(&broken, &newer).unwrap();
    refuse(&["info", &text(&broken)], 1, "newer");
    refuse(&["info", "/no/such.sealift"], 1, "/no/such.sealift");
}

#[test]
fn an_output_that_exists_is_refused_and_left_alone() {
    let p = paths();
    let folder = support::folder();
    let out = folder.path().join("mine.txt");
    std::fs::write(&out, "precious").unwrap();
    refuse(&["export", &p.build, "-o", &text(&out), "--no-secrets"], 1, "exists already");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious");
    // Force is for another bundle, and for what has nothing in it yet.
    let force = ["export", &p.build, "-o", &text(&out), "--no-secrets", "--force"];
    refuse(&force, 1, "exists already, and is no bundle");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious");
    std::fs::write(&out, "").unwrap();
    let forced = run(&force, &[]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert!(std::fs::read(&out).unwrap().starts_with(b"SQLite format 3"));
}

/// A nightly export over the last one: unchanged content, unchanged bytes.
#[test]
fn an_export_over_an_earlier_one_keeps_its_bytes() {
    let p = paths();
    let folder = support::folder();
    let out = text(&folder.path().join("nightly.sealift"));
    let args = [
        "export",
        &p.build,
        "-o",
        &out,
        "--password-file",
        &p.password,
        "--master-key-file",
        &p.build_key,
        "--kdf-memory",
        "8",
    ];
    assert_eq!(run(&args, &[]).status.code(), Some(0));
    let first = std::fs::read(&out).unwrap();
    let again = run(&[&args[..], &["--force"]].concat(), &[]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(first == std::fs::read(&out).unwrap());
}

#[test]
fn an_import_asks_and_without_a_terminal_needs_yes() {
    let p = paths();
    let folder = support::folder();
    let target = folder.path().join("t.sqlite");
    let address = format!("sqlite:{}", text(&target));
    assert_eq!(run(&["init", &address], &[]).status.code(), Some(0));
    let before = std::fs::read(&target).unwrap();
    let args = [
        "import",
        &p.bundle,
        "--to",
        &address,
        "--password-file",
        &p.password,
        "--master-key-file",
        &p.production_key,
        "--ignore-version",
    ];
    refuse(&args, 2, "no terminal to ask");
    assert!(before == std::fs::read(&target).unwrap());
    let dry = run(&[&args[..], &["--dry-run"]].concat(), &[]);
    assert_eq!(dry.status.code(), Some(0), "{}", stderr(&dry));
    assert!(stdout(&dry).contains("rolled back"));
    assert!(before == std::fs::read(&target).unwrap());
    let wet = run(&[&args[..], &["--yes", "--json", "--no-record"]].concat(), &[]);
    assert_eq!(wet.status.code(), Some(0), "{}", stderr(&wet));
    let answer: serde_json::Value = serde_json::from_str(&stdout(&wet)).unwrap();
    assert_eq!(answer["outcome"], "applied");
    let second = run(&[&args[..], &["--yes", "--overwrite", "--json"]].concat(), &[]);
    let answer: serde_json::Value = serde_json::from_str(&stdout(&second)).unwrap();
    assert_eq!(answer["outcome"], "nothing-to-do");
}

#[test]
fn diff_is_0_for_equal_and_3_for_different() {
    let p = paths();
    let equal = run(&["diff", &p.bundle, &p.build], &[]);
    assert_eq!(equal.status.code(), Some(0), "{}", stdout(&equal));
    let different = run(&["diff", &p.bundle, &p.production, "--json"], &[]);
    assert_eq!(different.status.code(), Some(3), "{}", stderr(&different));
    let answer: serde_json::Value = serde_json::from_str(&stdout(&different)).unwrap();
    assert!(answer["different"].as_u64().unwrap() > 0);
}

#[test]
fn every_looking_command_speaks_json() {
    let p = paths();
    for args in [
        vec!["info", &p.bundle, "--json"],
        vec!["verify", &p.bundle, "--json"],
        vec!["list", &p.bundle, "Project", "--json"],
        vec!["show", &p.bundle, "project", "order service", "--json"],
        vec!["why", &p.bundle, "project", "order service", "--json"],
        vec!["model", "show", "--json"],
    ] {
        let out = run(&args, &[]);
        assert_eq!(out.status.code(), Some(0), "{args:?} {}", stderr(&out));
        serde_json::from_str::<serde_json::Value>(&stdout(&out)).unwrap();
    }
}

/// Secrets of the source, in plain text, appear nowhere: not in the bundle, not in what is shown.
#[test]
fn no_secret_is_ever_shown_or_stored_plain() {
    let p = paths();
    let key = sealift::crypto::MasterKey::from_base64(std::fs::read_to_string(&p.build_key).unwrap().trim())
        .unwrap();
    let db = rusqlite::Connection::open(p.build.strip_prefix("sqlite:").unwrap()).unwrap();
    let mut select = db
        .prepare(
            "SELECT JSON FROM VariableSet UNION ALL SELECT JSON FROM Account UNION ALL SELECT JSON FROM Feed",
        )
        .unwrap();
    let bodies: Vec<String> = select.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let mut secrets = Vec::new();
    for body in bodies {
        for piece in body.split('"') {
            if let Ok(secret) = key.decrypt(piece) {
                secrets.push(secret.expose_text().unwrap().to_owned());
            }
        }
    }
    secrets.retain(|s| s.len() >= 6);
    assert!(secrets.len() > 10, "the test found no secrets to look for");
    let bundle = std::fs::read(&p.bundle).unwrap();
    let shown = [
        run(&["list", &p.bundle, "--why"], &[]),
        run(&["info", &p.bundle], &[]),
        run(
            &[
                "plan",
                &p.bundle,
                "--to",
                &p.production,
                "--json",
                "--overwrite",
                "--password-file",
                &p.password,
                "--master-key-file",
                &p.production_key,
            ],
            &[],
        ),
        run(
            &[
                "diff",
                &p.build,
                &p.production,
                "--json",
                "--left-key-file",
                &p.build_key,
                "--right-key-file",
                &p.production_key,
            ],
            &[],
        ),
    ];
    for secret in secrets {
        let bytes = secret.as_bytes();
        assert!(!bundle.windows(bytes.len()).any(|w| w == bytes), "a secret stands in the bundle");
        for out in &shown {
            assert!(!stdout(out).contains(&secret) && !stderr(out).contains(&secret), "a secret was shown");
        }
    }
}

/// Runs a command whose files cannot grow past some KiB: every write beyond fails, as on a full disk.
#[cfg(unix)]
fn run_cramped(kib: u32, args: &[&str]) -> Output {
    let quoted: Vec<String> = args.iter().map(|a| format!("'{a}'")).collect();
    let command = format!(
        "trap '' XFSZ; ulimit -f {}; exec '{}' {}",
        kib * 2,
        env!("CARGO_BIN_EXE_sealift"),
        quoted.join(" ")
    );
    let folder = support::folder();
    Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[cfg(unix)]
#[test]
fn an_export_without_room_leaves_nothing() {
    let p = paths();
    let folder = support::folder();
    let out = folder.path().join("o.sealift");
    let args = ["export", &p.build, "-o", &text(&out), "--no-secrets"];
    for kib in [0, 4, 32, 60] {
        let cramped = run_cramped(kib, &args);
        assert_eq!(cramped.status.code(), Some(1), "{kib} KiB: {}", stderr(&cramped));
        assert!(stderr(&cramped).starts_with("error: "), "{}", stderr(&cramped));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    }
    assert_eq!(run_cramped(4096, &args).status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn an_import_without_room_leaves_the_target_as_it_was() {
    let p = paths();
    let folder = support::folder();
    let target = folder.path().join("t.sqlite");
    let address = format!("sqlite:{}", text(&target));
    assert_eq!(run(&["init", &address], &[]).status.code(), Some(0));
    let before = std::fs::read(&target).unwrap();
    let args = [
        "import",
        &p.bundle,
        "--to",
        &address,
        "--yes",
        "--no-record",
        "--ignore-version",
        "--password-file",
        &p.password,
        "--master-key-file",
        &p.production_key,
    ];
    let room = u32::try_from(before.len() / 1024).unwrap();
    let cramped = run_cramped(room + 16, &args);
    assert_ne!(cramped.status.code(), Some(0), "the fault did not strike");
    assert!(matches!(cramped.status.code(), Some(1 | 4)), "{:?} {}", cramped.status, stderr(&cramped));
    // Whatever SQLite left to be rolled back is rolled back by the next who opens the file.
    let count: i64 = rusqlite::Connection::open(&target)
        .unwrap()
        .query_row("SELECT count(*) FROM Project", [], |r| r.get(0))
        .unwrap();
    assert_eq!(count, 0);
    assert!(before == std::fs::read(&target).unwrap());
    assert_eq!(run(&args, &[]).status.code(), Some(0), "the next run works");
}

/// `sealift list FILE | head -1` once ended in a panic.
#[test]
fn a_reader_that_had_enough_is_no_failure() {
    let p = paths();
    for args in [
        vec!["list", &p.bundle, "--why"],
        vec!["info", &p.bundle],
        vec!["model", "show"],
        vec!["model", "show", "--toml"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealift"))
            .args(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{args:?} {}", stderr(&out));
        assert_eq!(stderr(&out), "", "{args:?}");
    }
}

#[test]
fn completions_and_manual_pages_are_made() {
    let script = run(&["completions", "bash"], &[]);
    assert!(stdout(&script).contains("sealift"));
    let folder = support::folder();
    let pages = folder.path().join("man");
    assert_eq!(run(&["man", &text(&pages)], &[]).status.code(), Some(0));
    for page in
        ["sealift.1", "sealift-export.1", "sealift-import.1", "sealift-why.1", "sealift-model-check.1"]
    {
        assert!(std::fs::read_to_string(pages.join(page)).unwrap().contains(".TH"), "{page}");
    }
    // A page names its command whole, and the options that every command takes.
    let page = std::fs::read_to_string(pages.join("sealift-model-show.1")).unwrap();
    assert!(page.contains("sealift model show") && page.contains("\\-\\-json"), "{page}");
}

/// A folder is as good as the bundle it came from, to every command.
#[test]
fn every_command_that_takes_a_bundle_takes_a_folder() {
    let p = paths();
    let scratch = support::folder();
    let tree = text(&scratch.path().join("tree"));
    let out = run(&["convert", &p.bundle, &tree], &[]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let root = |args: &[&str]| {
        let out = run(&[args, &["--json"]].concat(), &[]);
        let answer: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        answer["content_root"].as_str().unwrap().to_owned()
    };
    assert_eq!(root(&["info", &tree]), root(&["info", &p.bundle]));
    assert_eq!(root(&["verify", &tree, "--sealed"]), root(&["info", &p.bundle]));
    for (command, code, piece) in [
        (vec!["list", &tree, "Team"], 0, "Everyone"),
        (vec!["show", &tree, "Account", "AWS Media"], 0, "SecretKey"),
        (vec!["why", &tree, "Account", "AWS Media"], 0, "everything"),
        (vec!["diff", &tree, &p.bundle], 0, "0 documents differ"),
        (
            vec!["diff", &tree, &p.bundle, "--left-key-file", &p.password, "--right-key-file", &p.password],
            0,
            "equal",
        ),
        (vec!["verify", &tree, "--password-file", &p.password], 0, "secrets open"),
        (vec!["verify", &tree], 0, "were not opened"),
    ] {
        let out = run(&command, &[]);
        assert_eq!(out.status.code(), Some(code), "{command:?}\n{}", stderr(&out));
        assert!(stdout(&out).contains(piece), "{command:?}\n{}", stdout(&out));
    }
    let target = text(&scratch.path().join("target.sqlite"));
    let server = format!("sqlite:{target}");
    assert_eq!(run(&["init", &server], &[]).status.code(), Some(0));
    let import = ["--to", &server, "--password-file", &p.password, "--master-key-file", &p.production_key];
    let plan = run(&[&["plan", &tree], &import[..]].concat(), &[]);
    assert_eq!(plan.status.code(), Some(0), "{}", stderr(&plan));
    let out = run(&[&["import", &tree, "--yes", "--no-record"], &import[..]].concat(), &[]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let out = run(&["diff", &tree, &server], &[]);
    assert_eq!(out.status.code(), Some(0), "{}", stdout(&out));
    // And back, without a password.
    let back = text(&scratch.path().join("back.sealift"));
    let out = run(&["convert", &tree, &back], &[]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert_eq!(std::fs::read(&back).unwrap(), std::fs::read(&p.bundle).unwrap());
    refuse(&["convert", &tree, &back], 1, "exists");
    let nowhere = text(&scratch.path().join("no/where/"));
    refuse(&["convert", &p.bundle, &nowhere], 1, "no such folder");
    refuse(&["export", &p.build, "-o", &format!("{nowhere}/"), "--no-secrets"], 1, "no such folder");
    refuse(&["convert", &p.bundle, &back], 2, "both are bundles");
    refuse(&["list", scratch.path().to_str().unwrap()], 1, "not a tree");
}

/// The nightly export into git: the folder shows what changed, and nothing else.
#[test]
fn an_export_into_a_folder_changes_only_what_changed() {
    let p = paths();
    let scratch = support::folder();
    let tree = scratch.path().join("tree");
    let output = format!("{}/", text(&tree));
    let args = |output: &str| -> Vec<String> {
        let args = ["export", &p.build, "-o", output, "--master-key-file", &p.build_key, "--json"];
        args.into_iter().map(str::to_owned).collect()
    };
    let export = |output: &str, more: &[&str]| {
        let args = args(output);
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let out = run(&args, &[("SEALIFT_PASSWORD", "a password of its own")]);
        assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
        let answer: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        answer["folder"].clone()
    };
    let first = export(&output, &["--kdf-memory", "8"]);
    assert!(first["written"].as_u64().unwrap() > 200 && first["unchanged"] == 0, "{first}");
    // Again, with a slash and without: the folder is there now.
    for again in [export(&output, &[]), export(&text(&tree), &[])] {
        assert_eq!((&again["written"], &again["removed"]), (&0.into(), &0.into()), "{again}");
    }
    // A bundle of other bytes for the same secrets; the password opens both, and the folder stays as it is.
    let other = text(&scratch.path().join("other.sealift"));
    let mut made = args(&other);
    made.extend(["--kdf-memory".to_owned(), "8".to_owned()]);
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    let password = [("SEALIFT_PASSWORD", "a password of its own")];
    assert_eq!(run(&made, &password).status.code(), Some(0));
    let out = run(&["convert", &other, &text(&tree), "--json"], &password);
    let answer: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(answer["folder"]["written"], 0, "{answer}");
    // Without the password every sealed value is another, and that is said.
    let out = run(&["convert", &other, &text(&tree)], &[]);
    assert!(stderr(&out).contains("give the password"), "{}", stderr(&out));
    assert_eq!(run(&["verify", &text(&tree)], &password).status.code(), Some(0));
    refuse(
        &[
            "export",
            &p.build,
            "-o",
            &text(&tree),
            "--master-key-file",
            &p.build_key,
            "--password-file",
            &p.password,
        ],
        6,
        "password",
    );
}

/// What is wrong with a folder is listed, on standard error, and as JSON where that was asked for.
#[test]
fn a_folder_that_is_not_right_is_told_file_by_file() {
    let p = paths();
    let scratch = support::folder();
    let tree = scratch.path().join("tree");
    assert_eq!(run(&["convert", &p.bundle, &text(&tree)], &[]).status.code(), Some(0));
    let user = std::fs::read_dir(tree.join("User")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&user, "{ \"kind\": }").unwrap();
    let name = format!("User/{}", user.file_name().unwrap().to_str().unwrap());
    let out = text(&scratch.path().join("out.sealift"));
    for command in
        [vec!["convert", &text(&tree), &out], vec!["list", &text(&tree)], vec!["verify", &text(&tree)]]
    {
        let error = refuse(&command, 3, "one thing is wrong");
        assert!(error.contains(&format!("{name}: not valid JSON near line 1")), "{error}");
    }
    assert!(!Path::new(&out).exists());
    let json = run(&["convert", &text(&tree), &out, "--json"], &[]);
    let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(answer["wrong"]["found"][0]["file"], name.as_str());
}
