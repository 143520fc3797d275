//! `ROUTES`: each route's settings laid over the global ones.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::paths;
use super::reader::Reader;
use super::registry;
use super::settings as names;
use super::{ConfigError, OBJECTS, Settings, UPSTREAMS, Var, counting};
use crate::checks::permission::read_claims;
use crate::policy::{Elsewhere, Policy, Site};
use crate::routing::Pattern;
use crate::routing::table::{EVERYTHING, Table};
use crate::token::{KeySource, RemoteKeys};
use crate::upstream::Upstream;

const NAME: &str = "ROUTES";
/// What says whose tokens are trusted; of a route in place of the global ones.
const KEY_SOURCES: [&str; 4] = ["JWT_SECRET", "JWT_JWKS", "JWT_JWKS_URL", "ISSUERS"];

impl Site {
    /// Reads all settings; the errors are complete and each is reported once.
    pub fn read(settings: &Settings) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(settings);
        let mut routes = Table::new(paths::read(&mut reader));
        let mut errors = Vec::new();
        let mut is_malformed = false;
        match reader.array(NAME) {
            None if reader.has(NAME) => is_malformed = true,
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
                    match split(at, entry) {
                        Ok((path, members)) => {
                            let added = add(&mut routes, settings, at, path, members);
                            errors.extend(added.err().into_iter().flatten());
                        }
                        Err(fault) => {
                            errors.push(fault);
                            is_malformed = true;
                        }
                    }
                }
            }
        }
        if is_malformed {
            errors.extend(global_errors(settings));
        }
        if errors.is_empty() {
            errors.extend(routes.unreachable().map(|route| {
                error(
                    format!("{NAME} {}", route.pattern),
                    "no path leads to it: more specific routes match all of its; remove it",
                )
            }));
        }
        let elsewhere = Elsewhere {
            require_tls: super::read_require_tls(&mut reader),
            counting: counting::read(&mut reader, None),
            reject_with: super::reject_with::read(&mut reader),
            security_headers: super::read_security_headers(&mut reader),
        };
        let admin_token = registry::read_admin_token(&mut reader);
        let path_warnings = paths::warnings(&reader, &routes);
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
        let mut warnings = path_warnings;
        let nobody_needs_a_token = routes
            .iter()
            .all(|route| route.policy.authentication.is_none());
        if let Some(name) = trusted(settings)
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
            admin_token,
            warnings,
        })
    }
}

fn error(setting: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError {
        setting: setting.into(),
        problem: problem.into(),
    }
}

/// What is wrong with global variables by themselves. What is missing a route may have.
fn global_errors(settings: &Settings) -> Vec<ConfigError> {
    let mut errors = Policy::read(settings).err().unwrap_or_default();
    errors.retain(|error| {
        settings.vars.contains_key(&error.setting)
            && (trusted(settings).is_some() || error.setting != "AUTH")
    });
    errors
}

/// A setting by which tokens or sessions are trusted, if there is one.
fn trusted(settings: &Settings) -> Option<&'static str> {
    let mut names = KEY_SOURCES.into_iter().chain(["SESSION_URL"]);
    names.find(|name| settings.vars.contains_key(*name))
}

/// A route's path and members.
fn split(at: usize, entry: &Value) -> Result<(&str, &Map<String, Value>), ConfigError> {
    let fault = |problem| error(format!("{NAME}[{at}]"), problem);
    let Value::Object(members) = entry else {
        return Err(fault(
            "it is not an object; write {\"path\": \"/chat\", ...}",
        ));
    };
    let Some(Value::String(path)) = members.get("path") else {
        return Err(fault("it has no path; write one like \"path\": \"/chat\""));
    };
    Ok((path, members))
}

