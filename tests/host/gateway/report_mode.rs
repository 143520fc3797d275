//! `MODE=report`: what would be refused is recorded and goes on, wherever anything can go on. The
//! canary: the same for a share of addresses.

use portcullis::gateway::platform::NoFirstMessage;
use portcullis::registry::{DenialReason, RegistryResponse};
use portcullis::response::reason::Reason;
use portcullis::upstream::UpstreamFailure;

use crate::common::scripted::{
    ADMIN, Answer, ORIGIN, Part, Scripted, bearer, post, token, upgrade, upgrade_with_key,
};
use crate::common::{Ask, assert_rows, seconds};

const ALICE: &str = r#""sub":"alice","iss":"https://id.example","scope":"read""#;

fn reporting(vars: &[(&str, &str)]) -> Scripted {
    let all: Vec<_> = [("MODE", "report")].iter().chain(vars).copied().collect();
    Scripted::with(&all)
}

fn forged() -> String {
    let mut token = token(ALICE);
    token.insert(token.len() - 10, 'x');
    token
}

fn with_token(token: &str) -> Ask {
    Ask::upgrade()
        .with("origin", ORIGIN)
        .with("authorization", &bearer(token))
}

/// Makes a gate refuse one request for one reason, in either mode: the settings, what comes before,
/// and the request.
struct Case {
    reason: &'static str,
    vars: &'static [(&'static str, &'static str)],
    prepare: fn(&Scripted),
    ask: fn() -> Ask,
}

const NOTHING: fn(&Scripted) = |_| {};

fn good() -> Ask {
    upgrade(ALICE)
}

fn denied(gate: &Scripted, end: DenialReason) {
    let refused = RegistryResponse::Refused { end, by: None };
    gate.registry.borrow_mut().push_back(refused);
}

fn fails(gate: &Scripted, failure: UpstreamFailure) {
    *gate.upstream.borrow_mut() = Err(failure);
}

fn case(
    reason: &'static str,
    vars: &'static [(&'static str, &'static str)],
    prepare: fn(&Scripted),
    ask: fn() -> Ask,
) -> Case {
    Case {
        reason,
        vars,
        prepare,
        ask,
    }
}

