//! The ledger of one address: quota, replayed keys, and the clock.

use portcullis::limits::KEPT_FOR;
use portcullis::limits::ledger::{Ledger, LedgerResponse};
use portcullis::limits::quota::{Limits, Quota};

use crate::common::ledger::{TestLedger, at, counted, limited, limits, replayed};
use crate::common::{assert_rows, ms, seconds};

/// Attempts at offsets in milliseconds, with keys, and what is to be answered.
fn assert_story(name: &str, limits: Limits, story: &[(i64, Option<u8>, LedgerResponse)]) {
    let mut ledger = TestLedger::new(limits);
    let rows = story
        .iter()
        .enumerate()
        .map(|(at, (offset, key, expected))| {
            let response = ledger.response(*offset, *key);
            (
                format!("{name}, attempt {at} at {offset}"),
                response,
                *expected,
            )
        });
    assert_rows(rows.collect::<Vec<_>>());
}

#[test]
fn a_quota_admits_its_count_in_any_window_and_tells_the_exact_wait() {
    assert_story(
        "2 in 1 s",
        limits(2, 1000, 0),
        &[
            (0, None, counted(0)),
            (400, None, counted(600)),
            (400, None, limited(600)),
            (999, None, limited(1)),
            (1000, None, counted(400)),
            (1399, None, limited(1)),
            (1400, None, counted(600)),
            (10_000, None, counted(0)),
        ],
    );
    assert_story(
        "1 in 1 ms",
        limits(1, 1, 0),
        &[
            (0, None, counted(1)),
            (0, None, limited(1)),
            (1, None, counted(1)),
        ],
    );
    assert_story(
        "3 at once",
        limits(3, 60_000, 0),
        &[
            (0, None, counted(0)),
            (0, None, counted(0)),
            (0, None, counted(60_000)),
            (0, None, limited(60_000)),
            (60_000, None, counted(0)),
        ],
    );
}

#[test]
fn a_limited_attempt_does_not_count() {
    let mut story = vec![(0, None, counted(1000))];
    story.extend((1..1000).map(|at| (at, None, limited(1000 - at as u64))));
    story.push((1000, None, counted(1000)));
    assert_story("hammering", limits(1, 1000, 0), &story);
}

#[test]
fn a_key_is_admitted_once_in_the_replay_window() {
    assert_story(
        "1 s, no quota",
        limits(0, 0, 1000),
        &[
            (0, Some(1), counted(0)),
            (0, Some(2), counted(0)),
            (0, Some(1), replayed(0)),
            (999, Some(1), replayed(0)),
            (1000, Some(1), counted(0)),
            (1999, Some(1), replayed(0)),
            (2000, Some(1), counted(0)),
        ],
    );
    assert_story(
        "no replay window",
        limits(9, 1000, 0),
        &[(0, Some(1), counted(0)), (0, Some(1), counted(0))],
    );
    assert_story(
        "replay window longer than the quota's",
        limits(1, 10, 1000),
        &[
            (0, Some(1), counted(10)),
            (10, Some(1), replayed(10)),
            (20, Some(2), counted(10)),
            (990, Some(1), replayed(10)),
            (1000, Some(1), counted(10)),
            (1019, Some(2), replayed(10)),
        ],
    );
    assert_story(
        "replay window shorter than the quota's",
        limits(9, 1000, 10),
        &[
            (0, Some(1), counted(0)),
            (9, Some(1), replayed(0)),
            (10, Some(1), counted(0)),
            (19, Some(1), replayed(0)),
        ],
    );
}

#[test]
fn a_replayed_key_counts_and_a_limited_one_is_not_remembered() {
    assert_story(
        "2 in 1 s",
        limits(2, 1000, 1000),
        &[
            (0, Some(1), counted(0)),
            (100, Some(1), replayed(900)),
            (200, Some(1), limited(800)),
            (200, Some(2), limited(800)),
            (1000, Some(2), counted(100)),
        ],
    );
}

#[test]
fn a_refused_attempt_leaves_no_key_behind() {
    assert_story(
        "counted without a key",
        limits(9, 1000, 1000),
        &[
            (0, None, counted(0)),
            (1, Some(1), counted(0)),
            (2, None, counted(0)),
        ],
    );
    let replay = [
        (0, Some(1), counted(0)),
        (500, Some(1), replayed(0)),
        (1000, Some(1), counted(0)),
    ];
    assert_story(
        "a replay does not prolong the window",
        limits(9, 1000, 1000),
        &replay,
    );
}

