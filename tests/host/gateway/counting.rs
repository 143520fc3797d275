//! Which attempts are counted, and which failures ban an address.

use crate::common::scripted::{ADMIN, ORIGIN, Part, Scripted, admin, bearer, post, upgrade};
use crate::common::{Ask, assert_rows, hs256};

const ALICE: &str = r#""sub":"alice""#;
const OTHER: &str = "https://other.example";

/// What a gate with bans asks about a request, and after the response.
fn asked(vars: &[(&str, &str)], ask: &Ask) -> String {
    let mut all = vec![("BAN_AFTER", "3/1m for 1h"), ("ADMIN_TOKEN", ADMIN)];
    all.extend(vars);
    let gate = Scripted::with(&all);
    let answer = gate.send(ask);
    let before = gate.take_asked().join(", ");
    gate.finish();
    let after = gate.take_asked().join(", ");
    format!("{}: {before} | {after}", answer.what)
}

fn forged(ask: Ask) -> Ask {
    ask.with("authorization", "Bearer a.b.c")
}

#[test]
fn what_is_refused_before_its_token_is_looked_at_is_not_counted() {
    let http = || upgrade(ALICE).url("http://gate.example/chat");
    let rows = [
        ("over http", http(), "insecure_transport:  | "),
        (
            "no route",
            upgrade(ALICE).url("https://gate.example/_portcullis/x"),
            "no_route:  | ",
        ),
        (
            "no upgrade",
            upgrade(ALICE).without("upgrade"),
            "upgrade_required:  | ",
        ),
        (
            "another origin",
            upgrade(ALICE).with("origin", OTHER),
            "origin_not_allowed:  | ",
        ),
        (
            "no origin",
            upgrade(ALICE).without("origin"),
            "origin_missing:  | ",
        ),
        (
            "a preflight",
            post("/_portcullis/ticket", ALICE).method("OPTIONS"),
            "preflight:  | ",
        ),
        (
            "a preflight of another origin",
            post("/_portcullis/ticket", ALICE)
                .method("OPTIONS")
                .with("origin", OTHER),
            "origin_not_allowed:  | ",
        ),
    ];
    assert_rows(rows.map(|(name, ask, expected)| (name, asked(&[], &ask), expected.to_owned())));
}

/// Towards a ban counts what the client itself must have caused.
#[test]
fn a_malformed_handshake_is_a_failure_unless_a_page_of_another_site_caused_it() {
    let failure = " | address: fail";
    let rows = [
        (
            "two versions",
            upgrade(ALICE).with("sec-websocket-version", "8"),
            "unsupported_version: ",
            failure,
        ),
        (
            "no key",
            upgrade(ALICE).without("sec-websocket-key"),
            "bad_handshake: ",
            failure,
        ),
        (
            "another method",
            upgrade(ALICE).method("POST"),
            "method_not_allowed: ",
            failure,
        ),
        (
            "without an origin",
            upgrade(ALICE)
                .without("sec-websocket-key")
                .without("origin"),
            "bad_handshake: ",
            failure,
        ),
        (
            "of another origin",
            upgrade(ALICE)
                .without("sec-websocket-key")
                .with("origin", OTHER),
            "bad_handshake: ",
            " | ",
        ),
        (
            "of no origin at all",
            upgrade(ALICE)
                .without("sec-websocket-key")
                .with("origin", "null"),
            "bad_handshake: ",
            " | ",
        ),
        (
            "an endpoint by GET",
            post("/_portcullis/ticket", ALICE).method("GET"),
            "method_not_allowed: ",
            failure,
        ),
        (
            "an endpoint by GET without an origin, as an image would ask",
            post("/_portcullis/ticket", ALICE)
                .method("GET")
                .without("origin"),
            "method_not_allowed: ",
            " | ",
        ),
    ];
    assert_rows(
        rows.map(|(name, ask, what, counted)| (name, asked(&[], &ask), format!("{what}{counted}"))),
    );
    let off = [("BAN_AFTER", "off")];
    let ask = upgrade(ALICE).without("sec-websocket-key");
    assert_eq!(asked(&off, &ask), "bad_handshake:  | ");
}

