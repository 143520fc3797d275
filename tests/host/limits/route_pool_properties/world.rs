//! Isolates, the object of a route and the network between them, in true time; and an oracle
//! that remembers every admission.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use portcullis::limits::KEPT_FOR;
use portcullis::limits::quota::Quota;
use portcullis::limits::route_pool::{
    Admission, Alarm, Decision, Holder, HolderTask, Pool, PoolOperation, PoolRequest, PoolResponse,
};
use portcullis::util::time::{Timestamp, millis};
use proptest::prelude::*;
use proptest::test_runner::TestRng;

const START: u64 = 1_800_000_000_000;

/// Whose clock may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liar {
    Nobody,
    Isolate(usize),
    Object,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub quota: Quota,
    pub isolates: usize,
    pub liar: Liar,
    /// The longest that a message is under way and still of use.
    pub timeout: u64,
    /// How many of a hundred messages are lost, doubled or late.
    pub faults: u32,
    /// How far a message may be late, and a clock jump.
    pub lateness: u64,
    pub jump: i64,
    pub moves: Vec<Move>,
    pub seed: [u8; 32],
}

#[derive(Debug, Clone, Copy)]
pub enum Move {
    /// This many requests at an isolate, each after this many milliseconds.
    Requests(usize, u32, u64),
    Pass(u64),
    /// The liar's clock jumps by this part of the plan's jump.
    Jump(i8),
    Vanish(usize),
    Evict,
}

enum Event {
    Ask(usize, u64, PoolRequest, bool),
    Hear(usize, u64, PoolRequest, PoolResponse, bool, u64),
    GiveUp(usize, u64, PoolRequest),
    Wake(usize, u64, Alarm),
    Retry(usize, u64, u64),
    ObjectAlarm(u64),
}

struct Isolate {
    holder: Holder,
    /// Of all that came before it in its place.
    life: u64,
}

