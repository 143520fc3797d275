//! What a ledger lends to isolates, and how an isolate uses it.

use std::time::Duration;

use portcullis::limits::leases::{Leases, USED_FOR};
use portcullis::limits::ledger::{
    Account, Explanation, LENT_FOR, LedgerRequest, LedgerResponse, Operation, Outlook, Wish,
};
use portcullis::limits::quota::{BanRule, Limits, Quota};
use portcullis::util::time::millis;

use crate::common::ledger::{START, Shelf, at, limited, limits};
use crate::common::{assert_rows, ms};

const NAME: &str = "ip 192.0.2.1\n";
const MINUTE: u64 = 60_000;

/// A ledger, and isolates that ask it for attempts.
struct World {
    shelf: Shelf,
    limits: Limits,
    names: u64,
}

impl World {
    fn new(count: u32) -> Self {
        Self {
            shelf: Shelf::default(),
            limits: limits(count, MINUTE, 0),
            names: 0,
        }
    }

    fn ask(&mut self, operation: Operation, offset: i64) -> LedgerResponse {
        let request = LedgerRequest {
            group: String::new(),
            limits: self.limits,
            operation,
            now: at(offset),
        };
        self.shelf.step(&request, at(offset).0)
    }

    /// Asks for an attempt and so many more. Returns how many are lent.
    fn borrow(&mut self, id: u64, want: u32, account: Option<Account>, offset: i64) -> u32 {
        let wish = Wish { id, want, account };
        match self.ask(Operation::Borrow { id: None, wish }, offset) {
            LedgerResponse::Counted(outlook) => outlook.lent,
            other => panic!("{other:?}"),
        }
    }

    fn count(&mut self, attempts: u32, offset: i64) -> LedgerResponse {
        let mut answer = None;
        for _ in 0..attempts {
            let operation = Operation::Admit { id: None };
            answer = Some(self.ask(operation, offset));
        }
        answer.expect("some attempts")
    }

    fn counted(&mut self, offset: i64) -> u32 {
        match self.ask(Operation::Explain, offset) {
            LedgerResponse::Explained(Explanation { counted, .. }) => counted,
            other => panic!("{other:?}"),
        }
    }

    /// An attempt in an isolate: `None` if it is lent, and otherwise how many it is lent for it.
    fn attempt(&mut self, isolate: &mut Leases, offset: i64) -> Option<u32> {
        if isolate.take(NAME, at(offset)).is_some() {
            return None;
        }
        self.names += 1;
        let wish = isolate.ask(NAME, self.names, self.limits.lends(), at(offset));
        let lent = self.borrow(wish.id, wish.want, wish.account, offset);
        isolate.lend(NAME, wish.id, lent, at(offset));
        Some(lent)
    }

    /// Which attempts of so many are asked for, and how many each of them is lent.
    fn asked(&mut self, isolate: &mut Leases, attempts: i64, every: i64) -> Vec<(i64, u32)> {
        (1..=attempts)
            .filter_map(|number| Some((number, self.attempt(isolate, number * every)?)))
            .collect()
    }
}

#[test]
fn who_comes_often_is_lent_twice_as_many_each_time() {
    let asked =
        |count, attempts, every| World::new(count).asked(&mut Leases::default(), attempts, every);
    assert_rows([
        (
            "it doubles",
            asked(640_000, 300, 1),
            vec![
                (1, 0),
                (2, 2),
                (5, 4),
                (10, 8),
                (19, 16),
                (36, 32),
                (69, 64),
                (134, 128),
                (263, 128),
            ],
        ),
        (
            "a 64th of the quota at most",
            asked(640, 40, 1),
            vec![(1, 0), (2, 2), (5, 4), (10, 8), (19, 10), (30, 10)],
        ),
        (
            "as many as are used in a second",
            asked(6400, 50, 100),
            vec![
                (1, 0),
                (2, 2),
                (5, 4),
                (10, 8),
                (19, 16),
                (29, 9),
                (39, 18),
                (49, 9),
            ],
        ),
        (
            "nothing for those who come rarely",
            asked(6400, 5, 1000),
            (1..=5).map(|number| (number, 0)).collect(),
        ),
        (
            "nothing below 128",
            asked(127, 5, 1),
            (1..=5).map(|number| (number, 0)).collect(),
        ),
    ]);
}

