//! The functions of `host.js`, `objects.js` and `cryptography.js`, and how values cross to them.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};

#[wasm_bindgen(module = "/js/host.js")]
extern "C" {
    #[wasm_bindgen(js_name = describeEnvironment)]
    pub fn describe_environment(env: &JsValue) -> String;

    #[wasm_bindgen(js_name = namesLike)]
    pub fn names_like(owned: &JsValue, exact: &JsValue) -> JsValue;

    #[wasm_bindgen(js_name = stampsOf)]
    pub fn stamps_of(set: &str, add: &str, hidden: &JsValue) -> JsValue;

    pub fn privately(keep: &JsValue) -> JsValue;

    #[wasm_bindgen(js_name = readRequest)]
    pub fn read_request(request: &Request, names: &JsValue) -> String;

    /// Calls `settle` with `number`, what the promise brings, and whether it was fulfilled.
    pub fn follow(promise: &Promise, settle: &JsValue, number: u32);

    #[wasm_bindgen(js_name = isTimeOut)]
    pub fn is_time_out(error: &JsValue) -> bool;

    #[wasm_bindgen(catch)]
    pub fn forward(
        service: &JsValue,
        request: &Request,
        url: &str,
        owned: &JsValue,
        remove: Vec<String>,
        set: &str,
        manner: &JsValue,
        milliseconds: f64,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_name = readReply)]
    pub fn read_reply(upstream: &Response) -> String;

    #[wasm_bindgen(catch, js_name = passOn)]
    pub fn pass_on(
        upstream: &Response,
        stamps: &JsValue,
        own: &str,
        relayed: &JsValue,
    ) -> Result<Response, JsValue>;

    #[wasm_bindgen(catch)]
    pub fn answer(
        status: u16,
        body: Option<&str>,
        stamps: &JsValue,
        own: &str,
    ) -> Result<Response, JsValue>;

    #[wasm_bindgen(catch, js_name = readBody)]
    pub async fn read_body(request: &Request, max_bytes: u32) -> Result<JsValue, JsValue>;

    pub fn discard(upstream: &Response);

    pub fn colo(request: &Request) -> Option<String>;

    #[wasm_bindgen(catch, js_name = writeDecision)]
    pub fn write_decision(
        dataset: &JsValue,
        index: &str,
        blobs: &str,
        numbers: &[f64],
    ) -> Result<(), JsValue>;
}

#[wasm_bindgen(module = "/js/objects.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = askByPath)]
    pub fn ask_by_path(
        namespace: &JsValue,
        name: &str,
        path: &str,
        milliseconds: f64,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = loadRows)]
    pub fn load_rows(storage: &JsValue) -> Result<Vec<JsValue>, JsValue>;

    #[wasm_bindgen(catch, js_name = storeRows)]
    pub fn store_rows(
        storage: &JsValue,
        write: &[f64],
        ends: &[u32],
        bytes: &[u8],
        delete: &[f64],
        wake_in: Option<f64>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = answerByHeader)]
    pub fn answer_by_header(answer: &str) -> Response;

    #[wasm_bindgen(catch, js_name = askOnce)]
    pub fn ask_once(
        namespace: &JsValue,
        name: &str,
        path: &str,
        content: &str,
        milliseconds: f64,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = objectByName)]
    pub fn object_by_name(namespace: &JsValue, name: &str) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen(module = "/js/cryptography.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = importKey)]
    pub async fn import_key(jwk: &str, algorithm: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = verifySignature)]
    pub fn verify_signature(
        key: &JsValue,
        algorithm: &str,
        signature: &[u8],
        signed: &[u8],
    ) -> Result<Promise, JsValue>;
}

/// The header that says the id of a request on every response.
pub const REQUEST_ID: &str = "Portcullis-Request-Id";

/// A binding of the environment; undefined if there is none.
pub fn binding(env: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(env, &name.into()).unwrap_or_default()
}

/// `Name: value` in lines. No part can hold a line break, because each was checked or came as a
/// header.
pub fn header_lines<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> String {
    let mut lines = String::new();
    for (at, (name, value)) in headers.iter().enumerate() {
        let start = if at == 0 { "" } else { "\n" };
        lines.extend([start, name.as_ref(), ": ", value.as_ref()]);
    }
    lines
}

/// A text from JavaScript. The error is for the log.
pub fn text(result: Result<JsValue, JsValue>) -> Result<String, String> {
    result
        .map(|text| text.as_string().unwrap_or_default())
        .map_err(|error| describe(&error))
}

/// What [`describe`] says of a call that took too long.
pub const TIMED_OUT: &str = "timed out";

/// What a JavaScript exception says, for the log.
pub fn describe(error: &JsValue) -> String {
    if is_time_out(error) {
        return TIMED_OUT.into();
    }
    error.dyn_ref::<js_sys::Error>().map_or_else(
        || format!("{error:?}"),
        |error| String::from(error.message()),
    )
}
