//! The ledger against a brute-force oracle that remembers everything, under clocks that are right.

use portcullis::limits::ledger::{
    EntryId, Ledger, LedgerRequest, LedgerResponse, Operation, Outlook, Row,
};
use portcullis::limits::quota::{BanRule, Limits, Quota};
use portcullis::util::time::{Timestamp, millis};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::crowd::greatest_crowd;
use crate::common::ledger::{Shelf, outlook};
use crate::common::{cases, ms};

/// The row of slots.
const SLOTS: u64 = (1 << 53) - 1;
const START: u64 = 1_800_000_000_000;

/// Every attempt that was counted and not given back, every failure, and the last ban.
#[derive(Debug, Default)]
struct Oracle {
    entries: Vec<(u64, String, Option<EntryId>)>,
    failures: Vec<u64>,
    banned_until: u64,
}

impl Oracle {
    fn inside(&self, group: &str, window: u64, now: u64) -> usize {
        let entries = self.entries.iter();
        entries
            .filter(|(at, of, _)| of == group && at + window > now)
            .count()
    }

    /// The first time from `now` on at which one more attempt fits, tried one by one.
    fn wait(&self, group: &str, quota: Option<Quota>, now: u64) -> u64 {
        let Some(quota) = quota else { return 0 };
        let fits = |at| self.inside(group, millis(quota.window()), at) < quota.count() as usize;
        (0..).find(|wait| fits(now + wait)).expect("windows end")
    }

    fn fail(&mut self, ban: Option<BanRule>, now: u64) {
        let Some(ban) = ban else { return };
        self.failures.push(now);
        let window = millis(ban.failures.window());
        let recent = self.failures.iter().filter(|at| **at + window > now);
        if recent.count() >= ban.failures.count() as usize {
            self.failures.clear();
            self.banned_until = now + millis(ban.length);
        }
    }

    /// How many more refusals fit until the quota ends or a ban begins, if those are fewer than the
    /// eighth that is told together.
    fn few_left(&self, request: &LedgerRequest) -> Option<u32> {
        let Limits { quota, ban, .. } = request.limits;
        let now = request.now.0;
        let left = |rule: Quota, counted: usize| (rule.count() as i64 - counted as i64) as u32;
        let of_quota = quota.map(|quota| {
            let made = self.inside(&request.group, millis(quota.window()), now);
            (quota.count(), left(quota, made))
        });
        let of_ban = ban.map(|BanRule { failures, .. }| {
            let window = millis(failures.window());
            let recent = self.failures.iter().filter(|at| **at + window > now);
            (failures.count(), left(failures, recent.count()))
        });
        let rules = || of_quota.into_iter().chain(of_ban);
        let together = rules().map(|(count, _)| count / 8).min()?.clamp(1, 128);
        let fewest = rules().map(|(_, left)| left).min()?;
        (0 < fewest && fewest < together).then_some(fewest)
    }

    /// Counts one after the other what was told together: the failed attempts first.
    fn step_by_singles(
        &mut self,
        request: &LedgerRequest,
        attempts: u32,
        failures: u32,
    ) -> LedgerResponse {
        let singles = (0..attempts.max(failures)).map(|at| {
            self.step(&LedgerRequest {
                operation: Operation::Count {
                    attempts: (at < attempts).into(),
                    failures: (at < failures).into(),
                },
                ..request.clone()
            })
        });
        let answers: Vec<_> = singles.collect();
        let is_counted = |answer: &LedgerResponse| matches!(answer, LedgerResponse::Counted(_));
        if !answers.iter().any(is_counted) {
            return answers[0];
        }
        let ban = request.limits.ban.map_or(0, |_| self.banned_until);
        LedgerResponse::Counted(Outlook {
            few_left: self.few_left(request),
            ..outlook(
                self.wait(&request.group, request.limits.quota, request.now.0),
                ban.saturating_sub(request.now.0),
            )
        })
    }

