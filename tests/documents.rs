//! One seam for all sources of documents: a server, a bundle and a folder answer alike, whoever compares or merges them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/little.rs"]
mod little;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::path::{Path, PathBuf};

use little::{Pair, both, variable};
use sealift::bundle::{Writer, WriterOptions};
use sealift::crypto::KdfLimits;
use sealift::model::Model;
use sealift::ops::{
    self, Archive, BundleDocuments, DiffReport, Difference, Documents, DocumentsError, ExportError,
    ExportOptions, Merge, MergeInput, MergeOptions, ServerDocuments, TreeDocuments,
};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;
use sealift::tree::{Replace, ScriptMode, Tree};
use serde_json::json;
use stage::Stage;
use support::*;

fn tree<'m>(root: &Path, model: &'m Model, unlocked: bool) -> TreeDocuments<'m> {
    let mut documents = TreeDocuments::open(Tree::open(root).unwrap(), model, None, &Silent).unwrap();
    if unlocked {
        documents.unlock(&password(), &KdfLimits::default()).unwrap();
    }
    documents
}

fn bundle(path: &Path, unlocked: bool) -> BundleDocuments {
    let bundle = open(path);
    let key = unlock(&bundle).filter(|_| unlocked);
    BundleDocuments::new(bundle, key)
}

/// A bundle of the source, and a folder made of it.
fn exported(pair: &Pair, model: &Model) -> (PathBuf, PathBuf) {
    let file = pair.export(&everything(Some(&pair.source.key)));
    let root = file.with_extension("folder");
    ops::to_tree(&open(&file), model, &root, ScriptMode::Extract, Replace::default(), &Silent).unwrap();
    (file, root)
}

fn compare(left: &dyn Documents, right: &dyn Documents, model: &Model) -> DiffReport {
    let options = ExportOptions::everything(ops::translate::ServerSecrets::Mask);
    ops::diff(left, right, model, &options, &Silent).unwrap()
}

/// What differs, as a line each.
fn told(report: &DiffReport) -> Vec<String> {
    let line = |entry: &ops::DiffEntry| match &entry.difference {
        Difference::OnlyLeft => format!("{} {} left", entry.kind, entry.key),
        Difference::OnlyRight => format!("{} {} right", entry.kind, entry.key),
        Difference::Changed(changes) => format!("{} {} {}", entry.kind, entry.key, changes[0].place),
    };
    report.entries.iter().map(line).collect()
}

fn fill(pair: &Pair) {
    let web = pair.source.project(1, "Web");
    pair.source.project(2, "Shop");
    let secret = pair.source.secret("first");
    pair.source.variables(&web, json!([variable("Token", "Sensitive", &secret, json!({}))]));
}

#[test]
fn a_server_its_bundle_and_its_folder_are_equal_and_differ_from_a_later_state_in_the_same_way() {
    both(|pair| {
        fill(pair);
        let model = octopus();
        let (file, root) = exported(pair, &model);
        let differences = |unlocked: bool| {
            let mut server = SqliteServer::open(&pair.source.path).unwrap();
            let key = &pair.source.key;
            let options = match unlocked {
                true => everything(Some(key)),
                false => ExportOptions::everything(ops::translate::ServerSecrets::Mask),
            };
            let server = ServerDocuments::new(server.read().unwrap(), &model, &options, &Silent).unwrap();
            let (bundle, tree) = (bundle(&file, unlocked), tree(&root, &model, unlocked));
            let exports = compare(&bundle, &tree, &model);
            assert_eq!(told(&exports), [""; 0]);
            assert_eq!(exports.secrets_not_compared > 0, !unlocked);
            let (one, other) = (compare(&bundle, &server, &model), compare(&tree, &server, &model));
            assert_eq!(one, other);
            assert_eq!(one.secrets_not_compared > 0, !unlocked);
            told(&one)
        };
        assert_eq!((differences(true), differences(false)), (vec![], vec![]));
        // The value of a secret alone, a document that is gone, one that is new, and one that is renamed.
        let secret = pair.source.secret("second");
        let web = pair.source.id_of("Project", "Web");
        pair.source.run(&format!("DELETE FROM VariableSet WHERE OwnerId = '{web}'"));
        pair.source.variables(&web, json!([variable("Token", "Sensitive", &secret, json!({}))]));
        pair.source.run("UPDATE DeploymentEnvironment SET Name = 'Test' WHERE Name = 'Dev'");
        let renamed = |open: bool| {
            let mut found = differences(open);
            found.iter_mut().for_each(|line| *line = line.replace("Default / ", ""));
            found
        };
        assert_eq!(renamed(false), ["Environment Dev left", "Environment Test right"]);
        let opened = renamed(true);
        assert_eq!(opened[..2], ["Environment Dev left", "Environment Test right"]);
        assert!(opened.len() == 3 && opened[2].starts_with("VariableSet "), "{opened:?}");
    });
}

