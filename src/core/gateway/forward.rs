//! Step 10: a request that passed every check goes on to the server.

use super::admission::Socket;
use super::attempt::{Attempt, Found};
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use crate::policy::Policy;
use crate::record::{Outcome, Stage};
use crate::relay::first_message::Opened;
use crate::relay::{RelayMode, SocketLimits};
use crate::response::reason::{Reason, Rejection};
use crate::token::Authenticated;
use crate::upstream::assertion::Assertion;
use crate::upstream::{Facts, Forward, Offer};
use crate::util::time::Timestamp;

impl<'a, P: Platform> Attempt<'a, P> {
    pub async fn forward(&mut self, permit: Permit<Socket<'a>>) -> Result<Passage<P>, Rejection> {
        self.enter(Stage::Forward);
        let Socket {
            found,
            handshake,
            authenticated,
            is_verified,
        } = permit.into_inner();
        let policy = &found.route.policy;
        let changes = self.header_changes(found, &authenticated, is_verified)?;
        let channels = self.commit();
        let mut offer = Offer::new(handshake, &authenticated);
        let opened = self.opened.take();
        // Only what the client was answered with already.
        offer.is_changed |= opened.is_some();
        let mut forward = Forward::upgrade(
            policy.upstream.destination(&found.parameters),
            policy.upstream_timeout,
            self.request,
            &self.record.request_id,
            &authenticated,
            &offer,
        );
        self.assert(found, &authenticated, &mut forward);
        forward.change(changes);
        let sent = self.platform.forward(&forward).await;
        let (reply, upstream) = sent.map_err(|failure| policy.upstream.explain(failure.into()))?;
        let judged = reply.judge(&offer).and_then(|protocol| match &opened {
            Some(Opened {
                protocol: answered @ Some(_),
                ..
            }) if *answered != protocol => Err(Reason::UpstreamRefused
                .because("the upstream did not choose the subprotocol that the client was answered")
                .by("FIRST_MESSAGE_PROTOCOLS")),
            _ => Ok(protocol),
        });
        match judged {
            Ok(protocol) => {
                self.record.outcome = Outcome::Admitted;
                Ok(Passage::Socket {
                    upstream,
                    protocol,
                    limits: policy
                        .limits(&authenticated, &offer, self.platform.now())
                        .map(|limits| limits.reported(self.only_reports)),
                    channels,
                    opened,
                })
            }
            Err(rejection) => {
                self.platform.discard(upstream);
                Err(policy.upstream.explain(rejection))
            }
        }
    }

    /// What `UPSTREAM_HEADERS` makes of a request that goes on to the server, verified or only
    /// reported.
    pub fn header_changes(
        &self,
        found: Found<'a>,
        authenticated: &Authenticated,
        is_verified: bool,
    ) -> Result<Vec<(&'a str, Option<String>)>, Rejection> {
        if !is_verified {
            return self.unchecked_headers(found);
        }
        match self.upstream_headers(found, authenticated) {
            // A missing value was reported before.
            Err(_) if self.finding.is_some() => self.unchecked_headers(found),
            changes => changes,
        }
    }

    /// What `UPSTREAM_HEADERS` makes of a request that passed step 7: names and values, `None` to
    /// remove a header. A request that lacks what a value needs is refused.
    pub fn upstream_headers(
        &self,
        found: Found<'a>,
        authenticated: &Authenticated,
    ) -> Result<Vec<(&'a str, Option<String>)>, Rejection> {
        let policy = &found.route.policy;
        if policy.upstream_headers.is_empty() {
            return Ok(Vec::new());
        }
        let to = policy.upstream.destination(&found.parameters);
        let facts = Facts::of(authenticated, &found.parameters, &to, &self.request.url);
        policy.upstream_headers.fill(&facts)
    }

    /// Adds the assertion, if the route signs any.
    pub fn assert(
        &self,
        found: Found<'_>,
        authenticated: &Authenticated,
        forward: &mut Forward<'_>,
    ) {
        let policy = &found.route.policy;
        if let Some(key) = &policy.assertion_key {
            let assertion = Assertion {
                audience: &policy.upstream.audience(),
                identity: authenticated.identity.as_ref(),
                address: self.request.address.ip(),
                route: self.record.route.as_deref(),
                request_id: &self.record.request_id,
            };
            forward.assert(key.sign(&assertion, self.platform.now()));
        }
    }
}

impl Policy {
    /// The limits of a socket that is opened now; `None` if it passes natively.
    fn limits(
        &self,
        authenticated: &Authenticated,
        offer: &Offer,
        now: Timestamp,
    ) -> Option<SocketLimits> {
        let RelayMode::Inspect(limits) = &self.relay else {
            return None;
        };
        let identity = authenticated.identity.as_ref();
        let accepted_until = identity.map(|identity| self.one_time.accepted_until(identity));
        Some(limits.for_socket(accepted_until, offer.knows_the_gate, now))
    }
}
