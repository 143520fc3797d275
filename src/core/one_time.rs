//! What can be used once: tickets, and the ids of tokens under `JWT_REPLAY`.

pub mod jti;
pub mod store;
pub mod ticket;
