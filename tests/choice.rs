//! Which documents an import takes, and what it does with those that the target has otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use serde_json::Value as Json;
use stage::{Stage, TO};

fn plan<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["plan", "build.sealift"][..], &TO, more].concat()
}

fn import<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["import", "build.sealift", "--yes", "--no-record", "--no-undo"][..], &TO, more].concat()
}

struct Planned(Vec<Json>);

impl Planned {
    #[track_caller]
    fn of(stage: &Stage, more: &[&str]) -> Self {
        // A plan with findings is a plan too.
        let out = stage.run(&[&plan(more)[..], &["--json"]].concat());
        assert!(matches!(out.status.code(), Some(0 | 4)), "{}", stage::text(&out.stderr));
        Self(serde_json::from_slice::<Json>(&out.stdout).unwrap()["documents"].as_array().unwrap().clone())
    }

    /// Kind, name and reason of the documents that an action meets.
    fn of_action(&self, action: &str) -> Vec<(String, String, String)> {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let met = self.0.iter().filter(|entry| entry["action"] == action);
        met.map(|entry| {
            let name = entry["key"].as_array().unwrap().last().unwrap();
            (text(&entry["kind"]), text(name), text(&entry["reason"]))
        })
        .collect()
    }

    fn writes(&self) -> Vec<(String, String, String)> {
        ["create", "update", "merge", "delete"].iter().flat_map(|action| self.of_action(action)).collect()
    }
}

