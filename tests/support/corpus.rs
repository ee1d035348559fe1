//! The corpus that measurements are made on: many documents, cloned from few.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sealift::crypto::{MasterKey, SecretBytes};
use sealift::document::Value;
use sealift::server::Server;
use serde_json::json;

use super::{Generated, Rng, Rows};

/// Fills an empty server with the corpus: of 50,000 documents 25,000 are processes cloned from 250 templates
/// with fresh GUIDs (half otherwise unchanged, three in ten with one edit, two in ten with one step more),
/// 9,000 variable sets (12 in a hundred with values that look random), 7,000 projects, 5,000 machines, 4,000
/// tenants: 120 MB. Other counts have the same proportions.
///
/// A project has one process, so the processes beyond the projects' are runbooks'; runbooks and the library
/// sets of the variable sets beyond the projects' come beside the count. With a key the random-looking values
/// are secrets under it, without one they are text.
pub fn corpus(server: &mut dyn Server, documents: usize, seed: u64, key: Option<&MasterKey>) -> Generated {
    let mut rows = Rows::begin(server, "Spaces-1".to_owned());
    let last = fill(&mut rows, &mut Rng::new(seed), documents, key);
    rows.finish(&last)
}

/// Fills an empty server with events, a numbered kind whose key no index helps to find: 0.6 KB each, two in a
/// hundred of one key with the event before. They name the projects, environments and tenants of a corpus of a
/// hundredth as many documents.
pub fn events(server: &mut dyn Server, events: usize, seed: u64) -> Generated {
    let mut rows = Rows::begin(server, "Spaces-1".to_owned());
    let mut rng = Rng::new(seed);
    let mut last = fill(&mut rows, &mut rng, events / 100, None);
    let count = |table: &str| last.get(table).map_or(1, |last| *last as usize);
    let (projects, tenants) = (count("Project"), count("Tenant"));
    for n in 1..=USERS {
        let columns = [
            ("Id", format!("Users-{n}").into()),
            ("Username", format!("user.{n}").into()),
            ("IsActive", true.into()),
            ("IsService", false.into()),
            ("IdentificationToken", rng.guid().into()),
        ];
        rows.put("User", &columns, "{}".to_owned());
    }
    let (mut category, mut user, mut related) = ("", 1, Vec::new());
    for n in 1..=events {
        // Of two events that only their numbers tell apart the second repeats what the key is made of.
        let repeats = n % 50 == 0;
        if !repeats {
            (category, user) = (*rng.pick(&CATEGORIES), 1 + rng.below(USERS));
        }
        // A minute apart, in months of 28 days.
        let minutes = n - usize::from(repeats);
        let occurred = format!(
            "2024-{:02}-{:02}T{:02}:{:02}:{:02}.0000000+00:00",
            1 + minutes / 40_320 % 12,
            1 + minutes / 1440 % 28,
            minutes / 60 % 24,
            minutes % 60,
            minutes / 483_840,
        );
        let environment = format!("Environments-{}", 1 + rng.below(5));
        let project = format!("Projects-{}", 1 + rng.below(projects));
        let tenant = format!("Tenants-{}", 1 + rng.below(tenants));
        let id = format!("Events-{n}");
        let named = [&project, &environment, &tenant];
        related.extend(named.map(|named| (id.clone(), named.clone())));
        let message = format!("{category}: {}", words(&mut rng, 12));
        let columns = [
            ("Id", id.into()),
            ("RelatedDocumentIds", format!("|{project}|{environment}|{tenant}|").into()),
            ("ProjectId", project.as_str().into()),
            ("EnvironmentId", environment.as_str().into()),
            ("Category", category.into()),
            ("UserId", format!("Users-{user}").into()),
            ("Username", format!("user.{user}").into()),
            ("Occurred", occurred.into()),
            ("Message", message.into()),
            ("TenantId", tenant.as_str().into()),
            ("AutoId", Value::Int(n as i64)),
        ];
        let body = json!({ "MessageReferences": [{ "ReferencedDocumentId": project, "StartIndex": 0, "Length": 6 }],
            "Comments": words(&mut rng, 16), "Details": words(&mut rng, 16), "IdentityEstablishedWith": "Cookie" });
        rows.put("Event", &columns, body.to_string());
    }
    rows.flush("Event");
    for (n, (event, named)) in related.into_iter().enumerate() {
        let columns = [
            ("Id", Value::Int(n as i64 + 1)),
            ("RelatedDocumentId", named.into()),
            ("EventId", event.into()),
        ];
        rows.put("EventRelatedDocument", &columns, String::new());
    }
    last.extend([("User", USERS as i64), ("Event", events as i64)]);
    rows.finish(&last)
}

