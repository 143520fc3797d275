//! Sockets that are accepted only to be closed with a code, as `lingering.js` does it.

use wasm_bindgen::prelude::*;
use web_sys::Response;

#[wasm_bindgen(module = "/js/lingering.js")]
extern "C" {
    /// Passes the limits once for each isolate.
    #[wasm_bindgen(js_name = configureLingering)]
    pub fn configure(settings: &str);

    /// Returns a response whose socket is closed as soon as it is open; `None` if too many clients
    /// have not answered such a close yet.
    #[wasm_bindgen(catch, js_name = closeAtOnce)]
    pub fn close_at_once(
        context: &JsValue,
        address: &str,
        code: u16,
        reason: &str,
        stamps: &JsValue,
        own: &str,
    ) -> Result<Option<Response>, JsValue>;
}
