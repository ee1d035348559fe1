//! Bundles joined: what is the same is one, what differs is decided by somebody or not written, and nothing of
//! one server is taken for another's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/generator.rs"]
mod generator;
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

fn inputs(files: &[&Path]) -> Vec<MergeInput> {
    let input = |path: &&Path| {
        let bundle = open(path);
        let key = unlock(&bundle);
        MergeInput { path: path.to_path_buf(), bundle, key }
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

fn conflicts(files: &[&Path], model: &Model, options: &MergeOptions) -> Vec<Conflict> {
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
    let found = conflicts(&[&build, &production], &model, &MergeOptions::default());
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

// Bundles written by hand, of the small product of the tests.

fn shop() -> Model {
    Model::parse(include_str!("fixtures/shop.toml"), "shop.toml").unwrap()
}

struct Doc {
    kind: &'static str,
    key: Key,
    id: Value,
    reason: Reason,
    columns: Vec<(&'static str, Value)>,
    body: Vec<(&'static str, Value)>,
    secrets: Vec<Option<&'static str>>,
}

fn doc(kind: &'static str, name: &str, id: &str) -> Doc {
    Doc {
        kind,
        key: Key::name(name),
        id: Value::from(id),
        reason: Reason::All,
        columns: vec![("Name", Value::from(name))],
        body: Vec::new(),
        secrets: Vec::new(),
    }
}

impl Doc {
    fn column(mut self, name: &'static str, value: Value) -> Self {
        self.columns.push((name, value));
        self
    }

    fn body(mut self, name: &'static str, value: Value) -> Self {
        self.body.push((name, value));
        self
    }

    fn secret(self, value: Option<&'static str>) -> Self {
        let mut doc = self.body("Password", Value::Secret(SecretId::UNKNOWN));
        doc.secrets.push(value);
        doc
    }

    fn reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    fn document(&self) -> Document {
        let map = |pairs: &[(&'static str, Value)]| {
            Map::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect()).unwrap()
        };
        Document {
            kind: KindName::new(self.kind),
            key: self.key.clone(),
            columns: map(&self.columns),
            body: Some(Value::Map(map(&self.body))),
        }
    }
}

fn reference(kind: &str, name: &str) -> Value {
    Value::Ref(Box::new(Reference { kind: KindName::new(kind), key: Key::name(name) }))
}

fn dangling(kind: &str, id: &str) -> Value {
    Value::Dangling(Box::new(Dangling { kind: KindName::new(kind), id: Value::from(id) }))
}

fn header_of(version: Option<&str>) -> Header {
    let model = shop();
    Header::new(model.name, model.digest, version.map(str::to_owned))
}

fn written(path: PathBuf, header: Header, docs: Vec<Doc>, notices: Vec<Notice>) -> PathBuf {
    let valued = docs.iter().any(|doc| doc.secrets.iter().any(Option::is_some));
    let options = if valued { sealed() } else { WriterOptions::default() };
    let mut writer = Writer::create(&path, header, options).unwrap();
    for doc in docs {
        let secrets: Vec<_> =
            doc.secrets.iter().map(|value| value.map(|v| SecretBytes::from(v.to_owned()))).collect();
        let folded = doc.key.folded(shop().collation);
        writer.add(&doc.document(), &folded, &doc.id, &doc.reason, &secrets).unwrap();
    }
    notices.into_iter().for_each(|notice| writer.notice(notice).unwrap());
    writer.finish(&Silent).unwrap();
    path
}

fn bundle_of(folder: &Path, name: &str, docs: Vec<Doc>) -> PathBuf {
    written(folder.join(name), header_of(Some("1.0")), docs, Vec::new())
}

fn document(bundle: &Bundle, kind: &str, name: &str) -> Document {
    let entry = bundle.find(kind, &Key::name(name)).unwrap().unwrap_or_else(|| panic!("no {kind} {name}"));
    bundle.document(entry.number).unwrap()
}

fn id_of(bundle: &Bundle, kind: &str, name: &str) -> Value {
    bundle.find(kind, &Key::name(name)).unwrap().unwrap().id
}

fn told(conflict: &Conflict) -> (String, Vec<Vec<usize>>, Vec<String>) {
    let places = |change: &sealift::plan::Change| {
        let secret = matches!(change.changed, Changed::Secret);
        format!("{}{}", change.place, if secret { " (secret)" } else { "" })
    };
    (
        format!("{} {}", conflict.kind, conflict.key),
        conflict.versions.iter().map(|version| version.inputs.clone()).collect(),
        conflict.versions.iter().flat_map(|version| version.changes.iter().map(places)).collect(),
    )
}

#[test]
fn all_conflicts_are_told_at_once_with_inputs_and_places() {
    let folder = folder();
    let model = shop();
    let text = |text: &str| Value::from(text);
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Env", "Same", "Envs-1").body("Note", text("x")),
            doc("Env", "Test", "Envs-2").body("Note", text("one")),
            doc("Project", "Secret", "Projects-1").secret(Some("red")),
            doc("Project", "Equal", "Projects-2").secret(Some("blue")),
            doc("Project", "Half", "Projects-3").secret(Some("blue")),
            doc("Project", "None", "Projects-4").secret(None),
        ],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![
            doc("Env", "Same", "Envs-2").body("Note", text("x")),
            doc("Env", "Test", "Envs-1").body("Note", text("two")).body("More", Value::Int(1)),
            doc("Project", "Secret", "Projects-3").secret(Some("green")),
            doc("Project", "Equal", "Projects-1").secret(Some("blue")),
            doc("Project", "Half", "Projects-2").secret(None),
            doc("Project", "None", "Projects-9").secret(None),
        ],
    );
    let c =
        bundle_of(folder.path(), "c.sealift", vec![doc("Env", "Test", "Envs-7").body("Note", text("one"))]);
    let found = conflicts(&[&a, &b, &c], &model, &MergeOptions::default());
    let named = |text: &str| text.to_owned();
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [
            (named("Env Test"), vec![vec![0, 2], vec![1]], vec![named("$.More"), named("$.Note")]),
            (named("Project Half"), vec![vec![0], vec![1]], vec![named("$.Password (secret)")]),
            (named("Project Secret"), vec![vec![0], vec![1]], vec![named("$.Password (secret)")]),
        ]
    );
    assert_eq!(found[1].versions.iter().map(|v| v.empty_secrets).collect::<Vec<_>>(), [0, 1]);

    // Without values only content counts.
    let no_secrets = MergeOptions { no_secrets: true, ..prefer(&["Env=c"]) };
    let decided = conflicts(&[&a, &b, &c], &model, &no_secrets);
    assert_eq!(
        decided.iter().map(|d| (told(d).0, d.chosen)).collect::<Vec<_>>(),
        [(named("Env Test"), Some(2))]
    );
    let out = folder.path().join("out.sealift");
    assert_eq!(merge(&[&a, &b, &c], &out, &model, &no_secrets).sealed, 0);
    assert!(matches!(open(&out).envelope(), None));
}

#[test]
fn every_way_to_prefer() {
    let folder = folder();
    let model = shop();
    std::fs::create_dir(folder.path().join("x=y")).unwrap();
    let docs = |value: &'static str| {
        let note = || Value::from(value);
        vec![
            doc("Env", "Test", "Envs-1").body("Note", note()),
            doc("Env", "a=b", "Envs-2").body("Note", note()),
            doc("Project", "Web", "Projects-1").body("Note", note()).secret(Some(value)),
        ]
    };
    let a = bundle_of(folder.path(), "a.sealift", docs("a"));
    let b = bundle_of(&folder.path().join("x=y"), "b.sealift", docs("b"));
    let mut docs = docs("c");
    docs.remove(0);
    let c = bundle_of(folder.path(), "c.sealift", docs);
    let out = folder.path().join("out.sealift");
    let files = [a.as_path(), b.as_path(), c.as_path()];
    let taken = |texts: &[&str]| {
        merge(&files, &out, &model, &prefer(texts));
        let bundle = open(&out);
        let note = |kind: &str, name: &str| {
            let Some(Value::Map(body)) = document(&bundle, kind, name).body else { panic!() };
            body.get("Note").unwrap().as_text().unwrap().to_owned()
        };
        let secret = values(&out).remove(0).1.unwrap();
        let web = note("Project", "Web");
        assert_eq!(web, secret, "a secret is of the document that was taken");
        format!("{}{}{web}", note("Env", "Test"), note("Env", "a=b"))
    };
    let whole = b.to_str().unwrap();
    for name in [whole, "b.sealift", "b", "2"] {
        assert_eq!(taken(&[name]), "bbb", "{name}");
        assert_eq!(taken(&["a", &format!("env={name}")]), "bba", "{name}");
        assert_eq!(taken(&[&format!("Env/a=b={name}"), "a"]), "aba", "{name}");
        assert_eq!(taken(&[&format!("Env/TEST={name}"), "Env=a", "3"]), "bac", "{name}");
    }
    // Of one rank the first counts that has the document.
    assert_eq!(taken(&["c", "a"]), "acc");
    assert_eq!(taken(&["Env=c", "Env=b", "Project=a"]), "bca");
    assert_eq!(taken(&["Env/Test=b", "Env/Test=a", "c"]), "bcc");

    let wrong = |texts: &[&str]| match Merge::examine(&inputs(&files), &model, &prefer(texts), &Silent) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{texts:?} was taken"),
    };
    assert!(wrong(&["d"]).contains("names no input") && wrong(&["0"]).contains("names no input"));
    assert!(wrong(&["4"]).contains("names no input") && wrong(&["Env=d"]).contains("names no input"));
    assert!(wrong(&["Nothing=a"]).contains("holds no kind \"Nothing\""));
    assert!(wrong(&["Env/Tset=a"]).contains("holds no Env named \"Tset\""));
    assert!(wrong(&["Env/Test=c"]).contains("c.sealift holds no Env named"));
    std::fs::copy(&a, folder.path().join("x=y/a.sealift")).unwrap();
    let twin = folder.path().join("x=y/a.sealift");
    let error = Merge::examine(&inputs(&[&a, &twin]), &model, &prefer(&["a"]), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::SeveralInputs { .. }), "{error}");
    Merge::examine(&inputs(&[&a, &twin]), &model, &prefer(&["2"]), &Silent).unwrap();
}

