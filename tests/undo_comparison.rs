//! Since an import: what counts as a change of what it left, and what does not. And what was written is what was to be
//! written, or the import is rolled back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;

use std::path::{Path, PathBuf};

use back::*;
use little::{Generation, Pair, both};
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{ExportOptions, ImportError, ImportOptions, Outcome};
use sealift::plan::{Finding, Plan};
use sealift::server::sqlite::SqliteServer;
use serde_json::{Value as Json, json};
use support::{everything, octopus, overwrite};

const CHANGED: &str = "was changed since the import";

fn server(pair: &Pair) -> SqliteServer {
    SqliteServer::open(&pair.target.path).unwrap()
}

fn undo_file(pair: &Pair) -> PathBuf {
    pair.folder().join("a.undo")
}

fn imported_with(pair: &Pair, bundle: &Path, options: ImportOptions) -> Plan {
    let key = &pair.target.key;
    import_with(bundle, &mut server(pair), &octopus(), Some(key), &undo_file(pair), options)
}

/// Carries everything, with an undo file.
fn imported(pair: &Pair) -> Plan {
    imported_with(pair, &pair.export(&everything(Some(&pair.source.key))), overwrite())
}

fn taken_back(pair: &Pair) -> Outcome {
    try_undo(&undo_file(pair), &mut server(pair), &octopus(), Some(&pair.target.key), false, None).unwrap()
}

