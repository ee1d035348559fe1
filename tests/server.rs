//! The contract of servers as one suite, run for every back end; then what only the embedded server promises.
//!
//! A back end joins by implementing [`Bench`] and adding a line `suite!(…)`. One file, because the contract is
//! one: what a case expects is read beside the tables it is run on.

// The lints' exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use sealift::document::Value;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{
    Catalog, Column, ColumnType, ForeignKey, Lookup, Page, Reader, Row, Server, ServerError, Table,
    Transaction, WriteError,
};

#[path = "support/tsql.rs"]
mod tsql;
use tsql::{TestDatabase, TestServer};

/// Makes servers of one kind.
trait Bench {
    /// Makes an empty server with these tables.
    fn empty(&self, catalog: &Catalog) -> Box<dyn Place>;
}

/// A server that can be opened several times over, for as long as this lives.
trait Place {
    fn open(&self) -> Box<dyn Server>;
}

/// The embedded server in a temporary folder, with this journal mode.
struct Embedded(&'static str);

struct InFolder {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Bench for Embedded {
    fn empty(&self, catalog: &Catalog) -> Box<dyn Place> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sqlite");
        SqliteServer::create(&path, Schema::Like(catalog)).unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", self.0).unwrap();
        Box::new(InFolder { _folder: folder, path })
    }
}

impl Place for InFolder {
    fn open(&self) -> Box<dyn Server> {
        Box::new(SqliteServer::open(&self.path).unwrap())
    }
}

/// Answers that come in small pieces, rows whose NULLs are told apart, and temporary tables that compare text
/// otherwise than the database does.
fn in_pieces() -> endpoint::Options {
    endpoint::Options {
        split_writes: Some(7),
        packet_size: 512,
        compressed_nulls: true,
        server_collation: "Latin1_General_BIN2".to_owned(),
        ..Default::default()
    }
}

/// A server across a network.
struct Networked(TestServer);

struct InDatabase(TestDatabase);

impl Bench for Networked {
    fn empty(&self, catalog: &Catalog) -> Box<dyn Place> {
        let database = self.0.database();
        database.make(catalog);
        Box::new(InDatabase(database))
    }
}

impl Place for InDatabase {
    fn open(&self) -> Box<dyn Server> {
        let mut address = self.0.address();
        address.lock_timeout = std::time::Duration::from_secs(3);
        Box::new(SqlServer::open(&address).unwrap())
    }
}

macro_rules! suite {
    ($skin:ident, $bench:expr, $($case:ident),* $(,)?) => {
        mod $skin {
            $(#[test] fn $case() {
                match $bench {
                    Some(bench) => super::$case(&bench),
                    None => {}
                }
            })*
        }
    };
    ($skin:ident, $bench:expr) => {
        suite!(
            $skin, $bench,
            catalogs_are_discovered, values_come_back_as_they_went, a_reader_sees_one_state,
            pages_follow_composite_keys, pages_end_at_bytes, lookups_compare_as_the_server_does,
            lookups_see_nulls_and_numbers, lookups_answer_each_key, lookups_stop_at_bytes, commit_rollback_and_drop,
            a_transaction_sees_its_own_writes, a_second_writer_is_busy, constraints_are_named,
            values_must_fit, updates_touch_one_row, deletions_take_one_row, every_row_of_a_key_is_deleted, deletions_leave_room,
            deletions_keep_foreign_keys, foreign_keys_wait_for_the_check,
            a_check_fails_where_the_commit_would, missing_names_are_told, the_largest_integer_is_found,
            a_table_is_read_whole_between_lookups, tables_are_read_side_by_side, a_reader_may_end_within_a_table,
            long_answers_between_pages_are_whole, several_lookups_are_answered_together,
            expected_tables_are_read_as_any,
        );
    };
}

suite!(embedded, Some(super::Embedded("delete")));
suite!(embedded_with_log, Some(super::Embedded("wal")));
suite!(over_tds, Some(super::Networked(super::TestServer::own(Default::default()))));
suite!(over_tds_in_pieces, Some(super::Networked(super::TestServer::own(super::in_pieces()))));
suite!(named_server, super::TestServer::named().map(super::Networked));

