//! Projects, with all that belongs to them: process, variables, channels, settings, triggers, runbooks.

use serde_json::{Value as Json, json};

use super::DemoError;
use super::steps::Process;
use super::variables::{Variables, template};
use super::writer::Writer;
use crate::document::Value;

/// What a project deploys.
#[derive(Clone, Copy, PartialEq)]
enum Flavour {
    Service,
    Web,
    Database,
    Cloud,
    Tenanted,
    Train,
}

struct Spec {
    name: &'static str,
    group: &'static str,
    lifecycle: &'static str,
    flavour: Flavour,
    build: bool,
    production: bool,
}

const fn spec(
    name: &'static str,
    group: &'static str,
    lifecycle: &'static str,
    flavour: Flavour,
    build: bool,
    production: bool,
) -> Spec {
    Spec { name, group, lifecycle, flavour, build, production }
}

/// Projects in an order in which those that are deployed by others come first.
const PROJECTS: [Spec; 14] = [
    spec("Shop Database", "Shop", "Four Steps", Flavour::Database, true, true),
    spec("Order Service", "Shop", "Four Steps", Flavour::Service, true, true),
    spec("Payment Service", "Shop", "Four Steps", Flavour::Service, true, true),
    spec("Search Service", "Shop", "Four Steps", Flavour::Service, true, false),
    spec("Recommendation Service", "Shop", "Straight to Production", Flavour::Service, true, false),
    spec("Legacy Ledger", "Back Office", "Default Lifecycle", Flavour::Service, false, true),
    spec("Shop Web", "Shop", "Four Steps", Flavour::Web, true, true),
    spec("Catalogue Web", "Shop", "Four Steps", Flavour::Web, true, false),
    spec("Branch Portal", "Branches", "Default Lifecycle", Flavour::Tenanted, true, true),
    spec("Branch Kiosk", "Branches", "Default Lifecycle", Flavour::Tenanted, true, false),
    spec("Warehouse Database", "Back Office", "Four Steps", Flavour::Database, true, false),
    spec("Cloud Foundation", "Platform", "Hotfix", Flavour::Cloud, true, false),
    spec("Course Material", "Platform", "Training Only", Flavour::Cloud, false, true),
    spec("Release Train", "Shop", "Four Steps", Flavour::Train, true, true),
];

/// Writes the project groups and projects of the default space.
pub(super) fn build(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let here: Vec<&Spec> = PROJECTS.iter().filter(|spec| w.pick(spec.build, spec.production)).collect();
    let groups: &[&str] = w.pick(
        &["Shop", "Branches", "Back Office", "Platform"],
        &["Platform", "Back Office", "Shop", "Branches"],
    );
    for group in groups {
        project_group(w, group)?;
    }
    for spec in here {
        project(w, spec)?;
    }
    Ok(())
}

/// A project of another space under a name that the default space has too.
pub(super) fn second_space(w: &mut Writer<'_>) -> Result<(), DemoError> {
    project_group(w, "Shop")?;
    let id = w.next_named("Project", "Project", "Projects-", "Shop Web");
    let mut process = Process::of("Shop Web of Data Platform");
    process.script(w, "Refresh the lake", "", "Python", "print('a lake of herons')\n");
    let mut variables = Variables::of("Shop Web of Data Platform");
    variables.secret(w, "Lake.Key", false, &[])?;
    let head =
        Head { name: "Shop Web", group: "Shop", lifecycle: "Default Lifecycle", templates: Vec::new() };
    head.put(w, &id, process, variables)
}

fn project_group(w: &mut Writer<'_>, name: &str) -> Result<(), DemoError> {
    let id = w.next_named("ProjectGroup", "ProjectGroup", "ProjectGroups-", name);
    let body = json!({ "Description": format!("{name} projects."), "EnvironmentIds": [] });
    w.put("ProjectGroup", &[("Id", id.into()), ("Name", name.into())], &body)
}

