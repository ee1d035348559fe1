//! What the exporter was told reaches the importer, another person: in the plan, its file and the record of the
//! import; and an id outside references that would name something else in the target stops it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use sealift::bundle::{Header, Notice, Reason, Writer, WriterOptions};
use sealift::document::{Document, Key, KindName, Map, Value, json};
use sealift::ops::{self, ImportOptions, Outcome};
use sealift::plan::{Action, Plan};
use sealift::progress::Silent;
use sealift::tree::Tree;
use serde_json::Value as Json;
use support::*;

/// Two servers with environments of the same names, whose ids are each other's where `crossed`.
struct Pair {
    folder: tempfile::TempDir,
    source: PathBuf,
    target: PathBuf,
}

fn fill(path: &Path, environments: [(u32, &str); 3], prefix: u32) {
    drop(empty_octopus(path));
    run(
        path,
        &format!(
            r#"INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('Spaces-1', 'Default', 1, '{{}}');
            INSERT INTO Lifecycle (Id, Name, SpaceId, JSON) VALUES ('Lifecycles-1', 'Default', 'Spaces-1', '{{"Phases":[]}}');
            INSERT INTO ProjectGroup (Id, Name, SpaceId, JSON) VALUES ('ProjectGroups-1', 'All', 'Spaces-1', '{{}}');
            INSERT INTO Project (Id, Name, Slug, IsDisabled, ProjectGroupId, LifecycleId, AutoCreateRelease, SpaceId, JSON)
              VALUES ('Projects-{prefix}', 'Web', 'web', 0, 'ProjectGroups-1', 'Lifecycles-1', 0, 'Spaces-1', '{{}}');
            ALTER TABLE Channel ADD COLUMN SisterEnvironmentId nvarchar(50);"#
        ),
    );
    for (number, name) in environments {
        run(
            path,
            &format!(
                "INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, SpaceId, JSON)
                 VALUES ('Environments-{number}', '{name}', 0, 'Spaces-1', '{{}}')"
            ),
        );
    }
}

fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn one(path: &Path, sql: &str) -> Option<String> {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).ok()
}

impl Pair {
    fn new(crossed: bool) -> Self {
        let folder = folder();
        let (source, target) = (folder.path().join("source.sqlite"), folder.path().join("target.sqlite"));
        fill(&source, [(1, "Test"), (2, "Production"), (3, "Training")], 1);
        let there = match crossed {
            true => [(1, "Test"), (2, "Training"), (3, "Production")],
            false => [(1, "Test"), (2, "Production"), (3, "Training")],
        };
        fill(&target, there, 7);
        Self { folder, source, target }
    }