fn column(name: &str, declared: &str, nullable: bool) -> Column {
    let kind = ColumnType::of(declared);
    Column { name: name.into(), declared: declared.into(), kind, nullable, default: None, identity: false }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn table(name: &str, columns: Vec<Column>, key: &[&str]) -> Table {
    let primary_key = strings(key);
    Table {
        name: name.into(),
        columns,
        primary_key,
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        unchecked: Vec::new(),
    }
}

fn refers(column: &str, to: &str) -> ForeignKey {
    ForeignKey { columns: strings(&[column]), to: to.into(), to_columns: strings(&["Id"]) }
}

/// Left and Right refer to each other, Node to itself, Pair has two columns for a key, Thing has every type.
fn catalog() -> Catalog {
    let mut left = table("Left", vec![column("Id", "int", false), column("RightId", "int", true)], &["Id"]);
    left.foreign_keys.push(refers("RightId", "Right"));
    let node_columns = vec![column("Id", "int", false), column("Parent", "int", true)];
    let mut node = table("Node", node_columns, &["Id"]);
    node.foreign_keys.push(refers("Parent", "Node"));
    let pair_columns = vec![
        column("A", "int", false),
        column("B", "nvarchar(50)", false),
        column("Note", "nvarchar(max)", true),
    ];
    let pair = table("Pair", pair_columns, &["A", "B"]);
    let mut right = table("Right", vec![column("Id", "int", false), column("LeftId", "int", true)], &["Id"]);
    right.foreign_keys.push(refers("LeftId", "Left"));
    let mut amount = column("Count", "int", false);
    amount.default = Some("((7))".into());
    let thing_columns = vec![
        column("Id", "nvarchar(50)", false),
        column("Name", "nvarchar(20)", false),
        column("Scope", "nvarchar(50)", true),
        column("Flag", "bit", true),
        amount,
        column("Price", "decimal(10,2)", true),
        column("Ratio", "float", true),
        column("Data", "varbinary(4)", true),
        column("At", "datetimeoffset", true),
        column("Stamp", "timestamp", true),
    ];
    let mut thing = table("Thing", thing_columns, &["Id"]);
    thing.unique.push(strings(&["Name", "Scope"]));
    Catalog { tables: vec![left, node, pair, right, thing] }
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn number(text: &str) -> Value {
    Value::Number(text.into())
}

fn things(server: &mut dyn Server, names: &[(&str, &str)]) {
    let mut transaction = server.begin().unwrap();
    let rows: Vec<Row> = names.iter().map(|(id, name)| vec![(*id).into(), (*name).into()]).collect();
    transaction.insert("Thing", &["Id", "Name"], &rows).unwrap();
    transaction.commit().unwrap();
}

fn all(reader: &mut dyn Reader, table: &str, columns: &[&str], order: &[&str], max_rows: usize) -> Vec<Row> {
    let (mut rows, mut after): (Vec<Row>, Option<Vec<Value>>) = (Vec::new(), None);
    let wanted: Vec<&str> = columns.iter().chain(order).copied().collect();
    loop {
        let after_ref = after.as_deref();
        let page = Page { table, columns: &wanted, order, after: after_ref, max_rows, max_bytes: usize::MAX };
        let found = reader.page(&page).unwrap();
        let Some(last) = found.last() else { return rows };
        after = Some(last[columns.len()..].to_vec());
        rows.extend(found.into_iter().map(|row| row[..columns.len()].to_vec()));
        assert!(rows.len() < 100_000, "pages come to an end");
    }
}

fn find(
    reader: &mut dyn Reader,
    table: &str,
    want: &str,
    by: &[&str],
    keys: &[Vec<Value>],
) -> Vec<(usize, Value)> {
    let mut found = Vec::new();
    let lookup = Lookup { table, columns: &[want], by, keys };
    reader.lookup(&lookup, &mut |key, mut row| found.push((key, row.remove(0)))).unwrap();
    found.sort_by_key(|(key, value)| (*key, format!("{value:?}")));
    found
}

fn catalogs_are_discovered(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let reader = server.read().unwrap();
    let names: Vec<&str> = reader.catalog().tables.iter().map(|table| table.name.as_str()).collect();
    // Some engines keep names in lower case.
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(names, ["left", "node", "pair", "right", "thing"]);
    let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
    let keys = |table: &Table| -> Vec<_> {
        let key = |k: &ForeignKey| (lower(&k.columns), k.to.to_lowercase(), lower(&k.to_columns));
        table.foreign_keys.iter().map(key).collect()
    };
    for (found, made) in reader.catalog().tables.iter().zip(&catalog().tables) {
        assert_eq!(lower(&found.primary_key), lower(&made.primary_key));
        let sets = |table: &Table| table.unique.iter().map(|set| lower(set)).collect::<Vec<_>>();
        assert_eq!(sets(found), sets(made));
        assert_eq!(keys(found), keys(made));
        for (found, made) in found.columns.iter().zip(&made.columns) {
            assert_eq!((found.name.to_lowercase(), found.kind), (made.name.to_lowercase(), made.kind));
            // A row version is never NULL.
            let version = made.kind == ColumnType::RowVersion;
            assert!(found.nullable == made.nullable || version, "{}", made.name);
            assert_eq!(found.default.is_some(), made.default.is_some(), "{}", made.name);
        }
    }
}

fn values_come_back_as_they_went(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let columns = ["Id", "Name", "Flag", "Price", "Ratio", "Data", "At", "Stamp"];
    let row = vec![
        "Things-1".into(),
        "naïve \u{1f600}".into(),
        Value::Bool(true),
        number("0.99"),
        number("1e300"),
        Value::Bytes(vec![0, 255]),
        "2018-08-01 10:00:00 +00:00".into(),
        Value::Null,
    ];
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &columns, std::slice::from_ref(&row)).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    assert_eq!(all(&mut *reader, "Thing", &columns, &["Id"], 10), [row]);
    assert_eq!(all(&mut *reader, "Thing", &["Count"], &["Id"], 10), [[int(7)]], "the default");
}

fn a_reader_sees_one_state(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let (mut one, mut other) = (place.open(), place.open());
    things(&mut *one, &[("1", "first")]);
    let mut reader = one.read().unwrap();
    assert_eq!(reader.count("Thing").unwrap(), 1);
    let mut transaction = other.begin().unwrap();
    transaction.insert("Thing", &["Id", "Name"], &[vec!["2".into(), "second".into()]]).unwrap();
    assert_eq!(reader.count("Thing").unwrap(), 1);
    let committed = match transaction.commit() {
        Ok(()) => true,
        Err(WriteError { source: ServerError::Busy, .. }) => false,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(reader.count("Thing").unwrap(), 1, "the state it began with");
    drop(reader);
    assert_eq!(one.read().unwrap().count("Thing").unwrap(), if committed { 2 } else { 1 });
    if !committed {
        things(&mut *other, &[("2", "second")]);
        assert_eq!(one.read().unwrap().count("Thing").unwrap(), 2);
    }
}

fn pages_follow_composite_keys(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    let rows: Vec<Row> =
        (0..60).map(|n| vec![int(n % 4), format!("b{:02}", n / 4).into(), int(n).to_text()]).collect();
    transaction.insert("Pair", &["A", "B", "Note"], &rows).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let mut sorted = rows.clone();
    sorted.sort_by_key(|row| (row[0].as_int(), row[1].as_text().map(str::to_owned)));
    for max_rows in [1, 7, 60, 1000] {
        let found = all(&mut *reader, "Pair", &["A", "B", "Note"], &["A", "B"], max_rows);
        assert_eq!(found, sorted, "{max_rows} rows a page");
    }
    let found = all(&mut *reader, "pair", &["note"], &["b", "a"], 7);
    assert_eq!(found.len(), 60, "names have no case, and any order will do");
    assert_eq!(reader.rows_read(), 5 * 60);
}

trait ToText {
    fn to_text(&self) -> Value;
}

impl ToText for Value {
    fn to_text(&self) -> Value {
        Value::Text(format!("{self:?}"))
    }
}

fn pages_end_at_bytes(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    let rows: Vec<Row> = (0..10).map(|n| vec![int(n), "b".into(), "x".repeat(1000).into()]).collect();
    transaction.insert("Pair", &["A", "B", "Note"], &rows).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let mut page = |max_bytes| {
        let page = Page {
            table: "Pair",
            columns: &["Note"],
            order: &["A", "B"],
            after: None,
            max_rows: 100,
            max_bytes,
        };
        reader.page(&page).unwrap().len()
    };
    assert_eq!(page(0), 1, "one row at least");
    assert_eq!(page(1), 1);
    assert_eq!(page(2500), 3, "the row that reaches the limit is the last");
    assert_eq!(page(1_000_000), 10);
}

/// As many rows as no page takes at once.
const MANY: i64 = 5000;

/// What is read beside a table: so many lookups of other tables, a count, and a page of another table.
#[derive(Clone, Copy)]
struct Between {
    lookups: usize,
    pages: usize,
}

/// Fills Pair, Thing and Node with many rows each.
fn fill_many(server: &mut dyn Server) {
    let mut transaction = server.begin().unwrap();
    let pairs: Vec<Row> = (0..MANY)
        .map(|n| vec![int(n % 7), format!("b{n:05}").into(), format!("{n} {}", "x".repeat(90)).into()])
        .collect();
    transaction.insert("Pair", &["A", "B", "Note"], &pairs).unwrap();
    let things: Vec<Row> = (0..MANY)
        // Case, and characters that servers order otherwise than their code points.
        .map(|n| {
            let id =
                format!("{}-{n}", ["Things", "things\u{e9}", "a_b", "A-b", "\u{c4}rger"][n as usize % 5]);
            let scope = if n % 3 == 0 { Value::Null } else { format!("s{n}").into() };
            vec![id.into(), format!("n{n}").into(), scope]
        })
        .collect();
    transaction.insert("Thing", &["Id", "Name", "Scope"], &things).unwrap();
    let nodes: Vec<Row> = (0..MANY).map(|n| vec![int(n - 2500), Value::Null]).collect();
    transaction.insert("Node", &["Id", "Parent"], &nodes).unwrap();
    transaction.commit().unwrap();
}

/// Reads a table in pages, with other reads between them. Returns its rows, and how many pages they were.
fn read_through(
    reader: &mut dyn Reader,
    (table, columns, order): (&str, &[&str], &[&str]),
    (max_rows, max_bytes): (usize, usize),
    between: Between,
) -> (Vec<Row>, usize) {
    let (mut rows, mut after, mut pages): (Vec<Row>, Option<Vec<Value>>, usize) = (Vec::new(), None, 0);
    let wanted: Vec<&str> = columns.iter().chain(order).copied().collect();
    let others = [("Thing", "Name", "Id"), ("Pair", "B", "A"), ("Node", "Id", "Id")];
    loop {
        let page = Page { table, columns: &wanted, order, after: after.as_deref(), max_rows, max_bytes };
        let found = reader.page(&page).unwrap();
        let Some(last) = found.last() else { return (rows, pages) };
        after = Some(last[columns.len()..].to_vec());
        rows.extend(found.into_iter().map(|row| row[..columns.len()].to_vec()));
        pages += 1;
        assert!(pages < 20_000, "pages come to an end");
        for (other, by, want) in others.iter().cycle().skip(pages).take(between.lookups) {
            let key = match *other {
                "Thing" => vec!["n17".into()],
                "Pair" => vec!["b00017".into()],
                _ => vec![int(17)],
            };
            assert_eq!(find(reader, other, want, &[by], &[key]).len(), 1, "{other}");
        }
        for (other, order, _) in others.iter().cycle().skip(pages).take(between.pages) {
            let page = Page {
                table: other,
                columns: &[],
                order: if *other == "Thing" { &["Id"] } else { &[order] },
                after: None,
                max_rows: 3,
                max_bytes: usize::MAX,
            };
            assert_eq!(reader.page(&page).unwrap().len(), 3);
            assert_eq!(reader.count(other).unwrap(), MANY as u64);
        }
    }
}

const MANY_TABLES: [(&str, &[&str], &[&str]); 4] = [
    ("Pair", &["A", "B", "Note"], &["A", "B"]),
    ("Thing", &["Id", "Name", "Scope"], &["Id"]),
    ("Thing", &["Id"], &["Scope", "Id"]),
    ("Node", &["Id"], &["Id"]),
];

/// Sorts rows and says that each is there once.
fn each_once(mut rows: Vec<Row>) -> usize {
    let all = rows.len();
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows.dedup();
    assert_eq!(rows.len(), all, "rows came twice");
    all
}

/// A table's rows are all of its rows, whatever else is asked while it is read.
fn a_table_is_read_whole_between_lookups(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    fill_many(&mut *server);
    for lookups in 0..=3 {
        let mut reader = server.read().unwrap();
        for table in MANY_TABLES {
            let what = format!("{table:?} with {lookups} lookups a page");
            let (rows, pages) =
                read_through(&mut *reader, table, (1000, usize::MAX), Between { lookups, pages: 0 });
            assert_eq!((each_once(rows), pages), (MANY as usize, 5), "{what}");
        }
        let (rows, pages) =
            read_through(&mut *reader, MANY_TABLES[0], (1000, 20_000), Between { lookups, pages: 0 });
        assert_eq!(each_once(rows), MANY as usize, "pages that end at bytes, {lookups} lookups");
        assert!(pages > 20, "{pages}");
        drop(reader);
        // Inside the one transaction as well, where an import plans again.
        let mut transaction = server.begin().unwrap();
        let (rows, _) =
            read_through(transaction.reader(), MANY_TABLES[0], (1000, 40_000), Between { lookups, pages: 0 });
        assert_eq!(each_once(rows), MANY as usize, "{lookups} lookups inside a transaction");
        transaction.rollback().unwrap();
    }
}

/// Tables that are read side by side, and pages begun and left, take nothing from each other.
fn tables_are_read_side_by_side(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    fill_many(&mut *server);
    let mut reader = server.read().unwrap();
    for pages in 1..=3 {
        for table in MANY_TABLES {
            let (rows, _) =
                read_through(&mut *reader, table, (900, usize::MAX), Between { lookups: 2, pages });
            assert_eq!(each_once(rows), MANY as usize, "{table:?} beside {pages} others");
        }
    }
    // More than a back end may hold at once: in turns, each from where it ended.
    let shapes: [(&str, &[&str], &[&str]); 8] = [
        ("Pair", &["A", "B"], &["A", "B"]),
        ("Pair", &["B"], &["B", "A"]),
        ("Pair", &[], &["B"]),
        ("Thing", &["Id", "Name"], &["Id"]),
        ("Thing", &["Name"], &["Name"]),
        ("Thing", &["Id"], &["Scope", "Id"]),
        ("Node", &["Id"], &["Id"]),
        ("Node", &["Parent"], &["Parent", "Id"]),
    ];
    let mut ends: Vec<(Option<Row>, usize, bool)> = vec![(None, 0, false); shapes.len()];
    while let Some(open) = ends.iter().position(|(_, _, ended)| !ended) {
        for ((table, columns, order), (after, read, ended)) in shapes.iter().zip(&mut ends).skip(open) {
            let wanted: Vec<&str> = columns.iter().chain(*order).copied().collect();
            let page = Page {
                table,
                columns: &wanted,
                order,
                after: after.as_deref(),
                max_rows: 700,
                max_bytes: usize::MAX,
            };
            let found = reader.page(&page).unwrap();
            *ended = found.is_empty();
            *read += found.len();
            *after = found.last().map(|last| last[columns.len()..].to_vec()).or(after.take());
        }
    }
    let read: Vec<usize> = ends.iter().map(|(_, read, _)| *read).collect();
    assert_eq!(read, [MANY as usize; 8]);
}

/// A reader that ends in the midst of a table, and one table after another left in the midst.
fn a_reader_may_end_within_a_table(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    fill_many(&mut *server);
    let first = |reader: &mut dyn Reader, table: &str, order: &str| {
        let page = Page {
            table,
            columns: &[order],
            order: &[order],
            after: None,
            max_rows: 10,
            max_bytes: usize::MAX,
        };
        reader.page(&page).unwrap().len()
    };
    for times in 0..3 {
        let mut reader = server.read().unwrap();
        assert_eq!(first(&mut *reader, "Thing", "Id"), 10);
        for _ in 0..times {
            assert_eq!(find(&mut *reader, "Node", "Id", &["Id"], &[vec![int(1)]]).len(), 1);
            assert_eq!(first(&mut *reader, "Node", "Id"), 10);
        }
        drop(reader);
        let mut reader = server.read().unwrap();
        let (rows, _) =
            read_through(&mut *reader, MANY_TABLES[1], (1000, usize::MAX), Between { lookups: 2, pages: 0 });
        assert_eq!(each_once(rows), MANY as usize);
    }
}

/// A lookup whose answer is longer than is wanted at once leaves the pages around it whole, and they it.
fn long_answers_between_pages_are_whole(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    fill_many(&mut *server);
    let mut reader = server.read().unwrap();
    let keys: Vec<Vec<Value>> = (0..7).map(|n| vec![int(n)]).collect();
    let (mut after, mut read, mut answered): (Option<Row>, usize, usize) = (None, 0, 0);
    let mut open = keys.clone();
    loop {
        let page = Page {
            table: "Node",
            columns: &["Id"],
            order: &["Id"],
            after: after.as_deref(),
            max_rows: 600,
            max_bytes: usize::MAX,
        };
        let found = reader.page(&page).unwrap();
        let Some(last) = found.last() else { break };
        read += found.len();
        after = Some(vec![last[0].clone()]);
        let lookup = Lookup { table: "Pair", columns: &["A", "Note"], by: &["A"], keys: &open };
        let mut wrong = 0;
        let rest = reader
            .lookup_some(&lookup, 1000, &mut |position, row| {
                answered += 1;
                wrong += usize::from(row[0] != open[position][0]);
            })
            .unwrap();
        assert_eq!(wrong, 0, "a row answers its key");
        open = rest.into_iter().map(|position| open[position].clone()).collect();
    }
    assert_eq!((read, answered, open.len()), (MANY as usize, MANY as usize, 0));
}

fn lookups_compare_as_the_server_does(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    things(&mut *server, &[("1", "Alpha"), ("2", "Ärger"), ("3", "blank  "), ("4", "Other")]);
    // Beside ASCII, before it, and Kelvin's sign, whose small letter is k.
    things(&mut *server, &[("5", "Kühe in Köln "), ("6", "\u{130}zmir"), ("7", "bac\u{212a} at \u{212a}2")]);
    let mut reader = server.read().unwrap();
    let mut id = |name: &str| {
        find(&mut *reader, "Thing", "Id", &["Name"], &[vec![name.into()]]).pop().map(|(_, id)| id)
    };
    for name in ["Alpha", "ALPHA", "alpha", "alpha   "] {
        assert_eq!(id(name), Some("1".into()), "{name:?}");
    }
    for name in ["Ärger", "ÄRGER", "ärger", "äRGER  "] {
        assert_eq!(id(name), Some("2".into()), "{name:?}");
    }
    for name in ["blank", "blank  ", "BLANK "] {
        assert_eq!(id(name), Some("3".into()), "{name:?}");
    }
    for (name, number) in
        [("kühe IN kÖln", "5"), ("i\u{307}ZMIR", "6"), ("Back at K2 ", "7"), ("bac\u{212a} AT k2", "7")]
    {
        assert_eq!(id(name), Some(number.into()), "{name:?}");
    }
    for name in ["Alph", "Arger", " Alpha", "", "Al%", "Kühe in", "back at K", "Kuhe in Koln"] {
        assert_eq!(id(name), None, "{name:?}");
    }
}

fn lookups_see_nulls_and_numbers(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    let columns = ["Id", "Name", "Scope", "Price", "Flag"];
    let rows = [
        vec!["1".into(), "a".into(), Value::Null, number("0.99"), Value::Bool(true)],
        vec!["2".into(), "a".into(), "s".into(), int(3), Value::Bool(false)],
    ];
    transaction.insert("Thing", &columns, &rows).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let mut ids = |by: &[&str], key: Vec<Value>| {
        let found = find(&mut *reader, "Thing", "Id", by, &[key]);
        found.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["Name", "Scope"], vec!["A".into(), Value::Null]), ["1".into()]);
    assert_eq!(ids(&["Name", "Scope"], vec!["A ".into(), Value::Null]), ["1".into()]);
    assert_eq!(ids(&["Name", "Scope"], vec!["A".into(), "S".into()]), ["2".into()]);
    assert_eq!(ids(&["Scope"], vec![Value::Null]), ["1".into()]);
    assert_eq!(ids(&["Price"], vec![number("0.99")]), ["1".into()]);
    assert_eq!(ids(&["Price"], vec![int(3)]), ["2".into()]);
    assert_eq!(ids(&["Flag"], vec![Value::Bool(false)]), ["2".into()]);
    assert!(ids(&["Price"], vec![int(4)]).is_empty());
    assert!(ids(&["Name"], vec![Value::List(Vec::new())]).is_empty(), "no row holds a list");
}

/// By the key's index, by other spellings and by a column without index: no key is answered in half, every key
/// once.
fn lookups_stop_at_bytes(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    let rows: Vec<Row> = (0..30)
        .map(|n| {
            vec![format!("t{n}").into(), format!("Ä {}", n / 3).into(), n.to_string().into(), int(n % 10)]
        })
        .collect();
    transaction.insert("Thing", &["Id", "Name", "Scope", "Count"], &rows).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let text = |name: String| vec![Value::from(name)];
    let ids: Vec<Vec<Value>> = (0..40).map(|n| text(format!("T{n}"))).collect();
    let names: Vec<Vec<Value>> = (0..12).map(|n| text(format!("ä {n} "))).collect();
    let counts: Vec<Vec<Value>> = (0..12).map(|n| vec![int(n)]).collect();
    for (by, keys, rows_each) in [("Id", ids, 1), ("Name", names, 3), ("Count", counts, 3)] {
        let by = [by];
        let all = find(&mut *reader, "Thing", "Id", &by, &keys);
        assert_eq!(all.len(), 30, "{by:?}");
        for most in [0, 1, 25, 60, 100_000] {
            let mut open: Vec<usize> = (0..keys.len()).collect();
            let mut found = Vec::new();
            let mut calls = 0;
            while !open.is_empty() {
                calls += 1;
                let asked: Vec<Vec<Value>> = open.iter().map(|at| keys[*at].clone()).collect();
                let mut now: Vec<(usize, Value)> = Vec::new();
                let lookup = Lookup { table: "Thing", columns: &["Id"], by: &by, keys: &asked };
                let see = &mut |at: usize, mut row: Row| now.push((open[at], row.remove(0)));
                let rest = reader.lookup_some(&lookup, most, see).unwrap();
                for (at, _) in &now {
                    assert_eq!(now.iter().filter(|(other, _)| other == at).count(), rows_each, "{by:?}");
                }
                assert!(rest.len() < open.len(), "{by:?}: no key was answered");
                assert!(rest.is_empty() || now.len() <= rows_each + most / 10, "{by:?}: it did not stop");
                open = rest.into_iter().map(|at| open[at]).collect();
                found.append(&mut now);
            }
            found.sort_by_key(|(key, value)| (*key, format!("{value:?}")));
            assert_eq!(found, all, "{by:?} {most}");
            assert_eq!(calls == 1, most == 100_000, "{by:?} {most}");
        }
    }
}

fn several_lookups_are_answered_together(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    let things: Vec<Row> =
        (0..40).map(|n| vec![format!("T{n}").into(), format!("n {n}").into(), int(n % 4)]).collect();
    transaction.insert("Thing", &["Id", "Name", "Count"], &things).unwrap();
    let pairs: Vec<Row> = (0..40).map(|n| vec![int(n / 10), format!("b{n}").into(), "x".into()]).collect();
    transaction.insert("Pair", &["A", "B", "Note"], &pairs).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let ids: Vec<Vec<Value>> = (0..60).map(|n| vec![format!("t{n} ").into()]).collect();
    let keys = [vec![int(1), "B11".into()], vec![int(1), "none".into()], vec![int(9), "b11".into()]];
    let counts: Vec<Vec<Value>> = (0..6).map(|n| vec![int(n)]).collect();
    let many: Vec<Vec<Value>> = (0..3000).map(|n| vec![int(n)]).collect();
    let lookups = [
        Lookup { table: "Thing", columns: &["Name", "Id"], by: &["Id"], keys: &ids },
        Lookup { table: "Node", columns: &["Id"], by: &["Parent"], keys: &counts },
        Lookup { table: "Pair", columns: &["Note"], by: &["A", "B"], keys: &keys },
        Lookup { table: "Pair", columns: &["B"], by: &["A"], keys: &[] },
        // All rows.
        Lookup { table: "Pair", columns: &["B"], by: &[], keys: &[Vec::new()] },
        // More than go together, and what no row can hold.
        Lookup { table: "Pair", columns: &["B"], by: &["A"], keys: &many },
        Lookup { table: "Thing", columns: &["Id"], by: &["Count"], keys: &counts },
        Lookup { table: "Thing", columns: &["Id"], by: &["Count"], keys: &[vec![Value::Bytes(vec![1])]] },
    ];
    let mut together: Vec<(usize, usize, Row)> = Vec::new();
    reader.lookups(&lookups, &mut |at, position, row| together.push((at, position, row))).unwrap();
    let mut apart: Vec<(usize, usize, Row)> = Vec::new();
    for (at, lookup) in lookups.iter().enumerate() {
        reader.lookup(lookup, &mut |position, row| apart.push((at, position, row))).unwrap();
    }
    let sorted = |mut rows: Vec<(usize, usize, Row)>| {
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    };
    let of = |at: usize| apart.iter().filter(|(lookup, ..)| *lookup == at).count();
    assert_eq!((0..8).map(of).collect::<Vec<_>>(), [40, 0, 1, 0, 40, 40, 40, 0]);
    assert_eq!(sorted(together), sorted(apart));
    let missing = [Lookup { table: "Thing", columns: &["Nope"], by: &["Id"], keys: &ids }];
    let error = reader.lookups(&missing, &mut |_, _, _| {}).unwrap_err();
    assert!(matches!(error, ServerError::NoColumn { .. }), "{error:?}");
    assert_eq!(
        find(&mut *reader, "Thing", "Id", &["Id"], &ids[..1]),
        [(0, "T0".into())],
        "the reader goes on"
    );
}

fn expected_tables_are_read_as_any(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    // One that is too large to be read with others.
    let rows: Vec<Row> =
        (0..600).map(|n| vec![int(n), format!("b{n:03}").into(), "x".repeat(300).into()]).collect();
    transaction.insert("Pair", &["A", "B", "Note"], &rows).unwrap();
    let things: Vec<Row> = (0..40).map(|n| vec![format!("T{n}").into(), format!("n {n}").into()]).collect();
    transaction.insert("Thing", &["Id", "Name"], &things).unwrap();
    for table in ["Right", "Left"] {
        transaction.insert(table, &["Id"], &[vec![int(1)], vec![int(2)]]).unwrap();
    }
    transaction.commit().unwrap();
    let order = ["Id"];
    let page = |table: &'static str, order: &'static [&'static str], max_rows| Page {
        table,
        columns: order,
        order,
        after: None,
        max_rows,
        max_bytes: 1 << 20,
    };
    let pages = [
        page("Left", &["Id"], 100),
        page("Thing", &["Id"], 7),
        page("Node", &["Id"], 100),
        page("Right", &["Id"], 100),
        page("Pair", &["A", "B"], 100),
    ];
    let read = |reader: &mut dyn Reader, page: &Page<'_>| {
        let (mut all, mut after) = (Vec::new(), None::<Row>);
        loop {
            let rows = reader.page(&Page { after: after.as_deref(), ..page.clone() }).unwrap();
            assert!(rows.len() <= page.max_rows);
            let Some(last) = rows.last() else { return all };
            after = Some(last.clone());
            all.extend(rows);
        }
    };
    let mut transaction = server.begin().unwrap();
    let before: Vec<Vec<Row>> = pages.iter().map(|page| read(transaction.reader(), page)).collect();
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [2, 40, 0, 2, 600]);
    // In that order, in another, one twice and one not at all, and with look-ups between.
    for order in [[0, 1, 2, 3, 4], [4, 3, 1, 0, 2], [1, 1, 3, 2, 1]] {
        transaction.expect(&pages).unwrap();
        for at in order {
            assert_eq!(transaction.count(pages[at].table).unwrap(), before[at].len() as u64);
            assert_eq!(read(transaction.reader(), &pages[at]), before[at], "{order:?} {at}");
            let found = find(transaction.reader(), "Thing", "Name", &["Id"], &[vec!["t5".into()]]);
            assert_eq!(found, [(0, "n 5".into())]);
        }
    }
    // What is written is read, whatever was known before.
    transaction.expect(&pages).unwrap();
    transaction.insert("Node", &["Id"], &[vec![int(7)]]).unwrap();
    transaction.delete("Left", &order, &[int(2)]).unwrap();
    transaction.check().unwrap();
    assert_eq!(read(transaction.reader(), &pages[2]), [vec![int(7)]]);
    assert_eq!(read(transaction.reader(), &pages[0]), [vec![int(1)]]);
    assert_eq!(transaction.count("Node").unwrap(), 1);
}

