//! A live socket as the registry knows it, and how a newer token moves its expiry.

use serde::Serialize;

use super::keys::{Claim, RegistryKey, owner_of};
use crate::request::address::AddressKey;
use crate::token::{Identity, TokenDigest};
use crate::util::from_json::from_fields;
use crate::util::sorting::sorted_by;
use crate::util::time::Timestamp;

/// The most sockets that one list shows.
pub const MAX_LISTED: usize = 1000;

/// The most live sockets of one owner that an object registers: an eighth of the 32,768 that the
/// platform accepts in an object.
pub const MAX_SOCKETS_OF_OWNER: usize = 4096;

/// Longer texts are cut where they are only shown, in bytes.
const MAX_SHOWN_BYTES: usize = 256;

/// A live socket, or one that is about to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// The request id of its upgrade.
    pub id: String,
    pub sub: Option<String>,
    pub sid: Option<String>,
    /// The address that it counts by.
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
    /// When that token was issued, if it says so.
    pub issued: Option<Timestamp>,
    /// A digest of that token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenDigest>,
    /// Equal for sockets that were opened under equal rules.
    pub realm: String,
    /// The token that moved its expiry last, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<TokenRenewal>,
}

/// A newer token that moved the expiry of a live socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRenewal {
    /// The keys by its `jti`, at most two. Its issuer, its subject, and its session if it names
    /// one, are those of the token before.
    pub keys: Vec<RegistryKey>,
    /// When it was issued, if it says so.
    pub issued: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenDigest>,
}

from_fields!(Socket {
    id,
    sub,
    sid,
    ip,
    route,
    origin,
    since,
    expires,
    has_token,
    issued,
    token,
    realm,
    renewal,
}
TokenRenewal {
    keys,
    issued,
    token,
}
SocketEntry {
    socket,
    keys,
    owner,
});

impl Socket {
    /// Moves the expiry to that of a newer token, if that is later. Returns the message for the
    /// socket's channel then: `expires <ms> <JSON of the renewal>`.
    pub fn extend(&mut self, newer: &SocketEntry) -> Option<String> {
        let until = newer.socket.expires?;
        let keys = newer.keys.iter().filter(|key| key.is_of_token());
        let renewal = TokenRenewal {
            keys: keys.cloned().collect(),
            issued: newer.socket.issued,
            token: newer.socket.token.clone(),
        };
        let message = format!("expires {} {}", until.0, renewal.to_json());
        self.extend_to(until, Some(renewal)).then_some(message)
    }

    /// Moves the expiry to `until`, if that is later; returns whether it is.
    pub(super) fn extend_to(&mut self, until: Timestamp, renewal: Option<TokenRenewal>) -> bool {
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

    pub(super) fn renewal_keys(&self) -> &[RegistryKey] {
        self.renewal.as_ref().map_or(&[], |renewal| &renewal.keys)
    }

    /// Whether this token opened it, or moved its expiry last.
    pub fn lives_by(&self, token: &TokenDigest) -> bool {
        let newer = self.renewal.as_ref().and_then(|newer| newer.token.as_ref());
        self.token.as_ref() == Some(token) || newer == Some(token)
    }

    /// Whether a token that it lives by was issued earlier, or does not say when.
    pub(super) fn was_issued_before(&self, time: Timestamp) -> bool {
        let newer = self.renewal.as_ref().map(|renewal| renewal.issued);
        let is_older = |issued: Option<Timestamp>| issued.is_none_or(|issued| issued < time);
        is_older(self.issued) || newer.is_some_and(is_older)
    }
}

/// The `max` oldest of these sockets, oldest first, and whether there are more.
pub fn oldest(sockets: Vec<Socket>, max: usize) -> (Vec<Socket>, bool) {
    let mut sockets = sorted_by(sockets, |one, other| {
        (one.since, &one.id).cmp(&(other.since, &other.id))
    });
    let truncated = sockets.len() > max;
    sockets.truncate(max);
    (sockets, truncated)
}

/// A socket with all keys that it is found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SocketEntry {
    pub socket: Socket,
    pub keys: Vec<RegistryKey>,
    /// Its subject within its issuer, or its address without a subject. One owner can't take up a
    /// whole object.
    pub owner: RegistryKey,
}

/// Where a socket that asks to be opened comes from.
pub struct Arrival<'a> {
    pub id: &'a str,
    pub address: AddressKey,
    pub route: &'a str,
    pub origin: Option<&'a str>,
    pub realm: &'a str,
    /// A digest of its token.
    pub token: Option<&'a TokenDigest>,
    pub now: Timestamp,
}

impl SocketEntry {
    /// The keys and the owner, as the tags of the socket's channel. The platform allows ten.
    pub fn tags(&self) -> Vec<String> {
        let owner = (!self.keys.contains(&self.owner)).then_some(&self.owner);
        let tags = self.keys.iter().chain(owner);
        tags.map(|key| key.as_str().to_owned()).collect()
    }

    /// `identity`: what its token says, and when that token stops being accepted.
    pub fn new(arrival: &Arrival<'_>, identity: Option<(&Identity, Timestamp)>) -> Self {
        let mut keys = vec![
            RegistryKey::socket(arrival.id),
            RegistryKey::address(arrival.address),
        ];
        if let Some((identity, _)) = identity {
            keys.extend(identity.issuer().map(RegistryKey::issuer));
            for claim in Claim::ALL {
                if let Some(value) = claim.of(identity) {
                    keys.push(RegistryKey::claim(claim, None, value));
                    keys.push(RegistryKey::in_domain(claim, identity, value));
                }
            }
        }
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
            token: arrival.token.cloned(),
            realm: arrival.realm.to_owned(),
            renewal: None,
        };
        let owner = owner_of(identity.map(|(identity, _)| identity), arrival.address);
        Self {
            socket,
            keys,
            owner,
        }
    }
}

/// A text as lists show it.
pub(super) fn shown(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_SHOWN_BYTES)].to_owned()
}
