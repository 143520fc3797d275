//! How many requests an isolate saw of late. A guess at what comes; nothing that must be right
//! depends on it.

use std::time::Duration;

use crate::time::{Timestamp, millis};

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

    /// Of the last seconds together.
    pub fn recent(&self, now: Timestamp) -> u32 {
        let is_recent = now.0 / 1000 < self.second + SECONDS as u64;
        let sum = self
            .counts
            .iter()
            .fold(0_u32, |sum, count| sum.saturating_add(*count));
        if is_recent { sum } else { 0 }
    }

    /// What a window may see, with a quarter more.
    pub fn in_a_window(&self, window: Duration, now: Timestamp) -> u32 {
        let seconds = millis(Duration::from_secs(SECONDS as u64));
        let expected = u64::from(self.recent(now)) * millis(window) / seconds;
        u32::try_from(expected + expected / 4 + 2).unwrap_or(u32::MAX)
    }
}