fn lookups_answer_each_key(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    let rows: Vec<Row> = [("1", "ä", "x"), ("2", "Ä", "y"), ("3", "b", "x"), ("4", "B", "y")]
        .iter()
        .map(|(id, name, scope)| vec![(*id).into(), (*name).into(), (*scope).into()])
        .collect();
    transaction.insert("Thing", &["Id", "Name", "Scope"], &rows).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let keys: Vec<Vec<Value>> = ["b", "none", "B", "ä "].iter().map(|name| vec![(*name).into()]).collect();
    let found = find(&mut *reader, "Thing", "Id", &["Name"], &keys);
    let expected =
        [(0, "3"), (0, "4"), (2, "3"), (2, "4"), (3, "1"), (3, "2")].map(|(key, id)| (key, id.into()));
    assert_eq!(found, expected);
    assert!(reader.rows_read() >= 6, "each row handed out is counted");
    assert!(reader.rows_read() <= 6 + 4, "and those compared, once for all keys");
}

/// Without an index each look-up would pass over the table; with a third one of the same columns it is known where
/// the rows are, until one is written.
#[test]
fn embedded_lookups_without_an_index_pass_over_a_table_twice_however_many_they_are() {
    const ROWS: u64 = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.sqlite");
    // A table whose rows have no number, and one in which a column has taken the usual name of it.
    let ddl = "CREATE TABLE [Plain] ([Id] nvarchar(50) PRIMARY KEY, [Name] nvarchar(50) COLLATE NOCASE, [rowid] nvarchar(50));
        CREATE TABLE [Keyed] ([Id] nvarchar(50) PRIMARY KEY, [Name] nvarchar(50) COLLATE NOCASE, [rowid] nvarchar(50)) WITHOUT ROWID;";
    let mut server = SqliteServer::create(&path, Schema::Ddl(ddl)).unwrap();
    let row = |n: u64| -> Row { vec![format!("T{n}").into(), format!("Ä {}", n / 2).into(), "x".into()] };
    let mut transaction = server.begin().unwrap();
    for table in ["Plain", "Keyed"] {
        let rows: Vec<Row> = (0..ROWS).map(row).collect();
        transaction.insert(table, &["Id", "Name", "rowid"], &rows).unwrap();
    }
    let names = |from: u64| -> Vec<Vec<Value>> {
        (from..from + 30).map(|n| vec![format!("ä {} ", n % (ROWS / 2)).into()]).collect()
    };
    let check = |reader: &mut dyn Reader, table: &str, from: u64| {
        let found = find(reader, table, "Id", &["Name"], &names(from));
        let ids = |at: u64| [2 * (from + at), 2 * (from + at) + 1].map(|n| Value::from(format!("T{n}")));
        let expected: Vec<(usize, Value)> =
            (0..30).flat_map(|at| ids(at).map(|id| (at as usize, id))).collect();
        let mut found: Vec<(usize, Value)> = found;
        found.sort_by_key(|(at, id)| (*at, expected.iter().position(|(_, other)| other == id)));
        assert_eq!(found, expected, "{table} {from}");
    };
    let before = transaction.rows_read();
    for from in (0..ROWS / 2).step_by(30) {
        check(transaction.reader(), "Plain", from);
    }
    assert!(transaction.rows_read() - before < 4 * ROWS, "{} rows were read", transaction.rows_read());
    let before = transaction.rows_read();
    check(transaction.reader(), "Keyed", 60);
    let once = transaction.rows_read() - before;
    assert!((ROWS..ROWS + 200).contains(&once), "{once} rows were read for one look-up");
    // What is written is found at once.
    transaction
        .insert("Plain", &["Id", "Name", "rowid"], &[vec!["new".into(), "ä 7".into(), "y".into()]])
        .unwrap();
    transaction.delete("Plain", &["Id"], &["T14".into()]).unwrap();
    let found = find(transaction.reader(), "Plain", "Id", &["Name"], &[vec!["Ä 7 ".into()]]);
    assert_eq!(found, [(0, "T15".into()), (0, "new".into())]);
}

