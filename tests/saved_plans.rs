//! A plan is saved, reviewed, and carried out exactly so, once, or refused with the reason by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::process::Stdio;

use rusqlite::Connection;
use sealift::ops::plan_digest;
use sealift::plan::{SavedError, SavedPlan};
use stage::{Stage, TO, text};

/// The demo's servers before the import, and a plan of it.
fn staged() -> Stage {
    let stage = Stage::new();
    stage.done(&[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &TO].concat());
    stage
}

fn apply<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["apply", "p.plan", "build.sealift", "--yes"][..], &TO, more].concat()
}

fn saved(stage: &Stage) -> SavedPlan {
    saved_as(stage, "p.plan")
}

fn saved_as(stage: &Stage, name: &str) -> SavedPlan {
    SavedPlan::read(&std::fs::read(stage.at(name)).unwrap(), &plan_digest).unwrap()
}

#[test]
fn a_plan_is_shown_and_carried_out_as_it_was_and_once() {
    let stage = staged();
    let planned = stage.done(&[&["plan", "build.sealift", "--overwrite"][..], &TO].concat());
    let shown = stage.done(&["show", "p.plan"]);
    // What is shown of the file is what was planned, line by line.
    let lines = |text: &str| -> Vec<String> {
        let document = |line: &&str| line.starts_with(' ') || line.contains(" (") && line.ends_with(')');
        text.lines().filter(document).filter(|line| !line.contains("inserted")).map(str::to_owned).collect()
    };
    let shown_lines: Vec<String> =
        lines(&shown).into_iter().filter(|line| !line.starts_with("bundle")).collect();
    assert_eq!(shown_lines, lines(&planned));
    assert!(shown_lines.len() > 200, "{}", shown_lines.len());

    let dry = stage.done(&apply(&["--dry-run"]));
    assert!(dry.contains("dry run, rolled back"), "{dry}");
    assert_eq!(saved(&stage).head.applied, None);
    let told = stage.done(&apply(&["--undo", "u.undo"]));
    assert!(told.contains("committed to sqlite:production.sqlite: 91 created"), "{told}");
    let applied = saved(&stage).head.applied.expect("is marked");
    assert_eq!(applied.undo.as_deref(), Some("u.undo"));
    stage.refused(&apply(&[]), 4, "a plan is applied once");
    // Not even after the import was taken back.
    stage.done(&["undo", "u.undo", "--to", TO[1], TO[2], TO[3], "--yes"]);
    stage.refused(&apply(&[]), 4, "a plan is applied once");
    let json = stage.done(&["show", "p.plan", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["applied"]["undo"], "u.undo");
    assert_eq!(json["documents"].as_array().unwrap().len(), 232);
}

#[test]
fn a_record_names_the_plan() {
    let stage = staged();
    stage.done(&apply(&["--record", "r.json"]));
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stage.at("r.json")).unwrap()).unwrap();
    assert_eq!(record["by_plan"], "p.plan");
    assert_eq!(record["options"], serde_json::json!(["--overwrite"]));
}

#[test]
fn rows_that_moved_are_named() {
    let stage = staged();
    assert_eq!(stage.sql("UPDATE Lifecycle SET JSON = json_set(JSON, '$.Description', 'by hand') WHERE Name = (SELECT min(Name) FROM Lifecycle)"), 1);
    let moved = "SELECT min(Name) FROM Lifecycle";
    let name: String = Connection::open(stage.at("production.sqlite"))
        .unwrap()
        .query_row(moved, [], |row| row.get(0))
        .unwrap();
    let told = stage.refused(&apply(&[]), 4, &name);
    assert!(told.contains("changed in the target since the plan was made"), "{told}");
    assert_eq!(told.matches("STOP").count(), 1, "{told}");
    stage.refused(&apply(&["--dry-run"]), 4, &name);
}

/// A row that a plan relied on without changing it is a row that it relied on.
#[test]
fn rows_that_stay_are_relied_on_and_secrets_too() {
    let stage = staged();
    let plan = saved(&stage);
    let unchanged = plan.documents.iter().find(|d| d.action == "unchanged" && d.kind == "Account").unwrap();
    let name = unchanged.key.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    set_secret(&stage, "production.sqlite", "production.key", "Account", &name, "another");
    stage.refused(&apply(&[]), 4, &name);
}

/// Exports the build server again: under another password, where one is named.
fn export_again(stage: &Stage, out: &str, more: &[&str]) {
    let export = ["export", "sqlite:build.sqlite", "-o", out, "--master-key-file", "build.key"];
    stage.done(&[&export[..], more].concat());
}

