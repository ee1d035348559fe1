//! What is known of the product's documents, as one table: where they have references and secrets, what names
//! them, what is their server's own. Written from the vendor's documentation, resource classes and a public
//! dump of the schema; not from the model that it is to judge.

/// How a place holds ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One id.
    Id,
    /// `|A|B|` in a column.
    Pipe,
    /// `A,B` in a text.
    Comma,
    /// The members of an object.
    Keys,
}
use Form::{Comma, Id};

/// A reference: table, place, form, the tables it may lead to. A place is a column, or a path into the JSON
/// that starts with `$`: `*` is every element or member, `*{A=x,y}` every element whose member A is x or y.
pub type Rule = (&'static str, String, Form, Vec<&'static str>);

/// Tables that came with or after spaces.
pub const SPACES_ONLY: &[&str] = &[
    "Space",
    "ScopedUserRole",
    "Runbook",
    "RunbookProcess",
    "RunbookSnapshot",
    "RunbookRun",
    "DeploymentSettings",
    "GitCredential",
];

/// Columns that one generation has and the generator fills for both.
pub const ONE_GENERATION: &[(&str, &str)] = &[("VariableSet", "OwnerType"), ("Deployment", "ProjectGroupId")];

/// The counter of a collection is named after its table.
pub fn collection(prefix: &str) -> String {
    match prefix {
        "Environments" => "DeploymentEnvironment".to_owned(),
        "Proxies" => "Proxy".to_owned(),
        other if other.ends_with("ties") => other.replace("ties", "ty"),
        other if other.ends_with("cies") => other.replace("cies", "cy"),
        other => other.strip_suffix('s').unwrap_or(other).to_owned(),
    }
}

/// The tables whose rows an import brings, and what names a row: columns, references to what names it further
/// (`>`), the part of a snapshot's id after its owner's (`@`).
pub const DOCUMENTS: &[(&str, &[&str])] = &[
    ("Space", &["Name"]),
    ("DeploymentEnvironment", &["SpaceId>Space", "Name"]),
    ("Lifecycle", &["SpaceId>Space", "Name"]),
    ("TagSet", &["SpaceId>Space", "Name"]),
    ("Account", &["SpaceId>Space", "Name"]),
    ("Certificate", &["SpaceId>Space", "Name", "Thumbprint", "Archived"]),
    ("Feed", &["SpaceId>Space", "Name"]),
    ("GitCredential", &["SpaceId>Space", "Name"]),
    ("Proxy", &["SpaceId>Space", "Name"]),
    ("WorkerPool", &["SpaceId>Space", "Name"]),
    ("MachinePolicy", &["SpaceId>Space", "Name"]),
    ("Machine", &["SpaceId>Space", "Name"]),
    ("Worker", &["SpaceId>Space", "Name"]),
    ("CommunityActionTemplate", &["ExternalId"]),
    ("ActionTemplate", &["SpaceId>Space", "Name"]),
    ("ActionTemplateVersion", &["SpaceId>Space", "Name", "Version"]),
    ("ProjectGroup", &["SpaceId>Space", "Name"]),
    ("LibraryVariableSet", &["SpaceId>Space", "Name"]),
    ("Project", &["SpaceId>Space", "Name"]),
    ("DeploymentSettings", &["ProjectId>Project"]),
    ("Channel", &["ProjectId>Project", "Name"]),
    ("DeploymentProcess", &["OwnerId>Project", "@deploymentprocess-OwnerId"]),
    ("Runbook", &["ProjectId>Project", "Name"]),
    ("RunbookProcess", &["RunbookId>Runbook", "@RunbookProcess-RunbookId"]),
    ("ProjectTrigger", &["ProjectId>Project", "Name"]),
    (
        "VariableSet",
        &[
            "OwnerId>Project,LibraryVariableSet,DeploymentEnvironment,Deployment,RunbookRun",
            "@variableset-OwnerId",
        ],
    ),
    ("Tenant", &["SpaceId>Space", "Name"]),
    (
        "TenantVariable",
        &[
            "TenantId>Tenant",
            "OwnerId>Project,LibraryVariableSet",
            "EnvironmentId>DeploymentEnvironment",
            "VariableTemplateId",
        ],
    ),
    ("User", &["Username"]),
    ("UserRole", &["Name"]),
    ("Team", &["SpaceId>Space", "Name"]),
    // What tells two of one team and one role apart are the sets they are scoped to; the walk adds them.
    ("ScopedUserRole", &["SpaceId>Space", "TeamId>Team", "UserRoleId>UserRole"]),
    ("Subscription", &["SpaceId>Space", "Name"]),
    // Of 2026.
    ("ParentEnvironment", &["SpaceId>Space", "Name"]),
    ("GitHubAppConnection", &["SpaceId>Space", "Name"]),
    ("ProjectLibraryVariableSet", &["ProjectId>Project", "LibraryVariableSetId>LibraryVariableSet"]),
    ("DeploymentFreeze", &["OwnerId>Project", "Name"]),
    ("ApprovalPolicy", &["SpaceId>Space", "Name"]),
    ("RetentionPolicy", &["SpaceId>Space", "RetentionType", "Name"]),
    ("ServiceAccountOidcIdentity", &["ServiceAccountId>User", "Name"]),
    ("PlatformHubAccount", &["Name"]),
    ("PlatformHubGitCredential", &["Name"]),
    ("PlatformHubPolicy", &["Slug", "Version"]),
];

