//! The same content and the same options are the same bytes, whichever process writes them: every command is run ten
//! times, and whatever it writes and prints is compared. A nightly export into git shows real changes only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How often each command is run. The order of a hash map is another in each process, and of two elements it is the
/// same in every second one.
const TIMES: usize = 10;

/// What all commands read: the demo's servers, and bundles and folders made of them.
struct Inputs {
    _parent: tempfile::TempDir,
    folder: PathBuf,
}

fn inputs() -> &'static Path {
    static INPUTS: OnceLock<Inputs> = OnceLock::new();
    let inputs = INPUTS.get_or_init(|| {
        let parent = support::folder();
        let folder = parent.path().join("demo");
        for args in [
            &["demo", "demo"][..],
            // As it was before the demo's import, so that there is something to plan.
            &[
                "undo",
                "demo/production.undo",
                "--to",
                "sqlite:demo/production.sqlite",
                "--master-key-file",
                "demo/production.key",
                "--yes",
                "--no-undo",
                "--no-record",
            ],
            &["export", "sqlite:demo/build.sqlite", "--no-secrets", "-o", "demo/open.sealift"],
            &["export", "sqlite:demo/production.sqlite", "--no-secrets", "-o", "demo/theirs.sealift"],
            &["convert", "demo/open.sealift", "demo/open"],
            &with(&["export", BUILD, "-o", "demo/sealed.sealift", "--kdf-memory", "8"], &SECRETS),
            &["convert", "demo/sealed.sealift", "demo/sealed", "--password-file", "demo/password"],
        ] {
            let (code, told) = spawn(parent.path(), args);
            assert_eq!(code, 0, "{args:?}\n{told:?}");
        }
        let mut damaged = std::fs::read(folder.join("open.sealift")).unwrap();
        let at = damaged.len() / 2;
        damaged[at] ^= 1;
        std::fs::write(folder.join("damaged.sealift"), damaged).unwrap();
        Inputs { _parent: parent, folder }
    });
    &inputs.folder
}

/// Runs a command: the exit code, and what was printed. `demo/` in its arguments is where the inputs are.
fn run(folder: &Path, args: &[&str]) -> (i32, [String; 2]) {
    let demo = format!("{}/", inputs().to_str().unwrap());
    let args: Vec<String> = args.iter().map(|arg| arg.replace("demo/", &demo)).collect();
    spawn(folder, &args)
}

fn spawn(folder: &Path, args: &[impl AsRef<std::ffi::OsStr>]) -> (i32, [String; 2]) {
    let out = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        .current_dir(folder)
        .env_remove("SEALIFT_PASSWORD")
        .env_remove("SEALIFT_MASTER_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), [text(out.stdout), text(out.stderr)])
}

/// Everything below a folder, by path.
fn files(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), &format!("{name}/"), found),
            false => drop(found.insert(name, std::fs::read(entry.path()).unwrap())),
        }
    }
}

/// What one run prints and writes.
#[derive(PartialEq)]
struct Left {
    printed: (i32, [String; 2]),
    files: BTreeMap<String, Vec<u8>>,
}

/// Runs a command in a folder of its own.
fn once(code: i32, args: &[&str], before: &dyn Fn(&Path), still: &dyn Fn(&mut Left)) -> Left {
    let work = support::folder();
    before(work.path());
    let printed = run(work.path(), args);
    assert_eq!(printed.0, code, "{args:?}\n{:?}", printed.1);
    let mut left = Left { printed, files: BTreeMap::new() };
    files(work.path(), "", &mut left.files);
    still(&mut left);
    left
}

/// Runs a command ten times; `still` takes out what says when it was.
#[track_caller]
fn same_but(code: i32, args: &[&str], before: &dyn Fn(&Path), still: &dyn Fn(&mut Left)) -> Left {
    let first = once(code, args, before, still);
    for _ in 1..TIMES {
        let again = once(code, args, before, still);
        assert_eq!(first.printed, again.printed, "{args:?}");
        let names = |left: &Left| left.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&first), names(&again), "{args:?}");
        for (name, bytes) in &first.files {
            assert!(*bytes == again.files[name], "{args:?}: {name} is not the same twice");
        }
    }
    first
}