#[test]
fn a_name_in_another_case_is_one_name_everywhere() {
    let folder = folder();
    let model = shop();
    let set = |owner: &str| {
        let key = Key::new(vec![reference("Project", owner)]).unwrap();
        let mut set = doc("VarSet", "", "varset-x").body("Variables", Value::List(Vec::new()));
        set.columns = vec![("OwnerId", reference("Project", owner))];
        set.key = key;
        set
    };
    let tags = |name: &str| {
        let tag = Map::from_pairs(vec![("Name".to_owned(), Value::from(name))]).unwrap();
        doc("TagSet", "Ring", "TagSets-1").body("Tags", Value::List(vec![Value::Map(tag)]))
    };
    let tag = |name: &str| {
        let key = Key::new(vec![reference("TagSet", "Ring"), Value::from(name)]).unwrap();
        Value::Ref(Box::new(Reference { kind: KindName::new("Tag"), key }))
    };
    let envs = |names: [&str; 2]| Value::List(names.map(|name| reference("Env", name)).to_vec());
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Env", "Production", "Envs-1"),
            doc("Env", "Test", "Envs-2"),
            doc("Project", "Web Shop", "Projects-1").column("EnvIds", envs(["Production", "Test"])),
            set("Web Shop"),
            doc("Project", "Shared", "Projects-2").column("NextId", reference("Project", "Web Shop")),
            tags("Alpha"),
        ],
    );
    let notice = Notice::at(
        "dangling",
        &KindName::new("Project"),
        &Key::name("Web shop"),
        "NextId",
        "names Project Projects-99, which is not on the server".to_owned(),
    );
    let owner = |key: &str| Reason::NeededBy {
        kind: KindName::new("Project"),
        key: Key::name(key),
        place: "EnvIds[0]".to_owned(),
    };
    let b = written(
        folder.path().join("b.sealift"),
        header_of(Some("1.0")),
        vec![
            doc("Env", "PRODUCTION", "Envs-7"),
            doc("Env", "Test", "Envs-1"),
            doc("Env", "Mine", "Envs-8").reason(owner("Web shop")),
            doc("Project", "Web shop", "Projects-2").column("EnvIds", envs(["PRODUCTION", "Test"])),
            set("Web shop"),
            doc("Project", "Shared", "Projects-1").column("NextId", reference("Project", "Web shop")),
            doc("Project", "Only b", "Projects-3")
                .column("NextId", reference("Project", "Web shop"))
                .column("EnvIds", envs(["Mine", "PRODUCTION"]))
                .body("Tags", Value::List(vec![tag("ALPHA")])),
            tags("ALPHA"),
        ],
        vec![notice],
    );
    let names: Vec<String> =
        conflicts(&[&a, &b], &model, &MergeOptions::default()).iter().map(|c| told(c).0).collect();
    assert_eq!(
        names,
        ["Env PRODUCTION", "Project Web Shop", "TagSet Ring"],
        "what only refers to them is equal"
    );

    let out = folder.path().join("out.sealift");
    let check = |preferred: &str, spelled: [&str; 3], other: &str| {
        let options = prefer(&[preferred]);
        let summary = merge(&[&a, &b], &out, &model, &options);
        let back = merge(&[&b, &a], &folder.path().join("back.sealift"), &model, &options);
        assert_eq!(summary.content_root, back.content_root);
        let bundle = open(&out);
        let [environment, project, alpha] = spelled;
        document(&bundle, "Env", environment);
        let ours = document(&bundle, "Project", "Only b");
        assert_eq!(ours.columns.get("NextId"), Some(&reference("Project", project)));
        assert_eq!(ours.columns.get("EnvIds"), Some(&envs(["Mine", environment])));
        let Some(Value::Map(body)) = &ours.body else { panic!() };
        assert_eq!(body.get("Tags"), Some(&Value::List(vec![tag(alpha)])));
        let key = Key::new(vec![reference("Project", project)]).unwrap();
        bundle.find("VarSet", &key).unwrap().unwrap();
        let mine = bundle.find("Env", &Key::name("Mine")).unwrap().unwrap();
        assert_eq!(mine.reason, owner(project));
        let notices = bundle.notices().unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].key.as_deref(), Some(Key::name(project).to_text().as_str()));
        assert_eq!(notices[0].text, "b.sealift: names Project Projects-99, which is not on the server");
        for entry in entries(&bundle) {
            let text = format!("{} {:?}", entry.key.to_text(), bundle.document(entry.number).unwrap());
            assert!(!text.contains(other), "{text}");
        }
    };
    check("a", ["Production", "Web Shop", "Alpha"], "Web shop");
    check("b", ["PRODUCTION", "Web shop", "ALPHA"], "Web Shop");
}

