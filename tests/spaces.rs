//! Spaces: one of several exported, carried into another, into servers that have none and out of them.
//!
//! One file, because every promise is told on the same servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sealift::bundle::Reason;
use sealift::demo::{self, DemoOptions, Site};
use sealift::document::ContentId;
use sealift::model::{Model, OCTOPUS_2018_SQL, OCTOPUS_SPACES_SQL};
use sealift::ops::{ExportError, ExportOptions, ImportOptions, IntoScope, Outcome, Root};
use sealift::plan::Action;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::*;

/// A demonstration server in a folder of the test.
struct Place {
    path: PathBuf,
    key: sealift::crypto::MasterKey,
}

impl Place {
    fn new(folder: &Path, name: &str, tables: &'static str, site: Site) -> Self {
        let place = Self::empty(folder, name, tables, if site == Site::Build { 1 } else { 2 });
        let mut server = SqliteServer::open(&place.path).unwrap();
        demo::build(&mut server, site, &place.key, &DemoOptions::default()).unwrap();
        place
    }

    fn empty(folder: &Path, name: &str, tables: &'static str, number: u8) -> Self {
        let path = folder.join(name);
        drop(SqliteServer::create(&path, Schema::Ddl(tables)).unwrap());
        Self { path, key: key(number) }
    }

    fn run(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    fn text(&self, sql: &str) -> String {
        let value: rusqlite::types::Value =
            Connection::open(&self.path).unwrap().query_row(sql, [], |r| r.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn export(&self, folder: &Path, name: &str, options: &ExportOptions<'_>) -> PathBuf {
        let file = folder.join(name);
        export(&self.path, &octopus(), &file, options);
        file
    }
}

/// Everything of some spaces, secrets too.
fn spaces<'k>(place: &'k Place, names: &[&str]) -> ExportOptions<'k> {
    let scopes = names.iter().map(|name| (*name).to_owned()).collect();
    ExportOptions { scopes, ..everything(Some(&place.key)) }
}

/// What a bundle holds, by kind and key.
fn contents(file: &Path) -> BTreeMap<String, ContentId> {
    let mut found = BTreeMap::new();
    open(file)
        .entries(None, &mut |entry| -> Result<(), sealift::bundle::BundleError> {
            found.insert(format!("{} {}", entry.kind, entry.key.to_text()), entry.content_id);
            Ok(())
        })
        .unwrap();
    found
}

fn in_space(name: &str) -> String {
    format!("{{\"Space\":[\"{name}\"]}}")
}

#[test]
fn a_space_is_exported_with_what_it_needs_and_nothing_of_another() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    let all = contents(&build.export(folder.path(), "all.sealift", &everything(Some(&build.key))));
    let one = contents(&build.export(folder.path(), "one.sealift", &spaces(&build, &["default"])));
    let other = contents(&build.export(folder.path(), "other.sealift", &spaces(&build, &["Data Platform"])));
    let both = contents(&build.export(
        folder.path(),
        "both.sealift",
        &spaces(&build, &["Data Platform", "Default"]),
    ));

