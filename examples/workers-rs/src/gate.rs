//! The checks, in the order of the gate.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use portcullis::checks::handshake::Handshake;
use portcullis::checks::transport;
use portcullis::config::settings::descriptions;
use portcullis::config::{GUARDED_HANDLER, Settings, Var};
use portcullis::gateway::Place;
use portcullis::policy::Site;
use portcullis::request::address::ClientAddress;
use portcullis::request::{Headers, Request, RequestUrl};
use portcullis::response::reason::{Reason, Rejection};
use portcullis::routing::table::Miss;
use portcullis::token::{
    Algorithm, BackgroundKeys, Cryptography, IntrospectionRequest, ProviderAnswer, Providers,
    RemoteKeys, RuntimeKey, unchosen_protocol,
};
use portcullis::util::time::{Clock, Timestamp};
use serde_json::Value;
use worker::js_sys::{JSON, Reflect};
use worker::{Date, Env};

/// What a socket that passed needs.
pub struct Admitted {
    pub subject: String,
    /// The subprotocol that the 101 must name.
    pub protocol: Option<String>,
}

thread_local! {
    // Read once per isolate: settings change only with a deployment.
    static SITE: OnceCell<Rc<Site>> = const { OnceCell::new() };
}

/// Whether the client may open a socket, and whose it is.
pub async fn check(request: &worker::Request, env: &Env) -> Result<Admitted, Rejection> {
    let site = site(env)?;
    let url = request.url().map_err(|error| broken(&error))?;
    let method = request.method().to_string();
    let headers = WorkerHeaders(request.headers());
    let seen = Request {
        method: &method,
        url: RequestUrl::split(url.as_str()),
        address: ClientAddress::parse(headers.get("cf-connecting-ip").as_deref()),
        headers: &headers,
    };

    let found = match site.find(&seen) {
        Place::Route(found) => found,
        Place::Nowhere(miss) => return Err(miss.into()),
        // The endpoints of the gate need its Durable Objects.
        _ => return Err(Miss::NoRoute.into()),
    };
    let policy = &found.route.policy;
    transport::check(policy.require_tls, &seen)?;
    if !seen.asks_for_websocket() {
        return Err(Reason::UpgradeRequired.because("Upgrade does not name websocket"));
    }
    let handshake = Handshake::read(&seen)?;
    policy.origins.check(headers.get("origin").as_deref())?;
    let identity = match &policy.authentication {
        None => None,
        Some(authentication) => {
            let credential = authentication.find(&seen, &handshake.protocols);
            let verdict = authentication.check(&Runtime, credential);
            verdict.await.result?.identity
        }
    };
    policy
        .permission
        .check(identity.as_ref(), &found.parameters)?;
    let sources = policy.authentication.iter().flat_map(|it| &it.sources);
    let sources: Vec<_> = sources.cloned().collect();
    Ok(Admitted {
        subject: identity.and_then(|one| one.subject).unwrap_or_default(),
        protocol: unchosen_protocol(&handshake.protocols, &sources),
    })
}

fn broken(error: &worker::Error) -> Rejection {
    Reason::BadHandshake.because(error.to_string())
}

fn site(env: &Env) -> Result<Rc<Site>, Rejection> {
    let known = SITE.with(|site| site.get().cloned());
    if let Some(site) = known {
        return Ok(site);
    }
    let site = Site::read(&settings(env)).map_err(|errors| {
        for error in &errors {
            worker::console_error!("{error}");
        }
        Reason::Misconfigured.because("see the log")
    })?;
    let site = Rc::new(site);
    SITE.with(|cell| cell.set(site.clone()).ok());
    Ok(site)
}

/// The variables and secrets of the Worker that are settings. The server is this Worker itself.
fn settings(env: &Env) -> Settings {
    let mut settings = Settings::default();
    for name in descriptions().iter().map(|one| one.setting.name()) {
        if let Some(value) = variable(env, name) {
            settings.vars.insert(name.into(), value.into());
        }
    }
    let own = Var::Text(GUARDED_HANDLER.into());
    settings.vars.insert("UPSTREAM_SERVICE".into(), own);
    settings.bindings.insert(GUARDED_HANDLER.into());
    settings
}

/// A text, or a table or list of wrangler.toml, which `Env::var` can't read.
fn variable(env: &Env, name: &str) -> Option<Value> {
    let value = Reflect::get(env.as_ref(), &name.into()).ok()?;
    let json = JSON::stringify(&value).ok()?.as_string()?;
    serde_json::from_str(&json).ok()
}

struct WorkerHeaders<'a>(&'a worker::Headers);

impl Headers for WorkerHeaders<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.get(name).ok().flatten().map(Cow::from)
    }
}

/// What verification needs from a runtime. The core verifies HMAC itself; for other algorithms
/// `verify` would ask the runtime's cryptography, and `fetch_keys` the provider.
struct Runtime;

const NOT_HERE: &str = "this Worker takes tokens that are signed with JWT_SECRET";

impl Clock for Runtime {
    fn now(&self) -> Timestamp {
        Timestamp(Date::now().as_millis())
    }
}

impl Cryptography for Runtime {
    async fn verify(
        &self,
        _key: &Rc<RuntimeKey>,
        _algorithm: Algorithm,
        _signature: &[u8],
        _signed: &[u8],
    ) -> Result<bool, String> {
        Err(NOT_HERE.into())
    }
}

impl Providers for Runtime {
    async fn fetch_keys(&self, _keys: &Rc<RemoteKeys>, _from_provider: bool) {}

    async fn introspect(
        &self,
        _question: &IntrospectionRequest<'_>,
    ) -> Result<ProviderAnswer, String> {
        Err(NOT_HERE.into())
    }
}

impl BackgroundKeys for Runtime {
    fn fetch_keys_after_response(&self, _keys: &Rc<RemoteKeys>) {}
}
