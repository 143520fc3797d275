//! What ledgers lent to this isolate: attempts of addresses and admissions of users that it admits
//! without a question.

use std::time::Duration;

use super::ledger::{Account, LeaseId, Wish};
use super::quota::MAX_LENT;
use crate::util::bounded_map::BoundedMap;
use crate::util::time::Timestamp;

/// How long a lease is used, from when it was asked for. The ledger counts it for twice that.
pub const USED_FOR: Duration = Duration::from_secs(1);

/// Within which time of an attempt another one says that its address or user comes often.
const OFTEN: Duration = Duration::from_secs(1);

/// What is asked for first.
const FIRST: u32 = 2;

/// How far a clock may seem to go back only because two requests read it at about one time.
const JITTER: Duration = Duration::from_millis(100);

/// How many addresses and users are remembered. If there are more, the one noted first is forgotten,
/// and nobody uses what it was lent.
const CAPACITY: usize = 10_000;

/// The leases of an isolate, by ledger and group.
#[derive(Debug)]
pub struct Leases(BoundedMap<String, Lease>);

/// What one ledger lent to the isolate.
///
/// The isolate's clock may jump, so it can only end a lease early. A timer, which measures time
/// without reading a clock, ends it as well.
#[derive(Debug, Default)]
struct Lease {
    /// The latest time that the isolate's clock showed, at an attempt.
    latest: Timestamp,
    held: Option<Held>,
    asked: Option<Asked>,
    /// What the next question has to account for.
    account: Option<Account>,
    /// How many attempts were asked for last; zero if it comes rarely.
    size: u32,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    id: LeaseId,
    since: Timestamp,
    lent: u32,
    used: u32,
}

/// A question for a lease, under way.
#[derive(Debug, Clone, Copy)]
struct Asked {
    id: LeaseId,
    since: Timestamp,
}

impl Default for Leases {
    fn default() -> Self {
        Self(BoundedMap::new(CAPACITY))
    }
}

impl Leases {
    /// Takes an attempt from what was lent, if there is any. Returns the lease, to which it can be
    /// given back.
    pub fn take(&mut self, name: &str, now: Timestamp) -> Option<LeaseId> {
        self.0.get_mut(name)?.take(now)
    }

    /// What to ask a ledger for besides an attempt that is not lent. `id` is a random number, and
    /// `most` the most that the ledger lends. If something is wanted, a timer of [`USED_FOR`] begins
    /// now, which is to call [`Self::lapse`].
    pub fn ask(&mut self, name: &str, id: LeaseId, most: u32, now: Timestamp) -> Wish {
        if let Some(lease) = self.0.get_mut(name) {
            return lease.ask(id, most, now);
        }
        let latest = now;
        let new = Lease {
            latest,
            ..Lease::default()
        };
        self.0.insert(name.to_owned(), new);
        let (want, account) = (0, None);
        Wish { id, want, account }
    }

    /// Takes in the answer to a question for a lease.
    pub fn lend(&mut self, name: &str, id: LeaseId, lent: u32, now: Timestamp) {
        if let Some(lease) = self.0.get_mut(name) {
            lease.lend(id, lent, now);
        }
    }

    /// Gives back an attempt that was not used. Without effect once the lease is accounted for.
    pub fn give_back(&mut self, name: &str, id: LeaseId) {
        let Some(lease) = self.0.get_mut(name) else {
            return;
        };
        let held = lease.held.as_mut().filter(|held| held.id == id);
        let used = match held {
            Some(held) => Some(&mut held.used),
            None => {
                let account = lease.account.as_mut().filter(|account| account.id == id);
                account.map(|account| &mut account.used)
            }
        };
        if let Some(used) = used {
            *used = used.saturating_sub(1);
        }
    }

    /// Ends a lease: its timer is over, or its question got no answer.
    pub fn lapse(&mut self, name: &str, id: LeaseId) {
        let Some(lease) = self.0.get_mut(name) else {
            return;
        };
        if lease.held.is_some_and(|held| held.id == id) {
            lease.end();
        }
        // An answer to it comes too late to be used.
        if lease.asked.is_some_and(|asked| asked.id == id) {
            lease.asked = None;
            lease.account = Some(Account { id, used: 0 });
        }
    }

    /// Ends what a ledger lent: nobody is admitted for now.
    pub fn end(&mut self, name: &str) {
        if let Some(lease) = self.0.get_mut(name) {
            lease.end();
        }
    }
}

impl Lease {
    fn take(&mut self, now: Timestamp) -> Option<LeaseId> {
        self.read_clock(now);
        let held = self.held.as_mut()?;
        if held.used >= held.lent || now >= held.since + USED_FOR {
            return None;
        }
        held.used += 1;
        self.latest = self.latest.max(now);
        Some(held.id)
    }

    fn ask(&mut self, id: LeaseId, most: u32, now: Timestamp) -> Wish {
        self.read_clock(now);
        let comes_often = now < self.latest + OFTEN;
        self.latest = self.latest.max(now);
        self.size = match self.held {
            _ if !comes_often => 0,
            _ if self.asked.is_some() => self.size,
            Some(held) if held.used >= held.lent => (held.lent * 2).max(FIRST),
            Some(held) => held.used.max(FIRST),
            None => FIRST,
        };
        self.end();
        let want = match self.asked {
            Some(_) => 0,
            None => self.size.min(most).min(MAX_LENT),
        };
        if want > 0 {
            self.asked = Some(Asked { id, since: now });
        }
        let account = self.account.take();
        Wish { id, want, account }
    }

    fn lend(&mut self, id: LeaseId, lent: u32, now: Timestamp) {
        self.read_clock(now);
        let Some(asked) = self.asked.filter(|asked| asked.id == id) else {
            return;
        };
        self.asked = None;
        if lent > 0 {
            self.held = Some(Held {
                id,
                since: asked.since,
                lent,
                used: 0,
            });
        }
    }

    /// Ends the lease that is held. The next question accounts for it.
    fn end(&mut self) {
        if let Some(Held { id, used, .. }) = self.held.take() {
            self.account = Some(Account { id, used });
        }
    }

    /// Reads the clock. After a jump back the lease is given up, and so is a question for one.
    fn read_clock(&mut self, now: Timestamp) {
        if now + JITTER >= self.latest {
            return;
        }
        self.latest = now;
        self.end();
        if let Some(Asked { id, .. }) = self.asked.take() {
            self.account = Some(Account { id, used: 0 });
        }
    }
}