    // Each document is what it is in an export of everything, and every document of the space is there.
    let (default, platform) = (in_space("Default"), in_space("Data Platform"));
    for (bundle, mine, theirs) in [(&one, &default, &platform), (&other, &platform, &default)] {
        assert!(bundle.iter().all(|(name, id)| all.get(name) == Some(id)));
        assert!(bundle.keys().all(|name| !name.contains(theirs.as_str())));
        let wanted = all.keys().filter(|name| name.contains(mine.as_str()));
        let missing: Vec<_> = wanted.filter(|name| !bundle.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    let mut union = one.clone();
    union.extend(other.clone());
    assert_eq!(both, union);

    // The two share names; what is named through a project belongs with it.
    assert!(one.contains_key("Project [{\"Space\":[\"Default\"]},\"Shop Web\"]"));
    assert!(other.contains_key("Project [{\"Space\":[\"Data Platform\"]},\"Shop Web\"]"));
    assert!(other.keys().any(|name| name.starts_with("VariableSet ")));
    assert!(one.contains_key("Space [\"Default\"]") && !one.contains_key("Space [\"Data Platform\"]"));

    // Server-wide documents come where the space names them, people too; others do not.
    assert!(other.contains_key("Team [null,\"Octopus Managers\"]"));
    assert!(!other.contains_key("Team [null,\"Everyone\"]") && !one.contains_key("Team [null,\"Everyone\"]"));
    assert!(other.keys().all(|name| !name.starts_with("User ") && !name.starts_with("UserRole ")));
    assert!(one.keys().any(|name| name.starts_with("User ")));
    assert!(one.keys().any(|name| name.starts_with("UserRole ")));
}

#[test]
fn a_server_wide_team_does_not_bring_its_roles_in_other_spaces() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    // The managers, who are the server's, have a role in each space and one server-wide.
    build.run(
        "INSERT INTO ScopedUserRole (Id, SpaceId, TeamId, UserRoleId, JSON)
           SELECT 'ScopedUserRoles-90' || s.rowid, s.Id, t.Id, r.Id, '{}' FROM Space s, Team t, UserRole r
           WHERE t.Name = 'Octopus Managers' AND r.Name = 'Space manager';
         INSERT INTO ScopedUserRole (Id, SpaceId, TeamId, UserRoleId, JSON)
           SELECT 'ScopedUserRoles-800', NULL, t.Id, r.Id, '{}' FROM Team t, UserRole r
           WHERE t.Name = 'Octopus Managers' AND r.Name = 'System administrator';",
    );
    let roles = |options: &ExportOptions<'_>, name: &str| -> Vec<String> {
        let found = contents(&build.export(folder.path(), name, options));
        found.into_keys().filter(|name| name.starts_with("ScopedUserRole ")).collect()
    };
    let managers = "{\"Team\":[null,\"Octopus Managers\"]}";
    let whole = roles(&spaces(&build, &["Data Platform"]), "whole.sealift");
    assert_eq!(
        whole,
        [format!(
            "ScopedUserRole [{},{managers},{{\"UserRole\":[\"Space manager\"]}}]",
            in_space("Data Platform")
        )]
    );
    // A partial export takes what belongs to the team along, as it does without spaces, within the space.
    let root = Root::Named { kind: "Team".to_owned(), name: "Octopus Managers".to_owned() };
    let partial = ExportOptions { roots: vec![root], ..spaces(&build, &["Data Platform"]) };
    let wide = format!("ScopedUserRole [null,{managers},{{\"UserRole\":[\"System administrator\"]}}]");
    assert_eq!(roles(&partial, "partial.sealift"), [wide, whole[0].clone()]);
}

#[test]
fn a_name_that_several_spaces_have_is_looked_up_in_the_space() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    let projects = |options: &ExportOptions<'_>, name: &str| -> Vec<String> {
        let found = contents(&build.export(folder.path(), name, options));
        found.into_keys().filter(|name| name.starts_with("Project ")).collect()
    };
    let both = projects(&project("Shop Web", Some(&build.key)), "both.sealift");
    assert!(both.len() > 1);
    let shop = |space: &str| ExportOptions {
        scopes: vec![space.to_owned()],
        ..project("shop web", Some(&build.key))
    };
    assert_eq!(
        projects(&shop("Data Platform"), "platform.sealift"),
        [format!("Project [{},\"Shop Web\"]", in_space("Data Platform"))]
    );
    let default = projects(&shop("Default"), "default.sealift");
    assert!(default.contains(&format!("Project [{},\"Shop Web\"]", in_space("Default"))));
    assert!(default.iter().all(|name| name.contains("Default")));
    // A group's projects, likewise.
    let (kind, of) = ("Project".to_owned(), "ProjectGroup".to_owned());
    let group = ExportOptions {
        roots: vec![Root::Members { kind, of, name: "Shop".to_owned() }],
        ..spaces(&build, &["Data Platform"])
    };
    assert_eq!(projects(&group, "group.sealift").len(), 1);
    // A name that only another space has.
    let file = folder.path().join("none.sealift");
    let wrong = ExportOptions {
        scopes: vec!["Data Platform".to_owned()],
        ..project("Order Service", Some(&build.key))
    };
    let error = try_export(&build.path, &octopus(), &file, &wrong, sealed()).unwrap_err();
    assert!(matches!(error, ExportError::NotInScope { .. }), "{error}");
    assert!(!file.exists());
}

