//! How a gate tells ledgers of refused attempts: exact in sequence, and together where many come.

use std::time::Duration;

use crate::common::Ask;
use crate::common::scripted::{Part, Scripted, upgrade, upgrade_with_key};

const ALICE: &str = r#""sub":"alice""#;

fn forged() -> Ask {
    upgrade(ALICE).with("authorization", "Bearer a.b.c")
}

/// What comes of so many forged tokens, one after the other within one moment.
fn outcomes(gate: &Scripted, count: usize) -> Vec<String> {
    let outcome = |_| {
        let answer = gate.send(&forged());
        gate.finish_before_timers();
        answer.what
    };
    (0..count).map(outcome).collect()
}

fn all_but_the_last(count: usize, last: &str) -> Vec<String> {
    let mut all = vec!["token_invalid".to_owned(); count];
    all.push(last.to_owned());
    all
}

#[test]
fn a_flood_of_refused_tokens_takes_a_call_a_second() {
    let gate = Scripted::with(&[("RATE_LIMIT_IP", "8000/1m"), ("BAN_AFTER", "800/1m for 1h")]);
    outcomes(&gate, 100);
    assert_eq!(gate.take_asked(), ["address: count a failure"]);
    gate.finish();
    assert_eq!(
        gate.take_asked(),
        ["address: count 99 attempts and 99 failures"]
    );
    outcomes(&gate, 50);
    gate.send(&upgrade(ALICE).without("sec-websocket-key"));
    assert_eq!(gate.take_asked(), Vec::<String>::new());
    gate.finish();
    assert_eq!(
        gate.take_asked(),
        ["address: count 50 attempts and 51 failures"]
    );
}

#[test]
fn in_sequence_rules_stay_exact_whatever_is_told_together() {
    let quota = |count: &str| Scripted::with(&[("RATE_LIMIT_IP", count)]);
    for count in [1, 15, 16, 60, 100] {
        let gate = quota(&format!("{count}/1m"));
        let expected = all_but_the_last(count, "rate_limited");
        assert_eq!(outcomes(&gate, count + 1), expected, "{count}");
    }
    for count in [1, 15, 16, 20, 70] {
        let rule = format!("{count}/1m for 1h");
        let gate = Scripted::with(&[("RATE_LIMIT_IP", "100/1m"), ("BAN_AFTER", &rule)]);
        let expected = all_but_the_last(count, "banned");
        assert_eq!(outcomes(&gate, count + 1), expected, "{rule}");
        let records = gate.recorded.borrow();
        assert_eq!(records.len(), 1, "the ban is recorded once");
    }
}

#[test]
fn what_others_used_up_is_heard_with_the_next_answer() {
    let settings = [("RATE_LIMIT_IP", "64/1m"), ("KEY_REPLAY_WINDOW", "off")];
    let (gate, other) = (Scripted::with(&settings), Scripted::with(&settings));
    outcomes(&gate, 4);
    gate.share_ledgers(&other);
    for _ in 0..60 {
        assert_eq!(other.knock(&upgrade(ALICE)).what, "socket");
    }
    gate.share_ledgers(&other);
    gate.take_asked();
    assert_eq!(gate.send(&upgrade(ALICE)).what, "socket");
    gate.finish_before_timers();
    assert_eq!(
        gate.take_asked(),
        [
            "address: admit",
            "registry: register",
            "server",
            "address: count 3 attempts and 0 failures"
        ]
    );
    assert_eq!(
        gate.send(&upgrade_with_key(ALICE, 'B')).what,
        "rate_limited"
    );
}

#[test]
fn refused_attempts_that_nobody_counts_are_a_line_for_the_log() {
    let gate = Scripted::with(&[("RATE_LIMIT_IP", "80/1m"), ("BAN_AFTER", "80/1m for 1h")]);
    outcomes(&gate, 4);
    gate.break_down(Part::AddressLedger);
    let line = |what: &str| [format!("{what} went uncounted: the address's ledger: down")];
    assert_eq!(gate.finish(), line("3 refused attempts"));
    gate.pass(Duration::from_secs(1));
    gate.send(&upgrade(ALICE).without("sec-websocket-key"));
    assert_eq!(gate.finish(), line("a failure"));
    for _ in 0..2 {
        gate.send(&upgrade(ALICE).without("sec-websocket-key"));
    }
    assert_eq!(gate.finish(), line("2 failures"));
    gate.repair();
    gate.send(&forged());
    assert_eq!(gate.finish(), Vec::<String>::new());
}