fn commit_rollback_and_drop(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let row = |id: &str| vec![vec![id.into(), id.into()]];
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &["Id", "Name"], &row("committed")).unwrap();
    transaction.commit().unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &["Id", "Name"], &row("rolled back")).unwrap();
    transaction.rollback().unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &["Id", "Name"], &row("dropped")).unwrap();
    drop(transaction);
    let mut reader = server.read().unwrap();
    assert_eq!(all(&mut *reader, "Thing", &["Id"], &["Id"], 10), [["committed".into()]]);
}

fn a_transaction_sees_its_own_writes(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &["Id", "Name"], &[vec!["1".into(), "new".into()]]).unwrap();
    transaction.check().unwrap();
    transaction
        .update("Thing", &["Id"], &["1".into()], &["Name", "Scope"], &vec!["newer".into(), "s".into()])
        .unwrap();
    transaction.check().unwrap();
    let reader = transaction.reader();
    assert_eq!(reader.count("Thing").unwrap(), 1);
    let found = find(reader, "Thing", "Id", &["Name", "Scope"], &[vec!["NEWER".into(), "S".into()]]);
    assert_eq!(found, [(0, "1".into())]);
    transaction.rollback().unwrap();
    assert_eq!(server.read().unwrap().count("Thing").unwrap(), 0);
}

