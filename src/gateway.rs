//! The journey of a request: every check in its order, the cheapest first, and the first that
//! fails decides.

mod admin;
mod answers;
mod endpoints;
mod forward;
mod once;
mod refresh;
mod registration;
mod tickets;

use std::cell::RefCell;
use std::time::Duration;

use crate::config::{
    ConfigError, Counting, OnLimiterFailure, PlainHttp, RejectWith, Settings, Site,
};
use crate::exhausted::Exhausted;
use crate::handshake::{Handshake, Key};
use crate::ledger::{Answer, Attempt};
use crate::live::Terms;
use crate::record::{Record, Stage};
use crate::registry;
use crate::rejection::{Reason, Rejection, insecure};
use crate::request::Request;
use crate::route::{Endpoint, Place, is_admin, is_health};
use crate::ticket::Bounds;
use crate::time::Timestamp;
use crate::token::{Authenticated, Runtime};
use crate::upstream::{Forward, Offer, Reply, UpstreamFailure};
use forward::{pass_plain, pass_upgrade};
pub use once::OnceCall;
use once::{Bearer, admit_once, spend};
use registration::register;
pub use registration::{Registered, Registration};

/// What an isolate keeps: the policies, and what it learned of exhausted quotas.
pub struct Gate {
    site: Result<Site, Vec<ConfigError>>,
    /// Holds where the configuration is wrong.
    reject_with: RejectWith,
    exhausted: RefCell<Exhausted>,
}

/// What only a runtime can do.
pub trait Edge: Runtime {
    /// The upstream's answer, not yet passed on.
    type Upstream;

    /// Asks a ledger. The error is for the log.
    fn ask(&self, call: &LedgerCall) -> impl Future<Output = Result<Answer, String>>;

    /// Asks the object of what can be used once. The error is for the log.
    fn ask_once(
        &self,
        call: &OnceCall,
    ) -> impl Future<Output = Result<crate::once::Answer, String>>;

    /// What keeps a live socket registered; let go of, it is not any more.
    type Channel;

    /// Asks the registry whether a socket is admitted, and registers it.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = Registered<Self::Channel>>;

    /// Asks objects of the registry, side by side. The errors are for the log and for an
    /// administrator.
    fn ask_registry(
        &self,
        shards: &[u8],
        question: &registry::Question,
        timeout: Duration,
    ) -> impl Future<Output = Vec<Result<registry::Answer, String>>>;

    /// The request's body, which has no more bytes than this.
    fn body(&self, most_bytes: u32) -> impl Future<Output = Result<String, String>>;

    /// 32 bytes that nobody can guess.
    fn random(&self) -> [u8; 32];

    /// Sends the request on, without following redirects.
    fn forward(
        &self,
        forward: &Forward<'_>,
    ) -> impl Future<Output = Result<(Reply, Self::Upstream), UpstreamFailure>>;

    /// Lets go of an answer that is not passed on, so that the upstream keeps nothing open for it.
    fn discard(&self, upstream: Self::Upstream);
}

/// A question to a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCall {
    /// Whose ledger it is: an address, and the route if that has a limit of its own.
    pub ledger: String,
    pub attempt: Attempt,
    /// After this long it counts as unanswered.
    pub timeout: Duration,
}

/// How a request passed.
pub enum Passage<E: Edge> {
    /// The upstream accepted the socket; answer with this subprotocol. With terms its messages
    /// are inspected.
    Socket {
        upstream: E::Upstream,
        protocol: Option<String>,
        terms: Option<Terms>,
        /// What objects of the gate's own have to say of it.
        channels: Vec<E::Channel>,
    },
    /// A plain request's answer.
    Plain { upstream: E::Upstream },
    /// `GET /_portcullis/health`.
    Health { is_healthy: bool },
    /// What an endpoint of the gate's own answers.
    Json { json: String },
    /// A browser's question before that.
    Preflight,
    /// `GET /_portcullis/jwks.json`.
    KeySet { json: String },
}

