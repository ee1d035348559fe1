//! From one type to another, with SQL Server's errors.

mod times;

use crate::decimal::{Decimal, overflow};
use crate::fail::{Fail, Result};
use crate::text;
use crate::types::{Family, Type};
use rusqlite::types::Value;

use times::{guid, time, time_text};
pub(crate) use times::{guid_bytes, guid_text, moment_text};

/// Converts a value. `explicit`: by CAST or CONVERT, which cuts text where an assignment would not.
pub(crate) fn convert(value: Value, from: Type, to: Type, style: i64, explicit: bool) -> Result<Value> {
    if value == Value::Null || from == to {
        return Ok(value);
    }
    if !explicit {
        implicit(from, to)?;
    }
    match to.family() {
        Family::Integer => integer(value, from, to),
        Family::Exact => exact(value, from, to),
        Family::Approximate => approximate(value, from, to),
        Family::Text => to_text(value, from, to, style, explicit),
        Family::Binary => binary(value, from, to, style, explicit),
        Family::Time => time(value, from, to),
        Family::Guid => guid(value, from, to),
    }
}

/// Refuses the conversions that need CONVERT (257) and those that nothing allows (206).
pub(crate) fn implicit(from: Type, to: Type) -> Result<()> {
    let (f, t) = (from.family(), to.family());
    let number = |f| matches!(f, Family::Integer | Family::Exact | Family::Approximate);
    let forbidden = match (f, t) {
        (Family::Time, _) if number(t) => !matches!(from, Type::DateTime | Type::SmallDateTime) || f != t,
        (Family::Text, Family::Binary) | (Family::Approximate, Family::Binary) => true,
        (Family::Time, Family::Binary) => true,
        (Family::Exact, Family::Text) if matches!(from, Type::Money | Type::SmallMoney) => true,
        (Family::Binary, Family::Approximate) => true,
        _ => false,
    };
    if forbidden {
        return Err(Fail::new(
            257,
            format!(
                "Implicit conversion from data type {} to {} is not allowed. Use the CONVERT function to run this \
                 query.",
                from.name(),
                to.name()
            ),
        ));
    }
    let clash = match (f, t) {
        (_, Family::Time) => number(f) && !matches!(to, Type::DateTime | Type::SmallDateTime),
        (Family::Guid, _) => !matches!(t, Family::Guid | Family::Text | Family::Binary),
        (_, Family::Guid) => !matches!(f, Family::Text | Family::Binary),
        _ => false,
    };
    if clash || (matches!(from, Type::Xml) && to != Type::Xml) {
        return Err(Fail::new(
            206,
            format!("Operand type clash: {} is incompatible with {}", from.name(), to.name()),
        ));
    }
    Ok(())
}

fn impossible(from: Type, to: Type) -> Fail {
    Fail::new(
        529,
        format!("Explicit conversion from data type {} to {} is not allowed.", from.name(), to.name()),
    )
}

fn not_converted(from: Type, to: Type) -> Fail {
    Fail::new(8114, format!("Error converting data type {} to {}.", from.name(), to.name()))
}

fn text_of(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn number_of(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        _ => 0,
    }
}

fn real_of(value: &Value) -> f64 {
    match value {
        Value::Real(real) => *real,
        Value::Integer(number) => *number as f64,
        _ => 0.0,
    }
}

