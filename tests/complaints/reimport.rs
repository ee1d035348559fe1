//! The second import, and imports into what is there: nothing twice, nothing refused, nothing lost.

use super::*;

tests![
    c17_5148_3128_policies_subscriptions_and_feeds_are_found_again,
    c18_9314_9477_tenant_variables_are_found_again,
    c19_2334_tasks_of_one_time_and_text_stay_two,
    c19_2281_2353_history_alone_can_be_brought,
    c37_7720_variables_are_not_doubled,
    c38_7728_7729_7972_tenants_common_variables_bring_what_they_name,
    c39_7061_a_renamed_step_template_with_old_releases,
    c40_7391_a_variable_for_a_deleted_runbook_stays_for_nothing,
    c41_9247_git_step_templates_name_the_targets_credentials,
    c42_a_project_that_exists_is_updated,
    c45_variables_of_both_sides_live_together,
];

/// #5148, #3128: machine policies, subscriptions and feeds of a name that the target had were inserted anew and
/// hit the unique index. Here they are found by name and updated; how far a subscription has read stays.
#[test]
fn c17_5148_3128_policies_subscriptions_and_feeds_are_found_again() {
    both(|pair| {
        for (server, note, read) in [(&pair.source, "new", 7), (&pair.target, "old", 4000)] {
            server.add("MachinePolicy", json!({ "Id": server.id("MachinePolicies", 1), "Name": "Default", "Description": note, "IsDefault": true }));
            server.add(
                "MachinePolicy",
                json!({ "Id": server.id("MachinePolicies", 2), "Name": "Patient", "Description": note }),
            );
            server.add(
                "Subscription",
                json!({ "Id": server.id("Subscriptions", 1), "Name": "Mail", "Type": "Event", "Description": note,
                    "EventNotificationSubscription": { "Filter": { "Environments": [server.id("Environments", 1)] },
                        "EmailTeams": [], "EmailDigestLastProcessedEventAutoId": read } }),
            );
            server.add("Feed", json!({ "Id": server.id("Feeds", 1), "Name": "Docker", "FeedType": "Docker", "FeedUri": note }));
        }
        // The names are the same to the server.
        pair.source.run("UPDATE Subscription SET Name = 'MAIL '; UPDATE Feed SET Name = 'docker'");
        pair.carry();
        let target = &pair.target;
        for table in ["MachinePolicy", "Subscription", "Feed"] {
            assert_eq!(target.count(table), pair.source.count(table), "{table}");
        }
        assert_eq!(target.named("MachinePolicy", "Patient")["Description"], "new");
        let subscription = target.one("Subscription", "Id", "Subscriptions-101");
        assert_eq!(subscription["Description"], "new");
        let events = &subscription["EventNotificationSubscription"];
        assert_eq!(events["EmailDigestLastProcessedEventAutoId"], 4000);
        assert_eq!(events["Filter"]["Environments"], json!(["Environments-101"]));
        assert_eq!(target.one("Feed", "Id", "Feeds-101")["FeedUri"], "new");
        pair.no_leaks();
    });
}

/// #9314, #9477: values of tenants were not found again, as their environments were compared by the source's
/// ids, and were inserted twice, against a unique index. Here each is the target's row of that tenant, owner,
/// environment and template, one without an environment too.
#[test]
fn c18_9314_9477_tenant_variables_are_found_again() {
    both(|pair| {
        let (project_template, library_template) =
            ("0f000000-0000-0000-0000-000000000001", "0f000000-0000-0000-0000-000000000002");
        for (server, text) in [(&pair.source, "new"), (&pair.target, "old")] {
            let templates = |id: &str| json!([{ "Id": id, "Name": "Alias", "DisplaySettings": {} }]);
            let web = server.project_with(1, "Web", json!({ "Templates": templates(project_template) }));
            let common = server.library(1, "Common", json!([]));
            server.run(&format!(
                "UPDATE LibraryVariableSet SET JSON = '{}'",
                json!({ "Templates": templates(library_template) })
            ));
            let environment = server.id("Environments", 1);
            let links = json!({ &web: [environment, server.id("Environments", 2)] });
            let tenant = server.id("Tenants", 1);
            server.add("Tenant", json!({ "Id": tenant, "Name": "Acme", "ProjectIds": format!("|{web}|"), "ProjectEnvironments": links }));
            let value = |number: u32, owner: &str, environment: Json, template: &str| {
                server.add(
                    "TenantVariable",
                    json!({ "Id": server.id("TenantVariables", number), "TenantId": tenant, "OwnerId": owner,
                        "EnvironmentId": environment, "VariableTemplateId": template, "Value": text }),
                );
            };
            value(1, &web, json!(environment), project_template);
            value(2, &common, Json::Null, library_template);
            // This one only the source has.
            if text == "new" {
                value(3, &web, json!(server.id("Environments", 2)), project_template);
            }
            // The product's index counts two rows without an environment as the same.
            server.run("CREATE UNIQUE INDEX FI_TenantVariable ON TenantVariable (TenantId, OwnerId, ifnull(EnvironmentId, ''), VariableTemplateId)");
        }
        pair.carry();
        let target = &pair.target;
        let values = target.all("TenantVariable");
        assert_eq!(values.len(), 3, "{values:#?}");
        assert!(values.iter().all(|value| value["Value"] == "new" && value["TenantId"] == "Tenants-101"));
        assert_eq!(values[0]["EnvironmentId"], "Environments-101");
        assert_eq!(
            (&values[1]["OwnerId"], &values[1]["EnvironmentId"]),
            (&json!("LibraryVariableSets-101"), &Json::Null)
        );
        assert_eq!(values[2]["EnvironmentId"], "Environments-102");
        pair.no_leaks();
    });
}

