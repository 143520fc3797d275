//! Quotas, bans, replay windows and socket caps: what is counted, for whom, and how exactly.

mod bytes;
pub mod deny_cache;
pub mod ledger;
pub mod quota;
pub mod route_pool;
pub mod scope;
pub mod two_clocks;
