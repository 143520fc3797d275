//! Quotas, bans, replay windows and socket caps: what is counted, for whom, and how exactly.

mod bytes;
pub mod deny_cache;
pub mod leases;
pub mod ledger;
pub mod quota;
pub mod refusals;
pub mod route_pool;
pub mod scope;
pub mod two_clocks;

use std::time::Duration;

/// How long what counts no more stays stored. A client that returns in that time finds the alarm
/// set. Only the object's clock decides on the end of it, so it is longer than clocks jump.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
