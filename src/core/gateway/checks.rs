//! What the endpoints that take a client's token have in common: the same checks in the same
//! order, for a request that is no upgrade.

use super::{Gate, Passage, Platform};
use crate::gateway::dispatch::Place;
use crate::one_time::jti::TokenUse;
use crate::policy::{Policy, Site};
use crate::record::{Outcome, Record, Stage};
use crate::request::Request;
use crate::response::cors::{self, CorsAnswer};
use crate::response::reason::{AllowedMethods, Reason, Rejection};
use crate::routing::table::Miss;
use crate::token::{Authentication, Identity};

/// What a client shows its token for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Ticket,
    /// A later end, so it matters how long the token lives by now.
    Refresh,
}

impl Purpose {
    fn methods(self) -> AllowedMethods {
        match self {
            Self::Ticket => AllowedMethods::Ticket,
            Self::Refresh => AllowedMethods::Refresh,
        }
    }
}

/// Who asks an endpoint.
pub(super) enum Caller {
    /// A browser, whether it may ask.
    Preflight,
    Known(Identity),
}

impl Gate {
    /// Steps 4 to 7 under a route's settings.
    pub(super) async fn caller<E: Platform>(
        &self,
        platform: &E,
        request: &Request<'_>,
        policy: &Policy,
        purpose: Purpose,
        record: &mut Record,
    ) -> Result<Caller, Rejection> {
        // 4. in place of a handshake: the method. Browsers ask by OPTIONS first.
        record.stage = Stage::Handshake;
        if !matches!(request.method, "POST" | "OPTIONS") {
            let allowed = purpose.methods();
            return Err(Reason::MethodNotAllowed { allowed }.because("the method is not POST"));
        }

        // 5. origin
        record.stage = Stage::Origin;
        let origin = request.headers.get("origin");
        policy.origins.check(origin.as_deref())?;

        // 6. bans and exhausted quotas already known here
        record.stage = Stage::Known;
        let address = request.address.key(policy.counting.ipv6_prefix);
        self.check_address(&policy.counting, address, platform.now())?;
        if request.method == "OPTIONS" {
            record.outcome = Outcome::Preflight;
            return Ok(Caller::Preflight);
        }

        // 7. token
        record.stage = Stage::Token;
        let Some(authentication) = &policy.authentication else {
            return Err(Reason::NoRoute.because("the route has no tokens"));
        };
        let anew = purpose == Purpose::Refresh;
        let identity = authentication
            .check_plain(platform, request, anew, record)
            .await?;
        record.note_identity(&identity);
        if policy.one_time.rejects_replay {
            // Whether it can be admitted at all is known before anything is asked.
            TokenUse::of(&identity, policy.one_time.accepted_until(&identity))?;
        }
        Ok(Caller::Known(identity))
    }

    /// The headers that let a page of an allowed origin read an endpoint's answer; none for any
    /// other page or place.
    pub fn cors(&self, request: &Request<'_>, place: &Place<'_>) -> Vec<(&'static str, String)> {
        let (Some(origin), Ok(site)) = (request.headers.get("origin"), &self.site) else {
            return Vec::new();
        };
        let with_credentials = match place {
            Place::Ticket(found) | Place::Refresh(found) => found.route.policy.readable_by(&origin),
            Place::Unserved(_) => site.readable_by(&origin),
            _ => None,
        };
        let Some(with_credentials) = with_credentials else {
            return Vec::new();
        };
        let asked = request.headers.get("access-control-request-headers");
        let asked = asked.as_deref();
        let answer = match request.method {
            "OPTIONS" => CorsAnswer::ToPreflight { asked },
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

    /// Refuses a ticket or refresh for a path that leads to no route that serves it. A browser's
    /// preflight passes if its page may read the refusal.
    pub(super) fn refuse_unserved<E: Platform>(
        &self,
        request: &Request<'_>,
        miss: Miss,
        record: &mut Record,
    ) -> Result<Passage<E>, Rejection> {
        let origin = request.headers.get("origin");
        let is_readable = origin.is_some_and(|origin| self.readable_by(&origin).is_some());
        if request.method == "OPTIONS" && is_readable {
            record.outcome = Outcome::Preflight;
            return Ok(Passage::Preflight);
        }
        Err(miss.into())
    }
}
