//! The journey of a request: every check in its order, the cheapest first, and the first that
//! fails decides.

use std::cell::RefCell;
use std::time::Duration;

use crate::client::AddressKey;
use crate::config::{ConfigError, OnLimiterFailure, PlainHttp, Policy, Settings};
use crate::exhausted::Exhausted;
use crate::handshake::{Handshake, Key};
use crate::ledger::{Answer, Attempt};
use crate::record::{Outcome, Record, Stage};
use crate::rejection::{Reason, Rejection, insecure};
use crate::request::Request;
use crate::route::{Endpoint, Route};
use crate::security_headers::SecurityHeaders;
use crate::time::Timestamp;
use crate::token::Authenticated;
use crate::upstream::{Forward, Offer, Reply, UpstreamFailure};

/// What an isolate keeps: the policy, and what it learned of exhausted quotas.
pub struct Gate {
    policy: Result<Policy, Vec<ConfigError>>,
    exhausted: RefCell<Exhausted>,
}

/// What only a runtime can do.
pub trait Edge {
    /// The upstream's answer, not yet passed on.
    type Upstream;

    /// The time now.
    fn now(&self) -> Timestamp;

    /// Asks a ledger. The error is for the log.
    fn ask(&self, call: &LedgerCall) -> impl Future<Output = Result<Answer, String>>;

    /// Sends the request on, without following redirects.
    fn forward(
        &self,
        forward: &Forward<'_>,
    ) -> impl Future<Output = Result<(Reply, Self::Upstream), UpstreamFailure>>;

    /// Lets go of an answer that is not passed on, so that the upstream keeps nothing open for it.
    fn discard(&self, upstream: Self::Upstream);
}

/// A question to the ledger of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerCall {
    pub address: AddressKey,
    pub attempt: Attempt,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
}

/// How a request passed.
pub enum Passage<U> {
    /// The upstream accepted the socket; answer with this subprotocol.
    Socket {
        upstream: U,
        protocol: Option<String>,
    },
    /// A plain request's answer.
    Plain { upstream: U },
    /// `GET /_portcullis/health`.
    Health { is_healthy: bool },
}

/// Every check passed. Only [`Gate::journey`] can make one, and only it can be forwarded.
struct Permit {
    authenticated: Authenticated,
    offer: Offer,
}

impl Gate {
    pub fn new(settings: &Settings) -> Self {
        Self {
            policy: Policy::read(settings),
            exhausted: RefCell::default(),
        }
    }

    /// What to log once per isolate: all configuration errors, or all warnings.
    pub fn remarks(&self) -> Vec<String> {
        match &self.policy {
            Ok(policy) => policy.warnings.clone(),
            Err(errors) => errors.iter().map(ConfigError::to_string).collect(),
        }
    }

    /// Whether every setting is right.
    pub fn is_configured(&self) -> bool {
        self.policy.is_ok()
    }

    /// What step 11 stamps on the answer; the defaults where the configuration is unsound.
    pub fn security_headers(&self) -> SecurityHeaders {
        match &self.policy {
            Ok(policy) => policy.security_headers.clone(),
            Err(_) => SecurityHeaders::default(),
        }
    }

    /// Steps 1 to 10 of the contract's §2. The caller turns the result into an answer, stamps it
    /// (11) and logs the record (12).
    pub async fn journey<E: Edge>(
        &self,
        edge: &E,
        request: &Request<'_>,
        record: &mut Record,
    ) -> Result<Passage<E::Upstream>, Rejection> {
        let route = Route::find(request);
        let origin = request.headers.get("origin");
        record.note_origin(origin.as_deref());

        // 1. configuration
        let policy = match &self.policy {
            Ok(policy) => policy,
            Err(_) if route == Route::Endpoint(Endpoint::Health) => {
                return Ok(Passage::Health { is_healthy: false });
            }
            Err(_) => return Err(Reason::Misconfigured.because("see the list in the log")),
        };

        // 2. transport
        record.stage = Stage::Transport;
        if policy.require_tls && !request.url.is_tls() {
            return Err(insecure(request));
        }

        // 3. route
        record.stage = Stage::Route;
        match route {
            Route::Upstream { pattern } => record.route = Some(pattern),
            Route::Endpoint(Endpoint::Health) => return Ok(Passage::Health { is_healthy: true }),
            Route::Nowhere => return Err(Reason::NoRoute.because("no such endpoint")),
        }

        // 4. handshake
        record.stage = Stage::Handshake;
        if !request.asks_for_websocket() {
            return match policy.plain_http {
                PlainHttp::Reject => {
                    Err(Reason::UpgradeRequired.because("Upgrade does not name websocket"))
                }
                PlainHttp::Proxy => pass_plain(edge, policy, request, record).await,
            };
        }
        let handshake = Handshake::read(request)?;

        // 5. origin
        record.stage = Stage::Origin;
        policy.origins.check(origin.as_deref())?;

        // 6. quotas known to be exhausted
        record.stage = Stage::Known;
        let address = request.address.key();
        self.exhausted
            .borrow()
            .check(address, policy.terms.quota, edge.now())?;

        // 7. token
        record.stage = Stage::Token;
        let authenticated = match &policy.authentication {
            None => Authenticated::default(),
            Some(authentication) => {
                let mut seen = None;
                let checked =
                    authentication.check(request, &handshake.protocols, edge.now(), &mut seen);
                if let Some(header) = seen {
                    record.note_token(header);
                }
                checked?
            }
        };
        if let Some(identity) = &authenticated.identity {
            record.note_identity(identity);
        }

        // 9. counters
        record.stage = Stage::Counters;
        self.admit(edge, policy, address, handshake.key, record)
            .await?;

        // 10. forward
        record.stage = Stage::Forward;
        let permit = Permit {
            offer: Offer::new(handshake, &authenticated),
            authenticated,
        };
        pass_upgrade(edge, policy, request, record, permit).await
    }

