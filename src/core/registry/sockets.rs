//! A live socket as the registry knows it, and how a newer token moves its expiry.

use serde::{Deserialize, Serialize};

use super::keys::{Claim, RegistryKey};
use crate::request::address::AddressKey;
use crate::token::Identity;
use crate::util::time::Timestamp;

/// The most sockets that one list shows.
pub const MAX_LISTED: usize = 1000;

/// Longer texts are cut where they are only shown, in bytes.
const MAX_SHOWN_BYTES: usize = 256;

/// A live socket, or one that is about to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Equal for sockets that were opened under equal rules.
    pub realm: String,
    /// The token that moved its expiry last, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<TokenRenewal>,
}

/// A newer token that moved the expiry of a live socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRenewal {
    /// The keys by its `jti`, at most two. Its issuer, its subject, and its session if it names
    /// one, are those of the token before.
    pub keys: Vec<RegistryKey>,
    /// When it was issued, if it says so.
    pub issued: Option<Timestamp>,
}

impl Socket {
    /// Moves the expiry to that of a newer token, if that is later. Returns the message for the
    /// socket's channel then: `expires <ms> <JSON of the renewal>`.
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

    /// Whether a token that it lives by was issued earlier, or does not say when.
    pub(super) fn was_issued_before(&self, time: Timestamp) -> bool {
        let newer = self.renewal.as_ref().map(|renewal| renewal.issued);
        let is_older = |issued: Option<Timestamp>| issued.is_none_or(|issued| issued < time);
        is_older(self.issued) || newer.is_some_and(is_older)
    }
}

/// The `max` oldest of these sockets, oldest first, and whether there are more.
pub fn oldest(mut sockets: Vec<Socket>, max: usize) -> (Vec<Socket>, bool) {
    sockets.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
    let truncated = sockets.len() > max;
    sockets.truncate(max);
    (sockets, truncated)
}

/// A socket with all keys that it is found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketEntry {
    pub socket: Socket,
    /// At most ten: the platform allows no more tags.
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
            realm: arrival.realm.to_owned(),
            renewal: None,
        };
        Self { socket, keys }
    }
}

/// A text as lists show it.
fn shown(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_SHOWN_BYTES)].to_owned()
}