const USERS: usize = 20;
const CATEGORIES: [&str; 6] =
    ["Created", "Modified", "Deleted", "DeploymentQueued", "DeploymentSucceeded", "LoginSucceeded"];

/// Puts the corpus. Returns the last number of each table.
fn fill(
    rows: &mut Rows<'_>,
    rng: &mut Rng,
    documents: usize,
    key: Option<&MasterKey>,
) -> BTreeMap<&'static str, i64> {
    let share = |of: usize| (documents * of / 50_000).max(1);
    let (processes, sets) = (share(25_000), share(9_000));
    let (projects, machines, tenants) = (share(7_000), share(5_000), share(4_000));
    let mut last = BTreeMap::new();
    let named = |id: String, name: &str| vec![("Id", Value::Text(id)), ("Name", Value::from(name))];
    let mut space = named("Spaces-1".to_owned(), "Default");
    space.push(("IsDefault", true.into()));
    rows.put("Space", &space, "{}".to_owned());
    for (n, name) in ["Development", "Test", "Staging", "Production", "Recovery"].into_iter().enumerate() {
        let mut columns = named(format!("Environments-{}", n + 1), name);
        columns.push(("SortOrder", Value::Int(n as i64)));
        rows.put("DeploymentEnvironment", &columns, "{\"Description\":\"\"}".to_owned());
    }
    rows.put(
        "Lifecycle",
        &named("Lifecycles-1".to_owned(), "Default Lifecycle"),
        "{\"Phases\":[]}".to_owned(),
    );
    rows.put("ProjectGroup", &named("ProjectGroups-1".to_owned(), "All"), "{}".to_owned());
    let mut policy = named("MachinePolicies-1".to_owned(), "Default");
    policy.push(("IsDefault", true.into()));
    rows.put("MachinePolicy", &policy, "{}".to_owned());
    let mut feed = named("feeds-builtin".to_owned(), "Built-in");
    feed.extend([("FeedUri", Value::from("")), ("FeedType", "BuiltIn".into())]);
    rows.put("Feed", &feed, "{}".to_owned());
    last.extend([("Space", 1), ("DeploymentEnvironment", 5), ("Lifecycle", 1), ("ProjectGroup", 1)]);
    last.extend([("MachinePolicy", 1), ("Project", projects as i64), ("Machine", machines as i64)]);
    last.insert("Tenant", tenants as i64);

    let templates: Vec<Vec<CorpusStep>> = (0..(processes / 100).clamp(1, 250))
        .map(|_| (0..2 + rng.below(4)).map(|_| CorpusStep::random(rng)).collect())
        .collect();
    for n in 1..=projects {
        corpus_project(rows, rng, n);
    }
    for n in 1..=processes {
        let steps = rng.pick(&templates).clone();
        let body = corpus_process(steps, rng);
        let version = Value::Int(rng.below(80) as i64);
        let fixed = [
            ("IsFrozen", false.into()),
            ("Version", version),
            ("RelatedDocumentIds", "|feeds-builtin|".into()),
        ];
        if n <= projects {
            let mut columns = vec![
                ("Id", format!("deploymentprocess-Projects-{n}").into()),
                ("OwnerId", format!("Projects-{n}").into()),
            ];
            columns.extend(fixed);
            rows.put("DeploymentProcess", &columns, body);
            continue;
        }
        let (runbook, project) = (n - projects, format!("Projects-{}", 1 + n % projects));
        let mut columns = named(format!("Runbooks-{runbook}"), &format!("Runbook {runbook}"));
        columns.push(("ProjectId", project.as_str().into()));
        columns.push(("RunbookProcessId", format!("RunbookProcess-Runbooks-{runbook}").into()));
        rows.put("Runbook", &columns, "{\"Environments\":[]}".to_owned());
        let mut columns = vec![
            ("Id", format!("RunbookProcess-Runbooks-{runbook}").into()),
            ("ProjectId", project.into()),
            ("RunbookId", format!("Runbooks-{runbook}").into()),
        ];
        columns.extend(fixed);
        rows.put("RunbookProcess", &columns, body);
        last.insert("Runbook", runbook as i64);
    }
    for n in 1..=sets {
        let owner = if n <= projects {
            format!("Projects-{n}")
        } else {
            let library = n - projects;
            let id = format!("LibraryVariableSets-{library}");
            let mut columns = named(id.clone(), &format!("Library {library}"));
            columns.push(("VariableSetId", format!("variableset-{id}").into()));
            columns.push(("ContentType", "Variables".into()));
            rows.put("LibraryVariableSet", &columns, "{\"Templates\":[]}".to_owned());
            last.insert("LibraryVariableSet", library as i64);
            id
        };
        let columns = [
            ("Id", format!("variableset-{owner}").into()),
            ("OwnerId", owner.into()),
            ("Version", Value::Int(rng.below(50) as i64)),
            ("IsFrozen", false.into()),
            ("RelatedDocumentIds", "||".into()),
        ];
        let body = corpus_variables(rng, key);
        rows.put("VariableSet", &columns, body);
    }
    for n in 1..=machines {
        corpus_machine(rows, rng, n);
    }
    for n in 1..=tenants {
        let project = format!("Projects-{}", 1 + rng.below(projects));
        let mut columns = named(format!("Tenants-{n}"), &format!("Tenant {n}"));
        columns.push(("ProjectIds", format!("|{project}|").into()));
        columns.push(("TenantTags", "||".into()));
        let environment = 1 + rng.below(5);
        let body = format!(
            "{{\"Description\":\"\",\"ProjectEnvironments\":{{\"{project}\":[\"Environments-{environment}\"]}}}}"
        );
        rows.put("Tenant", &columns, body);
    }
    rows.made.beside = rows.made.documents - processes - sets - projects - machines - tenants;
    last
}

