//! Live sockets: their channels to the gate's objects, their slots, and those that linger.

pub mod channel;
pub mod lingering;
pub mod slot;
