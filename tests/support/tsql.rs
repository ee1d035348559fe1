//! SQL Servers for tests: the endpoint that comes with the tests, and the one that `SEALIFT_TEST_SQLSERVER` names.
//! Each test makes the databases that it needs there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use endpoint::{Endpoint, Options};
use sealift::server::sqlserver::SqlServerAddress;
use sealift::server::{self, Address, Catalog, Schema};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

/// Where a SQL Server is, and who may make databases there.
#[derive(Clone)]
pub struct TestServer {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    /// Where it is the tests' own.
    pub endpoint: Option<Arc<Endpoint>>,
}

impl TestServer {
    /// The server that `SEALIFT_TEST_SQLSERVER` names, `mssql://user:password@host:port`; says so where it names
    /// none.
    pub fn named() -> Option<Self> {
        let Ok(text) = std::env::var("SEALIFT_TEST_SQLSERVER") else {
            eprintln!("skipped: SEALIFT_TEST_SQLSERVER names no server");
            return None;
        };
        let rest = text.strip_prefix("mssql://").expect("mssql://user:password@host:port");
        let (login, place) = rest.rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let place = place.split(['/', '?']).next().unwrap();
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "1433"));
        let (user, password) = (user.to_owned(), password.to_owned());
        Some(Self { host: host.to_owned(), port: port.parse().unwrap(), user, password, endpoint: None })
    }

    /// An endpoint of the tests' own.
    pub fn own(mut options: Options) -> Self {
        options.databases.insert(0, "master".to_owned());
        let (user, password) = (options.user.clone(), options.password.clone());
        let endpoint = Endpoint::start(options);
        let (host, port) = endpoint.address();
        Self { host, port, user, password, endpoint: Some(Arc::new(endpoint)) }
    }

    /// The address of a database.
    pub fn address(&self, database: &str) -> SqlServerAddress {
        let Self { host, port, user, password, .. } = self;
        let text = format!(
            "mssql://{user}:{password}@{host}:{port}/{database}?trust_server_certificate=true&application_name=sealift-test"
        );
        match text.parse::<Address>() {
            Ok(Address::SqlServer(address)) => *address,
            other => panic!("{other:?}"),
        }
    }

    /// Works over a connection of the driver's own.
    pub fn with<T>(&self, database: &str, work: impl AsyncFnOnce(&mut Client<Compat<TcpStream>>) -> T) -> T {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.enable_all().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let mut config = Config::new();
            config.host(&self.host);
            config.port(self.port);
            config.database(database);
            config.encryption(EncryptionLevel::Required);
            config.trust_cert();
            config.authentication(AuthMethod::sql_server(&self.user, &self.password));
            let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let mut client = Client::connect(config, tcp.compat_write()).await.unwrap();
            work(&mut client).await
        })
    }

    /// Runs batches, one after another, over a connection of the driver's own.
    pub fn run(&self, database: &str, batches: &[String]) {
        self.with(database, async |client| {
            for batch in batches {
                let stream = client.simple_query(batch.as_str()).await;
                let stream = stream.unwrap_or_else(|error| panic!("{batch}: {error}"));
                stream.into_results().await.unwrap_or_else(|error| panic!("{batch}: {error}"));
            }
        });
    }

    /// Makes a database that goes when it is dropped.
    pub fn database(&self) -> TestDatabase {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sealift_{}_{count}", std::process::id());
        // Not every engine makes two at a time.
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        self.run("master", &[format!("CREATE DATABASE [{name}]")]);
        drop(one);
        TestDatabase { server: self.clone(), name }
    }
}

/// A database for one test.
pub struct TestDatabase {
    pub server: TestServer,
    pub name: String,
}

impl TestDatabase {
    pub fn address(&self) -> SqlServerAddress {
        self.server.address(&self.name)
    }

    /// Makes the tables of a catalog.
    pub fn make(&self, catalog: &Catalog) {
        server::create(&Address::SqlServer(Box::new(self.address())), Schema::Like(catalog)).unwrap();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.server.endpoint.is_some() {
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // What is left of a test that failed is of no use, but must not hide why it failed.
        let _ = std::thread::spawn(move || server.run("master", &[format!("DROP DATABASE [{name}]")])).join();
    }
}
