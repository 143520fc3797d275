//! Sockets that are opened before their server is known, because the token is in their first
//! message. No counter is asked about them and they hold no slot yet, so their number, their time and
//! what they may send are bounded.

use std::time::Duration;

use serde_json::json;

use crate::util::time::millis;

/// How many such sockets an isolate keeps. Beyond that, handshakes are refused.
const MAX_SOCKETS: u32 = 1024;
/// How many of them one address may have. An office behind one address may reconnect at once.
const MAX_SOCKETS_PER_ADDRESS: u32 = 64;
/// How many bytes such a socket may send until its server is connected.
const MAX_HELD_BYTES: u32 = 256 << 10;
const MAX_HELD_MESSAGES: u32 = 256;
/// How many bytes all of them together may have sent.
const MAX_HELD_BYTES_OF_ALL: u32 = 16 << 20;
/// How long a refused client may take to answer the close before it is cut off.
const MAX_CLOSE_TIME: Duration = Duration::from_secs(5);
/// How many bytes a first message may hold in addition to the longest token.
const MAX_BYTES_AROUND_TOKEN: usize = 16 << 10;

/// The longest time that a client may take for its first message.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(1);

/// The settings of sockets whose token is in their first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstMessage {
    /// `FIRST_MESSAGE_TIMEOUT`.
    pub timeout: Duration,
    /// `FIRST_MESSAGE`.
    pub passing: FirstMessagePassing,
    /// `FIRST_MESSAGE_PROTOCOLS`: the subprotocols that the server speaks, in order of preference.
    /// If empty, the client's preference decides.
    pub protocols: Vec<String>,
    /// `FIRST_MESSAGE_GREETING`: a message that a client gets before it sends anything.
    pub greeting: Option<String>,
    /// `UPSTREAM_GREETING`: whether the server's first message is dropped, because the greeting
    /// took its place.
    pub drops_upstream_greeting: bool,
    /// The longest first message.
    pub max_bytes: usize,
}

/// What the server gets in place of a first message that held the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstMessagePassing {
    Strip,
    Pass,
    Drop,
}

impl FirstMessage {
    /// The longest first message with a token of at most `max_token_bytes`.
    pub fn max_bytes(max_token_bytes: usize) -> usize {
        max_token_bytes + MAX_BYTES_AROUND_TOKEN
    }

    /// The subprotocol with which to answer an offer.
    pub fn choose<'a>(&self, offered: &'a [String]) -> Option<&'a String> {
        if self.protocols.is_empty() {
            return offered.first();
        }
        let chosen = |spoken: &String| offered.iter().find(|offer| *offer == spoken);
        self.protocols.iter().find_map(chosen)
    }
}

/// What happens to the first message, and to the server's, when the server is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The subprotocol that the client was answered with.
    pub protocol: Option<String>,
    pub first: FirstMessageFate,
    pub drops_upstream_greeting: bool,
}

/// What happens to one first message.
#[derive(Clone, PartialEq, Eq)]
pub enum FirstMessageFate {
    AsSent,
    Replaced(String),
    Dropped,
}

/// Redacted: it is the content of a message.
impl std::fmt::Debug for FirstMessageFate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AsSent => "AsSent",
            Self::Replaced(_) => "Replaced(REDACTED)",
            Self::Dropped => "Dropped",
        })
    }
}

/// The numbers above, with the time in milliseconds, as JSON for `first-message.js`.
pub fn settings_json() -> String {
    json!({
        "maxSockets": MAX_SOCKETS,
        "maxSocketsPerAddress": MAX_SOCKETS_PER_ADDRESS,
        "maxHeldBytes": MAX_HELD_BYTES,
        "maxHeldMessages": MAX_HELD_MESSAGES,
        "maxHeldBytesOfAll": MAX_HELD_BYTES_OF_ALL,
        "maxCloseTime": millis(MAX_CLOSE_TIME),
    })
    .to_string()
}
