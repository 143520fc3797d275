//! The meaning of the settings, for the tools around the gate. Requests never reach this.

use portcullis::config::{self, Settings};
use wasm_bindgen::prelude::*;

use crate::host;

/// The errors, warnings and routes of an environment's settings, as JSON.
///
/// # Panics
/// Never: `host.js` writes JSON that settings are read from.
#[wasm_bindgen(js_name = inspectSettings)]
pub fn inspect_settings(env: &JsValue) -> String {
    let environment = host::describe_environment(env);
    let settings = Settings::from_json(&environment).expect("host.js writes this JSON");
    config::inspect(&settings).to_string()
}
