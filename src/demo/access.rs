//! People, teams and what they may do.

use serde_json::json;

use super::DemoError;
use super::writer::Writer;
use crate::document::Value;

/// Username, display name, whether Build has the person, whether Production has.
const PEOPLE: [(&str, &str, bool, bool); 8] = [
    ("ada.finch", "Ada Finch", true, true),
    ("ben.teal", "Ben Teal", true, true),
    ("cleo.marsh", "Cleo Marsh", true, true),
    ("dov.reed", "Dov Reed", true, false),
    ("esme.wade", "Esmé Wade", true, false),
    ("finn.grebe", "Finn Grebe", true, true),
    ("gita.rail", "Gita Rail", false, true),
    ("release-bot", "Release Bot", true, true),
];

/// Roles, users and the teams that belong to no space.
pub(super) fn server_wide(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let fixed = [
        ("userroles-systemadministrator", "System administrator", "AdministerSystem"),
        ("userroles-spacemanager", "Space manager", "SpaceEdit"),
        ("userroles-projectviewer", "Project viewer", "ProjectView"),
        ("userroles-projectdeployer", "Project deployer", "DeploymentCreate"),
    ];
    for (id, name, permission) in fixed {
        role(w, id, name, &[permission, "ProjectView"], false)?;
        w.name("UserRole", name, id);
    }
    let id = w.next_named("UserRole", "UserRole", "UserRoles-", "Release approver");
    let permissions: &[&str] = w.pick(
        &["InterruptionViewSubmitResponsible", "DeploymentView", "ReleaseView"],
        &["InterruptionViewSubmitResponsible", "DeploymentView", "EventView"],
    );
    role(w, &id, "Release approver", permissions, true)?;

    user(w, "users-system", "system", "System", true)?;
    w.name("User", "system", "users-system");
    let people: Vec<_> = PEOPLE.iter().filter(|p| w.pick(p.2, p.3)).collect();
    let order: Vec<_> = if w.is_build() { people } else { people.into_iter().rev().collect() };
    for (username, display, ..) in order {
        let id = w.next_named("User", "User", "Users-", username);
        user(w, &id, username, display, *username == "release-bot")?;
    }
    let everyone = w.list("User", &["ada.finch", "ben.teal", "cleo.marsh", "dov.reed", "gita.rail"]);
    let administrators = w.list("User", w.pick(&["ada.finch", "dov.reed"], &["ada.finch", "gita.rail"]));
    team(w, "teams-everyone", "Everyone", &everyone)?;
    team(w, "teams-administrators", "Octopus Administrators", &administrators)?;
    team(w, "teams-systemmanagers", "Octopus Managers", &administrators)
}

/// Teams of the default space.
pub(super) fn in_space(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let teams: [(&str, &[&str]); 4] = [
        ("Shop Developers", &["ben.teal", "dov.reed", "esme.wade"]),
        ("Release Approvers", w.pick(&["ada.finch", "cleo.marsh"], &["ada.finch", "gita.rail"])),
        ("Database Guild", &["cleo.marsh", "finn.grebe"]),
        (w.pick("Build Watchers", "On Call"), &["finn.grebe"]),
    ];
    let order: Vec<_> = if w.is_build() { teams.to_vec() } else { teams.iter().rev().copied().collect() };
    for (name, members) in order {
        let id = w.next("Team", "Teams-");
        let members = w.list("User", members);
        team(w, &id, name, &members)?;
    }
    Ok(())
}

