//! Why a request is refused: the only file that knows statuses, close codes, titles and the
//! headers of refusals.

use std::borrow::Cow;
use std::time::Duration;

use crate::limits::quota::Quota;
use crate::limits::scope::LimitScope;
use crate::util::time::whole_seconds;

/// A refusal: what the client is told, and what only the log may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// The exact cause, for the log alone.
    pub cause: Cow<'static, str>,
}

/// What a client is told. The names are the `reason` of the contract in snake case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Misconfigured,
    /// `redirect`: a plain GET or HEAD is sent to https.
    InsecureTransport {
        redirect: Option<String>,
    },
    NoRoute,
    /// Servers could read the path as another one.
    AmbiguousPath,
    UpgradeRequired,
    MethodNotAllowed,
    /// The same of an endpoint of the gate's own.
    WrongMethod {
        title: &'static str,
        allow: &'static str,
    },
    UnsupportedVersion,
    BadHandshake,
    ReplayedKey,
    OriginMissing,
    OriginNotAllowed,
    TokenMissing,
    TokenInvalid,
    /// The same where the keys or the provider to verify it can't be reached.
    TokenUnverified,
    TokenExpired,
    AmbiguousToken,
    /// `scopes`: all that the route asks for.
    InsufficientScope {
        scopes: Vec<String>,
    },
    /// `wait`: how long until the next attempt of this party will be admitted.
    RateLimited {
        scope: LimitScope,
        quota: Quota,
        wait: Duration,
    },
    /// The party holds as many sockets as it may.
    TooManySockets {
        scope: LimitScope,
    },
    Banned,
    /// The token was revoked.
    Revoked,
    /// An endpoint of the gate's own was asked for what it does not know. `detail`: what, for
    /// who asked.
    BadRequest {
        detail: String,
    },
    /// What an administrator said is not done everywhere. `detail`: what failed.
    NotDone {
        detail: String,
    },
    /// There is no room for more revocations and bans. `detail`: where.
    RegistryFull {
        detail: String,
    },
    /// `retry_after`: when asking again is sensible.
    LimiterUnavailable {
        retry_after: Duration,
    },
    UpstreamUnreachable,
    UpstreamRefused,
    UpstreamTimeout,
}

impl Reason {
    /// With the cause that the log gets.
    pub fn because(self, cause: impl Into<Cow<'static, str>>) -> Rejection {
        Rejection {
            reason: self,
            cause: cause.into(),
        }
    }

    /// Whether the client caused it by what it sent, so that it counts towards a ban.
    pub fn is_failure_of_the_client(&self) -> bool {
        match self {
            Self::AmbiguousPath
            | Self::MethodNotAllowed
            | Self::WrongMethod { .. }
            | Self::UnsupportedVersion
            | Self::BadHandshake
            | Self::ReplayedKey
            | Self::OriginMissing
            | Self::OriginNotAllowed
            | Self::TokenMissing
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::AmbiguousToken
            | Self::InsufficientScope { .. } => true,
            Self::Misconfigured
            | Self::InsecureTransport { .. }
            | Self::NoRoute
            | Self::UpgradeRequired
            | Self::TokenUnverified
            | Self::RateLimited { .. }
            | Self::TooManySockets { .. }
            | Self::Banned
            | Self::Revoked
            | Self::BadRequest { .. }
            | Self::NotDone { .. }
            | Self::RegistryFull { .. }
            | Self::LimiterUnavailable { .. }
            | Self::UpstreamUnreachable
            | Self::UpstreamRefused
            | Self::UpstreamTimeout => false,
        }
    }

