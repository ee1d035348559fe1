//! Tenants, their links, their values; and the documents that only one server has.

use serde_json::{Map, Value as Json, json};

use super::rows::row;
use super::world::World;
use super::{ACCOUNT_TRAP, TRAP};

impl World {
    pub fn tenants(&mut self) {
        for (number, name) in ["Acme", "Globex"].into_iter().enumerate() {
            let mut links = Map::new();
            let mut projects = Vec::new();
            for index in 0..2 {
                let project = self.joined("Projects", number + index);
                let environments: Vec<String> =
                    (0..=index).map(|n| self.joined("Environments", number + n)).collect();
                links.insert(project.clone(), json!(environments));
                projects.push(project);
            }
            let tags = self.tags(number, number * 2);
            let row = row!["Id" => self.id("Tenants", name), "Name" => name,
                "ProjectIds" => self.full_pipe(projects), "TenantTags" => self.pipe(tags)];
            let cloned = if number == 1 { Some(self.one("Tenants", 0)) } else { None };
            let body = json!({ "Description": self.text("tenant"), "ProjectEnvironments": links,
                "ClonedFromTenantId": cloned });
            self.put("Tenant", row, body);
            self.tenant_variables(number, name);
        }
    }

    /// Values for the templates of a project, by environment, and of a library set, for all of them.
    fn tenant_variables(&mut self, number: usize, tenant: &str) {
        for (prefix, owner, environment) in [
            ("Projects", "Web", Some("Development")),
            ("Projects", "Web", Some("Test")),
            ("LibraryVariableSets", "Common", None),
        ] {
            for (index, (template, pool)) in [
                ("Aws", "Accounts"),
                ("Azure", "Accounts"),
                ("Google", "Accounts"),
                ("Login", "Accounts"),
                ("Oidc", "Accounts"),
                ("Certificate", "Certificates"),
                ("Pool", "WorkerPools"),
                ("Feed", "Feeds"),
                ("Package", "Feeds"),
                ("Environment", "Environments"),
                ("Project", "Projects"),
                ("Tenant", "Tenants"),
                ("Channel", "Channels"),
                ("Secret", ""),
                ("Line", "-"),
                ("Computed", "-"),
            ]
            .into_iter()
            .enumerate()
            {
                let environment = environment.map(|name| self.id("Environments", name));
                let (value, related) = match (pool, template) {
                    ("", _) => (json!({ "SensitiveValue": self.secret("tenant") }), None),
                    (_, "Line") if self.twist.close => (json!(ACCOUNT_TRAP), None),
                    (_, "Line") => (json!(TRAP), None),
                    ("-", _) => (json!("#{Pool}"), None),
                    (pool, _) => {
                        let id = match pool {
                            "Channels" => self.channel(number + index),
                            pool => self.one(pool, number + index),
                        };
                        (json!(id), Some(id))
                    }
                };
                let label = format!("{tenant} {owner} {environment:?} {template}");
                let row = row!["Id" => self.id("TenantVariables", &label), "TenantId" => self.id("Tenants", tenant),
                    "EnvironmentId" => environment, "OwnerId" => self.id(prefix, owner),
                    "VariableTemplateId" => self.guid(&format!("{owner} {template}")), "RelatedDocumentId" => related];
                self.put("TenantVariable", row, json!({ "Value": value }));
            }
        }
    }

    /// What only this server has, among it links to what both have.
    pub fn extras(&mut self) {
        let environment = self.id("Environments", "Staging");
        let row = row!["Id" => environment.as_str(), "Name" => "Staging", "SortOrder" => 9];
        let body = json!({ "Description": self.text("extra") });
        self.put("DeploymentEnvironment", row, body);
        let account = self.id("Accounts", "Extra");
        let row = row!["Id" => account.as_str(), "Name" => "Extra", "AccountType" => "Token",
            "EnvironmentIds" => self.full_pipe(vec![environment.clone()])];
        let body = json!({ "Token": self.secret("extra") });
        self.put("Account", row, body);
        self.project(0, "Extra");
        let project = self.id("Projects", "Extra");
        let variables = vec![
            json!({ "Id": self.own_guid("extra"), "Name": "A", "Type": "String", "Value": "a",
                "Scope": { "Environment": [environment], "Machine": [self.id("Machines", "web-01")] } }),
            json!({ "Id": self.own_guid("extra 2"), "Name": "B", "Type": "AzureAccount", "Value": account, "Scope": {} }),
        ];
        self.variable_set("Project", &project, variables);
        // A channel of a project that both have, and a tenant that is linked to both projects.
        let web = self.id("Projects", "Web");
        let row = row!["Id" => self.id("Channels", "Web Extra"), "Name" => "Extra", "ProjectId" => web.as_str(),
            "LifecycleId" => self.id("Lifecycles", "Hotfix only"), "TenantTags" => self.pipe(vec![])];
        self.put("Channel", row, json!({}));
        let mut links = Map::new();
        links.insert(web.clone(), json!([environment]));
        links.insert(project.clone(), json!([self.id("Environments", "Test"), environment]));
        let tags = vec![self.tag("Ring", "Beta")];
        let row = row!["Id" => self.id("Tenants", "Initech"), "Name" => "Initech",
            "ProjectIds" => self.full_pipe(vec![web, project]), "TenantTags" => self.pipe(tags)];
        self.put("Tenant", row, json!({ "ProjectEnvironments": Json::Object(links) }));
    }
}
