//! What the client asks: headers, RPC, the transaction manager, the columns of a bulk load.

use super::channel::Message;
use super::malformed;
use super::values::TypeInfo;
use crate::types::Type;
use rusqlite::types::Value;
use std::io;

/// Reads ALL_HEADERS and gives the transaction descriptor.
pub(crate) fn headers(from: &mut Message<'_>) -> io::Result<u64> {
    let mut left = from.u32()?.checked_sub(4).ok_or_else(|| malformed("ALL_HEADERS"))?;
    let mut descriptor = None;
    while left > 0 {
        let length = from.u32()?;
        let kind = from.u16()?;
        let body = length.checked_sub(6).ok_or_else(|| malformed("a header"))? as usize;
        if kind == 2 {
            if body != 12 {
                return Err(malformed("a transaction descriptor header"));
            }
            descriptor = Some(from.uint(8)?);
            from.u32()?;
        } else {
            from.take(body)?;
        }
        left = left.checked_sub(length).ok_or_else(|| malformed("ALL_HEADERS"))?;
    }
    descriptor.ok_or_else(|| malformed("no transaction descriptor"))
}

pub(crate) struct Parameter {
    pub name: String,
    pub ty: Type,
    pub value: Value,
    /// Bytes of the value on the wire's measure: UTF-16 for national text.
    pub by_reference: bool,
}

pub(crate) struct Rpc {
    pub procedure: String,
    pub parameters: Vec<Parameter>,
}

pub(crate) fn rpc(from: &mut Message<'_>) -> io::Result<Rpc> {
    let length = from.u16()?;
    let procedure = if length == 0xFFFF {
        match from.u16()? {
            10 => "sp_executesql".to_owned(),
            other => format!("#{other}"),
        }
    } else {
        from.text(usize::from(length))?
    };
    from.u16()?;
    let mut parameters = Vec::new();
    while !from.is_empty()? {
        let length = from.u8()?;
        if length >= 0x80 {
            return Err(malformed("several calls in one RPC message"));
        }
        let name = from.text(usize::from(length))?;
        let status = from.u8()?;
        let info = TypeInfo::read(from)?;
        let value = info.read_value(from)?;
        parameters.push(Parameter { name, ty: info.ty()?, value, by_reference: status & 1 != 0 });
    }
    Ok(Rpc { procedure, parameters })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Begin { isolation: u8 },
    Commit,
    Rollback { name: String },
    Save { name: String },
}

pub(crate) fn manager(from: &mut Message<'_>) -> io::Result<Manager> {
    let kind = from.u16()?;
    let name = |from: &mut Message<'_>| {
        let length = usize::from(from.u8()?);
        from.text(length)
    };
    Ok(match kind {
        5 => {
            let isolation = from.u8()?;
            name(from)?;
            Manager::Begin { isolation }
        }
        7 | 8 => {
            let name = name(from)?;
            if from.u8()? & 1 != 0 {
                return Err(malformed("a transaction that begins as another ends"));
            }
            if kind == 7 { Manager::Commit } else { Manager::Rollback { name } }
        }
        9 => Manager::Save { name: name(from)? },
        other => return Err(malformed(format!("transaction manager request {other}"))),
    })
}

/// COLMETADATA before the rows of a bulk load.
pub(crate) fn bulk_columns(from: &mut Message<'_>) -> io::Result<Vec<(String, TypeInfo)>> {
    if from.u8()? != 0x81 {
        return Err(malformed("a bulk load that does not begin with its columns"));
    }
    let count = from.u16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        from.take(6)?;
        let info = TypeInfo::read(from)?;
        if info.is_legacy() {
            let length = usize::from(from.u16()?);
            from.text(length)?;
        }
        let length = usize::from(from.u8()?);
        columns.push((from.text(length)?, info));
    }
    Ok(columns)
}

/// The next row; `None` at the end.
pub(crate) fn bulk_row(
    from: &mut Message<'_>,
    columns: &[(String, TypeInfo)],
) -> io::Result<Option<Vec<Value>>> {
    match from.u8()? {
        0xD1 => {
            let mut row = Vec::with_capacity(columns.len());
            for (_, info) in columns {
                row.push(info.read_value(from)?);
            }
            Ok(Some(row))
        }
        0xFD => {
            from.take(12)?;
            Ok(None)
        }
        other => Err(malformed(format!("token 0x{other:02x} in a bulk load"))),
    }
}
