//! Maintenance mode: what a plan says of the target at work, when `--require-maintenance` refuses, and what the one
//! transaction writes to which table. On both servers; the product's places are those of the model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[path = "support/tsql.rs"]
mod tsql;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sealift::bundle::Bundle;
use sealift::crypto::FingerprintKey;
use sealift::demo::{self, DemoOptions, Site};
use sealift::document::Value;
use sealift::model::{Model, OCTOPUS_SPACES_SQL, OCTOPUS_TOML};
use sealift::ops::{self, ImportOptions, Keys, Outcome};
use sealift::plan::{Maintenance, Plan, TableRows, Tasks, Told};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use support::*;
use tsql::TestServer;

fn demo_server(path: &Path, site: Site) -> SqliteServer {
    let mut server = empty_octopus(path);
    fill(&mut server, site);
    server
}

fn fill(server: &mut dyn Server, site: Site) {
    let key = key(if site == Site::Build { 1 } else { 2 });
    demo::build(server, site, &key, &DemoOptions::default()).unwrap();
}

/// What the build server of the demo holds, as a bundle in the folder.
fn bundle(folder: &Path) -> Bundle {
    let (path, out) = (folder.join("build.sqlite"), folder.join("build.sealift"));
    drop(demo_server(&path, Site::Build));
    export(&path, &octopus(), &out, &everything(Some(&key(1))));
    open(&out)
}

fn required() -> ImportOptions {
    ImportOptions { require_maintenance: true, ..overwrite() }
}

