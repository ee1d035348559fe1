//! Bundles joined: what is the same is one, what differs is decided by somebody or not written, and nothing of
//! one server is taken for another's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "merge/by_hand.rs"]
mod by_hand;
#[path = "merge/command.rs"]
mod command;
#[path = "merge/conflicts.rs"]
mod conflicts;
#[path = "support/generator.rs"]
mod generator;
#[path = "merge/names.rs"]
mod names;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sealift::bundle::{
    self, Bundle, BundleError, ContentRoot, Entry, Header, Level, Limits, Notice, Protection, Reason,
    Summary, Writer, WriterOptions,
};
use sealift::crypto::{KdfLimits, SecretBytes};
use sealift::demo::{self, DemoOptions, Site};
use sealift::document::{Dangling, Document, Key, KindName, Map, Reference, SecretId, Value};
use sealift::model::Model;
use sealift::ops::{self, Conflict, ExportOptions, Merge, MergeError, MergeInput, MergeOptions, PathEnd};
use sealift::plan::Changed;
use sealift::progress::Silent;
use support::everything::{Generation, SOURCE, TARGET, Twist, build};
use support::*;

fn inputs(files: &[&Path]) -> Vec<MergeInput<'static>> {
    let input = |path: &&Path| {
        let bundle = open(path);
        let key = unlock(&bundle);
        MergeInput { path: path.to_path_buf(), documents: Box::new(ops::BundleDocuments::new(bundle, key)) }
    };
    files.iter().map(input).collect()
}

fn prefer(texts: &[&str]) -> MergeOptions {
    MergeOptions { prefer: texts.iter().map(|text| (*text).to_owned()).collect(), ..MergeOptions::default() }
}

fn try_merge(
    files: &[&Path],
    out: &Path,
    model: &Model,
    options: &MergeOptions,
) -> Result<Summary, MergeError> {
    let inputs = inputs(files);
    let merge = Merge::examine(&inputs, model, options, &Silent)?;
    let mut written = WriterOptions { force: true, ..WriterOptions::default() };
    if merge.has_values() {
        written.protection = sealed().protection;
    }
    merge.write(Writer::create(out, merge.header().clone(), written)?, &Silent).map(|report| report.summary)
}

/// Merges, and expects a bundle that is sound to its last secret.
fn merge(files: &[&Path], out: &Path, model: &Model, options: &MergeOptions) -> Summary {
    let summary = try_merge(files, out, model, options).unwrap();
    let password = password();
    let opened = (summary.sealed > 0).then_some(&password);
    let report = bundle::verify(out, opened, &Limits::default(), &KdfLimits::default(), &Silent).unwrap();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    if opened.is_some() {
        assert_eq!((report.level, report.secrets_opened), (Level::Opened, summary.sealed));
    }
    summary
}

fn found_conflicts(files: &[&Path], model: &Model, options: &MergeOptions) -> Vec<Conflict> {
    let inputs = inputs(files);
    Merge::examine(&inputs, model, options, &Silent).unwrap().conflicts().to_vec()
}

fn entries(bundle: &Bundle) -> Vec<Entry> {
    let mut found = Vec::new();
    let keep = &mut |entry| -> Result<(), BundleError> {
        found.push(entry);
        Ok(())
    };
    bundle.entries(None, keep).unwrap();
    found
}

/// Every value of every secret, by kind, key and place.
fn values(path: &Path) -> Vec<(String, Option<String>)> {
    let bundle = open(path);
    let key = unlock(&bundle);
    let mut found = Vec::new();
    for entry in entries(&bundle).iter().filter(|entry| entry.secrets > 0) {
        let document = bundle.document(entry.number).unwrap();
        let opened = match &key {
            Some(key) => bundle.secrets(entry, &document, key).unwrap(),
            None => Vec::new(),
        };
        for (n, place) in document.secret_places().iter().enumerate() {
            let value = opened.get(n).and_then(Option::as_ref).map(|v| v.expose_text().unwrap().to_owned());
            found.push((format!("{} {} {place}", entry.kind, entry.key), value));
        }
    }
    found
}

/// The demo's two servers: other ids, other master keys, some names in another case.
fn site(folder: &Path, site: Site) -> PathBuf {
    let number = if site == Site::Build { 1 } else { 2 };
    let server = folder.join(format!("{site:?}.sqlite"));
    demo::build(&mut empty_octopus(&server), site, &key(number), &DemoOptions::default()).unwrap();
    let file = folder.join(format!("{site:?}.sealift"));
    export(&server, &octopus(), &file, &everything(Some(&key(number))));
    file
}

