//! Why a request is refused: one table of all reasons, with what a client gets and what the gate
//! makes of it. Statuses, close codes, titles and headers of refusals are known to this file alone.

use std::time::Duration;

pub use super::client_action::ClientAction;
use super::headers::{Challenge, Headers};
pub use super::rejection::{Evidence, Rejection};
use crate::limits::quota::Quota;
use crate::limits::scope::LimitScope;

/// Why a request is refused, as far as the client may know. Some reasons share a name and differ in
/// what the gate makes of them; [`Reason::name`] is what clients and records get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Misconfigured,
    /// The request came over http. `redirect`: where a plain GET or HEAD is sent.
    InsecureTransport {
        redirect: Option<String>,
    },
    NoRoute,
    /// Servers could read the path in more than one way. Answers like [`Reason::NoRoute`], but no
    /// honest client sends such a path, so it counts towards a ban.
    AmbiguousPath,
    UpgradeRequired,
    MethodNotAllowed {
        allowed: AllowedMethods,
    },
    UnsupportedVersion,
    BadHandshake,
    ReplayedKey,
    OriginMissing,
    OriginNotAllowed,
    TokenMissing,
    /// The token is forged or malformed, which counts towards a ban.
    TokenInvalid,
    /// The token is genuine but not accepted here, now or a second time: not yet valid, for another
    /// audience, used before, or a ticket from another place. Answers like
    /// [`Reason::TokenInvalid`], but does not count towards a ban.
    TokenUnusable,
    TokenExpired,
    AmbiguousToken,
    /// `scopes`: all that the route requires.
    InsufficientScope {
        scopes: Vec<String>,
    },
    /// The keys or the identity provider that could verify the token are not available.
    ProviderUnavailable {
        retry_after: Duration,
    },
    /// `wait`: how long until the quota admits the next attempt.
    RateLimited {
        scope: LimitScope,
        quota: Quota,
        wait: Duration,
    },
    /// The address or user has as many open sockets as it may.
    TooManySockets {
        scope: LimitScope,
    },
    Banned,
    /// An administrator revoked the token.
    Revoked,
    /// An endpoint of the gate does not understand the request. `detail`: what is wrong with it.
    BadRequest {
        detail: String,
    },
    /// An administrator's request was not carried out in every object. `detail`: what failed.
    NotDone {
        detail: String,
    },
    /// There is no room for more revocations and bans. `detail`: where.
    RegistryFull {
        detail: String,
    },
    /// A Durable Object did not answer.
    LimiterUnavailable {
        retry_after: Duration,
    },
    UpstreamUnreachable,
    UpstreamRefused,
    UpstreamTimeout,
}

/// The methods that are served where another one was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedMethods {
    Handshake,
    /// Those of plain requests that go on to the server.
    Plain,
    Ticket,
    Refresh,
    /// Those of an administrator's endpoint, as `Allow` lists them.
    Administration(&'static str),
}

impl AllowedMethods {
    /// The value of `Allow` (RFC 9110 §10.2.1).
    pub fn list(self) -> &'static str {
        match self {
            Self::Handshake => "GET",
            Self::Plain => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            Self::Ticket | Self::Refresh => "POST, OPTIONS",
            Self::Administration(list) => list,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Handshake => "A WebSocket handshake is a GET request.",
            Self::Ticket => "Request a ticket with POST.",
            Self::Refresh => "Request a refresh with POST.",
            Self::Plain | Self::Administration(_) => "Use a method that Allow lists.",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec<'a> {
    /// The `reason` of the problem document and the record.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
    pub action: ClientAction,
    pub title: &'static str,
    pub close_code: Option<u16>,
    pub counts_towards_ban: bool,
    pub headers: Headers<'a>,
    /// The `detail` of the problem document (RFC 9457 §3.1.4).
    pub detail: Option<&'a str>,
}

/// A row without a close code, headers and detail that does not count towards a ban.
const fn row(
    name: &'static str,
    status: u16,
    action: ClientAction,
    title: &'static str,
) -> Spec<'static> {
    Spec {
        name,
        status,
        action,
        title,
        close_code: None,
        counts_towards_ban: false,
        headers: Headers::None,
        detail: None,
    }
}

impl<'a> Spec<'a> {
    const fn close(self, code: u16) -> Self {
        Self {
            close_code: Some(code),
            ..self
        }
    }

    const fn counts(self) -> Self {
        Self {
            counts_towards_ban: true,
            ..self
        }
    }

    const fn with(self, headers: Headers<'a>) -> Self {
        Self { headers, ..self }
    }

    const fn detail(self, detail: &'a str) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }
}

impl Reason {
    /// The name in the problem document and the record.
    pub fn name(&self) -> &'static str {
        self.spec().name
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.spec().status
    }

    /// The code of the close frame where a socket is opened only to tell the reason (RFC 6455
    /// §7.4). `None` where no socket can be opened: the request is not a well-formed handshake.
    pub fn close_code(&self) -> Option<u16> {
        self.spec().close_code
    }

    /// Whether this is a failure of the client that `BAN_AFTER` counts. That is only what neither
    /// an honest client nor a page of another site can cause; the gate counts it only where the
    /// `Origin` is allowed or absent.
    pub fn counts_towards_ban(&self) -> bool {
        self.spec().counts_towards_ban
    }

    /// What a client should do.
    pub fn client_action(&self) -> ClientAction {
        self.spec().action
    }

    /// The table.
    pub(super) fn spec(&self) -> Spec<'_> {
        use ClientAction::{Authenticate, Retry, Stop, Wait};
        use Headers::{Allow, Location, RateLimit, RetryAfter, SupportedVersion};

