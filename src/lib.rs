//! Portcullis guards WebSockets at the edge. This crate is its decisions: plain Rust without a
//! runtime, with time and randomness as arguments. The Worker around it is `src/edge`, which
//! may use every module here; nothing here knows of it.
//!
//! Start at [`gateway`]: it is the journey of a request, on one page. Each step's module knows
//! nothing of the others'.

pub mod admin;
pub mod assertion;
pub mod client;
pub mod config;
pub mod cors;
pub mod gateway;
pub mod handshake;
pub mod known;
pub mod ledger;
pub mod live;
pub mod once;
pub mod origin;
pub mod party;
pub mod permission;
pub mod record;
pub mod registry;
pub mod rejection;
pub mod replay;
pub mod request;
pub mod route;
pub mod route_quota;
pub mod security_headers;
mod strict_json;
mod syntax;
pub mod ticket;
pub mod time;
pub mod token;
mod transport;
pub mod upstream;
