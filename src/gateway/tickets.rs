//! `/_portcullis/ticket`: the same checks in the same order, for a request that is no upgrade.

use super::counters::{Client, Told};
use super::once::{OnceCall, keep};
use super::{Edge, Gate, Passage};
use crate::config::Policy;
use crate::cors;
use crate::once::Question;
use crate::record::{Outcome, Record, Stage};
use crate::rejection::{Reason, Rejection};
use crate::replay::Use;
use crate::request::Request;
use crate::route::{Place, Route};
use crate::ticket::{Bounds, Grant, Ticket};
use crate::token::Authentication;

impl Gate {
    /// Steps 4 to 9 under the settings of the route that the ticket is asked for. Permission is
    /// left to the upgrade, for it may depend on the path.
    pub(super) async fn issue<E: Edge>(
        &self,
        edge: &E,
        request: &Request<'_>,
        route: &Route,
        record: &mut Record,
        told: &mut Told<E::Channel>,
    ) -> Result<Passage<E>, Rejection> {
        let policy = &route.policy;

        // 4. in place of a handshake: the method. Browsers ask by OPTIONS first.
        record.stage = Stage::Handshake;
        if !matches!(request.method, "POST" | "OPTIONS") {
            return Err(Reason::TicketMethodNotAllowed.because("the method is not POST"));
        }

        // 5. origin
        record.stage = Stage::Origin;
        let origin = request.headers.get("origin");
        policy.origins.check(origin.as_deref())?;

        // 6. bans and exhausted quotas already known here
        record.stage = Stage::Known;
        let address = request.address.key(policy.counting.ipv6_prefix);
        self.check_address(&policy.counting, address, edge.now())?;
        if request.method == "OPTIONS" {
            record.outcome = Outcome::Preflight;
            return Ok(Passage::Preflight);
        }

        // 7. token
        record.stage = Stage::Token;
        let (Some(authentication), Some(ttl)) =
            (&policy.authentication, policy.one_time.ticket_ttl)
        else {
            return Err(Reason::NoRoute.because("the route has no tickets"));
        };
        let identity = authentication.check_plain(edge, request, record).await?;
        record.note_identity(&identity);
        let accepted_until = policy.one_time.accepted_until(&identity);
        if policy.one_time.rejects_replay {
            // It is used up at the upgrade; here it must only be one that can be.
            Use::of(&identity, accepted_until)?;
        }

        // 9. counters
        record.stage = Stage::Counters;
        let client = Client {
            address,
            user: None,
            opens: false,
        };
        self.admit(edge, &policy.counting, client, None, record, told)
            .await?;
        let ticket = Ticket::from_random(edge.random());
        let now = edge.now();
        let until = accepted_until.min(now + ttl);
        let bounds = Bounds {
            address,
            origin,
            route: route.pattern.clone(),
        };
        let grant = Grant {
            identity,
            alg: record.alg.clone(),
            kid: record.kid.clone(),
        };
        let call = OnceCall {
            name: ticket.name(),
            question: Question::keep(until, grant.store(bounds)),
            timeout: policy.counting.timeout,
        };
        keep(edge, &call).await?;
        record.outcome = Outcome::Issued;
        Ok(Passage::Ticket {
            body: ticket.answer(until.since(now)),
        })
    }

    /// What an answer of an endpoint needs beside, for a page of an allowed origin to read it.
    pub fn cors(&self, request: &Request<'_>, place: &Place<'_>) -> Vec<(&'static str, String)> {
        let Place::Ticket { route, .. } = place else {
            return Vec::new();
        };
        let Policy {
            origins,
            authentication,
            ..
        } = &route.policy;
        let takes_cookies = authentication
            .as_ref()
            .is_some_and(Authentication::takes_cookies);
        cors::headers(origins, takes_cookies, request)
    }
}