fn a_second_writer_is_busy(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let (mut one, mut other) = (place.open(), place.open());
    let first = one.begin().unwrap();
    let asked = std::time::Instant::now();
    assert!(matches!(other.begin().err(), Some(ServerError::Busy)));
    assert!(asked.elapsed() < std::time::Duration::from_secs(6));
    drop(first);
    other.begin().unwrap().rollback().unwrap();
}

/// The error of writes in a transaction of their own, that is rolled back; it may come at the end only.
fn attempt(
    server: &mut dyn Server,
    write: &dyn Fn(&mut dyn Transaction) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let mut transaction = server.begin().unwrap();
    write(&mut *transaction)?;
    transaction.check()?;
    transaction.rollback().unwrap();
    Ok(())
}

#[track_caller]
fn refused(result: Result<(), WriteError>, table: &str, words: &[&str]) -> Option<u64> {
    let WriteError { source, write } = result.expect_err("is refused");
    let ServerError::Constraint { table: named, reason } = &source else { panic!("{source:?}") };
    assert_eq!(named.to_lowercase(), table.to_lowercase());
    for word in words {
        assert!(reason.to_lowercase().contains(&word.to_lowercase()), "{reason:?} names {word:?}");
    }
    assert!(!source.to_string().contains("private"), "values are not shown: {source}");
    write
}

fn constraints_are_named(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let columns = ["Id", "Name", "Scope"];
    let row = |id: &str, name: Value| vec![id.into(), name, "private scope".into()];
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &columns, &[row("private 1", "private".into())]).unwrap();
    transaction.commit().unwrap();
    let several = attempt(&mut *server, &|transaction| {
        transaction.insert("Node", &["Id"], &[vec![int(1)]])?;
        let rows = [row("2", "other".into()), row("3", "PRIVATE".into()), row("4", "more".into())];
        transaction.insert("Thing", &columns, &rows)
    });
    assert_eq!(refused(several, "Thing", &["Name", "Scope"]), Some(2), "the write is told by its number");
    let mut insert = |row: Row| {
        attempt(&mut *server, &|transaction| {
            transaction.insert("Thing", &columns, std::slice::from_ref(&row))
        })
    };
    assert_eq!(refused(insert(row("private 1", "new".into())), "Thing", &["Id"]), Some(0));
    assert_eq!(refused(insert(row("5", Value::Null)), "Thing", &["Name"]), Some(0));
    let twins = attempt(&mut *server, &|transaction| {
        transaction.insert("Thing", &columns, &[row("6", "private twin".into())])?;
        transaction.insert("Thing", &columns, &[row("7", "Private Twin".into())])
    });
    assert_eq!(refused(twins, "Thing", &["Name", "Scope"]), Some(1));
    assert_eq!(server.read().unwrap().count("Thing").unwrap(), 1, "all was taken back");
}

fn values_must_fit(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut put = |column: &str, value: Value| {
        let row = match column {
            "Name" => vec!["1".into(), value],
            _ => vec!["1".into(), "n".into(), value],
        };
        let columns = ["Id", "Name", column];
        let result = attempt(&mut *server, &|transaction| {
            transaction.insert("Thing", &columns[..row.len()], std::slice::from_ref(&row))
        });
        result.map_err(|error| error.to_string().to_lowercase())
    };
    let cannot = |what: &str| Err(format!("Thing.{what}").to_lowercase());
    assert_eq!(put("Name", "x".repeat(21).into()), cannot("Name cannot hold text of 21 characters"));
    let faces = "\u{1f600}".repeat(11).into();
    assert_eq!(put("Name", faces), cannot("Name cannot hold text of 22 characters"));
    assert_eq!(put("Name", int(1)), cannot("Name cannot hold a number"));
    assert_eq!(put("Flag", int(2)), cannot("Flag cannot hold a number"));
    assert_eq!(put("Flag", "true".into()), cannot("Flag cannot hold text"));
    assert_eq!(put("Count", "1".into()), cannot("Count cannot hold text"));
    assert_eq!(put("Count", int(1 << 40)), cannot("Count cannot hold a number that large"));
    assert_eq!(put("Data", Value::Bytes(vec![0; 5])), cannot("Data cannot hold 5 bytes"));
    assert_eq!(put("Scope", Value::List(Vec::new())), cannot("Scope cannot hold a list"));
    assert!(put("Stamp", Value::Bytes(vec![1])).is_err(), "the server writes it itself");
    assert_eq!(put("Name", "é".repeat(20).into()), Ok(()), "characters are not bytes");
}

fn updates_touch_one_row(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    things(&mut *server, &[("1", "a"), ("2", "b")]);
    let none = attempt(&mut *server, &|transaction| {
        transaction.update("Thing", &["Id"], &["2".into()], &["Scope"], &vec!["s".into()])?;
        transaction.update("Thing", &["Id"], &["3".into()], &["Scope"], &vec!["s".into()])
    });
    assert_eq!(refused(none, "Thing", &["no row"]), Some(1));
    let several = attempt(&mut *server, &|transaction| {
        transaction.update("Thing", &["Scope"], &[Value::Null], &["Flag"], &vec![Value::Bool(true)])
    });
    assert_eq!(refused(several, "Thing", &["several rows"]), Some(0));
    let flags = all(&mut *server.read().unwrap(), "Thing", &["Flag"], &["Id"], 10);
    assert_eq!(flags, [[Value::Null], [Value::Null]], "neither was changed");
    let mut transaction = server.begin().unwrap();
    transaction.update("thing", &["name"], &["B".into()], &["scope"], &vec!["s".into()]).unwrap();
    transaction.commit().unwrap();
    let scopes = all(&mut *server.read().unwrap(), "Thing", &["Scope"], &["Id"], 10);
    assert_eq!(scopes, [[Value::Null], ["s".into()]]);
}

fn deletions_take_one_row(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    things(&mut *server, &[("1", "a"), ("2", "b"), ("3", "c")]);
    let none = attempt(&mut *server, &|transaction| {
        transaction.delete("Thing", &["Id"], &["2".into()])?;
        transaction.delete("Thing", &["Id"], &["4".into()])
    });
    assert_eq!(refused(none, "Thing", &["no row"]), Some(1));
    let several =
        attempt(&mut *server, &|transaction| transaction.delete("Thing", &["Scope"], &[Value::Null]));
    assert_eq!(refused(several, "Thing", &["several rows"]), Some(0));
    let twice = attempt(&mut *server, &|transaction| {
        transaction.delete("Thing", &["Id"], &["1".into()])?;
        transaction.delete("Thing", &["Id"], &["1".into()])
    });
    assert!(twice.is_err(), "a row is there to be deleted once");
    assert_eq!(server.read().unwrap().count("Thing").unwrap(), 3, "nothing was deleted");
    let mut transaction = server.begin().unwrap();
    transaction.delete("thing", &["name"], &["B".into()]).unwrap();
    transaction.check().unwrap();
    assert_eq!(transaction.reader().count("Thing").unwrap(), 2);
    transaction.rollback().unwrap();
    assert_eq!(server.read().unwrap().count("Thing").unwrap(), 3);
    let mut transaction = server.begin().unwrap();
    transaction.delete("thing", &["name"], &["B".into()]).unwrap();
    transaction.delete("Thing", &["Id"], &["3".into()]).unwrap();
    transaction.commit().unwrap();
    let left = all(&mut *server.read().unwrap(), "Thing", &["Id"], &["Id"], 10);
    assert_eq!(left, [["1".into()]]);
}