/// The project's own row.
struct Head<'a> {
    name: &'a str,
    group: &'a str,
    lifecycle: &'a str,
    templates: Vec<Json>,
}

impl Head<'_> {
    fn put(
        self,
        w: &mut Writer<'_>,
        id: &str,
        process: Process<'_>,
        variables: Variables<'_>,
    ) -> Result<(), DemoError> {
        let libraries = w.list("LibraryVariableSet", &["Notifications", "Hosting", "Deployment Helpers"]);
        let libraries = if self.group == "Shop" { libraries } else { Vec::new() };
        let variable_set = variables.put(w, id, "Project")?;
        let process_id = format!("deploymentprocess-{id}");
        let release_channel = w.find("Channel", &format!("{}/Default", self.name));
        let original = if self.name == "Catalogue Web" { w.find("Project", "Shop Web") } else { None };
        let columns = [
            ("Id", id.into()),
            ("Name", self.name.into()),
            ("Slug", self.name.to_lowercase().replace(' ', "-").into()),
            ("IsDisabled", (self.name == "Legacy Ledger").into()),
            ("VariableSetId", variable_set.into()),
            ("DeploymentProcessId", process_id.as_str().into()),
            ("ProjectGroupId", w.of("ProjectGroup", self.group)?.into()),
            ("LifecycleId", w.of("Lifecycle", self.lifecycle)?.into()),
            ("AutoCreateRelease", false.into()),
            ("IncludedLibraryVariableSetIds", w.pipe(&libraries)),
            ("DiscreteChannelRelease", false.into()),
        ];
        let tenanted = if self.templates.is_empty() { "Untenanted" } else { "TenantedOrUntenanted" };
        let body = json!({ "Description": format!("{} of Heron Books.", self.name),
            "TenantedDeploymentMode": tenanted, "DefaultToSkipIfAlreadyInstalled": false,
            "VersioningStrategy": { "DonorPackageStepId": null,
                "Template": "#{Octopus.Version.LastMajor}.#{Octopus.Version.LastMinor}.#{Octopus.Version.NextPatch}" },
            "ReleaseCreationStrategy": { "ReleaseCreationPackageStepId": null, "ChannelId": release_channel },
            "ProjectConnectivityPolicy": { "SkipMachineBehavior": "None", "TargetRoles": [],
                "AllowDeploymentsToNoTargets": true },
            "AutoDeployReleaseOverrides": [], "Templates": self.templates, "UsedPackages": [],
            "ClonedFromProjectId": original });
        w.put("Project", &columns, &body)?;
        let settings = [("Id", format!("deploymentsettings-{id}").into()), ("ProjectId", id.into())];
        let body = json!({ "DefaultGuidedFailureMode": "EnvironmentDefault", "ReleaseNotesTemplate":
            w.pick("#{each package in Octopus.Release.Package}#{package.Version}#{/each}", "") });
        w.put("DeploymentSettings", &settings, &body)?;
        let columns = [
            ("Id", process_id.into()),
            ("OwnerId", id.into()),
            ("IsFrozen", false.into()),
            ("Version", Value::Int(w.pick(31, 8))),
            ("RelatedDocumentIds", w.pipe(&process.related)),
        ];
        w.put("DeploymentProcess", &columns, &json!({ "Steps": process.steps }))
    }
}