#[test]
fn the_all_zero_key_is_a_key() {
    assert_story(
        "zeros",
        limits(9, 1000, 1000),
        &[(0, Some(0), counted(0)), (1, Some(0), replayed(0))],
    );
}

#[test]
fn without_terms_everything_is_admitted() {
    assert_story(
        "nothing",
        limits(0, 0, 0),
        &[(0, Some(1), counted(0)), (0, Some(1), counted(0))],
    );
    assert!(!limits(0, 0, 0).need_a_ledger());
    assert!(limits(1, 1, 0).need_a_ledger());
    assert!(limits(0, 0, 1).need_a_ledger());
}

#[test]
fn a_quota_of_nothing_does_not_exist() {
    assert_eq!(Quota::new(0, seconds(1)), None);
    assert_eq!(Quota::new(1, seconds(0)), None);
    assert_eq!(Quota::new(1, ms(1) / 2), None);
    let quota = Quota::new(60, seconds(60)).expect("sound");
    assert_eq!((quota.count(), quota.window()), (60, seconds(60)));
}

#[test]
fn what_matters_longer_sets_the_horizon() {
    assert_rows([
        ("quota longer", limits(1, 2000, 1000).horizon(), ms(2000)),
        ("replay longer", limits(1, 1000, 2000).horizon(), ms(2000)),
        ("only quota", limits(1, 1000, 0).horizon(), ms(1000)),
        ("only replay", limits(0, 0, 1000).horizon(), ms(1000)),
        ("neither", limits(0, 0, 0).horizon(), ms(0)),
    ]);
    let mut ledger = TestLedger::new(limits(2, 1000, 0));
    assert_eq!(ledger.ledger.sleep(at(400)), None);
    ledger.step(0, None);
    ledger.step(300, None);
    assert_eq!(ledger.ledger.sleep(at(400)), Some(ms(900) + KEPT_FOR));
}

#[test]
fn a_clock_that_jumps_back_locks_nobody_out_for_longer_than_a_window() {
    assert_story(
        "an hour back",
        limits(2, 1000, 1000),
        &[
            (3_600_000, Some(1), counted(0)),
            (3_600_000, Some(2), counted(1000)),
            (0, Some(3), limited(1000)),
            (1, Some(3), limited(999)),
            (1000, Some(3), counted(0)),
            (1001, Some(1), counted(999)),
        ],
    );
    assert_story(
        "back with the keys",
        limits(9, 1000, 1000),
        &[
            (3_600_000, Some(1), counted(0)),
            (0, Some(1), replayed(0)),
            (999, Some(1), replayed(0)),
            (1000, Some(1), counted(0)),
        ],
    );
    assert_story(
        "back and forth",
        limits(2, 1000, 0),
        &[
            (5000, None, counted(0)),
            (4500, None, counted(1000)),
            (5000, None, limited(500)),
            (5500, None, counted(0)),
        ],
    );
}

/// A load brings back rows that were stored before the jump.
#[test]
fn a_clock_that_jumped_back_does_so_after_a_load_as_well() {
    let quota = limits(600, 1000, 0);
    let mut ledger = TestLedger::new(quota);
    let mut rows = std::collections::BTreeMap::new();
    let hour = 3_600_000;
    for at in (0..599).map(|_| hour).chain([0]) {
        let (response, change) = ledger.step(at, None);
        assert!(
            matches!(response, LedgerResponse::Counted(_)),
            "{response:?}"
        );
        rows.extend(change.write.into_iter().map(|row| (row.number, row)));
    }
    assert_eq!(rows.len(), 5);
    assert_eq!(ledger.response(1, None), limited(999));
    ledger.ledger = Ledger::load(rows.into_values()).expect("its own rows");
    assert_eq!(ledger.response(1, None), limited(999));
    assert_eq!(ledger.response(1000, None), counted(0));
}

#[test]
fn new_terms_hold_from_the_next_attempt_on() {
    let mut ledger = TestLedger::new(limits(1, 1000, 0));
    ledger.step(0, None);
    assert_eq!(ledger.response(1, None), limited(999));
    ledger.limits = limits(2, 1000, 0);
    assert_eq!(ledger.response(2, None), counted(998));
    ledger.limits = limits(1, 100, 0);
    assert_eq!(ledger.response(3, None), limited(99));
    assert_eq!(ledger.response(102, None), counted(100));
}
