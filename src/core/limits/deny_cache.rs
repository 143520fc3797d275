//! What this isolate already knows of exhausted quotas and of bans. A refusal that follows from it
//! costs no call to an object.

use std::time::Duration;

use crate::util::bounded_map::BoundedMap;
use crate::util::time::Timestamp;

/// How many waits of each kind are remembered. When there are more, the one noted first is
/// forgotten, which costs a call.
const CAPACITY: usize = 10_000;

/// How long a wait is trusted if it may end early.
pub(super) const TRUST: Duration = Duration::from_secs(5);

/// Whether a wait that a ledger named can end before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// Nothing ends it early.
    Fixed,
    /// An admission may be given back, or a ban lifted.
    MayEndEarly,
}

/// Which clients have to wait, and until when.
#[derive(Debug, Default)]
pub struct DenyCache {
    /// By ledger and group. Neither name contains a line break.
    limited: Waits,
    /// By ledger.
    banned: Waits,
}

impl DenyCache {
    /// Remembers a ledger's answer that no attempt in `group` is admitted for `wait`.
    pub fn note_limit(
        &mut self,
        ledger: &str,
        group: &str,
        wait: Duration,
        kind: WaitKind,
        now: Timestamp,
    ) {
        self.limited.note(limit_of(ledger, group), wait, kind, now);
    }

    /// Remembers a ban, which holds in all groups and may be lifted.
    pub fn note_ban(&mut self, ledger: &str, left: Duration, now: Timestamp) {
        self.banned
            .note(ledger.to_owned(), left, WaitKind::MayEndEarly, now);
    }

    /// How long an attempt in `group` still has to wait.
    pub fn limit(&self, ledger: &str, group: &str, now: Timestamp) -> Option<Duration> {
        self.limited.left(&limit_of(ledger, group), now)
    }

    /// How long a ban still holds.
    pub fn ban(&self, ledger: &str, now: Timestamp) -> Option<Duration> {
        self.banned.left(ledger, now)
    }
}

fn limit_of(ledger: &str, group: &str) -> String {
    format!("{ledger}\n{group}")
}

#[derive(Debug)]
struct Waits(BoundedMap<String, Wait>);

#[derive(Debug, Clone, Copy)]
struct Wait {
    noted: Timestamp,
    trusted_until: Timestamp,
    until: Timestamp,
}

impl Default for Waits {
    fn default() -> Self {
        Self(BoundedMap::new(CAPACITY))
    }
}

impl Waits {
    fn note(&mut self, name: String, wait: Duration, kind: WaitKind, now: Timestamp) {
        if wait.is_zero() && !self.0.contains_key(&name) {
            return;
        }
        let trust = match kind {
            WaitKind::Fixed => wait,
            WaitKind::MayEndEarly => wait.min(TRUST),
        };
        let wait = Wait {
            noted: now,
            trusted_until: now + trust,
            until: now + wait,
        };
        self.0.insert(name, wait);
    }

    fn left(&self, name: &str, now: Timestamp) -> Option<Duration> {
        let wait = self.0.get(name)?;
        // A clock that jumped back says nothing of the wait: the ledger is asked again.
        (wait.noted <= now && now < wait.trusted_until).then(|| wait.until.since(now))
    }
}
