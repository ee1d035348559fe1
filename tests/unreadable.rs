//! Damaged rows and secrets of a source: an export names them and stops, or leaves them out, lists them, and does not say
//! that it carries all of their kinds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/little.rs"]
mod little;
#[path = "support/stage.rs"]
mod stage;
mod support;

use little::{Pair, both, variable};
use sealift::bundle::{Extent, Notice};
use sealift::ops::{ExportError, ExportOptions, ExportReport};
use sealift::plan::Action;
use serde_json::{Value as Json, json};
use stage::{Stage, TO, text};
use support::*;

fn leaving_out(pair: &Pair) -> ExportOptions<'_> {
    ExportOptions { skip_unreadable: true, ..everything(Some(&pair.source.key)) }
}

fn account(pair: &Pair, number: u32, name: &str, token: &str) {
    let id = pair.source.id("Accounts", number);
    pair.source.add("Account", json!({ "Id": id, "Name": name, "AccountType": "Token", "Token": token }));
}

fn report(pair: &Pair, options: &ExportOptions<'_>) -> (ExportReport, std::path::PathBuf) {
    let file = pair.bundle();
    (try_export(&pair.source.path, &octopus(), &file, options, sealed()).unwrap(), file)
}

fn unreadable(bundle: &std::path::Path) -> Vec<Notice> {
    let mut notices = open(bundle).notices().unwrap();
    notices.retain(|notice| notice.code == "unreadable");
    notices
}

#[test]
fn damaged_rows_and_secrets_are_left_out_by_name_and_recorded() {
    both(|pair| {
        account(pair, 1, "Good", &pair.source.secret("fine"));
        account(pair, 2, "Other key", &key(3).encrypt(&"x".to_owned().into()).unwrap());
        account(pair, 3, "No cipher", "plain text");
        let group = pair.source.id("ProjectGroups", 9);
        pair.source.add("ProjectGroup", json!({ "Id": group, "Name": "Odd" }));
        pair.source.run("UPDATE ProjectGroup SET JSON = '{\"a\":[' WHERE Name = 'Odd'");

        let file = pair.bundle();
        let error =
            try_export(&pair.source.path, &octopus(), &file, &everything(Some(&pair.source.key)), sealed());
        let ExportError::Malformed(faults) = error.unwrap_err() else { panic!("another error") };
        assert_eq!(faults.total(), 3);

        let (report, bundle) = report(pair, &leaving_out(pair));
        let mut told: Vec<String> =
            report.unreadable.iter().map(|u| format!("{} {}", u.kind, u.id)).collect();
        told.sort();
        let process = format!("ProjectGroup {group}");
        let accounts = [2, 3].map(|number| format!("Account {}", pair.source.id("Accounts", number)));
        assert_eq!(told, [&accounts[..], &[process]].concat());

        let notices = unreadable(&bundle);
        let of = |id: &str| notices.iter().find(|n| n.value.as_deref() == Some(id)).unwrap();
        let other = of(&pair.source.id("Accounts", 2));
        assert_eq!((other.kind.as_deref(), other.place.as_deref()), (Some("Account"), Some("$.Token")));
        assert!(other.key.as_ref().unwrap().contains("Other key") && other.text.contains("does not decrypt"));
        assert!(notices.iter().all(|notice| !notice.text.contains("plain text")), "{notices:?}");

        for coverage in open(&bundle).coverage().unwrap() {
            let whole = matches!(coverage.extent, Extent::Whole { .. });
            let damaged = ["Account", "ProjectGroup"].contains(&coverage.kind.as_str());
            assert_eq!(whole, !damaged, "{coverage:?}");
        }
        pair.import(&bundle, &overwrite());
        assert_eq!(pair.target.reveal(&pair.target.named("Account", "Good")["Token"]), "fine");
        assert_eq!(pair.target.count("Account"), 1);
    });
}

/// Whichever secret is read first: the key is only wrong where nothing decrypts at all.
#[test]
fn many_damaged_secrets_before_the_first_good_one_are_left_out_too() {
    both(|pair| {
        for number in 1..=20 {
            account(pair, number, &format!("A {number}"), &key(3).encrypt(&"x".to_owned().into()).unwrap());
        }
        let project = pair.source.project(1, "Web");
        let set = json!([variable("Late", "Sensitive", &pair.source.secret("good"), json!({}))]);
        pair.source.variable_set(&format!("variableset-{project}"), &project, false, set);
        let (found, bundle) = report(pair, &leaving_out(pair));
        assert_eq!(found.unreadable.len(), 20);
        pair.import(&bundle, &overwrite());
        assert_eq!(pair.target.count("Account"), 0);
        assert_eq!(pair.target.reveal(&pair.target.variable("Project", "Web", "Late")["Value"]), "good");
    });
}

