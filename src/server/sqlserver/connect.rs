//! One connection: how it comes about, how statements go over it, and when it is given up.
//!
//! The driver is asynchronous and not safe to cancel: after any error the connection is in a state that nobody
//! knows. So it is dropped then, whatever the error was, and the server takes back what was not committed. A request
//! to stop is such an error: the server gets an attention, which ends the statement and what it waits for.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{Either, select};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, IntoSql, Query, QueryItem, QueryStream};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use super::address::{Encryption, Login, SqlServerAddress};
use super::allowance::{ANSWER_BYTES, ANSWER_MEMORY, Allowance, LOGIN_BYTES, Limited, ROW_BYTES, flood};
use super::fault::{self, Doing};
use crate::progress::{Cancelled, StopRequest};
use crate::server::ServerError;
use crate::text::input;

/// A connection of the driver.
pub(super) type Wire = Client<Compat<Limited<TcpStream>>>;
/// A row as the driver gives it.
pub(super) type WireRow = tiberius::Row;

/// The port of a default instance.
const PORT: u16 = 1433;
/// Bytes of memory that a row takes, and one column of it, beside its texts.
const ROW_MEMORY: usize = 128;
const COLUMN_MEMORY: usize = 64;
/// How often a call that waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// How long the server may take to confirm an attention, before the connection is dropped without that.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// A value that goes along with a statement. NULL is typed: some servers refuse it bare.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Param {
    /// `nvarchar`.
    Text(Option<String>),
    /// `bigint`.
    Int(Option<i64>),
    /// `float`.
    Float(Option<f64>),
    /// `varbinary`.
    Bytes(Option<Vec<u8>>),
    /// `bit`.
    Bit(Option<bool>),
}

impl<'a> IntoSql<'a> for Param {
    fn into_sql(self) -> tiberius::ColumnData<'a> {
        match self {
            Param::Text(value) => value.into_sql(),
            Param::Int(value) => value.into_sql(),
            Param::Float(value) => value.into_sql(),
            Param::Bytes(value) => value.into_sql(),
            Param::Bit(value) => value.into_sql(),
        }
    }
}