    fn channel(&self, name: &str, parent: &str, json: &str) {
        let db = Connection::open(&self.source).unwrap();
        let sql = "INSERT INTO Channel (Id, Name, ProjectId, SpaceId, SisterEnvironmentId, JSON)
                   VALUES ('Channels-' || ?1, ?1, 'Projects-1', 'Spaces-1', ?2, ?3)";
        db.execute(sql, (name, parent, json)).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn export(&self) -> PathBuf {
        let out = self.at("out.sealift");
        let options = WriterOptions { force: true, ..WriterOptions::default() };
        try_export(&self.source, &octopus(), &out, &everything(None), options).unwrap();
        out
    }

    fn plan(&self, bundle: &Path) -> Plan {
        plan(bundle, &self.target, &octopus(), None, overwrite())
    }

    fn refused(&self, bundle: &Path) -> Vec<String> {
        let before = std::fs::read(&self.target).unwrap();
        let planned = self.plan(bundle).findings;
        let found = match try_import(bundle, &self.target, &octopus(), None, false, overwrite()).unwrap() {
            Outcome::Refused(plan) => plan.findings,
            other => panic!("not refused: {other:#?}"),
        };
        assert!(before == std::fs::read(&self.target).unwrap(), "nothing was written");
        assert_eq!(planned, found);
        found.into_iter().map(|f| format!("{} {} {}", f.kind, f.name, f.problem)).collect()
    }

    fn import(&self, bundle: &Path) -> Plan {
        import(bundle, &self.target, &octopus(), None, overwrite())
    }

    fn parent(&self, name: &str) -> Option<String> {
        one(&self.target, &format!("SELECT SisterEnvironmentId FROM Channel WHERE Name = '{name}'"))
    }
}

fn accepting() -> ImportOptions {
    ImportOptions { accept_undeclared: true, ..overwrite() }
}

/// As measured: a column of a newer version arrived as the source's id, and Production became Training.
#[test]
fn an_undeclared_id_that_names_another_document_in_the_target_stops_the_import() {
    let pair = Pair::new(true);
    pair.channel("Early", "Environments-2", "{}");
    let bundle = pair.export();
    let problems = pair.refused(&bundle);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    for part in [
        "Channel Default / Web / Early",
        "SisterEnvironmentId holds \"Environments-2\"",
        "named Environment Default / Production at the source",
        "is Environment Default / Training in the target",
        "--accept-undeclared",
    ] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
    import(&bundle, &pair.target, &octopus(), None, accepting());
    assert_eq!(pair.parent("Early").as_deref(), Some("Environments-2"), "just as it stood at the source");
    // It is there now: an import that changes something else is not stopped again.
    run(&pair.source, "UPDATE Channel SET JSON = '{\"Description\":\"new\"}'");
    let bundle = pair.export();
    assert_eq!(pair.import(&bundle).count(Action::Update), 1);
    import_nothing(&bundle, &pair.target, &octopus(), None, overwrite());
}

#[test]
fn an_undeclared_id_that_names_the_same_document_in_the_target_stops_nothing() {
    let pair = Pair::new(false);
    pair.channel("Early", "Environments-2", r#"{"List":"Environments-1,Environments-3"}"#);
    let done = pair.import(&pair.export());
    assert_eq!(pair.parent("Early").as_deref(), Some("Environments-2"));
    let said: Vec<_> = done.source.iter().map(|notice| (notice.place.as_deref(), notice.count)).collect();
    assert_eq!(said, [(Some("$.List"), 2), (Some("SisterEnvironmentId"), 1)], "it is still reported");
}

/// Whatever way ids are written there: in lists of either kind, as members' names, in another case, deep in the JSON.
#[test]
fn every_form_of_undeclared_ids_is_looked_at() {
    for (number, json) in [
        r#"{"A":"environments-2"}"#,
        r#"{"A":"Environments-1,Environments-2"}"#,
        r#"{"A":"|Environments-1|Environments-2|"}"#,
        r#"{"A":{"Environments-2":true}}"#,
        r#"{"A":{"Environments-1":["Environments-2"]}}"#,
        r#"{"A":[{"B":[{"C":"Environments-2"}]}]}"#,
    ]
    .iter()
    .enumerate()
    {
        let pair = Pair::new(true);
        pair.channel("Early", "", json);
        let problems = pair.refused(&pair.export());
        assert_eq!(problems.len(), 1, "{number}: {problems:?}");
        assert!(problems[0].contains("is Environment Default / Training in the target"), "{problems:?}");
        import(&pair.export(), &pair.target, &octopus(), None, accepting());
    }
}

/// An id that nothing has in the target must not become the id of something that the import creates.
#[test]
fn the_import_gives_no_id_out_that_undeclared_text_would_name() {
    let pair = Pair::new(true);
    run(&pair.target, "DELETE FROM DeploymentEnvironment; DELETE FROM KeyAllocation");
    run(
        &pair.target,
        "INSERT INTO KeyAllocation (CollectionName, Allocated) VALUES ('DeploymentEnvironment', 1)",
    );
    pair.channel("Early", "Environments-2", r#"{"Also":"Environments-3"}"#);
    let bundle = pair.export();
    assert_eq!(pair.plan(&bundle).findings, []);
    pair.import(&bundle);
    for text in ["Environments-2", "Environments-3"] {
        let sql = format!("SELECT Name FROM DeploymentEnvironment WHERE Id = '{text}'");
        assert_eq!(one(&pair.target, &sql), None, "{text} names nothing, as before");
    }
    assert_eq!(one(&pair.target, "SELECT COUNT(*) || '' FROM DeploymentEnvironment").as_deref(), Some("3"));
}

/// Ids that are made of others' cannot be avoided: the import finds out when they are made, and writes nothing.
#[test]
fn an_id_that_the_import_makes_and_that_undeclared_text_would_name_stops_it() {
    let pair = Pair::new(false);
    let library = |path: &Path, number: u32, name: &str| {
        run(
            path,
            &format!(
                "INSERT INTO LibraryVariableSet (Id, Name, VariableSetId, ContentType, SpaceId, JSON) VALUES
                   ('LibraryVariableSets-{number}', '{name}', 'variableset-LibraryVariableSets-{number}', 'Variables', 'Spaces-1', '{{\"Templates\":[]}}');
                 INSERT INTO VariableSet (Id, OwnerId, Version, IsFrozen, RelatedDocumentIds, SpaceId, JSON) VALUES
                   ('variableset-LibraryVariableSets-{number}', 'LibraryVariableSets-{number}', 1, 0, '||', 'Spaces-1', '{{\"Variables\":[]}}')"
            ),
        );
    };
    library(&pair.source, 5, "Shared");
    library(&pair.source, 9, "New");
    library(&pair.target, 1, "Shared");
    run(&pair.target, "DELETE FROM KeyAllocation");
    run(
        &pair.target,
        "INSERT INTO KeyAllocation (CollectionName, Allocated) VALUES ('LibraryVariableSet', 4)",
    );
    pair.channel("Early", "", r#"{"Set":"variableset-LibraryVariableSets-5"}"#);
    let bundle = pair.export();
    assert_eq!(pair.plan(&bundle).findings, [], "no id is given out yet");
    let before = std::fs::read(&pair.target).unwrap();
    let outcome = try_import(&bundle, &pair.target, &octopus(), None, false, overwrite()).unwrap();
    let Outcome::Refused(refused) = outcome else { panic!("{outcome:#?}") };
    let problem = &refused.findings[0].problem;
    assert!(problem.contains("named VariableSet Default / Shared at the source"), "{problem}");
    assert!(problem.contains("Default / New, which this import creates,"), "{problem}");
    assert!(before == std::fs::read(&pair.target).unwrap(), "nothing was written");
    import(&bundle, &pair.target, &octopus(), None, accepting());
}

/// A table that the model does not know: its ids are ids, in the list of the export and in the target.
#[test]
fn ids_of_tables_that_the_model_does_not_know_are_ids() {
    let pair = Pair::new(false);
    let hubs = "CREATE TABLE PlatformHub (Id nvarchar(50) NOT NULL PRIMARY KEY, Name nvarchar(50));
                INSERT INTO PlatformHub VALUES ('PlatformHubs-1', 'Ours'), ('PlatformHubs-2', 'Other')";
    run(&pair.source, hubs);
    pair.channel("Early", "PlatformHubs-1", "{}");
    let bundle = pair.export();
    let notices = open(&bundle).notices().unwrap();
    let found = notices.iter().find(|notice| notice.code == "undeclared-reference").unwrap();
    assert_eq!(found.value.as_deref(), Some("PlatformHubs-1"));
    assert_eq!((found.names_kind.as_deref(), found.names_key.as_deref()), (Some("PlatformHub"), None));
    // The target has no such table, so the id names nothing there.
    assert_eq!(pair.plan(&bundle).findings, []);
    run(&pair.target, hubs);
    let problems = pair.refused(&bundle);
    assert!(problems[0].contains("a row of the table PlatformHub in the target"), "{problems:?}");
    import(&bundle, &pair.target, &octopus(), None, accepting());

    let out = pair.at("strict.sealift");
    let options = ops::ExportOptions { strict: true, ..everything(None) };
    let error = try_export(&pair.source, &octopus(), &out, &options, WriterOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the model does not know PlatformHub, which would not be carried");
    assert!(!out.exists());
    let run = sealift(
        &["export", &address(&pair.source), "-o", text(&out), "--no-secrets", "--strict", "--json"],
        pair.folder.path(),
    );
    assert_eq!(run.0, Some(3), "{}", run.2);
    let told: Json = serde_json::from_str(&run.1).unwrap();
    assert_eq!(told["unknown_tables"][0]["table"], "PlatformHub");
    assert_eq!(told["undeclared_references"][0]["to"], "PlatformHub");
    assert!(run.2.contains("hint:") && run.2.contains("[[leave]]"), "{}", run.2);
}

/// Documents that are not written bring nothing along.
#[test]
fn what_is_left_out_or_skipped_stops_nothing() {
    let pair = Pair::new(true);
    pair.channel("Early", "Environments-2", "{}");
    let bundle = pair.export();
    let left_out = ImportOptions { except: vec!["Channel".to_owned()], ..overwrite() };
    assert_eq!(plan(&bundle, &pair.target, &octopus(), None, left_out).findings, []);
}

fn by_hand(path: &Path, notices: Vec<Notice>) {
    let model = octopus();
    let header = Header::new(model.name.clone(), model.digest, None);
    let options = WriterOptions { force: true, ..WriterOptions::default() };
    let mut writer = Writer::create(path, header, options).unwrap();
    let space = Value::Ref(Box::new(sealift::document::Reference {
        kind: KindName::new("Space"),
        key: Key::name("Default"),
    }));
    let mut columns = Map::new();
    columns.insert("Name".to_owned(), "New".into());
    columns.insert("SpaceId".to_owned(), space.clone());
    columns.insert("SortOrder".to_owned(), Value::Int(1));
    let document = Document {
        kind: KindName::new("Environment"),
        key: Key::new(vec![space, "New".into()]).unwrap(),
        columns,
        body: Some(json::parse(br#"{"Token":"AAAAAAAAAAAAAAAAAAAAAA==|AAAAAAAAAAAAAAAAAAAAAA=="}"#).unwrap()),
    };
    let folded = document.key.folded(model.collation);
    writer.add(&document, &folded, &Value::Null, &Reason::All, &[]).unwrap();
    notices.into_iter().for_each(|notice| writer.notice(notice).unwrap());
    writer.finish(&Silent).unwrap();
}

#[test]
fn what_nobody_can_look_at_stops_the_import_too() {
    let pair = Pair::new(false);
    let bundle = pair.at("hand.sealift");
    let at = |code: &str, kind: &str, count| Notice {
        place: Some("$.Token".to_owned()),
        count,
        ..Notice::about(code, kind, "said by the exporter".to_owned())
    };
    for (code, what) in [
        ("undeclared-secret", "no secret: the target could not read it"),
        ("undeclared-reference", "the bundle does not list them"),
    ] {
        by_hand(&bundle, vec![at(code, "Environment", 17)]);
        let problems = pair.refused(&bundle);
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert!(problem.contains("$.Token") && problem.contains(what), "{problem}");
        let accepted = plan(&bundle, &pair.target, &octopus(), None, accepting());
        assert_eq!(accepted.findings, []);
        assert_eq!(accepted.source[0].text, "said by the exporter");
        // Of kinds that the import writes nothing of.
        by_hand(&bundle, vec![at(code, "Project", 17)]);
        assert_eq!(pair.plan(&bundle).findings, []);
    }
}

#[test]
fn ids_at_more_places_than_a_bundle_lists_stop_the_import() {
    let pair = Pair::new(false);
    let members: Vec<String> = (0..1001).map(|n| format!(r#""m{n:04}":"Environments-1""#)).collect();
    pair.channel("Early", "", &format!("{{{}}}", members.join(",")));
    let bundle = pair.export();
    let problems = pair.refused(&bundle);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(
        problem.contains("1 more ids stand outside references, at more places than are listed"),
        "{problem}"
    );
    let accepted = plan(&bundle, &pair.target, &octopus(), None, accepting());
    assert_eq!(
        (accepted.findings.len(), accepted.source.len()),
        (0, 1001),
        "as many as a plan keeps, and how many more"
    );
    // Nothing is stopped where nothing is written.
    import(&bundle, &pair.target, &octopus(), None, accepting());
    import_nothing(&bundle, &pair.target, &octopus(), None, overwrite());
}

fn address(path: &Path) -> String {
    format!("sqlite:{}", text(path))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn sealift(args: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    let run = command.args(args).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (run.status.code(), text(run.stdout), text(run.stderr))
}

/// Everything that the exporter was told is in what the importer reads, and stays so on every way there.
#[test]
fn the_importer_reads_what_the_exporter_was_told() {
    let pair = Pair::new(true);
    pair.channel("Early", "Environments-2", "{}");
    pair.channel("Late", "Environments-3", "{}");
    run(&pair.source, "CREATE TABLE PlatformHub (Id nvarchar(50) NOT NULL PRIMARY KEY)");
    run(&pair.source, "UPDATE Project SET JSON = '{\"ClonedFromProjectId\":\"Projects-99\"}'");
    let bundle = pair.export();
    let folder = pair.folder.path();
    let to = address(&pair.target);
    let expected = ["SisterEnvironmentId", "Environments-2", "PlatformHub"];

    let run = |args: &[&str], code: i32| {
        let (status, out, err) = sealift(args, folder);
        assert_eq!(status, Some(code), "{args:?}: {out}{err}");
        out
    };
    let told = run(&["plan", text(&bundle), "--to", &to, "--ignore-version"], 4);
    for part in expected {
        assert!(told.contains("note of the export: ") && told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("STOP Channel Default / Web / Early"), "{told}");
    let json: Json =
        serde_json::from_str(&run(&["plan", text(&bundle), "--to", &to, "--ignore-version", "--json"], 4))
            .unwrap();
    let notices = json["source_notices"].as_array().unwrap();
    let found = notices.iter().find(|notice| notice["code"] == "undeclared-reference").unwrap();
    assert_eq!(
        (&found["kind"], &found["place"], &found["count"]),
        (&"Channel".into(), &"SisterEnvironmentId".into(), &2.into())
    );
    let mut examples: Vec<String> =
        found["examples"].as_array().unwrap().iter().map(|example| example["names"].to_string()).collect();
    examples.sort();
    assert_eq!(examples, ["\"Environment Default / Production\"", "\"Environment Default / Training\""]);
    let (status, _, err) =
        sealift(&["import", text(&bundle), "--to", &to, "--ignore-version", "--yes"], folder);
    assert_eq!(status, Some(4), "{err}");

    // A saved plan, what it shows, and what comes of it.
    let accept = ["--ignore-version", "--accept-undeclared"];
    let plan_file = pair.at("friday.plan");
    let save = ["plan", text(&bundle), "--to", &to, "-o", text(&plan_file)];
    run(&[&save[..], &accept].concat(), 0);
    let shown = run(&["show", text(&plan_file)], 0);
    for part in expected {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let head: Json =
        serde_json::from_str(std::fs::read_to_string(&plan_file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(head["source"], json["source_notices"]);
    run(&["apply", text(&plan_file), text(&bundle), "--to", &to, "--record", "done.json", "--yes"], 0);
    let record: Json = serde_json::from_slice(&std::fs::read(pair.at("done.json")).unwrap()).unwrap();
    assert_eq!(record["source_notices"], json["source_notices"]);
    let page = std::fs::read_to_string(pair.at("done.html")).unwrap();
    for part in expected {
        assert!(page.contains(part) && page.contains("What the export reported"), "{part}: {page}");
    }
    assert!(record["options"].as_array().unwrap().contains(&"--accept-undeclared".into()), "{record}");
}

#[test]
fn notices_stay_with_their_counts_on_every_way() {
    let pair = Pair::new(true);
    pair.channel("Early", "Environments-2", "{}");
    pair.channel("Late", "environments-2", "{}");
    let bundle = pair.export();
    let model = octopus();
    let notices = open(&bundle).notices().unwrap();
    let first = notices.iter().find(|notice| notice.code == "undeclared-reference").unwrap();
    assert_eq!((first.count, first.names_kind.as_deref()), (2, Some("Environment")));

    // As a folder and back.
    let tree = pair.at("tree");
    ops::to_tree(&open(&bundle), &model, &tree, Default::default(), Default::default(), &Silent).unwrap();
    let back = pair.at("back.sealift");
    ops::from_tree(&Tree::open(&tree).unwrap(), &model, None, &back, (false, false), &Silent).unwrap();
    assert_eq!(open(&back).notices().unwrap(), notices);
    assert_eq!(pair.refused(&back), pair.refused(&bundle));

    // Merged with itself from another server, it says what both said: the text is named after its input.
    let other = pair.at("other.sealift");
    std::fs::copy(&bundle, &other).unwrap();
    let merged = pair.at("merged.sealift");
    let open_input = |path: &Path| ops::MergeInput {
        path: path.to_owned(),
        documents: Box::new(ops::BundleDocuments::new(open(path), None)),
    };
    let inputs = [open_input(&bundle), open_input(&other)];
    let merge = ops::Merge::examine(&inputs, &model, &ops::MergeOptions::default(), &Silent).unwrap();
    let writer = Writer::create(&merged, merge.header().clone(), WriterOptions::default()).unwrap();
    merge.write(writer, &Silent).unwrap();
    let both = open(&merged).notices().unwrap();
    let values = |notices: &[Notice]| {
        let mut said: Vec<_> =
            notices.iter().map(|n| (n.value.clone(), n.names_key.clone(), n.count)).collect();
        said.sort();
        said.dedup();
        said
    };
    assert_eq!((both.len(), values(&both)), (2 * notices.len(), values(&notices)));
    assert_eq!(pair.refused(&merged), pair.refused(&bundle));

    // Salvaged.
    let mut bytes = std::fs::read(&bundle).unwrap();
    let project = bytes.windows(9).position(|window| window == b"Lifecycle").unwrap();
    bytes[project] ^= 1;
    let (damaged, saved) = (pair.at("damaged.sealift"), pair.at("saved.sealift"));
    std::fs::write(&damaged, bytes).unwrap();
    let options = ops::SalvageOptions {
        uncertain: true,
        secrets: true,
        password: None,
        header: open(&bundle).info().header.clone(),
        force: true,
        limits: Default::default(),
        kdf: Default::default(),
        expected_root: None,
    };
    ops::salvage(&damaged, &saved, &options, &Silent).unwrap();
    let kept = open(&saved).notices().unwrap();
    assert!(notices.iter().all(|notice| kept.contains(notice)), "{kept:#?}");
}

/// Two servers whose ids mean different things: what is the same document for the one is another for the other.
#[test]
fn an_id_of_two_servers_in_one_bundle_must_mean_the_same_for_both() {
    let (one, two) = (Pair::new(false), Pair::new(true));
    one.channel("Early", "Environments-2", "{}");
    // The second source is like the first pair's crossed target.
    fill(&two.at("second.sqlite"), [(1, "Test"), (2, "Training"), (3, "Production")], 9);
    let second = two.at("second.sqlite");
    let sql = "INSERT INTO Channel (Id, Name, ProjectId, SpaceId, SisterEnvironmentId, JSON)
               VALUES ('Channels-1', 'Late', 'Projects-9', 'Spaces-1', 'Environments-2', '{}')";
    run(&second, sql);
    let other = two.at("second.sealift");
    try_export(&second, &octopus(), &other, &everything(None), WriterOptions::default()).unwrap();
    let bundle = one.export();
    let model = octopus();
    let open_input = |path: &Path| ops::MergeInput {
        path: path.to_owned(),
        documents: Box::new(ops::BundleDocuments::new(open(path), None)),
    };
    let inputs = [open_input(&bundle), open_input(&other)];
    let merge = ops::Merge::examine(&inputs, &model, &ops::MergeOptions::default(), &Silent).unwrap();
    let merged = one.at("merged.sealift");
    let writer = Writer::create(&merged, merge.header().clone(), WriterOptions::default()).unwrap();
    merge.write(writer, &Silent).unwrap();
    for target in [&one, &two] {
        assert!(!target.refused(&merged).is_empty());
    }
}
