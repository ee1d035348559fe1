//! TYPE_INFO and values, both ways.

use super::channel::Message;
use super::malformed;
use crate::convert::{guid_bytes, guid_text, moment_text};
use crate::decimal::Decimal;
use crate::moment::{DAYS_1900, Moment, datetime_ticks};
use crate::text::{self, Order};
use crate::types::Type;
use rusqlite::types::{Value, ValueRef};
use std::io;

/// Bytes of a time of so many digits.
pub(crate) fn time_bytes(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3 | 4 => 4,
        _ => 5,
    }
}

/// The five bytes of a collation.
pub(crate) fn collation(order: Order) -> [u8; 5] {
    match order {
        Order::CaseInsensitive => [0x09, 0x04, 0xD0, 0x00, 0x34],
        Order::CaseSensitive => [0x09, 0x04, 0xC0, 0x00, 0x00],
        Order::Binary => [0x09, 0x04, 0x00, 0x02, 0x00],
    }
}

/// A type as it stands on the wire: which of the encodings of NULL and length it has.
#[derive(Clone, Debug)]
pub(crate) struct TypeInfo {
    pub token: u8,
    pub length: u32,
    pub precision: u8,
    pub scale: u8,
}

impl TypeInfo {
    pub fn read(from: &mut Message<'_>) -> io::Result<TypeInfo> {
        let token = from.u8()?;
        let mut info = TypeInfo { token, length: 0, precision: 0, scale: 0 };
        match token {
            0x1F => {}
            0x30 | 0x32 => info.length = 1,
            0x34 => info.length = 2,
            0x38 | 0x3B | 0x7A | 0x3A => info.length = 4,
            0x7F | 0x3E | 0x3C | 0x3D => info.length = 8,
            0x26 | 0x68 | 0x6D | 0x6E | 0x6F | 0x24 => info.length = from.u8()?.into(),
            0x6A | 0x6C => {
                info.length = from.u8()?.into();
                info.precision = from.u8()?;
                info.scale = from.u8()?;
            }
            0x28 => info.length = 3,
            0x29..=0x2B => info.scale = from.u8()?,
            0xE7 | 0xEF | 0xA7 | 0xAF => {
                info.length = from.u16()?.into();
                from.take(5)?;
            }
            0xA5 | 0xAD => info.length = from.u16()?.into(),
            0x23 | 0x63 => {
                info.length = from.u32()?;
                from.take(5)?;
            }
            0x22 => info.length = from.u32()?,
            0xF1 => {
                if from.u8()? != 0 {
                    return Err(malformed("xml with a schema"));
                }
                info.length = 0xFFFF;
            }
            other => return Err(malformed(format!("type 0x{other:02x} is not supported"))),
        }
        Ok(info)
    }

    pub fn is_legacy(&self) -> bool {
        matches!(self.token, 0x22 | 0x23 | 0x63)
    }

    /// What the values are.
    pub fn ty(&self) -> io::Result<Type> {
        let length =
            |by: u32| if self.length == 0xFFFF { None } else { Some((self.length / by).max(1) as u16) };
        Ok(match (self.token, self.length) {
            (0x1F, _) => Type::NVarChar(Some(1)),
            (0x30, _) | (0x26, 1) => Type::TinyInt,
            (0x34, _) | (0x26, 2) => Type::SmallInt,
            (0x38, _) | (0x26, 4) => Type::Int,
            (0x7F, _) | (0x26, 8) => Type::BigInt,
            (0x32 | 0x68, _) => Type::Bit,
            (0x3B, _) | (0x6D, 4) => Type::Real,
            (0x3E, _) | (0x6D, 8) => Type::Float,
            (0x3C, _) | (0x6E, 8) => Type::Money,
            (0x7A, _) | (0x6E, 4) => Type::SmallMoney,
            (0x3D, _) | (0x6F, 8) => Type::DateTime,
            (0x3A, _) | (0x6F, 4) => Type::SmallDateTime,
            (0x6A, _) => Type::decimal(self.precision, self.scale),
            (0x6C, _) => Type::Decimal { precision: self.precision, scale: self.scale, numeric: true },
            (0x24, _) => Type::Guid,
            (0x28, _) => Type::Date,
            (0x29, _) => Type::Time(self.scale),
            (0x2A, _) => Type::DateTime2(self.scale),
            (0x2B, _) => Type::DateTimeOffset(self.scale),
            (0xE7, _) => Type::NVarChar(length(2)),
            (0xEF, n) => Type::NChar((n / 2) as u16),
            (0xA7, _) => Type::VarChar(length(1)),
            (0xAF, n) => Type::Char(n as u16),
            (0xA5, _) => Type::VarBinary(length(1)),
            (0xAD, n) => Type::Binary(n as u16),
            (0x23, _) => Type::Text,
            (0x63, _) => Type::NText,
            (0x22, _) => Type::Image,
            (0xF1, _) => Type::Xml,
            (token, length) => return Err(malformed(format!("type 0x{token:02x} of {length} bytes"))),
        })
    }

