//! Reads settings into a policy. All errors are reported at once, and nothing fails open.

mod access;
mod authentication;
mod counting;
mod first_message;
mod group;
mod inspection;
mod issuers;
mod names;
mod one_time;
mod origins;
mod paths;
mod reader;
mod reference;
mod registry;
mod reject_with;
mod relay;
mod routes;
pub mod settings;
mod upstream;
mod values;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::checks::permission::Permission;
use crate::policy::{PlainHttp, Policy};
use crate::response::security_headers::SecurityHeaders;
use crate::token::is_scope;
use crate::util::digest::hex_digest;
use crate::util::duration;
use crate::util::from_json::{FromJson, from_fields, from_json};
use crate::util::sorting::map_of;
use group::Group;
use reader::Reader;

pub use inspection::inspect;

/// The name under which `guard` of the package hands over the handler that it wraps, as the value
/// of `UPSTREAM_SERVICE`.
pub const GUARDED_HANDLER: &str = "PORTCULLIS_GUARDED_HANDLER";

/// The variables, secrets and bindings of a Worker.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub vars: BTreeMap<String, Var>,
    /// Names of bindings: services, namespaces and the like.
    pub bindings: BTreeSet<String>,
}

from_fields!(Settings { vars, bindings });

impl Settings {
    /// Reads `{"vars": {name: value}, "bindings": [name]}`. TOML's booleans and numbers become
    /// the texts that they are written as.
    pub fn from_json(text: &str) -> Result<Self, &'static str> {
        from_json(text).ok_or("it has no vars and bindings, or more than these")
    }

    /// A digest of the settings, without secrets and other variables. Equal settings have equal
    /// ones.
    pub fn digest(&self) -> String {
        let is_shown = |name: &str| {
            let setting = settings::named(name);
            setting.is_some_and(|setting| setting.kind() == settings::Kind::Var)
        };
        let shown = self.vars.iter().filter(|(name, _)| is_shown(name));
        let values = shown.map(|(name, var)| match var {
            Var::Text(text) => (name, Value::from(text.as_str())),
            Var::Json(value) => (name, value.clone()),
        });
        let text = serde_json::to_string(&map_of(values)).expect("texts and values");
        let mut digest = hex_digest([Some(text)]);
        digest.truncate(DIGEST_LENGTH);
        digest
    }
}

/// The length of the settings' digest.
const DIGEST_LENGTH: usize = 16;

/// A variable or secret.
#[derive(Clone, PartialEq)]
pub enum Var {
    Text(String),
    /// A TOML table or array, or a JSON variable.
    Json(Value),
}

impl Var {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    fn is_off(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim() == "off")
    }
}

impl FromJson for Var {
    fn from_value(value: Value) -> Option<Self> {
        Some(value.into())
    }
}

impl From<Value> for Var {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Bool(_) | Value::Number(_) => Self::Text(value.to_string()),
            other => Self::Json(other),
        }
    }
}

/// Any variable may be a secret.
impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

/// Whether the gate stands in front of the handlers of its own Worker, whose variables are then
/// among the settings.
fn is_guarded(settings: &Settings) -> bool {
    let service = settings.vars.get(settings::UPSTREAM_SERVICE.name());
    matches!(service, Some(Var::Text(name)) if name == GUARDED_HANDLER)
}

/// What is wrong with a setting and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub setting: String,
    pub problem: String,
}

impl ConfigError {
    fn new(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            setting: setting.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl Policy {
    /// Reads all settings as they hold without routes. The errors are complete.
    pub fn read(settings: &Settings) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(settings);
        let policy = read_policy(&mut reader);
        reader.finish(policy)
    }
}

/// The policy of a route, or of a gate without routes; `None` where a part of it is missing.
fn read_policy(reader: &mut Reader<'_>) -> Option<Policy> {
    let mode = reader.or_default(&settings::MODE, values::mode);
    if !reader.is_of_a_route() {
        names::check(reader);
    }
    reader.check_references();
    let require_tls = read_require_tls(reader);
    let origins = origins::read(reader);
    let authentication = authentication::read(reader);
    let auth_is_off = matches!(authentication, Group::Absent);
    let one_time = one_time::read(reader, authentication.present());
    let upstream = upstream::read(reader);
    let counting = counting::read(reader, auth_is_off);
    let relay = relay::read(reader, &authentication, &counting);
    let first_message = first_message::read(reader, authentication.present());
    let registering = registry::read(reader, &relay);
    let permission = read_permission(reader, auth_is_off);
    let upstream_timeout =
        reader.or_default(&settings::UPSTREAM_TIMEOUT, duration::positive_duration);
    let upstream_headers = upstream::read_headers(reader, auth_is_off);
    let assertion_key = upstream::read_assertion_key(reader, authentication.present());
    let plain_http = reader.or_default(&settings::PLAIN_HTTP, |text| {
        values::one_of(
            text,
            &[
                ("reject", PlainHttp::Reject),
                ("proxy", PlainHttp::Proxy),
                ("guard", PlainHttp::Guard),
            ],
        )
    });
    if plain_http == PlainHttp::Guard && one_time.rejects_replay {
        reader.contradiction(
            &settings::PLAIN_HTTP,
            &[&settings::JWT_REPLAY],
            "JWT_REPLAY is reject, so a token would be used up by the first of a page's requests; \
             set JWT_REPLAY to allow, or this to reject",
        );
    }
    let log_admitted = reader.or_default(&settings::LOG_ADMITTED, values::share);
    let reject_with = reject_with::read(reader);
    let security_headers = read_security_headers(reader);
    let mut policy = Policy {
        require_tls,
        origins,
        authentication: authentication.sound().ok()?,
        one_time,
        permission,
        upstream: upstream?,
        upstream_timeout,
        upstream_headers,
        assertion_key,
        counting,
        mode,
        trial: None,
        log_admitted,
        relay,
        first_message,
        registering,
        plain_http,
        reject_with,
        security_headers,
        warnings: Vec::new(),
    };
    warnings::check(reader, &policy);
    policy.warnings = reader.take_warnings();
    Some(policy)
}

fn read_permission(reader: &mut Reader<'_>, auth_is_off: bool) -> Permission {
    let setting = &settings::REQUIRED_SCOPES;
    let scopes = reader.list(setting).unwrap_or_default();
    for scope in scopes.iter().filter(|scope| !is_scope(scope)) {
        reader.error(
            setting,
            format!("{scope:?} is not a scope; write visible ASCII without quotes and backslashes"),
        );
    }
    if auth_is_off && !scopes.is_empty() {
        reader.contradiction(
            setting,
            &[&settings::AUTH],
            "AUTH is off, so nobody has scopes; remove this, or set AUTH to required",
        );
    }
    Permission {
        scopes,
        claims: Vec::new(),
    }
}

fn read_require_tls(reader: &mut Reader<'_>) -> bool {
    reader.or_default(&settings::REQUIRE_TLS, values::boolean)
}

fn read_security_headers(reader: &mut Reader<'_>) -> SecurityHeaders {
    let setting = &settings::SECURITY_HEADERS;
    let Some(changes) = reader.object(setting) else {
        return SecurityHeaders::default();
    };
    SecurityHeaders::with(&changes).unwrap_or_else(|problems| {
        for problem in problems {
            reader.error(setting, problem);
        }
        SecurityHeaders::default()
    })
}
