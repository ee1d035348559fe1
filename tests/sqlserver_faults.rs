//! An import over TDS whose connection breaks: at every packet, in both directions, around COMMIT above all. The
//! target is as before or as after, and the answer says which.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/tsql.rs"]
mod tsql;

use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use endpoint::{Fault, Kind, On, What};
use proxy::{Direction, Proxy};
use sealift::document::Value;
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Catalog, Column, ColumnType, Page, Row, Server, ServerError, Table, WriteError};
use tsql::{TestDatabase, TestServer};

fn column(name: &str, declared: &str) -> Column {
    let kind = ColumnType::of(declared);
    Column {
        name: name.into(),
        declared: declared.into(),
        kind,
        nullable: false,
        default: None,
        identity: false,
    }
}

fn thing() -> Catalog {
    let columns = vec![column("Id", "int"), column("Name", "nvarchar(50)")];
    let (primary_key, unique) = (vec!["Id".to_owned()], Vec::new());
    Catalog {
        tables: vec![Table {
            name: "Thing".into(),
            columns,
            primary_key,
            unique,
            foreign_keys: Vec::new(),
            unchecked: Vec::new(),
        }],
    }
}

fn row(id: i64, name: &str) -> Row {
    vec![Value::Int(id), name.into()]
}

fn before() -> Vec<Row> {
    vec![row(1, "one"), row(2, "two")]
}

fn after() -> Vec<Row> {
    vec![row(1, "changed"), row(2, "two"), row(3, "three"), row(4, "four")]
}

/// Puts the table into its first state.
fn reset(database: &TestDatabase) {
    let values =
        "DELETE FROM [dbo].[Thing]; INSERT INTO [dbo].[Thing] ([Id], [Name]) VALUES (1, N'one'), (2, N'two')";
    database.server.run(&database.name, &[values.to_owned()]);
}

fn held(database: &TestDatabase) -> Vec<Row> {
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut reader = server.read().unwrap();
    let (columns, order, after) = (["Id", "Name"].as_slice(), ["Id"].as_slice(), None);
    let page = Page { table: "Thing", columns, order, after, max_rows: 100, max_bytes: usize::MAX };
    reader.page(&page).unwrap()
}

/// Reads, writes and commits over a connection that may break.
fn work(server: &mut SqlServer) -> Result<(), WriteError> {
    let mut transaction = server.begin()?;
    transaction.count("Thing")?;
    transaction.insert("Thing", &["Id", "Name"], &[row(3, "three"), row(4, "four")])?;
    transaction.update("Thing", &["Id"], &[Value::Int(1)], &["Name"], &vec!["changed".into()])?;
    transaction.check()?;
    transaction.commit()
}

/// The same, of a transaction that only deletes: what is gone tells of the commit.
fn deletion(server: &mut SqlServer) -> Result<(), WriteError> {
    let mut transaction = server.begin()?;
    transaction.count("Thing")?;
    transaction.delete("Thing", &["Id"], &[Value::Int(2)])?;
    transaction.check()?;
    transaction.commit()
}

type Work = fn(&mut SqlServer) -> Result<(), WriteError>;

/// What is known of the work by its answer.
fn expected(result: &Result<(), WriteError>, after: fn() -> Vec<Row>) -> Vec<Row> {
    match result {
        Ok(()) => after(),
        Err(WriteError { source: ServerError::Lost { .. } | ServerError::Unreachable { .. }, .. }) => {
            before()
        }
        Err(WriteError { source: ServerError::TakenBack, .. }) => before(),
        Err(error) => panic!("not an answer to a broken connection: {error:?}"),
    }
}

/// Cuts the connection at every packet of a direction until none is left to cut. Says how often each answer came.
fn sweep(
    server: &TestServer,
    direction: Direction,
    bytes: usize,
    work: Work,
    after: fn() -> Vec<Row>,
) -> (u32, u32, u32) {
    let database = server.database();
    database.make(&thing());
    let to = (server.host.as_str(), server.port).to_socket_addrs().unwrap().find(|a| a.is_ipv4()).unwrap();
    let (mut lost, mut taken_back, mut committed) = (0, 0, 0);
    for packet in 0..1000 {
        reset(&database);
        let proxy = Proxy::start(to, direction, packet, bytes);
        let mut address = database.address();
        (address.host, address.port) = (proxy.address.ip().to_string(), Some(proxy.address.port()));
        address.encryption = sealift::server::sqlserver::Encryption::Off;
        address.lock_timeout = Duration::from_secs(20);
        let result = match SqlServer::open(&address) {
            Ok(mut server) => work(&mut server),
            Err(error) => Err(error.into()),
        };
        if !proxy.struck() {
            result.expect("nothing was cut");
            assert!(packet > 10, "the way has more packets than that");
            return (lost, taken_back, committed);
        }
        match &result {
            Ok(()) => committed += 1,
            Err(WriteError { source: ServerError::TakenBack, .. }) => taken_back += 1,
            Err(_) => lost += 1,
        }
        let expected = expected(&result, after);
        assert_eq!(held(&database), expected, "{direction:?} {packet}: {result:?}");
    }
    panic!("the sweep does not end");
}

