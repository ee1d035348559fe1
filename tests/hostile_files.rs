//! Files that somebody changes while they are used, that are other ones than were expected, or that ask for more than
//! they are worth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![cfg(unix)]

#[path = "vectors/build.rs"]
#[allow(dead_code)]
mod build;
#[path = "vectors/pack.rs"]
#[allow(dead_code)]
mod pack;
#[path = "vectors/sealing.rs"]
#[allow(dead_code)]
mod sealing;
#[path = "support/stage.rs"]
mod stage;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use sealift::bundle::{
    Bundle, BundleError, Header, Limits, Protection, Reason, Remains, UncheckedBundle, Writer, WriterOptions,
};
use sealift::crypto::{Envelope, KdfParams, Password, SecretBytes};
use sealift::document::{Document, Key, KindName, Map, Value};
use sealift::progress::{Event, Progress, Silent};

use stage::{Stage, TO, text};

/// A bundle of many documents that all say the same word; it is read in several parts.
fn bundle_of(word: &str, path: &Path) -> (Vec<u8>, String) {
    let header = Header::new("octopus".to_owned(), [0; 32], None);
    let mut writer = Writer::create(path, header, WriterOptions::default()).unwrap();
    for number in 0..200 {
        let name = format!("{number:03}");
        // Noise, so that it stays large.
        let mut noise = vec![0; 4096];
        blake3::Hasher::new().update(format!("{word}{number}").as_bytes()).finalize_xof().fill(&mut noise);
        let columns = [("Name", Value::Text(name.clone())), ("Noise", Value::Bytes(noise))];
        let columns = columns.map(|(name, value)| (name.to_owned(), value));
        let document = Document {
            kind: KindName::new("Environment"),
            key: Key::name(&name),
            columns: Map::from_pairs(columns.to_vec()).unwrap(),
            body: Some(Value::Text(word.to_owned())),
        };
        writer.add(&document, &name, &Value::Null, &Reason::All, &[]).unwrap();
    }
    let summary = writer.finish(&Silent).unwrap();
    (std::fs::read(path).unwrap(), summary.file_root.to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Another file is put at the name.
    Replaced,
    /// The bytes are overwritten where they are.
    Overwritten,
    /// The file becomes shorter.
    Cut,
    /// It becomes a file of zeros.
    Zeroed,
}

fn change(path: &Path, other: &[u8], how: Change) {
    match how {
        Change::Replaced => {
            let beside = path.with_extension("beside");
            std::fs::write(&beside, other).unwrap();
            std::fs::rename(beside, path).unwrap();
        }
        Change::Overwritten => std::fs::write(path, other).unwrap(),
        Change::Cut => std::fs::File::options().write(true).open(path).unwrap().set_len(8192).unwrap(),
        Change::Zeroed => std::fs::write(path, vec![0; other.len()]).unwrap(),
    }
}

/// Changes the file when it hears of the `at`th event.
struct Meddler<'a> {
    at: usize,
    heard: AtomicUsize,
    act: &'a (dyn Fn() + Sync),
}

impl Progress for Meddler<'_> {
    fn event(&self, _: Event) {
        if self.heard.fetch_add(1, Ordering::SeqCst) == self.at {
            (self.act)();
        }
    }
}

/// The words that the documents of a bundle say, which must be one.
fn word_of(bundle: &Bundle) -> Result<String, BundleError> {
    let mut words = Vec::new();
    bundle.scan::<BundleError>(None, &mut |_, document| {
        words.push(document.body.unwrap().as_text().unwrap().to_owned());
        Ok(())
    })?;
    assert_eq!(words.len(), 200);
    words.sort();
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    Ok(words.remove(0))
}