const WORDS: [&str; 48] = [
    "deploy",
    "package",
    "service",
    "config",
    "restart",
    "verify",
    "backup",
    "database",
    "cluster",
    "gateway",
    "worker",
    "queue",
    "cache",
    "index",
    "report",
    "invoice",
    "customer",
    "order",
    "payment",
    "session",
    "token",
    "health",
    "metrics",
    "archive",
    "release",
    "version",
    "rollback",
    "balance",
    "region",
    "primary",
    "replica",
    "storage",
    "network",
    "firewall",
    "certificate",
    "schedule",
    "template",
    "channel",
    "tenant",
    "project",
    "machine",
    "script",
    "output",
    "error",
    "warning",
    "timeout",
    "retry",
    "connection",
];

fn words(rng: &mut Rng, count: usize) -> String {
    let words: Vec<&str> = (0..count).map(|_| *rng.pick(&WORDS)).collect();
    words.join(" ")
}

/// A step of a process, without its GUIDs.
#[derive(Clone)]
struct CorpusStep {
    name: String,
    script: String,
    properties: String,
}

impl CorpusStep {
    fn random(rng: &mut Rng) -> Self {
        let name = words(rng, 3);
        let mut script = String::new();
        for _ in 0..2 + rng.below(4) {
            let (verb, noun, number) = (*rng.pick(&WORDS), words(rng, 2), rng.below(1000));
            let _ =
                write!(script, "$value = Invoke-Step -Name '{verb}' -Target '{noun}' -Count {number}\\r\\n");
        }
        let package = format!("{}.{}", rng.pick(&WORDS), rng.pick(&WORDS));
        let properties = format!(
            "\"Octopus.Action.Package.FeedId\":\"feeds-builtin\",\"Octopus.Action.Package.PackageId\":\"{package}\",\
             \"Octopus.Action.RunOnServer\":\"{}\",\"Octopus.Action.Script.ScriptSource\":\"Inline\",\
             \"Octopus.Action.Script.Syntax\":\"PowerShell\"",
            rng.chance(50)
        );
        Self { name, script, properties }
    }

    fn write(&self, out: &mut String, rng: &mut Rng) {
        let _ = write!(
            out,
            "{{\"Actions\":[{{\"ActionType\":\"Octopus.Script\",\"Channels\":[],\"Environments\":[],\
             \"ExcludedEnvironments\":[],\"Id\":\"{}\",\"IsDisabled\":false,\"Name\":\"{}\",\"Properties\":{{{},\
             \"Octopus.Action.Script.ScriptBody\":\"{}\"}},\"TenantTags\":[]}}],\"Condition\":\"Success\",\
             \"Id\":\"{}\",\"Name\":\"{}\",\"Properties\":{{\"Octopus.Action.TargetRoles\":\"{}\"}},\
             \"RequiresPackagesToBeAcquired\":false,\"StartTrigger\":\"StartAfterPrevious\"}}",
            rng.guid(),
            self.name,
            self.properties,
            self.script,
            rng.guid(),
            self.name,
            self.name.split(' ').next().unwrap_or_default(),
        );
    }
}

