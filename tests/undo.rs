//! An import is taken back: the target is what it was, and what was changed since is never lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/generator.rs"]
mod generator;
mod support;

use back::*;
use rusqlite::Connection;
use sealift::demo::{self, DemoOptions, Site};
use sealift::ops::{ImportError, Outcome};
use sealift::plan::{Action, Finding};
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;
use std::path::{Path, PathBuf};
use support::*;

/// Two servers of the demo, and a bundle of the first.
struct Demo {
    folder: tempfile::TempDir,
    bundle: PathBuf,
    target: PathBuf,
    undo: PathBuf,
}

impl Demo {
    fn new() -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, target) = (at("source.sqlite"), at("target.sqlite"));
        let options = DemoOptions::default();
        demo::build(&mut empty_octopus(&source), Site::Build, &key(1), &options).unwrap();
        demo::build(&mut empty_octopus(&target), Site::Production, &key(2), &options).unwrap();
        let (bundle, undo) = (at("a.sealift"), at("a.undo"));
        export(&source, &octopus(), &bundle, &everything(Some(&key(1))));
        Self { folder, bundle, target, undo }
    }

    fn server(&self) -> SqliteServer {
        SqliteServer::open(&self.target).unwrap()
    }

    fn root(&self) -> String {
        let out = self.folder.path().join("root.sealift");
        root(&mut self.server(), &octopus(), Some(&key(2)), &out).to_string()
    }

    fn import(&self) -> sealift::plan::Plan {
        import_kept(&self.bundle, &mut self.server(), &octopus(), Some(&key(2)), &self.undo)
    }

    fn run(&self, sql: &str) -> usize {
        Connection::open(&self.target).unwrap().execute(sql, []).unwrap()
    }

    fn text(&self, sql: &str) -> String {
        Connection::open(&self.target).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The name of a document of the plan that is alone of its name in its table.
    fn alone(&self, plan: &sealift::plan::Plan, action: Action, kind: &str, table: &str) -> String {
        let of_kind = plan.entries.iter().filter(|e| e.action == action && e.kind.as_str() == kind);
        let mut names = of_kind.map(|entry| entry.key.leaf());
        let count = |name: &str| {
            self.text(&format!("SELECT CAST(count(*) AS text) FROM {table} WHERE Name = '{name}'"))
        };
        names.find(|name| count(name) == "1").expect("a name that is alone")
    }

    #[track_caller]
    fn refused(&self) -> Vec<Finding> {
        let before = std::fs::read(&self.target).unwrap();
        let outcome =
            try_undo(&self.undo, &mut self.server(), &octopus(), Some(&key(2)), false, None).unwrap();
        assert!(before == std::fs::read(&self.target).unwrap());
        match outcome {
            Outcome::Refused(plan) => plan.findings,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_import_taken_back_leaves_what_was_there_and_can_be_made_again() {
    let demo = Demo::new();
    let before = demo.root();
    let plan = demo.import();
    let after = demo.root();
    assert_ne!(before, after);
    let ids = "SELECT group_concat(Id || ' ' || Name, ', ') FROM (SELECT Id, Name FROM Project ORDER BY Id)";
    let imported = demo.text(ids);
    let (created, updated) =
        (plan.count(Action::Create), plan.count(Action::Update) + plan.count(Action::Merge));
    assert!(created > 20 && updated > 5, "{created} {updated}");

    // A dry run says the same as the run, and writes nothing.
    let dry = match try_undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(2)), true, None).unwrap() {
        Outcome::DryRun(plan) => plan,
        other => panic!("{other:?}"),
    };
    assert_eq!(demo.root(), after);
    let redo = demo.folder.path().join("redo.undo");
    let back = undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(2)), Some(&redo));
    assert_eq!(dry.entries.len(), back.entries.len());
    assert_eq!(back.count(Action::Delete), created);
    assert_eq!(back.count(Action::Update), updated);
    assert_eq!(demo.root(), before);

    // Taken back once, there is nothing left to take back.
    let again = try_undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(2)), false, None).unwrap();
    assert!(matches!(again, Outcome::Nothing(_)), "{again:?}");

    // The undo is an import too: it can be undone, with the ids that the import gave out.
    undo(&redo, &mut demo.server(), &octopus(), Some(&key(2)), None);
    assert_eq!(demo.root(), after);
    assert_eq!(demo.text(ids), imported);

    // And the import works again after it was taken back.
    let third = demo.folder.path().join("third.undo");
    let _ = std::fs::remove_file(&demo.undo);
    let nothing =
        try_import(&demo.bundle, &demo.target, &octopus(), Some(&key(2)), false, overwrite()).unwrap();
    assert!(matches!(nothing, Outcome::Nothing(_)));
    drop(third);
}

