//! When an isolate pings the object behind a live socket, and when it gives that object up.

use std::time::Duration;

use serde_json::json;

use crate::util::time::millis;

/// How often an isolate pings through an open channel.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long an object may be out of reach, from when it was last known to hear of the channel.
/// Then the socket ends, unless `ON_LIMITER_FAILURE` admits it.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long an object may take to answer when a lost channel is opened again.
const MAX_REOPEN_TIME: Duration = Duration::from_secs(5);
/// The pause after the first failure. It doubles with each further failure, up to `MAX_PAUSE`, and
/// each is cut or prolonged by up to half at random: an object that restarts lost all its channels
/// at once.
const MIN_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The longest that a socket stays open after its object last heard of its channel: an isolate
/// may be in a pause or a call when its patience ends.
pub fn max_unheard() -> Duration {
    PATIENCE + MAX_PAUSE / 2 + MAX_REOPEN_TIME
}

/// The lengths above in milliseconds, as JSON for `channel.js`.
pub fn settings_json() -> String {
    json!({
        "pingEvery": millis(PING_EVERY),
        "patience": millis(PATIENCE),
        "maxReopenTime": millis(MAX_REOPEN_TIME),
        "minPause": millis(MIN_PAUSE),
        "maxPause": millis(MAX_PAUSE),
    })
    .to_string()
}