#[test]
fn a_space_that_is_not_there_is_named_with_those_that_are() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    let old = Place::new(folder.path(), "old.sqlite", OCTOPUS_2018_SQL, Site::Build);
    let file = folder.path().join("none.sealift");
    let fails = |place: &Place| {
        let options = spaces(place, &["Default", "Dfault"]);
        try_export(&place.path, &octopus(), &file, &options, sealed()).unwrap_err().to_string()
    };
    assert_eq!(
        fails(&build),
        "there is no Space named \"Dfault\" on this server; there is Data Platform, Default"
    );
    assert_eq!(fails(&old), "this server has no Space at all: it is of a generation before them");
    let flat = Model::parse(&HALLS.replace("[scope]\nkind = \"Hall\"\n", ""), "flat.toml").unwrap();
    let path = halls(folder.path());
    let error = try_export(&path, &flat, &file, &spaces(&build, &["North"]), sealed()).unwrap_err();
    assert_eq!(error.to_string(), "the model of Halls names no kind that documents belong to");
    assert!(!file.exists());
}

/// A product whose documents belong to halls, some of them only by way of what they belong to.
const HALLS: &str = r#"
format = 1
name = "halls"
title = "Halls"
[scope]
kind = "Hall"
[[kind]]
name = "Hall"
table = "Hall"
id = { column = "Id", new = "next" }
key = ["Name"]
[[kind]]
name = "Room"
table = "Room"
id = { column = "Id", new = "next" }
key = ["HallId", "Name"]
reference = [{ at = "HallId", to = "Hall" }]
[[kind]]
name = "Door"
table = "Door"
id = { column = "Id", new = "next" }
key = ["RoomId", "Name"]
reference = [{ at = "RoomId", to = "Room" }, { at = "KeeperId", to = "Keeper", follow = false }]
[[kind]]
name = "Keeper"
table = "Keeper"
id = { column = "Id", new = "next" }
key = ["Name"]
reference = [{ at = "BossId", to = "Keeper" }, { at = "FriendId", to = "Keeper", follow = false },
  { at = "RoomIds", to = "Room", form = "pipe", follow = false }]
"#;

/// A server with two halls.
fn halls(folder: &Path) -> PathBuf {
    let path = folder.join("halls.sqlite");
    let tables = "CREATE TABLE [Hall] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(50) NOT NULL);
        CREATE TABLE [Room] ([Id] int NOT NULL PRIMARY KEY, [HallId] int NOT NULL, [Name] nvarchar(50) NOT NULL);
        CREATE TABLE [Door] ([Id] int NOT NULL PRIMARY KEY, [RoomId] int NOT NULL, [Name] nvarchar(50) NOT NULL, [KeeperId] int);
        CREATE TABLE [Keeper] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(50) NOT NULL, [BossId] int, [FriendId] int, [RoomIds] nvarchar(50));";
    drop(SqliteServer::create(&path, Schema::Ddl(tables)).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "INSERT INTO Hall VALUES (1, 'North'), (2, 'South');
             INSERT INTO Room VALUES (1, 1, 'Blue'), (2, 2, 'Blue');
             INSERT INTO Door VALUES (1, 1, 'Front', 1), (2, 2, 'Front', 2), (3, 2, 'Back', NULL);
             INSERT INTO Keeper VALUES (1, 'Ann', 3, 4, '|1|2|'), (2, 'Bo', NULL, NULL, NULL), (3, 'Cy', NULL, NULL, NULL), (4, 'Di', NULL, NULL, NULL);",
        )
        .unwrap();
    path
}

