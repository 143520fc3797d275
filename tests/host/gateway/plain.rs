//! `PLAIN_HTTP=guard`: plain requests meet the checks of an upgrade.

use portcullis::registry::{DenialReason, RegistryResponse};

use crate::common::scripted::{ADMIN, ORIGIN, Scripted, bearer, token, upgrade};
use crate::common::{Ask, assert_rows};

const ALICE: &str = r#""sub":"alice""#;

fn gate(vars: &[(&str, &str)]) -> Scripted {
    Scripted::with(&[&[("PLAIN_HTTP", "guard")], vars].concat())
}

fn get(claims: &str) -> Ask {
    Ask::plain("GET", "https://gate.example/page").with("authorization", &bearer(&token(claims)))
}

fn preflight() -> Ask {
    Ask::plain("OPTIONS", "https://gate.example/page")
        .with("origin", ORIGIN)
        .with("access-control-request-method", "PUT")
}

#[test]
fn a_request_is_refused_at_the_step_that_refuses_it() {
    let gate = gate(&[("REQUIRED_SCOPES", "read")]);
    let readers = r#""sub":"alice","scope":"read""#;
    let foreign = |ask: Ask| ask.with("origin", "https://evil.example");
    let nobody = Ask::plain("GET", "https://gate.example/page");
    let rows = [
        ("good", get(readers), "plain at forward"),
        (
            "from elsewhere",
            foreign(get(readers)),
            "origin_not_allowed at origin: no entry of ALLOWED_ORIGINS matches",
        ),
        (
            "a change from nowhere",
            get(readers).method("POST"),
            "origin_missing at origin: no Origin header",
        ),
        (
            "nobody",
            nobody,
            "token_missing at token: no token in any of TOKEN_SOURCES",
        ),
        (
            "no scope",
            get(ALICE),
            "insufficient_scope at permission: the token lacks the scope read",
        ),
        (
            "a mirror",
            get(readers).method("TRACE"),
            "method_not_allowed at handshake: the server would send back what the gate tells it",
        ),
    ];
    assert_rows(
        rows.map(|(name, ask, expected)| (name, gate.knock(&ask).line(), expected.to_owned())),
    );
}

#[test]
fn a_request_is_counted_and_takes_no_slot_and_is_not_registered() {
    let gate = gate(&[
        ("ADMIN_TOKEN", ADMIN),
        ("RATE_LIMIT_USER", "2/1m"),
        ("RATE_LIMIT_ROUTE", "9/1m"),
        ("MAX_SOCKETS_IP", "1"),
        ("MAX_SOCKETS_USER", "1"),
    ]);
    for _ in 0..2 {
        assert_eq!(gate.knock(&get(ALICE)).what, "plain");
    }
    let asked = gate.take_asked();
    assert_eq!(
        asked[..5],
        [
            "address: admit",
            "user: admit",
            "route /*",
            "registry: register",
            "server"
        ]
    );
    assert!(
        gate.registered
            .borrow()
            .iter()
            .all(|asked| !asked.with_channel)
    );
    assert_eq!(gate.open_channels(), 0);
    assert_eq!(gate.knock(&get(ALICE)).what, "rate_limited");
    assert_eq!(gate.knock(&upgrade(r#""sub":"bob""#)).what, "socket");
}

#[test]
fn what_is_revoked_holds_for_plain_requests() {
    let gate = gate(&[("ADMIN_TOKEN", ADMIN)]);
    let end = DenialReason::Revoked;
    let refused = RegistryResponse::Refused { end, by: None };
    gate.registry.borrow_mut().push_back(refused);
    assert_eq!(
        gate.knock(&get(ALICE)).line(),
        "revoked at registry: the registry's answer"
    );
}

#[test]
fn a_preflight_is_counted_and_asks_the_server_without_a_token() {
    let gate = gate(&[("RATE_LIMIT_IP", "2/1m")]);
    assert_eq!(gate.knock(&preflight()).what, "plain");
    assert_eq!(gate.take_asked(), ["address: admit", "server"]);
    let foreign = preflight().with("origin", "https://evil.example");
    assert_eq!(gate.knock(&foreign).what, "origin_not_allowed");
    // Without its headers it is a request like any other.
    let options = preflight().without("access-control-request-method");
    assert_eq!(gate.knock(&options).what, "token_missing");
    assert_eq!(gate.take_asked(), ["address: count"]);
    assert_eq!(gate.knock(&preflight()).what, "rate_limited");
}

/// A page of another site can make its visitors load it.
#[test]
fn a_page_load_bans_nobody() {
    let gate = gate(&[("BAN_AFTER", "1/1m for 1h")]);
    let forged = |ask: Ask| ask.with("authorization", "Bearer forged");
    assert_eq!(gate.knock(&forged(get(ALICE))).what, "token_invalid");
    assert_eq!(gate.knock(&get(ALICE)).what, "plain");
    let own = get(ALICE).method("POST").with("origin", ORIGIN);
    assert_eq!(gate.knock(&forged(own)).what, "token_invalid");
    assert_eq!(gate.knock(&get(ALICE)).what, "banned");
}

#[test]
fn a_page_of_an_allowed_origin_may_read_the_refusals_of_plain_requests() {
    let gate = gate(&[]);
    let cors = |ask: Ask| {
        let request = ask.request();
        let place = gate.gate.place(&request);
        gate.gate.cors(&request, &place).len()
    };
    let page = get(ALICE).with("origin", ORIGIN);
    assert_eq!(cors(page.clone()), 4);
    assert_eq!(cors(page.with("origin", "https://evil.example")), 0);
    assert_eq!(cors(upgrade(ALICE)), 0);
}
