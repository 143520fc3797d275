//! What the runtime waits for.

use std::pin::Pin;

use wasm_bindgen::JsValue;

/// A response, or why there is none.
pub type Answer = Result<JsValue, JsValue>;
pub type Work = Pin<Box<dyn Future<Output = Answer>>>;