#[test]
fn what_belongs_to_a_scope_by_way_of_another_document_is_in_it() {
    let folder = folder();
    let path = halls(folder.path());
    let model = Model::parse(HALLS, "halls.toml").unwrap();
    let file = folder.path().join("north.sealift");
    let options = ExportOptions { scopes: vec!["North".to_owned()], ..everything(None) };
    export(&path, &model, &file, &options);
    let names: Vec<String> = contents(&file).into_keys().collect();
    assert_eq!(
        names,
        [
            "Door [{\"Room\":[{\"Hall\":[\"North\"]},\"Blue\"]},\"Front\"]",
            "Hall [\"North\"]",
            "Keeper [\"Ann\"]",
            "Keeper [\"Cy\"]",
            "Room [{\"Hall\":[\"North\"]},\"Blue\"]",
        ]
    );
    let mut reasons = BTreeMap::new();
    let bundle = open(&file);
    bundle
        .entries(None, &mut |entry| -> Result<(), sealift::bundle::BundleError> {
            reasons.insert(entry.kind.to_string() + " " + &entry.key.leaf(), entry.reason);
            Ok(())
        })
        .unwrap();
    assert_eq!(reasons["Hall North"], Reason::Named);
    assert!(matches!(&reasons["Door Front"], Reason::BelongsTo { key, .. } if key.leaf() == "North"));
    assert!(matches!(&reasons["Keeper Cy"], Reason::NeededBy { key, .. } if key.leaf() == "Ann"));

    // A model that cannot mean what it says.
    for (from, to, reason) in [
        ("kind = \"Hall\"", "kind = \"Hell\"", "no kind \"Hell\""),
        ("key = [\"HallId\", \"Name\"]", "key = [\"Name\", \"HallId\"]", "begins with it"),
        ("kind = \"Hall\"", "kind = \"Door\"", "runs through another"),
        (
            "at = \"HallId\", to = \"Hall\"",
            "at = \"HallId\", to = [\"Hall\", \"Keeper\"]",
            "no kind has a column",
        ),
    ] {
        let error = Model::parse(&HALLS.replacen(from, to, 1), "halls.toml").unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Options of an import into spaces, each `TARGET` or `SOURCE=TARGET`.
fn into(spaces: &[&str]) -> ImportOptions {
    ImportOptions { into: spaces.iter().map(|text| IntoScope::parse(text)).collect(), ..overwrite() }
}

/// What is wrong with an import that must not touch its target.
fn refused(file: &Path, target: &Place, options: ImportOptions) -> Vec<String> {
    let before = std::fs::read(&target.path).unwrap();
    let outcome = try_import(file, &target.path, &octopus(), Some(&target.key), false, options).unwrap();
    let Outcome::Refused(plan) = outcome else { panic!("not refused: {outcome:#?}") };
    assert!(before == std::fs::read(&target.path).unwrap(), "a refused import changed the target");
    plan.findings.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem)).collect()
}

fn add_space(place: &Place, id: &str, name: &str) {
    place.run(&format!("INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('{id}', '{name}', 0, '{{}}')"));
}

#[test]
fn a_space_goes_into_another_under_ids_and_keys_of_its_own() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    let production = Place::new(folder.path(), "production.sqlite", OCTOPUS_SPACES_SQL, Site::Production);
    add_space(&production, "Spaces-50", "Team B");
    let file = build.export(folder.path(), "one.sealift", &spaces(&build, &["Default"]));
    let own = ExportOptions { exclude: wide(), ..spaces(&production, &["Default"]) };
    let of = |file: &Path, space: &str| -> BTreeMap<String, ContentId> {
        contents(file).into_iter().filter(|(name, _)| name.contains(&in_space(space))).collect()
    };
    let theirs = of(&production.export(folder.path(), "before.sealift", &own), "Default");

    let plan = import(&file, &production.path, &octopus(), Some(&production.key), into(&["team b"]));
    assert_eq!(plan.notices, ["what is in Space Default goes into Team B of the target"]);
    let of_space: Vec<_> = plan.entries.iter().filter(|e| e.kind.as_str() == "Space").collect();
    assert_eq!((of_space.len(), of_space[0].action), (1, Action::Skip));
    assert!(
        plan.entries.iter().filter(|e| e.action.writes()).all(|e| !e.key.to_text().contains("Default\"]}"))
    );
    assert_eq!(
        production.text("SELECT Name || IsDefault || JSON FROM Space WHERE Id = 'Spaces-50'"),
        "Team B0{}"
    );

    // The space that was there is as it was, the built-in feed too, which has one id on every server.
    let after = of(&production.export(folder.path(), "after.sealift", &own), "Default");
    let moved: Vec<_> = theirs.iter().filter(|(name, id)| after.get(*name) != Some(id)).collect();
    assert!(theirs.len() == after.len() && theirs.len() > 50 && moved.is_empty(), "{moved:?}");
    assert_ne!(production.text("SELECT SpaceId FROM Feed WHERE Id = 'feeds-builtin'"), "Spaces-50");
    assert_eq!(
        production.text("SELECT count(*) || max(Id LIKE 'Feeds-%') FROM Feed WHERE SpaceId = 'Spaces-50' AND Name = (SELECT Name FROM Feed WHERE Id = 'feeds-builtin')"),
        "11"
    );
    // A column that is no part of the key is set as well.
    assert_eq!(
        production.text("SELECT count(*) FROM Channel c JOIN Project p ON p.Id = c.ProjectId WHERE c.SpaceId <> p.SpaceId || ''"),
        "0"
    );
    // A secret, sealed under the name it had at the source, opens and is of the target's key.
    let token = production
        .text("SELECT JSON ->> 'Token' FROM Account WHERE SpaceId = 'Spaces-50' AND Name = 'Kube Token'");
    let at_source = build.text("SELECT JSON ->> 'Token' FROM Account WHERE Name = 'Kube Token'");
    assert_eq!(
        production.key.decrypt(&token).unwrap().expose_text().unwrap(),
        build.key.decrypt(&at_source).unwrap().expose_text().unwrap()
    );

    // Twice is nothing, and back again is nothing: all of it arrived, secrets too.
    import_nothing(&file, &production.path, &octopus(), Some(&production.key), into(&["Team B"]));
    let back = ExportOptions { exclude: wide(), ..spaces(&production, &["Team B"]) };
    let back = production.export(folder.path(), "back.sealift", &back);
    let of = |file: &Path, space: &str| {
        contents(file).into_keys().filter(|n| n.contains(&in_space(space))).count()
    };
    assert_eq!(of(&back, "Team B"), of(&file, "Default"));
    import_nothing(&back, &build.path, &octopus(), Some(&build.key), into(&["Team B=Default"]));
}

