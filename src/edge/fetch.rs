//! A request from the runtime's form to the core's, and the core's result back.

use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;

use portcullis::client::ClientAddress;
use portcullis::gateway::{
    Asked, Edge, Journey, LedgerCall, OnceCall, Passage, Registered, Registration, RouteCall,
    RouteErrand,
};
use portcullis::live::Terms;
use portcullis::once;
use portcullis::record::Record;
use portcullis::registry;
use portcullis::rejection::{Reason, Rejection, refusal};
use portcullis::request::{Headers, Request, RequestUrl, Snapshot};
use portcullis::route::Place;
use portcullis::route_quota;
use portcullis::time::{Timestamp, millis};
use portcullis::token::{
    Algorithm, Document, FETCH_TIMEOUT, MOST_ANSWER_BYTES, MOST_BYTES, ProviderAnswer, Question,
    RemoteKeys, Runtime, RuntimeKey, SharedCopy,
};
use portcullis::upstream::{Destination, Forward, Reply, UpstreamFailure};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{Response, console};
use worker::worker_sys::ext::ResponseExt;
use worker::{Context, Delay};

use crate::channel::Channel;
use crate::isolate::{self, Isolate};
use crate::{
    ledger, live, log, native, once as one_time, registry as live_sockets, route_quota as quota,
};

/// The Worker's handler: an answer at once where nothing is waited for, else a promise of it.
#[wasm_bindgen]
pub fn fetch(
    request: web_sys::Request,
    env: JsValue,
    context: worker::worker_sys::Context,
) -> Result<JsValue, JsValue> {
    let mut answer = Box::pin(async move {
        let context = Context::new(context);
        answer(request, env, context).await.map(JsValue::from)
    });
    let mut at_once = task::Context::from_waker(task::Waker::noop());
    match answer.as_mut().poll(&mut at_once) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Ok(future_to_promise(answer).into()),
    }
}

async fn answer(
    request: web_sys::Request,
    env: JsValue,
    context: Context,
) -> Result<Response, JsValue> {
    let isolate = isolate::get(&env);
    let started = now();
    let request_id = request_id();
    let read = native::read_request(&request, &isolate.read);
    let read = Snapshot::parse(&read).expect("native.js writes these lines");
    let headers = RuntimeHeaders {
        read: &read,
        request: &request,
    };
    let seen = Request {
        method: read.method,
        url: RequestUrl::split(read.url),
        address: ClientAddress::parse(headers.get("cf-connecting-ip").as_deref()),
        headers: &headers,
    };
    let place = isolate.gate.place(&seen);
    let edge = RuntimeEdge {
        env: &env,
        request: &request,
        seen: &seen,
        place: &place,
        isolate: &isolate,
        stamps: isolate.stamps(&place),
        cors: isolate.gate.cors(&seen, &place),
        context: &context,
    };
    let mut record = Record::begin(
        isolate.gate.address_key(&seen, &place),
        &request_id,
        started.to_rfc3339(),
    );

    let Journey { result, behind } = isolate
        .gate
        .journey(&edge, &seen, &place, &mut record)
        .await;
    let is_attempt = !matches!(result, Ok(Passage::Health { .. } | Passage::KeySet { .. }));
    if is_attempt {
        record.colo = isolate.colo(&request);
    }
    let response = edge.respond(result, &mut record)?;

    for call in behind {
        context.wait_until(tell_behind(env.clone(), isolate.clone(), call));
    }
    if is_attempt {
        record.duration_ms = millis(now().since(started));
        log::attempt(&record, &env);
    }
    Ok(response)
}

