//! Users, roles, teams, what teams may do, and subscriptions.

use serde_json::{Value as Json, json};

use super::TRAP;
use super::rows::{Sql, guid, row};
use super::world::World;

impl World {
    fn user(&mut self, name: &str, service: bool) {
        let token = guid(&format!("{name} {}", self.text("token")));
        let row = row!["Id" => self.global("Users", name), "Username" => if name == "users-system" { "system" } else { name },
            "IsActive" => true, "IsService" => service, "IdentificationToken" => token,
            "EmailAddress" => format!("{name}@example.com"), "ExternalId" => None::<String>,
            "ExternalIdentifiers" => "|windows-7|", "DisplayName" => self.text(name)];
        let body = json!({ "PasswordHash": self.text("hash"), "RecentProjects": [] });
        self.put("User", row, body);
    }

    fn role(&mut self, id: &str, name: &str, permissions: &[&str]) {
        let mut permissions: Vec<String> = permissions.iter().map(|p| (*p).to_owned()).collect();
        if self.twist.joined > 0 {
            permissions.push("OnlyHere".to_owned());
            permissions.remove(0);
        }
        let body = match self.spaces() {
            true => json!({ "Description": self.text("role"), "GrantedSpacePermissions": permissions,
                "GrantedSystemPermissions": ["SpaceView"] }),
            false => json!({ "Description": self.text("role"), "GrantedPermissions": permissions }),
        };
        let id = self.global("UserRoles", id);
        self.put("UserRole", row!["Id" => id, "Name" => name], body);
    }

    fn team(&mut self, id: String, name: &str, members: Vec<String>, number: usize, server: bool) {
        let mut row = row!["Id" => id, "Name" => name, "MemberUserIds" => self.full_pipe(members)];
        let mut body =
            json!({ "Description": self.text("team"), "ExternalSecurityGroups": [{ "Id": TRAP }] });
        if self.spaces() {
            if server {
                row.push(("SpaceId", Sql::Null));
            }
        } else {
            let some =
                |world: &mut World, prefix: &str| if server { vec![] } else { world.some(prefix, number, 2) };
            let (projects, environments) = (some(self, "Projects"), some(self, "Environments"));
            let (tenants, groups) = (some(self, "Tenants"), some(self, "ProjectGroups"));
            let tags = if server { vec![] } else { self.tags(number, 2) };
            row.extend(row!["ProjectIds" => self.full_pipe(projects), "EnvironmentIds" => self.full_pipe(environments),
                "TenantIds" => self.pipe(tenants), "ProjectGroupIds" => self.pipe(groups), "TenantTags" => self.pipe(tags)]);
            let role = self.global("UserRoles", "userroles-projectlead");
            body["UserRoleIds"] = match server {
                true => json!(["userroles-systemadministrator"]),
                false => json!([self.global("UserRoles", "Releaser"), role]),
            };
        }
        self.put("Team", row, body);
    }

    /// Those that have one id on every server.
    pub fn system_people(&mut self) {
        self.user("users-system", true);
        self.role("userroles-systemadministrator", "System administrator", &["AdministerSystem", "UserView"]);
        self.role("userroles-projectlead", "Project lead", &["ProjectEdit", "ProcessEdit"]);
        self.team("teams-everyone".to_owned(), "Everyone", vec![], 0, true);
        let system = vec!["users-system".to_owned()];
        self.team("teams-administrators".to_owned(), "Octopus Administrators", system, 0, true);
        let row = row!["Id" => self.scoped("ScopedUserRoles", "", "administrators"), "TeamId" => "teams-administrators",
            "UserRoleId" => "userroles-systemadministrator", "SpaceId" => Sql::Null];
        self.put("ScopedUserRole", row, json!({}));
    }

