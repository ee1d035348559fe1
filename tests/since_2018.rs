//! What the product got after 2018, in tables that nobody has seen: it travels where a server has it as the model
//! infers, and a server that has it differently, or not at all, is no obstacle.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;

use back::{import_kept, undo};
use little::{Generation, Little, Pair};
use sealift::ops::ImportOptions;
use sealift::plan::{Action, Plan};
use sealift::server::sqlite::SqliteServer;
use serde_json::{Value as Json, json};
use support::*;

const TEMPLATE: &str = "0e000000-0000-0000-0000-000000000001";

fn newest() -> Pair {
    Pair::new(Generation::Y2026)
}

fn pruning() -> ImportOptions {
    ImportOptions { prune: true, ..overwrite() }
}

/// A library set with one template, and a tenant.
fn tenant(server: &Little) -> (String, String) {
    let library = server.library(1, "Common", json!([]));
    server.add(
        "LibraryVariableSet",
        json!({ "Id": library, "Name": "Common", "VariableSetId": format!("variableset-{library}"),
            "ContentType": "Variables", "Templates": [{ "Id": TEMPLATE, "Name": "Url", "DisplaySettings": {} }] }),
    );
    let tenant = server.id("Tenants", 1);
    server.add("Tenant", json!({ "Id": tenant, "Name": "Acme", "ProjectEnvironments": {} }));
    (tenant, library)
}

/// A value of the template for some environments, by their numbers.
fn value(server: &Little, number: u32, environments: &[u32], value: &str) {
    let environments: Vec<String> = environments.iter().map(|n| server.id("Environments", *n)).collect();
    server.add(
        "TenantVariable",
        json!({ "Id": server.id("TenantVariables", number), "TenantId": server.id("Tenants", 1),
            "OwnerId": server.id("LibraryVariableSets", 1), "VariableTemplateId": TEMPLATE, "Value": value,
            "Scope": { "EnvironmentIds": environments } }),
    );
}

/// The values of the template, by the environments they are for.
fn values(server: &Little) -> Vec<(Vec<String>, String)> {
    let name = |id: &Json| server.one("DeploymentEnvironment", "Id", id.as_str().unwrap())["Name"].clone();
    let mut found: Vec<(Vec<String>, String)> = server
        .all("TenantVariable")
        .iter()
        .map(|row| {
            let ids = row["Scope"]["EnvironmentIds"].as_array().unwrap();
            let mut names: Vec<String> = ids.iter().map(|id| name(id).as_str().unwrap().to_owned()).collect();
            names.sort();
            (names, row["Value"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    found
}

fn pairs(values: &[(&[&str], &str)]) -> Vec<(Vec<String>, String)> {
    let text = |text: &&str| (*text).to_owned();
    values.iter().map(|(names, value)| (names.iter().map(text).collect(), (*value).to_owned())).collect()
}

#[test]
fn values_of_one_template_are_matched_by_their_environments() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        tenant(server);
        server.add("DeploymentEnvironment", json!({ "Id": server.id("Environments", 3), "Name": "Test" }));
    }
    value(&pair.source, 1, &[], "for all");
    value(&pair.source, 2, &[1], "dev");
    value(&pair.source, 3, &[2, 3], "both");
    // The target has one of them under a lower number, in another order, and one of its own.
    value(&pair.target, 1, &[3, 2], "old");
    value(&pair.target, 2, &[3], "only here");
    let plan = pair.carry();
    assert_eq!(plan.findings, []);
    assert_eq!(
        values(&pair.target),
        pairs(&[(&[], "for all"), (&["Dev"], "dev"), (&["Prod", "Test"], "both"), (&["Test"], "only here")])
    );
    assert_eq!(pair.target.one("TenantVariable", "Id", "TenantVariables-101")["Value"], "both");
    pair.no_leaks();
    // What is pruned is what no document of the bundle is matched with.
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let plan = pair.import(&bundle, &pruning());
    assert_eq!(plan.count(Action::Delete), 1, "{plan:#?}");
    assert_eq!(values(&pair.target), values(&pair.source));
}

#[test]
fn an_import_of_values_by_environment_is_taken_back() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        tenant(server);
    }
    value(&pair.source, 1, &[1], "dev");
    value(&pair.source, 2, &[2], "prod");
    value(&pair.target, 1, &[2], "old");
    let before = values(&pair.target);
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let file = pair.folder().join("a.undo");
    let (model, key) = (octopus(), Some(&pair.target.key));
    let mut server = SqliteServer::open(&pair.target.path).unwrap();
    import_kept(&bundle, &mut server, &model, key, &file);
    assert_eq!(values(&pair.target), values(&pair.source));
    undo(&file, &mut server, &model, key, None);
    assert_eq!(values(&pair.target), before);
}

