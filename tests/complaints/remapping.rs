//! Ids: where the vendor's tool left the source's id, lost it, or took a text for one.

use super::*;

tests![
    c01_5259_a_logo_puts_no_dollar_before_an_id,
    c02_6391_a_worker_pool_variable_names_the_targets_pool,
    c03_6411_packages_of_a_step_template_name_the_targets_feeds,
    c04_4811_a_deploy_release_step_names_the_targets_project,
    c05_6623_a_variable_stays_with_the_process_it_is_for,
    c06_5477_library_variables_keep_their_environments,
    c07_5101_5087_5081_tenant_tags_are_mapped_also_where_the_set_is_skipped,
    c08_4380_a_variable_stays_with_its_channel,
    c09_7205_proxies_logos_and_lifecycles_of_releases,
    c10_7138_a_tenants_projects_are_keyed_by_the_targets_ids,
    c11_9349_7678_7197_text_that_looks_like_an_id_stays_text,
    c12_3259_parameters_without_an_id_are_carried,
];

/// #5259: a logo's file is named after its project. Where another project was given that id in the target, its
/// variables and process were written as `$Projects-2`. Here the logo stays behind and no id gets a dollar.
#[test]
fn c01_5259_a_logo_puts_no_dollar_before_an_id() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.project_with(2, "Web", json!({ "LogoAttachmentKey": "Projects-2" }));
        for number in [1, 3, 4] {
            source.project(number, &format!("Api {number}"));
        }
        source.project_with(5, "Here too", json!({ "LogoAttachmentKey": "Projects-5" }));
        target.project_with(1, "Here too", json!({ "LogoAttachmentKey": "Projects-101" }));
        // The next project in the target gets the id that Web has at the source.
        target.run("UPDATE KeyAllocation SET Allocated = 1 WHERE CollectionName = 'Project'");
        pair.carry();
        let projects = target.all("Project");
        assert_eq!(projects.len(), 5);
        assert!(projects.iter().any(|project| project["Id"] == "Projects-2"));
        for project in projects {
            let id = project["Id"].as_str().unwrap();
            assert_eq!(project["VariableSetId"], format!("variableset-{id}"));
            assert_eq!(project["DeploymentProcessId"], format!("deploymentprocess-{id}"));
            assert_eq!(target.one("VariableSet", "OwnerId", id)["Id"], project["VariableSetId"]);
        }
        assert!(target.named("Project", "Web").get("LogoAttachmentKey").is_none());
        assert_eq!(target.named("Project", "Here too")["LogoAttachmentKey"], "Projects-101");
    });
}

/// #6391: a variable whose value is a worker pool kept the id that the pool has at the source. Here it names
/// the target's pool of that name.
#[test]
fn c02_6391_a_worker_pool_variable_names_the_targets_pool() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("WorkerPool", json!({ "Id": "WorkerPools-1", "Name": "Linux" }));
        source.add("WorkerPool", json!({ "Id": "WorkerPools-2", "Name": "New" }));
        target.add("WorkerPool", json!({ "Id": "WorkerPools-107", "Name": "Linux" }));
        let web = source.project(1, "Web");
        source.variables(
            &web,
            json!([
                variable("Pool", "WorkerPool", "WorkerPools-1", json!({})),
                variable("Other", "WorkerPool", "WorkerPools-2", json!({}))
            ]),
        );
        pair.carry();
        assert_eq!(target.variable("Project", "Web", "Pool")["Value"], "WorkerPools-107");
        assert_eq!(target.variable("Project", "Web", "Other")["Value"], target.id_of("WorkerPool", "New"));
        pair.no_leaks();
    });
}

