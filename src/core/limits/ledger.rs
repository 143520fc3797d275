//! The ledger of one party, an address or a user: which attempts it made, which keys it used,
//! and how often it failed, as a pure step from state, question and time to an answer. The
//! Durable Object around it only loads, steps and stores.
//!
//! A party has one ledger and in it a journal for each group of routes that count together. One
//! list of entries answers two questions exactly: how many were admitted in the last window, and
//! whether a key was among those of the replay window. Failures, bans and the slots of open
//! sockets hold for all groups.

mod bans;
mod journal;
mod slots;
mod stored;
pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits::quota::Limits;
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::Timestamp;
use bans::Bans;
use journal::{Journal, JournalEntry};
use slots::Slots;

pub use bans::MAX_FAILURES;
pub use slots::{ChannelState, LEASE, MAX_SOCKETS, Slot};
pub use stored::{CorruptRow, Row};

/// Entries remembered for one party at most. One object answers some thousand calls a second, so
/// that only a long window without a quota could ask for more; what would exceed it waits until
/// the oldest leaves.
const CAPACITY: usize = 1 << 17;

/// What an entry is found by: the key of an address's attempt, which is admitted once, or the id
/// of a user's admission, which may be given back.
pub type EntryId = [u8; 16];

/// What is asked of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRequest {
    /// Routes whose attempts count together: nothing for those without a limit of their own,
    /// else the pattern of the one that has.
    pub group: String,
    pub limits: Limits,
    pub operation: Operation,
    /// The asking isolate's clock.
    pub now: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// To be admitted, and remembered by a mark.
    Admit { id: Option<EntryId> },
    /// The same with a slot. `counts_refused`: an attempt that gets none for want of a slot counts.
    Open {
        id: Option<EntryId>,
        slot: Slot,
        counts_if_full: bool,
    },
    /// A socket that has a slot, or had, comes with a new channel.
    Attach { slot: Slot },
    /// An attempt that is refused already counts. `is_failure`: towards a ban as well.
    Count { is_failure: bool },
    /// An attempt that was admitted here turned out to be a failure.
    Fail,
    /// What was admitted with this mark came to nothing.
    GiveBack { id: EntryId },
    /// Failures and the ban that they brought are forgiven.
    Lift,
}

impl Operation {
    /// The slot that is asked for, which has a channel if it is granted.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Open { slot, .. } | Self::Attach { slot } => Some(slot),
            Self::Admit { .. }
            | Self::Count { .. }
            | Self::Fail
            | Self::GiveBack { .. }
            | Self::Lift => None,
        }
    }
}

/// What the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerResponse {
    /// It is done as asked.
    Counted(Outlook),
    /// The key was admitted before. The attempt counts, and is a failure.
    Replayed(Outlook),
    /// Refused: all slots are taken.
    TooManySockets(Outlook),
    /// Refused and not counted; the next attempt after `wait` will be admitted.
    Limited { wait: Duration },
    /// Refused and not counted; no attempt is admitted for so long.
    Banned { left: Duration },
}

/// What is known of the attempts to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outlook {
    /// Zero, or how long no further attempt fits under the quota.
    pub exhausted_for: Duration,
    /// Zero, or how long the party is banned from now on.
    pub banned_for: Duration,
}

/// What a step changed in the store; all of it is stored at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerChange {
    /// Rows to store in place of those with the same numbers.
    pub write: Vec<Row>,
    pub delete: Vec<u64>,
    /// When to look whether anything still matters.
    pub wake_in: Option<Duration>,
}

/// All that still matters of a party.
#[derive(Debug)]
pub struct Ledger {
    /// By group; none is empty after a step.
    journals: BTreeMap<String, Journal>,
    bans: Bans,
    slots: Slots,
    /// The number of the next row beside the head.
    next_row: u64,
    /// By the object's clock.
    wakes_at: Timestamp,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            journals: BTreeMap::new(),
            bans: Bans::default(),
            slots: Slots::default(),
            next_row: stored::HEAD + 1,
            wakes_at: Timestamp::default(),
        }
    }
}

