//! What an endpoint is like.

/// What the endpoint does of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None at all.
    Off,
    /// For the login alone, unless the client asks for more.
    LoginOnly,
    /// For everything.
    Required,
}

/// The server's properties, logins and limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one login; compared without case.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The databases made at the start; the first is where a login without a database goes.
    pub databases: Vec<String>,
    /// TLS.
    pub tls: Tls,
    /// The names in the certificate.
    pub certificate_names: Vec<String>,
    /// The databases' collation: `SQL_Latin1_General_CP1_CI_AS`, `Latin1_General_BIN2`, …
    pub collation: String,
    /// tempdb's collation: what text in `#tables` has that names none.
    pub server_collation: String,
    /// Whether new databases allow SNAPSHOT.
    pub snapshot_isolation: bool,
    /// 150 for SQL Server 2019; below 130 there is no OPENJSON, below 150 error 8152 instead of 2628.
    pub compatibility_level: u8,
    /// `16.0.1000.6`.
    pub product_version: String,
    /// Whether every change is refused (3906).
    pub read_only: bool,
    /// What is denied: a verb with a table (`("INSERT", "Project")`, error 229), or with the empty name for the
    /// database (`("CREATE TABLE", "")`, error 262).
    pub denied: Vec<(String, String)>,
    /// The largest packet that the endpoint agrees to.
    pub packet_size: usize,
    /// Every write in so many bytes.
    pub split_writes: Option<usize>,
    /// Rows as NBCROW.
    pub compressed_nulls: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            user: "sa".to_owned(),
            password: "Endpoint-Passw0rd".to_owned(),
            databases: vec!["Octopus".to_owned()],
            tls: Tls::LoginOnly,
            certificate_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            collation: "SQL_Latin1_General_CP1_CI_AS".to_owned(),
            server_collation: "SQL_Latin1_General_CP1_CI_AS".to_owned(),
            snapshot_isolation: true,
            compatibility_level: 160,
            product_version: "16.0.1000.6".to_owned(),
            read_only: false,
            denied: Vec::new(),
            packet_size: 32767,
            split_writes: None,
            compressed_nulls: false,
        }
    }
}
