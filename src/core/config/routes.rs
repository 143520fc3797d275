//! `ROUTES`: each route's settings laid over the global ones.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::reader::{Reader, RouteLayer};
use super::settings::{
    ISSUERS, JWT_ALGORITHMS, JWT_AUDIENCE, JWT_ISSUER, JWT_JWKS, JWT_JWKS_URL, JWT_SECRET, ROUTES,
    SESSION_URL, SESSION_URL_AUTH, Scope, Setting, UPSTREAM_CERTIFICATE, UPSTREAM_HEADERS,
    UPSTREAM_OBJECT, named,
};
use super::upstream::UPSTREAMS;
use super::{
    ConfigError, Settings, Var, counting, first_message, names, paths, read_policy, registry,
};
use crate::checks::permission::{ClaimRule, read_claims};
use crate::policy::{Elsewhere, Policy, Site};
use crate::routing::Pattern;
use crate::routing::table::{EVERYTHING, Table};
use crate::token::RemoteKeys;
use crate::upstream::Upstream;

/// Whose tokens and sessions are trusted. A route that sets one of these inherits none of them.
const TRUST_SOURCES: [&Setting; 5] = [
    &JWT_SECRET,
    &JWT_JWKS,
    &JWT_JWKS_URL,
    &ISSUERS,
    &SESSION_URL,
];

impl Site {
    /// Reads all settings. The errors are complete, and each is reported once.
    pub fn read(settings: &Settings) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader::new(settings);
        let mut routes = Table::new(paths::read(&mut reader));
        let mut errors = match reader.array(&ROUTES) {
            Some(entries) => {
                names::check(&mut reader);
                add_all(&mut routes, settings, &entries)
            }
            None if reader.has(&ROUTES) => errors_of_what_is_set(settings),
            None => add_everything(&mut routes, settings),
        };
        if errors.is_empty() {
            errors.extend(routes.unreachable().map(|route| {
                ConfigError::new(
                    format!("ROUTES {}", route.pattern),
                    "no path leads to it: more specific routes match all of its; remove it",
                )
            }));
        }
        let elsewhere = Elsewhere {
            require_tls: super::read_require_tls(&mut reader),
            counting: counting::read(&mut reader, false),
            reject_with: super::reject_with::read(&mut reader),
            security_headers: super::read_security_headers(&mut reader),
        };
        let administrators = registry::read_administrators(&mut reader);
        let metrics = registry::read_metrics(&mut reader);
        let warnings = warnings(&mut reader, &routes);
        errors.extend(reader.finish(Some(())).err().into_iter().flatten());
        if errors.is_empty() {
            return Ok(Self {
                routes,
                elsewhere,
                administrators,
                metrics,
                warnings,
            });
        }
        // Several routes may have inherited what is wrong.
        let mut reported = Vec::new();
        errors.retain(|error| {
            let is_new = !reported.contains(error);
            reported.push(error.clone());
            is_new
        });
        Err(errors)
    }
}

