//! Whose tokens are trusted: issuers with keys of their own, and types of tokens.

use portcullis::config::{Settings, Var};
use portcullis::token::Authentication;
use serde_json::{Value, json};

use crate::common::claims::{invalid, unusable};
use crate::common::runtime::{Bench, admit};
use crate::common::{
    self, RFC8037_X, Signer, assert_rows, base64url, minimal_with, read, rfc8037_key,
};

const MAC: [u8; 32] = [7; 32];
const OTHER_MAC: [u8; 32] = [8; 32];
const URL: &str = "https://c.test/jwks";

fn oct(secret: &[u8]) -> Value {
    json!({"keys": [{"kty": "oct", "k": base64url(secret)}]})
}

fn okp() -> Value {
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": RFC8037_X}]})
}

fn gate(vars: &[(&str, &str)], issuers: &Value) -> Authentication {
    let settings = with_issuers(vars, issuers);
    let policy = read(&settings).expect("sound settings");
    policy.authentication.expect("AUTH is not off")
}

fn with_issuers(vars: &[(&str, &str)], issuers: &Value) -> Settings {
    let mut settings = minimal_with(vars);
    settings.vars.remove("JWT_SECRET");
    settings
        .vars
        .insert("ISSUERS".into(), Var::Json(issuers.clone()));
    settings
}

fn payload(claims: &Value) -> String {
    let mut all = json!({"exp": 1_900_000_000_u64});
    let members = all.as_object_mut().expect("an object");
    members.extend(claims.as_object().expect("claims").clone());
    all.to_string()
}

