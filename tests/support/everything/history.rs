//! What has happened on the server: releases and their snapshots, deployments, runs, tasks, events and the rest.

use serde_json::{Value as Json, json};

use super::TRAP;
use super::rows::{Sql, row};
use super::world::World;

/// When something happened; a text that travels as it is.
fn at(number: usize) -> String {
    format!("2018-08-{:02}T10:{:02}:00.0000000+00:00", 1 + number % 28, number % 60)
}

/// What a task is about.
struct About<'a> {
    project: &'a str,
    environment: &'a str,
    tenant: Option<&'a str>,
}

impl World {
    pub fn history(&mut self) {
        for (number, project) in ["Web", "Api"].into_iter().enumerate() {
            self.releases(number, project);
            if self.spaces() {
                self.runbook_history(number, project);
            }
        }
    }

    fn frozen_variables(&mut self, owner: &str, suffix: &str) -> String {
        let id = format!("variableset-{owner}{suffix}");
        let certificate = self.one("Certificates", 0);
        let environment = self.one("Environments", 1);
        let secret = self.secret("frozen");
        let variables = json!([
            { "Id": self.guid(&format!("{suffix} 1")), "Name": "Frozen", "Type": "Certificate", "Value": certificate,
              "Scope": { "Environment": [environment] } },
            { "Id": self.guid(&format!("{suffix} 2")), "Name": "Hidden", "Type": "Sensitive", "Value": secret, "Scope": {} },
            { "Id": self.guid(&format!("{suffix} 3")), "Name": "Text", "Type": "String", "Value": TRAP,
              "Scope": { "Role": ["web"] } },
        ]);
        let row = row!["Id" => id.as_str(), "OwnerId" => owner, "OwnerType" => None::<String>, "Version" => 0,
            "IsFrozen" => true, "RelatedDocumentIds" => Sql::Null];
        self.put("VariableSet", row, json!({ "Variables": variables }));
        id
    }

    fn releases(&mut self, number: usize, project: &str) {
        let id = self.id("Projects", project);
        for (index, version) in ["1.0.0", "1.1.0"].into_iter().enumerate() {
            let suffix = ["79YGW", "K2P0Q"][index];
            let variables = self.frozen_variables(&id, &format!("-s-{index}-{suffix}"));
            let library = self.id("LibraryVariableSets", ["Common", "Hosting"][index]);
            let library = self.frozen_variables(&library, &format!("-s-{number}-{suffix}"));
            let process = format!("deploymentprocess-{id}-s-{index}-JNTD5");
            let body = self.steps(project, number);
            let row = row!["Id" => process.as_str(), "OwnerId" => id.as_str(), "IsFrozen" => true,
                "Version" => index as i64, "RelatedDocumentIds" => Sql::Null];
            self.put("DeploymentProcess", row, body);
            let release = self.id("Releases", &format!("{project} {version}"));
            let channel = self.id("Channels", &format!("{project} Default"));
            let row = row!["Id" => release.as_str(), "Version" => version, "Assembled" => at(number * 2 + index),
                "ProjectId" => id.as_str(), "ProjectVariableSetSnapshotId" => variables,
                "ProjectDeploymentProcessSnapshotId" => process.as_str(), "ChannelId" => channel.as_str()];
            let body = json!({ "ReleaseNotes": self.text("notes"), "LibraryVariableSetSnapshotIds": [library],
                "LifecycleId": self.one("Lifecycles", number),
                "SelectedPackages": [{ "ActionName": "Script", "Version": "1.0" }] });
            self.put("Release", row, body);
            self.deployments(number * 4 + index * 2, project, version, &release, &process, &channel);
        }
    }

