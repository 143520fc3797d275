//! What is reserved for an attempt: used when it goes on to the server, and given back otherwise.

use portcullis::registry::{DenialReason, RegistryResponse};
use portcullis::upstream::UpstreamFailure;

use crate::common::scripted::{ADMIN, Part, Scripted, upgrade_with_key};
use crate::common::seconds;

const ALICE: &str = r#""sub":"alice""#;

fn gate() -> Scripted {
    Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("RATE_LIMIT_USER", "1/1m"),
        ("RATE_LIMIT_ROUTE", "9/1m"),
        ("MAX_SOCKETS_USER", "5"),
    ])
}

fn revoked(gate: &Scripted) {
    let end = DenialReason::Revoked;
    gate.registry
        .borrow_mut()
        .push_back(RegistryResponse::Refused { end, by: None });
}

#[test]
fn a_refusal_at_the_registry_gives_back_user_route_and_slot() {
    let gate = gate();
    revoked(&gate);
    let answer = gate.send(&upgrade_with_key(ALICE, 'A'));
    assert_eq!(answer.what, "revoked");
    assert_eq!(gate.open_channels(), 0);
    gate.take_asked();
    assert_eq!(gate.finish(), Vec::<String>::new());
    assert_eq!(gate.take_asked(), ["route /*", "user: give back"]);
    // The wait that was learned of the user may end early, so it is trusted for seconds only.
    gate.pass(seconds(5));
    let answer = gate.knock(&upgrade_with_key(ALICE, 'B'));
    assert_eq!(answer.what, "socket", "{answer:?}");
}

#[test]
fn the_oldest_socket_is_replaced_last_of_all() {
    let gate = Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("RATE_LIMIT_IP", "off"),
        ("KEY_REPLAY_WINDOW", "off"),
        ("MAX_SOCKETS_IP", "2"),
        ("MAX_SOCKETS_USER", "1"),
        ("RATE_LIMIT_USER", "2/1m"),
        ("ON_FULL", "close_oldest"),
    ]);
    let knock = |key| gate.knock(&upgrade_with_key(ALICE, key)).what;
    let first = ["address: claim", "user: claim", "registry: register"];
    assert_eq!(knock('A'), "socket");
    assert_eq!(gate.take_asked(), [&first[..], &["server"]].concat());
    // One that the registry refuses closes nobody's socket, and is given back.
    revoked(&gate);
    assert_eq!(knock('B'), "revoked");
    assert_eq!(
        gate.take_asked(),
        [&first[..], &["user: give back"]].concat()
    );
    gate.pass(seconds(6));
    assert_eq!(knock('C'), "socket");
    // The user's first: it may make room at the address as well.
    let then = [
        "user: replace",
        "user: one is replaced",
        "address: replace",
        "address: one is replaced",
        "server",
    ];
    assert_eq!(gate.take_asked(), [&first[..], &then].concat());
}

#[test]
fn what_goes_on_to_the_server_is_used_even_if_the_server_fails() {
    let gate = gate();
    *gate.upstream.borrow_mut() = Err(UpstreamFailure::TimedOut);
    assert_eq!(
        gate.knock(&upgrade_with_key(ALICE, 'A')).what,
        "upstream_timeout"
    );
    let asked = gate.take_asked();
    assert!(!asked.contains(&"user: give back".to_owned()), "{asked:?}");
    assert_eq!(gate.open_channels(), 0);
    assert_eq!(
        gate.knock(&upgrade_with_key(ALICE, 'B')).what,
        "rate_limited"
    );
}

#[test]
fn a_user_that_refuses_has_nothing_to_give_back() {
    let gate = Scripted::with(&[("RATE_LIMIT_USER", "1/1m")]);
    assert_eq!(gate.knock(&upgrade_with_key(ALICE, 'A')).what, "socket");
    gate.pass(seconds(6));
    gate.take_asked();
    assert_eq!(
        gate.knock(&upgrade_with_key(ALICE, 'B')).what,
        "rate_limited"
    );
    assert_eq!(gate.take_asked(), ["address: admit", "user: admit"]);
}

#[test]
fn a_route_without_an_answer_is_refused_and_the_user_is_given_back() {
    let gate = gate();
    gate.break_down(Part::Pool);
    let answer = gate.send(&upgrade_with_key(ALICE, 'A'));
    assert_eq!(
        answer.line(),
        "limiter_unavailable at counters: the route's quota: down"
    );
    gate.repair();
    gate.finish();
    let asked = gate.take_asked();
    assert!(asked.contains(&"user: give back".to_owned()), "{asked:?}");
}

#[test]
fn a_response_that_is_not_passed_on_is_discarded() {
    let gate = gate();
    if let Ok(reply) = gate.upstream.borrow_mut().as_mut() {
        reply.status = 302;
        reply.has_socket = false;
    }
    let answer = gate.knock(&upgrade_with_key(ALICE, 'A'));
    assert_eq!(
        (answer.what.as_str(), answer.record.stage.name()),
        ("upstream_refused", "forward")
    );
    assert_eq!(gate.discarded.get(), 1);
}
