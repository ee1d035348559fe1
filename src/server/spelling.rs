//! One spelling for times and GUIDs, by the declared type of their column.
//!
//! One server keeps a time as the text it was given, another as a number. A document has to be the same bytes
//! from both, so the text has one form: `2018-08-01`, `10:00:00`, `2018-08-01 10:00:00`, with ` +00:00` behind it
//! where the type has an offset, and a fraction of a second without needless zeros. GUIDs have small letters, as
//! the products write them in their own JSON. Text that is no such value travels as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ticks of 100 ns in a second.
const SECOND: u64 = 10_000_000;
/// Ticks of 100 ns in a day.
pub const DAY: u64 = 86_400 * SECOND;
/// Days from 0001-01-01 to 9999-12-31.
const LAST_DAY: u32 = 3_652_058;
/// Days from 0001-01-01 to 1900-01-01, from where `datetime` and `smalldatetime` count.
pub const DAYS_TO_1900: u32 = 693_595;

/// A declared type whose values are times or GUIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled {
    /// `date`.
    Date,
    /// `time(n)`, with as many digits of a second.
    Time(u8),
    /// `datetime`: 1/300 s, told as .000, .003 and .007.
    DateTime,
    /// `smalldatetime`: minutes.
    SmallDateTime,
    /// `datetime2(n)`, with as many digits of a second.
    DateTime2(u8),
    /// `datetimeoffset(n)`, with as many digits of a second.
    DateTimeOffset(u8),
    /// `uniqueidentifier`.
    Guid,
}

/// A time. The parts that its type has not are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parsed {
    /// Days since 0001-01-01, as the calendar shows them at the offset.
    pub days: u32,
    /// Ticks of 100 ns since midnight, as the clock shows them at the offset.
    pub ticks: u64,
    /// Minutes that the clock is before UTC.
    pub offset: i16,
}

impl Parsed {
    /// The same moment as days since 0001-01-01 and ticks of the day in UTC, as `datetimeoffset` goes over the
    /// wire; `None` outside the years 1 to 9999.
    pub fn utc(&self) -> Option<(u32, u64)> {
        self.moved(-i64::from(self.offset))
    }

    /// A time at an offset, from days and ticks in UTC; `None` outside the years 1 to 9999, or more than 14 hours
    /// from UTC.
    pub fn from_utc(days: u32, ticks: u64, offset: i16) -> Option<Self> {
        if days > LAST_DAY || ticks >= DAY || offset.unsigned_abs() > 14 * 60 {
            return None;
        }
        let (days, ticks) = Self { days, ticks, offset }.moved(i64::from(offset))?;
        Some(Self { days, ticks, offset })
    }

    fn moved(&self, minutes: i64) -> Option<(u32, u64)> {
        let day = i64::try_from(DAY).ok()?;
        let ticks = i64::try_from(self.ticks).ok()? + minutes * 60 * i64::try_from(SECOND).ok()?;
        let days = u32::try_from(i64::from(self.days) + ticks.div_euclid(day)).ok()?;
        (days <= LAST_DAY).then_some((days, u64::try_from(ticks.rem_euclid(day)).ok()?))
    }
}

