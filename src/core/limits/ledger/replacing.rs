//! Sockets that replace the oldest ones (`ON_FULL=close_oldest`). A newcomer waits until the socket
//! that it replaces is closed, so that there are never more than the cap says.

use std::time::Duration;

use super::slots::{Held, MAX_SOCKETS, Slot, SlotLease, Slots};
use super::{EntryId, Ledger, LedgerChange};
use crate::limits::two_clocks::TwoClocks;
use crate::util::sorting::sorted_by;
use crate::util::time::Timestamp;

/// How long a socket may take to close after it was asked to. After that another socket is closed
/// instead, or the same one is asked again: its isolate can't be reached, or a message was lost. If
/// it stays out of reach, its slot ends with its lease.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// What the object has to do for the sockets that wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Succession {
    /// Sockets that have a slot now, and get a channel.
    pub granted: Vec<EntryId>,
    /// Sockets that are refused because too many newer ones came.
    pub beaten: Vec<EntryId>,
    /// Open sockets that are to be told that they are replaced.
    pub replaced: Vec<EntryId>,
}

impl SlotLease {
    /// Whether messages are known to reach the socket.
    fn is_open(&self) -> bool {
        self.held == Held::ByChannel
    }

    /// Whether its slot is expected to be free soon.
    fn is_closing(&self, now: Timestamp) -> bool {
        self.is_open() && self.told.is_some_and(|at| now < at + CLOSE_WAIT)
    }
}

impl Slots {
    /// Lets a socket wait for a slot. No more can wait than there are slots, and the newest win.
    pub fn line_up(&mut self, slot: Slot) {
        if self.waiting.len() >= slot.max.min(MAX_SOCKETS) as usize {
            self.beaten
                .extend(self.waiting.pop_front().map(|slot| slot.id));
        }
        self.waiting.push_back(slot);
    }

    /// Grants free slots to waiting sockets, in the order in which they came.
    fn grant(&mut self, now: TwoClocks) -> Vec<EntryId> {
        let mut granted = Vec::new();
        while let Some(slot) = self.waiting.front().copied()
            && self.take(slot, now)
        {
            self.waiting.pop_front();
            granted.push(slot.id);
        }
        granted
    }

    /// The oldest sockets that are not closing yet, as many as have to close for all that wait. A
    /// socket that can't be reached is left out, and one that was asked in vain comes last.
    fn replace(&mut self, now: Timestamp) -> Vec<EntryId> {
        let taken = self.taken.len();
        let needed = self.waiting.iter().enumerate().map(|(at, slot)| {
            let max = slot.max.min(MAX_SOCKETS) as usize;
            (taken + at + 1).saturating_sub(max)
        });
        let needed = needed.max().unwrap_or(0);
        let leases = || self.taken.values();
        let closing = leases().filter(|lease| lease.is_closing(now)).count();
        let open: Vec<_> = self
            .taken
            .iter_mut()
            .filter(|(_, lease)| lease.is_open() && !lease.is_closing(now))
            .collect();
        let place = |lease: &SlotLease| (lease.told.is_some(), lease.number);
        let open = sorted_by(open, |one, other| place(one.1).cmp(&place(other.1)));
        let oldest = open.into_iter().take(needed.saturating_sub(closing));
        oldest
            .map(|(id, lease)| {
                lease.told = Some(now);
                *id
            })
            .collect()
    }
}

impl Ledger {
    /// Whether sockets wait for a slot. Then [`Ledger::succeed`] follows each step.
    pub fn has_waiting(&self) -> bool {
        !self.slots.waiting.is_empty()
    }

    /// Hands over the slots that have come free, and says which sockets have to close for others.
    pub fn succeed(&mut self, now: TwoClocks) -> (Succession, LedgerChange) {
        let mut change = LedgerChange::default();
        let succession = Succession {
            granted: self.slots.grant(now),
            beaten: std::mem::take(&mut self.slots.beaten),
            replaced: self.slots.replace(now.object()),
        };
        if !succession.granted.is_empty() {
            self.store_slots(&mut change);
            self.wake_for_slots(now, &mut change);
        }
        (succession, change)
    }

    /// Ends the wait of a socket, and returns whether it waited.
    pub fn give_up(&mut self, id: &EntryId) -> bool {
        let before = self.slots.waiting.len();
        self.slots.waiting.retain(|slot| slot.id != *id);
        self.slots.waiting.len() < before
    }
}
