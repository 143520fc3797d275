//! `Portcullis-Assertion`: a signed JWT (RFC 7519) that tells the upstream who opened a socket. It
//! is valid for a minute. The public keys to check it are published.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::alg::{Ed25519, Hs256, Hs256Key, Hs384, Hs384Key, Hs512, Hs512Key, SecretBytes};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmSignature};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::token::{Identity, KeyRing, Members};
use crate::util::time::Timestamp;

/// Long enough to reach an upstream whose clock differs a little.
const LIFE: Duration = Duration::from_mins(1);
const ISSUER: &str = "portcullis";

/// `ASSERTION_KEY`.
pub struct AssertionKey {
    id: String,
    signer: Signer,
    /// The JWK to publish. A secret has none.
    public: Option<Value>,
}

enum Signer {
    Hs256(Hs256Key),
    Hs384(Hs384Key),
    Hs512(Hs512Key),
    Ed25519(<Ed25519 as Algorithm>::SigningKey),
}

/// The content of an assertion about one upgrade.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// The `aud` claim: see [`super::Upstream::audience`].
    pub audience: &'a str,
    /// `None` for a client without a token, where tokens are optional.
    pub identity: Option<&'a Identity>,
    pub address: Option<IpAddr>,
    /// The pattern of the route that the socket is opened on.
    pub route: Option<&'a str>,
    pub request_id: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_id: Option<SubjectIdentifier<'a>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    jti: &'a str,
    iat: u64,
    exp: u64,
}

/// A subject by its issuer, which alone makes it unique (RFC 9493 §3.2.3).
#[derive(Serialize)]
struct SubjectIdentifier<'a> {
    format: &'static str,
    iss: &'a str,
    sub: &'a str,
}

impl<'a> SubjectIdentifier<'a> {
    fn of(identity: &'a Identity) -> Option<Self> {
        Some(Self {
            format: "iss_sub",
            iss: identity.issuer()?,
            sub: identity.subject.as_deref()?,
        })
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey")
            .field("id", &self.id)
            .field("algorithm", &self.signer.algorithm())
            .field("key", &format_args!("REDACTED"))
            .finish()
    }
}

impl AssertionKey {
    /// Reads a private JWK: `oct` (RFC 7518 §6.4) or `OKP` with Ed25519 (RFC 8037 §2). The error
    /// says what is wrong and what would be right. It never repeats the key.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, String> {
        let members = Members(jwk);
        let algorithm = members.text("alg")?;
        let (jwk_of_key, signer) = match members.text("kty")? {
            Some("oct") => symmetric(&members, algorithm.unwrap_or("HS256"))?,
            Some("OKP") => ed25519(&members, algorithm)?,
            _ => return Err("kty must be \"oct\" or \"OKP\"".into()),
        };
        if members.text("use")?.is_some_and(|usage| usage != "sig") {
            return Err("use must be \"sig\"; this key is not for signatures".into());
        }
        if let Some(operations) = jwk.get("key_ops") {
            let list = operations.as_array();
            if !list.is_some_and(|list| list.iter().any(|operation| operation == "sign")) {
                return Err("key_ops must hold \"sign\"".into());
            }
        }
        let id = match members.text("kid")? {
            Some("") => return Err("kid is empty; give it a name or leave it out".into()),
            Some(id) => id.to_owned(),
            // RFC 7638.
            None => Base64UrlUnpadded::encode_string(&jwk_of_key.thumbprint::<Sha256>()),
        };
        let public = match &signer {
            Signer::Ed25519(_) => Some(json!({
                "kty": "OKP", "crv": "Ed25519", "x": members.text("x")?,
                "kid": id, "alg": "EdDSA", "use": "sig",
            })),
            _ => None,
        };
        Ok(Self { id, signer, public })
    }

    /// Returns the value of `Portcullis-Assertion`. Ed25519 signs deterministically (RFC 8032
    /// §5.1.6), so no source of randomness can fail.
    pub fn sign(&self, assertion: &Assertion<'_>, now: Timestamp) -> String {
        let header = Header {
            typ: "JWT",
            alg: self.signer.algorithm(),
            kid: &self.id,
        };
        let identity = assertion.identity;
        let claims = Claims {
            iss: ISSUER,
            aud: assertion.audience,
            sub: identity.and_then(|identity| identity.subject.as_deref()),
            sub_id: identity.and_then(SubjectIdentifier::of),
            scope: identity.map_or_else(String::new, |identity| identity.scopes.join(" ")),
            ip: assertion.address,
            route: assertion.route,
            jti: assertion.request_id,
            iat: now.0 / 1000,
            exp: now.0 / 1000 + LIFE.as_secs(),
        };
        let mut token = format!("{}.{}", segment(&header), segment(&claims));
        let signature = Base64UrlUnpadded::encode_string(&self.signer.sign(token.as_bytes()));
        token.push('.');
        token.push_str(&signature);
        token
    }

    /// Whether a client could use an assertion as a token, because `ring` verifies with this key.
    pub fn is_among(&self, ring: &KeyRing) -> bool {
        match &self.signer {
            Signer::Hs256(key) => ring.holds_secret(key.as_ref()),
            Signer::Hs384(key) => ring.holds_secret(key.as_ref()),
            Signer::Hs512(key) => ring.holds_secret(key.as_ref()),
            Signer::Ed25519(key) => ring.holds_ed25519(key.public_key().as_ref()),
        }
    }

    /// The public part as a JWK (RFC 7517), if there is one.
    pub fn public(&self) -> Option<&Value> {
        self.public.as_ref()
    }
}

