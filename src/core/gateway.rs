//! The journey of a request: every check in its order, the cheapest first, and the first that
//! fails decides.

mod admin;
mod checks;
mod dispatch;
mod forward;
mod limits;
mod one_time;
mod refresh;
mod registration;
mod responses;
mod route_limit;
mod tickets;

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::checks::handshake::Handshake;
use crate::checks::origin::Origin;
use crate::config::{ConfigError, Settings};
use crate::limits::deny_cache::DenyCache;
use crate::limits::route_pool::{self as quota, Holder};
use crate::one_time::ticket::Bounds;
use crate::policy::{Counting, PlainHttp, RejectWith, Site};
use crate::record::{Record, Stage};
use crate::relay::SocketLimits;
use crate::request::Request;
use crate::request::address::AddressKey;
use crate::response::reason::{Reason, Rejection};
use crate::routing::table::Miss;
use crate::token::{Authenticated, Runtime};
use crate::upstream::{Forward, Offer, Reply, UpstreamFailure};
use crate::{checks::transport, limits::ledger, registry};
use dispatch::is_health;
pub use dispatch::{Endpoint, Place};
use forward::{pass_plain, pass_upgrade};
pub use limits::LedgerCall;
use limits::{Client, Reservations};
pub use one_time::OnceCall;
use one_time::{Bearer, admit_once, spend};
pub use registration::Registration;
use registration::register;
pub use route_limit::{BackgroundTask, RouteCall};
use route_limit::{RouteReservation, in_order};

/// What an isolate keeps: the policies, and what it learned of exhausted quotas and bans.
pub struct Gate {
    site: Result<Site, Vec<ConfigError>>,
    /// Holds where the configuration is wrong.
    reject_with: RejectWith,
    known: RefCell<DenyCache>,
    /// What it was lent of routes' quotas, by their patterns.
    holders: RefCell<HashMap<String, Holder>>,
}

/// What only a runtime can do.
pub trait Platform: Runtime {
    /// The upstream's answer, not yet passed on.
    type Upstream;

    /// What ties a live socket to an object; let go of, its slot is free and it is registered no
    /// more.
    type Channel;

    /// Asks a ledger.
    fn ask(
        &self,
        call: &LedgerCall,
    ) -> impl Future<Output = ObjectReply<ledger::LedgerResponse, Self::Channel>>;

    /// Asks the object of what can be used once. The error is for the log.
    fn ask_once(
        &self,
        call: &OnceCall,
    ) -> impl Future<Output = Result<crate::one_time::store::StoreResponse, String>>;

    /// Asks the registry whether a socket is admitted, and registers it.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = ObjectReply<registry::RegistryResponse, Self::Channel>>;

    /// Asks objects of the registry, side by side. The errors are for the log and for an
    /// administrator.
    fn ask_registry(
        &self,
        shards: &[u8],
        question: &registry::RegistryRequest,
        timeout: Duration,
    ) -> impl Future<Output = Vec<Result<registry::RegistryResponse, String>>>;

    /// The request's body, which has no more bytes than this.
    fn body(&self, max_bytes: u32) -> impl Future<Output = Result<String, String>>;

    /// Asks the object of a route's quota. The error is for the log.
    fn ask_route(
        &self,
        call: &RouteCall,
    ) -> impl Future<Output = Result<quota::PoolResponse, String>>;

    /// Does what is to be done behind the answer, by [`Gate::perform`].
    fn run_in_background(&self, task: BackgroundTask);

    /// Waits.
    fn pass(&self, length: Duration) -> impl Future<Output = ()>;

    /// Bytes that nobody can guess.
    fn random<const N: usize>(&self) -> [u8; N];

    /// Sends the request on, without following redirects.
    fn forward(
        &self,
        forward: &Forward<'_>,
    ) -> impl Future<Output = Result<(Reply, Self::Upstream), UpstreamFailure>>;

    /// Lets go of an answer that is not passed on, so that the upstream keeps nothing open for it.
    fn discard(&self, upstream: Self::Upstream);
}

/// What came of a question that may be for a channel.
pub struct ObjectReply<A, C> {
    /// The error is for the log.
    pub answer: Result<A, String>,
    /// Of a socket that is not refused; where there was no answer, it tries on.
    pub channel: Option<C>,
}

/// How a request fared.
pub struct Journey<E: Platform> {
    pub result: Result<Passage<E>, Rejection>,
    /// What the ledgers are told behind the answer; see [`Gate::learn`].
    pub after_response: Vec<LedgerCall>,
}

