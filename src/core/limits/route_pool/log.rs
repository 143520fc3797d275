//! Admissions that count, in bounded space.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::two_clocks::TwoClocks;

/// How many entries are kept exactly. Beyond that, entries that are close in time are merged, and
/// count as late as the last of them.
const APART: usize = 128;

/// What is close in time, as a part of a window.
const RESOLUTION: u32 = 128;

/// The most entries that are kept; each is stored in 20 bytes.
pub(super) const MAX_ENTRIES: usize = 2 * APART;

/// Admissions that count from the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub at: TwoClocks,
    pub count: u32,
    /// When the first admission in it was made.
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
    /// How many admissions were ever added and removed.
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
            if last.at == now || len >= MAX_ENTRIES || (len >= APART && is_close) {
                last.at = now;
                last.count = last.count.saturating_add(count);
                return;
            }
        }
        self.entries.push_back(LogEntry::new(now, count));
    }

    /// Takes out an admission that was not used, if it still counts. The oldest one is removed
    /// instead, which can't be later.
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

    /// How long until `count` admissions no longer count; `None` if there are fewer.
    pub fn wait(&self, mut count: u64, window: Duration, now: TwoClocks) -> Option<Duration> {
        for entry in &self.entries {
            count = count.saturating_sub(entry.count.into());
            if count == 0 {
                return Some(entry.at.left(window, now).unwrap_or_default());
            }
        }
        None
    }

    /// Adds a stored entry, in order. Returns `None` for one that can't have been stored.
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
