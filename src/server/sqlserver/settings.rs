//! What an address of a SQL Server can say, in whichever form: its settings' names, values and defaults.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Encryption, Login, SqlServerAddress};
use super::messages::ServerMessages;
use crate::crypto::SecretBytes;
use crate::progress::StopRequest;
use crate::server::AddressError;

/// How long a connection may take to come about, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long locks of others are waited for, unless the address says otherwise.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest of either: a day.
const MAX_TIMEOUT: u64 = 24 * 60 * 60;
/// The server takes no longer names of anything.
const MAX_NAME: usize = 128;

/// One thing that an address can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Server,
    Database,
    Schema,
    User,
    Password,
    PasswordFile,
    TokenFile,
    Auth,
    Integrated,
    Encrypt,
    Trust,
    Ca,
    HostInCertificate,
    ConnectTimeout,
    LockTimeout,
    ApplicationName,
    ReadIntent,
    ApplicationIntent,
}

/// The two forms of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Url,
    ConnectionString,
}

/// Each setting with its name in a URL, where it has one, and those in a connection string.
const NAMES: &[(Setting, Option<&str>, &[&str])] = &[
    (Setting::Server, None, &["Server", "Data Source", "Address", "Addr", "Network Address"]),
    (Setting::Database, Some("database"), &["Database", "Initial Catalog"]),
    (Setting::Schema, Some("schema"), &["Schema"]),
    (Setting::User, None, &["User Id", "UID", "User"]),
    (Setting::Password, None, &["Password", "PWD"]),
    (Setting::PasswordFile, Some("password_file"), &["Password File"]),
    (Setting::TokenFile, Some("token_file"), &["Token File"]),
    (Setting::Auth, Some("auth"), &["Authentication"]),
    (Setting::Integrated, None, &["Integrated Security", "Trusted_Connection"]),
    (Setting::Encrypt, Some("encrypt"), &["Encrypt"]),
    (Setting::Trust, Some("trust_server_certificate"), &["TrustServerCertificate"]),
    (Setting::Ca, Some("ca"), &["CA"]),
    (Setting::HostInCertificate, Some("host_name_in_certificate"), &["HostNameInCertificate"]),
    (Setting::ConnectTimeout, Some("connect_timeout"), &["Connect Timeout", "Connection Timeout", "Timeout"]),
    (Setting::LockTimeout, Some("lock_timeout"), &["Lock Timeout"]),
    (Setting::ApplicationName, Some("application_name"), &["Application Name", "App"]),
    (Setting::ReadIntent, Some("read_intent"), &["Read Intent"]),
    (Setting::ApplicationIntent, None, &["ApplicationIntent"]),
];

/// A name without what may differ in it: `TrustServerCertificate` and `trust_server_certificate` are one.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

impl Setting {
    /// The setting of a name, and what it is called in errors.
    pub(super) fn named(name: &str, form: Form) -> Option<(Self, &'static str)> {
        let name = plain(name);
        NAMES.iter().find_map(|(setting, url, string)| {
            let names = match form {
                Form::Url => url.as_slice(),
                Form::ConnectionString => string,
            };
            names.iter().find(|known| plain(known) == name).map(|known| (*setting, *known))
        })
    }

    /// What the setting is called first.
    fn first_name(self, form: Form) -> &'static str {
        let names = NAMES.iter().find(|(setting, ..)| *setting == self);
        names
            .and_then(|(_, url, string)| match form {
                Form::Url => url.or(string.first().copied()),
                Form::ConnectionString => string.first().copied(),
            })
            .unwrap_or_default()
    }
}

/// The error for a name that is no setting's, with the name that is most like it.
pub(super) fn unknown(name: &str, form: Form) -> AddressError {
    let wanted = plain(name);
    // What is longer or has other characters is no slip in a name, but perhaps a piece of a secret.
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    if name.is_empty() || name.len() > 40 || !name.chars().all(harmless) {
        return AddressError::UnnamedKey;
    }
    let known = NAMES.iter().flat_map(|(_, url, string)| match form {
        Form::Url => url.as_slice(),
        Form::ConnectionString => string,
    });
    let nearest = known.map(|name| (steps(&wanted, &plain(name)), *name)).min();
    let nearest = nearest.filter(|(steps, _)| *steps <= (wanted.len() / 2).max(2)).map(|(_, name)| name);
    AddressError::UnknownKey { key: name.to_owned(), nearest }
}