pub struct World {
    plan: Plan,
    rng: TestRng,
    now: u64,
    wrong: i64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    isolates: Vec<Isolate>,
    pool: Option<Pool>,
    stored: Option<Vec<u8>>,
    alarm: Option<u64>,
    waiting: BTreeMap<(usize, u64, u64), ()>,
    /// When each admission was decided.
    pub admitted: VecDeque<u64>,
    pub refused: u64,
    pub requests: u64,
    pub longest_row: usize,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &plan.seed);
        let isolates = (0..plan.isolates).map(|at| Isolate {
            holder: Holder::new(plan.quota, at as u64),
            life: 0,
        });
        Self {
            isolates: isolates.collect(),
            plan,
            rng,
            now: START,
            wrong: 0,
            events: BTreeMap::new(),
            next_event: 0,
            pool: None,
            stored: None,
            alarm: None,
            waiting: BTreeMap::new(),
            admitted: VecDeque::new(),
            refused: 0,
            requests: 0,
            longest_row: 0,
        }
    }

    pub fn run(&mut self) {
        for made in self.plan.moves.clone() {
            match made {
                Move::Requests(isolate, count, gap) => {
                    for _ in 0..count {
                        self.pass(gap);
                        self.request(isolate % self.plan.isolates, 0);
                    }
                }
                Move::Pass(length) => self.pass(length),
                Move::Jump(part) => {
                    self.wrong += self.plan.jump * i64::from(part) / 4;
                }
                Move::Vanish(isolate) => self.vanish(isolate % self.plan.isolates),
                Move::Evict => self.pool = None,
            }
        }
        self.pass(60_000);
    }

    fn roll(&mut self, max: u64) -> u64 {
        self.rng.random_range(0..=max)
    }

    fn clock(&self, isolate: usize) -> Timestamp {
        match self.plan.liar == Liar::Isolate(isolate) {
            true => Timestamp(self.now.strict_add_signed(self.wrong)),
            false => Timestamp(self.now),
        }
    }

    fn object_clock(&self) -> Timestamp {
        match self.plan.liar == Liar::Object {
            true => Timestamp(self.now.strict_add_signed(self.wrong)),
            false => Timestamp(self.now),
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.plan.timeout)
    }

    fn after(&mut self, length: u64, event: Event) {
        self.next_event += 1;
        self.events
            .insert((self.now + length, self.next_event), event);
    }

    fn pass(&mut self, length: u64) {
        let until = self.now + length;
        while let Some((&(at, _), _)) = self.events.first_key_value()
            && at <= until
        {
            let (_, event) = self.events.pop_first().expect("there is one");
            self.now = at;
            self.happen(event);
        }
        self.now = until;
    }

    fn vanish(&mut self, isolate: usize) {
        let life = self.isolates[isolate].life + 1;
        let number = (life * 1000) + isolate as u64;
        let holder = Holder::new(self.plan.quota, number);
        self.isolates[isolate] = Isolate { holder, life };
    }

    fn request(&mut self, isolate: usize, waited: u64) {
        let (now, timeout) = (self.clock(isolate), self.timeout());
        let holder = &mut self.isolates[isolate].holder;
        let (decision, tasks) = holder.decide(Duration::from_millis(waited), now, timeout);
        self.run_tasks(isolate, tasks);
        match decision {
            Decision::Admit(taken) => self.admit(isolate, taken, self.now),
            Decision::Refuse { wait } => {
                assert!(!wait.is_zero(), "a wait of nothing");
                self.refused += 1;
            }
            Decision::Ask(request) => self.send(isolate, request, true),
            Decision::Wait(length) => {
                let waited = waited + millis(length);
                if waited < self.plan.timeout {
                    let life = self.isolates[isolate].life;
                    self.after(millis(length), Event::Retry(isolate, life, waited));
                }
            }
        }
    }

    /// Some admissions are not used, since another counter refuses.
    fn admit(&mut self, isolate: usize, taken: Admission, at: u64) {
        if self.roll(9) > 0 {
            self.admitted.push_back(at);
            return;
        }
        let now = self.clock(isolate);
        let request = self.isolates[isolate].holder.give_back(taken, now);
        if let Some(request) = request {
            self.send(isolate, request, false);
        }
    }

    fn run_tasks(&mut self, isolate: usize, tasks: Vec<HolderTask>) {
        let life = self.isolates[isolate].life;
        for task in tasks {
            match task {
                HolderTask::Ask(request) => self.send(isolate, request, false),
                HolderTask::Wake { after, alarm } => {
                    // A timer may be late, and may never come where clocks are right.
                    let comes = self.plan.liar == Liar::Isolate(isolate) || self.roll(9) > 0;
                    if comes {
                        let late = self.roll(20);
                        self.after(millis(after) + late, Event::Wake(isolate, life, alarm));
                    }
                }
            }
        }
    }

    fn send(&mut self, isolate: usize, request: PoolRequest, waits: bool) {
        self.requests += 1;
        let life = self.isolates[isolate].life;
        self.waiting.insert((isolate, life, request.number), ());
        let fault = self.rng.random_range(0..100) < self.plan.faults;
        let kind = self.roll(2);
        let quick = self.plan.timeout / 4;
        let way = self.roll(quick);
        if !(fault && kind == 0) {
            let late = if fault {
                self.roll(self.plan.lateness)
            } else {
                0
            };
            self.after(way + late, Event::Ask(isolate, life, request, waits));
        }
        if fault && kind == 1 {
            let late = self.roll(self.plan.lateness);
            self.after(way + late, Event::Ask(isolate, life, request, waits));
        }
        self.after(self.plan.timeout, Event::GiveUp(isolate, life, request));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask(isolate, life, request, waits) => {
                let response = self.ask_pool(&request);
                let fault = self.rng.random_range(0..100) < self.plan.faults;
                let quick = self.plan.timeout / 4;
                let way = self.roll(quick)
                    + if fault {
                        self.roll(self.plan.lateness)
                    } else {
                        0
                    };
                if !(fault && self.roll(1) == 0) {
                    let decided = self.now;
                    let event = Event::Hear(isolate, life, request, response, waits, decided);
                    self.after(way, event);
                }
            }
            Event::Hear(isolate, life, request, response, waits, decided) => {
                if self
                    .waiting
                    .remove(&(isolate, life, request.number))
                    .is_some()
                    && self.isolates[isolate].life == life
                {
                    self.hear(isolate, &request, response, waits, decided);
                }
            }
            Event::GiveUp(isolate, life, request) => {
                if self
                    .waiting
                    .remove(&(isolate, life, request.number))
                    .is_some()
                    && self.isolates[isolate].life == life
                {
                    self.isolates[isolate].holder.failed(&request);
                }
            }
            Event::Wake(isolate, life, alarm) => {
                if self.isolates[isolate].life == life {
                    let (now, timeout) = (self.clock(isolate), self.timeout());
                    let request = self.isolates[isolate].holder.woken(alarm, now, timeout);
                    if let Some(request) = request {
                        self.send(isolate, request, false);
                    }
                }
            }
            Event::Retry(isolate, life, waited) => {
                if self.isolates[isolate].life == life {
                    self.request(isolate, waited);
                }
            }
            Event::ObjectAlarm(serial) => {
                if self.alarm == Some(serial) {
                    self.wake_object();
                }
            }
        }
    }

    fn hear(
        &mut self,
        isolate: usize,
        request: &PoolRequest,
        response: PoolResponse,
        waits: bool,
        decided: u64,
    ) {
        let now = self.clock(isolate);
        let holder = &mut self.isolates[isolate].holder;
        match response {
            PoolResponse::Stale => holder.failed(request),
            PoolResponse::Granted(given) if !waits => holder.heard(request, &given, now),
            PoolResponse::Granted(given) => match holder.answered(request, &given, now) {
                Ok(taken @ Admission::There { .. }) => self.admit(isolate, taken, decided),
                Ok(taken) => self.admit(isolate, taken, self.now),
                Err(_) => self.refused += 1,
            },
        }
    }

    fn ask_pool(&mut self, request: &PoolRequest) -> PoolResponse {
        let clock = self.object_clock();
        let stored = &self.stored;
        let pool = self.pool.get_or_insert_with(|| match stored {
            Some(row) => Pool::load(row).expect("its own row"),
            None => Pool::default(),
        });
        let (response, row) = pool.step(request, clock);
        let horizon = millis(pool.horizon());
        if let Some(row) = row {
            self.longest_row = self.longest_row.max(row.len());
            self.stored = Some(row);
        }
        if let PoolResponse::Granted(given) = response
            && let PoolOperation::Share { admits, .. } = request.wish
        {
            assert!(admits || !given.admits);
        }
        if self.alarm.is_none() {
            self.set_alarm(horizon + millis(KEPT_FOR));
        }
        response
    }

    fn set_alarm(&mut self, length: u64) {
        self.alarm = Some(self.next_event + 1);
        self.after(length, Event::ObjectAlarm(self.next_event + 1));
    }

    fn wake_object(&mut self) {
        self.alarm = None;
        let Some(row) = &self.stored else { return };
        let clock = self.object_clock();
        let pool = self
            .pool
            .get_or_insert_with(|| Pool::load(row).expect("its own row"));
        match pool.sleep(clock) {
            Some(length) => self.set_alarm(millis(length)),
            None => {
                self.pool = None;
                self.stored = None;
            }
        }
    }
}