impl Spelled {
    /// Reads a declared type; `None` for all but times and GUIDs.
    pub fn of(declared: &str) -> Option<Self> {
        let (name, scale) = match declared.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')')?.trim().parse::<u8>().ok()?)),
            None => (declared, None),
        };
        let digits = scale.unwrap_or(7);
        let spelled = match name.trim().to_ascii_lowercase().as_str() {
            "time" => Spelled::Time(digits),
            "datetime2" => Spelled::DateTime2(digits),
            "datetimeoffset" => Spelled::DateTimeOffset(digits),
            _ if scale.is_some() => return None,
            "date" => Spelled::Date,
            "datetime" => Spelled::DateTime,
            "smalldatetime" => Spelled::SmallDateTime,
            "uniqueidentifier" => Spelled::Guid,
            _ => return None,
        };
        (digits <= 7).then_some(spelled)
    }

    /// The one form of a value; `None` for text that is none of this type. Digits that the type would round away
    /// stay: the text is somebody's.
    pub fn canonical(self, text: &str) -> Option<String> {
        match self {
            Spelled::Guid => guid(text),
            _ => self.parse(text).map(|time| self.format(&time)),
        }
    }

    /// Reads a time as any server writes it: `T` or a blank before the clock, `Z` or an offset behind it, seconds
    /// and their fraction or none. `None` for text that is no time of this type, and for GUIDs.
    pub fn parse(self, text: &str) -> Option<Parsed> {
        let mut rest = text;
        let mut time = Parsed::default();
        let mut clock = matches!(self, Spelled::Time(_));
        if !clock {
            if self == Spelled::Guid {
                return None;
            }
            time.days = date(&mut rest)?;
            if let Some(after) = rest.strip_prefix([' ', 'T', 't']) {
                (rest, clock) = (after, true);
            }
        }
        if clock {
            time.ticks = ticks(&mut rest)?;
            if !matches!(self, Spelled::Time(_)) {
                time.offset = offset(&mut rest)?;
            }
        }
        let holds = match self {
            Spelled::Date => time.ticks == 0 && time.offset == 0,
            // A clock without an offset that says where it is can only be UTC's.
            Spelled::DateTime | Spelled::SmallDateTime | Spelled::DateTime2(_) => time.offset == 0,
            _ => true,
        };
        (rest.is_empty() && holds && time.utc().is_some()).then_some(time)
    }

    /// Says whether the type keeps a time as it is: neither rounds it nor refuses it as too early or too late.
    pub fn keeps(self, time: &Parsed) -> bool {
        let digits = |scale: u8| 10u64.checked_pow(7u32.saturating_sub(u32::from(scale))).unwrap_or(1);
        match self {
            Spelled::Date => time.ticks == 0,
            Spelled::Time(scale) | Spelled::DateTime2(scale) | Spelled::DateTimeOffset(scale) => {
                time.ticks.is_multiple_of(digits(scale))
            }
            Spelled::DateTime => {
                // From 1753 on.
                time.days >= 639_905 && ticks_of_300ths(to_300ths(time.ticks)) == time.ticks
            }
            Spelled::SmallDateTime => {
                // From 1900 to 2079-06-06.
                (DAYS_TO_1900..=DAYS_TO_1900 + 65_535).contains(&time.days)
                    && time.ticks.is_multiple_of(60 * SECOND)
            }
            Spelled::Guid => false,
        }
    }

    /// Writes a time in its one form. What is outside a day or the years 1 to 9999 comes out as their end.
    pub fn format(self, time: &Parsed) -> String {
        let mut text = String::with_capacity(34);
        if !matches!(self, Spelled::Time(_)) {
            let (year, month, day) = civil(time.days.min(LAST_DAY));
            // Writing to a string cannot fail.
            let _ = write!(text, "{year:04}-{month:02}-{day:02}");
        }
        if self == Spelled::Date {
            return text;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        let ticks = time.ticks.min(DAY - 1);
        let (seconds, fraction) = (ticks / SECOND, ticks % SECOND);
        let _ = write!(text, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if fraction > 0 {
            let digits = format!(".{fraction:07}");
            text.push_str(digits.trim_end_matches('0'));
        }
        if matches!(self, Spelled::DateTimeOffset(_)) {
            let (sign, minutes) = (if time.offset < 0 { '-' } else { '+' }, time.offset.unsigned_abs());
            let _ = write!(text, " {sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        text
    }
}

/// The one form of a text in a column of a declared type; `None` where there is none and it stays as it is.
pub fn canonical_text(declared: &str, text: &str) -> Option<String> {
    Spelled::of(declared)?.canonical(text)
}

/// Reads a time for a column of a declared type; `None` for text or types that are none. Whether the column
/// keeps it without rounding is for [`Spelled::keeps`] to say.
pub fn parse_time(declared: &str, text: &str) -> Option<Parsed> {
    Spelled::of(declared)?.parse(text)
}

/// The text in its one form, if it has one.
pub fn respelled(spelled: Option<Spelled>, text: &str) -> Cow<'_, str> {
    match spelled.and_then(|spelled| spelled.canonical(text)) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(text),
    }
}

/// The ticks that a `datetime` shows for its count of 1/300 s: whole milliseconds, rounded.
pub fn ticks_of_300ths(count: u32) -> u64 {
    (u64::from(count) * 10 + 1) / 3 * 10_000
}

/// The count of 1/300 s nearest to a time of day, as `datetime` rounds.
pub fn to_300ths(ticks: u64) -> u32 {
    let count = (ticks.min(DAY) * 300 + SECOND / 2) / SECOND;
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn guid(text: &str) -> Option<String> {
    let bare = text.strip_prefix('{').map_or(Some(text), |text| text.strip_suffix('}'))?;
    let is_guid = bare.len() == 36
        && bare.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_guid.then(|| bare.to_ascii_lowercase())
}

/// Takes a number of exactly so many digits from the front.
fn number(rest: &mut &str, digits: usize) -> Option<u32> {
    let (head, tail) = rest.split_at_checked(digits)?;
    if !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = tail;
    head.parse().ok()
}

fn sign(rest: &mut &str, sign: char) -> Option<()> {
    *rest = rest.strip_prefix(sign)?;
    Some(())
}

/// Takes `2018-08-01` from the front: days since 0001-01-01.
fn date(rest: &mut &str) -> Option<u32> {
    let year = number(rest, 4)?;
    sign(rest, '-')?;
    let month = number(rest, 2)?;
    sign(rest, '-')?;
    let day = number(rest, 2)?;
    let there = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month);
    there.then(|| days_before_year(year) + (1..month).map(|m| days_in(year, m)).sum::<u32>() + day - 1)
}

/// Takes `10:00`, `10:00:00` or `10:00:00.0000000` from the front. Zeros behind the seventh digit say nothing.
fn ticks(rest: &mut &str) -> Option<u64> {
    let hour = number(rest, 2)?;
    sign(rest, ':')?;
    let minute = number(rest, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if sign(rest, ':').is_some() {
        second = number(rest, 2)?;
        if sign(rest, '.').is_some() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, tail) = rest.split_at_checked(end)?;
            let kept = digits.trim_end_matches('0');
            if digits.is_empty() || kept.len() > 7 {
                return None;
            }
            fraction = format!("{kept:0<7}").parse().ok()?;
            *rest = tail;
        }
    }
    let there = hour < 24 && minute < 60 && second < 60;
    there.then(|| u64::from(hour * 3600 + minute * 60 + second) * SECOND + fraction)
}

