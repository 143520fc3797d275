//! What the gate needs from a runtime, one trait for each capability, and the questions that
//! travel through them.

use std::rc::Rc;
use std::time::Duration;

use crate::limits::ledger::{LeaseId, LedgerRequest, LedgerResponse};
use crate::limits::route_pool::{Alarm, PoolRequest, PoolResponse};
use crate::limits::scope::LimitScope;
use crate::metrics::{MetricsRequest, MetricsResponse};
use crate::one_time::store::{StoreRequest, StoreResponse};
use crate::record::Record;
use crate::registry::{RegistryRequest, RegistryResponse, SocketEntry};
use crate::token::{Cryptography, Providers, RemoteKeys};
use crate::upstream::{Forward, Reply, UpstreamFailure};
use crate::util::time::Clock;

pub use super::refusals::UntoldRefusals;

/// A runtime with every capability.
pub trait Platform:
    Clock
    + Random
    + Wait
    + Cryptography
    + Providers
    + Ledgers
    + RoutePools
    + OneTimeObjects
    + Registry
    + Metrics
    + Upstreams
    + FirstMessages
    + Body
    + Background
{
}

impl<T> Platform for T where
    T: Clock
        + Random
        + Wait
        + Cryptography
        + Providers
        + Ledgers
        + RoutePools
        + OneTimeObjects
        + Registry
        + Metrics
        + Upstreams
        + FirstMessages
        + Body
        + Background
{
}

/// Cryptographically secure randomness.
pub trait Random {
    fn random<const N: usize>(&self) -> [u8; N];
}

/// A timer.
pub trait Wait {
    fn wait(&self, length: Duration) -> impl Future<Output = ()>;
}

/// Connections from live sockets to the gate's own objects.
pub trait Channels {
    /// Connection from one live socket to its object. Dropping it frees the slot and removes the
    /// registration.
    type Channel;
}

/// The objects that count attempts of addresses and admissions of users.
pub trait Ledgers: Channels {
    fn ask_ledger(
        &self,
        call: &LedgerCall,
    ) -> impl Future<Output = ObjectReply<LedgerResponse, Self::Channel>>;
}

/// The objects that count admissions of routes.
pub trait RoutePools {
    /// The error is for the log.
    fn ask_route_pool(
        &self,
        call: &RouteCall,
    ) -> impl Future<Output = Result<PoolResponse, String>>;
}

/// The objects that keep what can be used once.
pub trait OneTimeObjects {
    /// The error is for the log.
    fn ask_one_time(
        &self,
        call: &OneTimeCall,
    ) -> impl Future<Output = Result<StoreResponse, String>>;
}

/// The objects that know live sockets, revocations and bans.
pub trait Registry: Channels {
    /// Asks whether a socket is admitted, and registers it.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = ObjectReply<RegistryResponse, Self::Channel>>;

    /// Asks several objects side by side and returns one answer for each. The errors are for the
    /// log and for an administrator.
    fn ask_registry(
        &self,
        shards: &[u8],
        question: &RegistryRequest,
        timeout: Duration,
    ) -> impl Future<Output = Vec<Result<RegistryResponse, String>>>;
}

/// The object that adds up what isolates count.
pub trait Metrics {
    /// The error is for the log and for an administrator.
    fn ask_metrics(
        &self,
        request: &MetricsRequest,
        timeout: Duration,
    ) -> impl Future<Output = Result<MetricsResponse, String>>;
}

/// The servers behind the gate.
pub trait Upstreams {
    /// A server's response that was not passed on yet.
    type Upstream;

    /// Sends the request on, without following redirects.
    fn forward(
        &self,
        forward: &Forward<'_>,
    ) -> impl Future<Output = Result<(Reply, Self::Upstream), UpstreamFailure>>;

    /// Drops a response that is not passed on, so that the server keeps nothing open for it.
    fn discard(&self, upstream: Self::Upstream);
}

/// Sockets that are opened before their server is known.
pub trait FirstMessages {
    /// Answers the client with an open socket and returns the bytes of its first message, be it text
    /// or binary. What it sends after that is held until the journey ends.
    fn first_message(
        &self,
        opening: &Opening<'_>,
    ) -> impl Future<Output = Result<Vec<u8>, NoFirstMessage>>;
}

