//! The rows in which the ledger is stored: one is written for an attempt, whatever it counts for.

use std::collections::BTreeMap;

use portcullis::limits::KEPT_FOR;
use portcullis::limits::ledger::{
    CorruptRow, Ledger, LedgerChange, LedgerResponse, Operation, Row,
};
use portcullis::limits::quota::{BanRule, Quota};
use portcullis::util::time::millis;

use crate::common::ledger::{TestLedger, attempt, counted, limited, limits};
use crate::common::{assert_rows, ms, seconds};

/// The numbers of the rows that a step wrote and deleted.
fn numbers((_, change): (LedgerResponse, LedgerChange)) -> (Vec<u64>, Vec<u64>) {
    let written = change.write.iter().map(|row| row.number).collect();
    (written, change.delete)
}

fn head() -> (Vec<u64>, Vec<u64>) {
    (vec![0], vec![])
}

fn nothing() -> (Vec<u64>, Vec<u64>) {
    (vec![], vec![])
}

/// The rows of a ledger that took this many attempts without an id, none of them stored ahead.
fn stored(count: i64) -> Vec<Row> {
    let mut ledger = TestLedger::new(limits(2000, 10_000, 1));
    let mut rows = BTreeMap::new();
    for offset in 0..count {
        let written = ledger.step(offset, None).1.write;
        rows.extend(written.into_iter().map(|row| (row.number, row)));
    }
    rows.into_values().collect()
}

#[test]
fn an_attempt_writes_one_row_whatever_it_counts_for() {
    let mut ledger = TestLedger::new(limits(9, 60_000, 60_000));
    ledger.limits.ban = Some(BanRule {
        failures: Quota::new(2, seconds(60)).expect("sound"),
        length: seconds(60),
    });
    let failure = Operation::Count {
        attempts: 1,
        failures: 1,
    };
    let mut ask = |operation| numbers(ledger.ask(0, operation));
    assert_rows([
        ("admitted", ask(attempt(Some(1))), head()),
        ("replayed", ask(attempt(Some(1))), head()),
        ("refused", ask(attempt(None)), head()),
        ("a failure", ask(failure), head()),
        (
            "a failure found later, which bans",
            ask(crate::common::ledger::FAILURE),
            head(),
        ),
        ("while banned", ask(attempt(Some(2))), nothing()),
        ("a failure while banned", ask(failure), nothing()),
        (
            "one found later while banned",
            ask(crate::common::ledger::FAILURE),
            nothing(),
        ),
    ]);
}

#[test]
fn what_is_not_counted_writes_nothing() {
    let failure = Operation::Count {
        attempts: 1,
        failures: 1,
    };
    let mut unlimited = TestLedger::new(limits(0, 0, 1000));
    let mut limited = TestLedger::new(limits(1, 1000, 0));
    limited.step(0, None);
    assert_rows([
        ("no quota", numbers(unlimited.step(0, None)), nothing()),
        ("no ban", numbers(unlimited.ask(0, failure)), nothing()),
        (
            "no ban, later",
            numbers(unlimited.ask(0, crate::common::ledger::FAILURE)),
            nothing(),
        ),
        ("limited", numbers(limited.step(1, None)), nothing()),
        (
            "nothing to give back",
            numbers(limited.ask(1, Operation::GiveBack { id: [9; 16] })),
            nothing(),
        ),
    ]);
}

#[test]
fn more_attempts_than_the_head_holds_rest_in_rows_of_their_own() {
    let mut ledger = TestLedger::new(limits(2000, 10_000, 1));
    let written: Vec<_> = (0..300).map(|n| numbers(ledger.step(n, None))).collect();
    assert_rows([
        ("first", written[0].clone(), head()),
        ("the last that fits", written[127].clone(), head()),
        ("the next", written[128].clone(), (vec![1, 0], vec![])),
        ("and again the head alone", written[129].clone(), head()),
        ("the second row", written[256].clone(), (vec![2, 0], vec![])),
        (
            "entry 127 still matters",
            numbers(ledger.step(10_000 + 126, None)),
            head(),
        ),
        (
            "nothing of the first row does",
            numbers(ledger.step(10_000 + 127, None)),
            (vec![0], vec![1]),
        ),
        (
            "nothing at all",
            numbers(ledger.step(100_000, None)),
            (vec![0], vec![2]),
        ),
    ]);
}

#[test]
fn a_limited_attempt_deletes_what_is_over() {
    let mut ledger = TestLedger::new(limits(129, 1000, 0));
    for _ in 0..128 {
        ledger.step(0, None);
    }
    ledger.step(500, None);
    assert_eq!(
        ledger.step(999, None),
        (limited(1), LedgerChange::default())
    );
    ledger.limits = limits(1, 1000, 0);
    let (response, change) = ledger.step(1000, None);
    assert_eq!((response, change.delete), (limited(500), vec![1]));
    assert_eq!(change.write, []);
}

