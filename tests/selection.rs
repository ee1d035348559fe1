//! What an export takes and leaves: versions of releases, groups of kinds, kinds that must be asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use sealift::ops::{ExportError, ExportOptions, Outcome, Root, Versions};
use support::everything::{Generation, SOURCE, TARGET, Twist, build};
use support::*;

const HISTORY: [&str; 11] = [
    "Artifact",
    "Deployment",
    "DeploymentProcessSnapshot",
    "Event",
    "Interruption",
    "Release",
    "RunbookProcessSnapshot",
    "RunbookRun",
    "RunbookSnapshot",
    "ServerTask",
    "VariableSetSnapshot",
];

fn source(folder: &Path) -> PathBuf {
    let path = folder.join("source.sqlite");
    build(&path, Generation::Spaces, 3, SOURCE, Twist::default());
    path
}

fn run(server: &Path, sql: &str) {
    Connection::open(server).unwrap().execute_batch(sql).unwrap();
}

fn count(server: &Path, sql: &str) -> i64 {
    Connection::open(server).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The kinds and last names of what an export takes.
fn taken(server: &Path, options: &ExportOptions<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let file = server.with_file_name("taken.sealift");
    export(server, &octopus(), &file, options);
    let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    open(&file)
        .entries(None, &mut |entry| {
            taken.entry(entry.kind.to_string()).or_default().insert(entry.key.leaf().to_string());
            Ok::<_, sealift::bundle::BundleError>(())
        })
        .unwrap();
    std::fs::remove_file(file).unwrap();
    taken
}

fn versions(text: &str) -> Option<Versions> {
    Versions::parse(text).unwrap()
}

#[test]
fn releases_are_chosen_by_version() {
    let folder = folder();
    let server = source(folder.path());
    let key = key(SOURCE.key);
    let of = |text: &str| {
        let taken = taken(&server, &ExportOptions { versions: versions(text), ..project("Web", Some(&key)) });
        let frozen = taken.get("DeploymentProcessSnapshot").map_or(0, BTreeSet::len);
        let releases: Vec<String> = taken.get("Release").into_iter().flatten().cloned().collect();
        (releases, frozen, taken.get("Deployment").map_or(0, BTreeSet::len))
    };
    let (all, frozen, deployments) = of("*");
    assert_eq!((all.as_slice(), frozen), (["1.0.0".to_owned(), "1.1.0".to_owned()].as_slice(), 2));
    assert!(deployments >= 4, "{deployments}");
    for one in ["1.1.0", "1.0.5-2.0.0", "1.1"] {
        // What the other release froze, and what was deployed of it, stays behind with it.
        assert_eq!(of(one), (vec!["1.1.0".to_owned()], 1, deployments / 2), "{one}");
    }
    assert_eq!(of("1.0.0-1.1.0").0, all);
    assert_eq!(of("7.0.0"), (Vec::new(), 0, 0));
}

#[test]
fn groups_of_kinds_are_left_out() {
    let folder = folder();
    let server = source(folder.path());
    let key = key(SOURCE.key);
    let all: BTreeSet<String> = taken(&server, &everything(Some(&key))).into_keys().collect();
    let deployments = ["Artifact", "Deployment", "Interruption", "RunbookRun", "ServerTask"];
    let groups: [(&str, &[&str]); 5] = [
        ("history", &HISTORY),
        ("deployments", &deployments),
        ("tenants", &["Tenant", "TenantVariable"]),
        ("certificates", &["Certificate"]),
        ("machines", &["Machine", "Worker"]),
    ];
    for (group, kinds) in groups {
        let options = ExportOptions { ignore: vec![group.to_owned()], ..everything(Some(&key)) };
        let left: BTreeSet<String> = taken(&server, &options).into_keys().collect();
        let gone: Vec<&str> = all.difference(&left).map(String::as_str).collect();
        assert_eq!(gone, kinds, "{group}");
        // So they are in a partial export.
        let options = ExportOptions { roots: project("Web", None).roots, ..options };
        let left: BTreeSet<String> = taken(&server, &options).into_keys().collect();
        assert!(kinds.iter().all(|kind| !left.contains(*kind)), "{group}: {left:?}");
    }
    let options = ExportOptions { ignore: vec!["moons".to_owned()], ..everything(Some(&key)) };
    let failed = try_export(&server, &octopus(), &folder.path().join("no"), &options, sealed());
    assert!(matches!(failed, Err(ExportError::NoSuchGroup(group)) if group == "moons"));
}

/// Without the source's snapshots, the target's runbooks go on publishing their own.
#[test]
fn what_the_target_publishes_stays_where_snapshots_stay_behind() {
    let folder = folder();
    let server = source(folder.path());
    let target = folder.path().join("target.sqlite");
    build(&target, Generation::Spaces, 3, TARGET, Twist { overwritten: 1, ..Twist::default() });
    run(&target, "UPDATE RunbookSnapshot SET Name = 'Ours ' || Id");
    let published =
        "SELECT count(*) FROM Runbook JOIN RunbookSnapshot s ON s.Id = PublishedRunbookSnapshotId";
    let before = count(&target, published);
    assert!(before > 1);
    let file = folder.path().join("a.sealift");
    let (ours, theirs) = (key(SOURCE.key), key(TARGET.key));
    let options = ExportOptions { ignore: vec!["history".to_owned()], ..everything(Some(&ours)) };
    export(&server, &octopus(), &file, &options);
    import(&file, &target, &octopus(), Some(&theirs), overwrite());
    assert_eq!(count(&target, published), before);
    let again = try_import(&file, &target, &octopus(), Some(&theirs), false, overwrite()).unwrap();
    assert!(matches!(again, Outcome::Nothing(_)), "{again:#?}");
    // With them, it publishes what the source does.
    export(&server, &octopus(), &folder.path().join("b.sealift"), &everything(Some(&ours)));
    import(&folder.path().join("b.sealift"), &target, &octopus(), Some(&theirs), overwrite());
    let ours = format!("{published} WHERE s.Name LIKE 'Ours %'");
    assert_eq!((count(&target, published), count(&target, &ours)), (before, 0));
}

/// A library set that only an old release used was once left behind (#5100), and what a frozen process needed
/// with it (#5117).
#[test]
fn what_old_releases_need_comes_along() {
    let folder = folder();
    let server = source(folder.path());
    let key = key(SOURCE.key);
    run(&server, "UPDATE Project SET IncludedLibraryVariableSetIds = '||'");
    let with = taken(&server, &project("Web", Some(&key)));
    assert!(with["LibraryVariableSet"].contains("Common"), "{:?}", with["LibraryVariableSet"]);
    let options = ExportOptions { ignore: vec!["history".to_owned()], ..project("Web", Some(&key)) };
    let without = taken(&server, &options);
    let sets = without.get("LibraryVariableSet");
    assert!(sets.is_none_or(|sets| !sets.contains("Common")), "{sets:?}");
}

/// A task that waits or runs would run again where it arrives.
#[test]
fn what_is_not_over_stays_where_it_is_with_what_hangs_on_it() {
    let folder = folder();
    let server = source(folder.path());
    let under_way = "SELECT count(*) FROM ServerTask WHERE State = 'Executing'";
    run(
        &server,
        "UPDATE ServerTask SET State = 'Executing' WHERE Id = (SELECT TaskId FROM Deployment ORDER BY Id LIMIT 1)",
    );
    assert!(count(&server, under_way) > 0);
    let target = folder.path().join("target.sqlite");
    support::everything::fresh(&target, Generation::Spaces, TARGET.key);
    let file = folder.path().join("a.sealift");
    let (ours, theirs) = (key(SOURCE.key), key(TARGET.key));
    export(&server, &octopus(), &file, &everything(Some(&ours)));
    import(&file, &target, &octopus(), Some(&theirs), overwrite());
    assert_eq!(count(&target, under_way), 0);
    let deployments = "SELECT count(*) FROM Deployment";
    assert_eq!(count(&target, deployments), count(&server, deployments) - 1);
    let loose = "SELECT count(*) FROM Deployment WHERE TaskId NOT IN (SELECT Id FROM ServerTask)";
    assert_eq!(count(&target, loose), 0);
}

#[test]
fn some_kinds_travel_only_where_they_are_asked_for() {
    let folder = folder();
    let server = source(folder.path());
    let key = key(SOURCE.key);
    let asked = ["ApiKey", "Configuration"];
    let all = taken(&server, &everything(Some(&key)));
    assert!(asked.iter().all(|kind| !all.contains_key(*kind)));
    let options = ExportOptions { ask: vec!["apikey".to_owned()], ..everything(Some(&key)) };
    let some = taken(&server, &options);
    assert!(some.contains_key("ApiKey") && !some.contains_key("Configuration"));
    let options = ExportOptions { only: vec!["Configuration".to_owned()], ..everything(Some(&key)) };
    assert_eq!(taken(&server, &options).into_keys().collect::<Vec<_>>(), ["Configuration"]);
}

/// Contradictions were once accepted without a word (#5153).
#[test]
fn contradictory_options_are_refused() {
    let folder = folder();
    let server = source(folder.path());
    let address = format!("sqlite:{}", server.display());
    let out = folder.path().join("out.sealift");
    let refuse = |args: &[&str], piece: &str| {
        let done = Command::new(env!("CARGO_BIN_EXE_sealift"))
            .args([args, &["--no-secrets", "-o", out.to_str().unwrap()]].concat())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(piece), "{args:?}: {error}");
        assert!(!out.exists());
    };
    let one = ["partial-export", &address, "--project", "Web"];
    refuse(&[&one[..], &["--ignore-history", "--release-version", "1.0.0"]].concat(), "--release-version");
    refuse(&[&one[..], &["--release-version", "2.0.0-1.0.0"]].concat(), "ends before it begins");
    refuse(&["export", &address, "--release-version", "1.0.0"], "--project");
    refuse(&["export", &address, "--only", "Certificate", "--ignore-certificates"], "asked for and left out");
    refuse(&["export", &address, "--also", "ApiKey", "--exclude", "ApiKey"], "asked for and left out");
    refuse(&["export", &address, "--include", "Machine/x", "--ignore-machines"], "asked for and left out");
}

