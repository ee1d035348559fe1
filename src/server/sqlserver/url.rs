//! Addresses of the form `mssql://user:password@host:port\instance/database?setting=value`.

use super::address::SqlServerAddress;
use super::settings::{self, Draft, Form, Setting};
use crate::crypto::SecretBytes;
use crate::server::AddressError;

/// Reads what follows `mssql://`.
///
/// A password that should have been percent-encoded and is not can end the host's place early. So what is
/// read as host, port or path is never repeated in an error, and an `@` behind them is refused first of all.
pub(super) fn parse(text: &str) -> Result<SqlServerAddress, AddressError> {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (authority, tail) = text.split_at_checked(end).unwrap_or((text, ""));
    if let Some(raw) = ['@', '#'].into_iter().find(|raw| tail.contains(*raw)) {
        return Err(AddressError::Raw(raw));
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mut draft = Draft::default();
    let host = match authority.rsplit_once('@') {
        Some((who, host)) => {
            login(who, &mut draft)?;
            host
        }
        None => authority,
    };
    server(host, &mut draft)?;
    database(path, &mut draft)?;
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        setting(piece, &mut draft)?;
    }
    draft.finish()
}

fn login(who: &str, draft: &mut Draft) -> Result<(), AddressError> {
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    if !user.is_empty() {
        draft.user = Some(settings::name("the user's name", &text("the user's name", user)?)?);
    }
    // An empty one is one that has yet to be asked for.
    if !password.is_empty() {
        let bytes = decode("the password", password)?;
        if std::str::from_utf8(&bytes).is_err() {
            // To be wiped.
            drop(SecretBytes::from(bytes));
            return Err(AddressError::Part { part: "the password", why: "is not UTF-8 when decoded" });
        }
        draft.password = Some(SecretBytes::from(bytes));
    }
    Ok(())
}

/// `host`, `[number of IPv6]`, and after it `:port` and `\instance`, in either order.
fn server(place: &str, draft: &mut Draft) -> Result<(), AddressError> {
    let encoded = place.replace("%5C", "\\").replace("%5c", "\\");
    let mut rest = encoded.as_str();
    let host = match rest.strip_prefix('[') {
        Some(number) => {
            let Some((number, after)) = number.split_once(']') else {
                return Err(AddressError::Part { part: "the host name", why: "has a [ that is not closed" });
            };
            rest = after;
            // A number of IPv6 alone stands in brackets.
            if !number.contains(':') {
                return Err(AddressError::Part { part: "the host name", why: "has brackets around no IPv6" });
            }
            number.replace("%25", "%")
        }
        None => {
            let (host, after) = until_mark(rest);
            rest = after;
            text("the host name", host)?
        }
    };
    draft.host = Some(settings::host(&host)?);
    while let Some(mark) = rest.chars().next() {
        let (piece, after) = until_mark(rest.get(mark.len_utf8()..).unwrap_or_default());
        rest = after;
        match mark {
            ':' if draft.port.is_none() => draft.port = Some(settings::port(piece)?),
            '\\' if draft.instance.is_none() => {
                draft.instance = settings::instance(&text("the instance's name", piece)?)?;
            }
            _ => {
                return Err(AddressError::Part {
                    part: "the host name",
                    why: "is followed by something that is neither :PORT nor \\INSTANCE",
                });
            }
        }
    }
    Ok(())
}

/// Splits where a port or an instance begins.
fn until_mark(text: &str) -> (&str, &str) {
    let end = text.find([':', '\\']).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn database(path: &str, draft: &mut Draft) -> Result<(), AddressError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(());
    }
    if path.contains('/') {
        return Err(AddressError::Raw('/'));
    }
    draft.see(Setting::Database, Form::Url)?;
    draft.set(Setting::Database, "database", &text("the database's name", path)?)
}

fn setting(piece: &str, draft: &mut Draft) -> Result<(), AddressError> {
    let (key, value) = piece.split_once('=').ok_or(AddressError::NotASetting)?;
    let Ok(key) = text("the setting", key) else { return Err(AddressError::UnnamedKey) };
    let Some((setting, key)) = Setting::named(&key, Form::Url) else {
        return Err(settings::unknown(&key, Form::Url));
    };
    draft.see(setting, Form::Url)?;
    draft.set(setting, key, &text("a setting's value", value)?)
}

fn text(part: &'static str, encoded: &str) -> Result<String, AddressError> {
    String::from_utf8(decode(part, encoded)?)
        .map_err(|_| AddressError::Part { part, why: "is not UTF-8 when decoded" })
}

/// Replaces `%41` and the like by what they stand for.
fn decode(part: &'static str, encoded: &str) -> Result<Vec<u8>, AddressError> {
    let wrong = AddressError::Part { part, why: "has a % without two hexadecimal digits after it" };
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    // As large as it can become: what grows leaves copies of a password behind.
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => decoded.extend(u8::try_from(high * 16 + low)),
            _ => {
                drop(SecretBytes::from(decoded));
                return Err(wrong);
            }
        }
    }
    Ok(decoded)
}