/// Neither bundle holds what both refer to: there is nobody to say how it is spelled.
#[test]
fn references_to_what_nobody_has_are_equal_in_every_spelling_and_order() {
    let folder = folder();
    let model = shop();
    let web = |name: &str| doc("Project", "Web", "Projects-1").column("NextId", reference("Project", name));
    let a = bundle_of(folder.path(), "a.sealift", vec![web("Far away"), doc("Project", "A", "Projects-2")]);
    let b = bundle_of(folder.path(), "b.sealift", vec![web("FAR AWAY")]);
    let c = bundle_of(folder.path(), "c.sealift", vec![web("far away ")]);
    let mut roots: Vec<ContentRoot> = Vec::new();
    for files in [[&a, &b, &c], [&b, &c, &a], [&c, &a, &b]] {
        let out = folder.path().join("out.sealift");
        let files = files.map(PathBuf::as_path);
        roots.push(merge(&files, &out, &model, &MergeOptions::default()).content_root);
        let web = document(&open(&out), "Project", "Web");
        assert_eq!(web.columns.get("NextId"), Some(&reference("Project", "FAR AWAY")));
    }
    roots.dedup();
    assert_eq!(roots.len(), 1);
}

#[test]
fn ids_of_two_servers_are_never_taken_for_one_servers() {
    let folder = folder();
    let model = shop();
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Project", "Web", "Projects-1").column("NextId", dangling("Project", "Projects-2")),
            doc("Env", "Built in", "envs-builtin"),
        ],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![
            doc("Project", "Api", "Projects-1"),
            doc("Project", "Other", "Projects-2"),
            doc("Env", "Mine", "Envs-1"),
        ],
    );
    let out = folder.path().join("out.sealift");
    merge(&[&a, &b], &out, &model, &MergeOptions::default());
    let bundle = open(&out);
    let web = document(&bundle, "Project", "Web");
    assert_eq!(
        web.columns.get("NextId"),
        Some(&dangling("Project", "Projects-2")),
        "it is nobody's here either"
    );
    for name in ["Web", "Api", "Other"] {
        assert_eq!(id_of(&bundle, "Project", name), Value::Null);
    }
    assert_eq!(id_of(&bundle, "Env", "Mine"), Value::Null);
    assert_eq!(id_of(&bundle, "Env", "Built in"), Value::from("envs-builtin"), "the same on every server");
    assert_eq!(bundle.info().header.options.as_deref(), Some("merge of a.sealift, b.sealift"));

    // Of one server, and said so, they may stay.
    let named = |name: &str, doc: Doc| {
        let header = Header { server: Some("shop".to_owned()), ..header_of(Some("1.0")) };
        written(folder.path().join(name), header, vec![doc], Vec::new())
    };
    let (c, d) =
        (named("c.sealift", doc("Env", "C", "Envs-1")), named("d.sealift", doc("Env", "D", "Envs-2")));
    merge(&[&c, &d], &out, &model, &MergeOptions::default());
    assert_eq!(id_of(&open(&out), "Env", "D"), Value::from("Envs-2"));
    assert_eq!(open(&out).info().header.server.as_deref(), Some("shop"));
}

