//! Projects and what belongs to them.

use serde_json::json;

use super::TRAP;
use super::rows::{Sql, row};
use super::world::World;

impl World {
    pub fn projects(&mut self) {
        for (number, name) in ["Default Project Group", "Tools"].into_iter().enumerate() {
            let id = self.id("ProjectGroups", name);
            let body = json!({ "Description": self.text("group"), "EnvironmentIds": self.some("Environments", number, 2) });
            self.put("ProjectGroup", row!["Id" => id, "Name" => name], body);
        }
        for (number, (name, content)) in [
            ("Common", "Variables"),
            ("Hosting", "Variables"),
            ("Module A", "ScriptModule"),
            ("Module B", "ScriptModule"),
        ]
        .into_iter()
        .enumerate()
        {
            let id = self.id("LibraryVariableSets", name);
            let row = row!["Id" => id.as_str(), "Name" => name, "VariableSetId" => format!("variableset-{id}"),
                "ContentType" => content];
            let templates = if number < 2 { self.parameters(name, number) } else { json!([]) };
            let body = json!({ "Description": self.text("library"), "Templates": templates });
            self.put("LibraryVariableSet", row, body);
        }
        for (number, name) in ["Web", "Api", "Docs"].into_iter().enumerate() {
            self.project(number, name);
        }
    }

    pub fn project(&mut self, number: usize, name: &'static str) {
        let id = self.id("Projects", name);
        let libraries = match number {
            2 => vec![],
            number => self.some("LibraryVariableSets", number, 3),
        };
        let row = row!["Id" => id.as_str(), "Name" => name, "Slug" => name.to_lowercase(), "IsDisabled" => false,
            "VariableSetId" => format!("variableset-{id}"), "DeploymentProcessId" => format!("deploymentprocess-{id}"),
            "ProjectGroupId" => self.one("ProjectGroups", number), "LifecycleId" => self.one("Lifecycles", number),
            "AutoCreateRelease" => number == 0, "DiscreteChannelRelease" => false,
            "IncludedLibraryVariableSetIds" => self.pipe(libraries)];
        let channel = self.id("Channels", &format!("{name} Default"));
        let mut body = json!({
            "Description": self.text("project"),
            "ClonedFromProjectId": if number == 0 { None } else { Some(self.one("Projects", number + 1)) },
            "ReleaseCreationStrategy": { "ChannelId": channel, "ReleaseCreationPackageStepId": "" },
            "VersioningStrategy": { "Template": "#{Octopus.Version.NextMinor}", "DonorPackageStepId": null },
            "Templates": self.parameters(name, number),
            "LogoAttachmentKey": format!("{id}-logo"),
            "ProjectConnectivityPolicy": { "TargetRoles": [TRAP] },
        });
        // Two kinds of version control: a credential of the library, and a password of the project's own.
        body["PersistenceSettings"] = match number {
            0 => {
                json!({ "Type": "VersionControlled", "Credentials": { "Type": "Reference", "Id": self.git(0) } })
            }
            1 => {
                json!({ "Type": "VersionControlled", "Credentials": { "Type": "UsernamePassword", "Password": self.secret("project git") } })
            }
            _ => {
                json!({ "Type": "VersionControlled", "Credentials": { "Type": "Reference", "Id": self.git(1), "Password": self.secret("both") } })
            }
        };
        // Only these have releases.
        if ["Web", "Api"].contains(&name) {
            let release = self.id("Releases", &format!("{name} 1.0.0"));
            body["AutoDeployReleaseOverrides"] = json!([{ "EnvironmentId": self.one("Environments", number),
                "TenantId": self.one("Tenants", number), "ReleaseId": release }]);
        }
        self.put("Project", row, body);

        let row = row!["Id" => format!("deploymentsettings-{id}"), "ProjectId" => id.as_str()];
        let body = json!({ "DefaultGuidedFailureMode": "EnvironmentDefault", "Note": self.text("settings") });
        self.put("DeploymentSettings", row, body);

        let body = self.steps(name, number);
        let row = row!["Id" => format!("deploymentprocess-{id}"), "OwnerId" => id.as_str(), "IsFrozen" => false,
            "Version" => 3 + self.numbering.offset as i64, "RelatedDocumentIds" => Sql::Null];
        self.put("DeploymentProcess", row, body);

        for (index, channel) in ["Default", "Hotfix"].into_iter().enumerate() {
            let tags = self.tags(number + index, index * 2);
            let row = row!["Id" => self.id("Channels", &format!("{name} {channel}")), "Name" => channel,
                "ProjectId" => id.as_str(),
                "LifecycleId" => if index == 0 { None } else { Some(self.one("Lifecycles", number)) },
                "TenantTags" => self.pipe(tags)];
            let body = json!({ "Description": self.text("channel"), "IsDefault": index == 0,
                "Rules": [{ "VersionRange": "[1.0,2.0)", "Actions": ["Script"] }] });
            self.put("Channel", row, body);
        }
        self.runbooks(number, name, &id);
        self.triggers(number, name, &id);
    }

