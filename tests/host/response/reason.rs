//! Every refusal, whole.

use std::collections::HashMap;

use portcullis::limits::quota::Quota;
use portcullis::limits::scope::LimitScope;
use portcullis::response::answer::{Refusal, closing, refusal};
use portcullis::response::reason::{AllowedMethods, ClientAction, Reason};

use crate::common::{self, assert_rows, ms, seconds};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn problem(status: u16, reason: &str, title: &str, headers: &[(&'static str, &str)]) -> Refusal {
    let mut all = vec![
        ("Content-Type", "application/problem+json".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
    ];
    all.extend(
        headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    Refusal {
        status,
        headers: all,
        body: format!(
            r#"{{"type":"urn:portcullis:refusal:{reason}","title":"{title}","status":{status},"reason":"{reason}","request_id":"{ID}"}}"#
        ),
    }
}

fn rate_limited(count: u32, window: u64, wait: u64) -> Reason {
    limited_by(LimitScope::Address, count, window, wait)
}

fn too_many_sockets(scope: LimitScope, of: &str) -> (Reason, Refusal) {
    let title = format!("Too many open sockets of this {of}.");
    (
        Reason::TooManySockets { scope },
        problem(429, "too_many_sockets", &title, &[]),
    )
}

fn limited_by(scope: LimitScope, count: u32, window: u64, wait: u64) -> Reason {
    Reason::RateLimited {
        scope,
        quota: Quota::new(count, ms(window)).expect("sound"),
        wait: ms(wait),
    }
}

const INVALID: [(&str, &str); 1] = [("WWW-Authenticate", "Bearer error=\"invalid_token\"")];
const VERSION: [(&str, &str); 1] = [("Sec-WebSocket-Version", "13")];

/// Of what is wrong, for who may know it.
fn with_detail(mut refusal: Refusal) -> Refusal {
    refusal.body.pop();
    refusal.body.push_str(r#","detail":"x"}"#);
    refusal
}

/// Every reason, with the whole answer to it.
pub(crate) fn rows() -> Vec<(Reason, Refusal)> {
    vec![
        (
            Reason::Misconfigured,
            problem(
                500,
                "misconfigured",
                "The gate is not configured correctly.",
                &[],
            ),
        ),
        (
            Reason::InsecureTransport { redirect: None },
            problem(403, "insecure_transport", "Use https or wss.", &[]),
        ),
        (
            Reason::InsecureTransport {
                redirect: Some("https://a.test/b?c".into()),
            },
            problem(
                308,
                "insecure_transport",
                "Use https.",
                &[("Location", "https://a.test/b?c")],
            ),
        ),
        (
            Reason::NoRoute,
            problem(404, "no_route", "Nothing is served here.", &[]),
        ),
        (
            Reason::UpgradeRequired,
            problem(
                426,
                "upgrade_required",
                "Only WebSocket connections are served here.",
                &VERSION,
            ),
        ),
        (
            Reason::AmbiguousPath,
            problem(404, "no_route", "Nothing is served here.", &[]),
        ),
        (
            Reason::MethodNotAllowed {
                allowed: AllowedMethods::Handshake,
            },
            problem(
                405,
                "method_not_allowed",
                "A WebSocket handshake is a GET request.",
                &[("Allow", "GET")],
            ),
        ),
        (
            Reason::MethodNotAllowed {
                allowed: AllowedMethods::Ticket,
            },
            problem(
                405,
                "method_not_allowed",
                "Request a ticket with POST.",
                &[("Allow", "POST, OPTIONS")],
            ),
        ),
        (
            Reason::MethodNotAllowed {
                allowed: AllowedMethods::Refresh,
            },
            problem(
                405,
                "method_not_allowed",
                "Request a refresh with POST.",
                &[("Allow", "POST, OPTIONS")],
            ),
        ),
        (
            Reason::MethodNotAllowed {
                allowed: AllowedMethods::Administration("GET, DELETE"),
            },
            problem(
                405,
                "method_not_allowed",
                "Use a method that Allow lists.",
                &[("Allow", "GET, DELETE")],
            ),
        ),
        (
            Reason::UnsupportedVersion,
            problem(
                426,
                "unsupported_version",
                "Only version 13 of the WebSocket protocol is supported.",
                &VERSION,
            ),
        ),
        (
            Reason::BadHandshake,
            problem(
                400,
                "bad_handshake",
                "The WebSocket handshake is malformed.",
                &[],
            ),
        ),
        (
            Reason::ReplayedKey,
            problem(
                400,
                "replayed_key",
                "This Sec-WebSocket-Key was used before.",
                &[],
            ),
        ),
        (
            Reason::OriginMissing,
            problem(403, "origin_missing", "The request names no origin.", &[]),
        ),
        (
            Reason::OriginNotAllowed,
            problem(403, "origin_not_allowed", "The origin is not allowed.", &[]),
        ),
        (
            Reason::TokenMissing,
            problem(
                401,
                "token_missing",
                "A token is required.",
                &[("WWW-Authenticate", "Bearer")],
            ),
        ),
        (
            Reason::TokenInvalid,
            problem(401, "token_invalid", "The token is not valid.", &INVALID),
        ),
        (
            Reason::TokenExpired,
            problem(401, "token_expired", "The token has expired.", &INVALID),
        ),
        (
            Reason::AmbiguousToken,
            problem(
                400,
                "ambiguous_token",
                "The request carries more than one token.",
                &[],
            ),
        ),
        (
            Reason::TokenUnusable,
            problem(401, "token_invalid", "The token is not valid.", &INVALID),
        ),
        (
            Reason::ProviderUnavailable {
                retry_after: ms(4001),
            },
            problem(
                503,
                "provider_unavailable",
                "Tokens can't be verified at the moment.",
                &[("Retry-After", "5")],
            ),
        ),
        (Reason::Banned, problem(403, "banned", "Banned.", &[])),
        (
            Reason::Revoked,
            problem(401, "revoked", "The token was revoked.", &INVALID),
        ),
        (
            Reason::RegistryFull { detail: "x".into() },
            with_detail(problem(
                507,
                "registry_full",
                "There is no room for more revocations and bans.",
                &[],
            )),
        ),
        (
            Reason::BadRequest { detail: "x".into() },
            with_detail(problem(
                400,
                "bad_request",
                "The request is not understood.",
                &[],
            )),
        ),
        (
            Reason::NotDone { detail: "x".into() },
            with_detail(problem(
                503,
                "limiter_unavailable",
                "Not done everywhere. It is safe to repeat.",
                &[("Retry-After", "1")],
            )),
        ),
        too_many_sockets(LimitScope::Address, "address"),
        too_many_sockets(LimitScope::User, "user"),
        (
            limited_by(LimitScope::User, 5, 10_000, 2000),
            problem(
                429,
                "rate_limited",
                "Too many connections of this user.",
                &[
                    ("Retry-After", "2"),
                    ("RateLimit", r#""user";r=0;t=2"#),
                    ("RateLimit-Policy", r#""user";q=5;w=10"#),
                ],
            ),
        ),
        (
            limited_by(LimitScope::Route, 500, 1000, 20),
            problem(
                429,
                "rate_limited",
                "Too many connections at the moment.",
                &[
                    ("Retry-After", "1"),
                    ("RateLimit", r#""route";r=0;t=1"#),
                    ("RateLimit-Policy", r#""route";q=500;w=1"#),
                ],
            ),
        ),
        (
            rate_limited(60, 60_000, 11_001),
            problem(
                429,
                "rate_limited",
                "Too many attempts from this address.",
                &[
                    ("Retry-After", "12"),
                    ("RateLimit", r#""ip";r=0;t=12"#),
                    ("RateLimit-Policy", r#""ip";q=60;w=60"#),
                ],
            ),
        ),
        (
            Reason::LimiterUnavailable {
                retry_after: seconds(2),
            },
            problem(
                503,
                "limiter_unavailable",
                "Attempts can't be counted at the moment.",
                &[("Retry-After", "2")],
            ),
        ),
        (
            Reason::UpstreamUnreachable,
            problem(
                502,
                "upstream_unreachable",
                "The server can't be reached.",
                &[],
            ),
        ),
        (
            Reason::UpstreamRefused,
            problem(
                502,
                "upstream_refused",
                "The server did not accept the WebSocket.",
                &[],
            ),
        ),
        (
            Reason::InsufficientScope { scopes: Vec::new() },
            problem(
                403,
                "insufficient_scope",
                "The token does not permit this.",
                &[("WWW-Authenticate", r#"Bearer error="insufficient_scope""#)],
            ),
        ),
        (
            Reason::InsufficientScope {
                scopes: common::strings(&["chat:write", "chat:read"]),
            },
            problem(
                403,
                "insufficient_scope",
                "The token does not permit this.",
                &[(
                    "WWW-Authenticate",
                    r#"Bearer error="insufficient_scope", scope="chat:write chat:read""#,
                )],
            ),
        ),
        (
            Reason::UpstreamTimeout,
            problem(
                504,
                "upstream_timeout",
                "The server did not answer in time.",
                &[],
            ),
        ),
    ]
}

#[test]
fn every_reason_has_its_status_headers_and_body() {
    assert_rows(rows().into_iter().map(|(reason, expected)| {
        // A reason that the compiler knows and this table does not would fail here.
        match reason {
            Reason::Misconfigured
            | Reason::InsecureTransport { .. }
            | Reason::NoRoute
            | Reason::UpgradeRequired
            | Reason::AmbiguousPath
            | Reason::MethodNotAllowed { .. }
            | Reason::Revoked
            | Reason::BadRequest { .. }
            | Reason::NotDone { .. }
            | Reason::RegistryFull { .. }
            | Reason::UnsupportedVersion
            | Reason::BadHandshake
            | Reason::ReplayedKey
            | Reason::OriginMissing
            | Reason::OriginNotAllowed
            | Reason::TokenMissing
            | Reason::TokenInvalid
            | Reason::TokenUnusable
            | Reason::ProviderUnavailable { .. }
            | Reason::TokenExpired
            | Reason::AmbiguousToken
            | Reason::InsufficientScope { .. }
            | Reason::RateLimited { .. }
            | Reason::TooManySockets { .. }
            | Reason::Banned
            | Reason::LimiterUnavailable { .. }
            | Reason::UpstreamUnreachable
            | Reason::UpstreamRefused
            | Reason::UpstreamTimeout => {}
        }
        (reason.name(), refusal(&reason, ID), expected)
    }));
}

#[test]
fn waits_are_rounded_up_to_whole_seconds() {
    let row = |name, [count, window, wait]: [u32; 3], [waited, counted]: [u32; 2]| {
        let reason = rate_limited(count, window.into(), wait.into());
        let headers = refusal(&reason, ID).headers.split_off(2);
        let seen: Vec<_> = headers.into_iter().map(|(_, value)| value).collect();
        let limit = format!(r#""ip";r=0;t={waited}"#);
        let policy = format!(r#""ip";q={count};w={counted}"#);
        (name, seen, vec![waited.to_string(), limit, policy])
    };
    assert_rows([
        row("1 ms", [5, 1000, 1], [1, 1]),
        row("1 s", [5, 1000, 1000], [1, 1]),
        row("1001 ms", [5, 5000, 1001], [2, 5]),
        row("window of 1.5 s", [5, 1500, 1500], [2, 2]),
        row("a day", [1, 86_400_000, 86_399_001], [86_400, 86_400]),
    ]);
}

/// Nothing of the cause is in the answer, so the three ways to be wrong can't be told apart.
#[test]
fn the_cause_is_for_the_log_alone() {
    let causes = [
        "iss is not in JWT_ISSUER",
        "the signature does not verify",
        "exp is missing",
    ];
    let answers = causes.map(|cause| {
        let rejection = Reason::TokenInvalid.because(cause);
        assert_eq!(rejection.cause, cause);
        refusal(&rejection.reason, ID)
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn a_request_id_is_escaped_in_the_body() {
    let body = refusal(&Reason::NoRoute, "\"\n<").body;
    assert!(body.ends_with(r#""request_id":"\"\n<"}"#), "{body}");
}

/// Only what neither an honest client nor a page of another site can cause.
#[test]
fn only_attacks_count_towards_a_ban() {
    let mut counting: Vec<_> = rows()
        .iter()
        .filter(|(reason, _)| reason.counts_towards_ban())
        .map(|(reason, _)| format!("{reason:?}"))
        .map(|text| text.split([' ', '{']).next().expect("a name").to_owned())
        .collect();
    counting.dedup();
    let expected = [
        "AmbiguousPath",
        "MethodNotAllowed",
        "UnsupportedVersion",
        "BadHandshake",
        "TokenInvalid",
        "AmbiguousToken",
        "InsufficientScope",
    ];
    assert_eq!(counting, expected);
}

/// A client that decides by the name alone, or by the close code alone, does the right thing.
#[test]
fn a_name_and_a_close_code_each_call_for_one_action() {
    let mut by_code: HashMap<u16, ClientAction> = HashMap::new();
    let mut by_name = HashMap::new();
    for (reason, _) in rows() {
        let action = reason.client_action();
        let known = *by_name.entry(reason.name()).or_insert(action);
        assert_eq!(known, action, "{}", reason.name());
        if let Some(code) = reason.close_code() {
            let known = *by_code.entry(code).or_insert(action);
            let retries = [ClientAction::Retry, ClientAction::Wait];
            let fits = known == action || [known, action].iter().all(|one| retries.contains(one));
            assert!(fits, "{code}: {known:?} and {action:?}");
        }
    }
}

/// Whoever can't be told a reason's variant must not be able to guess it from the answer.
#[test]
fn variants_that_differ_for_the_gate_alone_answer_alike() {
    let answer = |reason: Reason| (refusal(&reason, ID), closing(&reason, None));
    assert_eq!(answer(Reason::AmbiguousPath), answer(Reason::NoRoute));
    assert_eq!(answer(Reason::TokenUnusable), answer(Reason::TokenInvalid));
}
