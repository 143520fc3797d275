//! Refused attempts that the client caused, and the ban that follows when there are too many.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::quota::BanRule;
use crate::limits::two_clocks::TwoClocks;

/// The most failures that a rule may count.
pub const MAX_FAILURES: u32 = 1000;

/// The failures that still matter, oldest first by both clocks, and the ban.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Bans {
    pub failures: VecDeque<TwoClocks>,
    /// How long a failure matters, by the rule of the last one.
    pub window: Duration,
    pub ban: Option<Ban>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    pub since: TwoClocks,
    pub length: Duration,
}

impl Bans {
    /// Moves what lies in a clock's future to now, and returns whether there was any.
    pub fn clamp_to(&mut self, now: TwoClocks) -> bool {
        let failures = self.failures.iter_mut().rev();
        let clamped = failures
            .map_while(|at| at.clamp_to(now).then_some(()))
            .count()
            > 0;
        self.ban.as_mut().is_some_and(|ban| ban.since.clamp_to(now)) || clamped
    }

    /// Drops what no longer matters.
    pub fn prune(&mut self, now: TwoClocks) {
        while let Some(at) = self.failures.front()
            && at.left(self.window, now).is_none()
        {
            self.failures.pop_front();
        }
        if self.left(now).is_none() {
            self.ban = None;
        }
    }

    /// How long the ban still holds.
    pub fn left(&self, now: TwoClocks) -> Option<Duration> {
        let ban = self.ban?;
        ban.since.left(ban.length, now)
    }

    /// How many failures were noted in the last `window`.
    pub fn count(&self, window: Duration, now: TwoClocks) -> usize {
        let older = |at: &TwoClocks| at.left(window, now).is_none();
        self.failures.len() - self.failures.partition_point(older)
    }

    /// Counts a failure. If it brings a ban, the failures that led to it are forgotten.
    pub fn fail(&mut self, rule: BanRule, now: TwoClocks) {
        let window = rule.failures.window();
        self.window = match self.failures.is_empty() {
            true => window,
            false => self.window.max(window),
        };
        self.failures.push_back(now);
        if self.count(window, now) >= rule.failures.count() as usize {
            self.failures.clear();
            self.ban = Some(Ban {
                since: now,
                length: rule.length,
            });
        }
        if self.failures.len() > MAX_FAILURES as usize {
            self.failures.pop_front();
        }
    }
}
