//! The runtime as the core uses it: clock, randomness, keys, objects, servers and background work.

use std::rc::Rc;
use std::time::Duration;

use portcullis::gateway::platform::{
    Background, BackgroundTask, Body, Channels, FirstMessages, LedgerCall, Ledgers, Metrics,
    NoFirstMessage, ObjectReply, OneTimeCall, OneTimeObjects, Opening, Random, Registration,
    Registry, RouteCall, RoutePools, Upstreams, Wait,
};
use portcullis::limits::ledger::LedgerResponse;
use portcullis::limits::route_pool::PoolResponse;
use portcullis::metrics::{CallResult, MetricsRequest, MetricsResponse, ObjectKind};
use portcullis::one_time::store::StoreResponse;
use portcullis::registry::{RegistryRequest, RegistryResponse};
use portcullis::token::{
    Algorithm, Cryptography, IntrospectionRequest, ProviderAnswer, Providers, RemoteKeys,
    RuntimeKey,
};
use portcullis::upstream::{Forward, Reply, Server, UpstreamFailure};
use portcullis::util::time::{Clock, Timestamp, millis};
use wasm_bindgen::prelude::*;
use web_sys::{Response, console};
use worker::{Context, Delay};

use crate::isolate::Isolate;
use crate::objects::{ledger, metrics, one_time, registry, route_pool};
use crate::promise::Settled;
use crate::sockets::channel::Channel;
use crate::sockets::first_message::EarlySocket;
use crate::{background, clock, host, log, provider, rehearsal};

/// The runtime around one request. A background task has a copy of its own.
#[derive(Clone)]
pub struct WorkerPlatform {
    pub env: JsValue,
    pub request: web_sys::Request,
    pub isolate: Rc<Isolate>,
    pub context: Rc<Context>,
    /// The client's socket, where it is opened before the journey ends.
    pub early: Rc<EarlySocket>,
}

impl Clock for WorkerPlatform {
    fn now(&self) -> Timestamp {
        clock::now()
    }
}

impl Random for WorkerPlatform {
    fn random<const N: usize>(&self) -> [u8; N] {
        clock::random()
    }
}

impl Wait for WorkerPlatform {
    async fn wait(&self, length: Duration) {
        Delay::from(length).await;
    }
}

impl Cryptography for WorkerPlatform {
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
            Settled::of(host::verify_signature(&key, algorithm, signature, signed)).await
        };
        verifying
            .await
            .map(|verified| verified.is_truthy())
            .map_err(|error| host::describe(&error))
    }
}

impl Providers for WorkerPlatform {
    async fn fetch_keys(&self, keys: &Rc<RemoteKeys>, from_provider: bool) {
        // The set is kept even if this client hangs up before it comes.
        let (held, context) = (keys.clone(), self.context.clone());
        background::hold(&self.context, async move {
            if let Some(copy) = provider::fetch_keys(&held, from_provider, &context).await {
                provider::share_keys(&held.url, &copy).await;
            }
        });
        if let Some(copy) = provider::fetch_keys(keys, from_provider, &self.context).await {
            let url = keys.url.clone();
            background::hold(&self.context, async move {
                provider::share_keys(&url, &copy).await;
            });
        }
    }

    async fn introspect(
        &self,
        question: &IntrospectionRequest<'_>,
    ) -> Result<ProviderAnswer, String> {
        provider::introspect(question, &self.context).await
    }
}

impl Channels for WorkerPlatform {
    type Channel = Channel;
}

impl Ledgers for WorkerPlatform {
    async fn ask_ledger(&self, call: &LedgerCall) -> ObjectReply<LedgerResponse, Channel> {
        let reply = ledger::ask_and_hold(&self.env, &self.context, call).await;
        self.count(ObjectKind::Ledger, &reply.answer);
        reply
    }
}

impl RoutePools for WorkerPlatform {
    async fn ask_route_pool(&self, call: &RouteCall) -> Result<PoolResponse, String> {
        let answer = route_pool::ask(&self.env, call).await;
        self.count(ObjectKind::RouteQuota, &answer);
        answer
    }
}

impl OneTimeObjects for WorkerPlatform {
    async fn ask_one_time(&self, call: &OneTimeCall) -> Result<StoreResponse, String> {
        let answer = one_time::ask(&self.env, call).await;
        self.count(ObjectKind::OneTime, &answer);
        answer
    }
}

