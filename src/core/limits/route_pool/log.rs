//! Admissions that count, in bounded space.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::two_clocks::TwoClocks;

/// So many entries are kept apart exactly; with more, entries that are close in time are taken
/// for as late as the last of them.
const APART: usize = 128;

/// Close in time: this part of a window.
const RESOLUTION: u32 = 128;

/// Entries at most, 20 bytes each when stored.
pub(super) const MOST: usize = 2 * APART;

/// Admissions that count from the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub at: TwoClocks,
    pub count: u32,
    /// The moment of the first admission in it.
    since: TwoClocks,
}

impl LogEntry {
    pub fn new(at: TwoClocks, count: u32) -> Self {
        let since = at;
        Self { at, count, since }
    }
}

/// Oldest first by both clocks.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<LogEntry>,
    /// Admissions ever added, and ever removed.
    added: u64,
    removed: u64,
}

impl Log {
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.entries.iter()
    }

    pub fn total(&self) -> u64 {
        self.added - self.removed
    }

    /// The ordinal of the next admission.
    pub fn next(&self) -> u64 {
        self.added
    }

    pub fn clamp_to(&mut self, now: TwoClocks) {
        for entry in self.entries.iter_mut().rev() {
            if !entry.at.clamp_to(now) {
                break;
            }
            entry.since.clamp_to(now);
        }
    }

    pub fn prune(&mut self, window: Duration, now: TwoClocks) {
        while let Some(entry) = self.entries.front()
            && entry.at.left(window, now).is_none()
        {
            self.removed += u64::from(entry.count);
            self.entries.pop_front();
        }
    }

    /// `now` is not before any entry.
    pub fn add(&mut self, count: u32, window: Duration, now: TwoClocks) {
        if count == 0 {
            return;
        }
        self.added += u64::from(count);
        let len = self.entries.len();
        if let Some(last) = self.entries.back_mut() {
            let is_close = last.since.left(window / RESOLUTION, now).is_some();
            if last.at == now || len >= MOST || (len >= APART && is_close) {
                last.at = now;
                last.count = last.count.saturating_add(count);
                return;
            }
        }
        self.entries.push_back(LogEntry::new(now, count));
    }

    /// Takes out an admission that was not used, if it still counts. The oldest leaves in its
    /// place, and it stands for that one, which it is not older than.
    pub fn take_out(&mut self, ordinal: u64) {
        if ordinal < self.removed {
            return;
        }
        if let Some(oldest) = self.entries.front_mut() {
            self.removed += 1;
            oldest.count -= 1;
            if oldest.count == 0 {
                self.entries.pop_front();
            }
        }
    }

    /// How long until so many have left, if there are so many.
    pub fn wait(&self, mut count: u64, window: Duration, now: TwoClocks) -> Option<Duration> {
        for entry in &self.entries {
            count = count.saturating_sub(entry.count.into());
            if count == 0 {
                return Some(entry.at.left(window, now).unwrap_or_default());
            }
        }
        None
    }

    /// Adds what was stored, which comes in its order. `None` for what can't have been.
    pub fn restore(&mut self, entry: LogEntry) -> Option<()> {
        let is_in_order = self
            .last()
            .is_none_or(|last| last.later(entry.at) == entry.at);
        if entry.count == 0 || !is_in_order {
            return None;
        }
        self.added += u64::from(entry.count);
        self.entries.push_back(entry);
        Some(())
    }

    pub fn last(&self) -> Option<TwoClocks> {
        self.entries.back().map(|entry| entry.at)
    }
}
