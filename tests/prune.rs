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
use sealift::bundle::Extent;
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

/// A bundle of one space answers for all that is in it, of every kind.
#[test]
fn a_bundle_of_one_space_prunes_what_is_in_it_alone() {
    let twins = Twins::new();
    let db = Connection::open(&twins.target).unwrap();
    let columns: Vec<String> = {
        let mut statement = db.prepare("SELECT name FROM pragma_table_info('Lifecycle')").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let spaces: Vec<(String, String)> = {
        let mut statement = db.prepare("SELECT Id, Name FROM Space ORDER BY Id").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert!(spaces.len() > 1, "{spaces:?}");
    for (number, (space, _)) in spaces.iter().enumerate() {
        let values: Vec<String> = columns
            .iter()
            .map(|column| match column.as_str() {
                "Id" => format!("'Lifecycles-9000{number}'"),
                "Name" => "'Extra'".to_owned(),
                "SpaceId" => format!("'{space}'"),
                column => format!("\"{column}\""),
            })
            .collect();
        let sql = format!("INSERT INTO Lifecycle SELECT {} FROM Lifecycle LIMIT 1", values.join(", "));
        assert_eq!(run(&twins.target, &sql), 1);
    }
    drop(db);
    let bundle = twins.folder.path().join("space.sealift");
    let (master, name) = (key(1), spaces[0].1.clone());
    let options = sealift::ops::ExportOptions { scopes: vec![name.clone()], ..everything(Some(&master)) };
    export(&twins.source, &octopus(), &bundle, &options);
    let shown = plan(&bundle, &twins.target, &octopus(), Some(&key(2)), pruning());
    assert_eq!(shown.findings, []);
    assert_eq!(deleted(&shown), [("Lifecycle".to_owned(), "Extra".to_owned())]);
    let entry = shown.entries.iter().find(|entry| entry.action == Action::Delete).unwrap();
    assert!(entry.key.to_string().starts_with(&name), "{}", entry.key);
}

/// The statements of a bundle: by kind, how many rows were read, and whether that is all.
fn stated(path: &Path) -> (usize, usize, usize) {
    let coverage = open(path).coverage().unwrap();
    let count = |is: fn(&Extent) -> bool| coverage.iter().filter(|c| is(&c.extent)).count();
    (
        count(|extent| matches!(extent, Extent::Whole { .. })),
        count(|extent| matches!(extent, Extent::Part { .. })),
        count(|extent| matches!(extent, Extent::Belonging { .. })),
    )
}

#[test]
fn an_export_says_of_each_kind_how_many_rows_it_read_and_whether_that_was_all() {
    let twins = Twins::new();
    let whole = twins.everything("whole.sealift");
    let bundle = open(&whole);
    for kind in &bundle.info().kinds {
        let said = bundle.coverage().unwrap().into_iter().find(|said| said.kind == kind.name).unwrap();
        let Extent::Whole { rows } = said.extent else { panic!("{said:?}") };
        assert!(rows >= kind.documents, "{}: {rows} rows, {} documents", kind.name, kind.documents);
    }
    assert!(matches!(stated(&whole), (30.., 0, 0)), "{:?}", stated(&whole));
    let one = twins.folder.path().join("one.sealift");
    export(&twins.source, &octopus(), &one, &project_of("Order Service"));
    let (none, part, belonging) = stated(&one);
    assert!(none == 0 && part > 10 && belonging > 3, "{:?}", stated(&one));
    let about = open(&one).coverage().unwrap();
    let channels = about.iter().filter(|said| said.kind == "Channel").collect::<Vec<_>>();
    let Extent::Belonging { kind, key } = &channels[0].extent else { panic!("{channels:?}") };
    assert_eq!((kind.as_str(), key.contains("Order Service")), ("Project", true));
}

/// Whoever writes a bundle anew carries the statement where it is still true, and else drops it: then nothing is
/// deleted, and the plan says why.
#[test]
fn a_bundle_that_does_not_say_what_it_carries_whole_is_not_pruned() {
    let twins = Twins::new();
    let name = names(&twins.source, "Project").first().cloned().unwrap();
    twins.remove_project(&name);
    let whole = twins.everything("whole.sealift");
    let at = |name: &str| twins.folder.path().join(name);
    let deletes = |bundle: &Path| {
        let shown = plan(bundle, &twins.target, &octopus(), Some(&key(2)), pruning());
        assert_eq!(shown.findings, [], "{}", bundle.display());
        deleted(&shown)
    };
    let refused = |bundle: &Path| {
        let shown = plan(bundle, &twins.target, &octopus(), Some(&key(2)), pruning());
        let problems: Vec<&str> = shown.findings.iter().map(|finding| finding.problem.as_str()).collect();
        assert!(deleted(&shown).is_empty(), "{}", bundle.display());
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert!(problem.contains("does not say of any kind that it carries all of it"), "{problem}");
        (*problem).to_owned()
    };
    let expected = deletes(&whole);
    assert!(!expected.is_empty());

    // A folder carries it, and so does the bundle that comes out of it.
    let (tree, model) = (at("tree"), octopus());
    let silent = &sealift::progress::Silent;
    sealift::ops::to_tree(&open(&whole), &model, &tree, Default::default(), Default::default(), silent)
        .unwrap();
    let from = |out: &Path| {
        let read = sealift::tree::Tree::open(&tree).unwrap();
        let key = unlock(&open(&whole));
        sealift::ops::from_tree(&read, &model, key.as_ref(), out, (true, false), silent).unwrap();
    };
    let back = at("back.sealift");
    from(&back);
    assert_eq!(open(&back).coverage().unwrap(), open(&whole).coverage().unwrap());
    assert_eq!(deletes(&back), expected);
    // A file that somebody took out, or lost: the folder does not know which.
    let environment = tree.join("Space/Default/Environment");
    let file = std::fs::read_dir(&environment).unwrap().next().unwrap().unwrap().path();
    let listed = file.strip_prefix(&tree).unwrap().to_str().unwrap().replace('\\', "/");
    std::fs::remove_file(&file).unwrap();
    from(&back);
    assert!(refused(&back).contains(&listed), "it names the file");
    assert!(stated(&back).0 == 0 && stated(&back).1 > 30);
    // Taken out of the list as well, it is meant to be gone.
    let about = std::fs::read_to_string(tree.join("sealift.json")).unwrap();
    let kept: Vec<&str> = about.lines().filter(|line| !line.contains(&format!("\"{listed}\""))).collect();
    assert!(kept.len() + 1 == about.lines().count());
    std::fs::write(tree.join("sealift.json"), kept.join("\n").replace("},\n  }", "}\n  }")).unwrap();
    from(&back);
    assert_eq!(stated(&back), stated(&whole));

    // Merged bundles say what all their inputs say.
    let one = at("one.sealift");
    let other = names(&twins.source, "Project").first().cloned().unwrap();
    export(&twins.source, &octopus(), &one, &project_of(&other));
    let merge = |inputs: &[&Path]| {
        let out = at("merged.sealift");
        let _ = std::fs::remove_file(&out);
        let open = |path: &&Path| {
            let bundle = open(path);
            let key = unlock(&bundle);
            sealift::ops::MergeInput {
                path: path.to_path_buf(),
                documents: Box::new(sealift::ops::BundleDocuments::new(bundle, key)),
            }
        };
        let inputs: Vec<_> = inputs.iter().map(open).collect();
        let options = sealift::ops::MergeOptions::default();
        let merge = sealift::ops::Merge::examine(&inputs, &model, &options, silent).unwrap();
        let writer = sealift::bundle::Writer::create(&out, merge.header().clone(), sealed()).unwrap();
        merge.write(writer, silent).unwrap();
        out
    };
    assert_eq!(stated(&merge(&[&whole, &whole])), stated(&whole));
    assert_eq!(deletes(&merge(&[&whole, &whole])), expected);
    let (none, part, belonging) = stated(&merge(&[&whole, &one]));
    assert_eq!((none, part), (0, stated(&whole).0), "what one of them carries in part is not whole");
    assert_eq!(belonging, stated(&one).2, "what belongs to a project of the one is in the other as well");

    // A bundle made of the remains of another says nothing of the kind.
    let mut bytes = std::fs::read(&whole).unwrap();
    let end = bytes.len() - 5000;
    bytes[end] ^= 1;
    std::fs::write(at("damaged.sealift"), bytes).unwrap();
    let options = sealift::ops::SalvageOptions {
        password: None,
        secrets: true,
        uncertain: true,
        force: true,
        header: open(&whole).info().header.clone(),
        limits: Default::default(),
        kdf: Default::default(),
        expected_root: None,
    };
    let saved =
        sealift::ops::salvage(&at("damaged.sealift"), &at("saved.sealift"), &options, silent).unwrap();
    assert!(matches!(saved, sealift::ops::Salvage::Written(_)));
    assert_eq!(stated(&at("saved.sealift")), (0, 0, 0));
    assert!(refused(&at("saved.sealift")).contains("salvaged"));
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