/// How a socket is opened before its server is known.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The number of the route, whose security headers are set.
    pub route: usize,
    pub is_tls: bool,
    /// The address as the record has it. The number of its sockets is limited.
    pub address: &'a str,
    pub request_id: &'a str,
    /// The subprotocol to answer with.
    pub protocol: Option<&'a str>,
    /// What the client is sent first.
    pub greeting: Option<&'a str>,
    pub max_bytes: usize,
    pub timeout: Duration,
}

/// Why there is no first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFirstMessage {
    /// The socket was not opened.
    TooManyOfAddress,
    TooMany,
    TimedOut,
    TooLong,
    Left,
}

/// The body of the request.
pub trait Body {
    /// Reads the body; fails if it exceeds `max_bytes`.
    fn read_body(&self, max_bytes: u32) -> impl Future<Output = Result<String, String>>;
}

/// Work after the response.
pub trait Background {
    /// Runs a task by [`super::Gate::perform`]; no response waits for it.
    fn run_in_background(&self, task: BackgroundTask);
}

/// What is done after the response.
#[derive(Debug, Clone)]
pub enum BackgroundTask {
    /// Tells a ledger how an attempt ended.
    Ledger(LedgerCall),
    /// Tells a ledger of a failure, which may bring a ban.
    Failure {
        call: LedgerCall,
        /// Of the attempt that failed.
        record: Box<Record>,
    },
    /// Tells a ledger after a time of the attempts that were refused until then.
    TellRefusals {
        after: Duration,
        call: LedgerCall,
        untold: Rc<UntoldRefusals>,
    },
    /// Ends a lease after a time.
    EndLease {
        after: Duration,
        /// Its ledger and group.
        lease: String,
        id: LeaseId,
    },
    /// Settles with the object of a route's quota.
    RoutePool(RouteCall),
    /// Looks after a time whether there is anything to settle for a route.
    WakeRoute {
        after: Duration,
        route: String,
        alarm: Alarm,
        timeout: Duration,
    },
    /// Reports what was counted.
    Report,
    /// Fetches a key set that is still good but will soon be too old.
    FetchKeys(Rc<RemoteKeys>),
}

impl BackgroundTask {
    /// How long the timer lasts with which it begins, if it does.
    pub fn timer(&self) -> Option<Duration> {
        match self {
            Self::TellRefusals { after, .. }
            | Self::EndLease { after, .. }
            | Self::WakeRoute { after, .. } => Some(*after),
            Self::Ledger(_)
            | Self::Failure { .. }
            | Self::RoutePool(_)
            | Self::Report
            | Self::FetchKeys(_) => None,
        }
    }
}

/// A question to a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCall {
    pub scope: LimitScope,
    /// The name of its ledger.
    pub ledger: String,
    pub request: LedgerRequest,
    /// After this time the ledger counts as unable to answer.
    pub timeout: Duration,
    /// Whether a socket is closed if its ledger stays out of reach.
    pub ends_when_lost: bool,
}

/// A question to the object of a route's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCall {
    /// The route's pattern, which is the object's name.
    pub route: String,
    pub request: PoolRequest,
    /// After this time the object counts as unable to answer.
    pub timeout: Duration,
}

/// A question to the object of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTimeCall {
    pub name: String,
    pub request: StoreRequest,
    /// After this time the object counts as unable to answer.
    pub timeout: Duration,
}

/// A socket to be admitted by the registry, and registered if it gets a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The object to ask.
    pub shard: u8,
    pub entry: SocketEntry,
    /// Whether a channel is held while the socket lives.
    pub with_channel: bool,
    /// Whether the socket is closed if the object stays out of reach.
    pub ends_when_lost: bool,
    /// After this time the object counts as unable to answer.
    pub timeout: Duration,
}

/// An object's answer to a question that may open a channel.
pub struct ObjectReply<A, C> {
    /// The error is for the log.
    pub answer: Result<A, String>,
    /// The channel of a socket that is not refused. Without an answer it keeps trying to connect.
    pub channel: Option<C>,
}
