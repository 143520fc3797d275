//! The Durable Objects that keep the live sockets, revocations and bans, and how an isolate asks
//! them.

use std::rc::Rc;
use std::time::Duration;

use portcullis::gateway::platform::{ObjectReply, Registration};
use portcullis::policy::REGISTRY_BINDING;
use portcullis::registry::{
    Denials, Effect, LiveSocket, Needed, Opening, RegistryKey, RegistryRequest, RegistryResponse,
    SWEEP_EVERY, Socket, SocketEntry, Step, step,
};
use portcullis::relay::CloseReason;
use portcullis::request::RequestUrl;
use portcullis::util::time::millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{Request, Response};
use worker::worker_sys::ext::WebSocketExt;
use worker::worker_sys::{DurableObjectState, WebSocketRequestResponsePair};
use worker::{Error, Result, State, WebSocket};

use super::metrics::{Keeper, PATH};
use super::object_sql::ObjectSql;
use crate::clock::now;
use crate::host;
use crate::promise::Settled;
use crate::sockets::channel::{Channel, asked};
use crate::work::Work;

#[wasm_bindgen(module = "/js/registry.js")]
extern "C" {
    #[wasm_bindgen(js_name = askRegistry)]
    async fn ask_registry(
        namespace: &JsValue,
        shards: &[u8],
        question: &str,
        milliseconds: f64,
    ) -> JsValue;

    #[wasm_bindgen(js_name = register)]
    async fn register_socket(
        namespace: &JsValue,
        shard: u8,
        entry: &str,
        ends_when_lost: bool,
        milliseconds: f64,
    ) -> JsValue;

    /// The response with a channel, or an error where the object holds as many as it can.
    #[wasm_bindgen(catch, js_name = acceptSocket)]
    fn accept_socket(
        state: &JsValue,
        tags: Vec<String>,
        socket: &str,
        answer: &str,
    ) -> std::result::Result<web_sys::Response, JsValue>;
}

/// The most WebSockets that the platform accepts in one object.
const MAX_CHANNELS: usize = 32_768;

/// Asks these objects of the registry. An error says, for the log, why there is no response.
pub async fn ask(
    env: &JsValue,
    shards: &[u8],
    question: &RegistryRequest,
    timeout: Duration,
) -> Vec<std::result::Result<RegistryResponse, String>> {
    let namespace = host::binding(env, REGISTRY_BINDING);
    let question = question.to_json();
    let results = ask_registry(&namespace, shards, &question, millis(timeout) as f64).await;
    js_sys::Array::from(&results)
        .iter()
        .map(|result| read(asked(&result)).answer)
        .collect()
}

/// Asks whether a socket is admitted, and registers it where it is to have a channel.
pub async fn register(
    env: &JsValue,
    call: &Registration,
) -> ObjectReply<RegistryResponse, Channel> {
    let namespace = host::binding(env, REGISTRY_BINDING);
    if !call.with_channel {
        let (name, path) = (call.shard.to_string(), call.entry.admission_path());
        let milliseconds = millis(call.timeout) as f64;
        let answer = host::ask_by_path(&namespace, &name, &path, milliseconds);
        let answer = host::text(Settled::of(answer).await).and_then(|text| {
            match text.starts_with("status ") {
                true => Err(text),
                false => Ok(text),
            }
        });
        return read(ObjectReply {
            answer,
            channel: None,
        });
    }
    let result = register_socket(
        &namespace,
        call.shard,
        &call.entry.to_json(),
        call.ends_when_lost,
        millis(call.timeout) as f64,
    )
    .await;
    read(asked(&result))
}

fn read(
    ObjectReply { answer, channel }: ObjectReply<String, Channel>,
) -> ObjectReply<RegistryResponse, Channel> {
    let unreadable = || "the registry's response can't be read".to_owned();
    ObjectReply {
        answer: answer.and_then(|text| RegistryResponse::from_json(&text).ok_or_else(unreadable)),
        channel,
    }
}