/// Fetches a key set, or joins a fetch that is under way in this isolate. Gives what is to be
/// shared with the others.
async fn fetch_keys(keys: &RemoteKeys, from_provider: bool) -> Option<SharedCopy> {
    let milliseconds = millis(FETCH_TIMEOUT) as f64;
    let newer_than = match keys.since() {
        _ if from_provider => f64::INFINITY,
        Some(since) => since.0 as f64,
        None => 0.0,
    };
    let began = now();
    let document = native::fetch_key_set(&keys.url, newer_than, milliseconds, MOST_BYTES)
        .await
        .map(|lines| key_set_document(&lines.as_string().unwrap_or_default()))
        .map_err(|error| native::describe(&error));
    let taken = keys.take(document, now());
    for remark in taken.remarks {
        console::warn_1(&format!("portcullis: {}: {remark}", keys.url).into());
    }
    // What came from the cache is there already.
    taken.copy.filter(|copy| copy.document.since >= began)
}

async fn share_keys(url: &str, copy: &SharedCopy) {
    let document = &copy.document;
    let max_age = document.max_age.map(|length| length.as_secs().to_string());
    native::share_key_set(
        url,
        &document.text,
        max_age.as_deref().unwrap_or_default(),
        document.since.0 as f64,
        copy.keep.as_secs() as f64,
    )
    .await;
}

/// From `<when the provider gave it, in milliseconds>`, a line break, `<max-age in seconds, or
/// nothing>`, a line break, and the text.
fn key_set_document(lines: &str) -> Document {
    let (since, rest) = lines.split_once('\n').unwrap_or_default();
    let (max_age, text) = rest.split_once('\n').unwrap_or_default();
    Document {
        text: text.to_owned(),
        max_age: max_age.parse().ok().map(Duration::from_secs),
        since: Timestamp(since.parse().unwrap_or_default()),
    }
}

/// From `<status>`, a line break, `<content type>`, a line break, and the body.
fn provider_answer(lines: &str) -> ProviderAnswer {
    let (status, rest) = lines.split_once('\n').unwrap_or_default();
    let (content_type, body) = rest.split_once('\n').unwrap_or_default();
    ProviderAnswer {
        status: status.parse().unwrap_or_default(),
        content_type: content_type.to_owned(),
        body: body.to_owned(),
    }
}

/// Tells a ledger of a refused attempt behind its answer.
async fn tell_behind(env: JsValue, isolate: Rc<Isolate>, call: LedgerCall) {
    match ledger::ask(&env, &call).await {
        Ok(answer) => isolate.gate.learn(&call, &answer, now()),
        Err(failure) => {
            let party = call.party;
            let text = format!("portcullis: a refused attempt went uncounted: {party}: {failure}");
            console::warn_1(&text.into());
        }
    }
}

const REQUEST_ID: &str = "Portcullis-Request-Id";

/// 128 random bits in hex.
fn request_id() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the runtime has randomness inside a request");
    bytes
}

pub fn now() -> Timestamp {
    Timestamp(js_sys::Date::now() as u64)
}

struct RuntimeHeaders<'a> {
    read: &'a Snapshot<'a>,
    request: &'a web_sys::Request,
}

impl Headers for RuntimeHeaders<'_> {
    fn get(&self, name: &str) -> Option<String> {
        match self.read.header(name) {
            Some(value) => value.map(str::to_owned),
            None => self.request.headers().get(name).ok().flatten(),
        }
    }
}

struct RuntimeEdge<'a> {
    env: &'a JsValue,
    request: &'a web_sys::Request,
    /// The same as the core sees it, and what it asks for.
    seen: &'a Request<'a>,
    place: &'a Place<'a>,
    isolate: &'a Rc<Isolate>,
    stamps: &'a JsValue,
    /// What lets a page read the answer of an endpoint.
    cors: Vec<(&'static str, String)>,
    context: &'a Context,
}

