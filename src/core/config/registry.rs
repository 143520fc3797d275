//! `ADMIN_TOKEN`, and which sockets the registry knows of.

use serde_json::{Value, json};

use super::Var;
use super::reader::Reader;
use crate::admin::AdminToken;
use crate::policy::{REGISTRY_BINDING, Registering, digest_of};
use crate::relay::RelayMode;

/// What makes a token valid, and what it must permit.
const RULES: [&str; 13] = [
    "ISSUERS",
    "JWT_ALGORITHMS",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "JWT_JWKS",
    "JWT_JWKS_URL",
    "JWT_LEEWAY",
    "JWT_MAX_AGE",
    "JWT_REPLAY",
    "JWT_SECRET",
    "JWT_TYP",
    "REQUIRED_SCOPES",
    "SESSION_URL",
];

/// Only of sockets that are inspected does the gate see the end, and can it make one.
pub(super) fn read(reader: &Reader<'_>, relay: &RelayMode) -> Registering {
    let is_bound = reader.is_bound(REGISTRY_BINDING);
    let is_judged = is_bound && reader.has("ADMIN_TOKEN");
    let rules = RULES.map(|name| match reader.settings.vars.get(name) {
        None => Value::Null,
        Some(Var::Text(text)) => json!(text.trim()),
        Some(Var::Json(value)) => value.clone(),
    });
    Registering {
        is_judged,
        is_held: match relay {
            RelayMode::Passthrough => false,
            RelayMode::Inspect(limits) => is_bound && (is_judged || limits.closes_on_expiry),
        },
        rules: digest_of(&json!(rules)),
    }
}

pub(super) fn read_admin_token(reader: &mut Reader<'_>) -> Option<AdminToken> {
    let token = reader.secret("ADMIN_TOKEN", AdminToken::parse)?;
    reader.require_object(REGISTRY_BINDING, "Registry", "ADMIN_TOKEN needs it");
    Some(token)
}