fn warnings(reader: &mut Reader<'_>, routes: &Table<Policy>) -> Vec<String> {
    let mut warnings = reader.take_warnings();
    warnings.extend(paths::warnings(reader, routes));
    warnings.extend(first_message::unused(reader, routes));
    let mut trusted = TRUST_SOURCES.into_iter();
    let nobody_needs_a_token = routes
        .iter()
        .all(|route| route.policy.authentication.is_none());
    if let Some(setting) = trusted.find(|setting| reader.has(setting))
        && nobody_needs_a_token
    {
        let name = setting.name();
        warnings.push(format!("{name}: AUTH is off, so it is not used"));
    }
    for warning in routes.iter().flat_map(|route| &route.policy.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    warnings
}

/// Errors in the global variables alone, for when the routes can't be read. What is missing is
/// not among them: a route may have it.
fn errors_of_what_is_set(settings: &Settings) -> Vec<ConfigError> {
    let mut reader = Reader::new(settings);
    read_policy(&mut reader);
    reader.into_errors_of_what_is_set()
}

/// Adds the one route of a gate without `ROUTES`; returns the errors.
fn add_everything(routes: &mut Table<Policy>, settings: &Settings) -> Vec<ConfigError> {
    let everything = Pattern::parse(EVERYTHING).expect("a pattern of our own");
    let mut reader = Reader::new(settings);
    let policy = read_policy(&mut reader);
    check_parameters(&mut reader, policy.as_ref(), &everything);
    match reader.finish(policy) {
        Ok(mut policy) => {
            policy.prepare_trial();
            routes.add(&everything, policy).expect("the first route");
            Vec::new()
        }
        Err(errors) => errors,
    }
}

/// Adds all routes; returns the errors.
fn add_all(routes: &mut Table<Policy>, settings: &Settings, entries: &[Value]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut is_malformed = false;
    for (at, entry) in entries.iter().enumerate() {
        match split(at, entry) {
            Ok((path, members)) => {
                let added = add(routes, settings, at, path, members);
                errors.extend(added.err().into_iter().flatten());
            }
            Err(error) => {
                errors.push(error);
                is_malformed = true;
            }
        }
    }
    if is_malformed {
        errors.extend(errors_of_what_is_set(settings));
    }
    errors
}

/// A route's path and members.
pub(super) fn split(at: usize, entry: &Value) -> Result<(&str, &Map<String, Value>), ConfigError> {
    let error = |problem| ConfigError::new(format!("ROUTES[{at}]"), problem);
    let Value::Object(members) = entry else {
        return Err(error(
            "it is not an object; write {\"path\": \"/chat\", ...}",
        ));
    };
    let Some(Value::String(path)) = members.get("path") else {
        return Err(error("it has no path; write one like \"path\": \"/chat\""));
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
    let name = format!("ROUTES {path}");
    let mut errors = Vec::new();
    let pattern = Pattern::parse(path)
        .map_err(|problem| errors.push(ConfigError::new(format!("ROUTES[{at}]"), problem)))
        .ok();
    let (layer, unknown) = layer(path, members);
    let claims = read_rules(members.get("claims"), pattern.as_ref());
    let (claims, wrong) = claims.map_or_else(|wrong| (Vec::new(), wrong), |all| (all, Vec::new()));
    let of_route = unknown.into_iter().chain(wrong);
    errors.extend(of_route.map(|problem| ConfigError::new(&name, problem)));

    let mut reader = Reader::of_route(settings, &layer);
    let mut policy = read_policy(&mut reader);
    if let Some(pattern) = &pattern {
        check_parameters(&mut reader, policy.as_ref(), pattern);
    }
    let lacks_tokens = |policy: &Policy| policy.authentication.is_none();
    if !claims.is_empty() && policy.as_ref().is_some_and(lacks_tokens) {
        reader.error_at(
            &name,
            "AUTH is off, so nobody has claims; remove claims, or set auth to required",
        );
    }
    if let Some(policy) = &mut policy {
        policy.permission.claims = claims;
        if let Some(claims) = members.get("claims") {
            policy.registering.add_claims(claims);
        }
        for (setting, counted) in [
            ("rate_limit_ip", &mut policy.counting.address),
            ("rate_limit_user", &mut policy.counting.user),
        ] {
            if members.contains_key(setting) {
                path.clone_into(&mut counted.group);
            }
        }
    }
    let mut policy = match reader.finish(policy) {
        Ok(policy) if errors.is_empty() => policy,
        Ok(_) => return Err(errors),
        Err(found) => {
            errors.extend(found);
            return Err(errors);
        }
    };
    share_key_sets(&mut policy, routes);
    policy.prepare_trial();
    let Some(pattern) = pattern else {
        return Err(errors);
    };
    routes
        .add(&pattern, policy)
        .map_err(|problem| vec![ConfigError::new(name, problem)])
}

fn read_rules(
    claims: Option<&Value>,
    pattern: Option<&Pattern>,
) -> Result<Vec<ClaimRule>, Vec<String>> {
    match (claims, pattern) {
        (None, _) | (Some(Value::Object(_)), None) => Ok(Vec::new()),
        (Some(Value::Object(rules)), Some(pattern)) => read_claims(rules, &pattern.parameters),
        (Some(_), _) => Err(vec!["claims is not an object".into()]),
    }
}

/// Reports an object's name or a header of the server that holds a parameter which the path does
/// not have.
fn check_parameters(reader: &mut Reader<'_>, policy: Option<&Policy>, pattern: &Pattern) {
    let Some(policy) = policy else {
        return;
    };
    let is_unknown = |name: &&str| !pattern.parameters.iter().any(|known| known == name);
    let of_object = match &policy.upstream {
        Upstream::Object(object) => object.parameters().find(is_unknown),
        Upstream::Url(_) | Upstream::Service(_) => None,
    };
    let of_headers = policy.upstream_headers.parameters().find(is_unknown);
    for (setting, unknown) in [
        (&UPSTREAM_OBJECT, of_object),
        (&UPSTREAM_HEADERS, of_headers),
    ] {
        if let Some(unknown) = unknown {
            reader.error(
                setting,
                format!(
                    "the path {:?} has no parameter {{{unknown}}}; write one that it has, in a \
                     route",
                    pattern.text
                ),
            );
        }
    }
}

/// What is wrong with a member that is no setting of a route, with the best guess at one.
fn not_of_a_route(name: &str) -> String {
    let problem = format!("{name:?} is not a setting of a route");
    let meant = names::misspelt(name).filter(|setting| setting.scope() == Scope::Route);
    match meant.map(|setting| setting.name().to_ascii_lowercase()) {
        Some(meant) => format!("{problem}; did you mean {meant}?"),
        None => problem,
    }
}

/// A route's own settings, and what is wrong with their names.
pub(super) fn layer(path: &str, members: &Map<String, Value>) -> (RouteLayer, Vec<String>) {
    let mut own = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in members {
        if name == "path" || name == "claims" {
            continue;
        }
        let is_lower = *name == name.to_ascii_lowercase();
        let setting = named(&name.to_ascii_uppercase());
        match setting.filter(|setting| is_lower && setting.scope() == Scope::Route) {
            Some(setting) => {
                own.push((setting, Var::from(value.clone())));
            }
            None => unknown.push(not_of_a_route(name)),
        }
    }
    let mut replaced = Vec::new();
    // This brings nothing that could replace the keys: it removes sessions alone.
    let has_sessions =
        |(setting, value): &(&Setting, Var)| **setting == SESSION_URL && value.is_off();
    if let Some(place) = own.iter().position(has_sessions) {
        own.remove(place);
        replaced.push(&SESSION_URL);
    }
    let has_own = |setting: &Setting| own.iter().any(|(known, _)| *known == setting);
    for group in [&UPSTREAMS[..], &TRUST_SOURCES] {
        if group.iter().any(|setting| has_own(setting)) {
            replaced.extend(group);
        }
    }
    if replaced.contains(&&SESSION_URL) && !has_own(&SESSION_URL) {
        replaced.push(&SESSION_URL_AUTH);
    }
    // A certificate is for one server.
    if UPSTREAMS.iter().any(|setting| has_own(setting)) {
        replaced.push(&UPSTREAM_CERTIFICATE);
    }
    // Each issuer has these for itself. With sessions, two of them are about sessions.
    if has_own(&ISSUERS) {
        replaced.push(&JWT_ALGORITHMS);
        if !has_own(&SESSION_URL) {
            replaced.extend([&JWT_ISSUER, &JWT_AUDIENCE]);
        }
    }
    let layer = RouteLayer {
        path: path.to_owned(),
        own,
        replaced,
    };
    (layer, unknown)
}

/// Lets the policy share the key sets of earlier routes: one URL is fetched and kept once, however
/// many routes inherit it.
fn share_key_sets(policy: &mut Policy, routes: &Table<Policy>) {
    for issuer in policy
        .authentication
        .iter_mut()
        .flat_map(|own| &mut own.issuers)
    {
        if let Some(own) = &mut issuer.keys.remote
            && let Some(known) = key_sets(routes).find(|known| known.is_same_source(own))
        {
            *own = known.clone();
        }
    }
}

fn key_sets(routes: &Table<Policy>) -> impl Iterator<Item = &Rc<RemoteKeys>> {
    let authentications = routes.iter().flat_map(|route| &route.policy.authentication);
    let issuers = authentications.flat_map(|authentication| &authentication.issuers);
    issuers.filter_map(|issuer| issuer.keys.remote.as_ref())
}