#[test]
fn where_keys_are_remembered_none_are_lent() {
    let lends = |limits: Limits| limits.lends();
    assert_rows([
        ("127", lends(limits(127, 1, 0)), 0),
        ("128", lends(limits(128, 1, 0)), 2),
        ("the most", lends(limits(u32::MAX, 1, 0)), 128),
        ("with keys", lends(limits(6400, 1, 1)), 0),
        ("no quota", lends(Limits::default()), 0),
    ]);
    let mut world = World::new(6400);
    world.limits.replay_window = Some(ms(1));
    assert_eq!(world.borrow(1, 2, None, 0), 0);
}

#[test]
fn little_is_lent_where_little_is_free() {
    let lent_after = |attempts: u32| {
        let mut world = World::new(1600);
        world.count(attempts, 0);
        world.borrow(1, 128, None, 0)
    };
    assert_rows([
        ("a 64th of the quota", lent_after(1), 25),
        ("a 16th of what is free", lent_after(1600 - 1 - 320), 20),
        ("nothing of less than 16", lent_after(1600 - 1 - 15), 0),
    ]);
    // Leases that nobody accounts for hold a 16th of the quota.
    let mut world = World::new(1600);
    let lent: Vec<_> = (1..7).map(|id| world.borrow(id, 128, None, 0)).collect();
    assert_eq!(lent, [25, 25, 25, 25, 0, 0]);
    // One name stands for one lease, however often its question arrives.
    let mut world = World::new(1600);
    assert_eq!(
        [world.borrow(1, 8, None, 0), world.borrow(1, 8, None, 0)],
        [8, 0]
    );
    assert_eq!(world.counted(0), 10);
}

#[test]
fn what_is_lent_counts_until_a_window_after_the_lease() {
    for is_evicted in [false, true] {
        let mut world = World::new(128);
        world.borrow(1, 2, None, 0);
        assert_eq!(world.counted(0), 3);
        if is_evicted {
            world.shelf.evict();
        }
        let lapse = millis(LENT_FOR) as i64;
        let minute = MINUTE as i64;
        assert_eq!(world.counted(minute - 1), 3);
        assert_eq!(world.counted(minute), 2);
        assert_eq!(world.counted(minute + lapse - 1), 2);
        assert_eq!(world.counted(minute + lapse), 0);
    }
}

#[test]
fn the_wait_ends_when_enough_of_what_is_lent_counts_no_more() {
    let mut world = World::new(128);
    world.borrow(1, 2, None, 0);
    world.count(125, 500);
    assert_eq!(
        world.count(1, 1000),
        limited(MINUTE - 1000),
        "the first leaves"
    );
    assert!(matches!(world.count(1, 60_000), LedgerResponse::Counted(_)));
    assert_eq!(
        world.count(1, 60_000),
        limited(500),
        "125 leave before the lease"
    );
    assert!(matches!(
        world.count(125, 60_500),
        LedgerResponse::Counted(_)
    ));
    assert_eq!(world.count(1, 60_500), limited(1500), "the lease lapses");
    assert!(matches!(world.count(2, 62_000), LedgerResponse::Counted(_)));
    assert_eq!(world.count(1, 62_000), limited(58_000));
}

