//! What a partial export forgot: a project arrives with all that its process, its past and its runbooks need.

use super::*;

tests![
    c13_5117_what_only_a_frozen_process_needs_comes_along,
    c14_5100_6933_library_sets_of_old_releases_come_along,
    c15_6210_6659_5952_runbooks_come_with_their_snapshots,
    c15_6102_several_runbooks_and_triggers_are_imported_again,
    c16_4992_2645_6799_proxies_accounts_and_community_templates_come_along,
];

/// #5117: a release was imported whose frozen process needs a feed, an account and a step template that the
/// process of today no longer uses: they were left out. Here they come along with the project.
#[test]
fn c13_5117_what_only_a_frozen_process_needs_comes_along() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Feed", json!({ "Id": "Feeds-1", "Name": "Old feed", "FeedType": "Docker" }));
        source.add("Feed", json!({ "Id": "Feeds-2", "Name": "Unused", "FeedType": "Docker" }));
        source.add("Account", json!({ "Id": "Accounts-1", "Name": "Old cloud", "AccountType": "AzureOIDC" }));
        source.add("ActionTemplate", json!({ "Id": "ActionTemplates-1", "Name": "Old step", "ActionType": "Octopus.Script", "Properties": {} }));
        let web = source.project(1, "Web");
        let properties = json!({ "Octopus.Action.Template.Id": "ActionTemplates-1",
            "Octopus.Action.Azure.AccountId": "Accounts-1" });
        let packages = json!([{ "Id": "0a", "Name": "", "PackageId": "web", "FeedId": "Feeds-1" }]);
        let actions = json!([{ "Name": "Run", "Properties": properties, "Packages": packages }]);
        source.release(1, &web, "1.0", actions, json!({}));
        pair.carry_project("Web");
        let release = target.one("Release", "Version", "1.0");
        let process = release["ProjectDeploymentProcessSnapshotId"].as_str().unwrap();
        let process = target.one("DeploymentProcess", "Id", process);
        assert_eq!(process["OwnerId"], target.id_of("Project", "Web"));
        let action = actions_of(&process).remove(0);
        assert_eq!(action["Packages"][0]["FeedId"], target.id_of("Feed", "Old feed"));
        let properties = &action["Properties"];
        assert_eq!(properties["Octopus.Action.Template.Id"], target.id_of("ActionTemplate", "Old step"));
        assert_eq!(properties["Octopus.Action.Azure.AccountId"], target.id_of("Account", "Old cloud"));
        // And no more than what is needed.
        assert_eq!(target.count("Feed"), 1);
        pair.no_leaks();
    });
}

/// #5100, #6933: a library set that the project no longer includes, and an old release does, was missing, and
/// the release could not be deployed any more. Here the frozen set comes along, and the library set it is of.
#[test]
fn c14_5100_6933_library_sets_of_old_releases_come_along() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let old = source.library(1, "Old", json!([variable("Url", "String", "today", json!({}))]));
        let older = source.library(2, "Older", json!([]));
        source.library(3, "Unused", json!([]));
        let web = source.project(1, "Web");
        let frozen = |library: &str| format!("variableset-{library}-s-4-QQQQQ");
        let was = json!([variable("Url", "String", "then", json!({ "Environment": ["Environments-1"] }))]);
        source.variable_set(&frozen(&old), &old, true, was);
        source.variable_set(&frozen(&older), &older, true, json!([]));
        let sets = json!({ "LibraryVariableSetSnapshotIds": [frozen(&old)],
            "LibraryVariableSetSnapshots": [{ "LibraryVariableSetId": older, "VariableSetSnapshotId": frozen(&older) }] });
        source.release(1, &web, "1.0", json!([]), sets);
        pair.carry_project("Web");
        let release = target.one("Release", "Version", "1.0");
        let (old, older) =
            (target.id_of("LibraryVariableSet", "Old"), target.id_of("LibraryVariableSet", "Older"));
        assert_eq!(release["LibraryVariableSetSnapshotIds"], json!([frozen(&old)]));
        let pair_of = json!([{ "LibraryVariableSetId": older, "VariableSetSnapshotId": frozen(&older) }]);
        assert_eq!(release["LibraryVariableSetSnapshots"], pair_of);
        let was = target.one("VariableSet", "Id", &frozen(&old));
        assert_eq!((&was["OwnerId"], &was["IsFrozen"]), (&json!(old), &json!(1)));
        assert_eq!(was["Variables"][0]["Value"], "then");
        assert_eq!(was["Variables"][0]["Scope"], json!({ "Environment": ["Environments-101"] }));
        assert_eq!(target.one("VariableSet", "Id", &frozen(&older))["OwnerId"], older);
        assert_eq!(target.variable("LibraryVariableSet", "Old", "Url")["Value"], "today");
        assert_eq!(target.count("LibraryVariableSet"), 2);
        pair.no_leaks();
    });
}

