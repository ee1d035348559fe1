//! A small table in a database of the endpoint's, and work on it that somebody disturbs.

use sealift::document::Value;
use sealift::server::sqlserver::{SqlServer, SqlServerAddress};
use sealift::server::{
    Address, Catalog, Column, ColumnType, Page, Reader, Row, Server, ServerError, Table, WriteError,
};

use crate::tsql::{TestDatabase, TestServer};

pub fn column(name: &str, declared: &str) -> Column {
    Column {
        name: name.into(),
        declared: declared.into(),
        kind: ColumnType::of(declared),
        nullable: false,
        default: None,
        identity: false,
    }
}

/// A database with the table, which has two rows.
pub fn database(server: &TestServer) -> TestDatabase {
    let database = server.database();
    let columns = vec![column("Id", "int"), column("Name", "nvarchar(50)")];
    let (primary_key, unique) = (vec!["Id".to_owned()], Vec::new());
    let table = Table {
        name: "Thing".into(),
        columns,
        primary_key,
        unique,
        foreign_keys: Vec::new(),
        unchecked: Vec::new(),
    };
    database.make(&Catalog { tables: vec![table] });
    reset(&database);
    database
}

/// Puts the table into its first state.
pub fn reset(database: &TestDatabase) {
    let values =
        "DELETE FROM [dbo].[Thing]; INSERT INTO [dbo].[Thing] ([Id], [Name]) VALUES (1, N'one'), (2, N'two')";
    database.server.run(&database.name, &[values.to_owned()]);
}

pub fn row(id: i64, name: &str) -> Row {
    vec![Value::Int(id), name.into()]
}

pub fn before() -> Vec<Row> {
    vec![row(1, "one"), row(2, "two")]
}

pub fn after(many: i64) -> Vec<Row> {
    let mut rows = vec![row(1, "changed"), row(2, "two")];
    rows.extend(new(many));
    rows
}

fn new(many: i64) -> Vec<Row> {
    (3..3 + many).map(|id| row(id, &format!("row {id}"))).collect()
}

/// Reads, updates a row and inserts so many, and commits.
pub fn work(server: &mut SqlServer, many: i64) -> Result<(), WriteError> {
    let mut transaction = server.begin()?;
    transaction.count("Thing")?;
    transaction.insert("Thing", &["Id", "Name"], &new(many))?;
    transaction.update("Thing", &["Id"], &[Value::Int(1)], &["Name"], &vec!["changed".into()])?;
    transaction.check()?;
    transaction.commit()
}

pub fn rows(reader: &mut dyn Reader) -> Result<Vec<Row>, ServerError> {
    let (columns, order, after) = (["Id", "Name"].as_slice(), ["Id"].as_slice(), None);
    let page = Page { table: "Thing", columns, order, after, max_rows: 100_000, max_bytes: usize::MAX };
    reader.page(&page)
}

/// What the table holds, over a connection of its own.
pub fn held(database: &TestDatabase) -> Vec<Row> {
    let mut server = SqlServer::open(&database.address()).unwrap();
    let mut reader = server.read().unwrap();
    rows(&mut *reader).unwrap()
}

/// An address with these settings instead of those of the tests.
pub fn address(server: &TestServer, database: &str, password: &str, settings: &str) -> SqlServerAddress {
    let TestServer { host, port, user, .. } = server;
    let text = format!("mssql://{user}:{password}@{host}:{port}/{database}?{settings}");
    match text.parse::<Address>() {
        Ok(Address::SqlServer(address)) => *address,
        other => panic!("{other:?}"),
    }
}
