//! The ledger beyond one quota: groups, admissions given back, failures and bans, two clocks.

use portcullis::limits::KEPT_FOR;
use portcullis::limits::ledger::{Ledger, LedgerResponse, Operation};
use portcullis::limits::quota::{BanRule, Quota};
use portcullis::util::time::millis;

use crate::common::ledger::{
    TestLedger, at, attempt, banned, counted, limited, limits, outlook, replayed,
};
use crate::common::{assert_rows, ms};

const FAILURE: Operation = Operation::Count {
    attempts: 1,
    failures: 1,
};

fn ban(count: u32, window: u64, length: u64) -> Option<BanRule> {
    Quota::new(count, ms(window)).map(|failures| BanRule {
        failures,
        length: ms(length),
    })
}

fn banning(exhausted_for: u64, banned_for: u64) -> LedgerResponse {
    LedgerResponse::Counted(outlook(exhausted_for, banned_for))
}

#[test]
fn groups_count_apart_but_know_each_others_keys() {
    let mut ledger = TestLedger::new(limits(1, 1000, 1000));
    let mut ask = |group, limits, offset, key| {
        (ledger.group, ledger.limits) = (group, limits);
        ledger.response(offset, key)
    };
    let (one, two) = (limits(1, 1000, 1000), limits(2, 100, 1000));
    assert_rows([
        ("together", ask("", one, 0, Some(1)), counted(1000)),
        ("together, full", ask("", one, 1, Some(2)), limited(999)),
        ("apart", ask("/a", two, 1, Some(2)), counted(0)),
        (
            "apart, a key of the others",
            ask("/a", two, 2, Some(1)),
            replayed(99),
        ),
        ("apart, full", ask("/a", two, 3, Some(3)), limited(98)),
        (
            "others, a key from there",
            ask("", one, 1000, Some(2)),
            replayed(1000),
        ),
    ]);
}

#[test]
fn what_is_given_back_is_as_if_it_never_was() {
    let mut ledger = TestLedger::new(limits(2, 1000, 0));
    let admit = |byte| Operation::Admit {
        id: Some([byte; 16]),
    };
    let give_back = |byte| Operation::GiveBack { id: [byte; 16] };
    let mut ask = |offset, operation| ledger.ask(offset, operation).0;
    assert_rows([
        ("first", ask(0, admit(1)), counted(0)),
        ("second", ask(100, admit(2)), counted(900)),
        ("third", ask(200, admit(3)), limited(800)),
        (
            "the first is given back",
            ask(300, give_back(1)),
            counted(0),
        ),
        ("once", ask(300, give_back(1)), counted(0)),
        ("what never was", ask(300, give_back(9)), counted(0)),
        ("third, again", ask(400, admit(3)), counted(700)),
        ("fourth", ask(1099, admit(4)), limited(1)),
    ]);
    ledger.group = "/a";
    assert_eq!(
        ledger.ask(1099, give_back(3)).0,
        counted(0),
        "of another group"
    );
    ledger.group = "";
    assert_eq!(ledger.ask(1099, admit(4)).0, limited(1));
}

#[test]
fn so_many_failures_ban_and_the_ban_ends() {
    let mut ledger = TestLedger::new(limits(9, 1000, 1000));
    ledger.limits.ban = ban(3, 100, 5000);
    let mut ask = |offset, operation| ledger.ask(offset, operation).0;
    assert_rows([
        ("good", ask(0, attempt(Some(1))), counted(0)),
        (
            "a refused one that is no failure",
            ask(0, attempt(None)),
            counted(0),
        ),
        ("first failure", ask(0, FAILURE), counted(0)),
        (
            "no failure: a replay",
            ask(49, attempt(Some(1))),
            replayed(0),
        ),
        ("second", ask(50, FAILURE), counted(0)),
        (
            "third, when the first is over",
            ask(100, FAILURE),
            counted(0),
        ),
        (
            "found later",
            ask(149, crate::common::ledger::FAILURE),
            banning(0, 5000),
        ),
        ("banned", ask(150, attempt(Some(2))), banned(4999)),
        ("a failure while banned", ask(5148, FAILURE), banned(1)),
        ("free", ask(5149, attempt(Some(2))), counted(0)),
        (
            "and failures count from zero",
            ask(5149, FAILURE),
            counted(0),
        ),
        ("second", ask(5149, FAILURE), counted(0)),
        ("third", ask(5149, FAILURE), banning(0, 5000)),
    ]);
}

#[test]
fn a_replay_is_no_failure() {
    let mut ledger = TestLedger::new(limits(9, 1000, 1000));
    ledger.limits.ban = ban(1, 100, 5000);
    assert_eq!(ledger.response(0, Some(1)), counted(0));
    let response = ledger.response(1, Some(1));
    assert_eq!(response, LedgerResponse::Replayed(outlook(0, 0)));
}

#[test]
fn attempts_beyond_the_quota_are_no_failures() {
    let mut ledger = TestLedger::new(limits(2, 1000, 0));
    ledger.limits.ban = ban(3, 2000, 5000);
    let mut ask = |offset| ledger.ask(offset, FAILURE).0;
    assert_rows([
        ("first", ask(0), counted(0)),
        ("second", ask(0), counted(1000)),
        ("limited", ask(1), limited(999)),
        ("limited again", ask(2), limited(998)),
        ("third", ask(1000), banning(0, 5000)),
    ]);
}