#[test]
fn a_connection_cut_anywhere_leaves_the_target_as_it_was_or_as_it_should_be() {
    cut_everywhere(&TestServer::own(Default::default()), work, after);
}

#[test]
fn a_lost_commit_of_deletions_alone_is_found_out() {
    cut_everywhere(&TestServer::own(Default::default()), deletion, || vec![row(1, "one")]);
}

#[test]
fn a_connection_to_the_named_server_cut_anywhere_leaves_its_target_so() {
    if let Some(server) = TestServer::named() {
        cut_everywhere(&server, work, after);
    }
}

/// A stop is requested while the server is slow with a statement of some work; says how long that took to end.
fn stopped(on: On, rows: i64) -> Duration {
    let server = TestServer::own(Default::default());
    let database = server.database();
    database.make(&thing());
    reset(&database);
    let endpoint = server.endpoint.as_ref().unwrap();
    let struck = endpoint.fault(Fault::new(on.clone(), What::Delay(Duration::from_secs(60))));
    let address = database.address();
    let stop = address.stop.clone();
    let mut server = SqlServer::open(&address).unwrap();
    let work = std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut transaction = server.begin()?;
            let rows: Vec<Row> = (10..10 + rows).map(|id| row(id, "new")).collect();
            transaction.insert("Thing", &["Id", "Name"], &rows)?;
            transaction.check()?;
            transaction.commit()
        });
        while !struck.did() {
            std::thread::sleep(Duration::from_millis(2));
        }
        // The server has the request before the driver has seen that it is sent, and only then it can be cancelled.
        std::thread::sleep(Duration::from_millis(100));
        stop.make();
        let start = Instant::now();
        (work.join().unwrap(), start.elapsed())
    });
    assert!(
        matches!(work.0, Err(WriteError { source: ServerError::Cancelled(_), .. })),
        "{on:?} {:?}",
        work.0
    );
    // The server notes the attention after it has confirmed it.
    let attended = || endpoint.requests().iter().any(|request| request.kind == Kind::Attention);
    let end = Instant::now() + Duration::from_secs(5);
    while !attended() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(attended(), "{on:?}");
    assert_eq!(held(&database), before(), "{on:?}");
    work.1
}

#[test]
fn a_stop_interrupts_what_the_server_is_doing_and_takes_everything_back() {
    let sql = |text: &str| On::Sql(text.to_owned());
    let works = [
        (sql("sp_getapplock"), 1),
        (sql("INSERT INTO #sealift"), 1),
        // So many rows go by bulk load.
        (sql("INSERT BULK"), 5000),
        (sql("INSERT INTO [dbo].[Thing]"), 5000),
    ];
    for (on, rows) in works {
        let time = stopped(on.clone(), rows);
        assert!(time < Duration::from_secs(10), "{on:?} {time:?}");
    }
}

#[test]
fn a_commit_is_never_interrupted() {
    let server = TestServer::own(Default::default());
    let database = server.database();
    database.make(&thing());
    reset(&database);
    let delay = What::Delay(Duration::from_millis(500));
    let struck = server.endpoint.as_ref().unwrap().fault(Fault::new(On::Sql("COMMIT".to_owned()), delay));
    let address = database.address();
    let stop = address.stop.clone();
    let mut server = SqlServer::open(&address).unwrap();
    std::thread::scope(|scope| {
        let work = scope.spawn(|| work(&mut server));
        while !struck.did() {
            std::thread::sleep(Duration::from_millis(2));
        }
        stop.make();
        work.join().unwrap().unwrap();
    });
    assert_eq!(held(&database), after());
}

fn cut_everywhere(server: &TestServer, work: Work, after: fn() -> Vec<Row>) {
    // Requests cut before they are sent, and in their middle.
    for bytes in [0, 9] {
        let (lost, taken_back, committed) = sweep(server, Direction::There, bytes, work, after);
        println!(
            "requests, {bytes} bytes of the last: {lost} lost, {taken_back} taken back, {committed} committed"
        );
        assert_eq!((taken_back, committed), (1, 0), "a commit that was not sent is taken back");
    }
    // Answers: the work is done, and who waits for it does not hear of it.
    for bytes in [0, 9] {
        let (lost, taken_back, committed) = sweep(server, Direction::Back, bytes, work, after);
        println!(
            "answers, {bytes} bytes of the last: {lost} lost, {taken_back} taken back, {committed} committed"
        );
        assert_eq!((taken_back, committed), (0, 1), "a commit whose answer is lost has happened");
    }
}
