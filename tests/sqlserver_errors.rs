//! What a SQL Server refuses, how it does not answer, and what is said and left then.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/thing.rs"]
mod thing;
#[allow(dead_code, reason = "the named server is for other tests")]
#[path = "support/tsql.rs"]
mod tsql;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use endpoint::{Endpoint, Fault, Kind, On, Options, Struck, What};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Page, Server, ServerError, WriteError};
use thing::{address, after, before, database, held, reset, row, rows, work};
use tsql::{TestDatabase, TestServer};

/// So many rows go by bulk load, and so many as parameters.
const MANY: i64 = 400;
const FEW: i64 = 3;

fn of(server: &TestServer) -> &Endpoint {
    server.endpoint.as_deref().unwrap()
}

/// All that an error says, with its causes.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

/// Says whether an error is what a number means.
fn means(error: &ServerError, number: i32) -> bool {
    match number {
        1205 => matches!(error, ServerError::Deadlock { doing } if !doing.is_empty()),
        1222 => matches!(error, ServerError::Busy),
        9002 | 1105 => matches!(error, ServerError::Full),
        547 | 2627 | 2601 | 515 | 2628 => matches!(error, ServerError::Constraint { .. }),
        229 => matches!(error, ServerError::Permission { doing } if !doing.is_empty()),
        3906 => matches!(error, ServerError::ReadOnly(_)),
        _ => matches!(error, ServerError::Failed { .. }),
    }
}

/// After an error in the middle of the work: nothing is written, the connection is not used again, and the next
/// work goes well on the same server.
fn check_left(database: &TestDatabase, server: &mut SqlServer, many: i64, case: &str) {
    let endpoint = of(&database.server);
    let requests = endpoint.requests();
    let failed = requests.iter().position(|r| !r.errors.is_empty()).expect(case);
    let session = requests[failed].session;
    assert_eq!(held(database), before(), "{case}: the target is as it was");
    let requests = endpoint.requests();
    let later: Vec<_> = requests[failed + 1..].iter().filter(|r| r.session == session).collect();
    assert!(later.iter().all(|r| r.kind == Kind::Disconnect), "{case}: used again: {later:?}");
    endpoint.clear_faults();
    work(server, many).unwrap_or_else(|error| panic!("{case}: the next work: {error:?}"));
    assert_eq!(held(database), after(many), "{case}");
    reset(database);
}

#[test]
fn an_error_in_the_middle_of_the_writes_takes_everything_back_and_the_next_work_goes_well() {
    let test = TestServer::own(Options::default());
    let (database, endpoint) = (database(&test), of(&test));
    let mut server = SqlServer::open(&database.address()).unwrap();
    let sql = |text: &str| On::Sql(text.to_owned());
    for many in [FEW, MANY] {
        let mut places = vec![
            sql("UPDATE t"),
            sql("INSERT INTO [dbo]"),
            sql("CREATE TABLE #sealift"),
            sql("DROP TABLE #sealift"),
            sql("COMMIT TRANSACTION"),
        ];
        match many {
            FEW => places.push(sql("INSERT INTO #sealift")),
            _ => places.extend([sql("INSERT BULK"), On::BulkRow(1), On::BulkRow(200), On::BulkRow(400)]),
        }
        for on in places {
            for number in
                [1205, 1222, 9002, 1105, 547, 2627, 2601, 515, 2628, 229, 3906, 4891, 17_892, 50_123]
            {
                let case = format!("{number} at {on:?} with {many} rows");
                endpoint.clear_requests();
                let message = match number {
                    4891 | 17_892 | 50_123 | 547 | 2627 | 2601 | 515 | 2628 => {
                        "Not with the value 'swordfish', (\"swordfish\")."
                    }
                    _ => "",
                };
                let what = What::Error { number, message: message.to_owned() };
                let struck = endpoint.fault(Fault::new(on.clone(), what));
                let error = work(&mut server, many).expect_err(&case);
                assert!(struck.did(), "{case}");
                assert!(means(&error.source, number), "{case}: {error:?}");
                let text = said(&error);
                assert!(!text.contains("swordfish"), "{case}: {text}");
                assert!(
                    number < 4000 || number == 9002 || text.contains(&number.to_string()),
                    "{case}: {text}"
                );
                check_left(&database, &mut server, many, &case);
            }
        }
    }
}

