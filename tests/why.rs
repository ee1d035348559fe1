//! Why a document is in a bundle: the path to what was named, held against what the documents themselves say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sealift::bundle::{Bundle, Entry, Header, Reason, Writer, WriterOptions};
use sealift::demo::{self, DemoOptions, Site};
use sealift::document::{Document, Key, KindName, Map, Reference, Value};
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{self, ExportOptions, PathEnd, Root, WhyError, WhyPath};
use sealift::progress::Silent;
use support::*;

/// The demo's build server, with two spaces.
fn build_server(folder: &Path) -> PathBuf {
    let path = folder.join("build.sqlite");
    demo::build(&mut empty_octopus(&path), Site::Build, &key(1), &DemoOptions::default()).unwrap();
    path
}

/// An export without the values of secrets.
fn export_masked(server: &Path, out: PathBuf, options: ExportOptions<'_>) -> PathBuf {
    let options = ExportOptions { secrets: ServerSecrets::Mask, ..options };
    try_export(server, &octopus(), &out, &options, WriterOptions::default()).unwrap();
    out
}

fn all_entries(bundle: &Bundle) -> Vec<Entry> {
    let mut entries = Vec::new();
    bundle
        .entries(None, &mut |entry| -> Result<(), sealift::bundle::BundleError> {
            entries.push(entry);
            Ok(())
        })
        .unwrap();
    entries
}

fn only_path(bundle: &Bundle, kind: &str, name: &str) -> WhyPath {
    let mut paths = ops::why(&ops::BundleDocuments::new(bundle, None), kind, name).unwrap();
    assert_eq!(paths.len(), 1, "{paths:#?}");
    paths.remove(0)
}

