//! How questions and answers travel between an isolate and an object: JSON.

use serde::{Deserialize, Serialize};

use super::{Denial, DenialReason, DenialTarget, RegistryKey, Socket, SocketEntry, TokenRenewal};
use crate::util::time::Timestamp;

/// What an object is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RegistryRequest {
    /// Whether a socket is admitted. One that is to be registered asks by its channel.
    Admit { entry: SocketEntry },
    /// Stores a mark and ends the sockets that it hits. `spoken`: the object says when.
    Deny {
        target: DenialTarget,
        denial: Denial,
        stamped: bool,
    },
    /// The live sockets of a key, or all.
    List {
        key: Option<RegistryKey>,
        max: usize,
    },
    /// Moves the expiry of a party's sockets, of one session or all, ahead to that of `entry`,
    /// which must be one that would be admitted, under the same rules.
    Extend {
        entry: SocketEntry,
        subject: RegistryKey,
        session: Option<RegistryKey>,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RegistryResponse {
    Admitted,
    Refused {
        end: DenialReason,
    },
    /// `mark`: what is stored now. `sockets`: how many were ended.
    Denied {
        denial: Denial,
        sockets: u64,
    },
    /// As many marks as an object keeps are there; this one is not stored.
    Full,
    Listed {
        sockets: Vec<Socket>,
        truncated: bool,
    },
    /// `sockets`: how many now live until then, or longer.
    Extended {
        sockets: u64,
    },
}

/// What a channel is opened with: the query of its URL, since a request for a socket has no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub entry: SocketEntry,
    /// Whether it was admitted before, and lost its channel.
    pub again: bool,
}

impl Opening {
    /// From `entry=<JSON>&again=<boolean>&expires=<ms> <JSON>`. `expires`: what the channel was
    /// told by [`Socket::prolong`] last, or zero. `None` for what is none of ours.
    pub fn from_query(query: &str) -> Option<Self> {
        let parameter = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs
                .find(|(known, _)| known == name)
                .map(|(_, value)| value)
        };
        let mut entry = SocketEntry::from_json(&parameter("entry")?)?;
        let moved = parameter("expires")?;
        let (until, renewal) = match moved.split_once(' ') {
            Some((until, renewal)) => (until, Some(TokenRenewal::from_json(renewal)?)),
            None => (&*moved, None),
        };
        let until = Timestamp(until.parse().ok()?);
        entry.socket.extend_to(until, renewal);
        Some(Self {
            entry,
            again: parameter("again")?.parse().ok()?,
        })
    }
}

macro_rules! as_json {
    ($($name:ident),*) => {$(
        impl $name {
            pub fn to_json(&self) -> String {
                serde_json::to_string(self).expect("texts and numbers")
            }

            /// `None` for what is none of ours.
            pub fn from_json(text: &str) -> Option<Self> {
                serde_json::from_str(text).ok()
            }
        }
    )*};
}
as_json!(
    RegistryRequest,
    RegistryResponse,
    SocketEntry,
    Socket,
    TokenRenewal
);
