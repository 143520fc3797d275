//! `RELAY` and the limits of live sockets as settings, globally and by route.

use portcullis::config::Settings;
use portcullis::limits::quota::Quota;
use portcullis::policy::Site;
use portcullis::relay::{RelayLimits, RelayMode};
use serde_json::json;

use super::with_routes;
use crate::common::{assert_rows, errors_with, minimal_with, ms, read, seconds};

const BACKLOG: Option<u32> = Some(32 << 20);

fn relay(settings: &[(&str, &str)]) -> RelayMode {
    read(&minimal_with(settings)).expect("sound settings").relay
}

fn inspect(limits: RelayLimits) -> RelayMode {
    RelayMode::Inspect(RelayLimits {
        backlog_bytes: limits.backlog_bytes.or(BACKLOG),
        ..limits
    })
}

#[test]
fn a_limit_implies_that_messages_are_inspected() {
    let none = RelayLimits::default;
    assert_rows([
        ("nothing", relay(&[]), RelayMode::Passthrough),
        (
            "passthrough",
            relay(&[("RELAY", "passthrough"), ("CLOSE_ON_EXPIRY", "false")]),
            RelayMode::Passthrough,
        ),
        ("inspect", relay(&[("RELAY", "inspect")]), inspect(none())),
        (
            "size",
            relay(&[("MAX_MESSAGE_BYTES", "33554432")]),
            inspect(RelayLimits {
                message_bytes: Some(33_554_432),
                ..none()
            }),
        ),
        (
            "rate",
            relay(&[("MESSAGE_RATE", "10000/500ms")]),
            inspect(RelayLimits {
                message_rate: Quota::new(10_000, ms(500)),
                ..none()
            }),
        ),
        (
            "idle",
            relay(&[("IDLE_TIMEOUT", "90s")]),
            inspect(RelayLimits {
                idle: Some(seconds(90)),
                ..none()
            }),
        ),
        (
            "lifetime",
            relay(&[("MAX_LIFETIME", "1h")]),
            inspect(RelayLimits {
                lifetime: Some(seconds(3600)),
                ..none()
            }),
        ),
        (
            "expiry",
            relay(&[("CLOSE_ON_EXPIRY", "true")]),
            inspect(RelayLimits {
                closes_on_expiry: true,
                ..none()
            }),
        ),
        (
            "backlog",
            relay(&[("MAX_BACKLOG_BYTES", "1000")]),
            inspect(RelayLimits {
                backlog_bytes: Some(1000),
                ..none()
            }),
        ),
        (
            "sockets of an address",
            relay(&[("MAX_SOCKETS_IP", "5")]),
            inspect(none()),
        ),
        (
            "sockets of a user",
            relay(&[("MAX_SOCKETS_USER", "5")]),
            inspect(none()),
        ),
        (
            "no backlog",
            relay(&[("RELAY", "inspect"), ("MAX_BACKLOG_BYTES", "off")]),
            RelayMode::Inspect(none()),
        ),
        (
            "all off",
            relay(&[
                ("MAX_MESSAGE_BYTES", "off"),
                ("MESSAGE_RATE", "off"),
                ("IDLE_TIMEOUT", "off"),
                ("MAX_LIFETIME", "off"),
                ("MAX_BACKLOG_BYTES", "off"),
                ("MAX_SOCKETS_IP", "off"),
                ("MAX_SOCKETS_USER", "off"),
            ]),
            RelayMode::Passthrough,
        ),
    ]);
}

