//! Settings to a policy: every error at once, nothing fails open.

mod authentication;
mod counting;
mod one_time;
mod paths;
mod reader;
mod registry;
mod reject_with;
mod relay;
mod routes;
mod settings;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::checks::origin::{OriginPattern, OriginRule};
use crate::checks::permission::Permission;
use crate::policy::{
    LEDGER_BINDING, ONE_TIME_BINDING, PlainHttp, Policy, REGISTRY_BINDING, ROUTE_QUOTA_BINDING,
};
use crate::response::security_headers::SecurityHeaders;
use crate::token::{Authentication, KeySource, is_scope};
use crate::upstream::assertion::AssertionKey;
use crate::upstream::{ObjectUpstream, Upstream, UpstreamUrl};
use crate::util::duration;
use reader::Reader;

/// What a Worker's environment holds.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub vars: BTreeMap<String, Var>,
    /// Names of bindings: services, namespaces and the like.
    pub bindings: BTreeSet<String>,
}

impl Settings {
    /// From `{"vars": {name: value}, "bindings": [name]}`. TOML's booleans and numbers count as
    /// the texts they are written as.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Environment {
            vars: BTreeMap<String, Value>,
            bindings: BTreeSet<String>,
        }
        let environment: Environment = serde_json::from_str(text)?;
        let vars = environment.vars.into_iter();
        Ok(Self {
            vars: vars.map(|(name, value)| (name, value.into())).collect(),
            bindings: environment.bindings,
        })
    }
}

/// A variable or secret.
#[derive(Clone, PartialEq)]
pub enum Var {
    Text(String),
    /// A TOML table or array, or a JSON variable.
    Json(Value),
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

/// Any of them may be a secret.
impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

/// What is wrong with a setting and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub setting: String,
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl Policy {
    /// Reads all settings; the errors are complete.
    pub fn read(settings: &Settings) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(settings);
        read_mode(&mut reader);
        settings::check(&mut reader);

        let require_tls = read_require_tls(&mut reader);
        let origins = read_origins(&mut reader);
        let authentication = authentication::read(&mut reader);
        let one_time = one_time::read(&mut reader, authentication.iter().flatten().next());
        let upstream = read_upstream(&mut reader);
        let counting = counting::read(&mut reader, authentication.as_ref());
        let relay = relay::read(&mut reader, authentication.as_ref(), &counting);
        let registering = registry::read(&reader, &relay);
        let permission = Permission {
            scopes: read_scopes(&mut reader),
            claims: Vec::new(),
        };
        if permission.asks_for_something() && matches!(authentication, Some(None)) {
            reader.error(
                "REQUIRED_SCOPES",
                "AUTH is off, so nobody has scopes; remove this, or set AUTH to required",
            );
        }
        let upstream_timeout = reader.or(
            "UPSTREAM_TIMEOUT",
            Duration::from_secs(10),
            duration::positive_duration,
        );
        let assertion_key = read_assertion_key(&mut reader, authentication.as_ref());
        let plain_http = reader.or("PLAIN_HTTP", PlainHttp::Reject, |text| {
            values::one_of(
                text,
                &[("reject", PlainHttp::Reject), ("proxy", PlainHttp::Proxy)],
            )
        });
        let reject_with = reject_with::read(&mut reader);
        let security_headers = read_security_headers(&mut reader);
        let (Some(upstream), Some(authentication)) = (upstream, authentication) else {
            return Err(reader.into_errors());
        };
        reader.finish()?;
        let policy = Self {
            require_tls,
            origins,
            authentication,
            one_time,
            permission,
            upstream,
            upstream_timeout,
            assertion_key,
            counting,
            relay,
            registering,
            plain_http,
            reject_with,
            security_headers,
            warnings: Vec::new(),
        };
        Ok(policy.with_warnings())
    }

    fn with_warnings(mut self) -> Self {
        if self.origins.allowed.contains(&OriginPattern::Any) {
            self.warnings.push(
                "ALLOWED_ORIGINS: * lets the pages of any site open sockets with the cookies of \
                 its visitors"
                    .into(),
            );
        }
        self
    }
}

fn read_scopes(reader: &mut Reader<'_>) -> Vec<String> {
    let scopes = reader.list("REQUIRED_SCOPES").unwrap_or_default();
    for scope in scopes.iter().filter(|scope| !is_scope(scope)) {
        reader.error(
            "REQUIRED_SCOPES",
            format!("{scope:?} is no scope; write visible ASCII without quotes and backslashes"),
        );
    }
    scopes
}