#[track_caller]
fn same(code: i32, args: &[&str]) -> Left {
    same_but(code, args, &|_| {}, &|_| {})
}

const BUILD: &str = "sqlite:demo/build.sqlite";
const SECRETS: [&str; 4] = ["--master-key-file", "demo/build.key", "--password-file", "demo/password"];
const OPEN: &str = "demo/open.sealift";
const TO: [&str; 4] = ["--to", "sqlite:demo/production.sqlite", "--master-key-file", "demo/production.key"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(more).copied().collect()
}

#[test]
fn exports_are_the_same_bytes() {
    same(0, &["export", BUILD, "--no-secrets", "-o", "out/"]);
    same(0, &["export", BUILD, "--no-secrets", "--space", "Default", "-o", "out.sealift"]);
    let shop = ["partial-export", BUILD, "--no-secrets", "--project-group", "Shop"];
    assert!(!same(0, &with(&shop, &["-o", "out.sealift"])).files.is_empty());
    let more = ["--project", "Branch Kiosk", "--space", "Default", "--ignore-tenants", "-o", "out/"];
    same(0, &with(&shop, &more));
}

/// Several documents need one environment: the first of them is the reason why it is there.
/// What is written does not depend on how many threads write it.
#[test]
fn any_number_of_threads_writes_the_same_bytes() {
    let export = ["export", BUILD, "--no-secrets", "-o", "out.sealift"];
    let usual = once(0, &export, &|_| {}, &|_| {});
    for threads in ["1", "2", "4", "64"] {
        let other = once(0, &with(&export, &["--threads", threads]), &|_| {}, &|_| {});
        assert!(usual == other, "{threads} threads");
    }
    for wrong in ["0", "65", "-1", "many"] {
        let (code, [_, error]) = run(Path::new("."), &with(&export, &[&format!("--threads={wrong}")]));
        assert!(code == 2 && error.contains("--threads"), "{wrong}: {code} {error}");
    }
}

#[test]
fn partial_exports_give_the_same_reasons() {
    let make = |work: &Path| {
        let args = ["partial-export", BUILD, "--no-secrets", "--project-group", "Shop", "-o", "shop.sealift"];
        assert_eq!(run(work, &args).0, 0);
    };
    for args in [
        &["why", "shop.sealift", "Environment", "Production"][..],
        &["why", "--json", "shop.sealift", "Lifecycle", "Default Lifecycle"],
        &["list", "shop.sealift", "--json"],
        &["info", "shop.sealift"],
    ] {
        same_but(0, args, &make, &|_| {});
    }
}

/// Secrets that did not change keep their encrypted bytes.
#[test]
fn an_export_over_an_earlier_one_is_the_same_bytes() {
    let earlier = |work: &Path| {
        std::fs::copy(inputs().join("sealed.sealift"), work.join("out.sealift")).unwrap();
    };
    let args = with(&["export", BUILD, "-o", "out.sealift", "--force"], &SECRETS);
    same_but(0, &args, &earlier, &|_| {});
    same(0, &with(&["export", BUILD, "-o", "out/", "--previous", "demo/sealed.sealift"], &SECRETS));
}

#[test]
fn conversions_merges_and_salvage_are_the_same_bytes() {
    same(0, &["convert", OPEN, "out"]);
    same(0, &["convert", "demo/open", "out.sealift"]);
    same(0, &["convert", "demo/sealed.sealift", "out", "--password-file", "demo/password"]);
    same(0, &["convert", "demo/sealed", "out.sealift", "--password-file", "demo/password"]);
    let both = ["merge", OPEN, "demo/theirs.sealift", "-o", "out.sealift"];
    same(4, &both);
    same(0, &with(&both, &["--prefer", "theirs"]));
    same(3, &["salvage", "demo/damaged.sealift", "--uncertain", "-o", "out.sealift"]);
}