#[test]
fn a_set_of_what_is_in_several_spaces_is_the_same_set_under_other_names() {
    let folder = folder();
    let path = halls(folder.path());
    let model = Model::parse(HALLS, "halls.toml").unwrap();
    let file = folder.path().join("all.sealift");
    export(&path, &model, &file, &everything(None));
    let target = folder.path().join("target.sqlite");
    drop(empty_like(&target, &path));
    Connection::open(&target).unwrap().execute_batch("INSERT INTO Hall VALUES (7, 'Zenith')").unwrap();
    // The room of the North came first; under its other name it comes last.
    import(&file, &target, &model, None, into(&["north=zenith"]));
    import_nothing(&file, &target, &model, None, into(&["north=zenith"]));
    let rooms: String = Connection::open(&target)
        .unwrap()
        .query_row(
            "SELECT group_concat(h.Name) FROM (SELECT * FROM Hall ORDER BY Name) h JOIN Room r ON r.HallId = h.Id
             JOIN Keeper k ON k.RoomIds LIKE '%|' || r.Id || '|%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(rooms, "South,Zenith");
}

#[test]
fn teams_that_every_server_has_stay_the_servers_own() {
    let folder = folder();
    let old = Place::new(folder.path(), "old.sqlite", OCTOPUS_2018_SQL, Site::Build);
    let new = Place::empty(folder.path(), "new.sqlite", OCTOPUS_SPACES_SQL, 2);
    add_space(&new, "Spaces-7", "Main");
    let file = old.export(folder.path(), "old.sealift", &everything(Some(&old.key)));
    let plan = plan(&file, &new.path, &octopus(), Some(&new.key), into(&["Main"]));
    let teams: Vec<String> =
        plan.entries.iter().filter(|e| e.kind.as_str() == "Team").map(|e| e.key.to_string()).collect();
    for (key, there) in [
        ("- / Everyone", true),
        ("- / Octopus Administrators", true),
        ("Main / Release Approvers", true),
        ("Main / Everyone", false),
    ] {
        assert_eq!(teams.iter().any(|team| team == key), there, "{key}: {teams:?}");
    }
    // What those teams could do on a server before spaces has no column any more: that is for people to decide.
    assert!(
        plan.findings
            .iter()
            .all(|f| f.kind == "Team" && f.problem.contains(", which the target's table Team lacks")),
        "{:#?}",
        plan.findings
    );
    assert!(!plan.findings.is_empty());
}

/// The kinds that are the whole server's: what both servers have of them is joined, or updated.
fn wide() -> Vec<String> {
    ["User", "UserRole", "CommunityActionTemplate"].map(str::to_owned).to_vec()
}

#[test]
fn several_spaces_go_each_to_a_place_of_its_own() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    let target = Place::new(folder.path(), "target.sqlite", OCTOPUS_SPACES_SQL, Site::Production);
    add_space(&target, "Spaces-50", "Team B");
    add_space(&target, "Spaces-51", "Team C");
    let file = build.export(folder.path(), "both.sealift", &everything(Some(&build.key)));
    assert_eq!(
        refused(&file, &target, into(&["Team B"])),
        [
            "Space Team B: the bundle has documents of several (Data Platform, Default): say which of them go there, as SOURCE=TARGET"
        ]
    );
    assert_eq!(
        refused(&file, &target, into(&["Defalt=Team B", "Default=Team D", "Data Platform=Team C"])),
        [
            "Space Defalt: is not in the bundle; there is Data Platform, Default",
            "Space Team D: is not in the target; there is Default, Team B, Team C"
        ]
    );
    let twice = refused(&file, &target, into(&["Default=Team B", "default=Team C"]));
    assert_eq!(twice, ["Space default: is sent to two places"]);
    let two = refused(&file, &target, into(&["Team B", "Data Platform=Team C"]));
    assert!(two[0].starts_with("Space Team B: several names are given"), "{two:?}");
    // Two spaces that share names do not fit into one.
    let one = refused(&file, &target, into(&["Default=Team B", "Data Platform=Team B"]));
    assert!(
        one.contains(&"Project Team B / Shop Web: the bundle has several documents of this name".to_owned()),
        "{one:?}"
    );

    let ways = ["Default=Team B", "Data Platform=Team C"];
    import(&file, &target.path, &octopus(), Some(&target.key), into(&ways));
    import_nothing(&file, &target.path, &octopus(), Some(&target.key), into(&ways));
    assert_eq!(
        target.text("SELECT group_concat(SpaceId) FROM (SELECT SpaceId FROM Project WHERE Name = 'Shop Web' ORDER BY 1)"),
        format!("{},Spaces-50,Spaces-51", target.text("SELECT Id FROM Space WHERE Name = 'Default'"))
    );
    // One that is not sent elsewhere keeps its name; two can change places.
    let swapped = into(&["Default=Data Platform", "Data Platform=Default"]);
    let plan = plan(&file, &build.path, &octopus(), Some(&build.key), swapped);
    assert!(
        plan.entries
            .iter()
            .any(|e| e.key.to_text() == format!("[{},\"Order Service\"]", in_space("Data Platform")))
    );
    let plan = support::plan(&file, &target.path, &octopus(), Some(&target.key), into(&["Default=Team B"]));
    let created: Vec<_> = plan.entries.iter().filter(|e| e.action == Action::Create).collect();
    assert!(created.iter().any(|e| e.key.to_text() == "[\"Data Platform\"]"), "{created:#?}");
}