impl Ledger {
    /// Answers a question at the object's time `now` and says what to store for it.
    pub fn step(
        &mut self,
        request: &LedgerRequest,
        now: Timestamp,
    ) -> (LedgerResponse, LedgerChange) {
        let now = TwoClocks::new(now, request.now);
        let limits = request.limits;
        let has_limits = !matches!(request.operation, Operation::Attach { .. });
        if let Some(journal) = self.journals.get_mut(&request.group)
            && has_limits
        {
            journal.horizon = limits.horizon();
        }
        // Stored as well: after an eviction it would settle anew, and be as old as then.
        let is_clamped = self.clamp_to(now);
        let mut change = LedgerChange {
            delete: self.prune(now),
            ..LedgerChange::default()
        };
        let refusal = match request.operation {
            Operation::Admit { .. } | Operation::Open { .. } | Operation::Count { .. } => {
                self.refusal(request, now)
            }
            Operation::Fail => self.ban(limits, now),
            Operation::Attach { .. } | Operation::GiveBack { .. } | Operation::Lift => None,
        };
        let (mut is_replayed, mut is_full) = (false, false);
        let is_changed = match (refusal, request.operation) {
            (Some(_), _) => is_clamped,
            (None, Operation::Admit { id } | Operation::Open { id, .. }) => {
                is_replayed = self.has(id, limits, now);
                let id = id.filter(|_| !is_replayed);
                let is_failure = is_replayed && self.fail(limits, now);
                let mut counts = true;
                if let (
                    false,
                    Operation::Open {
                        slot,
                        counts_if_full,
                        ..
                    },
                ) = (is_replayed, request.operation)
                {
                    is_full = !self.take_slot(slot, now, &mut change);
                    counts = !is_full || counts_if_full;
                }
                let entry = JournalEntry { at: now, id };
                let is_entered = counts && self.enter(&request.group, limits, entry, &mut change);
                is_entered || is_failure || is_clamped
            }
            (None, Operation::Attach { slot }) => {
                is_full = !self.take_slot(slot, now, &mut change);
                is_clamped
            }
            (None, Operation::Count { is_failure }) => {
                let is_failure = is_failure && self.fail(limits, now);
                let entry = JournalEntry { at: now, id: None };
                self.enter(&request.group, limits, entry, &mut change) || is_failure || is_clamped
            }
            (None, Operation::Fail) => self.fail(limits, now) || is_clamped,
            (None, Operation::GiveBack { id }) => {
                self.give_back(&request.group, &id, &mut change) || is_clamped
            }
            (None, Operation::Lift) => {
                std::mem::take(&mut self.bans) != Bans::default() || is_clamped
            }
        };
        let has_slot = request.operation.slot().is_some() && !is_full;
        if is_changed || has_slot {
            self.wake(now, &mut change);
        }
        if is_changed || change.wake_in.is_some() {
            change.write.push(self.head(now));
        }
        let response = refusal.unwrap_or_else(|| {
            let outlook = Outlook {
                exhausted_for: self.wait(&request.group, limits, now).unwrap_or_default(),
                banned_for: limits
                    .ban
                    .and_then(|_| self.bans.left(now))
                    .unwrap_or_default(),
            };
            match (is_replayed, is_full) {
                (true, _) => LedgerResponse::Replayed(outlook),
                (false, true) => LedgerResponse::TooManySockets(outlook),
                (false, false) => LedgerResponse::Counted(outlook),
            }
        });
        (response, change)
    }

    /// Whether anything in here still matters: how long to sleep until it may not, or `None` once
    /// nothing does. Where only the object's clock is known, the caller's is [`TwoClocks::MAX`]'s.
    pub fn sleep(&mut self, now: TwoClocks) -> Option<Duration> {
        self.clamp_to(now);
        let idle_in = self.idle_in(now)?;
        self.wakes_at = now.object() + idle_in;
        Some(idle_in)
    }

    fn idle_in(&self, now: TwoClocks) -> Option<Duration> {
        let journals = self.journals.values();
        let entries = journals.filter_map(|journal| {
            let last = journal.entries.back()?;
            last.at.left(journal.horizon, now)
        });
        let failure = self.bans.failures.back();
        let failure = failure.and_then(|at| at.left(self.bans.window, now));
        entries
            .chain(failure)
            .chain(self.bans.left(now))
            .chain(self.slots.idle_in(now))
            .max()
    }

