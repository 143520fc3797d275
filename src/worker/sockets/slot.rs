//! Slots of open sockets, as `slot.js` takes and keeps them.

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

    /// The answer to who got a slot of this name: with a channel.
    #[wasm_bindgen(catch, js_name = acceptChannel)]
    pub fn accept(state: &JsValue, id: &str, answer: &str) -> Result<JsValue, JsValue>;

    /// The answer to who got none. `message`: what becomes of a socket that had one.
    #[wasm_bindgen(js_name = refuseChannel)]
    pub fn refuse(answer: &str, message: &str) -> JsValue;

    /// The channels that are open: name, time of the last ping or 0, name …
    #[wasm_bindgen(js_name = openChannels)]
    pub fn open_channels(state: &JsValue) -> Vec<JsValue>;

    /// The name of a channel that is gone, unless another of its name is open.
    #[wasm_bindgen(js_name = left)]
    pub fn left(state: &JsValue, gone: &JsValue) -> Option<String>;

    #[wasm_bindgen(js_name = closeChannels)]
    pub fn close_channels(state: &JsValue, id: &str);
}

/// A question that is under way. If nobody waits for its answer any more, the slot that it gets is
/// freed in the background.
struct Asking<'a> {
    result: Promise,
    context: &'a Context,
    is_answered: Cell<bool>,
}

impl Drop for Asking<'_> {
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

/// Asks the ledger of a name for a slot. `paths`: to ask, and to attach again.
pub async fn take(
    context: &Context,
    (namespace, name): (&JsValue, &str),
    (first, again): (&str, &str),
    ends_when_lost: bool,
    milliseconds: u64,
) -> ObjectReply<String, Channel> {
    let asking = Asking {
        result: take_slot(
            context.as_ref(),
            namespace,
            name,
            first,
            again,
            ends_when_lost,
            milliseconds as f64,
        ),
        context,
        is_answered: Cell::new(false),
    };
    let result = JsFuture::from(asking.result.clone()).await;
    asking.is_answered.set(true);
    match result {
        Ok(result) => asked(&result),
        Err(error) => ObjectReply {
            answer: Err(host::describe(&error)),
            channel: None,
        },
    }
}
