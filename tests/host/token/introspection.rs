//! Sessions: what a provider's answer makes of an opaque credential.

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{
    Authentication, Expectations, IntrospectionRequest, Issuer, Key, KeyRing, KeySources,
    ProviderAnswer,
};

use crate::common::counters::ready;
use crate::common::provider::{
    ADA, INACTIVE, Provider, check, gate, invalid, json, owner, sessions, sessions_with, unverified,
};
use crate::common::runtime::MAX_BYTES;
use crate::common::{
    Ask, NOW, NOW_SECONDS, SECRET, assert_rows, base64url, hs256, seconds, strings,
};

#[test]
fn the_question_is_that_of_rfc_7662() {
    let provider = Provider::saying(ADA);
    let gate = gate(sessions());
    assert_eq!(owner(&gate, &provider, "a+b/c==&d e"), Ok("ada".into()));
    assert_eq!(
        provider.asked.take(),
        [(
            "https://id.example/introspect".to_owned(),
            "Basic Z2F0ZTpzZWNyZXQ=".to_owned(),
            "token=a%2Bb%2Fc%3D%3D%26d+e&token_type_hint=access_token".to_owned(),
        )]
    );
}

#[test]
fn nothing_of_the_secrets_is_printed() {
    assert!(!format!("{:?}", sessions()).contains("Z2F0"));
    let question = IntrospectionRequest {
        url: "https://id.example/introspect",
        authorization: "Basic Z2F0ZTpzZWNyZXQ=",
        form: "token=the-session".into(),
        digest: [7; 32],
    };
    let printed = format!("{question:?}");
    assert!(!printed.contains("Z2F0") && !printed.contains("the-session"));
}

#[test]
fn the_identity_is_mapped_as_from_a_token() {
    let body = format!(
        r#"{{"active":true,"sub":"ada","scope":"read write","permissions":["admin"],
            "exp":{},"client_id":"app"}}"#,
        NOW_SECONDS + 10
    );
    let (identity, recorded) = check(&gate(sessions()), &Provider::saying(&body), "sid-1");
    let identity = identity.expect("active");
    assert_eq!(identity.subject.as_deref(), Some("ada"));
    assert_eq!(identity.scopes, strings(&["read", "write", "admin"]));
    assert_eq!(identity.expires, NOW + seconds(10));
    assert_eq!(identity.claims["client_id"], "app");
    assert_eq!(recorded, [None, None]);
}

#[test]
fn without_exp_the_identity_expires_with_what_is_cached() {
    let rows = [("30s", 30, 30), ("5m", 300, 300), ("off", 0, 30)];
    assert_rows(rows.map(|(name, fresh, life)| {
        let sessions = sessions_with(Expectations::default(), seconds(fresh));
        let (identity, _) = check(&gate(sessions), &Provider::saying(ADA), "sid-1");
        (name, identity.map(|it| it.expires), Ok(NOW + seconds(life)))
    }));
}