impl Runtime for RuntimeEdge<'_> {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn verify(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: Algorithm,
        signature: &[u8],
        signed: &[u8],
    ) -> Result<bool, String> {
        let algorithm = algorithm.name();
        let verifying = async {
            let key = self.isolate.import(key, algorithm).await?;
            native::verify_signature(&key, algorithm, signature, signed).await
        };
        verifying
            .await
            .map(|verified| verified.is_truthy())
            .map_err(|error| native::describe(&error))
    }

    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        if let Some(copy) = fetch_keys(keys, from_provider).await {
            let url = keys.url.clone();
            self.context
                .wait_until(async move { share_keys(&url, &copy).await });
        }
    }

    fn fetch_keys_behind(&self, keys: &Rc<RemoteKeys>) {
        let keys = keys.clone();
        self.context.wait_until(async move {
            if let Some(copy) = fetch_keys(&keys, false).await {
                share_keys(&keys.url, &copy).await;
            }
        });
    }

    async fn introspect(&self, question: &Question<'_>) -> Result<ProviderAnswer, String> {
        let context: &JsValue = self.context.as_ref();
        native::introspect(
            question.url,
            question.authorization,
            &question.form,
            &question.print,
            context,
            millis(FETCH_TIMEOUT) as f64,
            MOST_ANSWER_BYTES,
        )
        .await
        .map(|lines| provider_answer(&lines.as_string().unwrap_or_default()))
        .map_err(|error| native::describe(&error))
    }
}

impl Edge for RuntimeEdge<'_> {
    type Upstream = Response;

    type Channel = Channel;

    async fn ask(&self, call: &LedgerCall) -> Asked<Channel> {
        ledger::ask_and_hold(self.env, self.context, call).await
    }

    async fn ask_once(&self, call: &OnceCall) -> Result<once::Answer, String> {
        one_time::ask(self.env, call).await
    }

    async fn register(&self, registration: &Registration) -> Registered<Channel> {
        live_sockets::register(self.env, registration).await
    }

    async fn ask_registry(
        &self,
        shards: &[u8],
        question: &registry::Question,
        timeout: Duration,
    ) -> Vec<Result<registry::Answer, String>> {
        live_sockets::ask(self.env, shards, question, timeout).await
    }

    async fn body(&self, most_bytes: u32) -> Result<String, String> {
        native::read_body(self.request, most_bytes)
            .await
            .map(|text| text.as_string().unwrap_or_default())
            .map_err(|error| native::describe(&error))
    }

    async fn ask_route(&self, call: &RouteCall) -> Result<route_quota::Answer, String> {
        quota::ask(self.env, call).await
    }

    fn run_errand(&self, errand: RouteErrand) {
        let errand = quota::run(self.env.clone(), self.isolate.clone(), errand);
        self.context.wait_until(errand);
    }

    async fn pass(&self, length: Duration) {
        Delay::from(length).await;
    }

    fn random(&self) -> [u8; 32] {
        random()
    }

    async fn forward(&self, forward: &Forward<'_>) -> Result<(Reply, Response), UpstreamFailure> {
        let service = match &forward.to {
            Destination::Url(_) => JsValue::UNDEFINED,
            Destination::Service(name) => native::binding(self.env, name),
            Destination::Object { binding, name } => {
                let namespace = native::binding(self.env, binding);
                native::object_by_name(&namespace, name)
                    .map_err(|error| UpstreamFailure::Unreachable(native::describe(&error)))?
            }
        };
        let set = header_lines(&forward.set);
        let remove = forward.remove.iter().map(|name| (*name).to_owned());
        let answer = native::forward(
            &service,
            self.request,
            &forward.url,
            &self.isolate.owned,
            remove.collect(),
            &set,
            millis(forward.timeout) as f64,
        );
        match answer.await {
            Ok(response) => {
                let response: Response = response.unchecked_into();
                let header = |name| response.headers().get(name).ok().flatten();
                let reply = Reply {
                    status: response.status(),
                    has_socket: response.websocket().is_some(),
                    protocol: header("sec-websocket-protocol"),
                    extensions: header("sec-websocket-extensions"),
                };
                Ok((reply, response))
            }
            Err(error) if native::is_time_out(&error) => Err(UpstreamFailure::TimedOut),
            Err(error) => Err(UpstreamFailure::Unreachable(native::describe(&error))),
        }
    }

    fn discard(&self, upstream: Response) {
        native::discard(&upstream);
    }
}