/// #6411: packages of a step template kept the source's feed. Here they name the target's, in the template, in
/// its versions and in the step that uses it, and the built-in feed is the target's built-in feed.
#[test]
fn c03_6411_packages_of_a_step_template_name_the_targets_feeds() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Feed", json!({ "Id": "Feeds-1", "Name": "Docker", "FeedType": "Docker" }));
        source.add("Feed", json!({ "Id": "Feeds-2", "Name": "Ours", "FeedType": "BuiltIn" }));
        target.add("Feed", json!({ "Id": "Feeds-107", "Name": "Docker", "FeedType": "Docker" }));
        target.add("Feed", json!({ "Id": "Feeds-108", "Name": "Built-in", "FeedType": "BuiltIn" }));
        let packages = json!([
            { "Id": "0a", "Name": "", "PackageId": "web", "FeedId": "Feeds-1" },
            { "Id": "0b", "Name": "tools", "PackageId": "tools", "FeedId": "Feeds-2" },
        ]);
        let body = json!({ "Name": "Run", "Version": 1, "ActionType": "Octopus.Script", "Packages": packages,
            "Properties": { "Octopus.Action.Package.FeedId": "Feeds-1" }, "Parameters": [] });
        source.add("ActionTemplate", with(&body, json!({ "Id": "ActionTemplates-1" })));
        let version =
            json!({ "Id": "ActionTemplateVersions-1", "LatestActionTemplateId": "ActionTemplates-1" });
        source.add("ActionTemplateVersion", with(&body, version));
        let web = source.project(1, "Web");
        let properties = json!({ "Octopus.Action.Template.Id": "ActionTemplates-1", "Octopus.Action.Template.Version": "1",
            "Octopus.Action.Package.FeedId": "Feeds-1" });
        source.process(&web, json!([{ "Name": "Run", "Properties": properties, "Packages": packages }]));
        pair.carry();
        for found in [
            target.named("ActionTemplate", "Run"),
            target.named("ActionTemplateVersion", "Run"),
            target.actions("Web").remove(0),
        ] {
            assert_eq!(found["Packages"][0]["FeedId"], "Feeds-107");
            assert_eq!(found["Packages"][1]["FeedId"], "Feeds-108");
            assert_eq!(found["Properties"]["Octopus.Action.Package.FeedId"], "Feeds-107");
        }
        let template = &target.actions("Web")[0]["Properties"]["Octopus.Action.Template.Id"];
        assert_eq!(*template, target.id_of("ActionTemplate", "Run"));
        pair.no_leaks();
    });
}

/// #4811: of a project that deploys another, exported alone, the step kept the other's id at the source. Here
/// it names the target's project, and the other comes along or is there already.
#[test]
fn c04_4811_a_deploy_release_step_names_the_targets_project() {
    for there in [false, true] {
        both(|pair| {
            let (source, target) = (&pair.source, &pair.target);
            source.project(1, "Api");
            let web = source.project(2, "Web");
            source.process(
                &web,
                json!([{ "Name": "Deploy Api", "ActionType": "Octopus.DeployRelease",
                    "Properties": { "Octopus.Action.DeployRelease.ProjectId": "Projects-1",
                        "Octopus.Action.Package.PackageId": "Projects-1" },
                    "Packages": [{ "Id": "0a", "Name": "", "PackageId": "Projects-1", "FeedId": null }] }]),
            );
            if there {
                target.project(7, "Api");
            }
            pair.carry_project("Web");
            let api = target.id_of("Project", "Api");
            assert_eq!(api == "Projects-107", there);
            let action = target.actions("Web").remove(0);
            assert_eq!(action["Properties"]["Octopus.Action.DeployRelease.ProjectId"], api);
            assert_eq!(action["Properties"]["Octopus.Action.Package.PackageId"], api);
            assert_eq!(action["Packages"][0]["PackageId"], api);
            pair.no_leaks();
        });
    }
}

/// #6623: a variable limited to a runbook or to the deployment process lost that scope, and so applied
/// everywhere. Here it names the target's runbook or project.
#[test]
fn c05_6623_a_variable_stays_with_the_process_it_is_for() {
    spaces(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project(1, "Web");
        let restart = source.runbook(1, &web, "Restart", json!([]));
        source.variables(
            &web,
            json!([
                variable("A", "String", "in the runbook", json!({ "ProcessOwner": [restart] })),
                variable("B", "String", "in the deployment", json!({ "ProcessOwner": [web] }))
            ]),
        );
        pair.carry();
        let scope = |name: &str| target.variable("Project", "Web", name)["Scope"].clone();
        assert_eq!(scope("A"), json!({ "ProcessOwner": [target.id_of("Runbook", "Restart")] }));
        assert_eq!(scope("B"), json!({ "ProcessOwner": [target.id_of("Project", "Web")] }));
        pair.no_leaks();
    });
}

