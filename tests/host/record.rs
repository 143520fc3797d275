//! The decision record.

use portcullis::record::{ClosedRecord, Outcome, Record, Stage};
use portcullis::relay::{Closed, Traffic};
use portcullis::response::reason::Reason;
use portcullis::token::{Identity, TokenHeader};
use serde_json::Map;

use crate::common::{self, Ask, NOW, assert_rows};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn begin() -> Record {
    let mut ask = Ask::upgrade()
        .with("authorization", "Bearer a-token")
        .with("cookie", "session=a-cookie")
        .url("https://gate.example/chat?secret=a-query");
    ask.address = Some("2001:db8:1:2:3:4:5:6");
    Record::begin(ask.key(), "id-1", "2027-01-15T08:00:00.000Z".into())
}

#[test]
fn the_json_format_is_unchanged() {
    let begun = begin();
    let mut refused = begin();
    refused.stage = Stage::Token;
    refused.route = Some("/*".into());
    refused.note_origin(Some("https://app.example.com"));
    refused.note_token(&TokenHeader {
        algorithm: "HS256".into(),
        key_id: Some("k\"1".into()),
        token_type: None,
    });
    refused.note_refusal(&Reason::TokenExpired.because("exp has passed"));
    refused.colo = Some("FRA".into());
    refused.duration_ms = 7;
    let mut admitted = refused.clone();
    admitted.outcome = Outcome::Admitted;
    admitted.stage = Stage::Forward;
    admitted.reason = None;
    admitted.cause = None;
    admitted.setting = None;
    admitted.remedy = None;
    admitted.note_identity(&Identity {
        subject: Some("ada".into()),
        scopes: vec!["read".into()],
        expires: NOW,
        claims: Map::new(),
        ..Identity::default()
    });
    assert_rows([
        (
            "begun",
            begun.to_line(),
            r#"{"time":"2027-01-15T08:00:00.000Z","request_id":"id-1","outcome":"refused","reason":null,"cause":null,"stage":"configuration","route":null,"origin":null,"address":"2001:db8:1:2::/64","colo":null,"subject":null,"issuer":null,"alg":null,"kid":null,"mode":"enforce","would_be":null,"version":"VERSION","duration_ms":0}"#.replace("VERSION", VERSION),
        ),
        (
            "refused",
            refused.to_line(),
            r#"{"time":"2027-01-15T08:00:00.000Z","request_id":"id-1","outcome":"refused","reason":"token_expired","cause":"exp has passed","setting":"JWT_LEEWAY","remedy":"Let the client get a new token before it connects. JWT_LEEWAY is for clocks that differ.","stage":"token","route":"/*","origin":"https://app.example.com","address":"2001:db8:1:2::/64","colo":"FRA","subject":null,"issuer":null,"alg":"HS256","kid":"k\"1","mode":"enforce","would_be":null,"version":"VERSION","duration_ms":7}"#.replace("VERSION", VERSION),
        ),
        (
            "admitted",
            admitted.to_line(),
            r#"{"time":"2027-01-15T08:00:00.000Z","request_id":"id-1","outcome":"admitted","reason":null,"cause":null,"stage":"forward","route":"/*","origin":"https://app.example.com","address":"2001:db8:1:2::/64","colo":"FRA","subject":"ada","issuer":null,"alg":"HS256","kid":"k\"1","mode":"enforce","would_be":null,"version":"VERSION","duration_ms":7}"#.replace("VERSION", VERSION),
        ),
    ]);
    assert_eq!(
        refused.blobs(),
        [
            "2027-01-15T08:00:00.000Z",
            "id-1",
            "refused",
            "token_expired",
            "exp has passed",
            "token",
            "/*",
            "https://app.example.com",
            "FRA",
            "",
            "HS256",
            "k\"1",
            "enforce",
            VERSION,
            "",
            "JWT_LEEWAY",
            "",
            "",
            "",
            "",
        ]
    );
}

