//! Quotas and the other limits of one address or user.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::util::duration;
use crate::util::time::millis;

/// The most refused attempts, and the most failures, that one request tells a ledger.
pub const MAX_TOLD: u32 = 128;

/// The most attempts that are lent to an isolate at a time.
pub const MAX_LENT: u32 = 128;

/// The part of a quota that is lent to an isolate at most.
const PART_LENT: u32 = 64;

/// The part of a quota, or of the failures that bring a ban, that is told together at most.
const PART_TOLD: u32 = 8;

/// The most admissions in any half-open interval of a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: NonZeroU32,
    window: Duration,
}

impl Quota {
    /// `None` if either is zero.
    pub fn new(count: u32, window: Duration) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        (millis(window) > 0).then_some(Self { count, window })
    }

    pub fn count(self) -> u32 {
        self.count.get()
    }

    pub fn window(self) -> Duration {
        self.window
    }
}

/// As settings write it.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, duration::text(self.window))
    }
}

/// `BAN_AFTER`: how many failures bring a ban, and how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BanRule {
    pub failures: Quota,
    pub length: Duration,
}

/// As settings write it.
impl fmt::Display for BanRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.failures, duration::text(self.length))
    }
}

/// What a ledger counts: `RATE_LIMIT_IP`, `KEY_REPLAY_WINDOW` and `BAN_AFTER` for an address,
/// `RATE_LIMIT_USER` for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub quota: Option<Quota>,
    pub replay_window: Option<Duration>,
    pub ban: Option<BanRule>,
}

impl Limits {
    /// How long an attempt matters.
    pub fn horizon(self) -> Duration {
        let window = self.quota.map(Quota::window).unwrap_or_default();
        window.max(self.replay_window.unwrap_or_default())
    }

    /// How many refused attempts of an address may be told to its ledger together: few enough that
    /// rules of small numbers stay exact.
    pub fn told_together(self) -> u32 {
        let quota = self.quota.map(Quota::count);
        let failures = self.ban.map(|ban| ban.failures.count());
        let smaller = quota.into_iter().chain(failures).min().unwrap_or(1);
        (smaller / PART_TOLD).clamp(1, MAX_TOLD)
    }

    /// How many attempts are lent to an isolate at most; zero if none are. A key has to be asked for,
    /// so none are lent where keys are remembered.
    pub fn lends(self) -> u32 {
        let quota = self.quota.filter(|_| self.replay_window.is_none());
        let part = quota.map_or(0, |quota| quota.count() / PART_LENT);
        if part < 2 { 0 } else { part.min(MAX_LENT) }
    }

    /// Whether there is anything for a ledger to count.
    pub fn need_a_ledger(self) -> bool {
        self.quota.is_some() || self.replay_window.is_some() || self.ban.is_some()
    }
}
