//! Denials: revocations, bans, and for a minute disconnections.

use std::time::Duration;

use serde::Serialize;

use super::sockets::shown;
use super::{Claim, RegistryKey, Socket, SocketEntry};
use crate::util::digest::hex_digest;
use crate::util::from_json::{from_fields, from_name};
use crate::util::sorting::sorted_by;
use crate::util::time::Timestamp;

/// The most denials that one object keeps.
pub const MAX_DENIALS: u32 = 100_000;

/// The most denials about one subject that one object keeps, of all issuers together.
pub const MAX_DENIALS_OF_SUBJECT: u32 = 1000;

/// How long a disconnection is remembered. A socket that lost its channel has this long to come
/// back, and must not outlive a disconnection that happened meanwhile.
pub const DISCONNECT_LASTS: Duration = Duration::from_mins(1);

/// The clocks of two isolates differ by less than this.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// What a denial does to the sockets and upgrades with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialKind {
    /// No upgrade is admitted, and no live socket stays open.
    Ban,
    /// The same as a ban for tokens that were issued before a time.
    Revoke,
    /// The live sockets are closed; later upgrades are admitted.
    Disconnect,
}

/// Merges the lists of several objects. Returns the `max` newest denials, newest first, and whether
/// there are more.
pub fn newest(kind: DenialKind, found: Vec<ListedDenial>, max: usize) -> (Vec<ListedDenial>, bool) {
    let mut merged = sorted_by(found, |one, other| one.id.cmp(&other.id));
    merged.dedup_by(|listed, known| {
        let is_known = listed.id == known.id;
        if is_known {
            known.denial = listed.denial.over(kind, Some(known.denial)).stored;
            known.since = known.since.min(listed.since);
        }
        is_known
    });
    let mut all = sorted_by(merged, |one, other| {
        (other.since, &one.id).cmp(&(one.since, &other.id))
    });
    let truncated = all.len() > max;
    all.truncate(max);
    (all, truncated)
}

impl DenialKind {
    const ALL: [Self; 3] = [Self::Ban, Self::Revoke, Self::Disconnect];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Revoke => "revoke",
            Self::Disconnect => "disconnect",
        }
    }
}

/// How far a denial reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// In a revocation: tokens that were issued earlier are denied. In a ban or a disconnection:
    /// when it was requested; of two bans the later one counts.
    pub before: Timestamp,
    /// From this time on the denial has no effect.
    pub until: Timestamp,
}

/// What a denial is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DenialTarget {
    pub kind: DenialKind,
    pub key: RegistryKey,
}

from_name!(DenialKind, DenialReason);
from_fields!(Denial {
    before,
    until,
}
DenialTarget {
    kind,
    key,
}
About {
    ip,
    jti,
    sid,
    sub,
    iss,
}
ListedDenial {
    id,
    about,
    since,
    denial,
});

impl DenialTarget {
    /// The name that its denial is stored under.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind.name(), self.key.as_str())
    }

    /// The id by which an administrator names its denial: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        let mut digest = hex_digest([Some(self.name())]);
        digest.truncate(ID_LENGTH);
        digest
    }
}

/// The length of a denial's id.
pub const ID_LENGTH: usize = 32;

/// What a denial is about, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

impl About {
    pub fn address(address: &str) -> Self {
        Self {
            ip: Some(address.to_owned()),
            ..Self::default()
        }
    }

    /// A subject of any issuer, in full: its ban is lifted by that name.
    pub fn subject(subject: &str) -> Self {
        Self {
            sub: Some(subject.to_owned()),
            ..Self::default()
        }
    }

    /// A claim's value, of one issuer or any; or all tokens of an issuer or of any. Long
    /// texts are cut.
    pub fn tokens(claim: Option<(Claim, &str)>, issuer: Option<&str>) -> Self {
        let value = |name| {
            let value = claim.filter(|(claim, _)| *claim == name);
            value.map(|(_, value)| shown(value))
        };
        Self {
            ip: None,
            jti: value(Claim::Token),
            sid: value(Claim::Session),
            sub: value(Claim::Subject),
            iss: issuer.map(shown),
        }
    }
}

