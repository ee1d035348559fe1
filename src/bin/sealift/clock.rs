//! The time of day, as it is written into files and their names: UTC, to the second.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// One moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment(OffsetDateTime);

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        Self(now.replace_nanosecond(0).unwrap_or(now))
    }

    /// As RFC 3339: `2026-11-23T12:00:00Z`.
    pub fn text(self) -> String {
        self.0.format(&Rfc3339).unwrap_or_default()
    }

    /// For names of files, which sort by it: `20261123T120000Z`.
    pub fn stamp(self) -> String {
        self.0.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap_or_default()
    }
}
