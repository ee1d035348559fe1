//! Secrets where the model knows of none: text that decrypts under the server's key is sealed, listed, and encrypted for
//! the target like any other secret.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use little::{Little, Pair, both, variable};
use sealift::bundle::WriterOptions;
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{self, ExportError, ExportOptions, UndeclaredSecret};
use sealift::plan::Action;
use sealift::progress::Silent;
use sealift::server::sqlite::SqliteServer;
use sealift::tree::{ScriptMode, Tree};
use serde_json::{Value as Json, json};
use support::*;

const GROUP: &str = "ProjectGroups";

fn group(server: &Little, json: Json) {
    let mut row = json!({ "Id": server.id(GROUP, 7), "Name": "Odd" });
    row.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    server.add("ProjectGroup", row);
}

fn odd(server: &Little) -> Json {
    server.named("ProjectGroup", "Odd")
}

fn masked() -> ExportOptions<'static> {
    ExportOptions::everything(ServerSecrets::Mask)
}

/// What an export without values lists, and its bundle.
fn listed(pair: &Pair, options: &ExportOptions<'_>) -> (Vec<UndeclaredSecret>, std::path::PathBuf) {
    let file = pair.bundle();
    let writer = match options.secrets {
        ServerSecrets::Mask => WriterOptions::default(),
        ServerSecrets::Read(_) => sealed(),
    };
    let report = try_export(&pair.source.path, &octopus(), &file, options, writer).unwrap();
    (report.undeclared_secrets, file)
}

fn told(found: &[UndeclaredSecret]) -> Vec<(&str, &str, u64)> {
    found.iter().map(|secret| (secret.kind.as_str(), secret.place.as_str(), secret.count)).collect()
}

fn texts(bundle: &Path) -> String {
    let mut all = String::new();
    open(bundle)
        .scan(None, &mut |_, document| -> Result<(), sealift::bundle::BundleError> {
            all.push_str(&format!("{document:?}\n"));
            Ok(())
        })
        .unwrap();
    all
}

/// It was carried as text under the source's key, which the target could not read, even without secrets.
#[test]
fn an_undeclared_secret_arrives_under_the_targets_key() {
    both(|pair| {
        let (one, two) = (pair.source.secret("one"), pair.source.secret("two"));
        group(&pair.source, json!({ "Old": { "Tokens": [{ "It": one }, { "It": two }] }, "Plain": "text" }));
        let (found, bundle) = listed(pair, &everything(Some(&pair.source.key)));
        assert_eq!(told(&found), [("ProjectGroup", "$.Old.Tokens[*].It", 2)]);
        assert!(found[0].example.to_string().contains("Odd"));
        assert!(!texts(&bundle).contains(&one));
        let notices = open(&bundle).notices().unwrap();
        let notice = notices.iter().find(|notice| notice.code == "undeclared-secret").unwrap();
        assert_eq!((notice.place.as_deref(), notice.count), (Some("$.Old.Tokens[*].It"), 2));

        let plan = pair.import(&bundle, &overwrite());
        assert!(plan.source.iter().any(|notice| notice.code == "undeclared-secret"), "{:?}", plan.source);
        let tokens = odd(&pair.target)["Old"]["Tokens"].clone();
        let plain: Vec<String> = (0..2).map(|at| pair.target.reveal(&tokens[at]["It"])).collect();
        assert_eq!(plain, ["one", "two"]);
    });
}

#[test]
fn without_secrets_the_value_stays_behind_and_the_target_keeps_its_own() {
    both(|pair| {
        let cipher = pair.source.secret("of the source");
        group(&pair.source, json!({ "Token": cipher, "Other": 1 }));
        let (found, bundle) = listed(pair, &masked());
        assert_eq!(told(&found), [("ProjectGroup", "$.Token", 1)]);
        let bytes = texts(&bundle);
        assert!(!bytes.contains(&cipher) && !bytes.contains(cipher.split('|').next().unwrap()), "{bytes}");

        group(&pair.target, json!({ "Token": pair.target.secret("of the target"), "Other": 2 }));
        pair.import(&bundle, &overwrite());
        assert_eq!(pair.target.reveal(&odd(&pair.target)["Token"]), "of the target");
        assert_eq!(odd(&pair.target)["Other"], 1);
    });
}