/// One of the registry's objects. Denials stay in SQLite and are looked up there, so that an object
/// that wakes up has nothing to load. What it knows of a socket is attached to the socket's channel,
/// which outlasts its sleep.
#[wasm_bindgen]
pub struct Registry(Rc<Object>);

struct Object {
    state: State,
    denials: Denials<ObjectSql>,
    /// Of the one object with that name.
    metrics: Keeper,
}

// Not by worker's attribute, as the ledger.
#[wasm_bindgen]
impl Registry {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState) -> Self {
        let state = State::from(state);
        // The platform answers these without waking the object up.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        let denials = Denials::new(ObjectSql(state.storage().sql()));
        Self(Rc::new(Object {
            state,
            denials,
            metrics: Keeper::default(),
        }))
    }

    /// Answers an upgrade at once, because its question stands in the URL. Others have a body.
    pub fn fetch(&self, request: Request) -> std::result::Result<JsValue, JsValue> {
        let url = request.url();
        let RequestUrl { path, query, .. } = RequestUrl::split(&url);
        if request.headers().get("upgrade")?.is_some() {
            return Ok(self.0.open(query)?.into());
        }
        if let Some(entry) = query.and_then(SocketEntry::from_query) {
            let (response, _) = self.0.answer(&RegistryRequest::Admit { entry })?;
            return Ok(host::answer_by_header(&response.to_json()).into());
        }
        let (object, is_about_metrics) = (self.0.clone(), path == PATH);
        let work: Work = Box::pin(async move {
            let body = JsFuture::from(request.text()?).await?;
            let body = body.as_string().unwrap_or_default();
            let answer = match is_about_metrics {
                true => object.metrics.answer(&object.state, &body)?,
                false => object.answer_body(&body).await?,
            };
            Ok(Response::new_with_opt_str(Some(&answer))?.into())
        });
        Ok(future_to_promise(work).into())
    }

    pub fn alarm(&self) -> js_sys::Promise {
        let object = self.0.clone();
        let work: Work = Box::pin(async move {
            if object.denials.sweep(now()).map_err(Error::from)? > 0 {
                object.state.storage().set_alarm(SWEEP_EVERY).await?;
            }
            Ok(JsValue::UNDEFINED)
        });
        future_to_promise(work)
    }
}

// The platform calls these of every object with channels. What becomes of a channel is seen when its
// socket is looked for.
#[allow(clippy::unused_self, reason = "the platform calls methods")]
#[wasm_bindgen]
impl Registry {
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self) {}

    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn web_socket_close(&self) {}

    #[wasm_bindgen(js_name = webSocketError)]
    pub fn web_socket_error(&self) {}
}

impl Object {
    async fn answer_body(&self, body: &str) -> Result<String> {
        let request = RegistryRequest::from_json(body)
            .ok_or_else(|| Error::from("the body is not a request to the registry"))?;
        let (response, sweep_in) = self.answer(&request)?;
        if let Some(sweep_in) = sweep_in
            && self.state.storage().get_alarm().await?.is_none()
        {
            self.state.storage().set_alarm(sweep_in).await?;
        }
        Ok(response.to_json())
    }

    /// Judges a socket and registers it. Nothing in here waits, and an object runs one piece of
    /// code at a time, so no revocation can come between.
    fn open(&self, query: Option<&str>) -> Result<Response> {
        let opening = query.and_then(Opening::from_query);
        let opening = opening.ok_or_else(|| Error::from("the query of the URL has no entry"))?;
        let (tags, socket) = (opening.entry.tags(), opening.entry.socket.to_json());
        let (response, _) = self.answer(&RegistryRequest::Open(opening))?;
        let message = match &response {
            RegistryResponse::Admitted { .. } => {
                let answer = response.to_json();
                return match accept_socket(self.state.as_raw(), tags, &socket, &answer) {
                    Ok(accepted) => Ok(accepted),
                    Err(_) if self.state.get_websockets().len() >= MAX_CHANNELS => {
                        refuse(&RegistryResponse::Full, None)
                    }
                    Err(error) => Err(Error::from(error)),
                };
            }
            RegistryResponse::Refused { end, .. } => end_message(CloseReason::from(*end)),
            _ => end_message(CloseReason::LimiterUnavailable),
        };
        refuse(&response, Some(&message))
    }

