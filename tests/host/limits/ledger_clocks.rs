//! The ledger under clocks of which one is wrong, judged by the true time: never one admission
//! too many in any half-open window, no ban that ends early, and nobody locked out for longer
//! than a window once the clocks are right again. `SCHEDULES` says how many random schedules run.

use std::cell::Cell;

use portcullis::limits::ledger::{EntryId, Ledger, LedgerRequest, LedgerResponse, Operation};
use portcullis::limits::quota::{BanRule, Limits, Quota};
use portcullis::util::time::{Timestamp, millis};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::common::ledger::{FAILURE, Shelf};
use crate::common::{cases, ms};

const START: i64 = 1_800_000_000_000;
const ISOLATES: usize = 3;
/// In milliseconds; no window or ban is longer.
const LONGEST: i64 = 40;
/// How far a clock is off at most: by less than half a day.
const FARTHEST: i64 = 43_000_000;
/// After which a ledger that was idle goes, also by a clock that was wrong by most of it.
const A_DAY: i64 = 2 * 86_400_000;

/// Which clocks are wrong for a time, and by how much at first.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Object(i64),
    Callers([i64; ISOLATES]),
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Operation {
        isolate: usize,
        is_apart: bool,
        operation: Operation,
    },
    /// The object loses its memory.
    Evict,
    /// The alarm rings, whatever it was set to.
    Ring,
    /// A clock that is wrong jumps.
    Jump { isolate: usize, by: i64 },
}

/// A time with wrong clocks: what happens and how long after the last.
type Spell = (Wrong, Vec<(i64, Move)>);

struct World {
    shelf: Shelf,
    true_time: i64,
    wrong: Option<Wrong>,
    quotas: [Option<Quota>; 2],
    ban: Option<BanRule>,
    /// By group, true time and id.
    admitted: Vec<(bool, i64, Option<EntryId>)>,
    /// True times since the last ban.
    failures: Vec<i64>,
    banned_since: Option<i64>,
}

impl World {
    fn object(&self) -> u64 {
        let off = match self.wrong {
            Some(Wrong::Object(off)) => off,
            _ => 0,
        };
        (START + self.true_time + off) as u64
    }

    fn caller(&self, isolate: usize) -> u64 {
        let off = match self.wrong {
            Some(Wrong::Callers(off)) => off[isolate],
            _ => 0,
        };
        (START + self.true_time + off) as u64
    }

    fn ask(&mut self, isolate: usize, is_apart: bool, operation: Operation) -> LedgerResponse {
        let request = LedgerRequest {
            group: if is_apart { "/a".into() } else { String::new() },
            limits: Limits {
                quota: self.quotas[usize::from(is_apart)],
                replay_window: None,
                ban: self.ban,
            },
            operation,
            now: Timestamp(self.caller(isolate)),
        };
        let now = self.object();
        let response = self.shelf.step(&request, now);
        self.note(is_apart, operation, response);
        response
    }

    /// Remembers what was answered, by the true time, and checks it.
    fn note(&mut self, is_apart: bool, operation: Operation, response: LedgerResponse) {
        let now = self.true_time;
        match response {
            LedgerResponse::Banned { left } => assert!(left <= self.ban.expect("banned").length),
            LedgerResponse::Limited { wait } => {
                let quota = self.quotas[usize::from(is_apart)].expect("limited");
                assert!(wait <= quota.window(), "{wait:?}");
            }
            LedgerResponse::Replayed(_) => panic!("nothing is replayed"),
            LedgerResponse::Explained(_) => panic!("nothing is explained"),
            LedgerResponse::TooManySockets(_) | LedgerResponse::Full(_) => {
                panic!("no slot is asked for")
            }
            LedgerResponse::Counted(_) => match operation {
                Operation::Admit { id } => self.admitted.push((is_apart, now, id)),
                Operation::Count { attempts, .. } => {
                    let counted = (0..attempts).map(|_| (is_apart, now, None));
                    self.admitted.extend(counted);
                }
                Operation::Borrow { .. }
                | Operation::Open { .. }
                | Operation::Claim { .. }
                | Operation::Replace { .. }
                | Operation::Attach { .. } => panic!("no slot and no lease is asked for"),
                Operation::Lift | Operation::Explain => {}
                Operation::GiveBack { id } => {
                    let mut all = self.admitted.iter();
                    let of = |entry: &(bool, i64, Option<EntryId>)| {
                        entry.0 == is_apart && entry.2 == Some(id)
                    };
                    if let Some(at) = all.rposition(of) {
                        self.admitted.remove(at);
                    }
                }
            },
        }
        let Some(ban) = self.ban else { return };
        let length = millis(ban.length) as i64;
        let is_attempt = !matches!(operation, Operation::GiveBack { .. });
        if let (Some(since), LedgerResponse::Counted(_)) = (self.banned_since, response)
            && is_attempt
        {
            assert!(now >= since + length, "the ban ended early");
            self.banned_since = None;
        }
        let is_failure = matches!(operation, Operation::Count { failures: 1, .. });
        if let LedgerResponse::Counted(outlook) = response
            && is_failure
        {
            self.failures.push(now);
            let window = millis(ban.failures.window()) as i64;
            let recent = self.failures.iter().filter(|at| **at + window > now);
            let bans = recent.count() >= ban.failures.count() as usize;
            assert!(!bans || outlook.banned_for == ban.length, "no ban");
            if !outlook.banned_for.is_zero() {
                self.failures.clear();
                self.banned_since = Some(now);
            }
        }
    }

