//! The slots of open sockets, as `slot.js` takes and keeps them.

use std::cell::Cell;

use js_sys::Promise;
use portcullis::gateway::platform::ObjectReply;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::Context;

use crate::background;
use crate::host;
use crate::sockets::channel::{Channel, asked};

#[wasm_bindgen(module = "/js/slot.js")]
extern "C" {
    #[wasm_bindgen(js_name = takeSlot)]
    fn take_slot(
        context: &JsValue,
        namespace: &JsValue,
        name: &str,
        first: &str,
        again: &str,
        ends_when_lost: bool,
        milliseconds: f64,
    ) -> Promise;

    /// The answer to a request that got the slot `id`: it opens a channel.
    #[wasm_bindgen(catch, js_name = acceptChannel)]
    pub fn accept(state: &JsValue, id: &str, answer: &str) -> Result<JsValue, JsValue>;

    /// The answer to a request that got no slot. `message`: what happens to a socket that had one.
    #[wasm_bindgen(js_name = refuseChannel)]
    pub fn refuse(answer: &str, message: &str) -> JsValue;

    /// The channels that are open, as pairs of id and time of the last ping or 0.
    #[wasm_bindgen(js_name = openChannels)]
    pub fn open_channels(state: &JsValue) -> Vec<JsValue>;

    /// The id of a channel that is gone, unless another one with that id is open.
    #[wasm_bindgen(js_name = left)]
    pub fn left(state: &JsValue, gone: &JsValue) -> Option<String>;

    /// Sends a message through the channels of a socket.
    #[wasm_bindgen(js_name = tellChannels)]
    pub fn tell(state: &JsValue, id: &str, message: &str);

    #[wasm_bindgen(js_name = closeChannels)]
    pub fn close_channels(state: &JsValue, id: &str);
}

/// A request that is under way. If the client hangs up before the answer comes, the slot is released
/// as soon as it does.
struct PendingSlot<'a> {
    result: Promise,
    context: &'a Context,
    is_answered: Cell<bool>,
}

impl Drop for PendingSlot<'_> {
    fn drop(&mut self) {
        if self.is_answered.get() {
            return;
        }
        let result = self.result.clone();
        background::hold(self.context, async move {
            if let Ok(result) = JsFuture::from(result).await {
                drop(asked(&result));
            }
        });
    }
}

/// A request for a slot.
pub struct SlotRequest<'a> {
    pub namespace: &'a JsValue,
    /// The name of the ledger.
    pub ledger: &'a str,
    /// The path that asks for the slot.
    pub first: &'a str,
    /// The path by which the socket attaches again, without the time.
    pub again: &'a str,
    pub ends_when_lost: bool,
    pub milliseconds: u64,
}

/// Asks a ledger for a slot.
pub async fn take(context: &Context, request: SlotRequest<'_>) -> ObjectReply<String, Channel> {
    let pending = PendingSlot {
        result: take_slot(
            context.as_ref(),
            request.namespace,
            request.ledger,
            request.first,
            request.again,
            request.ends_when_lost,
            request.milliseconds as f64,
        ),
        context,
        is_answered: Cell::new(false),
    };
    let result = JsFuture::from(pending.result.clone()).await;
    pending.is_answered.set(true);
    match result {
        Ok(result) => asked(&result),
        Err(error) => ObjectReply {
            answer: Err(host::describe(&error)),
            channel: None,
        },
    }
}
