//! Refusals told by a close code: which reasons, for which requests, under which setting.

use portcullis::config::Settings;
use portcullis::gateway::Gate;
use portcullis::limits::quota::Quota;
use portcullis::limits::scope::LimitScope;
use portcullis::response::answer::{closing, refusal};
use portcullis::response::reason::{AllowedMethods, Reason};

use crate::common::{Ask, NONCE_TEXT, assert_rows, minimal_with, seconds};

const CLOSE: (&str, &str) = ("REJECT_WITH", "close");

/// The codes of the contract's §3.
#[test]
fn every_reason_has_its_code_or_stays_http() {
    let rows = [
        (Reason::Misconfigured, Some(1011)),
        (Reason::InsecureTransport { redirect: None }, None),
        (Reason::NoRoute, Some(4404)),
        (Reason::UpgradeRequired, None),
        (Reason::AmbiguousPath, Some(4404)),
        (
            Reason::MethodNotAllowed {
                allowed: AllowedMethods::Handshake,
            },
            None,
        ),
        (
            Reason::MethodNotAllowed {
                allowed: AllowedMethods::Ticket,
            },
            None,
        ),
        (Reason::UnsupportedVersion, None),
        (Reason::BadHandshake, None),
        (Reason::ReplayedKey, Some(4400)),
        (Reason::OriginMissing, Some(4403)),
        (Reason::OriginNotAllowed, Some(4403)),
        (Reason::TokenMissing, Some(4401)),
        (Reason::TokenInvalid, Some(4401)),
        (Reason::TokenUnusable, Some(4401)),
        (
            Reason::ProviderUnavailable {
                retry_after: seconds(5),
            },
            Some(1013),
        ),
        (Reason::TokenExpired, Some(4401)),
        (Reason::AmbiguousToken, Some(4400)),
        (Reason::InsufficientScope { scopes: Vec::new() }, Some(4403)),
        (rate_limited(), Some(4429)),
        (
            Reason::LimiterUnavailable {
                retry_after: seconds(2),
            },
            Some(1013),
        ),
        (Reason::Banned, Some(4403)),
        (Reason::Revoked, Some(4401)),
        (
            Reason::BadRequest {
                detail: String::new(),
            },
            None,
        ),
        (
            Reason::NotDone {
                detail: String::new(),
            },
            None,
        ),
        (
            Reason::RegistryFull {
                detail: String::new(),
            },
            None,
        ),
        (Reason::UpstreamUnreachable, Some(1014)),
        (Reason::UpstreamRefused, Some(1014)),
        (Reason::UpstreamTimeout, Some(1014)),
    ];
    assert_rows(rows.iter().map(|(reason, code)| {
        let told = closing(reason, None).map(|closing| (closing.code, closing.reason));
        let expected = code.map(|code| (code, reason.name()));
        (reason.name(), told, expected)
    }));
    // What HTTP says in headers stands on the 101 too, but for the type of a body.
    assert_rows(
        rows.iter()
            .filter(|(_, code)| code.is_some())
            .map(|(reason, _)| {
                let told = closing(reason, None).map(|closing| closing.headers);
                let http = refusal(reason, "").headers;
                (reason.name(), told, Some(http[1..].to_vec()))
            }),
    );
}

fn rate_limited() -> Reason {
    Reason::RateLimited {
        scope: LimitScope::Address,
        quota: Quota::new(60, seconds(60)).expect("sound"),
        wait: seconds(7),
    }
}

/// What a gate with these settings closes the socket of a request without a token with.
fn code(settings: &Settings, ask: &Ask) -> Option<u16> {
    let gate = Gate::new(settings);
    let request = ask.request();
    let closing = gate.closing(&request, &gate.place(&request), &Reason::TokenMissing);
    closing.map(|closing| closing.code)
}

#[test]
fn a_client_that_knows_the_gate_is_closed_whatever_the_setting() {
    let closing = |setting: &str, offered: &str| {
        let gate = Gate::new(&minimal_with(&[("REJECT_WITH", setting)]));
        let ask = Ask::upgrade().with("sec-websocket-protocol", offered);
        let request = ask.request();
        let place = gate.place(&request);
        let closing = gate.closing(&request, &place, &Reason::TokenInvalid)?;
        let mut headers = closing.headers.into_iter();
        let protocol = headers.find(|(name, _)| *name == "Sec-WebSocket-Protocol");
        protocol.map(|(_, protocol)| protocol)
    };
    let both = "bearer, t, chat, portcullis, portcullis.refused";
    let told = |protocol: &str| Some(protocol.to_owned());
    assert_rows([
        ("http", closing("http", both), told("portcullis.refused")),
        ("close", closing("close", both), told("portcullis.refused")),
        ("http, not known", closing("http", "bearer, t, chat"), None),
        (
            "close, not known",
            closing("close", "bearer, t, chat"),
            told("chat"),
        ),
        (
            "http, half known",
            closing("http", "chat, portcullis.refused"),
            None,
        ),
        ("http, cut short", closing("http", "portcullis"), None),
    ]);
}

