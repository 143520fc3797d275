//! Settings to a policy: every error at once, nothing fails open.

mod names;
mod reader;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::ledger::Terms;
use crate::origin::{OriginPattern, OriginRule};
use crate::security_headers::SecurityHeaders;
use crate::token::{Algorithm, Authentication, Expectations, Key, KeyRing, Source};
use crate::upstream::{Upstream, UpstreamUrl};
use reader::Reader;

/// The Durable Object binding that counts attempts per address.
pub const LEDGER_BINDING: &str = "ADDRESS_LEDGER";

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
        let vars = environment.vars.into_iter().map(|(name, value)| {
            let var = match value {
                Value::String(text) => Var::Text(text),
                Value::Bool(_) | Value::Number(_) => Var::Text(value.to_string()),
                other => Var::Json(other),
            };
            (name, var)
        });
        Ok(Self {
            vars: vars.collect(),
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

/// What becomes of requests that are no upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    Reject,
    Proxy,
}

/// What becomes of an attempt that can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLimiterFailure {
    Reject,
    Admit,
}

/// Everything that the journey of a request needs, checked.
#[derive(Debug)]
pub struct Policy {
    pub require_tls: bool,
    pub origins: OriginRule,
    /// `None` where `AUTH` is `off`.
    pub authentication: Option<Authentication>,
    pub upstream: Upstream,
    pub upstream_timeout: Duration,
    pub terms: Terms,
    pub on_limiter_failure: OnLimiterFailure,
    pub limiter_timeout: Duration,
    pub plain_http: PlainHttp,
    pub security_headers: SecurityHeaders,
    /// Legal, but worth a line in the log.
    pub warnings: Vec<String>,
}

impl Policy {
    /// Reads all settings; the errors are complete.
    pub fn read(settings: &Settings) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(settings);
        names::check(&mut reader);

