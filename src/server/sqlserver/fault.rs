//! What SQL Server and its driver say, as an error of the contract.
//!
//! Many of the server's messages quote values of the row, and so may those that are not known here: the number
//! decides, and of the message only names that the catalog knows are passed on. A few messages that never hold
//! a value are repeated; of all others what they quote is left out.

use tiberius::error::Error;

use super::address::SqlServerAddress;
use super::allowance;
use super::malformed::{self, Malformed};
use super::messages::{self, MOST_SHOWN, ServerMessages};
use super::schema::Schema;
use crate::server::ServerError;
use crate::text::{cut, shown};

/// What was being done, for messages.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    /// "reading Project".
    pub(super) what: &'a str,
    /// The server, without secrets.
    pub(super) address: &'a str,
    /// The table, where there is one.
    pub(super) table: &'a str,
    /// Where names in messages are looked for.
    pub(super) schema: Option<&'a Schema>,
}

/// Numbers of SQL Server's errors.
mod number {
    pub(super) const NULL: u32 = 515;
    pub(super) const CONFLICT: u32 = 547;
    pub(super) const UNIQUE_INDEX: u32 = 2601;
    pub(super) const UNIQUE: u32 = 2627;
    pub(super) const TOO_LONG: [u32; 2] = [2628, 8152];
    pub(super) const NOT_CONVERTED: [u32; 9] = [220, 232, 241, 242, 245, 248, 8114, 8115, 8169];
    pub(super) const FULL: [u32; 5] = [1101, 1105, 9002, 40544, 3958];
    pub(super) const DEADLOCK: u32 = 1205;
    pub(super) const LOCK_TIMEOUT: u32 = 1222;
    pub(super) const PERMISSION: [u32; 9] = [229, 230, 262, 297, 300, 916, 1088, 4701, 15247];
    pub(super) const READ_ONLY: [u32; 4] = [3906, 3908, 978, 27069];
    pub(super) const NO_TABLE: u32 = 208;
    pub(super) const NO_COLUMN: u32 = 207;
    pub(super) const COLLATION: [u32; 3] = [446, 448, 468];
    pub(super) const NO_DATABASE: [u32; 4] = [4060, 911, 4064, 40532];
    pub(super) const LOGIN: [u32; 9] = [18456, 18452, 18470, 18486, 18487, 18488, 18461, 18401, 40607];
    pub(super) const FIREWALL: [u32; 2] = [40615, 40914];
    /// Those whose messages hold names and words of a statement, which never has values in it: syntax, unknown
    /// names, settings of the session, memory and locks.
    pub(super) const QUOTABLE: [u32; 35] = [
        102, 105, 137, 156, 195, 201, 207, 208, 209, 213, 266, 334, 447, 544, 545, 701, 802, 911, 1204, 1934,
        2714, 2812, 3609, 3701, 3902, 3903, 3930, 3952, 3960, 3961, 8120, 8621, 8623, 8645, 8651,
    ];
}

/// The error of a statement.
pub(super) fn of(doing: &Doing<'_>, messages: &ServerMessages, error: Error) -> ServerError {
    let failed = |source: String| ServerError::Failed { doing: doing.what.to_owned(), source: source.into() };
    if allowance::is_flood(&error) {
        return flooded(doing.address);
    }
    let Error::Server(token) = &error else {
        return match error {
            error if malformed::is_text(&error) => {
                ServerError::Failed { doing: doing.what.to_owned(), source: Box::new(Malformed) }
            }
            error => ServerError::Lost { doing: doing.what.to_owned(), source: Box::new(error) },
        };
    };
    messages.note(token);
    let code = token.code();
    let constraint = |reason: String| ServerError::Constraint { table: doing.table.to_owned(), reason };
    match code {
        number::NULL => constraint(format!("NOT NULL constraint{}", on(doing, token.message()))),
        number::CONFLICT => conflict(doing, token.message()),
        number::UNIQUE | number::UNIQUE_INDEX => unique(doing, token.message()),
        code if number::TOO_LONG.contains(&code) => {
            constraint(format!("a value is too long{}", on(doing, token.message())))
        }
        code if number::NOT_CONVERTED.contains(&code) => {
            constraint(format!("a value does not fit its column (error {code})"))
        }
        code if number::FULL.contains(&code) => ServerError::Full,
        number::DEADLOCK => ServerError::Deadlock { doing: doing.what.to_owned() },
        number::LOCK_TIMEOUT => ServerError::Busy,
        code if number::PERMISSION.contains(&code) => {
            ServerError::Permission { doing: doing.what.to_owned() }
        }
        code if number::READ_ONLY.contains(&code) => ServerError::ReadOnly(doing.address.to_owned()),
        number::NO_TABLE if !doing.table.is_empty() => ServerError::NoTable(doing.table.to_owned()),
        number::NO_COLUMN => {
            let table = doing.table.to_owned();
            let column = quoted(token.message()).next().unwrap_or_default().to_owned();
            ServerError::NoColumn { table, column }
        }
        code if number::COLLATION.contains(&code) => ServerError::Unsupported {
            address: doing.address.to_owned(),
            reason: format!("collations clash while {} (error {code})", doing.what),
        },
        // The server ends a session with these, and closes the connection.
        _ if token.class() >= 20 => {
            ServerError::Lost { doing: doing.what.to_owned(), source: messages::described(token).into() }
        }
        code if number::QUOTABLE.contains(&code) => {
            failed(format!("SQL Server error {code}: {}", shown(&cut(token.message(), MOST_SHOWN))))
        }
        _ => failed(messages::described(token)),
    }
}

