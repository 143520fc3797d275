//! A platform that counts and does nothing else, for simulations by the gate's own journeys.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis::gateway::platform::{
    Background, BackgroundTask, Body, Channels, FirstMessages, LedgerCall, Ledgers, Metrics,
    NoFirstMessage, ObjectReply, OneTimeCall, OneTimeObjects, Opening, Random, Registration,
    Registry, RouteCall, RoutePools, Upstreams, Wait,
};
use portcullis::limits::ledger::LedgerResponse;
use portcullis::limits::route_pool::PoolResponse;
use portcullis::metrics::{MetricsRequest, MetricsResponse};
use portcullis::one_time::store::StoreResponse;
use portcullis::registry::{RegistryRequest, RegistryResponse};
use portcullis::token::{
    Algorithm, Cryptography, IntrospectionRequest, ProviderAnswer, Providers, RemoteKeys,
    RuntimeKey,
};
use portcullis::upstream::{Forward, Reply, UpstreamFailure};
use portcullis::util::time::{Clock, Timestamp};

/// The time and the counters of a simulated world.
pub trait Counters {
    fn now(&self) -> Timestamp;

    fn ask(&self, call: &LedgerCall) -> impl Future<Output = Result<LedgerResponse, String>>;

    async fn ask_route(&self, _: &RouteCall) -> Result<PoolResponse, String> {
        Err(absent("route quota"))
    }

    fn run_in_background(&self, task: BackgroundTask);

    async fn wait(&self, _: Duration) {}

    fn random<const N: usize>(&self) -> [u8; N] {
        [0; N]
    }
}

/// The platform of such a world: every server accepts the socket, and nothing else answers.
pub struct Counting<'a, T>(pub &'a T);

fn absent(what: &str) -> String {
    format!("this world has no {what}")
}

impl<T: Counters> Clock for Counting<'_, T> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl<T: Counters> Random for Counting<'_, T> {
    fn random<const N: usize>(&self) -> [u8; N] {
        self.0.random()
    }
}

impl<T: Counters> Wait for Counting<'_, T> {
    async fn wait(&self, length: Duration) {
        self.0.wait(length).await;
    }
}

impl<T: Counters> Cryptography for Counting<'_, T> {
    async fn verify(
        &self,
        _: &Rc<RuntimeKey>,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<bool, String> {
        Err(absent("cryptography but the core's own"))
    }
}

impl<T: Counters> Providers for Counting<'_, T> {
    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, _: bool) {
        keys.take(Err(absent("identity provider")), self.0.now());
    }

    async fn introspect(&self, _: &IntrospectionRequest<'_>) -> Result<ProviderAnswer, String> {
        Err(absent("identity provider"))
    }
}

impl<T: Counters> Channels for Counting<'_, T> {
    type Channel = ();
}

impl<T: Counters> Ledgers for Counting<'_, T> {
    async fn ask_ledger(&self, call: &LedgerCall) -> ObjectReply<LedgerResponse, ()> {
        ObjectReply {
            answer: self.0.ask(call).await,
            channel: None,
        }
    }
}

impl<T: Counters> RoutePools for Counting<'_, T> {
    async fn ask_route_pool(&self, call: &RouteCall) -> Result<PoolResponse, String> {
        self.0.ask_route(call).await
    }
}

impl<T: Counters> OneTimeObjects for Counting<'_, T> {
    async fn ask_one_time(&self, _: &OneTimeCall) -> Result<StoreResponse, String> {
        Err(absent("store"))
    }
}

impl<T: Counters> Metrics for Counting<'_, T> {
    async fn ask_metrics(
        &self,
        _: &MetricsRequest,
        _: Duration,
    ) -> Result<MetricsResponse, String> {
        panic!("nothing is counted")
    }
}

impl<T: Counters> Registry for Counting<'_, T> {
    async fn register(&self, _: &Registration) -> ObjectReply<RegistryResponse, ()> {
        ObjectReply {
            answer: Err(absent("registry")),
            channel: None,
        }
    }

    async fn ask_registry(
        &self,
        shards: &[u8],
        _: &RegistryRequest,
        _: Duration,
    ) -> Vec<Result<RegistryResponse, String>> {
        shards.iter().map(|_| Err(absent("registry"))).collect()
    }
}

impl<T: Counters> Upstreams for Counting<'_, T> {
    type Upstream = ();

    async fn forward(&self, _: &Forward<'_>) -> Result<(Reply, ()), UpstreamFailure> {
        let reply = Reply {
            status: 101,
            has_socket: true,
            protocol: None,
            extensions: None,
        };
        Ok((reply, ()))
    }

    fn discard(&self, (): ()) {}
}

impl<T: Counters> FirstMessages for Counting<'_, T> {
    async fn first_message(&self, _: &Opening<'_>) -> Result<Vec<u8>, NoFirstMessage> {
        Err(NoFirstMessage::TimedOut)
    }
}

impl<T: Counters> Body for Counting<'_, T> {
    async fn read_body(&self, _: u32) -> Result<String, String> {
        Err(absent("body"))
    }
}

impl<T: Counters> Background for Counting<'_, T> {
    fn run_in_background(&self, task: BackgroundTask) {
        self.0.run_in_background(task);
    }
}

/// Runs a future that waits for nothing.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}