#[test]
fn a_malformed_limit_is_an_error() {
    let rows = [
        (
            "RELAY",
            "Inspect",
            r#"invalid value "Inspect"; write "passthrough" or "inspect""#,
        ),
        (
            "MAX_MESSAGE_BYTES",
            "64k",
            r#""64k" is not a number of bytes; write one like "65536", or "off""#,
        ),
        (
            "MAX_MESSAGE_BYTES",
            "+5",
            r#""+5" is not a number of bytes; write one like "65536", or "off""#,
        ),
        (
            "MAX_MESSAGE_BYTES",
            "0",
            r#""0" is not a number of bytes; write one like "65536", or "off""#,
        ),
        (
            "MAX_MESSAGE_BYTES",
            "33554433",
            r#""33554433" is more than the platform passes on; write 33554432 or less, or "off""#,
        ),
        (
            "MAX_BACKLOG_BYTES",
            "99999999999",
            r#""99999999999" is not a number of bytes; write one like "65536", or "off""#,
        ),
        (
            "MESSAGE_RATE",
            "10",
            r#""10" is not a quota; write one like "60/1m", or "off""#,
        ),
        (
            "MESSAGE_RATE",
            "10001/1h",
            r#""10001/1h" counts too many messages; write 10000 or fewer, over a shorter time, or "off""#,
        ),
        (
            "IDLE_TIMEOUT",
            "0s",
            r#""0s" must be longer than zero; write one like "30s", or "off""#,
        ),
        (
            "MAX_LIFETIME",
            "8",
            r#""8" is not a duration; write one like "500ms", "30s" or "5m", or "off""#,
        ),
        (
            "CLOSE_ON_EXPIRY",
            "yes",
            r#"invalid value "yes"; write "true" or "false""#,
        ),
    ];
    assert_rows(rows.map(|(name, value, problem)| {
        let expected = vec![format!("{name}: {problem}")];
        (
            format!("{name} {value}"),
            errors_with(name, value),
            expected,
        )
    }));
}

#[test]
fn a_limit_contradicts_passthrough() {
    let limits = [
        ("MAX_MESSAGE_BYTES", "1"),
        ("MESSAGE_RATE", "1/1s"),
        ("IDLE_TIMEOUT", "1s"),
        ("MAX_LIFETIME", "1s"),
        ("CLOSE_ON_EXPIRY", "true"),
        ("MAX_BACKLOG_BYTES", "1"),
    ];
    assert_rows(limits.map(|(name, value)| {
        let settings = minimal_with(&[("RELAY", "passthrough"), (name, value)]);
        let problem = format!(
            "RELAY: {name} is set, and sockets that pass through natively can't be limited; write \
             \"inspect\", or remove {name}"
        );
        (name, errors(&settings), vec![problem])
    }));
}

/// Once coupled natively, a socket's end is not heard of, and its slot would never come free.
#[test]
fn a_cap_of_sockets_contradicts_passthrough() {
    assert_rows(["MAX_SOCKETS_IP", "MAX_SOCKETS_USER"].map(|name| {
        let settings = minimal_with(&[("RELAY", "passthrough"), (name, "5")]);
        let problem = format!(
            "RELAY: {name} is set, and the gate does not see when a socket that passes \
             through natively ends; write \"inspect\", or remove {name}"
        );
        (name, errors(&settings), vec![problem])
    }));
}

#[test]
fn nothing_expires_without_tokens() {
    let settings = minimal_with(&[("AUTH", "off"), ("CLOSE_ON_EXPIRY", "true")]);
    let problem = "CLOSE_ON_EXPIRY: AUTH is off, so there is no token to expire; remove this, or \
                   set AUTH to required";
    assert_eq!(errors(&settings), [problem]);
}

#[test]
fn a_route_has_limits_of_its_own() {
    let route = |members: serde_json::Value| {
        let settings = minimal_with(&[("MESSAGE_RATE", "5/1s"), ("IDLE_TIMEOUT", "1m")]);
        Site::read(&with_routes(settings, json!([members]))).map(|site| {
            let mut routes = site.routes.iter();
            routes.next().expect("one route").policy.relay.clone()
        })
    };
    let with_rate = |count| {
        inspect(RelayLimits {
            message_rate: Quota::new(count, seconds(1)),
            idle: Some(seconds(60)),
            ..RelayLimits::default()
        })
    };
    let relays = [
        ("inherited", json!({"path": "/"}), with_rate(5)),
        (
            "its own rate",
            json!({"path": "/", "message_rate": "7/1s"}),
            with_rate(7),
        ),
        (
            "nothing",
            json!({"path": "/", "relay": "passthrough", "message_rate": "off", "idle_timeout": "off"}),
            RelayMode::Passthrough,
        ),
    ];
    assert_rows(relays.map(|(name, members, relay)| (name, route(members).ok(), Some(relay))));
    let errors = route(json!({"path": "/", "relay": "passthrough"})).unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "ROUTES / relay: MESSAGE_RATE is set, and sockets that pass through natively can't be \
             limited; write \"inspect\", or remove MESSAGE_RATE"
        ]
    );
}

fn errors(settings: &Settings) -> Vec<String> {
    let errors = read(settings).expect_err("a configuration error");
    errors.iter().map(ToString::to_string).collect()
}
