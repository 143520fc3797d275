//! The Durable Object that keeps the ledger of one address or user, and how an isolate calls it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use portcullis::gateway::platform::{LedgerCall, ObjectReply};
use portcullis::limits::ledger::{
    ChannelState, Departure, EntryId, Ledger as LedgerState, LedgerChange, LedgerRequest,
    LedgerResponse, Operation, Outlook, Row, wire,
};
use portcullis::limits::two_clocks::TwoClocks;
use portcullis::policy::LEDGER_BINDING;
use portcullis::relay::CloseReason;
use portcullis::request::RequestUrl;
use portcullis::util::hex;
use portcullis::util::time::{Timestamp, millis};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use worker::worker_sys::DurableObjectState;
use worker::{Context, Env, Error, Result, State, console_error};

use crate::clock::{in_one_turn, now};
use crate::host;
use crate::objects::waiters::Waiters;
use crate::promise::Settled;
use crate::sockets::channel::Channel;
use crate::sockets::slot::{self, SlotRequest};

/// Calls a ledger. If the call asks for a slot, its channel is held.
pub async fn ask_and_hold(
    env: &JsValue,
    context: &Context,
    call: &LedgerCall,
) -> ObjectReply<LedgerResponse, Channel> {
    let Some(slot) = call.request.operation.slot() else {
        return ObjectReply {
            answer: ask(env, call).await,
            channel: None,
        };
    };
    let request = SlotRequest {
        namespace: &host::binding(env, LEDGER_BINDING),
        ledger: &call.ledger,
        first: &wire::encode_request(&call.request),
        again: &wire::attach_prefix(slot),
        ends_when_lost: call.ends_when_lost,
        milliseconds: millis(call.timeout),
    };
    let ObjectReply { answer, channel } = slot::take(context, request).await;
    ObjectReply {
        answer: answer.and_then(|text| read(&text)),
        channel,
    }
}

/// Calls a ledger. The error says for the log why there is no answer.
pub async fn ask(env: &JsValue, call: &LedgerCall) -> std::result::Result<LedgerResponse, String> {
    let path = wire::encode_request(&call.request);
    read(&send(env, &call.ledger, &path, millis(call.timeout)).await?)
}

fn read(answer: &str) -> std::result::Result<LedgerResponse, String> {
    wire::decode_response(answer).ok_or_else(|| format!("it answered {answer:?}"))
}

async fn send(
    env: &JsValue,
    name: &str,
    path: &str,
    milliseconds: u64,
) -> std::result::Result<String, String> {
    let namespace = host::binding(env, LEDGER_BINDING);
    let answer = host::ask_by_path(&namespace, name, path, milliseconds as f64);
    host::text(Settled::of(answer).await)
}

/// The ledger of one address or user. It is stored, so that eviction forgets nothing; `memory` is
/// a copy of it while the object lives.
#[wasm_bindgen]
pub struct Ledger(Rc<Object>);

struct Object {
    state: State,
    env: Env,
    memory: RefCell<Option<LedgerState>>,
    waiters: Waiters,
}

/// The answer to a socket that waited for a slot in vain.
const TOO_MANY: LedgerResponse = LedgerResponse::TooManySockets(Outlook {
    exhausted_for: Duration::ZERO,
    banned_for: Duration::ZERO,
    few_left: None,
    lent: 0,
});

/// The path by which an object returns its time, and how many objects are there to be asked.
const CLOCK_PATH: &str = "/clock";
const CLOCKS: u64 = 16;
const CLOCK_TIMEOUT: u64 = 5000;