fn bytes_of(value: &Value) -> &[u8] {
    match value {
        Value::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn in_range(number: i128, from: Type, to: Type, spelled: &str) -> Result<Value> {
    let (least, most) = match to {
        Type::Bit => return Ok(Value::Integer(i64::from(number != 0))),
        Type::TinyInt => (0, 255),
        Type::SmallInt => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Type::Int => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    if (least..=most).contains(&number) {
        return Ok(Value::Integer(number as i64));
    }
    let name = to.name();
    Err(match (from.family(), to) {
        (Family::Text, Type::TinyInt) => Fail::new(
            244,
            format!(
                "The conversion of the {} value '{spelled}' overflowed an INT1 column. Use a larger integer column.",
                from.name()
            ),
        ),
        (Family::Text, Type::SmallInt) => Fail::new(
            244,
            format!(
                "The conversion of the {} value '{spelled}' overflowed an INT2 column. Use a larger integer column.",
                from.name()
            ),
        ),
        (Family::Text, Type::Int) => Fail::new(
            248,
            format!("The conversion of the {} value '{spelled}' overflowed an int column.", from.name()),
        ),
        (Family::Integer, Type::TinyInt | Type::SmallInt) => {
            Fail::new(220, format!("Arithmetic overflow error for data type {name}, value = {number}."))
        }
        (Family::Approximate, _) => {
            Fail::new(232, format!("Arithmetic overflow error for type {name}, value = {number}."))
        }
        _ => overflow(name),
    })
}

fn integer(value: Value, from: Type, to: Type) -> Result<Value> {
    match from.family() {
        Family::Integer => in_range(number_of(&value).into(), from, to, ""),
        Family::Exact => {
            let decimal = decimal_of(&value)?;
            // Money rounds where decimal cuts.
            let whole = match from {
                Type::Money | Type::SmallMoney => decimal.rescale(0).map_or(i128::MAX, |d| d.unscaled),
                _ => decimal.truncated(),
            };
            if to == Type::Bit {
                return Ok(Value::Integer(i64::from(decimal.unscaled != 0)));
            }
            in_range(whole, from, to, "")
        }
        Family::Approximate => {
            let real = real_of(&value);
            if to == Type::Bit {
                return Ok(Value::Integer(i64::from(real != 0.0)));
            }
            in_range(real.trunc() as i128, from, to, "")
        }
        Family::Text => {
            let spelled = text_of(&value);
            let trimmed = spelled.trim_matches(' ');
            if to == Type::Bit {
                match trimmed.to_ascii_lowercase().as_str() {
                    "true" => return Ok(Value::Integer(1)),
                    "false" => return Ok(Value::Integer(0)),
                    _ => {}
                }
            }
            if trimmed.is_empty() {
                return Ok(Value::Integer(0));
            }
            let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                if to == Type::BigInt {
                    return Err(not_converted(from, to));
                }
                return Err(Fail::new(
                    245,
                    format!(
                        "Conversion failed when converting the {} value '{spelled}' to data type {}.",
                        from.name(),
                        to.name()
                    ),
                ));
            }
            match trimmed.parse::<i128>() {
                Ok(number) => in_range(number, from, to, spelled),
                Err(_) => Err(overflow(to.name())),
            }
        }
        Family::Binary => {
            let bytes = bytes_of(&value);
            let width = usize::try_from(to.catalog().1).unwrap_or(8);
            let tail = &bytes[bytes.len().saturating_sub(width)..];
            let raw = tail.iter().fold(0i64, |n, b| n << 8 | i64::from(*b));
            let number = match to {
                Type::SmallInt if tail.len() == 2 => i64::from(raw as i16),
                Type::Int if tail.len() == 4 => i64::from(raw as i32),
                Type::Bit => i64::from(bytes.iter().any(|b| *b != 0)),
                _ => raw,
            };
            Ok(Value::Integer(number))
        }
        Family::Time | Family::Guid => Err(impossible(from, to)),
    }
}

pub(crate) fn decimal_of(value: &Value) -> Result<Decimal> {
    match value {
        Value::Integer(number) => Ok(Decimal { unscaled: i128::from(*number), scale: 0 }),
        Value::Text(text) => Decimal::parse(text).ok_or_else(|| Fail::refused(format!("decimal {text}"))),
        other => Err(Fail::refused(format!("decimal {other:?}"))),
    }
}

fn exact(value: Value, from: Type, to: Type) -> Result<Value> {
    let decimal = match from.family() {
        Family::Integer | Family::Exact => decimal_of(&value)?,
        Family::Approximate => {
            let real = real_of(&value);
            if real.abs() >= 1e38 {
                return Err(overflow(to.name()));
            }
            Decimal::parse(&format!("{real:.17}"))
                .or_else(|| Decimal::parse(&format!("{real:.0}")))
                .ok_or_else(|| overflow("numeric"))?
        }
        Family::Text => {
            let spelled = text_of(&value);
            let money = matches!(to, Type::Money | Type::SmallMoney);
            let cleaned = if money {
                spelled.trim_matches(' ').trim_start_matches('$').replace(',', "")
            } else {
                spelled.to_owned()
            };
            if money && cleaned.is_empty() {
                Decimal { unscaled: 0, scale: 0 }
            } else {
                match Decimal::parse(&cleaned) {
                    Some(decimal) => decimal,
                    None if money => {
                        return Err(Fail::new(
                            235,
                            "Cannot convert a char value to money. The char value has incorrect syntax.",
                        ));
                    }
                    None if is_long_number(&cleaned) => return Err(overflow("numeric")),
                    None => {
                        return Err(Fail::new(
                            8114,
                            format!("Error converting data type {} to numeric.", from.name()),
                        ));
                    }
                }
            }
        }
        _ => return Err(impossible(from, to)),
    };
    let fitted = match to {
        Type::Money => money_range(decimal, i64::MIN, i64::MAX, "money")?,
        Type::SmallMoney => money_range(decimal, i32::MIN.into(), i32::MAX.into(), "smallmoney")?,
        _ => {
            let (precision, scale) = to.digits();
            decimal.fit(precision, scale).map_err(|mut e| {
                let name = if from.family() == Family::Exact { "numeric" } else { from.name() };
                e.message = format!("Arithmetic overflow error converting {name} to data type numeric.");
                e
            })?
        }
    };
    Ok(Value::Text(fitted.to_string()))
}

fn is_long_number(text: &str) -> bool {
    let digits = text.trim_matches(' ').trim_start_matches(['-', '+']);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.len() > 38
}

fn money_range(decimal: Decimal, least: i64, most: i64, name: &str) -> Result<Decimal> {
    let fitted = decimal.rescale(4).filter(|d| (i128::from(least)..=i128::from(most)).contains(&d.unscaled));
    fitted.ok_or_else(|| overflow(name))
}

fn approximate(value: Value, from: Type, to: Type) -> Result<Value> {
    let real = match from.family() {
        Family::Integer | Family::Approximate => real_of(&value),
        Family::Exact => decimal_of(&value)?.to_f64(),
        Family::Text => {
            let trimmed = text_of(&value).trim_matches(' ');
            let plain = trimmed.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
            match trimmed.parse::<f64>() {
                _ if trimmed.is_empty() => 0.0,
                Ok(real) if plain && real.is_finite() => real,
                Ok(_) if plain => return Err(overflow(to.name())),
                _ => {
                    return Err(Fail::new(
                        8114,
                        format!("Error converting data type {} to {}.", from.name(), to.name()),
                    ));
                }
            }
        }
        _ => return Err(impossible(from, to)),
    };
    if to == Type::Real {
        let short = real as f32;
        if short.is_infinite() {
            return Err(Fail::new(
                232,
                format!("Arithmetic overflow error for type real, value = {real:.6}."),
            ));
        }
        return Ok(Value::Real(f64::from(short)));
    }
    Ok(Value::Real(real))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

fn to_text(value: Value, from: Type, to: Type, style: i64, explicit: bool) -> Result<Value> {
    let spelled = match from.family() {
        Family::Text => match value {
            Value::Text(text) => text,
            other => return Err(Fail::refused(format!("text {other:?}"))),
        },
        Family::Integer => number_of(&value).to_string(),
        Family::Exact if matches!(from, Type::Money | Type::SmallMoney) && style != 2 => {
            decimal_of(&value)?.rescale(2).map(|d| d.to_string()).unwrap_or_default()
        }
        Family::Exact => text_of(&value).to_owned(),
        Family::Approximate => match style {
            3 => real_of(&value).to_string(),
            2 => format!("{:.15e}", real_of(&value)),
            0 => short_real(real_of(&value)),
            other => return Err(Fail::refused(format!("style {other} of {from}"))),
        },
        Family::Guid => text_of(&value).to_owned(),
        Family::Time => time_text(text_of(&value), from, style)?,
        Family::Binary => match style {
            1 => format!("0x{}", hex(bytes_of(&value))),
            2 => hex(bytes_of(&value)),
            0 if matches!(to, Type::NVarChar(_) | Type::NChar(_) | Type::NText) => {
                text::from_utf16le(bytes_of(&value))
            }
            0 => text::from_codepage(bytes_of(&value)),
            other => return Err(Fail::refused(format!("style {other} of {from}"))),
        },
    };
    let single = matches!(to, Type::Char(_) | Type::VarChar(_) | Type::Text);
    let spelled = if single && !matches!(from, Type::Char(_) | Type::VarChar(_) | Type::Text) {
        text::from_codepage(&text::to_codepage(&spelled))
    } else {
        spelled
    };
    fit_text(spelled, from, to, explicit).map(Value::Text)
}

/// Cuts or refuses what is too long, and pads char and nchar.
fn fit_text(spelled: String, from: Type, to: Type, explicit: bool) -> Result<String> {
    let Some(most) = to.length().map(usize::from) else { return Ok(spelled) };
    let length = text::length(&spelled);
    if length > most {
        let spare = text::units(&spelled).skip(most).all(|u| u == 0x20);
        match from.family() {
            Family::Text if explicit || spare => return Ok(text::prefix(&spelled, most)),
            Family::Text => return Err(too_long(&text::prefix(&spelled, most))),
            Family::Integer if explicit && most > 0 => return Ok("*".to_owned()),
            Family::Time | Family::Binary if explicit => return Ok(text::prefix(&spelled, most)),
            Family::Guid => {
                return Err(Fail::new(
                    8170,
                    "Insufficient result space to convert uniqueidentifier value to char.",
                ));
            }
            _ => return Err(overflow(to.name())),
        }
    }
    let mut spelled = spelled;
    if matches!(to, Type::Char(_) | Type::NChar(_)) {
        spelled.extend(std::iter::repeat_n(' ', most - length));
    }
    Ok(spelled)
}

/// The name of the table and column is put in by the one who assigns.
pub(crate) fn too_long(cut: &str) -> Fail {
    Fail::new(2628, cut)
}

fn short_real(real: f64) -> String {
    if real == 0.0 || (1e-4..1e6).contains(&real.abs()) {
        let decimals = 5 - real.abs().log10().floor().max(-4.0) as i32;
        let text = format!("{real:.*}", decimals.max(0) as usize);
        return match text.split_once('.') {
            Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            None => text,
        };
    }
    let text = format!("{real:.5e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:03}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn binary(value: Value, from: Type, to: Type, style: i64, explicit: bool) -> Result<Value> {
    let mut bytes = match from.family() {
        Family::Binary => match value {
            Value::Blob(bytes) => bytes,
            other => return Err(Fail::refused(format!("binary {other:?}"))),
        },
        Family::Text => {
            let spelled = text_of(&value);
            match style {
                0 if matches!(from, Type::NVarChar(_) | Type::NChar(_) | Type::NText) => {
                    text::units(spelled).flat_map(u16::to_le_bytes).collect()
                }
                0 => text::to_codepage(spelled),
                1 | 2 => {
                    let digits = match style {
                        1 => spelled.strip_prefix("0x").or_else(|| spelled.strip_prefix("0X")),
                        _ => Some(spelled),
                    };
                    digits.and_then(unhex).ok_or_else(|| not_converted(from, to))?
                }
                other => return Err(Fail::refused(format!("style {other} of {from} to {to}"))),
            }
        }
        Family::Integer => {
            let width = usize::try_from(from.catalog().1).unwrap_or(8);
            number_of(&value).to_be_bytes()[8 - width..].to_vec()
        }
        Family::Guid => guid_bytes(text_of(&value)).ok_or_else(|| not_converted(from, to))?.to_vec(),
        _ => return Err(impossible(from, to)),
    };
    if let Some(most) = to.length().map(usize::from) {
        if bytes.len() > most {
            if !explicit {
                return Err(too_long(""));
            }
            if from.family() == Family::Integer {
                bytes.drain(..bytes.len() - most);
            }
            bytes.truncate(most);
        }
        if matches!(to, Type::Binary(_) | Type::RowVersion) {
            bytes.resize(most, 0);
        }
    }
    Ok(Value::Blob(bytes))
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