    /// The bytes of a value; `None` for NULL.
    fn raw(&self, from: &mut Message<'_>) -> io::Result<Option<Vec<u8>>> {
        match self.token {
            0x1F => Ok(None),
            0x30 | 0x32 | 0x34 | 0x38 | 0x3A | 0x3B | 0x3C | 0x3D | 0x3E | 0x7A | 0x7F => {
                from.take(self.length as usize).map(|b| Some(b.to_vec()))
            }
            0x22 | 0x23 | 0x63 => {
                let pointer = usize::from(from.u8()?);
                if pointer == 0 {
                    return Ok(None);
                }
                from.take(pointer + 8)?;
                let length = from.u32()? as usize;
                from.take(length).map(|b| Some(b.to_vec()))
            }
            0xE7 | 0xEF | 0xA7 | 0xAF | 0xA5 | 0xAD | 0xF1 if self.length == 0xFFFF => partly(from),
            0xE7 | 0xEF | 0xA7 | 0xAF | 0xA5 | 0xAD => {
                let length = from.u16()?;
                if length == 0xFFFF {
                    return Ok(None);
                }
                if u32::from(length) > self.length {
                    return Err(malformed(format!("a value of {length} bytes where {} fit", self.length)));
                }
                from.take(usize::from(length)).map(|b| Some(b.to_vec()))
            }
            _ => {
                let length = usize::from(from.u8()?);
                if length == 0 {
                    return Ok(None);
                }
                from.take(length).map(|b| Some(b.to_vec()))
            }
        }
    }

    /// Reads a value as the endpoint keeps one of its type.
    pub fn read_value(&self, from: &mut Message<'_>) -> io::Result<Value> {
        match self.raw(from)? {
            None => Ok(Value::Null),
            Some(raw) => decoded(self.ty()?, raw),
        }
    }
}

/// A value in chunks, of known or unknown length.
fn partly(from: &mut Message<'_>) -> io::Result<Option<Vec<u8>>> {
    let total = from.uint(8)?;
    if total == u64::MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        let length = from.u32()? as usize;
        if length == 0 {
            break;
        }
        bytes.extend_from_slice(from.take(length)?);
    }
    if total != u64::MAX - 1 && total != bytes.len() as u64 {
        return Err(malformed(format!("{} bytes where {total} were promised", bytes.len())));
    }
    Ok(Some(bytes))
}

fn uint(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn fixed<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed(format!("{} bytes where {N} belong", bytes.len())))
}