    fn step(&mut self, request: &LedgerRequest) -> LedgerResponse {
        let LedgerRequest {
            group,
            limits,
            operation,
            ..
        } = request;
        let now = request.now.0;
        if let Operation::Count { attempts, failures } = *operation
            && attempts.max(failures) > 1
        {
            return self.step_by_singles(request, attempts, failures);
        }
        let is_attempt = matches!(
            operation,
            Operation::Admit { .. } | Operation::Count { attempts: 1, .. }
        );
        if (is_attempt || matches!(operation, Operation::Count { .. }))
            && limits.ban.is_some()
            && self.banned_until > now
        {
            let left = ms(self.banned_until - now);
            return LedgerResponse::Banned { left };
        }
        let wait = self.wait(group, limits.quota, now);
        if is_attempt && wait > 0 {
            return LedgerResponse::Limited { wait: ms(wait) };
        }
        let mut replayed = false;
        match *operation {
            Operation::Admit { id } => {
                replayed = id.zip(limits.replay_window).is_some_and(|(id, window)| {
                    let mut entries = self.entries.iter();
                    entries.any(|(at, _, known)| *known == Some(id) && at + millis(window) > now)
                });
                let id = id.filter(|_| !replayed);
                if limits.quota.is_some() || (id.is_some() && limits.replay_window.is_some()) {
                    self.entries.push((now, group.clone(), id));
                }
            }
            Operation::Count { attempts, failures } => {
                if failures > 0 {
                    self.fail(limits.ban, now);
                }
                if attempts > 0 && limits.quota.is_some() {
                    self.entries.push((now, group.clone(), None));
                }
            }
            Operation::Borrow { .. } => unreachable!("leases have tests of their own"),
            Operation::Open { .. }
            | Operation::Claim { .. }
            | Operation::Replace { .. }
            | Operation::Attach { .. } => {
                unreachable!("slots have tests of their own")
            }
            Operation::Lift => {
                self.failures.clear();
                self.banned_until = 0;
            }
            Operation::Explain => unreachable!("it has tests of its own"),
            Operation::GiveBack { id } => {
                let is_meant = |(at, of, known): &(u64, String, Option<EntryId>)| {
                    let still = at + millis(limits.horizon()) > now;
                    of == group && *known == Some(id) && still
                };
                if let Some(at) = self.entries.iter().rposition(is_meant) {
                    self.entries.remove(at);
                }
            }
        }
        let banned = if limits.ban.is_some() {
            self.banned_until
        } else {
            0
        };
        let known = Outlook {
            few_left: self.few_left(request),
            ..outlook(
                self.wait(group, limits.quota, now),
                banned.saturating_sub(now),
            )
        };
        if replayed {
            LedgerResponse::Replayed(known)
        } else {
            LedgerResponse::Counted(known)
        }
    }
}

fn id() -> impl Strategy<Value = EntryId> {
    (0..4_u8).prop_map(|byte| [byte; 16])
}

fn ask() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => option::weighted(0.8, id()).prop_map(|id| Operation::Admit { id }),
        3 => refusals(3),
        1 => Just(Operation::Lift),
        1 => id().prop_map(|id| Operation::GiveBack { id }),
    ]
}

/// Refused attempts and failures that are told together.
fn refusals(max: u32) -> impl Strategy<Value = Operation> {
    (0..=max, 0..=max)
        .prop_filter("one of them", |(attempts, failures)| {
            attempts + failures > 0
        })
        .prop_map(|(attempts, failures)| Operation::Count { attempts, failures })
}

fn gap(window: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        3 => 1..4_u64,
        2 => 0..window,
        1 => select(vec![window - 1, window, window + 1, 2 * window]),
    ]
}

fn quota(max: u32) -> impl Strategy<Value = Option<Quota>> {
    (0..max, 2..40_u64).prop_map(|(count, window)| Quota::new(count, ms(window)))
}

