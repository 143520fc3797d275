//! The live socket: which limits hold for it, how it can end, and with which close codes. The
//! Worker relays messages by [`SocketLimits`], one JSON text for each socket, and asks the core
//! nothing for a single message.

pub mod backlog;
pub mod channel;
mod close;
mod closed;
pub mod first_message;
mod limits;
pub mod lingering;

pub use close::CloseReason;
pub use closed::{Closed, Traffic};
pub use limits::{MAX_MESSAGE_BYTES, RelayLimits, RelayMode, SocketLimits};