#[test]
fn only_a_well_formed_handshake_is_closed() {
    let settings = minimal_with(&[CLOSE]);
    let upgrade = Ask::upgrade;
    let rows = [
        ("a handshake", upgrade(), Some(4401)),
        ("no upgrade", upgrade().without("upgrade"), None),
        ("another protocol", upgrade().with("upgrade", "h2c"), None),
        ("another method", upgrade().method("POST"), None),
        ("no key", upgrade().without("sec-websocket-key"), None),
        (
            "two keys",
            upgrade().and("sec-websocket-key", NONCE_TEXT),
            None,
        ),
        (
            "another version",
            upgrade().with("sec-websocket-version", "8"),
            None,
        ),
        ("a body", upgrade().with("content-length", "1"), None),
    ];
    assert_rows(rows.map(|(name, ask, expected)| (name, code(&settings, &ask), expected)));
}

#[test]
fn the_setting_is_the_routes_or_the_one_for_all() {
    let close_one = r#"[{"path": "/chat", "reject_with": "close"}, {"path": "/other"}]"#;
    let all_but_one = r#"[{"path": "/chat", "reject_with": "http"}, {"path": "/other"}]"#;
    let at = |path: &str| Ask::upgrade().url(&format!("https://gate.example{path}"));
    let rows = [
        ("by default", vec![], "/chat", None),
        ("http", vec![("REJECT_WITH", "http")], "/chat", None),
        ("close", vec![CLOSE], "/chat", Some(4401)),
        (
            "a route's",
            vec![("ROUTES", close_one)],
            "/chat",
            Some(4401),
        ),
        ("beside it", vec![("ROUTES", close_one)], "/other", None),
        ("where none is", vec![("ROUTES", close_one)], "/none", None),
        (
            "not a route's",
            vec![CLOSE, ("ROUTES", all_but_one)],
            "/chat",
            None,
        ),
        (
            "inherited",
            vec![CLOSE, ("ROUTES", all_but_one)],
            "/other",
            Some(4401),
        ),
        (
            "for all and where none is",
            vec![CLOSE, ("ROUTES", all_but_one)],
            "/none",
            Some(4401),
        ),
        (
            "under the gate's own prefix",
            vec![CLOSE],
            "/_portcullis/x",
            Some(4401),
        ),
        (
            "with an error elsewhere",
            vec![CLOSE, ("AUTH", "x")],
            "/chat",
            Some(4401),
        ),
        ("with an error", vec![("REJECT_WITH", "x")], "/chat", None),
    ];
    assert_rows(rows.map(|(name, vars, path, expected)| {
        (name, code(&minimal_with(&vars), &at(path)), expected)
    }));
}

/// A browser fails a socket whose offered subprotocols are answered with none.
#[test]
fn an_offered_subprotocol_is_echoed_and_never_the_token() {
    let rows = [
        ("none", None, None),
        ("one", Some("chat"), Some("chat")),
        ("the first of two", Some("chat, v2"), Some("chat")),
        ("a token", Some("bearer, a.b.c"), Some("bearer")),
        ("bearer alone", Some("bearer"), Some("bearer")),
        ("a token and one", Some("bearer, a.b.c, chat"), Some("chat")),
        ("one and a token", Some("chat, bearer, a.b.c"), Some("chat")),
    ];
    let gate = Gate::new(&minimal_with(&[CLOSE]));
    assert_rows(rows.map(|(name, offer, expected)| {
        let ask = match offer {
            Some(offer) => Ask::upgrade().with("sec-websocket-protocol", offer),
            None => Ask::upgrade(),
        };
        let request = ask.request();
        let closing = gate.closing(&request, &gate.place(&request), &Reason::NoRoute);
        let headers = closing.expect("it is a handshake").headers;
        let named = headers
            .into_iter()
            .find(|(name, _)| *name == "Sec-WebSocket-Protocol");
        let echoed = named.map(|(_, protocol)| protocol);
        (name, echoed, expected.map(str::to_owned))
    }));
}
