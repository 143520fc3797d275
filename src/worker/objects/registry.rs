//! The Durable Objects that know the live sockets, revocations and bans, and how an isolate asks
//! them.

use std::time::Duration;

use portcullis::gateway::platform::{ObjectReply, Registration};
use portcullis::policy::REGISTRY_BINDING;
use portcullis::registry::{
    Denial, DenialReason, DenialTarget, MergedDenial, Opening, RegistryKey, RegistryRequest,
    RegistryResponse, Socket, SocketEntry, judge, oldest,
};
use portcullis::request::RequestUrl;
use portcullis::util::time::millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, durable_object,
};

use super::sql_denials::SqlDenials;
use crate::clock::now;
use crate::host;
use crate::sockets::channel::{Channel, asked};

/// What is over is swept out so often.
const SWEEP_EVERY: Duration = Duration::from_hours(24);

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

    /// The answer with a channel, or an error where the object holds as many as it can.
    #[wasm_bindgen(catch, js_name = acceptSocket)]
    fn accept_socket(
        state: &JsValue,
        tags: Vec<String>,
        socket: &str,
        answer: &str,
    ) -> std::result::Result<web_sys::Response, JsValue>;
}

/// Asks these objects of the registry. An error says for the log why there is no answer.
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
    if !call.with_channel {
        let question = RegistryRequest::Admit {
            entry: call.entry.clone(),
        };
        let mut answers = ask(env, &[call.shard], &question, call.timeout).await;
        return ObjectReply {
            answer: answers.remove(0),
            channel: None,
        };
    }
    let namespace = host::binding(env, REGISTRY_BINDING);
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
    let nonsense = || "the registry answered nonsense".to_owned();
    ObjectReply {
        answer: answer.and_then(|text| RegistryResponse::from_json(&text).ok_or_else(nonsense)),
        channel,
    }
}

/// One of the registry's objects. SqlDenials stand in SQLite and are looked up there, so that an object
/// that wakes up has nothing to load; what it knows of a socket stands at the socket's channel,
/// which outlasts its sleep.
#[durable_object]
pub struct Registry {
    state: State,
    denials: SqlDenials,
}

impl DurableObject for Registry {
    fn new(state: State, _env: Env) -> Self {
        // The platform answers these without waking the object up.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        let denials = SqlDenials::new(state.storage().sql());
        Self { state, denials }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let question = match request.headers().get("upgrade")? {
            Some(_) => return self.open(&request),
            None => request.text().await?,
        };
        let question = RegistryRequest::from_json(&question)
            .ok_or_else(|| Error::from("no question in the body"))?;
        let answer = self.answer(question)?;
        if matches!(answer, RegistryResponse::Denied { .. })
            && self.state.storage().get_alarm().await?.is_none()
        {
            self.state.storage().set_alarm(SWEEP_EVERY).await?;
        }
        Response::ok(answer.to_json())
    }

    async fn alarm(&self) -> Result<Response> {
        if self.denials.sweep()? > 0 {
            self.state.storage().set_alarm(SWEEP_EVERY).await?;
        }
        Response::empty()
    }

    async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }

    async fn websocket_close(&self, _: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        Ok(())
    }

    async fn websocket_error(&self, _: WebSocket, _: Error) -> Result<()> {
        Ok(())
    }
}

impl Registry {
    /// Judges a socket and registers it. Nothing in here waits, and an object runs one piece of
    /// code at a time: no revocation can come between.
    fn open(&self, request: &Request) -> Result<Response> {
        let url = request.inner().url();
        let opening = RequestUrl::split(&url).query.and_then(Opening::from_query);
        let Opening { entry, again } =
            opening.ok_or_else(|| Error::from("no entry in the query of the URL"))?;
        if let Err(end) = self.judge(&entry, again)? {
            let response = Response::empty()?;
            let headers = response.headers();
            headers.set("answer", &RegistryResponse::Refused { end }.to_json())?;
            headers.set("message", &end.message())?;
            return Ok(response);
        }
        let tags = entry.keys.iter().map(|key| key.as_str().to_owned());
        let (socket, answer) = (entry.socket.to_json(), RegistryResponse::Admitted.to_json());
        let accepted = accept_socket(self.state.as_raw(), tags.collect(), &socket, &answer)?;
        Ok(accepted.into())
    }

