//! Documents that are skipped are counted and said, each reason once, wherever a plan is shown or carried out; only a
//! target that has all of it is said to have all of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use serde_json::Value;
use stage::{Stage, TO, text};

/// An import without questions, its undo and its record beside.
fn import(options: &[&'static str]) -> Vec<&'static str> {
    [&["import", "build.sealift", "--yes", "--no-undo", "--no-record"][..], options, &TO].concat()
}

fn plan(options: &[&'static str]) -> Vec<&'static str> {
    [&["plan", "build.sealift"][..], options, &TO].concat()
}

fn json(stage: &Stage, args: &[&str]) -> Value {
    serde_json::from_str(&stage.done(&[args, &["--json"]].concat())).unwrap()
}

/// The reasons with their counts; they are all that is skipped.
#[track_caller]
fn reasons(answer: &Value) -> Vec<(String, u64)> {
    let skipped = answer["skipped"].as_array().unwrap();
    let all = skipped.iter().map(|one| one["documents"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(Some(all), answer["counts"]["skip"].as_u64());
    skipped
        .iter()
        .map(|one| (one["reason"].as_str().unwrap().to_owned(), one["documents"].as_u64().unwrap()))
        .collect()
}

#[test]
fn what_is_left_out_by_name_or_by_list_is_not_in_the_target() {
    let stage = Stage::new();
    let list: String = stage.done(&plan(&["--overwrite", "--list"]));
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count() as u64;
    std::fs::write(stage.at("none.txt"), "# nothing of it\n").unwrap();
    let by_name = ("left out by --only or --except".to_owned(), lines);
    let by_list = ("left out by the list".to_owned(), lines);
    for (options, reason) in [(["--except", "*"], by_name), (["--use-list", "none.txt"], by_list)] {
        let expected = format!("  {} skipped: {}\n", reason.1, reason.0);
        let said = format!("nothing to write: all {lines} documents are skipped");
        let told = stage.done(&import(&options));
        assert!(told.contains(&expected) && told.contains(&said), "{told}");
        assert!(!told.contains("nothing to do") && !told.contains("holds all"), "{told}");
        let told = stage.done(&plan(&options));
        assert!(told.contains(&expected), "{told}");
        let answer = json(&stage, &import(&options));
        assert_eq!(answer["outcome"], "nothing-to-do");
        assert_eq!(reasons(&answer), std::slice::from_ref(&reason));
        assert_eq!(reasons(&json(&stage, &plan(&options))), [reason]);
    }
    // As a script and as a saved plan.
    let told = stage.done(&plan(&["--except", "*", "--sql", "s.sql", "-o", "p.plan"]));
    assert!(told.contains("documents are skipped; s.sql is not written"), "{told}");
    let shown = stage.done(&["show", "p.plan"]);
    assert!(shown.contains(&format!("  {lines} skipped: left out by --only or --except\n")), "{shown}");
    let apply = ["apply", "p.plan", "build.sealift", "--yes", "--no-undo", "--record", "r.json"];
    let told = stage.done(&[&apply[..], &TO].concat());
    assert!(told.contains("documents are skipped"), "{told}");
    let record: Value = serde_json::from_slice(&std::fs::read(stage.at("r.json")).unwrap()).unwrap();
    assert_eq!(reasons(&record), [("left out by --only or --except".to_owned(), lines)]);
    let page = text(&std::fs::read(stage.at("r.html")).unwrap());
    assert!(page.contains("documents are skipped") && !page.contains("held all"), "{page}");
}

#[test]
fn what_the_target_has_and_keeps_is_counted_by_reason() {
    let stage = Stage::new();
    stage.done(&import(&["--overwrite"]));
    let told = stage.done(&import(&["--overwrite"]));
    assert!(told.contains("nothing to do: in sqlite:production.sqlite all 232 documents are as"), "{told}");
    assert!(!told.contains("skipped"), "{told}");
    stage.sql("UPDATE DeploymentEnvironment SET JSON = replace(JSON, 'Heron', 'Owl')");
    let answer = json(&stage, &import(&[]));
    let [(reason, kept)] = reasons(&answer).try_into().unwrap();
    assert!(reason.contains("--overwrite") && kept > 0, "{reason}");
    let told = stage.done(&import(&[]));
    let said =
        format!("nothing to write: {kept} of 232 documents are skipped, and sqlite:production.sqlite has");
    assert!(told.contains(&said), "{told}");
    let told = stage.done(&import(&["--policy", "Environment=skip"]));
    assert!(told.contains(&format!("  {kept} skipped: the policy for Environment is skip\n")), "{told}");
    // Something is written and something is not.
    assert!(stage.sql("DELETE FROM Subscription") > 0);
    let dry = stage.done(&[&import(&["--policy", "Environment=skip"])[..], &["--dry-run"]].concat());
    assert!(dry.contains(&format!(", {kept} skipped\n")), "{dry}");
}

#[test]
fn kinds_that_are_not_compared_are_named_with_their_documents() {
    let stage = Stage::new();
    let sides = ["diff", "build.sealift", "sqlite:build.sqlite", "--exclude", "Environment"];
    let told = stage.done(&sides);
    let count = |kind: &str| {
        let list = stage.done(&["list", "build.sealift", kind]);
        list.lines().count() - 1
    };
    let environments = count("Environment");
    let expected = format!(
        "not compared: Environment, left out by --exclude (left side: {environments}, right side: {environments})\n"
    );
    assert!(told.contains(&expected), "{told}");
    let answer = json(&stage, &[&sides[..], &["--only", "Feed"]].concat());
    let answer = answer["not_compared"].as_array().unwrap();
    let of = |kind: &str| answer.iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("{kind}"));
    assert_eq!(of("Environment")["reason"], "left out by --exclude");
    assert_eq!(of("Project")["reason"], "left out by --only");
    assert_eq!(of("Project")["left"], count("Project") as u64);
    assert!(!answer.iter().any(|one| one["kind"] == "Feed"));
    // The bundle has none, since it was not asked for them.
    assert!(
        told.contains("not compared: Configuration, compared with --also only (left side: 0, "),
        "{told}"
    );
}
