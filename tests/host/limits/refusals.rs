//! Refused attempts that an isolate adds up before it tells the ledger.

use portcullis::limits::ledger::{LedgerRequest, LedgerResponse, Operation};
use portcullis::limits::quota::{BanRule, Limits, Quota};
use portcullis::limits::refusals::{Batch, Refusals, Telling};
use portcullis::util::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::common::ledger::{START, Shelf, at, outlook};
use crate::common::{assert_rows, cases, ms};

const ATTEMPT: Refusals = refusals(1, 0);
const FAILED: Refusals = refusals(1, 1);

const fn refusals(attempts: u32, failures: u32) -> Refusals {
    Refusals { attempts, failures }
}

fn limits(quota: u32, failures: u32) -> Limits {
    Limits {
        quota: Quota::new(quota, ms(60_000)),
        replay_window: None,
        ban: Quota::new(failures, ms(60_000)).map(|failures| BanRule {
            failures,
            length: ms(1000),
        }),
    }
}

#[test]
fn an_eighth_of_the_smaller_rule_is_told_together() {
    assert_rows([
        ("the default", limits(60, 0).told_together(), 7),
        (
            "a smaller rule for bans",
            limits(1000, 20).told_together(),
            2,
        ),
        ("a smaller quota", limits(40, 900).told_together(), 5),
        (
            "below 16 each by itself",
            limits(15, 900).told_together(),
            1,
        ),
        ("a large quota", limits(1_000_000, 0).told_together(), 128),
        ("no rule", Limits::default().told_together(), 1),
    ]);
}

#[test]
fn the_first_is_told_at_once_and_those_of_the_second_after_it_together() {
    let limits = limits(800, 800);
    let mut batch = Batch::default();
    let mut add = |refusals, offset| batch.add(refusals, limits, at(offset));
    assert_eq!(add(ATTEMPT, 0), Telling::Now(ATTEMPT));
    assert_eq!(add(FAILED, 100), Telling::After(ms(900)));
    assert_eq!(add(ATTEMPT, 999), Telling::WithOthers);
    assert_eq!(add(refusals(0, 1), 999), Telling::WithOthers);
    assert_eq!(batch.woken(at(1003)), Some(refusals(2, 2)));
    // Another second begins with what was told.
    assert_eq!(
        batch.add(ATTEMPT, limits, at(1100)),
        Telling::After(ms(903))
    );
    assert_eq!(batch.woken(at(2003)), Some(ATTEMPT));
    // A timer that finds nothing tells nothing.
    assert_eq!(batch.woken(at(2004)), None);
}

#[test]
fn a_timer_that_comes_late_or_never_loses_nothing() {
    let limits = limits(800, 0);
    let mut batch = Batch::default();
    batch.add(ATTEMPT, limits, at(0));
    assert_eq!(batch.add(ATTEMPT, limits, at(1)), Telling::After(ms(999)));
    assert_eq!(
        batch.add(ATTEMPT, limits, at(1000)),
        Telling::Now(refusals(2, 0))
    );
    assert_eq!(batch.woken(at(1500)), None);
}

#[test]
fn a_clock_that_jumps_tells_early() {
    let limits = limits(800, 0);
    for jump in [-1, -50_000, 50_000] {
        let mut batch = Batch::default();
        batch.add(ATTEMPT, limits, at(0));
        assert_eq!(batch.add(ATTEMPT, limits, at(0)), Telling::After(ms(1000)));
        assert_eq!(
            batch.add(ATTEMPT, limits, at(jump)),
            Telling::Now(refusals(2, 0))
        );
    }
}

