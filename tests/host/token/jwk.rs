//! RSA and EC keys of a JWK Set, and what is handed to the runtime of them.

use base64ct::{Base64UrlUnpadded, Encoding};
use portcullis::token::{Expectations, Key};

use crate::common::runtime::{Asked, Bench, admit, gate_with};
use crate::common::vectors::VECTORS;
use crate::common::{assert_rows, base64url, object, signing_input};

const RSA: &str = "Rs256, Rs384, Rs512, Ps256, Ps384, Ps512";

/// The key as it shows: what it is for, and what it is called.
fn read(jwk: &str) -> Result<String, String> {
    Key::from_jwk(&object(jwk)).map(|key| format!("{:?} {:?}", key.id(), key.algorithms()))
}

fn for_all(algorithms: &str) -> Result<String, String> {
    Ok(format!("None [{algorithms}]"))
}

/// A modulus of so many bits: its ends are set.
fn modulus(bits: usize) -> Vec<u8> {
    let mut n = vec![0x5a; bits.div_ceil(8)];
    let high = (bits - 1) % 8;
    n[0] = 1 << high | (n[0] & ((1 << high) - 1));
    *n.last_mut().expect("some bits") |= 1;
    n
}

fn rsa(n: &[u8], e: &[u8], more: &str) -> String {
    format!(
        r#"{{"kty":"RSA","n":"{}","e":"{}"{more}}}"#,
        base64url(n),
        base64url(e)
    )
}

const F4: [u8; 3] = [1, 0, 1];

#[test]
fn an_rsa_modulus_has_2048_to_8192_bits() {
    let of = |n: &[u8]| read(&rsa(n, &F4, ""));
    let wrong = |bits| Err(format!("n has {bits} bits; RSA keys have 2048 to 8192"));
    let padded = |zeros, bits| [vec![0; zeros], modulus(bits)].concat();
    assert_rows([
        ("none", of(&[]), wrong(0)),
        ("zero", of(&[0; 256]), wrong(0)),
        ("1", of(&modulus(1)), wrong(1)),
        ("1024", of(&modulus(1024)), wrong(1024)),
        ("2047", of(&modulus(2047)), wrong(2047)),
        ("2048", of(&modulus(2048)), for_all(RSA)),
        ("2049", of(&modulus(2049)), for_all(RSA)),
        ("4096", of(&modulus(4096)), for_all(RSA)),
        ("8192", of(&modulus(8192)), for_all(RSA)),
        ("8193", of(&modulus(8193)), wrong(8193)),
        ("2048 behind a zero", of(&padded(1, 2048)), for_all(RSA)),
        ("2047 behind a zero", of(&padded(1, 2047)), wrong(2047)),
        ("1024 behind many", of(&padded(200, 1024)), wrong(1024)),
    ]);
}

#[test]
fn an_rsa_exponent_is_odd_and_more_than_one() {
    let of = |e: &[u8]| read(&rsa(&modulus(2048), e, ""));
    let unsound =
        || Err("e is not a sound public exponent; nearly all keys have \"AQAB\"".to_owned());
    assert_rows([
        ("65537", of(&F4), for_all(RSA)),
        ("3", of(&[3]), for_all(RSA)),
        ("8 bytes", of(&[1, 0, 0, 0, 0, 0, 0, 1]), for_all(RSA)),
        ("9 bytes", of(&[1, 0, 0, 0, 0, 0, 0, 0, 1]), unsound()),
        ("none", of(&[]), unsound()),
        ("0", of(&[0]), unsound()),
        ("1", of(&[1]), unsound()),
        ("1 behind a zero", of(&[0, 1]), unsound()),
        ("2", of(&[2]), unsound()),
        ("65536", of(&[1, 0, 0]), unsound()),
        ("65537 behind a zero", of(&[0, 1, 0, 1]), unsound()),
    ]);
}

fn ec(crv: &str, x: usize, y: usize, more: &str) -> String {
    format!(
        r#"{{"kty":"EC","crv":"{crv}","x":"{}","y":"{}"{more}}}"#,
        base64url(vec![7; x]),
        base64url(vec![8; y])
    )
}

