//! `TICKET_TTL` and `JWT_REPLAY`.

use super::reader::Reader;
use super::settings::{
    AUTH, JWT_REPLAY, REQUIRED_SCOPES, TICKET_BINDING, TICKET_TTL, TOKEN_SOURCES, Tokens,
};
use super::{registry, values};
use crate::one_time::ticket::{Binding, PARAMETER};
use crate::policy::{ONE_TIME_BINDING, OneTime};
use crate::token::{Authentication, Sessions, Source};
use crate::util::duration;

/// Tickets and the rejection of replay need tokens. Tickets also need a binding: without it there
/// are none by default, and asking for them is an error.
pub(super) fn read(reader: &mut Reader<'_>, authentication: Option<&Authentication>) -> OneTime {
    let is_bound = reader.is_bound(ONE_TIME_BINDING);
    let ttl = reader.or_default(&TICKET_TTL, values::or_off(duration::positive_duration));
    let rejects_replay = reader.or_default(&JWT_REPLAY, |text| {
        values::one_of(text, &[("allow", false), ("reject", true)])
    });
    let tickets_are_asked_for = ttl.is_some() && reader.has(&TICKET_TTL);
    if tickets_are_asked_for || rejects_replay {
        let why = "TICKET_TTL and JWT_REPLAY need it";
        reader.require_object(ONE_TIME_BINDING, "OneTime", why);
    }
    let ticket_ttl = ttl.filter(|_| is_bound && authentication.is_some());
    let is_ticket = |source: &Source| *source == Source::Query(PARAMETER.to_owned());
    if ticket_ttl.is_some() && authentication.is_some_and(|auth| auth.sources.iter().any(is_ticket))
    {
        reader.contradiction(
            &TOKEN_SOURCES,
            &[&TICKET_TTL, &AUTH],
            "the parameter of \"query:ticket\" carries one-time tickets; choose another name, or \
             set TICKET_TTL to off",
        );
    }
    // These two are equal for all issuers and for sessions.
    let expectations = authentication.and_then(|auth| {
        let of_issuers = auth.issuers.iter().map(|issuer| &issuer.expectations);
        let of_sessions = auth.sessions.iter().map(Sessions::expectations);
        of_issuers.chain(of_sessions).next()
    });
    OneTime {
        ticket_ttl,
        ticket_binding: read_binding(reader),
        ticket_rules: ticket_rules(reader),
        rejects_replay: rejects_replay && authentication.is_some(),
        leeway: expectations.map(|all| all.leeway).unwrap_or_default(),
        max_age: expectations.and_then(|all| all.max_age),
    }
}

/// Equal for routes that accept the same tokens and bind tickets alike. Scopes are checked again
/// where a ticket is used.
fn ticket_rules(reader: &Reader<'_>) -> String {
    registry::digest(reader, |setting| {
        let decides = setting.tokens() == Tokens::Decide && **setting != REQUIRED_SCOPES;
        decides || **setting == TICKET_BINDING
    })
}

fn read_binding(reader: &mut Reader<'_>) -> Binding {
    let names = reader.list_or_default(&TICKET_BINDING);
    let known = ["address", "origin", "route"];
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| !known.contains(&name.as_str()))
        .collect();
    for name in unknown {
        reader.error(
            &TICKET_BINDING,
            format!("{name:?} is not a bound of tickets; write some of address, origin and route"),
        );
    }
    let has = |bound: &str| names.iter().any(|name| name == bound);
    Binding {
        address: has("address"),
        origin: has("origin"),
        route: has("route"),
    }
}
