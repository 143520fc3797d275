//! Verification keys, each bound to the algorithms it is for (RFC 8725 §3.1).

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Hs256, Hs256Key, Hs384, Hs384Key, Hs512, Hs512Key};
use serde_json::Value;

use super::jwk::ed25519_jwk;
use super::jws::{TokenHeader, Untrusted};
use super::{Runtime, TokenFault};
use crate::util::bounded_map::BoundedMap;
use crate::util::digest::{digest, hex_digest};

/// The cause of refusing a token that no key can have signed.
pub(super) const NO_KEY: &str = "no key for this alg and kid";

/// Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 13] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];
    const HMAC: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];
    pub(super) const RSA: [Self; 6] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this registered name. `Ed25519` is the newer name of `EdDSA` with that
    /// curve, the only one here (RFC 9864 §2.2).
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(Self::EdDsa),
            _ => Self::ALL.into_iter().find(|known| known.name() == name),
        }
    }

    pub(super) fn is_hmac(self) -> bool {
        Self::HMAC.contains(&self)
    }

    /// The minimum length of an HMAC key, in bytes: that of its hash (RFC 7518 §3.2).
    fn min_secret_bytes(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            _ => None,
        }
    }
}

/// A public key that the runtime's cryptography verifies with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuntimeKey {
    /// The JWK with its public members only, in a fixed order: equal keys are equal texts.
    pub jwk: String,
}

/// The length of an Ed25519 signature, in bytes (RFC 8032 §5.1.6).
const ED25519_SIGNATURE_BYTES: usize = 64;

/// The key itself, in the form that its algorithms need.
enum Material {
    Secret(Vec<u8>),
    Runtime(Rc<RuntimeKey>),
}

/// A key and the algorithms it is for.
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
        let is_long_enough = |algorithm: &Algorithm| {
            let least = algorithm.min_secret_bytes();
            least.is_some_and(|least| secret.len() >= least)
        };
        let algorithms: Vec<_> = Algorithm::HMAC.into_iter().filter(is_long_enough).collect();
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

    pub(super) fn from_runtime(algorithms: Vec<Algorithm>, public_jwk: &Value) -> Self {
        Self {
            id: None,
            algorithms,
            material: Material::Runtime(Rc::new(RuntimeKey {
                jwk: public_jwk.to_string(),
            })),
        }
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn set_id(&mut self, id: Option<&str>) {
        self.id = id.map(str::to_owned);
    }

    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Keeps only these algorithms.
    pub fn restrict(&mut self, allowed: &[Algorithm]) {
        self.algorithms.retain(|known| allowed.contains(known));
    }

    /// A token that names a key fits the keys of that name, and nameless ones.
    fn fits(&self, header: &TokenHeader, algorithm: Algorithm) -> bool {
        let name_fits = match (&self.id, &header.key_id) {
            (Some(id), Some(wanted)) => id == wanted,
            _ => true,
        };
        name_fits && self.algorithms.contains(&algorithm)
    }

    async fn verifies<R: Runtime>(
        &self,
        runtime: &R,
        algorithm: Algorithm,
        token: &Untrusted<'_>,
        verified: &VerifiedTokens,
    ) -> Result<bool, String> {
        let (signature, signed) = (token.signature.as_slice(), token.signed);
        Ok(match (&self.material, algorithm) {
            (Material::Secret(secret), Algorithm::Hs256) => {
                verify(&Hs256, &Hs256Key::new(secret), signature, signed)
            }
            (Material::Secret(secret), Algorithm::Hs384) => {
                verify(&Hs384, &Hs384Key::new(secret), signature, signed)
            }
            (Material::Secret(secret), Algorithm::Hs512) => {
                verify(&Hs512, &Hs512Key::new(secret), signature, signed)
            }
            // workerd would throw, and the log would blame the key.
            (Material::Runtime(_), Algorithm::EdDsa)
                if signature.len() != ED25519_SIGNATURE_BYTES =>
            {
                false
            }
            (Material::Runtime(key), _) => {
                let id = VerifiedTokens::id(token, key);
                if verified.holds(&id) {
                    return Ok(true);
                }
                let is_genuine = runtime.verify(key, algorithm, signature, signed).await?;
                if is_genuine {
                    verified.add(id);
                }
                is_genuine
            }
            _ => false,
        })
    }
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

/// Tokens whose signatures verified, so that a storm of reconnecting clients costs one verification
/// each. Only that this key signed this token is remembered: claims and times are checked every
/// time, and a key that leaves the ring takes its tokens with it.
struct VerifiedTokens(RefCell<BoundedMap<VerifiedTokenId, ()>>);

/// A digest of a key, of what it signed and of the signature.
type VerifiedTokenId = [u8; 32];

impl VerifiedTokens {
    /// 64 bytes each, and the tables' own.
    const CAPACITY: usize = 16_384;

    fn id(token: &Untrusted<'_>, key: &RuntimeKey) -> VerifiedTokenId {
        digest([
            Some(key.jwk.as_bytes()),
            Some(token.signed),
            Some(&token.signature),
        ])
    }

    fn holds(&self, id: &VerifiedTokenId) -> bool {
        self.0.borrow().contains_key(id)
    }

    fn add(&self, id: VerifiedTokenId) {
        self.0.borrow_mut().insert(id, ());
    }
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(RefCell::new(BoundedMap::new(Self::CAPACITY)))
    }
}