#[test]
fn bans_hold_in_all_groups_that_know_bans() {
    let mut ledger = TestLedger::new(limits(9, 1000, 0));
    ledger.limits.ban = ban(2, 100, 5000);
    ledger.ask(0, FAILURE);
    ledger.group = "/a";
    assert_eq!(ledger.ask(0, FAILURE).0, banning(0, 5000));
    ledger.group = "/b";
    assert_eq!(ledger.response(0, None), banned(5000));
    ledger.limits.ban = None;
    assert_eq!(ledger.response(0, None), counted(0));
}

#[test]
fn routes_with_bans_of_their_own_judge_the_same_failures() {
    let mut ledger = TestLedger::new(limits(0, 0, 0));
    let (short, long) = (ban(2, 10, 100), ban(3, 1000, 9000));
    let mut fail = |offset, ban| {
        ledger.limits.ban = ban;
        ledger.ask(offset, FAILURE).0
    };
    assert_rows([
        ("first, by the long limits", fail(0, long), counted(0)),
        ("second, by the short ones", fail(500, short), counted(0)),
        ("third, by the long ones", fail(501, long), banning(0, 9000)),
    ]);
}

#[test]
fn a_ban_without_a_quota_keeps_nothing_but_failures() {
    let mut ledger = TestLedger::new(limits(0, 0, 0));
    ledger.limits.ban = ban(2, 100, 5000);
    let (response, change) = ledger.step(0, Some(1));
    assert_eq!((response, change.write), (counted(0), vec![]));
    ledger.ask(0, FAILURE);
    let day = millis(KEPT_FOR) as i64;
    assert_eq!(ledger.ledger.sleep(at(40)), Some(ms(60) + KEPT_FOR));
    assert_eq!(ledger.ledger.sleep(at(day + 100)), None);
    ledger.ask(40, FAILURE);
    assert_eq!(
        ledger.ledger.sleep(at(40)),
        Some(ms(5000) + KEPT_FOR),
        "the ban"
    );
}

#[test]
fn a_ban_that_is_lifted_is_forgiven_with_its_failures() {
    let mut ledger = TestLedger::new(limits(9, 1000, 0));
    ledger.limits.ban = ban(2, 100, 5000);
    let mut ask = |offset, operation| ledger.ask(offset, operation).0;
    assert_rows([
        ("first", ask(0, FAILURE), counted(0)),
        ("second", ask(1, FAILURE), banning(0, 5000)),
        ("banned", ask(2, attempt(None)), banned(4999)),
        ("lifted", ask(3, Operation::Lift), counted(0)),
        ("again", ask(3, Operation::Lift), counted(0)),
        ("after it", ask(4, attempt(None)), counted(0)),
        ("one failure", ask(5, FAILURE), counted(0)),
        ("two", ask(6, FAILURE), banning(0, 5000)),
    ]);
    let (response, change) = ledger.ask(7, Operation::Lift);
    assert_eq!(response, counted(0));
    ledger.ledger = Ledger::load(change.write).expect("its own rows");
    assert_eq!(ledger.response(8, None), counted(0));
}

#[test]
fn a_ban_survives_an_eviction() {
    let mut ledger = TestLedger::new(limits(9, 1000, 0));
    ledger.limits.ban = ban(1, 100, 5000);
    let (_, change) = ledger.ask(0, FAILURE);
    ledger.ledger = Ledger::load(change.write).expect("its own rows");
    assert_eq!(ledger.response(4999, None), banned(1));
    assert_eq!(ledger.response(5000, None), counted(0));
}

/// What one clock says alone moves nothing.
#[test]
fn a_window_is_over_when_both_clocks_say_so() {
    let mut ledger = TestLedger::new(limits(1, 1000, 0));
    ledger.limits.ban = ban(2, 1000, 1000);
    let mut ask = |object: i64, caller: i64, operation| {
        ledger.caller_ahead = caller - object;
        ledger.ask(object, operation).0
    };
    assert_rows([
        ("at first", ask(0, 0, attempt(None)), counted(1000)),
        (
            "the object's clock jumps",
            ask(9000, 100, attempt(None)),
            limited(900),
        ),
        (
            "the caller's clock jumps",
            ask(100, 9000, attempt(None)),
            limited(900),
        ),
        (
            "both are right",
            ask(1000, 1000, attempt(None)),
            counted(1000),
        ),
        (
            "a failure",
            ask(1000, 1000, crate::common::ledger::FAILURE),
            counted(1000),
        ),
        (
            "another",
            ask(1999, 1999, crate::common::ledger::FAILURE),
            banning(1, 1000),
        ),
        (
            "the object's clock jumps",
            ask(9000, 2099, attempt(None)),
            banned(900),
        ),
        (
            "the caller's clock jumps",
            ask(2099, 9000, attempt(None)),
            banned(900),
        ),
        (
            "both are right",
            ask(2999, 2999, attempt(None)),
            counted(1000),
        ),
    ]);
}

/// The alarm knows the object's clock alone, so it waits for longer than a clock jumps.
#[test]
fn a_ledger_is_kept_for_a_day_after_anything_counted() {
    let mut ledger = TestLedger::new(limits(1, 1000, 0));
    ledger.step(0, None);
    let day = millis(KEPT_FOR) as i64;
    let mut sleep = |offset| ledger.ledger.sleep(at(offset));
    assert_rows([
        ("while it counts", sleep(400), Some(ms(600) + KEPT_FOR)),
        ("when it counts no more", sleep(1000), Some(KEPT_FOR)),
        ("just before", sleep(day + 999), Some(ms(1))),
        ("a day later", sleep(day + 1000), None),
        (
            "a clock that jumped back",
            sleep(-day),
            Some(ms(1000) + KEPT_FOR),
        ),
    ]);
}
