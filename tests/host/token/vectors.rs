//! The published examples of RFC 7515 §A.1 and RFC 8037 §A.4.

use portcullis::response::reason::{Reason, Rejection};
use portcullis::token::{Expectations, Identity, Key};
use portcullis::util::time::Timestamp;
use serde_json::Map;

use crate::common::runtime::{admit_at, gate_with};
use crate::common::{self, RFC8037_D, RFC8037_X, Signer, assert_rows, object, rfc8037_key};

const RFC7515_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
/// Its `exp` is 1300819380, and line breaks in its parts are CR LF.
const RFC7515_TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
     eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
     dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its payload is the text "Example of Ed25519 signing".
const RFC8037_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
     hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn check(
    jwk: &str,
    token: &str,
    now: Timestamp,
    issuers: &[&str],
) -> Result<Option<Identity>, Rejection> {
    let key = Key::from_jwk(&object(jwk)).expect("a sound key");
    let expectations = Expectations {
        issuers: common::strings(issuers),
        ..Expectations::default()
    };
    admit_at(now, &gate_with([key], expectations), token)
}

const EXP: u64 = 1_300_819_380_000;

#[test]
fn the_hs256_example_of_rfc_7515_is_valid_until_its_exp() {
    let jwk = format!(r#"{{"kty":"oct","k":"{RFC7515_KEY}"}}"#);
    let at = |now, issuers: &[&str]| check(&jwk, RFC7515_TOKEN, Timestamp(now), issuers);
    let joe = Identity {
        subject: None,
        scopes: Vec::new(),
        expires: Timestamp(EXP),
        claims: Map::new(),
        ..Identity::default()
    };
    let expired = Reason::TokenExpired.because("exp has passed");
    let forged = RFC7515_TOKEN.replace("dBjf", "dBjg");
    assert_rows([
        ("in its time", at(EXP - 1, &["joe"]), Ok(Some(joe))),
        ("at its end", at(EXP, &["joe"]), Err(expired)),
        (
            "other issuer",
            at(EXP - 1, &["jane"]),
            Err(Reason::TokenUnusable.because("iss is not in JWT_ISSUER")),
        ),
        (
            "other signature",
            check(&jwk, &forged, Timestamp(EXP - 1), &[]),
            Err(Reason::TokenInvalid.because("the signature does not verify")),
        ),
    ]);
}

/// That the payload is read at all tells that the signature verified.
#[test]
fn the_eddsa_example_of_rfc_8037_verifies() {
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}"#);
    let forged = RFC8037_TOKEN.replace("hgyY", "hgyZ");
    let other = jwk.replace("11qY", "12qY");
    let at = |jwk: &str, token: &str| check(jwk, token, Timestamp(EXP), &[]);
    let unverified = || Err(Reason::TokenInvalid.because("the signature does not verify"));
    assert_rows([
        (
            "the RFC's own",
            at(&jwk, RFC8037_TOKEN),
            Err(Reason::TokenInvalid.because("payload: expected value at line 1 column 1")),
        ),
        ("other signature", at(&jwk, &forged), unverified()),
        ("other key", at(&other, RFC8037_TOKEN), unverified()),
    ]);
}

#[test]
fn a_token_signed_by_the_key_pair_of_rfc_8037_is_admitted() {
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}"#);
    let token = Signer::Ed25519(&rfc8037_key()).token(
        r#"{"alg":"EdDSA"}"#,
        r#"{"exp":1300819380,"sub":"ada","scope":"read"}"#,
    );
    let ada = Identity {
        subject: Some("ada".into()),
        scopes: vec!["read".into()],
        expires: Timestamp(EXP),
        claims: Map::new(),
        ..Identity::default()
    };
    let checked = check(&jwk, &token, Timestamp(EXP - 1), &[]);
    assert_eq!(checked, Ok(Some(ada)));
}

#[test]
fn the_private_key_of_rfc_8037_is_refused_as_a_verification_key() {
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}","d":"{RFC8037_D}"}}"#);
    let problem = Key::from_jwk(&object(&jwk)).map(|_| ());
    assert_eq!(
        problem,
        Err(
            "it is a private key (it has d); give its public part, and replace the key: this one \
             was in a variable"
                .into()
        )
    );
}