#[test]
fn what_was_checked_is_what_is_read_whenever_the_file_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sealift");
    let (right, right_root) = bundle_of("right", &path);
    let (wrong, wrong_root) = bundle_of("wrong", &folder.path().join("b.sealift"));
    let mut refusals = 0;
    for how in [Change::Replaced, Change::Overwritten, Change::Cut, Change::Zeroed] {
        for at in 0..8 {
            std::fs::write(&path, &right).unwrap();
            let unchecked = UncheckedBundle::open(&path, &Limits::default()).unwrap();
            let act = || change(&path, &wrong, how);
            let checked = unchecked.check(&Meddler { at, heard: AtomicUsize::new(0), act: &act });
            // Whatever was not heard during the check comes after it.
            change(&path, &wrong, how);
            let bundle = match checked {
                Ok(bundle) => bundle,
                Err(error) => {
                    let refused = error.is_damage() || matches!(error, BundleError::NotABundle { .. });
                    assert!(refused, "{how:?} at {at}: {error}");
                    refusals += 1;
                    continue;
                }
            };
            let word = word_of(&bundle).unwrap_or_else(|error| panic!("{how:?} at {at}: {error}"));
            let root = if word == "right" { &right_root } else { &wrong_root };
            assert_eq!(bundle.info().file_root.to_string(), *root, "{how:?} at {at}");
            assert!(bundle.find("Environment", &Key::name("007")).unwrap().is_some());
        }
    }
    assert!(refusals > 0, "no change came during a check");
}

#[test]
fn what_is_left_of_a_damaged_file_is_read_from_a_copy_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sealift");
    let (mut damaged, _) = bundle_of("right", &path);
    let (wrong, _) = bundle_of("wrong", &folder.path().join("b.sealift"));
    for first_page in [false, true] {
        // One of the packs.
        damaged[100_000] = damaged[100_000].wrapping_add(1);
        if first_page {
            damaged[40..60].fill(7);
        }
        std::fs::write(&path, &damaged).unwrap();
        let remains = Remains::open(&path, &Limits::default(), &Silent).unwrap();
        assert_eq!(remains.is_repaired(), first_page);
        change(&path, &wrong, Change::Overwritten);
        let mut whole = 0;
        remains
            .survey::<BundleError>(None, &Silent, &mut |survivor| {
                assert_eq!(survivor.document.body.unwrap().as_text(), Some("right"));
                whole += 1;
                Ok(())
            })
            .unwrap();
        assert!((1..200).contains(&whole), "{whole}");
    }
}

#[test]
fn no_copy_stays_behind_and_nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sealift");
    bundle_of("right", &path);
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(["list", path.to_str().unwrap()])
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    // While it is made it has a name, and nobody else may open it.
    let seen = std::sync::Mutex::new(Vec::new());
    let look = || {
        for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("sealift-")
                && let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                seen.lock().unwrap().push(metadata.permissions().mode() & 0o777);
            }
        }
    };
    let unchecked = UncheckedBundle::open(&path, &Limits::default()).unwrap();
    unchecked.check(&Meddler { at: 2, heard: AtomicUsize::new(0), act: &look }).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|mode| *mode == 0o600), "{seen:?}");
}

#[test]
fn a_temporary_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sealift");
    bundle_of("right", &path);
    let nowhere = folder.path().join("nowhere");
    let out = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(["list", path.to_str().unwrap()])
        .env("TMPDIR", &nowhere)
        .output()
        .unwrap();
    let told = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(told.contains(nowhere.to_str().unwrap()), "{told}");
}

/// Runs a command whose password file is a pipe; changes the bundle when the command asks for the password.
fn with_a_change_at_the_password(stage: &Stage, args: &[&str], how: Option<Change>) -> (Option<i32>, String) {
    let pipe = stage.at("pipe");
    if !pipe.exists() {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    }
    let mut child = stage.command("d", args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Waits until the command opens it.
    let mut writer = std::fs::File::options().write(true).open(&pipe).unwrap();
    if let Some(how) = how {
        let small = std::fs::read(stage.at("small.sealift")).unwrap();
        change(&stage.at("build.sealift"), &small, how);
    }
    let password = std::fs::read(stage.at("password")).unwrap();
    writer.write_all(&password).unwrap();
    drop(writer);
    let mut out = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut out).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), out + &text(&output.stderr))
}

