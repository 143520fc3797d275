//! Where a request goes: to an endpoint of the gate's own, or by a route to its upstream.

use matchit::Router;
use percent_encoding::percent_decode_str;

use crate::config::Policy;
use crate::request::Request;

const PREFIX: &str = "/_portcullis";
/// The one route of a gate without `ROUTES`.
pub const EVERYTHING: &str = "/*";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Health,
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
    /// No route matches, or it is under the gate's own prefix and nothing it knows.
    Nowhere,
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

    pub fn find(&self, request: &Request<'_>) -> Place<'_> {
        if is_health(request) {
            return Place::Endpoint(Endpoint::Health);
        }
        // Decoded, since an upstream may decode what it gets.
        let path = percent_decode_str(request.url.path).decode_utf8_lossy();
        let is_ours = path
            .strip_prefix(PREFIX)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_ours {
            return Place::Nowhere;
        }
        let path = with_plain_letters(request.url.path);
        let Ok(found) = self.router.at(&path) else {
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

/// A path with those characters decoded that need no encoding (RFC 3986 §6.2.2.2): to an upstream
/// `/%61dmin` is `/admin`, so it must not find another route.
fn with_plain_letters(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let digits = after
            .get(..2)
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain + rest
}

/// Whether the request asks how the gate is.
pub fn is_health(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/health" && request.is_plain_read()
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
