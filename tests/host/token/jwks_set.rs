//! What is taken of a key set by URL.

use std::rc::Rc;
use std::time::Duration;

use portcullis::token::{Algorithm, Document, RemoteKeys};

use crate::common::{self, NOW, RFC8037_X, assert_rows, base64url};

fn remote(algorithms: &[Algorithm]) -> RemoteKeys {
    RemoteKeys::new(
        "https://id.example.com/jwks".into(),
        algorithms.to_vec(),
        Duration::ZERO,
    )
}

fn okp(id: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}","kid":"{id}"}}"#)
}

fn set(jwks: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

fn document(text: &str) -> Result<Document, String> {
    Ok(Document {
        text: text.to_owned(),
        max_age: None,
        since: NOW,
    })
}

/// What a set of this text gives, after a good one: the remarks, and whether the good one stays.
fn take(algorithms: &[Algorithm], text: &str) -> (Vec<String>, bool) {
    let keys = remote(algorithms);
    keys.take(document(&set(&[okp("a")])), NOW);
    let before = keys.ring(NOW).expect("keys");
    let remarks = keys.take(document(text), NOW).remarks;
    (remarks, Rc::ptr_eq(&before, &keys.ring(NOW).expect("keys")))
}

#[test]
fn a_set_without_a_usable_key_leaves_the_last_good_one() {
    let none = "the key set has no usable key";
    let array = "the key set has no array keys";
    let oct = format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url([7; 64]));
    let private = okp("b").replace("\"kid\"", "\"d\":\"AA\",\"kid\"");
    let rows = [
        (
            "nothing",
            String::new(),
            "the key set is not a JSON object: EOF while parsing a value at line 1 column 0"
                .to_owned(),
        ),
        (
            "a page",
            "<!DOCTYPE html>".into(),
            "the key set is not a JSON object: expected value at line 1 column 1".into(),
        ),
        (
            "an array",
            "[]".into(),
            "the key set is not a JSON object: it is not an object".into(),
        ),
        (
            "cut",
            r#"{"keys":["#.into(),
            "the key set is not a JSON object: EOF while parsing a list at line 1 column 9".into(),
        ),
        (
            "keys twice",
            r#"{"keys":[],"keys":[]}"#.into(),
            "the key set is not a JSON object: a member stands twice at line 1 column 21".into(),
        ),
        ("no keys", "{}".into(), array.into()),
        ("keys an object", r#"{"keys":{}}"#.into(), array.into()),
        ("empty", r#"{"keys":[]}"#.into(), none.into()),
        (
            "no object",
            r#"{"keys":[1]}"#.into(),
            format!("{none}; key 0 is not used: it is not an object"),
        ),
        (
            "a secret",
            set(&[oct]),
            format!("{none}; key 0 is not used: it is a secret, published"),
        ),
        (
            "a private key",
            set(&[private]),
            format!(
                "{none}; key 0 is not used: it is a private key (it has d); give its public part, and replace the key: this one was in a variable"
            ),
        ),
        (
            "for encryption",
            set(&[okp("b").replace("\"kid\"", "\"use\":\"enc\",\"kid\"")]),
            format!(
                "{none}; key 0 is not used: use must be \"sig\"; this key is not for signatures"
            ),
        ),
        (
            "too many",
            set(&vec![okp("b"); 129]),
            "the key set has more than 128 keys".into(),
        ),
        (
            "nesting",
            format!("{{\"keys\":{}", "[".repeat(100_000)),
            "the key set is not a JSON object: recursion limit exceeded at line 1 column 135"
                .into(),
        ),
    ];
    assert_rows(rows.map(|(name, text, problem)| (name, take(&[], &text), (vec![problem], true))));
    let other = [Algorithm::Rs256];
    let restricted = "key 0 is not used: none of its algorithms is in JWT_ALGORITHMS";
    let keys = remote(&other);
    let remarks = keys.take(document(&set(&[okp("a")])), NOW).remarks;
    assert_eq!(remarks, [format!("{none}; {restricted}")]);
    assert_eq!(
        keys.failure(),
        format!("the key set can't be had: {none}; {restricted}")
    );
}

#[test]
fn keys_that_are_not_usable_are_told_and_the_others_used() {
    let mixed = set(&[
        r#"{"kty":"AKP"}"#.into(),
        okp("b"),
        r#"{"kty":"oct","k":"AA"}"#.into(),
    ]);
    let remarks = [
        "key 0 is not used: kty \"AKP\" is unknown; use oct, OKP, RSA or EC",
        "key 2 is not used: it is a secret, published",
    ];
    let found = take(&[], &mixed);
    assert_eq!(found, (common::strings(&remarks), false));
    assert_eq!(take(&[], &set(&vec![okp("b"); 128])), (vec![], false));
    assert_eq!(
        take(&[], &format!(r#"{{"x":1,"keys":[{}]}}"#, okp("b"))),
        (vec![], false)
    );
}