#[test]
fn a_value_for_environments_that_the_target_lacks_is_skipped_by_name() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        tenant(server);
    }
    pair.source.add("DeploymentEnvironment", json!({ "Id": "Environments-3", "Name": "Test" }));
    value(&pair.source, 1, &[1, 3], "dev and test");
    value(&pair.source, 2, &[2], "prod");
    let options = ImportOptions { except: vec!["Environment/Test".to_owned()], ..overwrite() };
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let plan = pair.import(&bundle, &options);
    let skipped: Vec<_> = plan.entries.iter().filter(|e| e.action == Action::Skip).collect();
    let named = |e: &&&sealift::plan::Entry| e.kind.as_str() == "TenantVariable";
    let reason = skipped.iter().find(named).unwrap().reason.clone().unwrap();
    assert!(reason.contains("Environment Default / Test"), "{reason}");
    assert_eq!(values(&pair.target), pairs(&[(&["Prod"], "prod")]));
}

/// Whatever the table that says which environments a value is for is called: the values are not lost.
#[test]
fn values_whose_environments_are_kept_elsewhere_are_numbered() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        tenant(server);
    }
    for (number, text) in [(1, "one"), (2, "two")] {
        value(&pair.source, number, &[], text);
    }
    pair.carry();
    assert_eq!(values(&pair.target), pairs(&[(&[], "one"), (&[], "two")]));
}

fn links(server: &Little) -> Vec<(String, String)> {
    let sql = "SELECT p.Name, l.Name FROM ProjectLibraryVariableSet x JOIN Project p ON p.Id = x.ProjectId
        JOIN LibraryVariableSet l ON l.Id = x.LibraryVariableSetId ORDER BY 1, 2";
    let db = server.db();
    let mut rows = db.prepare(sql).unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn link(server: &Little, project: &str, library: &str) {
    let space = server.space();
    server.run(&format!(
        "INSERT INTO ProjectLibraryVariableSet (ProjectId, LibraryVariableSetId, SpaceId)
         VALUES ('{project}', '{library}', '{space}')"
    ));
}

#[test]
fn the_library_sets_of_a_project_travel_are_pruned_and_are_taken_back() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        let web = server.project(1, "Web");
        let (one, two) = (server.library(1, "One", json!([])), server.library(2, "Two", json!([])));
        match server.id("Projects", 1) == "Projects-1" {
            true => link(server, &web, &two),
            false => link(server, &web, &one),
        }
    }
    // A project brings its links, and they bring their sets.
    let part = pair.export(&project("Web", Some(&pair.source.key)));
    let kinds: Vec<String> = open(&part).info().kinds.iter().map(|kind| kind.name.clone()).collect();
    assert!(kinds.contains(&"ProjectLibraryVariableSet".to_owned()), "{kinds:?}");
    let two = ("Web".to_owned(), "Two".to_owned());
    let before = links(&pair.target);
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let file = pair.folder().join("a.undo");
    let (model, key) = (octopus(), Some(&pair.target.key));
    let mut server = SqliteServer::open(&pair.target.path).unwrap();
    import_kept(&bundle, &mut server, &model, key, &file);
    assert_eq!(links(&pair.target), [before[0].clone(), two.clone()]);
    undo(&file, &mut server, &model, key, None);
    assert_eq!(links(&pair.target), before);
    drop(server);
    pair.import(&bundle, &pruning());
    assert_eq!(links(&pair.target), [two]);
    pair.no_leaks();
}