fn every_row_of_a_key_is_deleted(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let row = |a: i64, b: &str| vec![int(a), b.into()];
    let mut transaction = server.begin().unwrap();
    let rows = [row(1, "a"), row(1, "b"), row(2, "A"), row(2, "it's"), row(3, "\u{e4}b")];
    transaction.insert("Pair", &["A", "B"], &rows).unwrap();
    transaction.commit().unwrap();
    let mut transaction = server.begin().unwrap();
    // Writes are counted by keys, of which there may be no row.
    transaction.delete_all("pair", &["b"], &[vec!["a".into()], vec!["none".into()]]).unwrap();
    transaction.delete_all("Pair", &["B"], &[]).unwrap();
    transaction
        .delete_all("Pair", &["A", "B"], &[vec![int(2), "it's".into()], vec![int(3), "b".into()]])
        .unwrap();
    transaction.insert("Pair", &["A", "B"], &[row(2, "a")]).unwrap();
    transaction.check().unwrap();
    let left = all(transaction.reader(), "Pair", &["A", "B"], &["A", "B"], 10);
    assert_eq!(left, [row(1, "b"), row(2, "a"), row(3, "\u{e4}b")]);
    transaction.rollback().unwrap();
    assert_eq!(server.read().unwrap().count("Pair").unwrap(), 5);
    let late = attempt(&mut *server, &|transaction| {
        transaction.delete_all("Pair", &["A"], &[vec![int(1)], vec![int(9)]])?;
        transaction.insert("Pair", &["A", "B"], &[row(3, "\u{e4}b")])
    });
    let error = late.unwrap_err();
    assert_eq!(error.write, Some(2), "{error}");
    let wrong =
        attempt(&mut *server, &|transaction| transaction.delete_all("Pair", &["A"], &[vec![int(1), int(2)]]));
    assert!(wrong.is_err());
    assert_eq!(server.read().unwrap().count("Pair").unwrap(), 5);
}

/// What a deleted row was called is free for others in the same transaction.
fn deletions_leave_room(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let row = |id: &str, name: &str| vec![id.into(), name.into(), "s".into()];
    let columns = ["Id", "Name", "Scope"];
    let mut transaction = server.begin().unwrap();
    transaction.insert("Thing", &columns, &[row("1", "a"), row("2", "b"), row("3", "c")]).unwrap();
    transaction.commit().unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.delete("Thing", &["Id"], &["1".into()]).unwrap();
    transaction.delete("Thing", &["Id"], &["2".into()]).unwrap();
    transaction.update("Thing", &["Id"], &["3".into()], &["Name"], &vec!["a".into()]).unwrap();
    transaction.insert("Thing", &columns, &[row("2", "b")]).unwrap();
    transaction.commit().unwrap();
    let left = all(&mut *server.read().unwrap(), "Thing", &["Id", "Name"], &["Id"], 10);
    assert_eq!(left, [["2".into(), "b".into()], ["3".into(), Value::from("a")]]);
}

fn deletions_keep_foreign_keys(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    transaction
        .insert("Right", &["Id", "LeftId"], &[vec![int(1), Value::Null], vec![int(2), Value::Null]])
        .unwrap();
    transaction.insert("Left", &["Id", "RightId"], &[vec![int(1), int(1)], vec![int(2), int(2)]]).unwrap();
    transaction.insert("Node", &["Id", "Parent"], &[vec![int(1), int(1)], vec![int(2), int(1)]]).unwrap();
    transaction.commit().unwrap();
    let referred = attempt(&mut *server, &|transaction| {
        transaction.delete("Node", &["Id"], &[int(2)])?;
        transaction.delete("Right", &["Id"], &[int(1)])
    });
    let error = referred.expect_err("Left refers to it");
    assert!(matches!(&error.source, ServerError::Constraint { .. }), "{error:?}");
    assert_eq!(server.read().unwrap().count("Node").unwrap(), 2);
    // What refers goes with it, in whatever order they are named; or lets go of it.
    let mut transaction = server.begin().unwrap();
    transaction.delete("Right", &["Id"], &[int(1)]).unwrap();
    transaction.delete("Left", &["Id"], &[int(1)]).unwrap();
    transaction.delete("Node", &["Id"], &[int(1)]).unwrap();
    transaction.delete("Node", &["Id"], &[int(2)]).unwrap();
    transaction.commit().unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.delete("Right", &["Id"], &[int(2)]).unwrap();
    transaction.update("Left", &["Id"], &[int(2)], &["RightId"], &vec![Value::Null]).unwrap();
    transaction.commit().unwrap();
    let mut reader = server.read().unwrap();
    let counts = ["Left", "Right", "Node"].map(|table| reader.count(table).unwrap());
    assert_eq!(counts, [1, 0, 0]);
}

fn foreign_keys_wait_for_the_check(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    transaction.insert("Left", &["Id", "RightId"], &[vec![int(1), int(1)]]).unwrap();
    transaction.insert("Right", &["Id", "LeftId"], &[vec![int(1), int(1)]]).unwrap();
    transaction.insert("Node", &["Id", "Parent"], &[vec![int(2), int(1)], vec![int(1), int(1)]]).unwrap();
    transaction.check().unwrap();
    transaction.commit().unwrap();
    let lefts = all(&mut *server.read().unwrap(), "Left", &["RightId"], &["Id"], 10);
    assert_eq!(lefts, [[int(1)]], "circles are closed");
    let mut transaction = server.begin().unwrap();
    transaction.insert("Node", &["Id", "Parent"], &[vec![int(3), int(99)]]).unwrap();
    refused(transaction.commit(), "Node", &["Parent", "Node"]);
    assert_eq!(server.read().unwrap().count("Node").unwrap(), 2, "all is taken back");
    server.begin().unwrap().rollback().unwrap();
}

fn a_check_fails_where_the_commit_would(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let dangling = attempt(&mut *server, &|transaction| {
        transaction.insert("Left", &["Id", "RightId"], &[vec![int(1), int(5)]])
    });
    refused(dangling, "Left", &["RightId", "Right"]);
    let mut transaction = server.begin().unwrap();
    transaction.insert("Left", &["Id", "RightId"], &[vec![int(1), int(5)]]).unwrap();
    transaction.insert("Right", &["Id"], &[vec![int(5)]]).unwrap();
    transaction.commit().unwrap();
    // Moving the row referred to is found in the table that refers.
    let moved = attempt(&mut *server, &|transaction| {
        transaction.update("Right", &["Id"], &[int(5)], &["Id"], &vec![int(6)])
    });
    refused(moved, "Left", &["RightId", "Right"]);
}

fn missing_names_are_told(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    let mut transaction = server.begin().unwrap();
    assert!(matches!(transaction.count("Nothing"), Err(ServerError::NoTable(name)) if name == "Nothing"));
    let error = transaction.insert("Thing", &["Nope"], &[vec![int(1)]]).unwrap_err();
    assert!(
        matches!(error.source, ServerError::NoColumn { table, column } if table.eq_ignore_ascii_case("Thing") && column == "Nope")
    );
    let lookup = Lookup { table: "Thing", columns: &["Id"], by: &["Name"], keys: &[vec![]] };
    assert!(transaction.lookup(&lookup, &mut |_, _| {}).is_err(), "a key too short");
}

fn the_largest_integer_is_found(bench: &dyn Bench) {
    let place = bench.empty(&catalog());
    let mut server = place.open();
    assert_eq!(server.read().unwrap().max_int("Node", "Id").unwrap(), None);
    let mut transaction = server.begin().unwrap();
    transaction.insert("Node", &["Id"], &[vec![int(3)], vec![int(40)], vec![int(-1)]]).unwrap();
    transaction.check().unwrap();
    assert_eq!(transaction.max_int("node", "id").unwrap(), Some(40));
}

// What only the embedded server promises.

fn bytes_and_files(path: &Path) -> (Vec<u8>, Vec<PathBuf>) {
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    (std::fs::read(path).unwrap(), files)
}

/// Servers of real products, in the folder that this variable names; without them their tests say so.
fn data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("SEALIFT_TEST_DATA").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    let found = path.exists().then_some(path);
    if found.is_none() {
        eprintln!("skipped: there is no {name} in {}", folder.display());
    }
    found
}

#[test]
fn only_databases_are_opened_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(SqliteServer::open(&at("none")).err(), Some(ServerError::Missing(_))));
    assert!(matches!(SqliteServer::open(&at("no/where")).err(), Some(ServerError::Missing(_))));
    assert!(!at("none").exists());
    assert!(matches!(SqliteServer::open(folder.path()).err(), Some(ServerError::NotADatabase(_))));
    for (name, bytes) in [("empty", &b""[..]), ("text", b"no database"), ("long", &[b'x'; 8192])] {
        std::fs::write(at(name), bytes).unwrap();
        let error = SqliteServer::open(&at(name)).err();
        assert!(matches!(error, Some(ServerError::NotADatabase(_))), "{name}: {error:?}");
    }
}

