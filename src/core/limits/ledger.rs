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

use crate::limits::quota::Terms;
use crate::limits::two_clocks::Moment;
use crate::util::time::Timestamp;
use bans::Bans;
use journal::{Entry, Journal};
use slots::Slots;

pub use bans::MOST_FAILURES;
pub use slots::{Channel, LEASE, MOST_SOCKETS, Slot};
pub use stored::{CorruptRow, Row};

/// Entries remembered for one party at most. One object answers some thousand calls a second, so
/// that only a long window without a quota could ask for more; what would exceed it waits until
/// the oldest leaves.
const CAPACITY: usize = 1 << 17;

/// What an entry is found by: the key of an address's attempt, which is admitted once, or the id
/// of a user's admission, which may be given back.
pub type Mark = [u8; 16];

/// What is asked of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Routes whose attempts count together: nothing for those without a limit of their own,
    /// else the pattern of the one that has.
    pub group: String,
    pub terms: Terms,
    pub ask: Ask,
    /// The asking isolate's clock.
    pub now: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To be admitted, and remembered by a mark.
    Admit { mark: Option<Mark> },
    /// The same with a slot. `counts_refused`: an attempt that gets none for want of a slot counts.
    Open {
        mark: Option<Mark>,
        slot: Slot,
        counts_refused: bool,
    },
    /// A socket that has a slot, or had, comes with a new channel.
    Attach { slot: Slot },
    /// An attempt that is refused already counts. `is_failure`: towards a ban as well.
    Count { is_failure: bool },
    /// An attempt that was admitted here turned out to be a failure.
    Fail,
    /// What was admitted with this mark came to nothing.
    GiveBack { mark: Mark },
    /// Failures and the ban that they brought are forgiven.
    Lift,
}

impl Ask {
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
pub enum Answer {
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
pub struct Change {
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
    pub fn step(&mut self, question: &Question, now: Timestamp) -> (Answer, Change) {
        let now = Moment::new(now, question.now);
        let terms = question.terms;
        let has_terms = !matches!(question.ask, Ask::Attach { .. });
        if let Some(journal) = self.journals.get_mut(&question.group)
            && has_terms
        {
            journal.horizon = terms.horizon();
        }
        // Stored as well: after an eviction it would settle anew, and be as old as then.
        let is_settled = self.settle(now);
        let mut change = Change {
            delete: self.forget(now),
            ..Change::default()
        };
        let refusal = match question.ask {
            Ask::Admit { .. } | Ask::Open { .. } | Ask::Count { .. } => self.refusal(question, now),
            Ask::Fail => self.ban(terms, now),
            Ask::Attach { .. } | Ask::GiveBack { .. } | Ask::Lift => None,
        };
        let (mut is_replayed, mut is_full) = (false, false);
        let is_changed = match (refusal, question.ask) {
            (Some(_), _) => is_settled,
            (None, Ask::Admit { mark } | Ask::Open { mark, .. }) => {
                is_replayed = self.has(mark, terms, now);
                let mark = mark.filter(|_| !is_replayed);
                let is_failure = is_replayed && self.fail(terms, now);
                let mut counts = true;
                if let (
                    false,
                    Ask::Open {
                        slot,
                        counts_refused,
                        ..
                    },
                ) = (is_replayed, question.ask)
                {
                    is_full = !self.take_slot(slot, now, &mut change);
                    counts = !is_full || counts_refused;
                }
                let entry = Entry { at: now, mark };
                let is_entered = counts && self.enter(&question.group, terms, entry, &mut change);
                is_entered || is_failure || is_settled
            }
            (None, Ask::Attach { slot }) => {
                is_full = !self.take_slot(slot, now, &mut change);
                is_settled
            }
            (None, Ask::Count { is_failure }) => {
                let is_failure = is_failure && self.fail(terms, now);
                let entry = Entry {
                    at: now,
                    mark: None,
                };
                self.enter(&question.group, terms, entry, &mut change) || is_failure || is_settled
            }
            (None, Ask::Fail) => self.fail(terms, now) || is_settled,
            (None, Ask::GiveBack { mark }) => {
                self.give_back(&question.group, &mark, &mut change) || is_settled
            }
            (None, Ask::Lift) => std::mem::take(&mut self.bans) != Bans::default() || is_settled,
        };
        let has_slot = question.ask.slot().is_some() && !is_full;
        if is_changed || has_slot {
            self.wake(now, &mut change);
        }
        if is_changed || change.wake_in.is_some() {
            change.write.push(self.head(now));
        }
        let answer = refusal.unwrap_or_else(|| {
            let outlook = Outlook {
                exhausted_for: self.wait(&question.group, terms, now).unwrap_or_default(),
                banned_for: terms
                    .ban
                    .and_then(|_| self.bans.left(now))
                    .unwrap_or_default(),
            };
            match (is_replayed, is_full) {
                (true, _) => Answer::Replayed(outlook),
                (false, true) => Answer::TooManySockets(outlook),
                (false, false) => Answer::Counted(outlook),
            }
        });
        (answer, change)
    }