#[test]
fn plans_scripts_and_lists_are_the_same_bytes() {
    // New users would need a token, which this bundle does not have.
    let plan = with(&["plan", OPEN, "--overwrite", "--except", "User"], &TO);
    for (code, more) in [(0, &["--json"][..]), (0, &["--list"]), (0, &["--prune"])] {
        same(code, &with(&plan, more));
    }
    let script = with(&plan, &["--sql", "out.sql"]);
    assert!(same(0, &script).files.contains_key("out.sql"));
    // When a plan was made is in it, and the digest of its lines covers that.
    let saved = same_but(0, &with(&plan, &["-o", "out.plan"]), &|_| {}, &|left| {
        let text = left.files.get_mut("out.plan").unwrap();
        let whole = String::from_utf8(std::mem::take(text)).unwrap();
        let (head, documents) = whole.split_once('\n').unwrap();
        let mut head: serde_json::Value = serde_json::from_str(head).unwrap();
        head.as_object_mut().unwrap().remove("made").unwrap();
        let (documents, _) = documents.trim_end().rsplit_once('\n').unwrap();
        *text = format!("{head}\n{documents}").into_bytes();
    });
    assert!(saved.files["out.plan"].len() > 10_000);
}

#[test]
fn looking_prints_the_same() {
    same(0, &["model", "show"]);
    same(0, &["model", "show", "--json"]);
    same(0, &["model", "show", "--toml"]);
    same(0, &["info", OPEN, "--json"]);
    same(0, &["list", OPEN]);
    same(0, &["show", OPEN, "Project", "Default / Shop Web"]);
    same(0, &["verify", OPEN, "--json"]);
    same(5, &["verify", "demo/damaged.sealift"]);
    same(3, &["diff", OPEN, "demo/theirs.sealift"]);
    same(3, &["diff", OPEN, "demo/theirs.sealift", "--json"]);
    let contradiction =
        ["--no-secrets", "--only", "Team", "--only", "Feed", "--exclude", "Team", "--exclude", "Feed"];
    same(2, &with(&["export", BUILD, "-o", "out.sealift"], &contradiction));
}

/// Ids that are sought together are found in one order, so that rows that cannot be read are named in one.
#[test]
fn rows_that_cannot_be_read_are_named_in_the_same_order() {
    let damage = |work: &Path| {
        let path = work.join("damaged.sqlite");
        std::fs::copy(inputs().join("build.sqlite"), &path).unwrap();
        let server = rusqlite::Connection::open(&path).unwrap();
        for table in ["DeploymentEnvironment", "TagSet", "Lifecycle", "Tenant", "LibraryVariableSet"] {
            server.execute(&format!("UPDATE \"{table}\" SET \"JSON\" = 'no JSON'"), []).unwrap();
        }
    };
    let args = ["export", "sqlite:damaged.sqlite", "--no-secrets", "-o", "out.sealift"];
    let left = same_but(1, &args, &damage, &|left| drop(left.files.remove("damaged.sqlite")));
    assert!(left.printed.1[1].contains("rows of the server cannot be carried"), "{:?}", left.printed.1);
}

/// What an import writes, its record and its undo file: the same, but for times, and for the random bytes by which
/// secrets in the undo file are sealed.
#[test]
fn imports_records_and_undo_files_are_the_same() {
    let target = |work: &Path| {
        std::fs::copy(inputs().join("production.sqlite"), work.join("target.sqlite")).unwrap();
    };
    let args = [
        "import",
        "demo/sealed.sealift",
        "--password-file",
        "demo/password",
        "--overwrite",
        "--to",
        "sqlite:target.sqlite",
        "--master-key-file",
        "demo/production.key",
        "--yes",
        "--undo",
        "out.undo",
        "--record",
        "out.json",
        "--json",
    ];
    let left = same_but(0, &args, &target, &|left| {
        left.files.remove("target.sqlite").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let mut record = text(left.files.remove("out.json").unwrap());
        let mut page = text(left.files.remove("out.html").unwrap());
        let said: serde_json::Value = serde_json::from_str(&record).unwrap();
        for time in ["began", "ended"] {
            let time = said[time].as_str().unwrap();
            (record, page) = (record.replace(time, "TIME"), page.replace(time, "TIME"));
        }
        left.files.insert("record".to_owned(), record.into_bytes());
        left.files.insert("page".to_owned(), page.into_bytes());
        let folder = support::folder();
        let undo = folder.path().join("out.undo");
        std::fs::write(&undo, left.files.remove("out.undo").unwrap()).unwrap();
        let undo = support::open(&undo).info().content_root.to_string();
        left.files.insert("undo".to_owned(), undo.into_bytes());
    });
    assert!(left.files["record"].len() > 10_000);
}
