//! What a request asks for: an endpoint of the gate, or a route.

use crate::admin::{self, AdminToken};
use crate::policy::{Policy, Route, Site};
use crate::request::Request;
use crate::routing::table::Match;

const TICKET: &str = "/_portcullis/ticket";
const REFRESH: &str = "/_portcullis/refresh";

/// An endpoint that anyone may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Health,
    /// The public keys of assertions.
    KeySet,
}

/// What a request asks for.
#[derive(Debug)]
pub enum Place<'a> {
    Endpoint(Endpoint),
    Route(Match<'a, Policy>),
    /// `/_portcullis/ticket`, with the route that the ticket is for.
    Ticket(Match<'a, Policy>),
    /// `/_portcullis/refresh`, with the route whose sockets are refreshed.
    Refresh(Match<'a, Policy>),
    /// A path under `/_portcullis/admin/`, where there are administrators.
    Admin(&'a AdminToken),
    /// A path that no route matches, or an unknown one under the gate's own prefix.
    Nowhere,
}

impl<'a> Place<'a> {
    /// The route whose settings apply, and its number.
    pub fn route(&self) -> Option<(usize, &'a Route)> {
        match self {
            Self::Route(found) | Self::Ticket(found) | Self::Refresh(found) => {
                Some((found.number, found.route))
            }
            Self::Endpoint(_) | Self::Admin(_) | Self::Nowhere => None,
        }
    }
}

impl Site {
    pub fn find(&self, request: &Request<'_>) -> Place<'_> {
        let path = request.url.path;
        if is_health(request) {
            return Place::Endpoint(Endpoint::Health);
        }
        let query = request.url.query.unwrap_or_default();
        if path == TICKET {
            let has_tickets = |policy: &Policy| policy.one_time.ticket_ttl.is_some();
            return self
                .named(query, has_tickets)
                .map_or(Place::Nowhere, Place::Ticket);
        }
        if path == REFRESH {
            // Only live sockets that expire and are known can be refreshed.
            let refreshes =
                |policy: &Policy| policy.registering.is_held && policy.relay.closes_on_expiry();
            return self
                .named(query, refreshes)
                .map_or(Place::Nowhere, Place::Refresh);
        }
        if is_key_set(request) && self.published_keys().next().is_some() {
            return Place::Endpoint(Endpoint::KeySet);
        }
        match &self.admin_token {
            Some(token) if path.starts_with(admin::PREFIX) => Place::Admin(token),
            _ => self.routes.find(path).map_or(Place::Nowhere, Place::Route),
        }
    }

    /// The route of the path that a query names, where its policy `serves` the endpoint:
    /// `?path=/rooms/7`, as in the socket's URL; without it, that of `/`.
    fn named(&self, query: &str, serves: impl Fn(&Policy) -> bool) -> Option<Match<'_, Policy>> {
        let mut paths = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "path")
            .map(|(_, path)| path);
        let path = paths.next().unwrap_or("/".into());
        if paths.next().is_some() {
            return None;
        }
        self.routes
            .find(&path)
            .filter(|found| serves(&found.route.policy))
    }
}

/// Whether the request asks how the gate is.
pub fn is_health(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/health" && request.is_plain_read()
}

fn is_key_set(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/jwks.json" && request.is_plain_read()
}
