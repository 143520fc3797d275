//! What can be used once: tickets at steps 7 and 9, and the `jti` of a token at step 9.

use super::attempt::{Attempt, Found};
use super::limits::{Admission, Counters, Lapses};
use super::platform::{OneTimeCall, Platform};
use super::token::{CountRule, Obstacle, Progress, TokenRuntime};
use crate::checks::handshake::Handshake;
use crate::checks::origin::Origin;
use crate::one_time::jti::TokenUse;
use crate::one_time::store::{StoreRequest, StoreResponse};
use crate::one_time::ticket::{Binding, Bounds, Grant, Ticket};
use crate::policy::Policy;
use crate::record::{Record, Stage};
use crate::request::Request;
use crate::response::reason::{Reason, Rejection};
use crate::token::{Authenticated, Credential, TokenConflict, Verdict};
use crate::util::time::Timestamp;

/// Who asks for a socket, as far as step 7 knows.
pub(super) enum Bearer {
    Verified {
        authenticated: Authenticated,
        /// The ledger that counts the user, if users are counted.
        user: Option<String>,
    },
    /// Its owner is known when it is spent.
    Ticket {
        ticket: Ticket,
        /// A token that was sent along and does not count.
        beside: Option<Credential>,
    },
    /// Nobody is known, which is only reported. No server may see what was shown.
    Unverified(Option<Credential>),
}

impl<'a, P: Platform> Attempt<'a, P> {
    /// Step 7 of an upgrade: verifies the token, or reads the ticket in its place. A ticket next to
    /// a token could be somebody else's: it is refused, unless the settings let the first credential
    /// decide. A ticket comes before all tokens then: no browser sends it by itself.
    pub async fn identify(
        &mut self,
        found: Found<'a>,
        handshake: &mut Handshake,
    ) -> Result<Bearer, Rejection> {
        let policy = &found.route.policy;
        let Some(authentication) = &policy.authentication else {
            return Ok(Bearer::Verified {
                authenticated: Authenticated::default(),
                user: None,
            });
        };
        let protocols = &handshake.protocols;
        if policy.one_time.ticket_ttl.is_some()
            && let Some(ticket) = Ticket::find(self.request)?
        {
            let beside = authentication.find(self.request, protocols)?;
            if beside.is_some() && authentication.on_conflict == TokenConflict::Refuse {
                return Err(Reason::AmbiguousToken.because("a ticket and a token"));
            }
            return Ok(Bearer::Ticket { ticket, beside });
        }
        let key = handshake.key;
        let runtime = self.token_runtime(policy, Admission::Socket { key });
        let mut credential = authentication.find(self.request, protocols);
        if let (Ok(None), Some(awaited)) = (&credential, &policy.first_message) {
            let message = self.await_first_message(found, handshake, authentication, awaited);
            // In a box, so that no other upgrade carries it along.
            credential = Ok(Box::pin(message).await?);
        }
        let verdict = authentication.check(&runtime, credential).await;
        let authenticated = self.take_verdict(verdict, runtime.into_progress())?;
        if let Some(identity) = &authenticated.identity {
            self.record.note_identity(identity);
        }
        // A token that can't be admitted at all is refused before any object is asked.
        self.heed(policy.token_use(&authenticated).map(drop))?;
        let user = self.counting(policy).user_ledger(&authenticated);
        let user = self.heed_or(user, || None)?;
        Ok(Bearer::Verified {
            authenticated,
            user,
        })
    }