/// Documents of 2026 that are in no space.
const IN_NO_SPACE: &[&str] = &[
    "Space",
    "CommunityActionTemplate",
    "User",
    "UserRole",
    "DeploymentFreeze",
    "ServiceAccountOidcIdentity",
    "PlatformHubAccount",
    "PlatformHubGitCredential",
    "PlatformHubPolicy",
];

/// The same for what has happened. Rows of other tables that are frozen belong here as well.
pub const PAST: &[(&str, &[&str])] = &[
    ("Release", &["ProjectId>Project", "Version"]),
    (
        "Deployment",
        &["ReleaseId>Release", "EnvironmentId>DeploymentEnvironment", "TenantId>Tenant", "Created"],
    ),
    ("ServerTask", &["SpaceId>Space", "Name", "QueueTime", "Description"]),
    ("Event", &["SpaceId>Space", "Occurred", "Category", "Message"]),
    ("Artifact", &["SpaceId>Space", "Filename", "Created", "ProjectId>Project"]),
    ("Interruption", &["TaskId>ServerTask", "Created", "Title"]),
    ("RunbookSnapshot", &["RunbookId>Runbook", "Name"]),
    (
        "RunbookRun",
        &[
            "RunbookSnapshotId>RunbookSnapshot",
            "EnvironmentId>DeploymentEnvironment",
            "TenantId>Tenant",
            "Created",
        ],
    ),
];

/// Tables that are their server's own: no import may touch them. (`KeyAllocation` counts on.)
pub const STAY: &[&str] = &[
    "ApiKey",
    "Configuration",
    "DashboardConfiguration",
    "Invitation",
    "OctopusServerInstallationHistory",
    "OctopusServerNode",
    "SchemaVersions",
    "ExtensionConfiguration",
    "Mutex",
    "NuGetPackage",
    "Approval",
    "ArgoCDGateway",
    "BuildInformation",
    "EnvironmentState",
    "KubernetesMonitor",
    "PlatformHubVersionControlSettings",
    "RateLimitingPolicy",
    "ServerTaskApproval",
];

/// Tables that the server makes of the others, and its counters: an import leaves them to it.
pub const MADE: &[&str] = &["KeyAllocation", "DeploymentHistory", "WorkerTaskLease"];

/// Tables with a row for each id in a list of a document: the table, its columns with the document's id and the
/// other one, the table of the documents, and their list.
pub const LINKS: &[(&str, &str, &str, &str, &str)] = &[
    ("DeploymentRelatedMachine", "DeploymentId", "MachineId", "Deployment", "DeployedToMachineIds"),
    ("EventRelatedDocument", "EventId", "RelatedDocumentId", "Event", "RelatedDocumentIds"),
    ("RelatedDocument", "Id", "RelatedDocumentId", "VariableSet", "RelatedDocumentIds"),
    ("RelatedDocument", "Id", "RelatedDocumentId", "DeploymentProcess", "RelatedDocumentIds"),
    ("RelatedDocument", "Id", "RelatedDocumentId", "RunbookProcess", "RelatedDocumentIds"),
    ("RelatedDocument", "Id", "RelatedDocumentId", "Artifact", "RelatedDocumentIds"),
    ("RelatedDocument", "Id", "RelatedDocumentId", "Interruption", "RelatedDocumentIds"),
    ("RelatedDocument", "Id", "RelatedDocumentId", "TenantVariable", "RelatedDocumentId"),
];

const TEAMS: &[&str] = &["Team"];
const ENVIRONMENTS: &[&str] = &["DeploymentEnvironment"];

