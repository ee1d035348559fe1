//! Variable sets: scoped, sensitive, and of every type whose value is an id.

use serde_json::{Map, Value as Json, json};

use super::DemoError;
use super::writer::Writer;
use crate::document::Value;

/// The variables of one owner.
pub(super) struct Variables<'a> {
    owner: &'a str,
    list: Vec<Json>,
    related: Vec<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn of(owner: &'a str) -> Self {
        Self { owner, list: Vec::new(), related: Vec::new() }
    }

    /// Adds a variable. A scope that was asked for and that this site cannot have takes the variable with it.
    pub(super) fn add(
        &mut self,
        w: &Writer<'_>,
        name: &str,
        kind: &str,
        value: Json,
        scope: &[(&str, Vec<String>)],
    ) {
        if scope.iter().any(|(_, ids)| ids.is_empty()) {
            return;
        }
        let mut scopes = Map::new();
        for (field, ids) in scope {
            scopes.insert((*field).to_owned(), json!(ids));
            if !matches!(*field, "Role" | "Action") {
                self.relate(ids);
            }
        }
        if kind.ends_with("Account") || kind == "Certificate" || kind == "WorkerPool" {
            self.relate(value.as_str().map(str::to_owned).as_slice());
        }
        let id = w.own_guid(&format!("variable {} {name} {}", self.owner, self.list.len()));
        self.list.push(json!({ "Id": id, "Name": name, "Type": kind, "Value": value, "Scope": scopes,
            "Description": null, "IsEditable": true, "Prompt": null }));
    }

    /// Adds text for everywhere.
    pub(super) fn text(&mut self, w: &Writer<'_>, name: &str, value: &str) {
        self.add(w, name, "String", json!(value), &[]);
    }

    /// Adds text for some environments.
    pub(super) fn text_in(&mut self, w: &Writer<'_>, name: &str, value: &str, environments: &[&str]) {
        self.add(w, name, "String", json!(value), &[("Environment", w.list("Environment", environments))]);
    }

    /// Adds a secret.
    pub(super) fn secret(
        &mut self,
        w: &mut Writer<'_>,
        name: &str,
        shared: bool,
        scope: &[(&str, Vec<String>)],
    ) -> Result<(), DemoError> {
        let value = w.secret(&format!("{} {name} {}", self.owner, self.list.len()), shared)?;
        self.add(w, name, "Sensitive", json!(value), scope);
        Ok(())
    }

    /// Adds a variable whose value is an id, if this site has the document.
    pub(super) fn document(
        &mut self,
        w: &Writer<'_>,
        name: &str,
        kind: &str,
        of: &'static str,
        document: &str,
    ) {
        if let Some(id) = w.find(of, document) {
            self.add(w, name, kind, json!(id), &[]);
        }
    }

    /// Lets a person give the value when a release is deployed.
    pub(super) fn prompted(&mut self, w: &Writer<'_>, name: &str, label: &str) {
        self.add(w, name, "String", json!(""), &[]);
        if let Some(variable) = self.list.last_mut().and_then(Json::as_object_mut) {
            let prompt = json!({ "Label": label, "Description": "", "Required": true,
                "DisplaySettings": { "Octopus.ControlType": "SingleLineText" } });
            variable.insert("Prompt".to_owned(), prompt);
        }
    }

    fn relate(&mut self, ids: &[String]) {
        for id in ids {
            if !self.related.contains(id) {
                self.related.push(id.clone());
            }
        }
    }

    /// Writes the set. Returns its id.
    pub(super) fn put(self, w: &mut Writer<'_>, owner: &str, owner_type: &str) -> Result<String, DemoError> {
        let id = format!("variableset-{owner}");
        let version = w.pick(12, 5) + self.list.len() as i64;
        let columns = [
            ("Id", id.as_str().into()),
            ("OwnerId", owner.into()),
            ("OwnerType", owner_type.into()),
            ("Version", Value::Int(version)),
            ("IsFrozen", false.into()),
            ("RelatedDocumentIds", w.pipe(&self.related)),
        ];
        w.put("VariableSet", &columns, &json!({ "Variables": self.list }))?;
        Ok(id)
    }
}

