//! The slots of open sockets, and how they go with what else a ledger counts.

use portcullis::limits::ledger::{
    ChannelState, Departure, EntryId, Ledger, LedgerRequest, LedgerResponse, Operation, Row, Slot,
};
use portcullis::limits::quota::{BanRule, Limits, Quota};
use portcullis::limits::two_clocks::TwoClocks;
use portcullis::util::time::Timestamp;

use crate::common::ledger::{
    START, Shelf, TestLedger, at, attempt, banned, counted, limited, limits, outlook, replayed,
};
use crate::common::{self, assert_rows};

const SLOTS: u64 = (1 << 53) - 1;

fn id(byte: u8) -> EntryId {
    [byte; 16]
}

fn open(byte: u8, max: u32) -> Operation {
    Operation::Open {
        id: Some(id(byte)),
        slot: Slot { id: id(byte), max },
        counts_if_full: true,
    }
}

/// As a user's, of whom only admissions count.
fn open_uncounted(byte: u8, max: u32) -> Operation {
    Operation::Open {
        id: Some(id(byte)),
        slot: Slot { id: id(byte), max },
        counts_if_full: false,
    }
}

fn attach(byte: u8, max: u32) -> Operation {
    Operation::Attach {
        slot: Slot { id: id(byte), max },
    }
}

fn too_many(exhausted_for: u64) -> LedgerResponse {
    LedgerResponse::TooManySockets(outlook(exhausted_for, 0))
}

#[test]
fn a_slot_is_taken_until_its_channel_says_that_it_is_over() {
    let mut ledger = TestLedger::new(Limits::default());
    let mut ask = |operation| ledger.ask(0, operation).0;
    assert_rows([
        ("first", ask(open(1, 2)), counted(0)),
        ("second", ask(open(2, 2)), counted(0)),
        ("third", ask(open(3, 2)), too_many(0)),
        ("third, where more may", ask(open(3, 3)), counted(0)),
        ("a smaller cap", ask(open(4, 1)), too_many(0)),
        ("one that is there", ask(attach(2, 1)), counted(0)),
        ("one that is not", ask(attach(5, 3)), too_many(0)),
        ("no slot", ask(attempt(None)), counted(0)),
    ]);
    ledger.ledger.leave(&id(1), Departure::SocketOver, at(5));
    ledger.ledger.leave(&id(2), Departure::ChannelLost, at(5));
    ledger.ledger.leave(&id(9), Departure::SocketOver, at(5));
    assert_eq!(ledger.ask(6, attach(5, 3)).0, counted(0));
    assert_eq!(ledger.ask(6, open(6, 3)).0, too_many(0));
}

#[test]
fn quotas_bans_and_replays_decide_before_slots() {
    let ban = Quota::new(1, common::ms(100)).map(|failures| BanRule {
        failures,
        length: common::ms(1000),
    });
    let mut ledger = TestLedger::new(Limits {
        ban,
        ..limits(3, 100, 50)
    });
    let mut ask = |offset, operation| ledger.ask(offset, operation).0;
    assert_rows([
        ("first", ask(0, open(1, 1)), counted(0)),
        ("no slot, but an attempt", ask(1, open(2, 1)), too_many(0)),
        ("a third attempt", ask(2, open(3, 1)), too_many(98)),
        ("limited", ask(3, open(4, 1)), limited(97)),
        (
            "limited, whose key is known",
            ask(4, open(2, 9)),
            limited(96),
        ),
    ]);
    ledger.limits = Limits {
        ban,
        ..limits(9, 100, 50)
    };
    let mut ask = |offset, operation| ledger.ask(offset, operation).0;
    let is_replayed = matches!(ask(5, open(2, 9)), LedgerResponse::Replayed(_));
    assert!(is_replayed, "the key of one that got no slot");
    ask(5, crate::common::ledger::FAILURE);
    assert_eq!(ask(6, open(7, 9)), banned(999));
    // Neither took a slot.
    ledger.limits = Limits::default();
    assert_eq!(ledger.ask(6, open(8, 2)).0, counted(0));
}

