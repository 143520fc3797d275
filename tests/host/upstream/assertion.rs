//! The assertion sent upstream, and the keys that sign it.

use std::net::IpAddr;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::Algorithm;
use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::Ed25519;
use portcullis::token::Identity;
use portcullis::upstream::assertion::{Assertion, AssertionKey};
use portcullis::upstream::{Upstream, UpstreamUrl};
use serde_json::{Map, Value, json};

use crate::common::identity;
use crate::common::{
    NOW, NOW_SECONDS, RFC8037_D, RFC8037_X, Signer, assert_rows, object, rfc8037_key,
};

/// RFC 8037 §A.3.
const RFC8037_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn okp(more: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}","d":"{RFC8037_D}"{more}}}"#)
}

fn oct(bytes: usize, more: &str) -> String {
    let k = Base64UrlUnpadded::encode_string(&vec![7; bytes]);
    format!(r#"{{"kty":"oct","k":"{k}"{more}}}"#)
}

fn key(jwk: &str) -> AssertionKey {
    AssertionKey::from_jwk(&object(jwk)).expect("sound")
}

fn ada() -> Identity {
    Identity {
        subject: Some("ada \"l\u{e9}\"\n".into()),
        scopes: vec!["read".into(), "write".into()],
        claims: Map::new(),
        expires: NOW,
        ..Identity::default()
    }
}

fn sign(key: &AssertionKey, identity: Option<&Identity>, address: Option<IpAddr>) -> String {
    let assertion = Assertion {
        audience: "https://chat.example.com",
        identity,
        address,
        route: None,
        request_id: "id-1",
    };
    key.sign(&assertion, NOW)
}

fn parts(token: &str) -> (Value, Value, Vec<u8>) {
    let segments: Vec<_> = token
        .split('.')
        .map(|segment| Base64UrlUnpadded::decode_vec(segment).expect("base64url"))
        .collect();
    let [header, claims, signature] = segments.as_slice() else {
        panic!("three segments, not {token}");
    };
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).expect("JSON");
    (json(header), json(claims), signature.clone())
}

#[test]
fn it_says_who_asks_for_a_minute() {
    let key = key(&okp(""));
    let ip = "2001:db8::7".parse().ok();
    let (header, claims, _) = parts(&sign(&key, Some(&ada()), ip));
    assert_eq!(
        header,
        json!({ "typ": "JWT", "alg": "EdDSA", "kid": RFC8037_THUMBPRINT })
    );
    let expected = json!({
        "iss": "portcullis", "aud": "https://chat.example.com",
        "sub": "ada \"l\u{e9}\"\n", "scope": "read write", "ip": "2001:db8::7",
        "jti": "id-1", "iat": NOW_SECONDS, "exp": NOW_SECONDS + 60,
    });
    assert_eq!(claims, expected);
}

#[test]
fn of_nobody_it_says_only_whence() {
    let (_, claims, _) = parts(&sign(&key(&okp("")), None, None));
    let expected = json!({
        "iss": "portcullis", "aud": "https://chat.example.com", "jti": "id-1",
        "iat": NOW_SECONDS, "exp": NOW_SECONDS + 60,
    });
    assert_eq!(claims, expected);
    let nameless = Identity {
        subject: None,
        scopes: Vec::new(),
        ..ada()
    };
    let (_, claims, _) = parts(&sign(&key(&okp("")), Some(&nameless), None));
    assert_eq!(claims, expected);
}

