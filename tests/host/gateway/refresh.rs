//! Refreshes: which sockets they move, and what refuses them.

use portcullis::registry::{
    Claim, DenialReason, RefreshScope, RegistryKey, RegistryRequest, RegistryResponse,
};
use portcullis::token::TokenDigest;

use crate::common::assert_rows;
use crate::common::scripted::{ADMIN, Part, Scripted, post};

const PATH: &str = "/_portcullis/refresh?path=/chat";
const ALICE: &str = r#""sub":"alice","iss":"https://id","sid":"s1""#;
/// Tokens of hers that name no session.
const WITHOUT_SID: &str = r#""sub":"alice","iss":"https://id""#;

fn gate(vars: &[(&str, &str)]) -> Scripted {
    let mut all = vec![("CLOSE_ON_EXPIRY", "true"), ("JWT_LEEWAY", "0s")];
    all.extend(vars);
    Scripted::with(&all)
}

#[test]
fn a_refresh_asks_the_object_of_its_subject_for_its_session() {
    let gate = gate(&[]);
    gate.registry
        .borrow_mut()
        .push_back(RegistryResponse::Extended { sockets: 3 });
    let answer = gate.knock(&post(PATH, ALICE));
    assert_eq!(answer.member("sockets"), 3, "{answer:?}");
    assert_eq!(answer.member("expires_in"), 2_200_000_000_u64);
    assert_eq!(
        (answer.record.outcome.name(), answer.record.stage.name()),
        ("refreshed", "registry")
    );
    let asked = gate.registry_asked.take();
    let [
        (
            shard,
            RegistryRequest::Extend {
                subject,
                scope: RefreshScope::Session(session),
                ..
            },
        ),
    ] = asked.as_slice()
    else {
        panic!("one object is asked: {asked:?}");
    };
    assert_eq!(*shard, subject.shard());
    let is_of = |key: &RegistryKey, text: &str| key.as_str().contains(text);
    assert!(is_of(subject, "alice") && is_of(session, "s1"));
    assert_eq!(gate.take_asked(), ["address: admit"]);
}

#[test]
fn a_refresh_is_refused_at_the_step_that_refuses_it() {
    let with = |vars: &[(&str, &str)], claims: &str, answer: Option<RegistryResponse>| {
        let gate = gate(vars);
        gate.registry.borrow_mut().extend(answer);
        gate.knock(&post(PATH, claims)).line()
    };
    let refused = |end| Some(RegistryResponse::Refused { end, by: None });
    let admin = [("ADMIN_TOKEN", ADMIN)];
    let rows = [
        (
            "without a subject",
            with(&[], r#""iss":"https://id""#, None),
            "bad_request at permission: the token names no subject",
        ),
        (
            "a token that was revoked",
            with(&admin, ALICE, refused(DenialReason::Revoked)),
            "revoked at registry: the registry's answer",
        ),
        (
            "a subject that is banned",
            with(&admin, ALICE, refused(DenialReason::Banned)),
            "banned at registry: banned by an administrator",
        ),
        (
            "an answer to another question",
            with(&[], ALICE, Some(RegistryResponse::Full)),
            "limiter_unavailable at registry: the registry answered Full",
        ),
    ];
    assert_rows(rows.map(|(name, line, expected)| (name, line, expected.to_owned())));
}

/// Nothing was moved, whatever the failure policy says.
#[test]
fn no_failure_of_the_registry_passes_for_a_refresh() {
    let gate = gate(&[("ON_LIMITER_FAILURE", "admit")]);
    gate.break_down(Part::Registry);
    let answer = gate.knock(&post(PATH, ALICE));
    assert_eq!(answer.line(), "limiter_unavailable at registry: down");
}

#[test]
fn a_refresh_uses_its_jti_up() {
    let gate = gate(&[("JWT_REPLAY", "reject")]);
    let ask = post(PATH, &format!(r#"{ALICE},"jti":"t1""#));
    assert_eq!(gate.knock(&ask).what, "json");
    assert_eq!(gate.take_asked(), ["address: admit", "jti: keep"]);
    assert_eq!(
        gate.knock(&ask).line(),
        "token_invalid at counters: the jti was admitted before"
    );
    let without = post(PATH, ALICE);
    assert_eq!(
        gate.knock(&without).line(),
        "token_invalid at token: jti is missing"
    );
}

#[test]
fn without_a_session_the_previous_token_says_which_sockets_are_meant() {
    let scope = |claims, previous: Option<&str>| {
        let gate = gate(&[]);
        let ask = post(PATH, claims);
        let ask = match previous {
            Some(token) => ask.with("portcullis-previous-token", token),
            None => ask,
        };
        let answer = gate.knock(&ask);
        let asked = gate.registry_asked.take();
        match asked.into_iter().next() {
            Some((_, RegistryRequest::Extend { scope, entry, .. })) => {
                assert!(entry.socket.token.is_some());
                Ok(scope)
            }
            Some(other) => panic!("{other:?}"),
            None => Err(answer.line()),
        }
    };
    let session = || {
        let id = Some("https://id");
        Ok(RefreshScope::Session(RegistryKey::claim(
            Claim::Session,
            id,
            "s1",
        )))
    };
    let token = |token| Ok(RefreshScope::Token(TokenDigest::of(token)));
    let missing = || Err("bad_request at permission: the token names no session".to_owned());
    assert_rows([
        ("a session", scope(ALICE, None), session()),
        (
            "a session and a token",
            scope(ALICE, Some("old")),
            session(),
        ),
        ("a token", scope(WITHOUT_SID, Some("old")), token("old")),
        (
            "a token with spaces",
            scope(WITHOUT_SID, Some(" old ")),
            token("old"),
        ),
        ("neither", scope(WITHOUT_SID, None), missing()),
        ("an empty token", scope(WITHOUT_SID, Some(" ")), missing()),
    ]);
}