    /// Answers a request, and says after how long to sweep, if that is needed.
    fn answer(&self, request: &RegistryRequest) -> Result<(RegistryResponse, Option<Duration>)> {
        let now = now();
        let mut stored = self.denials.load_for(request, now)?;
        if let Some(owner) = request.owner() {
            let channels = self.state.get_websockets_with_tag(owner.as_str());
            stored.owned = channels.iter().filter(|channel| is_open(channel)).count();
        }
        let sockets = match request.sockets() {
            Needed::None => Vec::new(),
            Needed::All => self.sockets(None)?,
            Needed::Tagged(tag) => self.sockets(Some(tag))?,
        };
        let Step { response, effects } = step(request, &stored, &sockets, now);
        let mut sweep_in = None;
        for effect in effects {
            match effect {
                Effect::End { at, reason } => {
                    let channel = &sockets[at].channel;
                    send(channel, &end_message(reason.into()));
                    // Whenever its isolate reads that, the socket is no longer a live one.
                    let _ = channel.close(Some(1000), Some("ended"));
                }
                Effect::Extend {
                    at,
                    socket,
                    message,
                } => {
                    let channel = &sockets[at].channel;
                    let text = JsValue::from(socket.to_json());
                    channel.as_ref().serialize_attachment(text)?;
                    send(channel, &message);
                }
                Effect::Store {
                    target,
                    denial,
                    about,
                    is_first,
                } => self.denials.store(&target, denial, &about, is_first, now)?,
                Effect::Delete { kind, id } => self.denials.delete(kind, &id)?,
                Effect::SweepIn(after) => sweep_in = Some(after),
            }
        }
        Ok((response, sweep_in))
    }

    /// The live sockets with a tag, or all.
    fn sockets(&self, tag: Option<&RegistryKey>) -> Result<Vec<Attached<'_>>> {
        let channels = match tag {
            Some(tag) => self.state.get_websockets_with_tag(tag.as_str()),
            None => self.state.get_websockets(),
        };
        let mut sockets = Vec::new();
        for channel in channels.into_iter().filter(is_open) {
            let text = channel.as_ref().deserialize_attachment()?.as_string();
            let socket = text.as_deref().and_then(Socket::from_json);
            let socket = socket.ok_or_else(|| Error::from("a channel's socket can't be read"))?;
            sockets.push(Attached {
                state: &self.state,
                channel,
                socket,
            });
        }
        Ok(sockets)
    }
}

/// A live socket, read from its channel. Its keys are the channel's tags.
struct Attached<'a> {
    state: &'a State,
    channel: WebSocket,
    socket: Socket,
}

impl LiveSocket for Attached<'_> {
    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn has_key(&self, key: &RegistryKey) -> bool {
        let tags = self.state.get_tags(&self.channel);
        tags.iter().any(|tag| tag == key.as_str())
    }
}

fn end_message(reason: CloseReason) -> String {
    let message = reason.message();
    message.expect("a reason of the gate's own")
}

/// Refuses a channel. `message`: what becomes of a socket that was admitted before; without one
/// the refusal counts as a failure.
fn refuse(response: &RegistryResponse, message: Option<&str>) -> Result<Response> {
    let refusal = host::answer_by_header(&response.to_json());
    if let Some(message) = message {
        refusal.headers().set("message", message)?;
    }
    Ok(refusal)
}

/// Sends a message through a channel. A channel that is broken says so to its isolate by itself.
fn send(channel: &WebSocket, message: &str) {
    let _ = channel.send_with_str(message);
}

fn is_open(channel: &WebSocket) -> bool {
    channel.as_ref().ready_state() == worker::web_sys::WebSocket::OPEN
}
