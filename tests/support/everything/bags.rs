//! Steps, actions and their bags of properties: every row of the product's table of properties that hold ids.

use serde_json::{Value as Json, json};

use super::TRAP;
use super::world::World;

/// The parameters of the step templates: name, control, the pool its values are from.
pub const PARAMETERS: &[(&str, &str, &str)] = &[
    ("Aws", "AmazonWebServicesAccount", "Accounts"),
    ("Azure", "AzureAccount", "Accounts"),
    ("Google", "GoogleCloudAccount", "Accounts"),
    ("Login", "UsernamePasswordAccount", "Accounts"),
    ("Oidc", "GenericOidcAccount", "Accounts"),
    ("Certificate", "Certificate", "Certificates"),
    ("Pool", "WorkerPool", "WorkerPools"),
    ("Feed", "Feed", "Feeds"),
    ("Package", "Package", "Feeds"),
    ("Environment", "Environment", "Environments"),
    ("Project", "Project", "Projects"),
    ("Tenant", "Tenant", "Tenants"),
    // A channel is one of a project: there is no pool of them.
    ("Channel", "Channel", ""),
];

impl World {
    /// A channel by number: those of the project "Web".
    pub fn channel(&mut self, number: usize) -> String {
        let name = ["Default", "Hotfix"][(number + self.twist.overwritten) % 2];
        self.id("Channels", &format!("Web {name}"))
    }

    /// A git credential, where there are any.
    pub fn git(&mut self, number: usize) -> Option<String> {
        self.spaces().then(|| self.one("GitCredentials", number))
    }

    fn parameter_value(&mut self, pool: &str, number: usize) -> String {
        if pool.is_empty() { self.channel(number) } else { self.one(pool, number) }
    }

    /// The bag of an action, with everything that has an id in it.
    pub fn bag(&mut self, number: usize) -> Json {
        let mut bag = json!({
            "Octopus.Action.Package.FeedId": self.one("Feeds", number),
            "Octopus.Action.Package.NuGetFeedId": self.one("Feeds", number + 1),
            "Octopus.Action.DeployRelease.ProjectId": self.one("Projects", number),
            "Octopus.Action.Azure.AccountId": self.one("Accounts", number),
            "Octopus.Action.AzureAccount.AccountId": self.one("Accounts", number + 1),
            "Octopus.Account.Id": self.one("Accounts", number + 2),
            "Octopus.Action.Package.PackageId": "Acme.Web",
            "Octopus.Action.AwsAccount.Variable": "Aws account",
            "Octopus.Action.AzureAccount.Variable": TRAP,
            "Octopus.Action.GoogleCloudAccount.Variable": "Google account",
            "Octopus.Action.Certificate.Variable": "Certificate",
            "Octopus.Action.ServiceFabric.ClientCertVariable": "Certificate",
            "Octopus.Action.ProcessTemplate.Reference.Slug": "some-template",
            "Octopus.Action.TargetRoles": format!("web,{TRAP}"),
            "Octopus.Action.Helm.TemplateValuesSources": format!("[{{\"FeedId\":\"{TRAP}\"}}]"),
            "Octopus.Action.Script.ScriptBody": format!("echo {TRAP} {}", self.text("script")),
            "Octopus.Action.WindowsService.CustomAccountPassword": { "SensitiveValue": self.secret("service") },
            "Odd 'name' [0].of.a property": { "SensitiveValue": self.secret("odd") },
        });
        let teams = [self.one("Teams", number), self.one("Teams", number + 1), "teams-everyone".to_owned()];
        for (property, count) in [
            ("Octopus.Action.Manual.ResponsibleTeamIds", 2),
            ("Octopus.Action.Email.ToTeamIds", 1),
            ("Octopus.Action.Email.CCTeamIds", 3),
            ("Octopus.Action.Email.BccTeamIds", 0),
        ] {
            bag[property] = self.comma(&teams[..count]);
        }
        let environments: Vec<String> = (0..2).map(|n| self.one("Environments", number + n)).collect();
        bag["Octopus.Action.ArgoCD.Sync.Environments"] = self.comma(&environments);
        bag["Octopus.Action.ArgoCD.PullRequest.Environments"] = self.comma(&environments[..1]);
        bag["Octopus.Action.Email.BccTeamIds"] = self.comma(&teams[1..2]);
        bag
    }

    /// A bag whose values are computed when they are used.
    pub fn computed_bag(&mut self) -> Json {
        json!({
            "Octopus.Action.Package.FeedId": "#{Feed}",
            "Octopus.Action.Azure.AccountId": "#{if Prod}Accounts-1#{/if}",
            "Octopus.Action.Manual.ResponsibleTeamIds": "#{Teams}",
            "Octopus.Action.Email.ToTeamIds": "",
            "Octopus.Action.DeployRelease.ProjectId": null,
        })
    }

