//! `jti`s that are admitted once, and what happens where their store does not answer.

use crate::common::scripted::{Part, Scripted, upgrade_with_key};

const FIRST: &str = r#""sub":"alice","jti":"t1""#;

#[test]
fn a_jti_is_admitted_once() {
    let gate = Scripted::with(&[("JWT_REPLAY", "reject")]);
    assert_eq!(gate.knock(&upgrade_with_key(FIRST, 'A')).what, "socket");
    assert_eq!(
        gate.take_asked(),
        [
            "address: admit",
            "jti: keep",
            "registry: register",
            "server"
        ]
    );
    assert_eq!(
        gate.knock(&upgrade_with_key(FIRST, 'B')).line(),
        "token_invalid at counters: the jti was admitted before"
    );
}

#[test]
fn a_token_without_a_sound_jti_asks_no_object() {
    let gate = Scripted::with(&[("JWT_REPLAY", "reject")]);
    for claims in [r#""sub":"a""#, r#""jti":"""#, r#""jti":7"#] {
        let answer = gate.send(&upgrade_with_key(claims, 'A'));
        assert_eq!(
            (answer.what.as_str(), answer.record.stage.name()),
            ("token_invalid", "token")
        );
    }
    assert_eq!(gate.take_asked(), Vec::<String>::new());
}

#[test]
fn a_token_is_not_used_up_by_an_upgrade_that_another_counter_refuses() {
    let gate = Scripted::with(&[("JWT_REPLAY", "reject"), ("RATE_LIMIT_IP", "1/1m")]);
    assert_eq!(gate.knock(&upgrade_with_key(FIRST, 'A')).what, "socket");
    gate.take_asked();
    let second = r#""sub":"alice","jti":"t2""#;
    assert_eq!(
        gate.knock(&upgrade_with_key(second, 'B')).what,
        "rate_limited"
    );
    gate.pass(crate::common::seconds(60));
    assert_eq!(gate.knock(&upgrade_with_key(second, 'C')).what, "socket");
}

#[test]
fn without_the_store_a_token_is_refused() {
    let gate = Scripted::with(&[("JWT_REPLAY", "reject")]);
    gate.break_down(Part::Store);
    assert_eq!(
        gate.knock(&upgrade_with_key(FIRST, 'A')).line(),
        "limiter_unavailable at counters: the object of the jti: down"
    );
}