#[test]
fn a_document_that_the_target_lacks_is_created_without_the_value() {
    both(|pair| {
        group(&pair.source, json!({ "Token": pair.source.secret("of the source") }));
        let (_, bundle) = listed(pair, &masked());
        let plan = pair.import(&bundle, &overwrite());
        assert!(odd(&pair.target)["Token"].is_null());
        let entry = plan.entries.iter().find(|entry| entry.key.to_string().contains("Odd")).unwrap();
        assert!(entry.notes.iter().any(|note| note.contains("$.Token")), "{:?}", entry.notes);
    });
}

#[test]
fn equal_values_under_two_keys_are_unchanged_and_other_values_are_a_changed_secret() {
    both(|pair| {
        group(&pair.source, json!({ "Token": pair.source.secret("same") }));
        group(&pair.target, json!({ "Token": pair.target.secret("same") }));
        let action = || {
            let bundle = pair.export(&everything(Some(&pair.source.key)));
            let plan = plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), overwrite());
            assert_eq!(plan.findings, []);
            let entry = plan.entries.into_iter().find(|entry| entry.key.to_string().contains("Odd"));
            entry.unwrap()
        };
        assert_eq!(action().action, Action::Unchanged);
        group(&pair.source, json!({ "Token": pair.source.secret("another") }));
        let entry = action();
        let shown = format!("{:?}", entry.changes);
        assert!(entry.action == Action::Update && shown.contains("Secret") && !shown.contains("another"));
    });
}

#[test]
fn text_that_only_looks_encrypted_stays_text() {
    both(|pair| {
        let of = |head: &[u8], iv: &[u8]| format!("{}|{}", STANDARD.encode(head), STANDARD.encode(iv));
        let odd_json = json!({
            "Random": of(&[7; 32], &[9; 16]),
            "Audit": of(&[7; 20], &[9; 12]),
            "OtherKey": key(3).encrypt(&"x".to_owned().into()).unwrap(),
            "Piece": format!("see {}", pair.source.secret("inside")),
        });
        group(&pair.source, odd_json.clone());
        let (found, bundle) = listed(pair, &everything(Some(&pair.source.key)));
        assert_eq!(told(&found), []);
        pair.import(&bundle, &overwrite());
        for (name, value) in odd_json.as_object().unwrap() {
            assert_eq!(&odd(&pair.target)[name], value, "{name}");
        }
    });
}

/// A name is a name, whatever it looks like.
#[test]
fn a_key_is_never_taken_for_a_secret() {
    both(|pair| {
        let name = pair.source.secret("odd name");
        pair.source.add("ProjectGroup", json!({ "Id": pair.source.id(GROUP, 8), "Name": name }));
        let (found, bundle) = listed(pair, &everything(Some(&pair.source.key)));
        assert_eq!(told(&found), []);
        pair.import(&bundle, &overwrite());
        pair.target.named("ProjectGroup", &name);
    });
}

#[test]
fn strict_refuses_undeclared_secrets_by_path() {
    both(|pair| {
        group(&pair.source, json!({ "Token": pair.source.secret("x") }));
        for secrets in [ServerSecrets::Read(Some(&pair.source.key)), ServerSecrets::Mask] {
            let options = ExportOptions { strict: true, ..ExportOptions::everything(secrets) };
            let file = pair.bundle();
            let error = try_export(&pair.source.path, &octopus(), &file, &options, sealed()).unwrap_err();
            assert!(error.to_string().contains("1 path holds a secret"), "{error}");
            let ExportError::Undeclared { found, secrets, .. } = error else { panic!("{error}") };
            assert_eq!((found.len(), told(&secrets)), (0, vec![("ProjectGroup", "$.Token", 1)]));
            assert!(!file.exists());
        }
    });
}

/// Without the key nobody can say what it is, and it must not leave as text.
#[test]
fn an_undeclared_secret_needs_the_key() {
    both(|pair| {
        group(&pair.source, json!({ "Token": pair.source.secret("x") }));
        let file = pair.bundle();
        let error =
            try_export(&pair.source.path, &octopus(), &file, &everything(None), sealed()).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("ProjectGroup") && words.contains("$.Token"), "{words}");
    });
}