// Not by worker's attribute: that wraps request and response, and returns a promise. Answers here
// wait for nothing.
#[wasm_bindgen]
impl Ledger {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        Self(Rc::new(Object {
            state: state.into(),
            env,
            memory: RefCell::default(),
            waiters: Waiters::default(),
        }))
    }

    pub fn fetch(&self, request: web_sys::Request) -> std::result::Result<JsValue, JsValue> {
        let url = request.url();
        let path = RequestUrl::split(&url).path;
        let answered = in_one_turn(|| answer(&self.0, path, url.starts_with(BRIEF)));
        Ok(answered?)
    }

    pub fn alarm(&self) -> js_sys::Promise {
        let object = self.0.clone();
        future_to_promise(async move {
            object.alarm().await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Only an isolate that releases its channel says that the socket is over.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn web_socket_close(
        &self,
        socket: JsValue,
        code: u16,
        _reason: JsValue,
        was_clean: bool,
    ) -> std::result::Result<(), JsValue> {
        let how = match was_clean && code != LOST {
            true => Departure::SocketOver,
            false => Departure::ChannelLost,
        };
        Ok(self.0.leave(&socket, how)?)
    }

    #[wasm_bindgen(js_name = webSocketError)]
    pub fn web_socket_error(&self, socket: JsValue) -> std::result::Result<(), JsValue> {
        Ok(self.0.leave(&socket, Departure::ChannelLost)?)
    }
}

/// How the URL of a question begins that reads a brief answer.
const BRIEF: &str = "https://brief/";

/// The code with which an isolate closes a channel that it takes for broken.
const LOST: u16 = 1011;

/// Answers a request. One that waits for a slot is answered by a promise.
fn answer(object: &Rc<Object>, path: &str, is_brief: bool) -> Result<JsValue> {
    if path == CLOCK_PATH {
        return Ok(host::answer_by_header(&now().0.to_string()).into());
    }
    let request = wire::decode_request(path)
        .ok_or_else(|| Error::from("the path of the ledger's URL is not a request"))?;
    let answer = object.step(&request)?;
    let Some(slot) = request.operation.slot() else {
        let text = match is_brief {
            true => wire::encode_briefly(&answer),
            false => wire::encode_response(&answer),
        };
        return Ok(host::answer_by_header(&text).into());
    };
    let response = match (answer, request.operation) {
        // Nothing waits between the step and this, so no slot is without its channel.
        (LedgerResponse::Counted(_), _) => object.accept(slot.id, &answer)?,
        (LedgerResponse::Full(_), Operation::Replace { patience, .. }) => {
            let waits = object.clone();
            let give_up = move || waits.give_up(slot.id);
            object.waiters.promise(slot.id, patience, give_up).into()
        }
        _ => refuse(&answer),
    };
    object.succeed(TwoClocks::new(now(), request.now))?;
    Ok(response)
}

/// The answer to a request that gets no slot.
fn refuse(answer: &LedgerResponse) -> JsValue {
    // For a socket that attaches again and finds its slot taken.
    let message = CloseReason::LimiterUnavailable.message();
    let text = wire::encode_response(answer);
    slot::refuse(&text, &message.expect("the gate's own code"))
}

impl Object {
    fn accept(&self, id: EntryId, answer: &LedgerResponse) -> Result<JsValue> {
        let text = wire::encode_response(answer);
        Ok(slot::accept(self.state.as_raw(), &hex(id), &text)?)
    }

    /// Hands over slots to sockets that wait for them, and has the oldest ones closed for others.
    fn succeed(&self, now: TwoClocks) -> Result<()> {
        let mut memory = self.memory.borrow_mut();
        let memory = self.load(&mut memory)?;
        if !memory.has_waiting() {
            return Ok(());
        }
        let (succession, change) = memory.succeed(now);
        self.apply(change)?;
        for id in succession.granted {
            let granted = LedgerResponse::Counted(Outlook::default());
            self.waiters.answer(&id, &self.accept(id, &granted)?);
        }
        for id in succession.beaten {
            self.waiters.answer(&id, &refuse(&TOO_MANY));
        }
        let message = CloseReason::Replaced.message();
        let message = message.expect("the gate's own code");
        for id in succession.replaced {
            slot::tell(self.state.as_raw(), &hex(id), &message);
        }
        Ok(())
    }

    /// Refuses a socket that has waited long enough.
    fn give_up(&self, id: EntryId) {
        if let Some(memory) = self.memory.borrow_mut().as_mut() {
            memory.give_up(&id);
        }
        self.waiters.answer(&id, &refuse(&TOO_MANY));
    }

    /// Frees the slots of lost sockets, and empties the storage of a ledger that has been idle for
    /// long. Two clocks have to agree on a slot: a jump of this one must not end a lease.
    async fn alarm(&self) -> Result<()> {
        if self.has_unheard_sockets() {
            match self.another_clock().await {
                Ok(other) => self.reconcile(TwoClocks::new(now(), other))?,
                Err(failure) => {
                    console_error!("portcullis: sockets are not looked at for now: {failure}");
                }
            }
        }
        // A ledger that can't be read would refuse its address or user for ever.
        let sleep = self.sleep().unwrap_or_else(|error| {
            console_error!("portcullis: a ledger is emptied: {error}");
            None
        });
        match sleep {
            Some(milliseconds) => self.store(&[], &[], Some(milliseconds))?,
            None => {
                self.memory.take();
                self.state.storage().delete_all().await?;
            }
        }
        Ok(())
    }

    /// Notes that a channel ended.
    fn leave(&self, socket: &JsValue, how: Departure) -> Result<()> {
        let Some(id) = slot::left(self.state.as_raw(), socket) else {
            return Ok(());
        };
        let id = wire::parse_id(&id).ok_or_else(|| Error::from("a channel has another name"))?;
        let mut memory = self.memory.borrow_mut();
        let change = self.load(&mut memory)?.leave(&id, how, now());
        drop(memory);
        self.apply(change)?;
        self.succeed(TwoClocks::new(now(), now()))
    }

    fn has_unheard_sockets(&self) -> bool {
        let mut memory = self.memory.borrow_mut();
        self.load(&mut memory)
            .is_ok_and(|memory| !memory.hears_all_sockets(&self.channels(), now()))
    }

    /// Compares the slots with the channels.
    fn reconcile(&self, now: TwoClocks) -> Result<()> {
        let mut memory = self.memory.borrow_mut();
        let change = self.reconcile_slots(self.load(&mut memory)?, now);
        drop(memory);
        self.apply(change)?;
        self.succeed(now)
    }

    fn reconcile_slots(&self, memory: &mut LedgerState, now: TwoClocks) -> LedgerChange {
        let (change, lapsed) = memory.reconcile(&self.channels(), now);
        for id in lapsed {
            slot::close_channels(self.state.as_raw(), &hex(id));
        }
        change
    }

    /// The channels that are open.
    fn channels(&self) -> Vec<ChannelState> {
        slot::open_channels(self.state.as_raw())
            .chunks_exact(2)
            .filter_map(|pair| {
                Some(ChannelState {
                    id: wire::parse_id(&pair[0].as_string()?)?,
                    pinged: Timestamp(pair[1].as_f64()? as u64),
                })
            })
            .collect()
    }

    /// Loads, steps and stores. Nothing in here waits, and an object runs one piece of code at a
    /// time, so no other request can come between. All changes of a step are stored together, before
    /// the answer leaves.
    fn step(&self, request: &LedgerRequest) -> Result<LedgerResponse> {
        let mut memory = self.memory.borrow_mut();
        let memory = self.load(&mut memory)?;
        if memory.needs_reconciling(request) {
            let change = self.reconcile_slots(memory, TwoClocks::new(now(), request.now));
            self.apply(change)?;
        }
        let (answer, change) = memory.step(request, now());
        self.apply(change)?;
        Ok(answer)
    }

    fn apply(&self, change: LedgerChange) -> Result<()> {
        let LedgerChange {
            write,
            delete,
            wake_in,
        } = change;
        if !write.is_empty() || !delete.is_empty() || wake_in.is_some() {
            self.store(&write, &delete, wake_in.map(millis))?;
        }
        Ok(())
    }

    /// How long until the next look, in milliseconds.
    fn sleep(&self) -> Result<Option<u64>> {
        let mut memory = self.memory.borrow_mut();
        Ok(self.load(&mut memory)?.sleep(now()).map(millis))
    }

    /// The time of another object, which most likely runs on another machine.
    async fn another_clock(&self) -> std::result::Result<Timestamp, String> {
        let name = format!("clock {}", now().0 % CLOCKS);
        let env: &JsValue = self.env.unchecked_ref();
        let answer = send(env, &name, CLOCK_PATH, CLOCK_TIMEOUT).await?;
        let time = answer
            .parse()
            .map_err(|_| format!("a clock said {answer:?}"))?;
        Ok(Timestamp(time))
    }

    fn load<'a>(&self, memory: &'a mut Option<LedgerState>) -> Result<&'a mut LedgerState> {
        if let Some(memory) = memory {
            return Ok(memory);
        }
        let stored = host::load_rows(self.state.storage().as_raw())?;
        let mut rows = Vec::new();
        for pair in stored.chunks_exact(2) {
            let [number, data] = pair else {
                unreachable!("pairs")
            };
            rows.push(Row {
                number: number.as_f64().unwrap_or(f64::MAX) as u64,
                data: js_sys::Uint8Array::new(data).to_vec(),
            });
        }
        let loaded = LedgerState::load(rows)
            .map_err(|row| Error::from(format!("stored row {} can't be read", row.0)))?;
        Ok(memory.insert(loaded))
    }

    fn store(&self, write: &[Row], delete: &[u64], wake_in: Option<u64>) -> Result<()> {
        let mut bytes = Vec::new();
        let (mut numbers, mut ends) = (Vec::new(), Vec::new());
        for row in write {
            bytes.extend(&row.data);
            numbers.push(row.number as f64);
            ends.push(bytes.len() as u32);
        }
        let delete: Vec<_> = delete.iter().map(|number| *number as f64).collect();
        host::store_rows(
            self.state.storage().as_raw(),
            &numbers,
            &ends,
            &bytes,
            &delete,
            wake_in.map(|milliseconds| milliseconds as f64),
        )?;
        Ok(())
    }
}