/// What stops an undo, as kind, name and problem.
#[track_caller]
fn refused(pair: &Pair) -> Vec<(String, String, String)> {
    match taken_back(pair) {
        Outcome::Refused(plan) => plan
            .findings
            .into_iter()
            .map(|Finding { kind, name, problem }| {
                (kind, name.rsplit(" / ").next().unwrap_or_default().to_owned(), problem)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn changed(kind: &str, name: &str) -> (String, String, String) {
    (kind.to_owned(), name.to_owned(), CHANGED.to_owned())
}

/// A lifecycle, an account with a secret and a library set that the source has, and the target has otherwise or not.
fn differing(pair: &Pair) {
    let phases = |server: &little::Little, environments: [u32; 2]| {
        let ids = environments.map(|number| server.id("Environments", number));
        json!([{ "Id": "0e000000-0000-0000-0000-000000000001", "Name": "One", "OptionalDeploymentTargets": ids,
            "AutomaticDeploymentTargets": [] }])
    };
    for (server, text) in [(&pair.source, "new"), (&pair.target, "old")] {
        let (id, environments) = (server.id("Lifecycles", 2), phases(server, [1, 2]));
        server.add(
            "Lifecycle",
            json!({ "Id": id, "Name": "Both", "Description": text, "Phases": environments }),
        );
        let account = json!({ "Id": server.id("Accounts", 1), "Name": "Known", "AccountType": "Token",
            "EnvironmentIds": "", "Token": server.secret(text) });
        server.add("Account", account);
    }
    let source = &pair.source;
    let id = source.id("Lifecycles", 3);
    source.add(
        "Lifecycle",
        json!({ "Id": id, "Name": "Made", "Description": "new", "Phases": phases(source, [1, 2]) }),
    );
    let environments = format!("|{}|{}|", source.id("Environments", 1), source.id("Environments", 2));
    let account = json!({ "Id": source.id("Accounts", 2), "Name": "Fresh", "AccountType": "Token",
        "EnvironmentIds": environments, "Token": source.secret("token") });
    source.add("Account", account);
    source.library(1, "Shared", json!([little::variable("Port", "String", "80", json!({}))]));
}

/// The content root of the target.
fn content(pair: &Pair) -> String {
    root(&mut server(pair), &octopus(), Some(&pair.target.key), &pair.folder().join("root.sealift"))
        .to_string()
}

/// An environment that both sides have is renamed in case; sets come in another order; a product writes the same JSON
/// in another form and counts up a version that is its own.
#[test]
fn spelling_order_and_counters_are_no_changes() {
    both(|pair| {
        differing(pair);
        let before = content(pair);
        imported(pair);
        let target = &pair.target;
        for name in ["Made", "Both"] {
            let mut lifecycle = target.named("Lifecycle", name);
            lifecycle["Phases"][0]["OptionalDeploymentTargets"].as_array_mut().unwrap().reverse();
            target.add("Lifecycle", lifecycle);
        }
        let mut account = target.named("Account", "Fresh");
        let (dev, prod) =
            (target.id_of("DeploymentEnvironment", "Dev"), target.id_of("DeploymentEnvironment", "Prod"));
        account["EnvironmentIds"] = format!("|{prod}|{dev}|{prod}|").into();
        target.add("Account", account);
        target.run("UPDATE VariableSet SET Version = Version + 7");
        target.run("UPDATE DeploymentEnvironment SET Name = 'PROD' WHERE Name = 'Prod'");
        target.run("UPDATE Lifecycle SET JSON = json_set(JSON, '$.x', 1)");
        target.run("UPDATE Lifecycle SET JSON = ' ' || json_remove(JSON, '$.x') || char(10)");
        let outcome = taken_back(pair);
        assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
        target.run("UPDATE DeploymentEnvironment SET Name = 'Prod' WHERE Name = 'PROD'");
        assert_eq!(content(pair), before);
    });
}

#[test]
fn a_value_a_secret_and_a_member_of_a_set_are_changes() {
    both(|pair| {
        differing(pair);
        imported(pair);
        let target = &pair.target;
        let mut lifecycle = target.named("Lifecycle", "Made");
        lifecycle["Phases"][0]["OptionalDeploymentTargets"].as_array_mut().unwrap().pop();
        target.add("Lifecycle", lifecycle);
        let mut known = target.named("Account", "Known");
        known["Token"] = target.secret("by hand").into();
        target.add("Account", known);
        // The same secret, encrypted anew, is no other one.
        let mut fresh = target.named("Account", "Fresh");
        fresh["Token"] = target.secret("token").into();
        target.add("Account", fresh);
        target.run("UPDATE LibraryVariableSet SET ContentType = 'variables' WHERE Name = 'Shared'");
        let mut both = target.named("Lifecycle", "Both");
        both["Description"] = "NEW".into();
        target.add("Lifecycle", both);
        let mut found = refused(pair);
        found.sort();
        let expected = [
            changed("Account", "Known"),
            changed("LibraryVariableSet", "Shared"),
            changed("Lifecycle", "Both"),
            changed("Lifecycle", "Made"),
        ];
        assert_eq!(found, expected);
    });
}

/// A bundle without secrets leaves them empty; one that was entered since is somebody's work.
#[test]
fn a_secret_that_was_entered_since_is_a_change() {
    both(|pair| {
        differing(pair);
        let before = content(pair);
        let bundle = pair.export(&ExportOptions { secrets: ServerSecrets::Mask, ..everything(None) });
        imported_with(pair, &bundle, overwrite());
        let mut fresh = pair.target.named("Account", "Fresh");
        assert_eq!(fresh["Token"], Json::Null);
        fresh["Token"] = pair.target.secret("entered").into();
        pair.target.add("Account", fresh.clone());
        assert_eq!(refused(pair), [changed("Account", "Fresh")]);
        fresh["Token"] = Json::Null;
        pair.target.add("Account", fresh);
        let outcome = taken_back(pair);
        assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
        assert_eq!(content(pair), before);
    });
}

/// The target's tables have columns that the source's have not. What they got by themselves is no change, whatever it
/// is, and what somebody put there since is one.
#[test]
fn columns_that_the_server_filled_in_are_compared_with_what_it_filled_in() {
    both(|pair| {
        differing(pair);
        let target = &pair.target;
        target.run(
            "ALTER TABLE Lifecycle ADD COLUMN Rank int NOT NULL DEFAULT 5;
             ALTER TABLE Lifecycle ADD COLUMN Note nvarchar(50);
             ALTER TABLE Lifecycle ADD COLUMN Made nvarchar(50);
             CREATE TRIGGER stamp AFTER INSERT ON Lifecycle BEGIN
                 UPDATE Lifecycle SET Made = 'at ' || hex(randomblob(8)) WHERE Id = new.Id; END;
             UPDATE Lifecycle SET Note = 'mine'",
        );
        let before = content(pair);
        imported(pair);
        for (column, value) in [("Rank", "6"), ("Note", "'by hand'"), ("Made", "NULL")] {
            let set = |name: &str, value: &str| {
                target.run(&format!("UPDATE Lifecycle SET {column} = {value} WHERE Name = '{name}'"));
            };
            let made = target.named("Lifecycle", "Made")[column].clone();
            set("Made", value);
            assert_eq!(refused(pair), [changed("Lifecycle", "Made")], "{column}");
            let was = match &made {
                Json::String(text) => format!("'{text}'"),
                other => other.to_string(),
            };
            set("Made", &was);
        }
        // What an updated document had there stays there, and counts.
        target.run("UPDATE Lifecycle SET Note = 'other' WHERE Name = 'Both'");
        assert_eq!(refused(pair), [changed("Lifecycle", "Both")]);
        target.run("UPDATE Lifecycle SET Note = 'mine' WHERE Name = 'Both'");
        let outcome = taken_back(pair);
        assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
        assert_eq!(content(pair), before);
    });
}

/// Imports with an undo file into a target whose triggers do this; says which document is not as it was written.
#[track_caller]
fn meddled(pair: &Pair, trigger: &str) -> Option<String> {
    pair.target.run(trigger);
    let before = std::fs::read(&pair.target.path).unwrap();
    let bundle = sealift_bundle(pair);
    let key = support::unlock(&bundle);
    let seen = sealift::crypto::FingerprintKey::generate().unwrap();
    let keys = sealift::ops::Keys { bundle: key.as_ref(), master: Some(&pair.target.key), seen: &seen };
    let to = to(&undo_file(pair));
    for dry_run in [true, false] {
        let how = sealift::ops::How { undo: Some(&to), dry_run };
        let silent = sealift::progress::Silent;
        match sealift::ops::import(&bundle, &mut server(pair), &octopus(), keys, how, overwrite(), &silent) {
            Ok(Outcome::DryRun(_) | Outcome::Applied(_)) => {}
            Err(ImportError::NotAsWritten { kind, name }) => {
                assert!(dry_run, "a dry run says so too");
                assert!(before == std::fs::read(&pair.target.path).unwrap());
                assert!(!undo_file(pair).exists());
                return Some(format!("{kind} {}", name.rsplit(" / ").next().unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
    None
}

fn sealift_bundle(pair: &Pair) -> sealift::bundle::Bundle {
    support::open(&pair.export(&everything(Some(&pair.source.key))))
}

#[test]
fn a_trigger_that_changes_what_was_written_rolls_the_import_back() {
    let cases = [
        (
            "AFTER INSERT ON Lifecycle WHEN new.Name = 'Made'",
            "UPDATE Lifecycle SET Name = 'Else' WHERE Id = new.Id",
            "Lifecycle",
        ),
        (
            "AFTER INSERT ON Account WHEN new.Name = 'Fresh'",
            "UPDATE Account SET EnvironmentIds = '' WHERE Id = new.Id",
            "Account",
        ),
        (
            "AFTER UPDATE ON Lifecycle WHEN new.Name = 'Both'",
            "UPDATE Lifecycle SET JSON = json_set(JSON, '$.Description', 'else') WHERE Id = new.Id",
            "Lifecycle",
        ),
        (
            "AFTER UPDATE ON Account WHEN new.Name = 'Known'",
            "UPDATE Account SET JSON = json_set(JSON, '$.Token', null) WHERE Id = new.Id",
            "Account",
        ),
        (
            "AFTER INSERT ON Lifecycle WHEN new.Name = 'Made'",
            "DELETE FROM Lifecycle WHERE Id = new.Id",
            "Lifecycle",
        ),
    ];
    for (when, what, kind) in cases {
        both(|pair| {
            differing(pair);
            let not = meddled(pair, &format!("CREATE TRIGGER meddler {when} BEGIN {what}; END"));
            let not = not.unwrap_or_else(|| panic!("{what}"));
            assert!(not.starts_with(kind), "{what}: {not}");
        });
    }
}

/// A row that was deleted, and is there all the same.
#[test]
fn a_trigger_that_brings_back_what_was_deleted_rolls_the_import_back() {
    let pair = Pair::new(Generation::Spaces);
    differing(&pair);
    imported(&pair);
    pair.target.run(
        "CREATE TRIGGER meddler AFTER DELETE ON Account BEGIN
             INSERT INTO Account (Id, AccountType, Name, EnvironmentIds, SpaceId, JSON) VALUES
             (old.Id, old.AccountType, old.Name, old.EnvironmentIds, old.SpaceId, old.JSON); END",
    );
    let redo = pair.folder().join("redo.undo");
    let key = Some(&pair.target.key);
    let outcome = try_undo(&undo_file(&pair), &mut server(&pair), &octopus(), key, false, Some(&redo));
    assert!(
        matches!(&outcome, Err(ImportError::NotAsWritten { kind, name }) if kind.as_str() == "Account" && name.contains("Fresh")),
        "{outcome:?}"
    );
    assert!(!redo.exists());
}

/// What a trigger spells otherwise, or changes where documents say nothing, is as it was written.
#[test]
fn a_trigger_that_leaves_documents_as_they_are_is_no_fault() {
    for what in [
        "UPDATE VariableSet SET Version = Version + 1 WHERE Id = new.Id",
        "UPDATE VariableSet SET JSON = JSON || char(10) WHERE Id = new.Id",
        "UPDATE VariableSet SET RelatedDocumentIds = '|x|' WHERE Id = new.Id",
    ] {
        both(|pair| {
            differing(pair);
            let before = content(pair);
            let trigger = format!("CREATE TRIGGER meddler AFTER INSERT ON VariableSet BEGIN {what}; END");
            assert_eq!(meddled(pair, &trigger), None, "{what}");
            let outcome = taken_back(pair);
            assert!(matches!(outcome, Outcome::Applied(_)), "{what}: {outcome:?}");
            assert_eq!(content(pair), before);
        });
    }
}

/// An id that led nowhere at the source, and names a document of the target: it is written as it is, and read as a
/// reference there.
#[test]
fn an_id_that_names_something_here_only_is_no_change() {
    both(|pair| {
        differing(pair);
        let gone = pair.target.id("Environments", 2);
        let mut made = pair.source.named("Lifecycle", "Made");
        made["Phases"][0]["OptionalDeploymentTargets"] = json!([gone]);
        pair.source.add("Lifecycle", made);
        let before = content(pair);
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        imported_with(pair, &bundle, ImportOptions { accept_dangling: true, ..overwrite() });
        pair.target.run("UPDATE Lifecycle SET JSON = JSON || ' '");
        let outcome = taken_back(pair);
        assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
        assert_eq!(content(pair), before);
    });
}

/// A team whose id is the same on every server is found by it, whatever it is called; what is made refers to it by the
/// name of the source. The team keeps its name where it is left as it is, and gets the source's where it is written:
/// then what the target refers to it with names it otherwise than before, too.
#[test]
fn a_team_that_each_side_calls_otherwise_is_no_change_of_what_refers_to_it() {
    for overwriting in [false, true] {
        both(|pair| {
            for (server, name) in [(&pair.source, "Everybody"), (&pair.target, "Everyone")] {
                server.add("Team", json!({ "Id": "teams-everyone", "SpaceId": null, "Name": name }));
                server.add("Team", json!({ "Id": server.id("Teams", 1), "SpaceId": null, "Name": "F" }));
                let teams = format!("teams-everyone,{}", server.id("Teams", 1));
                let id = server.project(1, "Both");
                let ask = |name: &str| {
                    let properties = json!({ "Octopus.Action.Manual.ResponsibleTeamIds": teams });
                    json!({ "Id": format!("0e000000-0000-0000-0000-00000000000{}", name.len()), "Name": name,
                        "ActionType": "Octopus.Manual", "Properties": properties })
                };
                server.process(&id, json!([ask("Ask")]));
            }
            let made = pair.source.project(2, "Made");
            let teams = format!("{},teams-everyone", pair.source.id("Teams", 1));
            let properties = json!({ "Octopus.Action.Manual.ResponsibleTeamIds": teams });
            let ask = json!({ "Id": "0e000000-0000-0000-0000-000000000009", "Name": "Ask",
                "ActionType": "Octopus.Manual", "Properties": properties });
            pair.source.process(&made, json!([ask]));
            let before = content(pair);
            let bundle = pair.export(&everything(Some(&pair.source.key)));
            imported_with(pair, &bundle, ImportOptions { overwrite: overwriting, ..overwrite() });
            let name = if overwriting { "Everybody" } else { "Everyone" };
            assert_eq!(pair.target.one("Team", "Id", "teams-everyone")["Name"], name);
            let outcome = taken_back(pair);
            assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
            assert_eq!(content(pair), before);
        });
    }
}

/// What the import left can be looked at: columns and body, with references, and secrets as markers.
#[test]
fn an_undo_file_shows_documents_as_they_were_left() {
    let pair = Pair::new(Generation::Spaces);
    differing(&pair);
    imported(&pair);
    let bundle = support::open(&undo_file(&pair));
    let mut found = Vec::new();
    bundle
        .scan(Some("sealift:change"), &mut |entry, document| -> Result<(), sealift::bundle::BundleError> {
            let body = document.body.as_ref().map(sealift::document::json::describe).unwrap_or_default();
            found.push((entry.key.to_string(), entry.id.clone(), entry.secrets, body));
            Ok(())
        })
        .unwrap();
    let of = |name: &str| {
        let mut all = found.iter().filter(|(key, ..)| key.contains(name));
        let (_, id, secrets, body) = all.next().unwrap_or_else(|| panic!("{name}: {found:#?}"));
        assert!(all.next().is_none(), "{name}");
        (id.clone(), *secrets, body.clone())
    };
    let (id, secrets, _) = of("Fresh");
    assert_eq!(id.as_text(), Some(pair.target.id_of("Account", "Fresh").as_str()));
    assert_eq!(secrets, 1);
    let (_, secrets, body) = of("Both");
    assert_eq!((secrets, &body["Description"]), (0, &json!("new")), "{body}");
    let bytes = std::fs::read(undo_file(&pair)).unwrap();
    assert!(!bytes.windows(5).any(|window| window == b"token"));
}
