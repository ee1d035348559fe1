//! Dates and times: days since 0001-01-01, ticks of 100 ns in a day, minutes from UTC.

use std::fmt::Write as _;

/// Ticks in a day.
pub(crate) const DAY: u64 = 864_000_000_000;

/// Days from 0001-01-01 to 1900-01-01, where datetime counts from.
pub(crate) const DAYS_1900: i32 = 693_595;

/// 9999-12-31.
const LAST: i32 = 3_652_058;

/// A date, a time, an offset; what a type lacks is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub days: i32,
    pub ticks: u64,
    pub offset: i16,
    /// Whether the text that was read named them.
    pub has_date: bool,
    pub has_time: bool,
    pub has_offset: bool,
    pub digits: u8,
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 306
}

fn civil(days: i32) -> (i64, i64, i64) {
    let days = i64::from(days) + 306;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let value = self.0[..count].iter().fold(0, |n, b| n * 10 + i64::from(b - b'0'));
        self.0 = &self.0[count..];
        Some(value)
    }
}

impl Moment {
    pub fn parse(text: &str) -> Option<Moment> {
        let mut at = Cursor(text.trim_matches(' ').as_bytes());
        let mut moment = Moment::default();
        if at.0.is_empty() {
            // The empty string is 1900-01-01, for datetime and date alike.
            return Some(Moment { days: DAYS_1900, has_date: true, ..moment });
        }
        let digits = at.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 8 || (digits == 4 && at.0.get(4) == Some(&b'-')) {
            let year = at.number(4, 4)?;
            let (month, day) = if digits == 8 {
                (at.number(2, 2)?, at.number(2, 2)?)
            } else {
                at.eat(b'-');
                let month = at.number(1, 2)?;
                if !at.eat(b'-') {
                    return None;
                }
                (month, at.number(1, 2)?)
            };
            let days = i32::try_from(days_of(year, month, day)).ok()?;
            if year < 1 || civil(days) != (year, month, day) {
                return None;
            }
            moment.days = days;
            moment.has_date = true;
            if at.0.is_empty() {
                return Some(moment);
            }
            if !at.eat(b'T') && !at.eat(b' ') {
                return None;
            }
        }
        if at.0.first().is_some_and(u8::is_ascii_digit) {
            let hour = at.number(1, 2)?;
            if !at.eat(b':') {
                return None;
            }
            let minute = at.number(2, 2)?;
            let second = if at.eat(b':') { at.number(2, 2)? } else { 0 };
            let mut ticks = 0;
            if at.eat(b'.') {
                let before = at.0.len();
                let fraction = at.number(1, 7)?;
                moment.digits = (before - at.0.len()) as u8;
                ticks = fraction * 10i64.pow(7 - u32::from(moment.digits));
            }
            if hour > 23 || minute > 59 || second > 59 {
                return None;
            }
            moment.ticks = (((hour * 60 + minute) * 60 + second) * 10_000_000 + ticks) as u64;
            moment.has_time = true;
        }
        at.eat(b' ');
        if at.eat(b'Z') {
            moment.has_offset = true;
        } else if let Some(sign @ (b'+' | b'-')) = at.0.first().copied() {
            at.eat(sign);
            let hours = at.number(2, 2)?;
            at.eat(b':');
            let minutes = at.number(2, 2)?;
            if hours > 14 || minutes > 59 || hours * 60 + minutes > 840 {
                return None;
            }
            moment.offset = (hours * 60 + minutes) as i16 * if sign == b'-' { -1 } else { 1 };
            moment.has_offset = true;
        }
        (at.0.is_empty() && (moment.has_date || moment.has_time)).then_some(moment)
    }

    /// Rounds the time to `scale` digits; past midnight the date goes on.
    pub fn round(mut self, scale: u8) -> Option<Moment> {
        let unit = 10u64.pow(7 - u32::from(scale.min(7)));
        self.ticks = (self.ticks + unit / 2) / unit * unit;
        self.carry()
    }

