//! The headers that refusals add to their answers.

use std::time::Duration;

use crate::limits::quota::Quota;
use crate::limits::scope::LimitScope;
use crate::util::time::whole_seconds;

/// The headers that a reason adds to its answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Headers<'a> {
    None,
    Location(&'a str),
    Allow(&'static str),
    SupportedVersion,
    Challenge(Challenge<'a>),
    RetryAfter(Duration),
    RateLimit {
        scope: LimitScope,
        quota: Quota,
        wait: Duration,
    },
}

/// What `WWW-Authenticate` says (RFC 6750 §3).
#[derive(Debug, Clone, Copy)]
pub(super) enum Challenge<'a> {
    TokenMissing,
    InvalidToken,
    InsufficientScope(&'a [String]),
}

impl Headers<'_> {
    /// Names and values.
    pub fn lines(self) -> Vec<(&'static str, String)> {
        match self {
            Self::None => Vec::new(),
            Self::Location(url) => vec![("Location", url.to_owned())],
            Self::Allow(methods) => vec![("Allow", methods.to_owned())],
            Self::SupportedVersion => vec![("Sec-WebSocket-Version", "13".to_owned())],
            Self::Challenge(challenge) => vec![("WWW-Authenticate", challenge.value())],
            Self::RetryAfter(wait) => vec![("Retry-After", whole_seconds(wait).to_string())],
            Self::RateLimit { scope, quota, wait } => {
                let policy = scope.name();
                let count = quota.count();
                let (wait, window) = (whole_seconds(wait), whole_seconds(quota.window()));
                vec![
                    ("Retry-After", wait.to_string()),
                    ("RateLimit", format!(r#""{policy}";r=0;t={wait}"#)),
                    (
                        "RateLimit-Policy",
                        format!(r#""{policy}";q={count};w={window}"#),
                    ),
                ]
            }
        }
    }
}

impl Challenge<'_> {
    fn value(self) -> String {
        match self {
            Self::TokenMissing => "Bearer".to_owned(),
            Self::InvalidToken => r#"Bearer error="invalid_token""#.to_owned(),
            Self::InsufficientScope([]) => r#"Bearer error="insufficient_scope""#.to_owned(),
            Self::InsufficientScope(scopes) => format!(
                r#"Bearer error="insufficient_scope", scope="{}""#,
                scopes.join(" ")
            ),
        }
    }
}