fn steps(rules: &mut Vec<Rule>, table: &'static str) {
    bag(rules, table, "$/Steps/*/Properties");
    bag(rules, table, "$/Steps/*/Actions/*/Properties");
    let action = "$/Steps/*/Actions/*";
    let mut add =
        |at: &str, to: &[&'static str]| rules.push((table, format!("{action}{at}"), Id, to.to_vec()));
    add("/WorkerPoolId", &["WorkerPool"]);
    add("/Container/FeedId", &["Feed"]);
    add("/Environments/*", ENVIRONMENTS);
    add("/ExcludedEnvironments/*", ENVIRONMENTS);
    add("/Channels/*", &["Channel"]);
    add("/TenantTags/*", &["Tag"]);
    add("/Packages/*/FeedId", &["Feed"]);
    add("/GitDependencies/*/GitCredentialId", &["GitCredential"]);
    add("/GitDependencies/*/GitHubConnectionId", &["GitHubAppConnection"]);
    let release = "$/Steps/*/Actions/*{ActionType=Octopus.DeployRelease}";
    rules.push((
        table,
        format!("{release}/Properties/Octopus.Action.Package.PackageId"),
        Id,
        vec!["Project"],
    ));
    rules.push((table, format!("{release}/Packages/*/PackageId"), Id, vec!["Project"]));
}

fn bag(rules: &mut Vec<Rule>, table: &'static str, at: &str) {
    for (property, to) in [
        ("Octopus.Action.Package.FeedId", "Feed"),
        ("Octopus.Action.Package.NuGetFeedId", "Feed"),
        ("Octopus.Action.Template.Id", "ActionTemplate"),
        ("Octopus.Action.DeployRelease.ProjectId", "Project"),
        ("Octopus.Action.Azure.AccountId", "Account"),
        ("Octopus.Action.AzureAccount.AccountId", "Account"),
        ("Octopus.Account.Id", "Account"),
    ] {
        rules.push((table, format!("{at}/{property}"), Id, vec![to]));
    }
    for (property, to) in [
        ("Octopus.Action.Manual.ResponsibleTeamIds", TEAMS),
        ("Octopus.Action.Email.ToTeamIds", TEAMS),
        ("Octopus.Action.Email.CCTeamIds", TEAMS),
        ("Octopus.Action.Email.BccTeamIds", TEAMS),
        ("Octopus.Action.ArgoCD.Sync.Environments", ENVIRONMENTS),
        ("Octopus.Action.ArgoCD.PullRequest.Environments", ENVIRONMENTS),
    ] {
        rules.push((table, format!("{at}/{property}"), Comma, to.to_vec()));
    }
}

/// The controls that edit an id, and what it is the id of.
pub const CONTROLS: &[(&str, &str)] = &[
    ("AmazonWebServicesAccount", "Account"),
    ("AzureAccount", "Account"),
    ("GoogleCloudAccount", "Account"),
    ("UsernamePasswordAccount", "Account"),
    ("GenericOidcAccount", "Account"),
    ("Certificate", "Certificate"),
    ("WorkerPool", "WorkerPool"),
    ("Feed", "Feed"),
    ("Package", "Feed"),
    ("Environment", "DeploymentEnvironment"),
    ("Project", "Project"),
    ("Channel", "Channel"),
    ("Tenant", "Tenant"),
];

fn template(rules: &mut Vec<Rule>, table: &'static str) {
    bag(rules, table, "$/Properties");
    rules.push((table, "$/Packages/*/FeedId".to_owned(), Id, vec!["Feed"]));
    rules.push((table, "$/Container/FeedId".to_owned(), Id, vec!["Feed"]));
    rules.push((table, "$/GitDependencies/*/GitCredentialId".to_owned(), Id, vec!["GitCredential"]));
    let connection = "$/GitDependencies/*/GitHubConnectionId".to_owned();
    rules.push((table, connection, Id, vec!["GitHubAppConnection"]));
    parameters(rules, table, "$/Parameters");
}

fn parameters(rules: &mut Vec<Rule>, table: &'static str, at: &str) {
    for (control, to) in CONTROLS {
        let place = format!("{at}/*{{DisplaySettings/Octopus.ControlType={control}}}/DefaultValue");
        rules.push((table, place, Id, vec![to]));
    }
}

fn endpoint(rules: &mut Vec<Rule>, table: &'static str) {
    for (at, to) in [
        ("AccountId", "Account"),
        ("ProxyId", "Proxy"),
        ("TentacleEndpointConfiguration/ProxyId", "Proxy"),
        ("DefaultWorkerPoolId", "WorkerPool"),
        ("WorkerPoolId", "WorkerPool"),
        ("Authentication/AccountId", "Account"),
        ("Authentication/ClientCertificate", "Certificate"),
        ("ClusterCertificate", "Certificate"),
        ("CertVariable", "Certificate"),
        ("Container/FeedId", "Feed"),
    ] {
        rules.push((table, format!("$/Endpoint/{at}"), Id, vec![to]));
    }
}

/// Every reference of every table.
pub fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (table, at, form, to) in super::references::REFERENCES {
        rules.push((table, (*at).to_owned(), *form, to.split(',').collect()));
    }
    for table in ["DeploymentProcess", "RunbookProcess"] {
        steps(&mut rules, table);
    }
    for table in ["ActionTemplate", "ActionTemplateVersion"] {
        template(&mut rules, table);
    }
    for table in ["Project", "LibraryVariableSet"] {
        parameters(&mut rules, table, "$/Templates");
    }
    for table in ["Machine", "Worker"] {
        endpoint(&mut rules, table);
    }
    // Every document of a space says of which.
    let all = DOCUMENTS.iter().chain(PAST);
    rules.extend(
        all.filter(|(table, _)| !IN_NO_SPACE.contains(table))
            .map(|(table, _)| (*table, "SpaceId".to_owned(), Id, vec!["Space"])),
    );
    rules
}