/// #5477: variables of a library set lost the environments they are for. Here they name the target's.
#[test]
fn c06_5477_library_variables_keep_their_environments() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("DeploymentEnvironment", json!({ "Id": "Environments-3", "Name": "New" }));
        let scope = json!({ "Environment": ["Environments-1", "Environments-3"], "Role": ["web"] });
        source.library(1, "Common", json!([variable("Url", "String", "https://x", scope)]));
        pair.carry();
        let found = target.variable("LibraryVariableSet", "Common", "Url");
        let environments: Vec<&str> =
            found["Scope"]["Environment"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let new = target.id_of("DeploymentEnvironment", "New");
        assert_eq!(environments.len(), 2);
        assert!(
            environments.contains(&"Environments-101") && environments.contains(&new.as_str()),
            "{found}"
        );
        assert_eq!(found["Scope"]["Role"], json!(["web"]));
        pair.no_leaks();
    });
}

/// #5101, #5087, #5081: scopes by tenant tag were lost, or kept the source's ids, above all where the tag set
/// was skipped because the target had it. Here they name the target's tags whether it is overwritten or skipped.
#[test]
fn c07_5101_5087_5081_tenant_tags_are_mapped_also_where_the_set_is_skipped() {
    for options in [overwrite(), skip()] {
        both(|pair| {
            let (source, target) = (&pair.source, &pair.target);
            let tag = |id: &str, name: &str| json!({ "Id": id, "Name": name, "Color": "#fff" });
            let tags = json!([tag("TagSets-1/Tags-1", "Early"), tag("TagSets-1/Tags-2", "Late")]);
            source.add(
                "TagSet",
                json!({ "Id": "TagSets-1", "Name": "Ring", "Description": "a", "Tags": tags }),
            );
            let tags = json!([tag("TagSets-107/Tags-108", "Late"), tag("TagSets-107/Tags-109", "Early")]);
            target.add(
                "TagSet",
                json!({ "Id": "TagSets-107", "Name": "Ring", "Description": "b", "Tags": tags }),
            );
            let scope = json!({ "TenantTag": ["TagSets-1/Tags-1"] });
            let web = source.project(1, "Web");
            source.variables(&web, json!([variable("Url", "String", "x", scope.clone())]));
            source.library(1, "Common", json!([variable("Url", "String", "x", scope)]));
            source.add(
                "Account",
                json!({ "Id": "Accounts-1", "Name": "Cloud", "AccountType": "AzureOIDC", "TenantTags": "|TagSets-1/Tags-2|" }),
            );
            pair.import(&pair.export(&everything(Some(&source.key))), &options);
            let mapped = json!({ "TenantTag": ["TagSets-107/Tags-109"] });
            assert_eq!(target.variable("Project", "Web", "Url")["Scope"], mapped);
            assert_eq!(target.variable("LibraryVariableSet", "Common", "Url")["Scope"], mapped);
            assert_eq!(target.named("Account", "Cloud")["TenantTags"], "|TagSets-107/Tags-108|");
            pair.no_leaks();
        });
    }
}

/// #4380: variables limited to a channel kept the source's channel. Here they name the target's, one of the
/// same project.
#[test]
fn c08_4380_a_variable_stays_with_its_channel() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        // Channels of both projects have one name.
        for number in [1, 2] {
            let name = ["", "Web", "Api"][number as usize];
            let project = source.project(number, name);
            let channel = source.id("Channels", number);
            source
                .add("Channel", json!({ "Id": channel, "Name": "Beta", "ProjectId": project, "Rules": [] }));
            source.variables(
                &project,
                json!([variable("Url", "String", "x", json!({ "Channel": [channel] }))]),
            );
        }
        let web = target.project(7, "Web");
        target.add("Channel", json!({ "Id": "Channels-107", "Name": "Beta", "ProjectId": web, "Rules": [] }));
        pair.carry();
        let scope = |project: &str| target.variable("Project", project, "Url")["Scope"].clone();
        assert_eq!(scope("Web"), json!({ "Channel": ["Channels-107"] }));
        let api = target.one("Channel", "ProjectId", &target.id_of("Project", "Api"));
        assert_eq!(scope("Api"), json!({ "Channel": [api["Id"]] }));
        pair.no_leaks();
    });
}