#[test]
fn an_ec_key_is_of_one_of_three_curves_and_of_its_length() {
    let of = |crv, x, y| read(&ec(crv, x, y, ""));
    let curve = || Err("crv must be \"P-256\", \"P-384\" or \"P-521\"".to_owned());
    let length = |name, bytes| Err(format!("{name} must have {bytes} bytes on this curve"));
    assert_rows([
        ("P-256", of("P-256", 32, 32), for_all("Es256")),
        ("P-384", of("P-384", 48, 48), for_all("Es384")),
        ("P-521", of("P-521", 66, 66), for_all("Es512")),
        ("short x", of("P-256", 31, 32), length("x", 32)),
        ("long x", of("P-256", 33, 32), length("x", 32)),
        ("short y", of("P-384", 48, 47), length("y", 48)),
        ("no y", of("P-521", 66, 0), length("y", 66)),
        ("P-521 cut", of("P-521", 65, 66), length("x", 66)),
        ("P-384 called P-256", of("P-256", 48, 48), length("x", 32)),
        ("secp256k1", of("secp256k1", 32, 32), curve()),
        ("other case", of("p-256", 32, 32), curve()),
        ("Ed25519", of("Ed25519", 32, 32), curve()),
        (
            "no crv",
            read(&ec("P-256", 32, 32, "").replace("crv", "curve")),
            curve(),
        ),
        (
            "no x",
            read(&ec("P-256", 32, 32, "").replace("\"x\"", "\"z\"")),
            Err("x is missing".into()),
        ),
        (
            "y a number",
            read(r#"{"kty":"EC","crv":"P-256","x":"","y":1}"#),
            length("x", 32),
        ),
    ]);
}

/// Each kind of key with something more in it.
fn each_kind(more: &str) -> [(&'static str, String); 2] {
    [
        ("RSA", rsa(&modulus(2048), &F4, more)),
        ("EC", ec("P-256", 32, 32, more)),
    ]
}

#[test]
fn a_private_key_is_refused_whatever_its_members_are() {
    let names = ["d", "p", "q", "dp", "dq", "qi", "oth"];
    assert_rows(names.iter().flat_map(|member| {
        ["\"AQ\"", "null", "[]"].into_iter().flat_map(move |value| {
            each_kind(&format!(r#","{member}":{value}"#)).map(|(kind, jwk)| {
                let expected = format!(
                    "it is a private key (it has {member}); give its public part, and replace the \
                     key: this one was in a variable"
                );
                (
                    format!("{kind} {member} {value}"),
                    read(&jwk),
                    Err(expected),
                )
            })
        })
    }));
}

#[test]
fn use_key_ops_and_alg_fit_the_key_and_other_members_are_ignored() {
    let usage = "use must be \"sig\"; this key is not for signatures";
    let operations = "key_ops must hold \"verify\"";
    let both = |more: &str, rsa: Result<&str, &str>, ec: Result<&str, &str>| {
        let [first, second] = each_kind(more);
        let expected = |found: Result<&str, &str>| {
            found
                .map(|algorithms| format!("None [{algorithms}]"))
                .map_err(str::to_owned)
        };
        [
            (format!("RSA{more}"), read(&first.1), expected(rsa)),
            (format!("EC{more}"), read(&second.1), expected(ec)),
        ]
    };
    let fits = |alg: &str| format!("alg {alg:?} does not fit the key");
    let rows = [
        both(r#","use":"sig""#, Ok(RSA), Ok("Es256")),
        both(r#","use":"enc""#, Err(usage), Err(usage)),
        both(r#","use":"SIG""#, Err(usage), Err(usage)),
        both(
            r#","use":1"#,
            Err("use must be a string"),
            Err("use must be a string"),
        ),
        both(r#","key_ops":["verify"]"#, Ok(RSA), Ok("Es256")),
        both(
            r#","key_ops":["encrypt"]"#,
            Err(operations),
            Err(operations),
        ),
        both(r#","alg":"RS256""#, Ok("Rs256"), Err(&fits("RS256"))),
        both(r#","alg":"PS512""#, Ok("Ps512"), Err(&fits("PS512"))),
        both(r#","alg":"ES256""#, Err(&fits("ES256")), Ok("Es256")),
        both(
            r#","alg":"ES384""#,
            Err(&fits("ES384")),
            Err(&fits("ES384")),
        ),
        both(
            r#","alg":"HS256""#,
            Err(&fits("HS256")),
            Err(&fits("HS256")),
        ),
        both(
            r#","alg":"EdDSA""#,
            Err(&fits("EdDSA")),
            Err(&fits("EdDSA")),
        ),
        both(
            r#","alg":"RSA-OAEP""#,
            Err(&fits("RSA-OAEP")),
            Err(&fits("RSA-OAEP")),
        ),
        both(r#","alg":"none""#, Err(&fits("none")), Err(&fits("none"))),
        both(
            r#","x5c":["x"],"x5t":"y","exp":1,"ext":true,"k":"AA""#,
            Ok(RSA),
            Ok("Es256"),
        ),
    ];
    assert_rows(rows.into_iter().flatten());
}

/// The runtime gets the public members and nothing that could say otherwise what they are for.
#[test]
fn the_examples_of_the_rfcs_are_handed_to_the_runtime_to_the_byte() {
    for vector in VECTORS.iter().filter(|vector| vector.algorithm != "HS256") {
        let (signed, signature) = vector.token.rsplit_once('.').expect("three segments");
        let jwk = object(vector.jwk);
        let public = jwk
            .iter()
            .filter(|(name, _)| ["kty", "n", "e", "crv", "x", "y"].contains(&name.as_str()));
        let asked = Asked {
            jwk: serde_json::Value::Object(public.map(|(n, v)| (n.clone(), v.clone())).collect())
                .to_string(),
            algorithm: vector.algorithm,
            signature: Base64UrlUnpadded::decode_vec(signature).expect("base64url"),
            signed: signed.to_owned(),
        };
        for verdict in [Ok(true), Ok(false), Err("broken")] {
            let bench = Bench::saying(verdict);
            let key = Key::from_jwk(&jwk).expect("sound");
            let refused = admit(
                &bench,
                &gate_with([key], Expectations::default()),
                vector.token,
            );
            let cause = refused.expect_err("too old, or no claims").cause;
            assert_eq!(
                bench.take_asked(),
                std::slice::from_ref(&asked),
                "{}",
                vector.name
            );
            let unverified = match verdict {
                Ok(true) => None,
                Ok(false) => Some("the signature does not verify"),
                Err(_) => Some("the key can't be used: broken"),
            };
            match unverified {
                Some(unverified) => assert_eq!(cause, unverified, "{}", vector.name),
                None if vector.name.starts_with("RFC 7515 A.4") => {
                    assert!(cause.starts_with("payload: "), "{cause}");
                }
                None if vector.name.starts_with("RFC 7515") => {
                    assert_eq!(cause, "exp has passed", "{}", vector.name);
                }
                None => assert!(cause.starts_with("payload: "), "{cause}"),
            }
        }
    }
}

/// RFC 7520 §4.4: its payload is a sentence, so that it is read tells that it verified.
#[test]
fn the_hmac_example_of_rfc_7520_verifies() {
    let vector = VECTORS.iter().find(|vector| vector.algorithm == "HS256");
    let vector = vector.expect("it is there");
    let cause = |token: &str| {
        let key = Key::from_jwk(&object(vector.jwk)).expect("sound");
        let gate = gate_with([key], Expectations::default());
        let refused = admit(&Bench::saying(Ok(true)), &gate, token);
        refused.expect_err("no claims").cause.into_owned()
    };
    let forged = signing_input(r#"{"alg":"HS256"}"#, "{}") + ".AAAA";
    assert_eq!(
        cause(vector.token),
        "payload: expected value at line 1 column 1"
    );
    assert_eq!(cause(&forged), "the signature does not verify");
}
