//! Keys from JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2). Any doubt about one is an error.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};

use super::keys::{Algorithm, Key};

/// RFC 7518 §3.3 and §3.5: RSA keys have 2048 bits or more.
const MIN_RSA_BITS: usize = 2048;
/// Longer keys only cost time.
const MAX_RSA_BITS: usize = 8192;

/// Typed access to the members of a JWK. Errors never repeat a member that may be secret.
pub(crate) struct Members<'a>(pub &'a Map<String, Value>);

impl Members<'_> {
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value)),
            Some(_) => Err(format!("{name} must be a string")),
        }
    }

    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let value = self
            .text(name)?
            .ok_or_else(|| format!("{name} is missing"))?;
        Base64UrlUnpadded::decode_vec(value)
            .map_err(|_| format!("{name} is not base64url without padding"))
    }

    /// The private parts of asymmetric keys: RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2.
    fn refuse_private(&self) -> Result<(), String> {
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth"];
        match private.iter().find(|name| self.0.contains_key(**name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "it is a private key (it has {name}); give its public part, and replace the key: \
                 this one was in a variable"
            )),
        }
    }
}

impl Key {
    /// A key of a JWK Set. Unknown members are ignored (RFC 7517 §4); the others must be sound.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, String> {
        let members = Members(jwk);
        let mut key = match members.text("kty")?.ok_or("kty is missing")? {
            "oct" => Self::from_secret(members.bytes("k")?)?,
            "OKP" => okp(&members)?,
            "RSA" => rsa(&members)?,
            "EC" => ec(&members)?,
            kty => return Err(format!("kty {kty:?} is unknown; use oct, OKP, RSA or EC")),
        };
        if members.text("use")?.is_some_and(|usage| usage != "sig") {
            return Err("use must be \"sig\"; this key is not for signatures".into());
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations
                .as_array()
                .is_some_and(|list| list.iter().any(|operation| operation == "verify"));
            if !verifies {
                return Err("key_ops must hold \"verify\"".into());
            }
        }
        if let Some(name) = members.text("alg")? {
            let algorithm = Algorithm::from_name(name);
            key.restrict(algorithm.as_slice());
            if key.algorithms().is_empty() {
                return Err(format!("alg {name:?} does not fit the key"));
            }
        }
        key.set_id(members.text("kid")?);
        Ok(key)
    }
}

fn okp(members: &Members<'_>) -> Result<Key, String> {
    members.refuse_private()?;
    if members.text("crv")? != Some("Ed25519") {
        return Err("crv must be \"Ed25519\"".into());
    }
    let public = members.bytes("x")?;
    if public.len() != 32 {
        return Err("x must be the 32 bytes of an Ed25519 public key".into());
    }
    if has_small_order(&public) {
        return Err("x is a point of small order, under which anyone can sign".into());
    }
    Ok(Key::from_runtime(
        vec![Algorithm::EdDsa],
        &ed25519_jwk(&public),
    ))
}

/// Whether eight times the point is the neutral element (RFC 8032 §5.1). Under such a key the
/// runtime may verify a signature that nobody made. The encoded y decides, where p and p + 1 are
/// second spellings of 0 and 1; the sign of x does not matter.
fn has_small_order(public: &[u8]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let [first, middle @ .., last] = public else {
        return false;
    };
    let last = last & 0x7f;
    let all_are = |byte: u8, end: u8| middle.iter().all(|other| *other == byte) && last == end;
    let is_zero_or_one = *first <= 1 && all_are(0, 0);
    let is_near_p = (0xec..=0xee).contains(first) && all_are(0xff, 0x7f);
    let has_order_8 = ORDER_8
        .iter()
        .any(|y| public[..31] == y[..31] && last == y[31]);
    is_zero_or_one || is_near_p || has_order_8
}

pub(super) fn ed25519_jwk(public: &[u8]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": Base64UrlUnpadded::encode_string(public) })
}

fn rsa(members: &Members<'_>) -> Result<Key, String> {
    members.refuse_private()?;
    let (n, e) = (members.bytes("n")?, members.bytes("e")?);
    // Some libraries put zeros in front (RFC 7518 §6.3.1.1), which don't count as length.
    let significant: Vec<_> = n.iter().skip_while(|byte| **byte == 0).collect();
    let bits = match significant.first() {
        Some(first) => significant.len() * 8 - first.leading_zeros() as usize,
        None => 0,
    };
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(format!(
            "n has {bits} bits; RSA keys have {MIN_RSA_BITS} to {MAX_RSA_BITS}"
        ));
    }
    // With an exponent of 1 every message is its own signature. An even one has no inverse.
    let is_sound = (1..=8).contains(&e.len())
        && e[0] != 0
        && e.last().is_some_and(|last| last % 2 == 1)
        && e != [1];
    if !is_sound {
        return Err("e is not a sound public exponent; nearly all keys have \"AQAB\"".into());
    }
    let jwk = json!({ "kty": "RSA", "n": members.text("n")?, "e": members.text("e")? });
    Ok(Key::from_runtime(Algorithm::RSA.to_vec(), &jwk))
}

fn ec(members: &Members<'_>) -> Result<Key, String> {
    members.refuse_private()?;
    let (algorithm, bytes) = match members.text("crv")? {
        Some("P-256") => (Algorithm::Es256, 32),
        Some("P-384") => (Algorithm::Es384, 48),
        Some("P-521") => (Algorithm::Es512, 66),
        _ => return Err("crv must be \"P-256\", \"P-384\" or \"P-521\"".into()),
    };
    for name in ["x", "y"] {
        if members.bytes(name)?.len() != bytes {
            return Err(format!("{name} must have {bytes} bytes on this curve"));
        }
    }
    let (crv, x, y) = (members.text("crv")?, members.text("x")?, members.text("y")?);
    let jwk = json!({ "kty": "EC", "crv": crv, "x": x, "y": y });
    Ok(Key::from_runtime(vec![algorithm], &jwk))
}