    fn runbooks(&mut self, number: usize, project: &str, project_id: &str) {
        if !self.spaces() {
            return;
        }
        for runbook in ["Restart", "Backup"] {
            let label = format!("{project} {runbook}");
            let id = self.id("Runbooks", &label);
            let process = format!("RunbookProcess-{id}");
            let past = ["Web", "Api"].contains(&project);
            let published = past.then(|| self.id("RunbookSnapshots", &label));
            let row = row!["Id" => id.as_str(), "Name" => runbook, "ProjectId" => project_id,
                "RunbookProcessId" => process.as_str(), "PublishedRunbookSnapshotId" => published];
            let body = json!({ "Description": self.text("runbook"), "EnvironmentScope": "Specified",
                "Environments": self.some("Environments", number, 2) });
            self.put("Runbook", row, body);
            let body = self.steps(&label, number + 1);
            let row = row!["Id" => process, "ProjectId" => project_id, "RunbookId" => id, "IsFrozen" => false,
                "Version" => 1 + self.numbering.offset as i64, "RelatedDocumentIds" => Sql::Null];
            self.put("RunbookProcess", row, body);
        }
    }

    fn triggers(&mut self, number: usize, project: &str, project_id: &str) {
        let channel = self.id("Channels", &format!("{project} Hotfix"));
        let mut actions = vec![
            ("New packages", json!({ "ActionType": "AutoDeploy", "ChannelId": channel })),
            (
                "Nightly",
                json!({ "ActionType": "DeployLatestRelease", "ChannelId": null,
                "TenantIds": [self.one("Tenants", number), self.one("Tenants", number + 1)],
                "TenantTags": self.tags(number, 2),
                "SourceEnvironmentIds": self.some("Environments", number, 2),
                "DestinationEnvironmentId": self.one("Environments", number + 2),
                "EnvironmentId": self.one("Environments", number + 1) }),
            ),
        ];
        if self.spaces() {
            let runbook = self.id("Runbooks", &format!("{project} Backup"));
            actions.push((
                "Backups",
                json!({ "ActionType": "RunRunbook", "RunbookId": runbook,
                "EnvironmentIds": self.some("Environments", number, 2) }),
            ));
        }
        for (name, action) in actions {
            let row = row!["Id" => self.id("ProjectTriggers", &format!("{project} {name}")), "Name" => name,
                "ProjectId" => project_id, "TriggerType" => "DeploymentTarget", "IsDisabled" => false];
            let body = json!({ "Description": self.text("trigger"),
                "Filter": { "EnvironmentIds": self.some("Environments", number, 2), "Roles": [TRAP],
                    "Packages": [{ "DeploymentAction": "Script", "PackageReference": "" }] },
                "Action": action });
            self.put("ProjectTrigger", row, body);
        }
    }
}
