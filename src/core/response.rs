//! What the gate answers: reasons, refusals, and the headers that each response carries.

pub mod answer;
mod client_action;
pub mod cors;
mod faults;
mod headers;
pub mod reason;
mod rejection;
mod remedy;
mod report_mode;
pub mod security_headers;
