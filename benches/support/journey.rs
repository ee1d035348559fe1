//! A configuration's way from one embedded server to another and back, each step a process that is measured.

#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sealift::crypto::{MasterKey, MasterKeySize};
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::server::sqlite::{Schema, SqliteServer};
use tempfile::TempDir;

use crate::counted;
use crate::goals::{EXPORT, Goal, IMPORT, IMPORT_BARE, PLAN, UNDO, VERIFY};
use crate::measure::{Measured, measure, measure_locking, median, sealift};

/// One step: a command, and what has to be done before each run of it.
pub struct Step {
    pub name: &'static str,
    pub goal: Option<Goal>,
    /// What a run makes; gone before the next.
    makes: &'static [&'static str],
    /// The server that the target is a copy of before each run, where the step writes to it.
    target: Option<&'static str>,
    /// By words; the last of the words may stand for several.
    arguments: &'static str,
}

/// A step that leaves the target alone, or takes it as the step before left it.
pub const fn step(name: &'static str, makes: &'static [&'static str], arguments: &'static str) -> Step {
    Step { name, goal: None, makes, target: None, arguments }
}

const fn held(goal: Goal, step: Step) -> Step {
    Step { name: goal.name, goal: Some(goal), ..step }
}

/// The same on a copy of a server as the target.
pub const fn writes(target: &'static str, step: Step) -> Step {
    Step { target: Some(target), ..step }
}

const SOURCE: &str = "source.sqlite";
const TARGET: &str = "target.sqlite";
const EMPTY: &str = "empty.sqlite";
/// The target as the import leaves it.
const FILLED: &str = "filled.sqlite";
/// What `SECRETS` at the end of a step's arguments stands for.
const SECRETS: [&str; 4] = ["--password-file", "password", "--master-key-file", "key"];

/// In an order in which each finds what it needs.
pub const STEPS: [Step; 8] = [
    held(EXPORT, step("", &["a.sealift"], "export sqlite:source.sqlite -o a.sealift --kdf-memory 8 SECRETS")),
    held(VERIFY, step("", &[], "verify a.sealift --sealed")),
    step("verify, opened", &[], "verify a.sealift --password-file password"),
    held(PLAN, step("", &[], "plan a.sealift --to sqlite:source.sqlite --overwrite SECRETS")),
    held(
        IMPORT_BARE,
        writes(
            EMPTY,
            step("", &[], "import a.sealift --to sqlite:target.sqlite --yes --no-record --no-undo SECRETS"),
        ),
    ),
    held(
        IMPORT,
        writes(
            EMPTY,
            step(
                "",
                &["a.undo"],
                "import a.sealift --to sqlite:target.sqlite --yes --no-record --undo a.undo SECRETS",
            ),
        ),
    ),
    writes(
        FILLED,
        step(
            "import again, nothing to do",
            &[],
            "import a.sealift --to sqlite:target.sqlite --yes --overwrite --no-record --no-undo SECRETS",
        ),
    ),
    held(
        UNDO,
        writes(
            FILLED,
            step(
                "",
                &["b.undo"],
                "undo a.undo --to sqlite:target.sqlite --yes --no-record --undo b.undo --master-key-file key",
            ),
        ),
    ),
];

/// The same content as a folder of JSON files: as many files as documents.
pub const FOLDERS: [Step; 4] = [
    step("convert into a new folder", &["tree"], "convert a.sealift tree"),
    step("convert into the same folder", &[], "convert a.sealift tree"),
    step("convert back", &["back.sealift"], "convert tree back.sealift"),
    step("show one document", &[], "show a.sealift Tenant Tenant\u{a0}1"),
];

/// A source with documents, an empty target, a password and a key in a folder of their own.
pub struct Journey {
    folder: TempDir,
    key: MasterKey,
    /// How many rows the source has in each table of the model.
    held: BTreeMap<String, u64>,
}

impl Journey {
    /// Fills a source.
    pub fn new(fill: impl FnOnce(&mut SqliteServer, &MasterKey)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = MasterKey::generate(MasterKeySize::Bits256).expect("a key");
        let mut journey = Self { folder, key, held: BTreeMap::new() };
        fs::write(journey.at("key"), journey.key.to_base64().expose()).expect("a key file");
        fs::write(journey.at("password"), "a password of the bench\n").expect("a password file");
        journey.make(EMPTY, |_, _| ());
        journey.make(SOURCE, fill);
        journey.held = counted::rows(&mut SqliteServer::open(&journey.source()).expect("the source"));
        journey
    }

    /// Makes a server with the product's tables, and fills it.
    pub fn make(&self, name: &str, fill: impl FnOnce(&mut SqliteServer, &MasterKey)) {
        let server = SqliteServer::create(&self.at(name), Schema::Ddl(OCTOPUS_SPACES_SQL));
        fill(&mut server.expect("a server"), &self.key);
    }

    /// How many documents there are.
    pub fn documents(&self) -> u64 {
        self.held.values().sum()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn source(&self) -> PathBuf {
        self.at(SOURCE)
    }

    /// Runs a step so often, and looks whether what was measured was done.
    pub fn run(&self, step: &Step, runs: usize) -> Measured {
        eprintln!("{} documents: {}", self.documents(), step.name);
        let mut command = sealift();
        command.current_dir(self.folder.path());
        for word in step.arguments.split(' ') {
            match word {
                "SECRETS" => command.args(SECRETS),
                // A name may have a blank.
                word => command.arg(word.replace('\u{a0}', " ")),
            };
        }
        let figure = median(runs, || {
            step.makes.iter().for_each(|made| self.put_away(made));
            match step.target {
                Some(like) => {
                    fs::copy(self.at(like), self.at(TARGET)).map_err(|error| format!("{like}: {error}"))?;
                    measure_locking(&command, &self.at(TARGET))
                }
                None => measure(&command),
            }
        })?;
        self.check(step)?;
        Ok(figure)
    }

    /// Moved, not removed: ext4 takes several times as long to make files where many were just deleted.
    fn put_away(&self, made: &str) {
        let path = self.at(made);
        if path.is_dir() {
            let away = tempfile::Builder::new().prefix("away-").tempdir_in(self.folder.path());
            let _ = fs::rename(path, away.expect("a folder").keep().join(made));
        } else {
            let _ = fs::remove_file(path);
        }
    }

    fn check(&self, step: &Step) -> Result<(), String> {
        for bundle in step.makes.iter().filter(|made| made.ends_with(".sealift")) {
            counted::check(&self.at(bundle), &self.held)?;
        }
        if step.target.is_none() {
            return Ok(());
        }
        let mut target = SqliteServer::open(&self.at(TARGET)).map_err(|error| error.to_string())?;
        let rows = counted::rows(&mut target);
        drop(target);
        let expected = if step.name == UNDO.name { &BTreeMap::new() } else { &self.held };
        if rows != *expected {
            return Err(format!("the target has {rows:?} instead of {expected:?}"));
        }
        if step.name == IMPORT.name {
            fs::copy(self.at(TARGET), self.at(FILLED)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The bytes of a file, in MB.
pub fn megabytes(path: &Path) -> f64 {
    fs::metadata(path).map_or(0.0, |file| file.len() as f64 / 1e6)
}
