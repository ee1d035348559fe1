//! What an export that leaves documents out says of what its target must have: everything that an import into an empty
//! server stops or skips for, by path.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/little.rs"]
mod little;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::path::{Path, PathBuf};

use little::{Pair, both};
use sealift::bundle::Writer;
use sealift::ops::{self, ExportOptions, ExportReport, MergeInput, MergeOptions, Without};
use sealift::plan::{Action, Plan};
use sealift::progress::Silent;
use serde_json::{Value as Json, json};
use stage::{Stage, text};
use support::everything::{Generation, SOURCE, TARGET, Twist, build, fresh};
use support::*;

fn report(source: &Path, out: &Path, options: &ExportOptions<'_>) -> ExportReport {
    try_export(source, &octopus(), out, options, sealed()).unwrap()
}

fn told(report: &ExportReport) -> Vec<(String, String, Without)> {
    let needed = report.needed.iter();
    needed.map(|n| (n.what.to_string(), format!("{} at {}", n.by, n.place), n.without)).collect()
}

/// What a plan for an empty server says is missing: the references that stop it, and those for which it skips.
fn missing(plan: &Plan) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    for finding in &plan.findings {
        let problem = finding.problem.strip_prefix("refers to ").unwrap_or_else(|| panic!("{finding:?}"));
        missing.push(problem.split(", which is ").next().unwrap().to_owned());
    }
    for entry in plan.entries.iter().filter(|entry| entry.action == Action::Skip) {
        let reason = entry.reason.as_deref().unwrap_or_default();
        missing.extend(reason.strip_suffix(" is neither in the bundle nor in the target").map(str::to_owned));
    }
    missing.sort();
    missing.dedup();
    missing
}

fn empty(folder: &Path, generation: Generation, bundle: &Path) -> Plan {
    let target = folder.join(format!("empty-{}.sqlite", bundle.file_stem().unwrap().to_str().unwrap()));
    fresh(&target, generation, TARGET.key);
    plan(bundle, &target, &octopus(), Some(&key(TARGET.key)), overwrite())
}

/// The release of a project is overridden for a tenant that is not connected to it: nothing takes the tenant along, and
/// no empty server takes the project.
#[test]
fn an_override_for_a_tenant_that_is_not_connected_is_reported_at_export() {
    both(|pair| {
        let tenant = pair.source.id("Tenants", 1);
        pair.source.add("Tenant", json!({ "Id": tenant, "Name": "Acme", "ProjectEnvironments": {} }));
        let project = pair.source.id("Projects", 1);
        let over = json!([{ "EnvironmentId": pair.source.id("Environments", 1), "TenantId": tenant,
            "ReleaseId": pair.source.id("Releases", 1) }]);
        pair.source.project_with(1, "Web", json!({ "AutoDeployReleaseOverrides": over }));
        pair.source.release(1, &project, "1.0.0", json!([]), json!({}));
        let file = pair.bundle();
        let report = report(&pair.source.path, &file, &project_web(pair));
        let found = told(&report);
        let tenant =
            found.iter().find(|(what, ..)| what.contains("Acme")).unwrap_or_else(|| panic!("{found:?}"));
        assert!(tenant.1.contains("Web at $.AutoDeployReleaseOverrides[0].TenantId"), "{found:?}");
        assert_eq!(tenant.2, Without::Stop);
        let notices = open(&file).notices().unwrap();
        let notice = notices.iter().find(|n| n.code == "needed" && n.text.contains("Acme")).unwrap();
        assert_eq!(notice.names_kind.as_deref(), Some("Tenant"));
        assert_eq!(notice.place.as_deref(), Some("$.AutoDeployReleaseOverrides[0].TenantId"));

        // With the tenant in the target nothing is wrong, and the plan does not say what the target has.
        pair.target.add("Tenant", json!({ "Id": pair.target.id("Tenants", 1), "Name": "acme" }));
        let plan = pair.import(&file, &overwrite());
        assert!(plan.source.iter().all(|notice| notice.code != "needed"), "{:?}", plan.source);
    });
}

fn project_web(pair: &Pair) -> ExportOptions<'_> {
    project("Web", Some(&pair.source.key))
}