fn project(w: &mut Writer<'_>, spec: &Spec) -> Result<(), DemoError> {
    let name = match spec.name {
        "Order Service" => w.pick("Order Service", "order service"),
        name => name,
    };
    let id = w.next_named("Project", "Project", "Projects-", name);
    let channels = channels(w, spec, &id)?;
    let mut process = Process::of(spec.name);
    let mut variables = Variables::of(spec.name);
    let mut templates = Vec::new();
    common_variables(w, spec, &id, &channels, &mut variables)?;
    match spec.flavour {
        Flavour::Service => service(w, spec, &mut process, &mut variables)?,
        Flavour::Web => web(w, spec, &channels, &mut process, &mut variables)?,
        Flavour::Database => database(w, spec, &mut process, &mut variables)?,
        Flavour::Cloud => {
            process.azure(w)?;
            variables.document(w, "Shop.Certificate", "Certificate", "Certificate", "shop.heron.example");
        }
        Flavour::Tenanted => {
            process.package(w, "Install the portal", "web", "Heron.Branches.Portal", "Heron Packages")?;
            process.restrict(w, &[], &["Tier/Gold", "Tier/Silver"]);
            let tenants = w.list("Tag", &["Tier/Gold"]);
            variables.add(w, "Portal.Support", "String", json!("telephone"), &[("TenantTag", tenants)]);
            let password = json!({ "SensitiveValue": w.secret("portal-default", false)? });
            templates = vec![
                template(w, spec.name, "Portal.Url", "SingleLineText", json!("https://branch.heron.example")),
                template(w, spec.name, "Portal.Password", "Sensitive", password),
            ];
        }
        Flavour::Train => {
            process.approval(w, &["Release Approvers"]);
            for project in ["Shop Database", "Order Service", "Payment Service", "Search Service", "Shop Web"]
            {
                if w.find("Project", project).is_some() {
                    process.release(w, project)?;
                }
            }
            process.mail(w, &["Shop Developers"], &["Release Approvers", "On Call"]);
        }
    }
    let head = Head { name, group: spec.group, lifecycle: spec.lifecycle, templates };
    head.put(w, &id, process, variables)?;
    trigger(w, spec, &id, &channels)?;
    if spec.flavour == Flavour::Database && w.has("Runbook") {
        runbook(w, spec, &id)?;
    }
    Ok(())
}

fn channels(w: &mut Writer<'_>, spec: &Spec, project: &str) -> Result<Vec<String>, DemoError> {
    let hotfix = spec.flavour == Flavour::Web && w.is_build();
    let names: &[&str] = if hotfix { &["Default", "Hotfix", "Default preview"] } else { &["Default"] };
    let mut ids = Vec::new();
    for name in names {
        let known_as = format!("{}/{name}", spec.name);
        let id = w.next_named("Channel", "Channel", "Channels-", &known_as);
        let lifecycle = if *name == "Hotfix" { w.find("Lifecycle", "Hotfix") } else { None };
        let tags =
            if *name == "Default preview" { w.list("Tag", &["Tier/Early Adopter"]) } else { Vec::new() };
        let columns = [
            ("Id", id.as_str().into()),
            ("Name", (*name).into()),
            ("ProjectId", project.into()),
            ("LifecycleId", lifecycle.map_or(Value::Null, Value::Text)),
            ("TenantTags", w.pipe(&tags)),
        ];
        let body = json!({ "Description": null, "IsDefault": *name == "Default", "Rules": [] });
        w.put("Channel", &columns, &body)?;
        ids.push(id);
    }
    Ok(ids)
}

fn common_variables(
    w: &mut Writer<'_>,
    spec: &Spec,
    project: &str,
    channels: &[String],
    variables: &mut Variables<'_>,
) -> Result<(), DemoError> {
    variables.text(w, "App.Name", spec.name);
    variables.text(w, "App.LogLevel", w.pick("Debug", "Information"));
    variables.text_in(w, "App.LogLevel", "Warning", &["Production", "Disaster Recovery"]);
    variables.text_in(w, "App.Url", "https://dev.heron.example", &["Development"]);
    variables.text_in(
        w,
        "App.Url",
        w.pick("https://heron.example", "https://www.heron.example"),
        &["Production"],
    );
    variables.secret(w, "App.SigningKey", true, &[])?;
    let production = w.list("Environment", &["Production"]);
    variables.secret(w, "App.SigningKey", false, &[("Environment", production)])?;
    variables.text(w, "App.Looks.Like.An.Id", "see Projects-1 and Accounts-2");
    if let Some(channel) = channels.get(1) {
        variables.add(w, "App.Banner", "String", json!("hotfix"), &[("Channel", vec![channel.clone()])]);
    }
    let owner = vec![project.to_owned()];
    variables.add(w, "App.Timeout", "String", json!("30"), &[("ProcessOwner", owner)]);
    if !w.is_build() {
        variables.text(w, "App.OnCall", "+00 555 0100");
    }
    Ok(())
}

