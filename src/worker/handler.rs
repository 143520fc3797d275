//! A request from the runtime's form to the core's, through its journey, and into the log.

use std::borrow::Cow;
use std::rc::Rc;

use portcullis::gateway::Passage;
use portcullis::record::Record;
use portcullis::request::address::ClientAddress;
use portcullis::request::{HeaderLookup, Headers, Request, RequestUrl, Snapshot};
use portcullis::util::hex;
use portcullis::util::time::millis;
use wasm_bindgen::prelude::*;
use worker::Context;

use crate::clock::{now, random};
use crate::isolate::Isolate;
use crate::platform::WorkerPlatform;
use crate::promise::at_once_or_promised;
use crate::responder::Responder;
use crate::work::Work;
use crate::{host, isolate, log, rehearsal};

/// The Worker's handler.
#[wasm_bindgen]
pub fn fetch(
    request: web_sys::Request,
    env: JsValue,
    context: worker::worker_sys::Context,
) -> Result<JsValue, JsValue> {
    let platform = WorkerPlatform {
        isolate: isolate::get(&env),
        env,
        request,
        context: Rc::new(Context::new(context)),
        early: Rc::default(),
    };
    run(platform, |answer| answer)
}

/// Sends these requests through a gate of their own, which is made from `env` and then forgotten.
#[wasm_bindgen]
pub fn rehearse(requests: Vec<web_sys::Request>, env: &JsValue, context: &JsValue) {
    let isolate = Rc::new(Isolate::new(&host::describe_environment(env)));
    for request in requests {
        let platform = WorkerPlatform {
            isolate: isolate.clone(),
            env: env.clone(),
            request,
            context: Rc::new(Context::new(context.clone().unchecked_into())),
            early: Rc::default(),
        };
        // Each waits for nothing but the made-up objects, so it ends within this turn.
        // Its end is an error, because module scope makes no socket and no body.
        let _ = run(platform, rehearsal::marked);
    }
}

/// Answers the request of `platform`. `wrap` may lay something around its work.
fn run(platform: WorkerPlatform, wrap: impl FnOnce(Work) -> Work) -> Result<JsValue, JsValue> {
    let (context, early) = (platform.context.clone(), platform.early.clone());
    let work: Work = Box::pin(async move { answer(&platform).await });
    let early = Box::new(move || early.take_response());
    at_once_or_promised(context, early, wrap(work))
}

async fn answer(platform: &WorkerPlatform) -> Result<JsValue, JsValue> {
    let WorkerPlatform {
        request, isolate, ..
    } = platform;
    let gate = &isolate.gate;
    let started = now();
    let read = host::read_request(request, &isolate.read);
    let read = Snapshot::parse(&read).expect("host.js writes these lines");
    let headers = WorkerHeaders {
        read: &read,
        request,
    };
    let seen = Request {
        method: read.method,
        url: RequestUrl::split(read.url),
        address: ClientAddress::parse(headers.get("cf-connecting-ip").as_deref()),
        headers: &headers,
    };
    let place = gate.place(&seen);
    let id: [u8; 16] = random();
    let mut record = Record::begin(
        gate.address_key(&seen, &place),
        hex(id),
        started.to_rfc3339(),
    );
    let drawn = id.first_chunk().expect("it has 16 bytes");
    record.is_sampled = gate.samples(&place, u64::from_be_bytes(*drawn));

    record.colo = isolate.colo(request);
    let result = gate.journey(platform, &seen, &place, &mut record).await;
    let is_attempt = !matches!(
        result,
        Ok(Passage::Health { .. }
            | Passage::KeySet { .. }
            | Passage::Dashboard
            | Passage::Unrecorded { .. })
    );
    let responder = Responder {
        platform,
        request: &seen,
        place: &place,
        stamps: isolate.stamps(&place, seen.url.is_tls()),
        cors: gate.cors(&seen, &place),
    };
    let response = match platform.early.take() {
        None => responder.respond(result, &mut record).map(JsValue::from),
        Some(awaited) => {
            responder.settle(&awaited, result, &mut record);
            Ok(JsValue::UNDEFINED)
        }
    };
    if is_attempt {
        record.duration_ms = millis(now().since(started));
        log::attempt(&record, &platform.env);
        if !rehearsal::is_under_way() {
            gate.count_decision(platform, &record);
        }
    }
    response
}

struct WorkerHeaders<'a> {
    read: &'a Snapshot<'a>,
    request: &'a web_sys::Request,
}

impl Headers for WorkerHeaders<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.read.header(name) {
            HeaderLookup::Present(value) => Some(value.into()),
            HeaderLookup::Absent => None,
            HeaderLookup::NotRead => {
                let value = self.request.headers().get(name).ok().flatten();
                value.map(Cow::from)
            }
        }
    }
}
