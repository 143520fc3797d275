//! Slots under random schedules of sockets, their channels, and objects that sleep and restart:
//! never are more sockets alive than the cap says, and what is dead frees its slot in time.

mod replacing;
mod world;

use portcullis::limits::ledger::{Departure, LEASE};
use portcullis::util::time::millis;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::cases;
use world::{Event, PING_EVERY, SECOND, World};

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