    /// Step 9: one call to the address's ledger, or what the failure policy says.
    async fn admit<E: Edge>(
        &self,
        edge: &E,
        policy: &Policy,
        address: AddressKey,
        key: Key,
        record: &mut Record,
    ) -> Result<(), Rejection> {
        let terms = policy.terms;
        if !terms.need_a_ledger() {
            return Ok(());
        }
        let timeout = policy.limiter_timeout;
        let call = LedgerCall {
            address,
            attempt: Attempt {
                terms,
                key: Some(key),
            },
            timeout,
        };
        match edge.ask(&call).await {
            Ok(answer) => {
                self.learn(address, &answer, edge.now());
                match (answer, terms.quota) {
                    (Answer::Counted { .. }, _) => Ok(()),
                    (Answer::Replayed { .. }, _) => {
                        Err(Reason::ReplayedKey.because("the address used this key before"))
                    }
                    (Answer::Limited { wait }, Some(quota)) => {
                        Err(Reason::RateLimited { quota, wait }.because("the ledger's answer"))
                    }
                    // Without a quota only a full ledger limits.
                    (Answer::Limited { wait }, None) => {
                        Err(Reason::LimiterUnavailable { retry_after: wait }
                            .because("the ledger is full"))
                    }
                }
            }
            Err(failure) => match policy.on_limiter_failure {
                OnLimiterFailure::Reject => Err(Reason::LimiterUnavailable {
                    retry_after: timeout,
                }
                .because(failure)),
                OnLimiterFailure::Admit => {
                    record.cause = Some(format!("admitted uncounted: {failure}"));
                    Ok(())
                }
            },
        }
    }

    /// Every attempt counts, refused ones too, but nobody waits for that: what to tell the ledger
    /// behind the answer, if anything. An address that is known to have used up its quota is
    /// refused whether counted or not.
    pub fn uncounted(
        &self,
        request: &Request<'_>,
        reached: Stage,
        now: Timestamp,
    ) -> Option<LedgerCall> {
        let policy = self.policy.as_ref().ok()?;
        let terms = policy.terms;
        let address = request.address.key();
        let was_counted = matches!(reached, Stage::Counters | Stage::Forward);
        let is_known = || self.exhausted.borrow().wait(address, now).is_some();
        (terms.quota.is_some() && !was_counted && !is_known() && request.asks_for_websocket())
            .then_some(LedgerCall {
                address,
                attempt: Attempt { terms, key: None },
                timeout: policy.limiter_timeout,
            })
    }

    /// Remembers what a ledger's answer says of the attempts to come.
    pub fn learn(&self, address: AddressKey, answer: &Answer, now: Timestamp) {
        let wait = match answer {
            Answer::Limited { wait } => wait,
            Answer::Counted { exhausted_for } | Answer::Replayed { exhausted_for } => exhausted_for,
        };
        self.exhausted.borrow_mut().note(address, *wait, now);
    }
}

async fn pass_upgrade<E: Edge>(
    edge: &E,
    policy: &Policy,
    request: &Request<'_>,
    record: &mut Record,
    permit: Permit,
) -> Result<Passage<E::Upstream>, Rejection> {
    let forward = Forward::upgrade(
        &policy.upstream,
        policy.upstream_timeout,
        request,
        &record.request_id,
        &permit.authenticated,
        &permit.offer,
    );
    let (reply, upstream) = edge.forward(&forward).await?;
    match reply.judge(&permit.offer) {
        Ok(protocol) => {
            record.outcome = Outcome::Admitted;
            Ok(Passage::Socket { upstream, protocol })
        }
        Err(rejection) => {
            edge.discard(upstream);
            Err(rejection)
        }
    }
}

async fn pass_plain<E: Edge>(
    edge: &E,
    policy: &Policy,
    request: &Request<'_>,
    record: &mut Record,
) -> Result<Passage<E::Upstream>, Rejection> {
    record.stage = Stage::Forward;
    let forward = Forward::plain(
        &policy.upstream,
        policy.upstream_timeout,
        request,
        &record.request_id,
    );
    let (_, upstream) = edge.forward(&forward).await?;
    record.outcome = Outcome::Proxied;
    Ok(Passage::Plain { upstream })
}