/// A link table may have an id of its own, which says nothing.
#[test]
fn links_with_ids_of_their_own_are_the_same_links() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        server.run(
            "DROP TABLE ProjectLibraryVariableSet;
             CREATE TABLE ProjectLibraryVariableSet (Id integer PRIMARY KEY, ProjectId nvarchar(50) NOT NULL,
               LibraryVariableSetId nvarchar(50) NOT NULL, SpaceId nvarchar(50) NOT NULL)",
        );
        server.project(1, "Web");
        server.library(1, "One", json!([]));
    }
    pair.source.run("INSERT INTO ProjectLibraryVariableSet VALUES (77, 'Projects-1', 'LibraryVariableSets-1', 'Spaces-1')");
    let plan = pair.carry();
    assert_eq!(plan.findings, []);
    assert_eq!(links(&pair.target), [("Web".to_owned(), "One".to_owned())]);
}

fn freeze(server: &Little, number: u32, name: &str, scope: Json, tenants: Json) {
    server.add(
        "DeploymentFreeze",
        json!({ "Id": server.id("DeploymentFreezes", number), "Name": name, "OwnerId": null,
            "ProjectEnvironmentScope": scope, "TenantProjectEnvironmentScope": tenants }),
    );
}

#[test]
fn a_freeze_names_the_targets_projects_and_loses_what_the_target_lacks() {
    let pair = newest();
    let (source, target) = (&pair.source, &pair.target);
    for server in [source, target] {
        server.project(1, "Web");
        tenant(server);
    }
    source.project(2, "Api");
    let scope =
        json!({ "Projects-1": ["Environments-2", "Environments-1"], "Projects-2": ["Environments-2"] });
    let tenants = json!([
        { "TenantId": "Tenants-1", "ProjectId": "Projects-1", "EnvironmentId": "Environments-2" },
        { "TenantId": "Tenants-1", "ProjectId": "Projects-2", "EnvironmentId": "Environments-2" },
    ]);
    freeze(source, 1, "Christmas", scope, tenants);
    freeze(source, 2, "Api only", json!({ "Projects-2": ["Environments-1"] }), json!([]));
    let except =
        vec!["Project/Api".to_owned(), "VariableSet/*Api".to_owned(), "DeploymentProcess/*Api".to_owned()];
    let options = ImportOptions { except, ..overwrite() };
    let plan = pair.import(&pair.export(&everything(Some(&source.key))), &options);
    let found = target.named("DeploymentFreeze", "Christmas");
    assert_eq!(
        found["ProjectEnvironmentScope"],
        json!({ "Projects-101": ["Environments-101", "Environments-102"] })
    );
    assert_eq!(
        found["TenantProjectEnvironmentScope"],
        json!([{ "TenantId": "Tenants-101", "ProjectId": "Projects-101", "EnvironmentId": "Environments-102" }])
    );
    // One of nothing but the missing project would freeze nothing, or everything.
    assert_eq!(target.count("DeploymentFreeze"), 1);
    let skipped = plan.entries.iter().find(|e| e.key.leaf() == "Api only").unwrap();
    assert_eq!(skipped.action, Action::Skip, "{skipped:?}");
    pair.no_leaks();
}

#[test]
fn a_circle_of_a_project_and_its_runbooks_arrives() {
    let pair = newest();
    let web = pair.source.project_with(
        1,
        "Web",
        json!({ "ProvisioningRunbookId": "Runbooks-1",
        "DeprovisioningRunbookId": "Runbooks-2" }),
    );
    pair.source.runbook(1, &web, "Up", json!([]));
    pair.source.runbook(2, &web, "Down", json!([]));
    pair.carry_project("Web");
    let found = pair.target.named("Project", "Web");
    assert_eq!(found["ProvisioningRunbookId"], pair.target.id_of("Runbook", "Up"));
    assert_eq!(found["DeprovisioningRunbookId"], pair.target.id_of("Runbook", "Down"));
    pair.no_leaks();
}