    /// Rounds to 1/300 s, which is what datetime keeps, and to its range from 1753 on.
    pub fn round_datetime(mut self) -> Option<Moment> {
        let parts = (self.ticks * 3 + 50_000) / 100_000;
        self.ticks = datetime_ticks(parts);
        self.carry().filter(|m| m.days >= 639_905)
    }

    /// Rounds to minutes, as smalldatetime: 29.998 seconds go down.
    pub fn round_minute(mut self) -> Option<Moment> {
        let minute = 600_000_000;
        self.ticks = (self.ticks + minute - 299_990_000) / minute * minute;
        self.carry().filter(|m| (DAYS_1900..DAYS_1900 + 65_536).contains(&m.days))
    }

    fn carry(mut self) -> Option<Moment> {
        if self.ticks >= DAY {
            self.ticks -= DAY;
            self.days += 1;
        }
        (0..=LAST).contains(&self.days).then_some(self)
    }

    /// Ticks since 0001-01-01 in UTC.
    pub fn instant(&self) -> i128 {
        i128::from(self.days) * i128::from(DAY) + i128::from(self.ticks)
            - i128::from(self.offset) * 600_000_000
    }

    pub fn from_instant(instant: i128, offset: i16) -> Option<Moment> {
        let local = instant + i128::from(offset) * 600_000_000;
        let days = i32::try_from(local.div_euclid(i128::from(DAY))).ok()?;
        let ticks = local.rem_euclid(i128::from(DAY)) as u64;
        Moment { days, ticks, offset, ..Moment::default() }.carry()
    }

    pub fn now() -> Moment {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let ticks = (since.as_nanos() / 100) as i128 + 719_162 * i128::from(DAY);
        Moment::from_instant(ticks, 0).expect("now is within four digits of years")
    }

    pub fn date_text(&self) -> String {
        let (year, month, day) = civil(self.days);
        format!("{year:04}-{month:02}-{day:02}")
    }

    pub fn time_text(&self, scale: u8) -> String {
        let seconds = self.ticks / 10_000_000;
        let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if scale > 0 {
            let part = self.ticks % 10_000_000 / 10u64.pow(7 - u32::from(scale));
            let _ = write!(text, ".{part:0width$}", width = usize::from(scale));
        }
        text
    }

    pub fn offset_text(&self) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs();
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Ticks of a count of 1/300 s, rounded to the milliseconds that datetime shows: .000, .003, .007.
pub(crate) fn datetime_ticks(parts: u64) -> u64 {
    (parts * 10 + 1) / 3 * 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        assert_eq!(Moment::parse("0001-01-01").unwrap().days, 0);
        assert_eq!(Moment::parse("1900-01-01").unwrap().days, DAYS_1900);
        assert_eq!(Moment::parse("9999-12-31").unwrap().days, LAST);
        for days in (0..LAST).step_by(97) {
            let text = Moment { days, ..Moment::default() }.date_text();
            assert_eq!(Moment::parse(&text).unwrap().days, days, "{text}");
        }
        assert!(Moment::parse("2023-02-29").is_none());
    }

    #[test]
    fn times_round_as_their_types() {
        let at = |text| Moment::parse(text).unwrap();
        assert_eq!(at("2024-01-01 00:00:00.002").round_datetime().unwrap().time_text(3), "00:00:00.003");
        assert_eq!(at("2024-01-01 00:00:00.001").round_datetime().unwrap().time_text(3), "00:00:00.000");
        assert_eq!(at("2024-01-01 23:59:59.999").round_datetime().unwrap().date_text(), "2024-01-02");
        assert_eq!(at("2024-01-01T12:00:29.998").round_minute().unwrap().time_text(0), "12:00:00");
        assert_eq!(at("2024-01-01T12:00:29.999").round_minute().unwrap().time_text(0), "12:01:00");
        let offset = at("2024-01-01 01:00:00.1234567 +05:30");
        assert_eq!(Moment::from_instant(offset.instant(), 0).unwrap().time_text(7), "19:30:00.1234567");
    }
}
