//! `ADMIN_TOKEN`, and which sockets the registry knows of.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Var;
use super::reader::Reader;
use crate::admin::AdminToken;
use crate::checks::permission::Permission;
use crate::relay::RelayMode;
use crate::routing::table::Parameters;

/// The Durable Object binding that knows the live sockets, revocations and bans.
pub const REGISTRY_BINDING: &str = "REGISTRY";

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

/// What the registry is asked about sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registering {
    /// Whether an upgrade may be revoked or banned: with `ADMIN_TOKEN`.
    pub is_judged: bool,
    /// Whether open sockets are registered, so that they can be ended and refreshed.
    pub is_held: bool,
    /// Equal for routes that accept the same tokens.
    rules: String,
}

impl Registering {
    /// Equal for sockets that the same tokens would open: a token refreshes those alone.
    pub fn realm(&self, permission: &Permission, parameters: &Parameters) -> String {
        let asked: Vec<_> = permission
            .parameters()
            .map(|name| parameters.get(name))
            .collect();
        if asked.is_empty() {
            return self.rules.clone();
        }
        print(&json!([self.rules, asked]))
    }

    /// With the `claims` of a route beside.
    pub(super) fn add_claims(&mut self, claims: &Value) {
        self.rules = print(&json!([self.rules, claims]));
    }
}

fn print(rules: &Value) -> String {
    let hash = Sha256::digest(rules.to_string());
    let half: [u8; 16] = hash[..16].try_into().expect("a hash has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(half))
}

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
        rules: print(&json!(rules)),
    }
}

pub(super) fn read_admin_token(reader: &mut Reader<'_>) -> Option<AdminToken> {
    let token = reader.secret("ADMIN_TOKEN", AdminToken::parse)?;
    reader.require_object(REGISTRY_BINDING, "Registry", "ADMIN_TOKEN needs it");
    Some(token)
}