#[test]
fn the_type_of_git_credentials_says_what_their_id_is() {
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        server.add(
            "GitHubAppConnection",
            json!({ "Id": server.id("GitHubAppConnections", 4), "Name": "octo-org" }),
        );
        server.add(
            "GitCredential",
            json!({ "Id": server.id("GitCredentials", 4), "Name": "robot", "Details": {} }),
        );
    }
    let settings = |kind: &str, id: &str| {
        json!({ "PersistenceSettings": { "Type": "VersionControlled",
        "Credentials": { "Type": kind, "Id": id } } })
    };
    pair.source.project_with(1, "Hub", settings("GitHub", "GitHubAppConnections-4"));
    let lab = pair.source.project_with(2, "Lab", settings("Reference", "GitCredentials-4"));
    pair.source.process(
        &lab,
        json!([{ "Name": "a", "GitDependencies": [
        { "GitHubConnectionId": "GitHubAppConnections-4" }, { "GitCredentialId": "GitCredentials-4" }] }]),
    );
    pair.carry();
    let id =
        |name: &str| pair.target.named("Project", name)["PersistenceSettings"]["Credentials"]["Id"].clone();
    assert_eq!((id("Hub"), id("Lab")), (json!("GitHubAppConnections-104"), json!("GitCredentials-104")));
    assert_eq!(
        pair.target.actions("Lab")[0]["GitDependencies"][0]["GitHubConnectionId"],
        "GitHubAppConnections-104"
    );
    pair.no_leaks();
}

/// A server whose connections nobody can read: the id travels as it is, and people are told.
#[test]
fn a_connection_of_a_server_without_the_table_stays_text() {
    let pair = Pair::new(Generation::Spaces);
    let settings = json!({ "PersistenceSettings": { "Type": "VersionControlled",
        "Credentials": { "Type": "GitHub", "Id": "GitHubAppConnections-41" } } });
    pair.source.project_with(1, "Hub", settings);
    let plan = pair.carry();
    let id = &pair.target.named("Project", "Hub")["PersistenceSettings"]["Credentials"]["Id"];
    assert_eq!(id, "GitHubAppConnections-41");
    assert!(notes(&plan, "Hub").iter().any(|note| note.contains("GitHub app")), "{plan:#?}");
}

#[test]
fn a_table_that_is_not_as_inferred_is_one_the_model_does_not_know() {
    let pair = newest();
    pair.source.run(
        "DROP TABLE DeploymentFreeze; CREATE TABLE DeploymentFreeze (Id nvarchar(50) NOT NULL PRIMARY KEY, Title nvarchar(50), JSON nvarchar(-1));
         INSERT INTO DeploymentFreeze VALUES ('DeploymentFreezes-1', 'Christmas', '{}')",
    );
    pair.source.project(1, "Web");
    let file = pair.bundle();
    let report =
        try_export(&pair.source.path, &octopus(), &file, &everything(Some(&pair.source.key)), sealed())
            .unwrap();
    assert_eq!(report.unknown, [("DeploymentFreeze".to_owned(), 1)]);
    let notices = open(&file).notices().unwrap();
    let told = notices.iter().find(|notice| notice.code == "unknown-table").unwrap();
    assert!(told.text.contains("lacks columns that the model infers"), "{}", told.text);
    pair.import(&file, &overwrite());
    assert_eq!(pair.target.count("Project"), 1);
    // Its ids are those of a table that the model does not know.
    pair.source.project_with(2, "Api", json!({ "Frozen": "DeploymentFreezes-1" }));
    let strict = sealift::ops::ExportOptions { strict: true, ..everything(Some(&pair.source.key)) };
    let error = try_export(&pair.source.path, &octopus(), &pair.bundle(), &strict, sealed()).unwrap_err();
    assert!(error.to_string().contains("DeploymentFreeze"), "{error}");
}

#[test]
fn a_target_without_the_table_says_how_to_go_without() {
    for change in ["DROP TABLE DeploymentFreeze", "ALTER TABLE DeploymentFreeze RENAME COLUMN Name TO Title"]
    {
        let pair = newest();
        pair.source.project(1, "Web");
        freeze(&pair.source, 1, "Christmas", json!({ "Projects-1": ["Environments-1"] }), json!([]));
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        pair.target.run(change);
        let found = refused(&bundle, &pair.target.path, &octopus(), overwrite());
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].problem.contains("--except DeploymentFreeze"), "{found:#?}");
        let except = ImportOptions { except: vec!["DeploymentFreeze".to_owned()], ..overwrite() };
        let plan = pair.import(&bundle, &except);
        let left = plan.skipped();
        assert_eq!((left.len(), left[0].documents), (1, 1), "{left:#?}");
        assert_eq!(pair.target.count("Project"), 1);
    }
}

/// The notes on the document of a name.
fn notes(plan: &Plan, name: &str) -> Vec<String> {
    let entry = plan.entries.iter().find(|e| e.kind.as_str() == "Project" && e.key.leaf() == name).unwrap();
    entry.notes.clone()
}