fn service(
    w: &mut Writer<'_>,
    spec: &Spec,
    process: &mut Process<'_>,
    variables: &mut Variables<'_>,
) -> Result<(), DemoError> {
    let package = format!("Heron.{}", spec.name.replace(' ', ""));
    process.script(
        w,
        "Drain",
        "app",
        "PowerShell",
        "Write-Banner 'draining'\r\n$queue = $OctopusParameters['Queue.Name']\r\nStop-Queue -Name \"$queue\"\r\n",
    );
    process.package(w, "Install", "app", &package, "Heron Packages")?;
    process.template(
        w,
        "Warm up",
        "Warm Up / Smoke Test",
        1,
        &[
            ("Warm.Urls", json!("/health")),
            ("Warm.Account", w.find("Account", "Azure Shop").map(Json::from).unwrap_or_default()),
        ],
    )?;
    if w.is_build() {
        let token = w.secret(&format!("chat {}", spec.name), false)?;
        process.template(
            w,
            "Announce",
            "Chat - Post a Message",
            4,
            &[("Chat.Channel", json!("#orders")), ("Chat.Token", json!({ "SensitiveValue": token }))],
        )?;
    }
    variables.text(w, "Queue.Name", &format!("{}-queue", spec.name.to_lowercase().replace(' ', "-")));
    let action = vec![w.guid(&format!("action {} Drain", spec.name))];
    variables.add(w, "Queue.Patience", "String", json!("00:05:00"), &[("Action", action)]);
    variables.prompted(w, "Change.Ticket", "Which ticket is this for?");
    Ok(())
}

fn web(
    w: &mut Writer<'_>,
    spec: &Spec,
    channels: &[String],
    process: &mut Process<'_>,
    variables: &mut Variables<'_>,
) -> Result<(), DemoError> {
    process.approval(w, &["Release Approvers", "Shop Developers"]);
    process.package(w, "Copy the site", "web", "Heron.Shop.Web", "Octopus Server (built-in)")?;
    process.script(w, "Purge the cache", "", "Bash", "#!/bin/bash\nset -e\necho \"purging $(date)\"\n");
    if let Some(hotfix) = channels.get(1) {
        process.script(w, "Roll \"back\" plan", "web", "CSharp", "Console.WriteLine(\"C:\\\\plan\\t✓\");");
        process.restrict(w, std::slice::from_ref(hotfix), &[]);
    }
    let machine = w.list("Machine", &["prod-web-1"]);
    variables.add(w, "Site.Weight", "String", json!("2"), &[("Machine", machine)]);
    variables.secret(w, "Site.CookieKey", false, &[("Role", vec!["web".to_owned()])])?;
    variables.document(
        w,
        "Site.Pool",
        "WorkerPool",
        "WorkerPool",
        w.pick("Linux Workers", "Windows Workers"),
    );
    variables.text(w, "Site.Motto", &format!("{}: \"read\"\n\ton, #{{App.Name}} – ¡leed!", spec.name));
    Ok(())
}

