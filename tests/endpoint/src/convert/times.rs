//! Conversions to and from dates, times and uniqueidentifiers.

use super::{bytes_of, hex, impossible, not_converted, text_of, unhex};
use crate::fail::{Fail, Result};
use crate::moment::Moment;
use crate::types::{Family, Type};
use rusqlite::types::Value;

/// The text that a type stores for a moment.
pub(crate) fn moment_text(moment: Moment, to: Type) -> Option<String> {
    let joined = |m: &Moment, scale| format!("{} {}", m.date_text(), m.time_text(scale));
    Some(match to {
        Type::Date => moment.date_text(),
        Type::Time(scale) => Moment { days: 1, ..moment }.round(scale)?.time_text(scale),
        Type::SmallDateTime => joined(&moment.round_minute()?, 0),
        Type::DateTime => joined(&moment.round_datetime()?, 3),
        Type::DateTime2(scale) => joined(&moment.round(scale)?, scale),
        Type::DateTimeOffset(scale) => {
            let m = moment.round(scale)?;
            format!("{} {}", joined(&m, scale), m.offset_text())
        }
        _ => return None,
    })
}

pub(super) fn time(value: Value, from: Type, to: Type) -> Result<Value> {
    let spelled = text_of(&value);
    let (is_text, is_time) = (from.family() == Family::Text, from.family() == Family::Time);
    if !is_text && !is_time {
        return Err(Fail::refused(format!("conversion from {from} to {to}")));
    }
    let what = match to {
        Type::SmallDateTime => "smalldatetime data type",
        _ => "date and/or time",
    };
    let failed =
        || Fail::new(241, format!("Conversion failed when converting {what} from character string."));
    let mut moment = Moment::parse(spelled).ok_or_else(failed)?;
    let old = matches!(to, Type::DateTime | Type::SmallDateTime);
    if is_text && old && (moment.digits > 3 || moment.has_offset) {
        return Err(failed());
    }
    if from == Type::DateTime && matches!(to, Type::DateTime2(_) | Type::DateTimeOffset(_) | Type::Time(_)) {
        // A datetime is a count of 1/300 s; its three shown digits are rounded.
        moment.ticks = (moment.ticks * 3 + 50_000) / 100_000 * 100_000 / 3;
    }
    if matches!(from, Type::Date) && matches!(to, Type::Time(_))
        || matches!(from, Type::Time(_)) && to == Type::Date
    {
        return Err(impossible(from, to));
    }
    if !moment.has_date && !matches!(to, Type::Time(_)) {
        moment.days = crate::moment::DAYS_1900;
    }
    if is_time && to == Type::Date && from == Type::DateTimeOffset(7) {
        moment.ticks = 0;
    }
    let out_of_range = || {
        Fail::new(
            242,
            format!(
                "The conversion of a {} data type to a {} data type resulted in an out-of-range value.",
                from.name(),
                to.name()
            ),
        )
    };
    moment_text(moment, to).map(Value::Text).ok_or_else(out_of_range)
}

pub(super) fn time_text(stored: &str, from: Type, style: i64) -> Result<String> {
    let moment = Moment::parse(stored).ok_or_else(|| Fail::refused(format!("{from} {stored}")))?;
    let scale = match from {
        Type::DateTime => 3,
        Type::Time(s) | Type::DateTime2(s) | Type::DateTimeOffset(s) => s,
        _ => 0,
    };
    let zone = matches!(from, Type::DateTimeOffset(_));
    match (style, from) {
        (0 | 20 | 21 | 120 | 121 | 25, Type::Date) | (126, Type::Date) => Ok(moment.date_text()),
        (0, Type::DateTime | Type::SmallDateTime) => {
            // Mon dd yyyy hh:miAM: nothing sent by the client reads it.
            Err(Fail::refused(format!("style 0 of {from}")))
        }
        (0 | 21 | 25 | 121, _) => Ok(stored.to_owned()),
        (20 | 120, _) => Ok(format!("{} {}", moment.date_text(), moment.time_text(0))),
        (126, Type::Time(_)) => Ok(stored.to_owned()),
        (126, _) => {
            // Style 126 leaves out a fraction of nothing but zeros for datetime.
            let scale = if from == Type::DateTime && moment.ticks % 10_000_000 == 0 { 0 } else { scale };
            let zone = if zone { moment.offset_text() } else { String::new() };
            Ok(format!("{}T{}{zone}", moment.date_text(), moment.time_text(scale)))
        }
        (127, Type::DateTimeOffset(_)) => {
            let utc = Moment::from_instant(moment.instant(), 0).ok_or_else(|| Fail::refused(stored))?;
            Ok(format!("{}T{}Z", utc.date_text(), utc.time_text(scale)))
        }
        (127, Type::DateTime | Type::DateTime2(_) | Type::SmallDateTime) => {
            let scale = if from == Type::DateTime && moment.ticks % 10_000_000 == 0 { 0 } else { scale };
            Ok(format!("{}T{}", moment.date_text(), moment.time_text(scale)))
        }
        _ => Err(Fail::refused(format!("style {style} of {from}"))),
    }
}

/// The 16 bytes as SQL Server keeps them: the first three groups turned round.
pub(crate) fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    let bytes: [u8; 16] = unhex(&text.replace('-', ""))?.try_into().ok()?;
    Some(turn(bytes))
}

fn turn(b: [u8; 16]) -> [u8; 16] {
    [b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]
}

pub(crate) fn guid_text(bytes: [u8; 16]) -> String {
    let h = hex(&turn(bytes));
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

pub(super) fn guid(value: Value, from: Type, to: Type) -> Result<Value> {
    match from.family() {
        Family::Text => {
            let spelled = text_of(&value).trim_matches(' ');
            let bare = spelled.strip_prefix('{').and_then(|s| s.strip_suffix('}')).unwrap_or(spelled);
            let shaped = bare.len() == 36
                && bare.bytes().enumerate().all(|(i, b)| match i {
                    8 | 13 | 18 | 23 => b == b'-',
                    _ => b.is_ascii_hexdigit(),
                });
            if !shaped {
                return Err(Fail::new(
                    8169,
                    "Conversion failed when converting from a character string to uniqueidentifier.",
                ));
            }
            Ok(Value::Text(bare.to_ascii_uppercase()))
        }
        Family::Binary => {
            let mut bytes = bytes_of(&value).to_vec();
            bytes.resize(16, 0);
            let bytes: [u8; 16] = bytes.try_into().map_err(|_| not_converted(from, to))?;
            Ok(Value::Text(guid_text(bytes)))
        }
        _ => Err(impossible(from, to)),
    }
}