#[test]
fn a_project_in_git_says_what_stays_in_its_repository_and_in_the_target() {
    let pair = newest();
    let settings = json!({ "Type": "VersionControlled", "Credentials": { "Type": "Anonymous" },
        "ConversionState": { "VariablesAreInGit": true, "RunbooksAreInGit": false } });
    pair.source.project_with(
        1,
        "Web",
        json!({ "PersistenceSettings": settings, "IsVersionControlled": true }),
    );
    // The product keeps no process of it any more; the target has the one of before.
    pair.source.run("DELETE FROM DeploymentProcess; UPDATE Project SET DeploymentProcessId = NULL");
    pair.source.project(2, "Plain");
    pair.target.project(1, "Web");
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let show = |options| plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), options);
    let told = notes(&show(overwrite()), "Web");
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].contains("Git repository") && told[0].contains("ids of the source"), "{told:#?}");
    assert!(told[1].contains("variables"), "{told:#?}");
    assert!(
        told[2].starts_with("DeploymentProcess Default / Web (deploymentprocess-Projects-101) "),
        "{told:#?}"
    );
    assert_eq!(notes(&show(overwrite()), "Plain"), [""; 0]);
    // Runbooks that the target has may be any number.
    pair.target.runbook(1, "Projects-101", "Old", json!([]));
    // Which ids a repository has to be told of.
    for server in [&pair.source, &pair.target] {
        let id = server.id("ActionTemplates", 3);
        server.add(
            "ActionTemplate",
            json!({ "Id": id, "Name": "Deploy", "ActionType": "Octopus.Script", "Properties": {} }),
        );
    }
    pair.source.add("GitCredential", json!({ "Id": "GitCredentials-2", "Name": "robot", "Details": {} }));
    pair.source.run(
        "UPDATE Project SET JSON = replace(JSON, '\"RunbooksAreInGit\":false', '\"RunbooksAreInGit\":true')",
    );
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let show = |options| plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), options);
    let told = notes(&show(overwrite()), "Web");
    assert!(told.last().unwrap().starts_with("Runbook Default / Web / Old (Runbooks-101) "), "{told:#?}");
    let notices = show(overwrite()).notices;
    let listed = notices.iter().find(|notice| notice.starts_with("ids that repositories may hold")).unwrap();
    for ids in [
        "ActionTemplate Default / Deploy: ActionTemplates-3 becomes ActionTemplates-103",
        "GitCredential Default / robot: GitCredentials-2 becomes a new id",
    ] {
        assert!(listed.contains(ids), "{listed}");
    }
    // What is deleted does not stay.
    let told = notes(&show(pruning()), "Web");
    assert!(!told.iter().any(|note| note.starts_with("DeploymentProcess")), "{told:#?}");
    let done = pair.import(&bundle, &overwrite());
    assert_eq!(notes(&done, "Web").len(), 5);
    // Nothing is said of what is not written.
    let again = show(overwrite());
    assert!(again.entries.iter().all(|entry| entry.notes.is_empty()), "{again:#?}");
}

/// The secret of a webhook is a secret, and that of the hub's accounts.
#[test]
fn new_secrets_arrive_under_the_targets_key() {
    let pair = newest();
    let web = pair.source.project(1, "Web");
    let secret = |text: &str| pair.source.secret(text);
    pair.source.add("ProjectTrigger", json!({ "Id": "ProjectTriggers-1", "Name": "Hook", "ProjectId": web,
        "Filter": { "FilterType": "WebhookFilter", "WebhookId": "w", "Secret": secret("s1"), "RequireApiKey": true }, "Action": {} }));
    pair.source.add(
        "PlatformHubAccount",
        json!({ "Id": "PlatformHubAccounts-1", "Name": "AWS", "SecretKey": secret("s2"),
        "Password": secret("s3"), "JsonKey": secret("s4") }),
    );
    pair.source.add(
        "PlatformHubGitCredential",
        json!({ "Id": "PlatformHubGitCredentials-1", "Name": "G",
        "Details": { "Password": secret("s5") } }),
    );
    pair.carry();
    let hook = pair.target.named("ProjectTrigger", "Hook");
    assert_eq!(pair.target.reveal(&hook["Filter"]["Secret"]), "s1");
    let account = pair.target.named("PlatformHubAccount", "AWS");
    let told = ["SecretKey", "Password", "JsonKey"].map(|member| pair.target.reveal(&account[member]));
    assert_eq!(told, ["s2", "s3", "s4"]);
    let git = pair.target.named("PlatformHubGitCredential", "G");
    assert_eq!(pair.target.reveal(&git["Details"]["Password"]), "s5");
}