/// Roles of teams, each within a scope.
pub(super) fn grants(w: &mut Writer<'_>) -> Result<(), DemoError> {
    let grants: [(&str, &str, &[&str], &[&str]); 4] = [
        ("Shop Developers", "Project deployer", &["Shop Web", "Order Service"], &["Development", "Test"]),
        ("Shop Developers", "Project viewer", &[], &[]),
        ("Release Approvers", "Release approver", &[], &["Production"]),
        ("Database Guild", "Project deployer", &["Shop Database"], &["Production"]),
    ];
    for (team, role, projects, environments) in grants {
        let id = w.next("ScopedUserRole", "ScopedUserRoles-");
        let columns = [
            ("Id", id.into()),
            ("TeamId", w.of("Team", team)?.into()),
            ("UserRoleId", w.of("UserRole", role)?.into()),
        ];
        let body = json!({ "ProjectIds": w.list("Project", projects), "ProjectGroupIds": [],
            "EnvironmentIds": w.list("Environment", environments), "TenantIds": [] });
        w.put("ScopedUserRole", &columns, &body)?;
    }
    if w.is_build() {
        let id = w.next("Subscription", "Subscriptions-");
        let columns = [
            ("Id", id.into()),
            ("Name", "Failed deployments".into()),
            ("Type", "Event".into()),
            ("IsDisabled", false.into()),
        ];
        let header = w.secret("webhook-header", false)?;
        let body = json!({ "EventNotificationSubscription": {
            "Filter": { "Users": [], "Projects": w.list("Project", &["Shop Web"]), "ProjectGroups": [],
                "Environments": w.list("Environment", &["Production"]), "Tenants": [], "Tags": [],
                "EventCategories": ["DeploymentFailed"], "EventGroups": [], "DocumentTypes": [] },
            "EmailTeams": w.list("Team", &["Release Approvers"]), "WebhookTeams": [],
            "WebhookURI": "https://hooks.heron.example/octopus", "WebhookHeaderKey": "X-Heron",
            "WebhookHeaderValue": header, "WebhookLastProcessedEventAutoId": 4711,
            "EmailDigestLastProcessedEventAutoId": 4709 } });
        w.put("Subscription", &columns, &body)?;
    }
    Ok(())
}

fn role(
    w: &mut Writer<'_>,
    id: &str,
    name: &str,
    permissions: &[&str],
    deletable: bool,
) -> Result<(), DemoError> {
    let body = if w.has("Space") {
        json!({ "Description": format!("{name}."), "CanBeDeleted": deletable,
            "GrantedSpacePermissions": permissions, "GrantedSystemPermissions": ["UserView"] })
    } else {
        json!({ "Description": format!("{name}."), "CanBeDeleted": deletable, "GrantedPermissions": permissions })
    };
    w.put("UserRole", &[("Id", id.into()), ("Name", name.into())], &body)
}

fn user(
    w: &mut Writer<'_>,
    id: &str,
    username: &str,
    display: &str,
    is_service: bool,
) -> Result<(), DemoError> {
    let email = format!("{username}@heron.example");
    let columns = [
        ("Id", id.into()),
        ("Username", username.into()),
        ("IsActive", true.into()),
        ("IsService", is_service.into()),
        ("IdentificationToken", w.own_guid(&format!("token {username}")).into()),
        ("EmailAddress", if is_service { Value::Null } else { email.as_str().into() }),
        ("ExternalIdentifiers", if is_service { Value::Null } else { format!("|{email}|").into() }),
        ("DisplayName", display.into()),
    ];
    let hash = format!("fictional$hash${:016x}", w.number(&format!("hash {username}")));
    let body = json!({ "PasswordHash": if is_service { None } else { Some(hash) }, "Identities": [] });
    w.put("User", &columns, &body)
}

fn team(w: &mut Writer<'_>, id: &str, name: &str, members: &[String]) -> Result<(), DemoError> {
    w.name("Team", name, id);
    let none = || Value::from("||");
    let columns = [
        ("Id", id.into()),
        ("Name", name.into()),
        ("MemberUserIds", w.pipe(members)),
        ("ProjectIds", none()),
        ("EnvironmentIds", none()),
        ("TenantIds", none()),
        ("TenantTags", none()),
        ("ProjectGroupIds", none()),
    ];
    let body = if w.has("Space") {
        json!({ "Description": null, "ExternalSecurityGroups": [], "CanBeDeleted": !id.starts_with("teams-") })
    } else {
        let roles = w.list("UserRole", &["Project viewer"]);
        json!({ "ExternalSecurityGroups": [], "UserRoleIds": roles, "CanBeDeleted": !id.starts_with("teams-") })
    };
    w.put("Team", &columns, &body)
}
