//! Where a database of a SQL Server is, and how it is logged in to.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::messages::ServerMessages;
use crate::crypto::SecretBytes;
use crate::progress::StopRequest;

/// The address of a database of a SQL Server. Shown and printed without its secrets.
#[derive(Clone)]
pub struct SqlServerAddress {
    /// The server's name or number in the network.
    pub host: String,
    /// Its port; `None` for 1433, or for the one that the instance's browser tells.
    pub port: Option<u16>,
    /// The name of the instance, where it is not the default one.
    pub instance: Option<String>,
    /// The database.
    pub database: String,
    /// The schema whose tables hold documents.
    pub schema: String,
    /// Who logs in.
    pub login: Login,
    /// A file that holds the login's password, where the address does not.
    pub password_file: Option<PathBuf>,
    /// A file that holds the access token.
    pub token_file: Option<PathBuf>,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// Whether any certificate is taken, whoever it is from.
    pub trust_any_certificate: bool,
    /// A file (PEM or DER) of authorities that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// The name that the certificate must have, where it is not the host's.
    pub host_in_certificate: Option<String>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long locks of others are waited for.
    pub lock_timeout: Duration,
    /// The name under which the server lists the connection.
    pub application_name: String,
    /// Whether the connection is for reading alone (a readable secondary will do).
    pub read_intent: bool,
    /// Interrupts what connections to this address wait for: a statement gets an attention, and the connection is
    /// dropped. A COMMIT is never interrupted.
    pub stop: StopRequest,
    /// Keeps the messages of the server's errors, where somebody asks for them.
    pub messages: ServerMessages,
}

impl SqlServerAddress {
    /// What the address gives up of the connection's security, a sentence for each.
    pub fn risks(&self) -> Vec<&'static str> {
        let encryption = match self.encryption {
            Encryption::Strict | Encryption::Required => None,
            Encryption::LoginOnly => Some(
                "only the login is encrypted (encrypt=login): others in the network can read and change all that is \
                 read and written",
            ),
            Encryption::Off => Some(
                "nothing is encrypted (encrypt=off): others in the network can read the login's password, and read and \
                 change all that is read and written",
            ),
        };
        // Without encryption there is no certificate.
        let any = self.trust_any_certificate && self.encryption != Encryption::Off;
        let certificate = any.then_some(
            "any certificate is taken (trust_server_certificate=true): others in the network can pass for the server; \
             ca=FILE names an authority to trust",
        );
        encryption.into_iter().chain(certificate).collect()
    }

    /// The same address for work that nothing interrupts.
    pub(super) fn uninterrupted(&self) -> Self {
        Self { stop: StopRequest::default(), ..self.clone() }
    }
}

/// Who logs in, and how.
#[derive(Clone)]
pub enum Login {
    /// A login of the SQL Server itself; the password may come from elsewhere.
    Sql {
        /// The login's name.
        user: String,
        /// The password; `None` where it has yet to be asked for.
        password: Option<Arc<SecretBytes>>,
    },
    /// The Windows user that runs Sealift, or another one with a password. On Windows only.
    Windows {
        /// `DOMAIN\user`; `None` for the user that runs Sealift.
        user: Option<String>,
        /// The password of that user.
        password: Option<Arc<SecretBytes>>,
    },
    /// An access token of Microsoft Entra ID.
    Token(Option<Arc<SecretBytes>>),
}

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte (TDS 8.0).
    Strict,
    /// All of it, after the first greeting.
    Required,
    /// The login alone.
    LoginOnly,
    /// Nothing at all.
    Off,
}

/// The port of a server's default instance.
const DEFAULT_PORT: u16 = 1433;

impl PartialEq for SqlServerAddress {
    /// Whether both name the same tables of the same server, however and by whom they are reached.
    fn eq(&self, other: &Self) -> bool {
        // A port says which instance it is; without one its name does.
        let place = |address: &Self| match (address.port, &address.instance) {
            (None, Some(instance)) => (0, instance.to_lowercase()),
            (port, _) => (port.unwrap_or(DEFAULT_PORT), String::new()),
        };
        self.host.eq_ignore_ascii_case(&other.host)
            && place(self) == place(other)
            && self.database.to_lowercase() == other.database.to_lowercase()
            && self.schema.to_lowercase() == other.schema.to_lowercase()
    }
}

impl Eq for SqlServerAddress {}

/// The address as it may be shown, and as it can be read again: without who logs in, and without settings.
impl fmt::Display for SqlServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "mssql://[{}]", self.host.replace('%', "%25"))?,
            false => write!(f, "mssql://{}", self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(instance) = &self.instance {
            write!(f, "\\{}", Encoded(instance))?;
        }
        write!(f, "/{}", Encoded(&self.database))
    }
}

/// A part of an address, in which characters with a meaning of their own are percent-encoded.
struct Encoded<'t>(&'t str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if matches!(c, '%' | '/' | '?' | '#' | '@' | ':' | '\\' | '[' | ']' | '&' | '=') || c.is_control()
            {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "%{byte:02X}")?;
                }
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SqlServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlServerAddress({self})")
    }
}
