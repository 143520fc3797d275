//! Sockets that are opened before their server is known, as `first-message.js` keeps them.

use std::cell::RefCell;

use js_sys::{Promise, Reflect, Uint8Array};
use portcullis::gateway::platform::{NoFirstMessage, Opening};
use portcullis::relay::first_message::{FirstMessageFate, Opened};
use portcullis::util::time::millis;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::host::{REQUEST_ID, header_lines};

#[wasm_bindgen(module = "/js/first-message.js")]
extern "C" {
    /// Passes the limits once for each isolate.
    #[wasm_bindgen(js_name = configureFirstMessages)]
    pub fn configure(settings: &str);

    /// A socket that waits for its first message, and then for its server.
    pub type Awaited;

    /// Opens a socket. Returns a text if too many wait already.
    #[wasm_bindgen(catch, js_name = awaitFirstMessage)]
    fn await_first(
        context: &JsValue,
        address: &str,
        milliseconds: f64,
        max_bytes: u32,
        greeting: Option<&str>,
        stamps: &JsValue,
        own: &str,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn response(this: &Awaited) -> JsValue;

    #[wasm_bindgen(method, getter)]
    fn first(this: &Awaited) -> Promise;

    #[wasm_bindgen(method)]
    fn decide(this: &Awaited, first: &JsValue, drops_greeting: bool);

    /// Closes a socket that is refused.
    #[wasm_bindgen(method)]
    pub fn refuse(this: &Awaited, code: u16, reason: &str);
}

/// The socket of one request, if it was opened early.
#[derive(Default)]
pub struct EarlySocket {
    response: RefCell<Option<JsValue>>,
    awaited: RefCell<Option<Awaited>>,
}

impl EarlySocket {
    /// Opens the socket and waits for its first message.
    pub async fn open(
        &self,
        context: &JsValue,
        opening: &Opening<'_>,
        stamps: &JsValue,
    ) -> Result<Vec<u8>, NoFirstMessage> {
        let mut own = vec![(REQUEST_ID, opening.request_id)];
        own.extend(
            opening
                .protocol
                .map(|protocol| ("Sec-WebSocket-Protocol", protocol)),
        );
        let awaited = await_first(
            context,
            opening.address,
            millis(opening.timeout) as f64,
            u32::try_from(opening.max_bytes).unwrap_or(u32::MAX),
            opening.greeting,
            stamps,
            &header_lines(&own),
        );
        let awaited: Awaited = match awaited {
            Ok(refused) if refused.is_string() => {
                let is_address = refused.as_string().as_deref() == Some("address");
                return Err(if is_address {
                    NoFirstMessage::TooManyOfAddress
                } else {
                    NoFirstMessage::TooMany
                });
            }
            Ok(awaited) => awaited.unchecked_into(),
            Err(_) => return Err(NoFirstMessage::TooMany),
        };
        let first = awaited.first();
        *self.response.borrow_mut() = Some(awaited.response());
        *self.awaited.borrow_mut() = Some(awaited);
        read_first(&JsFuture::from(first).await.unwrap_or_default())
    }

    /// The answer to the client, once.
    pub fn take_response(&self) -> Option<JsValue> {
        self.response.borrow_mut().take()
    }

    /// The socket, for the end of the journey.
    pub fn take(&self) -> Option<Awaited> {
        self.awaited.borrow_mut().take()
    }
}

impl Awaited {
    /// Says what the server gets when the relay starts.
    pub fn prepare(&self, opened: &Opened) {
        let first = match &opened.first {
            FirstMessageFate::AsSent => JsValue::UNDEFINED,
            FirstMessageFate::Replaced(text) => text.as_str().into(),
            FirstMessageFate::Dropped => JsValue::NULL,
        };
        self.decide(&first, opened.drops_upstream_greeting);
    }
}

/// Reads `{ text }`, `{ bytes }` or `{ failure }`.
fn read_first(first: &JsValue) -> Result<Vec<u8>, NoFirstMessage> {
    let member = |name: &str| Reflect::get(first, &name.into()).unwrap_or_default();
    if let Some(text) = member("text").as_string() {
        return Ok(text.into_bytes());
    }
    if let Ok(bytes) = member("bytes").dyn_into::<Uint8Array>() {
        return Ok(bytes.to_vec());
    }
    match member("failure").as_string().as_deref() {
        Some("timed out") => Err(NoFirstMessage::TimedOut),
        Some("too long") => Err(NoFirstMessage::TooLong),
        _ => Err(NoFirstMessage::Left),
    }
}