#[test]
fn one_bundle_and_one_bundle_twice_are_itself() {
    let folder = folder();
    let model = octopus();
    let file = site(folder.path(), Site::Build);
    let out = folder.path().join("out.sealift");
    let before = open(&file);
    merge(&[&file], &out, &model, &MergeOptions::default());
    let after = open(&out);
    assert_eq!(before.info().content_root, after.info().content_root);
    assert_eq!(before.info().header, after.info().header);
    assert_eq!(before.notices().unwrap(), after.notices().unwrap());
    assert_eq!(entries(&before), entries(&after), "ids and reasons stay");
    assert_eq!(values(&file), values(&out));

    let twice = folder.path().join("twice.sealift");
    let summary = merge(&[&file, &file], &twice, &model, &MergeOptions::default());
    assert_eq!(summary.content_root, before.info().content_root);
    assert_eq!(values(&file), values(&twice));
}

#[test]
fn the_parts_of_an_export_are_the_whole_in_whatever_order() {
    let folder = folder();
    let model = octopus();
    let whole = site(folder.path(), Site::Build);
    let server = folder.path().join("Build.sqlite");
    let kinds =
        ["Project", "VariableSet", "DeploymentProcess", "Team", "Account"].map(str::to_owned).to_vec();
    let part = |name: &str, options: ExportOptions<'_>| {
        let file = folder.path().join(name);
        export(&server, &model, &file, &options);
        file
    };
    let master = key(1);
    let only = part("only.sealift", ExportOptions { only: kinds.clone(), ..everything(Some(&master)) });
    let rest = part("rest.sealift", ExportOptions { exclude: kinds, ..everything(Some(&master)) });
    let one = part("one.sealift", project("Order Service", Some(&master)));
    let root = open(&whole).info().content_root;
    for (number, files) in
        [[&only, &rest, &one], [&rest, &one, &only], [&one, &only, &rest]].iter().enumerate()
    {
        let out = folder.path().join(format!("{number}.sealift"));
        let files = files.map(PathBuf::as_path);
        let summary = merge(&files, &out, &model, &MergeOptions::default());
        assert_eq!(summary.content_root, root);
        assert_eq!(values(&whole), values(&out));
        let named = entries(&open(&out)).iter().any(|entry| entry.reason == Reason::Named);
        assert_eq!(named, number > 0, "reasons are those of the first input that has the document");
    }
}

#[test]
fn two_servers_of_one_configuration_are_one_though_no_id_is_the_same() {
    for generation in [Generation::Y2018, Generation::Spaces] {
        let folder = folder();
        let model = octopus();
        let [a, b] = [("a", SOURCE), ("b", TARGET)].map(|(name, numbering)| {
            let server = folder.path().join(format!("{name}.sqlite"));
            build(&server, generation, 1, numbering, Twist::default());
            let file = folder.path().join(format!("{name}.sealift"));
            export(&server, &model, &file, &everything(Some(&key(numbering.key))));
            file
        });
        let options = MergeOptions::default();
        let one = merge(&[&a, &b], &folder.path().join("ab.sealift"), &model, &options);
        let other = merge(&[&b, &a], &folder.path().join("ba.sealift"), &model, &options);
        assert_eq!(one.content_root, open(&a).info().content_root, "{generation:?}");
        assert_eq!(one.content_root, other.content_root, "{generation:?}");
    }
}

