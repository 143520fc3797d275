//! `JWT_JWKS` and `JWT_SECRET`: which keys are taken and for what.

use portcullis::config::Var;

use crate::common::{
    self, RFC8037_D, RFC8037_X, SECRET, assert_rows, base64url, minimal_with, read, settings,
    strings,
};

/// The keys as they show, or the errors, with only a JWK Set.
fn keys_of(set: &str) -> Result<String, Vec<String>> {
    keys_with(&[("JWT_JWKS", set)])
}

fn keys_with(vars: &[(&str, &str)]) -> Result<String, Vec<String>> {
    let mut settings = minimal_with(vars);
    if vars.iter().all(|(name, _)| *name != "JWT_SECRET") {
        settings.vars.remove("JWT_SECRET");
    }
    let policy = read(&settings)?;
    let authentication = policy.authentication.expect("AUTH is not off");
    let [issuer] = authentication.issuers.try_into().expect("one issuer");
    assert!(issuer.keys.remote.is_none(), "keys of a URL");
    Ok(format!("{:?}", issuer.keys.fixed))
}

fn set(jwks: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

fn oct(bytes: usize, more: &str) -> String {
    format!(
        r#"{{"kty":"oct","k":"{}"{more}}}"#,
        base64url(&SECRET[..bytes])
    )
}

fn okp(more: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"{more}}}"#)
}

fn ring(keys: &[String]) -> String {
    format!("KeyRing {{ keys: [{}], .. }}", keys.join(", "))
}

fn key(id: &str, algorithms: &str) -> String {
    format!("Key {{ id: {id}, algorithms: [{algorithms}], material: REDACTED }}")
}

#[test]
fn a_key_is_for_what_its_kind_length_and_alg_say() {
    let one = |id: &str, algorithms: &str| Ok(ring(&[key(id, algorithms)]));
    let rows = [
        ("32 bytes", oct(32, ""), one("None", "Hs256")),
        ("47 bytes", oct(47, ""), one("None", "Hs256")),
        ("48 bytes", oct(48, ""), one("None", "Hs256, Hs384")),
        ("64 bytes", oct(64, ""), one("None", "Hs256, Hs384, Hs512")),
        ("alg", oct(64, r#","alg":"HS384""#), one("None", "Hs384")),
        ("Ed25519", okp(""), one("None", "EdDsa")),
        (
            "Ed25519 with alg",
            okp(r#","alg":"EdDSA""#),
            one("None", "EdDsa"),
        ),
        (
            "Ed25519 with the alg of RFC 9864",
            okp(r#","alg":"Ed25519""#),
            one("None", "EdDsa"),
        ),
        ("kid", okp(r#","kid":"k 1""#), one("Some(\"k 1\")", "EdDsa")),
        ("use", okp(r#","use":"sig""#), one("None", "EdDsa")),
        (
            "key_ops",
            okp(r#","key_ops":["sign","verify"]"#),
            one("None", "EdDsa"),
        ),
        (
            "unknown members",
            okp(r#","x5c":[],"exp":1,"ext":true"#),
            one("None", "EdDsa"),
        ),
    ];
    assert_rows(rows.map(|(name, jwk, expected)| (name, keys_of(&set(&[&jwk])), expected)));
    let two = set(&[&okp(r#","kid":"a""#), &oct(32, r#","kid":"a""#)]);
    let secret = "a secret of thirty-two characters!";
    let all = [
        key("None", "Hs256"),
        key("Some(\"a\")", "EdDsa"),
        key("Some(\"a\")", "Hs256"),
    ];
    assert_eq!(
        keys_with(&[("JWT_JWKS", &two), ("JWT_SECRET", secret)]),
        Ok(ring(&all))
    );
    let encoded = format!("base64:{}==", "A".repeat(86));
    assert_eq!(
        keys_with(&[("JWT_SECRET", &encoded)]),
        one("None", "Hs256, Hs384, Hs512")
    );
    let narrowed = [
        ("JWT_SECRET", encoded.as_str()),
        ("JWT_ALGORITHMS", "HS512 HS384"),
    ];
    assert_eq!(keys_with(&narrowed), one("None", "Hs384, Hs512"));
}

#[test]
fn white_space_is_part_of_a_secret() {
    let spaces = format!(" {} ", "x".repeat(30));
    let expected = Ok(ring(&[key("None", "Hs256")]));
    assert_eq!(keys_with(&[("JWT_SECRET", &spaces)]), expected);
}

#[test]
fn a_key_that_can_not_be_used_is_an_error_that_does_not_repeat_it() {
    const KTY: &str = "use oct, OKP, RSA or EC";
    let rows = [
        ("not an object", "1".into(), "it is not an object".into()),
        ("no kty", r#"{"k":"AAAA"}"#.into(), "kty is missing".into()),
        ("kty a number", r#"{"kty":1}"#.into(), "kty must be a string".into()),
        ("kty unknown", r#"{"kty":"AKP"}"#.into(), format!("kty \"AKP\" is unknown; {KTY}")),
        ("kty in other case", r#"{"kty":"OCT"}"#.into(), format!("kty \"OCT\" is unknown; {KTY}")),
        (
            "RSA",
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.into(),
            "n has 17 bits; RSA keys have 2048 to 8192".into(),
        ),
        (
            "EC",
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.into(),
            "x must have 32 bytes on this curve".into(),
        ),
        (
            "private",
            okp(&format!(r#","d":"{RFC8037_D}""#)),
            "it is a private key (it has d); give its public part, and replace the key: this one was in a variable".into(),
        ),
        ("oct without k", r#"{"kty":"oct"}"#.into(), "k is missing".into()),
        ("k a number", r#"{"kty":"oct","k":5}"#.into(), "k must be a string".into()),
        (
            "k too short",
            oct(31, ""),
            "the key has 31 bytes; HS256 takes 32 or more, HS384 48, HS512 64".into(),
        ),
        ("k padded", r#"{"kty":"oct","k":"AAA="}"#.into(), "k is not base64url without padding".into()),
        ("k in the other alphabet", r#"{"kty":"oct","k":"++//"}"#.into(), "k is not base64url without padding".into()),
        ("OKP without crv", format!(r#"{{"kty":"OKP","x":"{RFC8037_X}"}}"#), "crv must be \"Ed25519\"".into()),
        ("X25519", okp("").replace("Ed25519", "X25519"), "crv must be \"Ed25519\"".into()),
        ("Ed448", okp("").replace("Ed25519", "Ed448"), "crv must be \"Ed25519\"".into()),
        ("OKP without x", r#"{"kty":"OKP","crv":"Ed25519"}"#.into(), "x is missing".into()),
        ("x too short", r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.into(), "x must be the 32 bytes of an Ed25519 public key".into()),
        ("use enc", okp(r#","use":"enc""#), "use must be \"sig\"; this key is not for signatures".into()),
        ("key_ops sign", okp(r#","key_ops":["sign"]"#), "key_ops must hold \"verify\"".into()),
        ("key_ops empty", okp(r#","key_ops":[]"#), "key_ops must hold \"verify\"".into()),
        ("key_ops a string", okp(r#","key_ops":"verify""#), "key_ops must hold \"verify\"".into()),
        ("alg of another kind", okp(r#","alg":"HS256""#), "alg \"HS256\" does not fit the key".into()),
        ("alg too long for k", oct(32, r#","alg":"HS512""#), "alg \"HS512\" does not fit the key".into()),
        ("alg unknown", okp(r#","alg":"none""#), "alg \"none\" does not fit the key".into()),
        ("alg a number", okp(r#","alg":1"#), "alg must be a string".into()),
        ("kid a number", okp(r#","kid":1"#), "kid must be a string".into()),
    ];
    assert_rows(rows.map(|(name, jwk, problem): (_, String, String)| {
        let expected = vec![format!("JWT_JWKS: key 1: {problem}")];
        let sound = okp("");
        (name, keys_of(&set(&[&sound, &jwk])), Err(expected))
    }));
}

#[test]
fn a_set_has_one_to_64_keys_and_its_other_members_are_ignored() {
    let one = |problem: &str| Err(strings(&[&format!("JWT_JWKS: {problem}")]));
    let many = |count| set(&vec![okp("").as_str(); count]);
    assert_rows([
        (
            "no keys",
            keys_of("{}"),
            one("it has no array keys; write {\"keys\": [...]}"),
        ),
        (
            "keys an object",
            keys_of(r#"{"keys":{}}"#),
            one("it has no array keys; write {\"keys\": [...]}"),
        ),
        (
            "a key in place of a set",
            keys_of(r#"{"kty":"oct"}"#),
            one("it has no array keys; write {\"keys\": [...]}"),
        ),
        (
            "empty",
            keys_of(r#"{"keys":[]}"#),
            one("it has 0 keys; write 1 to 64"),
        ),
        (
            "65",
            keys_of(&many(65)),
            one("it has 65 keys; write 1 to 64"),
        ),
        (
            "unknown members",
            keys_of(&set(&[&okp("")]).replacen('{', r#"{"public_certs":[],"#, 1)),
            Ok(ring(&[key("None", "EdDsa")])),
        ),
        (
            "duplicate member",
            keys_of(r#"{"keys":[{"kty":"oct","kty":"OKP"}]}"#),
            one("invalid JSON object: a member stands twice at line 1 column 34"),
        ),
        (
            "two that are wrong",
            keys_of(r#"{"keys":[{},{"kty":"RSA"}]}"#),
            Err(strings(&[
                "JWT_JWKS: key 0: kty is missing",
                "JWT_JWKS: key 1: n is missing",
            ])),
        ),
    ]);
    assert!(keys_of(&many(64)).is_ok());
}

#[test]
fn a_table_is_a_set_as_well() {
    let mut settings = settings(&common::MINIMAL);
    let value = serde_json::from_str(&set(&[&okp("")])).expect("JSON");
    settings.vars.insert("JWT_JWKS".into(), Var::Json(value));
    assert!(read(&settings).is_ok());
}

#[test]
fn an_algorithm_list_names_the_key_that_it_leaves_without_one() {
    let jwks = set(&[&okp(r#","kid":"ed""#), &oct(32, r#","kid":"mac""#)]);
    let found = keys_with(&[("JWT_JWKS", &jwks), ("JWT_ALGORITHMS", "EdDSA")]);
    let expected =
        "JWT_ALGORITHMS: it leaves key \"mac\" without an algorithm; remove the key, or add one";
    assert_eq!(found, Err(strings(&[expected])));
}

/// Whatever is wrong, what was in a variable for keys is not in a message.
#[test]
fn no_error_repeats_a_secret() {
    let secrets = [RFC8037_D, &base64url(SECRET), "hunter2-hunter2"];
    let sets = [
        okp(&format!(r#","d":"{RFC8037_D}""#)),
        format!(
            r#"{{"kty":"oct","alg":"none","k":"{}"}}"#,
            base64url(SECRET)
        ),
        format!(r#"{{"kty":"oct","k":"{}","use":"enc"}}"#, base64url(SECRET)),
        r#"{"kty":"oct","k":"hunter2-hunter2"}"#.to_owned(),
        r#"{"kty":"oct","k":"hunter2-hunter2=="}"#.to_owned(),
        r#"{"kty":"oct","k":["hunter2-hunter2"]}"#.to_owned(),
        r#"{"kty":"oct","k":"hunter2-hunter2"#.to_owned(),
        r#"{"kty":"oct","k":"hunter2-hunter2","k":"hunter2-hunter2"}"#.to_owned(),
    ];
    for jwk in sets {
        let errors = keys_of(&set(&[&jwk])).expect_err("unusable").join("\n");
        assert!(
            secrets.iter().all(|secret| !errors.contains(secret)),
            "{errors}"
        );
    }
    for secret in ["hunter2-hunter2", "base64:hunter2-hunter2"] {
        let errors = keys_with(&[("JWT_SECRET", secret)])
            .expect_err("too short")
            .join("\n");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}
