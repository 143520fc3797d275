//! Every malformed value of a setting, with its whole error.

use portcullis::config::Var;

use crate::common::{MINIMAL, assert_rows, errors_with, read, settings, strings};

/// Each value with what is wrong with it.
fn assert_errors(setting: &str, rows: &[(&str, &str)]) {
    assert_rows(rows.iter().map(|(value, problem)| {
        let expected = vec![format!("{setting}: {problem}")];
        (
            format!("{setting} {value:?}"),
            errors_with(setting, value),
            expected,
        )
    }));
}

const EMPTY: &str = "it is empty; write a value or remove the setting";

#[test]
fn an_empty_setting_is_an_error() {
    let optional = [
        "AUTH",
        "JWT_ALGORITHMS",
        "JWT_AUDIENCE",
        "JWT_ISSUER",
        "JWT_JWKS",
        "JWT_LEEWAY",
        "JWT_MAX_AGE",
        "KEY_REPLAY_WINDOW",
        "LIMITER_TIMEOUT",
        "ON_FULL",
        "ON_LIMITER_FAILURE",
        "ON_REGISTRY_FAILURE",
        "ORIGIN_MISSING",
        "PLAIN_HTTP",
        "RATE_LIMIT_IP",
        "REJECT_WITH",
        "REQUIRE_TLS",
        "SECURITY_HEADERS",
        "TOKEN_SOURCES",
        "UPSTREAM_PLAINTEXT",
        "UPSTREAM_TIMEOUT",
        "ALLOWED_ORIGINS",
        "JWT_SECRET",
        "UPSTREAM_URL",
        "UPSTREAM_SERVICE",
    ];
    for setting in optional {
        assert_errors(setting, &[("", EMPTY), (" \n", EMPTY)]);
    }
}

#[test]
fn a_word_that_is_none_of_a_settings_is_an_error() {
    let words = [
        ("REQUIRE_TLS", "\"true\" or \"false\""),
        ("UPSTREAM_PLAINTEXT", "\"true\" or \"false\""),
        ("ORIGIN_MISSING", "\"reject\" or \"allow\""),
        ("AUTH", "\"required\" or \"optional\" or \"off\""),
        ("ON_FULL", "\"refuse\" or \"close_oldest\""),
        ("ON_LIMITER_FAILURE", "\"reject\" or \"admit\""),
        ("ON_REGISTRY_FAILURE", "\"reject\" or \"admit\""),
        ("ON_TOKEN_CONFLICT", "\"refuse\" or \"first\""),
        ("FIRST_MESSAGE", "\"strip\" or \"pass\" or \"drop\""),
        ("UPSTREAM_GREETING", "\"drop\" or \"pass\""),
        ("PLAIN_HTTP", "\"reject\" or \"proxy\""),
        ("REJECT_WITH", "\"http\" or \"close\""),
    ];
    for (setting, choices) in words {
        for value in ["yes", "True", "0", "null", "true,", "REJECT"] {
            let problem = format!("invalid value {value:?}; write {choices}");
            assert_errors(setting, &[(value, &problem)]);
        }
    }
}

const NO_DURATIONS: [&str; 18] = [
    "5",
    "-5s",
    "+5s",
    "5 s",
    "5S",
    "5sec",
    "5w",
    "5y",
    "5us",
    "5ns",
    "1.5s",
    "1e3s",
    "1m30s",
    "s",
    "inf",
    "0x5s",
    "５s",
    "99999999999999999999999s x",
];

#[test]
fn a_duration_is_a_whole_number_and_a_unit() {
    let durations = [
        "JWT_LEEWAY",
        "JWT_MAX_AGE",
        "UPSTREAM_TIMEOUT",
        "LIMITER_TIMEOUT",
    ];
    for setting in durations {
        for value in NO_DURATIONS {
            let problem =
                format!("{value:?} is not a duration; write one like \"500ms\", \"30s\" or \"5m\"");
            assert_errors(setting, &[(value, &problem)]);
        }
        for value in ["367d", "8785h", "99999999999999999999d"] {
            let problem = format!("{value:?} is longer than a year; write a shorter duration");
            assert_errors(setting, &[(value, &problem)]);
        }
    }
    for setting in &durations[1..] {
        assert_errors(
            setting,
            &[(
                "0s",
                "\"0s\" must be longer than zero; write one like \"30s\"",
            )],
        );
    }
    assert_errors(
        "KEY_REPLAY_WINDOW",
        &[
            (
                "0ms",
                "\"0ms\" must be longer than zero; write one like \"30s\", or \"off\"",
            ),
            (
                "5",
                "\"5\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\", or \"off\"",
            ),
            (
                "OFF",
                "\"OFF\" is not a duration; write one like \"500ms\", \"30s\" or \"5m\", or \"off\"",
            ),
        ],
    );
}

