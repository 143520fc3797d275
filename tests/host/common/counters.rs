//! An edge that counts and does nothing else, for simulations by the gate's own journeys.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis::gateway::{
    BackgroundTask, LedgerCall, ObjectReply, OnceCall, Platform, Registration, RouteCall,
};
use portcullis::limits::ledger::LedgerResponse;
use portcullis::limits::route_pool;
use portcullis::one_time::store;
use portcullis::registry;
use portcullis::token::{
    Algorithm, IntrospectionRequest, ProviderAnswer, RemoteKeys, Runtime, RuntimeKey,
};
use portcullis::upstream::{Forward, Reply, UpstreamFailure};
use portcullis::util::time::Timestamp;

/// The time and the counters of a simulated world.
pub trait Counters {
    fn now(&self) -> Timestamp;

    fn ask(&self, call: &LedgerCall) -> impl Future<Output = Result<LedgerResponse, String>>;

    async fn ask_route(&self, _: &RouteCall) -> Result<route_pool::PoolResponse, String> {
        unreachable!("no route has a quota here")
    }

    fn run_in_background(&self, _: BackgroundTask) {}

    async fn pass(&self, _: Duration) {}

    fn random<const N: usize>(&self) -> [u8; N] {
        [0; N]
    }
}

/// Their edge: every upstream accepts the socket.
pub struct Counting<'a, T>(pub &'a T);

impl<T: Counters> Runtime for Counting<'_, T> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn verify(
        &self,
        _: &Rc<RuntimeKey>,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<bool, String> {
        unreachable!("the core verifies HS256 itself")
    }

    async fn fetch_keys(&self, _: &Rc<RemoteKeys>, _: bool) {}

    fn fetch_keys_after_response(&self, _: &Rc<RemoteKeys>) {}

    async fn introspect(&self, _: &IntrospectionRequest<'_>) -> Result<ProviderAnswer, String> {
        unreachable!("no sessions here")
    }
}

impl<T: Counters> Platform for Counting<'_, T> {
    type Upstream = ();

    type Channel = ();

    async fn ask(&self, call: &LedgerCall) -> ObjectReply<LedgerResponse, ()> {
        ObjectReply {
            answer: self.0.ask(call).await,
            channel: None,
        }
    }

    async fn ask_once(&self, _: &OnceCall) -> Result<store::StoreResponse, String> {
        unreachable!("nothing is used once here")
    }

    async fn register(&self, _: &Registration) -> ObjectReply<registry::RegistryResponse, ()> {
        unreachable!("no registry here")
    }

    async fn ask_registry(
        &self,
        _: &[u8],
        _: &registry::RegistryRequest,
        _: Duration,
    ) -> Vec<Result<registry::RegistryResponse, String>> {
        unreachable!("no registry here")
    }

    async fn body(&self, _: u32) -> Result<String, String> {
        unreachable!("no bodies here")
    }

    async fn ask_route(&self, call: &RouteCall) -> Result<route_pool::PoolResponse, String> {
        self.0.ask_route(call).await
    }

    fn run_in_background(&self, task: BackgroundTask) {
        self.0.run_in_background(task);
    }

    async fn pass(&self, length: Duration) {
        self.0.pass(length).await;
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        self.0.random()
    }

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

/// Runs a future that waits for nothing.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}