/// A runbook with two snapshots, the second of them published, that has changed since.
fn published(source: &Little, number: u32, web: &str, name: &str) {
    let step = |script: &str| json!([{ "Name": "Run", "Properties": { "Octopus.Action.Script.ScriptBody": script } }]);
    let runbook = source.runbook(number, web, name, step("today"));
    for (n, text) in [(0, "first"), (1, "published")] {
        let process = format!("RunbookProcess-{runbook}-s-{n}-ABCDE");
        source.runbook_process(&process, web, &runbook, true, step(text));
        let variables = format!("variableset-{web}-s-{number}-RRRR{n}");
        source.variable_set(&variables, web, true, json!([]));
        let snapshot = source.id("RunbookSnapshots", number * 2 + n);
        source.add(
            "RunbookSnapshot",
            json!({ "Id": snapshot, "Name": format!("Snapshot {text}"), "Assembled": THEN, "ProjectId": web, "RunbookId": runbook,
                "FrozenRunbookProcessId": process, "FrozenProjectVariableSetId": variables, "LibraryVariableSetSnapshotIds": [] }),
        );
        // The last one is published.
        source.run(&format!(
            "UPDATE Runbook SET PublishedRunbookSnapshotId = '{snapshot}' WHERE Id = '{runbook}'"
        ));
    }
}

/// #6210, #6659, #5952: runbooks, or their snapshots, were not exported or not imported, and the runbook
/// opened with an error. Here a project brings its runbooks, each with its snapshots, and publishes what it
/// published.
#[test]
fn c15_6210_6659_5952_runbooks_come_with_their_snapshots() {
    spaces(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project(1, "Web");
        published(source, 1, &web, "Restart");
        source.add(
            "RunbookRun",
            json!({ "Id": "RunbookRuns-1", "Name": "Run", "Created": THEN, "ProjectId": web, "EnvironmentId": "Environments-1",
                "RunbookId": "Runbooks-1", "RunbookSnapshotId": "RunbookSnapshots-3",
                "FrozenRunbookProcessId": "RunbookProcess-Runbooks-1-s-1-ABCDE", "DeployedToMachineIds": "" }),
        );
        pair.carry_project("Web");
        let runbook = target.named("Runbook", "Restart");
        let snapshot = target.named("RunbookSnapshot", "Snapshot published");
        let web = target.id_of("Project", "Web");
        assert_eq!(runbook["PublishedRunbookSnapshotId"], snapshot["Id"]);
        assert_eq!(snapshot["RunbookId"], runbook["Id"]);
        let text = |id: &Json| {
            let process = target.one("RunbookProcess", "Id", id.as_str().unwrap());
            assert_eq!((&process["ProjectId"], &process["RunbookId"]), (&json!(web), &runbook["Id"]));
            actions_of(&process).remove(0)["Properties"]["Octopus.Action.Script.ScriptBody"].clone()
        };
        assert_eq!(text(&runbook["RunbookProcessId"]), "today");
        assert_eq!(text(&snapshot["FrozenRunbookProcessId"]), "published");
        let first = target.named("RunbookSnapshot", "Snapshot first");
        assert_eq!(
            (text(&first["FrozenRunbookProcessId"]), &first["RunbookId"]),
            (json!("first"), &runbook["Id"])
        );
        let variables =
            target.one("VariableSet", "Id", snapshot["FrozenProjectVariableSetId"].as_str().unwrap());
        assert_eq!((&variables["OwnerId"], &variables["IsFrozen"]), (&json!(web), &json!(1)));
        let run = target.named("RunbookRun", "Run");
        assert_eq!((&run["RunbookSnapshotId"], &run["RunbookId"]), (&snapshot["Id"], &runbook["Id"]));
        pair.no_leaks();
    });
}

