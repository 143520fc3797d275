//! The Durable Objects of the gate, each in one file with how an isolate asks it.

pub mod ledger;
pub mod metrics;
mod object_sql;
pub mod one_time;
pub mod registry;
pub mod route_pool;
mod waiters;