#[test]
fn a_bundle_that_is_changed_while_the_password_is_typed_is_used_as_it_was() {
    let prepared = Stage::new();
    let export = [
        "export",
        "sqlite:build.sqlite",
        "--space",
        "Default",
        "--only",
        "Environment",
        "--no-secrets",
        "-o",
        "small.sealift",
    ];
    prepared.done(&export);
    // A password that is quickly tried.
    let cheap =
        ["export", "sqlite:build.sqlite", "--master-key-file", "build.key", "--password-file", "password"];
    prepared.done(&[&cheap[..], &["--kdf-memory", "8", "-o", "cheap.sealift"]].concat());
    std::fs::rename(prepared.at("cheap.sealift"), prepared.at("build.sealift")).unwrap();
    let keys = ["--to", TO[1], "--master-key-file", "production.key", "--password-file", "pipe"];
    let commands: [&[&str]; 3] = [
        &["plan", "build.sealift"],
        &["import", "build.sealift", "--yes", "--no-undo", "--no-record"],
        &["merge", "build.sealift", "-o", "merged.sealift", "--kdf-memory", "8", "--password-file", "pipe"],
    ];
    for command in commands {
        let args = if command[0] == "merge" { command.to_vec() } else { [command, &keys].concat() };
        let usual = with_a_change_at_the_password(&prepared.copy(), &args, None);
        assert_eq!(usual.0, Some(0), "{args:?}: {}", usual.1);
        for how in [Change::Replaced, Change::Overwritten, Change::Cut] {
            let stage = prepared.copy();
            let found = with_a_change_at_the_password(&stage, &args, Some(how));
            assert_eq!(found, usual, "{args:?} {how:?}");
        }
    }
}

/// The file root and the content root of a bundle.
fn roots(stage: &Stage, file: &str) -> [String; 2] {
    let info: serde_json::Value = serde_json::from_str(&stage.done(&["info", file, "--json"])).unwrap();
    ["file_root", "content_root"].map(|name| info[name].as_str().unwrap().to_owned())
}

#[test]
fn every_command_that_reads_a_bundle_refuses_another_root_than_is_expected() {
    let stage = Stage::new();
    stage.done(&[
        "export",
        "sqlite:build.sqlite",
        "--space",
        "Default",
        "--only",
        "Environment",
        "--no-secrets",
        "-o",
        "small.sealift",
    ]);
    stage.done(&["convert", "small.sealift", "tree"]);
    stage.done(&["plan", "small.sealift", "--to", TO[1], "-o", "saved.plan"]);
    stage.done(&["import", "small.sealift", "--to", TO[1], "--yes", "--undo", "an.undo", "--no-record"]);
    let [file, content] = roots(&stage, "small.sealift");
    let other = "0123456789abcdef".repeat(4);
    let to = ["--to", TO[1]];
    let commands: Vec<Vec<&str>> = vec![
        vec!["info", "small.sealift"],
        vec!["list", "small.sealift"],
        vec!["show", "small.sealift", "Environment", "Test"],
        vec!["why", "small.sealift", "Environment", "Test"],
        vec!["verify", "small.sealift"],
        vec!["salvage", "small.sealift", "-o", "saved.sealift"],
        vec!["convert", "small.sealift", "another/"],
        [&["plan", "small.sealift"][..], &to].concat(),
        [&["import", "small.sealift", "--yes", "--no-undo", "--no-record"][..], &to].concat(),
        [&["apply", "saved.plan", "small.sealift", "--dry-run"][..], &to].concat(),
        vec!["merge", "small.sealift", "--dry-run"],
        vec!["diff", "small.sealift", "sqlite:build.sqlite", "--only", "Environment"],
        vec!["info", "tree"],
        vec!["list", "tree"],
        vec!["verify", "tree"],
        vec!["convert", "tree", "back.sealift"],
        [&["plan", "tree"][..], &to].concat(),
        [&["import", "tree", "--yes", "--no-undo", "--no-record"][..], &to].concat(),
    ];
    // No password is tried on another bundle: that may cost much.
    std::fs::write(stage.at("wrong"), "not the password").unwrap();
    let to_try = ["--password-file", "wrong", "--expect-root", &other];
    for command in [&["verify", "build.sealift"][..], &["import", "build.sealift", "--yes", "--to", TO[1]]] {
        stage.refused(&[command, &to_try].concat(), 5, "expected the root");
    }
    for command in &commands {
        let with = |root: &str| {
            let _ = std::fs::remove_dir_all(stage.at("another"));
            let _ = std::fs::remove_file(stage.at("back.sealift"));
            let before = std::fs::read(stage.at("production.sqlite")).unwrap();
            let args = [&command[..], &["--expect-root", root]].concat();
            let out = stage.run(&args);
            let told = text(&out.stdout) + &text(&out.stderr);
            let kept = before == std::fs::read(stage.at("production.sqlite")).unwrap();
            (out.status.code(), told, kept)
        };
        let (code, told, kept) = with(&other);
        assert_eq!((code, kept), (Some(5), true), "{command:?}: {told}");
        assert!(told.contains(&other) && told.contains(&content), "{command:?}: {told}");
        for output in ["saved.sealift", "another", "back.sealift"] {
            assert!(!stage.at(output).exists(), "{command:?} made {output}");
        }
        let (code, told, _) = with(&content.to_uppercase());
        // A plan may be stale by now; it is not the root that is refused.
        let fine = matches!(code, Some(0 | 3 | 4)) && !told.contains("expected the root");
        assert!(fine, "{command:?}: {told}");
        let (_, told, _) = with(&file);
        let of_folder = command.contains(&"tree");
        assert_eq!(told.contains("expected the root"), of_folder, "{command:?}: {told}");
    }
    let [undo, _] = roots(&stage, "an.undo");
    let back = ["undo", "an.undo", "--to", TO[1], "--dry-run", "--master-key-file", "production.key"];
    stage.refused(&[&back[..], &["--expect-root", &other]].concat(), 5, "expected the root");
    stage.done(&[&back[..], &["--expect-root", &undo]].concat());
}