#[test]
fn a_quota_is_a_count_and_a_duration() {
    for value in [
        "60",
        "60 per minute",
        "/1m",
        "-1/1m",
        "+1/1m",
        "1.5/1m",
        " 1 /1m",
        "4294967296/1m",
        "x/1m",
    ] {
        let problem = format!("{value:?} is not a quota; write one like \"60/1m\", or \"off\"");
        assert_errors(
            "RATE_LIMIT_IP",
            &[(value.trim(), &problem.replace(value, value.trim()))],
        );
    }
    for value in ["0/1m", "60/0s"] {
        let problem = format!(
            "{value:?} has a count or a duration of zero; write one like \"60/1m\", or \"off\""
        );
        assert_errors("RATE_LIMIT_IP", &[(value, &problem)]);
    }
    let duration = "is not a duration; write one like \"500ms\", \"30s\" or \"5m\", or \"off\"";
    assert_errors(
        "RATE_LIMIT_IP",
        &[
            ("60/", &format!("\"\" {duration}")),
            ("60/m", &format!("\"m\" {duration}")),
            ("60/1m/2", &format!("\"1m/2\" {duration}")),
            ("60/1min", &format!("\"1min\" {duration}")),
            (
                "60/400d",
                "\"400d\" is longer than a year; write a shorter duration, or \"off\"",
            ),
        ],
    );
}

#[test]
fn a_token_source_is_one_of_four() {
    let wrong = [
        "headers",
        "Header",
        "header:",
        "subprotocol:",
        "subprotocol:a/b",
        "message:",
        "message:token",
        "cookie",
        "cookie:",
        "cookie:a=b",
        "query",
        "query:",
        "body:x",
    ];
    for value in wrong {
        let problem = format!(
            "{value:?} is not a token source; write header, header:NAME, subprotocol, \
             subprotocol:PREFIX, cookie:NAME, query:NAME or message:/POINTER"
        );
        assert_errors("TOKEN_SOURCES", &[(value, &problem)]);
    }
    assert_errors(
        "TOKEN_SOURCES",
        &[
            ("header header", "\"header\" appears twice; remove one"),
            (
                "cookie:a,query:a,cookie:a",
                "\"cookie:a\" appears twice; remove one",
            ),
            (
                "header:X-Token header:x-token",
                "\"header:x-token\" appears twice; remove one",
            ),
            (
                "subprotocol:Bearer",
                "\"subprotocol:Bearer\" can't be a token source: the token after bearer is a \
                 subprotocol of its own; write subprotocol",
            ),
        ],
    );
}

#[test]
fn a_header_that_is_not_the_tokens_own_is_no_source() {
    let rows = [
        ("Authorization", "that is the source header; write header"),
        ("cookie", "a cookie has a name; write cookie:NAME"),
        ("Connection", CONNECTION),
        ("Proxy-Authorization", CONNECTION),
        ("TE", CONNECTION),
        ("Host", CONNECTION),
        ("Origin", CONNECTION),
        ("Sec-WebSocket-Protocol", CONNECTION),
        ("Portcullis-Subject", OWNED),
        ("portcullis_subject", OWNED),
        ("X-Forwarded-For", OWNED),
        ("X-Real-IP", OWNED),
        ("Forwarded", OWNED),
    ];
    for (name, why) in rows {
        let value = format!("header:{name}");
        let problem = format!("{value:?} can't be a token source: {why}");
        assert_errors("TOKEN_SOURCES", &[(&value, &problem)]);
    }
}

const CONNECTION: &str = "it belongs to the connection or the handshake; write the name of a header \
                          that holds only the token";
const OWNED: &str = "the gate owns it and removes it from every request; let what puts the token \
                     there use another name";

#[test]
fn a_secret_is_as_long_as_the_hash_and_never_repeated() {
    let short =
        |length| format!("the key has {length} bytes; HS256 takes 32 or more, HS384 48, HS512 64");
    let encoding = "what follows base64: is not standard base64 with padding";
    assert_errors(
        "JWT_SECRET",
        &[
            ("x", &short(1)),
            ("a secret of thirty-one charact.", &short(31)),
            ("base64:", &short(0)),
            ("base64:AAAA", &short(3)),
            ("base64:AAAA=", encoding),
            ("base64:AA", encoding),
            ("base64:AB==", encoding),
            (
                "base64:__--AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                encoding,
            ),
            ("base64: AAAA", encoding),
        ],
    );
    assert_eq!(
        errors_with("JWT_SECRET", "sixteen letters é"),
        [format!("JWT_SECRET: {}", short(18))]
    );
}

