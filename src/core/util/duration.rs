//! Durations as settings and administrators write them.

use std::time::Duration;

use fundu::{DurationParser, TimeUnit};

use super::time::millis;

/// Parses a whole number and a unit: `500ms`, `30s`, `5m`, `1h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [TimeUnit; 5] = [
        TimeUnit::MilliSecond,
        TimeUnit::Second,
        TimeUnit::Minute,
        TimeUnit::Hour,
        TimeUnit::Day,
    ];
    let parser = DurationParser::builder()
        .time_units(&UNITS)
        .disable_fraction()
        .disable_exponent()
        .disable_infinity()
        .build();
    let wrong =
        || format!("{text:?} is not a duration; write one like \"500ms\", \"30s\" or \"5m\"");
    // Without a unit the parser would guess seconds.
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.ends_with(['s', 'm', 'h', 'd']) {
        return Err(wrong());
    }
    let parsed = parser.parse(text).map_err(|_| wrong())?;
    let parsed = Duration::try_from(parsed).map_err(|_| wrong())?;
    if parsed > Duration::from_hours(24 * 366) {
        return Err(format!(
            "{text:?} is longer than a year; write a shorter duration"
        ));
    }
    Ok(parsed)
}

/// Parses a [`duration`] longer than zero.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!(
            "{text:?} must be longer than zero; write one like \"30s\""
        )),
        positive => Ok(positive),
    }
}

/// Writes a duration as [`duration`] reads it, in the largest unit that fits.
pub fn text(length: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let whole = millis(length);
    let fits = |(unit, _): &(u64, &str)| whole > 0 && whole.is_multiple_of(*unit);
    match UNITS.into_iter().find(fits) {
        Some((unit, name)) => format!("{}{name}", whole / unit),
        None => format!("{whole}ms"),
    }
}
