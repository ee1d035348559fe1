//! What was put into a list or taken out of it is shown as that: in plans, differences, and the records of imports, as
//! text, as JSON and as a page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use serde_json::{Value, json};
use stage::{Stage, TO, text};

/// The changes of one kind, as a plan or a record has them: place and sort.
fn changes(answer: &Value, list: &str, kind: &str) -> Vec<(String, String)> {
    let documents =
        answer[list].as_array().unwrap_or_else(|| panic!("{answer:#}")).iter().filter(|d| d["kind"] == kind);
    let changes = documents.flat_map(|d| d["changes"].as_array().cloned().unwrap_or_default());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    changes.map(|change| (text(&change["place"]), text(&change["change"]))).collect()
}

#[test]
fn one_variable_in_front_is_one_change_wherever_it_is_shown() {
    let stage = Stage::new();
    let import = ["import", "build.sealift", "--overwrite", "--yes", "--no-undo"];
    let whole = ["--policy", "*=overwrite"];
    stage.done(&[&import[..], &whole, &["--no-record"], &TO].concat());
    // The target gets a variable in front of those of one set, some of which share a name; and a step in a process.
    let in_front = |table: &str, list: &str, element: Value, which: &str| {
        let sql = format!(
            "UPDATE {table} SET JSON = json_set(JSON, '$.{list}', json((SELECT json_group_array(json(v)) FROM
               (SELECT '{element}' AS v UNION ALL SELECT value FROM json_each({table}.JSON, '$.{list}'))))) WHERE {which}"
        );
        assert_eq!(stage.sql(&sql), 1, "{sql}");
    };
    let most = |table: &str, list: &str| {
        format!("Id = (SELECT Id FROM {table} ORDER BY json_array_length(JSON, '$.{list}') DESC, Id LIMIT 1)")
    };
    let variable = json!({ "Id": "aaaaaaaa-0000-0000-0000-000000000001", "Name": "In front", "Value": "1", "Type": "String", "Scope": {} });
    in_front("VariableSet", "Variables", variable, &most("VariableSet", "Variables"));
    let step = json!({ "Id": "aaaaaaaa-0000-0000-0000-000000000002", "Name": "In front", "Properties": {}, "Actions": [] });
    in_front("DeploymentProcess", "Steps", step, &most("DeploymentProcess", "Steps"));

    let removed = |list: &str| vec![(format!("$.{list}[0]"), "removed".to_owned())];
    let plan = stage.done(&[&["plan", "build.sealift", "--json"][..], &whole, &TO].concat());
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(changes(&plan, "documents", "VariableSet"), removed("Variables"));
    assert_eq!(changes(&plan, "documents", "DeploymentProcess"), removed("Steps"));

    let sides = [
        "diff",
        "build.sealift",
        "sqlite:production.sqlite",
        "--only",
        "VariableSet",
        "--only",
        "DeploymentProcess",
    ];
    let out = stage.run(&sides);
    let told = text(&out.stdout);
    assert!(told.contains("$.Variables[0]: + ") && told.contains("$.Steps[0]: + "), "{told}");
    let places = told.lines().filter(|line| line.trim_start().starts_with("$.")).count();
    assert_eq!(places, 2, "{told}");

    stage.done(&[&import[..], &whole, &["--record", "r.json"], &TO].concat());
    let record: Value = serde_json::from_slice(&std::fs::read(stage.at("r.json")).unwrap()).unwrap();
    assert_eq!(changes(&record, "documents", "VariableSet"), removed("Variables"));
    let page = text(&std::fs::read(stage.at("r.html")).unwrap());
    assert_eq!(page.matches("$.Variables[").count(), 1, "{page}");
    assert_eq!(page.matches("$.Steps[").count(), 1);
}

/// The option is in the plan, the saved plan and the record; what is left out is in all of them.
#[test]
fn values_that_are_left_out_are_in_plan_and_record() {
    let stage = Stage::new();
    stage.sql("ALTER TABLE DeploymentEnvironment DROP COLUMN SortOrder");
    let plan = ["plan", "build.sealift"];
    let refused =
        stage.refused(&[&plan[..], &TO].concat(), 4, "--omit-missing-columns leaves these values out");
    assert_eq!(refused.matches("STOP").count(), 1, "{refused}");
    let omit = ["--omit-missing-columns"];
    let told = stage.done(&[&plan[..], &omit, &["-o", "p.plan"], &TO].concat());
    assert!(told.contains("SortOrder, which the target's table DeploymentEnvironment lacks"), "{told}");
    assert!(stage.done(&["show", "p.plan"]).contains("SortOrder, which the target's table"), "{told}");
    let apply = ["apply", "p.plan", "build.sealift", "--yes", "--undo", "u.undo", "--record", "r.json"];
    stage.done(&[&apply[..], &TO].concat());
    let record = text(&std::fs::read(stage.at("r.json")).unwrap());
    assert!(
        record.contains("--omit-missing-columns") && record.contains("SortOrder, which the target's table"),
        "{record}"
    );
    let told = stage
        .done(&[&["import", "build.sealift", "--yes", "--no-undo", "--no-record"][..], &omit, &TO].concat());
    assert!(told.contains("nothing to "), "{told}");
    stage.done(&[&["undo", "u.undo", "--yes", "--no-undo", "--no-record"][..], &TO[..4]].concat());
}
