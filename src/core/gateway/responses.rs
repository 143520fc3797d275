//! What every response needs besides the decision: security headers, and close codes of refusals.

use super::dispatch::Place;
use super::gate::Gate;
use crate::checks::handshake::{Handshake, REFUSED_PROTOCOL};
use crate::policy::{RejectWith, Route};
use crate::request::Request;
use crate::response::answer::{Closing, closing};
use crate::response::reason::Reason;
use crate::response::security_headers::SecurityHeaders;
use crate::token::{Source, unchosen_protocol};

impl Gate {
    /// The headers that step 11 sets: where no route matches, and then for each route by its number.
    pub fn security_headers(&self) -> (SecurityHeaders, Vec<SecurityHeaders>) {
        match &self.site {
            Ok(site) => {
                let of_route = |route: &Route| route.policy.security_headers.clone();
                (
                    site.elsewhere.security_headers.clone(),
                    site.routes.iter().map(of_route).collect(),
                )
            }
            Err(_) => (SecurityHeaders::default(), Vec::new()),
        }
    }

    /// Where tokens are looked for at that place; where it has no rule of its own, on any route.
    fn sources(&self, place: &Place<'_>) -> Vec<Source> {
        let of_route = |route: &Route| {
            let authentication = route.policy.authentication.as_ref();
            authentication.map_or_else(Vec::new, |authentication| authentication.sources.clone())
        };
        match (&self.site, place.route()) {
            (_, Some((_, route))) => of_route(route),
            (Ok(site), None) => site.routes.iter().flat_map(of_route).collect(),
            (Err(_), None) => Vec::new(),
        }
    }

    /// The close code for a refusal, if `REJECT_WITH` or the client asks for one. Only a
    /// well-formed handshake can     /// be answered with a socket; everything else is refused by HTTP.
    pub fn closing(
        &self,
        request: &Request<'_>,
        place: &Place<'_>,
        reason: &Reason,
    ) -> Option<Closing> {
        let reject_with = match (&self.site, place.route()) {
            (Ok(_), Some((_, route))) => route.policy.reject_with,
            (Ok(site), None) => site.elsewhere.reject_with,
            (Err(_), _) => self.reject_with,
        };
        let may_know_the_gate = || {
            let offered = request.headers.get("sec-websocket-protocol");
            offered.is_some_and(|offered| offered.contains(REFUSED_PROTOCOL))
        };
        if !request.asks_for_websocket() || reject_with == RejectWith::Http && !may_know_the_gate()
        {
            return None;
        }
        let handshake = Handshake::read(request).ok()?;
        let protocol = match (handshake.knows_the_gate, reject_with) {
            (true, _) => Some(REFUSED_PROTOCOL.to_owned()),
            (false, RejectWith::Close) => {
                unchosen_protocol(&handshake.protocols, &self.sources(place))
            }
            (false, RejectWith::Http) => return None,
        };
        closing(reason, protocol)
    }
}