#[test]
fn stages_and_outcomes_have_their_names() {
    let stages = [
        (Stage::Configuration, "configuration"),
        (Stage::Transport, "transport"),
        (Stage::Route, "route"),
        (Stage::Handshake, "handshake"),
        (Stage::Origin, "origin"),
        (Stage::Known, "known"),
        (Stage::Token, "token"),
        (Stage::Permission, "permission"),
        (Stage::Counters, "counters"),
        (Stage::Registry, "registry"),
        (Stage::Forward, "forward"),
    ];
    assert_rows(stages.map(|(stage, name)| (name, stage.name(), name)));
    let outcomes = [
        (Outcome::Admitted, "admitted"),
        (Outcome::Proxied, "proxied"),
        (Outcome::Issued, "issued"),
        (Outcome::Preflight, "preflight"),
        (Outcome::Refused, "refused"),
        (Outcome::Closed, "closed"),
        (Outcome::Banned, "banned"),
    ];
    assert_rows(outcomes.map(|(outcome, name)| (name, outcome.name(), name)));
}

#[test]
fn the_format_of_an_end_is_unchanged() {
    let mut admission = begin();
    admission.stage = Stage::Forward;
    admission.outcome = Outcome::Admitted;
    admission.cause = Some("admitted uncounted: timed out".into());
    admission.duration_ms = 7;
    let closed = Closed {
        reason: "message_too_big".into(),
        cause: Some("7 bytes from the client".into()),
        code: 1009,
        client: Traffic {
            messages: 1,
            bytes: 2,
        },
        upstream: Traffic {
            messages: 3,
            bytes: 4,
        },
        duration: 5000,
    };
    let record = ClosedRecord::of(admission, closed, "2027-01-15T08:00:05.000Z".into());
    assert_eq!(
        record.to_line(),
        r#"{"time":"2027-01-15T08:00:05.000Z","request_id":"id-1","outcome":"closed","reason":"message_too_big","cause":"7 bytes from the client","stage":"live","route":null,"origin":null,"address":"2001:db8:1:2::/64","colo":null,"subject":null,"issuer":null,"alg":null,"kid":null,"mode":"enforce","would_be":null,"version":"VERSION","duration_ms":5000,"code":1009,"client":{"messages":1,"bytes":2},"upstream":{"messages":3,"bytes":4}}"#.replace("VERSION", VERSION)
    );
    assert_eq!(record.numbers(), [5000.0, 1009.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(record.record().blobs()[2..4], ["closed", "message_too_big"]);
}

#[test]
fn a_clients_texts_are_cut_at_256_bytes_between_characters() {
    let cut = |text: &str| {
        let mut record = begin();
        record.note_origin(Some(text));
        record.note_token(&TokenHeader {
            algorithm: text.to_owned(),
            key_id: Some(text.to_owned()),
            token_type: None,
        });
        record.note_identity(&Identity {
            subject: Some(text.to_owned()),
            scopes: Vec::new(),
            expires: NOW,
            claims: Map::new(),
            ..Identity::default()
        });
        [record.origin, record.alg, record.kid, record.subject].map(Option::unwrap_or_default)
    };
    let same = |text: String| [text.clone(), text.clone(), text.clone(), text];
    assert_rows([
        ("256", cut(&"a".repeat(256)), same("a".repeat(256))),
        ("257", cut(&"a".repeat(257)), same("a".repeat(256))),
        (
            "a character across the cut",
            cut(&format!("{}é", "a".repeat(255))),
            same("a".repeat(255)),
        ),
        (
            "a character up to the cut",
            cut(&format!("{}éa", "a".repeat(254))),
            same(format!("{}é", "a".repeat(254))),
        ),
        ("long", cut(&"é".repeat(100_000)), same("é".repeat(128))),
    ]);
}

#[test]
fn a_line_is_one_line_without_token_cookie_key_and_query() {
    let mut record = begin();
    record.note_origin(Some("https://a\r\n.test\u{2028}"));
    let line = record.to_line();
    assert!(!line.contains(['\r', '\n']), "{line}");
    for secret in [
        "a-token",
        "a-cookie",
        "a-query",
        common::NONCE_TEXT,
        "secret",
    ] {
        assert!(!line.contains(secret), "{secret} in {line}");
    }
}
