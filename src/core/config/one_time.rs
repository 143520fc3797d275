//! `TICKET_TTL` and `JWT_REPLAY`.

use std::time::Duration;

use super::reader::Reader;
use super::values;
use crate::one_time::ticket::PARAMETER;
use crate::token::{Authentication, Identity, Sessions, Source};
use crate::util::time::Timestamp;

/// The Durable Object binding that keeps what can be used once.
pub const ONE_TIME_BINDING: &str = "ONE_TIME";

/// What can be used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTime {
    /// `None` where there are no tickets, and the query parameter is the upstream's own.
    pub ticket_ttl: Option<Duration>,
    /// `JWT_REPLAY=reject`.
    pub rejects_replay: bool,
    leeway: Duration,
    max_age: Option<Duration>,
}

impl OneTime {
    /// When a token stops being accepted.
    pub fn accepted_until(&self, identity: &Identity) -> Timestamp {
        identity.accepted_until(self.leeway, self.max_age)
    }
}

/// Without tokens there is nothing to use once. Tickets need a binding: where it is missing
/// there are none, unless they were asked for.
pub(super) fn read(reader: &mut Reader<'_>, authentication: Option<&Authentication>) -> OneTime {
    let is_bound = reader.is_bound(ONE_TIME_BINDING);
    let ttl = reader.or(
        "TICKET_TTL",
        Some(Duration::from_secs(15)),
        values::or_off(values::positive_duration),
    );
    let rejects_replay = reader.or("JWT_REPLAY", false, |text| {
        values::one_of(text, &[("allow", false), ("reject", true)])
    });
    let tickets_are_asked_for = ttl.is_some() && reader.has("TICKET_TTL");
    if tickets_are_asked_for || rejects_replay {
        let why = "TICKET_TTL and JWT_REPLAY need it";
        reader.require_object(ONE_TIME_BINDING, "OneTime", why);
    }
    let ticket_ttl = ttl.filter(|_| is_bound && authentication.is_some());
    let is_ticket = |source: &Source| *source == Source::Query(PARAMETER.to_owned());
    if ticket_ttl.is_some() && authentication.is_some_and(|auth| auth.sources.iter().any(is_ticket))
    {
        reader.error(
            "TOKEN_SOURCES",
            "\"query:ticket\" is where one-time tickets stand; choose another name, or set \
             TICKET_TTL to off",
        );
    }
    // Both hold for all issuers alike, and for sessions.
    let expectations = authentication.and_then(|auth| {
        let of_issuers = auth.issuers.iter().map(|issuer| &issuer.expectations);
        let of_sessions = auth.sessions.iter().map(Sessions::expectations);
        of_issuers.chain(of_sessions).next()
    });
    OneTime {
        ticket_ttl,
        rejects_replay: rejects_replay && authentication.is_some(),
        leeway: expectations.map(|all| all.leeway).unwrap_or_default(),
        max_age: expectations.and_then(|all| all.max_age),
    }
}