#[test]
fn the_next_question_frees_what_was_not_used() {
    for is_evicted in [false, true] {
        let mut world = World::new(6400);
        assert_eq!(world.borrow(1, 100, None, 0), 100);
        assert_eq!(world.counted(0), 101);
        if is_evicted {
            world.shelf.evict();
        }
        let account = |id, used| Some(Account { id, used });
        world.borrow(2, 0, account(1, 30), 900);
        assert_eq!(world.counted(900), 32);
        // An account of what is not known changes nothing, and none is larger than its lease.
        world.borrow(3, 0, account(1, 30), 900);
        world.borrow(4, 8, account(9, 30), 900);
        assert_eq!(world.counted(900), 42);
        world.borrow(5, 0, account(4, 128), 900);
        assert_eq!(world.counted(900), 43);
        // What was used counts from the account on, for it is not known when it was used.
        assert_eq!(world.counted(60_899), 42);
        assert_eq!(world.counted(60_900), 0);
    }
}

#[test]
fn rows_are_written_for_leases_and_for_full_parts_of_the_journal() {
    let mut world = World::new(64_000);
    let mut isolate = Leases::default();
    let mut rows = 0;
    for number in 0..2000 {
        if isolate.take(NAME, at(number)).is_some() {
            continue;
        }
        world.names += 1;
        let wish = isolate.ask(NAME, world.names, world.limits.lends(), at(number));
        let request = LedgerRequest {
            group: String::new(),
            limits: world.limits,
            operation: Operation::Borrow { id: None, wish },
            now: at(number),
        };
        let (answer, change) = world.shelf.ledger.step(&request, at(number));
        rows += change.write.len();
        world.shelf.apply(change, START);
        let LedgerResponse::Counted(outlook) = answer else {
            panic!("{answer:?}")
        };
        isolate.lend(NAME, wish.id, outlook.lent, at(number));
    }
    assert!(rows <= 24 + 2000 / 128, "{rows}");
}

#[test]
fn what_is_stored_ahead_is_handed_out_while_it_lasts_as_long_as_a_lease() {
    let rows_of_a_lease = |offset: i64, want: u32, is_evicted: bool| {
        let mut world = World::new(6400);
        // The last of these stores 63 ahead, for 3.75 seconds.
        world.count(64, 0);
        let wish = Wish {
            id: 1,
            want,
            account: None,
        };
        let request = LedgerRequest {
            group: String::new(),
            limits: world.limits,
            operation: Operation::Borrow { id: None, wish },
            now: at(offset),
        };
        let (answer, change) = world.shelf.ledger.step(&request, at(offset));
        assert!(matches!(answer, LedgerResponse::Counted(outlook) if outlook.lent == want));
        let rows = change.write.len();
        world.shelf.apply(change, at(offset).0);
        if is_evicted {
            world.shelf.evict();
        }
        let window = MINUTE as i64;
        let last = offset + window + millis(LENT_FOR) as i64 - 1;
        let counted = world.counted(last);
        assert!(counted >= want, "{counted} of {want} at {last}");
        rows
    };
    for is_evicted in [false, true] {
        let rows = |offset, want| rows_of_a_lease(offset, want, is_evicted);
        assert_rows([
            ("long enough", rows(1750, 8), 0),
            ("not long enough", rows(1751, 8), 1),
            ("all of it", rows(0, 62), 0),
            ("too little", rows(0, 63), 1),
        ]);
    }
}

/// A lease of 8 attempts that an isolate holds since `START`.
fn lease() -> Leases {
    let mut leases = Leases::default();
    leases.ask(NAME, 1, 8, at(-1));
    let wish = leases.ask(NAME, 2, 8, at(0));
    assert_eq!((wish.want, wish.account), (2, None));
    leases.lend(NAME, 2, 8, at(10));
    leases
}

