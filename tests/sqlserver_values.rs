//! Every type of a SQL Server, at the ends of its range: written, and read back as it was written, or refused by
//! name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(dead_code, reason = "not all of it is for these tests")]
#[path = "support/tsql.rs"]
mod tsql;

use endpoint::{Kind, Options};
use sealift::document::Value;
use sealift::server::sqlserver::SqlServer;
use sealift::server::{ColumnType, Lookup, Page, Reader, Row, Server, ServerError, WriteError};
use tsql::{TestDatabase, TestServer};

/// A database with one table of these lines.
fn database(test: &TestServer, lines: &str) -> TestDatabase {
    let database = test.database();
    test.run(&database.name, &[format!("CREATE TABLE [dbo].[Kept] ({lines})")]);
    database
}

fn number(text: &str) -> Value {
    ColumnType::Decimal.canonical(Value::Number(text.into()))
}

/// Column types, and values that each of them must keep.
fn kinds() -> Vec<(&'static str, Vec<Value>)> {
    let texts = |all: &[&str]| all.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    let numbers = |all: &[&str]| all.iter().map(|text| number(text)).collect::<Vec<_>>();
    let ints = |low: i64, high: i64| vec![Value::Int(low), Value::Int(0), Value::Int(high)];
    let mut kinds = vec![
        ("bit", vec![Value::Bool(true), Value::Bool(false)]),
        ("tinyint", ints(0, 255)),
        ("smallint", ints(-32_768, 32_767)),
        ("int", ints(i64::from(i32::MIN), i64::from(i32::MAX))),
        ("bigint", ints(i64::MIN, i64::MAX)),
        (
            "decimal(38,10)",
            numbers(&[
                "9999999999999999999999999999.9999999999",
                "-9999999999999999999999999999.9999999999",
                "0.0000000001",
                "-1234567890123456789012345678.0123456789",
            ]),
        ),
        ("decimal(38,0)", numbers(&["99999999999999999999999999999999999999", "-1"])),
        ("decimal(38,38)", numbers(&["0.99999999999999999999999999999999999999", "-0.1"])),
        ("numeric(5,2)", numbers(&["999.99", "-999.99", "0.01"])),
        ("money", numbers(&["-922337203685477.5808", "922337203685477.5807", "0.0001", "-0.0001", "10"])),
        ("smallmoney", numbers(&["-214748.3648", "214748.3647", "0.0001"])),
        (
            "float",
            numbers(&[
                "1e300",
                "5e-324",
                "-1.7976931348623157e308",
                "0.1",
                "0.30000000000000004",
                "-3",
                "2.5",
            ]),
        ),
        ("real", numbers(&["3.4028235e38", "-1.1754944e-38", "0.1", "16777216"])),
        (
            "nvarchar(20)",
            texts(&["", "a\0b\0", "blanks  ", " ", "\u{1F6A2}\u{1F1EB}\u{1F1EE} e\u{301}", "'\"[];--\r\n\t"]),
        ),
        ("nchar(4)", texts(&["abcd", "a   ", "\u{1F6A2}\u{1F6A2}"])),
        ("nvarchar(max)", texts(&["", "short", "\u{FFFD}\u{FFFF}\u{FEFF}"])),
        ("varchar(20)", texts(&["caf\u{e9} \u{20ac} \u{2026}", "", "blanks ", "a\0b"])),
        ("varchar(max)", texts(&["na\u{ef}ve", ""])),
        ("char(5)", texts(&["\u{e9}    ", "abcde"])),
        ("xml", texts(&["<a b=\"1\">\u{e9}<c/></a>"])),
        ("date", texts(&["0001-01-01", "9999-12-31", "2024-02-29"])),
        ("datetime", texts(&["1753-01-01 00:00:00", "9999-12-31 23:59:59.997", "2024-01-01 10:00:00.003"])),
        ("smalldatetime", texts(&["1900-01-01 00:00:00", "2079-06-06 23:59:00"])),
        (
            "uniqueidentifier",
            texts(&[
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "01234567-89ab-cdef-0123-456789abcdef",
            ]),
        ),
        ("varbinary(4)", vec![Value::Bytes(vec![]), Value::Bytes(vec![0, 255, 0]), Value::Bytes(vec![1; 4])]),
        ("varbinary(max)", vec![Value::Bytes(vec![]), Value::Bytes((0..=255).collect())]),
        ("binary(3)", vec![Value::Bytes(vec![0; 3]), Value::Bytes(vec![255; 3])]),
    ];
    for digits in 0..=7usize {
        let fraction = if digits == 0 { String::new() } else { format!(".{}", "9".repeat(digits)) };
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let last = format!("9999-12-31 23:59:59{fraction}");
        kinds.push((
            leak(format!("time({digits})")),
            texts(&["00:00:00", &format!("23:59:59{fraction}"), "12:30:00"]),
        ));
        kinds.push((leak(format!("datetime2({digits})")), texts(&["0001-01-01 00:00:00", &last])));
        kinds.push((
            leak(format!("datetimeoffset({digits})")),
            texts(&[
                "0001-01-01 00:00:00 +00:00",
                "0001-01-01 14:00:00 +14:00",
                &format!("{last} +00:00"),
                &format!("9999-12-31 09:59:59{fraction} -14:00"),
            ]),
        ));
    }
    kinds
}