fn names(path: &WhyPath) -> Vec<String> {
    path.steps.iter().map(|step| format!("{} {}", step.kind, step.key)).collect()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealift")).args(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let out = run(args);
    assert_eq!(out.status.code(), Some(0), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn refuse(args: &[&str], code: i32) -> String {
    let out = run(args);
    let error = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{error}");
    assert!(out.stdout.is_empty());
    assert!(error.contains("hint: "), "{error}");
    error
}

/// Whether a document has, at or below a place, a reference to another or to a part of it.
fn refers(bundle: &Bundle, from: &Entry, place: &str, to: &Entry) -> bool {
    let is_to = |r: &Reference| r.kind == to.kind && r.key == to.key;
    let mut found = false;
    bundle.document(from.number).unwrap().visit(&mut |at, value| {
        let Value::Ref(r) = value else { return };
        let to_part = || r.key.parts().iter().any(|part| matches!(part, Value::Ref(owner) if is_to(owner)));
        let at = at.to_string();
        let below =
            at.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']));
        found |= below && (is_to(r) || to_part());
    });
    found
}

#[test]
fn every_path_of_a_partial_export_ends_at_what_was_named_and_is_what_the_documents_say() {
    let folder = folder();
    let server = build_server(folder.path());
    let file = export_masked(&server, folder.path().join("one.sealift"), project("Order Service", None));
    let bundle = open(&file);
    let (mut needed, mut belonging, mut longest) = (0, 0, 0);
    for entry in all_entries(&bundle) {
        let path = only_path(&bundle, entry.kind.as_str(), &entry.key.to_text());
        assert_eq!(path.steps[0], entry);
        assert_eq!(path.end, PathEnd::Named);
        assert_eq!(names(&path).last().unwrap(), "Project Default / Order Service");
        for pair in path.steps.windows(2) {
            let [document, cause] = pair else { unreachable!() };
            match &document.reason {
                Reason::NeededBy { place, .. } => {
                    needed += 1;
                    assert!(refers(&bundle, cause, place, document), "{document:#?} {cause:#?}");
                }
                Reason::BelongsTo { place, .. } => {
                    belonging += 1;
                    assert!(refers(&bundle, document, place, cause), "{document:#?} {cause:#?}");
                }
                other => panic!("{other:?} leads nowhere, and yet a step follows"),
            }
        }
        longest = longest.max(path.steps.len());
    }
    assert!(needed > 50 && belonging > 20 && longest >= 5, "{needed} {belonging} {longest}");
}

#[test]
fn a_path_is_told_to_people_and_to_scripts() {
    let folder = folder();
    let server = build_server(folder.path());
    let file = export_masked(&server, folder.path().join("one.sealift"), project("Order Service", None));
    let file = file.to_str().unwrap();
    // The key of a certificate ends in its thumbprint; its name is enough all the same.
    let told = stdout(&["why", file, "certificate", "SHOP.heron.example"]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("Certificate Default / shop.heron.example / "), "{told}");
    assert_eq!(
        lines[1..],
        [
            "  needed by VariableSet Default / Hosting at $.Variables[4].Value",
            "  which is needed by LibraryVariableSet Default / Hosting at VariableSetId",
            "  which is needed by Project Default / Order Service at IncludedLibraryVariableSetIds",
            "  which was named on the command line",
        ]
    );
    let told = stdout(&["why", file, "DeploymentSettings", "Order Service"]);
    assert_eq!(
        told,
        "DeploymentSettings Default / Order Service\n  belongs to Project Default / Order Service at ProjectId\n  which was named on the command line\n"
    );
    let told = stdout(&["why", file, "Project", "order service"]);
    assert_eq!(told, "Project Default / Order Service\n  was named on the command line\n");

    let told = stdout(&["why", file, "Lifecycle", "Four Steps", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    let space = serde_json::json!({ "Space": ["Default"] });
    assert_eq!(
        json,
        serde_json::json!({ "documents": [{
            "kind": "Lifecycle",
            "key": [space, "Four Steps"],
            "path": [
                { "reason": "needed-by", "kind": "Project", "key": [space, "Order Service"], "place": "LifecycleId" },
                { "reason": "named" },
            ],
        }] })
    );
}

#[test]
fn members_of_a_named_group_lead_to_the_group() {
    let folder = folder();
    let server = build_server(folder.path());
    let (kind, of) = ("Project".to_owned(), "ProjectGroup".to_owned());
    let roots = vec![Root::Members { kind, of, name: "Shop".to_owned() }];
    let options = ExportOptions { roots, ..everything(None) };
    let bundle = open(&export_masked(&server, folder.path().join("group.sealift"), options));
    let path = only_path(&bundle, "VariableSet", "Order Service");
    assert_eq!(
        names(&path),
        [
            "VariableSet Default / Order Service",
            "Project Default / Order Service",
            "ProjectGroup Default / Shop"
        ]
    );
    assert_eq!(path.end, PathEnd::Named);
}

#[test]
fn of_a_full_export_everything_was_taken() {
    let folder = folder();
    let server = build_server(folder.path());
    let file = export_masked(&server, folder.path().join("all.sealift"), everything(None));
    let bundle = open(&file);
    for entry in all_entries(&bundle) {
        let path = only_path(&bundle, entry.kind.as_str(), &entry.key.to_text());
        assert_eq!((path.steps.as_slice(), path.end), (&[entry][..], PathEnd::All));
    }
    let file = file.to_str().unwrap();
    let told = stdout(&["why", file, "Account", "Kube Token"]);
    assert_eq!(told, "Account Default / Kube Token\n  was taken because everything was exported\n");
    let told = stdout(&["why", file, "Account", "Kube Token", "--json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&told).unwrap()["documents"][0]["path"],
        serde_json::json!([{ "reason": "all" }])
    );
}

#[test]
fn a_path_through_documents_that_were_not_taken_says_where_it_leaves_the_bundle() {
    let folder = folder();
    let server = build_server(folder.path());
    let options = ExportOptions { only: vec!["Certificate".to_owned()], ..project("Order Service", None) };
    let file = export_masked(&server, folder.path().join("only.sealift"), options);
    let path = only_path(&open(&file), "Certificate", "shop.heron.example");
    assert_eq!((path.steps.len(), path.end), (1, PathEnd::NotInBundle));
    let told = stdout(&["why", file.to_str().unwrap(), "Certificate", "shop.heron.example"]);
    assert!(told.contains("  needed by VariableSet Default / Hosting at $.Variables[4].Value\n"), "{told}");
    assert!(told.ends_with("  which was looked through and is not in the bundle itself\n"), "{told}");
}

#[test]
fn a_name_of_several_documents_shows_the_path_of_each() {
    let folder = folder();
    let server = build_server(folder.path());
    let include = |kind: &str, name: &str| Root::Named { kind: kind.to_owned(), name: name.to_owned() };
    // Both spaces have an environment of this name; two projects have a channel "Default".
    let roots = vec![include("Environment", "Production"), include("Channel", "Default")];
    let options = ExportOptions { roots, ..everything(None) };
    let file = export_masked(&server, folder.path().join("two.sealift"), options);
    let bundle = open(&file);
    let paths = ops::why(&ops::BundleDocuments::new(&bundle, None), "Environment", "production").unwrap();
    let found: Vec<String> = paths.iter().map(|path| names(path)[0].clone()).collect();
    assert_eq!(found, ["Environment Data Platform / Production", "Environment Default / Production"]);
    assert!(paths.iter().all(|path| path.end == PathEnd::Named));
    let channels = ops::why(&ops::BundleDocuments::new(&bundle, None), "Channel", "Default").unwrap();
    assert!(channels.len() > 1);
    assert!(channels.iter().all(|path| path.steps[0].key.leaf() == "Default"));

    // Scopes, or the key as `--json` shows it, say which.
    let data = &paths[0];
    for name in ["data platform / PRODUCTION", r#"[ {"Space": ["Data Platform"]}, "Production" ]"#] {
        assert_eq!(&only_path(&bundle, "Environment", name), data, "{name}");
    }
    let order = only_path(&bundle, "Channel", "Order Service / Default");
    assert_eq!(names(&order), ["Channel Default / Order Service / Default"]);

    let file = file.to_str().unwrap();
    let told = stdout(&["why", file, "Environment", "Production"]);
    assert_eq!(told.lines().filter(|line| line.starts_with("Environment ")).count(), 2, "{told}");
    // `show` shows one, so it asks; a key as JSON is enough for it too.
    let error = refuse(&["show", file, "Environment", "Production"], 2);
    assert!(
        error.contains("2 documents are named") && error.contains("Data Platform / Production"),
        "{error}"
    );
    let shown = stdout(&["show", file, "Environment", r#"[{"Space":["Data Platform"]},"Production"]"#]);
    assert!(shown.starts_with("Environment Data Platform / Production\n"), "{shown}");
}

#[test]
fn what_the_bundle_does_not_hold_is_named() {
    let folder = folder();
    let server = build_server(folder.path());
    let file = export_masked(&server, folder.path().join("one.sealift"), project("Order Service", None));
    let error = ops::why(&ops::BundleDocuments::new(open(&file), None), "Project", "Kiosk").unwrap_err();
    assert!(matches!(error, WhyError::NoSuchDocument { .. }), "{error}");
    let file = file.to_str().unwrap();
    let error = refuse(&["why", file, "Project", "Kiosk"], 1);
    assert!(
        error.contains("no Project named \"Kiosk\"") && error.contains("sealift list FILE Project"),
        "{error}"
    );
    // A scope's name is not the name of what is in it.
    refuse(&["why", file, "Environment", "Default"], 1);
    let error = refuse(&["why", file, "Projet", "Order Service"], 2);
    assert!(error.contains("no kind \"Projet\"") && error.contains("ProjectGroup"), "{error}");
}

/// A bundle written by hand, of one kind: names, and why each is there.
fn crafted(folder: &Path, documents: &[(String, Reason)]) -> PathBuf {
    let out = folder.join("crafted.sealift");
    let header = Header::new("octopus".to_owned(), [0; 32], None);
    let mut writer = Writer::create(&out, header, WriterOptions::default()).unwrap();
    for (name, reason) in documents {
        let (kind, columns) = (KindName::new("Project"), Map::default());
        let document = Document { kind, key: Key::name(name), columns, body: None };
        writer.add(&document, &name.to_lowercase(), &Value::from(name.as_str()), reason, &[]).unwrap();
    }
    writer.finish(&Silent).unwrap();
    out
}

fn needed_by(name: &str) -> Reason {
    Reason::NeededBy { kind: KindName::new("Project"), key: Key::name(name), place: "$.Next".to_owned() }
}

#[test]
fn reasons_that_go_round_or_on_and_on_are_errors_that_name_the_document() {
    let folder = folder();
    let mut documents = vec![
        ("Itself".to_owned(), needed_by("Itself")),
        ("A".to_owned(), needed_by("B")),
        ("B".to_owned(), needed_by("C")),
        ("C".to_owned(), needed_by("B")),
    ];
    // A chain that ends well, but not soon.
    documents.extend((0..1200).map(|n| match n {
        0 => ("N0".to_owned(), Reason::Named),
        n => (format!("N{n}"), needed_by(&format!("N{}", n - 1))),
    }));
    let file = crafted(folder.path(), &documents);
    let bundle = open(&file);
    for name in ["Itself", "A", "B"] {
        let error = ops::why(&ops::BundleDocuments::new(&bundle, None), "Project", name).unwrap_err();
        assert!(matches!(&error, WhyError::Circle { key, .. } if key == name), "{error}");
    }
    let path = only_path(&bundle, "Project", "N999");
    assert_eq!((path.steps.len(), path.end), (1000, PathEnd::Named));
    let error = ops::why(&ops::BundleDocuments::new(&bundle, None), "Project", "N1000").unwrap_err();
    assert!(matches!(&error, WhyError::TooLong { key, .. } if key == "N1000"), "{error}");

    let file = file.to_str().unwrap();
    assert!(refuse(&["why", file, "Project", "A"], 5).contains("Project \"A\": the reasons"));
    assert!(refuse(&["why", file, "Project", "N1100"], 5).contains("Project \"N1100\": the path"));
}

#[test]
fn an_answer_is_bounded() {
    let folder = folder();
    // Every document weighs what a key may: together they are more than an answer holds.
    let long = "x".repeat(60_000);
    let documents: Vec<_> = (0..700).map(|n| (format!("{long}{n}"), Reason::All)).collect();
    let out = folder.path().join("wide.sealift");
    let mut writer =
        Writer::create(&out, Header::new("octopus".to_owned(), [0; 32], None), WriterOptions::default())
            .unwrap();
    for (name, reason) in &documents {
        let key = Key::new(vec![Value::from(name.as_str()), Value::from("same")]).unwrap();
        let kind = KindName::new("Project");
        let document = Document { kind, key, columns: Map::default(), body: None };
        let folded = document.key.folded(Default::default());
        writer.add(&document, &folded, &Value::from(&name[59_990..]), reason, &[]).unwrap();
    }
    writer.finish(&Silent).unwrap();
    let error = ops::why(&ops::BundleDocuments::new(open(&out), None), "Project", "same").unwrap_err();
    assert!(matches!(error, WhyError::TooMuch { found: 700, .. }), "{error}");
    assert!(error.to_string().len() < 200);
}
