//! What `MODE=report` does with a refusal.

use super::reason::Reason;

impl Reason {
    /// Whether report mode forwards a request in spite of this reason. It does not if there is
    /// nothing to forward, no server to forward to, or the request is for an endpoint of the gate.
    pub fn is_only_reported(&self) -> bool {
        match self {
            Self::InsecureTransport { .. }
            | Self::UpgradeRequired
            | Self::ReplayedKey
            | Self::OriginMissing
            | Self::OriginNotAllowed
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::TokenUnusable
            | Self::TokenExpired
            | Self::AmbiguousToken
            | Self::InsufficientScope { .. }
            | Self::ProviderUnavailable { .. }
            | Self::RateLimited { .. }
            | Self::TooManySockets { .. }
            | Self::Banned
            | Self::Revoked
            | Self::LimiterUnavailable { .. } => true,
            // No socket can be opened, and a credential may be where it can't be removed.
            Self::MethodNotAllowed { .. }
            | Self::UnsupportedVersion
            | Self::BadHandshake
            // No server is known, or it is the server that fails.
            | Self::Misconfigured
            | Self::NoRoute
            | Self::AmbiguousPath
            | Self::UpstreamUnreachable
            | Self::UpstreamRefused
            | Self::UpstreamTimeout
            // Endpoints.
            | Self::BadRequest { .. }
            | Self::NotDone { .. }
            | Self::RegistryFull { .. } => false,
        }
    }
}