/// An import finds such a document by its id, whatever it is called.
#[test]
fn a_document_with_an_id_that_is_the_same_everywhere_is_one_under_two_names() {
    let folder = folder();
    let model = shop();
    let envs = |name: &str| Value::List(vec![reference("Env", "Zero"), reference("Env", name)]);
    let sorted = |name: &str| {
        let mut list = vec![reference("Env", name), reference("Env", "Zero")];
        list.sort_by_key(|value| format!("{value:?}"));
        Value::List(list)
    };
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Env", "Built in", "envs-builtin"),
            doc("Project", "A", "Projects-1").column("EnvIds", sorted("Built in")),
        ],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![
            doc("Env", "zzz", "ENVS-builtin"),
            doc("Project", "B", "Projects-1").column("EnvIds", envs("zzz")),
        ],
    );
    let found = conflicts(&[&a, &b], &model, &MergeOptions::default());
    assert_eq!(found.iter().map(|c| told(c).2).collect::<Vec<_>>(), [["Name"]]);
    let out = folder.path().join("out.sealift");
    merge(&[&a, &b], &out, &model, &prefer(&["Env/Built in=a"]));
    let bundle = open(&out);
    assert_eq!(bundle.info().documents, 3);
    assert_eq!(document(&bundle, "Project", "B").columns.get("EnvIds"), Some(&sorted("Built in")));
    merge(&[&a, &b], &out, &model, &prefer(&["Env/zzz=b"]));
    assert_eq!(document(&open(&out), "Project", "A").columns.get("EnvIds"), Some(&envs("zzz")));

    // The name is taken there by another: nobody can say which of the two it is.
    let c = bundle_of(
        folder.path(),
        "c.sealift",
        vec![doc("Env", "zzz", "Envs-4"), doc("Env", "Built in", "envs-builtin")],
    );
    let error = Merge::examine(&inputs(&[&b, &c]), &model, &prefer(&["c"]), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::Twins { ref input, .. } if input == "c.sealift"), "{error}");
}