/// What the TLS library says of an answer that is no TLS, or of parties that do not agree.
const NO_TLS: [&str; 6] =
    ["tls", "handshake", "corrupt message", "fatal alert", "misbehaved", "peer is incompatible"];

/// The error of a connection that did not come about.
pub(super) fn connecting(address: &SqlServerAddress, shown: &str, error: Error) -> ServerError {
    let shown = shown.to_owned();
    if let Error::Server(token) = &error {
        address.messages.note(token);
    }
    if allowance::is_flood(&error) {
        return flooded(&shown);
    }
    match &error {
        // The driver has one text for this.
        Error::Protocol(reason) if reason.contains("encryption level") => {
            ServerError::NotEncrypted { address: shown, reason: "the server offers no encryption".to_owned() }
        }
        Error::Tls(reason) => {
            // The driver goes on with advice for those who program with it.
            let reason = reason.split(" To connect anyway you can").next().unwrap_or_default();
            ServerError::Tls { address: shown, reason: reason.trim_end_matches('.').to_owned() }
        }
        Error::Server(token) if number::LOGIN.contains(&token.code()) => {
            ServerError::Login { address: shown, reason: login(token.code(), address) }
        }
        Error::Server(token) if number::NO_DATABASE.contains(&token.code()) => ServerError::Missing(shown),
        Error::Server(token) if number::FIREWALL.contains(&token.code()) => ServerError::Unreachable {
            address: shown,
            source: "the server's firewall does not let this machine in".into(),
        },
        Error::Server(token) if number::PERMISSION.contains(&token.code()) => {
            ServerError::Login { address: shown, reason: "it may not use the database".to_owned() }
        }
        Error::Io { message, .. } if message.contains("certificate") => {
            ServerError::Tls { address: shown, reason: message.clone() }
        }
        Error::Io { message, .. } if NO_TLS.iter().any(|words| message.contains(words)) => {
            ServerError::NotEncrypted { address: shown, reason: message.clone() }
        }
        Error::Server(token) => {
            let doing = format!("logging in to {shown}");
            ServerError::Failed { doing, source: messages::described(token).into() }
        }
        _ => ServerError::Unreachable { address: shown, source: Box::new(error) },
    }
}

/// The error of a server that sends without an end.
pub(super) fn flooded(address: &str) -> ServerError {
    let reason = allowance::FLOOD.to_owned();
    ServerError::Unsupported { address: address.to_owned(), reason }
}

fn login(code: u32, _address: &SqlServerAddress) -> String {
    match code {
        18470 => "it is disabled".to_owned(),
        18486 => "it is locked out".to_owned(),
        18487 | 18488 => "its password has expired and must be changed".to_owned(),
        18452 => "the server takes no Windows logins from an untrusted domain".to_owned(),
        18461 => "the server is in single user mode".to_owned(),
        18401 => "the server is being upgraded".to_owned(),
        _ => "no such login, a wrong password, or no access to the database".to_owned(),
    }
}

/// The error of a statement after the connection was given up.
pub(super) fn given_up(doing: &Doing<'_>) -> ServerError {
    let source = "an earlier failure has ended the connection, and the server has taken everything back";
    ServerError::Lost { doing: doing.what.to_owned(), source: source.into() }
}

/// The texts in quotes of one or the other kind.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split(['\'', '"']).skip(1).step_by(2)
}

/// Names the column of the table that a message quotes.
fn on(doing: &Doing<'_>, message: &str) -> String {
    let table = doing.schema.and_then(|schema| schema.catalog.table(doing.table));
    let column = table.and_then(|table| quoted(message).find_map(|name| table.column(name)));
    column.map(|column| format!(" on {}", column.name)).unwrap_or_default()
}

/// A unique constraint or index: told by its name, its columns by the catalog.
fn unique(doing: &Doing<'_>, message: &str) -> ServerError {
    let found =
        doing.schema.and_then(|schema| schema.unique_named(|name| quoted(message).any(|q| q == name)));
    let (table, reason) = match found {
        Some((table, columns)) => {
            let nature = if *columns == *table.primary_key { "PRIMARY KEY" } else { "UNIQUE" };
            (table.name.as_str(), format!("{nature} constraint on {}", columns.join(", ")))
        }
        None => (doing.table, "UNIQUE constraint".to_owned()),
    };
    ServerError::Constraint { table: table.to_owned(), reason }
}

/// A foreign key or a check.
fn conflict(doing: &Doing<'_>, message: &str) -> ServerError {
    let found = doing.schema.and_then(|s| s.foreign_key_named(|name| quoted(message).any(|q| q == name)));
    let (table, reason) = match found {
        Some((table, key)) => {
            let columns = key.columns.join(", ");
            (table.name.as_str(), format!("FOREIGN KEY constraint on {columns} finds no row in {}", key.to))
        }
        None => (doing.table, "a CHECK or FOREIGN KEY constraint".to_owned()),
    };
    ServerError::Constraint { table: table.to_owned(), reason }
}
