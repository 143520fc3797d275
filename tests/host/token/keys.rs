//! Which key verifies a token, and what is remembered of it.

use portcullis::response::reason::Reason;
use portcullis::token::{Algorithm, Authentication, Expectations, Key};

use crate::common::claims::invalid;
use crate::common::runtime::{Bench, admit, gate_with};
use crate::common::{
    RFC8037_X, SECRET, Signer, assert_rows, base64url, object, rfc8037_key, signing_input,
};

const PAYLOAD: &str = r#"{"exp":1900000000,"sub":"ada"}"#;
const NO_KEY: &str = "no key for this alg and kid";
const SIGNATURE: &str = "the signature does not verify";

fn oct(more: &str) -> String {
    format!(r#"{{"kty":"oct","k":"{}"{more}}}"#, base64url(SECRET))
}

fn okp(more: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"{more}}}"#)
}

/// An RSA key; `number` tells it from others.
fn rsa(number: u8, more: &str) -> String {
    let n = base64url([[0xc1 | number; 256].as_slice(), &[1]].concat());
    format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"{more}}}"#)
}

fn ec(crv: &str, bytes: usize, more: &str) -> String {
    let x = base64url(vec![7; bytes]);
    format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{x}"{more}}}"#)
}

fn gate(jwks: &[String]) -> Authentication {
    let keys = jwks
        .iter()
        .map(|jwk| Key::from_jwk(&object(jwk)).expect("sound"));
    gate_with(keys.collect::<Vec<_>>(), Expectations::default())
}

/// A token that names this algorithm and verifies under the tests' keys where those are HMAC's
/// or Ed25519's.
fn token(algorithm: &str, more: &str) -> String {
    let header = format!(r#"{{"alg":"{algorithm}"{more}}}"#);
    match algorithm {
        "HS256" => Signer::Hs256(SECRET).token(&header, PAYLOAD),
        "HS384" => Signer::Hs384(SECRET).token(&header, PAYLOAD),
        "HS512" => Signer::Hs512(SECRET).token(&header, PAYLOAD),
        "EdDSA" => Signer::Ed25519(&rfc8037_key()).token(&header, PAYLOAD),
        _ => signing_input(&header, PAYLOAD) + "." + &base64url([9; 64]),
    }
}

/// The runtime says yes to everything: only the key itself can refuse.
#[test]
fn no_key_verifies_an_algorithm_that_is_not_its_own() {
    let rsa_algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    let kinds: [(&str, String, &[&str]); 7] = [
        ("oct", oct(""), &["HS256", "HS384", "HS512"]),
        ("Ed25519", okp(""), &["EdDSA"]),
        ("RSA", rsa(0, ""), &rsa_algorithms),
        ("RSA for PS384", rsa(0, r#","alg":"PS384""#), &["PS384"]),
        ("P-256", ec("P-256", 32, ""), &["ES256"]),
        ("P-384", ec("P-384", 48, ""), &["ES384"]),
        ("P-521", ec("P-521", 66, ""), &["ES512"]),
    ];
    let cells = kinds.iter().flat_map(|(kind, jwk, own)| {
        Algorithm::ALL.map(|algorithm| {
            let name = algorithm.name();
            let bench = Bench::saying(Ok(true));
            let admitted = admit(&bench, &gate(std::slice::from_ref(jwk)), &token(name, ""));
            let asked: Vec<_> = bench
                .take_asked()
                .iter()
                .map(|asked| asked.algorithm)
                .collect();
            let is_own = own.contains(&name);
            let by_runtime = is_own && *kind != "oct";
            let verdict = if is_own { Ok(()) } else { invalid(NO_KEY) };
            let expected = if by_runtime { vec![name] } else { vec![] };
            (
                format!("{name} under {kind}"),
                (admitted.map(|_| ()), asked),
                (verdict, expected),
            )
        })
    });
    assert_rows(cells.collect::<Vec<_>>());
}

#[test]
fn a_token_that_names_a_key_is_verified_by_keys_of_that_name_and_nameless_ones() {
    let jwks = [
        rsa(0, r#","kid":"a""#),
        rsa(2, r#","kid":"b""#),
        rsa(4, r#","kid":"b""#),
        rsa(8, ""),
        ec("P-256", 32, r#","kid":"a""#),
    ];
    let number_of = |jwk: &str| {
        let same = |known: &String| object(known)["n"] == object(jwk)["n"];
        jwks[..4].iter().position(same).expect("one of them")
    };
    let tried = |header: &str| {
        let bench = Bench::saying(Ok(false));
        let refused = admit(&bench, &gate(&jwks), &token("RS256", header));
        let asked = bench.take_asked();
        let numbers: Vec<_> = asked.iter().map(|asked| number_of(&asked.jwk)).collect();
        (refused.map(|_| ()), numbers)
    };
    assert_rows([
        (
            "a",
            tried(r#","kid":"a""#),
            (invalid(SIGNATURE), vec![0, 3]),
        ),
        (
            "b",
            tried(r#","kid":"b""#),
            (invalid(SIGNATURE), vec![1, 2, 3]),
        ),
        (
            "unknown",
            tried(r#","kid":"c""#),
            (invalid(SIGNATURE), vec![3]),
        ),
        (
            "other case",
            tried(r#","kid":"A""#),
            (invalid(SIGNATURE), vec![3]),
        ),
        (
            "empty",
            tried(r#","kid":"""#),
            (invalid(SIGNATURE), vec![3]),
        ),
        ("none", tried(""), (invalid(SIGNATURE), vec![0, 1, 2, 3])),
    ]);
    let bench = Bench::saying(Ok(true));
    assert!(admit(&bench, &gate(&jwks), &token("RS256", "")).is_ok());
    assert_eq!(
        bench.take_asked().len(),
        1,
        "the first that verifies is enough"
    );
    let none = admit(&bench, &gate(&jwks[..3]), &token("RS256", r#","kid":"c""#));
    assert_eq!(none.map(|_| ()), invalid(NO_KEY));
    assert_eq!(bench.take_asked(), []);
}

/// How often the runtime is asked for these tokens in turn.
fn times_asked(gate: &Authentication, verdict: Result<bool, &str>, tokens: &[String]) -> usize {
    let bench = Bench::saying(verdict);
    for token in tokens {
        let _ = admit(&bench, gate, token);
    }
    bench.take_asked().len()
}

#[test]
fn a_signature_that_verified_is_not_verified_again_and_nothing_else_is_taken_for_it() {
    let jwks = [rsa(0, r#","kid":"a""#), rsa(2, r#","kid":"b""#)];
    let a = r#","kid":"a""#;
    let first = token("RS256", a);
    let [signed, _] = first
        .rsplit_once('.')
        .map(|(a, b)| [a, b])
        .expect("segments");
    let other_signature = format!("{signed}.{}", base64url([8; 64]));
    let longer_signature = format!("{signed}.{}", base64url([9; 65]));
    let other_payload = signing_input(&format!(r#"{{"alg":"RS256"{a}}}"#), r#"{"exp":1900000001}"#)
        + "."
        + &base64url([9; 64]);
    let of = |verdict, tokens: &[&String]| {
        let tokens: Vec<_> = tokens.iter().map(|token| (*token).clone()).collect();
        times_asked(&gate(&jwks), verdict, &tokens)
    };
    let yes = Ok(true);
    assert_rows([
        ("twice", of(yes, &[&first, &first]), 1),
        ("often", of(yes, &[&first; 50]), 1),
        ("another signature", of(yes, &[&first, &other_signature]), 2),
        (
            "a longer signature",
            of(yes, &[&first, &longer_signature]),
            2,
        ),
        ("another payload", of(yes, &[&first, &other_payload]), 2),
        (
            "another algorithm",
            of(yes, &[&first, &token("RS512", a)]),
            2,
        ),
        (
            "another key",
            of(yes, &[&first, &token("RS256", r#","kid":"b""#)]),
            2,
        ),
        ("one between", of(yes, &[&first, &other_payload, &first]), 2),
        ("refused, twice", of(Ok(false), &[&first, &first]), 2),
        ("failed, twice", of(Err("broken"), &[&first, &first]), 2),
    ]);
    let bench = Bench::saying(Ok(false));
    let gate = gate(&jwks);
    assert!(admit(&bench, &gate, &first).is_err());
    bench.verdict.replace(Ok(true)).expect("it said no");
    assert!(
        admit(&bench, &gate, &first).is_ok(),
        "a refusal is not remembered"
    );
    bench.verdict.replace(Ok(false)).expect("it said yes");
    assert!(admit(&bench, &gate, &first).is_ok(), "an admission is");
}

/// A key of the same name and kind is another key: what it did not sign does not verify.
#[test]
fn what_one_key_signed_is_not_remembered_for_another_of_its_name() {
    let name = r#","kid":"a""#;
    let jwks = [rsa(0, name), rsa(2, name)];
    let bench = Bench::saying(Ok(true));
    let both = gate(&jwks);
    assert!(admit(&bench, &both, &token("RS256", name)).is_ok());
    let only_second = gate(&jwks[1..]);
    bench.verdict.replace(Ok(false)).expect("it said yes");
    let refused = admit(&bench, &only_second, &token("RS256", name));
    assert_eq!(refused.map(|_| ()), invalid(SIGNATURE));
}

#[test]
fn claims_are_checked_again_for_a_remembered_signature() {
    let gate = gate(&[rsa(0, ""), okp("")]);
    for name in ["RS256", "EdDSA"] {
        let bench = Bench::saying(Ok(true));
        let token = token(name, "");
        assert!(admit(&bench, &gate, &token).is_ok());
        bench
            .now
            .set(portcullis::util::time::Timestamp(1_900_000_000_000));
        let expired = Reason::TokenExpired.because("exp has passed");
        assert_eq!(admit(&bench, &gate, &token).map(|_| ()), Err(expired));
    }
}

#[test]
fn an_ed25519_signature_that_was_remembered_is_forged_by_no_other() {
    let gate = gate(&[okp("")]);
    let bench = Bench::saying(Ok(true));
    let good = token("EdDSA", "");
    assert!(admit(&bench, &gate, &good).is_ok());
    assert!(admit(&bench, &gate, &good).is_ok());
    let (signed, signature) = good.rsplit_once('.').expect("segments");
    let other = signing_input(r#"{"alg":"EdDSA"}"#, r#"{"exp":1900000000,"sub":"eve"}"#);
    for forged in [
        format!("{other}.{signature}"),
        format!("{signed}.{}", base64url([9; 64])),
        format!("{signed}."),
    ] {
        assert_eq!(
            admit(&bench, &gate, &forged).map(|_| ()),
            invalid(SIGNATURE)
        );
    }
}

/// The oldest goes first; who is remembered again does not become younger, which costs a
/// verification and nothing else.
#[test]
fn sixteen_thousand_signatures_are_remembered() {
    const CAPACITY: usize = 16_384;
    let gate = gate(&[rsa(0, "")]);
    let numbered = |number: usize| {
        let header = r#"{"alg":"RS256"}"#;
        let payload = format!(r#"{{"exp":1900000000,"jti":"{number}"}}"#);
        signing_input(header, &payload) + ".AAAA"
    };
    let all: Vec<_> = (0..CAPACITY).map(numbered).collect();
    assert_eq!(times_asked(&gate, Ok(true), &all), CAPACITY);
    assert_eq!(times_asked(&gate, Ok(true), &all), 0);
    assert_eq!(times_asked(&gate, Ok(true), &[numbered(CAPACITY)]), 1);
    assert_eq!(times_asked(&gate, Ok(true), &all[1..]), 0);
    assert_eq!(times_asked(&gate, Ok(true), &all[..1]), 1);
}
