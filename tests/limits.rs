//! What an import must not widen, and what it does not know: lists that limit a document and lose all they hold, types
//! that the vendor added, columns of another generation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;

use little::{Generation, Little, Pair, both, variable};
use sealift::ops::{ImportOptions, Outcome};
use sealift::plan::{Action, Entry, Plan};
use sealift::server::sqlite::SqliteServer;
use serde_json::{Value as Json, json};
use support::*;

/// Environments, tenants, tags and projects that the target will not have, beside those that it has.
fn surroundings(server: &Little) {
    server.add("DeploymentEnvironment", json!({ "Id": server.id("Environments", 9), "Name": "Gone" }));
    server
        .add("Tenant", json!({ "Id": server.id("Tenants", 1), "Name": "Stays", "ProjectEnvironments": {} }));
    server.add("Tenant", json!({ "Id": server.id("Tenants", 9), "Name": "Gone", "ProjectEnvironments": {} }));
    for (number, name) in [(1, "Region"), (9, "Gone")] {
        let set = server.id("TagSets", number);
        let tag = |name: &str, n: u32| json!({ "Id": format!("{set}/Tags-{n}"), "Name": name });
        server.add("TagSet", json!({ "Id": set, "Name": name, "Tags": [tag("One", 1), tag("Two", 2)] }));
    }
    server.project(1, "Stays");
    server.project(9, "Gone");
    server.add("User", json!({ "Id": server.id("Users", 9), "Username": "gone" }));
    server.add("ProjectGroup", json!({ "Id": server.id("ProjectGroups", 9), "Name": "Gone" }));
}

/// Everything that is called Gone is left out.
fn without_gone() -> ImportOptions {
    let kinds = ["Environment", "Tenant", "TagSet", "Project", "User", "ProjectGroup"];
    let mut except: Vec<String> = kinds.iter().map(|kind| format!("{kind}/Gone")).collect();
    except.extend(["DeploymentProcess/Gone", "VariableSet/Gone"].map(str::to_owned));
    ImportOptions { except, ..overwrite() }
}

