//! How much time and memory much data takes: `cargo bench --bench scale -- [SETS] [KILOBYTES]`.
//!
//! An Octopus server of SETS library variable sets (500 if not said), each with a document of variables of
//! KILOBYTES (200), some of them secrets. It is exported, verified, planned against an empty server, imported
//! there, planned and imported again (nothing is left to do), and imported over a server where every variable
//! set differs, without and with an undo file; that is taken back, and carried out once more as a saved plan. Each figure is a whole process of the release binary, measured once by GNU `time`: wall seconds,
//! user + system seconds, peak memory. Memory is not to grow with the size of documents, and by little more than
//! a kilobyte for each document: a plan has an entry for each.
//!
//! 10,000 sets of 200 KB take 6 GB in the system's temporary folder (`TMPDIR`) and half an hour.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/support/counted.rs"]
mod counted;
#[path = "../tests/support/generator.rs"]
mod generator;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use generator::Rng;
use sealift::crypto::{MasterKey, MasterKeySize, SecretBytes};
use sealift::document::Value;
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};

/// Runs the binary once and prints what it took.
fn measure(name: &str, args: &[&str]) {
    let started = Instant::now();
    let out = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M", env!("CARGO_BIN_EXE_sealift")])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let wall = started.elapsed().as_secs_f64();
    let Ok(out) = out else { return println!("{name:34} not measured (is GNU time installed?)") };
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?} failed: {text}");
    let words = text.lines().last().unwrap_or_default().split(' ');
    let words: Vec<f64> = words.map(|word| word.parse().unwrap()).collect();
    let (cpu, peak) = (words[0] + words[1], words[2] / 1024.0);
    println!("{name:34} wall {wall:7.2} s   cpu {cpu:7.2} s   peak {peak:7.1} MiB");
}

/// Makes a server of many large variable sets. Servers of other seeds have the same sets with other variables.
fn generate(path: &Path, sets: usize, bytes: usize, seed: u64, key: &MasterKey) {
    let mut server = SqliteServer::create(path, Schema::Ddl(OCTOPUS_SPACES_SQL)).expect("a server");
    let mut rng = Rng::new(seed);
    let mut transaction = server.begin().unwrap();
    let mut put = |table: &str, row: &[(&str, Value)]| {
        let columns: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        let row = row.iter().map(|(_, value)| value.clone()).collect();
        transaction.insert(table, &columns, &[row]).unwrap_or_else(|error| panic!("{table}: {error}"));
    };
    let text = |text: &str| Value::from(text);
    let json = ("JSON", text("{}"));
    put(
        "Space",
        &[("Id", text("Spaces-1")), ("Name", text("Default")), ("IsDefault", true.into()), json.clone()],
    );
    let space = ("SpaceId", text("Spaces-1"));
    for n in 1..=5i64 {
        let (id, name) = (format!("Environments-{n}"), format!("Environment {n}"));
        let columns =
            [("Id", id.into()), ("Name", name.into()), ("SortOrder", n.into()), space.clone(), json.clone()];
        put("DeploymentEnvironment", &columns);
    }
    for n in 1..=sets {
        let owner = format!("LibraryVariableSets-{n}");
        let columns = [
            ("Id", text(&owner)),
            ("Name", format!("Library {n}").into()),
            ("VariableSetId", format!("variableset-{owner}").into()),
            ("ContentType", text("Variables")),
            space.clone(),
            ("JSON", text("{\"Templates\":[]}")),
        ];
        put("LibraryVariableSet", &columns);
        let columns = [
            ("Id", format!("variableset-{owner}").into()),
            ("OwnerId", text(&owner)),
            ("Version", 1.into()),
            ("IsFrozen", false.into()),
            ("RelatedDocumentIds", text("||")),
            space.clone(),
            ("JSON", Value::Text(variables(&mut rng, bytes, key))),
        ];
        put("VariableSet", &columns);
    }
    for (name, last) in [("LibraryVariableSet", sets as i64), ("Space", 1), ("DeploymentEnvironment", 5)] {
        put("KeyAllocation", &[("CollectionName", text(name)), ("Allocated", last.into())]);
    }
    transaction.commit().unwrap();
}