fn page(reader: &mut dyn Reader, columns: &[&str]) -> Vec<Row> {
    let order = ["Id"].as_slice();
    let page = Page { table: "Kept", columns, order, after: None, max_rows: 100_000, max_bytes: usize::MAX };
    reader.page(&page).unwrap()
}

/// Writes rows, and reads them back over another connection, by page and by lookup.
fn keeps(database: &TestDatabase, columns: &[&str], rows: &[Row]) {
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Kept", columns, rows).unwrap();
    transaction.commit().unwrap_or_else(|error| panic!("{error:?} {:?}", columns));
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut reader = server.read().unwrap();
    same(&page(&mut *reader, columns), rows, columns);
    let keys: Vec<Vec<Value>> = rows.iter().map(|row| row[..1].to_vec()).collect();
    let mut found = vec![Row::new(); rows.len()];
    let lookup = Lookup { table: "Kept", columns, by: &["Id"], keys: &keys };
    reader.lookup(&lookup, &mut |at, row| found[at] = row).unwrap();
    same(&found, rows, columns);
}

fn same(found: &[Row], rows: &[Row], columns: &[&str]) {
    assert_eq!(found.len(), rows.len());
    for (found, row) in found.iter().zip(rows) {
        for ((found, value), column) in found.iter().zip(row).zip(columns) {
            // Not as a whole: some are long.
            let short = |value: &Value| format!("{value:?}").chars().take(200).collect::<String>();
            assert!(found == value, "{column}: {} is not {}", short(found), short(value));
        }
    }
}

#[test]
fn every_type_keeps_its_values_as_parameters_and_by_bulk_load() {
    let test = TestServer::own(Options::default());
    let kinds = kinds();
    let lines: Vec<String> =
        kinds.iter().enumerate().map(|(at, (kind, _))| format!("[C{at}] {kind} NULL")).collect();
    let names: Vec<String> = (0..kinds.len()).map(|at| format!("C{at}")).collect();
    let columns: Vec<&str> = std::iter::once("Id").chain(names.iter().map(String::as_str)).collect();
    // So few go as parameters: 500 of them at the most.
    for (count, bulk) in [(9, false), (2000, true)] {
        let database = database(&test, &format!("[Id] int NOT NULL PRIMARY KEY, {}", lines.join(", ")));
        let row = |id: usize| -> Row {
            let value = |values: &Vec<Value>| values.get(id % (values.len() + 1)).cloned();
            let values = kinds.iter().map(|(_, values)| value(values).unwrap_or(Value::Null));
            std::iter::once(Value::Int(id as i64)).chain(values).collect()
        };
        let rows: Vec<Row> = (0..count).map(row).collect();
        let endpoint = test.endpoint.as_deref().unwrap();
        endpoint.clear_requests();
        keeps(&database, &columns, &rows);
        let loaded: u64 =
            endpoint.requests().iter().filter(|r| r.kind == Kind::Bulk).map(|r| r.bulk_rows).sum();
        assert_eq!(loaded, if bulk { count as u64 } else { 0 });
    }
}

