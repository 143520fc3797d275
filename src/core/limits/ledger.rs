//! The ledger of one address or user: which attempts it made, which keys it used and how often it
//! failed. A step is a pure function of state, request and time; the Durable Object around it only
//! loads, steps and stores.
//!
//! A ledger holds one journal for each group of routes that count together. The entries of a
//! journal answer two questions exactly: how many attempts were admitted in the last window, and
//! whether a key was used in the replay window. Failures, bans and the slots of open sockets hold
//! for all groups.
//!
//! What is stored counts at least as much as what was admitted. Where no key has to be remembered, a
//! row covers attempts to come, which are then admitted without one
//! (`docs/decisions/0006-stored-ahead.md`), or lends them to the isolate that asks, which then admits
//! them without a question (`docs/decisions/0007-leases.md`).

mod bans;
mod journal;
mod lending;
mod replacing;
mod slots;
mod step;
mod stored;
pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits::KEPT_FOR;
use crate::limits::quota::Limits;
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::Timestamp;
use bans::Bans;
use journal::Journal;
use slots::Slots;

pub use bans::MAX_FAILURES;
pub use lending::{Account, LENT_FOR, LeaseId, Wish};
pub use replacing::{CLOSE_WAIT, Succession};
pub use slots::{ChannelState, Departure, LEASE, MAX_SOCKETS, Slot};
pub use stored::{CorruptRow, Row};

/// The most entries that a ledger remembers. One object answers about a thousand calls a second,
/// so only a long window without a quota could need more. A full ledger admits nothing until its
/// oldest entry has left.
const CAPACITY: usize = 1 << 17;

/// What finds an entry again: the key of an address's attempt, which is admitted once, or the id
/// of a user's admission, which may be given back.
pub type EntryId = [u8; 16];

/// A request to a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRequest {
    /// The routes whose attempts count together: empty for routes without a limit of their own,
    /// else the pattern of the route that has one.
    pub group: String,
    pub limits: Limits,
    pub operation: Operation,
    /// The asking isolate's clock.
    pub now: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Admit an attempt, and remember it by this id.
    Admit { id: Option<EntryId> },
    /// Admit an attempt, and lend more of them to the isolate that asks.
    Borrow { id: Option<EntryId>, wish: Wish },
    /// Admit an attempt that needs a slot. `counts_if_full`: an attempt that gets no slot counts
    /// towards the quota.
    Open {
        id: Option<EntryId>,
        slot: Slot,
        counts_if_full: bool,
    },
    /// Admit an attempt that needs a slot, and may replace the oldest socket to get one: where all
    /// slots are taken, it counts, and [`Operation::Replace`] is to follow.
    Claim { id: Option<EntryId>, slot: Slot },
    /// Close the oldest socket, and take its slot once it is closed; not after `patience`.
    Replace { slot: Slot, patience: Duration },
    /// Give a socket that has or had a slot a new channel.
    Attach { slot: Slot },
    /// Count attempts that were refused elsewhere, and failures. The first of the attempts are those
    /// that failed; what failed beyond their number was no attempt, or was counted as one before.
    /// Neither number is above [`MAX_TOLD`], and one is above zero.
    ///
    /// [`MAX_TOLD`]: crate::limits::quota::MAX_TOLD
    Count { attempts: u32, failures: u32 },
    /// Take back the admission with this id, which was not used.
    GiveBack { id: EntryId },
    /// Forgive all failures, and the ban that they brought.
    Lift,
    /// Say what is counted, for an administrator.
    Explain,
}

impl Operation {
    /// The slot that the operation asks for. If it is granted, it gets a channel.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Open { slot, .. }
            | Self::Claim { slot, .. }
            | Self::Replace { slot, .. }
            | Self::Attach { slot } => Some(slot),
            Self::Admit { .. }
            | Self::Borrow { .. }
            | Self::Count { .. }
            | Self::GiveBack { .. }
            | Self::Lift
            | Self::Explain => None,
        }
    }
}

/// A ledger's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerResponse {
    /// Done as requested.
    Counted(Outlook),
    /// The key was used before. The attempt counts, but is no failure: probes repeat their keys.
    Replayed(Outlook),
    /// Refused: all slots are taken.
    TooManySockets(Outlook),
    /// Counted as requested, but all slots are taken by sockets that may be replaced.
    Full(Outlook),
    /// Refused and not counted. The next attempt after `wait` will be admitted.
    Limited {
        wait: Duration,
    },
    /// Refused and not counted. No attempt is admitted while the ban holds.
    Banned {
        left: Duration,
    },
    Explained(Explanation),
}