    fn deployments(
        &mut self,
        number: usize,
        project: &str,
        version: &str,
        release: &str,
        process: &str,
        channel: &str,
    ) {
        let project_id = self.id("Projects", project);
        for (index, (environment, tenant)) in
            [("Development", None), ("Test", Some("Acme"))].into_iter().enumerate()
        {
            let label = format!("{project} {version} {environment}");
            let deployment = self.id("Deployments", &label);
            let environment = self.id("Environments", environment);
            let tenant = tenant.map(|name| self.id("Tenants", name));
            let about = About { project: &project_id, environment: &environment, tenant: tenant.as_deref() };
            let task =
                self.task(number + index, &label, &about, json!({ "DeploymentId": deployment }), false);
            if number == 0 {
                self.task(40 + index, &format!("{label} under way"), &about, json!({}), true);
            }
            let manifest = self.frozen_variables(&deployment, "");
            let machines = self.some("Machines", number, 2);
            let row = row!["Id" => deployment.as_str(), "Name" => format!("Deploy to {label}"), "Created" => at(number + index),
                "EnvironmentId" => environment.as_str(), "ProjectId" => project_id.as_str(), "ReleaseId" => release,
                "ProjectGroupId" => self.id("ProjectGroups", "Tools"), "TaskId" => task.as_str(), "DeployedBy" => "ann",
                "TenantId" => tenant.clone(), "DeployedToMachineIds" => self.pipe(machines), "ChannelId" => channel];
            let body = json!({ "DeploymentProcessId": process, "ManifestVariableSetId": manifest,
                "DeployedById": self.global("Users", "ann"), "SpecificMachineIds": self.some("Machines", number, 1),
                "ExcludedMachineIds": self.some("Machines", number + 3, 2),
                "SpecificTargetTagIds": self.tags(number, 1), "ExcludedTargetTagIds": self.tags(number + 1, 2),
                "SkipActions": [self.guid(&format!("{project} script"))], "Comments": self.text("deployment"),
                "FormValues": { "a": TRAP } });
            self.put("Deployment", row, body);
            self.told(number + index, &about, &label, &[&deployment, &project_id, &environment], &task);
        }
    }

    fn task(
        &mut self,
        number: usize,
        label: &str,
        about: &About<'_>,
        arguments: Json,
        running: bool,
    ) -> String {
        let id = self.id("ServerTasks", label);
        let node = format!("OctopusServerNodes-{}", self.numbering.offset);
        let row = row!["Id" => id.as_str(), "Name" => "Deploy", "Description" => format!("Deploy {label}"),
            "QueueTime" => at(number), "StartTime" => at(number), "CompletedTime" => (!running).then(|| at(number + 1)),
            "ErrorMessage" => None::<String>, "ConcurrencyTag" => None::<String>,
            "State" => if running { "Executing" } else { "Success" }, "HasPendingInterruptions" => running,
            "HasWarningsOrErrors" => false, "ServerNodeId" => node, "ProjectId" => about.project,
            "EnvironmentId" => about.environment, "TenantId" => about.tenant.map(str::to_owned), "DurationSeconds" => 60];
        let body = json!({ "Arguments": arguments, "Note": self.text("task") });
        self.put("ServerTask", row, body);
        id
    }

    /// An event, an artifact and an interruption.
    fn told(&mut self, number: usize, about: &About<'_>, label: &str, related: &[&str], task: &str) {
        let related: Vec<String> = related.iter().map(|id| (*id).to_owned()).collect();
        let own = self.numbering.offset as i64;
        let space = i64::from(self.space != super::world::SPACES[0]) * 100;
        let row = row!["Id" => self.id("Events", label), "RelatedDocumentIds" => self.full_pipe(related.clone()),
            "ProjectId" => about.project, "EnvironmentId" => about.environment, "Category" => "DeploymentQueued",
            "UserId" => self.global("Users", "ann"), "Username" => "ann", "Occurred" => at(number),
            "Message" => format!("Deploy {label}"), "TenantId" => about.tenant.map(str::to_owned),
            "AutoId" => own + space + number as i64];
        let body = json!({ "MessageReferences": [{ "ReferencedDocumentId": related[0], "StartIndex": 0, "Length": 6 }],
            "Details": format!("<p>{TRAP}</p>"), "Comments": self.text("event"), "IdentityEstablishedWith": "Cookie" });
        self.put("Event", row, body);
        let row = row!["Id" => self.id("Artifacts", label), "Filename" => format!("{label}.log"),
            "RelatedDocumentIds" => self.full_pipe(related.clone()), "Created" => at(number), "ProjectId" => about.project,
            "EnvironmentId" => about.environment, "TenantId" => about.tenant.map(str::to_owned)];
        let body = json!({ "ServerTaskId": task, "Source": self.text("artifact") });
        self.put("Artifact", row, body);
        let row = row!["Id" => self.id("Interruptions", label), "Created" => at(number), "Title" => format!("Go on? {label}"),
            "Status" => "Submitted", "RelatedDocumentIds" => self.full_pipe(related),
            "ResponsibleTeamIds" => { let team = self.one("Teams", number); self.full_pipe(vec![team]) },
            "ProjectId" => about.project, "EnvironmentId" => about.environment, "TaskId" => task,
            "TenantId" => about.tenant.map(str::to_owned)];
        let body = json!({ "ResponsibleUserId": self.global("Users", "bob"), "Form": { "Values": { "Notes": TRAP } } });
        self.put("Interruption", row, body);
    }

