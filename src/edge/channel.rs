//! Channels, which `channel.js` holds: they tie a live socket to an object of the gate's own.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/channel.js")]
extern "C" {
    #[wasm_bindgen(js_name = govern)]
    fn govern_relay(channel: &JsValue, relay: &JsValue);

    #[wasm_bindgen(js_name = release)]
    fn release_channel(channel: &JsValue);
}

/// A channel that is closed when nobody holds it any more.
pub struct Channel(JsValue);

impl Channel {
    /// One of `channel.js`; `None` if it is undefined.
    pub fn held(channel: JsValue) -> Option<Self> {
        (!channel.is_undefined()).then(|| Self(channel))
    }

    /// From now on the object's word is done to this relay.
    pub fn govern(&self, relay: &JsValue) {
        govern_relay(&self.0, relay);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        release_channel(&self.0);
    }
}
