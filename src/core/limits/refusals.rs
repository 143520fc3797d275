//! Refused attempts of one address that an isolate adds up before it tells the ledger.

use std::time::Duration;

use super::quota::Limits;
use crate::util::time::Timestamp;

/// How long refused attempts are added up after the last ones were told.
pub const TELL_EVERY: Duration = Duration::from_secs(1);

/// Numbers of refused attempts and of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    pub attempts: u32,
    pub failures: u32,
}

impl Refusals {
    /// What has to be told at once if there are so many of it.
    fn most(self) -> u32 {
        self.attempts.max(self.failures)
    }

    fn and(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            failures: self.failures + other.failures,
        }
    }
}

/// What is to be done about refused attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    Now(Refusals),
    /// A timer is to be set.
    After(Duration),
    /// A timer is set already.
    WithOthers,
}

/// The refused attempts of one address that its ledger does not know yet.
///
/// The first are told at once. Those that follow within a second are told together, at its end or as
/// soon as they may bring the end of the quota or a ban. A clock that jumps tells them early, and so
/// does a timer.
#[derive(Debug, Default)]
pub struct Batch {
    untold: Refusals,
    /// When refusals were told last.
    told_at: Option<Timestamp>,
    has_timer: bool,
    /// How many more the ledger expects until the end of the quota or a ban; `None` if they are many.
    few_left: Option<u32>,
}

impl Batch {
    /// Adds what one attempt counts.
    pub fn add(&mut self, refusals: Refusals, limits: Limits, now: Timestamp) -> Telling {
        self.untold = self.untold.and(refusals);
        let rest = self.rest_of_the_second(now);
        if rest.is_zero() || self.is_large(limits) {
            return Telling::Now(self.take(now));
        }
        if std::mem::replace(&mut self.has_timer, true) {
            return Telling::WithOthers;
        }
        Telling::After(rest)
    }

    /// Takes in what an answer of the ledger says of refusals to come. Returns what has to be told at
    /// once because of that.
    pub fn heard(
        &mut self,
        few_left: Option<u32>,
        limits: Limits,
        now: Timestamp,
    ) -> Option<Refusals> {
        self.few_left = few_left;
        (self.untold.most() > 0 && self.is_large(limits)).then(|| self.take(now))
    }

    /// Takes in the end of a timer. Returns what is to be told, if anything.
    pub fn woken(&mut self, now: Timestamp) -> Option<Refusals> {
        self.has_timer = false;
        (self.untold.most() > 0).then(|| self.take(now))
    }

    fn is_large(&self, limits: Limits) -> bool {
        let together = limits.told_together();
        self.untold.most() >= self.few_left.map_or(together, |left| left.min(together))
    }

    fn rest_of_the_second(&self, now: Timestamp) -> Duration {
        let since = self.told_at.filter(|told_at| *told_at <= now);
        since.map_or(Duration::ZERO, |told_at| (told_at + TELL_EVERY).since(now))
    }

    fn take(&mut self, now: Timestamp) -> Refusals {
        self.told_at = Some(now);
        let told = std::mem::take(&mut self.untold);
        self.few_left = self.few_left.map(|left| left.saturating_sub(told.most()));
        told
    }
}
