//! `RATE_LIMIT_ROUTE`: one quota for all clients of a route, counted without a call to one object
//! for each client.
//!
//! The object of a route keeps the [`Pool`]: what was admitted in the last window, and what is
//! lent. An isolate keeps a [`Holder`]. While few clients come, each admission is a request to the
//! pool, and counts from the moment of its answer. An isolate that asks often is lent a *share*: a
//! number of admissions in any window that it grants without asking. The pool makes sure that
//!
//! > admissions of the last window + shares that are lent ≤ count
//!
//! at every moment, whatever happens to requests, answers, isolates and the object itself:
//!
//! - A share is lent for [`LEASE`], and its isolate uses it for half of that time. A share that is
//!   neither renewed nor given back counts in full until the lease and a window are over.
//! - What an isolate used of its share becomes an entry of the pool when the isolate reports it.
//!   In short windows the isolate reuses that part itself once a window has passed.
//! - The requests of an isolate are numbered. A request that arrives after a later one of the same
//!   isolate changes no share, and an isolate uses only the answer to its last request for a share.
//!   So the pool never takes less for lent than an isolate holds.
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
pub use pool::{CorruptPool, Pool};
pub use uses::ShareUse;

use crate::limits::quota::Quota;
use crate::util::time::Timestamp;

/// How long a share is lent, by the pool's clocks: longer than any message travels.
pub const LEASE: Duration = Duration::from_secs(10);

/// The smallest quota that is lent in shares. With a smaller one each admission is asked for, so
/// that none lies idle.
const MIN_TO_LEND: u32 = 128;

/// How long an isolate uses a share, from the moment it asked for it.
const HOLD: Duration = Duration::from_secs(5);

/// An isolate's request to the pool of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolRequest {
    pub quota: Quota,
    /// A random number that stands for the isolate.
    pub isolate: u64,
    /// Counts the isolate's requests.
    pub number: u64,
    /// By the isolate's clock.
    pub sent: Timestamp,
    pub wish: PoolOperation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolOperation {
    /// Grant one admission, for a client that waits.
    Admit,
    /// Take the isolate's account of its share, and lend it a new one.
    Share {
        /// Also grant one admission, for a client that waits.
        admits: bool,
        /// How much of the share was used since the last account, for the pool to count.
        used: u32,
        /// How much the isolate keeps using, whatever the answer is.
        keep: u32,
        /// How large the share should be, `keep` included.
        want: u32,
    },
    /// Take back the admission that was granted to the request with this number.
    GiveBack { number: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolResponse {
    Granted(PoolGrant),
    /// A later request of this isolate was answered already.
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolGrant {
    /// Whether the client that waits is admitted.
    pub admits: bool,
    /// The share from now on.
    pub share: u32,
    /// How long to ask for nothing, or zero: until something may be free, or longer when the
    /// object gets too many requests.
    pub wait: Duration,
}

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