/// Encrypts a text in place of the first secret of a row, as somebody does who enters another value.
fn set_secret(stage: &Stage, database: &str, key: &str, table: &str, name: &str, value: &str) {
    let db = Connection::open(stage.at(database)).unwrap();
    let sql = format!("SELECT JSON FROM {table} WHERE Name = ?1");
    let json: String = db.query_row(&sql, [name], |row| row.get(0)).unwrap();
    let key = std::fs::read_to_string(stage.at(key)).unwrap();
    let key = sealift::crypto::MasterKey::from_base64(&key).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (secret, _) = parsed
        .as_object()
        .unwrap()
        .iter()
        .find(|(_, value)| value.as_str().is_some_and(|text| key.decrypt(text).is_ok()))
        .expect("a secret");
    let cipher = key.encrypt(&sealift::crypto::SecretBytes::from(value.to_owned())).unwrap();
    let sql = format!("UPDATE {table} SET JSON = json_set(JSON, '$.{secret}', ?1) WHERE Name = ?2");
    assert_eq!(db.execute(&sql, [&cipher, name]).unwrap(), 1);
}

/// The name of the first account that meets an action.
fn account(plan: &SavedPlan, action: &str) -> String {
    let found = plan.documents.iter().find(|d| d.action == action && d.kind == "Account");
    found.unwrap().key.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned()
}

/// Whoever reviewed a plan agreed to the secrets that it would write: their values cannot be seen, so they must not be
/// replaced behind the plan.
#[test]
fn a_bundle_with_another_secret_is_refused_and_one_under_another_password_is_applied() {
    let stage = staged();
    std::fs::write(stage.at("theirs"), "another password for the same secrets\n").unwrap();
    for action in ["create", "update", "unchanged"] {
        let changed = staged();
        let name = account(&saved(&changed), action);
        set_secret(&changed, "build.sqlite", "build.key", "Account", &name, "another token");
        export_again(&changed, "other.sealift", &["--password-file", "password"]);
        let other = [&["apply", "p.plan", "other.sealift", "--yes"][..], &TO].concat();
        let told = changed.refused(&other, 4, &name);
        assert!(told.contains("has another secret in the bundle than the plan was made for"), "{told}");
        assert_eq!(told.matches("STOP").count(), 1, "{told}");
    }
    // Without any secret it has the same content root too.
    export_again(&stage, "bare.sealift", &["--no-secrets"]);
    let bare = [&["apply", "p.plan", "bare.sealift", "--yes"][..], &TO].concat();
    stage.refused(&bare, 4, "has another secret in the bundle than the plan was made for");

    export_again(&stage, "keyed.sealift", &["--password-file", "theirs"]);
    let keyed = ["apply", "p.plan", "keyed.sealift", "--yes", TO[0], TO[1], TO[2], TO[3]];
    let told = stage.done(&[&keyed[..], &["--password-file", "theirs"]].concat());
    assert!(told.contains("committed to sqlite:production.sqlite: 91 created"), "{told}");
}

/// What moved is said: the document itself, a secret of it, or what it refers to.
#[test]
fn the_first_difference_says_what_moved() {
    let secret = staged();
    let name = account(&saved(&secret), "update");
    set_secret(&secret, "production.sqlite", "production.key", "Account", &name, "another token");
    secret.refused(&apply(&[]), 4, "has another secret in the target than when the plan was made");
    let gone = staged();
    let plan = saved(&gone);
    let of = |action: &str| {
        let found = plan.documents.iter().find(|d| d.action == action && d.kind == "Environment");
        found.unwrap().key.as_array().unwrap().last().unwrap().as_str().unwrap().to_owned()
    };
    let (updated, created) = (of("update"), of("create"));
    gone.sql(&format!("DELETE FROM DeploymentEnvironment WHERE Name = '{updated}'"));
    gone.refused(&apply(&[]), 4, "was deleted in the target since the plan was made");
    let made = staged();
    let renamed = "UPDATE DeploymentEnvironment SET Name = ";
    made.sql(&format!("{renamed}'{created}' WHERE Name = '{updated}'"));
    let told = made.refused(&apply(&[]), 4, "was made in the target since the plan was made");
    assert!(told.contains(&created), "{told}");
}