fn task(server: &Little, number: u32, time: &str, more: Json) {
    let row = json!({ "Id": server.id("ServerTasks", number), "Name": "Deploy", "Description": "Deploy Web", "QueueTime": time,
        "State": "Success", "Arguments": {} });
    server.add("ServerTask", with(&row, more));
}

/// #2334: two tasks queued in one moment with one description had one key, and only the first came. Here both
/// come, each with its deployment, and neither comes twice.
#[test]
fn c19_2334_tasks_of_one_time_and_text_stay_two() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project(1, "Web");
        let release = source.release(1, &web, "1.0", json!([]), json!({}));
        let channel = source.one("Release", "Id", &release)["ChannelId"].clone();
        for number in [1, 2] {
            let deployment = source.id("Deployments", number);
            task(
                source,
                number,
                THEN,
                json!({ "ProjectId": web, "EnvironmentId": "Environments-1",
                "Arguments": { "DeploymentId": deployment }, "ErrorMessage": format!("number {number}") }),
            );
            source.add(
                "Deployment",
                json!({ "Id": deployment, "Name": format!("Deploy {number}"), "Created": THEN, "EnvironmentId": "Environments-1",
                    "ProjectId": web, "ReleaseId": release, "ChannelId": channel, "TaskId": source.id("ServerTasks", number),
                    "DeployedToMachineIds": "" }),
            );
        }
        pair.carry();
        assert_eq!((target.count("ServerTask"), target.count("Deployment")), (2, 2));
        for number in [1, 2] {
            let deployment = target.named("Deployment", &format!("Deploy {number}"));
            let task = target.one("ServerTask", "Id", deployment["TaskId"].as_str().unwrap());
            assert_eq!(task["ErrorMessage"], format!("number {number}"));
            assert_eq!(task["Arguments"]["DeploymentId"], deployment["Id"]);
        }
        pair.no_leaks();
    });
}

/// #2281, #2353: whoever wanted only the history of a project had its configuration overwritten. Here an import
/// that skips what is there brings the releases and leaves the project as it is.
#[test]
fn c19_2281_2353_history_alone_can_be_brought() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project_with(1, "Web", json!({ "Description": "source" }));
        source.variables(&web, json!([variable("Url", "String", "source", json!({}))]));
        source.release(1, &web, "1.0", json!([{ "Name": "Then" }]), json!({}));
        let ours = target.project_with(7, "Web", json!({ "Description": "target" }));
        target.variables(&ours, json!([variable("Url", "String", "target", json!({}))]));
        target.process(&ours, json!([{ "Name": "Now" }]));
        let channel = json!({ "Id": "Channels-107", "Name": "Main", "ProjectId": ours, "Rules": [] });
        target.add("Channel", channel);
        let before = (target.all("Project"), target.variables_of("Project", "Web"), target.actions("Web"));
        let options = everything(Some(&source.key));
        pair.import(&pair.export(&options), &skip());
        assert_eq!(
            before,
            (target.all("Project"), target.variables_of("Project", "Web"), target.actions("Web"))
        );
        let release = target.one("Release", "Version", "1.0");
        assert_eq!((&release["ProjectId"], &release["ChannelId"]), (&json!(ours), &json!("Channels-107")));
        let process = release["ProjectDeploymentProcessSnapshotId"].as_str().unwrap();
        assert_eq!(actions_of(&target.one("DeploymentProcess", "Id", process))[0]["Name"], "Then");
    });
}

