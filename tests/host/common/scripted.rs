//! A gate and a platform in a test's hands: ledgers, pools and the store answer by the core's own
//! steps, everything else as the test says, and every question is noted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis::config::Settings;
use portcullis::gateway::platform::{
    Background, BackgroundTask, Body, Channels, FirstMessages, LedgerCall, Ledgers, Metrics,
    NoFirstMessage, ObjectReply, OneTimeCall, OneTimeObjects, Opening, Random, Registration,
    Registry, RouteCall, RoutePools, Upstreams, Wait,
};
use portcullis::gateway::{Gate, Passage};
use portcullis::limits::ledger::{Departure, Ledger, LedgerResponse, Operation, Outlook};
use portcullis::limits::route_pool::{Pool, PoolResponse};
use portcullis::limits::two_clocks::TwoClocks;
use portcullis::metrics::{MetricsRequest, MetricsResponse, Statistics};
use portcullis::one_time::store::{self, StoreChange, StoreRequest, StoreResponse, StoredValue};
use portcullis::policy::{LEDGER_BINDING, ONE_TIME_BINDING, REGISTRY_BINDING, ROUTE_QUOTA_BINDING};
use portcullis::record::Record;
use portcullis::registry::{Census, RegistryRequest, RegistryResponse};
use portcullis::token::{
    Algorithm, Cryptography, Document, IntrospectionRequest, ProviderAnswer, Providers, RemoteKeys,
    RuntimeKey,
};
use portcullis::upstream::{Forward, Reply, UpstreamFailure};
use portcullis::util::time::{Clock, Timestamp};

use super::counters::ready;
use super::{Ask, NOW, SECRET, hs256, settings};

/// What can be out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    AddressLedger,
    UserLedger,
    Pool,
    Store,
    Registry,
    Metrics,
}

pub const ORIGIN: &str = "https://app.example";
pub const ADMIN: &str = "an-administrators-token-of-over-32-characters";

pub struct Scripted {
    pub gate: Gate,
    pub now: Cell<Timestamp>,
    /// These don't answer.
    pub down: RefCell<BTreeSet<Part>>,
    /// The registry's next answers; without one it admits.
    pub registry: RefCell<VecDeque<RegistryResponse>>,
    /// What the registry was asked, with the object that was.
    pub registry_asked: RefCell<Vec<(u8, RegistryRequest)>>,
    pub registered: RefCell<Vec<Registration>>,
    pub body: RefCell<Result<String, String>>,
    pub upstream: RefCell<Result<Reply, UpstreamFailure>>,
    /// What a client says first on a socket that is opened early.
    pub first_message: RefCell<Result<Vec<u8>, NoFirstMessage>>,
    /// How such sockets were opened: the subprotocol and the greeting.
    pub opened: RefCell<Vec<(Option<String>, Option<String>)>>,
    pub provider: RefCell<Result<ProviderAnswer, String>>,
    /// While this holds, no provider answers.
    pub provider_hangs: Cell<bool>,
    /// The key sets that there are, by URL.
    pub key_sets: RefCell<BTreeMap<String, String>>,
    pub discarded: Cell<u32>,
    /// What servers were sent.
    pub forwarded: RefCell<Vec<Sent>>,
    /// The records of work after responses.
    pub recorded: RefCell<Vec<Record>>,
    /// Every question in its order.
    asked: RefCell<Vec<String>>,
    background: RefCell<VecDeque<BackgroundTask>>,
    ledgers: RefCell<BTreeMap<String, Ledger>>,
    pools: RefCell<BTreeMap<String, Pool>>,
    stored: RefCell<BTreeMap<String, StoredValue>>,
    statistics: RefCell<Statistics>,
    /// How often the object of metrics was asked.
    pub metrics_asked: Cell<u32>,
    /// The channels that are open.
    open: Rc<Cell<u32>>,
    drawn: Cell<u128>,
}