#[test]
fn reasons_lead_to_an_end_whichever_document_is_taken() {
    let folder = folder();
    let model = shop();
    let needed = |name: &str| Reason::NeededBy {
        kind: KindName::new("Project"),
        key: Key::name(name),
        place: "NextId".to_owned(),
    };
    let note =
        |name: &'static str, text: &str| doc("Project", name, "Projects-1").body("Note", Value::from(text));
    let root = |name: &'static str| doc("Project", name, "Projects-9").reason(Reason::Named);
    // In a X is here for Y, in b Y is here for X.
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![root("A"), note("X", "a").reason(needed("Y")), note("Y", "a").reason(needed("A"))],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![root("B"), note("X", "b").reason(needed("B")), note("Y", "b").reason(needed("X"))],
    );
    let out = folder.path().join("out.sealift");
    for preferences in [["Project/X=a", "Project/Y=b"], ["Project/X=b", "Project/Y=a"]] {
        merge(&[&a, &b], &out, &model, &prefer(&preferences));
        for name in ["X", "Y"] {
            let path = ops::why(&open(&out), "Project", name).unwrap().remove(0);
            assert_eq!(path.end, PathEnd::Named);
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_both_named() {
    let folder = folder();
    let model = shop();
    let of = |name: &str, header: Header| {
        written(folder.path().join(name), header, vec![doc("Env", name, "Envs-1")], Vec::new())
    };
    let old = of("old.sealift", header_of(Some("1.0")));
    let new = of("new.sealift", header_of(Some("2.0")));
    let unknown = of("unknown.sealift", header_of(None));
    let other = of("other.sealift", Header { model_digest: [7; 32], ..header_of(Some("1.0")) });
    let foreign = of("foreign.sealift", Header { model: "octopus".to_owned(), ..header_of(None) });
    let out = folder.path().join("out.sealift");
    let refused =
        |files: &[&Path]| try_merge(files, &out, &model, &MergeOptions::default()).unwrap_err().to_string();
    assert_eq!(refused(&[&old, &new]), "old.sealift is of Shop 1.0, new.sealift of 2.0");
    assert!(
        refused(&[&old, &other]).contains("old.sealift and other.sealift were made with different versions")
    );
    assert!(
        refused(&[&old, &foreign])
            .contains("old.sealift follows the model \"shop\", foreign.sealift the model")
    );
    assert!(refused(&[&foreign]).contains("follows the model \"octopus\", not \"shop\""));
    assert!(refused(&[]).contains("no bundle"));
    assert!(!out.exists());

    merge(&[&old, &unknown], &out, &model, &MergeOptions::default());
    assert_eq!(open(&out).info().header.product_version.as_deref(), Some("1.0"));
    let ignore = MergeOptions { ignore_version: true, ..MergeOptions::default() };
    merge(&[&old, &new, &other], &out, &model, &ignore);
    let header = open(&out).info().header.clone();
    assert_eq!(header.product_version.as_deref(), Some("1.0, 2.0"), "an import asks about both");
    assert_eq!(header.model_digest, [7; 32]);
    let error = try_merge(&[&old, &foreign], &out, &model, &ignore).unwrap_err();
    assert!(matches!(error, MergeError::TwoModels { .. }));
}

#[test]
fn secrets_cannot_be_left_behind_by_mistake() {
    let folder = folder();
    let a = bundle_of(folder.path(), "a.sealift", vec![doc("Project", "P", "Projects-1").secret(Some("x"))]);
    let mut locked = inputs(&[&a]);
    locked[0].key = None;
    let error = Merge::examine(&locked, &shop(), &MergeOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::Locked { .. }));
    // A writer without a password does not take them in the clear.
    let inputs = inputs(&[&a]);
    let model = shop();
    let merge = Merge::examine(&inputs, &model, &MergeOptions::default(), &Silent).unwrap();
    let out = folder.path().join("out.sealift");
    let bare = WriterOptions { protection: Protection::None, ..WriterOptions::default() };
    let error =
        merge.write(Writer::create(&out, merge.header().clone(), bare).unwrap(), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::Bundle(BundleError::Unprotected { .. })), "{error}");
    assert!(!out.exists());
}

