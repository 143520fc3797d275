//! Where a request goes: to an endpoint of the gate's own, or by a route to its upstream.

use matchit::Router;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::assertion::AssertionKey;
use crate::config::Policy;
use crate::request::Request;

const PREFIX: &str = "/_portcullis";
const TICKET: &str = "/_portcullis/ticket";
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
}

impl Routes {
    /// Adds a route. The pattern is one that [`Pattern::parse`] gave; the error names the route
    /// it overlaps.
    pub fn add(&mut self, pattern: &Pattern, policy: Policy) -> Result<(), String> {
        for path in &pattern.router_paths {
            self.router
                .insert(path.as_str(), self.routes.len())
                .map_err(|error| match error {
                    matchit::InsertError::Conflict { .. } => {
                        "it overlaps another route, and neither is more specific; \
                         change one of the two"
                            .to_owned()
                    }
                    other => other.to_string(),
                })?;
        }
        self.routes.push(Route {
            pattern: pattern.text.clone(),
            policy,
        });
        Ok(())
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
        self.find_by_path(request.url.path)
    }

    /// A ticket is for the route of one path: `?path=/rooms/7`, as it stands in the socket's
    /// URL; without it that of `/`.
    fn find_for_ticket(&self, query: &str) -> Place<'_> {
        let mut paths = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "path")
            .map(|(_, path)| path);
        let path = paths.next().unwrap_or("/".into());
        match self.find_by_path(&path) {
            Place::Route { number, route, .. }
                if route.policy.one_time.ticket_ttl.is_some() && paths.next().is_none() =>
            {
                Place::Ticket { number, route }
            }
            _ => Place::Nowhere,
        }
    }

    fn find_by_path(&self, raw: &str) -> Place<'_> {
        // Decoded, since an upstream may decode what it gets.
        let path = percent_decode_str(raw).decode_utf8_lossy();
        let is_ours = path
            .strip_prefix(PREFIX)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_ours {
            return Place::Nowhere;
        }
        let Ok(found) = self.router.at(raw) else {
            return Place::Nowhere;
        };
        let parameters = found.params.iter().map(|(name, value)| {
            let value = percent_decode_str(value).decode_utf8_lossy();
            (name.to_owned(), value.into_owned())
        });
        Place::Route {
            number: *found.value,
            route: &self.routes[*found.value],
            parameters: Parameters(parameters.collect()),
        }
    }
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
    /// The same for the router, whose `*` takes at least one character.
    router_paths: Vec<String>,
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
                None => {}
            }
        }
        let router_paths = match text.strip_suffix('*') {
            Some(prefix) => vec![prefix.to_owned(), format!("{prefix}{{*rest}}")],
            None => vec![text.to_owned()],
        };
        Ok(Self {
            text: text.to_owned(),
            parameters,
            router_paths,
        })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
