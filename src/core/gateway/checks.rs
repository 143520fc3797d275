//! What the endpoints that take a client's token have in common: the same checks in the same
//! order, for a request that is no upgrade.

use super::{Gate, Platform};
use crate::gateway::dispatch::Place;
use crate::one_time::jti::TokenUse;
use crate::policy::Policy;
use crate::record::{Outcome, Record, Stage};
use crate::request::Request;
use crate::response::cors;
use crate::response::reason::{AllowedMethods, Reason, Rejection};
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
        let (Place::Ticket(found) | Place::Refresh(found)) = place else {
            return Vec::new();
        };
        let Policy {
            origins,
            authentication,
            ..
        } = &found.route.policy;
        let takes_cookies = authentication
            .as_ref()
            .is_some_and(Authentication::takes_cookies);
        let origin = request.headers.get("origin");
        let allowed = origin.filter(|origin| origins.check(Some(origin)).is_ok());
        allowed.map_or_else(Vec::new, |origin| {
            cors::headers(&origin, takes_cookies, request.method == "OPTIONS")
        })
    }
}
