//! Refused attempts that the client caused, and the ban that so many of them bring.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::quota::BanTerms;
use crate::limits::two_clocks::Moment;

/// No terms count more failures.
pub const MOST_FAILURES: u32 = 1000;

/// The failures that still matter, oldest first by both clocks, and the ban.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Bans {
    pub failures: VecDeque<Moment>,
    /// How long a failure matters, by the terms of the last one.
    pub window: Duration,
    pub ban: Option<Ban>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    pub since: Moment,
    pub length: Duration,
}

impl Bans {
    pub fn settle(&mut self, now: Moment) -> bool {
        let failures = self.failures.iter_mut().rev();
        let settled = failures
            .map_while(|at| at.settle(now).then_some(()))
            .count()
            > 0;
        self.ban.as_mut().is_some_and(|ban| ban.since.settle(now)) || settled
    }

    pub fn forget(&mut self, now: Moment) {
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
    pub fn left(&self, now: Moment) -> Option<Duration> {
        let ban = self.ban?;
        ban.since.left(ban.length, now)
    }

    /// Counts a failure, which may be the one that bans: what led to the ban is forgotten then.
    pub fn fail(&mut self, terms: BanTerms, now: Moment) {
        let window = terms.failures.window();
        self.window = match self.failures.is_empty() {
            true => window,
            false => self.window.max(window),
        };
        self.failures.push_back(now);
        let newest_first = self.failures.iter().rev();
        let recent = newest_first.take_while(|at| at.left(window, now).is_some());
        if recent.count() >= terms.failures.count() as usize {
            self.failures.clear();
            self.ban = Some(Ban {
                since: now,
                length: terms.length,
            });
        }
        if self.failures.len() > MOST_FAILURES as usize {
            self.failures.pop_front();
        }
    }
}