/// Teams have other columns before spaces: they are made by hand on each server.
fn make_teams(target: &Place, source: &Place, space: Option<&str>) {
    let db = Connection::open(&source.path).unwrap();
    let mut select = db.prepare("SELECT Id, Name FROM Team").unwrap();
    let teams = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    for (number, team) in teams.enumerate() {
        let (_, name) = team.unwrap();
        target.run(&match space {
            Some(space) => format!("INSERT INTO Team (Id, Name, MemberUserIds, SpaceId, JSON) VALUES ('Teams-{}', '{name}', '', '{space}', '{{}}')", 900 + number),
            None => format!("INSERT INTO Team (Id, Name, MemberUserIds, EnvironmentIds, ProjectIds, JSON) VALUES ('Teams-{}', '{name}', '', '', '', '{{}}')", 700 + number),
        });
    }
}

#[test]
fn a_server_before_spaces_and_one_with_them_exchange_documents() {
    let folder = folder();
    let old = Place::new(folder.path(), "old.sqlite", OCTOPUS_2018_SQL, Site::Build);
    let new = Place::empty(folder.path(), "new.sqlite", OCTOPUS_SPACES_SQL, 2);
    add_space(&new, "Spaces-7", "Main");
    add_space(&new, "Spaces-8", "Other");
    make_teams(&new, &old, Some("Spaces-7"));
    let no_teams = |place| ExportOptions { exclude: vec!["Team".to_owned()], ..everything(Some(place)) };
    let file = old.export(folder.path(), "old.sealift", &no_teams(&old.key));

    // Without a space to go to, keys are of another shape.
    let shape = refused(&file, &new, overwrite());
    assert!(shape.iter().any(|f| f.contains("another shape")), "{shape:?}");
    assert_eq!(
        refused(&file, &new, into(&["Mian"])),
        ["Space Mian: is not in the target; there is Main, Other"]
    );
    let plan = import(&file, &new.path, &octopus(), Some(&new.key), into(&["Main"]));
    assert!(
        plan.notices
            .contains(&"the bundle knows no Space: its documents go into Main of the target".to_owned())
    );
    assert_eq!(plan.count(Action::Create), plan.entries.len());
    import_nothing(&file, &new.path, &octopus(), Some(&new.key), into(&["Main"]));
    for table in ["Project", "Channel", "VariableSet", "TenantVariable"] {
        let spaces = new.text(&format!("SELECT group_concat(DISTINCT SpaceId) FROM {table}"));
        assert_eq!(spaces, "Spaces-7", "{table}");
    }

    // Back to a server before spaces: what arrives is what left.
    let again = Place::empty(folder.path(), "again.sqlite", OCTOPUS_2018_SQL, 3);
    make_teams(&again, &old, None);
    let options = ExportOptions { exclude: vec!["Team".to_owned()], ..spaces(&new, &["Main"]) };
    let one = new.export(folder.path(), "main.sealift", &options);
    let both = new.export(folder.path(), "both.sealift", &no_teams(&new.key));
    assert_eq!(
        refused(&both, &again, overwrite()),
        [
            "Space : the bundle has documents of several (Main, Other) and the target has none at all; export one of them with --space"
        ]
    );
    assert_eq!(
        refused(&one, &again, into(&["Main"])),
        ["Space Main: the target has none at all: leave --into-space out, and documents lose theirs"]
    );
    let plan = import(&one, &again.path, &octopus(), Some(&again.key), overwrite());
    assert!(
        plan.notices.contains(&"the target has no Space at all: what is in Space Main loses it".to_owned())
    );
    import_nothing(&one, &again.path, &octopus(), Some(&again.key), overwrite());
    let (left, arrived) =
        (contents(&file), contents(&again.export(folder.path(), "again.sealift", &no_teams(&again.key))));
    assert!(arrived.len() > 100);
    let differ: Vec<_> = arrived.iter().filter(|(name, id)| left.get(*name) != Some(id)).collect();
    assert!(differ.is_empty(), "{differ:?}");
    // Only people and roles that no document of the space names stayed behind.
    let behind: Vec<_> = left.keys().filter(|name| !arrived.contains_key(*name)).collect();
    assert!(
        behind.iter().all(|name| ["User ", "UserRole ", "CommunityActionTemplate "]
            .iter()
            .any(|k| name.starts_with(k))),
        "{behind:?}"
    );
    // Secrets too: the source finds nothing that is otherwise.
    import_nothing(&folder.path().join("again.sealift"), &old.path, &octopus(), Some(&old.key), overwrite());
}

