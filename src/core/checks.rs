//! The checks that need nothing but the request and the policy.

pub mod handshake;
pub mod origin;
pub mod permission;
pub mod plain_origin;
pub mod transport;