#[test]
fn a_replayed_key_takes_no_slot() {
    let mut ledger = TestLedger::new(limits(9, 100, 50));
    let mut ask = |operation| ledger.ask(0, operation).0;
    assert_eq!(ask(attempt(Some(1))), counted(0));
    assert_eq!(ask(open(1, 1)), replayed(0));
    assert_eq!(ask(open(2, 1)), counted(0));
}

#[test]
fn an_admission_without_a_slot_is_none() {
    let mut ledger = TestLedger::new(limits(2, 100, 0));
    let mut ask = |operation| ledger.ask(0, operation).0;
    assert_rows([
        ("first", ask(open_uncounted(1, 1)), counted(0)),
        ("refused", ask(open_uncounted(2, 1)), too_many(0)),
        ("refused again", ask(open_uncounted(3, 1)), too_many(0)),
        ("second", ask(open_uncounted(4, 2)), counted(100)),
    ]);
}

/// A socket that attaches again brings no limits: what counts under others must not be forgotten.
#[test]
fn to_attach_leaves_the_journals_as_they_are() {
    let mut ledger = TestLedger::new(limits(2, 100, 0));
    ledger.ask(0, open(1, 5));
    ledger.ask(0, open(2, 5));
    let quota = ledger.limits;
    ledger.limits = Limits::default();
    assert_eq!(ledger.ask(10, attach(1, 5)).0, counted(0));
    ledger.limits = quota;
    assert_eq!(ledger.ask(20, open(3, 5)).0, limited(80));
}

#[test]
fn a_clock_that_jumps_alone_frees_nothing() {
    let held = |object: i64, caller: i64, pinged: i64| {
        let mut ledger = TestLedger::new(Limits::default());
        ledger.ask(0, open(1, 1));
        let channels = [ChannelState {
            id: id(1),
            pinged: if pinged == 0 {
                Timestamp(0)
            } else {
                at(pinged)
            },
        }];
        let (_, lapsed) = ledger
            .ledger
            .reconcile(&channels, TwoClocks::new(at(object), at(caller)));
        (lapsed.len(), ledger.ledger.has_sockets())
    };
    let free = (1, false);
    let taken = (0, true);
    assert_rows([
        ("just in time", held(59_999, 59_999, 0), taken),
        ("both a lease later", held(60_000, 60_000, 0), free),
        ("the object's jumped ahead", held(900_000, 59_999, 0), taken),
        ("the caller's jumped ahead", held(59_999, 900_000, 0), taken),
        ("a ping since", held(60_000, 60_000, 1), taken),
        ("a ping a lease ago", held(60_001, 60_001, 1), free),
        ("a ping of the future", held(60_001, 60_001, 900_000), taken),
    ]);
}

/// The clock was set back after a ping: its channel does not count for longer than a lease.
#[test]
fn a_ping_of_the_future_counts_once() {
    let mut ledger = TestLedger::new(Limits::default());
    ledger.ask(0, open(1, 1));
    let channels = [ChannelState {
        id: id(1),
        pinged: at(900_000),
    }];
    let mut roll = |offset| {
        let now = TwoClocks::new(at(offset), at(offset));
        ledger.ledger.reconcile(&channels, now).1.len()
    };
    assert_eq!([roll(1000), roll(60_999), roll(61_000)], [0, 0, 1]);
}

