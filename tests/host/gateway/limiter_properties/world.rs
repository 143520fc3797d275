//! Gates of several isolates, all their objects and the network between, in true time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use portcullis::config::Settings;
use portcullis::gateway::Gate;
use portcullis::gateway::platform::{LedgerCall, RouteCall};
use portcullis::limits::ledger::{Ledger, LedgerResponse, Row};
use portcullis::limits::route_pool::{self, Pool};
use portcullis::policy::ROUTE_QUOTA_BINDING;
use portcullis::util::time::{Timestamp, millis};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

pub const START: u64 = 1_800_000_000_000;

/// Whose clock may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liar {
    Nobody,
    Isolate(usize),
    RouteQuotas,
}

/// How bad the network and the clocks are.
#[derive(Debug, Clone)]
pub struct Weather {
    pub liar: Liar,
    /// Of a hundred messages so many are lost, doubled or late.
    pub faults: u32,
    pub lateness: u64,
    /// The longest that an answer is under way and still of use.
    pub timeout: u64,
    pub seed: [u8; 32],
}

#[derive(Debug, Clone)]
pub enum Call {
    Ledger(LedgerCall),
    Route(RouteCall),
}

#[derive(Debug, Clone)]
pub enum Reply {
    Ledger(LedgerResponse),
    Route(route_pool::PoolResponse),
    Nobody,
}

enum Event {
    Deliver(u64, Call),
    /// A reply, and when the object decided it.
    Return(u64, Reply, u64),
    Wake(u64),
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Stored {
    ledger: Option<Ledger>,
    rows: BTreeMap<u64, Row>,
    pool: Option<Pool>,
    row: Option<Vec<u8>>,
}

pub struct Isolate {
    pub gate: Rc<Gate>,
    /// Of all that came before it in its place.
    pub life: u64,
}

/// What a task waits for: its reply, and when that was decided.
type Mail = Option<(Reply, u64)>;

#[derive(Default)]
struct Wait {
    task: u64,
    mail: Mail,
    waker: Option<Waker>,
}

pub struct World {
    pub weather: Weather,
    pub now: Cell<u64>,
    pub wrong: Cell<i64>,
    pub isolates: RefCell<Vec<Isolate>>,
    settings: Settings,
    rng: RefCell<TestRng>,
    events: RefCell<BTreeMap<(u64, u64), Event>>,
    counter: Cell<u64>,
    /// With the isolate and its life that they run in.
    tasks: RefCell<BTreeMap<u64, (usize, u64, Task)>>,
    waits: RefCell<BTreeMap<u64, Wait>>,
    objects: RefCell<BTreeMap<String, Stored>>,
    /// When admissions were decided, by what they count for.
    pub admitted: RefCell<BTreeMap<String, Vec<u64>>>,
    pub calls: Cell<u64>,
    pub refused: Cell<u64>,
}

impl World {
    pub fn new(settings: Settings, isolates: usize, weather: Weather) -> Rc<Self> {
        assert!(settings.bindings.contains(ROUTE_QUOTA_BINDING));
        let isolate = |_| Isolate {
            gate: Rc::new(Gate::new(&settings)),
            life: 0,
        };
        let isolates: Vec<_> = (0..isolates).map(isolate).collect();
        assert!(
            isolates[0].gate.is_configured(),
            "{:?}",
            isolates[0].gate.remarks()
        );
        Rc::new(Self {
            rng: RefCell::new(TestRng::from_seed(RngAlgorithm::ChaCha, &weather.seed)),
            weather,
            now: Cell::new(START),
            wrong: Cell::default(),
            isolates: RefCell::new(isolates),
            settings,
            events: RefCell::default(),
            counter: Cell::default(),
            tasks: RefCell::default(),
            waits: RefCell::default(),
            objects: RefCell::default(),
            admitted: RefCell::default(),
            calls: Cell::default(),
            refused: Cell::default(),
        })
    }

