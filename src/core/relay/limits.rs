//! The limits of inspected sockets.

use std::time::Duration;

use serde_json::json;

use super::close::{CloseReason, PASSABLE};
use crate::limits::quota::Quota;
use crate::util::time::{Timestamp, millis};

/// The largest message that the platform passes through a Worker.
pub const MAX_MESSAGE_BYTES: u32 = 32 << 20;
/// How many bytes the platform keeps for a queued message in addition to its payload, as measured.
/// It bounds a backlog of many small messages.
const MESSAGE_OVERHEAD: u32 = 128;
/// How long a side may take to answer a close.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// How the frames of an admitted socket travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayMode {
    /// The platform couples the two sockets. No frame enters the Worker.
    Passthrough,
    /// Each message passes through the Worker.
    Inspect(RelayLimits),
}

impl RelayMode {
    /// Whether a socket ends when its token expires.
    pub fn closes_on_expiry(&self) -> bool {
        matches!(self, Self::Inspect(limits) if limits.closes_on_expiry)
    }
}

/// What begins the text of a heartbeat. The gate sends `portcullis.heartbeat <milliseconds until the
/// next>`, and the client answers with this alone.
const HEARTBEAT: &str = "portcullis.heartbeat";

/// The limits of all inspected sockets of a route: `MAX_MESSAGE_BYTES`, `MESSAGE_RATE`,
/// `IDLE_TIMEOUT`, `HEARTBEAT`, `MAX_LIFETIME`, `CLOSE_ON_EXPIRY` and `MAX_BACKLOG_BYTES`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayLimits {
    /// The size of a message in either direction.
    pub message_bytes: Option<u32>,
    /// How many messages the client may send.
    pub message_rate: Option<Quota>,
    /// How long neither side may send a message.
    pub idle: Option<Duration>,
    /// How often a client that understands heartbeats gets one. It is gone if it has sent nothing
    /// until the next.
    pub heartbeat: Option<Duration>,
    pub lifetime: Option<Duration>,
    pub closes_on_expiry: bool,
    /// How much may be passed to a side after its last own message. The gate can't see how much of
    /// it was read.
    pub backlog_bytes: Option<u32>,
}

impl RelayLimits {
    /// The limits of a socket that opens at `now` with a token that is accepted until
    /// `accepted_until`. `has_heart`: whether its client understands heartbeats.
    pub fn for_socket(
        &self,
        accepted_until: Option<Timestamp>,
        has_heart: bool,
        now: Timestamp,
    ) -> SocketLimits {
        SocketLimits {
            limits: Self {
                heartbeat: self.heartbeat.filter(|_| has_heart),
                ..self.clone()
            },
            lifetime_ends: self.lifetime.map(|lifetime| now + lifetime),
            expires: accepted_until.filter(|_| self.closes_on_expiry),
            only_reports: false,
        }
    }
}

/// The limits of one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketLimits {
    limits: RelayLimits,
    lifetime_ends: Option<Timestamp>,
    expires: Option<Timestamp>,
    only_reports: bool,
}

impl SocketLimits {
    /// The same limits, whose excess may be reported in place of ending the socket.
    #[must_use]
    pub fn reported(self, only_reports: bool) -> Self {
        Self {
            only_reports,
            ..self
        }
    }

    /// Whether an excess is only reported.
    pub fn only_reports(&self) -> bool {
        self.only_reports
    }

    /// The limits as JSON for the relay: sizes in bytes, lengths in milliseconds, times in
    /// milliseconds since the epoch, `null` where there is no limit; the codes of all close reasons
    /// by name, and the ranges of codes that pass unchanged.
    pub fn to_json(&self) -> String {
        let mut ends = serde_json::Map::new();
        for end in CloseReason::ALL {
            ends.insert(end.name().to_owned(), end.code().into());
        }
        json!({
            "messageBytes": self.limits.message_bytes,
            "messageRate": self
                .limits
                .message_rate
                .map(|rate| [u64::from(rate.count()), millis(rate.window())]),
            "idle": self.limits.idle.map(millis),
            "heartbeat": self
                .limits
                .heartbeat
                .map(|every| json!({ "every": millis(every), "text": HEARTBEAT })),
            "lifetimeEnds": self.lifetime_ends.map(|at| at.0),
            "expires": self.expires.map(|at| at.0),
            "backlogBytes": self.limits.backlog_bytes,
            "messageOverhead": MESSAGE_OVERHEAD,
            "closeWait": millis(CLOSE_WAIT),
            "codes": ends,
            "passable": PASSABLE,
            "reports": self.only_reports,
        })
        .to_string()
    }
}
