//! Slots under random schedules of sockets, their channels, and objects that sleep and restart:
//! never are more sockets alive than the cap says, and what is dead frees its slot in time.

use std::collections::BTreeMap;

use portcullis::limits::ledger::{
    ChannelState, Departure, EntryId, LEASE, LedgerChange, LedgerRequest, LedgerResponse,
    Operation, Slot,
};
use portcullis::limits::quota::Limits;
use portcullis::limits::two_clocks::TwoClocks;
use portcullis::util::time::{Timestamp, millis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::cases;
use crate::common::ledger::{START, Shelf};

/// As channel.js has them, in milliseconds.
const PING_EVERY: u64 = 20_000;
const PATIENCE: u64 = 45_000;
const RETRY_EVERY: u64 = 7_000;
const SECOND: u64 = 1000;

/// A socket of a client, with the isolate's end of its channel.
#[derive(Debug, Clone, Copy)]
struct Socket {
    /// The last ping that was answered, or when it attached.
    heard: u64,
    next: u64,
    is_attached: bool,
    is_answered: bool,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Open,
    Close(usize),
    /// The isolate is lost; the object may hear of it or not.
    Crash(usize, bool),
    /// Only the channel breaks; the object may hear of it or not.
    Break(usize, bool),
    Sleep,
    Restart,
    Outage,
    Pass(u64),
}

struct World {
    max: u32,
    skew: u64,
    now: u64,
    shelf: Shelf,
    /// The object's ends of channels: when the last ping came, and whether any still can.
    channels: BTreeMap<EntryId, (u64, bool)>,
    sockets: BTreeMap<EntryId, Socket>,
    opened: u64,
    is_reachable: bool,
}

impl World {
    fn new(max: u32, skew: u64) -> Self {
        Self {
            max,
            skew,
            now: START,
            shelf: Shelf::default(),
            channels: BTreeMap::new(),
            sockets: BTreeMap::new(),
            opened: 0,
            is_reachable: true,
        }
    }

    fn apply(&mut self, change: LedgerChange) {
        self.shelf.apply(change, self.now);
    }

    fn caller(&self) -> Timestamp {
        Timestamp(self.now + self.skew)
    }

    /// As the object does it.
    fn ask(&mut self, operation: Operation) -> bool {
        let request = LedgerRequest {
            group: String::new(),
            limits: Limits::default(),
            operation,
            now: self.caller(),
        };
        if self.shelf.ledger.needs_reconciling(&request) {
            self.reconcile();
        }
        let id = operation.slot().expect("a slot").id;
        let has_slot = matches!(
            self.shelf.step(&request, self.now),
            LedgerResponse::Counted(_)
        );
        if has_slot {
            self.channels.insert(id, (0, true));
        }
        has_slot
    }

    fn found(&self) -> Vec<ChannelState> {
        let channels = self.channels.iter();
        channels
            .map(|(id, (pinged, _))| ChannelState {
                id: *id,
                pinged: Timestamp(*pinged),
            })
            .collect()
    }

    fn reconcile(&mut self) {
        let now = TwoClocks::new(Timestamp(self.now), self.caller());
        let (change, lapsed) = self.shelf.ledger.reconcile(&self.found(), now);
        self.apply(change);
        for id in lapsed {
            self.channels.remove(&id);
        }
    }

    /// As the object's alarm does it.
    fn wake(&mut self) {
        let ledger = &self.shelf.ledger;
        if !ledger.hears_all_sockets(&self.found(), Timestamp(self.now)) {
            self.reconcile();
        }
        match self.shelf.ledger.sleep(Timestamp(self.now)) {
            Some(length) => self.shelf.wakes_at = Some(self.now + millis(length)),
            None => self.shelf = Shelf::default(),
        }
    }

    fn slot(&self, id: EntryId) -> Slot {
        Slot { id, max: self.max }
    }

    fn open(&mut self) -> bool {
        self.opened += 1;
        let id = u128::from(self.opened).to_be_bytes();
        let slot = self.slot(id);
        let is_open = self.is_reachable
            && self.ask(Operation::Open {
                id: None,
                slot,
                counts_if_full: true,
            });
        if is_open {
            let socket = Socket {
                heard: self.now,
                next: self.now + PING_EVERY,
                is_attached: true,
                is_answered: true,
            };
            self.sockets.insert(id, socket);
        }
        is_open
    }

    fn leave(&mut self, id: EntryId, how: Departure) {
        if self.channels.remove(&id).is_some() {
            let change = self.shelf.ledger.leave(&id, how, Timestamp(self.now));
            self.apply(change);
        }
    }

    /// The channel can carry nothing any more.
    fn cut(&mut self, id: EntryId, is_heard: bool) {
        if is_heard && self.is_reachable {
            self.leave(id, Departure::ChannelLost);
        } else if let Some((_, is_sound)) = self.channels.get_mut(&id) {
            *is_sound = false;
        }
    }

    /// Does what the isolate does when its timer is due. Returns whether the socket lives on.
    fn tick(&mut self, id: EntryId, socket: &mut Socket) -> bool {
        if socket.is_attached {
            let reaches = self.is_reachable
                && self
                    .channels
                    .get(&id)
                    .is_some_and(|(_, is_sound)| *is_sound);
            if socket.is_answered {
                socket.is_answered = reaches;
                if reaches {
                    self.channels.insert(id, (self.now, true));
                    socket.heard = self.now;
                }
                socket.next = self.now + PING_EVERY;
                return true;
            }
            socket.is_attached = false;
        }
        if self.now >= socket.heard + PATIENCE {
            return false;
        }
        if self.is_reachable {
            let slot = self.slot(id);
            if !self.ask(Operation::Attach { slot }) {
                return false;
            }
            socket.is_attached = true;
            socket.is_answered = true;
            socket.heard = self.now;
            socket.next = self.now + PING_EVERY;
        } else {
            socket.next = (self.now + RETRY_EVERY).min(socket.heard + PATIENCE);
        }
        true
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += SECOND;
            if self.shelf.wakes_at.is_some_and(|at| at <= self.now) {
                self.wake();
            }
            let due: Vec<_> = self
                .sockets
                .iter()
                .filter(|(_, socket)| socket.next <= self.now)
                .map(|(id, socket)| (*id, *socket))
                .collect();
            for (id, mut socket) in due {
                match self.tick(id, &mut socket) {
                    true => self.sockets.insert(id, socket),
                    false => self.sockets.remove(&id),
                };
            }
        }
    }

    fn nth(&self, at: usize) -> Option<EntryId> {
        let at = at.checked_rem(self.sockets.len())?;
        self.sockets.keys().nth(at).copied()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Open => {
                self.open();
            }
            Event::Close(at) => {
                let Some(id) = self.nth(at) else { return };
                let socket = self.sockets.remove(&id).expect("it is one");
                if socket.is_attached && self.is_reachable {
                    let is_sound = self
                        .channels
                        .get(&id)
                        .is_some_and(|(_, is_sound)| *is_sound);
                    if is_sound {
                        self.leave(id, Departure::SocketOver);
                    }
                } else {
                    self.cut(id, false);
                }
            }
            Event::Crash(at, is_heard) => {
                let Some(id) = self.nth(at) else { return };
                self.sockets.remove(&id);
                self.cut(id, is_heard);
            }
            Event::Break(at, is_heard) => {
                let Some(id) = self.nth(at) else { return };
                self.cut(id, is_heard);
            }
            Event::Sleep => self.shelf.evict(),
            Event::Restart => {
                self.channels.clear();
                self.shelf.evict();
            }
            Event::Outage => self.is_reachable = !self.is_reachable,
            Event::Pass(seconds) => self.pass(seconds),
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Open),
        3 => any::<usize>().prop_map(Event::Close),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, heard)| Event::Crash(at, heard)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, heard)| Event::Break(at, heard)),
        2 => Just(Event::Sleep),
        1 => Just(Event::Restart),
        1 => Just(Event::Outage),
        6 => prop_oneof![1..5_u64, 1..70_u64].prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn never_are_more_sockets_alive_than_the_cap_says(
        max in 1..5_u32,
        skew in prop_oneof![Just(0_u64), 0..100_000_u64],
        events in vec(event(), 1..80),
    ) {
        let mut world = World::new(max, skew);
        for event in events {
            world.happen(event);
            let alive = world.sockets.len();
            prop_assert!(alive <= max as usize, "{alive} alive after {event:?}");
        }
        // Where nothing more goes wrong, every dead one's slot is free after its lease.
        world.is_reachable = true;
        world.pass(PING_EVERY / SECOND * 2 + 1);
        world.open();
        world.pass(millis(LEASE) / SECOND + 1);
        while world.open() {}
        prop_assert_eq!(world.sockets.len(), max as usize);
        while let Some(id) = world.nth(0) {
            world.sockets.remove(&id);
            world.leave(id, Departure::SocketOver);
        }
        prop_assert!(!world.shelf.ledger.has_sockets());
    }

    /// Nobody asks after the crash: a socket that comes a look and a lease later finds a slot, and
    /// all of them are free a lease after that.
    #[test]
    fn slots_of_a_process_that_was_killed_come_free_by_themselves(
        max in 1..5_u32,
        open in 1..5_u32,
        skew in prop_oneof![Just(0_u64), 0..100_000_u64],
        age in prop_oneof![0..100_u64, 0..10_000_u64],
        sleeps in any::<bool>(),
    ) {
        let mut world = World::new(max, skew);
        for _ in 0..open.min(max) {
            prop_assert!(world.open());
        }
        world.pass(age);
        if sleeps {
            world.happen(Event::Sleep);
        }
        prop_assert_eq!(world.sockets.len(), open.min(max) as usize, "they live on");
        world.sockets.clear();
        world.happen(Event::Restart);
        world.pass(2 * millis(LEASE) / SECOND + 1);
        prop_assert!(world.open());
        world.pass(millis(LEASE) / SECOND + 1);
        while world.open() {}
        prop_assert_eq!(world.sockets.len(), max as usize);
    }
}
