//! Time as an argument: nothing in the core reads a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::Serialize;

use super::from_json::from_content;

/// How far apart the clocks of two machines may be.
pub const CLOCK_SLACK: Duration = Duration::from_mins(1);

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

from_content!(Timestamp);

/// The clock of a runtime.
pub trait Clock {
    fn now(&self) -> Timestamp;
}

impl Timestamp {
    /// The last time that a JavaScript `Date` can hold. No later one is kept anywhere.
    pub const LATEST: Self = Self(8_640_000_000_000_000);

    /// As RFC 3339 writes it, in UTC: `2026-01-02T03:04:05.678Z`.
    pub fn to_rfc3339(self) -> String {
        let (days, rest) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = date(days);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

const DAY: u64 = 86_400_000;

/// Year, month and day of the Gregorian calendar, by days since 1970. Years are counted from
/// March here, so that a leap day is a year's last and months repeat in fives of 153 days.
fn date(days: u64) -> (u64, u64, u64) {
    const OF_400_YEARS: u64 = 146_097;
    const FROM_MARCH_OF_0: u64 = 719_468;
    let days = days + FROM_MARCH_OF_0;
    let (era, day) = (days / OF_400_YEARS, days % OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + later, month, day)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }
}

/// Whole milliseconds of a length of time.
pub fn millis(length: Duration) -> u64 {
    let seconds = length.as_secs().saturating_mul(1000);
    seconds.saturating_add(length.subsec_millis().into())
}

/// Seconds as `Retry-After` and `RateLimit` count them: rounded up, so that
/// who waits that long has waited long enough.
pub fn whole_seconds(length: Duration) -> u64 {
    length
        .as_secs()
        .saturating_add(u64::from(length.subsec_nanos() > 0))
}