fn database(
    w: &mut Writer<'_>,
    spec: &Spec,
    process: &mut Process<'_>,
    variables: &mut Variables<'_>,
) -> Result<(), DemoError> {
    process.template(
        w,
        "Back up",
        "SQL - Backup \"Before\" Upgrade",
        2,
        &[
            ("Sql.Server", json!("#{Database.Server}")),
            ("Sql.Account", w.find("Account", "Deploy User").map(Json::from).unwrap_or_default()),
            ("Sql.Pool", w.find("WorkerPool", "Linux Workers").map(Json::from).unwrap_or_default()),
        ],
    )?;
    process.approval(w, &["Database Guild"]);
    process.script(
        w,
        "Upgrade",
        "db",
        "PowerShell",
        "& .\\upgrade.exe --to latest\r\nexit $LASTEXITCODE\r\n",
    );
    variables.text_in(w, "Database.Server", "sql-dev.heron.example", &["Development", "Test"]);
    variables.text_in(w, "Database.Server", "sql.heron.example", &["Staging", "Production"]);
    variables.text(w, "Database.Name", &spec.name.replace(' ', ""));
    for environment in ["Development", "Staging", "Production"] {
        let scope = w.list("Environment", &[environment]);
        if !scope.is_empty() {
            variables.secret(w, "Database.Password", environment == "Staging", &[("Environment", scope)])?;
        }
    }
    Ok(())
}

fn trigger(w: &mut Writer<'_>, spec: &Spec, project: &str, channels: &[String]) -> Result<(), DemoError> {
    let (name, filter, action) = match spec.flavour {
        Flavour::Web => (
            "New machines",
            json!({ "$type": "MachineFilter", "EnvironmentIds": w.list("Environment", &["Production", "Staging"]),
                "Roles": ["web"], "EventCategories": ["MachineAdded"], "EventGroups": [] }),
            json!({ "$type": "AutoDeployAction", "ShouldRedeployWhenMachineHasBeenDeployedTo": false }),
        ),
        Flavour::Train => (
            "Every night",
            json!({ "$type": "OnceDailyScheduledFilter", "StartTime": "2025-01-01T02:00:00.000+00:00" }),
            json!({ "$type": "DeployLatestReleaseAction", "ChannelId": channels.first(), "TenantIds": [],
                "TenantTags": [], "SourceEnvironmentIds": w.list("Environment", &["Staging"]),
                "DestinationEnvironmentId": w.of("Environment", "Production")?, "Variables": null }),
        ),
        _ => return Ok(()),
    };
    let columns = [
        ("Id", w.next("ProjectTrigger", "ProjectTriggers-").into()),
        ("Name", name.into()),
        ("ProjectId", project.into()),
        ("TriggerType", "Deployment".into()),
        ("IsDisabled", (!w.is_build()).into()),
    ];
    w.put("ProjectTrigger", &columns, &json!({ "Description": null, "Filter": filter, "Action": action }))
}

fn runbook(w: &mut Writer<'_>, spec: &Spec, project: &str) -> Result<(), DemoError> {
    let label = format!("{}/Restore", spec.name);
    let id = w.next_named("Runbook", "Runbook", "Runbooks-", &label);
    let process_id = format!("RunbookProcess-{id}");
    let columns = [
        ("Id", id.as_str().into()),
        ("Name", "Restore into Staging".into()),
        ("ProjectId", project.into()),
        ("RunbookProcessId", process_id.as_str().into()),
        ("PublishedRunbookSnapshotId", Value::Null),
    ];
    let body = json!({ "Description": "", "EnvironmentScope": "Specified", "MultiTenancyMode": "Untenanted",
        "Environments": w.list("Environment", &["Staging"]), "DefaultGuidedFailureMode": "Off" });
    w.put("Runbook", &columns, &body)?;
    let mut process = Process::of(&label);
    process.script(w, "Restore", "db", "PowerShell", "Restore-SqlDatabase -Database $DatabaseName\n");
    process.mail(w, &["Database Guild"], &[]);
    let columns = [
        ("Id", process_id.into()),
        ("ProjectId", project.into()),
        ("RunbookId", id.into()),
        ("IsFrozen", false.into()),
        ("Version", Value::Int(w.pick(6, 2))),
        ("RelatedDocumentIds", w.pipe(&process.related)),
    ];
    w.put("RunbookProcess", &columns, &json!({ "Steps": process.steps }))
}
