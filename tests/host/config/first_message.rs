//! `FIRST_MESSAGE` and the settings next to it.

use portcullis::relay::RelayMode;
use portcullis::relay::first_message::{FirstMessage, FirstMessagePassing};

use crate::common::{assert_rows, errors_with, minimal_with, read, seconds, strings};

fn first(vars: &[(&str, &str)]) -> Option<FirstMessage> {
    let policy = read(&minimal_with(vars)).expect("sound settings");
    policy.first_message
}

const SOURCE: (&str, &str) = ("TOKEN_SOURCES", "header, message:/payload/token");

#[test]
fn the_first_message_is_awaited_only_where_a_token_may_be_in_it() {
    let defaults = || FirstMessage {
        timeout: seconds(10),
        passing: FirstMessagePassing::Strip,
        protocols: Vec::new(),
        greeting: None,
        drops_upstream_greeting: true,
        max_bytes: 16_384 + 16_384,
    };
    assert_rows([
        ("no such source", first(&[("FIRST_MESSAGE", "pass")]), None),
        ("the defaults", first(&[SOURCE]), Some(defaults())),
        (
            "all of it",
            first(&[
                SOURCE,
                ("FIRST_MESSAGE", "drop"),
                ("FIRST_MESSAGE_TIMEOUT", "1m"),
                ("FIRST_MESSAGE_PROTOCOLS", "v2, v1"),
                ("FIRST_MESSAGE_GREETING", r#"{"type":"auth_required"}"#),
                ("UPSTREAM_GREETING", "pass"),
                ("TOKEN_MAX_BYTES", "1000"),
            ]),
            Some(FirstMessage {
                timeout: seconds(60),
                passing: FirstMessagePassing::Drop,
                protocols: strings(&["v2", "v1"]),
                greeting: Some(r#"{"type":"auth_required"}"#.into()),
                drops_upstream_greeting: false,
                max_bytes: 17_384,
            }),
        ),
    ]);
}

#[test]
fn such_a_source_implies_that_messages_are_inspected() {
    let relay = read(&minimal_with(&[SOURCE])).expect("sound").relay;
    assert!(matches!(relay, RelayMode::Inspect(_)), "{relay:?}");
    let errors = read(&minimal_with(&[SOURCE, ("RELAY", "passthrough")])).err();
    let expected = "RELAY: TOKEN_SOURCES is set, and the first message of a socket that passes \
                    through natively can't be read; write \"inspect\", or remove TOKEN_SOURCES";
    assert_eq!(errors, Some(strings(&[expected])));
}

#[test]
fn what_is_wrong_is_told() {
    assert_rows([
        (
            "too long a time",
            errors_with("FIRST_MESSAGE_TIMEOUT", "61s"),
            strings(&["FIRST_MESSAGE_TIMEOUT: \"61s\" is too long; write one minute or less"]),
        ),
        (
            "no subprotocol",
            errors_with("FIRST_MESSAGE_PROTOCOLS", "a/b"),
            strings(&[
                "FIRST_MESSAGE_PROTOCOLS: \"a/b\" is not a subprotocol; write one like \
                 \"graphql-transport-ws\"",
            ]),
        ),
        (
            "no pointer",
            errors_with("TOKEN_SOURCES", "message:/a~b"),
            strings(&[
                "TOKEN_SOURCES: \"/a~b\" is not a JSON Pointer: write ~ as ~0, and / in a name as ~1",
            ]),
        ),
    ]);
}

#[test]
fn the_best_subprotocol_of_the_setting_is_answered() {
    let choose = |setting: Option<&str>, offered: &[&str]| {
        let mut vars = vec![SOURCE];
        vars.extend(setting.map(|value| ("FIRST_MESSAGE_PROTOCOLS", value)));
        let first = first(&vars).expect("awaited");
        first.choose(&strings(offered)).cloned().unwrap_or_default()
    };
    assert_rows([
        (
            "the client's first",
            choose(None, &["b", "a"]),
            "b".to_owned(),
        ),
        (
            "the setting's first",
            choose(Some("a, b"), &["b", "a"]),
            "a".to_owned(),
        ),
        (
            "the one that is offered",
            choose(Some("a, b"), &["b"]),
            "b".to_owned(),
        ),
        (
            "none of the setting's",
            choose(Some("a"), &["b"]),
            String::new(),
        ),
        ("nothing offered", choose(Some("a"), &[]), String::new()),
    ]);
}
