//! What an isolate keeps between requests.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use portcullis::config::Settings;
use portcullis::gateway::{Gate, Place};
use portcullis::relay;
use portcullis::request::READ;
use portcullis::response::security_headers::{SecurityHeaders, Stamps};
use portcullis::token::RuntimeKey;
use portcullis::upstream::{EXACT_HEADERS, Manner, PREFLIGHT_HEADERS, TRUSTED_HEADERS};
use wasm_bindgen::prelude::*;
use web_sys::console;

use crate::host::{self, header_lines};
use crate::relay::configure_backlog;
use crate::sockets::{channel, first_message, lingering};

/// The gate, and constants that live on the JavaScript side so that they cross once.
pub struct Isolate {
    pub gate: Gate,
    /// Security headers where no route matches.
    stamps: SchemeStamps,
    /// Security headers of each route, by its number.
    route_stamps: Vec<SchemeStamps>,
    /// Names of the headers that are read of every request.
    pub read: JsValue,
    /// Matches headers that no client may send upstream.
    pub owned: JsValue,
    /// How requests are sent.
    open: JsValue,
    private: JsValue,
    preflight: JsValue,
    colo: OnceCell<String>,
    imported: RefCell<HashMap<(Rc<RuntimeKey>, &'static str), JsValue>>,
}

/// The security headers of a place, by the scheme of the request.
struct SchemeStamps {
    https: AnswerStamps,
    http: AnswerStamps,
}

/// The security headers of answers, on the JavaScript side.
pub struct AnswerStamps {
    /// For the gate's own answers and for sockets.
    pub own: JsValue,
    /// For an application's answers to plain requests.
    pub application: JsValue,
}

/// Keys of the runtime's cryptography that are kept imported.
const MAX_IMPORTED_KEYS: usize = 256;

/// Headers of an upstream's answer that belong to its own connection.
const CONNECTION_HEADERS: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// An isolate that was made before a request came, and the environment that it was made from.
struct Prepared {
    environment: String,
    isolate: Isolate,
}

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
    static PREPARED: RefCell<Option<Prepared>> = const { RefCell::new(None) };
}

/// This isolate. Its settings are those of the environment of the first request.
pub fn get(env: &JsValue) -> Rc<Isolate> {
    ISOLATE.with(|cell| cell.get_or_init(|| Rc::new(first(env))).clone())
}

/// Makes the isolate of this environment, so that the first request has less to do. Another
/// environment may come with that request.
#[wasm_bindgen]
pub fn prepare(env: &JsValue) {
    let environment = host::describe_environment(env);
    let isolate = Isolate::new(&environment);
    PREPARED.set(Some(Prepared {
        environment,
        isolate,
    }));
}

/// Logs what is wrong with the settings of the prepared isolate, for somebody who starts the Worker
/// locally and sends no request. The first request logs it once more, where logs are kept.
#[wasm_bindgen]
pub fn announce() {
    PREPARED.with_borrow(|prepared| {
        if let Some(Prepared { isolate, .. }) = prepared
            && !isolate.gate.is_configured()
        {
            report(&isolate.gate);
        }
    });
}

fn first(env: &JsValue) -> Isolate {
    let environment = host::describe_environment(env);
    let prepared = PREPARED.take();
    let prepared = prepared.filter(|prepared| prepared.environment == environment);
    let isolate = match prepared {
        Some(prepared) => prepared.isolate,
        None => Isolate::new(&environment),
    };
    report(&isolate.gate);
    isolate
}

