//! What SQLite is taught: collations, and the functions that translated SQL calls.

use crate::convert::{convert, decimal_of, guid_bytes, guid_text};
use crate::decimal::{Decimal, overflow};
use crate::fail::{Fail, Result};
use crate::moment::Moment;
use crate::openjson;
use crate::text::{self, Order};
use crate::types::{Family, Type};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use std::cmp::Ordering;

/// Makes a connection one that can read and compare what the endpoint keeps.
pub(crate) fn install(db: &Connection) -> rusqlite::Result<()> {
    db.create_collation("CI", |a: &str, b: &str| text::compare(a, b, Order::CaseInsensitive))?;
    db.create_collation("CS", |a: &str, b: &str| text::compare(a, b, Order::CaseSensitive))?;
    db.create_collation("BIN2", |a: &str, b: &str| text::compare(a, b, Order::Binary))?;
    db.create_collation("NUM", numbers)?;
    db.create_collation("GUID", guids)?;
    db.create_collation("DTO", instants)?;
    scalar(db, "conv", 5, |c| {
        let from = c.get_or_create_aux(1, parse_type)?;
        let to = c.get_or_create_aux(2, parse_type)?;
        let value = value(c, 0);
        if value == Value::Null {
            return Ok(Value::Null);
        }
        Ok(convert(value, *from, *to, c.get(3)?, c.get::<i64>(4)? == 1)?)
    })?;
    scalar(db, "cat", 2, |c| {
        let (Some(a), Some(b)) = (text_of(c, 0)?, text_of(c, 1)?) else { return Ok(Value::Null) };
        let joined = format!("{a}{b}");
        // Two lone surrogates that meet become a pair.
        let lone = |t: &str| t.contains(|c: char| u32::from(c) >= 0x10_F800);
        Ok(Value::Text(if lone(&a) && lone(&b) { text::from_units(text::units(&joined)) } else { joined }))
    })?;
    scalar(db, "arith", 4, |c| {
        let ty = c.get_or_create_aux(3, parse_type)?;
        Ok(arithmetic(&c.get::<String>(0)?, &value(c, 1), &value(c, 2), *ty)?)
    })?;
    scalar(db, "scalar", 2, |c| {
        if c.get::<i64>(0)? > 1 {
            return Err(Fail::new(
                512,
                "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , \
                 >, >= or when the subquery is used as an expression.",
            )
            .into());
        }
        Ok(value(c, 1))
    })?;
    scalar(db, "tsql_like", 4, |c| {
        let (Some(a), Some(b)) = (text_of(c, 0)?, text_of(c, 1)?) else { return Ok(Value::Null) };
        let escape = text_of(c, 2)?.and_then(|e| e.chars().next());
        let order = match c.get::<String>(3)?.as_str() {
            "CI" => Order::CaseInsensitive,
            "CS" => Order::CaseSensitive,
            _ => Order::Binary,
        };
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        Ok(Value::Integer(i64::from(like(&a, &b, escape, order))))
    })?;
    texts(db)?;
    db.create_scalar_function("newid", 0, FunctionFlags::SQLITE_UTF8, |_| {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| rusqlite::Error::UserFunctionError(e.to_string().into()))?;
        // Version 4; the version stands in the byte that is turned to place 7.
        bytes[7] = bytes[7] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Ok(Value::Text(guid_text(bytes)))
    })
}