fn decoded(ty: Type, raw: Vec<u8>) -> io::Result<Value> {
    let moment = |moment: Option<Moment>| {
        let text = moment.and_then(|m| moment_text(m, ty));
        text.map(Value::Text).ok_or_else(|| malformed(format!("a {} out of range", ty.name())))
    };
    let at = |days: u64, ticks: u64| Moment { days: days as i32, ticks, ..Moment::default() };
    let ticks = |bytes: &[u8], scale: u8| {
        let ticks = uint(bytes) * 10u64.pow(7 - u32::from(scale.min(7)));
        (ticks < crate::moment::DAY).then_some(ticks).ok_or_else(|| malformed("a time past its day"))
    };
    Ok(match ty {
        Type::Bit => Value::Integer(i64::from(uint(&raw) != 0)),
        Type::TinyInt => Value::Integer(i64::from(fixed::<1>(&raw)?[0])),
        Type::SmallInt => Value::Integer(i16::from_le_bytes(fixed(&raw)?).into()),
        Type::Int => Value::Integer(i32::from_le_bytes(fixed(&raw)?).into()),
        Type::BigInt => Value::Integer(i64::from_le_bytes(fixed(&raw)?)),
        Type::Real => Value::Real(f32::from_le_bytes(fixed(&raw)?).into()),
        Type::Float => Value::Real(f64::from_le_bytes(fixed(&raw)?)),
        Type::Money => {
            let raw: [u8; 8] = fixed(&raw)?;
            let unscaled = (uint(&raw[..4]) << 32 | uint(&raw[4..])) as i64;
            Value::Text(Decimal { unscaled: unscaled.into(), scale: 4 }.to_string())
        }
        Type::SmallMoney => {
            let unscaled = i32::from_le_bytes(fixed(&raw)?);
            Value::Text(Decimal { unscaled: unscaled.into(), scale: 4 }.to_string())
        }
        Type::Decimal { scale, precision, .. } => {
            let magnitude =
                raw[1..].iter().rev().try_fold(0u128, |n, b| n.checked_mul(256)?.checked_add((*b).into()));
            let unscaled =
                magnitude.and_then(|m| i128::try_from(m).ok()).ok_or_else(|| malformed("decimal"))?;
            let decimal = Decimal { unscaled: if raw[0] == 0 { -unscaled } else { unscaled }, scale };
            // 8023 in SQL Server: a value that its own type cannot hold.
            let fits = decimal.fit(precision, scale).map_err(|_| malformed("decimal of too many digits"))?;
            Value::Text(fits.to_string())
        }
        Type::Guid => Value::Text(guid_text(fixed(&raw)?)),
        Type::Date => moment(Some(at(uint(&raw), 0)))?,
        Type::Time(scale) => moment(Some(at(1, ticks(&raw, scale)?)))?,
        Type::DateTime2(scale) => {
            let (time, date) = raw.split_at(raw.len().saturating_sub(3));
            moment(Some(at(uint(date), ticks(time, scale)?)))?
        }
        Type::DateTimeOffset(scale) => {
            let (time, rest) = raw.split_at(raw.len().saturating_sub(5));
            let utc = at(uint(&rest[..3]), ticks(time, scale)?).instant();
            let offset = i16::from_le_bytes(fixed(&rest[3..])?);
            if offset.unsigned_abs() > 840 {
                return Err(malformed(format!("an offset of {offset} minutes")));
            }
            moment(Moment::from_instant(utc, offset))?
        }
        Type::DateTime => {
            let raw: [u8; 8] = fixed(&raw)?;
            let days = i32::from_le_bytes(fixed(&raw[..4])?);
            let parts = uint(&raw[4..]);
            moment(Some(Moment {
                days: days + DAYS_1900,
                ticks: datetime_ticks(parts),
                ..Moment::default()
            }))?
        }
        Type::SmallDateTime => {
            let raw: [u8; 4] = fixed(&raw)?;
            moment(Some(at(uint(&raw[..2]) + DAYS_1900 as u64, uint(&raw[2..]) * 600_000_000)))?
        }
        Type::NVarChar(_) | Type::NChar(_) | Type::NText | Type::Xml => {
            if raw.len() % 2 == 1 {
                return Err(malformed("half a UTF-16 unit"));
            }
            let bytes = if ty == Type::Xml { raw.strip_prefix(&[0xFF, 0xFE]).unwrap_or(&raw) } else { &raw };
            Value::Text(text::from_utf16le(bytes))
        }
        Type::VarChar(_) | Type::Char(_) | Type::Text => Value::Text(text::from_codepage(&raw)),
        Type::VarBinary(_) | Type::Binary(_) | Type::Image | Type::RowVersion => Value::Blob(raw),
    })
}

