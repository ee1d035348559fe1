//! Undo, mirror and dry run over TDS: what they are on the embedded server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/generator.rs"]
mod generator;
mod support;
#[path = "support/tsql.rs"]
mod tsql;

use std::path::PathBuf;

use back::*;
use sealift::document::Value;
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::ops::{self, How, ImportOptions, Keys, Outcome};
use sealift::plan::{Action, Plan};
use sealift::progress::{Recording, Silent};
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use support::*;
use tsql::{TestDatabase, TestServer};

/// A bundle of one generated server, and another in a database of a SQL Server.
struct Case {
    folder: tempfile::TempDir,
    bundle: PathBuf,
    database: TestDatabase,
}

impl Case {
    fn new(server: &TestServer, seed: u64) -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, bundle) = (at("source.sqlite"), at("a.sealift"));
        generator::generate(&mut empty_octopus(&source), seed, 30, 0, &key(1));
        export(&source, &octopus(), &bundle, &everything(Some(&key(1))));
        let mut empty = SqliteServer::create(&at("empty.sqlite"), Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        let database = server.database();
        database.make(empty.read().unwrap().catalog());
        let mut target = SqlServer::open(&database.address()).unwrap();
        generator::generate(&mut target, seed + 1000, 30, 7000, &key(2));
        Self { folder, bundle, database }
    }

    fn server(&self) -> SqlServer {
        SqlServer::open(&self.database.address()).unwrap()
    }

    fn root(&self) -> String {
        let out = self.folder.path().join("root.sealift");
        root(&mut self.server(), &octopus(), Some(&key(2)), &out).to_string()
    }

    fn undo_file(&self) -> PathBuf {
        self.folder.path().join("a.undo")
    }

    /// An import with an undo file, and what it told while it ran.
    fn import(&self, dry_run: bool, options: ImportOptions) -> (Vec<sealift::progress::Event>, Plan) {
        let (bundle, model, master) = (open(&self.bundle), octopus(), key(2));
        let seen = sealift::crypto::FingerprintKey::generate().unwrap();
        let data_key = unlock(&bundle);
        let keys = Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
        let to = to(&self.undo_file());
        let how = How { dry_run, undo: Some(&to) };
        let progress = Recording::default();
        let outcome =
            ops::import(&bundle, &mut self.server(), &model, keys, how, options, &progress).unwrap();
        match (outcome, dry_run) {
            (Outcome::Applied(plan), false) | (Outcome::DryRun(plan), true) => (progress.events(), plan),
            (other, _) => panic!("{other:?}"),
        }
    }

    fn undo(&self, dry_run: bool) -> Outcome {
        let master = key(2);
        try_undo(&self.undo_file(), &mut self.server(), &octopus(), Some(&master), dry_run, None).unwrap()
    }
}

fn pruning() -> ImportOptions {
    ImportOptions { prune: true, ..overwrite() }
}

#[test]
fn an_import_is_taken_back() {
    taken_back(&TestServer::own(Default::default()), &[800, 801, 802]);
}

#[test]
fn an_import_is_taken_back_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| taken_back(&server, &[800]));
}

fn taken_back(server: &TestServer, seeds: &[u64]) {
    for seed in seeds {
        let case = Case::new(server, *seed);
        let before = case.root();
        let (dry_events, dry) = case.import(true, pruning());
        assert_eq!(case.root(), before, "seed {seed}");
        assert!(!case.undo_file().exists());
        let (events, plan) = case.import(false, pruning());
        assert_eq!(dry_events, events, "seed {seed}");
        let told = |plan: &Plan| -> Vec<_> {
            plan.entries.iter().map(|e| (e.number, e.action, e.key.to_text(), e.changes.clone())).collect()
        };
        assert_eq!(told(&dry), told(&plan), "seed {seed}");
        for action in [Action::Create, Action::Update, Action::Delete] {
            assert!(plan.count(action) > 0, "seed {seed}: {action:?}");
        }
        let after = case.root();
        assert_ne!(after, before);
        let dry = case.undo(true);
        assert!(matches!(dry, Outcome::DryRun(_)), "seed {seed}: {dry:?}");
        assert_eq!(case.root(), after, "seed {seed}");
        let Outcome::Applied(back) = case.undo(false) else { panic!("not applied") };
        assert_eq!(back.count(Action::Delete), plan.count(Action::Create), "seed {seed}");
        assert_eq!(back.count(Action::Create), plan.count(Action::Delete), "seed {seed}");
        assert_eq!(case.root(), before, "seed {seed}");
        let again = case.undo(false);
        assert!(matches!(again, Outcome::Nothing(_)), "seed {seed}: {again:?}");
        std::fs::remove_file(case.undo_file()).unwrap();
        case.import(false, pruning());
        assert_eq!(case.root(), after, "seed {seed}: made again");
    }
}

#[test]
fn what_was_changed_since_is_named() {
    changed(&TestServer::own(Default::default()));
}

#[test]
fn what_was_changed_since_is_named_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| changed(&server));
}

fn changed(server: &TestServer) {
    let case = Case::new(server, 810);
    let (_, plan) = case.import(false, overwrite());
    let made = plan.entries.iter().find(|e| e.action == Action::Create && e.kind.as_str() == "Lifecycle");
    let made = made.expect("a lifecycle that the import makes");
    let mut target = case.server();
    let mut transaction = target.begin().unwrap();
    let (mut ids, name) = (Vec::new(), made.key.leaf());
    let lookup = sealift::server::Lookup {
        table: "Lifecycle",
        columns: &["Id"],
        by: &["Name"],
        keys: &[vec![Value::from(name.as_str())]],
    };
    transaction.lookup(&lookup, &mut |_, row| ids.push(row[0].clone())).unwrap();
    let json = Value::from("{\"Description\":\"by hand\"}");
    transaction.update("Lifecycle", &["Id"], &[ids[0].clone()], &["JSON"], &vec![json]).unwrap();
    transaction.commit().unwrap();
    drop(target);
    let before = case.root();
    let Outcome::Refused(refused) = case.undo(false) else { panic!("not refused") };
    assert_eq!(refused.findings.len(), 1, "{:?}", refused.findings);
    assert_eq!(refused.findings[0].problem, "was changed since the import");
    assert!(refused.findings[0].name.contains(&name), "{:?}", refused.findings);
    assert_eq!(case.root(), before);
    let _ = Silent;
}