impl RuntimeEdge<'_> {
    /// Step 11: an answer under the gate's headers. The one place that answers.
    fn respond(
        &self,
        result: Result<Passage<Self>, Rejection>,
        record: &mut Record,
    ) -> Result<Response, JsValue> {
        let passed = match result {
            Ok(passage) => self.pass(passage, record),
            Err(rejection) => Err(rejection),
        };
        passed.or_else(|rejection| {
            record.note_refusal(&rejection);
            if let Some(response) = self.close(&rejection.reason, record)? {
                return Ok(response);
            }
            let refusal = refusal(&rejection.reason, &record.request_id);
            let mut headers = refusal.headers;
            headers.push((REQUEST_ID, record.request_id.clone()));
            headers.extend(self.cors.clone());
            let stamps = self.stamps;
            native::answer(
                refusal.status,
                Some(&refusal.body),
                stamps,
                &header_lines(&headers),
            )
        })
    }

    /// The refusal as a socket that is closed at once. None where HTTP has to do.
    fn close(&self, reason: &Reason, record: &Record) -> Result<Option<Response>, JsValue> {
        let gate = &self.isolate.gate;
        let Some(mut closing) = gate.closing(self.seen, self.place, reason) else {
            return Ok(None);
        };
        closing
            .headers
            .push((REQUEST_ID, record.request_id.clone()));
        native::close_at_once(
            self.context.as_ref(),
            &record.address,
            closing.code,
            closing.reason,
            self.stamps,
            &header_lines(&closing.headers),
        )
    }

    fn pass(&self, passage: Passage<Self>, record: &Record) -> Result<Response, Rejection> {
        let stamps = self.stamps;
        let mut own = vec![(REQUEST_ID, record.request_id.clone())];
        own.extend(self.cors.clone());
        let pass_on = |upstream: &Response, own: &[_], relayed: &JsValue| {
            native::pass_on(upstream, stamps, &header_lines(own), relayed)
        };
        let response = match passage {
            Passage::Socket {
                upstream,
                protocol,
                terms,
                channels,
            } => {
                own.extend(protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol)));
                match terms {
                    None => pass_on(&upstream, &own, &JsValue::UNDEFINED),
                    Some(terms) => self
                        .relay(&upstream, &terms, channels, record)
                        .and_then(|relayed| pass_on(&upstream, &own, &relayed)),
                }
            }
            Passage::Plain { upstream } => pass_on(&upstream, &own, &JsValue::UNDEFINED),
            Passage::Health { is_healthy } => {
                let (status, body) = health(is_healthy);
                own.extend(json());
                native::answer(status, Some(body), stamps, &header_lines(&own))
            }
            Passage::Json { json: body } => {
                own.extend(json());
                native::answer(200, Some(&body), stamps, &header_lines(&own))
            }
            Passage::Preflight => native::answer(204, None, stamps, &header_lines(&own)),
            Passage::KeySet { json } => {
                own.push(("Content-Type", "application/jwk-set+json".into()));
                own.push(("Cache-Control", "public, max-age=300".into()));
                native::answer(200, Some(&json), stamps, &header_lines(&own))
            }
        };
        response.map_err(|error| Reason::UpstreamRefused.because(native::describe(&error)))
    }

    fn relay(
        &self,
        upstream: &Response,
        terms: &Terms,
        channels: Vec<Channel>,
        admission: &Record,
    ) -> Result<JsValue, JsValue> {
        let context: &JsValue = self.context.as_ref();
        live::relay(
            upstream,
            terms,
            channels,
            admission.clone(),
            self.env,
            context,
        )
    }
}

fn json() -> [(&'static str, String); 2] {
    [
        ("Content-Type", "application/json".into()),
        ("Cache-Control", "no-store".into()),
    ]
}

fn health(is_healthy: bool) -> (u16, &'static str) {
    if is_healthy {
        (200, r#"{"status":"ok"}"#)
    } else {
        (503, r#"{"status":"misconfigured"}"#)
    }
}

/// `Name: value` in lines; no part can hold a line break, since each was checked or came as a
/// header.
fn header_lines(headers: &[(&str, String)]) -> String {
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.join("\n")
}