/// #7720: every import of a project added the variables of its library set once more, two under one id where
/// only their scopes differed. Here each is there once, under an id of its own, however often it is imported.
#[test]
fn c37_7720_variables_are_not_doubled() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let one = "0c000000-0000-0000-0000-00000000000";
        let each = |id: u32, value: &str, scope: Json| json!({ "Id": format!("{one}{id}"), "Name": "Url", "Type": "String", "Value": value, "Scope": scope });
        let variables = |a: &str, b: &str| {
            json!([
                each(1, a, json!({ "Environment": ["Environments-1"] })),
                // The same id, another scope.
                each(1, b, json!({ "Environment": ["Environments-1"], "Role": ["web"] })),
                // The same name and scope, another value; and one exactly the same.
                each(3, "c", json!({ "Environment": ["Environments-1"] })),
                each(4, "c", json!({ "Environment": ["Environments-1"] })),
            ])
        };
        let common = source.library(1, "Common", variables("a", "b"));
        let included = json!({ "IncludedLibraryVariableSetIds": format!("|{common}|") });
        source.project_with(1, "Web", included.clone());
        source.project_with(2, "Api", included);
        let values = || -> Vec<String> {
            let variables = target.variables_of("LibraryVariableSet", "Common");
            let ids: BTreeSet<&str> = variables.iter().map(|v| v["Id"].as_str().unwrap()).collect();
            assert_eq!(ids.len(), variables.len(), "two variables of one id");
            let mut values: Vec<String> =
                variables.iter().map(|v| v["Value"].as_str().unwrap().to_owned()).collect();
            values.sort_unstable();
            values
        };
        for project in ["Web", "Api"] {
            pair.carry_project(project);
            assert_eq!(values(), ["a", "b", "c", "c"]);
        }
        // Values that changed take the place of those they were.
        source.variables(&common, variables("new a", "new b"));
        pair.carry_project("Web");
        assert_eq!(values(), ["c", "c", "new a", "new b"]);
    });
}

/// #7728, #7729, #7972: a tenant's value of a library set's template may be a certificate or an account, and
/// these were left out. Here they come with the project, and the value names the target's.
#[test]
fn c38_7728_7729_7972_tenants_common_variables_bring_what_they_name() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Account", json!({ "Id": "Accounts-1", "Name": "Cloud", "AccountType": "AzureOIDC" }));
        source.add(
            "Certificate",
            json!({ "Id": "Certificates-1", "Name": "Web", "Thumbprint": "AA", "CertificateData": source.secret("pem") }),
        );
        // The source's id of this feed is another feed's in the target.
        source.add("Feed", json!({ "Id": "Feeds-5", "Name": "Ours", "FeedType": "NuGet", "FeedUri": "u" }));
        target.add("Feed", json!({ "Id": "Feeds-5", "Name": "Theirs", "FeedType": "NuGet", "FeedUri": "t" }));
        source.add("WorkerPool", json!({ "Id": "WorkerPools-7", "Name": "Linux" }));
        let template = |n: u32| format!("0f000000-0000-0000-0000-00000000000{n}");
        let controls =
            [(1, "AzureAccount"), (2, "Certificate"), (3, "Package"), (4, "Feed"), (5, "WorkerPool")];
        let templates: Vec<Json> = controls
            .iter()
            .map(|(n, control)| json!({ "Id": template(*n), "Name": control, "DisplaySettings": { "Octopus.ControlType": control } }))
            .collect();
        let common = source.library(1, "Common", json!([]));
        source.run(&format!("UPDATE LibraryVariableSet SET JSON = '{}'", json!({ "Templates": templates })));
        let web =
            source.project_with(1, "Web", json!({ "IncludedLibraryVariableSetIds": format!("|{common}|") }));
        source.add(
            "Tenant",
            json!({ "Id": "Tenants-1", "Name": "Acme", "ProjectIds": format!("|{web}|"), "ProjectEnvironments": { &web: [] } }),
        );
        let values =
            [(1, "Accounts-1"), (2, "Certificates-1"), (3, "Feeds-5"), (4, "Feeds-5"), (5, "WorkerPools-7")];
        for (n, value) in values {
            source.add(
                "TenantVariable",
                json!({ "Id": source.id("TenantVariables", n), "TenantId": "Tenants-1", "OwnerId": common, "EnvironmentId": null,
                    "VariableTemplateId": template(n), "RelatedDocumentId": value, "Value": value }),
            );
        }
        pair.carry_project("Web");
        let named = [
            (1, "Account", "Cloud"),
            (2, "Certificate", "Web"),
            (3, "Feed", "Ours"),
            (4, "Feed", "Ours"),
            (5, "WorkerPool", "Linux"),
        ];
        for (n, table, name) in named {
            let value = target.one("TenantVariable", "VariableTemplateId", &template(n));
            let id = target.id_of(table, name);
            assert_eq!((&value["RelatedDocumentId"], &value["Value"]), (&json!(id), &json!(id)));
            assert_eq!(value["TenantId"], target.id_of("Tenant", "Acme"));
        }
        assert_eq!(target.reveal(&target.named("Certificate", "Web")["CertificateData"]), "pem");
        pair.no_leaks();
    });
}

