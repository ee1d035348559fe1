//! Foreign keys that go round in a circle: rows come in an order that the server takes, and a row that it refuses
//! is named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(dead_code, reason = "not all of it is for these tests")]
#[path = "support/tsql.rs"]
mod tsql;

use endpoint::Options;
use sealift::document::Value;
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Page, Row, Server, ServerError, Transaction, WriteError};
use tsql::{TestDatabase, TestServer};

const TABLES: [&str; 3] = ["Alpha", "Beta", "Gamma"];

/// Alpha refers to Beta, Beta to Gamma, Gamma to Alpha; Alpha to itself as well. One of them may be NULL.
fn circle(test: &TestServer, nullable: Option<usize>, itself: &str) -> TestDatabase {
    let database = test.database();
    let mut batches = Vec::new();
    for (at, table) in TABLES.iter().enumerate() {
        let null = if nullable == Some(at) { "NULL" } else { "NOT NULL" };
        let own = if at == 0 { format!(", [Parent] int {itself}") } else { String::new() };
        batches.push(format!(
            "CREATE TABLE [dbo].[{table}] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(20) NOT NULL \
             CONSTRAINT [UQ_{table}] UNIQUE, [Next] int {null}{own})"
        ));
    }
    for (at, table) in TABLES.iter().enumerate() {
        let to = TABLES[(at + 1) % 3];
        batches.push(format!(
            "ALTER TABLE [dbo].[{table}] ADD CONSTRAINT [FK_{table}] FOREIGN KEY ([Next]) REFERENCES [dbo].[{to}] ([Id])"
        ));
    }
    batches.push(
        "ALTER TABLE [dbo].[Alpha] ADD CONSTRAINT [FK_Parent] FOREIGN KEY ([Parent]) REFERENCES [dbo].[Alpha] ([Id])"
            .to_owned(),
    );
    test.run(&database.name, &batches);
    database
}

fn columns(table: &str) -> &'static [&'static str] {
    if table == "Alpha" { &["Id", "Name", "Next", "Parent"] } else { &["Id", "Name", "Next"] }
}

/// Rows that refer to rows of the next table in another order, and in Alpha each to the one after it.
fn rows(table: &str, count: i64) -> Vec<Row> {
    let row = |id: i64| {
        let mut row: Row = vec![id.into(), format!("{table} {id}").into(), (count - 1 - id).into()];
        if table == "Alpha" {
            row.push(((id + 1) % count).into());
        }
        row
    };
    (0..count).map(row).collect()
}

fn put(transaction: &mut dyn Transaction, count: i64, change: &dyn Fn(&str, &mut Vec<Row>)) {
    for table in TABLES {
        let mut rows = rows(table, count);
        change(table, &mut rows);
        transaction.insert(table, columns(table), &rows).unwrap();
    }
}

fn work(database: &TestDatabase, count: i64, change: &dyn Fn(&str, &mut Vec<Row>)) -> Result<(), WriteError> {
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut transaction = server.begin().unwrap();
    put(&mut *transaction, count, change);
    transaction.check()?;
    transaction.commit()
}

fn held(database: &TestDatabase, table: &str) -> Vec<Row> {
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut reader = server.read().unwrap();
    let (columns, order) = (columns(table), ["Id"].as_slice());
    let page = Page { table, columns, order, after: None, max_rows: 100_000, max_bytes: usize::MAX };
    reader.page(&page).unwrap()
}

#[test]
fn rows_in_a_circle_are_written_wherever_it_can_be_opened() {
    let test = TestServer::own(Options::default());
    for (nullable, itself) in
        [(0, "NULL"), (1, "NULL"), (2, "NULL"), (0, "NOT NULL"), (1, "NOT NULL"), (2, "NOT NULL")]
    {
        for count in [4, 600] {
            let database = circle(&test, Some(nullable), itself);
            let result = work(&database, count, &|_, _| {});
            result.unwrap_or_else(|error| panic!("{nullable} {itself} {count}: {error:?}"));
            for table in TABLES {
                assert_eq!(held(&database, table), rows(table, count), "{nullable} {itself}");
            }
        }
    }
}

