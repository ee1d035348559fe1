//! `verify` and `salvage` as their users meet them: exit codes, lists, and nothing half written.

use std::process::{Command, Output, Stdio};

use super::*;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(args).env_remove("SEALIFT_PASSWORD").stdin(Stdio::null()).output().unwrap()
}

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

fn json(out: &Output) -> serde_json::Value {
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A damaged bundle with its password, and where the salvaged one goes.
struct Place {
    folder: tempfile::TempDir,
    file: String,
    out: String,
    password: String,
}

/// The small bundle with one bit changed of what the statement finds.
fn damaged(sql: Option<&str>) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, out, password) = (at("damaged.sealift"), at("out.sealift"), at("password"));
    std::fs::write(&password, PASSWORD).unwrap();
    let mut bytes = small().bytes.clone();
    std::fs::write(&file, &bytes).unwrap();
    if let Some(sql) = sql {
        let db = rusqlite::Connection::open(&file).unwrap();
        let data: Vec<u8> = db.query_row(sql, [], |row| row.get(0)).unwrap();
        let at = bytes.windows(data.len()).position(|window| window == data).unwrap();
        bytes[at + data.len() / 2] ^= 1;
        assert_ne!(bytes, small().bytes, "the fault did not strike");
        std::fs::write(&file, &bytes).unwrap();
    }
    Place { folder, file, out, password }
}

const PACK: &str = "SELECT data FROM packs WHERE pack = 2";

#[test]
fn verify_lists_what_is_whole_and_what_is_not() {
    let p = damaged(Some(PACK));
    let out = run(&["verify", &p.file]);
    assert_eq!(out.status.code(), Some(5), "{}", stderr(&out));
    let told = stdout(&out);
    for line in [
        "  DAMAGED file root: ",
        "  DAMAGED pack 2: ",
        "  Environment: 10 whole\n",
        "  Project: 0 whole, 10 damaged\n",
        "  VariableSet: 10 whole\n",
        "  damaged Project Web 3: no readable pack holds it as the index says\n",
        "20 of 30 documents are whole",
    ] {
        assert!(told.contains(line), "{line:?}\n{told}");
    }
    let told = json(&run(&["verify", &p.file, "--json"]));
    assert_eq!((&told["documents"], &told["documents_whole"]), (&30.into(), &20.into()));
    assert_eq!(told["kinds"][1]["kind"], "Project");
    assert_eq!(told["kinds"][1]["damaged"], 10);
    assert_eq!(told["lost"].as_array().unwrap().len(), 10);
    assert_eq!(told["lost"][0]["condition"], "damaged");
    assert_eq!(told["lost"][0]["key"], r#"["Web 0"]"#);
    assert_eq!(told["lost_unlisted"], 0);
}

#[test]
fn many_lost_documents_are_counted_in_text() {
    let p = damaged(Some("SELECT CAST(name AS BLOB) FROM documents WHERE document = 3"));
    let out = run(&["verify", &p.file]);
    assert_eq!(out.status.code(), Some(5));
    let told = stdout(&out);
    assert_eq!(told.matches("nothing vouches for its key").count(), 19, "{told}");
    assert!(told.contains("  damaged Environment Stafe 2: its content is there, but its key "), "{told}");
    assert!(told.contains("and 10 more that are not whole; --json lists them"), "{told}");
    let told = json(&run(&["verify", &p.file, "--json"]));
    assert_eq!(told["lost"].as_array().unwrap().len(), 30);
}

#[test]
fn a_salvage_says_what_was_lost() {
    let p = damaged(Some(PACK));
    let out = run(&["salvage", &p.file, "-o", &p.out, "--password-file", &p.password]);
    assert_eq!(out.status.code(), Some(3), "{}", stderr(&out));
    let told = stdout(&out);
    for line in ["20 of 30 documents", "damaged Project Web 9: ", "20 values of secrets, each opened\n"] {
        assert!(told.contains(line), "{line:?}\n{told}");
    }
    assert!(!told.contains("password 3"), "{told}");
    let out = run(&["verify", &p.out, "--password-file", &p.password]);
    assert_eq!(out.status.code(), Some(0), "{}", stdout(&out));
    let notices = stdout(&run(&["info", &p.out]));
    assert!(notices.contains("salvaged from a damaged bundle: 20 of its 30 documents"), "{notices}");
    // What is there is not overwritten, unless that is asked for.
    let again = run(&["salvage", &p.file, "-o", &p.out]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists") && stderr(&again).contains("--force"), "{}", stderr(&again));
    let again = run(&["salvage", &p.file, "-o", &p.out, "--force", "--json", "--no-secrets"]);
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
    let told = json(&again);
    assert_eq!((&told["documents_salvaged"], &told["complete"]), (&20.into(), &false.into()));
    assert_eq!((&told["secrets"], &told["secrets_lost"]), (&"left-out".into(), &20.into()));
    assert_eq!(told["lost"].as_array().unwrap().len(), 10);
    assert_eq!(std::fs::read_dir(p.folder.path()).unwrap().count(), 3, "something was left behind");
}

#[test]
fn a_salvage_of_everything_and_of_nothing() {
    // Whole: there is nothing to do.
    let p = damaged(None);
    let out = run(&["salvage", &p.file, "-o", &p.out]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert!(stdout(&out).contains("nothing is damaged"), "{}", stdout(&out));
    assert!(!Path::new(&p.out).exists());
    // Only the file root is wrong: nothing is lost.
    let p = damaged(Some("SELECT root FROM seal"));
    let out = run(&["salvage", &p.file, "-o", &p.out, "--password-file", &p.password]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert!(stdout(&out).contains("30 of 30 documents"), "{}", stdout(&out));
    // Nothing is whole: nothing is written, and it is said what could be had all the same.
    let p = damaged(Some("SELECT CAST(name AS BLOB) FROM documents WHERE document = 3"));
    let out = run(&["salvage", &p.file, "-o", &p.out]);
    assert_eq!(out.status.code(), Some(5), "{}", stderr(&out));
    assert!(stderr(&out).contains("none of its 30 documents is whole"), "{}", stderr(&out));
    assert!(stderr(&out).contains("--uncertain takes them along"), "{}", stderr(&out));
    assert_eq!(std::fs::read_dir(p.folder.path()).unwrap().count(), 2, "something was left behind");
    let out = run(&["salvage", &p.file, "-o", &p.out, "--uncertain"]);
    assert_eq!(out.status.code(), Some(3), "{}", stderr(&out));
    assert!(stdout(&out).contains("under keys that nothing vouches for"), "{}", stdout(&out));
}

#[test]
fn what_cannot_be_salvaged_is_told_apart() {
    let p = damaged(Some(PACK));
    let refuse = |args: &[&str], code: i32, piece: &str| {
        let out = run(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}\n{}", stderr(&out));
        assert!(stderr(&out).contains(piece), "{args:?}\n{}", stderr(&out));
    };
    let wrong = p.folder.path().join("wrong");
    std::fs::write(&wrong, "another").unwrap();
    let wrong = wrong.to_str().unwrap();
    refuse(&["salvage", &p.file, "-o", &p.out, "--password-file", wrong], 6, "its slot is damaged");
    refuse(&["salvage", &p.file, "-o", &p.file, "--force"], 2, "it is the damaged bundle");
    refuse(&["salvage", &p.file], 2, "--output");
    refuse(&["salvage", &p.password, "-o", &p.out], 1, "not a bundle");
    refuse(&["salvage", "/no/such/file", "-o", &p.out], 1, "/no/such/file");
    assert!(!Path::new(&p.out).exists());
}