#[test]
fn several_bundles_have_a_root_each_in_their_order() {
    let stage = Stage::new();
    for (kind, name) in [("Environment", "a.sealift"), ("Lifecycle", "b.sealift")] {
        stage.done(&["export", "sqlite:build.sqlite", "--only", kind, "--no-secrets", "-o", name]);
    }
    let ([a, _], [_, b]) = (roots(&stage, "a.sealift"), roots(&stage, "b.sealift"));
    let expect = |first: &str, second: &str| {
        ["--expect-root", first, "--expect-root", second].map(str::to_owned).to_vec()
    };
    for command in
        [&["merge", "a.sealift", "b.sealift", "--dry-run"][..], &["diff", "a.sealift", "b.sealift"]]
    {
        let run = |rest: Vec<String>| {
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            let out = stage.run(&[command, &rest].concat());
            (out.status.code(), text(&out.stdout) + &text(&out.stderr))
        };
        let right = run(expect(&a, &b));
        assert!(matches!(right.0, Some(0 | 3)), "{right:?}");
        let wrong = run(expect(&b, &a));
        assert_eq!(wrong.0, Some(5), "{wrong:?}");
        let one = run(["--expect-root", &a].map(str::to_owned).to_vec());
        assert_eq!(one.0, Some(2), "{one:?}");
        assert!(one.1.contains("once for each"), "{one:?}");
    }
    let plan = ["plan", "a.sealift", "--against", "b.sealift", "--expect-root", &a, "--expect-against-root"];
    assert_eq!(stage.run(&[&plan[..], &[&a]].concat()).status.code(), Some(5));
    let out = stage.run(&[&plan[..], &[&b]].concat());
    assert!(!text(&out.stderr).contains("expected the root"), "{}", text(&out.stderr));
}