#[test]
fn what_may_end_the_quota_or_bring_a_ban_is_told_at_once() {
    let limits = limits(80, 0);
    let mut batch = Batch::default();
    let add = |batch: &mut Batch| batch.add(ATTEMPT, limits, at(0));
    add(&mut batch);
    for _ in 1..10 {
        assert!(!matches!(add(&mut batch), Telling::Now(_)));
    }
    assert_eq!(add(&mut batch), Telling::Now(refusals(10, 0)), "an eighth");
    assert_eq!(batch.heard(Some(2), limits, at(0)), None);
    assert!(!matches!(add(&mut batch), Telling::Now(_)));
    assert_eq!(
        add(&mut batch),
        Telling::Now(refusals(2, 0)),
        "the last two"
    );
    assert_eq!(add(&mut batch), Telling::Now(ATTEMPT), "nothing is left");
    assert_eq!(batch.heard(None, limits, at(0)), None);
    for _ in 0..5 {
        assert!(!matches!(add(&mut batch), Telling::Now(_)));
    }
    assert_eq!(batch.heard(Some(6), limits, at(0)), None);
    let told = batch.heard(Some(5), limits, at(0));
    assert_eq!(told, Some(refusals(5, 0)), "others used up the rest");
}

#[test]
fn a_batch_takes_one_row() {
    let mut shelf = Shelf::default();
    let mut tell = |attempts, failures| {
        let request = LedgerRequest {
            group: String::new(),
            limits: limits(100, 100),
            operation: Operation::Count { attempts, failures },
            now: Timestamp(START),
        };
        let (answer, change) = shelf.ledger.step(&request, Timestamp(START));
        (answer, change.write.len())
    };
    let counted = LedgerResponse::Counted(outlook(0, 0));
    assert_eq!(tell(80, 3), (counted, 1));
    // The journal's first row is full.
    assert_eq!(tell(20, 0).1, 1);
    assert_eq!(
        tell(5, 0),
        (LedgerResponse::Limited { wait: ms(60_000) }, 0)
    );
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn each_is_told_once_within_a_second_and_never_too_many_together(
        moves in vec(
            (0..700_u64, 0..3_u32, 0..3_u32, option::weighted(0.2, option::of(1..30_u32)), 0..300_u64),
            1..80,
        ),
        quota in 1..400_u32,
        failures in 1..400_u32,
    ) {
        let limits = limits(quota, failures);
        let mut batch = Batch::default();
        let (mut added, mut told) = ((0, 0), (0, 0));
        let (mut now, mut timer, mut oldest) = (START, None, None);
        let mut take = |batch: Refusals, oldest: &mut Option<u64>| {
            let most = batch.attempts.max(batch.failures);
            // The last one is not known to be the last before it comes.
            assert!(most < limits.told_together() + 3, "{batch:?}");
            told = (told.0 + batch.attempts, told.1 + batch.failures);
            *oldest = None;
        };
        for (gap, attempts, failures, heard, late) in moves {
            now += gap;
            if let Some(end) = timer.filter(|end| *end <= now) {
                timer = None;
                if let Some(batch) = batch.woken(Timestamp(end)) {
                    take(batch, &mut oldest);
                }
            }
            if let Some(few_left) = heard
                && let Some(batch) = batch.heard(few_left, limits, Timestamp(now))
            {
                take(batch, &mut oldest);
            }
            if attempts + failures == 0 {
                continue;
            }
            added = (added.0 + attempts, added.1 + failures);
            oldest.get_or_insert(now);
            match batch.add(refusals(attempts, failures), limits, Timestamp(now)) {
                Telling::Now(batch) => take(batch, &mut oldest),
                Telling::After(length) => {
                    prop_assert!(length <= ms(1000) && timer.is_none());
                    timer = Some(now + length.as_millis() as u64 + late);
                }
                Telling::WithOthers => prop_assert!(timer.is_some()),
            }
            if let Some(oldest) = oldest {
                prop_assert!(now <= oldest + 1000, "untold for too long");
            }
        }
        if let Some(batch) = batch.woken(Timestamp(now + 2000)) {
            take(batch, &mut oldest);
        }
        prop_assert_eq!(told, added);
    }
}
