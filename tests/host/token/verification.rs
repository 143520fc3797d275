//! Tokens that are right, and their times.

use portcullis::response::reason::Rejection;
use portcullis::token::Expectations;
use portcullis::util::time::Timestamp;

use crate::common::claims::*;
use crate::common::runtime::admit_at;
use crate::common::{NOW, NOW_SECONDS, SECRET, Signer, assert_rows, object, seconds};

#[test]
fn every_hmac_verifies_under_a_key_that_is_long_enough() {
    let payload = and_exp(r#""sub":"ada""#);
    let signers = [
        ("HS256", Signer::Hs256(SECRET)),
        ("HS384", Signer::Hs384(SECRET)),
        ("HS512", Signer::Hs512(SECRET)),
    ];
    assert_rows(signers.map(|(alg, signer)| {
        let token = signer.token(&format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#), &payload);
        let found = admit_at(NOW, &gate(Expectations::default()), &token);
        (alg, found, identity(Some("ada"), &[]))
    }));
}

#[test]
fn exp_is_mandatory_and_a_number() {
    let gate = gate(Expectations::default());
    let not_a_number = || unusable("exp is not a number");
    let at = |ms| expiring(Timestamp(ms), None, &[]);
    let passed = || expired("exp has passed");
    let rows = [
        ("missing", r#"{}"#, unusable("exp is missing")),
        ("null", r#"{"exp":null}"#, not_a_number()),
        ("string", r#"{"exp":"1900000000"}"#, not_a_number()),
        ("true", r#"{"exp":true}"#, not_a_number()),
        ("array", r#"{"exp":[1900000000]}"#, not_a_number()),
        ("object", r#"{"exp":{"at":1900000000}}"#, not_a_number()),
        (
            "other case",
            r#"{"EXP":1900000000}"#,
            unusable("exp is missing"),
        ),
        (
            "nested",
            r#"{"claims":{"exp":1900000000}}"#,
            unusable("exp is missing"),
        ),
        ("negative", r#"{"exp":-1}"#, passed()),
        ("very negative", r#"{"exp":-1e308}"#, passed()),
        ("zero", r#"{"exp":0}"#, passed()),
        ("minus zero", r#"{"exp":-0.0}"#, passed()),
        ("tiny", r#"{"exp":5e-324}"#, passed()),
        ("whole", r#"{"exp":1900000000}"#, at(1_900_000_000_000)),
        ("exponent", r#"{"exp":1.9e9}"#, at(1_900_000_000_000)),
        ("fraction", r#"{"exp":1900000000.5}"#, at(1_900_000_000_500)),
        (
            "below the millisecond",
            r#"{"exp":1900000000.0009}"#,
            at(1_900_000_000_000),
        ),
        (
            "milliseconds by mistake",
            r#"{"exp":1900000000000}"#,
            at(1_900_000_000_000_000),
        ),
        ("beyond 64 bits", r#"{"exp":1e308}"#, at(u64::MAX)),
        (
            "largest u64",
            r#"{"exp":18446744073709551615}"#,
            at(u64::MAX),
        ),
        (
            "beyond a double",
            r#"{"exp":1e400}"#,
            invalid("payload: number out of range at line 1 column 12"),
        ),
        (
            "NaN",
            r#"{"exp":NaN}"#,
            invalid("payload: expected value at line 1 column 8"),
        ),
    ];
    assert_rows(rows.map(|(name, payload, expected)| (name, check(&gate, payload), expected)));
}

#[test]
fn a_token_is_over_at_exp_and_not_a_millisecond_sooner() {
    let strict = gate(Expectations::default());
    let lenient = gate(Expectations {
        leeway: seconds(5),
        ..Expectations::default()
    });
    let at = |gate: &_, now| check_at(Timestamp(now), gate, &and_exp(""));
    let exp = EXP * 1000;
    let passed = || expired("exp has passed");
    assert_rows([
        ("just before", at(&strict, exp - 1), nobody()),
        ("at exp", at(&strict, exp), passed()),
        ("after", at(&strict, exp + 1), passed()),
        ("leeway, at exp", at(&lenient, exp), nobody()),
        (
            "leeway, just before its end",
            at(&lenient, exp + 4_999),
            nobody(),
        ),
        ("leeway, at its end", at(&lenient, exp + 5_000), passed()),
    ]);
}

#[test]
fn a_token_of_the_future_is_invalid() {
    let strict = gate(Expectations::default());
    let lenient = gate(Expectations {
        leeway: seconds(5),
        ..Expectations::default()
    });
    for claim in ["nbf", "iat"] {
        let future = || match claim {
            "nbf" => unusable("nbf is in the future"),
            _ => unusable("iat is in the future"),
        };
        let not_a_number = || match claim {
            "nbf" => unusable("nbf is not a number"),
            _ => unusable("iat is not a number"),
        };
        let with = |gate, value: String| check(gate, &and_exp(&format!(r#""{claim}":{value}"#)));
        let at = |gate, offset: i64| with(gate, (NOW_SECONDS as i64 + offset).to_string());
        let rows = [
            ("long ago", at(&strict, -1_000_000), nobody()),
            ("now", at(&strict, 0), nobody()),
            ("in a second", at(&strict, 1), future()),
            (
                "in a millisecond",
                with(&strict, format!("{NOW_SECONDS}.001")),
                future(),
            ),
            ("in the leeway", at(&lenient, 5), nobody()),
            ("beyond the leeway", at(&lenient, 6), future()),
            (
                "at the end of time",
                with(&strict, "1e308".into()),
                future(),
            ),
            ("negative", with(&strict, "-1".into()), nobody()),
            ("null", with(&strict, "null".into()), not_a_number()),
            ("string", with(&strict, "\"0\"".into()), not_a_number()),
            ("bool", with(&strict, "false".into()), not_a_number()),
            ("array", with(&strict, "[0]".into()), not_a_number()),
            ("object", with(&strict, "{}".into()), not_a_number()),
        ];
        assert_rows(rows.map(|(name, is, must)| (format!("{claim} {name}"), is, must)));
    }
}

#[test]
fn a_greatest_age_makes_iat_mandatory() {
    let gate = |leeway| {
        gate(Expectations {
            max_age: Some(seconds(100)),
            leeway: seconds(leeway),
            ..Expectations::default()
        })
    };
    let aged = |leeway, age| {
        let issued = NOW_SECONDS - age;
        check(&gate(leeway), &and_exp(&format!(r#""iat":{issued}"#)))
    };
    let older = || expired("older than JWT_MAX_AGE");
    assert_rows([
        (
            "missing",
            check(&gate(0), &and_exp("")),
            unusable("iat is missing"),
        ),
        ("young", aged(0, 0), nobody()),
        ("just young enough", aged(0, 99), nobody()),
        ("one second too old", aged(0, 101), older()),
        ("in the leeway", aged(5, 104), nobody()),
        ("beyond the leeway", aged(5, 106), older()),
        (
            "before the epoch",
            check(&gate(0), &and_exp(r#""iat":-1"#)),
            older(),
        ),
    ]);
}

#[test]
fn the_identity_knows_when_the_token_expires_without_the_leeway() {
    let gate = gate(Expectations {
        leeway: seconds(30),
        ..Expectations::default()
    });
    let payload = format!(r#"{{"exp":{}}}"#, NOW_SECONDS - 10);
    let expires = Timestamp((NOW_SECONDS - 10) * 1000);
    assert_eq!(check(&gate, &payload), expiring(expires, None, &[]));
}

#[test]
fn claims_are_checked_alike_when_called_directly() {
    let claims = object(&format!(r#"{{"exp":{EXP},"sub":"ada"}}"#));
    let found = Expectations::default().check(claims.clone(), None, String::new, NOW);
    let without_claims = found.map(|mut identity| {
        assert_eq!(std::mem::take(&mut identity.claims), claims);
        Some(identity)
    });
    assert_eq!(
        without_claims.map_err(Rejection::from),
        identity(Some("ada"), &[])
    );
}
