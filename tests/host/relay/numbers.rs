//! The numbers that scripts get from the core.

use portcullis::limits::ledger::LEASE;
use portcullis::relay::{backlog, channel, lingering};
use portcullis::util::time::millis;
use serde_json::{Value, json};

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("the core's own JSON")
}

#[test]
fn the_scripts_numbers_are_unchanged() {
    assert_eq!(
        parsed(&channel::settings_json()),
        json!({
            "pingEvery": 20_000,
            "patience": 45_000,
            "maxReopenTime": 5_000,
            "minPause": 250,
            "maxPause": 10_000,
        })
    );
    assert_eq!(
        parsed(&lingering::settings_json()),
        json!({ "maxSockets": 256, "maxSocketsPerAddress": 16, "maxTime": 5_000 })
    );
}

/// Else a slot would be free while its socket is still open.
#[test]
fn a_socket_that_nothing_counts_ends_before_its_lease_does() {
    let number = |name: &str| parsed(&channel::settings_json())[name].as_u64();
    let number = |name| number(name).expect("a number");
    assert!(number("pingEvery") < number("patience"));
    assert!(number("patience") < millis(LEASE));
    let longest = number("patience") + number("maxPause") / 2 + number("maxReopenTime");
    assert_eq!(longest, millis(channel::max_unheard()));
    assert!(channel::max_unheard() < LEASE);
}

#[test]
fn the_isolates_budget_is_unchanged() {
    assert_eq!(
        parsed(&backlog::settings_json()),
        json!({
            "budget": 67_108_864,
            "readPerMillisecond": 256,
            "minHeld": 4096,
            "closeWait": 100,
        })
    );
}
