//! One request to an object of the registry, answered as a pure step.

use std::time::Duration;

use super::{
    About, Census, Denial, DenialKind, DenialReason, DenialTarget, DeniedBy, MAX_SOCKETS_OF_OWNER,
    MergedDenial, Opening, RefreshScope, RegistryKey, RegistryRequest, RegistryResponse, Room,
    SWEEP_EVERY, Socket, SocketEntry, Stored, judge, oldest,
};
use crate::util::time::Timestamp;

/// A live socket in the object's hands.
pub trait LiveSocket {
    fn socket(&self) -> &Socket;

    /// Whether it was opened with this key.
    fn has_key(&self, key: &RegistryKey) -> bool;
}

/// What the object does after a step, one effect after the other. Sockets are named by their place in the list
/// that the step was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Close the socket with this reason.
    End { at: usize, reason: DenialReason },
    /// Keep `socket` in place of what is known of it, and send `message` through its channel.
    Extend {
        at: usize,
        socket: Box<Socket>,
        message: String,
    },
    /// Store a denial. `is_first`: none is stored for this target.
    Store {
        target: DenialTarget,
        denial: Denial,
        about: About,
        is_first: bool,
    },
    /// Delete the denial with this kind and id.
    Delete { kind: DenialKind, id: String },
    /// Delete the denials that ended after this long, unless that is planned already.
    SweepIn(Duration),
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub response: RegistryResponse,
    pub effects: Vec<Effect>,
}

impl From<RegistryResponse> for Step {
    fn from(response: RegistryResponse) -> Self {
        let effects = Vec::new();
        Self { response, effects }
    }
}

/// Live sockets that a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed<'a> {
    None,
    All,
    /// Those with this tag.
    Tagged(&'a RegistryKey),
}

impl<'a> From<Option<&'a RegistryKey>> for Needed<'a> {
    fn from(tag: Option<&'a RegistryKey>) -> Self {
        tag.map_or(Self::All, Self::Tagged)
    }
}

impl RegistryRequest {
    /// Which live sockets the step needs.
    pub fn sockets(&self) -> Needed<'_> {
        match self {
            Self::Admit { .. } | Self::Open(_) | Self::Lift { .. } | Self::ListDenials { .. } => {
                Needed::None
            }
            // A channel keeps the tags that it was accepted with: none names a newer token.
            Self::Deny { target, .. } if target.key.is_of_token() => Needed::All,
            Self::Deny { target, .. } => target.key.tag().into(),
            Self::Count => Needed::All,
            Self::List { key, .. } => key.as_ref().into(),
            Self::Extend { subject, .. } => Needed::Tagged(subject),
        }
    }

    /// Whose live sockets the object counts for the step, in [`Stored::owned`].
    pub fn owner(&self) -> Option<&RegistryKey> {
        match self {
            Self::Open(Opening { entry, .. }) => Some(&entry.owner),
            _ => None,
        }
    }
}

/// Judges a socket under the denials that are stored for it.
fn admit(entry: &SocketEntry, stored: &Stored, now: Timestamp) -> RegistryResponse {
    let found: Vec<_> = stored
        .denials
        .iter()
        .map(|(target, denial)| (target.kind, *denial))
        .collect();
    let by = |end| {
        let mut denials = stored.denials.iter();
        let (target, denial) = denials
            .find(|(target, denial)| denial.hits(target.kind, &entry.socket, now) == Some(end))?;
        Some(DeniedBy {
            id: target.id(),
            about: target.key.kind().to_owned(),
            until: denial.until,
        })
    };
    match judge(&entry.socket, &found, now) {
        Ok(()) => RegistryResponse::Admitted {
            denials_exist: stored.any_applies,
        },
        Err(end) => RegistryResponse::Refused { end, by: by(end) },
    }
}

/// Judges a socket that is to be registered. One that was admitted before has its place.
fn open(opening: &Opening, stored: &Stored, now: Timestamp) -> RegistryResponse {
    match admit(&opening.entry, stored, now) {
        RegistryResponse::Admitted { .. }
            if !opening.again && stored.owned >= MAX_SOCKETS_OF_OWNER =>
        {
            RegistryResponse::TooManySockets
        }
        response => response,
    }
}

