//! Requests and responses between an isolate and an object, as JSON.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{
    About, Census, Denial, DenialKind, DenialReason, DenialTarget, ListedDenial, RegistryKey,
    Socket, SocketEntry, TokenRenewal,
};
use crate::token::TokenDigest;
use crate::util::from_json::{FromJson, from_fields, from_json, read_fields, variant};
use crate::util::time::Timestamp;

/// A request to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryRequest {
    /// Whether a socket is admitted that is not registered.
    Admit { entry: SocketEntry },
    /// Admits a socket and registers it with its channel.
    Open(Opening),
    /// Stores a denial and ends the sockets that it hits. `stamped`: the object sets its time.
    Deny {
        target: DenialTarget,
        denial: Denial,
        stamped: bool,
        about: About,
    },
    /// Deletes the denial with this kind and id.
    Lift { kind: DenialKind, id: String },
    /// The denials of one kind that still apply, the newest first: all, or those about any of these
    /// keys.
    ListDenials {
        kind: DenialKind,
        max: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        about: Option<Vec<RegistryKey>>,
    },
    /// The live sockets of a key, or all.
    List {
        key: Option<RegistryKey>,
        max: usize,
    },
    /// How many live sockets there are.
    Count,
    /// Moves the expiry of some of a subject's sockets ahead to that of `entry`, which must be one
    /// that would be admitted, under equal rules.
    Extend {
        entry: SocketEntry,
        subject: RegistryKey,
        scope: RefreshScope,
    },
}

/// Which of its subject's sockets a newer token keeps open: those of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshScope {
    /// Those that were opened in this session.
    Session(RegistryKey),
    /// Those that this token opened or moved last.
    Token(TokenDigest),
}

/// The response of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryResponse {
    /// `denials_exist`: whether the object stores a denial that still applies, about anybody.
    Admitted {
        denials_exist: bool,
    },
    /// `by`: the denial that decided.
    Refused {
        end: DenialReason,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<DeniedBy>,
    },
    /// As many sockets of its owner are registered as may be.
    TooManySockets,
    /// `denial`: what is stored now. `sockets`: how many were ended.
    Denied {
        denial: Denial,
        sockets: u64,
    },
    /// The object keeps as many denials as it can, or as many sockets; this one is not stored.
    Full,
    /// The object keeps as many denials about this subject as may be; this one is not stored.
    SubjectFull,
    /// `existed`: whether there was such a denial.
    Lifted {
        existed: bool,
    },
    ListedDenials {
        denials: Vec<ListedDenial>,
        truncated: bool,
    },
    Listed {
        sockets: Vec<Socket>,
        truncated: bool,
    },
    Count(Census),
    /// `sockets`: how many now live until then, or longer.
    Extended {
        sockets: u64,
    },
}

/// The denial that refused a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeniedBy {
    /// As an administrator names it.
    pub id: String,
    /// What it is about: `ip`, the name of a claim, or `all`.
    pub about: String,
    pub until: Timestamp,
}

/// A request for a channel. It travels in the query of the URL, since a request for a socket has
/// no body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opening {
    pub entry: SocketEntry,
    /// Whether it was admitted before, and lost its channel.
    pub again: bool,
}

impl FromJson for RegistryRequest {
    fn from_value(value: Value) -> Option<Self> {
        let (name, content) = variant(value)?;
        match name.as_str() {
            "admit" => read_fields!(content => Self::Admit { entry }),
            "open" => Opening::from_value(content).map(Self::Open),
            "deny" => read_fields!(content => Self::Deny { target, denial, stamped, about }),
            "lift" => read_fields!(content => Self::Lift { kind, id }),
            "list_denials" => read_fields!(content => Self::ListDenials { kind, max, about }),
            "list" => read_fields!(content => Self::List { key, max }),
            "count" => Some(Self::Count),
            "extend" => read_fields!(content => Self::Extend { entry, subject, scope }),
            _ => None,
        }
    }
}

impl FromJson for RefreshScope {
    fn from_value(value: Value) -> Option<Self> {
        let (name, content) = variant(value)?;
        match name.as_str() {
            "session" => RegistryKey::from_value(content).map(Self::Session),
            "token" => TokenDigest::from_value(content).map(Self::Token),
            _ => None,
        }
    }
}

impl FromJson for RegistryResponse {
    fn from_value(value: Value) -> Option<Self> {
        let (name, content) = variant(value)?;
        match name.as_str() {
            "admitted" => read_fields!(content => Self::Admitted { denials_exist }),
            "refused" => read_fields!(content => Self::Refused { end, by }),
            "too_many_sockets" => Some(Self::TooManySockets),
            "denied" => read_fields!(content => Self::Denied { denial, sockets }),
            "full" => Some(Self::Full),
            "subject_full" => Some(Self::SubjectFull),
            "lifted" => read_fields!(content => Self::Lifted { existed }),
            "listed_denials" => read_fields!(content => Self::ListedDenials { denials, truncated }),
            "listed" => read_fields!(content => Self::Listed { sockets, truncated }),
            "count" => Census::from_value(content).map(Self::Count),
            "extended" => read_fields!(content => Self::Extended { sockets }),
            _ => None,
        }
    }
}

from_fields!(DeniedBy {
    id,
    about,
    until,
}
Opening {
    entry,
    again,
});

impl Opening {
    /// Reads `entry=<JSON>&again=<boolean>&expires=<ms> <JSON>`. `expires`: what
    /// [`Socket::extend`] sent through the channel last, or zero. `None` for any other query.
    pub fn from_query(query: &str) -> Option<Self> {
        let mut entry = SocketEntry::from_query(query)?;
        let moved = parameter(query, "expires")?;
        let (until, renewal) = match moved.split_once(' ') {
            Some((until, renewal)) => (until, Some(TokenRenewal::from_json(renewal)?)),
            None => (&*moved, None),
        };
        let until = Timestamp(until.parse().ok()?);
        entry.socket.extend_to(until, renewal);
        Some(Self {
            entry,
            again: parameter(query, "again")?.parse().ok()?,
        })
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(known, _)| known == name);
    found.map(|(_, value)| value)
}

impl SocketEntry {
    /// The path of the URL that asks whether it is admitted, without being registered. A question
    /// without a body is answered sooner.
    pub fn admission_path(&self) -> String {
        let mut path = "/?entry=".to_owned();
        path.extend(form_urlencoded::byte_serialize(self.to_json().as_bytes()));
        path
    }

    /// Reads `entry=<JSON>`. `None` for any other query.
    pub fn from_query(query: &str) -> Option<Self> {
        Self::from_json(&parameter(query, "entry")?)
    }
}

macro_rules! as_json {
    ($($name:ident),*) => {$(
        impl $name {
            pub fn to_json(&self) -> String {
                serde_json::to_string(self).expect("texts and numbers")
            }

            /// `None` for any other text.
            pub fn from_json(text: &str) -> Option<Self> {
                from_json(text)
            }
        }
    )*};
}
as_json!(
    RegistryRequest,
    RegistryResponse,
    SocketEntry,
    About,
    Socket,
    TokenRenewal
);
