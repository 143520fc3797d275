//! The use of a `jti`: which ones can be admitted once, and under which name.

use portcullis::one_time::jti::TokenUse;
use portcullis::response::reason::{Reason, Rejection};
use portcullis::util::time::Timestamp;

use crate::common::{NOW, assert_rows, identity, seconds};

fn use_of(claims: &str) -> Result<TokenUse, Rejection> {
    TokenUse::of(&identity(claims), NOW)
}

fn name(claims: &str) -> String {
    use_of(claims).expect("a sound jti").name
}

#[test]
fn a_jti_is_a_text_of_bounded_length() {
    let jti = |length: usize| format!(r#"{{"jti":"{}"}}"#, "x".repeat(length));
    let rows = [
        ("none", "{}".into(), Some("jti is missing")),
        (
            "null",
            r#"{"jti":null}"#.into(),
            Some("jti is not a string"),
        ),
        (
            "a number",
            r#"{"jti":7}"#.into(),
            Some("jti is not a string"),
        ),
        (
            "an array",
            r#"{"jti":["a"]}"#.into(),
            Some("jti is not a string"),
        ),
        ("empty", jti(0), Some("jti is empty")),
        ("one byte", jti(1), None),
        ("256 bytes", jti(256), None),
        ("257 bytes", jti(257), Some("jti is longer than 256 bytes")),
    ];
    assert_rows(rows.map(|(name, claims, cause)| {
        let expected = cause.map(|cause| Reason::TokenUnusable.because(cause));
        (name, use_of(&claims).err(), expected)
    }));
}

#[test]
fn an_id_counts_with_its_issuer() {
    let names = [
        name(r#"{"jti":"a"}"#),
        name(r#"{"jti":"b"}"#),
        name(r#"{"jti":"a","iss":"b"}"#),
        name(r#"{"jti":"b","iss":"a"}"#),
        name(r#"{"jti":"ab","iss":"c"}"#),
        name(r#"{"jti":"b","iss":"ca"}"#),
    ];
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{at}");
    }
    // Nothing else of a token makes a difference.
    assert_eq!(names[0], name(r#"{"jti":"a","sub":"ada","aud":"x"}"#));
}

/// What was admitted before a deployment must be known after it.
#[test]
fn the_name_is_unchanged() {
    assert_eq!(name(r#"{"jti":"b","iss":"a"}"#), PINNED);
}
const PINNED: &str = "jti 3c9d591045bc8876f9d0399bbfb05c6a412096e906f73278f98406cd5dca86df";

#[test]
fn it_is_remembered_for_longer_than_clocks_differ() {
    assert_eq!(
        use_of(r#"{"jti":"a"}"#).map(|id| id.until),
        Ok(NOW + seconds(60))
    );
}

#[test]
fn a_token_is_accepted_until_the_first_of_its_ends() {
    let at = |seconds: u64| Timestamp(seconds * 1000);
    let rows = [
        ("exp", r#"{"iat":100}"#, 0, None, at(1000)),
        ("exp and leeway", "{}", 30, None, at(1030)),
        ("an age without iat", "{}", 0, Some(50), at(1000)),
        ("its age", r#"{"iat":100}"#, 0, Some(50), at(150)),
        (
            "its age and leeway",
            r#"{"iat":100}"#,
            30,
            Some(50),
            at(180),
        ),
        (
            "an age beyond exp",
            r#"{"iat":100}"#,
            0,
            Some(5000),
            at(1000),
        ),
    ];
    assert_rows(rows.map(|(name, claims, leeway, max_age, expected)| {
        let mut identity = identity(claims);
        identity.expires = at(1000);
        let until = identity.accepted_until(seconds(leeway), max_age.map(seconds));
        (name, until, expected)
    }));
}