#[test]
fn only_what_is_named_is_taken_and_what_is_excepted_is_not() {
    let stage = Stage::new();
    let all = Planned::of(&stage, &["--overwrite"]);
    let some = Planned::of(
        &stage,
        &["--overwrite", "--only", "Environment/Default / *", "--only", "lifecycle/default / *"],
    );
    let of = |kinds: &[&str]| {
        let default = all.0.iter().filter(|entry| entry["key"][0]["Space"][0] == "Default");
        let all = Planned(default.cloned().collect());
        all.writes().into_iter().filter(|(kind, ..)| kinds.contains(&kind.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(some.writes(), of(&["Environment", "Lifecycle"]));
    assert!(!some.writes().is_empty());
    let left = some.of_action("skip");
    assert!(left.iter().all(|(.., reason)| reason == "left out by --only or --except"), "{left:?}");
    assert_eq!(some.0.len(), all.0.len(), "every document is in the plan");

    let (_, name, _) = of(&["Environment"]).into_iter().next().unwrap();
    let except = format!("Environment/{}", name.to_uppercase());
    let less =
        Planned::of(&stage, &["--overwrite", "--only", "Environment/Default / *", "--except", &except]);
    let names: Vec<String> = less.writes().into_iter().map(|(_, name, _)| name).collect();
    assert!(!names.contains(&name) && names.len() + 1 == of(&["Environment"]).len(), "{names:?}");
    // With the scopes before it, and by a pattern in it.
    let scoped = format!("Env*/Default / {}?{}", &name[..1], &name[2..]);
    let one = Planned::of(&stage, &["--overwrite", "--only", &scoped]);
    assert_eq!(one.writes().len(), 1, "{scoped}: {:?}", one.writes());
}

#[test]
fn a_choice_that_means_nothing_is_refused() {
    let stage = Stage::new();
    for (option, piece) in [
        ("--only=Enviroment", "\"Enviroment\" names no kind of the model"),
        ("--except=Environment/nowhere", "\"Environment/nowhere\" means no document of the bundle"),
        ("--policy=Enviroment=skip", "no kind of the model"),
        ("--policy=Environment=merge", "no rules by which a Environment is joined"),
        ("--policy=Environment=replace", "none of overwrite, skip, merge, add, fail"),
        ("--policy=Environment", "KIND=POLICY"),
    ] {
        stage.refused(&plan(&[option]), 2, piece);
        stage.refused(&import(&[option]), 2, piece);
    }
}

/// What a choice leaves without a document to refer to stops it before anything runs.
#[test]
fn what_a_choice_leaves_dangling_is_a_finding() {
    let stage = Stage::new();
    let all = Planned::of(&stage, &["--overwrite"]);
    let new: Vec<String> = all
        .of_action("create")
        .into_iter()
        .filter(|(kind, ..)| kind == "ProjectGroup" || kind == "Lifecycle")
        .map(|(kind, ..)| kind)
        .collect();
    let kind = new.first().expect("a new one of them");
    let told = stage.refused(
        &import(&["--overwrite", "--except", kind]),
        4,
        "which is left out and not in the target",
    );
    assert!(told.contains(&format!("refers to {kind} ")), "{told}");
    // What the target has can be referred to, though it is left out.
    stage.done(&import(&["--overwrite", "--only", "Environment/Default / *", "--dry-run"]));
}

#[test]
fn policies_say_by_kind_what_happens_to_what_is_otherwise() {
    let stage = Stage::new();
    let merged = Planned::of(&stage, &["--overwrite"]);
    let (kind, ..) =
        merged.of_action("merge").into_iter().find(|(kind, ..)| kind == "Team").expect("is joined");
    let of_kind = |planned: &Planned, action: &str| {
        planned.of_action(action).into_iter().filter(|(of, ..)| *of == kind).count()
    };
    let joined = of_kind(&merged, "merge");
    assert_eq!(of_kind(&Planned::of(&stage, &["--policy", &format!("{kind}=merge")]), "merge"), joined);
    let replaced = Planned::of(&stage, &["--policy", &format!("{kind}=overwrite")]);
    assert!(of_kind(&replaced, "update") >= joined);
    // Others are skipped without --overwrite, but for the tags that a set lacks.
    let others = replaced.of_action("merge");
    assert!(
        others.iter().all(|(kind, _, why)| kind == "TagSet" && why.contains("only what it lacks")),
        "{others:?}"
    );
    let lower = format!("{}=skip", kind.to_lowercase());
    let skipped = Planned::of(&stage, &["--overwrite", "--policy", &lower, "--only", &kind]);
    let reasons: Vec<String> = skipped.of_action("skip").into_iter().map(|(.., reason)| reason).collect();
    assert!(reasons.contains(&format!("the policy for {kind} is skip")), "{reasons:?}");
    assert_eq!(of_kind(&skipped, "merge"), 0);
    // The kind's own policy goes before that of all.
    let both = Planned::of(&stage, &["--policy", "*=skip", "--policy", &format!("{kind}=merge")]);
    assert_eq!(both.of_action("merge").len(), joined);
    assert_eq!(both.of_action("update").len(), 0);
    let told = stage.refused(&import(&["--overwrite", "--policy", &format!("{kind}=fail")]), 4, "STOP");
    // Each where it stands in the plan and as what stops the import; and all of them in one count.
    let stops = told.lines().filter(|line| line.starts_with(&format!("STOP {kind} "))).count();
    assert_eq!(told.matches(&format!("the policy for {kind} is fail")).count(), 2 * stops + 1, "{told}");
    assert!(told.contains(&format!("\n  {stops} skipped: ")), "{told}");
    // What is wholly overwritten is then just as in the bundle.
    stage.done(&import(&["--overwrite", "--policy", &format!("{kind}=overwrite")]));
    let again = Planned::of(&stage, &["--policy", "*=overwrite", "--only", &kind]);
    assert_eq!(again.writes(), []);
}

#[test]
fn a_list_is_edited_and_followed_line_by_line() {
    let stage = Stage::new();
    let list = stage.done(&plan(&["--list", "--overwrite"]));
    let put = |text: &str| std::fs::write(stage.at("todo.txt"), text).unwrap();
    put(&list);
    let plain = Planned::of(&stage, &["--overwrite"]);
    let listed = Planned::of(&stage, &["--use-list", "todo.txt"]);
    assert_eq!(listed.writes().len(), plain.writes().len(), "a list that nobody edited is the plan");
    assert!(plain.of_action("create").len() > 20);

    // One line out, one skipped.
    let create =
        list.lines().find(|line| line.starts_with("create") && line.contains(" Subscription ")).unwrap();
    let update = list.lines().find(|line| line.starts_with("update") && line.contains(" Proxy ")).unwrap();
    let edited =
        list.replace(create, &format!("# {create}")).replace(update, &update.replacen("update", "skip", 1));
    assert_ne!(edited, list);
    put(&edited);
    let chosen = Planned::of(&stage, &["--use-list", "todo.txt"]);
    assert_eq!(chosen.of_action("create").len() + 1, plain.of_action("create").len());
    assert_eq!(chosen.of_action("update").len() + 1, listed.of_action("update").len());
    stage.done(&import(&["--use-list", "todo.txt"]));
    // What was written is the same by now; the rest of the list still holds, but for what it says is new.
    let told = stage.refused(&import(&["--use-list", "todo.txt"]), 4, "of the list says create");
    assert!(told.contains("and the import would leave it unchanged"), "{told}");
}

/// Without --overwrite what the target has is skipped; on the list a word is enough to have it otherwise.
#[test]
fn a_word_on_the_list_overwrites_one_document() {
    let stage = Stage::new();
    let list = plan(&["--list", "--only", "Lifecycle/Default / *", "--only", "Environment/Default / *"]);
    let list = stage.done(&list);
    let skip = list.lines().find(|line| line.starts_with("skip") && !line.contains("left out")).unwrap();
    std::fs::write(stage.at("todo.txt"), list.replace(skip, &skip.replacen("skip", "update", 1))).unwrap();
    let chosen = Planned::of(&stage, &["--use-list", "todo.txt"]);
    assert_eq!(chosen.of_action("update").len(), 1, "{skip}");
}

#[test]
fn a_list_that_cannot_be_followed_is_told_line_by_line() {
    let stage = Stage::new();
    let list = stage.done(&plan(&["--list", "--overwrite"]));
    let first = list.lines().position(|line| line.starts_with("create")).unwrap();
    let line = list.lines().nth(first).unwrap();
    let put = |text: &str| std::fs::write(stage.at("todo.txt"), text).unwrap();
    let (kind, key) = line["create".len()..].trim().split_once(' ').unwrap();
    for (text, code, piece) in [
        (
            format!("{list}\nmake Environment [\"x\"]\nupdate Environment\ncreate Environment x\n"),
            2,
            "; line ",
        ),
        (format!("create {kind} [\"nobody\"]\n"), 4, "line 1 of the list names no document of the bundle"),
        (format!("update {kind} {key}\n"), 4, "line 1 of the list says update, and the import would create"),
        (format!("{line}\n\n{line}\n"), 2, "twice, on lines 1 and 3"),
        (format!("delete {kind} {key}\n"), 4, "line 1 of the list"),
        ("x".repeat(1_000_000), 2, "line 1: it is too long"),
    ] {
        put(&text);
        stage.refused(&import(&["--use-list", "todo.txt"]), code, piece);
    }
    std::fs::write(stage.at("todo.txt"), [b"create Environment [\"", &[0xff; 3][..], b"\"]\n"].concat())
        .unwrap();
    stage.refused(&import(&["--use-list", "todo.txt"]), 2, "it is not UTF-8");
    stage.refused(&import(&["--use-list", "missing.txt"]), 1, "cannot read missing.txt");
}

/// A choice is part of a plan: what is applied is what was chosen when it was made.
#[test]
fn a_saved_plan_keeps_its_choice() {
    let stage = Stage::new();
    stage.done(&plan(&["--overwrite", "--only", "Environment/Default / *", "-o", "p.plan"]));
    let apply =
        [&["apply", "p.plan", "build.sealift", "--yes", "--no-record", "--no-undo"][..], &TO].concat();
    let told = stage.done(&apply);
    assert!(told.contains("committed"), "{told}");
    let left = Planned::of(&stage, &["--overwrite"]);
    let environments =
        left.0.iter().filter(|e| e["kind"] == "Environment" && e["key"][0]["Space"][0] == "Default");
    assert!(environments.clone().count() > 1);
    assert!(environments.into_iter().all(|entry| entry["action"] == "unchanged"));
    assert!(left.writes().len() > 50);
}

/// What is pruned can be chosen too, by name and by list.
#[test]
fn deletions_are_chosen_like_everything_else() {
    let stage = Stage::new();
    let some =
        ["--overwrite", "--prune", "--only", "Team/On Call", "--only", "TenantVariable/*Old Turnstone*"];
    let deleted = Planned::of(&stage, &some).of_action("delete");
    let (teams, others): (Vec<_>, Vec<_>) = deleted.iter().partition(|(kind, ..)| kind == "Team");
    assert!(teams.len() == 1 && others.iter().all(|(kind, ..)| kind == "TenantVariable"), "{deleted:?}");
    let less = Planned::of(&stage, &[&some[..], &["--except", "Team/*On Call"]].concat());
    assert_eq!(less.of_action("delete").len() + 1, deleted.len());
}