/// What a ledger has counted, for an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Explanation {
    pub outlook: Outlook,
    /// Attempts or admissions in the window of the quota.
    pub counted: u32,
    /// Failures in the window of the rule for bans.
    pub failures: u32,
    /// When the ban began, by the object's clock; zero without one.
    pub banned_since: Timestamp,
    /// Slots that are taken.
    pub sockets: u32,
}

/// What a ledger knows of the attempts to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outlook {
    /// How long no further attempt fits under the quota, or zero.
    pub exhausted_for: Duration,
    /// How long the ban holds, or zero.
    pub banned_for: Duration,
    /// How many more refused attempts bring the end of the quota or a ban, where those are fewer than
    /// may be told together.
    pub few_left: Option<u32>,
    /// How many attempts the isolate that asked may admit without a question.
    pub lent: u32,
}

/// What a step changes in the store, all at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerChange {
    /// Rows to store. Each replaces the stored row of its number.
    pub write: Vec<Row>,
    pub delete: Vec<u64>,
    /// When to check whether anything still matters.
    pub wake_in: Option<Duration>,
}

/// Everything that still matters of one address or user.
#[derive(Debug)]
pub struct Ledger {
    /// By group. No journal is empty after a step.
    journals: BTreeMap<String, Journal>,
    bans: Bans,
    slots: Slots,
    /// The number of the next row of entries.
    next_row: u64,
    /// When the alarm is set for, by the object's clock.
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
    /// How long to sleep until the ledger has to be looked at again; `None` if nothing in it has
    /// mattered for [`KEPT_FOR`].
    pub fn sleep(&mut self, now: Timestamp) -> Option<Duration> {
        // Nobody asked, so the caller's clock is not known.
        let now = TwoClocks::new(now, TwoClocks::MAX.caller());
        self.clamp_to(now);
        let wake_in = self.wake_in(now)?;
        self.wakes_at = now.object() + wake_in;
        Some(wake_in)
    }

    /// How long to sleep until the storage can be emptied, or until channels are to be looked at.
    fn wake_in(&self, now: TwoClocks) -> Option<Duration> {
        let look_in = self.slots.look_in(now);
        look_in.or_else(|| self.kept_for(now))
    }

    fn kept_for(&self, now: TwoClocks) -> Option<Duration> {
        let journals = self.journals.values();
        let entries =
            journals.filter_map(|journal| journal.last()?.left(journal.horizon + KEPT_FOR, now));
        let failure = self.bans.failures.back();
        let failure = failure.and_then(|at| at.left(self.bans.window + KEPT_FOR, now));
        let ban = self.bans.ban;
        let ban = ban.and_then(|ban| ban.since.left(ban.length + KEPT_FOR, now));
        entries.chain(failure).chain(ban).max()
    }

    /// Moves entries that lie in a clock's future to now, and returns whether there were any. A
    /// clock that jumped back leaves such entries. As old as now, they admit nothing too early and
    /// lock nobody out for longer than a window.
    fn clamp_to(&mut self, now: TwoClocks) -> bool {
        let mut is_clamped = self.bans.clamp_to(now);
        for journal in self.journals.values_mut() {
            is_clamped |= journal.clamp_to(now);
        }
        is_clamped
    }

    /// Drops what no longer matters, and returns the rows to delete.
    fn prune(&mut self, now: TwoClocks) -> Vec<u64> {
        self.bans.prune(now);
        let journals = self.journals.values_mut();
        let emptied = journals.flat_map(|journal| journal.prune(now)).collect();
        self.journals.retain(|_, journal| !journal.is_empty());
        emptied
    }

    /// Sets the alarm for when the ledger has to be looked at, unless it is set already. An alarm that
    /// is too far ahead was set by a clock that jumped.
    fn wake(&mut self, now: TwoClocks, change: &mut LedgerChange) {
        let Some(wake_in) = self.wake_in(now) else {
            return;
        };
        let object = now.object();
        if self.wakes_at <= object || self.wakes_at > object + wake_in {
            self.wakes_at = object + wake_in;
            change.wake_in = Some(wake_in);
        }
    }
}
