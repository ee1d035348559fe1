//! An import decides each document once, outside its transaction, and looks under the lock whether all that it was
//! decided on is still there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;

use std::path::Path;

use little::{Generation, Little, Pair, variable};
use sealift::crypto::FingerprintKey;
use sealift::ops::{self, How, ImportOptions, Keys, Outcome, UndoRecord};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;
use serde_json::json;
use support::*;

/// What came of an import under which the target moved.
struct Done {
    outcome: Outcome,
    documents: u64,
    /// Decisions before and after the lock.
    decisions: (u64, u64),
}

impl Done {
    fn moved(&self) -> Vec<String> {
        match &self.outcome {
            Outcome::Stale(moved) => {
                moved.iter().map(|found| format!("{} {}", found.kind, found.name)).collect()
            }
            other => panic!("not stale: {other:?}"),
        }
    }

    fn applied(&self) {
        assert!(matches!(self.outcome, Outcome::Applied(_)), "{:?}", self.outcome);
    }
}

/// Decides, lets something happen, and carries out.
fn import_while(pair: &Pair, bundle: &Path, options: ImportOptions, deed: impl FnOnce(&Little)) -> Done {
    let (bundle, model) = (open(bundle), octopus());
    let (data, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: data.as_ref(), master: Some(&pair.target.key), seen: &seen };
    let mut server = SqliteServer::open(&pair.target.path).unwrap();
    let mut decided =
        ops::decide(&bundle, &mut *server.read().unwrap(), &model, keys, options, &Silent).unwrap();
    let before = decided.decisions();
    deed(&pair.target);
    let outcome = decided.carry_out(&mut server, How::default(), &Silent).unwrap();
    Done { outcome, documents: bundle.info().documents, decisions: (before, decided.decisions()) }
}

/// A source and a target with a library and a project each, and what the source has of both. Everything differs a little.
fn pair() -> (Pair, std::path::PathBuf) {
    let pair = Pair::new(Generation::Spaces);
    for (server, value) in [(&pair.source, "new"), (&pair.target, "old")] {
        server.project(1, "Web");
        let scope = json!({ "Environment": [server.id("Environments", 1)] });
        server.library(1, "Shared", json!([variable("Url", "String", value, scope)]));
    }
    pair.source.library(2, "More", json!([]));
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    (pair, bundle)
}

fn version(server: &Little) -> i64 {
    let set = server.named("LibraryVariableSet", "Shared")["VariableSetId"].as_str().unwrap().to_owned();
    let sql = "SELECT Version FROM VariableSet WHERE Id = ?1";
    server.db().query_row(sql, [set], |row| row.get(0)).unwrap()
}

#[test]
fn each_document_is_decided_once_a_command() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |_| {});
    done.applied();
    assert_eq!(done.decisions, (done.documents, done.documents));
    // Nothing to do is found out as cheaply.
    let again = import_while(&pair, &bundle, overwrite(), |_| {});
    assert!(matches!(again.outcome, Outcome::Nothing(_)));
    assert_eq!(again.decisions, (again.documents, again.documents));
}

#[test]
fn a_count_of_the_server_that_moved_stops_nothing_and_goes_on_from_where_it_is() {
    let (pair, bundle) = pair();
    pair.target.run("UPDATE VariableSet SET Version = 3");
    let done =
        import_while(&pair, &bundle, overwrite(), |target| target.run("UPDATE VariableSet SET Version = 8"));
    done.applied();
    // The sets of the project and of the library were looked at once more, and nothing else.
    assert_eq!(done.decisions, (done.documents, done.documents + 2));
    assert_eq!(version(&pair.target), 9);
}

#[test]
fn one_document_that_moved_is_named_and_costs_one_more_decision() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |target| {
        target.run("UPDATE LibraryVariableSet SET JSON = '{\"Templates\":[],\"Description\":\"x\"}' WHERE Name = 'Shared'");
    });
    assert_eq!(done.moved(), ["LibraryVariableSet Default / Shared"]);
    assert_eq!(done.decisions, (done.documents, done.documents + 1));
    assert_eq!(version(&pair.target), 0, "nothing was written");
}

