//! Starts the relay of an inspected socket. The relay itself is `relay.js`.

use std::rc::Rc;

use portcullis::record::{ClosedRecord, Record};
use portcullis::relay::{Closed, SocketLimits};
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::worker_sys::ext::ResponseExt;

use crate::clock::now;
use crate::sockets::channel::Channel;

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
    ) -> Result<Relay, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn client(this: &Relay) -> JsValue;
}

/// Starts a relay, and returns the socket for the response to the client. `channels` are held while
/// the socket lives; `admission` becomes the record of its end, which
/// `on_closed` gets.
pub fn relay(
    upstream: &Response,
    limits: &SocketLimits,
    channels: Vec<Channel>,
    admission: Record,
    on_closed: impl FnOnce(ClosedRecord) + 'static,
    context: &JsValue,
) -> Result<JsValue, JsValue> {
    let held = Rc::new(channels);
    let until_end = held.clone();
    let on_end = Closure::once_into_js(move |closed: String| {
        let closed = Closed::from_json(&closed).expect("relay.js writes this JSON");
        let time = now().to_rfc3339();
        on_closed(ClosedRecord::of(admission, closed, time));
        drop(until_end);
    });
    let socket = JsValue::from(upstream.websocket());
    let relay = start(&socket, &limits.to_json(), context, &on_end)?;
    for channel in held.iter() {
        channel.govern(relay.as_ref());
    }
    Ok(relay.client())
}