#[test]
fn what_a_bundle_says_of_its_content_root_is_not_believed() {
    let stage = Stage::new();
    let vector = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors/content-root-wrong.sealift");
    std::fs::copy(vector, stage.at("lying.sealift")).unwrap();
    let [file, content] = roots(&stage, "lying.sealift");
    stage.refused(&["list", "lying.sealift", "--expect-root", &content], 5, "content root");
    // Who expects the file expects what it says.
    stage.done(&["list", "lying.sealift", "--expect-root", &file]);
    let plan = ["plan", "lying.sealift", "--to", TO[1], "-o", "lying.plan"];
    stage.refused(&[&plan[..], &["--ignore-version"]].concat(), 5, "content root");
}

#[test]
fn a_damaged_bundle_is_salvaged_by_the_root_that_is_expected() {
    let stage = Stage::new();
    stage.done(&[
        "export",
        "sqlite:build.sqlite",
        "--space",
        "Default",
        "--only",
        "Environment",
        "--no-secrets",
        "-o",
        "small.sealift",
    ]);
    let [_, content] = roots(&stage, "small.sealift");
    let mut bytes = std::fs::read(stage.at("small.sealift")).unwrap();
    // The stored file root: every document is whole.
    bytes[8170] ^= 1;
    std::fs::write(stage.at("damaged.sealift"), bytes).unwrap();
    let salvage = ["salvage", "damaged.sealift", "-o", "saved.sealift", "--expect-root"];
    stage.refused(&[&salvage[..], &[&"ab".repeat(32)]].concat(), 5, "none of its");
    stage.done(&[&salvage[..], &[&content]].concat());
    assert_eq!(roots(&stage, "saved.sealift")[1], content);
}

/// A bundle of one secret whose password costs this much.
fn costly(path: &Path, params: KdfParams) {
    let password = Password::new("a password".to_owned()).unwrap();
    let (envelope, key) = Envelope::create(&password, params).unwrap();
    let protection = Protection::Password { envelope, key };
    let header = Header::new("octopus".to_owned(), [0; 32], None);
    let mut writer =
        Writer::create(path, header, WriterOptions { protection, ..WriterOptions::default() }).unwrap();
    let document = Document {
        kind: KindName::new("Environment"),
        key: Key::name("a"),
        columns: Map::from_pairs(vec![("Secret".to_owned(), Value::Secret(Default::default()))]).unwrap(),
        body: None,
    };
    let secret = SecretBytes::from("a secret".to_owned());
    writer.add(&document, "a", &Value::Null, &Reason::All, &[Some(secret)]).unwrap();
    writer.finish(&Silent).unwrap();
}

#[test]
fn a_password_that_costs_more_than_the_budget_is_refused_and_the_option_named() {
    let stage = Stage::new();
    let params = KdfParams { passes: 17, ..KdfParams::MINIMUM };
    costly(&stage.at("costly.sealift"), params);
    std::fs::write(stage.at("its"), "a password").unwrap();
    let verify = ["verify", "costly.sealift", "--password-file", "its"];
    stage.refused(&verify, 6, "--kdf-budget");
    stage.done(&[&verify[..], &["--kdf-budget", "1"]].concat());
    for command in
        ["verify", "plan", "import", "apply", "undo", "diff", "merge", "convert", "salvage", "export"]
    {
        let help = stage.done(&[command, "--help"]);
        assert!(help.contains("--kdf-budget"), "{command}");
    }
}