/// How many characters must be put in, taken out or exchanged to get from one word to the other.
fn steps(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((b, above), diagonal) in to.chars().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            next.push((left + 1).min(above + 1).min(diagonal + usize::from(a != b)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// How an address says that somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auth {
    Sql,
    Windows,
    Token,
    /// One of the ways in which Microsoft's drivers get a token of Entra ID.
    Entra,
}

/// An address that is being read.
#[derive(Default)]
pub(super) struct Draft {
    seen: Vec<Setting>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) instance: Option<String>,
    database: Option<String>,
    schema: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretBytes>,
    password_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    auth: Option<Auth>,
    integrated: bool,
    encryption: Option<Encryption>,
    trust: bool,
    ca: Option<PathBuf>,
    host_in_certificate: Option<String>,
    connect_timeout: Option<Duration>,
    lock_timeout: Option<Duration>,
    application_name: Option<String>,
    read_intent: bool,
}

impl Draft {
    /// Notes that a setting is there.
    pub(super) fn see(&mut self, setting: Setting, form: Form) -> Result<(), AddressError> {
        // Two names of one thing.
        let kind = match setting {
            Setting::ApplicationIntent => Setting::ReadIntent,
            other => other,
        };
        if self.seen.contains(&kind) {
            return Err(AddressError::Twice(setting.first_name(form)));
        }
        self.seen.push(kind);
        Ok(())
    }

    /// Takes the value of a setting, but for those that have a grammar of their own: server, user, password.
    pub(super) fn set(
        &mut self,
        setting: Setting,
        key: &'static str,
        value: &str,
    ) -> Result<(), AddressError> {
        match setting {
            Setting::Server | Setting::User | Setting::Password => {}
            Setting::Database => self.database = Some(name("the database's name", value)?),
            Setting::Schema => self.schema = Some(name("the schema's name", value)?),
            Setting::PasswordFile => self.password_file = Some(file(key, value)?),
            Setting::TokenFile => self.token_file = Some(file(key, value)?),
            Setting::Ca => self.ca = Some(file(key, value)?),
            Setting::Auth => self.auth = Some(auth(key, value)?),
            Setting::Integrated => {
                self.integrated = plain(value) == "sspi" || flag(key, value)?;
            }
            Setting::Encrypt => self.encryption = Some(encryption(key, value)?),
            Setting::Trust => self.trust = flag(key, value)?,
            Setting::HostInCertificate => {
                self.host_in_certificate = Some(name("the name in the certificate", value)?);
            }
            Setting::ConnectTimeout => {
                // No limit, to Microsoft's drivers; a day is as good, and ends.
                let seconds = seconds(key, value)?;
                let limit = if seconds.is_zero() { Duration::from_secs(MAX_TIMEOUT) } else { seconds };
                self.connect_timeout = Some(limit);
            }
            Setting::LockTimeout => self.lock_timeout = Some(seconds(key, value)?),
            Setting::ApplicationName => self.application_name = Some(name("the application's name", value)?),
            Setting::ReadIntent => self.read_intent = flag(key, value)?,
            Setting::ApplicationIntent => {
                self.read_intent = match plain(value).as_str() {
                    "readonly" => true,
                    "readwrite" => false,
                    _ => return Err(AddressError::Value { key, expected: "ReadOnly or ReadWrite" }),
                };
            }
        }
        Ok(())
    }

    /// The address, when all of it is read.
    pub(super) fn finish(mut self) -> Result<SqlServerAddress, AddressError> {
        let host = self.host.take().ok_or(AddressError::NoServer)?;
        let database = self.database.take().ok_or(AddressError::NoDatabase)?;
        let password_file = self.password_file.take();
        let token_file = self.token_file.take();
        let login = self.login(password_file.is_some(), token_file.is_some())?;
        Ok(SqlServerAddress {
            host,
            port: self.port,
            instance: self.instance,
            database,
            schema: self.schema.unwrap_or_else(|| "dbo".to_owned()),
            login,
            password_file,
            token_file,
            encryption: self.encryption.unwrap_or(Encryption::Required),
            trust_any_certificate: self.trust,
            ca: self.ca,
            host_in_certificate: self.host_in_certificate,
            connect_timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            lock_timeout: self.lock_timeout.unwrap_or(LOCK_TIMEOUT),
            application_name: self.application_name.unwrap_or_else(|| "Sealift".to_owned()),
            read_intent: self.read_intent,
            stop: StopRequest::default(),
            messages: ServerMessages::default(),
        })
    }

    fn login(&mut self, password_file: bool, token_file: bool) -> Result<Login, AddressError> {
        let contradiction = |a, b| Err(AddressError::Contradiction(a, b));
        let user = self.user.take();
        let password = self.password.take().map(Arc::new);
        if password.is_some() && password_file {
            return contradiction("a password", "a password file");
        }
        if self.integrated {
            return match self.auth {
                Some(Auth::Sql | Auth::Token | Auth::Entra) => {
                    contradiction("integrated security", "another authentication")
                }
                _ if token_file => contradiction("integrated security", "a token file"),
                // Drivers of this form take no notice of a user then.
                _ => Ok(Login::Windows { user: None, password: None }),
            };
        }
        match self.auth {
            Some(Auth::Entra) if password.is_some() || password_file => Err(AddressError::EntraPassword),
            Some(Auth::Entra) => Ok(Login::Token(None)),
            Some(Auth::Token) | None if token_file || self.auth.is_some() => {
                if user.is_some() || password.is_some() || password_file {
                    return contradiction("a user or password", "a token");
                }
                Ok(Login::Token(None))
            }
            _ if token_file => contradiction("a token file", "a login without a token"),
            Some(Auth::Windows) if user.is_none() && (password.is_some() || password_file) => {
                Err(AddressError::NoUser)
            }
            Some(Auth::Windows) => Ok(Login::Windows { user, password }),
            auth => {
                let user = user.ok_or(AddressError::NoUser)?;
                // No login of the server's own has a backslash.
                Ok(match auth.is_none() && user.contains('\\') {
                    true => Login::Windows { user: Some(user), password },
                    false => Login::Sql { user, password },
                })
            }
        }
    }
}

/// A name that the server may take.
pub(super) fn name(part: &'static str, value: &str) -> Result<String, AddressError> {
    let wrong = |why| Err(AddressError::Part { part, why });
    if value.trim().is_empty() {
        return wrong("is empty");
    }
    if value.chars().any(char::is_control) {
        return wrong("has a control character");
    }
    if value.chars().count() > MAX_NAME {
        return wrong("has more than 128 characters");
    }
    Ok(value.to_owned())
}

/// The name or number of a host, in lower case only where it stands for this machine.
pub(super) fn host(value: &str) -> Result<String, AddressError> {
    let wrong = |why| Err(AddressError::Part { part: "the host name", why });
    if matches!(value.to_ascii_lowercase().as_str(), "." | "(local)") {
        return Ok("localhost".to_owned());
    }
    if value.is_empty() {
        return wrong("is missing");
    }
    if value.len() > 255 {
        return wrong("is too long");
    }
    if value.contains(':') {
        let number = value.split('%').next().unwrap_or_default();
        let zone = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '%' | '-' | '_');
        return match number.parse::<std::net::Ipv6Addr>().is_ok() && value.chars().all(zone) {
            true => Ok(value.to_owned()),
            false => wrong("is no number of IPv6, and no other has a colon"),
        };
    }
    match value.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        true => Ok(value.to_owned()),
        false => wrong("has a character that no host's name has"),
    }
}

