//! Ctrl-C at every phase, once and twice, on both kinds of server: before an effect the answer is 130 and there is none,
//! while the work takes effect it is waited for, and afterwards the answer is that it is done. What waits for a SQL
//! Server is interrupted at once.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;
mod support;
#[allow(dead_code, reason = "the endpoint is enough here")]
#[path = "support/tsql.rs"]
mod tsql;

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use endpoint::{Fault, Kind, On, What};
use rusqlite::Connection;
use rusqlite::types::Value;
use sealift::crypto::MasterKey;
use sealift::demo::{self, DemoOptions, Site};
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Address, Server as _};
use stage::{Stage, TO, text};
use tsql::{TestDatabase, TestServer};

/// Far longer than anything here takes, and than any test waits.
const LONG: Duration = Duration::from_secs(90);
/// How soon an interrupted command must have ended, on a machine that does other work too.
const SOON: Duration = Duration::from_secs(60);

/// A command under way; its output goes to files.
struct Running {
    child: Child,
    stage: PathBuf,
}

/// What is left of one.
struct Finished {
    code: Option<i32>,
    told: String,
}

impl Running {
    fn start(stage: &Stage, args: &[&str]) -> Self {
        let out = File::create(stage.at("out.txt")).unwrap();
        Self::with(stage, args, out.into())
    }

    fn with(stage: &Stage, args: &[&str], stdout: Stdio) -> Self {
        let err = File::create(stage.at("err.txt")).unwrap();
        let child = stage.command("d", args).stdout(stdout).stderr(err).spawn().unwrap();
        Self { child, stage: stage.at("") }
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// Waits for the end, and ends it by force where it does not come.
    fn end(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > SOON => {
                    self.child.kill().unwrap();
                    self.child.wait().unwrap();
                    panic!("it does not end: {}", self.told());
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Finished { code: status.code(), told: self.told() }
    }

    fn told(&self) -> String {
        let read = |name: &str| text(&std::fs::read(self.stage.join(name)).unwrap_or_default());
        read("out.txt") + &read("err.txt")
    }
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A hash of all rows.
fn rows(db: &Connection) -> u64 {
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = DefaultHasher::new();
    for table in tables {
        let mut select = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let width = select.column_count();
        let mut found = select.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let row: Vec<Value> = (0..width).map(|at| row.get(at).unwrap()).collect();
            format!("{table} {row:?}").hash(&mut all);
        }
    }
    all.finish()
}

/// The demo's production server on the endpoint, and the stage with the bundle for it.
struct Remote {
    stage: Stage,
    database: TestDatabase,
    address: String,
}

impl Remote {
    fn new() -> Self {
        let stage = Stage::new();
        let database = TestServer::own(Default::default()).database();
        let mut empty =
            SqliteServer::create(&stage.at("empty.sqlite"), Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        database.make(empty.read().unwrap().catalog());
        let key = std::fs::read_to_string(stage.at("production.key")).unwrap();
        let key = MasterKey::from_base64(key.trim()).unwrap();
        let mut server = SqlServer::open(&database.address()).unwrap();
        demo::build(&mut server, Site::Production, &key, &DemoOptions::default()).unwrap();
        let TestServer { host, port, user, password, .. } = &database.server;
        let address = format!(
            "mssql://{user}:{password}@{host}:{port}/{}?trust_server_certificate=true",
            database.name
        );
        Self { stage, database, address }
    }

    fn endpoint(&self) -> &endpoint::Endpoint {
        self.database.server.endpoint.as_ref().unwrap()
    }

    fn rows(&self) -> u64 {
        rows(&self.endpoint().connection(&self.database.name))
    }

    fn tail(&self) -> [&str; 6] {
        ["--to", &self.address, TO[2], TO[3], TO[4], TO[5]]
    }

    fn import(&self) -> Vec<&str> {
        let import = ["import", "build.sealift", "--overwrite", "--yes", "--no-record", "--undo", "u.undo"];
        [&import[..], &self.tail()].concat()
    }

    /// Interrupts a command where it waits for the server, so many times.
    fn interrupted(&self, args: &[&str], on: On, times: u32) -> Finished {
        let struck = self.endpoint().fault(Fault::new(on.clone(), What::Delay(LONG)));
        let mut running = Running::start(&self.stage, args);
        until(&format!("{on:?}"), || {
            assert!(running.child.try_wait().unwrap().is_none(), "{on:?} does not come: {}", running.told());
            struck.did()
        });
        for _ in 0..times {
            std::thread::sleep(Duration::from_millis(50));
            running.interrupt();
        }
        let finished = running.end();
        self.endpoint().clear_faults();
        finished
    }

    /// Interrupts a command twice while the server commits.
    fn interrupted_while_committing(&self, args: &[&str]) -> Finished {
        let delay = What::Delay(Duration::from_secs(2));
        let struck = self.endpoint().fault(Fault::new(On::Sql("COMMIT".to_owned()), delay));
        let running = Running::start(&self.stage, args);
        until("the commit", || struck.did());
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(100));
            running.interrupt();
        }
        let finished = running.end();
        self.endpoint().clear_faults();
        finished
    }
}

/// Interrupts work that writes the record r.json, when its answer stands in a pipe that nobody reads.
fn interrupted_while_answering(stage: &Stage, args: &[&str]) -> Finished {
    let (reader, writer) = std::io::pipe().unwrap();
    let running = Running::with(stage, args, writer.into());
    // The record comes after the commit, and before the answer, which the pipe cannot hold.
    until("the record", || stage.at("r.html").exists());
    std::thread::sleep(Duration::from_millis(300));
    running.interrupt();
    running.interrupt();
    let finished = running.end();
    drop(reader);
    finished
}

fn sql(text: &str) -> On {
    On::Sql(text.to_owned())
}

#[test]
fn what_waits_for_a_sql_server_is_interrupted_and_the_target_is_as_it_was() {
    let remote = Remote::new();
    let before = remote.rows();
    let places = [
        On::Login,
        sql("BEGIN TRANSACTION"),
        sql("sp_getapplock"),
        sql("FROM [dbo].[Project] AS t"),
        sql("INSERT INTO #sealift"),
        sql("INSERT INTO [dbo]."),
        sql("UPDATE t SET"),
    ];
    for on in places {
        for times in [1, 2] {
            remote.endpoint().clear_requests();
            let Finished { code, told } = remote.interrupted(&remote.import(), on.clone(), times);
            assert_eq!(code, Some(130), "{on:?} {times}\n{told}");
            assert!(times > 1 || told.contains("interrupted"), "{on:?} {times}\n{told}");
            // The server has been told, unless the process ended at once.
            // It notes that after it has confirmed it.
            let told_to_stop =
                || remote.endpoint().requests().iter().any(|request| request.kind == Kind::Attention);
            let owed = times == 1 && !matches!(on, On::Login);
            let end = Instant::now() + Duration::from_secs(5);
            while owed && !told_to_stop() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!owed || told_to_stop(), "{on:?}");
            assert_eq!(remote.rows(), before, "{on:?} {times}");
            // After the first the file was taken away; the second leaves it where it was already.
            assert!(times > 1 || !remote.stage.at("u.undo").exists(), "{on:?}");
            let _ = std::fs::remove_file(remote.stage.at("u.undo"));
        }
    }
    let export = ["export", &remote.address, "--no-secrets", "-o", "e.sealift"];
    let Finished { code, told } = remote.interrupted(&export, sql("FROM [dbo].[Project] AS t"), 1);
    assert_eq!((code, remote.stage.at("e.sealift").exists()), (Some(130), false), "{told}");
}

