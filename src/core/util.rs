//! Helpers that know nothing of the gate.

pub(crate) mod duration;
pub(crate) mod strict_json;
pub mod time;
