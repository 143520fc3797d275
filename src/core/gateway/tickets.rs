//! `POST /_portcullis/ticket`: issues a one-time ticket for a token.

use super::attempt::Attempt;
use super::checks::TokenHolder;
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use crate::one_time::ticket::{Grant, Ticket};
use crate::record::Outcome;
use crate::response::reason::{Reason, Rejection};

impl<'a, P: Platform> Attempt<'a, P> {
    pub async fn issue_ticket(
        &mut self,
        permit: Permit<TokenHolder<'a>>,
    ) -> Result<Passage<P>, Rejection> {
        let TokenHolder {
            found,
            identity,
            token,
            ..
        } = permit.into_inner();
        let policy = &found.route.policy;
        let Some(ttl) = policy.one_time.ticket_ttl else {
            return Err(Reason::NoRoute.because("the route has no tickets"));
        };
        let ticket = Ticket::from_random(self.platform.random());
        let now = self.platform.now();
        let until = policy.one_time.accepted_until(&identity).min(now + ttl);
        let grant = Grant {
            identity,
            token,
            alg: self.record.alg.clone(),
            kid: self.record.kid.clone(),
        };
        let content = grant.store(self.bounds(found), policy.one_time.ticket_binding);
        self.counters(&policy.counting)
            .keep(&ticket, until, content)
            .await?;
        self.record.outcome = Outcome::Issued;
        Ok(Passage::Json {
            json: ticket.answer(until.since(now)),
        })
    }
}