fn corpus_process(mut steps: Vec<CorpusStep>, rng: &mut Rng) -> String {
    match rng.below(10) {
        0..5 => {}
        5..8 => {
            let at = rng.below(steps.len());
            let edit = words(rng, 4);
            let _ = write!(steps[at].script, "Write-Host '{edit}'\\r\\n");
        }
        _ => {
            let at = rng.below(steps.len() + 1);
            let step = CorpusStep::random(rng);
            steps.insert(at, step);
        }
    }
    let mut body = String::from("{\"Steps\":[");
    for (n, step) in steps.iter().enumerate() {
        if n > 0 {
            body.push(',');
        }
        step.write(&mut body, rng);
    }
    body.push_str("]}");
    body
}

fn corpus_variables(rng: &mut Rng, key: Option<&MasterKey>) -> String {
    let secrets = rng.chance(12);
    let mut body = String::from("{\"Variables\":[");
    for n in 0..4 + rng.below(16) {
        if n > 0 {
            body.push(',');
        }
        let name = format!("{}.{}.{n}", rng.pick(&WORDS), rng.pick(&WORDS));
        let random = secrets && rng.chance(50);
        let value = match (random, key) {
            (true, Some(key)) => {
                let text = format!("{:016x}{:016x}", rng.next(), rng.next());
                key.encrypt(&SecretBytes::from(text.into_bytes())).unwrap()
            }
            (true, None) => (0..4).fold(String::new(), |text, _| format!("{text}{:016x}", rng.next())),
            _ => words(rng, 2),
        };
        let kind = if random && key.is_some() { "Sensitive" } else { "String" };
        let scope = match rng.below(5) {
            0..2 => String::new(),
            n => format!("\"Environment\":[\"Environments-{n}\"]"),
        };
        let _ = write!(
            body,
            "{{\"Id\":\"{}\",\"IsEditable\":true,\"Name\":\"{name}\",\"Prompt\":null,\"Scope\":{{{scope}}},\
             \"Type\":\"{kind}\",\"Value\":\"{value}\"}}",
            rng.guid()
        );
    }
    body.push_str("]}");
    body
}

fn corpus_project(rows: &mut Rows<'_>, rng: &mut Rng, n: usize) {
    let columns = [
        ("Id", format!("Projects-{n}").into()),
        ("Name", format!("{} {n}", words(rng, 2)).into()),
        ("Slug", format!("project-{n}").into()),
        ("IsDisabled", rng.chance(5).into()),
        ("VariableSetId", format!("variableset-Projects-{n}").into()),
        ("DeploymentProcessId", format!("deploymentprocess-Projects-{n}").into()),
        ("ProjectGroupId", "ProjectGroups-1".into()),
        ("LifecycleId", "Lifecycles-1".into()),
        ("AutoCreateRelease", false.into()),
        ("IncludedLibraryVariableSetIds", "||".into()),
    ];
    let description = words(rng, 20 + n % 20);
    let body = json!({ "Description": description, "TenantedDeploymentMode": "Untenanted",
        "DefaultToSkipIfAlreadyInstalled": false, "Templates": [], "UsedPackages": [],
        "ReleaseCreationStrategy": { "ReleaseCreationPackageStepId": null, "ChannelId": null },
        "VersioningStrategy": { "DonorPackageStepId": null, "Template": "#{Octopus.Version.NextPatch}" },
        "ProjectConnectivityPolicy": { "SkipMachineBehavior": "None", "TargetRoles": [],
            "AllowDeploymentsToNoTargets": false }, "AutoDeployReleaseOverrides": [],
        "ClonedFromProjectId": null });
    rows.put("Project", &columns, body.to_string());
}

fn corpus_machine(rows: &mut Rows<'_>, rng: &mut Rng, n: usize) {
    let thumbprint = format!("{:016X}{:016X}{:08X}", rng.next(), rng.next(), rng.next() as u32);
    let columns = [
        ("Id", format!("Machines-{n}").into()),
        ("Name", format!("host-{n}").into()),
        ("IsDisabled", rng.chance(5).into()),
        ("Roles", format!("|{}|", rng.pick(&WORDS)).into()),
        ("EnvironmentIds", format!("|Environments-{}|", 1 + rng.below(5)).into()),
        ("MachinePolicyId", "MachinePolicies-1".into()),
        ("Thumbprint", thumbprint.as_str().into()),
        ("CommunicationStyle", "TentaclePassive".into()),
    ];
    let body = json!({ "Endpoint": {
        "$type": "Octopus.Core.Model.Environments.Endpoints.ListeningTentacleEndpoint, Octopus.Core",
        "ProxyId": null, "Thumbprint": thumbprint, "Uri": format!("https://host-{n}.example:10933/"),
        "UpgradeLocked": false }, "TenantedDeploymentParticipation": "Untenanted" });
    rows.put("Machine", &columns, body.to_string());
}
