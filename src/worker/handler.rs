//! A request from the runtime's form to the core's, through its journey, and into the log.

use std::rc::Rc;

use portcullis::gateway::Passage;
use portcullis::record::Record;
use portcullis::request::address::ClientAddress;
use portcullis::request::{HeaderLookup, Headers, Request, RequestUrl, Snapshot};
use portcullis::util::time::millis;
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::Context;

use crate::clock::{now, random};
use crate::platform::WorkerPlatform;
use crate::promise::at_once_or_promised;
use crate::responder::Responder;
use crate::{host, isolate, log};

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
    };
    let context = platform.context.clone();
    at_once_or_promised(&context, async move {
        answer(&platform).await.map(JsValue::from)
    })
}

async fn answer(platform: &WorkerPlatform) -> Result<Response, JsValue> {
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
    let mut record = Record::begin(
        gate.address_key(&seen, &place),
        &request_id(),
        started.to_rfc3339(),
    );

    record.colo = isolate.colo(request);
    let result = gate.journey(platform, &seen, &place, &mut record).await;
    let is_attempt = !matches!(result, Ok(Passage::Health { .. } | Passage::KeySet { .. }));
    let responder = Responder {
        platform,
        request: &seen,
        place: &place,
        stamps: isolate.stamps(&place, seen.url.is_tls()),
        cors: gate.cors(&seen, &place),
    };
    let response = responder.respond(result, &mut record)?;
    if is_attempt {
        record.duration_ms = millis(now().since(started));
        log::attempt(&record, &platform.env);
    }
    Ok(response)
}

/// 128 random bits in hex.
fn request_id() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}

struct WorkerHeaders<'a> {
    read: &'a Snapshot<'a>,
    request: &'a web_sys::Request,
}

impl Headers for WorkerHeaders<'_> {
    fn get(&self, name: &str) -> Option<String> {
        match self.read.header(name) {
            HeaderLookup::Present(value) => Some(value.to_owned()),
            HeaderLookup::Absent => None,
            HeaderLookup::NotRead => self.request.headers().get(name).ok().flatten(),
        }
    }
}