/// A kind with lists that limit it: the kind, its table, what else a row needs, and the lists with what they lead to.
type Limited = (&'static str, &'static str, Json, &'static [(&'static str, &'static str)]);

fn kinds(server: &Little) -> Vec<Limited> {
    let mut kinds: Vec<Limited> = vec![
        (
            "Account",
            "Account",
            json!({ "AccountType": "Token" }),
            &[("EnvironmentIds", "Environments"), ("TenantIds", "Tenants"), ("TenantTags", "Tags")],
        ),
        (
            "Certificate",
            "Certificate",
            json!({ "Thumbprint": "AA" }),
            &[("EnvironmentIds", "Environments"), ("TenantIds", "Tenants"), ("TenantTags", "Tags")],
        ),
        (
            "Machine",
            "Machine",
            json!({ "EnvironmentIds": format!("|{}|", server.id("Environments", 1)), "Endpoint": {} }),
            &[("TenantIds", "Tenants"), ("TenantTags", "Tags")],
        ),
        ("ProjectGroup", "ProjectGroup", json!({}), &[("EnvironmentIds[]", "Environments")]),
        (
            "ProjectTrigger",
            "ProjectTrigger",
            json!({ "ProjectId": server.id("Projects", 1) }),
            &[
                ("Filter.EnvironmentIds[]", "Environments"),
                ("Action.TenantIds[]", "Tenants"),
                ("Action.TenantTags[]", "Tags"),
                ("Action.SourceEnvironmentIds[]", "Environments"),
                ("Action.EnvironmentIds[]", "Environments"),
            ],
        ),
        (
            "Subscription",
            "Subscription",
            json!({}),
            &[
                ("EventNotificationSubscription.Filter.Users[]", "Users"),
                ("EventNotificationSubscription.Filter.Projects[]", "Projects"),
                ("EventNotificationSubscription.Filter.ProjectGroups[]", "ProjectGroups"),
                ("EventNotificationSubscription.Filter.Environments[]", "Environments"),
                ("EventNotificationSubscription.Filter.Tenants[]", "Tenants"),
                ("EventNotificationSubscription.Filter.Tags[]", "Tags"),
            ],
        ),
    ];
    if server.spaces() {
        let more = json!({ "TeamId": "", "UserRoleId": "" });
        kinds.push((
            "ScopedUserRole",
            "ScopedUserRole",
            more,
            &[
                ("ProjectIds[]", "Projects"),
                ("ProjectGroupIds[]", "ProjectGroups"),
                ("EnvironmentIds[]", "Environments"),
                ("TenantIds[]", "Tenants"),
            ],
        ));
    } else {
        kinds.push((
            "Team",
            "Team",
            json!({}),
            &[
                ("ProjectIds", "Projects"),
                ("EnvironmentIds", "Environments"),
                ("TenantIds", "Tenants"),
                ("ProjectGroupIds", "ProjectGroups"),
                ("TenantTags", "Tags"),
            ],
        ));
    }
    kinds
}

/// A row with a list of ids at a place: `A.B[]` in JSON, else a column.
fn row(server: &Little, kind: &Limited, place: &str, ids: &[String]) -> Json {
    let (name, _, more, _) = kind;
    let mut row = json!({ "Id": server.id(&format!("{name}s"), 30), "Name": "Limited" });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if *name == "ScopedUserRole" {
        row["TeamId"] = json!(server.id("Teams", 1));
        row["UserRoleId"] = json!(server.id("UserRoles", 1));
    }
    match place.strip_suffix("[]") {
        None => row[place] = json!(format!("|{}|", ids.join("|"))),
        Some(path) => {
            let mut at = &mut row;
            for member in path.split('.') {
                at = &mut at[member];
            }
            *at = json!(ids);
        }
    }
    row
}

fn id(server: &Little, what: &str, number: u32) -> String {
    match what {
        "Tags" => format!("{}/Tags-1", server.id("TagSets", number)),
        what => server.id(what, number),
    }
}

fn people(server: &Little) {
    server.add("Team", json!({ "Id": server.id("Teams", 1), "Name": "Crew", "MemberUserIds": "" }));
    server.add(
        "UserRole",
        json!({ "Id": server.id("UserRoles", 1), "Name": "Runner", "GrantedPermissions": [] }),
    );
}

#[track_caller]
fn entry<'p>(plan: &'p Plan, kind: &str) -> &'p Entry {
    let is = |entry: &&Entry| {
        entry.kind.as_str() == kind && (entry.key.path().contains("Limited") || kind == "ScopedUserRole")
    };
    let found: Vec<&Entry> = plan.entries.iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{kind}: {found:#?}");
    found[0]
}