#[test]
fn algorithms_are_known_and_have_a_key() {
    let known = "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, \
                 ES512, EdDSA";
    let left = "it leaves a key without kid without an algorithm; remove the key, or add one";
    for value in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    ] {
        let problem = format!("no key is for {value}; remove it, or give a key for it");
        let expected = [problem, left.to_owned()].map(|text| format!("JWT_ALGORITHMS: {text}"));
        assert_eq!(errors_with("JWT_ALGORITHMS", value), expected);
    }
    for value in ["none", "hs256", "HS1", "RSA", "ES256K"] {
        let errors = errors_with("JWT_ALGORITHMS", &format!("HS256 {value}"));
        let expected =
            format!("JWT_ALGORITHMS: {value:?} is not an algorithm; write some of {known}");
        assert_eq!(errors, [expected]);
    }
    let problem = "no key is for HS512; remove it, or give a key for it";
    assert_errors("JWT_ALGORITHMS", &[("HS256,HS512", problem)]);
    let errors = errors_with("JWT_ALGORITHMS", "EdDSA");
    let expected = strings(&[
        "JWT_ALGORITHMS: no key is for EdDSA; remove it, or give a key for it",
        "JWT_ALGORITHMS: it leaves a key without kid without an algorithm; remove the key, or add one",
    ]);
    assert_eq!(errors, expected);
}

#[test]
fn origins_and_urls_bring_their_own_errors() {
    assert_errors(
        "ALLOWED_ORIGINS",
        &[(
            "https://a.test https://b.test/",
            "\"https://b.test/\": it has a path, query or fragment; write \"https://b.test\"",
        )],
    );
    assert_errors(
        "UPSTREAM_URL",
        &[
            (
                "wss://a.test?b",
                "it has a query; write a URL like \"wss://chat.example.com\"",
            ),
            (
                "ws://a.test",
                "it would carry identities unencrypted; write wss:// or https://, or set \
                 UPSTREAM_PLAINTEXT to true",
            ),
        ],
    );
}

#[test]
fn json_settings_are_objects_without_duplicates() {
    let none = |problem: &str| format!("invalid JSON object: {problem}");
    for setting in ["SECURITY_HEADERS", "JWT_JWKS"] {
        assert_errors(
            setting,
            &[
                ("[]", &none("it is not an object")),
                ("x", &none("expected value at line 1 column 1")),
                ("{", &none("EOF while parsing an object at line 1 column 1")),
                (
                    r#"{"a":1,"a":2}"#,
                    &none("a member stands twice at line 1 column 13"),
                ),
            ],
        );
    }
    assert_errors(
        "SECURITY_HEADERS",
        &[
            (
                r#"{"Allow":"x"}"#,
                "\"Allow\": the gate itself decides on this header; leave it out",
            ),
            (r#"{"A b":"x"}"#, "\"A b\": it is no header name"),
        ],
    );
}

#[test]
fn tables_and_arrays_stand_only_where_they_have_a_meaning() {
    let errors = |name: &str, json: &str| {
        let mut settings = settings(&MINIMAL);
        let value = serde_json::from_str(json).expect("JSON");
        settings.vars.insert(name.into(), Var::Json(value));
        read(&settings).err().unwrap_or_default()
    };
    let text = |name| {
        strings(&[&format!(
            "{name}: it is a table or an array; write a string"
        )])
    };
    let one = |text: &str| strings(&[text]);
    assert_rows([
        (
            "table for a word",
            errors("AUTH", r#"{"a":1}"#),
            text("AUTH"),
        ),
        (
            "array for a duration",
            errors("JWT_LEEWAY", r#"["5s"]"#),
            text("JWT_LEEWAY"),
        ),
        (
            "array for a secret",
            errors("JWT_SECRET", r#"["x"]"#),
            text("JWT_SECRET"),
        ),
        ("null for a word", errors("AUTH", "null"), text("AUTH")),
        (
            "table for a list",
            errors("JWT_ISSUER", r#"{"a":1}"#),
            text("JWT_ISSUER"),
        ),
        (
            "numbers in a list",
            errors("JWT_ISSUER", "[1]"),
            one("JWT_ISSUER: an element is not a string"),
        ),
        (
            "empty list",
            errors("JWT_ISSUER", "[]"),
            one("JWT_ISSUER: it is empty; write a value or remove the setting"),
        ),
        (
            "array for an object",
            errors("SECURITY_HEADERS", "[]"),
            one("SECURITY_HEADERS: it is not a JSON object"),
        ),
        (
            "table for an object",
            errors("SECURITY_HEADERS", r#"{"X-Frame-Options":null}"#),
            vec![],
        ),
    ]);
}

/// An empty issuer would be one that a token can have.
#[test]
fn an_empty_element_of_an_array_is_an_error() {
    for name in ["JWT_ISSUER", "JWT_AUDIENCE"] {
        let mut settings = settings(&MINIMAL);
        let value = serde_json::from_str(r#"["a", ""]"#).expect("JSON");
        settings.vars.insert(name.into(), Var::Json(value));
        assert!(read(&settings).is_err(), "{name}");
    }
}