    /// A clock that jumped back leaves entries in its future: they become as old as now, which
    /// admits nothing too early and locks nobody out for longer than a window.
    fn clamp_to(&mut self, now: TwoClocks) -> bool {
        let mut is_clamped = self.bans.clamp_to(now);
        for journal in self.journals.values_mut() {
            is_clamped |= journal.clamp_to(now);
        }
        is_clamped
    }

    /// Drops what matters no more, and gives the rows to delete.
    fn prune(&mut self, now: TwoClocks) -> Vec<u64> {
        self.bans.prune(now);
        let journals = self.journals.values_mut();
        let emptied = journals.flat_map(|journal| journal.prune(now)).collect();
        self.journals
            .retain(|_, journal| !journal.entries.is_empty());
        emptied
    }

    fn refusal(&self, request: &LedgerRequest, now: TwoClocks) -> Option<LedgerResponse> {
        self.ban(request.limits, now).or_else(|| {
            let wait = self.wait(&request.group, request.limits, now)?;
            Some(LedgerResponse::Limited { wait })
        })
    }

    fn ban(&self, limits: Limits, now: TwoClocks) -> Option<LedgerResponse> {
        limits.ban?;
        let left = self.bans.left(now)?;
        Some(LedgerResponse::Banned { left })
    }

    /// How long until another attempt fits, or `None` if it fits now.
    fn wait(&self, group: &str, limits: Limits, now: TwoClocks) -> Option<Duration> {
        let by_quota = limits
            .quota
            .and_then(|quota| self.journals.get(group)?.wait(quota, now));
        let journals = || self.journals.values();
        let is_full = || {
            let entries = journals().map(|journal| journal.entries.len());
            entries.sum::<usize>() >= CAPACITY
        };
        by_quota.or_else(|| {
            let oldest = journals().filter_map(|journal| {
                let first = journal.entries.front()?;
                first.at.left(journal.horizon, now)
            });
            oldest.min().filter(|_| is_full())
        })
    }

    /// Whether a key was admitted in the replay window, by whatever group.
    fn has(&self, id: Option<EntryId>, limits: Limits, now: TwoClocks) -> bool {
        let (Some(id), Some(window)) = (id, limits.replay_window) else {
            return false;
        };
        let mut journals = self.journals.values();
        journals.any(|journal| journal.has(&id, window, now))
    }

    fn fail(&mut self, limits: Limits, now: TwoClocks) -> bool {
        if let Some(ban) = limits.ban {
            self.bans.fail(ban, now);
        }
        limits.ban.is_some()
    }

    /// Remembers an entry, if these terms ask for it.
    fn enter(
        &mut self,
        group: &str,
        limits: Limits,
        entry: JournalEntry,
        change: &mut LedgerChange,
    ) -> bool {
        if limits.quota.is_none() && (entry.id.is_none() || limits.replay_window.is_none()) {
            return false;
        }
        let next_row = self.next_row;
        let journal = self.journals.entry(group.to_owned()).or_default();
        journal.horizon = limits.horizon();
        if let Some(sealed) = journal.push(entry, next_row) {
            self.next_row += 1;
            change.write.push(self.sealed_row(group, sealed.row));
        }
        true
    }

    fn give_back(&mut self, group: &str, id: &EntryId, change: &mut LedgerChange) -> bool {
        let Some(journal) = self.journals.get_mut(group) else {
            return false;
        };
        let Some(row) = journal.take(id) else {
            return false;
        };
        if let Some(row) = row {
            match journal.sealed.iter().any(|sealed| sealed.row == row) {
                true => change.write.push(self.sealed_row(group, row)),
                false => change.delete.push(row),
            }
        }
        true
    }

    /// Asks to be woken when all is over, unless that is set already. A time too far ahead was
    /// set by a clock that jumped.
    fn wake(&mut self, now: TwoClocks, change: &mut LedgerChange) {
        let Some(idle_in) = self.idle_in(now) else {
            return;
        };
        let object = now.object();
        if self.wakes_at <= object || self.wakes_at > object + idle_in {
            self.wakes_at = object + idle_in;
            change.wake_in = Some(idle_in);
        }
    }
}
