//! How servers are named on a command line.

use std::fmt;
use std::path::PathBuf;

use super::sqlserver::{self, SqlServerAddress};

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `sqlite:PATH`: the embedded server, one SQLite database.
    Sqlite(PathBuf),
    /// `mssql://…` or an ADO.NET connection string: a database of a SQL Server.
    SqlServer(Box<SqlServerAddress>),
}

/// A text that names no server.
///
/// The text may hold a password, and a slip may make a password look like any other part. So no variant
/// repeats more than the name of a key, and that only where it cannot be a piece of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No scheme that we know stands before the colon. Holds what of the text may be shown.
    #[error("{0} names no server")]
    Unknown(String),
    /// Nothing follows the scheme.
    #[error("{0:?} names no database")]
    Empty(String),
    /// The scheme of a SQL Server without `//`.
    #[error("{0:?} stands there without the // that follows it in an address")]
    NoSlashes(&'static str),
    /// A part of the address cannot be what it is.
    #[error("{part} of the SQL Server {why}")]
    Part {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A character stands where it means something else.
    #[error("the address of the SQL Server has {0:?} at a place where it must be percent-encoded")]
    Raw(char),
    /// The connection string names no server.
    #[error("the connection string names no server")]
    NoServer,
    /// The address names no database.
    #[error("the address of the SQL Server names no database")]
    NoDatabase,
    /// The address does not say who logs in.
    #[error("the address of the SQL Server does not say who logs in")]
    NoUser,
    /// Something that is not `key=value` stands among the settings.
    #[error("one of the address's settings is not KEY=VALUE")]
    NotASetting,
    /// A setting that we do not know.
    #[error("the address has a setting that is not known, {key:?}")]
    UnknownKey {
        /// Its name.
        key: String,
        /// The known setting that is most like it.
        nearest: Option<&'static str>,
    },
    /// A setting that we do not know, whose name may be a piece of a password.
    #[error("the address has a setting that is not known, which may be a piece of the password")]
    UnnamedKey,
    /// A setting that Sealift does not follow.
    #[error("the setting {0:?} of the connection string is not supported")]
    Unsupported(&'static str),
    /// A setting stands there twice, perhaps under two names.
    #[error("the address says twice what {0:?} is")]
    Twice(&'static str),
    /// A setting's value is none that it can have.
    #[error("the address's setting {key:?} must be {expected}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// Two things that exclude each other.
    #[error("the address has both {0} and {1}")]
    Contradiction(&'static str, &'static str),
    /// A quotation mark that is not closed, or with something after it.
    #[error("the quotation marks of {0} do not match")]
    Quotes(&'static str),
    /// A way to the server other than TCP.
    #[error("the connection string asks for {0}, and Sealift speaks TCP alone")]
    NotTcp(&'static str),
    /// Microsoft Entra ID is to be asked with a password.
    #[error("Sealift does not ask Microsoft Entra ID for a token, and the address has a password for it")]
    EntraPassword,
}

impl Address {
    /// Where the server is, in one spelling, without login and settings: two addresses of one place are equal,
    /// as far as that can be told without asking the network.
    pub fn place(&self) -> String {
        match self {
            Address::Sqlite(path) => {
                let absolute = path.canonicalize().or_else(|_| std::path::absolute(path));
                format!("sqlite:{}", absolute.as_deref().unwrap_or(path).display())
            }
            Address::SqlServer(address) => {
                let instance = match (&address.instance, address.port) {
                    (_, Some(port)) => format!(":{port}"),
                    (Some(instance), None) => format!("\\{}", instance.to_lowercase()),
                    (None, None) => ":1433".to_owned(),
                };
                let (database, schema) = (address.database.to_lowercase(), address.schema.to_lowercase());
                format!("mssql://{}{instance}/{database}?schema={schema}", address.host.to_lowercase())
            }
        }
    }

    /// Reads an address. Returns `None` for a text that has no scheme of ours: a path, perhaps.
    ///
    /// # Errors
    /// [`AddressError`], for a text that is no path, but cannot be read as an address either.
    pub fn recognise(text: &str) -> Result<Option<Self>, AddressError> {
        match text.split_once(':') {
            Some(("sqlite", "")) => return Err(AddressError::Empty(text.to_owned())),
            Some(("sqlite", path)) => return Ok(Some(Address::Sqlite(PathBuf::from(path)))),
            _ => {}
        }
        if let Some(address) = sqlserver::recognise(text)? {
            return Ok(Some(Address::SqlServer(Box::new(address))));
        }
        // Of another product. Taken for a path it would be repeated where it is not found, with its password.
        match text.split_once("://") {
            Some((scheme, _)) if !scheme.is_empty() && !scheme.contains(['/', '\\']) => {
                Err(AddressError::Unknown(subject(text)))
            }
            _ => Ok(None),
        }
    }
}

/// What of a text that is no address may be shown: all of a path, the scheme of anything that has one.
fn subject(text: &str) -> String {
    if !text.contains(['@', '=', ';', ':']) {
        return format!("{text:?}");
    }
    let scheme = text.split(':').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match !scheme.is_empty() && scheme.chars().all(plain) {
        true => format!("\"{scheme}:…\""),
        false => "the text".to_owned(),
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::recognise(text)?.ok_or_else(|| AddressError::Unknown(subject(text)))
    }
}

/// The address as it may be shown, without secrets.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Address::SqlServer(address) => address.fmt(f),
        }
    }
}
