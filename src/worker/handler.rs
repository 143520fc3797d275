//! A request from the runtime's form to the core's, and the core's result back.

use std::rc::Rc;

use portcullis::gateway::{Journey, LedgerCall, Passage};
use portcullis::limits::ledger::Operation;
use portcullis::record::Record;
use portcullis::relay::SocketLimits;
use portcullis::request::address::ClientAddress;
use portcullis::request::{Headers, Request, RequestUrl, Snapshot};
use portcullis::response::answer::refusal;
use portcullis::response::reason::{Reason, Rejection};
use portcullis::util::time::millis;
use wasm_bindgen::prelude::*;
use web_sys::{Response, console};
use worker::Context;

use crate::isolate::{self, Isolate};
use crate::objects::ledger;
use crate::platform::{WorkerHeaders, WorkerPlatform, header_lines, now, random};
use crate::promise::at_once_or_promised;
use crate::sockets::channel::Channel;
use crate::sockets::lingering;
use crate::{host, log, relay};

/// The Worker's handler.
#[wasm_bindgen]
pub fn fetch(
    request: web_sys::Request,
    env: JsValue,
    context: worker::worker_sys::Context,
) -> Result<JsValue, JsValue> {
    at_once_or_promised(async move {
        let context = Context::new(context);
        answer(request, env, context).await.map(JsValue::from)
    })
}

async fn answer(
    request: web_sys::Request,
    env: JsValue,
    context: Context,
) -> Result<Response, JsValue> {
    let isolate = isolate::get(&env);
    let started = now();
    let request_id = request_id();
    let read = host::read_request(&request, &isolate.read);
    let read = Snapshot::parse(&read).expect("host.js writes these lines");
    let headers = WorkerHeaders {
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
    let platform = WorkerPlatform {
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

    let Journey {
        result,
        after_response,
    } = isolate
        .gate
        .journey(&platform, &seen, &place, &mut record)
        .await;
    let is_attempt = !matches!(result, Ok(Passage::Health { .. } | Passage::KeySet { .. }));
    if is_attempt {
        record.colo = isolate.colo(&request);
    }
    let response = platform.respond(result, &mut record)?;

    for call in after_response {
        context.wait_until(tell_after_response(env.clone(), isolate.clone(), call));
    }
    if is_attempt {
        record.duration_ms = millis(now().since(started));
        log::attempt(&record, &env);
    }
    Ok(response)
}

/// Tells a ledger behind the answer what became of an attempt.
async fn tell_after_response(env: JsValue, isolate: Rc<Isolate>, call: LedgerCall) {
    match ledger::ask(&env, &call).await {
        Ok(answer) => isolate.gate.learn(&call, &answer, now()),
        Err(failure) => {
            let lapse = match call.request.operation {
                Operation::GiveBack { .. } => "an admission was not given back",
                Operation::Fail => "a failure went uncounted",
                _ => "a refused attempt went uncounted",
            };
            let text = format!("portcullis: {lapse}: {}: {failure}", call.scope);
            console::warn_1(&text.into());
        }
    }
}

const REQUEST_ID: &str = "Portcullis-Request-Id";

/// 128 random bits in hex.
fn request_id() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}

impl WorkerPlatform<'_> {
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
            host::answer(
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
        lingering::close_at_once(
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
            host::pass_on(upstream, stamps, &header_lines(own), relayed)
        };
        let response = match passage {
            Passage::Socket {
                upstream,
                protocol,
                limits,
                channels,
            } => {
                own.extend(protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol)));
                match limits {
                    None => pass_on(&upstream, &own, &JsValue::UNDEFINED),
                    Some(limits) => self
                        .relay(&upstream, &limits, channels, record)
                        .and_then(|relayed| pass_on(&upstream, &own, &relayed)),
                }
            }
            Passage::Plain { upstream } => pass_on(&upstream, &own, &JsValue::UNDEFINED),
            Passage::Health { is_healthy } => {
                let (status, body) = health(is_healthy);
                own.extend(json());
                host::answer(status, Some(body), stamps, &header_lines(&own))
            }
            Passage::Json { json: body } => {
                own.extend(json());
                host::answer(200, Some(&body), stamps, &header_lines(&own))
            }
            Passage::Preflight => host::answer(204, None, stamps, &header_lines(&own)),
            Passage::KeySet { json } => {
                own.push(("Content-Type", "application/jwk-set+json".into()));
                own.push(("Cache-Control", "public, max-age=300".into()));
                host::answer(200, Some(&json), stamps, &header_lines(&own))
            }
        };
        response.map_err(|error| Reason::UpstreamRefused.because(host::describe(&error)))
    }

    fn relay(
        &self,
        upstream: &Response,
        limits: &SocketLimits,
        channels: Vec<Channel>,
        admission: &Record,
    ) -> Result<JsValue, JsValue> {
        let context: &JsValue = self.context.as_ref();
        relay::relay(
            upstream,
            limits,
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
