//! Step templates, their versions, and the community's.

use serde_json::json;

use super::rows::{guid, row};
use super::world::World;

impl World {
    pub fn community(&mut self) {
        for name in ["Slack", "Teams"] {
            let row = row!["Id" => self.global("CommunityActionTemplates", name), "Name" => name,
                "ExternalId" => guid(name)];
            let body = json!({ "Description": self.text("community"),
                "Properties": { "Octopus.Action.Script.ScriptBody": "echo",
                    "Hidden": { "SensitiveValue": self.secret("community") } },
                "Parameters": [{ "Name": "Hook", "DefaultValue": { "SensitiveValue": self.secret("community") },
                    "DisplaySettings": { "Octopus.ControlType": "Sensitive" } }] });
            self.put("CommunityActionTemplate", row, body);
        }
    }

    pub fn templates(&mut self) {
        for (number, name) in ["Run a thing", "Deploy a thing"].into_iter().enumerate() {
            let latest = self.id("ActionTemplates", name);
            let community = match number {
                0 => None,
                number => Some(self.one("CommunityActionTemplates", number)),
            };
            // The versions differ; a reference leads to the template whatever its version.
            for version in [1, 2] {
                let mut body = json!({
                    "Description": self.text("template"),
                    "Properties": self.bag(number + version as usize),
                    "Parameters": self.parameters(name, number + version as usize),
                    "Packages": [{ "PackageId": "Acme.Tool", "FeedId": self.one("Feeds", number) }],
                    "Container": { "FeedId": self.one("Feeds", number + 1), "Image": "image" },
                    "GitDependencies": [{ "GitCredentialId": self.git(number) }, { "GitHubConnectionId": self.github(number) }],
                });
                body["Properties"]["Octopus.Action.Template.Id"] =
                    json!(self.one("ActionTemplates", number + 1));
                // An old version is a row that has the template's link in its JSON.
                if version == 1 {
                    body["CommunityActionTemplateId"] = json!(community);
                    let row = row!["Id" => self.id("ActionTemplateVersions", name), "Name" => name,
                        "Version" => version, "LatestActionTemplateId" => latest.as_str(),
                        "ActionType" => "Octopus.Script"];
                    self.put("ActionTemplateVersion", row, body);
                } else {
                    let row = row!["Id" => latest.as_str(), "Name" => name, "Version" => version,
                        "ActionType" => "Octopus.Script", "CommunityActionTemplateId" => community.clone()];
                    self.put("ActionTemplate", row, body);
                }
            }
        }
    }
}