#[test]
fn large_values_go_among_small_ones() {
    let test = TestServer::own(Options::default());
    for count in [20, 2000] {
        let lines = "[Id] int NOT NULL PRIMARY KEY, [T] nvarchar(max) NULL, [B] varbinary(max) NULL, [V] varchar(max) NULL";
        let database = database(&test, lines);
        let text = |id: usize, unit: &str, count: usize| Value::Text(format!("{id}{}", unit.repeat(count)));
        let row = |id: usize| -> Row {
            let (t, b, v) = match id % 500 {
                3 => (
                    text(id, "\u{1F6A2}", 100_000),
                    Value::Bytes(vec![7; 100 << 10]),
                    text(id, "\u{e9}", 90_000),
                ),
                // Around what a bulk load takes.
                5 => (text(id, "x", 29_990), Value::Bytes(vec![1; 60_000]), text(id, "y", 30_000)),
                7 => (text(id, "x", 32_766), Value::Bytes(vec![1; 65_535]), text(id, "y", 65_536)),
                9 => (text(id, "\u{4e00}", 21_000), Value::Bytes(vec![1; 65_536]), Value::Null),
                _ => (text(id, "small", 3), Value::Bytes(vec![id as u8]), Value::Null),
            };
            vec![Value::Int(id as i64), t, b, v]
        };
        let rows: Vec<Row> = (0..count).map(row).collect();
        keeps(&database, &["Id", "T", "B", "V"], &rows);
    }
}

/// Writes rows of one column, and says what became of it.
fn write(database: &TestDatabase, columns: &[&str], rows: &[Row]) -> Result<(), WriteError> {
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Kept", columns, rows)?;
    transaction.check()?;
    transaction.commit()
}

#[test]
fn what_a_type_cannot_hold_is_refused_by_name() {
    let test = TestServer::own(Options::default());
    let cases: &[(&str, &[Value])] = &[
        ("tinyint", &[Value::Int(256), Value::Int(-1), Value::Bool(true), "1".into()]),
        ("smallint", &[Value::Int(32_768)]),
        ("int", &[Value::Int(1 << 31), number("1.5")]),
        ("bigint", &[number("9223372036854775808")]),
        ("bit", &[Value::Int(2)]),
        ("decimal(5,2)", &[number("0.001"), number("1000"), number("1e2")]),
        ("money", &[number("922337203685477.5808"), number("999999999999999.9999"), number("0.00001")]),
        ("smallmoney", &[number("214748.3648"), number("-214748.3649"), number("999999")]),
        ("float", &[number("1e309")]),
        ("real", &[number("1e39"), number("-3.5e38")]),
        ("nvarchar(3)", &["abcd".into(), "a\u{1F6A2}b".into()]),
        ("varchar(3)", &["abcd".into()]),
        ("date", &["2024-01-01 00:00:01".into(), "2023-02-29".into(), "10000-01-01".into()]),
        ("time(0)", &["10:00:00.5".into(), "24:00:00".into()]),
        ("time(3)", &["10:00:00.0001".into()]),
        ("datetime", &["2024-01-01 10:00:00.001".into(), "1752-12-31 00:00:00".into()]),
        ("smalldatetime", &["2024-01-01 10:00:30".into(), "2079-06-07 00:00:00".into()]),
        ("datetime2(2)", &["2024-01-01 10:00:00.123".into(), "2024-01-01 10:00:00 +01:00".into()]),
        ("datetimeoffset(6)", &["2024-01-01 10:00:00.0000001 +00:00".into()]),
        ("datetimeoffset(7)", &["0001-01-01 00:00:00 +01:00".into(), "2024-01-01 10:00:00 +15:00".into()]),
        ("uniqueidentifier", &["not one".into()]),
        ("varbinary(2)", &[Value::Bytes(vec![1; 3]), "text".into()]),
        ("rowversion", &[Value::Bytes(vec![0; 8])]),
    ];
    for (kind, values) in cases {
        let database = database(&test, &format!("[Id] int NOT NULL PRIMARY KEY, [C] {kind} NULL"));
        for value in *values {
            let error =
                write(&database, &["Id", "C"], &[vec![1.into(), Value::Null], vec![2.into(), value.clone()]]);
            let error = error.expect_err(&format!("{kind} {value:?}"));
            assert_eq!(error.write, Some(1), "{kind} {value:?}: {error:?}");
            let named = matches!(&error.source, ServerError::Value { table, column, .. } if table == "Kept" && column == "C");
            assert!(named, "{kind} {value:?}: {error:?}");
        }
    }
}