    /// Whether anything in here still matters: how long to sleep until it may not, or `None` once
    /// nothing does. Where only the object's clock is known, the caller's is [`Moment::MAX`]'s.
    pub fn sleep(&mut self, now: Moment) -> Option<Duration> {
        self.settle(now);
        let idle_in = self.idle_in(now)?;
        self.wakes_at = now.object() + idle_in;
        Some(idle_in)
    }

    fn idle_in(&self, now: Moment) -> Option<Duration> {
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
    fn settle(&mut self, now: Moment) -> bool {
        let mut is_settled = self.bans.settle(now);
        for journal in self.journals.values_mut() {
            is_settled |= journal.settle(now);
        }
        is_settled
    }

    /// Drops what matters no more, and gives the rows to delete.
    fn forget(&mut self, now: Moment) -> Vec<u64> {
        self.bans.forget(now);
        let journals = self.journals.values_mut();
        let emptied = journals.flat_map(|journal| journal.forget(now)).collect();
        self.journals
            .retain(|_, journal| !journal.entries.is_empty());
        emptied
    }

    fn refusal(&self, question: &Question, now: Moment) -> Option<Answer> {
        self.ban(question.terms, now).or_else(|| {
            let wait = self.wait(&question.group, question.terms, now)?;
            Some(Answer::Limited { wait })
        })
    }

    fn ban(&self, terms: Terms, now: Moment) -> Option<Answer> {
        terms.ban?;
        let left = self.bans.left(now)?;
        Some(Answer::Banned { left })
    }

    /// How long until another attempt fits, or `None` if it fits now.
    fn wait(&self, group: &str, terms: Terms, now: Moment) -> Option<Duration> {
        let by_quota = terms
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
    fn has(&self, mark: Option<Mark>, terms: Terms, now: Moment) -> bool {
        let (Some(mark), Some(window)) = (mark, terms.replay_window) else {
            return false;
        };
        let mut journals = self.journals.values();
        journals.any(|journal| journal.has(&mark, window, now))
    }

    fn fail(&mut self, terms: Terms, now: Moment) -> bool {
        if let Some(ban) = terms.ban {
            self.bans.fail(ban, now);
        }
        terms.ban.is_some()
    }

    /// Remembers an entry, if these terms ask for it.
    fn enter(&mut self, group: &str, terms: Terms, entry: Entry, change: &mut Change) -> bool {
        if terms.quota.is_none() && (entry.mark.is_none() || terms.replay_window.is_none()) {
            return false;
        }
        let next_row = self.next_row;
        let journal = self.journals.entry(group.to_owned()).or_default();
        journal.horizon = terms.horizon();
        if let Some(sealed) = journal.push(entry, next_row) {
            self.next_row += 1;
            change.write.push(self.sealed_row(group, sealed.row));
        }
        true
    }

    fn give_back(&mut self, group: &str, mark: &Mark, change: &mut Change) -> bool {
        let Some(journal) = self.journals.get_mut(group) else {
            return false;
        };
        let Some(row) = journal.take(mark) else {
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
    fn wake(&mut self, now: Moment, change: &mut Change) {
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
