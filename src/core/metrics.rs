//! Metrics: what isolates count, how one object adds it up, and how it is shown.
//!
//! An isolate counts in memory, in a [`Tally`]. A few seconds after the first count it sends the tally
//! to one Durable Object, which adds it to its [`Statistics`], so a flood does not cause more calls. A
//! tally that can't be sent is sent with the next one. If its isolate ends before, it is lost.

mod exposition;
mod heavy_hitters;
mod histogram;
mod overview;
mod pairs;
mod statistics;
mod tally;

use std::time::Duration;

pub use exposition::{CONTENT_TYPE, open_metrics};
pub use heavy_hitters::HeavyHitters;
pub use histogram::{BOUNDS, Histogram};
pub use overview::{GateHealth, KeySetHealth, Overview};
pub use statistics::{
    Action, Change, MAX_ACTIONS, MAX_SERIES, MINUTES, MetricsRequest, MetricsResponse, Statistics,
};
pub use tally::{CallResult, Called, Closing, Decision, KeySetAge, ObjectKind, Tally};

/// How long an isolate counts before it reports.
pub const REPORT_EVERY: Duration = Duration::from_secs(5);

/// How long the object keeps new counts in memory before it stores them.
pub const STORE_EVERY: Duration = Duration::from_secs(10);
