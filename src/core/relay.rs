//! The live socket: which limits hold for it, how it can end, and with which close codes. The
//! Worker relays messages by [`SocketLimits`], one JSON text for each socket, and asks the core
//! nothing for a single message.

pub mod channel;
mod closed;
mod limits;
pub mod lingering;

pub use closed::{Closed, Traffic};
pub use limits::{MAX_MESSAGE_BYTES, RelayLimits, RelayMode, SocketLimits};

/// Why a live socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    TokenExpired,
    Revoked,
    Disconnected,
    MessageRate,
    MessageTooBig,
    Backlog,
    Idle,
    Lifetime,
    /// It could not be counted any more.
    LimiterUnavailable,
    UpstreamGone,
    /// The upstream closed it, with a code that passed.
    UpstreamClosed,
    ClientGone,
    ClientClosed,
}

impl CloseReason {
    pub const ALL: [Self; 13] = [
        Self::TokenExpired,
        Self::Revoked,
        Self::Disconnected,
        Self::MessageRate,
        Self::MessageTooBig,
        Self::Backlog,
        Self::Idle,
        Self::Lifetime,
        Self::LimiterUnavailable,
        Self::UpstreamGone,
        Self::UpstreamClosed,
        Self::ClientGone,
        Self::ClientClosed,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::Revoked => "revoked",
            Self::Disconnected => "disconnected",
            Self::MessageRate => "message_rate",
            Self::MessageTooBig => "message_too_big",
            Self::Backlog => "backlog",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::LimiterUnavailable => "limiter_unavailable",
            Self::UpstreamGone => "upstream_gone",
            Self::UpstreamClosed => "upstream_closed",
            Self::ClientGone => "client_gone",
            Self::ClientClosed => "client_closed",
        }
    }

    /// The code that the sides who are still there are told; `None` where one of them chose it
    /// (RFC 6455 §7.4).
    pub fn code(self) -> Option<u16> {
        match self {
            Self::TokenExpired | Self::Revoked => Some(4401),
            Self::Disconnected => Some(4403),
            Self::MessageRate => Some(1008),
            Self::MessageTooBig => Some(1009),
            Self::Backlog | Self::LimiterUnavailable => Some(1013),
            Self::Idle | Self::Lifetime => Some(4408),
            Self::UpstreamGone => Some(1014),
            // What a browser says that leaves a page.
            Self::ClientGone => Some(1001),
            Self::UpstreamClosed | Self::ClientClosed => None,
        }
    }
}
