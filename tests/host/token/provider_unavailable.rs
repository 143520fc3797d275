//! What is not known is not told as "no": keys that can't be had give `provider_unavailable`, and a
//! token under keys that are known stays what it is. Several sources of keys hold together.

use std::rc::Rc;
use std::time::Duration;

use portcullis::token::{
    Authentication, Expectations, Issuer, Key, KeyRing, KeySources, RemoteKeys, TrustDomain,
};

use crate::common::runtime::{Bench, admit, gate_of};
use crate::common::{NOW, RFC8037_X, SECRET, Signer, assert_rows, hs256, rfc8037_key, seconds};

const URL: &str = "https://id.example/jwks";
const PAYLOAD: &str = r#"{"sub":"ada","exp":1900000000}"#;

fn set(kid: &str) -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}","kid":"{kid}"}}]}}"#)
}

fn token(kid: &str) -> String {
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
    Signer::Ed25519(&rfc8037_key()).token(&header, PAYLOAD)
}

/// A token without kid, by a key that nobody knows.
fn strange() -> String {
    let token = Signer::Ed25519(&rfc8037_key()).token(r#"{"alg":"EdDSA"}"#, PAYLOAD);
    let (signed, _) = token.rsplit_once('.').expect("three segments");
    format!("{signed}.{}", "A".repeat(86))
}

fn gate(fixed: Vec<Key>) -> Authentication {
    let remote = RemoteKeys::new(URL.into(), vec![], Duration::from_hours(1));
    gate_of([Issuer {
        keys: KeySources {
            fixed: KeyRing::new(fixed),
            remote: Some(Rc::new(remote)),
        },
        expectations: Expectations::default(),
    }])
}

fn secret() -> Key {
    Key::from_secret(SECRET.to_vec()).expect("long enough")
}

/// The name of the reason, or whom the token names.
fn says(bench: &Bench, gate: &Authentication, token: &str) -> String {
    match admit(bench, gate, token) {
        Ok(identity) => identity.subject.expect("a subject"),
        Err(rejection) => rejection.reason.name().to_owned(),
    }
}

#[test]
fn an_unknown_key_is_invalid_only_by_a_set_that_could_be_fetched() {
    let bench = Bench::at(NOW);
    let gate = gate(vec![]);
    let told = |token: &str| says(&bench, &gate, token);
    assert_eq!(told(&token("a")), "provider_unavailable", "never fetched");
    bench.publish(URL, &set("a"));
    bench.now.set(NOW + seconds(6));
    assert_rows([
        ("known", told(&token("a")), "ada".to_owned()),
        (
            "unknown, just fetched",
            told(&token("b")),
            "token_invalid".into(),
        ),
        (
            "forged, just fetched",
            told(&strange()),
            "token_invalid".into(),
        ),
    ]);
    bench.provider.borrow_mut().clear();
    bench.now.set(NOW + seconds(20));
    assert_rows([
        (
            "unknown, and the provider is down",
            told(&token("b")),
            "provider_unavailable".to_owned(),
        ),
        (
            "once more, in the cooldown",
            told(&token("b")),
            "provider_unavailable".into(),
        ),
        (
            "without kid",
            told(&strange()),
            "provider_unavailable".into(),
        ),
        ("known all the same", told(&token("a")), "ada".into()),
        (
            "an algorithm that no published key is for",
            told(&hs256(PAYLOAD)),
            "token_invalid".into(),
        ),
        ("no token at all", told("x.y.z"), "token_invalid".into()),
    ]);
    bench.publish(URL, &set("b"));
    bench.now.set(NOW + seconds(40));
    assert_eq!(told(&token("b")), "ada", "it is back");
}

#[test]
fn several_sources_of_keys_hold_together() {
    let bench = Bench::at(NOW);
    let gate = gate(vec![secret()]);
    assert_eq!(says(&bench, &gate, &hs256(PAYLOAD)), "ada");
    assert_eq!(
        bench.take_fetched(),
        [],
        "a key of the settings costs no fetch"
    );
    let forged = Signer::Hs256(&[7; 32]).token(r#"{"alg":"HS256"}"#, PAYLOAD);
    assert_eq!(says(&bench, &gate, &forged), "token_invalid");
    assert_eq!(bench.take_fetched(), [], "nor does a forged one");
    assert_eq!(says(&bench, &gate, &token("a")), "provider_unavailable");
    bench.publish(URL, &set("a"));
    bench.now.set(NOW + seconds(6));
    assert_eq!(says(&bench, &gate, &token("a")), "ada");
}

#[test]
fn a_token_without_iss_is_within_the_domain_of_what_verified_it() {
    let bench = Bench::at(NOW);
    bench.publish(URL, &set("a"));
    let domain =
        |gate: &Authentication, token: &str| admit(&bench, gate, token).expect("admitted").domain;
    let other = Key::from_secret(vec![7; 64]).expect("long enough");
    let by_other = Signer::Hs256(&[7; 64]).token(r#"{"alg":"HS256"}"#, PAYLOAD);
    let both = gate(vec![secret(), other]);
    let own = domain(&both, &hs256(PAYLOAD));
    assert_eq!(
        own,
        domain(&gate(vec![secret()]), &hs256(PAYLOAD)),
        "the key alone decides"
    );
    let all = [own, domain(&both, &by_other), domain(&both, &token("a"))];
    assert!(
        all.iter()
            .all(|domain| matches!(domain, TrustDomain::KeySource(_)))
    );
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    let named = hs256(r#"{"iss":"https://a.test","exp":1900000000}"#);
    assert_eq!(
        domain(&both, &named),
        TrustDomain::Issuer("https://a.test".into())
    );
    let empty = hs256(r#"{"iss":"","exp":1900000000}"#);
    assert!(matches!(domain(&both, &empty), TrustDomain::KeySource(_)));
}
