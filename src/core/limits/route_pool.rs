//! `RATE_LIMIT_ROUTE`: one quota for all clients of a route, counted without asking one object
//! for each of them.
//!
//! The object of a route keeps the [`Pool`]: what was admitted in the last window, and what it
//! lent. An isolate keeps a [`Holder`]. Where few ask, each admission is a question to the pool,
//! and counts from the moment it is answered. An isolate that asks often is lent a *share*: so
//! many admissions in any window, which it gives without asking. The pool sees to it that
//!
//! > admissions of the last window + shares that are lent ≤ count
//!
//! at every moment, whatever becomes of questions, answers, isolates and the object itself:
//!
//! - A share is lent for [`LEASE`], and its isolate uses it for half of that. One that is neither
//!   renewed nor given back counts in full until the lease and a window are over.
//! - What an isolate used of its share becomes an entry of the pool when it says so, or, for
//!   short windows, is used again by the isolate itself once a window has passed.
//! - Questions of an isolate are numbered. A question that comes after a later one of its isolate
//!   changes no share, and an isolate uses no answer but that to its last question for a share.
//!   So what the pool believes to be lent is never less than what an isolate holds.
//! - After a restart the pool knows only how much was lent and since when, and counts all of it
//!   until the leases and a window are over.

mod demand;
mod holder;
mod log;
mod pool;
mod uses;
pub mod wire;

use std::time::Duration;

pub use holder::{Admission, Alarm, Decision, Holder, HolderTask};
pub use pool::{CorruptPool, Idle, Pool};
pub use uses::ShareUse;

use crate::limits::quota::Quota;
use crate::util::time::Timestamp;

/// How long a share is lent, by the pool's clocks. Longer than any message is under way.
pub const LEASE: Duration = Duration::from_secs(10);

/// Smaller quotas are not lent: each admission is asked for, so that none lies idle anywhere.
const MIN_TO_LEND: u32 = 128;

/// How long an isolate uses a share after it asked for it.
const HOLD: Duration = Duration::from_secs(5);

/// What an isolate asks the pool of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolRequest {
    pub quota: Quota,
    /// The isolate, a random number.
    pub isolate: u64,
    /// The isolate's questions in their order.
    pub number: u64,
    /// By the isolate's clock.
    pub sent: Timestamp,
    pub wish: PoolOperation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolOperation {
    /// One admission, for a request that waits.
    Admit,
    /// An account of the isolate's share, and what it would like it to be.
    Share {
        /// One admission beside it, for a request that waits.
        admits: bool,
        /// Used of the share since the last account, and to be counted by the pool.
        used: u32,
        /// What the isolate holds on to whatever the answer is.
        keep: u32,
        /// How much its share should be, `keep` included.
        want: u32,
    },
    /// The admission given to this question is not used after all.
    GiveBack { number: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolResponse {
    Granted(PoolGrant),
    /// A later question was answered already.
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolGrant {
    /// Whether the request that waits is admitted.
    pub admits: bool,
    /// The share from now on.
    pub share: u32,
    /// Zero, or how long to ask for nothing: until something can come free, or longer if there
    /// are too many questions.
    pub wait: Duration,
}

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
