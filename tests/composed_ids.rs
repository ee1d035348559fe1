//! Ids that are made of others, on servers that spell the pieces in another case: servers compare them without regard
//! to it, and so does what is read out of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/little.rs"]
mod little;
mod support;

use little::*;
use sealift::document::Collation;
use sealift::model::NewId;
use sealift::ops::ExportOptions;
use serde_json::json;
use support::*;

/// `variableset-projects-1-s-13` of `Projects-1` once arrived as `variableset-Projects-501variableset-projects-1-s-13`.
#[test]
fn what_the_server_made_up_is_found_in_an_id_of_another_case() {
    both(|pair| carried(pair, &everything(Some(&pair.source.key))));
}

#[test]
fn a_project_alone_brings_what_is_named_in_another_case() {
    both(|pair| carried(pair, &project("Web", Some(&pair.source.key))));
}

fn carried(pair: &Pair, options: &ExportOptions<'_>) {
    let source = &pair.source;
    let web = source.project(1, "Web");
    let release = source.release(1, &web, "1.0", json!([{ "Name": "Run" }]), json!({}));
    source.run(
        "UPDATE VariableSet SET Id = 'variableset-projects-1-s-13-ABCDE' WHERE IsFrozen = 1;
             UPDATE DeploymentProcess SET Id = 'DEPLOYMENTPROCESS-PROJECTS-1-s-13-VWXYZ' WHERE IsFrozen = 1;
             UPDATE VariableSet SET Id = lower(Id) WHERE IsFrozen = 0;",
    );
    source.run(&format!(
            "UPDATE Release SET ProjectVariableSetSnapshotId = 'variableset-projects-1-s-13-ABCDE',
             ProjectDeploymentProcessSnapshotId = 'deploymentprocess-projects-1-s-13-VWXYZ' WHERE Id = '{release}'"
        ));
    pair.carry_what(options);
    let target = &pair.target;
    let web = target.id_of("Project", "Web");
    let release = target.one("Release", "Version", "1.0");
    assert_eq!(release["ProjectVariableSetSnapshotId"], format!("variableset-{web}-s-13-ABCDE"));
    assert_eq!(release["ProjectDeploymentProcessSnapshotId"], format!("deploymentprocess-{web}-s-13-VWXYZ"));
    target.one("VariableSet", "Id", &format!("variableset-{web}-s-13-ABCDE"));
    target.one("DeploymentProcess", "Id", &format!("deploymentprocess-{web}-s-13-VWXYZ"));
    pair.no_leaks();
    // What arrived exports as what left.
    let roots = [source, target].map(|server| {
        let file = pair.bundle();
        let options = ExportOptions {
            secrets: everything(Some(&server.key)).secrets,
            roots: options.roots.clone(),
            ..everything(None)
        };
        export(&server.path, &octopus(), &file, &options).content_root
    });
    assert_eq!(roots[0], roots[1]);
}

/// A target may spell its own ids so: what is there is found, not made again.
#[test]
fn documents_of_a_target_are_found_under_ids_of_another_case() {
    both(|pair| {
        for server in [&pair.source, &pair.target] {
            let web = server.project(1, "Web");
            server.release(1, &web, "1.0", json!([]), json!({}));
        }
        pair.target.run(
            "UPDATE VariableSet SET Id = 'VARIABLESET-projects-101-S-1-abcde' WHERE IsFrozen = 1;
             UPDATE DeploymentProcess SET Id = upper(Id);",
        );
        let file = pair.export(&everything(Some(&pair.source.key)));
        import_nothing(&file, &pair.target.path, &octopus(), Some(&pair.target.key), overwrite());
    });
}

/// The ids of parts begin with their document's: a tag is found by one that is spelled in another case, at a
/// source and in a target, and the next tag gets the next number.
#[test]
fn parts_are_found_by_ids_of_another_case() {
    both(|pair| {
        let tags = |server: &Little, ids: &[(&str, &str)]| {
            let tags: Vec<_> = ids.iter().map(|(id, name)| json!({ "Id": id, "Name": name })).collect();
            server.add("TagSet", json!({ "Id": server.id("TagSets", 1), "Name": "Ring", "Tags": tags }));
        };
        tags(&pair.source, &[("TagSets-1/Tags-1", "Alpha"), ("TagSets-1/Tags-2", "Beta")]);
        tags(&pair.target, &[("tagsets-101/TAGS-7", "Alpha")]);
        let tenant = json!({ "Id": "Tenants-1", "Name": "Acme", "TenantTags": "|tagsets-1/tags-1|TAGSETS-1/TAGS-2|", "ProjectIds": "", "ProjectEnvironments": {} });
        pair.source.add("Tenant", tenant);
        pair.carry();
        let tenant = pair.target.named("Tenant", "Acme");
        assert_eq!(tenant["TenantTags"], "|tagsets-101/TAGS-7|TagSets-101/Tags-8|");
    });
}

#[test]
fn a_model_of_exact_names_takes_the_case_of_ids_for_what_it_is() {
    let model = octopus();
    let snapshot = model.kind("VariableSetSnapshot").unwrap().id.as_ref().unwrap();
    let NewId::Compose(composed) = &snapshot.new else { panic!("{snapshot:?}") };
    let id = "variableset-projects-481-s-13";
    assert_eq!(composed.rest("Projects-481", id, Collation::CaseInsensitive), "-s-13");
    assert_eq!(composed.rest("Projects-481", id, Collation::CaseSensitive), id);
    assert_eq!(composed.rest("projects-481", id, Collation::CaseSensitive), "-s-13");
    assert_eq!(composed.rest("Projects-4812", id, Collation::CaseInsensitive), id);
    // Letters that have more bytes in the other case.
    assert_eq!(composed.rest("ⱥ-1", "variableset-Ⱥ-1x", Collation::CaseInsensitive), "x");
}
