//! A route's quota under load: isolates around the world, one object, and the way between them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use portcullis::limits::quota::Quota;
use portcullis::limits::route_pool::{
    Admission, Alarm, Decision, Holder, HolderTask, Pool, PoolRequest, PoolResponse,
};
use portcullis::util::time::{Timestamp, millis};

use super::crowd::greatest_crowd;
use super::dice::{Dice, Skew};

const START: u64 = 1_800_000_000_000;
const TIMEOUT: Duration = Duration::from_secs(2);

/// What an object needs for a question, in microseconds: it answers a thousand in a second.
const SERVICE: u64 = 1000;

#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub quota: Quota,
    pub isolates: usize,
    /// Requests in a second.
    pub rate: f64,
    pub seconds: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub requests: u64,
    pub admitted: u64,
    pub refused: u64,
    /// Nobody answered in time.
    pub failed: u64,
    pub questions: u64,
    /// Questions that got nothing.
    pub questions_refused: u64,
    pub rows_written: u64,
    pub timers: u64,
    pub most_questions_in_a_second: u64,
    pub longest_row: usize,
    /// The most admissions in any window.
    pub greatest_crowd: usize,
}

enum Event {
    Request,
    Retry(usize, Duration),
    Ask(usize, PoolRequest, bool),
    /// The answer, and when it was decided.
    Hear(usize, PoolRequest, PoolResponse, bool, u64),
    GiveUp(usize, u64),
    Wake(usize, Alarm),
}

struct Isolate {
    holder: Holder,
    /// One way to the object, in microseconds.
    way: u64,
}

struct Fleet {
    load: Load,
    dice: Dice,
    /// Microseconds since the start.
    now: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    isolates: Vec<Isolate>,
    skew: Skew,
    pool: Pool,
    /// When the object has answered all that it was asked.
    busy_until: u64,
    waiting: BTreeMap<(usize, u64), PoolRequest>,
    /// When each admission was decided.
    admitted: Vec<u64>,
    second: (u64, u64),
    outcome: Outcome,
}

/// Runs a load to its end.
pub fn run(load: Load) -> Outcome {
    let mut dice = Dice(7);
    let isolates = (0..load.isolates).map(|at| Isolate {
        holder: Holder::new(load.quota, at as u64),
        way: 2_000 + dice.below(60_000),
    });
    let mut fleet = Fleet {
        isolates: isolates.collect(),
        load,
        dice,
        now: 0,
        queue: BinaryHeap::new(),
        events: BTreeMap::new(),
        next_event: 0,
        skew: Skew::sampled(load.isolates, 0.5, 1).0,
        pool: Pool::default(),
        busy_until: 0,
        waiting: BTreeMap::new(),
        admitted: Vec::new(),
        second: (0, 0),
        outcome: Outcome::default(),
    };
    fleet.after(0, Event::Request);
    while let Some(Reverse((at, number))) = fleet.queue.pop() {
        fleet.now = at;
        let event = fleet.events.remove(&number).expect("it was queued");
        fleet.happen(event);
    }
    let window = millis(load.quota.window()) * 1000;
    fleet.outcome.greatest_crowd = greatest_crowd(fleet.admitted, window);
    fleet.outcome
}

impl Fleet {
    fn clock(&self) -> Timestamp {
        Timestamp(START + self.now / 1000)
    }

    fn after(&mut self, length: u64, event: Event) {
        self.next_event += 1;
        self.queue
            .push(Reverse((self.now + length, self.next_event)));
        self.events.insert(self.next_event, event);
    }

