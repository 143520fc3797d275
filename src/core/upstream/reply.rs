//! The subprotocols and extensions offered to the upstream, and the check of its answer.

use crate::checks::handshake::{GATE_PROTOCOL, Handshake};
use crate::request::syntax;
use crate::response::reason::{Reason, Rejection};
use crate::token::Authenticated;

/// The subprotocols and extensions that the upstream may choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub protocols: Vec<String>,
    pub extensions: Vec<String>,
    /// Whether the client offered other subprotocols.
    pub is_changed: bool,
    /// Whether the client understands heartbeats.
    pub knows_the_gate: bool,
    /// What to answer with if the upstream chooses none, since a browser fails a socket whose answer
    /// names none of its offer: `bearer` as it was offered, or the gate's own.
    unchosen: Option<String>,
}

impl Offer {
    pub fn new(handshake: Handshake, authenticated: &Authenticated) -> Self {
        let Handshake {
            protocols,
            extensions,
            knows_the_gate,
            ..
        } = handshake;
        let credential = authenticated.credential.as_ref();
        let left = credential.and_then(|credential| {
            let left = credential.protocols_left(&protocols)?;
            Some(left.into_iter().map(str::to_owned).collect())
        });
        let bearer = credential.and_then(|credential| credential.bearer(&protocols));
        Self {
            extensions,
            is_changed: left.is_some() || knows_the_gate,
            knows_the_gate,
            unchosen: bearer
                .or_else(|| knows_the_gate.then_some(GATE_PROTOCOL))
                .map(str::to_owned),
            protocols: left.unwrap_or(protocols),
        }
    }
}

/// The parts of an upstream's answer that the gate checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub has_socket: bool,
    /// `Sec-WebSocket-Protocol`.
    pub protocol: Option<String>,
    /// `Sec-WebSocket-Extensions`.
    pub extensions: Option<String>,
}

/// Why the upstream gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamFailure {
    TimedOut,
    Unreachable(String),
}

impl From<UpstreamFailure> for Rejection {
    fn from(failure: UpstreamFailure) -> Self {
        match failure {
            UpstreamFailure::TimedOut => Reason::UpstreamTimeout.because("no answer in time"),
            UpstreamFailure::Unreachable(cause) => Reason::UpstreamUnreachable.because(cause),
        }
    }
}

impl Reply {
    /// Accepts a 101 that chose only what was offered (RFC 6455 §4.1). Returns the subprotocol to
    /// answer with.
    pub fn judge(&self, offer: &Offer) -> Result<Option<String>, Rejection> {
        let refused = |cause: String| Err(Reason::UpstreamRefused.because(cause));
        if self.status != 101 || !self.has_socket {
            return refused(format!("the upstream answered {}", self.status));
        }
        let extensions = self.extensions.as_deref().map(syntax::extension_names);
        let extensions_were_offered = match extensions {
            None => true,
            Some(chosen) => chosen.is_some_and(|names| {
                names
                    .iter()
                    .all(|name| offer.extensions.iter().any(|offered| offered == name))
            }),
        };
        if !extensions_were_offered {
            return refused("the upstream chose an extension that was not offered".into());
        }
        match &self.protocol {
            Some(chosen) if offer.protocols.contains(chosen) => Ok(Some(chosen.clone())),
            Some(_) => refused("the upstream chose a subprotocol that was not offered".into()),
            None => Ok(offer.unchosen.clone()),
        }
    }
}
