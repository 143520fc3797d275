//! `TICKET_TTL` and `JWT_REPLAY`.

use std::time::Duration;

use super::reader::Reader;
use super::values;
use crate::one_time::ticket::PARAMETER;
use crate::policy::{ONE_TIME_BINDING, OneTime};
use crate::token::{Authentication, Sessions, Source};
use crate::util::duration;

/// Without tokens there is nothing to use once. Tickets need a binding: where it is missing
/// there are none, unless they were asked for.
pub(super) fn read(reader: &mut Reader<'_>, authentication: Option<&Authentication>) -> OneTime {
    let is_bound = reader.is_bound(ONE_TIME_BINDING);
    let ttl = reader.or(
        "TICKET_TTL",
        Some(Duration::from_secs(15)),
        values::or_off(duration::positive_duration),
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