/// A denial in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedDenial {
    pub id: String,
    pub about: About,
    /// When it was first stored.
    pub since: Timestamp,
    pub denial: Denial,
}

/// A denial merged with what was stored for its target. Neither the order nor the number of times
/// that denials arrive matters: so all objects come to store equal denials, and an administrator
/// whose request failed can repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedDenial {
    pub stored: Denial,
    pub is_new: bool,
}

impl Denial {
    /// Merges this denial with the one that is stored for its target.
    pub fn over(self, kind: DenialKind, stored: Option<Self>) -> MergedDenial {
        let denial = match (kind, stored) {
            (_, None) => self,
            // The later ban counts. Of two from one time, the longer.
            (DenialKind::Ban, Some(stored)) => {
                let order = |denial: &Self| (denial.before, denial.until);
                if order(&self) > order(&stored) {
                    self
                } else {
                    stored
                }
            }
            // A revocation is never shortened.
            (DenialKind::Revoke | DenialKind::Disconnect, Some(stored)) => Self {
                before: self.before.max(stored.before),
                until: self.until.max(stored.until),
            },
        };
        MergedDenial {
            stored: denial,
            is_new: stored != Some(denial),
        }
    }

    /// Whether a new denial takes one of the object's places. A lifted ban does not for long, and
    /// disconnections must work however much is revoked.
    pub fn needs_room(self, kind: DenialKind, now: Timestamp) -> bool {
        kind != DenialKind::Disconnect && self.until > now
    }

    /// A time for a new ban that is later than the stored ban's, whatever the clocks say.
    pub fn stamped(stored: Option<Self>, now: Timestamp) -> Timestamp {
        let later = stored.map(|stored| Timestamp(stored.before.0 + 1));
        later.map_or(now, |later| later.max(now))
    }

    /// Why this denial ends a socket that it was found for, if it does.
    pub fn hits(self, kind: DenialKind, socket: &Socket, now: Timestamp) -> Option<DenialReason> {
        if self.until <= now {
            return None;
        }
        match kind {
            DenialKind::Ban => Some(DenialReason::Banned),
            DenialKind::Disconnect => Some(DenialReason::Disconnected),
            DenialKind::Revoke => {
                let is_meant = socket.has_token && socket.was_issued_before(self.before);
                is_meant.then_some(DenialReason::Revoked)
            }
        }
    }
}

/// Why a socket is refused or closed. Where several denials hit, the first in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialReason {
    Banned,
    Revoked,
    Disconnected,
}

impl DenialReason {
    const ALL: [Self; 3] = [Self::Banned, Self::Revoked, Self::Disconnected];

    /// As it is written in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Revoked => "revoked",
            Self::Disconnected => "disconnected",
        }
    }
}

impl SocketEntry {
    /// The targets of all denials that could hit it. `again`: it was admitted before.
    pub fn denial_targets(&self, again: bool) -> Vec<DenialTarget> {
        let kinds: &[DenialKind] = if again {
            &[DenialKind::Ban, DenialKind::Revoke, DenialKind::Disconnect]
        } else {
            &[DenialKind::Ban, DenialKind::Revoke]
        };
        let renewal_keys = self.socket.renewal_keys();
        let keys = || {
            let own = self.keys.iter().chain(renewal_keys);
            own.cloned().chain([RegistryKey::all()])
        };
        let of = |kind| keys().map(move |key| DenialTarget { kind, key });
        kinds.iter().copied().flat_map(of).collect()
    }
}

/// Whether a socket is admitted under the denials that were found for it.
pub fn judge(
    socket: &Socket,
    found: &[(DenialKind, Denial)],
    now: Timestamp,
) -> Result<(), DenialReason> {
    // A client that was disconnected and opened a new socket since is not meant, though that
    // socket may lose its channel too.
    let is_meant = |kind: DenialKind, denial: &Denial| {
        kind != DenialKind::Disconnect || socket.since <= denial.before + CLOCKS_DIFFER
    };
    let first = found
        .iter()
        .filter(|(kind, denial)| is_meant(*kind, denial))
        .filter_map(|(kind, denial)| denial.hits(*kind, socket, now))
        .min();
    match first {
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}
