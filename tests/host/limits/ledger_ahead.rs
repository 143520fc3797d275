//! What a ledger stores ahead: fewer rows while many attempts come, and after an eviction never one
//! admission too many.

use portcullis::limits::ledger::{LedgerRequest, LedgerResponse, Operation};
use portcullis::limits::quota::{Limits, Quota};
use portcullis::util::time::{Timestamp, millis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::crowd::greatest_crowd;
use crate::common::ledger::{START, Shelf, TestLedger, counted, limited, limits};
use crate::common::{assert_rows, cases, ms};

/// How long a ledger stores ahead under a window of a minute, in milliseconds.
const AHEAD: u64 = 3750;

/// The numbers of the attempts, of so many, that store a row.
fn stored_by(limits: Limits, attempts: i64, every: i64, key: Option<u8>) -> Vec<i64> {
    let mut ledger = TestLedger::new(limits);
    let mut attempt = |at| {
        let key = key.map(|_| u8::try_from(at).expect("few"));
        let (answer, change) = ledger.step(at * every, key);
        assert!(matches!(answer, LedgerResponse::Counted(_)), "{answer:?}");
        !change.write.is_empty()
    };
    (1..=attempts).filter(|at| attempt(*at)).collect()
}

#[test]
fn as_much_is_stored_ahead_as_came_lately() {
    let often = 100;
    let all = |count| (1..=count).collect::<Vec<_>>();
    let quota = |count| limits(count, 60_000, 0);
    assert_rows([
        (
            "it doubles",
            stored_by(quota(1600), 40, often, None),
            vec![1, 2, 4, 8, 16, 32],
        ),
        (
            "a sixteenth of what is free",
            stored_by(quota(160), 40, often, None),
            vec![1, 2, 4, 8, 16, 26, 35],
        ),
        (
            "near the limit nothing",
            stored_by(quota(16), 16, often, None),
            all(16),
        ),
        (
            "nothing for those who come rarely",
            stored_by(quota(1600), 40, AHEAD as i64, None),
            all(40),
        ),
        (
            "no key before it is known",
            stored_by(limits(1600, 60_000, 60_000), 40, often, Some(0)),
            all(40),
        ),
    ]);
}

#[test]
fn what_was_stored_ahead_counts_after_an_eviction_as_late_as_it_may_have_been_made() {
    let limits = limits(64, 60_000, 0);
    let request = |offset: u64| LedgerRequest {
        group: String::new(),
        limits,
        operation: Operation::Count {
            attempts: 1,
            failures: 0,
        },
        now: Timestamp(START + offset),
    };
    let mut shelf = Shelf::default();
    let mut ask = |offset: u64, is_evicted: bool| {
        if is_evicted {
            shelf.evict();
        }
        match shelf.step(&request(offset), START + offset) {
            LedgerResponse::Counted(outlook) => counted(millis(outlook.exhausted_for)),
            other => other,
        }
    };
    for _ in 0..4 {
        assert_eq!(ask(0, false), counted(0));
    }
    // Three more were stored ahead with the fourth, and none of them was made.
    for at in 8..64 {
        assert_eq!(ask(1000, at == 8), counted(0), "the {at}th");
    }
    assert_eq!(ask(1000, false), counted(59_000));
    // The four leave a minute after they were made, what was stored ahead a minute after the
    // eviction was noticed: it can't have been made later.
    assert_eq!(ask(59_999, true), limited(1));
    for _ in 0..3 {
        assert_eq!(ask(60_000, false), counted(0));
    }
    assert_eq!(ask(60_000, false), counted(1000));
}

proptest! {
    #![proptest_config(cases(600))]

    /// Without an eviction each answer is that of an exact count. With evictions it may come too
    /// early, by what was stored ahead and not made, and no longer than a window later.
    #[test]
    fn evictions_admit_nobody_too_many_and_refuse_few(
        moves in vec(
            (
                prop_oneof![6 => Just(0_u64), 6 => 1..4_u64, 1 => 0..70_u64],
                prop::bool::weighted(0.03),
                prop::bool::weighted(0.1),
            ),
            1..400,
        ),
        // Beyond 128 attempts there are several rows.
        count in prop_oneof![3 => 16..120_u32, 1 => 1000..6000_u32],
        window in prop_oneof![3 => 16..60_u64, 1 => 1000..2000_u64],
    ) {
        let limits = limits(count, window, 0);
        let (mut shelf, mut now) = (Shelf::default(), START);
        let (mut admitted, mut evictions) = (Vec::new(), Vec::new());
        for (at, (gap, is_evicted, is_user)) in moves.into_iter().enumerate() {
            now += gap;
            if is_evicted {
                shelf.evict();
                evictions.push(now);
            }
            let id = is_user.then(|| (at as u128).to_be_bytes());
            let request = LedgerRequest {
                group: String::new(),
                limits,
                operation: Operation::Admit { id },
                now: Timestamp(now),
            };
            let answer = shelf.step(&request, now);
            let made = admitted.iter().filter(|at| **at + window > now).count() as u32;
            let lost = evictions.iter().filter(|at| **at + window + window / 16 > now).count() as u32;
            match answer {
                LedgerResponse::Counted(_) => {
                    prop_assert!(made < count, "{} of {}", made, count);
                    admitted.push(now);
                }
                LedgerResponse::Limited { wait } => {
                    let may_be_lost = lost * (count / 16);
                    prop_assert!(made + may_be_lost >= count, "{made} of {count} after {lost}");
                    prop_assert!(millis(wait) <= window);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let max = greatest_crowd(admitted.into_iter(), window);
        prop_assert!(max <= count as usize);
    }
}

#[test]
fn a_day_of_a_busy_address_takes_few_rows() {
    let mut shelf = Shelf::default();
    let limits = Limits {
        quota: Quota::new(600, ms(60_000)),
        ..Limits::default()
    };
    let (mut rows, attempts) = (0, 20_000);
    for at in 0..attempts {
        let now = START + at * 200;
        let request = LedgerRequest {
            group: String::new(),
            limits,
            operation: Operation::Admit { id: None },
            now: Timestamp(now),
        };
        let (answer, change) = shelf.ledger.step(&request, Timestamp(now));
        assert!(matches!(answer, LedgerResponse::Counted(_)));
        rows += change.write.len();
    }
    assert!(rows as u64 * 10 < attempts, "{rows} rows");
}
