//! `model show` and `model check`: what they say is what the model says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use sealift::model::Model;
use serde_json::{Value as Json, json};
use support::{chinook, folder, octopus};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealift")).args(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let out = run(args);
    assert_eq!(out.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn json_of(args: &[&str]) -> Json {
    serde_json::from_str(&stdout(&[args, &["--json"]].concat())).unwrap()
}

fn refuse(args: &[&str], code: i32) -> String {
    let out = run(args);
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{error}");
    assert!(out.stdout.is_empty());
    error
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).display().to_string()
}

/// The rows of a section of `model show KIND`, without its title and head.
fn section<'t>(text: &'t str, title: &str) -> Vec<&'t str> {
    let start = text.lines().skip_while(|line| !line.starts_with(&format!("  {title} ("))).skip(2);
    start.take_while(|line| line.starts_with("    ")).map(str::trim).collect()
}

#[test]
fn the_overview_lists_every_kind_and_every_table_that_stays_behind() {
    let model = octopus();
    let text = stdout(&["model", "show"]);
    assert!(text.starts_with(&format!("Octopus Deploy ({} kinds)\n", model.kinds().len())), "{text}");
    let json = json_of(&["model", "show"]);
    assert_eq!((&json["model"], &json["title"]), (&json!("octopus"), &json!("Octopus Deploy")));
    assert_eq!(json["kinds"].as_array().unwrap().len(), model.kinds().len());
    for (kind, line) in model.kinds().iter().zip(json["kinds"].as_array().unwrap()) {
        let name = kind.name.as_str();
        let count = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
        let counts = [kind.references.len(), kind.secrets.len(), kind.merges.len()].map(count);
        let row: Vec<&str> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.first() == Some(&name))
            .unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        assert_eq!(row[1..5], [&kind.table, &counts[0], &counts[1], &counts[2]], "{name}");
        assert_eq!((&line["kind"], &line["table"]), (&json!(name), &json!(kind.table)));
        assert_eq!(line["references"], kind.references.len(), "{name}");
        assert_eq!(line["secrets"], kind.secrets.len(), "{name}");
        assert_eq!(line["merges"], kind.merges.len(), "{name}");
    }
    let left: Vec<Json> = model.left.iter().map(|l| json!({ "table": l.table, "why": l.why })).collect();
    assert!(!left.is_empty());
    assert_eq!(json["tables_left_out"], json!(left));
    for table in &model.left {
        let says = |line: &str| line.trim_start().starts_with(&table.table) && line.ends_with(&table.why);
        assert!(text.lines().any(says), "{table:?}\n{text}");
    }
}

#[test]
fn keys_are_told_as_paths() {
    let json = json_of(&["model", "show"]);
    let path = |name: &str| {
        let kinds = json["kinds"].as_array().unwrap();
        let kind = kinds.iter().find(|kind| kind["kind"] == name).unwrap();
        kind["path"].as_str().unwrap().to_owned()
    };
    assert_eq!(path("Space"), "Name");
    assert_eq!(path("Project"), "Space / Name");
    assert_eq!(path("Channel"), "Space / Project / Name");
    assert_eq!(path("RunbookProcess"), "Space / Project / Runbook");
    assert_eq!(
        path("VariableSet"),
        "Project or LibraryVariableSet or Environment or Deployment or RunbookRun"
    );
    // Three columns within one space name it once.
    assert!(path("TenantVariable").starts_with("Space / Tenant / Project or LibraryVariableSet / "));
    let text = stdout(&["model", "show", "Channel"]);
    assert!(text.contains("Space / Project / Name  (columns ProjectId, Name)"), "{text}");
}

