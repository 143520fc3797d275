//! The registry of live sockets: which sockets are open, and what must not be admitted.
//!
//! Sixteen objects share the sockets by their subjects. Every object stores all revocations and
//! bans, so that an upgrade asks only one of them.
//!
//! An object answers by a pure [`step()`]: the request, what is stored, the live sockets and the time
//! go in; a response and effects come out. The Durable Object around it loads, stores and sends.

mod census;
mod denials;
mod keys;
mod sockets;
mod step;
mod store;
mod wire;

pub use census::Census;
pub use denials::{
    About, DISCONNECT_LASTS, Denial, DenialKind, DenialReason, DenialTarget, ID_LENGTH,
    ListedDenial, MAX_DENIALS, MAX_DENIALS_OF_SUBJECT, MergedDenial, judge, newest,
};
pub use keys::{Claim, RegistryKey, SHARDS, session_key, shard_of, subject_key};
pub use sockets::{
    Arrival, MAX_LISTED, MAX_SOCKETS_OF_OWNER, Socket, SocketEntry, TokenRenewal, oldest,
};
pub use step::{Effect, LiveSocket, Needed, Step, step};
pub use store::{Denials, Room, SWEEP_EVERY, Sql, SqlValue, Stored};
pub use wire::{DeniedBy, Opening, RefreshScope, RegistryRequest, RegistryResponse};