#[test]
fn text_outside_the_code_page_is_refused_by_name_and_number() {
    let test = TestServer::own(Options::default());
    for kind in ["varchar(20)", "char(20)", "varchar(max)", "text"] {
        for (count, bad) in [(5, 3), (2000, 1500)] {
            for odd in ["\u{3b1}beta", "\u{1F6A2}", "snow\u{2603}", "\u{100}"] {
                let lines =
                    format!("[Id] int NOT NULL PRIMARY KEY, [Fine] varchar(20) NULL, [C] {kind} NULL");
                let database = database(&test, &lines);
                let row = |id: i64| -> Row {
                    let text = if id >= bad { odd } else { "caf\u{e9} ?" };
                    vec![id.into(), "\u{20ac}".into(), text.into()]
                };
                let rows: Vec<Row> = (0..count).map(row).collect();
                let error = write(&database, &["Id", "Fine", "C"], &rows).expect_err(kind);
                assert_eq!(error.write, u64::try_from(bad).ok(), "{kind}: {error:?}");
                match &error.source {
                    ServerError::Value { table, column, value } => {
                        assert_eq!((table.as_str(), column.as_str()), ("Kept", "C"));
                        assert!(value.contains("code page") && !value.contains(odd), "{value}");
                    }
                    other => panic!("{kind}: {other:?}"),
                }
                let mut server = SqlServer::open(&database.address()).unwrap();
                assert_eq!(server.read().unwrap().count("Kept").unwrap(), 0);
                // An update is looked at as well.
                write(&database, &["Id", "C"], &[vec![1.into(), "fine".into()]]).unwrap();
                let mut transaction = server.begin().unwrap();
                transaction.update("Kept", &["Id"], &[1.into()], &["C"], &vec![odd.into()]).unwrap();
                let error = transaction.check().unwrap_err();
                assert!(matches!(error.source, ServerError::Value { .. }), "{error:?}");
            }
        }
    }
}

#[test]
fn what_the_server_fills_itself_is_left_to_it() {
    let test = TestServer::own(Options::default());
    let lines = "[Id] int IDENTITY(1,1) NOT NULL PRIMARY KEY, [Name] nvarchar(20) NOT NULL, [V] rowversion NOT NULL, \
                 [Twice] AS ([Name] + [Name])";
    let database = database(&test, lines);
    write(&database, &["Name"], &[vec!["a".into()], vec!["b".into()]]).unwrap();
    write(&database, &["Id", "Name"], &[vec![10.into(), "ten".into()], vec![7.into(), "seven".into()]])
        .unwrap();
    write(&database, &["Name", "V"], &[vec!["next".into(), Value::Null]]).unwrap();
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut reader = server.read().unwrap();
    let table = reader.catalog().table("Kept").unwrap();
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["Id", "Name", "V"], "a computed column is none");
    assert!(table.column("Id").unwrap().identity);
    let rows = page(&mut *reader, &["Id", "Name", "V"]);
    let expected = [(1, "a"), (2, "b"), (7, "seven"), (10, "ten"), (11, "next")];
    let expected: Vec<Row> = expected.map(|(id, name)| vec![id.into(), name.into(), Value::Null]).to_vec();
    assert_eq!(rows, expected);
    drop(reader);
    let sure =
        ["IF (SELECT COUNT(*) FROM [dbo].[Kept] WHERE [Twice] = N'tenten') <> 1 THROW 50000, N'no', 1"];
    test.run(&database.name, &sure.map(str::to_owned));
}