#[test]
fn a_wrong_key_is_no_damage() {
    both(|pair| {
        account(pair, 1, "A", &pair.source.secret("x"));
        account(pair, 2, "B", &pair.source.secret("y"));
        let (wrong, file) = (key(3), pair.bundle());
        let options = ExportOptions { skip_unreadable: true, ..everything(Some(&wrong)) };
        let error = try_export(&pair.source.path, &octopus(), &file, &options, sealed()).unwrap_err();
        assert!(error.to_string().contains("the master key is not this server's"), "{error}");
        assert!(!file.exists());
    });
}

/// What the bundle lacks was at the source.
#[test]
fn prune_deletes_nothing_of_a_kind_that_lacks_documents() {
    both(|pair| {
        for number in 1..=2 {
            account(pair, number, &format!("A {number}"), &pair.source.secret("x"));
        }
        pair.carry();
        let gone = pair.source.id("Accounts", 1);
        pair.source.run(&format!("UPDATE Account SET JSON = '[' WHERE Id = '{gone}'"));
        pair.source.run("DELETE FROM DeploymentEnvironment WHERE Name = 'Prod'");
        let (_, bundle) = report(pair, &leaving_out(pair));
        let prune = sealift::ops::ImportOptions { prune: true, ..overwrite() };
        let plan = plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), prune);
        assert_eq!(plan.findings, []);
        let deleted: Vec<&str> = plan
            .entries
            .iter()
            .filter(|entry| entry.action == Action::Delete)
            .map(|entry| entry.kind.as_str())
            .collect();
        assert_eq!(deleted, ["Environment"]);
        let told = plan.notices.iter().any(|notice| notice.contains("--prune deletes no Account"));
        assert!(told, "{:?}", plan.notices);
    });
}

#[test]
fn a_partial_export_does_not_answer_for_what_it_lacks() {
    both(|pair| {
        let project = pair.source.project(1, "Web");
        pair.source.run(&format!("UPDATE DeploymentProcess SET JSON = '!' WHERE OwnerId = '{project}'"));
        let options = ExportOptions { skip_unreadable: true, ..project_options(pair) };
        let (found, bundle) = report(pair, &options);
        assert_eq!(found.unreadable.len(), 1);
        let coverage = open(&bundle).coverage().unwrap();
        let process: Vec<_> = coverage.iter().filter(|c| c.kind == "DeploymentProcess").collect();
        assert!(process.iter().all(|c| matches!(c.extent, Extent::Part { .. })), "{process:?}");
        let sets = coverage.iter().filter(|c| c.kind == "VariableSet");
        assert!(sets.into_iter().any(|c| matches!(c.extent, Extent::Belonging { .. })), "{coverage:?}");
    });
}

fn project_options(pair: &Pair) -> ExportOptions<'_> {
    project("Web", Some(&pair.source.key))
}

