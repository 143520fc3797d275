//! The live socket: which limits hold for it, how it can end, and with which close codes. The
//! edge relays the messages by [`SocketLimits`], one JSON per socket, and asks nothing per message.

mod close;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use close::CloseReason;

use crate::limits::quota::Quota;
use crate::util::time::{Timestamp, millis};

/// The platform passes no larger message through a Worker.
pub const MAX_MESSAGE_BYTES: u32 = 32 << 20;
/// What the platform keeps of a queued message beside its bytes, as measured; so that a backlog
/// of many small messages is bounded too.
const MESSAGE_OVERHEAD: u32 = 128;
/// For so long a side may take to answer a close.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// How the frames of an admitted socket pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayMode {
    /// Coupled natively: they never enter the Worker.
    Passthrough,
    /// Each message passes through the Worker.
    Inspect(RelayLimits),
}

impl RelayMode {
    /// Whether sockets end with their tokens.
    pub fn closes_on_expiry(&self) -> bool {
        matches!(self, Self::Inspect(limits) if limits.closes_on_expiry)
    }
}

/// `MAX_MESSAGE_BYTES`, `MESSAGE_RATE`, `IDLE_TIMEOUT`, `MAX_LIFETIME`, `CLOSE_ON_EXPIRY` and
/// `MAX_BACKLOG_BYTES`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayLimits {
    /// Of a message in either direction.
    pub message_bytes: Option<u32>,
    /// Of messages from the client.
    pub message_rate: Option<Quota>,
    /// Since the last message of either side.
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
    pub closes_on_expiry: bool,
    /// What is passed to a side since it last sent a message. Nothing tells the gate how much of
    /// it was read.
    pub backlog_bytes: Option<u32>,
}

impl RelayLimits {
    /// What holds for a socket that is opened at `now` with a token that is accepted until
    /// `accepted_until`.
    pub fn for_socket(&self, accepted_until: Option<Timestamp>, now: Timestamp) -> SocketLimits {
        SocketLimits {
            limits: self.clone(),
            lifetime_ends: self.lifetime.map(|lifetime| now + lifetime),
            expires: accepted_until.filter(|_| self.closes_on_expiry),
        }
    }
}

/// What holds for one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketLimits {
    limits: RelayLimits,
    lifetime_ends: Option<Timestamp>,
    expires: Option<Timestamp>,
}

impl SocketLimits {
    /// For the relay: lengths in bytes and milliseconds, times in milliseconds since the epoch,
    /// `null` for what is not limited; the close codes of all ends by name, and the ranges of
    /// codes that pass as they are.
    pub fn to_json(&self) -> String {
        let ends: serde_json::Map<_, _> = CloseReason::ALL
            .into_iter()
            .map(|end| (end.name().to_owned(), end.code().into()))
            .collect();
        json!({
            "messageBytes": self.limits.message_bytes,
            "messageRate": self
                .limits
                .message_rate
                .map(|rate| [u64::from(rate.count()), millis(rate.window())]),
            "idle": self.limits.idle.map(millis),
            "lifetimeEnds": self.lifetime_ends.map(|at| at.0),
            "expires": self.expires.map(|at| at.0),
            "backlogBytes": self.limits.backlog_bytes,
            "messageOverhead": MESSAGE_OVERHEAD,
            "closeWait": millis(CLOSE_WAIT),
            "codes": ends,
            "passable": PASSABLE,
        })
        .to_string()
    }
}

/// The codes that may stand in a close frame and that both sides understand (RFC 6455 §7.4, and
/// IANA's registry). A frame without a code, 1005, passes as such. Any other is taken for a side
/// that is gone.
const PASSABLE: [[u16; 2]; 3] = [[1000, 1003], [1007, 1014], [3000, 4999]];

/// How an inspected socket ended, as the relay tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Closed {
    /// The name of an [`CloseReason`].
    pub reason: String,
    /// More of it, for the log.
    pub cause: Option<String>,
    /// As the client's end has it: 1006 where it is gone, 1005 for a close without a code.
    pub code: u16,
    pub client: Traffic,
    pub upstream: Traffic,
    /// How long it was open, in milliseconds.
    pub duration: u64,
}

/// What a side sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub struct Traffic {
    pub messages: u64,
    pub bytes: u64,
}

impl Closed {
    /// `None` for what is no such JSON.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