#[test]
fn an_import_is_made_again_after_it_was_taken_back() {
    let demo = Demo::new();
    let before = demo.root();
    demo.import();
    let after = demo.root();
    undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(2)), None);
    std::fs::remove_file(&demo.undo).unwrap();
    demo.import();
    assert_eq!(demo.root(), after);
    undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(2)), None);
    assert_eq!(demo.root(), before);
}

/// On servers nobody thought up, among other documents, with secrets.
#[test]
fn what_is_taken_back_is_what_was_there_whatever_it_was() {
    for seed in 300..=308 {
        let folder = folder();
        let model = octopus();
        let at = |name: &str| folder.path().join(name);
        let (source, target) = (at("source.sqlite"), at("target.sqlite"));
        generator::generate(&mut empty_octopus(&source), seed, 40, 0, &key(1));
        generator::generate(&mut empty_octopus(&target), seed + 1000, 40, 7000, &key(2));
        let (bundle, file, out) = (at("a.sealift"), at("a.undo"), at("root.sealift"));
        export(&source, &model, &bundle, &everything(Some(&key(1))));
        let mut server = SqliteServer::open(&target).unwrap();
        let before = root(&mut server, &model, Some(&key(2)), &out);
        let secrets = secrets_of(&out);
        import_kept(&bundle, &mut server, &model, Some(&key(2)), &file);
        assert_ne!(before, root(&mut server, &model, Some(&key(2)), &out), "seed {seed}");
        undo(&file, &mut server, &model, Some(&key(2)), None);
        assert_eq!(before, root(&mut server, &model, Some(&key(2)), &out), "seed {seed}");
        // The content root knows nothing of the secrets' values.
        assert_eq!(secrets, secrets_of(&out), "seed {seed}");
    }
}

/// Every secret of a bundle, opened.
fn secrets_of(bundle: &Path) -> Vec<(String, Vec<Option<Vec<u8>>>)> {
    let bundle = open(bundle);
    let key = unlock(&bundle).unwrap();
    let mut all = Vec::new();
    bundle
        .scan(None, &mut |entry, document| -> Result<(), sealift::bundle::BundleError> {
            if entry.secrets > 0 {
                let values = bundle.secrets(&entry, &document, &key)?;
                let values = values.into_iter().map(|value| value.map(|v| v.expose().to_vec())).collect();
                all.push((format!("{} {}", entry.kind, entry.key), values));
            }
            Ok(())
        })
        .unwrap();
    assert!(!all.is_empty());
    all
}

#[test]
fn what_was_changed_since_the_import_is_named_and_kept() {
    let demo = Demo::new();
    let plan = demo.import();
    let changed = demo.alone(&plan, Action::Update, "Environment", "DeploymentEnvironment");
    let created = demo.alone(&plan, Action::Create, "Project", "Project");
    assert_eq!(
        demo.run(&format!(
            "UPDATE DeploymentEnvironment SET JSON = json_set(JSON, '$.Description', 'by hand') WHERE Name = '{changed}'"
        )),
        1
    );
    assert_eq!(
        demo.run(&format!(
            "UPDATE Project SET JSON = json_set(JSON, '$.Description', 'by hand') WHERE Name = '{created}'"
        )),
        1
    );
    let found = demo.refused();
    let named: Vec<(&str, bool)> =
        found.iter().map(|f| (f.kind.as_str(), f.problem == "was changed since the import")).collect();
    assert_eq!(named, [("Environment", true), ("Project", true)], "{found:?}");
    assert!(found[0].name.contains(&changed) && found[1].name.contains(&created), "{found:?}");
}

