//! Undeclared references: ids at places that no rule of the model covers are told, counted, and left alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/generator.rs"]
mod generator;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use sealift::bundle::WriterOptions;
use sealift::model::{Form, Model, OCTOPUS_TOML};
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{ExportError, ExportOptions, ExportReport, Undeclared};
use support::*;

/// A server with two projects, two environments, a tag set and a tenant, and no undeclared reference.
struct Server {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Server {
    fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("source.sqlite");
        drop(empty_octopus(&path));
        let server = Self { folder, path };
        server.run(
            r#"INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('Spaces-1', 'Default', 1, '{}');
             INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, SpaceId, JSON)
               VALUES ('Environments-1', 'Test', 0, 'Spaces-1', '{}'), ('Environments-2', 'Production', 1, 'Spaces-1', '{}');
             INSERT INTO Lifecycle (Id, Name, SpaceId, JSON) VALUES ('Lifecycles-1', 'Default', 'Spaces-1', '{"Phases":[]}');
             INSERT INTO TagSet (Id, Name, SortOrder, SpaceId, JSON)
               VALUES ('TagSets-1', 'Ring', 0, 'Spaces-1', '{"Tags":[{"Id":"TagSets-1/Tags-1","Name":"Alpha"}]}');
             INSERT INTO Feed (Id, Name, FeedType, FeedUri, SpaceId, JSON)
               VALUES ('feeds-builtin', 'Built-in', 'BuiltIn', '', 'Spaces-1', '{}');"#,
        );
        server.group(1, "All", "{}");
        server.project(1, "Web", "{}");
        server.project(2, "Api", "{}");
        server
    }

    fn run(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    fn group(&self, number: usize, name: &str, json: &str) {
        let db = Connection::open(&self.path).unwrap();
        let sql = "INSERT INTO ProjectGroup (Id, Name, SpaceId, JSON) VALUES (?1, ?2, 'Spaces-1', ?3)";
        db.execute(sql, (format!("ProjectGroups-{number}"), name, json)).unwrap();
    }

    fn project(&self, number: usize, name: &str, json: &str) {
        let db = Connection::open(&self.path).unwrap();
        let sql = "INSERT INTO Project (Id, Name, Slug, IsDisabled, ProjectGroupId, LifecycleId, AutoCreateRelease, SpaceId, JSON)
                   VALUES (?1, ?2, ?2, 0, 'ProjectGroups-1', 'Lifecycles-1', 0, 'Spaces-1', ?3)";
        db.execute(sql, (format!("Projects-{number}"), name, json)).unwrap();
    }

    fn process(&self, project: usize, json: &str) {
        let db = Connection::open(&self.path).unwrap();
        let sql = "INSERT INTO DeploymentProcess (Id, OwnerId, IsFrozen, Version, SpaceId, JSON)
                   VALUES (?1, ?2, 0, 0, 'Spaces-1', ?3)";
        let owner = format!("Projects-{project}");
        db.execute(sql, (format!("deploymentprocess-{owner}"), owner, json)).unwrap();
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out.sealift")
    }

    fn export(&self, model: &Model, options: &ExportOptions<'_>) -> Result<ExportReport, ExportError> {
        try_export(
            &self.path,
            model,
            &self.out(),
            options,
            WriterOptions { force: true, ..Default::default() },
        )
    }

    fn found(&self) -> Vec<Undeclared> {
        self.export(&octopus(), &everything(None)).unwrap().undeclared
    }
}

/// Kind, place, form, what the ids are of, how many.
fn told(found: &[Undeclared]) -> Vec<(&str, &str, Form, &str, u64)> {
    found.iter().map(|u| (u.kind.as_str(), u.place.as_str(), u.form, u.to.as_str(), u.count)).collect()
}

#[test]
fn a_server_whose_every_reference_is_declared_has_none() {
    let server = Server::new();
    server.process(
        1,
        r#"{"Steps":[{"Actions":[{"Environments":["Environments-1"],"Properties":{"Octopus.Action.DeployRelease.ProjectId":"Projects-2"}}]}]}"#,
    );
    assert_eq!(told(&server.found()), []);
    let notices = open(&server.out()).notices().unwrap();
    assert!(notices.iter().all(|n| n.code != "undeclared-reference"), "{notices:?}");
}

