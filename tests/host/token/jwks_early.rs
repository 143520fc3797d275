//! A key set by URL that is fetched early, since a token may be by a key that it lacks.

use std::time::Duration;

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Authentication, Expectations, Issuer, KeySources, RemoteKeys};

use crate::common::runtime::{Bench, admit, gate_of};
use crate::common::{NOW, RFC8037_X, Signer, assert_rows, ms, rfc8037_key, seconds};

const URL: &str = "https://id.example.com/jwks";
/// Of another key than the tests sign with.
const OTHER_X: &str = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY";
const SIGNATURE: &str = "the signature does not verify";
const NO_KEY: &str = "no key for this alg and kid";

fn okp(x: &str, more: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{more}}}"#)
}

fn named(id: &str) -> String {
    okp(RFC8037_X, &format!(r#","kid":"{id}""#))
}

fn set(jwks: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

fn gate() -> Authentication {
    let hour = Duration::from_hours(1);
    gate_of([Issuer {
        keys: KeySources::remote(RemoteKeys::new(URL.into(), Vec::new(), hour)),
        expectations: Expectations::default(),
    }])
}

fn signed(header: &str) -> String {
    Signer::Ed25519(&rfc8037_key()).token(header, r#"{"exp":1900000000}"#)
}

fn token(id: &str) -> String {
    signed(&format!(r#"{{"alg":"EdDSA","kid":"{id}"}}"#))
}

fn nameless() -> String {
    signed(r#"{"alg":"EdDSA"}"#)
}

/// What a token gets, and how the set was fetched for it.
type Step = (Result<(), Rejection>, Vec<&'static str>);

fn step(bench: &Bench, gate: &Authentication, after: u64, token: &str) -> Step {
    bench.now.set(NOW + ms(after));
    let admitted = admit(bench, gate, token).map(|_| ());
    let fetched = bench.take_fetched();
    (admitted, fetched.iter().map(|(_, how)| *how).collect())
}

fn refused(cause: &'static str, fetched: &[&'static str]) -> Step {
    let rejection = Reason::TokenInvalid.because(cause);
    (Err(rejection), fetched.to_vec())
}

fn admitted(fetched: &[&'static str]) -> Step {
    (Ok(()), fetched.to_vec())
}

/// A refresh behind an answer brings what the provider has then; a rotation may follow it at once.
#[test]
fn a_refresh_behind_does_not_hold_up_an_early_one() {
    let bench = Bench::at(NOW);
    let gate = gate();
    let step = |after, id: &str| step(&bench, &gate, after, &token(id));
    bench.publish(URL, &set(&[named("a")]));
    assert_eq!(step(0, "a"), admitted(&["any cache"]));
    assert_eq!(step(250_000, "a"), admitted(&["behind"]));
    bench.finish_background();
    bench.publish(URL, &set(&[named("a"), named("b")]));
    assert_rows([
        ("rotated", step(250_001, "b"), admitted(&["provider"])),
        ("made up", step(250_002, "x"), refused(NO_KEY, &[])),
        ("made up, cooling", step(255_000, "y"), refused(NO_KEY, &[])),
        (
            "made up, cool",
            step(255_001, "z"),
            refused(NO_KEY, &["provider"]),
        ),
    ]);
}

/// Where nothing names the key, only a signature tells that the set is another by now.
#[test]
fn a_set_without_kids_is_fetched_early_when_a_signature_does_not_verify() {
    let before = || okp(OTHER_X, "");
    let after = || okp(RFC8037_X, "");
    let cases = [
        ("neither has a name", before(), after(), nameless()),
        ("only the token has one", before(), after(), token("a")),
        (
            "only the keys have one",
            okp(OTHER_X, r#","kid":"a""#),
            named("b"),
            nameless(),
        ),
    ];
    for (name, before, after, token) in cases {
        let bench = Bench::at(NOW);
        let gate = gate();
        let step = |after| step(&bench, &gate, after, &token);
        bench.publish(URL, &set(&[before]));
        let first = ["any cache", "provider"];
        assert_eq!(step(0), refused(SIGNATURE, &first), "{name}");
        assert_eq!(step(4_999), refused(SIGNATURE, &[]), "{name}, cooling");
        assert_eq!(step(5_000), refused(SIGNATURE, &["provider"]), "{name}");
        bench.publish(URL, &set(&[after]));
        assert_eq!(step(9_999), refused(SIGNATURE, &[]), "{name}, cooling");
        assert_eq!(step(10_000), admitted(&["provider"]), "{name}, rotated");
        assert_eq!(step(10_001), admitted(&[]), "{name}, known");
        bench.provider.borrow_mut().clear();
        assert_eq!(step(20_000), admitted(&[]), "{name}, down");
    }
}

#[test]
fn a_signature_under_the_key_that_the_token_names_asks_for_no_other() {
    let bench = Bench::at(NOW);
    let gate = gate();
    bench.publish(URL, &set(&[okp(OTHER_X, r#","kid":"a""#), named("b")]));
    let (a, b) = (token("a"), token("b"));
    assert_eq!(step(&bench, &gate, 0, &b), admitted(&["any cache"]));
    for at in [1, 6_000, 12_000] {
        assert_eq!(step(&bench, &gate, at, &a), refused(SIGNATURE, &[]));
    }
}

/// Whatever a token says of keys, the provider is asked once in a while, and not for what it
/// can't have.
#[test]
fn tokens_can_not_make_a_stampede() {
    let bench = Bench::at(NOW);
    let gate = gate();
    bench.publish(URL, &set(&[named("a")]));
    for at in (0..10_000).step_by(20) {
        bench.now.set(NOW + ms(at));
        let _ = admit(&bench, &gate, &token(&at.to_string()));
    }
    assert_eq!(
        bench.take_fetched().len(),
        3,
        "the first, one for a new key, and one after 5 s"
    );
    bench.now.set(NOW + seconds(60));
    for forged in [
        Signer::Hs256(&[7; 32]).token(r#"{"alg":"none"}"#, "{}"),
        Signer::Hs256(&[7; 32]).token(r#"{"alg":"ES256K","kid":"z"}"#, "{}"),
        "x".to_owned(),
        "a.b.c".to_owned(),
    ] {
        assert!(admit(&bench, &gate, &forged).is_err());
    }
    assert_eq!(bench.take_fetched(), []);
}