    /// The name in the problem document and the record.
    pub fn name(&self) -> &'static str {
        self.describe().0
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.describe().1
    }

    /// What a socket is closed with that was opened to tell the reason. None where no socket can
    /// be: the request was no handshake, or one that RFC 6455 does not let pass.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::InsecureTransport { .. }
            | Self::UpgradeRequired
            | Self::MethodNotAllowed
            | Self::WrongMethod { .. }
            | Self::BadRequest { .. }
            | Self::NotDone { .. }
            | Self::RegistryFull { .. }
            | Self::UnsupportedVersion
            | Self::BadHandshake => None,
            Self::Misconfigured => Some(1011),
            Self::LimiterUnavailable { .. } => Some(1013),
            Self::UpstreamUnreachable | Self::UpstreamRefused | Self::UpstreamTimeout => Some(1014),
            Self::ReplayedKey | Self::AmbiguousToken => Some(4400),
            Self::TokenMissing
            | Self::TokenInvalid
            | Self::TokenUnverified
            | Self::TokenExpired
            | Self::Revoked => Some(4401),
            Self::OriginMissing
            | Self::OriginNotAllowed
            | Self::InsufficientScope { .. }
            | Self::Banned => Some(4403),
            Self::NoRoute | Self::AmbiguousPath => Some(4404),
            Self::RateLimited { .. } | Self::TooManySockets { .. } => Some(4429),
        }
    }

    pub(super) fn title(&self) -> &'static str {
        self.describe().2
    }

    fn describe(&self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Misconfigured => (
                "misconfigured",
                500,
                "The gate is not configured correctly.",
            ),
            Self::InsecureTransport { redirect: Some(_) } => {
                ("insecure_transport", 308, "Use https.")
            }
            Self::InsecureTransport { redirect: None } => {
                ("insecure_transport", 403, "Use https or wss.")
            }
            Self::NoRoute | Self::AmbiguousPath => ("no_route", 404, "Nothing is served here."),
            Self::UpgradeRequired => (
                "upgrade_required",
                426,
                "Only WebSocket connections are served here.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                405,
                "A WebSocket handshake is a GET request.",
            ),
            Self::WrongMethod { title, .. } => ("method_not_allowed", 405, title),
            Self::UnsupportedVersion => (
                "unsupported_version",
                426,
                "Only version 13 of the WebSocket protocol is spoken here.",
            ),
            Self::BadHandshake => (
                "bad_handshake",
                400,
                "The WebSocket handshake is malformed.",
            ),
            Self::ReplayedKey => (
                "replayed_key",
                400,
                "This Sec-WebSocket-Key was used before.",
            ),
            Self::OriginMissing => ("origin_missing", 403, "The request names no origin."),
            Self::OriginNotAllowed => ("origin_not_allowed", 403, "The origin is not allowed."),
            Self::TokenMissing => ("token_missing", 401, "A token is required."),
            Self::TokenInvalid | Self::TokenUnverified => {
                ("token_invalid", 401, "The token is not valid.")
            }
            Self::TokenExpired => ("token_expired", 401, "The token has expired."),
            Self::AmbiguousToken => (
                "ambiguous_token",
                400,
                "The request carries more than one token.",
            ),
            Self::InsufficientScope { .. } => {
                ("insufficient_scope", 403, "The token does not permit this.")
            }
            Self::RateLimited { scope, .. } => {
                let title = match scope {
                    LimitScope::Address => "Too many attempts from this address.",
                    LimitScope::User => "Too many connections of this user.",
                    LimitScope::Route => "Too many connections at the moment.",
                };
                ("rate_limited", 429, title)
            }
            Self::TooManySockets { scope } => {
                let title = match scope {
                    LimitScope::Address => "Too many open sockets of this address.",
                    LimitScope::User => "Too many open sockets of this user.",
                    LimitScope::Route => "Too many open sockets at the moment.",
                };
                ("too_many_sockets", 429, title)
            }
            Self::Banned => ("banned", 403, "Banned."),
            Self::Revoked => ("revoked", 401, "The token was revoked."),
            Self::BadRequest { .. } => ("bad_request", 400, "The request is not understood."),
            Self::NotDone { .. } => (
                "limiter_unavailable",
                503,
                "Not done everywhere. It is safe to repeat.",
            ),
            Self::RegistryFull { .. } => (
                "registry_full",
                507,
                "There is no room for more revocations and bans.",
            ),
            Self::LimiterUnavailable { .. } => (
                "limiter_unavailable",
                503,
                "Attempts can't be counted at the moment.",
            ),
            Self::UpstreamUnreachable => {
                ("upstream_unreachable", 502, "The server can't be reached.")
            }
            Self::UpstreamRefused => (
                "upstream_refused",
                502,
                "The server did not accept the WebSocket.",
            ),
            Self::UpstreamTimeout => (
                "upstream_timeout",
                504,
                "The server did not answer in time.",
            ),
        }
    }

    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::InsecureTransport {
                redirect: Some(location),
            } => vec![("Location", location.clone())],
            Self::UpgradeRequired | Self::UnsupportedVersion => {
                vec![("Sec-WebSocket-Version", "13".into())]
            }
            Self::MethodNotAllowed => vec![("Allow", "GET".into())],
            Self::WrongMethod { allow, .. } => vec![("Allow", (*allow).into())],
            Self::TokenMissing => vec![("WWW-Authenticate", "Bearer".into())],
            Self::TokenInvalid | Self::TokenUnverified | Self::TokenExpired | Self::Revoked => {
                vec![("WWW-Authenticate", r#"Bearer error="invalid_token""#.into())]
            }
            Self::InsufficientScope { scopes } => {
                let mut challenge = r#"Bearer error="insufficient_scope""#.to_owned();
                if !scopes.is_empty() {
                    challenge.push_str(&format!(r#", scope="{}""#, scopes.join(" ")));
                }
                vec![("WWW-Authenticate", challenge)]
            }
            Self::RateLimited { scope, quota, wait } => {
                let wait = whole_seconds(*wait);
                let policy = scope.name();
                vec![
                    ("Retry-After", wait.to_string()),
                    ("RateLimit", format!(r#""{policy}";r=0;t={wait}"#)),
                    (
                        "RateLimit-Policy",
                        format!(
                            r#""{policy}";q={};w={}"#,
                            quota.count(),
                            whole_seconds(quota.window())
                        ),
                    ),
                ]
            }
            Self::NotDone { .. } => vec![("Retry-After", "1".into())],
            Self::LimiterUnavailable { retry_after } => {
                vec![("Retry-After", whole_seconds(*retry_after).to_string())]
            }
            _ => Vec::new(),
        }
    }
}