fn texts(db: &Connection) -> rusqlite::Result<()> {
    let one = |name: &'static str, f: fn(&str) -> Value| {
        scalar(db, name, 1, move |c| Ok(text_of(c, 0)?.map_or(Value::Null, |t| f(&t))))
    };
    one("tsql_len", |t| Value::Integer(text::length(t.trim_end_matches(' ')) as i64))?;
    one("tsql_upper", |t| Value::Text(t.to_uppercase()))?;
    one("tsql_lower", |t| Value::Text(t.to_lowercase()))?;
    one("tsql_ltrim", |t| Value::Text(t.trim_start_matches(' ').to_owned()))?;
    one("tsql_rtrim", |t| Value::Text(t.trim_end_matches(' ').to_owned()))?;
    one("tsql_quotename", |t| Value::Text(format!("[{}]", t.replace(']', "]]"))))?;
    one("tsql_isjson", |t| Value::Integer(i64::from(openjson::parse(t).is_ok_and(|j| !j.is_scalar()))))?;
    scalar(db, "tsql_left", 2, |c| {
        let (Some(t), Some(n)) = (text_of(c, 0)?, c.get::<Option<i64>>(1)?) else { return Ok(Value::Null) };
        Ok(Value::Text(text::prefix(&t, usize::try_from(n).unwrap_or(0))))
    })?;
    scalar(db, "tsql_right", 2, |c| {
        let (Some(t), Some(n)) = (text_of(c, 0)?, c.get::<Option<i64>>(1)?) else { return Ok(Value::Null) };
        let skip = text::length(&t).saturating_sub(usize::try_from(n).unwrap_or(0));
        Ok(Value::Text(text::from_units(text::units(&t).skip(skip))))
    })?;
    scalar(db, "tsql_substring", 3, |c| {
        let (Some(t), Some(from), Some(count)) =
            (text_of(c, 0)?, c.get::<Option<i64>>(1)?, c.get::<Option<i64>>(2)?)
        else {
            return Ok(Value::Null);
        };
        if count < 0 {
            return Err(
                Fail::new(537, "Invalid length parameter passed to the LEFT or SUBSTRING function.").into()
            );
        }
        let end = usize::try_from(from.saturating_add(count) - 1).unwrap_or(0);
        let start = usize::try_from(from - 1).unwrap_or(0);
        Ok(Value::Text(text::from_units(text::units(&t).take(end).skip(start))))
    })?;
    scalar(db, "tsql_nchar", 1, |c| {
        let unit = c.get::<Option<i64>>(0)?.and_then(|n| u16::try_from(n).ok());
        Ok(unit.map_or(Value::Null, |u| Value::Text(text::from_units([u]))))
    })?;
    scalar(db, "tsql_char", 1, |c| {
        let byte = c.get::<Option<i64>>(0)?.and_then(|n| u8::try_from(n).ok());
        Ok(byte.map_or(Value::Null, |b| Value::Text(text::from_codepage(&[b]))))
    })?;
    scalar(db, "datalength", 2, |c| {
        let ty = c.get_or_create_aux(1, parse_type)?;
        Ok(match (value(c, 0), ty.family()) {
            (Value::Null, _) => Value::Null,
            (Value::Blob(b), _) => Value::Integer(b.len() as i64),
            (Value::Text(t), Family::Text) => Value::Integer(match *ty {
                Type::Char(_) | Type::VarChar(_) | Type::Text => text::to_codepage(&t).len() as i64,
                _ => text::length(&t) as i64 * 2,
            }),
            _ => Value::Integer(ty.catalog().1),
        })
    })
}

fn scalar<F>(db: &Connection, name: &str, arguments: i32, function: F) -> rusqlite::Result<()>
where
    F: Fn(&Context<'_>) -> rusqlite::Result<Value> + Send + 'static,
{
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function(name, arguments, flags, move |c| function(c))
}

fn parse_type(value: ValueRef<'_>) -> std::result::Result<Type, Box<dyn std::error::Error + Send + Sync>> {
    Ok(value.as_str()?.parse::<Type>()?)
}

fn value(c: &Context<'_>, at: usize) -> Value {
    match c.get_raw(at) {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Integer(i),
        ValueRef::Real(r) => Value::Real(r),
        ValueRef::Text(t) => Value::Text(String::from_utf8_lossy(t).into_owned()),
        ValueRef::Blob(b) => Value::Blob(b.to_vec()),
    }
}

fn text_of(c: &Context<'_>, at: usize) -> Result<Option<String>> {
    match value(c, at) {
        Value::Text(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        other => Err(Fail::refused(format!("text that is {other:?}"))),
    }
}

fn numbers(a: &str, b: &str) -> Ordering {
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Some(x), Some(y)) => x.compare(y),
        _ => a.cmp(b),
    }
}

