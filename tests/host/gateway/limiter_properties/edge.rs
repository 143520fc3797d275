//! The runtime of one request in the world, and the requests themselves.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use portcullis::gateway::platform::{BackgroundTask, LedgerCall, RouteCall};
use portcullis::gateway::{Gate, Passage};
use portcullis::limits::ledger::LedgerResponse;
use portcullis::limits::{route_pool, scope};
use portcullis::record::Record;
use portcullis::util::time::Timestamp;

use super::world::{Call, Liar, Reply, World, length};
use crate::common::Ask;
use crate::common::counters::{Counters, Counting};

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
            let result = edge
                .gate
                .journey(&Counting(&edge), &request, &place, &mut record)
                .await;
            match result {
                Ok(Passage::Socket { .. }) => {
                    edge.world.admit(address, edge.address_at.get());
                    edge.world.admit(user, edge.user_at.get());
                    edge.world.admit(path, edge.route_at.get());
                }
                _ => edge.world.refused.set(edge.world.refused.get() + 1),
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
    fn after_response<F: Future<Output = ()> + 'static>(&self, work: impl FnOnce(Self) -> F) {
        let edge = Self {
            task: self.world.number(),
            ..Self::new(&self.world, self.isolate)
        };
        let (isolate, life, task) = (edge.isolate, self.life, edge.task);
        self.world.spawn(isolate, life, task, work(edge));
    }

    async fn reply(&self, number: u64) -> (Reply, u64) {
        std::future::poll_fn(|context| match self.world.mail(number, context.waker()) {
            Some(mail) => Poll::Ready(mail),
            None => Poll::Pending,
        })
        .await
    }
}

impl Counters for Simulated {
    fn now(&self) -> Timestamp {
        let is_wrong = self.world.weather.liar == Liar::Isolate(self.isolate);
        self.world.clock(is_wrong)
    }

    async fn ask(&self, call: &LedgerCall) -> Result<LedgerResponse, String> {
        let number = self.world.send(self.task, Call::Ledger(call.clone()));
        let (reply, decided) = self.reply(number).await;
        let at = match call.scope {
            scope::LimitScope::Address => &self.address_at,
            _ => &self.user_at,
        };
        at.set(decided);
        match reply {
            Reply::Ledger(answer) => Ok(answer),
            _ => Err("timed out".into()),
        }
    }

    async fn ask_route(&self, call: &RouteCall) -> Result<route_pool::PoolResponse, String> {
        let number = self.world.send(self.task, Call::Route(call.clone()));
        let (reply, decided) = self.reply(number).await;
        let Reply::Route(answer) = reply else {
            return Err("timed out".into());
        };
        let is_given = matches!(answer, route_pool::PoolResponse::Granted(given) if given.admits);
        let now = self.world.now.get();
        self.route_at.set(if is_given { decided } else { now });
        Ok(answer)
    }

    fn run_in_background(&self, task: BackgroundTask) {
        self.after_response(|edge| async move {
            let _ = edge.gate.perform(&Counting(&edge), task).await;
        });
    }

    async fn wait(&self, time: Duration) {
        let number = self.world.wake_after(self.task, length(time));
        self.reply(number).await;
        self.route_at.set(self.world.now.get());
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.world.roll(255) as u8;
        }
        bytes
    }
}