/// Every check passed. Only [`Gate::journey`] can make one, and only it can be forwarded.
struct Permit<C> {
    authenticated: Authenticated,
    offer: Offer,
    channels: Vec<C>,
}

impl Gate {
    pub fn new(settings: &Settings) -> Self {
        Self {
            site: Site::read(settings),
            reject_with: RejectWith::alone(settings),
            exhausted: RefCell::default(),
        }
    }

    /// What to log once per isolate: all configuration errors, or all warnings.
    pub fn remarks(&self) -> Vec<String> {
        match &self.site {
            Ok(site) => site.warnings.clone(),
            Err(errors) => errors.iter().map(ConfigError::to_string).collect(),
        }
    }

    /// Whether every setting is right.
    pub fn is_configured(&self) -> bool {
        self.site.is_ok()
    }

    /// What the request asks for. Without a sound configuration only the health endpoint exists.
    pub fn place(&self, request: &Request<'_>) -> Place<'_> {
        match &self.site {
            Ok(site) => match &site.admin_token {
                Some(token) if is_admin(request) => Place::Admin(token),
                _ => site.routes.find(request),
            },
            Err(_) if is_health(request) => Place::Endpoint(Endpoint::Health),
            Err(_) => Place::Nowhere,
        }
    }

    /// Steps 1 to 10 of the contract's §2. The caller turns the result into an answer, stamps it
    /// (11) and logs the record (12).
    pub async fn journey<E: Edge>(
        &self,
        edge: &E,
        request: &Request<'_>,
        place: &Place<'_>,
        record: &mut Record,
    ) -> Result<Passage<E>, Rejection> {
        let origin = request.headers.get("origin");
        record.note_origin(origin.as_deref());

        // 1. configuration
        let site = match (&self.site, place) {
            (Ok(site), _) => site,
            (Err(_), Place::Endpoint(Endpoint::Health)) => {
                return Ok(Passage::Health { is_healthy: false });
            }
            (Err(_), _) => return Err(Reason::Misconfigured.because("see the list in the log")),
        };

        // 2. transport
        record.stage = Stage::Transport;
        let require_tls = match place.route() {
            Some((_, route)) => route.policy.require_tls,
            None => site.elsewhere.require_tls,
        };
        if require_tls && !request.url.is_tls() {
            return Err(insecure(request));
        }

        // 3. route
        record.stage = Stage::Route;
        record.route = place.route().map(|(_, route)| route.pattern.clone());
        let (route, parameters) = match place {
            Place::Route {
                route, parameters, ..
            } => (route, parameters),
            Place::Endpoint(Endpoint::Health) => return Ok(Passage::Health { is_healthy: true }),
            Place::Ticket { route, .. } => return self.issue(edge, request, route, record).await,
            Place::Refresh {
                route, parameters, ..
            } => {
                let place = (*route, parameters);
                return self.refresh(edge, request, place, record).await;
            }
            Place::Admin(token) => {
                let counting = &site.elsewhere.counting;
                return self
                    .administer(edge, request, token, counting, record)
                    .await;
            }
            Place::Endpoint(Endpoint::KeySet) => {
                let json = site.routes.key_set();
                return Ok(Passage::KeySet { json });
            }
            Place::Nowhere => return Err(Reason::NoRoute.because("no route or endpoint matches")),
        };
        let policy = &route.policy;

        // 4. handshake
        record.stage = Stage::Handshake;
        if !request.asks_for_websocket() {
            return match policy.plain_http {
                PlainHttp::Reject => {
                    Err(Reason::UpgradeRequired.because("Upgrade does not name websocket"))
                }
                PlainHttp::Proxy => pass_plain(edge, policy, parameters, request, record).await,
            };
        }
        let handshake = Handshake::read(request)?;

        // 5. origin
        record.stage = Stage::Origin;
        policy.origins.check(origin.as_deref())?;

        // 6. quotas known to be exhausted
        record.stage = Stage::Known;
        let ledger = policy.counting.ledger_of(request.address.key());
        self.exhausted
            .borrow()
            .check(&ledger, policy.counting.terms.quota, edge.now())?;

        // 7. token
        record.stage = Stage::Token;
        let bearer = policy.identify(edge, request, &handshake, record).await?;

        // 8. permission
        record.stage = Stage::Permission;
        let permit_for = |authenticated: &Authenticated| {
            let identity = authenticated.identity.as_ref();
            policy.permission.check(identity, parameters)
        };
        if let Bearer::Verified(authenticated) = &bearer {
            permit_for(authenticated)?;
        }

        // 9. counters, then what can be used once
        record.stage = Stage::Counters;
        let counting = &policy.counting;
        self.admit(edge, counting, ledger, Some(handshake.key), record)
            .await?;
        let authenticated = match bearer {
            Bearer::Verified(authenticated) => authenticated,
            Bearer::Ticket(ticket) => {
                let bounds = Bounds {
                    address: request.address.key(),
                    origin,
                    route: route.pattern.clone(),
                };
                let found = spend(edge, &ticket, &bounds, counting.timeout, record).await?;
                permit_for(&found)?;
                found
            }
        };
        if let Some(id) = policy.token_use(&authenticated)? {
            admit_once(edge, id, counting, record).await?;
        }

        let identity = authenticated.identity.as_ref();
        let channels = register(edge, request, (route, parameters), identity, record).await?;

        // 10. forward
        record.stage = Stage::Forward;
        let permit = Permit {
            offer: Offer::new(handshake, &authenticated),
            authenticated,
            channels,
        };
        pass_upgrade(edge, policy, parameters, request, record, permit).await
    }

    /// Step 9: one call to the address's ledger, or what the failure policy says.
    async fn admit<E: Edge>(
        &self,
        edge: &E,
        counting: &Counting,
        ledger: String,
        key: Option<Key>,
        record: &mut Record,
    ) -> Result<(), Rejection> {
        let terms = counting.terms;
        let has_a_question = key.is_some() || terms.quota.is_some();
        if !terms.need_a_ledger() || !has_a_question {
            return Ok(());
        }
        let timeout = counting.timeout;
        let call = LedgerCall {
            ledger,
            attempt: Attempt { terms, key },
            timeout,
        };
        match edge.ask(&call).await {
            Ok(answer) => {
                self.learn(call.ledger, &answer, edge.now());
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
            Err(failure) => match counting.on_failure {
                OnLimiterFailure::Reject => Err(Reason::LimiterUnavailable {
                    retry_after: timeout,
                }
                .because(failure)),
                OnLimiterFailure::Admit => {
                    record.note_lapse(format!("admitted uncounted: {failure}"));
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
        place: &Place<'_>,
        reached: Stage,
        now: Timestamp,
    ) -> Option<LedgerCall> {
        let site = self.site.as_ref().ok()?;
        let counting = match place.route() {
            Some((_, route)) => &route.policy.counting,
            None => &site.elsewhere.counting,
        };
        let terms = counting.terms;
        let ledger = counting.ledger_of(request.address.key());
        let was_counted = matches!(reached, Stage::Counters | Stage::Forward);
        let is_known = || self.exhausted.borrow().wait(&ledger, now).is_some();
        let is_attempt = || place.is_counted_endpoint() || request.asks_for_websocket();
        (terms.quota.is_some() && !was_counted && !is_known() && is_attempt()).then_some(
            LedgerCall {
                ledger,
                attempt: Attempt { terms, key: None },
                timeout: counting.timeout,
            },
        )
    }

    /// Remembers what a ledger's answer says of the attempts to come.
    pub fn learn(&self, ledger: String, answer: &Answer, now: Timestamp) {
        let wait = match answer {
            Answer::Limited { wait } => wait,
            Answer::Counted { exhausted_for } | Answer::Replayed { exhausted_for } => exhausted_for,
        };
        self.exhausted.borrow_mut().note(ledger, *wait, now);
    }
}
