//! Which requests count, against an oracle: one address, one gate, every kind of request.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::scripted::{ADMIN, Scripted, admin, bearer, post, upgrade};
use crate::common::{Ask, cases, hs256};

const ALICE: &str = r#""sub":"alice","scope":"read""#;
const FOREIGN: &str = "https://other.example";

/// What a request does to the counts of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Nothing,
    /// A failure alone.
    Failure,
    Attempt,
    FailedAttempt,
}

/// A request, what comes of it where nothing is exhausted or banned, and what it weighs.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    make: fn() -> Ask,
    outcome: &'static str,
    weight: Weight,
}

const fn kind(
    name: &'static str,
    make: fn() -> Ask,
    outcome: &'static str,
    weight: Weight,
) -> Kind {
    Kind {
        name,
        make,
        outcome,
        weight,
    }
}

fn with_token(token: &str) -> Ask {
    upgrade(ALICE).with("authorization", &bearer(token))
}

const KINDS: [Kind; 14] = [
    kind("good", || upgrade(ALICE), "socket", Weight::Attempt),
    kind(
        "a ticket",
        || post("/_portcullis/ticket?path=/chat", ALICE),
        "json",
        Weight::Attempt,
    ),
    kind(
        "http",
        || upgrade(ALICE).url("http://gate.example/chat"),
        "insecure_transport",
        Weight::Nothing,
    ),
    kind(
        "no route",
        || upgrade(ALICE).url("https://gate.example/_portcullis/x"),
        "no_route",
        Weight::Nothing,
    ),
    kind(
        "plain",
        || upgrade(ALICE).without("upgrade"),
        "upgrade_required",
        Weight::Nothing,
    ),
    kind(
        "foreign",
        || upgrade(ALICE).with("origin", FOREIGN),
        "origin_not_allowed",
        Weight::Nothing,
    ),
    kind(
        "malformed",
        || upgrade(ALICE).without("sec-websocket-key"),
        "bad_handshake",
        Weight::Failure,
    ),
    kind(
        "malformed without origin",
        || {
            upgrade(ALICE)
                .without("sec-websocket-key")
                .without("origin")
        },
        "bad_handshake",
        Weight::Failure,
    ),
    kind(
        "malformed and foreign",
        || {
            upgrade(ALICE)
                .without("sec-websocket-key")
                .with("origin", FOREIGN)
        },
        "bad_handshake",
        Weight::Nothing,
    ),
    kind(
        "no token",
        || upgrade(ALICE).without("authorization"),
        "token_missing",
        Weight::Attempt,
    ),
    kind(
        "expired",
        || with_token(&hs256(r#"{"exp":1700000000}"#)),
        "token_expired",
        Weight::Attempt,
    ),
    kind(
        "forged",
        || with_token("a.b.c"),
        "token_invalid",
        Weight::FailedAttempt,
    ),
    kind(
        "forbidden",
        || upgrade(r#""sub":"bob""#),
        "insufficient_scope",
        Weight::FailedAttempt,
    ),
    kind(
        "an administrator",
        || admin("GET", "sockets"),
        "json",
        Weight::Nothing,
    ),
];

#[derive(Debug, Clone, Copy)]
struct Rules {
    quota: (usize, u64),
    ban: (usize, u64, u64),
}

/// Remembers everything.
#[derive(Debug, Default)]
struct Oracle {
    now: u64,
    attempts: Vec<u64>,
    failures: Vec<u64>,
    banned_until: u64,
}

impl Oracle {
    fn is_banned(&self) -> bool {
        self.now < self.banned_until
    }

    fn is_exhausted(&self, rules: Rules) -> bool {
        let (count, window) = rules.quota;
        let is_counted = |at: &&u64| self.now < **at + window;
        self.attempts.iter().filter(is_counted).count() >= count
    }

    /// The outcomes that are right.
    fn expect(&mut self, kind: Kind, rules: Rules) -> Vec<&'static str> {
        let is_attempt = matches!(kind.weight, Weight::Attempt | Weight::FailedAttempt);
        let is_refused = !matches!(kind.outcome, "socket" | "json");
        if self.is_banned() {
            return match (is_attempt, is_refused) {
                (false, _) => vec![kind.outcome],
                (true, false) => vec!["banned"],
                // An isolate trusts a ban for five seconds, and a refusal does not wait to hear
                // of it again.
                (true, true) => vec!["banned", kind.outcome],
            };
        }
        if self.is_exhausted(rules) {
            return vec![if is_attempt {
                "rate_limited"
            } else {
                kind.outcome
            }];
        }
        if is_attempt {
            self.attempts.push(self.now);
        }
        if matches!(kind.weight, Weight::Failure | Weight::FailedAttempt) {
            self.fail(rules);
        }
        vec![kind.outcome]
    }

    fn fail(&mut self, rules: Rules) {
        let (count, window, length) = rules.ban;
        self.failures.retain(|at| self.now < *at + window);
        self.failures.push(self.now);
        if self.failures.len() >= count {
            self.failures.clear();
            self.banned_until = self.now + length;
        }
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let quota = (3..7_usize, select(vec![1000_u64, 4000]));
    let ban = (
        1..4_usize,
        select(vec![1000_u64, 3000]),
        select(vec![500_u64, 7000]),
    );
    (quota, ban).prop_map(|(quota, ban)| Rules { quota, ban })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_kind_of_request_counts_as_the_oracle_says(
        rules in rules(),
        steps in vec((0..KINDS.len(), select(vec![0_u64, 1, 90, 700, 3000])), 1..60),
    ) {
        let (count, window) = rules.quota;
        let (failures, within, length) = rules.ban;
        let gate = Scripted::with(&[
            ("ADMIN_TOKEN", ADMIN),
            ("REQUIRED_SCOPES", "read"),
            ("KEY_REPLAY_WINDOW", "off"),
            ("RATE_LIMIT_IP", &format!("{count}/{window}ms")),
            ("BAN_AFTER", &format!("{failures}/{within}ms for {length}ms")),
        ]);
        let mut oracle = Oracle::default();
        for (at, (chosen, pause)) in steps.into_iter().enumerate() {
            let kind = KINDS[chosen];
            let right = oracle.expect(kind, rules);
            let answer = gate.send(&(kind.make)());
            prop_assert!(
                right.contains(&answer.what.as_str()),
                "step {}, {}: {} instead of {:?}; {:?}", at, kind.name, answer.line(), right, oracle
            );
            let before = gate.take_asked();
            gate.finish();
            let after = gate.take_asked();
            if kind.weight == Weight::Nothing {
                prop_assert!(before.is_empty() && after.is_empty(), "{}: {:?} {:?}", kind.name, before, after);
            }
            oracle.now += pause;
            gate.pass(Duration::from_millis(pause));
        }
    }
}