/// A server of 2026 into one with spaces and without what came since, where it has nothing of it.
#[test]
fn a_server_that_uses_nothing_new_goes_into_an_older_one() {
    let pair = newest();
    let web = pair.source.project(1, "Web");
    pair.source.runbook(1, &web, "Up", json!([]));
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let older = Pair::new(Generation::Spaces);
    let plan = plan(&bundle, &older.target.path, &octopus(), Some(&older.target.key), overwrite());
    assert_eq!(plan.findings, []);
}

#[test]
fn a_folder_of_the_migrator_brings_what_came_since() {
    use sealift::ops::VendorServer;
    use sealift::progress::Silent;
    use sealift::vendor::FolderLimits;
    let folder = folder();
    let at = folder.path().join("export");
    std::fs::create_dir_all(at.join("DeploymentFreezes")).unwrap();
    support::vendor::metadata(&at, "2026.3.0");
    let write = |name: &str, document: Json| {
        let path = at.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, document.to_string()).unwrap();
    };
    let class = |name: &str| format!("Octopus.Core.Model.{name}, Octopus.Core");
    write(
        "Spaces/Default.json",
        json!({ "$type": class("Space"), "Id": "Spaces-1", "Name": "Default", "IsDefault": true }),
    );
    write(
        "DeploymentFreezes/Christmas.json",
        json!({ "$type": class("DeploymentFreeze"), "Id": "DeploymentFreezes-1",
        "Name": "Christmas", "Start": "2026-12-20T00:00:00Z", "End": "2027-01-02T00:00:00Z", "ProjectEnvironmentScope": {} }),
    );
    write(
        "Gateways/g.json",
        json!({ "$type": class("ArgoCDGateway"), "Id": "ArgoCDGateways-1", "Name": "g" }),
    );
    let model = octopus();
    let mut server = VendorServer::open(&at, None, &model, FolderLimits::default(), &Silent).unwrap();
    assert_eq!(server.report().documents, 2);
    let left = &server.report().uncarried[0];
    assert!(left.class == "ArgoCDGateway" && left.why.is_some(), "{left:?}");
    let options = sealift::ops::ExportOptions::everything(sealift::ops::translate::ServerSecrets::Mask);
    let summary = support::vendor::convert(&mut server, &model, &folder.path().join("a.sealift"), &options);
    assert_eq!(summary.documents, 2);
}

/// The environments of a value are part of what names it: whoever changes them in a file changes the key too.
#[test]
fn a_file_whose_environments_are_not_those_of_its_key_is_refused() {
    use sealift::progress::Silent;
    use sealift::tree::{ScriptMode, Tree};
    let pair = newest();
    for server in [&pair.source, &pair.target] {
        tenant(server);
    }
    value(&pair.source, 1, &[1], "dev");
    let (bundle, root) = (pair.export(&everything(Some(&pair.source.key))), pair.folder().join("tree"));
    sealift::ops::to_tree(
        &open(&bundle),
        &octopus(),
        &root,
        ScriptMode::Inline,
        sealift::tree::Replace::default(),
        &Silent,
    )
    .unwrap();
    let mut folders = vec![root.clone()];
    let mut edited = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path)
                && let Some(at) = text.find("\"EnvironmentIds\"")
                && text.contains("\"TenantVariable\"")
            {
                std::fs::write(&path, format!("{}{}", &text[..at], text[at..].replace("Dev", "Prod")))
                    .unwrap();
                edited += 1;
            }
        }
    }
    assert_eq!(edited, 1);
    let back = pair.bundle();
    sealift::ops::from_tree(&Tree::open(&root).unwrap(), &octopus(), None, &back, (false, false), &Silent)
        .unwrap();
    let found = refused(&back, &pair.target.path, &octopus(), overwrite());
    assert!(found.iter().any(|finding| finding.problem.contains("named differently")), "{found:#?}");
}
