//! Which names are settings, and which were probably meant to be.

use super::reader::Reader;

const SETTINGS: [&str; 53] = [
    "ADMIN_TOKEN",
    "ALLOWED_ORIGINS",
    "ASSERTION_KEY",
    "AUTH",
    "BAN_AFTER",
    "CLOSE_ON_EXPIRY",
    "IDLE_TIMEOUT",
    "IPV6_PREFIX",
    "ISSUERS",
    "JWT_ALGORITHMS",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "JWT_JWKS",
    "JWT_JWKS_STALE",
    "JWT_JWKS_URL",
    "JWT_LEEWAY",
    "JWT_MAX_AGE",
    "JWT_REPLAY",
    "JWT_SECRET",
    "JWT_TYP",
    "KEY_REPLAY_WINDOW",
    "LIMITER_TIMEOUT",
    "MAX_BACKLOG_BYTES",
    "MAX_LIFETIME",
    "MAX_MESSAGE_BYTES",
    "MAX_SOCKETS_IP",
    "MAX_SOCKETS_USER",
    "MESSAGE_RATE",
    "MODE",
    "ON_LIMITER_FAILURE",
    "ORIGIN_MISSING",
    "PATH_CASE",
    "PATH_TRAILING_SLASH",
    "PLAIN_HTTP",
    "RATE_LIMIT_IP",
    "RATE_LIMIT_ROUTE",
    "RATE_LIMIT_USER",
    "REJECT_WITH",
    "RELAY",
    "REQUIRED_SCOPES",
    "REQUIRE_TLS",
    "ROUTES",
    "SECURITY_HEADERS",
    "SESSION_CACHE",
    "SESSION_URL",
    "SESSION_URL_AUTH",
    "TICKET_TTL",
    "TOKEN_SOURCES",
    "UPSTREAM_OBJECT",
    "UPSTREAM_PLAINTEXT",
    "UPSTREAM_SERVICE",
    "UPSTREAM_TIMEOUT",
    "UPSTREAM_URL",
];

/// Shorter names are near too many others to guess at misspellings of them.
const MIN_LENGTH_TO_GUESS: usize = 8;
const MAX_TYPOS: usize = 2;

/// Reports names that are close to a setting's.
pub(super) fn check(reader: &mut Reader<'_>) {
    let settings = reader.settings;
    for name in settings.vars.keys() {
        if let Some(meant) = nearest(name) {
            reader.error(
                name,
                format!("there is no such setting; did you mean {meant}?"),
            );
        }
    }
}

/// The settings of the whole gate, which no route can have: `PATH_*` decide which route it is.
const GLOBAL: [&str; 4] = ["ADMIN_TOKEN", "PATH_CASE", "PATH_TRAILING_SLASH", "ROUTES"];

/// Whether a route may have a setting of its own by this name.
pub(super) fn is_for_a_route(name: &str) -> bool {
    !GLOBAL.contains(&name) && SETTINGS.contains(&name)
}

/// The setting that a foreign name was probably meant to be.
fn nearest(name: &str) -> Option<&'static str> {
    if SETTINGS.contains(&name) {
        return None;
    }
    let mut settings = SETTINGS.into_iter();
    settings
        .find(|setting| fold(name) == fold(setting))
        .or_else(|| {
            SETTINGS
                .into_iter()
                .filter(|setting| setting.len() >= MIN_LENGTH_TO_GUESS)
                .map(|setting| (strsim::osa_distance(&name.to_uppercase(), setting), setting))
                .filter(|(typos, _)| *typos <= MAX_TYPOS)
                .min()
                .map(|(_, setting)| setting)
        })
}

/// Spellings that differ only in case, separators or a plural.
fn fold(name: &str) -> String {
    let mut folded: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase();
    if folded.ends_with('S') {
        folded.pop();
    }
    folded
}