impl Registry for WorkerPlatform {
    async fn register(
        &self,
        registration: &Registration,
    ) -> ObjectReply<RegistryResponse, Channel> {
        let reply = registry::register(&self.env, registration).await;
        self.count(ObjectKind::Registry, &reply.answer);
        reply
    }

    async fn ask_registry(
        &self,
        shards: &[u8],
        question: &RegistryRequest,
        timeout: Duration,
    ) -> Vec<Result<RegistryResponse, String>> {
        let answers = registry::ask(&self.env, shards, question, timeout).await;
        for answer in &answers {
            self.count(ObjectKind::Registry, answer);
        }
        answers
    }
}

impl Metrics for WorkerPlatform {
    async fn ask_metrics(
        &self,
        request: &MetricsRequest,
        timeout: Duration,
    ) -> Result<MetricsResponse, String> {
        metrics::ask(&self.env, request, timeout).await
    }
}

impl WorkerPlatform {
    fn count<T>(&self, object: ObjectKind, answer: &Result<T, String>) {
        let result = || CallResult::of(answer, host::TIMED_OUT);
        self.isolate.gate.count_call(object, result);
    }
}

impl Upstreams for WorkerPlatform {
    type Upstream = Response;

    async fn forward(&self, forward: &Forward<'_>) -> Result<(Reply, Response), UpstreamFailure> {
        let service = match &forward.to.server {
            Server::Url(url) => match &url.certificate {
                Some(name) => host::binding(&self.env, name),
                None => JsValue::UNDEFINED,
            },
            Server::Service(name) => host::binding(&self.env, name),
            Server::Object { binding, name } => {
                let namespace = host::binding(&self.env, binding);
                host::object_by_name(&namespace, name)
                    .map_err(|error| UpstreamFailure::Unreachable(host::describe(&error)))?
            }
        };
        let mut set = host::header_lines(&forward.set);
        let mut remove: Vec<_> = forward.remove.iter().map(ToString::to_string).collect();
        for (name, value) in &forward.changes {
            match value {
                Some(value) => set.extend(["\n", name, ": ", value]),
                None => remove.push((*name).into()),
            }
        }
        let answer = host::forward(
            &service,
            &self.request,
            &forward.url,
            &self.isolate.owned,
            remove,
            &set,
            self.isolate.manner(forward.manner),
            millis(forward.timeout) as f64,
        );
        match Settled::of(answer).await {
            Ok(response) => {
                let response: Response = response.unchecked_into();
                Ok((reply(&host::read_reply(&response)), response))
            }
            Err(error) if host::is_time_out(&error) => Err(UpstreamFailure::TimedOut),
            Err(error) => Err(UpstreamFailure::Unreachable(host::describe(&error))),
        }
    }

    fn discard(&self, upstream: Response) {
        host::discard(&upstream);
    }
}

impl FirstMessages for WorkerPlatform {
    async fn first_message(&self, opening: &Opening<'_>) -> Result<Vec<u8>, NoFirstMessage> {
        let stamps = self.isolate.stamps_of(Some(opening.route), opening.is_tls);
        let context = self.context.as_ref().as_ref();
        self.early.open(context, opening, &stamps.own).await
    }
}

/// Parses the lines of `readReply`.
fn reply(lines: &str) -> Reply {
    let mut lines = lines.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (status, socket) = (next(), next());
    let mut header = || Some(next()).filter(|value| *value != "\0");
    Reply {
        status: status.parse().unwrap_or_default(),
        has_socket: !socket.is_empty(),
        protocol: header().map(str::to_owned),
        extensions: header().map(str::to_owned),
    }
}

impl Body for WorkerPlatform {
    async fn read_body(&self, max_bytes: u32) -> Result<String, String> {
        host::text(host::read_body(&self.request, max_bytes).await)
    }
}

impl Background for WorkerPlatform {
    fn run_in_background(&self, task: BackgroundTask) {
        if rehearsal::is_under_way() && task.timer().is_some() {
            return;
        }
        let platform = self.clone();
        background::hold(&self.context, async move {
            match platform.isolate.gate.perform(&platform, task).await {
                Ok(Some(record)) => log::attempt(&record, &platform.env),
                Ok(None) => {}
                Err(line) => console::warn_1(&format!("portcullis: {line}").into()),
            }
        });
    }
}