/// Takes nothing, `Z`, or `+02:00` with or without a blank before it: minutes.
fn offset(rest: &mut &str) -> Option<i16> {
    let text = rest.strip_prefix(' ').unwrap_or(rest);
    let mut signed = match text.strip_prefix(['Z', 'z']) {
        Some(after) => {
            *rest = after;
            return Some(0);
        }
        // Nothing is UTC; what else there may be, the caller sees.
        None if !text.starts_with(['+', '-']) => return Some(0),
        None => text.get(1..)?,
    };
    let hours = number(&mut signed, 2)?;
    sign(&mut signed, ':')?;
    let minutes = number(&mut signed, 2)?;
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return None;
    }
    *rest = signed;
    let minutes = i16::try_from(hours * 60 + minutes).ok()?;
    Some(if text.starts_with('-') { -minutes } else { minutes })
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before_year(year: u32) -> u32 {
    let before = year.saturating_sub(1);
    before * 365 + before / 4 - before / 100 + before / 400
}

/// Year, month and day of a day since 0001-01-01.
fn civil(days: u32) -> (u32, u32, u32) {
    // A year too late at the most, and never too early.
    let mut year = days / 365 + 1;
    while days_before_year(year) > days {
        year -= 1;
    }
    let (mut month, mut day) = (1, days - days_before_year(year));
    while day >= days_in(year, month) {
        day -= days_in(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests;
