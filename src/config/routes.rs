//! `ROUTES`: each route's settings laid over the global ones.

use serde_json::{Map, Value};

use super::names;
use super::reader::Reader;
use super::{ConfigError, Counting, LEDGER_BINDING, Policy, Settings, Var, counting};
use crate::permission::read_claims;
use crate::route::{EVERYTHING, Pattern, Routes};
use crate::security_headers::SecurityHeaders;
use crate::upstream::Upstream;

const NAME: &str = "ROUTES";

/// A configuration without errors.
#[derive(Debug)]
pub struct Site {
    pub routes: Routes,
    pub elsewhere: Elsewhere,
    pub warnings: Vec<String>,
}

/// What holds where no route matches.
#[derive(Debug)]
pub struct Elsewhere {
    pub require_tls: bool,
    pub counting: Counting,
    pub security_headers: SecurityHeaders,
}

impl Site {
    /// Reads all settings; the errors are complete and each is told once.
    pub fn read(settings: &Settings) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(settings);
        let mut routes = Routes::default();
        let mut errors = Vec::new();
        match reader.array(NAME) {
            None if reader.has(NAME) => {}
            None => match Policy::read(settings) {
                Ok(policy) => {
                    let everything = Pattern::parse(EVERYTHING).expect("a pattern of our own");
                    errors.extend(unknown_parameter(&policy, &everything));
                    routes.add(&everything, policy).expect("the first route");
                }
                Err(found) => errors.extend(found),
            },
            Some(entries) => {
                for (at, entry) in entries.iter().enumerate() {
                    if let Err(found) = add(&mut routes, settings, at, entry) {
                        errors.extend(found);
                    }
                }
            }
        }
        let elsewhere = Elsewhere {
            require_tls: super::read_require_tls(&mut reader),
            counting: counting::read(&mut reader, None),
            security_headers: super::read_security_headers(&mut reader),
        };
        errors.extend(reader.finish().err().into_iter().flatten());
        let mut told = Vec::new();
        errors.retain(|error| {
            let is_new = !told.contains(error);
            told.push(error.clone());
            is_new
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut warnings: Vec<String> = Vec::new();
        let nobody_needs_a_token = routes
            .iter()
            .all(|route| route.policy.authentication.is_none());
        let keys = [
            "JWT_SECRET",
            "JWT_JWKS",
            "JWT_JWKS_URL",
            "ISSUERS",
            "SESSION_URL",
        ];
        if let Some(name) = keys
            .into_iter()
            .find(|name| settings.vars.contains_key(*name))
            && nobody_needs_a_token
        {
            warnings.push(format!(
                "AUTH: off, so {name} is not used and nobody needs a token"
            ));
        }
        for route in routes.iter() {
            for warning in &route.policy.warnings {
                if !warnings.contains(warning) {
                    warnings.push(warning.clone());
                }
            }
        }
        Ok(Self {
            routes,
            elsewhere,
            warnings,
        })
    }
}

fn add(
    routes: &mut Routes,
    settings: &Settings,
    at: usize,
    entry: &Value,
) -> Result<(), Vec<ConfigError>> {
    let fault = |problem: String| {
        vec![ConfigError {
            setting: format!("{NAME}[{at}]"),
            problem,
        }]
    };
    let Value::Object(members) = entry else {
        return Err(fault(
            "it is not an object; write {\"path\": \"/chat\", ...}".into(),
        ));
    };
    let Some(Value::String(path)) = members.get("path") else {
        return Err(fault(
            "it has no path; write one like \"path\": \"/chat\"".into(),
        ));
    };
    let pattern = Pattern::parse(path).map_err(&fault)?;
    let mut errors = Vec::new();
    let (overlay, unknown) = overlay(settings, members);
    errors.extend(unknown.into_iter().map(|problem| ConfigError {
        setting: format!("{NAME} {path}"),
        problem,
    }));
    let claims = match members.get("claims") {
        None => Ok(Vec::new()),
        Some(Value::Object(rules)) => read_claims(rules, &pattern.parameters),
        Some(_) => Err(vec!["claims is not an object".into()]),
    };
    let claims = claims.unwrap_or_else(|problems| {
        errors.extend(problems.into_iter().map(|problem| ConfigError {
            setting: format!("{NAME} {path}"),
            problem,
        }));
        Vec::new()
    });
    match Policy::read(&overlay) {
        Ok(policy) if policy.authentication.is_none() && !claims.is_empty() => {
            errors.push(ConfigError {
                setting: format!("{NAME} {path}"),
                problem: "AUTH is off, so nobody has claims; remove claims, or set auth to \
                          required"
                    .into(),
            });
            Err(errors)
        }
        Ok(mut policy) if errors.is_empty() => {
            if let Some(error) = unknown_parameter(&policy, &pattern) {
                return Err(vec![error]);
            }
            policy.permission.claims = claims;
            let counting = &mut policy.counting;
            for (setting, counted) in [
                ("rate_limit_ip", &mut counting.address),
                ("rate_limit_user", &mut counting.user),
            ] {
                if members.contains_key(setting) {
                    counted.group.clone_from(path);
                }
            }
            routes.add(&pattern, policy).map_err(|problem| {
                vec![ConfigError {
                    setting: format!("{NAME} {path}"),
                    problem,
                }]
            })
        }
        Ok(_) => Err(errors),
        Err(found) => {
            // What is wrong with a global variable by itself is named as such, whatever route it
            // came up for; what contradicts a route's own settings is the route's.
            let alone = Policy::read(settings).err().unwrap_or_default();
            errors.extend(found.into_iter().map(|error| {
                let is_global = settings.vars.contains_key(&error.setting)
                    && !members.contains_key(&error.setting.to_ascii_lowercase())
                    && alone.contains(&error);
                if is_global || error.setting == LEDGER_BINDING {
                    return error;
                }
                ConfigError {
                    setting: format!("{NAME} {path} {}", error.setting.to_ascii_lowercase()),
                    problem: error.problem,
                }
            }));
            Err(errors)
        }
    }
}

/// What is wrong with an object's name that holds a parameter which the path does not have.
fn unknown_parameter(policy: &Policy, pattern: &Pattern) -> Option<ConfigError> {
    let Upstream::Object(object) = &policy.upstream else {
        return None;
    };
    let mut named = object.parameters();
    let unknown = named.find(|name| !pattern.parameters.iter().any(|known| known == name))?;
    Some(ConfigError {
        setting: "UPSTREAM_OBJECT".into(),
        problem: format!(
            "the path {:?} has no parameter {{{unknown}}}; write one that it has, in a route",
            pattern.text
        ),
    })
}

/// The global settings with a route's over them, and what is wrong with names.
fn overlay(settings: &Settings, members: &Map<String, Value>) -> (Settings, Vec<String>) {
    let mut overlay = settings.clone();
    overlay.vars.remove(NAME);
    // A route with an upstream of its own inherits none beside it.
    let is_own = |name: &&str| members.contains_key(&name.to_ascii_lowercase());
    if super::UPSTREAMS.iter().any(is_own) {
        for name in super::UPSTREAMS {
            overlay.vars.remove(name);
        }
    }
    let mut unknown = Vec::new();
    for (name, value) in members {
        if name == "path" || name == "claims" {
            continue;
        }
        let setting = name.to_ascii_uppercase();
        if *name != name.to_ascii_lowercase() || !names::is_for_a_route(&setting) {
            unknown.push(format!("{name:?} is no setting of a route"));
            continue;
        }
        overlay.vars.insert(setting, Var::from(value.clone()));
    }
    (overlay, unknown)
}
