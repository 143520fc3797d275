//! What ties a live socket to an object.

pub mod channel;
pub mod slot;