fn segment(part: &impl Serialize) -> String {
    let json = serde_json::to_vec(part).expect("a struct of strings and numbers");
    Base64UrlUnpadded::encode_string(&json)
}

impl Signer {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Hs384(_) => "HS384",
            Self::Hs512(_) => "HS512",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hs256(key) => Hs256.sign(key, message).as_bytes().into_owned(),
            Self::Hs384(key) => Hs384.sign(key, message).as_bytes().into_owned(),
            Self::Hs512(key) => Hs512.sign(key, message).as_bytes().into_owned(),
            Self::Ed25519(key) => key.sign(message, None).to_vec(),
        }
    }
}

type Parsed = (JsonWebKey<'static>, Signer);

fn symmetric(members: &Members<'_>, algorithm: &str) -> Result<Parsed, String> {
    let secret = members.bytes("k")?;
    // A key is as long as the hash or longer (RFC 7518 §3.2).
    let (least, signer) = match algorithm {
        "HS256" => (32, Signer::Hs256(Hs256Key::new(&secret))),
        "HS384" => (48, Signer::Hs384(Hs384Key::new(&secret))),
        "HS512" => (64, Signer::Hs512(Hs512Key::new(&secret))),
        _ => return Err("alg must be \"HS256\", \"HS384\" or \"HS512\" with kty \"oct\"".into()),
    };
    if secret.len() < least {
        let length = secret.len();
        return Err(format!(
            "k has {length} bytes; {algorithm} takes {least} or more"
        ));
    }
    let secret = SecretBytes::owned(secret);
    Ok((JsonWebKey::Symmetric { secret }, signer))
}

fn ed25519(members: &Members<'_>, algorithm: Option<&str>) -> Result<Parsed, String> {
    if members.text("crv")? != Some("Ed25519") {
        return Err("crv must be \"Ed25519\"".into());
    }
    if algorithm.is_some_and(|algorithm| algorithm != "EdDSA") {
        return Err("alg must be \"EdDSA\" with kty \"OKP\"".into());
    }
    let (public, seed) = (members.bytes("x")?, members.bytes("d")?);
    // The crate behind jwt-compact panics on a seed of zeros.
    if public.len() != 32 || seed.len() != 32 || seed.iter().all(|byte| *byte == 0) {
        return Err("x and d must be the 32 bytes each of an Ed25519 key pair".into());
    }
    let jwk = JsonWebKey::KeyPair {
        curve: "Ed25519".into(),
        x: public.into(),
        secret: Some(SecretBytes::owned(seed)),
    };
    let key = (&jwk).try_into().map_err(|_| "x does not belong to d")?;
    Ok((jwk, Signer::Ed25519(key)))
}