#[test]
fn a_permission_that_is_lacking_is_named_with_what_was_done() {
    for (verb, kind) in
        [("INSERT", "writing Thing"), ("UPDATE", "writing Thing"), ("SELECT", "reading Thing")]
    {
        let test = TestServer::own(Options::default());
        let database = database(&test);
        let mut server = SqlServer::open(&database.address()).unwrap();
        of(&test).clear_requests();
        of(&test).change(|options| options.denied = vec![(verb.to_owned(), "Thing".to_owned())]);
        let error = work(&mut server, FEW).expect_err(verb);
        match &error.source {
            ServerError::Permission { doing } => assert_eq!(doing, kind, "{verb}"),
            other => panic!("{verb}: {other:?}"),
        }
        of(&test).change(|options| options.denied.clear());
        check_left(&database, &mut server, FEW, verb);
    }
}

#[test]
fn a_transaction_whose_check_has_failed_cannot_be_committed() {
    let test = TestServer::own(Options::default());
    let database = database(&test);
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.update("Thing", &["Id"], &[2.into()], &["Name"], &vec!["no".into()]).unwrap();
    transaction.update("Thing", &["Name"], &["none".into()], &["Name"], &vec!["no".into()]).unwrap();
    let error = transaction.check().unwrap_err();
    assert_eq!(error.write, Some(1), "{error:?}");
    assert!(matches!(error.source, ServerError::Constraint { .. }), "{error:?}");
    assert!(transaction.commit().is_err(), "some of it was written");
    assert_eq!(held(&database), before());
    work(&mut server, FEW).unwrap();
}

fn fails(address: &sealift::server::sqlserver::SqlServerAddress) -> ServerError {
    match SqlServer::open(address) {
        Ok(_) => panic!("{address} was opened"),
        Err(error) => error,
    }
}

#[test]
fn what_keeps_a_server_from_being_used_is_told_apart() {
    let test = TestServer::own(Options { read_only: true, ..Options::default() });
    let open = "trust_server_certificate=true";
    let mut server = SqlServer::open(&address(&test, "Octopus", &test.password, open)).unwrap();
    assert!(matches!(server.begin().err(), Some(ServerError::ReadOnly(at)) if at.contains("/Octopus")));
    assert!(server.read().is_ok(), "it can be read");

    let error = fails(&address(&test, "Octopus", "not-it-at-all", open));
    assert!(matches!(error, ServerError::Login { .. }), "{error:?}");
    assert!(!said(&error).contains("not-it-at-all") && !said(&error).contains(&test.password));
    let error = fails(&address(&test, "Nowhere", &test.password, open));
    assert!(matches!(&error, ServerError::Missing(at) if at.contains("/Nowhere")), "{error:?}");

    let error = fails(&address(&test, "Octopus", &test.password, ""));
    assert!(matches!(error, ServerError::Tls { .. }), "{error:?}");
    let authority = of(&test).authority().display();
    let trusting = address(&test, "Octopus", &test.password, &format!("ca={authority}"));
    assert!(SqlServer::open(&trusting).unwrap().read().is_ok());
    let error = fails(&address(&test, "Octopus", &test.password, &format!("ca={authority}.not")));
    assert!(matches!(error, ServerError::Tls { .. }), "{error:?}");

    let old = TestServer::own(Options { compatibility_level: 120, ..Options::default() });
    let error = fails(&address(&old, "Octopus", &old.password, open));
    let text = error.to_string();
    assert!(matches!(error, ServerError::Unsupported { .. }), "{error:?}");
    assert!(text.contains("120") && text.contains("130"), "{text}");
}

/// A listener that answers each connection by itself.
fn listener(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    TestServer { host: "127.0.0.1".into(), port, user: "sa".into(), password: "x".into(), endpoint: None }
}

