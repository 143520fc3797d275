//! Key sets by URL: from the provider, or from what another isolate shared.

use std::time::Duration;

use portcullis::time::{Timestamp, millis};
use portcullis::token::{Document, FETCH_TIMEOUT, MOST_BYTES, RemoteKeys, SharedCopy};
use web_sys::console;

use crate::native;
use crate::runtime::now;

/// Fetches a key set, or joins a fetch that is under way in this isolate. Gives what is to be
/// shared with the others.
pub async fn fetch_keys(keys: &RemoteKeys, from_provider: bool) -> Option<SharedCopy> {
    let milliseconds = millis(FETCH_TIMEOUT) as f64;
    let newer_than = match keys.since() {
        _ if from_provider => f64::INFINITY,
        Some(since) => since.0 as f64,
        None => 0.0,
    };
    let began = now();
    let document = native::fetch_key_set(&keys.url, newer_than, milliseconds, MOST_BYTES)
        .await
        .map(|lines| key_set_document(&lines.as_string().unwrap_or_default()))
        .map_err(|error| native::describe(&error));
    let taken = keys.take(document, now());
    for remark in taken.remarks {
        console::warn_1(&format!("portcullis: {}: {remark}", keys.url).into());
    }
    // What came from the cache is there already.
    taken.copy.filter(|copy| copy.document.since >= began)
}

/// Lets the other isolates of the data centre have a set.
pub async fn share_keys(url: &str, copy: &SharedCopy) {
    let document = &copy.document;
    let max_age = document.max_age.map(|length| length.as_secs().to_string());
    native::share_key_set(
        url,
        &document.text,
        max_age.as_deref().unwrap_or_default(),
        document.since.0 as f64,
        copy.keep.as_secs() as f64,
    )
    .await;
}

/// From `<when the provider gave it, in milliseconds>`, a line break, `<max-age in seconds, or
/// nothing>`, a line break, and the text.
fn key_set_document(lines: &str) -> Document {
    let (since, rest) = lines.split_once('\n').unwrap_or_default();
    let (max_age, text) = rest.split_once('\n').unwrap_or_default();
    Document {
        text: text.to_owned(),
        max_age: max_age.parse().ok().map(Duration::from_secs),
        since: Timestamp(since.parse().unwrap_or_default()),
    }
}
