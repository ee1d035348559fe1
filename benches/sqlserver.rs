//! What the way over TDS costs: `cargo bench --bench sqlserver -- [DOCUMENTS]` (100,000 if not said).
//!
//! Against the server that `SEALIFT_TEST_SQLSERVER` names (`mssql://user:password@host:port`), or the endpoint of
//! the tests, whose work is only that of the wire and of SQLite. In one run: a raw
//! bulk load of the rows by the bare driver, and an import of the same documents; the rows read by the bare
//! driver, and an export of them; an import that has nothing left to do. Wall seconds, since most of the work is
//! the server's; CPU and peak memory of the `sealift` process by GNU `time` where it is installed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/support/counted.rs"]
mod counted;
#[path = "../tests/support/generator.rs"]
mod generator;
#[path = "../tests/support/tsql.rs"]
mod tsql;

use std::process::{Command, Stdio};
use std::time::Instant;

use futures_util::TryStreamExt as _;
use generator::Rng;
use sealift::document::Value;
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Page, Server};
use tiberius::{ColumnData, IntoSql as _, QueryItem, TokenRow};
use tsql::TestServer;

const COLUMNS: &str = "[Id], [OwnerId], [Version], [IsFrozen], [RelatedDocumentIds], [SpaceId], [JSON]";

/// Runs the binary once and says what it took.
fn measure(server: &TestServer, name: &str, args: &[&str]) -> f64 {
    // Imports leave their records in the folder where they run.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let started = Instant::now();
    let out = Command::new("/usr/bin/time")
        .current_dir(folder.path())
        .args(["-f", "%U %S %M", env!("CARGO_BIN_EXE_sealift")])
        .args(args)
        .env("SEALIFT_SQL_PASSWORD", &server.password)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("GNU time");
    let wall = started.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?} failed: {text}");
    let words: Vec<f64> = text.lines().last().unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
    let (cpu, peak) = (words[0] + words[1], words[2] / 1024.0);
    println!("{name:44} wall {wall:7.2} s   cpu {cpu:7.2} s   peak {peak:7.1} MiB");
    wall
}

fn rows(sets: usize) -> Vec<Vec<Value>> {
    let mut rng = Rng::new(5);
    let row = |n: usize| {
        let owner = format!("LibraryVariableSets-{n}");
        let mut body = String::from("{\"Variables\":[");
        for at in 0..8 {
            let comma = if at > 0 { "," } else { "" };
            body.push_str(&format!(
                "{comma}{{\"Id\":\"{}\",\"Name\":\"Setting{at}\",\"Value\":\"https://{:x}.example.com\",\"Scope\":{{}},\"Type\":\"String\"}}",
                rng.guid(),
                rng.next()
            ));
        }
        body.push_str("]}");
        vec![
            format!("variableset-{owner}").into(),
            owner.into(),
            Value::Int(1),
            Value::Bool(false),
            "||".into(),
            "Spaces-1".into(),
            Value::Text(body),
        ]
    };
    (1..=sets).map(row).collect()
}

fn fill(server: &mut dyn Server, sets: &[Vec<Value>]) {
    let mut transaction = server.begin().unwrap();
    let text = |text: &str| Value::from(text);
    let space = vec![text("Spaces-1"), text("Default"), true.into(), text("{}")];
    transaction.insert("Space", &["Id", "Name", "IsDefault", "JSON"], &[space]).unwrap();
    if sets.is_empty() {
        transaction.commit().unwrap();
        return;
    }
    for row in sets {
        let owner = row[1].as_text().unwrap();
        let columns = ["Id", "Name", "VariableSetId", "ContentType", "SpaceId", "JSON"];
        let owner_row = vec![
            text(owner),
            format!("Library {owner}").into(),
            row[0].clone(),
            text("Variables"),
            text("Spaces-1"),
            text("{\"Templates\":[]}"),
        ];
        transaction.insert("LibraryVariableSet", &columns, &[owner_row]).unwrap();
        let columns = ["Id", "OwnerId", "Version", "IsFrozen", "RelatedDocumentIds", "SpaceId", "JSON"];
        transaction.insert("VariableSet", &columns, std::slice::from_ref(row)).unwrap();
    }
    transaction.commit().unwrap();
}

