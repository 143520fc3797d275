//! Tokens that an attacker would try.

use portcullis::response::reason::Rejection;
use portcullis::token::{Authentication, Expectations, Key};

use crate::common::claims::{ada, invalid};
use crate::common::runtime::{self, Bench, subject_of as admit};
use crate::common::{
    Ask, NOW, RFC8037_X, SECRET, Signer, assert_rows, base64url, hs256, object, rfc8037_key,
    signing_input,
};

const PAYLOAD: &str = r#"{"exp":1900000000,"sub":"ada"}"#;

/// Trusts the secret of the tests as `mac` and the public key of RFC 8037 as `ed`.
fn gate() -> Authentication {
    let secret = base64url(SECRET);
    let keys = [
        format!(r#"{{"kty":"oct","kid":"mac","alg":"HS256","k":"{secret}"}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{RFC8037_X}"}}"#),
    ];
    gate_with(
        keys.iter()
            .map(|jwk| Key::from_jwk(&object(jwk)).expect("sound")),
    )
}

fn gate_with(keys: impl IntoIterator<Item = Key>) -> Authentication {
    runtime::gate_with(keys, Expectations::default())
}

fn mac(header: &str) -> Result<String, Rejection> {
    admit(&gate(), &Signer::Hs256(SECRET).token(header, PAYLOAD))
}

const SIGNATURE: &str = "the signature does not verify";
const NO_KEY: &str = "no key for this alg and kid";
const ALG: &str = "alg is not one that is verified here";

#[test]
fn alg_none_is_no_algorithm_in_any_case() {
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "non\u{65}\u{301}",
        "null",
        "",
        "*",
        "HS1",
        "HS256 ",
        "hs256",
        "HS256,HS512",
        "ES256K",
        "eddsa",
        "ed25519",
        "HMAC",
        "dir",
    ];
    assert_rows(names.iter().flat_map(|name| {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        let signed = Signer::Hs256(SECRET).token(&header, PAYLOAD);
        let unsigned = format!("{}.", signing_input(&header, PAYLOAD));
        [("signed", signed), ("unsigned", unsigned)].map(|(form, token)| {
            (
                format!("{name:?} {form}"),
                admit(&gate(), &token),
                invalid(ALG),
            )
        })
    }));
}

