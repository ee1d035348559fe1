//! A client for tests: connects, runs, and shows values as text.

use endpoint::Endpoint;
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

pub type Connection = Client<Compat<TcpStream>>;

pub fn config(endpoint: &Endpoint) -> Config {
    let (host, port) = endpoint.address();
    let mut config = Config::new();
    config.host(host);
    config.port(port);
    config.authentication(AuthMethod::sql_server("sa", "Endpoint-Passw0rd"));
    config.encryption(EncryptionLevel::NotSupported);
    config.application_name("endpoint test");
    config
}

pub async fn connect_as(config: Config) -> tiberius::Result<Connection> {
    let tcp = TcpStream::connect(config.get_addr()).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    Client::connect(config, tcp.compat_write()).await
}

pub async fn connect(endpoint: &Endpoint) -> Connection {
    connect_as(config(endpoint)).await.unwrap()
}

/// An endpoint with the defaults and a connection to it.
pub async fn started() -> (Endpoint, Connection) {
    let endpoint = Endpoint::start(endpoint::Options::default());
    let connection = connect(&endpoint).await;
    (endpoint, connection)
}

/// A value as text; what NULL is says its type.
pub fn shown(value: &ColumnData<'_>) -> String {
    match value {
        ColumnData::U8(Some(v)) => format!("{v}u8"),
        ColumnData::I16(Some(v)) => format!("{v}i16"),
        ColumnData::I32(Some(v)) => v.to_string(),
        ColumnData::I64(Some(v)) => format!("{v}i64"),
        ColumnData::F32(Some(v)) => format!("{v}f32"),
        ColumnData::F64(Some(v)) => format!("{v}f64"),
        ColumnData::Bit(Some(v)) => v.to_string(),
        ColumnData::String(Some(v)) => v.to_string(),
        ColumnData::Guid(Some(v)) => v.to_string(),
        ColumnData::Numeric(Some(v)) => format!("{v}"),
        ColumnData::Binary(Some(v)) => v.iter().map(|b| format!("{b:02X}")).collect(),
        ColumnData::Xml(Some(v)) => format!("{v}"),
        ColumnData::Date(Some(v)) => format!("day {}", v.days()),
        ColumnData::Time(Some(v)) => format!("time {}/{}", v.increments(), v.scale()),
        ColumnData::DateTime(Some(v)) => format!("datetime {} {}", v.days(), v.seconds_fragments()),
        ColumnData::SmallDateTime(Some(v)) => format!("small {} {}", v.days(), v.seconds_fragments()),
        ColumnData::DateTime2(Some(v)) => {
            format!("day {} time {}/{}", v.date().days(), v.time().increments(), v.time().scale())
        }
        ColumnData::DateTimeOffset(Some(v)) => {
            let utc = v.datetime2();
            format!(
                "day {} time {}/{} {:+}",
                utc.date().days(),
                utc.time().increments(),
                utc.time().scale(),
                v.offset()
            )
        }
        _ => "NULL".to_owned(),
    }
}

/// The rows of the last result that a batch gave.
pub async fn batch(connection: &mut Connection, sql: &str) -> tiberius::Result<Vec<Vec<String>>> {
    let results = connection.simple_query(sql).await?.into_results().await?;
    let last = results.into_iter().next_back().unwrap_or_default();
    Ok(last.into_iter().map(|row| row.cells().map(|(_, v)| shown(v)).collect()).collect())
}

/// The rows as lines, for comparing at a glance.
pub async fn lines(connection: &mut Connection, sql: &str) -> Vec<String> {
    let rows = batch(connection, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.into_iter().map(|row| row.join("|")).collect()
}

/// Runs a batch that must succeed.
pub async fn run(connection: &mut Connection, sql: &str) {
    batch(connection, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// The rows of a statement with parameters.
pub async fn query(
    connection: &mut Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
) -> tiberius::Result<Vec<Vec<String>>> {
    let rows = connection.query(sql, parameters).await?.into_first_result().await?;
    Ok(rows.into_iter().map(|row| row.cells().map(|(_, v)| shown(v)).collect()).collect())
}

/// The number and text of the error that a batch fails with.
pub async fn error(connection: &mut Connection, sql: &str) -> (u32, String) {
    match batch(connection, sql).await {
        Err(tiberius::error::Error::Server(e)) => (e.code(), e.message().to_owned()),
        Err(other) => panic!("{sql}: no server's error: {other}"),
        Ok(rows) => panic!("{sql}: no error but {rows:?}"),
    }
}

/// The number alone.
pub async fn number(connection: &mut Connection, sql: &str) -> u32 {
    error(connection, sql).await.0
}

/// The number of the error within a result.
pub fn number_of<T: std::fmt::Debug>(result: tiberius::Result<T>) -> u32 {
    match result {
        Err(tiberius::error::Error::Server(e)) => e.code(),
        other => panic!("no server's error: {other:?}"),
    }
}