/// The JSON of a variable set: some hundreds of variables, two in five with a scope, one in a hundred secret.
fn variables(rng: &mut Rng, bytes: usize, key: &MasterKey) -> String {
    const NAMES: [&str; 8] =
        ["Database", "Gateway", "Queue", "Cache", "Storage", "Mail", "Search", "Billing"];
    let mut body = String::with_capacity(bytes + 1024);
    body.push_str("{\"Variables\":[");
    let mut n = 0;
    while n == 0 || body.len() < bytes {
        if n > 0 {
            body.push(',');
        }
        let (kind, value) = if rng.chance(1) {
            let secret = SecretBytes::from(format!("{:016x}", rng.next()).into_bytes());
            ("Sensitive", key.encrypt(&secret).unwrap())
        } else {
            let host = rng.pick(&NAMES).to_lowercase();
            (
                "String",
                format!("https://{host}-{:x}.example.com:{}/", rng.next() >> 32, 1000 + rng.below(9000)),
            )
        };
        let scope = match rng.below(10) {
            0..6 => String::new(),
            6..9 => format!("\"Environment\":[\"Environments-{}\"]", 1 + rng.below(5)),
            _ => format!(
                "\"Environment\":[\"Environments-{}\"],\"Role\":[\"{}\"]",
                1 + rng.below(5),
                rng.pick(&NAMES)
            ),
        };
        let (first, second) = (rng.pick(&NAMES), rng.pick(&NAMES));
        let _ = write!(
            body,
            "{{\"Id\":\"{}\",\"Name\":\"{first}.{second}.Setting{n}\",\"Value\":\"{value}\",\
             \"Description\":\"What the {second} of {first} needs to be told\",\"Scope\":{{{scope}}},\
             \"IsEditable\":true,\"Prompt\":null,\"Type\":\"{kind}\"}}",
            rng.guid()
        );
        n += 1;
    }
    body.push_str("]}");
    body
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (sets, kilobytes) = (numbers.next().unwrap_or(500), numbers.next().unwrap_or(200));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let key = MasterKey::generate(MasterKeySize::Bits256).expect("a key");
    std::fs::write(at("key"), key.to_base64().expose()).expect("a key file");
    std::fs::write(at("password"), "a password of the bench\n").expect("a password file");
    let source = at("source.sqlite");
    generate(Path::new(&source), sets, kilobytes * 1000, 1, &key);
    let size = |path: &str| std::fs::metadata(path).map(|m| m.len() as f64 / 1e6).unwrap_or(0.0);
    println!("{sets} variable sets of {kilobytes} KB, a server of {:.0} MB", size(&source));

    let (server, bundle) = (format!("sqlite:{source}"), at("a.sealift"));
    let (password, key_file) = (at("password"), at("key"));
    let secrets = ["--password-file", &password, "--master-key-file", &key_file];
    let run = |name: &str, args: &[&str]| measure(name, &[args, &secrets[..]].concat());
    run("export (8 MiB key derivation)", &["export", &server, "-o", &bundle, "--kdf-memory", "8"]);
    println!("{:34} {:.1} MB", "the bundle", size(&bundle));
    let open = |path: &str| SqliteServer::open(Path::new(path)).expect("a server");
    let rows = counted::rows(&mut open(&source));
    counted::check(&bundle, &rows);
    // The source has done its part; two servers of that size at once are enough.
    std::fs::remove_file(&source).expect("to make room");
    measure("verify, sealed", &["verify", &bundle, "--sealed"]);
    measure("verify, opened", &["verify", &bundle, "--password-file", &password]);
    let target = at("target.sqlite");
    drop(SqliteServer::create(Path::new(&target), Schema::Ddl(OCTOPUS_SPACES_SQL)).expect("a server"));
    let to = format!("sqlite:{target}");
    run("plan, all to be created", &["plan", &bundle, "--to", &to]);
    let (undo, plan) = (at("a.undo"), at("a.plan"));
    let bare = ["import", &bundle, "--to", &to, "--yes", "--overwrite", "--no-record", "--no-undo"];
    let kept = ["import", &bundle, "--to", &to, "--yes", "--overwrite", "--no-record", "--undo", &undo];
    run("import into an empty server", &kept);
    println!("{:34} {:.1} MB", "its undo file", size(&undo));
    assert_eq!(counted::rows(&mut open(&target)), rows, "not all was imported");
    run("plan, all unchanged", &["plan", &bundle, "--to", &to, "--overwrite"]);
    run("import, nothing to do", &bare);
    std::fs::remove_file(&target).expect("to make room");
    generate(Path::new(&target), sets, kilobytes * 1000, 2, &key);
    std::fs::copy(&target, &source).expect("a copy");
    run("import over other values, no undo", &bare);
    std::fs::rename(&source, &target).expect("the copy back");
    std::fs::remove_file(&undo).expect("to make room");
    run("the same with an undo file", &kept);
    println!("{:34} {:.1} MB", "its undo file", size(&undo));
    let back = ["--to", &to, "--yes", "--no-record", "--no-undo", "--master-key-file", &key_file];
    measure("undo", &[&["undo", &undo][..], &back].concat());
    run("plan, saved", &["plan", &bundle, "--to", &to, "--overwrite", "-o", &plan]);
    println!("{:34} {:.1} MB", "the plan", size(&plan));
    let apply = ["apply", &plan, &bundle, "--to", &to, "--yes", "--no-record", "--undo", &undo];
    std::fs::remove_file(&undo).expect("to make room");
    run("apply", &apply);
}
