//! What a request asks for: an endpoint of the gate, or a route.

use crate::admin::{self, Administrators};
use crate::policy::{Mode, Policy, Route, Site};
use crate::request::Request;
use crate::request::address::ClientAddress;
use crate::request::path::AmbiguousPath;
use crate::request::percent;
use crate::routing::table::{Match, Miss};

const TICKET: &str = "/_portcullis/ticket";
const REFRESH: &str = "/_portcullis/refresh";

/// An endpoint that is open to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Health,
    /// The public keys of assertions.
    KeySet,
    /// The page of the dashboard, which holds nothing that is secret.
    Dashboard,
}

/// The target of a request.
#[derive(Debug)]
pub enum Place<'a> {
    Endpoint(Endpoint),
    Route(Match<'a, Policy>),
    /// `/_portcullis/ticket`, with the route that the ticket is for.
    Ticket(Match<'a, Policy>),
    /// `/_portcullis/refresh`, with the route whose sockets are refreshed.
    Refresh(Match<'a, Policy>),
    /// A path under `/_portcullis/admin/`, where there are administrators.
    Admin(&'a Administrators),
    /// The ticket or refresh endpoint, asked for a path that leads to no route that serves it.
    Unserved(Miss),
    /// A path that leads to no route, or an unknown one under the gate's own prefix.
    Nowhere(Miss),
}

impl<'a> Place<'a> {
    /// Whether refusals of this client are only reported. Endpoints of the gate always enforce.
    pub(super) fn only_reports(&self, address: ClientAddress) -> bool {
        match self {
            Self::Route(found) => {
                let policy = &found.route.policy;
                // Most gates have no canary, and need no key for it.
                policy.mode != Mode::Enforce
                    && policy
                        .mode
                        .only_reports(address.key(policy.counting.ipv6_prefix))
            }
            _ => false,
        }
    }

    /// The route whose settings apply, and its index.
    pub fn route(&self) -> Option<(usize, &'a Route)> {
        match self {
            Self::Route(found) | Self::Ticket(found) | Self::Refresh(found) => {
                Some((found.number, found.route))
            }
            Self::Endpoint(_) | Self::Admin(_) | Self::Unserved(_) | Self::Nowhere(_) => None,
        }
    }
}

impl Site {
    /// Finds what a request asks for.
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
                .map_or_else(Place::Unserved, Place::Ticket);
        }
        if path == REFRESH {
            // Only live sockets that expire and are known can be refreshed.
            let refreshes =
                |policy: &Policy| policy.registering.is_held && policy.relay.closes_on_expiry();
            return self
                .named(query, refreshes)
                .map_or_else(Place::Unserved, Place::Refresh);
        }
        if is_key_set(request) && self.published_keys().next().is_some() {
            return Place::Endpoint(Endpoint::KeySet);
        }
        if self.administrators.is_some() && is_dashboard(request) {
            return Place::Endpoint(Endpoint::Dashboard);
        }
        match &self.administrators {
            Some(all) if path.starts_with(admin::PREFIX) => Place::Admin(all),
            _ if !request.has_sound_host() => Place::Nowhere(Miss::Ambiguous(AmbiguousPath::Host)),
            _ => self
                .routes
                .find(path)
                .map_or_else(Place::Nowhere, Place::Route),
        }
    }

    /// Finds the route of the path that a query names, if its policy `serves` the endpoint:
    /// `?path=/rooms/7`, as in the socket's URL. The default is `/`.
    fn named(
        &self,
        query: &str,
        serves: impl Fn(&Policy) -> bool,
    ) -> Result<Match<'_, Policy>, Miss> {
        let mut path = None;
        for pair in percent::pairs(query) {
            let (name, value) = pair
                .map_err(AmbiguousPath::Encoding)
                .map_err(Miss::Ambiguous)?;
            if name == "path" && path.replace(value).is_some() {
                return Err(Miss::NoRoute);
            }
        }
        let found = self.routes.find(path.as_deref().unwrap_or("/"))?;
        if serves(&found.route.policy) {
            Ok(found)
        } else {
            Err(Miss::NoRoute)
        }
    }
}

/// Whether the request is for the health endpoint.
pub fn is_health(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/health" && request.is_plain_read()
}

fn is_dashboard(request: &Request<'_>) -> bool {
    request.url.path == admin::PREFIX && request.is_plain_read()
}

fn is_key_set(request: &Request<'_>) -> bool {
    request.url.path == "/_portcullis/jwks.json" && request.is_plain_read()
}