#[test]
fn the_command_says_what_is_wrong_with_a_space() {
    let folder = folder();
    let build = Place::new(folder.path(), "build.sqlite", OCTOPUS_SPACES_SQL, Site::Build);
    let old = Place::new(folder.path(), "old.sqlite", OCTOPUS_2018_SQL, Site::Production);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sealift = |args: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_sealift")).args(args).output().unwrap();
        let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        (out.status.code().unwrap(), text)
    };
    let (server, bundle) = (format!("sqlite:{}", at("build.sqlite")), at("one.sealift"));
    let export = |server: &str, space: &str| {
        sealift(&["export", server, "-o", &bundle, "--no-secrets", "--space", space])
    };
    let (code, text) = export(&server, "Nowhere");
    assert!(
        code == 2 && text.contains("there is Data Platform, Default") && text.contains("hint:"),
        "{text}"
    );
    let (code, text) = export(&format!("sqlite:{}", at("old.sqlite")), "Default");
    assert!(code == 2 && text.contains("no Space at all") && text.contains("leave --space out"), "{text}");
    assert!(!Path::new(&bundle).exists());
    assert_eq!(export(&server, "Data Platform").0, 0);
    let (_, text) = sealift(&["info", &bundle]);
    assert!(text.contains("exported with  --space \"Data Platform\""), "{text}");

    let plan = |to: &Place, into: &str| {
        let to = format!("sqlite:{}", to.path.display());
        sealift(&["plan", &bundle, "--to", &to, "--ignore-version", "--into-space", into])
    };
    let (code, text) = plan(&build, "Nowhere");
    assert!(code == 4 && text.contains("STOP Space Nowhere: is not in the target; there is"), "{text}");
    let (code, text) = plan(&old, "Default");
    assert!(code == 4 && text.contains("leave --into-space out"), "{text}");
}
