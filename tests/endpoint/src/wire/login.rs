//! PRELOGIN and LOGIN7.

use super::malformed;
use crate::text;
use std::io;

/// What PRELOGIN says of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    Off,
    On,
    NotSupported,
    Required,
}

impl Encryption {
    fn from_byte(byte: u8) -> io::Result<Encryption> {
        match byte & 0x7F {
            0 => Ok(Encryption::Off),
            1 => Ok(Encryption::On),
            2 => Ok(Encryption::NotSupported),
            3 => Ok(Encryption::Required),
            other => Err(malformed(format!("PRELOGIN encryption {other}"))),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Encryption::Off => 0,
            Encryption::On => 1,
            Encryption::NotSupported => 2,
            Encryption::Required => 3,
        }
    }
}

/// What the client asks for.
pub(crate) fn prelogin(data: &[u8]) -> io::Result<Encryption> {
    let mut at = 0;
    loop {
        match data.get(at) {
            None => return Err(malformed("PRELOGIN without an end")),
            Some(0xFF) => return Ok(Encryption::NotSupported),
            Some(1) => {
                let place = data.get(at + 1..at + 3).ok_or_else(|| malformed("PRELOGIN"))?;
                let place = usize::from(u16::from_be_bytes([place[0], place[1]]));
                return Encryption::from_byte(*data.get(place).ok_or_else(|| malformed("PRELOGIN"))?);
            }
            Some(_) => at += 5,
        }
    }
}

/// VERSION, ENCRYPTION, INSTOPT, MARS.
pub(crate) fn prelogin_reply(encryption: Encryption, major: u8) -> Vec<u8> {
    let mut reply = vec![0, 0, 21, 0, 6, 1, 0, 27, 0, 1, 2, 0, 28, 0, 1, 4, 0, 29, 0, 1, 0xFF];
    reply.extend_from_slice(&[major, 0, 0x10, 0, 0, 0, encryption.byte(), 0, 0]);
    reply
}

pub(crate) struct Login {
    pub user: String,
    pub password: String,
    pub database: String,
    pub application: String,
    pub packet_size: usize,
}

pub(crate) fn login7(data: &[u8]) -> io::Result<Login> {
    let short = || malformed("LOGIN7 is too short");
    let u16_at = |at: usize| {
        data.get(at..at + 2).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))).ok_or_else(short)
    };
    let field = |at: usize| {
        let (from, count) = (u16_at(at)?, u16_at(at + 2)?);
        data.get(from..from + count * 2).ok_or_else(short)
    };
    let version = data.get(4..8).ok_or_else(short)?;
    if version != [4, 0, 0, 0x74] {
        return Err(malformed(format!("TDS version {version:02x?}, where only 7.4 is spoken")));
    }
    let size = data.get(8..12).ok_or_else(short)?;
    let password: Vec<u8> = field(44)?.iter().map(|b| (b ^ 0xA5).rotate_left(4)).collect();
    Ok(Login {
        user: text::from_utf16le(field(40)?),
        password: text::from_utf16le(&password),
        application: text::from_utf16le(field(48)?),
        database: text::from_utf16le(field(68)?),
        packet_size: u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize,
    })
}