    /// As the object does it: all is deleted when its clock says that nothing has mattered for long.
    fn ring(&mut self) {
        let now = Timestamp(self.object());
        if self.shelf.ledger.sleep(now).is_none() {
            self.shelf.rows.clear();
            self.shelf.ledger = Ledger::default();
        }
    }

    fn live_through(&mut self, (wrong, moves): Spell) {
        self.wrong = Some(wrong);
        for (gap, what) in moves {
            self.true_time += gap;
            match (what, &mut self.wrong) {
                (Move::Evict, _) => self.shelf.evict(),
                (Move::Ring, _) => self.ring(),
                (
                    Move::Operation {
                        isolate,
                        is_apart,
                        operation,
                    },
                    _,
                ) => {
                    self.ask(isolate, is_apart, operation);
                }
                (Move::Jump { by, .. }, Some(Wrong::Object(off))) => *off = jumped(*off, by),
                (Move::Jump { isolate, by }, Some(Wrong::Callers(off))) => {
                    off[isolate] = jumped(off[isolate], by);
                }
                (Move::Jump { .. }, None) => {}
            }
        }
        self.wrong = None;
    }

    fn assert_never_too_many(&self) {
        for (group, quota) in self.quotas.iter().enumerate() {
            let Some(quota) = quota else { continue };
            let window = millis(quota.window()) as i64;
            let of_group = || {
                self.admitted
                    .iter()
                    .filter(|entry| usize::from(entry.0) == group)
            };
            for (_, start, _) in of_group() {
                let inside = of_group().filter(|(_, at, _)| (*start..start + window).contains(at));
                let count = inside.count();
                assert!(count <= quota.count() as usize, "{count} from {start} on");
            }
        }
    }

    /// Clocks are right from now on: a client that waits as long as it was asked to, for a ban and
    /// then for the quota, is
    /// admitted, evictions or not.
    fn assert_nobody_is_locked_out(&mut self) {
        for is_apart in [false, true] {
            let mut waits = Vec::new();
            loop {
                self.shelf.evict();
                let response = self.ask(0, is_apart, Operation::Admit { id: None });
                let wait = match response {
                    LedgerResponse::Banned { left } if waits.is_empty() => left,
                    LedgerResponse::Limited { wait } if waits.len() < 2 => wait,
                    LedgerResponse::Counted(_) => break,
                    _ => panic!("after waits of {waits:?} still {response:?}"),
                };
                waits.push(wait);
                self.true_time += millis(wait) as i64;
            }
            let limits = waits.len() - usize::from(self.ban.is_some() && waits.len() == 2);
            assert!(limits <= 1, "limited after waiting: {waits:?}");
        }
    }
}

/// Several jumps together are never longer than what a ledger is kept for.
fn jumped(off: i64, by: i64) -> i64 {
    (off + by).clamp(-FARTHEST, FARTHEST)
}

fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => -3..4_i64,
        2 => -45..46_i64,
        1 => select(vec![-FARTHEST, -1_000_000, -1000, 1000, 1_000_000, FARTHEST]),
    ]
}

