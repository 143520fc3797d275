//! Isolates with leases and a ledger, judged by the true time: never one admission too many in any
//! window, whatever clock is wrong, timers that come late, answers that are lost or late, evictions
//! and alarms; and nobody refused who is not near the limit.

use std::collections::BTreeMap;

use portcullis::limits::leases::{Leases, USED_FOR};
use portcullis::limits::ledger::{Ledger, LedgerRequest, LedgerResponse, Operation, Wish};
use portcullis::limits::quota::{Limits, Quota};
use portcullis::util::time::{Timestamp, millis};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::crowd::greatest_crowd;
use crate::common::ledger::{START, Shelf};
use crate::common::{cases, ms};

const ISOLATES: usize = 3;
const NAME: &str = "ip 192.0.2.1\n";
/// In milliseconds. After this time nobody waits for an answer.
const TIMEOUT: u64 = 800;
/// What follows the last window in which something counts that was stamped by a wrong clock.
const REST: u64 = 5000;
/// How far a clock is off at most.
const FARTHEST: i64 = 43_000_000;

#[derive(Debug, Clone, Copy)]
enum Wrong {
    Nobody,
    Object,
    Isolates,
    /// The clock of the first isolate stands still.
    Still(u64),
}

/// What becomes of a question.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// How long it and its answer are under way.
    there: u64,
    back: u64,
    is_doubled: bool,
}

#[derive(Debug, Clone)]
enum Move {
    /// So many attempts in an isolate, with pauses between, and what becomes of their questions.
    Attempts {
        isolate: usize,
        count: usize,
        every: u64,
        fate: Fate,
    },
    /// One of the attempts from leases is given back.
    GiveBack,
    Pass(u64),
    Jump {
        isolate: usize,
        by: i64,
    },
    Evict,
    Ring,
    /// The isolate ends, and another comes in its place.
    Vanish(usize),
}

enum Event {
    Deliver {
        isolate: usize,
        life: u64,
        wish: Wish,
        now: Timestamp,
        back: u64,
    },
    Return {
        isolate: usize,
        life: u64,
        id: u64,
        answer: LedgerResponse,
        decided: u64,
    },
    TimeOut {
        isolate: usize,
        life: u64,
        id: u64,
    },
    EndLease {
        isolate: usize,
        life: u64,
        id: u64,
    },
}

struct World {
    limits: Limits,
    shelf: Shelf,
    isolates: Vec<(Leases, u64)>,
    now: u64,
    wrong: Wrong,
    off: [i64; ISOLATES],
    late: u64,
    events: BTreeMap<(u64, u64), Event>,
    names: u64,
    /// True times.
    admitted: Vec<u64>,
    /// Those from leases: the isolate, its life, the lease and when.
    drawn: Vec<(usize, u64, u64, u64)>,
    /// When what was refused, and for how long.
    refused: Vec<(u64, u64)>,
    lent: usize,
}

impl World {
    fn new(limits: Limits, late: u64) -> Self {
        Self {
            limits,
            shelf: Shelf::default(),
            isolates: (0..ISOLATES).map(|_| (Leases::default(), 0)).collect(),
            now: START,
            wrong: Wrong::Nobody,
            off: [0; ISOLATES],
            late,
            events: BTreeMap::new(),
            names: 0,
            admitted: Vec::new(),
            drawn: Vec::new(),
            refused: Vec::new(),
            lent: 0,
        }
    }

    fn clock(&self, isolate: Option<usize>) -> Timestamp {
        if let (Wrong::Still(time), Some(0)) = (self.wrong, isolate) {
            return Timestamp(time);
        }
        let off = match (self.wrong, isolate) {
            (Wrong::Object, None) => self.off[0],
            (Wrong::Isolates, Some(isolate)) => self.off[isolate],
            _ => 0,
        };
        Timestamp(self.now.strict_add_signed(off))
    }

    fn after(&mut self, length: u64, event: Event) {
        self.names += 1;
        self.events.insert((self.now + length, self.names), event);
    }