#[test]
fn what_is_stored_of_slots_is_unchanged() {
    let mut ledger = TestLedger::new(Limits::default());
    let (_, change) = ledger.ask(1, open(7, 5));
    let mut data = id(7).to_vec();
    data.extend((START + 1).to_be_bytes());
    data.extend((START + 1).to_be_bytes());
    let taken = Row {
        number: SLOTS,
        data: data.clone(),
    };
    let head = change.write.iter().find(|row| row.number == 0).cloned();
    assert!(change.write.contains(&taken) && head.is_some() && change.wake_in.is_some());
    assert_eq!(change.write.len(), 2);

    let mut full = TestLedger::new(Limits::default());
    let (_, changed) = full.ask(1, open(7, 1));
    let mut last = data.clone();
    last.splice(24.., ((START + 1) | (1 << 62)).to_be_bytes());
    assert!(changed.write.contains(&Row {
        number: SLOTS,
        data: last,
    }));

    let change = ledger.ledger.leave(&id(7), Departure::ChannelLost, at(2));
    let mut lost = id(7).to_vec();
    lost.extend((START + 2).to_be_bytes());
    lost.extend(((START + 2) | (1 << 63)).to_be_bytes());
    assert_eq!(change.write[0].data, lost);
    let change = ledger.ledger.leave(&id(7), Departure::SocketOver, at(3));
    assert_eq!(
        (change.delete, change.wake_in),
        (vec![SLOTS], Some(common::ms(0)))
    );

    let load = |data: &[u8]| {
        let slots = Row {
            number: SLOTS,
            data: data.to_vec(),
        };
        Ledger::load([head.clone().expect("it was written"), slots])
            .map(|ledger| ledger.has_sockets())
    };
    let twice = [data.clone(), data.clone()].concat();
    assert_rows([
        ("one", load(&data).ok(), Some(true)),
        ("a part", load(&data[1..]).ok(), None),
        ("one twice", load(&twice).ok(), None),
    ]);
}

/// While no slot is left, the object looks at the channels every minute, and it remembers that
/// there is none left.
#[test]
fn a_full_ledger_is_watched_closely() {
    let wakes = |sockets: u8, max| {
        let mut shelf = Shelf::default();
        for byte in 1..=sockets {
            let request = LedgerRequest {
                group: String::new(),
                limits: Limits::default(),
                operation: open(byte, max),
                now: at(0),
            };
            assert_eq!(shelf.step(&request, at(0).0), counted(0));
        }
        let asked = shelf.wakes_at.map(|time| time - START);
        shelf.evict();
        (asked, shelf.ledger.sleep(at(1)))
    };
    let minute = (Some(60_000), Some(common::seconds(60)));
    let day = (Some(86_400_000), Some(common::seconds(86_400)));
    assert_rows([
        ("the only one", wakes(1, 1), minute),
        ("one of two", wakes(1, 2), day),
        ("both of two", wakes(2, 2), minute),
    ]);
}

#[test]
fn an_alarm_need_not_look_where_all_channels_were_heard() {
    let mut ledger = TestLedger::new(Limits::default());
    ledger.ask(0, open(1, 2));
    let hears = |channels: &[(u8, i64)], offset| {
        let channels: Vec<_> = channels
            .iter()
            .map(|(byte, pinged)| ChannelState {
                id: id(*byte),
                pinged: at(*pinged),
            })
            .collect();
        ledger.ledger.hears_all_sockets(&channels, at(offset))
    };
    assert_rows([
        ("just opened", hears(&[(1, 0)], 59_999), true),
        ("not heard since", hears(&[(1, 0)], 60_000), false),
        ("heard since", hears(&[(1, 30_000)], 89_999), true),
        ("heard a lease ago", hears(&[(1, 30_000)], 90_000), false),
        ("heard in the future", hears(&[(1, 90_000)], 60_000), false),
        ("without a channel", hears(&[], 1), false),
        ("with one more", hears(&[(1, 0), (2, 0)], 1), false),
    ]);
}

/// After a restart a slot is kept for one lease, however often the object starts again.
#[test]
fn restarts_do_not_prolong_a_lease() {
    let mut shelf = Shelf::default();
    let mut ask = |operation: Operation, offset: i64, restarts: bool| {
        if restarts {
            shelf.evict();
        }
        let request = LedgerRequest {
            group: String::new(),
            limits: Limits::default(),
            operation,
            now: at(offset),
        };
        if shelf.ledger.needs_reconciling(&request) {
            let (change, _) = shelf
                .ledger
                .reconcile(&[], TwoClocks::new(at(offset), at(offset)));
            for row in change.write {
                shelf.rows.insert(row.number, row);
            }
            for number in change.delete {
                shelf.rows.remove(&number);
            }
        }
        shelf.step(&request, at(offset).0)
    };
    assert_eq!(ask(open(1, 1), 0, false), counted(0));
    for offset in [1000, 20_000, 40_000, 60_999] {
        assert_eq!(ask(open(2, 1), offset, true), too_many(0), "{offset}");
    }
    assert_eq!(ask(open(2, 1), 61_000, true), counted(0));
}
