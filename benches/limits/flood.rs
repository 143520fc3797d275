//! Limits per address under load, by the gate's own journey: isolates around the world, and a
//! ledger for each address that came.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use base64ct::{Base64, Encoding};
use portcullis::config::{Settings, Var};
use portcullis::gateway::platform::{BackgroundTask, LedgerCall};
use portcullis::gateway::{Gate, Passage};
use portcullis::limits::ledger::{Ledger, LedgerResponse, Row};
use portcullis::policy::LEDGER_BINDING;
use portcullis::record::Record;
use portcullis::request::address::ClientAddress;
use portcullis::request::{Headers, Request, RequestUrl};
use portcullis::util::time::Timestamp;

use super::counters::{Counters, Counting, ready};
use super::crowd::greatest_crowd;
use super::dice::{Dice, Skew};

const START: u64 = 1_800_000_000_000;

/// How long an object that nobody asks stays in memory, in milliseconds.
const IN_MEMORY: u64 = 10_000;

/// One question in so many finds its object restarted, whenever it was asked last.
const RESTARTS: u64 = 2000;

/// Isolates that one address comes to: those of its data centre.
const ISOLATES_OF_AN_ADDRESS: u64 = 4;

#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    pub isolates: usize,
    pub addresses: usize,
    /// One address in so many is simulated, with the attempts that it makes.
    pub one_in: usize,
    /// How unlike they are: the exponent of Zipf's law, or zero for all alike.
    pub skew: f64,
    /// By all addresses, evenly over so many seconds.
    pub attempts: u64,
    pub seconds: u64,
    /// What is counted begins only after so many of these seconds.
    pub from: u64,
    pub quota: &'static str,
    pub replay_window: &'static str,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub admitted: u64,
    pub refused: u64,
    /// Calls of attempts that were admitted, and of those that were refused.
    pub calls_of_admitted: u64,
    pub calls_of_refused: u64,
    pub rows_written: u64,
    pub alarms: u64,
    pub keys: usize,
    /// Of the hottest object.
    pub most_calls_in_a_second: u64,
    pub average_row: f64,
    pub longest_row: usize,
}

#[derive(Default)]
struct Kept {
    ledger: Ledger,
    rows: BTreeMap<u64, Row>,
    asked: u64,
    /// The calls of this second.
    second: u64,
    calls: u64,
}

/// All objects, and the time.
struct World {
    now: Cell<u64>,
    ledgers: RefCell<HashMap<String, Kept>>,
    dice: RefCell<Dice>,
    calls: Cell<u64>,
    /// How many random numbers and timers there were.
    drawn: Cell<u64>,
    background: RefCell<Vec<BackgroundTask>>,
    /// Tasks that begin with a timer: when it ends, and in which isolate.
    timers: RefCell<BTreeMap<(u64, u64), (usize, BackgroundTask)>>,
    outcome: RefCell<Outcome>,
    /// When attempts of each address were admitted.
    admitted: RefCell<HashMap<u64, Vec<u64>>>,
}

struct Knock {
    key: String,
    address: String,
}

/// Runs a crowd to its end.
pub fn run(crowd: Crowd) -> Outcome {
    let text = |value: &str| Var::Text(value.to_owned());
    let settings = Settings {
        vars: [
            ("ALLOWED_ORIGINS".to_owned(), text("https://app.example")),
            ("AUTH".to_owned(), text("off")),
            ("UPSTREAM_URL".to_owned(), text("wss://chat.example")),
            ("RATE_LIMIT_IP".to_owned(), text(crowd.quota)),
            ("KEY_REPLAY_WINDOW".to_owned(), text(crowd.replay_window)),
        ]
        .into(),
        bindings: [LEDGER_BINDING.to_owned()].into(),
    };
    let gates: Vec<_> = (0..crowd.isolates).map(|_| Gate::new(&settings)).collect();
    let (skew, share) = Skew::sampled(crowd.addresses, crowd.skew, crowd.one_in);
    let attempts = (crowd.attempts as f64 * share) as u64;
    let world = World {
        now: Cell::new(START),
        ledgers: RefCell::default(),
        dice: RefCell::new(Dice(11)),
        calls: Cell::new(0),
        drawn: Cell::new(0),
        background: RefCell::default(),
        timers: RefCell::default(),
        outcome: RefCell::default(),
        admitted: RefCell::default(),
    };
    for at in 0..attempts {
        let now = at * crowd.seconds * 1000 / attempts;
        if now < crowd.from * 1000 {
            world.outcome.take();
        }
        world.now.set(START + now);
        let (rank, one_of) = {
            let mut dice = world.dice.borrow_mut();
            (
                skew.draw(&mut dice) as u64,
                dice.below(ISOLATES_OF_AN_ADDRESS),
            )
        };
        let home = Dice(rank * ISOLATES_OF_AN_ADDRESS + one_of).next();
        let isolate = (home % crowd.isolates as u64) as usize;
        world.end_timers(&gates);
        world.knock(&gates, isolate, rank);
    }
    let (count, _) = crowd.quota.split_once('/').expect("a quota");
    let count: usize = count.parse().expect("a number");
    for times in world.admitted.into_inner().into_values() {
        assert!(greatest_crowd(times, 60_000) <= count, "over-admitted");
    }
    let mut outcome = world.outcome.into_inner();
    let ledgers = world.ledgers.into_inner();
    outcome.keys = ledgers.len();
    let bytes = |kept: &Kept| kept.rows.values().map(|row| row.data.len()).sum::<usize>();
    let all: usize = ledgers.values().map(bytes).sum();
    outcome.average_row = all as f64 / outcome.keys as f64;
    outcome.longest_row = ledgers.values().map(bytes).max().unwrap_or(0);
    outcome
}

