//! The slots of open sockets. A slot is a lease: the channel between a socket's isolate and the
//! object renews it, and without a channel it lapses.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::stored::SLOTS;
use super::{EntryId, Ledger, LedgerChange, LedgerRequest};
use crate::limits::KEPT_FOR;
use crate::limits::two_clocks::TwoClocks;
use crate::util::sorting::map_of;
use crate::util::time::{Timestamp, millis};

/// How long a slot is held after its channel was last heard of. An isolate that can't reach the
/// object ends its socket before that.
pub const LEASE: Duration = Duration::from_mins(1);
/// How long an object sleeps while sockets are open and there is room for more.
const WATCH: Duration = KEPT_FOR;
/// How long it sleeps while no slot is left. Channels that a crash cut can't say so: the next look
/// finds that they are gone, and their slots lapse a lease later, whether anybody asks or not.
const WATCH_WHEN_FULL: Duration = LEASE;
/// The largest cap: all slots of a ledger are stored in one row.
pub const MAX_SOCKETS: u32 = 4096;

/// A socket's request for a slot. It is granted if no more than `max` slots are taken then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub id: EntryId,
    pub max: u32,
}

/// A channel that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelState {
    pub id: EntryId,
    /// When its last ping came, by the object's clock; zero if none has come yet.
    pub pinged: Timestamp,
}

/// How a channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The isolate closed it, because the socket is over.
    SocketOver,
    /// It broke. The socket may still be open, and its isolate may come back.
    ChannelLost,
}

/// The slots that are taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slots {
    pub taken: BTreeMap<EntryId, SlotLease>,
    /// How many sockets were admitted since these were loaded, and were there then.
    pub admitted: u64,
    /// Sockets that wait for the slots of older ones, in the order in which they came.
    pub waiting: VecDeque<Slot>,
    /// Those that waited when too many newer ones came.
    pub beaten: Vec<EntryId>,
    /// Whether the channels were compared with the slots since these were loaded.
    pub is_reconciled: bool,
}

/// Whether a slot has a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    ByChannel,
    /// It has none, and lapses unless it gets one.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotLease {
    pub since: TwoClocks,
    pub held: Held,
    /// It took the last slot that was left under its cap.
    pub is_last: bool,
    /// The order in which sockets were admitted.
    pub number: u64,
    /// When it was told that a newer socket replaces it, by the object's clock. Not stored: an object
    /// that restarts has nobody waiting.
    pub told: Option<Timestamp>,
    /// The last ping that was seen.
    pinged: Timestamp,
}

impl SlotLease {
    pub fn new(since: TwoClocks, held: Held, is_last: bool) -> Self {
        Self {
            since,
            held,
            is_last,
            number: 0,
            told: None,
            pinged: Timestamp::default(),
        }
    }

    fn lose(&mut self, now: TwoClocks) {
        let number = self.number;
        *self = Self {
            number,
            ..Self::new(now, Held::Lost, self.is_last)
        };
    }

    /// Renews the lease by a ping that was not seen before.
    fn renew(&mut self, pinged: Timestamp, now: TwoClocks) {
        self.pinged = pinged;
        let age = now.object().since(pinged);
        let caller = now.caller().0.saturating_sub(millis(age));
        self.since = TwoClocks::new(pinged.min(now.object()), Timestamp(caller));
    }
}

impl Slots {
    /// Whether the channels have to be looked at before a request for a slot can be answered.
    pub fn needs_reconciling(&self, max: u32) -> bool {
        !self.is_reconciled && !self.taken.is_empty() || self.taken.len() >= max as usize
    }

