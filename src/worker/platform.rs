//! What the core takes of the runtime: clock, randomness, keys, objects and the upstream.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use portcullis::gateway::Place;
use portcullis::gateway::{
    BackgroundTask, LedgerCall, ObjectReply, OnceCall, Platform, Registration, RouteCall,
};
use portcullis::limits::{ledger as ledger_core, route_pool};
use portcullis::one_time::store;
use portcullis::registry;
use portcullis::request::{Headers, Request, Snapshot};
use portcullis::token::{
    Algorithm, IntrospectionRequest, ProviderAnswer, RemoteKeys, Runtime, RuntimeKey,
};
use portcullis::upstream::{Destination, Forward, Reply, UpstreamFailure};
use portcullis::util::time::{Timestamp, millis};
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::worker_sys::ext::ResponseExt;
use worker::{Context, Delay};

use crate::host;
use crate::isolate::Isolate;
use crate::objects::{ledger, one_time, registry as live_sockets, route_pool as quota};
use crate::provider::{self, fetch_keys, share_keys};
use crate::sockets::channel::Channel;

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the runtime has randomness inside a request");
    bytes
}

pub fn now() -> Timestamp {
    Timestamp(js_sys::Date::now() as u64)
}

pub struct WorkerHeaders<'a> {
    pub read: &'a Snapshot<'a>,
    pub request: &'a web_sys::Request,
}

impl Headers for WorkerHeaders<'_> {
    fn get(&self, name: &str) -> Option<String> {
        match self.read.header(name) {
            Some(value) => value.map(str::to_owned),
            None => self.request.headers().get(name).ok().flatten(),
        }
    }
}

/// The runtime around one request.
pub struct WorkerPlatform<'a> {
    pub env: &'a JsValue,
    pub request: &'a web_sys::Request,
    /// The same as the core sees it, and what it asks for.
    pub seen: &'a Request<'a>,
    pub place: &'a Place<'a>,
    pub isolate: &'a Rc<Isolate>,
    pub stamps: &'a JsValue,
    /// What lets a page read the answer of an endpoint.
    pub cors: Vec<(&'static str, String)>,
    pub context: &'a Context,
}

impl Runtime for WorkerPlatform<'_> {
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
            host::verify_signature(&key, algorithm, signature, signed).await
        };
        verifying
            .await
            .map(|verified| verified.is_truthy())
            .map_err(|error| host::describe(&error))
    }

    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        // The fetch and its result outlive this request: others may have joined it.
        self.hold_fetch(keys, from_provider);
        if let Some(copy) = fetch_keys(keys, from_provider).await {
            let url = keys.url.clone();
            self.context
                .wait_until(async move { share_keys(&url, &copy).await });
        }
    }

    fn fetch_keys_after_response(&self, keys: &Rc<RemoteKeys>) {
        self.hold_fetch(keys, false);
    }

    async fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> Result<ProviderAnswer, String> {
        provider::introspect(question, self.context).await
    }
}

impl WorkerPlatform<'_> {
    /// Fetches a key set, or joins a fetch under way, whatever becomes of the request.
    fn hold_fetch(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        let keys = keys.clone();
        self.context.wait_until(async move {
            if let Some(copy) = fetch_keys(&keys, from_provider).await {
                share_keys(&keys.url, &copy).await;
            }
        });
    }
}

impl Platform for WorkerPlatform<'_> {
    type Upstream = Response;

    type Channel = Channel;

    async fn ask(&self, call: &LedgerCall) -> ObjectReply<ledger_core::LedgerResponse, Channel> {
        ledger::ask_and_hold(self.env, self.context, call).await
    }

    async fn ask_once(&self, call: &OnceCall) -> Result<store::StoreResponse, String> {
        one_time::ask(self.env, call).await
    }

    async fn register(
        &self,
        registration: &Registration,
    ) -> ObjectReply<registry::RegistryResponse, Channel> {
        live_sockets::register(self.env, registration).await
    }

    async fn ask_registry(
        &self,
        shards: &[u8],
        question: &registry::RegistryRequest,
        timeout: Duration,
    ) -> Vec<Result<registry::RegistryResponse, String>> {
        live_sockets::ask(self.env, shards, question, timeout).await
    }

    async fn body(&self, max_bytes: u32) -> Result<String, String> {
        host::text(host::read_body(self.request, max_bytes).await)
    }

    async fn ask_route(&self, call: &RouteCall) -> Result<route_pool::PoolResponse, String> {
        quota::ask(self.env, call).await
    }

    fn run_in_background(&self, task: BackgroundTask) {
        let task = quota::run(self.env.clone(), self.isolate.clone(), task);
        self.context.wait_until(task);
    }

    async fn pass(&self, length: Duration) {
        Delay::from(length).await;
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        random()
    }

    async fn forward(&self, forward: &Forward<'_>) -> Result<(Reply, Response), UpstreamFailure> {
        let service = match &forward.to {
            Destination::Url(_) => JsValue::UNDEFINED,
            Destination::Service(name) => host::binding(self.env, name),
            Destination::Object { binding, name } => {
                let namespace = host::binding(self.env, binding);
                host::object_by_name(&namespace, name)
                    .map_err(|error| UpstreamFailure::Unreachable(host::describe(&error)))?
            }
        };
        let set = header_lines(&forward.set);
        let remove = forward.remove.iter().map(|name| (*name).to_owned());
        let answer = host::forward(
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
            Err(error) if host::is_time_out(&error) => Err(UpstreamFailure::TimedOut),
            Err(error) => Err(UpstreamFailure::Unreachable(host::describe(&error))),
        }
    }

    fn discard(&self, upstream: Response) {
        host::discard(&upstream);
    }
}

/// `Name: value` in lines; no part can hold a line break, since each was checked or came as a
/// header.
pub fn header_lines<N: Display, V: Display>(headers: &[(N, V)]) -> String {
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.join("\n")
}