// The command.

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        .env_remove("SEALIFT_PASSWORD")
        .env_remove("SEALIFT_MASTER_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs, and expects an exit code; returns what was said, errors after the answer.
fn said(args: &[&str], code: i32) -> (String, String) {
    let out = run(args);
    let (answer, error) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{answer}\n{error}");
    (answer, error)
}

struct Commanded {
    folder: tempfile::TempDir,
    model: String,
    a: String,
    b: String,
    out: String,
    password: String,
    other_password: String,
}

/// Two bundles under two passwords, and the model they follow.
fn commanded() -> Commanded {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("shop.toml"), include_str!("fixtures/shop.toml")).unwrap();
    std::fs::write(at("password"), "correct horse battery staple\n").unwrap();
    std::fs::write(at("other"), "another\n").unwrap();
    let web = |value: &'static str| doc("Project", "Web", "Projects-1").secret(Some(value));
    bundle_of(folder.path(), "a.sealift", vec![web("red"), doc("Env", "A", "Envs-1")]);
    bundle_of(folder.path(), "first.sealift", vec![web("green"), doc("Env", "B", "Envs-1")]);
    // The same under another password, by the command itself.
    let (model, first, other) = (at("shop.toml"), at("first.sealift"), at("other"));
    said(
        &[
            "merge",
            &first,
            "-o",
            &at("b.sealift"),
            "--model",
            &model,
            "--password-file",
            &at("password"),
            "--out-password-file",
            &other,
            "--kdf-memory",
            "8",
        ],
        0,
    );
    let (a, b, out, password) = (at("a.sealift"), at("b.sealift"), at("out.sealift"), at("password"));
    Commanded { folder, model, a, b, out, password, other_password: other }
}