fn mac(secret: &[u8], claims: &Value) -> String {
    Signer::Hs256(secret).token(r#"{"alg":"HS256"}"#, &payload(claims))
}

fn ed(claims: &Value) -> String {
    Signer::Ed25519(&rfc8037_key()).token(r#"{"alg":"EdDSA"}"#, &payload(claims))
}

#[test]
fn a_key_of_one_issuer_never_validates_a_token_of_another() {
    let three = gate(
        &[],
        &json!([
            {"issuer": "https://a.test", "jwks": oct(&MAC)},
            {"issuer": "https://b.test", "jwks": okp(), "audience": ["chat", "mail"]},
            {"issuer": "https://c.test", "jwks_url": URL, "audience": "any"},
        ]),
    );
    let bench = Bench::at(common::NOW);
    bench.publish(URL, &okp().to_string());
    let check = |token: String| {
        let verdict = admit(&bench, &three, &token).map(|_| ());
        (verdict, bench.take_fetched().len())
    };
    let a = json!({"iss": "https://a.test"});
    let b = json!({"iss": "https://b.test", "aud": "chat"});
    let c = json!({"iss": "https://c.test"});
    let stranger = || (invalid("iss names no trusted issuer"), 0);
    let no_key = || (invalid("no key for this alg and kid"), 0);
    assert_rows([
        ("a's", check(mac(&MAC, &a)), (Ok(()), 0)),
        ("b's", check(ed(&b)), (Ok(()), 0)),
        (
            "b's for another",
            check(ed(&json!({"iss": "https://b.test", "aud": "x"}))),
            (unusable("aud is not in JWT_AUDIENCE"), 0),
        ),
        (
            "b's for nobody",
            check(ed(&json!({"iss": "https://b.test"}))),
            (unusable("aud is not in JWT_AUDIENCE"), 0),
        ),
        ("c's", check(ed(&c)), (Ok(()), 1)),
        ("a's key, b's name", check(mac(&MAC, &b)), no_key()),
        ("b's key, a's name", check(ed(&a)), no_key()),
        (
            "another secret",
            check(mac(&OTHER_MAC, &a)),
            (invalid("the signature does not verify"), 0),
        ),
        ("missing", check(ed(&json!({}))), stranger()),
        (
            "unknown",
            check(ed(&json!({"iss": "https://d.test"}))),
            stranger(),
        ),
        (
            "other case",
            check(ed(&json!({"iss": "https://A.test"}))),
            stranger(),
        ),
        (
            "with a slash",
            check(mac(&MAC, &json!({"iss": "https://a.test/"}))),
            stranger(),
        ),
        (
            "an array",
            check(mac(&MAC, &json!({"iss": ["https://a.test"]}))),
            stranger(),
        ),
        ("null", check(mac(&MAC, &json!({"iss": null}))), stranger()),
        ("a number", check(mac(&MAC, &json!({"iss": 1}))), stranger()),
    ]);
}

#[test]
fn one_issuer_of_a_list_is_as_strict_as_several() {
    let one = gate(
        &[],
        &json!([{"issuer": "https://a.test", "jwks": oct(&MAC)}]),
    );
    let check =
        |claims: Value| admit(&Bench::at(common::NOW), &one, &mac(&MAC, &claims)).map(|_| ());
    assert_rows([
        ("its own", check(json!({"iss": "https://a.test"})), Ok(())),
        (
            "missing",
            check(json!({})),
            unusable("iss is not in JWT_ISSUER"),
        ),
        (
            "other",
            check(json!({"iss": "https://b.test"})),
            unusable("iss is not in JWT_ISSUER"),
        ),
    ]);
}

#[test]
fn what_holds_for_all_issuers_holds_for_each() {
    let two = json!([
        {"issuer": "https://a.test", "jwks": oct(&MAC)},
        {"issuer": "https://b.test", "jwks": oct(&OTHER_MAC), "algorithms": "HS256"},
    ]);
    let vars = [
        ("JWT_LEEWAY", "30s"),
        ("JWT_MAX_AGE", "1h"),
        ("JWT_TYP", "JWT"),
    ];
    let policy = gate(&vars, &two);
    for issuer in &policy.issuers {
        let expectations = &issuer.expectations;
        assert_eq!(expectations.leeway, common::seconds(30));
        assert_eq!(expectations.max_age, Some(common::seconds(3600)));
        assert_eq!(expectations.types, ["JWT"]);
    }
}

#[test]
fn typ_is_a_media_type_in_any_case_with_or_without_application() {
    let check = |types: &str, header: &str| {
        let gate = read(&minimal_with(&[("JWT_TYP", types)]))
            .expect("sound settings")
            .authentication
            .expect("AUTH is not off");
        let header = format!(r#"{{"alg":"HS256"{header}}}"#);
        let secret = b"a secret of thirty-two characters!";
        let token = Signer::Hs256(secret).token(&header, r#"{"exp":1900000000}"#);
        admit(&Bench::at(common::NOW), &gate, &token).map(|_| ())
    };
    let wrong = || unusable("typ is not in JWT_TYP");
    assert_rows([
        ("same", check("at+jwt", r#","typ":"at+jwt""#), Ok(())),
        ("other case", check("at+jwt", r#","typ":"AT+JWT""#), Ok(())),
        (
            "application/",
            check("at+jwt", r#","typ":"application/at+jwt""#),
            Ok(()),
        ),
        (
            "Application/",
            check("at+jwt", r#","typ":"Application/At+Jwt""#),
            Ok(()),
        ),
        (
            "set with application/",
            check("application/at+jwt", r#","typ":"at+jwt""#),
            Ok(()),
        ),
        (
            "second of two",
            check("at+jwt, JWT", r#","typ":"jwt""#),
            Ok(()),
        ),
        ("missing", check("at+jwt", ""), wrong()),
        ("empty", check("at+jwt", r#","typ":"""#), wrong()),
        (
            "only application/",
            check("at+jwt", r#","typ":"application/""#),
            wrong(),
        ),
        ("another", check("at+jwt", r#","typ":"JWT""#), wrong()),
        (
            "a longer one",
            check("at+jwt", r#","typ":"at+jwt2""#),
            wrong(),
        ),
        (
            "another tree",
            check("at+jwt", r#","typ":"text/at+jwt""#),
            wrong(),
        ),
        (
            "twice",
            check("at+jwt", r#","typ":"application/application/at+jwt""#),
            wrong(),
        ),
        (
            "a letter of two bytes",
            check("at+jwt", r#","typ":"applicationé""#),
            wrong(),
        ),
        (
            "a number",
            check("at+jwt", r#","typ":1"#),
            invalid("typ is not a string"),
        ),
    ]);
}