/// A connection and what it is doing.
pub(super) struct Connection {
    runtime: Arc<Runtime>,
    /// `None` after an error, and while a task has it.
    wire: Option<Wire>,
    pub(super) address: Arc<str>,
    /// Where it leads, for another one.
    pub(super) target: Arc<SqlServerAddress>,
    /// Whether the connection is kept after the server has refused a statement: for finding out why, where all is
    /// taken back anyway.
    pub(super) forgiving: bool,
    /// What interrupts statements.
    pub(super) stop: StopRequest,
    /// What the server may send.
    pub(super) allowance: Allowance,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`ServerError::Unreachable`], [`ServerError::Tls`], [`ServerError::Login`], [`ServerError::Missing`],
    /// [`ServerError::Cancelled`].
    pub(super) fn open(address: &SqlServerAddress) -> Result<Self, ServerError> {
        let shown = address.to_string();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // One thread takes rows off the wire while another works on those before.
        let runtime = builder.worker_threads(1).thread_name("sealift-tds").enable_io().enable_time().build();
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ServerError::Unreachable {
            address: shown.clone(),
            source,
        };
        let runtime = Arc::new(runtime.map_err(|error| unreachable(error.into()))?);
        let config = config(address, &shown)?;
        let allowance = Allowance::new(LOGIN_BYTES);
        let connecting = connect(config, address, &allowance);
        let timeout = address.connect_timeout;
        let wire = runtime.block_on(async {
            let connecting = pin!(tokio::time::timeout(timeout, connecting));
            match select(connecting, pin!(made(&address.stop))).await {
                Either::Left((wire, _)) => Ok(wire),
                Either::Right(_) => Err(Cancelled),
            }
        });
        let wire = match wire? {
            Ok(Ok(wire)) => wire,
            Ok(Err(Failed::Network(error))) => return Err(unreachable(error.into())),
            Ok(Err(Failed::Driver(error))) => return Err(fault::connecting(address, &shown, error)),
            Err(_) => {
                let why = format!("no answer within {} s", timeout.as_secs());
                return Err(unreachable(why.into()));
            }
        };
        let target = Arc::new(address.clone());
        let stop = address.stop.clone();
        Ok(Self {
            runtime,
            wire: Some(wire),
            address: shown.into(),
            target,
            forgiving: false,
            stop,
            allowance,
        })
    }

    /// Whether statements can still be sent.
    pub(super) fn is_alive(&self) -> bool {
        self.wire.is_some()
    }

    /// Gives the connection up.
    pub(super) fn abandon(&mut self) {
        self.wire = None;
    }

    /// Runs work on the connection; after an error it is given up.
    pub(super) fn run<T>(
        &mut self,
        doing: &Doing<'_>,
        work: impl AsyncFnOnce(&mut Wire) -> Result<T, Interrupted>,
    ) -> Result<T, ServerError> {
        let Some(mut wire) = self.wire.take() else { return Err(fault::given_up(doing)) };
        self.allowance.set(ANSWER_BYTES);
        match self.runtime.block_on(attended(&mut wire, &self.stop, work)) {
            Ok(done) => {
                self.wire = Some(wire);
                Ok(done)
            }
            Err(Interrupted::Driver(error)) => {
                let refused = matches!(&error, tiberius::error::Error::Server(token) if token.class() < 20);
                if self.forgiving && refused {
                    self.wire = Some(wire);
                }
                Err(fault::of(doing, &self.target.messages, error))
            }
            Err(Interrupted::Ours(error)) => Err(*error),
        }
    }

    /// Sends statements as one batch and takes all answers in. An error after the first answer is not lost.
    pub(super) fn batch(&mut self, doing: &Doing<'_>, sql: &str) -> Result<Vec<WireRow>, ServerError> {
        self.run(doing, async |wire| {
            let mut stream = wire.simple_query(sql).await?;
            let (mut rows, mut memory) = (Vec::new(), 0usize);
            while let Some(item) = stream.try_next().await? {
                let QueryItem::Row(row) = item else { continue };
                // A row of nothing but NULL takes a bit of the wire for each column.
                memory += ROW_MEMORY + COLUMN_MEMORY * row.len();
                if memory > ANSWER_MEMORY {
                    return Err(tiberius::error::Error::from(flood()).into());
                }
                rows.push(row);
            }
            Ok(rows)
        })
    }

    /// Sends a statement with parameters and hands each row to `see`, which may end it with an error. All rows
    /// together may have as many bytes as an answer.
    pub(super) fn query(
        &mut self,
        doing: &Doing<'_>,
        sql: &str,
        params: Vec<Param>,
        see: &mut dyn FnMut(WireRow) -> Result<(), ServerError>,
    ) -> Result<(), ServerError> {
        self.run(doing, async |wire| {
            let mut stream = ask(wire, sql, params).await?;
            while let Some(item) = stream.try_next().await? {
                if let QueryItem::Row(row) = item {
                    see(row).map_err(|error| Interrupted::Ours(Box::new(error)))?;
                }
            }
            Ok(())
        })
    }

    /// The same for rows of a table, each of which may be long, and of which there may be many.
    pub(super) fn rows(
        &mut self,
        doing: &Doing<'_>,
        sql: &str,
        params: Vec<Param>,
        see: &mut dyn FnMut(WireRow) -> Result<(), ServerError>,
    ) -> Result<(), ServerError> {
        let allowance = self.allowance.clone();
        allowance.set(ROW_BYTES);
        self.query(doing, sql, params, &mut |row| {
            allowance.set(ROW_BYTES);
            see(row)
        })
    }

    /// Hands the connection to a task that runs beside; [`join`](Self::join) takes it back.
    pub(super) fn lend<F>(
        &mut self,
        doing: &Doing<'_>,
        task: impl FnOnce(Wire) -> F,
    ) -> Result<JoinHandle<F::Output>, ServerError>
    where
        F: Future<Output = Result<Wire, Interrupted>> + Send + 'static,
    {
        let Some(wire) = self.wire.take() else { return Err(fault::given_up(doing)) };
        self.allowance.set(ROW_BYTES);
        Ok(self.runtime.spawn(task(wire)))
    }

    /// Waits for something that a task sends.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Takes the connection back from a task that has ended.
    pub(super) fn join(
        &mut self,
        doing: &Doing<'_>,
        handle: JoinHandle<Result<Wire, Interrupted>>,
    ) -> Result<(), ServerError> {
        match self.runtime.block_on(handle) {
            Ok(Ok(wire)) => {
                self.wire = Some(wire);
                Ok(())
            }
            Ok(Err(Interrupted::Driver(error))) => Err(fault::of(doing, &self.target.messages, error)),
            Ok(Err(Interrupted::Ours(error))) => Err(*error),
            Err(_) => Err(fault::given_up(doing)),
        }
    }
}