#[test]
fn roots_of_history_bring_what_they_need() {
    let folder = folder();
    let server = source(folder.path());
    let key = key(SOURCE.key);
    let root = Root::Named { kind: "Release".to_owned(), name: "1.1.0".to_owned() };
    let taken = taken(&server, &ExportOptions { roots: vec![root], ..everything(Some(&key)) });
    assert!(
        taken["Project"].len() >= 2,
        "a release of that version has each project: {:?}",
        taken["Project"]
    );
    assert!(taken.contains_key("VariableSetSnapshot") && taken.contains_key("Channel"));
}

/// A bundle without history and the server it came from are the same configuration.
#[test]
fn a_comparison_leaves_out_what_an_export_can() {
    let folder = folder();
    let server = source(folder.path());
    let key = key(SOURCE.key);
    let file = folder.path().join("a.sealift");
    let options = ExportOptions { ignore: vec!["history".to_owned()], ..everything(Some(&key)) };
    export(&server, &octopus(), &file, &options);
    let diff = |args: &[&str]| {
        let address = format!("sqlite:{}", server.display());
        let done = Command::new(env!("CARGO_BIN_EXE_sealift"))
            .args([&["diff", file.to_str().unwrap(), &address], args].concat())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, said) = diff(&[]);
    assert!(code == Some(3) && said.contains("only right") && said.contains("Release"), "{said}");
    // The runbooks say what they publish all the same.
    let (code, said) = diff(&["--ignore-history"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = diff(&["--ignore-history", "--also", "ApiKey"]);
    let (compared, not) = said.split_once("not compared: ").unwrap();
    assert!(code == Some(3) && compared.contains("ApiKey") && !compared.contains("Release"), "{said}");
    assert!(not.contains("Release, left out with its group of kinds"), "{said}");
    let (code, said) = diff(&["--only", "Project"]);
    assert!(code == Some(0) && said.starts_with("0 documents differ"), "{said}");
}

/// A role for some projects, without any of them, would be a role for all.
#[test]
fn a_role_that_would_lose_its_limits_is_not_given() {
    let folder = folder();
    let make = |name: &str, rows: &str| {
        let path = folder.path().join(name);
        empty_octopus(&path);
        run(
            &path,
            &format!(
                "INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('Spaces-1', 'Default', 1, '{{}}'); {rows}"
            ),
        );
        path
    };
    let role = |n: u32, json: &str| {
        format!("INSERT INTO ScopedUserRole (Id, TeamId, UserRoleId, SpaceId, JSON) VALUES ('ScopedUserRoles-{n}', 'Teams-1', 'UserRoles-{n}', 'Spaces-1', '{json}');
                 INSERT INTO UserRole (Id, Name, JSON) VALUES ('UserRoles-{n}', 'Role {n}', '{{}}');")
    };
    let source = make(
        "source",
        &[
            "INSERT INTO Team (Id, Name, MemberUserIds, JSON) VALUES ('Teams-1', 'Ops', '||', '{}');
             INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, SpaceId, JSON) VALUES
               ('Environments-1', 'Test', 0, 'Spaces-1', '{}'), ('Environments-2', 'Production', 0, 'Spaces-1', '{}');",
            &role(1, r#"{"EnvironmentIds":["Environments-2"]}"#),
            &role(2, r#"{"EnvironmentIds":["Environments-1","Environments-2"]}"#),
            &role(3, r#"{"EnvironmentIds":[]}"#),
        ]
        .concat(),
    );
    let target = make(
        "target",
        "INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, SpaceId, JSON) VALUES ('Environments-9', 'Test', 0, 'Spaces-1', '{}');",
    );
    let file = folder.path().join("a.sealift");
    let options = ExportOptions { exclude: vec!["Environment".to_owned()], ..everything(None) };
    export(&source, &octopus(), &file, &options);
    let done = try_import(&file, &target, &octopus(), None, false, overwrite()).unwrap();
    let Outcome::Applied(plan) = done else { panic!("{done:#?}") };
    let skipped: Vec<_> = plan.entries.iter().filter_map(|e| e.reason.as_ref()).collect();
    assert!(skipped.len() == 1 && skipped[0].contains("EnvironmentIds"), "{skipped:?}");
    let given = "SELECT count(*) FROM ScopedUserRole";
    assert_eq!(count(&target, given), 2);
    assert_eq!(count(&target, &format!("{given} WHERE JSON LIKE '%[\"Environments-9\"]%'")), 1);
}

/// A task under way and one that is over may have been queued at once: what speaks of the one must not be taken
/// to speak of the other.
#[test]
fn what_refers_to_a_task_under_way_is_not_bound_to_its_namesake() {
    let folder = folder();
    let path = folder.path().join("source");
    empty_octopus(&path);
    let task = |id: u32, state: &str| {
        format!("INSERT INTO ServerTask (Id, Name, Description, QueueTime, State, HasPendingInterruptions, HasWarningsOrErrors, DurationSeconds, SpaceId, JSON)
                 VALUES ('ServerTasks-{id}', 'Deploy', '{state}', '2026-01-01', '{state}', 0, 0, 1, 'Spaces-1', '{{}}');")
    };
    run(
        &path,
        &[
            "INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('Spaces-1', 'Default', 1, '{}');
             INSERT INTO Event (Id, RelatedDocumentIds, Category, UserId, Username, Occurred, Message, SpaceId, JSON, AutoId)
               VALUES ('Events-1', '|ServerTasks-1|', 'Queued', 'users-system', 'system', '2026-01-01', 'm', 'Spaces-1', '{}', 1);",
            &task(1, "Executing"),
            &task(2, "Success"),
        ]
        .concat(),
    );
    let target = folder.path().join("target");
    empty_octopus(&target);
    let file = folder.path().join("a.sealift");
    export(&path, &octopus(), &file, &everything(None));
    import(&file, &target, &octopus(), None, overwrite());
    assert_eq!(count(&target, "SELECT count(*) FROM ServerTask WHERE State = 'Success'"), 1);
    assert_eq!(count(&target, "SELECT count(*) FROM Event WHERE RelatedDocumentIds LIKE '%ServerTasks%'"), 0);
    let again = try_import(&file, &target, &octopus(), None, false, overwrite()).unwrap();
    assert!(matches!(again, Outcome::Nothing(_)), "{again:#?}");
}

/// The target may have a task of its own under way, and documents that speak of it.
#[test]
fn a_target_at_work_is_read() {
    let folder = folder();
    let server = folder.path().join("source.sqlite");
    empty_octopus(&server);
    run(
        &server,
        "INSERT INTO Space (Id, Name, IsDefault, JSON) VALUES ('Spaces-1', 'Default', 1, '{}');
         INSERT INTO ServerTask (Id, Name, Description, QueueTime, State, HasPendingInterruptions, HasWarningsOrErrors, DurationSeconds, SpaceId, JSON)
           VALUES ('ServerTasks-1', 'Deploy', '', '2020-01-01', 'Queued', 0, 0, 1, 'Spaces-1', '{}');
         INSERT INTO Event (Id, RelatedDocumentIds, Category, UserId, Username, Occurred, Message, SpaceId, JSON, AutoId)
           VALUES ('Events-1', '|ServerTasks-1|', 'Queued', 'users-system', 'system', '2020-01-01', 'm', 'Spaces-1', '{}', 1);",
    );
    let file = folder.path().join("a.sealift");
    export(&server, &octopus(), &file, &everything(None));
    let plan = plan(&file, &server, &octopus(), None, skip());
    assert!(plan.findings.is_empty(), "{:?}", plan.findings);
    assert!(plan.is_empty());
}