#[test]
fn a_wait_for_the_lock_of_another_is_interrupted() {
    let remote = Remote::new();
    let before = remote.rows();
    let mut other = SqlServer::open(&remote.database.address()).unwrap();
    let held = other.begin().unwrap();
    remote.endpoint().clear_requests();
    let running = Running::start(&remote.stage, &remote.import());
    until("the wait", || {
        remote.endpoint().requests().iter().any(|request| request.sql.contains("sp_getapplock"))
    });
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    running.interrupt();
    let Finished { code, told } = running.end();
    assert_eq!(code, Some(130), "{told}");
    assert!(start.elapsed() < Duration::from_secs(15), "the lock would be waited for 30 s");
    held.rollback().unwrap();
    assert_eq!(remote.rows(), before);
}

#[test]
fn a_commit_on_a_sql_server_is_waited_for_and_reported() {
    let remote = Remote::new();
    let before = remote.rows();
    let Finished { code, told } = remote.interrupted_while_committing(&remote.import());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("committed to") && told.contains("too late to interrupt"), "{told}");
    let written = remote.rows();
    assert_ne!(written, before);
    // And the way back.
    let undo = ["undo", "u.undo", "--yes", "--no-record", "--no-undo", "--to", &remote.address, TO[2], TO[3]];
    let Finished { code, told } = remote.interrupted_while_committing(&undo);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("committed to"), "{told}");
    assert_ne!(remote.rows(), written);
    // A saved plan, whose answer nobody reads when it is interrupted.
    let tail = remote.tail();
    remote.stage.done(&[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &tail].concat());
    let apply = ["apply", "p.plan", "build.sealift", "--yes", "--json", "--record", "r.json", "--no-undo"];
    let Finished { code, told } = interrupted_while_answering(&remote.stage, &[&apply[..], &tail].concat());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("committed to"), "{told}");
}

#[test]
fn tables_are_made_or_not_whenever_it_is_interrupted() {
    let server = TestServer::own(Default::default());
    let database = server.database();
    let TestServer { host, port, user, password, .. } = &server;
    let address =
        format!("mssql://{user}:{password}@{host}:{port}/{}?trust_server_certificate=true", database.name);
    let remote = Remote { stage: Stage::new(), database, address };
    let Address::SqlServer(of_tests) = remote.address.parse().unwrap() else { panic!() };
    let tables = || SqlServer::open(&of_tests).unwrap().read().unwrap().catalog().tables.len();
    let init = ["init", &remote.address];
    for times in [1, 2] {
        let Finished { code, told } = remote.interrupted(&init, sql("CREATE TABLE [dbo].[Project]"), times);
        assert_eq!((code, tables()), (Some(130), 0), "{told}");
    }
    // An answer that is lost is found out.
    let struck = remote.endpoint().fault(Fault::new(sql("COMMIT"), What::CloseBefore));
    let Finished { code, told } = Running::start(&remote.stage, &init).end();
    assert_eq!((code, tables(), struck.did()), (Some(1), 0, true), "{told}");
    assert!(told.contains("taken everything back"), "{told}");
    let Finished { code, told } = remote.interrupted_while_committing(&init);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("made mssql://") && tables() > 0, "{told}");
}