#[test]
fn two_servers_whose_ids_collide_arrive_as_one() {
    let folder = folder();
    let model = octopus();
    let (build, production) = (site(folder.path(), Site::Build), site(folder.path(), Site::Production));
    let ids = |path: &Path| {
        let entries = entries(&open(path));
        entries.into_iter().map(|e| (e.kind.clone(), e.key.to_text(), e.id)).collect::<Vec<_>>()
    };
    let (ours, theirs) = (ids(&build), ids(&production));
    let collide = ours.iter().filter(|(kind, key, id)| {
        *id != Value::Null && theirs.iter().any(|(k, other, i)| k == kind && i == id && other != key)
    });
    assert!(collide.count() > 10, "the servers' ids do not collide");
    let found = found_conflicts(&[&build, &production], &model, &MergeOptions::default());
    assert!(found.len() > 20 && found.iter().all(|conflict| conflict.chosen.is_none()));

    let out = folder.path().join("out.sealift");
    let undecided = try_merge(&[&build, &production], &out, &model, &MergeOptions::default());
    assert!(matches!(undecided, Err(MergeError::Conflicts { undecided }) if undecided == found.len()));
    assert!(!out.exists());

    for (number, preferred) in [&["Build"][..], &["Production", "TagSet=Build"]].iter().enumerate() {
        let summary = merge(&[&build, &production], &out, &model, &prefer(preferred));
        let other = folder.path().join("other.sealift");
        let back = merge(&[&production, &build], &other, &model, &prefer(preferred));
        assert_eq!(summary.content_root, back.content_root, "{preferred:?}: the order decides nothing");
        assert_eq!(values(&out), values(&other));
        let again = there_and_back(folder.path(), &out, number);
        // A tenant of production has a tag that the build server's tag set lacks, which was preferred.
        let lost = lost_parts(&out);
        assert_eq!(lost, ["Tenant [{\"Space\":[\"Default\"]},\"Old Turnstone\"]"]);
        assert_eq!(differences(&out, &again), lost, "{preferred:?}");
        assert_eq!(values(&out), values(&again), "{preferred:?}");
    }
    // Channels of the build server cannot be without a tag that production's tag set lacks.
    merge(&[&build, &production], &out, &model, &prefer(&["Production"]));
    let server = folder.path().join("refused.sqlite");
    drop(empty_octopus(&server));
    let lost = lost_parts(&out);
    let found = refused(&out, &server, &model, overwrite());
    for finding in &found {
        let leaf = finding.name.rsplit(" / ").next().unwrap();
        let said = |name: &&String| name.starts_with(&finding.kind) && name.contains(leaf);
        assert!(lost.iter().any(|name| said(&name)), "{finding:?} {lost:?}");
    }
    assert!(!found.is_empty());
}

/// Imports a bundle into an empty server, and exports that.
fn there_and_back(folder: &Path, bundle: &Path, number: usize) -> PathBuf {
    let model = octopus();
    let server = folder.join(format!("{number}-target.sqlite"));
    drop(empty_octopus(&server));
    import(bundle, &server, &model, Some(&key(3)), overwrite());
    import_nothing(bundle, &server, &model, Some(&key(3)), overwrite());
    let again = folder.join(format!("{number}-again.sealift"));
    export(&server, &model, &again, &everything(Some(&key(3))));
    again
}

#[test]
fn random_servers_with_the_same_ids_for_other_things_arrive_as_one() {
    let folder = folder();
    let model = octopus();
    for seed in 0..3u64 {
        let files = [0, 1].map(|side: u64| {
            let server = folder.path().join(format!("{seed}-{side}.sqlite"));
            generator::generate(&mut empty_octopus(&server), seed + 1000 * side, 40, 0, &key(1));
            // Tags of sets of one name that are not the same would be lost with the set that is not taken.
            let rename = format!("UPDATE TagSet SET Name = Name || ' of {side}'");
            rusqlite::Connection::open(&server).unwrap().execute_batch(&rename).unwrap();
            let file = folder.path().join(format!("{seed}-{side}.sealift"));
            export(&server, &model, &file, &everything(Some(&key(1))));
            file
        });
        let files = [files[0].as_path(), files[1].as_path()];
        let out = folder.path().join(format!("{seed}.sealift"));
        let summary = merge(&files, &out, &model, &prefer(&["2"]));
        let (one, other) = (open(files[0]).info().documents, open(files[1]).info().documents);
        assert!(summary.documents > one.max(other), "{one} and {other} are {}", summary.documents);
        let again = there_and_back(folder.path(), &out, seed as usize);
        assert_eq!(lost_parts(&out), Vec::<String>::new());
        assert_eq!(differences(&out, &again), Vec::<String>::new());
        assert_eq!(open(&again).info().content_root, summary.content_root);
        assert_eq!(values(&out), values(&again));
    }
}

/// The documents that name a part which nobody has any more.
fn lost_parts(path: &Path) -> Vec<String> {
    let notices = open(path).notices().unwrap().into_iter().filter(|notice| notice.code == "lost-part");
    let mut found: Vec<String> =
        notices.map(|notice| format!("{} {}", notice.kind.unwrap(), notice.key.unwrap())).collect();
    found.dedup();
    found
}

/// The documents of one bundle that another has otherwise; that it lacks none is checked.
fn differences(left: &Path, right: &Path) -> Vec<String> {
    let (left, right) = (entries(&open(left)), entries(&open(right)));
    let name = |entry: &Entry| format!("{} {}", entry.kind, entry.key.to_text());
    assert_eq!(left.iter().map(name).collect::<Vec<_>>(), right.iter().map(name).collect::<Vec<_>>());
    let pairs = left.iter().zip(&right).filter(|(a, b)| a.content_id != b.content_id);
    pairs.map(|(a, _)| name(a)).collect()
}
