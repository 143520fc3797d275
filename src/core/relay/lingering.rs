//! Sockets that are accepted to be refused by a close code (`REJECT_WITH=close`). The platform keeps
//! such a socket until its client answers the close, so their number and their time are bounded.

use std::time::Duration;

use serde_json::json;

use crate::util::time::millis;

/// How many such sockets an isolate keeps. Beyond that, refusals are HTTP responses.
const MAX_SOCKETS: u32 = 256;
/// How many of them one address may have.
const MAX_SOCKETS_PER_ADDRESS: u32 = 16;
/// How long a client may take to answer the close before it is cut off.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The numbers above, with the time in milliseconds, as JSON for `lingering.js`.
pub fn settings_json() -> String {
    json!({
        "maxSockets": MAX_SOCKETS,
        "maxSocketsPerAddress": MAX_SOCKETS_PER_ADDRESS,
        "maxTime": millis(MAX_TIME),
    })
    .to_string()
}
