//! Step 11: the core's result as a response of the runtime.

use portcullis::gateway::{Passage, Place};
use portcullis::record::{ClosedRecord, Record};
use portcullis::relay::SocketLimits;
use portcullis::request::Request;
use portcullis::response::answer::refusal;
use portcullis::response::reason::{Reason, Rejection};
use wasm_bindgen::prelude::*;
use web_sys::Response;

use crate::host::{self, REQUEST_ID, header_lines};
use crate::isolate::AnswerStamps;
use crate::platform::WorkerPlatform;
use crate::relay;
use crate::sockets::channel::Channel;
use crate::sockets::first_message::Awaited;
use crate::sockets::lingering;
use crate::{dashboard, log};

/// The close code of a refusal that has none of its own (RFC 6455 §7.4.1).
const INTERNAL_ERROR: u16 = 1011;

/// What the response to one request needs besides the decision.
pub struct Responder<'a> {
    pub platform: &'a WorkerPlatform,
    pub request: &'a Request<'a>,
    pub place: &'a Place<'a>,
    /// The security headers.
    pub stamps: &'a AnswerStamps,
    /// The headers with which a page can read an endpoint's response.
    pub cors: Vec<(&'static str, String)>,
}

impl Responder<'_> {
    /// The response under the gate's headers: the only place that makes one.
    pub fn respond(
        &self,
        result: Result<Passage<WorkerPlatform>, Rejection>,
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
            let stamps = &self.stamps.own;
            host::answer(
                refusal.status,
                Some(&refusal.body),
                stamps,
                &header_lines(&headers),
            )
        })
    }

    /// The refusal as a socket that is closed at once; `None` where HTTP has to do.
    fn close(&self, reason: &Reason, record: &Record) -> Result<Option<Response>, JsValue> {
        let gate = &self.platform.isolate.gate;
        let Some(mut closing) = gate.closing(self.request, self.place, reason) else {
            return Ok(None);
        };
        closing
            .headers
            .push((REQUEST_ID, record.request_id.clone()));
        lingering::close_at_once(
            self.platform.context.as_ref().as_ref(),
            &record.address,
            closing.code,
            closing.reason,
            &self.stamps.own,
            &header_lines(&closing.headers),
        )
    }

    /// Ends the journey of a client whose socket is open already: by a relay, or by a close.
    pub fn settle(
        &self,
        awaited: &Awaited,
        result: Result<Passage<WorkerPlatform>, Rejection>,
        record: &mut Record,
    ) {
        let settled = result.and_then(|passage| match passage {
            Passage::Socket {
                upstream,
                limits: Some(limits),
                channels,
                opened: Some(opened),
                ..
            } => {
                awaited.prepare(&opened);
                self.relay(&upstream, &limits, channels, record, Some(awaited))
                    .map(drop)
                    .map_err(|error| refused(&error))
            }
            _ => Err(Reason::Misconfigured.because("only inspected sockets are opened early")),
        });
        if let Err(rejection) = settled {
            record.note_refusal(&rejection);
            let code = rejection.reason.close_code().unwrap_or(INTERNAL_ERROR);
            awaited.refuse(code, rejection.reason.name());
        }
    }

    fn pass(
        &self,
        passage: Passage<WorkerPlatform>,
        record: &Record,
    ) -> Result<Response, Rejection> {
        let stamps = &self.stamps.own;
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
                ..
            } => {
                own.extend(protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol)));
                match limits {
                    None => pass_on(&upstream, &own, &JsValue::UNDEFINED),
                    Some(limits) => self
                        .relay(&upstream, &limits, channels, record, None)
                        .and_then(|relayed| pass_on(&upstream, &own, &relayed)),
                }
            }
            Passage::Plain { upstream } => host::pass_on(
                &upstream,
                &self.stamps.application,
                &header_lines(&own),
                &JsValue::UNDEFINED,
            ),
            Passage::Health { is_healthy } => {
                let (status, body) = health(is_healthy);
                own.extend(json());
                host::answer(status, Some(body), stamps, &header_lines(&own))
            }
            Passage::Json { json: body } => {
                own.extend(json());
                host::answer(200, Some(&body), stamps, &header_lines(&own))
            }
            Passage::Unrecorded { content_type, text } => {
                own.push(("Content-Type", content_type.into()));
                own.push(("Cache-Control", "no-store".into()));
                host::answer(200, Some(&text), stamps, &header_lines(&own))
            }
            Passage::Dashboard => {
                own.extend(dashboard::headers());
                host::answer(200, Some(&dashboard::page()), stamps, &header_lines(&own))
            }
            Passage::Preflight => host::answer(204, None, stamps, &header_lines(&own)),
            Passage::KeySet { json } => {
                own.push(("Content-Type", "application/jwk-set+json".into()));
                own.push(("Cache-Control", "public, max-age=300".into()));
                host::answer(200, Some(&json), stamps, &header_lines(&own))
            }
        };
        response.map_err(|error| refused(&error))
    }

    fn relay(
        &self,
        upstream: &Response,
        limits: &SocketLimits,
        channels: Vec<Channel>,
        admission: &Record,
        awaited: Option<&Awaited>,
    ) -> Result<JsValue, JsValue> {
        relay::relay(
            upstream,
            limits,
            channels,
            admission.clone(),
            self.note_closed(),
            self.platform.context.as_ref().as_ref(),
            awaited,
        )
    }
}

impl Responder<'_> {
    /// Records the end of a socket, and counts it where anything is counted. Otherwise the socket
    /// keeps nothing of its request but the environment.
    fn note_closed(&self) -> impl Fn(&ClosedRecord) + 'static {
        let platform = self.platform;
        let env = platform.env.clone();
        let counting = platform.isolate.gate.counts().then(|| platform.clone());
        move |closed| {
            log::closed(closed, &env);
            if let Some(platform) = &counting {
                platform.isolate.gate.count_closed(platform, closed);
            }
        }
    }
}

fn refused(error: &JsValue) -> Rejection {
    Reason::UpstreamRefused.because(host::describe(error))
}

fn json() -> [(&'static str, String); 2] {
    [
        ("Content-Type", "application/json".into()),
        ("Cache-Control", "no-store".into()),
    ]
}

fn health(is_healthy: bool) -> (u16, &'static str) {
    if is_healthy {
        (200, OK)
    } else {
        (503, MISCONFIGURED)
    }
}

const OK: &str = concat!(
    r#"{"status":"ok","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);
const MISCONFIGURED: &str = concat!(
    r#"{"status":"misconfigured","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);
