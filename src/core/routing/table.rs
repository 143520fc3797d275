//! Where a request goes: to an endpoint of the gate's own, or by a route to its upstream.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use matchit::{InsertError, Router};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::pattern::{Kind, Pattern, REST};
use crate::admin::{self, AdminToken};
use crate::config::Policy;
use crate::request::Request;
use crate::token::{KeySource, RemoteKeys};
use crate::upstream::assertion::AssertionKey;

pub(super) const PREFIX: &str = "/_portcullis";
const TICKET: &str = "/_portcullis/ticket";
const REFRESH: &str = "/_portcullis/refresh";
/// The one route of a gate without `ROUTES`.
pub const EVERYTHING: &str = "/*";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Health,
    /// The public keys of assertions.
    KeySet,
}

/// A path pattern and the policy for what matches it.
#[derive(Debug)]
pub struct Route {
    pub pattern: String,
    kinds: Vec<Kind>,
    pub policy: Policy,
}

/// The values of a path's parameters, percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// What a request asks for.
#[derive(Debug)]
pub enum Place<'a> {
    Endpoint(Endpoint),
    Route {
        number: usize,
        route: &'a Route,
        parameters: Parameters,
    },
    /// `/_portcullis/ticket`, for the route that a ticket is asked for.
    Ticket {
        number: usize,
        route: &'a Route,
    },
    /// `/_portcullis/refresh`, for the route whose sockets are refreshed.
    Refresh {
        number: usize,
        route: &'a Route,
        parameters: Parameters,
    },
    /// Under `/_portcullis/admin/`, for who has the token.
    Admin(&'a AdminToken),
    /// No route matches, or it is under the gate's own prefix and nothing it knows.
    Nowhere,
}

impl<'a> Place<'a> {
    /// The route under whose settings the request stands, and its number.
    pub fn route(&self) -> Option<(usize, &'a Route)> {
        match self {
            Self::Route { number, route, .. }
            | Self::Ticket { number, route }
            | Self::Refresh { number, route, .. } => Some((*number, route)),
            Self::Endpoint(_) | Self::Admin(_) | Self::Nowhere => None,
        }
    }
}

/// All routes; of those that match a path the most specific wins: the one whose first segment
/// that differs is a text rather than a parameter, or a parameter rather than `*`.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// By where the `*` stands: the router takes no parameter beside a `*`.
    routers: BTreeMap<Option<usize>, Router<usize>>,
}

impl Routes {
    /// Adds a route. The pattern is one that [`Pattern::parse`] gave; the error names the route
    /// it overlaps.
    pub fn add(&mut self, pattern: &Pattern, policy: Policy) -> Result<(), String> {
        let number = self.routes.len();
        let router = self.routers.entry(pattern.star()).or_default();
        for path in &pattern.router_paths {
            router
                .insert(path.as_str(), number)
                .map_err(|error| match error {
                    InsertError::Conflict { with } => format!(
                        "it overlaps the route {}, and neither is more specific; change one of \
                         the two",
                        with.replace(&format!("{{*{REST}}}"), "*")
                    ),
                    other => other.to_string(),
                })?;
        }
        self.routes.push(Route {
            pattern: pattern.text.clone(),
            kinds: pattern.kinds.clone(),
            policy: self.sharing_key_sets(policy),
        });
        Ok(())
    }

    /// The policy with the key sets that earlier routes have too: one URL is fetched and kept
    /// once, however many routes inherit it.
    fn sharing_key_sets(&self, mut policy: Policy) -> Policy {
        for issuer in policy
            .authentication
            .iter_mut()
            .flat_map(|own| &mut own.issuers)
        {
            if let KeySource::Remote(own) = &mut issuer.keys
                && let Some(known) = self.key_sets().find(|known| known.is_same_source(own))
            {
                *own = known.clone();
            }
        }
        policy
    }

