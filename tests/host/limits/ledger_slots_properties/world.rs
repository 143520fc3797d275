//! Sockets in isolates, their channels, and a ledger that sleeps and restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis::limits::ledger::{
    ChannelState, Departure, EntryId, LedgerChange, LedgerRequest, LedgerResponse, Operation, Slot,
};
use portcullis::limits::quota::Limits;
use portcullis::limits::two_clocks::TwoClocks;
use portcullis::util::time::{Timestamp, millis};

use crate::common::ledger::{START, Shelf};

/// As channel.js has them, in milliseconds.
pub const PING_EVERY: u64 = 20_000;
const PATIENCE: u64 = 45_000;
const RETRY_EVERY: u64 = 7_000;
pub const SECOND: u64 = 1000;
/// How long a newcomer waits.
const PATIENCE_FOR_A_SLOT: u64 = 1000;

/// A socket of a client, with the isolate's end of its channel.
#[derive(Debug, Clone, Copy)]
pub struct Socket {
    /// The last ping that was answered, or when it attached.
    heard: u64,
    next: u64,
    is_attached: bool,
    is_answered: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Event {
    Open,
    /// A newcomer that may replace the oldest.
    Replace,
    /// One that is replaced learns of it.
    Deliver(usize),
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

pub struct World {
    pub max: u32,
    skew: u64,
    now: u64,
    pub shelf: Shelf,
    /// The object's ends of channels: when the last ping came, and whether any still can.
    channels: BTreeMap<EntryId, (u64, bool)>,
    pub sockets: BTreeMap<EntryId, Socket>,
    opened: u64,
    pub is_reachable: bool,
    /// Newcomers that wait for the slot of an older one, and when they give up.
    pub waiting: BTreeMap<EntryId, u64>,
    /// Sockets that are replaced and don't know it yet.
    pub told: Vec<EntryId>,
}

impl World {
    pub fn new(max: u32, skew: u64) -> Self {
        Self {
            max,
            skew,
            now: START,
            shelf: Shelf::default(),
            channels: BTreeMap::new(),
            sockets: BTreeMap::new(),
            opened: 0,
            is_reachable: true,
            waiting: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    fn apply(&mut self, change: LedgerChange) {
        self.shelf.apply(change, self.now);
    }

    fn caller(&self) -> Timestamp {
        Timestamp(self.now + self.skew)
    }

    /// As the object does it. Returns whether a slot is granted.
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
        self.succeed();
        has_slot
    }

    /// As the object does it after each step.
    fn succeed(&mut self) {
        if !self.shelf.ledger.has_waiting() {
            return;
        }
        let now = TwoClocks::new(Timestamp(self.now), self.caller());
        let (succession, change) = self.shelf.ledger.succeed(now);
        self.apply(change);
        for id in succession.granted {
            self.waiting.remove(&id);
            self.channels.insert(id, (0, true));
            self.admit(id);
        }
        for id in succession.beaten {
            self.waiting.remove(&id);
        }
        self.told.extend(succession.replaced);
    }

    fn admit(&mut self, id: EntryId) {
        let socket = Socket {
            heard: self.now,
            next: self.now + PING_EVERY,
            is_attached: true,
            is_answered: true,
        };
        self.sockets.insert(id, socket);
    }

    fn fresh(&mut self) -> EntryId {
        self.opened += 1;
        u128::from(self.opened).to_be_bytes()
    }

    /// A newcomer asks for a slot, and for that of another one if none is left.
    pub fn replace(&mut self) -> EntryId {
        let id = self.fresh();
        let slot = self.slot(id);
        if self.is_reachable {
            if self.ask(Operation::Claim { id: None, slot }) {
                self.admit(id);
            } else {
                self.waiting.insert(id, self.now + PATIENCE_FOR_A_SLOT);
                let patience = Duration::from_millis(PATIENCE_FOR_A_SLOT);
                if self.ask(Operation::Replace { slot, patience }) {
                    self.waiting.remove(&id);
                    self.admit(id);
                }
            }
        }
        id
    }

    /// The message reaches its isolate, unless the channel is cut.
    pub fn deliver(&mut self, at: usize) {
        let Some(at) = at.checked_rem(self.told.len()) else {
            return;
        };
        let id = self.told.remove(at);
        let is_sound = self.channels.get(&id).is_some_and(|(_, sound)| *sound);
        if is_sound && self.is_reachable && self.sockets.remove(&id).is_some() {
            self.leave(id, Departure::SocketOver);
        }
    }

    fn give_up(&mut self) {
        let now = self.now;
        let due = |(id, at): (&EntryId, &u64)| (*at <= now).then_some(*id);
        let due: Vec<_> = self.waiting.iter().filter_map(due).collect();
        for id in due {
            self.waiting.remove(&id);
            assert!(self.shelf.ledger.give_up(&id));
        }
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
        self.succeed();
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

    pub fn open(&mut self) -> bool {
        let id = self.fresh();
        let slot = self.slot(id);
        let is_open = self.is_reachable
            && self.ask(Operation::Open {
                id: None,
                slot,
                counts_if_full: true,
            });
        if is_open {
            self.admit(id);
        }
        is_open
    }

    pub fn leave(&mut self, id: EntryId, how: Departure) {
        if self.channels.remove(&id).is_some() {
            let change = self.shelf.ledger.leave(&id, how, Timestamp(self.now));
            self.apply(change);
            self.succeed();
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

    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.give_up();
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

    pub fn nth(&self, at: usize) -> Option<EntryId> {
        let at = at.checked_rem(self.sockets.len())?;
        self.sockets.keys().nth(at).copied()
    }

    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Open => {
                self.open();
            }
            Event::Replace => {
                self.replace();
            }
            Event::Deliver(at) => self.deliver(at),
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
            // While a request is under way it does not.
            Event::Sleep if !self.waiting.is_empty() => {}
            Event::Sleep => self.shelf.evict(),
            Event::Restart => {
                self.channels.clear();
                self.waiting.clear();
                self.shelf.evict();
            }
            Event::Outage => self.is_reachable = !self.is_reachable,
            Event::Pass(seconds) => self.pass(seconds),
        }
    }
}
