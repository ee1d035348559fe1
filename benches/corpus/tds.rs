//! The way over TDS: an import beside a raw bulk load of the same rows, and how many requests the verbs send.
//!
//! The times are taken against the server that `SEALIFT_TEST_SQLSERVER` names (`mssql://user:password@host:port`),
//! or the endpoint of the tests, whose work is only that of the wire and of SQLite, and which shares the machine.
//! Requests are counted by the endpoint.

use std::path::Path;
use std::time::Instant;

use endpoint::{Kind, Request};
use sealift::document::Value;
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Server, Transaction};
use tiberius::{ColumnData, IntoSql as _, TokenRow};

use crate::generator::Rng;
use crate::goals::{REQUESTS_OF, TDS_AGAIN, TDS_IMPORT, Table, Verdicts};
use crate::measure::{Figure, Measured, measure, sealift};
use crate::support::everything::{Generation, SOURCE, TARGET, Twist, build};
use crate::tsql::{TestDatabase, TestServer};
use crate::{back, counted};

/// A table, its columns, and rows of them.
struct Load {
    table: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

/// Library variable sets and their variables, half of the documents each.
fn loads(documents: usize) -> [Load; 2] {
    let mut rng = Rng::new(5);
    let (mut owners, mut sets) = (Vec::new(), Vec::new());
    for n in 1..=documents / 2 {
        let owner = format!("LibraryVariableSets-{n}");
        let id = format!("variableset-{owner}");
        let mut variable = |at: usize| {
            format!(
                "{{\"Id\":\"{}\",\"Name\":\"Setting{at}\",\"Value\":\"https://{:x}.example.com\",\"Scope\":{{}},\"Type\":\"String\"}}",
                rng.guid(),
                rng.next()
            )
        };
        let variables: Vec<String> = (0..8).map(&mut variable).collect();
        let body = format!("{{\"Variables\":[{}]}}", variables.join(","));
        let texts = |texts: [&str; 6]| texts.map(Value::from).to_vec();
        let name = format!("Library {n}");
        owners.push(texts([&owner, &name, &id, "Variables", "Spaces-1", "{\"Templates\":[]}"]));
        sets.push(vec![
            id.into(),
            owner.into(),
            Value::Int(1),
            Value::Bool(false),
            "||".into(),
            "Spaces-1".into(),
            Value::Text(body),
        ]);
    }
    [
        Load {
            table: "LibraryVariableSet",
            columns: &["Id", "Name", "VariableSetId", "ContentType", "SpaceId", "JSON"],
            rows: owners,
        },
        Load {
            table: "VariableSet",
            columns: &["Id", "OwnerId", "Version", "IsFrozen", "RelatedDocumentIds", "SpaceId", "JSON"],
            rows: sets,
        },
    ]
}

fn space(transaction: &mut dyn Transaction) {
    let space = vec!["Spaces-1".into(), "Default".into(), true.into(), "{}".into()];
    transaction.insert("Space", &["Id", "Name", "IsDefault", "JSON"], &[space]).expect("a space");
}

/// Seconds that the bare driver takes to load the rows.
fn raw_load(server: &TestServer, database: &TestDatabase, loads: &[Load]) -> f64 {
    server.with(&database.name, async |client| {
        let started = Instant::now();
        for load in loads {
            let quoted: Vec<String> = load.columns.iter().map(|name| format!("[{name}]")).collect();
            let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
            let table = format!("[dbo].[{}]", load.table);
            let mut bulk = client.bulk_insert_columns(&table, &quoted).await.expect("a bulk load");
            for row in &load.rows {
                let mut token = TokenRow::new();
                for value in row {
                    token.push(match value {
                        Value::Text(text) => text.clone().into_sql(),
                        Value::Int(number) => ColumnData::I32(i32::try_from(*number).ok()),
                        Value::Bool(truth) => (*truth).into_sql(),
                        other => panic!("{other:?}"),
                    });
                }
                bulk.send(token).await.expect("a row");
            }
            bulk.finalize().await.expect("the end of a bulk load");
        }
        started.elapsed().as_secs_f64()
    })
}

/// A run of the binary against a database.
struct Remote<'s> {
    server: &'s TestServer,
    folder: &'s Path,
}

impl Remote<'_> {
    fn address(&self, database: &TestDatabase) -> String {
        let TestServer { user, host, port, .. } = self.server;
        format!("mssql://{user}@{host}:{port}/{}?trust_server_certificate=true", database.name)
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Measured {
        eprintln!("over TDS: {name}");
        let mut command = sealift();
        command.current_dir(self.folder).args(arguments).env("SEALIFT_SQL_PASSWORD", &self.server.password);
        let Some(endpoint) = &self.server.endpoint else { return measure(&command) };
        endpoint.clear_requests();
        let figure = measure(&command)?;
        Ok(Figure { locked: locked(&endpoint.requests()), ..figure })
    }

    /// How many requests the last run sent.
    fn sent(&self) -> usize {
        let endpoint = self.server.endpoint.as_ref().expect("the endpoint of the tests");
        let counts = |kind| matches!(kind, Kind::Batch | Kind::Rpc | Kind::Bulk | Kind::TransactionManager);
        endpoint.requests().iter().filter(|request| counts(request.kind)).count()
    }
}