#[test]
fn a_lease_is_used_for_a_second_from_the_question_on() {
    let taken = |change: fn(&mut Leases), offset: i64| {
        let mut leases = lease();
        change(&mut leases);
        leases.take(NAME, at(offset)).is_some()
    };
    let second = millis(USED_FOR) as i64;
    assert_rows([
        ("at once", taken(|_| {}, 10), true),
        ("until a second is over", taken(|_| {}, second - 1), true),
        ("no longer", taken(|_| {}, second), false),
        (
            "not after its timer",
            taken(|all| all.lapse(NAME, 2), 10),
            false,
        ),
        (
            "after another timer",
            taken(|all| all.lapse(NAME, 1), 10),
            true,
        ),
        ("not after a refusal", taken(|all| all.end(NAME), 10), false),
        ("not after the clock went back", taken(|_| {}, -200), false),
        ("in spite of jitter", taken(|_| {}, -80), true),
        (
            "not more than lent",
            taken(
                |all| {
                    for _ in 0..8 {
                        assert_eq!(all.take(NAME, at(10)), Some(2));
                    }
                },
                10,
            ),
            false,
        ),
        (
            "by no other name",
            lease().take("other", at(10)).is_some(),
            false,
        ),
    ]);
    assert!(LENT_FOR >= USED_FOR * 2);
}

#[test]
fn an_answer_that_comes_too_late_lends_nothing() {
    let lent = |change: fn(&mut Leases), answered: i64| {
        let mut leases = Leases::default();
        leases.ask(NAME, 1, 8, at(-1));
        leases.ask(NAME, 2, 8, at(0));
        change(&mut leases);
        leases.lend(NAME, 2, 2, at(answered));
        leases.take(NAME, at(answered)).is_some()
    };
    assert_rows([
        ("in time", lent(|_| {}, 999), true),
        ("after a second", lent(|_| {}, 1000), false),
        ("after the timer", lent(|all| all.lapse(NAME, 2), 10), false),
        ("after a jump", lent(|_| {}, -500), false),
    ]);
}

#[test]
fn each_lease_is_accounted_for_once() {
    let mut leases = lease();
    for _ in 0..3 {
        leases.take(NAME, at(20));
    }
    leases.give_back(NAME, 2);
    leases.give_back(NAME, 1);
    let account = |leases: &mut Leases, id| leases.ask(NAME, id, 8, at(1500)).account;
    leases.lapse(NAME, 2);
    leases.give_back(NAME, 2);
    assert_eq!(account(&mut leases, 3), Some(Account { id: 2, used: 1 }));
    // Too late: it is accounted for.
    leases.give_back(NAME, 2);
    assert_eq!(account(&mut leases, 4), None);
    // A question without an answer may have lent something, which nobody uses.
    let mut leases = lease();
    leases.end(NAME);
    assert_eq!(leases.ask(NAME, 3, 8, at(20)).want, 2);
    assert_eq!(leases.ask(NAME, 4, 8, at(20)).want, 0, "one at a time");
    leases.lapse(NAME, 3);
    let wish = leases.ask(NAME, 5, 8, at(20));
    assert_eq!(wish.account, Some(Account { id: 3, used: 0 }));
}

#[test]
fn what_is_given_back_is_used_again() {
    let mut leases = lease();
    for _ in 0..8 {
        leases.take(NAME, at(20));
    }
    assert_eq!(leases.take(NAME, at(20)), None);
    leases.give_back(NAME, 2);
    assert_eq!(leases.take(NAME, at(20)), Some(2));
    assert_eq!(leases.take(NAME, at(20)), None);
}

#[test]
fn a_banned_address_is_lent_nothing() {
    let mut world = World::new(6400);
    world.limits.ban = Quota::new(1, ms(1000)).map(|failures| BanRule {
        failures,
        length: Duration::from_secs(1),
    });
    let failure = Operation::Count {
        attempts: 0,
        failures: 1,
    };
    world.ask(failure, 0);
    let wish = Wish {
        id: 1,
        want: 8,
        account: None,
    };
    let answer = world.ask(Operation::Borrow { id: None, wish }, 0);
    assert_eq!(answer, LedgerResponse::Banned { left: ms(1000) });
    assert_eq!(world.counted(0), 0);
    let plain = LedgerResponse::Counted(Outlook::default());
    world.limits.ban = None;
    assert_eq!(world.ask(Operation::Admit { id: None }, 0), plain);
}