fn ban() -> impl Strategy<Value = Option<BanRule>> {
    (quota(5), 1..80_u64).prop_map(|(failures, length)| {
        failures.map(|failures| BanRule {
            failures,
            length: ms(length),
        })
    })
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn every_answer_is_the_oracles(
        moves in vec((gap(30), any::<bool>(), ask(), prop::bool::weighted(0.1)), 1..60),
        quotas in [quota(6), quota(6)],
        replay_window in option::of(1..60_u64),
        ban in ban(),
    ) {
        let (mut shelf, mut oracle, mut now) = (Shelf::default(), Oracle::default(), START);
        for (gap, is_apart, operation, is_evicted) in moves {
            now += gap;
            if is_evicted {
                shelf.evict();
            }
            let request = LedgerRequest {
                group: if is_apart { "/a".into() } else { String::new() },
                limits: Limits {
                    quota: quotas[usize::from(is_apart)],
                    replay_window: replay_window.map(ms),
                    ban,
                },
                operation,
                now: Timestamp(now),
            };
            prop_assert_eq!(shelf.step(&request, now), oracle.step(&request), "{:?}", request);
        }
        for (group, quota) in ["", "/a"].into_iter().zip(quotas) {
            if let Some(quota) = quota {
                let of_group = oracle.entries.iter().filter(|(_, of, _)| of == group);
                let times = of_group.map(|(at, ..)| *at);
                let max = greatest_crowd(times, millis(quota.window()));
                prop_assert!(max <= quota.count() as usize);
            }
        }
    }

    #[test]
    fn bytes_that_were_not_stored_never_panic(
        rows in vec((select(vec![0, 1, 2, SLOTS]), vec(any::<u8>(), 0..80)), 0..3),
        operation in ask(),
    ) {
        let rows = rows.into_iter().map(|(number, data)| Row { number, data });
        if let Ok(mut ledger) = Ledger::load(rows) {
            step_somehow(&mut ledger, operation);
        }
    }
}

fn step_somehow(ledger: &mut Ledger, operation: Operation) {
    let limits = Limits {
        quota: Quota::new(2, ms(10)),
        replay_window: Some(ms(5)),
        ban: Quota::new(2, ms(10)).map(|failures| BanRule {
            failures,
            length: ms(3),
        }),
    };
    let request = LedgerRequest {
        group: String::new(),
        limits,
        operation,
        now: Timestamp(START),
    };
    ledger.step(&request, Timestamp(START));
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn bytes_that_were_changed_never_panic(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        operation in ask(),
    ) {
        let mut shelf = Shelf::default();
        for at in 0..200 {
            let limits = Limits { quota: Quota::new(500, ms(1000)), ..Limits::default() };
            let operation = Operation::Admit { id: Some([at; 16]) };
            let request = LedgerRequest { group: String::new(), limits, operation, now: Timestamp(START) };
            shelf.step(&request, START);
        }
        let mut rows: Vec<_> = shelf.rows.into_values().collect();
        for (index, byte) in changes {
            for row in &mut rows {
                let at = index.index(row.data.len());
                row.data[at] = byte;
            }
        }
        if let Ok(mut ledger) = Ledger::load(rows) {
            step_somehow(&mut ledger, operation);
        }
    }

    /// Beyond 128 attempts there are several rows.
    #[test]
    fn every_answer_is_the_oracles_over_many_rows(
        moves in vec(
            (
                prop_oneof![8 => Just(0_u64), 2 => 1..3_u64, 1 => 0..200_u64],
                prop_oneof![
                    9 => any::<u8>().prop_map(|byte| Operation::Admit { id: Some([byte; 16]) }),
                    1 => any::<u8>().prop_map(|byte| Operation::GiveBack { id: [byte; 16] }),
                    1 => refusals(60),
                ],
                prop::bool::weighted(0.05),
            ),
            1..900,
        ),
        count in 100..500_u32,
        failures in 16..600_u32,
    ) {
        let quota = Quota::new(count, ms(300));
        let ban = Quota::new(failures, ms(250)).map(|failures| BanRule { failures, length: ms(40) });
        let limits = Limits { quota, replay_window: Some(ms(3)), ban };
        let (mut shelf, mut oracle, mut now) = (Shelf::default(), Oracle::default(), START);
        for (gap, operation, is_evicted) in moves {
            now += gap;
            if is_evicted {
                shelf.evict();
            }
            let request = LedgerRequest { group: String::new(), limits, operation, now: Timestamp(now) };
            prop_assert_eq!(shelf.step(&request, now), oracle.step(&request));
            oracle.entries.retain(|(at, ..)| at + 300 > now);
            prop_assert!(shelf.rows.len() <= 7, "{} rows", shelf.rows.len());
        }
    }
}