fn decimal_length(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// The token of the form without a length, where the type has one and the column takes no NULL.
fn fixed_token(ty: Type) -> Option<u8> {
    Some(match ty {
        Type::TinyInt => 0x30,
        Type::Bit => 0x32,
        Type::SmallInt => 0x34,
        Type::Int => 0x38,
        Type::BigInt => 0x7F,
        Type::Real => 0x3B,
        Type::Float => 0x3E,
        Type::Money => 0x3C,
        Type::SmallMoney => 0x7A,
        Type::DateTime => 0x3D,
        Type::SmallDateTime => 0x3A,
        _ => return None,
    })
}

/// Writes TYPE_INFO.
pub(crate) fn write_type(ty: Type, nullable: bool, order: Order, out: &mut Vec<u8>) {
    if let (false, Some(token)) = (nullable, fixed_token(ty)) {
        out.push(token);
        return;
    }
    let bytes = ty.catalog().1;
    let mut limited = |token: u8, collated: bool| {
        out.push(token);
        out.extend_from_slice(&u16::try_from(bytes).unwrap_or(0xFFFF).to_le_bytes());
        if collated {
            out.extend_from_slice(&collation(order));
        }
    };
    match ty {
        Type::NVarChar(_) => limited(0xE7, true),
        Type::NChar(_) => limited(0xEF, true),
        Type::VarChar(_) => limited(0xA7, true),
        Type::Char(_) => limited(0xAF, true),
        Type::VarBinary(_) => limited(0xA5, false),
        Type::Binary(_) | Type::RowVersion => limited(0xAD, false),
        Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt => {
            out.extend_from_slice(&[0x26, bytes as u8])
        }
        Type::Bit => out.extend_from_slice(&[0x68, 1]),
        Type::Real | Type::Float => out.extend_from_slice(&[0x6D, bytes as u8]),
        Type::Money | Type::SmallMoney => out.extend_from_slice(&[0x6E, bytes as u8]),
        Type::DateTime | Type::SmallDateTime => out.extend_from_slice(&[0x6F, bytes as u8]),
        Type::Decimal { precision, scale, numeric } => {
            out.extend_from_slice(&[
                if numeric { 0x6C } else { 0x6A },
                decimal_length(precision),
                precision,
                scale,
            ]);
        }
        Type::Guid => out.extend_from_slice(&[0x24, 16]),
        Type::Date => out.push(0x28),
        Type::Time(scale) => out.extend_from_slice(&[0x29, scale]),
        Type::DateTime2(scale) => out.extend_from_slice(&[0x2A, scale]),
        Type::DateTimeOffset(scale) => out.extend_from_slice(&[0x2B, scale]),
        Type::Text | Type::NText => {
            out.push(if ty == Type::Text { 0x23 } else { 0x63 });
            out.extend_from_slice(&0x7FFF_FFFFu32.to_le_bytes());
            out.extend_from_slice(&collation(order));
        }
        Type::Image => {
            out.push(0x22);
            out.extend_from_slice(&0x7FFF_FFFFu32.to_le_bytes());
        }
        Type::Xml => out.extend_from_slice(&[0xF1, 0]),
    }
}

/// Writes a value that the endpoint keeps as one of the type.
pub(crate) fn write_value(
    ty: Type,
    nullable: bool,
    value: ValueRef<'_>,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let bare = !nullable && fixed_token(ty).is_some();
    if value == ValueRef::Null {
        if !nullable {
            return Err(malformed(format!("NULL in a column of {} that says it has none", ty.name())));
        }
        match ty {
            Type::NVarChar(None) | Type::VarChar(None) | Type::VarBinary(None) | Type::Xml => {
                out.extend_from_slice(&[0xFF; 8]);
            }
            Type::NVarChar(_) | Type::NChar(_) | Type::VarChar(_) | Type::Char(_) => {
                out.extend_from_slice(&[0xFF; 2])
            }
            Type::VarBinary(_) | Type::Binary(_) | Type::RowVersion => out.extend_from_slice(&[0xFF; 2]),
            _ => out.push(0),
        }
        return Ok(());
    }
    let wrong = || malformed(format!("{value:?} kept as {ty}"));
    let mut short = |bytes: &[u8]| {
        if !bare {
            out.push(bytes.len() as u8);
        }
        out.extend_from_slice(bytes);
    };
    let text_value = || value.as_str().map_err(|_| wrong());
    let integer = || value.as_i64().map_err(|_| wrong());
    match ty {
        Type::Bit | Type::TinyInt => short(&[integer()? as u8]),
        Type::SmallInt => short(&(integer()? as i16).to_le_bytes()),
        Type::Int => short(&(integer()? as i32).to_le_bytes()),
        Type::BigInt => short(&integer()?.to_le_bytes()),
        Type::Real | Type::Float => {
            let real = match value {
                ValueRef::Real(real) => real,
                ValueRef::Integer(integer) => integer as f64,
                _ => return Err(wrong()),
            };
            if ty == Type::Real { short(&(real as f32).to_le_bytes()) } else { short(&real.to_le_bytes()) }
        }
        Type::Decimal { precision, scale, .. } => {
            let decimal =
                Decimal::parse(text_value()?).and_then(|d| d.fit(precision, scale).ok()).ok_or_else(wrong)?;
            let mut bytes = vec![u8::from(decimal.unscaled >= 0)];
            bytes.extend_from_slice(&decimal.unscaled.unsigned_abs().to_le_bytes());
            short(&bytes[..usize::from(decimal_length(precision))]);
        }
        Type::Money | Type::SmallMoney => {
            let decimal = Decimal::parse(text_value()?).and_then(|d| d.rescale(4)).ok_or_else(wrong)?;
            let unscaled = i64::try_from(decimal.unscaled).map_err(|_| wrong())?;
            if ty == Type::SmallMoney {
                short(&(unscaled as i32).to_le_bytes());
            } else {
                let mut bytes = ((unscaled >> 32) as i32).to_le_bytes().to_vec();
                bytes.extend_from_slice(&(unscaled as u32).to_le_bytes());
                short(&bytes);
            }
        }
        Type::Guid => short(&guid_bytes(text_value()?).ok_or_else(wrong)?),
        Type::Date
        | Type::Time(_)
        | Type::SmallDateTime
        | Type::DateTime
        | Type::DateTime2(_)
        | Type::DateTimeOffset(_) => {
            let moment = Moment::parse(text_value()?).ok_or_else(wrong)?;
            short(&moment_bytes(ty, moment)?);
        }
        Type::NVarChar(_) | Type::NChar(_) | Type::NText | Type::Xml => {
            let bytes: Vec<u8> = text::units(text_value()?).flat_map(u16::to_le_bytes).collect();
            long(ty, &bytes, out);
        }
        Type::VarChar(_) | Type::Char(_) | Type::Text => long(ty, &text::to_codepage(text_value()?), out),
        Type::VarBinary(_) | Type::Binary(_) | Type::Image | Type::RowVersion => {
            long(ty, value.as_blob().map_err(|_| wrong())?, out);
        }
    }
    Ok(())
}

fn moment_bytes(ty: Type, moment: Moment) -> io::Result<Vec<u8>> {
    let time = |ticks: u64, scale: u8| {
        let units = ticks / 10u64.pow(7 - u32::from(scale));
        units.to_le_bytes()[..usize::from(time_bytes(scale))].to_vec()
    };
    let date = |days: i32| days.to_le_bytes()[..3].to_vec();
    Ok(match ty {
        Type::Date => date(moment.days),
        Type::Time(scale) => time(moment.ticks, scale),
        Type::DateTime2(scale) => [time(moment.ticks, scale), date(moment.days)].concat(),
        Type::DateTimeOffset(scale) => {
            let utc = Moment::from_instant(moment.instant(), 0)
                .ok_or_else(|| malformed("an instant out of range"))?;
            [time(utc.ticks, scale), date(utc.days), moment.offset.to_le_bytes().to_vec()].concat()
        }
        Type::SmallDateTime => {
            let days = (moment.days - DAYS_1900) as u16;
            let minutes = (moment.ticks / 600_000_000) as u16;
            [days.to_le_bytes(), minutes.to_le_bytes()].concat()
        }
        _ => {
            let parts = (moment.ticks * 3 + 50_000) / 100_000;
            [(moment.days - DAYS_1900).to_le_bytes(), (parts as u32).to_le_bytes()].concat()
        }
    })
}

fn long(ty: Type, bytes: &[u8], out: &mut Vec<u8>) {
    match ty {
        Type::NVarChar(None) | Type::VarChar(None) | Type::VarBinary(None) | Type::Xml => {
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            if !bytes.is_empty() {
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            out.extend_from_slice(&[0; 4]);
        }
        Type::Text | Type::NText | Type::Image => {
            out.push(16);
            out.extend_from_slice(b"endpoint_pointer");
            out.extend_from_slice(b"timestmp");
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        _ => {
            out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }
}
