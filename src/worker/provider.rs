//! Identity providers, asked by `provider.js`. Key sets come from the provider or from the
//! platform's cache, where another isolate put them. Sessions come from the provider only.

use std::time::Duration;

use portcullis::token::{
    Document, FETCH_TIMEOUT, IntrospectionRequest, MAX_ANSWER_BYTES, MAX_BYTES, ProviderAnswer,
    RemoteKeys, SharedCopy,
};
use portcullis::util::time::{Timestamp, millis};
use wasm_bindgen::prelude::*;
use web_sys::console;
use worker::Context;

use crate::clock::now;
use crate::host;

#[wasm_bindgen(module = "/js/provider.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetchKeySet)]
    async fn fetch_key_set(
        url: &str,
        newer_than: f64,
        context: &JsValue,
        milliseconds: f64,
        max_bytes: u32,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = shareKeySet)]
    async fn share_key_set(url: &str, text: &str, max_age: &str, since: f64, seconds: f64);

    #[wasm_bindgen(catch, js_name = introspect)]
    async fn introspect_session(
        url: &str,
        authorization: &str,
        form: &str,
        digest: &[u8],
        context: &JsValue,
        milliseconds: f64,
        max_bytes: u32,
    ) -> Result<JsValue, JsValue>;
}

/// Fetches a key set, or joins a fetch that is under way in this isolate. Returns the copy to share
/// with other isolates, if there is one.
pub async fn fetch_keys(
    keys: &RemoteKeys,
    from_provider: bool,
    context: &Context,
) -> Option<SharedCopy> {
    let milliseconds = millis(FETCH_TIMEOUT) as f64;
    let newer_than = match keys.since() {
        _ if from_provider => f64::INFINITY,
        Some(since) => since.0 as f64,
        None => 0.0,
    };
    let began = now();
    let lines = fetch_key_set(
        &keys.url,
        newer_than,
        context.as_ref(),
        milliseconds,
        MAX_BYTES,
    )
    .await;
    let document = host::text(lines).map(|lines| key_set_document(&lines));
    let taken = keys.take(document, now());
    for remark in taken.remarks {
        console::warn_1(&format!("portcullis: {}: {remark}", keys.url).into());
    }
    // A set that came from the cache is there already.
    taken.copy.filter(|copy| copy.document.since >= began)
}

/// Shares a set with the other isolates of the data centre.
pub async fn share_keys(url: &str, copy: &SharedCopy) {
    let document = &copy.document;
    let max_age = document.max_age.map(|length| length.as_secs().to_string());
    share_key_set(
        url,
        &document.text,
        max_age.as_deref().unwrap_or_default(),
        document.since.0 as f64,
        copy.keep.as_secs() as f64,
    )
    .await;
}

/// Parses three parts with line breaks between: when the provider sent the set, in milliseconds;
/// its `max-age` in seconds, or nothing; its text.
fn key_set_document(lines: &str) -> Document {
    let (since, rest) = lines.split_once('\n').unwrap_or_default();
    let (max_age, text) = rest.split_once('\n').unwrap_or_default();
    Document {
        text: text.to_owned(),
        max_age: max_age.parse().ok().map(Duration::from_secs),
        since: Timestamp(since.parse().unwrap_or_default()),
    }
}

/// Asks the provider about a session, or joins a request about it that is under way. The error is
/// for the log.
pub async fn introspect(
    question: &IntrospectionRequest<'_>,
    context: &Context,
) -> Result<ProviderAnswer, String> {
    let lines = introspect_session(
        question.url,
        question.authorization,
        &question.form,
        &question.digest,
        context.as_ref(),
        millis(FETCH_TIMEOUT) as f64,
        MAX_ANSWER_BYTES,
    )
    .await;
    host::text(lines).map(|lines| provider_answer(&lines))
}

/// Parses three parts with line breaks between: status, content type and body.
fn provider_answer(lines: &str) -> ProviderAnswer {
    let (status, rest) = lines.split_once('\n').unwrap_or_default();
    let (content_type, body) = rest.split_once('\n').unwrap_or_default();
    ProviderAnswer {
        status: status.parse().unwrap_or_default(),
        content_type: content_type.to_owned(),
        body: body.to_owned(),
    }
}
