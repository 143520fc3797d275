//! The quota of a route against a brute-force oracle, over random schedules: isolates that
//! vanish, messages that are lost, late, doubled and out of order, an object that is evicted, and
//! one clock that jumps.

mod common;
#[path = "route_quota/world.rs"]
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use common::{cases, ms};
use portcullis::ledger::Quota;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use world::{Liar, Move, Plan, World};

static SCHEDULES: AtomicU64 = AtomicU64::new(0);
static ADMITTED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
static QUESTIONS: AtomicU64 = AtomicU64::new(0);

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

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn never_one_admission_too_many(plan in plan()) {
        let (count, window) = (plan.quota.count() as usize, plan.quota.window().as_millis() as u64);
        let under_way = if plan.liar == Liar::Object { plan.timeout } else { 0 };
        let mut world = World::new(plan);
        world.run();
        let crowd = world.greatest_crowd(window - under_way);
        prop_assert!(crowd <= count, "{} in {:?}", crowd, world.admitted);
        prop_assert!(world.longest_row <= 33 + 256 * 20);
        SCHEDULES.fetch_add(1, Ordering::Relaxed);
        ADMITTED.fetch_add(world.admitted.len() as u64, Ordering::Relaxed);
        REFUSED.fetch_add(world.refused, Ordering::Relaxed);
        QUESTIONS.fetch_add(world.questions, Ordering::Relaxed);
    }
}
