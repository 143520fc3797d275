//! `TICKET_TTL` and `JWT_REPLAY`, and the binding they need.

use portcullis::config::Settings;
use portcullis::gateway::Place;
use portcullis::policy::{ONE_TIME_BINDING, Site};

use crate::common::{Ask, assert_rows, minimal_with, read, seconds, strings};

fn bound(vars: &[(&str, &str)]) -> Settings {
    let mut settings = minimal_with(vars);
    settings.bindings.insert(ONE_TIME_BINDING.into());
    settings
}

#[test]
fn tickets_are_there_where_tokens_and_the_binding_are() {
    let default = Some(seconds(15));
    let off = [("AUTH", "off")];
    let rows = [
        ("nothing set", bound(&[]), default),
        ("a time", bound(&[("TICKET_TTL", "1m")]), Some(seconds(60))),
        ("off", bound(&[("TICKET_TTL", "off")]), None),
        ("AUTH=off", bound(&off), None),
        ("no binding", minimal_with(&[]), None),
        (
            "off without binding",
            minimal_with(&[("TICKET_TTL", "off")]),
            None,
        ),
    ];
    assert_rows(rows.map(|(name, settings, expected)| {
        let ttl = read(&settings).map(|policy| policy.one_time.ticket_ttl);
        (name, ttl, Ok(expected))
    }));
}

#[test]
fn replay_is_rejected_where_there_are_tokens() {
    let reject = ("JWT_REPLAY", "reject");
    let rows = [
        ("nothing set", bound(&[]), false),
        ("allow", bound(&[("JWT_REPLAY", "allow")]), false),
        ("reject", bound(&[reject]), true),
        ("AUTH=off", bound(&[reject, ("AUTH", "off")]), false),
    ];
    assert_rows(rows.map(|(name, settings, expected)| {
        let rejects = read(&settings).map(|policy| policy.one_time.rejects_replay);
        (name, rejects, Ok(expected))
    }));
}

#[test]
fn what_is_wrong_is_said() {
    let unbound = "ONE_TIME: the Durable Object binding is missing, and TICKET_TTL and JWT_REPLAY \
                   need it; bind it to the class OneTime as the project's wrangler.toml does";
    let rows = [
        (
            "a time without binding",
            minimal_with(&[("TICKET_TTL", "15s")]),
            unbound,
        ),
        (
            "replay with plain requests that show the token each time",
            bound(&[("JWT_REPLAY", "reject"), ("PLAIN_HTTP", "guard")]),
            "PLAIN_HTTP: JWT_REPLAY is reject, so a token would be used up by the first of a \
             page's requests; set JWT_REPLAY to allow, or this to reject",
        ),
        (
            "replay without binding",
            minimal_with(&[("JWT_REPLAY", "reject")]),
            unbound,
        ),
        (
            "no unit",
            bound(&[("TICKET_TTL", "15")]),
            "TICKET_TTL: \"15\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\", or \
             \"off\"",
        ),
        (
            "zero",
            bound(&[("TICKET_TTL", "0s")]),
            "TICKET_TTL: \"0s\" must be longer than zero; write one like \"30s\", or \"off\"",
        ),
        (
            "another word",
            bound(&[("JWT_REPLAY", "deny")]),
            "JWT_REPLAY: invalid value \"deny\"; write \"allow\" or \"reject\"",
        ),
        (
            "the parameter of tickets",
            bound(&[("TOKEN_SOURCES", "header, query:ticket")]),
            "TOKEN_SOURCES: the parameter of \"query:ticket\" carries one-time tickets; choose another \
             name, or set TICKET_TTL to off",
        ),
    ];
    assert_rows(rows.map(|(name, settings, expected)| {
        (name, read(&settings).err(), Some(strings(&[expected])))
    }));
    let own = bound(&[("TOKEN_SOURCES", "query:ticket"), ("TICKET_TTL", "off")]);
    assert!(
        read(&own).is_ok(),
        "without tickets the parameter is the user's own"
    );
}

#[test]
fn a_ticket_is_for_the_route_of_one_path() {
    let routes = r#"[
        {"path": "/rooms/{room}", "jwt_replay": "reject"},
        {"path": "/open/*", "auth": "off"},
        {"path": "/short", "ticket_ttl": "2s"},
        {"path": "/none", "ticket_ttl": "off"}]"#;
    let site = Site::read(&bound(&[("ROUTES", routes)])).expect("sound");
    let plain = Site::read(&bound(&[])).expect("sound");
    let pattern = |site: &Site, query: &str| {
        let ask = Ask::plain(
            "POST",
            &format!("https://gate.example/_portcullis/ticket{query}"),
        );
        match site.find(&ask.request()) {
            Place::Ticket(found) => found.route.pattern.clone(),
            Place::Nowhere(_) | Place::Unserved(_) => "nowhere".into(),
            other => panic!("{other:?}"),
        }
    };
    let rows = [
        ("?path=/rooms/7", "/rooms/{room}"),
        ("?path=%2Frooms%2F7", "/rooms/{room}"),
        ("?x&path=/rooms/a%2520b&y", "/rooms/{room}"),
        ("?path=/short", "/short"),
        ("?path=/open/x", "nowhere"),
        ("?path=/none", "nowhere"),
        ("?path=/other", "nowhere"),
        ("?path=rooms/7", "nowhere"),
        ("?path=", "nowhere"),
        ("?path=/_portcullis/ticket", "nowhere"),
        ("?path=/rooms/7&path=/short", "nowhere"),
        ("", "nowhere"),
    ];
    assert_rows(rows.map(|(query, expected)| (query, pattern(&site, query), expected.to_owned())));
    let rows = ["", "?path=/", "?path=/any/thing"];
    assert_rows(rows.map(|query| (query, pattern(&plain, query), "/*".to_owned())));
    for route in site.routes.iter() {
        assert_eq!(
            route.policy.one_time.rejects_replay,
            route.pattern == "/rooms/{room}"
        );
    }
}