/// Why work on a connection ended early.
pub(super) enum Interrupted {
    Driver(tiberius::error::Error),
    Ours(Box<ServerError>),
}

impl From<tiberius::error::Error> for Interrupted {
    fn from(error: tiberius::error::Error) -> Self {
        Interrupted::Driver(error)
    }
}

/// Waits until a stop is requested.
async fn made(stop: &StopRequest) {
    while !stop.is_made() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Runs work on a connection until it ends, or until a stop is requested: the server is then asked to end what it
/// does, so that its locks are free at once. The connection is of no use afterwards.
pub(super) async fn attended<T>(
    wire: &mut Wire,
    stop: &StopRequest,
    work: impl AsyncFnOnce(&mut Wire) -> Result<T, Interrupted>,
) -> Result<T, Interrupted> {
    let cancelled = || Interrupted::Ours(Box::new(Cancelled.into()));
    if stop.is_made() {
        return Err(cancelled());
    }
    if let Either::Left((done, _)) = select(pin!(work(wire)), pin!(made(stop))).await {
        return done;
    }
    // A request that is not sent whole cannot be cancelled; dropping the connection ends it too.
    let _ = tokio::time::timeout(CONFIRMATION, wire.cancel_query()).await;
    Err(cancelled())
}

/// Sends a statement; without parameters it goes as a plain batch.
pub(super) async fn ask<'w>(
    wire: &'w mut Wire,
    sql: &str,
    params: Vec<Param>,
) -> Result<QueryStream<'w>, tiberius::error::Error> {
    if params.is_empty() {
        return wire.simple_query(sql.to_owned()).await;
    }
    let mut query = Query::new(sql.to_owned());
    params.into_iter().for_each(|param| query.bind(param));
    query.query(wire).await
}

enum Failed {
    Network(std::io::Error),
    Driver(tiberius::error::Error),
}

/// Connects; where the server sends us to another address (Azure, read-only routing), once to that one.
async fn connect(config: Config, address: &SqlServerAddress, allowance: &Allowance) -> Result<Wire, Failed> {
    let port = match (address.port, &address.instance) {
        (Some(port), _) => port,
        (None, None) => PORT,
        (None, Some(instance)) => browse(&address.host, instance).await.map_err(Failed::Network)?,
    };
    match try_connect(config.clone(), &address.host, port, allowance).await {
        Err(Failed::Driver(tiberius::error::Error::Routing { host, port })) => {
            try_connect(config, &host, port, allowance).await
        }
        other => other,
    }
}

async fn try_connect(
    mut config: Config,
    host: &str,
    port: u16,
    allowance: &Allowance,
) -> Result<Wire, Failed> {
    config.host(host);
    config.port(port);
    let tcp = TcpStream::connect((host, port)).await.map_err(Failed::Network)?;
    tcp.set_nodelay(true).map_err(Failed::Network)?;
    allowance.set(LOGIN_BYTES);
    let tcp = Limited::new(tcp, allowance.clone());
    Client::connect(config, tcp.compat_write()).await.map_err(Failed::Driver)
}

