//! Live sockets: their channels to the gate's objects, their slots, those that linger, and those that
//! wait for their first message.

pub mod channel;
pub mod first_message;
pub mod lingering;
pub mod slot;
