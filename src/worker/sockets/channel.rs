//! Channels, which `channel.js` holds: they connect live sockets to the gate's Durable Objects.

use js_sys::Reflect;
use portcullis::gateway::platform::ObjectReply;
use wasm_bindgen::prelude::*;

use crate::host;

#[wasm_bindgen(module = "/js/channel.js")]
extern "C" {
    /// Passes the lengths of time once for each isolate.
    #[wasm_bindgen(js_name = configureChannels)]
    pub fn configure(settings: &str);

    #[wasm_bindgen(js_name = govern)]
    fn govern_relay(channel: &JsValue, relay: &JsValue);

    #[wasm_bindgen(js_name = release)]
    fn release_channel(channel: &JsValue);
}

/// The connection of a live socket to an object. Dropping it closes the channel.
pub struct Channel(JsValue);

impl Channel {
    pub fn governor(&self) -> Governor {
        Governor(self.0.clone())
    }
}

/// What a channel's object says of a relay. It keeps no channel open.
pub struct Governor(JsValue);

impl Governor {
    /// From now on the object's messages act on this relay.
    pub fn govern(&self, relay: &JsValue) {
        govern_relay(&self.0, relay);
    }
}

/// Reads a script's result: `{ text }` or `{ failure }`, and perhaps a `channel`.
pub fn asked(result: &JsValue) -> ObjectReply<String, Channel> {
    let member = |name: &str| {
        let member = Reflect::get(result, &name.into()).unwrap_or_default();
        (!member.is_undefined()).then_some(member)
    };
    ObjectReply {
        answer: match member("failure") {
            Some(failure) => Err(host::describe(&failure)),
            None => Ok(member("text")
                .and_then(|text| text.as_string())
                .unwrap_or_default()),
        },
        channel: member("channel").map(Channel),
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        release_channel(&self.0);
    }
}
