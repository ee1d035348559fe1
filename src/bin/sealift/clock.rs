//! The time of day, as it is written into files and their names: UTC, to the second.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(OffsetDateTime);

impl Moment {
    /// Now, by the machine's clock.
    pub fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        Self(now.replace_nanosecond(0).unwrap_or(now))
    }

    /// The moment for the name of a file: `20241105T061000Z`.
    pub fn compact(self) -> String {
        self.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect()
    }
}

/// RFC 3339: `2024-11-05T06:10:00Z`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spelled_to_the_second() {
        let moment = Moment(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_730_787_000));
        assert_eq!(moment.to_string(), "2024-11-05T06:10:00Z");
        assert_eq!(moment.compact(), "20241105T061000Z");
        assert_eq!(Moment::now().to_string().len(), 20);
    }
}