/// Only the value of a secret is another: no content root shows that.
#[test]
fn a_secret_changed_since_the_import_is_a_conflict() {
    let demo = Demo::new();
    demo.import();
    let account = demo.text("SELECT Id FROM Account LIMIT 1");
    let json = demo.text("SELECT JSON FROM Account LIMIT 1");
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (name, _) = parsed
        .as_object()
        .unwrap()
        .iter()
        .find(|(_, value)| value.as_str().is_some_and(|text| key(2).decrypt(text).is_ok()))
        .expect("a secret of the account");
    let cipher = key(2).encrypt(&sealift::crypto::SecretBytes::from("another".to_owned())).unwrap();
    demo.run(&format!(
        "UPDATE Account SET JSON = json_set(JSON, '$.{name}', '{cipher}') WHERE Id = '{account}'"
    ));
    let found = demo.refused();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind.as_str(), found[0].problem.as_str()),
        ("Account", "was changed since the import")
    );
}

#[test]
fn a_document_made_since_the_import_that_needs_what_it_made_stops_the_undo() {
    let demo = Demo::new();
    let plan = demo.import();
    let project = demo.alone(&plan, Action::Create, "Project", "Project");
    let id = demo.text(&format!("SELECT Id FROM Project WHERE Name = '{project}'"));
    let columns: Vec<String> = {
        let db = Connection::open(&demo.target).unwrap();
        let mut statement = db.prepare("SELECT name FROM pragma_table_info('Channel')").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            "Id" => "'Channels-99999'".to_owned(),
            "Name" => "'Made by hand'".to_owned(),
            "ProjectId" => format!("'{id}'"),
            column => format!("\"{column}\""),
        })
        .collect();
    let copied = demo.run(&format!("INSERT INTO Channel SELECT {} FROM Channel LIMIT 1", values.join(", ")));
    assert_eq!(copied, 1);
    let found = demo.refused();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].name.contains("Made by hand"), "{found:?}");
    assert!(found[0].problem.starts_with("refers to Project "), "{found:?}");
    // Gone again, nothing stands in the way.
    demo.run("DELETE FROM Channel WHERE Id = 'Channels-99999'");
    undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(2)), None);
}

#[test]
fn what_is_gone_already_needs_no_deleting_and_what_was_deleted_is_a_conflict() {
    let demo = Demo::new();
    let plan = demo.import();
    let tags =
        plan.entries.iter().find(|e| e.action == Action::Create && e.kind.as_str() == "Environment").unwrap();
    let gone = tags.key.leaf();
    let kept =
        plan.entries.iter().find(|e| e.action == Action::Update && e.kind.as_str() == "Lifecycle").unwrap();
    demo.run(&format!("DELETE FROM DeploymentEnvironment WHERE Name = '{gone}'"));
    assert_eq!(demo.run(&format!("DELETE FROM Lifecycle WHERE Name = '{}'", kept.key.leaf())), 1);
    let found = demo.refused();
    let about = found.iter().find(|f| f.problem == "was deleted since the import");
    assert_eq!(about.map(|f| f.kind.as_str()), Some("Lifecycle"), "{found:?}");
    assert!(!found.iter().any(|f| f.name.contains(&gone) && f.kind == "Environment"), "{found:?}");
}

