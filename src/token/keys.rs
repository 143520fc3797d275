//! Verification keys, each bound to the algorithms it is for (RFC 8725 §3.1).

use std::fmt;

use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Ed25519, Hs256, Hs256Key, Hs384, Hs384Key, Hs512, Hs512Key};
use serde_json::{Map, Value};

use super::TokenFault;
use super::jws::{TokenHeader, Untrusted};

/// Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Hs384, Self::Hs512, Self::EdDsa];
    const HMAC: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::EdDsa => "EdDSA",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Length of the hash, which an HMAC key must reach (RFC 7518 §3.2).
    pub fn least_secret_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 | Self::EdDsa => 64,
        }
    }
}

/// The key itself, in the form its algorithms take it.
enum Material {
    Secret(Vec<u8>),
    Ed25519(<Ed25519 as jwt_compact::Algorithm>::VerifyingKey),
}

/// A key and what it is for.
pub struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    material: Material,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .field("material", &format_args!("REDACTED"))
            .finish()
    }
}

impl Key {
    /// An HMAC key for every hash it is long enough for.
    pub fn from_secret(secret: Vec<u8>) -> Result<Self, String> {
        let algorithms: Vec<_> = Algorithm::HMAC
            .into_iter()
            .filter(|algorithm| secret.len() >= algorithm.least_secret_bytes())
            .collect();
        if algorithms.is_empty() {
            return Err(format!(
                "the key has {} bytes; HS256 takes 32 or more, HS384 48, HS512 64",
                secret.len()
            ));
        }
        Ok(Self {
            id: None,
            algorithms,
            material: Material::Secret(secret),
        })
    }

    /// A key of a JWK Set (RFC 7517 §4). Members that are not understood are ignored, as §4
    /// demands; those that are must fit. Errors never repeat a member that may be secret.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| match jwk.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.as_str())),
            Some(_) => Err(format!("{name} must be a string")),
        };
        let mut key = match text("kty")?.ok_or("kty is missing")? {
            "oct" => {
                let secret = decode_member("k", text("k")?)?;
                Self::from_secret(secret)?
            }
            "OKP" => Self::from_okp(text("crv")?, text("x")?, jwk.contains_key("d"))?,
            kty @ ("RSA" | "EC") => {
                return Err(format!(
                    "kty {kty} is not supported by this version; use oct, or OKP with Ed25519"
                ));
            }
            kty => {
                return Err(format!(
                    "kty {kty:?} is unknown; use oct, or OKP with Ed25519"
                ));
            }
        };
        if text("use")?.is_some_and(|usage| usage != "sig") {
            return Err("use must be \"sig\": the key is not for signatures".into());
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations
                .as_array()
                .is_some_and(|list| list.iter().any(|operation| operation == "verify"));
            if !verifies {
                return Err("key_ops must hold \"verify\"".into());
            }
        }
        if let Some(name) = text("alg")? {
            let algorithm = Algorithm::from_name(name);
            key.algorithms.retain(|known| Some(*known) == algorithm);
            if key.algorithms.is_empty() {
                return Err(format!("alg {name:?} does not fit the key"));
            }
        }
        key.id = text("kid")?.map(str::to_owned);
        Ok(key)
    }

    fn from_okp(crv: Option<&str>, x: Option<&str>, is_private: bool) -> Result<Self, String> {
        if is_private {
            return Err(
                "it is a private key (it has d); give the public part without d, \
                 and replace the key: this one was in a variable"
                    .into(),
            );
        }
        if crv != Some("Ed25519") {
            return Err("crv must be \"Ed25519\"".into());
        }
        let public = decode_member("x", x)?;
        let public = <Ed25519 as jwt_compact::Algorithm>::VerifyingKey::from_slice(&public)
            .map_err(|_| "x must be the 32 bytes of an Ed25519 public key")?;
        Ok(Self {
            id: None,
            algorithms: vec![Algorithm::EdDsa],
            material: Material::Ed25519(public),
        })
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Keeps only these algorithms.
    pub fn restrict(&mut self, allowed: &[Algorithm]) {
        self.algorithms.retain(|known| allowed.contains(known));
    }

    fn verifies(&self, algorithm: Algorithm, signature: &[u8], signed: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::Secret(secret), Algorithm::Hs256) => {
                verify(&Hs256, &Hs256Key::new(secret), signature, signed)
            }
            (Material::Secret(secret), Algorithm::Hs384) => {
                verify(&Hs384, &Hs384Key::new(secret), signature, signed)
            }
            (Material::Secret(secret), Algorithm::Hs512) => {
                verify(&Hs512, &Hs512Key::new(secret), signature, signed)
            }
            (Material::Ed25519(key), Algorithm::EdDsa) => verify(&Ed25519, key, signature, signed),
            _ => false,
        }
    }
}

fn decode_member(name: &str, value: Option<&str>) -> Result<Vec<u8>, String> {
    use base64ct::Encoding;
    let value = value.ok_or_else(|| format!("{name} is missing"))?;
    base64ct::Base64UrlUnpadded::decode_vec(value)
        .map_err(|_| format!("{name} is not base64url without padding"))
}

/// Signatures are compared in constant time by jwt-compact's types. It would panic on a wrong
/// length, so that is checked first.
fn verify<A: jwt_compact::Algorithm>(
    algorithm: &A,
    key: &A::VerifyingKey,
    signature: &[u8],
    signed: &[u8],
) -> bool {
    A::Signature::LENGTH.is_none_or(|length| length.get() == signature.len())
        && A::Signature::try_from_slice(signature)
            .is_ok_and(|signature| algorithm.verify_signature(&signature, key, signed))
}

/// All keys that the gate trusts.
#[derive(Debug)]
pub struct KeyRing(Vec<Key>);

impl KeyRing {
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// Verifies the signature and gives the claims. A token that names a key is tried with the
    /// keys of that name, and with nameless ones; only keys that are for its `alg` are tried.
    pub(super) fn verify(
        &self,
        token: &Untrusted<'_>,
        header: &TokenHeader,
    ) -> Result<Map<String, Value>, TokenFault> {
        let algorithm = Algorithm::from_name(&header.algorithm)
            .ok_or_else(|| TokenFault::invalid("alg is not one that is verified here"))?;
        let mut candidates = self.0.iter().filter(|key| {
            let name_fits = match (&key.id, &header.key_id) {
                (Some(id), Some(wanted)) => id == wanted,
                _ => true,
            };
            name_fits && key.algorithms.contains(&algorithm)
        });
        let mut tried = false;
        let verified = candidates.any(|key| {
            tried = true;
            key.verifies(algorithm, &token.signature, token.signed)
        });
        match (verified, tried) {
            (true, _) => token.claims(),
            (false, true) => Err(TokenFault::invalid("the signature does not verify")),
            (false, false) => Err(TokenFault::invalid("no key for this alg and kid")),
        }
    }
}
