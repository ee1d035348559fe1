//! A dry run is the run: the same events, the same plan, the same failures, on servers nobody thought up. What is
//! left out of it is the commit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/generator.rs"]
mod generator;
mod support;

use std::path::{Path, PathBuf};

use back::*;
use generator::Rng;
use rusqlite::Connection;
use sealift::crypto::FingerprintKey;
use sealift::ops::{self, How, ImportOptions, Keys, Outcome};
use sealift::plan::{Action, Entry, Plan};
use sealift::progress::{Event, Recording};
use sealift::server::sqlite::SqliteServer;
use support::*;

/// A bundle and a target, of one seed.
struct Case {
    folder: tempfile::TempDir,
    bundle: PathBuf,
    target: PathBuf,
}

impl Case {
    fn new(seed: u64) -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, target, bundle) = (at("source.sqlite"), at("target.sqlite"), at("a.sealift"));
        generator::generate(&mut empty_octopus(&source), seed, 30, 0, &key(1));
        generator::generate(&mut empty_octopus(&target), seed + 1000, 30, 7000, &key(2));
        export(&source, &octopus(), &bundle, &everything(Some(&key(1))));
        Self { folder, bundle, target }
    }

    /// What an import says: its events, and how it ended.
    fn import(
        &self,
        dry_run: bool,
        undo: bool,
        options: &ImportOptions,
    ) -> (Vec<Event>, Result<Said, String>) {
        let (bundle, model, master) = (open(&self.bundle), octopus(), key(2));
        let (data_key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
        let keys = Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
        let to = to(&self.folder.path().join("a.undo"));
        let how = How { dry_run, undo: undo.then_some(&to) };
        let progress = Recording::default();
        let mut server = SqliteServer::open(&self.target).unwrap();
        let outcome = ops::import(&bundle, &mut server, &model, keys, how, options.clone(), &progress);
        let said = outcome.map(Said::of).map_err(|error| full(&error));
        (progress.events(), said)
    }

    fn run(&self, sql: &str) -> bool {
        Connection::open(&self.target).unwrap().execute_batch(sql).is_ok()
    }
}

fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// How an import ended, but for whether it was committed.
#[derive(Debug, PartialEq)]
enum Said {
    Written(Vec<Entry>),
    Nothing(Vec<Entry>),
    Refused(Vec<String>),
}

impl Said {
    fn of(outcome: Outcome) -> Self {
        // Fingerprints are under a key of each run's own.
        let entries = |plan: Plan| -> Vec<Entry> {
            plan.entries.into_iter().map(|entry| Entry { seen: None, result: None, ..entry }).collect()
        };
        match outcome {
            Outcome::Applied(plan) | Outcome::DryRun(plan) => Self::Written(entries(plan)),
            Outcome::Nothing(plan) => Self::Nothing(entries(plan)),
            Outcome::Refused(plan) => {
                Self::Refused(plan.findings.iter().map(|finding| format!("{finding:?}")).collect())
            }
            Outcome::Stale(moved) => panic!("{moved:?}"),
        }
    }
}

/// Something in the target that makes an import of the bundle fail, or that may.
fn sabotage(case: &Case, random: &mut Rng) -> String {
    let tables =
        ["Project", "DeploymentProcess", "VariableSet", "Machine", "Team", "Lifecycle", "Account", "Feed"];
    let table = *random.pick(&tables);
    let sql = match random.below(5) {
        0 => format!(
            "CREATE TRIGGER sabotage BEFORE INSERT ON \"{table}\" BEGIN SELECT RAISE(ABORT, 'no more'); END"
        ),
        1 => format!(
            "CREATE TRIGGER sabotage BEFORE UPDATE ON \"{table}\" BEGIN SELECT RAISE(ABORT, 'no change'); END"
        ),
        2 => format!("CREATE UNIQUE INDEX sabotage ON \"{table}\"(length(Id) > 0)"),
        3 => format!("ALTER TABLE \"{table}\" ADD COLUMN Needed nvarchar(10) NOT NULL DEFAULT 'x'"),
        _ => format!(
            "CREATE TRIGGER sabotage AFTER INSERT ON \"{table}\" BEGIN DELETE FROM \"{table}\" WHERE Id = new.Id; END"
        ),
    };
    let done = case.run(&sql);
    format!("{sql} ({done})")
}