/// A variable template of a project or a library set, to be filled in for each tenant.
pub(super) fn template(w: &Writer<'_>, owner: &str, name: &str, control: &str, default: Json) -> Json {
    json!({ "Id": w.guid(&format!("template {owner} {name}")), "Name": name, "Label": name,
        "HelpText": "", "DefaultValue": default, "DisplaySettings": { "Octopus.ControlType": control } })
}

/// Library variable sets and script modules of the default space.
pub(super) fn libraries(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let mut notifications = Variables::of("Notifications");
    notifications.text(w, "Notify.From", "octopus@heron.example");
    notifications.text(w, "Notify.Retries", w.pick("5", "3"));
    notifications.text_in(w, "Notify.To", "shop@heron.example", &["Production"]);
    notifications.text_in(w, "Notify.To", "dev@heron.example", &["Development", "Test"]);
    notifications.secret(w, "Notify.ApiKey", false, &[])?;
    library(w, "Notifications", "Variables", notifications, Vec::new())?;

    let mut hosting = Variables::of("Hosting");
    hosting.document(w, "Hosting.Azure", "AzureAccount", "Account", "Azure Shop");
    hosting.document(w, "Hosting.Aws", "AmazonWebServicesAccount", "Account", "AWS Media");
    hosting.document(w, "Hosting.Google", "GoogleCloudAccount", "Account", "Google Analytics Export");
    hosting.document(w, "Hosting.User", "UsernamePasswordAccount", "Account", "Deploy User");
    hosting.document(w, "Hosting.Certificate", "Certificate", "Certificate", "shop.heron.example");
    hosting.document(w, "Hosting.Pool", "WorkerPool", "WorkerPool", "Linux Workers");
    let batch = w.list("Machine", &["batch-1"]);
    hosting.add(w, "Hosting.Threads", "String", json!("16"), &[("Machine", batch)]);
    let web = vec!["web".to_owned(), "app".to_owned()];
    hosting.add(w, "Hosting.Threads", "String", json!("4"), &[("Role", web)]);
    if !w.is_build() {
        hosting.text(w, "Hosting.OnlyHere", "kept by the target");
    }
    let account = w.find("Account", "AWS Media").map(Json::from).unwrap_or_default();
    let key = json!({ "SensitiveValue": w.secret("branch-default", true)? });
    let templates = vec![
        template(w, "Hosting", "Branch.Name", "SingleLineText", json!("unnamed")),
        template(w, "Hosting", "Branch.Key", "Sensitive", key),
        template(w, "Hosting", "Branch.Cloud", "AmazonWebServicesAccount", account),
    ];
    library(w, w.pick("Hosting", "hosting"), "Variables", hosting, templates)?;

    let mut module = Variables::of("Deployment Helpers");
    module.text(
        w,
        "Octopus.Script.Module[Deployment Helpers]",
        "function Write-Banner($text) {\n  Write-Host \"== $text ==\"\n}\n",
    );
    module.text(w, "Octopus.Script.Module.Language[Deployment Helpers]", "PowerShell");
    library(w, "Deployment Helpers", "ScriptModule", module, Vec::new())?;

    if w.is_build() {
        let mut flags = Variables::of("Feature Flags");
        for flag in ["NewCart", "Recommendations", "GiftWrap", "Ébauche"] {
            flags.text(w, &format!("Feature[{flag}]"), "false");
            flags.text_in(w, &format!("Feature[{flag}]"), "true", &["Development", "Test"]);
        }
        library(w, "Feature Flags", "Variables", flags, Vec::new())?;
    }
    Ok(())
}

fn library(
    w: &mut Writer<'_>,
    name: &str,
    content: &str,
    variables: Variables<'_>,
    templates: Vec<Json>,
) -> Result<(), DemoError> {
    let id = w.next_named("LibraryVariableSet", "LibraryVariableSet", "LibraryVariableSets-", name);
    let set = variables.put(w, &id, "LibraryVariableSet")?;
    let columns = [
        ("Id", id.into()),
        ("Name", name.into()),
        ("VariableSetId", set.into()),
        ("ContentType", content.into()),
    ];
    w.put(
        "LibraryVariableSet",
        &columns,
        &json!({ "Description": format!("{name}."), "Templates": templates }),
    )
}
