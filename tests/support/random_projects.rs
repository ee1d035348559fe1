//! The random server's templates, projects, variables and tenants.

use sealift::document::Value;
use serde_json::{Map as JsonMap, Value as Json, json};

use super::random::{Maker, ODD};

impl Maker<'_> {
    pub(super) fn templates(&mut self) {
        for (i, id) in self.each("Community") {
            let name = self.name(i);
            let external = Self::guid_of(&name);
            let columns = vec![("Id", id.into()), ("Name", name.into()), ("ExternalId", external.into())];
            let body =
                json!({ "Properties": { "Secret": { "SensitiveValue": self.secret() } }, "Parameters": [] });
            self.put("CommunityActionTemplate", columns, body);
        }
        for (i, id) in self.each("Template") {
            let columns = vec![
                ("Id", id.as_str().into()),
                ("Name", self.name(i).into()),
                ("Version", Value::Int(2)),
                ("ActionType", "Octopus.Script".into()),
                ("CommunityActionTemplateId", self.may("Community").map_or(Value::Null, Value::Text)),
            ];
            let parameters = self.declared(&id, "Name");
            let body = json!({ "Properties": self.properties(), "Parameters": parameters,
                "Packages": [{ "FeedId": self.may("Feed"), "PackageId": "p" }],
                "GitDependencies": [{ "GitCredentialId": self.may("GitCredential") }] });
            self.put("ActionTemplate", columns, body);
        }
        for (i, id) in self.each("TemplateVersion") {
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("Version", Value::Int(1)),
                ("LatestActionTemplateId", self.must("Template").into()),
                ("ActionType", "Octopus.Script".into()),
            ];
            let body = json!({ "Properties": self.properties(), "Parameters": self.parameters() });
            self.put("ActionTemplateVersion", columns, body);
        }
    }

    fn parameters(&mut self) -> Vec<Json> {
        let controls = [
            ("SingleLineText", ""),
            ("Sensitive", ""),
            ("AzureAccount", "Account"),
            ("Certificate", "Certificate"),
            ("WorkerPool", "WorkerPool"),
            ("Project", "Project"),
        ];
        (0..self.rng.below(5))
            .map(|n| {
                let (control, kind) = *self.rng.pick(&controls);
                let default = match (control, kind) {
                    ("Sensitive", _) => json!({ "SensitiveValue": self.secret() }),
                    (_, "") => json!(self.text()),
                    (_, kind) => json!(self.may(kind)),
                };
                json!({ "Id": self.rng.guid(), "Name": format!("Parameter {n}"), "DefaultValue": default,
                    "DisplaySettings": { "Octopus.ControlType": control } })
            })
            .collect()
    }

    /// Parameters that a document declares, noted for the values that go by them.
    fn declared(&mut self, id: &str, named: &str) -> Vec<Json> {
        let parameters = self.parameters();
        let kind = |control: &str| match control {
            "AzureAccount" => "Account",
            "Certificate" => "Certificate",
            "WorkerPool" => "WorkerPool",
            "Project" => "Project",
            _ => "",
        };
        let declared = parameters.iter().map(|p| {
            let control = p["DisplaySettings"]["Octopus.ControlType"].as_str().unwrap();
            (p[named].as_str().unwrap().to_owned(), kind(control))
        });
        let declared = declared.collect();
        self.types.insert(id.to_owned(), declared);
        parameters
    }

    /// A value of a declared type.
    fn typed(&mut self, kind: &'static str) -> Json {
        // Text that is an id of the server is text all the same, where nothing says otherwise.
        if kind.is_empty() { json!(self.text()) } else { json!(self.must(kind)) }
    }

    fn properties(&mut self) -> Json {
        let mut bag = JsonMap::new();
        for (property, kind) in [
            ("Octopus.Action.Package.FeedId", "Feed"),
            ("Octopus.Action.Azure.AccountId", "Account"),
            ("Octopus.Action.DeployRelease.ProjectId", "Project"),
        ] {
            if self.rng.chance(40) {
                bag.insert(property.to_owned(), json!(self.may(kind)));
            }
        }
        for (property, kind) in [
            ("Octopus.Action.Manual.ResponsibleTeamIds", "Team"),
            ("Octopus.Action.Email.ToTeamIds", "Team"),
            ("Octopus.Action.ArgoCD.Sync.Environments", "Environment"),
        ] {
            if self.rng.chance(40) {
                bag.insert(property.to_owned(), json!(self.list(kind).join(",")));
            }
        }
        if self.rng.chance(10) {
            bag.insert("Octopus.Account.Id".to_owned(), json!("#{Account}"));
        }
        if self.rng.chance(30) {
            bag.insert("Odd 'name' [0]".to_owned(), json!({ "SensitiveValue": self.secret() }));
        }
        bag.insert("Octopus.Action.Script.ScriptBody".to_owned(), json!(self.text()));
        Json::Object(bag)
    }

    fn steps(&mut self) -> Json {
        let steps: Vec<Json> = (0..self.rng.below(5))
            .map(|n| {
                let actions: Vec<Json> = (0..1 + self.rng.below(2)).map(|m| self.action(n, m)).collect();
                json!({ "Id": self.rng.guid(), "Name": self.name(n), "Actions": actions,
                    "Properties": { "Octopus.Action.TargetRoles": "web,db" } })
            })
            .collect();
        json!({ "Steps": steps })
    }

    fn action(&mut self, step: usize, number: usize) -> Json {
        let mut properties = self.properties();
        let release = self.rng.chance(20);
        if release {
            properties["Octopus.Action.Package.PackageId"] = json!(self.must("Project"));
        } else if self.rng.chance(40) {
            let template = self.must("Template");
            for (name, kind) in self.types[&template].clone() {
                properties[name] = self.typed(kind);
            }
            properties["Octopus.Action.Template.Id"] = json!(template);
            properties["Parameter 9"] = json!("Accounts-1");
        }
        json!({ "Id": self.rng.guid(), "Name": format!("{step}.{number}"),
            "ActionType": if release { "Octopus.DeployRelease" } else { "Octopus.Script" },
            "WorkerPoolId": self.may("WorkerPool"), "Environments": self.list("Environment"),
            "ExcludedEnvironments": self.list("Environment"), "Channels": self.list("Channel"),
            "TenantTags": self.list("Tag"), "Container": { "FeedId": self.may("Feed") },
            "Packages": [{ "FeedId": self.may("Feed"),
                "PackageId": if release { self.must("Project") } else { "Acme".to_owned() } }],
            "Properties": properties })
    }

    pub(super) fn projects(&mut self) {
        for (i, id) in self.each("ProjectGroup") {
            let columns = vec![("Id", id.into()), ("Name", self.name(i).into())];
            let body = json!({ "Description": self.text() });
            self.put("ProjectGroup", columns, body);
        }
        for (i, id) in self.each("Library") {
            let columns = vec![
                ("Id", id.as_str().into()),
                ("Name", self.name(i).into()),
                ("VariableSetId", format!("variableset-{id}").into()),
                ("ContentType", "Variables".into()),
            ];
            let templates = self.declared(&id, "Id");
            let body = json!({ "Templates": templates });
            self.put("LibraryVariableSet", columns, body);
            self.variables(&id);
        }
        for (i, id) in self.each("Project") {
            let name = self.name(i);
            let slug = format!("project-{}", Self::guid_of(&name));
            let columns = vec![
                ("Id", id.as_str().into()),
                ("Name", name.into()),
                ("Slug", slug.into()),
                ("IsDisabled", self.rng.chance(10).into()),
                ("VariableSetId", format!("variableset-{id}").into()),
                ("DeploymentProcessId", format!("deploymentprocess-{id}").into()),
                ("ProjectGroupId", self.must("ProjectGroup").into()),
                ("LifecycleId", self.must("Lifecycle").into()),
                ("AutoCreateRelease", false.into()),
                ("IncludedLibraryVariableSetIds", self.pipe("Library")),
            ];
            // Cycles among projects, and a project cloned from itself, are as good as any.
            let body = json!({ "ClonedFromProjectId": self.may("Project"), "Templates": self.declared(&id, "Id"),
                "ReleaseCreationStrategy": { "ChannelId": self.may("Channel") },
                "PersistenceSettings": { "Credentials": { "Id": self.may("GitCredential"),
                    "Password": if self.rng.chance(30) { json!(self.secret()) } else { Json::Null } } } });
            self.put("Project", columns, body);
            self.variables(&id);
            let version = self.own.below(99) as i64;
            let columns = vec![
                ("Id", format!("deploymentprocess-{id}").into()),
                ("OwnerId", id.as_str().into()),
                ("IsFrozen", false.into()),
                ("Version", Value::Int(version)),
                ("RelatedDocumentIds", Value::Null),
            ];
            let body = self.steps();
            self.put("DeploymentProcess", columns, body);
            let columns = vec![("Id", format!("deploymentsettings-{id}").into()), ("ProjectId", id.into())];
            let body = json!({ "DefaultGuidedFailureMode": "Off" });
            self.put("DeploymentSettings", columns, body);
        }
        for (i, id) in self.each("Channel") {
            let project = self.ids["Project"][i % self.ids["Project"].len()].clone();
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("ProjectId", project.into()),
                ("LifecycleId", self.may("Lifecycle").map_or(Value::Null, Value::Text)),
                ("TenantTags", self.pipe("Tag")),
            ];
            let body = json!({ "IsDefault": true, "Rules": [] });
            self.put("Channel", columns, body);
        }
        for (i, id) in self.each("Trigger") {
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("ProjectId", self.must("Project").into()),
            ];
            let body = json!({ "Filter": { "EnvironmentIds": self.list("Environment") },
                "Action": { "ChannelId": self.may("Channel"), "RunbookId": self.may("Runbook"),
                    "TenantTags": self.list("Tag"), "DestinationEnvironmentId": self.may("Environment") } });
            self.put("ProjectTrigger", columns, body);
        }
        for (i, id) in self.each("Runbook") {
            let project = self.must("Project");
            let process = format!("RunbookProcess-{id}");
            let columns = vec![
                ("Id", id.as_str().into()),
                ("Name", self.name(i).into()),
                ("ProjectId", project.as_str().into()),
                ("RunbookProcessId", process.as_str().into()),
            ];
            let body = json!({ "Environments": self.list("Environment") });
            self.put("Runbook", columns, body);
            let columns = vec![
                ("Id", process.into()),
                ("ProjectId", project.into()),
                ("RunbookId", id.into()),
                ("IsFrozen", false.into()),
                ("Version", Value::Int(self.own.below(9) as i64)),
            ];
            let body = self.steps();
            self.put("RunbookProcess", columns, body);
        }
    }

    fn variables(&mut self, owner: &str) {
        let mut variables = Vec::new();
        for n in 0..self.rng.below(12) {
            let (kind, value) = match self.rng.below(7) {
                0 => ("Sensitive", json!(self.secret())),
                1 => ("AzureAccount", json!(self.may("Account"))),
                2 => ("Certificate", json!(self.may("Certificate"))),
                3 => ("WorkerPool", json!(self.may("WorkerPool"))),
                4 => ("String", json!("Accounts-1 is text here")),
                _ => ("String", json!(self.text())),
            };
            let mut scope = JsonMap::new();
            for (field, kind, percent) in [
                ("Environment", "Environment", 40),
                ("Machine", "Machine", 10),
                ("Channel", "Channel", 10),
                ("Tenant", "Tenant", 10),
                ("TenantTag", "Tag", 10),
                ("ProcessOwner", "Runbook", 10),
            ] {
                if self.rng.chance(percent) {
                    scope.insert(field.to_owned(), json!(self.list(kind)));
                }
            }
            if self.rng.chance(20) {
                scope.insert("Role".to_owned(), json!(["web", "db"]));
            }
            let name = format!("{} {}", self.rng.pick(&ODD), n);
            let mut variable = json!({ "Id": self.own.guid(), "Name": name, "Type": kind, "Value": value,
                "Scope": scope });
            if self.rng.chance(10) {
                variable["Prompt"] = json!({ "Label": self.text(), "Required": true });
            }
            variables.push(variable);
        }
        let version = self.own.below(99) as i64;
        let columns = vec![
            ("Id", format!("variableset-{owner}").into()),
            ("OwnerId", owner.into()),
            ("IsFrozen", false.into()),
            ("Version", Value::Int(version)),
        ];
        let body = json!({ "Variables": variables });
        self.put("VariableSet", columns, body);
    }

    pub(super) fn tenants(&mut self) {
        for (i, id) in self.each("Tenant") {
            let projects = self.list("Project");
            let mut links = JsonMap::new();
            for project in &projects {
                links.insert(project.clone(), json!(self.list("Environment")));
            }
            let columns = vec![
                ("Id", id.into()),
                ("Name", self.name(i).into()),
                ("ProjectIds", self.spell(&projects)),
                ("TenantTags", self.pipe("Tag")),
            ];
            let body = json!({ "ProjectEnvironments": links, "ClonedFromTenantId": self.may("Tenant") });
            self.put("Tenant", columns, body);
        }
        let mut taken = std::collections::BTreeSet::new();
        for (_, id) in self.each("TenantVariable") {
            let common = self.rng.chance(50);
            let owner = self.must(if common { "Library" } else { "Project" });
            let environment = if common { Value::Null } else { self.must("Environment").into() };
            let account = self.must("Account");
            let templates = self.types[&owner].clone();
            let (template, kind) = match templates.is_empty() {
                true => (self.rng.guid(), ""),
                false => self.rng.pick(&templates).clone(),
            };
            let (value, related) = match self.rng.below(3) {
                0 => (json!({ "SensitiveValue": self.secret() }), Value::Null),
                1 => (self.typed(kind), account.into()),
                _ => (self.typed(kind), Value::Null),
            };
            let tenant = self.must("Tenant");
            // The product has one value of a template for a tenant and an environment.
            if !taken.insert((tenant.clone(), owner.clone(), template.clone())) {
                continue;
            }
            let columns = vec![
                ("Id", id.into()),
                ("TenantId", tenant.into()),
                ("OwnerId", owner.into()),
                ("EnvironmentId", environment),
                ("VariableTemplateId", template.into()),
                ("RelatedDocumentId", related),
            ];
            let body = json!({ "Value": value });
            self.put("TenantVariable", columns, body);
        }
    }
}