#[test]
fn an_undo_file_opens_with_the_master_key_of_its_server_alone() {
    let demo = Demo::new();
    demo.import();
    let other = try_undo(&demo.undo, &mut demo.server(), &octopus(), Some(&key(1)), false, None).unwrap_err();
    assert!(matches!(other, ImportError::UndoKey { missing: false }), "{other:?}");
    let none = try_undo(&demo.undo, &mut demo.server(), &octopus(), None, false, None).unwrap_err();
    assert!(matches!(none, ImportError::UndoKey { missing: true }), "{none:?}");
    // No secret of the target stands in it in the open.
    let bytes = std::fs::read(&demo.undo).unwrap();
    let bundle = open(&demo.undo);
    let data_key = bundle.unlock(&key(2).password(), &sealift::crypto::KdfLimits::default()).unwrap();
    let mut secrets = 0;
    bundle
        .scan(None, &mut |entry, document| -> Result<(), sealift::bundle::BundleError> {
            if entry.secrets > 0 {
                for value in bundle.secrets(&entry, &document, &data_key)?.into_iter().flatten() {
                    secrets += 1;
                    assert!(!bytes.windows(value.len()).any(|window| window == value.expose()));
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(secrets > 0);
}

#[test]
fn an_undo_file_is_a_bundle_and_is_not_imported() {
    let demo = Demo::new();
    demo.import();
    let (limits, kdf) = (sealift::bundle::Limits::default(), sealift::crypto::KdfLimits::default());
    let password = key(2).password();
    let report =
        sealift::bundle::verify(&demo.undo, Some(&password), &limits, &kdf, &sealift::progress::Silent);
    assert!(report.unwrap().findings.is_empty());
    let bundle = open(&demo.undo);
    let (seen, model, master) = (sealift::crypto::FingerprintKey::generate().unwrap(), octopus(), key(2));
    let keys = sealift::ops::Keys { bundle: None, master: Some(&master), seen: &seen };
    let how = sealift::ops::How::default();
    let silent = &sealift::progress::Silent;
    let error = sealift::ops::import(&bundle, &mut demo.server(), &model, keys, how, overwrite(), silent);
    assert!(matches!(error, Err(ImportError::IsUndo)), "{error:?}");
}

#[test]
fn an_undo_file_that_cannot_be_written_stops_the_import() {
    let demo = Demo::new();
    let before = std::fs::read(&demo.target).unwrap();
    std::fs::write(&demo.undo, "somebody's").unwrap();
    let bundle = open(&demo.bundle);
    let (data_key, seen) = (unlock(&bundle), sealift::crypto::FingerprintKey::generate().unwrap());
    let (model, master) = (octopus(), key(2));
    let keys = sealift::ops::Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    for dry_run in [true, false] {
        let to = to(&demo.undo);
        let how = sealift::ops::How { dry_run, undo: Some(&to) };
        let mut server = demo.server();
        let outcome = sealift::ops::import(
            &bundle,
            &mut server,
            &model,
            keys,
            how,
            overwrite(),
            &sealift::progress::Silent,
        );
        assert!(matches!(outcome, Err(ImportError::Bundle(sealift::bundle::BundleError::Exists { .. }))));
    }
    assert!(before == std::fs::read(&demo.target).unwrap());
    assert_eq!(std::fs::read(&demo.undo).unwrap(), b"somebody's");
}

#[test]
fn a_dry_run_leaves_no_undo_file() {
    let demo = Demo::new();
    let names = || std::fs::read_dir(demo.folder.path()).unwrap().count();
    let before = names();
    let bundle = open(&demo.bundle);
    let (data_key, seen) = (unlock(&bundle), sealift::crypto::FingerprintKey::generate().unwrap());
    let (model, master) = (octopus(), key(2));
    let keys = sealift::ops::Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    let to = to(&demo.undo);
    let how = sealift::ops::How { dry_run: true, undo: Some(&to) };
    let outcome = sealift::ops::import(
        &bundle,
        &mut demo.server(),
        &model,
        keys,
        how,
        overwrite(),
        &sealift::progress::Silent,
    );
    assert!(matches!(outcome, Ok(Outcome::DryRun(_))));
    assert_eq!(names(), before);
    demo.server().read().unwrap();
}