#[test]
fn documents_too_large_to_be_read_together_are_all_compared_in_the_order_of_their_keys() {
    let pair = Pair::new(little::Generation::Spaces);
    let names: Vec<String> = (1..=14).map(|number| format!("Set {number:02}")).collect();
    // The ids run against the names.
    for (number, name) in (1..).zip(names.iter().rev()) {
        let text = "x".repeat(1 << 20) + name;
        pair.source.library(number, name, json!([variable("Text", "String", &text, json!({}))]));
    }
    let model = octopus();
    let (file, root) = exported(&pair, &model);
    pair.source.run("UPDATE VariableSet SET JSON = replace(JSON, 'xSet', 'ySet')");
    pair.source.run("UPDATE LibraryVariableSet SET JSON = json_set(JSON, '$.Description', 'other')");
    let key = &pair.source.key;
    let mut server = SqliteServer::open(&pair.source.path).unwrap();
    let server =
        ServerDocuments::new(server.read().unwrap(), &model, &everything(Some(key)), &Silent).unwrap();
    let (bundle, tree) = (bundle(&file, true), tree(&root, &model, true));
    for (left, right) in [(&bundle as &dyn Documents, &server as &dyn Documents), (&server, &tree)] {
        let report = compare(left, right, &model);
        let found: Vec<String> = report.entries.iter().map(|entry| entry.key.path()).collect();
        let expected: Vec<String> = names.iter().map(|name| format!("Default / {name}")).collect();
        assert_eq!(found.len(), 28, "{found:?}");
        assert_eq!(found[..14], expected);
        assert!(report.entries.iter().all(|entry| matches!(entry.difference, Difference::Changed(_))));
    }
}

#[test]
fn two_documents_of_one_name_on_a_server_end_a_comparison() {
    let pair = Pair::new(little::Generation::Spaces);
    let id = |number| pair.source.id("Environments", number);
    for (number, name) in [(3, "dev "), (4, "DEV  ")] {
        pair.source.add("DeploymentEnvironment", json!({ "Id": id(number), "Name": name }));
    }
    let model = octopus();
    let (key, other) = (
        &pair.source.key,
        pair.export(&ExportOptions {
            only: vec!["Lifecycle".to_owned()],
            ..everything(Some(&pair.source.key))
        }),
    );
    for skip_unreadable in [false, true] {
        let options = ExportOptions { skip_unreadable, ..everything(Some(key)) };
        let mut server = SqliteServer::open(&pair.source.path).unwrap();
        let server = ServerDocuments::new(server.read().unwrap(), &model, &options, &Silent).unwrap();
        let found = ops::diff(&server, &bundle(&other, true), &model, &options, &Silent);
        let Err(DocumentsError::Export(ExportError::Malformed(faults))) = found else { panic!("{found:?}") };
        assert_eq!(faults.total(), 1, "{faults}");
        assert!(faults.to_string().contains("is not one document but several"), "{faults}");
    }
}

#[test]
fn a_file_that_changes_while_a_folder_is_compared_is_reported() {
    let pair = Pair::new(little::Generation::Spaces);
    fill(&pair);
    let model = octopus();
    let (_, root) = exported(&pair, &model);
    let documents = tree(&root, &model, true);
    let mut environments = Vec::new();
    documents.entries("Environment", &Silent, &mut |entry| environments.push(entry.number)).unwrap();
    assert_eq!(documents.some(&environments, usize::MAX, None).unwrap().len(), 2);
    let file = files(&root).into_iter().find(|path| path.ends_with("Dev.json")).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    for changed in
        [text.replace("\"Dev\"", "\"Developers\""), text.replace('{', "{\"More\":1,"), "{".to_owned()]
    {
        std::fs::write(&file, changed).unwrap();
        let error = documents.some(&environments, usize::MAX, None).unwrap_err().to_string();
        assert!(error.contains("Dev.json") && error.contains("changed while the folder was read"), "{error}");
    }
    std::fs::write(&file, text).unwrap();
    assert_eq!(documents.some(&environments, usize::MAX, None).unwrap().len(), 2);
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut open = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn folders_merge_as_the_bundles_they_were_made_of() {
    let pair = Pair::new(little::Generation::Spaces);
    fill(&pair);
    pair.target.project(7, "Depot");
    let model = octopus();
    let (file, root) = exported(&pair, &model);
    let other = pair.bundle();
    export(&pair.target.path, &model, &other, &everything(Some(&pair.target.key)));
    let merged = |first: Box<dyn Archive + '_>| {
        let inputs = [
            MergeInput { path: "first".into(), documents: first },
            MergeInput { path: "second".into(), documents: Box::new(bundle(&other, true)) },
        ];
        let merge = Merge::examine(&inputs, &model, &MergeOptions::default(), &Silent).unwrap();
        let out = pair.bundle();
        let options = WriterOptions { force: true, ..sealed() };
        let writer = Writer::create(&out, merge.header().clone(), options).unwrap();
        merge.write(writer, &Silent).unwrap();
        let written = open(&out);
        let info = written.info();
        (
            info.content_root,
            info.sealed,
            info.documents,
            written.notices().unwrap(),
            written.coverage().unwrap(),
        )
    };
    let (bundles, folders) =
        (merged(Box::new(bundle(&file, true))), merged(Box::new(tree(&root, &model, true))));
    assert!(bundles.1 > 0 && bundles == folders, "{bundles:?}\n{folders:?}");
    // Locked, as a bundle is.
    let inputs = [MergeInput { path: "first".into(), documents: Box::new(tree(&root, &model, false)) }];
    assert!(Merge::examine(&inputs, &model, &MergeOptions::default(), &Silent).is_err());
}

/// Where there is no room for temporary files, servers and folders are compared all the same.
#[test]
fn a_comparison_of_servers_and_folders_writes_nothing() {
    let stage = Stage::new();
    stage.done(&["convert", "build.sealift", "folder/"]);
    for sides in [
        ["sqlite:build.sqlite", "sqlite:production.sqlite"],
        ["folder", "sqlite:build.sqlite"],
        ["folder", "folder"],
    ] {
        let mut command = stage.command("d", &["diff", sides[0], sides[1], "--json"]);
        let out =
            command.env("TMPDIR", stage.at("nowhere")).env("TMP", stage.at("nowhere")).output().unwrap();
        let expected = if sides[1].contains("production") { 3 } else { 0 };
        assert_eq!(out.status.code(), Some(expected), "{sides:?} {}", stage::text(&out.stderr));
    }
}