#[test]
fn only_forged_and_forbidden_tokens_are_failures() {
    let with = |token: &str| upgrade(ALICE).with("authorization", &bearer(token));
    let expired = with(&hs256(r#"{"exp":1700000000}"#));
    let early = with(&hs256(r#"{"exp":4000000000,"nbf":3000000000}"#));
    let foreign = with(&hs256(r#"{"exp":4000000000,"aud":"them"}"#));
    let none = upgrade(ALICE).without("authorization");
    let two = upgrade(ALICE).with("sec-websocket-protocol", "bearer, a.b.c");
    let attempt = " | address: count";
    let failure = " | address: count a failure";
    let rows: [(_, &[_], _, _); 8] = [
        ("none", &[], none, format!("token_missing: {attempt}")),
        (
            "an expired one",
            &[],
            expired,
            format!("token_expired: {attempt}"),
        ),
        (
            "one that is not valid yet",
            &[],
            early,
            format!("token_invalid: {attempt}"),
        ),
        (
            "one for others",
            &[("JWT_AUDIENCE", "us")],
            foreign,
            format!("token_invalid: {attempt}"),
        ),
        (
            "a forged one",
            &[],
            forged(upgrade(ALICE)),
            format!("token_invalid: {failure}"),
        ),
        ("two", &[], two, format!("ambiguous_token: {failure}")),
        (
            "one without the scope",
            &[("REQUIRED_SCOPES", "write")],
            upgrade(ALICE),
            format!("insufficient_scope: {failure}"),
        ),
        (
            "a forged one for a ticket",
            &[],
            forged(post("/_portcullis/ticket", ALICE)),
            format!("token_invalid: {failure}"),
        ),
    ];
    assert_rows(rows.map(|(name, vars, ask, expected)| (name, asked(vars, &ask), expected)));
}

/// Cases of honest clients that were locked out.
#[test]
fn no_number_of_expired_tokens_bans_an_address() {
    let gate = Scripted::with(&[("BAN_AFTER", "3/1m for 1h")]);
    let expired = bearer(&hs256(r#"{"exp":1700000000}"#));
    for _ in 0..6 {
        let answer = gate.knock(&upgrade(ALICE).with("authorization", &expired));
        assert_eq!(answer.what, "token_expired");
    }
    assert_eq!(gate.knock(&upgrade(ALICE)).what, "socket");
}

#[test]
fn a_slow_clock_bans_nobody() {
    let gate = Scripted::with(&[("BAN_AFTER", "3/1m for 1h"), ("JWT_LEEWAY", "0s")]);
    let ahead = bearer(&hs256(r#"{"exp":4000000000,"iat":1800000002}"#));
    for _ in 0..6 {
        gate.knock(&upgrade(ALICE).with("authorization", &ahead));
    }
    assert_eq!(gate.knock(&upgrade(ALICE)).what, "socket");
}

#[test]
fn a_foreign_page_uses_up_no_quota_and_bans_nobody() {
    let gate = Scripted::with(&[("BAN_AFTER", "2/1m for 1h"), ("RATE_LIMIT_IP", "2/1m")]);
    for _ in 0..9 {
        let foreign = upgrade(ALICE).with("origin", OTHER);
        assert_eq!(gate.knock(&foreign).what, "origin_not_allowed");
    }
    assert_eq!(gate.take_asked(), Vec::<String>::new());
    assert_eq!(gate.knock(&upgrade(ALICE)).what, "socket");
}

#[test]
fn failures_ban_and_a_banned_address_is_not_counted_further() {
    let gate = Scripted::with(&[("BAN_AFTER", "3/1m for 1h")]);
    for _ in 0..3 {
        gate.knock(&upgrade(ALICE).without("sec-websocket-key"));
    }
    assert_eq!(gate.take_asked().len(), 3);
    assert_eq!(
        gate.knock(&upgrade(ALICE)).line(),
        "banned at known: known in this isolate"
    );
    gate.knock(&upgrade(ALICE).without("sec-websocket-key"));
    assert_eq!(gate.take_asked(), Vec::<String>::new());
}

#[test]
fn an_administrator_is_not_refused_by_what_his_address_did() {
    let gate = Scripted::with(&[
        ("ADMIN_TOKEN", ADMIN),
        ("BAN_AFTER", "2/1m for 1h"),
        ("RATE_LIMIT_IP", "2/1m"),
    ]);
    let wrong = admin("GET", "sockets").with("authorization", "Bearer wrong");
    assert_eq!(gate.knock(&wrong).what, "token_invalid");
    assert_eq!(gate.take_asked(), ["address: count a failure"]);
    gate.knock(&wrong);
    assert_eq!(gate.knock(&wrong).what, "banned");
    assert_eq!(gate.knock(&upgrade(ALICE)).what, "banned");
    gate.take_asked();
    let right = admin("GET", "sockets");
    assert_eq!(gate.knock(&right).what, "json");
    assert_eq!(gate.take_asked(), Vec::<String>::new());
}

#[test]
fn the_registry_and_the_counters_fail_by_policies_of_their_own() {
    let with = |limiter, registry, part| {
        let gate = Scripted::with(&[
            ("ADMIN_TOKEN", ADMIN),
            ("JWT_REPLAY", "reject"),
            ("ON_LIMITER_FAILURE", limiter),
            ("ON_REGISTRY_FAILURE", registry),
        ]);
        gate.break_down(part);
        gate.knock(&upgrade(r#""sub":"alice","jti":"t1""#)).line()
    };
    let refused = |stage: &str, cause: &str| format!("limiter_unavailable at {stage}: {cause}");
    let admitted = |without: &str| format!("socket at forward: admitted {without}");
    let jti = "the object of the jti: down";
    let ledger = "the address's ledger: down";
    let rows = [
        (
            "a counter",
            with("admit", "reject", Part::AddressLedger),
            admitted(&format!("uncounted: {ledger}")),
        ),
        (
            "a counter, strictly",
            with("reject", "admit", Part::AddressLedger),
            refused("counters", ledger),
        ),
        (
            "the registry",
            with("admit", "reject", Part::Registry),
            refused("registry", "down"),
        ),
        (
            "the registry, leniently",
            with("reject", "admit", Part::Registry),
            admitted("without a look into the registry: down"),
        ),
        (
            "the store",
            with("admit", "reject", Part::Store),
            refused("counters", jti),
        ),
        (
            "the store, leniently",
            with("reject", "admit", Part::Store),
            admitted(&format!("uncounted: {jti}")),
        ),
    ];
    assert_rows(rows);
}

#[test]
fn an_allowed_origin_is_that_of_the_route() {
    let routes = r#"[{"path":"/chat"},{"path":"/b","allowed_origins":"https://other.example"}]"#;
    let with = |path: &str, origin: &str| {
        let ask = upgrade(ALICE)
            .url(&format!("https://gate.example{path}"))
            .with("origin", origin)
            .without("sec-websocket-key");
        asked(&[("ROUTES", routes)], &ask)
    };
    let failure = "bad_handshake:  | address: fail".to_owned();
    let nothing = "bad_handshake:  | ".to_owned();
    assert_rows([
        ("its own", with("/chat", ORIGIN), failure.clone()),
        ("another route's", with("/chat", OTHER), nothing.clone()),
        ("the other way round", with("/b", OTHER), failure),
        ("the other's", with("/b", ORIGIN), nothing),
    ]);
}
