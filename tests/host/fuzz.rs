//! Tokens and key sets that nobody would write by hand: seeded mutation that knows their
//! structure, for `FUZZ_SECONDS` (a few without it). A failure names its seed, and `FUZZ_SEED`
//! repeats the run.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis::token::{
    Authentication, Document, Expectations, Issuer, Key, KeyRing, KeySources, RemoteKeys, Source,
    TokenConflict,
};
use portcullis::util::time::Timestamp;
use serde_json::{Value, json};

use crate::common::object;
use crate::common::runtime::MAX_BYTES;
use crate::fuzzing::{Chance, Harness, NOW, Signed, budget, run};

/// The keys that the gate trusts; the harness can sign with each of them.
fn trusted() -> Vec<Value> {
    let harness = Harness::default();
    vec![
        harness.hmac_jwk("mac"),
        harness.ed25519_jwk("ed"),
        harness.rsa_jwk("rsa"),
        harness.ec_jwk("ec"),
    ]
}

fn gate(keys: KeySources, issuers: &[&str]) -> Authentication {
    Authentication {
        required: true,
        sessions: None,
        max_bytes: MAX_BYTES,
        sources: vec![Source::Header],
        on_conflict: TokenConflict::Refuse,
        issuers: vec![Issuer {
            keys,
            expectations: Expectations {
                issuers: issuers.iter().map(|name| (*name).to_owned()).collect(),
                ..Expectations::default()
            },
        }],
    }
}

fn fixed_gate() -> Authentication {
    let keys = trusted().into_iter().map(|jwk| {
        let members = object(&jwk.to_string());
        Key::from_jwk(&members).expect("a sound key")
    });
    gate(KeySources::fixed(KeyRing::new(keys.collect())), &[])
}

/// Whoever gets in must have brought exactly what a trusted key signed, in the one form there is
/// of it, and everything that is checked must hold under a reading of its own.
fn judge_admission(token: &str, signed: &HashSet<Signed>, expires: Timestamp) {
    // White space around a header's value is no part of it (RFC 9110 §5.5).
    let segments: Vec<_> = token.trim_matches([' ', '\t']).split('.').collect();
    assert_eq!(segments.len(), 3, "three segments of {token:?}");
    let decoded: Vec<_> = segments
        .iter()
        .map(|segment| Base64UrlUnpadded::decode_vec(segment).expect("base64url"))
        .collect();
    for (segment, bytes) in segments.iter().zip(&decoded) {
        assert_eq!(
            Base64UrlUnpadded::encode_string(bytes),
            *segment,
            "canonical"
        );
    }
    let header: Value = serde_json::from_slice(&decoded[0]).expect("a header");
    let claims: Value = serde_json::from_slice(&decoded[1]).expect("claims");
    assert!(header.get("crit").is_none(), "crit is understood by nobody");
    let alg = header["alg"].as_str().expect("alg").to_owned();
    let kid = header
        .get("kid")
        .map(|kid| kid.as_str().expect("kid is text"));
    let message = format!("{}.{}", segments[0], segments[1]);
    let by = signed
        .iter()
        .find(|one| one.message == message && one.signature == decoded[2] && one.alg == alg)
        .expect("signed by a trusted key under this very alg");
    assert!(kid.is_none_or(|kid| kid == by.kid), "by the key it names");
    assert!(
        claims["exp"].as_f64().expect("exp") > NOW as f64,
        "exp is to come"
    );
    assert!(expires > Timestamp(NOW * 1000));
    for early in ["nbf", "iat"] {
        let time = claims
            .get(early)
            .map(|time| time.as_f64().expect("a number"));
        assert!(
            time.is_none_or(|time| time < NOW as f64 + 0.001),
            "{early} is over"
        );
    }
}

#[test]
fn tokens_are_admitted_only_as_a_trusted_key_signed_them() {
    let counts = run("tokens", budget(), |chance| {
        let gate = fixed_gate();
        let mut harness = Harness::default();
        let mut admitted = 0;
        // Several against one gate, since it remembers what it verified.
        let sound = harness.sound_token(chance);
        let mut token = sound.clone();
        for _ in 0..16 {
            let first = harness.ask(&gate, &token);
            assert_eq!(first, harness.ask(&gate, &token), "asked again");
            if let Ok(expires) = first {
                judge_admission(&token, &harness.signed, expires);
                admitted += 1;
            }
            token = if chance.one_in(3) {
                sound.clone()
            } else {
                token
            };
            token = harness.mutate_token(chance, &token);
        }
        admitted
    });
    // Else the mutations would only ever show that rubbish is refused.
    assert!(counts.admitted * 50 > counts.cases, "{counts:?}");
}

#[test]
fn key_sets_never_bring_in_a_secret_a_private_key_or_a_doubt() {
    let counts = run("key sets", budget(), |chance| {
        let mut harness = Harness::default();
        let text = mutated_set(chance);
        let keys = Rc::new(RemoteKeys::new(
            "https://id.example/jwks".into(),
            Vec::new(),
            Duration::from_secs(60),
        ));
        let document = Document {
            text: text.clone(),
            max_age: chance.one_in(2).then(|| Duration::from_secs(chance.next())),
            since: Timestamp(NOW * 1000),
        };
        keys.take(Ok(document), Timestamp(NOW * 1000));
        let is_usable = keys.ring(Timestamp(NOW * 1000)).is_some();
        let set: Option<Value> = serde_json::from_str(&text).ok();
        let listed = set.as_ref().and_then(|set| set["keys"].as_array());
        if is_usable {
            let listed = listed.expect("usable sets are JSON with a list of keys");
            assert!(!listed.is_empty() && listed.len() <= 128);
        }
        let gate = gate(
            KeySources {
                remote: Some(keys),
                ..KeySources::default()
            },
            &[],
        );
        let mut admitted = 0;
        for signer in ["mac", "ed", "rsa", "ec"] {
            let token = harness.token_by(signer, &json!({"exp": NOW + 60}));
            let Ok(_) = harness.ask(&gate, &token) else {
                continue;
            };
            assert!(is_usable, "no set, no admission");
            assert_ne!(signer, "mac", "what a URL publishes is no secret");
            let public = trusted().into_iter().find(|jwk| jwk["kid"] == signer);
            let public = public.expect("one of ours");
            let vouches = |jwk: &Value| {
                let mut members = public.as_object().expect("a key").iter();
                members.all(|(name, value)| name == "kid" || jwk.get(name) == Some(value))
                    && jwk.get("d").is_none()
                    && jwk.get("kid").is_none_or(|kid| kid == signer)
                    && jwk.get("use").is_none_or(|usage| usage == "sig")
            };
            let listed = listed.expect("seen above");
            assert!(
                listed.iter().any(vouches),
                "{signer} is in the set as it must be"
            );
            admitted += 1;
        }
        admitted
    });
    assert!(counts.admitted * 50 > counts.cases, "{counts:?}");
}

fn mutated_set(chance: &mut Chance) -> String {
    let mut set = json!({ "keys": trusted() });
    for _ in 0..chance.below(6) {
        chance.mutate_value(&mut set);
    }
    let mut text = set.to_string();
    if chance.one_in(4) {
        text = chance.mutate_text(&text);
    }
    text
}
