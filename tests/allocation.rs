//! Ids of new documents: from the target's own allocation, within the transaction, as its server would take them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sealift::model::OCTOPUS_2018_SQL;
use sealift::ops::Outcome;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

/// A server of 2018 with these rows.
fn server(folder: &Path, name: &str, sql: &str) -> PathBuf {
    let path = folder.join(name);
    drop(SqliteServer::create(&path, Schema::Ddl(OCTOPUS_2018_SQL)).unwrap());
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

fn environment(number: u32, name: &str) -> String {
    format!(
        "INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, JSON) VALUES ('Environments-{number}', '{name}', 0, '{{}}');"
    )
}

const OWNERS: &str = "
    INSERT INTO ProjectGroup (Id, Name, JSON) VALUES ('ProjectGroups-1', 'All', '{}');
    INSERT INTO Lifecycle (Id, Name, JSON) VALUES ('Lifecycles-1', 'Default', '{\"Phases\":[]}');";

fn project(number: u32, name: &str) -> String {
    let id = format!("Projects-{number}");
    format!(
        "INSERT INTO Project (Id, Name, Slug, IsDisabled, VariableSetId, DeploymentProcessId, ProjectGroupId, LifecycleId, AutoCreateRelease, JSON)
         VALUES ('{id}', '{name}', '{name}', 0, 'variableset-{id}', 'deploymentprocess-{id}', 'ProjectGroups-1', 'Lifecycles-1', 0, '{{}}');
         INSERT INTO VariableSet (Id, OwnerId, Version, IsFrozen, JSON) VALUES ('variableset-{id}', '{id}', 0, 0, '{{\"Variables\":[]}}');
         INSERT INTO DeploymentProcess (Id, OwnerId, IsFrozen, Version, JSON) VALUES ('deploymentprocess-{id}', '{id}', 0, 0, '{{\"Steps\":[]}}');"
    )
}

fn allocated(collection: &str, number: i64) -> String {
    format!("INSERT INTO KeyAllocation (CollectionName, Allocated) VALUES ('{collection}', {number});")
}

fn text(server: &Path, sql: &str) -> String {
    let db = Connection::open(server).unwrap();
    let value: rusqlite::types::Value = db.query_row(sql, [], |row| row.get(0)).unwrap();
    match value {
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn ids(server: &Path, table: &str) -> String {
    text(server, &format!("SELECT group_concat(Id, ' ') FROM (SELECT Id FROM [{table}] ORDER BY Id)"))
}

fn counter(server: &Path, collection: &str) -> String {
    text(
        server,
        &format!(
            "SELECT coalesce(max(Allocated), 'none') FROM KeyAllocation WHERE CollectionName = '{collection}'"
        ),
    )
}

fn carry(folder: &Path, source: &Path, target: &Path) {
    let file = folder.join("a.sealift");
    if !file.exists() {
        export(source, &octopus(), &file, &everything(None));
    }
    import(&file, target, &octopus(), None, overwrite());
    // The second time nothing is new, and no number is taken.
    let before = std::fs::read(target).unwrap();
    let again = try_import(&file, target, &octopus(), None, false, overwrite()).unwrap();
    assert!(matches!(again, Outcome::Nothing(_)), "{again:#?}");
    assert!(before == std::fs::read(target).unwrap());
}

#[test]
fn new_documents_take_the_next_numbers_and_the_server_goes_on_after_them() {
    let folder = folder();
    let source = server(
        folder.path(),
        "source",
        &[environment(7, "A"), environment(3, "B"), environment(9, "Known")].concat(),
    );
    let rows = [environment(2, "known"), allocated("DeploymentEnvironment", 40)].concat();
    let target = server(folder.path(), "target", &rows);
    carry(folder.path(), &source, &target);
    // The block after the one that the server took last; the known one keeps its id.
    assert_eq!(ids(&target, "DeploymentEnvironment"), "Environments-2 Environments-41 Environments-42");
    assert_eq!(counter(&target, "DeploymentEnvironment"), "42");
}

#[test]
fn a_collection_that_never_gave_out_a_number_begins_at_one_and_passes_what_is_there() {
    let folder = folder();
    let source = server(folder.path(), "source", &[environment(5, "A"), environment(6, "B")].concat());
    let target = server(folder.path(), "target", "");
    carry(folder.path(), &source, &target);
    assert_eq!(ids(&target, "DeploymentEnvironment"), "Environments-1 Environments-2");
    assert_eq!(counter(&target, "DeploymentEnvironment"), "2");
    // Rows from elsewhere, which the counter knows nothing of: their numbers are not given out again.
    let rows = [environment(1, "Other"), environment(3, "Another"), allocated("DeploymentEnvironment", 0)];
    let lagging = server(folder.path(), "lagging", &rows.concat());
    carry(folder.path(), &source, &lagging);
    assert_eq!(
        ids(&lagging, "DeploymentEnvironment"),
        "Environments-1 Environments-2 Environments-3 Environments-4"
    );
    assert!(counter(&lagging, "DeploymentEnvironment").parse::<i64>().unwrap() >= 4);
}

#[test]
fn composed_ids_follow_their_owner_and_take_no_number() {
    let folder = folder();
    let source = server(folder.path(), "source", &[OWNERS, &project(700, "Web")].concat());
    let target = server(folder.path(), "target", &allocated("Project", 60));
    carry(folder.path(), &source, &target);
    assert_eq!(ids(&target, "Project"), "Projects-61");
    assert_eq!(ids(&target, "VariableSet"), "variableset-Projects-61");
    assert_eq!(ids(&target, "DeploymentProcess"), "deploymentprocess-Projects-61");
    let refers = "SELECT VariableSetId || ' ' || DeploymentProcessId FROM Project";
    assert_eq!(text(&target, refers), "variableset-Projects-61 deploymentprocess-Projects-61");
    for none in ["VariableSet", "DeploymentProcess"] {
        assert_eq!(counter(&target, none), "none", "{none}");
    }
}

/// One owner's id is known from the beginning, the other's is given out within the transaction.
#[test]
fn two_documents_whose_ids_are_composed_to_the_same_are_reported() {
    let snapshot = |id: &str, owner: &str| {
        format!(
            "INSERT INTO VariableSet (Id, OwnerId, Version, IsFrozen, JSON)
             VALUES ('variableset-{id}', '{owner}', 0, 1, '{{\"Variables\":[]}}');"
        )
    };
    let folder = folder();
    let rows = [
        OWNERS,
        &project(5, "Old"),
        &project(700, "Web"),
        &snapshot("Projects-51-s-1", "Projects-5"),
        &snapshot("Projects-700-s-1", "Projects-700"),
    ];
    let source = server(folder.path(), "source", &rows.concat());
    let rows = [OWNERS, &project(6, "Old"), &allocated("Project", 60)];
    let target = server(folder.path(), "target", &rows.concat());
    let file = folder.path().join("a.sealift");
    export(&source, &octopus(), &file, &everything(None));
    let outcome = try_import(&file, &target, &octopus(), None, false, overwrite()).unwrap();
    let Outcome::Refused(plan) = outcome else { panic!("{outcome:#?}") };
    let problems: Vec<&str> = plan.findings.iter().map(|finding| finding.problem.as_str()).collect();
    assert_eq!(
        problems,
        ["would get the id variableset-Projects-61-s-1, as another document of the bundle does"]
    );
}

#[test]
fn ids_that_are_the_same_on_every_server_are_never_allocated() {
    let folder = folder();
    let rows = "
        INSERT INTO Feed (Id, Name, FeedUri, FeedType, JSON) VALUES ('feeds-builtin', 'Octopus Server (built-in)', '', 'BuiltIn', '{}');
        INSERT INTO Team (Id, Name, MemberUserIds, ProjectIds, EnvironmentIds, JSON) VALUES
            ('teams-administrators', 'Octopus Administrators', '|users-system|Users-1|', '', '', '{\"UserRoleIds\":[\"userroles-projectlead\"]}'),
            ('Teams-21', 'Ours', '||', '', '', '{\"UserRoleIds\":[]}');
        INSERT INTO UserRole (Id, Name, JSON) VALUES ('userroles-projectlead', 'Project lead', '{}');
        INSERT INTO User (Id, Username, IsActive, IsService, IdentificationToken, JSON) VALUES
            ('users-system', 'system', 1, 0, '6d0d6e1c-0000-0000-0000-000000000001', '{}'),
            ('Users-1', 'ann', 1, 0, '6d0d6e1c-0000-0000-0000-000000000002', '{}');";
    let source = server(folder.path(), "source", rows);
    let target = server(folder.path(), "target", &[allocated("Team", 20), allocated("User", 5)].concat());
    carry(folder.path(), &source, &target);
    assert_eq!(ids(&target, "Feed"), "feeds-builtin");
    assert_eq!(ids(&target, "Team"), "Teams-21 teams-administrators");
    assert_eq!(ids(&target, "User"), "Users-6 users-system");
    assert_eq!(ids(&target, "UserRole"), "userroles-projectlead");
    assert_eq!(
        [counter(&target, "Team"), counter(&target, "User"), counter(&target, "Feed")],
        ["21", "6", "none"]
    );
    let members = "SELECT MemberUserIds FROM Team WHERE Id = 'teams-administrators'";
    let members = text(&target, members);
    assert!(members.contains("|users-system|") && members.contains("|Users-6|"), "{members}");
}

/// The built-in feed of a second space has a number for an id; a server may call it what it likes.
#[test]
fn the_built_in_feed_is_found_by_its_type() {
    let folder = folder();
    let feed = |id: &str, name: &str| {
        format!(
            "INSERT INTO Feed (Id, Name, FeedUri, FeedType, JSON) VALUES ('{id}', '{name}', '', 'BuiltIn', '{{}}');"
        )
    };
    let uses = "INSERT INTO ActionTemplate (Id, Name, Version, ActionType, JSON) VALUES
        ('ActionTemplates-1', 'Deploy', 1, 'Octopus.Script', '{\"Packages\":[{\"FeedId\":\"Feeds-12\"},{\"FeedId\":\"feeds-builtin\"}]}')";
    let source =
        server(folder.path(), "source", &[&feed("Feeds-12", "Octopus Server (built-in)"), uses].concat());
    let target = server(folder.path(), "target", &feed("feeds-builtin", "Our own packages"));
    carry(folder.path(), &source, &target);
    assert_eq!(ids(&target, "Feed"), "feeds-builtin");
    let packages = text(&target, "SELECT JSON FROM ActionTemplate");
    assert_eq!(packages.matches("feeds-builtin").count(), 2, "{packages}");
}

#[test]
fn what_is_rolled_back_takes_no_numbers() {
    let folder = folder();
    let source = server(folder.path(), "source", &environment(7, "A"));
    let target = server(folder.path(), "target", &allocated("DeploymentEnvironment", 40));
    let file = folder.path().join("a.sealift");
    export(&source, &octopus(), &file, &everything(None));
    let before = std::fs::read(&target).unwrap();
    let dry = try_import(&file, &target, &octopus(), None, true, overwrite()).unwrap();
    assert!(matches!(dry, Outcome::DryRun(_)), "{dry:#?}");
    assert!(before == std::fs::read(&target).unwrap());
    assert_eq!(counter(&target, "DeploymentEnvironment"), "40");
}

/// A variable is the same when its name and its scope are: a new value is no reason for a new id.
#[test]
fn a_variable_keeps_its_id_when_its_value_changes() {
    let folder = folder();
    let set = |folder: &Path, name: &str, number: u32, values: [&str; 3]| {
        let path = server(folder, name, &[OWNERS, &project(number, "Web")].concat());
        let variables: Vec<_> = ["A", "A", "B"]
            .iter()
            .zip(values)
            .enumerate()
            .map(|(n, (name, value))| serde_json::json!({ "Id": format!("{name}-{number}-{n}"), "Name": name, "Type": "String", "Value": value, "Scope": {} }))
            .collect();
        let json = serde_json::json!({ "Variables": variables }).to_string();
        Connection::open(&path).unwrap().execute("UPDATE VariableSet SET JSON = ?1", [json]).unwrap();
        path
    };
    let source = set(folder.path(), "source", 7, ["two", "one", "changed"]);
    let target = set(folder.path(), "target", 9, ["one", "other", "three"]);
    carry(folder.path(), &source, &target);
    let json: serde_json::Value =
        serde_json::from_str(&text(&target, "SELECT JSON FROM VariableSet")).unwrap();
    let ids: Vec<(&str, &str)> = json["Variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["Value"].as_str().unwrap(), v["Id"].as_str().unwrap()))
        .collect();
    // The twin that is there already is itself; the other takes the id that is left.
    assert!(ids.contains(&("one", "A-9-0")) && ids.contains(&("two", "A-9-1")), "{ids:?}");
    assert!(ids.contains(&("changed", "B-9-2")), "{ids:?}");
}

/// A role that every server has may be named by a row of a server whose own was deleted.
#[test]
fn a_key_may_run_through_an_id_that_only_the_target_has() {
    let folder = folder();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    for (path, sql) in [
        (
            &source,
            "INSERT INTO Team (Id, Name, MemberUserIds, JSON) VALUES ('Teams-1', 'Ops', '||', '{}');
             INSERT INTO ScopedUserRole (Id, TeamId, UserRoleId, JSON) VALUES ('ScopedUserRoles-1', 'Teams-1', 'userroles-buildserver', '{}');",
        ),
        (&target, "INSERT INTO UserRole (Id, Name, JSON) VALUES ('userroles-buildserver', 'Build server', '{}');"),
    ] {
        drop(empty_octopus(path));
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
    let file = folder.path().join("a.sealift");
    export(&source, &octopus(), &file, &everything(None));
    import(&file, &target, &octopus(), None, overwrite());
    assert_eq!(text(&target, "SELECT UserRoleId FROM ScopedUserRole"), "userroles-buildserver");
    import_nothing(&file, &target, &octopus(), None, overwrite());
}

/// What an event was about may be a tag, whose id is made of its set's.
#[test]
fn an_event_names_a_tag_by_its_new_id() {
    let folder = folder();
    let set = |id: &str, tags: &str| {
        format!(
            "INSERT INTO TagSet (Id, Name, SortOrder, JSON) VALUES ('{id}', 'Ring', 0, '{{\"Tags\":[{tags}]}}');"
        )
    };
    let tag = |id: &str, name: &str| format!("{{\"Id\":\"{id}\",\"Name\":\"{name}\"}}");
    let event = "INSERT INTO Event (Id, RelatedDocumentIds, Category, UserId, Username, Occurred, Message, AutoId, JSON) VALUES
        ('Events-1', '|TagSets-1/Tags-2|', 'Modified', 'users-system', 'system', '2018-01-01', '', 1, '{}');";
    let source = server(
        folder.path(),
        "source",
        &[&set("TagSets-1", &tag("TagSets-1/Tags-2", "Early")), event].concat(),
    );
    let others = [tag("TagSets-1/Tags-2", "Late"), tag("TagSets-1/Tags-5", "Early")].join(",");
    let target = server(folder.path(), "target", &set("TagSets-1", &others));
    carry(folder.path(), &source, &target);
    assert_eq!(text(&target, "SELECT RelatedDocumentIds FROM Event"), "|TagSets-1/Tags-5|");
}