/// What is called Gone is left out; the target may have all the rest already.
fn imported(pair: &Pair) -> Plan {
    let bundle = pair.export(&everything(Some(&pair.source.key)));
    let done =
        try_import(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), false, without_gone());
    match done.unwrap() {
        Outcome::Applied(plan) | Outcome::Nothing(plan) => plan,
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_document_that_loses_all_that_limits_it_is_skipped_and_counted() {
    for generation in little::BOTH {
        let lists: Vec<(usize, usize)> = {
            let pair = Pair::new(generation);
            let kinds = kinds(&pair.source);
            (0..kinds.len()).flat_map(|kind| (0..kinds[kind].3.len()).map(move |list| (kind, list))).collect()
        };
        for (kind, list) in lists {
            // Whether the target has such a document already, with a limit of its own.
            for there in [false, true] {
                let pair = Pair::new(generation);
                surroundings(&pair.source);
                let kind = &kinds(&pair.source)[kind];
                let (place, what) = kind.3[list];
                people(&pair.source);
                pair.source.add(kind.1, row(&pair.source, kind, place, &[id(&pair.source, what, 9)]));
                if there {
                    surroundings(&pair.target);
                    pair.target.run(
                        "DELETE FROM DeploymentEnvironment WHERE Name = 'Gone'; DELETE FROM Tenant WHERE Name = 'Gone';
                         DELETE FROM TagSet WHERE Name = 'Gone'; DELETE FROM ProjectGroup WHERE Name = 'Gone';
                         DELETE FROM Project WHERE Name = 'Gone'; DELETE FROM User WHERE Username = 'gone'",
                    );
                    people(&pair.target);
                    let theirs =
                        &kinds(&pair.target)[kinds(&pair.source).iter().position(|k| k.0 == kind.0).unwrap()];
                    pair.target.add(kind.1, row(&pair.target, theirs, place, &[id(&pair.target, what, 1)]));
                }
                let before = pair.target.all(kind.1);
                let plan = imported(&pair);
                let entry = entry(&plan, kind.0);
                let case = format!("{generation:?} {} {place} {there}", kind.0);
                assert_eq!(entry.action, Action::Skip, "{case}: {entry:#?}");
                let reason = entry.reason.as_deref().unwrap();
                assert!(reason.contains("it would apply to more"), "{case}: {reason}");
                assert!(
                    entry.notes.iter().any(|note| note.to_lowercase().contains("gone")),
                    "{case}: {entry:#?}"
                );
                assert!(
                    plan.notices
                        .iter()
                        .any(|n| n.starts_with("1 document is skipped because it would apply to more:")),
                    "{case}: {:?}",
                    plan.notices
                );
                let theirs = |rows: &[Json]| {
                    rows.iter()
                        .filter(|r| r["Name"] == "Limited" || kind.0 == "ScopedUserRole")
                        .cloned()
                        .collect::<Vec<_>>()
                };
                assert_eq!(theirs(&before), theirs(&pair.target.all(kind.1)), "{case}");
                // What keeps one of them is limited still, and arrives.
                let both = [id(&pair.source, what, 9), id(&pair.source, what, 1)];
                if what != "Tags" && what != "ProjectGroups" && what != "Users" {
                    pair.source.add(kind.1, row(&pair.source, kind, place, &both));
                    let plan = imported(&pair);
                    assert_ne!(self::entry(&plan, kind.0).action, Action::Skip, "{case}");
                }
            }
        }
    }
}

/// Tags of one set are alternatives, and those of several sets must all fit: without one of the sets a document would
/// fit more tenants. Tenants and tags are one choice.
#[test]
fn tags_of_a_set_that_is_gone_are_not_simply_dropped() {
    both(|pair| {
        surroundings(&pair.source);
        let tag = |set: u32, n: u32| format!("{}/Tags-{n}", pair.source.id("TagSets", set));
        let tenant = |n: u32| pair.source.id("Tenants", n);
        let account = |number: u32, name: &str, tenants: &str, tags: &[String]| {
            pair.source.add(
                "Account",
                json!({ "Id": pair.source.id("Accounts", number), "Name": name, "AccountType": "Token",
                "TenantIds": tenants, "TenantTags": format!("|{}|", tags.join("|")) }),
            );
        };
        account(1, "Two sets", "", &[tag(1, 1), tag(9, 1)]);
        account(2, "Tenants stay", &format!("|{}|", tenant(1)), &[tag(9, 1), tag(9, 2)]);
        account(3, "Tags stay", &format!("|{}|", tenant(9)), &[tag(1, 1), tag(1, 2)]);
        let scope = |tags: &[String]| json!({ "TenantTag": tags });
        pair.source.variables(
            &pair.source.id("Projects", 1),
            json!([
                variable("Both", "String", "x", scope(&[tag(1, 1), tag(9, 1)])),
                variable("One", "String", "x", scope(&[tag(1, 1)])),
            ]),
        );
        let plan = pair.import(&pair.export(&everything(Some(&pair.source.key))), &without_gone());
        let of = |name: &str| {
            plan.entries
                .iter()
                .find(|e| e.kind.as_str() == "Account" && e.key.path().ends_with(name))
                .unwrap()
        };
        assert_eq!(of("Two sets").action, Action::Skip);
        assert!(
            of("Two sets").reason.as_deref().unwrap().contains("nothing of TagSet"),
            "{:?}",
            of("Two sets")
        );
        assert_eq!(of("Tenants stay").action, Action::Create);
        assert_eq!(of("Tags stay").action, Action::Create);
        let variables = pair.target.variables_of("Project", "Stays");
        assert_eq!(variables.len(), 1, "{variables:#?}");
        assert_eq!(variables[0]["Name"], "One");
        assert!(
            plan.notices
                .iter()
                .any(|n| n.starts_with("1 part of a document is left out because it would apply to more:")),
            "{:?}",
            plan.notices
        );
    });
}

#[test]
fn what_refers_to_a_document_that_is_skipped_stops_the_plan_and_says_why() {
    both(|pair| {
        surroundings(&pair.source);
        let account = pair.source.id("Accounts", 1);
        pair.source.add(
            "Account",
            json!({ "Id": account, "Name": "Cloud", "AccountType": "Token",
            "EnvironmentIds": format!("|{}|", pair.source.id("Environments", 9)) }),
        );
        pair.source.variables(
            &pair.source.id("Projects", 1),
            json!([variable("A", "AzureAccount", &account, json!({}))]),
        );
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        let found = refused(&bundle, &pair.target.path, &octopus(), without_gone());
        assert_eq!(found.len(), 1, "{found:#?}");
        let problem = &found[0].problem;
        assert!(
            problem.contains(
                "Cloud, which is skipped (the target has nothing of what EnvironmentIds limits it to"
            ),
            "{problem}"
        );
    });
}

#[test]
fn types_that_the_vendor_added_are_notes() {
    both(|pair| {
        let id = pair.source.project(1, "Shop");
        pair.source.variables(&id, json!([variable("A", "FutureVault", "x", json!({}))]));
        pair.source.add("Feed", json!({ "Id": pair.source.id("Feeds", 1), "Name": "New", "FeedType": "FutureRegistry", "FeedUri": "" }));
        pair.source.add(
            "Account",
            json!({ "Id": pair.source.id("Accounts", 1), "Name": "New", "AccountType": "FutureCloud" }),
        );
        pair.source.library(1, "Lib", json!([]));
        pair.source.run("UPDATE LibraryVariableSet SET ContentType = 'FutureModule'");
        let plan = pair.carry();
        let mut notes: Vec<&str> = plan.entries.iter().flat_map(|e| &e.notes).map(String::as_str).collect();
        notes.sort_unstable();
        let unknown = |at: &str, value: &str| {
            format!(
                "{at} holds \"{value}\", which the model does not know: ids and secrets that come with it travel as they are"
            )
        };
        assert_eq!(
            notes,
            [
                unknown("$.Variables[0].Type", "FutureVault"),
                unknown("AccountType", "FutureCloud"),
                unknown("ContentType", "FutureModule"),
                unknown("FeedType", "FutureRegistry"),
            ]
        );
        // What is surely wrong stops the plan as before.
        pair.source.run("UPDATE Project SET JSON = json_set(JSON, '$.TenantedDeploymentMode', 'Perhaps')");
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        let found = refused(&bundle, &pair.target.path, &octopus(), overwrite());
        assert!(
            found.iter().all(|f| f.problem.contains("none of Untenanted")) && found.len() == 1,
            "{found:#?}"
        );
    });
}

#[test]
fn columns_that_the_target_lacks_are_one_message_a_table_and_can_be_left_out() {
    for generation in [Generation::Y2018, Generation::Spaces] {
        let pair = Pair::new(generation);
        pair.source.run(
            "ALTER TABLE DeploymentEnvironment ADD COLUMN Colour nvarchar(20); ALTER TABLE DeploymentEnvironment ADD COLUMN Mood nvarchar(20);
             UPDATE DeploymentEnvironment SET Colour = 'red', Mood = CASE Name WHEN 'Dev' THEN 'good' END;
             ALTER TABLE Lifecycle ADD COLUMN Colour nvarchar(20); UPDATE Lifecycle SET Colour = 'blue';
             ALTER TABLE ProjectGroup ADD COLUMN Colour nvarchar(20)",
        );
        pair.source.add(
            "DeploymentEnvironment",
            json!({ "Id": pair.source.id("Environments", 3), "Name": "New", "Colour": "green" }),
        );
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        let found = refused(&bundle, &pair.target.path, &octopus(), overwrite());
        let said: Vec<String> =
            found.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem)).collect();
        assert_eq!(said.len(), 2, "{said:#?}");
        assert!(said[0].starts_with("Environment : 3 documents have values for Colour, Mood, which the target's table DeploymentEnvironment lacks (first: Environment "), "{said:#?}");
        assert!(
            said[1].contains("1 document has a value for Colour, which the target's table Lifecycle lacks"),
            "{said:#?}"
        );
        assert!(
            said.iter().all(|line| line.ends_with("; --omit-missing-columns leaves these values out")),
            "{said:#?}"
        );

        let options = ImportOptions { omit_missing_columns: true, ..overwrite() };
        let model = octopus();
        let master = &pair.target.key;
        let mut server = SqliteServer::open(&pair.target.path).unwrap();
        let before = back::root(&mut server, &model, Some(master), &pair.folder().join("before"));
        drop(server);
        let plan = pair.import(&bundle, &options);
        assert!(
            plan.notices
                .iter()
                .any(|n| n.starts_with("3 documents have values for Colour, Mood")
                    && n.ends_with(": left out")),
            "{:?}",
            plan.notices
        );
        assert_eq!(pair.target.count("DeploymentEnvironment"), 3);
        // The same with an undo file, on the target as it was: what is taken back is as it was.
        pair.target.run("DELETE FROM DeploymentEnvironment WHERE Name = 'New'");
        let mut server = SqliteServer::open(&pair.target.path).unwrap();
        assert_eq!(before, back::root(&mut server, &model, Some(master), &pair.folder().join("again")));
        back::import_with(&bundle, &mut server, &model, Some(master), &pair.folder().join("undo"), options);
        back::undo(&pair.folder().join("undo"), &mut server, &model, Some(master), None);
        assert_eq!(before, back::root(&mut server, &model, Some(master), &pair.folder().join("after")));
    }
}

/// Teams of a server before spaces say in columns what they are limited to: without these they could do everything.
#[test]
fn a_column_that_limits_a_document_is_not_left_out() {
    let pair = Pair::new(Generation::Y2018);
    let team = |server: &Little, number: u32, name: &str, environments: &str| {
        server.add(
            "Team",
            json!({ "Id": server.id("Teams", number), "Name": name, "EnvironmentIds": environments }),
        );
    };
    team(&pair.source, 1, "Limited", &format!("|{}|", pair.source.id("Environments", 1)));
    team(&pair.source, 2, "Everywhere", "");
    pair.target.run("ALTER TABLE Team DROP COLUMN EnvironmentIds");
    let options = ImportOptions { omit_missing_columns: true, ..overwrite() };
    let plan = pair.import(&pair.export(&everything(Some(&pair.source.key))), &options);
    let of =
        |name: &str| plan.entries.iter().find(|e| e.kind.as_str() == "Team" && e.key.path() == name).unwrap();
    assert_eq!((of("Limited").action, of("Everywhere").action), (Action::Skip, Action::Create));
    let reason = of("Limited").reason.as_deref().unwrap();
    assert_eq!(reason, "the target's table Team lacks a column that limits it: it would apply to more");
}
