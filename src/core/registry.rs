//! The registry of live sockets: what may no longer be admitted, and which sockets are open. Its
//! objects share the sockets by whose they are; revocations and bans stand in every one of them,
//! so that an upgrade asks one.
//!
//! A question is answered as a pure step from what is stored, the question and the time. The
//! Durable Object around it loads and stores, and sends what a socket is told.

mod denials;
mod wire;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::request::address::AddressKey;
use crate::token::Identity;
use crate::util::time::Timestamp;
pub use denials::{
    DISCONNECT_LASTS, Denial, DenialKind, DenialReason, DenialTarget, MAX_DENIALS, MergedDenial,
    judge,
};
pub use wire::{Opening, RegistryRequest, RegistryResponse};

/// So many objects, named by their numbers, share the live sockets.
pub const SHARDS: u8 = 16;

/// Sockets listed at most.
pub const MAX_LISTED: usize = 1000;

/// Longer keys are hashed: as the tag of a socket one may have 256 bytes.
const MAX_KEY_BYTES: usize = 200;

/// Longer texts are cut where they are only shown, in bytes.
const MAX_SHOWN_BYTES: usize = 256;

/// What sockets and tokens are found by: a subject, an address and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistryKey(String);

impl RegistryKey {
    /// With the lengths of its parts, so that no two keys read alike.
    fn new(kind: &str, parts: &[&str]) -> Self {
        let parts = parts.iter().map(|part| format!(" {}:{part}", part.len()));
        let plain = format!("{kind}{}", parts.collect::<String>());
        if plain.len() <= MAX_KEY_BYTES {
            Self(plain)
        } else {
            Self(format!("{kind} #{:x}", Sha256::digest(plain)))
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

    /// A claim's value, of one issuer or of whichever. The issuer of a token that names none is
    /// the empty text.
    pub fn claim(name: Claim, issuer: Option<&str>, value: &str) -> Self {
        match issuer {
            None => Self::new(name.name(), &[value]),
            Some(issuer) => Self::new(name.name(), &[issuer, value]),
        }
    }

    pub fn address(address: AddressKey) -> Self {
        Self::new("ip", &[&address.to_string()])
    }

    /// One socket, by the id of its upgrade.
    pub fn socket(id: &str) -> Self {
        Self::new("id", &[id])
    }

    /// What sockets with this key have as a tag; `None`: all are meant.
    pub fn tag(&self) -> Option<&Self> {
        (*self != Self::all()).then_some(self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of one token, by its `jti`: then a socket can have come to it since it was
    /// opened, and no tag tells.
    pub fn is_of_token(&self) -> bool {
        self.0.split(' ').next() == Some(Claim::Token.name())
    }

    /// The number of the object that keeps the sockets of this party.
    pub fn shard(&self) -> u8 {
        Sha256::digest(&self.0)[0] % SHARDS
    }
}

/// The claims that tokens are revoked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// `jti`, of one token.
    Token,
    /// `sid`, of a session.
    Session,
    /// `sub`.
    Subject,
}

impl Claim {
    pub const ALL: [Self; 3] = [Self::Token, Self::Session, Self::Subject];

    /// As tokens name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "jti",
            Self::Session => "sid",
            Self::Subject => "sub",
        }
    }

    fn of(self, identity: &Identity) -> Option<&str> {
        identity.claims.get(self.name())?.as_str()
    }
}

/// A live socket, or one that is about to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// The request id of its upgrade.
    pub id: String,
    pub sub: Option<String>,
    pub sid: Option<String>,
    /// As it is counted.
    pub ip: String,
    /// The pattern of its route.
    pub route: String,
    pub origin: Option<String>,
    /// When it asked to be opened.
    pub since: Timestamp,
    /// When its token stops being accepted.
    pub expires: Option<Timestamp>,
    /// Whether it came with a token.
    pub has_token: bool,
    /// When that was issued, if it says so.
    pub issued: Option<Timestamp>,
    /// Equal for sockets that were opened under the same rules.
    pub realm: String,
    /// The token that moved its expiry last, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<TokenRenewal>,
}

/// A newer token that a live socket lives by, beside the one that opened it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRenewal {
    /// By its `jti`, two at most. Its issuer, its subject, and its session if it names one, are
    /// those of the token before.
    pub keys: Vec<RegistryKey>,
    /// When it was issued, if it says so.
    pub issued: Option<Timestamp>,
}