/// One case for each reason that a request for a route can be refused for.
fn cases() -> Vec<Case> {
    const REGISTRY: &[(&str, &str)] = &[("ADMIN_TOKEN", ADMIN)];
    vec![
        case("insecure_transport", &[], NOTHING, || {
            good().url("http://gate.example/chat")
        }),
        case(
            "no_route",
            &[("ROUTES", r#"[{"path":"/a"}]"#)],
            NOTHING,
            good,
        ),
        case("upgrade_required", &[], NOTHING, || {
            Ask::plain("GET", "https://gate.example/chat")
        }),
        case("method_not_allowed", &[], NOTHING, || {
            let mut ask = good();
            ask.method = "POST";
            ask
        }),
        case("unsupported_version", &[], NOTHING, || {
            good().with("sec-websocket-version", "8")
        }),
        case("bad_handshake", &[], NOTHING, || {
            good().with("sec-websocket-key", "x")
        }),
        case(
            "replayed_key",
            &[],
            |gate| {
                gate.knock(&good());
            },
            good,
        ),
        case("origin_missing", &[], NOTHING, || {
            Ask::upgrade().with("authorization", &bearer(&token(ALICE)))
        }),
        case("origin_not_allowed", &[], NOTHING, || {
            good().with("origin", "https://evil.example")
        }),
        case("token_missing", &[], NOTHING, || {
            Ask::upgrade().with("origin", ORIGIN)
        }),
        case("token_invalid", &[], NOTHING, || with_token(&forged())),
        case("token_expired", &[], NOTHING, || {
            with_token(&crate::common::hs256(r#"{"sub":"alice","exp":1}"#))
        }),
        case(
            "ambiguous_token",
            &[("TOKEN_SOURCES", "header,query:token")],
            NOTHING,
            || good().url("https://gate.example/chat?token=other"),
        ),
        case(
            "insufficient_scope",
            &[("REQUIRED_SCOPES", "write")],
            NOTHING,
            good,
        ),
        case(
            "provider_unavailable",
            &[
                ("SESSION_URL", "https://id.example/introspect"),
                ("SESSION_URL_AUTH", "Bearer x"),
                ("JWT_AUDIENCE", "any"),
            ],
            NOTHING,
            || with_token("opaque"),
        ),
        case(
            "rate_limited",
            &[("RATE_LIMIT_IP", "1/1m")],
            |gate| {
                gate.knock(&good());
            },
            || upgrade_with_key(ALICE, 'B'),
        ),
        case(
            "too_many_sockets",
            &[("MAX_SOCKETS_USER", "1")],
            |gate| {
                gate.knock(&good());
            },
            || upgrade_with_key(ALICE, 'B'),
        ),
        case(
            "banned",
            REGISTRY,
            |gate| denied(gate, DenialReason::Banned),
            good,
        ),
        case(
            "revoked",
            REGISTRY,
            |gate| denied(gate, DenialReason::Revoked),
            good,
        ),
        case(
            "limiter_unavailable",
            &[],
            |gate| gate.break_down(Part::AddressLedger),
            good,
        ),
        case(
            "upstream_unreachable",
            &[],
            |gate| fails(gate, UpstreamFailure::Unreachable("gone".into())),
            good,
        ),
        case(
            "upstream_refused",
            &[],
            |gate| {
                if let Ok(reply) = gate.upstream.borrow_mut().as_mut() {
                    reply.status = 404;
                    reply.has_socket = false;
                }
            },
            good,
        ),
        case(
            "upstream_timeout",
            &[],
            |gate| fails(gate, UpstreamFailure::TimedOut),
            good,
        ),
    ]
}

/// Reasons that no request for a route is refused for.
const ELSEWHERE: [&str; 3] = ["misconfigured", "bad_request", "registry_full"];

fn run(case: &Case, mode: &str) -> Answer {
    let vars: Vec<_> = case.vars.iter().copied().chain([("MODE", mode)]).collect();
    let gate = Scripted::with(&vars);
    (case.prepare)(&gate);
    gate.knock(&(case.ask)())
}

#[test]
fn report_mode_forwards_in_spite_of_every_reason_that_leaves_something_to_forward() {
    let mut missing: Vec<_> = crate::response::rows()
        .iter()
        .map(|(reason, _)| reason.name())
        .filter(|name| !ELSEWHERE.contains(name))
        .collect();
    let reported = |name: &str| {
        let rows = crate::response::rows();
        // The same name always fares alike.
        let mut of_name = rows.iter().filter(|(reason, _)| reason.name() == name);
        let all: Vec<_> = of_name
            .by_ref()
            .filter(|(reason, _)| !matches!(reason, Reason::NotDone { .. }))
            .map(|(reason, _)| reason.is_only_reported())
            .collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
        all[0]
    };
    for case in cases() {
        let name = case.reason;
        missing.retain(|known| *known != name);
        let enforced = run(&case, "enforce");
        assert_eq!(enforced.what, name, "enforce: {enforced:?}");
        assert_eq!(enforced.record.mode, "enforce");
        assert_eq!(enforced.record.would_be, None);
        let answer = run(&case, "report");
        let record = &answer.record;
        // Without a route there is no mode but the refusal.
        let mode = if name == "no_route" {
            "enforce"
        } else {
            "report"
        };
        assert_eq!(record.mode, mode);
        if reported(name) {
            let passed = if name == "upgrade_required" {
                "plain"
            } else {
                "socket"
            };
            assert_eq!(answer.what, passed, "report: {answer:?}");
            assert_eq!(record.would_be, Some(name), "{answer:?}");
            assert_eq!(record.reason, None);
            let found = &record.findings[0];
            assert_eq!(
                (found.reason, found.stage, &Some(found.cause.clone())),
                (name, enforced.record.stage, &record.cause),
                "{answer:?}"
            );
            assert_eq!(record.cause, enforced.record.cause);
            assert_eq!(record.setting, enforced.record.setting);
            assert_eq!(record.remedy, enforced.record.remedy);
        } else {
            assert_eq!(answer.what, name, "report: {answer:?}");
            assert_eq!(record.would_be, None);
            assert!(record.findings.is_empty());
        }
    }
    assert_eq!(missing, Vec::<&str>::new(), "reasons without a case");
}

#[test]
fn docs_say_of_every_reason_what_report_mode_does() {
    let page = include_str!("../../../docs/report-mode.md");
    for (reason, _) in crate::response::rows() {
        let name = reason.name();
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .unwrap_or_else(|| panic!("docs/report-mode.md has no row for {name}"));
        if matches!(reason, Reason::NotDone { .. }) {
            continue;
        }
        let says_forwarded = row.contains("| forwarded |");
        assert_eq!(says_forwarded, reason.is_only_reported(), "{row}");
    }
}

#[test]
fn all_findings_are_recorded_and_the_first_would_have_been_the_answer() {
    let gate = reporting(&[("REQUIRED_SCOPES", "write"), ("JWT_REPLAY", "reject")]);
    let answer = gate.knock(&good().with("origin", "https://evil.example"));
    assert_eq!(answer.what, "socket");
    let findings: Vec<_> = answer
        .record
        .findings
        .iter()
        .map(|found| format!("{} at {}", found.reason, found.stage.name()))
        .collect();
    assert_eq!(
        findings,
        [
            "origin_not_allowed at origin",
            "token_invalid at token",
            "insufficient_scope at permission",
        ]
    );
    assert_eq!(answer.record.would_be, Some("origin_not_allowed"));
    assert_eq!(answer.record.subject.as_deref(), Some("alice"));
}

#[test]
fn a_server_learns_only_what_was_verified_and_sees_no_credential() {
    let rows = [
        ("a good token", good(), Some("alice")),
        (
            "a good token that lacks a scope",
            upgrade(r#""sub":"alice""#),
            Some("alice"),
        ),
        ("a forged token", with_token(&forged()), None),
        (
            "an expired token",
            with_token(&crate::common::hs256(r#"{"sub":"alice","exp":1}"#)),
            None,
        ),
        (
            "two tokens",
            good().with(
                "sec-websocket-protocol",
                "chat, bearer, another-token-of-alice",
            ),
            None,
        ),
        (
            "a ticket that nobody issued, with a token",
            good().url("https://gate.example/chat?room=7&ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            None,
        ),
        (
            "a malformed ticket",
            Ask::upgrade()
                .with("origin", ORIGIN)
                .url("https://gate.example/chat?ticket=x&room=7"),
            None,
        ),
        (
            "bearer without a token",
            Ask::upgrade()
                .with("origin", ORIGIN)
                .with("sec-websocket-protocol", "chat, bearer"),
            None,
        ),
    ];
    for (name, ask, subject) in rows {
        let gate = reporting(&[("REQUIRED_SCOPES", "read"), ("TICKET_TTL", "15s")]);
        let answer = gate.knock(&ask);
        assert_eq!(answer.what, "socket", "{name}: {answer:?}");
        let sent = gate.forwarded.take();
        let [sent] = sent.as_slice() else {
            panic!("{name}: {sent:?}")
        };
        let named = sent
            .set
            .iter()
            .find(|(name, _)| *name == "Portcullis-Subject");
        assert_eq!(
            named.map(|(_, value)| value.as_str()),
            subject,
            "{name}: {sent:?}"
        );
        assert!(!sent.url.contains("ticket"), "{name}: {}", sent.url);
        let whole = format!("{sent:?}");
        for secret in ["another-token", "bearer", "ticket=", "Bearer"] {
            assert!(!whole.contains(secret), "{name}: {whole}");
        }
        if ask.request().headers.get("authorization").is_some() {
            assert!(
                sent.remove.contains(&"authorization".to_owned()),
                "{name}: {sent:?}"
            );
        }
    }
}

#[test]
fn a_guarded_requests_rejected_credentials_reach_no_server() {
    let gate = reporting(&[
        ("PLAIN_HTTP", "guard"),
        ("TOKEN_SOURCES", "header,query:access_token"),
    ]);
    let ask = Ask::plain(
        "GET",
        "https://gate.example/chat?access_token=another-token",
    )
    .with("authorization", "Bearer a.b.c");
    let answer = gate.knock(&ask);
    assert_eq!(
        answer.record.would_be,
        Some("ambiguous_token"),
        "{answer:?}"
    );
    let sent = gate.forwarded.take();
    let [sent] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert!(
        sent.remove.contains(&"authorization".to_owned()),
        "{sent:?}"
    );
    assert!(!sent.url.contains("access_token"), "{sent:?}");
}

#[test]
fn what_is_reported_counts_apart_and_against_nobody() {
    let routes = r#"[{"path":"/trial","mode":"report"},{"path":"/live"}]"#;
    let gate = Scripted::with(&[
        ("ROUTES", routes),
        ("RATE_LIMIT_IP", "2/1m"),
        ("BAN_AFTER", "2/1m for 1h"),
        ("RATE_LIMIT_USER", "2/1m"),
        ("RATE_LIMIT_ROUTE", "9/1m"),
        ("JWT_REPLAY", "reject"),
    ]);
    let claims = r#""sub":"alice","jti":"one""#;
    let trial = |key| upgrade_with_key(claims, key).url("https://gate.example/trial");
    assert_eq!(gate.knock(&trial('A')).record.would_be, None);
    assert_eq!(
        gate.knock(&trial('B')).record.would_be,
        Some("token_invalid"),
        "the jti was used"
    );
    assert_eq!(
        gate.knock(&trial('C')).record.would_be,
        Some("rate_limited")
    );
    for key in ['D', 'E', 'F'] {
        let forged = with_token(&forged())
            .with(
                "sec-websocket-key",
                &format!("{}A==", key.to_string().repeat(21)),
            )
            .url("https://gate.example/trial");
        assert_eq!(gate.knock(&forged).what, "socket");
    }
    let live = upgrade_with_key(claims, 'A').url("https://gate.example/live");
    let answer = gate.knock(&live);
    assert_eq!(answer.what, "socket", "{answer:?}");
    assert_eq!(answer.record.mode, "enforce");
}

#[test]
fn a_preflight_is_counted_apart_too() {
    let routes = r#"[{"path":"/trial","mode":"report"},{"path":"/live"}]"#;
    let gate = Scripted::with(&[
        ("ROUTES", routes),
        ("PLAIN_HTTP", "guard"),
        ("RATE_LIMIT_IP", "1/1m"),
    ]);
    let preflight = |path: &str, origin: &str| {
        let ask = Ask::plain("OPTIONS", &format!("https://gate.example{path}"))
            .with("origin", origin)
            .with("access-control-request-method", "PUT");
        let answer = gate.knock(&ask);
        (answer.what, answer.record.would_be)
    };
    let row = |what: &str, would_be| (what.to_owned(), would_be);
    let foreign = "https://evil.example";
    assert_rows([
        (
            "of another page",
            preflight("/trial", foreign),
            row("plain", Some("origin_not_allowed")),
        ),
        ("the first", preflight("/trial", ORIGIN), row("plain", None)),
        (
            "one too many",
            preflight("/trial", ORIGIN),
            row("plain", Some("rate_limited")),
        ),
        ("enforced", preflight("/live", ORIGIN), row("plain", None)),
    ]);
}

#[test]
fn who_would_have_been_refused_before_is_not_counted_further() {
    let gate = reporting(&[("RATE_LIMIT_USER", "1/1m"), ("RATE_LIMIT_ROUTE", "9/1m")]);
    let answer = gate.send(&good().with("origin", "https://evil.example"));
    assert_eq!(answer.record.would_be, Some("origin_not_allowed"));
    gate.finish();
    let asked = gate.take_asked();
    assert_eq!(asked, ["registry: register", "server"]);
    // So it took nothing from the user.
    assert_eq!(gate.knock(&good()).record.would_be, None);
}

#[test]
fn a_user_at_its_limit_keeps_the_route_and_the_slot_free() {
    let gate = reporting(&[
        ("RATE_LIMIT_USER", "1/1m"),
        ("RATE_LIMIT_ROUTE", "9/1m"),
        ("MAX_SOCKETS_IP", "5"),
        ("RELAY", "inspect"),
    ]);
    assert_eq!(gate.knock(&upgrade_with_key(ALICE, 'A')).what, "socket");
    gate.pass(seconds(6));
    gate.take_asked();
    let answer = gate.knock(&upgrade_with_key(ALICE, 'B'));
    assert_eq!(
        (answer.what.as_str(), answer.record.would_be),
        ("socket", Some("rate_limited"))
    );
    assert_eq!(gate.open_channels(), 0, "its slot was given back");
}

#[test]
fn a_provider_is_asked_for_who_would_be_over_the_limit() {
    let gate = reporting(&[
        ("RATE_LIMIT_IP", "1/1m"),
        ("SESSION_URL", "https://id.example/introspect"),
        ("SESSION_URL_AUTH", "Bearer x"),
        ("JWT_AUDIENCE", "any"),
    ]);
    *gate.provider.borrow_mut() = Ok(portcullis::token::ProviderAnswer {
        status: 200,
        content_type: "application/json".into(),
        body: r#"{"active":true,"sub":"alice"}"#.into(),
    });
    gate.knock(&with_token("first"));
    let second = with_token("second").with("sec-websocket-key", "BBBBBBBBBBBBBBBBBBBBBA==");
    let answer = gate.knock(&second);
    assert_eq!(answer.record.would_be, Some("rate_limited"));
    assert_eq!(answer.record.subject.as_deref(), Some("alice"));
}

#[test]
fn endpoints_enforce_in_report_mode() {
    let gate = reporting(&[("TICKET_TTL", "15s"), ("ADMIN_TOKEN", ADMIN)]);
    let ticket = post("/_portcullis/ticket?path=/chat", ALICE);
    let rows = [
        (
            "a ticket for another origin",
            gate.knock(&ticket.clone().with("origin", "https://evil.example")),
            "origin_not_allowed",
        ),
        (
            "a ticket for a forged token",
            gate.knock(&ticket.with("authorization", &bearer(&forged()))),
            "token_invalid",
        ),
        (
            "an administrator without a token",
            gate.knock(&Ask::plain(
                "GET",
                "https://gate.example/_portcullis/admin/sockets",
            )),
            "token_missing",
        ),
    ];
    for (name, answer, reason) in rows {
        assert_eq!(answer.what, reason, "{name}");
        assert_eq!(answer.record.mode, "enforce", "{name}");
    }
}

#[test]
fn a_canary_enforces_its_share_of_addresses_and_a_larger_one_all_of_those() {
    let mut addresses: Vec<String> = (0..=255)
        .flat_map(|part| {
            [
                format!("198.51.100.{part}"),
                format!("2001:db8:0:{part:x}::1"),
            ]
        })
        .collect();
    addresses.sort();
    let enforced = |mode: &str| {
        let gate = Scripted::with(&[("MODE", mode)]);
        let refused = addresses.iter().filter(|address| {
            let mut ask = Ask::upgrade().with("origin", "https://evil.example");
            ask.address = Some(String::leak((*address).clone()));
            let (first, second) = (gate.send(&ask), gate.send(&ask));
            assert_eq!(first.what, second.what, "{address}");
            match first.record.mode {
                "enforce" => assert_eq!(first.what, "origin_not_allowed"),
                _ => assert_eq!(first.record.would_be, Some("origin_not_allowed")),
            }
            first.record.mode == "enforce"
        });
        refused.cloned().collect::<Vec<_>>()
    };
    let shares = ["enforce:1%", "enforce:10%", "enforce:50%", "enforce:99%"].map(enforced);
    let counts = shares.each_ref().map(Vec::len);
    assert!(
        counts.is_sorted() && counts[1] > 20 && counts[1] < 90,
        "{counts:?}"
    );
    for pair in shares.windows(2) {
        assert!(pair[0].iter().all(|address| pair[1].contains(address)));
    }
    let mut unknown = Ask::upgrade().with("origin", "https://evil.example");
    unknown.address = None;
    let gate = Scripted::with(&[("MODE", "enforce:1%")]);
    assert_eq!(gate.knock(&unknown).what, "origin_not_allowed");
    let gate = reporting(&[]);
    assert_eq!(gate.knock(&unknown).record.mode, "report");
}

#[test]
fn a_share_of_admissions_is_logged_and_every_refusal() {
    let gate = Scripted::with(&[("LOG_ADMITTED", "10%")]);
    let ask = good();
    let request = ask.request();
    let place = gate.gate.place(&request);
    let samples = |drawn| gate.gate.samples(&place, drawn);
    assert_rows([
        ("the lowest", samples(0), true),
        ("inside", samples(u64::MAX / 11), true),
        ("outside", samples(u64::MAX / 9), false),
        ("the highest", samples(u64::MAX), false),
    ]);
    let logged = |mut answer: Answer, sampled| {
        answer.record.is_sampled = sampled;
        answer.record.is_logged()
    };
    let admitted = || gate.knock(&good());
    let refused = || gate.knock(&Ask::upgrade());
    gate.pass(seconds(120));
    assert_rows([
        ("an admission", logged(admitted(), true), true),
        (
            "a refusal that is not drawn",
            logged(refused(), false),
            true,
        ),
    ]);
    gate.pass(seconds(120));
    let unsampled = logged(admitted(), false);
    assert!(!unsampled);
    let reported = reporting(&[]).knock(&Ask::upgrade());
    assert!(logged(reported, false), "what would have been refused");
}

#[test]
fn headers_for_the_server_hold_no_secret_of_the_gate_for_who_is_not_known() {
    let sent = |ask: &Ask| {
        let gate = reporting(&[
            (
                "UPSTREAM_HEADERS",
                r#"{"X-User":"{claim:sub}","X-Key":"{secret:UPSTREAM_KEY}","X-Plain":"yes"}"#,
            ),
            ("UPSTREAM_KEY", "a-secret-of-the-gate"),
        ]);
        let answer = gate.knock(ask);
        assert_eq!(answer.what, "socket", "{answer:?}");
        let sent = gate.forwarded.take().pop().expect("one");
        let changes = sent.changes.into_iter();
        changes
            .map(|(name, value)| format!("{name}: {}", value.as_deref().unwrap_or("removed")))
            .collect::<Vec<_>>()
    };
    let known = [
        "X-User: alice",
        "X-Key: a-secret-of-the-gate",
        "X-Plain: yes",
    ];
    let unknown = ["X-User: removed", "X-Key: removed", "X-Plain: yes"];
    let evil = |ask: Ask| ask.with("origin", "https://evil.example");
    let rows = [
        ("a good token", sent(&good()), known),
        (
            "a genuine token of another origin",
            sent(&evil(good())),
            known,
        ),
        ("a forged token", sent(&with_token(&forged())), unknown),
        (
            "no token",
            sent(&Ask::upgrade().with("origin", ORIGIN)),
            unknown,
        ),
    ];
    let rows = rows.map(|(name, sent, expected)| {
        let mut expected = expected.map(str::to_owned).to_vec();
        let mut sent = sent;
        expected.sort();
        sent.sort();
        (name, sent, expected)
    });
    assert_rows(rows);
}

#[test]
fn no_socket_is_closed_for_a_newer_one() {
    let gate = reporting(&[("MAX_SOCKETS_USER", "1"), ("ON_FULL", "close_oldest")]);
    gate.knock(&upgrade_with_key(ALICE, 'A'));
    gate.take_asked();
    let answer = gate.knock(&upgrade_with_key(ALICE, 'B'));
    assert_eq!(
        (answer.what.as_str(), answer.record.would_be),
        ("socket", None)
    );
    assert_eq!(
        answer.cause(),
        "ON_FULL would have closed the oldest socket of the user's ledger"
    );
    let asked = gate.take_asked();
    assert!(
        !asked.iter().any(|question| question.contains("replace")),
        "{asked:?}"
    );
}

#[test]
fn a_first_message_whose_token_can_not_be_taken_out_reaches_no_server() {
    let knock = |passing: &str, message: Result<Vec<u8>, NoFirstMessage>| {
        let gate = reporting(&[
            ("TOKEN_SOURCES", "message:/token, message:/key"),
            ("FIRST_MESSAGE", passing),
        ]);
        *gate.first_message.borrow_mut() = message;
        let answer = gate.knock(&Ask::upgrade().with("origin", ORIGIN));
        (answer.what, answer.record.would_be)
    };
    let text = |text: String| Ok(text.into_bytes());
    let two = || text(r#"{"token":"one","key":"other"}"#.into());
    let one = || text(format!(r#"{{"token":"{}"}}"#, forged()));
    let row = |what: &str, would_be| (what.to_owned(), would_be);
    assert_rows([
        (
            "a forged token, taken out",
            knock("strip", one()),
            row("socket", Some("token_invalid")),
        ),
        (
            "two tokens",
            knock("strip", two()),
            row("ambiguous_token", None),
        ),
        (
            "a token twice",
            knock("strip", text(r#"{"token":"one","token":"one"}"#.into())),
            row("token_missing", None),
        ),
        (
            "two tokens that the server gets anyway",
            knock("pass", two()),
            row("socket", Some("ambiguous_token")),
        ),
        (
            "no message in time",
            knock("strip", Err(NoFirstMessage::TimedOut)),
            row("token_missing", None),
        ),
    ]);
}
