//! Which names are settings, and what is said of those that nearly are.

use crate::common::{assert_rows, errors_with, minimal_with, read, strings};

#[test]
fn a_misspelt_name_is_an_error_that_names_the_setting() {
    let rows = [
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("ALLOW_ORIGINS", "ALLOWED_ORIGINS"),
        ("ALOWED_ORIGINS", "ALLOWED_ORIGINS"),
        ("ALLOWED_ORIGNIS", "ALLOWED_ORIGINS"),
        ("allowed_origins", "ALLOWED_ORIGINS"),
        ("allowedOrigins", "ALLOWED_ORIGINS"),
        ("ALLOWED-ORIGINS", "ALLOWED_ORIGINS"),
        ("Auth", "AUTH"),
        ("JWTSECRET", "JWT_SECRET"),
        ("JWT_SECRETS", "JWT_SECRET"),
        ("JWT_SERCET", "JWT_SECRET"),
        ("JWT_ISUER", "JWT_ISSUER"),
        ("JWT_ISSUERS", "JWT_ISSUER"),
        ("JWT_AUDIENCES", "JWT_AUDIENCE"),
        ("JWT_ALGORITHM", "JWT_ALGORITHMS"),
        ("JWT_JWK", "JWT_JWKS"),
        ("REQUIRETLS", "REQUIRE_TLS"),
        ("REQUIRE_TSL", "REQUIRE_TLS"),
        ("RATE_LIMITS_IP", "RATE_LIMIT_IP"),
        ("KEY_REPLY_WINDOW", "KEY_REPLAY_WINDOW"),
        ("TOKEN_SOURCE", "TOKEN_SOURCES"),
        ("UPSTREAM_URI", "UPSTREAM_URL"),
        ("UPSTREAM_SERVICES", "UPSTREAM_SERVICE"),
        ("SECURITY_HEADER", "SECURITY_HEADERS"),
        ("ROUTE", "ROUTES"),
        ("modes", "MODE"),
        ("BANAFTER", "BAN_AFTER"),
        ("REQUIRED_SCOPE", "REQUIRED_SCOPES"),
    ];
    assert_rows(rows.map(|(name, meant)| {
        let expected = format!("{name}: there is no such setting; did you mean {meant}?");
        (name, errors_with(name, "x"), vec![expected])
    }));
}

#[test]
fn other_names_are_the_users_own() {
    let names = [
        "DATABASE_URL",
        "API_KEY",
        "AUTH0_DOMAIN",
        "AUTHOR",
        "MODEL",
        "LOG_LEVEL",
        "DEBUG",
        "SECRET",
        "ORIGIN",
        "JWT",
        "HOME",
        "CHAT_URL",
        "RELAYS_NAME",
        "NODE_ENV",
        "SENTRY_DSN",
        "TIMEOUT",
        "ENVIRONMENT",
        "CF_ZONE",
    ];
    assert_rows(names.map(|name| (name, errors_with(name, "anything {"), vec![])));
}

#[test]
fn a_setting_of_later_work_is_an_error_unless_its_value_is_already_true() {
    let (name, now, later) = ("MODE", "enforce", "report");
    let problem = format!("{name}: invalid value {later:?}; write {now:?}");
    assert_rows([
        (format!("{name} {now}"), errors_with(name, now), vec![]),
        (
            format!("{name} {later}"),
            errors_with(name, later),
            vec![problem],
        ),
    ]);
}

/// A blank value is one error, not two.
#[test]
fn an_empty_setting_of_later_work_is_one_error() {
    assert_eq!(
        errors_with("MODE", "").len(),
        1,
        "{:?}",
        errors_with("MODE", "")
    );
}

#[test]
fn several_misspelt_names_are_told_at_once() {
    let settings = minimal_with(&[("JWT_ISUER", "x"), ("AUTHS", "x"), ("MINE", "x")]);
    let expected = strings(&[
        "AUTHS: there is no such setting; did you mean AUTH?",
        "JWT_ISUER: there is no such setting; did you mean JWT_ISSUER?",
    ]);
    assert_eq!(read(&settings).err(), Some(expected));
}
