//! Requests that are not upgrades, where `PLAIN_HTTP` lets them through: unchecked, or under the
//! checks of an upgrade.

use super::attempt::{Attempt, Found};
use super::limits::Admission;
use super::passage::Passage;
use super::permit::Permit;
use super::platform::Platform;
use crate::checks::plain_origin;
use crate::one_time::ticket;
use crate::record::{Outcome, Stage};
use crate::request::Request;
use crate::response::reason::Rejection;
use crate::token::{Authenticated, Authentication, Credential};
use crate::upstream::{Facts, Forward};

/// A plain request that is guarded, from step 7 on.
pub(super) struct PlainRequest<'a> {
    pub found: Found<'a>,
    pub authenticated: Authenticated,
    /// False if no credential was verified and report mode let the request through.
    pub is_verified: bool,
    /// The ledger that counts the user, if users are counted.
    pub user: Option<String>,
}

/// Whether a request is a preflight: a browser asks what a page of another origin may send (Fetch
/// §4.8). It carries no credential, so only the server can answer it.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    request.method == "OPTIONS"
        && request.headers.get("origin").is_some()
        && request
            .headers
            .get("access-control-request-method")
            .is_some()
}

impl<'a, P: Platform> Attempt<'a, P> {
    /// Step 5 for a guarded request.
    pub fn check_plain_origin(&self, found: Found<'_>) -> Result<(), Rejection> {
        let policy = &found.route.policy;
        let authentication = policy.authentication.as_ref();
        let has_cookies = authentication.is_some_and(Authentication::takes_cookies)
            && self.request.headers.get("cookie").is_some();
        plain_origin::check(&policy.origins, self.request, has_cookies)
    }

    /// Step 7 for a guarded request: its token. A ticket opens a socket and nothing else.
    pub async fn identify_plain(
        &mut self,
        found: Found<'a>,
    ) -> Result<PlainRequest<'a>, Rejection> {
        let policy = &found.route.policy;
        let identified = match &policy.authentication {
            None => Ok((Authenticated::default(), None)),
            Some(authentication) => {
                let runtime = self.token_runtime(policy, Admission::Request);
                let credential = authentication.find(self.request, &[]);
                let verdict = authentication.check(&runtime, credential).await;
                self.accept(policy, verdict, runtime.into_progress())
            }
        };
        let is_verified = identified.is_ok();
        let request = self.request;
        let (authenticated, user) = self.heed_or(identified, || {
            let sources = policy.authentication.iter().flat_map(|own| &own.sources);
            let sources: Vec<_> = sources.cloned().collect();
            // The server must not see the credential, not even one that can't be read as a token.
            let credential = Credential::unaccepted(&sources, request, &[]);
            (Authenticated::nobody(credential), None)
        })?;
        Ok(PlainRequest {
            found,
            authenticated,
            is_verified,
            user,
        })
    }

    /// Step 9 for a guarded request: the counters and the registry. It takes no slot.
    pub async fn admit_plain(&mut self, request: &mut PlainRequest<'a>) -> Result<(), Rejection> {
        // A request that an earlier check would have refused counts against nobody.
        if self.finding.is_none() {
            let counting = self.counting(&request.found.route.policy);
            // Without a quota there is nothing to count, because no slot is taken.
            let user = request.user.take();
            let user = user.filter(|_| counting.user.limits.quota.is_some());
            let counted = self.count(request.found, Admission::Request, user).await;
            self.heed(counted)?;
        }
        let judged = self.judge(request.found, &request.authenticated).await;
        self.heed(judged)
    }

    /// Step 10 for a guarded request.
    pub async fn forward_guarded(
        &mut self,
        permit: Permit<PlainRequest<'a>>,
    ) -> Result<Passage<P>, Rejection> {
        self.enter(Stage::Forward);
        let PlainRequest {
            found,
            authenticated,
            is_verified,
            ..
        } = permit.into_inner();
        let changes = self.header_changes(found, &authenticated, is_verified)?;
        self.commit();
        let policy = &found.route.policy;
        let mut forward = Forward::guarded(
            policy.upstream.destination(&found.parameters),
            policy.upstream_timeout,
            self.request,
            &self.record.request_id,
            &authenticated,
        );
        keep_ticket_back(found, &mut forward);
        self.assert(found, &authenticated, &mut forward);
        forward.change(changes);
        self.pass_plain(found, &forward).await
    }

    /// Counts a preflight against its address and passes it on, without anything that could
    /// authenticate it.
    pub async fn forward_preflight(&mut self, found: Found<'a>) -> Result<Passage<P>, Rejection> {
        self.enter(Stage::Counters);
        // What would have been refused before is counted against nobody.
        if self.finding.is_none() {
            let counted = self.admit_request(found).await;
            self.heed(counted)?;
        }
        self.enter(Stage::Forward);
        let policy = &found.route.policy;
        let sources = policy.authentication.as_ref().map(|own| &own.sources[..]);
        let mut forward = Forward::preflight(
            policy.upstream.destination(&found.parameters),
            policy.upstream_timeout,
            self.request,
            &self.record.request_id,
            sources.unwrap_or_default(),
        );
        keep_ticket_back(found, &mut forward);
        forward.change(self.unchecked_headers(found)?);
        self.pass_plain(found, &forward).await
    }

    /// Passes on a plain request on a route that proxies them. Nothing is checked after step 4.
    pub async fn forward_plain(&mut self, found: Found<'a>) -> Result<Passage<P>, Rejection> {
        self.enter(Stage::Forward);
        let policy = &found.route.policy;
        let mut forward = Forward::plain(
            policy.upstream.destination(&found.parameters),
            policy.upstream_timeout,
            self.request,
            &self.record.request_id,
        );
        forward.change(self.unchecked_headers(found)?);
        self.pass_plain(found, &forward).await
    }

    /// The changes that `UPSTREAM_HEADERS` makes to a request that was not checked.
    pub fn unchecked_headers(
        &self,
        found: Found<'a>,
    ) -> Result<Vec<(&'a str, Option<String>)>, Rejection> {
        let policy = &found.route.policy;
        let to = policy.upstream.destination(&found.parameters);
        let nobody = Authenticated::default();
        let facts = Facts::of(&nobody, &found.parameters, &to, &self.request.url);
        policy.upstream_headers.fill_unchecked(&facts)
    }

    async fn pass_plain(
        &mut self,
        found: Found<'_>,
        forward: &Forward<'_>,
    ) -> Result<Passage<P>, Rejection> {
        let upstream = &found.route.policy.upstream;
        let sent = self.platform.forward(forward).await;
        let (_, upstream) = sent.map_err(|failure| upstream.explain(failure.into()))?;
        self.record.outcome = Outcome::Proxied;
        Ok(Passage::Plain { upstream })
    }
}

/// Removes a ticket from the target: only an upgrade spends one, and no server sees it.
fn keep_ticket_back(found: Found<'_>, forward: &mut Forward<'_>) {
    if found.route.policy.one_time.ticket_ttl.is_some() {
        forward.drop_parameter(ticket::PARAMETER);
    }
}
