//! Variable sets: every key of a scope, every type whose value is an id.

use serde_json::{Value as Json, json};

use super::TRAP;
use super::rows::{Sql, row};
use super::world::World;

/// The types of variables whose value is an id, and what they lead to.
pub const TYPES: &[(&str, &str)] = &[
    ("AmazonWebServicesAccount", "Accounts"),
    ("AzureAccount", "Accounts"),
    ("GoogleCloudAccount", "Accounts"),
    ("UsernamePasswordAccount", "Accounts"),
    ("UsernamePassword", "Accounts"),
    ("GenericOidcAccount", "Accounts"),
    ("Certificate", "Certificates"),
    ("WorkerPool", "WorkerPools"),
];

impl World {
    pub fn variable_sets(&mut self) {
        for (number, name) in ["Web", "Api", "Docs"].into_iter().enumerate() {
            let owner = self.id("Projects", name);
            let variables = self.project_variables(name, number);
            self.variable_set("Project", &owner, variables);
        }
        for (number, name) in ["Common", "Hosting"].into_iter().enumerate() {
            let owner = self.id("LibraryVariableSets", name);
            let mut variables = self.typed_variables(name, number);
            variables.extend(self.plain_variables(name, number));
            self.variable_set("LibraryVariableSet", &owner, variables);
        }
        for name in ["Module A", "Module B"] {
            let owner = self.id("LibraryVariableSets", name);
            let script = format!("function Do-It {{ '{TRAP}' }}");
            let body = self.variable(
                name,
                &format!("Octopus.Script.Module[{name}]"),
                "String",
                json!(script),
                json!({}),
            );
            let syntax = format!("Octopus.Script.Module.Language[{name}]");
            let language = self.variable(name, &syntax, "String", json!("PowerShell"), json!({}));
            self.variable_set("LibraryVariableSet", &owner, vec![body, language]);
        }
        // Servers of long ago had sets for environments.
        for name in ["Development", "Test"] {
            let owner = self.id("Environments", name);
            let variables = self.plain_variables(name, 0);
            self.variable_set("Environment", &owner, variables);
        }
    }

    pub fn variable_set(&mut self, owner_type: &str, owner: &str, variables: Vec<Json>) {
        let row = row!["Id" => format!("variableset-{owner}"), "OwnerId" => owner, "OwnerType" => owner_type,
            "Version" => 5 + self.numbering.offset as i64, "IsFrozen" => false, "RelatedDocumentIds" => Sql::Null];
        self.put("VariableSet", row, json!({ "Variables": variables }));
    }

    fn variable(&mut self, owner: &str, name: &str, kind: &str, value: Json, scope: Json) -> Json {
        let id = self.own_guid(&format!("{owner} {name} {kind} {scope}"));
        json!({ "Id": id, "Name": name, "Description": "what it is for", "Type": kind, "Value": value,
            "Scope": scope, "IsEditable": true, "Prompt": null })
    }

    /// Of every type, without a scope: joined by name.
    fn typed_variables(&mut self, owner: &str, number: usize) -> Vec<Json> {
        let mut list = Vec::new();
        for (index, (kind, prefix)) in TYPES.iter().enumerate() {
            let value = self.joined(prefix, number + index);
            list.push(self.variable(owner, &format!("The {kind}"), kind, json!(value), json!({})));
        }
        list.push(self.variable(owner, "Computed pool", "WorkerPool", json!("#{Pool}"), json!({})));
        list.push(self.variable(owner, "No certificate", "Certificate", Json::Null, json!({})));
        list
    }

    fn plain_variables(&mut self, owner: &str, number: usize) -> Vec<Json> {
        let secret = self.joined_text("secret");
        let secret = self.encrypted(&secret);
        let empty = self.encrypted("");
        let text = self.joined_text("value");
        let scope = json!({ "Environment": [self.joined("Environments", number)] });
        let scoped = self.joined_text("scoped");
        let scoped_secret = self.encrypted(&scoped);
        let mut list = vec![
            self.variable(owner, "Text", "String", json!(text), json!({})),
            self.variable(owner, "Looks like an id", "String", json!(TRAP), json!({ "Role": [TRAP, "web"] })),
            self.variable(owner, "Scoped", "String", json!(scoped), scope.clone()),
            self.variable(owner, "Password", "Sensitive", json!(secret), json!({})),
            self.variable(owner, "Password", "Sensitive", json!(scoped_secret), scope),
            self.variable(owner, "Empty password", "Sensitive", json!(empty), json!({})),
            self.variable(owner, "No password", "Sensitive", Json::Null, json!({})),
            // Nothing forbids two of one name and one scope.
            self.variable(owner, "Twice", "String", json!("one"), json!({})),
            self.variable(owner, "Twice", "String", json!("two"), json!({})),
        ];
        list[8]["Id"] = json!(self.own_guid(&format!("{owner} twice")));
        list[0]["Prompt"] = json!({ "Label": "Which?", "Required": true,
            "DisplaySettings": { "Octopus.ControlType": "SingleLineText" } });
        if self.twist.joined > 0 {
            list.push(self.variable(owner, "Only here", "String", json!("stays"), json!({ "Role": ["db"] })));
            let secret = self.encrypted("stays secret");
            list.push(self.variable(owner, "Only here", "Sensitive", json!(secret), json!({})));
        }
        list
    }

    /// Of every scope.
    fn project_variables(&mut self, project: &'static str, number: usize) -> Vec<Json> {
        let mut list = self.typed_variables(project, number);
        list.extend(self.plain_variables(project, number));
        let twist = self.twist.joined;
        let channel = ["Default", "Hotfix"][(number + twist) % 2];
        let mut scopes = vec![
            (
                "Environment",
                vec![self.joined("Environments", number), self.joined("Environments", number + 1)],
            ),
            ("Machine", vec![self.joined("Machines", number), self.joined("Machines", number + 3)]),
            ("Channel", vec![self.id("Channels", &format!("{project} {channel}"))]),
            ("Tenant", vec![self.joined("Tenants", number)]),
            ("TenantTag", self.tags_twisted(number, 2, twist)),
            ("ProcessOwner", vec![self.id("Projects", project)]),
            ("Project", vec![self.joined("Projects", number)]),
            ("Trigger", vec![self.id("ProjectTriggers", &format!("{project} Nightly"))]),
            ("User", vec![self.joined("Users", number)]),
            ("Role", vec!["web".to_owned(), TRAP.to_owned()]),
            ("TargetRole", vec![TRAP.to_owned()]),
            ("Action", vec![self.guid(&format!("{project} script"))]),
            ("Private", vec!["True".to_owned()]),
            ("ProjectTemplate", vec![self.guid(&format!("{project} Pool"))]),
        ];
        if self.spaces() {
            scopes[5].1.push(self.id("Runbooks", &format!("{project} Restart")));
        }
        for (key, ids) in &scopes {
            let value = self.joined_text(key);
            list.push(self.variable(
                project,
                &format!("By {key}"),
                "String",
                json!(value),
                json!({ *key: ids }),
            ));
        }
        let several = json!({ "Environment": scopes[0].1, "Machine": scopes[1].1, "Tenant": scopes[3].1, "Role": ["web"] });
        let pool = self.joined("WorkerPools", number);
        list.push(self.variable(project, "By several", "WorkerPool", json!(pool), several));
        list
    }
}