/// #7061: a step template was renamed between two releases; on import it was there twice. Here it is one, its
/// old versions keep their names, and both releases lead to it.
#[test]
fn c39_7061_a_renamed_step_template_with_old_releases() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let body = |name: &str, version: u32| json!({ "Name": name, "Version": version, "ActionType": "Octopus.Script", "Properties": {} });
        source.add("ActionTemplate", with(&body("New name", 2), json!({ "Id": "ActionTemplates-1" })));
        for (n, name) in [(1, "Old name"), (2, "New name")] {
            let more = json!({ "Id": source.id("ActionTemplateVersions", n), "LatestActionTemplateId": "ActionTemplates-1" });
            source.add("ActionTemplateVersion", with(&body(name, n), more));
        }
        let web = source.project(1, "Web");
        for n in [1, 2] {
            let properties = json!({ "Octopus.Action.Template.Id": "ActionTemplates-1", "Octopus.Action.Template.Version": n.to_string() });
            source.release(
                n,
                &web,
                &format!("{n}.0"),
                json!([{ "Name": "Run", "Properties": properties }]),
                json!({}),
            );
        }
        pair.carry_project("Web");
        let template = target.id_of("ActionTemplate", "New name");
        assert_eq!(target.count("ActionTemplate"), 1);
        for (n, name) in [(1, "Old name"), (2, "New name")] {
            let version = target.named("ActionTemplateVersion", name);
            assert_eq!(
                (&version["Version"], &version["LatestActionTemplateId"]),
                (&json!(n), &json!(template))
            );
            let release = target.one("Release", "Version", &format!("{n}.0"));
            let process = release["ProjectDeploymentProcessSnapshotId"].as_str().unwrap();
            let action = actions_of(&target.one("DeploymentProcess", "Id", process)).remove(0);
            assert_eq!(action["Properties"]["Octopus.Action.Template.Id"], template);
            assert_eq!(action["Properties"]["Octopus.Action.Template.Version"], n.to_string());
        }
        pair.no_leaks();
    });
}

/// #7391: a variable limited to a runbook that was deleted stopped the import. Here it is carried as it is; where
/// its id names another runbook in the target, it is left out, so that it never applies to more than it did.
#[test]
fn c40_7391_a_variable_for_a_deleted_runbook_stays_for_nothing() {
    for stranger in [false, true] {
        spaces(|pair| {
            let (source, target) = (&pair.source, &pair.target);
            let web = source.project(1, "Web");
            let gone = json!({ "ProcessOwner": ["Runbooks-142"] });
            source.variables(
                &web,
                json!([
                    variable("Url", "String", "x", gone.clone()),
                    variable("Other", "String", "y", json!({}))
                ]),
            );
            if stranger {
                let own = target.project(8, "Only here");
                target.runbook(42, &own, "Restart", json!([]));
                assert_eq!(target.id_of("Runbook", "Restart"), "Runbooks-142");
            }
            pair.carry();
            let mut variables = target.variables_of("Project", "Web");
            assert_eq!(target.variable("Project", "Web", "Other")["Value"], "y");
            variables.retain(|variable| variable["Name"] == "Url");
            match stranger {
                true => assert!(variables.is_empty(), "{variables:#?}"),
                false => assert_eq!(variables[0]["Scope"], gone),
            }
        });
    }
}

