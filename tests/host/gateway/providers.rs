//! Identity providers: asked for attempts that are counted first, and only within bounds.

use std::pin::pin;

use portcullis::token::ProviderAnswer;

use crate::common::scripted::{ORIGIN, Part, Scripted, poll, post};
use crate::common::{Ask, assert_rows, seconds};

const SESSIONS: [(&str, &str); 5] = [
    ("SESSION_URL", "https://id.example/introspect"),
    ("SESSION_URL_AUTH", "Basic Z2F0ZTpzZWNyZXQ="),
    ("TOKEN_SOURCES", "header"),
    ("ALLOWED_ORIGINS", ORIGIN),
    ("RATE_LIMIT_IP", "100/1m"),
];

fn gate(vars: &[(&str, &str)]) -> Scripted {
    let mut all = SESSIONS.to_vec();
    all.extend(vars);
    let gate = Scripted::with(&all);
    *gate.provider.borrow_mut() = Ok(ProviderAnswer {
        status: 200,
        content_type: "application/json".into(),
        body: r#"{"active":true,"sub":"ada"}"#.into(),
    });
    gate
}

fn with_session(session: &str, key: u8) -> Ask {
    let letter = char::from(b'A' + key % 26);
    let other = char::from(b'a' + key / 26);
    let text = format!(
        "{}{}A==",
        letter.to_string().repeat(11),
        other.to_string().repeat(10)
    );
    Ask::upgrade()
        .with("origin", ORIGIN)
        .with("sec-websocket-key", &text)
        .with("authorization", &format!("Bearer {session}"))
}

#[test]
fn the_ledger_is_asked_once_and_before_the_provider() {
    let gate = gate(&[]);
    assert_eq!(gate.knock(&with_session("s1", 0)).what, "socket");
    assert_eq!(
        gate.take_asked(),
        [
            "address: admit",
            "introspection",
            "registry: register",
            "server"
        ]
    );
    // What is remembered asks no provider, so the ledger has its old place.
    assert_eq!(gate.knock(&with_session("s1", 1)).what, "socket");
    assert_eq!(gate.take_asked(), ["address: admit", "server"]);
    gate.knock(&post("/_portcullis/ticket", "").with("authorization", "Bearer s2"));
    assert_eq!(
        gate.take_asked(),
        ["address: admit", "introspection", "ticket: keep"]
    );
}

#[test]
fn an_address_at_its_limit_asks_no_provider() {
    let limited = gate(&[("RATE_LIMIT_IP", "1/1m")]);
    assert_eq!(limited.knock(&with_session("s1", 0)).what, "socket");
    // Another isolate, which knows nothing of it yet, has the same ledger.
    let fresh = gate(&[("RATE_LIMIT_IP", "1/1m")]);
    fresh.share_ledgers(&limited);
    let answer = fresh.knock(&with_session("s2", 1));
    assert_eq!(
        answer.line(),
        "rate_limited at counters: the answer of the address's ledger"
    );
    assert_eq!(fresh.take_asked(), ["address: admit"]);
}

#[test]
fn without_the_ledger_the_failure_policy_decides() {
    let rows = [
        (
            "reject",
            "limiter_unavailable at counters: the address's ledger: down",
            vec!["address: admit"],
        ),
        (
            "admit",
            "socket at forward: admitted uncounted: the address's ledger: down",
            vec![
                "address: admit",
                "introspection",
                "registry: register",
                "server",
            ],
        ),
    ];
    for (policy, line, asked) in rows {
        let gate = gate(&[("ON_LIMITER_FAILURE", policy)]);
        gate.break_down(Part::AddressLedger);
        assert_eq!(gate.knock(&with_session("s1", 0)).line(), line);
        assert_eq!(gate.take_asked(), asked);
    }
}

#[test]
fn a_provider_that_is_down_is_no_failure_of_the_client() {
    let gate = gate(&[("BAN_AFTER", "2/1m for 1h")]);
    *gate.provider.borrow_mut() = Err("down".into());
    for key in 0..5 {
        let answer = gate.knock(&with_session("s1", key));
        assert_eq!(
            (answer.what.as_str(), answer.record.stage.name()),
            ("provider_unavailable", "token")
        );
        // It was counted before the provider was asked, and there is nothing to add.
        assert_eq!(gate.take_asked(), ["address: admit", "introspection"]);
    }
}