#[test]
fn a_server_is_made_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.sqlite");
    let broken = SqliteServer::create(&path, Schema::Ddl("CREATE TABLE a (b int); CREATE TABEL c (d int)"));
    assert!(matches!(broken.err(), Some(ServerError::Failed { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    SqliteServer::create(&path, Schema::Ddl("CREATE TABLE a (b int)")).unwrap();
    let again = SqliteServer::create(&path, Schema::Like(&Catalog::default()));
    assert!(matches!(again.err(), Some(ServerError::Exists(_))));
    let nowhere = SqliteServer::create(&folder.path().join("no/new.sqlite"), Schema::Ddl(""));
    assert!(matches!(nowhere.err(), Some(ServerError::Open { .. })));
    let mut none = SqliteServer::create(&folder.path().join("none.sqlite"), Schema::Ddl("")).unwrap();
    assert!(none.read().unwrap().catalog().tables.is_empty());
}

#[test]
fn a_copy_of_a_catalog_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    for (name, ddl, tables) in [
        ("2018", include_str!("../src/model/octopus-2018.sql"), 49),
        ("spaces", include_str!("../src/model/octopus-spaces.sql"), 57),
    ] {
        let mut made = SqliteServer::create(&folder.path().join(name), Schema::Ddl(ddl)).unwrap();
        let catalog = made.read().unwrap().catalog().clone();
        assert_eq!(catalog.tables.len(), tables);
        let copy = folder.path().join(format!("{name}-copy"));
        let mut copy = SqliteServer::create(&copy, Schema::Like(&catalog)).unwrap();
        assert_eq!(*copy.read().unwrap().catalog(), catalog);
    }
}

#[test]
fn the_models_tables_are_the_products() {
    let Some(path) = data("octopus-library.sqlite") else { return };
    let folder = tempfile::tempdir().unwrap();
    let ddl = include_str!("../src/model/octopus-2018.sql");
    let mut made = SqliteServer::create(&folder.path().join("made"), Schema::Ddl(ddl)).unwrap();
    let mut made = made.read().unwrap().catalog().clone();
    let mut product = SqliteServer::open(&path).unwrap();
    let product = product.read().unwrap().catalog().clone();
    for table in &mut made.tables {
        table.foreign_keys.clear();
        for column in table.columns.iter_mut().filter(|c| c.declared.eq_ignore_ascii_case("integer")) {
            column.declared = "INT".into();
            column.identity = false;
        }
    }
    assert_eq!(made, product);
}

#[test]
fn documents_in_spaces_have_a_space() {
    let folder = tempfile::tempdir().unwrap();
    let ddl = include_str!("../src/model/octopus-spaces.sql");
    let mut made = SqliteServer::create(&folder.path().join("made"), Schema::Ddl(ddl)).unwrap();
    let reader = made.read().unwrap();
    let space = |table: &str| reader.catalog().table(table).unwrap().column("SpaceId");
    for table in ["Project", "DeploymentEnvironment", "Runbook", "GitCredential", "VariableSet", "Channel"] {
        assert!(!space(table).unwrap().nullable, "{table}");
    }
    for table in ["Team", "Event", "ScopedUserRole"] {
        assert!(space(table).unwrap().nullable, "{table}");
    }
    for table in ["Space", "User", "UserRole", "KeyAllocation", "Configuration", "CommunityActionTemplate"] {
        assert!(table == "Space" || space(table).is_none(), "{table}");
    }
    assert_eq!(reader.catalog().table("Project").unwrap().unique[0], ["Name", "SpaceId"]);
}

#[test]
fn reading_leaves_no_trace() {
    for mode in ["delete", "wal"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sqlite");
        drop(SqliteServer::create(&path, Schema::Like(&catalog())).unwrap());
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", mode).unwrap();
        drop(connection);
        let before = bytes_and_files(&path);
        let mut server = SqliteServer::open(&path).unwrap();
        assert_eq!(server.read().unwrap().count("Thing").unwrap(), 0);
        drop(server);
        assert!(bytes_and_files(&path) == before, "{mode}");
    }
}

#[test]
fn real_servers_are_read_where_nothing_can_be_written() {
    for (name, table, key, rows) in [
        ("octopus-library.sqlite", "ActionTemplate", "Id", 600),
        ("chinook.sqlite", "Track", "TrackId", 3503),
    ] {
        let Some(path) = data(name) else { continue };
        let before = bytes_and_files(&path);
        let mut server = SqliteServer::open(&path).unwrap();
        let mut reader = server.read().unwrap();
        assert_eq!(reader.count(table).unwrap(), rows);
        let found = all(&mut *reader, table, &[key], &[key], 100);
        assert_eq!(found.len() as u64, rows);
        assert_eq!(reader.rows_read(), rows);
        drop(reader);
        drop(server);
        assert!(bytes_and_files(&path) == before);
    }
}

#[test]
fn a_decimal_is_stored_as_sqlite_stores_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sqlite");
    let ddl = "CREATE TABLE t (id integer PRIMARY KEY, price NUMERIC(10,2)); INSERT INTO t VALUES (1, 0.99), (2, 2.00);";
    let mut server = SqliteServer::create(&path, Schema::Ddl(ddl)).unwrap();
    let mut transaction = server.begin().unwrap();
    let rows = [vec![int(3), number("0.99")], vec![int(4), int(2)]];
    transaction.insert("t", &["id", "price"], &rows).unwrap();
    let long = vec![int(5), number("12345678901234567890.12")];
    let error = transaction.insert("t", &["id", "price"], &[long]).unwrap_err().source;
    assert_eq!(error.to_string(), "t.price cannot hold a number of 22 digits");
    transaction.commit().unwrap();
    let prices = all(&mut *server.read().unwrap(), "t", &["price"], &["id"], 10);
    assert_eq!(prices, [[number("0.99")], [int(2)], [number("0.99")], [int(2)]]);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let same: bool = connection
        .query_row("SELECT typeof(a.price) = typeof(b.price) AND a.price = b.price FROM t a, t b WHERE a.id = 1 AND b.id = 3", [], |row| row.get(0))
        .unwrap();
    assert!(same);
}

#[test]
fn rows_without_a_key_and_nulls_in_keys_are_all_paged() {
    let folder = tempfile::tempdir().unwrap();
    let ddl = "CREATE TABLE t (a nvarchar(10) COLLATE NOCASE, b int);
        INSERT INTO t VALUES (NULL, 1), (NULL, 1), (NULL, NULL), ('x', NULL), ('X', 2), ('x', 2), ('y', 1);";
    let mut server = SqliteServer::create(&folder.path().join("t"), Schema::Ddl(ddl)).unwrap();
    let mut reader = server.read().unwrap();
    for max_rows in 1..9 {
        assert_eq!(all(&mut *reader, "t", &["a", "b"], &["a", "b"], max_rows).len(), 7, "{max_rows}");
    }
}

#[test]
fn strange_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ddl =
        "CREATE TABLE \"o\"\"dd]\" (\"i d\" int PRIMARY KEY NOT NULL, \"t\"\"]\" nvarchar(10), u untyped);
        INSERT INTO \"o\"\"dd]\" VALUES (1, CAST(x'ff' AS TEXT), 1e999), (2, 'ok', x'00');
        CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIEW v AS SELECT 1;
        CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a + 1), PRIMARY KEY (a)) WITHOUT ROWID;
        CREATE UNIQUE INDEX ga ON g (a + 1); CREATE UNIQUE INDEX gp ON g (a) WHERE a > 1;";
    let path = folder.path().join("strange");
    let mut server = SqliteServer::create(&path, Schema::Ddl(ddl)).unwrap();
    let mut reader = server.read().unwrap();
    let names: Vec<&str> = reader.catalog().tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["g", "o\"dd]"]);
    assert_eq!(reader.catalog().tables[0].columns.len(), 1, "generated columns do not travel");
    assert!(reader.catalog().tables[0].unique.is_empty());
    let page =
        |columns| Page { table: "o\"dd]", columns, order: &["i d"], after: None, max_rows: 9, max_bytes: 99 };
    // Whoever makes documents of the rows says of which row this is no text.
    let rows = reader.page(&page(&["t\"]"])).unwrap();
    assert_eq!(rows, [[Value::Bytes(vec![0xff])], ["ok".into()]]);
    let error = reader.page(&page(&["u"])).unwrap_err().to_string();
    assert_eq!(error, "o\"dd].u cannot hold a number that is not finite");
    let found = find(&mut *reader, "o\"dd]", "i d", &["t\"]"], &[vec!["ok ".into()]]);
    assert_eq!(found, [(0, int(2))]);
    let catalog = reader.catalog().clone();
    drop(reader);
    let mut copy = SqliteServer::create(&folder.path().join("copy"), Schema::Like(&catalog)).unwrap();
    assert_eq!(copy.read().unwrap().catalog().tables.len(), 2);
}