    fn runbook_history(&mut self, number: usize, project: &str) {
        let project_id = self.id("Projects", project);
        for (index, runbook) in ["Restart", "Backup"].into_iter().enumerate() {
            let label = format!("{project} {runbook}");
            let id = self.id("Runbooks", &label);
            let suffix = format!("-s-{index}-RB0{index}X");
            let process = format!("RunbookProcess-{id}{suffix}");
            let body = self.steps(&label, number);
            let row = row!["Id" => process.as_str(), "ProjectId" => project_id.as_str(), "RunbookId" => id.as_str(),
                "IsFrozen" => true, "Version" => 0, "RelatedDocumentIds" => Sql::Null];
            self.put("RunbookProcess", row, body);
            let variables = self.frozen_variables(&project_id, &suffix);
            let library = self.id("LibraryVariableSets", "Common");
            let library = self.frozen_variables(&library, &format!("{suffix}{number}"));
            let snapshot = self.id("RunbookSnapshots", &label);
            let row = row!["Id" => snapshot.as_str(), "Name" => format!("Snapshot {index}"), "Assembled" => at(index),
                "ProjectId" => project_id.as_str(), "RunbookId" => id.as_str(), "FrozenRunbookProcessId" => process.as_str(),
                "FrozenProjectVariableSetId" => variables.as_str()];
            let body = json!({ "Notes": self.text("snapshot"), "LibraryVariableSetSnapshotIds": [library],
                "ProjectVariableSetSnapshotId": variables });
            self.put("RunbookSnapshot", row, body);
            let run = self.id("RunbookRuns", &label);
            let environment = self.id("Environments", "Test");
            let tenant = self.id("Tenants", "Globex");
            let about = About { project: &project_id, environment: &environment, tenant: Some(&tenant) };
            let task = self.task(20 + number + index, &label, &about, json!({ "RunbookRunId": run }), false);
            let manifest = self.frozen_variables(&run, "");
            let machines = self.some("Machines", number, 2);
            let row = row!["Id" => run.as_str(), "Name" => "Run", "Created" => at(20 + index), "ProjectId" => project_id.as_str(),
                "EnvironmentId" => environment.as_str(), "TenantId" => tenant.as_str(), "RunbookId" => id.as_str(),
                "RunbookSnapshotId" => snapshot, "FrozenRunbookProcessId" => process, "TaskId" => task,
                "DeployedBy" => "ann", "DeployedToMachineIds" => self.pipe(machines)];
            let body = json!({ "DeployedById": self.global("Users", "ann"), "ManifestVariableSetId": manifest,
                "SpecificMachineIds": self.some("Machines", number, 2), "ExcludedMachineIds": self.some("Machines", number + 2, 1),
                "SpecificTargetTagIds": self.tags(number + 1, 2), "ExcludedTargetTagIds": self.tags(number, 1),
                "SkipActions": [self.guid(&format!("{label} script"))], "Comments": self.text("run") });
            self.put("RunbookRun", row, body);
        }
    }
}