#[test]
fn rows_of_two_kinds_refer_to_each_other_in_one_table() {
    let test = TestServer::own(Options::default());
    let database = circle(&test, Some(2), "NULL");
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut transaction = server.begin().unwrap();
    put(&mut *transaction, 4, &|_, _| {});
    // Another order of the columns, and a parent that comes after.
    transaction
        .insert(
            "Alpha",
            &["Parent", "Id", "Name", "Next"],
            &[vec![11.into(), 10.into(), "ten".into(), 0.into()]],
        )
        .unwrap();
    transaction
        .insert("Alpha", &["Id", "Name", "Next"], &[vec![11.into(), "eleven".into(), 1.into()]])
        .unwrap();
    transaction.commit().unwrap();
    let held = held(&database, "Alpha");
    assert_eq!(held[4], vec![10.into(), "ten".into(), 0.into(), 11.into()]);
    assert_eq!(held[5], vec![11.into(), "eleven".into(), 1.into(), Value::Null]);
}

#[test]
fn a_circle_that_cannot_be_opened_is_refused_for_its_foreign_key() {
    let test = TestServer::own(Options::default());
    let database = circle(&test, None, "NULL");
    let error = work(&database, 4, &|_, _| {}).unwrap_err();
    match &error.source {
        ServerError::Constraint { reason, .. } => assert!(reason.contains("FOREIGN KEY"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(TABLES.iter().all(|table| held(&database, table).is_empty()));
}

#[test]
fn the_row_that_is_refused_is_named_though_others_refer_to_rows_after_them() {
    let test = TestServer::own(Options::default());
    let refused = |database: &TestDatabase, count: i64, change: &dyn Fn(&str, &mut Vec<Row>)| {
        let error = work(database, count, change).unwrap_err();
        assert!(TABLES.iter().all(|table| held(database, table).is_empty()), "{error:?}");
        match error.source {
            ServerError::Constraint { table, reason } => (error.write, table, reason),
            other => panic!("{other:?}"),
        }
    };
    for (nullable, count) in [(0, 8), (1, 8), (2, 8), (1, 600)] {
        let database = circle(&test, Some(nullable), "NULL");
        let (first, fifth) = (5, count as u64 + 5);
        // A name twice, of which the later is to blame; no such parent; no such row in the next table.
        let (write, table, reason) = refused(&database, count, &|table, rows| {
            if table == "Alpha" {
                rows[5][1] = "ALPHA 2".into();
            }
        });
        assert_eq!((write, table.as_str()), (Some(first), "Alpha"), "{reason}");
        assert!(reason.contains("UNIQUE") && reason.contains("Name"), "{reason}");
        let (write, table, reason) = refused(&database, count, &|table, rows| {
            if table == "Alpha" {
                rows[5][3] = 4711.into();
            }
        });
        assert_eq!((write, table.as_str()), (Some(first), "Alpha"), "{reason}");
        assert!(reason.contains("Parent") && !reason.contains("4711"), "{reason}");
        let (write, table, reason) = refused(&database, count, &|table, rows| {
            if table == "Beta" {
                rows[5][2] = 4711.into();
            }
        });
        assert_eq!((write, table.as_str()), (Some(fifth), "Beta"), "{reason}");
        assert!(reason.contains("Next") && reason.contains("Gamma"), "{reason}");
    }
    // Where rows need each other, none is blamed wrongly.
    let database = circle(&test, Some(1), "NOT NULL");
    let (write, table, reason) = refused(&database, 8, &|table, rows| {
        if table == "Alpha" {
            rows[5][1] = "alpha 2".into();
        }
    });
    assert_eq!((write, table.as_str()), (None, "Alpha"), "{reason}");
    assert!(reason.contains("UNIQUE"), "{reason}");
}

#[test]
fn rows_that_exchange_their_names_are_not_blamed_for_another() {
    let test = TestServer::own(Options::default());
    let database = circle(&test, Some(0), "NULL");
    work(&database, 8, &|_, _| {}).unwrap();
    let mut server = SqlServer::open(&database.address()).unwrap();
    for wrong in [false, true] {
        let mut transaction = server.begin().unwrap();
        for id in 0..8 {
            let next = if wrong && id == 5 { 4711 } else { id };
            let row = vec![format!("Beta {}", 7 - id).into(), next.into()];
            transaction.update("Beta", &["Id"], &[id.into()], &["Name", "Next"], &row).unwrap();
        }
        let checked = transaction.check();
        if !wrong {
            checked.unwrap();
            continue;
        }
        let error = checked.unwrap_err();
        assert!(error.write.is_none_or(|write| write == 5), "{error:?}");
        match error.source {
            ServerError::Constraint { reason, .. } => assert!(reason.contains("Next"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