#[test]
fn the_command_tells_conflicts_and_takes_decisions() {
    let Commanded { folder, model, a, b, out, password, other_password } = commanded();
    let for_b = format!("b={other_password}");
    let base = [
        "merge",
        &a,
        &b,
        "-o",
        &out,
        "--model",
        &model,
        "--password-file",
        &password,
        "--password-file-for",
        &for_b,
        "--kdf-memory",
        "8",
    ];
    let with = |more: &[&'static str]| base.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();

    let (answer, error) = said(&base, 4);
    for piece in ["CONFLICT Project Web", "a.sealift", "b.sealift differs:", "$.Password: secret changed"] {
        assert!(answer.contains(piece), "{piece}: {answer}");
    }
    assert!(error.contains("1 documents differ") && error.contains("hint: --prefer INPUT"), "{error}");
    assert!(!Path::new(&out).exists());
    let (answer, _) = said(&with(&["--json"]), 4);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&json["outcome"], &json["undecided"]), (&"refused".into(), &1.into()));
    assert_eq!(json["conflicts"][0]["versions"][1]["changes"][0]["change"], "secret");
    assert!(!answer.contains("red") && !answer.contains("green"));

    let (answer, _) = said(&with(&["--dry-run", "--prefer", "Project/Web=b"]), 0);
    assert!(
        answer.contains("Web  from b.sealift, also in a.sealift") && answer.contains("A  from a.sealift"),
        "{answer}"
    );
    let (answer, _) = said(&with(&["--dry-run", "--prefer", "b", "--json"]), 0);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(json["documents"].as_array().unwrap().len(), 3);
    assert_eq!(json["documents"][2]["from"], "b.sealift");
    assert!(!Path::new(&out).exists());

    let (answer, _) = said(&with(&["--prefer", "Project=2"]), 0);
    assert!(
        answer.contains("~ Project Web  as in b.sealift") && answer.contains("3 documents, 1 secrets"),
        "{answer}"
    );
    // The output has the first input's password.
    assert_eq!(values(Path::new(&out)), [("Project Web $.Password".to_owned(), Some("green".to_owned()))]);
    said(&["verify", &out, "--password-file", &password], 0);

    let (_, error) = said(&with(&["--prefer", "b"]), 1);
    assert!(error.contains("exists already"));
    let before = std::fs::read(&out).unwrap();
    let (answer, _) = said(&with(&["--prefer", "b", "--force", "--json"]), 0);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&json["outcome"], &json["conflicts"][0]["chosen"]), (&"merged".into(), &"b.sealift".into()));
    assert!(before == std::fs::read(&out).unwrap(), "the same again is the same bytes");

    let (answer, _) = said(&["merge", &a, &b, "--no-secrets", "-o", &out, "--model", &model, "--force"], 0);
    assert!(answer.contains("0 of them decided"), "{answer}");
    assert!(open(Path::new(&out)).envelope().is_none());
    drop(folder);
}