/// Asks the host's browser for the port of an instance (MC-SQLR: one datagram there, one back).
async fn browse(host: &str, instance: &str) -> std::io::Result<u16> {
    const BROWSER: u16 = 1434;
    const ASK_FOR_ONE: u8 = 4;
    let socket = match tokio::net::lookup_host((host, BROWSER)).await?.next() {
        Some(there) => {
            let any = if there.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = tokio::net::UdpSocket::bind(any).await?;
            socket.connect(there).await?;
            socket
        }
        None => return Err(std::io::Error::other("the host has no address")),
    };
    let mut question = vec![ASK_FOR_ONE];
    question.extend_from_slice(instance.as_bytes());
    question.push(0);
    socket.send(&question).await?;
    let mut answer = vec![0; 4096];
    let wait = tokio::time::timeout(Duration::from_secs(2), socket.recv(&mut answer));
    let length = match wait.await {
        Ok(length) => length?,
        Err(_) => return Err(std::io::Error::other("the host's SQL Server Browser does not answer")),
    };
    let text = String::from_utf8_lossy(answer.get(3..length).unwrap_or_default()).into_owned();
    let mut words = text.split(';');
    let port =
        words.find(|word| *word == "tcp").and_then(|_| words.next()).and_then(|port| port.parse().ok());
    port.ok_or_else(|| std::io::Error::other("the host's SQL Server Browser knows no such instance with TCP"))
}

fn config(address: &SqlServerAddress, shown: &str) -> Result<Config, ServerError> {
    let mut config = Config::new();
    config.database(&address.database);
    config.application_name(&address.application_name);
    config.readonly(address.read_intent);
    config.encryption(match address.encryption {
        Encryption::Strict => EncryptionLevel::Strict,
        Encryption::Required => EncryptionLevel::Required,
        Encryption::LoginOnly => EncryptionLevel::Off,
        Encryption::Off => EncryptionLevel::NotSupported,
    });
    if address.trust_any_certificate {
        config.trust_cert();
    } else if let Some(ca) = &address.ca {
        let bundle = input::read_bytes(ca, input::MAX_TEXT_FILE_BYTES).map_err(|error| ServerError::Tls {
            address: shown.to_owned(),
            reason: format!("cannot read {}: {error}", ca.display()),
        })?;
        config.trust_cert_ca_bundle(bundle);
    }
    if let Some(name) = &address.host_in_certificate {
        config.hostname_in_certificate(name);
    }
    // An import takes as long as it takes; what may wait is said by the lock timeout.
    config.command_timeout(None);
    config.authentication(authentication(&address.login, shown)?);
    Ok(config)
}

fn authentication(login: &Login, shown: &str) -> Result<AuthMethod, ServerError> {
    let refused = |reason: &str| ServerError::Login { address: shown.to_owned(), reason: reason.to_owned() };
    let text = |secret: &Option<Arc<crate::crypto::SecretBytes>>| -> Result<String, ServerError> {
        let secret = secret.as_ref().ok_or_else(|| refused("no password is given"))?;
        secret.expose_text().map(str::to_owned).ok_or_else(|| refused("the password is not text"))
    };
    match login {
        Login::Sql { user, password } => Ok(AuthMethod::sql_server(user, text(password)?)),
        Login::Token(token) => Ok(AuthMethod::aad_token(text(token)?)),
        #[cfg(windows)]
        Login::Windows { user: None, .. } => Ok(AuthMethod::Integrated),
        #[cfg(windows)]
        Login::Windows { user: Some(user), password } => Ok(AuthMethod::windows(user, text(password)?)),
        #[cfg(not(windows))]
        Login::Windows { .. } => Err(refused("Windows logins work on Windows only")),
    }
}