/// Seconds from the request for the lock to the end of the session that asked for it.
fn locked(requests: &[Request]) -> Option<f64> {
    let asked = requests.iter().find(|request| request.sql.contains("sp_getapplock"))?;
    let mut later =
        requests.iter().filter(|request| request.session == asked.session && request.number > asked.number);
    let ended = later.find(|request| request.transactions_after == Some(0))?;
    Some(ended.at.duration_since(asked.at).as_secs_f64())
}

/// An import of so many documents beside a raw load of the same rows.
pub fn times(documents: usize, verdicts: &mut Verdicts) {
    let server = TestServer::named().unwrap_or_else(|| TestServer::own(Default::default()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let remote = Remote { server: &server, folder: folder.path() };
    let loads = loads(documents);
    let path = folder.path().join("source.sqlite");
    let mut source = SqliteServer::create(&path, Schema::Ddl(OCTOPUS_SPACES_SQL)).expect("a server");
    let mut transaction = source.begin().expect("a transaction");
    space(&mut *transaction);
    for load in &loads {
        transaction.insert(load.table, load.columns, &load.rows).expect("rows");
    }
    transaction.commit().expect("a commit");
    let held = counted::rows(&mut source);
    let catalog = source.read().expect("a reader").catalog().clone();
    drop(source);

    let raw = server.database();
    raw.make(&catalog);
    let target = server.database();
    target.make(&catalog);
    let mut opened = SqlServer::open(&target.address()).expect("the target");
    let mut transaction = opened.begin().expect("a transaction");
    space(&mut *transaction);
    transaction.commit().expect("a commit");

    let taken = raw_load(&server, &raw, &loads);
    println!("\n{documents} documents over TDS, no secrets; a raw bulk load of the rows takes {taken:.2} s");
    let at = format!("{documents} over TDS");
    let mut table = Table { verdicts, at: at.clone(), floor: None };
    table.head();
    let address = remote.address(&target);
    let mut line = |name, arguments: &[&str]| {
        let measured = remote.run(name, arguments);
        table.line(name, None, &measured);
        measured.map(|figure| figure.wall / taken)
    };
    let _ = line(
        "export from the embedded server",
        &["export", "sqlite:source.sqlite", "-o", "a.sealift", "--no-secrets"],
    );
    let import = ["import", "a.sealift", "--to", &address, "--yes", "--overwrite", "--no-record"];
    let mut first = line("import, with undo file", &[&import[..], &["--undo", "a.undo"]].concat());
    let again = line("import again, nothing to do", &[&import[..], &["--undo", "b.undo"]].concat());
    let _ = line("export of them", &["export", &address, "-o", "b.sealift", "--no-secrets"]);
    let arrived = counted::check(&folder.path().join("b.sealift"), &held);
    first = first.and_then(|times| arrived.map(|()| times));
    verdicts.line(TDS_IMPORT, &at, first);
    verdicts.line(TDS_AGAIN, &at, again);
}

/// How many requests an export, a plan, an import and its undo send for a few documents of all kinds, which the
/// target has otherwise.
pub fn requests(verdicts: &mut Verdicts) {
    let server = TestServer::own(Default::default());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let remote = Remote { server: &server, folder: folder.path() };
    let at = |name: &str| folder.path().join(name);
    build(&at("source.sqlite"), Generation::Spaces, 1, SOURCE, Twist::default());
    let twist = Twist { overwritten: 1, joined: 1, extras: true, close: false };
    build(&at("target.sqlite"), Generation::Spaces, 1, TARGET, twist);
    for (name, number) in [("source.key", SOURCE.key), ("target.key", TARGET.key)] {
        std::fs::write(at(name), crate::support::key(number).to_base64().expose()).expect("a key file");
    }
    std::fs::write(at("password"), "a password of the bench\n").expect("a password file");
    let database = |name: &str| {
        let database = server.database();
        let mut embedded = SqliteServer::open(&at(name)).expect("a server");
        database.make(embedded.read().expect("a reader").catalog());
        back::fill(&mut SqlServer::open(&database.address()).expect("a database"), &at(name));
        database
    };
    let (source, target) = (database("source.sqlite"), database("target.sqlite"));
    let (source, target) = (remote.address(&source), remote.address(&target));
    let opened = ["--password-file", "password", "--master-key-file", "target.key"];
    let to = ["--to", &target, "--yes", "--no-record"];
    let verbs = [
        [
            "export",
            &source,
            "-o",
            "a.sealift",
            "--kdf-memory",
            "8",
            "--password-file",
            "password",
            "--master-key-file",
            "source.key",
        ]
        .to_vec(),
        [&["plan", "a.sealift", "--overwrite", "--to", &target][..], &opened].concat(),
        [&["import", "a.sealift", "--overwrite", "--undo", "a.undo"][..], &to, &opened].concat(),
        [&["undo", "a.undo", "--undo", "b.undo", "--master-key-file", "target.key"][..], &to].concat(),
    ];
    let mut sent = Vec::new();
    for (goal, verb) in REQUESTS_OF.iter().zip(&verbs) {
        sent.push((*goal, remote.run(goal.name, verb).map(|_| remote.sent() as f64)));
    }
    let documents = counted::documents(&at("a.sealift")).map(|documents| documents.to_string());
    let documents = documents.unwrap_or_else(|why| why);
    println!("\n{documents} documents of all kinds over TDS");
    for (goal, sent) in sent {
        verdicts.line(goal, &format!("{documents} documents"), sent);
    }
}
