//! What an administrator may ask for, under `/_portcullis/admin/`: who is one, and what a request
//! says.

mod administrators;
mod command;
mod explained;
mod query;
mod responses;
mod revocation;
mod token;

pub use administrators::{ASSERTION, Administrators, Proof, name_of};
pub use command::{Command, Filter, MAX_BODY_BYTES, Target};
pub use explained::{BanView, CountView, CountedBy, Explained, Findings};
pub use responses::{
    Banned, Bans, Disconnected, Lifted, LiftedRevocation, Revocations, Revoked, Sockets,
};
pub use revocation::{REVOKED_FOR, Revocation};
pub use token::AdminToken;

/// What the paths of the endpoints begin with.
pub const PREFIX: &str = "/_portcullis/admin/";