    pub fn people(&mut self) {
        for name in ["ann", "bob"] {
            self.user(name, false);
        }
        if self.twist.joined > 0 {
            self.user("carol", false);
        }
        self.role("Releaser", "Releaser", &["ReleaseCreate", "DeploymentCreate"]);
        self.role("Reader", "Reader", &["ProjectView", "EventView"]);
        // Keys and invitations stay where they are.
        for name in ["ann", "bob"] {
            let own = self.numbering.offset;
            let row = row!["Id" => format!("apikeys-{name}-{own}"), "UserId" => self.global("Users", name),
                "ApiKeyHashed" => format!("hash of {name} {own}"), "Created" => "2018-05-01T00:00:00+00:00"];
            self.put("ApiKey", row, json!({ "Purpose": "scripts" }));
            let row = row!["Id" => format!("Invitations-{name}-{own}"), "InvitationCode" => format!("{name} {own}")];
            self.put("Invitation", row, json!({ "AddToTeamIds": ["teams-everyone"] }));
        }
    }

    pub fn teams(&mut self) {
        for (number, name) in ["Developers", "Operators"].into_iter().enumerate() {
            let id = self.id("Teams", name);
            let mut members = vec![self.joined("Users", number), self.joined("Users", number + 1)];
            if self.twist.joined > 0 {
                members.push(self.global("Users", "carol"));
            }
            self.team(id.clone(), name, members, number, false);
            let roles = if self.twist.close { ["Releaser", "Releaser"] } else { ["Releaser", "Reader"] };
            for (index, label) in ["first", "second"].into_iter().enumerate() {
                let label = format!("{name} {label}");
                let row = row!["Id" => self.id("ScopedUserRoles", &label), "TeamId" => id.as_str(),
                    "UserRoleId" => self.global("UserRoles", roles[index])];
                let pick = |world: &mut World, prefix: &str, names: &[&str]| -> Vec<String> {
                    names.iter().map(|n| world.id(prefix, n)).collect()
                };
                let body = json!({
                    "ProjectIds": pick(self, "Projects", [&["Web", "Api"][..], &["Docs"]][index]),
                    "ProjectGroupIds": pick(self, "ProjectGroups", [&["Tools"][..], &[]][index]),
                    "EnvironmentIds": pick(self, "Environments", [&["Test"][..], &["Production", "Test"]][index]),
                    "TenantIds": pick(self, "Tenants", [&[][..], &["Acme"]][index]),
                });
                self.put("ScopedUserRole", row, body);
            }
        }
        for (number, name) in ["Deployments", "Changes"].into_iter().enumerate() {
            let id = self.id("Subscriptions", name);
            let own = self.numbering.offset;
            let list = |ids: Vec<String>| -> Json { json!(ids) };
            let teams = [self.one("Teams", number), "teams-everyone".to_owned()];
            let body = json!({ "EventNotificationSubscription": {
                "WebhookTeams": teams, "EmailTeams": list(self.some("Teams", number, 2)),
                "WebhookURI": self.text("uri"), "WebhookHeaderKey": "X-Key",
                "WebhookHeaderValue": self.secret("hook"),
                "WebhookLastProcessedEventAutoId": own, "EmailDigestLastProcessedEventAutoId": own + 1,
                "Filter": { "Users": list(self.some("Users", number, 2)),
                    "Projects": list(self.some("Projects", number, 2)),
                    "ProjectGroups": list(self.some("ProjectGroups", number, 1)),
                    "Environments": list(self.some("Environments", number, 2)),
                    "Tenants": list(self.some("Tenants", number, 1)), "Tags": list(self.tags(number, 2)),
                    "DocumentTypes": ["Projects"], "EventCategories": ["Created"], "EventGroups": [TRAP] } } });
            let row = row!["Id" => id, "Name" => name, "Type" => "Event", "IsDisabled" => number == 1];
            self.put("Subscription", row, body);
        }
        for name in ["ann", "bob"] {
            let id = format!("DashboardConfigurations-{}", self.id("Dashboards", name));
            let row = row!["Id" => id, "IncludedEnvironmentIds" => self.full_pipe(vec![]),
                "IncludedProjectIds" => self.full_pipe(vec![])];
            self.put("DashboardConfiguration", row, json!({}));
        }
    }
}
