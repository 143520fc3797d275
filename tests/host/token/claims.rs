//! What a token must say of its issuer, audience and subject.

use portcullis::token::Expectations;

use crate::common::claims::*;
use crate::common::runtime::admit_at;
use crate::common::{NOW, Signer, assert_rows, seconds, strings};

#[test]
fn an_expected_issuer_or_audience_is_mandatory() {
    let gate = gate(Expectations {
        issuers: strings(&["https://id.example", "backup"]),
        audiences: strings(&["chat", "admin"]),
        ..Expectations::default()
    });
    let iss = || unusable("iss is not in JWT_ISSUER");
    let aud = || unusable("aud is not in JWT_AUDIENCE");
    let rows = [
        ("both", r#""iss":"backup","aud":"chat""#, nobody()),
        (
            "the other values",
            r#""iss":"https://id.example","aud":"admin""#,
            nobody(),
        ),
        (
            "audience as an array",
            r#""iss":"backup","aud":["x","chat"]"#,
            nobody(),
        ),
        ("neither", "", iss()),
        ("issuer missing", r#""aud":"chat""#, iss()),
        ("issuer other", r#""iss":"evil","aud":"chat""#, iss()),
        ("issuer empty", r#""iss":"","aud":"chat""#, iss()),
        (
            "issuer in other case",
            r#""iss":"Backup","aud":"chat""#,
            iss(),
        ),
        (
            "issuer with a slash",
            r#""iss":"https://id.example/","aud":"chat""#,
            iss(),
        ),
        (
            "issuer with more behind",
            r#""iss":"https://id.example.evil","aud":"chat""#,
            iss(),
        ),
        (
            "issuers as one text",
            r#""iss":"https://id.example,backup","aud":"chat""#,
            iss(),
        ),
        (
            "issuer as an array",
            r#""iss":["backup"],"aud":"chat""#,
            unusable("iss is not a string"),
        ),
        (
            "issuer null",
            r#""iss":null,"aud":"chat""#,
            unusable("iss is not a string"),
        ),
        ("audience missing", r#""iss":"backup""#, aud()),
        ("audience other", r#""iss":"backup","aud":"chats""#, aud()),
        (
            "audiences as one text",
            r#""iss":"backup","aud":"chat admin""#,
            aud(),
        ),
        ("audience array empty", r#""iss":"backup","aud":[]"#, aud()),
        (
            "audience array of others",
            r#""iss":"backup","aud":["a","b"]"#,
            aud(),
        ),
        (
            "audience array with a number",
            r#""iss":"backup","aud":["chat",1]"#,
            unusable("aud has an element that is not a string"),
        ),
        (
            "audience nested",
            r#""iss":"backup","aud":[["chat"]]"#,
            unusable("aud has an element that is not a string"),
        ),
        (
            "audience null",
            r#""iss":"backup","aud":null"#,
            unusable("aud is neither a string nor an array"),
        ),
        (
            "audience object",
            r#""iss":"backup","aud":{"chat":1}"#,
            unusable("aud is neither a string nor an array"),
        ),
    ];
    assert_rows(
        rows.map(|(name, claims, expected)| (name, check(&gate, &and_exp(claims)), expected)),
    );
}

#[test]
fn without_expectations_issuer_and_audience_are_free_but_well_formed() {
    let gate = gate(Expectations::default());
    assert_rows([
        (
            "any",
            check(&gate, &and_exp(r#""iss":"x","aud":["y"]"#)),
            nobody(),
        ),
        (
            "issuer a number",
            check(&gate, &and_exp(r#""iss":1"#)),
            unusable("iss is not a string"),
        ),
        (
            "audience a number",
            check(&gate, &and_exp(r#""aud":1"#)),
            unusable("aud is neither a string nor an array"),
        ),
    ]);
}

#[test]
fn subject_and_scopes_are_read_in_the_forms_that_providers_use() {
    let gate = gate(Expectations::default());
    let rows = [
        ("subject", r#""sub":"ada""#, identity(Some("ada"), &[])),
        ("subject empty", r#""sub":"""#, identity(None, &[])),
        (
            "subject beyond ASCII",
            r#""sub":"zo\u00eb\r\n""#,
            identity(Some("zoë\r\n"), &[]),
        ),
        (
            "subject a number",
            r#""sub":7"#,
            unusable("sub is not a string"),
        ),
        (
            "subject null",
            r#""sub":null"#,
            unusable("sub is not a string"),
        ),
        (
            "scope",
            r#""scope":"a b:c  d""#,
            identity(None, &["a", "b:c", "d"]),
        ),
        ("scope empty", r#""scope":"""#, nobody()),
        (
            "scp as an array",
            r#""scp":["a","b"]"#,
            identity(None, &["a", "b"]),
        ),
        (
            "permissions",
            r#""permissions":["x:y"]"#,
            identity(None, &["x:y"]),
        ),
        (
            "all three, repeated",
            r#""scope":"a b","scp":["b","c"],"permissions":["c","a","d"]"#,
            identity(None, &["a", "b", "c", "d"]),
        ),
        (
            "two in one element",
            r#""scp":["a b","c"]"#,
            identity(None, &["c"]),
        ),
        (
            "line break",
            r#""scope":"a\r\nX:y b""#,
            identity(None, &["b"]),
        ),
        (
            "quote and backslash",
            r#""scope":"a\"b a\\b c""#,
            identity(None, &["c"]),
        ),
        (
            "of a shape of the provider's own",
            r#""scope":null,"scp":7,"permissions":[{"rsname":"a"},"b"]"#,
            identity(None, &["b"]),
        ),
        ("beyond ASCII", r#""scope":"é c""#, identity(None, &["c"])),
    ];
    assert_rows(
        rows.map(|(name, claims, expected)| (name, check(&gate, &and_exp(claims)), expected)),
    );
}

/// Whoever can't present a right token learns nothing of the claims.
#[test]
fn a_token_that_is_expired_and_otherwise_wrong_is_invalid() {
    let gate = gate(Expectations {
        issuers: strings(&["id"]),
        audiences: strings(&["chat"]),
        max_age: Some(seconds(100)),
        ..Expectations::default()
    });
    let rows = [
        (
            "right but for exp",
            r#""iss":"id","aud":"chat","iat":1799999999"#,
            expired("exp has passed"),
        ),
        (
            "right but for age",
            r#""iss":"id","aud":"chat","iat":1"#,
            expired("older than JWT_MAX_AGE"),
        ),
        (
            "issuer",
            r#""iss":"x","aud":"chat","iat":1"#,
            unusable("iss is not in JWT_ISSUER"),
        ),
        (
            "audience",
            r#""iss":"id","aud":"x","iat":1"#,
            unusable("aud is not in JWT_AUDIENCE"),
        ),
        (
            "no iat",
            r#""iss":"id","aud":"chat""#,
            unusable("iat is missing"),
        ),
        (
            "nbf",
            r#""iss":"id","aud":"chat","iat":1,"nbf":1e10"#,
            unusable("nbf is in the future"),
        ),
        (
            "sub",
            r#""iss":"id","aud":"chat","iat":1,"sub":1"#,
            unusable("sub is not a string"),
        ),
    ];
    assert_rows(rows.map(|(name, claims, expected)| {
        let payload = format!(r#"{{"exp":1000,{claims}}}"#);
        (name, check(&gate, &payload), expected)
    }));
    let forged = Signer::Hs256(&[7; 32]).token(r#"{"alg":"HS256"}"#, r#"{"exp":1000}"#);
    assert_eq!(
        admit_at(NOW, &gate, &forged),
        invalid("the signature does not verify")
    );
}