/// uniqueidentifier sorts by its last six bytes first.
fn guids(a: &str, b: &str) -> Ordering {
    const PLACES: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3];
    match (guid_bytes(a), guid_bytes(b)) {
        (Some(x), Some(y)) => PLACES.map(|p| x[p]).cmp(&PLACES.map(|p| y[p])),
        _ => a.cmp(b),
    }
}

fn instants(a: &str, b: &str) -> Ordering {
    match (Moment::parse(a), Moment::parse(b)) {
        (Some(x), Some(y)) => x.instant().cmp(&y.instant()),
        _ => a.cmp(b),
    }
}

fn arithmetic(operator: &str, a: &Value, b: &Value, ty: Type) -> Result<Value> {
    if *a == Value::Null || *b == Value::Null {
        return Ok(Value::Null);
    }
    let by_zero = || Fail::new(8134, "Divide by zero error encountered.");
    match (ty.family(), a, b) {
        (Family::Integer, Value::Integer(a), Value::Integer(b)) => {
            let (a, b) = (i128::from(*a), i128::from(*b));
            let result = match operator {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" if b == 0 => return Err(by_zero()),
                "/" => a / b,
                "%" if b == 0 => return Err(by_zero()),
                "%" => a % b,
                "&" => a & b,
                "|" => a | b,
                _ => a ^ b,
            };
            let result = i64::try_from(result).map_err(|_| overflow(ty.name()))?;
            convert(Value::Integer(result), Type::BigInt, ty, 0, true).map_err(|_| overflow(ty.name()))
        }
        (Family::Exact, _, _) => {
            let (a, b) = (decimal_of(a)?, decimal_of(b)?);
            let result = match operator {
                "+" => a.add(b, 1)?,
                "-" => a.add(b, -1)?,
                _ => a.multiply(b)?,
            };
            let (precision, scale) = ty.digits();
            Ok(Value::Text(result.fit(precision, scale)?.to_string()))
        }
        (Family::Approximate, _, _) => {
            let real = |v: &Value| match v {
                Value::Real(r) => *r,
                Value::Integer(i) => *i as f64,
                _ => f64::NAN,
            };
            let (a, b) = (real(a), real(b));
            let result = match operator {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                _ if b == 0.0 => return Err(by_zero()),
                _ => a / b,
            };
            if result.is_finite() { Ok(Value::Real(result)) } else { Err(overflow("float")) }
        }
        _ => Err(Fail::refused(format!("{operator} of {ty}"))),
    }
}

/// LIKE with %, _, [set] and [^set]. Trailing blanks of the pattern count, those of the text do not.
fn like(text: &[char], pattern: &[char], escape: Option<char>, order: Order) -> bool {
    let equal = |a: char, b: char| {
        text::compare(a.encode_utf8(&mut [0; 4]), b.encode_utf8(&mut [0; 4]), order).is_eq()
    };
    let Some((&first, rest)) = pattern.split_first() else {
        return text.iter().all(|c| *c == ' ');
    };
    if Some(first) == escape {
        return match (rest.split_first(), text.split_first()) {
            (Some((p, rest)), Some((t, text))) => equal(*p, *t) && like(text, rest, escape, order),
            _ => false,
        };
    }
    match first {
        '%' => (0..=text.len()).any(|at| like(&text[at..], rest, escape, order)),
        '_' => text.split_first().is_some_and(|(_, text)| like(text, rest, escape, order)),
        '[' => {
            let Some(end) = rest.iter().skip(1).position(|c| *c == ']').map(|p| p + 1) else { return false };
            let (set, rest) = (&rest[..end], &rest[end + 1..]);
            let (negated, set) = match set.split_first() {
                Some(('^', set)) => (true, set),
                _ => (false, set),
            };
            let Some((&t, text)) = text.split_first() else { return false };
            let mut found = false;
            let mut at = 0;
            while at < set.len() {
                if at + 2 < set.len() && set[at + 1] == '-' {
                    found |= (set[at]..=set[at + 2]).contains(&t);
                    at += 3;
                } else {
                    found |= equal(set[at], t);
                    at += 1;
                }
            }
            found != negated && like(text, rest, escape, order)
        }
        _ => text.split_first().is_some_and(|(t, text)| equal(first, *t) && like(text, rest, escape, order)),
    }
}