fn damage(stage: &Stage, file: &str, sql: &str) {
    let changed = rusqlite::Connection::open(stage.at(file)).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

const SOURCE: [&str; 5] =
    ["sqlite:build.sqlite", "--master-key-file", "build.key", "--password-file", "password"];

#[test]
fn the_command_hints_at_the_option_lists_what_it_leaves_out_and_exits_with_3() {
    let stage = Stage::new();
    damage(&stage, "build.sqlite", "UPDATE Account SET JSON = '{' WHERE Name = 'Kube Token'");
    let export = |more: &[&str]| stage.run(&[&["export", "-o", "out.sealift"], &SOURCE[..], more].concat());
    let out = export(&[]);
    let told = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(told.contains("Account") && told.contains("--skip-unreadable"), "{told}");
    assert!(!stage.at("out.sealift").exists());

    let out = export(&["--skip-unreadable"]);
    let told = text(&out.stdout);
    assert_eq!(out.status.code(), Some(3), "{told}{}", text(&out.stderr));
    assert!(told.contains("documents that cannot be read") && told.contains("Kube Token"), "{told}");
    let info: Json = serde_json::from_str(&stage.done(&["info", "out.sealift", "--json"])).unwrap();
    let notices = info["notices"].as_array().unwrap();
    assert!(notices.iter().any(|notice| notice["code"] == "unreadable"), "{notices:?}");
    stage.done(
        &[&["import", "out.sealift", "--yes", "--overwrite", "--no-undo", "--no-record"], &TO[..]].concat(),
    );
}

/// A document that one server cannot show is neither missing there nor equal.
#[test]
fn a_comparison_does_not_call_what_it_cannot_read_missing() {
    let stage = Stage::new();
    std::fs::copy(stage.at("build.sqlite"), stage.at("copy.sqlite")).unwrap();
    damage(&stage, "copy.sqlite", "UPDATE Account SET JSON = '{' WHERE Name = 'Kube Token'");
    let diff = |left: &str, right: &str, more: &[&str]| {
        let out = stage.run(&[&["diff", left, right, "--json"], more].concat());
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let (code, _, told) = diff("sqlite:build.sqlite", "sqlite:copy.sqlite", &[]);
    assert!(code == Some(1) && told.contains("--skip-unreadable"), "{told}");
    for (left, right, at) in
        [("sqlite:build.sqlite", "sqlite:copy.sqlite", 1), ("sqlite:copy.sqlite", "sqlite:build.sqlite", 0)]
    {
        let (code, shown, told) = diff(left, right, &["--skip-unreadable"]);
        assert_eq!(code, Some(3), "{shown}{told}");
        let answer: Json = serde_json::from_str(&shown).unwrap();
        assert_eq!(answer["documents"], json!([]));
        let documents = &answer["unreadable"][at]["documents"];
        assert!(documents[0]["kind"] == "Account" && documents.as_array().unwrap().len() == 1, "{shown}");
    }
}

/// What a folder has of a document that cannot be read now is the last copy of it.
#[test]
fn a_folder_keeps_what_could_not_be_read() {
    let stage = Stage::new();
    let export = |more: &[&str]| {
        let out = stage.run(&[&["export", "-o", "tree/"], &SOURCE[..], more].concat());
        (out.status.code(), text(&out.stderr))
    };
    assert_eq!(export(&[]).0, Some(0));
    let about = std::fs::read_to_string(stage.at("tree/sealift.json")).unwrap();
    let path = about.split('"').find(|text| text.ends_with("Kube Token.json")).unwrap();
    let file = stage.at("tree").join(path);
    let files = || std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    let before = files();
    assert!(file.exists());
    damage(&stage, "build.sqlite", "UPDATE Account SET JSON = '{' WHERE Name = 'Kube Token'");
    let (code, told) = export(&["--skip-unreadable"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("1 documents would be removed") && told.contains("Kube Token.json"), "{told}");
    assert!(told.contains("--replace"), "{told}");
    assert_eq!(files(), before);
    // One whose name nobody can read may be any of its kind; its id was known.
    damage(&stage, "build.sqlite", "UPDATE Account SET Name = x'ff' WHERE Name = 'Kube Token'");
    assert_eq!(export(&["--skip-unreadable"]).0, Some(1));
    assert_eq!(files(), before);
    assert_eq!(export(&["--skip-unreadable", "--replace"]).0, Some(3));
    assert!(!file.exists() && files() == before - 1);
}

#[test]
fn prune_leaves_what_belongs_to_documents_that_stay() {
    both(|pair| {
        for (number, name) in [(1, "Web"), (2, "Odd")] {
            let project = pair.source.project(number, name);
            pair.source.variable_set(&format!("variableset-{project}"), &project, false, json!([]));
        }
        pair.carry();
        // Only the target has the one now, and the other cannot be read.
        let web = pair.source.id_of("Project", "Web");
        for (table, column) in [
            ("Project", "Id"),
            ("VariableSet", "OwnerId"),
            ("DeploymentProcess", "OwnerId"),
            ("Channel", "ProjectId"),
        ] {
            pair.source.run(&format!("DELETE FROM {table} WHERE {column} = '{web}'"));
        }
        let (_, whole) = report(pair, &leaving_out(pair));
        let prune = || sealift::ops::ImportOptions { prune: true, ..overwrite() };
        let gone = |bundle: &std::path::Path| -> Vec<String> {
            let plan = plan(bundle, &pair.target.path, &octopus(), Some(&pair.target.key), prune());
            assert_eq!(plan.findings, []);
            let deleted = plan.entries.iter().filter(|entry| entry.action == Action::Delete);
            deleted.map(|entry| entry.kind.to_string()).collect()
        };
        let all = gone(&whole);
        assert!(all.contains(&"Project".to_owned()) && all.contains(&"VariableSet".to_owned()), "{all:?}");
        pair.source.run("UPDATE Project SET JSON = '[' WHERE Name = 'Odd'");
        let (_, bundle) = report(pair, &leaving_out(pair));
        assert_eq!(gone(&bundle), [] as [&str; 0], "Web stays, with all that it has");
    });
}

/// Text in no known encoding is the fault of its row, in whatever column it stands.
#[test]
fn text_that_is_not_utf_8_is_told_by_its_row_and_left_out() {
    for (row, sql) in [
        (
            "Account Accounts-1",
            "UPDATE Account SET JSON = CAST(x'7b2241223a22ff227d' AS TEXT) WHERE Id = 'Accounts-1'",
        ),
        (
            "Account Accounts-1",
            "UPDATE Account SET AccountType = CAST(x'41ff42' AS TEXT) WHERE Id = 'Accounts-1'",
        ),
        ("Account Accounts-1", "UPDATE Account SET Name = CAST(x'41ff42' AS TEXT) WHERE Id = 'Accounts-1'"),
        (
            "Account Accounts-1",
            "UPDATE Account SET EnvironmentIds = CAST(x'7cff7c' AS TEXT) WHERE Id = 'Accounts-1'",
        ),
        ("row of Account", "UPDATE Account SET Id = CAST(x'41ff42' AS TEXT) WHERE Id = 'Accounts-1'"),
        ("row of Account", "UPDATE Account SET Id = CAST(x'ff' AS TEXT) WHERE Id = 'Accounts-1'"),
    ] {
        let stage = Stage::new();
        std::fs::copy(stage.at("build.sqlite"), stage.at("copy.sqlite")).unwrap();
        damage(&stage, "build.sqlite", sql);
        let export =
            |more: &[&str]| stage.run(&[&["export", "-o", "out.sealift"], &SOURCE[..], more].concat());
        let out = export(&[]);
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{sql}: {told}");
        assert!(told.contains(row) && told.contains("--skip-unreadable"), "{sql}: {told}");
        let out = export(&["--skip-unreadable"]);
        assert_eq!(out.status.code(), Some(3), "{sql}: {}", text(&out.stderr));
        assert!(text(&out.stdout).contains(row), "{sql}: {}", text(&out.stdout));
        let count = |file: &str| stage.done(&["list", file, "Account"]).lines().count();
        assert_eq!(count("out.sealift"), count("build.sealift") - 1, "{sql}");
        let sides = ["diff", "sqlite:copy.sqlite", "sqlite:build.sqlite", "--skip-unreadable"];
        let told = stage.run(&sides);
        assert_eq!(told.status.code(), Some(3), "{sql}: {}", text(&told.stderr));
        // A target that holds such a row is told of by name as well.
        let key = ["--master-key-file", "build.key", "--password-file", "password"];
        let plan = stage.run(
            &[&["plan", "build.sealift", "--to", "sqlite:build.sqlite", "--overwrite"][..], &key].concat(),
        );
        let told = [text(&plan.stdout), text(&plan.stderr)].concat();
        assert!(!told.contains("cannot hold text"), "{sql}: {told}");
    }
}

/// Nothing is damaged: the format has limits, and one document of the server is beyond them.
#[test]
fn documents_beyond_the_limits_of_the_format_are_named_and_left_out() {
    let values = format!("{{\"A\":[{}0]}}", "0,".repeat(1_100_000));
    for (sql, why) in [
        ("UPDATE Account SET Name = printf('%.*c', 70000, 'x') WHERE Id = 'Accounts-1'".to_owned(), "a key"),
        (format!("UPDATE Account SET JSON = '{values}' WHERE Id = 'Accounts-1'"), "values"),
    ] {
        let stage = Stage::new();
        damage(&stage, "build.sqlite", &sql);
        let export =
            |more: &[&str]| stage.run(&[&["export", "-o", "out.sealift"], &SOURCE[..], more].concat());
        let out = export(&[]);
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{told}");
        assert!(told.contains("Account Accounts-1") && told.contains(why), "{told}");
        assert!(told.contains("--skip-unreadable") && !told.contains("sealift verify"), "{told}");
        assert!(told.len() < 10_000, "{told}");
        let out = export(&["--skip-unreadable"]);
        assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
        assert!(text(&out.stdout).contains("Account Accounts-1") && out.stdout.len() < 10_000);
        stage.done(&["verify", "out.sealift"]);
    }
}