    fn answer(&self, question: RegistryRequest) -> Result<RegistryResponse> {
        Ok(match question {
            RegistryRequest::Admit { entry } => match self.judge(&entry, false)? {
                Ok(()) => RegistryResponse::Admitted,
                Err(end) => RegistryResponse::Refused { end },
            },
            RegistryRequest::Deny {
                target,
                denial,
                stamped,
            } => self.denial(&target, denial, stamped)?,
            RegistryRequest::List { key, max } => {
                // The platform gives the newest first.
                let found = self.sockets(key.as_ref())?.into_iter();
                let (sockets, truncated) = oldest(found.map(|(_, socket)| socket).collect(), max);
                RegistryResponse::Listed { sockets, truncated }
            }
            RegistryRequest::Extend {
                entry,
                subject,
                session,
            } => match self.judge(&entry, false)? {
                Err(end) => RegistryResponse::Refused { end },
                Ok(()) => RegistryResponse::Extended {
                    sockets: self.extend(&entry, &subject, session.as_ref())?,
                },
            },
        })
    }

    fn judge(
        &self,
        entry: &SocketEntry,
        again: bool,
    ) -> Result<std::result::Result<(), DenialReason>> {
        let targets = entry.denial_targets(again);
        let mut found = Vec::new();
        for (name, denial) in self.denials.load(&targets)? {
            let target = targets.iter().find(|target| target.name() == name);
            found.extend(target.map(|target| (target.kind, denial)));
        }
        Ok(judge(&entry.socket, &found, now()))
    }

    /// Stores a mark and ends the sockets that it hits.
    fn denial(
        &self,
        target: &DenialTarget,
        denial: Denial,
        stamped: bool,
    ) -> Result<RegistryResponse> {
        let now = now();
        let stored = self.denials.load(std::slice::from_ref(target))?;
        let stored = stored.into_iter().next().map(|(_, denial)| denial);
        let before = if stamped {
            Denial::stamped(stored, now)
        } else {
            denial.before
        };
        let MergedDenial {
            stored: denial,
            is_new,
        } = Denial { before, ..denial }.over(target.kind, stored);
        if stored.is_none() && !self.denials.have_room()? && denial.needs_room(target.kind, now) {
            return Ok(RegistryResponse::Full);
        }
        let mut ended = 0;
        for (channel, socket) in self.sockets_about(&target.key)? {
            if let Some(end) = denial.hits(target.kind, &socket, now) {
                tell(&channel, &end.message());
                // What was told is no live socket any more, whenever its isolate comes to it.
                let _ = channel.close(Some(1000), Some("told"));
                ended += 1;
            }
        }
        // Last, for what is sent after a write waits until that is safe.
        if is_new {
            self.denials.store(target, denial, stored.is_none())?;
        }
        Ok(RegistryResponse::Denied {
            denial,
            sockets: ended,
        })
    }

    fn extend(
        &self,
        newer: &SocketEntry,
        subject: &RegistryKey,
        session: Option<&RegistryKey>,
    ) -> Result<u64> {
        let mut extended = 0;
        for (channel, mut socket) in self.sockets(Some(subject))? {
            let is_of = |session| self.has_tag(&channel, session);
            if socket.realm != newer.socket.realm || !session.is_none_or(is_of) {
                continue;
            }
            if let Some(message) = socket.extend(newer) {
                channel.serialize_attachment(socket.to_json())?;
                tell(&channel, &message);
            }
            extended += 1;
        }
        Ok(extended)
    }

    fn has_tag(&self, channel: &WebSocket, key: &RegistryKey) -> bool {
        let tags = self.state.get_tags(channel);
        tags.iter().any(|tag| tag == key.as_str())
    }

    /// The live sockets that a mark for this key is about, with their channels. No tag tells of a
    /// newer token, for a channel keeps those that it was accepted with.
    fn sockets_about(&self, key: &RegistryKey) -> Result<Vec<(WebSocket, Socket)>> {
        let mut sockets = self.sockets(key.tag())?;
        if key.is_of_token() {
            let mut others = self.sockets(None)?;
            others.retain(|(channel, socket)| {
                socket.is_renewed_by(key) && !self.has_tag(channel, key)
            });
            sockets.append(&mut others);
        }
        Ok(sockets)
    }

    /// The live sockets with a tag, or all, with their channels.
    fn sockets(&self, key: Option<&RegistryKey>) -> Result<Vec<(WebSocket, Socket)>> {
        let channels = match key {
            Some(key) => self.state.get_websockets_with_tag(key.as_str()),
            None => self.state.get_websockets(),
        };
        let mut sockets = Vec::new();
        for channel in channels.into_iter().filter(is_open) {
            let text = channel.deserialize_attachment::<String>()?;
            let socket = text.as_deref().and_then(Socket::from_json);
            let socket = socket.ok_or_else(|| Error::from("a channel's socket can't be read"))?;
            sockets.push((channel, socket));
        }
        Ok(sockets)
    }
}

/// A channel that is broken tells so by itself.
fn tell(channel: &WebSocket, message: &str) {
    let _ = channel.send_with_str(message);
}

fn is_open(channel: &WebSocket) -> bool {
    channel.as_ref().ready_state() == worker::web_sys::WebSocket::OPEN
}
