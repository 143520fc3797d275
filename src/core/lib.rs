//! Portcullis guards WebSockets at the edge. This crate is its decisions: plain Rust without a
//! runtime, with time and randomness as arguments. The Worker around it is `src/worker`, which
//! may use every module here; nothing here knows of it.
//!
//! Start at [`gateway`]: it is the journey of a request, on one page. Each step's module knows
//! nothing of the others'.

pub mod admin;
pub mod checks;
pub mod config;
pub mod gateway;
pub mod limits;
pub mod metrics;
pub mod one_time;
pub mod policy;
pub mod record;
pub mod registry;
pub mod relay;
pub mod request;
pub mod response;
pub mod routing;
pub mod token;
pub mod upstream;
pub mod util;
