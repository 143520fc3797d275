//! What may no longer be admitted: revocations, bans, and for a moment what was disconnected.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RegistryKey, Socket, SocketEntry};
use crate::util::time::Timestamp;

/// Marks that one object keeps at most.
pub const MAX_DENIALS: u32 = 100_000;

/// A socket that lost its channel has this long to come back, and must not outlive a
/// disconnection that happened meanwhile.
pub const DISCONNECT_LASTS: Duration = Duration::from_secs(60);

/// The clocks of two isolates differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// What a mark does to what it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialKind {
    /// No upgrade of this party is admitted, and none of its sockets stays.
    Ban,
    /// The same of tokens issued before a time.
    Revoke,
    /// The sockets are closed that are open.
    Disconnect,
}

impl DenialKind {
    fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Revoke => "revoke",
            Self::Disconnect => "disconnect",
        }
    }
}

/// How far a mark goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// Of a revocation: tokens issued earlier are meant. Of a ban or a disconnection: when it was
    /// spoken; of two bans the later one counts.
    pub before: Timestamp,
    /// From then on it is as if it was not there.
    pub until: Timestamp,
}

/// What a mark is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenialTarget {
    pub kind: DenialKind,
    pub key: RegistryKey,
}

impl DenialTarget {
    /// As it is stored under.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind.name(), self.key.as_str())
    }
}

/// What is stored under a name that a mark is set for. It does not matter in which order marks
/// arrive, nor how often: so all objects come to store the same, and who is told of a failure can
/// repeat it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedDenial {
    pub stored: Denial,
    pub is_new: bool,
}

impl Denial {
    /// The mark to store where `stored` is already.
    pub fn over(self, kind: DenialKind, stored: Option<Self>) -> MergedDenial {
        let denial = match (kind, stored) {
            (_, None) => self,
            // The later word counts. Of two at one time, the longer ban.
            (DenialKind::Ban, Some(stored)) => {
                let order = |denial: &Self| (denial.before, denial.until);
                if order(&self) > order(&stored) {
                    self
                } else {
                    stored
                }
            }
            // Nothing that was revoked is forgotten earlier than was said.
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

    /// Whether a new one needs a place among those that an object keeps. A ban that is lifted does
    /// not for long, and disconnections must work however much is revoked.
    pub fn needs_room(self, kind: DenialKind, now: Timestamp) -> bool {
        kind != DenialKind::Disconnect && self.until > now
    }

    /// When a ban is spoken that counts over `stored`, whatever clocks say.
    pub fn stamped(stored: Option<Self>, now: Timestamp) -> Timestamp {
        let later = stored.map(|stored| Timestamp(stored.before.0 + 1));
        later.map_or(now, |later| later.max(now))
    }

    /// What becomes of a socket that this mark was found for.
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

/// Why a socket is not admitted, or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialReason {
    Banned,
    Revoked,
    Disconnected,
}

impl DenialReason {
    /// The close code and reason that a live socket gets.
    pub fn close(self) -> (u16, &'static str) {
        match self {
            Self::Revoked => (4401, "revoked"),
            Self::Banned | Self::Disconnected => (4403, "disconnected"),
        }
    }

    /// The same as its channel is told.
    pub fn message(self) -> String {
        let (code, reason) = self.close();
        format!("end {code} {reason}")
    }
}

impl SocketEntry {
    /// The marks that could be about it. `again`: it was admitted before.
    pub fn denial_targets(&self, again: bool) -> Vec<DenialTarget> {
        let verbs: &[DenialKind] = if again {
            &[DenialKind::Ban, DenialKind::Revoke, DenialKind::Disconnect]
        } else {
            &[DenialKind::Ban, DenialKind::Revoke]
        };
        let renewal_keys = self.socket.renewal_keys();
        let keys = || {
            let target = self.keys.iter().chain(renewal_keys);
            target.cloned().chain([RegistryKey::all()])
        };
        let of = |kind| keys().map(move |key| DenialTarget { kind, key });
        verbs.iter().copied().flat_map(of).collect()
    }
}

/// Whether a socket is admitted under the marks found for it; a ban is told first.
pub fn judge(
    socket: &Socket,
    found: &[(DenialKind, Denial)],
    now: Timestamp,
) -> Result<(), DenialReason> {
    // Who was disconnected and came back is not meant, though it may lose its channel too.
    let is_meant = |kind: DenialKind, denial: &Denial| {
        kind != DenialKind::Disconnect || socket.since <= denial.before + CLOCKS_DIFFER
    };
    let ends = found.iter();
    match ends
        .filter(|(kind, denial)| is_meant(*kind, denial))
        .filter_map(|(kind, denial)| denial.hits(*kind, socket, now))
        .min()
    {
        Some(end) => Err(end),
        None => Ok(()),
    }
}
