//! What one group of routes counts of a party: the attempts or admissions that still matter.

use std::collections::VecDeque;
use std::time::Duration;

use super::EntryId;
use crate::limits::quota::Quota;
use crate::limits::two_clocks::TwoClocks;

/// Entries in a row of their own. The last ones stand in the head, which is written anew with
/// each attempt; the others rest.
pub const ROW: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalEntry {
    pub at: TwoClocks,
    pub id: Option<EntryId>,
}

/// A row that is written: it held `left` of the oldest entries when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    pub row: u64,
    pub left: usize,
}

/// The entries of a group, oldest first by both clocks.
#[derive(Debug, Default)]
pub struct Journal {
    pub entries: VecDeque<JournalEntry>,
    pub sealed: VecDeque<Sealed>,
    /// How long an entry matters, by the terms of the last attempt.
    pub horizon: Duration,
}

impl Journal {
    /// The entries that stand in no row of their own.
    pub fn tail(&self) -> impl ExactSizeIterator<Item = &JournalEntry> {
        let sealed: usize = self.sealed.iter().map(|row| row.left).sum();
        self.entries.range(sealed..)
    }

    /// Makes entries in a clock's future as old as now. Says whether there were any.
    pub fn clamp_to(&mut self, now: TwoClocks) -> bool {
        let newest_first = self.entries.iter_mut().rev();
        newest_first
            .map_while(|entry| entry.at.clamp_to(now).then_some(()))
            .count()
            > 0
    }

    /// A clock's jump back was stored only with what was written since: no entry is later than
    /// the one after it, nor than `latest`.
    pub fn settle_order(&mut self, mut latest: TwoClocks) {
        for entry in self.entries.iter_mut().rev() {
            entry.at.clamp_to(latest);
            latest = entry.at;
        }
    }

    /// Drops what matters no more, and gives the rows that hold nothing else.
    pub fn prune(&mut self, now: TwoClocks) -> Vec<u64> {
        let mut emptied = Vec::new();
        while let Some(entry) = self.entries.front()
            && entry.at.left(self.horizon, now).is_none()
        {
            self.entries.pop_front();
            emptied.extend(self.shrink_row(0));
        }
        emptied
    }

    /// How long until another entry fits under a quota, or `None` if it fits now.
    pub fn wait(&self, quota: Quota, now: TwoClocks) -> Option<Duration> {
        let count = quota.count() as usize;
        let oldest = self.entries.len().checked_sub(count)?;
        self.entries[oldest].at.left(quota.window(), now)
    }

    /// Adds an entry made now. If the tail is full, it becomes a row of this number, to be
    /// written as well.
    pub fn push(&mut self, entry: JournalEntry, next_row: u64) -> Option<Sealed> {
        let tail = self.tail().len();
        let sealed = (tail >= ROW).then_some(Sealed {
            row: next_row,
            left: tail,
        });
        self.sealed.extend(sealed);
        self.entries.push_back(entry);
        sealed
    }

    /// Takes out the latest entry with this mark. Gives the row it stood in, if that was no part
    /// of the head; one that holds nothing else is no longer among `sealed`.
    pub fn take(&mut self, id: &EntryId) -> Option<Option<u64>> {
        let at = self
            .entries
            .iter()
            .rposition(|entry| entry.id.as_ref() == Some(id))?;
        self.entries.remove(at);
        let mut end = 0;
        let row = self.sealed.iter().position(|row| {
            end += row.left;
            at < end
        });
        Some(row.map(|row| {
            let number = self.sealed[row].row;
            self.shrink_row(row);
            number
        }))
    }

    /// The entries of a row of its own; none if there is no such row.
    pub fn row(&self, number: u64) -> impl Iterator<Item = &JournalEntry> {
        let mut first = 0;
        let found = self.sealed.iter().find(|sealed| {
            first += sealed.left;
            sealed.row == number
        });
        let left = found.map_or(0, |sealed| sealed.left);
        self.entries
            .range(first - left.min(first)..first)
            .take(left)
    }

    /// Whether an entry with this mark was made in the last `window`.
    pub fn has(&self, id: &EntryId, window: Duration, now: TwoClocks) -> bool {
        let newest_first = self.entries.iter().rev();
        newest_first
            .take_while(|entry| entry.at.left(window, now).is_some())
            .any(|entry| entry.id.as_ref() == Some(id))
    }

    /// One entry fewer in a row of its own; gives its number if none is left.
    fn shrink_row(&mut self, at: usize) -> Option<u64> {
        let row = self.sealed.get_mut(at)?;
        row.left -= 1;
        if row.left > 0 {
            return None;
        }
        self.sealed.remove(at).map(|row| row.row)
    }
}
