//! Public keys and certificates in PEM.

use portcullis::token::{Expectations, KeySources, RemoteKeys};

use crate::common::runtime::{Bench, admit, gate_of};
use crate::common::{
    NOW, RFC8037_X, Signer, assert_rows, base64url, errors_with, minimal_with, read, rfc8037_key,
};
use base64ct::{Base64, Encoding};
use portcullis::token::{Authentication, Issuer};
use std::time::Duration;

const EC: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5SiWplOIG+GLtkiEX//rXhMJNG7H\niNlcOVxJ5NAzb0SrRRLf5o5MWOKJDFL1tUjurJNtCdD0Lx8xt13BsSgYkw==\n-----END PUBLIC KEY-----";
const EC_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBhjCCASugAwIBAgIUe3qSrflyBPH+U67kgKVsqXr8pc4wCgYIKoZIzj0EAwIw\nFzEVMBMGA1UEAwwMZ2F0ZS5leGFtcGxlMCAXDTI2MTEyNjE0MzA1MFoYDzIxMjYx\nMTAyMTQzMDUwWjAXMRUwEwYDVQQDDAxnYXRlLmV4YW1wbGUwWTATBgcqhkjOPQIB\nBggqhkjOPQMBBwNCAATlKJamU4gb4Yu2SIRf/+teEwk0bseI2Vw5XEnk0DNvRKtF\nEt/mjkxY4okMUvW1SO6sk20J0PQvHzG3XcGxKBiTo1MwUTAdBgNVHQ4EFgQUv4TU\nNO/suw+U6zBgGts9G9+nmBswHwYDVR0jBBgwFoAUv4TUNO/suw+U6zBgGts9G9+n\nmBswDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAjplzr4GXumFv\nLLccyWPKxKizcPK1GrRfnqrGmBXDlJICIQCmB9Z7bmJbmrB3ZhoVyYMLnaNabCM3\nQCigb2eUNlgn0w==\n-----END CERTIFICATE-----";
const RSA: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqWpiHnRrhy/b9fzPZsdh\nAOlmlEX7xWL0+SlTynBpbZN0GZyDkRfQRP1C6rjqIfQUJ4BxfIx210ogvHaY/DxA\nQpzThwfuM2TGPI2JjEDHZF5JS1imc/K+gbzw3C3wac8zUDMGJb1CJRjIt4aZuSK6\n+L3c50FquXucElR5i1W0NBhA1J0QnGCJosGr1PSQhq+t976k/A7/RC9MSfQyu2Gh\n7jo0GaQOegCm6RVr0cROWNwrh9/UqdJNdWInAJMUuyDBSqA12LBSe6kVU0Xp8ZQ1\nACHHeFj3pnQc2j0gZrMOmzPk66q0tyyOc+D+TRNPGDVIaJ4yqDLhUrTKpssz8pF/\nuQIDAQAB\n-----END PUBLIC KEY-----";
/// On a curve that no algorithm here is for.
const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----\nMFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAECbYqEMnW1Edt80J7mNhfTdhttSK+yqq0\ncgHmJSdGZFNhXaL4L4DZDzVM9GeUa0wkJM1MlRZh4WVNGNBNv0FiiQ==\n-----END PUBLIC KEY-----";
const EC_JWK: &str = r#"{"crv":"P-256","kty":"EC","x":"5SiWplOIG-GLtkiEX__rXhMJNG7HiNlcOVxJ5NAzb0Q","y":"q0US3-aOTFjiiQxS9bVI7qyTbQnQ9C8fMbddwbEoGJM"}"#;
const RSA_JWK: &str = r#"{"e":"AQAB","kty":"RSA","n":"qWpiHnRrhy_b9fzPZsdhAOlmlEX7xWL0-SlTynBpbZN0GZyDkRfQRP1C6rjqIfQUJ4BxfIx210ogvHaY_DxAQpzThwfuM2TGPI2JjEDHZF5JS1imc_K-gbzw3C3wac8zUDMGJb1CJRjIt4aZuSK6-L3c50FquXucElR5i1W0NBhA1J0QnGCJosGr1PSQhq-t976k_A7_RC9MSfQyu2Gh7jo0GaQOegCm6RVr0cROWNwrh9_UqdJNdWInAJMUuyDBSqA12LBSe6kVU0Xp8ZQ1ACHHeFj3pnQc2j0gZrMOmzPk66q0tyyOc-D-TRNPGDVIaJ4yqDLhUrTKpssz8pF_uQ"}"#;