/// #6102: a project with several runbooks or triggers, changed at the source and imported again, failed on the
/// names that were there. Here each is found again and updated.
#[test]
fn c15_6102_several_runbooks_and_triggers_are_imported_again() {
    spaces(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        for (number, project) in [(1, "Web"), (2, "Api")] {
            let id = source.project(number, project);
            for (n, name) in [(1, "Restart"), (2, "Clean up")] {
                published(source, number * 10 + n, &id, name);
                let trigger = source.id("ProjectTriggers", number * 10 + n);
                source.add(
                    "ProjectTrigger",
                    json!({ "Id": trigger, "Name": name, "ProjectId": id, "Filter": { "EnvironmentIds": ["Environments-1"] },
                        "Action": { "RunbookId": source.id("Runbooks", number * 10 + n) } }),
                );
            }
        }
        pair.carry();
        let before: Vec<Json> = target.all("Runbook").iter().map(|row| row["Id"].clone()).collect();
        source.run("UPDATE Runbook SET JSON = json_set(JSON, '$.Description', 'changed')");
        source.run("UPDATE RunbookProcess SET JSON = json_set(JSON, '$.Steps[0].Name', 'changed') WHERE IsFrozen = 0");
        source.run("UPDATE ProjectTrigger SET IsDisabled = 1");
        pair.carry();
        let runbooks = target.all("Runbook");
        assert_eq!(runbooks.iter().map(|row| row["Id"].clone()).collect::<Vec<_>>(), before);
        assert!(runbooks.iter().all(|runbook| runbook["Description"] == "changed"));
        for runbook in &runbooks {
            let process = target.one("RunbookProcess", "Id", runbook["RunbookProcessId"].as_str().unwrap());
            assert_eq!(process["Steps"][0]["Name"], "changed");
        }
        let triggers = target.all("ProjectTrigger");
        assert_eq!(triggers.len(), 4);
        for trigger in triggers {
            assert_eq!(trigger["IsDisabled"], 1);
            let runbook = target.one("Runbook", "Id", trigger["Action"]["RunbookId"].as_str().unwrap());
            assert_eq!((&runbook["ProjectId"], &runbook["Name"]), (&trigger["ProjectId"], &trigger["Name"]));
        }
        assert_eq!(target.count("RunbookSnapshot"), 8);
        pair.no_leaks();
    });
}

/// #4992, #2645, #6799: proxies were not exported, accounts not imported, and the community step template
/// behind a runbook's step was left out. Here a project brings them, with secrets readable on the target.
#[test]
fn c16_4992_2645_6799_proxies_accounts_and_community_templates_come_along() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Proxy", json!({ "Id": "Proxies-1", "Name": "Out", "Password": source.secret("proxy") }));
        source.add(
            "Account",
            json!({ "Id": "Accounts-1", "Name": "Key", "AccountType": "SshKeyPair", "EnvironmentIds": "|Environments-1|",
                "PrivateKeyFile": source.secret("ssh") }),
        );
        source.add(
            "Machine",
            json!({ "Id": "Machines-1", "Name": "web-1", "EnvironmentIds": "|Environments-1|", "CommunicationStyle": "Ssh",
                "Endpoint": { "ProxyId": "Proxies-1", "AccountId": "Accounts-1" } }),
        );
        let guid = "0e000000-0000-0000-0000-000000000001";
        source.add(
            "CommunityActionTemplate",
            json!({ "Id": "CommunityActionTemplates-1", "Name": "Library step", "ExternalId": guid, "Properties": {} }),
        );
        source.add(
            "ActionTemplate",
            json!({ "Id": "ActionTemplates-1", "Name": "Step", "ActionType": "Octopus.Script", "Properties": {},
                "CommunityActionTemplateId": "CommunityActionTemplates-1" }),
        );
        let web = source.project(1, "Web");
        let step = json!([{ "Name": "Run", "Environments": ["Environments-1"],
            "Properties": { "Octopus.Action.Template.Id": "ActionTemplates-1" } }]);
        match source.spaces() {
            true => drop(source.runbook(1, &web, "Restart", step)),
            false => source.process(&web, step),
        }
        source.variables(
            &web,
            json!([variable("Url", "String", "x", json!({ "Environment": ["Environments-1"] }))]),
        );
        pair.carry_project("Web");
        let machine = target.named("Machine", "web-1");
        let (proxy, account) = (target.named("Proxy", "Out"), target.named("Account", "Key"));
        assert_eq!(machine["Endpoint"], json!({ "ProxyId": proxy["Id"], "AccountId": account["Id"] }));
        assert_eq!(target.reveal(&proxy["Password"]), "proxy");
        assert_eq!(target.reveal(&account["PrivateKeyFile"]), "ssh");
        assert_eq!(account["EnvironmentIds"], "|Environments-101|");
        let community = target.one("CommunityActionTemplate", "ExternalId", guid);
        assert_eq!(target.named("ActionTemplate", "Step")["CommunityActionTemplateId"], community["Id"]);
        pair.no_leaks();
    });
}
