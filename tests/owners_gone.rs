//! What refers to something whose owner is gone: frozen variables of a library set that was deleted, runs of a runbook
//! that was, releases of a project that was. Servers are full of them, since history outlives what it happened to.
//! All of it arrives with the first import, the second has nothing to do, and the undo leaves what was there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
mod support;

use rusqlite::Connection;
use sealift::server::sqlite::SqliteServer;
use support::everything::{Generation, SOURCE, TARGET, Twist, build, fresh};
use support::*;

/// The tables whose documents own others, by generation.
const OWNERS: [(Generation, &[&str]); 2] = [
    (
        Generation::Y2018,
        &[
            "LibraryVariableSet",
            "Project",
            "Release",
            "Deployment",
            "Tenant",
            "DeploymentEnvironment",
            "ServerTask",
        ],
    ),
    (
        Generation::Spaces,
        &[
            "LibraryVariableSet",
            "Project",
            "Release",
            "Runbook",
            "RunbookSnapshot",
            "RunbookRun",
            "Deployment",
            "Tenant",
            "ActionTemplate",
            "Channel",
        ],
    ),
];

/// Carries a server without the rows of some tables into a fresh one, and back.
fn carried_without(generation: Generation, gone: &[&str]) {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (source, target, model) = (at("source.sqlite"), at("target.sqlite"), octopus());
    build(&source, generation, 1, SOURCE, Twist::default());
    let db = Connection::open(&source).unwrap();
    for table in gone {
        assert!(db.execute(&format!("DELETE FROM [{table}]"), []).unwrap() > 0, "{table}");
    }
    drop(db);
    let content = export(&source, &model, &at("a.sealift"), &everything(Some(&key(SOURCE.key)))).content_root;
    fresh(&target, generation, TARGET.key);
    let master = key(TARGET.key);
    let mut server = SqliteServer::open(&target).unwrap();
    let before = back::root(&mut server, &model, Some(&master), &at("before.sealift"));
    let plan = back::import_kept(&at("a.sealift"), &mut server, &model, Some(&master), &at("undo"));
    // What is said of projects in Git is no loss.
    let lost = |notes: &[String]| notes.iter().any(|note| !note.contains("Git repository"));
    let noted: Vec<_> = plan.entries.iter().filter(|e| lost(&e.notes) || e.reason.is_some()).collect();
    assert!(noted.is_empty(), "{generation:?} {gone:?}: {:#?}", &noted[..noted.len().min(3)]);
    let after = back::root(&mut server, &model, Some(&master), &at("after.sealift"));
    drop(server);
    assert_eq!(content, after, "{generation:?} {gone:?}: what arrived is not what left");
    import_nothing(&at("a.sealift"), &target, &model, Some(&master), overwrite());
    let mut server = SqliteServer::open(&target).unwrap();
    back::undo(&at("undo"), &mut server, &model, Some(&master), None);
    let back = back::root(&mut server, &model, Some(&master), &at("back.sealift"));
    assert_eq!(before, back, "{generation:?} {gone:?}: what was taken back left something");
}

fn each_of(generation: Generation) {
    for owner in OWNERS.into_iter().filter(|(of, _)| *of == generation).flat_map(|(_, owners)| owners) {
        carried_without(generation, &[owner]);
    }
}

#[test]
fn documents_whose_owner_is_gone_arrive_with_all_that_refers_to_them_in_2018() {
    each_of(Generation::Y2018);
}

#[test]
fn documents_whose_owner_is_gone_arrive_with_all_that_refers_to_them_in_spaces() {
    each_of(Generation::Spaces);
}

#[test]
fn several_owners_may_be_gone_at_once() {
    for (generation, owners) in OWNERS {
        carried_without(generation, &["LibraryVariableSet", "VariableSet"]);
        carried_without(generation, owners);
    }
}

/// A release of a project that is gone is known by the project's id. Should the target have given that id to a project
/// of its own, its release of that version is another one.
#[test]
fn a_strangers_document_is_not_taken_for_that_of_an_owner_that_is_gone() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (source, target, model) = (at("source.sqlite"), at("target.sqlite"), octopus());
    build(&target, Generation::Spaces, 1, SOURCE, Twist::default());
    std::fs::copy(&target, &source).unwrap();
    let db = Connection::open(&source).unwrap();
    let changed = db.execute_batch(
        "UPDATE Project SET JSON = json_set(JSON, '$.AutoDeployReleaseOverrides', json_array(json_object(
           'Id', 'kept', 'EnvironmentId', (SELECT Id FROM DeploymentEnvironment WHERE Name = 'Test' AND SpaceId = Project.SpaceId),
           'TenantId', NULL, 'ReleaseId', (SELECT r.Id FROM Release r JOIN Project p ON p.Id = r.ProjectId
             WHERE p.Name = 'Web' AND r.Version = '1.0.0' AND p.SpaceId = Project.SpaceId))))
         WHERE Name = 'Api';
         DELETE FROM Project WHERE Name = 'Web';",
    );
    changed.unwrap();
    drop(db);
    let only = vec!["Project".to_owned()];
    let master = key(SOURCE.key);
    let options = sealift::ops::ExportOptions { only, ..everything(Some(&master)) };
    export(&source, &model, &at("a.sealift"), &options);
    let plan = plan(&at("a.sealift"), &target, &model, Some(&key(SOURCE.key)), overwrite());
    let api: Vec<_> = plan.entries.iter().filter(|e| e.key.leaf() == "Api").collect();
    assert!(!api.is_empty());
    for entry in api {
        assert!(entry.notes.iter().any(|note| note.contains("taken out")), "{:#?}", entry.changes);
    }
}
