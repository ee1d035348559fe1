//! Tenants, what they are connected to, and their values for the templates of projects and library sets.

use serde_json::{Map, Value as Json, json};

use super::DemoError;
use super::writer::Writer;
use crate::document::Value;

/// Name, tags, whether Build has the tenant, whether Production has.
const TENANTS: [(&str, &[&str], bool, bool); 8] = [
    ("Kestrel & Sons", &["Region/Europe", "Tier/Gold"], true, true),
    ("Avocet Books", &["Region/Europe", "Tier/Silver"], true, true),
    ("Plover Stationers", &["Region/Americas", "Tier/Silver"], true, true),
    ("Curlew/Whimbrel", &["Region/Asia Pacific", "Tier/Gold"], true, false),
    ("Bücher Steinwälzer", &["Region/Europe", "Tier/Early Adopter"], true, false),
    ("Sandpiper \"Kids\"", &["Region/Americas"], true, true),
    ("Dunlin", &[], true, false),
    ("Old Turnstone", &["Tier/Legacy"], false, true),
];

/// Writes the tenants of the default space.
pub(super) fn build(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let here: Vec<_> = TENANTS.iter().filter(|t| w.pick(t.2, t.3)).collect();
    let order: Vec<_> = if w.is_build() { here } else { here.into_iter().rev().collect() };
    let mut original: Option<String> = None;
    for (name, tags, ..) in order {
        let id = w.next_named("Tenant", "Tenant", "Tenants-", name);
        let mut links = Map::new();
        let mut projects = Vec::new();
        for (project, environments) in [
            ("Branch Portal", w.pick(["Staging", "Production"], ["Production", "Training"])),
            ("Shop Web", ["Production", "Test"]),
        ] {
            if project == "Shop Web" && tags.is_empty() {
                continue;
            }
            if let Some(project) = w.find("Project", project) {
                links.insert(project.clone(), json!(w.list("Environment", &environments)));
                projects.push(project);
            }
        }
        let columns = [
            ("Id", id.as_str().into()),
            ("Name", (*name).into()),
            ("ProjectIds", w.pipe(&projects)),
            ("TenantTags", w.pipe(&w.list("Tag", tags))),
        ];
        let body = json!({ "Description": format!("A branch of Heron Books: {name}."),
            "ProjectEnvironments": links, "ClonedFromTenantId": original });
        w.put("Tenant", &columns, &body)?;
        values(w, &id, name)?;
        if name.starts_with("Avocet") {
            original = Some(id);
        }
    }
    Ok(())
}

fn values(w: &mut Writer<'_>, tenant: &str, name: &str) -> Result<(), DemoError> {
    let library = w.of("LibraryVariableSet", "Hosting")?;
    value(w, tenant, &library, None, "Hosting Branch.Name", json!(name), None)?;
    let key = w.secret(&format!("branch {name}"), w.number(name).is_multiple_of(2))?;
    value(w, tenant, &library, None, "Hosting Branch.Key", json!({ "SensitiveValue": key }), None)?;
    if w.number(name).is_multiple_of(3) || name.starts_with("Kestrel") {
        let account = w.of("Account", "AWS Media")?;
        value(w, tenant, &library, None, "Hosting Branch.Cloud", json!(account), Some(account))?;
    }
    let Some(portal) = w.find("Project", "Branch Portal") else { return Ok(()) };
    for environment in w.list("Environment", &["Staging", "Production"]) {
        let label = "Branch Portal Portal.Url";
        let url = format!("https://{:x}.branches.heron.example", w.number(name) >> 40);
        value(w, tenant, &portal, Some(&environment), label, json!(url), None)?;
    }
    if let Some(environment) = w.find("Environment", "Production") {
        let password = w.secret(&format!("portal {name}"), false)?;
        let password = json!({ "SensitiveValue": password });
        value(w, tenant, &portal, Some(&environment), "Branch Portal Portal.Password", password, None)?;
    }
    Ok(())
}

fn value(
    w: &mut Writer<'_>,
    tenant: &str,
    owner: &str,
    environment: Option<&str>,
    template: &str,
    value: Json,
    related: Option<String>,
) -> Result<(), DemoError> {
    let columns = [
        ("Id", w.next("TenantVariable", "TenantVariables-").into()),
        ("TenantId", tenant.into()),
        ("EnvironmentId", environment.map_or(Value::Null, Value::from)),
        ("OwnerId", owner.into()),
        ("VariableTemplateId", w.guid(&format!("template {template}")).into()),
        ("RelatedDocumentId", related.map_or(Value::Null, Value::Text)),
    ];
    w.put("TenantVariable", &columns, &json!({ "Value": value }))
}