/// A request to a server, relative to the one that came.
#[derive(Debug)]
pub struct Sent {
    pub url: String,
    pub remove: Vec<String>,
    pub set: Vec<(&'static str, String)>,
    pub changes: Vec<(String, Option<String>)>,
}

/// A channel that is counted while it is open.
pub struct TestChannel(Rc<Cell<u32>>);

impl Drop for TestChannel {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The answer of a journey, if it has one by now.
pub fn poll(journey: Pin<&mut impl Future<Output = Answer>>) -> Option<Answer> {
    match journey.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// How a request fared.
#[derive(Debug)]
pub struct Answer {
    /// `socket`, `plain`, `json`, `preflight`, `health`, `key set`, or the name of the reason.
    pub what: String,
    pub json: String,
    pub record: Record,
}

impl Answer {
    pub fn cause(&self) -> &str {
        self.record.cause.as_deref().unwrap_or_default()
    }

    /// The answer, its stage and its cause.
    pub fn line(&self) -> String {
        let stage = self.record.stage.name();
        match self.cause() {
            "" => format!("{} at {stage}", self.what),
            cause => format!("{} at {stage}: {cause}", self.what),
        }
    }

    pub fn member(&self, name: &str) -> serde_json::Value {
        super::object(&self.json)[name].clone()
    }
}

/// Sound settings for everything, with these over them.
pub fn whole(vars: &[(&str, &str)]) -> Settings {
    let secret = str::from_utf8(SECRET).expect("text");
    let mut all = settings(&[
        ("ALLOWED_ORIGINS", ORIGIN),
        ("UPSTREAM_URL", "wss://chat.example"),
        ("JWT_SECRET", secret),
    ]);
    all.vars.extend(settings(vars).vars);
    all.bindings = [
        LEDGER_BINDING,
        ROUTE_QUOTA_BINDING,
        ONE_TIME_BINDING,
        REGISTRY_BINDING,
    ]
    .map(str::to_owned)
    .into();
    all
}

pub fn token(claims: &str) -> String {
    hs256(&format!(r#"{{"exp":4000000000,{claims}}}"#))
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// An upgrade from an allowed origin by a token with these claims.
pub fn upgrade(claims: &str) -> Ask {
    Ask::upgrade()
        .with("origin", ORIGIN)
        .with("authorization", &bearer(&token(claims)))
}

/// The same with the key of another handshake.
pub fn upgrade_with_key(claims: &str, key: char) -> Ask {
    let text = format!("{}A==", key.to_string().repeat(21));
    upgrade(claims).with("sec-websocket-key", &text)
}

/// A POST to an endpoint from an allowed origin by a token with these claims.
pub fn post(path: &str, claims: &str) -> Ask {
    Ask::plain("POST", &format!("https://gate.example{path}"))
        .with("origin", ORIGIN)
        .with("authorization", &bearer(&token(claims)))
}

/// An administrator's request.
pub fn admin(method: &'static str, path: &str) -> Ask {
    Ask::plain(
        method,
        &format!("https://gate.example/_portcullis/admin/{path}"),
    )
    .with("authorization", &bearer(ADMIN))
}

impl Scripted {
    pub fn new(settings: &Settings) -> Self {
        let gate = Gate::new(settings);
        assert!(gate.is_configured(), "{:?}", gate.remarks());
        Self {
            gate,
            now: Cell::new(NOW),
            down: RefCell::default(),
            registry: RefCell::default(),
            registry_asked: RefCell::default(),
            registered: RefCell::default(),
            body: RefCell::new(Ok(String::new())),
            upstream: RefCell::new(Ok(Reply {
                status: 101,
                has_socket: true,
                protocol: None,
                extensions: None,
            })),
            first_message: RefCell::new(Err(NoFirstMessage::TimedOut)),
            opened: RefCell::default(),
            provider: RefCell::new(Err("down".into())),
            provider_hangs: Cell::new(false),
            key_sets: RefCell::default(),
            discarded: Cell::new(0),
            forwarded: RefCell::default(),
            recorded: RefCell::default(),
            asked: RefCell::default(),
            background: RefCell::default(),
            ledgers: RefCell::default(),
            pools: RefCell::default(),
            stored: RefCell::default(),
            statistics: RefCell::default(),
            metrics_asked: Cell::new(0),
            open: Rc::default(),
            drawn: Cell::new(0),
        }
    }

    pub fn with(vars: &[(&str, &str)]) -> Self {
        Self::new(&whole(vars))
    }

    /// Sends a request on its journey, without the work after the response.
    pub fn send(&self, ask: &Ask) -> Answer {
        ready(self.begin(ask))
    }

    /// Begins a journey, which goes on as it is polled.
    pub async fn begin(&self, ask: &Ask) -> Answer {
        let request = ask.request();
        let place = self.gate.place(&request);
        let address = self.gate.address_key(&request, &place);
        let mut record = Record::begin(address, "0123", String::new());
        let result = self.gate.journey(self, &request, &place, &mut record).await;
        let (what, json) = match result {
            Ok(Passage::Socket { .. }) => ("socket", String::new()),
            Ok(Passage::Plain { .. }) => ("plain", String::new()),
            Ok(Passage::Health { .. }) => ("health", String::new()),
            Ok(Passage::Preflight) => ("preflight", String::new()),
            Ok(Passage::Json { json }) => ("json", json),
            Ok(Passage::KeySet { json }) => ("key set", json),
            Ok(Passage::Unrecorded { text, .. }) => ("unrecorded", text),
            Ok(Passage::Dashboard) => ("dashboard", String::new()),
            Err(rejection) => {
                record.note_refusal(&rejection);
                (rejection.reason.name(), String::new())
            }
        };
        Answer {
            what: what.to_owned(),
            json,
            record,
        }
    }

    /// Does the work after the responses. Returns the lines for the log.
    pub fn finish(&self) -> Vec<String> {
        self.finish_where(|_| true)
    }

    /// The same, but no timer ends meanwhile.
    pub fn finish_before_timers(&self) -> Vec<String> {
        self.finish_where(|task| task.timer().is_none())
    }

    fn finish_where(&self, is_due: impl Fn(&BackgroundTask) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let next = {
                let mut all = self.background.borrow_mut();
                let due = all.iter().position(&is_due);
                due.and_then(|due| all.remove(due))
            };
            let Some(task) = next else { return lines };
            match ready(self.gate.perform(self, task)) {
                Ok(record) => self
                    .recorded
                    .borrow_mut()
                    .extend(record.map(|record| *record)),
                Err(line) => lines.push(line),
            }
        }
    }

    /// The same as [`Self::send`], with the work after the response.
    pub fn knock(&self, ask: &Ask) -> Answer {
        let answer = self.send(ask);
        self.finish();
        answer
    }

    pub fn break_down(&self, part: Part) {
        self.down.borrow_mut().insert(part);
    }

    pub fn repair(&self) {
        self.down.borrow_mut().clear();
    }

    pub fn pass(&self, length: Duration) {
        self.now.set(self.now.get() + length);
    }

    /// The questions since this was called last.
    pub fn take_asked(&self) -> Vec<String> {
        self.asked.take()
    }

    /// Takes over the ledgers of another isolate's gate.
    pub fn share_ledgers(&self, other: &Self) {
        self.ledgers.swap(&other.ledgers);
    }

    pub fn open_channels(&self) -> u32 {
        self.open.get()
    }

    fn note(&self, question: String) {
        self.asked.borrow_mut().push(question);
    }

    async fn wait_for_provider(&self) {
        poll_fn(|_| match self.provider_hangs.get() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }

    fn is_down(&self, part: Part) -> bool {
        self.down.borrow().contains(&part)
    }

    fn channel(&self) -> TestChannel {
        self.open.set(self.open.get() + 1);
        TestChannel(self.open.clone())
    }

    fn next_answer(&self, default: RegistryResponse) -> Result<RegistryResponse, String> {
        if self.is_down(Part::Registry) {
            return Err("down".into());
        }
        Ok(self.registry.borrow_mut().pop_front().unwrap_or(default))
    }
}

impl Clock for Scripted {
    fn now(&self) -> Timestamp {
        self.now.get()
    }
}

impl Random for Scripted {
    /// Never the same bytes.
    fn random<const N: usize>(&self) -> [u8; N] {
        self.drawn.set(self.drawn.get() + 1);
        let drawn = self.drawn.get().to_le_bytes();
        std::array::from_fn(|at| drawn.get(at).copied().unwrap_or(7))
    }
}

impl Wait for Scripted {
    async fn wait(&self, length: Duration) {
        self.pass(length);
    }
}

impl Cryptography for Scripted {
    async fn verify(
        &self,
        _: &Rc<RuntimeKey>,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<bool, String> {
        Ok(false)
    }
}

impl Providers for Scripted {
    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, _: bool) {
        self.note(format!("keys {}", keys.url));
        self.wait_for_provider().await;
        let text = self.key_sets.borrow().get(&keys.url).cloned();
        let document = text.map(|text| Document {
            text,
            max_age: None,
            since: self.now.get(),
        });
        keys.take(document.ok_or("down".into()), self.now.get());
    }

    async fn introspect(&self, _: &IntrospectionRequest<'_>) -> Result<ProviderAnswer, String> {
        self.note("introspection".into());
        self.wait_for_provider().await;
        self.provider.borrow().clone()
    }
}

impl FirstMessages for Scripted {
    async fn first_message(&self, opening: &Opening<'_>) -> Result<Vec<u8>, NoFirstMessage> {
        self.note("first message".into());
        self.opened.borrow_mut().push((
            opening.protocol.map(str::to_owned),
            opening.greeting.map(str::to_owned),
        ));
        self.first_message.borrow().clone()
    }
}

impl Channels for Scripted {
    type Channel = TestChannel;
}

impl Ledgers for Scripted {
    async fn ask_ledger(&self, call: &LedgerCall) -> ObjectReply<LedgerResponse, TestChannel> {
        let (owner, part) = match call.ledger.split_once(' ') {
            Some(("user", _)) => ("user", Part::UserLedger),
            _ => ("address", Part::AddressLedger),
        };
        let what = match call.request.operation {
            Operation::Admit { .. } => "admit",
            Operation::Borrow { .. } => "borrow",
            Operation::Open { .. } => "open",
            Operation::Claim { .. } => "claim",
            Operation::Replace { .. } => "replace",
            Operation::Attach { .. } => "attach",
            Operation::Count { attempts, failures } => match (attempts, failures) {
                (1, 0) => "count",
                (1, 1) => "count a failure",
                (0, 1) => "fail",
                _ => &format!("count {attempts} attempts and {failures} failures"),
            },
            Operation::GiveBack { .. } => "give back",
            Operation::Lift => "lift",
            Operation::Explain => "explain",
        };
        self.note(format!("{owner}: {what}"));
        if self.is_down(part) {
            return ObjectReply {
                answer: Err("down".into()),
                channel: None,
            };
        }
        let mut ledgers = self.ledgers.borrow_mut();
        let ledger = ledgers.entry(call.ledger.clone()).or_default();
        let (mut answer, _) = ledger.step(&call.request, self.now.get());
        // Sockets that are replaced close at once.
        if let Operation::Replace { slot, .. } = call.request.operation
            && ledger.has_waiting()
        {
            let now = self.now.get();
            let clocks = TwoClocks::new(now, now);
            for id in ledger.succeed(clocks).0.replaced {
                self.note(format!("{owner}: one is replaced"));
                ledger.leave(&id, Departure::SocketOver, now);
            }
            let (succession, _) = ledger.succeed(clocks);
            let outlook = Outlook::default();
            answer = match succession.granted.contains(&slot.id) {
                true => LedgerResponse::Counted(outlook),
                false => LedgerResponse::TooManySockets(outlook),
            };
        }
        let has_slot = call.request.operation.slot().is_some();
        let is_granted = matches!(answer, LedgerResponse::Counted(_));
        ObjectReply {
            answer: Ok(answer),
            channel: (has_slot && is_granted).then(|| self.channel()),
        }
    }
}

impl RoutePools for Scripted {
    async fn ask_route_pool(&self, call: &RouteCall) -> Result<PoolResponse, String> {
        self.note(format!("route {}", call.route));
        if self.is_down(Part::Pool) {
            return Err("down".into());
        }
        let mut pools = self.pools.borrow_mut();
        let pool = pools.entry(call.route.clone()).or_default();
        Ok(pool.step(&call.request, self.now.get()).0)
    }
}

impl OneTimeObjects for Scripted {
    async fn ask_one_time(&self, call: &OneTimeCall) -> Result<StoreResponse, String> {
        let kind = call.name.split(' ').next().unwrap_or_default();
        let what = match call.request {
            StoreRequest::Keep { .. } => "keep",
            StoreRequest::Take => "take",
        };
        self.note(format!("{kind}: {what}"));
        if self.is_down(Part::Store) {
            return Err("down".into());
        }
        let mut stored = self.stored.borrow_mut();
        let before = stored.get(&call.name).cloned();
        let (answer, change) = store::step(before, call.request.clone(), self.now.get());
        match change {
            StoreChange::Nothing => {}
            StoreChange::Write(value) => {
                stored.insert(call.name.clone(), value);
            }
            StoreChange::Delete => {
                stored.remove(&call.name);
            }
        }
        Ok(answer)
    }
}

impl Registry for Scripted {
    async fn register(
        &self,
        registration: &Registration,
    ) -> ObjectReply<RegistryResponse, TestChannel> {
        self.note("registry: register".into());
        self.registered.borrow_mut().push(registration.clone());
        let answer = self.next_answer(RegistryResponse::Admitted {
            denials_exist: false,
        });
        let is_refused = matches!(
            answer,
            Ok(RegistryResponse::Refused { .. } | RegistryResponse::TooManySockets)
        );
        let channel = registration.with_channel && !is_refused;
        ObjectReply {
            answer,
            channel: channel.then(|| self.channel()),
        }
    }

    async fn ask_registry(
        &self,
        shards: &[u8],
        question: &RegistryRequest,
        _: Duration,
    ) -> Vec<Result<RegistryResponse, String>> {
        let asked = shards.iter().map(|shard| (*shard, question.clone()));
        self.registry_asked.borrow_mut().extend(asked);
        let answers = shards.iter().map(|_| {
            let default = match question {
                RegistryRequest::Deny { denial, .. } => RegistryResponse::Denied {
                    denial: *denial,
                    sockets: 0,
                },
                RegistryRequest::Extend { .. } => RegistryResponse::Extended { sockets: 0 },
                RegistryRequest::List { .. } => RegistryResponse::Listed {
                    sockets: Vec::new(),
                    truncated: false,
                },
                RegistryRequest::Lift { .. } => RegistryResponse::Lifted { existed: false },
                RegistryRequest::ListDenials { .. } => RegistryResponse::ListedDenials {
                    denials: Vec::new(),
                    truncated: false,
                },
                RegistryRequest::Count => RegistryResponse::Count(Census::default()),
                RegistryRequest::Admit { .. } | RegistryRequest::Open(_) => {
                    RegistryResponse::Admitted {
                        denials_exist: false,
                    }
                }
            };
            self.next_answer(default)
        });
        answers.collect()
    }
}

impl Metrics for Scripted {
    async fn ask_metrics(
        &self,
        request: &MetricsRequest,
        _: Duration,
    ) -> Result<MetricsResponse, String> {
        if self.is_down(Part::Metrics) {
            return Err("down".into());
        }
        self.metrics_asked.set(self.metrics_asked.get() + 1);
        // As it travels.
        let request = MetricsRequest::from_json(&request.to_json()).expect("its own JSON");
        let mut statistics = self.statistics.borrow_mut();
        let (response, _) = statistics.step(request, self.now.get());
        Ok(MetricsResponse::from_json(&response.to_json()).expect("its own JSON"))
    }
}

impl Upstreams for Scripted {
    type Upstream = ();

    async fn forward(&self, forward: &Forward<'_>) -> Result<(Reply, ()), UpstreamFailure> {
        self.note("server".into());
        self.forwarded.borrow_mut().push(Sent {
            url: forward.url.clone(),
            remove: forward.remove.iter().map(ToString::to_string).collect(),
            set: forward.set.clone(),
            changes: forward
                .changes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        });
        self.upstream.borrow().clone().map(|reply| (reply, ()))
    }

    fn discard(&self, (): ()) {
        self.discarded.set(self.discarded.get() + 1);
    }
}

impl Body for Scripted {
    async fn read_body(&self, max_bytes: u32) -> Result<String, String> {
        let body = self.body.borrow().clone()?;
        if body.len() > max_bytes as usize {
            return Err("the body is too long".into());
        }
        Ok(body)
    }
}

impl Background for Scripted {
    fn run_in_background(&self, task: BackgroundTask) {
        self.background.borrow_mut().push_back(task);
    }
}