/// Answers a request. `sockets`: those that [`RegistryRequest::sockets`] names, in any order.
pub fn step(
    request: &RegistryRequest,
    stored: &Stored,
    sockets: &[impl LiveSocket],
    now: Timestamp,
) -> Step {
    match request {
        RegistryRequest::Admit { entry } => admit(entry, stored, now).into(),
        RegistryRequest::Open(opening) => open(opening, stored, now).into(),
        RegistryRequest::Deny {
            target,
            denial,
            stamped,
            about,
        } => deny((target, about), (*denial, *stamped), stored, sockets, now),
        RegistryRequest::Lift { kind, id } => lift(*kind, id, stored.lifted_exists),
        RegistryRequest::ListDenials { .. } => {
            let (denials, truncated) = stored.listed.clone();
            RegistryResponse::ListedDenials { denials, truncated }.into()
        }
        RegistryRequest::List { max, .. } => {
            let found = sockets.iter().map(|live| live.socket().clone()).collect();
            let (sockets, truncated) = oldest(found, *max);
            RegistryResponse::Listed { sockets, truncated }.into()
        }
        RegistryRequest::Count => {
            RegistryResponse::Count(Census::of(sockets.iter().map(LiveSocket::socket))).into()
        }
        RegistryRequest::Extend { entry, scope, .. } => match admit(entry, stored, now) {
            RegistryResponse::Admitted { .. } => extend(entry, scope, sockets),
            refused => refused.into(),
        },
    }
}

/// Stores a denial and ends the sockets that it hits.
fn deny(
    (target, about): (&DenialTarget, &About),
    (denial, stamped): (Denial, bool),
    stored: &Stored,
    sockets: &[impl LiveSocket],
    now: Timestamp,
) -> Step {
    let before = stored.denials.first().map(|(_, denial)| *denial);
    let denial = Denial {
        before: match stamped {
            true => Denial::stamped(before, now),
            false => denial.before,
        },
        ..denial
    };
    let MergedDenial {
        stored: denial,
        is_new,
    } = denial.over(target.kind, before);
    if before.is_none() && denial.needs_room(target.kind, now) {
        match stored.room {
            Room::Free => {}
            Room::SubjectFull => return RegistryResponse::SubjectFull.into(),
            Room::Full => return RegistryResponse::Full.into(),
        }
    }
    let key = &target.key;
    let is_meant = |live: &dyn LiveSocket| {
        !key.is_of_token() || live.has_key(key) || live.socket().is_renewed_by(key)
    };
    let mut effects = Vec::new();
    for (at, live) in sockets.iter().enumerate() {
        let reason = denial.hits(target.kind, live.socket(), now);
        if let Some(reason) = reason.filter(|_| is_meant(live)) {
            effects.push(Effect::End { at, reason });
        }
    }
    let response = RegistryResponse::Denied {
        denial,
        sockets: effects.len() as u64,
    };
    // Last: what is sent after a write waits until the write is safe.
    if is_new {
        effects.push(Effect::Store {
            target: target.clone(),
            denial,
            about: about.clone(),
            is_first: before.is_none(),
        });
    }
    effects.push(Effect::SweepIn(SWEEP_EVERY));
    Step { response, effects }
}

fn lift(kind: DenialKind, id: &str, existed: bool) -> Step {
    let id = id.to_owned();
    Step {
        response: RegistryResponse::Lifted { existed },
        effects: match existed {
            true => vec![Effect::Delete { kind, id }],
            false => Vec::new(),
        },
    }
}

/// Moves the expiry of the subject's sockets that were opened under the rules of `newer`.
fn extend(newer: &SocketEntry, scope: &RefreshScope, sockets: &[impl LiveSocket]) -> Step {
    let mut effects = Vec::new();
    let mut count = 0;
    for (at, live) in sockets.iter().enumerate() {
        let is_meant = match scope {
            RefreshScope::Session(session) => live.has_key(session),
            RefreshScope::Token(token) => live.socket().lives_by(token),
        };
        if live.socket().realm != newer.socket.realm || !is_meant {
            continue;
        }
        count += 1;
        let mut socket = Box::new(live.socket().clone());
        if let Some(message) = socket.extend(newer) {
            effects.push(Effect::Extend {
                at,
                socket,
                message,
            });
        }
    }
    let response = RegistryResponse::Extended { sockets: count };
    Step { response, effects }
}