/// Reads a table in pages. Returns how many rows and bytes it has.
fn page(server: &mut dyn Server, table: &str) -> (usize, usize) {
    let mut reader = server.read().unwrap();
    let columns: Vec<String> =
        reader.catalog().table(table).unwrap().columns.iter().map(|column| column.name.clone()).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let at = columns.iter().position(|name| *name == "Id").unwrap();
    let (mut rows, mut bytes, mut after) = (0, 0, None);
    loop {
        let after_ref: Option<&[Value]> = after.as_deref();
        let page = Page {
            table,
            columns: &columns,
            order: &["Id"],
            after: after_ref,
            max_rows: 1000,
            max_bytes: 4 << 20,
        };
        let found = reader.page(&page).unwrap();
        let Some(last) = found.last() else { return (rows, bytes) };
        after = Some(vec![last[at].clone()]);
        rows += found.len();
        bytes += found.iter().flatten().map(|value| value.as_text().map_or(8, str::len)).sum::<usize>();
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let documents = numbers.next().unwrap_or(100_000);
    let server = TestServer::named().unwrap_or_else(|| TestServer::own(Default::default()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    std::fs::write(at("password"), "a password of the bench\n").expect("a password file");
    let rows = rows(documents / 2);
    let mut source =
        SqliteServer::create(&folder.path().join("source"), Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
    fill(&mut source, &rows);
    let catalog = source.read().unwrap().catalog().clone();
    let bundle = at("bundle.sealift");
    let source = format!("sqlite:{}", at("source"));
    let secret = ["--no-secrets"];
    let mut args = vec!["export", &source, "-o", &bundle];
    args.extend(secret);
    measure(&server, "export from the embedded server", &args);
    let held = counted::rows(&mut SqliteServer::open(&folder.path().join("source")).unwrap());
    assert_eq!(held["VariableSet"], rows.len() as u64);
    counted::check(&bundle, &held);

    let raw = server.database();
    raw.make(&catalog);
    let started = Instant::now();
    let took = server.with(&raw.name, async |client| {
        for table in ["LibraryVariableSet", "VariableSet"] {
            let names = match table {
                "VariableSet" => {
                    ["Id", "OwnerId", "Version", "IsFrozen", "RelatedDocumentIds", "SpaceId", "JSON"]
                        .as_slice()
                }
                _ => &["Id", "Name", "VariableSetId", "ContentType", "SpaceId", "JSON"],
            };
            let quoted: Vec<String> = names.iter().map(|name| format!("[{name}]")).collect();
            let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
            let table = format!("[dbo].[{table}]");
            let mut bulk = client.bulk_insert_columns(&table, &quoted).await.unwrap();
            for row in &rows {
                let mut token = TokenRow::new();
                let owner = row[1].as_text().unwrap();
                let owner_row: Vec<Value> = match names.len() {
                    6 => vec![
                        owner.into(),
                        format!("Library {owner}").into(),
                        row[0].clone(),
                        "Variables".into(),
                        "Spaces-1".into(),
                        "{\"Templates\":[]}".into(),
                    ],
                    _ => row.clone(),
                };
                for value in owner_row {
                    token.push(match value {
                        Value::Text(text) => text.into_sql(),
                        Value::Int(number) => ColumnData::I32(i32::try_from(number).ok()),
                        Value::Bool(truth) => truth.into_sql(),
                        other => panic!("{other:?}"),
                    });
                }
                bulk.send(token).await.unwrap();
            }
            bulk.finalize().await.unwrap();
        }
        started.elapsed().as_secs_f64()
    });
    println!("{:44} wall {took:7.2} s", "raw bulk load of the rows");

    // The part of an import that writes: rows put aside, loaded, written by one statement a table, committed.
    let written = server.database();
    written.make(&catalog);
    let mut writing = SqlServer::open(&written.address()).unwrap();
    let started = Instant::now();
    fill(&mut writing, &rows);
    let wall = started.elapsed().as_secs_f64();
    println!("{:44} wall {wall:7.2} s", "the rows written by one transaction");
    println!("{:44} {:5.2} x", "written, to the raw load", wall / took);

    let target = server.database();
    target.make(&catalog);
    fill(&mut SqlServer::open(&target.address()).unwrap(), &[]);
    let address = format!(
        "mssql://{}@{}:{}/{}?trust_server_certificate=true",
        server.user, server.host, server.port, target.name
    );
    let import = ["import", &bundle, "--to", &address, "--yes", "--overwrite"];
    let wall = measure(&server, "import of the same documents", &import);
    println!("{:44} {:5.2} x", "import, to the raw load", wall / took);
    assert_eq!(counted::rows(&mut SqlServer::open(&target.address()).unwrap()), held, "not all was imported");

    let started = Instant::now();
    let (read, bytes) = server.with(&target.name, async |client| {
        let (mut read, mut bytes) = (0, 0);
        for table in [
            format!("SELECT {COLUMNS} FROM [dbo].[VariableSet] ORDER BY [Id]"),
            "SELECT * FROM [dbo].[LibraryVariableSet] ORDER BY [Id]".to_owned(),
        ] {
            let mut stream = client.simple_query(table).await.unwrap();
            while let Some(item) = stream.try_next().await.unwrap() {
                if let QueryItem::Row(row) = item {
                    read += 1;
                    for data in row {
                        if let ColumnData::String(Some(text)) = data {
                            bytes += text.len();
                        }
                    }
                }
            }
        }
        (read, bytes)
    });
    let took = started.elapsed().as_secs_f64();
    println!("{:44} wall {took:7.2} s   {read} rows, {bytes} bytes", "the rows read by the bare driver");
    let mut reading = SqlServer::open(&target.address()).unwrap();
    let started = Instant::now();
    let (paged, _) = page(&mut reading, "VariableSet").max(page(&mut reading, "LibraryVariableSet"));
    let wall = started.elapsed().as_secs_f64();
    println!("{:44} wall {wall:7.2} s   {paged} rows a table", "the rows read in pages");
    println!("{:44} {:5.2} x", "pages, to the bare driver", wall / took);
    assert_eq!((paged, read), (rows.len(), 2 * rows.len()), "not all rows were read");
    let again = at("again.sealift");
    let mut args = vec!["export", &address, "-o", &again];
    args.extend(secret);
    let wall = measure(&server, "export of them", &args);
    println!("{:44} {:5.2} x", "export, to the bare driver", wall / took);
    counted::check(&again, &held);
    measure(&server, "import again, nothing to do", &import);
}