/// #7205: proxies that the target has were not recognised, a release kept the source's lifecycle, and a step
/// template whose logo could not be mapped stopped the import. Here all three arrive.
#[test]
fn c09_7205_proxies_logos_and_lifecycles_of_releases() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Proxy", json!({ "Id": "Proxies-1", "Name": "Out", "Password": source.secret("a") }));
        target.add("Proxy", json!({ "Id": "Proxies-107", "Name": "Out", "Password": target.secret("b") }));
        source.add(
            "Machine",
            json!({ "Id": "Machines-1", "Name": "web-1", "EnvironmentIds": "|Environments-1|", "CommunicationStyle": "TentaclePassive",
                "Endpoint": { "ProxyId": "Proxies-1", "Uri": "https://web-1:10933" } }),
        );
        for (id, name) in [("ActionTemplates-1", "New"), ("ActionTemplates-2", "Here too")] {
            source.add(
                "ActionTemplate",
                json!({ "Id": id, "Name": name, "ActionType": "Octopus.Script", "Properties": {}, "LogoAttachmentKey": id }),
            );
        }
        let theirs = json!({ "Id": "ActionTemplates-107", "Name": "Here too", "ActionType": "Octopus.Script",
            "Properties": {}, "LogoAttachmentKey": "ActionTemplates-107" });
        target.add("ActionTemplate", theirs);
        let web = source.project(1, "Web");
        source.release(1, &web, "1.0", json!([]), json!({ "LifecycleId": "Lifecycles-1" }));
        pair.carry();
        assert_eq!(target.named("Machine", "web-1")["Endpoint"]["ProxyId"], "Proxies-107");
        assert_eq!(target.reveal(&target.named("Proxy", "Out")["Password"]), "a");
        assert_eq!(target.count("Proxy"), 1);
        assert_eq!(target.one("Release", "Version", "1.0")["LifecycleId"], "Lifecycles-101");
        assert!(target.named("ActionTemplate", "New").get("LogoAttachmentKey").is_none());
        assert_eq!(target.named("ActionTemplate", "Here too")["LogoAttachmentKey"], "ActionTemplates-107");
        pair.no_leaks();
    });
}

/// #7138: what connects a tenant to projects is an object whose member names are ids, and the import failed on
/// it. Here members and what they hold are the target's, joined with those that only the target has.
#[test]
fn c10_7138_a_tenants_projects_are_keyed_by_the_targets_ids() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let (web, api) = (source.project(1, "Web"), source.project(2, "Api"));
        let links = json!({ &web: ["Environments-1", "Environments-2"], &api: [] });
        source.add(
            "Tenant",
            json!({ "Id": "Tenants-1", "Name": "Acme", "ProjectIds": format!("|{web}|{api}|"), "ProjectEnvironments": links }),
        );
        let (web, own) = (target.project(7, "Web"), target.project(8, "Only here"));
        let links = json!({ &web: ["Environments-102"], &own: ["Environments-101"] });
        target.add(
            "Tenant",
            json!({ "Id": "Tenants-107", "Name": "Acme", "ProjectIds": format!("|{web}|{own}|"), "ProjectEnvironments": links }),
        );
        pair.carry();
        let tenant = target.named("Tenant", "Acme");
        let api = target.id_of("Project", "Api");
        let links = tenant["ProjectEnvironments"].as_object().unwrap();
        assert_eq!(links.len(), 3, "{tenant}");
        assert_eq!(set(&links[&web]), ["Environments-101", "Environments-102"]);
        assert_eq!(set(&links[&own]), ["Environments-101"]);
        assert!(set(&links[&api]).is_empty());
        let mut projects: Vec<&str> =
            tenant["ProjectIds"].as_str().unwrap().split('|').filter(|id| !id.is_empty()).collect();
        projects.sort_unstable();
        let mut expected = [web.as_str(), own.as_str(), api.as_str()];
        expected.sort_unstable();
        assert_eq!(projects, expected);
        pair.no_leaks();
    });
}