    pub fn number(&self) -> u64 {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    pub fn roll(&self, max: u64) -> u64 {
        self.rng.borrow_mut().random_range(0..=max)
    }

    fn fault(&self) -> bool {
        self.roll(99) < u64::from(self.weather.faults)
    }

    pub fn clock(&self, is_wrong: bool) -> Timestamp {
        let wrong = if is_wrong { self.wrong.get() } else { 0 };
        Timestamp(self.now.get().strict_add_signed(wrong))
    }

    fn after(&self, length: u64, event: Event) {
        let key = (self.now.get() + length, self.number());
        self.events.borrow_mut().insert(key, event);
    }

    /// Runs a future in an isolate, until the isolate vanishes.
    pub fn spawn(
        &self,
        isolate: usize,
        life: u64,
        number: u64,
        task: impl Future<Output = ()> + 'static,
    ) {
        let task = (isolate, life, Box::pin(task) as Task);
        self.tasks.borrow_mut().insert(number, task);
        self.poll(number);
    }

    fn poll(&self, number: u64) {
        let Some((isolate, life, mut task)) = self.tasks.borrow_mut().remove(&number) else {
            return;
        };
        if self.isolates.borrow()[isolate].life != life {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        if task.as_mut().poll(&mut context).is_pending() {
            self.tasks
                .borrow_mut()
                .insert(number, (isolate, life, task));
        }
    }

    /// Sends a call, and gives the number to wait for.
    pub fn send(&self, task: u64, call: Call) -> u64 {
        self.calls.set(self.calls.get() + 1);
        let number = self.number();
        self.expect(number, task);
        let late = |is_fault: bool| match is_fault {
            true => self.roll(self.weather.lateness),
            false => 0,
        };
        let (is_fault, kind) = (self.fault(), self.roll(2));
        let way = self.roll(self.weather.timeout / 4);
        if !(is_fault && kind == 0) {
            self.after(way + late(is_fault), Event::Deliver(number, call.clone()));
        }
        if is_fault && kind == 1 {
            self.after(way + late(true), Event::Deliver(number, call));
        }
        let nobody = Event::Return(number, Reply::Nobody, 0);
        self.after(self.weather.timeout, nobody);
        number
    }

    fn expect(&self, number: u64, task: u64) {
        let wait = Wait {
            task,
            ..Wait::default()
        };
        self.waits.borrow_mut().insert(number, wait);
    }

    pub fn wake_after(&self, task: u64, length: u64) -> u64 {
        let number = self.number();
        self.expect(number, task);
        self.after(length, Event::Wake(number));
        number
    }

    /// What came for a number that is waited for.
    pub fn mail(&self, number: u64, waker: &Waker) -> Mail {
        let mut waits = self.waits.borrow_mut();
        let wait = waits.get_mut(&number)?;
        wait.waker = Some(waker.clone());
        let mail = wait.mail.take();
        if mail.is_some() {
            waits.remove(&number);
        }
        mail
    }

    pub fn pass(&self, length: u64) {
        let until = self.now.get() + length;
        loop {
            let next = self
                .events
                .borrow_mut()
                .first_entry()
                .and_then(|entry| (entry.key().0 <= until).then(|| entry.remove_entry()));
            let Some(((at, _), event)) = next else { break };
            self.now.set(at);
            match event {
                Event::Deliver(number, call) => self.deliver(number, &call),
                Event::Return(number, reply, decided) => self.arrive(number, reply, decided),
                Event::Wake(number) => self.arrive(number, Reply::Nobody, at),
            }
        }
        self.now.set(until);
    }

    fn arrive(&self, number: u64, reply: Reply, decided: u64) {
        let (task, waker) = match self.waits.borrow_mut().get_mut(&number) {
            Some(wait) if wait.mail.is_none() => {
                wait.mail = Some((reply, decided));
                (wait.task, wait.waker.take())
            }
            _ => return,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.poll(task);
    }

    fn deliver(&self, number: u64, call: &Call) {
        let reply = {
            let mut objects = self.objects.borrow_mut();
            match call {
                Call::Ledger(call) => {
                    let stored = objects.entry(call.ledger.clone()).or_default();
                    let rows = &stored.rows;
                    let ledger = stored.ledger.get_or_insert_with(|| {
                        Ledger::load(rows.values().cloned()).expect("its own rows")
                    });
                    let (answer, change) = ledger.step(&call.request, self.clock(false));
                    for row in change.write {
                        stored.rows.insert(row.number, row);
                    }
                    stored
                        .rows
                        .retain(|number, _| !change.delete.contains(number));
                    Reply::Ledger(answer)
                }
                Call::Route(call) => {
                    let stored = objects.entry(format!("route {}", call.route)).or_default();
                    let row = &stored.row;
                    let pool = stored.pool.get_or_insert_with(|| match row {
                        Some(row) => Pool::load(row).expect("its own row"),
                        None => Pool::default(),
                    });
                    let clock = self.clock(self.weather.liar == Liar::RouteQuotas);
                    let (answer, row) = pool.step(&call.request, clock);
                    stored.row = row.or(stored.row.take());
                    Reply::Route(answer)
                }
            }
        };
        let is_fault = self.fault();
        let way = self.roll(self.weather.timeout / 4);
        if !(is_fault && self.roll(1) == 0) {
            let late = if is_fault {
                self.roll(self.weather.lateness)
            } else {
                0
            };
            let event = Event::Return(number, reply, self.now.get());
            self.after(way + late, event);
        }
    }

    /// Everything that objects hold in memory is lost.
    pub fn evict(&self) {
        for stored in self.objects.borrow_mut().values_mut() {
            (stored.ledger, stored.pool) = (None, None);
        }
    }

    /// An isolate ends with all its requests, and another comes in its place.
    pub fn vanish(&self, isolate: usize) {
        let gate = Rc::new(Gate::new(&self.settings));
        let life = self.isolates.borrow()[isolate].life + 1;
        self.isolates.borrow_mut()[isolate] = Isolate { gate, life };
        self.tasks
            .borrow_mut()
            .retain(|_, (of, lived, _)| *of != isolate || *lived == life);
    }

    pub fn admit(&self, what: String, decided: u64) {
        self.admitted
            .borrow_mut()
            .entry(what)
            .or_default()
            .push(decided);
    }
}

pub fn length(length: std::time::Duration) -> u64 {
    millis(length)
}