#[test]
fn alg_is_one_string() {
    let rows = [
        ("missing", r#"{}"#),
        ("null", r#"{"alg":null}"#),
        ("number", r#"{"alg":256}"#),
        ("array", r#"{"alg":["HS256"]}"#),
        ("object", r#"{"alg":{"HS256":1}}"#),
        ("other case", r#"{"ALG":"HS256"}"#),
    ];
    assert_rows(rows.map(|(name, header)| (name, mac(header), invalid("header has no alg"))));
}

/// Whatever form of the public key an attacker would take for an HMAC secret.
#[test]
fn a_public_key_is_never_an_hmac_secret() {
    let pair = rfc8037_key();
    let public = &pair[32..];
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}"#);
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let only_public = gate_with([Key::from_jwk(&object(&jwk)).expect("sound")]);
    let secrets = [
        ("bytes", public),
        ("base64url", RFC8037_X.as_bytes()),
        ("JWK", jwk.as_bytes()),
        ("PEM", pem.as_bytes()),
        ("nothing", b""),
    ];
    assert_rows(secrets.iter().flat_map(|(name, secret)| {
        ["HS256", "HS384", "HS512", "EdDSA"].map(|alg| {
            let signer = match alg {
                "HS384" => Signer::Hs384(secret),
                "HS512" => Signer::Hs512(secret),
                _ => Signer::Hs256(secret),
            };
            let token = signer.token(&format!(r#"{{"alg":"{alg}"}}"#), PAYLOAD);
            let cause = if alg == "EdDSA" { SIGNATURE } else { NO_KEY };
            (
                format!("{name} as {alg}"),
                admit(&only_public, &token),
                invalid(cause),
            )
        })
    }));
}

#[test]
fn a_key_verifies_only_what_it_is_for() {
    let pair = rfc8037_key();
    let ed = |header: &str| admit(&gate(), &Signer::Ed25519(&pair).token(header, PAYLOAD));
    let hs512 = Signer::Hs512(SECRET).token(r#"{"alg":"HS512"}"#, PAYLOAD);
    let wrong_key = Signer::Hs256(&[b'x'; 64]).token(r#"{"alg":"HS256","kid":"mac"}"#, PAYLOAD);
    assert_rows([
        (
            "right, by kid",
            mac(r#"{"alg":"HS256","kid":"mac"}"#),
            ada(),
        ),
        ("right, without kid", mac(r#"{"alg":"HS256"}"#), ada()),
        ("EdDSA by kid", ed(r#"{"alg":"EdDSA","kid":"ed"}"#), ada()),
        ("EdDSA without kid", ed(r#"{"alg":"EdDSA"}"#), ada()),
        (
            "a hash that the key's alg excludes",
            admit(&gate(), &hs512),
            invalid(NO_KEY),
        ),
        (
            "unknown kid",
            mac(r#"{"alg":"HS256","kid":"other"}"#),
            invalid(NO_KEY),
        ),
        (
            "kid empty",
            mac(r#"{"alg":"HS256","kid":""}"#),
            invalid(NO_KEY),
        ),
        (
            "kid of a path",
            mac(r#"{"alg":"HS256","kid":"../../dev/null"}"#),
            invalid(NO_KEY),
        ),
        (
            "the other key's kid",
            mac(r#"{"alg":"HS256","kid":"ed"}"#),
            invalid(NO_KEY),
        ),
        (
            "EdDSA under the secret's kid",
            ed(r#"{"alg":"EdDSA","kid":"mac"}"#),
            invalid(NO_KEY),
        ),
        (
            "right kid, wrong key",
            admit(&gate(), &wrong_key),
            invalid(SIGNATURE),
        ),
        (
            "alg swapped after signing",
            ed(r#"{"alg":"HS256","kid":"mac"}"#),
            invalid(SIGNATURE),
        ),
        (
            "kid a number",
            mac(r#"{"alg":"HS256","kid":1}"#),
            invalid("kid is not a string"),
        ),
        (
            "kid null",
            mac(r#"{"alg":"HS256","kid":null}"#),
            invalid("kid is not a string"),
        ),
        (
            "kid an array",
            mac(r#"{"alg":"HS256","kid":["mac"]}"#),
            invalid("kid is not a string"),
        ),
    ]);
}

#[test]
fn a_critical_extension_is_refused_and_a_key_in_the_token_is_not_read() {
    let evil = Signer::Hs256(&[b'e'; 64]);
    let with_own_key = |member: &str| {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        let (forged, genuine) = (evil.token(&header, PAYLOAD), mac(&header));
        (admit(&gate(), &forged), genuine)
    };
    let key = base64url([b'e'; 64]);
    let members = [
        ("jwk", format!(r#""jwk":{{"kty":"oct","k":"{key}"}}"#)),
        ("jku", r#""jku":"https://evil.test/jwks.json""#.into()),
        ("x5u", r#""x5u":"https://evil.test/cert.pem""#.into()),
        ("x5c", r#""x5c":["MIIB"]"#.into()),
        ("x5t", r#""x5t":"AAAA""#.into()),
        ("typ", r#""typ":"JWT""#.into()),
        ("cty", r#""cty":"JWT""#.into()),
        ("zip", r#""zip":"DEF""#.into()),
    ];
    assert_rows(
        members.map(|(name, member)| (name, with_own_key(&member), (invalid(SIGNATURE), ada()))),
    );
    let crit = || invalid("header has crit");
    assert_rows([
        (
            "crit of b64",
            mac(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#),
            crit(),
        ),
        (
            "crit of an unknown",
            mac(r#"{"alg":"HS256","crit":["x"],"x":1}"#),
            crit(),
        ),
        (
            "crit of exp",
            mac(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#),
            crit(),
        ),
        ("crit empty", mac(r#"{"alg":"HS256","crit":[]}"#), crit()),
        ("crit null", mac(r#"{"alg":"HS256","crit":null}"#), crit()),
        (
            "crit a string",
            mac(r#"{"alg":"HS256","crit":"b64"}"#),
            crit(),
        ),
        (
            "b64 without crit means nothing",
            mac(r#"{"alg":"HS256","b64":false}"#),
            ada(),
        ),
    ]);
    let raw = format!("{}.{PAYLOAD}", base64url(r#"{"alg":"HS256","b64":false}"#));
    let raw = format!("{raw}.{}", base64url(Signer::Hs256(SECRET).signature(&raw)));
    assert_eq!(
        admit(&gate(), &raw),
        invalid("payload is not canonical base64url")
    );
}

/// With the neutral point as key, `R = B, S = 1` would verify any message.
/// The points of small order in both spellings and with both signs: the runtime may verify
/// under them.
#[test]
fn a_weak_public_key_verifies_nothing() {
    let y = [
        "00".repeat(32),
        format!("01{}", "00".repeat(31)),
        format!("ec{}7f", "ff".repeat(30)),
        format!("ed{}7f", "ff".repeat(30)),
        format!("ee{}7f", "ff".repeat(30)),
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".into(),
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".into(),
    ];
    for y in y {
        for sign in [0, 0x80] {
            let mut key = u8_pairs(&y);
            key[31] |= sign;
            let jwk = format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#,
                base64url(key)
            );
            let problem = Key::from_jwk(&object(&jwk)).map(drop);
            let expected = "x is a point of small order, under which anyone can sign";
            assert_eq!(problem, Err(expected.to_owned()), "{y} {sign}");
        }
    }
    let base = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#,
        base64url(u8_pairs(&format!("58{}", "66".repeat(31))))
    );
    assert!(Key::from_jwk(&object(&base)).is_ok());
}

fn u8_pairs(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

#[test]
fn the_header_is_told_to_the_record_even_if_the_token_is_refused() {
    let seen_of = |token: &str| {
        let ask = Ask::upgrade().with("authorization", &format!("Bearer {token}"));
        let (_, record) = runtime::check(&Bench::at(NOW), &gate(), &ask, &[]);
        (record.alg, record.kid)
    };
    let told = |algorithm: &str, key_id: Option<&str>| {
        (Some(algorithm.to_owned()), key_id.map(str::to_owned))
    };
    let forged = Signer::Hs256(&[7; 64]).token(r#"{"alg":"none","kid":"x"}"#, PAYLOAD);
    assert_rows([
        ("admitted", seen_of(&hs256(PAYLOAD)), told("HS256", None)),
        ("refused", seen_of(&forged), told("none", Some("x"))),
        ("no token", seen_of("x"), (None, None)),
    ]);
}

#[test]
fn no_secret_shows_in_debug() {
    let gate = format!("{:?}", gate());
    assert_eq!(
        gate,
        "Authentication { required: true, sources: [Header], on_conflict: Refuse, issuers: [Issuer { keys: KeySources { fixed: \
         KeyRing { keys: [\
         Key { id: Some(\"mac\"), algorithms: [Hs256], material: REDACTED }, \
         Key { id: Some(\"ed\"), algorithms: [EdDsa], material: REDACTED }], \
         .. }, remote: None }, \
         expectations: Expectations { issuers: [], audiences: [], leeway: 0ns, max_age: None, \
         types: [], names: IdentityClaims { subject: [\"sub\"], session: \"sid\" } } }], \
         sessions: None, max_bytes: 16384 }"
    );
}
