//! How a gate's journeys draw on what ledgers lent: no question, and all that a question does.

use std::time::Duration;

use portcullis::registry::{DenialReason, RegistryResponse};

use crate::common::Ask;
use crate::common::scripted::{ADMIN, Part, Scripted, upgrade};

const ALICE: &str = r#""sub":"alice""#;
const NO_KEYS: (&str, &str) = ("KEY_REPLAY_WINDOW", "off");

/// A gate whose only counter is that of the address.
fn gate(quota: &str, more: &[(&str, &str)]) -> Scripted {
    let mut vars = vec![("RATE_LIMIT_IP", quota), NO_KEYS];
    vars.extend(more);
    Scripted::with(&vars)
}

/// A gate whose only counter is that of the user.
fn gate_of_users(quota: &str) -> Scripted {
    Scripted::with(&[
        ("RATE_LIMIT_IP", "off"),
        NO_KEYS,
        ("RATE_LIMIT_USER", quota),
        ("ADMIN_TOKEN", ADMIN),
    ])
}

fn forged() -> Ask {
    upgrade(ALICE).with("authorization", "Bearer a.b.c")
}

/// What ledgers are asked for so many upgrades, which are all accepted.
fn asked(gate: &Scripted, count: usize) -> Vec<String> {
    for _ in 0..count {
        assert_eq!(gate.send(&upgrade(ALICE)).what, "socket");
        gate.finish_before_timers();
    }
    let mut asked = gate.take_asked();
    asked.retain(|question| question.contains(": ") && !question.starts_with("registry"));
    asked
}

#[test]
fn an_address_that_comes_often_is_seldom_asked_for() {
    let admit_and = |borrows: usize| {
        let mut all = vec!["address: admit".to_owned()];
        all.extend((0..borrows).map(|_| "address: borrow".to_owned()));
        all
    };
    assert_eq!(asked(&gate("64000/1m", &[]), 40), admit_and(5));
    let each = vec!["address: admit".to_owned(); 10];
    assert_eq!(asked(&gate("127/1m", &[]), 10), each, "a small quota");
    let keys = [("KEY_REPLAY_WINDOW", "1m")];
    let with_keys = Scripted::with(&[("RATE_LIMIT_IP", "64000/1m"), keys[0]]);
    assert_eq!(asked(&with_keys, 1), each[..1], "keys are remembered");
    let with_slots = gate(
        "64000/1m",
        &[("MAX_SOCKETS_IP", "100"), ("RELAY", "inspect")],
    );
    assert_eq!(asked(&with_slots, 3), vec!["address: open".to_owned(); 3]);
}

#[test]
fn a_lease_lasts_a_second_by_the_clock_and_by_its_timer() {
    let lent = || {
        let gate = gate("64000/1m", &[]);
        assert_eq!(asked(&gate, 5).len(), 3, "4 are lent");
        gate
    };
    let gate = lent();
    gate.pass(Duration::from_millis(999));
    assert_eq!(asked(&gate, 1), Vec::<String>::new());
    gate.pass(Duration::from_millis(1));
    assert_eq!(asked(&gate, 1), ["address: borrow"]);
    // A clock that stands still does not keep it alive.
    let gate = lent();
    let now = gate.now.get();
    gate.finish();
    gate.now.set(now);
    assert_eq!(asked(&gate, 1), ["address: borrow"]);
    let gate = lent();
    gate.now.set(now - Duration::from_secs(9));
    assert_eq!(asked(&gate, 1), ["address: borrow"]);
}

#[test]
fn a_quota_holds_to_the_last_with_what_is_lent() {
    for count in [128_usize, 200, 1000] {
        let gate = gate(&format!("{count}/1m"), &[]);
        let before = asked(&gate, count - count / 16).len();
        assert!(before * 2 < count, "{before} of {count}");
        let mut more = 0;
        while gate.send(&upgrade(ALICE)).what == "socket" {
            gate.finish_before_timers();
            more += 1;
        }
        assert!(more <= count / 16, "{more} of {count}");
    }
}

#[test]
fn a_refused_attempt_draws_on_the_lease() {
    let rule = [("BAN_AFTER", "900/1m for 1h")];
    let gate = gate("64000/1m", &rule);
    asked(&gate, 5);
    let missing = upgrade(ALICE).without("authorization");
    assert_eq!(gate.knock(&missing).what, "token_missing");
    assert_eq!(gate.take_asked(), Vec::<String>::new());
    asked(&gate, 5);
    assert_eq!(gate.knock(&forged()).what, "token_invalid");
    assert_eq!(gate.take_asked(), ["address: fail"]);
}

#[test]
fn an_admission_of_a_user_is_given_back_to_its_lease() {
    let gate = gate_of_users("64000/1m");
    let borrowed = asked(&gate, 5);
    assert_eq!(borrowed.last().map(String::as_str), Some("user: borrow"));
    for _ in 0..20 {
        let end = DenialReason::Revoked;
        let refusal = RegistryResponse::Refused { end, by: None };
        gate.registry.borrow_mut().push_back(refusal);
        assert_eq!(gate.send(&upgrade(ALICE)).what, "revoked");
        gate.finish_before_timers();
    }
    gate.take_asked();
    assert_eq!(asked(&gate, 4), Vec::<String>::new(), "all 4 are there");
    assert_eq!(asked(&gate, 1), ["user: borrow"]);
}

#[test]
fn a_ban_ends_a_lease() {
    let rule = [("BAN_AFTER", "16/1m for 1h")];
    let gate = gate("64000/1m", &rule);
    asked(&gate, 5);
    for _ in 0..16 {
        gate.send(&upgrade(ALICE).without("sec-websocket-key"));
        gate.finish_before_timers();
    }
    assert_eq!(gate.send(&upgrade(ALICE)).what, "banned");
    // Also after the ban is known no more, for nobody was lent anything meanwhile.
    gate.pass(Duration::from_secs(6));
    assert_eq!(gate.send(&upgrade(ALICE)).what, "banned");
}

#[test]
fn a_ledger_that_does_not_answer_lends_nothing() {
    let gate = gate("64000/1m", &[]);
    asked(&gate, 1);
    gate.break_down(Part::AddressLedger);
    for _ in 0..3 {
        assert_eq!(gate.send(&upgrade(ALICE)).what, "limiter_unavailable");
    }
    gate.repair();
    gate.take_asked();
    assert_eq!(asked(&gate, 1), ["address: borrow"]);
    assert_eq!(asked(&gate, 2), Vec::<String>::new());
}
