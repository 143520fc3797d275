//! The journal of one group of routes: the attempts or admissions that still matter.

use std::collections::VecDeque;
use std::time::Duration;

use super::EntryId;
use super::lending::{LENT_FOR, LeaseId};
use crate::limits::quota::Quota;
use crate::limits::two_clocks::TwoClocks;

/// How many entries a row of their own holds. The latest entries are part of the head, which is
/// written with each attempt; older ones are written once.
pub const ROW: usize = 128;

/// How far ahead attempts are stored at most. An object that nobody asks for a few seconds more is
/// evicted, and what it did not use then counts all the same.
const AHEAD: Duration = Duration::from_secs(5);

/// The part of what is free, and of the window, that is stored ahead at most.
const PART_AHEAD: u32 = 16;

/// Attempts that were stored before they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// How many may still be made.
    pub left: usize,
    /// Until when, by both clocks. After an eviction all that were left count from then on.
    pub until: TwoClocks,
}

impl Ahead {
    fn covers(self, now: TwoClocks) -> bool {
        self.until.later(now) == self.until
    }
}

/// Attempts that an isolate may make until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent {
    pub id: LeaseId,
    pub count: u32,
    /// When the lease lapses, by both clocks. All of it counts as if made then.
    pub until: TwoClocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalEntry {
    pub at: TwoClocks,
    pub id: Option<EntryId>,
}

/// A row of entries that is stored. `left` of its entries still matter; the others were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    pub row: u64,
    pub left: usize,
}

/// Which part of the store an entry was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenFrom {
    Head,
    /// A row that holds other entries.
    Row(u64),
    /// A row that holds no other entry.
    LastOfRow(u64),
}

/// The entries of a group, oldest first by both clocks.
#[derive(Debug, Default)]
pub struct Journal {
    pub entries: VecDeque<JournalEntry>,
    pub sealed: VecDeque<Sealed>,
    /// How long an entry matters, by the limits of the last attempt.
    pub horizon: Duration,
    pub ahead: Option<Ahead>,
    pub lent: Vec<Lent>,
}

impl Journal {
    /// The entries that are part of the head.
    pub fn tail(&self) -> impl ExactSizeIterator<Item = &JournalEntry> {
        let sealed: usize = self.sealed.iter().map(|row| row.left).sum();
        self.entries.range(sealed..)
    }