    /// Renews leases by their channels and frees those that lapsed. Returns whether anything has
    /// to be stored, and the channels of lapsed leases, which are to be closed. A slot that lost
    /// its channel unnoticed, as in a restart, is held for a lease from now on.
    pub fn reconcile(&mut self, channels: &[ChannelState], now: TwoClocks) -> (bool, Vec<EntryId>) {
        self.is_reconciled = true;
        let mut is_changed = false;
        let mut present = BTreeMap::new();
        for channel in channels {
            let pinged = present.entry(channel.id).or_insert(channel.pinged);
            *pinged = channel.pinged.max(*pinged);
            if self.taken.len() < MAX_SOCKETS as usize && !self.taken.contains_key(&channel.id) {
                is_changed = true;
                self.insert(channel.id, SlotLease::new(now, Held::ByChannel, false));
            }
        }
        let mut lapsed = Vec::new();
        self.taken.retain(|id, lease| {
            lease.since.clamp_to(now);
            match (present.get(id), lease.held) {
                (Some(pinged), _) if *pinged != lease.pinged => lease.renew(*pinged, now),
                (None, Held::ByChannel) => {
                    lease.lose(now);
                    is_changed = true;
                }
                (Some(_), _) | (None, Held::Lost) => {}
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

    /// Takes a slot if there is room, and returns whether it did. A slot that this socket holds
    /// already is renewed.
    pub fn take(&mut self, slot: Slot, now: TwoClocks) -> bool {
        let max = slot.max.min(MAX_SOCKETS) as usize;
        let holds_it = self.taken.contains_key(&slot.id);
        let others = self.taken.len() - usize::from(holds_it);
        let has_room = holds_it || others < max;
        if has_room {
            let lease = SlotLease::new(now, Held::ByChannel, others + 1 >= max);
            self.insert(slot.id, lease);
        }
        has_room
    }

    /// Adds a slot, as the newest one unless this socket holds it already.
    pub fn insert(&mut self, id: EntryId, lease: SlotLease) {
        let number = self.taken.get(&id).map_or(self.admitted, |old| old.number);
        self.admitted += 1;
        self.taken.insert(id, SlotLease { number, ..lease });
    }

    /// Notes that the channel of a slot ended, and returns whether that changed anything.
    pub fn leave(&mut self, id: &EntryId, how: Departure, now: TwoClocks) -> bool {
        match (how, self.taken.get_mut(id)) {
            (Departure::SocketOver, _) => self.taken.remove(id).is_some(),
            (Departure::ChannelLost, Some(lease)) if lease.held == Held::ByChannel => {
                lease.lose(now);
                true
            }
            (Departure::ChannelLost, _) => false,
        }
    }

    /// Whether slots and channels match, and each was heard within a lease by the object's clock.
    fn are_heard(&self, channels: &[ChannelState], now: Timestamp) -> bool {
        let heard = map_of(channels.iter().map(|channel| (channel.id, channel.pinged)));
        let is_heard = |(id, lease): (&EntryId, &SlotLease)| {
            let pinged = heard.get(id);
            pinged.is_some_and(|at| {
                let last = lease.since.object().max(*at);
                last <= now && now < last + LEASE
            })
        };
        let are_known = heard.keys().all(|id| self.taken.contains_key(id));
        are_known && self.taken.iter().all(is_heard)
    }

    /// How long until the channels are to be looked at, or until a lost slot lapses; `None` if no
    /// slot is taken.
    pub fn look_in(&self, now: TwoClocks) -> Option<Duration> {
        let leases = || self.taken.values();
        let is_full = leases().any(|lease| lease.is_last && lease.held == Held::ByChannel);
        if is_full {
            return Some(WATCH_WHEN_FULL);
        }
        let lengths = leases().map(|lease| match lease.held {
            Held::Lost => lease.since.left(LEASE, now).unwrap_or(LEASE),
            Held::ByChannel => WATCH,
        });
        lengths.max()
    }
}

impl Ledger {
    /// Whether the channels have to be looked at before this request is answered.
    pub fn needs_reconciling(&self, request: &LedgerRequest) -> bool {
        let slot = request.operation.slot();
        slot.is_some_and(|slot| self.slots.needs_reconciling(slot.max))
    }

    pub fn has_sockets(&self) -> bool {
        !self.slots.taken.is_empty()
    }

    /// Whether every slot has a channel that works. Then an alarm need not reconcile them, for which
    /// it would have to ask for another clock.
    pub fn hears_all_sockets(&self, channels: &[ChannelState], now: Timestamp) -> bool {
        self.slots.are_heard(channels, now)
    }

    /// Compares the slots with the channels that are open. Returns what to store, and the channels
    /// to close because their slots lapsed.
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

    /// Notes that the channel of a slot ended.
    pub fn leave(&mut self, id: &EntryId, how: Departure, now: Timestamp) -> LedgerChange {
        // The caller's clock is not known here. The two are about equal, and a moment that lies in
        // the caller's future is clamped at the next look.
        let now = TwoClocks::new(now, now);
        let mut change = LedgerChange::default();
        if !self.slots.leave(id, how, now) {
            return change;
        }
        self.store_slots(&mut change);
        self.wake_for_slots(now, &mut change);
        change
    }

    pub(super) fn wake_for_slots(&mut self, now: TwoClocks, change: &mut LedgerChange) {
        match self.wake_in(now) {
            Some(_) => self.wake(now, change),
            None => change.wake_in = Some(Duration::ZERO),
        }
        if change.wake_in.is_some() {
            change.write.push(self.head(now));
        }
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

    pub(super) fn store_slots(&self, change: &mut LedgerChange) {
        match self.slots.taken.is_empty() {
            true => change.delete.push(SLOTS),
            false => change.write.push(self.slots_row()),
        }
    }
}