#[test]
fn another_bundle_target_schema_or_key_is_refused() {
    let stage = staged();
    let out = ["export", "sqlite:build.sqlite", "-o", "other.sealift", "--master-key-file", "build.key"];
    stage.done(&[&out[..], &["--password-file", "password", "--only", "Environment"]].concat());
    let other = [&["apply", "p.plan", "other.sealift", "--yes"][..], &TO].concat();
    stage.refused(&other, 4, "the plan was made for");
    // The same content in another file is the same bundle.
    std::fs::copy(stage.at("build.sealift"), stage.at("copy.sealift")).unwrap();
    let same = [&["apply", "p.plan", "copy.sealift", "--yes", "--dry-run"][..], &TO].concat();
    stage.done(&same);
    std::fs::copy(stage.at("production.sqlite"), stage.at("twin.sqlite")).unwrap();
    let mut twin = apply(&[]);
    let at = twin.iter().position(|arg| *arg == TO[1]).unwrap();
    twin[at] = "sqlite:twin.sqlite";
    stage.refused(&twin, 4, "the plan was made for");
    let mut wrong = apply(&[]);
    let at = wrong.iter().position(|arg| *arg == "production.key").unwrap();
    wrong[at] = "build.key";
    stage.refused(&wrong, 6, "under another master key");
    let keyless = ["apply", "p.plan", "build.sealift", "--yes", TO[0], TO[1], TO[4], TO[5]];
    stage.refused(&keyless, 6, "needs the server's master key");
    stage.sql("ALTER TABLE Lifecycle ADD COLUMN Later nvarchar(10)");
    stage.refused(&apply(&[]), 4, "the table Lifecycle of the target has other columns or keys by now");
}

#[test]
fn a_plan_with_findings_is_saved_and_shown_and_never_applied() {
    let stage = staged();
    stage.sql("UPDATE SchemaVersions SET ScriptName = ScriptName");
    let plan = ["plan", "build.sealift", "--overwrite", "--require-maintenance", "-o", "f.plan"];
    let out = stage.run(&[&plan[..], &TO].concat());
    assert_eq!(out.status.code(), Some(4));
    let shown = stage.done(&["show", "f.plan"]);
    assert!(shown.contains("STOP the target is not in maintenance mode"), "{shown}");
    let apply = [&["apply", "f.plan", "build.sealift", "--yes"][..], &TO].concat();
    stage.refused(&apply, 4, "findings");
    stage.refused(&[&plan[..], &TO].concat(), 1, "f.plan exists already");
}

/// Every cut, and a changed bit anywhere: said to be so, never believed, never a panic.
#[test]
fn a_plan_that_is_not_as_it_was_written_is_told() {
    let stage = staged();
    let whole = std::fs::read(stage.at("p.plan")).unwrap();
    let read = |text: &[u8]| SavedPlan::read(text, &plan_digest);
    let plan = read(&whole).unwrap();
    assert_eq!(plan.write(&plan_digest).unwrap(), whole, "what is read is written so");
    for cut in (0..whole.len()).step_by(whole.len() / 200) {
        assert!(read(&whole[..cut]).is_err(), "{cut}");
    }
    let mut bytes = whole.clone();
    for at in (0..whole.len()).step_by(97) {
        bytes[at] ^= 1;
        assert!(read(&bytes).is_err(), "{at}");
        bytes[at] ^= 1;
    }
    assert!(read(&[&whole[..], b"\n"].concat()).is_err());
    assert!(read(&[&whole[..], b"{}\n"].concat()).is_err());
    // Another version, and lines that are no plan's under a right digest.
    let sealed = |text: &str| {
        let end = format!("{{\"end\":\"{}\"}}\n", plan_digest(text.as_bytes()));
        read(format!("{text}{end}").as_bytes())
    };
    assert_eq!(sealed("{\"format\":\"sealift plan 2\"}\n"), Err(SavedError::TooNew("sealift plan 2".into())));
    assert!(matches!(sealed("{\"format\":\"sealift plan 1\"}\n"), Err(SavedError::Damaged(_))));
    let head = text(&whole).lines().next().unwrap().to_owned();
    assert!(sealed(&format!("{head}\n")).is_ok());
    for line in ["{}", "[]", "\"\"", "{\"kind\":1}", &"[".repeat(100_000)] {
        assert!(matches!(sealed(&format!("{head}\n{line}\n")), Err(SavedError::Damaged(_))));
    }
    assert_eq!(read(b"SQLite format 3\0"), Err(SavedError::NotAPlan));
    std::fs::write(stage.at("p.plan"), &whole[..whole.len() - 10]).unwrap();
    stage.refused(&apply(&[]), 5, "it is not as it was written");
    stage.refused(&["apply", "build.key", "build.sealift", "--to", TO[1], "--yes"], 2, "it is no plan");
}