        const NO_ROUTE: Spec<'_> =
            row("no_route", 404, Stop, "Nothing is served here.").close(4404);
        const TOKEN_INVALID: Spec<'_> = row(
            "token_invalid",
            401,
            Authenticate,
            "The token is not valid.",
        )
        .close(4401)
        .with(Headers::Challenge(Challenge::InvalidToken));

        match self {
            Self::Misconfigured => row(
                "misconfigured",
                500,
                Retry,
                "The gate is not configured correctly.",
            )
            .close(1011),
            Self::InsecureTransport {
                redirect: Some(url),
            } => row("insecure_transport", 308, Stop, "Use https.").with(Location(url)),
            Self::InsecureTransport { redirect: None } => {
                row("insecure_transport", 403, Stop, "Use https or wss.")
            }
            Self::NoRoute => NO_ROUTE,
            Self::AmbiguousPath => NO_ROUTE.counts(),
            Self::UpgradeRequired => row(
                "upgrade_required",
                426,
                Stop,
                "Only WebSocket connections are served here.",
            )
            .with(SupportedVersion),
            Self::MethodNotAllowed { allowed } => {
                row("method_not_allowed", 405, Stop, allowed.title())
                    .with(Allow(allowed.list()))
                    .counts()
            }
            Self::UnsupportedVersion => row(
                "unsupported_version",
                426,
                Stop,
                "Only version 13 of the WebSocket protocol is supported.",
            )
            .with(SupportedVersion)
            .counts(),
            Self::BadHandshake => row(
                "bad_handshake",
                400,
                Stop,
                "The WebSocket handshake is malformed.",
            )
            .counts(),
            Self::ReplayedKey => row(
                "replayed_key",
                400,
                Stop,
                "This Sec-WebSocket-Key was used before.",
            )
            .close(4400),
            Self::OriginMissing => {
                row("origin_missing", 403, Stop, "The request names no origin.").close(4403)
            }
            Self::OriginNotAllowed => row(
                "origin_not_allowed",
                403,
                Stop,
                "The origin is not allowed.",
            )
            .close(4403),
            Self::TokenMissing => row("token_missing", 401, Authenticate, "A token is required.")
                .close(4401)
                .with(Headers::Challenge(Challenge::TokenMissing)),
            Self::TokenInvalid => TOKEN_INVALID.counts(),
            Self::TokenUnusable => TOKEN_INVALID,
            Self::TokenExpired => row("token_expired", 401, Authenticate, "The token has expired.")
                .close(4401)
                .with(Headers::Challenge(Challenge::InvalidToken)),
            Self::AmbiguousToken => row(
                "ambiguous_token",
                400,
                Stop,
                "The request carries more than one token.",
            )
            .close(4400)
            .counts(),
            Self::InsufficientScope { scopes } => row(
                "insufficient_scope",
                403,
                Stop,
                "The token does not permit this.",
            )
            .close(4403)
            .with(Headers::Challenge(Challenge::InsufficientScope(scopes)))
            .counts(),
            Self::ProviderUnavailable { retry_after } => row(
                "provider_unavailable",
                503,
                Wait,
                "Tokens can't be verified at the moment.",
            )
            .close(1013)
            .with(RetryAfter(*retry_after)),
            &Self::RateLimited { scope, quota, wait } => {
                row("rate_limited", 429, Wait, too_many_attempts(scope))
                    .close(4429)
                    .with(RateLimit { scope, quota, wait })
            }
            Self::TooManySockets { scope } => {
                row("too_many_sockets", 429, Wait, too_many_sockets(*scope)).close(4429)
            }
            Self::Banned => row("banned", 403, Stop, "Banned.").close(4403),
            Self::Revoked => row("revoked", 401, Authenticate, "The token was revoked.")
                .close(4401)
                .with(Headers::Challenge(Challenge::InvalidToken)),
            Self::BadRequest { detail } => {
                row("bad_request", 400, Stop, "The request is not understood.").detail(detail)
            }
            Self::NotDone { detail } => row(
                "limiter_unavailable",
                503,
                Wait,
                "Not done everywhere. It is safe to repeat.",
            )
            .with(RetryAfter(Duration::from_secs(1)))
            .detail(detail),
            Self::RegistryFull { detail } => row(
                "registry_full",
                507,
                Stop,
                "There is no room for more revocations and bans.",
            )
            .detail(detail),
            Self::LimiterUnavailable { retry_after } => row(
                "limiter_unavailable",
                503,
                Wait,
                "Attempts can't be counted at the moment.",
            )
            .close(1013)
            .with(RetryAfter(*retry_after)),
            Self::UpstreamUnreachable => row(
                "upstream_unreachable",
                502,
                Retry,
                "The server can't be reached.",
            )
            .close(1014),
            Self::UpstreamRefused => row(
                "upstream_refused",
                502,
                Retry,
                "The server did not accept the WebSocket.",
            )
            .close(1014),
            Self::UpstreamTimeout => row(
                "upstream_timeout",
                504,
                Retry,
                "The server did not answer in time.",
            )
            .close(1014),
        }
    }
}

fn too_many_attempts(scope: LimitScope) -> &'static str {
    match scope {
        LimitScope::Address => "Too many attempts from this address.",
        LimitScope::User => "Too many connections of this user.",
        LimitScope::Route => "Too many connections at the moment.",
    }
}

fn too_many_sockets(scope: LimitScope) -> &'static str {
    match scope {
        LimitScope::Address => "Too many open sockets of this address.",
        LimitScope::User => "Too many open sockets of this user.",
        LimitScope::Route => "Too many open sockets at the moment.",
    }
}