/// So far the value that is always true is all there is.
fn read_mode(reader: &mut Reader<'_>) {
    if reader.text("MODE").is_some_and(|mode| mode != "enforce") {
        reader.error(
            "MODE",
            "this version knows only \"enforce\" here; write that, or remove it",
        );
    }
}

fn read_require_tls(reader: &mut Reader<'_>) -> bool {
    reader.or("REQUIRE_TLS", true, values::boolean)
}

fn read_origins(reader: &mut Reader<'_>) -> OriginRule {
    let entries = reader.list("ALLOWED_ORIGINS").unwrap_or_default();
    if !reader.has("ALLOWED_ORIGINS") {
        reader.error(
            "ALLOWED_ORIGINS",
            "it must be set; list the origins of your pages, like \"https://app.example.com\"",
        );
    }
    let mut allowed = Vec::new();
    for entry in &entries {
        match OriginPattern::parse(entry) {
            Ok(pattern) => allowed.push(pattern),
            Err(problem) => reader.error("ALLOWED_ORIGINS", problem),
        }
    }
    OriginRule {
        allowed,
        missing_is_allowed: reader.or("ORIGIN_MISSING", false, |text| {
            values::one_of(text, &[("reject", false), ("allow", true)])
        }),
    }
}

fn read_upstream(reader: &mut Reader<'_>) -> Option<Upstream> {
    let plaintext_is_allowed = reader.or("UPSTREAM_PLAINTEXT", false, values::boolean);
    let service = reader.text("UPSTREAM_SERVICE");
    if let Some(name) = &service
        && !reader.is_bound(name)
    {
        reader.error(
            "UPSTREAM_SERVICE",
            format!("there is no service binding {name:?}; add it under [[services]]"),
        );
    }
    let object = reader.parse("UPSTREAM_OBJECT", ObjectUpstream::parse);
    if let Some(object) = &object
        && !reader.is_bound(&object.binding)
    {
        reader.error(
            "UPSTREAM_OBJECT",
            format!(
                "there is no namespace binding {:?}; add it under [[durable_objects.bindings]]",
                object.binding
            ),
        );
    }
    let url = reader.parse("UPSTREAM_URL", |text| {
        UpstreamUrl::parse(text, plaintext_is_allowed)
    });
    if !UPSTREAMS.iter().any(|name| reader.has(name)) {
        reader.error(
            "UPSTREAM_URL",
            "it must be set, or UPSTREAM_SERVICE or UPSTREAM_OBJECT; write the server's URL, like \
             \"wss://chat.example.com\"",
        );
    }
    let is_sound = |name: &&str| reader.has(name) && !reader.has_error(name);
    let sound: Vec<_> = UPSTREAMS.into_iter().filter(is_sound).collect();
    for other in sound.iter().skip(1) {
        let first = sound[0];
        reader.error(other, format!("{first} is set as well; keep one of them"));
    }
    let url = url.map(Upstream::Url);
    let service = service.map(Upstream::Service);
    url.or(service).or(object.map(Upstream::Object))
}

/// Durable Objects of the gate's own: where one is missing, that is the whole gate's matter.
const OBJECTS: [&str; 4] = [
    LEDGER_BINDING,
    ONE_TIME_BINDING,
    REGISTRY_BINDING,
    ROUTE_QUOTA_BINDING,
];

/// Where sockets can go; exactly one of them is set.
const UPSTREAMS: [&str; 3] = ["UPSTREAM_URL", "UPSTREAM_SERVICE", "UPSTREAM_OBJECT"];

fn read_assertion_key(
    reader: &mut Reader<'_>,
    authentication: Option<&Option<Authentication>>,
) -> Option<AssertionKey> {
    let jwk = reader.object("ASSERTION_KEY")?;
    let key = AssertionKey::from_jwk(&jwk)
        .map_err(|problem| reader.error("ASSERTION_KEY", problem))
        .ok()?;
    let issuers = authentication.into_iter().flatten();
    let mut issuers = issuers.flat_map(|authentication| &authentication.issuers);
    if issuers.any(|issuer| matches!(&issuer.keys, KeySource::Fixed(ring) if key.is_among(ring))) {
        reader.error(
            "ASSERTION_KEY",
            "tokens are verified with this key too, so that an assertion would pass for a token; \
             give it a key of its own",
        );
    }
    Some(key)
}

fn read_security_headers(reader: &mut Reader<'_>) -> SecurityHeaders {
    let Some(changes) = reader.object("SECURITY_HEADERS") else {
        return SecurityHeaders::default();
    };
    SecurityHeaders::with(&changes).unwrap_or_else(|problems| {
        for problem in problems {
            reader.error("SECURITY_HEADERS", problem);
        }
        SecurityHeaders::default()
    })
}