#[test]
fn damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sqlite");
    let mut server = SqliteServer::create(&path, Schema::Like(&catalog())).unwrap();
    let names: Vec<(String, String)> =
        (0..400).map(|n| (format!("Things-{n}"), format!("name {n}"))).collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    things(&mut server, &names);
    drop(server);
    let whole = std::fs::read(&path).unwrap();
    let mut struck = 0;
    for at in (0..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xa5;
        std::fs::write(&path, &bytes).unwrap();
        let read = || -> Result<(), ServerError> {
            let mut server = SqliteServer::open(&path)?;
            let mut reader = server.read()?;
            let page = Page {
                table: "Thing",
                columns: &["Id", "Name", "Count"],
                order: &["Id"],
                after: None,
                max_rows: 1000,
                max_bytes: 1 << 20,
            };
            reader.page(&page)?;
            let keys = [vec!["NAME 7 ".into()], vec!["none".into()]];
            reader.lookup(
                &Lookup { table: "Thing", columns: &["Id"], by: &["Name"], keys: &keys },
                &mut |_, _| {},
            )
        };
        struck += u32::from(read().is_err());
    }
    assert!(struck > 0, "some damage is seen");
}

#[test]
fn orphans_of_old_are_let_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let ddl = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int, p int REFERENCES p (id));";
    let mut server = SqliteServer::create(&path, Schema::Ddl(ddl)).unwrap();
    let careless = rusqlite::Connection::open(&path).unwrap();
    careless.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO c VALUES (1, 9)").unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("c", &["id", "p"], &[vec![int(2), Value::Null]]).unwrap();
    transaction.check().unwrap();
    transaction.insert("c", &["id", "p"], &[vec![int(3), int(8)]]).unwrap();
    refused(transaction.check(), "c", &["p"]);
    transaction.rollback().unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("c", &["id", "p"], &[vec![int(2), Value::Null]]).unwrap();
    transaction.commit().unwrap();
}

#[cfg(unix)]
#[test]
fn read_only_media_are_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let allow =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for mode in ["delete", "wal"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ser?ver#1%.sqlite");
        let mut server = SqliteServer::create(&path, Schema::Like(&catalog())).unwrap();
        things(&mut server, &[("1", "a")]);
        drop(server);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", mode).unwrap();
        drop(connection);
        allow(&path, 0o444);
        allow(folder.path(), 0o555);
        let mut server = SqliteServer::open(&path).unwrap();
        assert_eq!(server.read().unwrap().count("Thing").unwrap(), 1, "{mode}");
        // The superuser writes wherever it likes.
        if std::fs::write(folder.path().join("probe"), b"").is_err() {
            assert!(matches!(server.begin().err(), Some(ServerError::Open { .. })), "{mode}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{mode}");
        } else {
            eprintln!("half skipped: permissions do not bind this user");
        }
        allow(folder.path(), 0o755);
    }
}

/// Times and GUIDs as other programs write them: read in one spelling, found by any, paged without loss.
#[test]
fn times_have_one_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let ddl = "CREATE TABLE t (Id int NOT NULL PRIMARY KEY, At datetimeoffset, Token uniqueidentifier, Day date, Note text);
        CREATE INDEX AtIndex ON t (At);
        CREATE TABLE k (At datetime2 NOT NULL PRIMARY KEY, Note nvarchar(20));
        CREATE TABLE u (Id int NOT NULL PRIMARY KEY, At datetime2 UNIQUE, Note nvarchar(20));
        INSERT INTO u VALUES (1, '2018-08-01 09:00:00', ''), (2, '2018-08-01T08:00', ''), (3, '2018-08-02', '');
        INSERT INTO k VALUES ('2018-08-01T10:00:00.000', 'a'), ('2018-08-01 09:00:00', 'b');
        INSERT INTO t (Id, At, Token, Day) VALUES
            (1, '2018-08-01T10:00:00.0000000Z', '6D0D6E1C-0000-0000-0000-00000000000A', '2018-08-01 00:00:00'),
            (2, '2018-08-01 10:00:00 +00:00', '6d0d6e1c-0000-0000-0000-00000000000a', '2018-08-01'),
            (3, '2018-08-01 11:00:00', 'none', 20180801),
            (4, NULL, NULL, NULL),
            (5, '2018-08-01T09:00:00+00:00', '6d0d6e1c-0000-0000-0000-00000000000b', 'a day');";
    let mut server = SqliteServer::create(&folder.path().join("t"), Schema::Ddl(ddl)).unwrap();
    let mut reader = server.read().unwrap();
    let rows = all(&mut *reader, "t", &["At", "Token", "Day"], &["Id"], 2);
    let (ten, guid): (Value, Value) =
        ("2018-08-01 10:00:00 +00:00".into(), "6d0d6e1c-0000-0000-0000-00000000000a".into());
    let expected = [
        vec![ten.clone(), guid.clone(), "2018-08-01".into()],
        vec![ten.clone(), guid.clone(), "2018-08-01".into()],
        vec!["2018-08-01 11:00:00 +00:00".into(), "none".into(), int(20_180_801)],
        vec![Value::Null, Value::Null, Value::Null],
        vec![
            "2018-08-01 09:00:00 +00:00".into(),
            "6d0d6e1c-0000-0000-0000-00000000000b".into(),
            "a day".into(),
        ],
    ];
    assert_eq!(rows, expected);
    let mut ids = |by: &str, key: Value| {
        let mut ids: Vec<i64> = find(&mut *reader, "t", "Id", &[by], &[vec![key]])
            .into_iter()
            .filter_map(|(_, id)| id.as_int())
            .collect();
        ids.sort_unstable();
        ids
    };
    for spelling in ["2018-08-01T10:00:00Z", "2018-08-01 10:00:00 +00:00", "2018-08-01T10:00:00.0000000Z"] {
        assert_eq!(ids("At", spelling.into()), [1, 2], "{spelling}");
    }
    assert_eq!(ids("At", Value::Null), [4]);
    assert_eq!(ids("Token", "{6D0D6E1C-0000-0000-0000-00000000000A}".into()), [1, 2]);
    assert_eq!(ids("Token", "NONE".into()), [3]);
    assert_eq!(ids("Day", "2018-08-01".into()), [1, 2]);
    assert_eq!(ids("Day", int(20_180_801)), [3]);
    // The order is that of the written text, also where it is handed out in another spelling.
    for max_rows in 1..6 {
        let found = all(&mut *reader, "t", &["At", "Id"], &["At", "Id"], max_rows);
        let mut ids: Vec<_> = found.iter().filter_map(|row| row[1].as_int()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4, 5], "{max_rows} rows a page");
        assert_eq!(all(&mut *reader, "t", &["At"], &["At"], max_rows).len(), 5, "{max_rows} rows a page");
    }
    // An id stays as it was written, and what refers to it. Any spelling finds it.
    let keys = all(&mut *reader, "k", &["At"], &["At"], 1);
    assert_eq!(keys, [["2018-08-01 09:00:00".into()], ["2018-08-01T10:00:00.000".into()]]);
    for spelling in ["2018-08-01T10:00:00.000", "2018-08-01 10:00:00"] {
        assert_eq!(find(&mut *reader, "k", "Note", &["At"], &[vec![spelling.into()]]), [(0, "a".into())]);
    }
    // What is unique and no id has one spelling, and its pages continue all the same.
    for max_rows in 1..4 {
        let found = all(&mut *reader, "u", &["At"], &["At"], max_rows);
        assert_eq!(
            found,
            [["2018-08-01 09:00:00".into()], ["2018-08-01 08:00:00".into()], ["2018-08-02 00:00:00".into()]]
        );
    }
    assert_eq!(find(&mut *reader, "u", "Id", &["At"], &[vec!["2018-08-02 00:00:00".into()]]), [(0, int(3))]);
    drop(reader);
    let mut update = |table: &str, by: &str, key: &str| {
        let mut transaction = server.begin().unwrap();
        transaction.update(table, &[by], &[key.into()], &["Note"], &vec!["new".into()])?;
        transaction.commit()
    };
    update("k", "At", "2018-08-01 10:00:00").unwrap();
    update("u", "At", "2018-08-01 08:00:00").unwrap();
    refused(update("u", "At", "2018-08-01 07:00:00"), "u", &["no row"]);
    update("t", "At", "2018-08-01 11:00:00 +00:00").unwrap();
    refused(update("t", "At", "2018-08-01 10:00:00"), "t", &["several"]);
    let mut reader = server.read().unwrap();
    assert_eq!(find(&mut *reader, "u", "Id", &["Note"], &[vec!["new".into()]]), [(0, int(2))]);
    assert_eq!(find(&mut *reader, "t", "Id", &["Note"], &[vec!["new".into()]]), [(0, int(3))]);
}

#[test]
fn a_copy_numbers_rows_where_its_server_did() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbered =
        table("N", vec![column("Id", "int", false), column("Name", "nvarchar(20)", true)], &["Id"]);
    numbered.columns[0].identity = true;
    let catalog = Catalog { tables: vec![numbered] };
    let mut server = SqliteServer::create(&folder.path().join("n"), Schema::Like(&catalog)).unwrap();
    let mut transaction = server.begin().unwrap();
    transaction.insert("N", &["Name"], &[vec!["a".into()], vec!["b".into()]]).unwrap();
    assert!(transaction.catalog().table("N").unwrap().columns[0].identity);
    assert_eq!(all(transaction.reader(), "N", &["Id"], &["Id"], 9), [[int(1)], [int(2)]]);
}