/// A bundle that was made by hand, with every hash right.
fn made(path: &Path, docs: &[build::Doc]) {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = build::tables(docs, &build::lay_out(docs), None);
    // As small as it can be.
    let (data, raw_bytes) = tables.stored(0);
    let raw = zstd::stream::decode_all(&data[..]).unwrap();
    tables.repack(0, raw_bytes, &pack::zstd(&raw));
    let mut bytes = build::store(&tables, folder.path());
    build::seal(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn doc(head: &str, name: &str, canonical: Vec<u8>) -> build::Doc {
    build::Doc {
        kind: "Environment".to_owned(),
        key: (head.to_owned(), format!("\"{name}\""), "]".to_owned()),
        canonical,
        id: (0, Vec::new()),
        reason: vec![0],
        secrets: Vec::new(),
    }
}

/// Canonical bytes of a document with a name and a body.
fn with_body(body: Vec<u8>) -> Vec<u8> {
    pack::list(&[pack::map(&[("Name", pack::text("a"))]), body])
}

fn long_list(value: u8, length: u32) -> Vec<u8> {
    let head = match u16::try_from(length) {
        Ok(length) => [&[0xdc][..], &length.to_be_bytes()].concat(),
        Err(_) => [&[0xdd][..], &length.to_be_bytes()].concat(),
    };
    [head, vec![value; length as usize]].concat()
}

fn long_text(length: u32) -> Vec<u8> {
    [vec![0xdb], length.to_be_bytes().to_vec(), vec![b'x'; length as usize]].concat()
}

/// The same behind so many KiB that do not become shorter when they are compressed.
fn noisy(kib: u32, value: Vec<u8>) -> Vec<u8> {
    let mut noise = vec![0; (kib as usize) << 10];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    let length = (noise.len() as u16).to_be_bytes();
    let noise = if kib == 0 { vec![0xc0] } else { [&[0xc5][..], &length, &noise].concat() };
    with_body(pack::list(&[noise, value]))
}

/// The most memory that a command took, in MiB, with its exit code and what it said.
#[cfg(target_os = "linux")]
fn peak(stage: &Stage, args: &[&str]) -> (u64, Option<i32>, String) {
    let mut child = stage.command("d", args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut most = 0;
    let ended = loop {
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
        {
            let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            most = most.max(kib / 1024);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    let mut told = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut told).unwrap();
    (most, ended.code(), told)
}

#[cfg(target_os = "linux")]
#[test]
fn a_small_bundle_does_not_take_much_memory() {
    let stage = Stage::new();
    let many = |count: usize, doc: &dyn Fn(String) -> build::Doc| {
        (0..count).map(|number| doc(format!("{number:05}"))).collect::<Vec<_>>()
    };
    let head = |length: usize| format!("[\"{}\",", "x".repeat(length));
    let bundles: Vec<(&str, Vec<build::Doc>)> = vec![
        ("nulls", vec![doc("[", "a", with_body(long_list(0xc0, 16 << 20)))]),
        ("empty lists", vec![doc("[", "a", with_body(long_list(0x90, 16 << 20)))]),
        ("too many values", vec![doc("[", "a", noisy(8, long_list(0xc0, 1 << 20)))]),
        ("a long text", vec![doc("[", "a", noisy(0, long_text(64 << 20)))]),
        ("many long keys", many(1500, &|number| doc(&head(60_000), &number, with_body(vec![0xc0])))),
        // As much as there may be, so that it is read.
        ("as many values as there may be", vec![doc("[", "a", noisy(8, long_list(0xc0, (1 << 20) - 8)))]),
        ("as many lists as there may be", vec![doc("[", "a", noisy(8, long_list(0x90, (1 << 20) - 8)))]),
        ("as long a text as there may be", vec![doc("[", "a", noisy(60, long_text(14 << 20)))]),
        (
            "keys as long as they may be",
            many(1500, &|number| doc(&head(6_000), &number, with_body(vec![0xc0]))),
        ),
    ];
    for (what, docs) in bundles {
        let path = stage.at("hostile.sealift");
        made(&path, &docs);
        let size = std::fs::metadata(&path).unwrap().len();
        assert!(size < 400 << 10, "{what}: {size} bytes");
        let import = ["import", "hostile.sealift", "--yes", "--no-undo", "--no-record", "--ignore-version"];
        let (import, verify) = ([&import[..], &TO].concat(), ["verify", "hostile.sealift"]);
        for args in [&import[..], &verify] {
            let (mib, code, told) = peak(&stage, args);
            eprintln!("{what}: {} of {size} bytes takes {mib} MiB ({code:?}) {told}", args[0]);
            assert!(mib < 400, "{what}: {} of {size} bytes takes {mib} MiB ({code:?})", args[0]);
            // A bundle by hand says nothing of versions, and its documents lack columns: a plan may refuse them.
            let read = what.contains("may be");
            assert_eq!(matches!(code, Some(0 | 4)), read, "{what}: {} {code:?} {told}", args[0]);
        }
    }
}