impl Socket {
    /// Moves its expiry to that of a newer token, if that is later; gives what its channel is told
    /// then: `expires <ms> <JSON>`, with the token.
    pub fn extend(&mut self, newer: &SocketEntry) -> Option<String> {
        let until = newer.socket.expires?;
        let keys = newer.keys.iter().filter(|key| key.is_of_token());
        let renewal = TokenRenewal {
            keys: keys.cloned().collect(),
            issued: newer.socket.issued,
        };
        let message = format!("expires {} {}", until.0, renewal.to_json());
        self.extend_to(until, Some(renewal)).then_some(message)
    }

    /// The same by what its channel was told; whether that is later.
    fn extend_to(&mut self, until: Timestamp, renewal: Option<TokenRenewal>) -> bool {
        let is_later = self.expires.is_some_and(|expires| expires < until);
        if is_later {
            self.expires = Some(until);
            self.renewal = renewal;
        }
        is_later
    }

    /// Whether a newer token with this key moved its expiry last.
    pub fn is_renewed_by(&self, key: &RegistryKey) -> bool {
        self.renewal_keys().contains(key)
    }

    fn renewal_keys(&self) -> &[RegistryKey] {
        self.renewal.as_ref().map_or(&[], |renewal| &renewal.keys)
    }

    /// Whether a token that it lives by was issued earlier, or does not say when.
    fn was_issued_before(&self, time: Timestamp) -> bool {
        let newer = self.renewal.as_ref().map(|renewal| renewal.issued);
        let is_older = |issued: Option<Timestamp>| issued.is_none_or(|issued| issued < time);
        is_older(self.issued) || newer.is_some_and(is_older)
    }
}

/// The `most` oldest of these, the oldest first, and whether there are more.
pub fn oldest(mut sockets: Vec<Socket>, max: usize) -> (Vec<Socket>, bool) {
    sockets.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
    let truncated = sockets.len() > max;
    sockets.truncate(max);
    (sockets, truncated)
}

/// A socket and all that it is found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketEntry {
    pub socket: Socket,
    /// Ten at most, which is what the platform allows.
    pub keys: Vec<RegistryKey>,
}

/// Where a socket that asks to be opened comes from.
pub struct Arrival<'a> {
    pub id: &'a str,
    pub address: AddressKey,
    pub route: &'a str,
    pub origin: Option<&'a str>,
    pub realm: &'a str,
    pub now: Timestamp,
}

impl SocketEntry {
    /// `identity`: whose token it is, and when that stops being accepted.
    pub fn new(arrival: &Arrival<'_>, identity: Option<(&Identity, Timestamp)>) -> Self {
        let mut keys = vec![
            RegistryKey::socket(arrival.id),
            RegistryKey::address(arrival.address),
        ];
        if let Some((identity, _)) = identity {
            let issuer = issuer_of(identity);
            if !issuer.is_empty() {
                keys.push(RegistryKey::issuer(issuer));
            }
            for claim in Claim::ALL {
                if let Some(value) = claim.of(identity) {
                    keys.push(RegistryKey::claim(claim, None, value));
                    keys.push(RegistryKey::claim(claim, Some(issuer), value));
                }
            }
        }
        let shown = |text: &str| text[..text.floor_char_boundary(MAX_SHOWN_BYTES)].to_owned();
        let claim = |claim: Claim| identity.and_then(|(identity, _)| claim.of(identity));
        let socket = Socket {
            id: arrival.id.to_owned(),
            sub: claim(Claim::Subject).map(shown),
            sid: claim(Claim::Session).map(shown),
            ip: arrival.address.to_string(),
            route: shown(arrival.route),
            origin: arrival.origin.map(shown),
            since: arrival.now,
            expires: identity.map(|(_, expires)| expires),
            has_token: identity.is_some(),
            issued: identity.and_then(|(identity, _)| identity.issued()),
            realm: arrival.realm.to_owned(),
            renewal: None,
        };
        Self { socket, keys }
    }
}

/// The number of the object that keeps a socket: that of its subject, without one of its address.
pub fn shard_of(identity: Option<&Identity>, address: AddressKey) -> u8 {
    let subject = identity.and_then(subject_key);
    subject
        .unwrap_or_else(|| RegistryKey::address(address))
        .shard()
}

/// Whose sockets an identity's are: its subject's within its issuer.
pub fn subject_key(identity: &Identity) -> Option<RegistryKey> {
    let subject = identity.subject.as_deref()?;
    Some(RegistryKey::claim(
        Claim::Subject,
        Some(issuer_of(identity)),
        subject,
    ))
}

/// The session of an identity, if its token names one.
pub fn session_key(identity: &Identity) -> Option<RegistryKey> {
    let session = Claim::Session.of(identity);
    session.map(|session| RegistryKey::claim(Claim::Session, Some(issuer_of(identity)), session))
}

fn issuer_of(identity: &Identity) -> &str {
    identity.issuer().unwrap_or_default()
}