#[test]
fn an_id_in_an_unknown_property_is_told_with_kind_place_count_and_example() {
    let server = Server::new();
    server.process(
        1,
        r#"{"Steps":[{"Actions":[{"Properties":{"My.Project":"Projects-2"}},{"Properties":{"My.Project":"Projects-1"}}]}]}"#,
    );
    server.process(2, r#"{"Steps":[{},{"Actions":[{"Properties":{"My.Project":"projects-1"}}]}]}"#);
    let found = server.found();
    let place = "$.Steps[*].Actions[*].Properties['My.Project']";
    assert_eq!(told(&found), [("DeploymentProcess", place, Form::Id, "Project", 3)]);
    assert_eq!(found[0].example.to_string(), "Default / Web");
    assert_eq!(found[0].example_id, "Projects-2");

    let notices = open(&server.out()).notices().unwrap();
    let notice = notices.iter().find(|n| n.code == "undeclared-reference").unwrap();
    assert_eq!(notice.kind.as_deref(), Some("DeploymentProcess"));
    assert_eq!(notice.key.as_deref(), Some(found[0].example.to_text().as_str()));
    assert_eq!(notice.place.as_deref(), Some(place));
    assert!(notice.text.contains("\"Projects-2\"") && notice.text.contains('3'), "{}", notice.text);
}

/// The place is spelled as a rule would spell it: with that rule there is nothing left to tell.
#[test]
fn a_rule_at_the_place_that_was_told_settles_it() {
    let server = Server::new();
    server.group(
        2,
        "Odd",
        r#"{"One":{"It's":"Projects-1"},"Piped":["|Projects-1|Projects-2|"],"Comma":"Projects-1,Projects-2","By":{"Projects-1":["Environments-1"],"Projects-2":["Environments-1","Environments-2"]}}"#,
    );
    let found = server.found();
    assert_eq!(
        told(&found),
        [
            ("ProjectGroup", "$.By", Form::Keys, "Project", 2),
            ("ProjectGroup", "$.By[*][*]", Form::Id, "Environment", 3),
            ("ProjectGroup", "$.Comma", Form::Comma, "Project", 2),
            ("ProjectGroup", r"$.One['It\'s']", Form::Id, "Project", 1),
            ("ProjectGroup", "$.Piped[*]", Form::Pipe, "Project", 2),
        ]
    );
    let rules = found.iter().map(|u| {
        let form = u.form_name();
        format!("  {{ at = \"{}\", to = \"{}\", form = \"{form}\" }},\n", u.place.replace('\\', "\\\\"), u.to)
    });
    let known =
        "  { at = \"$.EnvironmentIds[*]\", to = \"Environment\", missing = \"drop\", limits = true },\n";
    assert_eq!(OCTOPUS_TOML.matches(known).count(), 1);
    let toml = OCTOPUS_TOML.replace(known, &format!("{known}{}", rules.collect::<String>()));
    let model = Model::parse(&toml, "declared.toml").unwrap();
    let report = server.export(&model, &everything(None)).unwrap();
    assert_eq!(told(&report.undeclared), []);
    assert_eq!(report.dangling, 0);
}

#[test]
fn what_only_looks_like_an_id_is_not_told() {
    let server = Server::new();
    server.group(
        2,
        "Innocent",
        r##"{"Missing":"Projects-77","Sentence":"see Projects-1 first","Commas":"After this, Projects-1, and then more","End":"Is it so,Projects-1","Longer":"Projects-11","Blank":" Projects-1","Url":"/app#/Projects-1","Bound":"Projects-1,#{More}","BoundKey":{"#{Projects-1}":1},"Number":1,"Empty":"","Separators":"|,|,","Fixed":"feeds-builtin","Lists":["a,b,c","|x|y|"]}"##,
    );
    assert_eq!(told(&server.found()), []);
}

#[test]
fn lists_may_hold_other_things_beside_ids() {
    let server = Server::new();
    server.group(2, "Mixed", r#"{"List":"web-server, Projects-1 ,everyone","Pipes":"|x|Environments-2|"}"#);
    assert_eq!(
        told(&server.found()),
        [
            ("ProjectGroup", "$.List", Form::Comma, "Project", 1),
            ("ProjectGroup", "$.Pipes", Form::Pipe, "Environment", 1)
        ]
    );
}

#[test]
fn ids_in_unknown_columns_and_ids_of_parts_are_told() {
    let server = Server::new();
    server.run(
        "ALTER TABLE ProjectGroup ADD COLUMN Favourite nvarchar(50);
         UPDATE ProjectGroup SET Favourite = 'Projects-2', JSON = '{\"Tag\":\"TagSets-1/Tags-1\",\"NoTag\":\"TagSets-1/Tags-2\"}';",
    );
    assert_eq!(
        told(&server.found()),
        [
            ("ProjectGroup", "$.Tag", Form::Id, "Tag", 1),
            ("ProjectGroup", "Favourite", Form::Id, "Project", 1)
        ]
    );
}

/// A task under way is a row of the table and no document of the kind.
#[test]
fn rows_that_are_no_documents_have_no_ids() {
    let server = Server::new();
    server.run(
        "INSERT INTO ServerTask (Id, Name, Description, QueueTime, State, HasPendingInterruptions, HasWarningsOrErrors,
             DurationSeconds, JSON) VALUES ('ServerTasks-1', 'Health', '', '2026-01-01', 'Executing', 0, 0, 1, '{}')",
    );
    server.group(2, "Old", r#"{"Task":"ServerTasks-1"}"#);
    assert_eq!(told(&server.found()), []);
    server.run("UPDATE ServerTask SET State = 'Success'");
    assert_eq!(told(&server.found()), [("ProjectGroup", "$.Task", Form::Id, "ServerTask", 1)]);
}

/// At a place of a `maybe` rule text is text, whatever it equals: the parameters of a step template.
#[test]
fn text_where_a_rule_says_maybe_is_not_told() {
    let server = Server::new();
    server.run(
        "INSERT INTO ActionTemplate (Id, Name, Version, ActionType, SpaceId, JSON)
         VALUES ('ActionTemplates-1', 'Step', 1, 'Octopus.Script', 'Spaces-1', '{}')",
    );
    let properties = r#"{"Octopus.Action.Template.Id":"ActionTemplates-1","Param":"Lifecycles-1"}"#;
    server.process(1, &format!(r#"{{"Steps":[{{"Actions":[{{"Properties":{properties}}}]}}]}}"#));
    assert_eq!(told(&server.found()), []);
}

/// Values under an object keyed by ids keep the places that the table's JSON has.
#[test]
fn places_below_a_declared_dictionary_are_the_tables() {
    let server = Server::new();
    server.run(
        r#"INSERT INTO Tenant (Id, Name, ProjectIds, SpaceId, JSON) VALUES ('Tenants-1', 'Acme', '|Projects-1|', 'Spaces-1',
           '{"ProjectEnvironments":{"Projects-1":["Environments-1",{"Only":"Environments-2"}]}}')"#,
    );
    assert_eq!(
        told(&server.found()),
        [("Tenant", "$.ProjectEnvironments[*][*].Only", Form::Id, "Environment", 1)]
    );
}

#[test]
fn a_partial_export_looks_at_what_it_takes() {
    let server = Server::new();
    server.process(1, r#"{"My":"Environments-2"}"#);
    server.process(2, r#"{"Other":"Environments-2"}"#);
    let report = server.export(&octopus(), &project("Web", None)).unwrap();
    // The environment itself is not in the bundle; its id is one all the same.
    assert_eq!(told(&report.undeclared), [("DeploymentProcess", "$.My", Form::Id, "Environment", 1)]);
}

#[test]
fn the_value_arrives_byte_for_byte() {
    let server = Server::new();
    let json = r#"{"By":{"Projects-1":"x"},"Comma":"Projects-1, Projects-2","My":"Projects-2","Pipe":"|Projects-2|Projects-1|"}"#;
    server.group(2, "Odd", json);
    assert_eq!(server.found().len(), 4);
    let target = server.folder.path().join("target.sqlite");
    drop(empty_octopus(&target));
    let db = Connection::open(&target).unwrap();
    // New ids must differ from the source's.
    db.execute("INSERT INTO KeyAllocation (CollectionName, Allocated) VALUES ('Project', 500), ('ProjectGroup', 500)", [])
        .unwrap();
    import(&server.out(), &target, &octopus(), None, overwrite());
    let arrived: (String, String) = db
        .query_row("SELECT Id, JSON FROM ProjectGroup WHERE Name = 'Odd'", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert!(arrived.0.starts_with("ProjectGroups-5"), "{arrived:?}");
    assert_eq!(arrived.1, json);
    // In the target they are ids of nothing.
    let again = try_export(
        &target,
        &octopus(),
        &server.folder.path().join("again.sealift"),
        &everything(None),
        WriterOptions::default(),
    );
    assert_eq!(told(&again.unwrap().undeclared), []);
}

#[test]
fn names_of_members_without_end_are_counted_and_not_listed() {
    let server = Server::new();
    let members: Vec<String> = (0..1500).map(|n| format!(r#""m{n:04}":"Projects-1""#)).collect();
    let long = format!(r#""{}":{{"Deep":"Projects-1"}}"#, "é".repeat(100_000));
    server.group(2, "Many", &format!("{{{},{long}}}", members.join(",")));
    let report = server.export(&octopus(), &everything(None)).unwrap();
    assert_eq!(report.undeclared.len(), 1000);
    assert_eq!(report.undeclared_beyond, 501);
    let notices = open(&server.out()).notices().unwrap();
    assert!(notices.iter().any(|n| n.kind.is_none() && n.text.contains("501 more")), "{:?}", notices.last());

    server.run("DELETE FROM ProjectGroup WHERE Name = 'Many'");
    server.group(2, "Long", &format!("{{{long}}}"));
    let found = server.found();
    assert_eq!(found.len(), 1);
    assert!(found[0].place.starts_with("$['ééé") && found[0].place.len() < 1100, "{}", found[0].place);
}

#[test]
fn strict_names_the_places_and_leaves_no_file() {
    let server = Server::new();
    let strict = ExportOptions { strict: true, ..everything(None) };
    server.export(&octopus(), &strict).unwrap();
    std::fs::remove_file(server.out()).unwrap();
    server.group(2, "Odd", r#"{"My":"Projects-2"}"#);
    let error = server.export(&octopus(), &strict).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 place of the documents holds ids of the server, and the model knows of no reference there"
    );
    let ExportError::Undeclared { found, beyond, .. } = error else { panic!("{error}") };
    assert_eq!((told(&found), beyond), (vec![("ProjectGroup", "$.My", Form::Id, "Project", 1)], 0));
    let left: Vec<_> =
        std::fs::read_dir(server.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["source.sqlite"]);
}

/// The model knows every place that the demo, the generator and the real data use.
#[test]
fn servers_that_the_model_describes_have_none() {
    let folder = folder();
    let demo = folder.path().join("demo");
    assert_eq!(sealift(&["demo", text(&demo)]).status.code(), Some(0));
    let random = folder.path().join("random.sqlite");
    generator::generate(&mut empty_octopus(&random), 5, 120, 0, &key(1));
    let corpus = folder.path().join("corpus.sqlite");
    generator::corpus(&mut empty_octopus(&corpus), 300, 1, None);
    let mut servers = vec![
        (demo.join("build.sqlite"), octopus()),
        (demo.join("production.sqlite"), octopus()),
        (random, octopus()),
        (corpus, octopus()),
    ];
    servers.extend(data("octopus-library.sqlite").map(|path| (path, octopus())));
    servers.extend(data("chinook.sqlite").map(|path| (path, chinook())));
    for (number, (path, model)) in servers.iter().enumerate() {
        let out = folder.path().join(format!("{number}.sealift"));
        let masked = ExportOptions { secrets: ServerSecrets::Mask, ..everything(None) };
        let report = try_export(path, model, &out, &masked, WriterOptions::default()).unwrap();
        assert_eq!(told(&report.undeclared), [], "{}", path.display());
    }
}

fn sealift(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealift")).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_command_lists_the_places_and_strict_fails() {
    let server = Server::new();
    let members: Vec<String> = (0..25).map(|n| format!(r#""m{n:02}":"Projects-1""#)).collect();
    server.group(2, "Many", &format!("{{{}}}", members.join(",")));
    let (address, out) = (format!("sqlite:{}", text(&server.path)), server.out());
    let export = ["export", &address, "-o", text(&out), "--no-secrets"];
    let run = sealift(&export);
    let told = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(0), "{told}");
    assert!(told.contains("1 in ProjectGroup $.m00: Project (in Default / Many: Projects-1)"), "{told}");
    assert!(
        told.contains("$.m19") && !told.contains("$.m20") && told.contains("and 5 more places"),
        "{told}"
    );
    let info = String::from_utf8(sealift(&["info", text(&out)]).stdout).unwrap();
    assert!(info.contains("$.m24"), "{info}");
    std::fs::remove_file(&out).unwrap();

    for command in [
        &export[..],
        &["partial-export", export[1], "-o", export[3], "--no-secrets", "--include", "ProjectGroup/Many"],
    ] {
        let run = sealift(&[command, &["--strict"]].concat());
        let (told, error) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
        assert_eq!(run.status.code(), Some(3), "{error}");
        assert!(
            told.contains("$.m00") && error.contains("25 places of the documents hold"),
            "{told}\n{error}"
        );
        assert!(error.contains("hint:") && error.contains("--model"), "{error}");
        assert!(!out.exists());
    }

    let run = sealift(&[&export[..], &["--strict", "--json"]].concat());
    assert_eq!(run.status.code(), Some(3));
    let told: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let first = &told["undeclared_references"][0];
    assert_eq!(told["undeclared_references"].as_array().unwrap().len(), 25);
    assert_eq!(
        (&first["place"], &first["to"], &first["count"]),
        (&"$.m00".into(), &"Project".into(), &1.into())
    );
    assert_eq!(first["example"]["id"], "Projects-1");
    let run = sealift(&[&export[..], &["--json"]].concat());
    let listed: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(listed["undeclared_references"], told["undeclared_references"]);
}
