//! The journey of a request: every check in its order, the cheapest first, and the first that
//! fails decides.

mod admin;
mod admission;
mod attempt;
mod background;
mod checks;
mod cors;
mod dispatch;
mod explain;
mod first_message;
mod forward;
mod gate;
mod leases;
mod ledger_calls;
mod limits;
mod metrics;
mod observation;
mod one_time;
mod passage;
mod permit;
mod plain;
pub mod platform;
mod questions;
mod refresh;
mod refusals;
mod registration;
mod responses;
mod route_limit;
mod tickets;
mod token;
mod undenied;

use std::pin::Pin;

use crate::checks::origin::Origin;
use crate::checks::transport;
use crate::config::ConfigError;
use crate::record::{Outcome, Record, Stage};
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use attempt::Attempt;
use checks::{Form, Purpose};
use permit::Permits;
use platform::Platform;

pub use dispatch::{Endpoint, Place};
pub use gate::Gate;
pub use passage::Passage;

impl Gate {
    /// Steps 1 to 10. The caller turns the result into a response, sets its headers (11) and logs
    /// the record (12).
    pub async fn journey<P: Platform>(
        &self,
        platform: &P,
        request: &Request<'_>,
        place: &Place<'_>,
        record: &mut Record,
    ) -> Result<Passage<P>, Rejection> {
        let mut attempt = Attempt::new(self, platform, request, place, record);
        let result = apart(attempt.steps()).await;
        attempt.conclude(&result);
        result
    }
}

/// A future in a place of its own. What few requests wait for is kept out of the future of all,
/// whose code is compiled by the first and whose memory is moved by each. The steps of all are kept
/// out of each other's, because V8 takes several times as long to optimise one large function.
#[inline(never)]
fn apart<'a, T>(work: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(work)
}

impl<P: Platform> Attempt<'_, P> {
    async fn steps(&mut self) -> Result<Passage<P>, Rejection> {
        let origin = self.request.headers.get("origin");
        let origin = origin.as_deref().map(Origin::for_the_record);
        self.record.note_origin(origin.as_deref());

        // 1. configuration
        let site = match (&self.gate.site, self.place) {
            (Ok(site), _) => site,
            (Err(_), Place::Endpoint(Endpoint::Health)) => {
                return Ok(Passage::Health { is_healthy: false });
            }
            (Err(errors), _) => return Err(Reason::Misconfigured.because(first_of(errors))),
        };

        // 2. transport
        self.enter(Stage::Transport);
        let require_tls = match self.place.route() {
            Some((_, route)) => route.policy.require_tls,
            None => site.elsewhere.require_tls,
        };
        self.heed(transport::check(require_tls, self.request))?;

        // 3. route
        self.enter(Stage::Route);
        self.record.route = self.place.route().map(|(_, route)| route.pattern.clone());
        let purpose = match self.place {
            Place::Route(found) => Purpose::Upgrade(found),
            Place::Ticket(found) => Purpose::Ticket(found),
            Place::Refresh(found) => Purpose::Refresh(found),
            Place::Admin(all) => Purpose::Administration(all),
            Place::Endpoint(Endpoint::Health) => return Ok(Passage::Health { is_healthy: true }),
            Place::Endpoint(Endpoint::Dashboard) => return Ok(Passage::Dashboard),
            Place::Endpoint(Endpoint::KeySet) => {
                let json = site.key_set();
                return Ok(Passage::KeySet { json });
            }
            Place::Unserved(miss) => return self.refuse_unserved(site, *miss),
            Place::Nowhere(miss) => return Err((*miss).into()),
        };

        // 4. handshake
        let form = self.check_form(purpose)?;
        if let Form::Unchecked(found) = form {
            return apart(self.forward_plain(found)).await;
        }

        // 5. origin
        let origin = self.check_origin(&form)?;

        // 6. bans and exhausted quotas already known here
        let known = self.check_known(&form, site)?;
        let claimant = match form {
            Form::Credential(claimant) => claimant,
            Form::ServersPreflight(found) => return apart(self.forward_preflight(found)).await,
            Form::Preflight(_) | Form::Unchecked(_) => {
                self.record.outcome = Outcome::Preflight;
                return Ok(Passage::Preflight);
            }
        };

        // 7. token
        let caller = apart(self.check_token(claimant)).await?;

        // 8. permission
        let permitted = self.check_permission(caller)?;

        // 9. quotas and sockets, what can be used once, and the registry
        let admitted = apart(self.admit(permitted)).await?;

        // 10. forward, or what an endpoint does
        match Permits::new(origin, known, admitted) {
            Permits::Forward(permit) => apart(self.forward(permit)).await,
            Permits::ForwardPlain(permit) => apart(self.forward_guarded(permit)).await,
            Permits::IssueTicket(permit) => apart(self.issue_ticket(permit)).await,
            Permits::Refresh(permit) => apart(self.refresh(permit)).await,
            Permits::Administer(permit) => apart(self.administer(permit, site)).await,
        }
    }
}

/// The first of the errors that make the settings unsound, and how many more the log lists.
fn first_of(errors: &[ConfigError]) -> String {
    match errors {
        [] => "see the list in the log".into(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first} ({} more in the log)", others.len()),
    }
}
