//! Where a request goes: to an endpoint of the gate's own, or by a route to its upstream.

use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;

use matchit::{InsertError, Router};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::assertion::AssertionKey;
use crate::config::Policy;
use crate::request::Request;
use crate::token::{KeySource, RemoteKeys};

const PREFIX: &str = "/_portcullis";
const TICKET: &str = "/_portcullis/ticket";
/// The one route of a gate without `ROUTES`.
pub const EVERYTHING: &str = "/*";

/// What `*` took, for the router: no name that a parameter may have.
const REST: &str = "-";

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
    /// No route matches, or it is under the gate's own prefix and nothing it knows.
    Nowhere,
}

impl<'a> Place<'a> {
    /// The route under whose settings the request stands, and its number.
    pub fn route(&self) -> Option<(usize, &'a Route)> {
        match self {
            Self::Route { number, route, .. } | Self::Ticket { number, route } => {
                Some((*number, route))
            }
            Self::Endpoint(_) | Self::Nowhere => None,
        }
    }
}

/// All routes; of those that match a path the most specific wins.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    router: Router<usize>,
    /// The `/api/` of each `/api/*`, which the router's own `*` does not match.
    roots: HashSet<String>,
}

impl Routes {
    /// Adds a route. The pattern is one that [`Pattern::parse`] gave; the error names the route
    /// it overlaps.
    pub fn add(&mut self, pattern: &Pattern, policy: Policy) -> Result<(), String> {
        let number = self.routes.len();
        loop {
            match self.router.insert(pattern.router_path.as_str(), number) {
                Ok(()) => break,
                // A route that is exactly `/api/` is more specific than `/api/*`.
                Err(InsertError::Conflict { with }) if self.roots.remove(&with) => {
                    self.router.remove(with);
                }
                Err(InsertError::Conflict { with }) => {
                    let with = with.replace(&format!("{{*{REST}}}"), "*");
                    return Err(format!(
                        "it overlaps the route {with}, and neither is more specific; change one \
                         of the two"
                    ));
                }
                Err(other) => return Err(other.to_string()),
            }
        }
        if let Some(root) = &pattern.root
            && self.router.insert(root.as_str(), number).is_ok()
        {
            self.roots.insert(root.clone());
        }
        self.routes.push(Route {
            pattern: pattern.text.clone(),
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

    /// A ticket is for the route of one path: `?path=/rooms/7`, as it stands in the socket's
    /// URL; without it that of `/`.
    fn find_for_ticket(&self, query: &str) -> Place<'_> {
        let mut paths = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "path")
            .map(|(_, path)| path);
        let path = paths.next().unwrap_or("/".into());
        let found = self.number_of(&path).map(|(number, _)| number);
        match found.map(|number| (number, &self.routes[number])) {
            Some((number, route))
                if route.policy.one_time.ticket_ttl.is_some() && paths.next().is_none() =>
            {
                Place::Ticket { number, route }
            }
            _ => Place::Nowhere,
        }
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
        let found = self.router.at(path).ok()?;
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

fn is_key_set(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/jwks.json" && request.is_plain_read()
}

/// A route's `path`: `/chat`, `/rooms/{room}`, `/api/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    pub parameters: Vec<String>,
    /// The same for the router.
    router_path: String,
    /// What `*` stands for when it stands for nothing.
    root: Option<String>,
}

impl Pattern {
    /// The error says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write a path like \"/chat\", \"/rooms/{room}\" or \"/api/*\"";
        let Some(segments) = text.strip_prefix('/') else {
            return Err(format!("{text:?} does not begin with a slash; {example}"));
        };
        let mut parameters = Vec::new();
        let mut segments = segments.split('/').peekable();
        while let Some(segment) = segments.next() {
            let name = segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'));
            match name {
                Some(name) if is_name(name) && !parameters.iter().any(|known| known == name) => {
                    parameters.push(name.to_owned());
                }
                Some(_) => {
                    return Err(format!(
                        "{text:?}: a parameter has a name of its own, of letters, digits and _"
                    ));
                }
                None if segment == "*" && segments.peek().is_none() => {}
                None if segment.contains(['*', '{', '}']) => {
                    return Err(format!(
                        "{text:?}: a parameter is a whole segment, and * is the last one; {example}"
                    ));
                }
                None if segment.contains(['?', '#', ' ']) => {
                    return Err(format!("{text:?}: it is more than a path; {example}"));
                }
                None if segment.contains('%') => {
                    return Err(format!(
                        "{text:?}: paths are decoded before they are compared; write it without %"
                    ));
                }
                None if matches!(segment, "." | "..")
                    || segment.contains('\\')
                    || (segment.is_empty() && segments.peek().is_some()) =>
                {
                    return Err(format!(
                        "{text:?}: no request has such a path once its dots are resolved and its \
                         slashes merged; {example}"
                    ));
                }
                None => {}
            }
        }
        let of_the_gate = text.strip_prefix(PREFIX);
        if of_the_gate.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(format!(
                "{text:?}: what is under {PREFIX} is the gate's own and never reaches an upstream"
            ));
        }
        let root = text.strip_suffix('*');
        Ok(Self {
            text: text.to_owned(),
            parameters,
            router_path: match root {
                Some(root) => format!("{root}{{*{REST}}}"),
                None => text.to_owned(),
            },
            root: root.map(str::to_owned),
        })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
