//! What an operator can do about a refusal, and which setting decided it. Only records have this.

use super::reason::Reason;
use crate::limits::scope::LimitScope;

impl Reason {
    /// The setting that decides about this reason, if the reason alone determines it.
    pub fn setting(&self) -> Option<&'static str> {
        Some(match self {
            Self::InsecureTransport { .. } => "REQUIRE_TLS",
            Self::NoRoute => "ROUTES",
            Self::UpgradeRequired => "PLAIN_HTTP",
            Self::ReplayedKey => "KEY_REPLAY_WINDOW",
            Self::OriginMissing => "ORIGIN_MISSING",
            Self::OriginNotAllowed => "ALLOWED_ORIGINS",
            Self::TokenMissing | Self::AmbiguousToken => "TOKEN_SOURCES",
            Self::TokenExpired => "JWT_LEEWAY",
            Self::InsufficientScope { .. } => "REQUIRED_SCOPES",
            Self::RateLimited { scope, .. } => match scope {
                LimitScope::Address => "RATE_LIMIT_IP",
                LimitScope::User => "RATE_LIMIT_USER",
                LimitScope::Route => "RATE_LIMIT_ROUTE",
            },
            Self::TooManySockets { scope } => match scope {
                LimitScope::Address => "MAX_SOCKETS_IP",
                LimitScope::User => "MAX_SOCKETS_USER",
                LimitScope::Route => return None,
            },
            Self::Banned => "BAN_AFTER",
            Self::LimiterUnavailable { .. } => "ON_LIMITER_FAILURE",
            Self::UpstreamUnreachable | Self::UpstreamRefused => "UPSTREAM_URL",
            Self::UpstreamTimeout => "UPSTREAM_TIMEOUT",
            Self::Misconfigured
            | Self::AmbiguousPath
            | Self::MethodNotAllowed { .. }
            | Self::UnsupportedVersion
            | Self::BadHandshake
            | Self::TokenInvalid
            | Self::TokenUnusable
            | Self::ProviderUnavailable { .. }
            | Self::Revoked
            | Self::BadRequest { .. }
            | Self::NotDone { .. }
            | Self::RegistryFull { .. } => return None,
        })
    }

    /// What an operator can do about this reason.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Misconfigured => {
                "Correct the settings that the log lists. npm run check lists them too."
            }
            Self::InsecureTransport { .. } => {
                "Use wss:// and https:// URLs. REQUIRE_TLS=false is for local tests."
            }
            Self::NoRoute => {
                "Add a route for the path to ROUTES if it should be served, or correct the \
                 client's URL."
            }
            Self::AmbiguousPath => {
                "Send the path in its plain form, without dot segments, doubled slashes and \
                 encoded separators."
            }
            Self::UpgradeRequired => {
                "Open it as a WebSocket. PLAIN_HTTP=proxy passes plain requests on."
            }
            Self::MethodNotAllowed { .. } => "Use a method that Allow lists.",
            Self::UnsupportedVersion | Self::BadHandshake => {
                "Use a client that follows RFC 6455, and look for a proxy that changes its headers."
            }
            Self::ReplayedKey => {
                "Find out who repeats handshakes: a proxy, a probe or an attacker. \
                 KEY_REPLAY_WINDOW=off stops the check."
            }
            Self::OriginMissing => {
                "Set ORIGIN_MISSING=allow if clients that are not browsers may connect."
            }
            Self::OriginNotAllowed => "Add the origin to ALLOWED_ORIGINS if its pages may connect.",
            Self::TokenMissing => {
                "Let the client send a token where TOKEN_SOURCES names it. AUTH=optional admits \
                 clients without one."
            }
            Self::TokenInvalid => {
                "Check that the token comes from the provider whose keys JWT_SECRET, JWT_JWKS, \
                 JWT_JWKS_URL or ISSUERS name, and arrives unchanged."
            }
            Self::TokenUnusable => "Let the client get a new token, as the cause says.",
            Self::TokenExpired => {
                "Let the client get a new token before it connects. JWT_LEEWAY is for clocks that \
                 differ."
            }
            Self::AmbiguousToken => {
                "Let the client send one token in one place. TOKEN_SOURCES names the places."
            }
            Self::InsufficientScope { .. } => {
                "Give the user what the route asks for, or change REQUIRED_SCOPES or the route's \
                 claims."
            }
            Self::ProviderUnavailable { .. } => {
                "Check that the provider answers at JWT_JWKS_URL or SESSION_URL."
            }
            Self::RateLimited { scope, .. } => match scope {
                LimitScope::Address => "Wait until then, or raise RATE_LIMIT_IP.",
                LimitScope::User => "Wait until then, or raise RATE_LIMIT_USER.",
                LimitScope::Route => "Wait until then, or raise RATE_LIMIT_ROUTE.",
            },
            Self::TooManySockets { scope } => match scope {
                LimitScope::Address => {
                    "Close sockets that nobody uses, or raise MAX_SOCKETS_IP. IDLE_TIMEOUT closes \
                     silent ones."
                }
                LimitScope::User => {
                    "Close sockets that nobody uses, or raise MAX_SOCKETS_USER. IDLE_TIMEOUT closes \
                     silent ones."
                }
                LimitScope::Route => "Close sockets that nobody uses.",
            },
            Self::Banned => {
                "Wait until then, or lift the ban with DELETE /_portcullis/admin/bans/{ip or sub}."
            }
            Self::Revoked => {
                "Let the user sign in again, or lift it with DELETE \
                 /_portcullis/admin/revocations/{id}."
            }
            Self::BadRequest { .. } => "Correct the request as the cause says.",
            Self::NotDone { .. } => "Repeat the request.",
            Self::RegistryFull { .. } => "Lift bans and revocations that are no longer needed.",
            Self::LimiterUnavailable { .. } => {
                "Try again, and look at the Durable Objects' errors. ON_LIMITER_FAILURE=admit lets \
                 attempts through uncounted."
            }
            Self::UpstreamUnreachable => {
                "Check that the server runs and that UPSTREAM_URL leads to it."
            }
            Self::UpstreamRefused => {
                "Look at the server's log by the request id: it must accept the WebSocket."
            }
            Self::UpstreamTimeout => {
                "Look at the server's log by the request id, or raise UPSTREAM_TIMEOUT."
            }
        }
    }
}

