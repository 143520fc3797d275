//! Which pages may read the gate's own answers: those of tickets and refreshes, and refusals.

use super::attempt::Attempt;
use super::dispatch::Place;
use super::gate::Gate;
use super::passage::Passage;
use super::platform::Platform;
use crate::policy::{PlainHttp, Policy, Site};
use crate::record::Outcome;
use crate::request::Request;
use crate::response::cors::{self, CorsAnswer};
use crate::response::reason::Rejection;
use crate::routing::table::Miss;
use crate::token::Authentication;

impl<P: Platform> Attempt<'_, P> {
    /// Refuses a ticket or refresh for a path that leads to no route that serves it. A browser's
    /// preflight passes if its page may read the refusal.
    pub fn refuse_unserved(&mut self, site: &Site, miss: Miss) -> Result<Passage<P>, Rejection> {
        let origin = self.request.headers.get("origin");
        let is_readable = origin.is_some_and(|origin| site.readable_by(&origin).is_some());
        if self.request.method == "OPTIONS" && is_readable {
            self.record.outcome = Outcome::Preflight;
            return Ok(Passage::Preflight);
        }
        Err(miss.into())
    }
}

impl Gate {
    /// The headers that let a page of an allowed origin read an endpoint's answer; none for any
    /// other page or place.
    pub fn cors(&self, request: &Request<'_>, place: &Place<'_>) -> Vec<(&'static str, String)> {
        let (Some(origin), Ok(site)) = (request.headers.get("origin"), &self.site) else {
            return Vec::new();
        };
        let with_credentials = match place {
            Place::Ticket(found) | Place::Refresh(found) => found.route.policy.readable_by(&origin),
            Place::Unserved(_) => site.readable_by(&origin),
            // The gate's refusals alone: what the server answers has CORS headers of its own.
            Place::Route(found) if found.route.policy.plain_http == PlainHttp::Guard => {
                let is_readable = !request.asks_for_websocket()
                    && found.route.policy.origins.check(Some(&origin)).is_ok();
                // A page may not read a refusal that it asked for with cookies otherwise.
                is_readable.then_some(true)
            }
            _ => None,
        };
        let Some(with_credentials) = with_credentials else {
            return Vec::new();
        };
        let asked = request.headers.get("access-control-request-headers");
        let asked = asked.as_deref();
        let answer = match request.method {
            "OPTIONS" if !matches!(place, Place::Route(_)) => CorsAnswer::ToPreflight { asked },
            _ => CorsAnswer::ToRequest,
        };
        cors::headers(&origin, with_credentials, answer)
    }
}

impl Policy {
    /// Whether a page of this origin may read answers, and then whether it may send cookies.
    fn readable_by(&self, origin: &str) -> Option<bool> {
        let authentication = self.authentication.as_ref();
        let takes_cookies = authentication.is_some_and(Authentication::takes_cookies);
        let is_allowed = self.origins.check(Some(origin)).is_ok();
        is_allowed.then_some(takes_cookies)
    }
}

impl Site {
    /// Whether a page of this origin may read that no route serves the endpoint it asked: one that
    /// any route allows. And then whether it may send cookies.
    fn readable_by(&self, origin: &str) -> Option<bool> {
        let policies = self.routes.iter().map(|route| &route.policy);
        policies
            .filter_map(|policy| policy.readable_by(origin))
            .reduce(|one, other| one || other)
    }
}