/// No secret is in the file, in the open or as anything that it could be guessed from: each hash in it changes with
/// the server's key.
#[test]
fn no_secret_can_be_guessed_from_a_plan() {
    let stage = staged();
    let plan = text(&std::fs::read(stage.at("p.plan")).unwrap());
    let bundle = support::open(&stage.at("build.sealift"));
    let password = std::fs::read_to_string(stage.at("password")).unwrap();
    let password = sealift::crypto::Password::new(password.trim().to_owned()).unwrap();
    let key = bundle.unlock(&password, &sealift::crypto::KdfLimits::default()).unwrap();
    let mut secrets = 0;
    bundle
        .scan(None, &mut |entry, document| -> Result<(), sealift::bundle::BundleError> {
            if entry.secrets > 0 {
                for value in bundle.secrets(&entry, &document, &key)?.into_iter().flatten() {
                    secrets += 1;
                    assert!(!plan.contains(value.expose_text().unwrap()), "{}", entry.key);
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(secrets > 50, "{secrets}");
    let saved = saved(&stage);
    assert!(saved.head.keyed);
    let master = std::fs::read_to_string(stage.at("production.key")).unwrap();
    let master = sealift::crypto::MasterKey::from_base64(&master).unwrap();
    assert!(sealift::ops::PlanKey::of(&saved, Some(&master)).is_ok());
    // Whoever knows the file alone has another key, and with it no hash of the file.
    let mut open = saved.clone();
    open.head.keyed = false;
    assert!(sealift::ops::PlanKey::of(&open, None).is_err());
}

#[test]
fn of_two_that_apply_a_plan_at_once_one_does() {
    let stage = staged();
    let names = [["--undo", "a.undo", "--no-record"], ["--undo", "b.undo", "--no-record"]];
    let children: Vec<_> = names
        .iter()
        .map(|names| {
            let mut command = stage.command("d", &apply(names));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<i32> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 0, "{codes:?}");
    assert!(codes[1] == 1 || codes[1] == 4, "locked, or moved: {codes:?}");
    let undo = ["a.undo", "b.undo"].map(|name| stage.at(name).exists());
    assert_eq!(undo.iter().filter(|there| **there).count(), 1, "{undo:?}");
}

/// Where the planner may not reach the target: a bundle of it stands for it, and the plan is the same.
#[test]
fn a_plan_against_a_bundle_of_the_target_is_the_plan_against_the_target() {
    let stage = staged();
    std::fs::write(stage.at("theirs"), "a password of the target's people\n").unwrap();
    let export = ["export", "sqlite:production.sqlite", "-o", "production.sealift", TO[2], TO[3]];
    stage.done(&[&export[..], &["--password-file", "theirs"]].concat());
    let against = ["plan", "build.sealift", "--against", "production.sealift", "--overwrite", "--json"];
    let passwords =
        ["--against-password-file", "theirs", "--password-file", "password", "-o", "o.plan", "--force"];
    for more in [&[][..], &["--prune"]] {
        let offline = stage.run(&[&against[..], &passwords, more].concat());
        let online =
            stage.run(&[&["plan", "build.sealift", "--overwrite", "--json"][..], &TO, more].concat());
        let documents = |out: &std::process::Output| {
            let plan: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
            (plan["documents"].clone(), plan["findings"].clone())
        };
        assert_eq!(documents(&offline), documents(&online));
    }
    let out = stage.run(&[&against[..], &passwords].concat());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert_eq!(saved_as(&stage, "o.plan").head.target.server, None);
    let apply =
        [&["apply", "o.plan", "build.sealift", "--yes", "--no-record", "--no-undo"][..], &TO].concat();
    // What moved on the target since its bundle was made is named.
    let name = "SELECT min(Name) FROM Lifecycle";
    let change =
        format!("UPDATE Lifecycle SET JSON = json_set(JSON, '$.Description', 'x') WHERE Name = ({name})");
    assert_eq!(stage.sql(&change), 1);
    stage.refused(&apply, 4, "changed in the target since the plan was made");
    let keyless = ["plan", "build.sealift", "--against", "production.sealift", "--password-file", "password"];
    stage.refused(&keyless, 6, "--against-password-file");
    stage.refused(&["plan", "build.sealift", "--password-file", "password"], 2, "--to");
}

/// What is planned offline and holds is applied.
#[test]
fn a_plan_made_offline_is_applied() {
    let stage = staged();
    let export =
        ["export", "sqlite:production.sqlite", "-o", "production.sealift", TO[2], TO[3], TO[4], TO[5]];
    stage.done(&export);
    let against = ["plan", "build.sealift", "--against", "production.sealift", "--overwrite", "-o", "o.plan"];
    stage.done(
        &[&against[..], &["--against-password-file", "password", "--password-file", "password"]].concat(),
    );
    let apply = [&["apply", "o.plan", "build.sealift", "--yes", "--no-record"][..], &TO].concat();
    let told = stage.done(&apply);
    assert!(
        told.contains("committed to sqlite:production.sqlite: 91 created, 49 updated, 20 merged"),
        "{told}"
    );
    let again = stage.done(&[&["plan", "build.sealift", "--overwrite"][..], &TO].concat());
    assert!(again.contains("0 create, 0 update, 0 merge"), "{again}");
    stage.refused(&apply, 4, "a plan is applied once");
}
