//! Newcomers that replace the oldest sockets, against an exact oracle, and where messages are lost.

use std::collections::VecDeque;

use portcullis::limits::ledger::{EntryId, LEASE};
use portcullis::util::time::millis;
use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{Event, SECOND, World};
use crate::common::cases;

/// Who is open, who waits and who was told to close, where every message arrives.
struct Oracle {
    max: usize,
    /// Oldest first, with whether it was told.
    open: Vec<(EntryId, bool)>,
    waiting: VecDeque<EntryId>,
}

impl Oracle {
    fn come(&mut self, id: EntryId) {
        if self.open.len() < self.max {
            return self.open.push((id, false));
        }
        if self.waiting.len() == self.max {
            self.waiting.pop_front();
        }
        self.waiting.push_back(id);
        while self.untold() + self.waiting.len() > self.max {
            let oldest = self.open.iter_mut().find(|(_, is_told)| !is_told);
            oldest.expect("there is one").1 = true;
        }
    }

    fn untold(&self) -> usize {
        self.open.iter().filter(|(_, is_told)| !is_told).count()
    }

    fn go(&mut self, id: EntryId) {
        self.open.retain(|(open, _)| *open != id);
        while self.open.len() < self.max
            && let Some(next) = self.waiting.pop_front()
        {
            self.open.push((next, false));
        }
    }
}

/// What happens where nothing fails.
fn calm_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Replace),
        4 => any::<usize>().prop_map(Event::Deliver),
        2 => any::<usize>().prop_map(Event::Close),
        1 => Just(Event::Sleep),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Replace),
        1 => Just(Event::Open),
        8 => any::<usize>().prop_map(Event::Deliver),
        2 => any::<usize>().prop_map(Event::Close),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, heard)| Event::Crash(at, heard)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, heard)| Event::Break(at, heard)),
        1 => Just(Event::Sleep),
        1 => Just(Event::Restart),
        1 => Just(Event::Outage),
        6 => prop_oneof![1..5_u64, 1..70_u64].prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn the_newest_take_the_slots_of_the_oldest_in_their_order(
        max in 1..5_u32,
        skew in prop_oneof![Just(0_u64), 0..100_000_u64],
        events in vec(calm_event(), 1..80),
    ) {
        let mut world = World::new(max, skew);
        let mut oracle = Oracle {
            max: max as usize,
            open: Vec::new(),
            waiting: VecDeque::new(),
        };
        let mut came = Vec::new();
        let mut closed = false;
        for event in events {
            match event {
                Event::Replace => {
                    let id = world.replace();
                    came.push(id);
                    oracle.come(id);
                }
                Event::Deliver(at) if !world.told.is_empty() => {
                    let id = world.told[at % world.told.len()];
                    world.deliver(at);
                    oracle.go(id);
                }
                Event::Close(at) if let Some(id) = world.nth(at) => {
                    closed = true;
                    world.happen(event);
                    oracle.go(id);
                }
                _ => world.happen(event),
            }
            let mut open: Vec<_> = oracle.open.iter().map(|(id, _)| *id).collect();
            open.sort_unstable();
            prop_assert!(world.sockets.keys().eq(&open), "{event:?}");
            let mut waiting: Vec<_> = oracle.waiting.iter().copied().collect();
            waiting.sort_unstable();
            prop_assert!(world.waiting.keys().eq(&waiting), "{event:?}");
            for (id, is_told) in &oracle.open {
                prop_assert_eq!(world.told.contains(id), *is_told, "{:?}", event);
            }
        }
        while !world.told.is_empty() {
            world.deliver(0);
        }
        prop_assert!(world.waiting.is_empty());
        if !closed {
            let newest = &came[came.len().saturating_sub(max as usize)..];
            prop_assert!(world.sockets.keys().eq(newest));
        }
    }

    #[test]
    fn never_are_more_alive_than_the_cap_says_whatever_message_is_lost(
        max in 1..5_u32,
        skew in prop_oneof![Just(0_u64), 0..100_000_u64],
        events in vec(event(), 1..80),
    ) {
        let mut world = World::new(max, skew);
        for event in events {
            world.happen(event);
            let alive = world.sockets.len();
            prop_assert!(alive <= max as usize, "{alive} alive after {event:?}");
            prop_assert!(world.waiting.len() <= max as usize, "{event:?}");
        }
        // Where nothing more goes wrong, whoever comes again and again is let in after one lease.
        world.is_reachable = true;
        let mut is_in = false;
        for _ in 0..=millis(LEASE) / SECOND {
            let id = world.replace();
            while !world.told.is_empty() {
                world.deliver(0);
            }
            prop_assert!(world.sockets.len() <= max as usize);
            is_in |= world.sockets.contains_key(&id);
            world.pass(1);
        }
        prop_assert!(is_in);
        // And from then on at once.
        let id = world.replace();
        while !world.told.is_empty() {
            world.deliver(0);
        }
        prop_assert!(world.sockets.contains_key(&id));
    }
}