/// What an operator can do if this setting decided, where the advice depends on the setting.
pub(super) fn of_setting(setting: &str) -> Option<&'static str> {
    Some(match setting {
        "JWT_ISSUER" => {
            "Add the token's issuer to JWT_ISSUER if it may issue tokens, or let the client use \
             another one."
        }
        "JWT_AUDIENCE" => {
            "Add the token's audience to JWT_AUDIENCE, or request the token for an audience that \
             is there."
        }
        "JWT_TYP" => "Send a token of a type in JWT_TYP, such as an access token.",
        "JWT_MAX_AGE" => "Let the client get a new token, or raise JWT_MAX_AGE.",
        "JWT_LEEWAY" => {
            "Compare the clocks of the issuer and Cloudflare. JWT_LEEWAY is for clocks that differ."
        }
        "JWT_REPLAY" => {
            "Get a new token for each socket: with JWT_REPLAY=reject a token with a jti opens one."
        }
        "TICKET_TTL" => "Get a new ticket for each socket, and use it within TICKET_TTL.",
        "TICKET_BINDING" => {
            "Use a ticket from the address and origin that got it, and for the route it is for, or \
             take that out of TICKET_BINDING."
        }
        "TOKEN_MAX_BYTES" => "Put fewer claims into the token, or raise TOKEN_MAX_BYTES.",
        "ROUTES" => "Give the user the claim, or change the route's claims in ROUTES.",
        "ISSUERS" => "Add the token's issuer to ISSUERS if it may issue tokens.",
        "ON_REGISTRY_FAILURE" => {
            "Try again, and look at the Durable Objects' errors. ON_REGISTRY_FAILURE=admit lets \
             attempts through without a look at revocations, bans and used tokens."
        }
        "ADMIN_TOKEN" => {
            "Lift the ban with DELETE /_portcullis/admin/bans/{ip or sub}. An administrator set it \
             with ADMIN_TOKEN."
        }
        "UPSTREAM_SERVICE" => "Check that the Worker that UPSTREAM_SERVICE names is deployed.",
        "UPSTREAM_OBJECT" => "Check that the class that UPSTREAM_OBJECT leads to is deployed.",
        _ => return None,
    })
}