    /// Whether nothing in it counts.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.lent.is_empty()
    }

    /// How many entries and lent attempts there are.
    pub fn len(&self) -> usize {
        self.entries.len() + self.lent_count()
    }

    /// When the last of it was made, or may have been made.
    pub fn last(&self) -> Option<TwoClocks> {
        let entry = self.entries.back().map(|entry| entry.at);
        let lent = self.lent.iter().map(|lent| lent.until);
        lent.chain(entry).reduce(TwoClocks::later)
    }

    /// Moves entries that lie in a clock's future to now, and leases that end too late to the end of
    /// one that begins now. Returns whether there were any.
    pub fn clamp_to(&mut self, now: TwoClocks) -> bool {
        let newest_first = self.entries.iter_mut().rev();
        let entries = newest_first
            .map_while(|entry| entry.at.clamp_to(now).then_some(()))
            .count();
        let leases = self.lent.iter_mut();
        let leases =
            leases.filter_map(|lent| lent.until.clamp_to(now.after(LENT_FOR)).then_some(()));
        entries + leases.count() > 0
    }

    /// Restores the order of entries after loading: no entry is later than the next one, or than
    /// `written`, when the head was. A row that was stored before a clock jumped back can break it.
    /// What was stored ahead may have been made at any time until its end, so it counts from then.
    pub fn settle_order(&mut self, written: TwoClocks) {
        let mut latest = written;
        for entry in self.entries.iter_mut().rev() {
            entry.at.clamp_to(latest);
            latest = entry.at;
        }
        if let Some(Ahead { left, until }) = self.ahead.take() {
            let at = until.later(written);
            let made = std::iter::repeat_n(JournalEntry { at, id: None }, left);
            self.entries.extend(made);
        }
    }

    /// Drops entries that no longer matter, and returns the rows that held nothing else.
    pub fn prune(&mut self, now: TwoClocks) -> Vec<u64> {
        self.ahead = self.ahead.filter(|ahead| ahead.covers(now));
        let horizon = self.horizon;
        self.lent
            .retain(|lent| lent.until.left(horizon, now).is_some());
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
        let window = quota.window();
        let left_of = |entry: &JournalEntry| entry.at.left(window, now);
        let mut leases: Vec<_> = self
            .lent
            .iter()
            .filter_map(|lent| Some((lent.until.left(window, now)?, lent.count as usize)))
            .collect();
        leases.sort_unstable_by(|one, other| other.cmp(one));
        // Of all that counts, the latest as many as the quota allows, less those lent that were passed.
        let mut among = quota.count() as usize;
        for (left, lent) in leases {
            let sooner = |entry: &JournalEntry| left_of(entry).is_none_or(|own| own < left);
            let later = self.entries.len() - self.entries.partition_point(sooner);
            if later >= among {
                break;
            }
            if later + lent >= among {
                return Some(left);
            }
            among -= lent;
        }
        let oldest = self.entries.len().checked_sub(among)?;
        left_of(&self.entries[oldest])
    }

    /// How many entries were made in the last `window`, or may have been made from leases.
    pub fn count(&self, window: Duration, now: TwoClocks) -> usize {
        let older = |entry: &JournalEntry| entry.at.left(window, now).is_none();
        let leases = self.lent.iter();
        let lent: usize = leases
            .filter(|lent| lent.until.left(window, now).is_some())
            .map(|lent| lent.count as usize)
            .sum();
        self.entries.len() - self.entries.partition_point(older) + lent
    }

    /// Adds an entry made now. A full tail first becomes a row of its own, with the number
    /// `next_row`, which is then to be stored.
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

    /// Adds an entry made now if it was stored ahead, and returns whether it was.
    pub fn push_stored(&mut self, entry: JournalEntry) -> bool {
        let Some(ahead) = &mut self.ahead else {
            return false;
        };
        if ahead.left == 0 || !ahead.covers(entry.at) {
            return false;
        }
        ahead.left -= 1;
        self.entries.push_back(entry);
        true
    }

    /// Takes so many of what was stored ahead to be lent until a time, if it lasts as long, and returns
    /// whether it did.
    pub fn hand_out_stored(&mut self, count: u32, until: TwoClocks) -> bool {
        let Some(ahead) = &mut self.ahead else {
            return false;
        };
        let left = ahead.left.checked_sub(count as usize);
        if let Some(left) = left
            && ahead.covers(until)
        {
            ahead.left = left;
            return true;
        }
        false
    }

    /// Decides how much to store ahead with the entry that was made now: as much as came lately, so
    /// that it doubles while many come, and little of what is free.
    pub fn store_ahead(&mut self, quota: Quota, now: TwoClocks) {
        let length = AHEAD.min(quota.window() / PART_AHEAD);
        let newest_first = self.entries.iter().rev().skip(1).take(ROW);
        let lately = newest_first.take_while(|entry| entry.at.left(length, now).is_some());
        let free = (quota.count() as usize).saturating_sub(self.len());
        let room = ROW.saturating_sub(self.tail().len());
        let left = lately.count().min(free / PART_AHEAD as usize).min(room);
        let until = now.after(length);
        self.ahead = (left > 0).then_some(Ahead { left, until });
    }

    /// Stores nothing more ahead if the head has no room for it.
    pub fn fit_ahead(&mut self) {
        let room = ROW.saturating_sub(self.tail().len());
        self.ahead = self.ahead.filter(|ahead| ahead.left <= room);
    }

    /// Takes out the latest entry with this id.
    pub fn take(&mut self, id: &EntryId) -> Option<TakenFrom> {
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
        Some(match row {
            None => TakenFrom::Head,
            Some(row) => {
                let number = self.sealed[row].row;
                match self.shrink_row(row) {
                    None => TakenFrom::Row(number),
                    Some(emptied) => TakenFrom::LastOfRow(emptied),
                }
            }
        })
    }

    /// The entries of the row with this number; none if there is no such row.
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

    /// Whether an entry with this id was made in the last `window`.
    pub fn has(&self, id: &EntryId, window: Duration, now: TwoClocks) -> bool {
        let newest_first = self.entries.iter().rev();
        newest_first
            .take_while(|entry| entry.at.left(window, now).is_some())
            .any(|entry| entry.id.as_ref() == Some(id))
    }

    /// Counts one entry fewer in a row. If none is left, drops the row and returns its number.
    fn shrink_row(&mut self, at: usize) -> Option<u64> {
        let row = self.sealed.get_mut(at)?;
        row.left -= 1;
        if row.left > 0 {
            return None;
        }
        self.sealed.remove(at).map(|row| row.row)
    }
}