    fn attempt(&mut self, isolate: usize, fate: Fate) {
        let now = self.clock(Some(isolate));
        let most = self.limits.lends();
        self.names += 1;
        let id = self.names;
        let (leases, life) = &mut self.isolates[isolate];
        let life = *life;
        if let Some(lease) = leases.take(NAME, now) {
            self.admitted.push(self.now);
            self.drawn.push((isolate, life, lease, self.now));
            return;
        }
        let wish = leases.ask(NAME, id, most, now);
        let Fate {
            there,
            back,
            is_doubled,
        } = fate;
        if wish.want > 0 {
            let length = millis(USED_FOR) + self.late;
            self.after(length, Event::EndLease { isolate, life, id });
        }
        self.after(
            there,
            Event::Deliver {
                isolate,
                life,
                wish,
                now,
                back,
            },
        );
        if is_doubled {
            self.after(
                there + 700,
                Event::Deliver {
                    isolate,
                    life,
                    wish,
                    now,
                    back,
                },
            );
        }
        self.after(TIMEOUT, Event::TimeOut { isolate, life, id });
        // What is answered at once is heard at once.
        self.run(0);
    }

    fn run(&mut self, length: u64) {
        let until = self.now + length;
        while let Some(first) = self.events.first_entry()
            && first.key().0 <= until
        {
            let ((at, _), event) = first.remove_entry();
            self.now = at;
            self.happen(event);
        }
        self.now = until;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver {
                isolate,
                life,
                wish,
                now,
                back,
            } => {
                let request = LedgerRequest {
                    group: String::new(),
                    limits: self.limits,
                    operation: Operation::Borrow { id: None, wish },
                    now,
                };
                let clock = self.clock(None).0;
                let answer = self.shelf.step(&request, clock);
                let (id, decided) = (wish.id, self.now);
                self.after(
                    back,
                    Event::Return {
                        isolate,
                        life,
                        id,
                        answer,
                        decided,
                    },
                );
            }
            Event::Return {
                isolate,
                life,
                id,
                answer,
                decided,
                ..
            } => {
                let now = self.clock(Some(isolate));
                let (leases, alive) = &mut self.isolates[isolate];
                if *alive != life || !self.events.values().any(|event| event.awaits(id)) {
                    return;
                }
                self.events.retain(|_, event| !event.awaits(id));
                match answer {
                    LedgerResponse::Counted(outlook) => {
                        leases.lend(NAME, id, outlook.lent, now);
                        self.lent += outlook.lent as usize;
                        self.admitted.push(decided);
                        if !outlook.exhausted_for.is_zero() {
                            leases.end(NAME);
                        }
                    }
                    LedgerResponse::Limited { wait } => {
                        leases.lend(NAME, id, 0, now);
                        leases.end(NAME);
                        self.refused.push((decided, millis(wait)));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Event::TimeOut { isolate, life, id } | Event::EndLease { isolate, life, id } => {
                let (leases, alive) = &mut self.isolates[isolate];
                if *alive == life {
                    leases.lapse(NAME, id);
                }
            }
        }
    }

    fn give_back(&mut self) {
        let Some((isolate, life, lease, at)) = self.drawn.pop() else {
            return;
        };
        let (leases, alive) = &mut self.isolates[isolate];
        if *alive != life {
            return;
        }
        leases.give_back(NAME, lease);
        // It is not used, so nobody was let in.
        let found = self.admitted.iter().rposition(|admitted| *admitted == at);
        self.admitted.remove(found.expect("it was admitted"));
    }

    fn make(&mut self, what: Move) {
        match what {
            Move::Attempts {
                isolate,
                count,
                every,
                fate,
            } => {
                for _ in 0..count {
                    self.attempt(isolate, fate);
                    self.run(every);
                }
            }
            Move::GiveBack => self.give_back(),
            Move::Pass(length) => self.run(length),
            Move::Jump { isolate, by } => {
                let isolate = match self.wrong {
                    Wrong::Object => 0,
                    _ => isolate,
                };
                self.off[isolate] = (self.off[isolate] + by).clamp(-FARTHEST, FARTHEST);
            }
            Move::Evict => self.shelf.evict(),
            Move::Ring => {
                let now = self.clock(None);
                if self.shelf.ledger.sleep(now).is_none() {
                    self.shelf.rows.clear();
                    self.shelf.ledger = Ledger::default();
                }
            }
            Move::Vanish(isolate) => {
                let life = self.isolates[isolate].1 + 1;
                self.isolates[isolate] = (Leases::default(), life);
            }
        }
    }

    fn greatest_crowd(&self) -> usize {
        let window = self.limits.quota.expect("a quota").window();
        greatest_crowd(self.admitted.iter().copied(), millis(window))
    }
}

impl Event {
    fn awaits(&self, id: u64) -> bool {
        matches!(self, Self::TimeOut { id: of, .. } if *of == id)
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let count = prop_oneof![3 => 128..200_u32, 2 => 200..700_u32, 1 => 1000..4000_u32];
    let window = select(vec![40_u64, 400, 1500, 4000, 9000]);
    (count, window).prop_map(|(count, window)| Limits {
        quota: Quota::new(count, ms(window)),
        ..Limits::default()
    })
}

fn fate(is_calm: bool) -> impl Strategy<Value = Fate> {
    let length = if is_calm {
        select(vec![0_u64]).boxed()
    } else {
        prop_oneof![4 => Just(0_u64), 3 => 1..60_u64, 1 => 300..3000_u64].boxed()
    };
    let is_doubled = prop::bool::weighted(if is_calm { 0.0 } else { 0.1 });
    (length.clone(), length, is_doubled).prop_map(|(there, back, is_doubled)| Fate {
        there,
        back,
        is_doubled,
    })
}

fn attempts(is_calm: bool) -> impl Strategy<Value = Move> {
    let every = prop_oneof![4 => Just(0_u64), 4 => 1..20_u64, 1 => 20..600_u64];
    (0..ISOLATES, 1..90_usize, every, fate(is_calm)).prop_map(|(isolate, count, every, fate)| {
        Move::Attempts {
            isolate,
            count,
            every,
            fate,
        }
    })
}

fn a_move() -> impl Strategy<Value = Move> {
    let by = prop_oneof![
        3 => -1500..1500_i64,
        1 => select(vec![-FARTHEST, -100_000, 100_000, FARTHEST]),
    ];
    prop_oneof![
        10 => attempts(false),
        2 => Just(Move::GiveBack),
        2 => (0..6000_u64).prop_map(Move::Pass),
        3 => (0..ISOLATES, by).prop_map(|(isolate, by)| Move::Jump { isolate, by }),
        2 => Just(Move::Evict),
        1 => Just(Move::Ring),
        1 => (0..ISOLATES).prop_map(Move::Vanish),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn never_one_too_many_whatever_clock_is_wrong(
        limits in limits(),
        spells in vec(
            (
                select(vec![Wrong::Nobody, Wrong::Object, Wrong::Isolates, Wrong::Still(0)]),
                vec(a_move(), 1..14),
            ),
            1..4,
        ),
        late in select(vec![0_u64, 30, 900]),
    ) {
        let mut world = World::new(limits, late);
        let window = millis(limits.quota.expect("a quota").window());
        for (wrong, moves) in spells {
            let wrong = match wrong {
                Wrong::Still(_) => Wrong::Still(world.now),
                other => other,
            };
            (world.wrong, world.off) = (wrong, [0; ISOLATES]);
            for what in moves {
                world.make(what);
            }
            (world.wrong, world.off) = (Wrong::Nobody, [0; ISOLATES]);
            // What was stamped by one wrong clock is judged by no other.
            world.run(window + REST);
        }
        let most = limits.quota.expect("a quota").count() as usize;
        let crowd = world.greatest_crowd();
        prop_assert!(crowd <= most, "{crowd} of {most}");
    }

    /// With sound clocks, and without evictions and losses.
    #[test]
    fn nobody_is_refused_who_is_not_near_the_limit(
        limits in limits(),
        moves in vec(
            prop_oneof![8 => attempts(true), 2 => (0..6000_u64).prop_map(Move::Pass)],
            1..40,
        ),
    ) {
        let mut world = World::new(limits, 0);
        for what in moves {
            world.make(what);
        }
        let quota = limits.quota.expect("a quota");
        // What was drawn counts for two seconds more at most.
        let longest = millis(quota.window()) + 2000;
        for (at, wait) in &world.refused {
            let made = world.admitted.iter().filter(|made| **made <= *at && *made + longest > *at);
            let made = made.count();
            let near = (quota.count() - quota.count() / 16) as usize;
            prop_assert!(made >= near, "{made} of {}", quota.count());
            prop_assert!(*wait <= longest);
        }
    }
}

#[test]
fn busy_isolates_seldom_ask() {
    let limits = Limits {
        quota: Quota::new(6000, ms(60_000)),
        ..Limits::default()
    };
    let mut world = World::new(limits, 0);
    let fate = Fate {
        there: 5,
        back: 5,
        is_doubled: false,
    };
    for number in 0..4000 {
        world.attempt(number % ISOLATES, fate);
        world.run(12);
    }
    assert_eq!(world.admitted.len() + world.refused.len(), 4000);
    assert!(world.refused.is_empty());
    assert!(world.lent >= 3500, "{}", world.lent);
    assert!(world.drawn.len() >= 3500, "{}", world.drawn.len());
}
