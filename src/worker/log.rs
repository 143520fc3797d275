//! Step 12: a line in the log, and a data point where the binding exists.

use portcullis::record::{ClosedRecord, Record};
use wasm_bindgen::JsValue;
use web_sys::console;

use crate::{host, rehearsal};

/// The Analytics Engine dataset, where bound.
const DECISIONS: &str = "DECISIONS";

pub fn attempt(record: &Record, env: &JsValue) {
    let numbers = [record.duration_ms as f64];
    write(|| record.to_line(), record, &numbers, env);
}

pub fn closed(closed: &ClosedRecord, env: &JsValue) {
    write(|| closed.to_line(), closed.record(), &closed.numbers(), env);
}

fn write(line: impl FnOnce() -> String, record: &Record, numbers: &[f64], env: &JsValue) {
    if rehearsal::is_under_way() {
        return;
    }
    if record.is_logged() {
        console::log_1(&line().into());
    }
    let dataset = host::binding(env, DECISIONS);
    if dataset.is_undefined() {
        return;
    }
    let blobs = serde_json::to_string(&record.blobs()).expect("an array of strings");
    if let Err(error) = host::write_decision(&dataset, &record.address, &blobs, numbers) {
        let text = format!("portcullis: {DECISIONS}: {}", host::describe(&error));
        console::warn_1(&text.into());
    }
}