/// The name of an instance; `None` for the default one, which needs no name.
pub(super) fn instance(value: &str) -> Result<Option<String>, AddressError> {
    let name = name("the instance's name", value)?;
    match name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '#' | '-')) {
        true => Ok((!name.eq_ignore_ascii_case("MSSQLSERVER")).then_some(name)),
        false => Err(AddressError::Part {
            part: "the instance's name",
            why: "has a character that no instance's name has",
        }),
    }
}

/// The number of a port.
pub(super) fn port(value: &str) -> Result<u16, AddressError> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    value
        .parse()
        .ok()
        .filter(|port| *port != 0 && digits)
        .ok_or(AddressError::Part { part: "the port", why: "is no number from 1 to 65535" })
}

fn file(key: &'static str, value: &str) -> Result<PathBuf, AddressError> {
    match value.is_empty() || value.contains('\0') {
        true => Err(AddressError::Value { key, expected: "the path of a file" }),
        false => Ok(PathBuf::from(value)),
    }
}

fn flag(key: &'static str, value: &str) -> Result<bool, AddressError> {
    match plain(value).as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(AddressError::Value { key, expected: "true or false" }),
    }
}

fn seconds(key: &'static str, value: &str) -> Result<Duration, AddressError> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let seconds = value.parse().ok().filter(|seconds| digits && *seconds <= MAX_TIMEOUT);
    seconds
        .map(Duration::from_secs)
        .ok_or(AddressError::Value { key, expected: "a number of seconds, 86400 at most" })
}

fn encryption(key: &'static str, value: &str) -> Result<Encryption, AddressError> {
    match plain(value).as_str() {
        "strict" => Ok(Encryption::Strict),
        "true" | "yes" | "1" | "mandatory" | "required" | "on" => Ok(Encryption::Required),
        // What drivers call unencrypted encrypts the login all the same.
        "false" | "no" | "0" | "optional" | "login" => Ok(Encryption::LoginOnly),
        "off" | "disable" | "disabled" | "none" => Ok(Encryption::Off),
        _ => Err(AddressError::Value { key, expected: "strict, true, login (or false) or off" }),
    }
}

fn auth(key: &'static str, value: &str) -> Result<Auth, AddressError> {
    match plain(value).as_str() {
        "sql" | "sqlpassword" => Ok(Auth::Sql),
        "windows" => Ok(Auth::Windows),
        "token" => Ok(Auth::Token),
        "activedirectoryintegrated"
        | "activedirectorypassword"
        | "activedirectoryinteractive"
        | "activedirectoryserviceprincipal"
        | "activedirectorydevicecodeflow"
        | "activedirectorymanagedidentity"
        | "activedirectorymsi"
        | "activedirectorydefault"
        | "activedirectoryworkloadidentity" => Ok(Auth::Entra),
        _ => {
            Err(AddressError::Value { key, expected: "sql, windows, token, or a way of Microsoft Entra ID" })
        }
    }
}