#[test]
fn what_a_dry_run_tells_is_what_the_import_does() {
    let (mut written, mut failed, mut refused) = (0, 0, 0);
    for seed in 700..=739 {
        let mut random = Rng::new(seed);
        let case = Case::new(seed % 8 + 700);
        let what = if random.chance(60) { sabotage(&case, &mut random) } else { String::new() };
        let options = ImportOptions {
            overwrite: random.chance(70),
            prune: random.chance(30),
            accept_dangling: random.chance(50),
            ignore_version: true,
            ..ImportOptions::default()
        };
        let undo = random.chance(80);
        let before = std::fs::read(&case.target).unwrap();
        let (dry_events, dry) = case.import(true, undo, &options);
        assert!(before == std::fs::read(&case.target).unwrap(), "seed {seed}: a dry run wrote");
        assert!(!case.folder.path().join("a.undo").exists(), "seed {seed}");
        let (events, wet) = case.import(false, undo, &options);
        assert_eq!(dry, wet, "seed {seed}: {what}");
        assert_eq!(dry_events, events, "seed {seed}: {what}");
        let kept = case.folder.path().join("a.undo").exists();
        match wet {
            Ok(Said::Written(entries)) => {
                written += 1;
                assert_eq!(kept, undo, "seed {seed}");
                result_is_the_plan(&case, &entries, &options, seed);
            }
            Ok(Said::Nothing(_)) => assert!(!kept),
            Ok(Said::Refused(_)) | Err(_) => {
                if wet.is_ok() {
                    refused += 1
                } else {
                    failed += 1
                }
                assert!(before == std::fs::read(&case.target).unwrap(), "seed {seed}: {what}");
                assert!(!kept, "seed {seed}: an undo file of nothing");
            }
        }
    }
    println!("{written} written, {failed} failed, {refused} refused");
    assert!(written >= 10 && failed >= 5, "{written} written, {failed} failed, {refused} refused");
}

/// After the import each document is as the plan said: what was created or changed needs nothing more, what was
/// deleted is gone.
fn result_is_the_plan(case: &Case, entries: &[Entry], options: &ImportOptions, seed: u64) {
    let again = plan(&case.bundle, &case.target, &octopus(), Some(&key(2)), options.clone());
    let now = |number: u64| again.entries.iter().find(|entry| entry.number == number);
    for entry in entries {
        let again = now(entry.number);
        let now = again.map(|entry| entry.action);
        // A document of the same id everywhere may have kept another name, by which others refer to it.
        if entry.action != Action::Delete && !options.overwrite {
            assert!(
                matches!(now, Some(Action::Unchanged | Action::Skip)),
                "seed {seed}: {entry:?}\n{again:?}"
            );
            continue;
        }
        let expected = match entry.action {
            Action::Create | Action::Update | Action::Merge | Action::Unchanged => Some(Action::Unchanged),
            Action::Skip => Some(Action::Skip),
            Action::Delete => None,
        };
        assert_eq!(now, expected, "seed {seed}: {entry:?}\n{again:?}");
    }
}

#[test]
fn an_import_with_nowhere_to_keep_its_undo_fails_in_the_dry_run_too() {
    let case = Case::new(750);
    std::fs::write(case.folder.path().join("a.undo"), "somebody's").unwrap();
    let (dry, wet) = (case.import(true, true, &overwrite()), case.import(false, true, &overwrite()));
    assert!(dry.1.is_err(), "{:?}", dry.1);
    assert_eq!(dry, wet);
    let path: &Path = &case.folder.path().join("a.undo");
    assert_eq!(std::fs::read(path).unwrap(), b"somebody's");
}
