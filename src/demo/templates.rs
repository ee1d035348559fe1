//! Step templates, their earlier versions, and those from the community's library.

use serde_json::{Value as Json, json};

use super::DemoError;
use super::writer::Writer;
use crate::document::Value;

const NOTIFY: &str = "Chat - Post a Message";
const BACKUP: &str = "SQL - Backup \"Before\" Upgrade";

/// Templates of the library that both servers know, and one that only Build has heard of.
pub(super) fn community(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let names: &[&str] = w.pick(&[NOTIFY, "File - Clean Up Old Releases", BACKUP], &[BACKUP, NOTIFY]);
    for name in names {
        let id = w.next_named(
            "CommunityActionTemplate",
            "CommunityActionTemplate",
            "CommunityActionTemplates-",
            name,
        );
        let columns = [
            ("Id", id.into()),
            ("Name", (*name).into()),
            ("ExternalId", w.guid(&format!("community {name}")).into()),
        ];
        let body = json!({ "Description": format!("{name}, from the library."), "Type": "Octopus.Script",
            "Version": 3, "Author": "somebody", "HistoryUrl": "https://library.heron.example/history",
            "Properties": { "Octopus.Action.Script.ScriptBody": "Write-Host 'from the library'" },
            "Parameters": [] });
        w.put("CommunityActionTemplate", &columns, &body)?;
    }
    Ok(())
}

/// The templates of the default space.
pub(super) fn in_space(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let sensitive = |value: String| json!({ "SensitiveValue": value });
    let token = w.secret("chat-token", false)?;
    let notify = vec![
        parameter(w, "Chat.Channel", "SingleLineText", json!("#releases")),
        parameter(w, "Chat.Token", "Sensitive", sensitive(token)),
    ];
    let script = "$body = @{ channel = $ChatChannel; text = \"$OctopusProject is out\" } | ConvertTo-Json\n\
                  Invoke-RestMethod -Method Post -Uri 'https://chat.heron.example' -Body $body";
    template(w, NOTIFY, w.pick(4, 2), Some(NOTIFY), script, notify)?;

    let pool = w.find("WorkerPool", "Linux Workers").map(Json::from).unwrap_or_default();
    let account = w.find("Account", "Deploy User").map(Json::from).unwrap_or_default();
    let backup = vec![
        parameter(w, "Sql.Server", "SingleLineText", json!("#{Database.Server}")),
        parameter(w, "Sql.Account", "UsernamePasswordAccount", account),
        parameter(w, "Sql.Pool", "WorkerPool", pool),
    ];
    let script =
        "Backup-SqlDatabase -ServerInstance $SqlServer -Database $SqlDatabase -CompressionOption On\n";
    template(w, BACKUP, 2, Some(BACKUP), script, backup)?;

    let azure = w.find("Account", "Azure Shop").map(Json::from).unwrap_or_default();
    let certificate = w.find("Certificate", "Service Client").map(Json::from).unwrap_or_default();
    let warm = vec![
        parameter(w, "Warm.Urls", "MultiLineText", json!("/\n/catalogue\n/cart")),
        parameter(w, "Warm.Account", "AzureAccount", azure),
        parameter(w, "Warm.Certificate", "Certificate", certificate),
    ];
    let script = "#!/bin/bash\nset -euo pipefail\nfor url in $(get_octopusvariable \"Warm.Urls\"); do\n  \
                  curl --fail --silent \"https://shop.heron.example$url\" > /dev/null\ndone\n";
    template(w, "Warm Up / Smoke Test", w.pick(3, 1), None, script, warm)?;
    if !w.is_build() {
        template(w, "Freeze Window", 1, None, "Write-Host 'no deployments before nine'", Vec::new())?;
    }
    Ok(())
}

fn parameter(w: &Writer<'_>, name: &str, control: &str, default: Json) -> Json {
    json!({ "Id": w.guid(&format!("parameter {name}")), "Name": name, "Label": name.replace('.', " "),
        "HelpText": null, "DefaultValue": default, "DisplaySettings": { "Octopus.ControlType": control } })
}

/// A template and the versions before it.
fn template(
    w: &mut Writer<'_>,
    name: &str,
    version: i64,
    community: Option<&str>,
    script: &str,
    parameters: Vec<Json>,
) -> Result<(), DemoError> {
    let id = w.next_named("ActionTemplate", "ActionTemplate", "ActionTemplates-", name);
    let community = community.and_then(|name| w.find("CommunityActionTemplate", name));
    let syntax = if script.starts_with("#!") { "Bash" } else { "PowerShell" };
    let feed = w.of("Feed", "Heron Packages")?;
    let body = |version: i64| {
        json!({ "Description": format!("{name}, as Heron Books does it."), "Properties": {
            "Octopus.Action.Script.ScriptSource": "Inline", "Octopus.Action.Script.Syntax": syntax,
            "Octopus.Action.Script.ScriptBody": format!("{script}# revision {version}\n") },
            "Parameters": parameters, "GitDependencies": [],
            "Packages": [{ "Id": null, "Name": "tools", "PackageId": "Heron.Tools", "FeedId": feed,
                "AcquisitionLocation": "Server", "Properties": {} }] })
    };
    let columns = [
        ("Id", id.as_str().into()),
        ("Name", name.into()),
        ("Version", Value::Int(version)),
        ("ActionType", "Octopus.Script".into()),
        ("CommunityActionTemplateId", community.map_or(Value::Null, Value::Text)),
    ];
    w.put("ActionTemplate", &columns, &body(version))?;
    for earlier in 1..=version {
        let number = w.next("ActionTemplateVersion", "ActionTemplateVersions-");
        let stamp = w.number(&format!("{number} {name}")) % 1_000_000;
        let columns = [
            ("Id", format!("{number}-{stamp:06}").into()),
            ("Name", name.into()),
            ("Version", Value::Int(earlier)),
            ("LatestActionTemplateId", id.as_str().into()),
            ("ActionType", "Octopus.Script".into()),
        ];
        w.put("ActionTemplateVersion", &columns, &body(earlier))?;
    }
    Ok(())
}