/// All keys of one issuer.
#[derive(Default)]
pub struct KeyRing {
    keys: Vec<Key>,
    verified: VerifiedTokens,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    pub fn new(keys: Vec<Key>) -> Self {
        Self {
            keys,
            verified: VerifiedTokens::default(),
        }
    }

    /// Whether one of the keys is this secret.
    pub(crate) fn holds_secret(&self, key: &[u8]) -> bool {
        let is_it =
            |known: &Key| matches!(&known.material, Material::Secret(secret) if secret == key);
        self.keys.iter().any(is_it)
    }

    /// Whether one of the keys is this Ed25519 public key.
    pub(crate) fn holds_ed25519(&self, public: &[u8]) -> bool {
        let jwk = ed25519_jwk(public).to_string();
        let is_it =
            |known: &Key| matches!(&known.material, Material::Runtime(key) if key.jwk == jwk);
        self.keys.iter().any(is_it)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Names one of the keys without revealing it.
    pub(super) fn id(&self, number: usize) -> String {
        match &self.keys[number].material {
            Material::Secret(secret) => hex_digest([Some(&b"secret"[..]), Some(secret)]),
            Material::Runtime(key) => hex_digest([Some("key"), Some(key.jwk.as_str())]),
        }
    }

    /// Whether any key could have signed a token with this header.
    pub(super) fn has_key_for(&self, header: &TokenHeader, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.fits(header, algorithm))
    }

    /// Whether some key could have signed a token with this header, though no `kid` says which.
    pub(super) fn could_only_guess(&self, header: &TokenHeader, algorithm: Algorithm) -> bool {
        let is_candidate = |key: &&Key| key.fits(header, algorithm);
        let mut candidates = self.keys.iter().filter(is_candidate).peekable();
        candidates.peek().is_some()
            && (header.key_id.is_none() || candidates.all(|key| key.id.is_none()))
    }

    /// Verifies the signature with the keys that fit the token. Returns the number of the key that
    /// signed it.
    pub(super) async fn verify<R: Runtime>(
        &self,
        runtime: &R,
        algorithm: Algorithm,
        token: &Untrusted<'_>,
    ) -> Result<usize, TokenFault> {
        let mut fault = None;
        for (number, key) in self.keys.iter().enumerate() {
            if !key.fits(&token.header, algorithm) {
                continue;
            }
            match key
                .verifies(runtime, algorithm, token, &self.verified)
                .await
            {
                Ok(true) => return Ok(number),
                Ok(false) => {
                    let invalid = || TokenFault::invalid("the signature does not verify");
                    fault = fault.or_else(|| Some(invalid()));
                }
                // The key is at fault, so the client may be honest.
                Err(failure) => {
                    let cause = format!("the key can't be used: {failure}");
                    fault = Some(TokenFault::unusable(cause));
                }
            }
        }
        Err(fault.unwrap_or_else(|| TokenFault::invalid(NO_KEY)))
    }
}