impl Isolate {
    /// Reads the settings of an environment, as `host.js` describes it.
    pub fn new(environment: &str) -> Self {
        console_error_panic_hook::set_once();
        let settings = Settings::from_json(environment).expect("host.js writes this JSON");
        let gate = Gate::new(&settings);
        let (elsewhere, of_routes) = gate.security_headers();
        channel::configure(&relay::channel::settings_json());
        lingering::configure(&relay::lingering::settings_json());
        first_message::configure(&relay::first_message::settings_json());
        configure_backlog(&relay::backlog::settings_json());
        Self {
            gate,
            stamps: SchemeStamps::of(&elsewhere),
            route_stamps: of_routes.iter().map(SchemeStamps::of).collect(),
            read: array(READ),
            owned: host::names_like(
                &array(TRUSTED_HEADERS.iter().map(|(name, _)| *name)),
                &array(EXACT_HEADERS),
            ),
            open: JsValue::UNDEFINED,
            private: host::privately(&JsValue::UNDEFINED),
            preflight: host::privately(&array(PREFLIGHT_HEADERS)),
            colo: OnceCell::new(),
            imported: RefCell::default(),
        }
    }
}

impl Isolate {
    /// The security headers to stamp on an answer there.
    pub fn stamps(&self, place: &Place<'_>, is_tls: bool) -> &AnswerStamps {
        self.stamps_of(place.route().map(|(number, _)| number), is_tls)
    }

    /// The security headers of the route with this number, or where no route matches.
    pub fn stamps_of(&self, route: Option<usize>, is_tls: bool) -> &AnswerStamps {
        let stamps = match route {
            Some(number) => &self.route_stamps[number],
            None => &self.stamps,
        };
        if is_tls { &stamps.https } else { &stamps.http }
    }

    /// How a request is sent, as `host.js` takes it.
    pub fn manner(&self, manner: Manner) -> &JsValue {
        match manner {
            Manner::Open => &self.open,
            Manner::Private => &self.private,
            Manner::Preflight => &self.preflight,
        }
    }

    /// A key as SubtleCrypto's own, imported when first used.
    pub async fn import(
        &self,
        key: &Rc<RuntimeKey>,
        algorithm: &'static str,
    ) -> Result<JsValue, JsValue> {
        let id = (key.clone(), algorithm);
        if let Some(known) = self.imported.borrow().get(&id) {
            return Ok(known.clone());
        }
        let new = host::import_key(&key.jwk, algorithm).await?;
        let mut imported = self.imported.borrow_mut();
        if imported.len() >= MAX_IMPORTED_KEYS {
            imported.clear();
        }
        imported.insert(id, new.clone());
        Ok(new)
    }

    /// The data centre, which is the same for all requests of an isolate.
    pub fn colo(&self, request: &web_sys::Request) -> Option<String> {
        if self.colo.get().is_none()
            && let Some(colo) = host::colo(request)
        {
            return Some(self.colo.get_or_init(|| colo).clone());
        }
        self.colo.get().cloned()
    }
}

fn array(names: impl IntoIterator<Item = &'static str>) -> JsValue {
    names
        .into_iter()
        .map(JsValue::from)
        .collect::<js_sys::Array>()
        .into()
}

impl SchemeStamps {
    fn of(headers: &SecurityHeaders) -> Self {
        let over = |is_tls| AnswerStamps {
            own: stamps(headers.stamps(is_tls)),
            application: stamps(headers.application_stamps(is_tls)),
        };
        Self {
            https: over(true),
            http: over(false),
        }
    }
}

fn stamps(stamps: Stamps<'_>) -> JsValue {
    let hidden = array(stamps.hidden.into_iter().chain(CONNECTION_HEADERS));
    host::stamps_of(
        &header_lines(&stamps.set),
        &header_lines(&stamps.add),
        &hidden,
    )
}

/// Logs configuration errors or warnings.
fn report(gate: &Gate) {
    let remarks = gate.remarks();
    if remarks.is_empty() {
        return;
    }
    let remarks = remarks.join("\n  ");
    if gate.is_configured() {
        console::warn_1(&format!("portcullis: warnings:\n  {remarks}").into());
    } else {
        let head = "portcullis: every request is refused until these settings are right:";
        console::error_1(&format!("{head}\n  {remarks}").into());
    }
}