#[test]
fn only_a_boolean_true_is_active() {
    let no_boolean = || unverified("the provider's answer has no boolean active");
    let broken = |problem: &str| unverified(&format!("the provider's answer: {problem}"));
    let rows = [
        (ADA, Ok("ada".to_owned())),
        (INACTIVE, invalid("the session is not active")),
        (
            r#"{"active":false,"sub":"ada"}"#,
            invalid("the session is not active"),
        ),
        (r#"{"active":"true","sub":"ada"}"#, no_boolean()),
        (r#"{"active":1,"sub":"ada"}"#, no_boolean()),
        (r#"{"active":null,"sub":"ada"}"#, no_boolean()),
        (r#"{"active":[true],"sub":"ada"}"#, no_boolean()),
        (r#"{"Active":true,"sub":"ada"}"#, no_boolean()),
        (r#"{"sub":"ada"}"#, no_boolean()),
        (r#"{}"#, no_boolean()),
        (r#"true"#, broken("it is not an object")),
        (r#"[{"active":true}]"#, broken("it is not an object")),
        (
            r#"{"active":false,"active":true}"#,
            broken("a member stands twice at line 1 column 30"),
        ),
        (
            r#"{"active":true,"sub":"a","sub":"b"}"#,
            broken("a member stands twice at line 1 column 35"),
        ),
        (
            r#"{"active":true} {}"#,
            broken("trailing characters at line 1 column 17"),
        ),
        ("", broken("EOF while parsing a value at line 1 column 0")),
        ("<html>", broken("expected value at line 1 column 1")),
    ];
    assert_rows(rows.map(|(body, expected)| {
        (
            body,
            owner(&gate(sessions()), &Provider::saying(body), "sid-1"),
            expected,
        )
    }));
}

#[test]
fn a_provider_that_fails_vouches_for_nobody() {
    let typed = |content_type: &str| {
        Ok(ProviderAnswer {
            content_type: content_type.into(),
            ..json(200, ADA)
        })
    };
    let wrong_type = || unverified("the provider's answer is not of type application/json");
    let rows = [
        (
            "it is down",
            Err("connection refused".into()),
            unverified("connection refused"),
        ),
        (
            "it is slow",
            Err("timed out".into()),
            unverified("timed out"),
        ),
        (
            "500",
            Ok(json(500, ADA)),
            unverified("the provider answered 500"),
        ),
        (
            "401",
            Ok(json(401, ADA)),
            unverified("the provider answered 401"),
        ),
        (
            "302",
            Ok(json(302, ADA)),
            unverified("the provider answered 302"),
        ),
        (
            "201",
            Ok(json(201, ADA)),
            unverified("the provider answered 201"),
        ),
        ("a page", typed("text/html"), wrong_type()),
        ("no type", typed(""), wrong_type()),
        (
            "another JSON",
            typed("application/token-introspection+jwt"),
            wrong_type(),
        ),
        (
            "type in other case",
            typed("Application/JSON ; charset=x"),
            Ok("ada".into()),
        ),
    ];
    assert_rows(rows.map(|(name, answer, expected)| {
        let provider = Provider::saying(ADA);
        provider.answer(answer);
        (name, owner(&gate(sessions()), &provider, "sid-1"), expected)
    }));
}

#[test]
fn expectations_hold_as_for_tokens() {
    let strict = || Expectations {
        issuers: strings(&["https://id.example"]),
        audiences: strings(&["chat"]),
        ..Expectations::default()
    };
    let with = |claims: &str| format!(r#"{{"active":true,"sub":"ada"{claims}}}"#);
    let good = r#","iss":"https://id.example","aud":["chat"]"#;
    let at = |name: &str, offset: i64| {
        format!(
            r#"{good},"{name}":{}"#,
            NOW_SECONDS.strict_add_signed(offset)
        )
    };
    let rows = [
        ("all right", with(good), Ok("ada".to_owned())),
        (
            "no iss",
            with(r#","aud":"chat""#),
            invalid("iss is not in JWT_ISSUER"),
        ),
        (
            "no aud",
            with(r#","iss":"https://id.example""#),
            invalid("aud is not in JWT_AUDIENCE"),
        ),
        (
            "nbf to come",
            with(&at("nbf", 1)),
            invalid("nbf is in the future"),
        ),
        (
            "iat to come",
            with(&at("iat", 1)),
            invalid("iat is in the future"),
        ),
        (
            "exp passed, active or not",
            with(&at("exp", 0)),
            Err("token_expired: exp has passed".into()),
        ),
        ("exp to come", with(&at("exp", 1)), Ok("ada".into())),
        (
            "exp as a string",
            with(&format!(r#"{good},"exp":"1900000000""#)),
            invalid("exp is not a number"),
        ),
    ];
    assert_rows(rows.map(|(name, body, expected)| {
        let gate = gate(sessions_with(strict(), seconds(30)));
        (
            name,
            owner(&gate, &Provider::saying(&body), "sid-1"),
            expected,
        )
    }));
}

#[test]
fn no_session_id_is_empty_or_endless() {
    let provider = Provider::saying(ADA);
    let gate = gate(sessions());
    let longest = "s".repeat(MAX_BYTES);
    assert_rows([
        (
            "empty",
            owner(&gate, &provider, ""),
            invalid("the session id is empty"),
        ),
        (
            "longest",
            owner(&gate, &provider, &longest),
            Ok("ada".into()),
        ),
        (
            "longer",
            owner(&gate, &provider, &format!("{longest}s")),
            invalid("longer than the 16384 bytes of TOKEN_MAX_BYTES"),
        ),
    ]);
    assert_eq!(provider.times_asked(), 1);
}

/// What goes to the provider where keys are configured as well: all that is no JWT.
#[test]
fn jwts_are_for_the_keys_and_the_rest_is_for_the_provider() {
    let with_keys = || Authentication {
        issuers: vec![Issuer {
            keys: KeySources::fixed(KeyRing::new(vec![
                Key::from_secret(SECRET.to_vec()).expect("long enough"),
            ])),
            expectations: Expectations::default(),
        }],
        ..gate(sessions())
    };
    let jwt = hs256(&format!(r#"{{"sub":"bob","exp":{}}}"#, NOW_SECONDS + 60));
    let forged = format!("{}AA", &jwt[..jwt.len() - 2]);
    let header = |json: &str| format!("{}.e30.e30", base64url(json));
    let ada = || Ok("ada".to_owned());
    let rows = [
        ("a JWT", jwt.clone(), Ok("bob".into()), 0),
        (
            "a forged one",
            forged,
            invalid("the signature does not verify"),
            0,
        ),
        (
            "one that says none",
            header(r#"{"alg":"none"}"#),
            invalid("alg is not one that is verified here"),
            0,
        ),
        (
            "one with crit",
            header(r#"{"alg":"HS256","crit":["x"]}"#),
            invalid("header has crit"),
            0,
        ),
        (
            "one whose alg is no string",
            header(r#"{"alg":1}"#),
            invalid("header has no alg"),
            0,
        ),
        ("opaque", "0123456789abcdef".into(), ada(), 1),
        ("one dot", "a.b".into(), ada(), 1),
        ("three segments that are no JWT", "a.b.c".into(), ada(), 1),
        ("a header without alg", header("{}"), ada(), 1),
        ("a header that is no object", header("[]"), ada(), 1),
        ("a JWE", format!("{jwt}.x.y"), ada(), 1),
        ("a foreign alphabet", format!("{jwt}="), ada(), 1),
    ];
    assert_rows(rows.iter().map(|(name, credential, expected, asked)| {
        let provider = Provider::saying(ADA);
        let found = owner(&with_keys(), &provider, credential);
        (
            *name,
            (found, provider.times_asked()),
            (expected.clone(), *asked),
        )
    }));
    let provider = Provider::saying(ADA);
    let (identity, recorded) = check(&gate(sessions()), &provider, &jwt);
    assert_eq!(identity.map(|it| it.subject), Ok(Some("ada".into())));
    assert_eq!(
        recorded,
        [None, None],
        "without keys a JWT is opaque, its header a mere claim"
    );
}

#[test]
fn a_request_without_a_credential_asks_nobody() {
    let provider = Provider::saying(ADA);
    let gate = gate(sessions());
    let ask = Ask::upgrade();
    let verdict = ready(gate.check(&provider, gate.find(&ask.request(), &[])));
    let expected = Reason::TokenMissing.because("no token in any of TOKEN_SOURCES");
    assert_eq!(verdict.result.err().map(Rejection::from), Some(expected));
    assert_eq!(provider.times_asked(), 0);
}