/// Two issuers may give two users the same `sub`; RFC 9493 §3.2.3.
#[test]
fn a_subject_is_named_with_its_issuer_and_the_route_with_both() {
    let claims_of = |subject: Option<&str>, claims: &str| {
        let identity = Identity {
            subject: subject.map(str::to_owned),
            ..identity(claims)
        };
        let assertion = Assertion {
            audience: "https://chat.example.com",
            identity: Some(&identity),
            address: None,
            route: Some("/rooms/{room}"),
            request_id: "id-1",
        };
        let (_, claims, _) = parts(&key(&okp("")).sign(&assertion, NOW));
        (claims["sub_id"].clone(), claims["route"].clone())
    };
    let route = json!("/rooms/{room}");
    let both = json!({ "format": "iss_sub", "iss": "https://a.test", "sub": "ada" });
    assert_rows([
        (
            "issuer and subject",
            claims_of(Some("ada"), r#"{"iss":"https://a.test"}"#),
            (both, route.clone()),
        ),
        (
            "no issuer",
            claims_of(Some("ada"), "{}"),
            (Value::Null, route.clone()),
        ),
        (
            "no subject",
            claims_of(None, r#"{"iss":"https://a.test"}"#),
            (Value::Null, route),
        ),
    ]);
}

#[test]
fn each_key_signs_with_its_algorithm() {
    let rows = [
        ("oct", oct(32, ""), "HS256"),
        ("oct, longer", oct(64, ""), "HS256"),
        ("HS256", oct(32, r#","alg":"HS256""#), "HS256"),
        ("HS384", oct(48, r#","alg":"HS384""#), "HS384"),
        ("HS512", oct(64, r#","alg":"HS512""#), "HS512"),
    ];
    assert_rows(rows.iter().map(|(name, jwk, algorithm)| {
        let token = sign(&key(jwk), None, None);
        let (signed, _) = token.rsplit_once('.').expect("three segments");
        let (header, _, signature) = parts(&token);
        let k = object(jwk)["k"].as_str().expect("text").to_owned();
        let secret = Base64UrlUnpadded::decode_vec(&k).expect("base64url");
        let expected = match *algorithm {
            "HS256" => Signer::Hs256(&secret),
            "HS384" => Signer::Hs384(&secret),
            _ => Signer::Hs512(&secret),
        };
        let expected = (json!(algorithm), expected.signature(signed));
        (*name, (header["alg"].clone(), signature), expected)
    }));
}

#[test]
fn ed25519_verifies_and_is_the_same_each_time() {
    let key = key(&okp(r#","alg":"EdDSA""#));
    let token = sign(&key, Some(&ada()), None);
    let (signed, _) = token.rsplit_once('.').expect("three segments");
    let (_, _, signature) = parts(&token);
    let public = <Ed25519 as Algorithm>::VerifyingKey::from_slice(&rfc8037_key()[32..]);
    let signature = <Ed25519 as Algorithm>::Signature::try_from_slice(&signature);
    let (public, signature) = (public.expect("32 bytes"), signature.expect("64 bytes"));
    assert!(Ed25519.verify_signature(&signature, &public, signed.as_bytes()));
    assert_eq!(sign(&key, Some(&ada()), None), token);
}

#[test]
fn a_key_is_named_by_its_kid_or_its_thumbprint() {
    let kid = |jwk: &str| parts(&sign(&key(jwk), None, None)).0["kid"].clone();
    assert_rows([
        ("its own", kid(&okp(r#","kid":"a""#)), json!("a")),
        ("RFC 8037 A.3", kid(&okp("")), json!(RFC8037_THUMBPRINT)),
        (
            "other members change nothing",
            kid(&okp(
                r#","use":"sig","key_ops":["sign","verify"],"foreign":1"#,
            )),
            json!(RFC8037_THUMBPRINT),
        ),
    ]);
}

#[test]
fn only_the_public_part_is_published() {
    let expected = json!({
        "kty": "OKP", "crv": "Ed25519", "x": RFC8037_X, "kid": "a", "alg": "EdDSA", "use": "sig",
    });
    assert_eq!(key(&okp(r#","kid":"a""#)).public(), Some(&expected));
    assert_eq!(key(&oct(32, r#","kid":"a""#)).public(), None);
}

#[test]
fn a_key_prints_nothing_of_itself() {
    for jwk in [okp(""), oct(32, "")] {
        let printed = format!("{:?}", key(&jwk));
        assert!(printed.contains("REDACTED"), "{printed}");
        for secret in ["d", "k"] {
            let secret = object(&jwk).get(secret).map(Value::to_string);
            assert!(secret.is_none_or(|secret| !printed.contains(secret.trim_matches('"'))));
        }
    }
}

#[test]
fn a_doubtful_key_is_an_error_that_does_not_repeat_it() {
    let other = Base64UrlUnpadded::encode_string(&[9; 32]);
    let zeros = Base64UrlUnpadded::encode_string(&[0; 32]);
    let pair = |x: &str, d: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{d}"}}"#);
    let bytes = "x and d must be the 32 bytes each of an Ed25519 key pair";
    let rows = [
        ("{}".into(), "kty must be \"oct\" or \"OKP\""),
        (r#"{"kty":"RSA"}"#.into(), "kty must be \"oct\" or \"OKP\""),
        (r#"{"kty":7}"#.into(), "kty must be a string"),
        (r#"{"kty":"oct"}"#.into(), "k is missing"),
        (
            r#"{"kty":"oct","k":"+"}"#.into(),
            "k is not base64url without padding",
        ),
        (oct(31, ""), "k has 31 bytes; HS256 takes 32 or more"),
        (
            oct(47, r#","alg":"HS384""#),
            "k has 47 bytes; HS384 takes 48 or more",
        ),
        (
            oct(63, r#","alg":"HS512""#),
            "k has 63 bytes; HS512 takes 64 or more",
        ),
        (
            oct(64, r#","alg":"EdDSA""#),
            "alg must be \"HS256\", \"HS384\" or \"HS512\" with kty \"oct\"",
        ),
        (
            okp(r#","alg":"HS256""#),
            "alg must be \"EdDSA\" with kty \"OKP\"",
        ),
        (
            okp(r#","use":"enc""#),
            "use must be \"sig\"; this key is not for signatures",
        ),
        (
            okp(r#","key_ops":["verify"]"#),
            "key_ops must hold \"sign\"",
        ),
        (okp(r#","key_ops":"sign""#), "key_ops must hold \"sign\""),
        (
            okp(r#","kid":"""#),
            "kid is empty; give it a name or leave it out",
        ),
        (okp(r#","kid":1"#), "kid must be a string"),
        (
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{RFC8037_X}"}}"#),
            "d is missing",
        ),
        (
            format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{RFC8037_D}"}}"#),
            "x is missing",
        ),
        (
            r#"{"kty":"OKP","crv":"X25519"}"#.into(),
            "crv must be \"Ed25519\"",
        ),
        (pair(RFC8037_X, "AAAA"), bytes),
        (pair("AAAA", RFC8037_D), bytes),
        (pair(RFC8037_X, &zeros), bytes),
        (pair(&other, RFC8037_D), "x does not belong to d"),
    ];
    assert_rows(rows.iter().map(|(jwk, expected)| {
        let problem = AssertionKey::from_jwk(&object(jwk)).err();
        (jwk, problem, Some((*expected).to_owned()))
    }));
}

#[test]
fn the_audience_is_the_upstreams_origin() {
    let rows = [
        ("wss://chat.example.com", "https://chat.example.com"),
        ("wss://chat.example.com/base", "https://chat.example.com"),
        ("https://Chat.Example.com:443/", "https://chat.example.com"),
        (
            "wss://chat.example.com:8443",
            "https://chat.example.com:8443",
        ),
        ("wss://chat.example.com:80", "https://chat.example.com:80"),
        ("ws://localhost:80", "http://localhost"),
        ("ws://[::1]:8080", "http://[::1]:8080"),
    ];
    assert_rows(rows.map(|(url, expected)| {
        let upstream = UpstreamUrl::parse(url, false).map(Upstream::Url);
        let audience = upstream.map(|upstream| upstream.audience());
        (url, audience, Ok(expected.to_owned()))
    }));
    let service = Upstream::Service("CHAT".into());
    assert_eq!(service.audience(), "service:CHAT");
}