#[test]
fn the_command_says_which_input_is_wrong() {
    let Commanded { folder, model, a, b, out, password, other_password } = commanded();
    let end = ["-o", &out, "--model", &model];
    let with = |more: &[&str], code: i32| {
        let args: Vec<&str> = ["merge", &a, &b].iter().chain(more).chain(&end).copied().collect();
        let (answer, error) = said(&args, code);
        assert!(answer.is_empty() && error.contains("hint: "), "{answer} {error}");
        assert!(!Path::new(&out).exists());
        error
    };
    // The first opens, the second does not.
    let error = with(&["--password-file", &password], 6);
    assert!(error.contains("b.sealift: wrong password"), "{error}");
    let (whole, numbered) = (format!("{b}={password}"), format!("2={other_password}"));
    let error = with(&["--password-file", &password, "--password-file-for", &whole], 6);
    assert!(error.contains("b.sealift: wrong password"), "{error}");
    let error = with(&["--password-file-for", &numbered], 6);
    assert!(error.contains("a password is needed"), "{error}");
    assert!(with(&["--password-file-for", "x=y"], 2).contains("names no input"));
    let right = ["--password-file", &password, "--password-file-for", &numbered];
    let prefer = |text: &str| with(&[&right[..], &["--prefer", text]].concat(), 2);
    assert!(prefer("nobody").contains("names no input"));
    assert!(prefer("Project/Wbe=a").contains("holds no Project named \"Wbe\""));
    assert!(prefer("Projects=a").contains("holds no kind \"Projects\""));
    let broken = folder.path().join("broken.sealift");
    let mut bytes = std::fs::read(&a).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    std::fs::write(&broken, bytes).unwrap();
    let (_, error) = said(&["merge", broken.to_str().unwrap(), &b, "-o", &out, "--model", &model], 5);
    assert!(error.contains("broken.sealift"), "{error}");
    let (_, error) = said(&["merge", &a, &b], 2);
    assert!(error.contains("--output"), "{error}");
}
