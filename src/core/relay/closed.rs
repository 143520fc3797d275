//! The report of a relay about a socket that has ended.

use serde::Serialize;

use crate::util::from_json::{from_fields, from_json};

/// How an inspected socket ended, as the relay reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The name of a [`CloseReason`](super::CloseReason).
    pub reason: String,
    /// The details, for the log.
    pub cause: Option<String>,
    /// The close code as the client sees it: 1006 if the client is gone, 1005 for a close without a
    /// code.
    pub code: u16,
    pub client: Traffic,
    pub upstream: Traffic,
    /// How long the socket was open, in milliseconds.
    pub duration: u64,
}

/// How much a side sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Traffic {
    pub messages: u64,
    pub bytes: u64,
}

from_fields!(Closed {
    reason,
    cause,
    code,
    client,
    upstream,
    duration,
}
Traffic {
    messages,
    bytes,
});

impl Closed {
    /// Reads the JSON that the relay writes; `None` for any other text.
    pub fn from_json(text: &str) -> Option<Self> {
        from_json(text)
    }
}
