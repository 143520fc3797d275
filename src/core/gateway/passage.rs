//! How a request passed.

use super::platform::{Channels, Upstreams};
use crate::relay::SocketLimits;
use crate::relay::first_message::Opened;

/// What a request that was not refused is answered with.
pub enum Passage<P: Upstreams + Channels> {
    /// The server accepted the socket.
    Socket {
        upstream: P::Upstream,
        /// The subprotocol to answer with.
        protocol: Option<String>,
        /// With limits its messages are inspected.
        limits: Option<SocketLimits>,
        /// Held while the socket lives.
        channels: Vec<P::Channel>,
        /// For a client that has its answer already.
        opened: Option<Opened>,
    },
    /// The server's response to a plain request.
    Plain { upstream: P::Upstream },
    /// The response of `GET /_portcullis/health`.
    Health { is_healthy: bool },
    /// The response of one of the gate's own endpoints.
    Json { json: String },
    /// An administrator's answer that leaves no record.
    Unrecorded {
        content_type: &'static str,
        text: String,
    },
    /// The page of the dashboard, which is the same for everybody.
    Dashboard,
    /// The response to a browser's CORS preflight for one of these endpoints.
    Preflight,
    /// The response of `GET /_portcullis/jwks.json`.
    KeySet { json: String },
}