/// #9349, #7678, #7197: a variable whose own id is `Messages-1`, a channel rule on `ValuesPack-1` and a commit
/// message with a Jira number were taken for ids, and the import stopped. Here text stays text, even where it
/// is the id of a document.
#[test]
fn c11_9349_7678_7197_text_that_looks_like_an_id_stays_text() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let text = "See Projects-1, deployed to Environments-1; ValuesPack-1 and SHOP-12";
        let web = source.project_with(1, "Web", json!({ "Description": "Projects-1" }));
        let custom = json!([{ "Id": "Messages-1", "Name": "Text", "Type": "String", "Value": "Environments-1", "Scope": {} },
            { "Id": "Environments-1", "Name": "Long", "Type": "String", "Value": text, "Scope": { "Role": ["Machines-1"] } }]);
        source.variables(&web, custom.clone());
        source.process(
            &web,
            json!([{ "Name": "Run", "Properties": { "Octopus.Action.Script.ScriptBody": text, "Given": "Projects-1" } }]),
        );
        let rules = json!([{ "ActionPackages": [{ "DeploymentAction": "Upgrade", "PackageReference": "ValuesPack-1" }],
            "Actions": ["Upgrade a Helm Chart/ValuesPack-1"], "Tag": "Environments-1" }]);
        source
            .add("Channel", json!({ "Id": "Channels-1", "Name": "Beta", "ProjectId": web, "Rules": rules }));
        let commits = json!([{ "Commits": [{ "Id": "1f0", "Comment": format!("SHOP-12 {text}") }] }]);
        source.release(
            1,
            &web,
            "1.0",
            json!([]),
            json!({ "ReleaseNotes": text, "BuildInformation": commits }),
        );
        source.variable_set(&format!("variableset-{web}-s-1-ABCDE"), &web, true, custom.clone());
        pair.carry();
        assert_eq!(target.named("Project", "Web")["Description"], "Projects-1");
        assert_eq!(target.variable("Project", "Web", "Text")["Value"], "Environments-1");
        let long = target.variable("Project", "Web", "Long");
        assert_eq!((&long["Value"], &long["Scope"]), (&json!(text), &json!({ "Role": ["Machines-1"] })));
        let action = target.actions("Web").remove(0);
        assert_eq!(action["Properties"]["Octopus.Action.Script.ScriptBody"], text);
        assert_eq!(action["Properties"]["Given"], "Projects-1");
        assert_eq!(target.named("Channel", "Beta")["Rules"], rules);
        let release = target.one("Release", "Version", "1.0");
        assert_eq!((&release["ReleaseNotes"], &release["BuildInformation"]), (&json!(text), &commits));
        let frozen =
            target.one("VariableSet", "Id", release["ProjectVariableSetSnapshotId"].as_str().unwrap());
        assert_eq!(frozen["Variables"], custom);
    });
}

/// #3259: step templates of an old server have parameters whose id is null, and were spoilt. Here they arrive
/// as they are, each with its own default, also over others in the target.
#[test]
fn c12_3259_parameters_without_an_id_are_carried() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let parameters = |server: &Little, first: &str| {
            json!([
                { "Id": null, "Name": "A", "DefaultValue": first, "DisplaySettings": { "Octopus.ControlType": "SingleLineText" } },
                { "Name": "B", "DefaultValue": { "SensitiveValue": server.secret(first) }, "DisplaySettings": {} },
                { "Id": null, "Name": "C", "DefaultValue": null, "DisplaySettings": null },
            ])
        };
        let template = |server: &Little, first: &str| {
            json!({ "Id": server.id("ActionTemplates", 1), "Name": "Old", "ActionType": "Octopus.Script",
                "Properties": {}, "Parameters": parameters(server, first) })
        };
        source.add("ActionTemplate", template(source, "new"));
        target.add("ActionTemplate", template(target, "old"));
        source.project_with(1, "Web", json!({ "Templates": parameters(source, "new") }));
        pair.carry();
        for (found, at) in [
            (target.named("ActionTemplate", "Old"), "Parameters"),
            (target.named("Project", "Web"), "Templates"),
        ] {
            let parameters = found[at].as_array().unwrap();
            let names: Vec<&Json> = parameters.iter().map(|parameter| &parameter["Name"]).collect();
            assert_eq!(names, ["A", "B", "C"]);
            assert_eq!(parameters[0]["DefaultValue"], "new");
            assert_eq!(target.reveal(&parameters[1]["DefaultValue"]["SensitiveValue"]), "new");
            assert!(parameters.iter().all(|parameter| parameter["Id"].is_null()));
        }
    });
}
