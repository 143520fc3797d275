//! `ADMIN_TOKEN`, and which sockets the registry knows.

use serde_json::{Value, json};

use super::reader::Reader;
use super::settings::{ADMIN_TOKEN, ALL, DefaultValue, METRICS, Setting, Tokens};
use super::values;
use super::{Var, access};
use crate::admin::{AdminToken, Administrators};
use crate::policy::{Judging, REGISTRY_BINDING, Registering, digest_of};
use crate::relay::RelayMode;

/// Only inspected sockets can be registered: the gate sees when they end, and can end them.
pub(super) fn read(reader: &Reader<'_>, relay: &RelayMode) -> Registering {
    let is_bound = reader.is_bound(REGISTRY_BINDING);
    let judging = match (is_bound, reader.has(&ADMIN_TOKEN)) {
        (false, _) => Judging::Never,
        (true, false) => Judging::WhileDenialsExist,
        (true, true) => Judging::Always,
    };
    Registering {
        judging,
        is_held: match relay {
            RelayMode::Passthrough => false,
            RelayMode::Inspect(limits) => {
                is_bound && (judging == Judging::Always || limits.closes_on_expiry)
            }
        },
        rules: digest(reader, |setting| setting.tokens() == Tokens::Decide),
    }
}

/// A digest of the settings that are chosen: equal for routes where they are.
pub(super) fn digest(reader: &Reader<'_>, is_chosen: impl Fn(&&Setting) -> bool) -> String {
    let chosen = ALL.iter().copied().filter(is_chosen);
    let values: Vec<_> = chosen
        .map(|setting| match (reader.value(setting), setting.default()) {
            (Some(Var::Text(text)), _) => json!(text.trim()),
            (Some(Var::Json(value)), _) => value.clone(),
            (None, DefaultValue::Value(default)) => json!(default),
            (None, DefaultValue::Described(_)) => Value::Null,
        })
        .collect();
    digest_of(&json!(values))
}

pub(super) fn read_metrics(reader: &mut Reader<'_>) -> bool {
    let is_on = reader.or_default(&METRICS, values::boolean);
    if is_on && !reader.has(&ADMIN_TOKEN) {
        let problem =
            "nobody may read metrics without ADMIN_TOKEN; set that secret, or write false";
        reader.error(&METRICS, problem);
    }
    is_on
}

pub(super) fn read_administrators(reader: &mut Reader<'_>) -> Option<Administrators> {
    let access = access::read(reader);
    let token = reader.secret(&ADMIN_TOKEN, AdminToken::parse)?;
    reader.require_object(REGISTRY_BINDING, "Registry", "ADMIN_TOKEN needs it");
    Some(Administrators { token, access })
}
