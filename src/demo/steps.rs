//! The steps of deployment processes and runbooks, one function a kind of step.

use serde_json::{Map, Value as Json, json};

use super::DemoError;
use super::writer::Writer;

/// What the steps of one process have in common.
pub(super) struct Process<'a> {
    /// The name of the project or runbook.
    pub owner: &'a str,
    /// The steps so far.
    pub steps: Vec<Json>,
    /// The ids that they refer to.
    pub related: Vec<String>,
}

/// Values of properties, by name.
type Properties<'p> = &'p [(&'p str, Json)];

impl<'a> Process<'a> {
    pub(super) fn of(owner: &'a str) -> Self {
        Self { owner, steps: Vec::new(), related: Vec::new() }
    }

    fn relate(&mut self, id: &str) -> Json {
        if !self.related.iter().any(|known| known == id) {
            self.related.push(id.to_owned());
        }
        Json::from(id)
    }

    fn push(
        &mut self,
        w: &Writer<'_>,
        name: &str,
        action_type: &str,
        roles: &str,
        properties: Properties<'_>,
        more: Json,
    ) {
        let mut bag = Map::new();
        for (name, value) in properties {
            bag.insert((*name).to_owned(), value.clone());
        }
        let mut action = Map::new();
        for (member, value) in [
            ("Id", json!(w.guid(&format!("action {} {name}", self.owner)))),
            ("Name", json!(name)),
            ("ActionType", json!(action_type)),
            ("IsDisabled", json!(false)),
            ("IsRequired", json!(action_type == "Octopus.Manual")),
            ("Environments", json!([])),
            ("ExcludedEnvironments", json!([])),
            ("Channels", json!([])),
            ("TenantTags", json!([])),
            ("Packages", json!([])),
            ("Properties", Json::Object(bag)),
        ] {
            action.insert(member.to_owned(), value);
        }
        if let Json::Object(more) = more {
            action.extend(more);
        }
        let properties =
            if roles.is_empty() { json!({}) } else { json!({ "Octopus.Action.TargetRoles": roles }) };
        self.steps.push(json!({ "Id": w.guid(&format!("step {} {name}", self.owner)), "Name": name,
            "Condition": "Success", "StartTrigger": "StartAfterPrevious",
            "RequiresPackagesToBeAcquired": false, "Properties": properties, "Actions": [action] }));
    }

    /// A script in the process itself.
    pub(super) fn script(&mut self, w: &Writer<'_>, name: &str, roles: &str, syntax: &str, body: &str) {
        let pool = if roles.is_empty() { w.find("WorkerPool", "Linux Workers") } else { None };
        let pool = pool.map(|id| self.relate(&id));
        let properties = [
            ("Octopus.Action.Script.ScriptSource", json!("Inline")),
            ("Octopus.Action.Script.Syntax", json!(syntax)),
            ("Octopus.Action.Script.ScriptBody", json!(body)),
            ("Octopus.Action.RunOnServer", json!(if roles.is_empty() { "true" } else { "false" })),
        ];
        self.push(w, name, "Octopus.Script", roles, &properties, json!({ "WorkerPoolId": pool }));
    }

    /// A package put onto machines; a service runs under an account of its own there.
    pub(super) fn package(
        &mut self,
        w: &mut Writer<'_>,
        name: &str,
        roles: &str,
        package: &str,
        feed: &str,
    ) -> Result<(), DemoError> {
        let feed = w.of("Feed", feed)?;
        let feed = self.relate(&feed);
        let password = w.secret(&format!("service {}", self.owner), false)?;
        let properties = [
            ("Octopus.Action.Package.FeedId", feed.clone()),
            ("Octopus.Action.Package.PackageId", json!(package)),
            ("Octopus.Action.Package.DownloadOnTentacle", json!("False")),
            ("Octopus.Action.WindowsService.CreateOrUpdateService", json!("True")),
            ("Octopus.Action.WindowsService.ServiceName", json!(package)),
            ("Octopus.Action.WindowsService.CustomAccountName", json!("heron\\service")),
            ("Octopus.Action.WindowsService.CustomAccountPassword", json!({ "SensitiveValue": password })),
        ];
        let packages = json!({ "Packages": [{ "Id": w.guid(&format!("package {} {name}", self.owner)),
            "Name": "", "PackageId": package, "FeedId": feed, "AcquisitionLocation": "Server",
            "Properties": {} }] });
        self.push(w, name, "Octopus.WindowsService", roles, &properties, packages);
        Ok(())
    }

    /// People who must say yes, in production only.
    pub(super) fn approval(&mut self, w: &Writer<'_>, teams: &[&str]) {
        let teams = w.list("Team", teams);
        teams.iter().for_each(|team| drop(self.relate(team)));
        let environments = w.list("Environment", &["Production"]);
        environments.iter().for_each(|environment| drop(self.relate(environment)));
        let properties = [
            ("Octopus.Action.Manual.Instructions", json!("Is the change board content? Then go on.")),
            ("Octopus.Action.Manual.ResponsibleTeamIds", json!(teams.join(","))),
            ("Octopus.Action.Manual.BlockConcurrentDeployments", json!("False")),
        ];
        self.push(w, "Approve", "Octopus.Manual", "", &properties, json!({ "Environments": environments }));
    }

    /// A mail to teams.
    pub(super) fn mail(&mut self, w: &Writer<'_>, teams: &[&str], copy: &[&str]) {
        let (teams, copy) = (w.list("Team", teams), w.list("Team", copy));
        teams.iter().chain(&copy).for_each(|team| drop(self.relate(team)));
        let properties = [
            (
                "Octopus.Action.Email.Subject",
                json!("#{Octopus.Project.Name} #{Octopus.Release.Number} is out"),
            ),
            ("Octopus.Action.Email.Body", json!("<p>Deployed to #{Octopus.Environment.Name}.</p>")),
            ("Octopus.Action.Email.ToTeamIds", json!(teams.join(","))),
            ("Octopus.Action.Email.CCTeamIds", json!(copy.join(","))),
        ];
        self.push(w, "Tell people", "Octopus.Email", "", &properties, json!({ "Condition": "Always" }));
    }

    /// A step made from a template; its parameters are properties.
    pub(super) fn template(
        &mut self,
        w: &Writer<'_>,
        name: &str,
        template: &str,
        version: i64,
        parameters: Properties<'_>,
    ) -> Result<(), DemoError> {
        let id = w.of("ActionTemplate", template)?;
        let mut properties = vec![
            ("Octopus.Action.Template.Id", self.relate(&id)),
            ("Octopus.Action.Template.Version", json!(version.to_string())),
            ("Octopus.Action.Script.ScriptSource", json!("Inline")),
        ];
        properties.extend_from_slice(parameters);
        self.push(w, name, "Octopus.Script", "", &properties, json!({}));
        Ok(())
    }

    /// A step that deploys another project: the project stands where others name a package.
    pub(super) fn release(&mut self, w: &Writer<'_>, project: &str) -> Result<(), DemoError> {
        let id = w.of("Project", project)?;
        let id = self.relate(&id);
        let properties = [
            ("Octopus.Action.DeployRelease.ProjectId", id.clone()),
            ("Octopus.Action.DeployRelease.DeploymentCondition", json!("IfNotCurrentVersion")),
            ("Octopus.Action.Package.PackageId", id.clone()),
            ("Octopus.Action.Package.FeedId", json!("feeds-builtin")),
        ];
        let packages = json!({ "Packages": [{ "Id": w.guid(&format!("release {} {project}", self.owner)),
            "Name": "", "PackageId": id, "FeedId": "feeds-builtin", "AcquisitionLocation": "NotAcquired",
            "Properties": {} }] });
        self.relate("feeds-builtin");
        self.push(w, &format!("Deploy {project}"), "Octopus.DeployRelease", "", &properties, packages);
        Ok(())
    }

    /// A resource template applied with a cloud account, in a container.
    pub(super) fn azure(&mut self, w: &Writer<'_>) -> Result<(), DemoError> {
        let account = w.of("Account", "Azure Shop")?;
        let registry = w.of("Feed", "Container Registry")?;
        let excluded = w.list("Environment", &["Disaster Recovery"]);
        excluded.iter().for_each(|id| drop(self.relate(id)));
        let properties = [
            ("Octopus.Action.Azure.AccountId", self.relate(&account)),
            ("Octopus.Action.Azure.ResourceGroupName", json!("shop-#{Octopus.Environment.Name | ToLower}")),
            ("Octopus.Action.Azure.ResourceGroupTemplate", json!("{\"resources\": []}")),
            ("Octopus.Action.Certificate.Variable", json!("Shop.Certificate")),
        ];
        let more = json!({ "ExcludedEnvironments": excluded,
            "Container": { "FeedId": self.relate(&registry), "Image": "heron/azure-tools:2" } });
        self.push(w, "Apply resources", "Octopus.AzureResourceGroup", "", &properties, more);
        Ok(())
    }

    /// Restricts the last step to channels and tenants of a tier.
    pub(super) fn restrict(&mut self, w: &Writer<'_>, channels: &[String], tags: &[&str]) {
        let tags = w.list("Tag", tags);
        channels.iter().chain(&tags).for_each(|id| drop(self.relate(id)));
        if let Some(action) = self.steps.last_mut().and_then(|step| step.pointer_mut("/Actions/0"))
            && let Some(action) = action.as_object_mut()
        {
            action.insert("Channels".to_owned(), json!(channels));
            action.insert("TenantTags".to_owned(), json!(tags));
        }
    }
}