    fn key_sets(&self) -> impl Iterator<Item = &Rc<RemoteKeys>> {
        let authentications = self
            .routes
            .iter()
            .flat_map(|route| &route.policy.authentication);
        let issuers = authentications.flat_map(|authentication| &authentication.issuers);
        issuers.filter_map(|issuer| match &issuer.keys {
            KeySource::Remote(keys) => Some(keys),
            KeySource::Fixed(_) => None,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// Routes whose every path is another's. Only those with a `*` can be: the others are
    /// reached by words in place of their parameters.
    pub fn unreachable(&self) -> impl Iterator<Item = &Route> {
        let segments = |route: &Route| route.pattern.matches('/').count();
        let most = self.routes.iter().map(segments).max().unwrap_or_default();
        let longest = self.routes.iter().map(|route| route.pattern.len()).max();
        // Longer than any pattern, so it is no text of one.
        let word = "x".repeat(longest.unwrap_or_default());
        let is_reached = move |number: usize, root: &str| {
            let named = root
                .split('/')
                .map(|segment| match segment.strip_prefix('{') {
                    Some(_) => &word,
                    None => segment,
                });
            let mut path = named.collect::<Vec<_>>().join("/");
            let leads_there = |path: &str| self.at(path).is_some_and(|(found, _)| found == number);
            (0..=most).any(|_| {
                let is_here = leads_there(&path) || leads_there(&format!("{path}{word}"));
                path = format!("{path}{word}/");
                is_here
            })
        };
        self.routes
            .iter()
            .enumerate()
            .filter_map(move |(number, route)| {
                let root = route.pattern.strip_suffix('*')?;
                (!is_reached(number, root)).then_some(route)
            })
    }

    fn published_keys(&self) -> impl Iterator<Item = &Value> {
        let keys = self
            .routes
            .iter()
            .flat_map(|route| &route.policy.assertion_key);
        keys.filter_map(AssertionKey::public)
    }

    /// The public keys that upstreams check assertions with, as a JWK Set (RFC 7517 §5).
    pub fn key_set(&self) -> String {
        let mut keys: Vec<&Value> = Vec::new();
        for key in self.published_keys() {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        json!({ "keys": keys }).to_string()
    }

    pub fn find(&self, request: &Request<'_>) -> Place<'_> {
        if is_health(request) {
            return Place::Endpoint(Endpoint::Health);
        }
        if request.url.path == TICKET {
            return self.find_for_ticket(request.url.query.unwrap_or_default());
        }
        if request.url.path == REFRESH {
            return self.find_for_refresh(request.url.query.unwrap_or_default());
        }
        if is_key_set(request) && self.published_keys().next().is_some() {
            return Place::Endpoint(Endpoint::KeySet);
        }
        let Some((number, parameters)) = self.number_of(request.url.path) else {
            return Place::Nowhere;
        };
        Place::Route {
            number,
            route: &self.routes[number],
            parameters,
        }
    }

    /// A ticket is for the route of one path, as [`Self::named`] has it.
    fn find_for_ticket(&self, query: &str) -> Place<'_> {
        match self.named(query) {
            Some((number, _)) if self.routes[number].policy.one_time.ticket_ttl.is_some() => {
                let route = &self.routes[number];
                Place::Ticket { number, route }
            }
            _ => Place::Nowhere,
        }
    }

    /// The same for a refresh, which needs live sockets that expire and are known.
    fn find_for_refresh(&self, query: &str) -> Place<'_> {
        let refreshes =
            |policy: &Policy| policy.registering.is_held && policy.relay.closes_on_expiry();
        match self.named(query) {
            Some((number, parameters)) if refreshes(&self.routes[number].policy) => {
                Place::Refresh {
                    number,
                    route: &self.routes[number],
                    parameters,
                }
            }
            _ => Place::Nowhere,
        }
    }

    /// The route of the path that a query names: `?path=/rooms/7`, as it stands in the socket's
    /// URL; without it that of `/`.
    fn named(&self, query: &str) -> Option<(usize, Parameters)> {
        let mut paths = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "path")
            .map(|(_, path)| path);
        let path = paths.next().unwrap_or("/".into());
        if paths.next().is_some() {
            return None;
        }
        self.number_of(&path)
    }

    /// Servers differ in whether they decode a path before they part it into segments. Where that
    /// decides on the route or its parameters, `/public/..%2Fadmin` say, nothing matches: the
    /// upstream might serve what the gate guards otherwise.
    fn number_of(&self, path: &str) -> Option<(usize, Parameters)> {
        let parted_first = decode_segments(path);
        let decoded_first = decode_and_resolve(path);
        let found = self.at(&parted_first)?;
        if parted_first == decoded_first {
            return Some(found);
        }
        (self.at(&decoded_first)? == found).then_some(found)
    }

    fn at(&self, path: &str) -> Option<(usize, Parameters)> {
        let is_ours = path
            .strip_prefix(PREFIX)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_ours {
            return None;
        }
        let candidates = self
            .routers
            .values()
            .filter_map(|router| router.at(path).ok());
        let found = candidates.min_by_key(|found| &self.routes[*found.value].kinds)?;
        let named = found.params.iter().filter(|(name, _)| *name != REST);
        let parameters = named.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some((*found.value, Parameters(parameters.collect())))
    }
}

/// Each segment percent-decoded; an encoded slash stays encoded, for it parts none.
fn decode_segments(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let segments = path.split('/').map(|segment| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        decoded.replace('/', "%2F")
    });
    segments.collect::<Vec<_>>().join("/").into()
}

/// The path as a server sees it that decodes first, and then merges slashes of both kinds and
/// resolves dots.
fn decode_and_resolve(path: &str) -> Cow<'_, str> {
    // Unencoded dots and backslashes are resolved by who parsed the URL.
    if !path.contains('%') && !path.contains("//") {
        return path.into();
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut kept = Vec::new();
    let mut ends_in_slash = false;
    for segment in decoded.split(['/', '\\']) {
        ends_in_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let end = if ends_in_slash && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", kept.join("/")).into()
}

/// Whether the request asks how the gate is.
pub fn is_health(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/health" && request.is_plain_read()
}

/// Whether the path is one of an administrator's.
pub fn is_admin(request: &Request<'_>) -> bool {
    request.url.path.starts_with(admin::PREFIX)
}

fn is_key_set(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/jwks.json" && request.is_plain_read()
}