#[test]
fn what_is_given_back_is_gone_from_its_row() {
    let id = |n: u64| u128::from(n).to_be_bytes();
    let mut ledger = TestLedger::new(limits(2000, 10_000, 0));
    for n in 0..130 {
        ledger.ask(
            n,
            Operation::Admit {
                id: Some(id(n as u64)),
            },
        );
    }
    let mut give_back = |n| numbers(ledger.ask(130, Operation::GiveBack { id: id(n) }));
    assert_rows([
        ("in the head", give_back(129), head()),
        ("twice", give_back(129), nothing()),
        ("in a row", give_back(0), (vec![1, 0], vec![])),
    ]);
    for n in 1..127 {
        give_back(n);
    }
    assert_eq!(give_back(127), (vec![0], vec![1]), "the last in its row");
}

/// Only the first attempt of a day sets the alarm, also when the object was evicted meanwhile.
#[test]
fn an_alarm_is_set_once_a_day() {
    let mut ledger = TestLedger::new(limits(9, 1000, 0));
    let kept = ms(1000) + KEPT_FOR;
    let day = millis(KEPT_FOR) as i64;
    let wake_in = |ledger: &mut TestLedger, offset| ledger.step(offset, None).1.wake_in;
    let mut rows = Vec::new();
    let (_, change) = ledger.step(0, None);
    assert_eq!(change.wake_in, Some(kept));
    rows.extend(change.write);
    assert_eq!(wake_in(&mut ledger, 10), None);
    ledger.ledger = Ledger::load(rows).expect("its own rows");
    assert_rows([
        ("after an eviction", wake_in(&mut ledger, 999), None),
        ("windows later", wake_in(&mut ledger, 3_600_000), None),
        ("just before", wake_in(&mut ledger, day + 999), None),
        (
            "when it has rung",
            wake_in(&mut ledger, day + 1000),
            Some(kept),
        ),
        ("far behind it", wake_in(&mut ledger, day + 1500), None),
        (
            "it is too far ahead for this clock",
            wake_in(&mut ledger, -5000),
            Some(kept),
        ),
    ]);
}

#[test]
fn what_is_stored_is_loaded() {
    for count in [1, 127, 128, 129, 256, 257, 300] {
        let mut ledger = TestLedger::new(limits(count as u32, 10_000, 0));
        ledger.ledger = Ledger::load(stored(count)).expect("its own rows");
        let wait = 10_000 - count as u64;
        assert_eq!(ledger.response(count, None), limited(wait), "{count}");
        ledger.limits = limits(count as u32 + 1, 10_000, 0);
        assert_eq!(ledger.response(count, None), counted(wait), "{count}");
    }
}

#[test]
fn a_row_that_is_none_of_ours_is_an_error() {
    let ours = stored(300);
    let (head, first, second) = (ours[0].clone(), ours[1].clone(), ours[2].clone());
    let cut = |row: &Row, length: usize| Row {
        number: row.number,
        data: row.data[..length].to_vec(),
    };
    let renamed = |row: &Row, number| Row {
        number,
        data: row.data.clone(),
    };
    let long = |row: &Row| Row {
        number: row.number,
        data: [&row.data[..], &[0]].concat(),
    };
    let foreign = {
        let mut data = 1_u64.to_be_bytes().to_vec();
        data.push(b'x');
        data.extend(&first.data[8..]);
        Row { number: 1, data }
    };
    let rows = [
        ("none", vec![], None),
        ("all", ours.clone(), None),
        (
            "the first deleted",
            vec![head.clone(), second.clone()],
            None,
        ),
        ("no head", vec![first.clone()], Some(1)),
        ("an empty head", vec![cut(&head, 0)], Some(0)),
        ("half of the head", vec![cut(&head, 100)], Some(0)),
        (
            "a byte less",
            vec![cut(&head, head.data.len() - 1)],
            Some(0),
        ),
        ("a byte more", vec![long(&head)], Some(0)),
        ("an empty row", vec![head.clone(), cut(&first, 0)], Some(1)),
        (
            "half of a row",
            vec![head.clone(), cut(&first, 40)],
            Some(1),
        ),
        (
            "a byte more in a row",
            vec![head.clone(), long(&first)],
            Some(1),
        ),
        ("two heads", vec![head.clone(), head.clone()], Some(0)),
        (
            "in wrong order",
            vec![head.clone(), second.clone(), first.clone()],
            Some(1),
        ),
        (
            "a row that is not numbered yet",
            vec![head.clone(), renamed(&first, 3)],
            Some(3),
        ),
        ("a row of no group", vec![head, foreign], Some(1)),
    ];
    assert_rows(
        rows.map(|(name, rows, expected)| {
            (name, Ledger::load(rows).err(), expected.map(CorruptRow))
        }),
    );
}
