//! The runtime of one request in the world, and the requests themselves.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use portcullis::gateway::{
    Asked, Edge, Gate, Journey, LedgerCall, OnceCall, Passage, Registered, Registration, RouteCall,
    RouteErrand,
};
use portcullis::record::Record;
use portcullis::time::Timestamp;
use portcullis::token::{Algorithm, ProviderAnswer, Question, RemoteKeys, Runtime, RuntimeKey};
use portcullis::upstream::{Forward, Reply as UpstreamReply, UpstreamFailure};
use portcullis::{once, party, registry, route_quota};

use super::world::{Call, Liar, Reply, World, length};
use crate::common::Ask;

#[derive(Clone)]
pub struct Simulated {
    world: Rc<World>,
    gate: Rc<Gate>,
    isolate: usize,
    life: u64,
    task: u64,
    /// When the counters decided on this request.
    address_at: Rc<Cell<u64>>,
    user_at: Rc<Cell<u64>>,
    route_at: Rc<Cell<u64>>,
}

/// Sends a request to an isolate.
pub fn knock(
    world: &Rc<World>,
    isolate: usize,
    ask: Ask,
    address: String,
    user: String,
    path: String,
) {
    let edge = Simulated::new(world, isolate);
    let journey = {
        let edge = edge.clone();
        async move {
            let request = ask.request();
            let place = edge.gate.place(&request);
            let key = edge.gate.address_key(&request, &place);
            let mut record = Record::begin(key, "id", String::new());
            let Journey { result, behind } = edge
                .gate
                .journey(&edge, &request, &place, &mut record)
                .await;
            match result {
                Ok(Passage::Socket { .. }) => {
                    edge.world.admit(address, edge.address_at.get());
                    edge.world.admit(user, edge.user_at.get());
                    edge.world.admit(path, edge.route_at.get());
                }
                _ => edge.world.refused.set(edge.world.refused.get() + 1),
            }
            for call in behind {
                edge.behind(|edge| async move {
                    if let Ok(answer) = edge.ask(&call).await.answer {
                        edge.gate.learn(&call, &answer, edge.now());
                    }
                });
            }
        }
    };
    world.spawn(isolate, edge.life, edge.task, journey);
}

impl Simulated {
    fn new(world: &Rc<World>, isolate: usize) -> Self {
        let (gate, life) = {
            let isolates = world.isolates.borrow();
            (isolates[isolate].gate.clone(), isolates[isolate].life)
        };
        let at = || Rc::new(Cell::new(world.now.get()));
        Self {
            gate,
            isolate,
            life,
            task: world.number(),
            address_at: at(),
            user_at: at(),
            route_at: at(),
            world: world.clone(),
        }
    }

    /// Runs something in this isolate after the request.
    fn behind<F: Future<Output = ()> + 'static>(&self, work: impl FnOnce(Self) -> F) {
        let edge = Self {
            task: self.world.number(),
            ..Self::new(&self.world, self.isolate)
        };
        let (isolate, life, task) = (edge.isolate, self.life, edge.task);
        self.world.spawn(isolate, life, task, work(edge));
    }

    async fn wait(&self, number: u64) -> (Reply, u64) {
        std::future::poll_fn(|context| match self.world.mail(number, context.waker()) {
            Some(mail) => Poll::Ready(mail),
            None => Poll::Pending,
        })
        .await
    }
}

impl Runtime for Simulated {
    fn now(&self) -> Timestamp {
        let is_wrong = self.world.weather.liar == Liar::Isolate(self.isolate);
        self.world.clock(is_wrong)
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

    fn fetch_keys_behind(&self, _: &Rc<RemoteKeys>) {}

    async fn introspect(&self, _: &Question<'_>) -> Result<ProviderAnswer, String> {
        unreachable!("no sessions here")
    }
}

impl Edge for Simulated {
    type Upstream = ();

    type Channel = ();

    async fn ask(&self, call: &LedgerCall) -> Asked<()> {
        let number = self.world.send(self.task, Call::Ledger(call.clone()));
        let (reply, decided) = self.wait(number).await;
        let at = match call.party {
            party::Party::Address => &self.address_at,
            _ => &self.user_at,
        };
        at.set(decided);
        let answer = match reply {
            Reply::Ledger(answer) => Ok(answer),
            _ => Err("timed out".into()),
        };
        Asked {
            answer,
            channel: None,
        }
    }

    async fn register(&self, _: &Registration) -> Registered<()> {
        unreachable!("no registry here")
    }

    async fn ask_registry(
        &self,
        _: &[u8],
        _: &registry::Question,
        _: Duration,
    ) -> Vec<Result<registry::Answer, String>> {
        unreachable!("no registry here")
    }

    async fn body(&self, _: u32) -> Result<String, String> {
        unreachable!("no bodies here")
    }

    async fn ask_route(&self, call: &RouteCall) -> Result<route_quota::Answer, String> {
        let number = self.world.send(self.task, Call::Route(call.clone()));
        let (reply, decided) = self.wait(number).await;
        let Reply::Route(answer) = reply else {
            return Err("timed out".into());
        };
        let is_given = matches!(answer, route_quota::Answer::Given(given) if given.admits);
        let now = self.world.now.get();
        self.route_at.set(if is_given { decided } else { now });
        Ok(answer)
    }

    fn run_errand(&self, errand: RouteErrand) {
        self.behind(|edge| async move {
            let call = match errand {
                RouteErrand::Ask(call) => Some(call),
                RouteErrand::Wake {
                    after,
                    route,
                    alarm,
                    timeout,
                } => {
                    let number = edge.world.wake_after(edge.task, length(after));
                    edge.wait(number).await;
                    edge.gate.wake_route(&route, alarm, timeout, edge.now())
                }
            };
            if let Some(call) = call {
                let answer = edge.ask_route(&call).await.map_err(drop);
                edge.gate.hear_route(&call, answer, edge.now());
            }
        });
    }

    async fn pass(&self, time: Duration) {
        let number = self.world.wake_after(self.task, length(time));
        self.wait(number).await;
        self.route_at.set(self.world.now.get());
    }

    async fn ask_once(&self, _: &OnceCall) -> Result<once::Answer, String> {
        unreachable!("nothing is used once here")
    }

    fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            *byte = self.world.roll(255) as u8;
        }
        bytes
    }

    async fn forward(&self, _: &Forward<'_>) -> Result<(UpstreamReply, ()), UpstreamFailure> {
        let reply = UpstreamReply {
            status: 101,
            has_socket: true,
            protocol: None,
            extensions: None,
        };
        Ok((reply, ()))
    }

    fn discard(&self, (): ()) {}
}
