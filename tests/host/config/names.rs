//! Which names are settings, and what is said of those that nearly are.

use portcullis::config::{ConfigError, GUARDED_HANDLER, Var};
use portcullis::policy::Site;
use serde_json::json;

use super::with_routes;
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
        // Abbreviated, shortened and extended.
        ("JWT_AUD", "JWT_AUDIENCE"),
        ("JWT_ISS", "JWT_ISSUER"),
        ("JWT_ALG", "JWT_ALGORITHMS"),
        ("JWT_ALGOS", "JWT_ALGORITHMS"),
        ("JWT_KEY", "JWT_SECRET"),
        ("jwtAud", "JWT_AUDIENCE"),
        ("JWKS_URL", "JWT_JWKS_URL"),
        ("RATE_LIMIT", "RATE_LIMIT_IP"),
        ("RATELIMIT_IP", "RATE_LIMIT_IP"),
        ("RATELIMIT", "RATE_LIMIT_IP"),
        ("RATE_LIMITS", "RATE_LIMIT_IP"),
        ("RATE_LIMIT_USERS", "RATE_LIMIT_USER"),
        ("RATE_LIMIT_PER_USER", "RATE_LIMIT_USER"),
        ("rate-limit-per-route", "RATE_LIMIT_ROUTE"),
        ("MAX_SOCKETS", "MAX_SOCKETS_IP"),
        ("MAX_SOCKETS_PER_USER", "MAX_SOCKETS_USER"),
        ("MAX_CONNECTIONS", "MAX_SOCKETS_IP"),
        ("MAX_MESSAGE_SIZE", "MAX_MESSAGE_BYTES"),
        ("UPSTREAM", "UPSTREAM_URL"),
        ("UPSTREAM_HOST", "UPSTREAM_URL"),
        ("ON_FAILURE", "ON_LIMITER_FAILURE"),
        ("TOKEN_SOURCES_LIST", "TOKEN_SOURCES"),
        ("SESSION_AUTH", "SESSION_URL_AUTH"),
        ("TICKET_LIFE", "TICKET_TTL"),
        ("REQUIRE_SCOPES", "REQUIRED_SCOPES"),
        ("REQUIRE_HTTPS", "REQUIRE_TLS"),
        ("ALLOWED_ORIGINS_PROD", "ALLOWED_ORIGINS"),
        ("CLOSE_AFTER_EXPIRY", "CLOSE_ON_EXPIRY"),
        ("SCOPES", "REQUIRED_SCOPES"),
        ("AUDIENCE", "JWT_AUDIENCE"),
        ("ISSUER", "ISSUERS"),
    ];
    assert_rows(rows.map(|(name, meant)| {
        let expected = format!("{name}: there is no such setting; did you mean {meant}?");
        (name, errors_with(name, "x"), vec![expected])
    }));
}

#[test]
fn other_names_are_the_users_own_and_a_warning() {
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
        "MAXIMUM",
        "ONCALL",
        "PARTNERS_JWT_SECRET",
    ];
    assert_rows(names.map(|name| (name, errors_with(name, "anything {"), vec![])));
    assert_rows(names.map(|name| {
        let warnings = read(&minimal_with(&[(name, "x")])).map(|policy| policy.warnings);
        let expected = format!("{name}: it is not a setting of the gate, which ignores it");
        (name, warnings, Ok(vec![expected]))
    }));
    let mut table = minimal_with(&[]);
    table.vars.insert("MINE".into(), Var::Json(json!({"a": 1})));
    assert_eq!(read(&table).map(|policy| policy.warnings), Ok(vec![]));
}

/// `guard` puts the gate into a Worker whose other variables are about something else.
#[test]
fn in_a_guarded_worker_only_a_misspelt_setting_is_an_error() {
    let guarded = |name: &str| {
        let mut settings = minimal_with(&[(name, "x"), ("UPSTREAM_SERVICE", GUARDED_HANDLER)]);
        settings.vars.remove("UPSTREAM_URL");
        settings.bindings.insert(GUARDED_HANDLER.into());
        Site::read(&settings).map(|site| site.warnings)
    };
    let meant = |name, meant| format!("{name}: there is no such setting; did you mean {meant}?");
    let misspelt = [
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("JWT_SERCET", "JWT_SECRET"),
        ("MAX_SOCKETS_USERS", "MAX_SOCKETS_USER"),
        ("sessionUrl", "SESSION_URL"),
    ];
    assert_rows(misspelt.map(|(name, setting)| {
        let errors = guarded(name).expect_err("an error");
        let errors: Vec<_> = errors.iter().map(ConfigError::to_string).collect();
        (name, errors, vec![meant(name, setting)])
    }));
    let alike = [
        ("SESSION_SECRET", "SESSION_URL"),
        ("MAX_UPLOAD_BYTES", "MAX_MESSAGE_BYTES"),
        ("TOKEN_ENDPOINT", "TOKEN_SOURCES"),
        ("JWT_COOKIE", "JWT_TYP"),
        ("SCOPES", "REQUIRED_SCOPES"),
    ];
    assert_rows(alike.map(|(name, _)| (name, guarded(name).map(|all| all.len()), Ok(1))));
    assert_rows(
        ["DATABASE_URL", "API_KEY", "LOG_LEVEL"].map(|name| (name, guarded(name), Ok(vec![]))),
    );
}

/// Whatever the name of a secret looks like, a reference says what it is for.
#[test]
fn a_secret_that_a_setting_refers_to_may_have_any_name() {
    let names = ["JWT_SECRET_OF_PARTNERS", "MAX_KEY", "SCOPES", "MINE"];
    assert_rows(names.map(|name| {
        let secret = format!("{{secret:{name}}}");
        let routes = json!([{"path": "/a", "jwt_secret": secret}]);
        let held = minimal_with(&[(name, "another secret of thirty-two characters")]);
        let site = Site::read(&with_routes(held, routes));
        (name, site.map(|site| site.warnings), Ok(vec![]))
    }));
}

/// A blank value is one error, not two.
#[test]
fn an_empty_setting_is_one_error() {
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