#[test]
fn a_document_that_is_gone_is_named() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |target| {
        target.run("DELETE FROM DeploymentEnvironment WHERE Name = 'Prod'");
    });
    assert!(done.moved().contains(&"Environment Default / Prod".to_owned()), "{:?}", done.moved());
}

#[test]
fn a_name_that_somebody_took_is_noticed() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |target| {
        target.library(7, "More", json!([]));
    });
    assert!(done.moved().contains(&"LibraryVariableSet Default / More".to_owned()), "{:?}", done.moved());
}

#[test]
fn another_name_of_what_documents_refer_to_is_noticed() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |target| {
        target.run("UPDATE DeploymentEnvironment SET Name = 'Test' WHERE Name = 'Dev'");
    });
    assert!(done.moved().contains(&"Environment Default / Dev".to_owned()), "{:?}", done.moved());
}

#[test]
fn rows_that_no_decision_relied_on_may_change() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |target| {
        target.add("Lifecycle", json!({ "Id": target.id("Lifecycles", 9), "Name": "Other", "Phases": [] }));
    });
    done.applied();
    assert_eq!(done.decisions, (done.documents, done.documents));
}

#[test]
fn what_comes_to_refer_to_what_is_pruned_is_noticed() {
    let (pair, bundle) = pair();
    pair.target.library(5, "Gone", json!([]));
    let prune = ImportOptions { prune: true, ..overwrite() };
    let gone = pair.target.id_of("LibraryVariableSet", "Gone");
    let done = import_while(&pair, &bundle, prune.clone(), |target| {
        target
            .run(&format!("UPDATE Project SET IncludedLibraryVariableSetIds = '{gone}' WHERE Name = 'Web'"));
    });
    assert!(done.moved().contains(&"Project Default / Web".to_owned()), "{:?}", done.moved());
    // A count that moved in a table that was read as a whole makes all be decided again, and stops nothing.
    pair.target.project(1, "Web");
    let done =
        import_while(&pair, &bundle, prune, |target| target.run("UPDATE VariableSet SET Version = 12"));
    done.applied();
    assert_eq!(version(&pair.target), 13);
    assert_eq!(pair.target.count("LibraryVariableSet"), 2);
}

#[test]
fn tables_that_changed_are_noticed() {
    let (pair, bundle) = pair();
    let done = import_while(&pair, &bundle, overwrite(), |target| {
        target.run("ALTER TABLE LibraryVariableSet ADD Extra int NULL");
    });
    assert_eq!(done.moved().len(), 1);
}

#[test]
fn an_undo_decides_once_and_a_count_of_the_server_does_not_stop_it() {
    let (pair, bundle) = pair();
    let file = pair.folder().join("a.undo");
    let model = octopus();
    let mut server = SqliteServer::open(&pair.target.path).unwrap();
    back::import_kept(&bundle, &mut server, &model, Some(&pair.target.key), &file);
    pair.target.run("UPDATE VariableSet SET Version = Version + 5");
    let (undo, master) = (open(&file), &pair.target.key);
    let record = UndoRecord::read(&undo, model.collation).unwrap().unwrap();
    let seen = record.key(Some(master)).unwrap();
    let data =
        (undo.info().sealed > 0).then(|| undo.unlock(&master.password(), &Default::default()).unwrap());
    let keys = Keys { bundle: data.as_ref(), master: Some(master), seen: &seen };
    let mut decided =
        ops::decide_undo(&undo, &record, &mut *server.read().unwrap(), &model, keys, false, &Silent).unwrap();
    assert!(decided.plan().findings.is_empty(), "{:?}", decided.plan().findings);
    let before = decided.decisions();
    pair.target.run("UPDATE VariableSet SET Version = Version + 1");
    let outcome = decided.carry_out(&mut server, How::default(), &Silent).unwrap();
    assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
    assert!(decided.decisions() >= before, "{before}");
    assert_eq!(pair.target.count("LibraryVariableSet"), 1);
}
