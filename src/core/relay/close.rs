//! The close codes of live sockets: one table for the relay, the objects and the log.

use crate::registry::DenialReason;

/// Why a live socket ends. Its name is the reason text of the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    TokenExpired,
    Revoked,
    Disconnected,
    MessageRate,
    MessageTooBig,
    Backlog,
    Idle,
    /// Its client answers no heartbeats.
    Unresponsive,
    Lifetime,
    /// A newer socket took its slot.
    Replaced,
    /// The object that counts it was out of reach.
    LimiterUnavailable,
    UpstreamGone,
    /// The upstream closed it, with a code that passed.
    UpstreamClosed,
    ClientGone,
    ClientClosed,
}

impl CloseReason {
    pub const ALL: [Self; 15] = [
        Self::TokenExpired,
        Self::Revoked,
        Self::Disconnected,
        Self::MessageRate,
        Self::MessageTooBig,
        Self::Backlog,
        Self::Idle,
        Self::Unresponsive,
        Self::Lifetime,
        Self::Replaced,
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
            Self::Unresponsive => "unresponsive",
            Self::Lifetime => "lifetime",
            Self::Replaced => "replaced",
            Self::LimiterUnavailable => "limiter_unavailable",
            Self::UpstreamGone => "upstream_gone",
            Self::UpstreamClosed => "upstream_closed",
            Self::ClientGone => "client_gone",
            Self::ClientClosed => "client_closed",
        }
    }

    /// The code that the gate sends (RFC 6455 §7.4). `None` where one of the sides chose it.
    pub fn code(self) -> Option<u16> {
        match self {
            Self::TokenExpired | Self::Revoked => Some(4401),
            Self::Disconnected => Some(4403),
            Self::MessageRate => Some(1008),
            Self::MessageTooBig => Some(1009),
            Self::Backlog | Self::LimiterUnavailable => Some(1013),
            Self::Idle | Self::Unresponsive | Self::Lifetime | Self::Replaced => Some(4408),
            Self::UpstreamGone => Some(1014),
            // As a browser sends it when its page is left.
            Self::ClientGone => Some(1001),
            Self::UpstreamClosed | Self::ClientClosed => None,
        }
    }

    /// What an object sends through a channel to end the socket: `end <code> <name>`. `None`
    /// where one of the sides chose the code.
    pub fn message(self) -> Option<String> {
        let code = self.code()?;
        Some(format!("end {code} {}", self.name()))
    }
}

impl From<DenialReason> for CloseReason {
    fn from(reason: DenialReason) -> Self {
        match reason {
            DenialReason::Revoked => Self::Revoked,
            // A live socket is not told of the ban: its next upgrade is.
            DenialReason::Banned | DenialReason::Disconnected => Self::Disconnected,
        }
    }
}

/// The ranges of codes that may be sent in a close frame (RFC 6455 §7.4 and IANA's registry). A
/// frame without a code, 1005, passes as such. A side that sends any other code counts as gone.
pub(super) const PASSABLE: [[u16; 2]; 3] = [[1000, 1003], [1007, 1014], [3000, 4999]];
