//! What sockets and denials are found by: a claim's value, an address, the id of one socket.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::request::address::AddressKey;
use crate::token::{Identity, TrustDomain};
use crate::util::from_json::from_content;
use crate::util::hex;

/// How many objects share the live sockets. Their names are the numbers below this one.
pub const SHARDS: u8 = 16;

/// Longer keys are hashed, in bytes: the platform allows 256 in a tag of a socket.
const MAX_KEY_BYTES: usize = 200;

/// A key that sockets and denials are found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RegistryKey(String);

from_content!(RegistryKey);

impl RegistryKey {
    /// Writes the length of each part before it, so that two different keys never read alike.
    fn new(kind: &str, parts: &[&str]) -> Self {
        let parts = parts.iter().map(|part| format!(" {}:{part}", part.len()));
        let plain = format!("{kind}{}", parts.collect::<String>());
        if plain.len() <= MAX_KEY_BYTES {
            Self(plain)
        } else {
            Self(format!("{kind} #{}", hex(Sha256::digest(plain))))
        }
    }

    /// Every token.
    pub fn all() -> Self {
        Self::new("all", &[])
    }

    /// The tokens of an issuer.
    pub fn issuer(issuer: &str) -> Self {
        Self::new("iss", &[issuer])
    }

    /// A claim's value, from one issuer or from any.
    pub fn claim(name: Claim, issuer: Option<&str>, value: &str) -> Self {
        match issuer {
            None => Self::new(name.name(), &[value]),
            Some(issuer) => Self::new(name.name(), &[issuer, value]),
        }
    }

    /// A claim's value within the trust domain of an identity: from its issuer, or else by the key
    /// source that verified its token.
    pub fn in_domain(name: Claim, identity: &Identity, value: &str) -> Self {
        match &identity.domain {
            TrustDomain::Issuer(issuer) => Self::claim(name, Some(issuer), value),
            TrustDomain::KeySource(id) => Self::new(name.name(), &["", id, value]),
        }
    }

    pub fn address(address: AddressKey) -> Self {
        Self::new("ip", &[&address.to_string()])
    }

    /// One socket, by the request id of its upgrade.
    pub fn socket(id: &str) -> Self {
        Self::new("id", &[id])
    }

    /// The tag of the sockets with this key. `None` if it means all sockets.
    pub fn tag(&self) -> Option<&Self> {
        (*self != Self::all()).then_some(self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it names: `ip`, `id`, a claim, or `all`.
    pub fn kind(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Whether it names one token, by its `jti`. A socket can come to such a key after it was
    /// opened, and its tags don't change.
    pub fn is_of_token(&self) -> bool {
        self.kind() == Claim::Token.name()
    }

    /// The number of the object that keeps the sockets of this subject or address.
    pub fn shard(&self) -> u8 {
        Sha256::digest(&self.0)[0] % SHARDS
    }
}

/// The claims that tokens are revoked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// `jti`, which names one token.
    Token,
    /// `sid`, which names a session.
    Session,
    /// `sub`.
    Subject,
}

impl Claim {
    pub const ALL: [Self; 3] = [Self::Token, Self::Session, Self::Subject];

    /// Its name in a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "jti",
            Self::Session => "sid",
            Self::Subject => "sub",
        }
    }

    pub(super) fn of(self, identity: &Identity) -> Option<&str> {
        match self {
            Self::Token => identity.claims.get("jti")?.as_str(),
            Self::Session => identity.session.as_deref(),
            Self::Subject => identity.subject.as_deref(),
        }
    }
}

/// The number of the object that keeps a socket: by its subject, or without one by its address.
pub fn shard_of(identity: Option<&Identity>, address: AddressKey) -> u8 {
    let subject = identity.and_then(subject_key);
    subject
        .unwrap_or_else(|| RegistryKey::address(address))
        .shard()
}

/// The owner of a socket: its subject, or without one its address. An address does not own the
/// sockets of the subjects behind it.
pub(super) fn owner_of(identity: Option<&Identity>, address: AddressKey) -> RegistryKey {
    let subject = identity.and_then(subject_key);
    subject.unwrap_or_else(|| RegistryKey::new("own", &[&address.to_string()]))
}

/// The subject of an identity, within its issuer.
pub fn subject_key(identity: &Identity) -> Option<RegistryKey> {
    let subject = identity.subject.as_deref()?;
    Some(RegistryKey::in_domain(Claim::Subject, identity, subject))
}

/// The session of an identity within its issuer, if its token names one.
pub fn session_key(identity: &Identity) -> Option<RegistryKey> {
    let session = Claim::Session.of(identity);
    session.map(|session| RegistryKey::in_domain(Claim::Session, identity, session))
}
