//! `--prune`: a target becomes what the source is, and nothing more is deleted than the bundle can answer for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/generator.rs"]
mod generator;
mod support;

use std::path::{Path, PathBuf};

use back::*;
use rusqlite::Connection;
use sealift::demo::{self, DemoOptions, Site};
use sealift::ops::{ImportOptions, Outcome};
use sealift::plan::{Action, Plan};
use sealift::server::sqlite::SqliteServer;
use support::*;

fn pruning() -> ImportOptions {
    ImportOptions { prune: true, ..overwrite() }
}

fn run(path: &Path, sql: &str) -> usize {
    Connection::open(path).unwrap().execute(sql, []).unwrap()
}

fn names(path: &Path, table: &str) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut statement = db.prepare(&format!("SELECT Name FROM {table} ORDER BY Name")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn deleted(plan: &Plan) -> Vec<(String, String)> {
    let deleted = plan.entries.iter().filter(|entry| entry.action == Action::Delete);
    deleted.map(|entry| (entry.kind.to_string(), entry.key.leaf())).collect()
}

/// A source, and a target that has all of it already.
struct Twins {
    folder: tempfile::TempDir,
    source: PathBuf,
    target: PathBuf,
}

impl Twins {
    fn new() -> Self {
        let folder = folder();
        let (source, target) = (folder.path().join("source.sqlite"), folder.path().join("target.sqlite"));
        demo::build(&mut empty_octopus(&source), Site::Build, &key(1), &DemoOptions::default()).unwrap();
        drop(empty_octopus(&target));
        let twins = Self { folder, source, target };
        let bundle = twins.everything("first.sealift");
        import(&bundle, &twins.target, &octopus(), Some(&key(2)), overwrite());
        twins
    }

    fn everything(&self, name: &str) -> PathBuf {
        let out = self.folder.path().join(name);
        export(&self.source, &octopus(), &out, &everything(Some(&key(1))));
        out
    }

    fn root(&self, path: &Path, byte: u8) -> String {
        let out = self.folder.path().join("root.sealift");
        let mut server = SqliteServer::open(path).unwrap();
        root(&mut server, &octopus(), Some(&key(byte)), &out).to_string()
    }

    /// Takes a document out of the source as the product would: with what belongs to it.
    fn remove_project(&self, name: &str) {
        let db = Connection::open(&self.source).unwrap();
        let id: String = db
            .query_row(&format!("SELECT Id FROM Project WHERE Name = '{name}' LIMIT 1"), [], |row| row.get(0))
            .unwrap();
        let mut owned = 0;
        let tables: Vec<String> = {
            let mut statement = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        for table in tables {
            for column in ["ProjectId", "OwnerId"] {
                let delete = format!("DELETE FROM \"{table}\" WHERE \"{column}\" = '{id}'");
                owned += db.execute(&delete, []).unwrap_or(0);
            }
        }
        assert!(owned > 0);
        assert_eq!(db.execute(&format!("DELETE FROM Project WHERE Id = '{id}'"), []).unwrap(), 1);
    }
}

#[test]
fn what_the_source_no_longer_has_is_deleted_and_comes_back_with_the_undo() {
    let twins = Twins::new();
    let name = names(&twins.source, "Project").first().cloned().unwrap();
    twins.remove_project(&name);
    let bundle = twins.everything("second.sealift");
    let before = twins.root(&twins.target, 2);
    let kept = plan(&bundle, &twins.target, &octopus(), Some(&key(2)), overwrite());
    assert_eq!(deleted(&kept), [], "nothing is deleted unless it is asked for");
    let shown = plan(&bundle, &twins.target, &octopus(), Some(&key(2)), pruning());
    assert_eq!(shown.findings, []);
    assert!(deleted(&shown).contains(&("Project".to_owned(), name.clone())), "{:?}", deleted(&shown));
    assert!(shown.notices.iter().any(|notice| notice.contains("DELETED")), "{:?}", shown.notices);

    let undo_file = twins.folder.path().join("a.undo");
    let (opened, model, master) = (open(&bundle), octopus(), key(2));
    let (data_key, seen) = (unlock(&opened), sealift::crypto::FingerprintKey::generate().unwrap());
    let keys = sealift::ops::Keys { bundle: data_key.as_ref(), master: Some(&master), seen: &seen };
    let to = to(&undo_file);
    let how = sealift::ops::How { undo: Some(&to), ..Default::default() };
    let mut server = SqliteServer::open(&twins.target).unwrap();
    let silent = &sealift::progress::Silent;
    let done = sealift::ops::import(&opened, &mut server, &model, keys, how, pruning(), silent).unwrap();
    let Outcome::Applied(done) = done else { panic!("{done:?}") };
    assert_eq!(deleted(&done), deleted(&shown));
    assert_eq!(twins.root(&twins.target, 2), twins.root(&twins.source, 1), "a mirror");

    let back = undo(&undo_file, &mut server, &octopus(), Some(&key(2)), None);
    assert_eq!(back.count(Action::Create), deleted(&done).len());
    assert_eq!(twins.root(&twins.target, 2), before);
}

/// Servers nobody thought up: what is left is what the source has.
#[test]
fn a_pruned_target_is_a_mirror_of_its_source() {
    for seed in 500..=506 {
        let folder = folder();
        let model = octopus();
        let at = |name: &str| folder.path().join(name);
        let (source, target) = (at("source.sqlite"), at("target.sqlite"));
        generator::generate(&mut empty_octopus(&source), seed, 40, 0, &key(1));
        generator::generate(&mut empty_octopus(&target), seed + 1000, 40, 7000, &key(2));
        let (bundle, out) = (at("a.sealift"), at("root.sealift"));
        export(&source, &model, &bundle, &everything(Some(&key(1))));
        let shown = plan(&bundle, &target, &model, Some(&key(2)), pruning());
        assert_eq!(shown.findings, [], "seed {seed}");
        let done = import(&bundle, &target, &model, Some(&key(2)), pruning());
        assert!(!deleted(&done).is_empty(), "seed {seed}");
        import_nothing(&bundle, &target, &model, Some(&key(2)), pruning());
        // Of kinds that the bundle has, the target has nothing more.
        let mut server = SqliteServer::open(&target).unwrap();
        root(&mut server, &model, Some(&key(2)), &out);
        let (ours, theirs) = (open(&bundle), open(&out));
        for kind in &ours.info().kinds {
            let there = theirs.info().kinds.iter().find(|k| k.name == kind.name).map_or(0, |k| k.documents);
            let fixed = there.saturating_sub(kind.documents);
            assert!(fixed == 0, "seed {seed}: {} has {there}, not {}", kind.name, kind.documents);
        }
    }
}

/// A bundle of one project answers for what belongs to it, and for nothing else.
#[test]
fn a_bundle_of_one_project_prunes_what_belongs_to_it_alone() {
    let twins = Twins::new();
    let db = Connection::open(&twins.target).unwrap();
    let (project, other): (String, String) = db
        .query_row(
            "SELECT a.ProjectId, (SELECT Id FROM Project WHERE Id <> a.ProjectId LIMIT 1) FROM Channel a LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let name: String =
        db.query_row("SELECT Name FROM Project WHERE Id = ?1", [&project], |row| row.get(0)).unwrap();
    let columns: Vec<String> = {
        let mut statement = db.prepare("SELECT name FROM pragma_table_info('Channel')").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for (id, owner) in [("Channels-90001", &project), ("Channels-90002", &other)] {
        let values: Vec<String> = columns
            .iter()
            .map(|column| match column.as_str() {
                "Id" => format!("'{id}'"),
                "Name" => "'Extra'".to_owned(),
                "ProjectId" => format!("'{owner}'"),
                column => format!("\"{column}\""),
            })
            .collect();
        let sql = format!("INSERT INTO Channel SELECT {} FROM Channel LIMIT 1", values.join(", "));
        assert_eq!(run(&twins.target, &sql), 1);
    }
    drop(db);
    let bundle = twins.folder.path().join("one.sealift");
    export(&twins.source, &octopus(), &bundle, &project_of(&name));
    let shown = plan(&bundle, &twins.target, &octopus(), Some(&key(2)), pruning());
    assert_eq!(shown.findings, []);
    assert_eq!(deleted(&shown), [("Channel".to_owned(), "Extra".to_owned())]);
    import(&bundle, &twins.target, &octopus(), Some(&key(2)), pruning());
    let left = names(&twins.target, "Channel").into_iter().filter(|name| name == "Extra").count();
    assert_eq!(left, 1, "another project's stays");
}

fn project_of(name: &str) -> sealift::ops::ExportOptions<'static> {
    static KEY: std::sync::LazyLock<sealift::crypto::MasterKey> = std::sync::LazyLock::new(|| key(1));
    project(name, Some(&KEY))
}

#[test]
fn what_is_still_referred_to_is_not_deleted() {
    let twins = Twins::new();
    // A kind that is left out of the bundle refers to what the source has no more.
    let name = names(&twins.target, "DeploymentEnvironment").first().cloned().unwrap();
    run(&twins.source, &format!("DELETE FROM DeploymentEnvironment WHERE Name = '{name}'"));
    let out = twins.folder.path().join("environments.sealift");
    let mut options = everything(None);
    let master = key(1);
    options.secrets = sealift::ops::translate::ServerSecrets::Read(Some(&master));
    options.only = vec!["Environment".to_owned()];
    export(&twins.source, &octopus(), &out, &options);
    let before = std::fs::read(&twins.target).unwrap();
    let shown = plan(&out, &twins.target, &octopus(), Some(&key(2)), pruning());
    assert!(
        deleted(&shown).iter().any(|(kind, found)| kind == "Environment" && *found == name),
        "{:?}",
        deleted(&shown)
    );
    assert!(!shown.findings.is_empty());
    assert!(
        shown.findings.iter().all(|f| f.problem.contains("which would be deleted")),
        "{:?}",
        shown.findings
    );
    refused(&out, &twins.target, &octopus(), pruning());
    assert!(before == std::fs::read(&twins.target).unwrap());
}
