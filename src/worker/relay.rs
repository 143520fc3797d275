//! Starts the relay of an inspected socket. The relay itself is `relay.js`.

use std::cell::RefCell;
use std::rc::Rc;

use portcullis::record::{ClosedRecord, Record};
use portcullis::relay::{Closed, SocketLimits};
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::worker_sys::ext::ResponseExt;

use crate::clock::now;
use crate::sockets::channel::Channel;
use crate::sockets::first_message::Awaited;

#[wasm_bindgen(module = "/js/backlog.js")]
extern "C" {
    /// Passes the memory budget once for each isolate.
    #[wasm_bindgen(js_name = configureBacklog)]
    pub fn configure_backlog(settings: &str);
}

#[wasm_bindgen(module = "/js/relay.js")]
extern "C" {
    /// The relay of one socket.
    type Relay;

    #[wasm_bindgen(catch, js_name = relay)]
    fn start(
        upstream: &JsValue,
        limits: &str,
        context: &JsValue,
        on_end: &JsValue,
        on_report: &JsValue,
        awaited: Option<&Awaited>,
    ) -> Result<Relay, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn client(this: &Relay) -> JsValue;
}

/// Starts a relay, and returns the socket for the response to a client that is not `awaited`.
/// `channels` are held while the socket lives; `admission` becomes the record of its end, and of what a
/// limit that is only reported would have ended. `note` gets both.
pub fn relay(
    upstream: &Response,
    limits: &SocketLimits,
    channels: Vec<Channel>,
    admission: Record,
    note: impl Fn(&ClosedRecord) + 'static,
    context: &JsValue,
    awaited: Option<&Awaited>,
) -> Result<JsValue, JsValue> {
    let held = Rc::new(RefCell::new(channels));
    let until_end = held.clone();
    let note = Rc::new(note);
    // Only sockets whose limits are reported pay for it.
    let on_report = limits.only_reports().then(|| {
        let (admission, note) = (admission.clone(), note.clone());
        Closure::<dyn Fn(String)>::new(move |kept: String| {
            let kept = Closed::from_json(&kept).expect("relay.js writes this JSON");
            let time = now().to_rfc3339();
            note(&ClosedRecord::of_kept(admission.clone(), kept, time));
        })
    });
    let report = on_report.as_ref().map(|closure| closure.as_ref().clone());
    let on_end = Closure::once_into_js(move |closed: String| {
        let closed = Closed::from_json(&closed).expect("relay.js writes this JSON");
        let time = now().to_rfc3339();
        note(&ClosedRecord::of(admission, closed, time));
        until_end.take();
        drop(on_report);
    });
    let socket = JsValue::from(upstream.websocket());
    let report = report.unwrap_or(JsValue::UNDEFINED);
    let limits = limits.to_json();
    let relay = start(&socket, &limits, context, &on_end, &report, awaited)
        // Nothing will end, so nothing else would let go of them.
        .inspect_err(|_| drop(held.take()))?;
    // The first may end the relay at once, which lets go of them all.
    let governors: Vec<_> = held.borrow().iter().map(Channel::governor).collect();
    for governor in governors {
        governor.govern(relay.as_ref());
    }
    Ok(relay.client())
}
