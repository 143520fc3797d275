//! What an administrator may ask for, under `/_portcullis/admin/`: who is one, and what a request
//! says.

mod command;
mod token;

pub use command::{Command, Filter, MAX_BODY_BYTES, REVOKED_FOR, Revocation, Target};
pub use token::AdminToken;

/// What the paths of the endpoints begin with.
pub const PREFIX: &str = "/_portcullis/admin/";
