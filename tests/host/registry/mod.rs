//! The registry of live sockets.

mod admission;
mod bounds;
mod denials;
mod format;
mod refresh;
mod renewal;
mod sockets;
mod step;
mod store;