fn plan_on(bundle: &Bundle, server: &mut dyn Server, model: &Model, options: ImportOptions) -> Plan {
    let (bundle_key, master, seen) = (unlock(bundle), key(2), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
    ops::plan(bundle, &mut *server.read().unwrap(), model, keys, options, &Silent).unwrap()
}

fn import_on(bundle: &Bundle, server: &mut dyn Server, model: &Model, options: ImportOptions) -> Outcome {
    let (bundle_key, master, seen) = (unlock(bundle), key(2), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
    ops::import(bundle, server, model, keys, ops::How::default(), options, &Silent).unwrap()
}

/// Says on the server whether it is in maintenance mode.
fn switch(server: &mut dyn Server, on: bool) {
    let mut transaction = server.begin().unwrap();
    let json = Value::Text(format!("{{\"IsInMaintenanceMode\":{on}}}"));
    transaction.update("Configuration", &["Id"], &["maintenance".into()], &["JSON"], &vec![json]).unwrap();
    transaction.commit().unwrap();
}

/// Puts a task of some state on the server.
fn task(server: &mut dyn Server, number: u64, state: &str) {
    let columns = [
        ("Id", Value::Text(format!("ServerTasks-{number}"))),
        ("Name", "Deploy".into()),
        ("Description", "a task".into()),
        ("QueueTime", "2024-11-05T06:10:00.0000000+00:00".into()),
        ("State", state.into()),
        ("HasPendingInterruptions", Value::Bool(false)),
        ("HasWarningsOrErrors", Value::Bool(false)),
        ("DurationSeconds", Value::Int(1)),
        ("JSON", "{}".into()),
    ];
    let (names, row): (Vec<&str>, Vec<Value>) = columns.into_iter().unzip();
    let mut transaction = server.begin().unwrap();
    transaction.insert("ServerTask", &names, &[row]).unwrap();
    transaction.commit().unwrap();
}

/// Ends all tasks on the server.
fn finish(server: &mut dyn Server, numbers: &[u64]) {
    let mut transaction = server.begin().unwrap();
    for number in numbers {
        let key = [Value::Text(format!("ServerTasks-{number}"))];
        transaction.update("ServerTask", &["Id"], &key, &["State"], &vec!["Success".into()]).unwrap();
    }
    transaction.commit().unwrap();
}

fn problems(plan: &Plan) -> Vec<&str> {
    plan.findings.iter().map(|finding| finding.problem.as_str()).collect()
}

fn counts(server: &mut dyn Server) -> BTreeMap<String, u64> {
    let mut reader = server.read().unwrap();
    let tables: Vec<String> = reader.catalog().tables.iter().map(|table| table.name.clone()).collect();
    tables.into_iter().map(|table| (table.clone(), reader.count(&table).unwrap())).collect()
}

#[test]
fn the_embedded_server_is_asked() {
    let folder = folder();
    let bundle = bundle(folder.path());
    let mut server = demo_server(&folder.path().join("production.sqlite"), Site::Production);
    journey(&bundle, &mut server);
}

#[test]
fn a_sql_server_is_asked() {
    let folder = folder();
    let bundle = bundle(folder.path());
    let servers = std::iter::once(TestServer::own(Default::default())).chain(TestServer::named());
    for server in servers {
        let database = server.database();
        let empty = folder.path().join("empty.sqlite");
        let _ = std::fs::remove_file(&empty);
        let mut empty = SqliteServer::create(&empty, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        database.make(empty.read().unwrap().catalog());
        let mut server = SqlServer::open(&database.address()).unwrap();
        fill(&mut server, Site::Production);
        journey(&bundle, &mut server);
    }
}

fn journey(bundle: &Bundle, server: &mut dyn Server) {
    let model = octopus();
    let idle = |mode| Maintenance { mode: Some(Told::Known(mode)), running: Some(Told::Known(Vec::new())) };
    let plan = plan_on(bundle, server, &model, overwrite());
    assert_eq!(plan.maintenance, Some(idle(false)));
    assert_eq!((problems(&plan).len(), plan.notices.len()), (0, 0), "{:?}", plan.notices);

    let tasks = ["Queued", "Executing", "Cancelling", "Success", "Failed", "Canceled", "TimedOut", "Queued"];
    (1..).zip(tasks).for_each(|(number, state)| task(server, number, state));
    let plan = plan_on(bundle, server, &model, required());
    let Some(Told::Known(running)) = &plan.maintenance.as_ref().unwrap().running else { panic!("not known") };
    let expected = [("Queued", 2), ("Executing", 1), ("Cancelling", 1)];
    assert_eq!(running, &expected.map(|(state, count)| Tasks { state: state.to_owned(), count }));
    let told = problems(&plan);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("the target is not in maintenance mode; it is switched on in"), "{told:?}");
    assert!(told[1].starts_with("4 tasks wait or run (2 Queued, 1 Executing, 1 Cancelling)"), "{told:?}");

    let before = counts(server);
    let Outcome::Refused(refused) = import_on(bundle, server, &model, required()) else { panic!("written") };
    assert_eq!(problems(&refused), told);
    switch(server, true);
    let Outcome::Refused(refused) = import_on(bundle, server, &model, required()) else { panic!("written") };
    assert_eq!(problems(&refused), told[1..]);
    finish(server, &[1, 2, 3, 8]);
    assert_eq!(counts(server), before, "nothing was written");

    let rows = plan_on(bundle, server, &model, required()).rows(&model);
    let Outcome::Applied(plan) = import_on(bundle, server, &model, required()) else { panic!("refused") };
    assert_eq!(plan.maintenance, Some(idle(true)));
    assert_eq!(plan.rows(&model), rows, "what was said beforehand is what was done");
    let (inserted, updated) = rows.iter().fold((0, 0), |(i, u), r| (i + r.inserted, u + r.updated));
    let writes = plan.entries.iter().filter(|entry| entry.action.writes()).count() as u64;
    assert!(inserted > 0 && updated > 0 && inserted + updated == writes);
    let after = counts(server);
    for (table, count) in before {
        let new = rows.iter().find(|rows| rows.table == table).map_or(0, |rows| rows.inserted);
        // A counter is made for a collection that had none, and rows that are derived from documents count in no plan.
        let derived =
            model.kinds().iter().flat_map(|kind| &kind.derived_rows).any(|rows| rows.table == table);
        if table != "KeyAllocation" && !derived {
            assert_eq!(after[&table] - count, new, "{table}");
        }
    }
}

#[test]
fn a_mode_that_ends_between_plan_and_import_stops_it() {
    let folder = folder();
    let bundle = bundle(folder.path());
    let mut server = demo_server(&folder.path().join("production.sqlite"), Site::Production);
    let model = octopus();
    let (bundle_key, master, seen) = (unlock(&bundle), key(2), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
    switch(&mut server, true);
    let plan = ops::plan(&bundle, &mut *server.read().unwrap(), &model, keys, required(), &Silent).unwrap();
    assert_eq!(problems(&plan).len(), 0);
    switch(&mut server, false);
    let shown = ops::Relied::of(&plan, &seen);
    let how = ops::How::default();
    let outcome =
        ops::apply_plan(&bundle, &mut server, &model, keys, &shown, how, required(), &Silent).unwrap();
    let Outcome::Refused(refused) = outcome else { panic!("{outcome:?}") };
    assert!(problems(&refused)[0].starts_with("the target is not in maintenance mode"));
    // Who does not ask for it is told, and not stopped.
    let Outcome::Applied(plan) = import_on(&bundle, &mut server, &model, overwrite()) else {
        panic!("refused")
    };
    assert_eq!(plan.maintenance.unwrap().mode, Some(Told::Known(false)));
}

fn without(section: &str) -> String {
    let start = OCTOPUS_TOML.find(&format!("\n[{section}]\n")).unwrap() + 1;
    let end = start + OCTOPUS_TOML[start..].find("\n\n").unwrap();
    format!("{}{}", &OCTOPUS_TOML[..start], &OCTOPUS_TOML[end..])
}

fn changed(from: &str, to: &str) -> Model {
    assert!(OCTOPUS_TOML.contains(from), "{from}");
    Model::parse(&OCTOPUS_TOML.replacen(from, to, 1), "changed.toml").unwrap()
}

#[test]
fn what_the_model_or_the_target_lacks_is_not_known() {
    let folder = folder();
    let bundle = bundle(folder.path());
    let mut server = demo_server(&folder.path().join("production.sqlite"), Site::Production);
    let mut look = |model: &Model| {
        let free = plan_on(&bundle, &mut server, model, overwrite());
        let bound = plan_on(&bundle, &mut server, model, required());
        assert_eq!(free.findings.len(), 0, "{:?}", free.findings);
        assert_eq!(free.maintenance, bound.maintenance);
        let notices: Vec<String> =
            free.notices.into_iter().filter(|notice| !notice.contains("another version")).collect();
        (free.maintenance, notices, bound.findings.into_iter().map(|f| f.problem).collect::<Vec<_>>())
    };
    let text = without("maintenance");
    let start = text.find("\n[running]\n").unwrap() + 1;
    let end = start + text[start..].find("\n\n").unwrap();
    let neither = Model::parse(&format!("{}{}", &text[..start], &text[end..]), "neither.toml").unwrap();
    let (maintenance, notices, problems) = look(&neither);
    assert_eq!((maintenance, notices.len()), (None, 0), "{notices:?}");
    assert_eq!(problems, ["the model does not say how maintenance mode is recognised"]);

    let only_running = Model::parse(&text, "running.toml").unwrap();
    let (maintenance, notices, problems) = look(&only_running);
    assert_eq!((maintenance.unwrap().tasks(), notices.len(), problems.len()), (Some(0), 0, 1));

    let mode = "whether the target is in maintenance mode is not known: ";
    let tasks = "whether tasks run on the target is not known: ";
    let head =
        "[maintenance]\ntable = \"Configuration\"\ncolumn = \"Id\"\nrow = \"maintenance\"\nbody = \"JSON\"\n";
    let cases = [
        (head, head.replace("\"Configuration\"", "\"Nowhere\""), mode, "the target has no table Nowhere"),
        (
            head,
            head.replace("\"Id\"", "\"Ident\""),
            mode,
            "the target's table Configuration has no column Ident",
        ),
        (
            head,
            head.replace("\"JSON\"", "\"Body\""),
            mode,
            "the target's table Configuration has no column Body",
        ),
        (head, head.replace("\"maintenance\"", "\"other\""), mode, "Configuration has no row \"other\""),
        (
            "column = \"State\"\n",
            "column = \"Status\"\n".to_owned(),
            tasks,
            "ServerTask has no column Status",
        ),
        (
            "[running]\ntable = \"ServerTask\"",
            "[running]\ntable = \"Jobs\"".to_owned(),
            tasks,
            "the target has no table Jobs",
        ),
    ];
    for (from, to, what, why) in cases {
        let (_, notices, problems) = look(&changed(from, &to));
        assert_eq!(notices.len(), 1, "{to}: {notices:?}");
        assert!(notices[0].starts_with(what) && notices[0].contains(why), "{to}: {notices:?}");
        assert!(problems.contains(&notices[0]), "not known is not granted: {problems:?}");
    }
}

#[test]
fn the_mode_may_be_a_column_a_number_or_text() {
    let folder = folder();
    let bundle = bundle(folder.path());
    let path = folder.path().join("production.sqlite");
    let mut server = demo_server(&path, Site::Production);
    let section = "table = \"Configuration\"\ncolumn = \"Id\"\nrow = \"maintenance\"\nbody = \"JSON\"\n\
                   at = \"$.IsInMaintenanceMode\"\non = [true]\n";
    let column =
        "table = \"Project\"\ncolumn = \"Name\"\nrow = \"order service\"\nat = \"IsDisabled\"\non = [true]\n";
    let mode = |server: &mut SqliteServer, model: &Model| {
        plan_on(&bundle, server, model, overwrite()).maintenance.unwrap().mode
    };
    let by_column = changed(section, column);
    assert_eq!(mode(&mut server, &by_column), Some(Told::Known(false)));
    let sql = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    sql("UPDATE Project SET IsDisabled = 1 WHERE Name = 'Order Service'");
    assert_eq!(mode(&mut server, &by_column), Some(Told::Known(true)));
    let by_text = changed("on = [true]", "on = [\"YES\", 2]");
    for (value, on) in [("\"yes\"", true), ("2", true), ("true", false), ("null", false), ("[2]", false)] {
        let update = "UPDATE Configuration SET JSON = '{\"IsInMaintenanceMode\":%}' WHERE Id = 'maintenance'";
        sql(&update.replace('%', value));
        assert_eq!(mode(&mut server, &by_text), Some(Told::Known(on)), "{value}");
    }
    sql("UPDATE Configuration SET JSON = '{}' WHERE Id = 'maintenance'");
    assert_eq!(mode(&mut server, &octopus()), Some(Told::Known(false)));
    sql("UPDATE Configuration SET JSON = '{' WHERE Id = 'maintenance'");
    let Some(Told::Unknown(why)) = mode(&mut server, &octopus()) else { panic!("known") };
    assert!(why.contains("Configuration") && why.contains("maintenance"), "{why}");
}

#[test]
fn a_wrong_section_is_refused_with_its_line() {
    let head = "format = 1\nname = \"shop\"\ntitle = \"Shop\"\n";
    let kind = "[[kind]]\nname = \"Item\"\ntable = \"Item\"\nid = { column = \"Id\", new = \"next\" }\n\
                key = [\"Name\"]\nbody = \"JSON\"\n";
    let mode = "[maintenance]\ntable = \"T\"\ncolumn = \"Id\"\nrow = 1\nbody = \"JSON\"\nat = \"$.On\"\non = [true]\n";
    let running = "[running]\ntable = \"T\"\ncolumn = \"State\"\nstates = [\"Busy\"]\n";
    let parse = |text: &str| Model::parse(&format!("{head}{text}{kind}"), "shop.toml");
    assert!(parse(mode).unwrap().maintenance.is_some() && parse(running).unwrap().running.is_some());
    let cases = [
        (mode.to_owned() + "when = 1\n", 11, "unknown field"),
        (running.to_owned() + "id = \"Id\"\n", 8, "unknown field"),
        (mode.replace("row = 1\n", ""), 4, "missing field"),
        (mode.replace("$.On", "$.["), 9, "is no place"),
        (mode.replace("\"$.On\"", "\"On\""), 8, "no use for `body`"),
        (mode.replace("body = \"JSON\"\n", ""), 8, "needs `body`"),
        (mode.replace("[true]", "[]"), 10, "a value at least"),
        (mode.replace("\"Id\"", "\"$.Id\""), 6, "is no column"),
        (running.replace("\"State\"", "\"\""), 6, "is no column"),
        (running.replace("[\"Busy\"]", "[]"), 7, "a state at least"),
    ];
    for (text, line, reason) in cases {
        let error = parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("shop.toml:{line}: ")) && error.contains(reason),
            "{text}\n{error}"
        );
    }
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY").output().unwrap()
}

#[test]
fn the_command_tells_and_refuses() {
    let parent = folder();
    let out = run(parent.path(), &["demo", "d"]);
    assert_eq!(out.status.code(), Some(0));
    let folder = parent.path().join("d");
    std::fs::remove_file(folder.join("production.sqlite")).unwrap();
    let mut server = empty_octopus(&folder.join("production.sqlite"));
    let master = std::fs::read_to_string(folder.join("production.key")).unwrap();
    let master = sealift::crypto::MasterKey::from_base64(master.trim()).unwrap();
    demo::build(&mut server, Site::Production, &master, &DemoOptions::default()).unwrap();
    task(&mut server, 1, "Executing");
    let target = ["build.sealift", "--to", "sqlite:production.sqlite", "--password-file", "password"];
    let target = [&target[..], &["--master-key-file", "production.key", "--overwrite"]].concat();
    let text = |args: &[&str], code: i32| {
        let out = run(&folder, args);
        assert_eq!(out.status.code(), Some(code), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let plan = [&["plan"], &target[..]].concat();
    let told = text(&plan, 0);
    assert!(
        told.contains("\ntarget: not in maintenance mode, 1 task waits or runs (1 Executing)\n"),
        "{told}"
    );
    assert!(told.contains(" in one transaction; ") && told.contains("  Project "), "{told}");
    let told: serde_json::Value = serde_json::from_str(&text(&[&plan[..], &["--json"]].concat(), 0)).unwrap();
    assert_eq!(told["maintenance"], serde_json::json!({ "mode": false, "tasks": { "Executing": 1 } }));
    let sum =
        |name: &str| told["rows"].as_array().unwrap().iter().map(|r| r[name].as_u64().unwrap()).sum::<u64>();
    let counts = |name: &str| told["counts"][name].as_u64().unwrap();
    assert_eq!(sum("inserted"), counts("create"));
    assert_eq!(sum("updated"), counts("update") + counts("merge"));
    for command in ["plan", "import"] {
        let args = [&[command], &target[..], &["--require-maintenance"]].concat();
        let args = if command == "import" { [&args[..], &["--yes"]].concat() } else { args };
        let told = text(&args, 4);
        assert!(
            told.contains("STOP the target is not in maintenance mode; it is switched on in the web portal")
        );
        assert!(told.contains("STOP 1 task waits or runs (1 Executing)"), "{told}");
    }
    let script = [&plan[..], &["--require-maintenance", "--sql", "out.sql"]].concat();
    text(&script, 4);
    assert!(!folder.join("out.sql").exists());
    switch(&mut server, true);
    finish(&mut server, &[1]);
    let told = text(&[&["import"], &target[..], &["--require-maintenance", "--yes"]].concat(), 0);
    assert!(told.contains("target: in maintenance mode, no tasks wait or run"), "{told}");
    let shown = text(&["model", "show"], 0);
    assert!(
        shown.contains("maintenance mode: Configuration, Id \"maintenance\", at $.IsInMaintenanceMode"),
        "{shown}"
    );
    let shown: serde_json::Value = serde_json::from_str(&text(&["model", "show", "--json"], 0)).unwrap();
    assert_eq!(shown["running"]["states"][1], "Executing");
}

#[test]
fn rows_are_counted_by_table() {
    let folder = folder();
    let bundle = bundle(folder.path());
    let mut server = empty_octopus(&folder.path().join("empty.sqlite"));
    let plan = plan_on(&bundle, &mut server, &octopus(), overwrite());
    let rows = plan.rows(&octopus());
    assert!(rows.windows(2).all(|pair| pair[0].table < pair[1].table));
    // Two kinds of one table are one row of the answer.
    let sum: u64 = rows.iter().map(|rows| rows.inserted).sum();
    assert_eq!(sum, plan.entries.iter().filter(|entry| entry.action.writes()).count() as u64);
    assert!(rows.iter().all(|TableRows { updated, inserted, .. }| *updated == 0 && *inserted > 0));
}
