//! TDS 7.4 as the server side of it: packets, the handshake, requests, tokens, values.

pub(crate) mod channel;
pub(crate) mod login;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod tls;
pub(crate) mod values;

/// An I/O error for bytes that are no TDS.
pub(crate) fn malformed(what: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_string())
}