    /// The runtime that verifies the token of this attempt.
    pub fn token_runtime(&self, policy: &'a Policy, admission: Admission) -> TokenRuntime<'a, P> {
        let counting = self.counting(policy);
        let rule = match (self.only_reports, &self.finding) {
            (false, _) => CountRule::Enforced,
            (true, None) => CountRule::Reported,
            (true, Some(_)) => CountRule::Waived,
        };
        let counters = self.counters(counting);
        TokenRuntime::new(counters, self.address(counting), admission, rule)
    }

    /// Takes what verification found, and what was done on the way to a provider.
    pub fn take_verdict<T>(
        &mut self,
        verdict: Verdict<T>,
        progress: Progress<P::Channel>,
    ) -> Result<T, Rejection> {
        let Progress {
            is_counted,
            held,
            lapses,
            reported,
            obstacle,
        } = progress;
        self.is_counted |= is_counted;
        self.reservations.ledgers.channels.extend(held.channels);
        self.record.note_lapses(lapses);
        if let Some(rejection) = reported {
            let reached = self.record.stage;
            self.enter(Stage::Counters);
            self.heed(Err(rejection))?;
            self.enter(reached);
        }
        let result = self.record.note_verdict(verdict);
        match (obstacle, result) {
            (Obstacle::Refused(rejection), _) => {
                self.enter(Stage::Counters);
                Err(rejection)
            }
            // Nobody can tell whether the token is valid.
            (Obstacle::TooManyQuestions(rejection), Err(_)) => Err(rejection),
            (Obstacle::None | Obstacle::TooManyQuestions(_), result) => Ok(result?),
        }
    }

    /// What a ticket is bound to, for this request to that route.
    pub fn bounds(&self, found: Found<'_>) -> Bounds {
        let origin = self.request.headers.get("origin");
        Bounds {
            address: self.address(&found.route.policy.counting),
            origin: origin.as_deref().and_then(Origin::canonical),
            route: found.route.pattern.clone(),
            rules: found.route.policy.one_time.ticket_rules.clone(),
        }
    }
}

impl Policy {
    /// What an upgrade showed whose token or ticket is not accepted, with every place of it.
    pub(super) fn unaccepted(
        &self,
        request: &Request<'_>,
        handshake: &Handshake,
    ) -> Option<Credential> {
        let sources = self.authentication.iter().flat_map(|it| &it.sources);
        let ticket = self.one_time.ticket_ttl.map(|_| Ticket::source());
        let sources: Vec<_> = sources.cloned().chain(ticket).collect();
        Credential::unaccepted(&sources, request, &handshake.protocols)
    }

    /// The one admission of a token, where `jti`s are admitted once.
    pub(super) fn token_use(
        &self,
        authenticated: &Authenticated,
    ) -> Result<Option<TokenUse>, Rejection> {
        let identity = authenticated.identity.as_ref();
        identity
            .filter(|_| self.one_time.rejects_replay)
            .map(|identity| TokenUse::of(identity, self.one_time.accepted_until(identity)))
            .transpose()
    }
}

impl<P: Platform> Counters<'_, P> {
    /// Spends a ticket. Without an answer nobody knows whose it is, so every failure refuses. A
    /// ticket that is shown outside its bounds is spent as well: it has leaked.
    pub async fn spend(
        &self,
        ticket: &Ticket,
        (bounds, binding): (&Bounds, Binding),
        record: &mut Record,
    ) -> Result<Authenticated, Rejection> {
        let call = OneTimeCall {
            name: ticket.name(),
            request: StoreRequest::Take,
            timeout: self.counting.timeout,
        };
        let grant = match self.platform.ask_one_time(&call).await {
            Ok(StoreResponse::Given(content)) => Grant::redeem(&content, bounds, binding)?,
            Ok(_) => {
                let unknown = "the ticket is unknown, spent or expired";
                return Err(Reason::TokenUnusable.because(unknown).by("TICKET_TTL"));
            }
            Err(failure) => return Err(self.unavailable(failure)),
        };
        (record.alg, record.kid) = (grant.alg, grant.kid);
        record.note_identity(&grant.identity);
        Ok(Authenticated {
            identity: Some(grant.identity),
            token: Some(grant.token),
            // The caller knows where it was, and what was beside it.
            credential: None,
        })
    }

    /// Admits a `jti` once, or does what the failure policy says.
    pub async fn admit_once(&self, token_use: TokenUse) -> Result<Lapses, Rejection> {
        let call = OneTimeCall {
            name: self.counting.object_name(token_use.name),
            request: StoreRequest::keep(token_use.until, String::new()),
            timeout: self.counting.timeout,
        };
        let failure = match self.platform.ask_one_time(&call).await {
            Ok(StoreResponse::Kept) => return Ok(Lapses::new()),
            Ok(StoreResponse::Exists) => {
                let before = "the jti was admitted before";
                return Err(Reason::TokenUnusable.because(before).by("JWT_REPLAY"));
            }
            Ok(other) => format!("it answered {other:?}"),
            Err(failure) => failure,
        };
        let failure = format!("the object of the jti: {failure}");
        self.registry_lapse("uncounted", failure)
    }

    /// Keeps what a new ticket is worth, until a time.
    pub async fn keep(
        &self,
        ticket: &Ticket,
        until: Timestamp,
        content: String,
    ) -> Result<(), Rejection> {
        let call = OneTimeCall {
            name: ticket.name(),
            request: StoreRequest::keep(until, content),
            timeout: self.counting.timeout,
        };
        let failure = match self.platform.ask_one_time(&call).await {
            Ok(StoreResponse::Kept) => return Ok(()),
            Ok(other) => format!("the object of the ticket answered {other:?}"),
            Err(failure) => failure,
        };
        Err(self.unavailable(failure))
    }
}