/// How a request passed.
pub enum Passage<E: Platform> {
    /// The upstream accepted the socket; answer with this subprotocol. With terms its messages
    /// are inspected.
    Socket {
        upstream: E::Upstream,
        protocol: Option<String>,
        limits: Option<SocketLimits>,
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
            known: RefCell::default(),
            holders: RefCell::default(),
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
            Ok(site) => site.find(request),
            Err(_) if is_health(request) => Place::Endpoint(Endpoint::Health),
            Err(_) => Place::Nowhere(Miss::NoRoute),
        }
    }

    /// What the request's address is counted and recorded by there.
    pub fn address_key(&self, request: &Request<'_>, place: &Place<'_>) -> AddressKey {
        let counting = self.counting(place);
        let prefix = counting.map(|counting| counting.ipv6_prefix);
        request.address.key(prefix.unwrap_or_default())
    }

    /// How attempts are counted there; `None` without a sound configuration.
    fn counting<'a>(&'a self, place: &Place<'a>) -> Option<&'a Counting> {
        let site = self.site.as_ref().ok()?;
        Some(match place.route() {
            Some((_, route)) => &route.policy.counting,
            None => &site.elsewhere.counting,
        })
    }

    /// Steps 1 to 10 of the contract's §2. The caller turns the result into an answer, stamps it
    /// (11), logs the record (12) and tells the ledgers.
    pub async fn journey<E: Platform>(
        &self,
        platform: &E,
        request: &Request<'_>,
        place: &Place<'_>,
        record: &mut Record,
    ) -> Journey<E> {
        let (mut reservations, mut route_reservation) =
            (Reservations::default(), RouteReservation::default());
        let result = self
            .steps(
                platform,
                request,
                place,
                record,
                &mut reservations,
                &mut route_reservation,
            )
            .await;
        if result.is_err() && record.stage != Stage::Forward {
            self.give_back_route(platform, route_reservation);
        }
        let after_response = self.after_response(
            request,
            place,
            record.stage,
            reservations,
            &result,
            platform.now(),
        );
        Journey {
            result,
            after_response,
        }
    }

    async fn steps<E: Platform>(
        &self,
        platform: &E,
        request: &Request<'_>,
        place: &Place<'_>,
        record: &mut Record,
        reservations: &mut Reservations<E::Channel>,
        route_reservation: &mut RouteReservation,
    ) -> Result<Passage<E>, Rejection> {
        let origin = request.headers.get("origin");
        record.note_origin(origin.as_deref().map(Origin::for_the_record).as_deref());

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
        transport::check(require_tls, request)?;

        // 3. route
        record.stage = Stage::Route;
        record.route = place.route().map(|(_, route)| route.pattern.clone());
        let (route, parameters) = match place {
            Place::Route(found) => (&found.route, &found.parameters),
            Place::Endpoint(Endpoint::Health) => return Ok(Passage::Health { is_healthy: true }),
            Place::Ticket(found) => {
                let route = found.route;
                return self
                    .issue(platform, request, route, record, reservations)
                    .await;
            }
            Place::Refresh(found) => {
                let place = (found.route, &found.parameters);
                let prefix = site.elsewhere.counting.ipv6_prefix;
                return self
                    .refresh(platform, request, place, prefix, record, reservations)
                    .await;
            }
            Place::Admin(token) => {
                return self
                    .administer(platform, request, token, site, record)
                    .await;
            }
            Place::Endpoint(Endpoint::KeySet) => {
                let json = site.key_set();
                return Ok(Passage::KeySet { json });
            }
            Place::Unserved(miss) => return site.refuse_unserved(request, *miss, record),
            Place::Nowhere(miss) => return Err((*miss).into()),
        };
        let policy = &route.policy;

        // 4. handshake
        record.stage = Stage::Handshake;
        if !request.asks_for_websocket() {
            return match policy.plain_http {
                PlainHttp::Reject => {
                    Err(Reason::UpgradeRequired.because("Upgrade does not name websocket"))
                }
                PlainHttp::Proxy => pass_plain(platform, policy, parameters, request, record).await,
            };
        }
        let handshake = Handshake::read(request)?;

        // 5. origin
        record.stage = Stage::Origin;
        policy.origins.check(origin.as_deref())?;

        // 6. bans and exhausted quotas already known here
        record.stage = Stage::Known;
        let counting = &policy.counting;
        let address = request.address.key(counting.ipv6_prefix);
        self.check_address(counting, address, platform.now())?;
        self.check_route(counting, &route.pattern, platform.now())?;

        // 7. token
        record.stage = Stage::Token;
        let bearer = policy
            .identify(platform, request, &handshake, record)
            .await?;
        let user = match &bearer {
            Bearer::Verified(authenticated) => {
                self.check_user(counting, authenticated, record, platform.now())?
            }
            Bearer::Ticket(_) => None,
        };

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
        let client = Client {
            address,
            user,
            opens: true,
        };
        let mut route_failure = None;
        let of_client = self.admit(
            platform,
            counting,
            client,
            Some(handshake.key),
            record,
            reservations,
        );
        let of_route = self.admit_route(platform, route, route_reservation, &mut route_failure);
        in_order(of_client, of_route).await?;
        if let Some(failure) = route_failure {
            counting.lapse(record, "uncounted", failure)?;
        }
        let authenticated = match bearer {
            Bearer::Verified(authenticated) => authenticated,
            Bearer::Ticket(ticket) => {
                let bounds = Bounds {
                    address,
                    origin: origin.as_deref().and_then(Origin::canonical),
                    route: route.pattern.clone(),
                };
                let found = spend(platform, &ticket, &bounds, counting, record).await?;
                permit_for(&found)?;
                if let Some(user) = self.check_user(counting, &found, record, platform.now())? {
                    self.admit_user(platform, counting, user, record, reservations)
                        .await?;
                }
                found
            }
        };
        if let Some(id) = policy.token_use(&authenticated)? {
            admit_once(platform, id, counting, record).await?;
        }

        let identity = authenticated.identity.as_ref();
        let address = request.address.key(site.elsewhere.counting.ipv6_prefix);
        let place = (*route, parameters);
        let registered = register(platform, address, place, identity, record).await?;
        reservations.channels.extend(registered);

        // 10. forward
        record.stage = Stage::Forward;
        let permit = Permit {
            offer: Offer::new(handshake, &authenticated),
            authenticated,
            channels: std::mem::take(&mut reservations.channels),
        };
        pass_upgrade(platform, policy, parameters, request, record, permit).await
    }
}