#[test]
fn a_folder_holds_undeclared_secrets_as_it_holds_others() {
    both(|pair| {
        let cipher = pair.source.secret("in a folder");
        group(&pair.source, json!({ "Tokens": [cipher] }));
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        let (root, back) = (pair.folder().join("tree"), pair.bundle());
        ops::to_tree(
            &open(&bundle),
            &octopus(),
            &root,
            ScriptMode::Extract,
            sealift::tree::Replace { foreign: true, uncovered: true },
            &Silent,
        )
        .unwrap();
        let tree = Tree::open(&root).unwrap();
        let read = ops::from_tree(&tree, &octopus(), None, &back, (true, true), &Silent).unwrap();
        assert!(read.doubts.is_empty());
        assert_eq!(open(&back).info().content_root, open(&bundle).info().content_root);
        pair.import(&back, &overwrite());
        assert_eq!(pair.target.reveal(&odd(&pair.target)["Tokens"][0]), "in a folder");
    });
}

#[test]
fn the_undo_brings_the_targets_undeclared_secret_back() {
    both(|pair| {
        group(&pair.source, json!({ "Token": pair.source.secret("new") }));
        group(&pair.target, json!({ "Token": pair.target.secret("old") }));
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        let (undo, key) = (pair.folder().join("a.undo"), Some(&pair.target.key));
        let mut server = SqliteServer::open(&pair.target.path).unwrap();
        back::import_kept(&bundle, &mut server, &octopus(), key, &undo);
        assert_eq!(pair.target.reveal(&odd(&pair.target)["Token"]), "new");
        back::try_undo(&undo, &mut server, &octopus(), key, false, None).unwrap();
        drop(server);
        assert_eq!(pair.target.reveal(&odd(&pair.target)["Token"]), "old");
        let _ = fs::remove_file(&undo);
    });
}

/// Processes of version 2 keep secret properties in a bag of their own, variables say by a member that they are secret.
#[test]
fn the_secrets_of_early_versions_are_declared() {
    both(|pair| {
        let source = &pair.source;
        let project = source.project(1, "Web");
        let action = json!([{ "Name": "Deploy", "SensitiveProperties": { "Password": source.secret("of an action") } }]);
        source.process(&project, action);
        let mut early = variable("Early", "String", &source.secret("of a variable"), json!({}));
        early.as_object_mut().unwrap().insert("IsSensitive".to_owned(), json!(true));
        source.variable_set(&format!("variableset-{project}"), &project, false, json!([early]));
        let (found, bundle) = listed(pair, &everything(Some(&source.key)));
        assert_eq!(told(&found), []);
        assert!(!texts(&bundle).contains('|'), "{}", texts(&bundle));
        pair.import(&bundle, &overwrite());
        let action = pair.target.actions("Web").remove(0);
        assert_eq!(pair.target.reveal(&action["SensitiveProperties"]["Password"]), "of an action");
        assert_eq!(
            pair.target.reveal(&pair.target.variable("Project", "Web", "Early")["Value"]),
            "of a variable"
        );
    });
}

/// It is no id of anything, and would travel as a reference that names nothing.
#[test]
fn a_secret_at_the_path_of_a_reference_is_a_secret() {
    both(|pair| {
        let project = pair.source.project(1, "Web");
        let cipher = pair.source.secret("no account");
        let action =
            json!([{ "Name": "Deploy", "Properties": { "Octopus.Action.Azure.AccountId": cipher } }]);
        pair.source.process(&project, action);
        let (_, without) = listed(pair, &masked());
        assert!(!texts(&without).contains(&cipher));
        let (found, bundle) = listed(pair, &everything(Some(&pair.source.key)));
        assert_eq!(found.len(), 1);
        pair.import(&bundle, &overwrite());
        let action = pair.target.actions("Web").remove(0);
        assert_eq!(pair.target.reveal(&action["Properties"]["Octopus.Action.Azure.AccountId"]), "no account");
    });
}
