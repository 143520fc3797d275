//! How much all inspected sockets of an isolate may hold in memory together.
//!
//! The platform keeps what a receiver has not read, and gives each isolate 128 MB. It neither
//! pauses a sender nor says what was read, so the relay estimates: what was sent to a side since its
//! last own message counts, less what a slow receiver reads in the meantime. When the sum exceeds
//! the budget, the socket that holds most is closed with 1013.

use std::time::Duration;

use serde_json::json;

use crate::util::time::millis;

/// What all sockets of an isolate may hold: half of the isolate's memory. The other half is for
/// messages that are being passed on, and for the gate itself.
const BUDGET: u32 = 64 << 20;
/// How many bytes a receiver reads in a millisecond at least, about 2 Mbit/s. Without such a rate, a
/// crowd of receivers that read everything but never send would use up the budget.
const READ_PER_MILLISECOND: u32 = 256;
/// A socket that holds less is not worth closing.
const MIN_HELD: u32 = 4096;
/// How long a socket that is closed for its backlog stays, so that its close frames can leave. Its
/// memory is needed.
const CLOSE_WAIT: Duration = Duration::from_millis(100);

/// The numbers above, in bytes and milliseconds, as JSON for `backlog.js`.
pub fn settings_json() -> String {
    json!({
        "budget": BUDGET,
        "readPerMillisecond": READ_PER_MILLISECOND,
        "minHeld": MIN_HELD,
        "closeWait": millis(CLOSE_WAIT),
    })
    .to_string()
}
