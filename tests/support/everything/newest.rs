//! What a server of 2026 has besides. Where members are kept nobody knows, so they are in columns and in JSON.

use serde_json::{Value as Json, json};

use super::rows::{Sql, row};
use super::world::World;

impl World {
    /// A connection of the GitHub app, where there are any.
    pub fn github(&mut self, number: usize) -> Option<String> {
        self.newest().then(|| self.one("GitHubAppConnections", number))
    }

    /// What a space has.
    pub fn newest_of_space(&mut self) {
        for name in ["Octo", "Cat"] {
            let row = row!["Id" => self.id("GitHubAppConnections", name), "Name" => name];
            let body = json!({ "Installation": { "AccountLogin": self.text("login") } });
            self.put("GitHubAppConnection", row, body);
        }
        for name in ["Pull requests", "Experiments"] {
            let row = row!["Id" => self.id("ParentEnvironments", name), "Name" => name];
            let body =
                json!({ "Slug": self.text("slug"), "AutomaticDeprovisioningRule": { "ExpiryDays": 3 } });
            self.put("ParentEnvironment", row, body);
        }
        self.newest_environments();
        self.newest_projects();
        self.tenant_values_by_environment();
        self.approval_policies();
        for (number, kind) in ["LifecycleRelease", "RunbookRetention"].into_iter().enumerate() {
            let row =
                row!["Id" => self.id("RetentionPolicies", kind), "Name" => kind, "RetentionType" => kind];
            let body =
                json!({ "Strategy": "Count", "QuantityToKeep": 3 + number, "Unit": self.text("Days") });
            self.put("RetentionPolicy", row, body);
        }
        for name in ["web-01", "kube"] {
            let id = self.id("Machines", name);
            let (tags, more) = (self.tags(1, 2), self.tags(2, 1));
            let columns = row!["TargetTags" => self.pipe(tags)];
            self.change("Machine", &id, columns, json!({ "TargetTags": more }));
        }
    }

    fn newest_environments(&mut self) {
        for (number, name) in ["Development", "Test", "Production"].into_iter().enumerate() {
            let id = self.id("Environments", name);
            let (tags, more) = (self.tags(number, number), self.tags(number + 1, 2));
            let columns = row!["Type" => "Static", "EnvironmentTags" => self.pipe(tags)];
            self.change("DeploymentEnvironment", &id, columns, json!({ "EnvironmentTags": more }));
        }
        for (number, name) in ["pr-1", "pr-2"].into_iter().enumerate() {
            let parent = self.one("ParentEnvironments", number);
            let (mut row, mut body) = (
                row!["Id" => self.id("Environments", name), "Name" => name, "SortOrder" => 10 + number as i64,
                    "Type" => "Ephemeral"],
                json!({ "Description": self.text("ephemeral") }),
            );
            if number == 0 {
                row.extend(row!["ParentEnvironmentId" => parent]);
            } else {
                body["ParentEnvironmentId"] = json!(parent);
            }
            self.put("DeploymentEnvironment", row, body);
        }
    }

    fn newest_projects(&mut self) {
        for (number, name) in ["Web", "Api", "Docs"].into_iter().enumerate() {
            let id = self.id("Projects", name);
            // A circle: a project names its runbooks, and they name it.
            let runbook = |label: &str| format!("{name} {label}");
            let (up, down) =
                (self.id("Runbooks", &runbook("Restart")), self.id("Runbooks", &runbook("Backup")));
            let (tags, more) = (self.tags(number, 2), self.tags(number + 2, 1));
            let columns = row!["IsVersionControlled" => true, "ProjectTags" => self.pipe(tags),
                "ProvisioningRunbookId" => up.as_str(), "DeprovisioningRunbookId" => down.as_str()];
            let mut members =
                json!({ "ProjectTags": more, "ProvisioningRunbookId": up, "DeprovisioningRunbookId": down });
            if name == "Docs" {
                members["PersistenceSettings"] = json!({ "Type": "VersionControlled",
                    "Credentials": { "Type": "GitHub", "Id": self.github(number) },
                    "ConversionState": { "VariablesAreInGit": true, "RunbooksAreInGit": false } });
            }
            self.change("Project", &id, columns, members);
            for (index, channel) in ["Default", "Hotfix"].into_iter().enumerate() {
                let id = self.id("Channels", &format!("{name} {channel}"));
                let parent = self.one("ParentEnvironments", number);
                let (columns, members) = match index {
                    0 => (row!["Type" => "Lifecycle"], json!({ "ParentEnvironmentId": parent })),
                    _ => (row!["Type" => "EphemeralEnvironment", "ParentEnvironmentId" => parent], json!({})),
                };
                self.change("Channel", &id, columns, members);
            }
            for label in ["Restart", "Backup"] {
                let id = self.id("Runbooks", &runbook(label));
                let (tags, more) = (self.tags(number, 1), self.tags(number + 3, 2));
                let columns = row!["RunbookTags" => self.pipe(tags)];
                self.change("Runbook", &id, columns, json!({ "RunbookTags": more }));
            }
            let library = self.id("LibraryVariableSets", if number == 1 { "Hosting" } else { "Common" });
            self.put(
                "ProjectLibraryVariableSet",
                row!["ProjectId" => id, "LibraryVariableSetId" => library],
                json!({}),
            );
            let id = self.id("ProjectTriggers", &format!("{name} Nightly"));
            let filter = json!({ "FilterType": "WebhookFilter", "WebhookId": self.guid(&format!("{name} webhook")),
                "RequireApiKey": false, "Secret": self.secret("webhook") });
            self.change("ProjectTrigger", &id, vec![], json!({ "Filter": filter }));
        }
    }