/// #9247: a step template that comes from git failed on the id of its credential. Here the template and the step
/// name the target's credential, and its password is readable there.
#[test]
fn c41_9247_git_step_templates_name_the_targets_credentials() {
    spaces(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let details = json!({ "Username": "bot", "Password": source.secret("token") });
        source.add("GitCredential", json!({ "Id": "GitCredentials-1", "Name": "Bot", "Details": details }));
        let git = json!([{ "Name": "", "RepositoryUri": "https://x/y.git", "DefaultBranch": "main", "GitCredentialType": "Library",
            "GitCredentialId": "GitCredentials-1" }]);
        source.add(
            "ActionTemplate",
            json!({ "Id": "ActionTemplates-1", "Name": "Git step", "ActionType": "Octopus.Script", "Properties": {}, "GitDependencies": git }),
        );
        let web = source.project_with(
            1,
            "Web",
            json!({ "PersistenceSettings": { "Credentials": { "Id": "GitCredentials-1" } } }),
        );
        let properties = json!({ "Octopus.Action.Template.Id": "ActionTemplates-1" });
        source.process(&web, json!([{ "Name": "Run", "Properties": properties, "GitDependencies": git }]));
        pair.carry_project("Web");
        let credential = target.named("GitCredential", "Bot");
        assert_eq!(target.reveal(&credential["Details"]["Password"]), "token");
        for found in [target.named("ActionTemplate", "Git step"), target.actions("Web").remove(0)] {
            assert_eq!(found["GitDependencies"][0]["GitCredentialId"], credential["Id"]);
        }
        assert_eq!(
            target.named("Project", "Web")["PersistenceSettings"]["Credentials"]["Id"],
            credential["Id"]
        );
        pair.no_leaks();
    });
}

/// The vendor's import of projects leaves alone what the target has, by its documentation. Here an overwriting
/// import makes process, settings and variables what they are at the source: a step only the target had goes.
#[test]
fn c42_a_project_that_exists_is_updated() {
    both(|pair| {
        for (server, text) in [(&pair.source, "new"), (&pair.target, "old")] {
            let web =
                server.project_with(1, "Web", json!({ "Description": text, "IsDisabled": text == "old" }));
            server.process(&web, json!([{ "Name": text }, { "Name": "Both", "IsDisabled": text == "old" }]));
            server.variables(&web, json!([variable("Url", "String", text, json!({}))]));
            server.add("Lifecycle", json!({ "Id": server.id("Lifecycles", 2), "Name": text, "Phases": [] }));
            server.run(&format!("UPDATE Project SET LifecycleId = '{}'", server.id("Lifecycles", 2)));
        }
        pair.carry_project("Web");
        let target = &pair.target;
        let web = target.named("Project", "Web");
        assert_eq!(
            (&web["Id"], &web["Description"], &web["IsDisabled"]),
            (&json!("Projects-101"), &json!("new"), &json!(0))
        );
        assert_eq!(web["LifecycleId"], target.id_of("Lifecycle", "new"));
        let names: Vec<Json> = target.actions("Web").iter().map(|action| action["Name"].clone()).collect();
        assert_eq!(names, ["new", "Both"]);
        assert_eq!(target.actions("Web")[1]["IsDisabled"], false);
        assert_eq!(target.variable("Project", "Web", "Url")["Value"], "new");
        pair.no_leaks();
    });
}

/// The vendor's documentation has no tool for servers that share projects and differ in environments and in the
/// values for them. Here an import updates what both have, adds what is new, and keeps the target's own values
/// for its own environments.
#[test]
fn c45_variables_of_both_sides_live_together() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project(1, "Web");
        let at = |server: &Little, n: u32| json!({ "Environment": [server.id("Environments", n)] });
        source.variables(
            &web,
            json!([
                variable("Url", "String", "dev", at(source, 1)),
                variable("Shared", "String", "new", json!({})),
                variable("Secret", "Sensitive", &source.secret("new"), json!({}))
            ]),
        );
        let web = target.project(7, "Web");
        target.add("DeploymentEnvironment", json!({ "Id": "Environments-109", "Name": "Customer" }));
        let mut customer = variable("Url", "String", "customer", at(target, 9));
        customer["Id"] = json!("0c000000-0000-0000-0000-000000099999");
        target.variables(
            &web,
            json!([
                customer,
                variable("Shared", "String", "old", json!({})),
                variable("Secret", "Sensitive", &target.secret("old"), json!({})),
                variable("Own", "Sensitive", &target.secret("own"), json!({}))
            ]),
        );
        pair.carry();
        let variables = target.variables_of("Project", "Web");
        assert_eq!(variables.len(), 5, "{variables:#?}");
        assert!(variables.contains(&customer));
        let url = variables.iter().find(|v| v["Value"] == "dev").unwrap();
        assert_eq!(url["Scope"], at(target, 1));
        assert_eq!(target.variable("Project", "Web", "Shared")["Value"], "new");
        assert_eq!(target.reveal(&target.variable("Project", "Web", "Secret")["Value"]), "new");
        assert_eq!(target.reveal(&target.variable("Project", "Web", "Own")["Value"]), "own");
        assert_eq!(target.named("DeploymentEnvironment", "Customer")["Id"], "Environments-109");
    });
}
