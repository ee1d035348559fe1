//! Connection strings of ADO.NET: `Server=tcp:host\instance,1433;Database=…;User Id=…;Password='a;b'`.

use std::borrow::Cow;

use super::address::SqlServerAddress;
use super::settings::{self, Draft, Form, Setting, plain};
use crate::crypto::SecretBytes;
use crate::server::AddressError;

/// Settings of Microsoft's drivers that do not matter here: how they keep connections, and how they look.
const WITHOUT_MEANING: &[&str] = &[
    "asynchronousprocessing",
    "commandtimeout",
    "connectionlifetime",
    "connectionreset",
    "connectretrycount",
    "connectretryinterval",
    "currentlanguage",
    "enlist",
    "failoverpartner",
    "failoverpartnerspn",
    "ipaddresspreference",
    "language",
    "loadbalancetimeout",
    "maxpoolsize",
    "minpoolsize",
    "multipleactiveresultsets",
    "multisubnetfailover",
    "packetsize",
    "persistsecurityinfo",
    "poolblockingperiod",
    "pooling",
    "replication",
    "serverspn",
    "transactionbinding",
    "transparentnetworkipresolution",
    "typesystemversion",
    "workstationid",
    "wsid",
];

/// Settings that would change what is connected to, or what is read there: followed, or refused.
const NOT_SUPPORTED: &[&str] = &[
    "AttachDbFilename",
    "Column Encryption Setting",
    "Context Connection",
    "Extended Properties",
    "Initial File Name",
    "Network Library",
    "Server Certificate",
    "User Instance",
];

/// Whether a text is a connection string, be it a wrong one. A path is none.
pub(super) fn is_connection_string(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '_');
    let first = text.split_once('=').map(|(key, _)| key.trim());
    if !first.is_some_and(|key| !key.is_empty() && key.chars().all(word)) {
        return false;
    }
    let known = |piece: &str| {
        let (key, _) = piece.split_once('=')?;
        Setting::named(key.trim(), Form::ConnectionString).map(|(setting, _)| setting)
    };
    let mut found = text.split(';').filter_map(known).peekable();
    // A file may well be called `schema=dbo`; with two settings it is called so no more.
    match text.contains(';') {
        true => found.peek().is_some(),
        false => found.any(|setting| matches!(setting, Setting::Server | Setting::Password)),
    }
}

/// Reads a connection string.
///
/// A password with a semicolon that is not quoted goes on as further settings. So a setting that follows it and
/// is not known is not named.
pub(super) fn parse(text: &str) -> Result<SqlServerAddress, AddressError> {
    let mut draft = Draft::default();
    let mut rest = text;
    let mut after_password = false;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if rest.is_empty() {
            return draft.finish();
        }
        let (key, behind) = rest.split_once('=').ok_or(AddressError::NotASetting)?;
        if key.contains(';') {
            return Err(AddressError::NotASetting);
        }
        let key = key.trim();
        let known = Setting::named(key, Form::ConnectionString);
        let (value, behind) = value(known.map_or("a setting", |(_, name)| name), behind)?;
        rest = behind;
        match known {
            Some((setting, name)) => {
                after_password = setting == Setting::Password;
                draft.see(setting, Form::ConnectionString)?;
                set(&mut draft, setting, name, value)?;
            }
            None if WITHOUT_MEANING.contains(&plain(key).as_str()) => {}
            None => unsupported(key, &value, after_password)?,
        }
    }
}

fn set(
    draft: &mut Draft,
    setting: Setting,
    key: &'static str,
    value: Cow<'_, str>,
) -> Result<(), AddressError> {
    if setting == Setting::Password {
        // An empty one is one that has yet to be asked for.
        draft.password = (!value.is_empty()).then(|| SecretBytes::from(value.into_owned()));
        return Ok(());
    }
    // A setting without a value has its default.
    if value.is_empty() {
        return Ok(());
    }
    match setting {
        Setting::Server => server(&value, draft),
        Setting::User => {
            draft.user = Some(settings::name("the user's name", &value)?);
            Ok(())
        }
        _ => draft.set(setting, key, &value),
    }
}

fn unsupported(key: &str, value: &str, after_password: bool) -> Result<(), AddressError> {
    if after_password {
        return Err(AddressError::UnnamedKey);
    }
    let alias = match plain(key).as_str() {
        "network" | "net" => "networklibrary".to_owned(),
        other => other.to_owned(),
    };
    let Some(name) = NOT_SUPPORTED.iter().find(|name| plain(name) == alias) else {
        return Err(settings::unknown(key, Form::ConnectionString));
    };
    // The values that ask for nothing, or for TCP.
    match plain(value).as_str() {
        "" | "false" | "no" | "disabled" | "dbmssocn" => Ok(()),
        _ => Err(AddressError::Unsupported(name)),
    }
}

/// A value, and what follows the semicolon after it.
fn value<'t>(name: &'static str, text: &'t str) -> Result<(Cow<'t, str>, &'t str), AddressError> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace());
    let mark = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(mark) = mark else {
        let (value, behind) = text.split_once(';').unwrap_or((text, ""));
        let value = value.trim_end();
        // A mark that closes nothing: most likely the value was to begin with one.
        return match value.ends_with(['"', '\'']) {
            true => Err(AddressError::Quotes(name)),
            false => Ok((Cow::Borrowed(value), behind)),
        };
    };
    // As large as it can become: what grows leaves copies of a password behind.
    let mut value = String::with_capacity(text.len());
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        let Some((piece, behind)) = rest.split_once(mark) else {
            drop(SecretBytes::from(value));
            return Err(AddressError::Quotes(name));
        };
        value.push_str(piece);
        match behind.strip_prefix(mark) {
            // A doubled mark is one of the value's.
            Some(behind) => {
                value.push(mark);
                rest = behind;
            }
            None => {
                let behind = behind.trim_start();
                return match behind.strip_prefix(';') {
                    Some(behind) => Ok((Cow::Owned(value), behind)),
                    None if behind.is_empty() => Ok((Cow::Owned(value), "")),
                    None => {
                        drop(SecretBytes::from(value));
                        Err(AddressError::Quotes(name))
                    }
                };
            }
        }
    }
}

/// `tcp:host\instance,port`
fn server(value: &str, draft: &mut Draft) -> Result<(), AddressError> {
    let lower = value.to_ascii_lowercase();
    let other = [
        ("np:", "a named pipe"),
        ("\\\\", "a named pipe"),
        ("lpc:", "shared memory"),
        ("admin:", "the administrator's connection"),
        ("(localdb)", "LocalDB"),
    ];
    if let Some((_, what)) = other.iter().find(|(start, _)| lower.starts_with(start)) {
        return Err(AddressError::NotTcp(what));
    }
    let value = match lower.starts_with("tcp:") {
        true => value.get(4..).unwrap_or_default(),
        false => value,
    };
    let (place, port) = match value.split_once(',') {
        Some((place, port)) => (place, Some(settings::port(port.trim())?)),
        None => (value, None),
    };
    let (host, instance) = match place.split_once('\\') {
        Some((host, instance)) => (host, settings::instance(instance.trim())?),
        None => (place, None),
    };
    let host = host.trim();
    let number = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if number.is_none() && host.matches(':').count() == 1 {
        return Err(AddressError::Part {
            part: "the host name",
            why: "has a colon; a connection string has the port after a comma",
        });
    }
    draft.host = Some(settings::host(number.unwrap_or(host))?);
    draft.port = port;
    draft.instance = instance;
    Ok(())
}