/// A server with everything: whatever is left out, what an empty server misses was reported.
#[test]
fn what_an_empty_server_misses_is_what_the_export_reported() {
    for generation in [Generation::Y2018, Generation::Spaces] {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, master) = (at("source.sqlite"), key(SOURCE.key));
        build(&source, generation, 1, SOURCE, Twist::default());
        let all = || everything(Some(&master));
        let whole = report(&source, &at("whole.sealift"), &all());
        assert_eq!(told(&whole), []);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut stops = 0;
        for (name, options) in [
            ("tenants", ExportOptions { ignore: names(&["tenants"]), ..all() }),
            ("machines", ExportOptions { ignore: names(&["machines"]), ..all() }),
            ("certificates", ExportOptions { ignore: names(&["certificates"]), ..all() }),
            ("history", ExportOptions { ignore: names(&["history"]), ..all() }),
            ("environments", ExportOptions { exclude: names(&["Environment"]), ..all() }),
            ("feeds", ExportOptions { exclude: names(&["Feed", "Lifecycle", "Account"]), ..all() }),
            ("processes", ExportOptions { only: names(&["DeploymentProcess"]), ..all() }),
            ("projects", ExportOptions { only: names(&["Project", "ProjectGroup"]), ..all() }),
        ] {
            let bundle = at(&format!("{name}.sealift"));
            let report = report(&source, &bundle, &options);
            let mut reported: Vec<String> = report.needed.iter().map(|n| n.what.to_string()).collect();
            reported.sort();
            let plan = empty(folder.path(), generation, &bundle);
            let mut missed = missing(&plan);
            // What is skipped for want of something takes what refers to it along.
            let mut held = std::collections::HashSet::new();
            let see = &mut |entry: sealift::bundle::Entry| -> Result<(), sealift::bundle::BundleError> {
                held.insert(format!("{} {}", entry.kind, entry.key));
                Ok(())
            };
            open(&bundle).entries(None, see).unwrap();
            missed.retain(|what| !held.contains(what));
            stops += plan.findings.len();
            for what in &missed {
                assert!(
                    reported.contains(what),
                    "{name}: {what} is missed and was not reported: {reported:#?}"
                );
            }
            if missed.is_empty() {
                assert!(report.needed.iter().all(|n| n.without == Without::Skip), "{name}: {reported:#?}");
            }
        }
        assert!(stops > 10, "{stops}");
    }
}

/// Every list that limits a document names only what was left out: it would apply to more, and is skipped.
#[test]
fn a_list_that_would_lose_all_that_it_is_limited_to_is_reported() {
    let pair = Pair::new(little::Generation::Spaces);
    let source = &pair.source;
    let project = source.project(1, "Web");
    source.add("Team", json!({ "Id": source.id("Teams", 1), "Name": "Ops" }));
    source.add("UserRole", json!({ "Id": source.id("UserRoles", 1), "Name": "Deployer" }));
    source.add(
        "ScopedUserRole",
        json!({ "Id": source.id("ScopedUserRoles", 1), "TeamId": source.id("Teams", 1),
            "UserRoleId": source.id("UserRoles", 1), "ProjectIds": [project] }),
    );
    let file = pair.bundle();
    let only = ["Team", "UserRole", "ScopedUserRole", "Space"].map(str::to_owned).to_vec();
    let options = ExportOptions { only, ..everything(Some(&source.key)) };
    let found = told(&report(&source.path, &file, &options));
    let web = found.iter().find(|(what, ..)| what.contains("Web")).unwrap_or_else(|| panic!("{found:?}"));
    assert!(web.1.contains("$.ProjectIds[*]") && web.2 == Without::Skip, "{found:?}");
}

/// What one bundle needs and the other has, nobody needs to have any more.
#[test]
fn a_merge_needs_what_no_input_has() {
    let pair = Pair::new(little::Generation::Spaces);
    pair.source.project(1, "Web");
    let all = || everything(Some(&pair.source.key));
    let export = |options: ExportOptions<'_>| -> PathBuf {
        let file = pair.bundle();
        try_export(&pair.source.path, &octopus(), &file, &options, sealed()).unwrap();
        file
    };
    let exclude = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
    let one = export(ExportOptions { exclude: exclude(&["Lifecycle", "ProjectGroup"]), ..all() });
    let two = export(ExportOptions { only: exclude(&["Lifecycle"]), ..all() });
    let needed = |file: &Path| {
        let mut notices = open(file).notices().unwrap();
        notices.retain(|notice| notice.code == "needed");
        notices.into_iter().filter_map(|notice| notice.names_kind).collect::<Vec<_>>()
    };
    assert_eq!(needed(&one), ["Lifecycle", "ProjectGroup"]);
    let inputs = [&one, &two].map(|path| {
        let bundle = open(path);
        let key = unlock(&bundle);
        MergeInput { path: path.clone(), documents: Box::new(ops::BundleDocuments::new(bundle, key)) }
    });
    let model = octopus();
    let merge = ops::Merge::examine(&inputs, &model, &MergeOptions::default(), &Silent).unwrap();
    let out = pair.bundle();
    let writer = Writer::create(&out, merge.header().clone(), sealed()).unwrap();
    merge.write(writer, &Silent).unwrap();
    let kinds = needed(&out);
    assert!(
        kinds.contains(&"ProjectGroup".to_owned()) && !kinds.contains(&"Lifecycle".to_owned()),
        "{kinds:?}"
    );
}

#[test]
fn the_command_says_what_the_target_must_have() {
    let stage = Stage::new();
    let source = ["sqlite:build.sqlite", "--master-key-file", "build.key", "--password-file", "password"];
    let export = [&["export", "-o", "out.sealift", "--exclude", "Lifecycle"], &source[..]].concat();
    let shown = stage.done(&export);
    assert!(
        shown.contains("the target must have") && shown.contains("the import stops without it"),
        "{shown}"
    );
    let answer: Json =
        serde_json::from_str(&stage.done(&[&export[..], &["--force", "--json"]].concat())).unwrap();
    let needed = answer["needed"].as_array().unwrap();
    assert!(needed.iter().all(|n| n["what"]["kind"] == "Lifecycle" && n["without"] == "stop"), "{needed:?}");
    let info = stage.done(&["info", "out.sealift"]);
    assert!(info.contains("which was left out"), "{info}");
    let out = stage.run(&[&["export", "-o", "all.sealift"], &source[..]].concat());
    assert!(!text(&out.stdout).contains("the target must have"));
}
