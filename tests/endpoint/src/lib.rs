//! A server that speaks TDS 7.4 over SQLite, for tests only.
//!
//! It understands the T-SQL that Sealift sends and natural variations of it; everything else is an error that
//! names what was not understood, never passed over. It keeps SQL Server's types exactly, enforces its
//! constraints with its error numbers and texts, records every request, and breaks on demand.
//!
//! ```no_run
//! let endpoint = endpoint::Endpoint::start(endpoint::Options::default());
//! let (host, port) = endpoint.address();
//! let struck = endpoint.fault(endpoint::Fault::error("COMMIT", 1205));
//! // … a client connects to host and port …
//! assert!(struck.did());
//! ```

mod catalog;
mod convert;
mod database;
mod decimal;
mod execute;
mod fail;
mod faults;
mod functions;
mod locks;
mod moment;
mod openjson;
mod options;
mod parse;
mod record;
mod server;
mod shared;
mod system;
mod text;
mod transaction;
mod translate;
mod types;
mod wire;

pub use faults::{Direction, Fault, On, Struck, What};
pub use options::{Options, Tls};
pub use record::{Kind, Parameter, Request};

use shared::Shared;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A running endpoint; it ends, with its connections and its files, when it is dropped.
pub struct Endpoint {
    shared: Arc<Shared>,
    port: u16,
    accepting: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Endpoint {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// Where there is no port, no folder, or the options name an unknown collation: a test cannot go on.
    pub fn start(options: Options) -> Endpoint {
        let folder = tempfile::tempdir().expect("a folder for the databases");
        let identity = wire::tls::identity(folder.path(), &options.certificate_names).expect("a certificate");
        let shared = Shared::new(options, folder.path().to_owned(), identity);
        let shared =
            Arc::new(shared.unwrap_or_else(|fail| panic!("the endpoint's databases: {}", fail.message)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let accepting = {
            let shared = shared.clone();
            std::thread::spawn(move || server::accept(&listener, &shared))
        };
        Endpoint { shared, port, accepting: Some(accepting), _folder: folder }
    }

    /// Host and port.
    pub fn address(&self) -> (String, u16) {
        ("127.0.0.1".to_owned(), self.port)
    }

    /// The certificate of the authority that signed the endpoint's, as a PEM file.
    pub fn authority(&self) -> &Path {
        &self.shared.identity.authority
    }

    /// Changes options; what a login decides holds for logins to come.
    pub fn change(&self, change: impl FnOnce(&mut Options)) {
        self.shared.change_options(change);
    }

    /// The file of a database.
    pub fn file(&self, database: &str) -> Option<PathBuf> {
        self.shared.database(database).map(|d| d.path.clone())
    }

    /// A connection to the data itself. Tables have their own names; how values are kept says `types`.
    ///
    /// # Panics
    ///
    /// Where there is no such database.
    pub fn connection(&self, database: &str) -> rusqlite::Connection {
        let found = self.shared.database(database).unwrap_or_else(|| panic!("no database {database}"));
        let connection = found.connect().unwrap_or_else(|fail| panic!("{}", fail.message));
        connection.busy_timeout(std::time::Duration::from_secs(5)).expect("a timeout can be set");
        connection
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.record.all()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.record.clear();
    }

    /// Arms a fault; what is returned tells how often it struck.
    pub fn fault(&self, fault: Fault) -> Struck {
        self.shared.faults.arm(fault)
    }

    /// Cuts a connection before the packet of this number, counted from 0 over the connection in one direction
    /// (the packets of the TLS handshake do not count). Once: in the first session that gets there, or the one
    /// named.
    pub fn cut(&self, direction: Direction, packet: u64, session: Option<u32>) -> Struck {
        self.shared.faults.cut(direction, packet, session)
    }

    /// Disarms all faults and cuts.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How many packets a session has sent to the server and got from it.
    pub fn traffic(&self, session: u32) -> (u64, u64) {
        self.shared.faults.traffic(session)
    }

    /// Closes a session's connection now.
    pub fn close_session(&self, session: u32) {
        self.shared.close_session(session);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.shut();
        // The listener waits for a connection; this is it.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}