fn wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        offset().prop_map(Wrong::Object),
        [offset(), offset(), offset()].prop_map(Wrong::Callers),
    ]
}

fn ask() -> impl Strategy<Value = Operation> {
    let id = || (0..3_u8).prop_map(|byte| [byte; 16]);
    prop_oneof![
        6 => proptest::option::of(id()).prop_map(|id| Operation::Admit { id }),
        1 => (0..2_u32).prop_map(|failures| Operation::Count { attempts: 1, failures }),
        1 => Just(FAILURE),
        1 => id().prop_map(|id| Operation::GiveBack { id }),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    let isolate = || 0..ISOLATES;
    prop_oneof![
        12 => (isolate(), any::<bool>(), ask())
            .prop_map(|(isolate, is_apart, operation)| Move::Operation { isolate, is_apart, operation }),
        2 => Just(Move::Evict),
        1 => Just(Move::Ring),
        2 => (isolate(), offset()).prop_map(|(isolate, by)| Move::Jump { isolate, by }),
    ]
}

fn spells() -> impl Strategy<Value = Vec<Spell>> {
    let gap =
        prop_oneof![30 => Just(0_i64), 40 => 1..5_i64, 10 => 5..LONGEST + 2, 1 => Just(A_DAY)];
    vec((wrong(), vec((gap, a_move()), 0..50)), 1..4)
}

fn quota(max: u32) -> impl Strategy<Value = Option<Quota>> {
    (1..max, 1..LONGEST as u64).prop_map(|(count, window)| Quota::new(count, ms(window)))
}

fn ban() -> impl Strategy<Value = Option<BanRule>> {
    let limits = (quota(4), 1..LONGEST as u64).prop_map(|(failures, length)| BanRule {
        failures: failures.expect("counts are above zero"),
        length: ms(length),
    });
    proptest::option::of(limits)
}

#[test]
fn one_wrong_clock_at_a_time_admits_nobody_too_many_and_locks_nobody_out() {
    run(2000, (spells(), [quota(5), quota(5)], ban()));
}

/// Where many come at a time, some of their attempts are stored ahead.
#[test]
fn what_is_stored_ahead_holds_under_wrong_clocks() {
    let quota = || {
        (16..50_u32, 16..LONGEST as u64).prop_map(|(count, window)| Quota::new(count, ms(window)))
    };
    let attempt =
        (0..ISOLATES, prop::bool::weighted(0.2), 0..4_u8).prop_map(|(isolate, is_apart, id)| {
            Move::Operation {
                isolate,
                is_apart,
                operation: Operation::Admit {
                    id: (id > 1).then_some([id; 16]),
                },
            }
        });
    let gap = prop_oneof![20 => Just(0_i64), 4 => 1..3_i64, 1 => 3..LONGEST];
    let crowd = vec((gap, prop_oneof![15 => attempt, 2 => a_move()]), 0..200);
    run(
        1000,
        (vec((wrong(), crowd), 1..4), [quota(), quota()], ban()),
    );
}

fn run(
    wanted: u32,
    strategy: impl Strategy<Value = (Vec<Spell>, [Option<Quota>; 2], Option<BanRule>)>,
) {
    let chosen = std::env::var("SCHEDULES").ok();
    let wanted = chosen.map_or(wanted, |count| {
        count.parse().expect("SCHEDULES is a number")
    });
    let (schedules, asked) = (Cell::new(0_u64), Cell::new(0_usize));
    let result = TestRunner::new(cases(wanted)).run(&strategy, |(spells, quotas, ban)| {
        let mut world = World {
            shelf: Shelf::default(),
            true_time: 0,
            wrong: None,
            quotas,
            ban,
            admitted: Vec::new(),
            failures: Vec::new(),
            banned_since: None,
        };
        for spell in spells {
            asked.set(asked.get() + spell.1.len());
            world.live_through(spell);
            // What was stamped by one wrong clock is judged by no other wrong one.
            world.true_time += LONGEST;
        }
        // Right from the last moment of the last spell on.
        world.true_time -= LONGEST;
        world.assert_nobody_is_locked_out();
        world.assert_never_too_many();
        schedules.set(schedules.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} schedules, {} moves", schedules.get(), asked.get());
}
