//! What may no longer be admitted: revocations, bans, and for a moment what was disconnected.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Entry, Key, Socket};
use crate::util::time::Timestamp;

/// Marks that one object keeps at most.
pub const MOST_MARKS: u32 = 100_000;

/// A socket that lost its channel has this long to come back, and must not outlive a
/// disconnection that happened meanwhile.
pub const KICK_LASTS: Duration = Duration::from_secs(60);

/// The clocks of two isolates differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// What a mark does to what it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// No upgrade of this party is admitted, and none of its sockets stays.
    Ban,
    /// The same of tokens issued before a time.
    Revoke,
    /// The sockets are closed that are open.
    Kick,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Revoke => "revoke",
            Self::Kick => "kick",
        }
    }
}

/// How far a mark goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Of a revocation: tokens issued earlier are meant. Of a ban or a disconnection: when it was
    /// spoken; of two bans the later one counts.
    pub before: Timestamp,
    /// From then on it is as if it was not there.
    pub until: Timestamp,
}

/// What a mark is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub verb: Verb,
    pub key: Key,
}

impl Named {
    /// As it is stored under.
    pub fn name(&self) -> String {
        format!("{} {}", self.verb.name(), self.key.as_str())
    }
}

/// What is stored under a name that a mark is set for. It does not matter in which order marks
/// arrive, nor how often: so all objects come to store the same, and who is told of a failure can
/// repeat it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    pub stored: Mark,
    pub is_new: bool,
}

impl Mark {
    /// The mark to store where `stored` is already.
    pub fn over(self, verb: Verb, stored: Option<Self>) -> Marked {
        let mark = match (verb, stored) {
            (_, None) => self,
            // The later word counts. Of two at one time, the longer ban.
            (Verb::Ban, Some(stored)) => {
                let order = |mark: &Self| (mark.before, mark.until);
                if order(&self) > order(&stored) {
                    self
                } else {
                    stored
                }
            }
            // Nothing that was revoked is forgotten earlier than was said.
            (Verb::Revoke | Verb::Kick, Some(stored)) => Self {
                before: self.before.max(stored.before),
                until: self.until.max(stored.until),
            },
        };
        Marked {
            stored: mark,
            is_new: stored != Some(mark),
        }
    }

    /// Whether a new one needs a place among those that an object keeps. A ban that is lifted does
    /// not for long, and disconnections must work however much is revoked.
    pub fn needs_room(self, verb: Verb, now: Timestamp) -> bool {
        verb != Verb::Kick && self.until > now
    }

    /// When a ban is spoken that counts over `stored`, whatever clocks say.
    pub fn spoken(stored: Option<Self>, now: Timestamp) -> Timestamp {
        let later = stored.map(|stored| Timestamp(stored.before.0 + 1));
        later.map_or(now, |later| later.max(now))
    }

    /// What becomes of a socket that this mark was found for.
    pub fn hits(self, verb: Verb, socket: &Socket, now: Timestamp) -> Option<End> {
        if self.until <= now {
            return None;
        }
        match verb {
            Verb::Ban => Some(End::Banned),
            Verb::Kick => Some(End::Kicked),
            Verb::Revoke => {
                let is_meant = socket.has_token && socket.was_issued_before(self.before);
                is_meant.then_some(End::Revoked)
            }
        }
    }
}

/// Why a socket is not admitted, or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Banned,
    Revoked,
    Kicked,
}

impl End {
    /// The close code and reason that a live socket gets.
    pub fn close(self) -> (u16, &'static str) {
        match self {
            Self::Revoked => (4401, "revoked"),
            Self::Banned | Self::Kicked => (4403, "disconnected"),
        }
    }

    /// The same as its channel is told.
    pub fn message(self) -> String {
        let (code, reason) = self.close();
        format!("end {code} {reason}")
    }
}

impl Entry {
    /// The marks that could be about it. `again`: it was admitted before.
    pub fn questions(&self, again: bool) -> Vec<Named> {
        let verbs: &[Verb] = if again {
            &[Verb::Ban, Verb::Revoke, Verb::Kick]
        } else {
            &[Verb::Ban, Verb::Revoke]
        };
        let renewal_keys = self.socket.renewal_keys();
        let keys = || {
            let named = self.keys.iter().chain(renewal_keys);
            named.cloned().chain([Key::all()])
        };
        let of = |verb| keys().map(move |key| Named { verb, key });
        verbs.iter().copied().flat_map(of).collect()
    }
}

/// Whether a socket is admitted under the marks found for it; a ban is told first.
pub fn judge(socket: &Socket, found: &[(Verb, Mark)], now: Timestamp) -> Result<(), End> {
    // Who was disconnected and came back is not meant, though it may lose its channel too.
    let is_meant =
        |verb: Verb, mark: &Mark| verb != Verb::Kick || socket.since <= mark.before + CLOCKS_DIFFER;
    let ends = found.iter();
    match ends
        .filter(|(verb, mark)| is_meant(*verb, mark))
        .filter_map(|(verb, mark)| mark.hits(*verb, socket, now))
        .min()
    {
        Some(end) => Err(end),
        None => Ok(()),
    }
}