#[test]
fn a_slot_taken_for_a_token_that_proves_bad_is_free_again() {
    let gate = gate(&[("MAX_SOCKETS_IP", "1"), ("BAN_AFTER", "9/1m for 1h")]);
    if let Ok(answer) = gate.provider.borrow_mut().as_mut() {
        answer.body = r#"{"active":false}"#.into();
    }
    assert_eq!(gate.send(&with_session("s1", 0)).what, "token_invalid");
    assert_eq!(gate.open_channels(), 0);
    assert_eq!(gate.take_asked(), ["address: open", "introspection"]);
    gate.finish();
    let counted: Vec<_> = gate.take_asked();
    assert!(counted.len() <= 1, "{counted:?}");
}

#[test]
fn one_address_waits_for_few_questions_and_others_still_ask() {
    let gate = gate(&[]);
    gate.provider_hangs.set(true);
    let asks: Vec<_> = (0..9).map(|n| with_session(&format!("s{n}"), n)).collect();
    let mut journeys: Vec<_> = asks.iter().map(|ask| Box::pin(gate.begin(ask))).collect();
    let (last, others) = journeys.split_last_mut().expect("nine");
    for journey in others.iter_mut() {
        assert!(poll(journey.as_mut()).is_none());
    }
    let answer = poll(last.as_mut()).expect("it is refused at once");
    assert_eq!(
        answer.line(),
        "provider_unavailable at token: 8 questions to identity providers are under way for this \
         address"
    );
    // A question that is under way can be joined, and another address has its own bound.
    let joining = with_session("s0", 20);
    let mut joins = pin!(gate.begin(&joining));
    assert!(poll(joins.as_mut()).is_none());
    let mut elsewhere = with_session("s100", 21);
    elsewhere.address = Some("192.0.2.99");
    let mut asks_too = pin!(gate.begin(&elsewhere));
    assert!(poll(asks_too.as_mut()).is_none());
    gate.provider_hangs.set(false);
    for journey in others.iter_mut() {
        assert_eq!(
            poll(journey.as_mut()).map(|answer| answer.what),
            Some("socket".into())
        );
    }
    assert_eq!(gate.knock(&with_session("s9", 22)).what, "socket");
}

#[test]
fn an_isolate_has_a_bound_too_and_forgets_questions_that_never_end() {
    const ADDRESSES: [&str; 9] = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
        "192.0.2.6",
        "192.0.2.7",
        "192.0.2.8",
        "192.0.2.9",
    ];
    let gate = gate(&[]);
    gate.provider_hangs.set(true);
    let asks: Vec<_> = (0..65_u8)
        .map(|n| {
            let mut ask = with_session(&format!("s{n}"), n);
            ask.address = Some(ADDRESSES[usize::from(n / 8)]);
            ask
        })
        .collect();
    let mut journeys: Vec<_> = asks.iter().map(|ask| Box::pin(gate.begin(ask))).collect();
    let (last, others) = journeys.split_last_mut().expect("65");
    for journey in others.iter_mut() {
        assert!(poll(journey.as_mut()).is_none());
    }
    let answer = poll(last.as_mut()).map(|answer| answer.line());
    let text = "provider_unavailable at token: 64 questions to identity providers are under way";
    assert_eq!(answer.as_deref(), Some(text));
    // Requests that the runtime cancelled are never polled again.
    gate.provider_hangs.set(false);
    gate.pass(seconds(11));
    let mut late = with_session("late", 70);
    late.address = Some("192.0.2.9");
    assert_eq!(gate.knock(&late).what, "socket");
}

#[test]
fn keys_by_url_are_fetched_for_counted_attempts_alone() {
    let secret_free = [
        ("JWT_SECRET", ""),
        ("JWT_JWKS_URL", "https://id.example/jwks.json"),
        ("JWT_AUDIENCE", "us"),
        ("RATE_LIMIT_IP", "100/1m"),
    ];
    let mut settings = crate::common::scripted::whole(&secret_free);
    settings.vars.remove("JWT_SECRET");
    let gate = Scripted::new(&settings);
    let token = crate::common::Signer::Hs256(b"x").token(r#"{"alg":"ES256","kid":"k"}"#, "{}");
    let answer = gate.knock(&with_session(&token, 0));
    assert_eq!(answer.what, "provider_unavailable", "{answer:?}");
    assert_eq!(
        gate.take_asked(),
        ["address: admit", "keys https://id.example/jwks.json"]
    );
    gate.break_down(Part::AddressLedger);
    gate.pass(seconds(10));
    assert_eq!(
        gate.knock(&with_session(&token, 1)).what,
        "limiter_unavailable"
    );
    assert_rows([(
        "asked",
        gate.take_asked(),
        vec!["address: admit".to_owned()],
    )]);
}
