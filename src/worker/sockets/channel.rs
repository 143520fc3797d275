//! Channels, which `channel.js` holds: they tie a live socket to an object of the gate's own.

use js_sys::Reflect;
use portcullis::gateway::platform::ObjectReply;
use wasm_bindgen::prelude::*;

use crate::host;

#[wasm_bindgen(module = "/js/channel.js")]
extern "C" {
    #[wasm_bindgen(js_name = govern)]
    fn govern_relay(channel: &JsValue, relay: &JsValue);

    #[wasm_bindgen(js_name = release)]
    fn release_channel(channel: &JsValue);
}

/// A channel that is closed when nobody holds it any more.
pub struct Channel(JsValue);

impl Channel {
    /// From now on the object's word is done to this relay.
    pub fn govern(&self, relay: &JsValue) {
        govern_relay(&self.0, relay);
    }
}

/// What JavaScript came by: `{ text }` or `{ failure }`, with a `channel` or none.
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