impl World {
    fn draw(&self) -> u64 {
        self.drawn.set(self.drawn.get() + 1);
        self.drawn.get()
    }

    /// Does what waited for a timer that is over by now.
    fn end_timers(&self, gates: &[Gate]) {
        loop {
            let next = {
                let mut timers = self.timers.borrow_mut();
                let first = timers.first_entry();
                first.and_then(|first| (first.key().0 <= self.now.get()).then(|| first.remove()))
            };
            let Some((isolate, task)) = next else { return };
            ready(gates[isolate].perform(&Counting(self), task)).expect("a ledger answers");
            self.finish(gates, isolate);
        }
    }

    /// Does the work after a response, and sets its timers.
    fn finish(&self, gates: &[Gate], isolate: usize) {
        for task in self.background.take() {
            match task.timer() {
                None => {
                    ready(gates[isolate].perform(&Counting(self), task)).expect("a ledger answers");
                }
                Some(length) => {
                    let mut timers = self.timers.borrow_mut();
                    let end = self.now.get() + length.as_millis() as u64;
                    timers.insert((end, self.draw()), (isolate, task));
                }
            }
        }
    }

    fn knock(&self, gates: &[Gate], isolate: usize, rank: u64) {
        let gate = &gates[isolate];
        let bytes = u128::from(self.dice.borrow_mut().next()).to_be_bytes();
        let knock = Knock {
            key: Base64::encode_string(&bytes),
            address: format!("10.{}.{}.{}", rank >> 16, (rank >> 8) & 255, rank & 255),
        };
        let request = Request {
            method: "GET",
            url: RequestUrl::split("https://gate.example/"),
            address: ClientAddress::parse(Some(&knock.address)),
            headers: &knock,
        };
        let place = gate.place(&request);
        let key = gate.address_key(&request, &place);
        let mut record = Record::begin(key, "id", String::new());
        self.calls.set(0);
        let platform = Counting(self);
        let result = ready(gate.journey(&platform, &request, &place, &mut record));
        self.finish(gates, isolate);
        let mut outcome = self.outcome.borrow_mut();
        match result {
            Ok(Passage::Socket { .. }) => {
                let mut admitted = self.admitted.borrow_mut();
                admitted.entry(rank).or_default().push(self.now.get());
                outcome.admitted += 1;
                outcome.calls_of_admitted += self.calls.get();
            }
            _ => {
                outcome.refused += 1;
                outcome.calls_of_refused += self.calls.get();
            }
        }
    }
}

impl Headers for Knock {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = match name {
            "host" => "gate.example",
            "upgrade" => "websocket",
            "connection" => "Upgrade",
            "sec-websocket-version" => "13",
            "sec-websocket-key" => &self.key,
            "origin" => "https://app.example",
            _ => return None,
        };
        Some(value.into())
    }
}

impl Counters for World {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.get())
    }

    /// Never the same bytes.
    fn random<const N: usize>(&self) -> [u8; N] {
        let drawn = self.draw().to_le_bytes();
        std::array::from_fn(|at| drawn.get(at).copied().unwrap_or(7))
    }

    fn run_in_background(&self, task: BackgroundTask) {
        self.background.borrow_mut().push(task);
    }

    async fn ask(&self, call: &LedgerCall) -> Result<LedgerResponse, String> {
        self.calls.set(self.calls.get() + 1);
        let second = self.now.get() / 1000;
        let mut ledgers = self.ledgers.borrow_mut();
        let kept = ledgers.entry(call.ledger.clone()).or_default();
        if kept.second != second {
            (kept.second, kept.calls) = (second, 0);
        }
        kept.calls += 1;
        let is_restarted = self.dice.borrow_mut().below(RESTARTS) == 0;
        if is_restarted || kept.asked + IN_MEMORY < self.now.get() {
            kept.ledger = Ledger::load(kept.rows.values().cloned()).expect("its own rows");
        }
        kept.asked = self.now.get();
        let (answer, change) = kept.ledger.step(&call.request, self.now());
        let mut outcome = self.outcome.borrow_mut();
        outcome.most_calls_in_a_second = outcome.most_calls_in_a_second.max(kept.calls);
        outcome.rows_written += (change.write.len() + change.delete.len()) as u64;
        outcome.alarms += u64::from(change.wake_in.is_some());
        for number in change.delete {
            kept.rows.remove(&number);
        }
        for row in change.write {
            kept.rows.insert(row.number, row);
        }
        Ok(answer)
    }
}