#[test]
fn a_kind_is_shown_whole_whatever_the_case_of_its_name() {
    let json = json_of(&["model", "show", "VariableSet"]);
    assert_eq!(json, json_of(&["model", "show", "variableset"]));
    assert_eq!(stdout(&["model", "show", "VARIABLESET"]), stdout(&["model", "show", "VariableSet"]));

    let model = octopus();
    let kind = model.kind("VariableSet").unwrap();
    let places = |list: &str| -> Vec<String> {
        json[list].as_array().unwrap().iter().map(|rule| rule["at"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(places("references"), kind.references.iter().map(|r| r.at.text.clone()).collect::<Vec<_>>());
    assert_eq!(places("secrets"), kind.secrets.iter().map(|r| r.at.text.clone()).collect::<Vec<_>>());
    assert_eq!(places("derived"), ["RelatedDocumentIds"]);
    assert_eq!(places("local"), ["Version"]);
    assert_eq!(places("parts"), ["$.Variables[*]"]);
    assert_eq!(places("merges"), ["$.Variables"]);

    assert_eq!(json["table"], "VariableSet");
    assert_eq!(
        (&json["id"]["new"], &json["id"]["pattern"]),
        (&json!("compose"), &json!("variableset-{OwnerId}"))
    );
    let owners = json!(["Project", "LibraryVariableSet", "Environment", "Deployment", "RunbookRun"]);
    assert_eq!(json["key"]["columns"], json!([{ "column": "OwnerId", "optional": false, "to": owners }]));
    assert_eq!(json["rows"], json!([{ "column": "IsFrozen", "equals": [false] }]));
    let reference = |at: &str| {
        let found = json["references"].as_array().unwrap().iter().find(|r| r["at"] == at);
        found.unwrap_or_else(|| panic!("{at}")).clone()
    };
    let owner = reference("OwnerId");
    assert_eq!(
        (&owner["to"], &owner["required"], &owner["missing"]),
        (&owners, &json!(true), &json!("skip"))
    );
    let project = reference("$.Variables[*].Scope.Project[*]");
    assert_eq!((&project["follow"], &project["missing"]), (&json!(false), &json!("drop")));
    assert_eq!(json["comes_with"][0], json!({ "kind": "Project", "at": "OwnerId" }));
    assert_eq!(json["merges"][0]["by"], json!(["Name", "Scope"]));
    assert_eq!(json["local"][0], json!({ "at": "Version", "initial": 0, "update": "increment" }));
}

#[test]
fn the_text_of_a_kind_has_every_place_and_both_ends_of_each_reference() {
    for model_kind in octopus().kinds() {
        let text = stdout(&["model", "show", model_kind.name.as_str()]);
        let rows = section(&text, "refers to");
        assert_eq!(rows.len(), model_kind.references.len(), "{text}");
        for (row, rule) in rows.iter().zip(&model_kind.references) {
            assert!(row.contains(&rule.at.text), "{row}\n{}", rule.at.text);
            assert_eq!(row.contains("leaves it"), !rule.follow, "{row}");
            assert_eq!(row.contains("(required"), rule.required, "{row}");
        }
        let rows = section(&text, "secrets");
        assert_eq!(rows.len(), model_kind.secrets.len(), "{text}");
        for (row, rule) in rows.iter().zip(&model_kind.secrets) {
            assert!(row.ends_with(&rule.at.text), "{row}");
        }
    }
    // Tags are parts of tag sets: what names a tag refers to the set.
    let text = stdout(&["model", "show", "TagSet"]);
    let machine = ["Machine", "TenantTags"];
    let links = section(&text, "referred to by");
    assert!(links.iter().any(|row| row.split_whitespace().eq(machine)), "{text}");
    let text = stdout(&["model", "show", "Environment"]);
    assert!(section(&text, "brings along").iter().any(|row| row.starts_with("Machine ")), "{text}");
    let text = stdout(&["model", "show", "Feed"]);
    assert!(
        text.contains("  fixed ids      feeds-builtin, feeds-builtin-releases, octopus-server-built-in\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "whatever its id, meant by feeds-builtin, feeds-builtin-releases, octopus-server-built-in\n"
        ),
        "{text}"
    );
    assert!(text.contains("Feeds-<n>, numbers of Feed"), "{text}");
}

#[test]
fn another_model_is_shown_as_well() {
    let file = fixture("chinook.toml");
    let json = json_of(&["model", "show", "--model", &file]);
    assert_eq!(json["model"], "chinook");
    assert_eq!(json["kinds"].as_array().unwrap().len(), chinook().kinds().len());
    let album = json_of(&["--model", &file, "model", "show", "album"]);
    assert_eq!(album["key"]["path"], "Artist / Title");
    assert_eq!((&album["id"]["new"], &album["body"]), (&json!("next"), &Json::Null));
    refuse(&["model", "show", "VariableSet", "--model", &file], 2);
    assert_eq!(
        stdout(&["model", "show", "--toml", "--model", &file]).trim_end(),
        std::fs::read_to_string(&file).unwrap().trim_end()
    );

    let file = fixture("shop.toml");
    let text = stdout(&["model", "show", "Project", "--model", &file]);
    assert!(section(&text, "stays on its server").contains(&"Edits  get 0          count it up"), "{text}");
    assert!(section(&text, "rebuilt")[0].ends_with("every reference in the JSON"), "{text}");
    assert!(section(&text, "secrets").contains(&"plain      $.Hash"), "{text}");
    let text = stdout(&["model", "show", "Team", "--model", &file]);
    assert_eq!(section(&text, "merged"), ["Members  the elements of both"]);
}

#[test]
fn the_model_file_is_printed_as_it_is() {
    let text = stdout(&["model", "show", "--toml"]);
    assert_eq!(Model::parse(&text, "printed").unwrap().kinds().len(), octopus().kinds().len());
    assert!(text.contains("# THE LANGUAGE"));
    let json = json_of(&["model", "show", "--toml"]);
    assert_eq!(json["toml"], sealift::model::OCTOPUS_TOML);
    refuse(&["model", "show", "Project", "--toml"], 2);
}

#[test]
fn a_kind_that_is_not_there_is_named_and_a_part_leads_to_its_owner() {
    let error = refuse(&["model", "show", "Projekt"], 2);
    assert!(error.contains("no kind \"Projekt\"") && error.contains("sealift model show"), "{error}");
    let error = refuse(&["model", "show", "tag"], 2);
    assert!(error.contains("sealift model show TagSet"), "{error}");
}

#[test]
fn a_sound_model_file_is_counted() {
    let file = fixture("shop.toml");
    let model = Model::load(Path::new(&file)).unwrap();
    let text = stdout(&["model", "check", &file]);
    let counts = [
        format!("{file}: {} kinds, ", model.kinds().len()),
        format!(" {} references, ", model.kinds().iter().map(|k| k.references.len()).sum::<usize>()),
        format!(" {} tables left behind\n", model.left.len()),
    ];
    for count in counts {
        assert!(text.contains(&count), "{count}\n{text}");
    }
    let json = json_of(&["model", "check", &file]);
    assert_eq!((&json["sound"], &json["kinds"]), (&json!(true), &json!(model.kinds().len())));
}

#[test]
fn a_broken_model_file_is_named_with_its_line() {
    let folder = folder();
    let file = folder.path().join("broken.toml");
    let path = file.to_str().unwrap();
    let text = std::fs::read_to_string(fixture("shop.toml")).unwrap();
    let line = 1 + text.lines().position(|line| line == "to = \"Env\"").unwrap();
    std::fs::write(&file, text.replacen("to = \"Env\"", "to = \"Nowhere\"", 1)).unwrap();
    let error = refuse(&["model", "check", path], 1);
    assert!(error.contains(&format!("{path}:{line}: there is no kind \"Nowhere\"")), "{error}");

    let out = run(&["model", "check", path, "--json"]);
    assert_eq!(out.status.code(), Some(1));
    let json: Json = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&json["sound"], &json["line"]), (&json!(false), &json!(line)));
    assert_eq!(json["problem"], "there is no kind \"Nowhere\"");
    // Where a wrong model is only in the way, it is wrong usage, as for any command.
    assert!(refuse(&["model", "show", "--model", path], 2).contains(&format!("{path}:{line}: ")));

    let error = refuse(&["model", "check", folder.path().join("none.toml").to_str().unwrap()], 1);
    assert!(error.contains("none.toml"), "{error}");
}