fn add(
    routes: &mut Table<Policy>,
    settings: &Settings,
    at: usize,
    path: &str,
    members: &Map<String, Value>,
) -> Result<(), Vec<ConfigError>> {
    let mut errors = Vec::new();
    let pattern = Pattern::parse(path)
        .map_err(|problem| errors.push(error(format!("{NAME}[{at}]"), problem)))
        .ok();
    let name = format!("{NAME} {path}");
    let of_route = |problem: String| error(&name, problem);
    let (overlay, unknown) = overlay(settings, members);
    errors.extend(unknown.into_iter().map(of_route));
    let claims = match (members.get("claims"), &pattern) {
        (None, _) | (Some(Value::Object(_)), None) => Ok(Vec::new()),
        (Some(Value::Object(rules)), Some(pattern)) => read_claims(rules, &pattern.parameters),
        (Some(_), _) => Err(vec!["claims is not an object".into()]),
    };
    let claims = claims.unwrap_or_else(|problems| {
        errors.extend(problems.into_iter().map(of_route));
        Vec::new()
    });
    let policy = match Policy::read(&overlay) {
        Ok(policy) => policy,
        Err(found) => {
            // What is wrong with a global variable by itself is named as such, whatever route it
            // came up for; what contradicts a route's own settings is the route's.
            let alone = Policy::read(settings).err().unwrap_or_default();
            errors.extend(found.into_iter().map(|found| {
                let is_global = settings.vars.contains_key(&found.setting)
                    && !members.contains_key(&found.setting.to_ascii_lowercase())
                    && alone.contains(&found);
                let is_binding = OBJECTS.contains(&found.setting.as_str());
                if is_global || is_binding {
                    return found;
                }
                let setting = found.setting.to_ascii_lowercase();
                error(format!("{name} {setting}"), found.problem)
            }));
            return Err(errors);
        }
    };
    if policy.authentication.is_none() && !claims.is_empty() {
        errors.push(of_route(
            "AUTH is off, so nobody has claims; remove claims, or set auth to required".into(),
        ));
    }
    let (Some(pattern), true) = (pattern, errors.is_empty()) else {
        return Err(errors);
    };
    if let Some(error) = unknown_parameter(&policy, &pattern) {
        return Err(vec![error]);
    }
    let mut policy = policy;
    policy.permission.claims = claims;
    if let Some(claims) = members.get("claims") {
        policy.registering.add_claims(claims);
    }
    let counting = &mut policy.counting;
    for (setting, counted) in [
        ("rate_limit_ip", &mut counting.address),
        ("rate_limit_user", &mut counting.user),
    ] {
        if members.contains_key(setting) {
            path.clone_into(&mut counted.group);
        }
    }
    share_key_sets(&mut policy, routes);
    routes
        .add(&pattern, policy)
        .map_err(|problem| vec![of_route(problem)])
}

/// What is wrong with an object's name that holds a parameter which the path does not have.
fn unknown_parameter(policy: &Policy, pattern: &Pattern) -> Option<ConfigError> {
    let Upstream::Object(object) = &policy.upstream else {
        return None;
    };
    let mut named = object.parameters();
    let unknown = named.find(|name| !pattern.parameters.iter().any(|known| known == name))?;
    Some(error(
        "UPSTREAM_OBJECT",
        format!(
            "the path {:?} has no parameter {{{unknown}}}; write one that it has, in a route",
            pattern.text
        ),
    ))
}

/// The global settings with a route's over them, and what is wrong with names.
fn overlay(settings: &Settings, members: &Map<String, Value>) -> (Settings, Vec<String>) {
    let mut overlay = settings.clone();
    overlay.vars.remove(NAME);
    // A route with an upstream or keys of its own inherits none beside them.
    let has_own = |name: &str| members.contains_key(&name.to_ascii_lowercase());
    for alternatives in [&UPSTREAMS[..], &KEY_SOURCES] {
        if alternatives.iter().any(|name| has_own(name)) {
            for name in alternatives {
                overlay.vars.remove(*name);
            }
        }
    }
    // Each issuer has these for itself; beside them two are about sessions.
    if has_own("ISSUERS") {
        overlay.vars.remove("JWT_ALGORITHMS");
        if !overlay.vars.contains_key("SESSION_URL") && !has_own("SESSION_URL") {
            overlay.vars.remove("JWT_ISSUER");
            overlay.vars.remove("JWT_AUDIENCE");
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

/// Lets the policy use the key sets that earlier routes have too: one URL is fetched and kept
/// once, however many routes inherit it.
fn share_key_sets(policy: &mut Policy, routes: &Table<Policy>) {
    for issuer in policy
        .authentication
        .iter_mut()
        .flat_map(|own| &mut own.issuers)
    {
        if let KeySource::Remote(own) = &mut issuer.keys
            && let Some(known) = key_sets(routes).find(|known| known.is_same_source(own))
        {
            *own = known.clone();
        }
    }
}

fn key_sets(routes: &Table<Policy>) -> impl Iterator<Item = &Rc<RemoteKeys>> {
    let authentications = routes.iter().flat_map(|route| &route.policy.authentication);
    let issuers = authentications.flat_map(|authentication| &authentication.issuers);
    issuers.filter_map(|issuer| match &issuer.keys {
        KeySource::Remote(keys) => Some(keys),
        KeySource::Fixed(_) => None,
    })
}