        let require_tls = reader.or("REQUIRE_TLS", true, values::boolean);
        let origins = read_origins(&mut reader);
        let authentication = read_authentication(&mut reader);
        let upstream = read_upstream(&mut reader);
        let terms = Terms {
            quota: reader.or(
                "RATE_LIMIT_IP",
                values::quota("60/1m").ok(),
                values::or_off(values::quota),
            ),
            replay_window: reader.or(
                "KEY_REPLAY_WINDOW",
                Some(Duration::from_secs(60)),
                values::or_off(values::positive_duration),
            ),
        };
        if terms.need_a_ledger() && !settings.bindings.contains(LEDGER_BINDING) {
            reader.error(
                LEDGER_BINDING,
                "the Durable Object binding is missing, and RATE_LIMIT_IP and KEY_REPLAY_WINDOW \
                 count there; bind it to the class AddressLedger as the project's wrangler.toml \
                 does",
            );
        }
        let policy = Self {
            require_tls,
            origins,
            upstream_timeout: reader.or(
                "UPSTREAM_TIMEOUT",
                Duration::from_secs(10),
                values::positive_duration,
            ),
            terms,
            on_limiter_failure: reader.or("ON_LIMITER_FAILURE", OnLimiterFailure::Reject, |text| {
                values::one_of(
                    text,
                    &[
                        ("reject", OnLimiterFailure::Reject),
                        ("admit", OnLimiterFailure::Admit),
                    ],
                )
            }),
            limiter_timeout: reader.or(
                "LIMITER_TIMEOUT",
                Duration::from_secs(2),
                values::positive_duration,
            ),
            plain_http: reader.or("PLAIN_HTTP", PlainHttp::Reject, |text| {
                values::one_of(
                    text,
                    &[("reject", PlainHttp::Reject), ("proxy", PlainHttp::Proxy)],
                )
            }),
            security_headers: read_security_headers(&mut reader),
            warnings: Vec::new(),
            // What a policy can't do without is missing only if there was an error.
            upstream: upstream.unwrap_or(Upstream::Service(String::new())),
            authentication: authentication.unwrap_or_default(),
        };
        let unused = ["JWT_SECRET", "JWT_JWKS"]
            .into_iter()
            .find(|name| policy.authentication.is_none() && reader.has(name));
        reader.finish()?;
        Ok(policy.with_warnings(unused))
    }

    fn with_warnings(mut self, unused_key: Option<&str>) -> Self {
        if let Some(name) = unused_key {
            self.warnings.push(format!(
                "AUTH: off, so {name} is not used and nobody needs a token"
            ));
        }
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
        && !reader.settings.bindings.contains(name)
    {
        reader.error(
            "UPSTREAM_SERVICE",
            format!("there is no service binding {name:?}; add it under [[services]]"),
        );
    }
    let url = reader.parse("UPSTREAM_URL", |text| {
        UpstreamUrl::parse(text, plaintext_is_allowed)
    });
    match (reader.has("UPSTREAM_URL"), service) {
        (true, Some(_)) => {
            reader.error(
                "UPSTREAM_SERVICE",
                "UPSTREAM_URL is set as well; keep one of the two",
            );
            None
        }
        (false, None) => {
            reader.error(
                "UPSTREAM_URL",
                "it must be set, or UPSTREAM_SERVICE; write the server's URL, like \
                 \"wss://chat.example.com\"",
            );
            None
        }
        (true, None) => url.map(Upstream::Url),
        (false, Some(name)) => Some(Upstream::Service(name)),
    }
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

/// `None` stands for an error, `Some(None)` for `AUTH=off`. The other settings are checked
/// either way.
fn read_authentication(reader: &mut Reader<'_>) -> Option<Option<Authentication>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Auth {
        Required,
        Optional,
        Off,
    }
    let auth = reader.or("AUTH", Auth::Required, |text| {
        values::one_of(
            text,
            &[
                ("required", Auth::Required),
                ("optional", Auth::Optional),
                ("off", Auth::Off),
            ],
        )
    });
    let keys = read_keys(reader);
    let expectations = Expectations {
        issuers: reader.list("JWT_ISSUER").unwrap_or_default(),
        audiences: reader.list("JWT_AUDIENCE").unwrap_or_default(),
        leeway: reader.or("JWT_LEEWAY", Duration::ZERO, values::duration),
        max_age: reader.parse("JWT_MAX_AGE", values::positive_duration),
    };
    let sources = match reader.list("TOKEN_SOURCES") {
        None => vec![Source::Header, Source::Subprotocol],
        Some(entries) => values::token_sources(&entries).unwrap_or_else(|problem| {
            reader.error("TOKEN_SOURCES", problem);
            Vec::new()
        }),
    };
    if auth == Auth::Off {
        return Some(None);
    }
    let keys = keys?;
    if keys.is_empty() {
        reader.error(
            "AUTH",
            "no key could verify a token; set JWT_SECRET or JWT_JWKS, or set AUTH to off",
        );
        return None;
    }
    Some(Some(Authentication {
        required: auth == Auth::Required,
        sources,
        keys: KeyRing::new(keys),
        expectations,
    }))
}

/// `None` stands for an error.
fn read_keys(reader: &mut Reader<'_>) -> Option<Vec<Key>> {
    let secret = reader.secret("JWT_SECRET", values::secret_key);
    let jwks = reader.object("JWT_JWKS").map(|set| {
        values::jwk_set(&set).unwrap_or_else(|problems| {
            for problem in problems {
                reader.error("JWT_JWKS", problem);
            }
            Vec::new()
        })
    });
    let mut keys: Vec<Key> = secret
        .into_iter()
        .chain(jwks.into_iter().flatten())
        .collect();
    let algorithms = reader.list("JWT_ALGORITHMS").map(|names| {
        let known = names.iter().filter_map(|name| {
            let algorithm = values::algorithm(name);
            algorithm
                .map_err(|problem| reader.error("JWT_ALGORITHMS", problem))
                .ok()
        });
        known.collect::<Vec<Algorithm>>()
    });
    if reader.has_error("JWT_SECRET") || reader.has_error("JWT_JWKS") {
        return None;
    }
    if let Some(algorithms) = algorithms {
        for algorithm in &algorithms {
            if !keys.iter().any(|key| key.algorithms().contains(algorithm)) {
                reader.error(
                    "JWT_ALGORITHMS",
                    format!(
                        "no key is for {}; remove it, or give a key for it",
                        algorithm.name()
                    ),
                );
            }
        }
        for key in &mut keys {
            key.restrict(&algorithms);
            if key.algorithms().is_empty() {
                let name = key
                    .id()
                    .map_or("a key without kid".into(), |id| format!("key {id:?}"));
                reader.error(
                    "JWT_ALGORITHMS",
                    format!("it leaves {name} without an algorithm; remove the key, or add one"),
                );
            }
        }
    }
    Some(keys)
}