#[test]
fn half_of_a_pair_is_refused_with_its_table_and_column() {
    let test = TestServer::own(Options::default());
    let lines = "[Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(50) NOT NULL, [Note] nvarchar(50) NULL, [Long] nvarchar(max) NULL";
    for (column, values) in [
        ("Note", "N'fine', N'half ' + NCHAR(0xD800), N'x'"),
        ("Long", "N'fine', N'x', NCHAR(0xDC00) + CAST(N'' AS nvarchar(max))"),
        ("Name", "NCHAR(0xDBFF) + N'x', NULL, NULL"),
    ] {
        let database = database(&test, lines);
        let mut batches =
            vec!["INSERT INTO [dbo].[Kept] ([Id], [Name]) VALUES (1, N'one'), (2, N'two')".to_owned()];
        batches.push(format!("INSERT INTO [dbo].[Kept] ([Id], [Name], [Note], [Long]) VALUES (3, {values})"));
        test.run(&database.name, &batches);
        let columns = ["Id", "Name", "Note", "Long"].as_slice();
        let names = |error: ServerError| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            assert!(matches!(error, ServerError::Failed { .. }), "{column}: {error:?}");
            assert!(text.contains(&format!("Kept.{column}")), "{column}: {text}");
            assert!(text.contains("surrogate"), "{text}");
        };
        let mut server = SqlServer::open(&database.address()).unwrap();
        for max_rows in [1, 2, 100] {
            let mut reader = server.read().unwrap();
            let mut after: Option<Row> = None;
            let error = loop {
                let place = after.as_ref().map(|row| &row[..1]);
                let page = Page {
                    table: "Kept",
                    columns,
                    order: &["Id"],
                    after: place,
                    max_rows,
                    max_bytes: usize::MAX,
                };
                match reader.page(&page) {
                    Ok(rows) => after = Some(rows.last().expect("not the end").clone()),
                    Err(error) => break error,
                }
            };
            names(error);
        }
        let keys = [vec![Value::Int(1)], vec![Value::Int(3)]];
        let lookup = Lookup { table: "Kept", columns, by: &["Id"], keys: &keys };
        names(server.read().unwrap().lookup(&lookup, &mut |_, _| {}).unwrap_err());
        names(server.begin().unwrap().lookup(&lookup, &mut |_, _| {}).unwrap_err());
        // The rest of the table can be read.
        let found = page(&mut *server.read().unwrap(), &["Id"]);
        assert_eq!(found.len(), 3);
    }
}

/// A page that a statement of its own begins after a row has all rows that come after it, whatever the type of the
/// columns that order them: the value goes back to the server, and must be the one that it came from.
#[test]
fn a_page_may_begin_after_a_value_of_any_type() {
    let test = TestServer::own(Options::default());
    let kinds: Vec<_> = kinds().into_iter().filter(|(kind, _)| *kind != "xml").collect();
    let lines: Vec<String> =
        kinds.iter().enumerate().map(|(at, (kind, _))| format!("[C{at}] {kind} NULL")).collect();
    let names: Vec<String> = (0..kinds.len()).map(|at| format!("C{at}")).collect();
    let columns: Vec<&str> = std::iter::once("Id").chain(names.iter().map(String::as_str)).collect();
    let database = database(&test, &format!("[Id] int NOT NULL PRIMARY KEY, {}", lines.join(", ")));
    let row = |id: usize| -> Row {
        let value = |values: &Vec<Value>| values.get(id % (values.len() + 1)).cloned();
        let values = kinds.iter().map(|(_, values)| value(values).unwrap_or(Value::Null));
        std::iter::once(Value::Int(id as i64)).chain(values).collect()
    };
    let rows: Vec<Row> = (0..17).map(row).collect();
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Kept", &columns, &rows).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    for (name, (kind, _)) in names.iter().zip(&kinds) {
        let order = [name.as_str(), "Id"];
        let mut read = |after: Option<&[Value]>| {
            let page = Page {
                table: "Kept",
                columns: &order,
                order: &order,
                after,
                max_rows: 1000,
                max_bytes: usize::MAX,
            };
            reader.page(&page).unwrap()
        };
        let all = read(None);
        assert_eq!(all.len(), rows.len(), "{kind}");
        // From the end on: no statement that was sent before could be gone on with.
        for at in (0..all.len()).rev() {
            assert_eq!(read(Some(&all[at])), all[at + 1..], "{kind} after {:?}", all[at]);
        }
    }
}
