//! Figures on a corpus of generated documents: `cargo bench --bench corpus -- [DOCUMENTS]` (50,000 if not said).
//!
//! Each figure is a whole process of the release binary, measured by GNU `time` where it is installed (wall
//! seconds, user + system seconds, peak MiB). The references run in the same pass: copying the same bytes,
//! `zstd -t`, `b3sum`-like hashing by `sealift verify` itself being what is measured against them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/support/counted.rs"]
mod counted;
#[path = "../tests/support/generator.rs"]
mod generator;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use sealift::crypto::{MasterKey, MasterKeySize};
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::server::sqlite::{Schema, SqliteServer};

const RUNS: usize = 3;

struct Figure {
    wall: f64,
    cpu: f64,
    peak_mib: f64,
}

/// Runs a command once; `None` for the figures that only GNU time knows.
fn measure(program: &str, args: &[&str]) -> Option<Figure> {
    let started = Instant::now();
    let out = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M", program])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .ok()?;
    let wall = started.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        println!("  {program} {args:?} failed: {text}");
        return None;
    }
    let mut words = text.lines().last()?.split(' ').map(|w| w.parse::<f64>().unwrap_or(0.0));
    let (user, system, peak) = (words.next()?, words.next()?, words.next()?);
    Some(Figure { wall, cpu: user + system, peak_mib: peak / 1024.0 })
}

fn report(name: &str, program: &str, args: &[&str], before: &dyn Fn()) {
    let mut figures: Vec<Figure> = (0..RUNS)
        .filter_map(|_| {
            before();
            measure(program, args)
        })
        .collect();
    figures.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    match figures.get(figures.len() / 2) {
        Some(f) => {
            println!("{name:34} wall {:6.2} s   cpu {:6.2} s   peak {:7.1} MiB", f.wall, f.cpu, f.peak_mib)
        }
        None => println!("{name:34} not measured (is GNU time installed?)"),
    }
}

fn main() {
    let documents = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(50_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let key = MasterKey::generate(MasterKeySize::Bits256).expect("a key");
    std::fs::write(at("key"), key.to_base64().expose()).expect("a key file");
    std::fs::write(at("password"), "a password of the bench\n").expect("a password file");
    let source = at("source.sqlite");
    let mut server =
        SqliteServer::create(Path::new(&source), Schema::Ddl(OCTOPUS_SPACES_SQL)).expect("a server");
    generator::corpus(&mut server, documents, 1, Some(&key));
    let rows = counted::rows(&mut server);
    drop(server);
    let sealift = env!("CARGO_BIN_EXE_sealift");
    let (server, bundle, bare) = (format!("sqlite:{source}"), at("a.sealift"), at("bare.sealift"));
    let secrets = ["--password-file", &at("password"), "--master-key-file", &at("key")].map(str::to_owned);
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let remove = |path: &str| {
        let _ = std::fs::remove_file(path);
    };
    println!("{documents} documents, median of {RUNS} runs by CPU");
    report("export, no secrets", sealift, &["export", &server, "-o", &bare, "--no-secrets"], &|| {
        remove(&bare)
    });
    let export = [&["export", &server, "-o", &bundle, "--kdf-memory", "8"], &secrets[..]].concat();
    report("export, secrets (8 MiB derivation)", sealift, &export, &|| remove(&bundle));
    counted::check(&bare, &rows);
    counted::check(&bundle, &rows);
    report("verify, sealed", sealift, &["verify", &bundle, "--sealed"], &|| {});
    report("verify, opened", sealift, &["verify", &bundle, "--password-file", &at("password")], &|| {});
    report("reference: cat", "cat", &[&bundle], &|| {});
    let (tree, back) = (at("tree"), at("back.sealift"));
    // Moved away, not removed: ext4 takes several times as long to make files where many were just deleted.
    let away = |path: &str| {
        let other =
            tempfile::Builder::new().prefix("away-").tempdir_in(folder.path()).expect("a folder").keep();
        let _ = std::fs::rename(path, other.join("folder"));
    };
    report("convert into a new folder", sealift, &["convert", &bundle, &tree], &|| away(&tree));
    report("convert into the same folder", sealift, &["convert", &bundle, &tree], &|| {});
    let copy = at("copy");
    report("reference: cp -r of the folder", "cp", &["-r", &tree, &copy], &|| away(&copy));
    report("convert back", sealift, &["convert", &tree, &back], &|| remove(&back));
    counted::check(&back, &rows);
    report("show one document", sealift, &["show", &bundle, "Tenant", "Tenant 1"], &|| {});
    report(
        "plan, all unchanged",
        sealift,
        &[&["plan", &bundle, "--to", &server, "--overwrite"], &secrets[..]].concat(),
        &|| {},
    );
    let target = at("target.sqlite");
    let address = format!("sqlite:{target}");
    let import =
        [&["import", &bundle, "--to", &address, "--yes", "--no-record", "--no-undo"], &secrets[..]].concat();
    report("import into an empty server", sealift, &import, &|| {
        remove(&target);
        drop(SqliteServer::create(Path::new(&target), Schema::Ddl(OCTOPUS_SPACES_SQL)));
    });
    let mut imported = SqliteServer::open(Path::new(&target)).expect("the target");
    assert_eq!(counted::rows(&mut imported), rows, "not all was imported");
    let size = |path: &str| std::fs::metadata(path).map(|m| m.len() as f64 / 1e6).unwrap_or(0.0);
    println!(
        "server {:.1} MB, bundle {:.2} MB ({:.2} MB without secrets)",
        size(&source),
        size(&bundle),
        size(&bare)
    );
}