#[test]
fn a_commit_whose_answer_is_lost_makes_the_tables() {
    let database = TestServer::own(Default::default()).database();
    let mut empty =
        SqliteServer::create(&support::folder().path().join("empty.sqlite"), Schema::Ddl(OCTOPUS_SPACES_SQL))
            .unwrap();
    let endpoint = database.server.endpoint.as_ref().unwrap();
    let struck = endpoint.fault(Fault::new(sql("COMMIT"), What::CloseAfter));
    database.make(empty.read().unwrap().catalog());
    assert!(struck.did());
}

fn import() -> Vec<&'static str> {
    let import = ["import", "build.sealift", "--overwrite", "--yes", "--undo", "u.undo"];
    [&import[..], &TO].concat()
}

#[test]
fn a_commit_of_an_embedded_server_is_waited_for_and_reported() {
    let stage = Stage::new();
    let target = stage.at("production.sqlite");
    let before = rows(&Connection::open(&target).unwrap());
    // Who reads keeps the commit waiting: another process, since locks are a process's. It reads as long as its answer
    // is not taken.
    let (mut answer, writer) = std::io::pipe().unwrap();
    let plan = [&["plan", "build.sealift", "--overwrite", "--json"][..], &TO].concat();
    let mut plan = stage.command("d", &plan);
    let mut reader = plan.stdout(writer).spawn().unwrap();
    answer.read_exact(&mut [0]).unwrap();
    let running = Running::start(&stage, &[&import()[..], &["--no-record"]].concat());
    until("the commit", || {
        let probe = Connection::open(&target).unwrap();
        probe.busy_timeout(Duration::ZERO).unwrap();
        probe.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).is_err()
    });
    running.interrupt();
    std::thread::sleep(Duration::from_millis(100));
    running.interrupt();
    std::thread::sleep(Duration::from_millis(100));
    reader.kill().unwrap();
    reader.wait().unwrap();
    let Finished { code, told } = running.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("committed to sqlite:"), "{told}");
    assert_ne!(rows(&Connection::open(&target).unwrap()), before);
}

#[test]
fn an_interruption_after_the_commit_ends_the_answer_alone() {
    let stage = Stage::new();
    let args = [&import()[..], &["--record", "r.json", "--json"]].concat();
    let Finished { code, told } = interrupted_while_answering(&stage, &args);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("committed to sqlite:production.sqlite"), "{told}");
}

/// Two signals, at moments spread over the time that a run takes: the exit code says what happened.
#[test]
fn two_interruptions_at_any_moment_are_answered_by_what_happened() {
    const MOMENTS: u32 = 8;
    let import = [&import()[..], &["--no-record"]].concat();
    let export = ["export", "sqlite:build.sqlite", "--no-secrets", "-o", "out.sealift"];
    let convert = ["convert", "build.sealift", "tree"];
    let works: [(&[&str], &str); 3] =
        [(&import, "production.sqlite"), (&export, "out.sealift"), (&convert, "tree")];
    for (args, writes) in works {
        let state = |stage: &Stage| match stage.at(writes) {
            path if path.extension().is_some_and(|e| e == "sqlite") => rows(&Connection::open(path).unwrap()),
            path => u64::from(path.exists()),
        };
        let first = Stage::new();
        let before = state(&first);
        let start = Instant::now();
        first.done(args);
        let time = start.elapsed();
        let (mut stopped, mut done) = (0, 0);
        for moment in 1..=MOMENTS {
            let stage = Stage::new();
            let running = Running::start(&stage, args);
            std::thread::sleep(time * moment / MOMENTS);
            let signalled = Command::new("kill").args(["-INT", &running.child.id().to_string()]).status();
            std::thread::sleep(Duration::from_millis(u64::from(moment % 3)));
            if signalled.unwrap().success() {
                let _ = Command::new("kill").args(["-INT", &running.child.id().to_string()]).output();
            }
            let Finished { code, told } = running.end();
            match code {
                // Without a code: before the program could hear it.
                Some(130) | None => {
                    stopped += 1;
                    assert_eq!(state(&stage), before, "{args:?} {moment}: {told}");
                }
                Some(0) => {
                    done += 1;
                    assert_ne!(state(&stage), before, "{args:?} {moment}: {told}");
                }
                Some(code) => panic!("{args:?} {moment}: {code}\n{told}"),
            }
        }
        println!("{}: {stopped} stopped, {done} done", args[0]);
        assert!(stopped >= 2, "{args:?}");
    }
}