#[test]
fn who_does_not_answer_and_who_is_no_sql_server_is_told_in_time() {
    let soon = "connect_timeout=1&trust_server_certificate=true";
    let within = |server: &TestServer, case: &str| {
        let start = Instant::now();
        let error = fails(&address(server, "Octopus", "x", soon));
        assert!(start.elapsed() < Duration::from_secs(5), "{case} took {:?}", start.elapsed());
        error
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = TestServer { port: nobody, ..listener(drop) };
    assert!(matches!(within(&nobody, "nobody"), ServerError::Unreachable { .. }));

    // A reference that is never given back keeps the connection open.
    let error = within(&listener(std::mem::forget), "a silent server");
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error:?}");
    assert!(said(&error).contains("1 s"), "{error:?}");

    let mut garbage: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        vec![0; 4096],
        vec![0xff; 4096],
        // The head of a packet of no length, of less than its head, and of more than comes.
        vec![4, 1, 0, 0, 0, 0, 1, 0],
        vec![4, 1, 0, 3, 0, 0, 1, 0],
        vec![4, 1, 0xff, 0xff, 0, 0, 1, 0, 1],
        // Greetings: empty, without an end, and with options that point outside.
        vec![4, 1, 0, 8, 0, 0, 1, 0],
        vec![4, 1, 0, 9, 0, 0, 1, 0, 0],
        vec![4, 1, 0, 14, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![4, 1, 0, 14, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xff],
        vec![4, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xff, 9],
        // Encryption is not supported, and then an answer to the login of a token that claims much.
        [
            &[4, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xff, 2][..],
            &[4, 1, 0, 12, 0, 0, 1, 0, 0xaa, 0xff, 0xff, 1],
        ]
        .concat(),
    ];
    // Bytes without a sense, always the same.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in [9, 100, 5000] {
        let mut bytes = vec![4, 1, 0, 100, 0, 0, 1, 0];
        bytes.extend(
            std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .take(length),
        );
        garbage.push(bytes);
    }
    for encrypt in ["true", "login", "off", "strict"] {
        for answer in &garbage {
            let bytes = answer.clone();
            let server = listener(move |mut stream| {
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(&bytes);
            });
            let settings = format!("{soon}&encrypt={encrypt}");
            let start = Instant::now();
            let error = fails(&address(&server, "Octopus", "x", &settings));
            let case = format!("{encrypt} {:?}", &answer[..answer.len().min(20)]);
            assert!(start.elapsed() < Duration::from_secs(5), "{case}");
            let told = match error {
                ServerError::Unreachable { .. } | ServerError::Tls { .. } => true,
                // Some of it can be read as a greeting that offers no encryption, and none of it is TLS.
                ServerError::NotEncrypted { .. } => encrypt != "off",
                _ => false,
            };
            assert!(told, "{case}: {error:?}");
        }
    }
}

#[test]
fn without_snapshots_a_reader_says_so_and_still_sees_one_state() {
    for snapshot_isolation in [true, false] {
        let test = TestServer::own(Options { snapshot_isolation, ..Options::default() });
        let database = database(&test);
        let mut server = SqlServer::open(&database.address()).unwrap();
        let mut reader = server.read().unwrap();
        match reader.notice() {
            None => assert!(snapshot_isolation),
            Some(notice) => assert!(!snapshot_isolation && notice.contains("ALLOW_SNAPSHOT_ISOLATION")),
        }
        let page = |reader: &mut dyn sealift::server::Reader, after: Option<&[sealift::document::Value]>| {
            let (columns, order) = (["Id", "Name"].as_slice(), ["Id"].as_slice());
            reader
                .page(&Page { table: "Thing", columns, order, after, max_rows: 1, max_bytes: usize::MAX })
                .unwrap()
        };
        assert_eq!(reader.count("Thing").unwrap(), 2);
        assert_eq!(page(&mut *reader, None), [row(1, "one")]);
        let mut other = address(&test, &database.name, &test.password, "trust_server_certificate=true");
        other.lock_timeout = Duration::from_secs(1);
        let mut other = SqlServer::open(&other).unwrap();
        let changed = work(&mut other, FEW);
        match snapshot_isolation {
            true => changed.unwrap(),
            false => {
                let error = changed.unwrap_err();
                assert!(matches!(error.source, ServerError::Busy), "{error:?}");
            }
        }
        assert_eq!(page(&mut *reader, Some(&[1.into()])), [row(2, "two")]);
        assert_eq!(page(&mut *reader, Some(&[2.into()])), Vec::<sealift::server::Row>::new());
        assert_eq!(rows(&mut *reader).unwrap(), before());
        drop(reader);
        if !snapshot_isolation {
            work(&mut other, FEW).unwrap();
        }
        assert_eq!(held(&database), after(FEW));
    }
}

#[test]
fn a_second_writer_waits_for_the_lock_as_long_as_it_is_told_to() {
    let test = TestServer::own(Options::default());
    let database = database(&test);
    let mut first = SqlServer::open(&database.address()).unwrap();
    let mut second = database.address();
    second.lock_timeout = Duration::from_secs(1);
    let mut second = SqlServer::open(&second).unwrap();
    let mut transaction = first.begin().unwrap();
    transaction.insert("Thing", &["Id", "Name"], &[row(9, "nine")]).unwrap();
    transaction.check().unwrap();
    let start = Instant::now();
    assert!(matches!(second.begin().err(), Some(ServerError::Busy)));
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&start.elapsed()));
    transaction.rollback().unwrap();
    work(&mut second, FEW).unwrap();
    assert_eq!(held(&database), after(FEW));
    let asked = of(&test).requests().iter().filter(|r| r.sql.contains("sp_getapplock")).count();
    assert!(asked >= 3, "both have asked for the lock");
}

