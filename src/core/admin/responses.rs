//! What an administrator's endpoints answer. Times are whole seconds since 1970, as tokens count
//! them.

use serde::Serialize;

use super::Target;
use crate::registry::{About, ListedDenial, Socket};
use crate::util::time::Timestamp;

pub(super) fn seconds(at: Timestamp) -> u64 {
    at.0 / 1000
}

/// `GET sockets`.
#[derive(Serialize)]
pub struct Sockets {
    /// Oldest first.
    sockets: Vec<SocketView>,
    truncated: bool,
}

impl Sockets {
    pub fn new(sockets: Vec<Socket>, truncated: bool) -> Self {
        let sockets = sockets.into_iter().map(SocketView::from).collect();
        Self { sockets, truncated }
    }

    pub fn count(&self) -> usize {
        self.sockets.len()
    }
}

#[derive(Serialize)]
pub(super) struct SocketView {
    id: String,
    sub: Option<String>,
    sid: Option<String>,
    ip: String,
    route: String,
    origin: Option<String>,
    since: u64,
    expires: Option<u64>,
}

impl From<Socket> for SocketView {
    fn from(socket: Socket) -> Self {
        Self {
            id: socket.id,
            sub: socket.sub,
            sid: socket.sid,
            ip: socket.ip,
            route: socket.route,
            origin: socket.origin,
            since: seconds(socket.since),
            expires: socket.expires.map(seconds),
        }
    }
}

/// `DELETE sockets`.
#[derive(Serialize)]
pub struct Disconnected {
    pub disconnected: u64,
}

/// `PUT bans/{ip or sub}`.
#[derive(Serialize)]
pub struct Banned {
    banned: String,
    until: u64,
    disconnected: u64,
}

impl Banned {
    pub fn new(target: &Target, until: Timestamp, disconnected: u64) -> Self {
        Self {
            banned: name(target),
            until: seconds(until),
            disconnected,
        }
    }
}

/// `DELETE bans/{ip or sub}`.
#[derive(Serialize)]
pub struct Lifted {
    lifted: String,
}

impl Lifted {
    pub fn new(target: &Target) -> Self {
        let lifted = name(target);
        Self { lifted }
    }
}

pub(super) fn name(target: &Target) -> String {
    match target {
        Target::Address { key, .. } => key.to_string(),
        Target::Subject(subject) => subject.clone(),
    }
}

/// `GET bans`.
#[derive(Serialize)]
pub struct Bans {
    /// Newest first.
    bans: Vec<BanView>,
    truncated: bool,
}

#[derive(Serialize)]
struct BanView {
    #[serde(flatten)]
    about: About,
    since: u64,
    until: u64,
}

impl Bans {
    pub fn new(denials: Vec<ListedDenial>, truncated: bool) -> Self {
        let bans = denials.into_iter().map(|listed| BanView {
            about: listed.about,
            since: seconds(listed.since),
            until: seconds(listed.denial.until),
        });
        Self {
            bans: bans.collect(),
            truncated,
        }
    }
}

/// `PUT revocations`.
#[derive(Serialize)]
pub struct Revoked {
    id: String,
    until: u64,
    disconnected: u64,
}

impl Revoked {
    pub fn new(id: String, until: Timestamp, disconnected: u64) -> Self {
        Self {
            id,
            until: seconds(until),
            disconnected,
        }
    }
}

/// `GET revocations`.
#[derive(Serialize)]
pub struct Revocations {
    /// Newest first.
    revocations: Vec<RevocationView>,
    truncated: bool,
}

#[derive(Serialize)]
pub(super) struct RevocationView {
    id: String,
    #[serde(flatten)]
    about: About,
    /// Only for a revocation of tokens that were issued before a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    since: u64,
    until: u64,
}

impl Revocations {
    pub fn new(denials: Vec<ListedDenial>, truncated: bool) -> Self {
        let revocations = denials.into_iter().map(RevocationView::from).collect();
        Self {
            revocations,
            truncated,
        }
    }
}

impl From<ListedDenial> for RevocationView {
    fn from(listed: ListedDenial) -> Self {
        let before = listed.denial.before;
        Self {
            id: listed.id,
            about: listed.about,
            before: (before != Timestamp::LATEST).then(|| seconds(before)),
            since: seconds(listed.since),
            until: seconds(listed.denial.until),
        }
    }
}

/// `DELETE revocations/{id}`.
#[derive(Serialize)]
pub struct LiftedRevocation {
    /// The id.
    pub lifted: String,
    /// Whether there was such a revocation.
    pub existed: bool,
}
