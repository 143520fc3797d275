//! Tickets: issued for a token, and redeemed once by an upgrade.

use crate::common::scripted::{ORIGIN, Part, Scripted, post, upgrade};
use crate::common::{Ask, assert_rows, seconds};

const PATH: &str = "/_portcullis/ticket?path=/chat";

fn issue(gate: &Scripted, claims: &str) -> String {
    let answer = gate.knock(&post(PATH, claims));
    answer
        .member("ticket")
        .as_str()
        .expect("a ticket")
        .to_owned()
}

fn redeem(ticket: &str) -> Ask {
    Ask::upgrade()
        .url(&format!("https://gate.example/chat?ticket={ticket}"))
        .with("origin", ORIGIN)
}

#[test]
fn a_ticket_is_kept_and_opens_one_socket() {
    let gate = Scripted::with(&[]);
    let ticket = issue(&gate, r#""sub":"alice""#);
    assert_eq!(gate.take_asked(), ["address: admit", "ticket: keep"]);
    let answer = gate.knock(&redeem(&ticket));
    assert_eq!(answer.what, "socket", "{answer:?}");
    assert_eq!(answer.record.subject.as_deref(), Some("alice"));
    assert_eq!(
        gate.take_asked(),
        [
            "address: admit",
            "ticket: take",
            "registry: register",
            "server"
        ]
    );
    // Another key, so that only the ticket is used again.
    let again = redeem(&ticket).with("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(
        gate.knock(&again).line(),
        "token_invalid at counters: the ticket is unknown, spent or expired"
    );
}

#[test]
fn a_ticket_lives_no_longer_than_its_token() {
    let gate = Scripted::with(&[("TICKET_TTL", "15s"), ("JWT_LEEWAY", "0s")]);
    let lives = |exp: u64| {
        let answer = gate.send(&post(PATH, &format!(r#""sub":"a","nbf":{exp}"#)));
        answer.what
    };
    // Not yet valid: no ticket.
    assert_eq!(lives(1_800_000_100), "token_invalid");
    let short = crate::common::hs256(r#"{"sub":"a","exp":1800000005}"#);
    let ask = post(PATH, "").with("authorization", &format!("Bearer {short}"));
    assert_eq!(gate.send(&ask).member("expires_in"), 5);
    let ticket = issue(&gate, r#""sub":"alice""#);
    gate.pass(seconds(15));
    assert_eq!(gate.knock(&redeem(&ticket)).what, "token_invalid");
}

/// The scopes of a ticket's owner are known only when it is spent, which is not the step that they
/// belong to.
#[test]
fn a_missing_scope_of_a_tickets_owner_is_recorded_at_permission() {
    let gate = Scripted::with(&[("REQUIRED_SCOPES", "write")]);
    let ticket = issue(&gate, r#""sub":"alice","scope":"read""#);
    let answer = gate.knock(&redeem(&ticket));
    assert_eq!(answer.what, "insufficient_scope");
    assert_eq!(answer.record.stage.name(), "permission");
}

#[test]
fn the_owner_of_a_ticket_counts_as_a_user() {
    let gate = Scripted::with(&[("RATE_LIMIT_USER", "1/1m")]);
    let ticket = issue(&gate, r#""sub":"alice""#);
    assert_eq!(gate.knock(&redeem(&ticket)).what, "socket");
    let asked = gate.take_asked();
    assert!(asked.contains(&"user: admit".to_owned()), "{asked:?}");
    let ticket = issue(&gate, r#""sub":"alice""#);
    let again = redeem(&ticket).with("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    let answer = gate.knock(&again);
    assert_eq!(
        (answer.what.as_str(), answer.record.stage.name()),
        ("rate_limited", "known")
    );
}

#[test]
fn no_failure_opens_a_socket_by_a_ticket() {
    for policy in ["reject", "admit"] {
        let gate = Scripted::with(&[("ON_LIMITER_FAILURE", policy)]);
        let ticket = issue(&gate, r#""sub":"alice""#);
        gate.break_down(Part::Store);
        assert_eq!(
            gate.knock(&redeem(&ticket)).what,
            "limiter_unavailable",
            "{policy}"
        );
        assert_eq!(
            gate.knock(&post(PATH, r#""sub":"alice""#)).what,
            "limiter_unavailable",
            "{policy}"
        );
    }
}

#[test]
fn a_ticket_next_to_a_token_is_refused_and_not_spent() {
    let gate = Scripted::with(&[]);
    let ticket = issue(&gate, r#""sub":"alice""#);
    let url = format!("https://gate.example/chat?ticket={ticket}");
    let both = upgrade(r#""sub":"bob""#).url(&url);
    let answer = gate.knock(&both);
    assert_eq!(
        answer.line(),
        "ambiguous_token at token: a ticket and a token"
    );
    let again = redeem(&ticket).with("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(gate.knock(&again).what, "socket");
}

#[test]
fn the_endpoint_checks_method_origin_and_token_in_this_order() {
    let gate = Scripted::with(&[]);
    let ask = || post(PATH, r#""sub":"alice""#);
    let rows = [
        (
            "GET, another origin",
            ask().method("GET").with("origin", "https://x"),
            "method_not_allowed at handshake",
        ),
        (
            "another origin, no token",
            ask().without("authorization").with("origin", "https://x"),
            "origin_not_allowed at origin",
        ),
        (
            "no token",
            ask().without("authorization"),
            "token_missing at token",
        ),
        (
            "a preflight",
            ask().method("OPTIONS").without("authorization"),
            "preflight at known",
        ),
        (
            "no such route",
            ask().url("https://gate.example/_portcullis/ticket?path=/a&path=/b"),
            "no_route at route",
        ),
    ];
    assert_rows(rows.map(|(name, ask, expected)| {
        let answer = gate.send(&ask);
        let line = format!("{} at {}", answer.what, answer.record.stage.name());
        (name, line, expected.to_owned())
    }));
}