fn pem(label: &str, der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// The key of RFC 8037 as a SubjectPublicKeyInfo (RFC 8410 §4).
fn ed25519() -> String {
    let prefix = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    pem("PUBLIC KEY", &[&prefix[..], &rfc8037_key()[32..]].concat())
}

fn gate(text: &str) -> Authentication {
    let mut settings = minimal_with(&[("JWT_JWKS", text)]);
    settings.vars.remove("JWT_SECRET");
    let policy = read(&settings).expect("sound PEM");
    policy.authentication.expect("AUTH is not off")
}

/// The key that a token of this algorithm is verified with.
fn asked(gate: &Authentication, alg: &str) -> Vec<String> {
    let bench = Bench::saying(Ok(true));
    let token = format!(
        "{}.{}.AAAA",
        base64url(format!(r#"{{"alg":"{alg}"}}"#)),
        base64url(r#"{"exp":1900000000}"#)
    );
    assert!(admit(&bench, gate, &token).is_ok(), "{alg}");
    let asked = bench.take_asked().into_iter();
    asked.map(|asked| asked.jwk).collect()
}

#[test]
fn a_key_in_pem_is_the_key_of_its_jwk() {
    let rows = [
        ("EC", EC.to_owned(), "ES256", EC_JWK),
        ("certificate", EC_CERTIFICATE.to_owned(), "ES256", EC_JWK),
        ("RSA", RSA.to_owned(), "RS256", RSA_JWK),
        ("RSA for another hash", RSA.to_owned(), "PS512", RSA_JWK),
        (
            "white space around",
            format!("\n  {EC}\n\n"),
            "ES256",
            EC_JWK,
        ),
        (
            "lines of another length",
            EC.replace('\n', " "),
            "ES256",
            EC_JWK,
        ),
        (
            "carriage returns",
            EC.replace('\n', "\r\n"),
            "ES256",
            EC_JWK,
        ),
        ("after another", format!("{RSA}\n{EC}"), "ES256", EC_JWK),
    ];
    assert_rows(
        rows.map(|(name, text, alg, jwk)| (name, asked(&gate(&text), alg), vec![jwk.to_owned()])),
    );
    let token =
        Signer::Ed25519(&rfc8037_key()).token(r#"{"alg":"EdDSA"}"#, r#"{"exp":1900000000}"#);
    assert!(admit(&Bench::at(NOW), &gate(&ed25519()), &token).is_ok());
    assert!(ed25519().len() > RFC8037_X.len());
}

#[test]
fn what_is_no_public_key_is_an_error_that_does_not_repeat_it() {
    let key = |problem: &str| vec![format!("JWT_JWKS: key 0: {problem}")];
    let not_pem = "it is not PEM; write blocks from -----BEGIN PUBLIC KEY----- to -----END PUBLIC \
                   KEY-----";
    let private = "it is a private key; give its public part, and replace the key: this one was in \
                   a variable";
    let der = |text: &str| {
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        Base64::decode_vec(&body).expect("the test's own PEM")
    };
    let cut = |label: &str, text: &str| {
        let der = der(text);
        pem(label, &der[..der.len() - 1])
    };
    let longer = |label: &str, text: &str| pem(label, &[der(text), vec![0]].concat());
    let rows = [
        ("private", pem("PRIVATE KEY", &[1, 2, 3]), key(private)),
        (
            "private EC",
            pem("EC PRIVATE KEY", &[1, 2, 3]),
            key(private),
        ),
        (
            "a request for a certificate",
            pem("CERTIFICATE REQUEST", &[1]),
            key("a CERTIFICATE REQUEST is not read; write a PUBLIC KEY or a CERTIFICATE"),
        ),
        (
            "cut",
            cut("PUBLIC KEY", EC),
            key("the PUBLIC KEY is malformed"),
        ),
        (
            "certificate cut",
            cut("CERTIFICATE", EC_CERTIFICATE),
            key("the CERTIFICATE is malformed"),
        ),
        (
            "longer",
            longer("PUBLIC KEY", EC),
            key("the PUBLIC KEY is malformed"),
        ),
        (
            "certificate longer",
            longer("CERTIFICATE", EC_CERTIFICATE),
            key("the CERTIFICATE is malformed"),
        ),
        (
            "one for the other",
            pem("CERTIFICATE", &der(EC)),
            key("the CERTIFICATE is malformed"),
        ),
        (
            "nothing in it",
            pem("PUBLIC KEY", &[]),
            key("the PUBLIC KEY is malformed"),
        ),
        (
            "another curve",
            SECP256K1.to_owned(),
            key("the curve is not P-256, P-384 or P-521"),
        ),
        ("without an end", EC.replace("-----END", ""), key(not_pem)),
        (
            "another end",
            EC.replace("END PUBLIC", "END SECRET"),
            key(not_pem),
        ),
        (
            "not base64",
            EC.replace("MFk", "M*k"),
            key("the PUBLIC KEY is not standard base64 with padding"),
        ),
        (
            "a text after it",
            format!("{EC}\nmore"),
            vec![format!("JWT_JWKS: key 1: {not_pem}")],
        ),
    ];
    assert_rows(
        rows.map(|(name, text, expected): (_, String, Vec<String>)| {
            (name, errors_with("JWT_JWKS", &text), expected)
        }),
    );
    let many = format!("{EC}\n").repeat(65);
    assert_eq!(
        errors_with("JWT_JWKS", &many),
        ["JWT_JWKS: it has 65 keys; write 1 to 64"]
    );
}

/// A gate whose keys are at a URL that answers with this text, and what the log says.
fn by_url(text: &str) -> (Authentication, Vec<String>) {
    let remote = RemoteKeys::new("https://id.example/x509".into(), vec![], Duration::ZERO);
    let document = portcullis::token::Document {
        text: text.to_owned(),
        max_age: None,
        since: NOW,
    };
    let remarks = remote.take(Ok(document), NOW).remarks;
    let gate = gate_of([Issuer {
        keys: KeySources::remote(remote),
        expectations: Expectations::default(),
    }]);
    (gate, remarks)
}

#[test]
fn a_url_may_answer_with_certificates_by_kid() {
    let set = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(id, pem)| ((*id).to_owned(), (*pem).into()));
        serde_json::Value::Object(pairs.collect()).to_string()
    };
    let (gate, remarks) = by_url(&set(&[
        ("one", EC_CERTIFICATE),
        ("two", RSA),
        ("old", SECP256K1),
    ]));
    assert_eq!(
        remarks,
        ["key \"old\" is not used: the curve is not P-256, P-384 or P-521"]
    );
    let bench = Bench::saying(Ok(true));
    let token = |alg: &str, kid: &str| {
        let header = base64url(format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#));
        format!("{header}.{}.AAAA", base64url(r#"{"exp":1900000000}"#))
    };
    let admits = |alg, kid| admit(&bench, &gate, &token(alg, kid)).is_ok();
    assert_rows([
        ("its own kid", admits("ES256", "one"), true),
        ("the other's kid", admits("ES256", "two"), false),
        ("the other", admits("RS256", "two"), true),
    ]);
    let rows = [
        (
            "two in one",
            set(&[("a", &format!("{EC}\n{RSA}"))]),
            "key \"a\" is not used: there is more than one PEM block",
        ),
        (
            "not all are PEM",
            set(&[("a", EC), ("b", "x")]),
            "the key set has no array keys",
        ),
        ("none", "{}".into(), "the key set has no array keys"),
    ];
    assert_rows(rows.map(|(name, text, expected)| {
        let (_, remarks) = by_url(&text);
        (name, remarks.concat().contains(expected), true)
    }));
}