    /// A bag that fills in a step template.
    fn filled_in(&mut self, number: usize) -> Json {
        let mut bag = json!({
            "Octopus.Action.Template.Id": self.one("ActionTemplates", number),
            "Octopus.Action.Template.Version": "2",
            "Secret": { "SensitiveValue": self.secret("parameter") },
            // Only looks like an id: the template says it is a line of text.
            "Line": if self.twist.close { TRAP } else { "a line" },
            "Computed": "#{Pool}",
        });
        for (index, (name, _, pool)) in PARAMETERS.iter().enumerate() {
            bag[*name] = json!(self.parameter_value(pool, number + index));
        }
        bag
    }

    /// What a template, or an owner of tenants' variables, asks for.
    pub fn parameters(&mut self, owner: &str, number: usize) -> Json {
        let mut list: Vec<Json> = Vec::new();
        for (index, (name, control, pool)) in PARAMETERS.iter().enumerate() {
            let value = self.parameter_value(pool, number + index);
            list.push(self.parameter(owner, name, control, json!(value)));
        }
        let secret = self.secret("default");
        list.push(self.parameter(
            owner,
            "Secret",
            "Sensitive",
            json!({ "HasValue": true, "SensitiveValue": secret }),
        ));
        list.push(self.parameter(owner, "Line", "SingleLineText", json!(TRAP)));
        list.push(self.parameter(owner, "Computed", "WorkerPool", json!("#{Pool}")));
        list.push(self.parameter(owner, "Nothing", "Certificate", Json::Null));
        Json::Array(list)
    }

    fn parameter(&mut self, owner: &str, name: &str, control: &str, default: Json) -> Json {
        json!({ "Id": self.guid(&format!("{owner} {name}")), "Name": name, "Label": self.text("label"),
            "DefaultValue": default, "DisplaySettings": { "Octopus.ControlType": control } })
    }

    /// The steps of a process.
    pub fn steps(&mut self, owner: &str, number: usize) -> Json {
        let bag = self.bag(number);
        let mut step_bag = self.bag(number + 1);
        step_bag["Octopus.Action.Template.Id"] = json!(self.one("ActionTemplates", number + 1));
        let computed = self.computed_bag();
        let filled = self.filled_in(number);
        let script = json!({
            "Id": self.guid(&format!("{owner} script")), "Name": "Script", "ActionType": "Octopus.Script",
            "WorkerPoolId": self.one("WorkerPools", number), "WorkerPoolVariable": TRAP,
            "Container": { "FeedId": self.one("Feeds", number), "Image": "image" },
            "Environments": self.some("Environments", number, 2),
            "ExcludedEnvironments": self.some("Environments", number + 2, 1),
            "Channels": [self.channel(number)],
            "TenantTags": self.tags(number, 2),
            "Packages": [{ "Id": self.guid(&format!("{owner} package")), "PackageId": "Acme.Web", "FeedId": self.one("Feeds", number + 2) },
                         { "PackageId": TRAP, "FeedId": "feeds-builtin-releases" }],
            "GitDependencies": [{ "GitCredentialId": self.git(number), "RepositoryUri": "https://g" },
                { "GitHubConnectionId": self.github(number) }],
            "Properties": bag,
        });
        let template = json!({
            "Id": self.guid(&format!("{owner} template")), "Name": "Template", "ActionType": "Octopus.Script",
            "WorkerPoolId": null, "Environments": [], "Channels": [], "TenantTags": [], "Packages": [],
            "Properties": filled,
        });
        let project = self.one("Projects", number + 1);
        let release = json!({
            "Id": self.guid(&format!("{owner} release")), "Name": "Deploy another", "ActionType": "Octopus.DeployRelease",
            "Packages": [{ "PackageId": project, "FeedId": "feeds-builtin-releases" }],
            "Properties": { "Octopus.Action.Package.PackageId": project,
                "Octopus.Action.DeployRelease.ProjectId": project,
                "Octopus.Action.DeployRelease.DeploymentCondition": "Always" },
        });
        let other = json!({
            "Id": self.guid(&format!("{owner} computed")), "Name": "Computed", "ActionType": "Octopus.Email",
            // What a project under version control has here: names, which are the same everywhere.
            "Environments": ["production-slug"], "Container": { "FeedId": "octopus-server-built-in" },
            "Properties": computed,
        });
        json!({ "Steps": [
            { "Id": self.guid(&format!("{owner} step 1")), "Name": "One", "Condition": "Success",
              "Properties": step_bag, "Actions": [script, template] },
            { "Id": self.guid(&format!("{owner} step 2")), "Name": "Two",
              "Properties": { "Octopus.Action.TargetRoles": "db" }, "Actions": [release, other] },
        ], "LastSnapshotId": null })
    }
}
