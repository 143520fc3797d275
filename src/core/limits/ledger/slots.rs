//! Sockets that are open: each holds a slot, which is a lease. A channel between its isolate and
//! the object renews it; without one it lapses.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stored::SLOTS;
use super::{EntryId, Ledger, LedgerChange, LedgerRequest};
use crate::limits::two_clocks::TwoClocks;
use crate::util::time::{Timestamp, millis};

/// A slot that nothing is heard of for so long is free. An isolate gives its socket up before.
pub const LEASE: Duration = Duration::from_secs(60);
/// How long an object sleeps at most while sockets are open.
const WATCH: Duration = Duration::from_hours(1);
/// No cap is larger: all slots of a party stand in one row.
pub const MAX_SOCKETS: u32 = 4096;

/// What a socket asks for: a slot by this name, where no more than `most` are taken with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub id: EntryId,
    pub max: u32,
}

/// A channel that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelState {
    pub id: EntryId,
    /// When its last ping came, by the object's clock; zero if none did.
    pub pinged: Timestamp,
}

/// The slots that are taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slots {
    pub taken: BTreeMap<EntryId, SlotLease>,
    /// Whether the channels were looked at since this was loaded.
    pub is_called: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotLease {
    pub since: TwoClocks,
    /// It has no channel, and lapses unless it gets one.
    pub is_lost: bool,
    /// The last ping that was seen.
    pinged: Timestamp,
}

impl SlotLease {
    pub fn new(since: TwoClocks, is_lost: bool) -> Self {
        Self {
            since,
            is_lost,
            pinged: Timestamp::default(),
        }
    }
}

impl Slots {
    /// Whether the channels have to be looked at before it can be said that there is room.
    pub fn needs_reconciling(&self, max: u32) -> bool {
        !self.is_called && !self.taken.is_empty() || self.taken.len() >= max as usize
    }

    /// Renews the leases by their channels, frees those that lapsed and says whether any changed
    /// in a way to be stored. A slot without its channel, as after a restart, is kept for a lease
    /// from now on. Gives the channels of lapsed leases, which are to be closed.
    pub fn reconcile(&mut self, channels: &[ChannelState], now: TwoClocks) -> (bool, Vec<EntryId>) {
        self.is_called = true;
        let mut is_changed = false;
        let mut present = BTreeMap::new();
        for channel in channels {
            let pinged = present.entry(channel.id).or_insert(channel.pinged);
            *pinged = channel.pinged.max(*pinged);
            if self.taken.len() < MAX_SOCKETS as usize {
                self.taken.entry(channel.id).or_insert_with(|| {
                    is_changed = true;
                    SlotLease::new(now, false)
                });
            }
        }
        let mut lapsed = Vec::new();
        self.taken.retain(|id, lease| {
            lease.since.clamp_to(now);
            match present.get(id) {
                Some(pinged) if *pinged != lease.pinged => {
                    lease.pinged = *pinged;
                    let age = now.object().since(*pinged);
                    let caller = now.caller().0.saturating_sub(millis(age));
                    lease.since = TwoClocks::new((*pinged).min(now.object()), Timestamp(caller));
                }
                None if !lease.is_lost => {
                    *lease = SlotLease::new(now, true);
                    is_changed = true;
                }
                _ => {}
            }
            let is_held = lease.since.left(LEASE, now).is_some();
            if !is_held {
                is_changed = true;
                lapsed.extend(present.contains_key(id).then_some(*id));
            }
            is_held
        });
        (is_changed, lapsed)
    }

    /// Takes a slot, if there is room; one that is taken already by this name is renewed.
    pub fn take(&mut self, slot: Slot, now: TwoClocks) -> bool {
        let has_room = self.taken.contains_key(&slot.id)
            || self.taken.len() < slot.max.min(MAX_SOCKETS) as usize;
        if has_room {
            self.taken.insert(slot.id, SlotLease::new(now, false));
        }
        has_room
    }

    /// The channel of a slot is no more. `is_over`: nor is its socket, as far as the isolate says.
    pub fn leave(&mut self, id: &EntryId, is_over: bool, now: TwoClocks) -> bool {
        if is_over {
            return self.taken.remove(id).is_some();
        }
        match self.taken.get_mut(id) {
            Some(lease) if !lease.is_lost => {
                *lease = SlotLease::new(now, true);
                true
            }
            _ => false,
        }
    }

    /// How long to sleep until a slot may be free by itself.
    pub fn idle_in(&self, now: TwoClocks) -> Option<Duration> {
        let leases = self.taken.values();
        leases
            .filter_map(|lease| match lease.is_lost {
                true => lease.since.left(LEASE, now),
                false => Some(WATCH),
            })
            .max()
    }
}

impl Ledger {
    /// Whether the channels have to be looked at before this question is answered.
    pub fn needs_reconciling(&self, request: &LedgerRequest) -> bool {
        let slot = request.operation.slot();
        slot.is_some_and(|slot| self.slots.needs_reconciling(slot.max))
    }

    pub fn has_sockets(&self) -> bool {
        !self.slots.taken.is_empty()
    }

    /// Looks at the channels that are open: who is gone, and who came back. Gives those to close,
    /// whose slots lapsed.
    pub fn reconcile(
        &mut self,
        channels: &[ChannelState],
        now: TwoClocks,
    ) -> (LedgerChange, Vec<EntryId>) {
        let mut change = LedgerChange::default();
        let (is_changed, lapsed) = self.slots.reconcile(channels, now);
        if is_changed {
            self.store_slots(&mut change);
        }
        (change, lapsed)
    }

    /// The channel of a slot is no more. `is_over`: nor is its socket; else it may come back.
    pub fn leave(&mut self, id: &EntryId, is_over: bool, now: Timestamp) -> LedgerChange {
        // Clocks are about equal, and what lies ahead of one is settled when it is looked at.
        let now = TwoClocks::new(now, now);
        let mut change = LedgerChange::default();
        if !self.slots.leave(id, is_over, now) {
            return change;
        }
        self.store_slots(&mut change);
        match self.idle_in(now) {
            Some(_) => self.wake(now, &mut change),
            None => change.wake_in = Some(Duration::ZERO),
        }
        if change.wake_in.is_some() {
            change.write.push(self.head(now));
        }
        change
    }

    pub(super) fn take_slot(
        &mut self,
        slot: Slot,
        now: TwoClocks,
        change: &mut LedgerChange,
    ) -> bool {
        let has_room = self.slots.take(slot, now);
        if has_room {
            self.store_slots(change);
        }
        has_room
    }

    fn store_slots(&self, change: &mut LedgerChange) {
        match self.slots.taken.is_empty() {
            true => change.delete.push(SLOTS),
            false => change.write.push(self.slots_row()),
        }
    }
}