    fn happen(&mut self, event: Event) {
        let now = self.clock();
        match event {
            Event::Request => self.request(),
            Event::Retry(isolate, waited) => self.decide(isolate, waited),
            Event::Ask(isolate, request, waits) => self.ask(isolate, request, waits),
            Event::Hear(isolate, request, answer, waits, decided) => {
                if self.waiting.remove(&(isolate, request.number)).is_none() {
                    return;
                }
                let holder = &mut self.isolates[isolate].holder;
                match answer {
                    PoolResponse::Stale => holder.failed(&request),
                    PoolResponse::Granted(given) if !waits => holder.heard(&request, &given, now),
                    PoolResponse::Granted(given) => match holder.answered(&request, &given, now) {
                        Ok(Admission::There { .. }) => self.admit(decided),
                        Ok(Admission::Here { .. }) => self.admit(self.now),
                        Err(_) => {
                            self.outcome.refused += 1;
                            self.outcome.questions_refused += 1;
                        }
                    },
                }
            }
            Event::GiveUp(isolate, number) => {
                if let Some(request) = self.waiting.remove(&(isolate, number)) {
                    self.outcome.failed += 1;
                    self.isolates[isolate].holder.failed(&request);
                }
            }
            Event::Wake(isolate, alarm) => {
                let request = self.isolates[isolate].holder.woken(alarm, now, TIMEOUT);
                if let Some(request) = request {
                    self.send(isolate, request, false);
                }
            }
        }
    }

    fn request(&mut self) {
        let wait = self.dice.wait(self.load.rate / 1_000_000.0) as u64;
        if self.now + wait < self.load.seconds * 1_000_000 {
            self.after(wait, Event::Request);
        }
        self.outcome.requests += 1;
        let isolate = self.skew.draw(&mut self.dice);
        self.decide(isolate, Duration::ZERO);
    }

    fn decide(&mut self, isolate: usize, waited: Duration) {
        let now = self.clock();
        let holder = &mut self.isolates[isolate].holder;
        let (decision, tasks) = holder.decide(waited, now, TIMEOUT);
        for task in tasks {
            match task {
                HolderTask::Ask(request) => self.send(isolate, request, false),
                HolderTask::Wake { after, alarm } => {
                    self.outcome.timers += 1;
                    self.after(millis(after) * 1000, Event::Wake(isolate, alarm));
                }
            }
        }
        match decision {
            Decision::Admit(_) => self.admit(self.now),
            Decision::Refuse { .. } => self.outcome.refused += 1,
            Decision::Ask(request) => self.send(isolate, request, true),
            Decision::Wait(length) if waited + length < TIMEOUT => {
                let length_in_all = waited + length;
                self.after(millis(length) * 1000, Event::Retry(isolate, length_in_all));
            }
            Decision::Wait(_) => self.outcome.failed += 1,
        }
    }

    fn send(&mut self, isolate: usize, request: PoolRequest, waits: bool) {
        self.waiting.insert((isolate, request.number), request);
        self.after(
            self.isolates[isolate].way,
            Event::Ask(isolate, request, waits),
        );
        let limit = millis(TIMEOUT) * 1000;
        self.after(limit, Event::GiveUp(isolate, request.number));
    }

    fn ask(&mut self, isolate: usize, request: PoolRequest, waits: bool) {
        let second = self.now / 1_000_000;
        self.second = match self.second {
            (same, count) if same == second => (same, count + 1),
            _ => (second, 1),
        };
        let outcome = &mut self.outcome;
        outcome.questions += 1;
        outcome.most_questions_in_a_second = outcome.most_questions_in_a_second.max(self.second.1);
        self.busy_until = self.busy_until.max(self.now) + SERVICE;
        let (answer, row) = self
            .pool
            .step(&request, Timestamp(START + self.busy_until / 1000));
        if let Some(row) = row {
            outcome.rows_written += 1;
            outcome.longest_row = outcome.longest_row.max(row.len());
        }
        let way = self.busy_until - self.now + self.isolates[isolate].way;
        let decided = self.busy_until;
        self.after(way, Event::Hear(isolate, request, answer, waits, decided));
    }

    fn admit(&mut self, decided: u64) {
        self.outcome.admitted += 1;
        self.admitted.push(decided);
    }
}
