//! How many requests an isolate saw recently. It is a guess at what comes next; the limit does not
//! depend on it.

use std::time::Duration;

use super::to_u32;
use crate::util::time::{Timestamp, millis};

const SECONDS: usize = 4;

/// Requests in each of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Demand {
    second: u64,
    counts: [u32; SECONDS],
}

impl Demand {
    pub fn note(&mut self, now: Timestamp) {
        let second = now.0 / 1000;
        if second < self.second || second >= self.second + SECONDS as u64 {
            self.counts = [0; SECONDS];
        } else {
            for past in self.second + 1..=second {
                self.counts[past as usize % SECONDS] = 0;
            }
        }
        self.second = second;
        let count = &mut self.counts[second as usize % SECONDS];
        *count = count.saturating_add(1);
    }

    /// The requests of the last seconds together.
    pub fn recent(&self, now: Timestamp) -> u32 {
        let is_recent = now.0 / 1000 < self.second + SECONDS as u64;
        let sum = self
            .counts
            .iter()
            .fold(0_u32, |sum, count| sum.saturating_add(*count));
        if is_recent { sum } else { 0 }
    }

    /// How many requests a window may see: at the rate of the busier of the last two seconds or of
    /// the average, whichever is more, and a quarter on top.
    pub fn in_a_window(&self, window: Duration, now: Timestamp) -> u32 {
        let recent = u64::from(self.recent(now));
        let seconds = SECONDS as u64;
        let of = |second: u64| u64::from(self.counts[second as usize % SECONDS]);
        let latest = of(self.second).max(of(self.second + seconds - 1));
        let in_a_second = latest.min(recent).max(recent / seconds);
        let expected = in_a_second * millis(window) / 1000;
        to_u32(expected + expected / 4 + 2)
    }
}
