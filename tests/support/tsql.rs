//! A SQL Server for tests: the one that `SEALIFT_TEST_SQLSERVER` names, with a database for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use sealift::server::sqlserver::SqlServerAddress;
use sealift::server::{Address, Catalog};
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
}

impl TestServer {
    /// The server that `SEALIFT_TEST_SQLSERVER` names: `mssql://user:password@host:port`.
    pub fn named() -> Option<Self> {
        let text = std::env::var("SEALIFT_TEST_SQLSERVER").ok()?;
        let rest = text.strip_prefix("mssql://").expect("mssql://user:password@host:port");
        let (login, place) = rest.rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let place = place.split(['/', '?']).next().unwrap();
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "1433"));
        let (user, password) = (user.to_owned(), password.to_owned());
        Some(Self { host: host.to_owned(), port: port.parse().unwrap(), user, password })
    }

    /// The address of a database.
    pub fn address(&self, database: &str) -> SqlServerAddress {
        let Self { host, port, user, password } = self;
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
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build().unwrap();
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
        static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
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
        let mut batches = Vec::new();
        let names =
            |names: &[String]| names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
        for table in &catalog.tables {
            let mut lines = Vec::new();
            for column in &table.columns {
                let null = if column.nullable { "NULL" } else { "NOT NULL" };
                let default = column.default.as_ref().map(|d| format!(" DEFAULT {d}")).unwrap_or_default();
                let mut declared = column.declared.replace("(-1)", "(max)");
                if declared == "integer" {
                    declared = "int".to_owned();
                }
                lines.push(format!("[{}] {declared} {null}{default}", column.name));
            }
            if !table.primary_key.is_empty() {
                let key = names(&table.primary_key);
                lines.push(format!("CONSTRAINT [PK_{}] PRIMARY KEY ({key})", table.name));
            }
            for (at, set) in table.unique.iter().enumerate() {
                lines.push(format!("CONSTRAINT [UQ_{}_{at}] UNIQUE ({})", table.name, names(set)));
            }
            batches.push(format!("CREATE TABLE [dbo].[{}] ({})", table.name, lines.join(", ")));
        }
        for table in &catalog.tables {
            for (at, key) in table.foreign_keys.iter().enumerate() {
                let to = if key.to_columns.is_empty() {
                    let to = catalog.table(&key.to).unwrap();
                    names(&to.primary_key)
                } else {
                    names(&key.to_columns)
                };
                batches.push(format!(
                    "ALTER TABLE [dbo].[{0}] ADD CONSTRAINT [FK_{0}_{at}] FOREIGN KEY ({1}) REFERENCES [dbo].[{2}] ({to})",
                    table.name,
                    names(&key.columns),
                    key.to,
                ));
            }
        }
        self.server.run(&self.name, &batches);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // What is left of a test that failed is of no use, but must not hide why it failed.
        let _ = std::thread::spawn(move || server.run("master", &[format!("DROP DATABASE [{name}]")])).join();
    }
}