/// Work whose reply to COMMIT does not come, and how long it took.
fn in_doubt(
    database: &TestDatabase,
    what: What,
    later: impl FnOnce(&Endpoint) -> Vec<Struck>,
) -> (Result<(), WriteError>, Duration) {
    let endpoint = of(&database.server);
    let mut address = database.address();
    address.connect_timeout = Duration::from_secs(1);
    let mut server = SqlServer::open(&address).unwrap();
    let struck = endpoint.fault(Fault::new(On::Sql("COMMIT TRANSACTION".to_owned()), what));
    let more = later(endpoint);
    let start = Instant::now();
    let result = work(&mut server, FEW);
    let took = start.elapsed();
    assert!(struck.did() && more.iter().all(Struck::did), "the faults");
    endpoint.clear_faults();
    (result, took)
}

#[test]
fn a_commit_whose_reply_is_lost_is_looked_after() {
    let test = TestServer::own(Options::default());
    let database = database(&test);
    let (result, _) = in_doubt(&database, What::CloseBefore, |_| Vec::new());
    assert!(matches!(result.unwrap_err().source, ServerError::TakenBack));
    assert_eq!(held(&database), before());
    for what in [What::CloseAfter, What::CloseMidReply(0), What::CloseMidReply(5)] {
        in_doubt(&database, what, |_| Vec::new()).0.unwrap();
        assert_eq!(held(&database), after(FEW));
        reset(&database);
    }
}

#[test]
fn a_commit_that_cannot_be_looked_after_is_unknown_and_said_so_in_time() {
    let test = TestServer::own(Options::default());
    let database = database(&test);
    for what in [What::CloseBefore, What::CloseAfter] {
        let (result, took) = in_doubt(&database, what, |endpoint| {
            vec![endpoint.fault(Fault::new(On::Login, What::CloseBefore).times(u32::MAX))]
        });
        let error = result.unwrap_err().source;
        assert!(matches!(error, ServerError::CommitUnknown { .. }), "{error:?}");
        assert!(took < Duration::from_secs(8), "{took:?}");
        reset(&database);
    }
}

#[test]
fn a_server_that_ends_while_committing_leaves_the_commit_unknown() {
    let test = TestServer::own(Options::default());
    let database = database(&test);
    let mut address = database.address();
    address.connect_timeout = Duration::from_secs(1);
    let mut server = SqlServer::open(&address).unwrap();
    let struck = of(&test).fault(Fault::new(On::Sql("COMMIT TRANSACTION".to_owned()), What::CloseAfter));
    // Nobody gets in before the end.
    let late = What::Delay(Duration::from_secs(30));
    of(&test).fault(Fault::new(On::Login, late).times(u32::MAX));
    let seen = struck.clone();
    let ending = std::thread::spawn(move || {
        while !seen.did() {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop((database, test));
    });
    let start = Instant::now();
    let error = work(&mut server, FEW).unwrap_err().source;
    assert!(struck.did());
    assert!(matches!(error, ServerError::CommitUnknown { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    ending.join().unwrap();
}

#[test]
fn rows_that_somebody_else_has_changed_since_tell_nothing_of_a_commit() {
    let test = TestServer::own(Options::default());
    let database = database(&test);
    let name = database.name.clone();
    let (shared, committed) = (test.endpoint.clone().unwrap(), std::sync::mpsc::channel());
    let changing = std::thread::spawn(move || {
        let struck: Struck = committed.1.recv().unwrap();
        while !struck.did() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let data = shared.connection(&name);
        // The fault strikes before the statement runs: what it does is waited for.
        while data.execute("UPDATE Thing SET Name = 'theirs' WHERE Id >= 3", []).unwrap() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let (result, _) = in_doubt(&database, What::CloseAfter, |endpoint| {
        let login = endpoint.fault(Fault::new(On::Login, What::Delay(Duration::from_millis(800))));
        committed.0.send(login.clone()).unwrap();
        vec![login]
    });
    changing.join().unwrap();
    let error = result.unwrap_err().source;
    assert!(
        matches!(&error, ServerError::CommitUnknown { reason } if reason.contains("somebody")),
        "{error:?}"
    );
    assert_eq!(held(&database)[2], row(3, "theirs"));
}
