//! `/_portcullis/ticket`: a one-time ticket for who shows a token.

use super::checks::{Caller, Purpose};
use super::limits::{Client, Reservations};
use super::one_time::keep;
use super::{Gate, Passage, Platform};
use crate::checks::origin::Origin;
use crate::one_time::ticket::{Bounds, Grant, Ticket};
use crate::policy::Route;
use crate::record::{Outcome, Record, Stage};
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};

impl Gate {
    /// Steps 4 to 9 under the settings of the route that the ticket is asked for. Permission is
    /// left to the upgrade, for it may depend on the path.
    pub(super) async fn issue<E: Platform>(
        &self,
        platform: &E,
        request: &Request<'_>,
        route: &Route,
        record: &mut Record,
        reservations: &mut Reservations<E::Channel>,
    ) -> Result<Passage<E>, Rejection> {
        // 4 to 7
        let policy = &route.policy;
        let caller = self
            .caller(platform, request, policy, Purpose::Ticket, record)
            .await?;
        let identity = match caller {
            Caller::Known(identity) => identity,
            Caller::Preflight => return Ok(Passage::Preflight),
        };
        let Some(ttl) = policy.one_time.ticket_ttl else {
            return Err(Reason::NoRoute.because("the route has no tickets"));
        };

        // 9. counters
        record.stage = Stage::Counters;
        let address = request.address.key(policy.counting.ipv6_prefix);
        let client = Client {
            address,
            user: None,
            opens: false,
        };
        self.admit(
            platform,
            &policy.counting,
            client,
            None,
            record,
            reservations,
        )
        .await?;
        let ticket = Ticket::from_random(platform.random());
        let now = platform.now();
        let until = policy.one_time.accepted_until(&identity).min(now + ttl);
        let origin = request.headers.get("origin");
        let bounds = Bounds {
            address,
            origin: origin.as_deref().and_then(Origin::canonical),
            route: route.pattern.clone(),
        };
        let grant = Grant {
            identity,
            alg: record.alg.clone(),
            kid: record.kid.clone(),
        };
        let content = grant.store(bounds);
        keep(platform, &ticket, (until, content), &policy.counting).await?;
        record.outcome = Outcome::Issued;
        Ok(Passage::Json {
            json: ticket.answer(until.since(now)),
        })
    }
}