    /// Several values of one template, each for some environments; the list in a column or in JSON.
    fn tenant_values_by_environment(&mut self) {
        for tenant in ["Acme", "Globex"] {
            for (number, names) in
                [&["Development"][..], &["Test", "Production"], &["pr-1"]].into_iter().enumerate()
            {
                let mut environments: Vec<String> =
                    names.iter().map(|name| self.id("Environments", name)).collect();
                if self.numbering.reverse {
                    environments.reverse();
                }
                let label = format!("{tenant} Common Line {number}");
                let mut row = row!["Id" => self.id("TenantVariables", &label), "TenantId" => self.id("Tenants", tenant),
                    "EnvironmentId" => None::<String>, "OwnerId" => self.id("LibraryVariableSets", "Common"),
                    "VariableTemplateId" => self.guid("Common Line")];
                let mut body = json!({ "Value": self.text("by environment") });
                if number == 1 {
                    row.extend(row!["EnvironmentIds" => self.pipe(environments)]);
                } else {
                    body["Scope"] = json!({ "EnvironmentIds": environments });
                }
                self.put("TenantVariable", row, body);
            }
        }
    }

    fn approval_policies(&mut self) {
        for (number, name) in ["Production", "Everything"].into_iter().enumerate() {
            let row = row!["Id" => self.id("ApprovalPolicies", name), "Name" => name, "IsDisabled" => false];
            let body = json!({
                "Description": self.text("approval"),
                "ScopingStrategy": if number == 0 { "Tag" } else { "Id" },
                "TagScopes": [{ "Id": self.guid("tags"), "ProjectTags": self.tags(number, 2), "EnvironmentTags": self.tags(number + 1, 1) }],
                "IdScopes": [{ "Id": self.guid("ids"), "ProjectId": self.one("Projects", number),
                    "EnvironmentIds": self.some("Environments", number, 2) }],
                "MinimumApproversRequired": 2, "AllowSelfApproval": false,
                "ApprovingUserIds": self.some("Users", number, 2), "ApprovingTeamIds": self.some("Teams", number, 2),
            });
            self.put("ApprovalPolicy", row, body);
        }
    }

    /// What the server has for all of its spaces.
    pub fn newest_of_server(&mut self) {
        for (number, owned) in [false, true, true].into_iter().enumerate() {
            let name = format!("Freeze {number}");
            let project = self.one("Projects", number);
            let mut scope = serde_json::Map::new();
            scope.insert(project, json!(self.some("Environments", number, 2)));
            let owner = owned.then(|| self.id("Projects", "Web"));
            let row = row!["Id" => self.global("DeploymentFreezes", &name), "Name" => name.as_str(), "OwnerId" => owner,
                "Start" => "2026-12-20 00:00:00.0000000+00:00", "End" => "2027-01-02 00:00:00.0000000+00:00"];
            let body = json!({
                "ProjectEnvironmentScope": Json::Object(scope),
                "TenantProjectEnvironmentScope": [{ "TenantId": self.one("Tenants", number),
                    "ProjectId": self.one("Projects", number + 1), "EnvironmentId": self.one("Environments", number) }],
                "RecurringSchedule": { "Type": "Annually", "Unit": 1, "EndType": "Never", "Note": self.text("again") },
            });
            self.put("DeploymentFreeze", row, body);
        }
        for name in ["Hub AWS", "Hub Azure"] {
            let row = row!["Id" => self.global("PlatformHubAccounts", name), "Name" => name,
                "AccountType" => "AmazonWebServicesAccount"];
            let body = json!({ "AccessKey": self.text("key"), "SecretKey": self.secret("hub"),
                "Password": self.secret("hub"), "JsonKey": self.secret("hub") });
            self.put("PlatformHubAccount", row, body);
            let row = row!["Id" => self.global("PlatformHubGitCredentials", name), "Name" => name];
            let body =
                json!({ "Details": { "Username": self.text("user"), "Password": self.secret("hub git") } });
            self.put("PlatformHubGitCredential", row, body);
            let row = row!["Id" => self.global("PlatformHubPolicies", name), "Slug" => name.to_lowercase(),
                "Version" => "1.0.0", "IsActive" => true];
            let body = json!({ "ConditionsRego": self.text("package a") });
            self.put("PlatformHubPolicy", row, body);
        }
        let account = self.global("Users", "ann");
        for name in ["CI", "Laptop"] {
            let row = row!["Id" => self.global("ServiceAccountOidcIdentities", name), "ServiceAccountId" => account.as_str(),
                "Name" => name, "Issuer" => "https://token.example", "Subject" => self.text("repo:a/b")];
            self.put("ServiceAccountOidcIdentity", row, json!({ "Audience": "api" }));
        }
        // What stays.
        let own = self.numbering.offset;
        let gateway = row!["Id" => format!("ArgoCDGateways-{own}"), "Name" => format!("gateway {own}")];
        self.put("ArgoCDGateway", gateway, json!({}));
        let row = row!["Id" => "platformhub"];
        let password = self.encrypted(&format!("hub of {own}"));
        let body = json!({ "Url": "https://g", "Credentials": { "Type": "UsernamePassword", "Password": password } });
        self.put("PlatformHubVersionControlSettings", row, body);
    }

    /// Adds columns and members to a row.
    fn change(&mut self, table: &'static str, id: &str, columns: Vec<(&'static str, Sql)>, members: Json) {
        let mut body = self.body(table, id);
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.update(table, id, columns, &body);
    }
}
