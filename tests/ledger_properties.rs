//! The ledger against a brute-force oracle that remembers everything.

mod common;

use std::collections::BTreeMap;

use common::{cases, ms};
use portcullis::ledger::{Answer, Attempt, Change, Ledger, Quota, Row, Terms};
use portcullis::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const START: u64 = 1_800_000_000_000;

/// Every attempt that was counted, and the key if it was admitted.
#[derive(Debug, Default)]
struct Oracle(Vec<(u64, Option<[u8; 16]>)>);

impl Oracle {
    /// The first time from `now` on at which one more attempt fits, tried one by one.
    fn wait(&self, quota: Option<Quota>, now: u64) -> u64 {
        let Some(quota) = quota else { return 0 };
        let window = quota.window().as_millis() as u64;
        let fits = |at: u64| {
            let inside = self.0.iter().filter(|(past, _)| past + window > at);
            inside.count() < quota.count() as usize
        };
        (0..).find(|wait| fits(now + wait)).expect("windows end")
    }

    fn step(&mut self, attempt: &Attempt, now: u64) -> Answer {
        let Terms {
            quota,
            replay_window,
        } = attempt.terms;
        let wait = self.wait(quota, now);
        if wait > 0 {
            return Answer::Limited { wait: ms(wait) };
        }
        let replay_window = replay_window.map_or(0, |window| window.as_millis() as u64);
        let replayed = attempt.key.is_some_and(|key| {
            let mut admitted = self.0.iter().filter(|(_, known)| *known == Some(key));
            admitted.any(|(past, _)| past + replay_window > now)
        });
        let key = attempt.key.filter(|_| !replayed);
        self.0.push((now, key));
        let exhausted_for = ms(self.wait(quota, now));
        if replayed {
            Answer::Replayed { exhausted_for }
        } else {
            Answer::Counted { exhausted_for }
        }
    }

    fn greatest_crowd(&self, window: u64) -> usize {
        let inside = |start: u64| {
            let crowd = self
                .0
                .iter()
                .filter(|(at, _)| (start..start + window).contains(at));
            crowd.count()
        };
        self.0.iter().map(|(at, _)| inside(*at)).max().unwrap_or(0)
    }
}

/// A ledger, and what an object would have stored of it.
#[derive(Default)]
struct Stored {
    ledger: Ledger,
    rows: BTreeMap<u64, Row>,
}

impl Stored {
    fn step(&mut self, attempt: &Attempt, now: u64) -> Answer {
        let (
            answer,
            Change {
                write,
                delete_before,
            },
        ) = self.ledger.step(attempt, Timestamp(now));
        if let Some(first) = delete_before {
            self.rows.retain(|number, _| *number >= first);
        }
        if let Some(row) = write {
            self.rows.insert(row.number, row);
        }
        answer
    }

    fn reload(&mut self) {
        self.ledger = Ledger::load(self.rows.values().cloned()).expect("its own rows");
    }
}

/// One attempt: the gap before it, its key, and whether the object was evicted in between.
type Move = (u64, Option<u8>, bool);

fn moves(gap: impl Strategy<Value = u64>, most: usize) -> impl Strategy<Value = Vec<Move>> {
    vec(
        (
            gap,
            option::weighted(0.8, 0..4_u8),
            prop::bool::weighted(0.1),
        ),
        1..most,
    )
}

fn gap(window: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        3 => 1..4_u64,
        2 => 0..window,
        1 => select(vec![window - 1, window, window + 1, 2 * window]),
    ]
}

fn attempt(terms: Terms, key: Option<u8>) -> Attempt {
    Attempt {
        terms,
        key: key.map(|byte| [byte; 16]),
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn every_answer_is_the_oracles(
        (window, moves) in (2..40_u64).prop_flat_map(|window| (Just(window), moves(gap(window), 60))),
        count in 0..6_u32,
        replay_window in option::of(1..60_u64),
    ) {
        let terms = Terms {
            quota: Quota::new(count, ms(window)),
            replay_window: replay_window.map(ms),
        };
        let (mut stored, mut oracle, mut now) = (Stored::default(), Oracle::default(), START);
        for (gap, key, is_evicted) in moves {
            now += gap;
            if is_evicted {
                stored.reload();
            }
            let attempt = match terms.replay_window {
                Some(_) => attempt(terms, key),
                None => attempt(terms, None),
            };
            prop_assert_eq!(stored.step(&attempt, now), oracle.step(&attempt, now));
        }
        if count > 0 {
            prop_assert!(oracle.greatest_crowd(window) <= count as usize);
        }
    }

    /// By the ledger's own time: an attempt that lies in the future becomes as old as now, and one
    /// that has left the window once does not come back.
    #[test]
    fn a_jumping_clock_admits_no_more_than_the_count_by_the_ledgers_own_time(
        jumps in vec((select(vec![0_i64, 0, 1, 2, 5, 19, 20, 21, -1, -3, -20, -500]), any::<bool>()), 1..80),
        count in 1..5_u32,
        evicts in any::<bool>(),
    ) {
        let window = 20;
        let terms = Terms { quota: Quota::new(count, ms(window)), replay_window: None };
        let (mut stored, mut now) = (Stored::default(), START);
        let mut counted: Vec<u64> = Vec::new();
        for (jump, is_evicted) in jumps {
            now = now.strict_add_signed(jump);
            if evicts && is_evicted {
                stored.reload();
            }
            counted.retain(|at| at + window > now);
            for at in &mut counted {
                *at = (*at).min(now);
            }
            match stored.step(&attempt(terms, None), now) {
                Answer::Counted { exhausted_for } => {
                    counted.push(now);
                    prop_assert!(exhausted_for <= ms(window));
                    prop_assert!(counted.len() <= count as usize, "{:?} at {}", counted, now);
                }
                Answer::Limited { wait } => prop_assert!(wait <= ms(window), "{:?}", wait),
                Answer::Replayed { .. } => prop_assert!(false, "no key was given"),
            }
        }
    }

    #[test]
    fn bytes_that_were_not_stored_never_panic(rows in vec((0..3_u64, vec(any::<u8>(), 0..80)), 0..3)) {
        let rows = rows.into_iter().map(|(number, data)| Row { number, data });
        if let Ok(mut ledger) = Ledger::load(rows) {
            let terms = Terms { quota: Quota::new(2, ms(10)), replay_window: Some(ms(5)) };
            ledger.step(&attempt(terms, Some(1)), Timestamp(START));
        }
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// Beyond 512 attempts there are several rows.
    #[test]
    fn every_answer_is_the_oracles_over_many_rows(
        moves in moves(prop_oneof![8 => Just(0_u64), 2 => 1..3_u64, 1 => 0..200_u64], 1800),
        count in 500..1600_u32,
    ) {
        let terms = Terms { quota: Quota::new(count, ms(300)), replay_window: Some(ms(400)) };
        let (mut stored, mut oracle, mut now) = (Stored::default(), Oracle::default(), START);
        for (gap, key, is_evicted) in moves {
            now += gap;
            if is_evicted && gap > 0 {
                stored.reload();
            }
            let attempt = attempt(terms, key);
            prop_assert_eq!(stored.step(&attempt, now), oracle.step(&attempt, now));
            oracle.0.retain(|(at, _)| at + 400 > now);
            prop_assert!(stored.rows.len() <= 5);
        }
    }
}
