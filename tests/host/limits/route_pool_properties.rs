//! The quota of a route against a brute-force oracle, over random schedules: isolates that
//! vanish, messages that are lost, late, doubled and out of order, an object that is evicted, and
//! one clock that jumps.

mod world;

use std::cell::Cell;

use portcullis::limits::quota::Quota;
use portcullis::util::time::millis;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use world::{Liar, Move, Plan, World};

use crate::common::crowd::greatest_crowd;
use crate::common::{cases, ms};

fn moves(window: u64) -> impl Strategy<Value = Vec<Move>> {
    let gap = select(vec![0, 1, 7, window / 50, window / 10]);
    let length = prop_oneof![
        select(vec![1, window / 3, window - 1, window, 2 * window]),
        0..12_000_u64,
    ];
    let one = prop_oneof![
        6 => (0..4_usize, 1..60_u32, gap).prop_map(|(isolate, count, gap)| Move::Requests(isolate, count, gap)),
        3 => length.prop_map(Move::Pass),
        2 => (-8..=8_i8).prop_map(Move::Jump),
        1 => (0..4_usize).prop_map(Move::Vanish),
        1 => Just(Move::Evict),
    ];
    vec(one, 1..14)
}

fn plan() -> impl Strategy<Value = Plan> {
    let window = select(vec![100_u64, 1000, 1000, 4000, 10_000, 35_000, 60_000]);
    window.prop_flat_map(|window| {
        (
            (
                select(vec![1_u32, 3, 20, 127, 128, 150, 400]),
                1..5_usize,
                select(vec![
                    Liar::Nobody,
                    Liar::Isolate(0),
                    Liar::Isolate(1),
                    Liar::Object,
                ]),
                select(vec![0, 40, 2000]),
            ),
            (
                select(vec![0_u32, 5, 40]),
                select(vec![100, 3000, 40_000]),
                prop_oneof![
                    select(vec![window as i64, 5000, 10_000, 1_000_000]),
                    1..20_000_i64
                ],
                moves(window),
                any::<[u8; 32]>(),
            ),
        )
            .prop_map(
                move |((count, isolates, liar, timeout), (faults, lateness, jump, moves, seed))| {
                    Plan {
                        quota: Quota::new(count, ms(window)).expect("neither is zero"),
                        isolates,
                        liar,
                        timeout: if liar == Liar::Object {
                            timeout.min(window / 10)
                        } else {
                            timeout
                        },
                        faults,
                        // While the object's clock is wrong, the isolates' tells the time, as far as
                        // their messages are under way.
                        lateness: if liar == Liar::Object {
                            lateness.min(window.min(10_000) / 4)
                        } else {
                            lateness
                        },
                        jump,
                        moves,
                        seed,
                    }
                },
            )
    })
}

#[test]
fn never_one_admission_too_many() {
    let (schedules, requests) = (Cell::new(0_u64), Cell::new(0_u64));
    let (admitted, refused) = (Cell::new(0_u64), Cell::new(0_u64));
    let add = |cell: &Cell<u64>, count: u64| cell.set(cell.get() + count);
    let outcome = TestRunner::new(cases(20_000)).run(&plan(), |plan| {
        let count = plan.quota.count() as usize;
        let window = millis(plan.quota.window());
        let under_way = match plan.liar {
            Liar::Object => plan.timeout,
            _ => 0,
        };
        let mut world = World::new(plan);
        world.run();
        let crowd = greatest_crowd(world.admitted.iter().copied(), window - under_way);
        prop_assert!(crowd <= count, "{} in {:?}", crowd, world.admitted);
        prop_assert!(world.longest_row <= 33 + 256 * 20);
        add(&schedules, 1);
        add(&admitted, world.admitted.len() as u64);
        add(&refused, world.refused);
        add(&requests, world.requests);
        Ok(())
    });
    println!(
        "{} schedules: {} admitted, {} refused, {} questions",
        schedules.get(),
        admitted.get(),
        refused.get(),
        requests.get()
    );
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
